//! Tells the other validators of the transactions that clients gave to this one.
//!
//! Every validator is linked to every other, so what a peer sent is not passed on. A message is a
//! list of byte strings (`varint(count)`, then `varint(length) || bytes` each), each the encoding of
//! one transaction. What peers couldn't take, because they were away or full, is told again every
//! [`GOSSIP_AGAIN`] until it is final or expired.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::{Clock, IoBuf, Metrics, Spawner};

use super::{Mempool, Tx};
use crate::{
    crypto::PublicKey,
    limits::{GOSSIP_AGAIN, GOSSIP_BYTES_MAX, GOSSIP_MESSAGE_BYTES_MAX},
};

/// Most transactions in one message.
const TRANSACTIONS_PER_MESSAGE: usize = 1_024;

/// How long the sender waits for more before it tells the peers, so that a burst of clients makes
/// few messages.
const GATHER: Duration = Duration::from_millis(5);

/// Starts telling and listening.
pub fn start<E, S, R, B, T>(context: E, mempool: Mempool<T>, (sender, receiver): (S, R), blocker: B)
where
    E: Spawner + Clock + Metrics,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
{
    let listener = mempool.clone();
    context
        .child("listen")
        .spawn(move |_| listen(listener, receiver, blocker));
    context
        .child("tell")
        .spawn(move |context| tell(context, mempool, sender));
}

async fn listen<R, B, T>(mempool: Mempool<T>, mut receiver: R, mut blocker: B)
where
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
{
    let bounds = (
        RangeCfg::from(..=TRANSACTIONS_PER_MESSAGE),
        RangeCfg::from(..=GOSSIP_MESSAGE_BYTES_MAX),
    );
    while let Ok((peer, message)) = receiver.recv().await {
        let bad = match Vec::<Bytes>::decode_cfg(message, &bounds) {
            Ok(items) => mempool.admit(items).await,
            Err(_) => 1,
        };
        if bad > 0 {
            tracing::warn!(%peer, bad, "a peer sent transactions that no honest node passes on");
            let _ = blocker.block(peer);
        }
    }
}

async fn tell<E, S, T>(context: E, mempool: Mempool<T>, mut sender: S)
where
    E: Clock,
    S: Sender<PublicKey = PublicKey>,
    T: Strategy,
{
    let mut told: VecDeque<Tx> = VecDeque::new();
    let mut again = context.current() + GOSSIP_AGAIN;
    loop {
        let batch = select! {
            fresh = mempool.outbox() => {
                context.sleep(GATHER).await;
                let mut fresh = fresh;
                fresh.append(&mut super::lock(&mempool.0.outbox));
                told.extend(fresh.iter().cloned());
                fresh
            },
            _ = context.sleep_until(again) => {
                again = context.current() + GOSSIP_AGAIN;
                told.retain(|tx| mempool.contains(&tx.id()));
                told.iter().cloned().collect()
            },
        };
        for message in messages(&batch) {
            let _ = sender.send(Recipients::All, IoBuf::from(message), false);
        }
    }
}

fn messages(transactions: &[Tx]) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let mut items: Vec<Bytes> = Vec::new();
    let mut bytes = 0;
    for tx in transactions {
        let size = tx.bytes().len();
        let full = items.len() == TRANSACTIONS_PER_MESSAGE || bytes + size > GOSSIP_BYTES_MAX;
        if full && !items.is_empty() {
            messages.push(std::mem::take(&mut items).encode());
            bytes = 0;
        }
        bytes += size;
        items.push(tx.bytes().clone());
    }
    if !items.is_empty() {
        messages.push(items.encode());
    }
    messages
}
