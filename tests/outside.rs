//! The public API from outside: a crate that has nothing but `lockwalk = { path = … }`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `cargo run` in that crate.
fn outside(program: &str, args: &[&str]) -> (Output, String, String) {
    let lockwalk = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Each test has a crate of its own, since they run at once.
    let project = scratch.join(program);
    fs::create_dir_all(project.join("src")).expect("a directory for tests");
    let ours = fs::read_to_string(lockwalk.join("Cargo.toml")).expect("it is there");
    let manifest = format!(
        "[package]\nname = \"{program}\"\nedition = \"2024\"\n\n[dependencies]\nlockwalk = {{ \
         path = {lockwalk:?} }}\n\n[workspace]\n{}",
        development_profile(&ours)
    );
    fs::write(project.join("Cargo.toml"), manifest).expect("writable");
    fs::copy(
        lockwalk.join("tests/crates").join(program).with_extension("rs"),
        project.join("src/main.rs"),
    )
    .expect("writable");
    // The same versions as here, built in the same way and the same place: most of them are there.
    fs::copy(lockwalk.join("Cargo.lock"), project.join("Cargo.lock")).expect("it is there");
    let mut cargo = Command::new(env!("CARGO"));
    let target = scratch.parent().expect("cargo makes it in the target directory");
    cargo
        .args(["run", "--quiet", "--offline", "--"])
        .args(args)
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", target);
    // What this build is for is no business of his.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let output = cargo.output().expect("cargo starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

/// The parts of a manifest that say how development builds are made, but for what they say of our
/// crates: those are built as in anybody's development build, without optimising, which would take
/// a minute and is not worth it for some races, and without telling lines. What they stand on is
/// there already, if it is built in the same way.
fn development_profile(manifest: &str) -> String {
    let others = |part: &&str| {
        part.starts_with("profile.dev")
            && (!part.starts_with("profile.dev.package.")
                || part.starts_with("profile.dev.package.\"*\""))
    };
    let parts: String =
        manifest.split("\n[").filter(others).map(|part| format!("\n[{part}")).collect();
    assert!(parts.contains("opt-level = 2"), "what is built of others has its own: {parts}");
    let ours = ["lockwalk", "dpor", "witness"]
        .map(|name| format!("\n[profile.dev.package.{name}]\ndebug = false\n"));
    parts.replace("opt-level = 2", "opt-level = 0") + &ours.concat()
}

#[test]
fn a_crate_outside_writes_a_race_of_its_own() {
    let (output, stdout, stderr) = outside("outside", &[]);
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(
        stdout
            .starts_with("outside under 2.6.34+vma_adjust_lock=vma+rmap_walk_lock=nested: never, "),
        "{stdout}"
    );
    assert!(stdout.contains("ASSERT-1 is violated: "), "{stdout}");
}

#[test]
fn races_of_a_crate_outside_have_the_commands() {
    let run = |args: &[&str], status: i32| {
        let (output, stdout, stderr) = outside("races", args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {stdout}\n{stderr}");
        stdout + &stderr
    };
    let holds = |text: &str, what: &str| assert!(text.contains(what), "{what:?} is not in\n{text}");
    let checked = run(&[], 0);
    holds(&checked, "1 reproduced · 3 fixes exhausted");
    assert!(
        checked.starts_with("lockwalk · 3 races · sequentially consistent, "),
        "what he does not claim is not counted: {checked}"
    );
    holds(&run(&["explain", "mine/split"], 0), "MIG-1 is violated");
    let plain = run(&["explain", "mine/split", "--format", "json"], 0);
    holds(&plain, r#""at": "src/mm/"#);
    assert!(
        !plain.contains(env!("CARGO_MANIFEST_DIR")),
        "where lockwalk lies is nobody's business: {plain}"
    );
    holds(&run(&["list", "races"], 0), "parent and child exit at once");
    holds(&run(&["check", "mine/exit"], 2), "did you mean 'mine/exits'?");
    holds(&run(&["check", "S3.1"], 2), "no race is called 'S3.1'");
    // What is kept is gone on with by the same program alone: the race is known by it.
    let _of_an_earlier_run =
        fs::remove_file(Path::new(env!("CARGO_TARGET_TMPDIR")).join("races/kept.json"));
    let save = ["check", "mine/exits", "--executions", "2", "--save", "kept.json"];
    run(&save, 3);
    holds(&run(&["check", "--resume", "kept.json"], 0), "1 fix exhausted");
}
