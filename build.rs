//! Tells the library which sources it was built from, so that explorations are only continued by
//! the lockwalk that began them; and the command line what the protocol's files say, for
//! `lockwalk source`.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What decides how an exploration goes: the protocol and the races, the engines, and the versions
/// of what they rest on.
const SOURCES: [&str; 3] = ["src", "dpor/src", "Cargo.lock"];

/// What does not, although it is among them.
const OTHER: &str = "src/cli";

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        collect(&root.join(source), &root.join(OTHER), &mut files);
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        // FNV-1a: that of std may change with its version.
        for byte in fs::read(&file).expect("a source can be read") {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    protocol(&root);
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    println!("cargo:rustc-env=LOCKWALK_BUILD={version}-{:08x}", hash as u32);
}

fn collect(path: &Path, other: &Path, files: &mut Vec<PathBuf>) {
    if path == other {
        return;
    }
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| collect(&entry.path(), other, files)),
        // Outside the workspace there is no Cargo.lock beside it.
        Err(_) if path.exists() => files.push(path.to_owned()),
        Err(_) => {}
    }
}

/// Writes `protocol.rs`: the files of `src/mm`, each with its text.
fn protocol(root: &Path) {
    let mut files = Vec::new();
    collect(&root.join("src/mm"), Path::new(""), &mut files);
    files.sort();
    let file = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("below the root").display().to_string();
        format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string())
    };
    let text = format!("&[\n{}]\n", files.iter().map(file).collect::<String>());
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("protocol.rs"), text).expect("cargo's folder can be written");
}
