//! Waiting as Python programs expect it: other threads run meanwhile, and Ctrl-C ends it.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

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

/// Waits for work that has a limit of its own; a signal whose handler raises ends the wait, and the work
/// comes to nothing by itself.
pub fn on_a_thread<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, sealwire_device::Error> + Send + 'static,
) -> PyResult<T> {
    let (done, answer) = mpsc::sync_channel(1);
    std::thread::spawn(move || drop(done.send(work())));
    let answer = Mutex::new(answer);
    loop {
        let next = py.detach(|| {
            let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.recv_timeout(SLICE)
        });
        match next {
            Ok(answer) => return answer.map_err(raise),
            Err(mpsc::RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let defect = "a thread of Sealwire's ended without an answer".to_owned();
                return Err(raise(sealwire_device::Error::Defect(defect)));
            }
        }
    }
}

/// Python's seconds.
pub fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|e| MisuseError::new_err(format!("timeout: {timeout} s: {e}")))
}
