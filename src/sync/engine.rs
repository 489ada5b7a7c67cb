//! The three engines, and the raw primitives each of them provides.
//!
//! An engine provides a [`Word`] (one atomic 64-bit cell), a [`Monitor`] (a small state machine
//! whose every transition is one atomic step that may have to wait for its condition), a
//! [`Published`] pointer, a fence, and CPUs to run on. Every lock of the protocol is a `Monitor`,
//! so that what a lock means is written once and an engine adds nothing to it but interleavings.

use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpor::Digest;
use parking_lot::MutexGuard;

use super::exec::{self, Exec};
use super::name::Name;
pub(super) use super::order::Order;
use super::state::digest_of;
use super::{loom, native, shuttle};

/// What runs the CPUs of a race, and decides who goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Real threads: parking_lot and arc-swap. Finds little, and shows that the code really runs.
    Native,
    /// Coroutines; who goes next is decided by one of shuttle's schedulers, or exhaustively by
    /// `dpor`. Sequentially consistent.
    Shuttle,
    /// loom: explores (most of) the C11 memory model.
    Loom,
}

/// How a step accesses its object: what the exhaustive scheduler needs to know to tell which steps
/// commute.
pub use dpor::Access;

/// A step that is about to happen: which object, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
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
pub(super) struct Word(Raw<native::Word, shuttle::Word, loom::Word>);

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

    /// Replaces the value by `change` of it, atomically and with a full barrier before and after;
    /// if there is none, nothing is written and nothing ordered, and the value may have been a
    /// stale one. Returns the value before.
    #[track_caller]
    pub fn update_if(&self, step: Step, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        on_engine!(&self.0, word => word.update_if(step, change))
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
pub(super) struct Monitor<S>(Raw<native::Monitor<S>, shuttle::Monitor<S>, loom::Monitor<S>>);

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
pub(super) struct Published<T>(
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
    pub fn store(&self, step: Step, value: T, then: impl FnOnce() + 'static) -> bool {
        match &self.0 {
            Raw::Native(published) => published.store(step, value),
            Raw::Shuttle(published) => return published.store(step, value, then),
            Raw::Loom(published) => published.store(step, value),
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

/// A step that changes nothing the protocol can see. Only the exhaustive scheduler needs to know.
#[track_caller]
pub(super) fn ghost(step: Step) {
    if exec::with(Exec::engine) == Engine::Shuttle {
        shuttle::ghost(step);
        shuttle::observed(0);
    }
}

/// What this execution has come to must be the same in every interleaving that is held to be
/// equivalent: see [`Race::selfcheck`](crate::Race::selfcheck).
pub(crate) fn note<I: IntoIterator<Item = (String, String)>>(
    exec: &Exec,
    values: impl FnOnce() -> I,
) {
    if exec.engine() == Engine::Shuttle {
        dpor::note(values);
    }
}

/// A monitor's step has read `value`.
pub(super) fn observed(value: u64) {
    if exec::with(Exec::engine) == Engine::Shuttle {
        shuttle::observed(value);
    }
}

/// The CPU gets to know something beside what its steps say that they have read: only a search that
/// tells states apart asks for it.
pub(super) fn learned(value: impl FnOnce() -> u64) {
    if by_states() {
        shuttle::observed(value());
    }
}

/// The CPU that runs has learned this, in all 128 bits by which values are told apart.
pub(super) fn learned_of(value: &(impl Hash + ?Sized)) {
    if by_states() {
        let key = digest_of(value).key();
        [(key >> 64) as u64, key as u64].into_iter().for_each(dpor::observed);
    }
}

/// A new object, by its name, and what it holds.
pub(super) fn made(name: Name, holds: impl FnOnce() -> Digest) -> u32 {
    let object = exec::with(Exec::new_object);
    // What whoever comes first makes is the same, whoever that is, and might as well have been
    // there before.
    if !exec::is_made_by_whoever_comes_first() && tells() {
        changed(object, Digest::default(), holds());
        // By the numbers in it others find the object.
        changed(object, Digest::default(), digest_of(&("name", name)));
    }
    object
}

/// Is what a CPU changes to be [said](changed)? Only a search that tells states apart asks for it.
pub(super) fn tells() -> bool {
    exec::cpu() != exec::BOOT && exec::with(Exec::engine) == Engine::Shuttle && dpor::tells()
}

/// What the object holds was `before` and is `after`.
pub(super) fn changed(object: u32, before: Digest, after: Digest) {
    if before != after {
        dpor::changed(dpor::ObjectId(object), before, after);
    }
}

/// Lets `act` change what an object holds.
pub(super) fn changing<T: Hash, R>(object: u32, value: &mut T, act: impl FnOnce(&mut T) -> R) -> R {
    let before = tells().then(|| digest_of(value));
    let result = act(value);
    if let Some(before) = before {
        changed(object, before, digest_of(value));
    }
    result
}

/// What is inside an object, which may be a lock and have an owner besides.
pub(super) fn inside(value: &impl Hash) -> Digest {
    digest_of(&("inside", value))
}

/// What is inside an object, while it is being changed.
pub struct Changing<'a, T: Hash> {
    value: MutexGuard<'a, T>,
    object: u32,
    before: Option<Digest>,
}

impl<'a, T: Hash> Changing<'a, T> {
    pub(super) fn new(object: u32, value: MutexGuard<'a, T>) -> Self {
        let before = tells().then(|| inside(&*value));
        Self { value, object, before }
    }
}

impl<T: Hash> Deref for Changing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Hash> DerefMut for Changing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Hash> Drop for Changing<'_, T> {
    fn drop(&mut self) {
        if let Some(before) = self.before.filter(|_| !std::thread::panicking()) {
            changed(self.object, before, inside(&*self.value));
        }
    }
}

/// What the CPU learns in `body` comes to no more than what that returns. Nothing else may get out
/// of it: no place that `body` writes to, no guard.
pub(crate) fn learns_only<R: Hash>(body: impl FnOnce() -> R) -> R {
    let before = learned_before();
    let result = body();
    learned_only(before, &result);
    result
}

/// What the CPU has learned so far, for [`learned_only`]; nothing where nobody asks.
pub(super) fn learned_before() -> Option<Digest> {
    by_states().then(dpor::learned)
}

/// What it has learned since then comes to no more than `value`: as [`learns_only`] has it, where a
/// call must know its caller, as no closure does.
pub(super) fn learned_only(before: Option<Digest>, value: &impl Hash) {
    if let Some(before) = before.filter(|_| !std::thread::panicking()) {
        dpor::learned_since(before, digest_of(value).key());
    }
}

/// Does the search tell states apart, and does a CPU run?
pub(super) fn by_states() -> bool {
    exec::cpu() != exec::BOOT && exec::with(Exec::engine) == Engine::Shuttle && dpor::by_states()
}

/// What the CPU that runs has learned so far, as a number.
pub(super) fn has_learned() -> u64 {
    dpor::learned().key() as u64
}

/// States of this execution are told apart by what is in its objects, by what else `see` sees, and
/// by what the execution has come to.
pub(crate) fn name_state(exec: &Arc<Exec>, see: impl Fn(&mut Digest) + 'static) {
    if exec.engine() == Engine::Shuttle {
        let exec = Arc::clone(exec);
        dpor::name_state(move |digest| {
            exec.enter(exec::BOOT, || {
                see(digest);
                exec.came_to_so_far(digest);
            });
        });
    }
}

/// The retry loop `which` is over.
pub(super) fn leave_loop(which: u64) {
    if !std::thread::panicking() && by_states() {
        dpor::rounds_end(which);
    }
}

/// A round of the retry loop `which` begins. `state` tells the world's state apart from all others,
/// so that a cycle without progress shows.
pub(super) fn round(which: u64, state: impl FnOnce() -> u64) {
    match exec::with(Exec::engine) {
        Engine::Native => native::round(which),
        Engine::Shuttle => shuttle::round(which, state),
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

/// Data between steps, for the happens-before check of the engine that has one.
pub(super) struct Cell(Option<dpor::DataId>);

impl Cell {
    pub fn new() -> Self {
        Self(exec::with(Exec::new_data))
    }

    /// Is this access unordered with an earlier one?
    pub fn races(&self, write: bool) -> bool {
        self.0.is_some_and(|cell| dpor::data_access(cell, write).is_err())
    }
}
