//! What is asked of a transaction before and beside its call: at admission, and again at execution.

use sealwire_contracts::{AuthError, Code, authenticate};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;
use sealwire_sm::sm3;

use crate::world::*;

/// A transaction executes once; its second appearance changes nothing, in the same block or later.
#[test]
fn a_transaction_counts_once() {
    let mut world = World::new();
    let tx = world.tx("acme.dev", Call::RegisterTopic(claim("acme/dev/t")));
    let codes: Vec<_> = world
        .block(vec![tx.clone(), tx.clone()])
        .into_iter()
        .map(|outcome| outcome.code)
        .collect();
    assert_eq!(codes, [Code::Applied, Code::Duplicate]);
    let again = world.block(vec![tx.clone()]).remove(0);
    assert_eq!(again.code, Code::Duplicate);
    assert!(
        world.blocks.last().unwrap().2.is_empty(),
        "a duplicate writes nothing"
    );
    let first = world.view.outcome(&tx.id()).value.unwrap();
    assert_eq!((first.code, first.index), (Code::Applied, 0));
    let refused = authenticate(&world.state, &tx, &world.next());
    assert!(matches!(refused, Err(AuthError::Refused(outcome)) if outcome.code == Code::Duplicate));
}

/// What a sender learns before it is in a block is what it would learn in one.
#[test]
fn admission_and_execution_agree() {
    let mut world = World::new();
    let good = world.tx("acme.dev", Call::RegisterTopic(claim("acme/dev/t")));
    let (sender, key) = authenticate(&world.state, &good, &world.next()).unwrap();
    assert_eq!(
        (sender.client.as_str(), sender.role),
        ("acme.dev", Role::Device)
    );
    assert_eq!(key, world.certificates["acme.dev"].public_key);
    let mut expired = good.clone();
    expired.body.expiry_height = 1;
    let mut foreign = good.clone();
    foreign.body.chain = ChainId(sm3(&[b"x"]));
    let mut unknown = good;
    unknown.body.sender = CertId(sm3(&[b"x"]));
    for tx in [expired, foreign, unknown] {
        let admission = match authenticate(&world.state, &tx, &world.next()) {
            Err(AuthError::Refused(outcome)) => outcome,
            other => panic!("{other:?}"),
        };
        assert_eq!(world.block(vec![tx]).remove(0), admission);
    }
}
