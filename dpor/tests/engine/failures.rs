//! Failing, tearing down, data races, nondeterminism, replay.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::{Lock, Variant, Word, family};
use dpor::{Access, Explorer, FailureKind, Strategy, Unfinished};

const STRATEGIES: [Strategy; 6] = [
    Strategy::Dpor,
    Strategy::Dfs,
    Strategy::Random { seed: 3, iterations: 200 },
    Strategy::Pct { seed: 3, depth: 3, iterations: 200 },
    Strategy::Urw { seed: 3, iterations: 200 },
    Strategy::FewestPreemptions { max: None },
];

#[test]
fn every_strategy_finds_the_bug() {
    for strategy in STRATEGIES {
        let report = Explorer::new(strategy.clone()).stop_at_first(true).run(family(
            Variant::Buggy,
            2,
            2,
            1,
        ));
        let failure = report.failures.first().unwrap_or_else(|| panic!("{strategy:?}: {report}"));
        let replayed = Explorer::new(Strategy::Replay(failure.schedule.clone())).run(family(
            Variant::Buggy,
            2,
            2,
            1,
        ));
        assert_eq!(replayed.failures[0].kind.class(), failure.kind.class(), "{strategy:?}");
        assert_eq!(replayed.failures[0].schedule, failure.schedule);
        assert_eq!(replayed.failures[0].preemptions, failure.preemptions);
    }
}

#[test]
fn every_strategy_finds_the_deadlock() {
    for strategy in STRATEGIES {
        let report = Explorer::new(strategy.clone()).stop_at_first(true).run(|| {
            let (x, y) = (Lock::new(), Lock::new());
            let other = (x.clone(), y.clone());
            let task = dpor::spawn("other", move || {
                other.1.lock();
                other.0.lock();
                other.0.unlock();
                other.1.unlock();
            });
            x.lock();
            y.lock();
            y.unlock();
            x.unlock();
            task.join();
        });
        let failure = report.failures.first().unwrap_or_else(|| panic!("{strategy:?}: {report}"));
        let FailureKind::Deadlock { waiting, .. } = &failure.kind else { panic!("{failure}") };
        assert!(waiting.iter().any(|task| task.name == "other"), "{failure}");
    }
}

/// A guard that announces its release from `Drop`, and counts how often values are dropped.
struct Guard(Lock, Arc<AtomicU64>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.unlock();
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn teardown_drops_everything_and_goes_on() {
    let (made, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&made), Arc::clone(&dropped));
    let report = Explorer::new(Strategy::Dfs).run(move || {
        let lock = Lock::new();
        let tasks: Vec<_> = (0..3)
            .map(|index| {
                let (lock, counts) = (lock.clone(), (Arc::clone(&counts.0), Arc::clone(&counts.1)));
                dpor::spawn("task", move || {
                    lock.lock();
                    counts.0.fetch_add(1, Ordering::Relaxed);
                    let _guard = Guard(lock, Arc::clone(&counts.1));
                    let value: Box<dyn std::any::Any + Send> = Box::new(index);
                    if index == 1 {
                        std::panic::panic_any(value);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    });
    assert!(report.exhausted && report.failing > 1, "{report}");
    assert_eq!(made.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed));
    let FailureKind::Panic { task: 2, payload, .. } = &report.failures[0].kind else {
        panic!("{report}")
    };
    assert_eq!(
        *payload
            .downcast_ref::<Box<dyn std::any::Any + Send>>()
            .unwrap()
            .downcast_ref::<i32>()
            .unwrap(),
        1
    );
}

#[test]
fn nondeterminism_is_reported() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let report = Explorer::new(Strategy::Dpor).run(|| {
        let (x, y) = (Word::new(0), Word::new(0));
        let other = x.clone();
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let task = dpor::spawn("other", move || other.write(1));
        if run.is_multiple_of(2) { &x } else { &y }.write(2);
        x.write(3);
        task.join();
    });
    assert!(!report.exhausted, "{report}");
    assert_eq!(report.why_unfinished, Some(Unfinished::Nondeterminism));
    assert!(matches!(report.failures[0].kind, FailureKind::Nondeterminism { .. }));
}

#[test]
fn a_schedule_that_does_not_fit_is_an_error() {
    for (schedule, why) in [
        ("1*3.9", "there is no task 9"),
        ("1*2.0", "waits for another task's end"),
        ("1*50", "has ended"),
    ] {
        let report = Explorer::new(Strategy::Replay(schedule.parse().unwrap())).run(family(
            Variant::FixedPlain,
            2,
            1,
            1,
        ));
        let Some(Unfinished::Misfit { why: text, .. }) = &report.why_unfinished else {
            panic!("{schedule}: {report}")
        };
        assert!(text.contains(why), "{text}");
        assert_eq!(report.failing, 0);
    }
    let blocked = Explorer::new(Strategy::Replay("1*2.2".parse().unwrap())).run(family(
        Variant::FixedPlain,
        2,
        1,
        1,
    ));
    assert!(blocked.why_unfinished.unwrap().to_string().contains("is blocked at Acquire"));
}

/// Two tasks write a plain cell; `locked` of them take a lock, `flag` hands it over by a flag
/// instead.
fn plain_cell(locks: [bool; 2]) -> impl Fn() + Send + Sync + 'static {
    move || {
        let (lock, cell) = (Lock::new(), dpor::data());
        let tasks = locks.map(|locked| {
            let lock = lock.clone();
            dpor::spawn("task", move || {
                if locked {
                    lock.lock();
                }
                dpor::data_access(cell, true).unwrap_or_else(|race| panic!("{race}"));
                if locked {
                    lock.unlock();
                }
            })
        });
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        dpor::data_access(cell, false).unwrap_or_else(|race| panic!("after join: {race}"));
    }
}

#[test]
fn data_races() {
    for strategy in [Strategy::Dpor, Strategy::Dfs, Strategy::Random { seed: 1, iterations: 20 }] {
        for (locks, races) in [([true, true], false), ([true, false], true), ([false, false], true)]
        {
            let report = Explorer::new(strategy.clone()).run(plain_cell(locks));
            assert_eq!(report.failing > 0, races, "{strategy:?} {locks:?}: {report}");
            if races {
                assert!(
                    report.failures[0].to_string().contains("data race on cell 0"),
                    "{}",
                    report.failures[0]
                );
            }
        }
    }
}

/// Publication: the write is ordered before the read if the reader saw the flag, and the
/// exploration finds the case where not.
#[test]
fn data_race_only_in_some_interleavings() {
    for (waits, races) in [(true, false), (false, true)] {
        let report = Explorer::new(Strategy::Dpor).run(move || {
            let (flag, cell) = (Word::new(0), dpor::data());
            let theirs = flag.clone();
            let task = dpor::spawn("writer", move || {
                dpor::data_access(cell, true).unwrap();
                theirs.write(1);
            });
            if waits {
                flag.wait_for(1);
            } else {
                flag.read();
            }
            if let Err(race) = dpor::data_access(cell, false) {
                panic!("{race}");
            }
            task.join();
        });
        assert_eq!(report.failing > 0, races, "{report}");
        assert!(report.exhausted);
    }
}

#[test]
fn more_tasks_than_a_word_has_bits() {
    let report = Explorer::new(Strategy::Dpor).run(|| {
        let word = Word::new(0);
        let tasks: Vec<_> = (0..150)
            .map(|index| {
                let word = word.clone();
                dpor::spawn(format!("task {index}"), move || {
                    // Only the last two touch the same object in dependent ways.
                    if index >= 148 { word.write(index) } else { Word::new(0).add(1) }
                })
            })
            .collect();
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    });
    assert!(report.exhausted && report.complete == 2 && report.max_tasks == 151, "{report}");
}

#[test]
fn a_condition_that_panics_is_a_failure() {
    let report = Explorer::new(Strategy::Dpor).run(|| {
        dpor::step_when(dpor::object(), Access::Wait, &|| panic!("bad condition"));
    });
    assert!(report.failures[0].to_string().contains("bad condition"), "{report}");
}

#[test]
fn spawned_inside_and_not_joined() {
    let report = Explorer::new(Strategy::Dpor).run(|| {
        let word = Word::new(0);
        let _not_joined = dpor::spawn("outer", move || {
            let inner = word.clone();
            let handle = dpor::spawn("inner", move || inner.add(1));
            word.add(1);
            handle.join();
            assert_eq!(word.read(), 2);
            assert_eq!((dpor::me(), dpor::aborting()), (1, false));
        });
    });
    assert!(report.exhausted && report.complete == 1 && report.failing == 0, "{report}");
}

/// An `Update` commutes with its like, so that counters cost nothing; a lock of the same object
/// does not.
#[test]
fn updates_and_shared_locks_of_one_object_depend() {
    let endings = Arc::new(AtomicU64::new(0));
    let sink = Arc::clone(&endings);
    let program = move || {
        let (object, value) = (dpor::object(), Rc::new(Cell::new(0)));
        let theirs = Rc::clone(&value);
        let task = dpor::spawn("update", move || {
            dpor::step(object, Access::Update);
            theirs.set(1);
        });
        dpor::step(object, Access::AcquireShared);
        sink.fetch_or(1 << value.get(), Ordering::Relaxed);
        task.join();
    };
    let dropped = Explorer::new(Strategy::Dpor)
        .without_rule(dpor::DependenceRule::UpdateShared)
        .run(program.clone());
    assert_eq!((dropped.complete, endings.swap(0, Ordering::Relaxed).count_ones()), (1, 1));
    let report = Explorer::new(Strategy::Dpor).run(program);
    assert_eq!((report.complete, endings.load(Ordering::Relaxed)), (2, 3));
}

/// What an exploration fails with, and how many executions do not.
fn outcomes(strategy: Strategy, program: fn()) -> (BTreeSet<String>, u64) {
    let report = Explorer::new(strategy).run(program);
    assert!(report.exhausted, "{report}");
    (
        report.failures.iter().map(|failure| failure.kind.class()).collect(),
        report.complete - report.failing,
    )
}

/// A task that was started right before another failed has announced nothing yet.
#[test]
fn a_failure_hides_nothing_of_a_task_just_started() {
    fn program() {
        let (word, other) = (Word::new(0), Word::new(0));
        let theirs = word.clone();
        let parent = dpor::spawn("parent", move || {
            other.write(1);
            let _not_joined = dpor::spawn("child", move || theirs.write(1));
        });
        let read = word.read();
        parent.join();
        assert!(read == 1, "the child has not written");
    }
    let (plain, reduced) = (outcomes(Strategy::Dfs, program), outcomes(Strategy::Dpor, program));
    assert!(plain.1 > 0 && plain == reduced, "{plain:?} {reduced:?}");
}

/// What is not found (see "Failures" in `src/algorithm.md`): between two steps a task starts
/// another, which fails at once, and joins a third; whether it goes on to fail itself depends on a
/// step that is independent of its own.
#[test]
fn one_failure_may_stand_for_another_of_the_same_stretch() {
    fn program() {
        let (word, other) = (Word::new(0), Word::new(0));
        let third = dpor::spawn("third", move || {
            other.read();
        });
        word.write(1);
        let _not_joined = dpor::spawn("child", || panic!("the child was started"));
        third.join();
        panic!("main got there");
    }
    let (plain, reduced) = (outcomes(Strategy::Dfs, program), outcomes(Strategy::Dpor, program));
    assert!(
        plain.0.len() == 2 && reduced.0.len() == 1 && reduced.0.is_subset(&plain.0),
        "{plain:?} {reduced:?}"
    );
}

/// Two tasks fail after the same step, and each is the first to do so in some interleaving.
#[test]
fn a_failure_hides_no_other_failure() {
    fn program() {
        let (word, other) = (Word::new(0), Word::new(0));
        let parent = dpor::spawn("parent", move || {
            other.write(1);
            let _not_joined = dpor::spawn("child", || panic!("the child was started"));
        });
        word.read();
        parent.join();
        panic!("main got there");
    }
    let (plain, reduced) = (outcomes(Strategy::Dfs, program), outcomes(Strategy::Dpor, program));
    assert!(plain.0.len() == 2 && plain == reduced, "{plain:?} {reduced:?}");
    // The same if it takes the other a step to fail.
    fn later() {
        let (word, other, own) = (Word::new(0), Word::new(0), Word::new(0));
        let parent = dpor::spawn("parent", move || {
            other.write(1);
            let _not_joined = dpor::spawn("child", move || {
                own.write(1);
                panic!("the child got there");
            });
        });
        word.read();
        parent.join();
        panic!("main got there");
    }
    let (plainly, reduced) = (outcomes(Strategy::Dfs, later), outcomes(Strategy::Dpor, later));
    assert!(plainly.0.len() == 2 && plainly == reduced, "{plainly:?} {reduced:?}");
    for wanted in plain.0 {
        let search = Explorer::new(Strategy::FewestPreemptions { max: None });
        let report = search.wanted(move |failure| failure.kind.class() == wanted).run(program);
        assert!(report.minimal, "{report}");
    }
}

/// A try of which nothing is said counts as one that succeeded: its races are found when it comes
/// late too, whatever the task does next, and the next try of the same task starts afresh.
#[test]
fn tries_of_which_nothing_is_said() {
    // What the task does after the try: nothing (it ends), another step, another try, a spawn.
    for next in 0..4 {
        for strategy in [Strategy::Dpor, Strategy::Dfs, Strategy::FewestPreemptions { max: None }] {
            let orders = Arc::new(AtomicU64::new(0));
            let seen = Arc::clone(&orders);
            let report = Explorer::new(strategy.clone()).run(move || {
                let (x, y) = (dpor::object(), dpor::object());
                let tried = Rc::new(Cell::new(false));
                let theirs = Rc::clone(&tried);
                let task = dpor::spawn("silent", move || {
                    dpor::step(x, Access::TryAcquire);
                    theirs.set(true);
                    match next {
                        1 => dpor::step(y, Access::Read),
                        2 => {
                            dpor::step(y, Access::TryAcquire);
                            dpor::tried(false);
                        }
                        3 => dpor::spawn("child", move || dpor::step(x, Access::Read)).join(),
                        _ => {}
                    }
                });
                dpor::step(x, Access::Read);
                seen.fetch_or(1 << u32::from(tried.get()), Ordering::Relaxed);
                task.join();
                dpor::step(x, Access::TryAcquire);
            });
            assert!(report.exhausted && report.failing == 0, "{next} {strategy:?}: {report}");
            assert_eq!(orders.load(Ordering::Relaxed), 3, "{next} {strategy:?}: {report}");
            if strategy == Strategy::Dpor {
                // The read of the child is ordered, and so is the last try.
                assert_eq!((report.complete, report.blocked), (2, 0), "{next}: {report}");
            }
        }
    }
}

#[test]
fn saying_too_late_how_a_try_went_is_an_error() {
    let report = Explorer::new(Strategy::Dpor).run(|| {
        let lock = dpor::object();
        dpor::step(lock, Access::TryAcquire);
        dpor::spawn("other", || {}).join();
        dpor::tried(true);
    });
    assert!(report.failures[0].to_string().contains("no try whose outcome is open"), "{report}");
}

#[test]
fn an_execution_that_never_ends_is_given_up() {
    for strategy in STRATEGIES {
        let budget =
            dpor::Budget { executions: None, time: Some(std::time::Duration::from_millis(50)) };
        let report = Explorer::new(strategy).max_steps(usize::MAX).budget(budget).run(|| {
            let word = Word::new(0);
            while word.read() == 0 {}
        });
        assert!(!report.exhausted && report.why_unfinished == Some(Unfinished::Time), "{report:?}");
    }
}

/// One who is started when somebody has ended, and joined by whoever is not there yet, fails at once;
/// another may fail before that, if the one who joins is late. His last step has nothing to do with
/// either.
#[test]
fn who_is_started_at_an_end_may_fail_later() {
    for strategy in [Strategy::Dpor, Strategy::States] {
        let report = Explorer::new(strategy).in_circles().run(|| {
            let (word, own) = (dpor::object(), dpor::object());
            dpor::name_state(|_| ());
            let first = dpor::spawn("first", move || {
                for _ in 0..2 {
                    dpor::step(word, Access::Rmw);
                    dpor::observed(0);
                }
                _ = dpor::spawn("reads", move || {
                    dpor::step(word, Access::Read);
                    dpor::observed(0);
                    panic!("who reads fails");
                });
            });
            dpor::step(own, Access::Rmw);
            dpor::observed(0);
            first.join();
            _ = dpor::spawn("fails", || panic!("who is started fails"));
        });
        let failures: BTreeSet<_> =
            report.failures.iter().map(|failure| failure.kind.to_string()).collect();
        assert_eq!(failures.len(), 2, "{failures:?}");
    }
}
