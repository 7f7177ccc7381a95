//! Computation on encrypted readings: keys, readings, jobs, evaluations, opening shares.
//!
//! ```text
//! ComputeKey    = [version: 1, owner: tstr, parameters: ParameterSet, readings: ReadingSpec,
//!                  public: digest, evaluation: digest / null, sharing: Sharing / null]
//! compute key id = SM3("sealwire compute key" || CBOR of ComputeKey)
//! ReadingBody   = [version: 1, topic: tstr, sender: tstr, sequence: uint, key: digest, form: Form,
//!                  batch: uint, part: uint, parts: uint, count: uint, ciphertexts: [+ bstr]]
//! SignedReading = [body: ReadingBody, signature: bstr .size 64]
//! signature     = SM2 over "sealwire-reading-v1" || 0x00 || CBOR of body
//! ComputeJob    = [version: 1, key: digest, function: Function, inputs: [+ JobInput]]
//! Evaluation    = [version: 1, evaluator: uint, job: ComputeJob, height: uint,
//!                  inputs: [+ InputDigest], requester: tstr, request: digest, gateway: tstr,
//!                  result: digest, time_ms: uint]
//! evaluation id = SM3("sealwire evaluation" || CBOR of Evaluation)
//! Computed      = [evaluation: Evaluation, ciphertexts: [* bstr]]
//! result        = SM3("sealwire result" || CBOR of ciphertexts)
//! OpeningShare  = [version: 1, evaluation: digest, holder: uint, parts: [+ SharePart]]
//! StandingJob   = [version: 1, key: digest, function: Function, topics: [+ tstr], every_s: uint,
//!                  over_s: uint, publish: tstr]
//! job id        = SM3 of the signed request; of a standing job's run:
//!                 SM3("sealwire standing run" || standing id || end_ms: 8 bytes, big-endian)
//! standing id   = SM3 of the signed request
//! ```
//!
//! Actors: the *owner* makes a compute key and keeps its secret half; *devices* encrypt readings to
//! the public half and publish them on **open** topics (a gateway must see the ciphertexts to compute
//! on them); the *requester* has the right `compute` on every input topic; the *gateway* evaluates
//! over its anchored packages; the ledger holds the evaluation; only the owner, or enough holders of
//! shares of its key, opens the result, and what they see never goes back to the gateway.
//!
//! Which messages a job takes follows from the job, the ledger's state after block `height`, and the
//! gateway alone: for each input the packages of its topic that this gateway had anchored by then,
//! whose time range meets the input's, ordered by (`from_ms`, package id), of them the messages with
//! `from_ms <= received_ms < to_ms` whose payload is a [`SignedReading`] under the job's key, by the
//! client that published the message, signed with a key that the ledger had certified for it by then,
//! in the order of the archive. Anyone who has the packages can therefore evaluate again and compare
//! the bytes.
//!
//! [`service`] has what a gateway is asked over HTTP, and what it answers.

pub mod service;

use minicbor::{Decode, Encode};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, Sm3Digest, key::VerifyError, sm3};
use serde::{Deserialize, Serialize};

use crate::{
    codec::{Blob, DecodeError, decode_bounded, encode},
    id::{ClientId, ComputeKeyId, EvaluationId},
    topic::TopicName,
};

/// Version of the formats of this module.
pub const COMPUTE_VERSION: u8 = 1;
/// Most inputs (topics with a time range) of one job.
pub const INPUTS_MAX: usize = 64;
/// Most inner edges of a histogram's bins; there is one bin more.
pub const EDGES_MAX: usize = 63;
/// Most decimals of a reading or a weight.
pub const DECIMALS_MAX: u8 = 9;
/// Longest unit, in bytes of UTF-8.
pub const UNIT_MAX_BYTES: usize = 16;
/// Most holders of a shared key.
pub const HOLDERS_MAX: usize = 100;
/// Longest evaluated result that a program reads, in bytes.
pub const COMPUTED_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Longest opening share that a program reads, in bytes.
pub const SHARE_MAX_BYTES: usize = 1024 * 1024;

/// A scheme with its parameters: frozen, at least 128 bits of security. Numbers are for ever.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterSet {
    /// Exponential ElGamal on the SM2 curve (ISO/IEC 18033-6): 66 bytes a ciphertext, additive,
    /// results below 2^40.
    #[n(1)]
    Sm2ElgamalV1,
    /// BFV, N = 4,096: additive, 4,096 readings a ciphertext.
    #[n(2)]
    BfvAddV1,
    /// BFV, N = 8,192, large plaintexts: one multiplication.
    #[n(3)]
    BfvMulV1,
    /// BFV, N = 8,192, small plaintexts: comparisons bit by bit.
    #[n(4)]
    BfvBitsV1,
}

/// What readings under a key are: fixed-point numbers between two bounds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ReadingSpec {
    /// Digits after the point: a reading `x` is encrypted as `x * 10^decimals`, at most
    /// [`DECIMALS_MAX`].
    #[n(0)]
    pub decimals: u8,
    /// Smallest reading, times `10^decimals`.
    #[n(1)]
    pub min: i64,
    /// Largest reading, times `10^decimals`.
    #[n(2)]
    pub max: i64,
    /// Inner edges of a histogram's bins, times `10^decimals`, rising, within the bounds: bin `i` is
    /// from edge `i - 1` (included) to edge `i` (excluded). At most [`EDGES_MAX`].
    #[n(3)]
    pub edges: Vec<i64>,
    /// The unit for people, such as `°C`; at most [`UNIT_MAX_BYTES`].
    #[n(4)]
    pub unit: String,
}

/// Who holds shares of a key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Sharing {
    /// So many holders together open a result.
    #[n(0)]
    pub threshold: u16,
    /// The holders; the share of the first is number 1.
    #[n(1)]
    pub holders: Vec<Holder>,
}

/// One holder of a share.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Holder {
    /// Who.
    #[n(0)]
    pub client: ClientId,
    /// Its share's public half: a wrong opening share is told by it.
    #[n(1)]
    pub share: PublicKey,
}

/// A key that readings are encrypted to, as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ComputeKey {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Who has the secret half, or had it shared.
    #[n(1)]
    pub owner: ClientId,
    /// Scheme and parameters.
    #[n(2)]
    pub parameters: ParameterSet,
    /// What is encrypted under it.
    #[n(3)]
    pub readings: ReadingSpec,
    /// SM3 of the public key's bytes.
    #[n(4)]
    pub public: Sm3Digest,
    /// SM3 of the evaluation key's bytes; none where the parameter set has none.
    #[n(5)]
    pub evaluation: Option<Sm3Digest>,
    /// Who holds its shares; none where its owner holds it whole.
    #[n(6)]
    pub sharing: Option<Sharing>,
}

impl ComputeKey {
    /// What it is known by.
    pub fn id(&self) -> ComputeKeyId {
        ComputeKeyId(sm3(&[b"sealwire compute key", &encode(self)]))
    }
}

/// What a device encrypts of a reading.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Its value.
    #[n(0)]
    Value,
    /// Its value and its value's square: variance by an additive scheme.
    #[n(1)]
    Moments,
    /// Its value above the smallest, bit by bit, the lowest first.
    #[n(2)]
    Bits,
    /// A one in its bin and zeros in the others.
    #[n(3)]
    OneHot,
}

/// Encrypted readings, or a part of them, as a device publishes them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReadingBody {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// To which topic: the message counts on no other.
    #[n(1)]
    pub topic: TopicName,
    /// By whom.
    #[n(2)]
    pub sender: ClientId,
    /// The sender's own count of messages.
    #[n(3)]
    pub sequence: u64,
    /// Under which key.
    #[n(4)]
    pub key: ComputeKeyId,
    /// What is encrypted of each reading.
    #[n(5)]
    pub form: Form,
    /// Which batch of readings of this sender this is (a part of): the sequence of its first part.
    #[n(6)]
    pub batch: u64,
    /// Which part of the batch, from 0: what doesn't fit into one MQTT message comes in several.
    #[n(7)]
    pub part: u16,
    /// How many parts the batch has.
    #[n(8)]
    pub parts: u16,
    /// How many readings the batch has.
    #[n(9)]
    pub count: u32,
    /// The ciphertexts of this part, in the order of the scheme.
    #[n(10)]
    pub ciphertexts: Vec<Blob>,
}

/// Encrypted readings that their device signed: the payload of an MQTT message on an open topic.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignedReading {
    /// What is signed.
    #[n(0)]
    pub body: ReadingBody,
    /// The sender's signature.
    #[n(1)]
    pub signature: Signature,
}

impl SignedReading {
    /// Signs `body`.
    pub fn sign(body: ReadingBody, key: &SecretKey) -> Self {
        let signature = key.sign(Domain::READING, &encode(&body));
        Self { body, signature }
    }

    /// Checks the signature; whether `key` is the sender's is for the caller to know.
    ///
    /// # Errors
    /// When the signature isn't over exactly this body by `key`.
    pub fn verify(&self, key: &PublicKey) -> Result<(), VerifyError> {
        key.verify(Domain::READING, &encode(&self.body), &self.signature)
    }

    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`SignedReading::to_bytes`] wrote.
    ///
    /// # Errors
    /// When there are more than `limit_bytes`, or they aren't one signed reading.
    pub fn from_bytes(bytes: &[u8], limit_bytes: usize) -> Result<Self, DecodeError> {
        decode_bounded(bytes, limit_bytes)
    }
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "kebab-case")]
pub enum Function {
    /// The sum of all readings of all inputs.
    #[n(0)]
    Sum,
    /// Their mean; the owner divides.
    #[n(1)]
    Mean,
    /// The sum over the inputs of weight times the sum of the input's readings.
    #[n(2)]
    WeightedSum(#[n(0)] Weights),
    /// For the i-th reading of every input together: the weighted sum of the inputs' readings, plus a
    /// constant. The inputs have equally many readings.
    #[n(3)]
    Linear(#[n(0)] Weights),
    /// The variance of all readings of all inputs; the owner divides.
    #[n(4)]
    Variance,
    /// The standard deviation; the owner takes the root.
    #[n(5)]
    Deviation,
    /// The sum over i of the i-th reading of the first input times that of the second.
    #[n(6)]
    Dot,
    /// How many readings are above a threshold.
    #[n(7)]
    CountOver(#[n(0)] Threshold),
    /// How many readings are in each bin.
    #[n(8)]
    Histogram,
    /// The bins of the smallest and of the largest reading.
    #[n(9)]
    Range,
}

/// Public weights of inputs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Weights {
    /// One for each input, times `10^decimals`.
    #[n(0)]
    pub weights: Vec<i64>,
    /// Digits after the point of the weights, at most [`DECIMALS_MAX`].
    #[n(1)]
    pub decimals: u8,
    /// What is added in the end, times `10^(decimals of weights + decimals of readings)`.
    #[n(2)]
    pub intercept: i64,
}

/// A public threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Threshold {
    /// Times `10^decimals` of the readings.
    #[n(0)]
    pub threshold: i64,
}

/// The readings of a topic in a time range.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct JobInput {
    /// Which topic.
    #[n(0)]
    pub topic: TopicName,
    /// Received not before, milliseconds since 1970.
    #[n(1)]
    pub from_ms: u64,
    /// Received before, milliseconds since 1970.
    #[n(2)]
    pub to_ms: u64,
}

/// What is asked of a gateway.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ComputeJob {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Under which key the readings are.
    #[n(1)]
    pub key: ComputeKeyId,
    /// What to compute.
    #[n(2)]
    pub function: Function,
    /// Over what; 1 to [`INPUTS_MAX`], each topic once.
    #[n(3)]
    pub inputs: Vec<JobInput>,
}

/// What an input of a job turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct InputDigest {
    /// How many packages.
    #[n(0)]
    pub packages: u64,
    /// SM3 Merkle root (as of a package's messages) over the packages' ids, in order; over nothing
    /// where there are none.
    #[n(1)]
    pub root: Sm3Digest,
    /// How many readings were taken of them.
    #[n(2)]
    pub readings: u64,
}

/// What the ledger holds of a computation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Evaluation {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Version of the evaluator: the same evaluator comes to the same bytes.
    #[n(1)]
    pub evaluator: u16,
    /// What was asked.
    #[n(2)]
    pub job: ComputeJob,
    /// Over the packages that the executing gateway had anchored in blocks up to this height.
    #[n(3)]
    pub height: u64,
    /// What each of the job's inputs turned out to be.
    #[n(4)]
    pub inputs: Vec<InputDigest>,
    /// Who asked.
    #[n(5)]
    pub requester: ClientId,
    /// SM3 of the signed request: the requester can't deny it.
    #[n(6)]
    pub request: Sm3Digest,
    /// Who evaluated: only this gateway can log it, so nobody else can log it first.
    #[n(7)]
    pub gateway: ClientId,
    /// Digest of the result's ciphertexts ([`result_digest`]).
    #[n(8)]
    pub result: Sm3Digest,
    /// When, milliseconds since 1970, by the gateway's clock.
    #[n(9)]
    pub time_ms: u64,
}

impl Evaluation {
    /// What it is known by.
    pub fn id(&self) -> EvaluationId {
        EvaluationId(sm3(&[b"sealwire evaluation", &encode(self)]))
    }
}

/// Digest of a result's ciphertexts.
pub fn result_digest(ciphertexts: &Vec<Blob>) -> Sm3Digest {
    sm3(&[b"sealwire result", &encode(ciphertexts)])
}

/// An evaluation with its encrypted result: what a requester gets and the owner opens.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Computed {
    /// What was computed.
    #[n(0)]
    pub evaluation: Evaluation,
    /// The result.
    #[n(1)]
    pub ciphertexts: Vec<Blob>,
}

/// A holder's part in opening a result under a shared key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OpeningShare {
    /// [`COMPUTE_VERSION`].
    #[n(0)]
    pub version: u8,
    /// Of which evaluation.
    #[n(1)]
    pub evaluation: EvaluationId,
    /// The holder's number, from 1.
    #[n(2)]
    pub holder: u16,
    /// One for each ciphertext of the result.
    #[n(3)]
    pub parts: Vec<SharePart>,
}

/// A partial decryption with the proof that it is one (Chaum–Pedersen, made non-interactive with SM3).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SharePart {
    /// Share times the ciphertext's first point, SEC1 compressed.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub point: [u8; 33],
    /// The challenge.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub challenge: [u8; 32],
    /// The response.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub response: [u8; 32],
}
