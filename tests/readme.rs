//! README shows what the program prints. `README_BLESS=1 cargo test -p lockwalk --test readme`
//! rewrites what it shows.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lockwalk_bench::{Cell, Relaxed, Size, Variant, engine_names, exhaust_relaxed, exhaust_with};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"))
        .expect("it is there")
}

fn lockwalk(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockwalk"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// The fenced blocks of a language, without the fences.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .map(|block| format!("{block}\n"))
        .collect()
}

/// Times are the only thing in an output that varies.
fn timeless(text: &str) -> String {
    let is_time = |words: &[&str], n: usize| {
        words[n].parse::<f64>().is_ok()
            && words.get(n + 1).is_some_and(|unit| unit.trim_end() == "s")
    };
    let line = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let masked = (0..words.len()).map(|n| if is_time(&words, n) { "…" } else { words[n] });
        masked.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_shown_is_what_is_printed() {
    // Under another engine the same commands print something else.
    if lockwalk::Method::default().name() == "loom" {
        return;
    }
    fs::create_dir_all(Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs"))
        .expect("a directory for tests");
    let shown = readme();
    let mut printed = shown.clone();
    let blocks = blocks(&shown, "console");
    assert!(!blocks.is_empty());
    for block in blocks {
        let (command, _) = block.split_once('\n').expect("a line");
        let words: Vec<_> =
            command.strip_prefix("$ lockwalk ").expect("a command").split(' ').collect();
        let output = lockwalk(&words).output().expect("it starts");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        let actual = format!("{command}\n{}", String::from_utf8_lossy(&output.stdout));
        if timeless(&actual) != timeless(&block) {
            printed = printed.replace(&block, &actual);
        }
        if let Some(at) = words.iter().position(|word| *word == "--output") {
            let drawn =
                fs::read_to_string(Path::new(env!("CARGO_TARGET_TMPDIR")).join(words[at + 1]))
                    .expect("it is drawn");
            let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(words[at + 1]);
            if std::env::var_os("README_BLESS").is_some() {
                fs::write(&kept, &drawn).expect("writable");
            }
            assert!(
                fs::read_to_string(&kept).is_ok_and(|kept| kept == drawn),
                "{command} draws something else now; README_BLESS=1"
            );
        }
    }
    if std::env::var_os("README_BLESS").is_some() {
        fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"), &printed)
            .expect("writable");
    } else {
        assert!(
            printed == shown,
            "README shows something else; README_BLESS=1 rewrites it\n{printed}"
        );
    }
}

/// What is only named is understood: clap gets as far as `--help`.
#[test]
fn commands_that_are_named_exist() {
    let commands = blocks(&readme(), "sh").concat();
    let commands: Vec<_> = commands
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix("lockwalk "))
        .collect();
    assert!(!commands.is_empty());
    for command in commands {
        let words: Vec<_> = command.split_whitespace().chain(["--help"]).collect();
        let output = lockwalk(&words).output().expect("it starts");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The executions of a cell are those that are shown in a table with this column.
fn is_shown(readme: &str, column: &str, cell: &Cell) {
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let table = rows.iter().position(|row| row.contains(&column)).expect("the benchmark's table");
    let (head, rows) = (&rows[table], &rows[table + 1..]);
    let engine = cell.engine;
    let row =
        rows.iter().find(|row| row[1] == engine).unwrap_or_else(|| panic!("{engine} is missing"));
    let shown = row[head.iter().position(|title| *title == column).expect("a column")];
    let executions = shown.split(", ").next().unwrap_or_default();
    let digits: String = executions
        .split(" (")
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    assert!(
        !cell.finished() || digits == cell.executions.to_string(),
        "{engine} {column}: {shown} is shown, {cell:?}"
    );
}

/// The executions in the tables of the benchmark are those of this build; its times are of the day
/// that it names.
#[test]
fn the_benchmark_counts_what_the_tables_say() {
    let (readme, limit) = (readme(), Duration::from_millis(500));
    for engine in engine_names() {
        for size in [Size::new(1, 1, 1), Size::new(2, 2, 1)] {
            let cell =
                exhaust_with(engine, Variant::NoAssert, size, limit).expect("it is an engine");
            is_shown(&readme, &size.to_string(), &cell);
        }
    }
    for program in Relaxed::ALL {
        for cell in exhaust_relaxed(program, limit) {
            is_shown(&readme, &program.to_string(), &cell);
        }
    }
}
