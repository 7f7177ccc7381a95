//! What is shown is what the ledger has.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::common::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn queries_pass_through_byte_by_byte() {
    let world = World::new().await;
    let browser = world.by_link().await;
    let node = format!("http://{}", world.nodes[0].http);
    let key = hex::encode(sealwire_contracts::keys::consortium());
    for path in [
        "/v1/blocks/1".to_owned(),
        "/v1/clients/acme.operator".to_owned(),
        "/v1/organisations/basin/clients?limit=1".to_owned(),
        "/v1/blocks/99999999".to_owned(),
        "/v1/clients/nonsense".to_owned(),
        "/v1/explain?client=acme.gateway&action=connect".to_owned(),
    ] {
        let theirs = browser
            .http
            .get(format!("{node}{path}"))
            .send()
            .await
            .unwrap();
        let ours = browser.response(&format!("/api/ledger{path}")).await;
        assert_eq!(ours.status(), theirs.status(), "{path}");
        let kind = header::CONTENT_TYPE;
        assert_eq!(ours.headers()[&kind], theirs.headers()[&kind], "{path}");
        let (mut ours, mut theirs): (Value, Value) =
            (ours.json().await.unwrap(), theirs.json().await.unwrap());
        // A block may come in between.
        for answer in [&mut ours, &mut theirs] {
            if answer["value"]["height"].is_u64() {
                answer["value"]["height"] = Value::Null;
            }
            if path.starts_with("/v1/blocks") {
                continue;
            }
            answer["height"] = Value::Null;
        }
        assert_eq!(ours, theirs, "{path}");
    }
    // Proofs and CBOR.
    let proven = browser
        .have(&format!("/api/ledger/v1/state/{key}?proof=true"))
        .await;
    assert_eq!(proven["proof"]["entries"].as_array().unwrap().len(), 1);
    let request = browser.request(Method::GET, &format!("/api/ledger/v1/state/{key}"));
    let response = request
        .header(header::ACCEPT, "application/cbor")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/cbor");
    let bytes = response.bytes().await.unwrap();
    let entry = sealwire_envelope::decode(&bytes).unwrap();
    sealwire_receipt::verify_entry(&entry, &world.genesis).unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_tell_what_was_asked_and_what_became_of_it() {
    let world = World::new().await;
    let browser = world.by_link().await;
    browser
        .act("enrol", json!({ "client": "acme.press" }))
        .await;
    let done = browser
        .act("topics/register", json!({ "topic": "acme/press/t" }))
        .await;
    let (id, height) = (
        done["transaction"].as_str().unwrap(),
        done["height"].as_u64().unwrap(),
    );
    let told = browser.have(&format!("/api/transactions/{id}")).await;
    assert_eq!(
        [
            &told["call"],
            &told["sender_client"],
            &told["fields"]["topic"]
        ],
        ["register-topic", "acme.press", "acme/press/t"]
    );
    assert_eq!(
        (&told["outcome"]["code"], &told["height"]),
        (&json!(0), &json!(height))
    );
    let block = browser.have(&format!("/api/blocks/{height}")).await;
    assert_eq!(block["calls"]["register-topic"], 1);
    assert!(["acme", "basin"].contains(&block["proposer"].as_str().unwrap()));
    assert!(
        block["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["id"] == id)
    );
    // Certificates are given by what they say.
    let enrolled = until("the block of the enrolment", || async {
        let page = browser.have("/api/blocks?limit=100").await;
        let mut rows = page["items"].as_array().unwrap().iter();
        let row = rows.find(|row| row["calls"]["register-certificate"].is_u64())?;
        Some(row["height"].as_u64().unwrap())
    })
    .await;
    let block = browser.have(&format!("/api/blocks/{enrolled}")).await;
    let mut items = block["items"].as_array().unwrap().iter();
    let call = items
        .find(|it| it["call"] == "register-certificate")
        .unwrap();
    assert_eq!(call["fields"]["certificate"]["client"], "acme.press");
    assert!(call["fields"].get("der").is_none());

    // A page ends where the next begins, down to the first block.
    let (mut from, mut heights) = (Some(height), Vec::new());
    while let Some(next) = from {
        let page = browser
            .have(&format!("/api/blocks?from={next}&limit=7"))
            .await;
        let items = page["items"].as_array().unwrap();
        heights.extend(items.iter().map(|it| it["height"].as_u64().unwrap()));
        from = page["next"].as_u64();
    }
    let expected: Vec<u64> = (1..=height).rev().collect();
    assert_eq!(heights, expected);
    assert_eq!(browser.get("/api/blocks/99999999").await.0, 404);

    for (q, kind, found) in [
        (height.to_string(), "block", height.to_string()),
        (id.to_owned(), "transaction", id.to_owned()),
        ("acme.press".to_owned(), "client", "acme.press".to_owned()),
        (
            "acme/press/t".to_owned(),
            "topic",
            "acme/press/t".to_owned(),
        ),
        (
            block["digest"].as_str().unwrap().to_owned(),
            "block",
            enrolled.to_string(),
        ),
    ] {
        let hit = until("the search finds it", || async {
            let q: String = q.replace('/', "%2F");
            let hits = browser.have(&format!("/api/search?q={q}")).await;
            hits["hits"].get(0).cloned()
        })
        .await;
        assert_eq!([&hit["kind"], &hit["id"]], [kind, found.as_str()]);
    }
    let none = browser.have("/api/search?q=nothing.like%20it").await;
    assert_eq!(none["hits"], json!([]));
    // Topics of an organisation, for the tree.
    let topics = browser
        .have("/api/ledger/v1/organisations/acme/topics")
        .await;
    assert_eq!(topics["value"][0]["name"], "acme/press/t");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_of_blocks_connections_and_how_everything_is() {
    let world = World::new().await;
    let browser = world.by_link().await;
    browser
        .act("enrol", json!({ "client": "acme.press" }))
        .await;
    let mut stream = browser.response("/api/stream").await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert!(stream.headers().get("content-encoding").is_none());
    // A login that the gateway refuses: it is on the ledger, and in the stream.
    let gateway = world.gateway.as_ref().unwrap().mqtt_addr;
    let press = world.keys_of("acme.press");
    let wrong = world.stranger("press");
    let ledger = std::sync::Arc::new(sealwire_client::Ledger::of(&press).unwrap());
    let trust = sealwire_client::Trust::new(press.genesis(), Some(ledger.clone())).unwrap();
    let keyring = sealwire_client::Keyring::new(wrong.clone(), ledger);
    let options = sealwire_client::mqtt::Options::new(gateway.to_string());
    let (keyring, trust) = (std::sync::Arc::new(keyring), std::sync::Arc::new(trust));
    let refused = sealwire_client::mqtt::connect(&wrong, keyring, trust, options).await;
    assert!(refused.is_err());
    let mut told = String::new();
    while ![
        "event: overview",
        "event: block",
        "event: connection",
        "connect-refused",
        "log-events",
    ]
    .iter()
    .all(|wanted| told.contains(wanted))
    {
        let chunk = tokio::time::timeout(Duration::from_secs(30), stream.chunk()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("the stream tells no more: {told}"));
        told += std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap();
    }
    // It ends with the session.
    let out = browser
        .request(Method::DELETE, "/api/session")
        .send()
        .await
        .unwrap();
    assert_eq!(out.status(), 200);
    let ends = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(30), ends)
        .await
        .expect("the stream ends");

    // The event is in the export.
    let browser = world.by_link().await;
    for (format, kind) in [("csv", "text/csv"), ("jsonl", "application/jsonl")] {
        let path = format!("/api/audit/export?format={format}&kind=connect-refused");
        let response = browser.response(&path).await;
        let typed = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(typed.starts_with(kind), "{typed}");
        let text = response.text().await.unwrap();
        assert!(
            text.contains("acme.press") && text.contains("connect-refused"),
            "{text}"
        );
        assert!(!text.contains("disconnected"));
        // As browsers ask, who take it compressed.
        for encoding in ["gzip", "br"] {
            let asked = browser.request(Method::GET, &path);
            let response = asked.header(header::ACCEPT_ENCODING, encoding).send().await;
            let response = response.unwrap();
            assert_eq!(response.headers()[header::CONTENT_ENCODING], encoding);
            assert!(!response.bytes().await.unwrap().is_empty());
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_counts_what_answers() {
    let mut world = World::new().await;
    let browser = world.by_link().await;
    let overview = until("everybody has answered", || async {
        let overview = browser.have("/api/overview").await;
        let sample = &overview["sample"];
        (sample["nodes_up"] == 2 && sample["gateways_up"] == 1 && sample["height"].as_u64()? > 0)
            .then_some(overview)
    })
    .await;
    assert_eq!(
        (&overview["validators"], &overview["faults_tolerated"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(overview["services"].as_array().unwrap().len(), 3);
    until("all clients are in the index", || async {
        let page = browser.have("/api/devices").await;
        (page["complete"] == true && page["total"] == 4).then_some(())
    })
    .await;
    let page = browser.have("/api/devices?role=operator&org=basin").await;
    assert_eq!(page["items"][0]["client"], "basin.operator");
    let history = browser.have("/api/overview/history").await;
    assert_eq!(history["step_ms"], 1_000);
    assert!(!history["samples"].as_array().unwrap().is_empty());
    assert_eq!(
        browser.have("/api/overview/history?span=day").await["step_ms"],
        60_000
    );

    world.gateway.take().unwrap().shutdown().await;
    let alert = until("an alert says that the gateway is away", || async {
        let overview = browser.have("/api/overview").await;
        let alerts = overview["alerts"].as_array().unwrap().clone();
        alerts.into_iter().find(|it| it["kind"] == "gateway-away")
    })
    .await;
    assert_eq!([&alert["org"], &alert["severity"]], ["acme", "critical"]);
    world.end().await;
}
