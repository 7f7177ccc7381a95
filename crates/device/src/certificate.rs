//! The life of a device's certificate: enrolled by a code, renewed by the device itself.
//!
//! The key is made here and stays here. Both go on where they were after any failure: call them again.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sealwire_client::{
    certificate::{self, Desk, Enrolment},
    identity::Peers,
};
use sealwire_envelope::{Code, Genesis, code::CodeKind, genesis::GENESIS_MAX_BYTES};
use tokio::{runtime::Builder, time::timeout};

use crate::{Device, Error, Pending};

/// What came of [`Device::renew`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Whether there is another certificate now.
    pub renewed: bool,
    /// From when on the certificate may be renewed, seconds since 1970.
    pub opens_s: u64,
    /// When the certificate that counts now ends, seconds since 1970.
    pub not_after_s: u64,
}

impl Device {
    /// Makes a key, has `desk` (`http://host:port`) issue a certificate for it by an enrolment code, checks
    /// it against the genesis file and the ledger, makes the home, and opens it. A home that this code made
    /// before is opened. The code says who the device is; `home` is the directory where it shall live.
    ///
    /// # Errors
    /// [`Error::Argument`] for a code or genesis that isn't one; [`Error::Life`]; [`Error::Timeout`].
    pub fn enrol(
        home: &Path,
        code: &str,
        desk: &str,
        genesis: &Path,
        passphrase: Option<&str>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let code =
            Code::parse(CodeKind::Enrolment, code).map_err(|e| Error::argument("code", e))?;
        let genesis = read_genesis(genesis)?;
        let desk = Desk::new(desk).map_err(|e| Error::argument("desk", e))?;
        let enrolment = Enrolment {
            code: &code,
            desk: &desk,
            genesis: Arc::new(genesis),
            nodes: Vec::new(),
            passphrase,
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::System)?;
        let enrolled = runtime.block_on(async {
            let enrolled = certificate::enrol(&enrolment, |_| home.to_owned());
            timeout(limit, enrolled).await
        });
        let what = "enrolling";
        enrolled.map_err(|_| Error::Timeout { what, limit })??;
        Self::open(home, passphrase)
    }

    /// Renews the certificate, if it is time: a new key, a certificate for it, the swap on the ledger and in
    /// the home; a session goes on. Call it daily. Another program may have done it: then this device takes
    /// over what is in its home. `desk`: without one, that of `peers.json`.
    ///
    /// # Errors
    /// [`Error::NoDesk`], [`Error::Life`], [`Error::Ledger`], [`Error::Timeout`].
    pub fn renew(&self, desk: Option<&str>, limit: Duration) -> Result<Pending<Renewal>, Error> {
        let desk = desk.map(|url| Desk::new(url).map_err(|e| Error::argument("desk", e)));
        let (device, desk) = (self.clone(), desk.transpose()?);
        Ok(Pending::begin_within(self, "renewing", limit, async move {
            device.renew_now(desk).await
        }))
    }

    async fn renew_now(&self, desk: Option<Desk>) -> Result<Renewal, Error> {
        let holder = self.holder();
        let (identity, ledger) = (&holder.identity, &holder.ledger);
        let window = certificate::renewal_window(ledger, identity).await?;
        if now_s() < window.opens_s {
            return Ok(Renewal {
                renewed: false,
                opens_s: window.opens_s,
                not_after_s: window.ends_s,
            });
        }
        let desk = match (desk, &identity.peers().desk) {
            (Some(desk), _) => desk,
            (None, Some(url)) => Desk::new(url).map_err(certificate::LifeError::from)?,
            (None, None) => {
                let client = self.client().clone();
                return Err(Error::NoDesk { client });
            }
        };
        let renewed = certificate::renew(identity, ledger, &desk, self.passphrase()).await?;
        let mut identity = renewed.identity;
        if identity.peers().desk.as_deref() != Some(desk.url()) {
            let desk = Some(desk.url().to_owned());
            identity.set_peers(Peers {
                desk,
                ..identity.peers().clone()
            })?;
        }
        self.take_over(identity).await?;
        let holder = self.holder();
        // The old key still opens them: nothing is lost if this must wait.
        if let Err(error) = certificate::reseal(&holder.identity, &holder.ledger).await {
            tracing::warn!(%error, "topic keys are still sealed to the key before");
        }
        let window = certificate::renewal_window(&holder.ledger, &holder.identity).await?;
        Ok(Renewal {
            renewed: true,
            opens_s: window.opens_s,
            not_after_s: window.ends_s,
        })
    }
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

fn read_genesis(path: &Path) -> Result<Genesis, Error> {
    use std::io::Read as _;
    let refused = |detail: &dyn std::fmt::Display| {
        Error::argument("genesis", format_args!("{}: {detail}", path.display()))
    };
    let mut json = Vec::new();
    // The text is longer than the CBOR that the limit is about: hexadecimal, at most thrice as long.
    let limit = 4 * GENESIS_MAX_BYTES as u64;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut json))
        .map_err(|error| refused(&error))?;
    Genesis::from_json(&json).map_err(|error| refused(&error))
}
