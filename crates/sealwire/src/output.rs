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
    let seconds = ms / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date (proleptic Gregorian), counting from 0000-03-01.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_dates() {
        assert_eq!(time_text(0), "1970-01-01 00:00:00Z");
        assert_eq!(time_text(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(time_text(1_795_431_487_000), "2026-11-23 10:58:07Z");
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
