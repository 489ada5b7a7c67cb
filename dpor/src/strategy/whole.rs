//! Every step of every state of a program whose executions need not end, and then one execution for
//! each livelock that is among them.
//!
//! Each execution goes the shortest way that is known to a state from which something is left to
//! run, and on from there as long as it comes to states that are new, or have something left as
//! well.

use crate::execution::Core;
use crate::known::SavedGraph;
use crate::report::{End, Unfinished};
use crate::strategy::graph::{Graph, Next};

/// So many known states at the beginning are gone on from for a check, and every so many-th after
/// that.
const CHECKED: u64 = 64;
const EVERY: u64 = 32;
/// For so many steps.
pub(super) const FOLLOWED: usize = 100;

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
    /// Who has to run to come to what is left, and that.
    way: Vec<usize>,
    /// The state in which that is left; then the one that the execution has come to.
    at: Option<usize>,
    /// What runs of what was left, from which state, until it is known what it leads to.
    taken: Option<(usize, usize)>,
    /// States that were met again.
    hits: u64,
    /// The execution goes on from a known state as one did before, to see whether everything is as
    /// it was: what comes next then, and for how many steps more.
    follows: Option<(Next, usize)>,
    /// Executions, as threads, that show a livelock each, to be run at the end, how many have run,
    /// and the one that runs.
    livelocks: Option<Vec<Vec<usize>>>,
    shown: usize,
    shows: Option<Vec<usize>>,
}

impl Whole {
    /// With what was found before.
    pub(crate) fn new(SavedGraph { nodes, shown }: SavedGraph) -> Self {
        Whole { graph: Graph::new(nodes), shown, ..Whole::default() }
    }

    /// All that was found.
    pub(crate) fn saved(&self) -> SavedGraph {
        SavedGraph { nodes: self.graph.nodes(self.taken), shown: self.shown }
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
            (self.way, self.at) = (Vec::new(), None);
            return true;
        }
        if let Some(state) = self.graph.next() {
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
        if let Some(shows) = &self.shows {
            let task = core.who(*shows.get(depth)?).task;
            return task.filter(|&task| core.trace.frame(depth).ready.contains(task));
        }
        if let Some(&thread) = self.way.get(depth) {
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
            return ready;
        }
        let (key, check) = core.state()?;
        // A round forgets what was touched in it. Where two accesses race, there is a state in which
        // each task has made its own, or will with its next step; nobody can know of them then.
        let key =
            if core.raced { core.state_with_data(key) } else { core.state_with_last_data(key) };
        let state = self.graph.find(key);
        if let Some((next, left)) = self.follows {
            if state.is_none_or(|state| next != Next::State(state))
                || state.is_some_and(|state| self.graph.check(state) != check)
            {
                core.differs(Other::Next.says());
                return None;
            }
            return self.follow(core, state?, left.checked_sub(1)?);
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
            let thread = core.thread(core.trace.frame(depth - 1).task as usize);
            self.leads_to(before, thread, Next::State(state));
        }
        if self.graph.check(state) != check {
            core.differs(Other::Tasks.says());
            return None;
        }
        if self.graph.has_left(state) {
            // Going on with the running task needs no context switch.
            let running = depth.checked_sub(1).map(|last| core.trace.frame(last).task as usize);
            let running = running.map(|task| core.thread(task));
            return core.who(self.take(state, running)).task;
        }
        self.hits += 1;
        if !checks(core, self.hits) {
            return None;
        }
        self.follow(core, state, FOLLOWED)
    }

    /// Something that is left to run from the state, this if it is, runs now.
    fn take(&mut self, state: usize, wanted: Option<usize>) -> usize {
        let thread = self.graph.take(state, wanted);
        self.taken = Some((state, thread));
        thread
    }

    fn leads_to(&mut self, state: usize, thread: usize, to: Next) {
        self.taken = None;
        self.graph.step(state, thread, to);
    }

    /// Go on from a known state as an execution did before.
    fn follow(&mut self, core: &mut Core, state: usize, left: usize) -> Option<usize> {
        let (thread, next) = self.graph.known_step(state).filter(|_| left > 0)?;
        self.follows = Some((next, left));
        core.who(thread).task
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
        if let Some((next, _)) = self.follows {
            if next != Next::End {
                core.failure_at_end(Other::End.says());
            }
            return;
        }
        if core.trace.depth < self.way.len() {
            core.failure_at_end("an execution ends where one did not before".into());
        } else if let (Some(before), Some(last)) = (self.at, core.trace.depth.checked_sub(1)) {
            let thread = core.thread(core.trace.frame(last).task as usize);
            self.leads_to(before, thread, Next::End);
        }
    }
}
