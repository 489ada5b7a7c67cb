//! Page-table entries.

use std::fmt;

use super::page::PageRef;
use super::{Addr, MmRef};
use crate::sync::{MmuWord, Name, Scalar};

/// A page-table entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pte {
    /// Nothing there.
    None,
    /// Maps a page.
    Present {
        /// Which.
        page: PageRef,
        /// May user code store through it?
        write: bool,
    },
    /// The page is being migrated; `page` is the old one, and it is locked ([MIG-1]).
    Migration {
        /// The old page.
        page: PageRef,
        /// Was the entry writable?
        write: bool,
    },
}

impl Pte {
    /// Kernel: `pte_present`.
    pub fn is_present(self) -> bool {
        matches!(self, Pte::Present { .. })
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
            Pte::Present { page, write } => write!(f, "{page} {}", access(write)),
            Pte::Migration { page, write } => write!(f, "mig({page} {})", access(write)),
        }
    }
}

impl Scalar for Pte {
    fn pack(self) -> u64 {
        let word = |kind: u64, page: PageRef, write: bool| kind | u64::from(write) << 2 | page.pack() << 3;
        match self {
            Pte::None => 0,
            Pte::Present { page, write } => word(1, page, write),
            Pte::Migration { page, write } => word(2, page, write),
        }
    }

    fn unpack(word: u64) -> Self {
        let (page, write) = (PageRef::unpack(word >> 3), word & 4 != 0);
        match word & 3 {
            0 => Pte::None,
            1 => Pte::Present { page, write },
            _ => Pte::Migration { page, write },
        }
    }

    fn show(self) -> String {
        self.to_string()
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
