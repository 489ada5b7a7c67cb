//! How to explore, and within which limits.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use dpor::{Memory, Strategy};

use crate::sync::{self, Engine};

/// So many executions of [`Method::Exhaustive`] are less than what it takes to try another method.
pub(super) const FEW_EXECUTIONS: u64 = 5_000;

/// So many states cost about as much, and some ten megabytes.
pub(super) const FEW_STATES: usize = 50_000;

/// How to explore.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// [`Exhaustive`](Self::Exhaustive), and where 5,000 executions do not get through,
    /// [`States`](Self::States), if 50,000 of them do: of many executions that lead through few
    /// states. Where neither does, `Exhaustive` to its end. The outcome says which it was.
    Auto,
    /// Every interleaving, one of each class of equivalent ones: source-DPOR, under the memory
    /// model of the race ([`Race::memory`](crate::Race::memory)).
    Exhaustive,
    /// Every state, as far as races ask for it, once: states are told apart, and none is gone on
    /// from twice. Not under RC11.
    States,
    /// Every interleaving, equivalent ones too: plain depth-first search, to check
    /// [`Exhaustive`](Self::Exhaustive) against. Finishes for the smallest worlds only.
    Enumerate,
    /// A random walk under shuttle.
    Random {
        /// Of the random choices.
        seed: u64,
        /// Executions.
        iterations: u64,
    },
    /// Probabilistic concurrency testing under shuttle: random priorities, changed `depth - 1`
    /// times.
    Pct {
        /// Of the random choices.
        seed: u64,
        /// The number of ordering constraints that bugs may need.
        depth: u32,
        /// Executions.
        iterations: u64,
    },
    /// loom: (most of) the C11 memory model. Without a bound as long as that finishes in time,
    /// otherwise with ever smaller ones. Never every interleaving: see FINDING-9 in SPEC.md.
    Loom,
    /// Real threads, as a smoke test.
    Native {
        /// Executions.
        iterations: u64,
    },
}

/// Exhaustive; loom when the whole build is for loom.
impl Default for Method {
    fn default() -> Self {
        match sync::DEFAULT_ENGINE {
            Engine::Loom => Method::Loom,
            Engine::Shuttle | Engine::Native => Method::Auto,
        }
    }
}

impl Method {
    /// The engine's name, for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Auto | Method::Exhaustive => "dpor",
            Method::States => "states",
            Method::Enumerate => "dfs",
            Method::Random { .. } => "random",
            Method::Pct { .. } => "pct",
            Method::Loom => "loom",
            Method::Native { .. } => "native",
        }
    }

    pub(super) fn memory_model(&self, memory: Memory) -> &'static str {
        match self {
            Method::Loom => "C11 without load buffering",
            Method::Native { .. } => "this machine's",
            _ => memory_model(memory),
        }
    }

    /// What the explorer must be told, if shuttle runs it.
    pub(super) fn strategy(&self) -> Option<Strategy> {
        Some(match *self {
            Method::Auto | Method::Exhaustive => Strategy::Dpor,
            Method::States => Strategy::States,
            Method::Enumerate => Strategy::Dfs,
            Method::Random { seed, iterations } => Strategy::Random { seed, iterations },
            Method::Pct { seed, depth, iterations } => Strategy::Pct { seed, depth, iterations },
            Method::Loom | Method::Native { .. } => return None,
        })
    }

    /// How a sample was drawn, if it is one.
    pub(super) fn sample(&self) -> Option<String> {
        match self {
            Method::Random { seed, .. } => Some(format!("random, seed {seed}")),
            Method::Pct { seed, depth, .. } => Some(format!("PCT depth {depth}, seed {seed}")),
            _ => None,
        }
    }

    pub(super) fn engine(&self) -> Engine {
        match self {
            Method::Loom => Engine::Loom,
            Method::Native { .. } => Engine::Native,
            _ => Engine::Shuttle,
        }
    }
}

/// A memory model in words.
pub(crate) fn memory_model(memory: Memory) -> &'static str {
    match memory {
        Memory::Sc => "sequentially consistent",
        Memory::Tso => "TSO",
        Memory::Pso => "PSO",
        Memory::Weak => "RC11",
    }
}

/// The most steps of an execution where memory is not sequentially consistent: whatever has an end
/// has it long before. Under RC11 each of them costs more than the one before.
pub(super) fn longest(memory: Memory) -> usize {
    if memory == Memory::Weak { 1_000 } else { 5_000 }
}

/// Hears, in words, of a CPU that computes and computes without a step.
pub type OnStall = Arc<dyn Fn(&str) + Send + Sync>;

/// Limits and listeners of one exploration. A method with the name of each field sets it:
///
/// ```
/// let options = lockwalk::Options::default().executions(500).witness(true).jobs(2);
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// The most executions, of each method that [`Method::Auto`] tries; under loom with all its
    /// bounds together.
    pub executions: Option<u64>,
    /// The most time; under loom with all its bounds together.
    pub time: Option<Duration>,
    /// The most memory in bytes that the process may have when [`Method::States`] remembers one
    /// more state; more than that are gone on from whenever they are met. Only Linux tells.
    pub memory_limit: Option<u64>,
    /// OS threads to explore on; 0 and 1 mean one. What comes out is the same for any number, but
    /// for what a limit of time cuts short, and for how many states and executions
    /// [`Method::States`] meets where nothing is violated. So a violation is sought on one, and so
    /// is whatever has a limit of executions.
    pub jobs: usize,
    /// Also look for the witness with the fewest preemptive switches, if there is a violation.
    pub witness: bool,
    /// Let the witness be the interleaving in which the violation was found; look for no shorter
    /// one.
    pub as_found: bool,
    /// Set from elsewhere to stop: by Ctrl-C.
    pub stop: Option<Arc<AtomicBool>>,
    /// Hears of a CPU that computes and computes without a step, in words: nobody can stop it. If
    /// nobody hears of it, that is said on stderr, and the process exits with status 2.
    pub on_stall: Option<OnStall>,
    /// How long a CPU may compute without a step: a second of its own time; where loom or real
    /// threads run on a system that does not tell that time, ten by the clock.
    pub patience: Option<Duration>,
    /// Hears now and then how many executions have run.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Options {
    /// Sets the most executions.
    #[must_use]
    pub fn executions(mut self, most: u64) -> Self {
        self.executions = Some(most);
        self
    }

    /// Sets the most time.
    #[must_use]
    pub fn time(mut self, most: Duration) -> Self {
        self.time = Some(most);
        self
    }

    /// Sets the most memory for states, in bytes.
    #[must_use]
    pub fn memory_limit(mut self, most: u64) -> Self {
        self.memory_limit = Some(most);
        self
    }

    /// Sets how many OS threads explore.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs;
        self
    }

    /// Sets whether the witness with the fewest preemptive switches is looked for.
    #[must_use]
    pub fn witness(mut self, wanted: bool) -> Self {
        self.witness = wanted;
        self
    }

    /// Sets whether the witness may be the interleaving in which the violation was found.
    #[must_use]
    pub fn as_found(mut self, may_be: bool) -> Self {
        self.as_found = may_be;
        self
    }

    /// Sets what stops the exploration from elsewhere.
    #[must_use]
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Sets who hears of a CPU that computes and computes without a step.
    #[must_use]
    pub fn on_stall(mut self, hears: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_stall = Some(Arc::new(hears));
        self
    }

    /// Sets how long a CPU may compute without a step.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Sets who hears now and then how many executions have run.
    #[must_use]
    pub fn progress(mut self, hears: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(hears));
        self
    }
}
