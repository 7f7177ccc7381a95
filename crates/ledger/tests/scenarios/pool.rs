//! What a mempool refuses, and that it keeps what it took.

use std::{sync::Arc, time::Duration};

use commonware_runtime::Runner as _;
use sealwire_contracts::Code;
use sealwire_envelope::{CertId, ChainId, Transaction};
use sealwire_ledger::{
    mempool::{Bounds, SubmitError},
    trial::Trial,
};
use sealwire_sm::Sm3Digest;

use crate::{
    cluster::{Cluster, Node, checker::Checker},
    runner,
};

async fn refusal(node: &Node, tx: &Transaction) -> SubmitError {
    node.mempool
        .submit(&tx.to_bytes())
        .await
        .expect_err("it must be refused")
}

fn code(error: SubmitError) -> Code {
    match error {
        SubmitError::Refused(outcome) => outcome.code,
        other => panic!("another refusal: {other}"),
    }
}

#[test]
fn every_bad_transaction_gets_its_own_answer() {
    runner(1).start(|context| async move {
        let trial = Arc::new(Trial::new(1, 4, 0).unwrap());
        let mut cluster = Cluster::new(context, trial.clone()).await;
        cluster.start_all().await;
        cluster.reach(1).await;
        let node = cluster.node(0).clone();
        let height = node.mirror.view().height();
        let good = trial.transaction(0, 1, height + 500);

        let error = node.mempool.submit(b"no CBOR").await.unwrap_err();
        assert!(matches!(error, SubmitError::Malformed(_)));
        let mut trailing = good.to_bytes();
        trailing.push(0);
        let error = node.mempool.submit(&trailing).await.unwrap_err();
        assert!(matches!(error, SubmitError::Malformed(_)));
        let long = vec![0; sealwire_envelope::transaction::TX_MAX_BYTES + 1];
        let error = node.mempool.submit(&long).await.unwrap_err();
        assert!(matches!(error, SubmitError::Malformed(_)));

        let resign = |change: &dyn Fn(&mut Transaction)| {
            let mut tx = good.clone();
            change(&mut tx);
            Transaction::sign(tx.body, &trial.gateways[0].key)
        };
        let other = resign(&|tx| tx.body.chain = ChainId(Sm3Digest::ZERO));
        assert_eq!(code(refusal(&node, &other).await), Code::WrongChain);
        let expired = resign(&|tx| tx.body.expiry_height = 0);
        assert_eq!(code(refusal(&node, &expired).await), Code::Expired);
        let far = resign(&|tx| tx.body.expiry_height = height + 100_000);
        assert_eq!(code(refusal(&node, &far).await), Code::ExpiryTooFar);
        let unknown = resign(&|tx| tx.body.sender = CertId(Sm3Digest::ZERO));
        assert_eq!(code(refusal(&node, &unknown).await), Code::UnknownSender);
        let mut forged = good.clone();
        forged.body.nonce[0] ^= 1;
        assert!(matches!(
            refusal(&node, &forged).await,
            SubmitError::Signature
        ));
        assert_eq!(node.mempool.counts().pending, 0, "nothing bad is kept");

        node.mempool.submit(&good.to_bytes()).await.unwrap();
        assert!(matches!(
            refusal(&node, &good).await,
            SubmitError::Pending(_)
        ));
        cluster.wait(Duration::from_secs(2)).await;
        assert!(matches!(refusal(&node, &good).await, SubmitError::Final(_)));
    });
}

#[test]
fn a_full_mempool_says_so_and_loses_nothing() {
    runner(2).start(|context| async move {
        let trial = Arc::new(Trial::new(2, 4, 0).unwrap());
        let mut cluster = Cluster::new(context, trial.clone()).await;
        cluster.bounds = Bounds {
            count: 5,
            bytes: 1 << 20,
        };
        cluster.start_all().await;
        cluster.reach(1).await;
        // Two of four can't finalise anything, so what they take stays.
        cluster.crash(2).await;
        cluster.crash(3).await;
        cluster.wait(Duration::from_secs(1)).await;
        let node = cluster.node(0).clone();
        let height = node.mirror.view().height();
        let mut accepted = Vec::new();
        for nonce in 0..5 {
            let tx = trial.transaction(0, nonce, height + 500);
            accepted.push(node.mempool.submit(&tx.to_bytes()).await.unwrap());
        }
        let sixth = trial.transaction(0, 5, height + 500);
        assert!(matches!(refusal(&node, &sixth).await, SubmitError::Busy(full) if full.count == 5));
        assert_eq!(
            node.mempool.counts().verified,
            5,
            "what has no room isn't verified"
        );
        cluster.start(2, true).await;
        cluster.start(3, true).await;
        cluster.wait(Duration::from_secs(30)).await;
        accepted.push(node.mempool.submit(&sixth.to_bytes()).await.unwrap());
        cluster.wait(Duration::from_secs(15)).await;
        let mut checker = Checker::default();
        checker.look(&node).await;
        checker.assert_final(&accepted);
    });
}
