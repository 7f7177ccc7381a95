//! What a contract is given while it runs one call: state, block, sender, and a place for its writes.

use sealwire_envelope::{CertId, ChainId, ClientId, OrgId};
use sealwire_sm::cert::Role;

use crate::decide::{Action, Decision, decide_over};
use crate::entry::Moment;
use crate::history::Versioned;
use crate::keys;
use crate::outcome::{Code, Refusal};
use crate::state::{Fault, Missing, Overlay, Read, Writes, touch};

/// The block that is executed: all a contract may know of time and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The ledger's chain id.
    pub chain: ChainId,
    /// Height of the block; the first is 1.
    pub height: u64,
    /// Time in its header, Unix milliseconds.
    pub time_ms: u64,
}

impl Block {
    /// The block's time in Unix seconds, rounded down: the unit of certificates and grants.
    pub fn time_s(&self) -> u64 {
        self.time_ms / 1000
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            height: self.height,
            time_ms: self.time_ms,
        }
    }
}

/// Who sent a transaction, as its registered certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Certificate that signed.
    pub certificate: CertId,
    /// Client it names.
    pub client: ClientId,
    /// Role it gives.
    pub role: Role,
}

impl Sender {
    /// The sender's organisation.
    pub fn org(&self) -> OrgId {
        self.client.org()
    }
}

/// Why a call stops: no outcome yet, or a refusal that becomes the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Fault(Fault),
    Refused(Refusal),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Fault(missing.into())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Refuses the call unless a condition holds: `ensure!(condition, Code, "detail {}", ..)`.
macro_rules! ensure {
    ($condition:expr, $code:ident, $($detail:tt)+) => {
        if !$condition {
            return Err($crate::outcome::Code::$code.because(format_args!($($detail)+)).into());
        }
    };
}
pub(crate) use ensure;

/// Reads and decodes an entry.
pub(crate) fn load<T, R>(read: &R, key: &[u8]) -> Result<Option<T>, Fault>
where
    T: for<'b> minicbor::Decode<'b, ()>,
    R: Read + ?Sized,
{
    match read.get(key)? {
        None => Ok(None),
        Some(bytes) => match minicbor::decode(&bytes) {
            Ok(entry) => Ok(Some(entry)),
            Err(_) => Err(Fault::Corrupt { key: key.to_vec() }),
        },
    }
}

/// The bytes of an entry.
pub(crate) fn bytes<T: minicbor::Encode<()>>(entry: &T) -> Vec<u8> {
    sealwire_envelope::encode(entry)
}

/// One call while it runs. Reads see the call's own writes.
pub(crate) struct Context<'a, R> {
    pub(crate) block: &'a Block,
    /// Index of the transaction in the block.
    pub(crate) index: u32,
    pub(crate) sender: &'a Sender,
    state: Overlay<&'a R>,
}

impl<'a, R: Read> Context<'a, R> {
    pub(crate) fn new(block: &'a Block, index: u32, sender: &'a Sender, read: &'a R) -> Self {
        Self {
            block,
            index,
            sender,
            state: Overlay::new(read),
        }
    }

    pub(crate) fn entry<T>(&self, key: &[u8]) -> Result<Option<T>, Fault>
    where
        T: for<'b> minicbor::Decode<'b, ()>,
    {
        load(&self.state, key)
    }

    pub(crate) fn exists(&self, key: &[u8]) -> Result<bool, Missing> {
        Ok(self.state.get(key)?.is_some())
    }

    /// Whether a client may do something in the block that is executed, and why.
    pub(crate) fn decide(
        &self,
        client: &ClientId,
        action: Action<'_>,
    ) -> Result<Decision, Missing> {
        let Block {
            height, time_ms, ..
        } = *self.block;
        decide_over(&self.state, height, client, &action, time_ms)
    }

    pub(crate) fn touch(&self, keys: impl IntoIterator<Item = Vec<u8>>) -> Result<(), Missing> {
        touch(&self.state, keys)
    }

    pub(crate) fn put<T: minicbor::Encode<()>>(&mut self, key: Vec<u8>, entry: &T) {
        let mut write = Writes::new();
        write.put(key, bytes(entry));
        self.state.merge(write);
    }

    /// Writes a new version of an entry, and keeps the one that was in force before this block.
    pub(crate) fn amend<T: minicbor::Encode<()> + Versioned>(
        &mut self,
        key: Vec<u8>,
        old: Option<&T>,
        new: &T,
    ) {
        debug_assert_eq!(new.since().height, self.block.height);
        if let Some(old) = old
            && old.since().height < self.block.height
        {
            self.put(keys::history(self.block.height, &key), old);
        }
        self.put(key, new);
    }

    pub(crate) fn allow(&self, roles: &[Role]) -> Result<(), Refusal> {
        if roles.contains(&self.sender.role) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        let detail = format!(
            "needs {}, is {}",
            names.join(" or "),
            self.sender.role.as_str()
        );
        Err(Code::RoleNotAllowed.because(detail))
    }

    pub(crate) fn into_writes(self) -> Writes {
        self.state.into_writes()
    }
}
