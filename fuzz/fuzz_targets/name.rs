//! Feeds organisations, client ids, topic names and filters.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(&["org_id", "client_id", "topic_name", "topic_filter", "rights"], data));
