//! One port: clients with SM, clients without, and those that offer both.

mod support;

use std::{collections::HashMap, io::Write as _, ops::Range, sync::Arc};

use rustls::{
    ClientConfig, ClientConnection, Error, RootCertStore, SupportedCipherSuite,
    crypto::CryptoProvider, pki_types::ServerName, server::Acceptor, version::TLS13,
};
use sealwire_sm::Role;
use sealwire_tls::{
    Clients, Family, Front, Preference, SM4_GCM_SM3, TLS13_SM4_GCM_SM3, client, provider, server,
    standard,
};
use support::{Organisation, feed, now_s, received, sm_server};

struct Set {
    acme: Organisation,
    sm: Arc<rustls::ServerConfig>,
    standard: Arc<rustls::ServerConfig>,
    store: RootCertStore,
}

fn set() -> Set {
    let acme = Organisation::new("acme");
    let gateway = acme.member(Role::Gateway, "acme.gate-1");
    let names = ["gateway.acme.test".to_owned(), "127.0.0.1".to_owned()];
    let (certificate, key) = server::self_made(&names, now_s(), 30).unwrap();
    let mut store = RootCertStore::empty();
    store.add(certificate.clone()).unwrap();
    let options = server::Options::default();
    Set {
        sm: sm_server(&gateway, Clients::Optional(acme.everybody())),
        standard: server::standard(vec![certificate], key, &options).unwrap(),
        acme,
        store,
    }
}

impl Set {
    fn both(&self, preference: Preference) -> Front {
        Front::both(self.sm.clone(), self.standard.clone(), preference)
    }

    fn standard_client(&self) -> Arc<ClientConfig> {
        client::standard(self.store.clone(), &client::Options::default()).unwrap()
    }
}

/// A hello that a configuration sends, in one record.
fn hello(config: &Arc<ClientConfig>, name: &'static str) -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(config.clone(), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    (client, bytes)
}

/// The whole way: hello, choice, handshake, a message each way.
fn serve(
    front: &Front,
    config: &Arc<ClientConfig>,
    name: &'static str,
) -> Result<(Family, rustls::ServerConnection), Error> {
    let (mut client, bytes) = hello(config, name);
    let mut acceptor = Acceptor::default();
    // A byte at a time: the hello is whole when it is whole.
    let mut accepted = None;
    for byte in bytes {
        assert!(accepted.is_none());
        acceptor.read_tls(&mut [byte].as_slice()).unwrap();
        accepted = acceptor.accept().map_err(|(error, _)| error)?;
    }
    let accepted = accepted.expect("the hello is whole");
    let (family, mut server) = match front.accept(accepted) {
        Ok(chosen) => chosen,
        Err((error, mut alert)) => {
            let mut bytes = Vec::new();
            alert.write_all(&mut bytes).unwrap();
            assert!(feed(&mut client, &bytes).is_err(), "the client is told");
            return Err(error);
        }
    };
    for _ in 0..4 {
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).unwrap();
        feed(&mut client, &bytes)?;
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        feed(&mut server, &bytes)?;
    }
    client.writer().write_all(b"reading").unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    feed(&mut server, &bytes)?;
    assert_eq!(received(&mut server), b"reading");
    Ok((family, server))
}

/// A client that offers standard suites and SM, in this order.
fn with_both(set: &Set, sm_first: bool) -> Arc<ClientConfig> {
    let sm = provider();
    let mut both = CryptoProvider::clone(&standard());
    both.kx_groups.extend(sm.kx_groups.iter().copied());
    let at = if sm_first {
        0
    } else {
        both.cipher_suites.len()
    };
    let suite = SupportedCipherSuite::Tls13(&TLS13_SM4_GCM_SM3);
    both.cipher_suites.insert(at, suite);
    let both = Arc::new(both);
    let config = ClientConfig::builder_with_provider(both)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Either(set.acme.roots())))
        .with_no_client_auth();
    Arc::new(config)
}

/// Believes our SM servers, and any standard one: these tests are about the choice.
#[derive(Debug)]
struct Either(sealwire_tls::Roots);

impl rustls::client::danger::ServerCertVerifier for Either {
    fn verify_server_cert(
        &self,
        der: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Error> {
        if sealwire_sm::Certificate::from_der(der).is_ok() {
            self.0.check(der, now.as_secs())?;
        }
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        unreachable!("TLS 1.2 isn't offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let provider = match signed.scheme {
            sealwire_tls::SM2SIG_SM3 => provider(),
            _ => standard(),
        };
        let algorithms = provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        let mut schemes = standard()
            .signature_verification_algorithms
            .supported_schemes();
        schemes.push(sealwire_tls::SM2SIG_SM3);
        schemes
    }
}

const NAME: &str = "gateway.acme.test";

#[test]
fn each_client_gets_what_it_can() {
    let set = set();
    let front = set.both(Preference::Sm);
    let (family, server) = serve(&front, &set.acme.client(None), NAME).unwrap();
    assert_eq!(family, Family::Sm);
    assert_eq!(
        server.negotiated_cipher_suite().unwrap().suite(),
        SM4_GCM_SM3
    );
    for name in [NAME, "127.0.0.1"] {
        let (family, server) = serve(&front, &set.standard_client(), name).unwrap();
        assert_eq!(family, Family::Standard);
        assert_eq!(
            u16::from(server.negotiated_cipher_suite().unwrap().suite()) >> 8,
            0x13
        );
    }
}

#[test]
fn the_standard_side_checks_the_host_name() {
    let set = set();
    let wrong = serve(
        &set.both(Preference::Sm),
        &set.standard_client(),
        "other.test",
    );
    let error = wrong.map(|(family, _)| family).unwrap_err();
    assert!(matches!(error, Error::InvalidCertificate(_)), "{error}");
    assert!(server::self_made(&["not a name".to_owned()], now_s(), 1).is_err());
}

#[test]
fn who_offers_both_gets_sm_unless_its_order_counts() {
    let set = set();
    for (preference, sm_first, expected) in [
        (Preference::Sm, true, Family::Sm),
        (Preference::Sm, false, Family::Sm),
        (Preference::Client, true, Family::Sm),
        (Preference::Client, false, Family::Standard),
    ] {
        let front = set.both(preference);
        let (family, _) = serve(&front, &with_both(&set, sm_first), NAME).unwrap();
        assert_eq!(family, expected, "{preference:?} {sm_first}");
    }
}

#[test]
fn an_offer_with_a_part_missing_is_no_offer() {
    let set = set();
    let front = set.both(Preference::Sm);
    let full = with_both(&set, true);
    let choose = |bytes: &[u8]| {
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut &bytes[..]).unwrap();
        let accepted = acceptor
            .accept()
            .map_err(|(error, _)| error)
            .unwrap()
            .unwrap();
        front.choose(&accepted.client_hello()).0
    };
    let (_, bytes) = hello(&full, NAME);
    assert_eq!(choose(&bytes), Family::Sm);
    // Each part is replaced by a number that means nothing.
    let (suites, extensions) = lists(&bytes);
    let of = |kind: u16| extensions[&kind].clone();
    for (list, part) in [
        (suites, [0x00, 0xc6]), // cipher_suites
        (of(10), [0x00, 0x29]), // supported_groups
        (of(13), [0x07, 0x08]), // signature_algorithms
    ] {
        let mut bytes = bytes.clone();
        let items = bytes[list].chunks_exact_mut(2);
        let found: Vec<_> = items.filter(|item| **item == part).collect();
        assert_eq!(found.len(), 1);
        for item in found {
            item.copy_from_slice(&[0xfe, 0xfe]);
        }
        assert_eq!(choose(&bytes), Family::Standard, "{part:x?}");
    }
}

/// Where a hello's cipher suites are, and where each extension's body (RFC 8446 §4.1.2).
fn lists(hello: &[u8]) -> (Range<usize>, HashMap<u16, Range<usize>>) {
    let number = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    // Record header, handshake header, version, random, session id.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    let suites = at + 2..at + 2 + usize::from(number(at));
    // Compression methods, and the extensions' own length.
    at = suites.end + 1 + usize::from(hello[suites.end]) + 2;
    let mut extensions = HashMap::new();
    while at < hello.len() {
        let end = at + 4 + usize::from(number(at + 2));
        extensions.insert(number(at), at + 4..end);
        at = end;
    }
    (suites, extensions)
}

#[test]
fn a_front_for_one_kind_refuses_the_other_with_an_alert() {
    let set = set();
    let only_sm = Front::sm(set.sm.clone());
    let only_standard = Front::standard(set.standard.clone());
    for (front, config) in [
        (&only_sm, &set.standard_client()),
        (&only_standard, &set.acme.client(None)),
    ] {
        let refused = serve(front, config, NAME).map(|(family, _)| family);
        assert!(
            matches!(refused, Err(Error::PeerIncompatible(_))),
            "{refused:?}"
        );
    }
    serve(&only_sm, &set.acme.client(None), NAME).unwrap();
    serve(&only_standard, &set.standard_client(), NAME).unwrap();
}

#[tokio::test]
async fn a_tokio_server_chooses_the_same_way() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

    let set = set();
    let front = set.both(Preference::Sm);
    for (config, expected) in [
        (set.acme.client(None), Family::Sm),
        (set.standard_client(), Family::Standard),
    ] {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let front = front.clone();
        let served = tokio::spawn(async move {
            let start = LazyConfigAcceptor::new(Acceptor::default(), far)
                .await
                .unwrap();
            let (family, config) = front.choose(&start.client_hello());
            let mut stream = start.into_stream(config).await.unwrap();
            let mut got = [0; 7];
            stream.read_exact(&mut got).await.unwrap();
            stream.write_all(&got).await.unwrap();
            stream.flush().await.unwrap();
            family
        });
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(config)
            .connect(name, near)
            .await
            .unwrap();
        stream.write_all(b"reading").await.unwrap();
        stream.flush().await.unwrap();
        let mut back = [0; 7];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"reading");
        assert_eq!(served.await.unwrap(), expected);
    }
}
