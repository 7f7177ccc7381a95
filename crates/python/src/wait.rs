//! Waiting as Python programs expect it: other threads run meanwhile, and Ctrl-C ends it.

use std::time::Duration;

use pyo3::prelude::*;
use sealwire_device::Pending;

use crate::error::{MisuseError, raise};

/// How long a signal waits at most.
pub const SLICE: Duration = Duration::from_millis(100);

/// Waits until it is done; a signal whose handler raises stops it.
pub fn done<T: Send + 'static>(py: Python<'_>, mut pending: Pending<T>) -> PyResult<T> {
    loop {
        if let Some(answer) = py.detach(|| pending.wait_for(SLICE)) {
            return answer.map_err(raise);
        }
        py.check_signals()?;
    }
}

/// Python's seconds.
pub fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|e| MisuseError::new_err(format!("timeout: {timeout} s: {e}")))
}
