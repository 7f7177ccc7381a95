//! MQTT over WebSocket (RFC 6455; MQTT 5.0 §6), at the same ports as MQTT itself: for web pages, and for
//! networks that let nothing else through.
//!
//! A connection, plain or by TLS, is one of WebSocket when its first byte is the `G` of `GET`. No MQTT
//! connection begins so: a CONNECT's first byte is 0x10.
//!
//! # Invariants
//! - The client must offer the subprotocol `mqtt` and is told that it has it ([MQTT-6.0.0-3],
//!   [MQTT-6.0.0-4]); who doesn't is answered 400 with the reason. The path may be any; `/mqtt` is the custom.
//! - Data are binary ([MQTT-6.0.0-1]): text ends the connection. Where messages begin and end means nothing:
//!   packets may be joined or cut ([MQTT-6.0.0-2]).
//! - Which page opened it isn't asked, because nothing is granted to a browser as such: there are no cookies,
//!   and the login is in the CONNECT as everywhere.
//!
//! # Bounds
//! A message is at most as long as the longest packet and a little (`ROOM_BYTES`). The opening handshake is
//! part of the time that a stranger has to be admitted; its headers are bounded by `tungstenite`.

use std::{future::ready, io};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        self, Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// First byte of a WebSocket connection.
pub const FIRST_BYTE: u8 = b'G';
/// The subprotocol (MQTT 5.0 §6).
const SUBPROTOCOL: &str = "mqtt";
/// Read buffer of a connection, in bytes.
const READ_BYTES: usize = 4 * 1024;
/// What a message, or what waits to be written, may be longer than the longest packet, in bytes.
const ROOM_BYTES: usize = 64 * 1024;

/// What comes from the client.
pub type Reader = Box<dyn AsyncRead + Unpin + Send>;
/// What goes to the client. Each write becomes a message.
pub type Writer = Box<dyn AsyncWrite + Unpin + Send>;

/// Takes the opening handshake, and gives the bytes of what is inside.
///
/// # Errors
/// What the stream or the client did wrong; the client has been answered where there was a request to answer.
pub async fn accept<S>(
    stream: S,
    packet_bytes_max: usize,
) -> Result<(Reader, Writer), tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let most = packet_bytes_max + ROOM_BYTES;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(most)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    let socket = accept_hdr_async_with_config(stream, Subprotocol, Some(config)).await?;
    let (sink, stream) = socket.split();
    let read = stream.filter_map(|message| {
        ready(match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(Message::Text(_)) => Some(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "MQTT over WebSocket is binary",
            ))),
            // Pings are answered by the library; after a close nothing comes.
            Ok(_) => None,
            Err(error) => Some(Err(failed(error))),
        })
    });
    let write = sink
        .sink_map_err(failed)
        .with(|bytes: Bytes| ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    Ok((
        Box::new(StreamReader::new(read)),
        Box::new(SinkWriter::new(CopyToBytes::new(write))),
    ))
}

fn failed(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// Says yes to `mqtt`.
struct Subprotocol;

impl tungstenite::handshake::server::Callback for Subprotocol {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut offered = offered
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        if offered.any(|name| name.trim() == SUBPROTOCOL) {
            let name = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
            return Ok(response);
        }
        let why = "offer the WebSocket subprotocol 'mqtt' (MQTT 5.0, section 6)\n";
        let mut refusal = ErrorResponse::new(Some(why.to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        Err(refusal)
    }
}
