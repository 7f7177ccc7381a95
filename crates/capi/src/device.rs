//! A device's home and session.
//!
//! Every `#[unsafe(no_mangle)]` is sound because the name begins with `sealwire_`, as no other
//! library's does, and is defined once. A function is `unsafe` when it follows a string or bytes of
//! C's; what is asked of them stands once, at the top of the header.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use std::{
    ffi::{CString, c_char},
    mem::MaybeUninit,
    path::Path,
    time::Duration,
};

use sealwire_device::{Error, Records as Archived};

use crate::{
    boundary::{
        bytes_in, call, get, give, give_bytes, limit, optional_text_in, place, put, release,
        release_bytes, release_text, some, text_in, text_out,
    },
    code::Code,
    message::Message,
};

/// A device or user: its home, and its session at a gateway. From any thread.
pub struct Device {
    device: sealwire_device::Device,
    client: CString,
}

impl From<sealwire_device::Device> for Device {
    fn from(device: sealwire_device::Device) -> Self {
        let client = text_out(device.client().as_str());
        Self { device, client }
    }
}

/// Messages that come. From any thread; each message goes to one caller.
pub struct Subscription(sealwire_device::Subscription);

/// Records of a topic in an archive. From any thread; each record goes to one caller.
pub struct Records(Archived);

/// Frees a string that this library gave to be freed. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_string_free(string: *mut c_char) {
    // SAFETY: a string of ours, by the header's rules.
    get((), || unsafe { release_text(string) });
}

/// Opens the home directory of a device, as `sealwire device enrol` makes it. Reads files, asks
/// nobody.
///
/// home: its path. passphrase: of its key file, or NULL. device: gets the handle, to be freed by
/// sealwire_device_free. why: NULL, or gets the sentence of an error.
///
/// Returns SEALWIRE_HOME when it isn't a home or the passphrase is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_open(
    home: *const c_char,
    passphrase: *const c_char,
    device: Option<&mut MaybeUninit<*mut Device>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let device = place("device", device)?;
        // SAFETY: strings by the header's rules.
        let (home, passphrase) = unsafe {
            (
                text_in("home", home)?,
                optional_text_in("passphrase", passphrase)?,
            )
        };
        let opened = sealwire_device::Device::open(Path::new(home), passphrase)?;
        device.write(give(opened.into()));
        Ok(())
    })
}

/// Makes a device by an enrolment code: makes its key, has the desk of its organisation issue a certificate
/// for it, checks it against the genesis file and the ledger, makes the home, and opens it. The key never
/// leaves the home. After an error call it again: it goes on with the same key; a home that this code made
/// is opened.
///
/// home: the directory where the device shall live. code: the enrolment code. desk: as
/// "http://10.0.0.1:7406". genesis: path of the genesis file, which is all that is believed. passphrase: for
/// the key file, or NULL. timeout_ms: longest wait. device: gets the handle, to be freed by
/// sealwire_device_free. why: NULL, or gets the sentence of an error.
///
/// Returns SEALWIRE_REFUSED for a code that is unknown, used, expired or closed; SEALWIRE_AWAY,
/// SEALWIRE_TIMEOUT; SEALWIRE_UNTRUSTED when what the desk answered isn't proven.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_enrol(
    home: *const c_char,
    code: *const c_char,
    desk: *const c_char,
    genesis: *const c_char,
    passphrase: *const c_char,
    timeout_ms: u32,
    device: Option<&mut MaybeUninit<*mut Device>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let device = place("device", device)?;
        // SAFETY: strings by the header's rules.
        let (home, code, desk) = unsafe {
            (
                text_in("home", home)?,
                text_in("code", code)?,
                text_in("desk", desk)?,
            )
        };
        // SAFETY: strings by the header's rules.
        let (genesis, passphrase) = unsafe {
            (
                text_in("genesis", genesis)?,
                optional_text_in("passphrase", passphrase)?,
            )
        };
        let (home, genesis, limit) = (Path::new(home), Path::new(genesis), at_most(timeout_ms));
        let enrolled =
            sealwire_device::Device::enrol(home, code, desk, genesis, passphrase, limit)?;
        device.write(give(enrolled.into()));
        Ok(())
    })
}

/// Renews the device's certificate, if it is time: a new key and certificate, on the ledger and in the
/// home; its session goes on. Call it daily.
///
/// desk: as "http://10.0.0.1:7406", or NULL for the one that the home knows. timeout_ms: longest wait.
/// renewed: NULL, or gets whether there is another certificate now. not_after_s: NULL, or gets when the
/// certificate that counts ends, seconds since 1970. why: NULL, or gets the sentence of an error.
///
/// Returns SEALWIRE_REFUSED when the certificate has ended, was suspended or revoked; SEALWIRE_AWAY,
/// SEALWIRE_TIMEOUT: call again; SEALWIRE_ENDED when all is done but the session didn't take it over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_renew(
    device: Option<&Device>,
    desk: *const c_char,
    timeout_ms: u32,
    renewed: Option<&mut MaybeUninit<bool>>,
    not_after_s: Option<&mut MaybeUninit<u64>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let desk = unsafe { optional_text_in("desk", desk)? };
        let done = device.renew(desk, at_most(timeout_ms))?.wait()?;
        put(renewed, done.renewed);
        put(not_after_s, done.not_after_s);
        Ok(())
    })
}

/// Frees a device. Its subscriptions and records may be freed before or after it; with the last of
/// all, its session ends without a goodbye (sealwire_device_disconnect says one). NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_device_free(device: Option<Box<Device>>) {
    release(device);
}

/// The device's client id, as "acme.press-7"; lives as long as the handle. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_device_client(device: Option<&Device>) -> *const c_char {
    get(std::ptr::null(), || {
        some("device", device).map_or(std::ptr::null(), |device| device.client.as_ptr())
    })
}

/// Logs in at a gateway by SM2: both sides prove who they are. A connection that is lost later is
/// made again by itself, subscriptions included; meanwhile calls wait.
///
/// gateway: client id of a gateway in the home's peers.json, or NULL for its first. timeout_ms:
/// longest wait. why: NULL, or gets the sentence of an error.
///
/// Returns SEALWIRE_AWAY, SEALWIRE_REFUSED, SEALWIRE_UNTRUSTED, SEALWIRE_TIMEOUT; SEALWIRE_MISUSE
/// when it is connected.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_connect(
    device: Option<&Device>,
    gateway: *const c_char,
    timeout_ms: u32,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let gateway = unsafe { optional_text_in("gateway", gateway)? };
        device.connect(gateway, at_most(timeout_ms))?.wait()
    })
}

/// Whether there is a session; one that is being made again counts.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_device_is_connected(device: Option<&Device>) -> bool {
    get(false, || {
        some("device", device).is_ok_and(|device| device.device.is_connected())
    })
}

/// Says goodbye and ends the session, within 3 seconds. Calls that wait in other threads return;
/// what they were publishing may be lost. Does nothing when there is no session.
///
/// why: NULL, or gets the sentence of an error.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_device_disconnect(
    device: Option<&Device>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || some("device", device)?.device.disconnect().wait())
}

/// Publishes a message: sealed under the topic's key and signed, or as it is on an open topic.
/// Returns when the gateway has it: at QoS 1 on its disk, at QoS 0 in a buffer of ours.
///
/// topic: as "acme/press-7/temperature". content_type: as "application/senml+json"; unused on an
/// open topic. content, content_bytes: the message; NULL when content_bytes is 0. qos: 0 or 1.
/// timeout_ms: longest wait. sequence: NULL, or gets the sequence under the signature, 0 on an open
/// topic. why: NULL, or gets the sentence of an error.
///
/// Returns SEALWIRE_REFUSED without a right or a key, SEALWIRE_TOO_LARGE, SEALWIRE_ENDED without a
/// session, SEALWIRE_AWAY; after SEALWIRE_TIMEOUT the message may arrive all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_publish(
    device: Option<&Device>,
    topic: *const c_char,
    content_type: *const c_char,
    content: *const u8,
    content_bytes: usize,
    qos: u8,
    timeout_ms: u32,
    sequence: Option<&mut MaybeUninit<u64>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings and bytes by the header's rules.
        let (topic, content_type, content) = unsafe {
            let topic = text_in("topic", topic)?;
            let content_type = text_in("content_type", content_type)?;
            (
                topic,
                content_type,
                bytes_in("content", content, content_bytes)?,
            )
        };
        let published = device.publish(topic, content_type, content, qos, at_most(timeout_ms))?;
        put(sequence, published.wait()?.unwrap_or(0));
        Ok(())
    })
}

/// Subscribes at QoS 1.
///
/// filter: a topic, or an MQTT filter that a grant covers. timeout_ms: longest wait. subscription:
/// gets the handle, to be freed by sealwire_subscription_free. why: NULL, or gets the sentence of
/// an error.
///
/// Returns SEALWIRE_REFUSED without a right, SEALWIRE_ENDED without a session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_subscribe(
    device: Option<&Device>,
    filter: *const c_char,
    timeout_ms: u32,
    subscription: Option<&mut MaybeUninit<*mut Subscription>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let subscription = place("subscription", subscription)?;
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let filter = unsafe { text_in("filter", filter)? };
        let subscribed = device.subscribe(filter, at_most(timeout_ms))?.wait()?;
        subscription.write(give(Subscription(subscribed)));
        Ok(())
    })
}

/// Waits for the next message, opened and its sender's signature checked. It is acknowledged to the
/// gateway by this call, and not before: a program that is slow slows the gateway, and loses
/// nothing.
///
/// timeout_ms: longest wait; 0 doesn't wait, SEALWIRE_FOREVER waits until there is one. message:
/// gets the message, to be freed by sealwire_message_free. why: NULL, or gets the sentence of an
/// error.
///
/// Returns SEALWIRE_TIMEOUT when none came. SEALWIRE_UNREADABLE for a message that can't be opened:
/// call again for the next. SEALWIRE_ENDED from then on, when the session or the right has ended.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_subscription_next(
    subscription: Option<&Subscription>,
    timeout_ms: u32,
    message: Option<&mut MaybeUninit<*mut Message>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let message = place("message", message)?;
        let Subscription(subscription) = some("subscription", subscription)?;
        let next = subscription.next(limit(timeout_ms))?;
        message.write(give(next.ok_or(Error::NotConnected)?.into()));
        Ok(())
    })
}

/// Unsubscribes, and frees. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_subscription_free(subscription: Option<Box<Subscription>>) {
    release(subscription);
}

/// Makes a token: a password for one login of any other MQTT client, whose user name and client id
/// are the device's. Asks nobody.
///
/// gateway: client id of a gateway in the home's peers.json, or NULL for its first; only there the
/// token is good. life_s: 1 to SEALWIRE_TOKEN_LIFE_S_MAX seconds. token: gets the text, to be freed
/// by sealwire_string_free. why: NULL, or gets the sentence of an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_token(
    device: Option<&Device>,
    gateway: *const c_char,
    life_s: u32,
    token: Option<&mut MaybeUninit<*mut c_char>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let token = place("token", token)?;
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let gateway = unsafe { optional_text_in("gateway", gateway)? };
        let made = device.token(gateway, life_s.into())?;
        token.write(text_out(&made.token).into_raw());
        Ok(())
    })
}

/// The records of a topic in a gateway's archive, oldest first. Asks nobody yet. Needs no session.
///
/// topic: one topic. gateway: client id of a gateway in the home's peers.json, or NULL for its
/// first. after: 0, or sealwire_message_package_number of the last record that you have. records:
/// gets the handle, to be freed by sealwire_records_free. why: NULL, or gets the sentence of an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_records(
    device: Option<&Device>,
    topic: *const c_char,
    gateway: *const c_char,
    after: u64,
    records: Option<&mut MaybeUninit<*mut Records>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let records = place("records", records)?;
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let topic = unsafe { text_in("topic", topic)? };
        // SAFETY: strings by the header's rules.
        let gateway = unsafe { optional_text_in("gateway", gateway)? };
        let archived = device.records(topic, gateway, after)?;
        records.write(give(Records(archived)));
        Ok(())
    })
}

/// The next record: its package was checked against the ledger, it is decrypted, its sender's
/// signature checked. The gateway records on the ledger who fetched which package.
///
/// timeout_ms: longest wait. record: gets the record, to be freed by sealwire_message_free; NULL
/// with SEALWIRE_OK: there are no more that are anchored. why: NULL, or gets the sentence of an
/// error.
///
/// Returns SEALWIRE_UNTRUSTED when the archive's answer was changed. SEALWIRE_UNREADABLE for a record
/// that can't be opened: call again for the next. After SEALWIRE_AWAY, SEALWIRE_REFUSED and
/// SEALWIRE_TIMEOUT the same record is tried again.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_records_next(
    records: Option<&Records>,
    timeout_ms: u32,
    record: Option<&mut MaybeUninit<*mut Message>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let record = place("record", record)?;
        let Records(records) = some("records", records)?;
        if let Some(next) = records.next(at_most(timeout_ms))? {
            record.write(give(next.into()));
        }
        Ok(())
    })
}

/// Frees. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_records_free(records: Option<Box<Records>>) {
    release(records);
}

/// Makes the receipt of a record, which `sealwire receipt verify` and anyone else can verify with
/// genesis alone.
///
/// package, index: of the record, from sealwire_message_package and sealwire_message_index.
/// gateway: as for sealwire_device_records. timeout_ms: longest wait. receipt, receipt_bytes: get the
/// receipt file, to be freed by sealwire_bytes_free. why: NULL, or gets the sentence of an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_device_receipt(
    device: Option<&Device>,
    package: *const c_char,
    index: u64,
    gateway: *const c_char,
    timeout_ms: u32,
    receipt: Option<&mut MaybeUninit<*mut u8>>,
    receipt_bytes: Option<&mut MaybeUninit<usize>>,
    why: Option<&mut MaybeUninit<*mut c_char>>,
) -> Code {
    call(why, || {
        let receipt = place("receipt", receipt)?;
        let receipt_bytes = some("receipt_bytes", receipt_bytes)?;
        let Device { device, .. } = some("device", device)?;
        // SAFETY: strings by the header's rules.
        let package = unsafe { text_in("package", package)? };
        // SAFETY: strings by the header's rules.
        let gateway = unsafe { optional_text_in("gateway", gateway)? };
        let made = device.receipt(package, index, gateway, at_most(timeout_ms))?;
        let (bytes, length) = give_bytes(made.wait()?);
        receipt.write(bytes);
        receipt_bytes.write(length);
        Ok(())
    })
}

/// Frees bytes that this library gave to be freed, with the length that it gave. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealwire_bytes_free(bytes: *mut u8, bytes_length: usize) {
    // SAFETY: bytes of ours, by the header's rules.
    get((), || unsafe { release_bytes(bytes, bytes_length) });
}

/// A limit where for ever means as long as milliseconds go: 49 days.
fn at_most(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.into())
}
