//! Feeds receipts and proven entries to their decoders, and what decodes to the verifier.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sealwire_fuzz::decode(&["receipt", "proven_entry", "result_receipt"], data);
    sealwire_fuzz::verify_receipt(data);
    sealwire_fuzz::verify_result(data);
});
