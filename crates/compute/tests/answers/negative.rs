//! What must be refused beforehand, left out and counted, or noticed.

use sealwire_compute::{
    EVALUATOR, Encryptor, KeyError, OpenError, Refused, Skipped, SkippedCounts,
    bound::{self, BoundError, Load},
    check, evaluate, evaluate_signed, generate, needs_evaluation_key, open,
    scheme::SecretKey,
};
use sealwire_envelope::{
    Blob,
    compute::{
        Form, Function, ParameterSet, ReadingBody, SignedReading, Threshold, Weights, result_digest,
    },
};
use sealwire_sm::sm3;

use super::world::{World, blobs, evaluation, spec, topic};

fn elgamal() -> World {
    World::new(
        ParameterSet::Sm2ElgamalV1,
        spec(1, -400, 1250, &[0, 200]),
        11,
    )
}

fn additive() -> World {
    World::new(ParameterSet::BfvAddV1, spec(1, -400, 1250, &[0, 200]), 12)
}

fn skipped(reasons: &[(Skipped, u64)]) -> SkippedCounts {
    reasons.iter().copied().collect()
}

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
fn what_isnt_a_reading_of_the_job_is_left_out_and_counted() {
    let mut world = elgamal();
    let job = world.job(Function::Sum, 1);
    let good = world.payloads(0, Form::Value, &[100, 200]);
    let mut bodies: Vec<(Skipped, ReadingBody)> = Vec::new();
    let mut change = |reason, change: &dyn Fn(&mut ReadingBody)| {
        let mut body = world.bodies(0, Form::Value, &[1, 2, 3]).remove(0);
        change(&mut body);
        bodies.push((reason, body));
    };
    change(Skipped::Version, &|b| b.version = 2);
    change(Skipped::OtherKey, &|b| b.key.0 = sm3(&[]));
    change(Skipped::OtherTopic, &|b| {
        b.topic = topic(1).parse().unwrap()
    });
    change(Skipped::OtherForm, &|b| b.form = Form::OneHot);
    change(Skipped::Shape, &|b| b.count = 0);
    change(Skipped::Shape, &|b| b.count = u32::MAX);
    change(Skipped::Shape, &|b| b.count = 2);
    change(Skipped::Shape, &|b| b.count = 4);
    change(Skipped::Shape, &|b| b.part = 1);
    change(Skipped::Shape, &|b| b.parts = 0);
    change(Skipped::Shape, &|b| b.parts = u16::MAX);
    change(Skipped::Shape, &|b| b.batch += 1);
    change(Skipped::Shape, &|b| b.ciphertexts.clear());
    change(Skipped::Shape, &|b| {
        b.ciphertexts.push(b.ciphertexts[0].clone())
    });
    change(Skipped::Incomplete, &|b| b.parts = 2);
    // Truncated, overlong, not on the curve, not reduced, other representations.
    change(Skipped::Ciphertext, &|b| {
        b.ciphertexts[1].0.pop();
    });
    change(Skipped::Ciphertext, &|b| b.ciphertexts[1].0.push(0));
    change(Skipped::Ciphertext, &|b| b.ciphertexts[2].0.clear());
    change(Skipped::Ciphertext, &|b| b.ciphertexts[2].0[0] = 4);
    change(Skipped::Ciphertext, &|b| {
        b.ciphertexts[2].0[33..].fill(0xff)
    });
    change(Skipped::Ciphertext, &|b| {
        // x = 2: x³ - 3x + b isn't a square.
        b.ciphertexts[0].0[..33].fill(0);
        (b.ciphertexts[0].0[0], b.ciphertexts[0].0[32]) = (2, off_curve());
    });
    let mut expected = SkippedCounts::new();
    let mut payloads = vec![good[0].clone()];
    for (reason, body) in bodies {
        *expected.entry(reason).or_default() += 1;
        payloads.push(world.sign(body));
    }
    payloads.push(good[0].clone());
    payloads.extend([vec![], vec![0x80], b"21.5".to_vec(), good[0][1..].to_vec()]);
    expected.insert(Skipped::Repeated, 1);
    expected.insert(Skipped::NoReading, 4);
    let evaluated = world
        .evaluate(&job, std::slice::from_ref(&payloads))
        .unwrap();
    assert_eq!(
        (evaluated.readings.as_slice(), &evaluated.skipped),
        (&[2][..], &vec![expected])
    );
    let answer = world.open(&job, &evaluated).unwrap();
    assert_eq!(answer.to_string(), "sum 30.0 °C over 2 readings");
    // It is the same as without them.
    assert_eq!(
        evaluated.ciphertexts,
        world
            .evaluate(&job, std::slice::from_ref(&good))
            .unwrap()
            .ciphertexts
    );
    // None left: nothing to compute on.
    assert_eq!(
        world.evaluate(&job, &[payloads[1..10].to_vec()]),
        Err(Refused::Nothing)
    );
    // Signatures that the caller doesn't believe.
    let believe = |reading: &SignedReading| reading.verify(world.device.public_key()).is_ok();
    let mut forged = SignedReading::from_bytes(&good[0], 10_000).unwrap();
    forged.body.sequence += 40;
    forged.body.batch += 40;
    let inputs = vec![vec![good[0].clone(), forged.to_bytes()]];
    let evaluated = evaluate_signed(&world.key, None, &job, inputs, &believe).unwrap();
    assert_eq!(evaluated.readings, [2]);
    assert_eq!(evaluated.skipped, [skipped(&[(Skipped::Signature, 1)])]);
}

/// The smallest byte x for which no point (x, y) is on the curve.
fn off_curve() -> u8 {
    let on_curve = |x: &u8| {
        let mut point = [0; 33];
        (point[0], point[32]) = (2, *x);
        sealwire_compute::elgamal::Public::from_bytes(&point).is_ok()
    };
    (1..=255).find(|x| !on_curve(x)).unwrap()
}

#[test]
fn batches_come_in_parts_in_any_order_and_whole_or_not_at_all() {
    let mut world = additive();
    let job = world.job(Function::Histogram, 1);
    // Two groups of three ciphertexts of 110,592 bytes, in parts of one megabyte: make them smaller.
    let values: Vec<i64> = (0..5_000).map(|i| i % 1_000).collect();
    let body = world.bodies(0, Form::OneHot, &values).remove(0);
    assert_eq!((body.parts, body.ciphertexts.len()), (1, 6));
    let parts: Vec<ReadingBody> = body
        .ciphertexts
        .chunks(2)
        .zip(0..)
        .map(|(chunk, part): (_, u16)| ReadingBody {
            sequence: body.batch + u64::from(part),
            part,
            parts: 3,
            ciphertexts: chunk.to_vec(),
            ..body.clone()
        })
        .collect();
    let sign = |body: &ReadingBody| world.sign(body.clone());
    let whole = world.evaluate(&job, &[vec![sign(&body)]]).unwrap();
    let [a, b, c] = [0, 1, 2].map(|i| sign(&parts[i]));
    let other = world.clone_batch(&[7; 9]);
    for order in [[&a, &b, &c], [&c, &a, &b], [&b, &c, &a]] {
        let payloads = order.map(Clone::clone).to_vec();
        let evaluated = world.evaluate(&job, &[payloads]).unwrap();
        assert_eq!(evaluated, whole);
    }
    let count = |payloads: Vec<Vec<u8>>| {
        let evaluated = world.evaluate(&job, &[payloads]).unwrap();
        (evaluated.readings[0], evaluated.skipped[0].clone())
    };
    // A part missing, a part twice, parts that contradict, a part of another length.
    let found = count(vec![a.clone(), other.clone(), c.clone()]);
    assert_eq!(found, (9, skipped(&[(Skipped::Incomplete, 1)])));
    let found = count(vec![
        a.clone(),
        a.clone(),
        b.clone(),
        other.clone(),
        c.clone(),
    ]);
    assert_eq!(found, (5_009, skipped(&[(Skipped::Repeated, 1)])));
    let contradicting = sign(&ReadingBody {
        count: 4_999,
        ..parts[1].clone()
    });
    let found = count(vec![a.clone(), contradicting, other.clone(), c.clone()]);
    assert_eq!(
        found,
        (
            9,
            skipped(&[(Skipped::Contradiction, 1), (Skipped::Incomplete, 1)])
        )
    );
    let short = sign(&ReadingBody {
        ciphertexts: parts[1].ciphertexts[..1].to_vec(),
        ..parts[1].clone()
    });
    let found = count(vec![a.clone(), short, c.clone(), other.clone()]);
    assert_eq!(found, (9, skipped(&[(Skipped::Shape, 1)])));
    // One residue that isn't below its modulus spoils its whole batch, and no other.
    let mut residue = parts[1].clone();
    residue.ciphertexts[0].0[..7].fill(0xff);
    let found = count(vec![a, sign(&residue), c, other]);
    assert_eq!(found, (9, skipped(&[(Skipped::Ciphertext, 1)])));
}

impl World {
    fn clone_batch(&self, values: &[i64]) -> Vec<u8> {
        let mut body = World::new(self.key.parameters, self.key.readings.clone(), 12)
            .bodies(0, Form::OneHot, values)
            .remove(0);
        (body.key, body.sequence, body.batch) = (self.key.id(), 1 << 40, 1 << 40);
        self.sign(body)
    }
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

#[test]
fn wrong_keys_are_refused() {
    for mut world in [elgamal(), additive()] {
        let job = world.job(Function::Sum, 1);
        let payloads = vec![world.payloads(0, Form::Value, &[5, 6])];
        let evaluated = world.evaluate(&job, &payloads).unwrap();
        let record = evaluation(&job, &evaluated);
        let other = generate(world.key.parameters, &mut world.rng);
        let error = open(&other.secret, &world.key, &record, &evaluated.ciphertexts).unwrap_err();
        assert!(matches!(error, OpenError::Secret { .. }), "{error}");
        // A file that claims to be another's: what comes out can't be, or isn't what was computed.
        let mut forged = other.secret.to_bytes().to_vec();
        let place = forged
            .windows(32)
            .position(|w| w == other.secret.public().as_bytes())
            .unwrap();
        forged[place..place + 32].copy_from_slice(world.key.public.as_bytes());
        let forged = SecretKey::from_bytes(&forged).unwrap();
        let error = open(&forged, &world.key, &record, &evaluated.ciphertexts).unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::Unreadable { .. } | OpenError::Impossible { .. }
            ),
            "{error}"
        );
        let error = Encryptor::new(&world.key, &other.public).unwrap_err();
        assert!(matches!(error, KeyError::Digest { .. }), "{error}");
        let mut key = world.key.clone();
        key.readings.max += 1;
        let error = open(world.secret(), &key, &record, &evaluated.ciphertexts).unwrap_err();
        assert!(matches!(error, OpenError::Key { .. }), "{error}");
        assert_eq!(
            check(&key, &job).unwrap_err().to_string().split(' ').next(),
            Some("the")
        );
        let secret = format!("{:?} {:?} {:?}", world.new.secret, world.encryptor, forged);
        assert!(
            !secret.contains(&hex::encode(&world.secret().to_bytes()[45..60])),
            "{secret}"
        );
    }
}

#[test]
fn results_that_arent_the_evaluations_are_refused() {
    for mut world in [elgamal(), additive()] {
        let job = world.job(Function::Variance, 1);
        let payloads = vec![world.payloads(0, Form::Moments, &[5, -6, 1250])];
        let evaluated = world.evaluate(&job, &payloads).unwrap();
        let record = evaluation(&job, &evaluated);
        let [sum, squares] = evaluated.ciphertexts.as_slice() else {
            panic!()
        };
        let opened = |ciphertexts: Vec<Blob>| {
            let mut record = record.clone();
            record.result = result_digest(&ciphertexts);
            open(world.secret(), &world.key, &record, &ciphertexts)
        };
        let error = open(world.secret(), &world.key, &record, &blobs(&[sum])).unwrap_err();
        assert!(matches!(error, OpenError::Digest { .. }), "{error}");
        for ciphertexts in [
            blobs(&[]),
            blobs(&[sum]),
            blobs(&[sum, squares, squares]),
            blobs(&[sum, &squares[1..]]),
            blobs(&[sum, &[squares.as_ref(), &[0]].concat()]),
            blobs(&[sum, &vec![0xff; squares.len()]]),
            blobs(&[sum, &[]]),
        ] {
            let error = opened(ciphertexts).unwrap_err();
            assert!(matches!(error, OpenError::Shape { .. }), "{error}");
        }
        for ciphertexts in [blobs(&[squares, sum]), blobs(&[squares, squares])] {
            let error = opened(ciphertexts).unwrap_err();
            assert!(matches!(error, OpenError::Impossible { .. }), "{error}");
        }
        let mut newer = record.clone();
        newer.evaluator = EVALUATOR + 1;
        let error = open(world.secret(), &world.key, &newer, &evaluated.ciphertexts).unwrap_err();
        assert_eq!(error, OpenError::Evaluator(EVALUATOR + 1));
        // More readings than the gateway took: the mean would be another.
        let mut more = record.clone();
        more.inputs[0].readings = 1 << 50;
        let error = open(world.secret(), &world.key, &more, &evaluated.ciphertexts).unwrap_err();
        assert!(matches!(error, OpenError::Bound(_)), "{error}");
        let mut fewer = record.clone();
        fewer.inputs[0].readings = 0;
        assert!(open(world.secret(), &world.key, &fewer, &evaluated.ciphertexts).is_err());
    }
}

/// Whoever evaluates again sees the lie, however plausible the result.
#[test]
fn a_gateway_that_lies_is_caught_by_evaluating_again() {
    for mut world in [elgamal(), additive()] {
        let job = world.job(Function::Mean, 1);
        let payloads = world.payloads(0, Form::Value, &[100, 200, 300]);
        let honest = world
            .evaluate(&job, std::slice::from_ref(&payloads))
            .unwrap();
        let more = world.payloads(0, Form::Value, &[50]);
        // Another reading instead, so that the count is right and the answer opens.
        let lie = world.payloads(0, Form::Value, &[100, 200, 50]);
        let lying = world.evaluate(&job, &[lie]).unwrap();
        assert!(world.open(&job, &lying).is_ok());
        assert_ne!(
            result_digest(&lying.ciphertexts),
            result_digest(&honest.ciphertexts)
        );
        let all = world
            .evaluate(&job, &[[payloads.clone(), more].concat()])
            .unwrap();
        assert_ne!(all.ciphertexts, honest.ciphertexts);
        let again = world.evaluate(&job, &[payloads]).unwrap();
        assert_eq!(again, honest);
    }
}

#[test]
fn any_number_of_threads_comes_to_the_same_bytes() {
    for (set, form, function) in [
        (
            ParameterSet::Sm2ElgamalV1,
            Form::Moments,
            Function::Variance,
        ),
        (
            ParameterSet::Sm2ElgamalV1,
            Form::OneHot,
            Function::Histogram,
        ),
        (ParameterSet::BfvAddV1, Form::Value, Function::Sum),
        (ParameterSet::BfvMulV1, Form::Value, Function::Variance),
        (
            ParameterSet::BfvBitsV1,
            Form::Bits,
            Function::CountOver(Threshold { threshold: 99 }),
        ),
    ] {
        let mut world = World::new(set, spec(0, -40, 700, &[100]), 8);
        let job = world.job(function, 1);
        let payloads: Vec<Vec<u8>> = (0..7)
            .flat_map(|i| world.payloads(0, form, &[i * 100, 3, -40, 700]))
            .collect();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                world
                    .evaluate(&job, std::slice::from_ref(&payloads))
                    .unwrap()
            })
        };
        let one = with(1);
        for threads in [2, 3, 8] {
            assert_eq!(with(threads), one, "{set:?}");
        }
    }
}
