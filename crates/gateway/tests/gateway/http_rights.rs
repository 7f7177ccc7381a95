//! Who may what over HTTP: every route of the router, every kind of client, allowed and denied.
//!
//! The table in `docs/rights-http.md` is this test's: `SEALWIRE_BLESS=1 cargo test -p
//! sealwire-gateway --test gateway http_rights` writes it anew where a change is meant. A route without a row
//! here fails the test.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use crate::common::{
    Person, World,
    compute::{Made, spec},
    eventually, now_s, seal_to, sealed,
    wire::Wire,
};
use mqtt5::types::ReasonCode;
use sealwire_envelope::{
    Call, GrantTopic, JobId, Rights, TopicName,
    compute::{
        COMPUTE_VERSION, Form, Function, ParameterSet,
        service::{JobState, StandingJob},
    },
    encode,
};
use sealwire_gateway::{Running, http};
use sealwire_sm::sm4;

/// Kinds of clients, in the order of the columns.
const CLIENTS: [&str; 13] = [
    "nobody",
    "operator",
    "gateway",
    "owner",
    "read",
    "verify",
    "subscribe",
    "publish",
    "compute",
    "stranger",
    "read revoked",
    "read expired",
    "certificate revoked",
];

/// Everybody.
const ALL: &[&str] = &CLIENTS;
/// Who gets records of a sealed topic, and of an open one.
const SEALED: &[&str] = &["owner", "read", "verify"];
const OPEN: &[&str] = &["owner", "read"];
/// Who isn't anyone that acts here: 401. All others who aren't allowed get 403.
const UNKNOWN: &[&str] = &["nobody", "operator", "gateway", "certificate revoked"];

/// Every client that may act here at all.
const CLIENT: &[&str] = &[
    "owner",
    "read",
    "verify",
    "subscribe",
    "publish",
    "compute",
    "stranger",
    "read revoked",
    "read expired",
];
/// Who may have the open topic computed on, and hear of the job that "compute" asked for: the owner owns the
/// topic and the key.
const COMPUTE: &[&str] = &["owner", "compute"];
const OWNER: &[&str] = &["owner"];

/// Each method and route, each kind of topic it makes a difference for, and who is answered.
const ROWS: &[(&str, &str, &str, &[&str])] = &[
    ("GET", "/v1/status", "", ALL),
    ("GET", "/metrics", "", ALL),
    ("GET", "/v1/packages", "sealed", SEALED),
    ("GET", "/v1/packages", "open", OPEN),
    ("GET", "/v1/packages/{package}", "sealed", SEALED),
    ("GET", "/v1/packages/{package}", "open", OPEN),
    (
        "GET",
        "/v1/packages/{package}/records/{index}",
        "sealed",
        SEALED,
    ),
    (
        "GET",
        "/v1/packages/{package}/records/{index}",
        "open",
        OPEN,
    ),
    ("GET", "/v1/compute/keys/{key}/{half}", "", CLIENT),
    ("PUT", "/v1/compute/keys/{key}/{half}", "", OWNER),
    ("GET", "/v1/compute/jobs", "", CLIENT),
    ("POST", "/v1/compute/jobs", "open", COMPUTE),
    ("GET", "/v1/compute/jobs/{job}", "open", COMPUTE),
    ("GET", "/v1/compute/jobs/{job}/result", "open", COMPUTE),
    ("GET", "/v1/compute/standing", "", CLIENT),
    ("POST", "/v1/compute/standing", "open", OWNER),
    ("DELETE", "/v1/compute/standing/{standing}", "open", OWNER),
];

const BEGIN: &str = "<!-- table: begin, written by a test -->\n";
const END: &str = "<!-- table: end -->\n";

struct Scene {
    world: World,
    gateway: Running,
    /// By name, as in [`CLIENTS`].
    people: Vec<(&'static str, Option<Person>)>,
    sealed: TopicName,
    open: TopicName,
    /// The owner's, with a reading on the open topic.
    made: Made,
    results: TopicName,
    /// That "compute" asked for, recorded.
    job: Option<JobId>,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new();
        let gateway = world.gateway().await;
        let owner = world.device("press-7");
        let (sealed_topic, open) = (owner.topic("sealed"), owner.topic("open"));
        let key = sm4::Key::generate(&mut rand::rng());
        world.register(&owner, &sealed_topic, Some(&key));
        world.register(&owner, &open, None);
        let mut wire = Wire::login(&world, gateway.mqtt_addr, &owner).await;
        let payload = sealed(&owner, &sealed_topic, &key, 0, 1, b"21.5");
        let results = owner.topic("results");
        world.register(&owner, &results, None);
        let made = Made::new(&world, &owner, ParameterSet::Sm2ElgamalV1, spec());
        let reading = made
            .messages(&owner, &open, Form::Value, 1, &[215])
            .remove(0);
        for (topic, payload) in [(&sealed_topic, &payload[..]), (&open, &reading)] {
            let (code, text) = wire.publish(topic.as_str(), payload).await;
            assert_eq!(code, ReasonCode::Success, "{text}");
        }
        gateway.close_packages().await.unwrap();
        let mut scene = Self {
            people: Vec::new(),
            sealed: sealed_topic,
            open,
            gateway,
            world,
            made,
            results,
            job: None,
        };
        for name in CLIENTS {
            let person = scene.person(name, &owner, &key);
            scene.people.push((name, person));
        }
        let analyst = scene.named("compute");
        let asked = scene.made.job(Function::Sum, &[&scene.open]);
        let job = scene.world.ask_job(&scene.gateway, analyst, &asked).await;
        let done = scene.world.done(&scene.gateway, analyst, job).await;
        assert_eq!(done.state, JobState::Recorded, "{done:?}");
        scene.job = Some(job);
        let end_s = now_s() + 3;
        eventually("the grant that expires has", async || now_s() >= end_s).await;
        scene
    }

    /// Somebody of this kind, with its rights on both topics.
    fn person(&self, kind: &str, owner: &Person, key: &sm4::Key) -> Option<Person> {
        let world = &self.world;
        let grant = |rights: Rights, expires_s: Option<u64>| {
            let person = world.user(&kind.replace(' ', "-"));
            for (topic, key) in [(&self.sealed, Some(key)), (&self.open, None)] {
                let needs_key =
                    rights.intersects(Rights::PUBLISH | Rights::SUBSCRIBE | Rights::READ);
                let call = GrantTopic {
                    topic: topic.clone(),
                    grantee: person.client.clone(),
                    rights,
                    expires_s,
                    from_s: None,
                    to_s: None,
                    purpose: "test".into(),
                    epoch: world.epoch(topic),
                    sealed_key: key.filter(|_| needs_key).map(|key| seal_to(&person, key)),
                    note: None,
                };
                world.ledger.call(owner, Call::GrantTopic(call));
            }
            person
        };
        Some(match kind {
            "nobody" => return None,
            "operator" => world.one.operator.clone(),
            "gateway" => world.one.gateway.clone(),
            "owner" => owner.clone(),
            "read" => grant(Rights::READ, None),
            "verify" => grant(Rights::VERIFY, None),
            "subscribe" => grant(Rights::SUBSCRIBE, None),
            "publish" => grant(Rights::PUBLISH, None),
            "compute" => grant(Rights::COMPUTE, None),
            "stranger" => world.user("stranger"),
            "read revoked" => {
                let person = grant(Rights::READ, None);
                for topic in [&self.sealed, &self.open] {
                    world.revoke_by_operator(&world.one, topic, &person.client);
                }
                person
            }
            "read expired" => grant(Rights::READ, Some(now_s() + 2)),
            "certificate revoked" => {
                let person = grant(Rights::READ, None);
                world.revoke_certificate(&world.two, &person);
                person
            }
            other => panic!("no such client: {other}"),
        })
    }

    fn named(&self, name: &str) -> &Person {
        let found = self.people.iter().find(|(known, _)| *known == name);
        found.and_then(|(_, person)| person.as_ref()).unwrap()
    }

    async fn target(&self, route: &str, kind: &str) -> String {
        let topic = if kind == "open" {
            &self.open
        } else {
            &self.sealed
        };
        let rows = self.gateway.archive().packages(topic.as_str(), 0, 1).await;
        let package = rows.unwrap()[0].package_id().to_string();
        let target = route.replace("{package}", &package).replace("{index}", "0");
        let target = target
            .replace("{key}", &self.made.key.id().to_string())
            .replace("{half}", "public")
            .replace("{job}", &self.job.unwrap().to_string());
        let target = if target.contains("{standing}") {
            target.replace("{standing}", &self.set_standing().await)
        } else {
            target
        };
        assert!(
            !target.contains('{'),
            "{route} has a parameter this test doesn't know"
        );
        match route {
            "/v1/packages" => format!("{target}?topic={topic}"),
            _ => target,
        }
    }

    fn standing(&self) -> StandingJob {
        StandingJob {
            version: COMPUTE_VERSION,
            key: self.made.key.id(),
            function: Function::Sum,
            topics: vec![self.open.clone()],
            every_s: 1_000_000,
            over_s: 60,
            publish: self.results.clone(),
        }
    }

    /// A standing job of the owner.
    async fn set_standing(&self) -> String {
        let (at, owner) = (self.gateway.http_addr, self.named("owner"));
        let content = encode(&self.standing());
        let asked = self
            .world
            .ask_text(at, owner, "POST", "/v1/compute/standing", content);
        let (status, text) = asked.await;
        assert_eq!(status, 201, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["standing"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, person: Option<&Person>, method: &str, target: &str) -> u16 {
        let content = match (method, target) {
            ("PUT", _) => self.made.new.public.clone(),
            ("POST", "/v1/compute/jobs") => encode(&self.made.job(Function::Sum, &[&self.open])),
            ("POST", _) => encode(&self.standing()),
            _ => Vec::new(),
        };
        let at = self.gateway.http_addr;
        self.world.ask(at, person, method, target, content).await.0
    }
}

/// How a request that is allowed is answered.
fn success(method: &str, route: &str) -> u16 {
    match (method, route) {
        ("POST", "/v1/compute/jobs") => 202,
        ("POST", _) => 201,
        ("PUT" | "DELETE", _) => 204,
        _ => 200,
    }
}

#[tokio::test]
async fn every_route_is_asked_by_every_kind_of_client() {
    let routes: BTreeSet<_> = http::paths().into_iter().collect();
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|(method, route, ..)| (*method, *route))
        .collect();
    assert_eq!(
        routes, rows,
        "each route needs a row that says who may, and no others"
    );

    let scene = Scene::new().await;
    let mut table = String::from("| Request | Topic |");
    CLIENTS
        .iter()
        .for_each(|name| write!(table, " {name} |").unwrap());
    let line = "---|".repeat(CLIENTS.len() + 2);
    write!(table, "\n|{line}\n").unwrap();
    for (method, route, kind, allowed) in ROWS {
        write!(table, "| `{method} {route}` | {kind} |").unwrap();
        for (name, person) in &scene.people {
            let target = scene.target(route, kind).await;
            let status = scene.ask(person.as_ref(), method, &target).await;
            let expected = match (allowed.contains(name), UNKNOWN.contains(name)) {
                (true, _) => success(method, route),
                (false, true) => 401,
                (false, false) => 403,
            };
            assert_eq!(status, expected, "{name}: {method} {target}");
            write!(table, " {status} |").unwrap();
        }
        table.push('\n');
    }
    scene.gateway.shutdown().await;
    compare(&table);
}

fn compare(table: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/rights-http.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the begin marker");
    let (found, after) = rest.split_once(END).expect("the end marker");
    if std::env::var_os("SEALWIRE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, table,
        "docs/rights-http.md is out of date: SEALWIRE_BLESS=1 writes it"
    );
}
