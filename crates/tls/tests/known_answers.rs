//! HKDF and HMAC over SM3 against the `openssl` program, which nobody here wrote.

use std::process::Command;

use sealwire_tls::TLS13_SM4_GCM_SM3;

fn openssl(args: &[String]) -> Option<String> {
    let output = Command::new("openssl").args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).replace([':', '\n'], "");
    (output.status.success() && !text.is_empty()).then(|| text.to_lowercase())
}

/// HKDF-SM3 by OpenSSL, or `None` with a loud word if there is no such program.
fn hkdf(mode: &str, key: &[u8], salt: &[u8], info: &[u8], len: usize) -> Option<String> {
    let mut args: Vec<String> = ["kdf", "-keylen"].map(str::to_owned).into();
    args.push(len.to_string());
    for (name, value) in [("hexkey", key), ("hexsalt", salt), ("hexinfo", info)] {
        if !value.is_empty() {
            args.extend([
                "-kdfopt".to_owned(),
                format!("{name}:{}", hex::encode(value)),
            ]);
        }
    }
    for option in ["digest:SM3", &format!("mode:{mode}")] {
        args.extend(["-kdfopt".to_owned(), option.to_owned()]);
    }
    args.push("HKDF".to_owned());
    let made = openssl(&args);
    if made.is_none() {
        let message = "SKIPPED: openssl 3 with SM3 isn't installed (apt-get install openssl); \
                       HKDF-SM3 wasn't compared";
        let required = std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_some();
        assert!(!required, "{message}");
        eprintln!("{message}");
    }
    made
}

#[test]
fn hkdf_sm3_agrees_with_openssl() {
    let ours = TLS13_SM4_GCM_SM3.hkdf_provider;
    for (salt, secret, info, len) in [
        (vec![1; 13], vec![0x0b; 22], vec![0xf0; 10], 42),
        (vec![2; 80], (0..80).collect(), vec![3; 80], 82),
        (vec![0; 32], vec![0xaa; 32], b"tls13 derived".to_vec(), 32),
        (vec![9; 1], vec![7; 200], vec![1; 1], 255 * 32),
    ] {
        let Some(theirs) = hkdf("EXTRACT_AND_EXPAND", &secret, &salt, &info, len) else {
            return;
        };
        let mut made = vec![0; len];
        ours.extract_from_secret(Some(&salt), &secret)
            .expand_slice(&[&info], &mut made)
            .unwrap();
        assert_eq!(hex::encode(made), theirs);
    }
    let mut too_long = vec![0; 255 * 32 + 1];
    let refused = ours.extract_from_secret(None, &[1]);
    assert!(refused.expand_slice(&[], &mut too_long).is_err());
}

/// Known answers, so that something is compared where no program is: made with OpenSSL 3.0.
#[test]
fn hkdf_sm3_known_answers() {
    let ours = TLS13_SM4_GCM_SM3.hkdf_provider;
    let mut made = [0; 42];
    ours.extract_from_secret(Some(&[1; 13]), &[0x0b; 22])
        .expand_slice(&[&[0xf0; 10]], &mut made)
        .unwrap();
    assert_eq!(hex::encode(made), KNOWN);
}

const KNOWN: &str =
    "696edd88c94e47d7a4e1391801089f7b661b7073c2b7c6bddfeba3074533b28727ef047c4486d119cfb8";
