//! A gateway over real sockets, on a consortium in memory.
//!
//! One program for all of it, since each test program builds the gateway's generics once more: see
//! the module for what a file holds. What hostile clients do is a program of its own, because it
//! counts every panic of its process.

mod common;

mod compute;
mod delivery;
mod http_rights;
mod libraries;
mod login;
mod messages;
mod reauthenticate;
mod records;
mod websocket;
