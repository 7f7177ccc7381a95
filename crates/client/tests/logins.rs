//! How long logins take, many at a time, against the real gateway in this process:
//! `LOGINS=2000 cargo test --release -p sealwire-client --test logins -- --ignored --nocapture`

mod common;

use std::{sync::Arc, time::Instant};

use common::World;
use sealwire_client::{
    Identity, Keyring,
    mqtt::{self, Options},
};
use sealwire_envelope::{Blob, Call, RegisterCertificate};
use sealwire_sm::Role;
use tokio::sync::Semaphore;

/// Logins under way at a time.
const AT_A_TIME: usize = 32;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a check"]
async fn measure() {
    let count: usize = std::env::var("LOGINS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(500);
    let world = World::new().await;
    let gateway = world.gateway(None).await;
    let first = world.client(&world.one, "first", Role::Device);
    let address = gateway.mqtt_addr.to_string();
    let mut identities = Vec::new();
    for i in 0..count {
        let (key, certificate) = world.one.issue(&format!("d{i}"), Role::Device);
        let der = Blob(certificate.der().to_vec());
        let call = Call::RegisterCertificate(RegisterCertificate { der });
        world
            .chain
            .call(&world.one.operator.0, &world.one.operator.1, call);
        let genesis = world.chain.genesis.clone();
        identities.push(Identity::in_memory(key, certificate, genesis).unwrap());
    }
    let before_kib = resident_kib();
    let turn = Arc::new(Semaphore::new(AT_A_TIME));
    let start = Instant::now();
    let tasks: Vec<_> = identities
        .into_iter()
        .map(|identity| {
            let (trust, ledger) = (first.trust.clone(), first.keyring.ledger().clone());
            let (turn, options) = (turn.clone(), Options::new(&address));
            tokio::spawn(async move {
                let _turn = turn.acquire().await.unwrap();
                let keyring = Arc::new(Keyring::new(identity.clone(), ledger));
                mqtt::connect(&identity, keyring, trust, options)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.push(task.await.unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    let mut latencies: Vec<_> = sessions.iter().map(|s| s.login_latency()).collect();
    latencies.sort();
    let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    let kib = (resident_kib() - before_kib) / count as f64;
    println!(
        "{count} logins in {seconds:.2} s: {:.0}/s; latency p50 {:?} p99 {:?}; {kib:.1} KiB each, \
         both ends",
        count as f64 / seconds,
        at(0.5),
        at(0.99),
    );
    assert!(sessions.iter().all(mqtt::Session::is_live));
    assert_eq!(gateway.sessions(), count);
}

fn resident_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}
