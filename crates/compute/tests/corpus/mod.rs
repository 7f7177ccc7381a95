//! One valid value, at least, of everything whose bytes this crate reads, with its reader.
//!
//! What gets a reader gets an entry here: the mutation test beside this module and the fuzz target's
//! seeds come from it.

use std::sync::OnceLock;

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_compute::{
    Evaluated, Refused, SecretKey, check_ciphertext, check_evaluation, check_public, elgamal,
    evaluate, open, parameters,
    threshold::{Ceremony, Dealing, HolderShare, Seat, SignedDealing, verify},
};
use sealwire_envelope::{
    Blob, ClientId, TopicName,
    codec::{decode, encode},
    compute::{
        ComputeKey, Evaluation, Form, Function, OpeningShare, ParameterSet, ReadingBody,
        SignedReading, Weights, result_digest,
    },
};
use sealwire_sm::{PublicKey, Signature, sm3};

#[path = "../world/mod.rs"]
pub mod world;

use world::{World, evaluation, spec, topic};

/// Says whether bytes are accepted; panics if they are, but mean something else.
pub type Decoder = fn(&[u8]) -> bool;

/// A reader, bytes that it accepts, and how many times longer it takes than the fast ones.
pub struct Entry {
    pub name: &'static str,
    pub valid: Vec<Vec<u8>>,
    pub decoder: Decoder,
    pub cost: u64,
}

/// A world of each parameter set, and a key that three holders share.
struct Stage {
    worlds: Vec<World>,
    joint: Joint,
}

struct Joint {
    ceremony: Ceremony,
    dealing: Dealing,
    signed: SignedDealing,
    /// Key of the ceremony's owner, who dealt alone.
    dealer: PublicKey,
    share: HolderShare,
    key: ComputeKey,
    evaluation: Evaluation,
    result: Vec<Blob>,
    opening: OpeningShare,
}

fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| Stage {
        worlds: (1..)
            .zip(parameters::ALL)
            .map(|(seed, set)| World::new(set, bounds(), seed))
            .collect(),
        joint: joint(),
    })
}

fn bounds() -> sealwire_envelope::compute::ReadingSpec {
    spec(1, -40, 1250, &[0, 200])
}

fn world(set: ParameterSet) -> &'static World {
    let index = parameters::ALL.iter().position(|other| *other == set);
    &stage().worlds[index.expect("a set of the list")]
}

fn joint() -> Joint {
    let rng = &mut StdRng::seed_from_u64(9);
    let keys: Vec<_> = (0..3)
        .map(|_| sealwire_sm::SecretKey::generate(rng))
        .collect();
    let seats = keys.iter().zip(1..).map(|(key, number)| Seat {
        client: format!("holder-{number}.acme").parse().expect("a client"),
        key: key.public_key().clone(),
    });
    let ceremony = Ceremony {
        version: 1,
        owner: "owner.acme".parse().expect("a client"),
        nonce: sm3(&[]),
        threshold: 2,
        holders: seats.collect(),
    };
    let secret = elgamal::Secret::generate(rng);
    let dealing = ceremony.deal_alone(&secret, rng).expect("a ceremony");
    let dealings = std::slice::from_ref(&dealing);
    let (public, sharing) = ceremony.sharing(dealings).expect("a dealing");
    let share = ceremony.receive(dealings, 1, &keys[0]).expect("a piece");
    let mut world = World::new(ParameterSet::Sm2ElgamalV1, bounds(), 9);
    (world.key.public, world.key.sharing) = (sm3(&[&public]), Some(sharing));
    world.encryptor = sealwire_compute::Encryptor::new(&world.key, &public).expect("a key");
    let job = world.job(Function::Sum, 1);
    let payloads = world.payloads(0, Form::Value, &[5, 7]);
    let evaluated = world.evaluate(&job, &[payloads]).expect("a sum");
    let evaluation = evaluation(&job, &evaluated);
    let opening = share.open(&world.key, &evaluation, &evaluated.ciphertexts, rng);
    let signed = SignedDealing::sign(dealing.clone(), &keys[0]);
    Joint {
        ceremony,
        signed,
        dealer: keys[0].public_key().clone(),
        opening: opening.expect("an evaluation"),
        dealing,
        share,
        key: world.key,
        evaluation,
        result: evaluated.ciphertexts,
    }
}

/// Whether a ciphertext is accepted; then a linear model that does nothing gives it back.
fn ciphertext(set: ParameterSet, bytes: &[u8]) -> bool {
    let accepted = check_ciphertext(set, bytes).is_ok();
    if set == ParameterSet::BfvBitsV1 {
        return accepted;
    }
    let key = &world(set).key;
    let body = ReadingBody {
        version: 1,
        topic: topic(0).parse::<TopicName>().expect("a topic"),
        sender: "device.acme".parse::<ClientId>().expect("a client"),
        sequence: 1,
        key: key.id(),
        form: Form::Value,
        batch: 1,
        part: 0,
        parts: 1,
        count: 1,
        ciphertexts: vec![Blob(bytes.to_vec())],
    };
    let payload = SignedReading {
        body,
        signature: Signature([1; 64]),
    }
    .to_bytes();
    let weights = Weights {
        weights: vec![1],
        decimals: 0,
        intercept: 0,
    };
    let job = world::job(key, Function::Linear(weights), 1);
    match evaluate(key, None, &job, vec![[payload]]) {
        Ok(Evaluated { ciphertexts, .. }) => {
            assert!(accepted, "only evaluated");
            assert!(
                ciphertexts[0].ends_with(bytes),
                "accepted, but not canonical"
            );
            true
        }
        Err(Refused::Nothing) => {
            assert!(!accepted, "only checked");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether bytes are a public key, if the ledger names them.
fn public(set: ParameterSet, bytes: &[u8]) -> bool {
    let mut key = world(set).key.clone();
    key.public = sm3(&[bytes]);
    check_public(&key, bytes).is_ok()
}

fn evaluation_key(set: ParameterSet, bytes: &[u8]) -> bool {
    let mut key = world(set).key.clone();
    key.evaluation = Some(sm3(&[bytes]));
    check_evaluation(&key, Some(bytes)).is_ok()
}

fn secret_file(bytes: &[u8]) -> bool {
    let Ok(secret) = SecretKey::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(*secret.to_bytes(), bytes, "accepted, but not canonical");
    true
}

/// A payload, beside one that is right: it can't keep that one from being counted.
fn payload(bytes: &[u8]) -> bool {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let world = world(ParameterSet::Sm2ElgamalV1);
    let good = GOOD.get_or_init(|| {
        let mut other = World::new(ParameterSet::Sm2ElgamalV1, bounds(), 1);
        other.bodies(0, Form::Value, &[1; 40]);
        let mut body = other.bodies(0, Form::Value, &[9]).remove(0);
        body.sender = "good.acme".parse().expect("a client");
        other.sign(body)
    });
    let job = world.job(Function::Sum, 1);
    let evaluated = evaluate(&world.key, None, &job, vec![[bytes, good.as_slice()]]);
    let evaluated = evaluated.expect("a good reading");
    assert!(evaluated.readings[0] >= 1, "the good reading was lost");
    evaluated.readings[0] > 1
}

/// A total of which the digest is what the evaluation says: opens to something, or doesn't.
fn total(bytes: &[u8]) -> bool {
    let world = world(ParameterSet::BfvAddV1);
    let job = world.job(Function::Sum, 1);
    let ciphertexts = vec![Blob(bytes.to_vec())];
    let evaluated = Evaluated {
        ciphertexts,
        readings: vec![3],
        skipped: vec![],
    };
    let mut evaluation = evaluation(&job, &evaluated);
    evaluation.result = result_digest(&evaluated.ciphertexts);
    match open(
        world.secret(),
        &world.key,
        &evaluation,
        &evaluated.ciphertexts,
    ) {
        Ok(answer) => !answer.to_string().is_empty(),
        Err(error) => error.to_string().is_empty(),
    }
}

fn dealing(bytes: &[u8]) -> bool {
    let Joint {
        ceremony, dealing, ..
    } = &stage().joint;
    let Ok(read) = Dealing::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(read.to_bytes(), bytes, "accepted, but not canonical");
    let holds = ceremony.check(&read).is_ok();
    // What is sealed isn't in the proof: its holder tells.
    assert!(
        !holds || read.commitments == dealing.commitments,
        "a proof that nobody made"
    );
    holds
}

fn signed_dealing(bytes: &[u8]) -> bool {
    let Joint {
        ceremony,
        dealer,
        signed,
        ..
    } = &stage().joint;
    let Ok(read) = SignedDealing::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(read.to_bytes(), bytes, "accepted, but not canonical");
    let holds = read.verify(ceremony, dealer).is_ok();
    assert!(!holds || read.dealing == signed.dealing, "signed by nobody");
    holds
}

fn ceremony(bytes: &[u8]) -> bool {
    let Ok(read) = Ceremony::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(read.to_bytes(), bytes, "accepted, but not canonical");
    // Its terms hold: a dealing can be made.
    assert!(usize::from(read.threshold) <= read.holders.len());
    true
}

fn opening_share(bytes: &[u8]) -> bool {
    let Joint {
        key,
        evaluation,
        result,
        opening,
        ..
    } = &stage().joint;
    let Ok(share) = decode::<OpeningShare>(bytes) else {
        return false;
    };
    let holds = verify(key, evaluation, result, &share).is_ok();
    assert!(!holds || share == *opening, "a proof that nobody made");
    holds
}

fn elgamal_entries() -> Vec<Entry> {
    let set = ParameterSet::Sm2ElgamalV1;
    let world = world(set);
    let mut twin = World::new(set, bounds(), 1);
    let Joint {
        ceremony: terms,
        dealing: a_dealing,
        signed,
        share,
        opening,
        ..
    } = &stage().joint;
    let payloads = twin.payloads(0, Form::Value, &[5, 7]);
    let bodies = twin.bodies(0, Form::Value, &[5]);
    let infinity = elgamal::Ciphertext::ZERO.to_bytes().to_vec();
    vec![
        Entry {
            name: "elgamal_ciphertext",
            valid: vec![bodies[0].ciphertexts[0].0.clone(), infinity],
            decoder: |bytes| ciphertext(ParameterSet::Sm2ElgamalV1, bytes),
            cost: 1,
        },
        Entry {
            name: "elgamal_public",
            valid: vec![world.new.public.clone()],
            decoder: |bytes| public(ParameterSet::Sm2ElgamalV1, bytes),
            cost: 1,
        },
        Entry {
            name: "payload",
            valid: payloads,
            decoder: payload,
            cost: 1,
        },
        Entry {
            name: "dealing",
            valid: vec![a_dealing.to_bytes()],
            decoder: dealing,
            cost: 10,
        },
        Entry {
            name: "signed_dealing",
            valid: vec![signed.to_bytes()],
            decoder: signed_dealing,
            cost: 10,
        },
        Entry {
            name: "ceremony",
            valid: vec![terms.to_bytes()],
            decoder: ceremony,
            cost: 10,
        },
        Entry {
            name: "opening_share",
            valid: vec![encode(opening)],
            decoder: opening_share,
            cost: 10,
        },
        Entry {
            name: "share_file",
            valid: vec![share.to_bytes().to_vec()],
            decoder: |bytes| {
                let Ok(share) = HolderShare::from_bytes(bytes) else {
                    return false;
                };
                assert_eq!(*share.to_bytes(), bytes, "accepted, but not canonical");
                true
            },
            cost: 1,
        },
        Entry {
            name: "secret_file",
            valid: stage()
                .worlds
                .iter()
                .map(|world| world.secret().to_bytes().to_vec())
                .collect(),
            decoder: secret_file,
            cost: 1,
        },
    ]
}

fn bfv_entries() -> Vec<Entry> {
    let one = |set: ParameterSet, form: Form| {
        let mut twin = World::new(set, bounds(), 20);
        twin.bodies(0, form, &[5])[0].ciphertexts[0].0.clone()
    };
    let mut twin = World::new(ParameterSet::BfvAddV1, bounds(), 2);
    let job = twin.job(Function::Sum, 1);
    let payloads = twin.payloads(0, Form::Value, &[1, 2, 3]);
    let sum = twin.evaluate(&job, &[payloads]).expect("a sum").ciphertexts;
    let mut entries = vec![Entry {
        name: "bfv_total",
        valid: sum.into_iter().map(|blob| blob.0).collect(),
        decoder: total,
        cost: 100,
    }];
    let sets: [(ParameterSet, Form, [&str; 3], [Decoder; 3]); 3] = [
        (
            ParameterSet::BfvAddV1,
            Form::Value,
            ["bfv_add_ciphertext", "bfv_add_public", ""],
            [
                |bytes| ciphertext(ParameterSet::BfvAddV1, bytes),
                |bytes| public(ParameterSet::BfvAddV1, bytes),
                |_| false,
            ],
        ),
        (
            ParameterSet::BfvMulV1,
            Form::Value,
            ["bfv_mul_ciphertext", "bfv_mul_public", "bfv_mul_evaluation"],
            [
                |bytes| ciphertext(ParameterSet::BfvMulV1, bytes),
                |bytes| public(ParameterSet::BfvMulV1, bytes),
                |bytes| evaluation_key(ParameterSet::BfvMulV1, bytes),
            ],
        ),
        (
            ParameterSet::BfvBitsV1,
            Form::Bits,
            [
                "bfv_bits_ciphertext",
                "bfv_bits_public",
                "bfv_bits_evaluation",
            ],
            [
                |bytes| ciphertext(ParameterSet::BfvBitsV1, bytes),
                |bytes| public(ParameterSet::BfvBitsV1, bytes),
                |bytes| evaluation_key(ParameterSet::BfvBitsV1, bytes),
            ],
        ),
    ];
    for (set, form, names, decoders) in sets {
        let new = &world(set).new;
        let valid = [
            Some(one(set, form)),
            Some(new.public.clone()),
            new.evaluation.clone(),
        ];
        for (((name, decoder), valid), cost) in names
            .into_iter()
            .zip(decoders)
            .zip(valid)
            .zip([100, 100, 1_000])
        {
            entries.extend(valid.map(|valid| Entry {
                name,
                valid: vec![valid],
                decoder,
                cost,
            }));
        }
    }
    entries
}

pub fn all() -> Vec<Entry> {
    let mut entries = elgamal_entries();
    entries.extend(bfv_entries());
    entries
}
