//! The classes that do something: a device, its subscriptions, an archive's records.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pyo3::{prelude::*, pybacked::PyBackedBytes, types::PyBytes};
use sealwire_device::Kind;

use crate::{
    error::raise,
    message::{Message, Record},
    wait::{SLICE, done, on_a_thread, seconds},
};

/// A device or user: its home, and its session at a gateway.
#[pyclass(frozen, module = "sealwire")]
pub struct Device(sealwire_device::Device);

impl Device {
    /// Opens a home.
    ///
    /// # Errors
    /// As [`sealwire_device::Device::open`].
    pub fn open(home: PathBuf, passphrase: Option<&str>) -> PyResult<Self> {
        let opened = sealwire_device::Device::open(&home, passphrase);
        Ok(Self(opened.map_err(raise)?))
    }
}

#[pymethods]
impl Device {
    #[new]
    #[pyo3(signature = (home, passphrase=None))]
    fn new(home: PathBuf, passphrase: Option<&str>) -> PyResult<Self> {
        Self::open(home, passphrase)
    }

    #[staticmethod]
    #[pyo3(signature = (home, code, desk, genesis, passphrase=None, timeout=60.0))]
    fn enrol(
        py: Python<'_>,
        home: PathBuf,
        code: String,
        desk: String,
        genesis: PathBuf,
        passphrase: Option<String>,
        timeout: f64,
    ) -> PyResult<Self> {
        let limit = seconds(timeout)?;
        let enrolled = on_a_thread(py, move || {
            let passphrase = passphrase.as_deref();
            sealwire_device::Device::enrol(&home, &code, &desk, &genesis, passphrase, limit)
        })?;
        Ok(Self(enrolled))
    }

    #[pyo3(signature = (desk=None, timeout=60.0))]
    fn renew(&self, py: Python<'_>, desk: Option<&str>, timeout: f64) -> PyResult<bool> {
        let pending = self.0.renew(desk, seconds(timeout)?);
        Ok(done(py, pending.map_err(raise)?)?.renewed)
    }

    #[getter]
    fn client(&self) -> &str {
        self.0.client().as_str()
    }

    #[getter]
    fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    #[pyo3(signature = (gateway=None, timeout=20.0))]
    fn connect<'py>(
        this: Bound<'py, Self>,
        gateway: Option<&str>,
        timeout: f64,
    ) -> PyResult<Bound<'py, Self>> {
        let pending = this.get().0.connect(gateway, seconds(timeout)?);
        done(this.py(), pending.map_err(raise)?)?;
        Ok(this)
    }

    fn disconnect(&self, py: Python<'_>) -> PyResult<()> {
        done(py, self.0.disconnect())
    }

    #[pyo3(signature = (topic, content, content_type="application/senml+json", qos=1, timeout=30.0))]
    fn publish(
        &self,
        py: Python<'_>,
        topic: &str,
        content: PyBackedBytes,
        content_type: &str,
        qos: u8,
        timeout: f64,
    ) -> PyResult<Option<u64>> {
        let limit = seconds(timeout)?;
        let pending = self.0.publish(topic, content_type, &content, qos, limit);
        done(py, pending.map_err(raise)?)
    }

    #[pyo3(signature = (filter, timeout=30.0))]
    fn subscribe(&self, py: Python<'_>, filter: &str, timeout: f64) -> PyResult<Subscription> {
        let pending = self.0.subscribe(filter, seconds(timeout)?);
        let subscribed = done(py, pending.map_err(raise)?)?;
        Ok(Subscription(Mutex::new(Some(Arc::new(subscribed)))))
    }

    /// As [`crate::sealwire`]'s `token`.
    #[pyo3(signature = (gateway=None, life_s=60))]
    pub fn token(&self, gateway: Option<&str>, life_s: u64) -> PyResult<String> {
        let made = self.0.token(gateway, life_s).map_err(raise)?;
        Ok(made.token.to_string())
    }

    #[pyo3(signature = (topic, gateway=None, after=0, timeout=60.0))]
    fn records(
        &self,
        topic: &str,
        gateway: Option<&str>,
        after: u64,
        timeout: f64,
    ) -> PyResult<Records> {
        let records = self.0.records(topic, gateway, after).map_err(raise)?;
        let limit = seconds(timeout)?;
        Ok(Records { records, limit })
    }

    #[pyo3(signature = (package, index, gateway=None, timeout=30.0))]
    fn receipt<'py>(
        &self,
        py: Python<'py>,
        package: &str,
        index: u64,
        gateway: Option<&str>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let limit = seconds(timeout)?;
        let pending = self.0.receipt(package, index, gateway, limit);
        let bytes = done(py, pending.map_err(raise)?)?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.disconnect(py)
    }

    fn __repr__(&self) -> String {
        format!("<sealwire.Device {}>", self.0.client())
    }
}

/// Messages that come. An iterator.
#[pyclass(frozen, module = "sealwire")]
pub struct Subscription(Mutex<Option<Arc<sealwire_device::Subscription>>>);

impl Subscription {
    fn open(&self) -> Option<Arc<sealwire_device::Subscription>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits in slices, each of them whole: what one takes is handed over, so no message is lost to
    /// a signal.
    fn wait(&self, py: Python<'_>, limit: Option<Duration>) -> PyResult<Option<Message>> {
        let start = Instant::now();
        while let Some(open) = self.open() {
            let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            match py.detach(move || open.next(Some(slice))) {
                Ok(message) => return Ok(message.map(|message| Message::new(py, &message))),
                Err(error) if error.kind() == Kind::Timeout => {}
                Err(error) => return Err(raise(error)),
            }
            py.check_signals()?;
            if let Some(limit) = limit.filter(|limit| start.elapsed() >= *limit) {
                let what = "waiting for a message";
                return Err(raise(sealwire_device::Error::Timeout { what, limit }));
            }
        }
        Ok(None)
    }
}

#[pymethods]
impl Subscription {
    #[pyo3(signature = (timeout=None))]
    fn receive(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Message>> {
        self.wait(py, timeout.map(seconds).transpose()?)
    }

    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Message>> {
        self.wait(py, None)
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _trace: &Bound<'_, PyAny>,
    ) {
        self.close();
    }
}

/// Records of a topic in an archive. An iterator.
#[pyclass(frozen, module = "sealwire")]
pub struct Records {
    records: sealwire_device::Records,
    limit: Duration,
}

#[pymethods]
impl Records {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Record>> {
        // A signal between fetching and taking leaves the record to be taken next time.
        while done(py, self.records.fetch(self.limit))? {
            if let Some(record) = py.detach(|| self.records.take()) {
                return Ok(Some(Record::new(py, &record)));
            }
        }
        Ok(None)
    }
}
