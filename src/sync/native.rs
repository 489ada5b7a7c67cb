//! Raw primitives on real threads: parking_lot, arc-swap, std atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};

use super::engine::{CpuBody, Step};
use super::exec::{self, Exec};

/// How often a waiting thread looks whether a violation elsewhere has ended the execution.
const POLL: Duration = Duration::from_millis(5);

/// The payload that unwinds a CPU after a violation on another one.
struct Stopped;

fn leave_if_stopped() {
    if exec::with(|exec| exec.stopped()) && !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(Stopped));
    }
}

pub struct Word(AtomicU64);

impl Word {
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    pub fn load(&self, _: Step, order: Ordering) -> u64 {
        self.0.load(order)
    }

    pub fn store(&self, _: Step, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    pub fn update(&self, _: Step, order: Ordering, change: impl Fn(u64) -> u64) -> u64 {
        let Ok(before) = self.0.fetch_update(order, Ordering::Relaxed, |value| Some(change(value))) else {
            unreachable!("the closure never declines")
        };
        before
    }

    pub fn reset(&self, value: u64) {
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

    pub fn enter_when<R>(&self, _: Step, ready: impl Fn(&S) -> bool, act: impl FnOnce(&mut S) -> R) -> R {
        leave_if_stopped();
        let mut state = self.state.lock();
        while !ready(&state) {
            if self.changed.wait_for(&mut state, POLL).timed_out() {
                leave_if_stopped();
            }
        }
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
        self.0.load_full()
    }

    pub fn store(&self, _: Step, value: T) {
        self.0.store(Arc::new(value));
    }

    pub fn peek(&self) -> Arc<T> {
        self.0.load_full()
    }
}

pub fn fence(order: Ordering) {
    std::sync::atomic::fence(order);
}

pub fn round() {
    leave_if_stopped();
    std::thread::yield_now();
}

pub fn run_cpus(exec: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    let start = std::sync::Barrier::new(cpus.len());
    let mut failed = false;
    std::thread::scope(|scope| {
        let threads: Vec<_> = cpus
            .into_iter()
            .enumerate()
            .map(|(cpu, (_, body))| {
                let start = &start;
                scope.spawn(move || {
                    exec.enter(cpu, || {
                        start.wait();
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
                    })
                })
            })
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                // The violation itself is in `exec`; anything else is a bug of lockwalk's and must not be swallowed.
                Ok(Err(payload)) if payload.is::<Stopped>() || payload.is::<crate::spec::Violation>() => failed = true,
                Ok(Err(payload)) | Err(payload) => std::panic::resume_unwind(payload),
            }
        }
    });
    if !failed {
        at_end();
    }
}

/// From now on, panics that are results of an exploration are not printed.
pub fn silence_results() {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !super::loom::exploring() && !info.payload().is::<crate::spec::Violation>() {
                before(info);
            }
        }));
    });
}
