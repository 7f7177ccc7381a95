//! What is where under `--home`:
//!
//! ```text
//! <home>/genesis.json            what all agree on
//! <home>/<org>/root.key          the organisation's root: keep it offline in earnest
//! <home>/<org>/root.pem
//! <home>/<org>/org.toml          addresses of node and gateway, and of the other nodes
//! <home>/<org>/validator.key     the key with which its validator votes
//! <home>/<org>/node.key          the key and certificate that its node shows to those who ask by TLS
//! <home>/<org>/node.crt
//! <home>/<org>/node/             the validator's ledger
//! <home>/<org>/operator/         the operator's key and certificate
//! <home>/<org>/gateway/          the gateway's key, certificate, follower and archive
//! <home>/<org>/clients/<name>/   devices and users that were enrolled here
//! ```
//!
//! Key files have mode 0600. In earnest, each organisation has only its own directory and the
//! genesis file; `init` makes all of them in one place, for one person who tries things out.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use sealwire_envelope::{ClientId, Genesis, OrgId};
use sealwire_sm::{Certificate, SecretKey, keyfile};
use serde::{Deserialize, Serialize};

use crate::init::{GATEWAY, OPERATOR};

/// The home directory.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

/// An organisation's addresses: `org.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgConfig {
    /// Whose.
    pub org: OrgId,
    /// Where its validator listens to the other validators.
    pub p2p: SocketAddr,
    /// Where its validator serves the ledger's HTTP API.
    pub http: SocketAddr,
    /// Where its validator serves the same to members by TLS; none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<SocketAddr>,
    /// Where its gateway listens to MQTT clients.
    pub mqtt: SocketAddr,
    /// Where its gateway serves the archive over HTTP.
    pub gateway_http: SocketAddr,
    /// Where its gateway listens to MQTT clients by TLS; none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtts: Option<SocketAddr>,
    /// Where its gateway serves the archive by TLS; none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_https: Option<SocketAddr>,
    /// Where its enrolment desk listens; none: only where it is told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<SocketAddr>,
    /// Where its web console listens; none: at a free port of loopback, unless it is told where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<SocketAddr>,
    /// Host names and addresses in the certificate for clients without SM, where it is made here.
    #[serde(default = "tls_names")]
    pub tls_names: Vec<String>,
    /// Close a package after so many messages.
    #[serde(default = "package_messages")]
    pub package_messages: u64,
    /// Close a package after so many milliseconds.
    #[serde(default = "package_age_ms")]
    pub package_age_ms: u64,
    /// How its gateway records clients' addresses.
    #[serde(default)]
    pub record_addresses: RecordAddresses,
    /// The other validators.
    pub peers: Vec<Peer>,
}

/// How a gateway records clients' addresses on the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordAddresses {
    /// As they are.
    #[default]
    Plain,
    /// As keyed digests that only this organisation can open: where addresses are personal data.
    Keyed,
}

fn tls_names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

fn package_messages() -> u64 {
    1000
}

fn package_age_ms() -> u64 {
    10_000
}

/// Another organisation's validator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Whose.
    pub org: OrgId,
    /// Where it listens to validators.
    pub p2p: SocketAddr,
    /// Where it serves the ledger's HTTP API.
    pub http: SocketAddr,
    /// Where it serves it by TLS, if it does: then it is asked there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<SocketAddr>,
}

impl Peer {
    fn ledger_url(&self) -> String {
        ledger_url(self.http, self.https)
    }
}

/// How others ask a node: by TLS where it offers that.
pub fn ledger_url(http: SocketAddr, https: Option<SocketAddr>) -> String {
    match https {
        Some(https) => format!("https://{https}"),
        None => format!("http://{http}"),
    }
}

impl Home {
    /// The directory of `--home`, else `~/.sealwire`.
    ///
    /// # Errors
    /// When neither is known.
    pub fn new(given: Option<PathBuf>) -> Result<Self> {
        let root = match given {
            Some(root) => root,
            None => {
                let user = std::env::var_os("HOME")
                    .context("no home directory: set HOME, or say --home DIR (or SEALWIRE_HOME)")?;
                Path::new(&user).join(".sealwire")
            }
        };
        Ok(Self { root })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The genesis file.
    pub fn genesis_path(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// Reads the genesis file.
    ///
    /// # Errors
    /// When there is none, or it is broken.
    pub fn genesis(&self) -> Result<Genesis> {
        read_genesis(&self.genesis_path())
    }

    /// An organisation's directory.
    pub fn org(&self, org: &OrgId) -> PathBuf {
        self.root.join(org.as_str())
    }

    /// The validator's ledger.
    pub fn node_dir(&self, org: &OrgId) -> PathBuf {
        self.org(org).join("node")
    }

    /// The gateway's directory.
    pub fn gateway_dir(&self, org: &OrgId) -> PathBuf {
        self.org(org).join("gateway")
    }

    /// The operator's directory.
    pub fn operator_dir(&self, org: &OrgId) -> PathBuf {
        self.org(org).join("operator")
    }

    /// A client's directory.
    pub fn client_dir(&self, client: &ClientId) -> PathBuf {
        self.org(&client.org()).join("clients").join(client.name())
    }

    /// The directory of a client's identity, whatever it is.
    pub fn identity_dir(&self, client: &ClientId) -> PathBuf {
        match client.name() {
            OPERATOR => self.operator_dir(&client.org()),
            GATEWAY => self.gateway_dir(&client.org()),
            _ => self.client_dir(client),
        }
    }

    /// Reads an organisation's `org.toml`.
    ///
    /// # Errors
    /// When the organisation isn't in this home, or the file is broken.
    pub fn org_config(&self, org: &OrgId) -> Result<OrgConfig> {
        let path = self.org(org).join("org.toml");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "organisation '{org}' isn't in {}: `sealwire init` makes it",
                self.root.display()
            )
        })?;
        toml::from_str(&text).with_context(|| format!("{} can't be read", path.display()))
    }

    /// Writes an organisation's `org.toml`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_org_config(&self, config: &OrgConfig) -> Result<()> {
        let path = self.org(&config.org).join("org.toml");
        let text = toml::to_string_pretty(config).context("configuration as TOML")?;
        keyfile::write_private(&path, text.as_bytes())
            .with_context(|| format!("{} can't be written", path.display()))
    }

    /// The organisations that are in this home.
    ///
    /// # Errors
    /// When there is no genesis file.
    pub fn orgs_here(&self) -> Result<Vec<OrgConfig>> {
        let genesis = self.genesis()?;
        let here = genesis
            .orgs
            .iter()
            .filter(|o| self.org(&o.org).join("org.toml").exists());
        here.map(|o| self.org_config(&o.org)).collect()
    }

    /// Addresses of ledger nodes: `first`'s own over plain HTTP, then those of others, by TLS where they
    /// offer it.
    ///
    /// # Errors
    /// When no organisation is in this home.
    pub fn ledger_urls(&self, first: Option<&OrgId>) -> Result<Vec<String>> {
        let configs = match first {
            Some(org) => vec![self.org_config(org)?],
            None => self.orgs_here()?,
        };
        let Some(config) = configs.first() else {
            bail!(
                "no organisation is in {}: run `sealwire init` first",
                self.root.display()
            );
        };
        let own = std::iter::once(format!("http://{}", config.http));
        Ok(own
            .chain(config.peers.iter().map(Peer::ledger_url))
            .collect())
    }
}

/// Reads a genesis file.
///
/// # Errors
/// When there is none, or it is broken.
pub fn read_genesis(path: &Path) -> Result<Genesis> {
    let json = std::fs::read(path).with_context(|| {
        format!(
            "no genesis file at {}: run `sealwire init`, or say --home DIR of an existing one",
            path.display()
        )
    })?;
    Genesis::from_json(&json).with_context(|| format!("{} can't be used", path.display()))
}

/// Writes a key file without passphrase.
///
/// # Errors
/// When the file system refuses.
pub fn write_key(path: &Path, key: &SecretKey) -> Result<()> {
    Ok(keyfile::write(
        path,
        key,
        None::<(&str, &mut rand::rngs::ThreadRng)>,
    )?)
}

/// An organisation's root key and certificate, for issuing.
///
/// # Errors
/// When they aren't in this home.
pub fn read_root(dir: &Path) -> Result<(SecretKey, Certificate)> {
    let key = keyfile::read(&dir.join("root.key"), None)
        .context("issuing needs the organisation's root key in this home")?;
    let path = dir.join("root.pem");
    let pem = std::fs::read_to_string(&path)
        .with_context(|| format!("no certificate at {}", path.display()))?;
    let certificate =
        Certificate::from_pem(&pem).with_context(|| format!("{} can't be used", path.display()))?;
    Ok((key, certificate))
}
