//! A live session, as the watcher and the audit see it.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use sealwire_envelope::{CertId, ClientId};
use tokio::sync::watch;

use super::{Admitted, lock};
use crate::{audit::ConnectInfo, rights::Refusal};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A live session, as the watcher sees it.
pub struct Session {
    /// Number of the connection.
    pub id: u64,
    /// The client.
    pub client: ClientId,
    /// By which it was admitted, or stayed.
    standing: Mutex<Standing>,
    /// Its name in the engine.
    pub name: String,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Protocol version, 4 or 5.
    pub version: u8,
    /// What its CONNECT said.
    pub info: ConnectInfo,
    /// By enhanced authentication, so it can re-authenticate.
    pub enhanced: bool,
    /// Filters it is subscribed to.
    pub filters: Mutex<BTreeSet<String>>,
    closing: watch::Sender<Option<Refusal>>,
}

/// What a session rests on; re-authentication changes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The certificate whose holder showed itself.
    pub certificate: CertId,
    /// Height of the state that admitted it.
    pub height: u64,
}

impl Session {
    /// The session of an admitted connection, and where its end is heard of.
    pub(super) fn begin(
        admitted: &Admitted,
        peer: SocketAddr,
    ) -> (Arc<Self>, watch::Receiver<Option<Refusal>>) {
        let (closing, close) = watch::channel(None);
        let standing = Standing {
            certificate: admitted.certificate,
            height: admitted.height,
        };
        let session = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            client: admitted.client.clone(),
            standing: Mutex::new(standing),
            name: admitted.connect.client_id.clone(),
            peer,
            version: admitted.connect.protocol_version,
            info: admitted.info.clone(),
            enhanced: admitted.enhanced,
            filters: Mutex::default(),
            closing,
        };
        (Arc::new(session), close)
    }

    /// What it rests on now.
    pub fn standing(&self) -> Standing {
        *lock(&self.standing)
    }

    /// Rests it on something else; what it rested on before.
    pub(super) fn set_standing(&self, standing: Standing) -> Standing {
        std::mem::replace(&mut *lock(&self.standing), standing)
    }

    /// End the session for this reason; `false` if it is ending already.
    pub fn close(&self, why: Refusal) -> bool {
        self.closing.send_if_modified(|slot| {
            let first = slot.is_none();
            slot.get_or_insert(why);
            first
        })
    }

    /// Filters it is subscribed to.
    pub fn filters(&self) -> BTreeSet<String> {
        lock(&self.filters).clone()
    }

    pub(super) fn with_filters<T>(&self, f: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        f(&mut lock(&self.filters))
    }
}
