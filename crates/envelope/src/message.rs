//! The message: encrypted for the topic's readers, signed by the device inside.
//!
//! ```text
//! payload   = COSE_Encrypt0, untagged (RFC 9052 §5.2)
//!   protected    {1: -65604 (SM4-GCM), 4: key epoch (4 bytes, big-endian),
//!                 -70001: sender (tstr), -70002: sequence (uint)}
//!   unprotected  {}
//!   ciphertext   SM4-GCM (RFC 8998 §2), tag of 16 bytes
//!   external aad CBOR of topic (tstr)
//! nonce     = first 6 bytes of SM3("sealwire nonce" || sender) || sequence (6 bytes, big-endian)
//! plaintext = COSE_Sign1, untagged (RFC 9052 §4.2)
//!   protected    {1: -65603 (SM2 with SM3), 3: content type (tstr)}
//!   unprotected  {}
//!   payload      the content, as it is
//!   signature    r || s over Sig_structure, in domain "sealwire-message-v1"
//!   external aad CBOR [topic, sender, epoch, sequence]
//! ```
//!
//! The algorithm numbers are of COSE's private use range (RFC 9052 §11.2: below -65536). The nonce
//! isn't sent: it follows from sender and sequence. A sender must never use a sequence twice under
//! one key epoch, restarts included; the `client` crate sees to it.
//!
//! Topic, sender, epoch and sequence are bound twice: as GCM's associated data, so that who has no
//! key can't move a message, and under the signature, so that a reader (who has the key) can't
//! pass its own message off as the device's.

use coset::{
    CborSerializable as _, CoseEncrypt0, CoseEncrypt0Builder, CoseSign1, CoseSign1Builder, Header,
    HeaderBuilder, Label, ProtectedHeader, RegisteredLabelWithPrivate, cbor::value::Value,
};
use sealwire_sm::{Domain, PublicKey, SecretKey, Signature, sm3, sm4};
use zeroize::Zeroizing;

use crate::{
    codec::encode,
    id::{ClientId, KeyEpoch},
    topic::TopicName,
};

/// SM4-GCM, in COSE's private use range.
pub const ALG_SM4_GCM: i64 = -65604;
/// SM2 with SM3, in COSE's private use range.
pub const ALG_SM2: i64 = -65603;
/// Header label of the sender.
pub const LABEL_SENDER: i64 = -70001;
/// Header label of the sequence.
pub const LABEL_SEQUENCE: i64 = -70002;
/// Sequences are below this: 48 bits.
pub const SEQUENCE_END: u64 = 1 << 48;
/// Content type unless one is given: SenML (RFC 8428).
pub const CONTENT_TYPE_DEFAULT: &str = "application/senml+json";
/// How much longer a payload is than its content, at most, in bytes.
pub const OVERHEAD_MAX_BYTES: usize = 512;

/// A payload isn't a message, or not one for this reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not a COSE_Encrypt0 of this form.
    #[error("payload isn't a Sealwire message (COSE_Encrypt0 with SM4-GCM): {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// The key doesn't open it: wrong epoch's key, wrong topic, or changed on the way.
    #[error("message doesn't open: wrong key or topic, or it was changed on the way")]
    Sealed,
    /// The content isn't signed by its sender.
    #[error("message isn't signed by {sender}")]
    Signature {
        /// The sender it names.
        sender: ClientId,
    },
    /// The sequence doesn't fit 48 bits.
    #[error("sequence {sequence} is out of range: rotate the topic's key")]
    SequenceExhausted {
        /// The sequence.
        sequence: u64,
    },
}

fn malformed(detail: impl std::fmt::Display) -> MessageError {
    MessageError::Malformed {
        detail: detail.to_string(),
    }
}

/// What a gateway can read of a message: all but the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHeader {
    /// Under which of the topic's keys.
    pub epoch: KeyEpoch,
    /// By whom.
    pub sender: ClientId,
    /// The sender's own count.
    pub sequence: u64,
}

/// What a reader gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// What a gateway can read too.
    pub header: MessageHeader,
    /// What the content is (RFC 6838).
    pub content_type: String,
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Opened({:?}, {}, {} bytes)",
            self.header,
            self.content_type,
            self.content.len()
        )
    }
}

/// Signs and encrypts `content` for `topic`.
///
/// # Errors
/// When the sequence is [`SEQUENCE_END`] or more.
pub fn seal(
    topic: &TopicName,
    header: &MessageHeader,
    topic_key: &sm4::Key,
    device_key: &SecretKey,
    content_type: &str,
    content: &[u8],
) -> Result<Vec<u8>, MessageError> {
    if header.sequence >= SEQUENCE_END {
        return Err(MessageError::SequenceExhausted {
            sequence: header.sequence,
        });
    }
    let signed = CoseSign1Builder::new()
        .protected(
            HeaderBuilder::new()
                .content_type(content_type.to_owned())
                .build_with_algorithm(ALG_SM2),
        )
        .payload(content.to_vec())
        .create_signature(&inner_aad(topic, header), |bytes| {
            device_key.sign(Domain::MESSAGE, bytes).0.to_vec()
        })
        .build();
    let plaintext = Zeroizing::new(signed.to_vec().map_err(malformed)?);
    let protected = HeaderBuilder::new()
        .key_id(header.epoch.0.to_be_bytes().to_vec())
        .value(LABEL_SENDER, Value::Text(header.sender.to_string()))
        .value(LABEL_SEQUENCE, Value::Integer(header.sequence.into()))
        .build_with_algorithm(ALG_SM4_GCM);
    let encrypted = CoseEncrypt0Builder::new()
        .protected(protected)
        .create_ciphertext(&plaintext, &encode(topic), |plaintext, aad| {
            topic_key.seal(&nonce(header), aad, plaintext)
        })
        .build();
    encrypted.to_vec().map_err(malformed)
}

/// Reads a message's header; needs no key and checks no signature.
///
/// # Errors
/// When the payload isn't a message.
pub fn inspect(payload: &[u8]) -> Result<MessageHeader, MessageError> {
    parse(payload).map(|(header, _)| header)
}

/// Decrypts a message and checks who signed it.
///
/// `sender_key` finds a sender's public key, from its certificate on the ledger.
///
/// # Errors
/// When the payload isn't a message, the key doesn't open it, the sender is unknown, or the
/// content isn't signed by it.
pub fn open(
    topic: &TopicName,
    topic_key: &sm4::Key,
    payload: &[u8],
    sender_key: impl FnOnce(&ClientId) -> Option<PublicKey>,
) -> Result<Opened, MessageError> {
    let (header, encrypted) = parse(payload)?;
    let plaintext = encrypted
        .decrypt_ciphertext(
            &encode(topic),
            || MessageError::Sealed,
            |ciphertext, aad| {
                topic_key
                    .open(&nonce(&header), aad, ciphertext)
                    .map(|mut plain| std::mem::take(&mut *plain))
                    .map_err(|_| MessageError::Sealed)
            },
        )
        .map(Zeroizing::new)?;
    let mut signed = CoseSign1::from_slice(&plaintext).map_err(malformed)?;
    expect_algorithm(&signed.protected.header, ALG_SM2)?;
    let unsigned = || MessageError::Signature {
        sender: header.sender.clone(),
    };
    let key = sender_key(&header.sender).ok_or_else(unsigned)?;
    signed.verify_signature(&inner_aad(topic, &header), |signature, bytes| {
        let signature = signature.try_into().map_err(|_| unsigned())?;
        key.verify(Domain::MESSAGE, bytes, &Signature(signature))
            .map_err(|_| unsigned())
    })?;
    let content_type = match &signed.protected.header.content_type {
        Some(coset::ContentType::Text(text)) => text.clone(),
        _ => return Err(malformed("the content type is missing")),
    };
    let content = signed
        .payload
        .take()
        .ok_or_else(|| malformed("the content is missing"))?;
    Ok(Opened {
        header,
        content_type,
        content: Zeroizing::new(content),
    })
}

fn parse(payload: &[u8]) -> Result<(MessageHeader, CoseEncrypt0), MessageError> {
    let encrypted = CoseEncrypt0::from_slice(payload).map_err(malformed)?;
    // Exactly one encoding, so that a message has one digest.
    if encrypted.clone().to_vec().map_err(malformed)? != payload {
        return Err(malformed("not in deterministic CBOR"));
    }
    if !encrypted.unprotected.is_empty() {
        return Err(malformed("unprotected headers aren't allowed"));
    }
    let ProtectedHeader { header, .. } = &encrypted.protected;
    expect_algorithm(header, ALG_SM4_GCM)?;
    let epoch = <[u8; 4]>::try_from(header.key_id.as_slice())
        .map_err(|_| malformed("the key id must be the key epoch in 4 bytes"))?;
    let rest = |label| {
        header
            .rest
            .iter()
            .find(|(l, _)| *l == Label::Int(label))
            .map(|(_, value)| value)
    };
    let sender = rest(LABEL_SENDER)
        .and_then(Value::as_text)
        .ok_or_else(|| malformed("the sender is missing"))?
        .parse()
        .map_err(malformed)?;
    let sequence = rest(LABEL_SEQUENCE)
        .and_then(Value::as_integer)
        .and_then(|i| u64::try_from(i).ok())
        .filter(|sequence| *sequence < SEQUENCE_END)
        .ok_or_else(|| malformed("the sequence is missing or out of range"))?;
    if header.rest.len() != 2 || encrypted.ciphertext.is_none() {
        return Err(malformed("a header too many, or no ciphertext"));
    }
    let header = MessageHeader {
        epoch: KeyEpoch(u32::from_be_bytes(epoch)),
        sender,
        sequence,
    };
    Ok((header, encrypted))
}

fn expect_algorithm(header: &Header, algorithm: i64) -> Result<(), MessageError> {
    if header.alg == Some(RegisteredLabelWithPrivate::PrivateUse(algorithm)) {
        Ok(())
    } else {
        Err(malformed(format!("the algorithm must be {algorithm}")))
    }
}

fn nonce(header: &MessageHeader) -> [u8; sm4::NONCE_LEN] {
    let prefix = sm3(&[b"sealwire nonce", header.sender.as_str().as_bytes()]);
    let mut nonce = [0; sm4::NONCE_LEN];
    nonce[..6].copy_from_slice(&prefix.0[..6]);
    nonce[6..].copy_from_slice(&header.sequence.to_be_bytes()[2..]);
    nonce
}

fn inner_aad(topic: &TopicName, header: &MessageHeader) -> Vec<u8> {
    encode(&(topic, &header.sender, header.epoch, header.sequence))
}

/// `coset`'s builder knows registered algorithms only; this sets a private one.
trait BuildWithAlgorithm {
    fn build_with_algorithm(self, algorithm: i64) -> Header;
}

impl BuildWithAlgorithm for HeaderBuilder {
    fn build_with_algorithm(self, algorithm: i64) -> Header {
        let mut header = self.build();
        header.alg = Some(RegisteredLabelWithPrivate::PrivateUse(algorithm));
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        topic: TopicName,
        header: MessageHeader,
        topic_key: sm4::Key,
        device_key: SecretKey,
    }

    fn fixture() -> Fixture {
        Fixture {
            topic: "acme/press-7/temperature".parse().unwrap(),
            header: MessageHeader {
                epoch: KeyEpoch(3),
                sender: "acme.press-7".parse().unwrap(),
                sequence: 77,
            },
            topic_key: sm4::Key::from_slice(&[9; 16]).unwrap(),
            device_key: SecretKey::from_bytes(&[7; 32]).unwrap(),
        }
    }

    fn sealed(f: &Fixture) -> Vec<u8> {
        let content = br#"[{"n":"temperature","u":"Cel","v":21.5}]"#;
        seal(
            &f.topic,
            &f.header,
            &f.topic_key,
            &f.device_key,
            CONTENT_TYPE_DEFAULT,
            content,
        )
        .unwrap()
    }

    #[test]
    fn opens_to_what_was_sealed() {
        let f = fixture();
        let payload = sealed(&f);
        assert_eq!(inspect(&payload).unwrap(), f.header);
        let opened = open(&f.topic, &f.topic_key, &payload, |_| {
            Some(f.device_key.public_key().clone())
        })
        .unwrap();
        assert_eq!(opened.header, f.header);
        assert_eq!(opened.content_type, CONTENT_TYPE_DEFAULT);
        assert!(opened.content.starts_with(b"[{"));
        assert!(payload.len() < opened.content.len() + OVERHEAD_MAX_BYTES);
    }

    #[test]
    fn no_byte_can_change_unnoticed() {
        let f = fixture();
        let payload = sealed(&f);
        for i in 0..payload.len() {
            let mut bad = payload.clone();
            bad[i] ^= 1;
            let opened = open(&f.topic, &f.topic_key, &bad, |_| {
                Some(f.device_key.public_key().clone())
            });
            assert!(opened.is_err(), "byte {i}");
        }
    }

    #[test]
    fn is_bound_to_topic_key_and_sender() {
        let f = fixture();
        let payload = sealed(&f);
        let key = |_: &ClientId| Some(f.device_key.public_key().clone());
        let other_topic = "acme/press-7/other".parse().unwrap();
        assert_eq!(
            open(&other_topic, &f.topic_key, &payload, key),
            Err(MessageError::Sealed)
        );
        let other_key = sm4::Key::from_slice(&[8; 16]).unwrap();
        assert_eq!(
            open(&f.topic, &other_key, &payload, key),
            Err(MessageError::Sealed)
        );
        let impostor = SecretKey::from_bytes(&[6; 32]).unwrap();
        let opened = open(&f.topic, &f.topic_key, &payload, |_| {
            Some(impostor.public_key().clone())
        });
        assert!(matches!(opened, Err(MessageError::Signature { .. })));
        let opened = open(&f.topic, &f.topic_key, &payload, |_| None);
        assert!(matches!(opened, Err(MessageError::Signature { .. })));
    }

    #[test]
    fn refuses_what_is_no_message() {
        for bad in [
            &b""[..],
            b"{}",
            b"hello",
            &[0x83, 0x40, 0xa0, 0x40],
            &[0xff; 64],
        ] {
            assert!(
                matches!(inspect(bad), Err(MessageError::Malformed { .. })),
                "{bad:?}"
            );
        }
        let f = fixture();
        let header = MessageHeader {
            sequence: SEQUENCE_END,
            ..f.header
        };
        let made = seal(
            &f.topic,
            &header,
            &f.topic_key,
            &f.device_key,
            "text/plain",
            b"x",
        );
        assert!(matches!(made, Err(MessageError::SequenceExhausted { .. })));
    }
}
