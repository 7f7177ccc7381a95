//! Every format, byte for byte: what travels or is stored can't change by accident, and
//! `docs/protocol.md` shows what the code does.
//!
//! The files in `vectors/` hold, for each example, its inputs and every intermediate value, so that
//! another implementation can be checked against them step by step. SM2 signatures are
//! deterministic here (RFC 6979 over SM3) and random bytes are fixed, so all of it is reproducible.
//!
//! A block in `docs/protocol.md` after a line `<!-- vector: file/example/field -->` must be that
//! value ([`document`]).
//!
//! Where a change is meant: `SEALWIRE_BLESS=1 cargo test -p sealwire-envelope --test vectors`
//! writes the files and the document's blocks anew. Say in the commit why old bytes still work or need not.

mod calls;
mod compute;
mod document;
mod examples;
mod messages;
mod world;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// Examples by name; each is a map of values by name.
pub type Examples = Map<String, Value>;

/// The files of `vectors/` and what is in each.
fn files() -> Vec<(&'static str, Examples)> {
    vec![
        ("block", examples::blocks()),
        ("code", examples::codes()),
        ("compute", compute::formats()),
        ("genesis", examples::genesis()),
        ("login", messages::logins()),
        ("message", messages::messages()),
        ("names", examples::names()),
        ("proof", examples::proofs()),
        ("receipt", examples::receipts()),
        ("record", messages::records()),
        ("transaction", examples::transactions()),
    ]
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(format!("{file}.json"))
}

#[test]
fn encodings_are_pinned() {
    for (file, examples) in files() {
        let path = path(file);
        let value = Value::Object(examples);
        if std::env::var_os("SEALWIRE_BLESS").is_some() {
            let text = serde_json::to_string_pretty(&value).expect("plain data");
            std::fs::write(&path, text + "\n").expect("the file can be written");
        }
        let text = std::fs::read_to_string(&path).expect("the file is in the repository");
        let pinned: Value = serde_json::from_str(&text).expect("JSON");
        for (name, example) in value.as_object().expect("a map") {
            for (field, value) in example.as_object().expect("a map") {
                let expected = &pinned[name][field];
                assert_eq!(value, expected, "{file}/{name}/{field} changed");
            }
        }
        assert_eq!(value, pinned, "{file} has an example or a field too many");
    }
}

/// Every file of the folder is checked: none can be left behind.
#[test]
fn no_file_is_forgotten() {
    let known: Vec<PathBuf> = files().iter().map(|(file, _)| path(file)).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        assert!(known.contains(&path), "{} isn't checked", path.display());
    }
}

#[test]
fn the_document_shows_the_vectors() {
    let all = files();
    let find = |reference: &str| {
        let mut parts = reference.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default();
        let (file, name, field) = (next(), next(), next());
        let examples = &all.iter().find(|(known, _)| *known == file)?.1;
        examples.get(name)?.get(field)?.as_str().map(str::to_owned)
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    let mut text = std::fs::read_to_string(&path).expect("docs/protocol.md");
    if std::env::var_os("SEALWIRE_BLESS").is_some() {
        text = document::rewrite(&text, find);
        std::fs::write(&path, &text).expect("docs/protocol.md can be written");
    }
    let shown = document::examples(&text);
    for document::Shown {
        line,
        reference,
        content,
    } in &shown
    {
        let Some(expected) = find(reference) else {
            panic!("docs/protocol.md:{line}: there is no vector {reference}");
        };
        assert_eq!(
            content, &expected,
            "docs/protocol.md:{line}: {reference} is shown wrongly"
        );
    }
    for needed in [
        "login/enhanced/hello",
        "login/enhanced/challenge",
        "login/enhanced/transcript",
        "login/enhanced/answer",
        "login/token/password",
        "login/request/header",
        "message/senml/payload",
        "message/senml/nonce",
        "transaction/register-topic/transaction",
        "transaction/grant-topic/body",
        "transaction/revoke-grant/body",
        "block/header/digest",
        "block/finality/vote",
        "record/package/id",
        "compute/key/cbor",
        "compute/key/id",
        "compute/reading/payload",
        "compute/evaluation/cbor",
        "compute/evaluation/id",
        "compute/opening-share/cbor",
        "compute/standing-job/cbor",
        "transaction/register-compute-key/body",
        "transaction/retire-compute-key/body",
        "transaction/log-evaluations/body",
    ] {
        let is_shown = shown.iter().any(|example| example.reference == needed);
        assert!(is_shown, "docs/protocol.md doesn't show {needed}");
    }
}
