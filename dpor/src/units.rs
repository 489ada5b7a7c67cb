//! How a search is divided among threads and machines.
//!
//! Above a fixed depth every enabled task is run from every state, minus what sleeps. The states at that depth are the units: their
//! number and order depend on nothing but the program, and each interleaving is in exactly one of them, because sleep sets keep
//! every class of equivalent interleavings to one complete execution. Inside a unit the search is reduced as ever.

use std::sync::{Arc, Mutex, PoisonError};

/// The units that one worker explores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// The depth at which units begin.
    pub(crate) depth: usize,
    /// Every how many units one is for this shard, and which; none if there is no shard.
    pub(crate) shard: Option<(u32, u32)>,
    /// Which units have been taken, if workers share them.
    pub(crate) taken: Option<Taken>,
    /// Explore none, only count them.
    pub(crate) counting: bool,
}

/// Which units have been taken by a worker.
pub(crate) type Taken = Arc<Mutex<Vec<bool>>>;

impl Part {
    /// Whether the unit is this worker's to explore; if so it is nobody else's.
    pub(crate) fn owns(&self, unit: u64) -> bool {
        if self.counting {
            return false;
        }
        if self.shard.is_some_and(|(shard, shards)| unit % u64::from(shards.max(1)) != u64::from(shard)) {
            return false;
        }
        let Some(taken) = &self.taken else { return true };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        let unit = unit as usize;
        if taken.len() <= unit {
            taken.resize(unit + 1, false);
        }
        !std::mem::replace(&mut taken[unit], true)
    }
}
