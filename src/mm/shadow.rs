//! Shadow memory: what every process must find at every address. The checker's, never the protocol's.

use std::ops::Range;

use super::{Addr, MmRef, World};
use crate::spec::Clause;
use crate::sync;

impl World {
    /// A store goes through; nobody else accesses this address meanwhile, because the page-table entry is in use.
    pub(super) fn shadow_store(&self, mm: MmRef, addr: Addr, value: u64) {
        self.shadow().insert((mm, addr), value);
    }

    /// A load goes through: it must find what was last stored by this process ([DATA-1]), and nobody else's store ([COW-1]).
    pub(super) fn shadow_check(&self, mm: MmRef, addr: Addr, found: u64) {
        let shadow = self.shadow();
        let expected = shadow.get(&(mm, addr)).copied().unwrap_or(0);
        let foreign = found != expected && shadow.iter().any(|(&(other, _), &value)| other != mm && value == found);
        drop(shadow);
        let seen = || format!("{mm} loads {found} from {addr}, where it should find {expected}");
        sync::clause(Clause::COW_1, !foreign, || format!("{}: another process's store", seen()));
        sync::clause(Clause::DATA_1, found == expected || foreign, seen);
    }

    /// The child begins with what the parent has now. Called when no store can go through the parent's entry.
    pub(super) fn shadow_fork(&self, parent: MmRef, child: MmRef, addr: Addr) {
        let mut shadow = self.shadow();
        if let Some(&value) = shadow.get(&(parent, addr)) {
            shadow.insert((child, addr), value);
        }
    }

    /// The range is gone: what was stored there must not be found again. Called when nothing can be faulted in there.
    pub(super) fn shadow_unmap_range(&self, mm: MmRef, range: &Range<Addr>) {
        self.shadow().retain(|(owner, addr), _| *owner != mm || !range.contains(addr));
    }
}
