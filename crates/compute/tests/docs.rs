//! `docs/compute.md` says what the code does: sizes and limits. The table of functions is checked by
//! `plan`.

use sealwire_compute::{generate, parameters, plan};
use sealwire_envelope::compute::{DECIMALS_MAX, EDGES_MAX, INPUTS_MAX, ParameterSet};

use rand::{SeedableRng as _, rngs::StdRng};

/// 1234567 as 1,234,567.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn row(label: &str, cell: impl Fn(ParameterSet) -> Option<usize>) -> String {
    let cells = parameters::ALL.map(|set| cell(set).map_or("–".into(), thousands));
    format!("| {label} | {} |", cells.join(" | "))
}

#[test]
fn sizes_and_limits_are_those_of_the_code() {
    let docs = include_str!("../../../docs/compute.md");
    let keys = parameters::ALL.map(|set| generate(set, &mut StdRng::seed_from_u64(1)));
    let of = |set: ParameterSet| {
        &keys[parameters::ALL
            .iter()
            .position(|other| *other == set)
            .expect("in the list")]
    };
    let secret = |set| parameters::bfv(set).map_or(32, |numbers| numbers.n / 4);
    for text in [
        row("Readings in a ciphertext", |set| Some(plan::slots(set))),
        row("Ciphertext, bytes", |set| Some(plan::ciphertext_bytes(set))),
        row("Public key, bytes", |set| Some(of(set).public.len())),
        row("Evaluation key, bytes", |set| {
            of(set).evaluation.as_ref().map(Vec::len)
        }),
        row("Secret key, bytes", |set| Some(secret(set))),
        format!("up to {DECIMALS_MAX} decimals between two declared bounds"),
        format!("up to {EDGES_MAX} edges of bins"),
        format!(
            "at most {} bits of range",
            sealwire_compute::bound::COMPARED_BITS_MAX
        ),
        format!("up to {INPUTS_MAX} inputs a job"),
        format!(
            "{} MiB of ciphertexts",
            sealwire_compute::evaluate::RESULT_MAX_BYTES >> 20
        ),
    ] {
        assert!(docs.contains(&text), "docs/compute.md lacks: {text}");
    }
}
