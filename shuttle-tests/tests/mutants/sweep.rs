//! A copy of the workspace that holds all mutants, each behind its number; and running it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::common::each;

/// What says nothing for so long, and has computed for so long, has an execution without end: no
/// case takes more than some seconds of a core. On a busy machine that may take a while.
const PATIENCE: Duration = Duration::from_secs(60);
/// What says nothing for so long waits for what does not come.
const ASLEEP: Duration = Duration::from_secs(600);

/// Appended to the copy's `src/lib.rs`. Listening, it tells every mutant whose place is come by.
const SWITCH: &str = r#"
#[doc(hidden)]
pub fn mutant(n: usize) -> bool {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    static ON: LazyLock<Option<usize>> =
        LazyLock::new(|| std::env::var("LOCKWALK_MUTANT").ok()?.parse().ok());
    static LISTEN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("LOCKWALK_LISTEN").is_some());
    static REACHED: [AtomicBool; 4096] = [const { AtomicBool::new(false) }; 4096];
    if *LISTEN && !REACHED[n].swap(true, Relaxed) {
        eprintln!("REACHED {n}");
    }
    *ON == Some(n)
}

#[doc(hidden)]
pub fn nothing_there(n: usize) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    static LISTEN: LazyLock<bool> = LazyLock::new(|| std::env::var_os("LOCKWALK_LISTEN").is_some());
    static SEEN: [AtomicBool; 4096] = [const { AtomicBool::new(false) }; 4096];
    if *LISTEN && !SEEN[n].swap(true, Relaxed) {
        eprintln!("NOTHING {n}");
    }
}
"#;

/// The copy, built.
pub struct Copy {
    root: PathBuf,
    verdicts: PathBuf,
}

/// A case of the catalogue with no mutant switched on.
pub struct Case {
    /// As `examples/verdicts.rs` prints it.
    pub line: String,
    /// The mutants whose place it comes by. No other can change it: up to the first such place,
    /// everything is as without.
    pub reached: BTreeSet<usize>,
    /// Of announcements: the places that it comes by, and that announce nothing.
    pub nothing: BTreeSet<usize>,
}

impl Case {
    /// Is this what it is about?
    pub fn is_of(&self, race: &str, protocol: &str) -> bool {
        let mut parts = self.line.split('\t');
        parts.next() == Some(race) && parts.next() == Some(protocol)
    }

    /// As it is kept for the next sweep of the same copy: behind the line, what it reaches.
    fn kept(&self) -> String {
        let list =
            |set: &BTreeSet<usize>| set.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
        format!("{}\t{}\t{}", self.line, list(&self.reached), list(&self.nothing))
    }

    fn read(kept: &str) -> Self {
        let mut parts = kept.rsplitn(3, '\t');
        let mut next = || parts.next().expect("a case that was kept");
        let (nothing, reached, line) = (next(), next(), next());
        let list =
            |set: &str| set.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        Self { line: line.into(), reached: list(reached), nothing: list(nothing) }
    }

    /// What keeps its verdict from being the documented one.
    fn objections(&self) -> &str {
        self.line.split('\t').nth(2).unwrap_or_default()
    }
}

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}

/// The sources in a folder.
pub fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = workspace();
    let entries = fs::read_dir(root.join(folder))
        .expect("a folder of sources")
        .map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|path| (path.strip_prefix(root).expect("below it").to_owned(), path))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|(name, path)| (name, fs::read_to_string(path).expect("a source file")))
        .collect()
}

impl Copy {
    /// Copies the workspace with `texts` in it instead of what is there, and `more` in its library;
    /// and builds it.
    pub fn build(name: &str, texts: &[(PathBuf, String)], more: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        copy_all(workspace(), &root);
        for (file, text) in texts {
            write(&root.join(file), &format!("#![allow(warnings)]\n{text}"));
        }
        let lib = fs::read_to_string(workspace().join("src/lib.rs")).expect("src/lib.rs");
        write(&root.join("src/lib.rs"), &(lib + SWITCH + more));
        let target = root.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--release",
            "--quiet",
            "-p",
            "lockwalk-shuttle-tests",
            "--example",
            "verdicts",
        ]);
        let status =
            cargo.current_dir(&root).env("CARGO_TARGET_DIR", &target).status().expect("cargo runs");
        assert!(status.success(), "the mutants do not compile");
        let verdicts = target.join("release/examples/verdicts");
        Self { root, verdicts }
    }

    /// The tests of what announces: those of the library, `tests/vocabulary`, and of worlds that no
    /// case of the catalogue has, `tests/worlds`.
    pub fn tests(&self) -> Vec<PathBuf> {
        self.built(&["-p", "lockwalk", "--lib", "--test", "vocabulary", "--test", "worlds"], 3)
    }

    /// What else knows how the protocol behaves: the kernels' traces, worlds of others, and what
    /// makes no sense.
    pub fn others(&self) -> Vec<PathBuf> {
        let which = [
            "-p",
            "lockwalk",
            "-p",
            "lockwalk-conformance",
            "--test",
            "golden",
            "--test",
            "worlds",
            "--test",
            "misuse",
        ];
        self.built(&which, 3)
    }

    fn built(&self, which: &[&str], number: usize) -> Vec<PathBuf> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--release", "--no-run"]).args(which);
        let built = cargo
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .output()
            .expect("cargo runs");
        let said = String::from_utf8_lossy(&built.stderr);
        let executable = |line: &str| {
            line.trim()
                .strip_prefix("Executable ")?
                .split_once('(')?
                .1
                .strip_suffix(')')
                .map(PathBuf::from)
        };
        let tests: Vec<_> =
            said.lines().filter_map(executable).map(|path| self.root.join(path)).collect();
        assert_eq!(tests.len(), number, "{said}");
        tests
    }

    /// `examples/verdicts.rs` with these arguments.
    pub fn verdicts(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.verdicts);
        command.args(args).current_dir(&self.root);
        command
    }

    /// Every case, without a mutant, and which places it comes by; how many classes of interleavings
    /// it has, if that is wanted. One that is not as documented already shows nothing, and is left
    /// out.
    pub fn baseline(&self, classes: bool) -> Vec<Case> {
        let kept = self.root.join("target").join(format!("baseline-{classes}"));
        let is_newer = |file: &Path| {
            let changed = |file: &Path| fs::metadata(file).and_then(|data| data.modified()).ok();
            changed(file).is_some_and(|at| Some(at) > changed(&self.verdicts))
        };
        let mut cases: Vec<_> = if is_newer(&kept) {
            fs::read_to_string(&kept).expect("it is there").lines().map(Case::read).collect()
        } else {
            let cases = self.explored(classes);
            write(&kept, &cases.iter().map(|case| case.kept() + "\n").collect::<String>());
            cases
        };
        cases.retain(|case| {
            let good = case.objections().is_empty();
            if !good {
                println!("without any mutant already: {}", case.line);
            }
            good
        });
        cases
    }

    fn explored(&self, classes: bool) -> Vec<Case> {
        let listed = run(&mut self.verdicts(&["--cases"]), "");
        let cases: Vec<_> = listed.stdout.lines().map(str::to_owned).collect();
        each(&cases, |case| {
            let args: Vec<_> = ["--classes", "--case"][usize::from(!classes)..]
                .iter()
                .copied()
                .chain(case.split('\t'))
                .collect();
            let run = run(self.verdicts(&args).env("LOCKWALK_LISTEN", "1"), "");
            assert!(run.end == End::Well, "{case}: {}", run.stderr);
            let told = |word: &str| {
                run.stderr
                    .lines()
                    .filter_map(|line| line.strip_prefix(word)?.parse().ok())
                    .collect()
            };
            let line = run.stdout.trim_end().to_owned();
            Case { line, reached: told("REACHED "), nothing: told("NOTHING ") }
        })
    }
}

/// What an earlier copy has left there goes, but for what was built.
fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        for left in fs::read_dir(to).into_iter().flatten().flatten() {
            let (name, path) = (left.file_name(), left.path());
            if name == "target" || from.join(&name).exists() {
                continue;
            }
            let gone =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.expect("the copy can be written");
        }
        for entry in fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name();
            if name != "target" && !name.to_string_lossy().starts_with('.') && entry.path() != to {
                copy_all(&entry.path(), &to.join(name));
            }
        }
    } else if let Ok(text) = fs::read(from) {
        fs::create_dir_all(to.parent().expect("a file is in a directory"))
            .expect("the copy can be written");
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

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Well,
    /// With this status; by a signal if there is none.
    Failed(Option<i32>),
    Never,
}

/// What a run printed.
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub end: End,
}

pub fn run(command: &mut Command, input: &str) -> Run {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("RUST_BACKTRACE", "0");
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).ok();
    let heard = Arc::new(Mutex::new(Instant::now()));
    let stdout = read(child.stdout.take().expect("piped"), &heard);
    let stderr = read(child.stderr.take().expect("piped"), &heard);
    let end = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break if status.success() { End::Well } else { End::Failed(status.code()) };
        }
        let silent = heard.lock().expect("nobody panics").elapsed();
        let computes = || computed(child.id()).is_none_or(|time| time > PATIENCE);
        if silent > ASLEEP || silent > PATIENCE && computes() {
            child.kill().ok();
            child.wait().ok();
            break End::Never;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Run {
        stdout: stdout.join().expect("it does not panic"),
        stderr: stderr.join().expect("it does not panic"),
        end,
    }
}

/// How long a process has computed, where /proc says so: the 14th and 15th word of its `stat`, in
/// hundredths of a second, of which the second is a name in brackets.
fn computed(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let words = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let ticks: u64 = words.map(|word| word.parse::<u64>().ok()).sum::<Option<_>>()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Reads to the end, and notes when something came.
fn read(from: impl Read + Send + 'static, heard: &Arc<Mutex<Instant>>) -> JoinHandle<String> {
    let heard = heard.clone();
    let note = move |_: &String| *heard.lock().expect("nobody panics") = Instant::now();
    std::thread::spawn(move || {
        BufReader::new(from)
            .lines()
            .map_while(Result::ok)
            .inspect(note)
            .map(|line| line + "\n")
            .collect()
    })
}
