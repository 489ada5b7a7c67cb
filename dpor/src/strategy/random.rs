//! Samplers: random, PCT and a uniform random walk.

use super::sampled;
use crate::execution::{Core, Explore, Outcomes};
use crate::report::{End, Report};

/// SplitMix64: small, and good enough to choose tasks.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// Steps after which a sampled execution is given up: it may go round in a loop that is fair to
/// nobody, or never twice in the same state.
const LONGEST: usize = 20_000;

/// Uniform choice at every step.
pub(crate) struct Random {
    rng: Rng,
    left: u64,
}

impl Random {
    pub(crate) fn new(seed: u64, iterations: u64) -> Self {
        Random { rng: Rng::new(seed), left: iterations }
    }
}

impl Explore for Random {
    fn begin(&mut self, core: &mut Core) -> bool {
        core.rewind(0);
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if core.trace.depth >= LONGEST {
            return None;
        }
        let enabled = &core.trace.frame(core.trace.depth).enabled;
        enabled.iter().nth(self.rng.below(enabled.len() as u64) as usize)
    }

    fn pick(&mut self, _core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        Some(self.rng.below(outcomes.numbers.len() as u64) as u32)
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        sampled(finished, report);
    }
}

/// Random priorities, lowered at a few random steps.
pub(crate) struct Pct {
    rng: Rng,
    left: u64,
    depth: u32,
    /// Priority of each task; higher runs first.
    priorities: Vec<u64>,
    /// Steps before which the running task falls to the lowest priority.
    changes: Vec<usize>,
    /// The next priority for a task that falls, below all before.
    lowered: u64,
    longest: usize,
}

impl Pct {
    pub(crate) fn new(seed: u64, depth: u32, iterations: u64) -> Self {
        let (priorities, changes) = (Vec::new(), Vec::new());
        Pct {
            rng: Rng::new(seed),
            left: iterations,
            depth,
            priorities,
            changes,
            lowered: 0,
            longest: 0,
        }
    }
}

impl Explore for Pct {
    fn begin(&mut self, core: &mut Core) -> bool {
        if core.trace.depth < LONGEST {
            self.longest = self.longest.max(core.trace.depth);
        }
        core.rewind(0);
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.priorities.clear();
        self.changes.clear();
        self.lowered = 1 << 61;
        if self.longest > 0 {
            for _ in 1..self.depth {
                self.changes.push(self.rng.below(self.longest as u64) as usize);
            }
        }
        true
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        let depth = core.trace.depth;
        if depth >= LONGEST {
            return None;
        }
        while self.priorities.len() < core.tasks().len() {
            // Above every lowered priority.
            self.priorities.push((self.rng.next() >> 1) | 1 << 62);
        }
        let enabled = &core.trace.frame(depth).enabled;
        let best = |priorities: &[u64]| enabled.iter().max_by_key(|&task| priorities[task]);
        let changes = self.changes.iter().filter(|&&change| change == depth).count();
        for _ in 0..changes {
            if let Some(task) = best(&self.priorities) {
                self.lowered -= 1;
                self.priorities[task] = self.lowered;
            }
        }
        best(&self.priorities)
    }

    fn pick(&mut self, _core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        Some(self.rng.below(outcomes.numbers.len() as u64) as u32)
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        sampled(finished, report);
    }
}

/// A task is chosen with a probability proportional to the steps that it has left, judging by
/// earlier executions.
pub(crate) struct Urw {
    rng: Rng,
    left: u64,
    /// Steps of each task, the most seen.
    estimates: Vec<u64>,
    done: Vec<u64>,
}

impl Urw {
    pub(crate) fn new(seed: u64, iterations: u64) -> Self {
        Urw { rng: Rng::new(seed), left: iterations, estimates: Vec::new(), done: Vec::new() }
    }

    fn weight(&self, task: usize) -> u64 {
        let estimate = self.estimates.get(task).copied().unwrap_or(0);
        estimate.saturating_sub(self.done.get(task).copied().unwrap_or(0)).max(1)
    }
}

impl Explore for Urw {
    fn begin(&mut self, core: &mut Core) -> bool {
        core.rewind(0);
        self.done.clear();
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        if core.trace.depth >= LONGEST {
            return None;
        }
        let enabled = &core.trace.frame(core.trace.depth).enabled;
        let total = enabled.iter().map(|task| self.weight(task)).sum();
        let mut at = self.rng.below(total);
        let chosen = enabled.iter().find(|&task| {
            let weight = self.weight(task);
            let found = at < weight;
            at = at.wrapping_sub(weight);
            found
        })?;
        if self.done.len() <= chosen {
            self.done.resize(chosen + 1, 0);
        }
        self.done[chosen] += 1;
        Some(chosen)
    }

    fn end(&mut self, _core: &mut Core, _end: End) {
        if self.estimates.len() < self.done.len() {
            self.estimates.resize(self.done.len(), 0);
        }
        for (estimate, &done) in self.estimates.iter_mut().zip(&self.done) {
            *estimate = (*estimate).max(done);
        }
    }

    fn pick(&mut self, _core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        Some(self.rng.below(outcomes.numbers.len() as u64) as u32)
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        sampled(finished, report);
    }
}
