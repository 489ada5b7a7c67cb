//! Raw primitives on real threads: parking_lot, arc-swap, std atomics.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};

use super::{CpuBody, Step};
use crate::exec::panics::{self, Endless, Stopped};
use crate::exec::{self, Exec, progress};

/// How often a waiting thread looks whether a violation elsewhere has ended the execution.
const POLL: Duration = Duration::from_millis(5);

fn leave_if_stopped() {
    if exec::with(|exec| exec.stopped()) && !std::thread::panicking() {
        resume_unwind(Box::new(Stopped));
    }
}

/// A step is about to happen. Now and then the others get ahead first: time slices alone would let
/// few threads meet.
fn before_step() {
    if exec::cpu() == exec::BOOT {
        return;
    }
    leave_if_stopped();
    progress::step();
    let (steps, delays) = exec::with(|exec| (exec.progress().steps_of(exec::cpu()), exec.delays()));
    if steps >= MANY {
        end_endless();
    }
    if !delays {
        return;
    }
    match fastrand::u32(..64) {
        0 => std::thread::yield_now(),
        1..=4 => (0..fastrand::u32(..2_000)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}

pub struct Word(AtomicU64);

impl Word {
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    pub fn load(&self, _: Step, order: Ordering) -> u64 {
        before_step();
        self.0.load(order)
    }

    pub fn store(&self, _: Step, value: u64, order: Ordering) {
        before_step();
        self.0.store(value, order);
    }

    pub fn add(&self, _: Step, n: u64) -> u64 {
        before_step();
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    pub fn swap(&self, _: Step, value: u64) -> u64 {
        before_step();
        self.0.swap(value, Ordering::Relaxed)
    }

    pub fn update_if(
        &self,
        _: Step,
        order: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let barrier = || {
            if order == Ordering::SeqCst {
                fence(order);
            }
        };
        before_step();
        let mut before = self.0.load(Ordering::Relaxed);
        while let Some(value) = change(before) {
            barrier();
            match self.0.compare_exchange(before, value, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(before) => {
                    barrier();
                    return Ok(before);
                }
                Err(other) => before = other,
            }
        }
        Err(before)
    }

    pub fn reset(&self, _: u32, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    pub fn peek(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
}

impl<S> Monitor<S> {
    pub fn new(state: S) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        self.enter_when(step, |_| true, act)
    }

    pub fn enter_when<R>(
        &self,
        _: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        before_step();
        let mut state = self.state.lock();
        while !ready(&state) {
            if exec::cpu() == exec::BOOT {
                panics::misuse("this waits for ever: no CPU runs that could change anything");
            }
            progress::computes(false);
            if self.changed.wait_for(&mut state, POLL).timed_out() {
                leave_if_stopped();
            }
        }
        progress::computes(true);
        let result = act(&mut state);
        drop(state);
        self.changed.notify_all();
        result
    }

    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        self.enter(step, act)
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state.lock())
    }
}

pub struct Published<T>(ArcSwap<T>);

impl<T> Published<T> {
    pub fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    pub fn load(&self, _: Step) -> Arc<T> {
        before_step();
        self.0.load_full()
    }

    pub fn store(&self, _: Step, value: T) {
        before_step();
        self.0.store(Arc::new(value));
    }

    pub fn peek(&self) -> Arc<T> {
        self.0.load_full()
    }
}

pub fn fence(order: Ordering) {
    std::sync::atomic::fence(order);
}

/// An execution is given up when a CPU has taken so many steps.
const MANY: u64 = 1_000_000;

fn end_endless() -> ! {
    exec::with(Exec::stop);
    resume_unwind(Box::new(Endless));
}

/// A loop is given up when it has gone round that often, and for that long: everybody who could run
/// has run meanwhile.
const ENDLESS: (u64, Duration) = (10_000, Duration::from_secs(1));

thread_local! {
    /// The retry loop that this CPU was last in, its rounds, and when it began.
    static LOOP: Cell<Option<(u64, u64, Instant)>> = const { Cell::new(None) };
}

pub fn round(which: u64) {
    if exec::cpu() == exec::BOOT {
        return;
    }
    leave_if_stopped();
    let (rounds, since) = match LOOP.get() {
        Some((this, rounds, since)) if this == which => (rounds + 1, since),
        _ => (0, Instant::now()),
    };
    LOOP.set(Some((which, rounds, since)));
    if rounds >= ENDLESS.0 && since.elapsed() >= ENDLESS.1 {
        end_endless();
    }
    std::thread::yield_now();
}

pub fn run_cpus(exec: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    let coming = AtomicUsize::new(cpus.len());
    let start = || {
        coming.fetch_sub(1, Ordering::SeqCst);
        while coming.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now(); // a barrier that sleeps wakes them one after the other
        }
    };
    let on_thread = |cpu, body| {
        exec.enter(cpu, || {
            (progress::on_this_thread(), start(), catch_unwind(AssertUnwindSafe(body))).2
        })
    };
    let endings: Vec<_> = std::thread::scope(|scope| {
        let on_thread = &on_thread;
        let threads: Vec<_> = cpus
            .into_iter()
            .enumerate()
            .map(|(cpu, (_, body))| scope.spawn(move || on_thread(cpu, body)))
            .collect();
        threads.into_iter().map(|thread| thread.join().and_then(|ending| ending)).collect()
    });
    let all_ended = endings.iter().all(Result::is_ok);
    let audit = if all_ended { catch_unwind(AssertUnwindSafe(at_end)) } else { Ok(()) };
    for payload in endings.into_iter().chain([audit]).filter_map(Result::err) {
        // A violation is in `exec` already. What is neither that nor its echo on another CPU must
        // not be swallowed.
        if !payload.is::<Stopped>() && !panics::is_kept(&*payload) {
            resume_unwind(payload);
        }
    }
}

/// Runs `program` once on real threads.
pub fn run_once(program: impl Fn()) -> Result<(), Endless> {
    match catch_unwind(AssertUnwindSafe(program)) {
        Ok(()) => Ok(()),
        Err(payload) if panics::is_kept(&*payload) => Ok(()),
        Err(payload) if payload.is::<Endless>() => Err(Endless),
        Err(payload) => resume_unwind(payload),
    }
}
