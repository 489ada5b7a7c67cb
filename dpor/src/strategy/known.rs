//! What the workers of a search by states share: the states that are done with, and what follows
//! each of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::summary::{Bits, Seen};
use super::turns::Turns;
use crate::execution::Name;
use crate::numbers::SharedNumbers;
use crate::state::Keys;
use crate::taskset::TaskSet;

/// What is remembered of a state, once all that follows it has been gone through.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What slept when it was gone on from: threads, as all that is remembered. What begins with
    /// those was left out.
    pub(crate) sleep: TaskSet,
    /// What can follow it.
    pub(crate) summary: Arc<Bits>,
    /// What has to be the same whenever it is reached.
    pub(crate) check: u64,
    /// How the first execution went on from it, as far as that can be told in brief.
    pub(crate) next: Option<(Route, Next)>,
}

/// Whose steps lead from a state to the next one that is told apart: so many of one thread, then so
/// many of another.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route(u64);

impl Route {
    /// Bits of a run: the thread, from 1, and how many steps.
    const THREAD: u32 = 5;
    const RUN: u32 = 10;
    const MOST: u64 = (1 << Route::THREAD) - 1;

    /// If it can be told.
    pub(crate) fn of(threads: impl Iterator<Item = usize>) -> Option<Self> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for thread in threads.map(|thread| thread as u64 + 1) {
            match runs.last_mut() {
                Some((same, steps)) if *same == thread && *steps < Route::MOST => *steps += 1,
                _ => runs.push((thread, 1)),
            }
        }
        let fits = runs.len() <= (u64::BITS / Route::RUN) as usize
            && runs.iter().all(|&(thread, _)| thread <= Route::MOST);
        let add = |all, &(thread, steps)| all << Route::RUN | steps << Route::THREAD | thread;
        fits.then(|| Route(runs.iter().rev().fold(0, add)))
    }

    pub(crate) fn is_over(self) -> bool {
        self.0 == 0
    }

    /// Its first step, and the rest.
    pub(crate) fn split(self) -> Option<(usize, Self)> {
        let thread = (self.0 & Route::MOST).checked_sub(1)?;
        let one_step = 1 << Route::THREAD;
        let left = self.0 - one_step;
        let over = left >> Route::THREAD & Route::MOST == 0;
        Some((thread as usize, Route(if over { left >> Route::RUN } else { left })))
    }
}

/// What steps lead to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// A state with such a key: half of it is enough to see whether it is the same again.
    State(u64),
    End,
}

impl Next {
    pub(crate) fn state(key: u128) -> Self {
        Next::State(key as u64)
    }
}

/// So many locks, so that workers seldom wait for each other.
const PARTS: usize = 32;

/// The states that are done with, and how far the search is.
#[derive(Debug, Default)]
pub(crate) struct Table {
    parts: [Part; PARTS],
    /// States that were gone on from, once each, though they may be forgotten.
    states: AtomicU64,
    /// Workers so far.
    workers: AtomicU64,
    /// A worker has gone through everything.
    done: AtomicBool,
    /// A state was met again on a path: executions need not end.
    circle: AtomicBool,
    /// A worker runs all steps of all states because of that.
    whole: AtomicBool,
    turns: Option<Turns>,
    /// Numbers that the workers give together: to what they have seen to follow, and to threads.
    pub(crate) seen: Seen,
    pub(crate) threads: Arc<SharedNumbers<Name>>,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(Mutex<HashMap<u128, Known, Keys>>);

impl Table {
    fn part(&self, key: u128) -> MutexGuard<'_, HashMap<u128, Known, Keys>> {
        let part = &self.parts[(key >> 120) as usize % PARTS];
        part.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For workers that run as they can, or take turns.
    pub(crate) fn new(turns: Option<Turns>) -> Self {
        Table { turns, ..Table::default() }
    }

    /// The number of a worker, from 0. Each is entered and left.
    pub(crate) fn enter(&self) -> u64 {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        self.turns.iter().for_each(|turns| turns.wait(worker as usize));
        worker
    }

    pub(crate) fn leave(&self, worker: u64) {
        self.turns.iter().for_each(|turns| turns.pass(worker as usize, true));
    }

    /// A worker's execution is over.
    pub(crate) fn next_turn(&self, worker: u64) {
        if let Some(turns) = &self.turns {
            turns.pass(worker as usize, false);
            turns.wait(worker as usize);
        }
    }

    pub(crate) fn find(&self, key: u128) -> Option<Known> {
        self.part(key).get(&key).cloned()
    }

    /// All that follows the state has been gone through, but for what begins with those who slept.
    /// Where two workers have done that, either is true. Returns whether this one is the first.
    pub(crate) fn add(&self, key: u128, known: Known) -> bool {
        self.part(key).insert(key, known).is_none()
    }

    /// A worker goes on from a state that is not known. Returns how many there are now.
    pub(crate) fn goes_on(&self) -> u64 {
        self.states.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// And another was done with it first.
    pub(crate) fn came_second(&self) {
        self.states.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn states(&self) -> u64 {
        self.states.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn goes_round(&self) {
        self.circle.store(true, Ordering::Relaxed);
    }

    pub(crate) fn circle(&self) -> bool {
        self.circle.load(Ordering::Relaxed)
    }

    /// Whether it is for this worker to run everything.
    pub(crate) fn takes_whole(&self) -> bool {
        !self.whole.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn routes() {
        let long = [vec![0; 40], vec![3, 3, 30, 0]].concat();
        for threads in [&[][..], &[0], &[7], &[1, 1, 1], &[2, 0, 2, 0, 2, 0], &long] {
            let mut route = Route::of(threads.iter().copied()).expect("it can be told");
            let mut told = Vec::new();
            while let Some((thread, rest)) = route.split() {
                told.push(thread);
                route = rest;
            }
            assert!(route.is_over());
            assert_eq!(told, threads);
        }
        assert_eq!(Route::of([0, 1, 0, 1, 0, 1, 0].into_iter()), None);
        assert_eq!(Route::of([31].into_iter()), None);
    }
}
