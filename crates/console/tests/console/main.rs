//! The console over a real consortium: two validators and a gateway in this process, asked over HTTP as a
//! browser would.

mod acts;
mod common;
mod compute;
mod document;
mod guard;
mod records;
mod serves;
mod sign_in;
