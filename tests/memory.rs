//! The catalogue under the memory models: which verdicts are others than where memory is
//! sequentially consistent. Where buffers hold stores back, none is but in which clause breaks
//! first.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use lockwalk::witness::Verdict;
use lockwalk::{Memory, Method, Options, Outcome, Protocol, Race, races};

/// What is decided within so many executions.
#[derive(Default, Debug)]
struct Decided {
    same: usize,
    undecided: usize,
    changed: Vec<String>,
}

fn clause(outcome: &Outcome) -> Option<Option<String>> {
    match outcome.verdict() {
        Verdict::Undecided(_) => None,
        verdict => Some(verdict.clause().map(str::to_owned)),
    }
}

/// Asks each case that is decided within `executions` where memory is consistent, and, where it is
/// not, up to twenty times as many.
fn catalogue(memory: Memory, executions: u64) -> Decided {
    let cases: Vec<(Race, Protocol)> = races::all()
        .into_iter()
        .flat_map(|race| {
            race.cases()
                .iter()
                .map(|(protocol, _)| (race.clone(), protocol.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    let (next, decided) = (AtomicUsize::new(0), Mutex::new(Decided::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((race, protocol)) = cases.get(next.fetch_add(1, Relaxed)) {
                    let check = |memory, executions| {
                        let options = Options {
                            executions: Some(executions),
                            time: Some(Duration::from_secs(20)),
                            ..Options::default()
                        };
                        clause(&race.clone().memory(memory).check_with(
                            protocol,
                            &Method::Exhaustive,
                            &options,
                        ))
                    };
                    let Some(consistent) = check(Memory::Sc, executions) else { continue };
                    let here = check(memory, executions * 20);
                    let mut decided = decided.lock().expect("nobody panics");
                    match here {
                        None => decided.undecided += 1,
                        Some(here) if here == consistent => decided.same += 1,
                        Some(here) => decided.changed.push(format!(
                            "{} under {protocol}: {consistent:?}, {here:?}",
                            race.id()
                        )),
                    }
                }
            });
        }
    });
    let mut decided = decided.into_inner().expect("nobody panics");
    decided.changed.sort();
    decided
}

#[test]
#[ignore = "takes minutes"]
fn what_the_memory_models_make_of_the_catalogue() {
    for memory in [Memory::Tso, Memory::Pso, Memory::Weak] {
        let Decided { same, undecided, changed } = catalogue(memory, 100);
        eprintln!(
            "{memory:?}: {same} the same, {undecided} undecided, {} others\n  {}",
            changed.len(),
            changed.join("\n  ")
        );
        let buffers = memory != Memory::Weak;
        assert!(
            !buffers || !changed.iter().any(|case| case.contains("None")),
            "{memory:?}: {changed:?}"
        );
    }
}
