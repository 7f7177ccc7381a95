//! Execution: from a block's transactions to what they write.
//!
//! A transaction is executed in this order; the first rule that fails gives the outcome.
//!
//! 1. It was executed before: [`Code::Duplicate`], and nothing at all is written.
//! 2. It is for this chain, and its expiry height is neither past nor beyond the window.
//! 3. Its sender's certificate is registered, not revoked, and valid at the block's time.
//! 4. The contract's own rules: role first, then the call.
//!
//! Whether the *signature* is the sender's is not asked here: it was checked once, at admission, with
//! the key from [`authenticate`]. A node must not execute a block that holds a transaction whose
//! signature it can't check; see [`authenticate`] for what that means inside one block.
//!
//! Every outcome but `Duplicate` is written under `tx/<id>`. That entry is for ever, so it is both the
//! proof of what became of a transaction and the protection against replay.
//!
//! Invariants: a call that isn't applied writes nothing but its outcome. The same block over the same
//! state gives the same bytes, on any machine, however often a `Missing` interrupted it.

use sealwire_envelope::{
    AuthorisationId, Call, ClientId, EnrolmentId, Genesis, TopicFilter, TopicName, Transaction,
};
use sealwire_sm::PublicKey;

use crate::consortium::{self, GenesisError};
use crate::context::{Block, Context, Sender, Stop, bytes, ensure, load};
use crate::entry::{CertificateEntry, CertificateStatus, OutcomeEntry};
use crate::keys::Granter;
use crate::limits::EXPIRY_WINDOW_BLOCKS;
use crate::outcome::{Code, Outcome};
use crate::state::{Fault, Missing, Overlay, Read, Writes};
use crate::{audit, compute, identity, keys, records, topics};

/// One executed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// What became of it.
    pub outcome: Outcome,
    /// What it changed, its outcome entry included.
    pub writes: Writes,
}

/// Why a transaction can't be authenticated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// State must be fetched first, or is corrupt.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The transaction is refused; tell the sender.
    #[error("{0}")]
    Refused(Outcome),
}

impl From<Missing> for AuthError {
    fn from(missing: Missing) -> Self {
        Self::Fault(missing.into())
    }
}

impl From<Stop> for AuthError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fault(fault) => Self::Fault(fault),
            Stop::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}

/// Applies what a block does before its transactions: at height 1, genesis.
pub fn begin_block(genesis: &Genesis, block: &Block) -> Result<Writes, GenesisError> {
    if block.height != 1 {
        return Ok(Writes::new());
    }
    consortium::found(genesis, block.moment())
}

/// Finds who a transaction is from and the key its signature must verify under.
///
/// Asks everything that execution asks of the envelope (rules 1 to 3), so that a mempool which admits only
/// what passes here holds only what can be executed. `block` is the block that would hold it: for
/// admission, the next height and the node's own time. A certificate that an earlier transaction of
/// the same block registers is visible through an [`Overlay`] only; a proposer that reads the parent's
/// state leaves such transactions for the next block.
pub fn authenticate<R: Read>(
    read: &R,
    tx: &Transaction,
    block: &Block,
) -> Result<(Sender, PublicKey), AuthError> {
    let (sender, key) = authenticate_with_key_bytes(read, tx, block)?;
    let key = PublicKey::from_sec1(&key).map_err(|_| Fault::Corrupt {
        key: keys::certificate(&sender.certificate),
    })?;
    Ok((sender, key))
}

/// As [`authenticate`], with the key as the certificate entry has it: for a node that keeps decoded
/// keys by certificate, because decoding one takes a square root.
pub fn authenticate_with_key_bytes<R: Read>(
    read: &R,
    tx: &Transaction,
    block: &Block,
) -> Result<(Sender, Vec<u8>), AuthError> {
    let outcome_key = keys::outcome(&tx.id());
    if read.get(&outcome_key)?.is_some() {
        return Err(AuthError::Refused(
            Code::Duplicate.because(tx.id().0).into(),
        ));
    }
    let (sender, certificate) = sender_of(read, tx, block)?;
    Ok((sender, certificate.public_key.to_vec()))
}

fn sender_of<R: Read>(
    read: &R,
    tx: &Transaction,
    block: &Block,
) -> Result<(Sender, CertificateEntry), Stop> {
    let body = &tx.body;
    ensure!(body.chain == block.chain, WrongChain, "{}", body.chain.0);
    let (expiry, height) = (body.expiry_height, block.height);
    ensure!(
        expiry >= height,
        Expired,
        "expiry height {expiry}, this is block {height}"
    );
    let latest = height.saturating_add(EXPIRY_WINDOW_BLOCKS);
    ensure!(
        expiry <= latest,
        ExpiryTooFar,
        "expiry height {expiry}, at most {latest}"
    );
    let certificate: CertificateEntry = load(read, &keys::certificate(&body.sender))?
        .ok_or_else(|| Code::UnknownSender.because(body.sender.0))?;
    let code = match certificate.status(block.time_s()) {
        CertificateStatus::Live => None,
        CertificateStatus::NotYetValid => Some(Code::SenderNotYetValid),
        CertificateStatus::Expired => Some(Code::SenderExpired),
        CertificateStatus::Revoked => Some(Code::SenderRevoked),
        CertificateStatus::Suspended => Some(Code::SenderSuspended),
        CertificateStatus::Unregistered => Some(Code::UnknownSender),
    };
    if let Some(code) = code {
        return Err(code.because(&certificate.client).into());
    }
    let sender = Sender {
        certificate: body.sender,
        client: certificate.client.clone(),
        role: certificate.role,
    };
    Ok((sender, certificate))
}

/// Executes one transaction, the `index`th of its block, over the state that it sees.
///
/// Writes nothing itself: the caller merges [`Execution::writes`] into the [`Overlay`] that the next
/// transaction reads. On [`Fault::Missing`] fetch the keys named and call again.
pub fn execute<R: Read>(
    tx: &Transaction,
    index: u32,
    block: &Block,
    read: &R,
) -> Result<Execution, Fault> {
    let id = tx.id();
    let key = keys::outcome(&id);
    if read.get(&key)?.is_some() {
        let outcome = Code::Duplicate.because(id.0).into();
        return Ok(Execution {
            outcome,
            writes: Writes::new(),
        });
    }
    let (outcome, mut writes) = match run(tx, index, block, read) {
        Ok(writes) => (Outcome::applied(), writes),
        Err(Stop::Refused(refusal)) => (refusal.into(), Writes::new()),
        Err(Stop::Fault(fault)) => return Err(fault),
    };
    let entry = OutcomeEntry {
        at: block.moment(),
        index,
        code: outcome.code,
        detail: outcome.detail.clone(),
    };
    writes.put(key, bytes(&entry));
    Ok(Execution { outcome, writes })
}

fn run<R: Read>(tx: &Transaction, index: u32, block: &Block, read: &R) -> Result<Writes, Stop> {
    let (sender, _) = sender_of(read, tx, block)?;
    let mut ctx = Context::new(block, index, &sender, read);
    match &tx.body.call {
        Call::RegisterCertificate(call) => identity::register(&mut ctx, call)?,
        Call::RevokeCertificate(call) => {
            identity::revoke(&mut ctx, &call.certificate, &call.reason)?
        }
        Call::RenewCertificate(call) => identity::renew(&mut ctx, &call.der)?,
        Call::SuspendCertificate(call) => {
            identity::suspend(&mut ctx, &call.certificate, &call.reason)?
        }
        Call::ResumeCertificate(call) => {
            identity::resume(&mut ctx, &call.certificate, &call.reason)?
        }
        Call::SetTemplate(call) => identity::set_template(&mut ctx, call)?,
        Call::OpenEnrolments(call) => identity::enrolment::open(&mut ctx, &call.enrolments)?,
        Call::CloseEnrolments(call) => identity::enrolment::close(&mut ctx, &call.enrolments)?,
        Call::RegisterTopic(call) => topics::register(&mut ctx, call)?,
        Call::GrantTopic(call) => topics::grant::grant(&mut ctx, call)?,
        Call::RevokeGrant(call) => topics::grant::revoke(&mut ctx, call)?,
        Call::GrantFilter(call) => topics::grant::grant_filter(&mut ctx, call)?,
        Call::RevokeFilter(call) => topics::grant::revoke_filter(&mut ctx, call)?,
        Call::RequestRights(call) => topics::request::request(&mut ctx, call)?,
        Call::DenyRequest(call) => topics::request::deny(&mut ctx, call)?,
        Call::TransferTopic(call) => topics::transfer::offer(&mut ctx, call)?,
        Call::AcceptTopic(call) => topics::transfer::accept(&mut ctx, call)?,
        Call::CloseTopic(call) => topics::close(&mut ctx, call)?,
        Call::RotateTopic(call) => topics::rotate::rotate(&mut ctx, call)?,
        Call::SealKeys(call) => topics::rotate::seal(&mut ctx, call)?,
        Call::CreateAuthorisation(call) => topics::authorisation::create(&mut ctx, call)?,
        Call::RedeemAuthorisation(call) => topics::authorisation::redeem(&mut ctx, call)?,
        Call::WithdrawAuthorisation(call) => topics::authorisation::withdraw(&mut ctx, call)?,
        Call::Anchor(call) => records::anchor(&mut ctx, &call.packages)?,
        Call::LogRetrieval(call) => records::log_retrievals(&mut ctx, &call.retrievals)?,
        Call::LogEvents(call) => audit::log_events(&mut ctx, &call.events)?,
        Call::RegisterComputeKey(call) => compute::register(&mut ctx, call)?,
        Call::RetireComputeKey(call) => compute::retire(&mut ctx, call)?,
        Call::LogEvaluations(call) => compute::log_evaluations(&mut ctx, &call.evaluations)?,
    }
    Ok(ctx.into_writes())
}

/// What a whole block did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockExecution {
    /// One per transaction, in order.
    pub outcomes: Vec<Outcome>,
    /// Everything the block changed.
    pub writes: Writes,
}

/// Why a block can't be executed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// State must be fetched first, or is corrupt.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Genesis can't found a ledger.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

/// Executes a block: [`begin_block`], then each transaction over what those before it wrote.
pub fn execute_block<'t, R: Read>(
    genesis: &Genesis,
    block: &Block,
    transactions: impl IntoIterator<Item = &'t Transaction>,
    read: &R,
) -> Result<BlockExecution, BlockError> {
    let mut state = Overlay::new(read);
    state.merge(begin_block(genesis, block)?);
    let mut outcomes = Vec::new();
    for (index, tx) in (0u32..).zip(transactions) {
        let execution = execute(tx, index, block, &state)?;
        state.merge(execution.writes);
        outcomes.push(execution.outcome);
    }
    Ok(BlockExecution {
        outcomes,
        writes: state.into_writes(),
    })
}

/// State keys that a transaction will certainly or probably read, as far as its own bytes tell.
///
/// A shell that fetches these for a whole block beforehand is rarely told of a `Missing`. The list is a
/// hint: execution is right with any of it or none.
pub fn footprint(tx: &Transaction) -> Vec<Vec<u8>> {
    let mut keys = vec![keys::outcome(&tx.id()), keys::certificate(&tx.body.sender)];
    match &tx.body.call {
        Call::RegisterCertificate(call) => {
            identity::footprint(&call.der, &mut keys);
            keys.extend(
                call.enrolment
                    .iter()
                    .map(|it| keys::enrolment(&it.enrolment)),
            );
        }
        Call::RenewCertificate(call) => identity::footprint(&call.der, &mut keys),
        Call::RevokeCertificate(call) => keys.push(keys::certificate(&call.certificate)),
        Call::SuspendCertificate(call) => keys.push(keys::certificate(&call.certificate)),
        Call::ResumeCertificate(call) => keys.push(keys::certificate(&call.certificate)),
        Call::SetTemplate(_) => {}
        Call::OpenEnrolments(call) => {
            let ids = call.enrolments.iter().map(|it| EnrolmentId::of(&it.key));
            keys.extend(ids.map(|id| keys::enrolment(&id)));
        }
        Call::CloseEnrolments(call) => keys.extend(call.enrolments.iter().map(keys::enrolment)),
        Call::RegisterTopic(call) => keys.push(keys::topic(&call.topic)),
        Call::GrantTopic(call) => keys.extend([
            keys::topic(&call.topic),
            keys::readers(&call.topic),
            keys::grant(&call.grantee, &call.topic),
            keys::client(&call.grantee),
        ]),
        Call::RevokeGrant(call) => {
            let named = call.rotation.iter().flat_map(|rotation| &rotation.keys);
            let named = named.map(|item| &item.client).chain([&call.grantee]);
            rights_of(&call.topic, named, &mut keys);
        }
        Call::RotateTopic(call) => {
            let named = call.rotation.keys.iter().map(|item| &item.client);
            rights_of(&call.topic, named, &mut keys);
        }
        Call::AcceptTopic(call) => {
            let named = call.rotation.iter().flat_map(|rotation| &rotation.keys);
            rights_of(&call.topic, named.map(|item| &item.client), &mut keys);
            keys.push(keys::offer(&call.topic));
        }
        Call::SealKeys(call) => {
            let named = call.clients.iter().map(|item| &item.client);
            rights_of(&call.topic, named, &mut keys);
            let to = call.authorisations.iter().map(|item| &item.authorisation);
            keys.extend(to.map(keys::authorisation));
        }
        Call::GrantFilter(call) => {
            keys.push(keys::client(&call.grantee));
            filter_of(&call.filter, &call.grantee, &mut keys);
        }
        Call::RevokeFilter(call) => filter_of(&call.filter, &call.grantee, &mut keys),
        Call::RequestRights(call) => match call.filter.to_name() {
            Some(topic) => keys.push(keys::topic(&topic)),
            None => keys.extend(call.filter.owner().as_ref().map(keys::client)),
        },
        // Under the sender's name, which stands in its certificate.
        Call::DenyRequest(_) => {}
        Call::TransferTopic(call) => {
            keys.extend([keys::topic(&call.topic), keys::offer(&call.topic)]);
            keys.extend(call.to.as_ref().map(keys::client));
        }
        Call::CloseTopic(call) => keys.push(keys::topic(&call.topic)),
        Call::CreateAuthorisation(call) => {
            keys.push(keys::authorisation(&AuthorisationId::of(&call.key)));
            keys.extend(call.filter.to_name().as_ref().map(keys::topic));
            keys.extend(call.keys.iter().map(|item| keys::topic(&item.topic)));
        }
        Call::RedeemAuthorisation(call) => {
            let id = &call.authorisation;
            keys.push(keys::authorisation(id));
            keys.extend(call.keys.iter().flat_map(|item| {
                [
                    keys::topic(&item.topic),
                    keys::authorisation_key(id, item.epoch, &item.topic),
                ]
            }));
        }
        Call::WithdrawAuthorisation(call) => keys.push(keys::authorisation(&call.authorisation)),
        Call::Anchor(call) => {
            let items = call.packages.iter();
            keys.extend(
                items.flat_map(|item| [keys::package(&item.package), keys::topic(&item.topic)]),
            );
        }
        Call::LogRetrieval(call) => {
            keys.extend(
                call.retrievals
                    .iter()
                    .map(|item| keys::package(&item.package)),
            );
        }
        Call::LogEvents(_) => {}
        Call::RegisterComputeKey(call) => {
            let key = &call.key;
            keys.extend([
                keys::compute_key(&key.id()),
                keys::live_compute_keys(&key.owner),
            ]);
            let holders = key.sharing.iter().flat_map(|sharing| &sharing.holders);
            keys.extend(holders.map(|holder| keys::client(&holder.client)));
        }
        Call::RetireComputeKey(call) => keys.push(keys::compute_key(&call.key)),
        Call::LogEvaluations(call) => compute::footprint(&call.evaluations, &mut keys),
    }
    keys
}

/// What a call on a granted filter reads, whether the owner of that prefix sends it or an operator: the
/// sender's role stands in its certificate.
fn filter_of(filter: &TopicFilter, grantee: &ClientId, reads: &mut Vec<Vec<u8>>) {
    let owner = filter.owner().map(Granter::Client);
    let org = filter.org().map(Granter::Org);
    for granter in owner.iter().chain(&org) {
        reads.extend([keys::wide(grantee, granter), keys::widely(granter)]);
    }
}

/// What a call on a topic reads that names clients.
fn rights_of<'c>(
    topic: &TopicName,
    clients: impl Iterator<Item = &'c ClientId>,
    reads: &mut Vec<Vec<u8>>,
) {
    reads.extend([keys::topic(topic), keys::readers(topic)]);
    // Who owns it now stands in its entry; nearly always whom its name says.
    let granter = topic.to_filter().owner().map(Granter::Client);
    for client in clients {
        reads.extend([keys::grant(client, topic), keys::client(client)]);
        reads.extend(granter.iter().map(|granter| keys::wide(client, granter)));
    }
}
