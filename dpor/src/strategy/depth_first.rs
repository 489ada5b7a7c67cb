//! Depth-first exploration: plain, and reduced to source sets with sleep sets.

use super::Explore;
use super::races::Races;
use crate::dependence::{Rule, Rules};
use crate::execution::Core;
use crate::report::{End, Report, Unfinished};
use crate::saved::{SavedStack, SavedState};
use crate::trace::{Frame, Trace};
use crate::units::Part;

pub(crate) struct DepthFirst {
    reduce: bool,
    rules: Rules,
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    races: Races,
    /// Which part of the search is ours.
    part: Part,
    /// The number of the next unit.
    unit: u64,
    /// Whether this execution is in one of our units, or it is not known yet.
    entered: Option<bool>,
    /// The states to go through before going on where an earlier exploration stopped.
    resumed: Vec<SavedState>,
}

impl DepthFirst {
    pub(crate) fn dpor(rules: Rules) -> Self {
        DepthFirst {
            reduce: true,
            rules,
            started: false,
            branch: None,
            races: Races::default(),
            part: Part::default(),
            unit: 0,
            entered: None,
            resumed: Vec::new(),
        }
    }

    pub(crate) fn dfs(rules: Rules) -> Self {
        DepthFirst { reduce: false, ..DepthFirst::dpor(rules) }
    }

    pub(crate) fn with_part(self, part: Part) -> Self {
        DepthFirst { part, ..self }
    }

    /// Go on where another one stopped.
    pub(crate) fn resume(&mut self, saved: &SavedStack) {
        self.unit = saved.unit;
        self.resumed.clone_from(&saved.states);
    }

    /// Whether the execution is in our part. Units are numbered as they are met, which is always in the same order.
    fn enter(&mut self) -> bool {
        if let Some(entered) = self.entered {
            return entered;
        }
        let ours = self.part.owns(self.unit);
        self.unit += 1;
        self.entered = Some(ours);
        ours
    }

    /// The deepest state from which something is left to run, and that. States after it are done with.
    fn next_branch(core: &mut Core) -> Option<(usize, usize)> {
        (0..core.trace.len()).rev().find_map(|state| {
            let frame = core.trace.frame_mut(state);
            if frame.tick != 0 {
                let task = frame.task as usize;
                frame.sleep.insert(task);
                if frame.failed {
                    frame.sleep_failed.insert(task);
                }
            }
            open(&core.trace, state).map(|task| (state, task))
        })
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
        if !std::mem::replace(&mut self.started, true) {
            core.rewind(0);
            // A resumed search goes on inside the unit in which it stopped.
            self.entered = (self.resumed.len() > self.part.depth).then_some(true);
            return true;
        }
        self.resumed.clear();
        let Some((state, task)) = DepthFirst::next_branch(core) else { return false };
        self.branch = Some(task);
        if state < self.part.depth {
            self.entered = None;
        }
        core.rewind(state);
        true
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
            core.differs(format!("task {} could run here when the exploration was saved, and now cannot", saved.next));
            return None;
        }
        if depth == self.part.depth && !self.enter() {
            return None;
        }
        if self.reduce {
            self.inherit_sleep(core);
        }
        let before = (depth > 0).then(|| core.trace.frame(depth - 1).task as usize);
        let state = core.trace.frame_mut(depth);
        // Going on with the running task needs no context switch.
        let choice = before
            .filter(|&task| state.enabled.contains(task) && !state.sleep.contains(task))
            .or_else(|| state.enabled.first_not_in(&state.sleep))?;
        // Every part sees the same states above the units if nothing that is found inside a unit matters for them.
        if self.reduce && depth >= self.part.depth {
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
        let ours = self.enter();
        if self.reduce && ours {
            self.races.at_end(core, end, self.rules);
        }
    }

    fn counts(&self) -> bool {
        self.entered != Some(false)
    }

    fn save(&mut self, core: &mut Core) -> Option<SavedStack> {
        if !self.started {
            return Some(SavedStack { done: false, unit: self.unit, states: self.resumed.clone() });
        }
        let Some((last, next)) = DepthFirst::next_branch(core) else {
            return Some(SavedStack { done: true, unit: self.unit, states: Vec::new() });
        };
        let frames = core.trace.frames()[..=last].iter().enumerate();
        let next = |state: usize, frame: &Frame| if state == last { next } else { frame.task as usize };
        let states = frames.map(|(state, frame)| SavedState::new(frame, next(state, frame))).collect();
        Some(SavedStack { done: false, unit: self.unit, states })
    }

    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report) {
        let left = if finished { None } else { DepthFirst::next_branch(core) };
        if let Some((last, _)) = left {
            // On the way to the last state, what runs next is not a choice that is left.
            let choices = core.trace.frames()[..=last].iter().enumerate().map(|(state, frame)| {
                let open = frame.backtrack.iter().filter(|&task| !frame.sleep.contains(task)).count();
                open - usize::from(state < last)
            });
            report.frontier = choices.sum::<usize>() as u64;
        }
        let lost = core.given_up || report.why_unfinished == Some(Unfinished::Nondeterminism);
        report.exhausted = self.started && left.is_none() && !lost;
        if report.exhausted {
            report.why_unfinished = None;
        }
    }
}
