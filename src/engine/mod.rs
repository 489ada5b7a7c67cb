//! The three engines, and the raw primitives each of them provides.
//!
//! An engine provides a [`Word`] (one atomic 64-bit cell), a [`Monitor`] (a small state machine
//! whose every transition is one atomic step that may have to wait for its condition), a
//! [`Published`] pointer, a fence, and CPUs to run on. Every lock of the protocol is a `Monitor`,
//! so that what a lock means is written once and an engine adds nothing to it but interleavings.

mod loom;
mod native;
pub mod order;
mod shuttle;

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use loom::{LoomReport, LoomStop, explore as explore_loom, refuses as loom_refuses};
pub use native::run_once as run_native;
pub(crate) use order::Order;

pub use crate::exec::Engine;
use crate::exec::{self, Exec, told};

/// How a step accesses its object: what the exhaustive scheduler needs to know to tell which steps
/// commute.
pub(crate) use dpor::Access;

/// A step that is about to happen: which object, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub object: u32,
    pub access: Access,
    /// Of a monitor.
    pub order: Order,
}

impl Step {
    /// Of a lock, it is ordered as taking one is; what only looks orders nothing.
    pub fn new(object: u32, access: Access) -> Self {
        let order = match access {
            Access::Acquire | Access::TryAcquire => Order::LOCK,
            Access::AcquireShared | Access::TryAcquireShared => Order::LOCK_SHARED,
            Access::Wait => Order::LOAD,
            _ => Order::LOOK,
        };
        Self { object, access, order }
    }

    pub fn ordered(self, order: Order) -> Self {
        Self { order, ..self }
    }
}

/// Chooses the engine's item: the three raw modules have the same items in the same order.
macro_rules! on_engine {
    ($raw:expr, $this:ident => $body:expr) => {
        match $raw {
            Raw::Native($this) => $body,
            Raw::Shuttle($this) => $body,
            Raw::Loom($this) => $body,
        }
    };
}

#[derive(Debug)]
enum Raw<N, S, L> {
    Native(N),
    Shuttle(S),
    Loom(L),
}

fn raw<N, S, L>(
    native: impl FnOnce() -> N,
    shuttle: impl FnOnce() -> S,
    loom: impl FnOnce() -> L,
) -> Raw<N, S, L> {
    match exec::with(Exec::engine) {
        Engine::Native => Raw::Native(native()),
        Engine::Shuttle => Raw::Shuttle(shuttle()),
        Engine::Loom => Raw::Loom(loom()),
    }
}

/// One atomic 64-bit cell.
pub(crate) struct Word(Raw<native::Word, shuttle::Word, loom::Word>);

impl Word {
    pub fn new(object: u32, value: u64) -> Self {
        Self(raw(
            || native::Word::new(value),
            || shuttle::Word::new(object, value),
            || loom::Word::new(value),
        ))
    }

    #[track_caller]
    pub fn load(&self, step: Step, order: Ordering) -> u64 {
        on_engine!(&self.0, word => word.load(step, order))
    }

    /// Stores it. If that is for later, it is true, and `then` is called when the value is in
    /// memory.
    #[track_caller]
    pub fn store(
        &self,
        step: Step,
        value: u64,
        order: Ordering,
        then: impl FnOnce() + 'static,
    ) -> bool {
        match &self.0 {
            Raw::Native(word) => word.store(step, value, order),
            Raw::Shuttle(word) => return word.store(step, value, order, then),
            Raw::Loom(word) => word.store(step, value, order),
        }
        false
    }

    /// Where this is not what is in memory, whatever the CPU has loaded: that.
    pub fn instead_of(&self, loaded: u64) -> Option<u64> {
        match &self.0 {
            Raw::Shuttle(word) => word.instead_of(loaded),
            Raw::Native(_) | Raw::Loom(_) => None,
        }
    }

    /// Adds, wrapping around, and orders nothing; returns the value before.
    #[track_caller]
    pub fn add(&self, step: Step, n: u64) -> u64 {
        on_engine!(&self.0, word => word.add(step, n))
    }

    /// Replaces the value, and orders nothing; returns the one before.
    #[track_caller]
    pub fn swap(&self, step: Step, value: u64) -> u64 {
        on_engine!(&self.0, word => word.swap(step, value))
    }

    /// Replaces the value by `change` of it, atomically, and if `order` is `SeqCst` with a full
    /// barrier before and after, else relaxed; if there is none, nothing is written and nothing
    /// ordered, and the value may have been a stale one. Returns the value before.
    #[track_caller]
    pub fn update_if(
        &self,
        step: Step,
        order: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        on_engine!(&self.0, word => word.update_if(step, order, change))
    }

    /// Sets the value without a step.
    pub fn reset(&self, object: u32, value: u64) {
        on_engine!(&self.0, word => word.reset(object, value));
    }

    /// The newest value, without a step: for audits and pictures, never for the protocol.
    pub fn peek(&self) -> u64 {
        on_engine!(&self.0, word => word.peek())
    }
}

/// A state machine whose transitions are atomic steps.
pub(crate) struct Monitor<S>(Raw<native::Monitor<S>, shuttle::Monitor<S>, loom::Monitor<S>>);

impl<S: Hash> Monitor<S> {
    pub fn new(state: S) -> Self
    where
        S: Send,
    {
        exec::with(|exec| match exec.engine() {
            Engine::Native => Self(Raw::Native(native::Monitor::new(state))),
            Engine::Shuttle => Self(Raw::Shuttle(shuttle::Monitor::new(state))),
            Engine::Loom => Self(Raw::Loom(loom::Monitor::new(state))),
        })
    }

    /// One whose state can be [glanced](Self::glance) at.
    pub fn seen(object: u32, state: S, of: fn(&S) -> u64) -> Self
    where
        S: Send,
    {
        if exec::with(Exec::engine) == Engine::Shuttle {
            return Self(Raw::Shuttle(shuttle::Monitor::seen(object, state, of)));
        }
        Self::new(state)
    }

    /// What `of` says of the state, in one step that is a load of a word and takes part in nothing:
    /// where loads may be stale, perhaps what it said before.
    #[track_caller]
    pub fn glance(&self, step: Step, order: Ordering, of: fn(&S) -> u64) -> u64 {
        if let Raw::Shuttle(monitor) = &self.0 {
            return monitor.glance(step, order, of);
        }
        self.enter(step, |state| of(state))
    }

    /// Applies `act`, in one step that never waits.
    #[track_caller]
    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        on_engine!(&self.0, monitor => monitor.enter(step, act))
    }

    /// Waits until `ready`, then applies `act`, in one step.
    #[track_caller]
    pub fn enter_when<R>(
        &self,
        step: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        on_engine!(&self.0, monitor => monitor.enter_when(step, ready, act))
    }

    /// Gives something back, in one step that never waits: `act`, of which nothing is needed but
    /// what `look` says right before. Where stores wait on their way to memory, this does so, too,
    /// behind those before it.
    #[track_caller]
    pub fn leave<R>(
        &self,
        step: Step,
        look: impl FnOnce(&S) -> R,
        act: impl FnOnce(&mut S) + Send + 'static,
    ) -> R
    where
        S: Send + 'static,
    {
        if let Raw::Shuttle(monitor) = &self.0 {
            return monitor.leave(step, look, act);
        }
        self.enter(step, |state| {
            let seen = look(state);
            act(state);
            seen
        })
    }

    /// Applies `act`, which says whether the attempt succeeded, in one step.
    #[track_caller]
    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        on_engine!(&self.0, monitor => monitor.attempt(step, act))
    }

    /// A look at the state without a step: for audits and pictures, never for the protocol.
    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        on_engine!(&self.0, monitor => monitor.peek(look))
    }
}

/// A pointer to an immutable value, replaced as a whole.
pub(crate) struct Published<T>(
    Raw<native::Published<T>, shuttle::Published<T>, loom::Published<T>>,
);

impl<T: Send + Sync + Hash> Published<T> {
    pub fn new(object: u32, value: T) -> Self {
        exec::with(|exec| match exec.engine() {
            Engine::Native => Self(Raw::Native(native::Published::new(value))),
            Engine::Shuttle => Self(Raw::Shuttle(shuttle::Published::new(object, value))),
            Engine::Loom => Self(Raw::Loom(loom::Published::new(value))),
        })
    }

    #[track_caller]
    pub fn load(&self, step: Step) -> Arc<T> {
        on_engine!(&self.0, published => published.load(step))
    }

    /// As [`Word::store`].
    #[track_caller]
    pub fn store(
        &self,
        step: Step,
        value: T,
        order: Ordering,
        then: impl FnOnce() + 'static,
    ) -> bool {
        match &self.0 {
            Raw::Native(published) => published.store(step, value),
            Raw::Shuttle(published) => return published.store(step, value, order, then),
            Raw::Loom(published) => published.store(step, value, order),
        }
        false
    }

    pub fn peek(&self) -> Arc<T> {
        on_engine!(&self.0, published => published.peek())
    }
}

/// A memory fence: `smp_mb()` when `SeqCst`.
pub fn fence(order: Ordering) {
    match exec::with(Exec::engine) {
        Engine::Native => native::fence(order),
        Engine::Shuttle => shuttle::fence(order),
        Engine::Loom => loom::fence(order),
    }
}

/// The last step has interrupted all CPUs, and they have seen what is newest in the object.
pub(crate) fn shot_down(object: u32) {
    if exec::with(Exec::engine) == Engine::Shuttle && exec::is_on_cpu() {
        dpor::memory::seen_by_all(dpor::ObjectId(object));
    }
}

/// These objects are bits of one word.
pub(crate) fn parts(objects: &[u32]) {
    if exec::with(Exec::engine) == Engine::Shuttle {
        let objects: Vec<_> = objects.iter().copied().map(dpor::ObjectId).collect();
        dpor::memory::parts(&objects);
    }
}

/// A step that changes nothing the protocol can see. Only the exhaustive scheduler needs to know.
#[track_caller]
pub(crate) fn ghost(step: Step) {
    if exec::with(Exec::engine) == Engine::Shuttle {
        shuttle::ghost(step);
        told::known(0);
    }
}

/// A round of the retry loop `which` begins, in which its CPU carries `carried` along. `state`
/// tells the world's state apart from all others, so that a cycle without progress shows.
pub(crate) fn round(which: u64, carried: u128, state: impl FnOnce() -> u64) {
    match exec::with(Exec::engine) {
        Engine::Native => native::round(which),
        Engine::Shuttle => shuttle::round(which, carried, state),
        Engine::Loom => loom::round(),
    }
}

/// What a CPU of a race does.
pub type CpuBody = Box<dyn FnOnce() + Send>;

/// Runs the CPUs to their ends, then `at_end`, all in `exec` and on its engine. Called inside the
/// engine's own execution.
pub fn run_cpus(exec: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    match exec.engine() {
        Engine::Native => native::run_cpus(exec, cpus, at_end),
        Engine::Shuttle => shuttle::run_cpus(exec, cpus, at_end),
        Engine::Loom => loom::run_cpus(exec, cpus, at_end),
    }
}
