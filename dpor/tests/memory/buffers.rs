//! A machine with store buffers, for sequential consistency, TSO and PSO: all of its states, one
//! after the other.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;

use dpor::Memory;

use crate::program::{Instr, Outcome, Program};

/// What waits in a buffer.
#[derive(Copy, Clone, PartialEq, Eq, Hash)]
enum Waiting {
    /// A store: the word, the value, and whether everything before it has to leave first.
    Store(usize, u64, bool),
    /// Everything before it leaves before everything after it.
    Barrier,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    next: Vec<usize>,
    read: Vec<Vec<u64>>,
    buffers: Vec<Vec<Waiting>>,
    /// The values that each word has had.
    words: Vec<Vec<u64>>,
}

impl State {
    fn value(&self, word: usize) -> u64 {
        *self.words[word].last().unwrap()
    }

    /// What a load of the task reads: its newest store to the word that is in its buffer, else what
    /// is in memory.
    fn seen(&self, task: usize, word: usize) -> u64 {
        let own = self.buffers[task].iter().rev().find_map(|waiting| match *waiting {
            Waiting::Store(other, value, _) if other == word => Some(value),
            _ => None,
        });
        own.unwrap_or(self.value(word))
    }

    /// Whether the store at this place of the task's buffer can leave.
    fn can_leave(&self, memory: Memory, task: usize, place: usize) -> bool {
        let Waiting::Store(word, _, release) = self.buffers[task][place] else { return false };
        let mut before = self.buffers[task][..place].iter();
        if memory == Memory::Tso {
            return before.next().is_none();
        }
        before.all(
            |waiting| matches!(waiting, Waiting::Store(other, ..) if *other != word && !release),
        )
    }

    /// Whether the task can do an atomic on the word now.
    fn can_update(&self, memory: Memory, task: usize, word: usize, order: Ordering) -> bool {
        let buffer = &self.buffers[task];
        let waits_for = |waiting: &Waiting| match waiting {
            Waiting::Store(other, ..) => *other == word,
            Waiting::Barrier => true,
        };
        match (memory, order) {
            (Memory::Pso, Ordering::Relaxed | Ordering::Acquire) => !buffer.iter().any(waits_for),
            _ => buffer.is_empty(),
        }
    }

    /// The task's next instruction, if it can happen now.
    fn step(&self, program: &Program, memory: Memory, task: usize) -> Option<State> {
        let instr = *program.tasks[task].get(self.next[task])?;
        let mut after = self.clone();
        after.next[task] += 1;
        let empty = self.buffers[task].is_empty();
        match instr {
            Instr::Load(word, _) => after.read[task].push(self.seen(task, word)),
            Instr::Store(word, value, order)
                if memory == Memory::Sc || order == Ordering::SeqCst =>
            {
                if !empty {
                    return None;
                }
                after.words[word].push(value);
            }
            Instr::Store(word, value, order) => {
                after.buffers[task].push(Waiting::Store(word, value, order == Ordering::Release))
            }
            Instr::Swap(word, value, order) => {
                if !self.can_update(memory, task, word, order) {
                    return None;
                }
                after.read[task].push(self.value(word));
                after.words[word].push(value);
            }
            Instr::Cas(word, expected, value, order) => {
                if !self.can_update(memory, task, word, order) {
                    return None;
                }
                after.read[task].push(self.value(word));
                if self.value(word) == expected {
                    after.words[word].push(value);
                }
            }
            Instr::Fence(Ordering::SeqCst) if !empty => return None,
            Instr::Fence(Ordering::Release | Ordering::AcqRel) if !empty => {
                after.buffers[task].push(Waiting::Barrier)
            }
            Instr::Fence(_) => {}
        }
        Some(after)
    }

    fn leave(&self, task: usize, place: usize) -> State {
        let mut after = self.clone();
        let Waiting::Store(word, value, _) = after.buffers[task].remove(place) else {
            unreachable!("a barrier does not leave")
        };
        after.words[word].push(value);
        while after.buffers[task].first() == Some(&Waiting::Barrier) {
            after.buffers[task].remove(0);
        }
        after
    }
}

/// All outcomes, and how many executions there are that differ in what is read from where, or in
/// the order of the stores to a word.
pub fn outcomes(program: &Program, memory: Memory) -> (BTreeSet<Outcome>, usize) {
    let tasks = program.tasks.len();
    let empty = || vec![Vec::new(); tasks];
    let first = State {
        next: vec![0; tasks],
        read: empty(),
        buffers: vec![Vec::new(); tasks],
        words: vec![vec![0]; program.words],
    };
    let (mut seen, mut todo) = (HashSet::from([first.clone()]), vec![first]);
    let (mut outcomes, mut executions) = (BTreeSet::new(), 0);
    while let Some(state) = todo.pop() {
        let steps = (0..tasks).filter_map(|task| state.step(program, memory, task));
        let places = (0..tasks)
            .flat_map(|task| (0..state.buffers[task].len()).map(move |place| (task, place)));
        let leaves = places
            .filter(|&(task, place)| state.can_leave(memory, task, place))
            .map(|(task, place)| state.leave(task, place));
        let after: Vec<State> = steps.chain(leaves).collect();
        if after.is_empty() {
            assert!(
                (0..tasks).all(|task| state.next[task] == program.tasks[task].len()),
                "the machine is stuck"
            );
            executions += 1;
            let mut outcome = state.read.concat();
            outcome.extend((0..program.words).map(|word| state.value(word)));
            outcomes.insert(outcome);
        }
        todo.extend(after.into_iter().filter(|state| seen.insert(state.clone())));
    }
    (outcomes, executions)
}
