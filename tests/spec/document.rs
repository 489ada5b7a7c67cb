//! SPEC.md as the tests see it: headings, tables, and the parts that are generated.

use std::fs;
use std::sync::{Mutex, PoisonError};

use super::source::{read, root};

/// What to do about a part that is out of date.
pub const BLESS: &str = "SPEC_BLESS=1 cargo test --test spec_ties";

/// What a paragraph that nobody has written yet consists of.
pub const UNWRITTEN: &str = "(unwritten)";

/// Tests run at once, and more than one of them may write.
static WRITER: Mutex<()> = Mutex::new(());

/// Is what is generated or recorded to be written anew?
pub fn blessing() -> bool {
    std::env::var_os("SPEC_BLESS").is_some()
}

/// SPEC.md.
pub fn spec() -> String {
    let _nobody_writes = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    read("SPEC.md")
}

/// Demands that a file of the workspace is what `change` makes of it; when blessing, makes it so.
#[track_caller]
pub fn demand(path: &str, what: &str, change: impl FnOnce(&str) -> String) {
    let writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    let before = fs::read_to_string(root().join(path)).unwrap_or_default();
    let after = change(&before);
    if before == after {
        return;
    }
    if blessing() {
        fs::write(root().join(path), after).unwrap_or_else(|error| panic!("{path}: {error}"));
        return;
    }
    drop(writer);
    let old: Vec<_> = before.lines().collect();
    let new: Vec<_> = after.lines().collect();
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    let diff: Vec<_> = gone.chain(come).collect();
    panic!("{what} in {path} is not what the code says. Look at both; then: {BLESS}\n{}", diff.join("\n"));
}

/// Demands that the generated part called `part` is `content`.
#[track_caller]
pub fn generated(part: &str, content: &str) {
    demand("SPEC.md", &format!("the part '{part}'"), |text| with_part(text, part, content));
}

/// `text` with `content` between the marks of `part`.
#[track_caller]
pub fn with_part(text: &str, part: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("SPEC.md has no part called '{part}'")) + begin.len();
    let length = text[from..].find(&end).unwrap_or_else(|| panic!("SPEC.md's part '{part}' has no end"));
    format!("{}\n{}\n\n{}", &text[..from], content.trim(), &text[from + length..])
}

/// The section `## n …`, without its heading.
#[track_caller]
pub fn section(text: &str, n: u32) -> String {
    let start = format!("## {n} ");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
    assert!(lines.next().is_some(), "SPEC.md has no section {n}");
    lines.take_while(|line| !line.starts_with("## ")).map(|line| format!("{line}\n")).collect()
}

/// The subsections `### …` of a section: (heading, text).
pub fn subsections(section: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in section.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            found.push((heading.into(), String::new()));
        } else if let Some((_, text)) = found.last_mut() {
            *text += line;
            *text += "\n";
        }
    }
    found
}

/// The rows of the tables in `text`, cell by cell, without the rules below the heads.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).map(cells).collect()
}

/// A Markdown table.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = vec!["---".to_owned(); head.len()];
    rows.into_iter().fold(line(&head) + &line(&rule), |table, row| table + &line(&row))
}

/// Where a heading can be linked to, as forges derive it.
pub fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// Every word of `text` that begins with `prefix` and goes on with a number: `FINDING-3`.
pub fn numbered(text: &str, prefix: &str) -> Vec<String> {
    let after = text.match_indices(prefix).map(|(at, _)| &text[at + prefix.len()..]);
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut found: Vec<_> = after.map(number).filter(|n| !n.is_empty()).map(|n| format!("{prefix}{n}")).collect();
    found.sort();
    found.dedup();
    found
}
