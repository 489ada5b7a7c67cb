//! One execution again.

use super::sampled;
use crate::execution::{Core, Explore, Outcomes};
use crate::report::{End, Report};
use crate::schedule::Schedule;
use crate::task::TaskState;

pub(crate) struct Replay {
    schedule: Schedule,
    done: bool,
}

impl Replay {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Replay { schedule, done: false }
    }

    /// The outcome that the schedule says the last event has, if it is one of these.
    fn outcome(&self, core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        let step = core.trace.depth - 1;
        let wanted = self.schedule.outcome(step);
        let found = outcomes.position(wanted);
        if found.is_none() {
            let why = format!("outcome {wanted} is asked for, and the step does not have it");
            core.misfit.get_or_insert((step, why));
        }
        found
    }

    /// The same for an event that has happened: who has one outcome need not pick.
    fn outcome_of_last_event(&self, core: &mut Core) -> Option<u32> {
        let outcome = core.trace.events().last().map(|event| event.outcome);
        let only = |outcome| self.outcome(core, Outcomes { numbers: &[outcome], old: false });
        outcome.map_or(Some(0), only)
    }
}

impl Explore for Replay {
    fn begin(&mut self, core: &mut Core) -> bool {
        core.rewind(0);
        !std::mem::replace(&mut self.done, true)
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        self.outcome_of_last_event(core)?;
        let depth = core.trace.depth;
        let enabled = &core.trace.frame(depth).enabled;
        let Some(&wanted) = self.schedule.tasks().get(depth) else {
            // A schedule may stop early: go on without preemptions.
            let before = core.trace.events().last().map(|frame| frame.task as usize);
            return before.filter(|&task| enabled.contains(task)).or_else(|| enabled.iter().next());
        };
        let wanted = wanted as usize;
        // Someone else's schedule may go round once more than we would.
        if core.trace.frame(depth).ready.contains(wanted) {
            return Some(wanted);
        }
        let why = match core.tasks().get(wanted) {
            None => format!("there is no task {wanted}"),
            Some(task) if task.state == TaskState::Pending => {
                format!("task {wanted} ({}) is blocked at {}", task.name, task.op)
            }
            Some(task) if task.state == TaskState::Finished => {
                format!("task {wanted} ({}) has ended", task.name)
            }
            Some(task) => format!("task {wanted} ({}) waits for another task's end", task.name),
        };
        core.misfit = Some((depth, why));
        None
    }

    fn pick(&mut self, core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        self.outcome(core, outcomes)
    }

    fn end(&mut self, core: &mut Core, _end: End) {
        self.outcome_of_last_event(core);
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        sampled(finished, report);
    }
}
