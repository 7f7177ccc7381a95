//! Starts `sealwire demo` on a directory of its own and talks to it through the command line.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sealwire");
/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other test of this binary runs.
pub fn my_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `sealwire` with `--home` and `--json`.
pub fn sealwire(home: &Path, args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("--home")
        .arg(home)
        .arg("--json")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// As [`sealwire`], and must succeed with one JSON document.
pub fn json(home: &Path, args: &[&str]) -> Value {
    let output = sealwire(home, args);
    assert!(
        output.status.success(),
        "sealwire {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// Runs until it holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A running demo; dropping it ends it.
pub struct Demo {
    child: Child,
    /// The services' addresses.
    pub ready: Value,
    /// Every process that was started: its part and id, the newest last.
    pub processes: Arc<Mutex<Vec<(String, u64)>>>,
    /// The console's one-time links, the newest last.
    pub links: Arc<Mutex<Vec<String>>>,
}

impl Demo {
    /// Starts it on `home` and waits until everything is up.
    pub fn start(home: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("--home")
            .arg(home)
            .args(["--json", "demo"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let stdout = child.stdout.take().expect("piped");
        let processes = Arc::new(Mutex::new(Vec::new()));
        let (told, ready) = mpsc::channel();
        let seen = processes.clone();
        let links = Arc::new(Mutex::new(Vec::new()));
        let linked = links.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                if let Some(link) = event["link"].as_str() {
                    linked.lock().unwrap().push(link.to_owned());
                }
                match event["event"].as_str() {
                    Some("ready") => drop(told.send(event)),
                    Some("process-started") => {
                        let part = event["part"].as_str().unwrap_or_default().to_owned();
                        let pid = event["pid"].as_u64().unwrap_or_default();
                        seen.lock().unwrap().push((part, pid));
                    }
                    _ => {}
                }
            }
        });
        let ready = ready.recv_timeout(PATIENCE).expect("the demo comes up");
        Self {
            child,
            ready,
            processes,
            links,
        }
    }

    /// The MQTT address of the first gateway: host and port.
    pub fn mqtt(&self) -> (String, String) {
        let address = self.ready["services"][0]["mqtt"]
            .as_str()
            .expect("a gateway");
        let (host, port) = address.rsplit_once(':').expect("host:port");
        (host.to_owned(), port.to_owned())
    }

    /// The process that is `part` now.
    pub fn pid(&self, part: &str) -> Option<u64> {
        let processes = self.processes.lock().unwrap();
        processes
            .iter()
            .rev()
            .find(|(name, _)| name == part)
            .map(|(_, pid)| *pid)
    }

    /// Ends it in order, as Ctrl-C does.
    pub fn stop(mut self) {
        signal("-INT", u64::from(self.child.id()));
        let status = self.child.wait().expect("the demo ends");
        assert!(status.success(), "the demo ended with {status}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Its children see their standard input close and stop by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by the `kill` program.
pub fn signal(signal: &str, pid: u64) {
    let _ = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
}
