//! Litmus tests: a few CPUs on the vocabulary alone, without a machine.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dpor::{Explorer, Memory, Unfinished};

use super::run::{self, OnShared};
use super::stall::{Patience, Watch};
use super::{Method, Options};
use crate::spec::Clause;
use crate::sync::{self, Engine, Exec, LoomStop, Violation};

type Shared = dyn Any + Send + Sync;
type Body = Arc<dyn Fn(&Shared) -> String + Send + Sync>;

/// A few CPUs on objects of [`sync`](crate::sync) alone, to ask what the engines make of the
/// vocabulary. What the protocol makes of it is asked by a [`Race`](crate::Race).
///
/// ```
/// use lockwalk::sync::{Name, SpinLock};
/// use lockwalk::{Litmus, Method};
///
/// let holder_and_trier = Litmus::new(|| SpinLock::new(Name::new("lock", 0, 0), ()))
///     .cpu(|lock| {
///         lock.lock();
///         lock.unlock();
///     })
///     .cpu(|lock| {
///         let taken = lock.trylock();
///         if taken {
///             lock.unlock();
///         }
///         taken
///     });
/// let seen = holder_and_trier.explore(&Method::Exhaustive);
/// assert_eq!(seen.endings(), ["(), false", "(), true"]);
/// assert!(seen.exhausted && seen.violated().is_empty());
/// ```
pub struct Litmus<T> {
    test: Test,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Litmus<T> {
    fn clone(&self) -> Self {
        Self { test: self.test.clone(), of: PhantomData }
    }
}

/// The same without a type, so that all of them are compiled once.
#[derive(Clone)]
struct Test {
    build: Arc<dyn Fn() -> Arc<Shared> + Send + Sync>,
    cpus: Vec<Body>,
    memory: Memory,
}

/// What the executions of a [`Litmus`] came to.
#[derive(Clone, Debug, Default)]
pub struct LitmusOutcome {
    /// Executions that ran to their end, or to a violation.
    pub executions: u64,
    /// Nothing is left, for loom as far as it goes, and no violation cut an execution short of what
    /// it might have shown besides.
    pub exhausted: bool,
    endings: BTreeMap<String, u64>,
    violations: BTreeMap<Clause, Violation>,
}

impl LitmusOutcome {
    /// How executions ended: what the CPUs returned, in their order, each as `{:?}` prints it.
    pub fn endings(&self) -> Vec<&str> {
        self.endings.keys().map(String::as_str).collect()
    }

    /// Was there such an ending?
    pub fn ended(&self, ending: &str) -> bool {
        self.endings.contains_key(ending)
    }

    /// The clauses that were violated.
    pub fn violated(&self) -> Vec<Clause> {
        self.violations.keys().copied().collect()
    }

    /// The first violation of `clause`.
    pub fn violation(&self, clause: Clause) -> Option<&Violation> {
        self.violations.get(&clause)
    }

    fn record(&mut self, exec: &Exec, found: Option<Violation>, results: &[String]) {
        let mut violations = exec.violations();
        violations.extend(found);
        if violations.is_empty() && !exec.completed() {
            return; // cut short as redundant
        }
        self.executions += 1;
        if violations.is_empty() {
            *self.endings.entry(results.join(", ")).or_default() += 1;
        }
        for violation in violations {
            self.add(violation);
        }
    }

    fn add(&mut self, violation: Violation) {
        self.violations.entry(violation.clause).or_insert(violation);
    }
}

impl<T: Send + Sync + 'static> Litmus<T> {
    /// A test of the objects that `build` makes, anew for each execution.
    pub fn new(build: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let build = Arc::new(move || -> Arc<Shared> { Arc::new(build()) });
        Self { test: Test { build, cpus: Vec::new(), memory: Memory::Sc }, of: PhantomData }
    }

    /// Adds a CPU. What it returns is part of the execution's ending.
    #[must_use]
    pub fn cpu<R: Debug>(mut self, body: impl Fn(&T) -> R + Send + Sync + 'static) -> Self {
        self.test.cpus.push(Arc::new(move |state| {
            format!("{:?}", body(state.downcast_ref().expect("it is what `build` makes")))
        }));
        self
    }

    /// The same under this memory model, on the engines that have a choice.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.test.memory = memory;
        self
    }

    /// Runs it. Every violation ends its execution. loom stops at the first one, and has no bound
    /// otherwise.
    ///
    /// # Panics
    /// When something panics that is no assertion, while the state is built say; and when loom
    /// cannot run so many CPUs.
    pub fn explore(&self, method: &Method) -> LitmusOutcome {
        self.test.explore(method)
    }
}

impl Test {
    fn explore(&self, method: &Method) -> LitmusOutcome {
        let seen: Arc<Mutex<LitmusOutcome>> = Arc::default();
        // What the CPUs of the execution under way have returned: no two are under way at a time.
        let results: Results = Arc::new(Mutex::new(vec![String::new(); self.cpus.len()]));
        let program = self.program(method.engine(), results.clone());
        let recorded = seen.clone();
        let hears: Arc<run::Hears> =
            Arc::new(move |exec, ended| lock(&recorded).record(exec, ended.found, &lock(&results)));
        let endless =
            || lock(&seen).add(Violation::new(Clause::LIVELOCK, "an execution has no end".into()));
        let _watch = (method.strategy().is_none()).then(|| {
            let cpus = (0..self.cpus.len()).map(|cpu| format!("CPU{cpu}")).collect();
            Watch::new(WHOSE.into(), cpus, &Patience::of(&Options::default()))
        });
        let exhausted = match method {
            Method::Native { iterations } => {
                if (0..*iterations).any(|_| run::on_threads(&program, &*hears).is_err()) {
                    endless();
                }
                false
            }
            Method::Loom => {
                if let Some(why) = sync::loom_refuses(self.cpus.len()) {
                    panic!("{why}");
                }
                let report = run::on_loom(None, || true, program, &hears);
                if let Some(LoomStop::TooLong) = report.stopped {
                    endless();
                }
                report.stopped.is_none() && !report.yielded
            }
            _ => {
                let strategy = method.strategy().expect("neither native nor loom");
                let report =
                    run::on_shuttle(Explorer::new(strategy).memory(self.memory), program, hears);
                assert_ne!(report.why_unfinished, Some(Unfinished::Nondeterminism), "{report}");
                report.exhausted
            }
        };
        let mut seen = std::mem::take(&mut *lock(&seen));
        seen.exhausted = exhausted;
        seen
    }

    fn program(&self, engine: Engine, results: Results) -> run::Program {
        let test = self.clone();
        let run = move || {
            let cpus: Vec<(String, OnShared<Shared>)> = test
                .cpus
                .iter()
                .enumerate()
                .map(|(cpu, body)| {
                    let (body, results) = (body.clone(), results.clone());
                    let run = move |state: &Shared| {
                        let result = body(state);
                        lock(&results)[cpu] = result;
                    };
                    (format!("CPU{cpu}"), Arc::new(run) as OnShared<Shared>)
                })
                .collect();
            let exec = Exec::new(engine, cpus.len(), None, false, Arc::new(|_| true));
            run::execute(&exec, || (test.build)(), &cpus, |_| ());
        };
        run::Program {
            whose: WHOSE.into(),
            run: Box::new(run),
            patience: Patience::of(&Options::default()),
        }
    }
}

const WHOSE: &str = "a litmus test";

type Results = Arc<Mutex<Vec<String>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
