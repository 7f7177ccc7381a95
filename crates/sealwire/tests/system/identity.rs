//! The life of a certificate with the real program: enrolled by code, renewed by the device itself,
//! suspended, resumed, revoked; by request; and a factory's thousand.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    bindings::{compile_shared, crates, python, python_module},
    harness::{Demo, PROGRAM, eventually, json, my_turn, sealwire},
    peers::missing,
};

/// A running desk of `acme`; dropping it ends it.
struct Desk {
    child: Child,
    url: String,
}

impl Desk {
    fn start(home: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("--home")
            .arg(home)
            .args(["--json", "desk", "--org", "acme", "--listen", "127.0.0.1:0"])
            .arg("--until-stdin-closes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the desk starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let started = lines.next().expect("a line").expect("text");
        let started: Value = serde_json::from_str(&started).expect("JSON");
        // Whoever doesn't read blocks the writer in the end.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let url = started["http"].as_str().expect("an address").to_owned();
        Self { child, url }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that must fail, and gives back what it says.
fn refused(home: &Path, args: &[&str]) -> String {
    let output = sealwire(home, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{args:?} should fail: {text}");
    text
}

fn write(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

struct Scene {
    _dir: tempfile::TempDir,
    /// The consortium's home, with the operators' keys.
    home: std::path::PathBuf,
    /// The device's home: another machine.
    device: std::path::PathBuf,
    genesis: String,
    desk: Desk,
    _demo: Demo,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, device) = (dir.path().join("home"), dir.path().join("device"));
        let demo = Demo::start(&home);
        let desk = Desk::start(&home);
        let genesis = home.join("genesis.json").to_str().unwrap().to_owned();
        Self {
            _dir: dir,
            home,
            device,
            genesis,
            desk,
            _demo: demo,
        }
    }

    /// Enrols `client` in the device's home by a new code.
    fn enrol(&self, client: &str) -> Value {
        let opened = json(&self.home, &["enrolment", "open", "--client", client]);
        let file = self.home.join("code.txt");
        let file = write(&file, opened["code"].as_str().expect("a code"));
        let (desk, genesis) = (&self.desk.url, &self.genesis);
        let enrol = ["cert", "enrol", "--desk", desk, "--file", &file];
        let enrol = [&enrol[..], &["--genesis", genesis]].concat();
        let enrolled = json(&self.device, &enrol);
        assert_eq!(enrolled["client"], client);
        assert_eq!(enrolled["before"], false);
        // The answer got lost, says the device: it has it already.
        assert_eq!(json(&self.device, &enrol)["before"], true);
        enrolled
    }

    fn check(&self, which: &str, at: Option<u64>) -> Value {
        let at = at.map(|height| height.to_string());
        let mut args = vec!["cert", "check", which];
        args.extend(at.iter().flat_map(|height| ["--at", height.as_str()]));
        json(&self.home, &args)
    }
}

/// `device subscribe` that waits for one message.
struct Listener(Child);

impl Listener {
    fn start(device: &Path, home: &Path) -> Self {
        let child = Command::new(PROGRAM)
            .arg("--home")
            .arg(device)
            .args(["device", "subscribe", "--as", PRESS, "--topic", TOPIC])
            .args(["--count", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let events = ["audit", "events", PRESS, "--kind", "subscribed"];
        eventually("the listener has subscribed", || {
            let output = sealwire(home, &events);
            String::from_utf8_lossy(&output.stdout).contains("\"subscribed\"")
        });
        Self(child)
    }

    /// What it printed, when it ends.
    fn received(self) -> String {
        let output = self.0.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "the listener: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

const PRESS: &str = "acme.press-9";
const TOPIC: &str = "acme/press-9/temperature";

/// It may publish to [`PRESS`]'s topic; a message of [`PRESS`]'s own would come from a session that takes the
/// listener's over.
const NEIGHBOUR: &str = "acme.press-8";

fn publish<'a>() -> Vec<&'a str> {
    publish_as(PRESS)
}

fn publish_as(client: &str) -> Vec<&str> {
    let args = ["device", "publish", "--as", client, "--topic", TOPIC];
    [&args[..], &["--message", "21.5"]].concat()
}

#[test]
fn a_certificates_whole_life() {
    let _turn = my_turn();
    let scene = Scene::new();
    let (home, device) = (&scene.home, &scene.device);
    // Certificates of an hour that can be renewed at once.
    let set = [
        "cert", "template", "set", "--org", "acme", "--role", "device",
    ];
    let set = [&set[..], &["--validity", "1h", "--renewal", "1h"]].concat();
    json(home, &set);
    let shown = json(home, &["cert", "template", "show", "--org", "acme"]);
    assert_eq!(shown[2]["template"]["template"]["validity_max_s"], 3_600);

    let enrolled = scene.enrol(PRESS);
    let first = enrolled["certificate"].as_str().unwrap().to_owned();
    json(device, &["topic", "register", "--as", PRESS, TOPIC]);
    json(device, &publish());
    let valid = scene.check(PRESS, None);
    assert_eq!(
        (&valid["valid"], &valid["status"]),
        (&true.into(), &"live".into())
    );
    let then = valid["height"].as_u64().unwrap();
    scene.enrol(NEIGHBOUR);
    let grant = ["topic", "grant", "--as", PRESS, TOPIC];
    let grant = [&grant[..], &["--to", NEIGHBOUR, "--rights", "publish"]].concat();
    json(device, &grant);
    // Its own listener, which lives through the renewal.
    let listener = Listener::start(device, home);

    // The next certificate must end in a later second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let renewed = json(device, &["cert", "renew", "--as", PRESS]);
    assert_eq!(renewed["renewed"], true);
    assert_eq!(renewed["replaced"], first.as_str());
    assert!(renewed["topic_keys"].as_u64() >= Some(1), "{renewed}");
    let events = ["audit", "events", PRESS, "--kind", "reauthenticated"];
    eventually("the listener's session has the new certificate", || {
        let output = sealwire(home, &events);
        String::from_utf8_lossy(&output.stdout).contains("\"reauthenticated\"")
    });
    json(device, &publish_as(NEIGHBOUR));
    assert!(listener.received().contains("21.5"));
    assert_eq!(scene.check(&first, None)["status"], "revoked");
    assert_eq!(scene.check(&first, Some(then))["valid"], true);
    let was = scene.check(PRESS, Some(then));
    assert_eq!(
        was["certificate"],
        first.as_str(),
        "it had the first one then"
    );
    let story = json(home, &["cert", "show", &first]);
    let reason = story["certificate"]["revoked"]["reason"].as_str().unwrap();
    let second = renewed["certificate"].as_str().unwrap();
    assert_eq!(reason, format!("superseded by {second}"));

    let mut session = subscribed(device);
    let suspended = Instant::now();
    json(home, &["cert", "suspend", PRESS, "--reason", "odd traffic"]);
    eventually("the live session ends", || {
        session.try_wait().expect("a child").is_some()
    });
    eprintln!(
        "suspension ended a live session {:?} after the command was typed",
        suspended.elapsed()
    );
    refused(device, &publish());
    assert_eq!(scene.check(PRESS, None)["status"], "suspended");
    json(home, &["cert", "resume", PRESS, "--reason", "explained"]);
    eventually("the device may connect again", || {
        sealwire(device, &publish()).status.success()
    });
    json(home, &["cert", "revoke", PRESS, "--reason", "lost"]);
    eventually("the device may not connect any more", || {
        !sealwire(device, &publish()).status.success()
    });
    assert!(refused(device, &["cert", "renew", "--as", PRESS]).contains("revoked"));
    let pauses = json(home, &["cert", "show", second]);
    assert_eq!(
        pauses["certificate"]["suspensions"][0]["until"]["reason"],
        "explained"
    );

    by_request(&scene);
    devices_renew_themselves(&scene);
}

/// Devices in C and Python get their certificates by code and renew them, their sessions kept.
fn devices_renew_themselves(scene: &Scene) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("enrol");
    compile_shared("enrol.c", &program);
    renews_itself(scene, "c-1", || Command::new(&program));
    let Some(python) = python() else {
        return missing("Python 3.9 or later", "apt-get install python3");
    };
    python_module(dir.path());
    renews_itself(scene, "python-1", || {
        let mut command = Command::new(&python);
        command.env("PYTHONPATH", dir.path());
        command.arg(crates("python/tests/enrol.py"));
        command
    });
}

fn renews_itself(scene: &Scene, name: &str, program: impl Fn() -> Command) {
    let (client, topic) = (format!("acme.{name}"), format!("acme/{name}/t"));
    let opened = json(&scene.home, &["enrolment", "open", "--client", &client]);
    let code = opened["code"].as_str().expect("a code");
    let run = |more: &[&str]| {
        let output = program()
            .arg(scene.device.join("acme/clients").join(name))
            .args([code, &scene.desk.url, &scene.genesis])
            .args(more)
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {text}{errors}");
        text
    };
    assert!(run(&[]).contains("is enrolled"));
    json(
        &scene.device,
        &["topic", "register", "--as", &client, &topic],
    );
    assert!(run(&[&topic]).contains("renewed itself"));
}

/// A child that is subscribed.
fn subscribed(device: &Path) -> Child {
    let mut child = Command::new(PROGRAM)
        .arg("--home")
        .arg(device)
        .args(["device", "subscribe", "--as", PRESS, "--topic", TOPIC])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let said: Vec<String> = lines
        .by_ref()
        .map_while(Result::ok)
        .take_while(|line| !line.contains("subscribed to"))
        .collect();
    // An hour's certificate with an hour's renewal: it is told.
    assert!(
        said.iter()
            .any(|line| line.contains("sealwire cert renew --as")),
        "{said:?}"
    );
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}

/// The key stays in the device's home; request and certificate are carried.
fn by_request(scene: &Scene) {
    let (home, device) = (&scene.home, &scene.device);
    let files = ["press-10.csr", "press-10.crt"].map(|name| {
        let path = scene.home.join(name);
        path.to_str().unwrap().to_owned()
    });
    let client = "acme.press-10";
    json(device, &["cert", "request", client, "--out", &files[0]]);
    let issued = json(
        home,
        &["cert", "issue", "--csr", &files[0], "--out", &files[1]],
    );
    let node = scene._demo.ready["services"][0]["ledger"].as_str();
    let node = node.map_or_else(|| ledger_of(home), str::to_owned);
    let installed = json(device, &["cert", "install", &files[1], "--ledger", &node]);
    assert_eq!(installed["certificate"], issued["certificate"]);
    assert_eq!(scene.check(client, None)["valid"], true);
    let soon = json(
        home,
        &["cert", "expiring", "--org", "acme", "--within", "2h"],
    );
    let soon: Vec<_> = soon
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["client"])
        .collect();
    assert!(soon.contains(&&Value::from(client)), "{soon:?}");
    assert!(!soon.contains(&&Value::from(PRESS)), "it is revoked");
}

fn ledger_of(home: &Path) -> String {
    let text = std::fs::read_to_string(home.join("acme/org.toml")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("http ="))
        .unwrap();
    format!("http://{}", line.split('"').nth(1).unwrap())
}

/// A thousand codes from a CSV file, and devices that redeem some of them.
#[test]
fn a_factory_opens_a_thousand_enrolments() {
    let _turn = my_turn();
    let scene = Scene::new();
    let home = &scene.home;
    let clients: String = (0..1_000).map(|n| format!("acme.f{n:04}\n")).collect();
    let csv = write(&home.join("devices.csv"), &format!("client\n{clients}"));
    let codes = home.join("codes.csv").to_str().unwrap().to_owned();
    let open = ["enrolment", "open", "--csv", &csv, "--out", &codes];
    let start = Instant::now();
    let opened = json(home, &open);
    eprintln!("1,000 enrolments were open after {:?}", start.elapsed());
    assert_eq!(opened["opened"], 1_000);
    assert!(opened["code"].is_null());
    assert!(refused(home, &open).contains("exists already"));
    let on = json(home, &[&open[..], &["--go-on"]].concat());
    assert_eq!(
        (&on["opened"], &on["open_already"]),
        (&0.into(), &1_000.into())
    );

    let text = std::fs::read_to_string(&codes).unwrap();
    let start = Instant::now();
    for line in text.lines().skip(1).take(10) {
        let fields: Vec<_> = line.split(',').collect();
        let code = write(&home.join("code.txt"), fields[2]);
        let (desk, genesis) = (&scene.desk.url, &scene.genesis);
        let enrol = ["cert", "enrol", "--desk", desk, "--file", &code];
        let enrolled = json(
            &scene.device,
            &[&enrol[..], &["--genesis", genesis]].concat(),
        );
        assert_eq!(enrolled["client"], fields[0]);
    }
    eprintln!(
        "10 devices enrolled one after the other in {:?}",
        start.elapsed()
    );
    let listed = json(home, &["enrolment", "list", "--org", "acme"]);
    assert_eq!(listed.as_array().unwrap().len(), 990);
    let closed = json(home, &["enrolment", "close", "--org", "acme", "--all"]);
    assert_eq!(closed["closed"], 990);
    let left = json(home, &["enrolment", "list", "--org", "acme"]);
    assert_eq!(left.as_array().unwrap().len(), 0);
    let last = text.lines().last().unwrap().split(',').nth(2).unwrap();
    let code = write(&home.join("code.txt"), last);
    let (desk, genesis) = (&scene.desk.url, &scene.genesis);
    let enrol = ["cert", "enrol", "--desk", desk, "--file", &code];
    let error = refused(
        &scene.device,
        &[&enrol[..], &["--genesis", genesis]].concat(),
    );
    assert!(error.contains("closed"), "{error}");
}
