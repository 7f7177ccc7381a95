//! `sealwire console`: its flags.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use sealwire_envelope::OrgId;

/// `sealwire console`
#[derive(Args, Debug)]
pub struct Console {
    /// Whose console. It signs with the keys of that organisation that are in this home.
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Where to listen; as in org.toml, unless given, else a free port of loopback. Elsewhere than on loopback
    /// it serves HTTPS.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// A host name under which browsers reach it; repeat for each.
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Serve HTTPS on loopback, too, with a certificate that is made here.
    #[arg(long)]
    pub https: bool,
    /// Serve HTTPS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// And its key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Stop when standard input closes: for a program that starts this one.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}
