//! Races: which earlier state must also run something else, so that two dependent operations come
//! in the other order.

use crate::access::{Access, Class, Op};
use crate::dependence::{DependenceRule, DependenceRules};
use crate::execution::Core;
use crate::known::summary::{Bits, Later, RACED, Summaries};
use crate::report::End;
use crate::task::TaskState;
use crate::taskset::TaskSet;
use crate::trace::{NONE, Trace};

/// An operation that has just happened, or that would like to.
struct Late<'a> {
    task: usize,
    /// The task whose store it is, if it is one that was on its way to memory.
    owner: u32,
    op: Op,
    class: Class,
    /// Whether it can be blocked.
    blocks: bool,
    /// Events that had happened when it was announced.
    announced: usize,
    /// What happens before it, not counting the order that its own object imposes.
    clock: &'a [u32],
    /// The first of the events before it that is on its object, going back.
    last: u32,
    /// Events before it.
    end: usize,
    /// It is known to come some time, but not what comes before it.
    later: bool,
}

/// A task that is not there yet, and no store under way either.
const NOBODY: usize = NONE as usize - 1;

/// Scratch space of race detection.
#[derive(Default)]
pub(crate) struct Races {
    /// For each task its first event in the sequence at hand, 0 if it has none.
    first: Vec<u32>,
    seen: Vec<usize>,
    initials: TaskSet,
    clock: Vec<u32>,
    covered: Vec<u32>,
    before: Vec<u32>,
}

/// What is known to happen before something that follows the state at hand.
fn known_before(core: &mut Core, summaries: &Summaries, later: Later, before: &mut Vec<u32>) {
    let who = core.who(later.thread as usize);
    before.clear();
    match who.knows {
        Some(task) => before.extend_from_slice(core.trace.task_clock(task)),
        None => before.resize(core.trace.task_clock(0).len(), 0),
    }
    // What it will hold and does not hold now it has to take first: after all who have had it for
    // themselves, and, to have it for itself, after all.
    for &(lock, alone) in summaries.locks(later) {
        let Some(lock) = core.object_of(lock) else { continue };
        let holds = |task: usize| core.tasks()[task].held.iter().any(|&(held, _)| held == lock);
        if who.task.is_some_and(holds) {
            continue;
        }
        let mut event = core.trace.last_on(lock);
        while event != NONE {
            let exclusive = core.trace.frame(event as usize).class == Class::Exclusive;
            if alone || exclusive {
                let clock = core.trace.clock(event as usize);
                before.iter_mut().zip(clock).for_each(|(mine, &theirs)| *mine = theirs.max(*mine));
            }
            event = if exclusive { NONE } else { core.trace.frame(event as usize).prev };
        }
    }
}

impl Races {
    /// Check the event that has just happened against all before it.
    pub(crate) fn of_last_event(&mut self, core: &mut Core) {
        let index = core.trace.depth - 1;
        let frame = core.trace.frame(index);
        let task = frame.task as usize;
        let mut before = std::mem::take(&mut self.before);
        before.clear();
        before.extend_from_slice(core.trace.clock_before());
        let late = Late {
            task,
            owner: frame.owner,
            op: frame.op,
            class: frame.class,
            blocks: core.tasks()[task].blocks(),
            announced: core.tasks()[task].announced,
            clock: &before,
            last: frame.prev,
            end: index,
            later: false,
        };
        self.check(&mut core.trace, core.rules, &late);
        self.before = before;
    }

    /// The state at hand was gone on from before. Check what follows it against all that has led to
    /// it now.
    pub(crate) fn of_summary(&mut self, core: &mut Core, summaries: &Summaries, summary: &Bits) {
        let depth = core.trace.depth;
        for number in summary.iter() {
            if number == RACED {
                continue;
            }
            let Some(later) = summaries.later(number) else {
                (0..depth).for_each(|state| core.trace.frame_mut(state).run_all_enabled());
                continue;
            };
            // An object that is not there yet has no events.
            let Some(object) = core.object_of(later.object).filter(|_| !later.data) else {
                continue;
            };
            let mut before = std::mem::take(&mut self.before);
            known_before(core, summaries, later, &mut before);
            let who = core.who(later.thread as usize);
            let there = who.task.map(|task| &core.tasks()[task]);
            // One that waits for another's end, say, has not announced its next step yet.
            let pending = there.filter(|task| later.first && task.state == TaskState::Pending);
            let late = Late {
                task: who.task.unwrap_or(NOBODY),
                owner: who.owner,
                op: Op { object, access: later.access },
                class: later.class,
                blocks: later.blocks,
                announced: pending.map_or(depth, |task| task.announced),
                clock: &before,
                last: core.trace.last_on(object),
                end: depth,
                later: true,
            };
            self.check(&mut core.trace, core.rules, &late);
            self.before = before;
        }
    }

    /// Might an access to data that can follow the state at hand race with one before it, as far as
    /// is known?
    pub(crate) fn data_may_race(
        &mut self,
        core: &mut Core,
        summaries: &Summaries,
        summary: &Bits,
    ) -> bool {
        if summary.has_raced() {
            return true;
        }
        let data =
            summary.iter().filter_map(|number| summaries.later(number)).filter(|later| later.data);
        data.into_iter().any(|later| {
            known_before(core, summaries, later, &mut self.before);
            let task = core.who(later.thread as usize).task.unwrap_or(NOBODY);
            core.data.might_race(later.object, later.access == Access::Write, task, &self.before)
        })
    }

    /// Check what could not happen because the execution is over.
    pub(crate) fn at_end(&mut self, core: &mut Core, end: End) {
        let (depth, rules) = (core.trace.depth, core.rules);
        let checked = match end {
            End::Complete => return,
            End::Cut => DependenceRule::BlockedAtCut,
            End::Failed if core.stuck() => DependenceRule::BlockedAtDeadlock,
            End::Failed => {
                // A failure ends the execution for everyone: whatever else could have run instead
                // must get its chance.
                if depth > 0 && rules.has(DependenceRule::InsteadOfFailure) {
                    core.trace.frame_mut(depth - 1).run_all_enabled();
                }
                // Others would have gone on before the failure, had something been later on which
                // it depends and they do not.
                let (failed, overtaken) = core.overtaken();
                let trace = &mut core.trace;
                for task in overtaken {
                    for event in 0..depth - 1 {
                        let others = trace.before(event, trace.task_clock(task))
                            || trace.before(event, trace.clock(depth - 1));
                        if trace.before(event, trace.task_clock(failed))
                            && !others
                            && rules.has(DependenceRule::UnannouncedAtFailure)
                        {
                            trace.frame_mut(event).run_all_enabled();
                        }
                    }
                }
                DependenceRule::WaitingAtFailure
            }
        };
        if !rules.has(checked) {
            return;
        }
        for task in 0..core.tasks().len() {
            let waiting = &core.tasks()[task];
            if waiting.state != TaskState::Pending {
                continue;
            }
            // In a state that was cut, what is enabled sleeps: it has been checked where it was
            // run.
            if end == End::Cut && core.trace.frame(depth).enabled.contains(task) {
                continue;
            }
            let mut before = std::mem::take(&mut self.before);
            before.clear();
            before.extend_from_slice(core.trace.task_clock(task));
            let late = Late {
                task,
                owner: waiting.owner,
                op: waiting.op,
                class: waiting.op.access.class(false),
                blocks: waiting.blocks(),
                announced: waiting.announced,
                clock: &before,
                last: core.trace.last_on(waiting.op.object),
                end: depth,
                later: false,
            };
            self.check(&mut core.trace, core.rules, &late);
            self.before = before;
        }
    }

    /// Find the events that race with `late`, from the last one back.
    fn check(&mut self, trace: &mut Trace, rules: DependenceRules, late: &Late<'_>) {
        self.covered.clear();
        let mut event = late.last;
        let mut forwarded = NONE;
        while event != NONE {
            let index = event as usize;
            let frame = trace.frame(index);
            event = frame.prev;
            let exclusive = frame.class == Class::Exclusive;
            let owner = frame.owner;
            // Of what comes before another's store, only what its task read from the store itself
            // is not ordered before it.
            if forwarded != NONE && (exclusive || frame.task != forwarded) {
                if exclusive && owner != forwarded {
                    return;
                }
                continue;
            }
            if frame.forwards(late.task, late.class, late.owner) {
                continue;
            }
            if !rules.dependent(frame.class, late.class) {
                event = frame.before_run;
                continue;
            }
            let ordered = trace.before(index, late.clock);
            let covered = !self.covered.is_empty() && trace.before(index, &self.covered);
            if ordered || covered {
                // Everything earlier on this object comes before an exclusive access, so it is
                // ordered or covered as well.
                if exclusive {
                    forwarded = owner;
                    if forwarded == NONE {
                        return;
                    }
                }
                continue;
            }
            // A lock cannot be taken in a state in which somebody has it.
            if late.blocks && late.op.access.is_blocking_acquire() && trace.gives_back(index) {
                continue;
            }
            let waited = late.blocks && late.announced <= index;
            let ready = frame.ready.contains(late.task);
            if waited && !ready && rules.has(DependenceRule::PastUnready) {
                // What would have made it ready depends on this event, and races with it itself;
                // but not if it is of one kind.
                if !exclusive && frame.class != Class::Reader {
                    self.reverse(trace, rules, index, late, true);
                }
                continue;
            }
            self.reverse(trace, rules, index, late, false);
            // Whether it was ready there is not known if it was not announced yet: look further
            // back.
            if late.blocks && !waited && rules.has(DependenceRule::PastUnready) {
                continue;
            }
            if exclusive {
                forwarded = owner;
                if forwarded == NONE {
                    return;
                }
            }
            let clock = trace.clock(index);
            self.covered.resize(clock.len(), 0);
            for (mine, &theirs) in self.covered.iter_mut().zip(clock) {
                *mine = (*mine).max(theirs);
            }
        }
    }

    /// Make the state before `event` run something that leads to `late` before `event`.
    fn reverse(
        &mut self,
        trace: &mut Trace,
        rules: DependenceRules,
        event: usize,
        late: &Late<'_>,
        unready: bool,
    ) {
        let object = late.op.object;
        // The sequence: what comes after the event but not because of it, then `late`.
        self.first.clear();
        self.first.resize(late.clock.len(), 0);
        self.seen.clear();
        self.initials.clear();
        self.clock.clear();
        self.clock.extend_from_slice(late.clock);
        let mut beside = false;
        for index in event + 1..late.end {
            let clock = trace.clock(index);
            if trace.before(event, clock) {
                continue;
            }
            let frame = trace.frame(index);
            let dependent = frame.op.object == object && rules.dependent(frame.class, late.class);
            if dependent && !frame.forwards(late.task, late.class, late.owner) {
                beside = true;
                for (mine, &theirs) in self.clock.iter_mut().zip(clock) {
                    *mine = (*mine).max(theirs);
                }
            }
            let task = frame.task as usize;
            if self.first[task] == 0 {
                if !self.seen.iter().any(|&other| clock[other] >= self.first[other]) {
                    self.initials.insert(task);
                }
                self.first[task] = frame.tick;
                self.seen.push(task);
            }
        }
        let state = trace.frame_mut(event);
        if state.closed {
            return;
        }
        if late.blocks
            && (beside || late.later)
            && matches!(state.class, Class::Shared | Class::Update)
        {
            if rules.has(DependenceRule::SharedBeforeBlocking) {
                trace.frame_mut(event).run_all_enabled();
            }
            return;
        }
        let known = !late.later || !rules.has(DependenceRule::UnknownBefore);
        let leads = known
            && self.first.get(late.task).is_some_and(|&first| first == 0)
            && !self.seen.iter().any(|&other| self.clock[other] >= self.first[other]);
        if leads {
            self.initials.insert(late.task);
        }
        let state = trace.frame_mut(event);
        if self.initials.intersects(&state.backtrack) || self.initials.intersects(&state.sleep) {
            return;
        }
        let choice = if leads && state.enabled.contains(late.task) {
            Some(late.task)
        } else {
            self.initials.iter().find(|&task| state.enabled.contains(task))
        };
        match choice {
            Some(task) => state.backtrack.insert(task),
            None if unready => {}
            None => state.run_all_enabled(),
        }
    }
}
