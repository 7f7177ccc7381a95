//! Re-authentication on a live session, at a gateway that follows a script: what a client shows, and what it
//! doesn't to a gateway that can't show who it is.

use std::{sync::Arc, time::Duration};

use crate::common::{Client, World, soon};
use mqtt5_protocol::{
    Packet,
    packet::{
        auth::AuthPacket, connack::ConnAckPacket, disconnect::DisconnectPacket,
        puback::PubAckPacket,
    },
};
use sealwire_client::{
    Keyring,
    mqtt::{
        Ended, LoginError, Method, Options, QoS, ReasonCode, ReauthenticateError, Reconnect,
        Session,
    },
};
use sealwire_envelope::{
    Blob, Call, CertId, RenewCertificate, TopicMode, decode, encode,
    login::{Answer, Challenge, Hello, METHOD, Transcript},
};
use sealwire_gateway::frame::{self, FrameReader};
use sealwire_sm::Role;
use tokio::net::{
    TcpListener,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};

/// A gateway that does what a test tells it, with a real gateway's key.
struct Script<'a> {
    world: &'a World,
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl<'a> Script<'a> {
    /// Lets the next connection log in as `client`.
    async fn admit(world: &'a World, listener: &TcpListener, client: &Client) -> Self {
        let (stream, _) = soon(listener.accept()).await.unwrap();
        let (read, writer) = stream.into_split();
        let reader = FrameReader::new(read, 1 << 20);
        let mut script = Self {
            world,
            reader,
            writer,
        };
        let Some(Packet::Connect(connect)) = script.next().await else {
            panic!("no CONNECT");
        };
        assert_eq!(connect.client_id, client.id().as_str());
        let hello = connect.properties.get_authentication_data().unwrap();
        let transcript = script.challenge(client, hello).await;
        script.check(client, &transcript).await;
        let mut ack = ConnAckPacket::new(false, ReasonCode::Success);
        ack.properties.set_authentication_method(METHOD.to_owned());
        script.send(Packet::ConnAck(ack)).await;
        script
    }

    async fn send(&mut self, packet: Packet) {
        frame::write(&mut self.writer, &packet).await.unwrap();
    }

    /// The next packet; none at the end of the connection.
    async fn next(&mut self) -> Option<Packet> {
        let frame = soon(self.reader.next()).await.ok().flatten()?;
        Some(frame.decode(5).unwrap())
    }

    /// The data of the AUTH that asks to re-authenticate.
    async fn asked(&mut self) -> Vec<u8> {
        let Some(Packet::Auth(auth)) = self.next().await else {
            panic!("no AUTH");
        };
        assert_eq!(auth.reason_code, ReasonCode::ReAuthenticate);
        assert_eq!(auth.authentication_method(), Some(METHOD));
        auth.authentication_data().unwrap().to_vec()
    }

    /// Answers a hello of `client`; what both must sign.
    async fn challenge(&mut self, client: &Client, hello: &[u8]) -> Transcript {
        let hello: Hello = decode(hello).unwrap();
        let (key, certificate) = &self.world.one.gateway;
        let transcript = Transcript {
            chain: client.identity.chain(),
            client: client.id().clone(),
            certificate: hello.certificate,
            client_nonce: hello.nonce,
            gateway: CertId(certificate.id()),
            gateway_nonce: rand::random(),
            time_ms: crate::common::now_ms(),
        };
        let challenge = Challenge {
            gateway: transcript.gateway,
            nonce: transcript.gateway_nonce,
            time_ms: transcript.time_ms,
            signature: transcript.sign_as_gateway(key),
        };
        self.send(auth(encode(&challenge))).await;
        transcript
    }

    /// The answer must be `client`'s, by its present key and certificate.
    async fn check(&mut self, client: &Client, transcript: &Transcript) {
        assert_eq!(transcript.certificate, client.identity.certificate_id());
        let Some(Packet::Auth(auth)) = self.next().await else {
            panic!("no answer");
        };
        assert_eq!(auth.reason_code, ReasonCode::ContinueAuthentication);
        let answer: Answer = decode(auth.authentication_data().unwrap()).unwrap();
        let key = client.identity.key().public_key();
        transcript.verify_client(key, &answer.signature).unwrap();
    }

    async fn content(&mut self) {
        let success = AuthPacket::success(METHOD.to_owned()).unwrap();
        self.send(Packet::Auth(success)).await;
    }

    /// The client says that it isn't content, and goes.
    async fn left(&mut self) {
        match self.next().await {
            Some(Packet::Disconnect(packet)) => {
                assert_eq!(packet.reason_code, ReasonCode::NotAuthorized);
            }
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
        assert!(self.next().await.is_none());
    }
}

fn auth(data: Vec<u8>) -> Packet {
    Packet::Auth(AuthPacket::continue_authentication(METHOD.to_owned(), Some(data)).unwrap())
}

struct Scene {
    world: World,
    listener: TcpListener,
    device: Client,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let device = world.client(&world.one, "press-7", Role::Device);
        Self {
            world,
            listener,
            device,
        }
    }

    fn options(&self) -> Options {
        Options::new(self.listener.local_addr().unwrap().to_string())
    }

    /// Logged in, at a gateway that waits for what comes.
    async fn live(&self, options: Options) -> (Session, Script<'_>) {
        let admit = Script::admit(&self.world, &self.listener, &self.device);
        let (session, script) = tokio::join!(self.device.connect_with(options), admit);
        (session.unwrap(), script)
    }

    /// The same client with the next key and certificate.
    fn renewed(&self) -> Client {
        let (key, certificate) = self.world.one.issue("press-7", Role::Device);
        self.world.stranger(key, certificate, "renewed")
    }
}

fn keyring(client: &Client, scene: &Scene) -> Arc<Keyring> {
    Arc::new(Keyring::new(client.identity.clone(), scene.world.ledger()))
}

#[tokio::test]
async fn both_sides_show_anew_who_they_are_while_messages_go_on() {
    let scene = Scene::new().await;
    let (session, mut script) = scene.live(scene.options()).await;
    // Twice: the first leaves nothing behind that would hinder the second.
    for _ in 0..2 {
        let (answered, on_answered) = tokio::sync::oneshot::channel();
        let gateway = async {
            let hello = script.asked().await;
            let transcript = script.challenge(&scene.device, &hello).await;
            script.check(&scene.device, &transcript).await;
            answered.send(()).unwrap();
            // A message on its way between the answer and the end of it.
            let Some(Packet::Publish(publish)) = script.next().await else {
                panic!("no PUBLISH");
            };
            let id = publish.packet_id.unwrap();
            script.send(Packet::PubAck(PubAckPacket::new(id))).await;
            script.content().await;
        };
        let client = async {
            let publish = async {
                on_answered.await.unwrap();
                let sent = session.send_payload("acme/press-7/t", vec![7], QoS::AtLeastOnce);
                soon(sent.await.unwrap().confirmed()).await.unwrap();
            };
            let (done, ()) = tokio::join!(soon(session.reauthenticate()), publish);
            done.unwrap();
        };
        tokio::join!(gateway, client);
    }
    assert!(session.is_live());
}

#[tokio::test]
async fn a_session_outlives_the_renewal_of_its_certificate() {
    let scene = Scene::new().await;
    let reconnect = Some(Reconnect {
        first: Duration::from_millis(10),
        ..Reconnect::default()
    });
    let options = Options {
        reconnect,
        ..scene.options()
    };
    let (session, mut script) = scene.live(options).await;
    let renewed = scene.renewed();
    assert_ne!(
        renewed.identity.certificate_id(),
        scene.device.identity.certificate_id()
    );
    let gateway = async {
        let hello = script.asked().await;
        let transcript = script.challenge(&renewed, &hello).await;
        script.check(&renewed, &transcript).await;
        script.content().await;
    };
    let keyring = keyring(&renewed, &scene);
    let (done, ()) = tokio::join!(soon(session.renew(&renewed.identity, keyring)), gateway);
    done.unwrap();
    // It comes back as who it is now.
    drop(script);
    let _script = Script::admit(&scene.world, &scene.listener, &renewed).await;
    assert!(session.is_live());
}

/// The same at a real gateway, with the ledger's renewal, and messages before, between and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_gateway_takes_it() {
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    // In the last third of its life, so that it may be renewed.
    let (key, certificate) = world.one.issue_for("press-7", Role::Device, 100);
    let device = world.registered(&world.one, key, certificate, "press-7");
    let topic = "acme/press-7/t".parse().unwrap();
    device
        .owner
        .register(&topic, TopicMode::Open)
        .await
        .unwrap();
    let session = device.connect(&gateway).await;
    let publish = async || {
        let sent = session.send_payload(topic.as_str(), vec![7], QoS::AtLeastOnce);
        soon(sent.await.unwrap().confirmed()).await.unwrap();
    };
    publish().await;
    soon(session.reauthenticate()).await.unwrap();
    publish().await;

    let (key, certificate) = world.one.issue("press-7", Role::Device);
    let der = Blob(certificate.der().to_vec());
    let (old, present) = (device.identity.key(), device.identity.certificate());
    let call = Call::RenewCertificate(RenewCertificate { der });
    world.chain.call(old, present, call);
    let renewed = world.stranger(key, certificate, "renewed");
    let done = session.renew(&renewed.identity, renewed.keyring.clone());
    soon(done).await.unwrap();
    publish().await;
    assert_eq!(
        session.identity().certificate_id(),
        renewed.identity.certificate_id()
    );
    assert_eq!(gateway.metrics().reauthentications.get(), 2);
    session.close().await;
    gateway.shutdown().await;
}

/// The login that follows a lost connection shows the same.
#[tokio::test]
async fn coming_back_in_the_middle_of_it_is_as_good() {
    let scene = Scene::new().await;
    let options = Options {
        reconnect: Some(Reconnect::default()),
        ..scene.options()
    };
    let (session, mut script) = scene.live(options).await;
    let renewed = scene.renewed();
    let gateway = async {
        script.asked().await;
        drop(script);
        Script::admit(&scene.world, &scene.listener, &renewed).await
    };
    let keyring = keyring(&renewed, &scene);
    let (done, _script) = tokio::join!(soon(session.renew(&renewed.identity, keyring)), gateway);
    done.unwrap();
}

#[tokio::test]
async fn a_refusal_says_why_and_ends_the_session() {
    let scene = Scene::new().await;
    let (session, mut script) = scene.live(scene.options()).await;
    let gateway = async {
        let hello = script.asked().await;
        let transcript = script.challenge(&scene.device, &hello).await;
        script.check(&scene.device, &transcript).await;
        let packet = DisconnectPacket::new(ReasonCode::NotAuthorized);
        let packet = packet.with_reason_string("not as it was".to_owned());
        script.send(Packet::Disconnect(packet)).await;
    };
    let (done, ()) = tokio::join!(soon(session.reauthenticate()), gateway);
    let Err(ReauthenticateError::Refused { code, reason }) = done else {
        panic!("{done:?}");
    };
    assert_eq!(
        (code, reason.as_str()),
        (ReasonCode::NotAuthorized, "not as it was")
    );
    assert!(matches!(
        *soon(session.ended()).await,
        Ended::Disconnected { .. }
    ));
    let after = soon(session.reauthenticate()).await;
    assert!(matches!(after, Err(ReauthenticateError::Ended(_))));
}

/// Why the session ended whose gateway couldn't be believed.
async fn distrusted(session: &Session) -> String {
    let done = soon(session.reauthenticate()).await;
    let Err(ReauthenticateError::Ended(ended)) = done else {
        panic!("{done:?}");
    };
    let Ended::Login(error) = &*ended else {
        panic!("{ended}");
    };
    assert!(!error.may_pass());
    match &**error {
        LoginError::GatewaySignature { .. } => "signature".to_owned(),
        LoginError::OtherGateway { .. } => "other gateway".to_owned(),
        LoginError::Protocol(_) => "protocol".to_owned(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn nothing_is_signed_for_a_gateway_that_cant_show_who_it_is() {
    let scene = Scene::new().await;
    // Its signature over another login.
    let (session, mut script) = scene.live(scene.options()).await;
    let gateway = async {
        let mut hello: Hello = decode(&script.asked().await).unwrap();
        hello.nonce[0] ^= 1;
        script.challenge(&scene.device, &encode(&hello)).await;
        script.left().await;
    };
    let (why, ()) = tokio::join!(distrusted(&session), gateway);
    assert_eq!(why, "signature");

    // Another gateway of the consortium, as good as the first, isn't the one this session is at.
    let (session, mut script) = scene.live(scene.options()).await;
    let gateway = async {
        let hello: Hello = decode(&script.asked().await).unwrap();
        let (key, certificate) = &scene.world.two.gateway;
        let transcript = Transcript {
            chain: scene.device.identity.chain(),
            client: scene.device.id().clone(),
            certificate: hello.certificate,
            client_nonce: hello.nonce,
            gateway: CertId(certificate.id()),
            gateway_nonce: [1; 32],
            time_ms: 1,
        };
        let challenge = Challenge {
            gateway: transcript.gateway,
            nonce: transcript.gateway_nonce,
            time_ms: transcript.time_ms,
            signature: transcript.sign_as_gateway(key),
        };
        script.send(auth(encode(&challenge))).await;
        script.left().await;
    };
    let (why, ()) = tokio::join!(distrusted(&session), gateway);
    assert_eq!(why, "other gateway");

    // Content without having been shown anything; and a challenge after the answer.
    let (session, mut script) = scene.live(scene.options()).await;
    let gateway = async {
        script.asked().await;
        script.content().await;
        script.left().await;
    };
    let (why, ()) = tokio::join!(distrusted(&session), gateway);
    assert_eq!(why, "protocol");
    let (session, mut script) = scene.live(scene.options()).await;
    let gateway = async {
        let hello = script.asked().await;
        let transcript = script.challenge(&scene.device, &hello).await;
        script.check(&scene.device, &transcript).await;
        script.challenge(&scene.device, &hello).await;
        script.left().await;
    };
    let (why, ()) = tokio::join!(distrusted(&session), gateway);
    assert_eq!(why, "protocol");
}

#[tokio::test]
async fn an_auth_that_nobody_asked_for_ends_the_session() {
    let scene = Scene::new().await;
    let (session, mut script) = scene.live(scene.options()).await;
    script.send(auth(vec![1])).await;
    let ended = soon(session.ended()).await;
    assert!(
        matches!(&*ended, Ended::Lost(why) if why.contains("AUTH")),
        "{ended}"
    );
}

#[tokio::test]
async fn a_gateway_that_says_nothing_doesnt_hold_anybody() {
    let scene = Scene::new().await;
    let options = Options {
        login_max: Duration::from_millis(300),
        ..scene.options()
    };
    let (session, _silent) = scene.live(options).await;
    // While the first waits, a second is told so, and the session goes on.
    let first = session.reauthenticate();
    let second = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        session.reauthenticate().await
    };
    let (first, second) = soon(async { tokio::join!(first, second) }).await;
    assert!(
        matches!(second, Err(ReauthenticateError::UnderWay)),
        "{second:?}"
    );
    let Err(ReauthenticateError::Ended(ended)) = first else {
        panic!("{first:?}");
    };
    assert!(
        matches!(&*ended, Ended::Lost(why) if why.contains("0.3 s")),
        "{ended}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_leaves_the_session_as_it_was() {
    let scene = Scene::new().await;
    let (session, _script) = scene.live(scene.options()).await;
    let other = scene
        .world
        .client(&scene.world.one, "press-8", Role::Device);
    let done = soon(session.renew(&other.identity, keyring(&other, &scene))).await;
    assert!(
        matches!(&done, Err(ReauthenticateError::OtherClient { found, .. }) if found == other.id()),
        "{done:?}"
    );
    assert!(session.is_live());

    let gateway = scene.world.gateway(None).await;
    let method = Method::Token {
        gateway: scene.world.gateway_id(),
    };
    let options = Options {
        method,
        ..Options::new(gateway.mqtt_addr.to_string())
    };
    let session = scene.device.connect_with(options).await.unwrap();
    let done = soon(session.reauthenticate()).await;
    assert!(matches!(done, Err(ReauthenticateError::Token)), "{done:?}");
    assert!(session.is_live());
    // The next login will be with it.
    let renewed = scene.renewed();
    let done = soon(session.renew(&renewed.identity, keyring(&renewed, &scene))).await;
    assert!(matches!(done, Err(ReauthenticateError::Token)), "{done:?}");
    let now = session.identity().certificate_id();
    assert_eq!(now, renewed.identity.certificate_id());
    assert!(session.is_live());
    gateway.shutdown().await;
}
