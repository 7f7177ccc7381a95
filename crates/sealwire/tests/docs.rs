//! The documents stay true: limits that `docs/architecture.md` quotes are the code's, links lead
//! somewhere, commands that the documents show are ones the program has, `docs/protocol.md` names
//! every path of the ledger's HTTP interface, and the certificate of its example verifies.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A limit as a document shows it: a number, and a unit for times.
trait Limit {
    fn shown(self) -> (u128, Option<&'static str>);
}

macro_rules! plain {
    ($($type:ty),*) => {
        $(impl Limit for $type {
            fn shown(self) -> (u128, Option<&'static str>) {
                (self as u128, None)
            }
        })*
    };
}

plain!(u16, u64, usize);

impl Limit for Duration {
    fn shown(self) -> (u128, Option<&'static str>) {
        (self.as_millis(), Some("ms"))
    }
}

/// Every constant that a document may quote, by its path.
macro_rules! limits {
    ($($limit:expr),* $(,)?) => {
        BTreeMap::from([$((stringify!($limit).replace([' ', '\n'], ""), $limit.shown())),*])
    };
}

fn limits() -> BTreeMap<String, (u128, Option<&'static str>)> {
    limits![
        sealwire_archive::Limits::default().package_bytes,
        sealwire_archive::Limits::default().package_messages,
        sealwire_archive::QUEUE_BYTES,
        sealwire_archive::QUEUE_COMMANDS,
        sealwire_console::Limits::default().challenge_life,
        sealwire_console::Limits::default().connections,
        sealwire_console::Limits::default().connections_per_address,
        sealwire_console::Limits::default().link_life,
        sealwire_console::Limits::default().session_idle,
        sealwire_console::Limits::default().session_life,
        sealwire_console::Limits::default().sessions,
        sealwire_console::Limits::default().streams,
        sealwire_contracts::PAGE_ENTRIES,
        sealwire_contracts::limits::ANCHORS_PER_CALL,
        sealwire_contracts::limits::CLIENTS_PER_PACKAGE,
        sealwire_contracts::limits::CLOCK_AHEAD_MS,
        sealwire_contracts::limits::COMPUTE_KEYS_PER_OWNER,
        sealwire_contracts::limits::ENROLMENTS_PER_CALL,
        sealwire_contracts::limits::ENROLMENT_LIFE_S,
        sealwire_contracts::limits::EVALUATIONS_PER_CALL,
        sealwire_contracts::limits::EVALUATION_AGE_BLOCKS,
        sealwire_contracts::limits::EVALUATION_BYTES,
        sealwire_contracts::limits::EVENTS_PER_CALL,
        sealwire_contracts::limits::EVENT_BYTES,
        sealwire_contracts::limits::EXPIRY_WINDOW_BLOCKS,
        sealwire_contracts::limits::MESSAGES_PER_PACKAGE,
        sealwire_contracts::limits::READERS_PER_TOPIC,
        sealwire_contracts::limits::RETRIEVALS_PER_CALL,
        sealwire_contracts::limits::SUSPENSIONS_PER_CERTIFICATE,
        sealwire_contracts::limits::VALIDITY_MAX_S_MAX,
        sealwire_contracts::limits::VALIDITY_MAX_S_MIN,
        sealwire_envelope::block::BUNDLE_MAX_BYTES,
        sealwire_envelope::compute::EDGES_MAX,
        sealwire_envelope::compute::HOLDERS_MAX,
        sealwire_envelope::compute::INPUTS_MAX,
        sealwire_envelope::compute::service::JOB_MAX_BYTES,
        sealwire_envelope::compute::service::KEY_HALF_MAX_BYTES,
        sealwire_envelope::genesis::GENESIS_MAX_BYTES,
        sealwire_envelope::genesis::ORGS_MAX,
        sealwire_envelope::id::NAME_MAX_BYTES,
        sealwire_envelope::id::ORG_MAX_BYTES,
        sealwire_envelope::login::LOGIN_MAX_BYTES,
        sealwire_envelope::login::REQUEST_MAX_AGE_S,
        sealwire_envelope::login::TOKEN_MAX_LIFE_S,
        sealwire_envelope::message::OVERHEAD_MAX_BYTES,
        sealwire_envelope::message::SEQUENCE_END,
        sealwire_envelope::proof::STATE_VALUE_BYTES_MAX,
        sealwire_envelope::receipt::RECEIPT_BYTES_MAX,
        sealwire_envelope::record::PAYLOAD_MAX_BYTES,
        sealwire_envelope::topic::TOPIC_MAX_BYTES,
        sealwire_envelope::topic::TOPIC_MAX_LEVELS,
        sealwire_envelope::transaction::INLINE_KEY_MAX_BYTES,
        sealwire_envelope::transaction::TX_MAX_BYTES,
        sealwire_gateway::Limits::default().clock_skew,
        sealwire_gateway::Limits::default().connections_max,
        sealwire_gateway::Limits::default().connections_per_address_max,
        sealwire_gateway::Limits::default().expiry_blocks,
        sealwire_gateway::Limits::default().handshake_max,
        sealwire_gateway::Limits::default().max_staleness,
        sealwire_gateway::Limits::default().package_age,
        sealwire_gateway::Limits::default().payload_bytes_max,
        sealwire_gateway::Limits::default().receive_maximum,
        sealwire_gateway::compute::ANCHOR_WAIT,
        sealwire_gateway::compute::UPLOADS_AT_ONCE,
        sealwire_gateway::compute::WAITING_MAX,
        sealwire_gateway::compute::WAITING_PER_CLIENT_MAX,
        sealwire_gateway::compute::store::JOBS_MAX,
        sealwire_gateway::compute::store::KEY_HALVES_MAX,
        sealwire_gateway::compute::store::RESULTS_MAX_BYTES,
        sealwire_gateway::compute::store::STANDING_MAX,
        sealwire_ledger::limits::BLOCK_INTERVAL,
        sealwire_ledger::limits::BLOCK_TRANSACTIONS_MAX,
        sealwire_ledger::limits::BLOCK_TRANSACTION_BYTES_MAX,
        sealwire_ledger::limits::CLOCK_DRIFT_MAX,
        sealwire_ledger::limits::HTTP_REQUESTS_AT_ONCE,
        sealwire_ledger::limits::HTTP_WAIT_MAX,
        sealwire_ledger::limits::IDLE_HEARTBEAT,
        sealwire_ledger::limits::MEMPOOL_BYTES_MAX,
        sealwire_ledger::limits::MEMPOOL_TRANSACTIONS_MAX,
        sealwire_ledger::limits::RECENT_BLOCKS,
        sealwire_ledger::limits::SUBSCRIBERS_MAX,
        sealwire_ledger::limits::UNCERTIFIED_BLOCKS_MAX,
        sealwire_sm::cert::MAX_DER_BYTES,
    ]
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Rows (constant, value) of every table after a line `<!-- limits -->`.
fn quoted(text: &str) -> Vec<(String, String)> {
    let mut rows = vec![];
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line == "<!-- limits -->") {
        let table = lines.by_ref().take_while(|line| line.starts_with('|'));
        for line in table.skip(2) {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let mut next = || cells.next().unwrap_or_default().to_owned();
            rows.push((next(), next()));
        }
    }
    rows
}

#[test]
fn quoted_limits_are_the_codes() {
    let known = limits();
    let rows = quoted(&read(&repository().join("docs/architecture.md")));
    for (constant, value) in &rows {
        let path = constant.trim_matches('`');
        let Some((expected, unit)) = known.get(path) else {
            panic!("docs/architecture.md quotes {path}, which this test doesn't know");
        };
        let (number, quoted_unit) = value.split_once(' ').unwrap_or((value, ""));
        assert_eq!(
            number.replace(',', "").parse(),
            Ok(*expected),
            "docs/architecture.md quotes {path} as {value}"
        );
        if let Some(unit) = unit {
            assert_eq!(quoted_unit, *unit, "docs/architecture.md: {path}");
        }
    }
    assert_eq!(
        rows.len(),
        known.len(),
        "a limit is missing, or quoted twice"
    );
}

fn documents() -> Vec<PathBuf> {
    let root = repository();
    let mut found = vec![root.join("README.md")];
    for folder in ["docs", "docs/decisions"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let mut checked = 0;
    for document in documents() {
        let text = read(&document);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap_or_default();
            let path = document.parent().expect("a folder").join(file);
            assert!(
                path.exists(),
                "{}: {target} isn't there",
                document.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}

/// Every `sealwire …` in a code block is understood by the program's own command line: `--help`
/// behind the words that name the command must work.
#[test]
fn commands_exist() {
    let mut checked = 0;
    for document in documents() {
        let text = read(&document);
        for line in commands(&text) {
            let names: Vec<&str> = line
                .split_whitespace()
                .skip(1)
                .take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
                .take(3)
                .collect();
            let long = line
                .split_whitespace()
                .filter(|word| word.starts_with("--"));
            let help = help_of(&names);
            for option in long {
                let option = option.trim_end_matches([')', '"']);
                assert!(
                    help.contains(option),
                    "{}: '{line}': {names:?} has no {option}",
                    document.display()
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} commands were found");
}

/// Lines of shell blocks that begin with `sealwire`, and what stands in `$(sealwire …)`.
fn commands(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut shell = false;
    for line in text.replace("\\\n", " ").lines() {
        match line {
            "```sh" => shell = true,
            "```" => shell = false,
            _ if shell => {
                let line = line
                    .split(" #")
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches(" &");
                if let Some((_, inner)) = line.split_once("$(sealwire ") {
                    let inner = inner.split(')').next().unwrap_or_default();
                    found.push(format!("sealwire {inner}"));
                } else if line.starts_with("sealwire ") {
                    found.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

/// The help of a command; of its first word alone if the second is an argument.
fn help_of(names: &[&str]) -> String {
    for length in (0..=names.len()).rev() {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_sealwire"))
            .args(&names[..length])
            .arg("--help")
            .output()
            .expect("the program starts");
        if output.status.success() {
            assert!(
                length > 0 || names.is_empty(),
                "there is no command {names:?}"
            );
            return String::from_utf8_lossy(&output.stdout).into_owned();
        }
    }
    panic!("{names:?} has no help");
}

#[test]
fn every_path_of_the_ledger_is_described() {
    let text = sealwire_ledger::api::openapi_json().expect("the document");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let protocol = read(&repository().join("docs/protocol.md"));
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 8);
    for path in paths.keys() {
        let fixed: Vec<&str> = path
            .split('/')
            .filter(|part| !part.starts_with('{'))
            .collect();
        let is_described = protocol
            .lines()
            .any(|line| line.starts_with("| `") && fixed.iter().all(|part| line.contains(part)));
        assert!(is_described, "docs/protocol.md doesn't describe {path}");
    }
}

/// The vectors are made by the envelope crate from the specification; the receipt crate is what
/// verifies certificates.
#[test]
fn the_certificate_of_the_example_verifies() {
    let folder = repository().join("crates/envelope/vectors");
    let vectors = |file: &str| -> serde_json::Value {
        serde_json::from_str(&read(&folder.join(file))).expect("JSON")
    };
    let (genesis, block) = (vectors("genesis.json"), vectors("block.json"));
    let bytes = |value: &serde_json::Value| {
        hex::decode(value["cbor"].as_str().expect("text")).expect("hexadecimal")
    };
    let genesis = serde_json::to_vec(&genesis["genesis"]["json"]).expect("JSON");
    let genesis = sealwire_envelope::Genesis::from_json(&genesis).expect("a genesis");
    let header: sealwire_envelope::Header =
        sealwire_envelope::decode(&bytes(&block["header"])).expect("a header");
    let mut finality: sealwire_envelope::Finality =
        sealwire_envelope::decode(&bytes(&block["finality"])).expect("a certificate");
    let validators = sealwire_receipt::Validators::of(&genesis).expect("validators");
    assert_eq!(validators.verify(&header, &finality), Ok(vec![0, 1, 3]));
    finality.signatures.swap(0, 1);
    assert!(validators.verify(&header, &finality).is_err());
}
