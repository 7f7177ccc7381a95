//! MQTT control packets on a stream, within a bound.
//!
//! Reading is cancel safe: what was read stays in the buffer. A connection that is idle keeps no
//! buffer, so that thousands of them cost little.

use bytes::BytesMut;
use mqtt5_protocol::{FixedHeader, MqttError, Packet, packet::MqttPacket};
use tokio::io::{AsyncRead, AsyncReadExt};

/// MQTT 5.0's version number on the wire.
const VERSION: u8 = 5;
/// Smallest read, in bytes.
const READ_BYTES: usize = 2 * 1024;
/// Largest read, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Longest fixed header, in bytes.
const HEADER_BYTES_MAX: usize = 5;

/// No packet could be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The peer closed the connection.
    #[error("the gateway closed the connection")]
    Closed,
    /// A packet is too large.
    #[error("MQTT packet of {size_bytes} bytes, the limit is {max_bytes}")]
    TooLarge {
        /// How many bytes it has.
        size_bytes: usize,
        /// How many it may have.
        max_bytes: usize,
    },
    /// Bytes that aren't MQTT 5.
    #[error("the gateway doesn't speak MQTT 5: {0}")]
    Malformed(String),
}

impl From<MqttError> for FrameError {
    fn from(error: MqttError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Reads packets from a stream.
pub struct Reader<R> {
    stream: R,
    buffer: BytesMut,
    max_bytes: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(stream: R, max_bytes: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            max_bytes,
        }
    }

    /// The next packet.
    pub async fn next(&mut self) -> Result<Packet, FrameError> {
        loop {
            let length = frame_bytes(&self.buffer)?;
            let missing = match length {
                Some(total) if total > self.max_bytes => {
                    let max_bytes = self.max_bytes;
                    return Err(FrameError::TooLarge {
                        size_bytes: total,
                        max_bytes,
                    });
                }
                Some(total) if self.buffer.len() >= total => {
                    let frame = self.buffer.split_to(total);
                    if self.buffer.is_empty() {
                        self.buffer = BytesMut::new();
                    }
                    return decode(frame);
                }
                Some(total) => total - self.buffer.len(),
                None => HEADER_BYTES_MAX,
            };
            self.buffer
                .reserve(missing.clamp(READ_BYTES, READ_BYTES_MAX));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(FrameError::Closed);
            }
        }
    }
}

/// Bytes of the packet that begins here, once that can be told.
fn frame_bytes(buffer: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut remaining = 0;
    for (i, byte) in buffer.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some(2 + i + remaining));
        }
    }
    if buffer.len() < HEADER_BYTES_MAX {
        return Ok(None);
    }
    Err(FrameError::Malformed(
        "a remaining length of more than four bytes".to_owned(),
    ))
}

fn decode(mut frame: BytesMut) -> Result<Packet, FrameError> {
    let header = FixedHeader::decode(&mut frame)?;
    let mut body = frame.freeze();
    let packet =
        Packet::decode_from_body_with_version(header.packet_type, &header, &mut body, VERSION)?;
    if body.is_empty() {
        Ok(packet)
    } else {
        Err(FrameError::Malformed(format!(
            "{} bytes too many in a packet",
            body.len()
        )))
    }
}

/// Appends a packet to `out`.
pub fn encode(packet: &impl MqttPacket, out: &mut BytesMut) -> Result<(), FrameError> {
    packet.encode(out).map_err(FrameError::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt5_protocol::{QoS, packet::publish::PublishPacket};

    fn publish(payload_bytes: usize) -> BytesMut {
        let packet = PublishPacket::new("a/b", vec![7; payload_bytes], QoS::AtLeastOnce);
        let mut out = BytesMut::new();
        encode(&packet.with_packet_id(3), &mut out).unwrap();
        out
    }

    #[tokio::test]
    async fn reads_what_comes_in_pieces_and_refuses_the_rest() {
        use tokio::io::AsyncWriteExt as _;
        let bytes = [publish(300), publish(5)].concat();
        let (mut tx, rx) = tokio::io::duplex(7);
        let writer = tokio::spawn(async move { tx.write_all(&bytes).await });
        let mut reader = Reader::new(rx, 1_000);
        for expected in [300, 5] {
            let Packet::Publish(packet) = reader.next().await.unwrap() else {
                panic!()
            };
            assert_eq!(packet.payload.len(), expected);
        }
        writer.await.unwrap().unwrap();
        assert!(matches!(reader.next().await, Err(FrameError::Closed)));

        let large = publish(2_000);
        let mut reader = Reader::new(&large[..8], 1_000);
        assert!(matches!(
            reader.next().await,
            Err(FrameError::TooLarge { .. })
        ));
        let mut reader = Reader::new(&[0x30, 0xff, 0xff, 0xff, 0xff][..], 1_000);
        assert!(matches!(reader.next().await, Err(FrameError::Malformed(_))));
        let mut reader = Reader::new(&[0xd0, 1, 0][..], 1_000);
        assert!(matches!(reader.next().await, Err(FrameError::Malformed(_))));
    }
}
