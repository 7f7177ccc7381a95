//! Holds the vectors against `second_implementation.py`, which was written from `docs/protocol.md`
//! alone and shares no code with this workspace.
//!
//! It needs Python 3.10 whose OpenSSL has SM3. Without it the test says loudly that it is skipped;
//! with `SEALWIRE_REQUIRE_PEERS` that is a failure.

use std::{path::Path, process::Command};

#[test]
fn a_second_implementation_agrees() {
    let probe = "import hashlib, sys; hashlib.new('sm3'); sys.exit(sys.version_info < (3, 10))";
    let usable = Command::new("python3").args(["-c", probe]).output();
    if !usable.is_ok_and(|output| output.status.success()) {
        let required = std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_some();
        assert!(
            !required,
            "python3 (3.10 or later, with SM3 in hashlib) is required here"
        );
        println!("SKIPPED: python3 (3.10 or later, with SM3 in hashlib) isn't installed");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/second_implementation.py");
    let output = Command::new("python3")
        .arg(script)
        .output()
        .expect("python3 starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
