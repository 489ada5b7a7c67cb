//! loom 0.7.2 beside dpor's RC11, on litmus shapes whose accesses are relaxed: the outcomes that the
//! one finds are those that the other finds, but where loom leaves out interleavings.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use dpor::memory::Word;
use dpor::{Explorer, JoinHandle, Memory, Strategy};
use loom::sync::atomic::AtomicU64;

/// An access of a word by its number.
#[derive(Clone, Copy)]
enum Do {
    Read(usize),
    Write(usize, u64),
    /// It reads, too.
    Swap(usize, u64),
}
use Do::{Read, Swap, Write};

type Tasks = &'static [&'static [Do]];
/// What is read, task by task, and what the words end with.
type Outcomes = BTreeSet<Vec<u64>>;

const WORDS: usize = 3;

fn by_dpor(tasks: Tasks) -> Outcomes {
    let outcomes = Arc::new(Mutex::new(Outcomes::new()));
    let sink = outcomes.clone();
    let report = Explorer::new(Strategy::Dpor).memory(Memory::Weak).run(move || {
        let words: [Word; WORDS] = std::array::from_fn(|_| Word::new(0));
        let seen = Rc::new(RefCell::new(vec![Vec::new(); tasks.len()]));
        let spawn = |task: usize| {
            let (words, seen) = (words.clone(), Rc::clone(&seen));
            dpor::spawn("task", move || {
                for access in tasks[task] {
                    let read = match *access {
                        Read(word) => words[word].load(Relaxed),
                        Swap(word, value) => words[word].swap(value, Relaxed),
                        Write(word, value) => {
                            words[word].store(value, Relaxed);
                            continue;
                        }
                    };
                    seen.borrow_mut()[task].push(read);
                }
            })
        };
        let all: Vec<_> = (0..tasks.len()).map(spawn).collect();
        all.into_iter().for_each(JoinHandle::join);
        if !dpor::aborting() {
            let ends = words.iter().map(Word::peek);
            let outcome = seen.borrow().concat().into_iter().chain(ends).collect();
            sink.lock().expect("no execution panics").insert(outcome);
        }
    });
    assert!(report.exhausted, "{report}");
    std::mem::take(&mut *outcomes.lock().expect("no execution panics"))
}

fn by_loom(tasks: Tasks) -> Outcomes {
    let outcomes = Arc::new(Mutex::new(Outcomes::new()));
    let sink = outcomes.clone();
    let mut builder = loom::model::Builder::new();
    (builder.preemption_bound, builder.max_permutations) = (None, None);
    builder.check(move || {
        let words: Arc<[AtomicU64; WORDS]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        let spawn = |task: &'static [Do]| {
            let words = words.clone();
            loom::thread::spawn(move || {
                let access = |access: &Do| match *access {
                    Read(word) => Some(words[word].load(Relaxed)),
                    Swap(word, value) => Some(words[word].swap(value, Relaxed)),
                    Write(word, value) => {
                        words[word].store(value, Relaxed);
                        None
                    }
                };
                task.iter().filter_map(access).collect::<Vec<_>>()
            })
        };
        let all: Vec<_> = tasks.iter().map(|task| spawn(task)).collect();
        let read = all.into_iter().flat_map(|task| task.join().expect("it does not panic"));
        let mut outcome: Vec<_> = read.collect();
        outcome.extend(words.iter().map(|word| word.load(Relaxed)));
        sink.lock().expect("no execution panics").insert(outcome);
    });
    std::mem::take(&mut *outcomes.lock().expect("no execution panics"))
}

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;

const SHAPES: [(&str, Tasks); 8] = [
    ("SB", &[&[Write(X, 1), Read(Y)], &[Write(Y, 1), Read(X)]]),
    ("MP", &[&[Write(X, 1), Write(Y, 1)], &[Read(Y), Read(X)]]),
    ("S", &[&[Write(X, 2), Write(Y, 1)], &[Read(Y), Write(X, 1)]]),
    ("R", &[&[Write(X, 1), Write(Y, 1)], &[Write(Y, 2), Read(X)]]),
    ("2+2W", &[&[Write(X, 1), Write(Y, 2)], &[Write(Y, 1), Write(X, 2)]]),
    ("WRC", &[&[Write(X, 1)], &[Read(X), Write(Y, 1)], &[Read(Y), Read(X)]]),
    ("SB+swap", &[&[Swap(X, 1), Read(Y)], &[Swap(Y, 1), Read(X)]]),
    ("3.SB", &[&[Write(X, 1), Read(Y)], &[Write(Y, 1), Read(Z)], &[Write(Z, 1), Read(X)]]),
];

#[test]
fn the_same_outcomes() {
    for (name, tasks) in SHAPES {
        assert_eq!(by_dpor(tasks), by_loom(tasks), "{name}: dpor has these, loom has those");
    }
}

/// FINDING-9: a load of the task that stores hides the loads before it from the store.
#[test]
fn what_loom_misses() {
    let tasks: Tasks = &[&[Read(X), Read(X)], &[Read(X), Write(X, 1)]];
    let (ours, theirs) = (by_dpor(tasks), by_loom(tasks));
    assert!(theirs.is_subset(&ours) && theirs.len() < ours.len(), "{ours:?} {theirs:?}");
}
