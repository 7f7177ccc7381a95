//! Every reader of bytes against damaged ones, on the stable toolchain: the short form of the fuzz
//! target `compute` in `fuzz/`.
//!
//! Valid bytes are flipped, cut, stretched, spliced and given absurd lengths, from a seed. Whatever
//! comes of it, a reader must not panic, and what it accepts must be the one encoding of what it
//! means. `SEALWIRE_MUTATIONS` sets how many per reader (default 1,000; a tenth, a hundredth or a
//! thousandth for the slow ones), `SEALWIRE_SEED` where they start. Two million make 10^7 in all.

mod corpus;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a number: {text}")),
        Err(_) => default,
    }
}

/// Bytes that mean something in CBOR, points and residues: lengths that lie, tags, carries.
const TELLING: [u8; 16] = [
    0x00, 0xff, 0x7f, 0x80, 0x81, 0x9f, 0x5f, 0x5b, 0x1b, 0x9b, 0xf6, 0x01, 0x02, 0x03, 0x04, 0xfe,
];

fn mutate(rng: &mut StdRng, valid: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            bytes.push(rng.random());
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..9) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = TELLING[rng.random_range(0..TELLING.len())],
            3 => bytes.insert(at, TELLING[rng.random_range(0..TELLING.len())]),
            4 => {
                bytes.remove(at);
            }
            5 => bytes.truncate(at),
            6 => {
                let end = rng.random_range(at..=bytes.len().min(at + 64));
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            7 => {
                // A head that claims eight bytes of length, and a great one.
                let length: u64 =
                    [u64::MAX, 1 << 62, 1 << 40, 1 << 32, 65_536, 0][rng.random_range(0..6)];
                let major = rng.random_range(0u8..8) << 5 | 27;
                bytes.splice(at..at, [&[major], length.to_be_bytes().as_slice()].concat());
            }
            _ => {
                let from = rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}

#[test]
fn nothing_panics_and_all_that_is_accepted_is_canonical() {
    let rounds = setting("SEALWIRE_MUTATIONS", 1_000);
    let seed = setting("SEALWIRE_SEED", 2);
    let corpus = corpus::all();
    let (mut accepted, mut refused) = (0u64, 0u64);
    for (index, entry) in corpus.iter().enumerate() {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add(index as u64));
        for valid in &entry.valid {
            assert!(
                (entry.decoder)(valid),
                "{}: its own bytes are refused",
                entry.name
            );
        }
        for round in 0..(rounds / entry.cost).max(10) {
            let valid = &entry.valid[rng.random_range(0..entry.valid.len())];
            let other = &corpus[rng.random_range(0..corpus.len())];
            let other = &other.valid[rng.random_range(0..other.valid.len())];
            let bytes = mutate(&mut rng, valid, other);
            match std::panic::catch_unwind(|| (entry.decoder)(&bytes)) {
                Ok(true) => accepted += 1,
                Ok(false) => refused += 1,
                Err(_) => panic!(
                    "{}: seed {seed}, round {round}: {}",
                    entry.name,
                    start(&bytes)
                ),
            }
        }
    }
    println!(
        "{} readers, {accepted} accepted, {refused} refused",
        corpus.len()
    );
    assert!(accepted > 0 && refused > 10 * corpus.len() as u64);
}

/// The bytes, or enough of them; the seed gives the others again.
fn start(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(2_000)])
}

#[test]
fn random_bytes_are_refused() {
    let mut rng = StdRng::seed_from_u64(setting("SEALWIRE_SEED", 2));
    for entry in corpus::all() {
        let longest = entry.valid.iter().map(Vec::len).max().unwrap_or(0);
        for length in (0..200).chain([longest - 1, longest + 1]) {
            if entry.name == "elgamal_public" && length == 33 {
                continue; // Half of all x are on the curve.
            }
            let bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
            assert!(
                !(entry.decoder)(&bytes),
                "{}: {length} random bytes are accepted",
                entry.name
            );
        }
    }
}
