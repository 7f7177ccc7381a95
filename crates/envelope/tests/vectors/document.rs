//! Reads, and rewrites, the examples of a Markdown document.
//!
//! An example is a fenced block right after a line `<!-- vector: reference -->`. Its language says
//! how it is laid out: `cbor` is hexadecimal with one item per line and a comment that says what
//! the item is, `hex` is hexadecimal, `text` is text.

const MARKER: &str = "<!-- vector: ";
/// Longest line of hexadecimal or text, in characters.
const LINE_CHARS: usize = 96;

/// An example in a document.
pub struct Shown {
    /// Line of the marker, from 1.
    pub line: usize,
    /// What the marker says.
    pub reference: String,
    /// The block, without white space and comments (`#` to the end of the line), except for the one
    /// space of an `Authorization` header's value.
    pub content: String,
}

fn reference_of(line: &str) -> Option<&str> {
    line.strip_prefix(MARKER)?.strip_suffix(" -->")
}

/// Every example of a document.
///
/// # Panics
/// When a marker isn't followed by a fenced block.
pub fn examples(text: &str) -> Vec<Shown> {
    let mut found = vec![];
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(reference) = reference_of(line) else {
            continue;
        };
        let fence = lines.next().map(|(_, line)| line).unwrap_or_default();
        assert!(
            fence.starts_with("```"),
            "line {}: no block follows",
            number + 1
        );
        let mut content = String::new();
        for (_, line) in lines
            .by_ref()
            .take_while(|(_, line)| !line.starts_with("```"))
        {
            let shown = line.split('#').next().unwrap_or_default();
            content.extend(shown.chars().filter(|c| !c.is_whitespace()));
        }
        if let Some(rest) = content
            .strip_prefix("SM2")
            .filter(|_| reference.ends_with("/header"))
        {
            content = format!("SM2 {rest}");
        }
        found.push(Shown {
            line: number + 1,
            reference: reference.to_owned(),
            content,
        });
    }
    found
}

/// The document with every example's block written anew.
pub fn rewrite(text: &str, find: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(value) = reference_of(line).and_then(&find) else {
            continue;
        };
        let fence = lines.next().unwrap_or_default();
        let content = match fence {
            "```cbor" => annotate(&hex::decode(&value).expect("hexadecimal")),
            _ => wrap(&value, "", LINE_CHARS),
        };
        out.extend([fence, "\n", &content, "```\n"]);
        let _ = lines.by_ref().find(|line| line.starts_with("```"));
    }
    out
}

fn wrap(text: &str, indent: &str, chars: usize) -> String {
    let chars_of: Vec<char> = text.chars().collect();
    let lines = chars_of.chunks(chars).map(String::from_iter);
    lines.map(|line| format!("{indent}{line}\n")).collect()
}

/// One line per CBOR item: its bytes, and what it is.
fn annotate(bytes: &[u8]) -> String {
    let (mut out, mut at) = (String::new(), 0);
    // How many items each open array or map still misses.
    let mut open: Vec<u64> = vec![];
    while at < bytes.len() {
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        let indent = "  ".repeat(open.len());
        let (head, argument) = head(&bytes[at..]);
        let body = match bytes[at] >> 5 {
            2 | 3 => argument as usize,
            _ => 0,
        };
        let content = &bytes[at + head..at + head + body];
        let what = match bytes[at] >> 5 {
            0 => argument.to_string(),
            1 => (-1 - argument as i64).to_string(),
            2 => format!("{body} bytes"),
            3 => format!("\"{}\"", String::from_utf8_lossy(content)),
            4 => format!("array of {argument}"),
            5 => format!("map of {argument}"),
            _ => ["false", "true", "null"][argument as usize - 20].to_owned(),
        };
        let shown = format!("{indent}{}", hex::encode(&bytes[at..at + head]));
        out.push_str(&format!("{shown:<28} # {what}\n"));
        out.push_str(&wrap(
            &hex::encode(content),
            &format!("{indent}  "),
            LINE_CHARS - 16,
        ));
        match bytes[at] >> 5 {
            4 => open.push(argument),
            5 => open.push(2 * argument),
            _ => {}
        }
        at += head + body;
    }
    out
}

/// Length of an item's head, and its argument (RFC 8949 §3).
fn head(bytes: &[u8]) -> (usize, u64) {
    let length = match bytes[0] & 0x1f {
        short @ 0..24 => return (1, u64::from(short)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => panic!("indefinite lengths aren't used"),
    };
    let argument = bytes[1..=length]
        .iter()
        .fold(0, |n, b| n << 8 | u64::from(*b));
    (1 + length, argument)
}

#[test]
fn blocks_are_found_and_cleaned() {
    let text = "x\n<!-- vector: a/b/c -->\n```hex\n82  # array\n 01 02\n```\n```hex\nff\n```\n";
    let found = examples(text);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            found[0].line,
            found[0].reference.as_str(),
            found[0].content.as_str()
        ),
        (2, "a/b/c", "820102")
    );
}

#[test]
fn what_is_rewritten_reads_back() {
    let text = "x\n<!-- vector: a/b/c -->\n```cbor\nold\n```\nrest\n";
    let value = "8301f6a13a00010044820a636162634401020304";
    let written = rewrite(text, |_| Some(value.to_owned()));
    assert!(
        written.contains("# array of 3") && written.contains("# -65605"),
        "{written}"
    );
    assert!(written.ends_with("```\nrest\n"));
    assert_eq!(examples(&written)[0].content, value);
}
