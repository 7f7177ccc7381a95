//! Every function, under every parameter set that serves it, in every form that it takes, against
//! plain arithmetic on the same readings ([`plain`]); and what must be refused or left out.

mod known;
mod left_out;
mod noticed;
mod plain;
mod refused;
#[path = "../world/mod.rs"]
mod world;
