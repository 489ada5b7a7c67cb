//! Random programs: the outcomes are those that the models say, no more and no fewer.

use std::collections::BTreeSet;

use std::sync::atomic::Ordering;

use dpor::{Access, Memory, Report, memory};

use crate::program::{Instr, Outcome, Program, exhaust, exhaust_by_states, exhaust_with, seeds};
use crate::{axioms, buffers};

/// All outcomes, and how many executions there are that differ, as those say that share nothing
/// with the engine.
pub fn expected(program: &Program, memory: Memory) -> (BTreeSet<Outcome>, usize) {
    if memory == Memory::Weak {
        axioms::outcomes(program)
    } else {
        buffers::outcomes(program, memory)
    }
}

type Exhaust = fn(&Program, Memory) -> (BTreeSet<Outcome>, Report);

/// The exploration has all outcomes that there are, and no others.
fn agrees(
    program: Program,
    (memory, seed): (Memory, u64),
    wanted: &BTreeSet<Outcome>,
    (how, exhaust): (&str, Exhaust),
) -> Report {
    let (found, report) = exhaust(&program, memory);
    if found != *wanted {
        let differs = |program: &Program| exhaust(program, memory).0 != expected(program, memory).0;
        let small = program.shrink(differs);
        let (found, wanted) = (exhaust(&small, memory).0, expected(&small, memory).0);
        let missed: Vec<_> = wanted.difference(&found).collect();
        let impossible: Vec<_> = found.difference(&wanted).collect();
        panic!(
            "{memory:?} {how}, seed {seed}: {small:?}\nmissed {missed:?}, impossible {impossible:?}"
        );
    }
    report
}

/// Compares the outcomes of so many programs, and says how many executions it took for how many
/// that are different.
fn compare(memory: Memory, seeds: std::ops::Range<u64>, most: usize) {
    let (mut states, mut by_states) = (0, 0);
    let (mut explored, mut cut, mut different, mut outcomes) = (0, 0, 0, 0);
    let started = std::time::Instant::now();
    let (mut ours, mut worst) = (std::time::Duration::ZERO, (0.0, 0));
    for seed in seeds.clone() {
        let program = Program::random(seed, most);
        let (wanted, executions) = expected(&program, memory);
        let before = std::time::Instant::now();
        let report = agrees(program.clone(), (memory, seed), &wanted, ("reduced", exhaust));
        ours += before.elapsed();
        if memory != Memory::Weak {
            let by_state = ("by states", exhaust_by_states as Exhaust);
            let report = agrees(program, (memory, seed), &wanted, by_state);
            (states, by_states) = (states + report.states, by_states + report.executions);
        }
        explored += report.complete;
        cut += report.blocked;
        different += executions as u64;
        outcomes += wanted.len();
        let ratio = report.complete as f64 / executions as f64;
        if ratio > worst.0 {
            worst = (ratio, seed);
        }
    }
    eprintln!(
        "{memory:?}: {} programs, {outcomes} outcomes, {explored} executions ({cut} cut) for \
         {different} that differ (worst {:.2}, seed {}); {states} states in {by_states}; {ours:?} \
         of {:?}",
        seeds.end - seeds.start,
        worst.0,
        worst.1,
        started.elapsed()
    );
}

#[test]
fn sequential_consistency() {
    compare(Memory::Sc, seeds(200), 8);
}

#[test]
fn total_store_order() {
    compare(Memory::Tso, seeds(600), 8);
}

#[test]
fn partial_store_order() {
    compare(Memory::Pso, seeds(600), 8);
}

#[test]
fn weak_memory() {
    compare(Memory::Weak, seeds(600), 7);
}

/// A step that says that it has changed a word is a relaxed exchange, and loads of the word may miss
/// it as they may miss one.
#[test]
fn steps_that_change_words() {
    let (mut programs, mut changed, mut outcomes) = (0, 0, 0);
    for seed in seeds(120) {
        let mut program = Program::random(seed, 6);
        for instr in program.tasks.iter_mut().flatten() {
            if let Instr::Store(word, value, _) | Instr::Swap(word, value, _) = *instr {
                *instr = Instr::Swap(word, value, Ordering::Relaxed);
                changed += 1;
            }
        }
        let (found, _) = exhaust_with(&program, Memory::Weak, |word, value| {
            memory::unordered(word.object(), Access::Rmw);
            let before = word.peek();
            memory::accessed(word.object(), Some(value));
            before
        });
        let (wanted, _) = axioms::outcomes(&program);
        assert_eq!(found, wanted, "seed {seed}: {program:?}");
        programs += 1;
        outcomes += wanted.len();
    }
    eprintln!("{programs} programs with {changed} such steps, {outcomes} outcomes");
}

/// Who acquires a task's later store to the word that it has released acquires the release:
/// programs made at random hardly ever show it.
#[test]
fn release_sequences() {
    use crate::program::Instr::{Load, Store};
    use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    let writer = vec![Store(0, 1, Relaxed), Store(1, 2, Release), Store(1, 3, Relaxed)];
    let program =
        Program { words: 2, tasks: vec![writer, vec![Load(1, Acquire), Load(0, Relaxed)]] };
    let (found, _) = exhaust(&program, Memory::Weak);
    assert_eq!(found, axioms::outcomes(&program).0);
    assert!(!found.iter().any(|outcome| outcome[..2] == [3, 0]));
}

/// Ten thousand others each, and larger ones.
#[test]
#[ignore = "takes minutes"]
fn many() {
    for memory in [Memory::Sc, Memory::Tso, Memory::Pso] {
        compare(memory, 10_000..20_000, 9);
    }
    compare(Memory::Weak, 10_000..20_000, 7);
    compare(Memory::Weak, 20_000..21_000, 8);
}
