//! The README's main command, and a consortium made and run by hand.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Demo, PROGRAM, eventually, json, my_turn, sealwire};

#[test]
fn every_step_of_the_demo_holds() {
    let _turn = my_turn();
    let output = Command::new(PROGRAM)
        .args(["--json", "demo", "--once", "--messages", "200"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["ok"], true);
    let steps = report["steps"].as_array().unwrap();
    assert!(
        steps.len() >= 23 && steps.iter().all(|step| step["ok"] == true),
        "{text}"
    );
}

fn height(home: &Path) -> u64 {
    let status = json(home, &["status"]);
    let nodes = status
        .as_array()
        .unwrap()
        .iter()
        .filter(|s| s["part"] == "node");
    nodes
        .filter_map(|node| node["status"]["height"].as_u64())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_restarted_demo_goes_on_with_the_same_ledger() {
    let _turn = my_turn();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    eventually("the first device publishes", || {
        let events = sealwire(&home, &["audit", "events", "acme.this-machine"]);
        String::from_utf8_lossy(&events.stdout).contains("connected")
    });
    let before = height(&home);
    demo.stop();
    let _demo = Demo::start(&home);
    eventually("the ledger grows on", || height(&home) > before);
    // Nothing that either run wrote is damaged.
    let report = json(&home, &["fsck", "--org", "acme"]);
    assert_eq!(
        report["faults"].as_array().map(Vec::len),
        Some(0),
        "{report}"
    );
    assert!(report["blocks"].as_u64() >= Some(before), "{report}");
}

#[test]
fn refusals_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let error = |args: &[&str]| {
        let output = sealwire(&home, args);
        assert!(!output.status.success(), "{args:?} should fail");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(error(&["status"]).contains("sealwire init"));
    json(&home, &["init", "--org", "acme", "--base-port", "17400"]);
    assert!(error(&["init", "--org", "acme"]).contains("exists already"));
    assert!(error(&["node", "--org", "other"]).contains("sealwire init"));
    let token = ["device", "token", "--as", "acme.ghost"];
    assert!(error(&token).contains("sealwire device enrol acme.ghost"));
    assert!(error(&["topic", "explain", "acme.x", "publish"]).contains("topic"));
    std::fs::write(dir.path().join("no.receipt"), b"nonsense").unwrap();
    let file = dir.path().join("no.receipt");
    assert!(error(&["receipt", "verify", file.to_str().unwrap()]).contains("receipt"));
}

#[test]
fn completions_man_page_and_help_are_there() {
    for args in [&["completions", "bash"][..], &["man"], &["help", "device"]] {
        let output = Command::new(PROGRAM).args(args).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("enrol") || text.contains("sealwire"),
            "{args:?}"
        );
    }
}
