//! A check of what the whole reduction rests on: that interleavings with the same happens-before
//! order are equivalent.
//!
//! An execution is replayed in another order that is taken to be equivalent, and every task has to
//! do what it did before. If one does not, something is shared that no step announces, or is
//! announced as something that it is not.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::log::{Difference, Recorded, Step};
use crate::report::Report;
use crate::schedule::Schedule;

/// How to check that steps which are taken to commute do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Commute {
    /// Seed of the random orders.
    pub seed: u64,
    /// In how many other orders each execution is replayed, at least, if it has any: the first few
    /// are replayed more often, since there may not be many.
    pub per_execution: u32,
}

impl Default for Commute {
    fn default() -> Self {
        Commute { seed: 1, per_execution: 1 }
    }
}

/// What was compared without finding a difference.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Commutation {
    /// The exploration whose executions were replayed. Cut executions are not.
    pub report: Report,
    /// Executions that were replayed at least once.
    pub replayed: u64,
    /// Replays of them.
    pub replays: u64,
    /// Replays in which steps come in another order. In the others, only the beginnings of tasks
    /// are put off.
    pub reordered: u64,
    /// Values that had to be the same: what was observed and noted, and how tries went.
    pub values: u64,
}

impl fmt::Display for Commutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Commutation { report, replayed, replays, reordered, values } = self;
        write!(
            f,
            "{replayed} of {} executions replayed {replays} times, {reordered} of them in another \
             order: ",
            report.executions
        )?;
        write!(f, "{values} values are the same")
    }
}

/// What made the difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Blame {
    /// These two neighbours were swapped. They, or what their tasks do right after them, do not
    /// commute.
    Steps(Box<(Step, Step)>),
    /// This task went on later, after it was spawned or after it had joined another. It does
    /// something there that others notice.
    Start {
        /// The task's index in the original execution.
        task: usize,
        /// Its name.
        name: String,
    },
    /// Nothing: replayed in the very same order, the program does something else.
    Nondeterminism,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blame::Steps(steps) => {
                write!(
                    f,
                    "these were taken to commute, with what their tasks do right after them: {}, \
                     and {}",
                    steps.0, steps.1
                )
            }
            Blame::Start { task, name } => {
                write!(
                    f,
                    "what task {task} ({name}) does before it announces a step, after it was \
                     spawned or has joined, is not local"
                )
            }
            Blame::Nondeterminism => f.write_str(
                "the program is not deterministic: replayed in the same order, it differs too",
            ),
        }
    }
}

/// Two interleavings that are taken to be equivalent, and are not.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Disagreement {
    /// The interleaving that was replayed.
    pub original: Schedule,
    /// The replay, up to where it ended.
    pub reordered: Schedule,
    /// Where they first differ.
    pub difference: Difference,
    /// What made the difference: the last of the small changes that led from the one to the other.
    /// Without it, nothing differs.
    pub blame: Blame,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "two interleavings that are taken to be equivalent are not: {}",
            self.difference
        )?;
        writeln!(f, "  {}", self.blame)?;
        write!(f, "  original schedule {}, the other {}", self.original, self.reordered)
    }
}

impl std::error::Error for Disagreement {}

/// How often the first execution is replayed, the second half as often, and so on.
const FIRST_REPLAYS: u32 = 64;

/// What the workers of such an exploration share.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    how: Commute,
    workers: AtomicU64,
    executions: AtomicU64,
    halt: Arc<AtomicBool>,
    found: Mutex<(Commutation, Option<Disagreement>)>,
}

impl Checked {
    pub(crate) fn new(how: Commute) -> Self {
        Checked { how, ..Checked::default() }
    }

    /// What has come out, once the exploration is over.
    pub(crate) fn concluded(&self, report: Report) -> Result<Commutation, Box<Disagreement>> {
        let (found, disagreement) = std::mem::take(&mut *self.found());
        disagreement
            .map_or(Ok(Commutation { report, ..found }), |disagreement| Err(Box::new(disagreement)))
    }

    fn found(&self) -> std::sync::MutexGuard<'_, (Commutation, Option<Disagreement>)> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often the next execution is replayed.
    pub(crate) fn next_replays(&self) -> u32 {
        let before = self.executions.fetch_add(1, Ordering::Relaxed);
        self.how
            .per_execution
            .max(FIRST_REPLAYS.checked_shr(before.try_into().unwrap_or(u32::MAX)).unwrap_or(0))
    }

    /// What ends the exploration.
    pub(crate) fn halt(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.halt)
    }

    /// The seed of another worker.
    pub(crate) fn next_seed(&self) -> u64 {
        self.how.seed.wrapping_add(self.workers.fetch_add(1, Ordering::Relaxed) << 32)
    }

    /// The execution is about to be replayed.
    pub(crate) fn replays(&self, recorded: &Recorded, first: bool, reordered: bool) {
        let (found, _) = &mut *self.found();
        found.replayed += u64::from(first);
        found.replays += 1;
        found.reordered += u64::from(reordered);
        found.values += recorded.values();
    }

    pub(crate) fn disagree(&self, disagreement: Disagreement) {
        self.found().1.get_or_insert(disagreement);
        self.halt.store(true, Ordering::Relaxed);
    }
}
