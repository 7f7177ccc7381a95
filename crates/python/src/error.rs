//! Exceptions: one class per kind of error.

use pyo3::{PyErr, create_exception, exceptions::PyException};
use sealwire_device::{Error as Cause, Kind};

create_exception!(
    sealwire,
    Error,
    PyException,
    "Something went wrong; its text says what to do."
);
create_exception!(
    sealwire,
    MisuseError,
    Error,
    "The call or an argument isn't what the function takes."
);
create_exception!(
    sealwire,
    HomeError,
    Error,
    "The home directory can't be used."
);
create_exception!(
    sealwire,
    AwayError,
    Error,
    "A gateway or the ledger can't be reached or is busy: try again later."
);
create_exception!(
    sealwire,
    RefusedError,
    Error,
    "A gateway or the ledger says no."
);
create_exception!(sealwire, UntrustedError, Error, "What came isn't proven.");
create_exception!(
    sealwire,
    UnreadableError,
    Error,
    "A message or record can't be opened; others may."
);
create_exception!(
    sealwire,
    TooLargeError,
    Error,
    "The message is larger than the gateway takes."
);
create_exception!(
    sealwire,
    TimeoutError,
    Error,
    "The time was over; what was asked may have happened."
);
create_exception!(
    sealwire,
    EndedError,
    Error,
    "There is no session, or it has ended."
);
create_exception!(
    sealwire,
    InternalError,
    Error,
    "The operating system refused, or Sealwire has a defect."
);

/// The exception of an error.
pub fn raise(error: Cause) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        Kind::Misuse => MisuseError::new_err(text),
        Kind::Home => HomeError::new_err(text),
        Kind::Away => AwayError::new_err(text),
        Kind::Refused => RefusedError::new_err(text),
        Kind::Untrusted => UntrustedError::new_err(text),
        Kind::Unreadable => UnreadableError::new_err(text),
        Kind::TooLarge => TooLargeError::new_err(text),
        Kind::Timeout => TimeoutError::new_err(text),
        Kind::Ended => EndedError::new_err(text),
        Kind::Internal => InternalError::new_err(text),
    }
}
