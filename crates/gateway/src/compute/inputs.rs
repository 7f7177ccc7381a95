//! From a job to the payloads that it is over: packages from the ledger's list, messages from the archive.

use sealwire_contracts::{Page, View, entry::PackageEntry};
use sealwire_envelope::{
    ClientId, PackageId,
    compute::{InputDigest, JobInput},
};
use sealwire_receipt::merkle;

use super::Refused;
use crate::hub::Hub;

/// Most packages of one job.
pub const PACKAGES_MAX: usize = 16_384;
/// Most payload bytes of one job.
pub const BYTES_MAX: u64 = 1 << 30;
/// Packages looked at in one step through the ledger's list.
const PAGE: usize = 1_000;

/// The payloads of one input, in order, and the packages that they are of.
pub struct Gathered {
    /// The packages, in order.
    pub packages: Vec<PackageId>,
    /// The payloads.
    pub payloads: Vec<Vec<u8>>,
}

impl Gathered {
    /// What the ledger holds of this input.
    pub fn digest(&self, readings: u64) -> InputDigest {
        InputDigest {
            packages: self.packages.len() as u64,
            root: merkle::root_of(&self.packages),
            readings,
        }
    }
}

/// The packages of an input that this gateway had anchored up to `height`, in order.
///
/// # Errors
/// [`Refused::Inputs`] when there are more than [`PACKAGES_MAX`].
pub fn packages(
    view: &View,
    gateway: &ClientId,
    input: &JobInput,
    height: u64,
) -> Result<Vec<PackageEntry>, Refused> {
    // The range ends before `to_ms`; the ledger's list takes the last millisecond itself.
    let Some(last_ms) = input.to_ms.checked_sub(1).filter(|last| *last >= input.from_ms) else {
        let why = format!("the time range of {} is empty", input.topic);
        return Err(Refused::Inputs(why));
    };
    let mut found = Vec::new();
    let mut page = Page {
        after: None,
        limit: PAGE,
        newest_first: false,
    };
    loop {
        let answer = view.packages_of(&input.topic, input.from_ms, last_ms, &page);
        let ours = answer.value.into_iter();
        found.extend(ours.filter(|it| it.anchor.gateway == *gateway && it.at.height <= height));
        if found.len() > PACKAGES_MAX {
            let why = format!(
                "{} has more than {PACKAGES_MAX} packages in that time: ask for less at once",
                input.topic
            );
            return Err(Refused::Inputs(why));
        }
        match answer.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    found.sort_by_key(|it| (it.anchor.from_ms, it.anchor.package));
    Ok(found)
}

/// The payloads of one input. `room` is how many more bytes the job may have; it shrinks.
///
/// # Errors
/// [`Refused::Inputs`] for too much; [`Refused::Storage`] when a package isn't in the archive, or damaged.
pub async fn gather(
    hub: &Hub,
    input: &JobInput,
    height: u64,
    room: &mut u64,
) -> Result<Gathered, Refused> {
    let listed = packages(&hub.ledger().view(), hub.client(), input, height)?;
    let mut payloads = Vec::new();
    let mut ids = Vec::with_capacity(listed.len());
    for entry in listed {
        let id = entry.anchor.package;
        let row = hub.archive().package(&id.0).await;
        let row = row.map_err(|error| Refused::Storage(error.to_string()))?;
        let row = row.ok_or_else(|| {
            Refused::Storage(format!("package {id} is on the ledger and not in the archive"))
        })?;
        *room = room.checked_sub(row.bytes).ok_or_else(|| {
            Refused::Inputs(format!(
                "the inputs have more than {BYTES_MAX} bytes: ask for less at once"
            ))
        })?;
        let records = hub.archive().records(&row).await;
        for record in records.map_err(|error| Refused::Storage(error.to_string()))? {
            let received_ms = record.message.received_ms;
            if (input.from_ms..input.to_ms).contains(&received_ms) {
                payloads.push(record.message.payload.to_vec());
            }
        }
        ids.push(id);
    }
    Ok(Gathered {
        packages: ids,
        payloads,
    })
}
