//! What MQTT runs over: TCP (`host:port`), or TLS by RFC 8998 (`mqtts://host:port`).

use std::{io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Options;
use crate::{identity::Identity, tls};

/// How an address says that TLS is spoken there.
const TLS_SCHEME: &str = "mqtts://";

pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// How to reach a gateway.
#[derive(Clone)]
pub(super) struct Channel {
    address: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Channel {
    /// To the gateway of the options.
    pub fn new(identity: &Identity, options: &Options) -> Result<Self, tls::TlsError> {
        let Some(address) = options.gateway.strip_prefix(TLS_SCHEME) else {
            return Ok(Self {
                address: options.gateway.clone(),
                tls: None,
            });
        };
        Ok(Self {
            address: address.to_owned(),
            tls: Some(tls::config(identity, options.expect.as_ref())?),
        })
    }

    /// Connects, and shakes hands.
    pub async fn open(&self) -> io::Result<(ReadHalf, WriteHalf)> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &self.tls else {
            let (read, write) = stream.into_split();
            return Ok((Box::new(read), Box::new(write)));
        };
        // The name keys kept sessions; who the gateway is, its certificate says.
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = TlsConnector::from(config.clone())
            .connect(name, stream)
            .await?;
        let (read, write) = tokio::io::split(stream);
        Ok((Box::new(read), Box::new(write)))
    }
}
