//! What a peer must refuse from us, and we from it: an agreement that can't fail proves nothing.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use rustls::{
    Error, ServerConfig, ServerConnection, SignatureAlgorithm, SignatureScheme,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
};
use sealwire_sm::{SecretKey, identified};
use sealwire_tls::{
    CERTIFICATE_ID, ClientTrust, Clients, Family, Front, HANDSHAKE_ID, Preference, SM2SIG_SM3,
    server,
};

use crate::{
    cases::{Client, Organisation},
    peers::Peer,
    recording::Wire,
};

/// Signs handshakes under an identifier of its choice.
#[derive(Debug, Clone)]
struct Under(SecretKey, &'static str);

impl SigningKey for Under {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Under {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = identified::Signer::new(&self.0, self.1).sign(message);
        signature
            .to_der()
            .map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

fn signing_under(org: &Organisation, id: &'static str) -> Result<Arc<ServerConfig>> {
    let chain = vec![CertificateDer::from(org.gateway.0.der().to_vec())];
    let shown = CertifiedKey::new(chain, Arc::new(Under(org.gateway.1.clone(), id)));
    let config = ServerConfig::builder_with_provider(sealwire_tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Ok(Arc::new(config))
}

/// Whether our side's handshake with the peer's client succeeds.
fn handshake(
    peer: &Peer,
    dir: &Path,
    extra: &[&str],
    serve: impl FnOnce(&mut Wire) -> Result<()>,
) -> Result<(Result<()>, String)> {
    let mut client = Client::start(peer, dir, extra)?;
    let mut wire = Wire::new(client.accept()?)?;
    let outcome = serve(&mut wire);
    drop(wire);
    Ok((outcome, client.finish()?))
}

fn serve_with(config: Arc<ServerConfig>) -> impl FnOnce(&mut Wire) -> Result<()> {
    move |wire| {
        let mut tls = ServerConnection::new(config)?;
        while tls.is_handshaking() {
            tls.complete_io(wire)?;
        }
        tls.send_close_notify();
        tls.complete_io(wire)?;
        Ok(())
    }
}

const SM: [&str; 4] = ["-groups", "curveSM2", "-ciphersuites", "TLS_SM4_GCM_SM3"];

/// A handshake signed under the identifier of certificates; a certificate of another root, either
/// way.
pub fn run(peer: &Peer, org: &Organisation, other: &Organisation, dir: &Path) -> Result<()> {
    let trusting = [&SM[..], &["-CAfile", "root.pem", "-verify_return_error"]].concat();
    let (ok, told) = handshake(
        peer,
        dir,
        &trusting,
        serve_with(signing_under(org, HANDSHAKE_ID)?),
    )?;
    ensure!(
        ok.is_ok() && told.contains("Verify return code: 0"),
        "{ok:?} {told}"
    );
    let (bad, told) = handshake(
        peer,
        dir,
        &trusting,
        serve_with(signing_under(org, CERTIFICATE_ID)?),
    )?;
    ensure!(
        bad.is_err() && told.contains("bad signature"),
        "wrong identifier: {bad:?} {told}"
    );

    let options = server::Options::default();
    let impostor = server::sm(
        &other.gateway.0,
        &other.gateway.1,
        Clients::Unasked,
        &options,
    )?;
    let (bad, told) = handshake(peer, dir, &trusting, serve_with(impostor))?;
    ensure!(
        bad.is_err() && told.contains("certificate verify failed"),
        "wrong root: {told}"
    );

    let picky = Clients::Required(ClientTrust::new(other.roots()?, |_| Ok(())));
    let config = server::sm(&org.gateway.0, &org.gateway.1, picky, &options)?;
    let showing = [
        &trusting[..],
        &["-cert", "device.pem", "-key", "device.key"],
    ]
    .concat();
    let (bad, told) = handshake(peer, dir, &showing, serve_with(config))?;
    ensure!(
        bad.is_err() && told.contains("unknown ca"),
        "wrong client: {told}"
    );
    Ok(())
}

/// Which kind the peer's client gets from a port with both when it is told nothing about suites:
/// OpenSSL then offers no SM suite, and Tongsuo offers them last.
pub fn untold(peer: &Peer, org: &Organisation, dir: &Path) -> Result<()> {
    for (preference, of_tongsuo) in [
        (Preference::Sm, Family::Sm),
        (Preference::Client, Family::Standard),
    ] {
        let expected = match peer.name {
            "tongsuo" => of_tongsuo,
            _ => Family::Standard,
        };
        let family = chosen(peer, org, dir, preference)?;
        ensure!(family == expected, "{preference:?} preferred: {family:?}");
    }
    Ok(())
}

fn chosen(peer: &Peer, org: &Organisation, dir: &Path, preference: Preference) -> Result<Family> {
    let options = server::Options::default();
    let sm = server::sm(&org.gateway.0, &org.gateway.1, Clients::Unasked, &options)?;
    let names = ["gateway.acme.test".to_owned()];
    let (chain, key) = server::self_made(&names, org.now_s, 30)?;
    let standard = server::standard(vec![chain], key, &options)?;
    let front = Front::both(sm, standard, preference);
    let mut family = None;
    let (ok, told) = handshake(peer, dir, &[], |wire| {
        let mut acceptor = rustls::server::Acceptor::default();
        let accepted = loop {
            acceptor.read_tls(wire)?;
            if let Some(accepted) = acceptor.accept().map_err(|(error, _)| error)? {
                break accepted;
            }
        };
        let (chosen, mut tls) = front.accept(accepted).map_err(|(error, _)| error)?;
        family = Some(chosen);
        while tls.is_handshaking() {
            tls.complete_io(wire)?;
        }
        tls.send_close_notify();
        tls.complete_io(wire)?;
        Ok(())
    })?;
    ensure!(ok.is_ok(), "{ok:?} {told}");
    Ok(family.expect("the handshake is over"))
}
