//! Livelocks of programs whose stores go to memory later: random retry loops against an enumeration
//! of all states of a machine with store buffers.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::{Arc, Mutex};

use dpor::memory::{self, Side, Word, fence};
use dpor::{
    Access, Budget, End, Explorer, FailureKind, Fairness, JoinHandle, Memory, ObjectId, Report,
    Strategy,
};

use crate::fair::has_livelock;
use crate::program::{Rng, seeds};
use crate::shrink::smallest;

const BUFFERED: [Memory; 2] = [Memory::Tso, Memory::Pso];

/// An instruction of a generated task.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
enum Instr {
    Lock(usize),
    /// If it fails, give back all locks and start again.
    TryOrRestart(usize),
    /// If it fails, try again.
    TrySpin(usize),
    Unlock(usize),
    /// A store, and whether it is a release.
    Store(usize, u64, bool),
    Swap(usize, u64),
    /// A full barrier, or one of stores.
    Fence(bool),
    /// Load until the value is there.
    Spin(usize, u64),
    /// If something else is there, give back all locks and start again.
    RestartUnless(usize, u64),
    /// If the value is there, go no further.
    EndIf(usize, u64),
    /// Store to the other word what is in this one.
    Carry(usize),
    /// Store to the word that this one names.
    Follow(usize),
    /// A barrier of stores, if the value is there.
    FenceIf(usize, u64),
    /// Replace the value, in one step, if it is another; else that was a load.
    Change(usize, u64),
}

use Instr::{
    Carry, Change, EndIf, Fence, FenceIf, Follow, Lock, RestartUnless, Spin, Store, Swap,
    TryOrRestart, TrySpin, Unlock,
};

const LOCKS: usize = 2;
const WORDS: usize = 2;
/// What is stored to: words, then locks.
const CELLS: usize = WORDS + LOCKS;

type Program = Vec<Vec<Instr>>;

fn random(rng: &mut Rng) -> Program {
    let tasks = 2 + rng.below(4) / 3;
    let task = |rng: &mut Rng| {
        let most = if tasks == 2 { 5 } else { 3 };
        (0..1 + rng.below(most))
            .map(|_| {
                let [cell, value, other] = [0; 3].map(|_| rng.below(2));
                let cell = cell as usize;
                match rng.below(20) {
                    0 => Lock(cell),
                    1 => TryOrRestart(cell),
                    2 => TrySpin(cell),
                    3 | 4 => Unlock(cell),
                    5..=8 => Store(cell, value, other == 0),
                    9 => Change(cell, value),
                    10 => Swap(cell, value),
                    11 => Fence(other == 0),
                    12 => Spin(cell, value),
                    13 | 14 => RestartUnless(cell, value),
                    15 => Carry(cell),
                    16 => Follow(cell),
                    17 => FenceIf(cell, value),
                    _ => EndIf(cell, value),
                }
            })
            .collect()
    };
    let mut program: Program = (0..tasks).map(|_| task(rng)).collect();
    // Every other program begins with store buffering: what follows may be reached only if neither
    // has seen the other's store.
    if rng.below(2) == 0 {
        for (number, task) in program.iter_mut().take(2).enumerate() {
            task.truncate(3);
            task.splice(0..0, [Store(number, 1, false), EndIf(1 - number, 1)]);
        }
    }
    program
}

/// A task's place: the instruction, the locks it holds, and whether it is giving them back to start
/// again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Place {
    at: usize,
    held: [bool; LOCKS],
    restarting: bool,
}

/// What waits in a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Waiting {
    /// For this cell, this value; a release comes after all that is before it.
    Store { cell: usize, value: u64, release: bool },
    /// Everything before it leaves before everything after it.
    Barrier,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    places: Vec<Place>,
    buffers: Vec<Vec<Waiting>>,
    cells: [u64; CELLS],
}

impl State {
    fn is_locked(&self, lock: usize) -> bool {
        self.cells[WORDS + lock] != 0
    }

    /// What a load of the task sees.
    fn seen(&self, task: usize, cell: usize) -> u64 {
        let own = self.buffers[task].iter().rev().find_map(|waiting| match *waiting {
            Waiting::Store { cell: other, value, .. } if other == cell => Some(value),
            _ => None,
        });
        own.unwrap_or(self.cells[cell])
    }

    /// Skip what takes no step.
    fn settle(&mut self, program: &Program, task: usize) {
        loop {
            let place = self.places[task];
            if place.restarting {
                if let Some(lock) = place.held.iter().position(|&held| held) {
                    self.unlock(task, lock);
                    continue;
                }
                self.places[task] = Place { restarting: false, at: 0, ..place };
                continue;
            }
            match program[task].get(place.at) {
                Some(&(Lock(lock) | TryOrRestart(lock) | TrySpin(lock))) if place.held[lock] => {}
                Some(&Unlock(lock)) if !place.held[lock] => {}
                Some(&Unlock(lock)) => self.unlock(task, lock),
                Some(&Store(cell, value, release)) => {
                    self.buffers[task].push(Waiting::Store { cell, value, release });
                }
                Some(Fence(false)) => self.barrier(task),
                _ => return,
            }
            self.places[task].at += 1;
        }
    }

    fn unlock(&mut self, task: usize, lock: usize) {
        self.places[task].held[lock] = false;
        let store = Waiting::Store { cell: WORDS + lock, value: 0, release: true };
        self.buffers[task].push(store);
    }

    fn barrier(&mut self, task: usize) {
        let buffer = &mut self.buffers[task];
        if buffer.last().is_some_and(|last| *last != Waiting::Barrier) {
            buffer.push(Waiting::Barrier);
        }
    }

    /// The state after the task's next step, if it can take one.
    fn step(&self, program: &Program, task: usize) -> Option<State> {
        let instr = *program[task].get(self.places[task].at)?;
        let mut next = self.clone();
        let place = &mut next.places[task];
        if let Change(cell, value) = instr
            && self.seen(task, cell) == value
        {
            place.at += 1;
            next.settle(program, task);
            return Some(next);
        }
        let full = matches!(
            instr,
            Lock(_) | TryOrRestart(_) | TrySpin(_) | Swap(..) | Change(..) | Fence(_)
        );
        if full && !self.buffers[task].is_empty() {
            return None;
        }
        match instr {
            Lock(lock) if self.is_locked(lock) => return None,
            TryOrRestart(lock) if self.is_locked(lock) => place.restarting = true,
            TrySpin(lock) if self.is_locked(lock) => {}
            Lock(lock) | TryOrRestart(lock) | TrySpin(lock) => {
                place.held[lock] = true;
                place.at += 1;
                next.cells[WORDS + lock] = 1;
            }
            Swap(cell, value) | Change(cell, value) => {
                place.at += 1;
                next.cells[cell] = value;
            }
            Fence(_) => place.at += 1,
            Spin(cell, value) => place.at += usize::from(self.seen(task, cell) == value),
            RestartUnless(cell, value) if self.seen(task, cell) == value => place.at += 1,
            RestartUnless(..) => place.restarting = true,
            EndIf(cell, value) if self.seen(task, cell) == value => place.at = program[task].len(),
            EndIf(..) => place.at += 1,
            Carry(cell) | Follow(cell) => {
                place.at += 1;
                let seen = self.seen(task, cell);
                let (cell, value) = match instr {
                    Carry(_) => (1 - cell, seen),
                    _ => (seen as usize, 1 - seen),
                };
                next.buffers[task].push(Waiting::Store { cell, value, release: false });
            }
            FenceIf(cell, value) => {
                place.at += 1;
                if self.seen(task, cell) == value {
                    next.barrier(task);
                }
            }
            Unlock(_) | Store(..) => unreachable!("they take no step"),
        }
        next.settle(program, task);
        Some(next)
    }

    /// The state after the oldest store of the task to the cell has left, if it can.
    fn leave(&self, memory: Memory, task: usize, cell: usize) -> Option<State> {
        let buffer = &self.buffers[task];
        let of_cell = |waiting: &Waiting| matches!(waiting, Waiting::Store { cell: other, .. } if *other == cell);
        let at = buffer.iter().position(of_cell)?;
        let Waiting::Store { value, release, .. } = buffer[at] else { unreachable!() };
        let barrier = buffer[..at].contains(&Waiting::Barrier);
        if at > 0 && (memory == Memory::Tso || release || barrier) {
            return None;
        }
        let mut next = self.clone();
        next.buffers[task].remove(at);
        while next.buffers[task].first() == Some(&Waiting::Barrier) {
            next.buffers[task].remove(0);
        }
        next.cells[cell] = value;
        Some(next)
    }
}

#[derive(Default, PartialEq, Eq, Debug)]
struct Facts {
    endings: BTreeSet<String>,
    deadlocks: BTreeSet<String>,
    livelock: bool,
}

/// Enumerate all states; none if they are too many.
fn enumerate(program: &Program, memory: Memory, fairness: Fairness) -> Option<Facts> {
    let tasks = program.len();
    let mut first = State {
        places: vec![Place::default(); tasks],
        buffers: vec![Vec::new(); tasks],
        cells: [0; CELLS],
    };
    (0..tasks).for_each(|task| first.settle(program, task));
    let mut states = vec![first.clone()];
    let mut index = HashMap::from([(first, 0)]);
    let mut edges: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut facts = Facts::default();
    while edges.len() < states.len() {
        let state = states[edges.len()].clone();
        if states.len() > 20_000 || state.buffers.iter().any(|buffer| buffer.len() > 8) {
            return None;
        }
        let steps =
            (0..tasks).filter_map(|task| state.step(program, task).map(|next| (task, next)));
        let leave = |number: usize| {
            let next = state.leave(memory, number / CELLS, number % CELLS)?;
            // On TSO, what leaves is the oldest store to any cell.
            let who = if memory == Memory::Tso { number / CELLS } else { number };
            Some((tasks + who, next))
        };
        let mut out = Vec::new();
        for (who, next) in steps.chain((0..tasks * CELLS).filter_map(leave)) {
            let number = *index.entry(next.clone()).or_insert_with(|| {
                states.push(next);
                states.len() - 1
            });
            out.push((who, number));
        }
        if out.is_empty() {
            let words = &state.cells[..WORDS];
            let places: Vec<_> = state.places.iter().map(|place| place.at).collect();
            if (0..tasks).all(|task| places[task] >= program[task].len()) {
                facts.endings.insert(format!("{words:?}"));
            } else {
                facts.deadlocks.insert(format!("{places:?} {words:?}"));
            }
        }
        edges.push(out);
    }
    facts.livelock = has_livelock(&edges, tasks + tasks * CELLS, fairness);
    Some(facts)
}

/// A spin lock as lockwalk's: what takes it is a full barrier, what lets go of it a release.
#[derive(Clone)]
struct SpinLock(ObjectId, Rc<Cell<bool>>);

impl SpinLock {
    fn new() -> Self {
        Self(dpor::object(), Rc::default())
    }

    fn lock(&self) {
        fence(SeqCst);
        memory::unordered_when(self.0, Access::Acquire, &|| !self.1.get());
        self.1.set(true);
    }

    fn try_lock(&self) -> bool {
        fence(SeqCst);
        memory::unordered(self.0, Access::TryAcquire);
        let free = !self.1.replace(true);
        dpor::tried(free);
        free
    }

    fn unlock(&self) {
        let is_locked = self.1.clone();
        memory::release(self.0, Access::Release, Side::Exclusive, move || is_locked.set(false));
    }
}

struct World {
    words: [Word; WORDS],
    locks: [SpinLock; LOCKS],
    places: RefCell<Vec<usize>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

impl World {
    fn words(&self) -> [u64; WORDS] {
        self.words.each_ref().map(Word::peek)
    }

    fn round(&self, at: usize, held: [bool; LOCKS]) {
        let hash = |state: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            state(&mut hasher);
            hasher.finish()
        };
        let locked = || self.locks.each_ref().map(|lock| lock.1.get());
        dpor::round(hash(&|hasher| (at, held).hash(hasher)), || {
            hash(&|hasher| (self.words(), locked()).hash(hasher))
        });
    }

    fn load(&self, word: usize) -> u64 {
        self.words[word].load(Relaxed)
    }

    fn run(&self, task: usize, program: &[Instr]) {
        let (mut at, mut held) = (0, [false; LOCKS]);
        while let Some(&instr) = program.get(at) {
            self.places.borrow_mut()[task] = at;
            if at == 0 {
                self.round(at, held);
            }
            at += 1;
            let mut restarts = false;
            match instr {
                Lock(lock) | TryOrRestart(lock) | TrySpin(lock) if held[lock] => {}
                Lock(lock) => {
                    self.locks[lock].lock();
                    held[lock] = true;
                }
                TryOrRestart(lock) => {
                    held[lock] = self.locks[lock].try_lock();
                    restarts = !held[lock];
                }
                TrySpin(lock) => {
                    self.round(at, held);
                    while !self.locks[lock].try_lock() {
                        self.round(at, held);
                    }
                    held[lock] = true;
                }
                Unlock(lock) => {
                    if std::mem::take(&mut held[lock]) {
                        self.locks[lock].unlock();
                    }
                }
                Store(word, value, release) => {
                    self.words[word].store(value, if release { Release } else { Relaxed });
                }
                Swap(word, value) => _ = self.words[word].swap(value, SeqCst),
                Change(word, value) => {
                    _ = self.words[word].update_if(|now| (now != value).then_some(value));
                }
                Fence(full) => fence(if full { SeqCst } else { Release }),
                Spin(word, value) => {
                    self.round(at, held);
                    while self.load(word) != value {
                        self.round(at, held);
                    }
                }
                RestartUnless(word, value) => restarts = self.load(word) != value,
                Carry(word) => self.words[1 - word].store(self.load(word), Relaxed),
                Follow(word) => {
                    let seen = self.load(word);
                    self.words[seen as usize].store(1 - seen, Relaxed);
                }
                FenceIf(word, value) if self.load(word) == value => fence(Release),
                EndIf(word, value) if self.load(word) == value => at = program.len(),
                FenceIf(..) | EndIf(..) => {}
            }
            if restarts {
                for (lock, held) in self.locks.iter().zip(&mut held) {
                    if std::mem::take(held) {
                        lock.unlock();
                    }
                }
                at = 0;
            }
        }
        self.places.borrow_mut()[task] = at;
    }
}

/// The program, ready to be explored; it may say that it changes nothing under locks, which is so.
fn ready(program: &Program, says: bool) -> impl Fn() + Send + Sync + 'static {
    let program = program.clone();
    move || {
        let world = Rc::new(World {
            words: [0; WORDS].map(Word::new),
            locks: std::array::from_fn(|_| SpinLock::new()),
            places: vec![0; program.len()].into(),
        });
        if says {
            dpor::data();
        }
        // Words say themselves what they hold.
        let locks = world.locks.clone();
        dpor::name_state(move |state| locks.iter().for_each(|lock| lock.1.get().hash(state)));
        WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
        let tasks = (0..program.len()).map(|task| {
            let (world, instrs) = (Rc::clone(&world), program[task].clone());
            dpor::spawn("task", move || world.run(task, &instrs))
        });
        let tasks: Vec<_> = tasks.collect();
        tasks.into_iter().for_each(JoinHandle::join);
    }
}

fn observe(program: &Program, says: bool, explorer: Explorer) -> (Report, Facts) {
    let facts = Arc::new(Mutex::new(Facts::default()));
    let sink = Arc::clone(&facts);
    let explorer = explorer.budget(Budget { executions: Some(3_000), time: None }).on_execution(
        move |execution| {
            let mut facts = sink.lock().unwrap();
            let world = WORLD.with(|world| world.borrow().clone()).unwrap();
            let words = world.words();
            match execution.failure.map(|failure| &failure.kind) {
                None if execution.end == End::Complete => {
                    facts.endings.insert(format!("{words:?}"));
                }
                None => {}
                Some(FailureKind::Deadlock { .. }) => {
                    facts.deadlocks.insert(format!("{:?} {words:?}", world.places.borrow()));
                }
                Some(FailureKind::Livelock { .. }) => facts.livelock = true,
                // No program has such an ending.
                Some(other) => _ = facts.endings.insert(other.to_string()),
            }
            ControlFlow::Continue(())
        },
    );
    let report = explorer.run(ready(program, says));
    let facts = std::mem::take(&mut *facts.lock().unwrap());
    (report, facts)
}

/// What is wrong with the exploration of this program, if anything, else the number of executions
/// and whether there is a livelock, if it got to the end.
fn check(
    program: &Program,
    memory: Memory,
    fairness: Fairness,
) -> Result<Option<(u64, bool)>, String> {
    let Some(all) = enumerate(program, memory, fairness) else { return Ok(None) };
    let mut found = None;
    for says in [true, false] {
        let dpor = Explorer::new(Strategy::Dpor).memory(memory).fairness(fairness);
        let (report, seen) = observe(program, says, dpor.max_steps(2_000));
        let cut = matches!(report.why_unfinished, Some(dpor::Unfinished::Executions));
        if !cut && !report.exhausted {
            return Err(format!("said {says}: {report} {:?}", report.why_unfinished));
        }
        let invented = !seen.endings.is_subset(&all.endings)
            || !seen.deadlocks.is_subset(&all.deadlocks)
            || seen.livelock && !all.livelock;
        if invented || !cut && seen != all {
            return Err(format!("said {says}: saw {seen:#?}, all states show {all:#?}"));
        }
        if cut {
            return Ok(None);
        }
        found = Some((report.executions, seen.livelock));
    }
    let states = Explorer::new(Strategy::States).memory(memory).fairness(fairness);
    let (report, seen) = observe(program, true, states.max_steps(2_000));
    let cut = matches!(report.why_unfinished, Some(dpor::Unfinished::Executions));
    if !cut && (!report.exhausted || seen != all) {
        return Err(format!("by states: {report}: saw {seen:#?}, all states show {all:#?}"));
    }
    if cut {
        return Ok(None);
    }
    Ok(found)
}

fn compare(fairness: Fairness) {
    for memory in BUFFERED {
        let (mut livelocks, mut of_buffers, mut executions, mut compared, mut skipped) =
            (0, 0, 0, 0, 0);
        for seed in seeds(300) {
            let program = random(&mut Rng(seed * 7919));
            match check(&program, memory, fairness) {
                Ok(Some((count, livelock))) => {
                    compared += 1;
                    executions += count;
                    livelocks += u64::from(livelock);
                    if livelock {
                        let consistent = Explorer::new(Strategy::Dpor).fairness(fairness);
                        of_buffers += u64::from(!observe(&program, true, consistent).1.livelock);
                    }
                }
                Ok(None) => skipped += 1,
                Err(_) => {
                    let fails = |program: &Program| check(program, memory, fairness).is_err();
                    let program = smallest(program, fails);
                    panic!(
                        "{memory:?} {fairness:?} seed {seed}, shrunk: {program:?}\n{}",
                        check(&program, memory, fairness).unwrap_err()
                    );
                }
            }
        }
        eprintln!(
            "{memory:?} {fairness:?}: {compared} programs agree, {livelocks} with a livelock, \
             {of_buffers} of them with none where memory is consistent; {executions} executions; \
             {skipped} too long"
        );
        assert!(of_buffers > 0 || compared < 200, "no livelock takes a store buffer");
    }
}

/// Programs that an earlier version got wrong. The first lock is free when the task that tries for it
/// begins its last round, so that somebody who waits for it could have run then; a livelock it is
/// all the same, since nobody gives it back.
#[test]
fn found_before() {
    let waits_beside = vec![
        vec![Lock(0), Store(1, 0, false)],
        vec![TryOrRestart(0)],
        vec![Lock(0), Store(1, 0, true)],
    ];
    // Stores that do not change what is there are under way all the same.
    let stores_nothing_new =
        vec![vec![Store(0, 0, true), Store(0, 1, false)], vec![RestartUnless(0, 1)]];
    // A store that has arrived, and another like it after a full barrier, look the same to who counts
    // what is under way.
    let stores_the_same_again = vec![
        vec![Store(0, 1, true), Fence(true), Store(0, 1, false), TryOrRestart(1)],
        vec![Change(0, 1)],
    ];
    let programs =
        [(&waits_beside, true), (&stores_nothing_new, false), (&stores_the_same_again, false)];
    for memory in BUFFERED {
        for fairness in [Fairness::Weak, Fairness::Strong] {
            for (program, livelock) in programs {
                let found = check(program, memory, fairness);
                assert!(
                    matches!(found, Ok(Some((_, is))) if is == livelock),
                    "{memory:?} {fairness:?}: {program:?}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn random_retry_loops() {
    compare(Fairness::Weak);
}

#[test]
fn random_retry_loops_with_fair_locks() {
    compare(Fairness::Strong);
}
