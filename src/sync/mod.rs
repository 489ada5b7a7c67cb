//! The concurrency vocabulary of the protocol: locks, words, RCU, slabs, as the kernel names them.
//!
//! Every visible step is *announced*, with its kind and its object, before it happens; that one
//! announcement feeds the exhaustive scheduler, the trace, the lock-order graph and the deadlock
//! detector. Nothing here knows what the locks protect.
//!
//! | here | kernel | what it is |
//! | --- | --- | --- |
//! | [`SpinLock`] | `spinlock_t`, and as a mutex `struct mutex` | exclusive, its holder must not sleep, guards the data inside it |
//! | [`PageLock`] | `PG_locked` | exclusive, sleeping, may be released by somebody else (IO completion) |
//! | [`RwSem`] | `rw_semaphore` | readers or one writer, sleeping, fair: a queued writer holds off later readers |
//! | [`Word`] | a field read outside its lock | one atomic word, explicit orderings |
//! | [`Rcu`] | `rcu_read_lock`, `synchronize_rcu` | read sections and grace periods |
//! | [`Slab`] | `SLAB_DESTROY_BY_RCU` | type-stable memory: an object is reused at once, its page released after a grace period |
//! | [`Published`] | `rcu_assign_pointer` | a pointer to an immutable value |
//! | [`Plain`] | a field that a lock protects | no step; the exhaustive scheduler checks that accesses are ordered |
//! | [`PerCpu`] | `DEFINE_PER_CPU` | what only one CPU reaches |
//! | [`Fixed`] | a boot parameter | settled while the world is built |
//! | [`Ghost`] | none | what only the checker knows |

mod arena;
#[cfg(test)]
mod known;
mod lock;
mod plain;
mod rcu;
mod rwsem;
mod slab;
mod word;

use std::cell::Cell;
use std::hash::Hash;

pub(crate) use crate::engine::{
    CpuBody, Engine, LoomReport, LoomStop, explore_loom, loom_refuses, run_cpus, run_native,
};
pub use crate::engine::{fence, order};
pub use crate::exec::lockdep::WaitFor;
pub(crate) use crate::exec::lockdep::{LockEdge, cpu_ends};
pub use crate::exec::mark::{Mark, mark};
pub(crate) use crate::exec::met::{is_there, met, numbers_come_again, unknown, unknown_number};
pub use crate::exec::name::Name;
pub(crate) use crate::exec::name::{new_life, primes_from_here};
pub(crate) use crate::exec::operation::{Operation, operation};
pub(crate) use crate::exec::panics::{
    Endless, Mishap, applied, asserting, if_applicable, inapplicable, looking, misuse,
    not_asserting, silence_results,
};
pub(crate) use crate::exec::progress::{Progress, computes, count_pgfault, here};
pub(crate) use crate::exec::state::State;
use crate::exec::told;
pub use crate::exec::told::Changing;
pub(crate) use crate::exec::told::{learns_only, name_state, note};
#[doc(hidden)]
pub(crate) use crate::exec::trace::fails;
pub use crate::exec::trace::{Call, enter, remark};
pub use crate::exec::trace::{Taken, watch};
pub(crate) use crate::exec::trace::{Trace, line, observe};
pub use crate::exec::violation::Violation;
pub(crate) use crate::exec::{BOOT, Exec, Shows, is_setup};
pub use crate::exec::{clause, cpu};
use crate::exec::{lockdep, state};
pub(crate) use crate::exec::{made_by_whoever_comes_first, unseen};
pub use arena::Arena;
pub(crate) use dpor::Digest;
pub use lock::{PageLock, SpinLock};
pub(crate) use lockwalk_forgets::forgets;
pub(crate) use plain::Lifetime;
pub use plain::{Fixed, PerCpu, Plain};
pub use rcu::Rcu;
pub use rwsem::RwSem;
pub use slab::{Slab, SlabRef};
pub use word::{Ghost, MmuWord, Part, Published, Scalar, Word, one_word};

/// The engine that `Race::check` uses: the exhaustive one, or loom when the whole build is for loom
/// (`RUSTFLAGS="--cfg loom"`).
pub(crate) const DEFAULT_ENGINE: Engine = if cfg!(loom) { Engine::Loom } else { Engine::Shuttle };

/// Says in the witness that a kernel function runs from here to the end of the block.
#[macro_export]
macro_rules! call {
    ($($text:tt)+) => { let _call = $crate::sync::enter(|| format!($($text)+)); };
}

/// Says in the witness what the protocol code found or decided. The arguments are evaluated only
/// when a witness is being recorded.
#[macro_export]
macro_rules! note {
    ($($text:tt)+) => { $crate::sync::remark(|| format!($($text)+)) };
}

/// Something that sleeps is about to happen, IO for instance: nothing that forbids it may be held
/// ([ATOMIC-1](crate::Clause::ATOMIC_1)). Kernel: `might_sleep`.
#[track_caller]
pub fn might_sleep(what: &'static str) {
    lockdep::might_sleep(Name::new(what, 0, 0));
}

/// So often may a loop go round while no CPU runs: what does not come to an end then is a circle.
const ALONE: u32 = 1_000;

/// A loop that tries again because somebody else was in the way. Under the exhaustive scheduler a
/// cycle in which everybody moves and nobody gets anywhere is a livelock
/// ([LIVELOCK](crate::Clause::LIVELOCK)).
pub struct RetryLoop {
    which: u64,
    /// What there was when the last round began: steps of its CPU, or a state that no CPU changes.
    last: Cell<Option<u64>>,
    rounds: Cell<u32>,
}

impl RetryLoop {
    /// A CPU enters such a loop.
    #[expect(clippy::new_without_default, reason = "a loop exists only inside an execution")]
    pub fn new() -> Self {
        Self { which: told::enter_loop(), last: Cell::new(None), rounds: Cell::new(0) }
    }

    /// A round begins: to be said at the top of the loop. Nothing may be carried over from the
    /// round before, and `state` must tell apart any two states of the world that differ. A round
    /// that took no step has looked at nothing that could become otherwise: that is an error.
    #[track_caller]
    pub fn round(&self, state: impl Fn() -> u64) {
        self.round_carrying(&(), state);
    }

    /// The same, in the middle of a loop's body: what is carried on from before is `carried`, and
    /// nothing else.
    #[track_caller]
    pub fn round_carrying(&self, carried: &impl Hash, state: impl Fn() -> u64) {
        let rounds = self.rounds.get();
        self.rounds.set(rounds + 1);
        let now = match cpu() {
            // Nearly every loop has one round then: the state is not worth its price before there
            // is a second.
            BOOT => (rounds > 0).then(|| unseen(&state)),
            cpu => Some(crate::exec::with(|exec| exec.progress().steps_of(cpu))),
        };
        if (self.last.replace(now) == now && now.is_some()) || (cpu() == BOOT && rounds >= ALONE) {
            misuse(match cpu() {
                BOOT => "this goes round for ever: no CPU runs that could change anything",
                _ => "this goes round for ever: it takes no step, so it waits for nobody",
            });
        }
        told::begin_round(self.which);
        let carried = state::digest_of(carried).key();
        crate::engine::round(self.which, carried, || unseen(state));
    }
}

impl Drop for RetryLoop {
    fn drop(&mut self) {
        told::leave_loop(self.which);
    }
}
