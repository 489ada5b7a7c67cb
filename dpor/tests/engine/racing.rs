//! Races on plain data in programs that go round in circles, by states, against an enumeration of
//! all states in which each task's accesses since its last step are remembered. Tasks are neither
//! spawned nor joined meanwhile, so nobody can know of those: whoever comes to such a cell races.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dpor::{Access, Budget, Explorer, FailureKind, Strategy, Unfinished};

use crate::common::program::{Rng, env};
use crate::common::shrink::smallest;
use crate::common::{Lock, Word};
use crate::livelock::hash;

/// An instruction of a generated task.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Instr {
    Write(usize, i64),
    /// Read until the value is there.
    Spin(usize, i64),
    /// If something else is there, start again.
    RestartUnless(usize, i64),
    /// If it is there, go no further.
    EndIf(usize, i64),
    /// A step that concerns nobody else.
    Own,
    /// If it is not held.
    Lock(usize),
    /// If it is.
    Unlock(usize),
    /// An access to data, and whether it is a write. It takes no step.
    Touch(usize, bool),
}

const WORDS: usize = 2;

fn random(rng: &mut Rng) -> Vec<Vec<Instr>> {
    let tasks = 2 + rng.below(2) as usize;
    let instr = |rng: &mut Rng| {
        let (which, value) = (rng.below(2) as usize, rng.below(2) as i64);
        match rng.below(12) {
            0 | 1 => Instr::Write(which, value),
            2 => Instr::Spin(which, value),
            3 => Instr::RestartUnless(which, value),
            4 => Instr::EndIf(which, value),
            5 | 6 => Instr::Own,
            7 => Instr::Lock(which),
            8 => Instr::Unlock(which),
            // Most accesses race with all others.
            _ => Instr::Touch(rng.below(4) as usize, value == 0),
        }
    };
    let task = |rng: &mut Rng| (0..1 + rng.below(6)).map(|_| instr(rng)).collect();
    (0..tasks).map(|_| task(rng)).collect()
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    at: Vec<usize>,
    words: [i64; WORDS],
    /// Who has each lock.
    locks: [Option<usize>; 2],
    /// What each task has accessed since its last step.
    touched: Vec<BTreeSet<(usize, bool)>>,
}

impl State {
    /// The task does what takes no step. What races then is added up.
    fn settle(&mut self, program: &[Vec<Instr>], task: usize, races: &mut BTreeSet<usize>) -> bool {
        while let Some(&instr) = program[task].get(self.at[task]) {
            let (cell, write) = match instr {
                Instr::Touch(cell, write) => (cell, write),
                Instr::Lock(lock) if self.locks[lock] == Some(task) => {
                    self.at[task] += 1;
                    continue;
                }
                Instr::Unlock(lock) if self.locks[lock] != Some(task) => {
                    self.at[task] += 1;
                    continue;
                }
                _ => break,
            };
            let others = self.touched.iter().enumerate().filter(|(other, _)| *other != task);
            let races_with = |&(other, theirs): &(usize, bool)| other == cell && (write || theirs);
            if others.flat_map(|(_, touched)| touched).any(races_with) {
                races.insert(cell);
                return false;
            }
            self.touched[task].insert((cell, write));
            self.at[task] += 1;
        }
        true
    }

    /// The state after the task's next step, if it has one.
    fn step(&self, program: &[Vec<Instr>], task: usize) -> Option<State> {
        let mut next = self.clone();
        next.touched[task].clear();
        let at = &mut next.at[task];
        let is = |word: usize, value: i64| self.words[word] == value;
        *at = match *program[task].get(*at)? {
            Instr::Write(word, value) => {
                next.words[word] = value;
                *at + 1
            }
            Instr::Spin(word, value) => *at + usize::from(is(word, value)),
            Instr::RestartUnless(word, value) => {
                if is(word, value) {
                    *at + 1
                } else {
                    0
                }
            }
            Instr::EndIf(word, value) if is(word, value) => program[task].len(),
            Instr::Lock(lock) if self.locks[lock].is_some() => return None,
            Instr::Lock(lock) => {
                next.locks[lock] = Some(task);
                *at + 1
            }
            Instr::Unlock(lock) => {
                next.locks[lock] = None;
                *at + 1
            }
            Instr::EndIf(..) | Instr::Own => *at + 1,
            Instr::Touch(..) => unreachable!("it takes no step"),
        };
        Some(next)
    }
}

/// The cells on which something races first.
fn enumerate(program: &[Vec<Instr>]) -> BTreeSet<usize> {
    let count = program.len();
    let mut races = BTreeSet::new();
    let touched = vec![BTreeSet::new(); count];
    let mut first = State { at: vec![0; count], words: [0; WORDS], locks: [None; 2], touched };
    let begins = (0..count).all(|task| first.settle(program, task, &mut races));
    let mut left = Vec::from_iter(begins.then_some(first));
    let mut states = BTreeSet::from_iter(left.iter().cloned());
    while let Some(state) = left.pop() {
        for task in 0..count {
            let Some(mut next) = state.step(program, task) else { continue };
            if next.settle(program, task, &mut races) && states.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    races
}

struct World {
    words: [Word; WORDS],
    locks: [Lock; 2],
    cells: [dpor::DataId; 4],
    places: RefCell<Vec<usize>>,
}

impl World {
    fn round(&self, at: usize, held: [bool; 2]) {
        dpor::round(hash((at, held)), || hash((self.values(), &*self.places.borrow())));
    }

    fn values(&self) -> ([i64; WORDS], [bool; 2]) {
        (self.words.each_ref().map(Word::peek), self.locks.each_ref().map(Lock::peek))
    }

    fn run(&self, task: usize, program: &[Instr]) {
        let (mut at, mut held) = (0, [false; 2]);
        let own = dpor::object();
        while let Some(&instr) = program.get(at) {
            self.places.borrow_mut()[task] = at;
            if at == 0 {
                self.round(at, held);
            }
            at += 1;
            match instr {
                Instr::Write(word, value) => self.words[word].write(value),
                Instr::Spin(word, value) => loop {
                    self.round(at, held);
                    if self.words[word].read() == value {
                        break;
                    }
                },
                Instr::RestartUnless(word, value) if self.words[word].read() != value => at = 0,
                Instr::EndIf(word, value) if self.words[word].read() == value => break,
                Instr::Own => dpor::step(own, Access::Write),
                Instr::Lock(lock) if !std::mem::replace(&mut held[lock], true) => {
                    self.locks[lock].lock();
                }
                Instr::Unlock(lock) if std::mem::replace(&mut held[lock], false) => {
                    self.locks[lock].unlock();
                }
                Instr::RestartUnless(..) | Instr::EndIf(..) | Instr::Lock(_) | Instr::Unlock(_) => {
                }
                Instr::Touch(cell, write) => {
                    let races = dpor::data_access(self.cells[cell], write).is_err();
                    assert!(!races, "{cell}");
                }
            }
        }
        self.places.borrow_mut()[task] = program.len();
    }
}

fn ready(program: &[Vec<Instr>]) -> impl Fn() + Send + Sync + 'static {
    let program = program.to_vec();
    move || {
        let world = Rc::new(World {
            words: std::array::from_fn(|_| Word::new(0)),
            locks: std::array::from_fn(|_| Lock::new()),
            cells: std::array::from_fn(|_| dpor::data()),
            places: vec![0; program.len()].into(),
        });
        let named = Rc::clone(&world);
        dpor::name_state(move |digest| named.values().hash(digest));
        let task = |(task, instrs): (usize, &Vec<Instr>)| {
            let (world, instrs) = (Rc::clone(&world), instrs.clone());
            dpor::spawn("task", move || world.run(task, &instrs))
        };
        let tasks: Vec<_> = program.iter().enumerate().map(task).collect();
        tasks.into_iter().for_each(dpor::JoinHandle::join);
    }
}

/// What is wrong with what is found of races in this program; else whether there is one, unless it
/// takes too long.
fn check(program: &[Vec<Instr>]) -> Result<Option<bool>, String> {
    let all = enumerate(program);
    let seen: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let budget = Budget { executions: Some(3_000), time: None };
    // By chance nothing is to be found.
    let explorer = Explorer::new(Strategy::States).unchecked().budget(budget);
    let report = explorer
        .on_execution(move |execution| {
            if let Some(failure) = execution.failure
                && let FailureKind::Panic { message, .. } = &failure.kind
            {
                sink.lock().unwrap().insert(message.parse().expect("a cell"));
            }
            ControlFlow::Continue(())
        })
        .run(ready(program));
    if report.why_unfinished == Some(Unfinished::Executions) {
        return Ok(None);
    }
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    // What comes after a race is not gone through, and the enumeration sees races only at once.
    if report.exhausted && seen.is_subset(&all) && seen.is_empty() == all.is_empty() {
        return Ok(Some(!all.is_empty()));
    }
    Err(format!("{report} {:?}: saw {seen:?}, all states show {all:?}", report.failures))
}

#[test]
fn random_races_in_circles() {
    let (mut races, mut compared, mut skipped) = (0, 0, 0);
    for seed in env("DPOR_SEED", 1).. {
        if compared == env("DPOR_PROGRAMS", 2_000) {
            break;
        }
        let program = random(&mut Rng(seed * 7919));
        match check(&program) {
            Ok(Some(raced)) => {
                compared += 1;
                races += u64::from(raced);
            }
            Ok(None) => skipped += 1,
            Err(_) => {
                let program =
                    smallest(program, |program: &Vec<Vec<Instr>>| check(program).is_err());
                panic!("seed {seed}, shrunk: {program:?}\n{}", check(&program).unwrap_err());
            }
        }
    }
    eprintln!("{compared} agree, {races} with a race; {skipped} too long");
    assert!(races > compared / 10 && races < compared / 10 * 9);
}

/// A step that concerns nobody else is not enough where an access before it may race.
#[test]
fn what_was_touched_before_a_step() {
    let touches = vec![Instr::Own, Instr::Touch(0, true), Instr::Write(0, 1)];
    let goes_round = vec![Instr::Spin(0, 0), Instr::Touch(0, false), Instr::RestartUnless(1, 1)];
    assert_eq!(check(&[touches, vec![], goes_round]), Ok(Some(true)));
}
