//! How a search is divided among machines that do not talk to each other.
//!
//! Above a fixed depth every enabled task is run from every state, minus what sleeps. The states at
//! that depth are the units: their number and order depend on nothing but the program, and each
//! interleaving is in exactly one of them, because sleep sets keep every class of equivalent
//! interleavings to one complete execution. Inside a unit the search is reduced as ever.

/// The units that one shard explores.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Share {
    /// The depth at which units begin; 0 if there is one unit, the whole search.
    pub(crate) depth: usize,
    /// Which shard it is, of how many; none if there is no shard.
    pub(crate) shard: Option<(u32, u32)>,
    /// Explore none, only count them.
    pub(crate) counting: bool,
}

impl Share {
    /// Whether the unit is this shard's to explore.
    pub(crate) fn owns(&self, unit: u64) -> bool {
        !self.counting
            && self
                .shard
                .is_none_or(|(shard, shards)| unit % u64::from(shards.max(1)) == u64::from(shard))
    }
}
