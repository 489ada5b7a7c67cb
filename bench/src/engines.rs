//! Which engines there are, and what to ask of them.

use dpor::{Memory, Strategy};

use crate::cell::{Cell, Goal, Limit, Outcome};
use crate::on_shuttle::Kind;
use crate::program::{Size, Variant};
use crate::relaxed::Relaxed;
use crate::{on_dpor, on_loom, on_shuttle};

/// An engine, as it was set.
#[derive(Clone, PartialEq, Debug)]
enum Engine {
    Dpor(Strategy),
    Loom(Option<usize>),
    Shuttle(Kind),
}

const FEWEST: Strategy = Strategy::FewestPreemptions { max: None };

/// Those that can exhaust a program, a bounded one what its bound allows.
const EXHAUSTIVE: [(&str, Engine); 6] = [
    ("dpor", Engine::Dpor(Strategy::Dpor)),
    ("dpor, each state once", Engine::Dpor(Strategy::States)),
    ("loom", Engine::Loom(None)),
    ("loom, at most 2 preemptions", Engine::Loom(Some(2))),
    ("loom, at most 3 preemptions", Engine::Loom(Some(3))),
    ("shuttle DFS", Engine::Shuttle(Kind::Dfs)),
];

/// Those that can only find something.
const SEARCHING: [(&str, Engine); 5] = [
    ("dpor, fewest preemptions, proved", Engine::Dpor(FEWEST)),
    ("shuttle random", Engine::Shuttle(Kind::Random)),
    ("shuttle URW", Engine::Shuttle(Kind::Urw)),
    ("shuttle PCT, depth 2", Engine::Shuttle(Kind::Pct(2))),
    ("shuttle PCT, depth 3", Engine::Shuttle(Kind::Pct(3))),
];

/// Let every exhaustive engine exhaust the program, each within `limit`.
///
/// Not meant for [`Variant::Buggy`], where most engines end at the first failure;
/// [`Variant::NoAssert`] is its space.
pub fn exhaust(
    variant: Variant,
    n: usize,
    t: usize,
    k: usize,
    limit: impl Into<Limit>,
) -> Vec<Cell> {
    let limit = limit.into();
    EXHAUSTIVE
        .iter()
        .map(|(name, engine)| ask(name, engine, Goal::Exhaust, variant, Size::new(n, t, k), &limit))
        .collect()
}

/// The names of the engines that [`exhaust`] asks.
pub fn engine_names() -> impl Iterator<Item = &'static str> {
    EXHAUSTIVE.iter().map(|&(name, _)| name)
}

/// [`exhaust`] for the engine of this name alone, if there is one.
pub fn exhaust_with(
    name: &str,
    variant: Variant,
    size: Size,
    limit: impl Into<Limit>,
) -> Option<Cell> {
    let (name, engine) = EXHAUSTIVE.iter().find(|(engine, _)| *engine == name)?;
    Some(ask(name, engine, Goal::Exhaust, variant, size, &limit.into()))
}

/// Let every engine find the bug of [`Variant::Buggy`], each within `limit`; samplers from each of
/// [`SEEDS`](crate::SEEDS) seeds, all of them within it.
pub fn find(n: usize, t: usize, k: usize, limit: impl Into<Limit>) -> Vec<Cell> {
    let limit = limit.into();
    let engines = EXHAUSTIVE.iter().chain(&SEARCHING);
    engines
        .map(|(name, engine)| {
            ask(name, engine, Goal::Find, Variant::Buggy, Size::new(n, t, k), &limit)
        })
        .collect()
}

fn ask(
    name: &'static str,
    engine: &Engine,
    goal: Goal,
    variant: Variant,
    size: Size,
    limit: &Limit,
) -> Cell {
    let run = match engine {
        Engine::Dpor(strategy) => on_dpor::run(strategy.clone(), variant, size, limit),
        Engine::Loom(bound) => on_loom::run(*bound, variant, size, limit),
        Engine::Shuttle(Kind::Dfs) => on_shuttle::run(Kind::Dfs, 0, variant, size, limit),
        Engine::Shuttle(kind) => {
            if std::env::var_os("SHUTTLE_RANDOM_SEED").is_some() {
                let outcome =
                    Outcome::Broken("SHUTTLE_RANDOM_SEED makes all seeds the same".to_owned());
                return Cell { engine: name, executions: 0, cut: 0, seconds: 0.0, outcome };
            }
            return Cell::median(name, limit, |seed, left| {
                on_shuttle::run(*kind, seed, variant, size, left)
            });
        }
    };
    Cell::new(name, goal, limit, run)
}

/// dpor under each of its models; and loom, whose part of C11 is its own.
const WITH_MODELS: [(&str, Option<Memory>); 5] = [
    ("dpor, SC", Some(Memory::Sc)),
    ("dpor, TSO", Some(Memory::Tso)),
    ("dpor, PSO", Some(Memory::Pso)),
    ("dpor, RC11", Some(Memory::Weak)),
    ("loom", None),
];

/// Let dpor exhaust the program under each memory model, and loom, each within `limit`.
///
/// The time of what is over in a moment is the median of several searches.
pub fn exhaust_relaxed(program: Relaxed, limit: impl Into<Limit>) -> Vec<Cell> {
    let limit = limit.into();
    let ask = |&(name, memory)| {
        Cell::repeated(name, &limit, || match memory {
            Some(memory) => on_dpor::run_relaxed(memory, program, &limit),
            None => on_loom::run_relaxed(program, &limit),
        })
    };
    WITH_MODELS.iter().map(ask).collect()
}
