//! What people do, who may, and what they are told when they may not.

use sealwire_contracts::entry::EnrolmentStatus;
use sealwire_envelope::{Code, EnrolmentId, TopicName, code::CodeKind};
use sealwire_sm::Role;
use serde_json::{Value, json};

use crate::common::{Browser, World, until};

async fn enrolled(browser: &Browser, client: &str, role: &str) {
    browser
        .act("enrol", json!({ "client": client, "role": role }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_enrolled_granted_explained_and_revoked() {
    let world = World::new().await;
    let boss = world.by_link().await;
    enrolled(&boss, "acme.press", "device").await;
    let reader = world.elsewhere(1, "reader", Role::User).await;
    let topic = "acme/press/temperature";
    let done = boss.act("topics/register", json!({ "topic": topic })).await;
    assert_eq!(done["by"], "acme.press");
    let explain = format!("/api/explain?client=basin.reader&action=subscribe&topic={topic}");
    let before = boss.have(&explain).await;
    assert_eq!(
        [&before["allowed"], &before["reason"]],
        [&json!(false), &json!("NoGrant")]
    );
    assert_eq!(before["owner"], "acme.press");

    // A request, approved; the grant's terms are those asked for.
    let asking = world.by_key(&reader).await;
    let request = json!({ "as": "basin.reader", "topic": topic, "rights": ["subscribe", "read"],
        "purpose": "a test" });
    // Whose key isn't here can't be signed for: the answer says what to run where it is.
    let (status, kind, problem) = asking.refused("topics/request", request).await;
    assert_eq!((status, kind.as_str()), (409, "key-missing"));
    assert_eq!(problem["key"], "basin.reader");
    let command = problem["command"].as_str().unwrap();
    assert_eq!(
        command,
        "sealwire topic request --as basin.reader 'acme/press/temperature' --rights subscribe,read"
    );
    let keyring = std::sync::Arc::new(sealwire_client::Keyring::new(
        reader.clone(),
        std::sync::Arc::new(sealwire_client::Ledger::of(&reader).unwrap()),
    ));
    let owner = sealwire_client::Owner::new(keyring.clone());
    let filter = topic.parse().unwrap();
    let terms = sealwire_envelope::GrantTerms {
        rights: "subscribe,read".parse().unwrap(),
        ..Default::default()
    };
    owner.request(&filter, terms.clone()).await.unwrap();
    let to = json!({ "topic": topic, "to": "basin.reader", "note": "welcome" });
    boss.act("topics/approve", to.clone()).await;
    let (status, _, _) = boss.refused("topics/approve", to.clone()).await;
    assert_eq!(status, 404, "it is answered");
    let after = boss.have(&explain).await;
    assert_eq!(
        [&after["allowed"], &after["reason"]],
        [&json!(true), &json!("Granted")]
    );
    assert!(after["proven_at"].as_u64() >= after["height"].as_u64());
    // The key was sealed to the reader.
    let name: TopicName = topic.parse().unwrap();
    keyring.present(&name).await.unwrap();

    // Revoked: the topic has another key.
    boss.act(
        "topics/revoke",
        json!({ "topic": topic, "from": "basin.reader" }),
    )
    .await;
    assert_eq!(boss.have(&explain).await["reason"], "GrantRevoked");
    let then = boss
        .have(&format!("{explain}&at={}", after["height"]))
        .await;
    assert_eq!(then["allowed"], true, "as it was then");
    // Denied, granted by filter, closed.
    owner.request(&filter, terms).await.unwrap();
    boss.act("topics/deny", to).await;
    let grant = json!({ "topic": "acme/press/#", "to": "basin.reader", "rights": ["subscribe"] });
    assert_eq!(boss.act("topics/grant", grant).await["by"], "acme.press");
    assert_eq!(boss.have(&explain).await["reason"], "Granted");
    let audit = json!({ "topic": "acme/#", "to": "basin.reader", "rights": ["verify"] });
    assert_eq!(boss.act("topics/grant", audit).await["by"], "acme.operator");
    boss.act("topics/rotate", json!({ "topic": topic })).await;
    boss.act(
        "topics/close",
        json!({ "topic": topic, "reason": "a test" }),
    )
    .await;
    assert_eq!(boss.have(&explain).await["reason"], "TopicClosed");

    // Suspended, resumed, revoked.
    let change =
        |change: &str| json!({ "client": "acme.press", "change": change, "reason": "why" });
    let connect = "/api/explain?client=acme.press&action=connect";
    for (what, reason) in [
        ("suspend", "CertificateSuspended"),
        ("resume", "MayConnect"),
        ("revoke", "CertificateRevoked"),
    ] {
        boss.act("certificate", change(what)).await;
        assert_eq!(boss.have(connect).await["reason"], reason);
    }
    let device = boss.have("/api/devices/acme.press").await;
    assert_eq!(
        [&device["status"], &device["ended"]["reason"]],
        ["revoked", "why"]
    );
    assert_eq!([&device["key_here"], &device["may_act"]], [true, true]);
    let (status, _, problem) = boss.refused("certificate", change("revoke")).await;
    assert_eq!(status, 422);
    assert!(
        problem["code"].is_u64() && problem["code_name"].is_string(),
        "{problem}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_for_another() {
    let world = World::new().await;
    let boss = world.by_link().await;
    for client in ["acme.press", "acme.pump"] {
        enrolled(&boss, client, "device").await;
    }
    let press = world.keys_of("acme.press");
    let device = world.by_key(&press).await;
    let actors = device.have("/api/actors").await;
    assert_eq!(actors["actors"], json!([{ "client": "acme.press" }]));
    device
        .act("topics/register", json!({ "topic": "acme/press/t" }))
        .await;

    boss.act("topics/register", json!({ "topic": "acme/pump/t" }))
        .await;
    let foreign = world.elsewhere(1, "reader", Role::User).await;
    let stranger = world.by_key(&foreign).await;
    let tries = |client: &str, topic: &str| {
        let to = json!({ "as": client, "topic": topic, "to": "acme.press", "rights": ["read"],
            "from": "acme.press", "client": client, "change": "revoke", "key": code() });
        [
            ("topics/register", to.clone()),
            ("topics/grant", to.clone()),
            ("topics/revoke", to.clone()),
            ("topics/request", to.clone()),
            ("topics/approve", to.clone()),
            ("topics/deny", to.clone()),
            ("topics/rotate", to.clone()),
            ("topics/close", to.clone()),
            ("authorisations/create", to.clone()),
            ("authorisations/redeem", to.clone()),
            ("token", to.clone()),
            ("certificate", to.clone()),
            ("enrol", to),
        ]
    };
    for (who, browser) in [("acme.press", &device), ("basin.reader", &stranger)] {
        for (path, body) in tries("acme.pump", "acme/pump/t") {
            let (status, kind, problem) = browser.refused(path, body).await;
            assert_eq!(status, 403, "{who} {path}: {problem}");
            assert!(
                ["not-yourself", "operator"].contains(&kind.as_str()),
                "{kind}"
            );
        }
    }
    // Who names nobody acts as the owner, which it may not either.
    let body = json!({ "topic": "acme/pump/t", "to": "acme.press", "rights": ["read"] });
    assert_eq!(device.refused("topics/grant", body).await.0, 403);
    // An operator acts for its organisation's clients, not for others'.
    for (path, body) in tries("basin.reader", "basin/reader/t") {
        let (status, kind, problem) = boss.refused(path, body).await;
        assert_eq!(
            (status, kind.as_str()),
            (403, "other-organisation"),
            "{path}: {problem}"
        );
    }
    let enrolments = json!({ "clients": [{ "client": "basin.new" }] });
    assert_eq!(
        boss.refused("enrolments/open", enrolments.clone()).await.0,
        403
    );
    assert_eq!(device.refused("enrolments/open", enrolments).await.0, 403);
    let close = json!({ "ids": ["0".repeat(64)] });
    assert_eq!(device.refused("enrolments/close", close).await.0, 403);
    world.end().await;
}

fn code() -> String {
    let code = Code::generate(CodeKind::Authorisation, &mut rand::rng());
    code.reveal().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_opened_by_the_hundred_and_keys_are_authorised() {
    let world = World::new().await;
    let boss = world.by_link().await;
    let lines: String = (0..300)
        .map(|n| format!("acme.pump-{n},device\n"))
        .collect();
    let csv = format!("client,role\n{lines}");
    let opened = boss
        .act(
            "enrolments/open",
            json!({ "csv": csv, "expires_in_s": 3600 }),
        )
        .await;
    assert_eq!(
        (opened["opened"].as_array().unwrap().len(), &opened["left"]),
        (300, &json!(0))
    );
    let first = &opened["opened"][0];
    let code = Code::parse(CodeKind::Enrolment, first["code"].as_str().unwrap()).unwrap();
    let id = EnrolmentId::of(code.key().public_key());
    assert_eq!(first["id"], id.to_string());
    let status = || async {
        let path = format!("/api/ledger/v1/enrolments/{id}");
        boss.have(&path).await["value"]["status"].clone()
    };
    assert_eq!(status().await, EnrolmentStatus::Open.as_str());
    boss.act("enrolments/close", json!({ "ids": [id.to_string()] }))
        .await;
    assert_eq!(status().await, EnrolmentStatus::Closed.as_str());
    let (status, _, problem) = boss
        .refused("enrolments/open", json!({ "csv": "acme.x\nacme.x" }))
        .await;
    assert_eq!(status, 400);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("line 2: acme.x is named twice")
    );

    for (client, role) in [("acme.press", "device"), ("acme.analyst", "user")] {
        enrolled(&boss, client, role).await;
    }
    let (status, kind, _) = boss
        .refused("enrol", json!({ "client": "acme.press" }))
        .await;
    assert_eq!((status, kind.as_str()), (409, "enrolled"));
    boss.act("topics/register", json!({ "topic": "acme/press/t" }))
        .await;
    let wanted = json!({ "topic": "acme/press/t", "rights": ["subscribe"], "uses": 2 });
    let made = boss.act("authorisations/create", wanted).await;
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with("SWA-") && made["qr_svg"].as_str().unwrap().contains("<svg"));
    let redeem = json!({ "as": "acme.analyst", "key": text });
    let redeemed = boss.act("authorisations/redeem", redeem).await;
    assert_eq!(
        (&redeemed["topic"], &redeemed["rights"]),
        (&json!("acme/press/t"), &json!(["subscribe"]))
    );
    let path = "/api/explain?client=acme.analyst&action=subscribe&topic=acme/press/t";
    assert_eq!(boss.have(path).await["allowed"], true);
    boss.act("authorisations/withdraw", json!({ "id": made["id"] }))
        .await;
    let again = json!({ "as": "acme.press", "key": text });
    assert_eq!(boss.refused("authorisations/redeem", again).await.0, 422);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_away_is_said_and_nothing_is_lost() {
    let mut world = World::new().await;
    let boss = world.by_link().await;
    enrolled(&boss, "acme.press", "device").await;
    until("the device is in the index", || async {
        let page = boss.have("/api/devices?search=press").await;
        (page["total"] == 1).then_some(())
    })
    .await;
    let nodes = std::mem::take(&mut world.nodes);
    // The gateway holds a node's ledger, too.
    world.gateway.take().unwrap().shutdown().await;
    tokio::task::spawn_blocking(move || drop(nodes))
        .await
        .unwrap();
    // What is known is still shown, and the session goes on.
    assert_eq!(boss.have("/api/devices?search=press").await["total"], 1);
    let (status, kind, problem) = boss
        .refused("topics/register", json!({ "topic": "acme/press/t" }))
        .await;
    assert_eq!((status, kind.as_str()), (503, "ledger-away"), "{problem}");
    let (status, problem) = boss.get("/api/ledger/v1/status").await;
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().unwrap().contains("away"));
    let alerts = until("alerts say so", || async {
        let overview = boss.have("/api/overview").await;
        let alerts = overview["alerts"].as_array().unwrap().clone();
        let kinds: Vec<_> = alerts.iter().filter_map(|it| it["kind"].as_str()).collect();
        let wanted = ["feed-away", "no-fault-left", "node-away", "gateway-away"];
        wanted.iter().all(|it| kinds.contains(it)).then_some(alerts)
    })
    .await;
    assert_eq!(alerts[0]["severity"], "critical");
    assert!(
        alerts
            .iter()
            .all(|it: &Value| !it["reason"].as_str().unwrap().is_empty())
    );
    world.end().await;
}
