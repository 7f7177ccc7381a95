//! What comes: messages, and records of an archive.

use pyo3::{prelude::*, types::PyBytes};

/// A message of a subscription, opened, its sender's signature checked.
#[pyclass(frozen, get_all, module = "sealwire")]
pub struct Message {
    topic: String,
    content: Py<PyBytes>,
    content_type: Option<String>,
    sender: Option<String>,
    sequence: Option<u64>,
    is_retained: bool,
}

impl Message {
    pub fn new(py: Python<'_>, message: &sealwire_device::Message) -> Self {
        let header = message.header.as_ref();
        Self {
            topic: message.topic.to_string(),
            content: PyBytes::new(py, &message.content).unbind(),
            content_type: message.content_type.clone(),
            sender: header.map(|header| header.sender.to_string()),
            sequence: header.map(|header| header.sequence),
            is_retained: message.retained,
        }
    }
}

#[pymethods]
impl Message {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let bytes = self.content.bind(py).len()?;
        Ok(format!("<sealwire.Message {} {bytes} bytes>", self.topic))
    }
}

/// A record of an archive: checked against the ledger, opened, its sender's signature checked.
#[pyclass(frozen, get_all, module = "sealwire")]
pub struct Record {
    topic: String,
    content: Py<PyBytes>,
    content_type: Option<String>,
    sender: String,
    sequence: Option<u64>,
    received_ms: u64,
    package: String,
    package_number: u64,
    index: u64,
    anchored_height: u64,
}

impl Record {
    pub fn new(py: Python<'_>, record: &sealwire_device::Record) -> Self {
        Self {
            topic: record.topic.to_string(),
            content: PyBytes::new(py, &record.content).unbind(),
            content_type: record.content_type.clone(),
            sender: record.sender.to_string(),
            sequence: record.sequence,
            received_ms: record.received_ms,
            package: record.package.to_string(),
            package_number: record.package_number,
            index: record.index,
            anchored_height: record.anchored_height,
        }
    }
}

#[pymethods]
impl Record {
    fn __repr__(&self) -> String {
        let Self {
            topic,
            package,
            index,
            ..
        } = self;
        format!("<sealwire.Record {topic} {package} {index}>")
    }
}
