//! Fetch what a gateway has archived, and verify it.
//!
//! Each request is signed (`sealwire_envelope::login::SignedRequest`) and good once; the gateway
//! answers if the reader has the right, and keeps a retrieval record. What comes back is checked
//! before it is handed on: a package against its manifest's Merkle root and id, a record against
//! its path. Whether the *ledger* knows that root, a [`receipt`](Archive::receipt) shows.

use std::time::Duration;

use reqwest::{Method, header};
use sealwire_envelope::{
    ClientId, DecodeError, PackageId, TopicName, decode, encode,
    login::{LOGIN_VERSION, RequestBody, SignedRequest},
    message::MessageHeader,
    receipt::{Bundle, RECEIPT_VERSION, Receipt},
    record::{ArchivedRecord, Package, PackageManifest, PackagedRecord},
};
use sealwire_receipt::{
    BundleError, Verified, VerifiedBundle, VerifyError,
    merkle::{self, PathError},
};
use sealwire_sm::{Sm3Digest, sm3};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    identity::Identity,
    keyring::Keyring,
    ledger::{
        Ledger, LedgerError, Problem,
        http::{self, Answer},
    },
    mqtt::{self, OpenError},
    tls,
    token::now_s,
};

/// Time for connecting to a gateway.
const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Longest answer that is read, in bytes: a package of full size, with room to spare.
const ANSWER_MAX_BYTES: usize = 256 * 1024 * 1024;

/// Nothing was fetched, or what was isn't right.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The archive's address isn't one.
    #[error("archive '{address}' isn't an address like http://host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The gateway can't be reached.
    #[error("archive {address} is away: {detail}")]
    Away {
        /// Where.
        address: String,
        /// What happened.
        detail: String,
    },
    /// The gateway refused, and said why.
    #[error("the gateway refused: {0}")]
    Refused(Problem),
    /// The answer can't be read.
    #[error("the archive's answer can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// The answer can't be read.
    #[error("the archive's answer can't be read: {0}")]
    Json(#[from] serde_json::Error),
    /// The answer is about another package, or another record.
    #[error("the archive answered with {found}, asked for was {expected}")]
    Other {
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The records don't make the manifest's root.
    #[error(
        "package {package} is damaged: its records make root {computed}, its manifest says {expected}"
    )]
    Root {
        /// Which package.
        package: PackageId,
        /// The manifest's.
        expected: Sm3Digest,
        /// What the records make.
        computed: Sm3Digest,
    },
    /// A record isn't where it should be in the package.
    #[error("record {index} of package {package} is damaged: {source}")]
    Path {
        /// Which package.
        package: PackageId,
        /// Which record.
        index: u64,
        /// What is wrong.
        #[source]
        source: PathError,
    },
    /// A record isn't of the package's topic.
    #[error("record {index} of package {package} is of topic {topic}")]
    Misplaced {
        /// Which package.
        package: PackageId,
        /// Which record.
        index: u64,
        /// Its topic.
        topic: TopicName,
    },
}

/// A receipt can't be made, or doesn't hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger doesn't know the package.
    #[error("package {package} isn't anchored on the ledger (height {height})")]
    NotAnchored {
        /// Which package.
        package: PackageId,
        /// The height that was asked.
        height: u64,
    },
    /// The receipt doesn't hold.
    #[error("the receipt doesn't hold: {0}")]
    Verify(#[from] VerifyError),
}

/// A bundle wasn't had, or doesn't hold.
#[derive(Debug, thiserror::Error)]
pub enum BundleFetchError {
    /// The gateway didn't give it, or gave something else.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The ledger couldn't be asked.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It doesn't hold.
    #[error("the bundle doesn't hold: {0}")]
    Verify(#[from] BundleError),
}

/// A package in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub package: PackageId,
    /// The gateway's number of it: `after` for the next page.
    pub number: u64,
    /// Its topic.
    pub topic: TopicName,
    /// Messages.
    pub count: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// When the first message was received, milliseconds since 1970.
    pub from_ms: u64,
    /// When the last message was received, milliseconds since 1970.
    pub to_ms: u64,
    /// Key epoch; 0 on an open topic.
    pub epoch: u32,
    /// Merkle root.
    pub root: Sm3Digest,
    /// Who sent messages.
    pub clients: Vec<ClientId>,
    /// Height of the block with its anchor; none: not yet anchored.
    pub height: Option<u64>,
}

/// A page of packages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Page {
    /// The packages, oldest first; those that the grant opens none of are left out.
    pub packages: Vec<Listed>,
    /// `after` for the next page; none at the end.
    pub next: Option<u64>,
}

/// A record, decrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// What the gateway archived.
    pub record: ArchivedRecord,
    /// Sender, sequence, key epoch; none on an open topic.
    pub header: Option<MessageHeader>,
    /// What the content is; none on an open topic.
    pub content_type: Option<String>,
    /// What the device sent.
    pub content: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Opened({}, {:?}, {} bytes)",
            self.record.topic,
            self.header,
            self.content.len()
        )
    }
}

/// A gateway's archive, as one reader sees it.
#[derive(Clone, Debug)]
pub struct Archive {
    http: reqwest::Client,
    address: String,
    identity: Identity,
}

impl Archive {
    /// The archive at `http://host:port`, or at `https://host:port` by TLS (RFC 8998) with the
    /// gateway's certificate of genesis's organisations, asked by `identity`.
    ///
    /// # Errors
    /// [`FetchError::Address`].
    pub fn new(address: &str, identity: Identity) -> Result<Self, FetchError> {
        let wrong = || FetchError::Address {
            address: address.to_owned(),
        };
        let url = reqwest::Url::parse(address).map_err(|_| wrong())?;
        if url.host().is_none() || url.path() != "/" {
            return Err(wrong());
        }
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(tls::config(&identity, None)?),
            _ => return Err(wrong()),
        };
        let http = http::client(CONNECT_MAX, tls).map_err(|detail| FetchError::Away {
            address: address.to_owned(),
            detail,
        })?;
        Ok(Self {
            http,
            address: address.trim_end_matches('/').to_owned(),
            identity,
        })
    }

    /// Packages of a topic after number `after` (0: from the first), at most `limit`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn packages(
        &self,
        topic: &TopicName,
        after: u64,
        limit: u32,
    ) -> Result<Page, FetchError> {
        let topic = percent_encoded(topic.as_str());
        let target = format!("/v1/packages?topic={topic}&after={after}&limit={limit}");
        Ok(serde_json::from_slice(&self.get(&target).await?)?)
    }

    /// A whole package, verified against its id and root.
    ///
    /// ```no_run
    /// # use sealwire_client::{Archive, Keyring, archive};
    /// # use sealwire_envelope::PackageId;
    /// # async fn read(store: &Archive, keyring: &Keyring, id: &PackageId)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// let package = store.package(id).await?;
    /// // That these records make this root is checked; that the ledger holds it, is not yet.
    /// let entry = keyring.ledger().package(id).await?.ok_or("not anchored yet")?;
    /// if entry.anchor.root != package.manifest.root {
    ///     return Err("the archive changed it".into());
    /// }
    /// for record in &package.records {
    ///     println!("{:?}", archive::open(keyring, record).await?);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn package(&self, id: &PackageId) -> Result<Package, FetchError> {
        let bytes = self.get(&format!("/v1/packages/{id}")).await?;
        let package: Package = decode(&bytes)?;
        check_manifest(id, &package.manifest)?;
        let computed = merkle::root_of(&package.records);
        let (expected, count) = (package.manifest.root, package.manifest.count);
        if computed != expected || u64::try_from(package.records.len()) != Ok(count) {
            return Err(FetchError::Root {
                package: *id,
                expected,
                computed,
            });
        }
        for (index, record) in (0..).zip(&package.records) {
            check_topic(id, index, &package.manifest, record)?;
        }
        Ok(package)
    }

    /// One record of a package, verified against the manifest's root.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn record(&self, id: &PackageId, index: u64) -> Result<PackagedRecord, FetchError> {
        let bytes = self
            .get(&format!("/v1/packages/{id}/records/{index}"))
            .await?;
        let found: PackagedRecord = decode(&bytes)?;
        check_manifest(id, &found.manifest)?;
        if found.index != index {
            let (expected, found) = (format!("record {index}"), format!("record {}", found.index));
            return Err(FetchError::Other { expected, found });
        }
        let PackageManifest { root, count, .. } = &found.manifest;
        merkle::verify(
            root,
            &merkle::leaf(&found.record),
            index,
            *count,
            &found.path,
        )
        .map_err(|source| FetchError::Path {
            package: *id,
            index,
            source,
        })?;
        check_topic(id, index, &found.manifest, &found.record)?;
        Ok(found)
    }

    /// Makes the receipt of a record: its path, and the ledger's proof of the package.
    /// It is verified against `genesis` before it is handed out.
    ///
    /// ```no_run
    /// # use sealwire_client::{Archive, Ledger, archive};
    /// # use sealwire_envelope::PackageId;
    /// # async fn export(store: &Archive, ledger: &Ledger, id: &PackageId)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// let record = store.record(id, 0).await?;
    /// let (receipt, verified) = store.receipt(ledger, &record).await?;
    /// std::fs::write("reading.receipt", archive::receipt_bytes(&receipt))?;
    /// println!("anchored at height {}", verified.anchored_height);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub async fn receipt(
        &self,
        ledger: &Ledger,
        record: &PackagedRecord,
    ) -> Result<(Receipt, Verified), ReceiptError> {
        let package = record.manifest.id();
        let anchor = ledger.package_proof(&package).await?;
        if anchor.value.is_none() {
            let height = anchor
                .finality
                .headers
                .first()
                .map_or(0, |header| header.height);
            return Err(ReceiptError::NotAnchored { package, height });
        }
        let receipt = Receipt {
            version: RECEIPT_VERSION,
            record: record.record.0.clone(),
            index: record.index,
            path: record.path.clone(),
            anchor,
        };
        let verified = sealwire_receipt::verify(&receipt, self.identity.genesis())?;
        Ok((receipt, verified))
    }

    /// A whole package with the ledger's proof of it, verified against genesis. It takes the right to
    /// read or to verify, and no key.
    ///
    /// # Errors
    /// [`BundleFetchError`].
    pub async fn bundle(
        &self,
        ledger: &Ledger,
        id: &PackageId,
    ) -> Result<(Bundle, VerifiedBundle), BundleFetchError> {
        let package = self.package(id).await?;
        let anchor = ledger.package_proof(id).await?;
        let bundle = Bundle {
            version: RECEIPT_VERSION,
            package,
            anchor,
        };
        let verified = sealwire_receipt::verify_bundle(&bundle, self.identity.genesis())?;
        Ok((bundle, verified))
    }

    /// Who asks.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn get(&self, target: &str) -> Result<Vec<u8>, FetchError> {
        self.send(Method::GET, target, Vec::new()).await
    }

    /// Signs a request, sends it, and reads the answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        content: Vec<u8>,
    ) -> Result<Vec<u8>, FetchError> {
        let away = |detail| FetchError::Away {
            address: self.address.clone(),
            detail,
        };
        let signed = sign_request(&self.identity, method.as_str(), target, &content);
        let response = self
            .http
            .request(method, format!("{}{target}", self.address))
            .header(header::AUTHORIZATION, signed.to_header())
            .body(content)
            .send()
            .await
            .map_err(|e| away(http::describe(&e)))?;
        match http::read(response, ANSWER_MAX_BYTES).await.map_err(away)? {
            Answer::Body(body) => Ok(body),
            Answer::Problem(problem) => Err(FetchError::Refused(problem)),
        }
    }
}

/// Signs an HTTP request; good once, for a minute.
pub fn sign_request(
    identity: &Identity,
    method: &str,
    target: &str,
    content: &[u8],
) -> SignedRequest {
    let body = RequestBody {
        version: LOGIN_VERSION,
        chain: identity.chain(),
        client: identity.client().clone(),
        certificate: identity.certificate_id(),
        method: method.to_owned(),
        target: target.to_owned(),
        content: sm3(&[content]),
        time_s: now_s(),
        nonce: rand::random(),
    };
    SignedRequest::sign(body, identity.key())
}

/// Decrypts an archived record and checks its sender's signature.
///
/// # Errors
/// [`OpenError`] when it isn't a record, or we have no key, or it isn't the sender's.
pub async fn open(keyring: &Keyring, record: &[u8]) -> Result<Opened, OpenError> {
    let record: ArchivedRecord = decode(record).map_err(|e| {
        OpenError::Message(sealwire_envelope::message::MessageError::Malformed {
            detail: e.to_string(),
        })
    })?;
    let (header, content_type, content) = mqtt::open(
        keyring,
        &record.topic,
        &record.payload,
        Some(record.received_ms),
    )
    .await?;
    Ok(Opened {
        record,
        header,
        content_type,
        content,
    })
}

/// The bytes of a receipt file.
pub fn receipt_bytes(receipt: &Receipt) -> Vec<u8> {
    encode(receipt)
}

fn check_manifest(id: &PackageId, manifest: &PackageManifest) -> Result<(), FetchError> {
    let found = manifest.id();
    if found == *id {
        return Ok(());
    }
    let (expected, found) = (format!("package {id}"), format!("package {found}"));
    Err(FetchError::Other { expected, found })
}

fn check_topic(
    id: &PackageId,
    index: u64,
    manifest: &PackageManifest,
    record: &[u8],
) -> Result<(), FetchError> {
    let ArchivedRecord { topic, .. } = decode(record)?;
    if topic == manifest.topic {
        Ok(())
    } else {
        Err(FetchError::Misplaced {
            package: *id,
            index,
            topic,
        })
    }
}

/// A query value with everything but unreserved characters encoded (RFC 3986 §2.3).
pub(crate) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                // Writing to a string can't fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn the_target_is_signed_as_it_is_sent() {
        let identity = World::new().identity_in_memory("acme.press-7");
        let topic = percent_encoded("acme/press-7/tempér ature&x=1");
        assert_eq!(topic, "acme%2Fpress-7%2Ftemp%C3%A9r%20ature%26x%3D1");
        let target = format!("/v1/packages?topic={topic}");
        let url = reqwest::Url::parse(&format!("http://127.0.0.1:1{target}")).unwrap();
        assert_eq!(format!("{}?{}", url.path(), url.query().unwrap()), target);
        let signed = sign_request(&identity, "GET", &target, &[]);
        signed.verify(identity.key().public_key()).unwrap();
        assert_eq!(signed.body.target, target);
        let again = sign_request(&identity, "GET", &target, &[]);
        assert_ne!(signed.body.nonce, again.body.nonce);
    }

    #[test]
    fn only_addresses_of_archives_are_taken() {
        let identity = World::new().identity_in_memory("acme.press-7");
        for bad in ["", "127.0.0.1:80", "http://x/path", "ftp://x"] {
            let archive = Archive::new(bad, identity.clone());
            assert!(matches!(archive, Err(FetchError::Address { .. })), "{bad}");
        }
        Archive::new("https://127.0.0.1:80/", identity.clone()).unwrap();
        Archive::new("http://127.0.0.1:80/", identity).unwrap();
    }
}
