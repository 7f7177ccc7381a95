//! Decide who may do what: the deterministic state machine of the ledger.
