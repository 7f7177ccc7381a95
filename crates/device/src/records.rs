//! What a gateway has archived of a topic: fetched, verified, opened, one record after another.
//!
//! ```text
//! list of packages ──► package: records make the manifest's root (sealwire-client)
//!   ──► the ledger's proven entry of the package has that root ──► record: decrypt, check signature
//! ```
//! The list ends before the first package that isn't anchored: what isn't on the ledger can't be
//! verified, and nothing is skipped. Go on later with `after` = the last record's
//! [`package_number`](Record::package_number).

use std::{collections::VecDeque, time::Duration};

use sealwire_client::{
    Archive,
    archive::{self, Listed},
};
use sealwire_envelope::{ClientId, PackageId, TopicName, record::Package};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use zeroize::Zeroizing;

use crate::{Device, Error, Kind, Pending};

/// Packages on one page of the list.
const PAGE: u32 = 100;
/// How long the ledger node that we ask may be behind the gateway's.
const ANCHOR_WAIT: Duration = Duration::from_secs(5);
/// Pause before it is asked again.
const ANCHOR_PAUSE: Duration = Duration::from_millis(250);

/// An archived message, verified and opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// On which topic.
    pub topic: TopicName,
    /// Who signed it; on an open topic, whom the gateway names.
    pub sender: ClientId,
    /// Under the sender's signature; none on an open topic.
    pub sequence: Option<u64>,
    /// What the content is; none on an open topic.
    pub content_type: Option<String>,
    /// The content.
    pub content: Zeroizing<Vec<u8>>,
    /// When the gateway received it, milliseconds since 1970.
    pub received_ms: u64,
    /// The package that holds it.
    pub package: PackageId,
    /// The gateway's number of the package: `after`, to go on behind it.
    pub package_number: u64,
    /// Place in the package.
    pub index: u64,
    /// Height of the block that anchored the package.
    pub anchored_height: u64,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (package, index) = (self.package, self.index);
        write!(f, "Record({} {package} {index})", self.topic)
    }
}

/// The records of a topic, oldest first. In memory is one package at a time, 256 MiB at most.
#[derive(Clone)]
pub struct Records {
    device: Device,
    state: std::sync::Arc<Mutex<State>>,
}

struct State {
    archive: Archive,
    topic: TopicName,
    /// Where the next page begins; none: there is none.
    after: Option<u64>,
    listed: VecDeque<Listed>,
    current: Option<Current>,
    /// Opened and not yet taken.
    ready: Option<Record>,
}

/// A verified package.
struct Current {
    package: Package,
    id: PackageId,
    number: u64,
    anchored_height: u64,
    /// The next record.
    index: usize,
}

impl Records {
    pub(crate) fn new(device: &Device, archive: Archive, topic: TopicName, after: u64) -> Self {
        let state = State {
            archive,
            topic,
            after: Some(after),
            listed: VecDeque::new(),
            current: None,
            ready: None,
        };
        Self {
            device: device.clone(),
            state: std::sync::Arc::new(Mutex::new(state)),
        }
    }

    /// Fetches, unless a record is ready; then [`take`](Self::take) it. False: there are no more.
    ///
    /// Stopping it loses nothing.
    ///
    /// # Errors
    /// [`Error::Fetch`], [`Error::NotAnchored`], [`Error::OtherRoot`], [`Error::Ledger`],
    /// [`Error::Timeout`]: the same again next time. [`Error::Record`]: one record that can't be
    /// opened; the next time the one after it.
    pub fn fetch(&self, limit: Duration) -> Pending<bool> {
        let (device, state) = (self.device.clone(), self.state.clone());
        Pending::begin_within(&self.device, "fetching records", limit, async move {
            let mut state = state.lock().await;
            while state.ready.is_none() {
                if state.current.is_some() {
                    state.open(&device).await?;
                } else if !state.next_package(&device).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The record that is ready; another thread may have taken it.
    pub fn take(&self) -> Option<Record> {
        self.device
            .runtime()
            .block_on(async { self.state.lock().await.ready.take() })
    }

    /// Fetches and takes the next record; none at the end.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    pub fn next(&self, limit: Duration) -> Result<Option<Record>, Error> {
        while self.fetch(limit).wait()? {
            if let Some(record) = self.take() {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

// Every await comes before the change that it is for: a future that is dropped changes nothing.
impl State {
    /// Makes the next package the current one; false: there is none.
    async fn next_package(&mut self, device: &Device) -> Result<bool, Error> {
        let Some(listed) = self.listed.front() else {
            let Some(after) = self.after else {
                return Ok(false);
            };
            let page = self.archive.packages(&self.topic, after, PAGE).await?;
            self.listed = page.packages.into();
            // A gateway that pages in circles is stopped.
            self.after = page.next.filter(|next| *next > after);
            return Ok(!self.listed.is_empty() || self.after.is_some());
        };
        if listed.height.is_none() {
            self.listed.clear();
            self.after = None;
            return Ok(false);
        }
        let (id, number) = (listed.package, listed.number);
        let package = self.archive.package(&id).await?;
        let anchored_height = verify_anchor(device, &id, &package).await?;
        self.listed.pop_front();
        self.current = Some(Current {
            package,
            id,
            number,
            anchored_height,
            index: 0,
        });
        Ok(true)
    }

    /// Opens the current package's next record; behind the last one there is no current package.
    async fn open(&mut self, device: &Device) -> Result<(), Error> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let index = current.index;
        let Some(bytes) = current.package.records.get(index) else {
            self.current = None;
            return Ok(());
        };
        let package = current.id;
        let opened = match archive::open(&device.holder().keyring, bytes).await {
            Ok(opened) => opened,
            Err(source) => {
                let error = Error::Record {
                    package,
                    index,
                    source: Box::new(source),
                };
                if error.kind() == Kind::Unreadable {
                    current.index += 1;
                }
                return Err(error);
            }
        };
        current.index += 1;
        let archive::Opened {
            record,
            header,
            content_type,
            content,
        } = opened;
        let sequence = header.as_ref().map(|header| header.sequence);
        self.ready = Some(Record {
            topic: record.topic,
            sender: header.map_or(record.sender, |header| header.sender),
            sequence,
            content_type,
            content,
            received_ms: record.received_ms,
            package,
            package_number: current.number,
            index: u64::try_from(index).unwrap_or(u64::MAX),
            anchored_height: current.anchored_height,
        });
        Ok(())
    }
}

/// The height at which the ledger anchored the package with this root.
async fn verify_anchor(device: &Device, id: &PackageId, package: &Package) -> Result<u64, Error> {
    let start = Instant::now();
    loop {
        if let Some(entry) = device.holder().ledger.package(id).await? {
            let (found, anchored) = (package.manifest.root, entry.anchor.root);
            if found != anchored {
                return Err(Error::OtherRoot {
                    package: *id,
                    found,
                    anchored,
                });
            }
            return Ok(entry.at.height);
        }
        if start.elapsed() > ANCHOR_WAIT {
            return Err(Error::NotAnchored { package: *id });
        }
        sleep(ANCHOR_PAUSE).await;
    }
}
