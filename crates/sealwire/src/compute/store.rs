//! Secret halves and shares of compute keys, in their owner's or holder's home.
//!
//! ```text
//! <client>/compute/<key id>.key          the key as the ledger has it (CBOR of ComputeKey)
//! <client>/compute/<key id>.secret       its secret half, mode 0600, encrypted where there is a passphrase
//! <client>/compute/<key id>.public       its public half
//! <client>/compute/<key id>.evaluation   its evaluation key, where it has one
//! <client>/compute/<public digest>.share a holder's share of a shared key, as a secret half
//! ```
//! A file with a secret is never overwritten.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sealwire_client::Identity;
use sealwire_compute::{NewKey, SecretKey, threshold::HolderShare};
use sealwire_envelope::{
    ComputeKeyId,
    compute::{ComputeKey, service::KEY_HALF_MAX_BYTES},
    decode_bounded, encode,
};
use sealwire_sm::{
    Sm3Digest,
    keyfile::{self, KeyFileError},
    sealed, sm3,
};
use zeroize::Zeroizing;

use super::read_bounded;
use crate::cli::PassphraseArgs;

/// Label of a file with a secret half.
const SECRET: &str = "SEALWIRE COMPUTE KEY";
/// Label of a file with a share.
const SHARE: &str = "SEALWIRE COMPUTE SHARE";
/// Longest passphrase file that is read, in bytes.
const PASSPHRASE_MAX_BYTES: usize = 4096;
/// Longest description of a key, in bytes.
const KEY_MAX_BYTES: usize = 64 * 1024;

/// The compute keys of one client.
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Those of an identity.
    ///
    /// # Errors
    /// When it lives in memory only.
    pub fn of(identity: &Identity) -> Result<Self> {
        let home = identity.home().with_context(|| {
            let client = identity.client();
            format!("{client} has no home directory to keep compute keys in")
        })?;
        let dir = home.join("compute");
        Ok(Self { dir })
    }

    fn path(&self, name: &dyn std::fmt::Display, kind: &str) -> PathBuf {
        self.dir.join(format!("{name}.{kind}"))
    }

    fn make_dir(&self) -> Result<()> {
        std::fs::create_dir_all(&self.dir)
            .with_context(|| format!("{} can't be made", self.dir.display()))
    }

    /// Keeps a new key; the secret half first, so that no public half is without it. Says where it is.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(
        &self,
        key: &ComputeKey,
        new: &NewKey,
        passphrase: Option<&str>,
    ) -> Result<PathBuf> {
        self.make_dir()?;
        let id = key.id();
        let secret = self.path(&id, "secret");
        write_secret(&secret, SECRET, &new.secret.to_bytes(), passphrase)?;
        self.write(&id, "public", &new.public)?;
        if let Some(evaluation) = &new.evaluation {
            self.write(&id, "evaluation", evaluation)?;
        }
        self.write(&id, "key", &encode(key))?;
        Ok(secret)
    }

    /// Keeps a key without a secret half: a shared one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep_shared(&self, key: &ComputeKey, public: &[u8]) -> Result<()> {
        self.make_dir()?;
        let id = key.id();
        self.write(&id, "public", public)?;
        self.write(&id, "key", &encode(key))
    }

    fn write(&self, id: &ComputeKeyId, kind: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path(id, kind);
        keyfile::write_private(&path, bytes)
            .with_context(|| format!("{} can't be written", path.display()))
    }

    /// A key that was made here.
    ///
    /// # Errors
    /// When it wasn't.
    pub fn key(&self, id: &ComputeKeyId) -> Result<ComputeKey> {
        let path = self.path(id, "key");
        let bytes = read_bounded(&path, KEY_MAX_BYTES, "compute key")
            .with_context(|| format!("compute key {id} wasn't made in {}", self.dir.display()))?;
        let key: ComputeKey = decode_bounded(&bytes, KEY_MAX_BYTES)
            .with_context(|| format!("{} isn't a compute key", path.display()))?;
        ensure!(key.id() == *id, "{} is another key", path.display());
        Ok(key)
    }

    /// The keys that were made here.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn keys(&self) -> Result<Vec<ComputeKeyId>> {
        if !self.dir.exists() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(&self.dir)
            .with_context(|| format!("{} can't be read", self.dir.display()))?;
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|kind| kind == "key")
                && let Some(id) = stem.and_then(|stem| stem.parse().ok())
            {
                keys.push(id);
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    /// Where a key's secret half is, if it is here.
    pub fn secret_path(&self, id: &ComputeKeyId) -> Option<PathBuf> {
        Some(self.path(id, "secret")).filter(|path| path.exists())
    }

    /// A key's secret half.
    ///
    /// # Errors
    /// When it isn't here, or the passphrase is missing or wrong.
    pub fn secret(&self, id: &ComputeKeyId, passphrase: &PassphraseArgs) -> Result<SecretKey> {
        let path = self.secret_path(id).with_context(|| {
            format!(
                "the secret half of compute key {id} isn't in {}: open the result where the key was made; \
                 a shared key opens with `sealwire compute combine`",
                self.dir.display()
            )
        })?;
        let bytes = read_secret(&path, SECRET, passphrase)?;
        SecretKey::from_bytes(&bytes).with_context(|| wrong(&path))
    }

    /// A public half that was kept here.
    pub fn public(&self, key: &ComputeKey) -> Option<Vec<u8>> {
        self.half(key, "public", Some(key.public))
    }

    /// An evaluation key that was kept here.
    pub fn evaluation(&self, key: &ComputeKey) -> Option<Vec<u8>> {
        self.half(key, "evaluation", key.evaluation)
    }

    fn half(&self, key: &ComputeKey, kind: &str, digest: Option<Sm3Digest>) -> Option<Vec<u8>> {
        let path = self.path(&key.id(), kind);
        let bytes = read_bounded(&path, KEY_HALF_MAX_BYTES, "half of a compute key").ok()?;
        (Some(sm3(&[&bytes])) == digest).then_some(bytes)
    }

    /// Keeps a public half that came from elsewhere, so that it needn't be fetched again.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn remember_public(&self, id: &ComputeKeyId, bytes: &[u8]) -> Result<()> {
        self.make_dir()?;
        self.write(id, "public", bytes)
    }

    /// Keeps a holder's share. Says where it is.
    ///
    /// # Errors
    /// When there is one already, or the file system refuses.
    pub fn keep_share(&self, share: &HolderShare, passphrase: Option<&str>) -> Result<PathBuf> {
        self.make_dir()?;
        let path = self.path(&share.public(), "share");
        write_secret(&path, SHARE, &share.to_bytes(), passphrase)?;
        Ok(path)
    }

    /// A holder's share of a key.
    ///
    /// # Errors
    /// When it isn't here, or the passphrase is missing or wrong.
    pub fn share(&self, key: &ComputeKey, passphrase: &PassphraseArgs) -> Result<HolderShare> {
        let path = self.path(&key.public, "share");
        ensure!(
            path.exists(),
            "there is no share of compute key {} in {}: `sealwire compute ceremony finish` puts it there",
            key.id(),
            self.dir.display()
        );
        let bytes = read_secret(&path, SHARE, passphrase)?;
        HolderShare::from_bytes(&bytes).with_context(|| wrong(&path))
    }
}

fn wrong(path: &Path) -> String {
    format!(
        "{} doesn't hold what it should: is the passphrase the right one?",
        path.display()
    )
}

fn write_secret(path: &Path, label: &str, bytes: &[u8], passphrase: Option<&str>) -> Result<()> {
    ensure!(
        !path.exists(),
        "{} exists: a secret is never overwritten, move it away first",
        path.display()
    );
    let mut rng = rand::rng();
    let passphrase = passphrase.map(|text| (text, &mut rng));
    Ok(sealed::write(path, label, bytes, passphrase)?)
}

fn read_secret(
    path: &Path,
    label: &str,
    passphrase: &PassphraseArgs,
) -> Result<Zeroizing<Vec<u8>>> {
    let text = if sealed::is_encrypted(path, label)? {
        let given = passphrase.given("Passphrase of the secret half: ")?;
        // Without a word on the command line, whoever sits there is asked.
        match given {
            None if console::user_attended_stderr() => {
                Some(ask("Passphrase of the secret half: ")?)
            }
            given => given,
        }
    } else {
        None
    };
    match sealed::read(path, label, text.as_ref().map(|text| text.as_str())) {
        Err(error @ KeyFileError::NeedsPassphrase { .. }) => {
            Err(error).context("say --passphrase-file FILE, or --passphrase to type it")
        }
        read => Ok(read?),
    }
}

impl PassphraseArgs {
    /// The passphrase for a new file; none where none is wanted.
    ///
    /// # Errors
    /// When the file can't be read, it is empty, or what was typed twice differs.
    pub fn for_new(&self) -> Result<Option<Zeroizing<String>>> {
        let first = self.given("New passphrase: ")?;
        if self.passphrase {
            let again = ask("The same again: ")?;
            ensure!(
                first.as_ref() == Some(&again),
                "the two passphrases differ: type the same twice"
            );
        }
        Ok(first)
    }

    fn given(&self, prompt: &str) -> Result<Option<Zeroizing<String>>> {
        if self.passphrase {
            return Ok(Some(ask(prompt)?));
        }
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(read_bounded(path, PASSPHRASE_MAX_BYTES, "passphrase file")?);
        let text = std::str::from_utf8(&bytes)
            .with_context(|| format!("passphrase file {}: not UTF-8", path.display()))?;
        let line = text.lines().next().unwrap_or_default();
        ensure!(
            !line.is_empty(),
            "passphrase file {}: its first line is empty",
            path.display()
        );
        Ok(Some(Zeroizing::new(line.to_owned())))
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>> {
    let terminal = console::Term::stderr();
    ensure!(
        terminal.is_term(),
        "there is no terminal to type a passphrase on: say --passphrase-file FILE"
    );
    terminal.write_str(prompt)?;
    let line = Zeroizing::new(terminal.read_secure_line().context("the passphrase")?);
    ensure!(!line.is_empty(), "an empty passphrase protects nothing");
    Ok(line)
}
