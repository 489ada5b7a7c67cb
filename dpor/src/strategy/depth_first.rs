//! Depth-first exploration: plain, and reduced to source sets with sleep sets.

use super::Explore;
use super::races::Races;
use crate::core::Core;
use crate::dependence::{Rule, Rules};
use crate::report::{End, Report};
use crate::trace::Trace;

pub(crate) struct DepthFirst {
    reduce: bool,
    rules: Rules,
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    races: Races,
}

impl DepthFirst {
    pub(crate) fn dpor(rules: Rules) -> Self {
        DepthFirst { reduce: true, rules, started: false, branch: None, races: Races::default() }
    }

    pub(crate) fn dfs(rules: Rules) -> Self {
        DepthFirst { reduce: false, ..DepthFirst::dpor(rules) }
    }

    /// The tasks that need not run in the new state: those that slept before the last event and do not depend on it.
    fn inherit_sleep(&self, core: &mut Core) {
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
            let op = core.tasks()[task].op;
            let failed = last.sleep_failed.contains(task);
            let woken = op.object == last.op.object
                && core.trace.rules.dependent(op.access.class(failed), last.class)
                && self.rules.has(Rule::WakeSleepers);
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
}

/// Whether something is left to run from the state.
fn open(trace: &Trace, state: usize) -> Option<usize> {
    let state = trace.frame(state);
    state.backtrack.first_not_in(&state.sleep)
}

impl Explore for DepthFirst {
    fn begin(&mut self, core: &mut Core) -> bool {
        if !self.started {
            self.started = true;
            core.rewind(0);
            return true;
        }
        for state in (0..core.trace.len()).rev() {
            let frame = core.trace.frame_mut(state);
            if frame.tick != 0 {
                let task = frame.task as usize;
                frame.sleep.insert(task);
                if frame.failed {
                    frame.sleep_failed.insert(task);
                }
            }
            if let Some(task) = open(&core.trace, state) {
                self.branch = Some(task);
                core.rewind(state);
                return true;
            }
        }
        false
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if let Some(task) = self.branch.take() {
            return Some(task);
        }
        if self.reduce {
            self.inherit_sleep(core);
        }
        let depth = core.trace.depth;
        let before = (depth > 0).then(|| core.trace.frame(depth - 1).task as usize);
        let state = core.trace.frame_mut(depth);
        // Going on with the running task needs no context switch.
        let choice = before
            .filter(|&task| state.enabled.contains(task) && !state.sleep.contains(task))
            .or_else(|| state.enabled.first_not_in(&state.sleep))?;
        if self.reduce {
            state.backtrack.insert(choice);
        } else {
            let enabled = std::mem::take(&mut state.enabled);
            state.backtrack.copy_from(&enabled);
            state.enabled = enabled;
        }
        Some(choice)
    }

    fn executed(&mut self, core: &mut Core) {
        if self.reduce {
            self.races.of_last_event(core);
        }
    }

    fn end(&mut self, core: &mut Core, end: End) {
        if self.reduce {
            self.races.at_end(core, end, self.rules);
        }
    }

    fn conclude(&mut self, core: &Core, finished: bool, report: &mut Report) {
        report.exhausted = finished;
        if !finished {
            report.frontier = (0..core.trace.len()).filter(|&state| open(&core.trace, state).is_some()).count() as u64;
        }
    }
}
