//! Files with other secrets than SM2 keys: PEM under a label of their own, in PBES2 (scrypt, AES-256-CBC)
//! where a passphrase is given, as [`crate::keyfile`] has it.
//!
//! ```text
//! -----BEGIN <label>-----            the secret's bytes
//! -----BEGIN ENCRYPTED <label>-----  EncryptedPrivateKeyInfo (RFC 5958 §3) of the secret's bytes
//! ```
//! Whether the bytes are the right ones is for the reader of the secret to say: a wrong passphrase is mostly
//! told by its padding, and else by what comes out.

use std::{fs, path::Path};

use der::{Decode as _, Encode as _, asn1::OctetString, pem};
use pkcs8::{EncryptedPrivateKeyInfoOwned, pkcs5::pbes2};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::keyfile::{KeyFileError, write_private};

/// Longest file that is read, in bytes.
pub const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Writes a secret to `path` with mode 0600, encrypted when there is a passphrase.
///
/// # Errors
/// When the file system refuses.
pub fn write<R: CryptoRng>(
    path: &Path,
    label: &str,
    secret: &[u8],
    passphrase: Option<(&str, &mut R)>,
) -> Result<(), KeyFileError> {
    let format = |e: &dyn std::fmt::Display| KeyFileError::Secret {
        path: path.to_owned(),
        label: label.to_owned(),
        detail: e.to_string(),
    };
    let text = match passphrase {
        None => pem::encode_string(label, pem::LineEnding::LF, secret).map_err(|e| format(&e))?,
        Some((passphrase, rng)) => {
            let scheme = pbes2::Parameters::generate_recommended(rng).map_err(|e| format(&e))?;
            let encrypted = scheme.encrypt(passphrase, secret).map_err(|e| format(&e))?;
            let info = EncryptedPrivateKeyInfoOwned {
                encryption_algorithm: scheme.into(),
                encrypted_data: OctetString::new(encrypted).map_err(|e| format(&e))?,
            };
            let der = info.to_der().map_err(|e| format(&e))?;
            let label = format!("ENCRYPTED {label}");
            pem::encode_string(&label, pem::LineEnding::LF, &der).map_err(|e| format(&e))?
        }
    };
    let text = Zeroizing::new(text);
    write_private(path, text.as_bytes()).map_err(|source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Whether the file at `path` is one of this label that needs a passphrase.
///
/// # Errors
/// When the file system refuses, or the file is too long.
pub fn is_encrypted(path: &Path, label: &str) -> Result<bool, KeyFileError> {
    Ok(text(path, label)?.contains(&format!("BEGIN ENCRYPTED {label}-")))
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// When there is no such file, it has another label, or the passphrase is missing or wrong.
pub fn read(
    path: &Path,
    label: &str,
    passphrase: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let format = |detail: String| KeyFileError::Secret {
        path: path.to_owned(),
        label: label.to_owned(),
        detail,
    };
    let text = text(path, label)?;
    let (found, bytes) = pem::decode_vec(text.as_bytes()).map_err(|e| format(e.to_string()))?;
    let bytes = Zeroizing::new(bytes);
    match found.strip_prefix("ENCRYPTED ").unwrap_or(found) {
        plain if plain != label => Err(format(format!("it is a '{found}'"))),
        plain if plain == found => Ok(bytes),
        _ => {
            let passphrase = passphrase.ok_or_else(|| KeyFileError::NeedsPassphrase {
                path: path.to_owned(),
            })?;
            let info = EncryptedPrivateKeyInfoOwned::from_der(&bytes)
                .map_err(|error| format(error.to_string()))?;
            let opened = info
                .encryption_algorithm
                .decrypt(passphrase, info.encrypted_data.as_bytes())
                .map_err(|error| format(error.to_string()))?;
            Ok(Zeroizing::new(opened))
        }
    }
}

fn text(path: &Path, label: &str) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |source| KeyFileError::Io {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.len() > FILE_MAX_BYTES {
        return Err(KeyFileError::Secret {
            path: path.to_owned(),
            label: label.to_owned(),
            detail: format!("it is longer than {FILE_MAX_BYTES} bytes"),
        });
    }
    Ok(Zeroizing::new(fs::read_to_string(path).map_err(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "SEALWIRE TEST SECRET";

    fn no_rng() -> Option<(&'static str, &'static mut rand::rngs::StdRng)> {
        None
    }

    #[test]
    fn round_trips_with_and_without_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.pem");
        let secret: Vec<u8> = (0..2_100).map(|i| i as u8).collect();
        write(&path, LABEL, &secret, no_rng()).unwrap();
        assert!(!is_encrypted(&path, LABEL).unwrap());
        assert_eq!(*read(&path, LABEL, None).unwrap(), secret);

        write(
            &path,
            LABEL,
            &secret,
            Some(("open sesame", &mut rand::rng())),
        )
        .unwrap();
        assert!(is_encrypted(&path, LABEL).unwrap());
        assert_eq!(*read(&path, LABEL, Some("open sesame")).unwrap(), secret);
        assert!(matches!(
            read(&path, LABEL, None),
            Err(KeyFileError::NeedsPassphrase { .. })
        ));
        // A wrong passphrase has the right padding once in 256 times, and then gives other bytes.
        let wrong = read(&path, LABEL, Some("open"));
        assert!(wrong.is_err() || *wrong.unwrap() != secret);
        assert!(matches!(
            read(&path, "SEALWIRE OTHER", Some("open sesame")),
            Err(KeyFileError::Secret { .. })
        ));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn refuses_what_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.pem");
        assert!(matches!(
            read(&path, LABEL, None),
            Err(KeyFileError::Io { .. })
        ));
        for nonsense in [
            "nonsense".to_owned(),
            format!("-----BEGIN ENCRYPTED {LABEL}-----\nAAAA\n-----END ENCRYPTED {LABEL}-----\n"),
            "x".repeat(FILE_MAX_BYTES as usize + 1),
        ] {
            fs::write(&path, nonsense).unwrap();
            assert!(matches!(
                read(&path, LABEL, Some("x")),
                Err(KeyFileError::Secret { .. })
            ));
        }
    }
}
