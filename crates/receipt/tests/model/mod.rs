//! A consortium on paper: keys, genesis, a state, blocks and certificates that hold, made without
//! any of the code under test but the Merkle tree.
#![allow(dead_code)] // Each test file uses its part.

pub mod state;

use sealwire_envelope::{
    Anchor, BlockBundle, Call, CertId, ChainId, Finality, Genesis, Header, OrgGenesis, PackageId,
    RevokeCertificate, Transaction, TxBody, encode,
    proof::StateProof,
    receipt::{
        BlockMoment, FinalityProof, PackageRecord, ProvenEntry, RECEIPT_VERSION, Receipt,
        package_key,
    },
    record::{ArchivedRecord, PackageManifest},
};
use sealwire_receipt::merkle;
use sealwire_sm::{Domain, SecretKey, Sm3Digest, sm3};
use state::{State, varint};

pub fn key(seed: &str) -> SecretKey {
    (0u32..)
        .find_map(|n| SecretKey::from_bytes(&sm3(&[seed.as_bytes(), &n.to_be_bytes()]).0).ok())
        .expect("nearly every digest is a key")
}

/// Organisations `org1 …` whose validators' keys are known.
pub struct Consortium {
    pub genesis: Genesis,
    /// In the order of the certificates' bitmap.
    pub validators: Vec<SecretKey>,
}

impl Consortium {
    pub fn new(organisations: usize) -> Self {
        let mut validators = Vec::new();
        let orgs = (1..=organisations)
            .map(|n| {
                let validator = key(&format!("validator {n}"));
                let public = validator.public_key().clone();
                validators.push(validator);
                OrgGenesis {
                    org: format!("org{n:03}").parse().expect("a name"),
                    root_cert_der: vec![n as u8; 3].into(),
                    validator: public,
                    certificates: Vec::new(),
                }
            })
            .collect();
        validators.sort_by_key(|key| key.public_key().to_bytes());
        let genesis = Genesis {
            version: 1,
            name: "paper".into(),
            created_ms: 1_000,
            block_interval_ms: 100,
            orgs,
        };
        Self {
            genesis,
            validators,
        }
    }

    pub fn chain(&self) -> ChainId {
        self.genesis.chain_id()
    }

    pub fn quorum(&self) -> usize {
        // The least number above two thirds.
        self.validators.len() * 2 / 3 + 1
    }

    pub fn header(&self, height: u64, parent: Sm3Digest, state_root: Sm3Digest) -> Header {
        Header {
            version: 1,
            chain: self.chain(),
            height,
            epoch: 0,
            view: height + 300,
            parent_view: height + 299,
            parent,
            time_ms: 2_000 + height,
            proposer: self.validators[0].public_key().clone(),
            transactions: sm3(&[]),
            state_root,
            ops_root: sm3(&[b"ops"]),
            ops_start: 0,
            ops_end: 10,
            validators: self.genesis.validators_digest(),
        }
    }

    /// What a validator signs to make a header final.
    pub fn vote(&self, header: &Header) -> Vec<u8> {
        let namespace = [
            b"sealwire vote ".as_slice(),
            &self.chain().0.0,
            b"_FINALIZE",
        ]
        .concat();
        [
            &varint(namespace.len() as u64),
            &namespace,
            &varint(header.epoch),
            &varint(header.view),
            &varint(header.parent_view),
            header.digest().0.as_slice(),
        ]
        .concat()
    }

    /// A certificate by these validators.
    pub fn certify(&self, header: &Header, signers: &[usize]) -> Finality {
        let mut bitmap = vec![0; self.validators.len().div_ceil(8)];
        for signer in signers {
            bitmap[signer / 8] |= 1 << (signer % 8);
        }
        let vote = self.vote(header);
        Finality {
            epoch: header.epoch,
            view: header.view,
            parent_view: header.parent_view,
            payload: header.digest(),
            signers: bitmap.into(),
            signatures: signers
                .iter()
                .map(|signer| self.validators[*signer].sign(Domain::VOTE, &vote))
                .collect(),
        }
    }

    /// A header with this state root, `above` more on top of it, the last one certified.
    pub fn finalise(&self, state_root: Sm3Digest, above: u64) -> FinalityProof {
        let mut headers = vec![self.header(10, sm3(&[b"parent"]), state_root)];
        for height in 11..11 + above {
            let parent = headers[headers.len() - 1].digest();
            headers.push(self.header(height, parent, sm3(&[b"later state"])));
        }
        let signers: Vec<_> = (0..self.quorum()).collect();
        let finality = self.certify(&headers[headers.len() - 1], &signers);
        FinalityProof { headers, finality }
    }

    /// A signed transaction.
    pub fn transaction(&self, sender: &SecretKey, nonce: u8) -> Transaction {
        let body = TxBody {
            chain: self.chain(),
            sender: certificate_of(sender),
            expiry_height: 100,
            nonce: [nonce; 16],
            call: Call::RevokeCertificate(RevokeCertificate {
                certificate: CertId(sm3(&[b"certificate"])),
                reason: "test".into(),
            }),
        };
        Transaction::sign(body, sender)
    }

    /// A sound block of `count` transactions by `sender` on top of `parent`.
    pub fn bundle(&self, parent: &Header, sender: &SecretKey, count: u8) -> BlockBundle {
        let transactions: Vec<_> = (0..count).map(|n| self.transaction(sender, n)).collect();
        let mut header = self.header(parent.height + 1, parent.digest(), sm3(&[b"state"]));
        header.transactions = merkle::root_of(transactions.iter().map(encode));
        let signers: Vec<_> = (0..self.quorum()).collect();
        let finality = Some(self.certify(&header, &signers));
        BlockBundle {
            header,
            transactions,
            finality,
        }
    }
}

/// The id under which the tests register a key's certificate.
pub fn certificate_of(key: &SecretKey) -> CertId {
    CertId(sm3(&[&key.public_key().to_bytes()]))
}

/// The records of a package, its manifest, and what is anchored of it.
pub struct Packed {
    pub records: Vec<Vec<u8>>,
    pub manifest: PackageManifest,
    pub anchor: Anchor,
}

impl Packed {
    pub fn new(count: u64) -> Self {
        let records: Vec<_> = (0..count)
            .map(|n| {
                encode(&ArchivedRecord {
                    version: 1,
                    topic: "org001/pump/pressure".parse().expect("a topic"),
                    sender: "org001.pump".parse().expect("a client"),
                    received_ms: 1_500 + n,
                    qos: 1,
                    payload: format!("reading {n}").into_bytes().into(),
                })
            })
            .collect();
        let manifest = PackageManifest {
            version: 1,
            gateway: "org001.gateway".parse().expect("a client"),
            topic: "org001/pump/pressure".parse().expect("a topic"),
            first: 7,
            count,
            from_ms: 1_500,
            to_ms: 1_500 + count,
            root: merkle::root_of(&records),
        };
        let anchor = Anchor {
            package: manifest.id(),
            topic: manifest.topic.clone(),
            clients: vec!["org001.pump".parse().expect("a client")],
            count,
            from_ms: manifest.from_ms,
            to_ms: manifest.to_ms,
            root: manifest.root,
            epoch: None,
            location: "sqlite".into(),
            gateway: manifest.gateway.clone(),
        };
        Self {
            records,
            manifest,
            anchor,
        }
    }

    pub fn record(&self) -> PackageRecord {
        PackageRecord {
            anchor: self.anchor.clone(),
            at: BlockMoment {
                height: 9,
                time_ms: 2_009,
            },
            transaction: 3,
        }
    }

    pub fn path(&self, index: u64) -> Vec<Sm3Digest> {
        let leaves: Vec<_> = self
            .records
            .iter()
            .map(|record| merkle::leaf(record))
            .collect();
        merkle::path(&leaves, index as usize).expect("within the package")
    }
}

/// A state that holds some entries.
pub fn state_with(key: &[u8], value: &[u8]) -> State {
    let mut entries: Vec<_> = (0..20)
        .map(|n| (format!("other/{n}").into_bytes(), vec![n; n as usize]))
        .collect();
    entries.push((key.to_vec(), value.to_vec()));
    State::new(&entries, 300, 0)
}

/// A receipt that holds, for record `index` of `packed`.
pub fn receipt_for(consortium: &Consortium, packed: &Packed, index: u64, above: u64) -> Receipt {
    let (key, value) = (
        package_key(&packed.anchor.package),
        encode(&packed.record()),
    );
    let state = state_with(&key, &value);
    Receipt {
        version: RECEIPT_VERSION,
        record: packed.records[index as usize].clone(),
        index,
        path: packed.path(index),
        anchor: ProvenEntry {
            version: RECEIPT_VERSION,
            proof: StateProof::Inclusion(state.include(&key)),
            key,
            value: Some(value),
            finality: consortium.finalise(state.root(), above),
        },
    }
}

/// A proven absence that holds.
pub fn absence_for(consortium: &Consortium, key: &[u8]) -> ProvenEntry {
    let state = state_with(b"present", b"value");
    ProvenEntry {
        version: RECEIPT_VERSION,
        key: key.to_vec(),
        value: None,
        proof: StateProof::Exclusion(state.exclude(key)),
        finality: consortium.finalise(state.root(), 0),
    }
}

pub fn package(seed: &str) -> PackageId {
    PackageId(sm3(&[seed.as_bytes()]))
}
