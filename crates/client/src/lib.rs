//! Log in, publish, subscribe, fetch and verify as a device or user.
//!
//! | Module | What |
//! |---|---|
//! | [`identity`] | key, certificate, genesis and peers of a client, in its home directory |
//! | [`sequence`] | message sequences that never repeat, kill -9 included |
//! | [`ledger`] | transactions, outcomes, proven reads of the state |
//! | [`trust`] | which gateways are believed |
//! | [`tls`] | TLS 1.3 by RFC 8998 to gateways |
//! | [`mqtt`] | sessions at a gateway: SM2 login, sealed messages |
//! | [`token`] | passwords for clients without SM2 (`mosquitto_pub`) |
//! | [`keyring`] | topic keys and senders' keys, remembered |
//! | [`readings`] | encrypt readings to a compute key and publish them |
//! | [`owner`] | register topics, grant, revoke with rotation, authorisation keys, hand over |
//! | [`explain`] | why one may or may not, now or then, decided here from proven entries |
//! | [`archive`] | fetch packages and records, verify them, make receipts |
//! | [`compute`] | have a gateway compute on encrypted readings, evaluate again, make receipts of results |
//! | [`certificate`] | get a certificate by code or request, renew it, ask whether it was valid |
//! | [`operator`] | issue, register, suspend and revoke certificates; templates and enrolments |
//!
//! Three programs to start from are in `examples/`: `publish`, `subscribe`, `read_records`. Programs in
//! C and Python use the crates `sealwire-capi` and `sealwire-python`.
//!
//! # A device
//! Its home was made by `sealwire device enrol`; it publishes one reading a second, and what it
//! published is on the gateway's disk when `publish` returns.
//!
//! ```no_run
//! use std::{path::Path, sync::Arc, time::Duration};
//! use sealwire_client::{Identity, Keyring, Ledger, Trust, mqtt::{self, Options, Reconnect}};
//!
//! # async fn device() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::load(Path::new("/var/lib/press-7"), None)?;
//! let ledger = Arc::new(Ledger::of(&identity)?);
//! let trust = Arc::new(Trust::new(identity.genesis(), Some(ledger.clone()))?);
//! let keyring = Arc::new(Keyring::new(identity.clone(), ledger));
//! let gateway = identity.peers().gateway(None).ok_or("peers.json names no gateway")?;
//! let reconnect = Some(Reconnect::default());
//! let options = Options { reconnect, ..Options::new(&gateway.mqtt) };
//! let session = mqtt::connect(&identity, keyring, trust, options).await?;
//! let topic = format!("{}temperature", identity.client().topic_prefix()).parse()?;
//! loop {
//!     let reading = format!(r#"[{{"n":"temperature","u":"Cel","v":{}}}]"#, 21.5);
//!     session.publish(&topic, "application/senml+json", reading.as_bytes()).await?;
//!     tokio::time::sleep(Duration::from_secs(1)).await;
//! }
//! # }
//! ```
//!
//! # An owner and a reader
//! ```no_run
//! # use std::sync::Arc;
//! use sealwire_client::{Archive, Keyring, Ledger, Owner, archive, mqtt::Session};
//! use sealwire_envelope::{ClientId, GrantTerms, Rights, TopicMode, TopicName};
//!
//! # async fn owner(keyring: Arc<Keyring>, reader: &ClientId, topic: &TopicName)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let owner = Owner::new(keyring);
//! owner.register(topic, TopicMode::Sealed).await?;
//! let terms = GrantTerms { rights: Rights::SUBSCRIBE | Rights::READ, ..GrantTerms::default() };
//! owner.grant(topic, reader, terms, None).await?;
//! owner.revoke(topic, reader).await?;
//! # Ok(()) }
//! # async fn reader(session: Session, keyring: Arc<Keyring>, ledger: &Ledger, store: Archive,
//! # topic: &TopicName) -> Result<(), Box<dyn std::error::Error>> {
//! let mut messages = session.subscribe(&topic.to_filter()).await?;
//! while let Some(message) = messages.next().await {
//!     println!("{:?}", message?);
//! }
//! for listed in store.packages(topic, 0, 100).await?.packages {
//!     let record = store.record(&listed.package, 0).await?;
//!     let (receipt, verified) = store.receipt(ledger, &record).await?;
//!     let opened = archive::open(&keyring, &receipt.record).await?;
//!     println!("{} bytes, recorded at height {}", opened.content.len(), verified.anchored_height);
//! }
//! # Ok(()) }
//! ```
#![deny(missing_docs)]

pub mod archive;
mod bounded;
pub mod certificate;
pub mod compute;
pub mod explain;
pub mod identity;
pub mod keyring;
pub mod ledger;
pub mod mqtt;
pub mod operator;
pub mod owner;
pub mod readings;
pub mod sequence;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token;
pub mod trust;

pub use archive::Archive;
pub use compute::Compute;
pub use identity::Identity;
pub use keyring::Keyring;
pub use ledger::Ledger;
pub use owner::Owner;
pub use trust::Trust;
