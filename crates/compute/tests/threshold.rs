//! Keys that holders share: made by a dealer or by all of them, opened by enough of them, and every
//! way to cheat named.

mod world;

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_compute::{
    Answer, Encryptor, KeyError, OpenError, check_public, elgamal,
    threshold::{
        Ceremony, CeremonyError, CombineError, Dealing, DealingError, HolderShare, Seat,
        ShareError, ShareFault, SharingError, SignedDealing, check_sharing, combine, verify,
    },
};
use sealwire_envelope::{
    Blob, DecodeError,
    compute::{ComputeKey, Evaluation, Form, Function, OpeningShare, ParameterSet},
};
use sealwire_sm::{SecretKey, sm3};
use world::{World, evaluation, spec};

const VALUES: [i64; 5] = [-400, 215, 1250, 0, 7];

struct Joint {
    ceremony: Ceremony,
    keys: Vec<SecretKey>,
    dealings: Vec<Dealing>,
    public: Vec<u8>,
    key: ComputeKey,
    shares: Vec<HolderShare>,
    rng: StdRng,
}

fn ceremony(threshold: u16, holders: u16, rng: &mut StdRng) -> (Ceremony, Vec<SecretKey>) {
    let keys: Vec<SecretKey> = (0..holders).map(|_| SecretKey::generate(rng)).collect();
    let seats = keys.iter().zip(1..).map(|(key, number): (_, u16)| Seat {
        client: format!("holder-{number}.org-{number}").parse().unwrap(),
        key: key.public_key().clone(),
    });
    let ceremony = Ceremony {
        version: 1,
        owner: "owner.acme".parse().unwrap(),
        nonce: sm3(&[b"once"]),
        threshold,
        holders: seats.collect(),
    };
    (ceremony, keys)
}

impl Joint {
    /// By a dealer, or by all holders.
    fn new(threshold: u16, holders: u16, alone: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(u64::from(threshold) << 8 | u64::from(holders));
        let (ceremony, keys) = ceremony(threshold, holders, &mut rng);
        let dealings: Vec<Dealing> = if alone {
            let secret = elgamal::Secret::generate(&mut rng);
            vec![ceremony.deal_alone(&secret, &mut rng).unwrap()]
        } else {
            (1..=holders)
                .map(|holder| ceremony.deal(holder, &mut rng).unwrap())
                .collect()
        };
        for dealing in &dealings {
            ceremony.check(dealing).unwrap();
            assert_eq!(
                Dealing::from_bytes(&dealing.to_bytes()).as_ref(),
                Ok(dealing)
            );
        }
        let (public, sharing) = ceremony.sharing(&dealings).unwrap();
        let shares = keys.iter().zip(1..).map(|(key, holder)| {
            let share = ceremony.receive(&dealings, holder, key).unwrap();
            HolderShare::from_bytes(&share.to_bytes()).unwrap()
        });
        let shares = shares.collect();
        let key = ComputeKey {
            version: 1,
            owner: ceremony.owner.clone(),
            parameters: ParameterSet::Sm2ElgamalV1,
            readings: spec(1, -400, 1250, &[0, 200]),
            public: sm3(&[&public]),
            evaluation: None,
            sharing: Some(sharing),
        };
        check_public(&key, &public).unwrap();
        Self {
            ceremony,
            keys,
            dealings,
            public,
            key,
            shares,
            rng,
        }
    }

    /// A result of two ciphertexts.
    fn result(&mut self) -> (Evaluation, Vec<Blob>) {
        let mut world = World::new(ParameterSet::Sm2ElgamalV1, self.key.readings.clone(), 9);
        world.key = self.key.clone();
        world.encryptor = Encryptor::new(&self.key, &self.public).unwrap();
        let job = world.job(Function::Variance, 1);
        let payloads = world.payloads(0, Form::Moments, &VALUES);
        let evaluated = world.evaluate(&job, &[payloads]).unwrap();
        (evaluation(&job, &evaluated), evaluated.ciphertexts)
    }

    fn open(&mut self, evaluation: &Evaluation, ciphertexts: &[Blob]) -> Vec<OpeningShare> {
        let (key, rng) = (&self.key, &mut self.rng);
        let open = |share: &HolderShare| share.open(key, evaluation, ciphertexts, rng).unwrap();
        self.shares.iter().map(open).collect()
    }
}

fn assert_right(answer: &Answer) {
    let text = answer.to_string();
    // n Σx² - (Σx)² = 5 * 1,768,774 - 1,072² over 25, at two decimals.
    assert_eq!(
        text,
        "variance 3077.8744 (°C)² over 5 readings (mean 21.44)"
    );
}

#[test]
fn any_t_holders_open_and_no_fewer() {
    for (threshold, holders, alone) in [(1, 1, true), (2, 3, true), (2, 3, false), (3, 5, false)] {
        let mut joint = Joint::new(threshold, holders, alone);
        let (evaluation, ciphertexts) = joint.result();
        let shares = joint.open(&evaluation, &ciphertexts);
        let t = usize::from(threshold);
        for start in 0..=shares.len() - t {
            let some = &shares[start..start + t];
            let combined = combine(&joint.key, &evaluation, &ciphertexts, some).unwrap();
            assert_right(&combined.answer);
            assert_eq!(combined.wrong, []);
        }
        let backwards: Vec<OpeningShare> = shares.iter().rev().cloned().collect();
        let combined = combine(&joint.key, &evaluation, &ciphertexts, &backwards).unwrap();
        assert_right(&combined.answer);
        let few = combine(&joint.key, &evaluation, &ciphertexts, &shares[..t - 1]);
        let Err(CombineError::Few {
            good,
            needed,
            wrong,
        }) = few
        else {
            panic!("{few:?}")
        };
        assert_eq!((good, needed, wrong.len()), (t - 1, t, 0));
    }
}

#[test]
fn wrong_shares_are_named_and_change_nothing() {
    let mut joint = Joint::new(2, 4, false);
    let (evaluation, ciphertexts) = joint.result();
    let right = joint.open(&evaluation, &ciphertexts);
    let mut other = evaluation.clone();
    other.height += 1;
    let of_other = joint.open(&other, &ciphertexts);
    let (key, first) = (&joint.key, right[0].clone());
    let changed = |change: &dyn Fn(&mut OpeningShare)| {
        let mut share = first.clone();
        change(&mut share);
        share
    };
    let cases: Vec<(OpeningShare, ShareFault)> = vec![
        (
            changed(&|s| s.parts[0].challenge[5] ^= 1),
            ShareFault::Proof(1),
        ),
        (
            changed(&|s| s.parts[1].response[31] ^= 1),
            ShareFault::Proof(2),
        ),
        (
            changed(&|s| s.parts[1].point = right[1].parts[1].point),
            ShareFault::Proof(2),
        ),
        (changed(&|s| s.parts.swap(0, 1)), ShareFault::Proof(1)),
        (
            changed(&|s| s.parts[0].point = [0; 33]),
            ShareFault::Proof(1),
        ),
        (
            changed(&|s| s.parts[0].point = [5; 33]),
            ShareFault::Malformed(1),
        ),
        (
            changed(&|s| s.parts[0].response = [0xff; 32]),
            ShareFault::Malformed(1),
        ),
        // The holder before passes its share off as another's.
        (changed(&|s| s.holder = 2), ShareFault::Proof(1)),
        (changed(&|s| s.holder = 0), ShareFault::Holder),
        (changed(&|s| s.holder = 5), ShareFault::Holder),
        (changed(&|s| s.parts.truncate(1)), ShareFault::Parts),
        (
            changed(&|s| s.parts.push(s.parts[0].clone())),
            ShareFault::Parts,
        ),
        (changed(&|s| s.version = 2), ShareFault::Version),
        (of_other[0].clone(), ShareFault::Evaluation),
        (
            changed(&|s| s.evaluation = evaluation.id()).clone(),
            ShareFault::Repeated,
        ),
        (
            changed(&|s| {
                *s = of_other[0].clone();
                s.evaluation = evaluation.id();
            }),
            ShareFault::Proof(1),
        ),
    ];
    for (share, fault) in cases {
        let shares = if fault == ShareFault::Repeated {
            vec![right[0].clone(), share.clone(), right[3].clone()]
        } else {
            assert!(
                verify(key, &evaluation, &ciphertexts, &share).is_err(),
                "{fault}"
            );
            vec![share.clone(), right[2].clone(), right[3].clone()]
        };
        let combined = combine(key, &evaluation, &ciphertexts, &shares).unwrap();
        assert_right(&combined.answer);
        let [wrong] = combined.wrong.as_slice() else {
            panic!("{:?}", combined.wrong)
        };
        assert_eq!((wrong.holder, wrong.fault), (share.holder, fault));
        let named = wrong.client.as_ref().map(ToString::to_string);
        let expected = (1..=4)
            .contains(&share.holder)
            .then(|| format!("holder-{0}.org-{0}", share.holder));
        assert_eq!(named, expected);
        let few = combine(key, &evaluation, &ciphertexts, &shares[..2]);
        if fault != ShareFault::Repeated {
            let text = few.unwrap_err().to_string();
            assert!(
                text.starts_with(&format!(
                    "1 right shares, 2 are needed; share {}",
                    share.holder
                )),
                "{text}"
            );
        }
    }
    for share in &right {
        verify(key, &evaluation, &ciphertexts, share).unwrap();
    }
}

#[test]
fn a_share_is_for_its_key_and_its_result() {
    let mut joint = Joint::new(2, 3, true);
    let (evaluation, ciphertexts) = joint.result();
    let mut others = Joint::new(2, 4, true);
    let open = |share: &HolderShare, ciphertexts: &[Blob], rng: &mut StdRng| {
        share.open(&joint.key, &evaluation, ciphertexts, rng)
    };
    let error = open(&others.shares[0], &ciphertexts, &mut others.rng).unwrap_err();
    assert!(
        matches!(error, ShareError::Key { holder: 1, .. }),
        "{error}"
    );
    let mut changed = ciphertexts.clone();
    changed.swap(0, 1);
    let error = open(&joint.shares[0], &changed, &mut others.rng).unwrap_err();
    assert!(
        matches!(error, ShareError::Open(OpenError::Digest { .. })),
        "{error}"
    );
    let mut whole = joint.key.clone();
    whole.sharing = None;
    let error = combine(&whole, &evaluation, &ciphertexts, &[]).unwrap_err();
    assert_eq!(error, CombineError::Whole);
    assert!(
        !format!("{:?}", joint.shares[0]).contains(&hex::encode(&joint.shares[0].to_bytes()[40..]))
    );
    assert_eq!(format!("{:?}", joint.shares[0]), "HolderShare(1, secret)");
    let bytes = joint.shares[0].to_bytes();
    for end in 0..bytes.len() {
        assert!(HolderShare::from_bytes(&bytes[..end]).is_err());
    }
    let mut long = bytes.to_vec();
    long.push(0);
    let error = HolderShare::from_bytes(&long).unwrap_err();
    assert!(
        matches!(error, KeyError::Format(DecodeError::NotCanonical { .. })),
        "{error}"
    );
}

#[test]
fn a_dealing_is_its_dealer_s_by_signature() {
    let joint = Joint::new(2, 3, false);
    let Joint {
        ceremony,
        keys,
        dealings,
        ..
    } = &joint;
    let owner = keys[2].public_key();
    let signed = SignedDealing::sign(dealings[1].clone(), &keys[1]);
    let read = SignedDealing::from_bytes(&signed.to_bytes()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.verify(ceremony, owner), Ok(()));
    let by = |key| SignedDealing::sign(dealings[1].clone(), key).verify(ceremony, owner);
    assert_eq!(by(&keys[0]), Err(DealingError::Signature));
    let mut stranger = signed.clone();
    stranger.dealing.dealer = 4;
    assert_eq!(
        stranger.verify(ceremony, owner),
        Err(DealingError::Ceremony)
    );
    // Who deals alone signs as the owner.
    let mut alone = dealings[1].clone();
    alone.dealer = 0;
    let alone = |key| SignedDealing::sign(alone.clone(), key).verify(ceremony, owner);
    assert_eq!(alone(&keys[2]), Ok(()));
    assert_eq!(alone(&keys[1]), Err(DealingError::Signature));
    assert_eq!(
        Ceremony::from_bytes(&ceremony.to_bytes()).as_ref(),
        Ok(ceremony)
    );
    assert_eq!(ceremony.number_of(&ceremony.holders[1].client), Some(2));
    assert_eq!(ceremony.client_of(0), Some(&ceremony.owner));
    assert_eq!(ceremony.client_of(4), None);
}

#[test]
fn wrong_dealings_are_named() {
    let joint = Joint::new(2, 3, false);
    let Joint {
        ceremony,
        keys,
        dealings,
        ..
    } = &joint;
    let with = |dealer: usize, change: &dyn Fn(&mut Dealing)| {
        let mut dealings = dealings.clone();
        change(&mut dealings[dealer]);
        dealings
    };
    let faults: Vec<(Vec<Dealing>, DealingError)> = vec![
        (with(1, &|d| d.version = 2), DealingError::Ceremony),
        (
            with(1, &|d| d.ceremony = sm3(&[b"another"])),
            DealingError::Ceremony,
        ),
        (
            with(1, &|d| d.commitments.truncate(1)),
            DealingError::Ceremony,
        ),
        (
            with(1, &|d| d.commitments.push(d.commitments[0].clone())),
            DealingError::Ceremony,
        ),
        (with(1, &|d| d.sealed.truncate(2)), DealingError::Ceremony),
        (
            with(1, &|d| d.commitments[1] = Blob(vec![0; 33])),
            DealingError::Commitment,
        ),
        (
            with(1, &|d| d.commitments[1] = Blob(vec![2; 34])),
            DealingError::Commitment,
        ),
        (
            with(1, &|d| {
                d.commitments[0] = dealings[0].commitments[0].clone()
            }),
            DealingError::Proof,
        ),
        (with(1, &|d| d.response[3] ^= 1), DealingError::Proof),
        (with(1, &|d| d.response = [0xff; 32]), DealingError::Proof),
        // A copy of another dealer's part: the proof names its dealer.
        (
            with(1, &|d| {
                *d = Dealing {
                    dealer: 2,
                    ..dealings[0].clone()
                }
            }),
            DealingError::Proof,
        ),
    ];
    for (dealings, fault) in faults {
        let expected = CeremonyError::Dealing { dealer: 2, fault };
        assert_eq!(ceremony.sharing(&dealings), Err(expected.clone()));
        assert_eq!(
            ceremony.receive(&dealings, 1, &keys[0]).unwrap_err(),
            expected
        );
    }
    // Pieces are seen by their holder alone.
    for (change, fault) in [
        (
            &(|d: &mut Dealing| d.sealed[0].0[100] ^= 1) as &dyn Fn(&mut Dealing),
            DealingError::Sealed(1),
        ),
        (&|d| d.sealed[0] = Blob(vec![]), DealingError::Sealed(1)),
        (
            &|d| d.sealed[0] = dealings[0].sealed[0].clone(),
            DealingError::Piece(1),
        ),
    ] {
        let dealings = with(1, change);
        ceremony.sharing(&dealings).unwrap();
        ceremony.receive(&dealings, 2, &keys[1]).unwrap();
        let expected = CeremonyError::Dealing { dealer: 2, fault };
        assert_eq!(
            ceremony.receive(&dealings, 1, &keys[0]).unwrap_err(),
            expected
        );
    }
    // Without the cheat, the others make a key.
    let honest = [dealings[0].clone(), dealings[2].clone()];
    ceremony.sharing(&honest).unwrap();
    let few = Err(CeremonyError::Dealings {
        found: 1,
        threshold: 2,
    });
    assert_eq!(ceremony.sharing(&honest[..1]), few);
    let twice = [dealings[0].clone(), dealings[0].clone()];
    assert!(matches!(
        ceremony.sharing(&twice),
        Err(CeremonyError::Dealings { .. })
    ));
    assert_eq!(
        ceremony.receive(dealings, 1, &keys[1]).unwrap_err(),
        CeremonyError::Key(1)
    );
    assert!(matches!(
        ceremony.receive(dealings, 4, &keys[1]),
        Err(CeremonyError::Holder { .. })
    ));
    assert!(matches!(
        ceremony.receive(dealings, 0, &keys[1]),
        Err(CeremonyError::Holder { .. })
    ));
}

#[test]
fn terms_that_make_no_ceremony_are_refused() {
    let rng = &mut StdRng::seed_from_u64(3);
    for (threshold, holders) in [(0, 3), (4, 3), (1, 0), (2, 101)] {
        let (ceremony, _) = ceremony(threshold, holders, rng);
        let error = ceremony.deal(1, rng).unwrap_err();
        let expected = SharingError::Threshold {
            threshold,
            holders: holders.into(),
        };
        assert_eq!(error, CeremonyError::Terms(expected));
    }
    let (mut ceremony, _) = ceremony(1, 2, rng);
    ceremony.holders[1].client = ceremony.holders[0].client.clone();
    assert!(matches!(
        ceremony.deal(1, rng),
        Err(CeremonyError::Terms(SharingError::Twice(_)))
    ));
}

#[test]
fn public_shares_that_open_nothing_are_refused() {
    let joint = Joint::new(3, 5, false);
    let refused = |change: &dyn Fn(&mut ComputeKey)| {
        let mut key = joint.key.clone();
        change(&mut key);
        check_sharing(&key, &joint.public).unwrap_err()
    };
    check_sharing(&joint.key, &joint.public).unwrap();
    let other = SecretKey::generate(&mut StdRng::seed_from_u64(1))
        .public_key()
        .clone();
    for holder in 0..5 {
        let change = |key: &mut ComputeKey| {
            key.sharing.as_mut().unwrap().holders[holder].share = other.clone();
        };
        assert_eq!(refused(&change), SharingError::Inconsistent);
    }
    let swapped = refused(&|key| key.sharing.as_mut().unwrap().holders.swap(1, 2));
    // Names and shares move together, but not their numbers.
    assert_eq!(swapped, SharingError::Inconsistent);
    // With a lower threshold than was dealt, too few would open nothing.
    assert_eq!(
        refused(&|key| key.sharing.as_mut().unwrap().threshold = 2),
        SharingError::Inconsistent
    );
    assert_eq!(
        refused(&|key| key.parameters = ParameterSet::BfvAddV1),
        SharingError::Parameters
    );
    let twice = refused(&|key| {
        let holders = &mut key.sharing.as_mut().unwrap().holders;
        holders[1].client = holders[0].client.clone();
    });
    assert!(matches!(twice, SharingError::Twice(_)));
    assert_eq!(
        check_sharing(&joint.key, &[0; 33]),
        Err(SharingError::Public)
    );
    assert_eq!(
        check_sharing(&joint.key, &joint.public[1..]),
        Err(SharingError::Public)
    );
}
