//! Signing in, by link and by key, and how sessions end.

use std::time::Duration;

use reqwest::{Method, header};
use sealwire_console::Limits;
use sealwire_sm::Role;
use serde_json::{Value, json};

use crate::common::{World, signed};

fn token(url: &str) -> &str {
    url.split_once("/#/sign-in?link=").unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_once_and_not_for_long() {
    let world = World::new().await;
    let mut browser = world.browser();
    let (status, session) = browser.get("/api/session").await;
    assert_eq!((status, &session["user"]), (200, &Value::Null));
    assert_eq!(session["console"]["org"], "acme");
    assert_eq!(browser.get("/api/overview").await.0, 401);

    let wrong = json!({ "token": "A".repeat(43) });
    assert_eq!(browser.post("/api/session/link", wrong).await.0, 403);
    let link = world.console.link();
    assert!(link.url.starts_with(world.console.origin()));
    let body = json!({ "token": token(&link.url) });
    let request = browser
        .request(Method::POST, "/api/session/link")
        .json(&body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()[header::SET_COOKIE]
        .to_str()
        .unwrap()
        .to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    let session = browser.have("/api/session").await;
    let user = &session["user"];
    assert_eq!(
        [
            &user["client"],
            &user["role"],
            &user["by"],
            &user["acts_for"]
        ],
        ["acme.operator", "operator", "link", "organisation"]
    );
    browser.have("/api/overview").await;

    // Used.
    let (status, problem) = world.browser().post("/api/session/link", body).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (403, Some("urn:sealwire:problem:link"))
    );
    // Too old.
    let link = world.console.link();
    world.clock.pass(Limits::default().link_life);
    let late = json!({ "token": token(&link.url) });
    assert_eq!(world.browser().post("/api/session/link", late).await.0, 403);

    // Signed out, the cookie is nothing.
    let out = browser
        .request(Method::DELETE, "/api/session")
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 200);
    assert!(
        out.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(browser.get("/api/overview").await.0, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_in_as_what_the_ledger_says_of_it() {
    let world = World::new().await;
    let operator = world.by_key(&world.operator()).await;
    let user = operator.have("/api/session").await["user"].clone();
    assert_eq!([&user["by"], &user["acts_for"]], ["key", "organisation"]);
    let press = world.elsewhere(0, "press", Role::Device).await;
    let other = world.elsewhere(1, "operator2", Role::Operator).await;
    for (identity, role) in [(&press, "device"), (&other, "operator")] {
        let browser = world.by_key(identity).await;
        let user = browser.have("/api/session").await["user"].clone();
        assert_eq!([&user["role"], &user["acts_for"]], [role, "itself"]);
    }

    // What isn't right, one by one.
    let mut browser = world.browser();
    let good = browser.signed(&press).await;
    let nonce = good["nonce"].as_str().unwrap();
    let origin = world.console.origin();
    let mut tries = Vec::new();
    let by_another = signed(&other, origin, nonce)["signature"].clone();
    tries.push((403, with(&good, "signature", by_another)));
    tries.push((403, signed(&press, "https://elsewhere.example", nonce)));
    tries.push((403, signed(&world.stranger("nobody"), origin, nonce)));
    tries.push((403, signed(&press, origin, &"ab".repeat(32))));
    tries.push((400, with(&good, "signature", "00".into())));
    tries.push((400, with(&good, "nonce", "xyz".into())));
    tries.push((400, with(&good, "certificate", "../..".into())));
    for (status, body) in tries {
        assert_eq!(
            browser.post("/api/session/key", body.clone()).await.0,
            status,
            "{body}"
        );
        // Attempts come back with time.
        world.clock.pass(Duration::from_secs(5));
    }
    // The same is still good, once.
    assert_eq!(
        browser.sign_in("/api/session/key", good.clone()).await.0,
        200
    );
    let (status, problem) = world.browser().post("/api/session/key", good).await;
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("used before"));
    // A challenge gets old.
    let old = world.browser().signed(&press).await;
    world.clock.pass(Limits::default().challenge_life);
    assert_eq!(world.browser().post("/api/session/key", old).await.0, 403);
    world.end().await;
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    body[name] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_certificate_loses_the_session() {
    let world = World::new().await;
    let second = world.elsewhere(0, "operator2", Role::Operator).await;
    let revoked = world.by_key(&second).await;
    revoked.have("/api/actors").await;
    let boss = world.by_link().await;
    let change =
        |change: &str| json!({ "client": "acme.operator2", "change": change, "reason": "a test" });
    boss.act("certificate", change("revoke")).await;
    world.clock.pass(Duration::from_secs(2));
    let (status, problem) = revoked.get("/api/actors").await;
    assert_eq!(status, 401);
    assert!(
        problem["detail"].as_str().unwrap().contains("revoked"),
        "{problem}"
    );
    // And doesn't get in again.
    let again = world.browser().signed(&second).await;
    assert_eq!(world.browser().post("/api/session/key", again).await.0, 403);

    // Suspended: the same; resumed: it signs in again.
    let third = world.elsewhere(0, "operator3", Role::Operator).await;
    let paused = world.by_key(&third).await;
    let change = |change: &str| json!({ "client": "acme.operator3", "change": change });
    boss.act("certificate", change("suspend")).await;
    world.clock.pass(Duration::from_secs(2));
    assert_eq!(paused.get("/api/overview").await.0, 401);
    boss.act("certificate", change("resume")).await;
    world.clock.pass(Duration::from_secs(2));
    world.by_key(&third).await.have("/api/overview").await;

    // The link's own operator, revoked by another: it reads, and acts no more.
    let fourth = world.elsewhere(0, "operator4", Role::Operator).await;
    let ledger = sealwire_client::Ledger::of(&fourth).unwrap();
    let id = world.operator().certificate_id();
    sealwire_client::operator::revoke(&ledger, &fourth, id, "a test")
        .await
        .unwrap();
    world.clock.pass(Duration::from_secs(2));
    let user = boss.have("/api/session").await["user"].clone();
    assert_eq!(user["acts_for"], "nobody");
    assert!(
        user["reads_only_because"]
            .as_str()
            .unwrap()
            .contains("revoked")
    );
    boss.have("/api/overview").await;
    let body = json!({ "client": "acme.operator3", "change": "suspend" });
    let (status, kind, _) = boss.refused("certificate", body).await;
    assert_eq!((status, kind.as_str()), (403, "operator"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_idle_and_in_any_case() {
    let world = World::new().await;
    let browser = world.by_link().await;
    let limits = Limits::default();
    world
        .clock
        .pass(limits.session_idle - Duration::from_secs(1));
    browser.have("/api/overview").await;
    world.clock.pass(limits.session_idle);
    assert_eq!(browser.get("/api/overview").await.0, 401);

    let browser = world.by_link().await;
    let step = limits.session_idle / 2;
    let mut passed = step;
    while passed < limits.session_life {
        world.clock.pass(step);
        browser.have("/api/overview").await;
        passed += step;
    }
    world.clock.pass(step);
    assert_eq!(browser.get("/api/overview").await.0, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_sessions_are_bounded() {
    let limits = Limits {
        sessions: 3,
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let browser = world.browser();
    let wrong = || browser.post("/api/session/link", json!({ "token": "wrong" }));
    for _ in 0..limits.attempts_burst {
        assert_eq!(wrong().await.0, 403);
    }
    let (status, problem) = wrong().await;
    assert_eq!(status, 429);
    assert!(problem["detail"].as_str().unwrap().contains("try again in"));
    world.clock.pass(limits.attempt_every);
    assert_eq!(wrong().await.0, 403);
    world
        .clock
        .pass(limits.attempt_every * limits.attempts_burst);

    // Each client's oldest session makes room for its own newest; strangers don't push each other out.
    let first = world.by_link().await;
    for name in ["press-1", "press-2"] {
        let identity = world.elsewhere(0, name, Role::Device).await;
        world.by_key(&identity).await;
    }
    let identity = world.elsewhere(0, "press-3", Role::Device).await;
    let fourth = world.browser().signed(&identity).await;
    assert_eq!(
        world.browser().post("/api/session/key", fourth).await.0,
        503
    );
    first.have("/api/overview").await;
    world.end().await;
}
