//! Getting a first certificate.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sealwire_contracts::entry::EnrolmentStatus;
use sealwire_envelope::{CertId, ClientId, Code, EnrolmentId, EnrolmentProof, Genesis};
use sealwire_sm::{Certificate, Request, Role, SecretKey};

use super::{
    Desk, LifeError, check_issued, check_live,
    desk::{DeskInfo, EnrolmentRequest},
    root_of,
};
use crate::{
    identity::{Identity, IdentityError, Peers, pending::Pending},
    ledger::Ledger,
    token::now_s,
};

/// What a client needs to enrol by a code.
pub struct Enrolment<'a> {
    /// The code that it was given.
    pub code: &'a Code,
    /// Its organisation's desk.
    pub desk: &'a Desk,
    /// The genesis that it pins.
    pub genesis: Arc<Genesis>,
    /// Ledger nodes to ask instead of those that the desk names. Neither is believed without proof.
    pub nodes: Vec<String>,
    /// Encrypts its key.
    pub passphrase: Option<&'a str>,
}

/// What enrolling gave.
#[derive(Debug)]
pub struct Enrolled {
    /// Who one is now.
    pub identity: Identity,
    /// Whether the home had it already, from an attempt before.
    pub before: bool,
}

/// Enrols by a code: makes a key, has the desk issue a certificate for it, checks that it is on the
/// ledger, and makes the home. Who the client is stands on the ledger, under the code; `home` says where
/// that client shall live.
///
/// Do it again after any failure: it goes on with the same key, and ends with the same certificate.
///
/// # Errors
/// [`LifeError`].
pub async fn enrol(
    enrolment: &Enrolment<'_>,
    home: impl FnOnce(&ClientId) -> PathBuf,
) -> Result<Enrolled, LifeError> {
    let chain = enrolment.genesis.chain_id();
    let DeskInfo { mut peers, .. } = enrolment.desk.info(chain).await?;
    if !enrolment.nodes.is_empty() {
        peers.ledger.clone_from(&enrolment.nodes);
    }
    peers.desk = Some(enrolment.desk.url().to_owned());
    let ledger = Ledger::new(&peers.ledger, Some(enrolment.genesis.clone()))?;
    enrol_with(enrolment, peers, &ledger, home).await
}

/// As [`enrol`], where the ledger and the rest of the system are known.
///
/// # Errors
/// [`LifeError`].
pub async fn enrol_with(
    enrolment: &Enrolment<'_>,
    peers: Peers,
    ledger: &Ledger,
    home: impl FnOnce(&ClientId) -> PathBuf,
) -> Result<Enrolled, LifeError> {
    let code = enrolment.code.key();
    let id = EnrolmentId::of(code.public_key());
    let opened = ledger.enrolment(&id).await?;
    let opened = opened.ok_or(LifeError::UnknownEnrolment { id })?;
    let (client, role) = (opened.client.clone(), opened.role);
    root_of(&enrolment.genesis, &client.org())?;
    let home = home(&client);
    let pending = Pending::new(&home, enrolment.passphrase);
    let under_way = || LifeError::UnderWay { home: home.clone() };
    let _lock = pending.lock()?.ok_or_else(under_way)?;

    if home.join("client.key").exists() {
        let identity = Identity::load(&home, enrolment.passphrase)?;
        let used = opened.used.as_ref().map(|used| used.certificate);
        if used != Some(identity.certificate_id()) {
            let path = home.join("client.key");
            return Err(IdentityError::Exists { path }.into());
        }
        pending.enrolment_done()?;
        let before = true;
        return Ok(Enrolled { identity, before });
    }
    match opened.status(now_s()) {
        EnrolmentStatus::Open => {}
        // By us, perhaps: the desk knows.
        EnrolmentStatus::Used if pending.begun_enrolment()?.is_some() => {}
        status => return Err(LifeError::NotOpen { client, status }),
    }
    let key = pending.enrolment_key()?;
    let chain = enrolment.genesis.chain_id();
    let request = Request::sign(&key, client.org().as_str(), role, client.as_str())?;
    let asked = EnrolmentRequest {
        csr: request.to_pem(),
        proof: EnrolmentProof::sign(&chain, &client, key.public_key(), &code),
    };
    let certificate = enrolment.desk.enrol(&asked).await?;
    let subject = (&client, role, key);
    let genesis = enrolment.genesis.clone();
    let identity = keep(
        &pending,
        &home,
        ledger,
        genesis,
        peers,
        subject,
        certificate,
    )
    .await?;
    let before = false;
    Ok(Enrolled { identity, before })
}

/// Checks a certificate and makes the home.
async fn keep(
    pending: &Pending<'_>,
    home: &Path,
    ledger: &Ledger,
    genesis: Arc<Genesis>,
    peers: Peers,
    (client, role, key): (&ClientId, Role, SecretKey),
    certificate: Certificate,
) -> Result<Identity, LifeError> {
    check_issued(&genesis, &certificate, client, role, key.public_key())?;
    check_live(ledger, client, &certificate).await?;
    let passphrase = pending.passphrase();
    let identity = Identity::create(home, key, certificate, genesis, peers, passphrase)?;
    pending.enrolment_done()?;
    Ok(identity)
}

/// Makes a key in `home` and a request for a certificate for it, to be carried to whoever issues. The
/// same request again, as long as no certificate was installed.
///
/// # Errors
/// [`LifeError`].
pub fn request(
    home: &Path,
    client: &ClientId,
    role: Role,
    passphrase: Option<&str>,
) -> Result<Request, LifeError> {
    let path = home.join("client.key");
    if path.exists() {
        return Err(IdentityError::Exists { path }.into());
    }
    let pending = Pending::new(home, passphrase);
    let under_way = || LifeError::UnderWay {
        home: home.to_owned(),
    };
    let _lock = pending.lock()?.ok_or_else(under_way)?;
    let key = pending.enrolment_key()?;
    let org = client.org();
    Ok(Request::sign(&key, org.as_str(), role, client.as_str())?)
}

/// Takes the certificate that was issued for the [`request`] made in `home`: checks it and makes the home
/// whole.
///
/// # Errors
/// [`LifeError`].
pub async fn install(
    home: &Path,
    certificate: Certificate,
    genesis: Arc<Genesis>,
    peers: Peers,
    ledger: &Ledger,
    passphrase: Option<&str>,
) -> Result<Enrolled, LifeError> {
    let pending = Pending::new(home, passphrase);
    let under_way = || LifeError::UnderWay {
        home: home.to_owned(),
    };
    let _lock = pending.lock()?.ok_or_else(under_way)?;
    if home.join("client.key").exists() {
        let identity = Identity::load(home, passphrase)?;
        if identity.certificate_id() != CertId(certificate.id()) {
            let path = home.join("client.key");
            return Err(IdentityError::Exists { path }.into());
        }
        let before = true;
        return Ok(Enrolled { identity, before });
    }
    let key = pending.begun_enrolment()?;
    let key = key.ok_or_else(|| LifeError::NothingBegun {
        home: home.to_owned(),
    })?;
    let client: ClientId = certificate.name.parse().map_err(IdentityError::from)?;
    let subject = (&client, certificate.role, key);
    let identity = keep(&pending, home, ledger, genesis, peers, subject, certificate).await?;
    let before = false;
    Ok(Enrolled { identity, before })
}
