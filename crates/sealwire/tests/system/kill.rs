//! kill -9 of any process at any time: nothing that was acknowledged is missing afterwards, and
//! nothing is anchored twice.
//!
//! The times and victims follow from a seed (`SEALWIRE_SEED`, printed), within a bounded run.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::harness::{Demo, PROGRAM, eventually, json, my_turn, sealwire, signal};

const VICTIMS: [&str; 5] = [
    "acme node",
    "basin node",
    "cobalt node",
    "delta node",
    "acme gateway",
];
const KILLS: usize = 10;
const TOPIC: &str = "acme/counter/t";

/// Publishes numbered messages until told to stop; collects the numbers that were acknowledged.
fn publish(home: &std::path::Path, stop: &AtomicBool, acknowledged: &Mutex<BTreeSet<u64>>) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut child = Command::new(PROGRAM)
            .arg("--home")
            .arg(home)
            .args([
                "--json",
                "device",
                "publish",
                "--as",
                "acme.counter",
                "--topic",
                TOPIC,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // One at a time: the line that comes back says that this number is acknowledged.
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            if writeln!(stdin, "{number}").is_err() {
                break;
            }
            let Some(Ok(line)) = lines.next() else { break };
            let Ok(answer) = serde_json::from_str::<Value>(&line) else {
                break;
            };
            if answer["sequence"].is_u64() {
                acknowledged.lock().unwrap().insert(number);
            } else {
                break;
            }
        }
        drop(stdin);
        let _ = child.wait();
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_processes_are_killed() {
    let _turn = my_turn();
    let seed = std::env::var("SEALWIRE_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    eprintln!("SEALWIRE_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    json(&home, &["device", "enrol", "acme.counter"]);
    json(&home, &["topic", "register", "--as", "acme.counter", TOPIC]);

    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let publisher = {
        let (home, stop, acknowledged) = (home.clone(), stop.clone(), acknowledged.clone());
        std::thread::spawn(move || publish(&home, &stop, &acknowledged))
    };
    eventually("messages flow", || acknowledged.lock().unwrap().len() > 20);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(rng.random_range(200..1500)));
        let victim = VICTIMS[rng.random_range(0..VICTIMS.len())];
        if let Some(pid) = demo.pid(victim) {
            signal("-KILL", pid);
        }
    }
    // All four validators at once, then the gateway.
    for victim in VICTIMS {
        if let Some(pid) = demo.pid(victim) {
            signal("-KILL", pid);
        }
    }
    let before = acknowledged.lock().unwrap().len();
    eventually("messages flow again", || {
        acknowledged.lock().unwrap().len() > before + 20
    });
    stop.store(true, Ordering::Relaxed);
    publisher.join().unwrap();

    let acknowledged = acknowledged.lock().unwrap().clone();
    let mut found = BTreeMap::new();
    eventually(
        "every acknowledged message is in an anchored package",
        || {
            found = anchored(&home);
            acknowledged.iter().all(|number| found.contains_key(number))
        },
    );
    let report = json(&home, &["fsck", "--org", "acme"]);
    assert_eq!(
        report["faults"].as_array().map(Vec::len),
        Some(0),
        "{report}"
    );
    eprintln!(
        "{} acknowledged, {} archived, {report}",
        acknowledged.len(),
        found.len()
    );
    demo.stop();
}

/// The numbers in anchored packages, and in how many.
fn anchored(home: &std::path::Path) -> BTreeMap<u64, usize> {
    let mut found = BTreeMap::new();
    let listed = sealwire(home, &["record", "list", "--as", "acme.counter", TOPIC]);
    let Ok(Value::Array(packages)) = serde_json::from_slice(&listed.stdout) else {
        return found;
    };
    let mut ids = BTreeSet::new();
    for package in packages.iter().filter(|package| package["height"].is_u64()) {
        let id = package["package"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "package {id} is listed twice");
        let fetched = sealwire(home, &["record", "fetch", "--as", "acme.counter", id]);
        let Ok(document) = serde_json::from_slice::<Value>(&fetched.stdout) else {
            continue;
        };
        for message in document["messages"].as_array().into_iter().flatten() {
            let number = message["content"].as_str().unwrap().parse().unwrap();
            *found.entry(number).or_default() += 1;
        }
    }
    found
}
