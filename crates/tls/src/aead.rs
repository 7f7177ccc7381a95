//! Record protection with SM4-GCM and SM4-CCM (RFC 8446 §5.2, RFC 8998 §2).

use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    crypto::cipher::{
        AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
        Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
        UnsupportedOperationError, make_tls13_aad,
    },
};
use sealwire_sm::{
    record::{Mode, RecordKey},
    sm4::TAG_LEN,
};
use zeroize::Zeroizing;

/// SM4 in one of its modes.
pub(crate) struct Sm4(pub(crate) Mode);

impl Sm4 {
    fn key(&self, key: &AeadKey) -> RecordKey {
        // rustls derives exactly `key_len()` bytes.
        let mut bytes = Zeroizing::new([0; RecordKey::LEN]);
        bytes.copy_from_slice(&key.as_ref()[..RecordKey::LEN]);
        RecordKey::new(self.0, &bytes)
    }
}

impl Tls13AeadAlgorithm for Sm4 {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Protection {
            key: self.key(&key),
            iv,
        })
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Protection {
            key: self.key(&key),
            iv,
        })
    }

    fn key_len(&self) -> usize {
        RecordKey::LEN
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        // For kernel TLS; rustls has no name for SM4's keys.
        Err(UnsupportedOperationError)
    }
}

/// One direction's key, from one key update to the next.
struct Protection {
    key: RecordKey,
    iv: Iv,
}

impl MessageEncrypter for Protection {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let total_len = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(total_len);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let nonce = Nonce::new(&self.iv, sequence).0;
        let tag = self
            .key
            .seal_in_place(&nonce, &make_tls13_aad(total_len), payload.as_mut())
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            // RFC 8446 §5.2: legacy_record_version is TLS 1.2's.
            ProtocolVersion::TLSv1_2,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len + 1 + TAG_LEN
    }
}

impl MessageDecrypter for Protection {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let header = associated_data(&message);
        let payload = &mut message.payload;
        let (text, tag) = payload
            .split_last_chunk_mut::<TAG_LEN>()
            .ok_or(Error::DecryptError)?;
        let text_len = text.len();
        let nonce = Nonce::new(&self.iv, sequence).0;
        self.key
            .open_in_place(&nonce, &header, text, tag)
            .map_err(|_| Error::DecryptError)?;
        payload.truncate(text_len);
        message.into_tls13_unpadded_message()
    }
}

/// The record's header as it came (RFC 8446 §5.2), so that a changed type or version is noticed;
/// a sender's is always [`make_tls13_aad`].
fn associated_data(message: &InboundOpaqueMessage<'_>) -> [u8; 5] {
    let mut header = make_tls13_aad(message.payload.len());
    header[0] = message.typ.into();
    header[1..3].copy_from_slice(&message.version.to_array());
    header
}
