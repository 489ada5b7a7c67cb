//! Depth-first exploration that goes on once from each state that it tells apart from others. See
//! `algorithm.md` for why that is enough.

use std::collections::HashMap;
use std::sync::Arc;

use super::depth_first::inherit_sleep;
use super::races::Races;
use super::whole::{FOLLOWED, Other, Whole, checks};
use crate::access::{Access, Class};
use crate::dependence::DependenceRule;
use crate::execution::{Core, Explore, Threads};
use crate::known::summary::{Bits, Later, Summaries};
use crate::known::{How, Known, Next, OnPath, Path, Route, Table};
use crate::pool::Worker;
use crate::report::{End, Report, Unfinished};
use crate::saved::SavedStack;
use crate::state::{Keys, Sum};
use crate::task::TaskState;
use crate::taskset::TaskSet;
use crate::trace::Frame;
use crate::units::{Share, Units};

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
    /// How the first execution went on from it, unless something is read on the way that is not
    /// said: that makes each state unlike all others.
    next: Option<(Route, Next)>,
    /// What is unlike anything else so far.
    fresh: u64,
    how: How,
}

pub(crate) struct States {
    races: Races,
    started: bool,
    /// What to run from the state in which this execution leaves the last one.
    branch: Option<usize>,
    /// That state, and what to run.
    branched: Option<(usize, usize)>,
    path: Vec<Visit>,
    /// Where on the path those are that are gone on from.
    open: HashMap<u128, usize, Keys>,
    /// What all workers know, and which of them this is.
    table: Arc<Table>,
    worker: u64,
    pool: Worker,
    /// Above the units no state is told apart: what follows it is gone through in several shards.
    units: Units,
    summaries: Summaries,
    /// There is no room for more states.
    forgets: bool,
    hits: u64,
    /// The path on which to go on where a search was stopped.
    resumed: Vec<OnPath>,
    /// The execution goes on from a known state as one did before, to see whether everything is as
    /// it was: whose steps come next then, and to what they lead.
    follows: Option<(Route, Next)>,
    checking: bool,
    /// All steps of all states, since executions need not end.
    whole: Option<Whole>,
}

impl States {
    /// One of the workers that share what they know.
    pub(crate) fn new(table: Arc<Table>, share: Share, pool: Worker) -> Self {
        let worker = table.enter();
        let Path { hits, unit, states } = table.take_path(worker);
        let mut units = Units::new(share);
        units.next = unit;
        units.resume(states.len());
        States {
            races: Races::default(),
            started: false,
            branch: None,
            branched: None,
            path: Vec::new(),
            open: HashMap::default(),
            worker,
            summaries: Summaries::new(&table.seen),
            table,
            pool,
            units,
            forgets: false,
            hits,
            resumed: states,
            follows: None,
            checking: false,
            whole: None,
        }
    }

    /// Nothing more is run from these states of the path and those after them.
    fn abandon(&mut self, from: usize) {
        let new = self.path.drain(from..).filter(|visit| visit.how == How::New);
        self.table.not_done_with(new.count() as u64);
    }

    /// Whoever wants to know how far the search is may look now.
    fn pause(&mut self, core: &mut Core) {
        if self.pool.pauses() {
            if let Some(whole) = &self.whole {
                *self.table.graph() = whole.saved();
            } else if let Some((state, task)) = self.next_branch(core) {
                self.table.leave_path(self.worker, self.path_to(core, state, task));
            }
            self.pool.pause(SavedStack::default());
        }
    }

    /// The deepest state from which something is left to run, and that. States after it are done
    /// with.
    fn next_branch(&mut self, core: &mut Core) -> Option<(usize, usize)> {
        while let Some(state) = self.path.len().checked_sub(1) {
            core.trace.frame_mut(state).done_with_event();
            let frame = core.trace.frame(state);
            let next = if self.units.are_below(state) {
                frame.backtrack.first_not_in(&frame.sleep)
            } else {
                self.one_of(&frame.backtrack, &frame.sleep)
            };
            if let Some(task) = next {
                return Some((state, task));
            }
            self.complete(core);
        }
        None
    }

    /// The path to a state from which a task is left to run.
    fn path_to(&self, core: &Core, state: usize, task: usize) -> Path {
        let on_path = |(depth, (visit, frame)): (usize, (&Visit, &Frame))| OnPath {
            how: visit.how,
            check: visit.check,
            task: if depth == state { task } else { frame.task as usize },
            backtrack: frame.backtrack.clone(),
            sleep: frame.sleep.clone(),
            sleep_failed: frame.sleep_failed.clone(),
            after: visit.after.clone(),
            next: visit.next,
        };
        let states = self.path.iter().zip(core.trace.frames()).enumerate();
        Path { hits: self.hits, unit: self.units.next, states: states.map(on_path).collect() }
    }

    /// Go on as the search did before it was stopped, unless another has been done with the state
    /// at hand since.
    fn retrace(&mut self, core: &mut Core) -> Option<usize> {
        let depth = core.trace.depth;
        let OnPath { how, check, task, backtrack, sleep, sleep_failed, after, next } =
            self.resumed.get(depth)?.clone();
        let visit = &mut self.path[depth];
        if visit.how != how {
            self.resumed.clear();
            return None;
        }
        if visit.check != check {
            core.differs(Other::Tasks.says());
            return None;
        }
        visit.after.union_with(&after);
        visit.next = next;
        let frame = core.trace.frame_mut(depth);
        (frame.backtrack, frame.sleep, frame.sleep_failed) = (backtrack, sleep, sleep_failed);
        if !frame.enabled.contains(task) {
            core.differs(format!(
                "task {task} could run here when the exploration was saved, and now cannot"
            ));
            return None;
        }
        Some(task)
    }

    /// All that follows the last state of the path has been gone through.
    fn complete(&mut self, core: &Core) {
        let Some(Visit { key, check, by, sleep, after, next, how, .. }) = self.path.pop() else {
            return;
        };
        if let (Some(before), Some(by)) = (self.path.last_mut(), by) {
            self.summaries.before(&mut before.after, &after, by);
        }
        if matches!(how, How::Known | How::Passed) {
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
            self.table.not_done_with(1);
        }
    }

    /// Is the state at hand told apart from others? Executions come to the same state where one of
    /// them makes up for something: where it gives a lock back, or changes something while it holds
    /// none. And each circle goes through the beginning of a round.
    fn tells_apart(core: &Core, round_begins: bool) -> bool {
        let Some(last) = core.trace.depth.checked_sub(1) else { return true };
        let frame = core.trace.frame(last);
        let gives_back = matches!(frame.op.access, Access::Release | Access::ReleaseShared);
        let holds = !core.tasks()[frame.whose()].held.is_empty();
        round_begins || gives_back || frame.class != Class::Reader && !holds
    }

    /// A state is reached by a step of the execution.
    fn visit(&self, core: &mut Core) -> Visit {
        inherit_sleep(core);
        let depth = core.trace.depth;
        let by = depth.checked_sub(1).map(|last| core.thread(core.trace.frame(last).task as usize));
        Visit {
            key: 0,
            check: 0,
            by,
            shared: core.shared,
            sleep: TaskSet::default(),
            after: Bits::default(),
            next: None,
            fresh: core.fresh,
            how: How::Passed,
        }
    }

    /// It is told apart from others. True if there is something to run from it.
    fn reach(&mut self, core: &mut Core, key: u128, check: u64) -> bool {
        let depth = core.trace.depth;
        debug_assert_eq!(depth, self.path.len());
        self.lead_to(core, Next::state(key));
        let visit = self.visit(core);
        let (key, known) = self.find(core, key);
        let sleep = core.trace.frame(depth).sleep.iter().map(|task| core.thread(task)).collect();
        let mut visit = Visit { key, check, sleep, how: How::Known, ..visit };
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

    /// The key of the state at hand, and what is known of it. How accesses to data are ordered
    /// belongs to the key if that might matter. In circles two that race come next to each other.
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

    /// The last steps of the path have led to this.
    fn lead_to(&mut self, core: &Core, next: Next) {
        let Some(from) = self.path.iter().rposition(|visit| visit.how != How::Passed) else {
            return;
        };
        let before = &self.path[from];
        // One that was known may go on to what there is no room for.
        if before.how == How::New && before.next.is_none() && before.fresh == core.fresh {
            let events = &core.trace.frames()[from..self.path.len()];
            let threads = events.iter().map(|event| core.thread(event.task as usize));
            self.path[from].next = Route::of(threads).map(|route| (route, next));
        }
    }

    /// Go on from a known state as an execution did before, and compare.
    fn follow(&mut self, core: &mut Core, tells_apart: bool) -> Option<usize> {
        let (mut route, mut expected) = self.follows?;
        if route.is_over() {
            let (key, check) = core.state()?;
            let known = self.table.find(key).filter(|known| known.check == check && tells_apart);
            if known.is_none() || expected != Next::state(key) {
                core.differs(Other::Next.says());
                return None;
            }
            let (_, known) = self.find(core, key);
            // It may go round in a circle.
            let may = core.trace.depth < self.path.len() + FOLLOWED;
            self.follows = known?.next.filter(|_| may);
            (route, expected) = self.follows?;
        }
        let (thread, rest) = route.split()?;
        self.follows = Some((rest, expected));
        let task = core.who(thread).task;
        let enabled = &core.trace.frame(core.trace.depth).enabled;
        let task = task.filter(|&task| enabled.contains(task));
        if task.is_none() {
            core.differs(Other::Next.says());
        }
        task
    }

    /// One of those that are to run from a state. Workers begin with different ones, so that they
    /// meet seldom.
    fn one_of(&self, among: &TaskSet, asleep: &TaskSet) -> Option<usize> {
        let candidates = || among.iter().filter(|&task| !asleep.contains(task));
        let count = candidates().count() as u64;
        candidates().nth(self.worker.checked_rem(count)? as usize)
    }

    /// Run one of those that can, from a state from which nothing was run yet.
    fn go_on(&self, core: &mut Core) -> Option<usize> {
        let depth = core.trace.depth;
        if self.units.are_below(depth) {
            // All of them, and each worker in the same order.
            let frame = core.trace.frame_mut(depth);
            frame.run_all_enabled();
            return frame.enabled.first_not_in(&frame.sleep);
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
        self.abandon(0);
        if let Some(whole) = &self.whole {
            *self.table.graph() = whole.saved();
        }
        self.table.leave(self.worker);
    }
}

impl Explore for States {
    fn begin(&mut self, core: &mut Core) -> bool {
        let first = !std::mem::replace(&mut self.started, true);
        if first {
            core.threads = Threads::new(&self.table.threads);
            core.fresh = self.table.fresh(self.worker);
        } else {
            self.table.next_turn(self.worker);
            self.pause(core);
        }
        (core.by_states, core.holds_back) = (true, true);
        (self.follows, self.checking) = (None, false);
        if self.whole.is_none() && self.table.circle() {
            // Executions need not end: begin again, one for all.
            self.abandon(0);
            if !self.table.takes_whole() {
                return false;
            }
            self.whole = Some(Whole::new(std::mem::take(&mut *self.table.graph())));
        }
        if let Some(whole) = &mut self.whole {
            return whole.begin(core);
        }
        if self.table.is_done() {
            self.abandon(0);
            return false;
        }
        if first {
            // Perhaps along a path of before.
            core.rewind(0);
            return true;
        }
        self.resumed.clear();
        let Some((state, task)) = self.next_branch(core) else {
            self.table.finish();
            return false;
        };
        (self.branch, self.branched) = (Some(task), Some((state, task)));
        self.units.branch(state);
        core.rewind(state);
        true
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if let Some(whole) = &mut self.whole {
            return whole.choose(core);
        }
        let depth = core.trace.depth;
        let round_begins = std::mem::take(&mut core.round_begins);
        if let Some(task) = self.branch.take() {
            (core.shared, core.telling) = (self.path[depth].shared, true);
            drop(core.accesses());
            return Some(task);
        }
        let tells_apart = States::tells_apart(core, round_begins) && !self.units.are_below(depth);
        if self.checking {
            return self.follow(core, tells_apart);
        }
        if !self.units.reach(depth) {
            return None;
        }
        self.keep_accesses(core);
        let goes_on = if tells_apart {
            let (key, check) = core.state()?;
            let goes_on = self.reach(core, key, check);
            self.look_for_circle(core);
            goes_on
        } else {
            let visit = self.visit(core);
            self.path.push(visit);
            true
        };
        if core.failure.is_some() || self.table.circle() || core.given_up {
            return None;
        }
        if !goes_on {
            self.resumed.clear();
            self.hits += 1;
            if !checks(core, self.hits) {
                return None;
            }
            let next = self.path[depth].next?;
            (self.follows, self.checking) = (Some(next), true);
            return self.follow(core, true);
        }
        let retraced = self.retrace(core);
        if retraced.is_some() || core.failure.is_some() {
            return retraced;
        }
        let frame = core.trace.frame(depth);
        if frame.closed {
            return self.one_of(&frame.backtrack, &frame.sleep);
        }
        self.go_on(core)
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
        if core.given_up || self.table.circle() || !self.units.enter() {
            return;
        }
        if self.checking {
            // It may also have been cut where nothing more is remembered.
            if end != End::Cut
                && self.follows.is_some_and(|(rest, next)| !rest.is_over() || next != Next::End)
            {
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

    fn counts(&self) -> bool {
        self.whole.is_some() || self.units.may_be_ours()
    }

    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report) {
        let left = |state: usize| {
            let frame = core.trace.frame(state);
            frame.backtrack.iter().filter(|&task| !frame.sleep.contains(task)).count() as u64
        };
        (report.states, report.frontier) = match &self.whole {
            Some(whole) => (whole.states(), whole.left()),
            // Another has begun again, or nobody yet.
            None if self.table.circle() => self.table.graph().size(),
            None => (self.table.states(), (0..self.path.len()).map(left).sum()),
        };
        let lost = core.given_up || report.why_unfinished == Some(Unfinished::Nondeterminism);
        // It may have been stopped just where nothing is left.
        let reduced = self.started && self.whole.is_none() && !self.table.circle();
        let looks = reduced && !finished && !self.table.is_done() && !core.given_up;
        let left = if looks { self.next_branch(core) } else { None };
        // What is left in the middle is to be run again.
        let given_up = self.branched.filter(|_| reduced && core.given_up);
        if let Some((state, _)) = given_up {
            self.abandon(state + 1);
        }
        if let Some((state, task)) = left.or(given_up) {
            self.table.leave_path(self.worker, self.path_to(core, state, task));
        } else if !finished && !self.resumed.is_empty() {
            // It did not come that far.
            let states = std::mem::take(&mut self.resumed);
            self.table
                .leave_path(self.worker, Path { hits: self.hits, unit: self.units.next, states });
        }
        let all = finished || reduced && left.is_none();
        report.exhausted = !lost && all;
        if report.exhausted && reduced {
            self.table.finish();
        }
        if report.exhausted {
            report.why_unfinished = None;
        }
    }
}
