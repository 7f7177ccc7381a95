//! Nothing: fhe-math depends on a crate of this name and uses it only with its feature `tfhe-ntt`.
