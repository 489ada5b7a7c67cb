//! The parts of SPEC.md that are generated.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn file() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|folder| folder.join("SPEC.md").exists());
    root.expect("SPEC.md is there").join("SPEC.md")
}

/// SPEC.md.
pub fn spec() -> String {
    fs::read_to_string(file()).expect("SPEC.md can be read")
}

/// Is it to be rewritten?
pub fn blessing() -> bool {
    env::var_os("SPEC_BLESS").is_some()
}

/// Replaces what stands between the marks of `part`, or demands that it is `content` already.
pub fn generated(part: &str, content: &str) {
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let text = spec();
    let from = text.find(&begin).unwrap_or_else(|| panic!("SPEC.md has no part called {part}")) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("SPEC.md's part {part} has no end"));
    let wanted = format!("\n{}\n\n", content.trim());
    if text[from..to] == wanted {
        return;
    }
    assert!(blessing(), "SPEC.md's part '{part}' is not what the code says; look at both, then run this test with SPEC_BLESS=1");
    fs::write(file(), format!("{}{wanted}{}", &text[..from], &text[to..])).expect("SPEC.md can be written");
}
