//! Runs a race under a protocol with an engine, and says what came out.

mod litmus;
mod part;
mod run;
mod tally;
mod witnessing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpor::{Budget, Explorer, Failure, FailureKind, Fairness, Saved, Schedule, Strategy, Unfinished};
use witness::{Coverage, Outcome, Witness};

use crate::race::{Documented, Race};
use crate::spec::{Clause, Protocol, Violation};
use crate::sync::{self, Engine, LoomStop};
pub use litmus::{Litmus, LitmusOutcome};
pub use part::{Part, PartError, Shard};
use run::Plan;
use tally::Tally;

/// The kernel's locks are queues (and its spin locks tickets, since 2.6.25): who waits for one that is free again and again gets it some
/// day. A schedule in which he never does is not counted as a livelock.
pub(super) const FAIRNESS: Fairness = Fairness::Strong;

/// How to explore.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Every interleaving, one of each class of equivalent ones: source-DPOR on shuttle. Sequentially consistent.
    Exhaustive,
    /// Every interleaving, equivalent ones too: plain depth-first search on shuttle, to check [`Exhaustive`](Self::Exhaustive) against.
    /// Finishes for the smallest worlds only.
    Enumerate,
    /// A random walk under shuttle.
    Random {
        /// Of the random choices.
        seed: u64,
        /// Executions.
        iterations: u64,
    },
    /// Probabilistic concurrency testing under shuttle: random priorities, changed `depth - 1` times.
    Pct {
        /// Of the random choices.
        seed: u64,
        /// The number of ordering constraints that bugs may need.
        depth: u32,
        /// Executions.
        iterations: u64,
    },
    /// loom: (most of) the C11 memory model. Without a bound as long as that finishes in time, otherwise with ever smaller ones.
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
            Engine::Shuttle | Engine::Native => Method::Exhaustive,
        }
    }
}

impl Method {
    /// The engine's name, for reports.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Exhaustive => "dpor",
            Method::Enumerate => "dfs",
            Method::Random { .. } => "random",
            Method::Pct { .. } => "pct",
            Method::Loom => "loom",
            Method::Native { .. } => "native",
        }
    }

    fn memory_model(&self) -> &'static str {
        match self {
            Method::Loom => "C11 without load buffering",
            Method::Native { .. } => "this machine's",
            _ => "sequentially consistent",
        }
    }

    /// What the explorer must be told, if shuttle runs it.
    fn strategy(&self) -> Option<Strategy> {
        Some(match *self {
            Method::Exhaustive => Strategy::Dpor,
            Method::Enumerate => Strategy::Dfs,
            Method::Random { seed, iterations } => Strategy::Random { seed, iterations },
            Method::Pct { seed, depth, iterations } => Strategy::Pct { seed, depth, iterations },
            Method::Loom | Method::Native { .. } => return None,
        })
    }

    /// How a sample was drawn, if it is one.
    fn sample(&self) -> Option<String> {
        match self {
            Method::Random { seed, .. } => Some(format!("random, seed {seed}")),
            Method::Pct { seed, depth, .. } => Some(format!("PCT depth {depth}, seed {seed}")),
            _ => None,
        }
    }

    fn engine(&self) -> Engine {
        match self {
            Method::Loom => Engine::Loom,
            Method::Native { .. } => Engine::Native,
            _ => Engine::Shuttle,
        }
    }
}

/// Limits and listeners of one exploration.
#[derive(Clone, Default)]
pub struct Options {
    /// The most executions.
    pub executions: Option<u64>,
    /// The most time.
    pub time: Option<Duration>,
    /// OS threads to explore on; 0 and 1 mean one. A violation that is documented is sought on one: which is found first would
    /// depend on their timing otherwise.
    pub jobs: usize,
    /// Also look for the witness with the fewest preemptive switches, if there is a violation.
    pub witness: bool,
    /// Let the witness be the interleaving in which the violation was found; look for no shorter one.
    pub as_found: bool,
    /// Set from elsewhere to stop: by Ctrl-C.
    pub stop: Option<Arc<AtomicBool>>,
    /// Hears now and then how many executions have run.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Race {
    /// Explores every interleaving under `protocol`, and finds the shortest witness if one violates something.
    ///
    /// ```
    /// use lockwalk::{Clause, Era, Race};
    ///
    /// let race = Race::new("mine", "a load while the page is migrated")
    ///     .world(|w| {
    ///         let p = w.new_process();
    ///         p.mmap(1..3);
    ///         p.touch(1);
    ///     })
    ///     .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    ///     .cpu("load", |w| {
    ///         w.process(0).load(1).expect("it is mapped");
    ///     })
    ///     .holds(Era::V2_6_36)
    ///     .sometimes("the load waits for the migration", |e| e.saw("fault", "meets a migration entry"));
    /// let outcome = race.check(&Era::V2_6_36);
    /// assert!(outcome.as_documented(), "{:?}", outcome.objections());
    /// ```
    pub fn check(&self, protocol: &Protocol) -> Outcome {
        self.check_with(protocol, &Method::default(), &Options { witness: true, ..Options::default() })
    }

    /// Explores with the given method and limits.
    pub fn check_with(&self, protocol: &Protocol, method: &Method, options: &Options) -> Outcome {
        let exploration = Exploration::new(self, protocol, method, options);
        let (coverage, sample) = match (method, method.strategy()) {
            (_, Some(strategy)) => {
                let explored = exploration.shuttle(exploration.explorer(strategy), method.sample());
                (explored.coverage, explored.sample)
            }
            (Method::Native { iterations }, None) => (exploration.native(*iterations), None),
            (_, None) => (exploration.loom(), None),
        };
        let mut outcome = exploration.outcome(coverage);
        tally::conclude(&mut outcome, &exploration.tally().lock_order());
        if let (true, Some(clause)) = (options.witness, exploration.sought()) {
            outcome.witness = exploration.witness(clause, sample, &outcome);
        }
        outcome.seconds = exploration.started.elapsed().as_secs_f64();
        outcome
    }

    /// Runs one schedule again, and shows what happens in it.
    ///
    /// # Errors
    /// When the schedule does not fit the race, or nothing is violated in it.
    pub fn replay(&self, protocol: &Protocol, schedule: &Schedule) -> Result<Witness, String> {
        witnessing::replay(self, protocol, schedule)
    }
}

/// What the documents say, as far as the method can tell: a livelock shows only to an engine that knows states, and real threads prove
/// nothing.
fn stated(documented: Option<Documented>, method: &Method) -> witness::Documented {
    match documented {
        Some(Documented::Holds) => witness::Documented::Holds,
        None => witness::Documented::Unstated,
        Some(Documented::Violates(_) | Documented::StillViolates(_)) if matches!(method, Method::Native { .. }) => {
            witness::Documented::Unstated
        }
        Some(Documented::Violates(Clause::LIVELOCK)) if *method == Method::Loom => witness::Documented::Unstated,
        Some(Documented::Violates(clause)) => witness::Documented::Violates(clause.id().into()),
        Some(Documented::StillViolates(clause)) => witness::Documented::StillViolates(clause.id().into()),
    }
}

/// What an exploration under shuttle leaves behind.
struct Explored {
    coverage: Coverage,
    /// An interleaving that failed; one that shows what is sought, if there is one.
    sample: Option<Schedule>,
    /// What it takes to go on.
    saved: Option<Saved>,
}

/// One exploration under way.
struct Exploration<'o> {
    plan: Arc<Plan>,
    method: &'o Method,
    tally: Arc<Mutex<Tally>>,
    options: &'o Options,
    started: Instant,
}

impl<'o> Exploration<'o> {
    fn new(race: &Race, protocol: &Protocol, method: &'o Method, options: &'o Options) -> Self {
        let focus = match race.documented(protocol) {
            Some(Documented::Violates(clause) | Documented::StillViolates(clause)) => Some(clause),
            Some(Documented::Holds) | None => None,
        };
        let plan = Plan { race: race.clone(), protocol: protocol.clone(), engine: method.engine(), focus, tracing: false };
        let tally = Arc::new(Mutex::new(Tally::new(race)));
        Self { plan: Arc::new(plan), method, tally, options, started: Instant::now() }
    }

    /// What has come out so far.
    fn outcome(&self, coverage: Coverage) -> Outcome {
        let (race, tally) = (&self.plan.race, self.tally());
        Outcome {
            race: race.id().into(),
            title: race.title().into(),
            protocol: self.plan.protocol.to_string(),
            engine: self.method.name().into(),
            memory_model: self.method.memory_model().into(),
            executions: tally.executions,
            coverage,
            violations: tally.violations(),
            clauses: tally.clauses(),
            endings: tally.endings(race),
            documented: stated(race.documented(&self.plan.protocol), self.method),
            seconds: self.started.elapsed().as_secs_f64(),
            witness: None,
        }
    }

    /// The violated clause that a witness is wanted of.
    fn sought(&self) -> Option<Clause> {
        let tally = self.tally();
        self.plan.focus.filter(|&clause| tally.violated(clause)).or_else(|| tally.any_violated())
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> run::Ended {
        let (plan, tally) = (self.plan.clone(), self.tally.clone());
        Arc::new(move |exec| tally.lock().unwrap_or_else(PoisonError::into_inner).record(&plan.race, exec))
    }

    fn program(&self) -> impl Fn() + Send + Sync + 'static {
        let (plan, ended) = (self.plan.clone(), self.ended());
        move || plan.execute(ended.clone())
    }

    fn stopped(&self) -> bool {
        self.options.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn explorer(&self, strategy: Strategy) -> Explorer {
        let jobs = if self.plan.focus.is_some() { 1 } else { self.options.jobs };
        let budget = Budget { executions: self.options.executions, time: self.options.time };
        let mut explorer = Explorer::new(strategy).fairness(FAIRNESS).budget(budget).jobs(jobs);
        if let Some(stop) = &self.options.stop {
            explorer = explorer.stop_flag(stop.clone());
        }
        if let Some(progress) = self.options.progress.clone() {
            explorer = explorer.on_progress(move |report| progress(report.executions));
        }
        explorer
    }

    /// Runs under shuttle.
    fn shuttle(&self, mut explorer: Explorer, sampled: Option<String>) -> Explored {
        if let Some(clause) = self.plan.focus {
            // One execution that shows what is claimed settles the claim; the witness is sought separately.
            explorer = explorer.stop_at_first(true).wanted(move |failure| witnessing::shows(failure, clause));
        }
        let report = explorer.run(self.program());
        for failure in &report.failures {
            if let Some(violation) = engine_violation(failure) {
                self.tally().add_violation(violation.clause, 1);
            }
        }
        let coverage = match (&report.why_unfinished, sampled) {
            (None, _) if report.exhausted => Coverage::Exhaustive,
            (Some(Unfinished::Sampled) | None, Some(how)) => Coverage::Sampled { how },
            (Some(why), _) => Coverage::Unfinished { why: why.to_string() },
            (None, None) => Coverage::Unfinished { why: "the engine does not say that nothing is left".into() },
        };
        let sought = |failure: &&Failure| self.plan.focus.is_none_or(|clause| witnessing::shows(failure, clause));
        let sample = report.failures.iter().find(sought).or(report.failures.first()).map(|failure| failure.schedule.clone());
        Explored { coverage, sample, saved: report.saved }
    }

    /// Runs under loom: without a bound for a while, then with ever smaller bounds.
    fn loom(&self) -> Coverage {
        let patience = self.options.time.unwrap_or(LOOM_PATIENCE);
        for bound in [None, Some(3), Some(2), Some(1)] {
            *self.tally() = Tally::new(&self.plan.race);
            let started = Instant::now();
            let (limit, progress, stop) =
                (self.options.executions.unwrap_or(u64::MAX), self.options.progress.clone(), self.options.stop.clone());
            let go_on = move |executions: u64| {
                if let Some(progress) = &progress
                    && executions.is_multiple_of(256)
                {
                    progress(executions);
                }
                executions < limit && started.elapsed() < patience && !stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
            };
            let report = sync::explore_loom(bound, go_on, self.program());
            if let Some(violating) = &report.violating {
                (self.ended())(violating);
            }
            let how = bound.map(|n| format!("{n} preemptions"));
            return match (report.stopped, how) {
                (None, None) if report.exhausted => Coverage::Exhaustive,
                (None, None) => Coverage::Bounded { bound: "what loom tries around a yield".into() },
                (None, Some(bound)) => Coverage::Bounded { bound },
                (Some(LoomStop::Limit), _) if !self.stopped() && bound != Some(1) => continue,
                (Some(LoomStop::Limit), _) => Coverage::Unfinished { why: format!("stopped after {} executions", report.executions) },
                (Some(LoomStop::Violation), _) => Coverage::Unfinished { why: "loom stops at the first violation".into() },
                (Some(LoomStop::Deadlock(_)), _) => {
                    self.tally().add_violation(Clause::DEADLOCK, 1);
                    Coverage::Unfinished { why: "loom stops at the first violation".into() }
                }
                (Some(LoomStop::CannotExplore(why)), _) => Coverage::Unfinished { why },
                (Some(LoomStop::TooLong), _) => {
                    Coverage::Unfinished { why: "an execution retries without end; loom cannot tell a livelock".into() }
                }
            };
        }
        unreachable!("the smallest bound returns")
    }

    /// Runs on real threads.
    fn native(&self, iterations: u64) -> Coverage {
        let program = self.program();
        let started = Instant::now();
        for n in 0..iterations {
            if let Some(progress) = &self.options.progress
                && n.is_multiple_of(64)
            {
                progress(n);
            }
            let late = self.options.time.is_some_and(|time| started.elapsed() > time);
            if late || self.stopped() {
                return Coverage::Unfinished { why: format!("stopped after {n} executions") };
            }
            if let Err(sync::Endless) = sync::run_native(&program) {
                return Coverage::Unfinished { why: "an execution retries without end; real threads cannot tell a livelock".into() };
            }
        }
        Coverage::Sampled { how: "real threads".into() }
    }

    fn witness(&self, clause: Clause, sample: Option<Schedule>, outcome: &Outcome) -> Option<Witness> {
        if self.options.as_found {
            return witnessing::sampled(&self.plan, clause, &sample?, outcome);
        }
        witnessing::find(&self.plan, clause, sample, outcome, &|strategy| self.explorer(strategy).jobs(1))
    }
}

/// How long loom may try without a bound, and with each bound.
const LOOM_PATIENCE: Duration = Duration::from_secs(5);

/// What a failure that the engine found by itself violates.
fn engine_violation(failure: &Failure) -> Option<Violation> {
    match &failure.kind {
        FailureKind::Deadlock { .. } => Some(Violation::new(Clause::DEADLOCK, failure.kind.to_string())),
        FailureKind::Livelock { cycle, .. } => {
            let what = format!("{} steps bring everybody back to where they were, and nobody is held up", cycle.len());
            Some(Violation::new(Clause::LIVELOCK, what))
        }
        FailureKind::Panic { .. } | FailureKind::Nondeterminism { .. } => None,
    }
}
