//! Four validators from a seed: agreement, one state root, nothing accepted is lost.
//!
//! `SEALWIRE_SEEDS` sets how many seeds are run (default 3; nightly many), `SEALWIRE_FIRST_SEED`
//! the first of them.

mod cluster;
#[path = "scenarios/faults.rs"]
mod faults;
#[path = "scenarios/follow.rs"]
mod follow;
#[path = "scenarios/pool.rs"]
mod pool;

use std::{sync::Arc, time::Duration};

use cluster::{Cluster, Node, checker::Checker};
use commonware_runtime::{Runner as _, deterministic};
use sealwire_envelope::TxId;
use sealwire_ledger::{mempool::SubmitError, trial::Trial};

/// Longest simulated time of one run.
const RUN_MAX: Duration = Duration::from_secs(900);

/// The seeds of a run; each is told of, so that a failure names its own.
fn seeds() -> impl Iterator<Item = u64> {
    let number = |name, default| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (first, count) = (
        number("SEALWIRE_FIRST_SEED", 0),
        number("SEALWIRE_SEEDS", 3),
    );
    (first..first + count).inspect(|seed| println!("seed {seed}"))
}

fn runner(seed: u64) -> deterministic::Runner {
    deterministic::Runner::new(
        deterministic::Config::new()
            .with_seed(seed)
            .with_timeout(Some(RUN_MAX)),
    )
}

async fn submit(cluster: &Cluster, to: &Node, nonce: u64) -> Option<TxId> {
    let height = to.mirror.view().height();
    let tx = cluster
        .trial
        .transaction(nonce as usize, nonce, height + 500);
    match to.mempool.submit(&tx.to_bytes()).await {
        Ok(id) => Some(id),
        Err(SubmitError::Starting) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn four_validators_agree_and_finalise_what_they_accept() {
    for seed in seeds() {
        runner(seed).start(|context| async move {
            let trial = Arc::new(Trial::new(seed, 4, 0).unwrap());
            let mut cluster = Cluster::new(context, trial).await;
            cluster.start_all().await;
            cluster.reach(1).await;
            let mut accepted = Vec::new();
            for nonce in 0..40 {
                accepted.extend(submit(&cluster, cluster.node(nonce as usize % 4), nonce).await);
                cluster.wait(Duration::from_millis(20)).await;
            }
            assert_eq!(accepted.len(), 40);
            cluster.wait(Duration::from_secs(3)).await;
            let mut checker = Checker::default();
            for (_, node) in cluster.nodes() {
                checker.look(node).await;
                assert_eq!(node.mempool.counts().pending, 0);
                assert_eq!(
                    node.mempool.counts().verified,
                    40,
                    "each is verified once per node"
                );
            }
            checker.assert_final(&accepted);
        });
    }
}
