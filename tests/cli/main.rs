//! The program, as somebody at a shell meets it.

mod asked;
mod bad_input;
mod conform;
mod explain;
mod files;
mod limits;
mod list;
mod output;
mod parts;
mod report;
mod schema;
mod source;
mod stress;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lockwalk::witness::Coverage;
use lockwalk::{Outcome, Witness};
use serde_json::Value;

/// The exit status of an exploration that was not finished.
const UNDECIDED: i32 = 3;

/// The exit status after Ctrl-C.
const STOPPED: i32 = 3;

/// The exit status when who reads the output has gone.
const GONE: i32 = 141;

fn lockwalk(args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockwalk"));
    command
        .args(args.split_whitespace())
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null());
    command
}

/// Runs it, and wants this exit status.
#[track_caller]
fn run(args: &str, status: i32) -> (String, String) {
    let Output { status: actual, stdout, stderr } = lockwalk(args).output().expect("it starts");
    let (stdout, stderr) =
        (String::from_utf8(stdout).expect("UTF-8"), String::from_utf8(stderr).expect("UTF-8"));
    assert_eq!(actual.code(), Some(status), "lockwalk {args}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// Standard output of a run that ends with status 0 and has no complaint.
#[track_caller]
fn good(args: &str) -> String {
    let (stdout, stderr) = run(args, 0);
    assert_eq!(stderr, "", "lockwalk {args}");
    stdout
}

/// The one line that a refused command prints.
#[track_caller]
fn refused(args: &str) -> String {
    let (stdout, stderr) = run(args, 2);
    assert_eq!(stdout, "", "lockwalk {args}");
    assert_eq!(stderr.lines().count(), 1, "lockwalk {args}\n{stderr}");
    stderr.trim_end().to_owned()
}

/// A directory of this test's own, empty.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory for tests");
    path
}

/// The verdicts themselves are looked at in `tests/catalogue`; this is how they are told.
#[test]
fn every_case_of_a_document_is_told() {
    let outcomes = outcomes("check S1 --engine dpor --format json");
    let races = lockwalk::races::all().into_iter().filter(|race| race.id().starts_with("S1."));
    let cases: Vec<_> = races
        .flat_map(|race| {
            race.cases()
                .iter()
                .map(|(protocol, _)| (race.id().to_owned(), protocol.to_string()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        outcomes.iter().map(|o| (o.race.clone(), o.protocol.clone())).collect::<Vec<_>>(),
        cases
    );
    for outcome in &outcomes {
        let of = format!("{} under {}", outcome.race, outcome.protocol);
        assert!(outcome.as_documented(), "{of}: {:?}", outcome.objections());
        assert!(
            outcome.coverage == Coverage::Exhaustive || outcome.violating > 0,
            "{of}: {:?}",
            outcome.coverage
        );
        assert_eq!(outcome.witness.is_some(), outcome.documented.clause().is_some(), "{of}");
    }
    let table = good("check S1.3 S1.4 S1.5 --engine dpor");
    let (header, rows) = table.split_once('\n').expect("lines");
    assert!(
        header.ends_with(" of 1 document · sequentially consistent, every interleaving, no bound"),
        "{header}"
    );
    let asked =
        |id: &str| ["S1.3", "S1.4", "S1.5"].iter().any(|asked| id.split('/').next() == Some(asked));
    for (id, _) in cases.iter().filter(|(id, _)| asked(id)) {
        let row = |line: &str| {
            line.strip_prefix("  ").is_some_and(|line| line.split_whitespace().next() == Some(id))
        };
        assert!(rows.lines().any(row), "{id} is missing in\n{rows}");
    }
    assert!(!rows.lines().any(|line| line.trim_start().starts_with('!')), "{rows}");
    let summary = rows.rsplit("\n\n").next().expect("a last paragraph");
    assert!(
        summary.contains(" reproduced · ") && !summary.contains("not as documented"),
        "{summary}"
    );
}

/// The whole catalogue is begun, and stopped: what is run to its end is run by `.ci/run`.
#[cfg(unix)]
#[test]
fn without_arguments_it_checks_everything() {
    let child =
        lockwalk("").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(500));
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .expect("kill(1)")
            .success()
    );
    let output = child.wait_with_output().expect("it ends");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let races = lockwalk::races::all();
    assert!(stdout.starts_with(&format!("lockwalk · {} races about ", races.len())), "{stdout}");
    let cases: usize = races.iter().map(|race| race.cases().len()).sum();
    assert!(stderr.ends_with(&format!(" of {cases} verdicts known\n")), "{stderr}");
}

/// As documented, differing, and undecided are three exit statuses; what differs goes before what
/// is open.
#[test]
fn the_exit_status_tells_what_came_out() {
    // One execution exhausts nothing.
    let cut = "check =S3.7 --protocol 3.7 --engine dpor --executions 1";
    let (table, _) = run(cut, 3);
    assert!(
        table.contains("? undecided  1 execution") && table.contains("! unfinished: "),
        "{table}"
    );
    assert!(table.contains("at most 1 execution each"), "{table}");
    assert!(
        table.contains("1 undecided (S3.7)") && !table.contains("not as documented"),
        "{table}"
    );
    let (lines, _) = run(&format!("{cut} --format lines"), 3);
    assert!(lines.contains("  ! unfinished: "), "{lines}");
    // Nothing is documented: what holds is as documented, what is violated is not.
    let table = good("check =S3.1 --engine dpor --protocol 2.6.38");
    assert!(
        table.contains("✓ never") && table.contains("1 without a documented verdict"),
        "{table}"
    );
    let (table, _) = run(
        "check =S3.1 --engine dpor --protocol 2.6.36+vma_adjust_lock=nothing+rmap_again=anew",
        1,
    );
    assert!(
        table.contains("✗ RMAP-1")
            && table.contains("! violates RMAP-1, RMAP-2, which nothing documents")
            && table.contains("1 violation documented nowhere (S3.1)"),
        "{table}"
    );
    let (table, _) = run(
        "check =S3.1 =S3.7 --engine dpor --protocol \
         2.6.36+vma_adjust_lock=nothing+rmap_again=anew --executions 3",
        1,
    );
    assert!(
        table.contains("1 undecided (S3.7)")
            && table.contains("1 violation documented nowhere (S3.1)"),
        "{table}"
    );
    // What the race is about is known, under other protocols.
    let (table, _) = run("check =S3.15/mmlist --engine dpor --protocol 2.6.36", 1);
    let said = table.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.ends_with(
            " S3.15/mmlist is documented to violate LIVELOCK under 2.6.29, 2.6.38, 3.7; nothing is \
             documented of 2.6.36"
        ),
        "{table}"
    );
}

/// An engine that cannot tell leaves it open; it does not say that nothing is documented, or that
/// something differs.
#[test]
fn what_an_engine_cannot_tell_is_undecided() {
    for engine in ["native --iterations 20", "random --iterations 1"] {
        let (table, _) = run(&format!("check =S3.7 --engine {engine}"), 3);
        assert!(
            table.contains("~ not seen") && table.contains("2 not seen") && !table.contains('!'),
            "{table}"
        );
    }
    let (table, _) = run("check =S0.2 --protocol 2.6.11 --engine loom --format lines", 3);
    assert!(table.contains("! documented to violate LIVELOCK: undecided: "), "{table}");
}

#[test]
fn races_are_selected_by_the_parts_of_their_ids() {
    let races = |args: &str| {
        let outcomes = outcomes(&format!("check --engine dpor --format json {args}"));
        let mut races: Vec<_> = outcomes.into_iter().map(|o| o.race).collect();
        races.dedup();
        races
    };
    assert_eq!(races("=S3.1"), ["S3.1"]);
    let variants = races("s3.1");
    assert!(
        variants.len() > 1 && variants.iter().all(|id| id == "S3.1" || id.starts_with("S3.1/")),
        "{variants:?}"
    );
    assert_eq!(races("=S3.1,=S3.3"), ["S3.1", "S3.3"]);
    let two = races("S3.9 =S3.3 =S3.3");
    assert!(
        two[0] == "S3.3" && two.len() > 1 && two[1..].iter().all(|id| id.starts_with("S3.9")),
        "{two:?}"
    );
}

/// Each command says which memory model it is about, and what it finds is found again.
#[test]
fn a_memory_model_is_said_and_kept() {
    for (name, model) in [("sc", "sequentially consistent"), ("tso", "TSO"), ("weak", "RC11")] {
        let heading = |printed: String| printed.lines().next().expect("a heading").to_owned();
        let checked = heading(good(&format!("check =S3.1 --memory {name} --engine dpor")));
        assert!(checked.contains(&format!(" · {model}, every interleaving")), "{checked}");
        let table = heading(good(&format!("matrix =S3.1 --memory {name}")));
        assert!(table.contains(&format!(" · {model}, every interleaving")), "{table}");
        let check = format!("check =S3.1 --memory {name} --engine dpor --format json");
        assert!(outcomes(&check).iter().all(|outcome| outcome.memory_model == model));
        let explain = format!("explain S3.1 --memory {name} --protocol 2.6.34 --format json");
        let found = witness(&explain).expect("it is violated");
        assert_eq!(found.found.memory_model, model);
        let again = witness(&format!("{} --format json", &found.replay["lockwalk ".len()..]));
        assert_eq!(again.expect("it is violated").steps, found.steps, "{}", found.replay);
    }
}

#[test]
fn nonsense_is_refused_in_one_line_with_a_suggestion() {
    for (args, line) in [
        ("chek", "error: no command is called 'chek'; did you mean 'check'?"),
        ("help chekc", "error: no command is called 'chekc'; did you mean 'check'?"),
        (
            "check S3.15/xxxxxxx",
            "error: no race is called 'S3.15/xxxxxxx'; did you mean 'S3.15', 'S3.15/oldest' or 'S3.15/grandchild'?",
        ),
        (
            "check S3.1/boundry",
            "error: no race is called 'S3.1/boundry'; did you mean 'S3.1/boundary'?",
        ),
        (
            "explain khugepaged",
            "error: no race is called 'khugepaged'; `lockwalk list` names them all",
        ),
        (
            "check --protocol 2.6.3",
            "error: no protocol or rule is called '2.6.3'; did you mean '2.6.7', '2.6.13' or \
             '2.6.33'?",
        ),
        (
            "check --protocol 2.6.34+vma_lock=vma",
            "error: no protocol or rule is called 'vma_lock=vma'; did you mean \
             'vma_adjust_lock=vma'?",
        ),
        (
            "check --protocol 2.6.34+vma_adjust_lock=vma+vma_adjust_lock=nothing",
            "error: a protocol makes one choice for vma_adjust_lock, not two",
        ),
        (
            "check --protocol 2.6.34+VMA_ADJUST_LOCK=VMA",
            "error: no protocol or rule is called 'VMA_ADJUST_LOCK=VMA'; did you mean \
             'vma_adjust_lock=vma'?",
        ),
        (
            "bench --overhead --size 1,1,1",
            "error: --size is for tables: with --overhead, --memory or --weak, --family asks for \
             one",
        ),
        ("check --depth 3", "error: --depth is for --engine pct, not for dpor"),
        (
            "check --engine loom --seed 1",
            "error: --seed is for --engine random and pct, not for loom",
        ),
        (
            "check --engine native --executions 7",
            "error: --executions is for --engine dpor and states and dfs and loom, not for native",
        ),
        (
            "check --memory tso --engine loom",
            "error: --memory is for --engine dpor and states and dfs and random and pct, not for loom",
        ),
        (
            "check --memory sc --engine native",
            "error: --memory is for --engine dpor and states and dfs and random and pct, not for native",
        ),
        (
            "check --memory weak --states",
            "error: --memory weak is for --engine dpor and dfs and random and pct, not for states",
        ),
        (
            "check --engine dpor --memory-limit 2G",
            "error: --memory-limit is for --engine states, not for dpor",
        ),
        (
            "check --memory pso --save s.json",
            "error: --memory: what is kept in a file is sequentially consistent",
        ),
        (
            "check --memory pso --shard 1/2 --save s.json",
            "error: --memory: what is kept in a file is sequentially consistent",
        ),
        (
            "check --memory pso --resume s.json",
            "error: --memory: what is kept in a file is sequentially consistent",
        ),
        (
            "matrix =S0.3 --states --memory weak",
            "error: --states: states have no names under --memory weak",
        ),
        (
            "explain S3.1 --memory arm",
            "error: invalid value 'arm' for '--memory <MODEL>' [possible values: sc, tso, \
             pso, weak]",
        ),
        (
            "check --engine pct --depth 1001",
            "error: invalid value '1001' for '--depth <D>': 1001 is not in 1..=1000",
        ),
        ("check --time 0s", "error: invalid value '0s' for '--time <TIME>': that is no time"),
        (
            "check --time soon",
            "error: invalid value 'soon' for '--time <TIME>': expected a number and ms, s, m or h",
        ),
        (
            "replay S3.1",
            "error: the following required arguments were not provided: --protocol <PROTOCOL> \
             --schedule <SCHEDULE>",
        ),
    ] {
        // `--depth` and its like are about the engine: which one is the default depends on the
        // build.
        let args = if args == "check --depth 3" { "check --depth 3 --engine dpor" } else { args };
        assert_eq!(refused(args), line, "lockwalk {args}");
    }
    for (args, line) in [
        (
            "S3.1/boundary",
            "error: no command is called 'S3.1/boundary'; did you mean `lockwalk check \
             S3.1/boundary` or `lockwalk explain S3.1/boundary`?",
        ),
        (
            "S3.1,S3.4",
            "error: no command is called 'S3.1,S3.4'; did you mean `lockwalk check S3.1,S3.4`?",
        ),
        ("MIG-1", "error: no command is called 'MIG-1'; did you mean `lockwalk list MIG-1`?"),
        (
            "--save s.json",
            "error: unexpected argument '--save' found; did you mean 'lockwalk check --save'?",
        ),
        ("man chek", "error: no command is called 'chek'; did you mean 'check'?"),
    ] {
        assert_eq!(refused(args), line, "lockwalk {args}");
    }
    let exactly = refused("check =S3");
    assert!(
        exactly.starts_with(
            "error: no race is called just 'S3'; did you mean 'S3', without '=', which stands for "
        ) && exactly.ends_with(" races?"),
        "{exactly}"
    );
    let engine = refused("check --engine dpro");
    assert!(engine.starts_with("error: invalid value 'dpro' for '--engine <ENGINE>'"), "{engine}");
    assert!(engine.ends_with("; did you mean 'dpor'?"), "{engine}");
    let several = refused("explain S3");
    assert!(
        several.starts_with("error: 'S3' stands for ") && several.ends_with("and this shows one"),
        "{several}"
    );
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let directory = directory("unwritable");
    let (nowhere, taken) = (directory.join("no/such/file.svg"), directory.join("taken"));
    fs::write(&taken, "a file").expect("writable");
    for args in [
        format!("explain S3.1 --output {}", nowhere.display()),
        format!("explain S3.1 --output {}", directory.display()),
        format!("report --output {}", taken.display()),
    ] {
        let started = Instant::now();
        let line = refused(&args);
        assert!(line.starts_with("error: cannot "), "{line}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{args}: that is known before any work is done"
        );
    }
    assert_eq!(fs::read_dir(&directory).expect("a directory").count(), 1);
    assert_eq!(fs::read_to_string(&taken).expect("still there"), "a file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_a_reader_that_left_is_not() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = lockwalk("list").stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: cannot write: "));
    let mut child =
        lockwalk("list").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(GONE), b"".as_slice()));
}

/// Of a sample that was stopped in its midst, nothing is known.
#[cfg(unix)]
#[test]
fn a_sample_that_is_stopped_is_not_known() {
    let mut command =
        lockwalk("check =S3.7 --protocol 3.7 --engine random --iterations 1000000000");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    parts::listens(child.id());
    std::thread::sleep(Duration::from_millis(500));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill(1)").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
        (Some(STOPPED), "stopped: 0 of 1 verdict known\n")
    );
}

/// Ctrl-C ends an exploration that would take for ever, and what was covered is said.
#[cfg(unix)]
#[test]
fn ctrl_c_stops_and_reports() {
    // Plain enumeration of three CPUs does not end within a lifetime.
    let mut command = lockwalk("check =S3.7 --protocol 3.7 --engine dfs");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let sent =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill(1)");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{stdout}\n{stderr}");
    assert!(stdout.contains("? undecided") && stdout.contains("1 undecided (S3.7)"), "{stdout}");
    assert_eq!(stderr, "stopped: 0 of 1 verdict known\n");
}

/// It says at once what it is about to do, and after Ctrl-C what is known by then.
#[cfg(unix)]
#[test]
fn an_interrupted_matrix_prints_what_is_known() {
    use std::io::{BufRead, BufReader, Read};
    let table = good("matrix =S0.3 =S0.7 --jobs 2 --ascii");
    assert!(
        table.starts_with(
            "lockwalk matrix | 2 races, 6 columns | sequentially consistent, every interleaving, \
             at most 100000 executions each\n"
        ),
        "{table}"
    );
    // The second race does not end within the test.
    let mut command = lockwalk(
        "matrix =S0.3 =S0.10/progress --base 2.6.7 --rule fork_link --executions 1000000000 \
         --jobs 1",
    );
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut text = String::new();
    stdout.read_line(&mut text).expect("the head comes first");
    std::thread::sleep(Duration::from_secs(2));
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .expect("kill(1)")
            .success()
    );
    assert!(text.starts_with("lockwalk matrix · 2 races, 2 columns · "), "{text}");
    stdout.read_to_string(&mut text).expect("UTF-8");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(STOPPED), "{said}");
    assert!(said.starts_with("stopped: ") && said.ends_with(" of 4 cells known\n"), "{said}");
    let row = |race: &str| {
        text.lines().find(|line| line.split_whitespace().next() == Some(race)).map(str::to_owned)
    };
    let open = row("S0.10/progress").expect("its row is there");
    assert_eq!(open.split_whitespace().collect::<Vec<_>>(), ["S0.10/progress", "?", "?"], "{text}");
    assert!(row("S0.3").is_some(), "{text}");
}

#[test]
fn completions_and_manual_pages_know_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = good(&format!("completions {shell}"));
        assert!(
            ["check", "explain", "matrix", "resume", "jobs"]
                .iter()
                .all(|part| script.contains(part)),
            "{shell}: {script}"
        );
    }
    let page = good("man");
    let commands: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("lockwalk\\-")?.strip_suffix("(1)"))
        .collect();
    assert!(
        commands.contains(&"check") && commands.contains(&"man") && page.contains("Exit status:"),
        "{page}"
    );
    for command in commands.iter().filter(|command| **command != "help") {
        let (page, help) = (good(&format!("man {command}")), good(&format!("{command} --help")));
        let options = help
            .lines()
            .filter_map(|line| line.trim_start().split("--").nth(1)?.split([' ', '<']).next());
        for option in options.filter(|option| !option.is_empty()) {
            assert!(
                page.contains(&format!("\\-\\-{}", option.replace('-', "\\-"))),
                "{command} --{option}: {page}"
            );
        }
    }
}

#[test]
fn the_help_says_what_the_exit_status_means() {
    let help = good("--help");
    for part in [
        "check",
        "merge",
        "explain",
        "replay",
        "list",
        "report",
        "bench",
        "Examples:",
        "Exit status:",
        "  3    something is undecided",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(good("--version").starts_with("lockwalk "));
}

fn outcomes_in(json: &str) -> Vec<Outcome> {
    let mut printed: Value = serde_json::from_str(json).expect("JSON");
    serde_json::from_value(printed["outcomes"].take()).expect("outcomes")
}

fn witness_in(json: &str) -> Option<Witness> {
    let mut printed: Value = serde_json::from_str(json).expect("JSON");
    serde_json::from_value(printed["witness"].take()).expect("a witness or none")
}

/// The witness that `--format json` prints.
fn witness(args: &str) -> Option<Witness> {
    witness_in(&good(args))
}

/// What `--format json` prints of verdicts that are as documented, without what depends on the
/// machine.
fn outcomes(args: &str) -> Vec<Outcome> {
    outcomes_and(args, 0)
}

/// The same of other verdicts, by the exit status.
fn outcomes_and(args: &str, status: i32) -> Vec<Outcome> {
    let mut outcomes = outcomes_in(&run(args, status).0);
    outcomes.iter_mut().for_each(|outcome| outcome.seconds = 0.0);
    outcomes
}

#[test]
fn the_benchmark_measures_what_is_asked_for() {
    let table = good("bench --family locked --family bug --size 1,1,1 --time 5s");
    let (head, table) = table.split_once("\n\n").expect("a line above");
    assert!(
        head.starts_with("lockwalk bench · loom 0.") && head.contains(" · shuttle 0."),
        "{head}"
    );
    for part in [
        "locked: ",
        "bug: ",
        "engine ",
        "N1 T1 K1",
        "dpor ",
        "loom, at most 2 preemptions",
        "shuttle DFS",
        "shuttle PCT, depth 3",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let markdown = good("bench --family racy --size 1,1,1 --time 5s --format markdown --ascii");
    assert!(markdown.is_ascii() && markdown.contains("| dpor "), "{markdown}");
    let json: serde_json::Value =
        serde_json::from_str(&good("bench --family bug --size 1,1,1 --time 5s --format json"))
            .expect("JSON");
    assert_eq!(
        (json["format"].as_u64(), json["lockwalk"].as_str()),
        (Some(4), Some(env!("CARGO_PKG_VERSION")))
    );
    let cell = &json["tables"][0]["columns"][0]["cells"][0];
    assert_eq!(
        (cell["engine"].as_str(), cell["outcome"].as_str(), cell["why"].as_str()),
        (Some("dpor"), Some("done"), None),
        "{json:#}"
    );
    let weak = good("bench --weak --time 1s");
    assert!(weak.contains("weak: ") && weak.contains("dpor, RC11"), "{weak}");
    assert!(!weak.contains("racy: "), "{weak}");
    let memory = good("bench --memory --time 200ms");
    assert!(memory.contains("memory, locked N2 T3 K4: ") && !memory.contains("dpor"), "{memory}");
    for (args, says) in [
        ("bench --size 1,1", "expected N,T,K: vmas, adjusters, rounds of each"),
        ("bench --size 1,1,1e9", "expected N,T,K: vmas, adjusters, rounds of each"),
        ("bench --size 0,1,1", "N, T and K are from 1 to 100 each"),
        ("bench --size 1,0,0", "N, T and K are from 1 to 100 each"),
        ("bench --size 999999999999,1,1", "N, T and K are from 1 to 100 each"),
        ("bench --size 99999999999999999999999,1,1", "N, T and K are from 1 to 100 each"),
        ("bench --family lockd", "; did you mean 'locked'?"),
        ("bench --time soon", "expected a number and ms, s, m or h"),
    ] {
        let line = refused(args);
        assert!(line.contains(says), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_benchmark() {
    let mut command = lockwalk("bench --family racy --size 2,3,3 --time 10m");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(
        Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .expect("kill(1)")
            .success()
    );
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()),
        (Some(3), "stopped: only what is printed was measured\n")
    );
}

/// What makes no sense under a protocol is refused in one line, whatever is asked of it.
#[test]
fn what_makes_no_sense_is_refused_by_every_command() {
    let migration = "error: S3.1 under rmap-10: not applicable: ";
    let hinting = "error: S2.11 under 3.7: not applicable: its world cannot be built: ";
    for (command, says) in [
        ("explain =S3.1 --protocol rmap-10", migration),
        ("replay =S3.1 --protocol rmap-10 --schedule 1*3", migration),
        ("replay =S2.11 --protocol 3.7 --schedule 1*3", hinting),
        ("selfcheck =S3.1 --protocol rmap-10", migration),
        ("selfcheck =S3.1 --protocol rmap-10 --format json", migration),
        ("selfcheck =S2.11 --protocol 3.7 --executions 2", hinting),
    ] {
        let line = refused(command);
        assert!(line.starts_with(says), "{command}: {line}");
    }
    let said = good("selfcheck =S3.1 =S4.1 --protocol rmap-10 --executions 2");
    assert!(
        said.starts_with("S3.1 under rmap-10: not applicable: ")
            && said.contains("\n1 of 2 cases · "),
        "{said}"
    );
}

/// The shortest livelock, if that was looked for to the end.
#[test]
fn a_livelock_that_may_be_shorter_says_so() {
    let row = |limit: &str, status| {
        let (table, _) = run(&format!("check =S3.4 --engine dpor {limit}"), status);
        table.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let cut = row("--executions 389", 3);
    assert!(cut.contains("55 steps, or fewer,"), "{cut}");
    assert!(row("", 0).contains("22 steps repeat for ever"));
}

/// Whoever has the commands for races of his own is told to type his own program's name.
#[cfg(unix)]
#[test]
fn a_program_by_another_name_says_its_own() {
    let mine = directory("called").join("mine");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lockwalk"), &mine).expect("a link");
    let said = |args: &str| {
        let output = Command::new(&mine).args(args.split(' ')).output().expect("it runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert_eq!(said("--version"), concat!("mine (lockwalk ", env!("CARGO_PKG_VERSION"), ")\n"));
    for (command, says) in [
        ("explain S3.1 --protocol 2.6.34", "replay: mine replay S3.1 "),
        ("completions bash", "_mine()"),
        ("man", ".TH mine 1"),
        ("man check", "mine\\-check"),
        ("check nonsense", "`mine list` names them all"),
        ("--help", "\n  mine check S3.1 S3.4"),
        ("S3.1", "`mine check S3.1` or `mine explain S3.1`"),
        ("check --lines", "error: "),
    ] {
        let said = said(command);
        assert!(said.contains(says), "{command}: {said}");
        assert!(
            !said.contains("lockwalk check") && !said.contains("`lockwalk"),
            "{command}: {said}"
        );
    }
}
