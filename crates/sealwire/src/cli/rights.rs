//! `sealwire topic …` and `sealwire key …`: their flags.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sealwire_envelope::{AuthorisationId, ClientId, Rights, TopicFilter, TopicName};

use super::Actor;

/// What is granted or asked for.
#[derive(Args, Debug, Clone)]
pub struct TermsArgs {
    /// What: any of publish, subscribe, read, compute, verify, with commas.
    #[arg(long, default_value = "subscribe,read")]
    pub rights: Rights,
    /// For how many days; without it, until revoked.
    #[arg(long, value_name = "DAYS")]
    pub days: Option<u32>,
    /// Archived records from this time on only: RFC 3339 in UTC, or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub from_time: Option<u64>,
    /// Archived records up to this time only.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub to_time: Option<u64>,
    /// What for, for people.
    #[arg(long, default_value = "")]
    pub purpose: String,
}

/// `sealwire topic …`
#[derive(Subcommand, Debug)]
pub enum Topic {
    /// Claim a topic within one's own prefix `<org>/<name>/`.
    Register {
        #[command(flatten)]
        actor: Actor,
        /// Which topic.
        topic: TopicName,
        /// Accept any payload; without it, every message must be encrypted.
        #[arg(long)]
        open: bool,
    },
    /// Give a client rights on a topic, or on all of one's topics that a filter matches.
    ///
    /// Example: sealwire topic grant --as acme.press 'acme/press/#' --to beta.reader --days 30
    ///
    /// Granting again replaces the terms. A grant answers an open request. An operator may grant
    /// `--rights verify` on its whole organisation: 'acme/#'.
    Grant {
        #[command(flatten)]
        actor: Actor,
        /// On which topic, or filter.
        topic: TopicFilter,
        /// To whom.
        #[arg(long, value_name = "CLIENT")]
        to: ClientId,
        #[command(flatten)]
        terms: TermsArgs,
        /// A word to whoever asked for it.
        #[arg(long)]
        note: Option<String>,
    },
    /// Take a client's rights on a topic or filter away, and change the topics' keys.
    ///
    /// An operator may do it for the topics of its organisation; the keys then change when the owner
    /// connects next.
    Revoke {
        #[command(flatten)]
        actor: Actor,
        /// On which topic, or filter as granted.
        topic: TopicFilter,
        /// From whom.
        #[arg(long, value_name = "CLIENT")]
        from: ClientId,
    },
    /// Ask the owner of a topic for a right.
    Request {
        #[command(flatten)]
        actor: Actor,
        /// On which topic, or filter within one client's prefix.
        topic: TopicFilter,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// List the requests that a client got.
    Requests {
        /// Whose topics.
        owner: ClientId,
        /// Answered ones too.
        #[arg(long)]
        all: bool,
    },
    /// Answer a request with yes: grants what was asked for.
    Approve {
        #[command(flatten)]
        actor: Actor,
        /// As in the request.
        topic: TopicFilter,
        /// Whose request.
        #[arg(long, value_name = "CLIENT")]
        to: ClientId,
        /// A word to the requester.
        #[arg(long)]
        note: Option<String>,
    },
    /// Answer a request with no.
    Deny {
        #[command(flatten)]
        actor: Actor,
        /// As in the request.
        topic: TopicFilter,
        /// Whose request.
        #[arg(long, value_name = "CLIENT")]
        to: ClientId,
        /// A word to the requester.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Offer a topic to another client, which becomes its owner when it accepts.
    Offer {
        #[command(flatten)]
        actor: Actor,
        /// Which topic.
        topic: TopicName,
        /// To whom; without it, an offer is taken back.
        #[arg(long, value_name = "CLIENT")]
        to: Option<ClientId>,
    },
    /// Take over a topic that was offered.
    Accept {
        #[command(flatten)]
        actor: Actor,
        /// Which topic.
        topic: TopicName,
    },
    /// Close a topic for ever; its records stay readable.
    Close {
        #[command(flatten)]
        actor: Actor,
        /// Which topic.
        topic: TopicName,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Change a topic's key now.
    Rotate {
        #[command(flatten)]
        actor: Actor,
        /// Which topic.
        topic: TopicName,
    },
    /// Put the keys of one's topics in order: change those that someone without a right knows, and
    /// seal the others to whoever has a right and no key yet. Connecting does it, too.
    Tend {
        #[command(flatten)]
        actor: Actor,
    },
    /// List the topics that a client owns.
    List {
        /// Whose.
        owner: ClientId,
    },
    /// List what was granted to a client.
    Grants {
        /// To whom.
        client: ClientId,
        /// Revoked and expired grants too.
        #[arg(long)]
        all: bool,
    },
    /// Say whether a client may do something, and why (or why not). Every entry that decides is
    /// proven, and the rules run here: no node is believed.
    ///
    /// Example: sealwire topic explain beta.reader subscribe acme/press/temperature --at 120
    Explain {
        /// Who.
        client: ClientId,
        /// What: connect, publish, subscribe, read, compute or verify.
        action: String,
        /// On which topic.
        topic: Option<String>,
        /// At an earlier height.
        #[arg(long, value_name = "HEIGHT")]
        at: Option<u64>,
    },
    /// Say what a client could do if it were granted something, without granting it.
    ///
    /// Example: sealwire topic simulate beta.reader subscribe acme/press/temperature --rights subscribe
    Simulate {
        /// Who.
        client: ClientId,
        /// What: publish, subscribe, read, compute or verify.
        action: String,
        /// On which topic.
        topic: TopicFilter,
        /// What would be granted: a topic or filter; the topic, unless given.
        #[arg(long)]
        filter: Option<TopicFilter>,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Show a topic: owner, key epoch, grants.
    Show {
        /// Which topic.
        topic: TopicName,
    },
}

/// `sealwire key …`
#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make an authorisation key and print it, as text and as a QR code. It is shown once: whoever has
    /// it gets the rights.
    ///
    /// Example: sealwire key create --as acme.press 'acme/press/#' --uses 3 --redeem-within 7
    Create {
        #[command(flatten)]
        actor: Actor,
        /// For which topic, or filter.
        topic: TopicFilter,
        #[command(flatten)]
        terms: TermsArgs,
        /// How many clients may redeem it, each once.
        #[arg(long, default_value_t = 1)]
        uses: u16,
        /// Within how many days.
        #[arg(long, default_value_t = 7, value_name = "DAYS")]
        redeem_within: u32,
        /// Write the key to this file (mode 0600) instead of the terminal.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Get the rights of an authorisation key. The key is read from a file or from standard input, so
    /// that it's in no list of processes and no shell history.
    Redeem {
        #[command(flatten)]
        actor: Actor,
        /// File with the key; standard input, unless given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List a client's authorisation keys: what they give, who redeemed them.
    List {
        /// Whose.
        owner: ClientId,
    },
    /// Withdraw an authorisation key; what was redeemed stays until it is revoked.
    Withdraw {
        #[command(flatten)]
        actor: Actor,
        /// Its id, as listed.
        id: AuthorisationId,
    },
}
