//! Executions equal the number of inequivalent interleavings.

mod common;

use common::check::classes;
use common::sem::Sem;
use common::{Lock, Variant, Word, family};
use std::rc::Rc;

use dpor::{Explorer, Report, Strategy};

fn explore(program: impl Fn() + Send + Sync + 'static) -> Report {
    let report = Explorer::new(Strategy::Dpor).run(program);
    assert!(report.exhausted, "{report}");
    report
}

/// The classes among all interleavings.
fn enumerated(program: impl Fn() + Send + Sync + 'static) -> usize {
    let (report, classes) = classes(Explorer::new(Strategy::Dfs), program);
    assert!(report.exhausted, "{report}");
    classes.len()
}

#[test]
fn locked_family_reaches_the_floor() {
    for (t, k, classes) in
        [(1, 1, 2), (2, 1, 6), (3, 1, 24), (2, 2, 30), (3, 2, 630), (3, 3, 16_800)]
    {
        for variant in [Variant::FixedPlain, Variant::FixedAtomic] {
            let report = explore(family(variant, 2, t, k));
            assert_eq!(
                (report.complete, report.blocked, report.failing),
                (classes, 0, 0),
                "T{t} K{k}: {report}"
            );
        }
    }
}

#[test]
fn racy_family() {
    for (n, t, k, classes) in
        [(1, 1, 1, 4), (2, 2, 1, 16), (2, 2, 2, 64), (2, 3, 1, 144), (2, 3, 2, 4416)]
    {
        let report = explore(family(Variant::NoAssert, n, t, k));
        assert_eq!((report.complete, report.failing), (classes, 0), "N{n} T{t} K{k}: {report}");
        eprintln!("N{n} T{t} K{k}: {report}");
    }
}

#[test]
fn the_bug_is_found() {
    let report =
        Explorer::new(Strategy::Dpor).stop_at_first(true).run(family(Variant::Buggy, 2, 3, 2));
    assert!(report.failing == 1 && report.executions < 1000, "{report}");
    let replayed = Explorer::new(Strategy::Replay(report.failures[0].schedule.clone()))
        .run(family(Variant::Buggy, 2, 3, 2));
    assert_eq!(replayed.failures[0].kind.class(), report.failures[0].kind.class());
}

/// The litmus test that loom fails: the try falls between lock and unlock.
#[test]
fn try_lock_sees_both_outcomes() {
    use std::sync::{Arc, Mutex};
    let seen = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
    let outcomes = Arc::clone(&seen);
    let report = explore(move || {
        let lock = Lock::new();
        let theirs = lock.clone();
        let task = dpor::spawn("locker", move || {
            theirs.lock();
            theirs.unlock();
        });
        let got = lock.try_lock();
        if got {
            lock.unlock();
        }
        seen.lock().unwrap().insert(got);
        task.join();
    });
    assert_eq!(outcomes.lock().unwrap().len(), 2);
    assert_eq!(report.complete, 3);
}

/// Two readers queue behind a writer, and go in together when it leaves: what they do inside is not
/// in order.
#[test]
fn queued_readers_read_together() {
    let program = || {
        let shared = Rc::new((Sem::new(), Word::new(0)));
        let task = |name, body: fn(&(Sem, Word))| {
            let shared = Rc::clone(&shared);
            dpor::spawn(name, move || body(&shared))
        };
        let _not_joined = [
            task("writer", |(sem, _)| {
                sem.down_write();
                sem.up_write();
            }),
            task("reader that stores", |(sem, word)| {
                sem.down_read();
                word.write(1);
                sem.up_read();
            }),
            task("reader that loads", |(sem, word)| {
                sem.down_read();
                word.read();
                sem.up_read();
            }),
        ];
    };
    assert_eq!(enumerated(program), 570);
    assert_eq!(explore(program).complete, 570);
}

/// A lock that nobody has is given back, by mistake, and so another's perhaps.
#[test]
fn a_free_lock_is_given_back() {
    let program = || {
        let lock = Lock::new();
        let theirs = lock.clone();
        let _not_joined = [
            dpor::spawn("mistaken", move || theirs.unlock()),
            dpor::spawn("locker", move || {
                lock.lock();
                lock.is_locked();
            }),
        ];
    };
    assert_eq!(enumerated(program), 3);
    assert_eq!(explore(program).complete, 3);
}

#[test]
fn many_executions_take_no_memory() {
    let report = explore(family(Variant::FixedPlain, 2, 3, 4));
    assert_eq!((report.complete, report.blocked), (450_450, 0));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: 0 kB");
    let kilobytes: u64 =
        peak.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    eprintln!("{report} in {:?}, {peak}", report.elapsed);
    assert!(kilobytes < 64 * 1024, "{peak}");
}
