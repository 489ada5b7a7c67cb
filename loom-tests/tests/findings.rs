//! What loom 0.7.2 does not explore by itself, in its own words: why no loom lock is ever tried and
//! no loom atomic stands alone in lockwalk (SPEC.md §7 and FINDING-9). A loom that does better
//! fails these tests; then the detours can go. What lockwalk makes of the same programs on loom is
//! in `tests/vocabulary`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

/// Runs a program of loom's own under loom, without a bound; returns how many executions it takes,
/// and how they end.
fn explore<R: Ord + Send + 'static>(
    program: impl Fn(Box<dyn Fn(R) + Send>) + Send + Sync + 'static,
) -> (u64, BTreeSet<R>) {
    let seen = Arc::new(Mutex::new((0, BTreeSet::new())));
    let sink = seen.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.check(move || {
        sink.lock().expect("no execution panics").0 += 1;
        let sink = sink.clone();
        program(Box::new(move |ending| {
            sink.lock().expect("no execution panics").1.insert(ending);
        }));
    });
    let mut seen = seen.lock().expect("no execution panics");
    (seen.0, std::mem::take(&mut seen.1))
}

/// The holder may be between lock and unlock when the other tries: loom never looks there.
#[test]
fn a_trylock_never_fails_under_loom() {
    let (executions, endings) = explore(|ending| {
        let lock = loom::sync::Arc::new(loom::sync::Mutex::new(()));
        let held = lock.clone();
        let holder = thread::spawn(move || drop(held.lock().expect("never poisoned")));
        let taken = lock.try_lock().is_ok();
        holder.join().expect("it does not panic");
        ending(taken);
    });
    assert_eq!(
        endings,
        BTreeSet::from([true]),
        "after {executions} executions: loom explores a failing try_lock now"
    );
}

/// The store may come before, between or after the loads. But it finds its own thread's load as the
/// last access of the atomic, and nothing to be reversed; the loads before are forgotten.
#[test]
fn a_load_hides_the_loads_before_it_from_a_store_under_loom() {
    let endings_of = |load_first: bool| {
        explore(move |ending| {
            let word = Arc::new(AtomicUsize::new(0));
            let stored = word.clone();
            drop(thread::spawn(move || {
                if load_first {
                    stored.load(Relaxed);
                }
                stored.store(1, Relaxed);
            }));
            ending((word.load(Relaxed), word.load(Relaxed)));
        })
    };
    let (executions, endings) = endings_of(true);
    assert_eq!(
        (executions, endings),
        (1, BTreeSet::from([(0, 0)])),
        "loom explores the other orders now"
    );
    let (_, endings) = endings_of(false);
    assert_eq!(
        endings,
        BTreeSet::from([(0, 0), (0, 1), (1, 1)]),
        "the same without the storing thread's load"
    );
}
