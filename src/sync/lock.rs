//! Exclusive locks: the spin lock, and the page lock that sleeps.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::Ordering;

use dpor::Digest;
use parking_lot::Mutex;

use crate::engine::{Access, Monitor, Step};
use crate::exec;
use crate::exec::lockdep::{self, LockKind, Mode};
use crate::exec::name::Name;
use crate::exec::told::{self, Changing};
use crate::exec::trace::event;
use crate::spec::Clause;
use crate::sync::word::Part;
use witness::StepKind;

/// What both have in common: an owner or none.
struct RawLock {
    id: u32,
    name: Name,
    kind: LockKind,
    owner: Monitor<Option<usize>>,
}

impl RawLock {
    fn new(name: Name, kind: LockKind, holds: impl FnOnce() -> Digest) -> Self {
        let id = told::made(name, holds);
        Self { id, name, kind, owner: Monitor::seen(id, None, Self::has_owner) }
    }

    fn has_owner(owner: &Option<usize>) -> u64 {
        owner.is_some().into()
    }

    fn step(&self, access: Access) -> Step {
        Step::new(self.id, access)
    }

    #[track_caller]
    fn lock(&self) {
        lockdep::about_to_lock(self.id, self.name, self.kind, Mode::Exclusive, "lock");
        self.owner
            .enter_when(self.step(Access::Acquire), Option::is_none, |owner| self.take(owner));
        event(StepKind::Lock, Some(self.name), || format!("lock({})", self.name));
    }

    fn take(&self, owner: &mut Option<usize>) {
        *owner = Some(exec::cpu());
        lockdep::acquired(self.id, self.name, self.kind, Mode::Exclusive);
    }

    #[track_caller]
    fn trylock(&self) -> bool {
        let taken = self.owner.attempt(self.step(Access::TryAcquire), |owner| {
            let free = owner.is_none();
            if free {
                self.take(owner);
            }
            free
        });
        event(try_kind(taken), Some(self.name), || {
            format!("trylock({}) {}", self.name, if taken { "got it" } else { "failed" })
        });
        taken
    }

    /// Releases the lock, whoever took it; returns who that was.
    #[track_caller]
    fn unlock(&self) -> Option<usize> {
        let me = exec::cpu();
        let given_back = |owner: &Option<usize>| {
            lockdep::released(self.id, owner.unwrap_or(me));
            *owner
        };
        let owner = self.owner.leave(self.step(Access::Release), given_back, |owner| *owner = None);
        told::learned(|| owner.is_some().into());
        event(StepKind::Unlock, Some(self.name), || format!("unlock({})", self.name));
        owner
    }

    #[track_caller]
    fn is_locked(&self) -> bool {
        let step = self.step(Access::Read);
        let seen = self.owner.glance(step, Ordering::Relaxed, Self::has_owner);
        told::observed(seen);
        let locked = seen != 0;
        event(StepKind::Load, Some(self.name), || {
            looked(self.name, locked, self.owner.peek(Option::is_some))
        });
        locked
    }

    fn held_by_me(&self) -> bool {
        lockdep::holds(self.id)
    }

    fn peek_owner(&self) -> Option<usize> {
        exec::assert_unseen(self.name);
        self.owner.peek(|owner| *owner)
    }
}

/// A spin lock and the data that only its holder may touch. Kernel: `spinlock_t`.
pub struct SpinLock<T> {
    raw: RawLock,
    cell: told::Cell,
    data: Mutex<T>,
}

impl Part for SpinLock<()> {
    fn object(&self) -> u32 {
        self.raw.id
    }
}

impl<T: Debug + Hash> SpinLock<T> {
    /// An unlocked lock around `data`.
    pub fn new(name: Name, data: T) -> Self {
        Self::of(name, LockKind::Spin, data)
    }

    /// The same, but its holder may sleep, and who waits for it does. Kernel: `struct mutex`.
    pub fn mutex(name: Name, data: T) -> Self {
        Self::of(name, LockKind::Sleeping, data)
    }

    fn of(name: Name, kind: LockKind, data: T) -> Self {
        Self {
            raw: RawLock::new(name, kind, || told::inside(&data)),
            cell: told::Cell::new(),
            data: Mutex::new(data),
        }
    }

    /// Is it locked? A step of the protocol (`mutex_is_locked`).
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// Waits for the lock and takes it.
    #[track_caller]
    pub fn lock(&self) {
        self.raw.lock();
    }

    /// Takes the lock if it is free.
    #[track_caller]
    #[must_use]
    pub fn trylock(&self) -> bool {
        self.raw.trylock()
    }

    /// Releases the lock; the caller must hold it ([UNLOCK-1]).
    #[track_caller]
    pub fn unlock(&self) {
        let held = self.raw.held_by_me();
        exec::clause(Clause::UNLOCK_1, held, || {
            format!("unlock of {} by a CPU that does not hold it", self.raw.name)
        });
        self.raw.unlock();
    }

    /// A look at the data inside; the caller must hold the lock ([GUARD-1]).
    #[track_caller]
    pub fn with<R: Hash>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.access(false);
        let seen = look(&self.data.lock());
        told::learned_of(&seen);
        seen
    }

    /// The data inside, to change; the caller must hold the lock ([GUARD-1]).
    #[track_caller]
    pub fn data(&self) -> Changing<'_, T> {
        self.access(true);
        let data = self.data.lock();
        told::learned_of(&*data);
        Changing::new(self.raw.id, data)
    }

    #[track_caller]
    fn access(&self, write: bool) {
        self.assert_held();
        // The lock orders them; that it changes is what the engine is told, to know a round in
        // vain: there are none where states are told apart.
        if exec::cpu() != exec::BOOT && !told::by_states() {
            self.cell.races(write);
        }
    }

    /// The data inside, for audits and pictures only.
    #[track_caller]
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        exec::assert_unseen(self.raw.name);
        look(&self.data.lock())
    }

    /// Kernel: `lockdep_assert_held` ([GUARD-1]).
    #[track_caller]
    pub fn assert_held(&self) {
        let held = exec::cpu() == exec::BOOT || self.raw.held_by_me();
        exec::clause(Clause::GUARD_1, held, || {
            format!("what {} protects is touched without it", self.raw.name)
        });
    }

    /// Does the caller hold it? For checks only.
    pub fn is_held(&self) -> bool {
        exec::cpu() == exec::BOOT || self.raw.held_by_me()
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.raw.name
    }

    /// Who holds it, for audits and pictures only.
    pub fn owner(&self) -> Option<usize> {
        self.raw.peek_owner()
    }
}

impl<T: Debug> SpinLock<T> {
    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        state.object(self.raw.id, self.raw.name, || {
            format!("{:?} {:?}", self.raw.peek_owner(), self.data.lock())
        });
    }
}

/// The page lock. Kernel: `PG_locked`, `lock_page`, `trylock_page`, `wait_on_page_locked`,
/// `unlock_page`.
///
/// Sleeping, so never taken under a spin lock or inside an RCU read section ([ATOMIC-1]). Not
/// owned: whoever completes the IO unlocks.
pub struct PageLock(RawLock);

impl Part for PageLock {
    fn object(&self) -> u32 {
        self.0.id
    }
}

impl PageLock {
    /// An unlocked page lock.
    pub fn new(name: Name) -> Self {
        Self(RawLock::new(name, LockKind::Sleeping, Digest::default))
    }

    /// Sleeps until the page is unlocked and locks it.
    #[track_caller]
    pub fn lock(&self) {
        self.0.lock();
    }

    /// Locks the page if it is unlocked.
    #[track_caller]
    #[must_use]
    pub fn trylock(&self) -> bool {
        self.0.trylock()
    }

    /// Unlocks the page, whoever locked it. It must be locked ([UNLOCK-1]).
    #[track_caller]
    pub fn unlock(&self) {
        let owner = self.0.unlock();
        exec::clause(Clause::UNLOCK_1, owner.is_some(), || {
            format!("{} is unlocked, but it is not locked", self.0.name)
        });
    }

    /// The locker starts IO, and whoever completes it will unlock: from here on nobody owns the
    /// lock, and to wait for it, the locker too, is not to wait for the locker. Bookkeeping, not a
    /// step.
    #[track_caller]
    pub fn hand_over(&self) {
        let mine = self.0.held_by_me();
        exec::clause(Clause::UNLOCK_1, mine, || {
            format!("{} is handed over by a CPU that does not hold it", self.0.name)
        });
        lockdep::released(self.0.id, exec::cpu());
    }

    /// Sleeps until the page is unlocked, without locking it.
    #[track_caller]
    pub fn wait(&self) {
        lockdep::about_to_lock(self.0.id, self.0.name, LockKind::Sleeping, Mode::Exclusive, "wait");
        self.0
            .owner
            .enter_when(self.0.step(Access::Wait), Option::is_none, |_| lockdep::stop_waiting());
        event(StepKind::Note, Some(self.0.name), || {
            format!("waited until {} was released", self.0.name)
        });
    }

    /// Is the page locked? A step of the protocol (`PageLocked()`).
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.0.name
    }

    /// Who locked it, for audits and pictures only.
    pub fn owner(&self) -> Option<usize> {
        self.0.peek_owner()
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        state.object(self.0.id, self.0.name, || format!("{:?}", self.0.peek_owner()));
    }

    /// Kernel: `BUG_ON(!PageLocked(page))` where the caller is known to be the locker ([GUARD-1]).
    #[track_caller]
    pub fn assert_held(&self) {
        let held = exec::cpu() == exec::BOOT || self.0.held_by_me();
        exec::clause(Clause::GUARD_1, held, || format!("{} must be held here", self.0.name));
    }
}

/// Who looks has seen that it is `locked`, and `newest` is what it is.
pub(super) fn looked(name: Name, locked: bool, newest: bool) -> String {
    let said = |locked| if locked { "locked" } else { "unlocked" };
    let instead =
        if locked == newest { String::new() } else { format!(", and in memory {}", said(newest)) };
    format!("{name} is {}{instead}", said(locked))
}

/// A failed try is another kind of step.
pub(super) fn try_kind(taken: bool) -> StepKind {
    if taken { StepKind::TryLock } else { StepKind::TryLockFailed }
}
