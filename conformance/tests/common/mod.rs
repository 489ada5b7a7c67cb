//! The traces in `golden/`.
#![allow(dead_code, reason = "every test uses some of it")]

#[path = "../../../tests/catalogue/generated.rs"]
pub mod generated;

#[path = "../../../shuttle-tests/tests/common/each.rs"]
pub mod each;

use std::fs;
use std::path::{Path, PathBuf};

use lockwalk::Protocol;
use lockwalk_conformance::Recording;

/// Where they are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// One of them, with what it does not say because another one does.
pub fn read(file: &Path) -> Recording {
    let trace: Recording = fs::read_to_string(file)
        .expect("a file")
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    match trace.says("like").map(|name| file.with_file_name(name)) {
        Some(other) => trace.completed_by(&read(&other)),
        None => trace,
    }
}

/// Every trace is called after the protocol that it must agree with.
pub fn protocol(file: &Path) -> Protocol {
    let name = file.file_stem().expect("a name").to_string_lossy();
    let name = name.split_once('-').map_or(&*name, |(name, _)| name);
    name.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
