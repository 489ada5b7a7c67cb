//! Retry loops that change something, under RC11: random programs against an enumeration of all
//! states of a machine whose memory keeps the history of each word, and whose tasks each have a view
//! of it (the promising semantics of Kang, Hur, Lahav, Vafeiadis and Dreyer, POPL 2017, without
//! promises). A livelock is a fair circle of states in which everybody sees what is newest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex};

use dpor::memory::{self, Side, Word, fence};
use dpor::{
    Access, Budget, Explorer, FailureKind, Fairness, JoinHandle, Memory, ObjectId, Report, Saved,
    Strategy, Unfinished,
};

use crate::fair::has_livelock;
use crate::program::{Rng, seeds};
use crate::shrink::smallest;

/// An instruction of a generated task. What is acquired or released says so by the last field.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
enum Instr {
    Lock(usize),
    /// If it fails, give back all locks and start again.
    TryOrRestart(usize),
    Unlock(usize),
    Store(usize, u64, bool),
    Swap(usize, u64, bool),
    /// Keep what was loaded.
    Load(usize, bool),
    /// Store what was kept to the word.
    Give(usize),
    /// A fence, of acquisition or of release.
    Fence(bool),
    /// Load until the value is there.
    Spin(usize, u64, bool),
    /// If something else is there, give back all locks and start again.
    RestartUnless(usize, u64, bool),
    /// If the value is there, go no further.
    EndIf(usize, u64, bool),
}

use Instr::{
    EndIf, Fence, Give, Load, Lock, RestartUnless, Spin, Store, Swap, TryOrRestart, Unlock,
};

const LOCKS: usize = 1;
const WORDS: usize = 2;
/// A history that is longer, as far as somebody may still see it, is not gone on from.
const HISTORY: usize = 7;

type Program = Vec<Vec<Instr>>;

fn random(rng: &mut Rng) -> Program {
    let tasks = 2 + rng.below(4) / 3;
    let most = if tasks == 2 { 4 } else { 3 };
    let instr = |rng: &mut Rng| {
        let [word, value, ordered] = [0; 3].map(|_| rng.below(2));
        let (word, ordered) = (word as usize, ordered == 0);
        match rng.below(18) {
            0 => Lock(0),
            1 => TryOrRestart(0),
            2 => Unlock(0),
            3..=6 => Store(word, value, ordered),
            7 | 8 => Swap(word, value, ordered),
            9 | 10 => Load(word, ordered),
            11 => Give(word),
            12 => Fence(ordered),
            13 => Spin(word, value, ordered),
            14 | 15 => RestartUnless(word, value, ordered),
            _ => EndIf(word, value, ordered),
        }
    };
    let task = |number: u64, rng: &mut Rng| -> Vec<Instr> {
        let mut task: Vec<_> = (0..1 + rng.below(most)).map(|_| instr(rng)).collect();
        // The first goes round, mostly, and changes something there.
        if number == 0 && rng.below(4) > 0 {
            let [word, seen, value, ordered] = [0; 4].map(|_| rng.below(2));
            let word = word as usize;
            task.truncate(2);
            let last = RestartUnless(seen as usize, value, ordered == 0);
            task.splice(0..0, [Store(word, 1, rng.below(2) == 0), Store(word, 0, false)]);
            task.insert(rng.below(3) as usize, last);
        }
        task
    };
    (0..tasks).map(|number| task(number, rng)).collect()
}

type View = [usize; WORDS];

fn join(mine: &mut View, their: View) {
    mine.iter_mut().zip(their).for_each(|(mine, their)| *mine = their.max(*mine));
}

/// What was stored to a word.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Message {
    value: u64,
    /// What who acquires it sees.
    view: View,
    /// It is an update of the one before.
    update: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Task {
    at: usize,
    held: [bool; LOCKS],
    /// It gives its locks back, to start again.
    restarting: bool,
    kept: u64,
    /// What it sees at least; with its next acquire fence; who acquires from its next stores.
    view: View,
    fenced: View,
    release: View,
    /// The same of its last release of each word.
    released: [View; WORDS],
}

impl Task {
    fn views(&mut self) -> impl Iterator<Item = &mut View> {
        [&mut self.view, &mut self.fenced, &mut self.release].into_iter().chain(&mut self.released)
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    tasks: Vec<Task>,
    words: [Vec<Message>; WORDS],
    locked: [bool; LOCKS],
    /// What who had the lock has seen.
    seen: [View; LOCKS],
}

impl State {
    fn new(tasks: usize) -> Self {
        let initial = || vec![Message { value: 0, view: View::default(), update: false }];
        Self {
            tasks: vec![Task::default(); tasks],
            words: [0; WORDS].map(|_| initial()),
            locked: Default::default(),
            seen: Default::default(),
        }
    }

    fn newest(&self) -> [u64; WORDS] {
        self.words.each_ref().map(|word| word.last().expect("it has a value").value)
    }

    fn views(&mut self) -> impl Iterator<Item = &mut View> {
        let messages = self.words.iter_mut().flatten().map(|message| &mut message.view);
        messages.chain(self.tasks.iter_mut().flat_map(Task::views)).chain(&mut self.seen)
    }

    /// What the task may read: places in the history.
    fn readable(&self, task: usize, word: usize, newest: bool) -> Vec<usize> {
        let last = self.words[word].len() - 1;
        if newest { vec![last] } else { (self.tasks[task].view[word]..=last).collect() }
    }

    fn read(&mut self, task: usize, word: usize, place: usize, acquires: bool) -> u64 {
        let Message { value, view, .. } = self.words[word][place];
        let task = &mut self.tasks[task];
        task.view[word] = task.view[word].max(place);
        join(&mut task.fenced, view);
        if acquires {
            join(&mut task.view, view);
        }
        value
    }

    /// The task stores after this place, or updates what is there.
    fn write(
        &mut self,
        task: usize,
        word: usize,
        place: usize,
        value: u64,
        releases: bool,
        update: bool,
    ) {
        for view in self.views() {
            view[word] += usize::from(view[word] > place);
        }
        let before = self.words[word][place].view;
        let of = &mut self.tasks[task];
        of.view[word] = of.view[word].max(place + 1);
        if releases {
            of.released[word] = of.view;
        }
        let mut view = of.release;
        join(&mut view, of.released[word]);
        view[word] = view[word].max(place + 1);
        if update {
            join(&mut view, before);
        }
        self.words[word].insert(place + 1, Message { value, view, update });
    }

    /// Forget what nobody sees any more, and what nobody can tell.
    fn settle(&mut self, program: &Program) {
        let ended: Vec<_> =
            (0..program.len()).map(|task| self.tasks[task].at >= program[task].len()).collect();
        for word in 0..WORDS {
            let live = self.tasks.iter().zip(&ended).filter(|(_, ended)| !**ended);
            let last = self.words[word].len() - 1;
            let first = live.map(|(task, _)| task.view[word]).min().unwrap_or(last);
            self.words[word].drain(..first);
            self.words[word][0].update = false;
            for view in self.views() {
                view[word] = view[word].saturating_sub(first);
            }
        }
        for (task, _) in self.tasks.iter_mut().zip(ended).filter(|(_, ended)| *ended) {
            task.views().for_each(|view| *view = View::default());
        }
    }

    fn restart(&mut self, task: usize) {
        let task = &mut self.tasks[task];
        task.restarting = task.held.contains(&true);
        if !task.restarting {
            (task.at, task.kept) = (0, 0);
        }
    }

    fn unlock(&mut self, task: usize, lock: usize) {
        let view = self.tasks[task].view;
        join(&mut self.seen[lock], view);
        self.locked[lock] = false;
        self.tasks[task].held[lock] = false;
    }

    /// The states after the task's next step; where it sees the newest only, if asked for.
    fn steps(&self, program: &Program, task: usize, newest: bool) -> Vec<State> {
        let Task { at, held, restarting, .. } = self.tasks[task];
        let Some(&instr) = program[task].get(at) else { return Vec::new() };
        let mut next = self.clone();
        let mut out = Vec::new();
        if restarting {
            let lock = held.iter().position(|&held| held).expect("it gives back what it holds");
            next.unlock(task, lock);
            next.restart(task);
            next.settle(program);
            return vec![next];
        }
        let after = |place: &usize, word: usize| {
            self.words[word].get(place + 1).is_none_or(|message| !message.update)
        };
        match instr {
            Lock(lock) if !held[lock] && self.locked[lock] => return Vec::new(),
            TryOrRestart(lock) if !held[lock] && self.locked[lock] => {
                next.restart(task);
                out.push(next);
            }
            Lock(lock) | TryOrRestart(lock) => {
                next.tasks[task].at += 1;
                if !held[lock] {
                    next.tasks[task].held[lock] = true;
                    next.locked[lock] = true;
                    let seen = self.seen[lock];
                    join(&mut next.tasks[task].view, seen);
                    join(&mut next.tasks[task].fenced, seen);
                }
                out.push(next);
            }
            Unlock(lock) => {
                next.tasks[task].at += 1;
                if held[lock] {
                    next.unlock(task, lock);
                }
                out.push(next);
            }
            Fence(acquires) => {
                let of = &mut next.tasks[task];
                of.at += 1;
                if acquires {
                    let fenced = of.fenced;
                    join(&mut of.view, fenced);
                } else {
                    of.release = of.view;
                }
                out.push(next);
            }
            Store(..) | Give(_) => {
                let (word, value, releases) = match instr {
                    Store(word, value, releases) => (word, value, releases),
                    Give(word) => (word, self.tasks[task].kept / 2, false),
                    _ => unreachable!("it stores"),
                };
                for place in self.readable(task, word, newest) {
                    if after(&place, word) {
                        let mut next = next.clone();
                        next.tasks[task].at += 1;
                        next.write(task, word, place, value, releases, false);
                        out.push(next);
                    }
                }
            }
            Swap(word, value, ordered) => {
                for place in self.readable(task, word, newest) {
                    if after(&place, word) {
                        let mut next = next.clone();
                        next.tasks[task].at += 1;
                        next.read(task, word, place, ordered);
                        next.write(task, word, place, value, ordered, true);
                        out.push(next);
                    }
                }
            }
            Load(word, acquires)
            | Spin(word, _, acquires)
            | RestartUnless(word, _, acquires)
            | EndIf(word, _, acquires) => {
                for place in self.readable(task, word, newest) {
                    let mut next = next.clone();
                    let seen = next.read(task, word, place, acquires);
                    let of = &mut next.tasks[task];
                    match instr {
                        Load(..) => (of.kept, of.at) = (1 + seen, at + 1),
                        Spin(_, value, _) => of.at += usize::from(seen == value),
                        RestartUnless(_, value, _) if seen != value => next.restart(task),
                        EndIf(_, value, _) if seen == value => of.at = program[task].len(),
                        _ => of.at += 1,
                    }
                    out.push(next);
                }
            }
        }
        out.iter_mut().for_each(|next| next.settle(program));
        out
    }

    /// The state in which everybody has seen what is newest.
    fn up_to_date(&self) -> State {
        let mut state = State::new(self.tasks.len());
        for (task, of) in state.tasks.iter_mut().zip(&self.tasks) {
            let Task { at, held, restarting, kept, .. } = *of;
            *task = Task { at, held, restarting, kept, ..Task::default() };
        }
        for (word, value) in state.words.iter_mut().zip(self.newest()) {
            word[0].value = value;
        }
        state.locked = self.locked;
        state
    }
}

#[derive(Default, PartialEq, Eq, Debug, Clone)]
struct Facts {
    endings: BTreeSet<String>,
    deadlocks: BTreeSet<String>,
    livelock: bool,
}

/// Of each state, whose step leads to which.
type Edges = Vec<Vec<(usize, usize)>>;

/// All states that `next` leads to, with the steps between them; none if they are too many.
fn graph(
    first: Vec<State>,
    next: impl Fn(&State) -> Vec<(usize, State)>,
) -> Option<(Vec<State>, Edges)> {
    let (mut states, mut index) = (Vec::new(), HashMap::new());
    let mut number = |state: State, states: &mut Vec<State>| {
        *index.entry(state).or_insert_with_key(|state| {
            states.push(state.clone());
            states.len() - 1
        })
    };
    for state in first {
        number(state, &mut states);
    }
    let mut edges = Vec::new();
    while edges.len() < states.len() {
        if states.len() > 60_000 {
            return None;
        }
        let out = next(&states[edges.len()]);
        edges.push(out.into_iter().map(|(who, to)| (who, number(to, &mut states))).collect());
    }
    Some((states, edges))
}

/// What all states show, and whether some histories were too long.
fn enumerate(program: &Program, fairness: Fairness, history: usize) -> Option<(Facts, bool)> {
    let tasks = program.len();
    let cut = Cell::new(false);
    let steps = |state: &State, newest: bool| {
        let of =
            |task| state.steps(program, task, newest).into_iter().map(move |next| (task, next));
        (0..tasks).flat_map(of).collect::<Vec<_>>()
    };
    let (states, _) = graph(vec![State::new(tasks)], |state| {
        if state.words.iter().any(|word| word.len() > history) {
            cut.set(true);
            return Vec::new();
        }
        steps(state, false)
    })?;
    let mut facts = Facts::default();
    for state in &states {
        if steps(state, false).is_empty() {
            let what =
                (state.newest(), state.tasks.iter().map(|task| task.kept).collect::<Vec<_>>());
            if (0..tasks).all(|task| state.tasks[task].at >= program[task].len()) {
                facts.endings.insert(format!("{what:?}"));
            } else {
                let places: Vec<_> = state.tasks.iter().map(|task| task.at).collect();
                facts.deadlocks.insert(format!("{places:?} {:?}", what.1));
            }
        }
    }
    let up_to_date = states.iter().map(State::up_to_date).collect();
    let settled = |state: &State| {
        steps(state, true).into_iter().map(|(who, next)| (who, next.up_to_date())).collect()
    };
    let (_, edges) = graph(up_to_date, settled)?;
    facts.livelock = has_livelock(&edges, tasks, fairness);
    Some((facts, cut.get()))
}

#[derive(Clone)]
struct SpinLock(ObjectId, Rc<Cell<bool>>);

impl SpinLock {
    fn new() -> Self {
        Self(dpor::object(), Rc::default())
    }

    fn lock(&self) {
        memory::unordered_when(self.0, Access::Acquire, &|| !self.1.get());
        memory::acquired(self.0, Side::Exclusive);
        self.1.set(true);
    }

    fn try_lock(&self) -> bool {
        memory::unordered(self.0, Access::TryAcquire);
        let free = !self.1.replace(true);
        dpor::tried(free);
        if free {
            memory::acquired(self.0, Side::Exclusive);
        }
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
    places: RefCell<Vec<(usize, u64)>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl World {
    fn round(&self, at: usize, held: [bool; LOCKS], kept: u64) {
        dpor::round(hash((at, held, kept)), || {
            let locked = self.locks.each_ref().map(|lock| lock.1.get());
            hash((self.words.each_ref().map(Word::peek), locked))
        });
    }

    fn run(&self, task: usize, program: &[Instr]) {
        let (mut at, mut held, mut kept) = (0, [false; LOCKS], 0);
        while let Some(&instr) = program.get(at) {
            self.places.borrow_mut()[task] = (at, kept);
            if at == 0 || matches!(instr, Spin(..)) {
                self.round(at, held, kept);
            }
            let load = |word: usize, acquires: bool| {
                self.words[word].load(if acquires { Acquire } else { Relaxed })
            };
            at += 1;
            let mut restarts = false;
            match instr {
                Lock(lock) if !held[lock] => {
                    self.locks[lock].lock();
                    held[lock] = true;
                }
                TryOrRestart(lock) if !held[lock] => {
                    held[lock] = self.locks[lock].try_lock();
                    restarts = !held[lock];
                }
                Unlock(lock) if std::mem::take(&mut held[lock]) => self.locks[lock].unlock(),
                Lock(_) | TryOrRestart(_) | Unlock(_) => {}
                Store(word, value, releases) => {
                    self.words[word].store(value, if releases { Release } else { Relaxed });
                }
                Swap(word, value, ordered) => {
                    self.words[word].swap(value, if ordered { AcqRel } else { Relaxed });
                }
                Load(word, acquires) => kept = 1 + load(word, acquires),
                Give(word) => self.words[word].store(kept / 2, Relaxed),
                Fence(acquires) => fence(if acquires { Acquire } else { Release }),
                Spin(word, value, acquires) => at -= usize::from(load(word, acquires) != value),
                RestartUnless(word, value, acquires) => restarts = load(word, acquires) != value,
                EndIf(word, value, acquires) if load(word, acquires) == value => at = program.len(),
                EndIf(..) => {}
            }
            if restarts {
                for (lock, held) in self.locks.iter().zip(&mut held) {
                    if std::mem::take(held) {
                        lock.unlock();
                    }
                }
                (at, kept) = (0, 0);
            }
            if dpor::aborting() {
                return;
            }
        }
        self.places.borrow_mut()[task] = (at, kept);
    }
}

/// What the engine sees, and what it says of that.
fn explore(program: &Program, fairness: Fairness, says: bool) -> (Facts, Report) {
    let budget = Budget { executions: Some(20_000), time: None };
    explore_with(explorer().fairness(fairness).budget(budget), program, says)
}

fn explorer() -> Explorer {
    Explorer::new(Strategy::Dpor).memory(Memory::Weak).max_steps(300)
}

fn explore_with(explorer: Explorer, program: &Program, says: bool) -> (Facts, Report) {
    let facts = Arc::new(Mutex::new(Facts::default()));
    let (sink, ends, program) = (Arc::clone(&facts), Arc::clone(&facts), program.clone());
    let report = explorer
        .on_execution(move |execution| {
            let mut facts = sink.lock().unwrap();
            let world = WORLD.with(|world| world.borrow().clone()).unwrap();
            match execution.failure.map(|failure| &failure.kind) {
                None => {}
                Some(FailureKind::Deadlock { .. }) => {
                    let (places, kept): (Vec<_>, Vec<_>) =
                        world.places.borrow().iter().copied().unzip();
                    facts.deadlocks.insert(format!("{places:?} {kept:?}"));
                }
                Some(FailureKind::Livelock { .. }) => facts.livelock = true,
                Some(other) => panic!("{other}"),
            }
            ControlFlow::Continue(())
        })
        .run(move || {
            let world = Rc::new(World {
                words: [0; WORDS].map(Word::new),
                locks: std::array::from_fn(|_| SpinLock::new()),
                places: vec![(0, 0); program.len()].into(),
            });
            if says {
                dpor::data();
            }
            WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
            let tasks = (0..program.len()).map(|task| {
                let (world, instrs) = (Rc::clone(&world), program[task].clone());
                dpor::spawn("task", move || world.run(task, &instrs))
            });
            tasks.collect::<Vec<_>>().into_iter().for_each(JoinHandle::join);
            if !dpor::aborting() {
                let words = world.words.each_ref().map(Word::peek);
                let kept: Vec<_> = world.places.borrow().iter().map(|place| place.1).collect();
                let mut facts = ends.lock().unwrap();
                facts.endings.insert(format!("{:?}", (words, kept)));
            }
        });
    let facts = std::mem::take(&mut *facts.lock().unwrap());
    (facts, report)
}

/// What became of a program.
#[derive(Default, Debug)]
struct Counts {
    agree: u64,
    livelocks: u64,
    /// The engine says that rounds were left out.
    open: u64,
    /// And something is missing.
    missing: u64,
    too_long: u64,
    /// Histories were longer than the enumeration goes.
    cut: u64,
    executions: u64,
}

fn check(program: &Program, fairness: Fairness, counts: &mut Counts) -> Result<(), String> {
    let Some((all, cut)) = enumerate(program, fairness, HISTORY) else {
        counts.too_long += 1;
        return Ok(());
    };
    for says in [true, false] {
        let (seen, report) = explore(program, fairness, says);
        counts.executions += report.executions;
        let open = report.why_unfinished == Some(Unfinished::Rounds);
        let whole = report.exhausted || open;
        let invented =
            !seen.endings.is_subset(&all.endings) || !seen.deadlocks.is_subset(&all.deadlocks);
        counts.cut += u64::from(cut);
        let missing = whole
            && (!all.endings.is_subset(&seen.endings)
                || !all.deadlocks.is_subset(&seen.deadlocks)
                || all.livelock && !seen.livelock);
        if invented || missing && !open || seen.livelock && !all.livelock {
            return Err(format!(
                "said {says}: saw {seen:#?}, all states show {all:#?} (cut: {cut}); {report}"
            ));
        }
        counts.too_long += u64::from(!whole);
        counts.agree += u64::from(whole && !missing);
        counts.open += u64::from(open);
        counts.missing += u64::from(missing);
        counts.livelocks += u64::from(whole && seen.livelock);
    }
    Ok(())
}

fn compare(fairness: Fairness) {
    let mut counts = Counts::default();
    for seed in seeds(200) {
        let program = random(&mut Rng(seed * 7919));
        if check(&program, fairness, &mut counts).is_err() {
            let fails =
                |program: &Program| check(program, fairness, &mut Counts::default()).is_err();
            let program = smallest(program, fails);
            let why = check(&program, fairness, &mut Counts::default()).unwrap_err();
            panic!("{fairness:?} seed {seed}, shrunk: {program:?}\n{why}");
        }
    }
    eprintln!("{fairness:?}: {counts:?}");
    let Counts { agree, livelocks, open, .. } = counts;
    assert!(agree > 0 && livelocks > 0 && open < agree / 4, "{counts:?}");
}

/// The first task goes round while the second has the lock, which is twice if it is taken in the
/// middle, and once more; after that, the third sees 1 four times.
fn sees_several_rounds() -> Program {
    let sees_one_again = [EndIf(0, 0, false), EndIf(0, 1, false)].repeat(4);
    vec![
        vec![
            Store(0, 1, false),
            Store(0, 0, false),
            TryOrRestart(0),
            Unlock(0),
            Store(1, 1, false),
        ],
        vec![Lock(0), Unlock(0)],
        [&[EndIf(1, 0, false)], &sees_one_again[..7], &[Load(1, false)]].concat(),
    ]
}

/// What only who sees old values of several rounds can tell is not explored, and the engine says so.
#[test]
fn what_is_seen_of_several_rounds() {
    let program = sees_several_rounds();
    let (all, _) = enumerate(&program, Fairness::Weak, 10).expect("it is small");
    let (seen, report) = explore(&program, Fairness::Weak, true);
    assert_eq!(report.why_unfinished, Some(Unfinished::Rounds), "{report}");
    let missing: Vec<_> = all.endings.difference(&seen.endings).collect();
    assert_eq!(missing, ["([0, 1], [0, 0, 2])"]);
}

/// So it says of a search that is divided, and of one that is gone on with.
#[test]
fn what_is_left_out_is_not_forgotten() {
    let program = sees_several_rounds();
    let is_said = |report: &Report| report.why_unfinished == Some(Unfinished::Rounds);
    let divided = explore_with(explorer().jobs(3), &program, true).1;
    assert!(is_said(&divided) && divided.saved.unwrap().leaves_rounds_out());
    let shard = |number| {
        let report = explore_with(explorer().shard(number, 2), &program, true).1;
        report.saved.expect("it is done").to_string().parse::<Saved>().expect("it was written")
    };
    let shards = [shard(0), shard(1)];
    assert!(shards.iter().all(Saved::is_done));
    assert!(Saved::merge(&shards).expect("they are all").leaves_rounds_out());
    let mut saved: Option<Saved> = None;
    loop {
        let most = saved.as_ref().map_or(0, |saved| saved.executions) + 20;
        let budget = Budget { executions: Some(most), time: None };
        let explorer = saved.take().into_iter().fold(explorer().budget(budget), Explorer::resume);
        let report = explore_with(explorer, &program, true).1;
        let left: Saved = report.saved.as_ref().unwrap().to_string().parse().unwrap();
        if left.is_done() {
            assert!(is_said(&report), "{report}");
            break;
        }
        saved = Some(left);
    }
    // Where they are all gone round, the loop has no end.
    let every = explore_with(explorer().every_round(true), &program, true).1;
    assert!(matches!(every.why_unfinished, Some(Unfinished::TooLong { .. })), "{every}");
}

/// The second has not seen the newest yet when the first goes round: it does some day, and then the
/// first ends as well.
#[test]
fn who_waits_sees_the_newest_some_day() {
    let program = vec![
        vec![Store(0, 1, false), RestartUnless(1, 2, false)],
        vec![Spin(0, 1, false), Spin(1, 1, false), Store(1, 2, false)],
        vec![Store(1, 1, false), Store(0, 1, false)],
    ];
    let mut counts = Counts::default();
    check(&program, Fairness::Weak, &mut counts).unwrap_or_else(|why| panic!("{why}"));
    assert!(counts.agree == 2 && counts.livelocks == 0, "{counts:?}");
}

#[test]
fn loops_that_change_something() {
    compare(Fairness::Weak);
}

#[test]
fn loops_that_change_something_with_fair_locks() {
    compare(Fairness::Strong);
}
