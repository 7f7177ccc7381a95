//! Jobs at gateways, from the question to a result that its key's owner opens.

use std::sync::Arc;

use reqwest::header;
use sealwire_client::{Keyring, Ledger, Owner, readings::Publisher};
use sealwire_compute::{answer::Value, generate, open, reading::Reading};
use sealwire_console::{Clock as _, SystemClock};
use sealwire_envelope::{
    Blob, Genesis, TopicName,
    compute::{COMPUTE_VERSION, ComputeKey, Computed, Form, ParameterSet, ReadingSpec},
    decode,
    receipt::ResultReceipt,
};
use sealwire_sm::{Role, sm3};
use serde_json::json;

use crate::common::{Browser, World, until};

const TOPIC: &str = "acme/press/load";

/// The press's topic, which the plant may compute on, and a key of the plant's.
async fn lab(world: &World, boss: &Browser) -> (ComputeKey, sealwire_compute::NewKey) {
    boss.act("enrol", json!({ "client": "acme.press" })).await;
    boss.act("enrol", json!({ "client": "acme.plant", "role": "user" }))
        .await;
    boss.act("topics/register", json!({ "topic": TOPIC, "open": true }))
        .await;
    let grant = json!({ "topic": TOPIC, "to": "acme.plant", "rights": ["compute"] });
    boss.act("topics/grant", grant).await;
    let plant = world.keys_of("acme.plant");
    let new = generate(ParameterSet::Sm2ElgamalV1, &mut rand::rng());
    let key = ComputeKey {
        version: COMPUTE_VERSION,
        owner: plant.client().clone(),
        parameters: ParameterSet::Sm2ElgamalV1,
        readings: ReadingSpec {
            decimals: 1,
            min: 0,
            max: 5_000,
            edges: vec![],
            unit: "kW".into(),
        },
        public: sm3(&[&new.public]),
        evaluation: None,
        sharing: None,
    };
    let ledger = Arc::new(Ledger::of(&plant).unwrap());
    let owner = Owner::new(Arc::new(Keyring::new(plant, ledger)));
    let public = Some(Blob(new.public.clone()));
    owner
        .register_compute_key(key.clone(), public)
        .await
        .unwrap();
    (key, new)
}

async fn publish(world: &World, key: &ComputeKey, public: &[u8], readings: &[&str]) {
    let press = world.keys_of("acme.press");
    let session = world.session(&press).await;
    let readings = readings.iter();
    let readings = readings.map(|text| Reading::parse(text, &key.readings).unwrap());
    let topic: TopicName = TOPIC.parse().unwrap();
    let publisher = Publisher::new(key, public).unwrap();
    publisher
        .publish(&session, &topic, Form::Value, readings.collect())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_asked_for_recorded_fetched_and_opened() {
    let world = World::new().await;
    let boss = world.by_link().await;
    let (key, new) = lab(&world, &boss).await;
    publish(&world, &key, &new.public, &["21.5", "22.0", "23.1"]).await;

    let what = json!({ "key": key.id().to_string(), "function": "mean", "topics": [TOPIC] });
    // The console's clock stands still in tests.
    let to_ms = SystemClock.now_ms() + 1_000;
    let ask = json!({ "as": "acme.plant", "what": what, "to_ms": to_ms });
    let asked = boss.act("compute/ask", ask).await;
    assert_eq!(asked["gateway"], "acme.gateway");
    let jobs = "/api/compute/jobs?as=acme.plant";
    let job = until("the job is recorded", || async {
        let all = boss.have(jobs).await;
        let job = all["gateways"][0]["jobs"][0].clone();
        assert_eq!(
            (&job["job"], &job["refused"]),
            (&asked["job"], &json!(null))
        );
        (job["state"] == "recorded").then_some(job)
    })
    .await;
    assert_eq!(
        (&job["function"], &job["inputs"][0]["readings"]),
        (&json!("mean"), &json!(3))
    );

    let place = format!(
        "/api/compute/jobs/acme.gateway/{}",
        job["job"].as_str().unwrap()
    );
    let response = boss
        .response(&format!("{place}/result?as=acme.plant"))
        .await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/cbor");
    let computed: Computed = decode(&response.bytes().await.unwrap()).unwrap();
    let opened = open(
        &new.secret,
        &key,
        &computed.evaluation,
        &computed.ciphertexts,
    );
    let Value::Mean { sum, .. } = opened.unwrap().value else {
        panic!("not a mean");
    };
    assert_eq!(sum.to_string(), "66.6");

    let response = boss
        .response(&format!("{place}/receipt?as=acme.plant"))
        .await;
    assert_eq!(response.status(), 200);
    let receipt: ResultReceipt = decode(&response.bytes().await.unwrap()).unwrap();
    let shown = boss.have("/api/genesis").await;
    let genesis = Genesis::from_json(shown["file"].as_str().unwrap().as_bytes()).unwrap();
    let verified = sealwire_receipt::verify_result(&receipt, &genesis).unwrap();
    assert_eq!(verified.evaluation.id(), computed.evaluation.id());

    // Others are refused by the gateway, and jobs that aren't there aren't.
    let (status, problem) = boss.get(&format!("{place}/result?as=acme.press")).await;
    assert_eq!(status, 403, "{problem}");
    let unknown = format!("/api/compute/jobs/acme.gateway/{}", "ab".repeat(32));
    assert_eq!(
        boss.get(&format!("{unknown}/result?as=acme.plant")).await.0,
        404
    );
    let elsewhere = format!("/api/compute/jobs/basin.gateway/{}", "ab".repeat(32));
    let (status, problem) = boss.get(&format!("{elsewhere}/result?as=acme.plant")).await;
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("urn:sealwire:problem:gateway-unknown"))
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_computed_is_refused_with_its_reason() {
    let world = World::new().await;
    let boss = world.by_link().await;
    let (key, _) = lab(&world, &boss).await;
    let id = key.id().to_string();
    let ask = |client: &str, function: &str, threshold: Option<&str>| {
        let what =
            json!({ "key": id, "function": function, "topics": [TOPIC], "threshold": threshold });
        json!({ "as": client, "what": what })
    };
    for (function, threshold, words) in [
        ("median", None, "there is no function 'median'"),
        ("count-over", None, "needs a threshold"),
        ("count-over", Some("1.55"), "threshold"),
        ("sum", Some("1"), "is for count-over"),
        ("dot", None, "dot"),
    ] {
        let (status, problem) = boss
            .post(
                "/api/actions/compute/ask",
                ask("acme.plant", function, threshold),
            )
            .await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            status == 400 && detail.contains(words),
            "{function}: {status} {detail}"
        );
    }
    let mut unknown = ask("acme.plant", "sum", None);
    unknown["what"]["key"] = json!("cd".repeat(32));
    let (status, problem) = boss.post("/api/actions/compute/ask", unknown).await;
    assert_eq!(status, 404, "{problem}");
    boss.act("enrol", json!({ "client": "acme.curious", "role": "user" }))
        .await;
    let curious = ask("acme.curious", "sum", None);
    let (status, problem) = boss.post("/api/actions/compute/ask", curious).await;
    assert_eq!(
        (status, &problem["type"]),
        (403, &json!("urn:sealwire:problem:gateway-refused")),
        "{problem}"
    );

    // Keys that aren't here are named, with the command; other sessions act for themselves.
    let foreign = world.elsewhere(1, "lab", Role::User).await;
    let stranger = world.by_key(&foreign).await;
    let (status, problem) = stranger
        .post("/api/actions/compute/ask", ask("basin.lab", "mean", None))
        .await;
    assert_eq!(status, 409, "{problem}");
    let command = problem["command"].as_str().unwrap();
    let expected = format!("sealwire compute ask --as basin.lab mean --key {id} --topic {TOPIC}");
    assert_eq!(command, expected);
    for path in [
        "/api/compute/jobs?as=acme.plant",
        "/api/compute/jobs/acme.gateway/00/result?as=acme.plant",
    ] {
        assert!(matches!(stranger.get(path).await.0, 400 | 403));
    }
    let (status, _) = world.browser().get("/api/compute/jobs?as=acme.plant").await;
    assert_eq!(status, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_job_is_set_up_listed_and_ended() {
    let world = World::new().await;
    let boss = world.by_link().await;
    let (key, new) = lab(&world, &boss).await;
    let results = "acme/plant/load-mean";
    boss.act("topics/register", json!({ "topic": results, "open": true }))
        .await;
    publish(&world, &key, &new.public, &["21.5"]).await;
    let what = json!({ "key": key.id().to_string(), "function": "mean", "topics": [TOPIC] });
    let set = json!({
        "as": "acme.plant", "what": what, "every_s": 1, "over_s": 3600, "publish": results,
    });
    let at = boss.act("compute/standing", set.clone()).await;
    let jobs = "/api/compute/jobs?as=acme.plant";
    until("a run is recorded", || async {
        let all = boss.have(jobs).await;
        let gateway = &all["gateways"][0];
        let standing = &gateway["standing"][0];
        assert_eq!(
            [
                &standing["standing"],
                &standing["publish"],
                &standing["every_s"]
            ],
            [&at["standing"], &json!(results), &json!(1)]
        );
        let runs = gateway["jobs"].as_array().unwrap();
        let recorded = runs.iter().any(|run| {
            assert_eq!(run["standing"], at["standing"]);
            run["state"] == "recorded"
        });
        recorded.then_some(())
    })
    .await;
    boss.act("compute/standing/end", at.clone()).await;
    let all = boss.have(jobs).await;
    assert_eq!(all["gateways"][0]["standing"], json!([]));
    let (status, _) = boss.post("/api/actions/compute/standing/end", at).await;
    assert_eq!(status, 404);
    let mut closed = set;
    closed["publish"] = json!("acme/plant/nowhere");
    let (status, problem) = boss.post("/api/actions/compute/standing", closed).await;
    assert!((400..500).contains(&status), "{status} {problem}");
    // A gateway that is away says so, beside what others tell.
    let mut world = world;
    world.gateway.take().unwrap().shutdown().await;
    let all = boss.have(jobs).await;
    assert!(all["gateways"][0]["away"].is_string(), "{all}");
    world.end().await;
}
