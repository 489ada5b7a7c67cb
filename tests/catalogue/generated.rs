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
    if let Err(why) = stands(part, content) {
        panic!("{why}");
    }
}

/// The same; what is wrong, if it is.
pub fn stands(part: &str, content: &str) -> Result<(), String> {
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let text = spec();
    let from = text.find(&begin).ok_or_else(|| format!("SPEC.md has no part called {part}"))? + begin.len();
    let to = from + text[from..].find(&end).ok_or_else(|| format!("SPEC.md's part {part} has no end"))?;
    let wanted = format!("\n{}\n\n", content.trim());
    if text[from..to] == wanted {
        return Ok(());
    }
    if !blessing() {
        let line = text[from..to].lines().zip(wanted.lines()).find(|(old, new)| old != new).map_or("", |(_, new)| new);
        return Err(format!(
            "SPEC.md's part '{part}' is not what the code says; look at both, then run this test with SPEC_BLESS=1\n    {line}"
        ));
    }
    fs::write(file(), format!("{}{wanted}{}", &text[..from], &text[to..])).map_err(|why| format!("SPEC.md cannot be written: {why}"))
}
