//! A search that is divided, in whatever way, finds what the whole one finds, and counts the same.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

use dpor::{Budget, Explorer, Memory, Saved, Strategy, Unfinished};

use crate::program::Instr::{Cas, Load, Store};
use crate::program::{Outcome, Program, exhaust, explore, seeds};

/// Go on until nothing is left, from text to text, so many executions at a time.
fn in_slices(explorer: &Explorer, slice: u64, program: &Program) -> (BTreeSet<Outcome>, Saved) {
    let explorer = explorer.clone().budget(Budget { executions: Some(slice), time: None });
    let (mut saved, mut found): (Option<Saved>, BTreeSet<Outcome>) = (None, BTreeSet::new());
    loop {
        let (more, report) =
            explore(saved.take().into_iter().fold(explorer.clone(), Explorer::resume), program);
        found.extend(more);
        let left = report.saved.expect("it can go on");
        if left.is_done() {
            return (found, left);
        }
        saved = Some(left.to_string().parse().unwrap());
    }
}

/// Divides the search in every way there is, and in two at once. Says how many outcomes, and
/// executions, there are.
fn compare(program: &Program, memory: Memory) -> (usize, u64) {
    let (outcomes, whole) = exhaust(program, memory);
    let dpor = || Explorer::new(Strategy::Dpor).memory(memory);
    for (how, explorer) in [
        ("jobs", dpor().jobs(3)),
        ("given away", dpor().always_give()),
        ("both", dpor().jobs(2).always_give()),
    ] {
        let (found, report) = explore(explorer.clone(), program);
        assert!(report.exhausted && found == outcomes, "{how}, {memory:?}: {report} {program:?}");
        assert_eq!(report.complete, whole.complete, "{how}, {memory:?}: {program:?}");
        for slice in [1, 3] {
            let (found, saved) = in_slices(&explorer, slice, program);
            assert!(found == outcomes, "{how}, {slice} at a time, {memory:?}: {program:?}");
            assert_eq!(
                saved.complete, whole.complete,
                "{how}, {slice} at a time, {memory:?}: {program:?}"
            );
        }
    }
    for shards in [1, 2, 3] {
        for (how, explorer) in
            [("alone", dpor()), ("jobs", dpor().jobs(2)), ("given away", dpor().always_give())]
        {
            let (mut found, mut parts) = (BTreeSet::new(), Vec::new());
            for shard in 0..shards {
                let explorer = explorer.clone().shard(shard, shards);
                let (more, saved) = if shard == 0 {
                    in_slices(&explorer, 2, program)
                } else {
                    explore_to_end(explorer, program)
                };
                found.extend(more);
                parts.push(saved);
            }
            assert!(found == outcomes, "{shards} shards, {how}, {memory:?}: {program:?}");
            assert_eq!(
                Saved::merge(&parts).unwrap().complete,
                whole.complete,
                "{shards} shards, {how}, {memory:?}: {program:?}"
            );
        }
    }
    (outcomes.len(), whole.complete)
}

fn explore_to_end(explorer: Explorer, program: &Program) -> (BTreeSet<Outcome>, Saved) {
    let (found, report) = explore(explorer, program);
    (found, report.saved.unwrap())
}

#[test]
fn random_programs() {
    let seeds = seeds(8);
    for memory in Memory::ALL {
        let all = seeds.clone().map(|seed| compare(&Program::random(seed, 7), memory));
        let (outcomes, executions) =
            all.fold((0, 0), |(a, b), (outcomes, executions)| (a + outcomes, b + executions));
        eprintln!("{memory:?}: {outcomes} outcomes, {executions} executions");
        assert!(outcomes as u64 > seeds.end - seeds.start);
    }
}

/// While an old value is still to be read, others have steps left that depend on nothing of that.
#[test]
fn beside_an_old_value() {
    let store = |word, value| vec![Store(word, value, Relaxed)];
    let writer = vec![Store(0, 1, Relaxed), Store(1, 1, Relaxed)];
    let reader = vec![Load(1, Relaxed), Load(0, Relaxed)];
    let program =
        Program { words: 3, tasks: vec![writer, reader, store(2, 1), store(2, 2), store(2, 3)] };
    // Message passing has four outcomes, and the third word any of three.
    assert_eq!(compare(&program, Memory::Weak), (12, 4 * 6));
}

/// A compare-and-swap that fails whatever it reads sleeps as a try that failed, also where the
/// search goes on later.
#[test]
fn beside_a_failed_swap() {
    let writer = vec![Store(0, 1, Relaxed), Store(1, 1, Relaxed)];
    let swapper = vec![Load(1, Relaxed), Cas(0, 8, 9, Relaxed)];
    let program = Program {
        words: 2,
        tasks: vec![writer, swapper, vec![Load(0, Relaxed), Store(0, 2, Relaxed)]],
    };
    assert_eq!(compare(&program, Memory::Weak), (18, 18));
}

/// What was saved under one memory model is no part of a search under another.
#[test]
fn under_another_model() {
    let program = Program::random(3, 7);
    for memory in Memory::ALL {
        let explorer = Explorer::new(Strategy::Dpor).memory(memory);
        let begun =
            explore(explorer.clone().budget(Budget { executions: Some(1), time: None }), &program)
                .1
                .saved
                .unwrap();
        let [saved, done] = [begun, explore(explorer.clone(), &program).1.saved.unwrap()]
            .map(|saved| saved.to_string().parse::<Saved>().unwrap());
        assert!(saved.memory() == memory && !saved.is_done() && done.is_done());
        let shard = |memory, shard| {
            explore(Explorer::new(Strategy::Dpor).memory(memory).shard(shard, 2), &program)
                .1
                .saved
                .unwrap()
        };
        assert_eq!(
            Saved::merge(&[0, 1].map(|number| shard(memory, number))).unwrap().memory(),
            memory
        );
        for other in Memory::ALL.into_iter().filter(|&other| other != memory) {
            for saved in [&saved, &done] {
                let (found, report) = explore(
                    Explorer::new(Strategy::Dpor).memory(other).resume(saved.clone()),
                    &program,
                );
                let Some(Unfinished::Unavailable(why)) = &report.why_unfinished else {
                    panic!("{report}")
                };
                assert!(found.is_empty() && !report.exhausted && report.saved.is_none());
                assert_eq!(
                    *why,
                    format!(
                        "the exploration was saved under Memory::{memory:?}, and does not go on \
                         under Memory::{other:?}"
                    )
                );
            }
            let error = Saved::merge(&[shard(memory, 0), shard(other, 1)]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "saved exploration: shard 1/2 is of Memory::{other:?}, and another of \
                     Memory::{memory:?}"
                )
            );
        }
    }
}
