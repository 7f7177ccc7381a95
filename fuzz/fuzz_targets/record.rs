//! Feeds archived records, manifests and packages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["record", "manifest", "package", "package_record"], data));
