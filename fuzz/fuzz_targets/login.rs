//! Feeds what a client that isn't logged in yet can send to a gateway.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["hello", "challenge", "answer", "transcript", "token", "token_text", "request", "request_header"], data));
