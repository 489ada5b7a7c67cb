//! What the exhaustive scheduler is told beside the steps themselves: what a CPU has got to know,
//! and, where it tells states apart, what the objects hold.

use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use dpor::Digest;
use parking_lot::MutexGuard;

use super::name::Name;
use super::state::digest_of;
use super::{
    BOOT, Engine, Exec, cpu, is_made_by_whoever_comes_first, is_on_cpu, lockdep, met, unseen, with,
};

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
pub(crate) fn observed(value: u64) {
    if with(Exec::engine) == Engine::Shuttle {
        known(value);
    }
}

/// The same on the engine that has the scheduler. What the last step read is part of what its CPU
/// knows: the scheduler must know it to recognize a state it has seen.
pub(crate) fn known(value: u64) {
    if is_on_cpu() {
        dpor::observed(value);
    }
}

/// The CPU gets to know something beside what its steps say that they have read: only a search that
/// tells states apart asks for it.
pub(crate) fn learned(value: impl FnOnce() -> u64) {
    if by_states() {
        known(value());
    }
}

/// The CPU that runs has learned this, in all 128 bits by which values are told apart.
pub(crate) fn learned_of(value: &(impl Hash + ?Sized)) {
    if by_states() {
        let key = digest_of(value).key();
        [(key >> 64) as u64, key as u64].into_iter().for_each(dpor::observed);
    }
}

/// A new object, by its name, and what it holds.
pub(crate) fn made(name: Name, holds: impl FnOnce() -> Digest) -> u32 {
    let object = with(Exec::new_object);
    // What whoever comes first makes is the same, whoever that is, and might as well have been
    // there before.
    if !is_made_by_whoever_comes_first() && tells() {
        changed(object, Digest::default(), unseen(holds));
        // By the numbers in it others find the object.
        changed(object, Digest::default(), digest_of(&("name", name)));
    }
    object
}

/// Is what a CPU changes to be [said](changed)? Only a search that tells states apart asks for it.
pub(crate) fn tells() -> bool {
    cpu() != BOOT && with(Exec::engine) == Engine::Shuttle && dpor::tells()
}

/// What the object holds was `before` and is `after`.
pub(crate) fn changed(object: u32, before: Digest, after: Digest) {
    if before != after {
        dpor::changed(dpor::ObjectId(object), before, after);
    }
}

/// What there is: whoever changes it need not know all of it.
pub(crate) fn there(value: &impl Hash) -> Digest {
    unseen(|| digest_of(value))
}

/// Lets `act` change what an object holds.
pub(crate) fn changing<T: Hash, R>(object: u32, value: &mut T, act: impl FnOnce(&mut T) -> R) -> R {
    let before = tells().then(|| there(value));
    let result = act(value);
    if let Some(before) = before {
        changed(object, before, there(value));
    }
    result
}

/// What is inside an object, which may be a lock and have an owner besides.
pub(crate) fn inside(value: &impl Hash) -> Digest {
    there(&("inside", value))
}

/// What is inside an object, while it is being changed.
pub struct Changing<'a, T: Hash> {
    value: MutexGuard<'a, T>,
    object: u32,
    before: Option<Digest>,
}

impl<'a, T: Hash> Changing<'a, T> {
    pub(crate) fn new(object: u32, value: MutexGuard<'a, T>) -> Self {
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
pub(crate) fn learned_before() -> Option<Before> {
    by_states().then(|| (dpor::learned(), met::so_far()))
}

/// What it has learned since then comes to no more than `value`: as [`learns_only`] has it, where a
/// call must know its caller, as no closure does.
pub(crate) fn learned_only(before: Option<Before>, value: &impl Hash) {
    let Some((mark, met)) = before.filter(|_| !std::thread::panicking()) else { return };
    let comes_to = dpor::has_learned_since(mark).then(|| {
        met::only(met);
        digest_of(value).key()
    });
    dpor::learned_since(mark, comes_to.unwrap_or_default());
}

/// What a CPU has learned until some moment, and how much it has met.
pub(crate) type Before = (Digest, met::SoFar);

/// A retry loop is entered: what tells it from others that its CPU is in.
pub(crate) fn enter_loop() -> u64 {
    if by_states() {
        // One that is entered again in the same state is the same loop.
        dpor::learned().key() as u64
    } else {
        lockdep::enter_loop()
    }
}

/// A round of the retry loop `which` begins. What it carries along is to be said after this.
pub(crate) fn begin_round(which: u64) {
    if by_states() {
        met::round(which);
    } else if with(Exec::engine) == Engine::Shuttle {
        lockdep::begin_round(which);
    }
}

/// The CPU that runs has come to its end.
pub(crate) fn cpu_ends() {
    if by_states() {
        met::forget();
    }
}

/// Does the search tell states apart, and does a CPU run?
pub(crate) fn by_states() -> bool {
    // Nearly always that is all there is to ask.
    with(Exec::by_states) && cpu() != BOOT && dpor::by_states()
}

/// States of this execution are told apart by what is in its objects, by what else `see` sees, and
/// by what the execution has come to.
pub(crate) fn name_state(exec: &Arc<Exec>, see: impl Fn(&mut Digest) + 'static) {
    if exec.engine() == Engine::Shuttle {
        let exec = Arc::clone(exec);
        dpor::name_state(move |digest| {
            exec.enter(BOOT, || {
                see(digest);
                exec.came_to_so_far(digest);
                exec.feed_met(digest);
            });
        });
    }
}

/// The retry loop `which` is over.
pub(crate) fn leave_loop(which: u64) {
    if !std::thread::panicking() && by_states() {
        met::leave(which);
        dpor::rounds_end(which);
    }
}

/// Data between steps, for the happens-before check of the engine that has one.
pub(crate) struct Cell(Option<dpor::DataId>);

impl Cell {
    pub fn new() -> Self {
        Self(with(Exec::new_data))
    }

    /// Is this access unordered with an earlier one?
    pub fn races(&self, write: bool) -> bool {
        self.0.is_some_and(|cell| dpor::data_access(cell, write).is_err())
    }
}
