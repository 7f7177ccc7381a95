//! `sealwire audit …`: its flags.

use clap::{Args, Subcommand, ValueEnum};
use sealwire_envelope::{ClientId, EventKind, OrgId};

/// `sealwire audit …`
#[derive(Subcommand, Debug)]
pub enum Audit {
    /// A client's record.
    Client {
        /// Who.
        client: ClientId,
    },
    /// All clients of an organisation.
    Clients {
        /// Whose.
        org: OrgId,
    },
    /// Connection events: by client, gateway, kind, address, time.
    ///
    /// Example: sealwire audit events --gateway acme.gateway --kind connect-refused --format csv
    Events(EventsQuery),
    /// All connection records of a gateway.
    Gateway {
        /// Which.
        gateway: ClientId,
    },
    /// Open an address that a gateway recorded as a keyed digest: only its organisation can.
    ///
    /// Example: sealwire audit address --org acme 'keyed:0f…'
    Address {
        /// Whose gateway recorded it.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
        /// As in the events: `keyed:` and hexadecimal digits; or an address, to get what it is recorded as.
        address: String,
    },
}

/// Which events.
#[derive(Args, Debug)]
pub struct EventsQuery {
    /// About this client.
    pub client: Option<ClientId>,
    /// Seen by this gateway.
    #[arg(long, value_name = "CLIENT")]
    pub gateway: Option<ClientId>,
    /// Of this kind; all, unless given.
    #[arg(long)]
    pub kind: Option<EventKind>,
    /// From this address, as recorded.
    #[arg(long)]
    pub address: Option<String>,
    /// At this time or later: RFC 3339 in UTC, for instance 2026-11-24T00:00:00Z, or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub from: Option<u64>,
    /// At this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub to: Option<u64>,
    /// How to print them; text, or one JSON document with --json, unless given.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// A format to export in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON document a line.
    Jsonl,
    /// Comma-separated values with a head line (RFC 4180).
    Csv,
}

impl EventsQuery {
    /// All events that a gateway saw.
    pub fn of_gateway(gateway: ClientId) -> Self {
        Self {
            client: None,
            gateway: Some(gateway),
            kind: None,
            address: None,
            from: None,
            to: None,
            format: None,
        }
    }
}
