//! Feeds encrypted messages, as any publisher can send them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["message"], data));
