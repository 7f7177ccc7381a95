//! `docs/architecture.md` quotes this crate's limits (and `sm`'s) as they are. The limits of the
//! other crates are held by `crates/sealwire/tests/docs.rs`.

use std::{collections::BTreeMap, fs, path::Path};

macro_rules! limits {
    ($($limit:path),* $(,)?) => {
        BTreeMap::from([$((stringify!($limit).replace([' ', '\n'], ""), $limit as u128)),*])
    };
}

#[test]
fn quoted_limits_are_the_codes() {
    let known = limits![
        sealwire_envelope::block::BUNDLE_MAX_BYTES,
        sealwire_envelope::compute::EDGES_MAX,
        sealwire_envelope::compute::HOLDERS_MAX,
        sealwire_envelope::compute::INPUTS_MAX,
        sealwire_envelope::genesis::GENESIS_MAX_BYTES,
        sealwire_envelope::genesis::ORGS_MAX,
        sealwire_envelope::id::NAME_MAX_BYTES,
        sealwire_envelope::id::ORG_MAX_BYTES,
        sealwire_envelope::login::LOGIN_MAX_BYTES,
        sealwire_envelope::login::REQUEST_MAX_AGE_S,
        sealwire_envelope::login::TOKEN_MAX_LIFE_S,
        sealwire_envelope::message::OVERHEAD_MAX_BYTES,
        sealwire_envelope::message::SEQUENCE_END,
        sealwire_envelope::proof::STATE_VALUE_BYTES_MAX,
        sealwire_envelope::receipt::RECEIPT_BYTES_MAX,
        sealwire_envelope::record::PAYLOAD_MAX_BYTES,
        sealwire_envelope::topic::TOPIC_MAX_BYTES,
        sealwire_envelope::topic::TOPIC_MAX_LEVELS,
        sealwire_envelope::transaction::INLINE_KEY_MAX_BYTES,
        sealwire_envelope::transaction::TX_MAX_BYTES,
        sealwire_sm::cert::MAX_DER_BYTES,
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architecture.md");
    let text = fs::read_to_string(path).expect("docs/architecture.md");
    for (constant, value) in known {
        let row = format!("| `{constant}` | ");
        let quoted: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix(&row)).collect();
        let [quoted] = quoted[..] else {
            panic!(
                "docs/architecture.md quotes {constant} {} times, not once",
                quoted.len()
            );
        };
        let number = quoted
            .split(' ')
            .next()
            .unwrap_or_default()
            .replace(',', "");
        assert_eq!(
            number.parse(),
            Ok(value),
            "docs/architecture.md quotes {constant}: {quoted}"
        );
    }
}
