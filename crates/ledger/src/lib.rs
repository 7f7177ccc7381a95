//! Agree on transactions with other organisations and serve the proven state.
//!
//! | Module | What |
//! |---|---|
//! | [`crypto`] | SM2 votes and SM3 digests for the engine; what a finality certificate signs |
//! | [`block`] | blocks and transactions as they move between nodes |
//! | [`state`], [`proof`] | the authenticated store and its proofs |
//! | [`executor`] | from a block's transactions to a state root |
//! | [`mempool`] | transactions on their way into a block |
//! | [`mirror`] | the final state in memory |
//! | [`application`] | the rules of a block, and when one is made |
//! | [`engine`] | a validator, on any runtime |
//! | [`chain`] | what any node offers to readers |
//! | [`api`] | the HTTP interface |
//! | [`node`] | a validator as a process runs it |
//! | [`follower`] | a node that verifies and executes without voting |
//! | [`mod@bench`] | how many transactions a second |
//! | [`trial`] | a throwaway consortium for tests and benchmarks |
//!
//! This is the only crate that knows the consensus engine (`commonware-*`).

pub mod api;
pub mod application;
pub mod bench;
pub mod block;
pub mod chain;
pub mod crypto;
pub mod engine;
pub mod executor;
pub mod follower;
pub mod limits;
pub mod mempool;
pub mod mirror;
pub mod node;
pub mod proof;
pub mod state;
pub mod trial;
