//! Who may what over HTTP: every route of the router, every kind of client, allowed and denied.
//!
//! The table in `docs/rights-http.md` is this test's: `SEALWIRE_BLESS=1 cargo test -p
//! sealwire-gateway --test http_rights` writes it anew where a change is meant. A route without a row
//! here fails the test.

mod common;

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf, time::Duration};

use common::{Person, World, eventually, now_s, seal_to, sealed, wire::Wire};
use mqtt5::types::ReasonCode;
use sealwire_envelope::{Call, GrantTopic, Rights, TopicName};
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

/// Each route, each kind of topic it makes a difference for, and who is answered.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("/v1/status", "", ALL),
    ("/metrics", "", ALL),
    ("/v1/packages", "sealed", SEALED),
    ("/v1/packages", "open", OPEN),
    ("/v1/packages/{package}", "sealed", SEALED),
    ("/v1/packages/{package}", "open", OPEN),
    ("/v1/packages/{package}/records/{index}", "sealed", SEALED),
    ("/v1/packages/{package}/records/{index}", "open", OPEN),
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
        for (topic, payload) in [(&sealed_topic, &payload[..]), (&open, b"21.5")] {
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
        };
        for name in CLIENTS {
            let person = scene.person(name, &owner, &key);
            scene.people.push((name, person));
        }
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

    async fn target(&self, route: &str, kind: &str) -> String {
        let topic = if kind == "open" {
            &self.open
        } else {
            &self.sealed
        };
        let rows = self.gateway.archive().packages(topic.as_str(), 0, 1).await;
        let package = rows.unwrap()[0].package_id().to_string();
        let target = route.replace("{package}", &package).replace("{index}", "0");
        assert!(
            !target.contains('{'),
            "{route} has a parameter this test doesn't know"
        );
        match route {
            "/v1/packages" => format!("{target}?topic={topic}"),
            _ => target,
        }
    }

    async fn ask(&self, person: Option<&Person>, target: &str) -> u16 {
        let url = format!("http://{}{target}", self.gateway.http_addr);
        let mut request = reqwest::Client::new()
            .get(url)
            .timeout(Duration::from_secs(20));
        if let Some(person) = person {
            request = request.header("Authorization", self.world.header(person, target));
        }
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn every_route_is_asked_by_every_kind_of_client() {
    let routes: BTreeSet<_> = http::paths().into_iter().collect();
    let rows: BTreeSet<_> = ROWS.iter().map(|(route, ..)| *route).collect();
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
    for (route, kind, allowed) in ROWS {
        let target = scene.target(route, kind).await;
        write!(table, "| `GET {route}` | {kind} |").unwrap();
        for (name, person) in &scene.people {
            let status = scene.ask(person.as_ref(), &target).await;
            let expected = match (allowed.contains(name), UNKNOWN.contains(name)) {
                (true, _) => 200,
                (false, true) => 401,
                (false, false) => 403,
            };
            assert_eq!(status, expected, "{name} at {target}");
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
