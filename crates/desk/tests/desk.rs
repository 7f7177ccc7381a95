//! Devices of every mood at a real desk over HTTP, with the real contracts behind it.

#[path = "../../client/tests/client/common/mod.rs"]
mod common;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use common::{Org, World, now_ms, soon};
use sealwire_client::{
    Identity, Ledger,
    certificate::{
        self, Desk, DeskError, Enrolled, Enrolment, LifeError,
        desk::{BODY_MAX_BYTES, ENROLMENTS_PATH, EnrolmentRequest, RENEWALS_PATH},
    },
    identity::Peers,
    operator,
};
use sealwire_contracts::{Code as Outcome, entry::CertificateStatus};
use sealwire_desk::{Deed, Event, Limits, Running, Settings, StartError};
use sealwire_envelope::{
    CertId, Code, EnrolmentProof, Template, code::CodeKind, transaction::Enrolment as Opened,
};
use sealwire_sm::{Certificate, Request, Role, SecretKey};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, sync::broadcast};

/// A consortium with a desk of `acme`.
struct Scene {
    world: World,
    running: Running,
    operator: Identity,
    ledger: Arc<Ledger>,
    events: broadcast::Receiver<Event>,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let world = World::new().await;
        let operator = operator_of(&world, &world.one);
        let ledger = world.ledger();
        let settings = settings(&world, &world.one, operator.clone(), limits);
        let running = sealwire_desk::start(settings).await.unwrap();
        let events = running.events();
        Self {
            world,
            running,
            operator,
            ledger,
            events,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    fn desk(&self) -> Desk {
        Desk::new(&self.url()).unwrap()
    }

    /// Opens an enrolment for `acme.<name>`.
    async fn open(&self, name: &str, role: Role) -> Code {
        let code = Code::generate(CodeKind::Enrolment, &mut rand::rng());
        let opened = Opened {
            client: format!("acme.{name}").parse().unwrap(),
            role,
            key: code.key().public_key().clone(),
            expires_s: now_ms() / 1000 + 1_000,
        };
        let (ledger, by) = (&self.ledger, &self.operator);
        operator::open_enrolments(ledger, by, &[opened], |_, _| {})
            .await
            .unwrap();
        code
    }

    async fn enrol_in(&self, code: &Code, home: PathBuf) -> Result<Enrolled, LifeError> {
        let desk = self.desk();
        let enrolment = Enrolment {
            code,
            desk: &desk,
            genesis: self.world.chain.genesis.clone(),
            nodes: Vec::new(),
            passphrase: None,
        };
        let peers = Peers::default();
        soon(certificate::enrol_with(
            &enrolment,
            peers,
            &self.ledger,
            |_| home,
        ))
        .await
    }

    async fn template(&self, role: Role, validity_max_s: u64, renewal_s: u64) {
        let template = Template {
            validity_max_s,
            renewal_s,
        };
        operator::set_template(&self.ledger, &self.operator, role, template)
            .await
            .unwrap();
    }

    /// An enrolled device whose renewal window is open.
    async fn device(&self, name: &str) -> Identity {
        self.template(Role::Device, 100_000, 100_000).await;
        let code = self.open(name, Role::Device).await;
        let home = self.world.path(name);
        let identity = self.enrol_in(&code, home).await.unwrap().identity;
        // The next certificate must end in a later second.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        identity
    }

    async fn deed(&mut self) -> Event {
        soon(self.events.recv()).await.unwrap()
    }

    async fn status(&self, id: CertId) -> CertificateStatus {
        certificate::standing(&self.ledger, id, None)
            .await
            .unwrap()
            .status
    }
}

fn operator_of(world: &World, org: &Org) -> Identity {
    let (key, certificate) = org.operator.clone();
    Identity::in_memory(key, certificate, world.chain.genesis.clone()).unwrap()
}

fn settings(world: &World, org: &Org, operator: Identity, limits: Limits) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        root_key: org.root_key.clone(),
        root: org.root.clone(),
        operator,
        ledger: world.ledger(),
        peers: Peers {
            ledger: world.nodes.clone(),
            ..Peers::default()
        },
        limits,
    }
}

fn refused(result: Result<impl std::fmt::Debug, LifeError>) -> (u16, String) {
    match result.unwrap_err() {
        LifeError::Desk(DeskError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_enrols_by_its_code() {
    let mut scene = Scene::new().await;
    let code = scene.open("press-7", Role::Device).await;
    let home = scene.world.path("press-7");
    let enrolled = scene.enrol_in(&code, home.clone()).await.unwrap();
    assert!(!enrolled.before);
    let identity = enrolled.identity;
    assert_eq!(identity.client().as_str(), "acme.press-7");
    assert_eq!(identity.certificate().role, Role::Device);
    assert_eq!(identity.peers().desk, None, "the caller's peers count");
    let id = identity.certificate_id();
    assert_eq!(scene.status(id).await, CertificateStatus::Live);
    assert!(!home.join("enrol.key").exists());
    let event = scene.deed().await;
    assert_eq!(event.deed, Deed::Enrolled);
    assert_eq!(event.certificate, Some(id));
    assert!(!format!("{event:?}").contains(code.reveal().as_str()));

    // Once more in the same home: it has it already. Elsewhere: the code is spent.
    let again = scene.enrol_in(&code, home.clone()).await.unwrap();
    assert!(again.before && again.identity.certificate_id() == id);
    let elsewhere = scene.enrol_in(&code, scene.world.path("elsewhere")).await;
    assert!(matches!(elsewhere, Err(LifeError::NotOpen { .. })));
    // Another code doesn't overwrite a key.
    let other = scene.open("press-8", Role::Device).await;
    let taken = scene.enrol_in(&other, home).await;
    assert!(matches!(taken, Err(LifeError::Identity(_))));
}

/// The answer got lost, or the device crashed: the same key gets the same certificate.
#[tokio::test]
async fn the_same_key_gets_the_same_certificate() {
    let mut scene = Scene::new().await;
    let code = scene.open("press-7", Role::Device).await;
    let (org, client) = ("acme", "acme.press-7".parse().unwrap());
    let home = scene.world.path("press-7");
    let request = certificate::request(&home, &client, Role::Device, None).unwrap();
    assert_eq!(request.organisation, org);
    let chain = scene.world.chain.genesis.chain_id();
    let asked = EnrolmentRequest {
        csr: request.to_pem(),
        proof: EnrolmentProof::sign(&chain, &client, &request.public_key, &code.key()),
    };
    let desk = scene.desk();
    // Many at once, as an impatient device would.
    let many: Vec<_> = (0..8)
        .map(|_| {
            let (desk, asked) = (desk.clone(), asked.clone());
            tokio::spawn(async move { desk.enrol(&asked).await.unwrap() })
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for one in many {
        ids.insert(CertId(soon(one).await.unwrap().id()));
    }
    assert_eq!(ids.len(), 1, "one key, one certificate");
    let mut deeds = Vec::new();
    for _ in 0..8 {
        deeds.push(scene.deed().await.deed);
    }
    let enrolled = deeds.iter().filter(|deed| **deed == Deed::Enrolled).count();
    assert_eq!(enrolled, 1, "{deeds:?}");

    // The device, which never saw an answer, goes on.
    let enrolled = scene.enrol_in(&code, home).await.unwrap();
    assert!(!enrolled.before);
    assert!(ids.contains(&enrolled.identity.certificate_id()));
}

#[tokio::test]
async fn whoever_lacks_the_code_or_the_key_gets_nothing() {
    let mut scene = Scene::new().await;
    let code = scene.open("press-7", Role::Device).await;
    let chain = scene.world.chain.genesis.chain_id();
    let client: sealwire_envelope::ClientId = "acme.press-7".parse().unwrap();
    let key = SecretKey::generate(&mut rand::rng());
    let stranger = Code::generate(CodeKind::Enrolment, &mut rand::rng());
    let csr = |name: &str, role| Request::sign(&key, "acme", role, name).unwrap();
    let proof = |by: &Code, key: &SecretKey| {
        EnrolmentProof::sign(&chain, &client, key.public_key(), &by.key())
    };
    let other_key = SecretKey::generate(&mut rand::rng());
    let forged = EnrolmentProof {
        enrolment: proof(&code, &key).enrolment,
        ..proof(&stranger, &key)
    };
    let good = csr("acme.press-7", Role::Device);
    let closed = scene.open("press-9", Role::Device).await;
    let closed_id = sealwire_envelope::EnrolmentId::of(closed.key().public_key());
    operator::close_enrolments(&scene.ledger, &scene.operator, &[closed_id], |_, _| {})
        .await
        .unwrap();
    let ninth = "acme.press-9".parse().unwrap();
    let closed_proof = EnrolmentProof::sign(&chain, &ninth, key.public_key(), &closed.key());
    let cases = [
        (404, "no enrolment", good.clone(), proof(&stranger, &key)),
        (403, "didn't sign", good.clone(), forged),
        // A copied proof is worthless for another key.
        (403, "didn't sign", good.clone(), proof(&code, &other_key)),
        (
            409,
            "acme.press-8",
            csr("acme.press-8", Role::Device),
            proof(&code, &key),
        ),
        (
            409,
            "as operator",
            csr("acme.press-7", Role::Operator),
            proof(&code, &key),
        ),
        (
            409,
            "closed",
            csr("acme.press-9", Role::Device),
            closed_proof,
        ),
    ];
    let desk = scene.desk();
    for (status, why, request, proof) in cases {
        let csr = request.to_pem();
        match desk.enrol(&EnrolmentRequest { csr, proof }).await {
            Err(DeskError::Refused(problem)) => {
                assert_eq!(problem.status, status, "{problem}");
                assert!(problem.detail.contains(why), "'{why}' not in {problem}");
            }
            other => panic!("{why}: {other:?}"),
        }
        let event = scene.deed().await;
        assert_eq!(event.deed, Deed::Refused);
        assert!(event.why.contains(why), "the operator is told: {event:?}");
    }
    // The good one is still good; a second device with the same code isn't.
    let proof = proof(&code, &key);
    let csr = good.to_pem();
    desk.enrol(&EnrolmentRequest { csr, proof }).await.unwrap();
    let late = Request::sign(&other_key, "acme", Role::Device, "acme.press-7").unwrap();
    let again = EnrolmentRequest {
        csr: late.to_pem(),
        proof: EnrolmentProof::sign(&chain, &client, &late.public_key, &code.key()),
    };
    let refused = desk.enrol(&again).await.unwrap_err().to_string();
    assert!(
        refused.contains("used already, for another key"),
        "{refused}"
    );
}

#[tokio::test]
async fn another_organisations_code_is_sent_elsewhere() {
    let scene = Scene::new().await;
    let bolt = operator_of(&scene.world, &scene.world.two);
    let code = Code::generate(CodeKind::Enrolment, &mut rand::rng());
    let opened = Opened {
        client: "bolt.press".parse().unwrap(),
        role: Role::Device,
        key: code.key().public_key().clone(),
        expires_s: now_ms() / 1000 + 1_000,
    };
    operator::open_enrolments(&scene.ledger, &bolt, &[opened], |_, _| {})
        .await
        .unwrap();
    let result = scene.enrol_in(&code, scene.world.path("bolt")).await;
    let (status, why) = refused(result);
    assert_eq!(status, 403);
    assert!(why.contains("the desk of 'acme'"), "{why}");
}

#[tokio::test]
async fn a_client_with_a_certificate_needs_an_operator_first() {
    let scene = Scene::new().await;
    let held = scene
        .world
        .client(&scene.world.one, "press-7", Role::Device);
    let code = scene.open("press-7", Role::Device).await;
    let home = scene.world.path("new");
    let (status, why) = refused(scene.enrol_in(&code, home.clone()).await);
    assert_eq!(status, 409);
    assert!(why.contains("revoke it first"), "{why}");
    let id = held.identity.certificate_id();
    operator::revoke(&scene.ledger, &scene.operator, id, "replaced")
        .await
        .unwrap();
    // The same attempt goes on, with the key that it had made.
    scene.enrol_in(&code, home).await.unwrap();
}

#[tokio::test]
async fn a_device_renews_itself() {
    let mut scene = Scene::new().await;
    let identity = scene.device("press-7").await;
    scene.deed().await;
    let old = identity.certificate_id();
    let desk = scene.desk();
    let renewed = soon(certificate::renew(&identity, &scene.ledger, &desk, None))
        .await
        .unwrap();
    assert!(renewed.height.is_some() && renewed.replaced == old);
    let new = renewed.identity;
    assert_ne!(new.key().public_key(), identity.key().public_key());
    assert_eq!(
        new.previous().unwrap().public_key(),
        identity.key().public_key()
    );
    assert_eq!(scene.status(old).await, CertificateStatus::Revoked);
    assert_eq!(
        scene.status(new.certificate_id()).await,
        CertificateStatus::Live
    );
    assert_eq!(scene.deed().await.deed, Deed::Renewed);
    let home = scene.world.path("press-7");
    assert!(!home.join("next.key").exists() && !home.join("next.crt").exists());
    // Whoever still has the old identity learns of the new one.
    let late = certificate::renew(&identity, &scene.ledger, &desk, None).await;
    let late = late.unwrap();
    assert_eq!(late.height, None);
    assert_eq!(late.identity.certificate_id(), new.certificate_id());
}

/// Cut off at each point, a renewal goes on where it was, and the home is whole all the while.
#[tokio::test]
async fn a_renewal_that_was_cut_off_goes_on() {
    let scene = Scene::new().await;
    let desk = scene.desk();
    for cut in ["after the key", "after the answer", "after the ledger"] {
        let name = cut.replace(' ', "-");
        let identity = scene.device(&name).await;
        let home = scene.world.path(&name);
        let org = identity.client().org();
        let next = SecretKey::generate(&mut rand::rng());
        write_key(&home.join("next.key"), &next);
        let mut expected = None;
        if cut != "after the key" {
            let client = identity.client().as_str();
            let request = Request::sign(&next, org.as_str(), Role::Device, client).unwrap();
            let answer = desk.renew(&identity, &request).await.unwrap();
            std::fs::write(home.join("next.crt"), answer.to_pem()).unwrap();
            if cut == "after the ledger" {
                let der = sealwire_envelope::Blob(answer.der().to_vec());
                let call = sealwire_envelope::Call::RenewCertificate(
                    sealwire_envelope::transaction::RenewCertificate { der },
                );
                scene.ledger.call(&identity, call).await.unwrap();
            }
            expected = Some(CertId(answer.id()));
        }
        let before = Identity::load(&home, None).unwrap();
        assert_eq!(before.certificate_id(), identity.certificate_id(), "{cut}");
        let renewed = certificate::renew(&before, &scene.ledger, &desk, None)
            .await
            .unwrap();
        let now = Identity::load(&home, None).unwrap();
        assert_eq!(now.certificate_id(), renewed.identity.certificate_id());
        assert_eq!(now.key().public_key(), next.public_key(), "{cut}");
        if let Some(expected) = expected {
            assert_eq!(now.certificate_id(), expected, "{cut}");
        }
        assert_eq!(
            scene.status(now.certificate_id()).await,
            CertificateStatus::Live
        );
    }
}

fn write_key(path: &std::path::Path, key: &SecretKey) {
    let none = None::<(&str, &mut rand::rngs::ThreadRng)>;
    sealwire_sm::keyfile::write(path, key, none).unwrap();
}

/// The answer to the transaction gets lost, and every submission is answered as if it had failed.
#[tokio::test]
async fn a_lost_answer_of_the_ledger_doesnt_matter() {
    let scene = Scene::new().await;
    let identity = scene.device("press-7").await;
    scene.world.chain.lose_answers.store(1, Ordering::SeqCst);
    let desk = scene.desk();
    let renewed = soon(certificate::renew(&identity, &scene.ledger, &desk, None))
        .await
        .unwrap();
    let id = renewed.identity.certificate_id();
    assert_eq!(scene.status(id).await, CertificateStatus::Live);
    scene.world.chain.lose_answers.store(1, Ordering::SeqCst);
    let code = scene.open("press-8", Role::Device).await;
    let home = scene.world.path("press-8");
    scene.enrol_in(&code, home).await.unwrap();
}

#[tokio::test]
async fn renewals_that_must_not_be() {
    let mut scene = Scene::new().await;
    let identity = scene.device("press-7").await;
    scene.deed().await;
    let desk = scene.desk();
    let next = SecretKey::generate(&mut rand::rng());
    let csr = |name: &str| Request::sign(&next, "acme", Role::Device, name).unwrap();
    let good = csr("acme.press-7");

    let mut no = Vec::new();
    let stranger = scene.world.one.issue("press-7", Role::Device);
    let genesis = scene.world.chain.genesis.clone();
    let stranger = Identity::in_memory(stranger.0, stranger.1, genesis).unwrap();
    no.push((
        401,
        "present certificate",
        desk.renew(&stranger, &good).await,
    ));
    let other = desk.renew(&identity, &csr("acme.press-8")).await;
    no.push((409, "acme.press-8", other));
    scene.template(Role::Device, 100_000, 10).await;
    no.push((409, "too early", desk.renew(&identity, &good).await));
    scene.template(Role::Device, 50_000, 50_000).await;
    let (from_s, to_s) = (
        identity.certificate().not_before_s,
        identity.certificate().not_after_s,
    );
    assert!(to_s - from_s > 50_000);
    no.push((409, "too early", desk.renew(&identity, &good).await));
    scene.template(Role::Device, 100_000, 100_000).await;
    let id = identity.certificate_id();
    operator::suspend(&scene.ledger, &scene.operator, id, "odd")
        .await
        .unwrap();
    no.push((403, "suspended", desk.renew(&identity, &good).await));
    operator::resume(&scene.ledger, &scene.operator, id, "fine")
        .await
        .unwrap();
    desk.renew(&identity, &good).await.unwrap();
    operator::revoke(&scene.ledger, &scene.operator, id, "lost")
        .await
        .unwrap();
    no.push((403, "revoked", desk.renew(&identity, &good).await));
    for (status, why, result) in no {
        match result {
            Err(DeskError::Refused(problem)) => {
                assert_eq!(problem.status, status, "{problem}");
                assert!(problem.detail.contains(why), "'{why}' not in {problem}");
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}

/// What the ledger refuses is forgotten, so that the next attempt asks the desk anew.
#[tokio::test]
async fn a_refused_next_certificate_isnt_tried_for_ever() {
    let scene = Scene::new().await;
    let identity = scene.device("press-7").await;
    let home = scene.world.path("press-7");
    let next = SecretKey::generate(&mut rand::rng());
    write_key(&home.join("next.key"), &next);
    let request = Request::sign(&next, "acme", Role::Device, "acme.press-7").unwrap();
    let desk = scene.desk();
    let long = desk.renew(&identity, &request).await.unwrap();
    std::fs::write(home.join("next.crt"), long.to_pem()).unwrap();
    // From now on shorter ones only: the waiting certificate is too long.
    scene.template(Role::Device, 99_999, 99_999).await;
    let first = certificate::renew(&identity, &scene.ledger, &desk, None).await;
    match first {
        Err(LifeError::Call(error)) => {
            let text = error.to_string();
            assert!(
                text.contains(Outcome::ValidityTooLong.text().trim_end_matches('.')),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!home.join("next.crt").exists());
    tokio::time::sleep(Duration::from_secs(2)).await;
    certificate::renew(&identity, &scene.ledger, &desk, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn certificates_follow_the_template_and_the_root() {
    let scene = Scene::new().await;
    scene.template(Role::Gateway, 7_200, 600).await;
    for (name, role) in [("gw2", Role::Gateway), ("press", Role::Device)] {
        let code = scene.open(name, role).await;
        let home = scene.world.path(name);
        let identity = scene.enrol_in(&code, home).await.unwrap().identity;
        let certificate = identity.certificate();
        assert_eq!(certificate.role, role);
        let validity_s = certificate.not_after_s - certificate.not_before_s;
        match role {
            Role::Gateway => assert_eq!(validity_s, 7_200),
            // A year by default; the test's root ends sooner.
            _ => assert_eq!(certificate.not_after_s, scene.world.one.root.not_after_s),
        }
        assert!(certificate.is_valid_at(now_ms() / 1000));
    }
}

/// The way without a desk: a person carries the request to the operator and the certificate back.
#[tokio::test]
async fn a_request_carried_by_hand() {
    let scene = Scene::new().await;
    let client = "acme.press-7".parse().unwrap();
    let home = scene.world.path("press-7");
    let request = certificate::request(&home, &client, Role::Device, None).unwrap();
    let same = certificate::request(&home, &client, Role::Device, None).unwrap();
    assert_eq!(same.public_key, request.public_key);
    assert!(Identity::load(&home, None).is_err(), "not whole yet");
    let now_s = now_ms() / 1000;
    let org = &scene.world.one;
    let issue = |key: &SecretKey| {
        let (root_key, root) = (&org.root_key, &org.root);
        let role = Role::Device;
        operator::issue(
            root_key,
            root,
            key.public_key(),
            &client,
            role,
            now_s - 10,
            now_s + 1_000,
        )
        .unwrap()
    };
    let genesis = scene.world.chain.genesis.clone();
    let install = async |certificate: Certificate| {
        let (genesis, peers) = (genesis.clone(), Peers::default());
        certificate::install(&home, certificate, genesis, peers, &scene.ledger, None).await
    };
    let stranger = SecretKey::generate(&mut rand::rng());
    let wrong = install(issue(&stranger)).await;
    assert!(matches!(wrong, Err(LifeError::OtherCertificate { .. })));
    let (root_key, root) = (&org.root_key, &org.root);
    let right = operator::issue(
        root_key,
        root,
        &request.public_key,
        &client,
        Role::Device,
        now_s - 10,
        now_s + 1_000,
    )
    .unwrap();
    let early = install(right.clone()).await;
    assert!(matches!(early, Err(LifeError::NotLive { .. })), "{early:?}");
    operator::register(&scene.ledger, &scene.operator, &right)
        .await
        .unwrap();
    let enrolled = install(right.clone()).await.unwrap();
    assert!(!enrolled.before);
    assert!(install(right).await.unwrap().before);
    assert!(certificate::request(&home, &client, Role::Device, None).is_err());
}

async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    // The desk may close before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn nonsense_gets_an_answer_and_leaves_the_desk_serving() {
    let scene = Scene::new().await;
    let at = scene.running.address;
    let big = "x".repeat(BODY_MAX_BYTES + 1);
    let pem = Request::sign(
        &SecretKey::generate(&mut rand::rng()),
        "acme",
        Role::Device,
        "acme.x",
    )
    .unwrap()
    .to_pem();
    let renewal = serde_json::json!({ "csr": pem }).to_string();
    let zeros = "0".repeat(64);
    let proof = serde_json::json!({ "enrolment": zeros, "signature": "00".repeat(64) });
    let unknown = serde_json::json!({ "csr": pem, "proof": proof }).to_string();
    let no_csr = serde_json::json!({ "csr": "no", "proof": proof }).to_string();
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
    };
    for (request, status) in [
        (post(ENROLMENTS_PATH, "", ""), "400"),
        (post(ENROLMENTS_PATH, "", "{}"), "400"),
        (post(ENROLMENTS_PATH, "", "\0\u{1}["), "400"),
        (post(ENROLMENTS_PATH, "", &"[".repeat(20_000)), "400"),
        (post(ENROLMENTS_PATH, "", &no_csr), "400"),
        (post(ENROLMENTS_PATH, "", &unknown), "404"),
        (post(ENROLMENTS_PATH, "", &big), "413"),
        (post(RENEWALS_PATH, "", &renewal), "401"),
        (
            post(RENEWALS_PATH, "authorization: SM2 AAAA\r\n", &renewal),
            "401",
        ),
        (
            post(RENEWALS_PATH, "authorization: Basic x\r\n", &renewal),
            "401",
        ),
        (get(ENROLMENTS_PATH), "405"),
        (get("/"), "404"),
        (get("/v1/desk"), "200"),
        (b"\x16\x03\x01\x00\xff nonsense\r\n\r\n".to_vec(), "400"),
    ] {
        let answer = raw(at, &request).await;
        let shown: String = String::from_utf8_lossy(&request)
            .chars()
            .take(200)
            .collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown}\n{answer}"
        );
    }
    let desk = scene.desk();
    let info = desk.info(scene.world.chain.genesis.chain_id());
    assert_eq!(info.await.unwrap().org.as_str(), "acme");
    let other = sealwire_envelope::ChainId(sealwire_sm::sm3(&[b"other"]));
    let wrong = desk.info(other).await;
    assert!(matches!(wrong, Err(DeskError::OtherChain { .. })));
}

#[tokio::test]
async fn one_address_cant_take_all() {
    let limits = Limits {
        requests_per_s: 1,
        requests_burst: 3,
        connections_per_address: 2,
        connection_time: Duration::from_millis(800),
        ..Limits::default()
    };
    let scene = Scene::with(limits).await;
    let at = scene.running.address;
    let get = b"GET /v1/desk HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // Slow ones hold connections, as many as one address may have; a third is closed at once.
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
        stream.write_all(b"GET /v1").await.unwrap();
        slow.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(raw(at, get).await, "");
    // They don't live for ever.
    for mut stream in slow {
        let mut rest = Vec::new();
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        let answer = raw(at, get).await;
        codes.push(answer.get(9..12).unwrap_or("").to_owned());
    }
    assert_eq!(codes[..3], ["200", "200", "200"]);
    assert!(codes[3..].contains(&"429".to_owned()), "{codes:?}");
}

#[tokio::test]
async fn only_the_right_people_run_a_desk() {
    let world = World::new().await;
    let limits = Limits::default();
    let start = async |change: &dyn Fn(&mut Settings)| {
        let operator = operator_of(&world, &world.one);
        let mut settings = settings(&world, &world.one, operator, limits);
        change(&mut settings);
        sealwire_desk::start(settings).await.map(drop)
    };
    let other = operator_of(&world, &world.two);
    let refused = start(&|settings| settings.operator = other.clone()).await;
    assert!(matches!(refused, Err(StartError::Operator { .. })));
    let device = world.client(&world.one, "press", Role::Device).identity;
    let refused = start(&|settings| settings.operator = device.clone()).await;
    assert!(matches!(refused, Err(StartError::Operator { .. })));
    let stranger = Org::new("acme");
    let refused = start(&|settings| settings.root_key = stranger.root_key.clone()).await;
    assert!(matches!(refused, Err(StartError::Root { .. })));
    let refused = start(&|settings| {
        settings.root = stranger.root.clone();
        settings.root_key = stranger.root_key.clone();
    })
    .await;
    assert!(matches!(refused, Err(StartError::Root { .. })));
    start(&|_| {}).await.unwrap();
}
