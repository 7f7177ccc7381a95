//! The contracts from outside: what each call does, refuses and leaves behind.

mod admission;
mod codes;
mod codes_rights;
mod compute;
mod decisions;
mod determinism;
mod document;
mod edges;
mod genesis;
mod identity;
mod model;
mod past;
mod queries;
mod rights;
mod table;
mod vectors;
mod world;
