//! What an execution costs beside one under shuttle's random scheduler, and what memory a long
//! exploration takes.

use std::fs;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dpor::{Budget, Explorer, Strategy};
use shuttle::Runner;
use shuttle_engine::runtime::execution::ExecutionState;
use shuttle_engine::runtime::thread::switch;

use crate::cell::Limit;
use crate::on_dpor::Announced;
use crate::on_shuttle::{Kind, Shuttle, config};
use crate::program::{Data, Primitives, Size, Variant, execute};

/// dpor's primitives without the announcement: what is left is the switch to the scheduler.
struct Bare;

/// A lock for programs that never contend for one: waiting would be another primitive than dpor's.
struct Uncontended<T>(AtomicBool, Mutex<T>);

impl Primitives for Bare {
    type Lock<T: Data> = Uncontended<T>;
    type Word = AtomicI64;

    fn lock<T: Data>(value: T) -> Uncontended<T> {
        Uncontended(AtomicBool::new(false), Mutex::new(value))
    }

    fn locked<T: Data, R>(lock: &Uncontended<T>, f: impl FnOnce(&mut T) -> R) -> R {
        switch();
        assert!(!lock.0.swap(true, Ordering::Relaxed), "the lock is contended");
        let result = f(&mut lock.1.lock().unwrap_or_else(PoisonError::into_inner));
        switch();
        lock.0.store(false, Ordering::Relaxed);
        result
    }

    fn word(value: i64) -> AtomicI64 {
        AtomicI64::new(value)
    }

    fn read(word: &AtomicI64) -> i64 {
        switch();
        word.load(Ordering::Relaxed)
    }

    fn write(word: &AtomicI64, value: i64) {
        switch();
        word.store(value, Ordering::Relaxed);
    }

    fn spawn(f: impl FnOnce() + Send + 'static) {
        let body = Box::new(move || {
            f();
            ExecutionState::drop_task_locals();
        });
        ExecutionState::spawn_thread(
            body,
            config().stack_size,
            Some("adjuster".to_owned()),
            None,
            Location::caller(),
        );
    }
}

/// Executions per second of dpor and of shuttle's random scheduler.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Overhead {
    /// The program.
    pub variant: Variant,
    /// How much of it.
    pub size: Size,
    /// Whether both ran on the same primitives, or shuttle on its own.
    pub same_primitives: bool,
    /// Executions of each in every round.
    pub executions: u64,
    /// dpor's rate, the median of the rounds.
    pub dpor: f64,
    /// The random scheduler's rate, likewise.
    pub random: f64,
    /// What an execution costs under dpor, in executions under the random scheduler: the median of
    /// the rounds' ratios.
    pub ratio: f64,
    /// The smallest and the largest of these ratios: far apart if the machine is busy.
    pub ratios: (f64, f64),
    /// Rounds.
    pub rounds: usize,
}

/// Alternating rounds of both, after one that is not counted.
pub fn overhead(rounds: usize) -> Vec<Overhead> {
    vec![
        alternate::<Bare>(Variant::NoAssert, Size::new(2, 3, 2), 4416, true, rounds),
        alternate::<Shuttle>(Variant::FixedPlain, Size::new(2, 3, 3), 16_800, false, rounds),
    ]
}

fn alternate<P: Primitives>(
    variant: Variant,
    size: Size,
    executions: u64,
    same_primitives: bool,
    rounds: usize,
) -> Overhead {
    let (mut dpor, mut random, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds as u64 {
        let ours = timed_dpor(variant, size, executions);
        let theirs = timed_random::<P>(variant, size, executions, round);
        if round > 0 {
            dpor.push(executions as f64 / ours.as_secs_f64());
            random.push(executions as f64 / theirs.as_secs_f64());
            ratios.push(ours.as_secs_f64() / theirs.as_secs_f64());
        }
    }
    let range = ratios.iter().fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), &ratio| {
        (least.min(ratio), most.max(ratio))
    });
    let (dpor, random, ratio) = (median(dpor), median(random), median(ratios));
    Overhead {
        variant,
        size,
        same_primitives,
        executions,
        dpor,
        random,
        ratio,
        ratios: range,
        rounds,
    }
}

fn timed_dpor(variant: Variant, size: Size, executions: u64) -> Duration {
    let found = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let explorer =
        Explorer::new(Strategy::Dpor).budget(Budget { executions: Some(executions), time: None });
    let report = explorer.run(move || execute::<Announced>(variant, size, &found));
    assert_eq!(
        (report.executions, report.failing),
        (executions, 0),
        "the program has fewer executions, or fails"
    );
    started.elapsed()
}

fn timed_random<P: Primitives>(
    variant: Variant,
    size: Size,
    executions: u64,
    seed: u64,
) -> Duration {
    let found = Arc::new(AtomicBool::new(false));
    let most = usize::try_from(executions).unwrap_or(usize::MAX);
    let started = Instant::now();
    let done = Runner::new(Kind::Random.scheduler(seed, most), config())
        .run(move || execute::<P>(variant, size, &found));
    assert_eq!(done, most);
    started.elapsed()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What a long exploration takes.
#[derive(Copy, Clone, PartialEq, Debug)]
pub struct Memory {
    /// The program, in the plain locked variant.
    pub size: Size,
    /// Executions that were explored.
    pub executions: u64,
    /// Whether these are all.
    pub exhausted: bool,
    /// How long it took.
    pub seconds: f64,
    /// The process's peak of resident memory in kB, if the system tells.
    pub peak: Option<u64>,
    /// Whether the peak is of this exploration alone, not also of what ran before it in the
    /// process.
    pub alone: bool,
}

/// The process's peak of resident memory in kB, if the system tells.
pub fn peak_of_this_process() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Explore T3 K4, 450,450 classes, or as many as fit into `limit`.
pub fn memory(limit: impl Into<Limit>) -> Memory {
    let size = Size::new(2, 3, 4);
    // Makes the kernel forget the peak so far (proc(5)).
    let alone = fs::write("/proc/self/clear_refs", "5").is_ok();
    let run = crate::on_dpor::run(Strategy::Dpor, Variant::FixedPlain, size, &limit.into());
    let peak = peak_of_this_process();
    Memory {
        size,
        executions: run.executions,
        exhausted: run.ended && !run.found,
        seconds: run.elapsed.as_secs_f64(),
        peak,
        alone,
    }
}
