//! What a peer may send that isn't TLS, isn't whole, or isn't what was signed: an error, never a
//! panic, never a finished handshake.
//!
//! `SEALWIRE_MUTATIONS` sets how many changed byte strings each search tries.

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rustls::{
    ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection, pki_types::ServerName,
    server::Acceptor,
};
use sealwire_sm::Role;
use sealwire_tls::{Clients, Front};
use support::{Member, Organisation, Pair, feed, sm_server};

struct Set {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    front: Front,
}

fn set() -> Set {
    let acme = Organisation::new("acme");
    let gateway: Member = acme.member(Role::Gateway, "acme.gate-1");
    let device = acme.member(Role::Device, "acme.press-7");
    let server = sm_server(&gateway, Clients::Required(acme.everybody()));
    Set {
        client: acme.client(Some(&device)),
        front: Front::sm(server.clone()),
        server,
    }
}

fn mutations() -> u64 {
    std::env::var("SEALWIRE_MUTATIONS").map_or(4000, |count| count.parse().expect("a number"))
}

fn start(client: &Arc<ClientConfig>) -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("gateway.acme.test").unwrap();
    let mut connection = ClientConnection::new(client.clone(), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    (connection, hello)
}

/// What the front makes of bytes: whether an SM handshake began.
fn greet(front: &Front, bytes: &[u8]) -> bool {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        if acceptor.read_tls(&mut rest).is_err() {
            return false;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => return front.accept(accepted).is_ok(),
            Err(_) => return false,
        }
    }
    false
}

/// Changes a few bytes: flips, cuts, inserts, repeats.
fn mutate(bytes: &mut Vec<u8>, mut random: impl FnMut(usize) -> usize) {
    for _ in 0..=random(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random(bytes.len());
        match random(6) {
            0 => bytes[at] ^= 1 << random(8),
            1 => bytes[at] = random(256) as u8,
            2 => bytes[at] = [0, 0xff, 0x7f, 0x80][random(4)],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, random(256) as u8),
            _ => {
                let piece = bytes[at..(at + random(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

fn random_below() -> impl FnMut(usize) -> usize {
    use rand::{RngExt as _, SeedableRng as _};
    // The same bytes each run: a failure is found again.
    let mut rng = rand::rngs::StdRng::seed_from_u64(8998);
    move |below| rng.random_range(0..below)
}

#[test]
fn changed_hellos_never_panic() {
    let set = set();
    let (_, hello) = start(&set.client);
    assert!(greet(&set.front, &hello));
    let mut random = random_below();
    let (mut begun, mut refused) = (0, 0);
    for _ in 0..mutations() {
        let mut bytes = hello.clone();
        mutate(&mut bytes, &mut random);
        if greet(&set.front, &bytes) {
            begun += 1;
        } else {
            refused += 1;
        }
    }
    // Both happen (the client's random may be changed freely), so the search isn't empty.
    assert!(begun > 0 && refused > 0, "{begun} {refused}");
}

proptest! {
    #[test]
    fn any_bytes_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let set = cached();
        prop_assert!(!greet(&set.front, &bytes));
    }

    #[test]
    fn any_body_in_a_well_formed_record(
        body in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let set = cached();
        let mut bytes = vec![22, 3, 1];
        bytes.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend([1, 0]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        prop_assert!(!greet(&set.front, &bytes));
    }
}

fn cached() -> &'static Set {
    static SET: std::sync::OnceLock<Set> = std::sync::OnceLock::new();
    SET.get_or_init(set)
}

/// The server's answer to a hello.
fn answer(set: &Set, hello: &[u8]) -> (ServerConnection, Vec<u8>) {
    let mut server = ServerConnection::new(set.server.clone()).unwrap();
    feed(&mut server, hello).unwrap();
    let mut flight = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    (server, flight)
}

#[test]
fn changed_answers_never_finish_a_clients_handshake() {
    let set = set();
    let mut random = random_below();
    for _ in 0..mutations() / 40 {
        let (mut client, hello) = start(&set.client);
        let (_, flight) = answer(&set, &hello);
        let mut bytes = flight.clone();
        mutate(&mut bytes, &mut random);
        let outcome = feed(&mut client, &bytes);
        if bytes != flight && outcome.is_ok() {
            // Finished all the same: then all that counts is there, and what differs is behind it
            // or nobody's concern.
            let (whole, got) = (essence(&flight), essence(&bytes));
            assert!(client.is_handshaking() || got.starts_with(&whole));
        }
    }
}

/// What counts of a stream: not a record's version (RFC 8446 §5.1), and not change_cipher_spec
/// records, which say nothing (§5).
fn essence(stream: &[u8]) -> Vec<(u8, &[u8])> {
    records(stream)
        .map(|(at, len)| (stream[at], &stream[at + 5..(at + len).min(stream.len())]))
        .filter(|(kind, _)| *kind != 20)
        .collect()
}

#[test]
fn every_prefix_of_a_handshake_is_unfinished() {
    let set = set();
    let (_, hello) = start(&set.client);
    for len in 0..hello.len() {
        assert!(
            !greet(&set.front, &hello[..len]),
            "{len} bytes of the hello"
        );
    }
    let (mut client, hello) = start(&set.client);
    let (mut server, flight) = answer(&set, &hello);
    for (at, byte) in flight.iter().enumerate() {
        assert!(client.is_handshaking(), "{at} bytes of the answer");
        feed(&mut client, &[*byte]).unwrap();
    }
    let mut finish = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut finish).unwrap();
    }
    for (at, byte) in finish.iter().enumerate() {
        assert!(server.is_handshaking(), "{at} bytes of the finish");
        feed(&mut server, &[*byte]).unwrap();
    }
    assert!(!server.is_handshaking());
}

#[test]
fn every_changed_record_after_the_hellos_is_noticed() {
    let set = set();
    // Every 7th byte of each side's protected records, headers included.
    for from_client in [true, false] {
        let mut whole = Pair::new(&set.client, &set.server);
        whole.talk().unwrap();
        let len = whole.sent[usize::from(!from_client)].len();
        let first = first_protected(&whole.sent[usize::from(!from_client)]);
        for target in (first..len).step_by(7) {
            let mut pair = Pair::new(&set.client, &set.server);
            let (mut at, mut changed) = (0, false);
            let outcome = pair.settle_with(|client, bytes| {
                if client != from_client {
                    return;
                }
                if (at..at + bytes.len()).contains(&target) {
                    bytes[target - at] ^= 1;
                    changed = true;
                }
                at += bytes.len();
            });
            // A changed length may leave a side waiting for the rest; then nothing was finished.
            let finished = !pair.client.is_handshaking() && !pair.server.is_handshaking();
            if changed && outcome.is_ok() && finished {
                // A longer length after the handshake: the rest is waited for.
                let sent = &pair.sent[usize::from(!from_client)];
                assert!(is_length_byte(sent, target), "byte {target}");
            }
            if !changed {
                break;
            }
        }
    }
}

/// Where the first record of type application data starts.
fn first_protected(stream: &[u8]) -> usize {
    records(stream).find(|(at, _)| stream[*at] == 23).unwrap().0
}

fn is_length_byte(stream: &[u8], target: usize) -> bool {
    records(stream).any(|(at, _)| (at + 3..at + 5).contains(&target))
}

fn records(stream: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let header = stream.get(at..at + 5)?;
        let len = 5 + usize::from(u16::from_be_bytes([header[3], header[4]]));
        let start = at;
        at += len;
        Some((start, len))
    })
}

#[test]
fn a_tampered_message_ends_the_connection() {
    use std::io::Write as _;
    let set = set();
    let mut pair = Pair::new(&set.client, &set.server);
    pair.talk().unwrap();
    pair.client.writer().write_all(b"open the valve").unwrap();
    let outcome = pair.settle_with(|_, bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(outcome.unwrap_err(), Error::DecryptError);
    assert!(support::received(&mut pair.server).is_empty());
}

#[test]
fn a_replayed_or_swapped_record_ends_the_connection() {
    use std::io::Write as _;
    let set = set();
    for swap in [false, true] {
        let mut pair = Pair::new(&set.client, &set.server);
        pair.talk().unwrap();
        let mut sealed = Vec::new();
        for text in [b"one", b"two"] {
            pair.client.writer().write_all(text).unwrap();
            let mut bytes = Vec::new();
            pair.client.write_tls(&mut bytes).unwrap();
            sealed.push(bytes);
        }
        let order = if swap { [1, 0] } else { [0, 0] };
        let outcome = order
            .iter()
            .try_for_each(|at| feed(&mut pair.server, &sealed[*at]));
        assert_eq!(outcome.unwrap_err(), Error::DecryptError);
    }
}

type Change<'a> = &'a dyn Fn(&mut [u8]);

#[test]
fn hostile_points_are_refused() {
    let set = set();
    let (_, hello) = start(&set.client);
    // key_share: group 0x0029, 65 bytes, 0x04.
    let mark = [0x00, 0x29, 0x00, 0x41, 0x04];
    let at = hello.windows(5).position(|window| window == mark).unwrap() + 4;
    let change = |point: Change<'_>| {
        let mut bytes = hello.clone();
        point(&mut bytes[at..at + 65]);
        let mut server = ServerConnection::new(set.server.clone()).unwrap();
        feed(&mut server, &bytes)
    };
    change(&|_| {}).unwrap();
    let changes: [Change<'_>; 5] = [
        &|point| point[64] ^= 1,
        &|point| point[0] = 0x02,
        &|point| point[0] = 0x00,
        &|point| point[1..].fill(0),
        &|point| point[1..].fill(0xff),
    ];
    for (number, point) in changes.iter().enumerate() {
        let error = change(point).unwrap_err();
        assert!(
            matches!(error, Error::PeerMisbehaved(_)),
            "{number}: {error}"
        );
    }
}
