//! Feeds compute keys, encrypted readings, jobs, evaluations, results and opening shares.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sealwire_fuzz::decode(
    &[
        "compute_key",
        "signed_reading",
        "compute_job",
        "evaluation",
        "computed",
        "opening_share",
        "standing_job",
        "evaluation_record",
    ],
    data
));
