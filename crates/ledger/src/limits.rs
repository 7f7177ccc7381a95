//! Every bound of a ledger node: sizes, queues, times. Units are in the names.

use std::time::Duration;

/// Most transactions in one block.
pub const BLOCK_TRANSACTIONS_MAX: usize = 2_000;

/// Most bytes of encoded transactions in one block.
pub const BLOCK_TRANSACTION_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes of an encoded block: its transactions, the header, lengths.
pub const BLOCK_BYTES_MAX: usize = BLOCK_TRANSACTION_BYTES_MAX + 64 * 1024;

/// Most transactions in the mempool.
pub const MEMPOOL_TRANSACTIONS_MAX: usize = 20_000;

/// Most bytes of encoded transactions in the mempool.
pub const MEMPOOL_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Senders' keys that the mempool keeps decoded; beyond, it starts anew.
pub const SENDER_KEYS_MAX: usize = 4_096;

/// Most bytes of transactions in one gossip message; a single larger transaction travels alone.
pub const GOSSIP_BYTES_MAX: usize = 256 * 1024;

/// Most bytes of a gossip message: one largest transaction and its framing.
pub const GOSSIP_MESSAGE_BYTES_MAX: usize = GOSSIP_BYTES_MAX + 64 * 1024;

/// How long an unfinalised transaction waits before its holder tells the other nodes again.
pub const GOSSIP_AGAIN: Duration = Duration::from_secs(5);

/// How far a proposer's clock may be ahead of a voter's.
pub const CLOCK_DRIFT_MAX: Duration = Duration::from_secs(2);

/// Shortest time from a block to the next.
pub const BLOCK_INTERVAL: Duration = Duration::from_millis(100);

/// Longest time from a block to the next while there is nothing to do.
pub const IDLE_HEARTBEAT: Duration = Duration::from_secs(5);

/// How long after its start a node takes to be linked to its peers, if they are up.
pub const LINKING: Duration = Duration::from_secs(2);

/// How much longer than the heartbeat a leader may be silent before the others pass it over.
pub const LEADER_GRACE: Duration = Duration::from_secs(1);

/// How much longer than that a proposal may take to be certified.
pub const CERTIFICATION_GRACE: Duration = Duration::from_secs(1);

/// How often a vote to pass over a leader is repeated.
pub const TIMEOUT_RETRY: Duration = Duration::from_secs(1);

/// Longest wait for a peer's answer.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause before an unanswered request is repeated.
pub const FETCH_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Messages in an internal queue of the engine.
pub const MAILBOX_MESSAGES: usize = 1_024;

/// Views behind the finalised tip that votes are kept for.
pub const VIEWS_RETAINED: u64 = 16;

/// Blocks that the broadcast buffer keeps of one peer.
pub const BUFFERED_BLOCKS_PER_PEER: usize = 16;

/// Finalised blocks that may be in execution at once.
pub const PENDING_ACKNOWLEDGEMENTS: usize = 16;

/// Missing blocks that are fetched at once.
pub const REPAIRS_AT_ONCE: usize = 32;

/// Most messages that a peer may send on one channel in a second.
pub const MESSAGES_PER_SECOND: u32 = 2_048;

/// Headers of finalised blocks that are kept in memory, to answer reads without the disk.
pub const RECENT_BLOCKS: usize = 256;

/// Longest wait that an HTTP request may ask for.
pub const HTTP_WAIT_MAX: Duration = Duration::from_secs(30);

/// HTTP requests that one node serves at once.
pub const HTTP_REQUESTS_AT_ONCE: usize = 1_024;

/// Final blocks that a subscriber may lag behind before it misses some.
pub const SUBSCRIBER_BACKLOG_BLOCKS: usize = 256;

/// Event stream subscribers of one node.
pub const SUBSCRIBERS_MAX: usize = 256;

/// Blocks that a follower fetches ahead while it looks for one with a certificate.
pub const UNCERTIFIED_BLOCKS_MAX: usize = 64;

/// How long a follower waits before it asks the next validator after a failure.
pub const FOLLOWER_RETRY: Duration = Duration::from_millis(500);

/// How long a follower's request for the next block may wait at the validator.
pub const FOLLOWER_WAIT: Duration = Duration::from_secs(10);
