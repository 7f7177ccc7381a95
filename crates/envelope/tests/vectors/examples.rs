//! Examples of names, genesis, transactions, blocks, proofs and receipts.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use sealwire_envelope::{
    Anchor, AnchorPackages, Blob, BlockBundle, Call, ClientId, Code, ConnectionEvent, EventKind,
    Finality, GrantTopic, Header, KeyEpoch, LogEvents, LogRetrieval, PackageId,
    RegisterCertificate, RegisterTopic, Retrieval, RevokeCertificate, RevokeGrant, Rights,
    Rotation, SealedFor, TopicFilter, TopicMode, TopicName, Transaction, TxBody,
    block::HEADER_VERSION,
    decode, encode,
    proof::{Exclusion, Inclusion, OperationProof, StateEntry, StateProof},
    receipt::{
        BlockMoment, Bundle, FinalityProof, PackageRecord, ProvenEntry, RECEIPT_VERSION, Receipt,
        package_key,
    },
    transaction::UserProperty,
};
use sealwire_sm::{Domain, SecretKey, Sm3Digest, sm3};
use serde_json::{Value, json};

use crate::{
    Examples,
    calls::By,
    messages::{manifest, package},
    world::*,
};

/// The encoding of a value, after the checks that every encoding must pass.
pub fn pinned<T>(value: &T) -> String
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = encode(value);
    assert_eq!(&decode::<T>(&bytes).expect("its own encoding"), value);
    for cut in [0, bytes.len() / 2, bytes.len() - 1] {
        assert!(decode::<T>(&bytes[..cut]).is_err(), "cut to {cut} bytes");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(decode::<T>(&longer).is_err(), "a byte too many");
    hex::encode(bytes)
}

fn object(value: Value) -> Value {
    assert!(value.is_object());
    value
}

pub fn examples<const N: usize>(all: [(&str, Value); N]) -> Examples {
    all.map(|(name, value)| (name.to_owned(), object(value)))
        .into_iter()
        .collect()
}

pub fn names() -> Examples {
    let judge = |texts: &[&str], good: fn(&str) -> bool| -> (Vec<String>, Vec<String>) {
        texts.iter().map(|t| (*t).to_owned()).partition(|t| good(t))
    };
    let pair = |(good, bad): (Vec<String>, Vec<String>)| json!({"good": good, "bad": bad});
    let longest = format!("{}.{}", "o".repeat(32), "n".repeat(64));
    let too_long = format!("acme.{}", "n".repeat(65));
    let clients = judge(
        &[
            "acme.press-7",
            "a.b",
            "acme.7",
            "acme._",
            &longest,
            "acme",
            "acme.",
            ".x",
            "Acme.x",
            "7a.x",
            "acme.x.y",
            "acme.x/y",
            "acme.é",
            &too_long,
        ],
        |t| t.parse::<ClientId>().is_ok(),
    );
    let topics = [
        "acme/press-7/temperature",
        "a",
        "a//b",
        "/",
        "acme/press-7/+",
        "acme/#",
        "#",
        "+/+",
        "a+",
        "a/#/b",
        "",
        "$SYS/x",
        "a\u{0}b",
        "a\nb",
    ];
    let names = judge(&topics, |t| t.parse::<TopicName>().is_ok());
    let filters = judge(&topics, |t| t.parse::<TopicFilter>().is_ok());
    let owners: Examples = [
        "acme/press-7/t",
        "acme/press-7/a/b",
        "acme/press-7",
        "acme/press-7/",
    ]
    .into_iter()
    .map(|t| {
        let owner = t.parse::<TopicName>().expect("a topic name").owner();
        (t.to_owned(), json!(owner))
    })
    .collect();
    examples([
        ("client-ids", pair(clients)),
        ("topic-names", pair(names)),
        ("topic-filters", pair(filters)),
        ("owners", Value::Object(owners)),
    ])
}

pub fn genesis() -> Examples {
    let genesis = crate::world::genesis();
    let text = genesis.to_json();
    let read = sealwire_envelope::Genesis::from_json(text.as_bytes());
    assert_eq!(read.expect("its own text"), genesis);
    let person = |certificate: &sealwire_sm::Certificate, byte: u8| {
        json!({
            "secret_key": hex::encode(key(byte).expose()),
            "public_key": hex::encode(key(byte).public_key().as_bytes()),
            "client": certificate.name,
            "role": certificate.role,
            "der": hex::encode(certificate.der()),
            "pem": certificate.to_pem(),
            "id": certificate.id(),
        })
    };
    examples([
        (
            "genesis",
            json!({
                "json": genesis,
                "cbor": pinned(&genesis),
                "chain": genesis.chain_id(),
                "validators": genesis.validators_digest(),
            }),
        ),
        ("root", person(&root("acme").1, 0x01)),
        ("device", person(&device(), DEVICE)),
        ("reader", person(&reader(), READER)),
        ("gateway", person(&gateway(), GATEWAY)),
        ("operator", person(&operator(), OPERATOR)),
    ])
}

/// A topic's key, sealed to the key `byte`.
fn sealed_to(byte: u8) -> Blob {
    sealed_to_key(&key(byte))
}

fn sealed_to_key(secret: &SecretKey) -> Blob {
    let sealed = secret
        .public_key()
        .seal(&mut Fixed::new("seal"), topic_key().expose());
    assert_eq!(
        secret.open(&sealed).expect("sealed to it").as_slice(),
        topic_key().expose()
    );
    sealed.into()
}

fn transaction(name: &str, sender: &sealwire_sm::Certificate, byte: u8, call: Call) -> Value {
    let secret: SecretKey = key(byte);
    let body = TxBody {
        chain: crate::world::genesis().chain_id(),
        sender: id(sender),
        expiry_height: 1_000,
        nonce: nonce(name),
        call,
    };
    let body_bytes = encode(&body);
    let signed = [Domain::TRANSACTION.as_bytes(), &[0], &body_bytes].concat();
    let transaction = Transaction::sign(body.clone(), &secret);
    transaction.verify(secret.public_key()).expect("signed");
    secret
        .public_key()
        .verify_raw(&signed, &transaction.signature)
        .expect("the domain, a zero, the body");
    assert_eq!(
        Transaction::from_bytes(&transaction.to_bytes()),
        Ok(transaction.clone())
    );
    json!({
        "json": transaction,
        "secret_key": hex::encode(secret.expose()),
        "body": pinned(&body),
        "signed": hex::encode(signed),
        "signature": transaction.signature,
        "transaction": pinned(&transaction),
        "id": transaction.id(),
    })
}

pub fn anchor() -> Anchor {
    let manifest = manifest();
    Anchor {
        package: manifest.id(),
        topic: manifest.topic,
        clients: vec![client("acme.press-7")],
        count: manifest.count,
        from_ms: manifest.from_ms,
        to_ms: manifest.to_ms,
        root: manifest.root,
        epoch: Some(KeyEpoch(0)),
        location: "http://127.0.0.1:7403".to_owned(),
        gateway: manifest.gateway,
    }
}

fn grant(full: bool) -> GrantTopic {
    GrantTopic {
        topic: topic(),
        grantee: client("beta.reader"),
        rights: Rights::SUBSCRIBE | Rights::READ,
        expires_s: full.then_some(NOW_S + 86_400),
        from_s: full.then_some(NOW_S - 60),
        to_s: full.then_some(NOW_S + 60),
        purpose: "maintenance".to_owned(),
        epoch: KeyEpoch(0),
        sealed_key: full.then(|| sealed_to(READER)),
        note: None,
    }
}

fn event(full: bool) -> ConnectionEvent {
    let property = UserProperty {
        name: "firmware".to_owned(),
        value: "1.2.0".to_owned(),
    };
    ConnectionEvent {
        client: client("acme.press-7"),
        kind: if full {
            EventKind::SubscribeRefused
        } else {
            EventKind::Connected
        },
        time_ms: NOW_MS,
        address: "192.0.2.7".to_owned(),
        port: 51_234,
        protocol_version: 5,
        keep_alive_s: 60,
        clean_start: true,
        properties: if full { vec![property] } else { vec![] },
        topic: full.then(|| topic().to_string()),
        reason: "the topic's owner revoked the grant".to_owned(),
        grant: full.then(|| {
            b"t/grant/beta.reader/acme/press-7/temperature"
                .as_slice()
                .into()
        }),
        height: 41,
    }
}

pub fn transactions() -> Examples {
    let (device, gateway, operator) = (device(), gateway(), operator());
    let by_device = |name, call| (name, transaction(name, &device, DEVICE, call));
    let by_gateway = |name, call| (name, transaction(name, &gateway, GATEWAY, call));
    let by_operator = |name, call| (name, transaction(name, &operator, OPERATOR, call));
    let register = |mode, sealed_key| {
        Call::RegisterTopic(RegisterTopic {
            topic: topic(),
            mode,
            sealed_key,
        })
    };
    let revoke = |rotation| {
        Call::RevokeGrant(RevokeGrant {
            topic: topic(),
            grantee: client("beta.reader"),
            rotation,
        })
    };
    let rotation = Rotation {
        epoch: KeyEpoch(1),
        keys: vec![SealedFor {
            client: client("acme.press-7"),
            sealed: sealed_to(DEVICE),
        }],
    };
    let retrieval = Retrieval {
        package: manifest().id(),
        reader: client("beta.reader"),
        request: sm3(&[b"request"]),
        digest: sm3(&[b"handed out"]),
        time_ms: NOW_MS,
    };
    let mut all = examples([
        by_operator(
            "register-certificate",
            Call::RegisterCertificate(RegisterCertificate {
                der: device.der().into(),
                enrolment: None,
            }),
        ),
        by_operator(
            "revoke-certificate",
            Call::RevokeCertificate(RevokeCertificate {
                certificate: id(&device),
                reason: "lost".to_owned(),
            }),
        ),
        by_device(
            "register-topic",
            register(TopicMode::Sealed, Some(sealed_to(DEVICE))),
        ),
        by_device("register-topic-open", register(TopicMode::Open, None)),
        by_device("grant-topic", Call::GrantTopic(grant(true))),
        by_device("grant-topic-least", Call::GrantTopic(grant(false))),
        by_device("revoke-grant", revoke(Some(rotation))),
        by_device("revoke-grant-open", revoke(None)),
        by_gateway(
            "anchor",
            Call::Anchor(AnchorPackages {
                packages: vec![anchor()],
            }),
        ),
        by_gateway(
            "log-retrieval",
            Call::LogRetrieval(LogRetrieval {
                retrievals: vec![retrieval],
            }),
        ),
        by_gateway(
            "log-events",
            Call::LogEvents(LogEvents {
                events: vec![event(false), event(true)],
            }),
        ),
    ]);
    let others = crate::calls::calls(sealed_to_key);
    for (name, by, call) in others.into_iter().chain(crate::compute::calls()) {
        let sender = match by {
            By::Operator => &operator,
            By::Gateway => &gateway,
            By::Device => &device,
            By::Reader => &reader(),
        };
        all.insert(name.to_owned(), transaction(name, sender, by.byte(), call));
    }
    all
}

/// Codes as text, with the key pair each is.
pub fn codes() -> Examples {
    let show = |code: Code| {
        let key = code.key();
        let text = code.reveal();
        assert_eq!(
            text.parse::<Code>().expect("a code").key().public_key(),
            key.public_key()
        );
        json!({
            "text": text.as_str(),
            "secret_key": hex::encode(key.expose()),
            "public_key": hex::encode(key.public_key().as_bytes()),
        })
    };
    examples([
        ("enrolment", show(crate::calls::enrolment_code())),
        ("authorisation", show(crate::calls::authorisation_key())),
    ])
}

fn header() -> Header {
    let genesis = crate::world::genesis();
    Header {
        version: HEADER_VERSION,
        chain: genesis.chain_id(),
        height: 2,
        epoch: 0,
        view: 300,
        parent_view: 298,
        parent: sm3(&[b"parent"]),
        time_ms: NOW_MS + 1_000,
        proposer: genesis.validators()[0].clone(),
        transactions: sm3(&[b"transactions"]),
        state_root: sm3(&[b"state"]),
        ops_root: sm3(&[b"operations"]),
        ops_start: 7,
        ops_end: 1_000,
        validators: genesis.validators_digest(),
    }
}

/// What a finalize vote signs, as `docs/protocol.md` says; every number here is below 2^14.
fn vote(header: &Header) -> Vec<u8> {
    let varint = |n: u64| match n {
        0..0x80 => vec![n as u8],
        _ => vec![(n & 0x7f) as u8 | 0x80, (n >> 7) as u8],
    };
    let namespace = [b"sealwire vote ", header.chain.as_ref(), b"_FINALIZE"].concat();
    [
        varint(namespace.len() as u64),
        namespace,
        varint(header.epoch),
        varint(header.view),
        varint(header.parent_view),
        header.digest().0.to_vec(),
    ]
    .concat()
}

fn finality(header: &Header) -> Finality {
    let mut keys = validators();
    keys.sort_by_key(|key| key.public_key().to_bytes());
    let vote = vote(header);
    // The first, the second and the last of four.
    let signers = [0, 1, 3];
    Finality {
        epoch: header.epoch,
        view: header.view,
        parent_view: header.parent_view,
        payload: header.digest(),
        signers: vec![signers.iter().fold(0, |bits, place| bits | 1 << place)].into(),
        signatures: signers
            .iter()
            .map(|place| keys[*place].sign(Domain::VOTE, &vote))
            .collect(),
    }
}

fn signed_transaction() -> Transaction {
    let body = TxBody {
        chain: crate::world::genesis().chain_id(),
        sender: id(&device()),
        expiry_height: 1_000,
        nonce: nonce("bundle"),
        call: Call::RegisterTopic(RegisterTopic {
            topic: topic(),
            mode: TopicMode::Open,
            sealed_key: None,
        }),
    };
    Transaction::sign(body, &key(DEVICE))
}

pub fn blocks() -> Examples {
    let (header, transaction) = (header(), signed_transaction());
    let finality = finality(&header);
    let bundle = |finality: Option<Finality>| BlockBundle {
        header: header.clone(),
        transactions: vec![transaction.clone()],
        finality,
    };
    let keys: Vec<String> = crate::world::genesis()
        .validators()
        .iter()
        .map(ToString::to_string)
        .collect();
    examples([
        (
            "header",
            json!({"json": header, "cbor": pinned(&header), "digest": header.digest()}),
        ),
        (
            "finality",
            json!({
                "json": finality,
                "cbor": pinned(&finality),
                "validators": keys,
                "vote": hex::encode(vote(&header)),
            }),
        ),
        (
            "bundle",
            json!({"cbor": pinned(&bundle(Some(finality.clone())))}),
        ),
        ("bundle-uncertified", json!({"cbor": pinned(&bundle(None))})),
    ])
}

/// Well formed, and of no store that ever was: the encoding is what counts here. Real proofs are in
/// the receipt crate's vectors.
fn operation(partial: bool) -> OperationProof {
    OperationProof {
        location: 300,
        leaves: if partial { 301 } else { 512 },
        inactive_peaks: 1,
        chunk: [0xa5; 32],
        partial_chunk: partial.then(|| sm3(&[b"chunk"])),
        ops_root: sm3(&[b"operations"]),
        digests: vec![sm3(&[b"0"]), sm3(&[b"1"])],
    }
}

pub fn proofs() -> Examples {
    let entry = StateEntry {
        key: b"t/topic/acme/press-7/temperature".to_vec(),
        value: vec![1, 2],
    };
    let inclusion = Inclusion {
        operation: operation(true),
        next_key: sm3(&[b"next"]),
    };
    let span = Exclusion::Span {
        operation: operation(false),
        key: sm3(&[b"lower"]),
        value: encode(&entry),
        next_key: sm3(&[b"upper"]),
    };
    let empty = |metadata| Exclusion::Empty {
        operation: operation(true),
        metadata,
    };
    let all = |proof: StateProof| json!({"json": proof, "cbor": pinned(&proof)});
    examples([
        (
            "state-entry",
            json!({"json": entry, "cbor": pinned(&entry)}),
        ),
        ("inclusion", all(StateProof::Inclusion(inclusion))),
        ("exclusion-span", all(StateProof::Exclusion(span))),
        (
            "exclusion-empty",
            all(StateProof::Exclusion(empty(Some(vec![7; 16])))),
        ),
        (
            "exclusion-empty-bare",
            all(StateProof::Exclusion(empty(None))),
        ),
    ])
}

pub fn receipts() -> Examples {
    let header = header();
    let finality = FinalityProof {
        finality: finality(&header),
        headers: vec![header],
    };
    let record = PackageRecord {
        anchor: anchor(),
        at: BlockMoment {
            height: 2,
            time_ms: NOW_MS + 1_000,
        },
        transaction: 0,
    };
    let package_id = PackageId(record.anchor.package.0);
    let proven = |value: Option<Vec<u8>>| ProvenEntry {
        version: RECEIPT_VERSION,
        key: package_key(&package_id),
        proof: match value {
            Some(_) => StateProof::Inclusion(Inclusion {
                operation: operation(false),
                next_key: Sm3Digest([0xff; 32]),
            }),
            None => StateProof::Exclusion(Exclusion::Empty {
                operation: operation(true),
                metadata: None,
            }),
        },
        value,
        finality: finality.clone(),
    };
    let receipt = Receipt {
        version: RECEIPT_VERSION,
        record: package().records[0].to_vec(),
        index: 0,
        path: vec![sm3(&[b"sibling"])],
        anchor: proven(Some(encode(&record))),
    };
    let bundle = Bundle {
        version: RECEIPT_VERSION,
        package: package(),
        anchor: proven(Some(encode(&record))),
    };
    examples([
        (
            "package-record",
            json!({"json": record, "cbor": pinned(&record)}),
        ),
        ("finality-proof", json!({"cbor": pinned(&finality)})),
        (
            "present",
            json!({"cbor": pinned(&proven(Some(encode(&record))))}),
        ),
        ("absent", json!({"cbor": pinned(&proven(None))})),
        ("receipt", json!({"cbor": pinned(&receipt)})),
        ("bundle", json!({"cbor": pinned(&bundle)})),
    ])
}
