//! Key files: PKCS#8 (RFC 5958) in PEM, with the elliptic-curve OIDs of GB/T 33560, as OpenSSL
//! writes and reads them; encrypted with PBES2 (scrypt, AES-256-CBC) where a passphrase is given.
//!
//! Files are created with mode 0600 and replaced atomically (written beside, then renamed).

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use rand_core::CryptoRng;

use crate::key::{KeyError, SecretKey};

/// A key file couldn't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused.
    #[error("key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file isn't PKCS#8 PEM of an SM2 key, or the passphrase is wrong.
    #[error("key file {path}: not an SM2 key in PKCS#8 PEM, or wrong passphrase: {detail}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What the decoder said.
        detail: String,
    },
    /// The file is encrypted and no passphrase was given.
    #[error("key file {path} is encrypted: give its passphrase")]
    NeedsPassphrase {
        /// Which file.
        path: PathBuf,
    },
    /// The file isn't PEM of the secret that is wanted, or the passphrase is wrong.
    #[error("{path}: not a '{label}', or wrong passphrase: {detail}")]
    Secret {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        label: String,
        /// What the decoder said.
        detail: String,
    },
    /// The key in the file is out of range.
    #[error("key file {path}: {source}")]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
}

/// Writes `key` to `path` with mode 0600, encrypted when there is a passphrase.
///
/// # Errors
/// When the file system refuses.
pub fn write<R: CryptoRng>(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<(&str, &mut R)>,
) -> Result<(), KeyFileError> {
    let format = |e: &dyn std::fmt::Display| KeyFileError::Format {
        path: path.to_owned(),
        detail: e.to_string(),
    };
    let secret = sm2::SecretKey::from_slice(key.expose()).map_err(|e| format(&e))?;
    let pem = match passphrase {
        None => secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|e| format(&e))?,
        Some((passphrase, rng)) => {
            let document = secret.to_pkcs8_der().map_err(|e| format(&e))?;
            let info =
                pkcs8::PrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|e| format(&e))?;
            info.encrypt_with_rng(rng, passphrase)
                .map_err(|e| format(&e))?
                .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
                .map_err(|e| format(&e))?
        }
    };
    write_private(path, pem.as_bytes()).map_err(|source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Writes `bytes` to `path` with mode 0600: beside it first, flushed, then renamed.
///
/// # Errors
/// When the file system refuses; the old file is then still whole.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Reads a key that [`write()`] or OpenSSL wrote.
///
/// # Errors
/// When there is no such file, it isn't an SM2 key, or the passphrase is missing or wrong.
pub fn read(path: &Path, passphrase: Option<&str>) -> Result<SecretKey, KeyFileError> {
    let format = |e: &dyn std::fmt::Display| KeyFileError::Format {
        path: path.to_owned(),
        detail: e.to_string(),
    };
    let pem =
        zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|source| KeyFileError::Io {
            path: path.to_owned(),
            source,
        })?);
    let secret = if pem.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        let passphrase = passphrase.ok_or_else(|| KeyFileError::NeedsPassphrase {
            path: path.to_owned(),
        })?;
        sm2::SecretKey::from_pkcs8_encrypted_pem(&pem, passphrase).map_err(|e| format(&e))?
    } else {
        sm2::SecretKey::from_pkcs8_pem(&pem).map_err(|e| format(&e))?
    };
    let bytes = zeroize::Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
    SecretKey::from_bytes(bytes.as_slice()).map_err(|source| KeyFileError::Key {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_rng() -> Option<(&'static str, &'static mut rand::rngs::StdRng)> {
        None
    }

    #[test]
    fn round_trips_with_and_without_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        let key = SecretKey::from_bytes(&[8; 32]).unwrap();
        write(&path, &key, no_rng()).unwrap();
        assert_eq!(read(&path, None).unwrap().expose(), key.expose());

        write(&path, &key, Some(("open sesame", &mut rand::rng()))).unwrap();
        assert!(
            !fs::read_to_string(&path)
                .unwrap()
                .contains("BEGIN PRIVATE KEY")
        );
        assert_eq!(
            read(&path, Some("open sesame")).unwrap().expose(),
            key.expose()
        );
        assert!(matches!(
            read(&path, Some("wrong")),
            Err(KeyFileError::Format { .. })
        ));
        assert!(matches!(
            read(&path, None),
            Err(KeyFileError::NeedsPassphrase { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn file_is_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        write(&path, &SecretKey::from_bytes(&[8; 32]).unwrap(), no_rng()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn refuses_what_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.key");
        assert!(matches!(read(&path, None), Err(KeyFileError::Io { .. })));
        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(
            read(&path, None),
            Err(KeyFileError::Format { .. })
        ));
    }
}
