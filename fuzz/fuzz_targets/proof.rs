//! Feeds state proofs to their decoder, and what decodes to the verifier.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sealwire_fuzz::decode(&["state_entry", "state_proof"], data);
    sealwire_fuzz::verify_proof(data);
});
