//! Clients that nobody here wrote, at a real gateway on a real ledger: Debian's mosquitto programs
//! and PyPI's paho-mqtt, logging in with a token.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::harness::{Demo, eventually, json, my_turn, sealwire};

/// Says that a peer isn't here; a failure where peers are required.
pub fn missing(peer: &str, install: &str) {
    let message = format!("SKIPPED: {peer} isn't installed ({install}); nothing was checked");
    assert!(
        std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_none(),
        "{message}"
    );
    eprintln!("{message}");
}

pub fn python_with_paho() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    [root.join(".venv/bin/python"), "python3".into()]
        .into_iter()
        .find(|python| {
            let probe = Command::new(python)
                .args(["-c", "import paho.mqtt.client"])
                .output();
            probe.is_ok_and(|output| output.status.success())
        })
}

fn token(home: &Path, client: &str) -> String {
    let document = json(home, &["device", "token", "--as", client, "--at", "acme"]);
    document["token"].as_str().unwrap().to_owned()
}

/// An open topic of a plain device, readable by another one.
fn open_topic(home: &Path) {
    json(home, &["device", "enrol", "acme.plain"]);
    json(home, &["device", "enrol", "acme.reader"]);
    json(
        home,
        &[
            "topic",
            "register",
            "--as",
            "acme.plain",
            "acme/plain/t",
            "--open",
        ],
    );
    let grant = [
        "topic",
        "grant",
        "--as",
        "acme.plain",
        "acme/plain/t",
        "--to",
        "acme.reader",
    ];
    json(home, &grant);
    for (client, action) in [("acme.plain", "publish"), ("acme.reader", "subscribe")] {
        eventually("the grant is in force", || {
            let explained = sealwire(home, &["topic", "explain", client, action, "acme/plain/t"]);
            String::from_utf8_lossy(&explained.stdout).contains("\"allowed\": true")
        });
    }
}

#[test]
fn mosquitto_and_paho_log_in_with_a_token_and_exchange_messages() {
    let _turn = my_turn();
    if Command::new("mosquitto_pub")
        .arg("--help")
        .output()
        .is_err()
    {
        return missing("mosquitto_pub", "apt-get install mosquitto-clients");
    }
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    open_topic(&home);
    let (host, port) = demo.mqtt();
    for version in ["mqttv311", "mqttv5"] {
        let password = token(&home, "acme.reader");
        let subscriber = Command::new("mosquitto_sub")
            .args(["-h", &host, "-p", &port, "-V", version, "-i", "acme.reader"])
            .args([
                "-u",
                "acme.reader",
                "-P",
                &password,
                "-t",
                "acme/plain/t",
                "-q",
                "1",
            ])
            .args(["-C", "1", "-W", "60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("the subscription is on the ledger", || {
            let events = sealwire(
                &home,
                &["audit", "events", "acme.reader", "--kind", "subscribed"],
            );
            let text = String::from_utf8_lossy(&events.stdout);
            text.matches("\"subscribed\"").count() >= if version == "mqttv5" { 2 } else { 1 }
        });
        let publish = |password: &str, topic: &str| {
            Command::new("mosquitto_pub")
                .args(["-h", &host, "-p", &port, "-V", version, "-i", "acme.plain"])
                .args(["-u", "acme.plain", "-P", password, "-t", topic, "-q", "1"])
                .args(["-m", version])
                .output()
                .unwrap()
        };
        let password = token(&home, "acme.plain");
        let published = publish(&password, "acme/plain/t");
        assert!(
            published.status.success(),
            "{}",
            String::from_utf8_lossy(&published.stderr)
        );
        let received = subscriber.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&received.stdout).trim(), version);
        // A token is good once.
        assert!(!publish(&password, "acme/plain/t").status.success());
    }
    with_paho(&home, &host, &port);
    demo.stop();
}

const PAHO: &str = r#"
import sys, threading
import paho.mqtt.client as mqtt
host, port, password = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="acme.plain", protocol=mqtt.MQTTv5)
client.username_pw_set("acme.plain", password)
connected, codes = threading.Event(), []
def on_connect(c, u, flags, reason, properties):
    codes.append(str(reason))
    connected.set()
client.on_connect = on_connect
client.connect(host, port)
client.loop_start()
assert connected.wait(20), "no CONNACK"
assert codes == ["Success"], codes
info = client.publish("acme/plain/t", b"from paho", qos=1)
info.wait_for_publish(20)
assert info.is_published()
client.disconnect()
client.loop_stop()
print("published")
"#;

fn with_paho(home: &Path, host: &str, port: &str) {
    let Some(python) = python_with_paho() else {
        return missing(
            "PyPI's paho-mqtt",
            "python3 -m venv .venv && .venv/bin/pip install paho-mqtt",
        );
    };
    let password = token(home, "acme.plain");
    let output = Command::new(python)
        .args(["-c", PAHO, host, port, &password])
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && text.contains("published"),
        "{text}"
    );
}
