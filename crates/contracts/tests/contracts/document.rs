//! Tables of `docs/rights.md`: what the tests walked through, written where people read it.
//!
//! `SEALWIRE_BLESS=1` writes them anew; without it they must be what the tests found.

use std::path::Path;

/// Checks the table after `<!-- table: name -->`.
pub fn check(name: &str, head: &str, heads: &[&str], rows: &[(String, Vec<String>)]) {
    let mut table = format!("| {head} | {} |\n|---|", heads.join(" | "));
    table.push_str(&"---|".repeat(heads.len()));
    table.push('\n');
    for (label, cells) in rows {
        table.push_str(&format!("| {label} | {} |\n", cells.join(" | ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rights.md");
    let text = std::fs::read_to_string(&path).expect("docs/rights.md");
    let begin = format!("<!-- table: {name} -->\n");
    let end = "<!-- end of table -->";
    let (before, rest) = text.split_once(&begin).expect("the table's marker");
    let (found, after) = rest.split_once(end).expect("the table's end");
    if std::env::var_os("SEALWIRE_BLESS").is_some() {
        let text = format!("{before}{begin}{table}{end}{after}");
        std::fs::write(&path, text).expect("docs/rights.md can be written");
        return;
    }
    assert_eq!(
        found, table,
        "docs/rights.md: table '{name}': run with SEALWIRE_BLESS=1"
    );
}
