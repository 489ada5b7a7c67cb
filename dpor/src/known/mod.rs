//! What the workers of a search by states share: the states that are done with, and what follows
//! each of them.

mod discipline;
mod saved;
pub(crate) mod summary;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::{Class, Creator, ThreadName};
use crate::numbers::SharedNumbers;
use crate::state::{Keys, Sum};
use crate::taskset::TaskSet;
use summary::{Bits, Seen};

pub(crate) use discipline::{Discipline, Step};
pub(crate) use saved::SavedStates;
pub(crate) use turns::Turns;

/// What is remembered of a state, once all that follows it has been gone through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// What slept when it was gone on from: threads, as all that is remembered. What begins with
    /// those was left out.
    pub(crate) sleep: TaskSet,
    /// What can follow it.
    pub(crate) summary: Arc<Bits>,
    /// What has to be the same whenever it is reached.
    pub(crate) check: u64,
    /// How the first execution went on from it, as far as that can be told in brief.
    pub(crate) next: Option<(Route, Next)>,
}

/// Whose steps lead from a state to the next one that is told apart: so many of one thread, then so
/// many of another.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route(u64);

impl Route {
    /// Bits of a run: the thread, from 1, and how many steps.
    const THREAD: u32 = 5;
    const RUN: u32 = 10;
    const MOST: u64 = (1 << Route::THREAD) - 1;

    /// Whose steps they are.
    fn steps(self) -> impl Iterator<Item = usize> {
        let mut rest = self;
        std::iter::from_fn(move || {
            let (thread, after) = rest.split()?;
            rest = after;
            Some(thread)
        })
    }

    /// If it can be told.
    pub(crate) fn of(threads: impl Iterator<Item = usize>) -> Option<Self> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for thread in threads.map(|thread| thread as u64 + 1) {
            match runs.last_mut() {
                Some((same, steps)) if *same == thread && *steps < Route::MOST => *steps += 1,
                _ => runs.push((thread, 1)),
            }
        }
        let fits = runs.len() <= (u64::BITS / Route::RUN) as usize
            && runs.iter().all(|&(thread, _)| thread <= Route::MOST);
        let add = |all, &(thread, steps)| all << Route::RUN | steps << Route::THREAD | thread;
        fits.then(|| Route(runs.iter().rev().fold(0, add)))
    }

    pub(crate) fn is_over(self) -> bool {
        self.0 == 0
    }

    /// Its first step, and the rest.
    pub(crate) fn split(self) -> Option<(usize, Self)> {
        let thread = (self.0 & Route::MOST).checked_sub(1)?;
        let one_step = 1 << Route::THREAD;
        let left = self.0 - one_step;
        let over = left >> Route::THREAD & Route::MOST == 0;
        Some((thread as usize, Route(if over { left >> Route::RUN } else { left })))
    }
}

/// What steps lead to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// A state with such a key: half of it is enough to see whether it is the same again.
    State(u64),
    End,
}

impl Next {
    pub(crate) fn state(key: u128) -> Self {
        Next::State(key as u64)
    }
}

/// How much is run from a state.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum How {
    /// It is not told apart from others.
    Passed,
    /// It is new.
    New,
    /// It was gone on from before, and what slept then is awake.
    Woken,
    /// It was gone on from before, and nothing is run from it.
    Known,
}

/// Where a worker stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Path {
    /// How often it came to a state from which nothing was run.
    pub(crate) hits: u64,
    /// The next of the [units](crate::units) that it comes to.
    pub(crate) unit: u64,
    pub(crate) states: Vec<OnPath>,
}

/// A state of a path. All that this says of tasks is true on that path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OnPath {
    pub(crate) how: How,
    /// As in [`Known`].
    pub(crate) check: u64,
    /// Who runs next.
    pub(crate) task: usize,
    /// Who is to run, and who of them need not any more, or never had to.
    pub(crate) backtrack: TaskSet,
    pub(crate) sleep: TaskSet,
    pub(crate) sleep_failed: TaskSet,
    /// What can follow, as far as it has been gone through.
    pub(crate) after: Bits,
    /// As in [`Known`].
    pub(crate) next: Option<(Route, Next)>,
}

/// A state of a program that goes round in circles, of which everything is run. All that this says
/// of tasks it says of their threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) key: u128,
    /// What has to be the same whenever it is reached.
    pub(crate) check: u64,
    /// What the program has said of what its tasks share.
    pub(crate) shared: Sum,
    /// The state before it on the shortest way to it that is known, by which passage that leads to
    /// it, and how many steps that way has.
    pub(crate) came: Option<(u32, u32)>,
    pub(crate) depth: u32,
    /// Who can run.
    pub(crate) ready: TaskSet,
    /// And was not run yet.
    pub(crate) left: TaskSet,
    /// Who has not ended, stores under way among them, and who of these is none.
    pub(crate) unended: TaskSet,
    pub(crate) tasks: TaskSet,
    /// Passages, and to which states they lead; [`NONE`] if to an end.
    pub(crate) steps: Vec<(u32, u32)>,
}

/// A step from a state, and steps that are enough after it, up to the next state that is told apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Passage {
    /// Whose steps they are.
    pub(crate) route: Vec<usize>,
    /// And what they do.
    pub(crate) does: Vec<(Creator, Class)>,
    /// The numbers of those steps that are enough while others could go on.
    pub(crate) alone: Vec<usize>,
    /// It ends with a race on data, which depends on how its state was reached.
    pub(crate) raced: bool,
}

/// All states of such a program, as far as they were met: first the one in which it begins. So many
/// of the livelocks among them were shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SavedGraph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) passages: Vec<Passage>,
    pub(crate) shown: usize,
    /// How everything was used, and all steps that were enough because of that.
    pub(crate) discipline: Discipline,
    pub(crate) alone: Vec<Step>,
}

impl SavedGraph {
    /// States, and steps that were not taken.
    pub(crate) fn size(&self) -> (u64, u64) {
        let left = self.nodes.iter().map(|node| node.left.len() as u64);
        (self.nodes.len() as u64, left.sum())
    }
}

type States = HashMap<u128, Known, Keys>;

/// So many locks, so that workers seldom wait for each other.
const PARTS: usize = 32;

fn part_of(key: u128) -> usize {
    (key >> 120) as usize % PARTS
}

/// The states that are done with, and how far the search is.
#[derive(Debug, Default)]
pub(crate) struct Table {
    parts: [Part; PARTS],
    /// States that were gone on from, once each, though they may be forgotten.
    states: AtomicU64,
    /// Workers so far, and those of them that were there before this search was gone on with.
    workers: AtomicU64,
    before: u64,
    /// A worker has gone through everything.
    done: AtomicBool,
    /// A state was met again on a path: executions need not end.
    circle: AtomicBool,
    /// A worker goes through all circles because of that.
    whole: AtomicBool,
    /// What the one that does so has come to.
    graph: Mutex<SavedGraph>,
    /// Where workers stand that have stopped, by their numbers.
    paths: Mutex<BTreeMap<u64, Path>>,
    turns: Option<Turns>,
    /// Numbers that the workers give together: to what they have seen to follow, and to threads.
    pub(crate) seen: Seen,
    pub(crate) threads: Arc<SharedNumbers<ThreadName>>,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(Mutex<States>);

/// Numbers that were never there before are each worker's own: it has so many bits of them.
const WORKERS_FRESH: u32 = 40;

impl Table {
    fn part(&self, key: u128) -> MutexGuard<'_, States> {
        self.parts[part_of(key)].states()
    }

    /// What is known at the beginning, for workers that run as they can, or take turns.
    pub(crate) fn new(before: SavedStates, turns: Option<Turns>) -> Self {
        let SavedStates { states, workers, circle, known, graph, .. } = before;
        Table {
            states: AtomicU64::new(states),
            workers: AtomicU64::new(workers),
            before: workers,
            circle: AtomicBool::new(circle),
            graph: Mutex::new(graph),
            paths: Mutex::new((0..).zip(before.paths).collect()),
            turns,
            seen: Seen::new(before.laters, before.helds),
            threads: Arc::new(SharedNumbers::new(before.threads)),
            parts: known.map(|states| Part(Mutex::new(states))),
            ..Table::default()
        }
    }

    /// All that is known, and no more of it here.
    pub(crate) fn take(&self) -> SavedStates {
        self.save(std::mem::take, 0)
    }

    /// All that is known so far.
    pub(crate) fn snapshot(&self) -> SavedStates {
        let workers = self.workers.load(Ordering::Relaxed) - self.before;
        let open = |path: &Path| path.states.iter().filter(|state| state.how == How::New).count();
        let open = self.paths().range(..workers).map(|(_, path)| open(path)).sum::<usize>();
        self.save(|states| states.clone(), open as u64)
    }

    /// So many of the states are not done with.
    fn save(&self, of: impl Fn(&mut States) -> States, open: u64) -> SavedStates {
        let (laters, helds) = self.seen.all();
        // What is known of states is of no use where executions need not end.
        let circle = self.circle();
        let known = |part: &Part| if circle { States::default() } else { of(&mut part.states()) };
        SavedStates {
            states: self.states() - open,
            workers: self.workers.load(Ordering::Relaxed),
            circle,
            threads: self.threads.all(),
            laters,
            helds,
            known: self.parts.each_ref().map(known),
            graph: self.graph().clone(),
            paths: self.paths().values().cloned().collect(),
            ..SavedStates::default()
        }
    }

    fn paths(&self) -> MutexGuard<'_, BTreeMap<u64, Path>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this worker goes on, if one has stopped that had its number.
    pub(crate) fn take_path(&self, worker: u64) -> Path {
        self.paths().remove(&worker).unwrap_or_default()
    }

    /// Where this worker stops, if only for a while.
    pub(crate) fn leave_path(&self, worker: u64, path: Path) {
        self.paths().insert(worker, path);
    }

    /// What was found where executions need not end.
    pub(crate) fn graph(&self) -> MutexGuard<'_, SavedGraph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a worker, from 0. Each is entered and left.
    pub(crate) fn enter(&self) -> u64 {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed) - self.before;
        self.turns.iter().for_each(|turns| turns.wait(worker as usize));
        worker
    }

    pub(crate) fn leave(&self, worker: u64) {
        self.turns.iter().for_each(|turns| turns.pass(worker as usize, true));
    }

    /// The first of the numbers that only this worker gives.
    pub(crate) fn fresh(&self, worker: u64) -> u64 {
        (self.before + worker) << WORKERS_FRESH
    }

    /// A worker's execution is over.
    pub(crate) fn next_turn(&self, worker: u64) {
        if let Some(turns) = &self.turns {
            turns.pass(worker as usize, false);
            turns.wait(worker as usize);
        }
    }

    pub(crate) fn find(&self, key: u128) -> Option<Known> {
        self.part(key).get(&key).cloned()
    }

    /// All that follows the state has been gone through, but for what begins with those who slept.
    /// Where two workers have done that, either is true. Returns whether this one is the first.
    pub(crate) fn add(&self, key: u128, known: Known) -> bool {
        self.part(key).insert(key, known).is_none()
    }

    /// A worker goes on from a state that is not known. Returns how many there are now.
    pub(crate) fn goes_on(&self) -> u64 {
        self.states.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// And another was done with so many of them first, or nobody is.
    pub(crate) fn not_done_with(&self, states: u64) {
        self.states.fetch_sub(states, Ordering::Relaxed);
    }

    pub(crate) fn states(&self) -> u64 {
        self.states.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn goes_round(&self) {
        self.circle.store(true, Ordering::Relaxed);
    }

    pub(crate) fn circle(&self) -> bool {
        self.circle.load(Ordering::Relaxed)
    }

    /// Whether it is for this worker to run everything.
    pub(crate) fn takes_whole(&self) -> bool {
        !self.whole.swap(true, Ordering::Relaxed)
    }
}

impl Part {
    fn states(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn routes() {
        let long = [vec![0; 40], vec![3, 3, 30, 0]].concat();
        for threads in [&[][..], &[0], &[7], &[1, 1, 1], &[2, 0, 2, 0, 2, 0], &long] {
            let route = Route::of(threads.iter().copied()).expect("it can be told");
            assert_eq!(route.steps().collect::<Vec<_>>(), threads);
        }
        assert_eq!(Route::of([0, 1, 0, 1, 0, 1, 0].into_iter()), None);
        assert_eq!(Route::of([31].into_iter()), None);
    }
}
