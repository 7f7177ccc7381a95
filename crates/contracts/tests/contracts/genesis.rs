//! Which genesis files can found a ledger.

use sealwire_contracts::consortium::check;
use sealwire_contracts::{BlockError, GenesisError, execute_block};
use sealwire_envelope::Genesis;
use sealwire_sm::cert::Role;

use crate::world::*;

fn genesis() -> Genesis {
    World::founded().genesis
}

#[test]
fn a_sound_genesis_passes() {
    check(&genesis()).unwrap();
}

#[test]
fn each_fault_is_named() {
    let broken = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = genesis();
        change(&mut genesis);
        let error = check(&genesis).unwrap_err();
        // Founding a ledger on it fails in the same way: no node gets past it.
        let mut world = World::founded();
        world.genesis = genesis;
        let (mut block, _, _) = world.blocks[0].clone();
        block.chain = world.genesis.chain_id();
        let executed = execute_block(&world.genesis, &block, [], &world.state);
        assert!(matches!(executed, Err(BlockError::Genesis(_))));
        error
    };
    let error = broken(&|genesis| genesis.orgs.clear());
    assert!(matches!(error, GenesisError::Empty), "{error}");
    let error = broken(&|genesis| genesis.orgs[1].org = genesis.orgs[0].org.clone());
    assert!(
        matches!(error, GenesisError::RepeatedOrganisation(_)),
        "{error}"
    );
    let error = broken(&|genesis| genesis.orgs[1].validator = genesis.orgs[0].validator.clone());
    assert!(
        matches!(error, GenesisError::RepeatedValidator(_)),
        "{error}"
    );
    let error = broken(&|genesis| genesis.orgs[0].root_cert_der = vec![1, 2].into());
    assert!(
        matches!(error, GenesisError::Malformed { index: 0, .. }),
        "{error}"
    );
    let error = broken(&|genesis| genesis.orgs[0].certificates[2] = vec![1, 2].into());
    assert!(
        matches!(error, GenesisError::Malformed { index: 3, .. }),
        "{error}"
    );
    let error = broken(&|genesis| genesis.orgs[0].root_cert_der.0[390] ^= 1);
    assert!(matches!(
        error,
        GenesisError::Malformed { .. } | GenesisError::NotIssued { .. }
    ));
    let error = broken(&|genesis| {
        let foreign = genesis.orgs[1].certificates[0].clone();
        genesis.orgs[0].certificates[0] = foreign;
    });
    assert!(
        matches!(error, GenesisError::NotIssued { index: 1, .. }),
        "{error}"
    );
    let error = broken(&|genesis| {
        let again = genesis.orgs[0].certificates[0].clone();
        genesis.orgs[0].certificates.push(again);
    });
    assert!(matches!(error, GenesisError::RepeatedClient(_)), "{error}");
    let stranger = World::founded().certify("acme.a b", Role::Gateway, VALID_S);
    let error = broken(&|genesis| genesis.orgs[0].certificates.push(stranger.der().into()));
    assert!(
        matches!(error, GenesisError::OtherOrganisation { index: 5, .. }),
        "{error}"
    );
    // Another organisation's name over this one's root.
    let error = broken(&|genesis| genesis.orgs[0].org = "zeta".parse().unwrap());
    assert!(
        matches!(error, GenesisError::OtherOrganisation { index: 1, .. }),
        "{error}"
    );
}
