//! The committed OpenAPI document is the one served, and what is passed through is what the node has.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

/// Queries of a node that aren't passed through, and why.
const NOT_PASSED: [&str; 2] = [
    // Streams: the console has its own, `/api/stream`.
    "/v1/events",
    // Only for handing in.
    "/v1/transactions",
];

fn docs(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

#[test]
fn the_committed_openapi_document_is_the_one_served() {
    let generated = sealwire_console::openapi_json().unwrap();
    if std::env::var_os("SEALWIRE_WRITE_OPENAPI").is_some() {
        fs::write(docs("console-openapi.json"), &generated).unwrap();
    }
    let committed = fs::read_to_string(docs("console-openapi.json")).unwrap();
    assert!(
        committed == generated,
        "run this test with SEALWIRE_WRITE_OPENAPI=1 and commit docs/console-openapi.json"
    );
}

#[test]
fn every_query_of_a_node_is_passed_through_or_named_as_not() {
    let text = sealwire_ledger::api::openapi_json().unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let passed: Vec<String> = sealwire_console::LEDGER_ROUTES
        .iter()
        .map(|path| path.replace("{*", "{"))
        .collect();
    let named: BTreeSet<&str> = passed
        .iter()
        .map(String::as_str)
        .chain(NOT_PASSED)
        .collect();
    assert_eq!(named, paths);
}

#[test]
fn every_answer_has_a_schema() {
    let document: Value = serde_json::from_str(&sealwire_console::openapi_json().unwrap()).unwrap();
    let mut answers = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                // A WebSocket has no body.
                if status == "101" {
                    continue;
                }
                answers += 1;
                assert!(answer["content"].is_object(), "{method} {path} {status}");
            }
        }
    }
    assert!(answers > 50);
}
