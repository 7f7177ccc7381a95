//! Feeds genesis files, as JSON and as CBOR.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["genesis", "genesis_json"], data));
