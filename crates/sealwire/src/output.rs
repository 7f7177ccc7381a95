//! How commands print: text for people, or with `--json` one document for programs; errors with
//! their causes and what to do next, on standard error, exit code 1 (2 for a wrong command line).

use std::fmt::Display;

use serde::Serialize;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of text.
    pub json: bool,
}

impl Output {
    /// Prints `value`: as JSON, or as what `text` makes of it.
    pub fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            println!(
                "{}",
                serde_json::to_string_pretty(value).expect("plain data")
            );
        } else {
            println!("{}", text(value));
        }
    }

    /// Prints one line of a stream.
    pub fn line<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            println!("{}", serde_json::to_string(value).expect("plain data"));
        } else {
            println!("{}", text(value));
        }
    }

    /// Says what goes on, on standard error, where a person reads it.
    pub fn note(self, text: impl Display) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// A progress bar on standard error; invisible with `--json` or without a terminal.
    pub fn bar(self, total: u64, what: &'static str) -> indicatif::ProgressBar {
        if self.json {
            return indicatif::ProgressBar::hidden();
        }
        let style = indicatif::ProgressStyle::with_template(
            "{msg:<28} {bar:30} {human_pos}/{human_len} {per_sec} {eta}",
        )
        .expect("a sound template");
        indicatif::ProgressBar::new(total)
            .with_style(style)
            .with_message(what)
    }

    /// Something that turns on standard error while one waits; invisible as a bar is.
    pub fn spinner(self, what: &'static str) -> indicatif::ProgressBar {
        if self.json {
            return indicatif::ProgressBar::hidden();
        }
        let spinner = indicatif::ProgressBar::new_spinner().with_message(what);
        spinner.enable_steady_tick(std::time::Duration::from_millis(100));
        spinner
    }

    /// Prints an error with its causes.
    pub fn error(self, error: &anyhow::Error) {
        if self.json {
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            let document = serde_json::json!({ "error": causes[0], "causes": causes[1..] });
            println!("{document:#}");
            return;
        }
        eprintln!("error: {error}");
        let mut said = error.to_string();
        for cause in error.chain().skip(1) {
            let text = cause.to_string();
            // Many errors already carry their cause's text.
            if !said.contains(&text) {
                eprintln!("  because: {text}");
                said.push_str(&text);
            }
        }
    }
}

/// Rows of text in aligned columns.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut heads.iter().copied())];
    lines.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    lines.join("\n")
}

/// Milliseconds since 1970 as `2026-11-23 10:58:07Z`.
pub fn time_text(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || format!("{ms} ms since 1970"),
            |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        )
}

/// A time as seconds since 1970: RFC 3339, or the number itself.
///
/// # Errors
/// When it is neither, or before 1970.
pub fn parse_time_s(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: jiff::Timestamp = text.parse().map_err(|error| {
        format!("{error}: write it like 2026-11-24T00:00:00Z, or as seconds since 1970")
    })?;
    u64::try_from(time.as_second()).map_err(|_| "a time before 1970".to_owned())
}

/// A length of time as seconds: a number with d, h, min or s.
///
/// # Errors
/// When it isn't one.
pub fn parse_duration_s(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' isn't a length of time: write 30d, 12h, 90min or 45s");
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.ok_or_else(wrong)?);
    let unit_s: u64 = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "min" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit_s).ok_or_else(wrong)
}

/// Seconds in the greatest unit that says them exactly.
pub fn duration_text(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let fits = units
        .iter()
        .find(|(unit_s, _)| seconds >= *unit_s && seconds.is_multiple_of(*unit_s));
    match fits {
        Some((unit_s, unit)) => format!("{}{unit}", seconds / unit_s),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("30d", 2_592_000),
            ("36h", 129_600),
            ("90min", 5_400),
            ("61s", 61),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration_s(text), Ok(seconds));
            assert_eq!(duration_text(seconds), text);
        }
        for wrong in [
            "",
            "30",
            "d",
            "-1d",
            "1.5h",
            "3 d",
            "99999999999999999999d",
            "1y",
        ] {
            assert!(parse_duration_s(wrong).is_err(), "{wrong}");
        }
        assert!(parse_duration_s(&format!("{}d", u64::MAX)).is_err());
    }

    #[test]
    fn times_read_as_dates() {
        assert_eq!(time_text(0), "1970-01-01 00:00:00Z");
        assert_eq!(time_text(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(time_text(1_795_431_487_000), "2026-11-23 10:58:07Z");
        assert_eq!(time_text(u64::MAX), "18446744073709551615 ms since 1970");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse_time_s("1795431487"), Ok(1_795_431_487));
        assert_eq!(parse_time_s("2026-11-23T10:58:07Z"), Ok(1_795_431_487));
        assert_eq!(parse_time_s("2026-11-23T18:58:07+08:00"), Ok(1_795_431_487));
        for wrong in ["", "yesterday", "2026-11-23", "1969-12-31T23:59:59Z"] {
            assert!(parse_time_s(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tables_line_up() {
        let rows = [
            vec!["a".to_owned(), "bb".to_owned()],
            vec!["ccc".to_owned(), "d".to_owned()],
        ];
        assert_eq!(table(&["x", "y"], &rows), "x    y\na    bb\nccc  d");
    }
}
