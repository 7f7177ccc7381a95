//! Which parameter set computes which function, from readings in which form: the one table that
//! code and documents read.
//!
//! | Function | `sm2-elgamal-v1` | `bfv-add-v1` | `bfv-mul-v1` | `bfv-bits-v1` |
//! |---|---|---|---|---|
//! | sum, mean, weighted sum, linear | value, moments | value, moments | value | – |
//! | variance, deviation | moments | moments | value | – |
//! | dot | – | – | value | – |
//! | count over a threshold | one-hot, at an edge | one-hot, at an edge | – | bits |
//! | histogram, range | one-hot | one-hot | – | – |

use sealwire_envelope::compute::{Form, Function, ParameterSet, ReadingSpec};

use crate::{elgamal, parameters, reading};

/// A function, without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sum, mean.
    Sum,
    /// Weighted sum.
    Weighted,
    /// Linear model, row by row.
    Linear,
    /// Variance, standard deviation.
    Variance,
    /// Dot product.
    Dot,
    /// Count over a threshold.
    Count,
    /// Histogram, range.
    Histogram,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Sum,
        Self::Weighted,
        Self::Linear,
        Self::Variance,
        Self::Dot,
        Self::Count,
        Self::Histogram,
    ];

    /// Of a function.
    pub fn of(function: &Function) -> Self {
        match function {
            Function::Sum | Function::Mean => Self::Sum,
            Function::WeightedSum(_) => Self::Weighted,
            Function::Linear(_) => Self::Linear,
            Function::Variance | Function::Deviation => Self::Variance,
            Function::Dot => Self::Dot,
            Function::CountOver(_) => Self::Count,
            Function::Histogram | Function::Range => Self::Histogram,
        }
    }
}

/// Name of a function, as configuration and documents have it.
pub fn name(function: &Function) -> &'static str {
    match function {
        Function::Sum => "sum",
        Function::Mean => "mean",
        Function::WeightedSum(_) => "weighted-sum",
        Function::Linear(_) => "linear",
        Function::Variance => "variance",
        Function::Deviation => "deviation",
        Function::Dot => "dot",
        Function::CountOver(_) => "count-over",
        Function::Histogram => "histogram",
        Function::Range => "range",
    }
}

/// Forms of readings that a function takes under a parameter set; empty where it isn't served.
pub fn forms(set: ParameterSet, kind: Kind) -> &'static [Form] {
    use ParameterSet::{BfvAddV1, BfvBitsV1, BfvMulV1, Sm2ElgamalV1};
    match (set, kind) {
        (Sm2ElgamalV1 | BfvAddV1, Kind::Sum | Kind::Weighted | Kind::Linear) => {
            &[Form::Value, Form::Moments]
        }
        (Sm2ElgamalV1 | BfvAddV1, Kind::Variance) => &[Form::Moments],
        (Sm2ElgamalV1 | BfvAddV1, Kind::Count | Kind::Histogram) => &[Form::OneHot],
        (Sm2ElgamalV1 | BfvAddV1, Kind::Dot) => &[],
        (BfvMulV1, Kind::Count | Kind::Histogram) => &[],
        (BfvMulV1, _) => &[Form::Value],
        (BfvBitsV1, Kind::Count) => &[Form::Bits],
        (BfvBitsV1, _) => &[],
    }
}

/// Whether readings in this form serve any function under a parameter set.
pub fn serves(set: ParameterSet, form: Form) -> bool {
    Kind::ALL
        .iter()
        .any(|kind| forms(set, *kind).contains(&form))
}

/// How many readings one ciphertext holds.
pub fn slots(set: ParameterSet) -> usize {
    parameters::bfv(set).map_or(1, |numbers| numbers.n)
}

/// Length of a ciphertext, in bytes.
pub fn ciphertext_bytes(set: ParameterSet) -> usize {
    parameters::bfv(set).map_or(elgamal::CIPHERTEXT_LEN, |numbers| {
        2 * numbers.moduli.len() * numbers.n * numbers.modulus_bits / 8
    })
}

/// How many ciphertexts a batch of readings has.
pub fn ciphertexts(set: ParameterSet, form: Form, spec: &ReadingSpec, count: u32) -> usize {
    (count as usize).div_ceil(slots(set)) * reading::items(form, spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table above, from the code.
    #[test]
    fn the_table_is_true() {
        let form_name = |form: &Form| match form {
            Form::Value => "value",
            Form::Moments => "moments",
            Form::Bits => "bits",
            Form::OneHot => "one-hot",
        };
        let rows = [
            (
                "sum, mean, weighted sum, linear",
                &[Kind::Sum, Kind::Weighted, Kind::Linear][..],
            ),
            ("variance, deviation", &[Kind::Variance]),
            ("dot", &[Kind::Dot]),
            ("count over a threshold", &[Kind::Count]),
            ("histogram, range", &[Kind::Histogram]),
        ];
        let docs = include_str!("../../../docs/compute.md");
        for (label, kinds) in rows {
            for kind in kinds {
                let cells = parameters::ALL.map(|set| {
                    let names: Vec<&str> = forms(set, *kind).iter().map(form_name).collect();
                    match names.join(", ").as_str() {
                        "" => "–".to_owned(),
                        "one-hot" if *kind == Kind::Count => "one-hot, at an edge".to_owned(),
                        names => names.to_owned(),
                    }
                });
                let row = format!("| {label} | {} |", cells.join(" | "));
                assert!(include_str!("plan.rs").contains(&row), "{row}");
                assert!(docs.contains(&row), "docs/compute.md lacks {row}");
            }
        }
    }
}
