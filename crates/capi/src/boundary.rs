//! Everything that crosses between C and Rust: strings and bytes in and out, errors, panics.
//!
//! | C | Rust | Why that is sound |
//! |---|---|---|
//! | `const sealwire_x_t *` | `Option<&X>` | a `Box` that C was given, alive; nobody has it mutably |
//! | `sealwire_x_t *` of a free function | `Option<Box<X>>` | the same, and no call uses it |
//! | `T *` to be written | `Option<&mut MaybeUninit<T>>` | NULL or a place of C's, perhaps uninitialised |
//! | `const char *`, `const uint8_t *` | raw | followed here alone, by unsafe functions |
//!
//! C keeps to the rules at the top of the header; the safety arguments rest on them and say which.
//! What can be checked is checked: NULL, UTF-8, lengths.
#![allow(unsafe_code)]

use std::{
    any::Any,
    ffi::{CStr, CString, c_char},
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    time::Duration,
};

use sealwire_device::Error;

use crate::code::{Code, SEALWIRE_FOREVER};

/// A place of C's that a call writes to; none for NULL.
pub(crate) type Out<'call, T> = Option<&'call mut MaybeUninit<T>>;

/// Runs a call: its error, or its panic, becomes a code, and a sentence at `why`.
pub(crate) fn call(why: Out<'_, *mut c_char>, body: impl FnOnce() -> Result<(), Error>) -> Code {
    // After a panic nothing of the call's is used again but its handles. They are shared, so their
    // state is behind locks or atomics of tokio's and of ours, which keep their invariants.
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => {
            put(why, ptr::null_mut());
            return Code::SealwireOk;
        }
        Ok(Err(error)) => error,
        Err(panic) => Error::Defect(sentence(panic.as_ref())),
    };
    put(why, text_out(&error.to_string()).into_raw());
    error.kind().into()
}

/// Runs what can't fail; a panic makes it `otherwise`.
pub(crate) fn get<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

fn sentence(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Writes to a place that may be left out.
pub(crate) fn put<T>(place: Out<'_, T>, value: T) {
    if let Some(place) = place {
        place.write(value);
    }
}

/// The place that an answer needs; it holds nothing for the time being.
pub(crate) fn place<'call, T>(
    name: &'static str,
    place: Out<'call, *mut T>,
) -> Result<&'call mut MaybeUninit<*mut T>, Error> {
    let place = some(name, place)?;
    place.write(ptr::null_mut());
    Ok(place)
}

/// What may not be NULL.
pub(crate) fn some<T>(name: &'static str, argument: Option<T>) -> Result<T, Error> {
    argument.ok_or_else(|| Error::argument(name, "is NULL"))
}

/// Hands a value to C, which gives it back to a free function.
pub(crate) fn give<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Drops what C gives back.
pub(crate) fn release<T>(handle: Option<Box<T>>) {
    get((), || drop(handle));
}

/// Hands bytes to C, which frees them by [`release_bytes`].
pub(crate) fn give_bytes(bytes: Vec<u8>) -> (*mut u8, usize) {
    let length = bytes.len();
    (Box::into_raw(bytes.into_boxed_slice()).cast(), length)
}

/// Drops bytes that C gives back; NULL is nothing.
///
/// # Safety
/// The bytes, with their length, come from [`give_bytes`] and nobody uses them any more.
pub(crate) unsafe fn release_bytes(bytes: *mut u8, length: usize) {
    if !bytes.is_null() {
        // SAFETY: `give_bytes` made them from a boxed slice of that length.
        drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(bytes, length)) });
    }
}

/// Drops a string that C gives back; NULL is nothing.
///
/// # Safety
/// It comes from [`text_out`] and `into_raw`, is as it was, and nobody uses it any more.
pub(crate) unsafe fn release_text(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it came from `into_raw`, and its length is still where its NUL is.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// A string, for the call.
///
/// # Safety
/// It is NULL, or ends with NUL and isn't changed during the call.
pub(crate) unsafe fn text_in<'call>(
    name: &'static str,
    text: *const c_char,
) -> Result<&'call str, Error> {
    // SAFETY: what this function asks for.
    some(name, unsafe { optional_text_in(name, text) }?)
}

/// A string or NULL, for the call.
///
/// # Safety
/// It is NULL, or ends with NUL and isn't changed during the call.
pub(crate) unsafe fn optional_text_in<'call>(
    name: &'static str,
    text: *const c_char,
) -> Result<Option<&'call str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and what this function asks for.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str().map_err(|e| Error::argument(name, e))?;
    Ok(Some(text))
}

/// Bytes, for the call.
///
/// # Safety
/// There are that many, or the pointer is NULL; they aren't changed during the call.
pub(crate) unsafe fn bytes_in<'call>(
    name: &'static str,
    bytes: *const u8,
    length: usize,
) -> Result<&'call [u8], Error> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(Error::argument(name, "is NULL, and its length isn't 0"));
    }
    if isize::try_from(length).is_err() {
        return Err(Error::argument(name, "is longer than memory"));
    }
    // SAFETY: not NULL, not longer than an allocation can be, and what this function asks for.
    // Bytes need no alignment.
    Ok(unsafe { slice::from_raw_parts(bytes, length) })
}

/// A string for C. It can't hold NUL: there it gets U+FFFD.
pub(crate) fn text_out(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

/// A limit in time; none: for ever.
pub(crate) fn limit(timeout_ms: u32) -> Option<Duration> {
    (timeout_ms != SEALWIRE_FOREVER).then(|| Duration::from_millis(timeout_ms.into()))
}
