//! Where a follower's blocks come from.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sealwire_envelope::{BlockBundle, Transaction, TxId, block::BUNDLE_MAX_BYTES, decode_bounded};

use crate::{
    api::Problem,
    limits::{FETCH_TIMEOUT, FOLLOWER_WAIT},
    mempool::SubmitError,
};

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not reached, or no answer in time.
    #[error("{source_name} doesn't answer: {cause}")]
    Away {
        /// Who.
        source_name: String,
        /// Why.
        cause: String,
    },
    /// An answer that isn't a bundle.
    #[error("{source_name} sent something that isn't a block: {cause}")]
    Nonsense {
        /// Who.
        source_name: String,
        /// Why.
        cause: String,
    },
}

/// Gives blocks to followers, untrusted: the follower verifies.
#[async_trait]
pub trait BlockSource: Send + Sync + 'static {
    /// The block at `height`; waits a while for one that isn't final yet, then gives `None`.
    ///
    /// # Errors
    /// When the source can't be asked or doesn't answer sense.
    async fn bundle(&self, height: u64) -> Result<Option<BlockBundle>, SourceError>;

    /// Passes a transaction on.
    ///
    /// # Errors
    /// When nobody takes it.
    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError>;

    /// The last answer was bad: ask somebody else next.
    fn distrust(&self);
}

/// Validators' HTTP interfaces, one after the other.
pub struct HttpSource {
    urls: Vec<String>,
    client: reqwest::Client,
    next: AtomicUsize,
}

impl HttpSource {
    /// Asks the nodes at these addresses (`http://host:port`; `https://host:port` with `tls`).
    ///
    /// # Errors
    /// When there are none, or the HTTP client can't be made.
    pub fn new(
        urls: Vec<String>,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Result<Self, SourceError> {
        let away = |cause: String| SourceError::Away {
            source_name: "HTTP".to_owned(),
            cause,
        };
        if urls.is_empty() {
            return Err(away(
                "no validator is known: name at least one address".to_owned(),
            ));
        }
        let builder = match tls {
            Some(config) => reqwest::Client::builder().use_preconfigured_tls((*config).clone()),
            None => reqwest::Client::builder(),
        };
        let client = builder
            .connect_timeout(FETCH_TIMEOUT)
            .build()
            .map_err(|error| away(error.to_string()))?;
        Ok(Self {
            urls,
            client,
            next: AtomicUsize::new(0),
        })
    }

    fn current(&self) -> &str {
        &self.urls[self.next.load(Ordering::Relaxed) % self.urls.len()]
    }

    async fn fetch(&self, url: &str, height: u64) -> Result<Option<BlockBundle>, SourceError> {
        let away = |error: reqwest::Error| SourceError::Away {
            source_name: url.to_owned(),
            cause: error.to_string(),
        };
        let wait_ms = FOLLOWER_WAIT.as_millis();
        let response = self
            .client
            .get(format!("{url}/v1/bundles/{height}?wait_ms={wait_ms}"))
            .timeout(FOLLOWER_WAIT + FETCH_TIMEOUT)
            .send()
            .await
            .map_err(away)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = response.error_for_status().map_err(away)?;
        let nonsense = |cause: String| SourceError::Nonsense {
            source_name: url.to_owned(),
            cause,
        };
        if response
            .content_length()
            .is_none_or(|length| length > BUNDLE_MAX_BYTES as u64)
        {
            return Err(nonsense(
                "no length, or a greater one than any block has".to_owned(),
            ));
        }
        let bytes = response.bytes().await.map_err(away)?;
        decode_bounded(&bytes, BUNDLE_MAX_BYTES)
            .map(Some)
            .map_err(|error| nonsense(error.to_string()))
    }

    async fn post(&self, url: &str, bytes: &[u8]) -> Result<(), SubmitError> {
        let away = |error: reqwest::Error| SubmitError::Away(format!("{url}: {error}"));
        let response = self
            .client
            .post(format!("{url}/v1/transactions"))
            .header("content-type", "application/cbor")
            .timeout(Duration::from_secs(10))
            .body(bytes.to_vec())
            .send()
            .await
            .map_err(away)?;
        if response.status().is_success() {
            return Ok(());
        }
        match response.json::<Problem>().await {
            Ok(problem) => Err(SubmitError::Remote(Box::new(problem))),
            Err(error) => Err(away(error)),
        }
    }
}

#[async_trait]
impl BlockSource for HttpSource {
    async fn bundle(&self, height: u64) -> Result<Option<BlockBundle>, SourceError> {
        let url = self.current().to_owned();
        let answer = self.fetch(&url, height).await;
        if answer.is_err() {
            self.distrust();
        }
        answer
    }

    async fn submit(&self, bytes: &[u8]) -> Result<TxId, SubmitError> {
        let id = Transaction::from_bytes(bytes)?.id();
        let mut last = SubmitError::Away("no validator is known".to_owned());
        for attempt in 0..self.urls.len() {
            let place = self.next.load(Ordering::Relaxed) + attempt;
            let url = &self.urls[place % self.urls.len()];
            match self.post(url, bytes).await {
                Ok(()) => return Ok(id),
                Err(SubmitError::Away(cause)) => last = SubmitError::Away(cause),
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn distrust(&self) {
        self.next.fetch_add(1, Ordering::Relaxed);
    }
}
