//! The lock of an anon_vma, which was of three kinds in turn.

use crate::spec::AnonVmaLockKind;
use crate::sync::{Name, RwSem, SpinLock, State};

/// Protects an anon_vma's list. Kernel: `anon_vma->lock`, a spin lock; `anon_vma->mutex` (3.0);
/// `anon_vma->rwsem` (3.8), which several walks hold at once. Who only walks calls
/// [`lock_read`](Self::lock_read), which excludes everybody unless it is an rwsem.
pub enum ListLock {
    /// One holder.
    Exclusive(SpinLock<()>),
    /// One that changes the list, or any number that walk it.
    Shared(RwSem),
}

impl ListLock {
    pub(super) fn new(kind: AnonVmaLockKind, name: Name) -> Self {
        match kind {
            AnonVmaLockKind::Spin => Self::Exclusive(SpinLock::new(name, ())),
            AnonVmaLockKind::Mutex => Self::Exclusive(SpinLock::mutex(name, ())),
            AnonVmaLockKind::Rwsem => Self::Shared(RwSem::looked_at(name)),
        }
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        match self {
            Self::Exclusive(lock) => lock.see(state),
            Self::Shared(rwsem) => rwsem.see(state),
        }
    }

    /// To change the list, or what a walk reads of the VMAs on it. Kernel: `anon_vma_lock`;
    /// `anon_vma_lock_write`.
    #[track_caller]
    pub fn lock(&self) {
        match self {
            Self::Exclusive(lock) => lock.lock(),
            Self::Shared(rwsem) => rwsem.down_write(),
        }
    }

    /// To walk. Kernel: `anon_vma_lock`; `anon_vma_lock_read`.
    #[track_caller]
    pub fn lock_read(&self) {
        match self {
            Self::Exclusive(lock) => lock.lock(),
            Self::Shared(rwsem) => rwsem.down_read(),
        }
    }

    /// The same, if it can be had at once.
    #[track_caller]
    #[must_use]
    pub fn trylock_read(&self) -> bool {
        match self {
            Self::Exclusive(lock) => lock.trylock(),
            Self::Shared(rwsem) => rwsem.down_read_trylock(),
        }
    }

    /// Ends either.
    #[track_caller]
    pub fn unlock(&self) {
        match self {
            Self::Exclusive(lock) => lock.unlock(),
            Self::Shared(rwsem) if rwsem.is_write_held() => rwsem.up_write(),
            Self::Shared(rwsem) => rwsem.up_read(),
        }
    }

    /// Does anybody hold it? A step of the protocol (`mutex_is_locked`, `rwsem_is_locked`).
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        match self {
            Self::Exclusive(lock) => lock.is_locked(),
            Self::Shared(rwsem) => rwsem.is_locked(),
        }
    }

    /// Does the caller hold it? For checks only.
    pub fn is_held(&self) -> bool {
        match self {
            Self::Exclusive(lock) => lock.is_held(),
            Self::Shared(rwsem) => rwsem.is_held(),
        }
    }

    /// The caller may walk ([GUARD-1](crate::Clause::GUARD_1)).
    #[track_caller]
    pub fn assert_held(&self) {
        match self {
            Self::Exclusive(lock) => lock.assert_held(),
            Self::Shared(rwsem) => rwsem.assert_held(),
        }
    }

    /// The caller may change the list ([GUARD-1](crate::Clause::GUARD_1)).
    #[track_caller]
    pub fn assert_write_held(&self) {
        match self {
            Self::Exclusive(lock) => lock.assert_held(),
            Self::Shared(rwsem) => rwsem.assert_write_held(),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        match self {
            Self::Exclusive(lock) => lock.name(),
            Self::Shared(rwsem) => rwsem.name(),
        }
    }

    /// Who holds it for itself, for audits and pictures only.
    pub fn owner(&self) -> Option<usize> {
        match self {
            Self::Exclusive(lock) => lock.owner(),
            Self::Shared(rwsem) => rwsem.writer(),
        }
    }
}
