//! What lasts from one execution to the next: budget, callbacks, and the report in the making.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Op;
use crate::execution::{Core, Explore};
use crate::report::{End, Failure, FailureKind, Report, Unfinished};
use crate::saved::{Saved, SavedStack};
use crate::schedule::Schedule;

/// Limits of an exploration. It never claims to be exhaustive when one of them ended it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Budget {
    /// The most executions.
    pub executions: Option<u64>,
    /// The most time; checked between executions, and now and then in very long ones.
    pub time: Option<Duration>,
}

/// An execution that has just ended.
pub struct Execution<'a> {
    /// Its number, from 0.
    pub index: u64,
    /// How it ended.
    pub end: End,
    /// Its failure.
    pub failure: Option<&'a Failure>,
    /// Its announced steps.
    pub steps: usize,
    /// Switches away from a task that could have gone on, and what counts as one
    /// ([`Failure::preemptions`]).
    pub preemptions: u32,
    /// All switches.
    pub switches: u32,
    /// Whether it is one of [`Report::complete`]: not cut, not another one with a detour, and not a
    /// failure that was counted already.
    pub counted: bool,
    core: &'a Core,
}

impl Execution<'_> {
    /// Which task ran at each step.
    pub fn schedule(&self) -> Schedule {
        self.core.schedule()
    }

    /// Tells the failure of a task that panicked from others: it is the same if the same failure
    /// follows after the same steps, whatever else has happened meanwhile. With it the failures of
    /// several [shards](crate::Explorer::shard) can be counted.
    pub fn failure_key(&self) -> Option<u64> {
        self.core.failure_key(&self.failure?.kind)
    }

    /// The steps: who did what, and for a try whether it succeeded.
    pub fn events(&self) -> impl Iterator<Item = (usize, Op, Option<bool>)> + '_ {
        self.core.trace.events().iter().map(|event| {
            (event.task as usize, event.op, event.op.access.is_try().then_some(!event.failed))
        })
    }
}

impl fmt::Debug for Execution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, end) = (self.index, self.end);
        f.debug_struct("Execution")
            .field("index", &index)
            .field("end", &end)
            .field("failure", &self.failure)
            .finish()
    }
}

pub(crate) type OnExecution = Arc<Mutex<dyn FnMut(&Execution<'_>) -> ControlFlow<()> + Send>>;
pub(crate) type OnProgress = Arc<Mutex<dyn FnMut(&Progress) + Send>>;
pub(crate) type OnSnapshot = Arc<dyn Fn(&Saved) + Send + Sync>;
pub(crate) type Wanted = Arc<dyn Fn(&Failure) -> bool + Send + Sync>;

/// How far an exploration is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Executions so far.
    pub executions: u64,
    /// Those that failed.
    pub failing: u64,
    /// Time so far.
    pub elapsed: Duration,
}

/// What the workers of an exploration share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    executions: AtomicU64,
    failing: AtomicU64,
    /// One of them has ended the search for all.
    halt: Arc<AtomicBool>,
    /// Because it has found what is sought.
    ends_found: AtomicBool,
    /// The failures that were counted.
    counted: Mutex<HashSet<u64>>,
    /// What they have found, if snapshots are taken.
    found: Option<Mutex<Saved>>,
}

impl Shared {
    /// With something that ends the search for all, and what was found before. Whether snapshots
    /// are taken.
    pub(crate) fn new(halt: Arc<AtomicBool>, before: &Saved, snapshots: bool) -> Self {
        let counted = Mutex::new(before.counted.iter().copied().collect());
        Shared {
            halt,
            counted,
            found: snapshots.then(|| Mutex::new(before.clone())),
            ..Shared::default()
        }
    }

    /// Whether what is sought was found, by whomever.
    pub(crate) fn ends_found(&self) -> bool {
        self.ends_found.load(Ordering::Relaxed)
    }

    /// Whether the failure is new.
    fn count(&self, key: u64) -> bool {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    /// The failures that were counted, here and before.
    pub(crate) fn counted(&self) -> BTreeSet<u64> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> Option<MutexGuard<'_, Saved>> {
        Some(self.found.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The caller's wishes.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) budget: Budget,
    pub(crate) stop_at_first: bool,
    pub(crate) stop: Option<Arc<AtomicBool>>,
    pub(crate) wanted: Option<Wanted>,
    pub(crate) on_execution: Option<OnExecution>,
    pub(crate) on_progress: Option<OnProgress>,
    pub(crate) on_snapshot: Option<(Duration, OnSnapshot)>,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Session {
    options: Options,
    pub(crate) report: Report,
    classes: HashSet<String>,
    started: Instant,
    /// When to report progress next.
    next_progress: Duration,
    running: bool,
    /// Whether the strategy has no further execution.
    pub(crate) finished: bool,
}

const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl Session {
    pub(crate) fn new(options: Options) -> Self {
        Session {
            options,
            report: Report::default(),
            classes: HashSet::new(),
            started: Instant::now(),
            next_progress: PROGRESS_EVERY,
            running: false,
            finished: false,
        }
    }

    /// Finish the last execution and prepare the next; false if there is none.
    pub(crate) fn next_execution(&mut self, core: &mut Core, strategy: &mut dyn Explore) -> bool {
        if std::mem::take(&mut self.running) {
            self.finish(core, strategy);
        }
        if strategy.again(core) {
            core.restart();
            self.running = true;
            return true;
        }
        if self.report.why_unfinished.is_none() {
            self.report.why_unfinished = self.out_of_budget();
        }
        if self.report.why_unfinished.is_some() {
            return false;
        }
        if !strategy.begin(core) {
            self.finished = true;
            return false;
        }
        core.restart();
        self.running = true;
        if core.give_up.is_none() {
            let (stop, shared) = (self.options.stop.clone(), Arc::clone(&self.options.shared));
            let (started, most) = (self.started, self.options.budget.time);
            core.give_up = Some(Box::new(move || {
                shared.halt.load(Ordering::Relaxed)
                    || stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
                    || most.is_some_and(|most| started.elapsed() >= most)
            }));
        }
        true
    }

    fn out_of_budget(&mut self) -> Option<Unfinished> {
        let Options { budget, stop, shared, .. } = &self.options;
        if shared.halt.load(Ordering::Relaxed) {
            return Some(Unfinished::Stopped);
        }
        if stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Some(Unfinished::Stopped);
        }
        if budget.executions.is_some_and(|most| shared.executions.load(Ordering::Relaxed) >= most) {
            return Some(Unfinished::Executions);
        }
        if budget.time.is_some() || self.options.on_progress.is_some() {
            let elapsed = self.started.elapsed();
            if budget.time.is_some_and(|most| elapsed >= most) {
                return Some(Unfinished::Time);
            }
            if let Some(on_progress) =
                self.options.on_progress.as_ref().filter(|_| elapsed >= self.next_progress)
            {
                self.next_progress = elapsed + PROGRESS_EVERY;
                let executions = shared.executions.load(Ordering::Relaxed);
                let failing = shared.failing.load(Ordering::Relaxed);
                let progress = Progress { executions, failing, elapsed };
                on_progress.lock().expect("a progress callback panicked")(&progress);
            }
        }
        None
    }

    fn finish(&mut self, core: &mut Core, strategy: &mut dyn Explore) {
        let end = core.end(strategy);
        if !strategy.counts() {
            return;
        }
        let shared = &self.options.shared;
        let index = shared.executions.fetch_add(1, Ordering::Relaxed);
        let report = &mut self.report;
        report.executions += 1;
        // One with a detour is another one again.
        let detour = end == End::Complete && strategy.counts_classes() && {
            let (retries, judged, _) = core.rounds();
            retries.in_vain(judged)
        };
        let key = core
            .failure
            .as_ref()
            .filter(|_| strategy.counts_classes())
            .and_then(|kind| core.failure_key(kind));
        let counted = !detour && end != End::Cut && key.is_none_or(|key| shared.count(key));
        *(if counted { &mut report.complete } else { &mut report.blocked }) += 1;
        report.max_depth = report.max_depth.max(core.trace.depth);
        report.max_tasks = report.max_tasks.max(core.tasks().len());
        let (preemptions, switches) =
            core.trace.events().last().map_or((0, 0), |event| (event.preemptions, event.switches));
        let failure = core.failure.take().map(|kind| Failure {
            kind,
            schedule: core.schedule(),
            preemptions,
            switches,
            execution: index,
        });
        if let Some(mut found) = shared.found() {
            found.count_execution(counted, failure.as_ref());
            found.left_out.add(&core.left_out);
        }
        if let Some((step, why)) = core.misfit.take() {
            report.why_unfinished = Some(Unfinished::Misfit { step, why });
        }
        if let Some(why) = core.unfinished.take() {
            report.why_unfinished = Some(why);
        }
        if let Some(on_execution) = &self.options.on_execution {
            let steps = core.trace.depth;
            let execution = Execution {
                index,
                end,
                failure: failure.as_ref(),
                steps,
                preemptions,
                switches,
                counted,
                core,
            };
            if on_execution.lock().expect("an execution callback panicked")(&execution).is_break() {
                report.why_unfinished = Some(Unfinished::Stopped);
            }
        }
        self.keep(core, strategy, failure, counted);
        if self.report.why_unfinished.is_some() {
            self.options.shared.halt.store(true, Ordering::Relaxed);
        }
    }

    fn keep(
        &mut self,
        core: &Core,
        strategy: &mut dyn Explore,
        mut failure: Option<Failure>,
        counted: bool,
    ) {
        let (report, shared) = (&mut self.report, &self.options.shared);
        let Some(found) = &failure else { return };
        report.failing += u64::from(counted);
        shared.failing.fetch_add(u64::from(counted), Ordering::Relaxed);
        if matches!(found.kind, FailureKind::Nondeterminism { .. }) {
            report.why_unfinished = Some(Unfinished::Nondeterminism);
        } else if !self.options.wanted.as_ref().is_none_or(|wanted| wanted(found)) {
            // Kept, but not what the search is for.
        } else if strategy.found(core, &mut failure) {
            return;
        } else if self.options.stop_at_first {
            report.why_unfinished = Some(Unfinished::Found);
            shared.ends_found.store(true, Ordering::Relaxed);
        }
        if let Some(failure) = failure
            && self.classes.insert(failure.kind.class())
        {
            report.failures.push(failure);
        }
    }

    /// The report, and where the search stands, now that the last execution is over.
    pub(crate) fn conclude(
        &mut self,
        core: &mut Core,
        strategy: &mut dyn Explore,
    ) -> (Report, Option<SavedStack>) {
        let mut report = std::mem::take(&mut self.report);
        strategy.conclude(core, self.finished, &mut report);
        report.elapsed = self.started.elapsed();
        report.left_out = std::mem::take(&mut core.left_out);
        let mut saved = strategy.save(core);
        if core.given_up {
            // The execution was left in the middle: what it would have led to is not known, so
            // neither is what is left.
            (report.exhausted, report.minimal, saved) = (false, false, None);
            report.why_unfinished.get_or_insert(Unfinished::Stopped);
        }
        (report, saved)
    }
}
