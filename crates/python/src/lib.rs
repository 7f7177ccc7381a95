//! Let programs in Python be devices: the module `sealwire`.
//!
//! `sealwire.pyi` beside `Cargo.toml` documents it for its users, types included. Everything is
//! `sealwire-device`'s; here it becomes classes, exceptions and context managers.
//!
//! # Invariants
//! - Who waits holds no lock of the interpreter's, and looks for signals (Ctrl-C) every 100 ms.
//! - Every error is a subclass of `sealwire.Error`, one per kind.
//! - This crate's own code has no `unsafe`; PyO3's macros write theirs (decision 0010).

mod device;
mod error;
mod message;
mod wait;

use std::path::PathBuf;

use pyo3::prelude::*;

/// Be a device of a Sealwire consortium.
#[pymodule]
mod sealwire {
    #[pymodule_export]
    use super::{
        device::{Device, Records, Subscription},
        error::{
            AwayError, EndedError, Error, HomeError, InternalError, MisuseError, RefusedError,
            TimeoutError, TooLargeError, UnreadableError, UntrustedError,
        },
        message::{Message, Record},
        token,
    };

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// A password for one login of another MQTT client, as the device whose home this is.
#[pyfunction]
#[pyo3(signature = (home, gateway=None, life_s=60, passphrase=None))]
fn token(
    home: PathBuf,
    gateway: Option<&str>,
    life_s: u64,
    passphrase: Option<&str>,
) -> PyResult<String> {
    device::Device::open(home, passphrase)?.token(gateway, life_s)
}
