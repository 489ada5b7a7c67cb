//! The family on loom's primitives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use loom::sync::Mutex;
use loom::sync::atomic::AtomicI64;

use crate::cell::{Limit, Run, quietly};
use crate::program::{Data, Primitives, Size, Variant, execute};
use crate::relaxed::{Relaxed, Swaps};

/// loom's mutexes, and its atomics: as read-modify-writes, which are sequentially consistent, since
/// loom does not branch over stale values for them (27 executions instead of 54 on the smallest
/// racy program); or with `RELAXED` accesses, where it does.
struct Loom<const RELAXED: bool>;

impl<const RELAXED: bool> Primitives for Loom<RELAXED> {
    type Lock<T: Data> = Mutex<T>;
    type Word = AtomicI64;

    fn lock<T: Data>(value: T) -> Mutex<T> {
        Mutex::new(value)
    }

    fn locked<T: Data, R>(lock: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut lock.lock().unwrap())
    }

    fn word(value: i64) -> AtomicI64 {
        AtomicI64::new(value)
    }

    fn read(word: &AtomicI64) -> i64 {
        if RELAXED {
            return word.load(Ordering::Relaxed);
        }
        word.fetch_add(0, Ordering::SeqCst)
    }

    fn write(word: &AtomicI64, value: i64) {
        if RELAXED {
            return word.store(value, Ordering::Relaxed);
        }
        word.swap(value, Ordering::SeqCst);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        drop(loom::thread::spawn(f));
    }
}

impl Swaps for Loom<true> {
    fn swap(word: &AtomicI64, value: i64) -> i64 {
        word.swap(value, Ordering::Relaxed)
    }
}

/// Far more than any execution of the family takes.
const MAX_BRANCHES: usize = 20_000;

/// Explore, with at most `bound` preemptions in an execution, until the end, the first failure, or
/// the limit.
pub(crate) fn run(bound: Option<usize>, variant: Variant, size: Size, limit: &Limit) -> Run {
    explore(bound, size.t, limit, move |found| execute::<Loom<false>>(variant, size, found))
}

/// Explore the program with relaxed accesses, likewise, without a bound.
pub(crate) fn run_relaxed(program: Relaxed, limit: &Limit) -> Run {
    explore(None, program.spawned(), limit, move |found| program.execute::<Loom<true>>(found))
}

fn explore(
    bound: Option<usize>,
    spawned: usize,
    limit: &Limit,
    program: impl Fn(&Arc<AtomicBool>) + Send + Sync + 'static,
) -> Run {
    if spawned >= loom::MAX_THREADS {
        return Run::broken(format!("loom has at most {} threads", loom::MAX_THREADS));
    }
    let mut builder = loom::model::Builder::new();
    // The environment must not turn "exhausted" into something else: every field is set.
    builder.max_threads = loom::MAX_THREADS;
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = None;
    builder.max_duration = Some(limit.time);
    builder.preemption_bound = bound;
    builder.checkpoint_file = None;
    // Also how often loom looks at the clock.
    builder.checkpoint_interval = 1;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;
    let (executions, found) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, told) = (Arc::clone(&executions), Arc::clone(&found));
    let stopping = limit.clone();
    let started = Instant::now();
    let result = quietly(|| {
        builder.check(move || {
            // loom has no other way to be stopped.
            assert!(!stopping.stopped(), "stopped");
            counted.fetch_add(1, Ordering::Relaxed);
            program(&told);
        });
    });
    // loom does not say whether the limit cut its search. Its clock started after this one: if this
    // has not run out, neither had loom's.
    Run::of_panicking(result, &executions, &found, started, limit)
}
