//! What the answer must be, by whole numbers; shares nothing with the crate but the answer's type.

use sealwire_compute::answer::{Answer, Rounded, Value};
use sealwire_envelope::compute::{Function, ReadingSpec};

/// Fails unless `answer` is that of `function` over `inputs`.
pub fn assert_right(spec: &ReadingSpec, function: &Function, inputs: &[Vec<i64>], answer: &Answer) {
    let all: Vec<i128> = inputs.iter().flatten().map(|x| i128::from(*x)).collect();
    let n = all.len() as i128;
    assert_eq!(i128::from(answer.readings), n);
    let d = u32::from(spec.decimals);
    let total: i128 = all.iter().sum();
    let squares: i128 = all.iter().map(|x| x * x).sum();
    let of = |value: &sealwire_compute::reading::Decimal| (value.value, value.decimals);
    let sum_of = |input: &[i64]| input.iter().map(|x| i128::from(*x)).sum::<i128>();
    match (function, &answer.value) {
        (Function::Sum, Value::Sum { sum }) => assert_eq!(of(sum), (total, d)),
        (Function::Mean, Value::Mean { sum, mean }) => {
            assert_eq!(of(sum), (total, d));
            assert_quotient(mean, total, n, d);
        }
        (Function::WeightedSum(w), Value::WeightedSum { sum }) => {
            let terms = inputs
                .iter()
                .zip(&w.weights)
                .map(|(input, w)| sum_of(input) * i128::from(*w));
            let expected = terms.sum::<i128>() + i128::from(w.intercept);
            assert_eq!(of(sum), (expected, d + u32::from(w.decimals)));
        }
        (Function::Linear(w), Value::Linear { rows }) => {
            assert_eq!(rows.len(), inputs[0].len());
            for (i, row) in rows.iter().enumerate() {
                let terms = inputs.iter().zip(&w.weights);
                let terms = terms.map(|(input, w)| i128::from(input[i]) * i128::from(*w));
                let expected = terms.sum::<i128>() + i128::from(w.intercept);
                assert_eq!(of(row), (expected, d + u32::from(w.decimals)), "row {i}");
            }
        }
        (Function::Variance, Value::Variance(spread)) => {
            assert_eq!(of(&spread.sum), (total, d));
            assert_eq!(of(&spread.sum_of_squares), (squares, 2 * d));
            assert_quotient(&spread.mean, total, n, d);
            assert_quotient(&spread.variance, n * squares - total * total, n * n, 2 * d);
        }
        (Function::Deviation, Value::Deviation { spread, deviation }) => {
            let scaled = n * squares - total * total;
            assert_quotient(&spread.variance, scaled, n * n, 2 * d);
            // Within half a unit: (2r - 1)² n² <= 4 * 10^12 scaled <= (2r + 1)² n².
            let unit = 10i128.pow(d + 6 - deviation.value.decimals);
            let r = deviation.value.value * unit;
            let middle = 4 * 10i128.pow(12) * scaled;
            assert!(
                (2 * r - 1).max(0).pow(2) * n * n <= middle && middle <= (2 * r + 1).pow(2) * n * n
            );
            assert_eq!(deviation.exact, r * r * n * n * 4 == middle);
        }
        (Function::Dot, Value::Dot { dot }) => {
            let products = inputs[0].iter().zip(&inputs[1]);
            let products = products.map(|(x, y)| i128::from(*x) * i128::from(*y));
            assert_eq!(of(dot), (products.sum(), 2 * d));
        }
        (Function::CountOver(threshold), Value::CountOver { count, .. }) => {
            let above = all.iter().filter(|x| **x > i128::from(threshold.threshold));
            assert_eq!(*count, above.count() as u64);
        }
        (Function::Histogram, Value::Histogram { bins }) => {
            let counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
            assert_eq!(counts, histogram(spec, &all));
            assert!(bins.iter().all(|bin| {
                let range = bin.from.value..=bin.to.value;
                let inside = all.iter().filter(|x| range.contains(*x));
                inside.count() as u64 == bin.count
            }));
        }
        (Function::Range, Value::Range { lowest, highest }) => {
            let (min, max) = (all.iter().min().unwrap(), all.iter().max().unwrap());
            assert!((lowest.from.value..=lowest.to.value).contains(min));
            assert!((highest.from.value..=highest.to.value).contains(max));
        }
        (function, value) => panic!("{function:?} is answered by {value:?}"),
    }
}

fn histogram(spec: &ReadingSpec, all: &[i128]) -> Vec<u64> {
    let mut counts = vec![0; spec.edges.len() + 1];
    for x in all {
        counts[spec
            .edges
            .iter()
            .filter(|edge| i128::from(**edge) <= *x)
            .count()] += 1;
    }
    counts
}

fn assert_quotient(rounded: &Rounded, value: i128, by: i128, decimals: u32) {
    let more = rounded.value.decimals - decimals;
    // |value / by - r / 10^more| <= half of 10^-more.
    let difference = (value * 10i128.pow(more) - rounded.value.value * by).abs();
    assert!(2 * difference <= by, "{rounded} isn't {value} / {by}");
    assert_eq!(rounded.exact, difference == 0);
    assert!(rounded.exact || more == 6);
}
