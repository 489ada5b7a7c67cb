//! fork: the child gets the VMAs, and shares every page until one of the two writes.

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Vma, World};
use crate::call;
use crate::spec::{
    ForkChildSem, ForkDiscarded, ForkFailed, ForkMigration, ForkMmlist, ForkPinned, GupFast, Reuse,
};
use crate::sync::{self, Mark};

#[sync::forgets]
impl World {
    /// Copies an address space; an error if memory runs out meanwhile, and then what was copied
    /// goes again. Kernel: `copy_mm` and `dup_mmap`. Takes the parent's `mmap_sem` for writing, so
    /// no fault of the parent runs meanwhile, and the child's, which only swapoff knows (rule
    /// [`ForkChildSem`]).
    pub(super) fn fork(&self, parent: MmRef) -> Result<MmRef, Errno> {
        // dup_mmap.1: The parent's mmap_sem is taken for writing: none of its faults runs
        // meanwhile, and its VMAs stay as they are.
        let oldmm = self.mm_struct(parent);
        let child = self.mm_alloc();
        let mm = self.mm_struct(child);
        if let Err(error) = self.dup_rmap(mm, oldmm) {
            sync::mark(Mark::FORK_FAILS);
            return Err(error);
        }
        call!("dup_mmap({parent} → {child})");
        oldmm.mmap_sem.down_write();
        // dup_mmap.2: The child's is taken under it. Nobody but swapoff can want it yet.
        let locked = self.rules().fork_child_sem == ForkChildSem::Write;
        if locked {
            mm.mmap_sem.down_write();
        }
        // dup_mmap.3: VMA by VMA (steps 4 to 7).
        let mut unflushed = Vec::new();
        let copied = oldmm
            .mmap
            .read()
            .iter()
            .try_for_each(|&mpnt| self.dup_vma(mm, oldmm, self.vma(mpnt), &mut unflushed));
        // dup_mmap.8: The child's is let go of; the parent's TLBs are flushed, so that no thread
        // of it stores by an entry that permitted it before; then the parent's is let go of.
        // [S0.9]
        if copied.is_err() {
            self.dup_mmap_fails(mm);
        }
        if locked {
            mm.mmap_sem.up_write();
        }
        self.flush_tlb_after_fork(oldmm);
        unflushed.into_iter().for_each(|addr| self.shadow_fork(oldmm, mm, addr));
        oldmm.mmap_sem.up_write();
        if let Err(error) = copied {
            sync::mark(Mark::FORK_FAILS);
            self.mmput(mm);
            return Err(error);
        }
        self.add_process(child);
        Ok(child)
    }

    /// What of the child its exit will take away, or does at once (rule [`ForkFailed`]). Called with
    /// both `mmap_sem` held for writing. Kernel: the end of `dup_mmap`.
    fn dup_mmap_fails(&self, mm: &Mm) {
        match self.rules().fork_failed {
            ForkFailed::Copied => {}
            ForkFailed::Marked | ForkFailed::Unstable => mm.half_made.write(true),
            ForkFailed::Nothing => self.exit_mmap(mm),
        }
    }

    /// Until here, somebody may go through an entry of the parent as it was: who has read it with
    /// interrupts off before it was write-protected (rule [`GupFast`]), or who stores through one
    /// that reclaim has cleared and not flushed (rule [`UnmapFlush`](crate::spec::UnmapFlush)), of
    /// which the child has the swap entry by now. A load does not care. Called with `mmap_sem` held
    /// for writing. Kernel: `flush_tlb_mm` at the end of `dup_mmap`, whatever else (2.6.11, 5.10.13
    /// and 5.19.6 read); with other rules there is nothing left to wait for.
    fn flush_tlb_after_fork(&self, oldmm: &Mm) {
        if self.rules().gup_fast != GupFast::InterruptsOff && !self.should_defer_flush() {
            return;
        }
        for &vma in oldmm.mmap.read().iter() {
            let vma = self.vma(vma);
            (vma.vm_start.read()..vma.vm_end.read())
                .for_each(|addr| self.flush_tlb_page(oldmm, addr));
        }
    }

    /// The loop body of `dup_mmap`. Called with the parent's `mmap_sem` held for writing. The VMA
    /// is linked under the child's, or its page-table lock (rule [`ForkChildSem`]), which the
    /// kernel keeps until it has copied the entries too. Stores may still go through the parent's
    /// entries that are left in `unflushed`.
    fn dup_vma(
        &self,
        mm: &Mm,
        oldmm: &Mm,
        mpnt: &Vma,
        unflushed: &mut Vec<Addr>,
    ) -> Result<(), Errno> {
        // dup_mmap.4: The child's VMA is a copy of the parent's, and in no list yet.
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let tmp =
            self.vma_alloc(mm.id(), mpnt.vm_start.read(), mpnt.vm_end.read(), mpnt.vm_pgoff.read());
        *tmp.vm_write.write() = mpnt.vm_write.read();
        // dup_mmap.5: It is linked to the parent's anon_vmas, and to a new one of its own
        // (anon_vma_fork), before any of its entries is there: no walk may miss one. [S3.15, MIG-1]
        self.anon_vma_fork(tmp, mpnt);
        if self.shmem().is_some() {
            self.vma_link_file(tmp);
        }
        // dup_mmap.6: It goes into the child's list of VMAs.
        if self.rules().fork_child_sem == ForkChildSem::Write {
            self.insert_vm_struct(mm, tmp);
        } else {
            mm.page_table_lock.lock();
            self.link_vma(mm, tmp);
            mm.page_table_lock.unlock();
        }
        // dup_mmap.7: The entries are copied (copy_page_range).
        self.copy_page_range((mm, tmp), (oldmm, mpnt), unflushed)
    }

    /// Kernel: `copy_page_range`. Called with the parent's `mmap_sem` held for writing. Takes both
    /// page-table locks, the child's first.
    fn copy_page_range(
        &self,
        (dst, dst_vma): (&Mm, &Vma),
        (src, vma): (&Mm, &Vma),
        unflushed: &mut Vec<Addr>,
    ) -> Result<(), Errno> {
        // copy_page_range.1: In a VMA that has no anon_vma nothing was ever touched, and there is
        // nothing to copy.
        if !self.has_anonmm() && vma.anon_vma.read().is_none() {
            return Ok(()); // nothing was ever touched here
        }
        // copy_page_range.2: mm->write_protect_seq becomes odd: as long as it is, get_user_pages
        // gives no page away without a lock. [S0.9]
        let counted = self.rules().gup_fast == GupFast::WriteProtectSeq;
        if counted {
            // odd: nobody is given a page without a lock
            src.write_protect_seq.update(|seq| seq + 1);
        }
        // copy_page_range.3: The child's page-table lock is taken, and then the parent's. Whoever
        // else takes two does so in fork, and nobody forks the child yet. [ORDER-1]
        dst.page_table_lock.lock();
        src.page_table_lock.lock();
        let mut copied = Ok(());
        // copy_page_range.4: Entry by entry (copy_one_pte).
        for addr in vma.vm_start.read()..vma.vm_end.read() {
            while self.rules().fork_migration == ForkMigration::Wait
                && matches!(src.pte(addr).read(), Pte::Migration { .. })
            {
                src.page_table_lock.unlock();
                dst.page_table_lock.unlock();
                self.migration_entry_wait(src.id(), addr);
                dst.page_table_lock.lock();
                src.page_table_lock.lock();
            }
            copied = self.copy_one_pte((dst, dst_vma), src, addr, unflushed);
            if copied.is_err() {
                break;
            }
        }
        // copy_page_range.5: Both locks are let go of, and mm->write_protect_seq becomes even.
        // [S0.9]
        src.page_table_lock.unlock();
        dst.page_table_lock.unlock();
        if counted {
            src.write_protect_seq.update(|seq| seq + 1);
        }
        copied
    }

    /// Kernel: `copy_one_pte`. Write-protects on both sides. Called with both page-table locks
    /// held. Where a store may still go through the parent's entry, what the child has is not known
    /// yet: those are left in `unflushed`.
    fn copy_one_pte(
        &self,
        (dst, dst_vma): (&Mm, &Vma),
        src: &Mm,
        addr: Addr,
        unflushed: &mut Vec<Addr>,
    ) -> Result<(), Errno> {
        // copy_one_pte.1: The parent's entry is read; of nothing nothing is copied.
        let pte = src.pte(addr).read();
        let copy = match pte {
            Pte::None => return Ok(()),
            // copy_one_pte.2: A page that may be pinned for the parent, and is the parent's alone,
            // is copied now, so that the parent keeps the page that the device has
            // (copy_present_page). [S0.9]
            Pte::Present { page, .. } if self.fork_must_copy(src, page) => {
                return self.copy_present_page(dst, src, dst_vma, addr, page);
            }
            Pte::Present { page, .. } if self.fork_meets_discarded(page) => {
                return self.copy_discarded(dst, src, addr, pte);
            }
            Pte::Present { page, dirty, .. } => Pte::Present { page, write: false, dirty },
            // copy_one_pte.3: A migration entry is copied as one that permits no stores; a swap
            // entry, with one more claim on its slot (swap_duplicate), and the child goes on the
            // list that swapoff goes along, beside its parent; for a migration entry, too, under
            // some kernels. Neither copy says that the page is one process's. [S3.15, S0.4, SWAP-1]
            Pte::Migration { page, .. } => {
                sync::mark(Mark::FORK_COPIES_MIGRATION_ENTRY);
                if self.rules().fork_mmlist == ForkMmlist::AnyEntry {
                    self.mmlist_add(dst, Some(src));
                }
                Pte::Migration { page, write: false, exclusive: false }
            }
            Pte::Swap { entry, .. } => {
                self.swap_duplicate(entry);
                self.mmlist_add(dst, Some(src));
                Pte::Swap { entry, exclusive: false }
            }
        };
        // copy_one_pte.4: The parent's entry becomes the same: it loses its right to store, and the
        // mark that the page is one process's. From here on either of the two faults at its next
        // store. [COW-1, S0.4]
        if copy != pte {
            self.write_protect(src, addr, copy);
        }
        if matches!(copy, Pte::Swap { .. }) && self.should_defer_flush() {
            unflushed.push(addr);
        } else {
            self.shadow_fork(src, dst, addr);
        }
        // copy_one_pte.5: A page that is shared is exclusive no more, gets a reference and a
        // mapping, and the child's entry is set, dirty if the parent's is. [COUNT-1, SWAP-4]
        if let Pte::Present { page, .. } = copy {
            if self.rules().reuse == Reuse::AnonExclusive {
                self.page(page).anon_exclusive.write(false);
            }
            self.get_page(page);
            self.page_dup_rmap(page);
        }
        self.set_pte(dst, addr, copy);
        Ok(())
    }

    /// Has somebody begun to take the page away, whose entries are to become swap entries? (rule
    /// [`ForkDiscarded`], claim S2.5)
    fn fork_meets_discarded(&self, page: PageRef) -> bool {
        self.hints()
            && self.rules().fork_discarded == ForkDiscarded::SwapEntry
            && self.page(page).discarded.read()
    }

    /// The child gets what the parent is to get. Called with both page-table locks held, and not
    /// the page lock: the page may be leaving the swap cache. Kernel: the middle of `copy_one_pte`
    /// in document 2, which does not look at what `swap_duplicate` says.
    fn copy_discarded(&self, dst: &Mm, src: &Mm, addr: Addr, pte: Pte) -> Result<(), Errno> {
        sync::mark(Mark::FORK_MEETS_DISCARDED);
        let Pte::Present { page, write, dirty } = pte else { return Ok(()) };
        if write {
            self.write_protect(src, addr, Pte::Present { page, write: false, dirty });
        }
        let entry = self.page_swap_entry(page);
        self.swap_duplicate(entry);
        self.mmlist_add(dst, None);
        self.shadow_fork(src, dst, addr);
        self.set_pte(dst, addr, Pte::Swap { entry, exclusive: false });
        Ok(())
    }

    /// A device may hold the page for the parent, and the rule [`ForkPinned`] says that the child
    /// gets a copy (claim S0.9). The page does not tell for whom it is held; the parent knows
    /// whether it has given any page away. Kernel: the beginning of `copy_present_page` (5.9),
    /// `page_needs_cow_for_dma` (5.19).
    fn fork_must_copy(&self, src: &Mm, page: PageRef) -> bool {
        let frame = self.page(page);
        self.rules().fork_pinned == ForkPinned::Copy
            && src.has_pinned.read()
            && frame.maybe_dma_pinned()
            && (self.rules().reuse != Reuse::AnonExclusive || frame.anon_exclusive.read())
    }

    /// The child gets a page of its own, and the parent's entry stays as it is. Called with both
    /// page-table locks held. Kernel: `copy_present_page`, since 5.9.
    fn copy_present_page(
        &self,
        dst: &Mm,
        src: &Mm,
        dst_vma: &Vma,
        addr: Addr,
        page: PageRef,
    ) -> Result<(), Errno> {
        sync::mark(Mark::FORK_COPIES_PINNED_PAGE);
        let new = self.alloc_page().ok_or(Errno::Enomem)?;
        // The entry is in use, so that the copy is not half of a store.
        let _ = src.pte(addr).begin_access();
        self.set_content(self.page(new), self.content(self.page(page)));
        self.shadow_fork(src, dst, addr);
        src.pte(addr).end_access(None);
        self.map_new_page(
            dst,
            dst_vma,
            addr,
            Pte::Present { page: new, write: dst_vma.maybe_mkwrite(true), dirty: true },
            false,
        );
        Ok(())
    }

    /// Kernel: `ptep_set_wrprotect`. Keeps a dirty bit that hardware sets meanwhile.
    fn write_protect(&self, mm: &Mm, addr: Addr, to: Pte) {
        if let (Pte::Present { page, .. }, Pte::Present { dirty: true, .. }) =
            (to, self.set_pte_unflushed(mm, addr, to))
        {
            self.page(page).dirty.write(true);
        }
    }
}
