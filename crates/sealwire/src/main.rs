//! `sealwire`: the program that every organisation runs.
//!
//! Commands are thin: each parses, calls the crate that does the work, and prints. What they share
//! is the home directory ([`home`]), who acts ([`actor`]) and the way they print ([`output`]).

mod actor;
mod audit;
mod bench;
mod certificate;
mod cli;
mod console;
mod demo;
mod device;
mod fsck;
mod gateway;
mod home;
mod init;
mod key;
mod node;
mod output;
mod process;
mod receipt;
mod record;
mod topic;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};
use cli::{Bench, Cli, Command};
use home::Home;
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output { json: cli.json };
    process::start_log(cli.verbose);
    match run(cli, out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, out: Output) -> Result<()> {
    match cli.command {
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "sealwire",
                &mut std::io::stdout(),
            );
            Ok(())
        }
        Command::Man => clap_mangen::Man::new(Cli::command())
            .render(&mut std::io::stdout())
            .context("standard output"),
        command => {
            let runtime = tokio::runtime::Runtime::new().context("starting")?;
            runtime.block_on(dispatch(cli.home, out, command))
        }
    }
}

async fn dispatch(given: Option<std::path::PathBuf>, out: Output, command: Command) -> Result<()> {
    // The demo and the benches choose a directory of their own when none is given.
    let command = match command {
        Command::Demo(args) => {
            let home = given.map(|root| Home::new(Some(root))).transpose()?;
            return demo::run(home, out, &args).await;
        }
        Command::Bench(Bench::Login {
            devices,
            concurrency,
        }) => {
            return bench::login::run(out, devices, concurrency).await;
        }
        Command::Bench(Bench::Ledger { transactions }) => {
            return bench::ledger::run(out, transactions).await;
        }
        command => command,
    };
    let home = Home::new(given)?;
    match command {
        Command::Init(args) => init::command(&home, out, args),
        Command::Node(args) => node::run(&home, out, &args).await,
        Command::Gateway(args) => gateway::run(&home, out, &args).await,
        Command::Desk(args) => certificate::desk::run(&home, out, &args).await,
        Command::Console(args) => console::run(&home, out, &args).await,
        Command::Cert(command) => certificate::run(&home, out, command).await,
        Command::Enrolment(command) => certificate::enrolment::run(&home, out, command).await,
        Command::Device(command) => device::run(&home, out, command).await,
        Command::Topic(command) => topic::run(&home, out, command).await,
        Command::Key(command) => key::run(&home, out, command).await,
        Command::Record(command) => record::run(&home, out, command).await,
        Command::Receipt(command) => receipt::run(&home, out, command).await,
        Command::Audit(command) => audit::run(&home, out, command).await,
        Command::Status => audit::status(&home, out).await,
        Command::Fsck(args) => fsck::run(&home, out, &args).await,
        Command::Demo(_) | Command::Bench(_) | Command::Completions { .. } | Command::Man => Ok(()),
    }
}
