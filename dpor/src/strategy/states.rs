//! Depth-first exploration that goes on from each state once. See `algorithm.md` for why
//! that is enough.

use std::collections::HashMap;
use std::sync::Arc;

use super::depth_first::{inherit_sleep, open};
use super::races::Races;
use super::summary::{Bits, Later, Summaries};
use super::whole::{FOLLOWED, Other, Whole, checks};
use crate::dependence::DependenceRule;
use crate::execution::{Core, Explore};
use crate::report::{End, Report, Unfinished};
use crate::state::{Keys, Sum};
use crate::task::TaskState;
use crate::taskset::TaskSet;

/// What is remembered of a state.
#[derive(Debug)]
struct Known {
    /// What slept when it was gone on from: threads, as all that is remembered.
    sleep: TaskSet,
    /// What can follow it, once all of that has been gone through.
    summary: Arc<Bits>,
    /// It is on the path.
    open: bool,
    /// What has to be the same whenever it is reached.
    check: u64,
    /// Who was run from it, and what that led to.
    next: Option<(usize, Next)>,
}

/// What a step leads to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Next {
    State(u128),
    End,
}

/// A state of the path.
#[derive(Debug)]
struct Visit {
    key: u128,
    /// The thread that has led to it.
    by: Option<usize>,
    /// What the program has said of what its tasks share.
    shared: Sum,
    /// What can follow, as far as it has been gone through.
    after: Bits,
    /// It was gone on from before, and nothing is run from it.
    known: bool,
}

pub(crate) struct States {
    races: Races,
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    path: Vec<Visit>,
    known: HashMap<u128, Known, Keys>,
    summaries: Summaries,
    /// States that were gone on from, once each, though they may be forgotten.
    states: u64,
    hits: u64,
    /// The execution goes on from a known state as one did before, to see whether everything is as
    /// it was: what comes next then.
    follows: Option<Next>,
    checking: bool,
    /// A state was met again on the path: executions need not end.
    cycle: bool,
    /// All steps of all states, since executions need not end.
    whole: Option<Whole>,
}

impl States {
    pub(crate) fn new() -> Self {
        States {
            races: Races::default(),
            started: false,
            branch: None,
            path: Vec::new(),
            known: HashMap::default(),
            summaries: Summaries::default(),
            states: 0,
            hits: 0,
            follows: None,
            checking: false,
            cycle: false,
            whole: None,
        }
    }

    /// The deepest state from which something is left to run, and that. States after it are done
    /// with.
    fn next_branch(&mut self, core: &mut Core) -> Option<(usize, usize)> {
        while let Some(state) = self.path.len().checked_sub(1) {
            core.trace.frame_mut(state).done_with_event();
            if let Some(task) = open(&core.trace, state) {
                return Some((state, task));
            }
            self.complete(core);
        }
        None
    }

    /// All that follows the last state of the path has been gone through.
    fn complete(&mut self, core: &Core) {
        let Some(Visit { key, by, mut after, known, .. }) = self.path.pop() else { return };
        if let (Some(before), Some(by)) = (self.path.last_mut(), by) {
            let mut all = after.clone();
            self.summaries.before(&mut all, by);
            before.after.union_with(&all);
        }
        if known {
            return;
        }
        let remembered = self.known.get_mut(&key).expect("the path's states are known");
        if self.states > core.max_states as u64 {
            self.known.remove(&key);
            return;
        }
        remembered.open = false;
        after.union_with(&remembered.summary);
        remembered.summary = self.summaries.share(after);
    }

    /// A state is reached by a step of the execution. True if there is something to run from it.
    fn reach(&mut self, core: &mut Core, key: u128, check: u64) -> bool {
        let depth = core.trace.depth;
        debug_assert_eq!(depth, self.path.len());
        self.lead_to(core, Next::State(key));
        inherit_sleep(core);
        let key = self.with_data(core, key);
        let by = depth.checked_sub(1).map(|last| core.thread(core.trace.frame(last).task as usize));
        let mut visit = Visit { key, by, shared: core.shared, after: Bits::default(), known: true };
        let sleep: TaskSet =
            core.trace.frame(depth).sleep.iter().map(|task| core.thread(task)).collect();
        let Some(known) = self.known.get_mut(&key) else {
            let summary = self.summaries.share(Bits::default());
            self.known.insert(key, Known { sleep, summary, open: true, check, next: None });
            self.states += 1;
            core.limit_states(self.states as usize);
            if let Some(most) = core.few_states.filter(|&most| self.states > most as u64) {
                core.give_up_for(Unfinished::States(most));
            }
            self.path.push(Visit { known: false, ..visit });
            return true;
        };
        if known.check != check {
            self.path.push(visit);
            core.differs(Other::Tasks.says());
            return false;
        }
        if known.open {
            // What follows it is not known yet.
            core.circle = true;
            self.path.push(visit);
            return false;
        }
        let woken: Vec<usize> =
            known.sleep.iter().filter(|&thread| !sleep.contains(thread)).collect();
        visit.after = (*known.summary).clone();
        let summary = Arc::clone(&known.summary);
        if woken.is_empty() || !core.rules.has(DependenceRule::WokenStates) {
            self.path.push(visit);
        } else {
            // What began with those that slept then was left out.
            known.open = true;
            known.sleep = known.sleep.iter().filter(|&thread| sleep.contains(thread)).collect();
            let slept = &known.sleep;
            let here = |thread: usize| core.who(thread).task.expect("who slept waits here too");
            let woken: TaskSet = woken.into_iter().map(here).collect();
            let asleep: TaskSet = core.trace.frame(depth).sleep.iter().collect();
            let asleep = asleep.iter().filter(|&task| slept.contains(core.thread(task))).collect();
            let frame = core.trace.frame_mut(depth);
            frame.sleep = asleep;
            frame.backtrack.copy_from(&woken);
            frame.closed = true;
            self.path.push(Visit { known: false, ..visit });
        }
        if core.rules.has(DependenceRule::Summaries) {
            self.races.of_summary(core, &self.summaries, &summary);
        }
        !self.path[depth].known
    }

    /// The key of the state at hand, to which how accesses to data are ordered belongs if that
    /// might matter. Where every step of every state is run, two that race come next to each other.
    fn with_data(&mut self, core: &mut Core, key: u128) -> u128 {
        let summary = self
            .known
            .get(&key)
            .filter(|known| !known.open)
            .map(|known| Arc::clone(&known.summary));
        match summary {
            Some(summary) if self.races.data_may_race(core, &self.summaries, &summary) => {
                core.state_with_data(key)
            }
            _ => key,
        }
    }

    /// What the tasks have done with data since the last state, which its event has led to.
    fn keep_accesses(&mut self, core: &mut Core) {
        // What comes after a race that was found, without it, was perhaps not gone through.
        if core.raced {
            self.path.iter_mut().for_each(|visit| Summaries::raced(&mut visit.after));
        }
        for (task, cell, write) in core.accesses() {
            let held = self.summaries.held(core.held(task));
            let thread = core.thread(task);
            let number = self.summaries.number(Later::data(thread, cell, write, held));
            if let Some(last) = self.path.last_mut() {
                last.after.insert(number);
            }
        }
    }

    /// Executions need not end if somebody goes round in a circle.
    fn look_for_circle(&mut self, core: &mut Core) {
        self.cycle |= core.circle && core.rules.has(DependenceRule::Cycles);
        if let Some(most) = core.few_states.filter(|_| self.cycle) {
            core.give_up_for(Unfinished::States(most));
        }
    }

    /// The last step of the path has led to this.
    fn lead_to(&mut self, core: &Core, next: Next) {
        let Some(Visit { key, .. }) = self.path.last() else { return };
        let thread = core.thread(core.trace.frame(self.path.len() - 1).task as usize);
        if let Some(known) = self.known.get_mut(key) {
            known.next.get_or_insert((thread, next));
        }
    }

    /// Go on from a known state as an execution did before, and compare.
    fn follow(&mut self, core: &mut Core, key: u128, check: u64) -> Option<usize> {
        let expected = self.follows.take()?;
        if !self
            .known
            .get(&key)
            .is_some_and(|known| known.check == check && expected == Next::State(key))
        {
            core.differs(Other::Next.says());
            return None;
        }
        let key = self.with_data(core, key);
        // It may go round in a circle.
        let (thread, next) =
            self.known.get(&key)?.next.filter(|_| core.trace.depth < self.path.len() + FOLLOWED)?;
        self.follows = Some(next);
        core.who(thread).task
    }

    /// What waits when an execution ends has to be known to those who come to the states on the way
    /// again.
    fn remember_waiting(&mut self, core: &mut Core, end: End) {
        let depth = core.trace.depth;
        let here = core.trace.len() > depth;
        let mut waiting = Bits::default();
        if end == End::Failed && !core.stuck() && !core.overtaken().1.is_empty() {
            Summaries::overtaken(&mut waiting);
        }
        for (index, task) in core.tasks().iter().enumerate() {
            if task.state != TaskState::Pending
                || end == End::Cut && here && core.trace.frame(depth).enabled.contains(index)
            {
                continue;
            }
            let class = task.op.access.class(false);
            let held = self.summaries.held(core.held(index));
            let later = Later::new(
                core.thread(index),
                task.op,
                core.creator(task.op.object),
                class,
                task.blocks(),
                held,
            );
            waiting.insert(self.summaries.number(later));
        }
        if self.path.len() <= depth && depth > 0 {
            let by = core.thread(core.trace.frame(depth - 1).task as usize);
            self.summaries.before(&mut waiting, by);
        }
        if let Some(last) = self.path.last_mut() {
            last.after.union_with(&waiting);
        }
    }
}

impl Explore for States {
    fn begin(&mut self, core: &mut Core) -> bool {
        (core.by_states, core.holds_back) = (true, true);
        (self.follows, self.checking) = (None, false);
        if std::mem::take(&mut self.cycle) {
            // Executions need not end: begin again.
            self.whole = Some(Whole::default());
            self.path.clear();
            self.known.clear();
        }
        if let Some(whole) = &mut self.whole {
            return whole.begin(core);
        }
        if !std::mem::replace(&mut self.started, true) {
            core.rewind(0);
            return true;
        }
        let Some((state, task)) = self.next_branch(core) else { return false };
        self.branch = Some(task);
        core.rewind(state);
        true
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if let Some(whole) = &mut self.whole {
            return whole.choose(core);
        }
        let depth = core.trace.depth;
        if let Some(task) = self.branch.take() {
            (core.shared, core.telling) = (self.path[depth].shared, true);
            core.accesses();
            return Some(task);
        }
        let (key, check) = core.state()?;
        if self.checking {
            return self.follow(core, key, check);
        }
        self.keep_accesses(core);
        let goes_on = self.reach(core, key, check);
        self.look_for_circle(core);
        if core.failure.is_some() || self.cycle || core.given_up {
            return None;
        }
        if !goes_on {
            self.hits += 1;
            if !checks(self.hits) {
                return None;
            }
            let (thread, next) = self.known[&self.path[depth].key].next?;
            (self.follows, self.checking) = (Some(next), true);
            return core.who(thread).task;
        }
        let frame = core.trace.frame_mut(depth);
        if frame.closed {
            return open(&core.trace, depth);
        }
        let before =
            self.path.len().checked_sub(2).map(|before| core.trace.frame(before).task as usize);
        let frame = core.trace.frame_mut(depth);
        // Going on with the running task needs no context switch.
        let choice = before
            .filter(|&task| frame.enabled.contains(task) && !frame.sleep.contains(task))
            .or_else(|| frame.enabled.first_not_in(&frame.sleep))?;
        frame.backtrack.insert(choice);
        Some(choice)
    }

    fn executed(&mut self, core: &mut Core) {
        let depth = core.trace.depth - 1;
        if self.whole.is_some() || self.checking {
            return;
        }
        let frame = core.trace.frame(depth);
        let (task, op, class) = (frame.task as usize, frame.op, frame.class);
        // Not what it takes by this step.
        let held = self.summaries.held(core.held(task));
        let (thread, blocks) = (core.thread(task), core.tasks()[task].blocks());
        let later = Later::new(thread, op, core.creator(op.object), class, blocks, held);
        let number = self.summaries.number(later);
        self.path[depth].after.insert(number);
        self.races.of_last_event(core);
    }

    fn end(&mut self, core: &mut Core, end: End) {
        if let Some(whole) = &mut self.whole {
            return whole.end(core, end);
        }
        self.look_for_circle(core);
        if core.given_up || self.cycle {
            return;
        }
        if self.checking {
            // It may also have been cut where nothing more is remembered.
            if end != End::Cut && self.follows.is_some_and(|next| next != Next::End) {
                core.failure_at_end(Other::End.says());
            }
            return;
        }
        let depth = core.trace.depth;
        if self.path.len() == depth {
            self.keep_accesses(core);
            self.lead_to(core, Next::End);
        }
        let known = self.path.get(depth).is_some_and(|visit| visit.known);
        if known {
            return;
        }
        if end != End::Complete && core.rules.has(DependenceRule::WaitingFollows) {
            self.remember_waiting(core, end);
        }
        self.races.at_end(core, end);
    }

    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report) {
        let left = |state: usize| {
            let frame = core.trace.frame(state);
            frame.backtrack.iter().filter(|&task| !frame.sleep.contains(task)).count() as u64
        };
        (report.states, report.frontier) = match &self.whole {
            Some(whole) => (whole.states(), whole.left()),
            None => (self.states, (0..self.path.len()).map(left).sum()),
        };
        let lost = core.given_up || report.why_unfinished == Some(Unfinished::Nondeterminism);
        // It may have been stopped just where nothing is left.
        let reduced = self.started && self.whole.is_none() && !self.cycle;
        report.exhausted = !lost && (finished || reduced && self.next_branch(core).is_none());
        if report.exhausted {
            report.why_unfinished = None;
        }
    }
}
