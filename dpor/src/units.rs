//! How a search is divided among machines that do not talk to each other.
//!
//! Above a fixed depth every enabled task is run from every state, minus what sleeps. The states at
//! that depth are the units: their number and order depend on nothing but the program, and each
//! interleaving is in exactly one of them, because sleep sets keep every class of equivalent
//! interleavings to one complete execution. Inside a unit the search is reduced as ever; a search by
//! states knows what it has come to in the other units that it explores, and not what others have.

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

/// Where a search stands among the units.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Units {
    share: Share,
    /// The number of the next one.
    pub(crate) next: u64,
    /// Whether the execution is in one of ours, or it is not known yet.
    entered: Option<bool>,
}

impl Units {
    pub(crate) fn new(share: Share) -> Self {
        Units { share, ..Units::default() }
    }

    /// Is a state of this depth above the units?
    pub(crate) fn are_below(&self, depth: usize) -> bool {
        depth < self.share.depth
    }

    /// Go on along a path that was left, so many states long: inside the unit in which it was left.
    pub(crate) fn resume(&mut self, states: usize) {
        self.entered = (states > self.share.depth).then_some(true);
    }

    /// The execution leaves the one before it in a state of this depth.
    pub(crate) fn branch(&mut self, depth: usize) {
        if self.are_below(depth) {
            self.entered = None;
        }
    }

    /// A state of this depth is reached: false if the execution is none of ours. Units are numbered
    /// as they are met, which is always in the same order.
    pub(crate) fn reach(&mut self, depth: usize) -> bool {
        depth != self.share.depth || self.enter()
    }

    /// Whether the execution, which may have ended above the units, is ours.
    pub(crate) fn enter(&mut self) -> bool {
        if let Some(entered) = self.entered {
            return entered;
        }
        let ours = self.share.owns(self.next);
        self.next += 1;
        self.entered = Some(ours);
        ours
    }

    /// Whether the execution counts, as far as it is known.
    pub(crate) fn may_be_ours(&self) -> bool {
        self.entered != Some(false)
    }
}
