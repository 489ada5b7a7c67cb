//! Depth-first exploration: plain, and reduced to source sets with sleep sets.

use super::races::Races;
use crate::dependence::DependenceRule;
use crate::execution::{Core, Explore, Outcomes};
use crate::pool::Worker;
use crate::report::{End, Report, Unfinished};
use crate::saved::{SavedStack, SavedState};
use crate::task::Task;
use crate::taskset::TaskSet;
use crate::trace::{Frame, Trace};
use crate::units::{Share, Units};

pub(crate) struct DepthFirst {
    reduce: bool,
    worker: Worker,
    /// Whether an execution has begun.
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    races: Races,
    units: Units,
    /// The states to go through before going on where an earlier exploration stopped.
    resumed: Vec<SavedState>,
}

impl DepthFirst {
    pub(crate) fn new(reduce: bool, share: Share, worker: Worker) -> Self {
        DepthFirst {
            reduce,
            worker,
            started: false,
            branch: None,
            races: Races::default(),
            units: Units::new(share),
            resumed: Vec::new(),
        }
    }

    /// Go on with what nobody does.
    fn take(&mut self, core: &mut Core) -> bool {
        let Some(stack) = self.worker.take() else { return false };
        core.rewind(0);
        self.units.next = stack.unit;
        self.resumed = stack.states;
        self.units.resume(self.resumed.len());
        true
    }

    /// Give away all that is left to run from the first state of our path, before `end`, that has
    /// anything left.
    fn give(&mut self, core: &mut Core, end: usize) {
        for depth in 0..end {
            let frame = core.trace.frame_mut(depth);
            // With its next outcome what is given away would sleep here, and the step sleeps there:
            // nobody would run both.
            if frame.next_choice().is_some() {
                return;
            }
            // What is above the units is for who counts them.
            if self.units.are_below(depth) {
                continue;
            }
            frame.run_all_enabled();
            let ours = frame.task as usize;
            let rest: TaskSet = frame
                .enabled
                .iter()
                .filter(|&task| task != ours && !frame.sleep.contains(task))
                .collect();
            let Some(next) = rest.iter().next() else { continue };
            frame.done_with_event();
            self.worker.give(SavedStack::rest(&core.trace.frames()[..=depth], next));
            core.trace.frame_mut(depth).sleep.union_with(&rest);
            return;
        }
    }

    /// The deepest state from which something is left to run, that, and the outcome it shall have.
    /// States after it are done with.
    fn next_branch(core: &mut Core) -> Option<(usize, usize, u32)> {
        (0..core.trace.len()).rev().find_map(|state| {
            let frame = core.trace.frame_mut(state);
            if let Some(choice) = frame.next_choice() {
                return Some((state, frame.task as usize, choice));
            }
            frame.done_with_event();
            open(&core.trace, state).map(|task| (state, task, 0))
        })
    }
}

/// The tasks that need not run in the new state: those that slept before the last event and do not
/// depend on it.
pub(super) fn inherit_sleep(core: &mut Core) {
    let depth = core.trace.depth;
    if depth == 0 {
        return;
    }
    let (mut sleep, mut sleep_failed) = (Default::default(), Default::default());
    {
        let state = core.trace.frame_mut(depth);
        std::mem::swap(&mut state.sleep, &mut sleep);
        std::mem::swap(&mut state.sleep_failed, &mut sleep_failed);
    }
    let last = core.trace.frame(depth - 1);
    for task in last.sleep.iter().filter(|&task| task != last.task as usize) {
        let Task { op, owner, .. } = core.tasks()[task];
        let failed = last.sleep_failed.contains(task);
        let class = op.access.class(failed);
        let woken = op.object == last.op.object
            && core.rules.dependent(class, last.class)
            && !last.forwards(task, class, owner)
            && core.rules.has(DependenceRule::WakeSleepers);
        if !woken {
            sleep.insert(task);
            if failed {
                sleep_failed.insert(task);
            }
        }
    }
    let state = core.trace.frame_mut(depth);
    state.sleep = sleep;
    state.sleep_failed = sleep_failed;
}

/// Whether something is left to run from the state.
pub(super) fn open(trace: &Trace, state: usize) -> Option<usize> {
    let state = trace.frame(state);
    state.backtrack.first_not_in(&state.sleep)
}

impl Explore for DepthFirst {
    fn begin(&mut self, core: &mut Core) -> bool {
        if std::mem::replace(&mut self.started, true) {
            self.resumed.clear();
            if self.worker.pauses()
                && let Some(left) = self.save(core)
            {
                self.worker.pause(left);
            }
            if let Some((state, task, choice)) = DepthFirst::next_branch(core) {
                if self.worker.wanted() {
                    self.give(core, state);
                }
                core.trace.frame_mut(state).choose(choice);
                self.branch = Some(task);
                self.units.branch(state);
                core.rewind(state);
                return true;
            }
        }
        self.take(core)
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if let Some(task) = self.branch.take() {
            return Some(task);
        }
        let depth = core.trace.depth;
        if let Some(saved) = self.resumed.get(depth) {
            let state = core.trace.frame_mut(depth);
            saved.restore(state);
            if state.enabled.contains(saved.next) {
                return Some(saved.next);
            }
            core.differs(format!(
                "task {} could run here when the exploration was saved, and now cannot",
                saved.next
            ));
            return None;
        }
        if !self.units.reach(depth) {
            return None;
        }
        if self.reduce {
            inherit_sleep(core);
        }
        let before = (depth > 0).then(|| core.trace.frame(depth - 1).task as usize);
        let state = core.trace.frame_mut(depth);
        // Going on with the running task needs no context switch.
        let choice = before
            .filter(|&task| state.enabled.contains(task) && !state.sleep.contains(task))
            .or_else(|| state.enabled.first_not_in(&state.sleep))?;
        // Every part sees the same states above the units if nothing that is found inside a unit
        // matters for them.
        if self.reduce && !self.units.are_below(depth) {
            state.backtrack.insert(choice);
        } else {
            state.run_all_enabled();
        }
        Some(choice)
    }

    fn executed(&mut self, core: &mut Core) {
        if self.reduce {
            self.races.of_last_event(core);
        }
    }

    fn end(&mut self, core: &mut Core, end: End) {
        let ours = self.units.enter();
        if self.reduce && ours {
            self.races.at_end(core, end);
        }
    }

    fn pick(&mut self, core: &mut Core, _outcomes: Outcomes<'_>) -> Option<u32> {
        Some(core.trace.frame(core.trace.depth - 1).choice)
    }

    fn counts(&self) -> bool {
        self.units.may_be_ours()
    }

    fn counts_classes(&self) -> bool {
        self.reduce
    }

    fn save(&mut self, core: &mut Core) -> Option<SavedStack> {
        let Some((last, next, choice)) = DepthFirst::next_branch(core) else {
            return Some(SavedStack { done: true, unit: self.units.next, states: Vec::new() });
        };
        let frames = core.trace.frames()[..=last].iter().enumerate();
        let next = |state: usize, frame: &Frame| {
            if state == last { (next, choice) } else { (frame.task as usize, frame.choice) }
        };
        let states =
            frames.map(|(state, frame)| SavedState::new(frame, next(state, frame))).collect();
        Some(SavedStack { done: false, unit: self.units.next, states })
    }

    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report) {
        let left = if finished { None } else { DepthFirst::next_branch(core) };
        if let Some((last, ..)) = left {
            let choices = core.trace.frames()[..=last].iter().enumerate().map(|(state, frame)| {
                // On the way to the last state, what runs next is not a choice that is left.
                let left = |task: &usize| {
                    !frame.sleep.contains(*task) && (state == last || *task != frame.task as usize)
                };
                frame.backtrack.iter().filter(left).count()
            });
            report.frontier = choices.sum::<usize>() as u64;
        }
        let lost = core.given_up || report.why_unfinished == Some(Unfinished::Nondeterminism);
        report.exhausted = left.is_none() && self.worker.nothing_left() && !lost;
        if report.exhausted {
            report.why_unfinished = None;
        }
    }
}
