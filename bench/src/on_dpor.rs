//! The family on dpor's announced steps.

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dpor::memory::Word;
use dpor::{
    Access, Budget, Digest, Explorer, FailureKind, Memory, ObjectId, Strategy, object, step,
    step_when,
};

use crate::cell::{Limit, Run};
use crate::program::{Data, Primitives, Size, Variant, execute};
use crate::relaxed::{Relaxed, Swaps};

/// dpor's steps. Tasks are coroutines of one thread, so the std types inside are never contended.
pub(crate) struct Announced;

pub(crate) struct Lock<T> {
    object: ObjectId,
    held: AtomicBool,
    data: Mutex<T>,
}

/// What the object holds was one thing and is another.
fn changed(object: ObjectId, before: &impl Hash, after: &impl Hash) {
    if dpor::tells() {
        dpor::changed(object, digest(before), digest(after));
    }
}

fn digest(value: &impl Hash) -> Digest {
    let mut digest = Digest::default();
    value.hash(&mut digest);
    digest
}

impl Primitives for Announced {
    type Lock<T: Data> = Lock<T>;
    type Word = (ObjectId, AtomicI64);

    fn begin() {
        // All that tasks share is said where it changes.
        dpor::name_state(|_| ());
    }

    fn lock<T: Data>(value: T) -> Lock<T> {
        Lock { object: object(), held: AtomicBool::new(false), data: Mutex::new(value) }
    }

    fn locked<T: Data, R>(lock: &Lock<T>, f: impl FnOnce(&mut T) -> R) -> R {
        step_when(lock.object, Access::Acquire, &|| !lock.held.load(Ordering::Relaxed));
        lock.held.store(true, Ordering::Relaxed);
        changed(lock.object, &false, &true);
        // Poisoned only by an execution that is being torn down.
        let mut data = lock.data.lock().unwrap_or_else(PoisonError::into_inner);
        let before = dpor::tells().then(|| digest(&*data));
        let result = f(&mut data);
        if let Some(before) = before {
            dpor::changed(lock.object, before, digest(&*data));
        }
        drop(data);
        step(lock.object, Access::Release);
        lock.held.store(false, Ordering::Relaxed);
        changed(lock.object, &true, &false);
        result
    }

    fn learned(value: &impl Hash) {
        if dpor::by_states() {
            dpor::observed(digest(value).key() as u64);
        }
    }

    fn word(value: i64) -> Self::Word {
        (object(), AtomicI64::new(value))
    }

    fn read((object, word): &Self::Word) -> i64 {
        step(*object, Access::Read);
        let value = word.load(Ordering::Relaxed);
        dpor::observed(value as u64);
        value
    }

    fn write((object, word): &Self::Word, value: i64) {
        step(*object, Access::Write);
        changed(*object, &word.swap(value, Ordering::Relaxed), &value);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        let _not_joined = dpor::spawn("adjuster", f);
    }

    fn torn_down() -> bool {
        dpor::aborting()
    }
}

/// The same locks, and words that memory models are about.
struct Words;

impl Primitives for Words {
    type Lock<T: Data> = Lock<T>;
    type Word = Word;

    fn lock<T: Data>(value: T) -> Lock<T> {
        Announced::lock(value)
    }

    fn locked<T: Data, R>(lock: &Lock<T>, f: impl FnOnce(&mut T) -> R) -> R {
        Announced::locked(lock, f)
    }

    fn word(value: i64) -> Word {
        Word::new(value as u64)
    }

    fn read(word: &Word) -> i64 {
        word.load(Ordering::Relaxed) as i64
    }

    fn write(word: &Word, value: i64) {
        word.store(value as u64, Ordering::Relaxed);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        Announced::spawn(f);
    }
}

impl Swaps for Words {
    fn swap(word: &Word, value: i64) -> i64 {
        word.swap(value as u64, Ordering::Relaxed) as i64
    }
}

/// Explore under `strategy` until the end, the first failure, or the limit.
pub(crate) fn run(strategy: Strategy, variant: Variant, size: Size, limit: &Limit) -> Run {
    explore(strategy, Memory::Sc, limit, move |found| execute::<Announced>(variant, size, found))
}

/// Explore under a memory model, likewise.
pub(crate) fn run_relaxed(memory: Memory, program: Relaxed, limit: &Limit) -> Run {
    explore(Strategy::Dpor, memory, limit, move |found| program.execute::<Words>(found))
}

fn explore(
    strategy: Strategy,
    memory: Memory,
    limit: &Limit,
    program: impl Fn(&Arc<AtomicBool>) + Send + Sync + 'static,
) -> Run {
    let found = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&found);
    // The search for the fewest preemptions is over when it has proved that there are no fewer,
    // which is after the first failure.
    let proves = matches!(strategy, Strategy::FewestPreemptions { .. });
    let started = Instant::now();
    let explorer = Explorer::new(strategy)
        .memory(memory)
        .budget(Budget { executions: None, time: Some(limit.time) })
        .stop_at_first(true);
    let explorer = match &limit.stop {
        Some(stop) => explorer.stop_flag(Arc::clone(stop)),
        None => explorer,
    };
    let report = explorer.run(move || program(&told));
    let found = found.load(Ordering::Relaxed);
    let broken = report.failure().and_then(|failure| match &failure.kind {
        FailureKind::Panic { .. } if found => None,
        other => Some(other.to_string()),
    });
    let found = found && (report.minimal || !proves);
    Run {
        executions: report.executions,
        cut: report.blocked,
        elapsed: started.elapsed(),
        found,
        ended: report.exhausted,
        broken,
    }
}
