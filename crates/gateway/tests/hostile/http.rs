//! The HTTP side.

use reqwest::{Client, Method, StatusCode, header::AUTHORIZATION};
use sealwire_envelope::login::{RequestBody, SignedRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use std::{net::Ipv4Addr, time::Instant};

use crate::{
    flood::HANDSHAKE_MAX,
    foe::{Field, HANG, dial_from, each},
};

const LIST: &str = "/v1/packages?topic=acme/foe/own";

pub async fn attack(field: &Field) -> String {
    let mut count = headers(field).await;
    count += bodies(field).await;
    count += replays(field).await;
    count += targets(field).await;
    count += methods(field).await;
    count += no_http(field).await;
    count += slow(field).await;
    count += crowd(field).await;
    format!("{count} requests")
}

fn url(field: &Field, target: &str) -> String {
    format!("http://{}{target}", field.gateway.http_addr)
}

async fn get(field: &Field, target: &str, header: &str) -> StatusCode {
    let request = Client::new()
        .get(url(field, target))
        .header(AUTHORIZATION, header);
    let response = request.send().await.unwrap();
    let status = response.status();
    if status.is_client_error() {
        let content = response.headers()[reqwest::header::CONTENT_TYPE].clone();
        assert_eq!(content, "application/problem+json", "{target}");
    }
    status
}

/// Authorization headers that aren't one, and every character of a good one changed.
async fn headers(field: &Field) -> usize {
    let good = field.world.header(&field.foe, LIST);
    assert_eq!(get(field, LIST, &good).await, StatusCode::OK);
    let scheme = good.split_once(' ').unwrap().1;
    let long = format!("SM2 {}", "A".repeat(10_000));
    let wrong = [
        "",
        "SM2",
        "SM2 ",
        "Basic YTpi",
        "Bearer x",
        "SM2 !!!!",
        "SM2 AAAA",
        &good[..good.len() / 2],
        scheme,
        &format!("{good},{good}"),
        &long,
    ];
    for header in wrong {
        assert_eq!(
            get(field, LIST, header).await,
            StatusCode::UNAUTHORIZED,
            "{header}"
        );
    }
    // None, and two.
    let client = Client::new();
    let none = client.get(url(field, LIST)).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    let (one, two) = (
        field.world.header(&field.foe, LIST),
        field.world.header(&field.foe, LIST),
    );
    let both = client.get(url(field, LIST));
    let both = both.header(AUTHORIZATION, one).header(AUTHORIZATION, two);
    let both = both.send().await.unwrap();
    assert_eq!(both.status(), StatusCode::UNAUTHORIZED);
    // Larger than any header may be: refused by the HTTP layer, or cut off.
    let huge = client.get(url(field, LIST));
    let huge = huge.header(AUTHORIZATION, format!("SM2 {}", "A".repeat(1_000_000)));
    if let Ok(response) = huge.send().await {
        assert!(response.status().is_client_error(), "{}", response.status());
    }
    let fresh = || field.world.header(&field.foe, LIST);
    let changed = each(4..fresh().len(), async |at| {
        let mut header = fresh().into_bytes();
        header[at] = if header[at] == b'A' { b'B' } else { b'A' };
        let header = String::from_utf8(header).unwrap();
        let status = get(field, LIST, &header).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "character {at}");
    })
    .await;
    wrong.len() + 4 + changed
}

/// Requests that are well formed, signed by the foe, and wrong in one field.
async fn bodies(field: &Field) -> usize {
    type Spoil = fn(&mut RequestBody);
    let spoils: [(&str, Spoil); 10] = [
        ("version", |r| r.version += 1),
        ("chain", |r| r.chain.0.0[0] ^= 1),
        ("client", |r| r.client = "acme.press-7".parse().unwrap()),
        ("certificate", |r| r.certificate.0.0[0] ^= 1),
        ("method", |r| r.method = "POST".into()),
        ("target", |r| r.target = "/v1/packages?topic=a/b/c".into()),
        ("content", |r| r.content.0[0] ^= 1),
        ("old", |r| r.time_s -= 62),
        ("early", |r| r.time_s += 62),
        ("never", |r| r.time_s = u64::MAX),
    ];
    for (what, spoil) in spoils {
        let mut body = field.world.request(&field.foe, LIST);
        spoil(&mut body);
        let header = SignedRequest::sign(body, &field.foe.key).to_header();
        assert_eq!(
            get(field, LIST, &header).await,
            StatusCode::UNAUTHORIZED,
            "{what}"
        );
    }
    // Signed by another key, for another target.
    let other = SignedRequest::sign(
        field.world.request(&field.foe, LIST),
        &field.world.one.operator.key,
    );
    let status = get(field, LIST, &other.to_header()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    spoils.len() + 1
}

async fn replays(field: &Field) -> usize {
    let header = field.world.header(&field.foe, LIST);
    assert_eq!(get(field, LIST, &header).await, StatusCode::OK);
    for _ in 0..3 {
        assert_eq!(get(field, LIST, &header).await, StatusCode::UNAUTHORIZED);
    }
    // Many at a time: one of them is the first.
    let header = field.world.header(&field.foe, LIST);
    let ok = std::sync::atomic::AtomicUsize::new(0);
    each(0..32, async |_| {
        if get(field, LIST, &header).await == StatusCode::OK {
            ok.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    })
    .await;
    assert_eq!(ok.into_inner(), 1);
    36
}

/// Properly signed, for what isn't there or can't be.
async fn targets(field: &Field) -> usize {
    let zeros = "0".repeat(64);
    let long = format!("/v1/packages?topic={}", "x".repeat(8_000));
    let targets = [
        "/v1/packages".to_owned(),
        "/v1/packages?topic=".into(),
        "/v1/packages?topic=%00".into(),
        "/v1/packages?topic=%ff".into(),
        "/v1/packages?topic=acme/foe/%23".into(),
        "/v1/packages?topic=acme/foe/own&topic=acme/press-7/temperature".into(),
        "/v1/packages?topic=acme/foe/own&after=-1".into(),
        "/v1/packages?topic=acme/foe/own&after=99999999999999999999999".into(),
        "/v1/packages?topic=acme/foe/own&limit=4294967296".into(),
        "/v1/packages?topic=acme/press-7/temperature".into(),
        "/v1/packages/".into(),
        "/v1/packages/x".into(),
        "/v1/packages/%2e%2e%2f%2e%2e%2fetc".into(),
        format!("/v1/packages/{zeros}"),
        format!("/v1/packages/{zeros}/records/-1"),
        format!("/v1/packages/{zeros}/records/18446744073709551616"),
        format!("/v1/packages/{zeros}/records/%00"),
        format!("/v1/packages/{zeros}/records/0/0"),
        "//v1/packages?topic=acme/foe/own".into(),
        "/V1/packages?topic=acme/foe/own".into(),
        "/v2/packages".into(),
        long,
    ];
    for target in &targets {
        let header = field.world.header(&field.foe, target);
        let status = get(field, target, &header).await;
        assert!(status.is_client_error(), "{target}: {status}");
    }
    // A number above every package is a page without packages, however large.
    let far = format!("{LIST}&after={}", u64::MAX);
    let header = field.world.header(&field.foe, &far);
    assert_eq!(get(field, &far, &header).await, StatusCode::OK);
    targets.len() + 1
}

async fn methods(field: &Field) -> usize {
    let methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"];
    let targets = ["/v1/status", "/metrics", LIST, "/v1/packages/x"];
    for method in methods {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for target in targets {
            let header = field.world.header(&field.foe, target);
            let request = Client::new().request(method.clone(), url(field, target));
            let request = request.header(AUTHORIZATION, header).body("x");
            let status = request.send().await.unwrap().status();
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {target}");
        }
    }
    // HEAD is answered like GET, so it needs a signature for itself.
    let header = field.world.header(&field.foe, LIST);
    let head = Client::new().head(url(field, LIST));
    let head = head.header(AUTHORIZATION, header).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::UNAUTHORIZED);
    methods.len() * targets.len() + 1
}

/// Byte by byte, or silent: the time for a request is over.
async fn slow(field: &Field) -> usize {
    each(0..32, async |n: usize| {
        let start = Instant::now();
        let stream = TcpStream::connect(field.gateway.http_addr).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let request =
            b"GET /v1/status HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let feed = async {
            for byte in request.chunks(1).filter(|_| n.is_multiple_of(2)) {
                let _ = write.write_all(byte).await;
                tokio::time::sleep(HANDSHAKE_MAX / 40).await;
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        tokio::select! {
            _ = read.read_to_end(&mut answer) => {}
            () = feed => {}
        }
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
        assert!(start.elapsed() < HANDSHAKE_MAX + HANG);
    })
    .await
}

/// More connections than one address may have: those too many are closed at once, others are served.
async fn crowd(field: &Field) -> usize {
    const OPEN: usize = 230;
    let from = Ipv4Addr::new(127, 3, 0, 1);
    let mut open = Vec::new();
    for _ in 0..OPEN {
        open.push(dial_from(from, field.gateway.http_addr).await);
    }
    let mut late = open.split_off(200);
    let start = Instant::now();
    for stream in &mut late {
        // A connection that is reset is closed too.
        let _ = tokio::time::timeout(HANG, stream.read(&mut [0]))
            .await
            .unwrap();
    }
    assert!(start.elapsed() < HANDSHAKE_MAX, "not at once");
    let header = field.world.header(&field.foe, LIST);
    assert_eq!(get(field, LIST, &header).await, StatusCode::OK);
    for mut stream in open {
        let _ = tokio::time::timeout(HANG, stream.read(&mut [0]))
            .await
            .unwrap();
    }
    OPEN
}

/// Bytes that are no HTTP, or not all of it: closed when this side closes, and no harm done.
async fn no_http(field: &Field) -> usize {
    let endless = format!("GET /v1/status HTTP/1.1\r\n{}", "X: y\r\n".repeat(5_000));
    let attacks = [
        "\0\0\0\0\0\0\0\0",
        "GET",
        "GET /v1/status HTTP/9.9\r\n\r\n",
        "GET /v1/status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /v1/packages HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Length: 20\r\n\r\n",
        "GET /v1/packages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage",
        &endless,
    ];
    for attack in attacks {
        let mut stream = TcpStream::connect(field.gateway.http_addr).await.unwrap();
        let _ = stream.write_all(attack.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(HANG, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the gateway hangs at {:.60}", attack);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:.60}", attack);
    }
    attacks.len()
}
