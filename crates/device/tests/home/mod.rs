//! The home of a device whose consortium doesn't run: for the tests of this crate and of the C
//! library.

use std::{net::TcpListener, path::Path, sync::Arc};

use sealwire_client::{
    Identity,
    identity::{GatewayPeer, Peers},
};
use sealwire_envelope::{Blob, Genesis, OrgGenesis};
use sealwire_sm::{
    Role, SecretKey,
    cert::{self, Subject},
};

/// The home of `acme.press-7`, whose gateway and ledger node are at `address`, with
/// passphrase `open`.
pub fn make(dir: &Path, address: &str) {
    let mut rng = rand::rng();
    let subject = |role, name| Subject {
        organisation: "acme",
        role,
        name,
        not_before_s: 1_700_000_000,
        not_after_s: 4_000_000_000,
    };
    let root_key = SecretKey::generate(&mut rng);
    let root = cert::issue_root(&mut rng, &root_key, &subject(Role::Root, "acme root")).unwrap();
    let key = SecretKey::generate(&mut rng);
    let device = subject(Role::Device, "acme.press-7");
    let certificate = cert::issue(&mut rng, &root_key, &root, key.public_key(), &device).unwrap();
    let org = OrgGenesis {
        org: "acme".parse().unwrap(),
        root_cert_der: Blob(root.der().to_vec()),
        validator: SecretKey::generate(&mut rng).public_key().clone(),
        certificates: vec![],
    };
    let genesis = Genesis {
        version: 1,
        name: "test".to_owned(),
        created_ms: 1,
        block_interval_ms: 1,
        orgs: vec![org],
    };
    let gateway = GatewayPeer {
        client: "acme.gateway".parse().unwrap(),
        certificate: None,
        mqtt: address.to_owned(),
        http: format!("http://{address}"),
        mqtts: None,
        https: None,
    };
    let peers = Peers {
        desk: None,
        ledger: vec![format!("http://{address}")],
        gateways: vec![gateway],
    };
    Identity::create(
        dir,
        key,
        certificate,
        Arc::new(genesis),
        peers,
        Some("open"),
    )
    .unwrap();
}

/// An address at which nobody listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
