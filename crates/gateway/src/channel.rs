//! TLS at the front door: SM by RFC 8998 for clients that offer it, standard TLS 1.3 for the others, on
//! one port.
//!
//! # What is shown
//! - *SM*: the gateway's own certificate, the one that the ledger knows. A client checks it against its
//!   organisation's root in genesis; the address doesn't matter.
//! - *Standard*: the certificate in `tls.crt` with the key in `tls.key` (PEM) of the gateway's directory.
//!   Where there is none, one is made, signed by itself, for the gateway's host names, and kept. An operator puts one from a
//!   web CA in its place.
//!
//! # Who shows what
//! A client with SM may show its certificate. Then it must be registered and live on the ledger, its
//! role must be one that connects, and the connection is *bound*: only a login as that client is
//! admitted. A bound MQTT client needs no token and no AUTH: the handshake has shown that it holds the key.
//! On a resumed session TLS doesn't check the certificate again, so we do.
//!
//! # Failure
//! A handshake that fails costs its place until the handshake time is over, and no more. The client gets a
//! TLS alert. Failures are counted, not recorded: nobody knows who it was.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::Acceptor,
};
use sealwire_contracts::entry::CertificateStatus;
use sealwire_envelope::{CertId, ClientId};
use sealwire_sm::{Certificate, SecretKey, sm3};
use sealwire_tls::{
    ClientTrust, Clients, ConfigError, Family, Front, Preference, Resumption, Roots, server, trust,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use crate::{hub::Hub, now_ms};

/// Validity of a certificate that is made here, in days (the CA/Browser Forum's longest).
const SELF_MADE_DAYS: u16 = 397;
/// Time between two changes of the key that session tickets are sealed with, in seconds.
const TICKET_ROTATE_S: u32 = 6 * 60 * 60;
/// HTTPS connections that are in their handshake, or wait to be served.
const HTTPS_WAITING_MAX: usize = 256;
/// Pause after the system refused to accept (no file handles left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where TLS is offered.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where MQTT clients connect by TLS. Port 0: any free port.
    pub mqtts: SocketAddr,
    /// Where readers fetch by TLS. Port 0: any free port.
    pub https: SocketAddr,
    /// Host names and addresses for a certificate that is made here.
    pub names: Vec<String>,
    /// Roots of the consortium's organisations, as in genesis.
    pub roots: Vec<Certificate>,
}

/// TLS can't be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file isn't what it should be.
    #[error("{path} isn't a PEM {what}: {detail}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// What is known of a connection before a byte of MQTT.
#[derive(Clone, Debug, Default)]
pub struct Channel {
    /// SM or standard TLS; none: plain TCP.
    pub family: Option<Family>,
    /// Whom the client's TLS certificate names, and its id.
    pub bound: Option<(ClientId, CertId)>,
}

/// Accepts TLS connections.
pub struct Tls {
    front: Front,
    trust: ClientTrust,
}

impl Tls {
    /// TLS for this gateway.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(hub: &Arc<Hub>, config: &Config) -> Result<Self, TlsError> {
        let trust = client_trust(hub, &config.roots)?;
        let options = server_options();
        let keys = hub.keys();
        let clients = Clients::Optional(trust.clone());
        let sm = server::sm(&keys.certificate, &keys.secret, clients, &options)?;
        let (chain, key) = standard_certificate(&hub.config().home, &config.names)?;
        let standard = server::standard(chain, key, &options)?;
        let front = Front::both(sm, standard, Preference::Sm);
        Ok(Self { front, trust })
    }

    /// SM alone, with this certificate: how a ledger node serves its members. Clients may show a
    /// certificate that `known` knows (asked within the handshake: it must not block).
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn members(
        certificate: &Certificate,
        key: &SecretKey,
        roots: &[Certificate],
        known: impl Fn(CertId) -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        let roots = Roots::new(roots.iter().cloned())?;
        let trust = ClientTrust::new(roots, move |der| known(CertId(sm3(&[der]))));
        let clients = Clients::Optional(trust.clone());
        let sm = server::sm(certificate, key, clients, &server_options())?;
        let front = Front::sm(sm);
        Ok(Self { front, trust })
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// When the client isn't compatible, misbehaves, or shows a certificate that won't do; it was told.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Channel)> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (family, config) = self.front.choose(&start.client_hello());
        let stream = start.into_stream(config).await?;
        let shown = trust::peer(stream.get_ref().1);
        let bound = shown
            .map(|certificate| self.bind(&certificate))
            .transpose()?;
        let family = Some(family);
        Ok((stream, Channel { family, bound }))
    }

    /// Whom a certificate binds the connection to; asked on resumed sessions, too.
    fn bind(&self, certificate: &Certificate) -> io::Result<(ClientId, CertId)> {
        let refused = |why: String| io::Error::new(io::ErrorKind::PermissionDenied, why);
        let now_s = now_ms() / 1000;
        self.trust
            .check(certificate.der(), now_s)
            .map_err(|untrusted| refused(untrusted.to_string()))?;
        let client = certificate
            .name
            .parse()
            .map_err(|error| refused(format!("{error}")))?;
        Ok((client, CertId(certificate.id())))
    }
}

fn server_options() -> server::Options {
    server::Options {
        resumption: Resumption::Tickets {
            rotate_s: TICKET_ROTATE_S,
        },
        ..server::Options::default()
    }
}

/// Believes certificates of the consortium's organisations that are registered and live.
fn client_trust(hub: &Arc<Hub>, roots: &[Certificate]) -> Result<ClientTrust, TlsError> {
    let roots = Roots::new(roots.iter().cloned())?;
    let hub = Arc::downgrade(hub);
    Ok(ClientTrust::new(roots, move |der| {
        let hub = hub.upgrade().ok_or("the gateway stops")?;
        let id = CertId(sm3(&[der]));
        let record = hub.ledger().view().certificate(&id).value;
        let record = record.ok_or("the certificate isn't registered on the ledger")?;
        let status = record.certificate.status(now_ms() / 1000);
        if status == CertificateStatus::Live {
            Ok(())
        } else {
            Err(format!("the certificate is {status:?}"))
        }
    }))
}

/// The certificate for standard TLS: from the gateway's directory, or made there.
fn standard_certificate(
    home: &Path,
    names: &[String],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let (certificate, key) = (home.join("tls.crt"), home.join("tls.key"));
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    if !certificate.exists() && !key.exists() {
        let (made, secret) = server::self_made(names, now_ms() / 1000, SELF_MADE_DAYS)?;
        let secret_pem = zeroize::Zeroizing::new(pem("PRIVATE KEY", secret.secret_der()));
        sealwire_sm::keyfile::write_private(&key, secret_pem.as_bytes()).map_err(file(&key))?;
        fs::write(&certificate, pem("CERTIFICATE", &made)).map_err(file(&certificate))?;
    }
    let not_pem = |path: &Path, what, detail: String| TlsError::Pem {
        path: path.to_owned(),
        what,
        detail,
    };
    let bytes = fs::read(&certificate).map_err(file(&certificate))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| not_pem(&certificate, "certificate", format!("{error:?}")))?;
    let secret = zeroize::Zeroizing::new(fs::read(&key).map_err(file(&key))?);
    // The error isn't shown: it might quote the key.
    let secret = PrivateKeyDer::from_pem_slice(&secret)
        .map_err(|_| not_pem(&key, "private key", "no such block is in it".to_owned()))?;
    Ok((chain, secret))
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Who is at the other end of an HTTPS connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// From where.
    pub address: SocketAddr,
    /// What the handshake has shown.
    pub channel: Channel,
}

impl Connected<IncomingStream<'_, HttpsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, HttpsListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// HTTPS connections, each after its handshake, for `axum::serve`.
pub struct HttpsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Peer)>,
    address: SocketAddr,
}

impl HttpsListener {
    /// Accepts on `listener` until `stop` changes. Handshakes run beside each other, each within
    /// `handshake_max`.
    pub fn new(
        tls: Arc<Tls>,
        listener: TcpListener,
        address: SocketAddr,
        handshake_max: Duration,
        mut stop: watch::Receiver<bool>,
    ) -> Self {
        let (done, ready) = mpsc::channel(HTTPS_WAITING_MAX);
        let room = Arc::new(Semaphore::new(HTTPS_WAITING_MAX));
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = stop.changed() => return,
                };
                let (stream, address) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "can't accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                // Too many strangers at once: the newest has to come again.
                let Ok(permit) = room.clone().try_acquire_owned() else {
                    continue;
                };
                let (tls, done) = (tls.clone(), done.clone());
                tokio::spawn(async move {
                    let shaken = tokio::time::timeout(handshake_max, tls.accept(stream)).await;
                    if let Ok(Ok((stream, channel))) = shaken {
                        let _ = done.send((stream, Peer { address, channel })).await;
                    }
                    drop(permit);
                });
            }
        });
        Self { ready, address }
    }
}

impl axum::serve::Listener for HttpsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The gateway stops: nobody comes any more.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(Peer {
            address: self.address,
            channel: Channel::default(),
        })
    }
}
