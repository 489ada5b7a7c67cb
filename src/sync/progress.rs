//! How far each CPU is: where in the race, and after how many steps.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::exec::{self, Exec};

/// Of one CPU.
#[derive(Default)]
pub(super) struct Progress {
    steps: AtomicU64,
    line: Mutex<Option<&'static Location<'static>>>,
}

/// The CPU that runs is in the caller's line of the race.
#[track_caller]
pub(crate) fn here() {
    let line = Location::caller();
    exec::with(|exec| {
        if let Some(progress) = exec.progress.get(exec::cpu()) {
            *progress.line.lock() = Some(line);
        }
    });
}

/// The CPU that runs takes a step.
pub(super) fn step() {
    exec::with(|exec| {
        exec.count_step();
        if let Some(progress) = exec.progress.get(exec::cpu()) {
            progress.steps.fetch_add(1, Relaxed);
        }
    });
}

impl Exec {
    /// Steps that `cpu` has taken.
    pub(super) fn steps_of(&self, cpu: usize) -> u64 {
        self.progress.get(cpu).map_or(0, |progress| progress.steps.load(Relaxed))
    }

    /// The line of the race that `cpu` was in when it last asked for something.
    pub(crate) fn line_of(&self, cpu: usize) -> Option<&'static Location<'static>> {
        self.progress.get(cpu).and_then(|progress| *progress.line.lock())
    }
}
