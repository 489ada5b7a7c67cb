//! The mutation sweep: breaks the protocol in one place at a time, and asks whether any verdict changes.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test mutants -- --ignored --nocapture
//! ```
//!
//! Every lock, semaphore, read section, wait, try and condition in `src/mm` is left out once, in a copy of the workspace that holds all
//! mutants, each behind its number, and is compiled once; so are the mistakes of `by_hand.rs`. What survives is either listed in `survivors.txt`, with the reason, or a gap in
//! the catalogue. `LOCKWALK_MUTANTS=rmap.rs,vma.rs` sweeps only those whose id contains one of these.

mod by_hand;
mod sites;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use sites::Mutant;

/// Files of `src/mm` that are the checker's, or have nothing to break.
const CHECKERS: [&str; 5] = ["audit.rs", "shadow.rs", "world.rs", "pte.rs", "mod.rs"];

/// A mutant that takes longer has an execution without end.
const PATIENCE: Duration = Duration::from_secs(240);

/// Appended to the copy's `src/lib.rs`.
const SWITCH: &str = r#"
#[doc(hidden)]
pub fn mutant(n: u32) -> bool {
    static ON: std::sync::LazyLock<Option<u32>> = std::sync::LazyLock::new(|| std::env::var("LOCKWALK_MUTANT").ok()?.parse().ok());
    static REACHED: std::sync::Once = std::sync::Once::new();
    let on = *ON == Some(n);
    if on {
        REACHED.call_once(|| eprintln!("REACHED"));
    }
    on
}
"#;

/// What became of a mutant.
#[derive(Clone, PartialEq, Debug)]
enum Fate {
    /// A verdict changed: race, protocol, objection.
    Killed(String),
    /// It crashes or never ends, which is noticed, but names no clause.
    Broken(String),
    /// Every verdict is as before.
    Survived,
    /// The same, and no race even comes by.
    Unreached,
}

#[test]
#[ignore = "takes minutes"]
fn every_mutant_changes_a_verdict() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace");
    let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let mutants = write_copy(workspace, &copy);
    let verdicts = build(&copy);
    let baseline = run(&verdicts, None, "").expect("unchanged, it ends");
    for line in baseline.lines().filter(|line| line.split('\t').nth(2) != Some("")) {
        println!("without any mutant already: {line}");
    }

    let only = std::env::var("LOCKWALK_MUTANTS").unwrap_or_default();
    let chosen: Vec<usize> = (0..mutants.len()).filter(|&n| only.split(',').any(|part| mutants[n].id().contains(part))).collect();
    let fates = sweep(&verdicts, &chosen, &mutants, &baseline.text);
    summary(&mutants, &fates);

    let expected = survivors();
    let survived: BTreeSet<_> =
        fates.iter().filter(|(_, fate)| matches!(fate, Fate::Survived | Fate::Unreached)).map(|(&n, _)| mutants[n].id()).collect();
    let swept: BTreeSet<_> = chosen.iter().map(|&n| mutants[n].id()).collect();
    let new: Vec<_> = survived.iter().filter(|id| !expected.contains(*id)).collect();
    let gone: Vec<_> = expected.iter().filter(|id| !survived.contains(*id) && (only.is_empty() || swept.contains(*id))).collect();
    assert!(new.is_empty(), "no verdict changes with these, and survivors.txt does not say why:\n{new:#?}");
    assert!(gone.is_empty(), "survivors.txt lists what does not survive, or is not there:\n{gone:#?}");
}

/// The ids in `survivors.txt`: lines without a `#` before them; the comment above a group is its reason.
fn survivors() -> BTreeSet<String> {
    let text = include_str!("survivors.txt");
    text.lines().filter(|line| !line.starts_with("# ") && !line.is_empty()).map(str::to_owned).collect()
}

/// Copies the workspace, with every mutant in it.
fn write_copy(workspace: &Path, copy: &Path) -> Vec<Mutant> {
    copy_all(workspace, copy);
    let mut files: Vec<_> = fs::read_dir(workspace.join("src/mm")).expect("src/mm").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let mut mutants = Vec::new();
    for path in files {
        let file = path.file_name().expect("a file").to_string_lossy().into_owned();
        if CHECKERS.contains(&&*file) {
            continue;
        }
        let (found, text) = sites::mutate(&file, &fs::read_to_string(&path).expect("a source file"), mutants.len());
        write(&copy.join("src/mm").join(&file), &format!("#![allow(warnings)]\n{text}"));
        mutants.extend(found);
    }
    let lib = fs::read_to_string(workspace.join("src/lib.rs")).expect("src/lib.rs");
    write(&copy.join("src/lib.rs"), &(lib + SWITCH));
    mutants
}

fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if name != "target" && !name.to_string_lossy().starts_with('.') && entry.path() != to {
                copy_all(&entry.path(), &to.join(name));
            }
        }
    } else if let Ok(text) = fs::read(from) {
        fs::create_dir_all(to.parent().expect("a file is in a directory")).expect("the copy can be written");
        if fs::read(to).ok() != Some(text.clone()) {
            fs::write(to, text).expect("the copy can be written");
        }
    }
}

fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).ok().as_deref() != Some(text) {
        fs::write(path, text).expect("the copy can be written");
    }
}

fn build(copy: &Path) -> PathBuf {
    let target = copy.join("target");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "-p", "lockwalk-shuttle-tests", "--example", "verdicts"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the mutants do not compile");
    target.join("release/examples/verdicts")
}

/// What one run of the catalogue printed.
struct Run {
    text: String,
    reached: bool,
    success: bool,
}

impl Run {
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }
}

/// Runs the catalogue with one mutant, or none; `None` when it does not end.
fn run(verdicts: &Path, mutant: Option<usize>, baseline: &str) -> Option<Run> {
    let mut command = Command::new(verdicts);
    if let Some(n) = mutant {
        command.arg("--against").env("LOCKWALK_MUTANT", n.to_string());
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_BACKTRACE", "0").spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(baseline.as_bytes()).ok();
    let (mut stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break Some(status);
        }
        if started.elapsed() > PATIENCE && mutant.is_some() {
            child.kill().ok();
            child.wait().ok();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = reader.join().expect("it does not panic").unwrap_or_default();
    let errors = errors.join().expect("it does not panic").unwrap_or_default();
    status.map(|status| Run { text, reached: errors.contains("REACHED"), success: status.success() })
}

fn sweep(verdicts: &Path, chosen: &[usize], mutants: &[Mutant], baseline: &str) -> BTreeMap<usize, Fate> {
    let (next, fates) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let worker = || {
        while let Some(&n) = chosen.get(next.fetch_add(1, Relaxed)) {
            let fate = fate(verdicts, n, baseline);
            println!("{n:4} {} (line {}): {}", mutants[n].id(), mutants[n].line, tell(&fate));
            fates.lock().expect("no worker panics").insert(n, fate);
        }
    };
    std::thread::scope(|scope| {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        (0..jobs).for_each(|_| {
            scope.spawn(worker);
        });
    });
    fates.into_inner().expect("no worker panics")
}

fn fate(verdicts: &Path, n: usize, baseline: &str) -> Fate {
    let Some(run) = run(verdicts, Some(n), baseline) else { return Fate::Broken("does not end".into()) };
    match run.lines().next().map(|line| line.replace('\t', " · ")) {
        _ if !run.success => Fate::Broken("crashes".into()),
        Some(line) if line.contains("undecided") || line.contains("unfinished") => Fate::Broken(line),
        Some(line) => Fate::Killed(line),
        None if run.reached => Fate::Survived,
        None => Fate::Unreached,
    }
}

fn tell(fate: &Fate) -> String {
    match fate {
        Fate::Killed(by) => format!("killed · {by}"),
        Fate::Broken(how) => format!("broken · {how}"),
        Fate::Survived => "SURVIVED".into(),
        Fate::Unreached => "UNREACHED".into(),
    }
}

fn summary(mutants: &[Mutant], fates: &BTreeMap<usize, Fate>) {
    let mut table: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for (&n, fate) in fates {
        let column = match fate {
            Fate::Killed(_) => 0,
            Fate::Broken(_) => 1,
            Fate::Survived => 2,
            Fate::Unreached => 3,
        };
        table.entry(format!("{:?}", mutants[n].kind)).or_default()[column] += 1;
    }
    println!("{:10} {:>7} {:>7} {:>9} {:>10}", "kind", "killed", "broken", "survived", "unreached");
    for (kind, [killed, broken, survived, unreached]) in table {
        println!("{kind:10} {killed:7} {broken:7} {survived:9} {unreached:10}");
    }
}
