//! The command line: one definition feeds parsing, help, shell completions and the man page.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use sealwire_envelope::{ClientId, OrgId, TopicFilter, TopicName};

mod audit;
mod certificate;
mod compute;
mod console;
mod rights;

pub use audit::{Audit, EventsQuery, Format};
pub use certificate::{Cert, Desk, Enrolment, Open, Template, Which};
#[cfg(test)]
pub use compute::FunctionArg;
pub use compute::{
    Ceremony, Compute, KeyArgs, KeyName, PassphraseArgs, ReadingArgs, Readings, ReadingsFrom,
    ResultOrEvaluation, Span, Standing, What,
};
pub use console::Console;
pub use rights::{Key, TermsArgs, Topic};

/// Let devices of organisations that don't trust each other exchange data, provably.
///
/// A consortium's organisations each run a node (`sealwire node`) that votes on a common ledger,
/// and gateways (`sealwire gateway`) that devices reach by MQTT. Try all of it on this machine
/// with `sealwire demo`.
#[derive(Parser, Debug)]
#[command(
    name = "sealwire",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Directory of everything: genesis, keys, certificates, ledgers, archives.
    #[arg(long, global = true, env = "SEALWIRE_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,

    /// Print one JSON document (or one per line, for streams) instead of text.
    #[arg(long, global = true)]
    pub json: bool,

    /// Log more to standard error: -v info, -vv debug. SEALWIRE_LOG takes filters.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Make a consortium: genesis, and a home with keys for each organisation.
    Init(Init),
    /// Run an organisation's ledger node (a validator) until Ctrl-C.
    Node(Node),
    /// Run an organisation's MQTT gateway until Ctrl-C.
    Gateway(Gateway),
    /// Run an organisation's enrolment desk, which gives devices their certificates, until Ctrl-C.
    Desk(Desk),
    /// Run an organisation's web console until Ctrl-C.
    Console(Console),
    /// Certificates: request, issue, enrol, renew, suspend, revoke, check.
    #[command(subcommand)]
    Cert(Cert),
    /// Enrolment codes: one certificate for whoever has a code, in bulk for factories.
    #[command(subcommand)]
    Enrolment(Enrolment),
    /// Enrol devices and users; log in, publish and subscribe as one.
    #[command(subcommand)]
    Device(Device),
    /// Register topics, give and take rights, ask why.
    #[command(subcommand)]
    Topic(Topic),
    /// Authorisation keys: rights for whoever holds a printed key.
    #[command(subcommand)]
    Key(Key),
    /// List and fetch archived packages.
    #[command(subcommand)]
    Record(Record),
    /// Export and verify receipts: proof that a message was recorded.
    #[command(subcommand)]
    Receipt(Receipt),
    /// Compute on encrypted readings: keys, readings, jobs, answers.
    #[command(subcommand)]
    Compute(Compute),
    /// Ask who connected, from where, when, and what was refused.
    #[command(subcommand)]
    Audit(Audit),
    /// Show how the ledger nodes and gateways are.
    Status,
    /// Measure this machine: logins, transactions, computing.
    #[command(subcommand)]
    Bench(Bench),
    /// Show it all on this machine: four organisations, two gateways, real devices.
    Demo(Demo),
    /// Check everything an organisation has on disk: blocks, certificates, packages.
    Fsck(Fsck),
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page.
    Man,
}

/// `sealwire init`
#[derive(Args, Debug)]
pub struct Init {
    /// The consortium's name, for people.
    #[arg(long, default_value = "consortium")]
    pub name: String,
    /// An organisation; repeat for each. Four are the fewest that survive one bad one.
    #[arg(long = "org", value_name = "ORG", required = true)]
    pub orgs: Vec<OrgId>,
    /// First TCP port; each organisation takes ten from there (p2p, HTTP, MQTT, gateway HTTP).
    #[arg(long, default_value_t = 7400, value_name = "PORT")]
    pub base_port: u16,
    /// Shortest time between two blocks, in milliseconds.
    #[arg(long, default_value_t = 100, value_name = "MS")]
    pub block_interval_ms: u64,
}

/// `sealwire node`
#[derive(Args, Debug)]
pub struct Node {
    /// Whose node.
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Serve the organisation's web console here, too: HTTPS unless it is on loopback.
    #[arg(long, value_name = "ADDRESS")]
    pub console: Option<SocketAddr>,
    /// Stop when standard input closes: for a program that starts this one.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// `sealwire gateway`
#[derive(Args, Debug)]
pub struct Gateway {
    /// Whose gateway.
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Serve the organisation's web console here, too: HTTPS unless it is on loopback.
    #[arg(long, value_name = "ADDRESS")]
    pub console: Option<SocketAddr>,
    /// Stop when standard input closes: for a program that starts this one.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// Who acts.
#[derive(Args, Debug, Clone)]
pub struct Actor {
    /// As which client: `<org>.<name>`, enrolled in this home.
    #[arg(long = "as", value_name = "CLIENT")]
    pub client: ClientId,
}

/// Which gateway.
#[derive(Args, Debug, Clone)]
pub struct At {
    /// The organisation whose gateway; by default the client's own.
    #[arg(long = "at", value_name = "ORG")]
    pub gateway: Option<OrgId>,
}

/// What a new client shall be.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub enum EnrolRole {
    /// Publishes and subscribes.
    Device,
    /// A person or program that reads data.
    User,
}

/// `sealwire device …`
#[derive(Subcommand, Debug)]
pub enum Device {
    /// Make a client's key, issue its certificate and register it on the ledger, all in this home.
    ///
    /// Needs the organisation's root and operator keys in this home. Where the device is another
    /// machine, its key belongs there: see `sealwire cert enrol` and `sealwire cert request`.
    Enrol {
        /// The new client: `<org>.<name>`.
        client: ClientId,
        /// What it shall be.
        #[arg(long, value_enum, default_value = "device")]
        role: EnrolRole,
        /// How long the certificate is valid, in days.
        #[arg(long, default_value_t = 365, value_name = "DAYS")]
        days: u32,
    },
    /// End a client's certificate; the same as `sealwire cert revoke`.
    Revoke {
        /// Whose.
        client: ClientId,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Print a login token: the MQTT password for a client without enhanced authentication.
    ///
    /// Use it once, within five minutes: mosquitto_pub -i CLIENT -u CLIENT -P "$(sealwire device
    /// token --as CLIENT)" …
    Token {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Life of the token, in seconds; at most 300.
        #[arg(long, default_value_t = 120, value_name = "S")]
        life_s: u64,
    },
    /// Log in by SM2 and publish; each line of standard input is a message unless one is given.
    Publish {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// To which topic.
        #[arg(long)]
        topic: TopicName,
        /// The message.
        #[arg(long)]
        message: Option<String>,
        /// What the message is (a media type, RFC 6838); readers see it.
        #[arg(long, default_value = "text/plain; charset=utf-8", value_name = "TYPE")]
        content_type: String,
        /// MQTT quality of service: 0, or 1 where done means that it is on the gateway's disk.
        #[arg(long, default_value_t = 1)]
        qos: u8,
    },
    /// Log in by SM2, subscribe and print what arrives, decrypted, until Ctrl-C.
    Subscribe {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// To which topic.
        #[arg(long)]
        topic: TopicFilter,
        /// Stop after so many messages.
        #[arg(long)]
        count: Option<u64>,
    },
}

/// `sealwire record …`
#[derive(Subcommand, Debug)]
pub enum Record {
    /// List the packages of a topic that the ledger has anchored.
    List {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Of which topic.
        topic: TopicName,
    },
    /// Fetch a package, check it against its anchor, decrypt and print its messages.
    Fetch {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Which package.
        package: sealwire_envelope::PackageId,
    },
    /// Export the packages of a topic as bundles: every message as stored, with the ledger's proof. The
    /// right to read or to verify is needed, no key.
    ///
    /// Example: sealwire record export --as beta.auditor acme/press/temperature --out evidence
    Export {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Of which topic.
        topic: TopicName,
        /// With a message at this time or later: RFC 3339 in UTC, or Unix seconds.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
        from: Option<u64>,
        /// With a message at this time or earlier.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
        to: Option<u64>,
        /// Into which directory; it is made.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write each message's own receipt, too.
        #[arg(long)]
        receipts: bool,
    },
    /// Verify exported bundles, offline: digests, counts, and the ledger's proof.
    ///
    /// Example: sealwire record verify evidence --genesis genesis.json
    Verify {
        /// A bundle, or a directory of them.
        path: PathBuf,
        /// The genesis file; this home's, unless given.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
    /// Compare what the ledger says was archived of a topic with what the gateway still has, digest by
    /// digest, without reading a message.
    ///
    /// Example: sealwire record audit --as beta.auditor acme/press/temperature
    Audit {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Of which topic.
        topic: TopicName,
        /// With a message at this time or later: RFC 3339 in UTC, or Unix seconds.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
        from: Option<u64>,
        /// With a message at this time or earlier.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
        to: Option<u64>,
    },
}

/// `sealwire receipt …`
#[derive(Subcommand, Debug)]
pub enum Receipt {
    /// Make the receipt of one message: a file that proves, offline, that it was recorded.
    Export {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Of which package.
        package: sealwire_envelope::PackageId,
        /// Which message, counted from 0.
        #[arg(long, default_value_t = 0)]
        index: u64,
        /// Where to write it.
        #[arg(long, short)]
        out: PathBuf,
    },
    /// Verify a receipt with the genesis file and nothing else.
    Verify {
        /// The receipt.
        file: PathBuf,
        /// The genesis file; by default the home's.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
}

/// `sealwire bench …`
#[derive(Subcommand, Debug)]
pub enum Bench {
    /// Devices, each with its own certificate, log in by SM2 and stay connected.
    Login {
        /// How many.
        #[arg(long, default_value_t = 2000, value_name = "N")]
        devices: usize,
        /// How many log in at once.
        #[arg(long, default_value_t = 32, value_name = "N")]
        concurrency: usize,
    },
    /// Signed transactions, four validators and the client on this machine.
    Ledger {
        /// How many transactions.
        #[arg(long, default_value_t = 20_000, value_name = "N")]
        transactions: u64,
    },
    /// Computing on encrypted readings: encrypt, add, multiply, count, open; beside SEAL, if it is there.
    ///
    /// Targets are for one core. SEAL comes with PyPI's tenseal: python3 -m venv .venv &&
    /// .venv/bin/pip install tenseal==0.3.18
    Compute(ComputeBench),
}

/// `sealwire bench compute`
#[derive(Args, Debug)]
pub struct ComputeBench {
    /// A Python, with PyPI's tenseal for the comparison.
    #[arg(
        long,
        env = "SEALWIRE_PYTHON",
        default_value = "python3",
        value_name = "PROGRAM"
    )]
    pub python: String,
    /// Threads for our work; the targets are for one.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub threads: usize,
    /// Only work with this in its name, such as 'bfv-add-v1' or 'sum'.
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub only: String,
}

/// `sealwire demo`
#[derive(Args, Debug)]
pub struct Demo {
    /// Play the whole story with checks and stop; the exit code is 0 only if every step held.
    #[arg(long)]
    pub once: bool,
    /// Replay readings from a CSV file: first column time, others readings. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub csv: Vec<PathBuf>,
    /// How many messages device A publishes in `--once`.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub messages: u64,
}

/// `sealwire fsck`
#[derive(Args, Debug)]
pub struct Fsck {
    /// Whose node and gateway.
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
}
