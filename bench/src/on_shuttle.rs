//! The family on shuttle's primitives, under shuttle's schedulers.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId,
    UrwRandomScheduler,
};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicI64, Ordering};
use shuttle::{Config, FailurePersistence, Runner};

use crate::cell::{Limit, Run, quietly};
use crate::program::{Data, Primitives, Size, Variant, execute};

pub(crate) struct Shuttle;

impl Primitives for Shuttle {
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
        word.load(Ordering::SeqCst)
    }

    fn write(word: &AtomicI64, value: i64) {
        word.store(value, Ordering::SeqCst);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        // Unlike a future, a thread is not detached by this.
        drop(shuttle::thread::spawn(f));
    }

    /// shuttle and its schedulers write to stderr about every panic, past the hook: [`UntilFound`]
    /// ends the search instead.
    fn fail() {}
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

/// A scheduler that has no further execution once the bug is found, or the caller says stop.
///
/// The inner one is leaked, some hundred bytes for a search: shuttle's random scheduler writes a
/// seed to stderr if it is dropped before its last execution.
struct UntilFound(ManuallyDrop<Box<dyn Scheduler + Send>>, Arc<AtomicBool>, Limit);

impl Scheduler for UntilFound {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.1.load(Ordering::Relaxed) || self.2.stopped() {
            None
        } else {
            self.0.new_execution()
        }
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yielding: bool,
    ) -> Option<TaskId> {
        self.0.next_task(runnable, current, yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config
}

/// Explore until the end, the first failure, or the limit.
pub(crate) fn run(kind: Kind, seed: u64, variant: Variant, size: Size, limit: &Limit) -> Run {
    let (executions, found) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, told) = (Arc::clone(&executions), Arc::clone(&found));
    let scheduler = UntilFound(
        ManuallyDrop::new(kind.scheduler(seed, usize::MAX)),
        Arc::clone(&found),
        limit.clone(),
    );
    let mut config = config();
    config.max_time = Some(limit.time);
    let started = Instant::now();
    let result = quietly(|| {
        Runner::new(scheduler, config).run(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            execute::<Shuttle>(variant, size, &told);
        });
    });
    // As for loom: shuttle's clock started after this one.
    Run::of_panicking(result, &executions, &found, started, limit)
}
