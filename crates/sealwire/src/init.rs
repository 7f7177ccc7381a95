//! `sealwire init`: a consortium's genesis, and a home for each organisation.
//!
//! Each organisation gets a root (signs certificates), an operator (issues and revokes), a validator
//! key (votes) and a gateway. Operators and gateways are registered by genesis itself.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use sealwire_client::{
    identity::{GatewayPeer, Identity, Peers},
    operator,
};
use sealwire_envelope::{
    Blob, ClientId, Genesis, OrgGenesis, OrgId,
    genesis::{GENESIS_VERSION, ORGS_MAX},
};
use sealwire_sm::{
    Certificate, PublicKey, Role, SecretKey,
    cert::{Subject, issue_root},
    keyfile,
};

use crate::{
    cli::Init,
    home::{self, Home, OrgConfig, Peer, ledger_url},
    output::Output,
    process::now_ms,
};

const DAY_S: u64 = 86_400;
/// How long a root is valid, in days.
const ROOT_DAYS: u64 = 20 * 365;
/// How long operators' and gateways' certificates are valid, in days.
const STAFF_DAYS: u64 = 5 * 365;
/// How long before now a certificate begins at most, in seconds.
const BACKDATE_S: u64 = 3_600;
/// Ports that one organisation takes.
pub const PORTS_PER_ORG: u16 = 10;

/// The name of every organisation's operator.
pub const OPERATOR: &str = "operator";
/// The name of every organisation's gateway.
pub const GATEWAY: &str = "gateway";
/// The name of every organisation's node.
const NODE: &str = "node";
/// File of the node's key for TLS.
const NODE_KEY: &str = "node.key";
/// File of the node's certificate for TLS.
const NODE_CERTIFICATE: &str = "node.crt";

/// What a consortium shall be.
pub struct Plan {
    /// For people.
    pub name: String,
    /// Its organisations and the addresses of each.
    pub orgs: Vec<(OrgId, Addresses)>,
    /// Shortest time between two blocks, in milliseconds.
    pub block_interval_ms: u64,
    /// Now, milliseconds since 1970.
    pub now_ms: u64,
}

/// Where an organisation's services listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Validator to validators.
    pub p2p: SocketAddr,
    /// Ledger HTTP.
    pub http: SocketAddr,
    /// Ledger by TLS, for members.
    pub https: SocketAddr,
    /// MQTT.
    pub mqtt: SocketAddr,
    /// Archive HTTP.
    pub gateway_http: SocketAddr,
    /// MQTT by TLS.
    pub mqtts: SocketAddr,
    /// Archive by TLS.
    pub gateway_https: SocketAddr,
    /// Enrolment desk.
    pub desk: SocketAddr,
    /// Web console.
    pub console: SocketAddr,
}

impl Addresses {
    /// Consecutive ports on loopback.
    ///
    /// # Errors
    /// When they don't fit below 65,536.
    pub fn from_base(base_port: u16, index: usize) -> Result<Self> {
        let first = u16::try_from(index)
            .ok()
            .and_then(|i| i.checked_mul(PORTS_PER_ORG))
            .and_then(|offset| base_port.checked_add(offset))
            .filter(|first| *first <= u16::MAX - PORTS_PER_ORG)
            .context("the ports don't fit below 65,536: choose a lower --base-port")?;
        let at = |offset| SocketAddr::from((Ipv4Addr::LOCALHOST, first + offset));
        Ok(Self {
            p2p: at(0),
            http: at(1),
            mqtt: at(2),
            gateway_http: at(3),
            mqtts: at(4),
            gateway_https: at(5),
            desk: at(6),
            https: at(7),
            console: at(8),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// As [`run`].
pub fn command(home: &Home, out: Output, args: Init) -> Result<()> {
    let mut orgs = Vec::new();
    for (index, org) in args.orgs.into_iter().enumerate() {
        orgs.push((org, Addresses::from_base(args.base_port, index)?));
    }
    let plan = Plan {
        name: args.name,
        orgs,
        block_interval_ms: args.block_interval_ms,
        now_ms: now_ms(),
    };
    let genesis = run(home, plan)?;
    let document = serde_json::json!({
        "home": home.root(), "genesis": home.genesis_path(), "chain": genesis.chain_id(),
        "organisations": genesis.orgs.iter().map(|org| &org.org).collect::<Vec<_>>(),
    });
    out.print(&document, |_| {
        let mut lines = vec![format!(
            "consortium '{}' (ledger {}) in {}\nnext, each in a terminal of its own:",
            genesis.name,
            genesis.chain_id().0.short(),
            home.root().display()
        )];
        for org in &genesis.orgs {
            lines.push(format!(
                "  sealwire --home {} node --org {}",
                home.root().display(),
                org.org
            ));
        }
        if let Some(first) = genesis.orgs.first() {
            let home = home.root().display();
            lines.push(format!(
                "  sealwire --home {home} gateway --org {}",
                first.org
            ));
        }
        lines.join("\n")
    });
    Ok(())
}

/// Makes everything under `home`.
///
/// # Errors
/// When there is a genesis already, the organisations don't make a consortium, or the file system
/// refuses.
pub fn run(home: &Home, mut plan: Plan) -> Result<Genesis> {
    ensure!(
        !home.genesis_path().exists(),
        "{} exists already: choose another --home, or remove it to start anew",
        home.genesis_path().display()
    );
    plan.orgs.sort_by(|a, b| a.0.cmp(&b.0));
    ensure!(
        plan.orgs.windows(2).all(|pair| pair[0].0 != pair[1].0),
        "an organisation is named twice"
    );
    ensure!(
        (1..=ORGS_MAX).contains(&plan.orgs.len()),
        "give 1 to {ORGS_MAX} organisations"
    );
    let mut orgs = Vec::new();
    let mut staff = Vec::new();
    for (org, addresses) in &plan.orgs {
        let made = make_org(home, org, &plan)?;
        orgs.push(made.genesis);
        staff.extend(made.staff);
        let peers = plan.orgs.iter().filter(|(other, _)| other != org);
        let peers = peers
            .map(|(org, a)| Peer {
                org: org.clone(),
                p2p: a.p2p,
                http: a.http,
                https: Some(a.https),
            })
            .collect();
        home.write_org_config(&OrgConfig {
            org: org.clone(),
            p2p: addresses.p2p,
            http: addresses.http,
            https: Some(addresses.https),
            mqtt: addresses.mqtt,
            mqtts: Some(addresses.mqtts),
            gateway_https: Some(addresses.gateway_https),
            desk: Some(addresses.desk),
            console: Some(addresses.console),
            tls_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            gateway_http: addresses.gateway_http,
            package_messages: 1000,
            package_age_ms: 10_000,
            record_addresses: crate::home::RecordAddresses::default(),
            peers,
        })?;
    }
    let genesis = Genesis {
        version: GENESIS_VERSION,
        name: plan.name,
        created_ms: plan.now_ms,
        block_interval_ms: plan.block_interval_ms,
        orgs,
    };
    sealwire_contracts::consortium::check(&genesis).context("the new genesis is unsound")?;
    let shared = Arc::new(genesis.clone());
    for Staff {
        dir,
        key,
        certificate,
    } in staff
    {
        let client: ClientId = certificate.name.parse()?;
        let peers = peers_for(&home_configs(home, &plan.orgs)?, &client.org());
        Identity::create(&dir, key, certificate, shared.clone(), peers, None)?;
    }
    // The genesis file comes last: where it is, the rest is.
    keyfile::write_private(&home.genesis_path(), genesis.to_json().as_bytes())
        .context("the genesis file can't be written")?;
    Ok(genesis)
}

fn home_configs(home: &Home, orgs: &[(OrgId, Addresses)]) -> Result<Vec<OrgConfig>> {
    orgs.iter().map(|(org, _)| home.org_config(org)).collect()
}

/// Where a client of `org` finds the rest: its own organisation's node and gateway first.
pub fn peers_for(configs: &[OrgConfig], org: &OrgId) -> Peers {
    let mut ordered: Vec<&OrgConfig> = configs.iter().collect();
    ordered.sort_by_key(|config| config.org != *org);
    let gateway = |config: &&OrgConfig| {
        let client = ClientId::new(&config.org, GATEWAY).ok()?;
        Some(GatewayPeer {
            client,
            certificate: None,
            mqtt: config.mqtt.to_string(),
            http: format!("http://{}", config.gateway_http),
            mqtts: config.mqtts.map(|address| format!("mqtts://{address}")),
            https: config
                .gateway_https
                .map(|address| format!("https://{address}")),
        })
    };
    Peers {
        ledger: ordered
            .iter()
            .map(|config| ledger_url(config.http, config.https))
            .collect(),
        gateways: ordered.iter().filter_map(gateway).collect(),
        desk: ordered
            .first()
            .filter(|config| config.org == *org)
            .and_then(|config| Some(format!("http://{}", config.desk?))),
    }
}

/// What [`make_org`] makes.
struct MadeOrg {
    genesis: OrgGenesis,
    staff: Vec<Staff>,
}

/// An operator or a gateway.
struct Staff {
    dir: PathBuf,
    key: SecretKey,
    certificate: Certificate,
}

fn make_org(home: &Home, org: &OrgId, plan: &Plan) -> Result<MadeOrg> {
    let dir = home.org(org);
    if dir.exists() {
        bail!(
            "{} exists already: remove it, or choose another --home",
            dir.display()
        );
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("{} can't be made", dir.display()))?;
    let rng = &mut rand::rng();
    let now_s = plan.now_ms / 1000;
    let root_key = SecretKey::generate(rng);
    let root_name = format!("{org} root");
    let root = issue_root(
        rng,
        &root_key,
        &Subject {
            organisation: org.as_str(),
            role: Role::Root,
            name: &root_name,
            not_before_s: now_s - DAY_S,
            not_after_s: now_s + ROOT_DAYS * DAY_S,
        },
    )?;
    home::write_key(&dir.join("root.key"), &root_key)?;
    std::fs::write(dir.join("root.pem"), root.to_pem()).context("root.pem can't be written")?;
    let validator = SecretKey::generate(rng);
    home::write_key(&dir.join("validator.key"), &validator)?;
    let valid_s = STAFF_DAYS * DAY_S;
    certify_node(&dir, org, &root_key, &root, now_s, valid_s)?;
    let mut staff = Vec::new();
    for (name, role, dir) in [
        (OPERATOR, Role::Operator, home.operator_dir(org)),
        (GATEWAY, Role::Gateway, home.gateway_dir(org)),
    ] {
        let client = ClientId::new(org, name)?;
        let key = SecretKey::generate(rng);
        let public_key = key.public_key();
        let certificate = certify(&root_key, &root, &client, role, public_key, now_s, valid_s)?;
        staff.push(Staff {
            dir,
            key,
            certificate,
        });
    }
    let genesis = OrgGenesis {
        org: org.clone(),
        root_cert_der: Blob(root.der().to_vec()),
        validator: validator.public_key().clone(),
        certificates: staff
            .iter()
            .map(|s| Blob(s.certificate.der().to_vec()))
            .collect(),
    };
    Ok(MadeOrg { genesis, staff })
}

/// Makes the key and certificate that an organisation's node shows by TLS. They aren't the validator's: what
/// a node says over HTTP is proven by votes, not by who says it.
fn certify_node(
    dir: &Path,
    org: &OrgId,
    root_key: &SecretKey,
    root: &Certificate,
    now_s: u64,
    valid_s: u64,
) -> Result<()> {
    let key = SecretKey::generate(&mut rand::rng());
    let client = ClientId::new(org, NODE)?;
    let (role, public_key) = (Role::Validator, key.public_key());
    let certificate = certify(root_key, root, &client, role, public_key, now_s, valid_s)?;
    home::write_key(&dir.join(NODE_KEY), &key)?;
    std::fs::write(dir.join(NODE_CERTIFICATE), certificate.to_pem())
        .with_context(|| format!("{NODE_CERTIFICATE} can't be written"))
}

/// The key and certificate of an organisation's node, made now where the root is here and they aren't yet.
///
/// # Errors
/// When they can't be read, or neither they nor the root are here.
pub fn node_identity(dir: &Path, org: &OrgId) -> Result<(SecretKey, Certificate)> {
    let (key, certificate) = (dir.join(NODE_KEY), dir.join(NODE_CERTIFICATE));
    if !certificate.exists() {
        let (root_key, root) = home::read_root(dir).with_context(|| {
            format!(
                "org.toml says 'https', and {} isn't there to serve it with: leave 'https' out, or start \
                 the node once where the organisation's root is",
                certificate.display()
            )
        })?;
        let (now_s, valid_s) = (now_ms() / 1000, STAFF_DAYS * DAY_S);
        certify_node(dir, org, &root_key, &root, now_s, valid_s)?;
    }
    let pem = std::fs::read_to_string(&certificate)
        .with_context(|| format!("{} can't be read", certificate.display()))?;
    let certificate = Certificate::from_pem(&pem)
        .with_context(|| format!("{} can't be used", certificate.display()))?;
    Ok((keyfile::read(&key, None)?, certificate))
}

/// Issues a client's certificate, valid for `valid_s` seconds from a little ago (clocks differ).
///
/// # Errors
/// When the root isn't the client's organisation's.
pub fn certify(
    root_key: &SecretKey,
    root: &Certificate,
    client: &ClientId,
    role: Role,
    key: &PublicKey,
    now_s: u64,
    valid_s: u64,
) -> Result<Certificate> {
    let before_s = BACKDATE_S.min(valid_s / 10);
    Ok(operator::issue(
        root_key,
        root,
        key,
        client,
        role,
        now_s - before_s,
        (now_s - before_s + valid_s).min(root.not_after_s),
    )?)
}
