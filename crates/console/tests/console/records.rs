//! Receipts that a verifier believes, and MQTT through the console.

use futures::{SinkExt as _, StreamExt as _};
use reqwest::header;
use sealwire_envelope::{
    Genesis, decode_bounded,
    receipt::{RECEIPT_BYTES_MAX, Receipt},
};
use sealwire_sm::Role;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue};

use crate::common::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_holds_by_the_genesis_that_is_shown() {
    let world = World::new().await;
    let boss = world.by_link().await;
    boss.act("enrol", json!({ "client": "acme.press" })).await;
    let topic = "acme/press/temperature";
    boss.act("topics/register", json!({ "topic": topic })).await;
    let press = world.keys_of("acme.press");
    let session = world.session(&press).await;
    for n in 0..5 {
        let reading = format!("{n}");
        let name = topic.parse().unwrap();
        session
            .publish(&name, "text/plain", reading.as_bytes())
            .await
            .unwrap();
    }
    let listed = until("a package is anchored", || async {
        let path = format!("/api/ledger/v1/packages?topic={topic}&newest_first=true");
        let page = boss.have(&path).await;
        page["value"].get(0).cloned()
    })
    .await;
    let package = listed["anchor"]["package"].as_str().unwrap().to_owned();
    let path = format!("/api/receipt/{package}/0");
    let response = boss.response(&path).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/cbor");
    let bytes = response.bytes().await.unwrap();
    let receipt: Receipt = decode_bounded(&bytes, RECEIPT_BYTES_MAX).unwrap();
    let shown = boss.have("/api/genesis").await;
    let genesis = Genesis::from_json(shown["file"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(shown["chain"], genesis.chain_id().0.to_string());
    let verified = sealwire_receipt::verify(&receipt, &genesis).unwrap();
    assert_eq!(verified.record.sender.as_str(), "acme.press");

    // The device itself may; a reader whose key is elsewhere is told what to run; a stranger may not.
    let device = world.by_key(&press).await;
    assert_eq!(device.response(&path).await.status(), 200);
    let (status, problem) = boss.get(&format!("/api/receipt/{package}/9999")).await;
    assert_eq!(status, 404, "{problem}");
    assert_eq!(
        boss.get(&format!("/api/receipt/{}/0", "ab".repeat(32)))
            .await
            .0,
        404
    );
    boss.act("enrol", json!({ "client": "acme.curious", "role": "user" }))
        .await;
    let (status, problem) = boss.get(&format!("{path}?as=acme.curious")).await;
    assert_eq!(status, 403, "{problem}");
    assert_eq!(problem["type"], "urn:sealwire:problem:gateway-refused");
    let foreign = world.elsewhere(1, "reader", Role::User).await;
    let stranger = world.by_key(&foreign).await;
    assert_eq!(stranger.get(&path).await.0, 403);
    assert_eq!(stranger.get(&format!("{path}?as=acme.press")).await.0, 403);
    let (status, problem) = stranger.get(&format!("{path}?as=basin.reader")).await;
    assert_eq!(
        (status, problem["key"].as_str()),
        (409, Some("basin.reader"))
    );

    // The device's page shows what came.
    let page = boss.have("/api/devices/acme.press").await;
    assert_eq!(page["topics"][0]["topic"], topic);
    assert!(page["topics"][0]["newest"]["count"].as_u64().unwrap() >= 1);
    let hits = boss.have(&format!("/api/search?q={package}")).await;
    assert_eq!(
        (&hits["hits"][0]["kind"], &hits["hits"][0]["about"]),
        (&json!("package"), &json!(topic))
    );
    session.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_client_logs_in_through_the_console() {
    let world = World::new().await;
    let boss = world.by_link().await;
    boss.act("enrol", json!({ "client": "acme.press" })).await;
    let minted = boss.act("token", json!({ "client": "acme.press" })).await;
    let (client, password) = (
        minted["client"].as_str().unwrap(),
        minted["password"].as_str().unwrap(),
    );
    let url = format!("ws://{}/api/mqtt", world.console.address);
    // Nobody without a session, and no other page.
    let mut request = url.as_str().into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static("mqtt"),
    );
    assert!(
        tokio_tungstenite::connect_async(request.clone())
            .await
            .is_err()
    );
    let cookie = HeaderValue::from_str(boss.cookie.as_ref().unwrap()).unwrap();
    request.headers_mut().insert(header::COOKIE, cookie);
    let mut foreign = request.clone();
    let elsewhere = HeaderValue::from_static("http://127.0.0.1:1");
    foreign.headers_mut().insert(header::ORIGIN, elsewhere);
    assert!(tokio_tungstenite::connect_async(foreign).await.is_err());
    let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert_eq!(answer.headers()[header::SEC_WEBSOCKET_PROTOCOL], "mqtt");

    socket
        .send(Message::Binary(connect(client, password).into()))
        .await
        .unwrap();
    let connack = socket.next().await.unwrap().unwrap().into_data();
    assert_eq!(
        (connack[0], connack[3]),
        (0x20, 0),
        "MQTT 3.1.1 CONNACK: accepted"
    );
    until("the index says that it is connected", || async {
        let page = boss.have("/api/devices?online=true").await;
        (page["items"][0]["client"] == "acme.press").then_some(())
    })
    .await;
    let page = boss.have("/api/devices/acme.press").await;
    assert_eq!(page["connection"]["kind"], "connected");
    drop(socket);
    until("the index says that it has left", || async {
        let page = boss.have("/api/devices?online=true").await;
        (page["total"] == 0).then_some(())
    })
    .await;
    world.end().await;
}

/// CONNECT of MQTT 3.1.1 with user name and password (OASIS MQTT 3.1.1 §3.1).
fn connect(client: &str, password: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        [&length[..], text.as_bytes()].concat()
    };
    let body = [
        text("MQTT"),
        vec![4, 0b1100_0010, 0, 60],
        text(client),
        text(client),
        text(password),
    ]
    .concat();
    let mut packet = vec![0x10];
    let mut left = body.len();
    loop {
        let digit = u8::try_from(left % 128).unwrap();
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    [packet, body].concat()
}
