//! Wrong keys, results that aren't the evaluation's, lies: noticed when opening or evaluating again.

use sealwire_compute::{
    EVALUATOR, Encryptor, KeyError, OpenError, check, generate, open, scheme::SecretKey,
};
use sealwire_envelope::{
    Blob,
    compute::{Form, Function, ParameterSet, Threshold, result_digest},
};

use super::world::{World, additive, blobs, elgamal, evaluation, spec};

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
