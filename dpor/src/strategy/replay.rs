//! One execution again.

use super::{Explore, sampled};
use crate::execution::Core;
use crate::report::Report;
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
}

impl Explore for Replay {
    fn begin(&mut self, core: &mut Core) -> bool {
        core.rewind(0);
        !std::mem::replace(&mut self.done, true)
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
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
            Some(task) if task.state == TaskState::Pending => format!("task {wanted} ({}) is blocked at {}", task.name, task.op),
            Some(task) if task.state == TaskState::Finished => format!("task {wanted} ({}) has ended", task.name),
            Some(task) => format!("task {wanted} ({}) waits for another task's end", task.name),
        };
        core.misfit = Some((depth, why));
        None
    }

    fn pick(&mut self, core: &Core, _of: u32) -> Option<u32> {
        Some(self.schedule.choice(core.trace.depth - 1))
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        sampled(finished, report);
    }
}
