//! Feeds ciphertexts, keys, shares and dealings to their readers: the first byte says to which.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::compute(data));
