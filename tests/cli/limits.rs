//! What a limit makes of a verdict, and of its numbers.

use std::process::Stdio;
use std::time::{Duration, Instant};

use lockwalk::Outcome;
use lockwalk::witness::{Coverage, Verdict};

use super::{GONE, good, lockwalk, outcomes_and, outcomes_in, run};

/// The numbers of an outcome are possible ones.
#[track_caller]
fn adds_up(outcome: &Outcome) {
    assert!(outcome.violating <= outcome.executions, "{outcome:?}");
    for violation in &outcome.violations {
        assert!(violation.count <= outcome.violating, "{outcome:?}");
    }
    assert_eq!(outcome.violating > 0, !outcome.violations.is_empty(), "{outcome:?}");
}

#[test]
fn executions_are_counted_once() {
    // A livelock, which the scheduler finds; two clauses in one execution; and a deadlock.
    for race in ["=S3.4", "=S3.1", "=S3.3/walkers"] {
        for engine in [
            "--engine dpor",
            "--engine random --iterations 300",
            "--engine pct --iterations 300",
            "--engine loom --executions 400",
        ] {
            let json = lockwalk(&format!("check {race} {engine} --format json"))
                .output()
                .expect("it starts")
                .stdout;
            for mut outcome in outcomes_in(&String::from_utf8_lossy(&json)) {
                outcome.violations = without_order(&outcome);
                adds_up(&outcome);
            }
        }
    }
    let table = lockwalk("check =S3.4 --engine random --iterations 300")
        .output()
        .expect("it starts")
        .stdout;
    let table = String::from_utf8_lossy(&table);
    assert!(!table.contains(" of 0 executions"), "{table}");
}

/// ORDER-1 is violated by executions together, not by one of them.
fn without_order(outcome: &Outcome) -> Vec<lockwalk::witness::Count> {
    outcome.violations.iter().filter(|violation| violation.name != "ORDER-1").cloned().collect()
}

#[test]
fn a_sample_that_is_cut_short_is_a_smaller_one() {
    for engine in ["random --seed 3 --iterations 1000000000", "native --iterations 1000000000"] {
        let held = outcomes_and(
            &format!("check =S3.7 --protocol 3.7 --engine {engine} --time 300ms --format json"),
            3,
        );
        let Coverage::Sampled { how } = &held[0].coverage else { panic!("{held:?}") };
        assert!(how.contains(": the time is over") || how.contains(": stopped after "), "{how}");
        assert!(held[0].verdict() == Verdict::NotSeen && held[0].executions > 0, "{held:?}");
    }
    // Whether it finds the violation in so short a time or not, it contradicts nothing: where it
    // should hold, it sees nothing.
    let (table, _) = run("check =S3.8/up --engine random --iterations 1000000000 --time 50ms", 3);
    assert!(!table.contains("documented to hold"), "{table}");
}

/// Without a bound, and with each of three.
#[test]
fn loom_shares_its_limits_among_its_bounds() {
    let cut = |limit: &str| {
        let race = "=S3.13/two --protocol 2.6.36+move_mapping=count+swapin_recheck=entry";
        outcomes_and(&format!("check {race} --engine loom --format json {limit}"), 3).remove(0)
    };
    for executions in [1, 2, 8] {
        let outcome = cut(&format!("--executions {executions}"));
        let why = format!(
            "stopped after {executions} executions, {} of them within 1 preemption",
            outcome.executions
        );
        assert_eq!(
            (outcome.verdict(), outcome.executions),
            (Verdict::Undecided(why), executions / 4)
        );
    }
    let outcome = cut("--time 40ms");
    assert!(
        outcome.seconds < 2.0 && matches!(outcome.verdict(), Verdict::Undecided(_)),
        "{outcome:?}"
    );
}

/// A violation needs one preemption there; loom, which leaves out interleavings around a yield,
/// does not find it.
#[test]
fn loom_says_what_it_leaves_out() {
    let (lines, _) = run("check =S0.6/late-claim --engine loom --executions 40 --format lines", 3);
    for line in lines.lines().filter(|line| line.contains("Never")) {
        assert!(line.contains("what loom tries around a yield "), "{lines}");
    }
    let unbounded = good("check =S0.3 --protocol 2.6.29 --engine loom");
    assert!(
        unbounded.contains("✓ never within what loom explores")
            && unbounded.contains("held as far as explored"),
        "{unbounded}"
    );
}

/// Who reads the first lines only does not have the rest computed, which would take minutes.
#[cfg(unix)]
#[test]
fn a_reader_that_left_ends_the_run() {
    use std::io::{BufRead, BufReader};
    let mut command = lockwalk("check --engine random --jobs 1 --format lines");
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("S0.1"), "{line}");
    let left = Instant::now();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), &*output.stderr), (Some(GONE), &b""[..]));
    assert!(left.elapsed() < Duration::from_secs(20), "{:?}", left.elapsed());
}

/// "Always" is said where nothing is left, whatever engine says that; "sometimes" where something
/// was seen to hold.
#[test]
fn every_engine_means_the_same_by_its_words() {
    let word = |engine: &str| {
        let args =
            format!("check =S0.6/pagevec --protocol 2.6.11 --format lines --engine {engine}");
        let line = good(&args);
        let (_, after) = line.split_once("2.6.11  ").expect("the protocol");
        after.split_once(" 1/1").unwrap_or_else(|| panic!("{line}")).0.to_owned()
    };
    for engine in ["dpor", "states", "dfs"] {
        assert_eq!(word(engine), "Always", "{engine}");
    }
    for engine in ["loom", "random", "native --iterations 1"] {
        assert_eq!(word(engine), "Sometimes or always", "{engine}");
    }
}
