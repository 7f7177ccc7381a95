//! How fast a session may go ([`crate::config::SessionRates`]).
//!
//! - *Messages* beyond their rate aren't refused: the session is read more slowly, and TCP makes the
//!   client wait. Nothing is lost, and nobody else waits.
//! - *Filters* beyond theirs are refused with 0x97 (quota exceeded).
//! - *Refusals* beyond theirs end the session with 0x96 (message rate too high); MQTT 3.1.1 has no
//!   code, its connection closes.
//!
//! How many refusals are recorded, [`super::refusals`] says.

use std::time::Duration;

use mqtt5::types::ReasonCode;
use tokio::io::AsyncWrite;

use super::{Line, lock};
use crate::{now_ms, rate::Bucket, rights::Refusal};

/// Longest single wait of a session that is too fast; then it is looked at again.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What a session has used up.
#[derive(Debug, Default)]
pub(super) struct Pace {
    publishes: Bucket,
    filters: Bucket,
    refusals: Bucket,
}

impl<W: AsyncWrite + Unpin + Send> Line<W> {
    /// Waits until the session may send another message.
    pub(super) async fn pace_publish(&self) {
        let rate = self.hub.limits().session.publishes;
        loop {
            let wait_ms = lock(&self.pace).publishes.wait_ms(rate, now_ms());
            let Some(wait_ms) = wait_ms else { return };
            tokio::time::sleep(WAIT_MAX.min(Duration::from_millis(wait_ms))).await;
        }
    }

    /// Whether the session may subscribe to another filter now.
    pub(super) fn pace_filter(&self) -> Result<(), Refusal> {
        let rate = self.hub.limits().session.filters;
        if lock(&self.pace).filters.take(rate, now_ms()) {
            return Ok(());
        }
        let text = format!(
            "too many subscriptions in a short time: {} at once, then {} a second",
            rate.burst, rate.per_s
        );
        Err(Refusal::new(ReasonCode::QuotaExceeded, text))
    }

    /// Counts a refusal.
    ///
    /// # Errors
    /// [`Refusal`] when there were too many of them: the session ends.
    pub(super) fn pace_refusal(&self) -> Result<(), Refusal> {
        let rate = self.hub.limits().session.refusals;
        if lock(&self.pace).refusals.take(rate, now_ms()) {
            return Ok(());
        }
        let text = format!(
            "too many refused messages and subscriptions: {} at once, then {} a second",
            rate.burst, rate.per_s
        );
        Err(Refusal::new(ReasonCode::MessageRateTooHigh, text))
    }
}
