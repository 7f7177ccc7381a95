//! Jobs that are refused before any data is seen, at exactly the limit, and again with the counts.

use sealwire_compute::{
    KeyError, Refused,
    bound::{self, BoundError, Load},
    check, evaluate, needs_evaluation_key,
};
use sealwire_envelope::compute::{Form, Function, ParameterSet, Threshold, Weights};
use sealwire_sm::sm3;

use super::world::{World, additive, elgamal, spec};

#[test]
fn jobs_that_make_no_sense_are_refused_before_any_data() {
    let world = elgamal();
    let job = world.job(Function::Sum, 2);
    check(&world.key, &job).unwrap();
    let refused = |change: &dyn Fn(&mut sealwire_envelope::compute::ComputeJob)| {
        let mut job = job.clone();
        change(&mut job);
        check(&world.key, &job).unwrap_err()
    };
    assert_eq!(refused(&|job| job.version = 2), Refused::Version(2));
    assert!(matches!(
        refused(&|job| job.key.0 = sm3(&[])),
        Refused::Key { .. }
    ));
    assert_eq!(
        refused(&|job| job.inputs.clear()),
        Refused::Inputs { found: 0, lists: 0 }
    );
    let many = refused(&|job| job.inputs = vec![job.inputs[0].clone(); 65]);
    assert_eq!(
        many,
        Refused::Inputs {
            found: 65,
            lists: 65
        }
    );
    let twice = refused(&|job| job.inputs[1].topic = job.inputs[0].topic.clone());
    assert!(matches!(twice, Refused::Input { input: 2, .. }));
    let empty = refused(&|job| job.inputs[1].to_ms = 0);
    assert!(matches!(empty, Refused::Input { input: 2, .. }));
    let weights = |weights: &[i64], decimals| {
        let weights = weights.to_vec();
        Function::WeightedSum(Weights {
            weights,
            decimals,
            intercept: 0,
        })
    };
    for function in [
        weights(&[1], 0),
        weights(&[1, 2, 3], 0),
        weights(&[1, 2], 10),
        Function::CountOver(Threshold { threshold: 5 }),
        Function::CountOver(Threshold { threshold: 1250 }),
        Function::CountOver(Threshold { threshold: -401 }),
    ] {
        let error = refused(&|job| job.function = function.clone());
        assert!(
            matches!(error, Refused::Bound(BoundError::Arguments { .. })),
            "{function:?}: {error}"
        );
    }
    let error = refused(&|job| job.function = Function::Dot);
    assert!(
        matches!(error, Refused::Bound(BoundError::Unserved { .. })),
        "{error}"
    );
    let mut edgeless = elgamal();
    edgeless.key.readings.edges.clear();
    let error = check(&edgeless.key, &edgeless.job(Function::Histogram, 1)).unwrap_err();
    assert!(
        matches!(error, Refused::Bound(BoundError::Arguments { .. })),
        "{error}"
    );
    let multiplying = World::new(ParameterSet::BfvMulV1, spec(0, 0, 9, &[]), 1);
    for inputs in [1, 3] {
        let error = check(&multiplying.key, &multiplying.job(Function::Dot, inputs)).unwrap_err();
        assert!(
            matches!(error, Refused::Bound(BoundError::Arguments { .. })),
            "{error}"
        );
    }
}

/// With the numbers, at exactly the limit, and again with the counts that were found.
#[test]
fn overflow_is_refused_at_exactly_the_limit() {
    let third = (1i64 << 40) / 3;
    let mut world = World::new(ParameterSet::Sm2ElgamalV1, spec(0, -third, third, &[]), 2);
    let job = world.job(Function::Sum, 1);
    check(&world.key, &job).unwrap();
    let most = vec![world.payloads(0, Form::Value, &[third; 3])];
    let evaluated = world.evaluate(&job, &most).unwrap();
    assert_eq!(world.open(&job, &evaluated).unwrap().readings, 3);
    let more = vec![world.payloads(0, Form::Value, &[0; 4])];
    let error = world.evaluate(&job, &more).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sum over 4 readings can reach 1466015503700, sm2-elgamal-v1 holds 1099511627776: ask for \
         a shorter time range or fewer topics"
    );
    // Weights: 3 * third fits, 4 * third doesn't; what is refused is seen without data.
    let weighted = |weight| {
        let weights = Weights {
            weights: vec![weight],
            decimals: 0,
            intercept: 0,
        };
        check(&world.key, &world.job(Function::Linear(weights), 1))
    };
    weighted(3).unwrap();
    weighted(-3).unwrap();
    for weight in [4, -4, i64::MAX, i64::MIN] {
        let error = weighted(weight).unwrap_err();
        assert!(
            matches!(error, Refused::Bound(BoundError::Overflow { .. })),
            "{error}"
        );
    }
    // One reading's square: 2^20 squared is 2^40, and one more is too much.
    for (bound, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let world = World::new(ParameterSet::Sm2ElgamalV1, spec(0, -bound, bound, &[]), 2);
        let result = check(&world.key, &world.job(Function::Variance, 1));
        assert_eq!(result.is_ok(), fits, "{result:?}");
    }
}

#[test]
fn noise_is_refused_at_exactly_the_limit() {
    let world = additive();
    let weighted = |weight: i64| {
        let weights = Weights {
            weights: vec![weight],
            decimals: 0,
            intercept: 0,
        };
        let load = Load {
            readings: 1,
            ciphertexts: 1,
        };
        bound::check(&world.key, &Function::WeightedSum(weights), &[load])
    };
    // Readings within ±1250 leave more room in t than the noise has in q: 2^49 / 1250 is less than
    // (q / 2t) / fresh, so that it is the result that is refused first.
    let capacity = (bound::capacity(ParameterSet::BfvAddV1) / 1250) as i64;
    weighted(capacity).unwrap();
    assert!(matches!(
        weighted(capacity + 1),
        Err(BoundError::Overflow { .. })
    ));
    // Readings within ±1 leave it to the noise.
    let mut key = world.key.clone();
    key.readings = spec(0, -1, 1, &[]);
    let noise = |ciphertexts: u64| {
        bound::check(
            &key,
            &Function::Sum,
            &[Load {
                readings: ciphertexts,
                ciphertexts,
            }],
        )
    };
    let (mut low, mut high) = (1u64, 1 << 48);
    assert!(matches!(noise(high), Err(BoundError::Noise { .. })));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if noise(middle).is_ok() {
            low = middle
        } else {
            high = middle
        }
    }
    // q / 2t - 1 over 21 * (2 * 4096 + 1) + 1, by hand.
    let q = 0x3f_ffff_fffd_6001u128 * 0x3f_ffff_fffd_2001;
    let limit = q / (2 * 0x3_ffff_ffff_c001) - 1;
    let fresh = 21 * (2 * 4096 + 1) + 1;
    assert_eq!(u128::from(low), (limit - 1) / fresh);
    let error = noise(high).unwrap_err().to_string();
    let expected = format!(
        "sum over {high} readings can have 57 bits of noise, bfv-add-v1 bears 57: ask \
         for a shorter time range or smaller weights"
    );
    assert_eq!(error, expected);
    let bits = World::new(ParameterSet::BfvBitsV1, spec(0, 0, 65_536, &[]), 3);
    let error = check(
        &bits.key,
        &bits.job(Function::CountOver(Threshold { threshold: 9 }), 1),
    );
    assert!(
        matches!(error, Err(Refused::Bound(BoundError::Reading { .. }))),
        "{error:?}"
    );
}

#[test]
fn rows_that_dont_go_together_are_refused() {
    let mut world = World::new(ParameterSet::BfvMulV1, spec(0, 0, 9, &[]), 5);
    let weights = Weights {
        weights: vec![1, 1],
        decimals: 0,
        intercept: 0,
    };
    for function in [Function::Dot, Function::Linear(weights)] {
        let job = world.job(function, 2);
        let first = world.payloads(0, Form::Value, &[1, 2, 3]);
        for (second, row, found) in [(vec![1, 2], 1, 2), (vec![], 1, 0), (vec![1, 2, 3, 4], 1, 4)] {
            let second = if second.is_empty() {
                vec![]
            } else {
                world.payloads(1, Form::Value, &second)
            };
            let error = world.evaluate(&job, &[first.clone(), second]).unwrap_err();
            let Refused::Rows {
                input,
                row: at,
                found: has,
                ..
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!((input, at, has), (2, row, found));
        }
    }
}

#[test]
fn evaluation_keys_are_needed_where_ciphertexts_are_multiplied() {
    let mut world = World::new(ParameterSet::BfvMulV1, spec(0, 0, 9, &[]), 6);
    let payloads = world.payloads(0, Form::Value, &[1, 2, 3]);
    let run = |function, evaluation_key: Option<&[u8]>| {
        let job = world.job(function, 1);
        evaluate(&world.key, evaluation_key, &job, vec![&payloads])
    };
    assert!(!needs_evaluation_key(&world.key, &Function::Sum));
    assert!(needs_evaluation_key(&world.key, &Function::Variance));
    run(Function::Sum, None).unwrap();
    let missing = run(Function::Variance, None).unwrap_err();
    assert!(
        matches!(missing, Refused::EvaluationKey(KeyError::Evaluation(_))),
        "{missing}"
    );
    let bytes = world.new.evaluation.clone().unwrap();
    run(Function::Variance, Some(&bytes)).unwrap();
    let mut other = bytes.clone();
    other[40] ^= 1;
    let wrong = run(Function::Variance, Some(&other)).unwrap_err();
    assert!(
        matches!(wrong, Refused::EvaluationKey(KeyError::Digest { .. })),
        "{wrong}"
    );
    // Named, but not in the format.
    for bytes in [
        &bytes[1..],
        &[&bytes[..], &[0]].concat(),
        &vec![0xff; bytes.len()],
        &[],
    ] {
        let mut key = world.key.clone();
        key.evaluation = Some(sm3(&[bytes]));
        let error = sealwire_compute::check_evaluation(&key, Some(bytes)).unwrap_err();
        assert!(matches!(error, KeyError::Bfv(_)), "{error}");
    }
    sealwire_compute::check_evaluation(&world.key, Some(&bytes)).unwrap();
    assert!(sealwire_compute::check_evaluation(&elgamal().key, Some(&bytes)).is_err());
    sealwire_compute::check_evaluation(&elgamal().key, None).unwrap();
}
