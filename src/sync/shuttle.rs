//! Raw primitives on shuttle: CPUs are coroutines of one OS thread, and whoever the scheduler picked runs alone until its next step.
//! So state is plain data behind an uncontended lock; all there is to do is to announce each step before it happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dpor::ObjectId;
use parking_lot::Mutex;

use super::engine::{CpuBody, Step};
use super::exec::{self, Exec};

/// Steps of the world's construction and of the audit are nobody's: only CPUs are scheduled.
fn announced() -> bool {
    exec::cpu() != exec::BOOT && !std::thread::panicking()
}

pub fn announce(step: Step) {
    if announced() {
        exec::switching(|| dpor::step(ObjectId(step.object), step.access));
        exec::with(Exec::count_step);
    }
}

/// What the last step read is part of what its CPU knows: the scheduler must know it to recognize a state it has seen.
pub fn observed(value: u64) {
    if announced() {
        dpor::observed(value);
    }
}

pub struct Word(AtomicU64);

impl Word {
    pub fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    pub fn load(&self, step: Step, _: Ordering) -> u64 {
        announce(step);
        let value = self.0.load(Ordering::Relaxed);
        observed(value);
        value
    }

    pub fn store(&self, step: Step, value: u64, _: Ordering) {
        announce(step);
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn add(&self, step: Step, n: u64) -> u64 {
        self.replace(step, |before| before.wrapping_add(n))
    }

    pub fn swap(&self, step: Step, value: u64) -> u64 {
        self.replace(step, |_| value)
    }

    pub fn update_if(&self, step: Step, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let before = self.replace(step, |before| change(before).unwrap_or(before));
        if change(before).is_some() { Ok(before) } else { Err(before) }
    }

    fn replace(&self, step: Step, change: impl Fn(u64) -> u64) -> u64 {
        announce(step);
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(change(before), Ordering::Relaxed);
        observed(before);
        before
    }

    pub fn reset(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn peek(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub struct Monitor<S>(Mutex<S>);

impl<S> Monitor<S> {
    pub fn new(state: S) -> Self {
        Self(Mutex::new(state))
    }

    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        announce(step);
        act(&mut self.0.lock())
    }

    pub fn enter_when<R>(&self, step: Step, ready: impl Fn(&S) -> bool, act: impl FnOnce(&mut S) -> R) -> R {
        if announced() {
            exec::switching(|| dpor::step_when(ObjectId(step.object), step.access, &|| ready(&self.0.lock())));
            exec::with(Exec::count_step);
        }
        act(&mut self.0.lock())
    }

    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        announce(step);
        let success = act(&mut self.0.lock());
        if announced() {
            dpor::tried(success);
        }
        success
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.0.lock())
    }
}

pub struct Published<T>(Mutex<Arc<T>>);

impl<T> Published<T> {
    pub fn new(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub fn load(&self, step: Step) -> Arc<T> {
        announce(step);
        let value = self.0.lock().clone();
        observed(Arc::as_ptr(&value).addr() as u64);
        value
    }

    pub fn store(&self, step: Step, value: T) {
        announce(step);
        *self.0.lock() = Arc::new(value);
    }

    pub fn peek(&self) -> Arc<T> {
        self.0.lock().clone()
    }
}

/// Every step is sequentially consistent already.
pub fn fence(_: Ordering) {}

pub fn round(which: u64, state: impl FnOnce() -> u64) {
    if announced() {
        exec::switching(|| dpor::round(which, state));
    }
}

pub fn run_cpus(_: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    let tasks: Vec<_> = cpus
        .into_iter()
        .enumerate()
        .map(|(cpu, (name, body))| {
            exec::switching(|| {
                dpor::spawn(name, move || {
                    exec::set_cpu(cpu);
                    body();
                })
            })
        })
        .collect();
    for task in tasks {
        exec::switching(|| task.join());
    }
    if !dpor::aborting() {
        at_end();
    }
}
