//! Encode and decode everything that Sealwire sends or stores.
