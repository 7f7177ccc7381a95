//! A message that came, or a record that was fetched.
//!
//! `#[unsafe(no_mangle)]` as in [`crate::device`].
#![allow(unsafe_code)]

use std::{
    ffi::{CString, c_char},
    ptr,
};

use sealwire_device::Record;
use zeroize::Zeroizing;

use crate::boundary::{get, release, text_out};

/// A message of a subscription, or a record of an archive. It doesn't change; from any thread.
pub struct Message {
    topic: CString,
    sender: Option<CString>,
    sequence: u64,
    content_type: Option<CString>,
    /// With a NUL at its end.
    content: Zeroizing<Vec<u8>>,
    is_retained: bool,
    archived: Option<Archived>,
}

struct Archived {
    package: CString,
    package_number: u64,
    index: u64,
    received_ms: u64,
    anchored_height: u64,
}

impl From<sealwire_device::Message> for Message {
    fn from(message: sealwire_device::Message) -> Self {
        let header = message.header.as_ref();
        Self {
            topic: text_out(message.topic.as_str()),
            sender: header.map(|header| text_out(header.sender.as_str())),
            sequence: header.map_or(0, |header| header.sequence),
            content_type: message.content_type.as_deref().map(text_out),
            content: with_nul(&message.content),
            is_retained: message.retained,
            archived: None,
        }
    }
}

impl From<Record> for Message {
    fn from(record: Record) -> Self {
        Self {
            topic: text_out(record.topic.as_str()),
            sender: Some(text_out(record.sender.as_str())),
            sequence: record.sequence.unwrap_or(0),
            content_type: record.content_type.as_deref().map(text_out),
            content: with_nul(&record.content),
            is_retained: false,
            archived: Some(Archived {
                package: text_out(&record.package.to_string()),
                package_number: record.package_number,
                index: record.index,
                received_ms: record.received_ms,
                anchored_height: record.anchored_height,
            }),
        }
    }
}

fn with_nul(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(content.len() + 1));
    bytes.extend_from_slice(content);
    bytes.push(0);
    bytes
}

fn read<T>(message: Option<&Message>, otherwise: T, field: impl FnOnce(&Message) -> T) -> T {
    match message {
        Some(message) => get(otherwise, || field(message)),
        None => otherwise,
    }
}

fn text(
    message: Option<&Message>,
    field: impl FnOnce(&Message) -> Option<&CString>,
) -> *const c_char {
    read(message, ptr::null(), |message| {
        field(message).map_or(ptr::null(), |text| text.as_ptr())
    })
}

fn number(message: Option<&Message>, field: impl FnOnce(&Archived) -> u64) -> u64 {
    read(message, 0, |message| {
        message.archived.as_ref().map_or(0, field)
    })
}

/// Frees a message or record, and overwrites its content. NULL is nothing.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_free(message: Option<Box<Message>>) {
    release(message);
}

/// Its topic. This and all texts and bytes of a message live as long as the message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_topic(message: Option<&Message>) -> *const c_char {
    text(message, |message| Some(&message.topic))
}

/// Who signed it. On an open topic nobody did: NULL for a message, for a record whom the gateway
/// names.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_sender(message: Option<&Message>) -> *const c_char {
    text(message, |message| message.sender.as_ref())
}

/// The sender's count, under its signature; 0 on an open topic. A message that comes twice comes
/// with the same one.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_sequence(message: Option<&Message>) -> u64 {
    read(message, 0, |message| message.sequence)
}

/// What the content is, as "application/senml+json"; NULL on an open topic.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_content_type(message: Option<&Message>) -> *const c_char {
    text(message, |message| message.content_type.as_ref())
}

/// Its content: sealwire_message_content_bytes bytes, and behind them a NUL that isn't counted.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_content(message: Option<&Message>) -> *const u8 {
    read(message, ptr::null(), |message| message.content.as_ptr())
}

/// Length of its content, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_content_bytes(message: Option<&Message>) -> usize {
    read(message, 0, |message| message.content.len() - 1)
}

/// Whether the gateway kept it from before the subscription (MQTT's retained message).
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_is_retained(message: Option<&Message>) -> bool {
    read(message, false, |message| message.is_retained)
}

/// Of a record: the id of its package, 64 hexadecimal digits. NULL for a message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_package(message: Option<&Message>) -> *const c_char {
    text(message, |message| Some(&message.archived.as_ref()?.package))
}

/// Of a record: the gateway's number of its package, to go on behind it. 0 for a message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_package_number(message: Option<&Message>) -> u64 {
    number(message, |archived| archived.package_number)
}

/// Of a record: its place in the package, from 0. 0 for a message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_index(message: Option<&Message>) -> u64 {
    number(message, |archived| archived.index)
}

/// Of a record: when the gateway received it, milliseconds since 1970. 0 for a message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_received_ms(message: Option<&Message>) -> u64 {
    number(message, |archived| archived.received_ms)
}

/// Of a record: height of the ledger's block that anchored its package. 0 for a message.
#[unsafe(no_mangle)]
pub extern "C" fn sealwire_message_anchored_height(message: Option<&Message>) -> u64 {
    number(message, |archived| archived.anchored_height)
}
