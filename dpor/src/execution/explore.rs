//! What an execution asks of who explores.

use super::Core;
use crate::report::{End, Failure, Report};
use crate::saved::SavedStack;

/// The outcomes that a step may have, in order.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Outcomes<'a> {
    /// What [`Frame::outcome`](crate::trace::Frame::outcome) says of them.
    pub(crate) numbers: &'a [u32],
    /// All but 0 are of old values, which counts as a preemption.
    pub(crate) old: bool,
}

impl Outcomes<'_> {
    /// Which of them has this number.
    pub(crate) fn position(self, number: u32) -> Option<u32> {
        self.numbers.iter().position(|&other| other == number).map(|found| found as u32)
    }
}

/// A strategy at work.
pub(crate) trait Explore: Send {
    /// Whether the last execution is to be run again in another way first; it is prepared then.
    fn again(&mut self, _core: &mut Core) -> bool {
        false
    }

    /// Prepare the next execution: false if there is none.
    fn begin(&mut self, core: &mut Core) -> bool;

    /// The task to run from the state at hand, whose enabled tasks are known and not empty; `None`
    /// to cut the execution.
    fn choose(&mut self, core: &mut Core) -> Option<usize>;

    /// Whether the task, which could go on without a step since it was spawned or has joined
    /// another, is to do so later.
    fn delays(&self, _core: &Core, _task: usize) -> bool {
        false
    }

    /// Which of these outcomes the last event has, if there are several. `None` if the strategy does
    /// not go through them, or has none that fits.
    fn pick(&mut self, _core: &mut Core, _outcomes: Outcomes<'_>) -> Option<u32> {
        None
    }

    /// The last event has happened and its outcome is known. Not called for events that are
    /// repeated.
    fn executed(&mut self, _core: &mut Core) {}

    /// The execution is over.
    fn end(&mut self, _core: &mut Core, _end: End) {}

    /// A wanted failure was found. Returns whether the strategy deals with it itself.
    fn found(&mut self, _core: &Core, _failure: &mut Option<Failure>) -> bool {
        false
    }

    /// Whether the last execution belongs to this part of the search.
    fn counts(&self) -> bool {
        true
    }

    /// Whether complete executions are to be inequivalent.
    fn counts_classes(&self) -> bool {
        false
    }

    /// Where the search stands, to go on later; `None` if the strategy cannot.
    fn save(&mut self, _core: &mut Core) -> Option<SavedStack> {
        None
    }

    /// Fill in what only the strategy knows. `finished` if `begin` said that there is no further
    /// execution.
    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report);
}
