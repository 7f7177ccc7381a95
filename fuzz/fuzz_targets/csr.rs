//! Feeds certificate requests and enrolment codes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["csr", "csr_pem", "code"], data));
