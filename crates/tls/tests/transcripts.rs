//! Recorded sessions with OpenSSL 4 and Tongsuo, read again without them.
//!
//! `just tls-peers` made the recordings (`interop/tls-peers`): the bytes of both directions and the
//! session's secrets. Here our primitives open every record, check both sides' signatures and
//! Finished messages, and find what was said. So the bytes prove the interoperation wherever the
//! peers themselves aren't, and a change of ours that would break it fails.

use std::{collections::BTreeMap, fs, path::Path};

use rustls::{
    ContentType, ProtocolVersion, Tls13CipherSuite,
    crypto::{
        cipher::{AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter},
        tls13::OkmBlock,
    },
};
use sealwire_sm::Certificate;
use sealwire_tls::{Roots, TLS13_SM4_CCM_SM3, TLS13_SM4_GCM_SM3, provider};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recording {
    peer: String,
    peer_is: String,
    case: String,
    suite: String,
    handshake: String,
    mutual: bool,
    recorded_at_s: u64,
    root: String,
    client_sent: String,
    server_sent: String,
    secrets: BTreeMap<String, String>,
}

/// A handshake message: type, 3 bytes of length, body (RFC 8446 §4).
#[derive(Clone)]
struct Message(Vec<u8>);

impl Message {
    fn kind(&self) -> u8 {
        self.0[0]
    }

    fn body(&self) -> &[u8] {
        &self.0[4..]
    }
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const TICKET: u8 = 4;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;
const KEY_UPDATE: u8 = 24;

/// What one side said.
#[derive(Default)]
struct Side {
    messages: Vec<Message>,
    data: Vec<u8>,
    key_updates: usize,
}

struct Keys {
    suite: &'static Tls13CipherSuite,
    secret: OkmBlock,
    opener: Box<dyn MessageDecrypter>,
    sequence: u64,
}

/// HKDF-Expand-Label (RFC 8446 §7.1).
fn expand(suite: &Tls13CipherSuite, secret: &OkmBlock, label: &str, out: &mut [u8]) {
    let label = format!("tls13 {label}");
    let len = u16::try_from(out.len()).unwrap().to_be_bytes();
    let info: [&[u8]; 4] = [
        &len,
        &[u8::try_from(label.len()).unwrap()],
        label.as_bytes(),
        &[0],
    ];
    let expander = suite.hkdf_provider.expander_for_okm(secret);
    expander.expand_slice(&info, out).unwrap();
}

impl Keys {
    fn new(suite: &'static Tls13CipherSuite, secret: OkmBlock) -> Self {
        // rustls cuts the key to its length; here it is the first 16 of 32 bytes.
        let (mut key, mut iv) = ([0; 32], [0; 12]);
        expand(suite, &secret, "key", &mut key[..suite.aead_alg.key_len()]);
        expand(suite, &secret, "iv", &mut iv);
        Self {
            suite,
            secret,
            opener: suite.aead_alg.decrypter(AeadKey::from(key), Iv::from(iv)),
            sequence: 0,
        }
    }

    fn next(&self) -> Self {
        let mut secret = [0; 32];
        expand(self.suite, &self.secret, "traffic upd", &mut secret);
        Self::new(self.suite, OkmBlock::new(&secret))
    }

    fn open(&mut self, record: &[u8]) -> (ContentType, Vec<u8>) {
        let mut payload = record[5..].to_vec();
        let version = ProtocolVersion::TLSv1_2;
        let sealed = InboundOpaqueMessage::new(ContentType::ApplicationData, version, &mut payload);
        let plain = self.opener.decrypt(sealed, self.sequence);
        self.sequence += 1;
        let plain = plain.expect("every recorded record opens");
        (plain.typ, plain.payload.to_vec())
    }
}

impl Recording {
    fn suite(&self) -> &'static Tls13CipherSuite {
        match self.suite.as_str() {
            "TLS_SM4_GCM_SM3" => &TLS13_SM4_GCM_SM3,
            "TLS_SM4_CCM_SM3" => &TLS13_SM4_CCM_SM3,
            other => panic!("unknown suite {other}"),
        }
    }

    fn secret(&self, label: &str) -> OkmBlock {
        OkmBlock::new(&hex::decode(&self.secrets[label]).unwrap())
    }

    /// Reads one direction: plaintext hellos, then under the handshake's keys up to Finished, then
    /// under the traffic's.
    fn side(&self, stream: &str, name: &str) -> Side {
        let suite = self.suite();
        let handshake = self.secret(&format!("{name}_HANDSHAKE_TRAFFIC_SECRET"));
        let traffic = self.secret(&format!("{name}_TRAFFIC_SECRET_0"));
        let mut keys = Keys::new(suite, handshake);
        let mut side = Side::default();
        let mut pending = Vec::new();
        let stream = hex::decode(stream).unwrap();
        let mut rest = stream.as_slice();
        while rest.len() >= 5 {
            let len = 5 + usize::from(u16::from_be_bytes([rest[3], rest[4]]));
            let (record, after) = rest.split_at(len);
            rest = after;
            let (kind, text) = match record[0] {
                20 => continue,
                22 => (ContentType::Handshake, record[5..].to_vec()),
                23 => keys.open(record),
                other => panic!("record of type {other}"),
            };
            match kind {
                ContentType::ApplicationData => side.data.extend(text),
                ContentType::Handshake => pending.extend(text),
                _ => {}
            }
            while let Some(message) = take_message(&mut pending) {
                match message.kind() {
                    FINISHED => keys = Keys::new(suite, traffic.clone()),
                    KEY_UPDATE => {
                        keys = keys.next();
                        side.key_updates += 1;
                    }
                    _ => {}
                }
                side.messages.push(message);
            }
        }
        assert!(rest.is_empty() && pending.is_empty());
        side
    }
}

fn take_message(pending: &mut Vec<u8>) -> Option<Message> {
    let len = u32::from_be_bytes([0, *pending.get(1)?, *pending.get(2)?, *pending.get(3)?]);
    let len = 4 + len as usize;
    (pending.len() >= len).then(|| Message(pending.drain(..len).collect()))
}

/// SHA-256 of "HelloRetryRequest": the random of a ServerHello that is one (RFC 8446 §4.1.3).
const RETRY: &str = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

/// The handshake's messages in the order in which they count (RFC 8446 §4.4.1), retry included,
/// and where the client's second flight starts.
fn in_order(suite: &Tls13CipherSuite, client: &Side, server: &Side) -> (Vec<Message>, usize, bool) {
    let mut ordered = Vec::new();
    let mut from_client = client.messages.iter().peekable();
    let mut from_server = server
        .messages
        .iter()
        .filter(|m| ![TICKET, KEY_UPDATE].contains(&m.kind()));
    let first = from_client.next().unwrap();
    assert_eq!(first.kind(), CLIENT_HELLO);
    let reply = from_server.next().unwrap();
    assert_eq!(reply.kind(), SERVER_HELLO);
    let retried = hex::encode(&reply.body()[2..34]) == RETRY;
    if retried {
        let digest = suite.common.hash_provider.hash(&first.0);
        let short = [&[254, 0, 0, 32][..], digest.as_ref()].concat();
        ordered.extend([Message(short), reply.clone()]);
        ordered.push(from_client.next().unwrap().clone());
        ordered.push(from_server.next().unwrap().clone());
    } else {
        ordered.extend([first.clone(), reply.clone()]);
    }
    ordered.extend(from_server.cloned());
    let second_flight = ordered.len();
    assert_eq!(ordered[second_flight - 1].kind(), FINISHED);
    ordered.extend(
        from_client
            .filter(|message| message.kind() != KEY_UPDATE)
            .cloned(),
    );
    (ordered, second_flight, retried)
}

fn digest(suite: &Tls13CipherSuite, messages: &[Message]) -> Vec<u8> {
    let all: Vec<u8> = messages
        .iter()
        .flat_map(|message| message.0.clone())
        .collect();
    suite.common.hash_provider.hash(&all).as_ref().to_vec()
}

/// The one certificate of a Certificate message (RFC 8446 §4.4.2).
fn certificate(message: &Message) -> Vec<u8> {
    let body = message.body();
    let body = &body[1 + usize::from(body[0]) + 3..];
    let len = u32::from_be_bytes([0, body[0], body[1], body[2]]) as usize;
    body[3..3 + len].to_vec()
}

/// Checks one side's certificate and signature; `at` is the CertificateVerify's place.
fn check_signature(
    recording: &Recording,
    all: &[Message],
    at: usize,
    context: &str,
) -> Certificate {
    let root = Certificate::from_der(&hex::decode(&recording.root).unwrap()).unwrap();
    let der = certificate(&all[at - 1]);
    let shown = Roots::new([root])
        .unwrap()
        .check(&der, recording.recorded_at_s)
        .unwrap();

    let body = all[at].body();
    assert_eq!(body[..2], [0x07, 0x08]);
    let signature = &body[4..];
    let transcript = digest(recording.suite(), &all[..at]);
    let input =
        |transcript: &[u8]| [&[0x20; 64][..], context.as_bytes(), &[0], transcript].concat();
    let algorithm = provider().signature_verification_algorithms.mapping[0].1[0];
    let key = shown.public_key.to_uncompressed();
    algorithm
        .verify_signature(&key, &input(&transcript), signature)
        .unwrap();
    let mut other = transcript;
    other[0] ^= 1;
    assert!(
        algorithm
            .verify_signature(&key, &input(&other), signature)
            .is_err()
    );
    shown
}

fn check_finished(recording: &Recording, name: &str, all: &[Message], at: usize) {
    let suite = recording.suite();
    let secret = recording.secret(&format!("{name}_HANDSHAKE_TRAFFIC_SECRET"));
    let mut key = [0; 32];
    expand(suite, &secret, "finished", &mut key);
    let made = suite
        .hkdf_provider
        .hmac_sign(&OkmBlock::new(&key), &digest(suite, &all[..at]));
    assert_eq!(all[at].kind(), FINISHED);
    assert_eq!(all[at].body(), made.as_ref(), "{name}'s Finished");
}

fn check(recording: &Recording) {
    let suite = recording.suite();
    let client = recording.side(&recording.client_sent, "CLIENT");
    let server = recording.side(&recording.server_sent, "SERVER");
    let (all, second_flight, retried) = in_order(suite, &client, &server);
    assert_eq!(retried, recording.handshake == "FullWithHelloRetryRequest");
    let kinds: Vec<u8> = all.iter().map(Message::kind).collect();
    let resumed = recording.handshake == "Resumed";
    assert_eq!(kinds.contains(&CERTIFICATE_VERIFY), !resumed);
    assert_eq!(kinds.contains(&CERTIFICATE_REQUEST), recording.mutual);

    let place = |kind, from: usize| {
        kinds[from..]
            .iter()
            .position(|one| *one == kind)
            .map(|at| at + from)
    };
    if !resumed {
        let at = place(CERTIFICATE_VERIFY, 0).unwrap();
        assert_eq!(kinds[at - 1], CERTIFICATE);
        let shown = check_signature(recording, &all, at, "TLS 1.3, server CertificateVerify");
        assert_eq!(shown.name, "acme.gate-1");
    }
    check_finished(recording, "SERVER", &all, second_flight - 1);
    assert_eq!(
        recording.mutual,
        place(CERTIFICATE_VERIFY, second_flight).is_some()
    );
    if let Some(at) = place(CERTIFICATE_VERIFY, second_flight) {
        let shown = check_signature(recording, &all, at, "TLS 1.3, client CertificateVerify");
        assert_eq!(shown.name, "acme.press-7");
    }
    check_finished(recording, "CLIENT", &all, all.len() - 1);

    assert_eq!(
        String::from_utf8(client.data).unwrap().trim(),
        "21.5 degrees"
    );
    assert_eq!(
        String::from_utf8(server.data).unwrap().trim(),
        "seerged 5.12"
    );
    // We change our keys before we speak.
    let ours = match recording.peer_is.as_str() {
        "server" => client.key_updates,
        _ => server.key_updates,
    };
    assert_eq!(ours, 1);
}

#[test]
fn every_recorded_session_reads_again() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut seen = Vec::new();
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let recording: Recording =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        println!("{} ({})", path.display(), recording.peer);
        check(&recording);
        seen.push((recording.peer, recording.peer_is, recording.case));
    }
    for peer in ["OpenSSL 4", "Tongsuo 8"] {
        for direction in ["server", "client"] {
            for case in ["gcm", "ccm", "mutual", "resumed", "retried"] {
                let found = seen.iter().any(|(version, is, name)| {
                    version.contains(peer) && is == direction && name == case
                });
                assert!(found, "no recording of {peer} as {direction}: {case}");
            }
        }
    }
    assert_eq!(seen.len(), 20);
}
