//! The client against a gateway over real sockets, on a consortium in memory.
//!
//! One program for all of it, since each test program builds the gateway's generics once more.

mod common;

mod compute;
mod former;
mod kill;
mod ledger;
mod line;
mod reauthenticate;
mod tls;
