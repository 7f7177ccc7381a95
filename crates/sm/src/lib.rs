//! Sign, encrypt and certify with SM2, SM3 and SM4.
