//! x
pub mod parameters;
pub mod elgamal;
pub mod reading;
pub mod bfv;
pub mod bound;
pub mod plan;
pub mod scheme;
mod batch;
pub mod evaluate;
