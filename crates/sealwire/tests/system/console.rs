//! The web console of the real program: the demo's, and one that is started by hand.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::{self, Demo, PROGRAM, eventually, my_turn, signal};

/// Signs in by a link; what then asks as the pages do.
struct Signed {
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
    base: String,
    cookie: String,
}

impl Signed {
    fn by(link: &str) -> Self {
        let (base, token) = link.split_once("/#/sign-in?link=").expect("a link");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http
            .post(format!("{base}/api/session/link"))
            .header("x-sealwire-console", "1")
            .json(&json!({ "token": token }));
        let response = runtime.block_on(request.send()).unwrap();
        assert_eq!(response.status(), 200);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let base = base.to_owned();
        Self {
            runtime,
            http,
            base,
            cookie,
        }
    }

    fn bytes(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Vec<u8>) {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("x-sealwire-console", "1")
            .header(header::COOKIE, &self.cookie);
        let request = match body {
            None => request,
            Some(body) => request.json(&body),
        };
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            (status, response.bytes().await.unwrap().to_vec())
        })
    }

    fn have(&self, path: &str) -> Value {
        let (status, body) = self.bytes(Method::GET, path, None);
        let body = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn act(&self, path: &str, body: Value) -> Value {
        let path = format!("/api/actions/{path}");
        let (status, body) = self.bytes(Method::POST, &path, Some(body));
        let body = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

#[test]
fn the_demos_console_shows_the_demo_and_acts_in_it() {
    let _turn = my_turn();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    let mut link = None;
    eventually("the console prints a link", || {
        link = demo.links.lock().unwrap().last().cloned();
        link.is_some()
    });
    let console = Signed::by(&link.unwrap());
    eventually(
        "all services answer it, and nothing is to worry about",
        || {
            let overview = console.have("/api/overview");
            let sample = &overview["sample"];
            sample["nodes_up"] == 4 && sample["gateways_up"] == 2 && sample["alerts"] == 0
        },
    );
    eventually("the first device is shown as connected", || {
        let page = console.have("/api/devices?online=true&org=acme");
        page["items"][0]["client"] == "acme.this-machine"
    });
    // A reading's receipt, verified by the command line with the genesis file alone.
    let topic = "acme/this-machine/readings";
    let mut package = Value::Null;
    eventually("a package is anchored", || {
        let page = console.have(&format!("/api/ledger/v1/packages?topic={topic}"));
        package = page["value"][0]["anchor"]["package"].clone();
        package.is_string()
    });
    let path = format!("/api/receipt/{}/0", package.as_str().unwrap());
    let (status, receipt) = console.bytes(Method::GET, &path, None);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&receipt));
    let file = dir.path().join("reading.receipt");
    std::fs::write(&file, receipt).unwrap();
    harness::json(&home, &["receipt", "verify", file.to_str().unwrap()]);

    // What is enrolled here is enrolled for the command line, too.
    console.act("enrol", json!({ "client": "acme.analyst", "role": "user" }));
    let grant = json!({ "topic": topic, "to": "acme.analyst", "rights": ["subscribe"] });
    console.act("topics/grant", grant);
    let args = ["topic", "explain", "acme.analyst", "subscribe", topic];
    let decision = harness::json(&home, &args).to_string();
    assert!(decision.contains("Granted"), "{decision}");
    let token = harness::json(&home, &["device", "token", "--as", "acme.analyst"]);
    assert_eq!(token["client"], "acme.analyst");
    demo.stop();
}

#[test]
fn a_console_makes_links_at_enter_and_ends_at_once() {
    let _turn = my_turn();
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    harness::json(&home, &["init", "--org", "acme", "--base-port", "17500"]);
    let mut child = Command::new(PROGRAM)
        .arg("--home")
        .arg(&home)
        .args([
            "--json",
            "console",
            "--org",
            "acme",
            "--listen",
            "127.0.0.1:0",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let first = next();
    assert_eq!(first["event"], "started");
    assert!(
        first["console"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\n").unwrap();
    let second = next();
    assert_eq!(second["event"], "link");
    assert_ne!(first["link"], second["link"]);
    // Standard input stays open: that mustn't keep it.
    signal("-INT", u64::from(child.id()));
    let started = std::time::Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "it doesn't end"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(child.wait().unwrap().success());
    drop(stdin);

    // An organisation that isn't here has none.
    let output = harness::sealwire(
        &home,
        &["console", "--org", "nobody", "--listen", "127.0.0.1:0"],
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("sealwire init"));
}
