//! How threads share a search: whoever has nothing left to do takes a part of somebody else's.
//!
//! A worker gives away what is left to run from the first state of its path that has anything left:
//! all of it, and for good, so the path down to that state is no longer its concern. (If a step
//! down to there has another outcome left, it gives nothing away.) What races inside either part
//! would ask for there is asked for beforehand, by running every enabled task. Sleep sets go along
//! and keep each class of equivalent interleavings to one complete execution, whoever runs it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::saved::SavedStack;

/// Somebody who wants to know now and then what is left of the search.
pub(crate) struct Snapshots {
    every: Duration,
    started: Instant,
    /// When it is time again, in nanoseconds since the start.
    next: AtomicU64,
    take: Box<dyn Fn(Vec<SavedStack>) + Send + Sync>,
}

impl Snapshots {
    pub(crate) fn new(
        every: Duration,
        take: impl Fn(Vec<SavedStack>) + Send + Sync + 'static,
    ) -> Self {
        let snapshots = Snapshots {
            every,
            started: Instant::now(),
            next: AtomicU64::new(0),
            take: Box::new(take),
        };
        snapshots.put_off();
        snapshots
    }

    fn put_off(&self) {
        let next = self.started.elapsed().saturating_add(self.every).as_nanos();
        self.next.store(next.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn due(&self) -> bool {
        self.started.elapsed().as_nanos() >= u128::from(self.next.load(Ordering::Relaxed))
    }
}

/// The parts that wait for a worker.
#[derive(Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether somebody waits in vain.
    wanted: AtomicBool,
    /// Whether to give away what nobody waits for, too.
    always: bool,
    snapshots: Option<Snapshots>,
    /// Whether all workers are to stop between two executions, for a snapshot.
    pausing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    stacks: Vec<SavedStack>,
    /// Workers that have something to do, and may give some of it away.
    busy: usize,
    waiting: usize,
    /// Workers that have stopped for a snapshot, and what is left of their parts.
    paused: usize,
    left: Vec<SavedStack>,
    /// Snapshots so far.
    snapshots: u64,
    /// A worker has left its part in the middle: the search is about to end.
    abandoned: bool,
}

impl Pool {
    /// Parts for so many workers, each of which has to be [entered](Worker::enter). They give away
    /// what they can if `always`, or else what somebody waits for.
    pub(crate) fn new(
        stacks: Vec<SavedStack>,
        workers: usize,
        always: bool,
        snapshots: Option<Snapshots>,
    ) -> Arc<Self> {
        let state = State { stacks, busy: workers, ..State::default() };
        Arc::new(Pool { state: Mutex::new(state), always, snapshots, ..Pool::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, state: &State) {
        self.wanted.store(state.waiting > state.stacks.len(), Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// What nobody has taken.
    pub(crate) fn left(&self) -> Vec<SavedStack> {
        self.state().stacks.clone()
    }
}

/// One worker's access to the pool.
pub(crate) struct Worker {
    pool: Arc<Pool>,
    busy: bool,
}

impl Worker {
    /// One of the workers that the pool was made for.
    pub(crate) fn enter(pool: Arc<Pool>) -> Self {
        Worker { pool, busy: true }
    }

    /// Whether something should be given away.
    pub(crate) fn wanted(&self) -> bool {
        self.pool.always || self.pool.wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn give(&self, stack: SavedStack) {
        let mut state = self.pool.state();
        state.stacks.push(stack);
        self.pool.update(&state);
    }

    /// The next part, waiting until somebody gives one; `None` when nobody is left who could.
    pub(crate) fn take(&mut self) -> Option<SavedStack> {
        let mut state = self.pool.state();
        self.busy = false;
        state.busy -= 1;
        state.waiting += 1;
        self.pool.update(&state);
        loop {
            if let Some(stack) = state.stacks.pop() {
                state.waiting -= 1;
                state.busy += 1;
                self.busy = true;
                self.pool.update(&state);
                return Some(stack);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.pool.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether to [pause](Worker::pause) now, between two executions.
    pub(crate) fn pauses(&self) -> bool {
        self.pool
            .snapshots
            .as_ref()
            .is_some_and(|snapshots| self.pool.pausing.load(Ordering::Relaxed) || snapshots.due())
    }

    /// Stop until the others have stopped too or have nothing to do, and a snapshot was taken of
    /// all that is left. `left` is what is left of this worker's part.
    pub(crate) fn pause(&self, left: SavedStack) {
        let pool = &*self.pool;
        let Some(snapshots) = &pool.snapshots else { return };
        let mut state = pool.state();
        if state.abandoned {
            return;
        }
        pool.pausing.store(true, Ordering::Relaxed);
        state.paused += 1;
        state.left.push(left);
        let before = state.snapshots;
        while state.snapshots == before && !state.abandoned {
            if state.paused == state.busy {
                let mut left = std::mem::take(&mut state.left);
                left.retain(|stack| !stack.done);
                left.extend_from_slice(&state.stacks);
                // Whoever waits goes on waiting meanwhile.
                (snapshots.take)(left);
                snapshots.put_off();
                state.paused = 0;
                state.snapshots += 1;
                pool.pausing.store(false, Ordering::Relaxed);
                pool.changed.notify_all();
            } else {
                state = pool.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Whether nothing waits for a worker.
    pub(crate) fn nothing_left(&self) -> bool {
        self.pool.state().stacks.is_empty()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.busy {
            let mut state = self.pool.state();
            state.busy -= 1;
            state.abandoned = true;
            self.pool.update(&state);
        }
    }
}
