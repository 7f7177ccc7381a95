//! Log in, publish, subscribe, fetch and verify as a device or user.
