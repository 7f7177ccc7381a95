//! The contracts from outside: what each call does, refuses and leaves behind.

mod codes;
mod determinism;
mod model;
mod queries;
mod table;
mod vectors;
mod world;
