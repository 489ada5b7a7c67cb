//! The family on dpor's announced steps.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dpor::{Access, Budget, Explorer, FailureKind, ObjectId, Strategy, object, step, step_when};

use crate::cell::{Limit, Run};
use crate::program::{Primitives, Size, Variant, execute};

/// dpor's steps. Tasks are coroutines of one thread, so the std types inside are never contended.
pub(crate) struct Announced;

pub(crate) struct Lock<T> {
    object: ObjectId,
    held: AtomicBool,
    data: Mutex<T>,
}

impl Primitives for Announced {
    type Lock<T: Send + 'static> = Lock<T>;
    type Word = (ObjectId, AtomicI64);

    fn lock<T: Send>(value: T) -> Lock<T> {
        Lock { object: object(), held: AtomicBool::new(false), data: Mutex::new(value) }
    }

    fn locked<T: Send, R>(lock: &Lock<T>, f: impl FnOnce(&mut T) -> R) -> R {
        step_when(lock.object, Access::Acquire, &|| !lock.held.load(Ordering::Relaxed));
        lock.held.store(true, Ordering::Relaxed);
        // Poisoned only by an execution that is being torn down.
        let result = f(&mut lock.data.lock().unwrap_or_else(PoisonError::into_inner));
        step(lock.object, Access::Release);
        lock.held.store(false, Ordering::Relaxed);
        result
    }

    fn word(value: i64) -> Self::Word {
        (object(), AtomicI64::new(value))
    }

    fn read((object, word): &Self::Word) -> i64 {
        step(*object, Access::Read);
        word.load(Ordering::Relaxed)
    }

    fn write((object, word): &Self::Word, value: i64) {
        step(*object, Access::Write);
        word.store(value, Ordering::Relaxed);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        let _not_joined = dpor::spawn("adjuster", f);
    }

    fn torn_down() -> bool {
        dpor::aborting()
    }
}

/// Explore under `strategy` until the end, the first failure, or the limit.
pub(crate) fn run(strategy: Strategy, variant: Variant, size: Size, limit: &Limit) -> Run {
    let found = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&found);
    // The search for the fewest preemptions is over when it has proved that there are no fewer,
    // which is after the first failure.
    let proves = matches!(strategy, Strategy::FewestPreemptions { .. });
    let started = Instant::now();
    let explorer = Explorer::new(strategy)
        .budget(Budget { executions: None, time: Some(limit.time) })
        .stop_at_first(true);
    let explorer = match &limit.stop {
        Some(stop) => explorer.stop_flag(Arc::clone(stop)),
        None => explorer,
    };
    let report = explorer.run(move || execute::<Announced>(variant, size, &told));
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
