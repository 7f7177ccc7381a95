//! Bounds on what one call may carry. Units are in the names.

/// How far ahead of the executing block a transaction's expiry height may lie, in blocks. Also the
/// time within which a node that saw a transaction must remember it.
pub const EXPIRY_WINDOW_BLOCKS: u64 = 1_000;

/// Longest reason for revoking, suspending or resuming, in bytes of UTF-8.
pub const REASON_BYTES: usize = 256;

/// Most times that one certificate can be suspended: each stays in its entry.
pub const SUSPENSIONS_PER_CERTIFICATE: usize = 16;

/// Shortest maximal validity that a template may set, in seconds: one hour.
pub const VALIDITY_MAX_S_MIN: u64 = 3_600;

/// Longest maximal validity that a template may set, in seconds: twenty years.
pub const VALIDITY_MAX_S_MAX: u64 = 20 * 365 * 86_400;

/// Most enrolments in one call that opens or closes them.
pub const ENROLMENTS_PER_CALL: usize = 256;

/// Longest time between an enrolment's opening and its expiry, in seconds: one year.
pub const ENROLMENT_LIFE_S: u64 = 365 * 86_400;

/// Longest purpose of a grant, in bytes of UTF-8.
pub const PURPOSE_BYTES: usize = 256;

/// Smallest sealed key, in bytes: C1 (65), C3 (32), a 16-byte SM4 key (GB/T 32918.4).
pub const SEALED_KEY_BYTES_MIN: usize = 65 + 32 + 16;

/// Largest sealed key, in bytes.
pub const SEALED_KEY_BYTES_MAX: usize = 256;

/// Most grants on one topic that aren't revoked. A rotation that names all of them must fit into one
/// transaction of 256 KiB.
pub const READERS_PER_TOPIC: usize = 512;

/// Longest note of an owner, in bytes of UTF-8.
pub const NOTE_BYTES: usize = 256;

/// Most filters that one may grant to one client.
pub const FILTERS_PER_PAIR: usize = 64;

/// Most uses of an authorisation key.
pub const AUTHORISATION_USES: u16 = 256;

/// Most keys in one call that seals keys.
pub const KEYS_PER_CALL: usize = 512;

/// Most packages in one anchor call.
pub const ANCHORS_PER_CALL: usize = 256;

/// Most messages in one package.
pub const MESSAGES_PER_PACKAGE: u64 = 1 << 20;

/// Most clients named in one package.
pub const CLIENTS_PER_PACKAGE: usize = 256;

/// Longest location of a package, in bytes of UTF-8.
pub const LOCATION_BYTES: usize = 256;

/// How far a gateway's clock may be ahead of the block's time, in milliseconds.
pub const CLOCK_AHEAD_MS: u64 = 10 * 60 * 1_000;

/// Most retrievals in one log call.
pub const RETRIEVALS_PER_CALL: usize = 256;

/// Most connection events in one log call.
pub const EVENTS_PER_CALL: usize = 512;

/// Largest connection event, in bytes of CBOR. What a gateway records (texts of 256 bytes, eight user
/// properties of two times 64 bytes, a grant's key of 364 bytes) is about 2,200 bytes at most: no client
/// can make an event that is refused and so holds up those behind it.
pub const EVENT_BYTES: usize = 4_096;

/// Most compute keys of one owner that aren't retired: they stand in one entry.
pub const COMPUTE_KEYS_PER_OWNER: usize = 64;

/// Greatest bound of a reading, times `10^decimals`: up to here a double holds every integer.
pub const READING_MAGNITUDE: i64 = 1 << 53;

/// Most evaluations in one log call.
pub const EVALUATIONS_PER_CALL: usize = 32;

/// Largest evaluation, in bytes of CBOR: 64 inputs whose topics have 256 bytes make less.
pub const EVALUATION_BYTES: usize = 32_768;

/// How far behind the executing block an evaluation's height may lie, in blocks.
pub const EVALUATION_AGE_BLOCKS: u64 = 100_000;
