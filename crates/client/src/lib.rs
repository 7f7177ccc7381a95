//! Log in, publish, subscribe, fetch and verify as a device or user.

pub mod archive;
mod bounded;
pub mod identity;
pub mod keyring;
pub mod ledger;
pub mod mqtt;
pub mod operator;
pub mod owner;
pub mod sequence;
#[cfg(test)]
mod testing;
pub mod token;
pub mod trust;

pub use archive::Archive;
pub use identity::Identity;
pub use keyring::Keyring;
pub use ledger::Ledger;
pub use owner::Owner;
pub use trust::Trust;
