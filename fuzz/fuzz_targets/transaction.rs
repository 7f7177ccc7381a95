//! Feeds transactions, the first thing a stranger can send to a ledger node.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["transaction"], data));
