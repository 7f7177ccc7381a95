//! Four real validators on simulated time, disks and links.
//!
//! Each validator runs in one supervised task; crashing it aborts that task with all it started.
//! [`run`] may end the whole runtime and go on from what was on the disks ([`Cluster`]'s owner
//! keeps the [`Checkpoint`](commonware_runtime::deterministic::Checkpoint)).

pub mod checker;

use std::{sync::Arc, time::Duration};

use commonware_cryptography::Signer as _;
use commonware_p2p::simulated::{self, Link, Oracle};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock as _, Handle, Quota, Spawner as _, Supervisor as _, deterministic::Context,
};
use commonware_utils::{NZU32, NZUsize, channel::oneshot, probability};
use sealwire_ledger::{
    application::Pacing,
    crypto::PublicKey,
    engine::{self, Channels, Config, Validator},
    mempool::Bounds,
    trial::Trial,
};

/// A validator under test.
pub type Node = Arc<Validator<Context, Sequential>>;

/// Delay of every link.
const LATENCY: Duration = Duration::from_millis(10);
/// How much the delay varies.
const JITTER: Duration = Duration::from_millis(3);

/// The validators, their links and who of them is up.
pub struct Cluster {
    context: Context,
    pub trial: Arc<Trial>,
    oracle: Oracle<PublicKey, Context>,
    running: Vec<Option<(Handle<()>, Node)>>,
    pub bounds: Bounds,
    /// Which disk validators start on; another number is an empty one.
    pub disk: usize,
}

/// The key of a validator.
pub fn key(trial: &Trial, number: usize) -> PublicKey {
    trial.validators[number].public_key()
}

impl Cluster {
    /// Links for all, nobody up yet.
    pub async fn new(context: Context, trial: Arc<Trial>) -> Self {
        let count = trial.validators.len();
        let keys: Vec<PublicKey> = (0..count).map(|number| key(&trial, number)).collect();
        let config = simulated::Config {
            max_size: engine::message_bytes_max(u32::try_from(count).unwrap()),
            max_peers_per_set: NZUsize!(16),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            simulated::Network::new_with_peers(context.child("network"), config, keys).await;
        network.start();
        let running = (0..count).map(|_| None).collect();
        let bounds = Bounds {
            count: 1_000,
            bytes: 1 << 20,
        };
        let mut cluster = Self {
            context,
            trial,
            oracle,
            running,
            bounds,
            disk: 0,
        };
        for from in 0..count {
            for to in 0..count {
                if from != to {
                    cluster.link(from, to).await;
                }
            }
        }
        cluster
    }

    async fn link(&mut self, from: usize, to: usize) {
        let link = Link {
            latency: LATENCY,
            jitter: JITTER,
            success_rate: probability!(1.0),
        };
        let (from, to) = (key(&self.trial, from), key(&self.trial, to));
        self.oracle.add_link(from, to, link).await.unwrap();
    }

    async fn unlink(&mut self, from: usize, to: usize) {
        let (from, to) = (key(&self.trial, from), key(&self.trial, to));
        self.oracle.remove_link(from, to).await.unwrap();
    }

    /// Cuts a validator off from the others.
    pub async fn isolate(&mut self, number: usize) {
        for other in (0..self.trial.validators.len()).filter(|other| *other != number) {
            self.unlink(number, other).await;
            self.unlink(other, number).await;
        }
    }

    /// Ends [`Cluster::isolate`].
    pub async fn rejoin(&mut self, number: usize) {
        for other in (0..self.trial.validators.len()).filter(|other| *other != number) {
            self.link(number, other).await;
            self.link(other, number).await;
        }
    }

    /// Starts a validator on the disk it left, or a new one.
    pub async fn start(&mut self, number: usize, joined: bool) -> Node {
        assert!(
            self.running[number].is_none(),
            "validator {number} runs already"
        );
        let control = self.oracle.control(key(&self.trial, number));
        let quota = Quota::per_second(NZU32!(2_048));
        let mut channels = Vec::new();
        for channel in 0..engine::CHANNELS {
            channels.push(control.register(channel, quota).await.unwrap());
        }
        let mut channels = channels.into_iter();
        let mut next = || channels.next().unwrap();
        let channels = Channels {
            votes: next(),
            certificates: next(),
            resolver: next(),
            backfill: next(),
            broadcast: next(),
            gossip: next(),
        };
        let config = Config {
            genesis: Arc::new(self.trial.genesis.clone()),
            key: self.trial.validators[number].clone(),
            partition: format!("validator{number}-{}", self.disk),
            joined,
            pacing: Pacing {
                interval: Duration::from_millis(100),
                heartbeat: Duration::from_secs(2),
            },
            bounds: self.bounds,
            strategy: Sequential,
        };
        let manager = self.oracle.manager();
        let (up, started) = oneshot::channel();
        let task = self
            .context
            .child("validator")
            .spawn(move |context| async move {
                let node = engine::start(context.child("node"), config, channels, control, manager)
                    .await
                    .expect("a validator starts");
                let _ = up.send(Arc::new(node));
                std::future::pending::<()>().await;
            });
        let node: Node = started.await.expect("a validator starts");
        self.running[number] = Some((task, node.clone()));
        node
    }

    /// Starts all that are down.
    pub async fn start_all(&mut self) {
        for number in 0..self.running.len() {
            if self.running[number].is_none() {
                self.start(number, false).await;
            }
        }
    }

    /// Ends a validator at once, wherever it is.
    pub async fn crash(&mut self, number: usize) {
        let (task, node) = self.running[number].take().expect("it runs");
        drop(node);
        task.abort();
        let _ = task.await;
    }

    /// A validator that runs.
    pub fn node(&self, number: usize) -> &Node {
        &self.running[number].as_ref().expect("it runs").1
    }

    /// Those that run.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, &Node)> {
        let running = self.running.iter().enumerate();
        running.filter_map(|(number, node)| Some((number, &node.as_ref()?.1)))
    }

    /// Waits until every validator that runs has reached `height`.
    pub async fn reach(&self, height: u64) {
        for (number, node) in self.nodes() {
            let mut heights = node.mirror.height();
            let reached = async move {
                while *heights.borrow_and_update() < height {
                    heights
                        .changed()
                        .await
                        .expect("the mirror lives as long as the node");
                }
            };
            let outcome = self
                .context
                .timeout(Duration::from_secs(120), reached)
                .await;
            assert!(outcome.is_ok(), "validator {number} doesn't reach {height}");
        }
    }

    /// Simulated time passes.
    pub async fn wait(&self, duration: Duration) {
        self.context.sleep(duration).await;
    }
}
