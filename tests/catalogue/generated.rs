//! The parts of SPEC.md, and of its appendix, that are generated.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

/// Where they stand.
const FILES: [&str; 2] = ["SPEC.md", "docs/COUNTS.md"];

fn path(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("SPEC.md").exists());
    root.expect("SPEC.md is there").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|why| panic!("{file} cannot be read: {why}"))
}

/// SPEC.md.
#[allow(dead_code, reason = "not all who share this file read all of it")]
pub fn spec() -> String {
    read(FILES[0])
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
    // Two tests may rewrite one file.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (begin, end) = (format!("<!-- generated: {part} -->\n"), format!("<!-- end: {part} -->"));
    let (file, text, from) = FILES
        .iter()
        .find_map(|file| {
            Some(read(file))
                .and_then(|text| text.find(&begin).map(|from| (file, text, from + begin.len())))
        })
        .ok_or_else(|| format!("neither of {FILES:?} has a part called {part}"))?;
    let to =
        from + text[from..].find(&end).ok_or_else(|| format!("{file}'s part {part} has no end"))?;
    let wanted = format!("\n{}\n\n", content.trim());
    if text[from..to] == wanted {
        return Ok(());
    }
    if !blessing() {
        let line = text[from..to]
            .lines()
            .zip(wanted.lines())
            .find(|(old, new)| old != new)
            .map_or("", |(_, new)| new);
        return Err(format!(
            "{file}'s part '{part}' is not what the code says; look at both, then run this test \
             with SPEC_BLESS=1\n    {line}"
        ));
    }
    fs::write(path(file), format!("{}{wanted}{}", &text[..from], &text[to..]))
        .map_err(|why| format!("{file} cannot be written: {why}"))
}
