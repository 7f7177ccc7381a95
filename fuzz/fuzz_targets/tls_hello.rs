//! Feeds what anybody can send to a TLS port first.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::tls::greet(data));
