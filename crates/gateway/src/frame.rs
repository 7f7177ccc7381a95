//! MQTT control packets on a byte stream: read whole frames within a bound, write packets.
//!
//! A *frame* is a control packet as it is on the wire (MQTT 5.0 §2.1): one byte of type and flags,
//! the remaining length (at most four bytes), the rest. The front door passes frames on unchanged
//! and decodes only those it decides about.

use bytes::{Buf, Bytes, BytesMut};
use mqtt5::{
    Packet, PacketType, packet::FixedHeader, transport::packet_io::encode_packet_to_buffer,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// First read buffer of a connection, in bytes; an idle connection keeps no more.
const READ_BYTES: usize = 2 * 1024;
/// Longest fixed header: one byte and a four-byte remaining length.
const HEADER_BYTES_MAX: usize = 5;

/// One whole control packet.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The packet with its fixed header.
    pub bytes: Bytes,
    header_bytes: usize,
}

/// What a PUBLISH begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublishHead<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Quality of service, 0 to 3 (3 is malformed).
    pub qos: u8,
    /// Packet id, if there is one.
    pub packet_id: Option<u16>,
}

/// Why no frame could be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The peer closed the stream inside a packet.
    #[error("the connection closed inside a packet")]
    Truncated,
    /// The packet is larger than this side takes.
    #[error("packet of {size_bytes} bytes, the limit is {max_bytes} bytes")]
    TooLarge {
        /// Size that the fixed header announces.
        size_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The bytes aren't an MQTT control packet.
    #[error("malformed packet: {0}")]
    Malformed(String),
}

impl Frame {
    /// The control packet type, if the number stands for one.
    pub fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_u8(self.bytes.first()? >> 4)
    }

    /// Topic, quality of service and packet id of a PUBLISH, without decoding the rest.
    pub fn publish_head(&self) -> Option<PublishHead<'_>> {
        if self.packet_type()? != PacketType::Publish {
            return None;
        }
        let body = self.bytes.get(self.header_bytes..)?;
        let (length, rest) = body.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let topic = std::str::from_utf8(rest.get(..length)?).ok()?;
        let qos = (self.bytes[0] >> 1) & 0x03;
        let packet_id = match qos {
            0 => None,
            _ => rest
                .get(length..)?
                .first_chunk::<2>()
                .map(|id| u16::from_be_bytes(*id)),
        };
        Some(PublishHead {
            topic,
            qos,
            packet_id,
        })
    }

    /// Packet id of an acknowledgement.
    pub fn ack_id(&self) -> Option<u16> {
        let body = self.bytes.get(self.header_bytes..)?;
        body.first_chunk::<2>().map(|id| u16::from_be_bytes(*id))
    }

    /// Decode the packet as protocol version 4 (3.1.1) or 5.
    ///
    /// # Errors
    /// [`FrameError::Malformed`] if the body isn't a packet of the announced type.
    pub fn decode(&self, version: u8) -> Result<Packet, FrameError> {
        let malformed = |e: mqtt5::MqttError| FrameError::Malformed(e.to_string());
        let mut bytes = self.bytes.clone();
        let header = FixedHeader::decode(&mut bytes).map_err(malformed)?;
        debug_assert_eq!(self.bytes.len() - bytes.len(), self.header_bytes);
        let packet =
            Packet::decode_from_body_with_version(header.packet_type, &header, &mut bytes, version)
                .map_err(malformed)?;
        if bytes.has_remaining() {
            return Err(FrameError::Malformed(format!(
                "{} bytes too many",
                bytes.remaining()
            )));
        }
        Ok(packet)
    }
}

/// Reads frames.
pub struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    max_bytes: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Read frames of at most `max_bytes` from `stream`.
    pub fn new(stream: R, max_bytes: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            max_bytes,
        }
    }

    /// The first byte, without taking it; `None` when the peer closed the stream before it.
    ///
    /// # Errors
    /// [`FrameError::Io`].
    pub async fn peek(&mut self) -> Result<Option<u8>, FrameError> {
        if self.buffer.is_empty() {
            self.buffer.reserve(READ_BYTES);
            self.stream.read_buf(&mut self.buffer).await?;
        }
        Ok(self.buffer.first().copied())
    }

    /// The next frame; `None` when the peer closed the stream between two packets.
    ///
    /// Cancel safe: bytes that were read stay in the buffer.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no use afterwards.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let wanted = match frame_length(&self.buffer)? {
                Some((header_bytes, total)) => {
                    if total > self.max_bytes {
                        return Err(FrameError::TooLarge {
                            size_bytes: total,
                            max_bytes: self.max_bytes,
                        });
                    }
                    if self.buffer.len() >= total {
                        let bytes = self.buffer.split_to(total).freeze();
                        if self.buffer.is_empty() {
                            self.buffer = BytesMut::new();
                        }
                        return Ok(Some(Frame {
                            bytes,
                            header_bytes,
                        }));
                    }
                    total - self.buffer.len()
                }
                None => HEADER_BYTES_MAX,
            };
            self.buffer.reserve(wanted.clamp(READ_BYTES, 64 * 1024));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::Truncated)
                };
            }
        }
    }
}

impl<R> FrameReader<R> {
    /// Take larger or smaller frames from now on.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Whether the next frame is already in the buffer.
    pub fn is_ready(&self) -> bool {
        matches!(frame_length(&self.buffer), Ok(Some((_, total))) if self.buffer.len() >= total)
    }
}

/// Length of the fixed header and of the whole frame, once enough bytes are there to tell.
fn frame_length(buffer: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut remaining = 0usize;
    for i in 0..4 {
        let Some(&byte) = buffer.get(1 + i) else {
            return Ok(None);
        };
        remaining |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + i, 2 + i + remaining)));
        }
    }
    Err(FrameError::Malformed(
        "remaining length of more than four bytes".into(),
    ))
}

/// Encode a packet.
///
/// # Errors
/// [`FrameError::Malformed`] if the packet can't be put on the wire (a string of more than 65,535
/// bytes).
pub fn encode(packet: &Packet) -> Result<Bytes, FrameError> {
    let mut bytes = BytesMut::new();
    encode_packet_to_buffer(packet, &mut bytes)
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    Ok(bytes.freeze())
}

/// Write a packet and flush.
///
/// # Errors
/// [`FrameError`] if the packet can't be encoded or the stream fails.
pub async fn write<W: AsyncWrite + Unpin>(
    stream: &mut W,
    packet: &Packet,
) -> Result<(), FrameError> {
    stream.write_all(&encode(packet)?).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt5::{QoS, packet::publish::PublishPacket};

    fn publish(payload: usize) -> Packet {
        let packet = PublishPacket::new("a/b", vec![7u8; payload], QoS::AtLeastOnce);
        Packet::Publish(packet.with_packet_id(3))
    }

    #[tokio::test]
    async fn reads_frames_that_come_in_pieces() {
        let bytes = [
            encode(&publish(300)).unwrap(),
            encode(&Packet::PingReq).unwrap(),
        ]
        .concat();
        let (mut tx, rx) = tokio::io::duplex(7);
        let writer = tokio::spawn(async move { tx.write_all(&bytes).await });
        let mut reader = FrameReader::new(rx, 1_000);
        let first = reader.next().await.unwrap().unwrap();
        let head = PublishHead {
            topic: "a/b",
            qos: 1,
            packet_id: Some(3),
        };
        assert_eq!(first.publish_head(), Some(head));
        let Packet::Publish(decoded) = first.decode(5).unwrap() else {
            panic!("not a PUBLISH")
        };
        assert_eq!(
            (decoded.topic_name.as_str(), decoded.payload.len()),
            ("a/b", 300)
        );
        let second = reader.next().await.unwrap().unwrap();
        assert_eq!(second.packet_type(), Some(PacketType::PingReq));
        writer.await.unwrap().unwrap();
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn refuses_what_is_too_large_before_it_is_read() {
        let bytes = encode(&publish(2_000)).unwrap();
        let mut reader = FrameReader::new(&bytes[..8], 1_000);
        assert!(
            matches!(reader.next().await, Err(FrameError::TooLarge { size_bytes, .. }) if size_bytes == bytes.len())
        );
    }

    #[tokio::test]
    async fn refuses_a_remaining_length_without_end_and_a_cut_packet() {
        let mut reader = FrameReader::new(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01][..], 1_000);
        assert!(matches!(reader.next().await, Err(FrameError::Malformed(_))));
        let bytes = encode(&publish(20)).unwrap();
        let mut reader = FrameReader::new(&bytes[..10], 1_000);
        assert!(matches!(reader.next().await, Err(FrameError::Truncated)));
    }
}
