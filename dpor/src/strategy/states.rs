//! Depth-first exploration that goes on from each state once. See `algorithm.md` for why
//! that is enough.

use std::collections::HashMap;
use std::sync::Arc;

use super::depth_first::inherit_sleep;
use super::known::{Known, Next, Table};
use super::races::Races;
use super::summary::{Bits, Later, Summaries};
use super::whole::{FOLLOWED, Other, Whole, checks};
use crate::dependence::DependenceRule;
use crate::execution::{Core, Explore, Threads};
use crate::report::{End, Report, Unfinished};
use crate::state::{Keys, Sum};
use crate::task::TaskState;
use crate::taskset::TaskSet;

/// A state of the path.
#[derive(Debug)]
struct Visit {
    key: u128,
    /// What has to be the same whenever it is reached.
    check: u64,
    /// The thread that has led to it.
    by: Option<usize>,
    /// What the program has said of what its tasks share.
    shared: Sum,
    /// Who sleeps in it: threads.
    sleep: TaskSet,
    /// What can follow, as far as it has been gone through.
    after: Bits,
    /// Who was run from it first, and what that led to.
    next: Option<(u32, Next)>,
    how: How,
}

/// How much is run from a state of the path.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum How {
    /// It is new.
    New,
    /// It was gone on from before, and what slept then is awake.
    Woken,
    /// It was gone on from before, and nothing is run from it.
    Known,
}

/// Numbers that were never there before are each worker's own: it has so many bits of them.
const WORKERS_FRESH: u32 = 40;

pub(crate) struct States {
    races: Races,
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    path: Vec<Visit>,
    /// Where on the path those are that are gone on from.
    open: HashMap<u128, usize, Keys>,
    /// What all workers know, and which of them this is.
    table: Arc<Table>,
    worker: u64,
    summaries: Summaries,
    /// There is no room for more states.
    forgets: bool,
    hits: u64,
    /// The execution goes on from a known state as one did before, to see whether everything is as
    /// it was: what comes next then.
    follows: Option<Next>,
    checking: bool,
    /// All steps of all states, since executions need not end.
    whole: Option<Whole>,
}

impl States {
    /// One of the workers that share what they know.
    pub(crate) fn new(table: Arc<Table>) -> Self {
        States {
            races: Races::default(),
            started: false,
            branch: None,
            path: Vec::new(),
            open: HashMap::default(),
            worker: table.enter(),
            summaries: Summaries::new(&table.seen),
            table,
            forgets: false,
            hits: 0,
            follows: None,
            checking: false,
            whole: None,
        }
    }

    /// The deepest state from which something is left to run, and that. States after it are done
    /// with.
    fn next_branch(&mut self, core: &mut Core) -> Option<(usize, usize)> {
        while let Some(state) = self.path.len().checked_sub(1) {
            core.trace.frame_mut(state).done_with_event();
            let frame = core.trace.frame(state);
            if let Some(task) = self.one_of(&frame.backtrack, &frame.sleep) {
                return Some((state, task));
            }
            self.complete(core);
        }
        None
    }

    /// All that follows the last state of the path has been gone through.
    fn complete(&mut self, core: &Core) {
        let Some(Visit { key, check, by, sleep, after, next, how, .. }) = self.path.pop() else {
            return;
        };
        if let (Some(before), Some(by)) = (self.path.last_mut(), by) {
            self.summaries.before(&mut before.after, &after, by);
        }
        if how == How::Known {
            return;
        }
        self.open.remove(&key);
        self.forgets |= self.table.states() > core.max_states as u64;
        if self.forgets && how == How::New {
            return;
        }
        let summary = self.summaries.share(after);
        let new = self.table.add(key, Known { sleep, summary, check, next });
        if !new && how == How::New {
            self.table.came_second();
        }
    }

    /// A state is reached by a step of the execution. True if there is something to run from it.
    fn reach(&mut self, core: &mut Core, key: u128, check: u64) -> bool {
        let depth = core.trace.depth;
        debug_assert_eq!(depth, self.path.len());
        self.lead_to(core, Next::state(key));
        inherit_sleep(core);
        let (key, known) = self.find(core, key);
        let by = depth.checked_sub(1).map(|last| core.thread(core.trace.frame(last).task as usize));
        let sleep: TaskSet =
            core.trace.frame(depth).sleep.iter().map(|task| core.thread(task)).collect();
        let mut visit = Visit {
            key,
            check,
            by,
            shared: core.shared,
            sleep,
            after: Bits::default(),
            next: None,
            how: How::Known,
        };
        let on_path = self.open.get(&key).copied();
        let before = on_path.map(|at| self.path[at].check).or(known.as_ref().map(|of| of.check));
        if before.is_some_and(|before| before != check) {
            self.path.push(visit);
            core.differs(Other::Tasks.says());
            return false;
        }
        if on_path.is_some() {
            // What follows it is not known yet.
            core.circle = true;
            self.path.push(visit);
            return false;
        }
        let Some(known) = known else {
            let states = self.table.goes_on();
            core.limit_states(states as usize);
            if let Some(most) = core.few_states.filter(|&most| states > most as u64) {
                core.give_up_for(Unfinished::States(most));
            }
            self.open.insert(key, depth);
            self.path.push(Visit { how: How::New, ..visit });
            return true;
        };
        let woken: Vec<usize> =
            known.sleep.iter().filter(|&thread| !visit.sleep.contains(thread)).collect();
        (visit.after, visit.next) = ((*known.summary).clone(), known.next);
        if woken.is_empty() || !core.rules.has(DependenceRule::WokenStates) {
            self.path.push(visit);
        } else {
            // What began with those that slept then was left out.
            visit.how = How::Woken;
            visit.sleep =
                known.sleep.iter().filter(|&thread| visit.sleep.contains(thread)).collect();
            let here = |thread: usize| core.who(thread).task.expect("who slept waits here too");
            let woken: TaskSet = woken.into_iter().map(here).collect();
            let asleep: TaskSet = core.trace.frame(depth).sleep.iter().collect();
            let slept = |task: &usize| visit.sleep.contains(core.thread(*task));
            let asleep = asleep.iter().filter(slept).collect();
            let frame = core.trace.frame_mut(depth);
            frame.sleep = asleep;
            frame.backtrack.copy_from(&woken);
            frame.closed = true;
            self.open.insert(key, depth);
            self.path.push(visit);
        }
        if core.rules.has(DependenceRule::Summaries) {
            self.races.of_summary(core, &self.summaries, &known.summary);
        }
        self.path[depth].how != How::Known
    }

    /// The key of the state at hand, and what is known of it. How accesses to data are ordered belongs
    /// to the key if that might matter. Where every step of every state is run, two that race come next
    /// to each other.
    fn find(&mut self, core: &mut Core, key: u128) -> (u128, Option<Known>) {
        let Some(known) = self.table.find(key) else { return (key, None) };
        self.summaries.learn();
        if self.open.contains_key(&key)
            || !self.races.data_may_race(core, &self.summaries, &known.summary)
        {
            return (key, Some(known));
        }
        let key = core.state_with_data(key);
        (key, self.table.find(key))
    }

    /// What the tasks have done with data since the last state, which its event has led to.
    fn keep_accesses(&mut self, core: &mut Core) {
        // What comes after a race that was found, without it, was perhaps not gone through.
        if core.raced {
            self.path.iter_mut().for_each(|visit| Summaries::raced(&mut visit.after));
        }
        for (task, cell, write) in core.accesses() {
            let held = self.summaries.held(&core.held(task));
            let thread = core.thread(task);
            let number = self.summaries.number(Later::data(thread, cell, write, held));
            if let Some(last) = self.path.last_mut() {
                last.after.insert(number);
            }
        }
    }

    /// Executions need not end if somebody goes round in a circle.
    fn look_for_circle(&mut self, core: &mut Core) {
        if core.circle && core.rules.has(DependenceRule::Cycles) {
            self.table.goes_round();
        }
        if let Some(most) = core.few_states.filter(|_| self.table.circle()) {
            core.give_up_for(Unfinished::States(most));
        }
    }

    /// The last step of the path has led to this.
    fn lead_to(&mut self, core: &Core, next: Next) {
        let Some(before) = self.path.len().checked_sub(1) else { return };
        let thread = core.thread(core.trace.frame(before).task as usize) as u32;
        self.path[before].next.get_or_insert((thread, next));
    }

    /// Go on from a known state as an execution did before, and compare.
    fn follow(&mut self, core: &mut Core, key: u128, check: u64) -> Option<usize> {
        let expected = self.follows.take()?;
        let known = self.table.find(key);
        if known.is_none_or(|known| known.check != check) || expected != Next::state(key) {
            core.differs(Other::Next.says());
            return None;
        }
        let (_, known) = self.find(core, key);
        // It may go round in a circle.
        let may = core.trace.depth < self.path.len() + FOLLOWED;
        let (thread, next) = known?.next.filter(|_| may)?;
        self.follows = Some(next);
        core.who(thread as usize).task
    }

    /// One of those that are to run from a state. Workers begin with different ones, so that they meet
    /// seldom.
    fn one_of(&self, among: &TaskSet, asleep: &TaskSet) -> Option<usize> {
        let candidates = || among.iter().filter(|&task| !asleep.contains(task));
        let count = candidates().count() as u64;
        candidates().nth(self.worker.checked_rem(count)? as usize)
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
            let held = self.summaries.held(&core.held(index));
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
            let seen = std::mem::take(&mut waiting);
            self.summaries.before(&mut waiting, &seen, by);
        }
        if let Some(last) = self.path.last_mut() {
            last.after.union_with(&waiting);
        }
    }
}

impl Drop for States {
    fn drop(&mut self) {
        self.table.leave(self.worker);
    }
}

impl Explore for States {
    fn begin(&mut self, core: &mut Core) -> bool {
        if self.started {
            self.table.next_turn(self.worker);
        }
        (core.by_states, core.holds_back) = (true, true);
        (self.follows, self.checking) = (None, false);
        if self.whole.is_none() && self.table.circle() {
            // Executions need not end: begin again, one for all.
            self.path.clear();
            if !self.table.takes_whole() {
                return false;
            }
            self.whole = Some(Whole::default());
        }
        if let Some(whole) = &mut self.whole {
            return whole.begin(core);
        }
        if self.table.is_done() {
            self.path.clear();
            return false;
        }
        if !std::mem::replace(&mut self.started, true) {
            core.threads = Threads::new(&self.table.threads);
            core.fresh = self.worker << WORKERS_FRESH;
            core.rewind(0);
            return true;
        }
        let Some((state, task)) = self.next_branch(core) else {
            self.table.finish();
            return false;
        };
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
        if core.failure.is_some() || self.table.circle() || core.given_up {
            return None;
        }
        if !goes_on {
            self.hits += 1;
            if !checks(self.hits) {
                return None;
            }
            let (thread, next) = self.path[depth].next?;
            (self.follows, self.checking) = (Some(next), true);
            return core.who(thread as usize).task;
        }
        let frame = core.trace.frame(depth);
        if frame.closed {
            return self.one_of(&frame.backtrack, &frame.sleep);
        }
        let before =
            self.path.len().checked_sub(2).map(|before| core.trace.frame(before).task as usize);
        let frame = core.trace.frame(depth);
        // Going on with the running task needs no context switch.
        let choice = before
            .filter(|&task| frame.enabled.contains(task) && !frame.sleep.contains(task))
            .or_else(|| self.one_of(&frame.enabled, &frame.sleep))?;
        core.trace.frame_mut(depth).backtrack.insert(choice);
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
        let held = self.summaries.held(&core.held(task));
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
        if core.given_up || self.table.circle() {
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
        let known = self.path.get(depth).is_some_and(|visit| visit.how == How::Known);
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
            // Another has begun again.
            None if finished && self.table.circle() => (0, 0),
            None => (self.table.states(), (0..self.path.len()).map(left).sum()),
        };
        let lost = core.given_up || report.why_unfinished == Some(Unfinished::Nondeterminism);
        // It may have been stopped just where nothing is left.
        let reduced = self.started && self.whole.is_none() && !self.table.circle();
        let all = finished || reduced && (self.table.is_done() || self.next_branch(core).is_none());
        report.exhausted = !lost && all;
        if report.exhausted {
            report.why_unfinished = None;
        }
    }
}
