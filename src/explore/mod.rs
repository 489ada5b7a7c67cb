//! Runs a race under a protocol with an engine, and says what came out.

mod litmus;
mod machine;
mod options;
mod part;
pub(crate) mod program;
mod run;
mod selfcheck;
mod stall;
#[cfg(feature = "cli")]
pub(crate) mod stress;
mod tally;
mod witnessing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpor::{
    Budget, Explorer, Failure, FailureKind, Fairness, Memory, Saved, Schedule, Strategy, Unfinished,
};
use witness::{Count, Coverage, Outcome, Witness};

use crate::race::{Documented, Race};
use crate::spec::{Clause, Protocol};
use crate::sync::{self, Engine, LoomStop};
pub use litmus::{Litmus, LitmusOutcome};
pub use machine::{Halt, Machine};
pub(crate) use options::memory_model;
use options::{FEW_EXECUTIONS, FEW_STATES, longest};
pub use options::{Method, OnStall, Options};
pub use part::{Part, PartError, Shard};
use run::Question;
use stall::{Patience, Watch};
use tally::Tally;
pub use witnessing::ReplayError;

/// The kernel's locks are queues (and its spin locks tickets, since 2.6.25): who waits for one that
/// is free again and again gets it some day. A schedule in which he never does is not counted as a
/// livelock.
pub(super) const FAIRNESS: Fairness = Fairness::Strong;

impl Race {
    /// Explores every interleaving under `protocol`, and finds the shortest witness if one violates
    /// something.
    ///
    /// ```
    /// use lockwalk::{Era, Mark, Race};
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
    ///     .sometimes("the load waits for the migration", |e| {
    ///         e.saw(Mark::FAULT_MEETS_MIGRATION_ENTRY)
    ///     });
    /// let outcome = race.check(&Era::V2_6_36);
    /// assert!(outcome.as_documented(), "{:?}", outcome.objections());
    /// ```
    ///
    /// Under a protocol that the race makes no sense under, the outcome says so
    /// ([`Coverage::Inapplicable`]).
    ///
    /// # Panics
    /// When the race asks for what makes no sense anywhere, a process that there is not say, with
    /// its line; and when something panics that is no assertion: while the world is built or
    /// audited, or in a condition. Of assertions see [`cpu`](Race::cpu).
    pub fn check(&self, protocol: &Protocol) -> Outcome {
        self.check_with(protocol, &Method::default(), &Options::default().witness(true))
    }

    /// Explores with the given method and limits.
    ///
    /// # Panics
    /// As [`check`](Race::check).
    pub fn check_with(&self, protocol: &Protocol, method: &Method, options: &Options) -> Outcome {
        sync::applied(|| self.explored(protocol, method, options)).unwrap_or_else(|why| {
            Exploration::new(self, protocol, method, options)
                .outcome(Coverage::Inapplicable { why })
        })
    }

    fn explored(&self, protocol: &Protocol, method: &Method, options: &Options) -> Outcome {
        let exploration = Exploration::new(self, protocol, method, options);
        match method {
            Method::Auto => exploration.decide(),
            _ => exploration.run(),
        }
        .outcome()
    }

    /// Runs one schedule again, and shows what happens in it.
    ///
    /// # Errors
    /// When the schedule does not fit the race, nothing is violated in it, or the race makes no
    /// sense under the protocol.
    pub fn replay(&self, protocol: &Protocol, schedule: &Schedule) -> Result<Witness, ReplayError> {
        witnessing::replay(self, protocol, schedule)
    }

    /// An interleaving under a protocol that violates nothing, to be shown with `schedule`, which
    /// is that of a violation under another protocol: of all there are, the one whose turns differ
    /// from it by the fewest steps. `None` if something is violated, or there are more than so many
    /// executions.
    pub fn twin(
        &self,
        protocol: &Protocol,
        schedule: &Schedule,
        executions: u64,
    ) -> Option<Witness> {
        witnessing::twin(self, protocol, schedule, executions)
    }
}

/// What the documents say.
fn stated(documented: Option<Documented>) -> witness::Expected {
    match documented {
        None => witness::Expected::Unstated,
        Some(Documented::Holds) => witness::Expected::Holds,
        Some(Documented::Violates(clause)) => witness::Expected::Violates(clause.id().into()),
        Some(Documented::StillViolates(clause)) => {
            witness::Expected::StillViolates(clause.id().into())
        }
    }
}

/// What an exploration under shuttle leaves behind.
struct Explored {
    coverage: Coverage,
    /// An interleaving that failed; one that shows what is sought, if there is one.
    sample: Option<Schedule>,
    /// What it takes to go on.
    saved: Option<Saved>,
    /// Why it did not go to its end.
    why: Option<Unfinished>,
}

impl Explored {
    /// Of an engine that says nothing else.
    fn covers(coverage: Coverage) -> Self {
        Self { coverage, sample: None, saved: None, why: None }
    }
}

/// One exploration under way.
struct Exploration<'o> {
    question: Arc<Question>,
    method: &'o Method,
    tally: Arc<Mutex<Tally>>,
    options: &'o Options,
    /// It is given up where it takes much. The search for a witness is not.
    brief: bool,
    started: Instant,
}

/// One that is over, but for the witness.
struct Ran<'o> {
    exploration: Exploration<'o>,
    explored: Explored,
}

impl Ran<'_> {
    /// What came out, with a witness if there is to be one.
    fn outcome(self) -> Outcome {
        let Ran { exploration, explored: Explored { coverage, sample, .. } } = self;
        let mut outcome = exploration.outcome(coverage);
        {
            let tally = exploration.tally();
            tally::conclude(&mut outcome, &tally.beside(), &tally.lock_order());
        }
        if let (true, Some(clause)) = (exploration.options.witness, exploration.sought()) {
            outcome.witness = exploration.witness(clause, sample, &outcome);
        }
        outcome.seconds = exploration.started.elapsed().as_secs_f64();
        outcome
    }
}

impl<'o> Exploration<'o> {
    fn new(race: &Race, protocol: &Protocol, method: &'o Method, options: &'o Options) -> Self {
        let focus = race.documented(protocol).and_then(Documented::clause);
        let question = Question {
            race: race.clone(),
            protocol: race.called(protocol),
            engine: method.engine(),
            focus,
            tracing: false,
        };
        let tally = Arc::new(Mutex::new(Tally::new(race)));
        let (question, started) = (Arc::new(question), Instant::now());
        Self { question, method, tally, options, brief: false, started }
    }

    /// The same question for another method, which knows nothing yet. The time that has passed
    /// counts.
    fn again(&self, method: &'o Method) -> Self {
        let tally = Arc::new(Mutex::new(Tally::new(&self.question.race)));
        Self { question: self.question.clone(), method, tally, ..*self }
    }

    fn briefly(&self, method: &'o Method) -> Self {
        Self { brief: true, ..self.again(method) }
    }

    /// [`Method::Auto`].
    fn decide(self) -> Ran<'o> {
        let limit = self.options.executions.unwrap_or(u64::MAX);
        if limit <= FEW_EXECUTIONS || self.question.race.memory_model() == Memory::Weak {
            return self.again(&Method::Exhaustive).run();
        }
        let first = self.briefly(&Method::Exhaustive).run();
        if first.explored.why != Some(Unfinished::Executions) {
            return first;
        }
        let states = self.briefly(&Method::States).run();
        match states.explored.why {
            // It is not worth it, or cannot be done.
            Some(
                Unfinished::States(_)
                | Unfinished::Executions
                | Unfinished::TooLong { .. }
                | Unfinished::Unavailable(_),
            ) => self.again(&Method::Exhaustive).run(),
            // Executions say more of how far it came.
            Some(Unfinished::Time | Unfinished::Stopped) => {
                let coverage = states.explored.coverage;
                Ran { explored: Explored { coverage, ..first.explored }, ..first }
            }
            // It is decided, or a state is not what it was before.
            _ => states,
        }
    }

    fn run(self) -> Ran<'o> {
        let explored = match (self.method, self.method.strategy()) {
            (_, Some(strategy)) => {
                self.explore(&|explorer| explorer, strategy, self.method.sample())
            }
            (_, None) if self.question.race.memory_model() != Memory::Sc => {
                let name = self.method.name();
                let why = format!("{name} has a memory model of its own, and takes no other");
                Explored::covers(Coverage::Unfinished { why })
            }
            (Method::Native { iterations }, None) => Explored::covers(self.native(*iterations)),
            (_, None) => Explored::covers(self.loom()),
        };
        Ran { exploration: self, explored }
    }

    /// What has come out so far.
    fn outcome(&self, coverage: Coverage) -> Outcome {
        let (race, tally) = (&self.question.race, self.tally());
        let protocol = &self.question.protocol;
        let mut outcome = Outcome::new(race.id(), race.title(), protocol.to_string(), coverage);
        outcome.engine = self.method.name().into();
        outcome.memory_model = self.method.memory_model(race.memory_model()).into();
        outcome.executions = tally.executions;
        outcome.states = tally.states;
        outcome.violating = tally.violating;
        outcome.violations = tally.violations();
        outcome.clauses = tally.clauses(&self.must_meet());
        outcome.endings = tally.endings(race);
        outcome.operations = tally.operations(race);
        outcome.showing = self.showing(tally.shown);
        outcome.documented = stated(race.documented(protocol));
        outcome.seconds = self.started.elapsed().as_secs_f64();
        outcome
    }

    /// The clauses of which "never" says nothing unless they were evaluated: those that the race
    /// violates elsewhere.
    fn must_meet(&self) -> Vec<Clause> {
        let Question { race, protocol, engine, .. } = &*self.question;
        let meets = |clause: &Clause| {
            !race.omits(protocol, *clause)
                && (*clause != Clause::LIVELOCK || *engine == Engine::Shuttle)
        };
        race.cases()
            .iter()
            .filter_map(|(_, documented)| documented.clause())
            .filter(meets)
            .collect()
    }

    /// The violated clause that a witness is wanted of.
    fn sought(&self) -> Option<Clause> {
        let tally = self.tally();
        self.question
            .focus
            .filter(|&clause| tally.violated(clause))
            .or_else(|| tally.any_violated())
    }

    /// Was what is documented to be violated seen?
    fn shown(&self) -> bool {
        self.tally().shown > 0
    }

    /// How many executions violate what is documented in the way that the race wants it shown, if
    /// it says how.
    fn showing(&self, executions: u64) -> Vec<Count> {
        let labels: Vec<_> =
            self.question.race.shows().iter().map(|condition| condition.label.as_str()).collect();
        let said = self.question.focus.is_some() && !labels.is_empty();
        said.then(|| Count::new(labels.join(" and "), executions)).into_iter().collect()
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears(&self) -> Arc<run::Hears> {
        let (question, tally, by_states) =
            (self.question.clone(), self.tally.clone(), *self.method == Method::States);
        Arc::new(move |exec, ended| {
            tally.lock().unwrap_or_else(PoisonError::into_inner).record(
                &question.race,
                exec,
                ended,
                by_states,
            )
        })
    }

    fn program(&self) -> run::Program {
        run::Program { patience: Patience::of(self.options), ..self.question.clone().program() }
    }

    /// Which CPU goes on and on, and where.
    fn busiest(&self) -> String {
        self.tally().busiest(&self.question.race)
    }

    /// Watches the executions on an engine that does not do it itself.
    fn watch(&self) -> Watch {
        let cpus = self.question.race.cpu_names().map(str::to_owned).collect();
        Watch::new(self.question.whose(), cpus, &Patience::of(self.options))
    }

    fn stopped(&self) -> bool {
        self.options.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Runs under shuttle. Where a loop that led back was left, and that might show, it may end by
    /// itself if it goes round again and again: then that says all.
    fn explore(
        &self,
        start: &dyn Fn(Explorer) -> Explorer,
        strategy: Strategy,
        sampled: Option<String>,
    ) -> Explored {
        let found = self.explored(start, strategy.clone(), sampled.clone());
        if found.why != Some(Unfinished::Rounds) {
            return found;
        }
        let tally = std::mem::replace(&mut *self.tally(), Tally::new(&self.question.race));
        let all = self.explored(&|explorer| start(explorer).every_round(true), strategy, sampled);
        if all.coverage.unfinished().is_none() {
            return all;
        }
        *self.tally() = tally;
        found
    }

    /// Runs under shuttle, on several threads as long as nothing is violated. A violation ends its
    /// execution early, so how many there are depends on how the exploration is divided: where one
    /// turns up, it is begun again on one thread. `start` says where it begins.
    fn explored(
        &self,
        start: &dyn Fn(Explorer) -> Explorer,
        strategy: Strategy,
        sampled: Option<String>,
    ) -> Explored {
        // What is documented to be violated ends the exploration; a limit of executions means the
        // same for any number of threads; and samples are not divided.
        let alone = self.brief
            || self.question.focus.is_some()
            || self.options.executions.is_some()
            || sampled.is_some();
        let explorer = || {
            let time = self.options.time.map(|time| time.saturating_sub(self.started.elapsed()));
            let explorer = start(self.explorer(strategy.clone(), time));
            match self.method {
                Method::States if self.brief => explorer.few_states(FEW_STATES),
                _ if self.brief => {
                    explorer.budget(Budget { executions: Some(FEW_EXECUTIONS), time })
                }
                _ => explorer,
            }
        };
        if alone || self.options.jobs < 2 {
            return self.shuttle(explorer(), sampled);
        }
        let divided = self.shuttle(explorer().jobs(self.options.jobs).stop_at_first(true), None);
        if divided.coverage != Coverage::Settled {
            return divided;
        }
        let found = std::mem::replace(&mut *self.tally(), Tally::new(&self.question.race));
        let alone = self.shuttle(explorer(), sampled);
        if alone.coverage.unfinished().is_none() || self.tally().any_violated().is_some() {
            return alone;
        }
        // It was stopped before it came to the violation.
        *self.tally() = found;
        Explored { coverage: alone.coverage, ..divided }
    }

    fn explorer(&self, strategy: Strategy, time: Option<Duration>) -> Explorer {
        let budget = Budget { executions: self.options.executions, time };
        let memory = self.question.race.memory_model();
        let mut explorer = Explorer::new(strategy).fairness(FAIRNESS).budget(budget).memory(memory);
        if memory != Memory::Sc {
            explorer = explorer.max_steps(longest(memory));
        }
        if let Some(most) = self.options.memory_limit {
            explorer = explorer.max_memory(most);
        }
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
        let shown: Arc<Mutex<Option<Schedule>>> = Arc::default();
        if let Some(clause) = self.question.focus {
            let shown = shown.clone();
            // One execution that shows what is claimed settles the claim; the witness is sought
            // separately.
            explorer = explorer.stop_at_first(true).wanted(move |failure| {
                let shows = witnessing::shows(failure, clause);
                if shows {
                    shown
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert_with(|| failure.schedule.clone());
                }
                shows
            });
        }
        let report = run::on_shuttle(explorer, self.program(), self.hears());
        if *self.method == Method::States {
            self.tally().states = Some(report.states);
        }
        // A sampler goes on without an execution that is too long.
        let sampled = sampled.map(|how| match report.blocked {
            0 => how,
            many => format!("{how}: {many} given up{}", self.busiest()),
        });
        let coverage = match (&report.why_unfinished, sampled) {
            (None, _) if report.exhausted => Coverage::Exhaustive,
            (Some(Unfinished::Found), _) => Coverage::Settled,
            (Some(Unfinished::Sampled) | None, Some(how)) => Coverage::Sampled { how },
            // A sample that is cut short is a smaller one.
            (
                Some(why @ (Unfinished::Executions | Unfinished::Time | Unfinished::Stopped)),
                Some(how),
            ) => Coverage::Sampled { how: format!("{how}: {why}") },
            (Some(Unfinished::TooLong { steps, .. }), _) => Coverage::Unfinished {
                why: format!("an execution has more than {steps} steps{}", self.busiest()),
            },
            (Some(Unfinished::Nondeterminism), _) => {
                let what = |failure: &Failure| {
                    matches!(failure.kind, FailureKind::Nondeterminism { .. })
                        .then(|| failure.kind.to_string())
                };
                let what = report.failures.iter().find_map(what);
                Coverage::Unfinished {
                    why: what.unwrap_or_else(|| Unfinished::Nondeterminism.to_string()),
                }
            }
            (Some(why), _) => Coverage::Unfinished { why: why.to_string() },
            (None, None) => {
                Coverage::Unfinished { why: "the engine does not say that nothing is left".into() }
            }
        };
        let shown = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sample = shown.or_else(|| report.failure().map(|failure| failure.schedule.clone()));
        Explored { coverage, sample, saved: report.saved, why: report.why_unfinished }
    }

    /// Runs under loom: without a bound for a while, then with ever smaller bounds. Each may take a
    /// quarter of what is allowed.
    fn loom(&self) -> Coverage {
        if let Some(why) = sync::loom_refuses(self.question.race.cpu_names().count()) {
            return Coverage::Unfinished { why };
        }
        let _watch = self.watch();
        let bounds = [None, Some(3), Some(2), Some(1)];
        let quarter = self.options.time.unwrap_or(LOOM_PATIENCE) / 4;
        let executions: Arc<AtomicU64> = Arc::default();
        for (tried, bound) in bounds.into_iter().enumerate() {
            *self.tally() = Tally::new(&self.question.race);
            let (stop, progress) = (self.options.stop.clone(), self.options.progress.clone());
            let limit = self.options.executions.map(|all| {
                let used = executions.load(Ordering::Relaxed);
                used + (all - used).div_ceil((bounds.len() - tried) as u64)
            });
            let until = self.started + quarter * (tried as u32 + 1);
            let counted = executions.clone();
            let go_on = move || {
                let before = counted.load(Ordering::Relaxed);
                if let Some(progress) = &progress
                    && before.is_multiple_of(256)
                {
                    progress(before);
                }
                let go_on = limit.is_none_or(|limit| before < limit)
                    && Instant::now() < until
                    && !stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
                counted.fetch_add(u64::from(go_on), Ordering::Relaxed);
                go_on
            };
            let report = run::on_loom(bound, go_on, self.program(), &self.hears());
            let unfinished = |why: &str| Coverage::Unfinished { why: why.into() };
            return match report.stopped {
                None if self.question.focus == Some(Clause::LIVELOCK) => {
                    unfinished("loom cannot tell a livelock")
                }
                Some(LoomStop::Ended | LoomStop::Deadlock(_)) if self.shown() => Coverage::Settled,
                None => Coverage::Bounded { bound: loom_bound(bound, report.yielded) },
                Some(LoomStop::Limit) if !self.stopped() && bound != Some(1) => continue,
                Some(LoomStop::Limit) => {
                    let (all, last) = (executions.load(Ordering::Relaxed), self.tally().executions);
                    let within = bound
                        .map(|_| format!(", {last} of them within {}", loom_bound(bound, false)));
                    unfinished(&format!(
                        "stopped after {all} executions{}",
                        within.unwrap_or_default()
                    ))
                }
                Some(LoomStop::Ended | LoomStop::Deadlock(_)) => {
                    unfinished("loom stops at the first violation")
                }
                Some(LoomStop::CannotExplore(why)) => unfinished(&why),
                Some(LoomStop::TooLong) if report.yielded => {
                    unfinished("an execution retries without end; loom cannot tell a livelock")
                }
                Some(LoomStop::TooLong) => {
                    unfinished(&format!("an execution has too many steps{}", self.busiest()))
                }
            };
        }
        unreachable!("the smallest bound returns")
    }

    /// Runs on real threads.
    fn native(&self, iterations: u64) -> Coverage {
        let (program, hears, _watch) = (self.program(), self.hears(), self.watch());
        for n in 0..iterations {
            if let Some(progress) = &self.options.progress
                && n.is_multiple_of(64)
            {
                progress(n);
            }
            let late = self.options.time.is_some_and(|time| self.started.elapsed() > time);
            if late || self.stopped() {
                return Coverage::Sampled {
                    how: format!("real threads: stopped after {n} executions"),
                };
            }
            if let Err(sync::Endless) = run::on_threads(&program, &*hears) {
                let why =
                    "an execution goes on without end, and real threads cannot tell a livelock";
                return Coverage::Unfinished { why: format!("{why}{}", self.busiest()) };
            }
        }
        Coverage::Sampled { how: "real threads".into() }
    }

    fn witness(
        &self,
        clause: Clause,
        sample: Option<Schedule>,
        outcome: &Outcome,
    ) -> Option<Witness> {
        if self.options.as_found {
            return witnessing::sampled(&self.question, clause, &sample?, outcome);
        }
        witnessing::find(&self.question, clause, sample, outcome, &|strategy| {
            self.explorer(strategy, self.options.time)
        })
    }
}

/// How long loom may try, without a bound and with all of them.
const LOOM_PATIENCE: Duration = Duration::from_secs(20);

/// Within what loom has left nothing. Without a bound that is not yet every interleaving, least of
/// all around a yield (SPEC.md, FINDING-9).
fn loom_bound(preemptions: Option<usize>, yielded: bool) -> String {
    let preemptions =
        preemptions.map(|n| format!("{n} preemption{}", if n == 1 { "" } else { "s" }));
    match (preemptions, yielded) {
        (None, false) => "what loom explores".into(),
        (None, true) => "what loom tries around a yield".into(),
        (Some(bound), false) => bound,
        (Some(bound), true) => format!("{bound} and what loom tries around a yield"),
    }
}
