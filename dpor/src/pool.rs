//! How threads share a search: whoever has nothing left to do takes a part of somebody else's.
//!
//! A worker gives away what is left to run from the first state of its path that has anything left: all of it, and for good, so the
//! path down to that state is no longer its concern. What races inside either part would ask for there is asked for beforehand, by
//! running every enabled task. Sleep sets go along and keep each class of equivalent interleavings to one complete execution,
//! whoever runs it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::saved::SavedStack;

/// The parts that wait for a worker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether somebody waits in vain.
    wanted: AtomicBool,
    /// Whether to give away what nobody waits for, too.
    always: bool,
}

#[derive(Debug, Default)]
struct State {
    stacks: Vec<SavedStack>,
    /// Workers that have something to do, and may give some of it away.
    busy: usize,
    waiting: usize,
}

impl Pool {
    /// Parts for so many workers, each of which has to be [entered](Worker::enter). They give away what they can if `always`, or else
    /// what somebody waits for.
    pub(crate) fn new(stacks: Vec<SavedStack>, workers: usize, always: bool) -> Arc<Self> {
        let state = State { stacks, busy: workers, waiting: 0 };
        Arc::new(Pool { state: Mutex::new(state), always, ..Pool::default() })
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
#[derive(Debug)]
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
            self.pool.update(&state);
        }
    }
}
