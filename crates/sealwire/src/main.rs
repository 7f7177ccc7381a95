//! `sealwire`: the program that every organisation runs.
//!
//! Commands are thin: each parses, calls the crate that does the work, and prints. What they share
//! is the home directory ([`home`]) and the way they print ([`output`]).

mod cli;
mod home;
mod init;
mod output;

use clap::Parser as _;

fn main() {
    let _ = cli::Cli::parse();
}
