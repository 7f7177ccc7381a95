//! `sealwire cert …`, `sealwire enrolment …` and `sealwire desk`: their flags.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use sealwire_envelope::{ClientId, EnrolmentId, OrgId};
use sealwire_sm::Role;

use super::Actor;

/// `sealwire cert …`
#[derive(Subcommand, Debug)]
pub enum Cert {
    /// Make a client's key in this home, and a certificate request for it: the key never leaves the
    /// home, the request goes to whoever issues.
    ///
    /// Example: sealwire cert request acme.press-7 --out press-7.csr
    Request {
        /// The new client: `<org>.<name>`.
        client: ClientId,
        /// What it shall be: operator, gateway, device or user.
        #[arg(long, default_value = "device")]
        role: Role,
        /// Where to write the request (PKCS#10, PEM); standard output, unless given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Issue a certificate for a request, and register it on the ledger. Needs the organisation's root
    /// and operator keys in this home.
    ///
    /// Example: sealwire cert issue --csr press-7.csr --out press-7.crt
    Issue {
        /// The request: `sealwire cert request` made it, or `openssl req` with an SM2 key.
        #[arg(long, value_name = "FILE")]
        csr: PathBuf,
        /// How long it is valid, for instance 90d; as long as the organisation's template allows,
        /// unless given, a year without one.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        valid: Option<u64>,
        /// Where to write the certificate (PEM); standard output, unless given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take the certificate that was issued for this home's request: checks that it is on the ledger, and
    /// makes the client ready.
    ///
    /// Example: sealwire cert install press-7.crt --ledger http://10.0.0.1:7401
    Install {
        /// The certificate, PEM.
        file: PathBuf,
        /// A ledger node; repeat for more. Those of this home's organisations, unless given.
        #[arg(long, value_name = "URL")]
        ledger: Vec<String>,
    },
    /// Get a certificate by an enrolment code from the organisation's desk. The code is read from a file
    /// or from standard input, so that it's in no list of processes and no shell history.
    ///
    /// Example: sealwire cert enrol --desk http://10.0.0.1:7406 --file code.txt
    ///
    /// Do it again if it fails: it goes on with the same key, and the desk gives the same certificate.
    Enrol {
        /// The organisation's desk.
        #[arg(long, value_name = "URL")]
        desk: String,
        /// File with the code; standard input, unless given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// The consortium's genesis file, against which everything is checked; this home's, unless given.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        /// A ledger node; repeat for more. Those that the desk names, unless given.
        #[arg(long, value_name = "URL")]
        ledger: Vec<String>,
    },
    /// Renew a client's certificate before it ends: a new key, a new certificate from the desk, and the
    /// swap on the ledger.
    ///
    /// Example: sealwire cert renew --as acme.press-7
    ///
    /// Do it again if it fails. A cron job may do it daily: before the renewal window it does nothing.
    Renew {
        #[command(flatten)]
        actor: Actor,
        /// The organisation's desk; the one that the client was enrolled at, unless given.
        #[arg(long, value_name = "URL")]
        desk: Option<String>,
    },
    /// Show a certificate and all that happened to it, as the ledger proves.
    ///
    /// Example: sealwire cert show acme.press-7
    Show {
        /// A client, or a certificate's id.
        which: Which,
        /// Print the certificate itself (PEM).
        #[arg(long)]
        pem: bool,
    },
    /// Say whether a client's certificate is valid, or was at an earlier height. The entry that says so is
    /// proven: no node is believed.
    ///
    /// Example: sealwire cert check acme.press-7 --at 120
    Check {
        /// A client, or a certificate's id.
        which: Which,
        /// At an earlier height.
        #[arg(long, value_name = "HEIGHT")]
        at: Option<u64>,
    },
    /// Suspend a client's certificate: as revoked, until it is resumed.
    ///
    /// Example: sealwire cert suspend acme.press-7 --reason 'odd traffic'
    Suspend {
        /// Whose, or the certificate's id.
        which: Which,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End a suspension.
    ///
    /// Example: sealwire cert resume acme.press-7 --reason 'explained'
    Resume {
        /// Whose, or the certificate's id.
        which: Which,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// End a client's certificate for ever.
    ///
    /// Example: sealwire cert revoke acme.press-7 --reason 'lost in the field'
    Revoke {
        /// Whose, or the certificate's id.
        which: Which,
        /// Why, for people.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// List the certificates of an organisation that end soon.
    ///
    /// Example: sealwire cert expiring --org acme --within 30d
    Expiring {
        /// Whose.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
        /// How soon, for instance 30d or 12h.
        #[arg(long, default_value = "30d", value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        within: u64,
    },
    /// What an organisation allows of certificates, role by role.
    #[command(subcommand)]
    Template(Template),
}

/// `sealwire cert template …`
#[derive(Subcommand, Debug)]
pub enum Template {
    /// Say how long certificates of a role may be valid, and how long before their end their holders may
    /// renew them. What is registered already stays as it is.
    ///
    /// Example: sealwire cert template set --org acme --role device --validity 365d --renewal 30d
    Set {
        /// Whose.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
        /// Of which role: operator, gateway, device or user.
        #[arg(long)]
        role: Role,
        /// Longest validity: 1h to 7300d.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        validity: u64,
        /// How long before the end renewal begins; at most the validity.
        #[arg(long, value_name = "TIME", value_parser = crate::output::parse_duration_s)]
        renewal: u64,
    },
    /// Show what an organisation allows.
    ///
    /// Example: sealwire cert template show --org acme
    Show {
        /// Whose.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
    },
}

/// `sealwire enrolment …`
#[derive(Subcommand, Debug)]
pub enum Enrolment {
    /// Open enrolments: each gives one certificate to whoever has its code. One client, or all of a CSV
    /// file.
    ///
    /// Example: sealwire enrolment open --csv devices.csv --out codes.csv
    ///
    /// In: lines `client,role` (the role may be left out: device). Out, mode 0600: lines
    /// `client,role,code`. If it fails half-way, the same command with --go-on opens the rest.
    Open(Open),
    /// List an organisation's enrolments: open ones, or all.
    ///
    /// Example: sealwire enrolment list --org acme
    List {
        /// Whose.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
        /// Used, closed and expired ones too.
        #[arg(long)]
        all: bool,
    },
    /// Close enrolments that weren't used: their codes are worthless from then on.
    ///
    /// Example: sealwire enrolment close --org acme --all
    Close {
        /// Whose.
        #[arg(long, value_name = "ORG")]
        org: OrgId,
        /// Their ids, as listed.
        ids: Vec<EnrolmentId>,
        /// Close all that are open.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

/// Which enrolments to open.
#[derive(Args, Debug)]
pub struct Open {
    /// For one client: `<org>.<name>`.
    #[arg(long, value_name = "CLIENT", required_unless_present = "csv")]
    pub client: Option<ClientId>,
    /// In which role: operator, gateway, device or user.
    #[arg(long, default_value = "device")]
    pub role: Role,
    /// For all clients of a file; they are of one organisation.
    #[arg(long, value_name = "FILE", conflicts_with = "client", requires = "out")]
    pub csv: Option<PathBuf>,
    /// Write the codes to this file (mode 0600) instead of the terminal.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Open those of --out that an earlier run made codes for and didn't open.
    #[arg(long, requires = "out")]
    pub go_on: bool,
    /// How long the codes are good.
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = crate::output::parse_duration_s)]
    pub expires: u64,
}

/// `sealwire desk`
#[derive(Args, Debug)]
pub struct Desk {
    /// Whose desk. Its root and operator keys must be in this home.
    #[arg(long, value_name = "ORG")]
    pub org: OrgId,
    /// Where to listen; as in org.toml, unless given.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Requests per second that one address may make in the long run; ten times as many at once.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub requests_per_s: u32,
    /// Stop when standard input closes: for a program that starts this one.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

/// A client's present certificate, or a certificate by its id.
#[derive(Clone, Debug)]
pub enum Which {
    /// A client's.
    Client(ClientId),
    /// This one.
    Certificate(sealwire_envelope::CertId),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Certificate(id));
        }
        let client = text.parse().map(Self::Client);
        client.map_err(|error| format!("{error}, nor a certificate's id (64 hexadecimal digits)"))
    }
}
