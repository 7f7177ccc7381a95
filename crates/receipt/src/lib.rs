//! Verify offline, from genesis alone, that a message was recorded.
