//! MQTT libraries and programs that no one here wrote, against a gateway.

use std::{pin::Pin, process::Command, time::Duration};

use crate::common::{Person, eventually, scene::scene, wire::options};
use mqtt5::{AuthHandler, AuthResponse, MqttClient};
use sealwire_envelope::{
    ChainId, Rights, decode, encode,
    login::{Answer, Challenge, Hello, LOGIN_VERSION, METHOD, Transcript},
};
use sealwire_gateway::Ledger;

type AuthFuture<'a, T> = Pin<Box<dyn Future<Output = mqtt5::Result<T>> + Send + 'a>>;

/// The broker's own client, with its own idea of enhanced authentication.
struct Sm2Handler {
    person: Person,
    chain: ChainId,
    nonce: [u8; 32],
}

impl AuthHandler for Sm2Handler {
    fn initial_response<'a>(&'a self, _: &'a str) -> AuthFuture<'a, Option<Vec<u8>>> {
        let hello = Hello {
            version: LOGIN_VERSION,
            certificate: self.person.id(),
            nonce: self.nonce,
        };
        Box::pin(async move { Ok(Some(encode(&hello))) })
    }

    fn handle_challenge<'a>(
        &'a self,
        _: &'a str,
        challenge: Option<&'a [u8]>,
    ) -> AuthFuture<'a, AuthResponse> {
        let challenge: Challenge = decode(challenge.unwrap()).unwrap();
        let transcript = Transcript {
            chain: self.chain,
            client: self.person.client.clone(),
            certificate: self.person.id(),
            client_nonce: self.nonce,
            gateway: challenge.gateway,
            gateway_nonce: challenge.nonce,
            time_ms: challenge.time_ms,
        };
        let signature = transcript.sign_as_client(&self.person.key);
        Box::pin(async move { Ok(AuthResponse::Continue(encode(&Answer { signature }))) })
    }
}

#[tokio::test]
async fn an_mqtt_library_logs_in_publishes_and_receives() {
    let scene = scene().await;
    let topic = scene.topic.as_str();
    let client =
        MqttClient::with_options(options("acme.press-7").with_authentication_method(METHOD));
    let handler = Sm2Handler {
        person: scene.owner.clone(),
        chain: scene.world.ledger.chain(),
        nonce: rand::random(),
    };
    client.set_auth_handler(handler).await;
    client
        .connect(&format!("mqtt://{}", scene.gateway.mqtt_addr))
        .await
        .unwrap();
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    client
        .subscribe(topic, move |message| tx.send(message.payload).unwrap())
        .await
        .unwrap();
    client.publish_qos1(topic, scene.payload(1)).await.unwrap();
    assert_eq!(rx.recv().await.unwrap(), scene.payload(1));
    assert!(
        client
            .publish_qos1("acme/press-7/unknown", "x")
            .await
            .is_err()
    );
    client.disconnect().await.unwrap();
    scene.gateway.shutdown().await;
}

/// One SUBSCRIBE, then messages to a file's worth of lines.
fn mosquitto(program: &str) -> Option<Command> {
    if Command::new(program).arg("--help").output().is_err() {
        skipped(&format!(
            "{program} isn't installed (Debian: mosquitto-clients)"
        ));
        return None;
    }
    Some(Command::new(program))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_publishes_and_subscribes() {
    let scene = scene().await;
    let (Some(mut publish), Some(mut subscribe)) =
        (mosquitto("mosquitto_pub"), mosquitto("mosquitto_sub"))
    else {
        return;
    };
    let open = scene.owner.topic("open");
    scene.world.register(&scene.owner, &open, None);
    scene
        .world
        .grant(&scene.owner, &open, &scene.reader, Rights::SUBSCRIBE, None);
    let port = scene.gateway.mqtt_addr.port().to_string();
    for version in ["mqttv311", "mqttv5"] {
        let password = scene.world.password(&scene.reader);
        let listening = subscribe
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-V",
                version,
                "-q",
                "1",
                "-C",
                "1",
                "-W",
                "15",
            ])
            .args(["-u", "bolt.analyst", "-P", &password, "-t", open.as_str()])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let before = scene.gateway.metrics().logins.get();
        eventually("mosquitto_sub is subscribed", async || {
            scene.gateway.metrics().logins.get() > before || scene.gateway.sessions() > 0
        })
        .await;
        let mut story = scene.gateway.story();
        let subscribed = async {
            loop {
                if let Ok(sealwire_gateway::Story::Subscribed { .. }) = story.recv().await {
                    return;
                }
            }
        };
        // It may have subscribed before we listened.
        let _ = tokio::time::timeout(Duration::from_millis(500), subscribed).await;
        let password = scene.world.password(&scene.owner);
        let published = publish
            .args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", "1"])
            .args([
                "-u",
                "acme.press-7",
                "-P",
                &password,
                "-t",
                open.as_str(),
                "-m",
                "hello",
            ])
            .output()
            .unwrap();
        assert!(
            published.status.success(),
            "{}",
            String::from_utf8_lossy(&published.stderr)
        );
        let heard = tokio::task::spawn_blocking(|| listening.wait_with_output())
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&heard.unwrap().stdout),
            "hello\n",
            "{version}"
        );
        (publish, subscribe) = (Command::new("mosquitto_pub"), Command::new("mosquitto_sub"));
    }
    // And a refusal that a person can read.
    let refused = publish
        .args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5", "-q", "1"])
        .args([
            "-u",
            "acme.press-7",
            "-P",
            "nonsense",
            "-t",
            open.as_str(),
            "-m",
            "hello",
        ])
        .output()
        .unwrap();
    assert!(!refused.status.success());
    scene.gateway.shutdown().await;
}

/// Says loudly that nothing was checked; where peers are required (CI), that is a failure.
fn skipped(why: &str) {
    let required = std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_some();
    assert!(!required, "SKIPPED: {why}");
    println!("SKIPPED: {why}");
}

const PAHO: &str = r#"
import sys, threading
import paho.mqtt.client as mqtt
host, port, user, token, topic = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5]
done = threading.Event()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.username_pw_set(user, token)
def on_connect(c, u, flags, reason, props):
    print("connected", reason, flush=True)
    c.subscribe(topic, qos=2)
def on_subscribe(c, u, mid, reasons, props):
    print("subscribed", reasons[0], flush=True)
    for qos in (0, 1, 2):
        c.publish(topic, "qos %d" % qos, qos=qos)
got = []
def on_message(c, u, m):
    got.append(m.payload.decode())
    if len(got) == 3:
        done.set()
client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect(host, port)
client.loop_start()
ok = done.wait(15)
print(sorted(got), flush=True)
client.disconnect()
client.loop_stop()
sys.exit(0 if ok else 1)
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paho_speaks_all_qualities() {
    let python = std::env::var("SEALWIRE_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_paho = Command::new(&python)
        .args(["-c", "import paho.mqtt.client"])
        .output();
    if !has_paho.is_ok_and(|output| output.status.success()) {
        return skipped(&format!(
            "{python} has no paho-mqtt (pip install paho-mqtt; SEALWIRE_PYTHON names another interpreter)"
        ));
    }
    let scene = scene().await;
    let open = scene.owner.topic("open");
    scene.world.register(&scene.owner, &open, None);
    let password = scene.world.password(&scene.owner);
    let port = scene.gateway.mqtt_addr.port().to_string();
    let topic = open.to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python)
            .args([
                "-c",
                PAHO,
                "127.0.0.1",
                &port,
                "acme.press-7",
                &password,
                &topic,
            ])
            .output()
            .unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("['qos 0', 'qos 1', 'qos 2']"), "{text}");
    assert_eq!(
        scene
            .gateway
            .archive()
            .messages(open.as_str(), 10)
            .await
            .unwrap()
            .len(),
        3
    );
    scene.gateway.shutdown().await;
}
