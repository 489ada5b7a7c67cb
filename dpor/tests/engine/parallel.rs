//! Threads, shards and pauses do not change what is found.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::{ControlFlow, Range};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::check::explore;
use crate::common::program::{Flavour, Program, env};
use crate::common::{Variant, family};
use dpor::{Access, Budget, Explorer, Saved, Strategy, Unfinished};

/// The seeds of so many programs, unless the environment says otherwise.
fn seeds(default: u64) -> Range<u64> {
    let first = env("DPOR_SEED", 1);
    first..first + env("DPOR_PROGRAMS", default)
}

#[test]
fn any_number_of_jobs_counts_the_same() {
    for jobs in [1, 2, 3, 5] {
        for (variant, t, k, classes) in [
            (Variant::FixedPlain, 3, 2, 630),
            (Variant::NoAssert, 3, 2, 4416),
            (Variant::FixedPlain, 1, 1, 2),
        ] {
            let report = Explorer::new(Strategy::Dpor).jobs(jobs).run(family(variant, 2, t, k));
            assert!(report.exhausted && report.complete == classes, "{jobs} jobs: {report}");
            eprintln!("{jobs} jobs: {report} in {:?}", report.elapsed);
        }
    }
}

#[test]
fn random_programs_in_parts() {
    for seed in seeds(60) {
        for flavour in [Flavour::Locks, Flavour::All, Flavour::Shared, Flavour::Failing] {
            let program = Program::random(seed, flavour);
            let (alone, seen) = explore(&program, Explorer::new(Strategy::Dpor), None);
            let dpor = || Explorer::new(Strategy::Dpor);
            for explorer in [
                dpor().jobs(3),
                dpor().always_give(),
                dpor().shard(0, 1).jobs(2),
                dpor().shard(0, 1).always_give(),
            ] {
                let (report, again) = explore(&program, explorer, None);
                assert_eq!(
                    (alone.complete, alone.failing),
                    (report.complete, report.failing),
                    "seed {seed} {flavour:?}"
                );
                assert_eq!(
                    (&seen.classes, &seen.panics),
                    (&again.classes, &again.panics),
                    "seed {seed} {flavour:?}"
                );
                assert!(
                    report.saved.is_some_and(|saved| saved.is_done())
                        || report.why_unfinished.is_some()
                );
                assert_eq!(
                    (&seen.endings, &seen.failures),
                    (&again.endings, &again.failures),
                    "seed {seed} {flavour:?}"
                );
            }
        }
    }
}

#[test]
fn threads_take_part() {
    let workers = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&workers);
    let explorer = Explorer::new(Strategy::Dpor).jobs(3).on_execution(move |_| {
        seen.lock().unwrap().insert(thread::current().id());
        ControlFlow::Continue(())
    });
    let report = explorer.run(family(Variant::FixedPlain, 2, 3, 3));
    assert!(report.exhausted && report.complete == 16_800, "{report}");
    assert!(workers.lock().unwrap().len() > 1, "one thread did everything");
}

/// By hand: `cargo test -p dpor --test engine parallel -- --ignored --nocapture`.
#[test]
#[ignore = "takes seconds"]
fn speed_of_jobs() {
    for jobs in [1, 2] {
        let report =
            Explorer::new(Strategy::Dpor).jobs(jobs).run(family(Variant::FixedPlain, 2, 3, 4));
        eprintln!("{jobs} jobs: {report} in {:?}", report.elapsed);
        assert_eq!(report.complete, 450_450);
    }
}

#[test]
fn shards_add_up() {
    for shards in [1, 2, 3, 7] {
        let saved: Vec<Saved> = (0..shards)
            .map(|shard| {
                let report = Explorer::new(Strategy::Dpor).shard(shard, shards).run(family(
                    Variant::Buggy,
                    2,
                    3,
                    1,
                ));
                assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Shard));
                report.saved.unwrap().to_string().parse().unwrap()
            })
            .collect();
        let merged = Saved::merge(&saved).unwrap();
        let alone = Explorer::new(Strategy::Dpor).run(family(Variant::Buggy, 2, 3, 1));
        assert_eq!(merged.failures[0].0, alone.failures[0].kind.class());
        assert_eq!((merged.complete, merged.failing), (alone.complete, alone.failing));
        assert!(Saved::merge(&saved[1..]).is_err() || shards == 1);
        let fixed: Vec<Saved> = (0..shards)
            .map(|shard| {
                let explorer =
                    Explorer::new(Strategy::Dpor).shard(shard, shards).jobs(1 + shard as usize % 2);
                explorer.run(family(Variant::NoAssert, 2, 3, 1)).saved.unwrap()
            })
            .collect();
        assert_eq!(Saved::merge(&fixed).unwrap().complete, 144);
    }
}

/// Whoever finds what is sought may have nothing left, while another is in the middle of something:
/// that it was found is what both say.
#[test]
fn what_was_found_is_not_forgotten() {
    let report = Explorer::new(Strategy::Dpor).jobs(2).stop_at_first(true).run(|| {
        let (first, others) = (dpor::object(), dpor::object());
        let said = Rc::new(Cell::new(0));
        let race = [1, 2].map(|number| {
            let said = Rc::clone(&said);
            dpor::spawn("race", move || {
                dpor::step(first, Access::Write);
                said.set(said.get() * 10 + number);
            })
        });
        race.into_iter().for_each(dpor::JoinHandle::join);
        assert_eq!(said.get(), 12, "what is given away, as a whole");
        std::thread::sleep(Duration::from_millis(10));
        let rest = [(); 3].map(|()| dpor::spawn("rest", move || dpor::step(others, Access::Write)));
        rest.into_iter().for_each(dpor::JoinHandle::join);
    });
    assert!(!report.exhausted && report.failing == 1, "{report}");
    assert_eq!(report.why_unfinished, Some(Unfinished::Found), "{report}");
}

#[test]
fn stopping_and_going_on_changes_nothing() {
    for (jobs, slice) in [(1, 1), (1, 37), (2, 50)] {
        let mut saved: Option<Saved> = None;
        let mut slices = 0;
        loop {
            let mut explorer = Explorer::new(Strategy::Dpor).jobs(jobs);
            explorer = explorer.budget(Budget { executions: Some(slice), time: None });
            if let Some(saved) = saved.take() {
                explorer = explorer.resume(saved.to_string().parse().unwrap());
            }
            let report = explorer.run(family(Variant::FixedPlain, 2, 2, 2));
            let state = report.saved.clone().unwrap();
            assert_eq!(state.to_string().parse::<Saved>().unwrap(), state);
            slices += 1;
            if report.exhausted {
                assert_eq!(report.complete, 30, "{report}");
                break;
            }
            assert!(report.why_unfinished == Some(Unfinished::Executions) && !state.is_done());
            assert!(slices < 200);
            saved = Some(state);
        }
        assert!(slices > 1 || slice > 30);
    }
}

#[test]
fn never_exhausted_when_stopped() {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let explorer = Explorer::new(Strategy::Dpor)
        .jobs(2)
        .stop_flag(stop)
        .on_progress(move |_| flag.store(true, Ordering::Relaxed));
    let report = explorer.run(family(Variant::FixedPlain, 2, 3, 4));
    assert!(
        !report.exhausted
            && report.why_unfinished == Some(Unfinished::Stopped)
            && report.frontier > 0,
        "{report}"
    );
    let budget = Budget { executions: None, time: Some(Duration::from_millis(20)) };
    let report =
        Explorer::new(Strategy::Dpor).budget(budget).run(family(Variant::FixedPlain, 2, 3, 4));
    assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Time), "{report}");
}

/// A search that was stopped in the middle, in which something was found.
fn stopped() -> Saved {
    let saved = Explorer::new(Strategy::Dpor)
        .stop_at_first(true)
        .run(family(Variant::Buggy, 2, 2, 1))
        .saved
        .unwrap();
    assert!(!saved.is_done() && !saved.failures.is_empty());
    saved
}

#[test]
fn damaged_saves_are_refused() {
    damaged_is_refused(&stopped());
}

/// Whatever is changed in its text, and whatever is missing.
pub fn damaged_is_refused(saved: &Saved) {
    let text = saved.to_string();
    assert_eq!(text.parse::<Saved>().as_ref(), Ok(saved));
    assert_eq!(
        text.replace('\n', "\r\n").parse::<Saved>().as_ref(),
        Ok(saved),
        "line ends do not matter"
    );
    let refused = |text: &str, what: &str| {
        let error = text.parse::<Saved>().expect_err(what).to_string();
        assert!(
            error.starts_with("saved exploration: ")
                && error.lines().count() == 1
                && error.len() < 100,
            "{what}: {error}"
        );
        error
    };
    for (at, letter) in text.char_indices().filter(|(_, letter)| *letter != '\n') {
        for other in ['0', '1', '7', '-', 'x', ' '].into_iter().filter(|&other| other != letter) {
            let damaged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            // What ends in blanks ends there.
            if damaged.trim_end() != text.trim_end() {
                refused(&damaged, &format!("{other:?} for byte {at}"));
            }
        }
    }
    for end in (0..text.len() - 1).filter(|&end| text.is_char_boundary(end)) {
        refused(&text[..end], &format!("cut after {end}"));
    }
    let lines: Vec<&str> = text.lines().collect();
    for left_out in 0..lines.len() {
        let rest: Vec<&str> = lines
            .iter()
            .enumerate()
            .filter(|(line, _)| *line != left_out)
            .map(|(_, line)| *line)
            .collect();
        refused(&rest.join("\n"), &format!("without line {left_out}"));
    }
    assert!(refused(&format!("{text}more\n"), "a line more").contains("damaged"));
    assert!(
        refused(&text.replace("exploration 7", "exploration 6"), "another version")
            .contains("format 6, and only format 7")
    );
    for nothing in ["", "{}", "dpor exploration 7", "dpor exploration three\n"] {
        refused(nothing, nothing);
    }
}

/// The checksum of a text that was made up is right as well.
#[test]
fn made_up_saves_are_refused() {
    for lines in [
        "depth x",
        "memory Rc11",
        "left 1",
        "left 0\nstate 0 - - -",
        "left 1\nstack 0\nstate 0 4294967295 - -",
        "left 0\nshard 3 3",
        "left 0\nshard 0 0",
    ] {
        made_up_is_refused(&format!("dpor exploration 7\n{lines}\n"));
    }
}

/// All but the checksum.
pub fn made_up_is_refused(text: &str) {
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let error = format!("{text}end {sum:016x}\n").parse::<Saved>().expect_err(text).to_string();
    assert!(
        error.contains("makes no sense") || error.contains("not everything"),
        "{text}: {error}"
    );
}

/// Whatever the moment, a snapshot has what was found until then, and what is left.
#[test]
fn snapshots_are_exact() {
    for seed in seeds(24) {
        for flavour in [Flavour::Locks, Flavour::All, Flavour::Shared, Flavour::Failing] {
            let program = Program::random(seed, flavour);
            let (alone, seen) = explore(&program, Explorer::new(Strategy::Dpor), Some(2_000));
            if !alone.exhausted {
                continue;
            }
            for jobs in [1, 2, 3] {
                let snapshots = Arc::new(Mutex::new(Vec::new()));
                let sink = Arc::clone(&snapshots);
                let explorer = Explorer::new(Strategy::Dpor).jobs(jobs).on_snapshot(
                    Duration::ZERO,
                    move |saved| {
                        sink.lock().unwrap().push(saved.to_string());
                    },
                );
                let (report, _) = explore(&program, explorer, None);
                assert!(
                    report.exhausted && report.complete == alone.complete,
                    "seed {seed} {flavour:?}: {report}"
                );
                let snapshots = std::mem::take(&mut *snapshots.lock().unwrap());
                assert!(
                    jobs > 1 || snapshots.len() as u64 == alone.executions,
                    "{} of {}",
                    snapshots.len(),
                    alone.executions
                );
                let chosen =
                    snapshots.iter().step_by(1 + snapshots.len() / 5).chain(snapshots.last());
                for snapshot in chosen {
                    let saved: Saved = snapshot.parse().unwrap();
                    let before = saved.complete - saved.failing;
                    let (rest, seen_then) = explore(
                        &program,
                        Explorer::new(Strategy::Dpor).jobs(4 - jobs).resume(saved),
                        None,
                    );
                    assert!(
                        rest.exhausted && rest.complete == alone.complete,
                        "seed {seed} {flavour:?} {jobs} jobs: {rest}"
                    );
                    assert_eq!(
                        rest.failing, alone.failing,
                        "seed {seed} {flavour:?} {jobs} jobs: {rest}"
                    );
                    if seen.panics.is_empty() && alone.failing == 0 {
                        assert_eq!(
                            seen_then.classes.len() as u64,
                            alone.complete - before,
                            "each class is run once"
                        );
                    }
                }
            }
        }
    }
}

/// A search that is ended while somebody waits for a snapshot does not wait for ever, and one that
/// is not for everybody has none.
#[test]
fn snapshots_and_ends() {
    for jobs in [1, 2, 3] {
        for executions in [1, 2, 10, 100] {
            let budget = Budget { executions: Some(executions), time: None };
            let explorer = Explorer::new(Strategy::Dpor)
                .jobs(jobs)
                .budget(budget)
                .on_snapshot(Duration::ZERO, |saved| assert!(!saved.is_done()));
            let report = explorer.run(family(Variant::FixedPlain, 2, 3, 3));
            assert!(
                report.why_unfinished == Some(Unfinished::Executions)
                    && report.saved.is_some_and(|saved| !saved.is_done())
            );
        }
    }
    let explorer = Explorer::new(Strategy::Random { seed: 1, iterations: 10 })
        .on_snapshot(Duration::ZERO, |_| panic!("a sample has no rest"));
    assert_eq!(explorer.run(family(Variant::FixedPlain, 2, 1, 1)).executions, 10);
}

/// An explorer that was cloned is another.
#[test]
fn clones_do_not_share_their_limits() {
    let explorer = Explorer::new(Strategy::Dpor).budget(Budget { executions: Some(3), time: None });
    for _ in 0..2 {
        let report = explorer.clone().run(family(Variant::FixedPlain, 2, 2, 2));
        assert!(
            report.executions == 3 && report.why_unfinished == Some(Unfinished::Executions),
            "{report}"
        );
    }
}
