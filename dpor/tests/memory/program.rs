//! Small programs of loads, stores, atomics and fences: made at random, and run under the explorer.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use dpor::memory::{Word, fence};
use dpor::{Explorer, JoinHandle, Memory, Report, Strategy};

use crate::shrink::smallest;

/// One instruction. Words are named by small numbers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Instr {
    Load(usize, Ordering),
    Store(usize, u64, Ordering),
    /// Replaces the value, and reads the one before.
    Swap(usize, u64, Ordering),
    /// Replaces the first value by the second, with this ordering; relaxed if it is another value.
    /// Reads the value.
    Cas(usize, u64, u64, Ordering),
    Fence(Ordering),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    pub words: usize,
    pub tasks: Vec<Vec<Instr>>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.words)?;
        self.tasks.iter().try_for_each(|task| write!(f, "\n  {task:?}"))
    }
}

/// What each task has read, in the order of the tasks, and the values that the words end with.
pub type Outcome = Vec<u64>;

/// The seeds of so many programs, unless `DPOR_SEED` and `DPOR_PROGRAMS` say which, and how many.
pub fn seeds(default: u64) -> Range<u64> {
    let env = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = env("DPOR_SEED").unwrap_or(0);
    first..first + env("DPOR_PROGRAMS").unwrap_or(default)
}

pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

impl Program {
    /// Every store has a value of its own: what is read says from which.
    pub fn random(seed: u64, most: usize) -> Self {
        use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
        let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 91);
        let count = 2 + usize::from(rng.below(5) > 1) + usize::from(rng.below(12) == 0);
        let words = [1, 2, 2, 2, 3][rng.below(5) as usize];
        // Some programs have strong orderings mostly, some hardly any.
        let strong = rng.below(4);
        let mut value = 0;
        let mut tasks = Vec::new();
        for task in 0..count {
            let left =
                most.saturating_sub(tasks.iter().map(Vec::len).sum::<usize>() + (count - task - 1));
            let length = 1 + rng.below(left.clamp(1, [0, 0, 5, 4, 2][count]) as u64);
            let mut instrs = Vec::new();
            for _ in 0..length {
                let word = rng.below(words as u64) as usize;
                let is_strong = rng.below(4) < strong;
                let order = |rng: &mut Rng, from: &[Ordering]| {
                    if is_strong { rng.of(from) } else { Relaxed }
                };
                value += 1;
                instrs.push(match rng.below(20) {
                    0..7 => Instr::Load(word, order(&mut rng, &[Acquire, SeqCst])),
                    7..15 => Instr::Store(word, value, order(&mut rng, &[Release, SeqCst])),
                    15 => Instr::Swap(
                        word,
                        value,
                        order(&mut rng, &[Acquire, Release, AcqRel, SeqCst]),
                    ),
                    16 => {
                        let expected = if rng.below(2) == 0 { 0 } else { rng.below(value) };
                        Instr::Cas(
                            word,
                            expected,
                            value,
                            order(&mut rng, &[Acquire, Release, AcqRel, SeqCst]),
                        )
                    }
                    _ => Instr::Fence(rng.of(&[Acquire, Release, AcqRel, SeqCst, SeqCst])),
                });
            }
            tasks.push(instrs);
        }
        Program { words, tasks }
    }

    /// The smallest program for which `fails` still holds.
    pub fn shrink(self, fails: impl Fn(&Program) -> bool) -> Program {
        let Program { words, tasks } = self;
        let of = |tasks: &Vec<Vec<Instr>>| Program { words, tasks: tasks.clone() };
        Program { words, tasks: smallest(tasks, |tasks| fails(&of(tasks))) }
    }
}

/// How many values the instructions read.
pub fn reads(instrs: &[Instr]) -> usize {
    instrs
        .iter()
        .filter(|instr| matches!(instr, Instr::Load(..) | Instr::Swap(..) | Instr::Cas(..)))
        .count()
}

/// Run the instructions, and say what each of those that read has read.
pub fn run(instrs: &[Instr], words: &[Word], hears: impl FnMut(usize, u64)) {
    run_with(instrs, words, None, hears);
}

/// Exchanges the value of a word, relaxed.
type Exchange = fn(&Word, u64) -> u64;

fn run_with(
    instrs: &[Instr],
    words: &[Word],
    exchange: Option<Exchange>,
    mut hears: impl FnMut(usize, u64),
) {
    let mut read = 0;
    for &instr in instrs {
        let seen = match instr {
            Instr::Load(word, order) => words[word].load(order),
            Instr::Swap(word, value, order) => match exchange {
                Some(exchange) => exchange(&words[word], value),
                None => words[word].swap(value, order),
            },
            Instr::Cas(word, expected, value, order) => {
                let (Ok(seen) | Err(seen)) =
                    words[word].compare_exchange(expected, value, order, Ordering::Relaxed);
                seen
            }
            Instr::Store(word, value, order) => {
                words[word].store(value, order);
                continue;
            }
            Instr::Fence(order) => {
                fence(order);
                continue;
            }
        };
        hears(read, seen);
        read += 1;
    }
}

/// The program for an explorer; `hears` the outcome of each execution that is not cut.
pub fn explorable(
    program: &Program,
    hears: impl Fn(Outcome) + Send + Sync + 'static,
) -> impl Fn() + Send + Sync + 'static {
    explorable_with(program, None, hears)
}

fn explorable_with(
    program: &Program,
    exchange: Option<Exchange>,
    hears: impl Fn(Outcome) + Send + Sync + 'static,
) -> impl Fn() + Send + Sync + 'static {
    let program = program.clone();
    move || {
        let words: Vec<Word> = (0..program.words).map(|_| Word::new(0)).collect();
        let read: Rc<RefCell<Vec<Vec<u64>>>> =
            Rc::new(RefCell::new(vec![Vec::new(); program.tasks.len()]));
        let named = Rc::clone(&read);
        // Words say themselves what they hold.
        dpor::name_state(move |state| named.borrow().hash(state));
        let tasks: Vec<JoinHandle> = (0..program.tasks.len())
            .map(|task| {
                let (instrs, words, read) =
                    (program.tasks[task].clone(), words.clone(), Rc::clone(&read));
                dpor::spawn(format!("P{task}"), move || {
                    run_with(&instrs, &words, exchange, |_, seen| {
                        read.borrow_mut()[task].push(seen)
                    });
                })
            })
            .collect();
        tasks.into_iter().for_each(JoinHandle::join);
        if dpor::aborting() {
            return;
        }
        let mut outcome = read.borrow().concat();
        outcome.extend(words.iter().map(Word::peek));
        dpor::note(|| [("outcome", format!("{outcome:?}"))]);
        hears(outcome);
    }
}

/// All outcomes under an explorer.
pub fn explore(explorer: Explorer, program: &Program) -> (BTreeSet<Outcome>, Report) {
    explore_with(explorer, program, None)
}

fn explore_with(
    explorer: Explorer,
    program: &Program,
    exchange: Option<Exchange>,
) -> (BTreeSet<Outcome>, Report) {
    let outcomes: Arc<Mutex<BTreeSet<Outcome>>> = Arc::default();
    let seen = Arc::clone(&outcomes);
    let hears = move |outcome| _ = seen.lock().unwrap().insert(outcome);
    let report = explorer.run(explorable_with(program, exchange, hears));
    let outcomes = std::mem::take(&mut *outcomes.lock().unwrap());
    (outcomes, report)
}

pub fn exhaust(program: &Program, memory: Memory) -> (BTreeSet<Outcome>, Report) {
    exhausted(program, memory, None)
}

/// The same, each state once.
pub fn exhaust_by_states(program: &Program, memory: Memory) -> (BTreeSet<Outcome>, Report) {
    let explorer = Explorer::new(Strategy::States).memory(memory);
    let (outcomes, report) = explore(explorer.clone(), program);
    assert!(report.exhausted && report.failing == 0, "{memory:?}: {report}, {program:?}");
    if report.states.is_multiple_of(3) {
        let (divided, shared) = explore(explorer.jobs(2).in_turns(report.states), program);
        assert!(shared.exhausted && shared.failing == 0, "{memory:?}: {shared}, {program:?}");
        assert_eq!(divided, outcomes, "{memory:?}, turns by {}: {program:?}", report.states);
    }
    (outcomes, report)
}

/// The same, and exchanges are made like that.
pub fn exhaust_with(
    program: &Program,
    memory: Memory,
    exchange: Exchange,
) -> (BTreeSet<Outcome>, Report) {
    exhausted(program, memory, Some(exchange))
}

fn exhausted(
    program: &Program,
    memory: Memory,
    exchange: Option<Exchange>,
) -> (BTreeSet<Outcome>, Report) {
    let explorer = Explorer::new(Strategy::Dpor).memory(memory);
    let (outcomes, report) = explore_with(explorer, program, exchange);
    assert!(report.exhausted && report.failing == 0, "{memory:?}: {report}, {program:?}");
    (outcomes, report)
}
