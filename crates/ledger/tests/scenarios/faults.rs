//! Crashes, a partition, a lost disk: the chain stays one, and what clients keep handing in gets in.

use std::{sync::Arc, time::Duration};

use commonware_consensus::types::Height;
use commonware_runtime::Runner as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sealwire_envelope::{Transaction, TxId};
use sealwire_ledger::{mempool::SubmitError, trial::Trial};

use crate::{
    cluster::{Cluster, checker::Checker},
    runner, seeds,
};

/// A client as the gateways are: it keeps a transaction until it is final, and hands it in again.
#[derive(Default)]
struct Persistent(Vec<Transaction>);

impl Persistent {
    fn add(&mut self, cluster: &Cluster, nonce: u64) {
        let height = cluster
            .nodes()
            .map(|(_, node)| node.mirror.view().height())
            .max();
        let number = usize::try_from(nonce).unwrap();
        self.0.push(
            cluster
                .trial
                .transaction(number, nonce, height.unwrap_or(0) + 900),
        );
    }

    async fn hand_in(&self, cluster: &Cluster, to: usize) {
        for tx in &self.0 {
            match cluster.node(to).mempool.submit(&tx.to_bytes()).await {
                Ok(_) | Err(SubmitError::Pending(_) | SubmitError::Final(_)) => {}
                Err(SubmitError::Starting) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn ids(&self) -> Vec<TxId> {
        self.0.iter().map(Transaction::id).collect()
    }
}

async fn settle(cluster: &Cluster, client: &Persistent, checker: &mut Checker) {
    cluster.reach(1).await;
    for number in 0..4 {
        client.hand_in(cluster, number).await;
    }
    cluster.wait(Duration::from_secs(15)).await;
    let top = cluster
        .nodes()
        .map(|(_, node)| node.mirror.view().height())
        .max()
        .unwrap();
    cluster.reach(top).await;
    for (_, node) in cluster.nodes() {
        checker.look(node).await;
    }
    checker.assert_final(&client.ids());
}

#[test]
fn crashes_restarts_and_a_partition_lose_nothing_and_fork_nothing() {
    for seed in seeds() {
        runner(seed).start(|context| async move {
            let mut dice = StdRng::seed_from_u64(seed);
            let trial = Arc::new(Trial::new(seed, 4, 0).unwrap());
            let mut cluster = Cluster::new(context, trial).await;
            cluster.start_all().await;
            cluster.reach(1).await;
            let (mut client, mut checker) = (Persistent::default(), Checker::default());
            for round in 0..4 {
                let (victim, cut) = (dice.random_range(0..4), dice.random_range(0..4));
                for step in 0..5 {
                    client.add(&cluster, round * 10 + step);
                    client.hand_in(&cluster, (victim + 1) % 4).await;
                    cluster
                        .wait(Duration::from_millis(dice.random_range(1..150)))
                        .await;
                }
                checker.look(cluster.node(victim)).await;
                cluster.crash(victim).await;
                cluster
                    .wait(Duration::from_millis(dice.random_range(1..2_000)))
                    .await;
                cluster.isolate(cut).await;
                client.add(&cluster, round * 10 + 9);
                client.hand_in(&cluster, (victim + 2) % 4).await;
                cluster
                    .wait(Duration::from_millis(dice.random_range(1..3_000)))
                    .await;
                cluster.rejoin(cut).await;
                cluster.start(victim, true).await;
                assert!(
                    cluster.node(victim).votes,
                    "its vote journal is still there"
                );
            }
            settle(&cluster, &client, &mut checker).await;
        });
    }
}

#[test]
fn all_killed_at_once_go_on_where_they_were() {
    let trial = Arc::new(Trial::new(7, 4, 0).unwrap());
    let (first, second) = (trial.clone(), trial);
    let ((client, mut checker), disks) = runner(7).start_and_recover(|context| async move {
        let mut cluster = Cluster::new(context, first).await;
        cluster.start_all().await;
        cluster.reach(1).await;
        let (mut client, mut checker) = (Persistent::default(), Checker::default());
        for nonce in 0..20 {
            client.add(&cluster, nonce);
            client.hand_in(&cluster, nonce as usize % 4).await;
            cluster.wait(Duration::from_millis(50)).await;
        }
        for (_, node) in cluster.nodes() {
            checker.look(node).await;
        }
        (client, checker)
    });
    assert!(checker.top() > 1, "something was final before the end");
    commonware_runtime::deterministic::Runner::from(disks).start(|context| async move {
        let mut cluster = Cluster::new(context, second).await;
        for number in 0..4 {
            assert!(cluster.start(number, true).await.votes);
        }
        settle(&cluster, &client, &mut checker).await;
    });
}

#[test]
fn a_validator_that_lost_its_votes_follows_and_votes_no_more() {
    runner(3).start(|context| async move {
        let trial = Arc::new(Trial::new(3, 4, 0).unwrap());
        let mut cluster = Cluster::new(context, trial).await;
        cluster.start_all().await;
        cluster.reach(2).await;
        cluster.crash(0).await;
        cluster.disk += 1;
        let node = cluster.start(0, true).await;
        assert!(!node.votes);
        let top = cluster.node(1).mirror.view().height();
        cluster.reach(top + 3).await;
        let place = {
            let keys = cluster.trial.genesis.validators();
            let mine = crate::cluster::key(&cluster.trial, 0);
            keys.iter().position(|key| key == mine.inner()).unwrap()
        };
        for height in top + 1..=top + 3 {
            let certificate = cluster
                .node(1)
                .blocks
                .get_finalization(Height::new(height))
                .await;
            let Some(certificate) = certificate else {
                continue;
            };
            let signers = sealwire_ledger::crypto::finality(&certificate).signers;
            assert_eq!(
                signers[0] >> place & 1,
                0,
                "it signed the block at {height}"
            );
        }
        let mut checker = Checker::default();
        checker.look(cluster.node(1)).await;
        checker.look(&node).await;
    });
}
