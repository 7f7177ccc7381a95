//! Which messages of an archive an input takes: one rule for the gateway that evaluates and for whoever
//! evaluates again.
//!
//! `sealwire_envelope::compute` says it in words. Packages come from the ledger's list in the order of
//! [`order`]; of each package every message goes through [`payload`]; the signature of what is left is
//! checked by [`Signers`].

use std::collections::BTreeMap;

use sealwire_envelope::{
    ClientId, PackageId,
    compute::{JobInput, SignedReading},
};
use sealwire_sm::PublicKey;

/// Most packages of one job.
pub const PACKAGES_MAX: usize = 16_384;
/// Most payload bytes of one job.
pub const BYTES_MAX: u64 = 1 << 30;
/// Most keys of one client that count: the last that the ledger certified by the evaluation's height.
pub const SIGNER_KEYS_MAX: usize = 16;

/// The order of an input's packages, by the time of the first message and the id.
pub fn order(from_ms: u64, package: PackageId) -> (u64, PackageId) {
    (from_ms, package)
}

/// What an evaluation sees of a message: nothing of one outside the input's time range, and nothing *in* one
/// whose reading is another client's than its own (it counts as none). A reading may be copied by whoever
/// may publish; it counts once, from its device.
pub fn payload(
    input: &JobInput,
    sender: &ClientId,
    received_ms: u64,
    payload: Vec<u8>,
) -> Option<Vec<u8>> {
    if !(input.from_ms..input.to_ms).contains(&received_ms) {
        return None;
    }
    match claimed_sender(&payload) {
        Some(claimed) if claimed != sender.as_str() => Some(Vec::new()),
        _ => Some(payload),
    }
}

/// Whom a payload names as its sender; none if it doesn't look like a signed reading.
pub fn claimed_sender(payload: &[u8]) -> Option<&str> {
    let mut decoder = minicbor::Decoder::new(payload);
    decoder.array().ok()?;
    decoder.array().ok()?;
    decoder.u8().ok()?;
    decoder.skip().ok()?;
    decoder.str().ok()
}

/// The keys that the ledger had certified for clients, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Signers(BTreeMap<ClientId, Vec<PublicKey>>);

impl Signers {
    /// The keys of one more client; all but the first [`SIGNER_KEYS_MAX`] are left out.
    pub fn insert(&mut self, client: ClientId, mut keys: Vec<PublicKey>) {
        keys.truncate(SIGNER_KEYS_MAX);
        self.0.insert(client, keys);
    }

    /// Whether the client was asked for.
    pub fn knows(&self, client: &ClientId) -> bool {
        self.0.contains_key(client)
    }

    /// Whether a reading was signed by the client that it names.
    pub fn signed(&self, reading: &SignedReading) -> bool {
        let keys = self.0.get(&reading.body.sender);
        keys.is_some_and(|keys| keys.iter().any(|key| reading.verify(key).is_ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_half_open_and_copies_count_as_nothing() {
        let input = JobInput {
            topic: "acme/press-7/t".parse().expect("a topic"),
            from_ms: 10,
            to_ms: 20,
        };
        let sender: ClientId = "acme.press-7".parse().expect("a client");
        let other: ClientId = "acme.press-8".parse().expect("a client");
        // [[1, "t", "acme.press-7"]], the beginning of a signed reading.
        let reading = b"\x82\x8b\x01\x61t\x6cacme.press-7".to_vec();
        assert_eq!(claimed_sender(&reading), Some("acme.press-7"));
        assert_eq!(payload(&input, &sender, 9, reading.clone()), None);
        assert_eq!(payload(&input, &sender, 20, reading.clone()), None);
        let own = payload(&input, &sender, 10, reading.clone());
        assert_eq!(own, Some(reading.clone()));
        assert_eq!(payload(&input, &other, 19, reading), Some(Vec::new()));
        let text = payload(&input, &other, 19, b"21.5".to_vec());
        assert_eq!(text, Some(b"21.5".to_vec()));
    }
}
