//! What is refused before anything looks at it, and what every answer carries.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use sealwire_console::{Https, Limits, Settings, StartError};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::common::{Browser, World};

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_and_strangers_get_nothing() {
    let world = World::new().await;
    let browser = world.by_link().await;
    let body = json!({ "client": "acme.operator", "change": "suspend" });
    let act = |headers: &[(&str, &str)], own: bool| {
        let url = format!("{}/api/actions/certificate", browser.base);
        let mut request = browser.http.post(url).json(&body);
        request = request.header(header::COOKIE, browser.cookie.clone().unwrap());
        if own {
            request = request.header("x-sealwire-console", "1");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async { request.send().await.unwrap() }
    };
    let origin = world.console.origin();
    for (headers, own, status, kind) in [
        (&[][..], false, 403, "csrf"),
        (
            &[("origin", "https://elsewhere.example")],
            true,
            403,
            "cross-site",
        ),
        (&[("origin", "http://127.0.0.1:1")], true, 403, "cross-site"),
        (&[("origin", "null")], true, 403, "cross-site"),
        (&[("sec-fetch-site", "cross-site")], true, 403, "cross-site"),
        (&[("sec-fetch-site", "same-site")], true, 403, "cross-site"),
        (&[("host", "elsewhere.example")], true, 421, "host"),
        (
            &[("host", "127.0.0.1.elsewhere.example")],
            true,
            421,
            "host",
        ),
        // From here it reaches the ledger, which doesn't let operators suspend themselves.
        (
            &[("origin", origin), ("sec-fetch-site", "same-origin")],
            true,
            422,
            "refused",
        ),
    ] {
        let response = act(headers, own).await;
        assert_eq!(response.status(), status, "{headers:?}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(
            problem["type"],
            format!("urn:sealwire:problem:{kind}"),
            "{headers:?}"
        );
    }
    // Reading, too, isn't for other pages.
    let request = browser.request(Method::GET, "/api/genesis");
    let response = request
        .header("sec-fetch-site", "same-site")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 403);

    // Every documented path, asked by nobody.
    let document: Value = serde_json::from_str(&sealwire_console::openapi_json().unwrap()).unwrap();
    let nobody = world.browser();
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if path.starts_with("/api/session") {
            continue;
        }
        let path = path
            .replace("{height}", "1")
            .replace("{index}", "0")
            .replace("{client}", "acme.operator");
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = nobody.request(method.clone(), &path).send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path}");
            asked += 1;
        }
    }
    for route in sealwire_console::LEDGER_ROUTES {
        let path = format!("/api/ledger{}", route.replace(['{', '}', '*'], ""));
        assert_eq!(nobody.get(&path).await.0, 401, "{path}");
        asked += 1;
    }
    assert!(asked > 60);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_what_pages_dont_need() {
    let world = World::new().await;
    let browser = world.browser();
    for (path, status) in [
        ("/", 200),
        ("/devices/acme.press?tab=rights", 200),
        ("/assets/gone-0123abcd.js", 404),
        ("/api/session", 200),
        ("/api/overview", 401),
        ("/api/nothing", 404),
        ("/api", 404),
    ] {
        let response = browser.response(path).await;
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{rule} at {path}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-frame-options"], "DENY");
        if path.starts_with("/api") {
            assert_eq!(headers["cache-control"], "no-store", "{path}");
        }
        assert!(headers.get("access-control-allow-origin").is_none());
    }
    // The application answers for its own paths; what hasn't changed isn't sent again.
    let (root, deep) = (
        browser.response("/").await,
        browser.response("/ledger/blocks/7").await,
    );
    let tag = root.headers()["etag"].clone();
    assert_eq!(tag, deep.headers()["etag"]);
    assert!(root.text().await.unwrap().contains("<!doctype html>"));
    let again = browser
        .request(Method::GET, "/")
        .header(header::IF_NONE_MATCH, tag);
    assert_eq!(
        again.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );
    let packed = browser
        .request(Method::GET, "/")
        .header(header::ACCEPT_ENCODING, "br");
    let packed = packed.send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "br");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isnt_the_nodes_query_isnt_passed_on() {
    let world = World::new().await;
    let browser = world.by_link().await;
    for path in [
        "/api/ledger/v1/events",
        "/api/ledger/v1/transactions",
        "/api/ledger/openapi.json",
        "/api/ledger/v1/nowhere",
        "/api/ledgerv1/status",
    ] {
        let status = browser.get(path).await.0;
        assert!(status == 404 || status == 405, "{path}: {status}");
    }
    // Paths that a client wouldn't send: as they are.
    let cookie = browser.cookie.clone().unwrap();
    for path in [
        "/api/ledger/v1/topics/../events",
        "/api/ledger/v1/topics/%2e%2e/events",
        "/api/ledger/v1/topics/x/..%2f..%2fevents",
        "/api/ledger/v1/clients/..%5c..%5cevents",
        "/api/ledger/v1/state/%00",
        "/api/ledger//v1/events",
        "/api/devices/%ff%fe",
        "/api/blocks/-1",
        "/api/blocks/18446744073709551616",
        "/api/receipt/zz/0",
        "/api/transactions/zz",
        "/api/devices?limit=-1",
        "/api/devices?cursor=x",
        "/api/devices?role=king",
        "/api/audit/export?format=exe",
        "/api/overview/history?span=century",
        "/api/explain?client=acme.press&action=fly",
    ] {
        let mut stream = TcpStream::connect(world.console.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
        read.await
            .unwrap_or_else(|_| panic!("{path} hangs"))
            .unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(
            answer.contains("application/problem+json"),
            "{path}: {answer}"
        );
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bytes_bodies_and_connections_are_bounded() {
    let limits = Limits {
        connections_per_address: 8,
        head_time: Duration::from_millis(400),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let browser = world.by_link().await;
    let post = |path: &str, body: Vec<u8>, kind: &'static str| {
        let request = browser.request(Method::POST, path);
        request.header(header::CONTENT_TYPE, kind).body(body).send()
    };
    let json = "application/json";
    for (path, body, kind, status) in [
        ("/api/session/link", vec![b'x'; 5_000], json, 413),
        ("/api/actions/enrol", vec![b'x'; 1_100_000], json, 413),
        ("/api/actions/enrol", b"{".to_vec(), json, 400),
        ("/api/actions/enrol", b"{}".to_vec(), "text/plain", 415),
        ("/api/actions/enrol", b"{}".to_vec(), json, 422),
        ("/api/actions/enrol", vec![0xff; 100], json, 400),
        (
            "/api/ledger/v1/transactions",
            b"nonsense".to_vec(),
            "application/cbor",
            400,
        ),
        (
            "/api/ledger/v1/transactions",
            vec![0; 300_000],
            "application/cbor",
            413,
        ),
    ] {
        let response = post(path, body, kind).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
    }
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let response = post("/api/actions/enrolments/open", deep.into_bytes(), json)
        .await
        .unwrap();
    assert_eq!(response.status(), 400);

    // Not HTTP; a head that doesn't come; one that is endless.
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"GET / HTTP/1.1\r\nHost: local".to_vec(),
        [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 100_000]].concat(),
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(world.console.address).await.unwrap();
        // The other side may close before everything is written.
        let _ = stream.write_all(&bytes).await;
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
        assert!(
            closed.is_ok(),
            "a connection that brings nothing stays open"
        );
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }

    // One address holds so many connections; others of it are closed at once, and make room again.
    drop(browser);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(world.console.address).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut ninth = TcpStream::connect(world.console.address).await.unwrap();
    let mut nothing = [0; 1];
    let read = timeout(Duration::from_millis(250), ninth.read(&mut nothing)).await;
    assert!(
        matches!(read, Ok(Ok(0) | Err(_))),
        "the ninth connection is closed"
    );
    drop(held);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.browser().get("/api/session").await.0, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_for_loopback_and_https_for_everywhere() {
    let world = World::new().await;
    let settings = Settings {
        listen: ([0, 0, 0, 0], 0).into(),
        ..world.settings()
    };
    let refused = sealwire_console::start(settings).await.err().unwrap();
    assert!(matches!(refused, StartError::Plain { .. }), "{refused}");
    let settings = Settings {
        org: "nobody".parse().unwrap(),
        ..world.settings()
    };
    assert!(matches!(
        sealwire_console::start(settings).await.err().unwrap(),
        StartError::Organisation { .. }
    ));

    let directory = world.path().to_owned();
    let settings = Settings {
        https: Some(Https::SelfMade {
            directory: directory.clone(),
        }),
        names: vec!["console.acme.example".to_owned()],
        ..world.settings()
    };
    let console = sealwire_console::start(settings).await.unwrap();
    let print = console.fingerprint.clone().unwrap();
    assert_eq!((print.len(), print.matches(':').count()), (95, 31));
    let pem = std::fs::read(directory.join("console-tls.crt")).unwrap();
    let root = reqwest::Certificate::from_pem(&pem).unwrap();
    let mut browser = Browser::new(format!("https://localhost:{}", console.address.port()));
    browser.http = reqwest::Client::builder()
        .no_proxy()
        .add_root_certificate(root)
        .build()
        .unwrap();
    let link = console.link();
    let token = link.url.split_once("link=").unwrap().1.to_owned();
    let request = browser.request(Method::POST, "/api/session/link");
    let response = request
        .json(&json!({ "token": token }))
        .send()
        .await
        .unwrap();
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-") && cookie.contains("; Secure"),
        "{cookie}"
    );
    assert!(response.headers().contains_key("strict-transport-security"));
    // A key names the origin that the browser sees.
    let identity = world.operator();
    let signed = browser.signed(&identity).await;
    assert_eq!(browser.sign_in("/api/session/key", signed).await.0, 200);
    browser.have("/api/overview").await;
    // Who speaks plain HTTP there gets nothing.
    let mut stream = TcpStream::connect(console.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    console.shutdown().await;
    world.end().await;
}
