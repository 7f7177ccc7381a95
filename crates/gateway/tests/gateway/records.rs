//! Packages: anchored once whatever crashes, handed out by grant, damage named.

use std::{sync::atomic::Ordering, time::Duration};

use crate::common::{
    PATIENCE, Person, World, all_different, anchored, eventually, now_ms, now_s,
    scene::{Scene, scene_with},
    sealed,
    wire::Wire,
};
use mqtt5::types::ReasonCode;
use reqwest::StatusCode;
use sealwire_envelope::{
    Call, EventKind, GrantTopic, PackageId, Rights, decode,
    login::SignedRequest,
    record::{ArchivedRecord, Package, PackagedRecord},
};
use sealwire_gateway::{Gateway, Ledger, Running};
use sealwire_receipt::merkle;
use sealwire_sm::sm4;

/// Packages of five messages, closed by nothing else.
async fn scene() -> Scene {
    scene_with(|config| {
        config.limits.package.package_messages = 5;
        config.limits.package_age = Duration::from_secs(3600);
    })
    .await
}

impl Scene {
    async fn publish(&self, count: u64) {
        let mut wire = Wire::login(&self.world, self.gateway.mqtt_addr, &self.owner).await;
        for i in 1..=count {
            let payload = sealed(
                &self.owner,
                &self.topic,
                &self.key,
                0,
                i,
                format!("{i}").as_bytes(),
            );
            let (code, text) = wire.publish(self.topic.as_str(), &payload).await;
            assert_eq!(code, ReasonCode::Success, "{text}");
        }
    }

    async fn get_with(&self, target: &str, header: Option<String>) -> reqwest::Response {
        let request =
            reqwest::Client::new().get(format!("http://{}{target}", self.gateway.http_addr));
        let request = match header {
            Some(header) => request.header("Authorization", header),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn get(&self, person: &Person, target: &str) -> reqwest::Response {
        self.get_with(target, Some(self.world.header(person, target)))
            .await
    }

    fn list(&self) -> String {
        format!("/v1/packages?topic={}", self.topic)
    }

    async fn first_package(&self) -> PackageId {
        let rows = self
            .gateway
            .archive()
            .packages(self.topic.as_str(), 0, 10)
            .await
            .unwrap();
        rows[0].package_id()
    }
}

async fn problem(response: reqwest::Response, status: StatusCode, words: &str) {
    assert_eq!(response.status(), status);
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(kind, "application/problem+json");
    let body: serde_json::Value = response.json().await.unwrap();
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(words), "'{detail}' doesn't say '{words}'");
    assert_eq!(body["status"], status.as_u16());
}

#[tokio::test]
async fn packages_are_anchored_and_fetched_by_grant() {
    let scene = scene().await;
    scene.publish(12).await;
    assert_eq!(scene.gateway.close_packages().await.unwrap(), 1);
    eventually("three packages are anchored", async || {
        anchored(&scene.world.ledger).len() == 3
    })
    .await;
    eventually("the archive knows", async || {
        scene.gateway.archive().totals().await.unwrap().anchored == 3
    })
    .await;

    problem(
        scene.get(&scene.reader, &scene.list()).await,
        StatusCode::FORBIDDEN,
        "granted this client nothing",
    )
    .await;
    scene.world.grant(
        &scene.owner,
        &scene.topic,
        &scene.reader,
        Rights::READ,
        Some(&scene.key),
    );
    let list: serde_json::Value = scene
        .get(&scene.reader, &scene.list())
        .await
        .json()
        .await
        .unwrap();
    let packages = list["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 3);
    assert!(packages.iter().all(|package| package["height"].is_u64()));

    let id = packages[0]["package"].as_str().unwrap();
    let response = scene
        .get(&scene.reader, &format!("/v1/packages/{id}"))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
    let package: Package = decode(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(package.manifest.id().to_string(), id);
    assert_eq!(package.records.len(), 5);
    assert_eq!(merkle::root_of(&package.records), package.manifest.root);
    let known = scene
        .world
        .ledger
        .view()
        .package(&package.manifest.id())
        .value
        .unwrap();
    assert_eq!(known.anchor.root, package.manifest.root);
    assert_eq!(known.anchor.gateway, scene.world.one.gateway.client);

    let response = scene
        .get(&scene.reader, &format!("/v1/packages/{id}/records/3"))
        .await;
    let one: PackagedRecord = decode(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(one.record, package.records[3]);
    merkle::verify(
        &one.manifest.root,
        &merkle::leaf(&one.record),
        3,
        5,
        &one.path,
    )
    .unwrap();
    let record: ArchivedRecord = decode(&one.record).unwrap();
    assert_eq!(record.sender, scene.owner.client);

    eventually("both retrievals are in blocks", async || {
        let view = scene.world.ledger.view();
        let answer = view.retrievals_of(&package.manifest.id(), &Default::default());
        answer.value.len() == 2
            && answer
                .value
                .iter()
                .all(|r| r.retrieval.reader == scene.reader.client)
    })
    .await;
    scene
        .world
        .revoke(&scene.owner, &scene.topic, &scene.reader, true);
    let response = scene
        .get(&scene.reader, &format!("/v1/packages/{id}"))
        .await;
    problem(response, StatusCode::FORBIDDEN, "revoked").await;
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn requests_are_signed_for_one_use() {
    let scene = scene().await;
    scene.publish(5).await;
    let target = scene.list();
    let unauthorized = StatusCode::UNAUTHORIZED;
    problem(
        scene.get_with(&target, None).await,
        unauthorized,
        "Authorization: SM2",
    )
    .await;
    problem(
        scene.get_with(&target, Some("Bearer x".into())).await,
        unauthorized,
        "scheme",
    )
    .await;
    let header = scene.world.header(&scene.owner, &target);
    assert_eq!(
        scene.get_with(&target, Some(header.clone())).await.status(),
        StatusCode::OK
    );
    problem(
        scene.get_with(&target, Some(header)).await,
        unauthorized,
        "used before",
    )
    .await;
    let header = scene.world.header(&scene.owner, "/v1/packages?topic=other");
    problem(
        scene.get_with(&target, Some(header)).await,
        unauthorized,
        "another method or target",
    )
    .await;
    let mut body = scene.world.request(&scene.owner, &target);
    body.time_s -= 61;
    let header = SignedRequest::sign(body, &scene.owner.key).to_header();
    problem(
        scene.get_with(&target, Some(header)).await,
        unauthorized,
        "s old",
    )
    .await;
    let body = scene.world.request(&scene.owner, &target);
    let header = SignedRequest::sign(body, &scene.reader.key).to_header();
    problem(
        scene.get_with(&target, Some(header)).await,
        unauthorized,
        "doesn't verify",
    )
    .await;
    let unknown = format!("/v1/packages/{}", "0".repeat(64));
    problem(
        scene.get(&scene.owner, &unknown).await,
        StatusCode::NOT_FOUND,
        "no package",
    )
    .await;
    problem(
        scene.get(&scene.owner, "/v1/packages/xyz").await,
        StatusCode::BAD_REQUEST,
        "package id",
    )
    .await;
    problem(
        scene.get_with("/v1/nothing", None).await,
        StatusCode::NOT_FOUND,
        "/v1/nothing",
    )
    .await;
    scene
        .world
        .ledger
        .set_stale(crate::common::now_ms() - 301_000);
    problem(
        scene.get(&scene.owner, &target).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "ledger is away",
    )
    .await;
    let metrics = scene.get_with("/metrics", None).await.text().await.unwrap();
    assert!(
        metrics.contains("sealwire_gateway_archived_total 5"),
        "{metrics}"
    );
    assert_eq!(
        scene.get_with("/v1/status", None).await.status(),
        StatusCode::OK
    );
    scene.gateway.shutdown().await;
}

#[tokio::test]
async fn a_grant_with_a_time_range_opens_no_more() {
    let scene = scene().await;
    scene.publish(5).await;
    let call = GrantTopic {
        topic: scene.topic.clone(),
        grantee: scene.reader.client.clone(),
        rights: Rights::READ,
        expires_s: None,
        from_s: Some(now_s() + 100),
        to_s: None,
        purpose: "later".into(),
        epoch: Default::default(),
        sealed_key: Some(sealwire_envelope::Blob(
            scene
                .reader
                .key
                .public_key()
                .seal(&mut rand::rng(), scene.key.expose()),
        )),
        note: None,
    };
    scene
        .world
        .ledger
        .call(&scene.owner, Call::GrantTopic(call));
    let list: serde_json::Value = scene
        .get(&scene.reader, &scene.list())
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(list["packages"].as_array().unwrap().len(), 0);
    let id = scene.first_package().await;
    let response = scene
        .get(&scene.reader, &format!("/v1/packages/{id}"))
        .await;
    problem(response, StatusCode::FORBIDDEN, "only part").await;
    let response = scene
        .get(&scene.reader, &format!("/v1/packages/{id}/records/0"))
        .await;
    problem(response, StatusCode::FORBIDDEN, "time range").await;
    scene.gateway.shutdown().await;
}

/// Changes the archive's file behind its back.
async fn tamper(scene: &Scene, sql: &'static str) {
    use sqlx::Connection as _;
    let path = scene.world.config().archive_path();
    let mut db = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    let done = sqlx::query(sql).execute(&mut db).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    db.close().await.unwrap();
}

#[tokio::test]
async fn one_flipped_byte_is_found_and_named() {
    let scene = scene().await;
    scene.publish(5).await;
    let id = scene.first_package().await;
    let target = format!("/v1/packages/{id}");
    assert_eq!(
        scene.get(&scene.owner, &target).await.status(),
        StatusCode::OK
    );
    // The byte at position 60, with its lowest bit turned.
    tamper(
        &scene,
        "UPDATE messages SET payload = CAST(substr(payload, 1, 59) || \
                    CASE substr(payload, 60, 1) WHEN x'00' THEN x'01' ELSE x'00' END || \
                    substr(payload, 61) AS BLOB) WHERE seq = 4",
    )
    .await;
    let response = scene.get(&scene.owner, &target).await;
    problem(
        response,
        StatusCode::INTERNAL_SERVER_ERROR,
        "record 3 of package",
    )
    .await;
    // A forger who knows the format and corrects the leaf too still has the wrong root.
    tamper(&scene, "DELETE FROM messages WHERE seq = 4").await;
    let response = scene.get(&scene.owner, &target).await;
    problem(
        response,
        StatusCode::INTERNAL_SERVER_ERROR,
        "don't make its root",
    )
    .await;
    scene.gateway.shutdown().await;
}

/// Starts a gateway on a runtime of its own, so that it can be killed between two instructions.
fn start_killable(world: &World) -> (tokio::runtime::Runtime, Running) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut config = world.config();
    config.limits.package.package_messages = 7;
    config.limits.package_age = Duration::from_millis(200);
    let (ledger, keys) = (world.ledger.clone(), world.gateway_keys());
    let gateway = runtime
        .block_on(Gateway::start(config, ledger, keys))
        .unwrap();
    (runtime, gateway)
}

#[test]
fn what_was_acknowledged_survives_kills_and_is_anchored_once() {
    let world = World::new();
    let owner = world.device("press-7");
    let topic = owner.topic("temperature");
    let key = sm4::Key::generate(&mut rand::rng());
    world.register(&owner, &topic, Some(&key));
    let mine = tokio::runtime::Runtime::new().unwrap();
    let mut acknowledged = Vec::new();
    let mut sequence = 0;
    for life in 0..6u64 {
        let (runtime, gateway) = start_killable(&world);
        world.ledger.set_away(life % 3 == 1);
        world
            .ledger
            .black_hole
            .store(life % 3 == 2, Ordering::SeqCst);
        let addr = gateway.mqtt_addr;
        mine.block_on(async {
            let mut wire = Wire::login(&world, addr, &owner).await;
            let end = tokio::time::Instant::now() + Duration::from_millis(120 + 90 * life);
            while tokio::time::Instant::now() < end {
                sequence += 1;
                let payload = sealed(&owner, &topic, &key, 0, sequence, b"x");
                assert_eq!(
                    wire.publish(topic.as_str(), &payload).await.0,
                    ReasonCode::Success
                );
                acknowledged.push(payload);
            }
        });
        // No shutdown: every task stops where it is.
        runtime.shutdown_background();
        drop(gateway);
    }
    world.ledger.set_away(false);
    world.ledger.black_hole.store(false, Ordering::SeqCst);
    let (runtime, gateway) = start_killable(&world);
    mine.block_on(async {
        gateway.close_packages().await.unwrap();
        eventually("everything is anchored", async || {
            let totals = gateway.archive().totals().await.unwrap();
            totals.packages > 0 && totals.outbox == 0 && totals.packages == totals.anchored
        })
        .await;
        let messages = gateway
            .archive()
            .messages(topic.as_str(), 100_000)
            .await
            .unwrap();
        let payloads: Vec<_> = messages
            .iter()
            .map(|message| message.payload.to_vec())
            .collect();
        assert!(
            acknowledged.len() > 20,
            "only {} messages",
            acknowledged.len()
        );
        for payload in &acknowledged {
            assert!(
                payloads.contains(payload),
                "an acknowledged message is gone"
            );
        }
        let anchored = anchored(&world.ledger);
        assert!(all_different(&anchored), "a package was anchored twice");
        let rows = gateway
            .archive()
            .packages(topic.as_str(), 0, 1000)
            .await
            .unwrap();
        assert_eq!(
            rows.iter().map(|row| row.count).sum::<u64>() as usize,
            payloads.len()
        );
        assert_eq!(rows.len(), anchored.len());
        for row in &rows {
            gateway.archive().records(row).await.unwrap();
        }
        println!("{} messages, {} packages", payloads.len(), rows.len());
    });
    runtime.block_on(gateway.shutdown());
}

/// Kind, name, reason and time of each connection event of these clients that a block holds.
fn connections(world: &World, name: &str) -> Vec<(EventKind, String, u64)> {
    let blocks = world.ledger.blocks.lock().unwrap();
    let calls = blocks.iter().filter_map(|tx| match &tx.body.call {
        Call::LogEvents(call) => Some(&call.events),
        _ => None,
    });
    let events = calls.flatten().filter(|event| {
        let kinds = [EventKind::Connected, EventKind::Disconnected];
        event.client.as_str() == name && kinds.contains(&event.kind)
    });
    events
        .map(|event| (event.kind, event.reason.clone(), event.time_ms))
        .collect()
}

#[test]
fn sessions_of_a_killed_gateway_are_closed_by_the_next_one_once() {
    const WITHOUT_NOTICE: &str = "the gateway stopped without notice";
    let world = World::new();
    let people = ["acme.press-7", "acme.mill-2"];
    let devices = [world.device("press-7"), world.device("mill-2")];
    let mine = tokio::runtime::Runtime::new().unwrap();
    let (runtime, gateway) = start_killable(&world);
    let (_stays, before_ms) = mine.block_on(async {
        let stays = Wire::login(&world, gateway.mqtt_addr, &devices[0]).await;
        let goes = Wire::login(&world, gateway.mqtt_addr, &devices[1]).await;
        drop(goes);
        eventually("one is gone", async || {
            gateway.archive().open_sessions().await.unwrap().len() == 1
        })
        .await;
        (stays, now_ms())
    });
    runtime.shutdown_background();
    drop(gateway);
    // Twice: the second start has nothing left to say.
    for _ in 0..2 {
        let (runtime, gateway) = start_killable(&world);
        mine.block_on(async {
            eventually("the outbox is empty", async || {
                gateway.archive().totals().await.unwrap().outbox == 0
            })
            .await;
            assert_eq!(gateway.archive().open_sessions().await.unwrap(), []);
        });
        runtime.block_on(gateway.shutdown());
    }
    let [stayed, went] = people.map(|name| connections(&world, name));
    let kinds = |events: &[(EventKind, String, u64)]| -> Vec<_> {
        events.iter().map(|(kind, ..)| *kind).collect()
    };
    let both = [EventKind::Connected, EventKind::Disconnected];
    assert_eq!(kinds(&stayed), both);
    assert_eq!(kinds(&went), both);
    assert_eq!(stayed[1].1, WITHOUT_NOTICE);
    assert!(stayed[1].2 >= before_ms, "the time is when it was found");
    assert_ne!(went[1].1, WITHOUT_NOTICE);
}

#[tokio::test]
async fn a_transaction_that_never_arrives_expires_and_its_entries_go_into_another() {
    let world = World::new();
    let mut config = world.config();
    config.limits.expiry_blocks = 5;
    config.limits.package.package_messages = 1;
    world.ledger.black_hole.store(true, Ordering::SeqCst);
    let gateway = world.gateway_with(config).await;
    let owner = world.device("press-7");
    let topic = owner.topic("open");
    world.register(&owner, &topic, None);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &owner).await;
    wire.publish(topic.as_str(), b"x").await;
    eventually("events and the anchor were handed in", async || {
        world.ledger.submitted().len() >= 2
    })
    .await;
    let first = world.ledger.submitted();
    // Handed in again unchanged while it may still arrive.
    let resubmitted = async || {
        world
            .ledger
            .submitted()
            .iter()
            .filter(|id| **id == first[0])
            .count()
            >= 2
    };
    eventually("the same transaction is handed in again", resubmitted).await;
    for _ in 0..7 {
        world.ledger.block(&[]);
    }
    world.ledger.black_hole.store(false, Ordering::SeqCst);
    let start = std::time::Instant::now();
    eventually("the anchor arrives in another transaction", async || {
        anchored(&world.ledger).len() == 1
    })
    .await;
    assert!(start.elapsed() < PATIENCE);
    eventually("the outbox is empty", async || {
        gateway.archive().totals().await.unwrap().outbox == 0
    })
    .await;
    assert_eq!(anchored(&world.ledger).len(), 1);
    gateway.shutdown().await;
}
