//! One valid value, at least, of everything that this crate decodes, with its decoder.
//!
//! A type that gets a decoder gets an entry here: the mutation test beside this module and the
//! fuzz targets' seeds come from it.

mod compute;

use rand::{SeedableRng as _, rngs::StdRng};
use sealwire_envelope::{
    Anchor, AnchorPackages, BlockBundle, Call, CertId, ChainId, ConnectionEvent, EventKind,
    Finality, Genesis, GrantTopic, Header, KeyEpoch, LogEvents, LogRetrieval, OrgGenesis,
    PackageId, RegisterCertificate, RegisterTopic, Retrieval, RevokeCertificate, RevokeGrant,
    Rights, Rotation, SealedFor, TopicMode, Transaction, TxBody,
    code::CodeKind,
    decode, encode,
    login::{
        Answer, Challenge, ConsoleSignIn, Hello, LOGIN_VERSION, RequestBody, SignedRequest, Token,
        TokenBody, Transcript,
    },
    message::{self, MessageHeader},
    proof::{Exclusion, Inclusion, OperationProof, StateEntry, StateProof},
    receipt::{
        BlockMoment, FinalityProof, PackageRecord, ProvenEntry, RECEIPT_VERSION, Receipt,
        package_key,
    },
    record::{ArchivedRecord, Package, PackageManifest},
    transaction::UserProperty,
};
use sealwire_sm::{Certificate, Domain, Request, SecretKey, Sm3Digest, cert, sm3, sm4};

/// Says whether bytes are accepted; panics if they are, but have another canonical form.
pub type Decoder = fn(&[u8]) -> bool;

/// A decoder and bytes that it accepts.
pub struct Entry {
    pub name: &'static str,
    pub valid: Vec<Vec<u8>>,
    pub decoder: Decoder,
}

fn canonical<T>(bytes: &[u8]) -> bool
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()> + PartialEq + std::fmt::Debug,
{
    match decode::<T>(bytes) {
        Ok(value) => {
            assert_eq!(encode(&value), bytes, "accepted, but not canonical");
            let _ = format!("{value:?}");
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn cbor<T>(name: &'static str, values: &[T]) -> Entry
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()> + PartialEq + std::fmt::Debug,
{
    Entry {
        name,
        valid: values.iter().map(encode).collect(),
        decoder: canonical::<T>,
    }
}

fn key(n: u8) -> SecretKey {
    SecretKey::from_bytes(&[n; 32]).expect("in range")
}

fn digest(text: &str) -> Sm3Digest {
    sm3(&[text.as_bytes()])
}

fn client(text: &str) -> sealwire_envelope::ClientId {
    text.parse().expect("a client id")
}

fn topic(text: &str) -> sealwire_envelope::TopicName {
    text.parse().expect("a topic")
}

fn genesis() -> Genesis {
    let org = |n: u8| OrgGenesis {
        org: format!("org{n}").parse().expect("a name"),
        root_cert_der: vec![n; 40].into(),
        validator: key(n).public_key().clone(),
        certificates: vec![vec![n; 30].into(), vec![n; 20].into()],
    };
    Genesis {
        version: 1,
        name: "consortium".into(),
        created_ms: 1_700_000_000_000,
        block_interval_ms: 100,
        orgs: (1..=4).map(org).collect(),
    }
}

fn anchor() -> Anchor {
    Anchor {
        package: PackageId(digest("package")),
        topic: topic("org1/pump/pressure"),
        clients: vec![client("org1.pump"), client("org2.pump")],
        count: 1_000,
        from_ms: 1_700_000_000_000,
        to_ms: 1_700_000_100_000,
        root: digest("root"),
        epoch: Some(KeyEpoch(3)),
        location: "sqlite".into(),
        gateway: client("org1.gateway"),
    }
}

fn event() -> ConnectionEvent {
    ConnectionEvent {
        client: client("org1.pump"),
        kind: EventKind::Subscribed,
        time_ms: 1_700_000_000_000,
        address: "192.0.2.1".into(),
        port: 40_000,
        protocol_version: 5,
        keep_alive_s: 60,
        clean_start: true,
        properties: vec![UserProperty {
            name: "agent".into(),
            value: "x/1".into(),
        }],
        topic: Some("org1/pump/#".into()),
        reason: "granted".into(),
        grant: Some(vec![1, 2, 3].into()),
        height: 7,
    }
}

fn calls() -> Vec<Call> {
    let sealed = |n: u8| Some(vec![n; 112].into());
    let rotation = Rotation {
        epoch: KeyEpoch(1),
        keys: vec![SealedFor {
            client: client("org1.pump"),
            sealed: vec![5; 112].into(),
        }],
    };
    let retrieval = Retrieval {
        package: PackageId(digest("package")),
        reader: client("org2.reader"),
        request: digest("request"),
        digest: digest("content"),
        time_ms: 5,
    };
    vec![
        Call::RegisterCertificate(RegisterCertificate {
            der: vec![0x30; 200].into(),
            enrolment: None,
        }),
        Call::RevokeCertificate(RevokeCertificate {
            certificate: CertId(digest("certificate")),
            reason: "lost".into(),
        }),
        Call::RegisterTopic(RegisterTopic {
            topic: topic("org1/pump/pressure"),
            mode: TopicMode::Sealed,
            sealed_key: sealed(1),
        }),
        Call::RegisterTopic(RegisterTopic {
            topic: topic("org1/pump/open"),
            mode: TopicMode::Open,
            sealed_key: None,
        }),
        Call::GrantTopic(GrantTopic {
            topic: topic("org1/pump/pressure"),
            grantee: client("org2.reader"),
            rights: Rights::SUBSCRIBE | Rights::READ,
            expires_s: Some(1_800_000_000),
            from_s: None,
            to_s: Some(1_800_000_000),
            purpose: "maintenance".into(),
            epoch: KeyEpoch(0),
            sealed_key: sealed(2),
            note: None,
        }),
        Call::RevokeGrant(RevokeGrant {
            topic: topic("org1/pump/pressure"),
            grantee: client("org2.reader"),
            rotation: Some(rotation),
        }),
        Call::Anchor(AnchorPackages {
            packages: vec![anchor(), anchor()],
        }),
        Call::LogRetrieval(LogRetrieval {
            retrievals: vec![retrieval],
        }),
        Call::LogEvents(LogEvents {
            events: vec![event(), event()],
        }),
    ]
    .into_iter()
    .chain(compute::calls())
    .collect()
}

fn transactions() -> Vec<Transaction> {
    let mut all: Vec<Transaction> = calls()
        .into_iter()
        .map(|call| {
            let body = TxBody {
                chain: ChainId(digest("chain")),
                sender: CertId(digest("sender")),
                expiry_height: 100,
                nonce: [7; 16],
                call,
            };
            Transaction::sign(body, &key(9))
        })
        .collect();
    all.extend(pinned_transactions());
    all
}

/// One of each call there is: the vectors have them all.
fn pinned_transactions() -> Vec<Transaction> {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../vectors/transaction.json")).expect("JSON");
    let examples = vectors.as_object().expect("a map").values();
    examples
        .map(|example| {
            let digits = example["transaction"].as_str().expect("hexadecimal");
            let bytes = hex::decode(digits).expect("hexadecimal");
            Transaction::from_bytes(&bytes).expect("a transaction")
        })
        .collect()
}

fn header() -> Header {
    Header {
        version: 1,
        chain: ChainId(digest("chain")),
        height: 12,
        epoch: 0,
        view: 14,
        parent_view: 13,
        parent: digest("parent"),
        time_ms: 1_700_000_000_000,
        proposer: key(1).public_key().clone(),
        transactions: digest("transactions"),
        state_root: digest("state"),
        ops_root: digest("ops"),
        ops_start: 1,
        ops_end: 300,
        validators: digest("validators"),
    }
}

fn finality() -> Finality {
    Finality {
        epoch: 0,
        view: 14,
        parent_view: 13,
        payload: header().digest(),
        signers: vec![0b0111].into(),
        signatures: (1..4).map(|n| key(n).sign(Domain::VOTE, b"vote")).collect(),
    }
}

fn operation_proof() -> OperationProof {
    OperationProof {
        location: 300,
        leaves: 1_000,
        inactive_peaks: 1,
        chunk: [0xa5; 32],
        partial_chunk: Some(digest("partial")),
        ops_root: digest("ops"),
        digests: (0..12).map(|n| digest(&n.to_string())).collect(),
    }
}

fn state_proofs() -> Vec<StateProof> {
    let operation = operation_proof();
    vec![
        StateProof::Inclusion(Inclusion {
            operation: operation.clone(),
            next_key: digest("next"),
        }),
        StateProof::Exclusion(Exclusion::Span {
            operation: operation.clone(),
            key: digest("lower"),
            value: vec![4; 60],
            next_key: digest("upper"),
        }),
        StateProof::Exclusion(Exclusion::Empty {
            operation: operation.clone(),
            metadata: Some(vec![1]),
        }),
        StateProof::Exclusion(Exclusion::Empty {
            operation,
            metadata: None,
        }),
    ]
}

fn package_record() -> PackageRecord {
    let at = BlockMoment {
        height: 12,
        time_ms: 5,
    };
    PackageRecord {
        anchor: anchor(),
        at,
        transaction: 1,
    }
}

fn proven_entries() -> Vec<ProvenEntry> {
    let key = package_key(&anchor().package);
    state_proofs()
        .into_iter()
        .map(|proof| ProvenEntry {
            version: RECEIPT_VERSION,
            key: key.clone(),
            value: matches!(proof, StateProof::Inclusion(_)).then(|| encode(&package_record())),
            proof,
            finality: FinalityProof {
                headers: vec![header(); 2],
                finality: finality(),
            },
        })
        .collect()
}

fn record() -> ArchivedRecord {
    ArchivedRecord {
        version: 1,
        topic: topic("org1/pump/pressure"),
        sender: client("org1.pump"),
        received_ms: 1_700_000_000_001,
        qos: 1,
        payload: vec![9; 70].into(),
    }
}

fn manifest() -> PackageManifest {
    PackageManifest {
        version: 1,
        gateway: client("org1.gateway"),
        topic: topic("org1/pump/pressure"),
        first: 1,
        count: 2,
        from_ms: 1,
        to_ms: 2,
        root: digest("root"),
    }
}

fn blocks() -> Vec<Entry> {
    let transactions = transactions();
    let bundle = |finality| BlockBundle {
        header: header(),
        transactions: transactions.clone(),
        finality,
    };
    let genesis_json: Decoder = |bytes| match Genesis::from_json(bytes) {
        Ok(genesis) => {
            let again = Genesis::from_json(genesis.to_json().as_bytes());
            assert_eq!(again.expect("its own text"), genesis);
            assert!(!genesis.chain_id().0.to_string().is_empty());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    };
    vec![
        cbor("genesis", &[genesis()]),
        Entry {
            name: "genesis_json",
            valid: vec![genesis().to_json().into_bytes()],
            decoder: genesis_json,
        },
        cbor("transaction", &transactions),
        cbor("header", &[header()]),
        cbor("finality", &[finality()]),
        cbor("bundle", &[bundle(Some(finality())), bundle(None)]),
    ]
}

fn receipts() -> Vec<Entry> {
    let receipt = |anchor| Receipt {
        version: RECEIPT_VERSION,
        record: encode(&record()),
        index: 5,
        path: vec![digest("a"), digest("b")],
        anchor,
    };
    let entry = StateEntry {
        key: b"i/cert/x".to_vec(),
        value: vec![1; 30],
    };
    vec![
        cbor("state_entry", &[entry]),
        cbor("state_proof", &state_proofs()),
        cbor("proven_entry", &proven_entries()),
        cbor(
            "receipt",
            &proven_entries()
                .into_iter()
                .map(receipt)
                .collect::<Vec<_>>(),
        ),
        compute::result_receipts(&proven_entries()),
        cbor("package_record", &[package_record()]),
        cbor("record", &[record()]),
        cbor("manifest", &[manifest()]),
        cbor(
            "package",
            &[Package {
                manifest: manifest(),
                records: vec![encode(&record()).into(); 2],
            }],
        ),
    ]
}

fn logins() -> Vec<Entry> {
    let chain = ChainId(digest("chain"));
    let signature = key(3).sign(Domain::LOGIN_CLIENT, b"transcript");
    let token = Token::sign(
        TokenBody {
            version: LOGIN_VERSION,
            chain,
            client: client("org1.pump"),
            certificate: CertId(digest("certificate")),
            gateway: client("org1.gateway"),
            not_before_s: 1_700_000_000,
            expires_s: 1_700_000_300,
            nonce: [3; 16],
        },
        &key(3),
    );
    let request = SignedRequest::sign(
        RequestBody {
            version: LOGIN_VERSION,
            chain,
            client: client("org2.reader"),
            certificate: CertId(digest("certificate")),
            method: "GET".into(),
            target: "/v1/packages/x".into(),
            content: digest(""),
            time_s: 1_700_000_000,
            nonce: [3; 16],
        },
        &key(3),
    );
    let transcript = Transcript {
        chain,
        client: client("org1.pump"),
        certificate: CertId(digest("certificate")),
        client_nonce: [1; 32],
        gateway: CertId(digest("gateway")),
        gateway_nonce: [2; 32],
        time_ms: 5,
    };
    let challenge = Challenge {
        gateway: CertId(digest("gateway")),
        nonce: [2; 32],
        time_ms: 5,
        signature,
    };
    let certificate = CertId(digest("certificate"));
    let sign_in = ConsoleSignIn {
        version: LOGIN_VERSION,
        chain,
        origin: "https://console.example".into(),
        certificate,
        nonce: [1; 32],
    };
    vec![
        cbor("console_sign_in", &[sign_in]),
        cbor(
            "hello",
            &[Hello {
                version: LOGIN_VERSION,
                certificate,
                nonce: [1; 32],
            }],
        ),
        cbor("challenge", &[challenge]),
        cbor("answer", &[Answer { signature }]),
        cbor("transcript", &[transcript]),
        cbor("token", std::slice::from_ref(&token)),
        Entry {
            name: "token_text",
            valid: vec![token.to_text().into_bytes()],
            decoder: |text| match Token::from_text(text) {
                Ok(token) => {
                    assert_eq!(token.to_text().as_bytes(), text, "two texts of one token");
                    true
                }
                Err(_) => false,
            },
        },
        cbor("request", std::slice::from_ref(&request)),
        Entry {
            name: "request_header",
            valid: vec![request.to_header().into_bytes()],
            decoder: |text| {
                let request = std::str::from_utf8(text)
                    .ok()
                    .map(SignedRequest::from_header);
                match request {
                    Some(Ok(request)) => {
                        assert_eq!(request.to_header().as_bytes(), text);
                        true
                    }
                    Some(Err(_)) | None => false,
                }
            },
        },
    ]
}

fn names() -> Vec<Entry> {
    fn text<T: std::str::FromStr + std::fmt::Display>(bytes: &[u8]) -> bool {
        match std::str::from_utf8(bytes).map(str::parse::<T>) {
            Ok(Ok(name)) => {
                assert_eq!(
                    name.to_string().as_bytes(),
                    bytes,
                    "another name than was read"
                );
                true
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }
    let entry = |name, valid: &[&str], decoder| Entry {
        name,
        valid: valid.iter().map(|text| text.as_bytes().to_vec()).collect(),
        decoder,
    };
    vec![
        entry("org_id", &["org1", "a"], text::<sealwire_envelope::OrgId>),
        entry(
            "client_id",
            &["org1.pump", "a.b_c-9"],
            text::<sealwire_envelope::ClientId>,
        ),
        entry(
            "topic_name",
            &["org1/pump/a", "/", "ünï/code"],
            text::<sealwire_envelope::TopicName>,
        ),
        entry(
            "topic_filter",
            &["org1/+/a/#", "+", "#"],
            text::<sealwire_envelope::TopicFilter>,
        ),
        entry("rights", &["publish,read"], |bytes| {
            std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Rights>().is_ok())
        }),
    ]
}

fn sealed() -> Vec<Entry> {
    let header = MessageHeader {
        epoch: KeyEpoch(3),
        sender: client("org1.pump"),
        sequence: 77,
    };
    let sealed = message::seal(
        &topic("org1/pump/pressure"),
        &header,
        &sm4::Key::from_slice(&[9; 16]).expect("16 bytes"),
        &key(7),
        message::CONTENT_TYPE_DEFAULT,
        b"[]",
    );
    vec![
        Entry {
            name: "message",
            valid: vec![sealed.expect("in range")],
            decoder: |bytes| {
                let topic = topic("org1/pump/pressure");
                let topic_key = sm4::Key::from_slice(&[9; 16]).expect("16 bytes");
                let key = |_: &_| Some(key(7).public_key().clone());
                let opened = message::open(&topic, &topic_key, bytes, key);
                let inspected = message::inspect(bytes);
                if let Ok(opened) = &opened {
                    assert_eq!(Ok(&opened.header), inspected.as_ref());
                }
                opened.is_ok()
            },
        },
        Entry {
            name: "certificate",
            valid: vec![certificate().der().to_vec()],
            decoder: |bytes| match Certificate::from_der(bytes) {
                Ok(certificate) => {
                    assert_eq!(
                        certificate.der(),
                        bytes,
                        "another certificate than was read"
                    );
                    let _ = certificate.verify_issued_by(&certificate);
                    true
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    false
                }
            },
        },
    ]
}

fn certificate() -> Certificate {
    let mut rng = StdRng::seed_from_u64(1);
    let subject = cert::Subject {
        organisation: "org1",
        role: cert::Role::Root,
        name: "org1 root",
        not_before_s: 1_700_000_000,
        not_after_s: 1_800_000_000,
    };
    cert::issue_root(&mut rng, &key(1), &subject).expect("a sound subject")
}

/// What a device sends to get a certificate, and the code that it is given.
fn enrolling() -> Vec<Entry> {
    let request = Request::sign(&key(3), "org1", cert::Role::Device, "org1.pump");
    let request = request.expect("a sound subject");
    let codes = [CodeKind::Enrolment, CodeKind::Authorisation].map(|kind| {
        let code = sealwire_envelope::Code::from_secret(kind, *b"0123456789abcdef");
        code.reveal().as_bytes().to_vec()
    });
    vec![
        Entry {
            name: "csr",
            valid: vec![request.der().to_vec()],
            decoder: |bytes| match Request::from_der(bytes) {
                Ok(request) => {
                    assert_eq!(request.der(), bytes, "another request than was read");
                    true
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    false
                }
            },
        },
        Entry {
            name: "csr_pem",
            valid: vec![request.to_pem().into_bytes()],
            decoder: |bytes| {
                let text = std::str::from_utf8(bytes);
                text.is_ok_and(|text| Request::from_pem(text).is_ok())
            },
        },
        Entry {
            name: "code",
            valid: codes.to_vec(),
            decoder: |bytes| {
                let text = std::str::from_utf8(bytes).ok();
                let code = text.and_then(|text| text.parse::<sealwire_envelope::Code>().ok());
                if let Some(code) = &code {
                    let again = code.reveal().parse::<sealwire_envelope::Code>();
                    let again = again.expect("what is revealed is a code");
                    assert_eq!(again.key().public_key(), code.key().public_key());
                }
                code.is_some()
            },
        },
    ]
}

/// Everything that is decoded.
pub fn all() -> Vec<Entry> {
    [
        blocks(),
        receipts(),
        logins(),
        names(),
        sealed(),
        enrolling(),
        compute::formats(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
