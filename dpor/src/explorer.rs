//! The explorer: what to run, how, and for how long.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use shuttle_engine::{Config, FailurePersistence, MaxSteps, Runner};

use crate::core::Core;
use crate::dependence::{Rule, Rules};
use crate::hook;
use crate::report::{Failure, Report};
use crate::runtime::{self, Driver, Engine};
use crate::session::{Budget, Execution, Options, Session};
use crate::strategy::{Strategy, explore};

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
/// assert_eq!((report.complete, report.failing), (6, 4));
/// assert!(report.failures[0].kind.to_string().contains("lost update"));
/// ```
#[derive(Clone)]
pub struct Explorer {
    strategy: Strategy,
    options: Options,
    jobs: usize,
    stack_size: usize,
    rules: Rules,
}

impl Explorer {
    /// An explorer without limits that runs on this thread.
    pub fn new(strategy: Strategy) -> Self {
        let stack_size = 256 * 1024;
        Explorer { strategy, options: Options::default(), jobs: 1, stack_size, rules: Rules::default() }
    }

    /// Limit what is spent.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.options.budget = budget;
        self
    }

    /// Use up to this many threads; the number of complete executions is the same for any.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// Whether to end the search at the first wanted failure.
    pub fn stop_at_first(mut self, stop: bool) -> Self {
        self.options.stop_at_first = stop;
        self
    }

    /// Which failures the search is for: all, if this is not called. The others are counted and kept, and do not end the search.
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
    pub fn on_execution(mut self, callback: impl FnMut(&Execution<'_>) -> ControlFlow<()> + Send + 'static) -> Self {
        self.options.on_execution = Some(Arc::new(Mutex::new(callback)));
        self
    }

    /// Called about ten times per second with what is known so far.
    pub fn on_progress(mut self, callback: impl FnMut(&Report) + Send + 'static) -> Self {
        self.options.on_progress = Some(Arc::new(Mutex::new(callback)));
        self
    }

    /// The stack of each task, in bytes: 256 KiB, of which only what is used takes memory.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// Drop one rule of the algorithm, to show that a test notices.
    #[doc(hidden)]
    pub fn without_rule(mut self, rule: Rule) -> Self {
        self.rules.dropped |= 1 << rule as u32;
        self
    }

    /// Explore the program, which runs once per execution as the main task.
    ///
    /// # Panics
    /// If called inside a program that is being explored.
    pub fn run(self, program: impl Fn() + Send + Sync + 'static) -> Report {
        hook::install();
        let mut core = Core::new();
        core.trace.rules = self.rules;
        runtime::enter(Engine {
            core,
            strategy: explore(&self.strategy, self.rules),
            session: Session::new(self.options),
            stack_size: self.stack_size,
        });
        let _leave = Leave;
        let mut config = Config::new();
        config.stack_size = self.stack_size;
        config.failure_persistence = FailurePersistence::None;
        config.max_steps = MaxSteps::None;
        hook::with_quiet(true, || Runner::new(Driver, config).run(move || runtime::run_task(&program)));
        let mut engine = runtime::leave().expect("the exploration was entered above");
        let Engine { core, strategy, session, .. } = &mut *engine;
        session.conclude(core, &mut **strategy)
    }
}

/// Leaves the exploration also if shuttle panics.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        drop(runtime::leave());
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer").field("strategy", &self.strategy).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}
