//! Feeds headers, certificates of finality and bundles, as a follower fetches them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["header", "finality", "bundle"], data));
