//! Blocks as the engine moves them: a header and the transactions it commits to.
//!
//! On the wire and on disk a block is `varint(length) || CBOR`, where the CBOR is that of a
//! [`BlockBundle`] without a certificate. Its digest, which validators vote on, is its header's.
//! The header's `transactions` binds the transactions, signatures included, so that equal digests are equal blocks.
//!
//! Genesis is the block at height 0: no transactions, `state_root` of 32 zero bytes, the time of
//! the genesis file, the first validator as proposer. What genesis writes to the state is written
//! by the block at height 1.

use std::{collections::HashSet, sync::Arc};

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, RangeCfg, Read, Write};
use commonware_consensus::{
    Block as _, BoundedBlock, CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::Digestible;
use commonware_glue::stateful::db::DatabaseSet;
use commonware_storage::{mmr::Location, qmdb::sync::Target};
use commonware_utils::range::NonEmptyRange;
use sealwire_envelope::{
    BlockBundle, Genesis, Header, Transaction, TxId, block::HEADER_VERSION,
    transaction::TX_MAX_BYTES,
};
use sealwire_sm::Sm3Digest;

use crate::{
    crypto::{Digest, PublicKey, Validators},
    limits::{BLOCK_BYTES_MAX, BLOCK_TRANSACTION_BYTES_MAX, BLOCK_TRANSACTIONS_MAX},
    state::SharedStore,
};

/// Bytes of the longest length that goes before a block.
const LENGTH_BYTES_MAX: usize = 10;

/// A transaction with its id and its encoding, both computed once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tx(Arc<TxInner>);

#[derive(Debug, PartialEq, Eq)]
struct TxInner {
    id: TxId,
    transaction: Transaction,
    bytes: Bytes,
}

impl Tx {
    /// From a decoded transaction.
    pub fn new(transaction: Transaction) -> Self {
        let bytes = sealwire_envelope::encode(&transaction).into();
        Self(Arc::new(TxInner {
            id: transaction.id(),
            transaction,
            bytes,
        }))
    }

    /// From bytes, which must be the one encoding of a transaction.
    ///
    /// # Errors
    /// When they aren't.
    pub fn decode(bytes: &[u8]) -> Result<Self, sealwire_envelope::DecodeError> {
        let transaction: Transaction = sealwire_envelope::decode_bounded(bytes, TX_MAX_BYTES)?;
        let id = transaction.id();
        Ok(Self(Arc::new(TxInner {
            id,
            transaction,
            bytes: Bytes::copy_from_slice(bytes),
        })))
    }

    /// Its id: the digest of its body.
    pub fn id(&self) -> TxId {
        self.0.id
    }

    /// Its encoding.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The transaction itself.
    pub fn get(&self) -> &Transaction {
        &self.0.transaction
    }
}

/// A block. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Block(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    header: Header,
    digest: Digest,
    proposer: PublicKey,
    transactions: Vec<Tx>,
    bytes: Bytes,
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Block {}

/// Why bytes aren't a block.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// Not the one encoding of a bundle.
    #[error(transparent)]
    Encoding(#[from] sealwire_envelope::DecodeError),
    /// A block travels without a certificate.
    #[error("a block's own encoding holds no certificate")]
    Certificate,
    /// The operations' range is empty.
    #[error("ops_start {0} isn't below ops_end {1}")]
    Operations(u64, u64),
    /// The transactions aren't those of the header.
    #[error("the transactions aren't those that the header commits to")]
    Transactions,
    /// Too many transactions, or too many bytes of them.
    #[error("{count} transactions of {bytes} bytes are more than a block holds")]
    TooLarge {
        /// Transactions.
        count: usize,
        /// Bytes of their encodings.
        bytes: usize,
    },
    /// One transaction twice.
    #[error("transaction {0} is in the block twice")]
    Twice(TxId),
}

impl Block {
    /// The block at height 0.
    pub fn genesis(genesis: &Genesis, validators: &Validators) -> Self {
        let proposer = validators.keys()[0].clone();
        let header = Header {
            version: HEADER_VERSION,
            chain: genesis.chain_id(),
            height: 0,
            epoch: 0,
            view: 0,
            parent_view: 0,
            parent: Sm3Digest::ZERO,
            time_ms: genesis.created_ms,
            proposer: proposer.inner().clone(),
            transactions: tx_root(&[]),
            state_root: Sm3Digest::ZERO,
            ops_root: initial_target().root.into(),
            ops_start: *initial_target().range.start(),
            ops_end: *initial_target().range.end(),
            validators: validators.digest(),
        };
        Self::new(header, proposer, Vec::new())
    }

    /// A block of a header that is made for exactly these transactions and this proposer.
    pub fn new(header: Header, proposer: PublicKey, transactions: Vec<Tx>) -> Self {
        debug_assert_eq!(header.transactions, tx_root(&transactions));
        debug_assert_eq!(&header.proposer, proposer.inner());
        let bundle = BlockBundle {
            header: header.clone(),
            transactions: transactions.iter().map(|tx| tx.get().clone()).collect(),
            finality: None,
        };
        let bytes = sealwire_envelope::encode(&bundle).into();
        let digest = header.digest().into();
        Self(Arc::new(Inner {
            header,
            digest,
            proposer,
            transactions,
            bytes,
        }))
    }

    /// Decodes and checks everything that needs no other block.
    ///
    /// # Errors
    /// [`BlockError`] names the first rule that is broken.
    pub fn decode(bytes: Bytes) -> Result<Self, BlockError> {
        let bundle: BlockBundle = sealwire_envelope::decode(&bytes)?;
        if bundle.finality.is_some() {
            return Err(BlockError::Certificate);
        }
        Self::check(bundle.header, bundle.transactions, bytes)
    }

    /// The block of a bundle, checked like [`Block::decode`].
    ///
    /// # Errors
    /// [`BlockError`] names the first rule that is broken.
    pub fn from_bundle(header: Header, transactions: Vec<Transaction>) -> Result<Self, BlockError> {
        let bundle = BlockBundle {
            header,
            transactions,
            finality: None,
        };
        let bytes = sealwire_envelope::encode(&bundle).into();
        Self::check(bundle.header, bundle.transactions, bytes)
    }

    fn check(
        header: Header,
        transactions: Vec<Transaction>,
        bytes: Bytes,
    ) -> Result<Self, BlockError> {
        let proposer = header.proposer.clone().into();
        if header.ops_start >= header.ops_end {
            return Err(BlockError::Operations(header.ops_start, header.ops_end));
        }
        let transactions: Vec<Tx> = transactions.into_iter().map(Tx::new).collect();
        let (count, size) = (
            transactions.len(),
            transactions.iter().map(|tx| tx.bytes().len()).sum(),
        );
        if count > BLOCK_TRANSACTIONS_MAX || size > BLOCK_TRANSACTION_BYTES_MAX {
            return Err(BlockError::TooLarge { count, bytes: size });
        }
        let mut seen = HashSet::with_capacity(count);
        if let Some(tx) = transactions.iter().find(|tx| !seen.insert(tx.id())) {
            return Err(BlockError::Twice(tx.id()));
        }
        if tx_root(&transactions) != header.transactions {
            return Err(BlockError::Transactions);
        }
        let digest = header.digest().into();
        Ok(Self(Arc::new(Inner {
            header,
            digest,
            proposer,
            transactions,
            bytes,
        })))
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// The transactions, in order.
    pub fn transactions(&self) -> &[Tx] {
        &self.0.transactions
    }

    /// The state that the engine finds after this block.
    pub fn target(&self) -> Target<commonware_storage::mmr::Family, Digest> {
        let header = &self.0.header;
        let range = Location::new(header.ops_start)..Location::new(header.ops_end);
        let range = NonEmptyRange::new(range).expect("checked when the block was made");
        Target::new(header.ops_root.into(), range)
    }
}

fn initial_target() -> Target<commonware_storage::mmr::Family, Digest> {
    type Store = SharedStore<commonware_runtime::tokio::Context>;
    <Store as DatabaseSet<commonware_runtime::tokio::Context>>::initial_sync_targets()
}

/// The root that a header carries of these transactions.
pub fn tx_root(transactions: &[Tx]) -> Sm3Digest {
    sealwire_receipt::merkle::root_of(transactions.iter().map(Tx::bytes))
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.bytes.write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.0.bytes.encode_size()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let bytes = Bytes::read_cfg(buf, &RangeCfg::from(..=BLOCK_BYTES_MAX))?;
        Self::decode(bytes).map_err(|error| Error::Wrapped("Block", Box::new(error)))
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.0.digest
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.0.header.height)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> Digest {
        self.0.header.parent.into()
    }
}

impl CertifiableBlock for Block {
    type Context = Context<Digest, PublicKey>;

    fn context(&self) -> Self::Context {
        let header = &self.0.header;
        Context {
            round: Round::new(Epoch::new(header.epoch), View::new(header.view)),
            leader: self.0.proposer.clone(),
            parent: (View::new(header.parent_view), self.parent()),
        }
    }
}

impl BoundedBlock for Block {
    fn max_encode_size(_: &()) -> usize {
        BLOCK_BYTES_MAX + LENGTH_BYTES_MAX
    }
}
