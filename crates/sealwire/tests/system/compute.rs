//! Computing on encrypted readings through the command line, against a running consortium: the example of
//! `docs/compute.md` to the letter, every refusal with its numbers, a key with a passphrase, a standing job, and
//! a shared key with a holder that lies.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sealwire_envelope::{compute::OpeningShare, decode, encode};
use serde_json::Value;

use crate::harness::{Demo, PROGRAM, eventually, json, my_turn, sealwire};

/// How long a reader takes from one block of the document to the next, at least; a grant is at the gateway by
/// then.
const READING: Duration = Duration::from_secs(2);

const LOAD: &str = "acme/press/load";
const SPIN: &str = "basin/mill/load";

struct Stage {
    _demo: Demo,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            _demo: Demo::start(&dir.path().join("home")),
            dir,
        }
    }

    /// Two devices with an open topic each, on which the plant may have computed.
    fn with_devices() -> Self {
        let stage = Self::new();
        stage.run(&["device", "enrol", "acme.plant", "--role", "user"]);
        for (device, topic) in [("acme.press", LOAD), ("basin.mill", SPIN)] {
            stage.run(&["device", "enrol", device]);
            stage.run(&["topic", "register", "--open", "--as", device, topic]);
            stage.grant(device, topic, "acme.plant", "compute,read");
        }
        stage
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The path of a file in the test's directory.
    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
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

    fn grant(&self, owner: &str, topic: &str, to: &str, rights: &str) {
        let args = [
            "topic", "grant", "--as", owner, topic, "--to", to, "--rights", rights,
        ];
        self.run(&args);
    }

    fn publish(&self, device: &str, key: &str, topic: &str, more: &[&str]) -> Value {
        let args = [
            "compute", "publish", "--as", device, "--at", "acme", "--key", key, "--topic", topic,
        ];
        let args = [&args[..], more].concat();
        let mut last = None;
        // The gateway may be a block behind the topic's registration.
        eventually("the gateway takes the readings", || {
            let output = sealwire(&self.home(), &args);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let done = output.status.success();
            last = Some(text);
            done
        });
        let text = last.unwrap_or_default();
        // One line for each batch; the last one will do.
        serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap()
    }

    /// Asks as `who` over both topics, and waits for the result in a file.
    fn ask(&self, function: &str, who: &str, key: &str, more: &[&str]) -> String {
        let file = self.file(&format!("{function}-{}.result", key.len()));
        let args = [
            "compute", "ask", function, "--as", who, "--at", "acme", "--key", key, "--out", &file,
        ];
        let asked = self.run(&[&args[..], more].concat());
        assert!(asked["evaluation"].is_string(), "{asked}");
        file
    }

    fn open(&self, file: &str, more: &[&str]) -> Value {
        let args = ["compute", "open", "--as", "acme.plant", file];
        self.run(&[&args[..], more].concat())["answer"].take()
    }
}

/// Blocks of a document behind `<!-- run -->`, or `<!-- run; prints: TEXT -->`.
fn blocks(document: &str) -> Vec<(String, Option<String>)> {
    let mut found = vec![];
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let comment = line.strip_prefix("<!-- run");
        let Some(comment) = comment.and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        assert_eq!(lines.next(), Some("```sh"), "no block after '{line}'");
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let prints = comment.strip_prefix("; prints: ").map(str::to_owned);
        found.push((text.join("\n"), prints));
    }
    found
}

#[test]
fn the_document_s_example_works_to_the_letter() {
    let _turn = my_turn();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compute.md");
    let blocks = blocks(&std::fs::read_to_string(path).unwrap());
    assert!(blocks.len() >= 5, "only {} blocks", blocks.len());
    let stage = Stage::new();
    let programs = Path::new(PROGRAM).parent().unwrap().to_owned();
    let system = std::env::var_os("PATH").unwrap_or_default();
    let all = [programs].into_iter().chain(std::env::split_paths(&system));
    let path = std::env::join_paths(all).unwrap();
    for (text, prints) in blocks {
        std::thread::sleep(READING);
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &text])
            .current_dir(stage.dir.path())
            .env("PATH", &path)
            .env("SEALWIRE_HOME", stage.home())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{text}\n{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if let Some(expected) = prints {
            assert!(printed.contains(&expected), "{text}\nprints {printed}");
        }
    }
}

#[test]
fn every_function_and_every_refusal() {
    let _turn = my_turn();
    let stage = Stage::with_devices();
    let bounds = ["--decimals", "1", "--min", "-100", "--max", "500"];
    let keygen = ["compute", "keygen", "--as", "acme.plant"];
    let bins = ["--set", "sm2-elgamal-v1", "--edges", "0,50,100"];
    let key = stage.run(&[&keygen[..], &bounds, &bins].concat());
    let id = key["key"].as_str().unwrap().to_owned();
    assert_eq!(key["published"]["registered_now"], true);
    sums(&stage);
    refusals(&stage, &id);
    a_passphrase_and_products(&stage, &[&keygen[..], &bounds].concat());
    standing(&stage, &id);
    retiring(&stage, &id);
}

fn both() -> [&'static str; 4] {
    ["--topic", LOAD, "--topic", SPIN]
}

fn sums(stage: &Stage) {
    let csv = stage.file("readings.csv");
    std::fs::write(&csv, "time,load\n1,110.4\n2,108.9\n3,-7.5\n").unwrap();
    stage.publish("acme.press", "acme.plant", LOAD, &["21.5", "22", "-3.1"]);
    let published = stage.publish("basin.mill", "acme.plant", SPIN, &["--csv", &csv]);
    assert_eq!(published["readings"], 3);
    let file = stage.ask("sum", "acme.plant", "acme.plant", &both());
    let answer = stage.open(&file, &[]);
    assert_eq!(answer["sum"], "252.2");
    assert_eq!(answer["readings"], 6);
    let weighted = [
        &both()[..],
        &["--weight", "0.5", "--weight=-2", "--constant", "1.25"],
    ]
    .concat();
    let file = stage.ask("weighted-sum", "acme.plant", "acme.plant", &weighted);
    // 0.5 * 40.4 - 2 * 211.8 + 1.25
    assert_eq!(stage.open(&file, &[])["sum"], "-402.15");
    let one_hot = ["--form", "one-hot", "-1", "0", "49.9", "50", "400"];
    stage.publish("acme.press", "acme.plant", LOAD, &one_hot);
    let file = stage.ask("histogram", "acme.plant", "acme.plant", &["--topic", LOAD]);
    let answer = stage.open(&file, &[]);
    let bins = answer["bins"].as_array().unwrap().iter();
    let counts: Vec<u64> = bins.map(|bin| bin["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 2, 1, 1]);
    // Somebody at a third organisation computes it again, once it may read.
    stage.run(&["device", "enrol", "cobalt.auditor", "--role", "user"]);
    let verify = ["compute", "verify", "--as", "cobalt.auditor", &file];
    stage.refused(&verify, "right to read");
    stage.grant("acme.press", LOAD, "cobalt.auditor", "read");
    eventually("the auditor finds the same bytes", || {
        sealwire(&stage.home(), &verify).status.success()
    });
    // By its id, too: who verifies needs no file of the result.
    let again = stage.run(&verify);
    let id = again["id"].as_str().unwrap();
    let by_id = stage.run(&["compute", "verify", "--as", "cobalt.auditor", id]);
    assert_eq!(by_id["packages"], again["packages"]);
    let unknown = "ab".repeat(32);
    let unknown = ["compute", "verify", "--as", "cobalt.auditor", &unknown];
    stage.refused(&unknown, "no evaluation");
    let mut changed = std::fs::read(&file).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let lie = stage.file("changed.result");
    std::fs::write(&lie, changed).unwrap();
    for command in ["verify", "open"] {
        let who = if command == "open" {
            "acme.plant"
        } else {
            "cobalt.auditor"
        };
        let output = sealwire(&stage.home(), &["compute", command, "--as", who, &lie]);
        assert!(!output.status.success(), "{command} took a changed result");
    }
    receipt(stage, &file);
}

fn receipt(stage: &Stage, file: &str) {
    let receipt = stage.file("histogram.receipt");
    let args = ["compute", "receipt", "--as", "cobalt.auditor", file];
    stage.run(&[&args[..], &["--out", &receipt]].concat());
    let genesis = stage.home().join("genesis.json");
    let nowhere = stage.dir.path().join("nowhere");
    let verify = [
        "compute",
        "receipt-verify",
        &receipt,
        "--genesis",
        genesis.to_str().unwrap(),
    ];
    let verified = json(&nowhere, &verify);
    assert_eq!(verified["evaluation"]["gateway"], "acme.gateway");
    let mut bytes = std::fs::read(&receipt).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&receipt, bytes).unwrap();
    assert!(!sealwire(&nowhere, &verify).status.success());
}

fn refusals(stage: &Stage, id: &str) {
    let ask = |function: &'static str, more: &[&'static str]| {
        let args = [
            "compute",
            "ask",
            function,
            "--as",
            "acme.plant",
            "--key",
            "acme.plant",
            "--topic",
            LOAD,
        ];
        [&args[..], more].concat()
    };
    // 5,000 steps times 10^9 for one reading.
    let heavy = ["--weight", "1000000000"];
    stage.refused(&ask("weighted-sum", &heavy), "can reach 5000000000000");
    stage.refused(&ask("weighted-sum", &heavy), "holds 1099511627776");
    stage.refused(&ask("dot", &["--topic", SPIN]), "can't compute dot");
    stage.refused(&ask("count-over", &["--threshold", "12.3"]), "edge");
    stage.refused(&ask("count-over", &[]), "--threshold");
    stage.refused(&ask("sum", &["--from", "2100-01-01T00:00:00Z"]), "ends");
    let stranger = ["compute", "ask", "sum", "--as", "acme.press", "--key", id];
    stage.refused(&[&stranger[..], &["--topic", SPIN]].concat(), SPIN);
    let readings = |more: &[&'static str]| {
        let args = ["compute", "publish", "--as", "acme.press", "--key"];
        [&args[..], &["acme.plant", "--topic", LOAD], more].concat()
    };
    stage.refused(
        &readings(&["500.1"]),
        "outside the declared bounds -100.0 to 500.0",
    );
    stage.refused(&readings(&["1.25"]), "more than 1 digits");
    stage.refused(&readings(&["--form", "bits", "1"]), "Bits");
    let sealed = "acme/press/sealed";
    stage.run(&["topic", "register", "--as", "acme.press", sealed]);
    let args = ["compute", "publish", "--as", "acme.press", "--key", id];
    stage.refused(&[&args[..], &["--topic", sealed, "1"]].concat(), "--open");
    let other = ["compute", "open", "--as", "acme.press"];
    let file = stage.file("sum-10.result");
    stage.refused(&[&other[..], &[&file]].concat(), "secret half");
}

fn a_passphrase_and_products(stage: &Stage, keygen: &[&str]) {
    let (right, wrong) = (stage.file("passphrase"), stage.file("wrong"));
    std::fs::write(&right, "open sesame\n").unwrap();
    std::fs::write(&wrong, "open barley\n").unwrap();
    let more = ["--set", "bfv-mul-v1", "--passphrase-file", &right];
    let made = stage.run(&[keygen, &more].concat());
    let id = made["key"].as_str().unwrap().to_owned();
    assert_eq!(made["published"]["gateway"], "acme.gateway");
    let secret = std::fs::read_to_string(made["secret"].as_str().unwrap()).unwrap();
    assert!(secret.starts_with("-----BEGIN ENCRYPTED SEALWIRE COMPUTE KEY-----"));
    // The owner has two keys now: its name alone doesn't say which.
    let ask = ["compute", "ask", "sum", "--as", "acme.plant", "--key"];
    stage.refused(&[&ask[..], &["acme.plant", "--topic", LOAD]].concat(), &id);
    stage.publish("acme.press", &id, LOAD, &["1", "2", "4.5"]);
    stage.publish("basin.mill", &id, SPIN, &["10", "-20", "0.5"]);
    let file = stage.ask("variance", "acme.plant", &id, &["--topic", LOAD]);
    let open = ["compute", "open", "--as", "acme.plant", &file];
    stage.refused(&open, "passphrase");
    stage.refused(
        &[&open[..], &["--passphrase-file", &wrong]].concat(),
        "passphrase",
    );
    let answer = stage.open(&file, &["--passphrase-file", &right]);
    assert_eq!(answer["sum_of_squares"], "25.25");
    let file = stage.ask("dot", "acme.plant", &id, &both());
    let answer = stage.open(&file, &["--passphrase-file", &right]);
    assert_eq!(answer["dot"], "-27.75");
    // With a products' key the evaluation key is needed to compute it again; the gateway has it.
    stage.grant("basin.mill", SPIN, "cobalt.auditor", "read");
    eventually("the dot product comes out the same", || {
        let verify = ["compute", "verify", "--as", "cobalt.auditor", &file];
        sealwire(&stage.home(), &verify).status.success()
    });
    let retire = ["compute", "retire", "--as", "acme.plant", "--key", &id];
    stage.run(&retire);
}

fn standing(stage: &Stage, id: &str) {
    let mean = "acme/plant/mean";
    stage.run(&["topic", "register", "--open", "--as", "acme.plant", mean]);
    let add = [
        "compute",
        "standing",
        "add",
        "mean",
        "--as",
        "acme.plant",
        "--key",
        id,
        "--topic",
        LOAD,
        "--every",
        "1s",
        "--over",
        "1h",
        "--publish-to",
        mean,
    ];
    let mut standing = None;
    eventually("the gateway takes the standing job", || {
        let output = sealwire(&stage.home(), &add);
        standing = serde_json::from_slice::<Value>(&output.stdout).ok();
        output.status.success()
    });
    let standing = standing.unwrap()["standing"].as_str().unwrap().to_owned();
    let list = ["compute", "standing", "list", "--as", "acme.plant"];
    eventually("it has run", || {
        stage.run(&list)[0]["last_end_ms"].as_u64() > Some(0)
    });
    eventually("a run's evaluation is on the ledger", || {
        let jobs = stage.run(&["compute", "jobs", "--as", "acme.plant"]);
        let mut runs = jobs.as_array().unwrap().iter();
        runs.any(|job| job["standing"] == standing.as_str() && job["state"] == "recorded")
    });
    let remove = ["compute", "standing", "remove", "--as", "acme.plant"];
    stage.run(&[&remove[..], &[&standing]].concat());
    assert_eq!(stage.run(&list), serde_json::json!([]));
}

fn retiring(stage: &Stage, id: &str) {
    let retire = ["compute", "retire", "--as", "acme.plant", "--key", id];
    stage.run(&[&retire[..], &["--reason", "replaced"]].concat());
    let args = ["--key", id, "--topic", LOAD];
    let publish = ["compute", "publish", "--as", "acme.press"];
    stage.refused(&[&publish[..], &args, &["1"]].concat(), "retired");
    let ask = ["compute", "ask", "sum", "--as", "acme.plant"];
    stage.refused(&[&ask[..], &args].concat(), "replaced");
    let keys = stage.run(&["compute", "keys", "acme.plant"]);
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert!(
        keys.iter().all(|key| key["retired"].is_object()),
        "{keys:?}"
    );
}

#[test]
fn a_shared_key_opens_together_and_liars_are_named() {
    let _turn = my_turn();
    let stage = Stage::with_devices();
    let holders = ["acme.plant", "basin.lab", "cobalt.lab"];
    for holder in &holders[1..] {
        stage.run(&["device", "enrol", holder, "--role", "user"]);
        for (device, topic) in [("acme.press", LOAD), ("basin.mill", SPIN)] {
            stage.grant(device, topic, holder, "read");
        }
    }
    let ceremony = stage.file("sharing.ceremony");
    let begin = ["compute", "ceremony", "begin", "--as", "acme.plant"];
    let named = holders.map(|holder| ["--holder", holder]).concat();
    let terms = ["--threshold", "2", "--out", &ceremony];
    stage.run(&[&begin[..], &terms, &named].concat());
    let dealings = holders.map(|holder| {
        let file = stage.file(&format!("{holder}.dealing"));
        let deal = ["compute", "ceremony", "deal", "--as", holder, &ceremony];
        stage.run(&[&deal[..], &["--out", &file]].concat());
        file
    });
    let all = [&ceremony, &dealings[0], &dealings[1], &dealings[2]].map(String::as_str);
    a_strangers_dealing_is_refused(&stage, &ceremony, &dealings);
    for holder in holders {
        let finish = ["compute", "ceremony", "finish", "--as", holder];
        let share = stage.run(&[&finish[..], &all].concat());
        assert_eq!(share["dealers"], serde_json::json!([1, 2, 3]));
    }
    let register = ["compute", "ceremony", "register", "--as", "acme.plant"];
    let readings = ["--decimals", "1", "--min", "0", "--max", "500"];
    let key = stage.run(&[&register[..], &all, &readings].concat());
    let id = key["key"].as_str().unwrap().to_owned();

    stage.publish("acme.press", &id, LOAD, &["21.5", "22"]);
    stage.publish("basin.mill", &id, SPIN, &["110.4", "108.9"]);
    let result = stage.ask("sum", "acme.plant", &id, &both());
    stage.refused(
        &["compute", "open", "--as", "acme.plant", &result],
        "shared",
    );
    let parts = holders.map(|holder| {
        let file = stage.file(&format!("{holder}.part"));
        let share = ["compute", "share", "--as", holder, &result, "--out", &file];
        assert_eq!(stage.run(&share)["verified"], true);
        file
    });
    let combine = |parts: &[&str]| {
        let args = ["compute", "combine", "--as", "acme.plant", &result];
        let args = [&args[..], parts].concat();
        sealwire(&stage.home(), &args)
    };
    let answer = |parts: &[&str]| -> Value {
        let output = combine(parts);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let honest = answer(&[&parts[2], &parts[0]]);
    assert_eq!(honest["answer"]["sum"], "262.8");
    assert_eq!(honest["wrong"], serde_json::json!([]));

    // The second holder lies about its part.
    let mut lie: OpeningShare = decode(&std::fs::read(&parts[1]).unwrap()).unwrap();
    lie.parts[0].response[31] ^= 1;
    let lying = stage.file("lie.part");
    std::fs::write(&lying, encode(&lie)).unwrap();
    let with_liar = answer(&[&parts[0], &lying, &parts[2]]);
    assert_eq!(with_liar["answer"]["sum"], "262.8");
    assert_eq!(with_liar["wrong"][0]["client"], "basin.lab");
    let too_few = combine(&[&parts[0], &lying]);
    let text = String::from_utf8_lossy(&too_few.stdout);
    assert!(!too_few.status.success());
    assert!(
        text.contains("share 2 of basin.lab") && text.contains("2 are needed"),
        "{text}"
    );
}

/// A dealing that its dealer didn't sign, and one of another ceremony.
fn a_strangers_dealing_is_refused(stage: &Stage, ceremony: &str, dealings: &[String; 3]) {
    let mut bytes = std::fs::read(&dealings[1]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = stage.file("forged.dealing");
    std::fs::write(&forged, bytes).unwrap();
    let finish = [
        "compute",
        "ceremony",
        "finish",
        "--as",
        "acme.plant",
        ceremony,
    ];
    stage.refused(
        &[&finish[..], &[&dealings[0], &forged]].concat(),
        "basin.lab",
    );
    stage.refused(&[&finish[..], &[&dealings[0]]].concat(), "at least 2");
    let stranger = [
        "compute",
        "ceremony",
        "deal",
        "--as",
        "acme.press",
        ceremony,
    ];
    let out = stage.file("stranger.dealing");
    stage.refused(
        &[&stranger[..], &["--out", &out]].concat(),
        "isn't a holder",
    );
}
