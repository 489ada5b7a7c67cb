//! Page-table entries.

use std::fmt;

use super::page::PageRef;
use super::{Addr, MmRef, SwapEntry};
use crate::sync::{MmuWord, Name, Scalar};

/// A page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Pte {
    /// Nothing there.
    None,
    /// Maps a page.
    Present {
        /// Which.
        page: PageRef,
        /// May user code store through it?
        write: bool,
        /// Has user code stored through it? Set by hardware.
        dirty: bool,
    },
    /// What was here is on swap. Each such entry counts in the swap map.
    Swap {
        /// In which slot.
        entry: SwapEntry,
        /// Did the page belong to this process alone? Known since 5.19 only.
        exclusive: bool,
    },
    /// The page is being migrated; `page` is the old one, and it is locked ([MIG-1]).
    Migration {
        /// The old page.
        page: PageRef,
        /// Was the entry writable?
        write: bool,
        /// Did the page belong to this process alone? Known since 5.19 only. Kernel: a
        /// readable-exclusive entry, or a writable one.
        exclusive: bool,
    },
}

impl Pte {
    /// A mapping of a page that nothing has been stored to through it.
    pub fn clean(page: PageRef, write: bool) -> Self {
        Pte::Present { page, write, dirty: false }
    }

    /// Kernel: `pte_present`.
    pub fn is_present(self) -> bool {
        matches!(self, Pte::Present { .. })
    }

    /// The slot on swap that it stands for, if it does.
    pub fn swap_entry(self) -> Option<SwapEntry> {
        match self {
            Pte::Swap { entry, .. } => Some(entry),
            _ => None,
        }
    }

    /// The page it maps, if it maps one.
    pub fn page(self) -> Option<PageRef> {
        match self {
            Pte::Present { page, .. } => Some(page),
            _ => None,
        }
    }
}

impl fmt::Display for Pte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = |write: bool| if write { "rw" } else { "ro" };
        match *self {
            Pte::None => f.write_str("none"),
            Pte::Present { page, write, dirty } => {
                write!(f, "{page} {}{}", access(write), if dirty { " dirty" } else { "" })
            }
            Pte::Swap { entry, exclusive } => {
                write!(f, "{entry}{}", if exclusive { " exclusive" } else { "" })
            }
            Pte::Migration { page, write, exclusive } => {
                write!(
                    f,
                    "mig({page} {}{})",
                    access(write),
                    if exclusive { " exclusive" } else { "" }
                )
            }
        }
    }
}

impl Scalar for Pte {
    fn pack(self) -> u64 {
        let word = |kind: u64, page: PageRef, write: bool, other: bool| {
            kind | u64::from(write) << 2 | u64::from(other) << 3 | page.pack() << 4
        };
        match self {
            Pte::None => 0,
            Pte::Present { page, write, dirty } => word(1, page, write, dirty),
            Pte::Migration { page, write, exclusive } => word(2, page, write, exclusive),
            Pte::Swap { entry, exclusive } => {
                3 | u64::from(exclusive) << 2 | u64::from(entry.0) << 4
            }
        }
    }

    fn unpack(word: u64) -> Self {
        let (write, other) = (word & 4 != 0, word & 8 != 0);
        match word & 3 {
            0 => Pte::None,
            1 => Pte::Present { page: PageRef::unpack(word >> 4), write, dirty: other },
            2 => Pte::Migration { page: PageRef::unpack(word >> 4), write, exclusive: other },
            _ => Pte::Swap { entry: SwapEntry((word >> 4) as u32), exclusive: write },
        }
    }

    fn show(self) -> String {
        self.to_string()
    }

    fn leads_somewhere(self) -> bool {
        self.is_present()
    }

    fn timeless(self) -> u64 {
        match self {
            Pte::Present { page, .. } | Pte::Migration { page, .. } => {
                (self.pack() & 0xf) | page.timeless() << 4
            }
            Pte::None | Pte::Swap { .. } => self.pack(),
        }
    }
}

/// Where an entry is: its address space and address. Displays as `pte[mm0:4]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PteLocation {
    /// Whose page table.
    pub mm: MmRef,
    /// At which address.
    pub addr: Addr,
}

impl PteLocation {
    pub(super) fn word(self) -> MmuWord<Pte> {
        MmuWord::new(Name::new("pte[mm%a:%b]", self.mm.id(), self.addr as u32), Pte::None)
    }
}

impl fmt::Display for PteLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pte[{}:{}]", self.mm, self.addr)
    }
}
