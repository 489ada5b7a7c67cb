//! The public API from outside: a crate that has nothing but `lockwalk = { path = … }`.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_crate_outside_writes_a_race_of_its_own() {
    let lockwalk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let project = scratch.join("outside");
    fs::create_dir_all(project.join("src")).expect("a directory for tests");
    let ours = fs::read_to_string(lockwalk.join("Cargo.toml")).expect("it is there");
    let manifest = format!(
        "[package]\nname = \"outside\"\nedition = \"2024\"\n\n[dependencies]\nlockwalk = {{ path = {lockwalk:?} }}\n\n[workspace]\n{}",
        development_profile(&ours)
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("writable");
    fs::write(project.join("src/main.rs"), include_str!("crates/outside.rs")).expect("writable");
    // The same versions as here, built in the same way and the same place: most of them are there.
    fs::copy(lockwalk.join("Cargo.lock"), project.join("Cargo.lock")).expect("it is there");
    let mut cargo = Command::new(env!("CARGO"));
    let target = scratch.parent().expect("cargo makes it in the target directory");
    cargo.args(["run", "--quiet", "--offline"]).current_dir(&project).env("CARGO_TARGET_DIR", target);
    // What this build is for is no business of his.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = cargo.output().expect("cargo starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.starts_with("outside under 2.6.34+vma_adjust_lock=vma+rmap_walk_lock=nested: never, "), "{stdout}");
    assert!(stdout.contains("ASSERT-1 violated: "), "{stdout}");
}

/// The parts of a manifest that say how development builds are made.
fn development_profile(manifest: &str) -> String {
    let ours = |part: &&str| part.starts_with("profile.dev") && !part.contains("codegen-units"); // it runs one race: that is not worth a minute
    manifest.split("\n[").filter(ours).map(|part| format!("\n[{part}")).collect()
}
