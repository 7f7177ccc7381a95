//! Bounds that are checked **before** anything is computed: past them a decryption is silently wrong.
//!
//! Two things can go wrong. A result can be larger than its plaintext holds; and, in BFV, the noise of
//! a ciphertext can grow past q/(2t). Both are bounded here in the worst case, over all readings
//! within the declared bounds and all random choices; nothing is measured or assumed likely.
//!
//! # Noise
//! Write a ciphertext's phase as `c0 + c1 s = (q/t) m + v + q k`, with m centred, and V for the largest
//! coefficient of v. With a ternary secret and randomness and errors of at most B =
//! [`parameters::ERROR_BITS`]:
//!
//! | Step | V at most |
//! |---|---|
//! | fresh: `-e u + e1 + e2 s`, and 1 for rounding q/t m | `B (2N + 1) + 1` |
//! | sum | sum of the V |
//! | times a public w | `abs(w) V` |
//! | plus a public number | `V + 1` |
//! | product, `M(V1, V2)` | `N t (V1 + V2)/2 + t N K (V1 + V2) + N V1 V2 t/q + 1 + N + N^2`, K = N/2 + 2 |
//! | relinearisation, R | `L N q_max B` for L moduli |
//!
//! The product is Fan and Vercauteren, "Somewhat practical fully homomorphic encryption" (2012), lemma
//! 2, with the infinity norm (a product of polynomials has at most N times the product of the norms),
//! and a whole unit for each rounding. Decryption is right while `2 t (V + 1) < q`.

use num_bigint::BigUint;
use sealwire_envelope::compute::{ComputeKey, Form, Function, ParameterSet, ReadingSpec, Weights};

use crate::{
    elgamal,
    parameters::{self, Bfv},
    plan::{self, Kind},
    reading::{self, Decimal, SpecError},
};

/// Most bits of a range of readings that are compared bit by bit: four levels of multiplication.
pub const COMPARED_BITS_MAX: u32 = 16;
/// Most groups of slots whose counts are added into one ciphertext of `bfv-bits-v1`.
pub(crate) const COUNTED_GROUPS_MAX: usize = 256;

/// How much an input brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many readings.
    pub readings: u64,
    /// In how many ciphertexts (of each item of the form); at most as many as readings.
    pub ciphertexts: u64,
}

impl Load {
    /// So many readings, each in a ciphertext of its own: the worst case.
    pub fn single(readings: u64) -> Self {
        Self {
            readings,
            ciphertexts: readings,
        }
    }
}

/// What a job would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Margin {
    /// Largest result, in bits.
    pub result_bits: u64,
    /// Largest result that the plaintext holds, in bits.
    pub capacity_bits: u64,
    /// Most noise, in bits; 0 in ElGamal, which has none.
    pub noise_bits: u64,
    /// Most noise that opens right, in bits; 0 in ElGamal.
    pub noise_limit_bits: u64,
}

/// A job that these parameters can't do, or can't do with so many readings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoundError {
    /// No form serves the function.
    #[error(
        "{set} can't compute {function}: see the table in docs/compute.md, and make a key with another parameter set"
    )]
    Unserved {
        /// The parameter set.
        set: &'static str,
        /// The function.
        function: &'static str,
    },
    /// The specification makes no sense.
    #[error("the key's readings: {0}")]
    Spec(#[from] SpecError),
    /// Arguments that don't fit the job.
    #[error("{function}: {detail}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// A result can be too large.
    #[error(
        "{function} over {readings} readings can reach {reach}, {set} holds {capacity}: ask for a shorter time range or fewer topics"
    )]
    Overflow {
        /// The parameter set.
        set: &'static str,
        /// The function.
        function: &'static str,
        /// How many readings.
        readings: u64,
        /// What the result can reach, in units of the result's last decimal.
        reach: BigUint,
        /// What the plaintext holds.
        capacity: BigUint,
    },
    /// The noise can be too large.
    #[error(
        "{function} over {readings} readings can have {noise_bits} bits of noise, {set} bears {limit_bits}: ask for a shorter time range or smaller weights"
    )]
    Noise {
        /// The parameter set.
        set: &'static str,
        /// The function.
        function: &'static str,
        /// How many readings.
        readings: u64,
        /// Most noise, in bits.
        noise_bits: u64,
        /// Most noise that opens right, in bits.
        limit_bits: u64,
    },
    /// One reading alone is too large.
    #[error(
        "a reading's {what} can reach {reach}, {set} holds {capacity}: declare narrower bounds or fewer decimals"
    )]
    Reading {
        /// The parameter set.
        set: &'static str,
        /// Value, square or bits.
        what: &'static str,
        /// What it can reach.
        reach: BigUint,
        /// What the plaintext holds.
        capacity: BigUint,
    },
}

/// Largest magnitude of a reading, times `10^decimals`.
pub(crate) fn magnitude(spec: &ReadingSpec) -> u64 {
    spec.min.unsigned_abs().max(spec.max.unsigned_abs())
}

/// Largest magnitude of a plaintext.
pub fn capacity(set: ParameterSet) -> u64 {
    match parameters::bfv(set) {
        None => elgamal::LIMIT as u64,
        Some(numbers) => numbers.t / 2,
    }
}

/// Checks that a key's readings can be encrypted in a form at all.
///
/// # Errors
/// When no function takes the form, or one reading can be too large for it.
pub fn check_form(set: ParameterSet, spec: &ReadingSpec, form: Form) -> Result<(), BoundError> {
    reading::check_spec(spec)?;
    let name = parameters::name(set);
    if !plan::serves(set, form) {
        let detail = format!("no function of {name} takes readings in the form {form:?}");
        return Err(BoundError::Arguments {
            function: "encryption",
            detail,
        });
    }
    let largest = BigUint::from(magnitude(spec));
    let (what, reach, capacity) = match form {
        Form::Value => ("value", largest, capacity(set)),
        Form::Moments => ("square", &largest * &largest, capacity(set)),
        Form::Bits => {
            let steps = BigUint::from(spec.max.abs_diff(spec.min));
            (
                "distance from the smallest",
                steps,
                (1 << COMPARED_BITS_MAX) - 1,
            )
        }
        Form::OneHot => return Ok(()),
    };
    let capacity = BigUint::from(capacity);
    if reach > capacity {
        return Err(BoundError::Reading {
            set: name,
            what,
            reach,
            capacity,
        });
    }
    Ok(())
}

/// Checks that a function can be computed under a key over inputs of these loads, without overflow
/// and without too much noise.
///
/// # Errors
/// With the numbers.
pub fn check(key: &ComputeKey, function: &Function, inputs: &[Load]) -> Result<Margin, BoundError> {
    let (set, spec) = (key.parameters, &key.readings);
    let (set_name, function_name) = (parameters::name(set), plan::name(function));
    let forms = plan::forms(set, Kind::of(function));
    let Some(form) = forms.first() else {
        return Err(BoundError::Unserved {
            set: set_name,
            function: function_name,
        });
    };
    check_form(set, spec, *form)?;
    check_arguments(key, function, inputs)?;
    let readings = inputs
        .iter()
        .map(|load| load.readings)
        .fold(0, u64::saturating_add);
    let reach = reach(spec, function, inputs);
    let capacity = match Kind::of(function) {
        // Counts come in several totals and are never negative.
        Kind::Count if set == ParameterSet::BfvBitsV1 => u64::MAX,
        _ => capacity(set),
    };
    let capacity = BigUint::from(capacity);
    if reach > capacity {
        return Err(BoundError::Overflow {
            set: set_name,
            function: function_name,
            readings,
            reach,
            capacity,
        });
    }
    let mut margin = Margin {
        result_bits: reach.bits(),
        capacity_bits: capacity.bits(),
        noise_bits: 0,
        noise_limit_bits: 0,
    };
    if let Some(numbers) = parameters::bfv(set) {
        let noise = Noise::new(numbers);
        let most = noise.of(spec, function, inputs);
        let limit = &noise.q / (2 * numbers.t) - 1u8;
        (margin.noise_bits, margin.noise_limit_bits) = (most.bits(), limit.bits());
        if most >= limit {
            return Err(BoundError::Noise {
                set: set_name,
                function: function_name,
                readings,
                noise_bits: most.bits(),
                limit_bits: limit.bits(),
            });
        }
    }
    Ok(margin)
}

fn check_arguments(
    key: &ComputeKey,
    function: &Function,
    inputs: &[Load],
) -> Result<(), BoundError> {
    let spec = &key.readings;
    let refuse = |detail: String| {
        let function = plan::name(function);
        Err(BoundError::Arguments { function, detail })
    };
    match function {
        Function::WeightedSum(weights) | Function::Linear(weights) => {
            let (found, expected) = (weights.weights.len(), inputs.len());
            if found != expected {
                return refuse(format!(
                    "{found} weights for {expected} inputs: give one for each"
                ));
            }
            let most = sealwire_envelope::compute::DECIMALS_MAX;
            if weights.decimals > most {
                return refuse(format!(
                    "weights with {} decimals: at most {most}",
                    weights.decimals
                ));
            }
        }
        Function::Dot if inputs.len() != 2 => {
            return refuse(format!("{} inputs: it takes two", inputs.len()));
        }
        Function::CountOver(threshold) => {
            let decimal = |value: i64| Decimal::new(value.into(), spec.decimals.into());
            let at = decimal(threshold.threshold);
            if reading::threshold_above_min(*threshold, spec).is_none() {
                let (min, max) = (decimal(spec.min), decimal(spec.max));
                return refuse(format!(
                    "the threshold {at} isn't from {min} to below {max}: all readings are above it, or none"
                ));
            }
            let next = threshold.threshold.checked_add(1);
            let at_edge = next.is_some_and(|next| spec.edges.contains(&next));
            if plan::forms(key.parameters, Kind::Count) == [Form::OneHot] && !at_edge {
                return refuse(format!(
                    "{} counts only over thresholds just below an edge of the key's bins, and {at} isn't",
                    parameters::name(key.parameters)
                ));
            }
        }
        Function::Histogram | Function::Range if spec.edges.is_empty() => {
            return refuse(
                "the key's readings have no edges of bins: make a key with edges".into(),
            );
        }
        _ => {}
    }
    Ok(())
}

/// Largest magnitude of any number in the result.
fn reach(spec: &ReadingSpec, function: &Function, inputs: &[Load]) -> BigUint {
    let largest = BigUint::from(magnitude(spec));
    let readings = inputs
        .iter()
        .map(|load| BigUint::from(load.readings))
        .sum::<BigUint>();
    let absolute = |weights: &Weights, times: fn(&Load) -> u64| -> BigUint {
        let pairs = weights.weights.iter().zip(inputs);
        pairs
            .map(|(w, load)| BigUint::from(w.unsigned_abs()) * times(load))
            .sum()
    };
    match function {
        Function::Sum | Function::Mean => readings * largest,
        // The intercept of a weighted sum is added by the owner; that of a linear model is inside.
        Function::WeightedSum(weights) => absolute(weights, |load| load.readings) * largest,
        Function::Linear(weights) => {
            absolute(weights, |_| 1) * largest + weights.intercept.unsigned_abs()
        }
        Function::Variance | Function::Deviation => readings * &largest * largest.max(1u8.into()),
        Function::Dot => {
            let least = inputs.iter().map(|load| load.readings).min().unwrap_or(0);
            least * &largest * largest
        }
        Function::CountOver(_) | Function::Histogram | Function::Range => readings,
    }
}

/// The bounds above, for one parameter set.
pub(crate) struct Noise {
    n: u64,
    t: u64,
    moduli: usize,
    largest_modulus: u64,
    pub(crate) q: BigUint,
}

impl Noise {
    pub(crate) fn new(numbers: &Bfv) -> Self {
        Self {
            n: numbers.n as u64,
            t: numbers.t,
            moduli: numbers.moduli.len(),
            largest_modulus: numbers.moduli.iter().copied().max().unwrap_or(0),
            q: numbers.moduli.iter().map(|m| BigUint::from(*m)).product(),
        }
    }

    pub(crate) fn fresh(&self) -> BigUint {
        BigUint::from(parameters::ERROR_BITS) * (2 * self.n + 1) + 1u8
    }

    /// M(V1, V2).
    pub(crate) fn product(&self, v1: &BigUint, v2: &BigUint) -> BigUint {
        let (n, t) = (BigUint::from(self.n), BigUint::from(self.t));
        let sum = v1 + v2;
        let k = self.n / 2 + 2;
        &n * &t * &sum / 2u8
            + 1u8
            + &t * &n * k * &sum
            + &n * v1 * v2 * &t / &self.q
            + 1u8
            + 1u8
            + &n
            + &n * &n
    }

    pub(crate) fn relinearisation(&self) -> BigUint {
        BigUint::from(self.moduli) * self.n * self.largest_modulus * parameters::ERROR_BITS
    }

    /// Of the comparison of one group of `bits` bits.
    pub(crate) fn comparison(&self, bits: u32) -> BigUint {
        let levels = bits.next_power_of_two().trailing_zeros();
        // The 1 of `1 - x`; then a join adds a product to what is there.
        let first = self.fresh() + 1u8;
        (0..levels).fold(first, |v, _| {
            self.product(&v, &v) + self.relinearisation() + v
        })
    }

    fn of(&self, spec: &ReadingSpec, function: &Function, inputs: &[Load]) -> BigUint {
        let ciphertexts: BigUint = inputs
            .iter()
            .map(|load| BigUint::from(load.ciphertexts))
            .sum();
        let fresh = self.fresh();
        let weighted = |weights: &Weights, times: fn(&Load) -> u64| -> BigUint {
            let pairs = weights.weights.iter().zip(inputs);
            pairs
                .map(|(w, load)| BigUint::from(w.unsigned_abs()) * times(load))
                .sum::<BigUint>()
                * &fresh
        };
        match function {
            Function::WeightedSum(weights) => weighted(weights, |load| load.ciphertexts),
            Function::Linear(weights) => weighted(weights, |_| 1) + 1u8,
            Function::Variance | Function::Deviation | Function::Dot if self.moduli > 2 => {
                ciphertexts * self.product(&fresh, &fresh) + self.relinearisation()
            }
            Function::CountOver(_) if self.moduli > 2 => {
                self.comparison(reading::range_bits(spec)) * COUNTED_GROUPS_MAX
            }
            _ => ciphertexts * fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use sealwire_envelope::compute::Threshold;
    use sealwire_sm::sm3;

    use super::*;

    fn key(parameters: ParameterSet, min: i64, max: i64) -> ComputeKey {
        ComputeKey {
            version: 1,
            owner: "owner.acme".parse().unwrap(),
            parameters,
            readings: ReadingSpec {
                decimals: 1,
                min,
                max,
                edges: vec![100],
                unit: String::new(),
            },
            public: sm3(&[]),
            evaluation: None,
            sharing: None,
        }
    }

    #[test]
    fn refuses_with_the_numbers_at_exactly_the_limit() {
        let key = key(ParameterSet::Sm2ElgamalV1, 0, 10_000);
        let most = (1u64 << 40) / 10_000;
        check(&key, &Function::Sum, &[Load::single(most)]).unwrap();
        let error = check(&key, &Function::Sum, &[Load::single(most + 1)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sum over 109951163 readings can reach 1099511630000, sm2-elgamal-v1 holds \
             1099511627776: ask for a shorter time range or fewer topics"
        );
    }

    #[test]
    fn every_set_does_what_it_is_for_with_room() {
        let loads = [Load {
            readings: 1 << 20,
            ciphertexts: 1 << 8,
        }; 2];
        for (set, function) in [
            (ParameterSet::BfvAddV1, Function::Sum),
            (ParameterSet::BfvAddV1, Function::Variance),
            (ParameterSet::BfvMulV1, Function::Variance),
            (ParameterSet::BfvMulV1, Function::Dot),
            (
                ParameterSet::BfvBitsV1,
                Function::CountOver(Threshold { threshold: 99 }),
            ),
            (
                ParameterSet::BfvAddV1,
                Function::CountOver(Threshold { threshold: 99 }),
            ),
        ] {
            let margin = check(&key(set, 0, 10_000), &function, &loads);
            let margin = margin.unwrap_or_else(|e| panic!("{set:?} {function:?}: {e}"));
            println!("{set:?} {}: {margin:?}", plan::name(&function));
        }
        let full = key(ParameterSet::BfvBitsV1, 0, 65_535);
        let over = Function::CountOver(Threshold { threshold: 99 });
        check(&full, &over, &loads).expect("16 bits are compared");
        let more = key(ParameterSet::BfvBitsV1, 0, 65_536);
        assert!(matches!(
            check(&more, &over, &loads),
            Err(BoundError::Reading { .. })
        ));
    }
}
