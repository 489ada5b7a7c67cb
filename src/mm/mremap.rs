//! mremap: a range of addresses moves, and its pages with it.

use std::ops::Range;

use super::fault::VmFault;
use super::page::linear_page_index;
use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Vma, World};
use crate::spec::{MovePtes, MremapFlush, MremapLock, MremapMerge, MremapPage};
use crate::sync::{self, Mark, RetryLoop};
use crate::{call, note};

/// So many entries a page table has, here: what is moved at once lies in one table at either end.
const PTRS_PER_PTE: Addr = 4;

#[sync::forgets]
impl World {
    /// See [`Process::mremap`](super::Process::mremap). Kernel: `sys_mremap`, with
    /// `MREMAP_MAYMOVE | MREMAP_FIXED` and the length that it has. Takes `mmap_sem` for writing.
    pub(super) fn mremap(&self, mm: MmRef, range: Range<Addr>, to: Addr) -> Result<(), Errno> {
        call!("do_mremap({mm}, {range:?} → {to})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let moved = self.do_mremap(mm, range, to);
        mm.mmap_sem.up_write();
        moved
    }

    /// See [`Process::expand`](super::Process::expand). Kernel: the part of `do_mremap` that grows
    /// in place (read in 2.6.8, 2.6.11, 2.6.34, 5.9; `vma_expandable` since 2.6.32). Takes
    /// `mmap_sem` for writing. Only `vm_end` moves (claim S3.9).
    pub(super) fn expand(&self, mm: MmRef, range: Range<Addr>, end: Addr) -> Result<(), Errno> {
        call!("do_mremap({mm}, {range:?} → {:?})", range.start..end);
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self
            .find_vma(mm, range.start)
            .filter(|vma| range.end <= vma.vm_end.read())
            .ok_or(Errno::Efault);
        let expanded = vma.and_then(|vma| {
            let free = self.next_vma(mm, vma).is_none_or(|next| end <= next.vm_start.read());
            if vma.vm_end.read() != range.end || !free {
                return Err(Errno::Enomem);
            }
            self.vma_adjust(mm, vma, vma.vm_start.read(), end, vma.vm_pgoff.read(), None);
            Ok(())
        });
        mm.mmap_sem.up_write();
        expanded
    }

    /// What is at the destination goes first, whether the move succeeds or not. Called with
    /// `mmap_sem` held for writing. Kernel: the same name.
    fn do_mremap(&self, mm: &Mm, range: Range<Addr>, to: Addr) -> Result<(), Errno> {
        // do_mremap.1: What is mapped at the new place is unmapped.
        self.do_munmap(mm, to..to + (range.end - range.start))?;
        // do_mremap.2: The VMA is looked up, and moves (move_vma).
        let vma = self
            .find_vma(mm, range.start)
            .filter(|vma| range.end <= vma.vm_end.read())
            .ok_or(Errno::Efault)?;
        self.move_vma(mm, vma, range, to)
    }

    /// Called with `mmap_sem` held for writing. Kernel: the same name (read in 2.6.8 to 6.18).
    ///
    /// When memory runs out, what has moved moves back, and the new area is unmapped instead of the
    /// old one.
    fn move_vma(&self, mm: &Mm, vma: &Vma, range: Range<Addr>, to: Addr) -> Result<(), Errno> {
        // move_vma.1: A VMA for the new place is made, or a neighbour there grows (copy_vma).
        let len = range.end - range.start;
        let pgoff = linear_page_index(vma.vm_start.read(), vma.vm_pgoff.read(), range.start);
        let (new_vma, locks) = self.copy_vma(mm, vma, to..to + len, pgoff)?;
        // move_vma.2: The entries move (move_page_tables).
        let moved_len =
            self.move_page_tables(mm, (vma, range.start), (new_vma, to), len, locks, true);
        note!("move_page_tables has moved {} of {len}", moved_len.cast_signed());
        // Unsigned: a length of -1 page is no error (claim S4.6).
        // move_vma.3: If all have moved, the old place is unmapped; nothing is mapped there any
        // more, so that only the VMA goes. Otherwise what has moved moves back, under the root's
        // lock, since a walk may come to the old place first, and the new place is unmapped.
        // [S4.6]
        if moved_len >= len {
            sync::mark(Mark::MREMAP_MOVED);
            self.shadow_move_left(mm, range.clone(), to);
            return self.do_munmap(mm, range).map(drop);
        }
        sync::mark(Mark::MREMAP_MOVES_BACK);
        if self.rules().mremap_lock == MremapLock::MoveToTail {
            self.anon_vma_moveto_tail(vma);
        }
        // The tables at the old place are there still: this cannot fail.
        let locks = self.rules().mremap_lock == MremapLock::RmapLock;
        self.move_page_tables(mm, (new_vma, to), (vma, range.start), moved_len, locks, false);
        self.shadow_move_left(mm, to..to + len, range.start);
        self.do_munmap(mm, to..to + len)?;
        Err(Errno::Enomem)
    }

    /// The VMA at the new place: a copy of the old one, with an offset of its own, so that its
    /// pages' index stays right; or a neighbour there that grows (rule [`MremapMerge`]). Says too
    /// whether the walks of the reverse map must be kept out while entries move into it. Called
    /// with `mmap_sem` held for writing. Kernel: the same name.
    fn copy_vma<'w>(
        &'w self,
        mm: &'w Mm,
        vma: &'w Vma,
        range: Range<Addr>,
        pgoff: u64,
    ) -> Result<(&'w Vma, bool), Errno> {
        // Nothing was ever touched in it, so it need not keep its offset.
        // copy_vma.1: A VMA that has no anon_vma may take any offset; another keeps its own, so
        // that the index of its pages stays right.
        let pgoff = if vma.anon_vma.read().is_none() { range.start } else { pgoff };
        // copy_vma.2: If a neighbour there has the same anon_vma and a fitting offset, it grows
        // (vma_adjust). A walk may come by it before it comes by the old VMA, so that the root's
        // lock must keep walks out while entries move. [FINDING-47]
        if let Some(merged) = self.vma_merge(mm, vma, &range, pgoff) {
            sync::mark(Mark::MREMAP_MERGES);
            let locks = match self.rules().mremap_lock {
                MremapLock::Nothing => false,
                MremapLock::MoveToTail => {
                    self.anon_vma_moveto_tail(merged);
                    false
                }
                MremapLock::RmapLock => true,
            };
            return Ok((merged, locks));
        }
        // copy_vma.3: Otherwise a new VMA is linked to the anon_vmas of the old one, behind it on
        // their lists (anon_vma_clone), and goes into the list of VMAs. [S4.1]
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let new_vma = self.vma_alloc(mm.id(), range.start, range.end, pgoff);
        *new_vma.vm_write.write() = vma.vm_write.read();
        self.anon_vma_clone(new_vma, vma);
        new_vma.anon_vma.write(vma.anon_vma.read());
        self.vma_link(mm, new_vma);
        Ok((new_vma, false))
    }

    /// The neighbour that grows over the range, if one fits: its offset goes on, and nothing speaks
    /// against it in the anon_vmas (rule [`MremapMerge`]). If both fit, the lower one grows over
    /// the upper one too, and gets that one's anon_vma if it has none. Kernel: the same name (read
    /// in 2.6.8, 2.6.34 and 3.0.8); its cases 1 to 3.
    fn vma_merge(&self, mm: &Mm, source: &Vma, range: &Range<Addr>, pgoff: u64) -> Option<&Vma> {
        let list = mm.mmap.read();
        let neighbour = |beside: &dyn Fn(&Vma) -> bool| {
            let fits = |vma: &&Vma| {
                vma.id() != source.id()
                    && beside(vma)
                    && vma.vm_write.read() == source.vm_write.read()
            };
            list.iter()
                .map(|&vma| self.vma(vma))
                .find(fits)
                .filter(|vma| self.is_mergeable_anon_vma(vma, source))
        };
        let prev = neighbour(&|vma| {
            vma.vm_end.read() == range.start
                && linear_page_index(vma.vm_start.read(), vma.vm_pgoff.read(), range.start) == pgoff
        });
        let next = neighbour(&|vma| {
            vma.vm_start.read() == range.end
                && vma.vm_pgoff.read() == pgoff + (range.end - range.start)
        });
        let merged = match (prev, next) {
            (Some(prev), next) => {
                let next = next.filter(|next| prev.may_share_anon_vma(next));
                if next.is_some() {
                    sync::mark(Mark::MREMAP_MERGES_BOTH);
                }
                let end = next.map_or(range.end, |next| next.vm_end.read());
                self.vma_adjust(mm, prev, prev.vm_start.read(), end, prev.vm_pgoff.read(), None);
                prev
            }
            (None, Some(next)) => {
                self.vma_adjust(mm, next, range.start, next.vm_end.read(), pgoff, None);
                next
            }
            (None, None) => return None,
        };
        if self.rules().mremap_merge == MremapMerge::CopiedFrom
            && merged.anon_vma.read().is_none()
            && source.anon_vma.read().is_some()
        {
            self.anon_vma_clone(merged, source);
            merged.anon_vma.write(source.anon_vma.read());
        }
        Some(merged)
    }

    /// Kernel: the same name.
    fn is_mergeable_anon_vma(&self, vma: &Vma, source: &Vma) -> bool {
        match (vma.anon_vma.read(), source.anon_vma.read()) {
            (Some(one), Some(other)) => one.same_object(other),
            (None, None) => true,
            _ if self.rules().mremap_merge != MremapMerge::Refused => true,
            // Whose list nobody else's pages are found by.
            (Some(_), None) => vma.anon_vma_chain.with(Vec::len) == 1,
            (None, Some(_)) => false,
        }
    }

    /// Moves the entries, as far as there is memory for the tables that they move to, if that is
    /// asked; says how many pages' worth has moved. Called with `mmap_sem` held for writing.
    /// Kernel: the same name.
    pub(super) fn move_page_tables(
        &self,
        mm: &Mm,
        from: (&Vma, Addr),
        to: (&Vma, Addr),
        len: Addr,
        locks: bool,
        allocates: bool,
    ) -> Addr {
        // move_page_tables.1: Table by table, and if a neighbour has grown, under the root's lock.
        // [FINDING-47]
        if matches!(self.rules().mremap_page, MremapPage::EarlyCow | MremapPage::EarlyCowUnlocked) {
            return self.move_page_tables_copying(mm, from, to.1, len, allocates);
        }
        let (vma, old_addr) = from;
        let (mut offset, mut unflushed) = (0, Vec::new());
        while offset < len {
            let left_in = |addr: Addr| PTRS_PER_PTE - (addr + offset) % PTRS_PER_PTE;
            let extent = match self.rules().move_ptes {
                MovePtes::Page => 1,
                MovePtes::Extent => left_in(old_addr).min(left_in(to.1)).min(len - offset),
            };
            if allocates {
                sync::might_sleep("pte_alloc");
                if !self.memory_is_left() {
                    break;
                }
            }
            let locked = if locks {
                vma.anon_vma.read().map(|anon_vma| self.anon_vma_lock(anon_vma))
            } else {
                None
            };
            // move_page_tables.2: The entries of one table move (move_ptes).
            self.move_ptes(
                mm,
                old_addr + offset..old_addr + offset + extent,
                (to.0, to.1 + offset),
                &mut unflushed,
            );
            // move_page_tables.3: The root's lock is let go of.
            if let Some(locked) = locked {
                self.anon_vma_unlock(locked);
            }
            offset += extent;
        }
        self.flush_tlb_pages(mm, &mut unflushed);
        offset
    }

    /// Waits for whoever goes through these entries as they were. Kernel: `flush_tlb_range`.
    fn flush_tlb_pages(&self, mm: &Mm, unflushed: &mut Vec<Addr>) {
        unflushed.drain(..).for_each(|addr| self.flush_tlb_page(mm, addr));
    }

    /// Moves what is there as it is: pages, swap entries, migration entries. The reverse map is not
    /// told: a page's index fits both VMAs, of which each says its own address. Takes the
    /// page-table lock. What is left in `unflushed` somebody may go through still (rule
    /// [`MremapFlush`]). Kernel: the same name; `move_one_page` until 2.6.14.
    ///
    /// Between the two steps the entry is in neither place: who looks without the lock misses it.
    fn move_ptes(
        &self,
        mm: &Mm,
        range: Range<Addr>,
        (new_vma, to): (&Vma, Addr),
        unflushed: &mut Vec<Addr>,
    ) {
        call!("move_ptes({}, {range:?} → {to})", mm.id());
        // move_ptes.1: The page-table lock is taken, of both places; what reclaim has cleared here
        // and not flushed is flushed now.
        let flush = self.rules().mremap_flush;
        mm.page_table_lock.lock();
        self.flush_tlb_batched_pending(mm, range.clone());
        for old_addr in range.clone() {
            // move_ptes.2: An entry is read; where nothing is, nothing moves.
            if mm.pte(old_addr).read() == Pte::None {
                continue;
            }
            let new_addr = to + (old_addr - range.start);
            // move_ptes.3: It is cleared: from here until step 4 it is in neither place, and who
            // looks without the lock misses it. [S2.6, FINDING-59]
            let pte = if flush == MremapFlush::AtOnce {
                self.set_pte(mm, old_addr, Pte::None)
            } else {
                self.set_pte_unflushed(mm, old_addr, Pte::None)
            };
            if pte.is_present() && flush != MremapFlush::AtOnce {
                unflushed.push(old_addr);
            }
            self.shadow_move(mm, old_addr, new_addr);
            // move_ptes.4: It is set at the new place, whatever it is: the page and its reverse map
            // are not told. [S4.1]
            self.set_pte(mm, new_addr, pte);
            if self.rules().mremap_page == MremapPage::RemoveAdd
                && let Some(page) = pte.page()
            {
                self.page_remove_rmap(page);
                self.page_add_anon_rmap(page, new_vma, new_addr);
            }
        }
        // move_ptes.5: The TLB is flushed before the lock is let go of: a store through the old
        // entry would otherwise go into a page that somebody has unmapped. [FINDING-65]
        if flush == MremapFlush::UnderLock {
            self.flush_tlb_pages(mm, unflushed);
        }
        mm.page_table_lock.unlock();
    }

    /// What document 4 makes of [`move_page_tables`](Self::move_page_tables): page by page, and a
    /// page that cannot move is copied, and tried again. When there is no memory for the copy, the
    /// length that it returns is a page short, and -1 page if it was the first (claim S4.6).
    /// Kernel: `move_page_tables` and `make_page_exclusive`, rmap 11.
    fn move_page_tables_copying(
        &self,
        mm: &Mm,
        (vma, old_addr): (&Vma, Addr),
        new_addr: Addr,
        len: Addr,
        allocates: bool,
    ) -> Addr {
        let retries = RetryLoop::new();
        let mut offset: Addr = 0;
        while offset < len {
            retries.round_carrying(&offset, || self.fingerprint());
            let mut moved = if allocates && !self.memory_is_left() {
                Err(Errno::Enomem)
            } else {
                self.move_one_page(mm, old_addr + offset, new_addr + offset)
            };
            if moved == Err(Errno::Eagain) {
                sync::mark(Mark::MREMAP_COPIES);
                moved = self.make_page_exclusive(mm, vma, old_addr + offset);
                offset = offset.wrapping_sub(1);
            }
            if moved.is_err() {
                break;
            }
            offset = offset.wrapping_add(1);
        }
        offset
    }

    /// Moves one entry, unless it maps a page that others map too (`Eagain`). Takes the page-table
    /// lock. Kernel: the same name, rmap 11.
    fn move_one_page(&self, mm: &Mm, old_addr: Addr, new_addr: Addr) -> Result<(), Errno> {
        call!("move_one_page({}, {old_addr} → {new_addr})", mm.id());
        mm.page_table_lock.lock();
        let pte = mm.pte(old_addr).read();
        let movable = pte.page().is_none_or(|page| self.mremap_move_anon_rmap(page, new_addr));
        if movable && pte != Pte::None {
            let pte = self.set_pte(mm, old_addr, Pte::None);
            self.shadow_move(mm, old_addr, new_addr);
            self.set_pte(mm, new_addr, pte);
        }
        mm.page_table_lock.unlock();
        if movable { Ok(()) } else { Err(Errno::Eagain) }
    }

    /// Notes the address that a page moves to, if nobody else maps it (rule [`MremapPage`], claim
    /// S4.2). Called with the page-table lock held. Takes the page's map lock. Kernel: the same
    /// name, rmap 11.
    fn mremap_move_anon_rmap(&self, page: PageRef, addr: Addr) -> bool {
        let frame = self.page(page);
        // Without the map lock, to save it: under the lock it is asked again.
        if frame.mapcount.read() != 1 {
            return false;
        }
        self.page_map_lock(page);
        let alone =
            self.rules().mremap_page == MremapPage::EarlyCowUnlocked || frame.mapcount.read() == 1;
        if alone {
            frame.index.write(addr);
        }
        self.page_map_unlock(page);
        alone
    }

    /// Is the page known by another address than that at which it is mapped now? Kernel: the same
    /// name, rmap 11, which looks without a lock.
    pub(super) fn mremap_moved_anon_rmap(&self, page: PageRef, addr: Addr) -> bool {
        self.page(page).index.read() != addr
    }

    /// Gives the process a page of its own at `addr`, as a store would. Called with `mmap_sem`
    /// held. Kernel: the same name, rmap 11.
    pub(super) fn make_page_exclusive(&self, mm: &Mm, vma: &Vma, addr: Addr) -> Result<(), Errno> {
        match self.handle_mm_fault(mm, vma, addr, true) {
            VmFault::Minor | VmFault::Write => Ok(()),
            VmFault::Oom => Err(Errno::Enomem),
        }
    }

    /// A walk comes by this VMA last, from here on. Called with `mmap_sem` held for writing.
    /// Kernel: the same name, 3.3 to 3.6.
    fn anon_vma_moveto_tail(&self, vma: &Vma) {
        for anon_vma in vma.anon_vma_chain.read() {
            self.anon_vma_lock(anon_vma);
            self.anon_vma_list_to_tail(anon_vma, vma.id());
            self.anon_vma_unlock(anon_vma);
        }
    }
}
