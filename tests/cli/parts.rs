//! Threads, shards, and explorations that are stopped and gone on with: what comes out is what the
//! whole says.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockwalk::{Outcome, Part};

use super::{UNDECIDED, directory, good, lockwalk, outcomes, outcomes_and, refused, run};

#[test]
fn any_number_of_threads_says_the_same() {
    for races in ["S3.1 S3.4 =S3.15", "=S3.6"] {
        let alone = outcomes(&format!("check {races} --engine dpor --format json --jobs 1"));
        for jobs in [2, 5] {
            assert_eq!(
                outcomes(&format!("check {races} --engine dpor --format json --jobs {jobs}")),
                alone,
                "{races}"
            );
        }
    }
    let random =
        outcomes_and("check =S3.7 --engine random --iterations 50 --format json --jobs 1", 3);
    assert_eq!(
        outcomes_and("check =S3.7 --engine random --iterations 50 --format json --jobs 3", 3),
        random
    );
}

/// A case that is large is begun anew on all threads when the others have nothing to do.
#[test]
fn a_large_case_is_divided_and_counted_the_same() {
    let large = "check =S3.7/root-first --protocol 5.9 --engine dpor --format json";
    let alone = outcomes(&format!("{large} --jobs 1"));
    assert!(alone[0].executions > 5000, "it is large");
    assert_eq!(outcomes(&format!("{large} --jobs 2")), alone);
}

/// The first try of a case that is to be exhausted has a limit, which must not be that of the search
/// for the shortest witness.
#[test]
fn any_number_of_threads_finds_the_shortest_witness() {
    let twin = "check =S3/family --protocol 2.6.11+migration=yes --engine dpor --format json";
    let alone = outcomes_and(&format!("{twin} --jobs 1"), 1);
    let witness = alone[0].witness.as_ref().expect("it violates something");
    assert!(witness.found.minimal && witness.preemptions == 2);
    assert_eq!(outcomes_and(&format!("{twin} --jobs 2"), 1), alone);
}

#[test]
fn shards_are_merged_into_what_the_whole_says() {
    let directory = directory("shards");
    let file = |n: u32| directory.join(format!("{n}.json")).display().to_string();
    for n in 1..=3 {
        let said =
            good(&format!("check =S3.7 S3.3 --engine dpor --shard {n}/3 --save {}", file(n)));
        assert!(
            said.contains(&format!(", shard {n}/3\n"))
                && said.contains(&format!("  shard {n}/3 of ")),
            "{said}"
        );
    }
    let merged = outcomes(&format!("merge {} {} {} --format json", file(2), file(3), file(1)));
    let whole = outcomes("check =S3.7 S3.3 --engine dpor --format json");
    assert_eq!(merged.len(), whole.len());
    for outcome in &merged {
        let same = whole
            .iter()
            .find(|other| (&other.race, &other.protocol) == (&outcome.race, &outcome.protocol))
            .expect("it was asked for");
        assert_eq!(
            (outcome.verdict(), outcome.violating == 0),
            (same.verdict(), same.violating == 0),
            "{}",
            outcome.race
        );
        assert!(
            outcome.as_documented() && outcome.witness.is_some() == same.witness.is_some(),
            "{}",
            outcome.race
        );
        if outcome.violating == 0 {
            assert_eq!(outcome, same);
        }
    }
    let table = good(&format!("merge {} {} {}", file(1), file(2), file(3)));
    assert!(table.contains("✓ never") && !table.contains('!'), "{table}");
    let (one, two) = (file(1), file(2));
    assert!(refused(&format!("merge {one} {two}")).ends_with(": shard 3/3 is missing"));
    assert!(refused(&format!("merge {one} {two} {two}")).ends_with(": shard 2/3 is there twice"));
    let line = refused(&format!("check S3.1 --resume {one}"));
    assert!(
        line.starts_with(&format!("error: {one} keeps S3."))
            && line.ends_with(", which is not asked for"),
        "{line}"
    );
}

#[test]
fn a_stopped_exploration_goes_on_from_its_file() {
    goes_on_from_its_file("dpor");
}

#[test]
fn a_stopped_exploration_by_states_goes_on_from_its_file() {
    goes_on_from_its_file("states");
}

fn goes_on_from_its_file(engine: &str) {
    let directory = directory(&format!("saved-{engine}"));
    let file = directory.join("s.json").display().to_string();
    let (most, every, other, kept) = match engine {
        "dpor" => (300, "interleaving", "states", "that is not by states"),
        _ => (100, "state", "dpor", "by states"),
    };
    let (table, said) = run(
        &format!("check =S3.7 --protocol 3.7 --engine {engine} --executions {most} --save {file}"),
        UNDECIDED,
    );
    assert!(table.contains(&format!("every {every}, ")), "{table}");
    assert_eq!(
        refused(&format!("check --resume {file} --engine {other}")),
        format!(
            "error: {file} keeps an exploration {kept}, which goes on without --states and --engine"
        )
    );
    assert!(table.contains("? undecided"), "{table}");
    assert_eq!(
        said,
        format!("unfinished: 0 of 1 verdict known; `lockwalk check --resume {file}` goes on\n")
    );
    let first = fs::read_to_string(&file).expect("it is kept");
    let (elsewhere, _) =
        run(&format!("check --resume {file} --executions {most} --save {file}.2"), UNDECIDED);
    assert!(elsewhere.contains(&format!("every {every}, ")), "{elsewhere}");
    assert!(
        elsewhere.contains("? undecided")
            && fs::read_to_string(&file).expect("still there") == first,
        "{elsewhere}"
    );
    // On one thread states are counted as if it had not been stopped.
    let resume = format!("check =S3.7 --protocol 3.7 --resume {file}.2 --jobs 1 --format json");
    let resumed = outcomes(&resume);
    let at_once = format!("check =S3.7 --protocol 3.7 --engine {engine} --jobs 1 --format json");
    assert_eq!(resumed, outcomes(&at_once));
    assert_eq!(
        outcomes(&format!("check --resume {file}.2 --format json")),
        resumed,
        "what is settled is only shown"
    );
    assert_eq!(
        fs::read_dir(&directory).expect("a directory").count(),
        2,
        "nothing temporary is left"
    );
}

/// What makes no sense under the protocol is kept as that, and the others are explored; if nothing
/// is left, it is refused.
#[test]
fn what_is_not_applicable_is_kept_and_passed_by() {
    let directory = directory("inapplicable");
    let file = |name: &str| directory.join(name).display().to_string();
    let asked = "check =S3.1 =S4.2 --protocol rmap-10 --engine dpor";
    let whole = outcomes_and(&format!("{asked} --format json"), 0);
    let why = |outcome: &Outcome| outcome.coverage.inapplicable().map(str::to_owned);
    assert!(why(&whole[0]).is_some() && why(&whole[1]).is_none(), "{whole:#?}");
    let saved = file("s.json");
    assert_eq!(outcomes(&format!("{asked} --format json --save {saved}")), whole);
    assert_eq!(
        outcomes(&format!("check --resume {saved} --format json")),
        whole,
        "it stays settled"
    );
    for n in 1..=2 {
        good(&format!("{asked} --shard {n}/2 --save {}", file(&n.to_string())));
    }
    let merged = outcomes(&format!("merge {} {} --format json", file("1"), file("2")));
    assert_eq!(
        merged.iter().map(why).collect::<Vec<_>>(),
        whole.iter().map(why).collect::<Vec<_>>()
    );
    assert_eq!(merged[1].verdict(), whole[1].verdict());
    let (_, line) = run(
        &format!("check =S3.1 --protocol rmap-10 --engine dpor --save {}", file("none.json")),
        2,
    );
    assert!(line.starts_with("error: S3.1 under rmap-10: not applicable: "), "{line}");
    for n in 1..=2 {
        let shard = file(&format!("none-{n}.json"));
        let alone = format!("check =S3.1 --protocol rmap-10 --engine dpor --shard {n}/2");
        let (_, line) = run(&format!("{alone} --save {shard}"), 2);
        assert!(line.starts_with("error: S3.1 under rmap-10: not applicable: "), "{line}");
    }
    let merge = format!("merge {} {}", file("none-1.json"), file("none-2.json"));
    let (_, line) = run(&merge, 2);
    assert!(line.starts_with("error: S3.1 under rmap-10: not applicable: "), "{line}");
}

/// Whoever has opened a file for us may go on with it: it is not ours to replace, and what is added
/// to it damages it.
#[cfg(target_os = "linux")]
#[test]
fn what_somebody_has_opened_is_not_gone_on_with() {
    let directory = directory("opened");
    let saved = directory.join("s.json");
    good(&format!("check =S3.1 --engine dpor --save {}", saved.display()));
    let before = fs::read(&saved).expect("it is there");
    let pipe = directory.join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("it starts").success());
    for opened in ["/dev/stdin", "/proc/self/fd/0", "-", &pipe] {
        let output = lockwalk(&format!("check --resume {opened}"))
            .stdin(fs::File::open(&saved).expect("it is there"))
            .output()
            .expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{opened}: {stderr}");
        assert!(stderr.ends_with(" can be kept in: --save names one\n"), "{stderr}");
        assert_eq!(fs::read(&saved).expect("it is there"), before, "{opened}");
    }
}

/// The text as if it had been written so.
fn sealed(text: &str) -> String {
    let text = format!("{text}\n");
    let sum = crc32fast::hash(text.as_bytes());
    format!("{text}{{\"crc32\":\"{sum:08x}\"}}\n")
}

#[test]
fn files_that_cannot_be_gone_on_with_are_refused() {
    let directory = directory("refused");
    let path = |name: &str| directory.join(name).display().to_string();
    let file = path("s.json");
    good(&format!("check =S3.1 --protocol 2.6.36 --engine dpor --save {file}"));
    let kept = fs::read_to_string(&file).expect("it is kept");
    let build = lockwalk::Part::BUILD;
    let body = kept.lines().next().expect("what it keeps");
    for (name, text) in [
        ("empty.json", String::new()),
        ("half.json", kept[..kept.len() / 2].into()),
        ("foreign.json", "{\"name\": \"lockwalk\"}".into()),
        ("newer.json", sealed(&body.replace("exploration 4", "exploration 5"))),
        ("first.json", body.replace("exploration 4", "exploration 1") + "\n"),
        ("older.json", sealed(&body.replace(build, "0.0.9-0a0b0c0d"))),
        ("changed.json", kept.replace("\"executions\":6", "\"executions\":7")),
        (
            "garbled.json",
            sealed(&body.replace("\"done\"", "{\"at\":\"dpor exploration 1\\nend\\n\"}")),
        ),
        ("renamed.json", sealed(&body.replace("\"S3.1\"", "\"S9.9\""))),
        ("none.json", sealed("{\"lockwalk\":\"exploration 4\",\"bytes\":2,\"parts\":[]}")),
    ] {
        fs::write(directory.join(name), text).expect("writable");
    }
    for (args, says) in [
        (format!("check --resume {}", path("empty.json")), "empty.json: it is empty"),
        (
            format!("check --resume {}", path("half.json")),
            "half.json: it is damaged: its end is missing",
        ),
        (
            format!("check --resume {}", path("foreign.json")),
            "it is not an exploration that `lockwalk check --save` wrote",
        ),
        (
            format!("check --resume {}", path("newer.json")),
            "it is of format 5, and this lockwalk reads format 4",
        ),
        (
            format!("check --resume {}", path("first.json")),
            "it is of format 1, and this lockwalk reads format 4",
        ),
        (
            format!("check --resume {}", path("older.json")),
            "older.json: it was begun by lockwalk 0.0.9-0a0b0c0d, and this is ",
        ),
        (
            format!("merge {}", path("older.json")),
            "older.json: it was begun by lockwalk 0.0.9-0a0b0c0d, and this is ",
        ),
        (
            format!("check --resume {}", path("changed.json")),
            "changed.json: it is damaged: its checksum does not fit",
        ),
        (
            format!("merge {}", path("changed.json")),
            "changed.json: it is damaged: its checksum does not fit",
        ),
        (
            format!("check --resume {}", path("garbled.json")),
            "where the scheduler stands cannot be read: ",
        ),
        (format!("check --resume {}", path("renamed.json")), "no race is called 'S9.9' any more"),
        (format!("check --resume {}", path("none.json")), "nothing is in it"),
        (
            format!("check --resume {}", path("s.jsn")),
            &format!("No such file or directory (os error 2); did you mean '{file}'?"),
        ),
        (
            format!("check --resume {}", directory.display()),
            " is no file that an exploration can be kept in: --save names one",
        ),
        (
            "check --resume -".into(),
            "- is no file that an exploration can be kept in: --save names one",
        ),
        (format!("check --resume - --save {}", path("new.json")), "cannot read -: it is empty"),
        (
            format!("check --resume /dev/zero --save {}", path("new.json")),
            "cannot read /dev/zero: it is not an exploration",
        ),
        (
            format!("check S3.1 --save {file}"),
            "s.json keeps an exploration that is finished: `lockwalk check --resume ",
        ),
        (
            format!("check --resume {file} --save {}", path("foreign.json")),
            "foreign.json keeps something else: --force begins anew",
        ),
        (
            "check S3.1 --force".into(),
            "the following required arguments were not provided: --save <FILE>",
        ),
        (
            format!("check =S3.1 --protocol 2.6.34 --resume {file}"),
            "keeps S3.1 under 2.6.36, which is not asked for",
        ),
        (
            format!("check =S3.1 =S3.2 --protocol 2.6.36 --resume {file}"),
            "does not keep S3.2 under 2.6.36",
        ),
        (format!("merge {file}"), "S3.1 under 2.6.36 is not a shard"),
        (format!("check S3.1 --save {}", path("no/such/s.json")), "cannot write "),
        (format!("check S3.1 --save {}", directory.display()), "is a directory"),
        (
            "check S3.1 --engine loom --save x".into(),
            "error: --save is for --engine dpor and states, not for loom",
        ),
        (
            "check S3.1 --shard 1/3".into(),
            "the following required arguments were not provided: --save <FILE>",
        ),
        (
            "check --shard 0/3 --save x".into(),
            "invalid value '0/3' for '--shard <I/N>': they count from 1/3 to 3/3",
        ),
        (
            "check --shard 4/3 --save x".into(),
            "invalid value '4/3' for '--shard <I/N>': they count from 1/3 to 3/3",
        ),
        (format!("check --shard 1/3 --resume {file}"), "cannot be used with"),
        ("merge".into(), "the following required arguments were not provided: <FILE>..."),
    ] {
        // Which engine is the default depends on the build.
        let args = if args.starts_with("check") && !args.contains("--engine") {
            args + " --engine dpor"
        } else {
            args
        };
        let line = refused(&args);
        assert!(line.contains(says), "lockwalk {args}: {line}");
    }
    assert_eq!(fs::read_to_string(&file).expect("it is still there"), kept);
    assert_eq!(
        fs::read_dir(&directory).expect("a directory").count(),
        11,
        "nothing is written by what is refused"
    );
}

/// What an exploration has found is not thrown away because somebody says the same thing again.
#[test]
fn an_unfinished_exploration_is_not_discarded() {
    let directory = directory("discarded");
    let file = directory.join("s.json").display().to_string();
    let begin = format!("check =S3.7 --protocol 3.7 --engine dpor --executions 100 --save {file}");
    run(&begin, UNDECIDED);
    let kept = fs::read_to_string(&file).expect("it is kept");
    let line = refused(&begin);
    let expected = format!(
        "error: {file} keeps an exploration that is not finished: `lockwalk check --resume \
         {file}` goes on with it, --force begins anew"
    );
    assert_eq!((line, fs::read_to_string(&file).expect("still there")), (expected, kept.clone()));
    run(&format!("{begin} --force"), UNDECIDED);
    assert!(fs::read_to_string(&file).expect("still there").starts_with("{\"lockwalk\":"));
    // The same file is not another one.
    run(
        &format!(
            "check --resume {file} --executions 1 --save {}/../discarded/s.json",
            directory.display()
        ),
        UNDECIDED,
    );
    good(&format!("check --resume {file}"));
}

/// Not left behind if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that is killed leaves what it had explored a little while ago, and as long as it lives
/// the file is its own.
#[cfg(unix)]
#[test]
fn what_is_killed_can_be_gone_on_with() {
    let directory = directory("killed");
    let file = directory.join("s.json");
    let name = file.display().to_string();
    // Nobody waits for the end of this one.
    let begin =
        format!("check =S0.10/progress --protocol 5.19 --engine dpor --jobs 2 --save {name}");
    let explored = || {
        Part::read(&*fs::read(&file).ok()?)
            .expect("it is never half-written")
            .first()
            .map(Part::spent)
    };
    let wait_for = |least: u64| {
        let begun = Instant::now();
        while explored().is_none_or(|spent| spent < least) {
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is kept");
            std::thread::sleep(Duration::from_millis(20));
        }
        explored().unwrap_or_default()
    };
    let child = Killed(lockwalk(&begin).stdout(Stdio::null()).spawn().expect("it starts"));
    assert_eq!(wait_for(0), 0, "it is there from the beginning");
    for other in
        [format!("{begin} --force --executions 1"), format!("check --resume {name} --executions 1")]
    {
        assert_eq!(
            refused(&other),
            format!("error: cannot write {name}: another lockwalk keeps its exploration there")
        );
    }
    let spent = wait_for(1);
    drop(child);
    lockwalk(&format!("check --resume {name} --executions 5")).output().expect("it starts");
    assert!(explored().is_some_and(|now| now >= spent + 5), "{spent}, {:?}", explored());
}

/// A pipe is written to once, and what came through one is gone on with.
#[cfg(unix)]
#[test]
fn explorations_go_through_pipes() {
    use std::io::Write;
    let directory = directory("pipes");
    let file = directory.join("s.json").display().to_string();
    let (saved, said) = run(
        "check =S3.7 --protocol 3.7 --engine dpor --executions 100 --format lines --save -",
        UNDECIDED,
    );
    assert_eq!(saved.lines().count(), 2, "once: {saved}");
    assert!(said.starts_with("S3.7"), "verdicts are told beside it: {said}");
    let mut child = lockwalk(&format!("check --resume - --save {file} --format lines"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("it is piped").write_all(saved.as_bytes()).expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let whole = outcomes("check =S3.7 --protocol 3.7 --engine dpor --format json");
    assert_eq!(outcomes(&format!("check --resume {file} --format json")), whole);
}

/// Waits until the process has said what it does when it is interrupted or told to terminate.
#[cfg(unix)]
pub fn listens(process: u32) {
    let caught = || {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let signals = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        signals.and_then(|signals| u64::from_str_radix(signals, 16).ok()).unwrap_or_default()
    };
    let both = 1 << (2 - 1) | 1 << (15 - 1);
    for _ in 0..if cfg!(target_os = "linux") { 1_000 } else { 30 } {
        if caught() & both == both {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ctrl-C keeps what was explored, and so does being told to terminate, as a batch system does it.
#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_was_explored() {
    let directory = directory("interrupted");
    let large = "check =S3/munmap --protocol 2.6.33 --engine dpor";
    let whole = outcomes(&format!("{large} --format json"));
    for (signal, name) in [("-INT", "int.json"), ("-TERM", "term.json")] {
        let file = directory.join(name).display().to_string();
        let mut command = lockwalk(&format!("{large} --jobs 1 --save {file}"));
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        listens(child.id());
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(
            Command::new("kill")
                .args([signal, &child.id().to_string()])
                .status()
                .expect("kill(1)")
                .success()
        );
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(
            stderr.starts_with("stopped: ")
                && stderr.ends_with(&format!("; `lockwalk check --resume {file}` goes on\n")),
            "{stderr}"
        );
        let resumed = outcomes(&format!("check --resume {file} --format json"));
        assert!(resumed.len() == 1 && resumed.iter().all(Outcome::as_documented));
        assert_eq!(resumed, whole, "in two parts or in one");
    }
}

/// Whoever is told to terminate at the very beginning has put nothing half-written beside the file.
#[cfg(unix)]
#[test]
fn who_is_interrupted_at_once_leaves_nothing_beside_the_file() {
    let directory = directory("interrupted-at-once");
    let file = directory.join("s.json").display().to_string();
    for n in 0..40 {
        let _ = fs::remove_file(&file);
        let mut command = lockwalk(&format!("check =S3.1 --engine dpor --save {file}"));
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(n));
        let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        child.wait().expect("it ends");
        for left in fs::read_dir(&directory).expect("a directory") {
            assert_eq!(left.expect("a file").file_name(), "s.json", "after {n} ms");
        }
    }
}
