//! Random and edge data. A failure prints the seed; `SEALWIRE_SEED` starts there.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sealwire_compute::{parameters, plan};
use sealwire_envelope::compute::{Form, Function, ParameterSet, ReadingSpec, Threshold, Weights};

use super::{
    plain::assert_right,
    world::{World, spec},
};

/// Prints what was tried when a test fails.
struct Tried(String);

impl Drop for Tried {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with {}", self.0);
        }
    }
}

fn first_seed() -> u64 {
    let seed = std::env::var("SEALWIRE_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    seed.unwrap_or(1)
}

fn functions(set: ParameterSet, spec: &ReadingSpec, rng: &mut StdRng) -> Vec<(Function, usize)> {
    let weights = |inputs: usize, rng: &mut StdRng| Weights {
        weights: (0..inputs).map(|_| rng.random_range(-300..=300)).collect(),
        decimals: 2,
        intercept: rng.random_range(-9_999..=9_999),
    };
    let threshold = if set == ParameterSet::BfvBitsV1 {
        rng.random_range(spec.min..spec.max)
    } else {
        spec.edges[rng.random_range(0..spec.edges.len())] - 1
    };
    let all = vec![
        (Function::Sum, 2),
        (Function::Mean, 1),
        (Function::WeightedSum(weights(3, rng)), 3),
        (Function::Linear(weights(2, rng)), 2),
        (Function::Variance, 2),
        (Function::Deviation, 1),
        (Function::Dot, 2),
        (Function::CountOver(Threshold { threshold }), 2),
        (Function::Histogram, 2),
        (Function::Range, 1),
    ];
    let served = |function: &Function| !plan::forms(set, plan::Kind::of(function)).is_empty();
    all.into_iter()
        .filter(|(function, _)| served(function))
        .collect()
}

/// Batches of values for each input; all inputs have batches of equal sizes.
fn data(
    spec: &ReadingSpec,
    inputs: usize,
    sizes: &[usize],
    rng: &mut StdRng,
) -> Vec<Vec<Vec<i64>>> {
    // Whole inputs at an end of the range, as well as anything in it.
    let kind = rng.random_range(0..6);
    let draw = |rng: &mut StdRng| match kind {
        0 => spec.min,
        1 => spec.max,
        2 => [spec.min, spec.max][rng.random_range(0..2)],
        3 => spec.edges[rng.random_range(0..spec.edges.len())] - rng.random_range(0..2),
        _ => rng.random_range(spec.min..=spec.max),
    };
    let batch = |size: usize, rng: &mut StdRng| (0..size).map(|_| draw(rng)).collect();
    (0..inputs)
        .map(|_| sizes.iter().map(|size| batch(*size, rng)).collect())
        .collect()
}

fn try_all(set: ParameterSet, readings: &ReadingSpec, sizes: &[usize], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(set, readings.clone(), seed);
    for (function, inputs) in functions(set, readings, &mut rng) {
        for form in plan::forms(set, plan::Kind::of(&function)) {
            let name = parameters::name(set);
            let tried = format!("seed {seed}: {name} {function:?} {form:?} {readings:?} {sizes:?}");
            let _tried = Tried(tried);
            let inputs = data(readings, inputs, sizes, &mut rng);
            let answer = world.ask(&function, *form, &inputs);
            let flat: Vec<Vec<i64>> = inputs.iter().map(|batches| batches.concat()).collect();
            assert_right(readings, &function, &flat, &answer);
        }
    }
}

/// Bounds of all kinds: around zero, below it, far from it, one step wide.
fn specs(set: ParameterSet) -> Vec<ReadingSpec> {
    let mut specs = vec![
        spec(1, -400, 1250, &[0, 200, 300]),
        spec(0, -1000, -10, &[-999, -500, -10]),
        spec(3, 0, 1, &[1]),
        spec(2, 5_000, 5_003, &[5_001, 5_002, 5_003]),
    ];
    if set == ParameterSet::BfvBitsV1 {
        specs.push(spec(0, -32_768, 32_767, &[0]));
    }
    specs
}

#[test]
fn elgamal_answers_are_those_of_plain_arithmetic() {
    let set = ParameterSet::Sm2ElgamalV1;
    for (seed, spec) in (first_seed()..).zip(specs(set).iter().cycle().take(8)) {
        try_all(set, spec, &[1, 7, 3], seed);
    }
}

#[test]
fn bfv_additive_answers_are_those_of_plain_arithmetic() {
    let set = ParameterSet::BfvAddV1;
    for (seed, spec) in (first_seed()..).zip(specs(set).iter().cycle().take(8)) {
        try_all(set, spec, &[1, 500, 33], seed);
    }
}

#[test]
fn bfv_products_are_those_of_plain_arithmetic() {
    let set = ParameterSet::BfvMulV1;
    for (seed, spec) in (first_seed()..).zip(specs(set).iter().cycle().take(8)) {
        try_all(set, spec, &[1, 500, 33], seed);
    }
}

#[test]
fn bfv_comparisons_are_those_of_plain_arithmetic() {
    let set = ParameterSet::BfvBitsV1;
    for (seed, spec) in (first_seed()..).zip(specs(set).iter().cycle().take(10)) {
        try_all(set, spec, &[1, 500], seed);
    }
}

/// More readings than a ciphertext has slots, so that batches have several groups and parts.
#[test]
fn batches_larger_than_a_ciphertext_are_right() {
    let readings = spec(1, -400, 1250, &[0, 200, 300]);
    for (set, size) in [
        (ParameterSet::BfvAddV1, 4_096),
        (ParameterSet::BfvAddV1, 9_001),
        (ParameterSet::BfvMulV1, 16_385),
        (ParameterSet::BfvBitsV1, 8_193),
        (ParameterSet::Sm2ElgamalV1, 600),
    ] {
        try_all(set, &readings, &[size], first_seed());
    }
}

/// Every threshold of small ranges of every width, at every value.
#[test]
fn comparisons_are_right_for_every_bit_pattern() {
    for width in [1i64, 2, 3, 5, 7, 12, 40] {
        let readings = spec(0, -3, width - 3, &[]);
        let mut world = World::new(ParameterSet::BfvBitsV1, readings.clone(), 5);
        let all: Vec<i64> = (readings.min..=readings.max).collect();
        let payloads = vec![world.payloads(0, Form::Bits, &all)];
        for threshold in readings.min..readings.max {
            let function = Function::CountOver(Threshold { threshold });
            let job = world.job(function.clone(), 1);
            let evaluated = world.evaluate(&job, &payloads).unwrap();
            let answer = world.open(&job, &evaluated).unwrap();
            assert_right(&readings, &function, std::slice::from_ref(&all), &answer);
        }
    }
}

/// The largest bounds that are served give the largest results that are: nothing wraps.
#[test]
fn results_at_the_limit_of_the_plaintext_are_right() {
    let limit = 1i64 << 40;
    let half = limit / 2;
    for (set, min, max, values) in [
        (ParameterSet::Sm2ElgamalV1, -half, half, vec![half, half]),
        (ParameterSet::Sm2ElgamalV1, -half, half, vec![-half, -half]),
        (ParameterSet::BfvAddV1, -(1 << 48), 1 << 48, vec![1 << 48]),
        (
            ParameterSet::BfvMulV1,
            -(1 << 48),
            1 << 48,
            vec![-(1 << 48)],
        ),
    ] {
        let readings = spec(9, min, max, &[]);
        let mut world = World::new(set, readings.clone(), 3);
        let answer = world.ask(&Function::Sum, Form::Value, &[vec![values.clone()]]);
        assert_right(&readings, &Function::Sum, &[values], &answer);
    }
    // Squares: 23,726,566² < t / 2 < 23,726,567², for t / 2 = 562,949,953,396,736.
    let root = 23_726_566;
    let readings = spec(0, -root, root, &[]);
    let mut world = World::new(ParameterSet::BfvMulV1, readings.clone(), 4);
    for value in [root, -root] {
        let answer = world.ask(&Function::Variance, Form::Value, &[vec![vec![value]]]);
        assert_right(&readings, &Function::Variance, &[vec![value]], &answer);
    }
}
