//! x
pub mod parameters;
pub mod elgamal;
pub mod reading;
pub mod bfv;
