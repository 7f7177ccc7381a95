//! What happens at a gateway, as a stream of plain events for whoever tells the story (the demo, a
//! console). Nothing depends on anyone listening: slow listeners miss events.

use sealwire_envelope::{ClientId, EvaluationId, JobId, PackageId, StandingId};
use serde::Serialize;

/// Events that a slow listener may be behind.
pub const STORY_BACKLOG: usize = 4_096;

/// Something happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Story {
    /// A client was admitted.
    LoggedIn {
        /// The client.
        client: ClientId,
        /// `SM2` or `token`.
        method: &'static str,
        /// Where from.
        address: String,
        /// Height of the state that admitted it.
        height: u64,
    },
    /// A login was refused.
    LoginRefused {
        /// Who it claimed to be.
        client: String,
        /// Why.
        reason: String,
    },
    /// A live session showed anew who it is.
    Reauthenticated {
        /// The client.
        client: ClientId,
        /// Height of the state that let it stay.
        height: u64,
    },
    /// A client went.
    LoggedOut {
        /// The client.
        client: ClientId,
        /// Why.
        reason: String,
    },
    /// A message was accepted.
    Message {
        /// Who sent it.
        client: ClientId,
        /// On which topic.
        topic: String,
        /// Payload bytes.
        bytes: usize,
        /// Quality of service.
        qos: u8,
        /// Key epoch.
        epoch: u32,
    },
    /// A publish or a subscription was refused.
    Refused {
        /// Who asked.
        client: ClientId,
        /// `publish` or `subscribe`.
        what: &'static str,
        /// Topic or filter.
        topic: String,
        /// Why.
        reason: String,
    },
    /// A subscription began.
    Subscribed {
        /// Who.
        client: ClientId,
        /// To what.
        filter: String,
    },
    /// Somebody without a right holds the key of a topic on which messages are delivered; told once
    /// per topic and height.
    KeyStale {
        /// The topic.
        topic: String,
        /// The height.
        height: u64,
    },
    /// Messages on a topic are withheld from a subscriber; told once per session and topic.
    Withheld {
        /// From whom.
        client: ClientId,
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
        /// Height that decided.
        height: u64,
    },
    /// A live session was ended because a right ended.
    SessionEnded {
        /// Whose.
        client: ClientId,
        /// Why.
        reason: String,
        /// Height at which the right was gone.
        height: u64,
    },
    /// A package was closed.
    PackageClosed {
        /// Its id.
        package: PackageId,
        /// Its topic.
        topic: String,
        /// Its messages.
        count: u64,
    },
    /// A block holds the anchors of packages.
    Anchored {
        /// How many.
        packages: usize,
        /// In which block.
        height: u64,
    },
    /// A block holds connection events.
    EventsLogged {
        /// How many.
        events: usize,
        /// In which block.
        height: u64,
    },
    /// Somebody fetched from the archive.
    Retrieved {
        /// Who.
        client: ClientId,
        /// What.
        package: PackageId,
        /// One record of it, or all.
        record: Option<u64>,
    },
    /// A retrieval was refused.
    RetrievalRefused {
        /// Who asked.
        client: String,
        /// Why.
        reason: String,
    },
    /// A job was taken.
    ComputationAsked {
        /// Who asked.
        client: ClientId,
        /// Which job.
        job: JobId,
        /// The function's name.
        function: &'static str,
    },
    /// A job was evaluated.
    Computed {
        /// Who asked.
        client: ClientId,
        /// Which job.
        job: JobId,
        /// What the ledger will hold.
        evaluation: EvaluationId,
        /// Readings in the result.
        readings: u64,
    },
    /// A block holds an evaluation.
    ComputationRecorded {
        /// Which.
        evaluation: EvaluationId,
        /// In which block.
        height: u64,
    },
    /// A job or a request of the compute service was refused.
    ComputationRefused {
        /// Who asked.
        client: String,
        /// Why.
        reason: String,
    },
    /// A result of a standing job was published.
    ResultPublished {
        /// Of which evaluation.
        evaluation: EvaluationId,
        /// On which topic.
        topic: String,
    },
    /// Runs of a standing job were missed.
    RunsMissed {
        /// Of which.
        standing: StandingId,
        /// How many.
        runs: u64,
        /// Why.
        reason: String,
    },
    /// The ledger refused one of our transactions.
    LedgerRefused {
        /// What it said.
        reason: String,
    },
}
