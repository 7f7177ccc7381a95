//! Keep encrypted messages and packages on disk.
