//! Flips one byte of one archived message on the gateway's disk, looks who notices, and puts it
//! back.
//!
//! Two must notice, each on its own: the gateway, which checks what it reads before it hands it
//! out; and the reader, who checks a package against the root on the ledger and would notice even
//! if the gateway lied.

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::archive::FetchError;
use sealwire_envelope::{OrgId, PackageId, record::Package};
use sealwire_receipt::merkle;
use sqlx::{Connection as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{actor::Actor, home::Home, record};

/// Does it to the first message of `package`, which `actor` may read.
///
/// # Errors
/// When nobody notices, or the archive's file can't be written.
pub async fn flipped_byte_is_noticed(
    home: &Home,
    gateway: &OrgId,
    actor: &Actor,
    (id, package): &(PackageId, Package),
) -> Result<((), String)> {
    let path = home.gateway_dir(gateway).join("archive.sqlite");
    let options = SqliteConnectOptions::new().filename(&path);
    let mut archive = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("{} can't be opened", path.display()))?;
    let row = sqlx::query(
        "SELECT seq, payload FROM messages \
         WHERE seq = (SELECT first_seq FROM packages WHERE id = ?)",
    )
    .bind(id.as_ref())
    .fetch_one(&mut archive)
    .await?;
    let (seq, payload): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    let mut flipped = payload.clone();
    *flipped.last_mut().context("the message is empty")? ^= 1;

    write(&mut archive, seq, &flipped).await?;
    let answer = record::archive_of(actor, Some(gateway))?.package(id).await;
    write(&mut archive, seq, &payload).await?;
    let noticed = match answer {
        Err(FetchError::Refused(problem)) => problem.detail,
        Err(error) => error.to_string(),
        Ok(_) => bail!("the gateway handed a changed message out"),
    };

    // The reader's own check, with no gateway in between.
    let mut records: Vec<Vec<u8>> = package.records.iter().map(|r| r.to_vec()).collect();
    let anchor = actor
        .ledger
        .package(id)
        .await?
        .context("the package isn't anchored")?
        .anchor;
    ensure!(
        merkle::root_of(&records) == anchor.root,
        "the package isn't the anchored one"
    );
    *records[0].last_mut().context("the record is empty")? ^= 1;
    ensure!(
        merkle::root_of(&records) != anchor.root,
        "the root doesn't depend on every byte"
    );
    record::fetch(actor, Some(gateway), id)
        .await
        .context("the byte is back, but")?;
    Ok((
        (),
        format!("by the gateway ({noticed}) and by the anchored root"),
    ))
}

async fn write(archive: &mut SqliteConnection, seq: i64, payload: &[u8]) -> Result<()> {
    let done = sqlx::query("UPDATE messages SET payload = ? WHERE seq = ?")
        .bind(payload)
        .bind(seq)
        .execute(archive)
        .await?;
    ensure!(
        done.rows_affected() == 1,
        "message {seq} isn't in the archive"
    );
    Ok(())
}
