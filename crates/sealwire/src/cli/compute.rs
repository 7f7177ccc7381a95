//! `sealwire compute …`: its flags.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand, ValueEnum};
use sealwire_compute::parameters;
use sealwire_envelope::{
    ClientId, ComputeKeyId, EvaluationId, JobId, OrgId, StandingId, TopicName,
    compute::{Form, ParameterSet},
};

use super::{Actor, At};

/// `sealwire compute …`
///
/// From sensor to answer: the key's owner runs `keygen`; devices `publish` readings that they encrypt to its
/// public half; whoever has the right `compute` on their topics `ask`s the gateway; the owner `open`s the
/// result on its own machine. docs/compute.md has it step by step.
#[derive(Subcommand, Debug)]
pub enum Compute {
    /// Make a compute key, register it on the ledger and give the gateway its public half.
    ///
    /// Example: sealwire compute keygen --as acme.plant --set sm2-elgamal-v1 --min -40 --max 125 --decimals 1
    /// --unit °C
    ///
    /// The secret half stays in this home and opens every result: back it up.
    Keygen {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: KeyArgs,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        /// Only make the files; `publish-key` does the rest later.
        #[arg(long)]
        offline: bool,
    },
    /// Register one's key if it isn't yet, and give a gateway its public half: another one, or after
    /// `keygen --offline`.
    PublishKey {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: WhichKey,
    },
    /// List a client's compute keys, and what each one computes.
    Keys {
        /// Whose.
        owner: ClientId,
    },
    /// Retire a key for ever: nothing is evaluated under it any more. What was evaluated still opens.
    Retire {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        key: WhichKey,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Encrypt readings and publish them on an open topic, as a device.
    ///
    /// Example: sealwire compute publish --as acme.press --key acme.plant --topic acme/press/load 21.5 22
    ///
    /// Readings come as arguments, from a CSV file, or a line each from standard input. No secret of the key
    /// is needed.
    #[command(visible_alias = "encrypt")]
    Publish {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: WhichKey,
        /// On which topic; it must be an open one (`sealwire topic register --open`).
        #[arg(long)]
        topic: TopicName,
        #[command(flatten)]
        readings: Readings,
    },
    /// Ask a gateway to compute; the right 'compute' on every topic is needed.
    ///
    /// Examples: sealwire compute ask mean --as acme.plant --key acme.plant --topic acme/press/load --last 1h
    /// --wait; sealwire compute ask weighted-sum … --topic a/x/y --topic a/x/z --weight 0.5 --weight=-1
    Ask {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        span: Span,
        /// Wait for the result.
        #[arg(long)]
        wait: bool,
        /// Wait, and write the encrypted result to this file.
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List one's jobs at a gateway, or say how one is.
    Jobs {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Only this one.
        job: Option<JobId>,
    },
    /// Fetch a job's encrypted result; waits until the ledger holds its evaluation.
    Result {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Which job, as `ask` printed it.
        job: JobId,
        /// Where to write it.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open a result with the key's secret half, on this machine; the answer is printed and sent nowhere.
    ///
    /// Example: sealwire compute open --as acme.plant mean.result
    Open {
        #[command(flatten)]
        actor: Actor,
        /// The result, as `ask --out` or `result` wrote it.
        result: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Jobs that a gateway does again and again.
    #[command(subcommand)]
    Standing(Standing),
    /// Compute a result again, from the archived readings, and compare bytes: at any organisation that may
    /// read them, or that was given them as bundles.
    ///
    /// Examples: sealwire compute verify --as basin.auditor mean.result;
    /// sealwire compute verify --as cobalt.auditor --bundles evidence 5d0c…e1
    Verify {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        from: ReadingsFrom,
        /// The result, as `ask --out` or `result` wrote it; or the id of any evaluation on the ledger.
        #[arg(value_name = "RESULT|EVALUATION")]
        what: ResultOrEvaluation,
    },
    /// Make a receipt: a file that proves, offline, that a result was computed from these messages.
    Receipt {
        #[command(flatten)]
        actor: Actor,
        /// The result.
        result: PathBuf,
        /// Where to write it.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Verify a result's receipt with the genesis file and nothing else.
    ReceiptVerify {
        /// The receipt.
        file: PathBuf,
        /// The genesis file; by default the home's.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
    },
    /// Make a key that t of n holders share, so that only so many together open a result.
    #[command(subcommand)]
    Ceremony(Ceremony),
    /// Give one's part in opening a result under a shared key.
    ///
    /// The result is computed again first, and only if it comes out the same a part is given: a part for a
    /// result that isn't what it says can betray a single reading.
    Share {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        from: ReadingsFrom,
        /// The result.
        result: PathBuf,
        /// Where to write the part.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
        /// Don't compute it again: somebody whom this holder trusts has.
        #[arg(long)]
        trust_result: bool,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Open a result with enough holders' parts; wrong ones are named and left out.
    ///
    /// Example: sealwire compute combine --as acme.plant mean.result acme.part basin.part
    Combine {
        #[command(flatten)]
        actor: Actor,
        /// The result.
        result: PathBuf,
        /// The holders' parts.
        #[arg(required = true)]
        parts: Vec<PathBuf>,
    },
}

/// `sealwire compute standing …`
#[derive(Subcommand, Debug)]
pub enum Standing {
    /// Have a job done every so often, and its result published to an open topic that the owner reads.
    ///
    /// Example: sealwire compute standing add mean --as acme.plant --key acme.plant --topic acme/press/load
    /// --every 10min --over 1h --publish-to acme/plant/mean
    Add {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        what: What,
        /// How often: a number with d, h, min or s.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        every: u64,
        /// Over the readings of the last so much time; as --every, unless given.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        over: Option<u64>,
        /// The open topic that results are published to.
        #[arg(long, value_name = "TOPIC")]
        publish_to: TopicName,
    },
    /// List one's standing jobs at a gateway.
    List {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
    },
    /// End a standing job.
    Remove {
        #[command(flatten)]
        actor: Actor,
        #[command(flatten)]
        at: At,
        /// Which, as `add` printed it.
        standing: StandingId,
    },
}

/// `sealwire compute ceremony …`
#[derive(Subcommand, Debug)]
pub enum Ceremony {
    /// Write down who will share a key, and how many of them open a result. The owner does it.
    ///
    /// Example: sealwire compute ceremony begin --as acme.plant --threshold 2 --holder acme.plant
    /// --holder basin.lab --holder cobalt.lab --out sharing.ceremony
    Begin {
        #[command(flatten)]
        actor: Actor,
        /// So many holders open a result.
        #[arg(long, value_name = "T")]
        threshold: u16,
        /// A holder; repeat for each. The order is their numbers'.
        #[arg(long = "holder", value_name = "CLIENT", required = true)]
        holders: Vec<ClientId>,
        /// Where to write it; every holder gets this file.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Deal one's part of the key, as a holder: nobody ever has the whole key.
    ///
    /// With --alone the owner makes the whole key, deals it out, and forgets it.
    Deal {
        #[command(flatten)]
        actor: Actor,
        /// The ceremony.
        ceremony: PathBuf,
        /// As the owner, and the only dealer.
        #[arg(long)]
        alone: bool,
        /// Where to write the dealing; every holder and the owner get this file.
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Take one's share from all dealings, as a holder; a wrong dealing and its dealer are named.
    Finish {
        #[command(flatten)]
        actor: Actor,
        /// The ceremony.
        ceremony: PathBuf,
        /// All dealings: every holder takes the same.
        #[arg(required = true)]
        dealings: Vec<PathBuf>,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Register the shared key on the ledger, as the owner, from the same dealings.
    Register {
        #[command(flatten)]
        actor: Actor,
        /// The ceremony.
        ceremony: PathBuf,
        /// All dealings: the same that the holders took.
        #[arg(required = true)]
        dealings: Vec<PathBuf>,
        #[command(flatten)]
        readings: ReadingArgs,
    },
}

/// What a new key is for.
#[derive(Args, Debug, Clone)]
pub struct KeyArgs {
    /// The parameter set: sm2-elgamal-v1 (66 bytes a reading; sums), bfv-add-v1 (batches; sums),
    /// bfv-mul-v1 (variance, products), bfv-bits-v1 (counts over any threshold).
    #[arg(long, value_name = "SET", value_parser = parse_set)]
    pub set: ParameterSet,
    #[command(flatten)]
    pub readings: ReadingArgs,
}

/// What readings under a key are.
#[derive(Args, Debug, Clone)]
pub struct ReadingArgs {
    /// Digits after the point.
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub decimals: u8,
    /// The smallest reading.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub min: String,
    /// The largest reading. Narrow bounds allow longer sums.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub max: String,
    /// Inner edges of a histogram's bins, rising, with commas; a count is over a threshold just below one.
    #[arg(
        long,
        value_name = "NUMBERS",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub edges: Vec<String>,
    /// The unit, for people.
    #[arg(long, default_value = "")]
    pub unit: String,
}

/// Which compute key.
#[derive(Args, Debug, Clone)]
pub struct WhichKey {
    /// The compute key: its id, or its owner's client id where the owner has just one that isn't retired.
    #[arg(long, value_name = "KEY")]
    pub key: KeyName,
}

/// How a key is named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyName {
    /// By its id.
    Id(ComputeKeyId),
    /// As the only live one of its owner.
    Of(ClientId),
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse().map(Self::Of).map_err(|error| {
            format!("neither 64 hexadecimal digits nor a client like acme.plant ({error})")
        })
    }
}

/// How a secret half is protected on disk.
#[derive(Args, Debug, Clone, Default)]
pub struct PassphraseArgs {
    /// A file whose first line is the passphrase of the secret half.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Ask for the passphrase on the terminal.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub passphrase: bool,
}

/// Where readings come from.
#[derive(Args, Debug, Clone)]
pub struct Readings {
    /// The readings; from standard input, a line each, unless given.
    #[arg(value_name = "READING", allow_negative_numbers = true)]
    pub values: Vec<String>,
    /// Take them from a CSV file with a header line.
    #[arg(long, value_name = "FILE", conflicts_with = "values")]
    pub csv: Option<PathBuf>,
    /// Which column of the CSV file: its name; the last, unless given.
    #[arg(long, value_name = "NAME", requires = "csv")]
    pub column: Option<String>,
    /// What is encrypted of each reading: what `compute keys` lists for the function that will be asked.
    #[arg(long, value_enum, default_value = "value")]
    pub form: FormArg,
    /// Readings in a batch; as many as a ciphertext holds (1,024 in ElGamal), unless given. From standard
    /// input, 1 sends every line at once.
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
}

/// [`Form`] on the command line.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormArg {
    /// The reading: sums, means, and with bfv-mul-v1 variances and products.
    Value,
    /// The reading and its square: variance by adding alone.
    Moments,
    /// Bit by bit, with bfv-bits-v1: counts over any threshold.
    Bits,
    /// A one in its bin: histograms, and counts over an edge.
    OneHot,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Value => Self::Value,
            FormArg::Moments => Self::Moments,
            FormArg::Bits => Self::Bits,
            FormArg::OneHot => Self::OneHot,
        }
    }
}

/// What is asked for.
#[derive(Args, Debug, Clone)]
pub struct What {
    /// What to compute.
    #[arg(value_enum)]
    pub function: FunctionArg,
    #[command(flatten)]
    pub key: WhichKey,
    /// Over the readings of this topic; repeat for several.
    #[arg(long = "topic", value_name = "TOPIC", required = true)]
    pub topics: Vec<TopicName>,
    /// count-over: the threshold; readings above it are counted.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub threshold: Option<String>,
    /// weighted-sum, linear: the weight of a topic; repeat, in the order of the topics.
    #[arg(long = "weight", value_name = "NUMBER", allow_hyphen_values = true)]
    pub weights: Vec<String>,
    /// weighted-sum, linear: what is added in the end.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub constant: Option<String>,
}

/// A function's name on the command line.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionArg {
    /// The sum of all readings.
    Sum,
    /// Their mean.
    Mean,
    /// The sum over the topics of weight times the sum of the topic's readings.
    WeightedSum,
    /// For the i-th reading of every topic together: the weighted sum of the topics' readings.
    Linear,
    /// The variance of all readings.
    Variance,
    /// Their standard deviation.
    Deviation,
    /// The sum of the i-th reading of the first topic times that of the second.
    Dot,
    /// How many readings are above a threshold.
    CountOver,
    /// How many readings are in each bin of the key's edges.
    Histogram,
    /// The bins of the smallest and of the largest reading.
    Range,
}

/// Where the readings are that something is computed again from.
#[derive(Args, Debug, Clone, Default)]
pub struct ReadingsFrom {
    /// At which organisation's gateway the readings are; by default where the result was computed.
    #[arg(long = "at", value_name = "ORG")]
    pub gateway: Option<OrgId>,
    /// Packages that somebody exported (`sealwire record export`): a bundle, or a directory of them; repeat for
    /// several. The gateway is asked only for what they don't have.
    #[arg(long, value_name = "PATH")]
    pub bundles: Vec<PathBuf>,
}

/// A result in a file, or an evaluation by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultOrEvaluation {
    /// 64 hexadecimal digits.
    Evaluation(EvaluationId),
    /// Anything else.
    File(PathBuf),
}

impl std::str::FromStr for ResultOrEvaluation {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(id) => Self::Evaluation(id),
            Err(_) => Self::File(text.into()),
        })
    }
}

/// Over which time.
#[derive(Args, Debug, Clone)]
pub struct Span {
    /// Readings that the gateway received at this time or later: RFC 3339 in UTC, or Unix seconds; the
    /// first of all, unless given.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub from: Option<u64>,
    /// Readings received before this time; now, unless given.
    #[arg(long, value_name = "TIME", value_parser = crate::output::parse_time_s)]
    pub to: Option<u64>,
    /// Readings of the last so much time: a number with d, h, min or s.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"],
          value_parser = crate::output::parse_duration_s)]
    pub last: Option<u64>,
}

fn parse_set(text: &str) -> Result<ParameterSet, String> {
    let found = parameters::ALL
        .into_iter()
        .find(|set| parameters::name(*set) == text);
    found.ok_or_else(|| {
        let names = parameters::ALL.map(parameters::name);
        format!("no such parameter set: one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_two_names() {
        let id = "0f".repeat(32);
        assert!(matches!(id.parse(), Ok(KeyName::Id(_))));
        assert!(matches!("acme.plant".parse(), Ok(KeyName::Of(_))));
        for wrong in ["", "acme", "0f0f"] {
            assert!(wrong.parse::<KeyName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sets_have_the_names_of_the_documents() {
        for set in parameters::ALL {
            assert_eq!(parse_set(parameters::name(set)), Ok(set));
        }
        assert!(parse_set("bfv").unwrap_err().contains("bfv-add-v1"));
    }
}
