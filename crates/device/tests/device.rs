//! A device without a gateway: what is refused, how long it waits, and that it can be dropped at
//! any time. `crates/sealwire/tests/system/` has the rest, at a real gateway.

mod home;

use std::{
    collections::HashSet,
    net::TcpListener,
    time::{Duration, Instant},
};

use sealwire_device::{Device, Error, Kind};
use sealwire_envelope::login;

const SHORT: Duration = Duration::from_millis(300);

fn open(address: &str) -> (tempfile::TempDir, Device) {
    let dir = tempfile::tempdir().unwrap();
    home::make(&dir.path().join("home"), address);
    let device = Device::open(&dir.path().join("home"), Some("open")).unwrap();
    (dir, device)
}

fn kind<T>(result: Result<T, Error>) -> Kind {
    let error = result.err().expect("an error");
    assert!(!error.to_string().is_empty());
    error.kind()
}

#[test]
fn every_kind_has_words_of_its_own() {
    let texts: HashSet<_> = Kind::ALL.iter().map(|kind| kind.text()).collect();
    assert_eq!(texts.len(), Kind::ALL.len());
}

#[test]
fn a_home_that_isnt_one_is_refused() {
    let (dir, device) = open(&home::nobody());
    assert_eq!(device.client().as_str(), "acme.press-7");
    assert_eq!(kind(Device::open(dir.path(), None)), Kind::Home);
    let home = dir.path().join("home");
    assert_eq!(kind(Device::open(&home, None)), Kind::Home);
    assert_eq!(kind(Device::open(&home, Some("sesame"))), Kind::Home);
    assert_eq!(kind(device.token(Some("basin.gateway"), 60)), Kind::Home);
}

#[test]
fn arguments_are_checked_before_anything_is_sent() {
    let (_dir, device) = open(&home::nobody());
    let publish = |topic: &str, kind_of: &str, bytes: usize, qos| {
        let content = vec![0; bytes];
        kind(device.publish(topic, kind_of, &content, qos, SHORT))
    };
    assert_eq!(publish("acme/+/t", "a/b", 1, 1), Kind::Misuse);
    assert_eq!(publish("acme/press-7/t", "a/b", 1, 2), Kind::Misuse);
    assert_eq!(
        publish("acme/press-7/t", &"x".repeat(129), 1, 1),
        Kind::Misuse
    );
    assert_eq!(
        publish("acme/press-7/t", "a/b", (1 << 20) + 1, 1),
        Kind::TooLarge
    );
    assert_eq!(kind(device.subscribe("#/x", SHORT)), Kind::Misuse);
    assert_eq!(kind(device.connect(Some("no id"), SHORT)), Kind::Misuse);
    assert_eq!(kind(device.token(None, 0)), Kind::Misuse);
    assert_eq!(
        kind(device.token(None, login::TOKEN_MAX_LIFE_S + 1)),
        Kind::Misuse
    );
    assert_eq!(kind(device.receipt("xyz", 0, None, SHORT)), Kind::Misuse);
}

#[test]
fn a_token_names_device_and_gateway() {
    let address = home::nobody();
    let (_dir, device) = open(&address);
    let made = device.token(Some("acme.gateway"), 30).unwrap();
    assert_eq!((made.user.as_str(), made.mqtt), ("acme.press-7", address));
    let body = login::Token::from_text(made.token.as_bytes()).unwrap().body;
    assert_eq!(body.gateway.as_str(), "acme.gateway");
    assert_eq!(body.expires_s - body.not_before_s, 30);
}

#[test]
fn without_a_session_there_is_nothing_to_publish_on() {
    let (_dir, device) = open(&home::nobody());
    assert!(!device.is_connected());
    let published = device.publish("acme/press-7/t", "a/b", b"x", 1, SHORT);
    assert_eq!(kind(published.unwrap().wait()), Kind::Ended);
    let subscribed = device.subscribe("acme/press-7/t", SHORT).unwrap().wait();
    assert_eq!(kind(subscribed), Kind::Ended);
    device.disconnect().wait().unwrap();
    let connected = device.connect(None, Duration::from_secs(5)).unwrap();
    assert_eq!(kind(connected.wait()), Kind::Away);
}

#[test]
fn a_gateway_that_says_nothing_costs_the_limit_and_no_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_dir, device) = open(&listener.local_addr().unwrap().to_string());
    let start = Instant::now();
    let connected = device.connect(None, SHORT).unwrap().wait();
    assert_eq!(kind(connected), Kind::Timeout);
    let records = device.records("acme/press-7/t", None, 0).unwrap();
    assert_eq!(kind(records.next(SHORT)), Kind::Timeout);
    // What is waited for in slices goes on, and stops when it is dropped.
    let mut begun = device.connect(None, Duration::from_secs(60)).unwrap();
    assert!(begun.wait_for(SHORT).is_none() && begun.wait_for(SHORT).is_none());
    drop(begun);
    assert!(start.elapsed() < Duration::from_secs(10));
    // The place is free again.
    let connected = device.connect(None, SHORT).unwrap().wait();
    assert_eq!(kind(connected), Kind::Timeout);
}

#[test]
fn it_may_be_dropped_while_it_works() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_dir, device) = open(&listener.local_addr().unwrap().to_string());
    let begun = device.connect(None, Duration::from_secs(60)).unwrap();
    drop(device);
    drop(begun);
}
