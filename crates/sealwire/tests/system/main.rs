//! The whole system: the real program, real processes, real ports, clients that nobody here wrote.
//!
//! One test binary, so that the program's crates are linked once. Each test starts a consortium of
//! its own; they take turns, because each wants the machine.

mod bindings;
mod compute;
mod console;
mod guide;
mod harness;
mod identity;
mod kill;
mod peers;
mod rights;
mod story;
