//! Taking mappings away: munmap and exit.

use std::ops::Range;

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Vma, VmaRef, World};
use crate::call;
use crate::spec::{
    GatherNested, GatherPut, UnmapFlush, ZapDirty, ZapDrain, ZapFlush, ZapMigration,
};
use crate::sync::{self, Mark};

/// What an unmap has taken away and not yet let go of. Kernel: `struct mmu_gather`.
#[derive(Default)]
pub(super) struct MmuGather {
    /// Pages, with the references that their entries had.
    pages: Vec<PageRef>,
    /// Where the entries were: loads may go through them still.
    unflushed: Vec<Addr>,
}

#[sync::forgets]
impl World {
    /// Its process lets go of an address space. Kernel: `exit_mm`.
    pub fn exit(&self, mm: MmRef) {
        self.mmput(self.mm_struct(mm));
    }

    /// Ends an address space. Kernel: `exit_mmap`. The last user is gone, so `mmap_sem` is not
    /// taken; only reverse-map walkers still come by.
    pub(super) fn exit_mmap(&self, mm: &Mm) {
        call!("exit_mmap({})", mm.id());
        let vmas = mm.mmap.read();
        self.unmap_vmas(mm, &vmas);
        mm.mmap.publish(Vec::new());
    }

    /// See [`Process::munmap`](super::Process::munmap). Kernel: `sys_munmap`. Takes `mmap_sem` for
    /// writing.
    pub(super) fn munmap(&self, mm: MmRef, range: Range<Addr>) -> bool {
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let unmapped = self.do_munmap(mm, range);
        mm.mmap_sem.up_write();
        unmapped.unwrap_or(false)
    }

    /// Unmaps what is mapped in a range; true if there was anything; an error, and nothing is
    /// unmapped, if memory runs out. Called with `mmap_sem` held for writing. Kernel: the same
    /// name.
    pub(super) fn do_munmap(&self, mm: &Mm, range: Range<Addr>) -> Result<bool, Errno> {
        call!("do_munmap({}, {range:?})", mm.id());
        for edge in [range.start, range.end] {
            if let Some(vma) = self.find_vma(mm, edge)
                && vma.vm_start.read() != edge
            {
                self.__split_vma(mm, vma, edge, edge == range.end)?;
            }
        }
        let all = mm.mmap.read();
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.iter().partition(|&&vma| range.contains(&self.vma(vma).vm_start.read()));
        self.changing_vmas(mm, || mm.mmap.publish(kept));
        self.unmap_vmas(mm, &gone);
        Ok(!gone.is_empty())
    }

    /// Takes these VMAs' entries away, then the VMAs. The pages' references are gathered, and
    /// dropped before the anon_vmas go or behind that (rule [`GatherPut`]). Called with `mmap_sem`
    /// held for writing, or when nobody else has the address space any more (5.19 holds it then,
    /// too). Kernel: `unmap_vmas`, `free_pgtables`, `tlb_finish_mmu` and `remove_vma`, in
    /// `unmap_region` and `exit_mmap`.
    fn unmap_vmas(&self, mm: &Mm, vmas: &[VmaRef]) {
        // unmap_vmas.1: This CPU's pagevec is drained, so that it keeps no page; the entries of
        // each VMA are taken away (zap_pte_range), and the references that they had are gathered.
        self.drains_for_zap();
        let vmas: Vec<_> = vmas.iter().map(|&vma| self.vma(vma)).collect();
        let mut gather = MmuGather::default();
        for vma in &vmas {
            self.zap_pte_range(mm, vma.vm_start.read()..vma.vm_end.read(), &mut gather);
        }
        // unmap_vmas.2: The VMAs leave the lists of their anon_vmas (unlink_anon_vmas); the TLB is
        // flushed; then the references are dropped, and a page's slot with the last mapping
        // (free_swap_cache). [COUNT-3, LIFE-3]
        match self.rules().gather_put {
            GatherPut::BeforeUnlink => {
                self.tlb_finish_mmu(mm, gather);
                vmas.iter().for_each(|vma| self.unlink_vma(vma));
            }
            GatherPut::AfterUnlink => {
                vmas.iter().for_each(|vma| self.unlink_vma(vma));
                self.tlb_finish_mmu(mm, gather);
            }
        }
        vmas.iter().for_each(|vma| self.vma_free(vma));
    }

    /// No walk finds the VMA any more. Kernel: `free_pgtables`, for one VMA.
    fn unlink_vma(&self, vma: &Vma) {
        self.unlink_anon_vmas(vma);
        self.unlink_file_vma(vma);
    }

    /// What waits in this CPU's pagevec goes to the LRU list before anything is unmapped (rule
    /// [`ZapDrain`]). Kernel: `lru_add_drain`, in `exit_mmap`, `unmap_region` and `zap_page_range`.
    pub(super) fn drains_for_zap(&self) {
        if self.rules().zap_drain == ZapDrain::Yes {
            self.lru_add_drain();
        }
    }

    /// Waits until nothing goes through the entries that were taken away, and drops the references
    /// that they had. Kernel: the same name.
    pub(super) fn tlb_finish_mmu(&self, mm: &Mm, gather: MmuGather) {
        gather.unflushed.into_iter().for_each(|addr| self.flush_tlb_page(mm, addr));
        gather.pages.into_iter().for_each(|page| self.free_page_and_swap_cache(page));
    }

    /// Somebody clears entries beside others who may do so, and will flush (rule [`GatherNested`]).
    /// Not for who has `mmap_sem` for writing, or is the last: he is alone. Kernel: the same name,
    /// in `tlb_gather_mmu`, since 4.13 (5.9 read).
    pub(super) fn inc_tlb_flush_pending(&self, mm: &Mm) {
        if self.rules().gather_nested == GatherNested::Flushed {
            mm.tlb_flush_pending.add(1);
        }
    }

    /// Is somebody else clearing entries, too? Then what he has not flushed yet is to be flushed
    /// here as well. Kernel: the same name, in `tlb_finish_mmu`.
    pub(super) fn mm_tlb_flush_nested(&self, mm: &Mm) -> bool {
        let nested =
            self.rules().gather_nested == GatherNested::Flushed && mm.tlb_flush_pending.read() > 1;
        if nested {
            sync::mark(Mark::GATHER_FLUSHES_FOR_OTHER);
        }
        nested
    }

    /// Kernel: the same name, in `tlb_finish_mmu`.
    pub(super) fn dec_tlb_flush_pending(&self, mm: &Mm) {
        if self.rules().gather_nested == GatherNested::Flushed {
            mm.tlb_flush_pending.add(-1);
        }
    }

    /// Takes every entry of a range away; the references that the entries had are in `gather` then.
    /// Kernel: `zap_pte_range`. Takes the page-table lock.
    pub(super) fn zap_pte_range(&self, mm: &Mm, range: Range<Addr>, gather: &mut MmuGather) {
        call!("zap_pte_range({}, {range:?})", mm.id());
        // zap_pte_range.1: The page-table lock is taken; if reclaim has cleared entries here and
        // not flushed them yet, they are flushed now.
        mm.page_table_lock.lock();
        self.flush_tlb_batched_pending(mm, range.clone());
        let mut addr = range.start;
        while addr < range.end {
            // zap_pte_range.2: An entry is read. [S3.12]
            let pte = mm.pte(addr).read();
            if matches!(pte, Pte::Migration { .. }) {
                sync::mark(Mark::ZAP_MEETS_MIGRATION_ENTRY);
                if self.rules().zap_migration == ZapMigration::Wait {
                    mm.page_table_lock.unlock();
                    self.migration_entry_wait(mm.id(), addr);
                    mm.page_table_lock.lock();
                    continue;
                }
            }
            // zap_pte_range.3: It is taken away (steps 4 to 6).
            self.zap_pte(mm, addr, pte, gather);
            addr += 1;
        }
        // zap_pte_range.7: The lock is let go of, before the TLB is flushed.
        mm.page_table_lock.unlock();
    }

    /// Reclaim may have cleared an entry, and not yet waited for who goes through it: what it left
    /// there goes now, so that nobody else could tell (rule [`UnmapFlush`]). Called with the
    /// page-table lock held. Kernel: the same name, since 4.13.
    pub(super) fn flush_tlb_batched_pending(&self, mm: &Mm, range: Range<Addr>) {
        if self.rules().unmap_flush == UnmapFlush::Batched && mm.tlb_flush_batched.read() {
            sync::mark(Mark::ZAP_FLUSHES_FOR_RECLAIM);
            range.for_each(|addr| self.flush_tlb_page(mm, addr));
            mm.tlb_flush_batched.write(false);
        }
    }

    /// Takes one entry away. Called with the page-table lock held.
    ///
    /// A present entry's mapping counts no more before the flush (rule [`ZapFlush`]). A swap
    /// entry's slot is given up while the entry is still there: swapoff sees that, since it reads
    /// entries without the lock (2.6.8, 2.6.11, 3.0, 5.10, 5.19, 6.12, 6.18, 7.3 read).
    pub(super) fn zap_pte(&self, mm: &Mm, addr: Addr, pte: Pte, gather: &mut MmuGather) {
        match pte {
            // zap_pte_range.4: A present one is cleared, and its mapping counts no more; its
            // reference goes to the gather, so that a load through a TLB that is not flushed yet
            // still finds the page. Some kernels mark the page dirty before, if it was stored to
            // through the entry. [COUNT-3, COUNT-1]
            Pte::Present { page, .. } if self.shmem_at(addr).is_some() => {
                self.zap_shared(mm, addr, page);
                gather.pages.push(page);
            }
            Pte::Present { page, .. } => {
                let at_once = self.rules().zap_flush == ZapFlush::AtOnce;
                let cleared = if at_once {
                    self.set_pte(mm, addr, Pte::None)
                } else {
                    gather.unflushed.push(addr);
                    self.set_pte_unflushed(mm, addr, Pte::None)
                };
                if self.rules().zap_dirty == ZapDirty::Page
                    && matches!(cleared, Pte::Present { dirty: true, .. })
                {
                    self.page(page).dirty.write(true);
                }
                self.shadow_unmap(mm, addr);
                self.page_remove_rmap(page);
                gather.pages.push(page);
            }
            // zap_pte_range.5: Of a swap entry the claim is given up while the entry is still there
            // (free_swap_and_cache); then it is cleared. [SWAP-2]
            Pte::Swap { entry, .. } => {
                self.disown_pte(mm, addr);
                self.free_swap_and_cache(entry);
                self.pte_clear_not_present(mm, addr);
            }
            // zap_pte_range.6: A migration entry is cleared, and no slot is given up for it, though
            // it looks like a swap entry. [S1.5]
            Pte::Migration { page, .. } => {
                // free_swap_and_cache is called for it too, and must know it from a swap entry
                // (claim S1.5).
                if self.rules().zap_migration == ZapMigration::Mistake {
                    self.free_swap_and_cache(page.as_swap_entry());
                }
                self.pte_clear_not_present(mm, addr);
                self.zap_stale_entry(page);
            }
            Pte::None => {}
        }
    }

    /// Called with the page-table lock held. Kernel: `pte_clear_not_present_full`.
    fn pte_clear_not_present(&self, mm: &Mm, addr: Addr) {
        self.set_pte_unflushed(mm, addr, Pte::None); // nothing goes through such an entry
        self.shadow_unmap(mm, addr);
    }
}
