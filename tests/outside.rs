//! The public API from outside: a crate that has nothing but `lockwalk = { path = … }`.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
#[cfg_attr(loom, ignore = "it builds the same program as without")]
fn a_crate_outside_writes_a_race_of_its_own() {
    let lockwalk = env!("CARGO_MANIFEST_DIR");
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    fs::create_dir_all(project.join("src")).expect("a directory for tests");
    let manifest = format!(
        "[package]\nname = \"outside\"\nedition = \"2024\"\n\n[dependencies]\nlockwalk = {{ path = {lockwalk:?} }}\n\n\
         [profile.dev]\ndebug = false\n\n[workspace]\n"
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("writable");
    fs::write(project.join("src/main.rs"), include_str!("crates/outside.rs")).expect("writable");
    // The same versions as here, none of which need be downloaded.
    fs::copy(Path::new(lockwalk).join("Cargo.lock"), project.join("Cargo.lock")).expect("it is there");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline"]).current_dir(&project).env("CARGO_TARGET_DIR", project.join("target"));
    // What this build is for is no business of his.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = cargo.output().expect("cargo starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.starts_with("outside under 2.6.34+vma_adjust_lock=vma+rmap_walk_lock=nested: never, "), "{stdout}");
    assert!(stdout.contains("ASSERT-1 violated: "), "{stdout}");
}
