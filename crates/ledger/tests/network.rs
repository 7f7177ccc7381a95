//! Four real validators over loopback sockets, asked over HTTP as anyone would.

#[path = "scenarios/access.rs"]
mod access;

use std::{path::Path, sync::Arc, time::Duration};

use sealwire_contracts::keys;
use sealwire_envelope::{
    Call, RevokeCertificate, block::BUNDLE_MAX_BYTES, decode_bounded, receipt::ProvenEntry,
};
use sealwire_ledger::{
    api::{self, Problem},
    bench, follower,
    trial::Trial,
};
use serde_json::Value;

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[test]
fn the_committed_openapi_document_is_the_one_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let generated = api::openapi_json().unwrap();
    if std::env::var_os("SEALWIRE_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        committed, generated,
        "run this test with SEALWIRE_WRITE_OPENAPI=1 and commit"
    );
}

async fn get(client: &reqwest::Client, url: String) -> (u16, Value) {
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consortium_over_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let trial = Trial::new(11, 4, now_ms()).unwrap();
    let genesis = Arc::new(trial.genesis.clone());
    let keys: Vec<_> = trial
        .validators
        .iter()
        .map(|key| key.secret().clone())
        .collect();
    let home = directory.path().to_owned();
    let nodes = {
        let (genesis, keys, home) = (genesis.clone(), keys.clone(), home.clone());
        tokio::task::spawn_blocking(move || bench::launch(genesis, keys, &home).unwrap())
    };
    let nodes = nodes.await.unwrap();
    let url = |number: usize| format!("http://{}", nodes[number].http);
    let client = reqwest::Client::new();
    for node in &nodes {
        let mut heights = node.chain.mirror().height();
        tokio::time::timeout(
            Duration::from_secs(60),
            heights.wait_for(|height| *height >= 1),
        )
        .await
        .expect("the first block comes")
        .unwrap();
    }

    // Accepted, then final.
    let tx = trial.transaction(0, 1, 500);
    let post = |number: usize, body: Vec<u8>| {
        client
            .post(format!("{}/v1/transactions", url(number)))
            .body(body)
            .send()
    };
    let response = post(1, tx.to_bytes()).await.unwrap();
    assert_eq!(response.status(), 202);
    let id = tx.id().0.to_string();
    let (status, body) = get(
        &client,
        format!("{}/v1/transactions/{id}?wait_ms=20000", url(2)),
    )
    .await;
    assert_eq!(
        (status, body["state"].as_str(), body["code"].as_u64()),
        (200, Some("final"), Some(0))
    );

    // Each wrong transaction has its own answer.
    for (body, status, kind) in [
        (tx.to_bytes(), 409, "duplicate"),
        (b"nonsense".to_vec(), 400, "malformed"),
        (trial.transaction(0, 2, 0).to_bytes(), 422, "refused"),
        (
            vec![0; sealwire_envelope::transaction::TX_MAX_BYTES + 1],
            413,
            "too-large",
        ),
    ] {
        let response = post(2, body).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Problem = response.json().await.unwrap();
        assert_eq!(problem.kind, format!("urn:sealwire:problem:{kind}"));
    }
    assert_eq!(get(&client, format!("{}/v1/nowhere", url(0))).await.0, 404);
    assert_eq!(
        get(&client, format!("{}/v1/blocks/xyz", url(0))).await.0,
        400
    );
    assert_eq!(
        get(&client, format!("{}/v1/blocks/99999999", url(0)))
            .await
            .0,
        404
    );

    // Every documented path answers, and answers with sense to nonsense.
    let document: Value = serde_json::from_str(&api::openapi_json().unwrap()).unwrap();
    let gateway = trial.gateways[0].id.to_string();
    let none = "0".repeat(64);
    let target = |path: &str| {
        let id = match path {
            path if path.contains("transactions") => &id,
            path if ["authorisations/", "compute/keys/", "evaluations/"]
                .iter()
                .any(|part| path.contains(part)) =>
            {
                &none
            }
            _ => &gateway,
        };
        let path = path
            .replace("{id}", id)
            .replace("{height}", "1")
            // Who a client is, anyone may ask.
            .replace("{key}", &hex::encode(keys::client(&trial.gateways[0].id)))
            .replace("{org}", "org00")
            .replace("{certificate}", &none)
            .replace("{enrolment}", &none)
            .replace("{role}", "device")
            .replace("{topic}", "org00/gateway/x");
        let query = "action=connect&topic=org00/gateway/x&rights=read&keys=00";
        format!("{path}?client={gateway}&{query}")
    };
    for path in document["paths"].as_object().unwrap().keys() {
        if path == "/v1/events" || path == "/v1/transactions" {
            continue;
        }
        let good = format!("{}{}", url(0), target(path));
        let response = client.get(&good).send().await.unwrap();
        assert_eq!(response.status(), 200, "{good}");
        if path.contains('{') {
            let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
            let rest = path[end + 1..].replace("{role}", "device");
            let bad = format!("{}{}%23%23{rest}", url(0), &path[..start]);
            let (status, problem) = get(&client, bad.clone()).await;
            assert_eq!(status, 400, "{bad}");
            assert_eq!(problem["type"], "urn:sealwire:problem:argument", "{bad}");
        }
    }
    let (status, body) = get(
        &client,
        format!("{}/v1/explain?client={gateway}&action=fly", url(0)),
    )
    .await;
    assert_eq!((status, body["status"].as_u64()), (400, Some(400)));
    let (status, body) = get(
        &client,
        format!(
            "{}/v1/explain?client={gateway}&action=connect&proof=true",
            url(0)
        ),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        body["value"]["reason"]["allowed"], false,
        "a gateway isn't a client of gateways"
    );

    // At the place for members.
    let revoke = Call::RevokeCertificate(RevokeCertificate {
        certificate: trial.gateways[3].certificate,
        reason: "a test".to_owned(),
    });
    let revoke = trial.operators[3].call(genesis.chain_id(), 7, 500, revoke);
    assert_eq!(post(0, revoke.to_bytes()).await.unwrap().status(), 202);
    let waits = format!("{}/v1/transactions/{}?wait_ms=20000", url(0), revoke.id());
    assert_eq!(get(&client, waits).await.1["code"].as_u64(), Some(0));
    let certificate = |number: usize| trial.gateways[number].certificate;
    let chain = nodes[0].chain.clone();
    access::ask_everything(chain, certificate(0), certificate(3), target).await;

    // The event stream tells of the next block.
    let mut stream = client
        .get(format!("{}/v1/events", url(0)))
        .send()
        .await
        .unwrap();
    let third = trial.transaction(1, 3, 500);
    assert_eq!(post(3, third.to_bytes()).await.unwrap().status(), 202);
    let mut told = String::new();
    while !told.contains(&third.id().0.to_string()) {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk());
        told += std::str::from_utf8(&chunk.await.unwrap().unwrap().unwrap()).unwrap();
    }
    assert!(
        told.contains("event: block") && told.contains("\"outcome\":\"Applied\""),
        "{told}"
    );
    drop(stream);

    // A follower gets there too, and its proofs convince a verifier that has genesis alone.
    let settings = follower::FollowerSettings {
        genesis: genesis.clone(),
        directory: home.join("follower"),
        validators: (0..4).map(url).collect(),
        tls: None,
        http: ([127, 0, 0, 1], 0).into(),
        threads: 1,
    };
    let follower = tokio::task::spawn_blocking(move || follower::launch(settings).unwrap());
    let follower = follower.await.unwrap();
    let key = hex::encode(sealwire_contracts::keys::outcome(&tx.id()));
    let mut heights = follower.chain.mirror().height();
    let target = nodes[0].chain.mirror().view().height();
    tokio::time::timeout(
        Duration::from_secs(30),
        heights.wait_for(|height| *height >= target),
    )
    .await
    .expect("the follower catches up")
    .unwrap();
    for base in [url(3), format!("http://{}", follower.http)] {
        let response = client
            .get(format!("{base}/v1/state/{key}?proof=true"))
            .header("accept", "application/cbor")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let bytes = response.bytes().await.unwrap();
        let entry: ProvenEntry = decode_bounded(&bytes, BUNDLE_MAX_BYTES).unwrap();
        sealwire_receipt::verify_entry(&entry, &genesis).unwrap();
        assert!(entry.value.is_some());
        let mut wrong = entry;
        wrong.value.as_mut().unwrap()[0] ^= 1;
        assert!(sealwire_receipt::verify_entry(&wrong, &genesis).is_err());
        let gateway = &trial.gateways[0].id;
        let (status, body) = get(
            &client,
            format!("{base}/v1/clients/{gateway}/events?kind=connected&proof=true"),
        )
        .await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["value"].as_array().unwrap().len(), 1);
        assert_eq!(body["proof"]["entries"].as_array().unwrap().len(), 1);
    }

    // Nobody votes twice with one key: the directories are taken.
    let second = {
        let (genesis, keys, home) = (genesis.clone(), keys.clone(), home.clone());
        tokio::task::spawn_blocking(move || bench::launch(genesis, keys, &home).err())
    };
    let refused = second.await.unwrap().expect("a second launch is refused");
    assert!(refused.to_string().contains("runs already"), "{refused}");

    // All stop and start again on the same disks.
    let before = nodes[0].chain.mirror().view().height();
    let again = tokio::task::spawn_blocking(move || {
        drop(follower);
        drop(nodes);
        bench::launch(genesis, keys, &home).unwrap()
    });
    let again = again.await.unwrap();
    let mut heights = again[0].chain.mirror().height();
    tokio::time::timeout(
        Duration::from_secs(60),
        heights.wait_for(|height| *height > before),
    )
    .await
    .expect("the chain goes on")
    .unwrap();
    assert!(
        again[0]
            .chain
            .mirror()
            .view()
            .outcome(&tx.id())
            .value
            .is_some()
    );
    assert!(again.iter().all(|node| node.chain.status().votes));
    tokio::task::spawn_blocking(move || drop(again))
        .await
        .unwrap();
}

/// With `SEALWIRE_BENCH=10000 … -- --nocapture a_measured_run` this is the throughput measurement.
#[tokio::test(flavor = "multi_thread")]
async fn a_measured_run_counts_what_became_final_and_verifies_each_once() {
    let directory = tempfile::tempdir().unwrap();
    let count = std::env::var("SEALWIRE_BENCH")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(300);
    let report = bench::in_process(directory.path(), count, 2_000)
        .await
        .unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert_eq!(report.transactions, count);
    assert!(report.latency_p50_ms <= report.latency_p99_ms);
    let verifications = report.verifications_per_validator.unwrap();
    // Less than 1 where a validator took a block over that was final before it saw it; more only
    // where a full mempool had no room for what it had verified.
    assert!(
        (0.5..1.05).contains(&verifications),
        "{verifications} per transaction and validator"
    );
}
