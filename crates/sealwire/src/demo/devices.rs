//! Where the demo's readings come from: this machine itself, and CSV files.
//!
//! A reading is a SenML pack (RFC 8428) in JSON: one record per measured value, with the unit of
//! the IANA SenML registry and the time.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sysinfo::{Components, Networks, System};

/// Most columns of a CSV file.
const CSV_COLUMNS_MAX: usize = 64;
/// Longest CSV file, in bytes.
const CSV_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// One SenML record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// Base name, in the first record of a pack only: who measured.
    #[serde(rename = "bn", skip_serializing_if = "Option::is_none")]
    base_name: Option<String>,
    /// Base time, in the first record only: seconds since 1970.
    #[serde(rename = "bt", skip_serializing_if = "Option::is_none")]
    base_time_s: Option<f64>,
    /// What.
    #[serde(rename = "n")]
    name: String,
    /// In which unit.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    /// How much.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    /// A text, where it isn't a number.
    #[serde(rename = "vs", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Measurement {
    fn number(name: impl Into<String>, unit: Option<&'static str>, value: f64) -> Self {
        Self {
            base_name: None,
            base_time_s: None,
            name: name.into(),
            unit,
            value: Some(value),
            text: None,
        }
    }
}

/// A SenML pack as JSON.
pub fn senml(device: &str, time_ms: u64, mut records: Vec<Measurement>) -> Vec<u8> {
    if let Some(first) = records.first_mut() {
        first.base_name = Some(format!("{device}:"));
        first.base_time_s = Some(time_ms as f64 / 1000.0);
    }
    serde_json::to_vec(&records).expect("plain data")
}

/// This machine as a device. What the system doesn't tell is left out of the readings.
pub struct Machine {
    system: Option<System>,
    networks: Option<Networks>,
    components: Option<Components>,
}

impl Machine {
    /// Takes a first look; CPU use is measured from here on.
    pub fn new() -> Self {
        let mut system = System::new().ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
        }
        Self {
            system,
            networks: Networks::new_with_refreshed_list().ok(),
            components: Components::new_with_refreshed_list().ok(),
        }
    }

    /// CPU, memory, load, network, and temperatures where there are any.
    pub fn read(&mut self) -> Vec<Measurement> {
        let mut records = Vec::new();
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            let cpu = round(system.global_cpu_usage().into());
            records.push(Measurement::number("cpu", Some("%"), cpu));
            let used = system.used_memory() as f64;
            records.push(Measurement::number("memory-used", Some("B"), used));
        }
        if let Ok(load) = System::load_average() {
            records.push(Measurement::number("load-1min", None, round(load.one)));
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            let (received, sent) = networks.values().fold((0, 0), |(r, s), n| {
                (r + n.total_received(), s + n.total_transmitted())
            });
            records.push(Measurement::number(
                "network-received",
                Some("B"),
                received as f64,
            ));
            records.push(Measurement::number("network-sent", Some("B"), sent as f64));
        }
        if let Some(components) = &mut self.components {
            components.refresh(false);
            for component in &*components {
                if let Some(celsius) = component.temperature() {
                    let name = format!("temperature-{}", component.label());
                    records.push(Measurement::number(
                        name,
                        Some("Cel"),
                        round(celsius.into()),
                    ));
                }
            }
        }
        records
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The rows of a CSV file: first column time, others readings.
pub struct Replay {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    next: usize,
}

impl Replay {
    /// Reads the whole file.
    ///
    /// # Errors
    /// When it can't be read, is too large, or a row has another number of columns than the head.
    pub fn open(path: &Path) -> Result<Self> {
        let at = || format!("CSV file {}", path.display());
        let length = std::fs::metadata(path).with_context(at)?.len();
        if length > CSV_MAX_BYTES {
            bail!("{}: {length} bytes, the limit is {CSV_MAX_BYTES}", at());
        }
        let text = std::fs::read_to_string(path).with_context(at)?;
        Self::parse(&text).with_context(at)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let split = |line: &str| -> Vec<String> {
            line.split(',')
                .map(|cell| cell.trim().trim_matches('"').to_owned())
                .collect()
        };
        let heads = split(lines.next().context("the file is empty")?);
        if !(2..=CSV_COLUMNS_MAX).contains(&heads.len()) {
            bail!(
                "need 2 to {CSV_COLUMNS_MAX} columns (time, then readings), got {}",
                heads.len()
            );
        }
        let mut rows = Vec::new();
        for (number, line) in lines.enumerate() {
            let row = split(line);
            if row.len() != heads.len() {
                bail!(
                    "row {}: {} columns, the head has {}",
                    number + 2,
                    row.len(),
                    heads.len()
                );
            }
            rows.push(row);
        }
        if rows.is_empty() {
            bail!("there is a head but no row");
        }
        Ok(Self {
            heads,
            rows,
            next: 0,
        })
    }

    /// The next row; after the last, the first again.
    pub fn read(&mut self) -> Vec<Measurement> {
        let row = &self.rows[self.next];
        self.next = (self.next + 1) % self.rows.len();
        let mut records: Vec<_> = self
            .heads
            .iter()
            .zip(row)
            .skip(1)
            .map(|(head, cell)| match cell.parse() {
                Ok(value) => Measurement::number(head, None, value),
                Err(_) => Measurement {
                    value: None,
                    text: Some(cell.clone()),
                    ..Measurement::number(head, None, 0.0)
                },
            })
            .collect();
        records.push(Measurement {
            value: None,
            text: Some(row[0].clone()),
            ..Measurement::number("recorded-at", None, 0.0)
        });
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_row_becomes_senml() {
        let mut replay = Replay::parse("time,flow,state\n1,2.5,open\n2,3,shut\n").unwrap();
        let pack = senml("acme.pump", 1500, replay.read());
        assert_eq!(
            String::from_utf8(pack).unwrap(),
            r#"[{"bn":"acme.pump:","bt":1.5,"n":"flow","v":2.5},{"n":"state","vs":"open"},{"n":"recorded-at","vs":"1"}]"#
        );
        replay.read();
        assert_eq!(
            replay.read()[0],
            Replay::parse("t,flow\n1,2.5").unwrap().read()[0]
        );
    }

    #[test]
    fn bad_csv_says_which_row() {
        for (text, says) in [
            ("", "empty"),
            ("a\n1\n", "columns"),
            ("a,b\n", "no row"),
            ("a,b\n1,2\n1\n", "row 3"),
        ] {
            let error = Replay::parse(text).err().unwrap().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn this_machine_has_readings() {
        let records = Machine::new().read();
        assert!(
            records
                .iter()
                .any(|r| r.name == "memory-used" && r.value > Some(0.0))
        );
    }
}
