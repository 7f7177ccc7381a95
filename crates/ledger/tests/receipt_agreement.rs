//! What real validators finalise, checked by `sealwire-receipt`, which shares no code with them.
//!
//! Four validators run on simulated time. Then every block of the chain, its certificate, its
//! transactions' signatures and proofs of the state are verified with the genesis alone; and what
//! the receipt crate takes as given about the contracts' state is held against the contracts.

#[allow(dead_code)] // The simulation uses the rest.
mod cluster;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use cluster::{Cluster, Node};
use commonware_consensus::types::Height;
use commonware_runtime::{Runner as _, deterministic};
use sealwire_contracts::{
    entry::{Moment, PackageEntry},
    keys,
};
use sealwire_envelope::{
    Anchor, BlockBundle, CertId, Header, PackageId, decode, encode,
    proof::StateProof,
    receipt::{FinalityProof, PackageRecord, ProvenEntry, RECEIPT_VERSION, package_key},
};
use sealwire_ledger::{crypto::finality, state, trial::Trial};
use sealwire_receipt::{Validators, fsck::check_block, verify_entry};
use sealwire_sm::{PublicKey, Sm3Digest, sm3};

async fn bundle(node: &Node, height: u64) -> BlockBundle {
    let block = node
        .blocks
        .get_block(Height::new(height))
        .await
        .expect("a final block");
    let certificate = node.blocks.get_finalization(Height::new(height)).await;
    let transactions = block.inner().transactions().iter();
    BlockBundle {
        header: block.inner().header().clone(),
        transactions: transactions
            .map(|tx| decode(tx.bytes().as_ref()).expect("a transaction"))
            .collect(),
        finality: certificate.as_ref().map(finality),
    }
}

/// The chain up to `top`, every block checked.
async fn checked_chain(node: &Node, trial: &Trial, top: u64) -> Vec<BlockBundle> {
    let validators = Validators::of(&trial.genesis).expect("a sound genesis");
    let keys: BTreeMap<CertId, PublicKey> = trial
        .gateways
        .iter()
        .map(|gateway| (gateway.certificate, gateway.key.public_key().clone()))
        .collect();
    let mut chain: Vec<BlockBundle> = Vec::new();
    for height in 1..=top {
        let bundle = bundle(node, height).await;
        let parent: Option<&Header> = chain.last().map(|below| &below.header);
        let faults = check_block(&bundle, parent, &validators, |id| keys.get(id).cloned());
        assert_eq!(faults, [], "block {height}");
        chain.push(bundle);
    }
    chain
}

/// Headers from `height` up to one with a certificate.
fn finality_proof(chain: &[BlockBundle], height: u64) -> FinalityProof {
    let mut headers = Vec::new();
    for bundle in &chain[height as usize - 1..] {
        headers.push(bundle.header.clone());
        if let Some(finality) = bundle.finality.clone() {
            return FinalityProof { headers, finality };
        }
    }
    panic!("no certificate at or above {height}")
}

#[test]
fn a_chain_by_real_validators_holds_and_proves_its_state() {
    deterministic::Runner::seeded(11).start(|context| async move {
        let trial = Arc::new(Trial::new(11, 4, 0).expect("certificates"));
        let mut cluster = Cluster::new(context, trial.clone()).await;
        cluster.start_all().await;
        cluster.reach(1).await;
        let mut ids = Vec::new();
        for nonce in 0..30 {
            let tx = trial.transaction(nonce as usize, nonce, 500);
            ids.extend(
                cluster
                    .node(nonce as usize % 4)
                    .mempool
                    .submit(&tx.to_bytes())
                    .await
                    .ok(),
            );
            cluster.wait(Duration::from_millis(30)).await;
        }
        assert_eq!(ids.len(), 30);
        cluster.wait(Duration::from_secs(5)).await;

        let node = cluster.node(2);
        // The last block's certificate may still be on its way: prove the state once it is there.
        let (height, proven) = loop {
            let store = node.store.read().await;
            let applied = state::applied(&store).await.expect("readable").height;
            if node
                .blocks
                .get_finalization(Height::new(applied))
                .await
                .is_some()
            {
                let mut proven = Vec::new();
                for id in &ids {
                    let key = keys::outcome(id);
                    let (value, proof) = state::prove(&store, &key).await.expect("readable");
                    proven.push((key, value, proof));
                }
                let absent = keys::outcome(&sealwire_envelope::TxId(sm3(&[b"never sent"])));
                let (value, proof) = state::prove(&store, &absent).await.expect("readable");
                assert_eq!(value, None);
                proven.push((absent, value, proof));
                break (applied, proven);
            }
            drop(store);
            cluster.wait(Duration::from_millis(50)).await;
        };
        let chain = checked_chain(node, &trial, height).await;
        assert_eq!(
            chain
                .iter()
                .map(|bundle| bundle.transactions.len())
                .sum::<usize>(),
            30
        );
        let certified = chain
            .iter()
            .filter(|bundle| bundle.finality.is_some())
            .count();
        println!("{height} blocks, {certified} with a certificate of their own");

        for (key, value, proof) in proven {
            let present = matches!(proof, StateProof::Inclusion(_));
            assert_eq!(present, value.is_some());
            let finality = finality_proof(&chain, height);
            let mut entry = ProvenEntry {
                version: RECEIPT_VERSION,
                key,
                value,
                proof,
                finality,
            };
            let verified = verify_entry(&entry, &trial.genesis).expect("it holds");
            assert_eq!(verified.height, height);
            assert!(verified.signers.len() >= 3);
            entry.key[5] ^= 1;
            assert!(verify_entry(&entry, &trial.genesis).is_err());
        }
    });
}

#[test]
fn the_receipt_crate_reads_what_the_contracts_write() {
    let package = PackageId(sm3(&[b"package"]));
    assert_eq!(package_key(&package), keys::package(&package));
    let entry = PackageEntry {
        anchor: Anchor {
            package,
            topic: "org1/pump/pressure".parse().expect("a topic"),
            clients: vec!["org1.pump".parse().expect("a client")],
            count: 3,
            from_ms: 1,
            to_ms: 2,
            root: Sm3Digest::ZERO,
            epoch: None,
            location: "here".into(),
            gateway: "org1.gateway".parse().expect("a client"),
        },
        at: Moment {
            height: 7,
            time_ms: 8,
        },
        tx: 9,
    };
    let bytes = encode(&entry);
    let read: PackageRecord = decode(&bytes).expect("the same form");
    assert_eq!(read.anchor, entry.anchor);
    assert_eq!(
        (read.at.height, read.at.time_ms, read.transaction),
        (7, 8, 9)
    );
    assert_eq!(encode(&read), bytes);
}
