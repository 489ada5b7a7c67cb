//! Retry loops: which rounds lead back to where they began, and which of those are livelocks.
//!
//! `algorithm.md` has the argument.

use std::ops::Range;

use crate::access::{Access, Class};
use crate::dependence::DependenceRules;
use crate::model::Pending;
use crate::round::{Fairness, Round, mix};
use crate::task::{Task, TaskState};
use crate::taskset::TaskSet;
use crate::trace::{Frame, NONE, Trace};

#[derive(Debug)]
struct Entry {
    task: usize,
    depth: usize,
    fingerprint: u64,
    /// What tells the task's own state: the fingerprint, unless it was stated separately.
    own: u64,
    /// What the round that ends here changed under its locks.
    changed: Changed,
    /// How many objects the task had made, and how much tasks had used.
    made: u32,
    uses: usize,
    /// How many tasks there are, stores among them that are or were on their way to memory.
    tasks: usize,
    /// Where this entry's task fingerprints start.
    locals: usize,
}

/// What a task has changed of what locks protect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Changed {
    /// The program says of its plain data who changes it: this task did not.
    Nothing,
    /// It did.
    Something,
    /// The program does not say.
    Unsaid,
}

/// What has happened, and by what rounds in it are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) rules: DependenceRules,
    pub(crate) fairness: Fairness,
}

/// The end of a round, and the beginning of the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) task: usize,
    /// What the program says of the state, and of the task's own.
    pub(crate) fingerprint: u64,
    pub(crate) own: u64,
    /// Whether the program says who changes what locks protect.
    pub(crate) says: bool,
    /// Whether what a task may still read is part of the state, and not told.
    pub(crate) weak: bool,
    /// Whether rounds that lead back are gone round again, where that is so.
    pub(crate) every_round: bool,
    /// How much tasks have used.
    pub(crate) uses: usize,
    /// Who could run.
    pub(crate) ready: &'a TaskSet,
}

/// What the end of a round comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Closed {
    /// Nothing so far.
    Nothing,
    /// These events repeat for ever.
    Livelock(Range<usize>),
    /// All is as it was when this task had made so many objects, and so much had been used, or might
    /// as well be: who took part does not go on, and that may be others than this task.
    InVain { made: u32, since: usize, circle: bool },
}

/// The retries of the execution.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    entries: Vec<Entry>,
    locals: Vec<u64>,
    /// Entries of the current execution; those after it are of the last one and will be repeated.
    used: usize,
    moved: TaskSet,
}

impl Retries {
    /// Keep what an execution that repeats `repeated` events will state again.
    pub(crate) fn restart(&mut self, repeated: usize) {
        while self.entries.len() > self.used
            || self.entries.last().is_some_and(|entry| entry.depth > repeated)
        {
            let entry = self.entries.pop().expect("there is a last entry");
            self.locals.truncate(entry.locals);
        }
        self.used = 0;
    }

    /// What the next retry said in the last execution, if it is repeated.
    pub(crate) fn known(&self) -> Option<u64> {
        self.entries.get(self.used).map(|entry| entry.fingerprint)
    }

    /// A round ends; `pending` are the stores under way.
    pub(crate) fn retry(
        &mut self,
        judged: Judged<'_>,
        tasks: &mut [Task],
        pending: &[Pending],
        ending: Ending<'_>,
    ) -> Closed {
        let Ending { task: current, fingerprint, own, says, weak, every_round, uses, ready } =
            ending;
        let depth = judged.trace.depth;
        let known = self.known();
        let round = &mut tasks[current].round;
        let changed = match (says, round.take_changed()) {
            (false, _) => Changed::Unsaid,
            (true, false) => Changed::Nothing,
            (true, true) => Changed::Something,
        };
        round.begin(mix(fingerprint, own));
        if known.is_none() {
            self.entries.push(Entry {
                task: current,
                depth,
                fingerprint,
                own: with_stores(own, tasks, pending, current),
                changed,
                made: tasks[current].round.objects,
                uses,
                tasks: tasks.len(),
                locals: self.locals.len(),
            });
            let own = |(task, is): (usize, &Task)| {
                let local = || with_stores(is.round.fingerprint(), tasks, pending, task);
                (is.owner == NONE).then(local)
            };
            self.locals.extend(tasks.iter().enumerate().filter_map(own));
        }
        let index = self.used;
        self.used += 1;
        let last = self.entries[..index].iter().rfind(|entry| entry.task == current);
        let no_trace = || {
            let to = &self.entries[index];
            last.is_some_and(|last| left_no_trace(judged, last, to, Between::InThisOrder))
        };
        let alone = |last: &Entry| last.depth..depth;
        // What a round that only looked has read, another that looks may read as well, or what is
        // newer: whatever it saw, it can be taken out of the execution.
        if let Some(last) = last.filter(|_| weak && no_trace()) {
            tasks[current].round.hold_back(&alone(last), true);
            return Closed::InVain { made: last.made, since: last.uses, circle: false };
        }
        if let Some(earlier) = (0..index).rev().find(|&earlier| self.same_state(earlier, index)) {
            let cycle = self.entries[earlier].depth..depth;
            self.moved.clear();
            for event in &judged.trace.frames()[cycle.clone()] {
                self.moved.insert(event.task as usize);
            }
            self.moved.insert(current);
            // A store that is made in every round goes to memory in every round, if as many are
            // under way after it as before.
            for store in self.entries[earlier].tasks..tasks.len() {
                self.moved.insert(store);
            }
            // Who has not seen what is newest sees it some day.
            let newest = !judged.trace.frames()[cycle.clone()].iter().any(|event| event.behind);
            if newest
                && !(0..tasks.len()).any(|task| starved(judged, tasks, &cycle, task, &self.moved))
            {
                return Closed::Livelock(cycle);
            }
            if weak && every_round {
                return Closed::Nothing;
            }
            for task in self.moved.iter() {
                tasks[task].round.hold_back(&cycle, false);
            }
            let circle = self.moved.iter().any(|task| task != current);
            let Entry { made, uses: since, .. } = self.entries[earlier];
            return Closed::InVain { made, since, circle };
        }
        if let Some(last) = last {
            let cycle = alone(last);
            // If going round may be a livelock already, let it happen once more, so that it shows.
            let unfair = ready.iter().any(|task| {
                !tasks[task].round.held_back
                    && undisturbed(judged, &cycle, Some(current), &tasks[task])
            });
            if unfair && no_trace() {
                tasks[current].round.hold_back(&cycle, true);
            }
        }
        Closed::Nothing
    }

    /// Whether some task went round in vain in this execution, or in one that is equivalent.
    pub(crate) fn in_vain(&self, judged: Judged<'_>) -> bool {
        self.entries[..self.used].iter().enumerate().any(|(index, entry)| {
            let last = self.entries[..index].iter().rfind(|last| last.task == entry.task);
            last.is_some_and(|last| left_no_trace(judged, last, entry, Between::InEveryOrder))
        })
    }

    fn locals(&self, entry: usize) -> &[u64] {
        let start = self.entries[entry].locals;
        let end = self.entries.get(entry + 1).map_or(self.locals.len(), |next| next.locals);
        &self.locals[start..end]
    }

    fn same_state(&self, a: usize, b: usize) -> bool {
        let (first, second) = (&self.entries[a], &self.entries[b]);
        first.task == second.task
            && first.fingerprint == second.fingerprint
            && self.locals(a) == self.locals(b)
    }

    /// Let those go on whose round is no longer unfair to anyone, but would be a livelock now: it
    /// has to show. `ready` are the tasks that could run in the state at hand.
    pub(crate) fn reconsider(judged: Judged<'_>, tasks: &mut [Task], ready: &TaskSet) {
        for held in 0..tasks.len() {
            let round = &tasks[held].round;
            if !round.held_back {
                continue;
            }
            let cycle = round.cycle.0..round.cycle.1;
            let who = round.alone.then_some(tasks[held].whose(held));
            let mut others = ready.iter().filter(|&task| !tasks[task].round.held_back).peekable();
            // With nobody left to run, nothing has to be tried to know a livelock.
            let unfair = others.peek().is_none()
                || others.any(|task| undisturbed(judged, &cycle, who, &tasks[task]));
            tasks[held].round.reconsidered = !unfair;
        }
        for task in tasks {
            if std::mem::take(&mut task.round.reconsidered) {
                task.round.held_back = false;
            }
        }
    }

    /// Might the round of somebody who is held back be a livelock? So it is if nobody else can run, or
    /// all who can need never do so.
    pub(crate) fn fair_to_all(judged: Judged<'_>, tasks: &[Task], ready: &TaskSet) -> bool {
        tasks.iter().enumerate().filter(|(_, task)| task.round.held_back).any(|(held, task)| {
            let (cycle, whose) = (task.round.cycle.0..task.round.cycle.1, task.whose(held));
            let mut others = ready.iter().filter(|&task| !tasks[task].round.held_back);
            !others.any(|other| undisturbed(judged, &cycle, Some(whose), &tasks[other]))
        })
    }

    /// Let those go on whose round may come out differently after the last event.
    pub(crate) fn wake(&self, judged: Judged<'_>, tasks: &mut [Task]) {
        let event = &judged.trace.frames()[judged.trace.depth - 1];
        for (index, task) in tasks.iter_mut().enumerate() {
            if !task.round.held_back || index == event.task as usize {
                continue;
            }
            // Of a round of its own, what others have done meanwhile is no part.
            let (start, end) = task.round.cycle;
            let (alone, whose) = (task.round.alone, task.whose(index));
            task.round.held_back = !judged.trace.frames()[start..end].iter().any(|other| {
                other.op.object == event.op.object
                    && (!alone || other.whose() == whose)
                    && judged.rules.dependent(other.class, event.class)
            });
        }
    }

    /// Whether going round like that is unfair to one who cannot run now: in the middle of a round
    /// of those that are held back, it could. Where that leads to is seen when it runs there.
    pub(crate) fn unfair_to_blocked(judged: Judged<'_>, tasks: &[Task], ready: &TaskSet) -> bool {
        let blocked =
            |task: usize| tasks[task].state == TaskState::Pending && !ready.contains(task);
        let held = || tasks.iter().enumerate().filter(|(_, task)| task.round.held_back);
        judged.fairness == Fairness::Strong
            && (0..tasks.len()).filter(|&task| blocked(task)).any(|task| {
                held().any(|(going, Task { round, .. })| {
                    let cycle = round.cycle.0..round.cycle.1;
                    let class = tasks[task].op.access.class(false);
                    let changes = |event: &Frame| {
                        event.whose() == going
                            && event.class != Class::Reader
                            && event.op.object == tasks[task].op.object
                            && judged.rules.dependent(event.class, class)
                    };
                    let events = &judged.trace.frames()[cycle];
                    // If it could run before that only, it could because somebody else had not taken
                    // yet what he has now.
                    let changed = events.iter().position(changes);
                    changed.is_some_and(|first| {
                        events[first + 1..].iter().any(|event| event.ready.contains(task))
                    })
                })
            })
    }

    /// The round that ended last with nowhere to go.
    pub(crate) fn last_cycle(&self, tasks: &[Task]) -> Range<usize> {
        let held = tasks.iter().filter(|task| task.round.held_back).map(|task| task.round.cycle);
        let (start, end) = held.max_by_key(|cycle| cycle.1).unwrap_or_default();
        start..end
    }
}

/// Whether a task is held back because of a round in which somebody has read what others had written
/// over by then: it may go on, and see what is newest.
pub(crate) fn went_by_old(trace: &Trace, task: usize, round: &Round) -> bool {
    let Round { held_back, cycle, alone, .. } = *round;
    let old = |frame: &Frame| frame.old && (!alone || frame.task as usize == task);
    held_back && trace.frames()[cycle.0..cycle.1].iter().any(old)
}

/// The task's state is told by this, and by its stores that are under way.
pub(crate) fn with_stores(told: u64, tasks: &[Task], pending: &[Pending], task: usize) -> u64 {
    let arrived = |store: usize| tasks[store].state == TaskState::Finished;
    let under_way = pending.get(task).and_then(|pending| pending.fingerprint(arrived));
    under_way.map_or(told, |stores| mix(told, stores))
}

/// Whether `other`, which could run now, has to run some day while `task`, or everyone in there,
/// goes round like this for ever.
fn undisturbed(
    judged: Judged<'_>,
    events: &Range<usize>,
    task: Option<usize>,
    other: &Task,
) -> bool {
    let (op, class) = (other.op, other.op.access.class(false));
    if !other.blocks() || judged.fairness == Fairness::Strong {
        return true;
    }
    let mut own = judged.trace.frames()[events.clone()]
        .iter()
        .filter(|event| task.is_none_or(|task| event.whose() == task));
    own.all(|event| event.op.object != op.object || !judged.rules.dependent(event.class, class))
}

/// What counts as done in the middle of a round by others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Between {
    /// What was: the next round may see it.
    InThisOrder,
    /// What cannot be put off until the round is over: then it was in the middle in every
    /// equivalent execution.
    InEveryOrder,
}

/// Whether the task only looked in these events, and took locks that it gave back, under which it
/// left everything `unchanged`.
pub(crate) fn gave_all_back(events: &[Frame], task: usize, unchanged: bool) -> bool {
    let own = || events.iter().filter(|event| event.whose() == task);
    own().all(|event| {
        event.class == Class::Reader || {
            let of_object = own().filter(|other| other.op.object == event.op.object);
            let balance = of_object.map(|other| match other.op.access {
                Access::Acquire | Access::AcquireShared => 1,
                Access::TryAcquire | Access::TryAcquireShared => i32::from(!other.failed),
                Access::Release | Access::ReleaseShared => -1,
                Access::Read | Access::Wait => 0,
                Access::Write | Access::Rmw | Access::Update => i32::MAX / 2,
            });
            unchanged && balance.fold(0, i32::saturating_add) == 0
        }
    })
}

/// Whether what the task did in the round that began at `from` and ended at `to` might as well not
/// have happened: it only looked, and took locks that it gave back, and nothing that others did
/// after it could tell.
///
/// Where the program does not say who changes what locks protect, it was nothing only if all is the
/// same as before, and nobody else had one of those locks, who could have made up for it.
fn left_no_trace(judged: Judged<'_>, from: &Entry, to: &Entry, between: Between) -> bool {
    let task = to.task;
    let events = &judged.trace.frames()[from.depth..to.depth];
    let own = |event: &&Frame| event.whose() == task;
    let unsaid = to.changed == Changed::Unsaid;
    let unchanged =
        if unsaid { from.fingerprint == to.fingerprint } else { to.changed == Changed::Nothing };
    let before_own = |index: usize| {
        let mut later = events.iter().enumerate().skip(index).rev().filter(|(_, event)| own(event));
        later.any(|(own, _)| {
            judged.trace.before(from.depth + index, judged.trace.clock(from.depth + own))
        })
    };
    let told = |index: usize, event: &Frame| {
        let dependent = |other: &Frame| {
            other.op.object == event.op.object && judged.rules.dependent(other.class, event.class)
        };
        let after = events[..index].iter().filter(own).any(dependent)
            && (between == Between::InThisOrder || before_own(index));
        after
            || unsaid
                && events[index..]
                    .iter()
                    .filter(own)
                    .any(|other| other.class != Class::Reader && dependent(other))
    };
    from.own == to.own
        && gave_all_back(events, task, unchanged)
        && events
            .iter()
            .enumerate()
            .filter(|(_, event)| !own(event))
            .all(|(index, event)| !told(index, event))
}

/// Whether the cycle is unfair to `task`: it could run, as often as the fairness asks for, and
/// never did. A task that is held back is not starved: it would only go round in vain.
fn starved(
    judged: Judged<'_>,
    tasks: &[Task],
    cycle: &Range<usize>,
    task: usize,
    moved: &TaskSet,
) -> bool {
    let Task { state, ref round, .. } = tasks[task];
    if moved.contains(task) || state == TaskState::Finished {
        return false;
    }
    if round.held_back && went_by_old(judged.trace, task, round) {
        return true;
    }
    if state == TaskState::New || state == TaskState::Local {
        return true;
    }
    let states = &judged.trace.frames()[cycle.clone()];
    state == TaskState::Pending
        && (judged.fairness == Fairness::Strong
            || states.iter().all(|state| state.ready.contains(task)))
        && states.iter().any(|state| state.enabled.contains(task))
}
