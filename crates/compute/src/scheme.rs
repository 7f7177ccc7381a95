//! Keys, encryption and opening, over both schemes.
//!
//! ```text
//! SecretKey file = [version: 1, parameters: ParameterSet, public: digest, secret: bstr]
//! ```
//! `public` is SM3 of the public key's bytes: which key it opens for. `secret` is 32 bytes (ElGamal)
//! or N/4 bytes (BFV). The program encrypts the file; these are its plain bytes.

use std::fmt;

use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sealwire_envelope::{
    Blob, ClientId, DecodeError, TopicName,
    compute::{COMPUTE_VERSION, ComputeKey, Form, Function, ParameterSet, ReadingBody},
};
use sealwire_sm::{Sm3Digest, sm3};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    bfv::{self, Ring},
    bound::{self, BoundError},
    elgamal,
    plan::Kind,
    reading::{self, Reading},
    threshold::{self, SharingError},
};

/// Longest secret key file, in bytes.
pub const SECRET_MAX_BYTES: usize = 8 * 1024;

/// A new key: the secret half, and the bytes that are published.
#[derive(Debug)]
pub struct NewKey {
    /// For the owner alone.
    pub secret: SecretKey,
    /// Public key: 33 bytes (ElGamal), 55,328 (`bfv-add-v1`) to 221,216 (`bfv-mul-v1`).
    pub public: Vec<u8>,
    /// Evaluation key, where the parameter set multiplies: about 1 MB.
    pub evaluation: Option<Vec<u8>>,
}

/// What opens results.
pub struct SecretKey {
    set: ParameterSet,
    public: Sm3Digest,
    secret: Secret,
}

enum Secret {
    ElGamal(elgamal::Secret),
    Bfv(bfv::Secret),
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compute::SecretKey({:?}, secret)", self.set)
    }
}

/// Bytes that aren't a key, or another one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not in the format.
    #[error(transparent)]
    Format(#[from] DecodeError),
    /// A version from the future.
    #[error("key file of version {0}: this program knows version {COMPUTE_VERSION}")]
    Version(u8),
    /// Not an ElGamal key.
    #[error(transparent)]
    ElGamal(#[from] elgamal::BytesError),
    /// Not a BFV key.
    #[error(transparent)]
    Bfv(#[from] bfv::BytesError),
    /// The bytes aren't those that the ledger names.
    #[error("the {what} key has digest {found}, the compute key names {expected}")]
    Digest {
        /// Public or evaluation.
        what: &'static str,
        /// What the bytes hash to.
        found: Sm3Digest,
        /// What the compute key says.
        expected: Sm3Digest,
    },
    /// A sharing that doesn't hold together.
    #[error(transparent)]
    Sharing(#[from] SharingError),
    /// An evaluation key where there is none, or none where there is one.
    #[error("the compute key {0}")]
    Evaluation(&'static str),
}

#[derive(Encode, Decode)]
struct SecretFile {
    #[n(0)]
    version: u8,
    #[n(1)]
    parameters: ParameterSet,
    #[n(2)]
    public: Sm3Digest,
    #[cbor(n(3), with = "minicbor::bytes")]
    secret: Vec<u8>,
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Reads a file with a secret, and leaves no copy of it behind.
pub(crate) fn decode_secret<'b, T: Decode<'b, ()> + Encode<()>>(
    bytes: &'b [u8],
) -> Result<T, DecodeError> {
    let what = "secret key file";
    if bytes.len() > SECRET_MAX_BYTES {
        let (got_bytes, limit_bytes) = (bytes.len(), SECRET_MAX_BYTES);
        return Err(DecodeError::TooLong {
            what,
            got_bytes,
            limit_bytes,
        });
    }
    let value: T = minicbor::decode(bytes).map_err(|error| DecodeError::Malformed {
        what,
        detail: error.to_string(),
    })?;
    if **encode_secret(&value) == *bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical { what })
    }
}

/// The bytes of a file with a secret.
pub(crate) fn encode_secret<T: Encode<()>>(file: &T) -> Zeroizing<Vec<u8>> {
    // Never grown: growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX_BYTES));
    minicbor::encode(file, &mut *bytes).expect("writing to memory can't fail");
    bytes
}

/// Makes a key.
pub fn generate<R: CryptoRng>(set: ParameterSet, rng: &mut R) -> NewKey {
    let (secret, public, evaluation) = match Ring::of(set) {
        None => {
            let secret = elgamal::Secret::generate(rng);
            let public = secret.public().to_bytes().to_vec();
            (Secret::ElGamal(secret), public, None)
        }
        Some(ring) => {
            let secret = bfv::Secret::generate(ring, rng);
            let public = secret.public(rng);
            let evaluation = ring.numbers.multiplies.then(|| secret.evaluation(rng));
            (Secret::Bfv(secret), public, evaluation)
        }
    };
    let secret = SecretKey {
        set,
        public: sm3(&[&public]),
        secret,
    };
    NewKey {
        secret,
        public,
        evaluation,
    }
}

impl SecretKey {
    /// An ElGamal key from its scalar: what a dealer shares.
    pub fn from_elgamal(secret: elgamal::Secret) -> Self {
        Self {
            set: ParameterSet::Sm2ElgamalV1,
            public: sm3(&[&secret.public().to_bytes()]),
            secret: Secret::ElGamal(secret),
        }
    }

    /// Its parameter set.
    pub fn parameters(&self) -> ParameterSet {
        self.set
    }

    /// SM3 of its public half's bytes, as [`ComputeKey::public`] has it.
    pub fn public(&self) -> Sm3Digest {
        self.public
    }

    /// Its scalar, where it is an ElGamal key.
    pub fn elgamal(&self) -> Option<&elgamal::Secret> {
        match &self.secret {
            Secret::ElGamal(secret) => Some(secret),
            Secret::Bfv(_) => None,
        }
    }

    pub(crate) fn bfv(&self) -> Option<&bfv::Secret> {
        match &self.secret {
            Secret::ElGamal(_) => None,
            Secret::Bfv(secret) => Some(secret),
        }
    }

    /// The bytes of its file.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let secret = match &self.secret {
            Secret::ElGamal(secret) => secret.expose().to_vec(),
            Secret::Bfv(secret) => secret.to_bytes().to_vec(),
        };
        let file = SecretFile {
            version: COMPUTE_VERSION,
            parameters: self.set,
            public: self.public,
            secret,
        };
        encode_secret(&file)
    }

    /// Reads what [`SecretKey::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes aren't exactly that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let file: SecretFile = decode_secret(bytes)?;
        if file.version != COMPUTE_VERSION {
            return Err(KeyError::Version(file.version));
        }
        let secret = match Ring::of(file.parameters) {
            None => Secret::ElGamal(elgamal::Secret::from_bytes(&file.secret)?),
            Some(ring) => Secret::Bfv(bfv::Secret::from_bytes(ring, &file.secret)?),
        };
        let (set, public) = (file.parameters, file.public);
        Ok(Self {
            set,
            public,
            secret,
        })
    }
}

/// Checks that bytes are the public key that a compute key names, in the format, and that a shared
/// key's holders have shares of it ([`threshold::check_sharing`]).
///
/// # Errors
/// When they aren't.
pub fn check_public(key: &ComputeKey, public: &[u8]) -> Result<(), KeyError> {
    Encryptor::new(key, public)?;
    Ok(threshold::check_sharing(key, public)?)
}

/// Checks that bytes are the evaluation key that a compute key names (none where it names none), and
/// in the format.
///
/// # Errors
/// When they aren't.
pub fn check_evaluation(key: &ComputeKey, evaluation: Option<&[u8]>) -> Result<(), KeyError> {
    read_evaluation(key, evaluation).map(|_| ())
}

/// Checks that bytes are one ciphertext of a parameter set, in its one encoding: what a gateway can
/// say of a reading when it comes in.
///
/// # Errors
/// When they aren't.
pub fn check_ciphertext(set: ParameterSet, bytes: &[u8]) -> Result<(), KeyError> {
    match Ring::of(set) {
        None => elgamal::Ciphertext::from_bytes(bytes).map(|_| ())?,
        Some(ring) => bfv::Ciphertext::from_bytes(ring, bytes).map(|_| ())?,
    }
    Ok(())
}

/// Whether a function is computed with an evaluation key: whether it multiplies ciphertexts.
pub fn needs_evaluation_key(key: &ComputeKey, function: &Function) -> bool {
    Ring::of(key.parameters).is_some_and(|ring| ring.numbers.multiplies)
        && matches!(Kind::of(function), Kind::Variance | Kind::Dot | Kind::Count)
}

pub(crate) fn read_evaluation(
    key: &ComputeKey,
    evaluation: Option<&[u8]>,
) -> Result<Option<bfv::Evaluation>, KeyError> {
    let multiplies = Ring::of(key.parameters).filter(|ring| ring.numbers.multiplies);
    match (multiplies, key.evaluation, evaluation) {
        (None, None, None) => Ok(None),
        (Some(ring), Some(expected), Some(bytes)) => {
            check_digest("evaluation", bytes, expected)?;
            Ok(Some(bfv::Evaluation::from_bytes(ring, bytes)?))
        }
        (None, ..) => Err(KeyError::Evaluation(
            "has parameters without an evaluation key",
        )),
        (Some(_), ..) => Err(KeyError::Evaluation(
            "needs an evaluation key: it must name one and it must be given",
        )),
    }
}

fn check_digest(what: &'static str, bytes: &[u8], expected: Sm3Digest) -> Result<(), KeyError> {
    let found = sm3(&[bytes]);
    if found == expected {
        Ok(())
    } else {
        Err(KeyError::Digest {
            what,
            found,
            expected,
        })
    }
}

/// What a device has: it encrypts readings and can't open any.
pub struct Encryptor {
    key: ComputeKey,
    public: Public,
}

enum Public {
    ElGamal(elgamal::Public),
    Bfv(&'static Ring, Box<bfv::Public>),
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encryptor({})", self.key.id())
    }
}

/// Readings that can't be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The form doesn't fit the key.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// No readings, or too many.
    #[error("{0} readings in a batch: at least 1, at most {BATCH_MAX}")]
    Count(usize),
    /// Too little room.
    #[error(
        "a message of {limit_bytes} bytes has no room for a ciphertext of {ciphertext_bytes} bytes and {overhead_bytes} bytes around it"
    )]
    Limit {
        /// The largest message.
        limit_bytes: usize,
        /// One ciphertext.
        ciphertext_bytes: usize,
        /// What is around it.
        overhead_bytes: usize,
    },
    /// More parts than a batch can have.
    #[error(
        "the batch would have {0} parts, a batch has at most 65,535: encrypt fewer readings at once"
    )]
    Parts(usize),
}

/// Most readings of a batch.
pub const BATCH_MAX: usize = 1 << 20;

/// Where a batch comes from and goes to.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The topic that it is published on.
    pub topic: TopicName,
    /// Who publishes it.
    pub sender: ClientId,
    /// The sequence of its first part; each further part takes the next.
    pub sequence: u64,
}

impl Encryptor {
    /// For a compute key and the bytes of its public key.
    ///
    /// # Errors
    /// When they aren't the bytes that the compute key names, or not a public key.
    pub fn new(key: &ComputeKey, public: &[u8]) -> Result<Self, KeyError> {
        check_digest("public", public, key.public)?;
        let public = match Ring::of(key.parameters) {
            None => Public::ElGamal(elgamal::Public::from_bytes(public)?),
            Some(ring) => Public::Bfv(ring, Box::new(bfv::Public::from_bytes(ring, public)?)),
        };
        let key = key.clone();
        Ok(Self { key, public })
    }

    /// Encrypts a batch of readings: for each group of readings that share slots (for each reading,
    /// in ElGamal), one ciphertext for each item of the form.
    ///
    /// # Errors
    /// When the form doesn't fit the key, or there are no readings or too many.
    pub fn encrypt<R: CryptoRng>(
        &self,
        form: Form,
        readings: &[Reading],
        rng: &mut R,
    ) -> Result<Vec<Blob>, EncryptError> {
        let spec = &self.key.readings;
        bound::check_form(self.key.parameters, spec, form)?;
        if readings.is_empty() || readings.len() > BATCH_MAX {
            return Err(EncryptError::Count(readings.len()));
        }
        let mut ciphertexts = Vec::new();
        match &self.public {
            Public::ElGamal(public) => {
                // So many at a time share an inversion.
                for chunk in readings.chunks(256) {
                    let count = chunk.len() * reading::items(form, spec);
                    let mut numbers = Zeroizing::new(Vec::with_capacity(count));
                    for reading in chunk {
                        numbers.extend_from_slice(&reading.numbers(form, spec));
                    }
                    let encrypted = public.encrypt(&numbers, rng);
                    ciphertexts.extend(encrypted.iter().map(|bytes| Blob(bytes.to_vec())));
                }
            }
            Public::Bfv(ring, public) => {
                for group in readings.chunks(ring.numbers.n) {
                    let numbers: Vec<_> = group.iter().map(|r| r.numbers(form, spec)).collect();
                    for item in 0..reading::items(form, spec) {
                        let values: Zeroizing<Vec<i64>> =
                            Zeroizing::new(numbers.iter().map(|numbers| numbers[item]).collect());
                        ciphertexts.push(Blob(public.encrypt(&values, rng).to_bytes(ring)));
                    }
                }
            }
        }
        Ok(ciphertexts)
    }

    /// Encrypts a batch and splits it into parts whose signed messages have at most `limit_bytes`.
    ///
    /// # Errors
    /// As [`Encryptor::encrypt`], and when not one ciphertext fits into a message.
    pub fn batch<R: CryptoRng>(
        &self,
        origin: &Origin,
        form: Form,
        readings: &[Reading],
        limit_bytes: usize,
        rng: &mut R,
    ) -> Result<Vec<ReadingBody>, EncryptError> {
        // CBOR's heads of a byte string, at most 5 bytes; names, digests, numbers: see the formats.
        let overhead_bytes = 256 + origin.topic.as_str().len() + origin.sender.as_str().len();
        let ciphertexts = self.encrypt(form, readings, rng)?;
        let ciphertext_bytes = ciphertexts[0].len() + 5;
        let per_part = limit_bytes.saturating_sub(overhead_bytes) / ciphertext_bytes;
        if per_part == 0 {
            return Err(EncryptError::Limit {
                limit_bytes,
                ciphertext_bytes,
                overhead_bytes,
            });
        }
        let count = ciphertexts.len().div_ceil(per_part);
        let parts = u16::try_from(count).map_err(|_| EncryptError::Parts(count))?;
        let id = self.key.id();
        let bodies = ciphertexts
            .chunks(per_part)
            .zip(0..)
            .map(|(chunk, part): (_, u16)| ReadingBody {
                version: COMPUTE_VERSION,
                topic: origin.topic.clone(),
                sender: origin.sender.clone(),
                sequence: origin.sequence + u64::from(part),
                key: id,
                form,
                batch: origin.sequence,
                part,
                parts,
                count: readings.len() as u32,
                ciphertexts: chunk.to_vec(),
            });
        Ok(bodies.collect())
    }
}

/// Ciphertexts of a scheme, as the evaluator adds them.
pub(crate) trait Scheme: Sync {
    /// A ciphertext.
    type Ciphertext: Clone + Send + Sync;

    /// Reads one, exactly.
    fn read(&self, bytes: &[u8]) -> Option<Self::Ciphertext>;
    /// Of zeros.
    fn zero(&self) -> Self::Ciphertext;
    /// Sum.
    fn sum(&self, ciphertexts: &[&Self::Ciphertext]) -> Self::Ciphertext;
    /// `a[i] += b[i]`.
    fn add_each(&self, a: &mut [Self::Ciphertext], b: &[Self::Ciphertext]);
    /// Each times a public number.
    fn multiply(&self, ciphertexts: &mut [Self::Ciphertext], factor: i64);
    /// Each plus a public number.
    fn add_number(&self, ciphertexts: &mut [Self::Ciphertext], number: i64);
    /// The bytes of a result of which all slots are wanted.
    fn whole(&self, ciphertext: &Self::Ciphertext) -> Vec<u8>;
    /// The bytes of a result of which the sum over the slots is wanted.
    fn total(&self, ciphertext: Self::Ciphertext) -> Vec<u8>;
}

#[derive(Clone, Copy)]
pub(crate) struct ElGamal;

impl Scheme for ElGamal {
    type Ciphertext = elgamal::Ciphertext;

    fn read(&self, bytes: &[u8]) -> Option<Self::Ciphertext> {
        elgamal::Ciphertext::from_bytes(bytes).ok()
    }
    fn zero(&self) -> Self::Ciphertext {
        elgamal::Ciphertext::ZERO
    }
    fn sum(&self, ciphertexts: &[&Self::Ciphertext]) -> Self::Ciphertext {
        let owned: Vec<_> = ciphertexts.iter().map(|c| **c).collect();
        elgamal::sum(&owned)
    }
    fn add_each(&self, a: &mut [Self::Ciphertext], b: &[Self::Ciphertext]) {
        let sums = elgamal::add_each(a, b);
        a.copy_from_slice(&sums);
    }
    fn multiply(&self, ciphertexts: &mut [Self::Ciphertext], factor: i64) {
        let products: Vec<_> = ciphertexts
            .par_chunks(512)
            .flat_map_iter(|chunk| elgamal::multiply_all(chunk, factor))
            .collect();
        ciphertexts.copy_from_slice(&products);
    }
    fn add_number(&self, ciphertexts: &mut [Self::Ciphertext], number: i64) {
        let sums = elgamal::add_number(ciphertexts, number);
        ciphertexts.copy_from_slice(&sums);
    }
    fn whole(&self, ciphertext: &Self::Ciphertext) -> Vec<u8> {
        ciphertext.to_bytes().to_vec()
    }
    fn total(&self, ciphertext: Self::Ciphertext) -> Vec<u8> {
        ciphertext.to_bytes().to_vec()
    }
}

impl Scheme for &'static Ring {
    type Ciphertext = bfv::Ciphertext;

    fn read(&self, bytes: &[u8]) -> Option<Self::Ciphertext> {
        bfv::Ciphertext::from_bytes(self, bytes).ok()
    }
    fn zero(&self) -> Self::Ciphertext {
        bfv::Ciphertext::zero(self)
    }
    fn sum(&self, ciphertexts: &[&Self::Ciphertext]) -> Self::Ciphertext {
        let mut sum = self.zero();
        for ciphertext in ciphertexts {
            sum.add(ciphertext, self);
        }
        sum
    }
    fn add_each(&self, a: &mut [Self::Ciphertext], b: &[Self::Ciphertext]) {
        for (a, b) in a.iter_mut().zip(b) {
            a.add(b, self);
        }
    }
    fn multiply(&self, ciphertexts: &mut [Self::Ciphertext], factor: i64) {
        for ciphertext in ciphertexts {
            ciphertext.multiply(factor, self);
        }
    }
    fn add_number(&self, ciphertexts: &mut [Self::Ciphertext], number: i64) {
        for ciphertext in ciphertexts {
            ciphertext.add_number(number, self);
        }
    }
    fn whole(&self, ciphertext: &Self::Ciphertext) -> Vec<u8> {
        ciphertext.to_bytes(self)
    }
    fn total(&self, ciphertext: Self::Ciphertext) -> Vec<u8> {
        ciphertext.total(self).to_bytes(self)
    }
}
