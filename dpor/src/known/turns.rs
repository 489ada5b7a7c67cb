//! Workers that run one at a time, in an order that a seed makes up: what they do to each other can
//! be repeated.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::round::mix;

#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    seed: u64,
    /// Whose turn it is.
    whose: usize,
    /// Those who take part.
    here: Vec<usize>,
}

impl Turns {
    /// For so many workers.
    pub(crate) fn new(seed: u64, workers: usize) -> Self {
        let state = State { seed, whose: 0, here: (0..workers).collect() };
        Turns { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Wait until it is this worker's turn.
    pub(crate) fn wait(&self, worker: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.whose != worker {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// It is somebody's turn, perhaps this worker's again, unless it `leaves`.
    pub(crate) fn pass(&self, worker: usize, leaves: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if leaves {
            state.here.retain(|&other| other != worker);
        }
        state.seed = mix(state.seed, 1);
        let next = (state.seed >> 32) as usize % state.here.len().max(1);
        if let Some(&next) = state.here.get(next) {
            state.whose = next;
        }
        self.changed.notify_all();
    }
}
