//! Keys and certificates on their way into a home: made, not in force yet.
//!
//! | File | What | Until |
//! |---|---|---|
//! | `enrol.key` | key of a client that has no certificate yet | the identity is whole |
//! | `next.key` | key of a renewal | it is `client.key` |
//! | `next.crt` | the certificate that the desk issued for it | it is `client.crt` |
//! | `client.previous.key` | the key before the present one | the next renewal |
//!
//! A renewal ends in three steps, each atomic. `client.crt` decides which key is in force:
//!
//! ```text
//! 1. client.previous.key := client.key     the old identity is whole
//! 2. client.crt          := next.crt       the new one is, with its key in next.key
//! 3. next.key renamed to client.key        the new one is, with its key in place
//! ```
//!
//! After a crash between 2 and 3, loading finishes step 3.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sealwire_sm::{Certificate, PublicKey, SecretKey, keyfile};

use super::{IdentityError, read, write};

/// The files of one home.
pub(crate) struct Pending<'a> {
    home: &'a Path,
    passphrase: Option<&'a str>,
}

impl<'a> Pending<'a> {
    pub(crate) fn new(home: &'a Path, passphrase: Option<&'a str>) -> Self {
        Self { home, passphrase }
    }

    /// What its keys are encrypted with.
    pub(crate) fn passphrase(&self) -> Option<&'a str> {
        self.passphrase
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// The key of an enrolment: the one that an earlier attempt made, or a new one.
    pub(crate) fn enrolment_key(&self) -> Result<SecretKey, IdentityError> {
        self.key_or_new("enrol.key")
    }

    /// The key of an enrolment, if one was begun.
    pub(crate) fn begun_enrolment(&self) -> Result<Option<SecretKey>, IdentityError> {
        self.key("enrol.key")
    }

    /// The identity is whole: forget the enrolment.
    pub(crate) fn enrolment_done(&self) -> Result<(), IdentityError> {
        self.remove("enrol.key")
    }

    /// The key of a renewal: the one that an earlier attempt made, or a new one.
    pub(crate) fn next_key(&self) -> Result<SecretKey, IdentityError> {
        self.key_or_new("next.key")
    }

    /// The certificate of a renewal, if the desk has answered.
    pub(crate) fn next_certificate(&self) -> Result<Option<Certificate>, IdentityError> {
        let path = self.path("next.crt");
        match path.exists() {
            true => Ok(Some(Certificate::from_pem(&read(&path)?)?)),
            false => Ok(None),
        }
    }

    pub(crate) fn save_next_certificate(&self, next: &Certificate) -> Result<(), IdentityError> {
        write(&self.path("next.crt"), next.to_pem().as_bytes())
    }

    /// Forgets the certificate of a renewal that the ledger doesn't take.
    pub(crate) fn forget_next_certificate(&self) -> Result<(), IdentityError> {
        self.remove("next.crt")
    }

    /// Puts the next key and certificate in the place of the present ones.
    pub(crate) fn swap(&self) -> Result<(), IdentityError> {
        let present = zeroize::Zeroizing::new(read(&self.path("client.key"))?);
        let next = read(&self.path("next.crt"))?;
        write(&self.path("client.previous.key"), present.as_bytes())?;
        sync(self.home)?;
        write(&self.path("client.crt"), next.as_bytes())?;
        sync(self.home)?;
        self.finish_swap()
    }

    /// Step 3, as often as one likes.
    fn finish_swap(&self) -> Result<(), IdentityError> {
        let (from, to) = (self.path("next.key"), self.path("client.key"));
        match fs::rename(&from, &to) {
            // Another process was here first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(IdentityError::Io { path: to, source }),
            Ok(()) => sync(self.home)?,
        }
        self.remove("next.crt")
    }

    /// The key for this certificate: `client.key`, or the one of a swap that was cut off.
    pub(super) fn key_of(
        &self,
        certificate: &PublicKey,
    ) -> Result<Option<SecretKey>, IdentityError> {
        let present = keyfile::read(&self.path("client.key"), self.passphrase)?;
        if present.public_key() == certificate {
            return Ok(Some(present));
        }
        let next = self.key("next.key")?;
        let next = next.filter(|key| key.public_key() == certificate);
        if next.is_some() {
            self.finish_swap()?;
        }
        Ok(next)
    }

    /// The key before the present one.
    pub(super) fn previous_key(&self) -> Result<Option<SecretKey>, IdentityError> {
        self.key("client.previous.key")
    }

    fn key_or_new(&self, name: &str) -> Result<SecretKey, IdentityError> {
        if let Some(key) = self.key(name)? {
            return Ok(key);
        }
        fs::create_dir_all(self.home).map_err(|source| IdentityError::Io {
            path: self.home.to_owned(),
            source,
        })?;
        let mut rng = rand::rng();
        let key = SecretKey::generate(&mut rng);
        let passphrase = self.passphrase.map(|text| (text, &mut rng));
        keyfile::write(&self.path(name), &key, passphrase)?;
        sync(self.home)?;
        Ok(key)
    }

    fn key(&self, name: &str) -> Result<Option<SecretKey>, IdentityError> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        Ok(Some(keyfile::read(&path, self.passphrase)?))
    }

    fn remove(&self, name: &str) -> Result<(), IdentityError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IdentityError::Io {
                path,
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Keeps other processes from the same work as long as it lives; none when one is at it.
    pub(crate) fn lock(&self) -> Result<Option<fs::File>, IdentityError> {
        let path = self.path("pending.lock");
        let failed = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(self.home).map_err(failed)?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

/// Makes renames in a directory last.
pub(super) fn sync(directory: &Path) -> Result<(), IdentityError> {
    #[cfg(unix)]
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| IdentityError::Io {
            path: directory.to_owned(),
            source,
        })?;
    let _ = directory;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, testing::World};

    /// A home in the middle of a renewal: both pairs are there.
    fn renewing(world: &World, home: &Path) -> (Certificate, Certificate, SecretKey) {
        let old = world.identity("acme.press-7", home);
        let (key, next) = world.client("acme.press-7");
        let pending = Pending::new(home, None);
        keyfile::write(
            &home.join("next.key"),
            &key,
            None::<(&str, &mut rand::rngs::ThreadRng)>,
        )
        .unwrap();
        pending.save_next_certificate(&next).unwrap();
        (old.certificate().clone(), next, key)
    }

    fn loaded(home: &Path) -> Identity {
        Identity::load(home, None).unwrap()
    }

    /// Whatever step was the last before a crash, there is one whole identity.
    #[test]
    fn a_swap_that_is_cut_off_anywhere_leaves_a_whole_identity() {
        let world = World::new();
        for steps in 0..=4 {
            let dir = tempfile::tempdir().unwrap();
            let home = dir.path();
            let (old, next, key) = renewing(&world, home);
            let pending = Pending::new(home, None);
            let copy = |from: &str, to: &str| {
                fs::copy(home.join(from), home.join(to)).unwrap();
            };
            if steps >= 1 {
                copy("client.key", "client.previous.key");
            }
            if steps >= 2 {
                copy("next.crt", "client.crt");
            }
            if steps >= 3 {
                fs::rename(home.join("next.key"), home.join("client.key")).unwrap();
            }
            if steps >= 4 {
                pending.forget_next_certificate().unwrap();
            }
            let expected = if steps < 2 { &old } else { &next };
            assert_eq!(loaded(home).certificate(), expected, "after {steps} steps");
            if steps < 2 {
                // The renewal goes on from there.
                pending.swap().unwrap();
            }
            let now = loaded(home);
            assert_eq!(now.certificate(), &next);
            assert_eq!(now.key().public_key(), key.public_key());
            assert_eq!(now.previous().unwrap().public_key(), &old.public_key);
            assert!(!home.join("next.key").exists());
        }
    }

    #[test]
    fn a_key_that_is_neither_is_refused() {
        let world = World::new();
        let dir = tempfile::tempdir().unwrap();
        renewing(&world, dir.path());
        let (_, stranger) = world.client("acme.press-7");
        write(&dir.path().join("client.crt"), stranger.to_pem().as_bytes()).unwrap();
        let refused = Identity::load(dir.path(), None).unwrap_err();
        assert!(matches!(refused, IdentityError::OtherKey { .. }));
    }

    #[test]
    fn an_enrolment_keeps_its_key_until_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("new");
        let pending = Pending::new(&home, Some("a passphrase"));
        let key = pending.enrolment_key().unwrap();
        let again = pending.enrolment_key().unwrap();
        assert_eq!(key.public_key(), again.public_key());
        let text = fs::read_to_string(home.join("enrol.key")).unwrap();
        assert!(text.contains("ENCRYPTED"));
        pending.enrolment_done().unwrap();
        assert!(pending.begun_enrolment().unwrap().is_none());
        pending.enrolment_done().unwrap();
    }

    #[test]
    fn only_one_works_on_a_home() {
        let dir = tempfile::tempdir().unwrap();
        let pending = Pending::new(dir.path(), None);
        let held = pending.lock().unwrap();
        assert!(held.is_some());
        assert!(pending.lock().unwrap().is_none());
        drop(held);
        assert!(pending.lock().unwrap().is_some());
    }
}
