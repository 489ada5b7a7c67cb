//! What one engine made of one program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// How far an engine got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It did what it was asked to: exhausted the program, or found the bug. A bounded engine
    /// exhausts what its bound allows.
    Done,
    /// The time was over first. The figures are what was spent in vain.
    OverLimit(Duration),
    /// The caller said stop first; likewise.
    Stopped,
    /// It says that there is nothing left, and has not found the bug.
    Missed,
    /// It cannot run the program, or failed in some way that is no result.
    Broken(String),
}

/// When to give a cell up.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The most time.
    pub time: Duration,
    /// Set from elsewhere to stop: by Ctrl-C.
    pub stop: Option<Arc<AtomicBool>>,
}

impl From<Duration> for Limit {
    fn from(time: Duration) -> Self {
        Limit { time, stop: None }
    }
}

impl Limit {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// One engine, one program.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// The engine, and how it was set.
    pub engine: &'static str,
    /// Executions; of a sampler, the median of its seeds if all were done, else the sum.
    pub executions: u64,
    /// Those of them that dpor cut, because all that could follow was explored elsewhere.
    pub cut: u64,
    /// Seconds, likewise.
    pub seconds: f64,
    /// How far it got.
    pub outcome: Outcome,
}

impl Cell {
    /// Whether the figures are a result.
    pub fn finished(&self) -> bool {
        self.outcome == Outcome::Done
    }

    pub(crate) fn new(engine: &'static str, goal: Goal, limit: &Limit, run: Run) -> Self {
        let outcome = match (run.broken, goal) {
            (Some(broken), _) => Outcome::Broken(broken),
            (None, Goal::Exhaust) if run.found => {
                Outcome::Broken("the assertion failed".to_owned())
            }
            (None, Goal::Exhaust) if run.ended => Outcome::Done,
            (None, Goal::Find) if run.found => Outcome::Done,
            (None, Goal::Find) if run.ended => Outcome::Missed,
            (None, _) if limit.stopped() => Outcome::Stopped,
            (None, _) => Outcome::OverLimit(limit.time),
        };
        Cell {
            engine,
            executions: run.executions,
            cut: run.cut,
            seconds: run.elapsed.as_secs_f64(),
            outcome,
        }
    }

    /// To exhaust a program again and again until [`MOMENT`] is over, and the median of the times:
    /// a first search of a few executions takes two or three times as long as later ones.
    pub(crate) fn repeated(engine: &'static str, limit: &Limit, next: impl Fn() -> Run) -> Self {
        let started = Instant::now();
        let mut cell = Cell::new(engine, Goal::Exhaust, limit, next());
        let mut seconds = vec![cell.seconds];
        while cell.finished() && started.elapsed() < MOMENT.min(limit.time) && !limit.stopped() {
            seconds.push(next().elapsed.as_secs_f64());
        }
        seconds.sort_unstable_by(f64::total_cmp);
        cell.seconds = seconds[seconds.len() / 2];
        cell
    }

    /// The median of several seeds. Unless all were done it would be one of those that happened to
    /// be, so it is no result then.
    pub(crate) fn median(
        engine: &'static str,
        limit: &Limit,
        mut next: impl FnMut(u64, &Limit) -> Run,
    ) -> Self {
        let started = Instant::now();
        let mut cells = Vec::new();
        for seed in 0..SEEDS {
            let left = Limit {
                time: limit.time.saturating_sub(started.elapsed()),
                stop: limit.stop.clone(),
            };
            let cell = Cell::new(engine, Goal::Find, limit, next(seed, &left));
            cells.push(cell);
            if let Some(Cell { outcome, .. }) = cells.last().filter(|cell| !cell.finished()) {
                let executions = cells.iter().map(|cell| cell.executions).sum();
                return Cell {
                    engine,
                    executions,
                    cut: 0,
                    seconds: started.elapsed().as_secs_f64(),
                    outcome: outcome.clone(),
                };
            }
        }
        let mut executions: Vec<u64> = cells.iter().map(|cell| cell.executions).collect();
        let mut seconds: Vec<f64> = cells.iter().map(|cell| cell.seconds).collect();
        executions.sort_unstable();
        seconds.sort_unstable_by(f64::total_cmp);
        let middle = cells.len() / 2;
        Cell {
            engine,
            executions: executions[middle],
            cut: 0,
            seconds: seconds[middle],
            outcome: Outcome::Done,
        }
    }
}

/// What is over sooner is measured again.
const MOMENT: Duration = Duration::from_millis(50);

/// Seeds whose median stands for a sampler.
pub const SEEDS: u64 = 15;

/// What is asked of an engine.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Goal {
    Exhaust,
    Find,
}

/// What an engine did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) executions: u64,
    pub(crate) cut: u64,
    pub(crate) elapsed: Duration,
    /// The assertion failed.
    pub(crate) found: bool,
    /// The engine says that nothing is left.
    pub(crate) ended: bool,
    /// Anything else that ended it.
    pub(crate) broken: Option<String>,
}

impl Run {
    pub(crate) fn broken(why: String) -> Self {
        Run {
            executions: 0,
            cut: 0,
            elapsed: Duration::ZERO,
            found: false,
            ended: false,
            broken: Some(why),
        }
    }

    /// Of an engine that ends by a panic, silently at the limit, or silently at the end.
    pub(crate) fn of_panicking(
        result: Result<(), String>,
        executions: &AtomicU64,
        found: &AtomicBool,
        started: Instant,
        limit: &Limit,
    ) -> Self {
        let (elapsed, found) = (started.elapsed(), found.load(Ordering::Relaxed));
        let ended = result.is_ok() && elapsed < limit.time && !limit.stopped();
        let broken = result.err().filter(|_| !found && !limit.stopped());
        Run {
            executions: executions.load(Ordering::Relaxed),
            cut: 0,
            elapsed,
            found,
            ended,
            broken,
        }
    }
}

thread_local! {
    /// Panics on this thread are results.
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Run an engine whose way to report a failure is to panic, and print nothing of it.
pub(crate) fn quietly(f: impl FnOnce()) -> Result<(), String> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // The engines put their own hooks on top of what is there when they first run, and these
        // print: let them come first.
        dpor::Explorer::new(dpor::Strategy::Dpor).run(|| {});
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result.map_err(|payload| text(&*payload))
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").lines().next().unwrap_or_default().to_owned()
}
