//! A reader that prints messages as they come, each opened and its sender's signature checked:
//!
//! ```sh
//! cargo run --release -p sealwire-client --example subscribe -- HOME TOPIC GATEWAY
//! ```
//! A message lives at one gateway: GATEWAY is the client id of the one at which the device is.

use std::{error::Error, path::Path, sync::Arc};

use sealwire_client::{
    Identity, Keyring, Ledger, Trust,
    mqtt::{self, Message, Options, ReceiveError, Reconnect},
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Hands each message over, until `each` says that it was the last.
pub async fn run(
    home: &Path,
    topic: &str,
    gateway: &str,
    mut each: impl FnMut(Message) -> bool,
) -> Result<()> {
    let identity = Identity::load(home, None)?;
    let ledger = Arc::new(Ledger::of(&identity)?);
    let trust = Arc::new(Trust::new(identity.genesis(), Some(ledger.clone()))?);
    let keyring = Arc::new(Keyring::new(identity.clone(), ledger));
    let gateway = identity.peers().gateway(Some(&gateway.parse()?));
    let gateway = gateway.ok_or("peers.json doesn't name this gateway")?;
    let options = Options {
        expect: Some(gateway.client.clone()),
        reconnect: Some(Reconnect::default()),
        ..Options::new(&gateway.mqtt)
    };
    let session = mqtt::connect(&identity, keyring, trust, options).await?;

    let mut messages = session.subscribe(&topic.parse()?).await?;
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) => {
                if !each(message) {
                    break;
                }
            }
            // Others may be readable.
            Err(error @ ReceiveError::Unreadable { .. }) => eprintln!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    session.close().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [home, topic, gateway] = arguments.as_slice() else {
        return Err("subscribe HOME TOPIC GATEWAY".into());
    };
    let print = |message: Message| {
        let sender = message.header.map(|header| header.sender.to_string());
        let sender = sender.as_deref().unwrap_or("unsigned");
        let text = String::from_utf8_lossy(&message.content);
        println!("{} {sender}: {text}", message.topic);
        true
    };
    run(home.as_ref(), topic, gateway, print).await
}
