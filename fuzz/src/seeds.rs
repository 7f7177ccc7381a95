//! Writes the valid encodings of every decoder to `corpus/<target>/`, where libFuzzer starts from.

use std::{fs, io, path::Path};

/// Which decoders a target feeds.
const TARGETS: &[(&str, &[&str])] = &[
    ("block", &["header", "finality", "bundle"]),
    ("certificate", &["certificate"]),
    (
        "compute",
        &[
            "compute_key",
            "signed_reading",
            "compute_job",
            "evaluation",
            "computed",
            "opening_share",
            "standing_job",
            "evaluation_record",
        ],
    ),
    ("csr", &["csr", "csr_pem", "code"]),
    ("genesis", &["genesis", "genesis_json"]),
    (
        "login",
        &[
            "hello",
            "challenge",
            "answer",
            "transcript",
            "token",
            "token_text",
            "request",
            "request_header",
        ],
    ),
    ("message", &["message"]),
    (
        "name",
        &[
            "org_id",
            "client_id",
            "topic_name",
            "topic_filter",
            "rights",
        ],
    ),
    ("proof", &["state_entry", "state_proof"]),
    ("receipt", &["receipt", "proven_entry", "result_receipt"]),
    (
        "record",
        &["record", "manifest", "package", "package_record"],
    ),
    ("transaction", &["transaction"]),
];

fn main() -> io::Result<()> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, decoders) in TARGETS {
        let folder = home.join(target);
        fs::create_dir_all(&folder)?;
        for entry in sealwire_fuzz::corpus::all() {
            if decoders.contains(&entry.name) {
                for (number, bytes) in entry.valid.iter().enumerate() {
                    fs::write(folder.join(format!("{}-{number}", entry.name)), bytes)?;
                }
            }
        }
    }
    let folder = home.join("compute_bytes");
    fs::create_dir_all(&folder)?;
    for (which, reader) in (0u8..).zip(sealwire_fuzz::readers::all()) {
        for (number, bytes) in reader.valid.iter().enumerate() {
            let name = format!("{}-{number}", reader.name);
            fs::write(folder.join(name), [&[which], bytes.as_slice()].concat())?;
        }
    }
    let folder = home.join("tls_hello");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("hello"), sealwire_fuzz::tls::seed())
}
