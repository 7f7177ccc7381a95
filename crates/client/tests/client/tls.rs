//! TLS at a real gateway: SM by RFC 8998 and standard TLS on one port, the archive over HTTPS, and what a
//! client certificate binds.

use std::sync::Arc;

use crate::common::{Client, World, soon};
use mqtt5_protocol::{
    ConnectOptions,
    packet::{MqttPacket as _, connect::ConnectPacket},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use sealwire_client::{
    Archive,
    mqtt::{LoginError, Method, Options},
    tls, token,
};
use sealwire_envelope::{Call, RevokeCertificate, TopicMode, TopicName};
use sealwire_gateway::Running;
use sealwire_sm::Role;
use sealwire_tls::client;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

fn mqtts(gateway: &Running) -> String {
    format!("mqtts://{}", gateway.mqtts_addr.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_over_tls_and_the_archive_over_https() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let topic: TopicName = "acme/press-7/t".parse().unwrap();
    a.owner.register(&topic, TopicMode::Sealed).await.unwrap();
    let mut options = Options::new(mqtts(&gateway));
    options.expect = Some(world.gateway_id());
    let session = a.connect_with(options.clone()).await.unwrap();
    let mut messages = session.subscribe(&topic.to_filter()).await.unwrap();
    session
        .publish(&topic, "text/plain", b"over TLS")
        .await
        .unwrap();
    let message = soon(messages.next()).await.unwrap().unwrap();
    assert_eq!(message.content.as_slice(), b"over TLS");

    gateway.close_packages().await.unwrap();
    let address = format!("https://{}", gateway.https_addr.unwrap());
    let store = Archive::new(&address, a.identity.clone()).unwrap();
    let page = store.packages(&topic, 0, 10).await.unwrap();
    assert_eq!(page.packages.len(), 1);
    store.package(&page.packages[0].package).await.unwrap();
    assert_eq!(gateway.metrics().tls_handshakes.get(), 1);

    options.expect = Some("bolt.gateway".parse().unwrap());
    let other = a.connect_with(options).await;
    assert!(
        matches!(other, Err(LoginError::Unreachable { .. })),
        "another gateway was asked for"
    );
}

/// Any MQTT client with standard TLS, and a token.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_sm_logs_in_by_token_on_the_same_port() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let pem = std::fs::read(world.path("gateway").join("tls.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let config = client::standard(roots, &client::Options::default()).unwrap();
    let token = token::create(&a.identity, &world.gateway_id(), token::LIFE_DEFAULT);
    let mut stream = shake(&gateway, config).await.unwrap();
    let code = login(&mut stream, "acme.press-7", Some(("acme.press-7", &token))).await;
    assert_eq!(code, Some(0));
}

async fn shake(
    gateway: &Running,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gateway.mqtts_addr.unwrap()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(config).connect(name, stream).await
}

/// Sends a CONNECT; the reason code of the CONNACK, or none when the connection ended.
async fn login(
    stream: &mut TlsStream<TcpStream>,
    client_id: &str,
    user: Option<(&str, &str)>,
) -> Option<u8> {
    let mut connect = ConnectPacket::new(ConnectOptions {
        client_id: client_id.to_owned(),
        ..ConnectOptions::default()
    });
    if let Some((name, password)) = user {
        connect.username = Some(name.to_owned());
        connect.password = Some(password.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    connect.encode(&mut bytes).unwrap();
    stream.write_all(&bytes).await.ok()?;
    let mut answer = [0; 4];
    soon(stream.read_exact(&mut answer)).await.ok()?;
    assert_eq!(answer[0], 0x20, "a CONNACK");
    Some(answer[3])
}

fn sm_config(of: &Client) -> Arc<ClientConfig> {
    tls::config(&of.identity, None).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_a_login_and_binds_the_connection() {
    const NOT_AUTHORIZED: u8 = 0x87;
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let a = world.client(&world.one, "press-7", Role::Device);
    let b = world.client(&world.two, "reader", Role::User);

    // The handshake has shown who it is: no token, no AUTH.
    let mut stream = shake(&gateway, sm_config(&a)).await.unwrap();
    assert_eq!(login(&mut stream, "acme.press-7", None).await, Some(0));

    // Somebody else's good token doesn't help on a's connection.
    let token = token::create(&b.identity, &world.gateway_id(), token::LIFE_DEFAULT);
    let mut stream = shake(&gateway, sm_config(&a)).await.unwrap();
    let code = login(&mut stream, "bolt.reader", Some(("bolt.reader", &token))).await;
    assert_eq!(code, Some(NOT_AUTHORIZED));

    // Without a certificate on the channel, the name alone is nothing.
    let mut anonymous = Options::new(gateway.mqtt_addr.to_string());
    anonymous.method = Method::Token {
        gateway: world.gateway_id(),
    };
    b.connect_with(anonymous).await.unwrap();

    // A revoked certificate doesn't get through the handshake, and a resumed session doesn't either.
    let config = sm_config(&a);
    let mut stream = shake(&gateway, config.clone()).await.unwrap();
    assert_eq!(login(&mut stream, "acme.press-7", None).await, Some(0));
    drop(stream);
    let (key, certificate) = &world.one.operator;
    let revoke = Call::RevokeCertificate(RevokeCertificate {
        certificate: a.identity.certificate_id(),
        reason: "lost".to_owned(),
    });
    world.chain.call(key, certificate, revoke);
    for config in [config, sm_config(&a)] {
        // TLS 1.3: the client learns of it when it reads.
        if let Ok(mut stream) = shake(&gateway, config).await {
            assert_eq!(login(&mut stream, "acme.press-7", None).await, None);
        }
    }
}

/// The certificate that is made is kept: clients that pinned it still connect after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn the_standard_certificate_is_kept() {
    let world = World::new().await;
    let file = world.path("gateway").join("tls.crt");
    let gateway = world.gateway(None).await;
    let before = std::fs::read(&file).unwrap();
    gateway.shutdown().await;
    let _again = world.gateway(None).await;
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
