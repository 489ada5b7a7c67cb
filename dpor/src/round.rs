//! Where a task stands in its retry loop.
//!
//! Each task carries a fingerprint of its local state: what it said at its last
//! [`retry`](crate::retry), then every operation since, with outcomes. A read whose value was not
//! [`observed`](crate::observed) makes it unlike any other until the next retry.

use std::ops::Range;

use crate::access::{Access, Op};

/// Which schedules that go round for ever have to be feared.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Fairness {
    /// Those in which each task runs again and again, or cannot run again and again: who waits for
    /// a lock may find it taken every time somebody looks.
    #[default]
    Weak,
    /// Those in which each task runs again and again, or cannot run from some point on: who waits
    /// for a lock that is free again and again gets it some day, as with ticket locks and queues.
    Strong,
}

/// A task's position in its retry loop.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Fingerprint of the task's local state.
    local: u64,
    /// The loops that the task is in, and what its local state was when it entered each: that stays
    /// known in all of its rounds.
    loops: Vec<(u64, u64)>,
    /// The last operation, this event, read a value that has not been observed.
    unobserved: Option<usize>,
    /// Whether the try being repeated failed before.
    expected: Option<bool>,
    /// Objects the task has made.
    pub(crate) objects: u32,
    /// Cells of plain data it has made.
    pub(crate) cells: u32,
    /// It has changed plain data.
    changed: bool,
    /// Going on would only repeat a round that led nowhere.
    pub(crate) held_back: bool,
    /// The events of that round.
    pub(crate) cycle: (usize, usize),
    /// Whether only the task's own events in there count.
    pub(crate) alone: bool,
    /// Whether to let it go on.
    pub(crate) reconsidered: bool,
    /// In this round it sees what is newest.
    pub(crate) newest: bool,
}

pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let mut x = (hash.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 29;
    x.wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (x >> 32)
}

impl Round {
    pub(crate) fn restart(&mut self) {
        let mut loops = std::mem::take(&mut self.loops);
        loops.clear();
        *self = Round { loops, ..Round::default() };
    }

    /// The task executes `op` as event `depth`. Returns its fingerprint from now on.
    pub(crate) fn event(&mut self, op: Op, depth: usize) -> u64 {
        self.local = mix(mix(self.fingerprint(), u64::from(op.object.0)), op.access as u64);
        self.unobserved = matches!(op.access, Access::Read | Access::Rmw).then_some(depth);
        // An earlier try of which nothing was said is not what comes next.
        self.expected = None;
        self.local
    }

    /// The same when it is an event of the last execution, with what its try came to.
    pub(crate) fn repeated(
        &mut self,
        local: u64,
        depth: usize,
        access: Access,
        failed: Option<bool>,
    ) {
        self.local = local;
        self.unobserved = matches!(access, Access::Read | Access::Rmw).then_some(depth);
        self.expected = failed;
    }

    pub(crate) fn outcome(&mut self, success: bool) {
        self.local = mix(self.local, 2 + u64::from(success));
    }

    pub(crate) fn observed(&mut self, value: u64) {
        self.local = mix(self.local, value);
        self.unobserved = None;
    }

    /// The task changes plain data, which it says with [`data_access`](crate::data_access).
    pub(crate) fn changes_data(&mut self) {
        self.changed = true;
    }

    pub(crate) fn take_expected(&mut self) -> Option<bool> {
        self.expected.take()
    }

    /// A round of the loop `which` begins. Returns what the task knew when it entered that.
    pub(crate) fn enter(&mut self, which: u64) -> u64 {
        if let Some(at) = self.loops.iter().rposition(|&(other, _)| other == which) {
            self.loops.truncate(at + 1);
        } else {
            self.loops.push((which, self.fingerprint()));
        }
        self.loops[self.loops.len() - 1].1
    }

    /// A round ends, and the next one begins with what the program says of it.
    pub(crate) fn begin(&mut self, fingerprint: u64) {
        self.local = mix(0x7265_7472_7900, fingerprint);
        self.unobserved = None;
        self.newest = false;
    }

    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn hold_back(&mut self, cycle: &Range<usize>, alone: bool) {
        self.held_back = true;
        self.cycle = (cycle.start, cycle.end);
        self.alone = alone;
    }

    /// The task goes on. If it was held back, that is to see what it has not seen yet.
    pub(crate) fn look_again(&mut self) {
        if std::mem::take(&mut self.held_back) {
            self.newest = true;
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        // Whatever the value was, this makes the state unlike any other.
        self.unobserved.map_or(self.local, |depth| mix(self.local, !(depth as u64)))
    }
}
