//! The demo's processes: real `sealwire node`, `gateway` and `console` children of this program.
//!
//! Each child prints one JSON line per event on standard output (see [`Event`]); its log goes to a
//! file beside its data. A child's standard input is a pipe that this process holds: when this
//! process ends, however it ends, the pipe closes and the child stops. A child that dies is started
//! again, on the same data.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use sealwire_envelope::OrgId;
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::{broadcast, mpsc, watch},
    time::timeout,
};

use crate::home::Home;

/// Events that the listener may be behind before children wait for it.
const EVENTS_BACKLOG: usize = 4096;
/// Enters that a child may be behind.
const ENTERS_BACKLOG: usize = 8;
/// How long a child may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Pause before a dead child is started again; doubles while it keeps dying young.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
/// Longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Which program a child is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An organisation's ledger node.
    Node(OrgId),
    /// An organisation's gateway.
    Gateway(OrgId),
    /// An organisation's web console.
    Console(OrgId),
}

impl Part {
    fn command(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Gateway(_) => "gateway",
            Self::Console(_) => "console",
        }
    }

    /// Whose it is.
    pub fn org(&self) -> &OrgId {
        match self {
            Self::Node(org) | Self::Gateway(org) | Self::Console(org) => org,
        }
    }

    fn log_path(&self, home: &Home) -> PathBuf {
        home.org(self.org()).join(format!("{}.log", self.command()))
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.org(), self.command())
    }
}

/// A line that a child printed.
#[derive(Clone, Debug)]
pub struct Event {
    /// By which child.
    pub part: Part,
    /// `{"event": …, …}`.
    pub value: serde_json::Value,
}

impl Event {
    /// The event's name.
    pub fn name(&self) -> &str {
        self.value["event"].as_str().unwrap_or_default()
    }
}

/// The running children.
pub struct Cluster {
    program: PathBuf,
    home: Home,
    events: mpsc::Sender<Event>,
    stop: watch::Sender<bool>,
    /// Enter, for children that listen to it.
    enter: broadcast::Sender<()>,
    keepers: Vec<tokio::task::JoinHandle<()>>,
}

impl Cluster {
    /// Starts `parts` and keeps them running; their events come out of the receiver.
    ///
    /// # Errors
    /// When a child can't be started at all.
    pub fn start(home: &Home, parts: &[Part]) -> Result<(Self, mpsc::Receiver<Event>)> {
        let program = std::env::current_exe().context("the path of this program")?;
        let (events, receiver) = mpsc::channel(EVENTS_BACKLOG);
        let mut cluster = Self {
            program,
            home: home.clone(),
            events,
            stop: watch::channel(false).0,
            enter: broadcast::channel(ENTERS_BACKLOG).0,
            keepers: Vec::new(),
        };
        for part in parts {
            cluster.add(part.clone())?;
        }
        Ok((cluster, receiver))
    }

    /// Starts one more child and keeps it running.
    ///
    /// # Errors
    /// When it can't be started at all.
    pub fn add(&mut self, part: Part) -> Result<()> {
        let child = spawn(&self.program, &self.home, &part)?;
        let keeper = Keeper {
            program: self.program.clone(),
            home: self.home.clone(),
            part,
            events: self.events.clone(),
            stop: self.stop.subscribe(),
            enter: self.enter.subscribe(),
        };
        self.keepers.push(tokio::spawn(keeper.run(child)));
        Ok(())
    }

    /// Passes Enter on: the console then makes another link.
    pub fn enter(&self) -> broadcast::Sender<()> {
        self.enter.clone()
    }

    /// Stops all children and waits until they are gone.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for keeper in self.keepers {
            let _ = keeper.await;
        }
    }
}

fn spawn(program: &Path, home: &Home, part: &Part) -> Result<Child> {
    let path = part.log_path(home);
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("{} can't be written", path.display()))?;
    let mut command = Command::new(program);
    command
        .args(["--json", "--home"])
        .arg(home.root())
        .args([
            part.command(),
            "--org",
            part.org().as_str(),
            "--until-stdin-closes",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    // A group of its own: Ctrl-C reaches this process, which then stops the children in order.
    #[cfg(unix)]
    command.process_group(0);
    command
        .spawn()
        .with_context(|| format!("the {part} can't be started"))
}

/// Keeps one child running until told to stop.
struct Keeper {
    program: PathBuf,
    home: Home,
    part: Part,
    events: mpsc::Sender<Event>,
    stop: watch::Receiver<bool>,
    enter: broadcast::Receiver<()>,
}

impl Keeper {
    async fn run(mut self, mut child: Child) {
        let mut pause = RESTART_PAUSE;
        loop {
            let started = tokio::time::Instant::now();
            let pid = child.id();
            self.emit(serde_json::json!({ "event": "process-started", "pid": pid }))
                .await;
            let stdout = child.stdout.take().expect("piped");
            // Taken out, because waiting for a child closes what it still holds.
            let mut stdin = child.stdin.take();
            let reader = tokio::spawn(forward(stdout, self.part.clone(), self.events.clone()));
            let status = loop {
                let stop = async {
                    let _ = self.stop.wait_for(|stop| *stop).await;
                };
                tokio::select! {
                    () = stop => break None,
                    status = child.wait() => break Some(status),
                    Ok(()) = self.enter.recv() => if let Some(stdin) = &mut stdin
                        && matches!(self.part, Part::Console(_))
                    {
                        // If it is gone, waiting for it says so.
                        let _ = stdin.write_all(b"\n").await;
                    },
                }
            };
            reader.abort();
            let Some(status) = status else {
                drop(stdin);
                if timeout(STOP_MAX, child.wait()).await.is_err() {
                    let _ = child.kill().await;
                }
                return;
            };
            if started.elapsed() > RESTART_PAUSE_MAX {
                pause = RESTART_PAUSE;
            }
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            let log = self.part.log_path(&self.home);
            self.emit(serde_json::json!({
                "event": "process-died", "status": status, "log": log,
            }))
            .await;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
            match spawn(&self.program, &self.home, &self.part) {
                Ok(next) => child = next,
                Err(error) => {
                    let text = format!("{error:#}");
                    self.emit(serde_json::json!({ "event": "process-lost", "error": text }))
                        .await;
                    return;
                }
            }
        }
    }

    async fn emit(&self, value: serde_json::Value) {
        let _ = self
            .events
            .send(Event {
                part: self.part.clone(),
                value,
            })
            .await;
    }
}

async fn forward(stdout: tokio::process::ChildStdout, part: Part, events: mpsc::Sender<Event>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(value) = serde_json::from_str(&line) {
            let event = Event {
                part: part.clone(),
                value,
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    }
}

/// What `GET /v1/status` of a ledger node or gateway says that the demo needs.
#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    height: u64,
}

/// Waits until `url` answers with at least `height`.
///
/// # Errors
/// When it doesn't within `limit`.
pub async fn wait_until_up(url: &str, height: u64, limit: Duration) -> Result<()> {
    let client = reqwest::Client::new();
    let wait = async {
        loop {
            let asked = client
                .get(format!("{url}/v1/status"))
                .timeout(Duration::from_secs(2))
                .send()
                .await;
            if let Ok(response) = asked
                && let Ok(status) = response.json::<Status>().await
                && status.height >= height
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(limit, wait).await.is_err() {
        bail!(
            "{url} isn't up after {} s: see the logs beside its data",
            limit.as_secs()
        );
    }
    Ok(())
}
