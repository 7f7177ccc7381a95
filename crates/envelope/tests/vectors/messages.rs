//! Examples of logins, messages and archived records.

use coset::{
    CborSerializable as _, CoseEncrypt0, CoseSign1, EncryptionContext, SignatureContext,
    enc_structure_data, sig_structure_data,
};
use sealwire_envelope::{
    Blob, KeyEpoch, encode,
    login::{
        Answer, Challenge, ConsoleSignIn, Hello, LOGIN_VERSION, RequestBody, SignedRequest, Token,
        TokenBody, Transcript,
    },
    message::{self, CONTENT_TYPE_DEFAULT, MessageHeader},
    record::{ArchivedRecord, Package, PackageManifest, PackagedRecord, RECORD_VERSION},
};
use sealwire_sm::{Domain, Signature, Sm3Digest, sm3, sm4};
use serde_json::{Value, json};

use crate::{Examples, examples::pinned, world::*};

fn signed(domain: Domain, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], message].concat()
}

fn check(byte: u8, signed: &[u8], signature: &Signature) {
    let key = key(byte);
    let verdict = key.public_key().verify_raw(signed, signature);
    verdict.expect("the domain, a zero, the message");
}

pub fn logins() -> Examples {
    [
        ("enhanced", enhanced()),
        ("token", token()),
        ("request", request()),
        ("console", console()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn enhanced() -> Value {
    let (device, gateway) = (device(), gateway());
    let hello = Hello {
        version: LOGIN_VERSION,
        certificate: id(&device),
        nonce: nonce("client nonce"),
    };
    let transcript = Transcript {
        chain: genesis().chain_id(),
        client: client("acme.press-7"),
        certificate: hello.certificate,
        client_nonce: hello.nonce,
        gateway: id(&gateway),
        gateway_nonce: nonce("gateway nonce"),
        time_ms: NOW_MS,
    };
    let challenge = Challenge {
        gateway: transcript.gateway,
        nonce: transcript.gateway_nonce,
        time_ms: transcript.time_ms,
        signature: transcript.sign_as_gateway(&key(GATEWAY)),
    };
    let answer = Answer {
        signature: transcript.sign_as_client(&key(DEVICE)),
    };
    let by_gateway = signed(Domain::LOGIN_GATEWAY, &encode(&transcript));
    let by_client = signed(Domain::LOGIN_CLIENT, &encode(&transcript));
    check(GATEWAY, &by_gateway, &challenge.signature);
    check(DEVICE, &by_client, &answer.signature);
    json!({
        "chain": transcript.chain,
        "client": transcript.client,
        "client_secret_key": hex::encode(key(DEVICE).expose()),
        "gateway_secret_key": hex::encode(key(GATEWAY).expose()),
        "hello": pinned(&hello),
        "transcript": pinned(&transcript),
        "signed_by_gateway": hex::encode(by_gateway),
        "challenge": pinned(&challenge),
        "signed_by_client": hex::encode(by_client),
        "answer": pinned(&answer),
    })
}

fn token() -> Value {
    let body = TokenBody {
        version: LOGIN_VERSION,
        chain: genesis().chain_id(),
        client: client("acme.press-7"),
        certificate: id(&device()),
        gateway: client("acme.gateway"),
        not_before_s: NOW_S,
        expires_s: NOW_S + 120,
        nonce: nonce("token"),
    };
    let token = Token::sign(body.clone(), &key(DEVICE));
    let signed = signed(Domain::TOKEN, &encode(&body));
    check(DEVICE, &signed, &token.signature);
    let password = token.to_text();
    assert_eq!(Token::from_text(password.as_bytes()), Ok(token.clone()));
    json!({
        "secret_key": hex::encode(key(DEVICE).expose()),
        "body": pinned(&body),
        "signed": hex::encode(signed),
        "signature": token.signature,
        "token": pinned(&token),
        "password": password,
    })
}

fn request() -> Value {
    let body = RequestBody {
        version: LOGIN_VERSION,
        chain: genesis().chain_id(),
        client: client("beta.reader"),
        certificate: id(&reader()),
        method: "GET".to_owned(),
        target: format!("/v1/packages/{}", manifest().id()),
        content: sm3(&[]),
        time_s: NOW_S,
        nonce: nonce("request"),
    };
    let request = SignedRequest::sign(body.clone(), &key(READER));
    let signed = signed(Domain::REQUEST, &encode(&body));
    check(READER, &signed, &request.signature);
    let header = request.to_header();
    assert_eq!(SignedRequest::from_header(&header), Ok(request.clone()));
    json!({
        "secret_key": hex::encode(key(READER).expose()),
        "target": body.target,
        "body": pinned(&body),
        "signed": hex::encode(signed),
        "signature": request.signature,
        "request": pinned(&request),
        "header": header,
        "digest": request.digest(),
    })
}

fn console() -> Value {
    let sign_in = ConsoleSignIn {
        version: LOGIN_VERSION,
        chain: genesis().chain_id(),
        origin: "https://console.acme.example:7408".to_owned(),
        certificate: id(&reader()),
        nonce: nonce("console"),
    };
    let signature = sign_in.sign(&key(READER));
    let signed = signed(Domain::CONSOLE, &encode(&sign_in));
    check(READER, &signed, &signature);
    json!({
        "secret_key": hex::encode(key(READER).expose()),
        "origin": sign_in.origin,
        "nonce": hex::encode(sign_in.nonce),
        "sign_in": pinned(&sign_in),
        "signed": hex::encode(signed),
        "signature": signature,
    })
}

const SENML: &[u8] = br#"[{"n":"temperature","u":"Cel","v":21.5}]"#;

fn payload(sequence: u64, content_type: &str, content: &[u8]) -> Vec<u8> {
    let header = MessageHeader {
        epoch: KeyEpoch(0),
        sender: client("acme.press-7"),
        sequence,
    };
    message::seal(
        &topic(),
        &header,
        &topic_key(),
        &key(DEVICE),
        content_type,
        content,
    )
    .expect("in range")
}

pub fn messages() -> Examples {
    let last = message::SEQUENCE_END - 1;
    [
        ("senml", message(77, CONTENT_TYPE_DEFAULT, SENML)),
        ("empty-text", message(0, "text/plain", b"")),
        (
            "last-sequence",
            message(last, "application/octet-stream", &[0xff; 300]),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn message(sequence: u64, content_type: &str, content: &[u8]) -> Value {
    let payload = payload(sequence, content_type, content);
    let device_key = key(DEVICE).public_key().clone();
    let opened = message::open(&topic(), &topic_key(), &payload, |_| Some(device_key))
        .expect("what was sealed");
    assert_eq!(opened.content.as_slice(), content);

    // The same once more, by hand, from the specification.
    let prefix = sm3(&[b"sealwire nonce", b"acme.press-7"]);
    let mut nonce = [0; sm4::NONCE_LEN];
    nonce[..6].copy_from_slice(&prefix.0[..6]);
    nonce[6..].copy_from_slice(&sequence.to_be_bytes()[2..]);
    let outer = CoseEncrypt0::from_slice(&payload).expect("COSE_Encrypt0");
    let aad = enc_structure_data(
        EncryptionContext::CoseEncrypt0,
        outer.protected.clone(),
        &encode(&topic()),
    );
    let ciphertext = outer.ciphertext.clone().expect("a ciphertext");
    let plaintext = topic_key()
        .open(&nonce, &aad, &ciphertext)
        .expect("the key");
    let inner = CoseSign1::from_slice(&plaintext).expect("COSE_Sign1");
    let inner_aad = encode(&(topic(), client("acme.press-7"), KeyEpoch(0), sequence));
    let to_sign = sig_structure_data(
        SignatureContext::CoseSign1,
        inner.protected.clone(),
        None,
        &inner_aad,
        content,
    );
    let signature = Signature(inner.signature.as_slice().try_into().expect("64 bytes"));
    check(DEVICE, &signed(Domain::MESSAGE, &to_sign), &signature);
    let original = |header: &coset::ProtectedHeader| {
        hex::encode(header.original_data.clone().expect("it was decoded"))
    };
    json!({
        "topic": topic(),
        "sender": "acme.press-7",
        "epoch": 0,
        "sequence": sequence,
        "topic_key": hex::encode(topic_key().expose()),
        "secret_key": hex::encode(key(DEVICE).expose()),
        "content_type": content_type,
        "content": hex::encode(content),
        "inner_protected": original(&inner.protected),
        "inner_aad": hex::encode(inner_aad),
        "sig_structure": hex::encode(to_sign),
        "signature": signature,
        "plaintext": hex::encode(plaintext.as_slice()),
        "outer_protected": original(&outer.protected),
        "nonce": hex::encode(nonce),
        "enc_structure": hex::encode(aad),
        "ciphertext": hex::encode(ciphertext),
        "payload": hex::encode(payload),
    })
}

fn archived(sequence: u64) -> ArchivedRecord {
    ArchivedRecord {
        version: RECORD_VERSION,
        topic: topic(),
        sender: client("acme.press-7"),
        received_ms: NOW_MS + sequence,
        qos: 1,
        payload: payload(sequence, CONTENT_TYPE_DEFAULT, SENML).into(),
    }
}

fn leaves() -> [Sm3Digest; 2] {
    [77, 78].map(|sequence| sm3(&[&[0], &encode(&archived(sequence))]))
}

pub fn manifest() -> PackageManifest {
    let [left, right] = leaves();
    PackageManifest {
        version: RECORD_VERSION,
        gateway: client("acme.gateway"),
        topic: topic(),
        first: 1,
        count: 2,
        from_ms: NOW_MS + 77,
        to_ms: NOW_MS + 78,
        root: sm3(&[&[1], &left.0, &right.0]),
    }
}

pub fn package() -> Package {
    Package {
        manifest: manifest(),
        records: [77, 78]
            .map(|sequence| Blob(encode(&archived(sequence))))
            .to_vec(),
    }
}

pub fn records() -> Examples {
    let (record, manifest, package) = (archived(77), manifest(), package());
    let packaged = PackagedRecord {
        manifest: manifest.clone(),
        index: 1,
        record: package.records[1].clone(),
        path: vec![leaves()[0]],
    };
    [
        (
            "record",
            json!({"json": record, "cbor": pinned(&record), "leaf": leaves()[0]}),
        ),
        (
            "package",
            json!({
                "manifest_json": manifest,
                "manifest": pinned(&manifest),
                "id": manifest.id(),
                "leaves": leaves(),
                "root": manifest.root,
                "cbor": pinned(&package),
            }),
        ),
        ("packaged-record", json!({"cbor": pinned(&packaged)})),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}
