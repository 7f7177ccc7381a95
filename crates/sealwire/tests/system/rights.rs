//! All rights through the command line, against a running consortium: granted filters, requests,
//! authorisation keys, hand-over, closing, an operator's revocation, the past, and evidence for an auditor
//! who can read nothing.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Demo, eventually, json, my_turn, sealwire};

const A: &str = "acme/press/a";
const B: &str = "acme/press/b";
const ALL: &str = "acme/press/#";

/// A home with a running consortium; the clients of the story are enrolled.
struct Stage {
    _demo: Demo,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let stage = Self {
            _demo: Demo::start(&dir.path().join("home")),
            dir,
        };
        stage.run(&["device", "enrol", "acme.press"]);
        for user in ["basin.reader", "basin.auditor", "basin.next"] {
            stage.run(&["device", "enrol", user, "--role", "user"]);
        }
        for topic in [A, B] {
            stage.run(&["topic", "register", "--as", "acme.press", topic]);
        }
        stage
    }

    fn home(&self) -> std::path::PathBuf {
        self.dir.path().join("home")
    }

    fn run(&self, args: &[&str]) -> Value {
        json(&self.home(), args)
    }

    /// Must fail, and say this.
    fn refused(&self, args: &[&str], says: &str) {
        let output = sealwire(&self.home(), args);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{args:?} should fail: {text}");
        assert!(text.contains(says), "{args:?} should say '{says}': {text}");
    }

    /// Whether it is allowed now, by this program's own decision over proven entries.
    fn may(&self, who: &str, action: &str, topic: &str) -> bool {
        let answer = self.run(&["topic", "explain", who, action, topic]);
        let entries = answer["entries"].as_array().unwrap();
        assert!(!entries.is_empty(), "a decision rests on proven entries");
        answer["decision"]["reason"]["allowed"] == true
    }

    fn epoch(&self, topic: &str) -> u64 {
        let answer = self.run(&["topic", "show", topic]);
        answer["value"]["topic"]["epoch"].as_u64().unwrap()
    }

    fn publish(&self, who: &str, topic: &str, message: &str) {
        let args = [
            "device",
            "publish",
            "--as",
            who,
            "--at",
            "acme",
            "--topic",
            topic,
            "--message",
            message,
        ];
        self.run(&args);
    }
}

#[test]
fn rights_from_grant_to_evidence() {
    let _turn = my_turn();
    let stage = Stage::new();
    granted_filters(&stage);
    an_operator_takes_back(&stage);
    requests(&stage);
    authorisation_keys(&stage);
    hand_over(&stage);
    evidence(&stage);
    closing(&stage);
    events(&stage);
}

fn granted_filters(stage: &Stage) {
    let reader = "basin.reader";
    let supposed = stage.run(&[
        "topic",
        "simulate",
        reader,
        "subscribe",
        A,
        "--filter",
        ALL,
        "--rights",
        "subscribe",
    ]);
    assert_eq!(supposed["value"]["now"]["reason"]["allowed"], false);
    assert_eq!(supposed["value"]["supposed"]["reason"]["allowed"], true);
    assert!(
        !stage.may(reader, "subscribe", A),
        "supposing grants nothing"
    );

    let granted = stage.run(&["topic", "grant", "--as", "acme.press", ALL, "--to", reader]);
    let height = granted["height"].as_u64().unwrap();
    assert!(stage.may(reader, "subscribe", A) && stage.may(reader, "subscribe", "acme/press/+"));
    assert!(!stage.may(reader, "publish", A));
    let before = (height - 1).to_string();
    let then = stage.run(&["topic", "explain", reader, "subscribe", A, "--at", &before]);
    assert_eq!(then["decision"]["reason"]["allowed"], false, "{then}");
    assert_eq!(then["height"], height - 1);

    // The keys of both topics reached the reader with the grant: it decrypts.
    let subscriber = Command::new(crate::harness::PROGRAM)
        .arg("--home")
        .arg(stage.home())
        .args([
            "--json",
            "device",
            "subscribe",
            "--as",
            reader,
            "--at",
            "acme",
        ])
        .args(["--topic", "acme/press/+", "--count", "2"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the reader subscribes", || {
        let events = stage.run(&["audit", "events", reader, "--kind", "subscribed"]);
        !events.as_array().unwrap().is_empty()
    });
    stage.publish("acme.press", A, "one");
    stage.publish("acme.press", B, "two");
    let output = subscriber.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("one") && text.contains("two"), "{text}");
}

/// An operator has no keys: the owner's own program rotates them when it is back.
fn an_operator_takes_back(stage: &Stage) {
    let revoke = [
        "topic",
        "revoke",
        "--as",
        "acme.operator",
        ALL,
        "--from",
        "basin.reader",
    ];
    stage.run(&revoke);
    assert!(!stage.may("basin.reader", "subscribe", A));
    assert_eq!((stage.epoch(A), stage.epoch(B)), (0, 0));
    let done = stage.run(&["topic", "tend", "--as", "acme.press"]);
    assert_eq!(done.as_array().unwrap().len(), 2, "{done}");
    assert_eq!((stage.epoch(A), stage.epoch(B)), (1, 1));
    let again = stage.run(&["topic", "tend", "--as", "acme.press"]);
    assert_eq!(again, serde_json::json!([]), "nothing is left to do");
    let foreign = [
        "topic",
        "revoke",
        "--as",
        "basin.operator",
        ALL,
        "--from",
        "basin.reader",
    ];
    stage.refused(&foreign, "prefix");
}

fn requests(stage: &Stage) {
    let ask = |who: &str, rights: &str| {
        let purpose = ["--rights", rights, "--purpose", "maintenance"];
        stage.run(&[&["topic", "request", "--as", who, A][..], &purpose].concat());
    };
    ask("basin.reader", "subscribe,read");
    ask("basin.auditor", "read");
    let open = stage.run(&["topic", "requests", "acme.press"]);
    assert_eq!(open.as_array().unwrap().len(), 2);
    let press = ["--as", "acme.press", A, "--to"];
    stage.run(&[&["topic", "approve"][..], &press, &["basin.reader"]].concat());
    stage.run(
        &[
            &["topic", "deny"][..],
            &press,
            &["basin.auditor", "--note", "verify only"],
        ]
        .concat(),
    );
    assert!(stage.may("basin.reader", "read", A) && !stage.may("basin.auditor", "read", A));
    let open = stage.run(&["topic", "requests", "acme.press"]);
    assert_eq!(open, serde_json::json!([]));
    let all = stage.run(&["topic", "requests", "acme.press", "--all"]);
    assert!(all.to_string().contains("verify only"));
}

fn authorisation_keys(stage: &Stage) {
    let file = stage.dir.path().join("key");
    let file = file.to_str().unwrap();
    let create = [
        "key",
        "create",
        "--as",
        "acme.press",
        B,
        "--rights",
        "publish,read",
    ];
    let made = stage.run(&[&create[..], &["--out", file]].concat());
    assert_eq!(made["key"], Value::Null, "the key is in the file only");
    let redeem = ["key", "redeem", "--as", "basin.next", "--file", file];
    stage.run(&redeem);
    stage.refused(&redeem, "redeemed");
    stage.refused(
        &["key", "redeem", "--as", "basin.reader", "--file", file],
        "as often as it can be",
    );
    assert!(stage.may("basin.next", "publish", B) && !stage.may("basin.next", "subscribe", B));
    // It has the topic's key from the authorisation key, not from the owner.
    stage.publish("basin.next", B, "by key");
    let id = made["authorisation"].as_str().unwrap();
    stage.run(&["key", "withdraw", "--as", "acme.press", id]);
    let keys = stage.run(&["key", "list", "acme.press"]);
    assert_eq!(keys[0]["open"], false, "{keys}");
    std::fs::write(file, "SWA-0000").unwrap();
    stage.refused(&redeem, "32 characters");
}

fn hand_over(stage: &Stage) {
    stage.refused(&["topic", "accept", "--as", "basin.next", B], "offer");
    stage.run(&[
        "topic",
        "offer",
        "--as",
        "acme.press",
        B,
        "--to",
        "basin.next",
    ]);
    assert!(
        stage.may("acme.press", "publish", B),
        "an offer changes nothing"
    );
    stage.run(&["topic", "accept", "--as", "basin.next", B]);
    assert!(!stage.may("acme.press", "publish", B) && stage.may("basin.next", "subscribe", B));
    stage.publish("basin.next", B, "mine");
    let topics = stage.run(&["topic", "list", "basin.next"]);
    assert_eq!(topics[0]["name"], B);
}

fn evidence(stage: &Stage) {
    let auditor = "basin.auditor";
    let grant = [
        "topic",
        "grant",
        "--as",
        "acme.operator",
        "acme/#",
        "--to",
        auditor,
    ];
    stage.refused(&[&grant[..], &["--rights", "read"]].concat(), "verify");
    stage.run(&[&grant[..], &["--rights", "verify"]].concat());
    stage.publish("acme.press", A, "three");
    let at = ["--as", auditor, "--at", "acme", A];
    eventually("all three messages' packages are anchored", || {
        let report = sealwire(&stage.home(), &[&["record", "audit"][..], &at].concat());
        let report: Value = serde_json::from_slice(&report.stdout).unwrap_or_default();
        report["messages"] == 2 && report["faults"] == 0
    });
    let out = stage.dir.path().join("evidence");
    let out = out.to_str().unwrap();
    stage.run(
        &[
            &["record", "export"][..],
            &at,
            &["--out", out, "--receipts"],
        ]
        .concat(),
    );
    let genesis = stage.home().join("genesis.json");
    let verify = [
        "record",
        "verify",
        out,
        "--genesis",
        genesis.to_str().unwrap(),
    ];
    assert_eq!(stage.run(&verify)["messages"], 2);
    let bundle = first_with_extension(Path::new(out), "bundle");
    let id = bundle.file_stem().unwrap().to_str().unwrap().to_owned();
    let receipt = first_with_extension(Path::new(out), "receipt");
    stage.run(&["receipt", "verify", receipt.to_str().unwrap()]);
    // The auditor has the bytes and no key.
    stage.refused(
        &["record", "fetch", "--as", auditor, "--at", "acme", &id],
        "no key",
    );
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[150] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let output = sealwire(&stage.home(), &verify);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("was anchored") || text.contains("isn't a bundle"),
        "{text}"
    );
}

fn first_with_extension(directory: &Path, extension: &str) -> std::path::PathBuf {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files.swap_remove(0)
}

fn closing(stage: &Stage) {
    stage.run(&[
        "topic",
        "close",
        "--as",
        "acme.press",
        A,
        "--reason",
        "scrapped",
    ]);
    assert!(!stage.may("acme.press", "publish", A), "not even the owner");
    assert!(
        stage.may("basin.reader", "read", A),
        "its records stay readable"
    );
    stage.refused(
        &[
            "device",
            "publish",
            "--as",
            "acme.press",
            "--topic",
            A,
            "--message",
            "no",
        ],
        "closed",
    );
}

fn events(stage: &Stage) {
    let ended = [
        "audit",
        "events",
        "--gateway",
        "acme.gateway",
        "--kind",
        "publish-refused",
    ];
    eventually("the refusal is on the ledger", || {
        !stage.run(&ended).as_array().unwrap().is_empty()
    });
    let csv = sealwire(&stage.home(), &[&ended[..], &["--format", "csv"]].concat());
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(
        csv.starts_with("time_ms,client,kind,gateway,address"),
        "{csv}"
    );
    assert!(
        csv.contains("acme.press") && csv.contains("closed"),
        "{csv}"
    );
    let none = [&ended[..], &["--address", "192.0.2.1"]].concat();
    assert_eq!(stage.run(&none), serde_json::json!([]));
    let later = [&ended[..], &["--from", "2100-01-01T00:00:00Z"]].concat();
    assert_eq!(stage.run(&later), serde_json::json!([]));
}
