//! The contracts from outside: what each call does, refuses and leaves behind.

mod admission;
mod codes;
mod determinism;
mod edges;
mod genesis;
mod identity;
mod model;
mod queries;
mod table;
mod vectors;
mod world;
