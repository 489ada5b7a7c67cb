//! The explorer: what to run, how, and for how long.

use std::fmt;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use shuttle_engine::{Config, FailurePersistence, MaxSteps, Runner};

use crate::commute::{Checked, Commutation, Commute, Disagreement};
use crate::dependence::{DependenceRule, DependenceRules};
use crate::execution::Core;
use crate::hook;
use crate::known::{Table, Turns};
use crate::log::Log;
use crate::model::Memory;
use crate::pool::{Pool, Snapshots, Worker};
use crate::report::{Failure, Report, Unfinished};
use crate::round::Fairness;
use crate::runtime::coroutines::{self, Coroutines};
use crate::runtime::{self, Driver, Engine};
use crate::saved::{Saved, SavedStack};
use crate::session::{Budget, Execution, Options, Progress, Session, Shared};
use crate::strategy::{Commuting, Strategy, explore};
use crate::units::Share;
use crate::watchdog::{self, Patience, Pulse, Stall};

/// Explores the interleavings of a program.
///
/// ```
/// use dpor::{Access, Explorer, Strategy};
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// // Two tasks increment a counter, reading and writing it in two steps.
/// let report = Explorer::new(Strategy::Dpor).run(|| {
///     let (object, counter) = (dpor::object(), Rc::new(Cell::new(0)));
///     let tasks = ["a", "b"].map(|name| {
///         let counter = Rc::clone(&counter);
///         dpor::spawn(name, move || {
///             dpor::step(object, Access::Read);
///             let value = counter.get();
///             dpor::step(object, Access::Write);
///             counter.set(value + 1);
///         })
///     });
///     tasks.map(dpor::JoinHandle::join);
///     assert_eq!(counter.get(), 2, "lost update");
/// });
/// assert!(report.exhausted);
/// assert_eq!((report.complete, report.failing), (4, 2));
/// assert!(report.failures[0].kind.to_string().contains("lost update"));
/// ```
#[derive(Clone)]
pub struct Explorer {
    strategy: Strategy,
    options: Options,
    jobs: usize,
    shard: Option<(u32, u32)>,
    resumed: Option<Saved>,
    stack_size: usize,
    on_shuttle: bool,
    rules: DependenceRules,
    fairness: Fairness,
    patience: Patience,
    max_steps: usize,
    max_states: usize,
    few_states: Option<usize>,
    max_memory: Option<u64>,
    memory: Memory,
    every_outcome: bool,
    every_round: bool,
    always_give: bool,
    unchecked: bool,
    in_circles: bool,
    turns: Option<u64>,
    checked: Option<Arc<Checked>>,
}

impl Explorer {
    /// An explorer without limits that runs on this thread.
    pub fn new(strategy: Strategy) -> Self {
        let stack_size = 256 * 1024;
        let (options, rules) = (Options::default(), DependenceRules::default());
        Explorer {
            strategy,
            options,
            jobs: 1,
            shard: None,
            resumed: None,
            stack_size,
            on_shuttle: false,
            rules,
            fairness: Fairness::default(),
            patience: Patience::default(),
            max_steps: MAX_STEPS,
            max_states: usize::MAX,
            few_states: None,
            max_memory: None,
            memory: Memory::Sc,
            every_outcome: false,
            every_round: false,
            always_give: false,
            unchecked: false,
            in_circles: false,
            turns: None,
            checked: None,
        }
    }

    /// Limit what is spent.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.options.budget = budget;
        self
    }

    /// Use this many threads: one that has nothing left to do takes a part of another's search.
    /// When the search was exhaustive, the number of [complete](Report::complete) executions and of
    /// [failing](Report::failing) ones is the same for any number of threads, that of cut ones is
    /// not; see [`algorithm`](crate::algorithm) for the exceptions. [`Strategy::Dpor`] and
    /// [`Strategy::Dfs`] are divided. Under [`Strategy::States`] all threads explore the whole, in
    /// different orders, and none goes on from a state that another is done with: what is found is
    /// the same for any number of them, how many states and executions there are is not. Other
    /// strategies have one thread.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Whether to end the search at the first wanted failure.
    pub fn stop_at_first(mut self, stop: bool) -> Self {
        self.options.stop_at_first = stop;
        self
    }

    /// Which failures the search is for: all, if this is not called. The others are counted and
    /// kept, and do not end the search.
    pub fn wanted(mut self, wanted: impl Fn(&Failure) -> bool + Send + Sync + 'static) -> Self {
        self.options.wanted = Some(Arc::new(wanted));
        self
    }

    /// A flag that ends the search when it is set, by Ctrl-C for example.
    pub fn stop_flag(mut self, stop: Arc<AtomicBool>) -> Self {
        self.options.stop = Some(stop);
        self
    }

    /// Called after every execution, with what happened; breaking ends the search.
    pub fn on_execution(
        mut self,
        callback: impl FnMut(&Execution<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.options.on_execution = Some(Arc::new(Mutex::new(callback)));
        self
    }

    /// Called about ten times per second with what is known so far.
    pub fn on_progress(mut self, callback: impl FnMut(&Progress) + Send + 'static) -> Self {
        self.options.on_progress = Some(Arc::new(Mutex::new(callback)));
        self
    }

    /// Call this now and then, at most `every` so often, with the exploration as it stands:
    /// [`resume`](Explorer::resume) goes on from there as if the rest of this one had not been. All
    /// threads stop for it between two executions, so what other callbacks have counted is of the
    /// same moment. Under [`Strategy::Dpor`], [`Strategy::Dfs`] and [`Strategy::States`] only; once
    /// the search is being ended, it is [`Report::saved`] that has the rest.
    pub fn on_snapshot(
        mut self,
        every: Duration,
        hears: impl Fn(&Saved) + Send + Sync + 'static,
    ) -> Self {
        self.options.on_snapshot = Some((every, Arc::new(hears)));
        self
    }

    /// The stack of each task, in bytes: 256 KiB, of which only what is used takes memory.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// Which cycles are livelocks: the weakly fair ones, if this is not called.
    pub fn fairness(mut self, fairness: Fairness) -> Self {
        self.fairness = fairness;
        self
    }

    /// The most steps of an execution, 100,000 if this is not called. One that would have more ends
    /// the exploration, which says what is done again and again ([`Unfinished::TooLong`]), and
    /// cannot be resumed. Samplers give up an execution after 20,000 steps.
    pub fn max_steps(mut self, most: usize) -> Self {
        self.max_steps = most;
        self
    }

    /// The most states that [`Strategy::States`] remembers, any number if this is not called: from
    /// those beyond it goes on again whenever it comes by. One whose executions need not end cannot
    /// be explored like that ([`Unfinished::States`]).
    pub fn max_states(mut self, most: usize) -> Self {
        self.max_states = most;
        self
    }

    /// The most states that [`Strategy::States`] may meet at all. One more ends the exploration,
    /// and so does a program whose executions need not end, since its states have to be gone through
    /// in another way ([`Unfinished::States`]): for who goes on with another strategy then.
    pub fn few_states(mut self, most: usize) -> Self {
        self.few_states = Some(most);
        self
    }

    /// The most memory in bytes that the process may have when [`Strategy::States`] remembers one
    /// more state, any amount if this is not called: from then on, as many are remembered as there
    /// are ([`max_states`](Self::max_states)). Only Linux tells what a process has; elsewhere this
    /// limits nothing.
    pub fn max_memory(mut self, most: u64) -> Self {
        self.max_memory = Some(most);
        self
    }

    /// What a task sees of what others have stored, and when: the memory model for
    /// [`memory`](crate::memory)'s words and fences. Sequential consistency, if this is not called.
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// What to do when a task computes for a second without announcing a step: it may never
    /// announce one, and nothing else can run meanwhile. If this is not called, that is said on
    /// stderr and the process exits with the status [`STALLED`](crate::STALLED). The handler runs
    /// on a thread of its own; should it return, the task goes on. Only the task's own computing
    /// counts: neither waiting does, nor what the exploration does, nor what other processes do.
    /// Nobody watches on other systems than Linux.
    pub fn on_stall(mut self, handler: impl Fn(&Stall) + Send + Sync + 'static) -> Self {
        self.patience.handler = Arc::new(handler);
        self
    }

    /// How long a task may compute without announcing a step, if not a second; [`Duration::MAX`]
    /// for any time.
    pub fn stall_after(mut self, after: Duration) -> Self {
        self.patience.after = after;
        self
    }

    /// Let shuttle run the tasks. Random strategies and replays do that anyway. The others have
    /// coroutines of their own, which takes a fraction of the time and makes no other difference;
    /// but what shuttle has besides primitives, thread locals say, is not there then.
    pub fn on_shuttle(mut self) -> Self {
        self.on_shuttle = true;
        self
    }

    /// Drop one rule of the algorithm, to show that a test notices.
    #[doc(hidden)]
    pub fn without_rule(mut self, rule: DependenceRule) -> Self {
        self.rules.dropped |= 1 << rule as u32;
        self
    }

    /// Go through all outcomes of each step, also those that another order of steps comes to, so
    /// that none lacks with as few preemptions as it can be had.
    #[doc(hidden)]
    pub fn every_outcome(mut self) -> Self {
        self.every_outcome = true;
        self
    }

    /// Under [`Memory::Weak`], whether a retry loop that changes something goes round again
    /// although that has led back to where it began. Then nothing of what others see of several of
    /// its rounds is left out ([`Unfinished::Rounds`] may still be said of loops that only wait),
    /// and a loop that does not end by itself makes an execution that is [too
    /// long](Unfinished::TooLong), unless it is a livelock.
    pub fn every_round(mut self, every: bool) -> Self {
        self.every_round = every;
        self
    }

    /// Give parts of the search away all the time, to show that it makes no difference.
    #[doc(hidden)]
    pub fn always_give(mut self) -> Self {
        self.always_give = true;
        self
    }

    /// Let the workers of a search by states take turns, one execution each, in an order that the
    /// seed makes up.
    #[doc(hidden)]
    pub fn in_turns(mut self, seed: u64) -> Self {
        self.turns = Some(seed);
        self
    }

    /// Explore the program, and replay each execution that was not cut in other orders of its steps
    /// that respect its happens-before order, which are therefore taken to be equivalent. In each
    /// of them every task has to announce the same steps, its tries have to go the same way, what
    /// it has [observed](crate::observed()) and [noted](crate::note) has to be the same, and so has
    /// the ending: completion, the deadlock, or the tasks that panic and their messages. The step
    /// that ends an execution stays the last one.
    ///
    /// Objects and tasks that are made by several tasks may have other numbers in the replay; they
    /// are compared by who made them.
    ///
    /// ```
    /// use dpor::{Access, Commute, Explorer, Strategy};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// // Both tasks announce steps, but nothing announces that they share the counter.
    /// let program = || {
    ///     let counter = Rc::new(Cell::new(0));
    ///     let tasks = ["a", "b"].map(|name| {
    ///         let (object, counter) = (dpor::object(), Rc::clone(&counter));
    ///         dpor::spawn(name, move || {
    ///             dpor::step(object, Access::Write);
    ///             counter.set(counter.get() + 1);
    ///             dpor::note(|| [("my number", counter.get())]);
    ///         })
    ///     });
    ///     tasks.map(dpor::JoinHandle::join);
    /// };
    /// let report = Explorer::new(Strategy::Dpor).run(program);
    /// assert!(report.exhausted && report.complete == 1);
    /// let explorer = Explorer::new(Strategy::Dpor);
    /// let disagreement = explorer.commute(Commute::default(), program).unwrap_err();
    /// assert_eq!(disagreement.difference.original, "my number = 2");
    /// assert_eq!(disagreement.difference.reordered, "my number = 1");
    /// ```
    ///
    /// # Errors
    /// With the first disagreement. It ends the exploration.
    ///
    /// # Panics
    /// As [`run`](Explorer::run).
    pub fn commute(
        self,
        how: Commute,
        program: impl Fn() + Send + Sync + 'static,
    ) -> Result<Commutation, Box<Disagreement>> {
        let checked = Arc::new(Checked::new(how));
        let report = self.checking(Arc::clone(&checked)).run(program);
        checked.concluded(report)
    }

    /// Replay the executions in other orders.
    pub(crate) fn checking(mut self, checked: Arc<Checked>) -> Self {
        self.checked = Some(checked);
        self
    }

    /// Explore only one of several shards; [`Saved::merge`] puts them together. All of them have to
    /// be made with the same number of shards, from the same program.
    ///
    /// # Panics
    /// If there is no such shard.
    pub fn shard(mut self, shard: u32, shards: u32) -> Self {
        assert!(shard < shards, "there is no shard {shard} of {shards}; they count from 0");
        self.shard = Some((shard, shards));
        self
    }

    /// By states: go on from no known state to see whether it leads where it did before, which may
    /// find by chance what has no right to be missed. For tests of this crate.
    #[doc(hidden)]
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }

    /// By states: as if executions need not end. For tests of this crate.
    #[doc(hidden)]
    pub fn in_circles(mut self) -> Self {
        self.in_circles = true;
        self
    }

    /// Go on with an exploration of the same program that was stopped. On one thread it comes to
    /// the same counts as one that was not.
    pub fn resume(mut self, saved: Saved) -> Self {
        self.resumed = Some(saved);
        self
    }

    /// Explore the program, which runs once per execution as the main task.
    ///
    /// # Panics
    /// If called inside a program that is being explored.
    pub fn run(self, program: impl Fn() + Send + Sync + 'static) -> Report {
        self.explore(Arc::new(program))
    }

    /// The same, compiled once for all programs.
    fn explore(mut self, program: Program) -> Report {
        hook::install();
        if let Some(why) = self.unavailable() {
            return Report {
                why_unfinished: Some(Unfinished::Unavailable(why)),
                ..Report::default()
            };
        }
        let by_states = self.strategy == Strategy::States;
        let divisible = by_states || matches!(self.strategy, Strategy::Dpor | Strategy::Dfs);
        let mut saved = match self.resumed.take() {
            Some(saved) => saved,
            None => Saved {
                memory: self.memory,
                shard: self.shard,
                depth: self.depth_of_units(&program),
                ..Saved::whole()
            },
        };
        let share = Share { depth: saved.depth, shard: saved.shard, counting: false };
        let workers = if divisible { self.jobs } else { 1 };
        let turns = self.turns.map(|seed| Turns::new(seed, workers));
        let known = saved.states.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        let table = Arc::new(Table::new(known, turns));
        if self.in_circles {
            table.goes_round();
        }
        if saved.is_done() {
            table.finish();
        }
        let left = std::mem::take(&mut saved.stacks);
        let halt = self.checked.as_ref().map_or_else(Arc::default, |checked| checked.halt());
        // Whoever waits for a turn does not come to stop.
        let may = divisible && self.turns.is_none();
        let on_snapshot = self.options.on_snapshot.take().filter(|_| may);
        let shared = Arc::new(Shared::new(halt, &saved, on_snapshot.is_some()));
        self.options.shared = Arc::clone(&shared);
        let snapshots = on_snapshot.map(|(every, hears)| {
            let table = Arc::clone(&table);
            Snapshots::new(every, move |stacks| {
                let found = shared.found().map(|found| found.clone()).unwrap_or_default();
                let states = by_states.then(|| Arc::new(table.snapshot()));
                let stacks = if by_states { Saved::whole().stacks } else { stacks };
                hears(&Saved { stacks, states, counted: shared.counted(), ..found });
            })
        });
        let pool = Pool::new(left, workers, self.always_give, snapshots);
        let mut results = self.work(&program, share, &pool, &table, workers).into_iter();
        let (mut report, stack) = results.next().expect("there is a worker");
        let mut stacks = vec![stack];
        for (other, stack) in results {
            report.add(other);
            stacks.push(stack);
        }
        if workers > 1 {
            report.keep_first_failures();
        }
        // Whoever has found it may have had nothing left, and others were made to stop.
        if self.options.shared.ends_found() && report.why_unfinished == Some(Unfinished::Stopped) {
            report.why_unfinished = Some(Unfinished::Found);
        }
        let found = report.why_unfinished == Some(Unfinished::Found);
        if by_states && table.is_done() && !found && report.is_deterministic() {
            // What one of them has gone through is all, wherever others were stopped.
            (report.exhausted, report.why_unfinished) = (true, None);
        }
        report.left_out.add(&saved.left_out);
        if report.left_out.shows() {
            report.minimal = false;
            if std::mem::take(&mut report.exhausted) {
                report.why_unfinished = Some(Unfinished::Rounds);
            }
        }
        if divisible {
            saved.count(&report);
            saved.counted = self.options.shared.counted();
            let resumable = if by_states {
                saved.keep_states(table.take(), report.exhausted);
                report.may_go_on()
            } else {
                report.frontier += pool.left().iter().map(SavedStack::open).sum::<u64>();
                // One that was left in the middle of an execution cannot go on.
                let resumable = stacks.iter().all(Option::is_some);
                let left = stacks.into_iter().flatten().filter(|stack| !stack.done);
                saved.stacks = left.chain(pool.left()).collect();
                resumable
            };
            (report.executions, report.complete) = (saved.executions, saved.complete);
            (report.blocked, report.failing) = (saved.blocked, saved.failing);
            if report.exhausted && saved.shard.is_some() {
                report.exhausted = false;
                report.why_unfinished = Some(Unfinished::Shard);
            }
            report.saved = resumable.then_some(saved);
        }
        report
    }

    /// Why what was asked for cannot be done.
    fn unavailable(&self) -> Option<String> {
        let memory = self.memory;
        match self.strategy {
            Strategy::States if self.checked.is_some() => {
                Some("a search by states is not replayed in other orders".to_owned())
            }
            Strategy::States if memory == Memory::Weak => Some(
                "a search by states is not under Memory::Weak: what a task may still see of old \
                 values has no name"
                    .to_owned(),
            ),
            _ => {
                let saved = self.resumed.as_ref()?;
                if saved.memory != memory {
                    return Some(format!(
                        "the exploration was saved under Memory::{:?}, and does not go on under \
                         Memory::{memory:?}",
                        saved.memory
                    ));
                }
                let (was, is) = (saved.by_states(), self.strategy == Strategy::States);
                let by = |states| if states { "by states" } else { "without states" };
                let (was_by, is_by) = (by(was), by(is));
                (was != is).then(|| {
                    format!("the exploration was saved {was_by}, and does not go on {is_by}")
                })
            }
        }
    }

    /// The depth at which the units of a shard begin, so that there are several per shard. Every
    /// shard has to find the same.
    fn depth_of_units(&self, program: &Program) -> usize {
        let Some((_, shards)) = self.shard else { return 0 };
        // By states they are the same.
        let strategy = match self.strategy {
            Strategy::States => Strategy::Dpor,
            _ => self.strategy.clone(),
        };
        for depth in 1..=DEEPEST_UNITS {
            let (options, strategy) = (Options::default(), strategy.clone());
            let probe = Explorer { options, strategy, checked: None, ..self.clone() };
            let counting = Share { depth, shard: None, counting: true };
            let pool = Pool::new(Saved::whole().stacks, 1, false, None);
            let (_, counted) =
                probe.work_on(Arc::clone(program), counting, Worker::enter(pool), &Arc::default());
            if counted.is_some_and(|stack| stack.unit >= u64::from(shards) * UNITS_PER_SHARD) {
                return depth;
            }
        }
        DEEPEST_UNITS
    }

    /// Run so many workers.
    fn work(
        &self,
        program: &Program,
        share: Share,
        pool: &Arc<Pool>,
        table: &Arc<Table>,
        workers: usize,
    ) -> Vec<(Report, Option<SavedStack>)> {
        let one =
            || self.work_on(Arc::clone(program), share, Worker::enter(Arc::clone(pool)), table);
        thread::scope(|scope| {
            let threads: Vec<_> = (1..workers).map(|_| scope.spawn(one)).collect();
            let mut results = vec![one()];
            results.extend(
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or_else(|payload| resume_unwind(payload))),
            );
            results
        })
    }

    fn work_on(
        &self,
        program: Program,
        share: Share,
        worker: Worker,
        table: &Arc<Table>,
    ) -> (Report, Option<SavedStack>) {
        let pulse = Arc::new(Pulse::new(self.patience.clone()));
        let _watch = watchdog::watch(&pulse);
        let mut core = Core::new(pulse);
        core.rules = self.rules;
        core.fairness = self.fairness;
        core.max_steps = self.max_steps;
        core.max_states = self.max_states;
        core.few_states = self.few_states;
        core.max_memory = self.max_memory;
        core.memory = self.memory;
        // What one strategy has come to, another replays.
        let every =
            matches!(self.strategy, Strategy::FewestPreemptions { .. } | Strategy::Replay(_));
        core.every_outcome = self.every_outcome || every;
        core.every_round = self.every_round;
        core.unchecked = self.unchecked;
        let mut strategy = explore(&self.strategy, share, worker, table);
        if let Some(checked) = &self.checked {
            core.log = Some(Log::default());
            strategy = Box::new(Commuting::new(strategy, Arc::clone(checked)));
        }
        let (session, stack_size) = (Session::new(self.options.clone()), self.stack_size);
        runtime::enter(Engine {
            core,
            strategy,
            session,
            stack_size,
            coroutines: Coroutines::new(stack_size),
        });
        let _leave = Leave;
        let samples = matches!(
            self.strategy,
            Strategy::Random { .. } | Strategy::Pct { .. } | Strategy::Urw { .. }
        );
        hook::with_quiet(true, || {
            if self.on_shuttle || samples || matches!(self.strategy, Strategy::Replay(_)) {
                let mut config = Config::new();
                config.stack_size = stack_size;
                config.failure_persistence = FailurePersistence::None;
                config.max_steps = MaxSteps::None;
                Runner::new(Driver, config).run(move || runtime::run_task(&*program));
            } else {
                coroutines::run(&program);
            }
        });
        let mut engine = runtime::leave().expect("the exploration was entered above");
        let Engine { core, strategy, session, .. } = &mut *engine;
        core.pulse.pause(); // nothing of the program runs any more
        session.conclude(core, &mut **strategy)
    }
}

/// Longer executions are hardly meant.
const MAX_STEPS: usize = 100_000;

type Program = Arc<dyn Fn() + Send + Sync>;

/// Units are of very different sizes.
const UNITS_PER_SHARD: u64 = 16;

/// Deeper, the states above the units would cost more than is won.
const DEEPEST_UNITS: usize = 12;

/// Leaves the exploration also if something panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        drop(runtime::leave());
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer")
            .field("strategy", &self.strategy)
            .field("jobs", &self.jobs)
            .finish_non_exhaustive()
    }
}
