//! Address spaces.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{Addr, Pte, PteLocation, TASK_SIZE, VmaRef, World};
use crate::sync::{Ghost, MmuWord, Name, Published, RwSem, SpinLock};

/// An address space, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MmRef(u32);

impl MmRef {
    /// Its number.
    pub fn id(self) -> u32 {
        self.0
    }
}

impl fmt::Display for MmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mm{}", self.0)
    }
}

/// An address space. Kernel: `struct mm_struct`.
pub struct Mm {
    id: MmRef,
    /// Write: the list of VMAs changes. Read: it does not, and pages may be faulted in.
    pub mmap_sem: RwSem,
    /// Protects every page-table entry of this address space.
    pub page_table_lock: SpinLock<()>,
    /// The VMAs, by address. Kernel: `mm->mmap`. Replaced under `mmap_sem` held for writing.
    pub(super) mmap: Published<Vec<VmaRef>>,
    /// The checker's: what devices hold of it ([PIN-1]), and whether they ever held anything.
    pub(super) pins: Ghost,
    was_pinned: AtomicBool,
    ptes: [OnceLock<MmuWord<Pte>>; TASK_SIZE as usize],
}

impl Mm {
    fn new(id: u32) -> Self {
        Self {
            id: MmRef(id),
            mmap_sem: RwSem::new(Name::new("mmap_sem(mm%a)", id, 0)),
            page_table_lock: SpinLock::new(Name::new("ptl(mm%a)", id, 0), ()),
            mmap: Published::new(Name::new("mm%a.mmap", id, 0), Vec::new()),
            pins: Ghost::new(),
            was_pinned: AtomicBool::new(false),
            ptes: [const { OnceLock::new() }; TASK_SIZE as usize],
        }
    }

    /// Which one it is.
    pub fn id(&self) -> MmRef {
        self.id
    }

    /// The entry for `addr`, to look at. Kernel: `pte_offset_map`.
    pub(super) fn pte(&self, addr: Addr) -> &MmuWord<Pte> {
        self.ptes[addr as usize].get_or_init(|| PteLocation { mm: self.id, addr }.word())
    }

    /// Has a device ever been given a page of it? Known under the page-table lock, so that asking is no step.
    pub(super) fn was_pinned(&self) -> bool {
        self.was_pinned.load(Relaxed)
    }

    pub(super) fn note_pin(&self) {
        self.was_pinned.store(true, Relaxed);
    }

    /// The entries that exist: for audits and pictures only.
    pub(super) fn peek_ptes(&self) -> impl Iterator<Item = (PteLocation, Pte)> {
        let present =
            |(addr, pte): (usize, &OnceLock<MmuWord<Pte>>)| Some((PteLocation { mm: self.id, addr: addr as Addr }, pte.get()?.peek()));
        self.ptes.iter().enumerate().filter_map(present)
    }
}

impl World {
    /// A new, empty address space. Kernel: `mm_alloc`.
    pub(super) fn mm_alloc(&self) -> MmRef {
        self.mms.push_with(Mm::new).id()
    }

    /// The address space.
    pub fn mm_struct(&self, mm: MmRef) -> &Mm {
        &self.mms[mm.0]
    }

    /// Changes a page-table entry; returns the one before. Kernel: `set_pte_at`, `ptep_clear_flush`. Called with the page-table lock held.
    pub(super) fn set_pte(&self, mm: &Mm, addr: Addr, pte: Pte) -> Pte {
        mm.page_table_lock.assert_held();
        let word = mm.pte(addr);
        for entry in [pte, word.peek()] {
            match entry {
                Pte::None => {}
                Pte::Present { page, .. } => self.frame(page).entries.counted(),
                Pte::Swap { entry, .. } => self.swap.entries[entry.0 as usize].counted(),
                Pte::Migration { page, .. } => self.frame(page).migration_entries.changed(),
            }
        }
        if let Some(page) = pte.page() {
            self.shadow_remap(mm, addr, page);
        }
        word.write(pte)
    }

    /// Every page-table entry: for audits and pictures only.
    pub(super) fn every_pte(&self) -> impl Iterator<Item = (PteLocation, Pte)> {
        self.mms.iter().flat_map(|mm| mm.peek_ptes())
    }
}
