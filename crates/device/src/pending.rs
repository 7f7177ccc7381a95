//! Something that our thread does while the caller waits for it.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::{Device, Error};

/// Something begun. Dropping it stops it.
#[must_use = "what is begun stops when this is dropped: wait for it"]
pub struct Pending<T> {
    device: Device,
    task: JoinHandle<Result<T, Error>>,
}

impl<T: Send + 'static> Pending<T> {
    pub(crate) fn begin(
        device: &Device,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        let task = device.runtime().spawn(work);
        let device = device.clone();
        Self { device, task }
    }

    /// Begins, with a limit in time.
    pub(crate) fn begin_within(
        device: &Device,
        what: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        Self::begin(device, async move {
            let answer = tokio::time::timeout(limit, work).await;
            answer.map_err(|_| Error::Timeout { what, limit })?
        })
    }

    /// Waits until it is done.
    ///
    /// # Errors
    /// What went wrong.
    pub fn wait(mut self) -> Result<T, Error> {
        let answer = self.device.runtime().block_on(&mut self.task);
        answer.unwrap_or_else(|error| Err(Error::Defect(error.to_string())))
    }

    /// Waits for `slice`; none: it isn't done, wait again. After an answer there is no other.
    ///
    /// # Errors
    /// What went wrong.
    pub fn wait_for(&mut self, slice: Duration) -> Option<Result<T, Error>> {
        let task = &mut self.task;
        let runtime = self.device.runtime();
        let answer = runtime.block_on(async { tokio::time::timeout(slice, task).await });
        let answer = answer.ok()?;
        Some(answer.unwrap_or_else(|error| Err(Error::Defect(error.to_string()))))
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
