//! One execution of a race, on whatever engine calls.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use dpor::{
    Commutation, Commute, Disagreement, End, Execution, Explorer, Failure, FailureKind, Report,
};

use super::Options;
use super::stall::{self, Patience};
use crate::mm::{Setup, World};
use crate::race::{Documented, Race, Seen};
use crate::spec::{Clause, Protocol};
use crate::sync::{
    self, BOOT, CpuBody, Endless, Engine, Exec, LoomReport, LoomStop, Mishap, Violation,
};

/// What a CPU does with what all of them share.
pub(super) type OnShared<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// What all executions of one exploration share.
pub(super) struct Question {
    pub race: Race,
    pub protocol: Protocol,
    pub engine: Engine,
    /// The clause that the race is about under this protocol.
    pub focus: Option<Clause>,
    pub tracing: bool,
}

impl Question {
    /// Runs the race once. Called by the engine, as the main task of one of its executions.
    pub fn execute(&self) {
        let (build, cpus) = self.race.parts();
        let exec = Exec::new(self.engine, cpus.len(), self.focus, self.tracing, self.shows());
        let named_exec = exec.clone();
        let machine = || {
            let world = World::new(self.protocol.rules);
            world.reverse_cpus(self.race.reversed_cpus());
            let building = || Setup::build(&world, |setup| build(setup));
            if self.race.says_nothing_of(&self.protocol) {
                sync::if_applicable(building);
            } else {
                building();
            }
            let named = world.clone();
            sync::name_state(&named_exec, move |digest| named.feed(digest));
            if self.tracing {
                let observed = world.clone();
                sync::observe(|| Box::new(move || observed.snapshot()));
            }
            world
        };
        let (ends, never, audited) =
            (self.race.at_the_end(), self.race.nevers().to_vec(), exec.clone());
        let audit = move |world: &World| {
            world.audit();
            for condition in &never {
                sync::clause(Clause::RACE_1, !condition.holds(&Seen(&audited)), || {
                    condition.label.clone()
                });
            }
            // In a machine that is not in order, asking more of it may never come to an end.
            if audited.violations().is_empty() {
                ends.iter().for_each(|end| sync::asserting(|| "at the end".into(), || end(world)));
            }
            sync::note(&audited, || {
                let state = world.state();
                let missing = state.unseen();
                assert!(missing.is_empty(), "World::state passes over the objects {missing:?}");
                audited.came_to().into_iter().chain(state.into_values())
            });
        };
        execute(&exec, machine, cpus, audit);
    }

    /// What engines run again and again.
    pub fn program(self: Arc<Self>) -> Program {
        Program {
            whose: self.whose(),
            run: Box::new(move || self.execute()),
            patience: Patience::of(&Options::default()),
        }
    }

    /// Which race it is.
    pub fn whose(&self) -> String {
        format!("{} under {}", self.race.id(), self.protocol)
    }

    /// How the race wants shown what is documented; another clause may be violated in any way.
    fn shows(&self) -> sync::Shows {
        let documented = self.race.documented(&self.protocol).and_then(Documented::clause);
        let conditions =
            if self.focus == documented { self.race.shows().to_vec() } else { Vec::new() };
        Arc::new(move |exec| conditions.iter().all(|condition| condition.holds(&Seen(exec))))
    }
}

/// What engines run again and again, and whose it is.
pub(super) struct Program {
    pub whose: String,
    pub run: Box<dyn Fn() + Send + Sync>,
    pub patience: Patience,
}

/// Builds what the CPUs share, runs them, and audits it.
pub(super) fn execute<T: ?Sized + Send + Sync + 'static>(
    exec: &Arc<Exec>,
    build: impl FnOnce() -> Arc<T>,
    cpus: &[(String, OnShared<T>)],
    audit: impl Fn(&T) + Send + 'static,
) {
    BEGUN.set(Some(exec.clone()));
    stall::begins(exec);
    exec.enter(BOOT, || {
        let shared = sync::not_asserting("in its world", build);
        let bodies = cpus
            .iter()
            .map(|(name, body)| {
                let (shared, body, cpu) = (shared.clone(), body.clone(), name.clone());
                let run = move || {
                    sync::computes(true);
                    sync::asserting(|| format!("on CPU '{cpu}'"), || body(&shared));
                    sync::computes(false);
                    sync::cpu_ends();
                };
                (name.clone(), Box::new(run) as CpuBody)
            })
            .collect();
        let at_end = {
            let exec = exec.clone();
            Box::new(move || {
                exec.finish();
                sync::not_asserting("at the end", || audit(&shared));
                exec.complete();
            })
        };
        exec.start();
        sync::run_cpus(exec, bodies, at_end);
    });
}

thread_local! {
    /// The execution that began last on this OS thread, until it is over and somebody has heard of
    /// it.
    static BEGUN: RefCell<Option<Arc<Exec>>> = const { RefCell::new(None) };
}

/// What the engine knows of an execution that is over.
#[derive(Default)]
pub(super) struct Ended {
    /// The violation that the engine found in it.
    pub found: Option<Violation>,
    /// It is another one with a detour: a round of a retry loop that left no trace. How many there
    /// are of these depends on the order in which things are tried.
    pub detour: bool,
}

/// Hears of each execution when it is over.
pub(super) type Hears = dyn Fn(&Exec, Ended) + Send + Sync;

/// The execution that this OS thread began last, if there is one, is over: `hears` of it.
///
/// # Errors
/// When something panicked in it, or in `hears`, that is no finding.
pub(super) fn over(hears: &Hears, ended: Ended) -> Result<(), Mishap> {
    let Some(exec) = BEGUN.take() else { return Ok(()) };
    exec.mishap().map_or_else(|| sync::looking(|| hears(&exec, ended)), Err)
}

/// The first mishap of an exploration.
#[derive(Clone, Default)]
struct First(Arc<Mutex<Option<Mishap>>>);

impl First {
    /// Is all well?
    fn keep(&self, heard: Result<(), Mishap>) -> bool {
        heard
            .map_err(|mishap| {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(mishap).clone()
            })
            .is_ok()
    }

    fn raise(&self, whose: &str) {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mishap) = first {
            mishap.raise(whose);
        }
    }
}

/// `hears` of each execution, until something panics in one that is no finding.
fn heard(explorer: Explorer, hears: Arc<Hears>) -> (Explorer, First) {
    sync::silence_results();
    let first = First::default();
    let kept = first.clone();
    let explorer = explorer.on_execution(move |execution| {
        let detour = execution.end == End::Complete && !execution.counted;
        let ended = Ended { found: execution.failure.and_then(engine_violation), detour };
        let heard = over(&*hears, ended).and_then(|()| unexpected(execution.failure));
        if kept.keep(heard) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    (explorer, first)
}

/// Runs `program` under shuttle; `hears` of each execution.
///
/// # Panics
/// When something panics in it that is no finding, here and below.
pub(super) fn on_shuttle(
    explorer: Explorer,
    Program { whose, run, patience }: Program,
    hears: Arc<Hears>,
) -> Report {
    let (explorer, first) = heard(patience.asked_of(explorer, &whose), hears);
    let report = explorer.run(run);
    first.raise(&whose);
    report
}

/// Runs `program` under shuttle; `sees` each execution.
pub(super) fn each(
    explorer: Explorer,
    program: Program,
    mut sees: impl FnMut(&Execution<'_>) + Send + 'static,
) -> Report {
    sync::silence_results();
    let explorer =
        program.patience.asked_of(explorer, &program.whose).on_execution(move |execution| {
            BEGUN.set(None);
            sees(execution);
            ControlFlow::Continue(())
        });
    explorer.run(program.run)
}

/// Runs executions of `program` under shuttle again, in orders that are held to be equivalent.
pub(super) fn commute(
    explorer: Explorer,
    how: Commute,
    Program { whose, run, patience }: Program,
    hears: Arc<Hears>,
) -> Result<Commutation, Box<Disagreement>> {
    let (explorer, first) = heard(patience.asked_of(explorer, &whose), hears);
    let came_to = explorer.commute(how, run);
    first.raise(&whose);
    came_to
}

/// Runs `program` under loom as long as `go_on` says so; `hears` of each execution.
pub(super) fn on_loom(
    bound: Option<usize>,
    go_on: impl Fn() -> bool + Send + Sync + 'static,
    Program { whose, run, .. }: Program,
    hears: &Arc<Hears>,
) -> LoomReport {
    sync::silence_results();
    BEGUN.set(None);
    let first = First::default();
    let (kept, heard) = (first.clone(), hears.clone());
    let report = sync::explore_loom(
        bound,
        move || kept.keep(over(&*heard, Ended::default())) && go_on(),
        run,
    );
    first.raise(&whose);
    let found = match &report.stopped {
        Some(LoomStop::Deadlock(text)) => Some(Violation::new(Clause::DEADLOCK, text.clone())),
        _ => None,
    };
    over(&**hears, Ended { found, ..Ended::default() })
        .unwrap_or_else(|mishap| mishap.raise(&whose));
    report
}

/// Runs `program` once on real threads; `hears` of it.
pub(super) fn on_threads(program: &Program, hears: &Hears) -> Result<(), Endless> {
    sync::silence_results();
    let ran = sync::run_native(&program.run);
    over(hears, Ended::default()).unwrap_or_else(|mishap| mishap.raise(&program.whose));
    ran
}

/// A panic that nobody has caught on its way.
fn unexpected(failure: Option<&Failure>) -> Result<(), Mishap> {
    match failure.map(|failure| &failure.kind) {
        Some(FailureKind::Panic { payload, .. }) if !payload.is::<Violation>() => {
            Err(Mishap::unexpected(&**payload))
        }
        _ => Ok(()),
    }
}

/// What a failure that the engine found by itself violates.
pub(super) fn engine_violation(failure: &Failure) -> Option<Violation> {
    match &failure.kind {
        FailureKind::Deadlock { .. } => {
            Some(Violation::new(Clause::DEADLOCK, failure.kind.to_string()))
        }
        FailureKind::Livelock { cycle, .. } => {
            Some(Violation::new(Clause::LIVELOCK, going_round(cycle.len())))
        }
        FailureKind::Panic { .. } | FailureKind::Nondeterminism { .. } => None,
    }
}

/// What so many steps do in a livelock.
pub(super) fn going_round(steps: usize) -> String {
    format!("{steps} steps bring everybody back to where they were, and nobody is held up")
}
