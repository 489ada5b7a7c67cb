//! Strategies: which of the enabled tasks runs next, and what the next execution is.

mod alone;
mod commuting;
mod depth_first;
mod fewest;
mod graph;
mod races;
mod random;
mod replay;
mod states;
mod whole;

use std::sync::Arc;

use crate::execution::Explore;
use crate::known::Table;
use crate::pool::Worker;
use crate::report::{Report, Unfinished};
use crate::schedule::Schedule;
use crate::units::Share;

pub(crate) use commuting::Commuting;

/// How to explore.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// Every inequivalent interleaving once: source-DPOR with sleep sets.
    Dpor,
    /// Every interleaving, without any reduction.
    Dfs,
    /// Every state once, as far as races ask for it: [`Dpor`](Self::Dpor) that does not go on from
    /// a state that it has gone on from before. For programs that [name their
    /// state](crate::name_state); see [`algorithm`](crate::algorithm).
    States,
    /// A random enabled task at every step. Samplers give up an execution after 20,000 steps; it
    /// counts as cut.
    Random {
        /// Seed of the random choices.
        seed: u64,
        /// Executions to sample.
        iterations: u64,
    },
    /// Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): random priorities,
    /// changed at `depth - 1` random steps.
    Pct {
        /// Seed of the random choices.
        seed: u64,
        /// The number of ordering constraints of the bugs to find with a guaranteed probability.
        depth: u32,
        /// Executions to sample.
        iterations: u64,
    },
    /// A random walk that weighs tasks by how many steps they have left, so that interleavings are
    /// nearly equally likely (Zhao et al., ASPLOS 2025).
    Urw {
        /// Seed of the random choices.
        seed: u64,
        /// Executions to sample.
        iterations: u64,
    },
    /// One execution again.
    Replay(Schedule),
    /// Every execution without preemptions, then with one, and so on, until one fails; the failing
    /// execution reported has the fewest preemptions, and among those the fewest switches and then
    /// steps.
    FewestPreemptions {
        /// The most preemptions to try; `None` for no limit.
        max: Option<u32>,
    },
}

/// The strategy's working part.
pub(crate) fn explore(
    strategy: &Strategy,
    share: Share,
    worker: Worker,
    table: &Arc<Table>,
) -> Box<dyn Explore> {
    match strategy.clone() {
        Strategy::Dpor | Strategy::Dfs => {
            let plain = *strategy == Strategy::Dfs;
            Box::new(depth_first::DepthFirst::new(!plain, share, worker))
        }
        Strategy::States => Box::new(states::States::new(Arc::clone(table), share, worker)),
        Strategy::Random { seed, iterations } => Box::new(random::Random::new(seed, iterations)),
        Strategy::Pct { seed, depth, iterations } => {
            Box::new(random::Pct::new(seed, depth, iterations))
        }
        Strategy::Urw { seed, iterations } => Box::new(random::Urw::new(seed, iterations)),
        Strategy::Replay(schedule) => Box::new(replay::Replay::new(schedule)),
        Strategy::FewestPreemptions { max } => Box::new(fewest::Fewest::new(max)),
    }
}

/// What samplers conclude: nothing.
fn sampled(finished: bool, report: &mut Report) {
    if finished {
        report.why_unfinished = Some(Unfinished::Sampled);
    }
}
