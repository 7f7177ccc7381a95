//! What a decision costs a gateway: `cargo bench -p sealwire-contracts`.
//!
//! A view of 100,000 clients, each with one topic that one neighbour may use, and as many events; then a
//! million decisions per action. Prints nanoseconds per decision. No comparison with earlier runs: the
//! bound that tests hold is the number of look-ups.

use std::hint::black_box;
use std::time::Instant;

use sealwire_contracts::entry::{
    CertificateEntry, ClientEntry, EventEntry, GrantEntry, Moment, TopicEntry,
};
use sealwire_contracts::keys::{self, Position};
use sealwire_contracts::{Action, View};
use sealwire_envelope::*;
use sealwire_sm::cert::Role;
use sealwire_sm::sm3;

const CLIENTS: u32 = 100_000;
const ROUNDS: u32 = 1_000_000;

fn client(n: u32) -> ClientId {
    format!("acme.device-{:06}", n % CLIENTS)
        .parse()
        .expect("a client id")
}

fn topic(n: u32) -> TopicName {
    format!("acme/device-{:06}/temperature", n % CLIENTS)
        .parse()
        .expect("a topic")
}

fn entries(n: u32) -> [(Vec<u8>, Vec<u8>); 5] {
    let (client, next, topic) = (client(n), client(n + 1), topic(n));
    let at = Moment::default();
    let id = CertId(sm3(&[&n.to_be_bytes()]));
    let certificate = CertificateEntry {
        client: client.clone(),
        role: Role::Device,
        not_before_s: 0,
        not_after_s: u64::MAX,
        public_key: vec![2; 33].into(),
        der: vec![0x30; 450].into(),
        registered: at,
        revoked: None,
        suspensions: Vec::new(),
    };
    let entry = TopicEntry {
        owner: client.clone(),
        mode: TopicMode::Sealed,
        epoch: KeyEpoch(0),
        registered: at,
        changed: None,
        closed: None,
    };
    let grant = GrantEntry {
        rights: Rights::ALL,
        expires_s: None,
        from_s: None,
        to_s: None,
        purpose: String::new(),
        epoch: KeyEpoch(0),
        granted: at,
        revoked: None,
    };
    let event = ConnectionEvent {
        client: client.clone(),
        kind: EventKind::Connected,
        time_ms: 0,
        address: "127.0.0.1".into(),
        port: 1883,
        protocol_version: 5,
        keep_alive_s: 60,
        clean_start: true,
        properties: Vec::new(),
        topic: None,
        reason: String::new(),
        grant: None,
        height: 1,
    };
    let event = EventEntry {
        event,
        gateway: next.clone(),
        at,
    };
    let position = Position {
        height: 1,
        tx: n,
        item: 0,
    };
    [
        (
            keys::client(&client),
            encode(&ClientEntry {
                certificate: id,
                since: Moment::default(),
            }),
        ),
        (keys::certificate(&id), encode(&certificate)),
        (keys::topic(&topic), encode(&entry)),
        (keys::grant(&next, &topic), encode(&grant)),
        (keys::event(&client, 0, position), encode(&event)),
    ]
}

fn main() {
    let view = View::load(1, 0, (0..CLIENTS).flat_map(entries));
    // 65,537 is coprime to the number of clients: every client's turn comes, in no local order.
    let names: Vec<_> = (0..CLIENTS)
        .map(|n| n.wrapping_mul(65_537) % CLIENTS)
        .collect();
    let names: Vec<_> = names
        .iter()
        .map(|n| (client(*n), client(n + 1), topic(*n)))
        .collect();
    println!("{} entries, {ROUNDS} decisions each:", view.len());
    type Ask = fn(&View, &(ClientId, ClientId, TopicName)) -> bool;
    let asks: [(&str, Ask); 3] = [
        ("connect", |view, (owner, _, _)| {
            view.decide(owner, Action::Connect, 0).is_allowed()
        }),
        ("publish, owner", |view, (owner, _, topic)| {
            view.decide(owner, Action::Publish(topic), 0).is_allowed()
        }),
        ("publish, grantee", |view, (_, grantee, topic)| {
            view.decide(grantee, Action::Publish(topic), 0).is_allowed()
        }),
    ];
    for (what, ask) in asks {
        let start = Instant::now();
        for round in 0..ROUNDS {
            assert!(black_box(ask(&view, &names[(round % CLIENTS) as usize])));
        }
        let each_ns = start.elapsed().as_nanos() / u128::from(ROUNDS);
        println!("  {what:<18} {each_ns:>6} ns");
    }
}
