//! Every step of every state of a program whose executions need not end, and then one execution for
//! each livelock that is among them.
//!
//! Each execution goes the shortest way that is known to a state from which something is left to
//! run, and on from there as long as it comes to states that are new, or have something left as
//! well. A state from which one step is enough is not told apart from others: that step is taken.

use crate::dependence::DependenceRule;
use crate::execution::Core;
use crate::known::{Discipline, Passage, SavedGraph};
use crate::model::Memory;
use crate::report::{End, Unfinished};
use crate::round::Fairness;
use crate::strategy::graph::{Graph, Next};
use crate::task::TaskState;

/// So many known states at the beginning are gone on from for a check, and every so many-th after
/// that.
const CHECKED: u64 = 64;
const EVERY: u64 = 32;
/// For so many steps, or passages.
pub(super) const FOLLOWED: usize = 100;
/// Steps of a passage, at most.
const LONGEST: usize = 1000;

/// Is a known state gone on from for a check, when states were met again so often?
pub(super) fn checks(core: &Core, hits: u64) -> bool {
    !core.unchecked && (hits <= CHECKED || hits.is_multiple_of(EVERY))
}

/// What is not as it was when a known state is reached again.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Other {
    Tasks,
    Next,
    End,
}

impl Other {
    pub(super) fn says(self) -> String {
        let what = match self {
            Other::Tasks => "other tasks can run, or are about to do something else",
            Other::Next => "the same step leads to another state",
            Other::End => "the same step ends the execution",
        };
        format!("a state that was reached before is reached again, and {what}")
    }
}

#[derive(Default)]
pub(crate) struct Whole {
    graph: Graph,
    discipline: Discipline,
    began: bool,
    /// Who has to run to come to what is left, and that.
    way: Vec<usize>,
    /// The state in which that is left; then the one that the execution has come to.
    at: Option<usize>,
    /// What runs of what was left, from which state, until it is known what it leads to; and all
    /// steps since then.
    taken: Option<(usize, usize)>,
    passage: Passage,
    /// States that were met again.
    hits: u64,
    /// The execution goes on from a known state as one did before, to see whether everything is as
    /// it was.
    follows: Option<Follows>,
    /// Executions, as threads, that show a livelock each, to be run at the end, how many have run,
    /// and the one that runs.
    livelocks: Option<Vec<Vec<usize>>>,
    shown: usize,
    shows: Option<Vec<usize>>,
}

/// What is to come.
struct Follows {
    /// Who runs, the next one last.
    route: Vec<usize>,
    /// To what that leads.
    to: Next,
    /// And so many passages more.
    left: usize,
}

impl Whole {
    /// With what was found before.
    pub(crate) fn new(before: SavedGraph) -> Self {
        let SavedGraph { nodes, passages, shown, discipline, alone } = before;
        let graph = Graph::new(nodes, passages, alone);
        Whole { graph, shown, discipline, ..Whole::default() }
    }

    /// All that was found.
    pub(crate) fn saved(&self) -> SavedGraph {
        let (shown, discipline) = (self.shown, self.discipline.clone());
        SavedGraph { shown, discipline, ..self.graph.saved(self.taken) }
    }

    pub(crate) fn states(&self) -> u64 {
        self.graph.len() as u64
    }

    /// Steps that were not taken.
    pub(crate) fn left(&self) -> u64 {
        self.graph.left()
    }

    pub(crate) fn begin(&mut self, core: &mut Core) -> bool {
        self.follows = None;
        core.holds_back = false;
        core.trace.start_afresh();
        core.rewind(0);
        if self.graph.len() == 0 {
            // It may have no steps at all.
            (self.way, self.at) = (Vec::new(), None);
            return !std::mem::replace(&mut self.began, true);
        }
        let next = self.graph.next().or_else(|| {
            if core.rules.has(DependenceRule::AloneNoMore) {
                self.graph.reconsider(|step| self.discipline.is_alone(step));
            }
            self.graph.next()
        });
        if let Some(state) = next {
            self.way = self.graph.way_to(state);
            let thread = self.take(state, None);
            self.way.push(thread);
            self.at = Some(state);
            return true;
        }
        let graph = &self.graph;
        let livelocks = self.livelocks.get_or_insert_with(|| graph.livelocks(core.fairness));
        self.shows = livelocks.get(self.shown).cloned();
        (core.by_states, core.insists) = (false, true);
        self.shows.is_some()
    }

    pub(crate) fn choose(&mut self, core: &mut Core) -> Option<usize> {
        let depth = core.trace.depth;
        let round_begins = std::mem::take(&mut core.round_begins);
        if let Some(shows) = &self.shows {
            let task = core.who(*shows.get(depth)?).task;
            return task.filter(|&task| core.trace.frame(depth).ready.contains(task));
        }
        if let Some(&thread) = self.way.get(depth) {
            return self.on_the_way(core, thread);
        }
        let running = depth.checked_sub(1).map(|last| core.trace.frame(last).task as usize);
        if self.follows.as_ref().is_some_and(|follows| !follows.route.is_empty()) {
            return self.follow(core);
        }
        if self.follows.is_none() {
            self.discipline.see(core);
            // Nobody goes round in a circle without a state that is told apart.
            if self.at.is_some() && !round_begins && self.passage.route.len() < LONGEST {
                let passes = self.pass(core, running);
                if passes.is_some() {
                    return passes;
                }
            }
        }
        let (key, check) = core.state()?;
        // A round forgets what was touched in it. Where two accesses race, there is a state in which
        // each task has made its own, or will with its next step; nobody can know of them then.
        let key =
            if core.raced { core.state_with_data(key) } else { core.state_with_last_data(key) };
        let state = self.graph.find(key);
        if let Some(Follows { to, left, .. }) = self.follows {
            if state.is_none_or(|state| to != Next::State(state))
                || state.is_some_and(|state| self.graph.check(state) != check)
            {
                core.differs(Other::Next.says());
                return None;
            }
            self.goes_on_as_before(state?, left.checked_sub(1)?);
            return self.follow(core);
        }
        if state.is_none() && self.graph.len() >= core.max_states {
            core.give_up_for(Unfinished::States(core.max_states));
            return None;
        }
        let state = state.unwrap_or_else(|| {
            core.limit_states(self.graph.len() + 1);
            self.graph.add(key, check, core)
        });
        if let Some(before) = self.at.replace(state) {
            self.leads_to(core, before, Next::State(state));
        }
        if self.graph.check(state) != check {
            core.differs(Other::Tasks.says());
            return None;
        }
        if self.graph.has_left(state) {
            // Going on with the running task needs no context switch.
            let running = running.map(|task| core.thread(task));
            return core.who(self.take(state, running)).task;
        }
        self.hits += 1;
        if !checks(core, self.hits) {
            return None;
        }
        self.goes_on_as_before(state, FOLLOWED);
        self.follow(core)
    }

    /// The next step to what is left, or that.
    fn on_the_way(&self, core: &mut Core, thread: usize) -> Option<usize> {
        let depth = core.trace.depth;
        // What the program shares is known at the end of the way.
        core.telling = depth + 1 == self.way.len();
        if core.telling
            && let Some(state) = self.at
        {
            core.shared = self.graph.shared(state);
        }
        let task = core.who(thread).task;
        let ready = task.filter(|&task| core.trace.frame(depth).ready.contains(task));
        if ready.is_none() {
            core.differs("a step that was left to be taken cannot be taken".into());
        }
        ready
    }

    /// Something that is left to run from the state, this one if it is, runs now.
    fn take(&mut self, state: usize, wanted: Option<usize>) -> usize {
        let thread = self.graph.take(state, wanted);
        self.taken = Some((state, thread));
        self.passage = Passage { route: vec![thread], ..Passage::default() };
        thread
    }

    /// A step that is enough from the state at hand, if there is one: it is not told apart then.
    fn pass(&mut self, core: &Core, running: Option<usize>) -> Option<usize> {
        let ready = &core.trace.frame(core.trace.depth).ready;
        let only = ready.iter().next().filter(|_| ready.len() == 1);
        let (task, alone) = match only {
            Some(task) => (task, None),
            None => self.discipline.enough(core, running).map(|(task, step)| (task, Some(step)))?,
        };
        // Who could run when the passage began, and cannot now, may be able to again when it ends:
        // under weak fairness he need not run if he could not for a moment.
        let began = &core.trace.frame(core.trace.depth - self.passage.route.len()).ready;
        if core.fairness == Fairness::Weak && began.iter().any(|task| !ready.contains(task)) {
            return None;
        }
        self.passage.alone.extend(alone.map(|step| self.graph.alone(step)));
        self.passage.route.push(core.thread(task));
        Some(task)
    }

    fn leads_to(&mut self, core: &Core, state: usize, to: Next) {
        self.taken = None;
        let mut passage = std::mem::take(&mut self.passage);
        let first = core.trace.depth - passage.route.len();
        let steps = &core.trace.frames()[first..core.trace.depth];
        let does = steps.iter().map(|step| (core.creator(step.op.object), step.class));
        passage.does = does.collect();
        passage.raced = core.raced;
        let longest = match (core.memory, core.fairness) {
            // Between two steps another may be kept waiting who was not where the passage was run.
            (Memory::Sc, Fairness::Weak) => 1,
            (Memory::Sc, Fairness::Strong) => LONGEST,
            // A step may depend on stores of its task that arrive later.
            _ => 0,
        };
        self.graph.leads(state, passage, to, longest);
    }

    /// An execution has gone on from this state before, and the next does so as well.
    fn goes_on_as_before(&mut self, state: usize, left: usize) {
        self.follows = self.graph.known_step(state).filter(|_| left > 0).map(|(passage, to)| {
            Follows { route: self.graph.route(passage).iter().rev().copied().collect(), to, left }
        });
    }

    fn follow(&mut self, core: &mut Core) -> Option<usize> {
        let thread = self.follows.as_mut()?.route.pop()?;
        let task = core.who(thread).task;
        let ready = task.filter(|&task| core.trace.frame(core.trace.depth).ready.contains(task));
        if ready.is_none() {
            core.differs(Other::Next.says());
        }
        ready
    }

    /// The execution fails, and the last of the steps that were enough is so no more: others may come
    /// before it. Who fails without a step of his own, since somebody has ended or started him, might
    /// come to that later if any step was put off that came before, and others go on meanwhile.
    fn others_might_fail_first(&mut self, core: &Core, before: usize) {
        let (fails, alone) = (core.failed(), &self.passage.alone);
        let last = core.trace.frames()[..core.trace.depth].last();
        let by_own_step = last.is_none_or(|last| last.whose() == fails);
        let waits = |state| matches!(state, TaskState::Finished | TaskState::Joining(_));
        let mut others = core.tasks().iter().enumerate().filter(|&(task, _)| task != fails);
        let all = !by_own_step && others.any(|(_, task)| !waits(task.state));
        let steps: Vec<usize> = if all {
            self.graph.alone_before(before).chain(alone.iter().copied()).collect()
        } else {
            alone.last().copied().into_iter().collect()
        };
        for step in steps {
            self.discipline.failed.insert(self.graph.step(step).clone());
        }
    }

    pub(crate) fn end(&mut self, core: &mut Core, end: End) {
        if self.shows.take().is_some() {
            self.shown += usize::from(!core.given_up);
            if core.failure.is_none() && !core.given_up {
                core.failure_at_end(
                    "a cycle of states that is fair to everybody is found, and no livelock when \
                     it is gone through"
                        .into(),
                );
            }
            return;
        }
        if core.given_up || end == End::Cut {
            return;
        }
        if let Some(Follows { route, to, .. }) = &self.follows {
            if *to != Next::End || !route.is_empty() {
                core.failure_at_end(Other::End.says());
            }
            return;
        }
        if core.trace.depth < self.way.len() {
            core.failure_at_end("an execution ends where one did not before".into());
        } else if let Some(before) = self.at.filter(|_| self.taken.is_some()) {
            // Some may still wait to do something.
            self.discipline.see(core);
            if end == End::Failed && !core.stuck() {
                self.others_might_fail_first(core, before);
            }
            self.leads_to(core, before, Next::End);
        }
    }
}
