//! How far each CPU is: where in the race, and after how many steps.

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

use super::clock::ThreadClock;
use crate::exec;

/// Of the CPUs of an execution. Also for those to see who are not part of it.
pub struct Progress(Box<[Cpu]>);

#[derive(Default)]
struct Cpu {
    steps: AtomicU64,
    faults: AtomicU64,
    line: Mutex<Option<&'static Location<'static>>>,
    /// It is neither in its engine nor waiting.
    computing: AtomicBool,
    /// Of the OS thread that it runs on, where the engine says so.
    clock: OnceLock<Option<ThreadClock>>,
}

impl Progress {
    pub(crate) fn new(cpus: usize) -> Self {
        Self((0..cpus).map(|_| Cpu::default()).collect())
    }

    /// Steps that `cpu` has taken.
    pub fn steps_of(&self, cpu: usize) -> u64 {
        self.0.get(cpu).map_or(0, |cpu| cpu.steps.load(Relaxed))
    }

    /// Steps that all have taken.
    pub fn steps(&self) -> u64 {
        (0..self.0.len()).map(|cpu| self.steps_of(cpu)).sum()
    }

    /// Page faults of all.
    #[cfg(feature = "cli")]
    pub fn faults(&self) -> u64 {
        self.0.iter().map(|cpu| cpu.faults.load(Relaxed)).sum()
    }

    /// The line of the race that `cpu` was in when it last asked for something.
    pub fn line_of(&self, cpu: usize) -> Option<&'static Location<'static>> {
        self.0.get(cpu).and_then(|cpu| *cpu.line.lock())
    }

    /// A CPU that neither waits nor is in its engine, as far as the engine says so.
    pub fn computing(&self) -> Option<usize> {
        self.0.iter().position(|cpu| cpu.computing.load(Relaxed))
    }

    /// How long the OS thread of each CPU has computed, if that is known.
    pub fn computed(&self) -> Vec<Option<Duration>> {
        self.0.iter().map(|cpu| cpu.clock.get().copied().flatten()?.computed()).collect()
    }

    /// The most steps that a CPU has taken, and which one.
    pub fn busiest(&self) -> (u64, usize) {
        (0..self.0.len()).map(|cpu| (self.steps_of(cpu), cpu)).max().unwrap_or_default()
    }
}

fn with_cpu(act: impl FnOnce(&Cpu)) {
    exec::with(|exec| {
        if let Some(cpu) = exec.progress().0.get(exec::cpu()) {
            act(cpu);
        }
    });
}

/// The CPU that runs does so on this OS thread, to its end.
pub(crate) fn on_this_thread() {
    with_cpu(|cpu| _ = cpu.clock.set(ThreadClock::mine()));
}

/// The CPU that runs is in the caller's line of the race.
#[track_caller]
pub(crate) fn here() {
    let line = Location::caller();
    with_cpu(|cpu| *cpu.line.lock() = Some(line));
}

/// The CPU that runs takes a step.
pub(crate) fn step() {
    // Nobody else counts its steps.
    with_cpu(|cpu| cpu.steps.store(cpu.steps.load(Relaxed) + 1, Relaxed));
}

/// The CPU that runs has a page fault. Kernel: `count_vm_event(PGFAULT)`.
pub(crate) fn count_pgfault() {
    with_cpu(|cpu| cpu.faults.store(cpu.faults.load(Relaxed) + 1, Relaxed));
}

/// The CPU that runs computes from here on; or it goes into its engine, or waits.
pub(crate) fn computes(computing: bool) {
    with_cpu(|cpu| cpu.computing.store(computing, Relaxed));
}
