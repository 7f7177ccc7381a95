//! Compute on encrypted readings: homomorphic schemes and evaluators.
//!
//! ```text
//! owner      generate ─► secret key (stays)  public key, evaluation key (published, digests on the ledger)
//! device     public key, readings ─► Encryptor::batch ─► signed messages on an open topic
//! gateway    check(key, job); evaluate(key, evaluation key, job, payloads) ─► ciphertexts, counts
//! others     evaluate again over the same payloads ─► the same bytes, or a lie
//! owner      open(secret key, key, evaluation, ciphertexts) ─► an answer, which never goes back
//! holders    threshold::open_share each ─► threshold::combine ─► the answer of a shared key
//! ```
//!
//! | Module | What |
//! |---|---|
//! | [`parameters`] | The frozen list of parameter sets |
//! | [`plan`] | Which set computes which function, from which form of readings |
//! | [`reading`] | Fixed-point readings |
//! | [`scheme`] | Keys and encryption, over both schemes |
//! | [`elgamal`] | Exponential ElGamal on the SM2 curve |
//! | [`bfv`] | BFV, from `fhe-math`'s rings up |
//! | [`bound`] | Overflow and noise, refused beforehand |
//! | [`input`] | Which messages of an archive a job takes |
//! | [`evaluate`](mod@evaluate) | A job over payloads |
//! | [`open`](mod@open) | From a result's ciphertexts to an answer |
//! | [`answer`] | Answers in exact decimals |
//! | [`threshold`] | Keys that t of n holders share |
//! | [`speed`] | The work that benchmarks time |
//!
//! The formats that travel are in [`sealwire_envelope::compute`]; what is inside their byte strings
//! is in [`elgamal`] and [`bfv`].
//!
//! # Invariants
//! - Pure: no clock, no I/O, no random source of its own (one is passed in). An evaluation is a
//!   function of its arguments: the same bytes on every machine, with any number of threads.
//! - What could overflow or drown in noise is refused **before** it is computed, in the worst case
//!   over all readings within the declared bounds ([`bound`]): opening past it would be silently wrong.
//! - Bytes become ciphertexts only if they are the one encoding of a value in range: exact length,
//!   residues below their modulus, points on the curve. Only then does arithmetic see them, and it
//!   holds no more memory than their length.
//! - A payload that isn't what it should be never stops a computation; it is left out and counted.
//! - Secrets are zeroised when dropped, no `Debug` prints them, and what touches them takes the same
//!   time whatever they are, but for the small logarithm of an opened result.
//! - Neither an answer **nor a failure to open** may reach whoever evaluates or publishes: BFV and
//!   ElGamal can be changed in transit by design, and an oracle that says which changes open right
//!   gives the secret key away (Chenal and Tang, "On key recovery attacks against existing somewhat
//!   homomorphic encryption schemes", 2014).

pub mod answer;
mod batch;
pub mod bfv;
pub mod bound;
pub mod elgamal;
pub mod evaluate;
pub mod input;
pub mod open;
pub mod parameters;
pub mod plan;
pub mod reading;
pub mod scheme;
pub mod speed;
pub mod threshold;
pub mod worded;

pub use answer::Answer;
pub use batch::{Skipped, SkippedCounts};
pub use evaluate::{EVALUATOR, Evaluated, Refused, check, evaluate, evaluate_signed};
pub use open::{OpenError, open};
pub use scheme::{
    Encryptor, KeyError, NewKey, Origin, SecretKey, check_ciphertext, check_evaluation,
    check_public, generate, needs_evaluation_key,
};
