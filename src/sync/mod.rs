//! The concurrency vocabulary of the protocol: locks, words, RCU, slabs, as the kernel names them, on three engines.
//!
//! Every visible step is *announced*, with its kind and its object, before it happens; that one announcement feeds the exhaustive
//! scheduler, the trace, the lock-order graph and the deadlock detector. Nothing here knows what the locks protect.
//!
//! | here | kernel | what it is |
//! | --- | --- | --- |
//! | [`SpinLock`] | `spinlock_t` | exclusive, its holder must not sleep, guards the data inside it |
//! | [`PageLock`] | `PG_locked` | exclusive, sleeping, may be released by somebody else (IO completion) |
//! | [`RwSem`] | `rw_semaphore` | readers or one writer, sleeping, fair: a queued writer holds off later readers |
//! | [`Word`] | a field read outside its lock | one atomic word, explicit orderings |
//! | [`Rcu`] | `rcu_read_lock`, `synchronize_rcu` | read sections and grace periods |
//! | [`Slab`] | `SLAB_DESTROY_BY_RCU` | type-stable memory: an object is reused at once, its page released after a grace period |
//! | [`Published`] | `rcu_assign_pointer` | a pointer to an immutable value |

mod engine;
mod exec;
mod lock;
mod loom;
mod native;
mod plain;
mod rcu;
mod rwsem;
mod shuttle;
mod slab;
mod trace;
mod word;

pub use engine::{CpuBody, Engine, fence, run_cpus};
pub use exec::{BOOT, Exec, LockEdge, LockKind, Name, Shows, WaitFor, clause, cpu, cpu_ends, mark};
pub use loom::{LoomStop, explore as explore_loom};
pub use lock::{PageLock, SpinLock};
pub use plain::Plain;
pub(crate) use native::silence_results;
pub use rcu::Rcu;
pub use rwsem::RwSem;
pub use slab::{Slab, SlabRef};
pub(crate) use trace::observe;
pub use trace::{Call, Trace, enter, remark};
pub use word::{Ghost, MmuWord, Published, Scalar, Word};

/// The engine that `Race::check` uses: the exhaustive one, or loom when the whole build is for loom (`RUSTFLAGS="--cfg loom"`).
pub const DEFAULT_ENGINE: Engine = if cfg!(loom) { Engine::Loom } else { Engine::Shuttle };

/// A retry loop goes round again because somebody else was in the way. Under the exhaustive scheduler a cycle in which everybody moves
/// and nobody gets anywhere is a livelock; `fingerprint` must tell apart any two states of the world that differ.
pub fn retry(fingerprint: impl FnOnce() -> u64) {
    engine::retry(fingerprint);
}
