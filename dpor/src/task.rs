//! A task as the scheduler sees it.

use std::panic::Location;

use crate::access::{ObjectId, Op};
use crate::round::Round;
use crate::state::Learned;
use crate::trace::NONE;

/// The condition that a suspended task waits for. It lives on the task's stack, which stays put
/// while the task is suspended.
pub(crate) type Condition = *const dyn Fn() -> bool;

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum TaskState {
    /// Spawned, not run yet.
    New,
    /// Running code between announced steps.
    Local,
    /// Waits to be chosen for its announced operation.
    Pending,
    /// Waits for the end of another task.
    Joining(usize),
    Finished,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) state: TaskState,
    pub(crate) name: String,
    /// Tells the task from all others whatever the interleaving, as its index does not: who spawned
    /// it, and as which of its tasks.
    pub(crate) origin: u64,
    /// Tasks it has spawned.
    pub(crate) children: u64,
    /// And stores that went their way.
    pub(crate) stores: u64,
    /// The announced operation, while pending.
    pub(crate) op: Op,
    pub(crate) condition: Option<Condition>,
    /// Where the last operation was announced.
    pub(crate) at: Option<&'static Location<'static>>,
    /// How many events had happened when it was announced.
    pub(crate) announced: usize,
    pub(crate) round: Round,
    pub(crate) learned: Learned,
    /// What it has taken and not given back, and whether for itself, where states are told apart.
    pub(crate) held: Vec<(ObjectId, bool)>,
    /// It panicked, or was unwound by a livelock.
    pub(crate) failed: bool,
    /// What its choices are announced on, once it has made one.
    pub(crate) choices: Option<ObjectId>,
    /// The task whose store this is, on its way to memory; [`NONE`] if it is none.
    pub(crate) owner: u32,
}

impl Task {
    /// The task whose steps and stores its own, as this task, are among.
    pub(crate) fn whose(&self, task: usize) -> usize {
        if self.owner == NONE { task } else { self.owner as usize }
    }

    /// Whether the announced operation blocks.
    pub(crate) fn blocks(&self) -> bool {
        self.condition.is_some()
    }
}
