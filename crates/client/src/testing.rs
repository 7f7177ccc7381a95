//! A small consortium for this crate's unit tests.

use std::{path::Path, sync::Arc};

use sealwire_envelope::{Blob, Genesis, OrgGenesis};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{self, Subject},
};

use crate::identity::{Identity, Peers};

const FROM_S: u64 = 1_700_000_000;
const TO_S: u64 = 4_000_000_000;

/// One organisation, `acme`, with a gateway, `acme.gw`.
pub(crate) struct World {
    root: (SecretKey, Certificate),
    pub gateway: (SecretKey, Certificate),
    pub genesis: Arc<Genesis>,
}

impl World {
    pub fn new() -> Self {
        let mut rng = rand::rng();
        let key = SecretKey::generate(&mut rng);
        let subject = subject(Role::Root, "acme root");
        let root = cert::issue_root(&mut rng, &key, &subject).unwrap();
        let root = (key, root);
        let gateway = issue(&root, Role::Gateway, "acme.gw");
        let org = OrgGenesis {
            org: "acme".parse().unwrap(),
            root_cert_der: Blob(root.1.der().to_vec()),
            validator: SecretKey::generate(&mut rng).public_key().clone(),
            certificates: vec![Blob(gateway.1.der().to_vec())],
        };
        let genesis = Genesis {
            version: 1,
            name: "test".to_owned(),
            created_ms: 1,
            block_interval_ms: 1,
            orgs: vec![org],
        };
        Self {
            root,
            gateway,
            genesis: Arc::new(genesis),
        }
    }

    pub fn client(&self, name: &str) -> (SecretKey, Certificate) {
        issue(&self.root, Role::Device, name)
    }

    pub fn identity(&self, name: &str, home: &Path) -> Identity {
        let (key, certificate) = self.client(name);
        let genesis = self.genesis.clone();
        Identity::create(home, key, certificate, genesis, Peers::default(), None).unwrap()
    }

    pub fn identity_in_memory(&self, name: &str) -> Identity {
        let (key, certificate) = self.client(name);
        Identity::in_memory(key, certificate, self.genesis.clone()).unwrap()
    }
}

fn subject(role: Role, name: &str) -> Subject<'_> {
    Subject {
        organisation: "acme",
        role,
        name,
        not_before_s: FROM_S,
        not_after_s: TO_S,
    }
}

fn issue(root: &(SecretKey, Certificate), role: Role, name: &str) -> (SecretKey, Certificate) {
    let mut rng = rand::rng();
    let key = SecretKey::generate(&mut rng);
    let subject = subject(role, name);
    let certificate = cert::issue(&mut rng, &root.0, &root.1, key.public_key(), &subject).unwrap();
    (key, certificate)
}
