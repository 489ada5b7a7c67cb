//! Page faults, and the user accesses that cause them.

use std::hash::Hash;

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Vma, World};
use crate::spec::{NewRmap, StaleEntry};
use crate::sync::{self, Mark, RetryLoop};
use crate::{call, note};

/// An access that faults once is no retry loop; one that faults again is, and must say so.
#[derive(Default)]
pub(super) struct FaultAgain(Option<RetryLoop>);

impl FaultAgain {
    /// Before each fault, by a CPU that knows no more than `carried` of what it has seen so far.
    pub(super) fn round(&mut self, world: &World, carried: &impl Hash) {
        match &self.0 {
            Some(retries) => retries.round_carrying(carried, || world.fingerprint()),
            None => self.0 = Some(RetryLoop::new()),
        }
    }
}

/// Why an access of a CPU does not end.
#[derive(Clone, Copy, Hash)]
enum Fault {
    /// The entry does not permit it.
    Page,
    /// The entry does, and the host has discarded the page (rule
    /// [`Hinting`](crate::spec::Hinting)).
    Discard(PageRef),
}

/// How a fault ends, if no signal is sent. Kernel: `VM_FAULT_MINOR`, which is 0 since 2.6.23,
/// `VM_FAULT_WRITE` and `VM_FAULT_OOM`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[must_use]
pub(super) enum VmFault {
    /// The access is to be tried again.
    Minor,
    /// The same, and `do_wp_page` has given the process the page for itself, or a copy (2.6.13 to
    /// 6.1).
    Write,
    /// Memory has run out.
    Oom,
}

#[sync::forgets]
impl World {
    /// A user load: through the page table, faulting as often as it must ([DATA-1]). `Efault` is
    /// the signal, `Enomem` the end of the process when memory has run out.
    pub(super) fn load(&self, mm: MmRef, addr: Addr) -> Result<u64, Errno> {
        let mut again = FaultAgain::default();
        loop {
            match self.hardware_access(mm, addr, None) {
                Ok(value) => return Ok(value),
                Err(fault) => {
                    again.round(self, &fault);
                    self.handle(fault, mm, addr, false)?;
                }
            }
        }
    }

    /// User code that loads from `addr` again and again, until it finds another page there than
    /// `page`. Of the loads, only those that fault are steps: nobody notices the others.
    pub(super) fn load_while(&self, mm: MmRef, addr: Addr, page: PageRef) -> Result<u64, Errno> {
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            if self
                .mm_struct(mm)
                .pte(addr)
                .read_when(move |pte| pte.page() != Some(page))
                .is_present()
            {
                return self.load(mm, addr);
            }
            self.do_page_fault(mm, addr, false)?;
        }
    }

    /// A user store ([COW-1], [DATA-1] at the loads that follow).
    pub(super) fn store(&self, mm: MmRef, addr: Addr, value: u64) -> Result<(), Errno> {
        let mut again = FaultAgain::default();
        loop {
            match self.hardware_access(mm, addr, Some(value)) {
                Ok(_) => return Ok(()),
                Err(fault) => {
                    again.round(self, &fault);
                    self.handle(fault, mm, addr, true)?;
                }
            }
        }
    }

    /// A user load whose thread is killed before it is repeated: `None` if it has faulted.
    pub(super) fn load_once(&self, mm: MmRef, addr: Addr) -> Result<Option<u64>, Errno> {
        match self.hardware_access(mm, addr, None) {
            Ok(value) => Ok(Some(value)),
            Err(fault) => self.handle(fault, mm, addr, false).map(|()| None),
        }
    }

    /// Loads from `other`, and if `value` is there, from `addr`, through the entry that was there
    /// before: a TLB keeps it as long as nobody flushes it. Who stores `value` there has been told
    /// that what was at `addr` is given up, so that nobody may find it any more ([DATA-1]). False
    /// if something else is there, or nothing at `addr`.
    pub(super) fn load_behind(&self, mm: MmRef, addr: Addr, other: Addr, value: u64) -> bool {
        let pte = self.mm_struct(mm).pte(addr);
        let entry = pte.begin_load();
        note!("the TLB keeps what is at {mm}:{addr}");
        let told = entry.is_present() && self.load(mm, other) == Ok(value);
        if let Some(page) = entry.page().filter(|_| told)
            && let Some(found) = self.hardware_load(page)
        {
            sync::mark(Mark::LOAD_BEHIND);
            self.shadow_check(self.mm_struct(mm), addr, pte.read_newest(), found);
        }
        pte.end_access(None);
        told
    }

    fn handle(&self, fault: Fault, mm: MmRef, addr: Addr, write: bool) -> Result<(), Errno> {
        match fault {
            Fault::Discard(page) => {
                self.do_discard_fault(page);
                Ok(())
            }
            Fault::Page => self.do_page_fault(mm, addr, write),
        }
    }

    /// What the CPU does with an access: reads the entry, and goes through it if it permits. Nobody
    /// changes the entry meanwhile (ASSUME-1), but for who flushes later (rules
    /// [`ZapFlush`](crate::spec::ZapFlush), [`UnmapFlush`](crate::spec::UnmapFlush)): then a load
    /// goes on through what was there, as a TLB does. So does a store where reclaim flushes later
    /// (rule [`WriteFlush`](crate::spec::WriteFlush)), if the entry is dirty already.
    fn hardware_access(&self, mm: MmRef, addr: Addr, store: Option<u64>) -> Result<u64, Fault> {
        let mm = self.mm_struct(mm);
        let pte = mm.pte(addr);
        let dirty = |pte: Pte| matches!(pte, Pte::Present { write: true, dirty: true, .. });
        let entry = if store.is_some() { pte.begin_store(dirty) } else { pte.begin_load() };
        match (entry, store) {
            (Pte::Present { page, write: true, .. }, Some(value)) => {
                self.shared_store_begins(addr, value);
                let stored = self.hardware_store(page, value);
                self.shared_store_ends(addr, value, stored);
                if !stored {
                    pte.end_access(None);
                    return Err(Fault::Discard(page));
                }
                if self.shmem_at(addr).is_none() {
                    self.shadow_store(mm, addr, value);
                }
                pte.end_access((!dirty(entry)).then_some(Pte::Present {
                    page,
                    write: true,
                    dirty: true,
                }));
                Ok(value)
            }
            (Pte::Present { page, .. }, None) => {
                self.shared_load_begins(addr);
                let value = self.hardware_load(page);
                self.shared_load_ends(addr, value);
                let Some(value) = value else {
                    pte.end_access(None);
                    return Err(Fault::Discard(page));
                };
                if self.shmem_at(addr).is_none() {
                    self.shadow_check(mm, addr, entry, value);
                }
                pte.end_access(None);
                Ok(value)
            }
            _ => {
                pte.end_access(None);
                Err(Fault::Page)
            }
        }
    }

    /// Kernel: `do_page_fault`. Takes `mmap_sem` for reading.
    fn do_page_fault(&self, mm: MmRef, addr: Addr, write: bool) -> Result<(), Errno> {
        call!("page fault at {mm}:{addr}{}", if write { " (write)" } else { "" });
        sync::count_pgfault();
        let mm = self.mm_struct(mm);
        // do_page_fault.1: mmap_sem is taken for reading: faults run beside one another, but never
        // beside a change of the VMAs other than a stack's that grows. [VMA-1]
        mm.mmap_sem.down_read();
        // do_page_fault.2: The VMA is looked up; where there is none, or it does not permit the
        // store, the process gets a signal.
        let result = match self.find_vma(mm, addr) {
            Some(vma) if write && !vma.vm_write.read() => {
                sync::mark(Mark::PAGE_FAULT_READ_ONLY);
                Err(Errno::Efault)
            }
            // do_page_fault.3: The entry is dealt with (handle_mm_fault).
            Some(vma) => match self.handle_mm_fault(mm, vma, addr, write) {
                VmFault::Minor | VmFault::Write => Ok(()),
                VmFault::Oom => {
                    sync::mark(Mark::PAGE_FAULT_OOM);
                    Err(Errno::Enomem)
                }
            },
            None => {
                sync::mark(Mark::PAGE_FAULT_EFAULT);
                Err(Errno::Efault)
            }
        };
        // do_page_fault.4: mmap_sem is let go of, and the CPU repeats the access; it faults again
        // if it must.
        mm.mmap_sem.up_read();
        result
    }

    /// Kernel: `handle_mm_fault`. Called with `mmap_sem` held for reading; to write where the VMA
    /// does not permit it, only by force (rule [`GupForce`](crate::spec::GupForce)), and then the
    /// entry becomes dirty, and not writable.
    pub(super) fn handle_mm_fault(&self, mm: &Mm, vma: &Vma, addr: Addr, write: bool) -> VmFault {
        // handle_mm_fault.1: The entry is read without the page-table lock: that only says who is
        // to look at it again under the lock.
        match mm.pte(addr).read() {
            Pte::None if self.shmem_at(addr).is_some() => self.do_no_page(mm, vma, addr, write),
            // handle_mm_fault.2: Nothing is there: do_anonymous_page.
            Pte::None => self.do_anonymous_page(mm, vma, addr),
            // handle_mm_fault.3: A migration entry is there: the fault waits until the migration is
            // over (migration_entry_wait), and the CPU repeats the access. [S1.6, S3.10]
            Pte::Migration { .. } => {
                sync::mark(Mark::FAULT_MEETS_MIGRATION_ENTRY);
                let cleaned = self.rules().stale_entry != StaleEntry::Bug
                    && self.clean_up_stale_entry(mm, vma, addr);
                if !cleaned {
                    self.migration_entry_wait(mm.id(), addr);
                }
                VmFault::Minor
            }
            // handle_mm_fault.4: A swap entry is there: do_swap_page.
            Pte::Swap { entry, exclusive } => {
                self.do_swap_page(mm, vma, addr, Pte::Swap { entry, exclusive }, write)
            }
            // handle_mm_fault.5: A store has met an entry that does not permit it: if it is still
            // the same under the page-table lock, do_wp_page decides, and lets go of the lock.
            // [COW-1]
            pte @ Pte::Present { write: false, .. } if write => {
                mm.page_table_lock.lock();
                if mm.pte(addr).read() == pte {
                    self.do_wp_page(mm, vma, addr, pte)
                } else {
                    mm.page_table_lock.unlock();
                    VmFault::Minor
                }
            }
            Pte::Present { .. } => VmFault::Minor,
        }
    }

    /// Maps a page that nobody else can find yet; `copied` by `do_wp_page`. Called with the
    /// page-table lock held. From when on others find it on the LRU list, and from when on through
    /// its reverse map, is the rule [`NewRmap`].
    pub(super) fn map_new_page(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte, copied: bool) {
        let page = pte.page().expect("a present entry");
        self.page(page).uptodate.reset(true);
        // map_new_page.1: The page gets its reverse map: a mapcount of one, the VMA's anon_vma and
        // its index; from then on a walk finds it. [RMAP-1]
        let rmap = || self.page_add_new_anon_rmap(page, vma, addr);
        // map_new_page.2: It goes onto the LRU list, by way of this CPU's pagevec: from then on
        // reclaim and migration find it. [LRU-1]
        let list = || self.lru_cache_add(page);
        // map_new_page.3: The entry is set, and with it the process goes to the page.
        let map = || self.set_pte_checked(pte, 2, || _ = self.set_pte(mm, addr, pte));
        // map_new_page.4: Steps 1 to 3 have come in such an order that whoever finds the page finds
        // it whole: the reverse map first, the entry last.
        match self.rules().new_rmap {
            NewRmap::Last if copied => {
                map();
                list();
                rmap();
            }
            NewRmap::Last | NewRmap::BeforeEntry => {
                list();
                rmap();
                map();
            }
            NewRmap::First => {
                rmap();
                list();
                map();
            }
        }
    }

    /// Kernel: `do_anonymous_page`. Called with `mmap_sem` held for reading. Takes the page-table
    /// lock.
    fn do_anonymous_page(&self, mm: &Mm, vma: &Vma, addr: Addr) -> VmFault {
        call!("do_anonymous_page({}:{addr})", mm.id());
        // do_anonymous_page.1: The VMA gets an anon_vma if it has none yet (anon_vma_prepare), and
        // a zeroed page is allocated: both may sleep, so they come before the spin lock.
        let prepared = self.anon_vma_prepare(vma);
        let Some(page) = prepared.ok().and_then(|()| self.alloc_page()) else {
            return VmFault::Oom;
        };
        // do_anonymous_page.2: Under the page-table lock the entry is read again: another thread of
        // the process may have been quicker.
        mm.page_table_lock.lock();
        let used = mm.pte(addr).read() == Pte::None;
        if used {
            // do_anonymous_page.3: The page is mapped (map_new_page): dirty, and writable if the
            // VMA permits stores.
            self.map_new_page(
                mm,
                vma,
                addr,
                Pte::Present { page, write: vma.maybe_mkwrite(true), dirty: true },
                false,
            );
        }
        // do_anonymous_page.4: The lock is let go of; who came too late gives his page back.
        mm.page_table_lock.unlock();
        if !used {
            sync::mark(Mark::DO_ANONYMOUS_PAGE_LOST);
            self.put_page(page);
        }
        VmFault::Minor
    }
}
