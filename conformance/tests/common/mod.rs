//! The traces in `golden/`.

use std::fs;
use std::path::{Path, PathBuf};

use lockwalk_conformance::Trace;

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// One of them, with what it does not say because another one does.
pub fn read(file: &Path) -> Trace {
    let trace: Trace = fs::read_to_string(file).expect("a file").parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    match trace.says("like").map(|name| file.with_file_name(name)) {
        Some(other) => trace.completed_by(&read(&other)),
        None => trace,
    }
}
