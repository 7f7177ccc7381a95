//! Verify offline, from genesis alone, that a message was recorded.
#![deny(missing_docs)]

pub mod merkle;
