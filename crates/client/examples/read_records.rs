//! A reader that fetches what a gateway has archived of a topic, and proves it: each record has a
//! path to its package's Merkle root, and the ledger's proof of that root, verified from genesis.
//!
//! ```sh
//! cargo run --release -p sealwire-client --example read_records -- HOME TOPIC GATEWAY
//! ```

use std::{error::Error, path::Path, sync::Arc};

use sealwire_client::{Archive, Identity, Keyring, Ledger, archive};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Packages on one page of the list.
const PAGE: u32 = 100;

/// Gives the content of each record, oldest first, with the height at which it was anchored.
pub async fn run(home: &Path, topic: &str, gateway: &str) -> Result<Vec<(u64, String)>> {
    let identity = Identity::load(home, None)?;
    let ledger = Arc::new(Ledger::of(&identity)?);
    let keyring = Keyring::new(identity.clone(), ledger.clone());
    let gateway = identity.peers().gateway(Some(&gateway.parse()?));
    let gateway = gateway.ok_or("peers.json doesn't name this gateway")?;
    let store = Archive::new(&gateway.http, identity.clone())?;

    let topic = topic.parse()?;
    let mut found = vec![];
    let mut after = Some(0);
    while let Some(from) = after {
        let page = store.packages(&topic, from, PAGE).await?;
        // A package that isn't anchored yet can't be proven yet.
        for listed in page
            .packages
            .iter()
            .filter(|listed| listed.height.is_some())
        {
            for index in 0..listed.count {
                let record = store.record(&listed.package, index).await?;
                let (receipt, verified) = store.receipt(&ledger, &record).await?;
                let opened = archive::open(&keyring, &receipt.record).await?;
                let text = String::from_utf8_lossy(&opened.content).into_owned();
                found.push((verified.anchored_height, text));
            }
        }
        after = page.next;
    }
    Ok(found)
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [home, topic, gateway] = arguments.as_slice() else {
        return Err("read_records HOME TOPIC GATEWAY".into());
    };
    for (height, text) in run(home.as_ref(), topic, gateway).await? {
        println!("anchored at height {height}: {text}");
    }
    Ok(())
}
