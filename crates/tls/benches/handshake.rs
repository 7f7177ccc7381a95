//! Handshakes and records per second: SM, and standard TLS by ring, on one core in memory.
//!
//! ```text
//! cargo bench -p sealwire-tls
//! ```
//! A handshake's time is that of both sides together.

#![allow(
    missing_docs,
    reason = "criterion's macro makes a public function without any"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use sealwire_sm::{
    Role,
    record::{Mode, RecordKey},
};
use sealwire_tls::{Clients, Expected, client, server};

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Organisation, Pair, feed, now_s, sm_server};

struct Way {
    name: &'static str,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    kind: HandshakeKind,
}

fn ways() -> Vec<Way> {
    let acme = Organisation::new("acme");
    let gateway = acme.member(Role::Gateway, "acme.gate-1");
    let device = acme.member(Role::Device, "acme.press-7");
    let names = ["gateway.acme.test".to_owned()];
    let (certificate, key) = server::self_made(&names, now_s(), 30).unwrap();
    let mut store = RootCertStore::empty();
    store.add(certificate.clone()).unwrap();
    let options = server::Options::default();
    let standard = server::standard(vec![certificate], key, &options).unwrap();
    let sm = sm_server(&gateway, Clients::Unasked);
    let mutual = sm_server(&gateway, Clients::Required(acme.everybody()));
    let forgetful = client::Options {
        sessions: 0,
        ..client::Options::default()
    };
    let sm_client = |own: bool, options: &client::Options| {
        let own = own.then_some((&device.certificate, &device.key));
        let expected = Expected::AnyGateway;
        client::sm(acme.roots(), expected, own, options).unwrap()
    };
    let keeping = client::Options::default();
    let way = |name, client, server: &Arc<ServerConfig>, kind| Way {
        name,
        client,
        server: server.clone(),
        kind,
    };
    let standard_client = |options| client::standard(store.clone(), options).unwrap();
    let (full, resumed) = (HandshakeKind::Full, HandshakeKind::Resumed);
    vec![
        way("sm full", sm_client(false, &forgetful), &sm, full),
        way(
            "sm full, client certificate",
            sm_client(true, &forgetful),
            &mutual,
            full,
        ),
        way("sm resumed", sm_client(false, &keeping), &sm, resumed),
        way(
            "standard full",
            standard_client(&forgetful),
            &standard,
            full,
        ),
        way(
            "standard resumed",
            standard_client(&keeping),
            &standard,
            resumed,
        ),
    ]
}

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for way in ways() {
        // The first brings the tickets.
        Pair::new(&way.client, &way.server).settle().unwrap();
        group.bench_function(way.name, |bencher| {
            bencher.iter(|| {
                let mut pair = Pair::new(&way.client, &way.server);
                pair.settle().unwrap();
                assert_eq!(pair.server.handshake_kind(), Some(way.kind));
            });
        });
    }
    group.finish();
}

/// One side of a full handshake alone: what a gateway's core does per connection.
fn servers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("server's share");
    for way in ways()
        .into_iter()
        .filter(|way| way.kind == HandshakeKind::Full)
    {
        group.bench_function(way.name, |bencher| {
            bencher.iter_custom(|count| {
                let mut spent = Duration::ZERO;
                for _ in 0..count {
                    spent += server_time(&way);
                }
                spent
            });
        });
    }
    group.finish();
}

fn server_time(way: &Way) -> Duration {
    let mut pair = Pair::new(&way.client, &way.server);
    let mut spent = Duration::ZERO;
    for _ in 0..3 {
        let mut bytes = Vec::new();
        while pair.client.wants_write() {
            pair.client.write_tls(&mut bytes).unwrap();
        }
        let start = Instant::now();
        feed(&mut pair.server, &bytes).unwrap();
        let mut bytes = Vec::new();
        while pair.server.wants_write() {
            pair.server.write_tls(&mut bytes).unwrap();
        }
        spent += start.elapsed();
        feed(&mut pair.client, &bytes).unwrap();
    }
    assert!(!pair.server.is_handshaking());
    spent
}

fn records(criterion: &mut Criterion) {
    const BYTES: usize = 16 * 1024;
    let mut group = criterion.benchmark_group("16 KiB, sealed and opened");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for mode in [Mode::Gcm, Mode::Ccm] {
        let key = RecordKey::new(mode, &[7; 16]);
        let mut buffer = vec![7; BYTES];
        group.bench_function(format!("SM4 {mode:?}"), |bencher| {
            bencher.iter(|| {
                let tag = key.seal_in_place(&[1; 12], &[2; 5], &mut buffer).unwrap();
                key.open_in_place(&[1; 12], &[2; 5], &mut buffer, &tag)
                    .unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, handshakes, servers, records);
criterion_main!(benches);
