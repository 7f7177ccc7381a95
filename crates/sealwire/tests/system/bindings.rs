//! Devices in C, Python and Rust examples: each program, compiled and run as its reader would, is a
//! real device and a real reader at a real gateway on a real ledger.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
};

use sealwire_client::mqtt::Message;

use crate::{
    harness::{Demo, eventually, json, my_turn, sealwire},
    peers::missing,
};

#[allow(dead_code)]
#[path = "../../../client/examples/publish.rs"]
mod publish;
#[allow(dead_code)]
#[path = "../../../client/examples/read_records.rs"]
mod read_records;
#[allow(dead_code)]
#[path = "../../../client/examples/subscribe.rs"]
pub mod subscribe;

/// Messages that each device publishes.
const MESSAGES: usize = 20;
/// The gateway of all: the device's own organisation's.
const GATEWAY: &str = "acme.gateway";

/// Where this test binary is, and with it the libraries that it depends on.
pub fn libraries() -> PathBuf {
    let this = env::current_exe().expect("this test has a path");
    this.parent().expect("a folder").to_owned()
}

/// A library that cargo has built for this platform, from the name without `lib`.
pub fn dynamic_library(name: &str) -> PathBuf {
    let file = format!(
        "{}{name}{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    let path = libraries().join(file);
    assert!(path.exists(), "{} isn't built", path.display());
    path
}

/// A path below `crates/`.
pub fn crates(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A device and a reader of another organisation, and a sealed topic between them.
struct Pair {
    device: PathBuf,
    reader: PathBuf,
    topic: String,
}

impl Pair {
    fn enrol(home: &Path, name: &str) -> Self {
        let (device, reader) = (format!("acme.{name}"), format!("basin.{name}"));
        let topic = format!("acme/{name}/t");
        json(home, &["device", "enrol", &device]);
        json(home, &["device", "enrol", &reader, "--role", "user"]);
        json(home, &["topic", "register", "--as", &device, &topic]);
        let grant = ["topic", "grant", "--as", &device, &topic, "--to", &reader];
        json(home, &grant);
        for (client, action) in [
            (&device, "publish"),
            (&reader, "subscribe"),
            (&reader, "read"),
        ] {
            eventually("the right is in force", || {
                let explained = sealwire(home, &["topic", "explain", client, action, &topic]);
                String::from_utf8_lossy(&explained.stdout).contains("\"allowed\": true")
            });
        }
        Self {
            device: home.join("acme/clients").join(name),
            reader: home.join("basin/clients").join(name),
            topic,
        }
    }

    /// Runs a program with what it needs to know; its receipt must verify from genesis alone.
    fn run(&self, home: &Path, command: &mut Command, more: &[&Path]) {
        let receipt = self.device.join("first.receipt");
        let output = command
            .args([&self.device, &self.reader])
            .args([GATEWAY, &self.topic, &MESSAGES.to_string()])
            .arg(&receipt)
            .args(more)
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{command:?}: {}\n{text}{errors}",
            output.status
        );
        assert_eq!(
            text.trim(),
            format!("{MESSAGES} messages of {}", self.topic)
        );
        json(
            home,
            &["receipt", "verify", receipt.to_str().expect("UTF-8")],
        );
    }
}

/// Compiles a program of the C library's tests with every warning as an error.
fn compile(program: &str, to: &Path, link: &[String]) {
    let output = Command::new("cc")
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-I",
        ])
        .arg(crates("capi/include"))
        .arg(crates("capi/tests").join(program))
        .arg("-o")
        .arg(to)
        .args(link)
        .output()
        .expect("a C compiler: cc");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Compiles a program of the C library's tests, linked with the shared library.
pub fn compile_shared(program: &str, to: &Path) {
    let _ = dynamic_library("sealwire_capi");
    let here = libraries();
    let here = here.display();
    let shared = [
        format!("-L{here}"),
        "-lsealwire_capi".to_owned(),
        format!("-Wl,-rpath,{here}"),
    ];
    compile(program, to, &shared);
}

fn in_c(home: &Path, dir: &Path) {
    compile_shared("device.c", &dir.join("shared"));
    let here = libraries();
    let here = here.display();
    Pair::enrol(home, "c-shared").run(home, &mut Command::new(dir.join("shared")), &[]);
    let mut whole = vec![format!("{here}/libsealwire_capi.a"), "-lm".to_owned()];
    if cfg!(target_os = "linux") {
        whole.extend(["-lpthread".to_owned(), "-ldl".to_owned()]);
    }
    compile("device.c", &dir.join("whole"), &whole);
    Pair::enrol(home, "c-static").run(home, &mut Command::new(dir.join("whole")), &[]);
}

/// The Python that the tests use: the virtual environment's, or the system's.
pub fn python() -> Option<PathBuf> {
    let venv = crates("../.venv/bin/python");
    let given = env::var_os("SEALWIRE_PYTHON").map(PathBuf::from);
    let candidates = given.into_iter().chain([venv, "python3".into()]);
    candidates.into_iter().find(|python| {
        let probe = ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"];
        let output = Command::new(python).args(probe).output();
        output.is_ok_and(|output| output.status.success())
    })
}

/// Puts the module `sealwire` into `dir`, as an interpreter finds it.
pub fn python_module(dir: &Path) {
    let library = dynamic_library("sealwire_python");
    std::fs::copy(library, dir.join("sealwire.abi3.so")).expect("the module is copied");
}

fn in_python(home: &Path, dir: &Path) {
    let Some(python) = python() else {
        return missing("Python 3.9 or later", "apt-get install python3");
    };
    python_module(dir);
    let mut command = Command::new(python);
    command
        .env("PYTHONPATH", dir)
        .arg(crates("python/tests/device.py"));
    let stub = crates("python/sealwire.pyi");
    Pair::enrol(home, "python").run(home, &mut command, &[&stub]);
}

/// The examples of the client crate, by their own functions.
fn in_rust(home: &Path) {
    let Pair {
        device,
        reader,
        topic,
    } = &Pair::enrol(home, "rust");
    let lines: Vec<String> = (0..MESSAGES).map(|n| format!("reading {n}")).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (to, received) = mpsc::channel();
    let mut left = MESSAGES;
    let each = move |message: Message| {
        left -= 1;
        let text = String::from_utf8_lossy(&message.content).into_owned();
        to.send(text).is_ok() && left > 0
    };
    let (its_home, its_topic) = (reader.clone(), topic.clone());
    let reading =
        runtime.spawn(async move { subscribe::run(&its_home, &its_topic, GATEWAY, each).await });
    eventually("the reader has subscribed", || {
        let events = ["audit", "events", "basin.rust", "--kind", "subscribed"];
        let output = sealwire(home, &events);
        String::from_utf8_lossy(&output.stdout).contains("\"subscribed\"")
    });
    let text = lines.join("\n");
    let published = runtime.block_on(publish::run(device, topic, text.as_bytes()));
    assert_eq!(published.expect("the device works"), MESSAGES as u64);
    let read = runtime.block_on(reading).expect("the reader doesn't panic");
    read.expect("the reader works");
    assert_eq!(received.iter().collect::<Vec<_>>(), lines);
    eventually("all records are anchored, fetched and proven", || {
        let records = runtime.block_on(read_records::run(reader, topic, GATEWAY));
        let records = records.expect("the archive answers");
        assert!(records.iter().all(|(height, _)| *height > 0));
        let contents: Vec<&String> = records.iter().map(|(_, content)| content).collect();
        contents == lines.iter().collect::<Vec<_>>()
    });
}

#[test]
fn devices_in_c_python_and_rust_exchange_messages_and_read_records() {
    let _turn = my_turn();
    let dir = tempfile::tempdir().expect("a directory");
    let home = dir.path().join("home");
    let demo = Demo::start(&home);
    in_c(&home, dir.path());
    in_python(&home, dir.path());
    in_rust(&home);
    demo.stop();
}
