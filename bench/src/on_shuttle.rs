//! The family on shuttle's primitives, under shuttle's schedulers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicI64, Ordering};
use shuttle::{Config, FailurePersistence, Runner};

use crate::cell::{Run, quietly};
use crate::program::{Primitives, Size, Variant, execute};

pub(crate) struct Shuttle;

impl Primitives for Shuttle {
    type Lock<T: Send + 'static> = Mutex<T>;
    type Word = AtomicI64;

    fn lock<T: Send>(value: T) -> Mutex<T> {
        Mutex::new(value)
    }

    fn locked<T: Send, R>(lock: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut lock.lock().unwrap())
    }

    fn word(value: i64) -> AtomicI64 {
        AtomicI64::new(value)
    }

    fn read(word: &AtomicI64) -> i64 {
        word.load(Ordering::SeqCst)
    }

    fn write(word: &AtomicI64, value: i64) {
        word.store(value, Ordering::SeqCst);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        // Unlike a future, a thread is not detached by this.
        drop(shuttle::thread::spawn(f));
    }
}

/// One of shuttle's schedulers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Dfs,
    Random,
    Urw,
    Pct(usize),
}

impl Kind {
    pub(crate) fn scheduler(self, seed: u64, most: usize) -> Box<dyn Scheduler + Send> {
        match self {
            Kind::Dfs => Box::new(DfsScheduler::new(None, false)),
            Kind::Random => Box::new(RandomScheduler::new_from_seed(seed, most)),
            Kind::Urw => Box::new(UrwRandomScheduler::new_from_seed(seed, most)),
            Kind::Pct(depth) => Box::new(PctScheduler::new_from_seed(seed, depth, most)),
        }
    }
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config
}

/// Explore until the end, the first failure, or the limit.
pub(crate) fn run(kind: Kind, seed: u64, variant: Variant, size: Size, limit: Duration) -> Run {
    let (executions, found) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, told) = (Arc::clone(&executions), Arc::clone(&found));
    let mut config = config();
    config.max_time = Some(limit);
    let started = Instant::now();
    let result = quietly(|| {
        Runner::new(kind.scheduler(seed, usize::MAX), config).run(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            execute::<Shuttle>(variant, size, &told);
        });
    });
    // As for loom: shuttle's clock started after this one.
    Run::of_panicking(result, &executions, &found, started, limit)
}
