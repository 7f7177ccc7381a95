//! What is tried with each peer, in both directions.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, KeyLog, ServerConnection,
    pki_types::ServerName,
};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{Subject, issue, issue_root},
    keyfile,
};
use sealwire_tls::{
    ClientTrust, Clients, Expected, Roots, SM4_CCM_SM3, SM4_GCM_SM3, client, server, trust,
};
use serde_json::json;

use crate::{
    peers::Peer,
    recording::{Secrets, Wire, secrets, talk},
};

/// One thing to try.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// For file names.
    pub name: &'static str,
    /// The peer listens.
    pub peer_serves: bool,
    /// Only this suite is offered by the peer.
    pub suite: CipherSuite,
    /// Both sides show certificates.
    pub mutual: bool,
    /// The second connection of two is recorded.
    pub resumed: bool,
    /// The client's first key share is of another group.
    pub retried: bool,
}

pub const CASES: [Case; 10] = {
    const PLAIN: Case = Case {
        name: "gcm",
        peer_serves: true,
        suite: SM4_GCM_SM3,
        mutual: false,
        resumed: false,
        retried: false,
    };
    const GCM: Case = PLAIN;
    const CCM: Case = Case {
        name: "ccm",
        suite: SM4_CCM_SM3,
        mutual: true,
        ..PLAIN
    };
    const MUTUAL: Case = Case {
        name: "mutual",
        mutual: true,
        ..PLAIN
    };
    const RESUMED: Case = Case {
        name: "resumed",
        resumed: true,
        ..PLAIN
    };
    const RETRIED: Case = Case {
        name: "retried",
        retried: true,
        ..PLAIN
    };
    const fn turned(case: Case) -> Case {
        Case {
            peer_serves: false,
            ..case
        }
    }
    [
        GCM,
        CCM,
        MUTUAL,
        RESUMED,
        RETRIED,
        turned(GCM),
        turned(CCM),
        turned(MUTUAL),
        turned(RESUMED),
        turned(RETRIED),
    ]
};

impl Case {
    pub fn direction(&self) -> &'static str {
        if self.peer_serves { "server" } else { "client" }
    }

    fn suite_name(&self) -> &'static str {
        if self.suite == SM4_GCM_SM3 {
            "TLS_SM4_GCM_SM3"
        } else {
            "TLS_SM4_CCM_SM3"
        }
    }

    fn kind(&self) -> HandshakeKind {
        match self {
            Self { resumed: true, .. } => HandshakeKind::Resumed,
            Self { retried: true, .. } => HandshakeKind::FullWithHelloRetryRequest,
            _ => HandshakeKind::Full,
        }
    }
}

/// An organisation on disk, for the peer, and in memory, for us.
pub struct Organisation {
    root: Certificate,
    pub gateway: (Certificate, SecretKey),
    device: (Certificate, SecretKey),
    /// When it was made, in seconds since 1970.
    pub now_s: u64,
}

impl Organisation {
    pub fn new(dir: &Path) -> Result<Self> {
        let rng = &mut rand::rng();
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let subject = |role, name| Subject {
            organisation: "acme",
            role,
            name,
            not_before_s: now_s - 3600,
            not_after_s: now_s + 365 * 24 * 3600,
        };
        let root_key = SecretKey::generate(rng);
        let root = issue_root(rng, &root_key, &subject(Role::Root, "acme root"))?;
        let mut member = |role, name, file: &str| -> Result<(Certificate, SecretKey)> {
            let key = SecretKey::generate(rng);
            let certificate = issue(
                rng,
                &root_key,
                &root,
                key.public_key(),
                &subject(role, name),
            )?;
            fs::write(dir.join(format!("{file}.pem")), certificate.to_pem())?;
            let none: Option<(&str, &mut rand::rngs::StdRng)> = None;
            keyfile::write(&dir.join(format!("{file}.key")), &key, none)?;
            Ok((certificate, key))
        };
        let gateway = member(Role::Gateway, "acme.gate-1", "gateway")?;
        let device = member(Role::Device, "acme.press-7", "device")?;
        fs::write(dir.join("root.pem"), root.to_pem())?;
        Ok(Self {
            root,
            gateway,
            device,
            now_s,
        })
    }

    pub fn roots(&self) -> Result<Roots> {
        Ok(Roots::new([self.root.clone()])?)
    }
}

/// A child that doesn't outlive its case.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries one case; the transcript comes back.
pub fn run(case: &Case, peer: &Peer, org: &Organisation, dir: &Path) -> Result<serde_json::Value> {
    let log = secrets();
    let (kind, wire) = if case.peer_serves {
        as_client(case, peer, org, dir, &log)?
    } else {
        as_server(case, peer, org, dir, &log)?
    };
    ensure!(
        kind == case.kind(),
        "handshake was {kind:?}, not {:?}",
        case.kind()
    );
    let (client, server) = if case.peer_serves {
        (&wire.sent, &wire.received)
    } else {
        (&wire.received, &wire.sent)
    };
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let secrets: serde_json::Map<_, _> = log
        .take()
        .into_iter()
        .map(|(label, secret)| (label, secret.into()))
        .collect();
    Ok(json!({
        "peer": peer.version,
        "peer_is": case.direction(),
        "case": case.name,
        "suite": case.suite_name(),
        "handshake": format!("{kind:?}"),
        "mutual": case.mutual,
        "recorded_at_s": now_s,
        "root": hex::encode(org.root.der()),
        "client_sent": hex::encode(client),
        "server_sent": hex::encode(server),
        "secrets": secrets,
    }))
}

const SAY: &str = "21.5 degrees";

/// The peer serves; we connect, twice if the session shall resume.
fn as_client(
    case: &Case,
    peer: &Peer,
    org: &Organisation,
    dir: &Path,
    log: &Arc<Secrets>,
) -> Result<(HandshakeKind, Wire)> {
    let port = free_port()?;
    let mut command = Command::new(&peer.program);
    command.args([
        "s_server",
        "-rev",
        "-tls1_3",
        "-accept",
        &format!("127.0.0.1:{port}"),
    ]);
    command.args([
        "-cert",
        "gateway.pem",
        "-key",
        "gateway.key",
        "-CAfile",
        "root.pem",
    ]);
    command.args(["-groups", "curveSM2", "-ciphersuites", case.suite_name()]);
    if case.mutual {
        command.args(["-Verify", "1", "-verify_return_error"]);
    }
    let _server = start(&mut command, dir, "server.log")?;
    let own = case.mutual.then_some((&org.device.0, &org.device.1));
    let options = client::Options {
        key_log: Some(log.clone() as Arc<dyn KeyLog>),
        ..client::Options::default()
    };
    let expected = Expected::Gateway("acme.gate-1".to_owned());
    let mut config = client::sm(org.roots()?, expected, own, &options)?;
    if case.retried {
        config = with_another_group_first(&config)?;
    }
    let mut last = None;
    for _ in 0..if case.resumed { 2 } else { 1 } {
        log.take();
        let mut wire = Wire::new(connect(port)?)?;
        let name = ServerName::try_from("gateway.acme.test")?;
        let mut tls = ClientConnection::new(config.clone(), name)?;
        let heard = talk(&mut tls, &mut wire, Some(&format!("{SAY}\n")))
            .with_context(|| said(dir, "server.log"))?;
        ensure!(heard.trim() == "seerged 5.12", "peer said {heard:?}");
        ensure!(
            trust::peer(&tls) == Some(org.gateway.0.clone()),
            "another server's certificate"
        );
        ensure!(suite(&tls) == Some(case.suite), "suite {:?}", suite(&tls));
        last = Some((tls.handshake_kind().context("no handshake")?, wire));
    }
    last.context("no connection")
}

/// rustls takes a configuration's provider at its making only: made anew, with X25519 first.
fn with_another_group_first(config: &ClientConfig) -> Result<Arc<ClientConfig>> {
    let mut provider = config.crypto_provider().as_ref().clone();
    provider
        .kx_groups
        .insert(0, rustls::crypto::ring::kx_group::X25519);
    let roots = config.clone();
    let mut made = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unchecked))
        .with_client_cert_resolver(roots.client_auth_cert_resolver);
    made.key_log = config.key_log.clone();
    Ok(Arc::new(made))
}

/// The certificate is compared after the handshake here; the signature is checked as ever.
#[derive(Debug)]
struct Unchecked;

impl rustls::client::danger::ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = sealwire_tls::provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![sealwire_tls::SM2SIG_SM3]
    }
}

/// The peer's client, connecting to a port of ours.
pub struct Client<'a> {
    child: Running,
    listener: TcpListener,
    dir: &'a Path,
}

impl<'a> Client<'a> {
    /// Starts it with these arguments besides.
    pub fn start(peer: &Peer, dir: &'a Path, extra: &[&str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let at = listener.local_addr()?.to_string();
        let mut command = Command::new(&peer.program);
        command
            .args(["s_client", "-tls1_3", "-connect", &at])
            .args(extra);
        let child = start(&mut command, dir, "client.log")?;
        Ok(Self {
            child,
            listener,
            dir,
        })
    }

    /// Its connection.
    pub fn accept(&mut self) -> Result<TcpStream> {
        accept(&self.listener, &mut self.child, self.dir)
    }

    /// Types a line into it.
    fn say(&mut self, text: &str) -> Result<()> {
        let stdin = self.child.0.stdin.as_mut().context("no stdin")?;
        Ok(stdin.write_all(format!("{text}\n").as_bytes())?)
    }

    /// Waits for its end; what it printed.
    pub fn finish(&mut self) -> Result<String> {
        finished(&mut self.child)?;
        Ok(said(self.dir, "client.log"))
    }
}

/// We serve; the peer connects, twice if the session shall resume.
fn as_server(
    case: &Case,
    peer: &Peer,
    org: &Organisation,
    dir: &Path,
    log: &Arc<Secrets>,
) -> Result<(HandshakeKind, Wire)> {
    let clients = if case.mutual {
        Clients::Required(ClientTrust::new(org.roots()?, |_| Ok(())))
    } else {
        Clients::Unasked
    };
    let options = server::Options {
        key_log: Some(log.clone() as Arc<dyn KeyLog>),
        ..server::Options::default()
    };
    let config = server::sm(&org.gateway.0, &org.gateway.1, clients, &options)?;
    let mut last = None;
    for round in 0..if case.resumed { 2 } else { 1 } {
        log.take();
        let groups = if case.retried {
            "X25519:curveSM2"
        } else {
            "curveSM2"
        };
        let mut extra = vec!["-CAfile", "root.pem", "-verify_return_error"];
        extra.extend(["-groups", groups, "-ciphersuites", case.suite_name()]);
        if case.mutual {
            extra.extend(["-cert", "device.pem", "-key", "device.key"]);
        }
        if case.resumed {
            let sessions = if round == 0 { "-sess_out" } else { "-sess_in" };
            extra.extend([sessions, "session.pem"]);
        }
        let mut client = Client::start(peer, dir, &extra)?;
        let mut wire = Wire::new(client.accept()?)?;
        client.say(SAY)?;
        let mut tls = ServerConnection::new(config.clone())?;
        let heard = talk(&mut tls, &mut wire, None).with_context(|| said(dir, "client.log"))?;
        ensure!(heard.trim() == SAY, "peer said {heard:?}");
        // It ends by itself when we close.
        let told = client.finish()?;
        ensure!(
            told.contains("seerged 5.12"),
            "the peer didn't get our answer: {told}"
        );
        ensure!(
            told.contains("Verify return code: 0 (ok)"),
            "the peer doubts us: {told}"
        );
        if case.mutual {
            ensure!(
                trust::peer(&tls) == Some(org.device.0.clone()),
                "another client's certificate"
            );
        }
        ensure!(suite(&tls) == Some(case.suite), "suite {:?}", suite(&tls));
        last = Some((tls.handshake_kind().context("no handshake")?, wire));
    }
    last.context("no connection")
}

fn suite(tls: &rustls::CommonState) -> Option<CipherSuite> {
    Some(tls.negotiated_cipher_suite()?.suite())
}

fn start(command: &mut Command, dir: &Path, log: &str) -> Result<Running> {
    let output = fs::File::create(dir.join(log))?;
    let child = command
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(Running(child))
}

fn said(dir: &Path, log: &str) -> String {
    let text = fs::read(dir.join(log)).unwrap_or_default();
    format!("the peer said: {}", String::from_utf8_lossy(&text))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const PATIENCE: Duration = Duration::from_secs(20);

fn connect(port: u16) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => return Ok(socket),
            Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn accept(listener: &TcpListener, child: &mut Running, dir: &Path) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    loop {
        if let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(false)?;
            return Ok(socket);
        }
        if child.0.try_wait()?.is_some() || start.elapsed() > PATIENCE {
            bail!("the peer didn't connect: {}", said(dir, "client.log"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn finished(child: &mut Running) -> Result<()> {
    let start = Instant::now();
    while child.0.try_wait()?.is_none() {
        ensure!(start.elapsed() < PATIENCE, "the peer doesn't end");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
