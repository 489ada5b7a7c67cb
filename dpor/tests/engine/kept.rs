//! Searches by states that are stopped, kept, and gone on with: what is kept is true and whole, and
//! what is not theirs is refused. That nothing is lost show the random programs of `states.rs`, a
//! third of which is searched in slices.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::Lock;
use crate::common::check::{explore, in_slices};
use crate::common::program::{Flavour, Program};
use crate::parallel::{damaged_is_refused, made_up_is_refused};
use crate::states::tries;
use dpor::{Access, Budget, Explorer, Memory, Report, Saved, Strategy, Unfinished};

fn states() -> Explorer {
    Explorer::new(Strategy::States)
}

fn at_most(executions: u64) -> Budget {
    Budget { executions: Some(executions), time: None }
}

/// The first random program with so many executions by states.
fn program(executions: u64) -> (Program, Report) {
    (1..)
        .map(|seed| Program::random(seed, Flavour::Semaphore))
        .map(|program| (explore(&program, states(), None).0, program))
        .find(|(report, _)| report.executions >= executions)
        .map(|(report, program)| (program, report))
        .expect("there are such programs")
}

fn lines<'t>(text: &'t str, what: &str) -> impl Iterator<Item = &'t str> {
    text.lines().filter(move |line| line.split(' ').next() == Some(what))
}

/// Something is known, and two threads have left a path.
fn stopped() -> Saved {
    let (program, _) = program(60);
    let explorer = states().jobs(2).in_turns(3);
    let saved = explore(&program, explorer, Some(20)).0.saved.expect("it can go on");
    let text = saved.to_string();
    let count = |what| lines(&text, what).count();
    assert!(count("known") > 3 && count("path") == 2 && count("on") > 6, "{text}");
    saved
}

/// Two tasks try until they get the same two locks.
fn try_both() {
    let locks = [Lock::new(), Lock::new()];
    let named = locks.clone();
    dpor::name_state(move |digest| named.iter().for_each(|lock| digest.put(lock.peek().into())));
    let tries = move || {
        let own = dpor::object();
        for lock in &locks {
            loop {
                dpor::round(0, || 0);
                if lock.try_lock() {
                    break;
                }
            }
            dpor::rounds_end(0);
            lock.unlock();
            dpor::step(own, Access::Write);
        }
    };
    let task = dpor::spawn("other", tries.clone());
    tries();
    task.join();
}

/// And where executions need not end.
fn stopped_going_round() -> Saved {
    let saved = states().budget(at_most(10)).run(try_both).saved.expect("it can go on");
    let text = saved.to_string();
    let count = |what| lines(&text, what).count();
    let goes_round = count("node") > 3 && count("goes-round") == 1;
    assert!(goes_round && count("alone") > 0 && count("passage") > 3, "{text}");
    saved
}

/// What was found before counts, where nobody has gone on with it yet.
#[test]
fn who_has_not_begun_knows_how_many_there_are() {
    let saved = stopped_going_round();
    let nodes = lines(&saved.to_string(), "node").count() as u64;
    let report = states().budget(at_most(0)).resume(saved).run(try_both);
    assert!(!report.exhausted && report.states == nodes, "{nodes}: {report} {}", report.states);
}

#[test]
fn damaged_states_are_refused() {
    damaged_is_refused(&stopped());
    damaged_is_refused(&stopped_going_round());
}

/// No number in it leads to where nothing is.
#[test]
fn made_up_states_are_refused() {
    let all = [stopped(), stopped_going_round()].map(|saved| saved.to_string());
    for text in &all {
        let (text, _) = text.rsplit_once("end ").expect("it has a checksum");
        let nodes = lines(text, "node").next().is_some();
        for what in ["thread", "held", "later", "after"] {
            // All of them are gone, and what tells their numbers is left.
            let rest: Vec<_> = text.lines().filter(|line| !line.starts_with(what)).collect();
            if what == "thread" || !nodes {
                made_up_is_refused(&(rest.join("\n") + "\n"));
            }
        }
        for (what, made_up) in [
            ("known", "known 1 1 4000000000 -"),
            ("known", "known 1 1 0 31"),
            ("known", "known 1 1 0 - 3f -"),
            ("known", "known 1 1 0 - 21"),
            ("later", "later 30 0:0 Read Reader --- 0"),
            ("later", "later 0 0:0 Read Reader --- 4000000000"),
            ("after", "after 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1"),
            ("on", "on Known 0 0 - - - 0"),
            ("on", "on New 0 0 - - - 4000000000"),
            ("states", "states 1 18446744073709551615"),
            ("node", "node 1 1 0 0 7000:0 9 - - - -"),
            ("node", "node 1 1 0 0 0:0 0 - - - -"),
            ("node", "node 1 1 0 0 - 0 - - - - 0:7000"),
            ("node", "node 1 1 0 0 0:7000 9 - - - -"),
            ("node", "node 1 1 0 0 - 0 - - - - 7000:0"),
            ("node", "node 1 1 0 0 - 0 40 - - -"),
            ("passage", "passage - -"),
            ("passage", "passage 40 - 0:0 Reader"),
            ("passage", "passage 0 40 0:0 Reader"),
            ("passage", "passage 0 - 0:0"),
            ("alone", "alone 40 0:0 Read"),
            ("object", "object 0:0 40 1"),
        ] {
            if let Some(last) = lines(text, what).last() {
                let (before, after) = text.rsplit_once(last).expect("it is there");
                made_up_is_refused(&format!("{before}{made_up}{after}"));
            }
        }
    }
}

/// What was kept goes on as it began.
#[test]
fn others_do_not_go_on_with_it() {
    let unavailable = |report: Report| match report.why_unfinished {
        Some(Unfinished::Unavailable(why)) if !report.exhausted => why,
        _ => panic!("{report}"),
    };
    let dpor = |budget| Explorer::new(Strategy::Dpor).budget(budget).run(tries(true)).saved;
    let by_states = || states().budget(at_most(1)).run(tries(true)).saved.expect("it can go on");
    let why = unavailable(Explorer::new(Strategy::Dpor).resume(by_states()).run(tries(true)));
    assert!(why.contains("saved by states, and does not go on without states"), "{why}");
    let saved = dpor(at_most(1)).expect("it can go on");
    let why = unavailable(states().resume(saved).run(tries(true)));
    assert!(why.contains("saved without states, and does not go on by states"), "{why}");
    let why = unavailable(states().memory(Memory::Tso).resume(by_states()).run(tries(true)));
    assert!(why.contains("Memory::Sc"), "{why}");
}

/// Another program, which does the same at first, is not taken for the one that was kept.
#[test]
fn another_program_is_noticed() {
    let noticed = (0..30)
        .filter(|&number| {
            let program = Program::random(number + 1, Flavour::Locks);
            let other = Program::random(number + 2, Flavour::Locks);
            let (report, _) = explore(&program, states(), Some(1));
            let saved = report.saved.expect("it can go on");
            !saved.is_done() && {
                let (report, _) = explore(&other, states().resume(saved), None);
                report.why_unfinished == Some(Unfinished::Nondeterminism)
            }
        })
        .count();
    assert!(noticed > 3, "{noticed} are noticed");
}

/// A search that is over is over, and says so again.
#[test]
fn what_is_done_stays_done() {
    for jobs in [1, 2] {
        let (program, whole) = program(20);
        let saved = explore(&program, states(), None).0.saved.expect("nothing is left");
        assert!(saved.is_done() && saved.by_states());
        let (again, seen) = explore(&program, states().jobs(jobs).resume(saved), None);
        assert!(again.exhausted && seen.endings.is_empty(), "{again}");
        assert_eq!((again.states, again.executions), (whole.states, whole.executions));
    }
}

/// Whatever the moment, a snapshot has what was found until then, and what is left.
#[test]
fn snapshots_by_states() {
    let (program, whole) = program(40);
    for jobs in [1, 2] {
        let snapshots = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&snapshots);
        let explorer = states()
            .jobs(jobs)
            .on_snapshot(Duration::ZERO, move |saved| sink.lock().unwrap().push(saved.clone()));
        let (report, seen) = explore(&program, explorer, None);
        assert!(report.exhausted, "{report}");
        let snapshots = std::mem::take(&mut *snapshots.lock().unwrap());
        assert!(jobs > 1 || snapshots.len() as u64 == whole.executions, "{}", snapshots.len());
        assert!(!snapshots.is_empty());
        for saved in snapshots.into_iter().step_by(3) {
            let before = saved.executions;
            let (rest, then) = explore(&program, states().resume(saved), None);
            assert!(rest.exhausted && then.endings.is_subset(&seen.endings), "{rest}");
            if jobs == 1 {
                assert_eq!((rest.states, rest.executions), (whole.states, whole.executions));
                assert!(before > 0);
            }
        }
    }
}

/// Also where each slice is run by another number of threads, and where states are forgotten.
#[test]
fn slices_of_other_threads() {
    let (program, whole) = program(60);
    let (_, alone) = explore(&program, states(), None);
    for few in [usize::MAX, 5] {
        let (mut jobs, mut endings) = (0, alone.endings.clone());
        let report = in_slices(states().max_states(few), 50 * whole.executions, |explorer| {
            jobs = jobs % 4 + 1;
            let (report, seen) = explore(&program, explorer.jobs(jobs), Some(7));
            endings.retain(|ending| !seen.endings.contains(ending));
            report
        });
        assert!(report.is_ok() && endings.is_empty(), "{few}: {report:?} lacks {endings:?}");
    }
}

/// Two tasks put their names on a list twice each; another waits in a loop that leads back, or there
/// is none. Then come more steps than there are between two looks at the stop flag. The list is what
/// it comes to.
fn lists(goes_round: bool, begins: impl Fn() + Send + Sync + 'static) -> impl Fn() + Send + Sync {
    move || {
        begins();
        let (lock, list) = (Lock::new(), Rc::new(RefCell::new(Vec::new())));
        let named = (lock.clone(), Rc::clone(&list));
        dpor::name_state(move |digest| {
            digest.put(named.0.peek().into());
            named.1.borrow().iter().for_each(|&name| digest.put(name));
            digest.put(u64::MAX);
        });
        let mut tasks: Vec<_> = (0..2)
            .map(|name| {
                let (lock, list) = (lock.clone(), Rc::clone(&list));
                dpor::spawn("task", move || {
                    for _ in 0..2 {
                        lock.lock();
                        list.borrow_mut().push(name);
                        lock.unlock();
                    }
                })
            })
            .collect();
        if goes_round {
            let lock = lock.clone();
            tasks.push(dpor::spawn("tries", move || {
                loop {
                    dpor::round(0, || 0);
                    if lock.try_lock() {
                        break;
                    }
                }
                lock.unlock();
            }));
        }
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        let own = dpor::object();
        (0..4_200).for_each(|_| dpor::step(own, Access::Write));
        LISTS.with_borrow_mut(|lists| _ = lists.insert(format!("{:?}", list.borrow())));
    }
}

thread_local! {
    static LISTS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// An execution that was left in the middle is gone through again, and so is one that was not
/// begun.
#[test]
fn what_is_left_in_the_middle_is_not_done() {
    for goes_round in [false, true] {
        let whole = states().run(lists(goes_round, || ()));
        let all = LISTS.take();
        assert!(whole.exhausted && all.len() == 6, "{whole}: {all:?}");
        for seed in 0..3 {
            let mut saved: Option<Saved> = None;
            let mut left = 0;
            for after in (0..).map(|nth| (nth + seed) % 4) {
                let stop = Arc::new(AtomicBool::new(after == 0));
                let (flag, begun) = (Arc::clone(&stop), AtomicU64::new(0));
                let begins = move || {
                    if begun.fetch_add(1, Ordering::Relaxed) + 1 == after {
                        flag.store(true, Ordering::Relaxed);
                    }
                };
                let mut explorer = states().stop_flag(stop);
                if let Some(saved) = saved.take() {
                    explorer = explorer.resume(saved);
                }
                let report = explorer.run(lists(goes_round, begins));
                if report.exhausted {
                    assert!(goes_round || report.states == whole.states, "{}", report.states);
                    break;
                }
                left += 1;
                assert!(left < 2_000, "{report}");
                saved = Some(report.saved.expect("it can go on"));
            }
            let lists = LISTS.take();
            assert!(left > 3 && lists == all, "left {left} times: {lists:?}");
        }
    }
}

/// Nothing is lost of a search that is gone on with and stopped before it begins.
#[test]
fn who_does_not_begin_leaves_the_path() {
    let (program, _) = program(60);
    let saved = explore(&program, states(), Some(20)).0.saved.expect("it can go on");
    let stop = Arc::new(AtomicBool::new(true));
    let (report, _) = explore(&program, states().resume(saved.clone()).stop_flag(stop), None);
    let paths = |saved: &Saved| {
        let text = saved.to_string();
        ["path", "on"].map(|what| lines(&text, what).map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(paths(&report.saved.expect("it can go on")), paths(&saved));
}
