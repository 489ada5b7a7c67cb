//! Plain shared data: kept apart by locks alone, read and written without a step of its own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use dpor::Digest;
use parking_lot::Mutex;

use crate::exec;
use crate::exec::name::Name;
use crate::exec::panics::misuse;
use crate::exec::told::{self, Changing};
use crate::spec::Clause;

/// Data that some lock or other keeps apart ([GUARD-1]). The exhaustive scheduler checks that no
/// two accesses, one of them a write, are unordered: such a pair would be a step that nobody
/// announced.
pub struct Plain<T> {
    id: u32,
    name: Name,
    cell: told::Cell,
    data: Mutex<T>,
}

impl<T: Debug + Hash> Plain<T> {
    /// A cell with `data` in it.
    pub fn new(name: Name, data: T) -> Self {
        Self {
            id: told::made(name, || told::inside(&data)),
            name,
            cell: told::Cell::new(),
            data: Mutex::new(data),
        }
    }

    #[track_caller]
    fn access(&self, write: bool) {
        let race = exec::cpu() != exec::BOOT && self.cell.races(write);
        exec::clause(Clause::GUARD_1, !race, || {
            format!("{} is touched by two CPUs, and no lock orders them", self.name)
        });
    }

    /// A copy of the data.
    #[track_caller]
    pub fn read(&self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// A look at the data.
    #[track_caller]
    pub fn with<R: Hash>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.access(false);
        let seen = look(&self.data.lock());
        told::learned_of(&seen);
        seen
    }

    /// The data, to change. Let go of it before the next step.
    #[track_caller]
    pub fn write(&self) -> Changing<'_, T> {
        self.access(true);
        let data = self.data.lock();
        told::learned_of(&*data);
        Changing::new(self.id, data)
    }

    /// The data without a check, for audits and pictures only.
    #[track_caller]
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        exec::assert_unseen(self.name);
        look(&self.data.lock())
    }
}

impl<T: Debug> Plain<T> {
    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        state.object(self.id, self.name, || format!("{:?}", self.data.lock()));
    }
}

/// What is settled while the world is built, and never changes again: to look at it is no step.
pub struct Fixed<T>(Mutex<T>);

impl<T: Copy> Fixed<T> {
    /// It is `value`, unless it is [`set`](Self::set).
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Settles it.
    ///
    /// Not on a CPU: others may have looked already.
    #[track_caller]
    pub fn set(&self, value: T) {
        if exec::cpu() != exec::BOOT {
            misuse("this is settled while the world is built");
        }
        *self.0.lock() = value;
    }

    /// What it is.
    pub fn get(&self) -> T {
        *self.0.lock()
    }
}

/// How long something may be used: whoever ends it must know that nobody does any more. No step;
/// the exhaustive scheduler sees who could not know.
pub(crate) struct Lifetime {
    cell: told::Cell,
    ended: AtomicBool,
}

impl Lifetime {
    /// It begins.
    pub fn new() -> Self {
        Self { cell: told::Cell::new(), ended: AtomicBool::new(false) }
    }

    fn races(&self, write: bool) -> bool {
        exec::cpu() != exec::BOOT && self.cell.races(write)
    }

    /// It is used. False if it has ended.
    pub fn used(&self) -> bool {
        let _ = self.races(false);
        let ended = self.ended.load(Relaxed);
        told::learned(|| ended.into());
        !ended
    }

    /// It ends. False if somebody else may be using it still.
    pub fn end(&self) -> bool {
        self.ended.store(true, Relaxed);
        !self.races(true)
    }

    /// It begins anew. Nobody may be using it still.
    pub fn begins(&self) {
        self.ended.store(false, Relaxed);
        let _ = self.races(true);
    }

    /// What tells states apart.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        self.ended.load(Relaxed).hash(digest);
    }
}

/// What each CPU has for itself: no other can reach it.
pub struct PerCpu<T>(Mutex<BTreeMap<usize, T>>);

impl<T: Default + Debug + Hash + PartialEq> PerCpu<T> {
    /// The default, on every CPU.
    #[expect(clippy::new_without_default, reason = "it says what it makes")]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// This CPU's.
    pub fn mine<R: Hash>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        self.mine_or(exec::BOOT, act)
    }

    /// This CPU's; while the world is built, that of the CPU `builder`.
    pub fn mine_or<R: Hash>(&self, builder: usize, act: impl FnOnce(&mut T) -> R) -> R {
        let cpu = if exec::cpu() == exec::BOOT { builder } else { exec::cpu() };
        let mut all = self.0.lock();
        let seen = act(all.entry(cpu).or_default());
        told::learned_of(&seen);
        seen
    }

    /// What tells states apart.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        let all = self.0.lock();
        all.iter().filter(|(_, what)| **what != T::default()).for_each(|cpus| cpus.hash(digest));
        "that is all".hash(digest);
    }

    /// Every CPU's, for audits only.
    #[track_caller]
    pub fn peek<R>(&self, look: impl FnOnce(&BTreeMap<usize, T>) -> R) -> R {
        look(&self.0.lock())
    }
}

impl<T: Debug> PerCpu<T> {
    /// See [`State`](super::State).
    pub(crate) fn see(&self, name: &'static str, state: &mut super::State) {
        state.value(Name::new(name, 0, 0), format!("{:?}", self.0.lock()));
    }
}
