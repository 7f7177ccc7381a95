//! The listening socket: so many connections, so many from one address, each with its time; TLS where it is
//! asked for.
//!
//! A connection has [`Limits::head_time`] to shake hands and for the head of each request; bodies are short
//! ([`crate::http`]). Event streams and MQTT connections last, and are counted for themselves.

use std::{
    collections::HashMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use sealwire_tls::{
    ConfigError, Resumption,
    server::{self, Options},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{Clock as _, Https, Limits, Settings, StartError, SystemClock, rate::counted};

/// Pause after the system refused to accept, for instance for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// Longest head of a request, in bytes.
const HEAD_MAX_BYTES: usize = 32 * 1024;
/// Time between two changes of the key that session tickets are sealed with, in seconds.
const TICKET_ROTATE_S: u32 = 6 * 60 * 60;
/// Validity of a certificate that is made here, in days (the CA/Browser Forum's longest).
const SELF_MADE_DAYS: u16 = 397;

/// The standard TLS configuration.
pub type Tls = Arc<ServerConfig>;

/// HTTPS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file isn't what it should be.
    #[error("{path} isn't a PEM {what}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// A socket, before anybody is let in.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) fingerprint: Option<String>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

/// Takes the address, and reads or makes the certificate.
pub(crate) async fn bind(settings: &Settings) -> Result<Bound, StartError> {
    let (mut tls, mut fingerprint) = (None, None);
    if let Some(https) = &settings.https {
        let (certificate, key) = files(https, &names(settings))?;
        let (config, print) = read(&certificate, &key)?;
        tls = Some(TlsAcceptor::from(config));
        fingerprint = matches!(https, Https::SelfMade { .. }).then_some(print);
    }
    let address = settings.listen;
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok(Bound {
        address: listener.local_addr().map_err(failed)?,
        fingerprint,
        listener,
        tls,
    })
}

fn names(settings: &Settings) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let ip = settings.listen.ip();
    if !ip.is_unspecified() {
        names.push(ip.to_string());
    }
    names.extend(settings.names.iter().cloned());
    names.sort();
    names.dedup();
    names
}

/// Where the certificate and its key are, made now if that is asked for and they aren't.
fn files(https: &Https, names: &[String]) -> Result<(PathBuf, PathBuf), TlsError> {
    let directory = match https {
        Https::Files { certificate, key } => return Ok((certificate.clone(), key.clone())),
        Https::SelfMade { directory } => directory,
    };
    let (certificate, key) = (
        directory.join("console-tls.crt"),
        directory.join("console-tls.key"),
    );
    if !certificate.exists() || !key.exists() {
        let now_s = SystemClock.now_ms() / 1_000;
        let (made, secret) = server::self_made(names, now_s, SELF_MADE_DAYS)?;
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { path, source }
        };
        let pem = zeroize::Zeroizing::new(pem("PRIVATE KEY", secret.secret_der()));
        sealwire_sm::keyfile::write_private(&key, pem.as_bytes()).map_err(file(&key))?;
        fs::write(&certificate, self::pem("CERTIFICATE", &made)).map_err(file(&certificate))?;
    }
    Ok((certificate, key))
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

/// The configuration, and the certificate's fingerprint.
fn read(certificate: &Path, key: &Path) -> Result<(Tls, String), TlsError> {
    let bytes = |path: &Path| {
        fs::read(path).map_err(|source| TlsError::File {
            path: path.to_owned(),
            source,
        })
    };
    let not_pem = |path: &Path, what| TlsError::Pem {
        path: path.to_owned(),
        what,
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| not_pem(certificate, "certificate"))?;
    let own = chain
        .first()
        .ok_or_else(|| not_pem(certificate, "certificate"))?;
    let print = fingerprint(own);
    let secret = zeroize::Zeroizing::new(bytes(key)?);
    // The error isn't shown: it might quote the key.
    let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| not_pem(key, "private key"))?;
    let options = Options {
        alpn: vec![b"http/1.1".to_vec()],
        resumption: Resumption::Tickets {
            rotate_s: TICKET_ROTATE_S,
        },
        ..Options::default()
    };
    Ok((server::standard(chain, secret, &options)?, print))
}

/// SHA-256, as browsers show it: pairs of hexadecimal digits with colons.
fn fingerprint(der: &[u8]) -> String {
    let digest = rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .map(|suite| suite.common.hash_provider.hash(der));
    let digest = digest.as_ref().map_or(&[][..], |digest| digest.as_ref());
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// One counted connection.
struct Guest {
    address: IpAddr,
    counts: Counts,
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    fn enter(
        counts: &Counts,
        address: IpAddr,
        most: usize,
        permit: OwnedSemaphorePermit,
    ) -> Option<Self> {
        let address = counted(address);
        let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        let counts = counts.clone();
        Some(Self {
            address,
            counts,
            _permit: permit,
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// From where a request comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Lets browsers in until told to stop; then whatever is open ends.
pub(crate) async fn serve(
    bound: Bound,
    router: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(limits.connections.max(1)));
    let counts = Counts::default();
    let mut stopping = stopped.clone();
    loop {
        let accepted = tokio::select! {
            accepted = bound.listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // Those too many are closed at once: waiting would make all others wait.
        let Ok(permit) = free.clone().try_acquire_owned() else {
            tracing::debug!(%address, "too many connections");
            continue;
        };
        let most = limits.connections_per_address.max(1);
        let Some(guest) = Guest::enter(&counts, address.ip(), most, permit) else {
            tracing::debug!(%address, "too many connections from one address");
            continue;
        };
        let (router, tls, mut stopped) = (router.clone(), bound.tls.clone(), stopped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, address, tls, router, limits) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            drop(guest);
        });
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
) {
    // Small answers shouldn't wait for one another.
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests(stream, address, router, limits).await,
        Some(tls) => match tokio::time::timeout(limits.head_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, address, router, limits).await,
            Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS handshake"),
            Err(_) => tracing::debug!(%address, "no TLS handshake in time"),
        },
    }
}

async fn requests<S>(stream: S, address: SocketAddr, router: Router, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router.layer(Extension(Peer(address)));
    let service = TowerToHyperService::new(router);
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%address, %error, "a connection ended");
    }
}
