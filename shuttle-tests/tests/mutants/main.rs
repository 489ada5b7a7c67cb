//! The mutation sweep: breaks the protocol in one place at a time, and asks whether any verdict changes.
//!
//! ```sh
//! cargo test --release -p lockwalk-shuttle-tests --test mutants -- --ignored --nocapture
//! ```
//!
//! Every lock, semaphore, read section, wait, try and condition in `src/mm` is left out once, in a copy of the workspace that holds all
//! mutants, each behind its number, and is compiled once; so are the mistakes of `by_hand.rs`. A mutant is tried on the cases that come by its
//! place. What survives is either listed in `survivors.txt`, with the reason, or a gap in the catalogue. `LOCKWALK_MUTANTS=rmap.rs,vma.rs` sweeps only those whose id contains one of these.

mod by_hand;
mod sites;

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::each;
use sites::Mutant;

/// Files of `src/mm` that are the checker's, or have nothing to break.
const CHECKERS: [&str; 5] = ["audit.rs", "shadow.rs", "world.rs", "pte.rs", "mod.rs"];

/// A case that takes longer has an execution without end: none takes more than a few seconds on a quiet core.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appended to the copy's `src/lib.rs`. Listening, it tells every mutant whose place is come by.
const SWITCH: &str = r#"
#[doc(hidden)]
pub fn mutant(n: usize) -> bool {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    static ON: LazyLock<Option<usize>> = LazyLock::new(|| std::env::var("LOCKWALK_MUTANT").ok()?.parse().ok());
    static LISTEN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("LOCKWALK_LISTEN").is_some());
    static REACHED: [AtomicBool; 4096] = [const { AtomicBool::new(false) }; 4096];
    if *LISTEN && !REACHED[n].swap(true, Relaxed) {
        eprintln!("REACHED {n}");
    }
    *ON == Some(n)
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

/// A case of the catalogue with no mutant switched on.
struct Case {
    /// As `examples/verdicts.rs` prints it.
    line: String,
    /// The mutants whose place it comes by. No other can change it: up to the first such place, everything is as without.
    reached: BTreeSet<usize>,
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}

/// The sweep is run by hand; that what is written down for it still fits the code is looked at every time.
#[test]
fn what_is_written_down_fits_the_code() {
    let (mutants, _) = mutants(workspace());
    let ids: BTreeSet<_> = mutants.iter().map(Mutant::id).collect();
    let gone: Vec<_> = survivors().into_iter().filter(|id| !ids.contains(id)).collect();
    assert!(gone.is_empty(), "survivors.txt lists what is not there:\n{gone:#?}");
}

#[test]
#[ignore = "takes minutes"]
fn every_mutant_changes_a_verdict() {
    let copy = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let mutants = write_copy(workspace(), &copy);
    let verdicts = build(&copy);
    let started = Instant::now();
    let cases = baseline(&verdicts);
    for case in cases.iter().filter(|case| case.line.split('\t').nth(2) != Some("")) {
        println!("without any mutant already: {}", case.line);
    }

    let only = std::env::var("LOCKWALK_MUTANTS").unwrap_or_default();
    let chosen: Vec<usize> = (0..mutants.len()).filter(|&n| only.split(',').any(|part| mutants[n].id().contains(part))).collect();
    println!("{} cases, {} of {} mutants", cases.len(), chosen.len(), mutants.len());
    let fates: BTreeMap<usize, Fate> = each(&chosen, |&n| {
        let fate = fate(&verdicts, n, &cases);
        println!("{n:4} {} (line {}): {}", mutants[n].id(), mutants[n].line, tell(&fate));
        (n, fate)
    })
    .into_iter()
    .collect();
    summary(&mutants, &fates);
    println!("in {:.0} s", started.elapsed().as_secs_f64());

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

/// The mutants, and each file of `src/mm` with its mutants in it.
fn mutants(workspace: &Path) -> (Vec<Mutant>, Vec<(String, String)>) {
    let mut files: Vec<_> = fs::read_dir(workspace.join("src/mm")).expect("src/mm").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let (mut mutants, mut texts) = (Vec::new(), Vec::new());
    for path in files {
        let file = path.file_name().expect("a file").to_string_lossy().into_owned();
        if CHECKERS.contains(&&*file) {
            continue;
        }
        let (found, text) = sites::mutate(&file, &fs::read_to_string(&path).expect("a source file"), mutants.len());
        texts.push((file, text));
        mutants.extend(found);
    }
    (mutants, texts)
}

/// Copies the workspace, with every mutant in it.
fn write_copy(workspace: &Path, copy: &Path) -> Vec<Mutant> {
    copy_all(workspace, copy);
    let (mutants, texts) = mutants(workspace);
    for (file, text) in texts {
        write(&copy.join("src/mm").join(file), &format!("#![allow(warnings)]\n{text}"));
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

/// Every case, without a mutant, and which places it comes by.
fn baseline(verdicts: &Path) -> Vec<Case> {
    let listed = run(Command::new(verdicts).arg("--cases"), "").expect("it ends");
    let cases: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
    each(&cases, |case| {
        let run =
            run(Command::new(verdicts).arg("--case").args(case.split('\t')).env("LOCKWALK_LISTEN", "1"), "").expect("unchanged, it ends");
        assert!(run.success, "{case}: {}", run.stderr);
        let reached = run.stderr.lines().filter_map(|line| line.strip_prefix("REACHED ")?.parse().ok()).collect();
        Case { line: run.stdout.trim_end().to_owned(), reached }
    })
}

fn fate(verdicts: &Path, n: usize, cases: &[Case]) -> Fate {
    let reaching: Vec<_> = cases.iter().filter(|case| case.reached.contains(&n)).map(|case| &*case.line).collect();
    if reaching.is_empty() {
        return Fate::Unreached;
    }
    let against = run(Command::new(verdicts).arg("--against").env("LOCKWALK_MUTANT", n.to_string()), &reaching.join("\n"));
    let Some(run) = against else { return Fate::Broken("does not end".into()) };
    match run.stdout.lines().next().map(|line| line.replace('\t', " · ")) {
        _ if !run.success => Fate::Broken("crashes".into()),
        Some(line) if line.contains("undecided") || line.contains("unfinished") => Fate::Broken(line),
        Some(line) => Fate::Killed(line),
        None => Fate::Survived,
    }
}

/// What a run printed.
struct Run {
    stdout: String,
    stderr: String,
    success: bool,
}

/// `None` when it does not end.
fn run(command: &mut Command, input: &str) -> Option<Run> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).ok();
    let heard = Arc::new(Mutex::new(Instant::now()));
    let stdout = read(child.stdout.take().expect("piped"), &heard);
    let stderr = read(child.stderr.take().expect("piped"), &heard);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break Some(status);
        }
        if heard.lock().expect("nobody panics").elapsed() > PATIENCE {
            child.kill().ok();
            child.wait().ok();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (stdout, stderr) = (stdout.join().expect("it does not panic"), stderr.join().expect("it does not panic"));
    status.map(|status| Run { stdout, stderr, success: status.success() })
}

/// Reads to the end, and notes when something came.
fn read(from: impl Read + Send + 'static, heard: &Arc<Mutex<Instant>>) -> JoinHandle<String> {
    let heard = heard.clone();
    let note = move |_: &String| *heard.lock().expect("nobody panics") = Instant::now();
    std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).inspect(note).map(|line| line + "\n").collect())
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
