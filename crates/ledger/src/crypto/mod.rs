//! SM2 and SM3 in the shapes that the consensus engine wants: digests, identities, votes.
//!
//! | Engine's trait | Here |
//! |---|---|
//! | `Hasher`, `Digest` | [`Sm3Hasher`], [`Digest`] |
//! | `Signer`, `PublicKey`, `Signature` (peers' handshakes) | [`PrivateKey`], [`PublicKey`], [`Signature`] |
//! | `certificate::Scheme` (votes) | [`Scheme`], [`Certificate`] |
//!
//! # What a vote signs
//!
//! A vote is an SM2 signature in the domain `Domain::VOTE` over
//!
//! ```text
//! vote      = varint(len(namespace)) || namespace || content
//! namespace = "sealwire vote " || chain id (32 bytes) || suffix
//! suffix    = "_NOTARIZE" / "_NULLIFY" / "_FINALIZE"
//! content   = varint(epoch) || varint(view) || varint(parent view) || payload (32 bytes)   ; notarize, finalize
//!           / varint(epoch) || varint(view)                                               ; nullify
//! varint    = unsigned LEB128 of a u64, shortest form
//! payload   = digest of the block's header
//! ```
//!
//! Only finalize votes prove finality. Signers are numbered by their place in the ascending list
//! of the validators' 33-byte compressed keys. A certificate holds a bitmap of signers (least
//! significant bit first) and one signature for each, in ascending order; of n validators at
//! least n - floor((n - 1) / 3) must have signed. [`finality`] turns the engine's certificate into
//! [`envelope::Finality`](sealwire_envelope::Finality), which `sealwire-receipt` verifies without
//! this crate.

mod certificate;
mod digest;
mod finality;
mod key;

pub use certificate::{Certificate, Scheme};
pub use digest::{Digest, Sm3Hasher};
pub use finality::{FinalityError, Validators, finality, verify_finality};
pub use key::{PrivateKey, PublicKey, Signature};

/// First part of the namespace of every vote, before the chain id.
pub const VOTE_NAMESPACE: &[u8] = b"sealwire vote ";

/// First part of the namespace of peers' handshakes, before the chain id.
pub const PEER_NAMESPACE: &[u8] = b"sealwire peer ";

/// `prefix || chain id`: what keeps the signatures of one consortium from another.
pub fn namespace(prefix: &[u8], chain: &sealwire_sm::Sm3Digest) -> Vec<u8> {
    [prefix, chain.as_bytes()].concat()
}
