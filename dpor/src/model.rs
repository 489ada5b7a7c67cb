//! Which memory models there are, and the stores that are on their way.

use crate::access::ObjectId;
use crate::round::mix;

/// What a task sees of what others have stored, and when. See [`memory`](crate::memory) for the
/// rules of each.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Memory {
    /// Sequential consistency: there is one order of all steps, and each sees all that came before
    /// it.
    #[default]
    Sc,
    /// Total store order, as on x86: a task's stores go to memory one after the other, some time
    /// later.
    Tso,
    /// Partial store order, as SPARC V9 has it: the same, but stores to different words may
    /// overtake each other.
    Pso,
    /// What C11 allows, but for load buffering: RC11.
    Weak,
}

impl Memory {
    /// All of them, from the strongest to the weakest.
    pub const ALL: [Memory; 4] = [Memory::Sc, Memory::Tso, Memory::Pso, Memory::Weak];
}

/// The stores of a task that may still be on their way to memory.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) stores: Vec<Store>,
    /// So many of them come before the last store barrier.
    pub(crate) barrier: usize,
}

impl Pending {
    /// What tells those that have not arrived from others, if there are any.
    pub(crate) fn fingerprint(&self, arrived: impl Fn(usize) -> bool) -> Option<u64> {
        let of = |first: usize| self.stores[..first].iter().filter(|store| !arrived(store.task));
        of(self.stores.len()).next()?;
        let told = |hash, store: &Store| {
            let hash = mix(mix(hash, u64::from(store.object.0)), store.value);
            mix(hash, of(store.behind).count() as u64)
        };
        // What is mixed into 0 may leave it at 0, and then one store less is no other state.
        let first = mix(0x73_746f_7265, of(self.barrier).count() as u64);
        Some(of(self.stores.len()).fold(first, told))
    }
}

#[derive(Copy, Clone, Debug)]
pub(crate) struct Store {
    pub(crate) object: ObjectId,
    pub(crate) value: u64,
    /// The task that takes it there.
    pub(crate) task: usize,
    /// So many of the first of its owner's stores come before it, and those to the same object.
    pub(crate) behind: usize,
}
