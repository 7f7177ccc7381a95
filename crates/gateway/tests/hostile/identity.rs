//! Who it isn't: forged signatures, wrong roles, other people's certificates, replays.

use mqtt5::{
    Packet,
    packet::{auth::AuthPacket, connack::ConnAckPacket, connect::ConnectPacket},
    types::ReasonCode,
};
use sealwire_envelope::{
    decode, encode,
    login::{Answer, Challenge, METHOD, Token, TokenBody, Transcript},
};
use sealwire_gateway::Ledger as _;
use sealwire_sm::{SecretKey, cert::Role};

use crate::{
    common::{Person, World, wire::options},
    foe::{Field, Foe, connect, made_up, token_connect},
    order,
};

pub async fn attack(field: &Field) -> String {
    let logins = [
        forged_answers(field).await,
        wrong_people(field).await,
        forged_tokens(field).await,
        replays(field).await,
    ];
    format!("{} logins", logins.iter().sum::<usize>())
}

fn refused(ack: &ConnAckPacket, what: &str) {
    assert_ne!(ack.reason_code, ReasonCode::Success, "{what} was let in");
}

/// The challenge of an honest hello, and what must be signed.
async fn challenged(field: &Field) -> (Foe, Transcript) {
    let nonce = rand::random();
    let mut foe = Foe::dial(field).await;
    foe.send(&order::hello(field, nonce)).await;
    let Some(Packet::Auth(auth)) = foe.next().await else {
        panic!("no challenge")
    };
    let challenge: Challenge = decode(auth.authentication_data().unwrap()).unwrap();
    let transcript = Transcript {
        chain: field.world.ledger.chain(),
        client: field.foe.client.clone(),
        certificate: field.foe.id(),
        client_nonce: nonce,
        gateway: challenge.gateway,
        gateway_nonce: challenge.nonce,
        time_ms: challenge.time_ms,
    };
    (foe, transcript)
}

fn answer(transcript: &Transcript, key: &SecretKey) -> Packet {
    let answer = Answer {
        signature: transcript.sign_as_client(key),
    };
    Packet::Auth(AuthPacket::continue_authentication(METHOD.into(), Some(encode(&answer))).unwrap())
}

type Spoil = fn(&mut Transcript);

/// A signature over anything but this login, or by anybody else, or none.
async fn forged_answers(field: &Field) -> usize {
    let key = &field.foe.key;
    let spoils: [Spoil; 6] = [
        |t| t.client_nonce[0] ^= 1,
        |t| t.gateway_nonce[31] ^= 1,
        |t| t.time_ms += 1,
        |t| t.gateway = t.certificate,
        |t| t.certificate = t.gateway,
        |t| t.client = "acme.press-7".parse().unwrap(),
    ];
    for spoil in spoils {
        let (mut foe, mut transcript) = challenged(field).await;
        spoil(&mut transcript);
        foe.packet(answer(&transcript, key)).await;
        refused(&foe.connack().await, "a signature over another login");
    }
    let (mut foe, transcript) = challenged(field).await;
    let stranger = SecretKey::generate(&mut rand::rng());
    foe.packet(answer(&transcript, &stranger)).await;
    refused(&foe.connack().await, "a stranger's signature");
    // The gateway's own signature, as a mirror would send it back.
    let (mut foe, transcript) = challenged(field).await;
    let signature = transcript.sign_as_gateway(&field.world.one.gateway.key);
    let mirrored =
        AuthPacket::continue_authentication(METHOD.into(), Some(encode(&Answer { signature })));
    foe.packet(Packet::Auth(mirrored.unwrap())).await;
    refused(&foe.connack().await, "the gateway's own signature");
    for data in [
        None,
        Some(Vec::new()),
        Some(vec![0xff; 4000]),
        Some(vec![0x9f; 4000]),
    ] {
        let (mut foe, _) = challenged(field).await;
        let auth = AuthPacket::continue_authentication(METHOD.into(), data);
        foe.packet(Packet::Auth(auth.unwrap())).await;
        refused(&foe.connack().await, "no signature");
    }
    spoils.len() + 6
}

/// Certificates that are real and not of a device or user of this ledger.
async fn wrong_people(field: &Field) -> usize {
    let world = &field.world;
    let unregistered = world.one.issue("ghost", Role::Device, 1_000);
    let foreign = World::new();
    let impostor = foreign.one.issue("foe", Role::Device, 1_000);
    let revoked = world.device("revoked");
    world.revoke_certificate(&world.one, &revoked);
    let people: [(&str, &Person); 6] = [
        ("an unregistered device", &unregistered),
        ("the same name under another root", &impostor),
        ("a revoked device", &revoked),
        ("an operator", &world.one.operator),
        ("a gateway of another organisation", &world.two.gateway),
        ("this gateway itself", &world.one.gateway),
    ];
    for (what, person) in people {
        let name = person.client.as_str();
        let password = world.password(person);
        let by_token = options(name).with_credentials(name, password.as_bytes());
        let mut foe = Foe::dial(field).await;
        foe.send(&connect(ConnectPacket::new(by_token.protocol_options)))
            .await;
        refused(&foe.connack().await, what);
        let (_, ack) = crate::common::wire::Wire::sm2(world, field.gateway.mqtt_addr, person).await;
        refused(&ack, what);
    }
    2 * people.len()
}

/// Tokens that are well formed and wrong in one field, each signed by the foe's own key.
async fn forged_tokens(field: &Field) -> usize {
    type Spoil = fn(&mut TokenBody);
    let spoils: [(&str, Spoil); 8] = [
        ("another version", |t| t.version += 1),
        ("another ledger", |t| t.chain.0.0[0] ^= 1),
        ("another client", |t| {
            t.client = "acme.press-7".parse().unwrap()
        }),
        ("another certificate", |t| t.certificate.0.0[5] ^= 1),
        ("another gateway", |t| {
            t.gateway = "bolt.gateway".parse().unwrap()
        }),
        ("expired", |t| {
            (t.not_before_s, t.expires_s) = (1_000, 1_100)
        }),
        ("of the future", |t| t.not_before_s = t.expires_s - 1),
        ("for ever", |t| t.expires_s = u64::MAX),
    ];
    for (what, spoil) in spoils {
        let mut body = field.world.token(&field.foe);
        spoil(&mut body);
        let password = Token::sign(body, &field.foe.key).to_text();
        refused(&by_password(field, "acme.foe", &password).await, what);
    }
    // The foe's good token under the honest publisher's name.
    let password = field.world.password(&field.foe);
    let ack = by_password(field, "acme.press-7", &password).await;
    refused(&ack, "another one's name");
    spoils.len() + 1
}

async fn by_password(field: &Field, user: &str, password: &str) -> ConnAckPacket {
    let options = options(&made_up()).with_credentials(user, password.as_bytes());
    let mut foe = Foe::dial(field).await;
    foe.send(&connect(ConnectPacket::new(options.protocol_options)))
        .await;
    foe.connack().await
}

/// What was good once.
async fn replays(field: &Field) -> usize {
    // A whole login by token, byte for byte.
    let bytes = token_connect(field);
    let mut first = Foe::dial(field).await;
    first.send(&bytes).await;
    assert_eq!(first.connack().await.reason_code, ReasonCode::Success);
    for _ in 0..3 {
        let mut again = Foe::dial(field).await;
        again.send(&bytes).await;
        refused(&again.connack().await, "a used token");
    }
    // The answer to an earlier challenge, after the same hello.
    let nonce = rand::random();
    let mut recorded = None;
    for round in 0..3 {
        let mut foe = Foe::dial(field).await;
        foe.send(&order::hello(field, nonce)).await;
        let Some(Packet::Auth(auth)) = foe.next().await else {
            panic!("no challenge")
        };
        let challenge: Challenge = decode(auth.authentication_data().unwrap()).unwrap();
        let packet = recorded.get_or_insert_with(|| {
            let transcript = Transcript {
                chain: field.world.ledger.chain(),
                client: field.foe.client.clone(),
                certificate: field.foe.id(),
                client_nonce: nonce,
                gateway: challenge.gateway,
                gateway_nonce: challenge.nonce,
                time_ms: challenge.time_ms,
            };
            answer(&transcript, &field.foe.key)
        });
        foe.packet(packet.clone()).await;
        let ack = foe.connack().await;
        assert_eq!(ack.reason_code == ReasonCode::Success, round == 0);
    }
    // A CONNECT and an AUTH sent again inside the session that they opened.
    for packet in [
        Packet::Auth(AuthPacket::continue_authentication(METHOD.into(), Some(vec![1])).unwrap()),
        recorded.unwrap(),
    ] {
        let mut foe = Foe::login(field).await;
        foe.packet(packet).await;
        assert!(matches!(&foe.closed().await[..], [Packet::Disconnect(_)]));
    }
    let mut foe = Foe::login(field).await;
    foe.send(&bytes).await;
    foe.closed().await;
    // None of it reached the session that the token opened.
    first.packet(Packet::PingReq).await;
    assert!(matches!(first.next().await, Some(Packet::PingResp)));
    10
}
