//! Loops that wait under RC11: what a task waits for, it loads until it is there. Nothing is changed
//! by looking, so that only the last look matters: endings are the outcomes of the program in which
//! each loop is one look that sees it; and somebody waits for ever if all who wait see the newest
//! store, and that is another.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dpor::memory::Word;
use dpor::{Explorer, FailureKind, JoinHandle, Memory, Strategy};

use crate::axioms;
use crate::program::{Instr, Outcome, Program, Rng, reads, run, seeds};
use crate::shrink::smallest;

/// The tasks of a program, and what they wait for where a look is a loop.
type Tasks = Vec<Vec<(Instr, Option<u64>)>>;

/// Loads wait for a value, and compare-and-swaps until they succeed.
fn random(seed: u64) -> (usize, Tasks) {
    let program = Program::random(seed, 6);
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9) ^ 17);
    let stored = |word| {
        let of_word = program.tasks.iter().flatten().filter_map(move |instr| match *instr {
            Instr::Store(other, value, _)
            | Instr::Swap(other, value, _)
            | Instr::Cas(other, _, value, _) => (other == word).then_some(value),
            _ => None,
        });
        of_word.collect::<Vec<_>>()
    };
    let mut wait = |instr: &Instr| match *instr {
        Instr::Load(word, _) if rng.below(2) == 0 => {
            let values = stored(word);
            let which = rng.below(values.len() as u64 + 2) as usize;
            Some(values.get(which).copied().unwrap_or(0))
        }
        Instr::Cas(_, expected, ..) if rng.below(2) == 0 => Some(expected),
        _ => None,
    };
    let tasks = program.tasks.iter();
    let tasks = tasks.map(|task| task.iter().map(|instr| (*instr, wait(instr))).collect());
    (program.words, tasks.collect())
}

/// Endings, and whether somebody may wait for ever, according to the axioms.
fn expected(words: usize, program: &Tasks) -> (BTreeSet<Outcome>, bool) {
    // Of each task, the look that it never comes by; behind the last of them all, none.
    let stops = |task: usize| {
        let of_task = program[task].iter().enumerate();
        of_task.filter(|(_, (_, wait))| wait.is_some()).map(|(at, _)| Some(at)).chain([None])
    };
    let mut ways: Vec<Vec<Option<usize>>> = vec![Vec::new()];
    for task in 0..program.len() {
        ways = ways
            .iter()
            .flat_map(|way| stops(task).map(move |stop| [way.as_slice(), &[stop]].concat()))
            .collect();
    }
    let (mut endings, mut for_ever) = (BTreeSet::new(), false);
    for way in ways {
        let tasks = way.iter().zip(program).map(|(stop, task)| match *stop {
            // It looks, and does not change what is there.
            Some(at) => {
                let look = match task[at].0 {
                    Instr::Load(word, order) => Instr::Load(word, order),
                    Instr::Cas(word, ..) => Instr::Load(word, std::sync::atomic::Ordering::Relaxed),
                    _ => unreachable!("it waits for nothing"),
                };
                task[..at].iter().map(|(instr, _)| *instr).chain([look]).collect()
            }
            None => task.iter().map(|(instr, _)| *instr).collect(),
        });
        let cut = Program { words, tasks: tasks.collect() };
        for outcome in axioms::outcomes(&cut).0 {
            let newest = &outcome[outcome.len() - words..];
            let mut read = outcome.iter();
            let fits = |task: usize| {
                let looks =
                    cut.tasks[task].iter().enumerate().filter(|(_, instr)| reads(&[**instr]) > 0);
                looks.fold(true, |fits, (at, instr)| {
                    let seen = *read.next().expect("each look is there");
                    let word = match *instr {
                        Instr::Load(word, _) | Instr::Swap(word, ..) | Instr::Cas(word, ..) => word,
                        _ => unreachable!("it reads"),
                    };
                    let this = match program[task][at].1 {
                        Some(value) if way[task] == Some(at) => {
                            seen != value && seen == newest[word]
                        }
                        Some(value) => seen == value,
                        None => true,
                    };
                    fits & this
                })
            };
            if (0..cut.tasks.len()).map(fits).fold(true, |all, fits| all & fits) {
                if way.iter().all(Option::is_none) {
                    endings.insert(outcome.clone());
                } else {
                    for_ever = true;
                }
            }
        }
    }
    (endings, for_ever)
}

/// The same, as the engine finds it; and the executions.
fn explored(words: usize, program: &Tasks) -> Result<(BTreeSet<Outcome>, bool, u64), String> {
    let endings: Arc<Mutex<BTreeSet<Outcome>>> = Arc::default();
    let (sink, program) = (endings.clone(), program.clone());
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).max_steps(500).run(move || {
        let words: Vec<Word> = (0..words).map(|_| Word::new(0)).collect();
        let read = Rc::new(RefCell::new(vec![Vec::new(); program.len()]));
        let spawn = |task: usize| {
            let instrs = program[task].clone();
            let (words, read) = (words.clone(), Rc::clone(&read));
            dpor::spawn(format!("P{task}"), move || {
                for (at, (instr, wait)) in instrs.into_iter().enumerate() {
                    loop {
                        if wait.is_some() {
                            let newest =
                                || words.iter().fold(7, |hash, word| hash * 31 + word.peek());
                            dpor::round(at as u64, newest);
                        }
                        let mut seen = None;
                        run(&[instr], &words, |_, value| seen = Some(value));
                        if wait.is_none() || seen == wait || dpor::aborting() {
                            read.borrow_mut()[task].extend(seen);
                            break;
                        }
                    }
                }
            })
        };
        let tasks: Vec<_> = (0..program.len()).map(spawn).collect();
        tasks.into_iter().for_each(JoinHandle::join);
        if !dpor::aborting() {
            let mut outcome: Outcome = read.borrow().concat();
            outcome.extend(words.iter().map(Word::peek));
            sink.lock().unwrap().insert(outcome);
        }
    });
    let is_livelock =
        |failure: &dpor::Failure| matches!(failure.kind, FailureKind::Livelock { .. });
    if !report.exhausted || !report.failures.iter().all(is_livelock) {
        return Err(format!("{report} {:?}", report.failures));
    }
    let endings = std::mem::take(&mut *endings.lock().unwrap());
    Ok((endings, report.failing > 0, report.executions))
}

fn fault(words: usize, program: &Tasks) -> Option<String> {
    let (endings, for_ever) = expected(words, program);
    match explored(words, program) {
        Ok((seen, livelock, _)) if seen == endings && livelock == for_ever => None,
        other => Some(format!("{other:?}, and the axioms say {endings:?}, {for_ever}")),
    }
}

#[test]
fn loops_that_wait() {
    let (mut for_ever, mut executions, mut compared) = (0, 0, 0);
    for seed in seeds(300) {
        let (words, program) = random(seed);
        if program.iter().flatten().all(|(_, wait)| wait.is_none()) {
            continue;
        }
        if fault(words, &program).is_some() {
            let program = smallest(program, |program| fault(words, program).is_some());
            panic!("seed {seed}, shrunk: {program:?}\n{}", fault(words, &program).unwrap());
        }
        let (_, livelock, count) = explored(words, &program).expect("it was exhausted before");
        compared += 1;
        executions += count;
        for_ever += u64::from(livelock);
    }
    eprintln!(
        "{compared} programs agree, in {for_ever} somebody may wait for ever; {executions} \
         executions"
    );
}

/// A store that happened last need not be the newest: who has seen it, and not what is newer, goes
/// round once more before anybody says that he waits for ever.
#[test]
fn what_happened_last_is_not_the_newest() {
    use std::sync::atomic::Ordering::Relaxed;
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).run(|| {
        let [x, y] = [Word::new(0), Word::new(0)];
        let (words, others) = ([x.clone(), y.clone()], [x.clone(), y]);
        let first = dpor::spawn("x odd, then y", move || {
            words[0].store(1, Relaxed);
            words[1].store(1, Relaxed);
        });
        let second = dpor::spawn("x even, and odd at last", move || {
            others[1].load(Relaxed);
            others[0].store(2, Relaxed);
            if others[0].load(Relaxed) == 2 {
                others[0].store(3, Relaxed);
            }
        });
        let third = dpor::spawn("waits until it is odd", move || {
            loop {
                dpor::round(0, || x.peek());
                if x.load(Relaxed) % 2 == 1 || dpor::aborting() {
                    break;
                }
            }
        });
        [first, second, third].into_iter().for_each(JoinHandle::join);
    });
    assert!(report.exhausted && report.failing == 0, "{report} {:?}", report.failures);
}
