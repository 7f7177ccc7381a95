//! `docs/connect-any-client.md`, followed to the letter: its programs are saved, its commands run,
//! in its order, at a real gateway; only the gateway's port is another one.
//!
//! A comment before a block says what to do with it:
//!
//! | Comment | What |
//! |---|---|
//! | `save: FILE` | the block becomes a file |
//! | `run: PEER` | the block is run by `bash`; it must succeed; skipped without the peer |
//! | `; arrives: TEXT` | afterwards somebody else has received a message with this text |
//! | `; meanwhile` | it keeps running, and has subscribed, when the next block is run |
//! | `; prints: TEXT` | what `meanwhile` must have printed when it has ended |

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use crate::{
    bindings::{dynamic_library, python, python_module, subscribe},
    harness::{Demo, PATIENCE, PROGRAM, eventually, json, my_turn, sealwire},
    peers::{missing, python_with_paho},
};

/// The port that the guide names.
const PORT: &str = "7402";
/// How long a reader takes from one block to the next, at least; a grant is at the gateway by then.
const READING: Duration = Duration::from_secs(2);

/// A block of the guide, and what to do with it.
#[derive(Debug, Default, PartialEq)]
struct Block {
    save: Option<String>,
    run: Option<String>,
    meanwhile: bool,
    arrives: Option<String>,
    prints: Option<String>,
    text: String,
}

/// The blocks that a comment stands before.
fn blocks(guide: &str) -> Vec<Block> {
    let mut found = vec![];
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let comment = line
            .strip_prefix("<!-- ")
            .and_then(|l| l.strip_suffix(" -->"));
        let Some(comment) = comment else { continue };
        let fence = lines.next().unwrap_or_default();
        assert!(fence.starts_with("```"), "no block after '{line}'");
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let mut block = Block {
            text: text.join("\n") + "\n",
            ..Block::default()
        };
        for part in comment.split("; ") {
            let (name, value) = part.split_once(": ").unwrap_or((part, ""));
            let value = Some(value.to_owned());
            match name {
                "save" => block.save = value,
                "run" => block.run = value,
                "meanwhile" => block.meanwhile = true,
                "arrives" => block.arrives = value,
                "prints" => block.prints = value,
                other => panic!("'{line}' says '{other}'"),
            }
        }
        found.push(block);
    }
    found
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A directory to follow the guide in, with the programs and libraries that it talks of.
struct Desk {
    dir: PathBuf,
    home: PathBuf,
    address: (String, String),
    path: OsString,
}

impl Desk {
    fn new(dir: &Path, home: &Path, address: (String, String)) -> Self {
        let made = |name: &str| {
            let path = dir.join(name);
            fs::create_dir_all(&path).expect("a directory");
            path
        };
        // The repository as the guide has it: the header, and the library built.
        let release = made("clone/target/release");
        let library = dynamic_library("sealwire_capi");
        fs::copy(&library, release.join(library.file_name().expect("a name"))).expect("copied");
        fs::copy(
            repository("crates/capi/include/sealwire.h"),
            made("clone/crates/capi/include").join("sealwire.h"),
        )
        .expect("copied");
        python_module(&made("modules"));
        let bin = made("bin");
        if let Some(python) = python_with_paho().or_else(python).and_then(absolute) {
            let shim = bin.join("python3");
            let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display());
            fs::write(&shim, script).expect("written");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&shim, mode).expect("executable");
            }
        }
        let program = Path::new(PROGRAM).parent().expect("a folder").to_owned();
        let system = std::env::var_os("PATH").unwrap_or_default();
        let all = [bin, program]
            .into_iter()
            .chain(std::env::split_paths(&system));
        Self {
            dir: dir.to_owned(),
            home: home.to_owned(),
            address,
            path: std::env::join_paths(all).expect("paths"),
        }
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(&self.dir)
            .env("PATH", &self.path)
            .env("SEALWIRE_HOME", &self.home)
            .env("SEALWIRE", self.dir.join("clone"))
            .env("PYTHONPATH", self.dir.join("modules"))
            .env("NODE_PATH", repository(".venv/node/node_modules"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn succeeds(&self, script: &str) -> bool {
        self.shell(script)
            .output()
            .is_ok_and(|output| output.status.success())
    }

    /// How to get a peer that isn't here.
    fn lacks(&self, peer: &str) -> Option<&'static str> {
        let (probe, install) = match peer {
            "sealwire" | "c" => return None,
            "mosquitto" => (
                "command -v mosquitto_pub",
                "apt-get install mosquitto-clients",
            ),
            "paho" => (
                "python3 -c 'import paho.mqtt.client'",
                "pip install paho-mqtt",
            ),
            "mqtt.js" => (
                "node -e 'require(\"mqtt\")'",
                "npm install --prefix .venv/node mqtt",
            ),
            "paho-c" => (
                "echo '#include <MQTTClient.h>' | cc -E -",
                "apt-get install libpaho-mqtt-dev",
            ),
            "python" => ("python3 -c ''", "apt-get install python3"),
            other => panic!("the guide runs '{other}', which this test doesn't know"),
        };
        (!self.succeeds(probe)).then_some(install)
    }

    fn to_this_gateway(&self, text: &str) -> String {
        let (host, port) = &self.address;
        text.replace("127.0.0.1", host).replace(PORT, port)
    }

    fn subscribed(&self, client: &str) -> usize {
        let events = ["audit", "events", client, "--kind", "subscribed"];
        let output = sealwire(&self.home, &events);
        String::from_utf8_lossy(&output.stdout)
            .matches("\"subscribed\"")
            .count()
    }
}

/// Waits with a limit; says what was printed.
fn end_of(mut child: Child, script: &str) -> Output {
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().expect("its output");
    assert!(
        output.status.success(),
        "{script}\n{}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Messages of a topic as another reader gets them, from now on.
fn watch(runtime: &tokio::runtime::Runtime, home: &Path, topic: &str) -> Receiver<String> {
    let name = format!("watcher-of-{}", topic.replace('/', "-"));
    let watcher = format!("basin.{name}");
    json(home, &["device", "enrol", &watcher, "--role", "user"]);
    let grant = [
        "topic",
        "grant",
        "--as",
        "acme.press-7",
        topic,
        "--to",
        &watcher,
    ];
    json(home, &grant);
    std::thread::sleep(READING);
    let (to, received) = channel();
    let each = move |message: sealwire_client::mqtt::Message| {
        to.send(String::from_utf8_lossy(&message.content).into_owned())
            .is_ok()
    };
    let (home, topic) = (home.join("basin/clients").join(name), topic.to_owned());
    runtime.spawn(async move {
        let ended = subscribe::run(&home, &topic, "acme.gateway", each).await;
        eprintln!("the watcher of {topic} ended: {ended:?}");
    });
    received
}

fn must_arrive(received: &[Receiver<String>], text: &str) {
    let mut seen = vec![];
    eventually(&format!("'{text}' arrives"), || {
        seen.extend(received.iter().flat_map(Receiver::try_iter));
        seen.iter().any(|message| message.contains(text))
    });
}

/// Where a program lies: the shim has the name of what it calls, and would call itself for ever.
fn absolute(program: PathBuf) -> Option<PathBuf> {
    if program.is_absolute() {
        return Some(program);
    }
    if program.components().count() > 1 {
        return std::env::current_dir().ok().map(|here| here.join(program));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(&program))
        .find(|found| found.is_file())
}

#[test]
fn the_guide_works_to_the_letter() {
    let _turn = my_turn();
    let guide = fs::read_to_string(repository("docs/connect-any-client.md")).expect("the guide");
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    let desk = Desk::new(dir.path(), &home, demo.mqtt());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut received = vec![];
    let mut running: Option<(Child, Block)> = None;
    let mut ran = 0;
    for block in blocks(&guide) {
        let text = desk.to_this_gateway(&block.text);
        if let Some(name) = &block.save {
            fs::write(dir.path().join(name), text).expect("saved");
            continue;
        }
        let peer = block.run.as_deref().expect("save or run");
        if let Some(install) = desk.lacks(peer) {
            missing(&format!("'{peer}' of the guide"), install);
            continue;
        }
        std::thread::sleep(READING);
        let before = desk.subscribed("basin.analyst");
        let child = desk.shell(&text).spawn().expect("bash");
        ran += 1;
        if block.meanwhile {
            eventually("it has subscribed", || {
                desk.subscribed("basin.analyst") > before
            });
            running = Some((child, block));
            continue;
        }
        end_of(child, &text);
        if let Some(text) = &block.arrives {
            must_arrive(&received, text);
        }
        if let Some((child, block)) = running.take() {
            let output = end_of(child, &block.text);
            let printed = String::from_utf8_lossy(&output.stdout);
            let expected = block.prints.as_deref().unwrap_or_default();
            assert_eq!(printed.trim(), expected, "{}", block.text);
        }
        // A topic that the guide has just registered is watched from here on.
        for line in text
            .lines()
            .filter(|line| line.starts_with("sealwire topic register"))
        {
            let topic = line
                .split(' ')
                .find(|word| word.contains('/'))
                .expect("a topic");
            received.push(watch(&runtime, &home, topic));
        }
    }
    assert!(ran >= 5, "only {ran} blocks were run");
    runtime.shutdown_background();
    demo.stop();
}

#[test]
fn the_guide_says_of_each_program_what_to_do_with_it() {
    let guide = fs::read_to_string(repository("docs/connect-any-client.md")).expect("the guide");
    let fences = guide
        .lines()
        .filter(|line| line.len() > 3 && line.starts_with("```"));
    // All but the one that sets SEALWIRE_HOME.
    assert_eq!(blocks(&guide).len() + 1, fences.count());
    let runs = |peer: &str| {
        blocks(&guide)
            .iter()
            .any(|block| block.run.as_deref() == Some(peer))
    };
    for peer in ["mosquitto", "paho", "mqtt.js", "paho-c", "python", "c"] {
        assert!(runs(peer), "{peer}");
    }
}
