//! A follower takes what is certified and executes to the same root, and nothing else.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use commonware_runtime::{Runner as _, Supervisor as _};
use sealwire_envelope::{BlockBundle, Finality, TxId};
use sealwire_ledger::{
    chain::Chain as _,
    crypto::FinalityError,
    follower::{BlockSource, FollowError, Follower, SourceError},
    mempool::SubmitError,
    trial::Trial,
};
use sealwire_sm::{Domain, Sm3Digest};

use crate::{
    cluster::{Cluster, Node},
    runner,
};

struct FromNode(Node);

#[async_trait]
impl BlockSource for FromNode {
    async fn bundle(&self, height: u64) -> Result<Option<BlockBundle>, SourceError> {
        Ok(self.0.bundle(height).await)
    }

    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError> {
        self.0.submit(bytes).await
    }

    fn distrust(&self) {}
}

/// A certificate made as the specification in `sealwire_ledger::crypto` says, by its own code.
fn certify(trial: &Trial, bundle: &mut BlockBundle, signers: usize) {
    let header = &bundle.header;
    let namespace = [b"sealwire vote ", header.chain.0.0.as_slice(), b"_FINALIZE"].concat();
    let mut vote = vec![u8::try_from(namespace.len()).unwrap()];
    vote.extend(namespace);
    for mut number in [header.epoch, header.view, header.parent_view] {
        while number >= 128 {
            vote.push(number as u8 | 128);
            number >>= 7;
        }
        vote.push(number as u8);
    }
    vote.extend(header.digest().0);
    let mut keys: Vec<_> = trial.validators.iter().map(|key| key.secret()).collect();
    keys.sort_by_key(|key| key.public_key().to_bytes());
    let bitmap = (1u8 << signers) - 1;
    bundle.finality = Some(Finality {
        epoch: header.epoch,
        view: header.view,
        parent_view: header.parent_view,
        payload: header.digest(),
        signers: vec![bitmap].into(),
        signatures: keys[..signers]
            .iter()
            .map(|key| key.sign(Domain::VOTE, &vote))
            .collect(),
    });
}

#[test]
fn a_follower_reaches_the_same_state_and_survives_a_restart() {
    runner(5).start(|context| async move {
        let trial = Arc::new(Trial::new(5, 4, 0).unwrap());
        let mut cluster = Cluster::new(context.child("cluster"), trial.clone()).await;
        cluster.start_all().await;
        cluster.reach(1).await;
        let node = cluster.node(0).clone();
        for nonce in 0..10 {
            let tx = trial.transaction(0, nonce, 500);
            node.mempool.submit(&tx.to_bytes()).await.unwrap();
            cluster.wait(Duration::from_millis(60)).await;
        }
        cluster.wait(Duration::from_secs(2)).await;
        let genesis = Arc::new(trial.genesis.clone());
        let source = Arc::new(FromNode(node.clone()));
        let open = |name| {
            Follower::open(
                context.child(name),
                genesis.clone(),
                "follower",
                source.clone(),
            )
        };
        let follower = open("first").await.unwrap();
        while follower.step().await.unwrap() {}
        let top = node.mirror.view().height();
        assert_eq!(follower.mirror().view().height(), top);
        let entries = |view: &sealwire_contracts::View| -> Vec<_> {
            view.entries()
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect()
        };
        assert_eq!(
            entries(&follower.mirror().view()),
            entries(&node.mirror.view())
        );
        let proven = follower.prove(&[b"c/consortium".to_vec()]).await.unwrap();
        assert_eq!(proven.height, top);
        let certified = follower.certified(top).await.unwrap();
        assert_eq!(certified.headers[0], node.bundle(top).await.unwrap().header);

        drop(follower);
        let follower = open("second").await.unwrap();
        assert_eq!(follower.mirror().view().height(), top);
        assert_eq!(
            entries(&follower.mirror().view()),
            entries(&node.mirror.view())
        );
        assert!(follower.bundle(top).await.is_some());
    });
}

#[test]
fn a_follower_refuses_wrong_certificates_and_stops_at_a_wrong_root() {
    runner(6).start(|context| async move {
        let trial = Arc::new(Trial::new(6, 4, 0).unwrap());
        let mut cluster = Cluster::new(context.child("cluster"), trial.clone()).await;
        cluster.start_all().await;
        cluster.reach(2).await;
        let node = cluster.node(0).clone();
        let genesis = Arc::new(trial.genesis.clone());
        let source = Arc::new(FromNode(node.clone()));
        let follower = Follower::open(context.child("follower"), genesis, "follower", source)
            .await
            .unwrap();
        let good = node.bundle(1).await.unwrap();

        let mut bundle = good.clone();
        bundle.finality = None;
        let error = follower.take(vec![bundle]).await.unwrap_err();
        assert!(matches!(error, FollowError::Uncertified(1)));

        let mut bundle = good.clone();
        certify(&trial, &mut bundle, 2);
        let error = follower.take(vec![bundle]).await.unwrap_err();
        assert!(
            matches!(error, FollowError::Finality(FinalityError::Signatures)),
            "{error}"
        );
        assert!(error.is_source());

        let mut bundle = good.clone();
        bundle.finality.as_mut().unwrap().signatures[0].0[5] ^= 1;
        let error = follower.take(vec![bundle]).await.unwrap_err();
        assert!(matches!(
            error,
            FollowError::Finality(FinalityError::Signatures)
        ));

        let mut bundle = good.clone();
        bundle.header.time_ms += 1;
        let error = follower.take(vec![bundle]).await.unwrap_err();
        assert!(matches!(
            error,
            FollowError::Finality(FinalityError::Header)
        ));

        let second = node.bundle(2).await.unwrap();
        let error = follower.take(vec![second]).await.unwrap_err();
        assert!(matches!(error, FollowError::Link(1)));

        let mut bundle = good.clone();
        bundle.header.state_root = Sm3Digest::ZERO;
        certify(&trial, &mut bundle, 3);
        let error = follower.take(vec![bundle]).await.unwrap_err();
        assert!(matches!(error, FollowError::Root(1)), "{error}");
        assert!(!error.is_source(), "no other source can mend this");
        assert_eq!(
            follower.mirror().view().height(),
            0,
            "nothing of it is kept"
        );

        // The same certificate code over the true header is accepted.
        let mut bundle = good;
        certify(&trial, &mut bundle, 3);
        follower.take(vec![bundle]).await.unwrap();
        assert_eq!(follower.mirror().view().height(), 1);
    });
}
