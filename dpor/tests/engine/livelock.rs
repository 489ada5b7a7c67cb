//! Livelocks: hand-made ones, and random retry loops against an enumeration of all states.

use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::common::check::in_slices;
use crate::common::fair::has_livelock;
use crate::common::program::{Rng, env};
use crate::common::shrink::smallest;
use crate::common::{Lock, Word};
use dpor::{Access, Budget, DependenceRule, Explorer, FailureKind, Fairness, Report, Strategy};

pub(crate) fn hash(state: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

fn is_livelock(report: &Report) -> bool {
    report.failures.iter().any(|failure| matches!(failure.kind, FailureKind::Livelock { .. }))
}

/// Walks with two locks: the first for good, the second by trying, going back to the start if that
/// fails.
fn walk(first: &Lock, second: &Lock) {
    loop {
        dpor::round(0, || hash((first.peek(), second.peek())));
        first.lock();
        if second.try_lock() {
            break;
        }
        first.unlock();
    }
    second.unlock();
    first.unlock();
}

fn two_walkers(opposite: bool) -> impl Fn() + Send + Sync + 'static {
    move || {
        let (x, y) = (Lock::new(), Lock::new());
        let other = (x.clone(), y.clone());
        let task = dpor::spawn("other", move || {
            if opposite { walk(&other.1, &other.0) } else { walk(&other.0, &other.1) }
        });
        walk(&x, &y);
        task.join();
    }
}

#[test]
fn opposite_walkers_livelock() {
    let report = Explorer::new(Strategy::Dpor).run(two_walkers(true));
    assert!(report.exhausted && is_livelock(&report), "{report}");
    let fewest = Explorer::new(Strategy::FewestPreemptions { max: None }).run(two_walkers(true));
    let failure = &fewest.failures[0];
    let FailureKind::Livelock { cycle, .. } = &failure.kind else { panic!("{failure}") };
    assert!(fewest.minimal);
    // Each goes round: lock, try, unlock.
    let tasks: Vec<_> = failure.schedule.tasks()[cycle.clone()].to_vec();
    assert!(tasks.len().is_multiple_of(3) && tasks.contains(&0) && tasks.contains(&1), "{failure}");
    let again = Explorer::new(Strategy::Replay(failure.schedule.clone())).run(two_walkers(true));
    assert_eq!(again.failures[0].kind.class(), failure.kind.class());
    eprintln!("{report}; fewest {fewest}: {failure}");
}

#[test]
fn one_order_has_no_livelock() {
    let report = Explorer::new(Strategy::Dpor).run(two_walkers(false));
    assert!(report.exhausted && report.failing == 0, "{report}");
}

#[test]
fn trying_against_a_plain_holder_is_no_livelock() {
    let program = || {
        let lock = Lock::new();
        let theirs = lock.clone();
        let task = dpor::spawn("holder", move || {
            theirs.lock();
            theirs.unlock();
        });
        while !lock.try_lock() {
            dpor::retry(|| hash(lock.peek()));
        }
        lock.unlock();
        task.join();
    };
    for strategy in [Strategy::Dpor, Strategy::Dfs, Strategy::FewestPreemptions { max: None }] {
        let report = Explorer::new(strategy).run(program);
        assert!(report.exhausted && report.failing == 0, "{report:?}");
    }
}

#[test]
fn waiting_for_what_never_comes_is_a_livelock() {
    for strategy in [Strategy::Dpor, Strategy::Dfs, Strategy::Random { seed: 1, iterations: 20 }] {
        let report = Explorer::new(strategy).run(|| {
            let word = Word::new(0);
            let other = Word::new(0);
            let theirs = (word.clone(), other);
            let task = dpor::spawn("other", move || {
                theirs.1.write(1);
                theirs.0.read();
            });
            while word.read() == 0 {
                dpor::retry(|| hash(word.peek()));
            }
            task.join();
        });
        assert!(is_livelock(&report), "{report:?}");
    }
}

/// Two tasks share a lock, again and again, and who wants it for himself never finds it free, if
/// each takes it before the other has given it back.
#[test]
fn readers_starve_a_writer() {
    let program = || {
        // How many read, whether somebody writes, and whether that was done.
        let lock = dpor::object();
        let state = Rc::new(Cell::new((0u64, false, false)));
        let named = Rc::clone(&state);
        dpor::name_state(move |digest| named.get().hash(digest));
        let read = |_| {
            let state = Rc::clone(&state);
            dpor::spawn("reader", move || {
                let mut done = false;
                while !done {
                    dpor::round(0, || hash(state.get()));
                    dpor::step_when(lock, Access::AcquireShared, &|| !state.get().1);
                    let readers = state.get().0;
                    done = state.get().2;
                    state.set((readers + 1, false, done));
                    dpor::observed(done.into());
                    dpor::step(lock, Access::ReleaseShared);
                    let (readers, writes, done) = state.get();
                    state.set((readers - 1, writes, done));
                }
            })
        };
        let tasks = [0, 1].map(read);
        dpor::step_when(lock, Access::Acquire, &|| state.get() == (0, false, false));
        state.set((0, true, true));
        dpor::step(lock, Access::Release);
        state.set((0, false, true));
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    };
    let explorer = Explorer::new(Strategy::States).fairness(Fairness::Strong);
    let report = explorer.budget(Budget { executions: Some(1_000), time: None }).run(program);
    assert!(report.exhausted && is_livelock(&report), "{report:?}");
}

/// An instruction of a generated task.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
enum Instr {
    Lock(usize),
    /// If it fails, give back all locks and start again.
    TryOrRestart(usize),
    /// If it fails, try again.
    TrySpin(usize),
    /// If it fails, go on.
    Try(usize),
    Unlock(usize),
    Write(usize, i64),
    /// Read until the value is there.
    Spin(usize, i64),
    /// Block until it is.
    Wait(usize, i64),
    /// With the lock held, change what it protects, which is announced nowhere.
    Add(usize),
    /// With the lock held, and something else in what it protects, give back all locks and start
    /// again.
    RestartUnless(usize, i64),
}

/// What a lock protects comes back to 0 after so many additions.
const VALUES: i64 = 3;

const LOCKS: usize = 2;
const WORDS: usize = 2;

fn random(rng: &mut Rng) -> Vec<Vec<Instr>> {
    let tasks = 2 + rng.below(2) as usize;
    (0..tasks)
        .map(|_| {
            (0..1 + rng.below(if tasks == 2 { 5 } else { 3 }))
                .map(|_| {
                    let (lock, word, value) =
                        (rng.below(2) as usize, rng.below(2) as usize, rng.below(2) as i64);
                    match rng.below(14) {
                        0 | 1 => Instr::Lock(lock),
                        2 | 3 => Instr::TryOrRestart(lock),
                        4 => Instr::TrySpin(lock),
                        5 => Instr::Try(lock),
                        6 => Instr::Unlock(lock),
                        7 => Instr::Write(word, value),
                        8 => Instr::Spin(word, value),
                        13 => Instr::Wait(word, value),
                        9 | 10 => Instr::Add(lock),
                        _ => Instr::RestartUnless(lock, rng.below(VALUES as u64) as i64),
                    }
                })
                .collect()
        })
        .collect()
}

/// A task's place: the instruction, the locks it holds, and whether it is giving them back to start
/// again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Place {
    at: usize,
    held: [bool; LOCKS],
    restarting: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct State {
    places: Vec<Place>,
    words: [i64; WORDS],
    data: [i64; LOCKS],
}

impl State {
    fn locked(&self, lock: usize) -> bool {
        self.places.iter().any(|place| place.held[lock])
    }

    /// Skip what takes no step, and do what takes none.
    fn settle(&mut self, program: &[Vec<Instr>], task: usize) {
        let (place, data) = (&mut self.places[task], &mut self.data);
        loop {
            if place.restarting {
                if place.held.contains(&true) {
                    return;
                }
                (place.restarting, place.at) = (false, 0);
            }
            let skip = match program[task].get(place.at) {
                Some(
                    &(Instr::Lock(lock)
                    | Instr::TryOrRestart(lock)
                    | Instr::TrySpin(lock)
                    | Instr::Try(lock)),
                ) => place.held[lock],
                Some(&Instr::Unlock(lock)) => !place.held[lock],
                Some(&Instr::Add(lock)) => {
                    data[lock] = (data[lock] + i64::from(place.held[lock])) % VALUES;
                    true
                }
                Some(&Instr::RestartUnless(lock, value))
                    if place.held[lock] && data[lock] != value =>
                {
                    place.restarting = true;
                    continue;
                }
                Some(Instr::RestartUnless(..)) => true,
                _ => false,
            };
            if !skip {
                return;
            }
            place.at += 1;
        }
    }

    /// The state after the task's next step, if it can take one.
    fn step(&self, program: &[Vec<Instr>], task: usize) -> Option<State> {
        let mut next = self.clone();
        let place = &mut next.places[task];
        if place.restarting {
            let lock = place.held.iter().position(|&held| held).unwrap();
            place.held[lock] = false;
        } else {
            match *program[task].get(place.at)? {
                Instr::Lock(lock) if self.locked(lock) => return None,
                Instr::TryOrRestart(lock) if self.locked(lock) => place.restarting = true,
                Instr::TrySpin(lock) if self.locked(lock) => {}
                Instr::Try(lock) if self.locked(lock) => place.at += 1,
                Instr::Lock(lock)
                | Instr::TryOrRestart(lock)
                | Instr::TrySpin(lock)
                | Instr::Try(lock) => {
                    place.held[lock] = true;
                    place.at += 1;
                }
                Instr::Unlock(lock) => {
                    place.held[lock] = false;
                    place.at += 1;
                }
                Instr::Write(word, value) => {
                    next.words[word] = value;
                    next.places[task].at += 1;
                }
                Instr::Wait(word, value) if self.words[word] != value => return None,
                Instr::Wait(..) => place.at += 1,
                Instr::Spin(word, value) => place.at += usize::from(self.words[word] == value),
                Instr::Add(_) | Instr::RestartUnless(..) => unreachable!("they take no step"),
            }
        }
        next.settle(program, task);
        Some(next)
    }
}

#[derive(Default, PartialEq, Eq, Debug)]
struct Facts {
    endings: BTreeSet<String>,
    deadlocks: BTreeSet<String>,
    livelock: bool,
}

impl Facts {
    fn add(&mut self, other: Facts) {
        self.endings.extend(other.endings);
        self.deadlocks.extend(other.deadlocks);
        self.livelock |= other.livelock;
    }
}

/// Enumerate all states.
fn enumerate(program: &[Vec<Instr>], fairness: Fairness) -> Facts {
    let place = Place { at: 0, held: [false; LOCKS], restarting: false };
    let mut first =
        State { places: vec![place; program.len()], words: [0; WORDS], data: [0; LOCKS] };
    for task in 0..program.len() {
        first.settle(program, task);
    }
    let mut states = vec![first.clone()];
    let mut index = BTreeMap::from([(first, 0)]);
    let mut edges: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut facts = Facts::default();
    while edges.len() < states.len() {
        let state = states[edges.len()].clone();
        let mut out = Vec::new();
        for task in 0..program.len() {
            if let Some(next) = state.step(program, task) {
                let number = *index.entry(next.clone()).or_insert_with(|| {
                    states.push(next);
                    states.len() - 1
                });
                out.push((task, number));
            }
        }
        let done = (0..program.len()).all(|task| {
            state.places[task].at >= program[task].len() && !state.places[task].restarting
        });
        if done {
            facts.endings.insert(format!("{:?} {:?}", state.words, state.data));
        } else if out.is_empty() {
            let places: Vec<usize> = state.places.iter().map(|place| place.at).collect();
            facts.deadlocks.insert(format!("{places:?} {:?} {:?}", state.words, state.data));
        }
        edges.push(out);
    }
    facts.livelock = has_livelock(&edges, program.len(), fairness);
    facts
}

thread_local! {
    static WORLD: std::cell::RefCell<Option<Rc<World>>> = const { std::cell::RefCell::new(None) };
}

struct World {
    locks: [Lock; LOCKS],
    words: [Word; WORDS],
    data: [std::cell::Cell<i64>; LOCKS],
    /// Where the program says what it does with its data.
    said: Option<[dpor::DataId; LOCKS]>,
    places: std::cell::RefCell<Vec<usize>>,
}

impl World {
    fn round(&self, at: usize, held: [bool; LOCKS]) {
        dpor::round(hash((at, held)), || {
            hash((self.locks.each_ref().map(Lock::peek), self.values()))
        });
    }

    fn values(&self) -> ([i64; WORDS], [i64; LOCKS]) {
        (self.words.each_ref().map(Word::peek), self.data.each_ref().map(std::cell::Cell::get))
    }

    fn data(&self, lock: usize, write: bool) -> &std::cell::Cell<i64> {
        if let Some(said) = &self.said {
            dpor::data_access(said[lock], write).expect("the lock is held");
        }
        dpor::observed(self.data[lock].get().cast_unsigned());
        &self.data[lock]
    }

    fn give_back(&self, held: &mut [bool; LOCKS]) {
        for (lock, held) in self.locks.iter().zip(held).filter(|(_, held)| **held) {
            lock.unlock();
            *held = false;
        }
    }

    fn run(&self, task: usize, program: &[Instr]) {
        let (mut at, mut held) = (0, [false; LOCKS]);
        while let Some(&instr) = program.get(at) {
            self.places.borrow_mut()[task] = at;
            if at == 0 {
                self.round(at, held);
            }
            at += 1;
            match instr {
                Instr::Lock(lock)
                | Instr::TryOrRestart(lock)
                | Instr::TrySpin(lock)
                | Instr::Try(lock)
                    if held[lock] =>
                {
                    continue;
                }
                Instr::Lock(lock) => self.locks[lock].lock(),
                Instr::RestartUnless(lock, value)
                    if held[lock] && self.data(lock, false).get() != value =>
                {
                    self.give_back(&mut held);
                    at = 0;
                    continue;
                }
                Instr::Add(lock) if held[lock] => {
                    let data = self.data(lock, true);
                    data.set((data.get() + 1) % VALUES);
                }
                Instr::TryOrRestart(lock) if !self.locks[lock].try_lock() => {
                    self.give_back(&mut held);
                    at = 0;
                    continue;
                }
                Instr::TrySpin(lock) => {
                    self.round(at, held);
                    while !self.locks[lock].try_lock() {
                        self.round(at, held);
                    }
                }
                Instr::Try(lock) if !self.locks[lock].try_lock() => continue,
                Instr::Unlock(lock) if held[lock] => {
                    self.locks[lock].unlock();
                    held[lock] = false;
                }
                Instr::Write(word, value) => self.words[word].write(value),
                Instr::Wait(word, value) => self.words[word].wait_for(value),
                Instr::Spin(word, value) => {
                    self.round(at, held);
                    while self.words[word].read() != value {
                        self.round(at, held);
                    }
                }
                Instr::TryOrRestart(_)
                | Instr::Try(_)
                | Instr::Unlock(_)
                | Instr::Add(_)
                | Instr::RestartUnless(..) => {}
            }
            if let Instr::Lock(lock)
            | Instr::TryOrRestart(lock)
            | Instr::TrySpin(lock)
            | Instr::Try(lock) = instr
            {
                held[lock] = true;
            }
        }
        self.places.borrow_mut()[task] = at;
    }
}

/// The program, ready to be explored.
fn ready(program: &[Vec<Instr>], says: bool) -> impl Fn() + Send + Sync + 'static {
    let program = program.to_vec();
    move || {
        let world = Rc::new(World {
            locks: std::array::from_fn(|_| Lock::new()),
            words: std::array::from_fn(|_| Word::new(0)),
            data: Default::default(),
            said: says.then(|| std::array::from_fn(|_| dpor::data())),
            places: vec![0; program.len()].into(),
        });
        WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
        let named = Rc::clone(&world);
        dpor::name_state(move |digest| {
            (named.locks.each_ref().map(Lock::peek), named.values(), &*named.places.borrow())
                .hash(digest);
        });
        let tasks: Vec<_> = (0..program.len())
            .map(|task| {
                let (world, instrs) = (Rc::clone(&world), program[task].clone());
                dpor::spawn("task", move || world.run(task, &instrs))
            })
            .collect();
        tasks.into_iter().for_each(dpor::JoinHandle::join);
        dpor::note(|| {
            let (words, data) = world.values();
            words.into_iter().chain(data).enumerate()
        });
    }
}

fn observe(program: &[Vec<Instr>], says: bool, explorer: Explorer) -> (Report, Facts) {
    observe_for(program, says, explorer, 3_000)
}

/// So many executions of it.
fn observe_for(
    program: &[Vec<Instr>],
    says: bool,
    explorer: Explorer,
    most: u64,
) -> (Report, Facts) {
    let facts = Arc::new(Mutex::new(Facts::default()));
    let sink = Arc::clone(&facts);
    let explorer = explorer.budget(Budget { executions: Some(most), time: None }).on_execution(
        move |execution| {
            let mut facts = sink.lock().unwrap();
            let world = WORLD.with(|world| world.borrow().clone()).unwrap();
            let (words, data) = world.values();
            match execution.failure.map(|failure| &failure.kind) {
                None if execution.end == dpor::End::Complete => {
                    facts.endings.insert(format!("{words:?} {data:?}"));
                }
                Some(FailureKind::Deadlock { .. }) => {
                    facts
                        .deadlocks
                        .insert(format!("{:?} {words:?} {data:?}", world.places.borrow()));
                }
                Some(FailureKind::Livelock { .. }) => facts.livelock = true,
                Some(other) => panic!("{other}"),
                None => {}
            }
            ControlFlow::Continue(())
        },
    );
    let report = explorer.run(ready(program, says));
    let facts = std::mem::take(&mut *facts.lock().unwrap());
    (report, facts)
}

/// What is wrong with the exploration of this program, if anything, else the number of executions,
/// if it got to the end.
fn check(program: &[Vec<Instr>], fairness: Fairness) -> Result<Option<(u64, bool)>, String> {
    let said = check_as(program, true, fairness)?;
    // Where it is not said what locks protect, more is run.
    let unsaid = check_as(program, false, fairness)?;
    Ok(said.zip(unsaid).map(|(said, _)| said))
}

fn check_as(
    program: &[Vec<Instr>],
    says: bool,
    fairness: Fairness,
) -> Result<Option<(u64, bool)>, String> {
    let all = enumerate(program, fairness);
    let dpor = Explorer::new(Strategy::Dpor).fairness(fairness);
    let (report, seen) = observe(program, says, dpor.clone());
    if !report.exhausted {
        let invented = !seen.endings.is_subset(&all.endings)
            || !seen.deadlocks.is_subset(&all.deadlocks)
            || (seen.livelock && !all.livelock);
        return if invented {
            Err(format!("saw {seen:#?}, all states show {all:#?}"))
        } else {
            Ok(None)
        };
    }
    let (divided, in_parts) = observe(program, says, dpor.always_give());
    let (same, same_failing) = (
        divided.complete - divided.failing == report.complete - report.failing,
        divided.failing == report.failing,
    );
    // Where something goes round for ever, how often it is let go round before others end is
    // another matter from state to state.
    if divided.exhausted && (in_parts != seen || says && !(same && same_failing) && !seen.livelock)
    {
        return Err(format!(
            "saw {in_parts:#?} in parts, {seen:#?} as a whole, {report}, {divided}"
        ));
    }
    if seen == all {
        Ok(Some((report.executions, seen.livelock)))
    } else {
        Err(format!("saw {seen:#?}, all states show {all:#?}"))
    }
}

/// The same by states; executions and states, if it got to the end.
fn check_states(
    program: &[Vec<Instr>],
    fairness: Fairness,
    rule: Option<DependenceRule>,
) -> Result<Option<(u64, u64, bool)>, String> {
    let all = enumerate(program, fairness);
    let mut explorer = Explorer::new(Strategy::States).fairness(fairness);
    if let Some(rule) = rule {
        explorer = explorer.without_rule(rule);
    }
    let mut found = None;
    for jobs in [1, 2 + program.len() % 2] {
        let divided = explorer
            .clone()
            .jobs(jobs)
            .in_turns(program.iter().map(Vec::len).sum::<usize>() as u64);
        let (report, seen) = observe(program, true, divided);
        if matches!(report.why_unfinished, Some(dpor::Unfinished::Executions)) {
            return Ok(None);
        }
        if !report.exhausted {
            return Err(format!("{jobs} jobs: not exhausted: {report} {:?}", report.failures));
        }
        if seen != all {
            return Err(format!("{jobs} jobs: saw {seen:#?}, all states show {all:#?}"));
        }
        found = found.or(Some((report.executions, report.states, seen.livelock)));
    }
    let Some((executions, states, _)) = found.filter(|_| rule.is_none()) else { return Ok(found) };
    let (slice, mut seen) = (1 + states % 13, Facts::default());
    // Ways to what is left are found anew.
    let most = 2 * executions + 100;
    let report = in_slices(explorer.clone(), most, |explorer| {
        let (report, more) = observe_for(program, true, explorer, slice);
        seen.add(more);
        report
    })?;
    if (report.states, &seen) != (states, &all) {
        return Err(format!(
            "in slices of {slice}: {} states, of {states}; saw {seen:#?}, all states show {all:#?}",
            report.states
        ));
    }
    let mut seen = Facts::default();
    for shard in 0..2 {
        let (report, more) = observe(program, true, explorer.clone().shard(shard, 2));
        if report.why_unfinished != Some(dpor::Unfinished::Shard) {
            return Err(format!("shard {shard} of 2: {report} {:?}", report.failures));
        }
        seen.add(more);
    }
    if seen != all {
        return Err(format!("2 shards: saw {seen:#?}, all states show {all:#?}"));
    }
    Ok(found)
}

/// Every state of random retry loops is known to the enumeration, and livelocks are the fair
/// circles among them.
#[test]
fn random_retry_loops_by_states() {
    for fairness in [Fairness::Weak, Fairness::Strong] {
        let (mut livelocks, mut executions, mut states, mut compared, mut skipped) =
            (0, 0, 0, 0, 0);
        let wanted = env("DPOR_PROGRAMS", 200);
        for seed in env("DPOR_SEED", 1).. {
            if compared == wanted {
                break;
            }
            let program = random(&mut Rng(seed * 7919));
            match check_states(&program, fairness, None) {
                Ok(Some((run, met, livelock))) => {
                    compared += 1;
                    executions += run;
                    states += met;
                    livelocks += u64::from(livelock);
                }
                Ok(None) => skipped += 1,
                Err(_) => {
                    let fails =
                        |program: &Vec<Vec<Instr>>| check_states(program, fairness, None).is_err();
                    let program = smallest(program, fails);
                    panic!(
                        "{fairness:?} seed {seed}, shrunk: {program:?}\n{}",
                        check_states(&program, fairness, None).unwrap_err()
                    );
                }
            }
        }
        eprintln!(
            "{fairness:?}: {compared} agree, {livelocks} with a livelock, {states} states in \
             {executions} executions; {skipped} too long"
        );
    }
}

/// Who waits can go on before and after two steps of another, and not between them: if that goes on
/// for ever, weak fairness asks for no more.
#[test]
fn who_cannot_go_on_for_a_moment() {
    use Instr::{Lock, RestartUnless, TryOrRestart, Unlock, Wait, Write};
    let waits =
        vec![vec![Write(0, 0), Write(0, 1), TryOrRestart(1)], vec![Lock(1), Wait(0, 1), Unlock(1)]];
    // He comes to wait by a step that commutes with both.
    let comes = vec![vec![Lock(1), Lock(0)], vec![Lock(0), RestartUnless(0, 1)]];
    for program in [waits, comes] {
        for (fairness, starves) in [(Fairness::Weak, true), (Fairness::Strong, false)] {
            let found = check_states(&program, fairness, None);
            let livelock = found.as_ref().map(|found| found.is_some_and(|(.., it)| it));
            assert_eq!(livelock, Ok(starves), "{program:?}: {found:?}");
        }
    }
}

/// Without the rule for circles, what can follow a state is not all known when it is reached again;
/// and a round of which another task knows did not lead nowhere.
#[test]
fn circles_and_rounds_need_their_rules() {
    for rule in [DependenceRule::Cycles, DependenceRule::NoticedRounds] {
        let killed = (1..40_000).find(|seed| {
            check_states(&random(&mut Rng(seed * 7919)), Fairness::Weak, Some(rule)).is_err()
        });
        assert!(killed.is_some(), "{rule:?} is not missed");
    }
}

fn fault(program: &[Vec<Instr>], fairness: Fairness) -> Option<String> {
    check(program, fairness).err()
}

/// Livelocks among them: the state in which one ends is the same in another order.
#[test]
fn random_retry_loops_commute() {
    let (mut reordered, mut failing) = (0, 0);
    for seed in env("DPOR_SEED", 1)..env("DPOR_SEED", 1) + env("DPOR_PROGRAMS", 200) {
        let program = random(&mut Rng(seed * 7919));
        for strategy in [
            Strategy::Dpor,
            Strategy::Random { seed, iterations: 30 },
            Strategy::Pct { seed, depth: 3, iterations: 30 },
        ] {
            let explorer =
                Explorer::new(strategy).budget(Budget { executions: Some(60), time: None });
            match explorer.commute(dpor::Commute::default(), ready(&program, true)) {
                Ok(checked) => {
                    reordered += checked.reordered;
                    failing += checked.report.failing;
                }
                Err(disagreement) => panic!("seed {seed}: {program:?}\n{disagreement}"),
            }
        }
    }
    eprintln!("{reordered} other orders, {failing} executions with a deadlock or livelock");
    assert!(reordered > 1000 && failing > 100);
}

/// A lock protects something that is announced nowhere: who goes round and changes it has done
/// something, and who waits for the lock may get it in the middle of a round. Both were taken for
/// livelocks.
#[test]
fn rounds_that_change_what_a_lock_protects() {
    use Instr::{Add, Lock, RestartUnless, TryOrRestart, TrySpin, Write};
    for fairness in [Fairness::Weak, Fairness::Strong] {
        let counts = vec![vec![TryOrRestart(0), Add(0), RestartUnless(0, 2)], vec![Write(0, 0)]];
        let counted = check(&counts, fairness);
        assert!(matches!(counted, Ok(Some((_, false)))), "{counted:?}");
    }
    let lets_go = vec![vec![Lock(0), TrySpin(1), RestartUnless(1, 1)], vec![], vec![Lock(0)]];
    let ended = check(&lets_go, Fairness::Strong);
    assert!(matches!(ended, Ok(Some((_, false)))), "{ended:?}");
}

/// Programs that an earlier version got wrong: livelocks under weak fairness only, in which someone
/// could run now and then.
#[test]
fn found_before() {
    use Instr::{Lock, TryOrRestart, Write};
    for program in [
        vec![vec![Lock(1), Lock(0)], vec![Lock(0), TryOrRestart(1)]],
        vec![vec![Lock(1), TryOrRestart(0)], vec![Lock(0)], vec![Write(0, 1), Lock(1)]],
    ] {
        let (weak, strong) = (check(&program, Fairness::Weak), check(&program, Fairness::Strong));
        assert!(matches!(weak, Ok(Some((_, true)))), "{program:?}: {weak:?}");
        assert!(matches!(strong, Ok(Some((_, false)))), "{program:?}: {strong:?}");
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

fn compare(fairness: Fairness) {
    let (mut livelocks, mut executions, mut compared, mut skipped) = (0, 0, 0, 0);
    let wanted = env("DPOR_PROGRAMS", 500);
    for seed in env("DPOR_SEED", 1).. {
        if compared == wanted {
            break;
        }
        let program = random(&mut Rng(seed * 7919));
        match check(&program, fairness) {
            Ok(Some((count, livelock))) => {
                compared += 1;
                executions += count;
                livelocks += u64::from(livelock);
            }
            Ok(None) => skipped += 1,
            Err(_) => {
                let program = smallest(program, |program| fault(program, fairness).is_some());
                panic!("seed {seed}, shrunk: {program:?}\n{}", fault(&program, fairness).unwrap());
            }
        }
    }
    eprintln!(
        "{compared} programs agree, {livelocks} of them with a livelock, {executions} executions; \
         {skipped} too long"
    );
}
