//! The fair reader/writer semaphore.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering;

use dpor::Digest;

use super::lock::{looked, try_kind};
use crate::engine::{Access, Monitor, Order, Step};
use crate::exec;
use crate::exec::lockdep::{self, LockKind, Mode};
use crate::exec::name::Name;
use crate::exec::panics::misuse;
use crate::exec::told;
use crate::exec::trace::{self, event};
use crate::spec::Clause;
use witness::StepKind;

#[derive(Default)]
struct State {
    readers: Vec<usize>,
    writer: Option<usize>,
    /// Who waits, in order of arrival: (CPU, wants to write).
    queue: VecDeque<(usize, bool)>,
}

/// Readers come and go in any order.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut readers = self.readers.clone();
        readers.sort_unstable();
        (readers, self.writer, &self.queue).hash(hasher);
    }
}

impl State {
    /// May `cpu`, which is queued, have it now? Readers go in together, as far as the next writer
    /// in the queue.
    fn turn_of(&self, cpu: usize) -> bool {
        let at = self.queue.iter().position(|&(c, _)| c == cpu).expect("queued before it waits");
        let (_, writes) = self.queue[at];
        if writes {
            at == 0 && self.writer.is_none() && self.readers.is_empty()
        } else {
            self.writer.is_none() && self.queue.iter().take(at).all(|&(_, writes)| !writes)
        }
    }

    fn leave_queue(&mut self, cpu: usize) {
        self.queue.retain(|&(c, _)| c != cpu);
    }

    fn is_locked(&self) -> bool {
        self.writer.is_some() || !self.readers.is_empty()
    }

    /// What a look sees of it.
    fn seen(&self) -> u64 {
        u64::from(self.is_locked())
    }
}

/// A fair reader/writer semaphore. Kernel: `struct rw_semaphore`, as `mm->mmap_sem`.
///
/// Fair means: who comes after a queued writer waits behind it, readers too. That is what turns a
/// read lock taken under the page lock into a deadlock (claim S4.5).
pub struct RwSem {
    id: u32,
    name: Name,
    state: Monitor<State>,
    looked_at: bool,
}

impl RwSem {
    /// A free semaphore.
    pub fn new(name: Name) -> Self {
        let id = told::made(name, Digest::default);
        Self { id, name, state: Monitor::new(State::default()), looked_at: false }
    }

    /// The same, and who does not have it may [ask](Self::is_locked) whether somebody does: where
    /// looks may be stale, it makes a difference then which of two readers comes first.
    pub fn looked_at(name: Name) -> Self {
        let id = told::made(name, Digest::default);
        Self { id, name, state: Monitor::seen(id, State::default(), State::seen), looked_at: true }
    }

    fn step(&self, access: Access) -> Step {
        Step::new(self.id, access)
    }

    #[track_caller]
    fn enter_queue(&self, writes: bool) {
        self.state.enter(self.step(Access::Write).ordered(Order::QUEUE), |state| {
            state.queue.push_back((exec::cpu(), writes));
            lockdep::queued(self.id);
        });
        trace::queues();
    }

    /// Sleeps until it may read.
    #[track_caller]
    pub fn down_read(&self) {
        lockdep::might_sleep(self.name);
        lockdep::ordered(self.name);
        let before = told::learned_before();
        if !self.try_read() {
            self.wait_to_read();
        }
        // In the end it reads, and does not remember whether it had to wait.
        told::learned_only(before, &());
        event(StepKind::LockShared, Some(self.name), || format!("down_read({})", self.name));
    }

    #[track_caller]
    fn wait_to_read(&self) {
        self.enter_queue(false);
        lockdep::about_to_lock(self.id, self.name, LockKind::Sleeping, Mode::Shared, "down_read");
        let me = exec::cpu();
        self.state.enter_when(
            // It leaves the queue, so it is more than a shared acquisition; others may be reading,
            // so it is not an exclusive one.
            self.step(Access::Write).ordered(Order::LOCK_SHARED),
            |state| state.turn_of(me),
            |state| {
                state.leave_queue(me);
                state.readers.push(me);
                lockdep::acquired(self.id, self.name, LockKind::Sleeping, Mode::Shared);
            },
        );
    }

    fn try_read(&self) -> bool {
        self.state.attempt(self.step(Access::TryAcquireShared), |state| {
            let free = state.writer.is_none() && state.queue.is_empty();
            if free {
                state.readers.push(exec::cpu());
                lockdep::acquired(self.id, self.name, LockKind::Sleeping, Mode::Shared);
            }
            free
        })
    }

    /// Reads if it may at once.
    #[track_caller]
    #[must_use]
    pub fn down_read_trylock(&self) -> bool {
        let taken = self.try_read();
        event(try_kind(taken), Some(self.name), || {
            format!("down_read_trylock({}) {}", self.name, if taken { "got it" } else { "failed" })
        });
        taken
    }

    /// Ends reading ([UNLOCK-1]).
    #[track_caller]
    pub fn up_read(&self) {
        let me = exec::cpu();
        let place = move |state: &State| state.readers.iter().position(|&cpu| cpu == me);
        let given_back = |state: &State| {
            lockdep::released(self.id, me);
            place(state).is_some()
        };
        let held = self.state.leave(self.step(Access::ReleaseShared), given_back, move |state| {
            place(state).map(|at| state.readers.remove(at));
        });
        event(StepKind::Unlock, Some(self.name), || format!("up_read({})", self.name));
        exec::clause(Clause::UNLOCK_1, held, || {
            format!("up_read({}) by a CPU that does not read", self.name)
        });
    }

    /// Sleeps until it may write: joins the queue, then waits to be its head with nobody inside.
    #[track_caller]
    pub fn down_write(&self) {
        lockdep::might_sleep(self.name);
        self.enter_queue(true);
        lockdep::about_to_lock(
            self.id,
            self.name,
            LockKind::Sleeping,
            Mode::Exclusive,
            "down_write",
        );
        let me = exec::cpu();
        self.state.enter_when(
            self.step(Access::Acquire),
            |state| state.turn_of(me),
            |state| {
                state.leave_queue(me);
                state.writer = Some(me);
                lockdep::acquired(self.id, self.name, LockKind::Sleeping, Mode::Exclusive);
            },
        );
        event(StepKind::Lock, Some(self.name), || format!("down_write({})", self.name));
    }

    /// Writes if it may at once.
    #[track_caller]
    #[must_use]
    pub fn down_write_trylock(&self) -> bool {
        let taken = self.state.attempt(self.step(Access::TryAcquire), |state| {
            let free = state.writer.is_none() && state.readers.is_empty() && state.queue.is_empty();
            if free {
                state.writer = Some(exec::cpu());
                lockdep::acquired(self.id, self.name, LockKind::Sleeping, Mode::Exclusive);
            }
            free
        });
        event(try_kind(taken), Some(self.name), || {
            format!("down_write_trylock({}) {}", self.name, if taken { "got it" } else { "failed" })
        });
        taken
    }

    /// Ends writing ([UNLOCK-1]).
    #[track_caller]
    pub fn up_write(&self) {
        let me = exec::cpu();
        let given_back = |state: &State| {
            lockdep::released(self.id, me);
            state.writer == Some(me)
        };
        let held =
            self.state.leave(self.step(Access::Release), given_back, |state| state.writer = None);
        event(StepKind::Unlock, Some(self.name), || format!("up_write({})", self.name));
        exec::clause(Clause::UNLOCK_1, held, || {
            format!("up_write({}) by a CPU that does not write", self.name)
        });
    }

    /// Somebody, at least this CPU, holds it for writing ([GUARD-1]).
    #[track_caller]
    pub fn assert_write_held(&self) {
        let held = exec::cpu() == exec::BOOT || lockdep::writes(self.id);
        exec::clause(Clause::GUARD_1, held, || {
            format!("{} must be held for writing here", self.name)
        });
    }

    /// This CPU holds it, for reading or writing ([GUARD-1]).
    #[track_caller]
    pub fn assert_held(&self) {
        let held = exec::cpu() == exec::BOOT || lockdep::holds(self.id);
        exec::clause(Clause::GUARD_1, held, || format!("{} must be held here", self.name));
    }

    /// Does anybody hold it? A step of the protocol (`rwsem_is_locked`). To ask one that was not made
    /// to be [looked at](Self::looked_at) is a mistake, since it would always show the newest.
    #[track_caller]
    pub fn is_locked(&self) -> bool {
        if !self.looked_at {
            misuse(format!("{} is asked whether it is held, and is not looked_at", self.name));
        }
        let seen = self.state.glance(self.step(Access::Read), Ordering::Relaxed, State::seen);
        told::observed(seen);
        let locked = seen != 0;
        event(StepKind::Load, Some(self.name), || {
            looked(self.name, locked, self.state.peek(State::is_locked))
        });
        locked
    }

    /// Does the caller hold it? For checks only.
    pub fn is_held(&self) -> bool {
        exec::cpu() == exec::BOOT || lockdep::holds(self.id)
    }

    /// Does the caller hold it for writing? For checks, and for who gives it back.
    pub fn is_write_held(&self) -> bool {
        if exec::cpu() == exec::BOOT {
            self.writer() == Some(exec::BOOT)
        } else {
            lockdep::writes(self.id)
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.name
    }

    /// Who writes, for pictures only.
    pub fn writer(&self) -> Option<usize> {
        exec::assert_unseen(self.name);
        self.state.peek(|state| state.writer)
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        // Readers come and go in any order.
        let readers = |state: &State| state.readers.iter().copied().collect::<BTreeSet<_>>();
        state.object(self.id, self.name, || {
            self.state.peek(|s| format!("{:?} {:?} {:?}", s.writer, readers(s), s.queue))
        });
    }
}
