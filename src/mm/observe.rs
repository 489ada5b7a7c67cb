//! What can be seen of a machine from outside, as `/proc` shows it: where pages are, how often they
//! are mapped, which slots are in use. For machines without CPUs, and for audits: no look is a
//! step.

use super::{Addr, MmRef, PageRef, Process, Pte, SwapEntry, World};

/// What is at an address of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum At {
    /// Nothing.
    Nothing,
    /// A page.
    Page(PageSeen),
    /// Something on swap, in this slot.
    Slot(SwapEntry),
    /// A page that is being migrated.
    Migrating(PageRef),
}

/// A page, and what is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PageSeen {
    /// Which.
    pub page: PageRef,
    /// How many entries map it.
    pub mapcount: i64,
    /// It belongs to one process alone, and that is written in it.
    pub exclusive: bool,
    /// It is in the swap cache.
    pub swap_cache: bool,
    /// What it holds.
    pub content: u64,
}

impl World {
    /// What is at `addr` of `mm`.
    #[track_caller]
    pub fn look_at(&self, mm: MmRef, addr: Addr) -> At {
        let entry = self.mm_struct(mm).peek_ptes().find(|(at, _)| at.addr == addr);
        let Some((_, cell)) = entry else { return At::Nothing };
        match cell.pte.peek() {
            Pte::None => At::Nothing,
            Pte::Present { page, .. } => At::Page(self.look_at_page(page)),
            Pte::Swap { entry, .. } => At::Slot(entry),
            Pte::Migration { page, .. } => At::Migrating(page),
        }
    }

    /// What is known of a page.
    #[track_caller]
    pub fn look_at_page(&self, page: PageRef) -> PageSeen {
        let frame = self.frame(page);
        PageSeen {
            page,
            mapcount: frame.mapcount.peek(),
            exclusive: frame.anon_exclusive.peek(),
            swap_cache: frame.swap_cache.peek(),
            content: frame.peek_content(),
        }
    }

    /// How many slots of the swap device are in use.
    #[track_caller]
    pub fn slots_in_use(&self) -> usize {
        self.swap.peek().len()
    }

    /// How many processes there ever were.
    #[track_caller]
    pub fn processes(&self) -> usize {
        self.processes.peek(Vec::len)
    }

    /// The process that `mm` belongs to.
    pub fn process_of(&self, mm: MmRef) -> Process<'_> {
        Process { world: self, mm }
    }
}

impl PageRef {
    /// The frame that it is in.
    pub fn frame(self) -> u32 {
        self.frame
    }
}

impl SwapEntry {
    /// Which slot of the device.
    pub fn slot(self) -> u32 {
        self.0
    }
}
