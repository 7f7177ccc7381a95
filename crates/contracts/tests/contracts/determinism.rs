//! One history, one result: whatever the state is read through, and however often reading was interrupted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use sealwire_contracts::{
    BlockError, BlockExecution, Fault, Missing, Read, View, execute_block, footprint,
};
use sealwire_envelope::{AcceptTopic, Call, GrantTopic, Rights, TransferTopic};

use crate::world::{World, claim_open, client, topic};
use crate::{compute, model, rights};

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store that knows nothing until it is told to fetch.
struct Lazy<'a> {
    store: &'a State,
    fetched: RefCell<BTreeSet<Vec<u8>>>,
    runs: Cell<usize>,
}

impl<'a> Lazy<'a> {
    fn new(store: &'a State) -> Self {
        Self {
            store,
            fetched: RefCell::default(),
            runs: Cell::new(0),
        }
    }

    fn fetch(&self, keys: impl IntoIterator<Item = Vec<u8>>) {
        self.fetched.borrow_mut().extend(keys);
    }
}

impl Read for Lazy<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Missing> {
        if self.fetched.borrow().contains(key) {
            Ok(self.store.get(key).cloned())
        } else {
            Err(Missing::one(key))
        }
    }
}

/// Executes, fetching what is missing, until it is done.
fn run(world: &World, at: usize, lazy: &Lazy<'_>) -> BlockExecution {
    let (block, transactions, _) = &world.blocks[at];
    loop {
        lazy.runs.set(lazy.runs.get() + 1);
        match execute_block(&world.genesis, block, transactions, lazy) {
            Ok(done) => return done,
            Err(BlockError::Fault(Fault::Missing(missing))) => {
                assert!(!missing.keys.is_empty());
                let known = lazy.fetched.borrow();
                assert!(
                    missing.keys.iter().all(|key| !known.contains(key)),
                    "asked twice"
                );
                drop(known);
                lazy.fetch(missing.keys);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn apply(state: &mut State, done: BlockExecution) {
    for (key, value) in done.writes {
        match value {
            Some(value) => drop(state.insert(key, value)),
            None => drop(state.remove(&key)),
        }
    }
}

fn random_history(seed: u64, steps: usize) -> World {
    model::play(seed, steps).0
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let (one, two) = (random_history(11, 60), random_history(11, 60));
    assert_eq!(one.state, two.state);
    assert_eq!(one.blocks.len(), two.blocks.len());
    for (a, b) in one.blocks.iter().zip(&two.blocks) {
        assert_eq!(a.2, b.2);
    }
    assert_ne!(
        one.state,
        random_history(12, 60).state,
        "the seed has no effect: the test compares nothing"
    );
}

#[test]
fn a_run_that_was_interrupted_by_missing_reads_is_the_same_run() {
    for world in [random_history(3, 80), crate::identity::play(3, 80)] {
        let mut state = State::new();
        for at in 0..world.blocks.len() {
            let lazy = Lazy::new(&state);
            let done = run(&world, at, &lazy);
            assert_eq!(done.writes, world.blocks[at].2, "block {at}");
            apply(&mut state, done);
        }
        assert_eq!(state, world.state);
    }
}

/// With the footprint fetched beforehand, a call needs at most two more rounds, however long it is.
#[test]
fn the_footprint_spares_most_rounds() {
    let world = random_history(3, 80);
    let mut state = State::new();
    let (mut runs, mut transactions) = (0, 0);
    for at in 0..world.blocks.len() {
        let lazy = Lazy::new(&state);
        for tx in &world.blocks[at].1 {
            lazy.fetch(footprint(tx));
        }
        let done = run(&world, at, &lazy);
        let most = 1 + 2 * world.blocks[at].1.len();
        assert!(
            lazy.runs.get() <= most,
            "block {at}: {} runs for {} transactions",
            lazy.runs.get(),
            world.blocks[at].1.len()
        );
        runs += lazy.runs.get();
        transactions += world.blocks[at].1.len();
        apply(&mut state, done);
    }
    assert!(
        runs < 2 * transactions,
        "{runs} runs for {transactions} transactions"
    );
}

#[test]
fn a_view_that_followed_and_one_that_was_loaded_are_the_same() {
    let world = random_history(5, 60);
    let view = &world.view;
    let entries = world.state.clone();
    let loaded = View::load(view.height(), view.time_ms(), entries);
    assert!(loaded.entries().eq(view.entries()));
    assert_eq!((loaded.height(), loaded.len()), (view.height(), view.len()));
}

#[test]
fn a_view_takes_the_next_block_only() {
    let world = World::founded();
    let mut view = world.view.clone();
    let height = view.height();
    for wrong in [0, height, height + 2] {
        let refused = view.apply(wrong, 0, &Default::default()).unwrap_err();
        assert_eq!((refused.have, refused.got), (height, wrong));
    }
    view.apply(height + 1, 0, &Default::default()).unwrap();
}

/// However many requesters, topics and owners a call of evaluations names, what it reads is asked for in two
/// steps beyond its footprint: certificates, and filters of owners that a topic's name doesn't tell.
#[test]
fn a_long_call_of_evaluations_asks_twice() {
    let mut world = World::new();
    let names: Vec<String> = (0..20).map(|n| format!("beta/dev/{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        world.must("beta.dev", Call::RegisterTopic(claim_open(name)));
    }
    // Some have another owner by now.
    for name in &names[..5] {
        let offer = TransferTopic {
            topic: topic(name),
            to: Some(client("acme.dev")),
            keys: Vec::new(),
        };
        world.must("beta.dev", Call::TransferTopic(offer));
        let accept = AcceptTopic {
            topic: topic(name),
            rotation: None,
        };
        world.must("acme.dev", Call::AcceptTopic(accept));
    }
    world.must("beta.dev", compute::register("beta.dev", 1));
    let grant = |filter| rights::grant_filter(filter, "beta.user", Rights::COMPUTE);
    world.must("beta.dev", grant("beta/dev/#"));
    for name in &names[..5] {
        let grant = GrantTopic {
            rights: Rights::COMPUTE,
            sealed_key: None,
            ..crate::world::grant(name, "beta.user")
        };
        world.must("acme.dev", Call::GrantTopic(grant));
    }
    let key = compute::compute_key("beta.dev", 1);
    let evaluation = |who, names| compute::evaluation(&world, &key, who, names);
    let call = compute::log(vec![
        evaluation("beta.user", &names[..]),
        evaluation("beta.dev", &names[5..]),
        evaluation("acme.dev", &names[..5]),
    ]);
    let store = world.state.clone();
    world.must("beta.gw", call);
    let lazy = Lazy::new(&store);
    let at = world.blocks.len() - 1;
    lazy.fetch(footprint(&world.blocks[at].1[0]));
    assert_eq!(run(&world, at, &lazy).writes, world.blocks[at].2);
    assert_eq!(
        lazy.runs.get(),
        2,
        "the first, and one after what was missing"
    );
}
