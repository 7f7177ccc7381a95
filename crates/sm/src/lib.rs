//! Sign, encrypt and certify with SM2, SM3 and SM4.
//!
//! Everything cryptographic that Sealwire does goes through this crate, so that one place says
//! which standard, which identity string and which encoding is in force:
//!
//! | Part | Standard | Here |
//! |---|---|---|
//! | Digest | GB/T 32905-2016 (SM3) | [`digest`] |
//! | Signature | GB/T 32918.2-2016 (SM2), nonces after RFC 6979 over SM3 | [`key`] |
//! | Public-key encryption | GB/T 32918.4-2016 (SM2), C1C3C2 | [`key`] |
//! | Signature under a protocol's own identifier | GB/T 32918.2-2016 §5.5 | [`identified`] |
//! | Key agreement | ECDHE over curveSM2 (RFC 8998 §3.3.2) | [`agree`] |
//! | Cipher | GB/T 32907-2016 (SM4) in GCM (RFC 8998 §2) | [`sm4`] |
//! | Cipher for records | SM4 in GCM and CCM (RFC 8998 §2) | [`record`] |
//! | Certificates | X.509 v3 (RFC 5280), SM2-with-SM3 (GB/T 33560, OID 1.2.156.10197.1.501) | [`cert`] |
//! | Certificate requests | PKCS#10 (RFC 2986), SM2-with-SM3 | [`csr`] |
//! | Key files | PKCS#8 (RFC 5958), PEM | [`keyfile`] |
//! | Files with other secrets | PEM; PBES2 (RFC 8018) | [`sealed`] |
//!
//! The crate is pure: it has no clock and no random source of its own (a random source is passed
//! in), and the only I/O is reading and writing key files.
//!
//! # Invariants
//! - A signature is a function of key, domain and message: no randomness, so that a validator
//!   that restarts can't sign two different votes by accident.
//! - A signature made in one [`Domain`] never verifies in another.
//! - A secret key is in \[1, n-2\] (GB/T 32918.2 §6.1); n-1 is refused, it would divide by zero.
//! - Secret bytes are zeroised when dropped, and no `Debug` prints them.

pub mod agree;
pub mod cert;
pub mod csr;
pub mod digest;
pub mod identified;
mod intern;
pub mod key;
pub mod keyfile;
pub mod record;
pub mod sealed;
pub mod sm4;
mod verify;

pub use cert::{Certificate, Role};
pub use csr::Request;
pub use digest::{Sm3Digest, Sm3Hasher, hmac_sm3, sm3};
pub use key::{Domain, PublicKey, SecretKey, Signature};
