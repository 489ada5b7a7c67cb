//! Executions again, in an order that is taken to be equivalent: see `commute`.

use std::mem::swap;
use std::sync::Arc;

use super::random::Rng;
use crate::commute::{Blame, Checked, Disagreement};
use crate::execution::{Core, Explore, Outcomes};
use crate::livelock::Retries;
use crate::log::{Difference, Ending, Recorded};
use crate::report::{End, Failure, Report};
use crate::saved::SavedStack;
use crate::task::TaskState;
use crate::trace::Trace;

/// An execution, as it is to be replayed: the numbers of its events in the original one, in the
/// order in which they are to happen, and the origins of the tasks that do not go on, after they
/// are spawned or have joined somebody, before they have to.
#[derive(Clone, Debug, Default)]
struct Linearization {
    order: Vec<u32>,
    late: Vec<u64>,
}

impl Linearization {
    fn is_original(&self) -> bool {
        self.late.is_empty() && self.is_in_order()
    }

    fn is_in_order(&self) -> bool {
        self.order.is_sorted()
    }

    /// How many small changes lead from the original execution to this one: two neighbours that
    /// change places, then tasks that are late.
    fn changes(&self) -> usize {
        let mut changes = self.late.len();
        for (index, event) in self.order.iter().enumerate() {
            changes += self.order[..index].iter().filter(|other| *other > event).count();
        }
        changes
    }

    /// The first so many of these changes, and the events that the last of them swaps.
    fn first(&self, changes: usize) -> (Linearization, Option<(u32, u32)>) {
        let mut rank = vec![0; self.order.len()];
        for (position, &event) in self.order.iter().enumerate() {
            rank[event as usize] = position;
        }
        let (mut order, mut left, mut swapped) =
            ((0..self.order.len() as u32).collect::<Vec<_>>(), changes, None);
        for sorted in 1..order.len() {
            let mut at = sorted;
            while left > 0 && at > 0 && rank[order[at - 1] as usize] > rank[order[at] as usize] {
                swapped = Some((order[at - 1], order[at]));
                order.swap(at - 1, at);
                at -= 1;
                left -= 1;
            }
        }
        let late = self.late[..left.min(self.late.len())].to_vec();
        (Linearization { order, late }, swapped.filter(|_| left == 0))
    }
}

/// Looks for the first small change that makes a difference.
struct Search {
    /// With all changes.
    whole: Linearization,
    /// Changes that make no difference, if that is known, and changes that do; and those that are
    /// being tried.
    same: Option<usize>,
    differs: usize,
    trying: usize,
    difference: (Difference, Recorded),
}

/// Where so many orders that were drawn are the original one, there is perhaps no other.
const IN_VAIN: u32 = 64;

/// The execution that is replayed.
struct Original {
    recorded: Recorded,
    /// Orders that are still to be drawn.
    left: u32,
    /// Whether another order was replayed.
    reordered: bool,
    plan: Linearization,
    search: Option<Search>,
}

/// Follows a strategy, and replays its executions.
pub(crate) struct Commuting {
    inner: Box<dyn Explore>,
    checked: Arc<Checked>,
    rng: Rng,
    /// What replays use, and during a replay what belongs to the original execution.
    spare: (Trace, Retries),
    /// The execution that has just ended, if there is anything to check.
    over: Option<Recorded>,
    original: Option<Original>,
    replaying: bool,
}

impl Commuting {
    pub(crate) fn new(inner: Box<dyn Explore>, checked: Arc<Checked>) -> Self {
        let spare = (Trace::default(), Retries::default());
        let rng = Rng::new(checked.next_seed());
        Commuting { inner, checked, rng, spare, over: None, original: None, replaying: false }
    }

    fn turn(&mut self, core: &mut Core) {
        swap(&mut core.trace, &mut self.spare.0);
        swap(&mut core.retries, &mut self.spare.1);
        self.replaying = !self.replaying;
        core.following = self.replaying;
    }

    /// A random order that respects what happens before what in the execution that has just ended.
    fn draw(&mut self, trace: &Trace, recorded: &Recorded) -> Linearization {
        let mut late: Vec<u64> = recorded.tasks.iter().map(|task| task.0).collect();
        let all = self.rng.below(2) == 0;
        late.retain(|_| all || self.rng.below(2) == 0);
        let (events, tasks) = (trace.events(), recorded.tasks.len());
        let free = events.len() - usize::from(recorded.last_stays() && !events.is_empty());
        let mut todo = vec![Vec::new(); tasks];
        for event in (0..free).rev() {
            todo[events[event].task as usize].push(event as u32);
        }
        // Some orders let one task go as far as it can, as no uniform choice would.
        let uniform = self.rng.below(2) == 0;
        let mut priorities: Vec<u64> = (0..tasks).map(|_| self.rng.next()).collect();
        let mut order = Vec::new();
        while order.len() < free {
            let next = |task: usize| todo[task].last().map(|&event| event as usize);
            let possible = |task: &usize| {
                let Some(event) = next(*task) else { return false };
                let clock = trace.clock(event);
                (0..tasks).all(|other| {
                    other == *task || next(other).is_none_or(|before| !trace.before(before, clock))
                })
            };
            let possible: Vec<usize> = (0..tasks).filter(possible).collect();
            let task = if uniform {
                possible[self.rng.below(possible.len() as u64) as usize]
            } else {
                *possible
                    .iter()
                    .max_by_key(|&&task| priorities[task])
                    .expect("some event comes next")
            };
            if self.rng.below(16) == 0 {
                priorities[task] = self.rng.next();
            }
            order.extend(todo[task].pop());
        }
        order.extend(free as u32..events.len() as u32);
        Linearization { order, late }
    }

    /// A replay is over.
    fn replayed(&mut self, core: &mut Core) {
        self.turn(core);
        let (Some(original), Some(replay)) = (&mut self.original, self.over.take()) else { return };
        if core.given_up {
            self.original = None;
            return;
        }
        let difference = original.recorded.difference(&replay, &original.plan.order);
        match (&mut original.search, difference) {
            (None, None) => {}
            (None, Some(difference)) => {
                let whole = original.plan.clone();
                let differs = whole.changes();
                original.search = Some(Search {
                    whole,
                    same: None,
                    differs,
                    trying: differs,
                    difference: (difference, replay),
                });
            }
            (Some(search), None) => search.same = Some(search.trying),
            (Some(search), Some(difference)) => {
                search.differs = search.trying;
                search.difference = (difference, replay);
            }
        }
    }

    /// Plan the next replay: false if there is none.
    fn plan(&mut self, core: &Core) -> bool {
        let Some(mut original) = self.original.take() else { return false };
        if let Some(search) = &mut original.search {
            search.trying = match search.same {
                // Without any change: is the program deterministic?
                None if search.differs > 0 => 0,
                Some(same) if same + 1 < search.differs => same + (search.differs - same) / 2,
                _ => {
                    self.checked.disagree(disagreement(original));
                    return false;
                }
            };
            original.plan = search.whole.first(search.trying).0;
            self.original = Some(original);
            return true;
        }
        let mut in_vain = 0;
        while original.left > 0 && in_vain < IN_VAIN {
            let plan = self.draw(&core.trace, &original.recorded);
            if plan.is_original() {
                in_vain += 1;
                continue;
            }
            original.left -= 1;
            self.checked.replays(
                &original.recorded,
                !std::mem::replace(&mut original.reordered, true),
                !plan.is_in_order(),
            );
            original.plan = plan;
            self.original = Some(original);
            return true;
        }
        false
    }

    /// The task that is to take the next step in the replay, if it exists.
    fn wanted(&self, core: &Core) -> Option<usize> {
        let original = self.original.as_ref()?;
        let origin =
            original.recorded.origin_of(*original.plan.order.get(core.trace.depth)? as usize);
        core.tasks().iter().position(|task| task.origin == origin)
    }
}

fn disagreement(original: Original) -> Disagreement {
    let search = original.search.expect("something differs");
    let recorded = original.recorded;
    let (plan, swapped) = search.whole.first(search.differs);
    let blame = if let Some((first, second)) = swapped {
        let step = |event: u32| recorded.step(event as usize).expect("an event was announced");
        Blame::Steps(Box::new((step(first), step(second))))
    } else if let Some(last) = plan.late.last() {
        let task =
            recorded.tasks.iter().position(|task| task.0 == *last).expect("it is one of the tasks");
        Blame::Start { task, name: recorded.tasks[task].1.clone() }
    } else {
        Blame::Nondeterminism
    };
    let (difference, replay) = search.difference;
    Disagreement { original: recorded.schedule, reordered: replay.schedule, difference, blame }
}

impl Explore for Commuting {
    fn again(&mut self, core: &mut Core) -> bool {
        if self.replaying {
            self.replayed(core);
        } else if let Some(recorded) = self.over.take() {
            let left = self.checked.next_replays();
            self.original = Some(Original {
                recorded,
                left,
                reordered: false,
                plan: Linearization::default(),
                search: None,
            });
        }
        let replays = self.plan(core);
        if replays {
            self.turn(core);
            core.trace.start_afresh();
        }
        replays
    }

    fn begin(&mut self, core: &mut Core) -> bool {
        self.inner.begin(core)
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if self.replaying {
            let wanted = self.wanted(core)?;
            return core.trace.frame(core.trace.depth).ready.contains(wanted).then_some(wanted);
        }
        self.inner.choose(core)
    }

    fn pick(&mut self, core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        if !self.replaying {
            return self.inner.pick(core, outcomes);
        }
        let original = self.original.as_ref()?;
        let event = *original.plan.order.get(core.trace.depth - 1)?;
        // Another outcome than the original one is a difference.
        let outcome = original.recorded.schedule.outcome(event as usize);
        Some(outcomes.position(outcome).unwrap_or(0))
    }

    fn delays(&self, core: &Core, task: usize) -> bool {
        let Some(original) = &self.original else { return false };
        let tasks = core.tasks();
        let can_wait = self.wanted(core).is_some_and(|wanted| match tasks[wanted].state {
            TaskState::Joining(other) => {
                tasks[other].state == TaskState::Finished && wanted != task
            }
            _ => wanted != task,
        });
        // All have started before the last step: it may end the execution.
        can_wait
            && core.trace.depth + 1 < original.plan.order.len()
            && original.plan.late.contains(&tasks[task].origin)
    }

    fn executed(&mut self, core: &mut Core) {
        if !self.replaying {
            self.inner.executed(core);
        }
    }

    fn end(&mut self, core: &mut Core, end: End) {
        if !self.replaying {
            self.inner.end(core, end);
        }
        let ending = Recorded::ending_of(core.failure.as_ref(), core.stuck(), end == End::Cut);
        let checked = ending
            .filter(|&ending| self.replaying || ending != Ending::Open && self.inner.counts());
        self.over = checked.map(|ending| core.recorded(ending));
    }

    fn found(&mut self, core: &Core, failure: &mut Option<Failure>) -> bool {
        self.inner.found(core, failure)
    }

    fn counts(&self) -> bool {
        !self.replaying && self.inner.counts()
    }

    fn counts_classes(&self) -> bool {
        self.inner.counts_classes()
    }

    fn save(&mut self, core: &mut Core) -> Option<SavedStack> {
        self.inner.save(core)
    }

    fn conclude(&mut self, core: &mut Core, finished: bool, report: &mut Report) {
        self.inner.conclude(core, finished, report);
    }
}
