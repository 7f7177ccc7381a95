//! Payloads that are left out and counted, and cost no more than what came.

use sealwire_compute::{Refused, Skipped, SkippedCounts, evaluate_signed};
use sealwire_envelope::{
    Blob,
    compute::{Form, Function, ReadingBody, SignedReading},
};
use sealwire_sm::{Signature, sm3};

use super::world::{World, additive, elgamal, topic};

fn skipped(reasons: &[(Skipped, u64)]) -> SkippedCounts {
    reasons.iter().copied().collect()
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

/// What begun batches and empty ciphertexts cost is bounded by what came, not by what they claim.
#[test]
fn claims_of_many_parts_and_ciphertexts_cost_nothing() {
    let mut world = elgamal();
    let job = world.job(Function::Sum, 1);
    let body = world.bodies(0, Form::Value, &[1, 2, 3]).remove(0);
    let begun = (0..20_000).map(|i| ReadingBody {
        sequence: (i + 1) << 20,
        batch: (i + 1) << 20,
        parts: u16::MAX,
        count: 1 << 20,
        ciphertexts: vec![Blob(vec![])],
        ..body.clone()
    });
    let mut payloads: Vec<Vec<u8>> = begun
        .map(|body| {
            SignedReading {
                body,
                signature: Signature([0; 64]),
            }
            .to_bytes()
        })
        .collect();
    let many = ReadingBody {
        ciphertexts: vec![Blob(vec![]); 100_000],
        count: 1 << 20,
        ..body.clone()
    };
    payloads.push(
        SignedReading {
            body: many,
            signature: Signature([0; 64]),
        }
        .to_bytes(),
    );
    payloads.push(world.sign(body));
    let evaluated = world.evaluate(&job, &[payloads]).unwrap();
    assert_eq!(evaluated.readings, [3]);
    assert_eq!(
        evaluated.skipped,
        [skipped(&[
            (Skipped::Incomplete, 20_000),
            (Skipped::Shape, 1)
        ])]
    );
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
