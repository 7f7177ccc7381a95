//! SM with ourselves: what must work, and what must be refused.

mod support;

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::{
    AlertDescription, CertificateError, CipherSuite, ClientConfig, Error, HandshakeKind,
    ProtocolVersion, ServerConfig, SignatureAlgorithm, SignatureScheme,
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    version::TLS13,
};
use sealwire_sm::{Role, SecretKey, identified};
use sealwire_tls::{
    CERTIFICATE_ID, CURVE_SM2, ClientTrust, Clients, ConfigError, Expected, HANDSHAKE_ID,
    Resumption, Roots, SM2SIG_SM3, SM4_CCM_SM3, SM4_GCM_SM3, TLS13_SM4_CCM_SM3, client, provider,
    server,
    trust::{self, Untrusted},
    with_suites,
};
use support::{DAY_S, Member, Organisation, Pair, feed, now_s, received, sm_server};

struct Set {
    acme: Organisation,
    gateway: Member,
    device: Member,
}

fn set() -> Set {
    let acme = Organisation::new("acme");
    Set {
        gateway: acme.member(Role::Gateway, "acme.gate-1"),
        device: acme.member(Role::Device, "acme.press-7"),
        acme,
    }
}

/// The client's configuration with other primitives.
fn client_with(set: &Set, provider: Arc<CryptoProvider>) -> Arc<ClientConfig> {
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
        Arc::new({
            let mut store = rustls::RootCertStore::empty();
            let root = set.acme.root.certificate.der().to_vec();
            store.add(CertificateDer::from(root)).unwrap();
            store
        }),
        provider.clone(),
    );
    // Only the chain and the signature: these certificates have no host name.
    let verifier = AnyName(verifier.build().unwrap());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Arc::new(config)
}

/// webpki, on our provider, without its check of the host name.
#[derive(Debug)]
struct AnyName(Arc<rustls::client::WebPkiServerVerifier>);

impl rustls::client::danger::ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &rustls::pki_types::ServerName<'_>,
        ocsp: &[u8],
        now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(rustls::client::danger::ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        unreachable!("TLS 1.2 isn't offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

fn suite_of(pair: &Pair) -> CipherSuite {
    let suite = pair.server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(
        suite,
        pair.client.negotiated_cipher_suite().unwrap().suite()
    );
    suite
}

#[test]
fn gcm_is_what_we_agree_on() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let mut pair = Pair::new(&set.acme.client(None), &server);
    pair.talk().unwrap();
    assert_eq!(suite_of(&pair), SM4_GCM_SM3);
    assert_eq!(
        pair.client.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    let group = pair.server.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), CURVE_SM2);
    assert_eq!(pair.server.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(trust::peer(&pair.client).unwrap(), set.gateway.certificate);
    assert!(trust::peer(&pair.server).is_none());
}

#[test]
fn ccm_is_there_for_who_has_only_that() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let client = client_with(&set, with_suites(&[&TLS13_SM4_CCM_SM3]));
    let mut pair = Pair::new(&client, &server);
    pair.talk().unwrap();
    assert_eq!(suite_of(&pair), SM4_CCM_SM3);
}

#[test]
fn large_data_goes_both_ways_in_both_suites() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let data: Vec<u8> = (0..200_000u32).map(|i| (i * 7) as u8).collect();
    for provider in [provider(), with_suites(&[&TLS13_SM4_CCM_SM3])] {
        let mut pair = Pair::new(&client_with(&set, provider), &server);
        pair.settle().unwrap();
        pair.client.set_buffer_limit(None);
        pair.client.writer().write_all(&data).unwrap();
        let mut bytes = Vec::new();
        while pair.client.wants_write() {
            pair.client.write_tls(&mut bytes).unwrap();
        }
        let mut got = Vec::new();
        for piece in bytes.chunks(4000) {
            feed(&mut pair.server, piece).unwrap();
            got.extend(received(&mut pair.server));
        }
        assert!(got == data);
    }
}

#[test]
fn both_sides_show_certificates() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Required(set.acme.everybody()));
    let mut pair = Pair::new(&set.acme.client(Some(&set.device)), &server);
    pair.talk().unwrap();
    let peer = trust::peer(&pair.server).unwrap();
    assert_eq!(
        (peer.name.as_str(), peer.role),
        ("acme.press-7", Role::Device)
    );
}

#[test]
fn a_client_certificate_may_be_optional() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Optional(set.acme.everybody()));
    let mut without = Pair::new(&set.acme.client(None), &server);
    without.talk().unwrap();
    assert!(trust::peer(&without.server).is_none());
    let mut with = Pair::new(&set.acme.client(Some(&set.device)), &server);
    with.talk().unwrap();
    assert!(trust::peer(&with.server).is_some());

    let required = sm_server(&set.gateway, Clients::Required(set.acme.everybody()));
    let mut without = Pair::new(&set.acme.client(None), &required);
    assert_eq!(
        without.settle().unwrap_err(),
        Error::NoCertificatesPresented
    );
}

#[test]
fn the_ledger_has_the_last_word_about_a_client() {
    let set = set();
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, known) = (asked.clone(), set.device.certificate.der().to_vec());
    let trust = ClientTrust::new(set.acme.roots(), move |der| {
        count.fetch_add(1, Ordering::Relaxed);
        if der == known {
            Ok(())
        } else {
            Err("revoked at height 7".to_owned())
        }
    });
    let server = sm_server(&set.gateway, Clients::Required(trust.clone()));
    Pair::new(&set.acme.client(Some(&set.device)), &server)
        .talk()
        .unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let other = set.acme.member(Role::Device, "acme.press-8");
    let mut refused = Pair::new(&set.acme.client(Some(&other)), &server);
    let error = refused.settle().unwrap_err();
    assert!(matches!(
        trust::why(&error),
        Some(Untrusted::Refused { reason, .. }) if reason == "revoked at height 7"
    ));
    // The client isn't told why.
    let told = refused.settle().unwrap_err();
    assert_eq!(
        told,
        Error::AlertReceived(AlertDescription::CertificateUnknown)
    );
}

#[test]
fn wrong_roots_are_refused_on_both_sides() {
    let set = set();
    // Same names, another key.
    let impostor = Organisation::new("acme");
    let gateway = impostor.member(Role::Gateway, "acme.gate-1");
    let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);

    let server = sm_server(&gateway, Clients::Unasked);
    let mut pair = Pair::new(&set.acme.client(None), &server);
    assert_eq!(pair.settle().unwrap_err(), unknown);
    let told = pair.settle().unwrap_err();
    assert_eq!(told, Error::AlertReceived(AlertDescription::UnknownCA));

    let device = impostor.member(Role::Device, "acme.press-7");
    let client = client::sm(
        set.acme.roots(),
        Expected::AnyGateway,
        Some((&device.certificate, &device.key)),
        &client::Options::default(),
    );
    let server = sm_server(&set.gateway, Clients::Optional(set.acme.everybody()));
    let mut pair = Pair::new(&client.unwrap(), &server);
    assert_eq!(pair.settle().unwrap_err(), unknown);
}

#[test]
fn only_gateways_are_servers_and_only_the_expected_one() {
    let set = set();
    let connect = |shown: &Member, expected: Expected| {
        let client = client::sm(
            set.acme.roots(),
            expected,
            None,
            &client::Options::default(),
        );
        Pair::new(&client.unwrap(), &sm_server(shown, Clients::Unasked)).settle()
    };
    let gate = || Expected::Gateway("acme.gate-1".to_owned());
    connect(&set.gateway, gate()).unwrap();
    let other = set.acme.member(Role::Gateway, "acme.gate-2");
    let error = connect(&other, gate()).unwrap_err();
    assert!(matches!(
        trust::why(&error),
        Some(Untrusted::Name { name, .. }) if name == "acme.gate-2"
    ));
    let error = connect(&set.device, Expected::AnyGateway).unwrap_err();
    assert!(matches!(
        trust::why(&error),
        Some(Untrusted::Role {
            role: Role::Device,
            ..
        })
    ));
}

#[test]
fn dates_count() {
    let set = set();
    let now_s = now_s();
    let at = |from_s, to_s| {
        set.acme
            .member_between(Role::Gateway, "acme.gate-1", from_s, to_s)
    };
    for (member, expected) in [
        (
            at(now_s - 2 * DAY_S, now_s - DAY_S),
            CertificateError::Expired,
        ),
        (
            at(now_s + DAY_S, now_s + 2 * DAY_S),
            CertificateError::NotValidYet,
        ),
    ] {
        let server = sm_server(&member, Clients::Unasked);
        let error = Pair::new(&set.acme.client(None), &server)
            .settle()
            .unwrap_err();
        assert_eq!(error, Error::InvalidCertificate(expected));
    }
    // And the root's own.
    let roots = set.acme.roots();
    let der = set.gateway.certificate.der();
    assert!(roots.check(der, now_s).is_ok());
    assert!(matches!(
        roots.check(der, now_s + 400 * DAY_S),
        Err(Untrusted::Expired { .. })
    ));
}

/// A key that signs handshakes under an identifier of its choice.
#[derive(Debug)]
struct Under(SecretKey, &'static str);

impl SigningKey for Under {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self(self.0.clone(), self.1)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Under {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = identified::Signer::new(&self.0, self.1).sign(message);
        Ok(signature.to_der().unwrap())
    }

    fn scheme(&self) -> SignatureScheme {
        SM2SIG_SM3
    }
}

fn server_signing(certificate: &Member, key: Under) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from(certificate.certificate.der().to_vec())];
    let shown = CertifiedKey::new(chain, Arc::new(key));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    Arc::new(config)
}

#[test]
fn a_handshake_signed_under_another_identifier_or_key_is_refused() {
    let set = set();
    let key = &set.gateway.key;
    let right = server_signing(&set.gateway, Under(key.clone(), HANDSHAKE_ID));
    Pair::new(&set.acme.client(None), &right).talk().unwrap();
    for wrong in [
        Under(key.clone(), CERTIFICATE_ID),
        Under(key.clone(), ""),
        Under(set.device.key.clone(), HANDSHAKE_ID),
    ] {
        let server = server_signing(&set.gateway, wrong);
        let error = Pair::new(&set.acme.client(None), &server)
            .settle()
            .unwrap_err();
        assert_eq!(
            error,
            Error::InvalidCertificate(CertificateError::BadSignature)
        );
    }
}

#[test]
fn sessions_resume_by_ticket_and_by_store_or_not_at_all() {
    let set = set();
    for (resumption, second) in [
        (Resumption::default(), HandshakeKind::Resumed),
        (Resumption::Sessions { max: 8 }, HandshakeKind::Resumed),
        (Resumption::Off, HandshakeKind::Full),
    ] {
        let options = server::Options {
            resumption,
            ..server::Options::default()
        };
        let clients = Clients::Optional(set.acme.everybody());
        let gateway = &set.gateway;
        let server = server::sm(&gateway.certificate, &gateway.key, clients, &options).unwrap();
        let client = set.acme.client(Some(&set.device));
        let mut first = Pair::new(&client, &server);
        first.talk().unwrap();
        assert_eq!(first.server.handshake_kind(), Some(HandshakeKind::Full));
        let mut again = Pair::new(&client, &server);
        again.talk().unwrap();
        assert_eq!(
            again.server.handshake_kind(),
            Some(second),
            "{resumption:?}"
        );
        assert_eq!(
            again.client.handshake_kind(),
            Some(second),
            "{resumption:?}"
        );
        // Who it is stays known.
        assert_eq!(trust::peer(&again.server).unwrap(), set.device.certificate);
        // A client that doesn't want to.
        let forgetful = client::Options {
            sessions: 0,
            ..client::Options::default()
        };
        let forgetful = client::sm(set.acme.roots(), Expected::AnyGateway, None, &forgetful);
        let forgetful = forgetful.unwrap();
        for _ in 0..2 {
            let mut pair = Pair::new(&forgetful, &server);
            pair.talk().unwrap();
            assert_eq!(pair.server.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[test]
fn a_ticket_of_another_server_or_a_changed_one_means_a_full_handshake() {
    let set = set();
    let client = set.acme.client(None);
    let server = || sm_server(&set.gateway, Clients::Unasked);
    Pair::new(&client, &server()).talk().unwrap();
    let mut restarted = Pair::new(&client, &server());
    restarted.talk().unwrap();
    assert_eq!(restarted.server.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn a_revoked_client_is_caught_after_resumption_by_asking_again() {
    let set = set();
    let revoked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = revoked.clone();
    let trust = ClientTrust::new(set.acme.roots(), move |_| {
        match flag.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err("revoked".to_owned()),
        }
    });
    let server = sm_server(&set.gateway, Clients::Required(trust.clone()));
    let client = set.acme.client(Some(&set.device));
    Pair::new(&client, &server).talk().unwrap();
    revoked.store(true, Ordering::Relaxed);
    let mut again = Pair::new(&client, &server);
    again.talk().unwrap();
    assert_eq!(again.server.handshake_kind(), Some(HandshakeKind::Resumed));
    let der = &again.server.peer_certificates().unwrap()[0];
    assert!(matches!(
        trust.check(der, now_s()),
        Err(Untrusted::Refused { .. })
    ));
}

#[test]
fn a_hello_with_another_group_first_is_retried() {
    let set = set();
    let mut more = CryptoProvider::clone(&provider());
    more.kx_groups
        .insert(0, rustls::crypto::ring::kx_group::X25519);
    let server = sm_server(&set.gateway, Clients::Unasked);
    let mut pair = Pair::new(&client_with(&set, Arc::new(more)), &server);
    pair.talk().unwrap();
    let kind = Some(HandshakeKind::FullWithHelloRetryRequest);
    assert_eq!(pair.server.handshake_kind(), kind);
    assert_eq!(pair.client.handshake_kind(), kind);
    let group = pair.client.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), CURVE_SM2);
}

#[test]
fn nothing_in_common_is_an_alert() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let standard = client::standard(rustls::RootCertStore::empty(), &client::Options::default());
    let mut pair = Pair::new(&standard.unwrap(), &server);
    assert!(matches!(
        pair.settle().unwrap_err(),
        Error::PeerIncompatible(_)
    ));
    let told = pair.settle().unwrap_err();
    assert_eq!(
        told,
        Error::AlertReceived(AlertDescription::HandshakeFailure)
    );
}

#[test]
fn protocols_within_are_negotiated() {
    let set = set();
    let alpn = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect();
    let options = server::Options {
        alpn: alpn(&["mqtt", "http/1.1"]),
        ..server::Options::default()
    };
    let gateway = &set.gateway;
    let server = server::sm(
        &gateway.certificate,
        &gateway.key,
        Clients::Unasked,
        &options,
    );
    let server = server.unwrap();
    let client = |names: &[&str]| {
        let options = client::Options {
            alpn: alpn(names),
            ..client::Options::default()
        };
        client::sm(set.acme.roots(), Expected::AnyGateway, None, &options).unwrap()
    };
    let mut pair = Pair::new(&client(&["http/1.1"]), &server);
    pair.talk().unwrap();
    assert_eq!(pair.server.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut pair = Pair::new(&client(&["smtp"]), &server);
    assert!(pair.settle().is_err());
    let mut pair = Pair::new(&client(&[]), &server);
    pair.talk().unwrap();
    assert_eq!(pair.server.alpn_protocol(), None);
}

#[test]
fn keys_are_updated_on_a_live_connection() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let mut pair = Pair::new(&set.acme.client(None), &server);
    pair.talk().unwrap();
    for _ in 0..3 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.talk().unwrap();
        pair.server.refresh_traffic_keys().unwrap();
        pair.talk().unwrap();
    }
}

#[test]
fn exported_secrets_agree_and_belong_to_the_connection() {
    let set = set();
    let server = sm_server(&set.gateway, Clients::Unasked);
    let export = || {
        let mut pair = Pair::new(&set.acme.client(None), &server);
        pair.talk().unwrap();
        let label = b"EXPORTER-sealwire";
        let ours = pair
            .client
            .export_keying_material([0; 32], label, None)
            .unwrap();
        let theirs = pair
            .server
            .export_keying_material([0; 32], label, None)
            .unwrap();
        assert_eq!(ours, theirs);
        ours
    };
    assert_ne!(export(), export());
}

#[test]
fn settings_that_cant_work_are_refused() {
    let set = set();
    let options = server::Options::default();
    let (gateway, device) = (&set.gateway, &set.device);
    assert!(matches!(
        server::sm(
            &gateway.certificate,
            &device.key,
            Clients::Unasked,
            &options
        ),
        Err(ConfigError::KeyMismatch { .. })
    ));
    assert!(matches!(Roots::new([]), Err(ConfigError::NoRoots)));
    assert!(matches!(
        Roots::new([device.certificate.clone()]),
        Err(ConfigError::NotARoot { .. })
    ));
    let many = vec![set.acme.root.certificate.clone(); trust::ROOTS_MAX + 1];
    assert!(matches!(
        Roots::new(many),
        Err(ConfigError::TooManyRoots { .. })
    ));
    let own = Some((&device.certificate, &gateway.key));
    let expected = Expected::AnyGateway;
    assert!(matches!(
        client::sm(set.acme.roots(), expected, own, &client::Options::default()),
        Err(ConfigError::KeyMismatch { .. })
    ));
}

#[test]
fn keys_load_from_pkcs8_as_rustls_asks() {
    let set = set();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    let none: Option<(&str, &mut rand::rngs::StdRng)> = None;
    sealwire_sm::keyfile::write(&path, &set.gateway.key, none).unwrap();
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
    let key = PrivateKeyDer::from_pem_file(&path).unwrap();
    let chain = vec![CertificateDer::from(set.gateway.certificate.der().to_vec())];
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth();
    let server = config
        .clone()
        .with_single_cert(chain.clone(), key.clone_key());
    Pair::new(&set.acme.client(None), &Arc::new(server.unwrap()))
        .talk()
        .unwrap();
    // The key of another certificate is noticed.
    let other = vec![CertificateDer::from(set.device.certificate.der().to_vec())];
    assert!(config.with_single_cert(other, key).is_err());
}

/// Bytes on the wire, both directions together, as docs/tls.md has them: a change that costs more
/// is noticed. SM2 signatures and serial numbers vary by a few bytes.
#[test]
fn sizes_are_as_documented() {
    let set = set();
    let no_tickets = server::Options {
        resumption: Resumption::Off,
        ..server::Options::default()
    };
    let gateway = &set.gateway;
    let unasked = server::sm(
        &gateway.certificate,
        &gateway.key,
        Clients::Unasked,
        &no_tickets,
    );
    let asked = Clients::Required(set.acme.everybody());
    let asked = server::sm(&gateway.certificate, &gateway.key, asked, &no_tickets);
    let size = |pair: &mut Pair| {
        pair.settle().unwrap();
        pair.sent.iter().map(Vec::len).sum::<usize>()
    };
    let plain = size(&mut Pair::new(&set.acme.client(None), &unasked.unwrap()));
    let mutual = size(&mut Pair::new(
        &set.acme.client(Some(&set.device)),
        &asked.unwrap(),
    ));
    let tickets = sm_server(&set.gateway, Clients::Unasked);
    let client = set.acme.client(None);
    let first = size(&mut Pair::new(&client, &tickets));
    let resumed = size(&mut Pair::new(&client, &tickets));
    let page = include_str!("../../../docs/tls.md");
    for (row, measured) in [
        ("Full", plain),
        ("Full, both show certificates", mutual),
        ("Full, with a ticket", first),
        ("Resumed, with the next ticket", resumed),
    ] {
        let start = format!("| {row} | ");
        let line = page.lines().find_map(|line| line.strip_prefix(&start));
        let documented: usize = line.unwrap().trim_end_matches(" |").parse().unwrap();
        assert!(
            documented.abs_diff(measured) <= 16,
            "{row}: {measured} bytes"
        );
    }
}
