//! A gateway among hostile clients.
//!
//! One gateway, one honest pair of clients that exchange QoS 1 messages all the time, and against
//! it, one after the other, everything a stranger or a registered but hostile client can send:
//!
//! | Module | What it does |
//! |---|---|
//! | [`order`] | valid packets in the wrong order, before and in a session |
//! | [`identity`] | forged signatures, wrong roles, other people's certificates, replays |
//! | [`bytes`] | every packet cut at every byte, and with every byte changed |
//! | [`size`] | more than anything may have: packets, fields, filters, messages in flight |
//! | [`flood`] | connections up to the limits, slow ones, refused messages without end |
//! | [`http`] | the HTTP side: authorisation, targets, methods, replays |
//!
//! # What must hold
//! - Every attack is refused or ends its own connection, in bounded time ([`foe::HANG`]).
//! - The honest pair loses nothing, gets nothing twice or out of order, and waits a bounded time.
//! - No task panics.
//! - Afterwards all tables are back to the honest number, and a new login is served.

#[path = "../gateway/common/mod.rs"]
mod common;

mod bytes;
mod flood;
mod foe;
mod honest;
mod http;
mod identity;
mod order;
mod size;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use common::{Person, World, eventually, wire::Wire};
use foe::Field;
use sealwire_gateway::{Config, Limits};
use sealwire_gateway::{doorkeeper::Rules, rate::Rate};
use sealwire_sm::cert::Role;

/// Panics in any thread of this program.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Bounds that an attack can reach within a test.
fn config(world: &World) -> Config {
    Config {
        limits: Limits {
            handshake_max: flood::HANDSHAKE_MAX,
            connections_per_address_max: flood::PER_ADDRESS_MAX,
            payload_bytes_max: size::PAYLOAD_BYTES_MAX,
            // The doorkeeper has tests of its own; here it would keep the hostile outside.
            doorkeeper: Rules {
                failures_max: u32::MAX,
                client: Rate {
                    burst: u32::MAX,
                    per_s: u32::MAX,
                },
                ..Rules::default()
            },
            ..Limits::default()
        },
        ..world.config()
    }
}

/// The bystander: registered, has an open topic of its own, and is hostile.
fn hostile_device(world: &World) -> Person {
    let foe = world.enrol(&world.one, "foe", Role::Device);
    world.register(&foe, &foe.topic("own"), None);
    foe
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_among_hostile_clients() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        print(info);
    }));
    let world = World::new();
    let gateway = world.gateway_with(config(&world)).await;
    let foe = hostile_device(&world);
    let pair = honest::Pair::start(&world, gateway.mqtt_addr).await;
    let field = Field {
        world,
        gateway,
        foe,
    };

    let start = Instant::now();
    let mut mark = start;
    let mut phase = |name: &str, what: String| {
        println!("MEASURE {name}: {what}, {:?}", mark.elapsed());
        mark = Instant::now();
    };
    phase("order", order::attack(&field).await);
    phase("identity", identity::attack(&field).await);
    phase("bytes", bytes::attack(&field).await);
    phase("size", size::attack(&field).await);
    phase("http", http::attack(&field).await);
    phase("flood", flood::attack(&field).await);

    let (messages, slowest) = pair.stop().await;
    println!("MEASURE honest pair: {messages} messages in order, slowest PUBACK {slowest:?}");
    assert!(messages > 100, "the honest pair hardly got through");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let Field {
        world,
        gateway,
        foe,
    } = field;
    let archive = gateway.archive();
    let archived = archive.messages(honest::TOPIC, 1_000_000).await.unwrap();
    assert_eq!(
        archived.len() as u64,
        messages,
        "nobody else published there"
    );
    eventually("no session is left", async || {
        gateway.sessions() == 0 && gateway.engine_connections().await == 0
    })
    .await;
    assert_eq!(gateway.wills(), 0);
    let mut wire = Wire::login(&world, gateway.mqtt_addr, &foe).await;
    let own = foe.topic("own");
    let (code, text) = wire.publish(own.as_str(), b"still served").await;
    assert_eq!(code, mqtt5::types::ReasonCode::Success, "{text}");
    assert_eq!(
        (gateway.sessions(), gateway.engine_connections().await),
        (1, 1)
    );
    gateway.shutdown().await;
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something panicked");
    println!("MEASURE all attacks: {:?}", start.elapsed());
}
