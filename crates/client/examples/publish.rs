//! A device that publishes what it reads, line by line, and says when each line is on the gateway's
//! disk:
//!
//! ```sh
//! cargo run --release -p sealwire-client --example publish -- HOME TOPIC < readings
//! ```

use std::{error::Error, path::Path, sync::Arc};

use sealwire_client::{
    Identity, Keyring, Ledger, Trust,
    mqtt::{self, Options, Reconnect},
};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Publishes each line; gives how many.
pub async fn run(home: &Path, topic: &str, lines: impl AsyncBufRead + Unpin) -> Result<u64> {
    let identity = Identity::load(home, None)?;
    let ledger = Arc::new(Ledger::of(&identity)?);
    let trust = Arc::new(Trust::new(identity.genesis(), Some(ledger.clone()))?);
    let keyring = Arc::new(Keyring::new(identity.clone(), ledger));
    let gateway = identity.peers().gateway(None);
    let gateway = gateway.ok_or("peers.json names no gateway")?;
    let options = Options {
        expect: Some(gateway.client.clone()),
        reconnect: Some(Reconnect::default()),
        ..Options::new(&gateway.mqtt)
    };
    let session = mqtt::connect(&identity, keyring, trust, options).await?;

    let topic = topic.parse()?;
    let mut lines = lines.lines();
    let mut count = 0;
    while let Some(line) = lines.next_line().await? {
        let header = session
            .publish(&topic, "text/plain", line.as_bytes())
            .await?;
        match header {
            Some(header) => println!("on disk as sequence {}: {line}", header.sequence),
            None => println!("on disk, unsealed: {line}"),
        }
        count += 1;
    }
    session.close().await;
    Ok(count)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(home), Some(topic), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("publish HOME TOPIC".into());
    };
    run(home.as_ref(), &topic, BufReader::new(tokio::io::stdin())).await?;
    Ok(())
}
