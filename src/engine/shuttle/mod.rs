//! Raw primitives on shuttle and `dpor`: CPUs are coroutines of one OS thread, and whoever the
//! scheduler picked runs alone until its next step. So state is plain data behind an uncontended
//! lock; all there is to do is to announce each step before it happens.

mod monitor;
mod word;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpor::memory;
use dpor::{Memory, ObjectId};

pub use monitor::Monitor;
pub use word::{Published, Word};

use super::{CpuBody, Step};
use crate::exec::{self, Exec, progress};

#[track_caller]
pub fn announce(step: Step) {
    if exec::is_on_cpu() {
        let switching = exec::Switching::begin();
        dpor::step(ObjectId(step.object), step.access);
        drop(switching);
        progress::step();
    }
}

fn tried(success: bool) {
    if exec::is_on_cpu() {
        dpor::tried(success);
    }
}

/// The same of what is no memory.
#[track_caller]
pub fn ghost(step: Step) {
    if is_consistent() {
        announce(step);
    } else if exec::is_on_cpu() {
        exec::switching(|| memory::unordered(ObjectId(step.object), step.access));
        progress::step();
    }
}

/// Is memory sequentially consistent? Then steps are all there is to it.
fn is_consistent() -> bool {
    memory::model() == Memory::Sc
}

/// Takes a step of a word that knows itself how it is ordered.
#[track_caller]
fn taking<R>(step: impl FnOnce() -> R) -> R {
    let result = exec::switching(step);
    progress::step();
    result
}

/// A store of `cpu` is in memory now.
fn arrives(cpu: usize, then: impl FnOnce()) {
    exec::as_cpu(cpu, || {
        progress::step();
        then();
    });
}

/// Where every step is sequentially consistent, it is already.
pub fn fence(order: Ordering) {
    if exec::is_on_cpu() && !is_consistent() {
        exec::switching(|| memory::fence(order));
    }
}

pub fn round(which: u64, carried: u128, state: impl FnOnce() -> u64) {
    if exec::is_on_cpu() {
        exec::switching(|| dpor::round_carrying(which, carried, state));
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
