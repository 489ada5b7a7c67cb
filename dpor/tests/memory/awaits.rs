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

/// Which looks of a program are loops, and what they wait for.
type Waits = Vec<Vec<Option<u64>>>;

/// Loads wait for a value, and compare-and-swaps until they succeed.
fn random(seed: u64) -> (Program, Waits) {
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
    let waits = program.tasks.iter().map(|task| task.iter().map(&mut wait).collect()).collect();
    (program, waits)
}

/// Endings, and whether somebody may wait for ever, according to the axioms.
fn expected(program: &Program, waits: &Waits) -> (BTreeSet<Outcome>, bool) {
    // Of each task, the look that it never comes by; behind the last of them all, none.
    let stops = |task: usize| {
        let of_task = waits[task].iter().enumerate();
        of_task.filter(|(_, wait)| wait.is_some()).map(|(at, _)| Some(at)).chain([None])
    };
    let mut ways: Vec<Vec<Option<usize>>> = vec![Vec::new()];
    for task in 0..program.tasks.len() {
        ways = ways
            .iter()
            .flat_map(|way| stops(task).map(move |stop| [way.as_slice(), &[stop]].concat()))
            .collect();
    }
    let (mut endings, mut for_ever) = (BTreeSet::new(), false);
    for way in ways {
        let tasks = way.iter().zip(&program.tasks).map(|(stop, task)| match *stop {
            // It looks, and does not change what is there.
            Some(at) => {
                let look = match task[at] {
                    Instr::Load(word, order) => Instr::Load(word, order),
                    Instr::Cas(word, ..) => Instr::Load(word, std::sync::atomic::Ordering::Relaxed),
                    _ => unreachable!("it waits for nothing"),
                };
                task[..at].iter().copied().chain([look]).collect()
            }
            None => task.clone(),
        });
        let cut = Program { words: program.words, tasks: tasks.collect() };
        for outcome in axioms::outcomes(&cut).0 {
            let newest = &outcome[outcome.len() - cut.words..];
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
                    let this = match waits[task][at] {
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
fn explored(program: &Program, waits: &Waits) -> Result<(BTreeSet<Outcome>, bool, u64), String> {
    let endings: Arc<Mutex<BTreeSet<Outcome>>> = Arc::default();
    let (sink, program, waits) = (endings.clone(), program.clone(), waits.clone());
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).max_steps(500).run(move || {
        let words: Vec<Word> = (0..program.words).map(|_| Word::new(0)).collect();
        let read = Rc::new(RefCell::new(vec![Vec::new(); program.tasks.len()]));
        let spawn = |task: usize| {
            let (instrs, waits) = (program.tasks[task].clone(), waits[task].clone());
            let (words, read) = (words.clone(), Rc::clone(&read));
            dpor::spawn(format!("P{task}"), move || {
                for (at, (instr, wait)) in instrs.iter().zip(waits).enumerate() {
                    loop {
                        if wait.is_some() {
                            let newest =
                                || words.iter().fold(7, |hash, word| hash * 31 + word.peek());
                            dpor::round(at as u64, newest);
                        }
                        let mut seen = None;
                        run(&[*instr], &words, |_, value| seen = Some(value));
                        if wait.is_none() || seen == wait || dpor::aborting() {
                            read.borrow_mut()[task].extend(seen);
                            break;
                        }
                    }
                }
            })
        };
        let tasks: Vec<_> = (0..program.tasks.len()).map(spawn).collect();
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

fn fault(program: &Program, waits: &Waits) -> Option<String> {
    let (endings, for_ever) = expected(program, waits);
    match explored(program, waits) {
        Ok((seen, livelock, _)) if seen == endings && livelock == for_ever => None,
        other => Some(format!("{other:?}, and the axioms say {endings:?}, {for_ever}")),
    }
}

#[test]
fn loops_that_wait() {
    let (mut for_ever, mut executions, mut compared) = (0, 0, 0);
    for seed in seeds(300) {
        let (mut program, mut waits) = random(seed);
        if waits.iter().flatten().all(Option::is_none) {
            continue;
        }
        if fault(&program, &waits).is_some() {
            let smaller = |program: &Program, waits: &Waits| {
                let places = (0..waits.len())
                    .flat_map(|task| (0..waits[task].len()).map(move |at| (task, at)));
                let without = places.map(|(task, at)| {
                    let (mut program, mut waits) = (program.clone(), waits.clone());
                    program.tasks[task].remove(at);
                    waits[task].remove(at);
                    (program, waits)
                });
                without.collect::<Vec<_>>()
            };
            while let Some((fewer, of)) = smaller(&program, &waits)
                .into_iter()
                .find(|(program, waits)| fault(program, waits).is_some())
            {
                (program, waits) = (fewer, of);
            }
            panic!("seed {seed}, shrunk: {program:?}\n{waits:?}\n{:?}", fault(&program, &waits));
        }
        let (_, livelock, count) = explored(&program, &waits).expect("it was exhausted before");
        compared += 1;
        executions += count;
        for_ever += u64::from(livelock);
    }
    eprintln!(
        "{compared} programs agree, in {for_ever} somebody may wait for ever; {executions} executions"
    );
}
