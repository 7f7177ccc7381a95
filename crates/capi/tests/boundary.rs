//! The C functions, called as C calls them but from Rust: NULL, nonsense, panics.
#![allow(unsafe_code)]
// Each call of an unsafe function passes NULL, string literals, or what the library gave.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::{
    ffi::{CStr, CString, c_char},
    mem::MaybeUninit,
    ptr::null,
};

use sealwire_capi::{
    code::{Code, sealwire_version},
    device::{
        Device, sealwire_bytes_free, sealwire_device_client, sealwire_device_connect,
        sealwire_device_free, sealwire_device_is_connected, sealwire_device_open,
        sealwire_device_publish, sealwire_device_records, sealwire_device_token,
        sealwire_records_free, sealwire_records_next, sealwire_string_free,
        sealwire_subscription_free,
    },
    message::{
        sealwire_message_content, sealwire_message_content_bytes, sealwire_message_free,
        sealwire_message_topic,
    },
};

type Out<'call, T> = Option<&'call mut MaybeUninit<T>>;

#[path = "../../device/tests/home/mod.rs"]
mod home;

/// Calls with a place for an answer.
fn answer<T>(call: impl FnOnce(Out<'_, *mut T>) -> Code) -> (Code, *mut T) {
    let mut place = MaybeUninit::uninit();
    let code = call(Some(&mut place));
    // Every call writes its place, and its sentence.
    (code, unsafe { place.assume_init() })
}

/// Calls with a place for the sentence; frees it.
fn why(call: impl FnOnce(Out<'_, *mut c_char>) -> Code) -> (Code, String) {
    let (code, sentence) = answer(call);
    let text = text(sentence);
    assert_eq!(text.is_empty(), code == Code::SealwireOk);
    unsafe { sealwire_string_free(sentence) };
    (code, text)
}

fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().expect("UTF-8").to_owned()
}

fn refused(home: *const c_char, passphrase: *const c_char) -> (Code, String) {
    let mut place: MaybeUninit<*mut Device> = MaybeUninit::uninit();
    let refused =
        why(|why| unsafe { sealwire_device_open(home, passphrase, Some(&mut place), why) });
    assert!(unsafe { place.assume_init() }.is_null());
    refused
}

/// A device whose gateway doesn't exist.
fn device() -> (tempfile::TempDir, Box<Device>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("home");
    home::make(&path, &home::nobody());
    let path = CString::new(path.to_str().unwrap()).unwrap();
    let mut place = MaybeUninit::uninit();
    let (code, _) = why(|why| unsafe {
        sealwire_device_open(path.as_ptr(), c"open".as_ptr(), Some(&mut place), why)
    });
    assert_eq!(code, Code::SealwireOk);
    (dir, unsafe { Box::from_raw(place.assume_init()) })
}

#[test]
fn null_and_nonsense_are_refused_with_a_sentence() {
    let (code, text) = refused(null(), null());
    assert_eq!(
        (code, text.as_str()),
        (Code::SealwireMisuse, "home: is NULL")
    );
    let (code, text) = refused(c"/nowhere/at/all".as_ptr(), null());
    assert!(
        code == Code::SealwireHome && text.contains("/nowhere/at/all"),
        "{text}"
    );
    let (code, text) = refused(c"\xff\xfe".as_ptr(), null());
    assert!(
        code == Code::SealwireMisuse && text.contains("utf-8"),
        "{text}"
    );
    // No place for the handle; no place for the sentence.
    let (code, text) = why(|why| unsafe { sealwire_device_open(null(), null(), None, why) });
    assert_eq!(
        (code, text.as_str()),
        (Code::SealwireMisuse, "device: is NULL")
    );
    let code = unsafe { sealwire_device_connect(None, null(), 0, None) };
    assert_eq!(code, Code::SealwireMisuse);
    assert!(sealwire_device_client(None).is_null());
    assert!(!sealwire_device_is_connected(None));
    assert!(sealwire_message_topic(None).is_null());
    assert!(sealwire_message_content(None).is_null());
    assert_eq!(sealwire_message_content_bytes(None), 0);
}

#[test]
fn freeing_null_is_nothing() {
    sealwire_device_free(None);
    sealwire_subscription_free(None);
    sealwire_records_free(None);
    sealwire_message_free(None);
    unsafe {
        sealwire_string_free(std::ptr::null_mut());
        sealwire_bytes_free(std::ptr::null_mut(), 7);
    }
}

#[test]
fn errors_have_their_codes() {
    let (_dir, device) = device();
    let publish = |content: *const u8, bytes, qos| {
        let (topic, kind) = (c"acme/press-7/t".as_ptr(), c"text/plain".as_ptr());
        why(|why| unsafe {
            sealwire_device_publish(
                Some(&device),
                topic,
                kind,
                content,
                bytes,
                qos,
                100,
                None,
                why,
            )
        })
    };
    assert_eq!(publish(b"x".as_ptr(), 1, 1).0, Code::SealwireEnded);
    assert_eq!(publish(null(), 0, 1).0, Code::SealwireEnded);
    assert_eq!(publish(null(), 1, 1).0, Code::SealwireMisuse);
    assert_eq!(
        publish(b"x".as_ptr(), usize::MAX, 1).0,
        Code::SealwireMisuse
    );
    assert_eq!(publish(b"x".as_ptr(), 1, 2).0, Code::SealwireMisuse);
    let large = vec![0; (1 << 20) + 1];
    let (code, text) = publish(large.as_ptr(), large.len(), 1);
    assert!(
        code == Code::SealwireTooLarge && text.contains("1048577"),
        "{text}"
    );
}

#[test]
fn a_handle_may_outlive_the_device_it_came_from() {
    let (_dir, device) = device();
    let topic = c"acme/press-7/t".as_ptr();
    let mut place = MaybeUninit::uninit();
    let code =
        unsafe { sealwire_device_records(Some(&device), topic, null(), 0, Some(&mut place), None) };
    assert_eq!(code, Code::SealwireOk);
    let records = unsafe { Box::from_raw(place.assume_init()) };
    sealwire_device_free(Some(device));
    let mut record = MaybeUninit::uninit();
    let code = sealwire_records_next(Some(&records), 5_000, Some(&mut record), None);
    assert_eq!(code, Code::SealwireAway);
    assert!(unsafe { record.assume_init() }.is_null());
    sealwire_records_free(Some(records));
}

#[test]
fn a_token_is_a_string() {
    let (_dir, device) = device();
    let (code, token) =
        answer(|token| unsafe { sealwire_device_token(Some(&device), null(), 60, token, None) });
    assert_eq!(code, Code::SealwireOk);
    let body = sealwire_envelope::login::Token::from_text(text(token).as_bytes())
        .unwrap()
        .body;
    assert_eq!(
        body.client.as_str(),
        text(sealwire_device_client(Some(&device)))
    );
    unsafe { sealwire_string_free(token) };
}

/// Blocking inside another runtime is a panic of tokio's: a real one, from deep inside.
#[test]
fn a_panic_is_a_code() {
    let (_dir, device) = device();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let connect = |limit_ms| {
        why(|why| unsafe { sealwire_device_connect(Some(&device), null(), limit_ms, why) })
    };
    let (code, text) = runtime.block_on(async { connect(100) });
    assert!(
        code == Code::SealwireInternal && text.contains("runtime"),
        "{text}"
    );
    // The handle is as good as before.
    assert_eq!(connect(5_000).0, Code::SealwireAway);
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(text(sealwire_version()), env!("CARGO_PKG_VERSION"));
}
