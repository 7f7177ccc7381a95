//! A gateway's TLS port, as far as the ClientHello: which handshake begins, and with what answer.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConnection, pki_types::ServerName, server::Acceptor};
use sealwire_sm::{
    Certificate, Role, SecretKey,
    cert::{Subject, issue, issue_root},
};
use sealwire_tls::{
    ClientTrust, Clients, Expected, Family, Front, Offer, Preference, Roots, client, server,
};

/// 2026 to 2036, in seconds since 1970.
const VALID_S: [u64; 2] = [1_767_225_600, 2_082_758_400];

struct Port {
    front: Front,
    hello: Vec<u8>,
}

fn port() -> &'static Port {
    static PORT: OnceLock<Port> = OnceLock::new();
    PORT.get_or_init(|| {
        let rng = &mut rand::rng();
        let subject = |role, name| Subject {
            organisation: "acme",
            role,
            name,
            not_before_s: VALID_S[0],
            not_after_s: VALID_S[1],
        };
        let root_key = SecretKey::generate(rng);
        let root = issue_root(rng, &root_key, &subject(Role::Root, "acme root")).expect("a root");
        let key = SecretKey::generate(rng);
        let who = subject(Role::Gateway, "acme.gate-1");
        let gateway: Certificate =
            issue(rng, &root_key, &root, key.public_key(), &who).expect("a certificate");
        let roots = Roots::new([root]).expect("roots");
        let options = server::Options::default();
        let clients = Clients::Optional(ClientTrust::new(roots.clone(), |_| Ok(())));
        let sm = server::sm(&gateway, &key, clients, &options).expect("a server");
        let names = ["gateway.acme.test".to_owned()];
        let (chain, standard_key) = server::self_made(&names, VALID_S[0], 3000).expect("P-256");
        let standard =
            server::standard(vec![chain], standard_key, &options).expect("a standard server");
        let config = client::sm(roots, Expected::AnyGateway, None, &client::Options::default());
        Port {
            front: Front::both(sm, standard, Preference::Sm),
            hello: hello(config.expect("a client")),
        }
    })
}

fn hello(config: Arc<rustls::ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("gateway.acme.test").expect("a name");
    let mut client = ClientConnection::new(config, name).expect("a client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("a vector takes all");
    bytes
}

/// A valid hello to start from.
pub fn seed() -> Vec<u8> {
    port().hello.clone()
}

/// Reads `data` as a client's first bytes, chooses, and answers.
///
/// # Panics
/// If SM was chosen for a client that doesn't offer all of it.
pub fn greet(mut data: &[u8]) {
    let mut acceptor = Acceptor::default();
    while !data.is_empty() {
        if acceptor.read_tls(&mut data).is_err() {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let offer = Offer::of(&accepted.client_hello());
                if let Ok((family, mut server)) = port().front.accept(accepted) {
                    assert_eq!(family == Family::Sm, offer.sm);
                    // What follows the hello is the client's next flight.
                    while !data.is_empty() && server.read_tls(&mut data).is_ok() {
                        if server.process_new_packets().is_err() {
                            return;
                        }
                    }
                    assert!(server.is_handshaking(), "nobody finished this handshake");
                }
                return;
            }
            Err(_) => return,
        }
    }
}
