//! Who a client is, and where that is kept.
//!
//! A client's home directory:
//!
//! | File | What | Mode |
//! |---|---|---|
//! | `client.key` | SM2 key, PKCS#8 PEM, encrypted when there is a passphrase | 0600 |
//! | `client.crt` | its certificate, PEM | 0600 |
//! | `genesis.json` | the consortium's genesis: what everything is verified against | 0600 |
//! | `peers.json` | [`Peers`]: ledger nodes and gateways | 0600 |
//! | `sequence`, `sequence.lock` | message sequences in use ([`crate::sequence`]) | 0600 |
//!
//! Beside them lie, for a while, the keys of an enrolment or a renewal that isn't over yet
//! (`pending.rs`), and the key before the last renewal: topic keys may still be sealed to it.
//!
//! An identity is checked when it is made: the key is the certificate's, the certificate is signed
//! by its organisation's root in genesis.

pub(crate) mod pending;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use sealwire_envelope::{CertId, ChainId, ClientId, Genesis, NameError, genesis::GenesisFileError};
use sealwire_sm::{
    Certificate, SecretKey,
    cert::CertificateError,
    keyfile::{self, KeyFileError},
};
use serde::{Deserialize, Serialize};

use crate::sequence::Sequence;
use pending::Pending;

/// Longest file of a home that is read, in bytes.
const FILE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Where a client finds the rest of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Ledger nodes, as `http://host:port`; tried in turn.
    #[serde(default)]
    pub ledger: Vec<String>,
    /// Gateways.
    #[serde(default)]
    pub gateways: Vec<GatewayPeer>,
    /// The organisation's enrolment desk, as `http://host:port`: it renews the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<String>,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPeer {
    /// Who it is.
    pub client: ClientId,
    /// Its certificate (PEM), when it isn't in genesis and the ledger shan't be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Its MQTT address, `host:port`.
    pub mqtt: String,
    /// Its archive's address, `http://host:port`.
    pub http: String,
    /// Its MQTT address by TLS (RFC 8998), `mqtts://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtts: Option<String>,
    /// Its archive's address by TLS (RFC 8998), `https://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<String>,
}

impl GatewayPeer {
    /// Where to connect: by TLS where it is offered.
    pub fn best_mqtt(&self) -> &str {
        self.mqtts.as_ref().unwrap_or(&self.mqtt)
    }

    /// Where to fetch: by TLS where it is offered.
    pub fn best_http(&self) -> &str {
        self.https.as_ref().unwrap_or(&self.http)
    }
}

impl Peers {
    /// The gateway with this id, or the first one.
    pub fn gateway(&self, client: Option<&ClientId>) -> Option<&GatewayPeer> {
        match client {
            None => self.gateways.first(),
            Some(id) => self.gateways.iter().find(|gateway| gateway.client == *id),
        }
    }
}

/// An identity can't be loaded, saved or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is an identity already.
    #[error("{path} exists: a key is never overwritten, choose another home")]
    Exists {
        /// The key file.
        path: PathBuf,
    },
    /// A file is far too long.
    #[error("{path} is longer than {FILE_MAX_BYTES} bytes")]
    TooLong {
        /// Which file.
        path: PathBuf,
    },
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The certificate.
    #[error("client certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate's name isn't a client id.
    #[error("client certificate: {0}")]
    Name(#[from] NameError),
    /// The genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisFileError),
    /// `peers.json`.
    #[error("{path}: {source}")]
    Peers {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The key isn't the certificate's.
    #[error("the key isn't the one of {client}'s certificate")]
    OtherKey {
        /// Whom the certificate names.
        client: ClientId,
    },
    /// The certificate's organisation isn't in genesis.
    #[error("{client}'s organisation isn't in the consortium '{consortium}': wrong genesis file?")]
    OtherConsortium {
        /// Whom the certificate names.
        client: ClientId,
        /// The consortium's name.
        consortium: String,
    },
}

/// A client's key, certificate and consortium. Clones share the message sequences.
#[derive(Clone)]
pub struct Identity {
    key: SecretKey,
    previous: Option<SecretKey>,
    certificate: Certificate,
    client: ClientId,
    genesis: Arc<Genesis>,
    chain: ChainId,
    peers: Peers,
    home: Option<PathBuf>,
    sequence: Arc<Sequence>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} on {})", self.client, self.chain.0.short())
    }
}

impl Identity {
    /// An identity in memory. It can log in, fetch and open, but not seal: there is nowhere to keep
    /// its sequences.
    ///
    /// # Errors
    /// When key, certificate and genesis don't belong together.
    pub fn in_memory(
        key: SecretKey,
        certificate: Certificate,
        genesis: Arc<Genesis>,
    ) -> Result<Self, IdentityError> {
        let client: ClientId = certificate.name.parse()?;
        if key.public_key() != &certificate.public_key {
            return Err(IdentityError::OtherKey { client });
        }
        let org = client.org();
        let Some(org) = genesis.orgs.iter().find(|o| o.org == org) else {
            let consortium = genesis.name.clone();
            return Err(IdentityError::OtherConsortium { client, consortium });
        };
        certificate.verify_issued_by(&Certificate::from_der(&org.root_cert_der)?)?;
        let chain = genesis.chain_id();
        let sequence = Arc::new(Sequence::none());
        let (peers, home) = (Peers::default(), None);
        Ok(Self {
            key,
            previous: None,
            certificate,
            client,
            genesis,
            chain,
            peers,
            home,
            sequence,
        })
    }

    /// Makes `home` (and the directories above it) and saves a new identity there.
    ///
    /// # Errors
    /// When there is one already, the parts don't belong together, or the file system refuses.
    pub fn create(
        home: &Path,
        key: SecretKey,
        certificate: Certificate,
        genesis: Arc<Genesis>,
        peers: Peers,
        passphrase: Option<&str>,
    ) -> Result<Self, IdentityError> {
        let mut identity = Self::in_memory(key, certificate, genesis)?;
        let path = home.join("client.key");
        if path.exists() {
            return Err(IdentityError::Exists { path });
        }
        fs::create_dir_all(home).map_err(|source| IdentityError::Io {
            path: home.to_owned(),
            source,
        })?;
        write(
            &home.join("client.crt"),
            identity.certificate.to_pem().as_bytes(),
        )?;
        write(
            &home.join("genesis.json"),
            identity.genesis.to_json().as_bytes(),
        )?;
        identity.at_home(home);
        identity.set_peers(peers)?;
        // The key comes last: where it is, the rest is.
        pending::sync(home)?;
        let mut rng = rand::rng();
        keyfile::write(
            &path,
            &identity.key,
            passphrase.map(|text| (text, &mut rng)),
        )?;
        pending::sync(home)?;
        Ok(identity)
    }

    /// Loads the identity in `home`.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use sealwire_client::Identity;
    ///
    /// # fn main() -> Result<(), sealwire_client::identity::IdentityError> {
    /// let identity = Identity::load(Path::new("/var/lib/press-7"), Some("open sesame"))?;
    /// println!("{} of consortium '{}'", identity.client(), identity.genesis().name);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When a file is missing, damaged or doesn't belong to the others, or the passphrase is
    /// missing or wrong.
    pub fn load(home: &Path, passphrase: Option<&str>) -> Result<Self, IdentityError> {
        let pending = Pending::new(home, passphrase);
        // A renewal may swap both files while they are read: then look again.
        let pair = || {
            let certificate = Certificate::from_pem(&read(&home.join("client.crt"))?)?;
            let key = pending.key_of(&certificate.public_key)?;
            Ok::<_, IdentityError>((certificate, key))
        };
        let (certificate, key) = match pair()? {
            (_, None) => pair()?,
            found => found,
        };
        let Some(key) = key else {
            let client = certificate.name.parse()?;
            return Err(IdentityError::OtherKey { client });
        };
        let genesis = Genesis::from_json(read(&home.join("genesis.json"))?.as_bytes())?;
        let mut identity = Self::in_memory(key, certificate, Arc::new(genesis))?;
        identity.previous = pending.previous_key()?;
        let path = home.join("peers.json");
        identity.peers = serde_json::from_str(&read(&path)?)
            .map_err(|source| IdentityError::Peers { path, source })?;
        identity.at_home(home);
        Ok(identity)
    }

    fn at_home(&mut self, home: &Path) {
        self.home = Some(home.to_owned());
        self.sequence = Arc::new(Sequence::in_file(home.join("sequence")));
    }

    /// Replaces the peers, on disk too when there is a home.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_peers(&mut self, peers: Peers) -> Result<(), IdentityError> {
        if let Some(home) = &self.home {
            let path = home.join("peers.json");
            let text =
                serde_json::to_string_pretty(&peers).map_err(|source| IdentityError::Peers {
                    path: path.clone(),
                    source,
                })?;
            write(&path, text.as_bytes())?;
        }
        self.peers = peers;
        Ok(())
    }

    /// Its key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Its key before the last renewal, if there was one: topic keys may still be sealed to it.
    pub fn previous(&self) -> Option<&SecretKey> {
        self.previous.as_ref()
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its certificate's id.
    pub fn certificate_id(&self) -> CertId {
        CertId(self.certificate.id())
    }

    /// Who it is.
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The consortium's genesis.
    pub fn genesis(&self) -> &Arc<Genesis> {
        &self.genesis
    }

    /// The ledger's id.
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// Ledger nodes and gateways.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Its directory, unless it lives in memory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Its message sequences.
    pub fn sequence(&self) -> &Sequence {
        &self.sequence
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    keyfile::write_private(path, bytes).map_err(|source| IdentityError::Io {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<String, IdentityError> {
    let failed = |source| IdentityError::Io {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(failed)?.len() > FILE_MAX_BYTES {
        return Err(IdentityError::TooLong {
            path: path.to_owned(),
        });
    }
    fs::read_to_string(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn what_is_created_loads_again() {
        let world = World::new();
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("devices/press-7");
        let (key, certificate) = world.client("acme.press-7");
        let peers = Peers {
            ledger: vec!["http://127.0.0.1:1".to_owned()],
            gateways: vec![GatewayPeer {
                client: "acme.gw".parse().unwrap(),
                certificate: None,
                mqtt: "127.0.0.1:2".to_owned(),
                http: "http://127.0.0.1:3".to_owned(),
                mqtts: None,
                https: Some("https://127.0.0.1:4".to_owned()),
            }],
            desk: Some("http://127.0.0.1:4".to_owned()),
        };
        let made = |passphrase| {
            Identity::create(
                &home,
                key.clone(),
                certificate.clone(),
                world.genesis.clone(),
                peers.clone(),
                passphrase,
            )
        };
        made(Some("open sesame")).unwrap();
        assert!(matches!(made(None), Err(IdentityError::Exists { .. })));
        let loaded = Identity::load(&home, Some("open sesame")).unwrap();
        assert_eq!(loaded.client().as_str(), "acme.press-7");
        assert_eq!(loaded.peers(), &peers);
        assert_eq!(loaded.chain(), world.genesis.chain_id());
        assert!(matches!(
            Identity::load(&home, None),
            Err(IdentityError::Key(_))
        ));
        assert!(matches!(
            Identity::load(&home, Some("x")),
            Err(IdentityError::Key(_))
        ));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn every_file_is_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::new();
        let dir = tempfile::tempdir().unwrap();
        let identity = world.identity("acme.press-7", dir.path());
        identity.sequence().next().await.unwrap();
        for name in [
            "client.key",
            "client.crt",
            "genesis.json",
            "peers.json",
            "sequence",
            "sequence.lock",
        ] {
            let mode = fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn parts_that_dont_belong_together_are_refused() {
        let (world, other) = (World::new(), World::new());
        let (key, certificate) = world.client("acme.press-7");
        let (other_key, _) = world.client("acme.press-8");
        let wrong_key = Identity::in_memory(other_key, certificate.clone(), world.genesis.clone());
        assert!(matches!(wrong_key, Err(IdentityError::OtherKey { .. })));
        let wrong_root = Identity::in_memory(key, certificate, other.genesis.clone());
        assert!(matches!(wrong_root, Err(IdentityError::Certificate(_))));
    }
}
