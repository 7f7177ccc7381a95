//! An organisation, and a wire between a client and a server in memory.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{
    io::Read as _,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, Error, ServerConfig, ServerConnection,
    SideData, pki_types::ServerName,
};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{Subject, issue, issue_root},
};
use sealwire_tls::{ClientTrust, Clients, Expected, Roots, client, server};

pub const DAY_S: u64 = 24 * 60 * 60;

pub fn now_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A certificate and its key.
pub struct Member {
    pub certificate: Certificate,
    pub key: SecretKey,
}

/// An organisation with its root.
pub struct Organisation {
    pub name: &'static str,
    pub root: Member,
}

impl Organisation {
    pub fn new(name: &'static str) -> Self {
        let rng = &mut rand::rng();
        let key = SecretKey::generate(rng);
        let subject = Subject {
            organisation: name,
            role: Role::Root,
            name: &format!("{name} root"),
            not_before_s: now_s() - 2 * DAY_S,
            not_after_s: now_s() + 365 * DAY_S,
        };
        let certificate = issue_root(rng, &key, &subject).unwrap();
        Self {
            name,
            root: Member { certificate, key },
        }
    }

    pub fn member(&self, role: Role, name: &str) -> Member {
        self.member_between(role, name, now_s() - DAY_S, now_s() + DAY_S)
    }

    pub fn member_between(&self, role: Role, name: &str, from_s: u64, to_s: u64) -> Member {
        let rng = &mut rand::rng();
        let key = SecretKey::generate(rng);
        let subject = Subject {
            organisation: self.name,
            role,
            name,
            not_before_s: from_s,
            not_after_s: to_s,
        };
        let root = &self.root;
        let certificate = issue(
            rng,
            &root.key,
            &root.certificate,
            key.public_key(),
            &subject,
        );
        Member {
            certificate: certificate.unwrap(),
            key,
        }
    }

    pub fn roots(&self) -> Roots {
        Roots::new([self.root.certificate.clone()]).unwrap()
    }

    /// Admits everybody whom the root signed.
    pub fn everybody(&self) -> ClientTrust {
        ClientTrust::new(self.roots(), |_| Ok(()))
    }

    pub fn client(&self, own: Option<&Member>) -> Arc<ClientConfig> {
        client::sm(
            self.roots(),
            Expected::AnyGateway,
            own.map(|own| (&own.certificate, &own.key)),
            &client::Options::default(),
        )
        .unwrap()
    }
}

pub fn sm_server(member: &Member, clients: Clients) -> Arc<ServerConfig> {
    let options = server::Options::default();
    server::sm(&member.certificate, &member.key, clients, &options).unwrap()
}

/// A client and a server with nothing but memory between them.
pub struct Pair {
    pub client: ClientConnection,
    pub server: ServerConnection,
    /// Every byte that the client, and the server, has sent.
    pub sent: [Vec<u8>; 2],
}

impl Pair {
    pub fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Self {
        let name = ServerName::try_from("gateway.acme.test").unwrap();
        Self {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            server: ServerConnection::new(server.clone()).unwrap(),
            sent: [Vec::new(), Vec::new()],
        }
    }

    /// Carries bytes until both are silent.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.settle_with(|_, _| {})
    }

    /// As [`Self::settle`]; `meddle` sees (from client?, bytes) and may change them.
    pub fn settle_with(&mut self, mut meddle: impl FnMut(bool, &mut Vec<u8>)) -> Result<(), Error> {
        loop {
            let mut silent = true;
            for from_client in [true, false] {
                let mut bytes = Vec::new();
                if from_client {
                    while self.client.wants_write() {
                        self.client.write_tls(&mut bytes).unwrap();
                    }
                } else {
                    while self.server.wants_write() {
                        self.server.write_tls(&mut bytes).unwrap();
                    }
                }
                if bytes.is_empty() {
                    continue;
                }
                silent = false;
                meddle(from_client, &mut bytes);
                self.sent[usize::from(!from_client)].extend_from_slice(&bytes);
                if from_client {
                    feed(&mut self.server, &bytes)?;
                } else {
                    feed(&mut self.client, &bytes)?;
                }
            }
            if silent {
                return Ok(());
            }
        }
    }

    /// A handshake and a message each way.
    pub fn talk(&mut self) -> Result<(), Error> {
        use std::io::Write as _;
        self.settle()?;
        self.client.writer().write_all(b"21.5 degrees").unwrap();
        self.server.writer().write_all(b"thanks").unwrap();
        self.settle()?;
        assert_eq!(received(&mut self.server), b"21.5 degrees");
        assert_eq!(received(&mut self.client), b"thanks");
        Ok(())
    }
}

/// Hands bytes to one side.
pub fn feed<D: SideData>(side: &mut ConnectionCommon<D>, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        side.read_tls(&mut bytes).unwrap();
        side.process_new_packets()?;
    }
    Ok(())
}

/// The plaintext that has arrived at one side.
pub fn received<D: SideData>(side: &mut ConnectionCommon<D>) -> Vec<u8> {
    let mut text = Vec::new();
    match side.reader().read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
    }
    text
}
