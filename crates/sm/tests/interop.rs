//! SM2, SM3 and SM4 against two implementations that nobody here wrote: the `openssl` program and
//! PyPI's `gmssl`, in both directions, negatives included.
//!
//! Each test says loudly what it skips when the peer isn't installed. With `SEALWIRE_REQUIRE_PEERS`
//! set (as in CI) a missing peer is a failure.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use sealwire_sm::{
    Certificate, Request, Role, SecretKey, Signature,
    cert::{Subject, issue, issue_root},
    keyfile, sm3, sm4,
};

fn missing(peer: &str, install: &str) {
    let message = format!("SKIPPED: {peer} isn't installed ({install}); nothing was checked");
    assert!(
        std::env::var_os("SEALWIRE_REQUIRE_PEERS").is_none(),
        "{message}"
    );
    eprintln!("{message}");
}

/// Whether there is an `openssl` that knows SM2 with SM3 (3.0 or later).
fn openssl_knows_sm2() -> bool {
    let listed = Command::new("openssl")
        .args(["list", "-public-key-algorithms"])
        .output();
    let knows = listed.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("SM2"));
    if !knows {
        missing("openssl 3 with SM2", "apt-get install openssl");
    }
    knows
}

fn openssl(dir: &Path, args: &[&str]) -> Output {
    Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .output()
        .expect("openssl starts")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn subject(role: Role, name: &str) -> Subject<'_> {
    Subject {
        organisation: "acme",
        role,
        name,
        not_before_s: 1_700_000_000,
        not_after_s: 4_000_000_000,
    }
}

fn no_passphrase() -> Option<(&'static str, &'static mut rand::rngs::StdRng)> {
    None
}

const DISTID: &str = "distid:1234567812345678";

#[test]
fn openssl_reads_our_certificates_and_believes_only_the_right_root() {
    if !openssl_knows_sm2() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rng = &mut rand::rng();
    let root_key = SecretKey::generate(rng);
    let root = issue_root(rng, &root_key, &subject(Role::Root, "acme root")).unwrap();
    let other_key = SecretKey::generate(rng);
    let other = issue_root(rng, &other_key, &subject(Role::Root, "acme root")).unwrap();
    let device = SecretKey::generate(rng);
    let leaf = issue(
        rng,
        &root_key,
        &root,
        device.public_key(),
        &subject(Role::Device, "acme.press-7"),
    )
    .unwrap();
    for (file, certificate) in [
        ("root.pem", &root),
        ("other.pem", &other),
        ("leaf.pem", &leaf),
    ] {
        std::fs::write(dir.path().join(file), certificate.to_pem()).unwrap();
    }

    let shown = openssl(dir.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]);
    let shown = text(&shown);
    for expected in [
        "SM2-with-SM3",
        "O = acme, OU = device, CN = acme.press-7",
        "CA:FALSE",
    ] {
        assert!(shown.contains(expected), "'{expected}' not in\n{shown}");
    }
    let verify = |ca: &str| {
        openssl(
            dir.path(),
            &["verify", "-vfyopt", DISTID, "-CAfile", ca, "leaf.pem"],
        )
    };
    let good = verify("root.pem");
    assert!(good.status.success(), "{}", text(&good));
    assert!(!verify("other.pem").status.success());
}

#[test]
fn openssl_and_we_verify_each_others_signatures_and_keys() {
    if !openssl_knows_sm2() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |file: &str| dir.path().join(file);
    std::fs::write(at("message"), b"21.5 degrees").unwrap();
    std::fs::write(at("other"), b"21.6 degrees").unwrap();

    // OpenSSL reads our key file and verifies our signature.
    let ours = SecretKey::generate(&mut rand::rng());
    keyfile::write(&at("ours.pem"), &ours, no_passphrase()).unwrap();
    std::fs::write(
        at("ours.sig"),
        ours.sign_raw(b"21.5 degrees").to_der().unwrap(),
    )
    .unwrap();
    let verify = |message: &str| {
        let args = [
            "pkeyutl", "-verify", "-inkey", "ours.pem", "-sigfile", "ours.sig", "-in", message,
        ];
        openssl(
            dir.path(),
            &[&args[..], &["-rawin", "-digest", "sm3", "-pkeyopt", DISTID]].concat(),
        )
    };
    let good = verify("message");
    assert!(good.status.success(), "{}", text(&good));
    assert!(!verify("other").status.success());

    // We read OpenSSL's key file and verify its signature.
    let made = openssl(
        dir.path(),
        &["genpkey", "-algorithm", "SM2", "-out", "theirs.pem"],
    );
    assert!(made.status.success(), "{}", text(&made));
    let args = [
        "pkeyutl",
        "-sign",
        "-inkey",
        "theirs.pem",
        "-in",
        "message",
        "-out",
        "theirs.sig",
    ];
    let signed = openssl(
        dir.path(),
        &[&args[..], &["-rawin", "-digest", "sm3", "-pkeyopt", DISTID]].concat(),
    );
    assert!(signed.status.success(), "{}", text(&signed));
    let theirs = keyfile::read(&at("theirs.pem"), None).unwrap();
    let signature = Signature::from_der(&std::fs::read(at("theirs.sig")).unwrap()).unwrap();
    theirs
        .public_key()
        .verify_raw(b"21.5 degrees", &signature)
        .unwrap();
    assert!(
        theirs
            .public_key()
            .verify_raw(b"21.6 degrees", &signature)
            .is_err()
    );
}

#[test]
fn we_read_a_certificate_that_openssl_made() {
    if !openssl_knows_sm2() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = openssl(
        dir.path(),
        &["genpkey", "-algorithm", "SM2", "-out", "key.pem"],
    );
    assert!(made.status.success(), "{}", text(&made));
    let args = [
        "req",
        "-new",
        "-x509",
        "-key",
        "key.pem",
        "-sm3",
        "-sigopt",
        DISTID,
        "-days",
        "30",
        "-subj",
        "/O=acme/OU=root/CN=acme root",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-out",
        "root.pem",
    ];
    let made = openssl(dir.path(), &args);
    assert!(made.status.success(), "{}", text(&made));
    let pem = std::fs::read_to_string(dir.path().join("root.pem")).unwrap();
    let root = Certificate::from_pem(&pem).unwrap();
    assert_eq!(
        (root.organisation.as_str(), root.role),
        ("acme", Role::Root)
    );
    root.verify_issued_by(&root).unwrap();
}

#[test]
fn openssl_reads_our_requests_and_refuses_changed_ones() {
    if !openssl_knows_sm2() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let key = SecretKey::generate(&mut rand::rng());
    let request = Request::sign(&key, "acme", Role::Device, "acme.press-7").unwrap();
    let mut changed = request.der().to_vec();
    // The 7 of the name: sound DER, but not what was signed.
    let at = changed.windows(7).position(|it| it == b"press-7").unwrap();
    changed[at + 6] = b'8';
    std::fs::write(dir.path().join("good.pem"), request.to_pem()).unwrap();
    std::fs::write(dir.path().join("changed.der"), &changed).unwrap();
    let show = |file: &str, form: &str| {
        let args = ["req", "-in", file, "-inform", form, "-noout", "-text"];
        openssl(
            dir.path(),
            &[&args[..], &["-verify", "-vfyopt", DISTID]].concat(),
        )
    };
    let good = text(&show("good.pem", "PEM"));
    for expected in [
        "verify OK",
        "SM2-with-SM3",
        "O = acme, OU = device, CN = acme.press-7",
    ] {
        assert!(good.contains(expected), "'{expected}' not in\n{good}");
    }
    let bad = text(&show("changed.der", "DER"));
    assert!(
        bad.contains("acme.press-8") && bad.contains("verify failure"),
        "{bad}"
    );
    assert!(Request::from_der(&changed).is_err());
}

#[test]
fn we_read_requests_that_openssl_made_and_refuse_the_others() {
    if !openssl_knows_sm2() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = openssl(
        dir.path(),
        &["genpkey", "-algorithm", "SM2", "-out", "key.pem"],
    );
    assert!(made.status.success(), "{}", text(&made));
    let request = |out: &str, subject: &str, more: &[&str]| {
        let args = [
            "req", "-new", "-key", "key.pem", "-subj", subject, "-out", out,
        ];
        let made = openssl(dir.path(), &[&args[..], more].concat());
        assert!(made.status.success(), "{}", text(&made));
        let read = std::fs::read(dir.path().join(out)).unwrap();
        String::from_utf8(read).unwrap()
    };
    let device = "/O=acme/OU=device/CN=acme.press-7";
    let sm3 = ["-sm3", "-sigopt", DISTID];
    // Attributes, and a text before the PEM, don't matter.
    let plain = request("plain.pem", device, &sm3);
    let usage = ["-addext", "keyUsage=critical,digitalSignature", "-text"];
    let wordy = request("wordy.pem", device, &[&sm3[..], &usage].concat());
    let older = request("older.pem", device, &[&sm3[..], &["-newhdr"]].concat());
    let key = keyfile::read(&dir.path().join("key.pem"), None).unwrap();
    for pem in [&plain, &wordy, &older] {
        let read = Request::from_pem(pem).unwrap();
        assert_eq!(&read.public_key, key.public_key());
        assert_eq!(
            (read.organisation.as_str(), read.role, read.name.as_str()),
            ("acme", Role::Device, "acme.press-7")
        );
    }
    for (why, subject, sign) in [
        ("isn't signed by its own key", device, &["-sm3"][..]),
        ("exactly one OU", "/O=acme/CN=acme.press-7", &sm3),
        (
            "unknown role 'king'",
            "/O=acme/OU=king/CN=acme.press-7",
            &sm3,
        ),
        ("exactly one CN", "/O=acme/OU=device/CN=a/CN=b", &sm3),
    ] {
        let refused = Request::from_pem(&request("bad.pem", subject, sign)).unwrap_err();
        let chain = format!("{refused}");
        assert!(chain.contains(why), "'{why}' not in '{chain}'");
    }
    let args = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ];
    let more = [
        "-nodes", "-keyout", "p.key", "-subj", device, "-out", "p.pem",
    ];
    let made = openssl(dir.path(), &[&args[..], &more].concat());
    assert!(made.status.success(), "{}", text(&made));
    let foreign = std::fs::read_to_string(dir.path().join("p.pem")).unwrap();
    assert!(Request::from_pem(&foreign).is_err());
}

/// The project's own virtual environment, or the system's Python, if it has `gmssl`.
fn python_with_gmssl() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = [root.join(".venv/bin/python"), "python3".into()]
        .into_iter()
        .find(|python| {
            let probe = Command::new(python).args(["-c", "import gmssl"]).output();
            probe.is_ok_and(|o| o.status.success())
        });
    if found.is_none() {
        missing(
            "PyPI's gmssl",
            "python3 -m venv .venv && .venv/bin/pip install gmssl==3.2.2",
        );
    }
    found
}

/// Runs `script` with the lines of `input` and gives back its lines.
fn run_python(python: &Path, script: &str, input: &[String]) -> Vec<String> {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.join("\n").as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

const SM2_PEER: &str = r"
import sys
from gmssl import sm2, func
secret, public, signature, sealed = sys.stdin.read().split('\n')
peer = sm2.CryptSM2(private_key=secret, public_key=public, mode=1)
print(peer.verify_with_sm3(signature, b'21.5 degrees'))
print(peer.verify_with_sm3(signature, b'21.6 degrees'))
print(peer.sign_with_sm3(b'from gmssl', func.random_hex(64)))
print(peer.decrypt(bytes.fromhex(sealed)).decode())
print(peer.encrypt(b'from gmssl').hex())
";

#[test]
fn gmssl_and_we_agree_on_sm2() {
    let Some(python) = python_with_gmssl() else {
        return;
    };
    let rng = &mut rand::rng();
    let key = SecretKey::generate(rng);
    let public = key.public_key();
    // gmssl leaves the leading 0x04 of points away.
    let input = [
        hex::encode(key.expose()),
        hex::encode(&public.to_uncompressed()[1..]),
        hex::encode(key.sign_raw(b"21.5 degrees").0),
        hex::encode(&public.seal(rng, b"a secret of ours")[1..]),
    ];
    let lines = run_python(&python, SM2_PEER, &input);
    assert_eq!(lines[..2], ["True", "False"]);
    let mut signature = [0; 64];
    hex::decode_to_slice(&lines[2], &mut signature).unwrap();
    public
        .verify_raw(b"from gmssl", &Signature(signature))
        .unwrap();
    assert!(
        public
            .verify_raw(b"from others", &Signature(signature))
            .is_err()
    );
    assert_eq!(lines[3], "a secret of ours");
    let sealed = [vec![4], hex::decode(&lines[4]).unwrap()].concat();
    assert_eq!(key.open(&sealed).unwrap().as_slice(), b"from gmssl");
}

const SM3_SM4_PEER: &str = r"
import sys
from gmssl import sm3, func
from gmssl.sm4 import CryptSM4, SM4_ENCRYPT
message, key, nonce, plain = [bytes.fromhex(l) for l in sys.stdin.read().split('\n')]
print(sm3.sm3_hash(list(message)))
# GCM's ciphertext is counter mode from nonce || 2: check the cipher without gmssl having GCM.
cipher = CryptSM4()
cipher.set_key(key, SM4_ENCRYPT)
out = b''
for i in range(0, len(plain), 16):
    block = nonce + (2 + i // 16).to_bytes(4, 'big')
    stream = cipher.one_round(cipher.sk, list(block))
    out += bytes(a ^ b for a, b in zip(stream, plain[i:i + 16]))
print(out.hex())
";

#[test]
fn gmssl_and_we_agree_on_sm3_and_sm4() {
    let Some(python) = python_with_gmssl() else {
        return;
    };
    for length in [0usize, 1, 55, 56, 63, 64, 65, 300] {
        let message: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        let (key, nonce) = ([length as u8 ^ 0x5a; 16], [length as u8; 12]);
        let input = [&message[..], &key, &nonce, &message].map(hex::encode);
        let lines = run_python(&python, SM3_SM4_PEER, &input);
        assert_eq!(lines[0], sm3(&[&message]).to_string());
        let sealed = sm4::Key::from_slice(&key)
            .unwrap()
            .seal(&nonce, b"", &message);
        let ours = hex::encode(&sealed[..length]);
        assert_eq!(
            lines.get(1).map_or("", |line| line.as_str()),
            ours,
            "length {length}"
        );
    }
}
