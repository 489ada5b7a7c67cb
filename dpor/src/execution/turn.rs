//! Whose turn it is: what is local goes on at once, and of those that wait to take a step the
//! strategy chooses one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Core, Explore};
use crate::dependence::DependenceRule;
use crate::hook::with_quiet;
use crate::livelock::{Retries, went_by_old};
use crate::model::Memory;
use crate::report::{FailureKind, Repeated, Unfinished, panic_failure};
use crate::task::TaskState;
use crate::trace::Frame;

/// An execution this long may be one that never ends.
const STEPS_BETWEEN_CHECKS: usize = 4096;

/// How many of the last steps of an execution that is too long are looked at.
const LAST_STEPS: usize = 1000;

/// What the scheduler does next.
pub(crate) enum Next {
    Run(usize),
    /// Tear the execution down.
    Abort,
}

impl Core {
    /// Choose among the tasks that have not ended.
    pub(crate) fn next(
        &mut self,
        strategy: &mut dyn Explore,
        runnable: impl Iterator<Item = usize> + Clone,
    ) -> Next {
        let announce_all = self.rules.has(DependenceRule::UnannouncedAtFailure);
        if self.ended || self.aborting && !announce_all {
            self.end(strategy);
            return Next::Abort;
        }
        // A task between steps goes on at once: what it does is local. The current one first, it is
        // running already. After a failure too: what all others are about to do has to be known.
        let current = runnable.clone().find(|&task| task == self.current);
        for task in current.into_iter().chain(runnable) {
            if task >= self.count {
                let before = self.count;
                self.add_task(task, "(not spawned by dpor)");
                (before..self.count).for_each(|task| self.name_thread(task, None));
            }
            match self.tasks[task].state {
                TaskState::New if self.delayed(strategy, task) => continue,
                TaskState::New => self.tasks[task].state = TaskState::Local,
                TaskState::Local | TaskState::Finished => {}
                TaskState::Joining(other)
                    if self.tasks[other].state == TaskState::Finished
                        && !self.tasks[other].failed =>
                {
                    if self.delayed(strategy, task) {
                        continue;
                    }
                    self.joined(task, other);
                    self.tasks[task].state = TaskState::Local;
                }
                TaskState::Joining(_) | TaskState::Pending => continue,
            }
            return Next::Run(task);
        }
        if self.aborting {
            self.end(strategy);
            return Next::Abort;
        }
        let chosen = if self.trace.repeating() { self.repeat() } else { self.choose(strategy) };
        match chosen {
            Some(task) => Next::Run(task),
            None => {
                self.aborting = true;
                self.end(strategy);
                Next::Abort
            }
        }
    }

    /// Whether a task that could go on without a step is to do so later.
    fn delayed(&self, strategy: &mut dyn Explore, task: usize) -> bool {
        self.following && !self.aborting && strategy.delays(self, task)
    }

    /// The step that this execution has in common with the last one.
    fn repeat(&mut self) -> Option<usize> {
        let depth = self.trace.depth;
        let frame = self.trace.frame(depth);
        let (task, op) = (frame.task as usize, frame.op);
        let now = self
            .tasks()
            .get(task)
            .filter(|task| task.state == TaskState::Pending)
            .map(|task| task.op);
        if now != Some(op) {
            let now = now.map_or_else(|| "nothing".to_owned(), |op| op.to_string());
            self.differs(format!("task {task} did {op} here before, and now announces {now}"));
            return None;
        }
        if !self.is_ready(task)? {
            self.differs(format!("task {task} could do {op} here before, and now cannot"));
            return None;
        }
        if !self.by_states {
            let (_, judged, tasks) = self.rounds();
            Retries::reconsider(judged, tasks, &judged.trace.frame(depth).ready);
        }
        self.trace.repeat_event();
        if self.memory == Memory::Weak {
            self.order_last_event();
        }
        let (local, failed) = (self.trace.frame(depth).local, self.trace.frame(depth).failed);
        let task_state = &mut self.tasks[task];
        task_state.state = TaskState::Local;
        task_state.round.look_again();
        task_state.round.repeated(local, depth, op.access, op.access.is_try().then_some(failed));
        task_state.learned.event(op.access, &mut self.fresh);
        self.hold(depth);
        let (retries, judged, tasks) = self.rounds();
        retries.wake(judged, tasks);
        self.watch_attempts();
        Some(task)
    }

    /// A step that is new: let the strategy choose.
    fn choose(&mut self, strategy: &mut dyn Explore) -> Option<usize> {
        self.settle_worst_case(strategy);
        let new = self.trace.open_state();
        if new {
            self.find_ready()?;
        }
        let depth = self.trace.depth;
        let by_states = self.by_states;
        let (_, judged, tasks) = self.rounds();
        let ready = &judged.trace.frame(depth).ready;
        if by_states {
            self.circle |= Retries::fair_to_all(judged, tasks, ready);
        } else {
            Retries::reconsider(judged, tasks, ready);
        }
        if new {
            self.find_enabled();
            self.let_look_again();
        }
        if self.trace.frame(depth).enabled.is_empty() {
            self.nothing_enabled();
            return None;
        }
        if depth % STEPS_BETWEEN_CHECKS == STEPS_BETWEEN_CHECKS - 1
            && self.give_up.as_ref().is_some_and(|give_up| give_up())
        {
            (self.given_up, self.cut) = (true, true);
            return None;
        }
        if depth >= self.max_steps && !self.following {
            self.give_up_for(self.what_repeats());
            return None;
        }
        let Some(task) = strategy.choose(self) else {
            self.cut = self.failure.is_none() && self.misfit.is_none();
            return None;
        };
        self.run_event(task);
        if !self.trace.unsettled_try() {
            self.settle(strategy, false);
        }
        Some(task)
    }

    /// The execution is too long: who does what most often at its end.
    fn what_repeats(&self) -> Unfinished {
        let events = self.trace.events();
        let last = &events[events.len().saturating_sub(LAST_STEPS)..];
        let times = |event: &Frame| {
            last.iter().filter(|other| (other.task, other.op) == (event.task, event.op)).count()
        };
        let often = last.iter().max_by_key(|event| times(event));
        let repeats = often.map(|event| {
            let Frame { task, op, at, .. } = *event;
            let name = self.tasks[task as usize].name.clone();
            Repeated { task: task as usize, name, op, at, times: times(event), of: last.len() }
        });
        Unfinished::TooLong { steps: events.len(), repeats: repeats.map(Box::new) }
    }

    fn run_event(&mut self, task: usize) {
        let depth = self.trace.depth;
        self.accessed.retain(|last| last.what.0 != task);
        let (mut preemptions, mut switches) = (0, 0);
        if depth > 0 {
            let before = self.trace.frame(depth - 1);
            (preemptions, switches) = (before.preemptions, before.switches);
            let before = self.owner(before.task as usize);
            if before != self.owner(task) {
                switches += 1;
                preemptions += u32::from(self.goes_on(before, depth));
            }
        }
        preemptions += self.overtaken_by(task, depth);
        let (op, at) = (self.tasks[task].op, self.tasks[task].at);
        let task_state = &mut self.tasks[task];
        task_state.state = TaskState::Local;
        task_state.round.look_again();
        let local = task_state.round.event(op, depth);
        task_state.learned.event(op.access, &mut self.fresh);
        let owner = self.tasks[task].owner;
        self.trace.push_event((task, owner), op, at, local);
        let frame = self.trace.frame_mut(depth);
        (frame.preemptions, frame.switches) = (preemptions, switches);
    }

    /// Whether the pending operation of `task` can run now; `None` if finding out panicked, which
    /// is the execution's failure.
    pub(super) fn is_ready(&mut self, task: usize) -> Option<bool> {
        let Some(condition) = self.tasks[task].condition else { return Some(true) };
        // SAFETY: the condition is borrowed by `step_when`, on the stack of a task that is
        // suspended inside it (it is pending), and whose stack is only unwound by resuming it.
        let ready =
            || catch_unwind(AssertUnwindSafe(|| with_quiet(true, || unsafe { (*condition)() })));
        match self.pulse.code_of(task, self.tasks[task].at, ready) {
            Ok(ready) => Some(ready),
            Err(payload) => {
                self.fail(panic_failure(task, payload));
                None
            }
        }
    }

    fn find_ready(&mut self) -> Option<()> {
        let depth = self.trace.depth;
        for task in 0..self.count {
            if self.tasks[task].state == TaskState::Pending && self.is_ready(task)? {
                self.trace.frame_mut(depth).ready.insert(task);
            }
        }
        Some(())
    }

    /// Those of the ready tasks that are not held back.
    fn find_enabled(&mut self) {
        let depth = self.trace.depth;
        let frame = self.trace.frame_mut(depth);
        let Frame { ready, enabled, .. } = frame;
        for task in ready.iter().filter(|&task| !self.tasks[task].round.held_back) {
            enabled.insert(task);
        }
    }

    /// Nobody may go on, but some have gone round with what was not the newest: one day they see
    /// that, and then it shows whether they go round in vain.
    fn let_look_again(&mut self) {
        let depth = self.trace.depth;
        if self.memory != Memory::Weak || !self.trace.frame(depth).enabled.is_empty() {
            return;
        }
        for task in 0..self.count {
            let round = &self.tasks[task].round;
            if self.trace.frame(depth).ready.contains(task) && went_by_old(&self.trace, task, round)
            {
                self.trace.frame_mut(depth).enabled.insert(task);
            }
        }
    }

    /// No task may run: a deadlock, or all that could go on would go round for ever.
    fn nothing_enabled(&mut self) {
        self.stuck = true;
        let waiting = self.waiting();
        let depth = self.trace.depth;
        let by_states = self.by_states;
        let (_, judged, tasks) = self.rounds();
        let ready = &judged.trace.frame(depth).ready;
        let kind = if ready.is_empty() {
            FailureKind::Deadlock { waiting }
        } else if by_states || Retries::unfair_to_blocked(judged, tasks, ready) {
            self.trace.close_state();
            self.cut = true;
            return;
        } else {
            FailureKind::Livelock { cycle: self.retries.last_cycle(self.tasks()), waiting }
        };
        self.trace.close_state();
        self.fail(kind);
    }
}
