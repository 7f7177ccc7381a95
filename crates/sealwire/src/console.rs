//! `sealwire console`, and the console inside `node` and `gateway`: an organisation's web console.
//!
//! What it shows of the home's services: the nodes of all organisations that `org.toml` names, and the gateways
//! of the organisations here that have ever run one.
//!
//! With `--json`, one line when it has started and one for each further link; the links are secrets until they
//! are used. Enter on standard input makes another one.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use sealwire_client::Identity;
use sealwire_console::{
    Enrolled, Https, Keyholder, Limits, Link, Part, Running, Service, Settings, SystemClock,
};
use sealwire_envelope::{ClientId, OrgId};
use sealwire_sm::Role;

use crate::{
    cli::{Console, EnrolRole},
    device,
    home::{Home, OrgConfig, ledger_url},
    init::{GATEWAY, OPERATOR},
    output::{Output, time_text},
    process::{enters, raise_file_limit, until_stopped},
};

/// The keys of a home.
struct HomeKeys {
    home: Home,
}

#[async_trait]
impl Keyholder for HomeKeys {
    fn identity(&self, client: &ClientId) -> Option<Identity> {
        let dir = self.home.identity_dir(client);
        if !dir.join("client.key").exists() {
            return None;
        }
        Identity::load(&dir, None)
            .inspect_err(|error| tracing::warn!(%client, %error, "a key here can't be used"))
            .ok()
    }

    fn clients(&self) -> Vec<ClientId> {
        let configs = self.home.orgs_here().unwrap_or_default();
        let mut clients: Vec<_> = configs
            .iter()
            .flat_map(|config| self.clients_of(&config.org))
            .collect();
        clients.sort();
        clients
    }

    async fn enrol(&self, client: &ClientId, role: Role, days: u32) -> Result<Enrolled, String> {
        let role = match role {
            Role::User => EnrolRole::User,
            _ => EnrolRole::Device,
        };
        let made = device::enrol(&self.home, client, role, days).await;
        let made = made.map_err(|error| format!("{error:#}"))?;
        Ok(Enrolled {
            certificate: made.certificate,
            height: made.height,
            home: made.home,
        })
    }
}

impl HomeKeys {
    fn clients_of(&self, org: &OrgId) -> Vec<ClientId> {
        let names = std::fs::read_dir(self.home.org(org).join("clients"));
        let names = names.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let staff = [OPERATOR, GATEWAY].map(str::to_owned);
        names
            .chain(staff)
            .filter_map(|name| ClientId::new(org, &name).ok())
            .filter(|client| self.home.identity_dir(client).join("client.key").exists())
            .collect()
    }
}

/// How a console is served.
#[derive(Clone, Debug, Default)]
pub struct Serve {
    /// Where; as in org.toml, else at a free port of loopback, when none.
    pub listen: Option<SocketAddr>,
    /// Host names under which browsers reach it.
    pub names: Vec<String>,
    /// By HTTPS with a certificate that it makes.
    pub https: bool,
    /// By HTTPS with this certificate and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Starts an organisation's console.
///
/// # Errors
/// When the address can't be had, or isn't one that its protocol may be served at.
pub async fn begin(home: &Home, org: &OrgId, serve: Serve) -> Result<Running> {
    let config = home.org_config(org)?;
    let listen = serve.listen.or(config.console);
    let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    let https = match serve.certificate {
        Some((certificate, key)) => Some(Https::Files { certificate, key }),
        None => (serve.https || !listen.ip().is_loopback()).then(|| Https::SelfMade {
            directory: home.org(org),
        }),
    };
    let settings = Settings {
        org: org.clone(),
        listen,
        names: serve.names,
        https,
        genesis: Arc::new(home.genesis()?),
        nodes: home.ledger_urls(Some(org))?,
        services: services(home, &config)?,
        mqtt: Some(config.mqtt),
        keys: Arc::new(HomeKeys { home: home.clone() }),
        clock: Arc::new(SystemClock),
        limits: Limits::default(),
    };
    sealwire_console::start(settings)
        .await
        .with_context(|| format!("the console of '{org}' can't start"))
}

fn services(home: &Home, own: &OrgConfig) -> Result<Vec<Service>> {
    let here = home.orgs_here()?;
    let service = |org: &OrgId, part, url| Service {
        org: org.clone(),
        part,
        url,
    };
    let mut services = vec![service(
        &own.org,
        Part::Node,
        format!("http://{}", own.http),
    )];
    for peer in &own.peers {
        // On this machine it is asked in the clear, elsewhere by TLS where that is offered.
        let local = here.iter().any(|config| config.org == peer.org);
        let url = ledger_url(peer.http, peer.https.filter(|_| !local));
        services.push(service(&peer.org, Part::Node, url));
    }
    for config in here {
        let ran = home.gateway_dir(&config.org).join("follower").exists();
        if ran || config.org == own.org {
            let url = format!("http://{}", config.gateway_http);
            services.push(service(&config.org, Part::Gateway, url));
        }
    }
    services.sort_by(|a, b| (a.part, &a.org).cmp(&(b.part, &b.org)));
    Ok(services)
}

/// Starts a console in the process of a node or gateway where one is asked for, and says where it is.
///
/// # Errors
/// As [`begin`].
pub async fn beside(
    home: &Home,
    out: Output,
    org: &OrgId,
    listen: Option<SocketAddr>,
) -> Result<Option<Running>> {
    if listen.is_none() {
        return Ok(None);
    }
    let serve = Serve {
        listen,
        ..Serve::default()
    };
    let console = begin(home, org, serve).await?;
    told(out, org, &console);
    Ok(Some(console))
}

/// Says where a console is, with its first link.
pub fn told(out: Output, org: &OrgId, running: &Running) {
    let link = running.link();
    let document = serde_json::json!({
        "event": "started", "org": org, "console": running.origin(),
        "fingerprint_sha256": running.fingerprint, "link": link.url.as_str(),
        "link_expires_ms": link.expires_ms,
    });
    out.line(&document, |_| {
        let print = match &running.fingerprint {
            Some(print) => format!(
                "\nits certificate is signed by itself; compare what the browser shows, SHA-256:\n  {print}"
            ),
            None => String::new(),
        };
        format!(
            "{org}'s console is at {}{print}\n{}",
            running.origin(),
            link_text(&link)
        )
    });
}

fn link_text(link: &Link) -> String {
    format!(
        "sign in once, until {}, with\n  {}",
        time_text(link.expires_ms),
        link.url.as_str()
    )
}

/// Runs until stopped.
///
/// # Errors
/// As [`begin`].
pub async fn run(home: &Home, out: Output, args: &Console) -> Result<()> {
    raise_file_limit();
    let serve = Serve {
        listen: args.listen,
        names: args.names.clone(),
        https: args.https,
        certificate: args.tls_cert.clone().zip(args.tls_key.clone()),
    };
    let running = begin(home, &args.org, serve).await?;
    told(out, &args.org, &running);
    out.note("Enter makes another link; Ctrl-C ends the console");
    let mut asked = enters();
    let stopped = until_stopped(false);
    tokio::pin!(stopped);
    let mut closed = false;
    loop {
        tokio::select! {
            result = &mut stopped => {
                result?;
                break;
            }
            line = asked.recv(), if !closed => match line {
                Some(()) => {
                    let link = running.link();
                    let document = serde_json::json!({
                        "event": "link", "link": link.url.as_str(), "link_expires_ms": link.expires_ms,
                    });
                    out.line(&document, |_| link_text(&link));
                }
                None if args.until_stdin_closes => break,
                None => closed = true,
            },
        }
    }
    running.shutdown().await;
    Ok(())
}
