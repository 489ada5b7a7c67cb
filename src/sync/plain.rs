//! Plain shared data: kept apart by locks alone, read and written without a step of its own.

use parking_lot::{Mutex, MutexGuard};

use super::engine;
use super::exec;
use super::name::Name;
use crate::spec::Clause;

/// Data that some lock or other keeps apart ([GUARD-1]). The exhaustive scheduler checks that no two accesses, one of them a write, are
/// unordered: such a pair would be a step that nobody announced.
pub struct Plain<T> {
    name: Name,
    cell: engine::Cell,
    data: Mutex<T>,
}

impl<T> Plain<T> {
    /// A cell with `data` in it.
    pub fn new(name: Name, data: T) -> Self {
        Self { name, cell: engine::Cell::new(), data: Mutex::new(data) }
    }

    #[track_caller]
    fn access(&self, write: bool) {
        let race = exec::cpu() != exec::BOOT && self.cell.races(write);
        exec::clause(Clause::GUARD_1, !race, || format!("{} is touched by two CPUs, and no lock orders them", self.name));
    }

    /// A copy of the data.
    #[track_caller]
    pub fn read(&self) -> T
    where
        T: Clone,
    {
        self.access(false);
        self.data.lock().clone()
    }

    /// The data, to change. Let go of it before the next step.
    #[track_caller]
    pub fn write(&self) -> MutexGuard<'_, T> {
        self.access(true);
        self.data.lock()
    }

    /// A copy of the data, for audits and pictures only.
    pub fn peek(&self) -> T
    where
        T: Clone,
    {
        self.data.lock().clone()
    }
}
