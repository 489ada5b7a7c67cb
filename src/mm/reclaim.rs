//! Page reclaim: an anonymous page goes to swap.

use std::sync::atomic::Ordering::Acquire;

use super::{Addr, Mm, PageRef, PteLocation, Ttu, World};
use crate::call;
use crate::spec::{RemoveMapping, ShrinkDiscarded, SwapPinned, UnmapCheck, UnmapFlush, WriteFlush};
use crate::sync::{self, Mark, Name};

/// What became of a page that reclaim has locked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Shrunk {
    /// It stays, and is locked still.
    Kept,
    /// It has left the swap cache, is unlocked, and nobody has a reference any more: it is to be
    /// freed.
    Unreferenced,
    /// It stays, and is unlocked: it is on its way to the swap device.
    Written,
    /// It is unlocked, and the caller's reference is given up.
    Gone,
}

#[sync::forgets]
impl World {
    /// Takes every mapping of a page away, so that its memory can be removed; true if nothing maps
    /// it any more. What the memory hot-removal of document 0 does first: unlike reclaim it waits
    /// for the page lock (claim S0.2).
    pub fn unmap_for_removal(&self, page: PageRef) -> bool {
        call!("unmap_for_removal({page})");
        if !self.isolate_for_reclaim(page) {
            return false;
        }
        let frame = self.page(page);
        frame.lock.lock();
        if frame.swap_cache.read() || self.add_to_swap(page) {
            self.page_map_lock(page);
            if frame.mapped() {
                self.try_to_unmap(page, Ttu::Unmap);
                self.try_to_unmap_flush();
            }
            self.page_map_unlock(page);
        }
        let unmapped = !frame.mapped();
        if unmapped {
            sync::mark(Mark::UNMAP_FOR_REMOVAL_UNMAPS);
        }
        if self.rules().unmap_check == UnmapCheck::CountAndSuspend {
            self.suspend_mappers(page, unmapped);
        }
        self.unlock_page(page);
        self.putback_lru_page(page);
        unmapped
    }

    /// Finds the processes that map the page, and suspends them; once nothing maps it, lets all
    /// that are suspended go on. Called with the page locked.
    fn suspend_mappers(&self, page: PageRef, unmapped: bool) {
        if !unmapped {
            return self.rmap_walk(page, |vma, _| self.mm_struct(vma.mm).suspended.write(true));
        }
        for mm in self
            .processes
            .get()
            .into_iter()
            .map(|mm| self.mm_struct(mm))
            .filter(|mm| mm.suspended.read())
        {
            mm.suspended.write(false);
        }
    }

    /// Takes one page off the LRU list and tries to free it. Kernel: `shrink_page_list` for one
    /// page, as kswapd calls it.
    #[track_caller]
    pub fn shrink_page(&self, page: PageRef) {
        sync::here();
        let done = self.shrink(page);
        self.asked(Name::new("shrink_page()", 0, 0), done);
    }

    /// Looks whether the page is in use, without its lock, and puts it back. Kernel:
    /// `shrink_active_list` for one page; until 2.6.24 `refill_inactive_zone`.
    #[track_caller]
    pub fn age_page(&self, page: PageRef) {
        sync::here();
        call!("shrink_active_list({page})");
        self.lru_add_drain();
        let done = self.isolate_for_reclaim(page);
        if done {
            self.page_map_lock(page);
            if self.page(page).mapped() && self.page_referenced(page) > 0 {
                sync::mark(Mark::PAGE_REFERENCED);
            }
            self.page_map_unlock(page);
            self.putback_scanned_page(page);
        }
        self.asked(Name::new("age_page()", 0, 0), done);
    }

    /// False if the page is not on the inactive list.
    pub(super) fn shrink(&self, page: PageRef) -> bool {
        call!("shrink_page_list({page})");
        // shrink_page_list.1: The pagevec is drained, and the page taken to the inactive list.
        self.lru_add_drain();
        if self.deactivate_page(page) {
            return true;
        }
        // shrink_page_list.2: The page is taken off the LRU list, with a reference; one that has
        // none left is being freed, and is not taken. Steps 3 to 9 are done with it. [S1.7, LRU-1]
        let isolated = self.isolate_inactive_page(page);
        if isolated {
            self.shrink_isolated(page);
        }
        isolated
    }

    /// Called with the reference of the isolation, which it gives up.
    pub(super) fn shrink_isolated(&self, page: PageRef) {
        // shrink_page_list.3: The page lock is tried for; a page that somebody else has locked goes
        // back to the list.
        if !self.page(page).lock.trylock() {
            sync::mark(Mark::SHRINK_PAGE_LOCKED);
            self.putback_scanned_page(page);
            return;
        }
        // shrink_page_list.4: What is done under the page lock (steps 5 to 8).
        let shrunk = self.shrink_locked_page(page);
        // shrink_page_list.9: A page that stays is unlocked and goes back to the list. Before it
        // goes there, and before one is freed, what was cleared and not flushed is flushed.
        if self.unlock_kept(page, shrunk) {
            sync::mark(Mark::SHRINK_KEPT);
            self.putback_scanned_page(page);
        } else {
            self.free_shrunk(page, shrunk);
        }
    }

    /// False if reclaim does not keep the page; else it is unlocked.
    pub(super) fn unlock_kept(&self, page: PageRef, shrunk: Shrunk) -> bool {
        let kept = matches!(shrunk, Shrunk::Kept | Shrunk::Written);
        if kept {
            if shrunk == Shrunk::Kept {
                self.unlock_page(page);
            }
            self.try_to_unmap_flush();
        }
        kept
    }

    /// What reclaim does last with a page that it does not keep.
    pub(super) fn free_shrunk(&self, page: PageRef, shrunk: Shrunk) {
        sync::mark(Mark::SHRINK_FREED);
        self.try_to_unmap_flush();
        if shrunk == Shrunk::Unreferenced {
            self.free_page(page);
        }
    }

    /// Does reclaim not wait yet for who goes through an entry that it clears? (rule
    /// [`UnmapFlush`]) Kernel: the same name, since 4.3.
    pub(super) fn should_defer_flush(&self) -> bool {
        self.rules().unmap_flush != UnmapFlush::AtOnce
    }

    /// An entry has been cleared, and who goes through it is to be waited for. Called with the
    /// page-table lock held. Kernel: the same name.
    pub(super) fn set_tlb_ubc_flush_pending(&self, mm: &Mm, addr: Addr) {
        self.tlb_ubc.mine(|unflushed| unflushed.push(PteLocation { mm: mm.id(), addr }));
        if self.rules().unmap_flush == UnmapFlush::Batched {
            mm.tlb_flush_batched.write(true);
        }
    }

    /// Nothing goes through the entries any more that this CPU's reclaim has cleared. Kernel: the
    /// same name, since 4.3; before, they are flushed one by one, and there is nothing to do.
    pub(super) fn try_to_unmap_flush(&self) {
        for at in self.tlb_ubc.mine(std::mem::take) {
            self.flush_tlb_page(self.mm_struct(at.mm), at.addr);
        }
    }

    /// Called with the page locked, and the caller's reference.
    pub(super) fn shrink_locked_page(&self, page: PageRef) -> Shrunk {
        let frame = self.page(page);
        // shrink_page_list.5: A page that is being written stays. An anonymous one that is not in
        // the swap cache gets a slot and goes there (add_to_swap), unless a device may hold it.
        // [S2.9, S0.1]
        if self.hints()
            && self.rules().shrink_discarded != ShrinkDiscarded::Nothing
            && frame.discarded.read()
        {
            sync::mark(Mark::SHRINK_MEETS_DISCARDED);
            if self.rules().shrink_discarded == ShrinkDiscarded::Free {
                self.free_page(page);
            } else {
                self.unlock_page(page);
                self.put_page(page); // in a batch: nobody tries to make it volatile
            }
            return Shrunk::Gone;
        }
        if self.is_written(page) {
            return Shrunk::Kept;
        }
        if self.is_in_page_cache(page) {
            return self.shrink_file_page(page);
        }
        if self.page_rmapping(page).is_anon() && !frame.swap_cache.read() {
            if self.is_lazyfree(page) {
                return self.shrink_lazyfree_page(page);
            }
            if self.rules().swap_pinned == SwapPinned::Keep && frame.maybe_dma_pinned() {
                sync::mark(Mark::SHRINK_PAGE_PINNED);
                return Shrunk::Kept;
            }
            if !self.add_to_swap(page) {
                return Shrunk::Kept;
            }
        }
        // Neither a page that is not anonymous yet nor one that has left the swap cache has a
        // page_mapping(): it is not unmapped (2.6.11 to 3.0; what 5.9 unmaps without that look has
        // its place on swap).
        if !frame.swap_cache.read() {
            return Shrunk::Kept;
        }
        self.page_map_lock(page);
        // shrink_page_list.6: If it is mapped, every mapping is taken away, and swap entries are
        // left (try_to_unmap); a page of which one is left stays. [S0.1, S0.2]
        let left = frame.mapped() && {
            self.try_to_unmap(page, Ttu::Unmap);
            frame.mapped()
        };
        self.page_map_unlock(page);
        if left {
            return Shrunk::Kept;
        }
        // shrink_page_list.7: If it is dirty it is written (pageout): first the TLBs are flushed,
        // so that nobody stores into it any more, and nobody but the swap cache and reclaim may
        // have a reference. [DATA-1]
        if frame.dirty.read() {
            if self.rules().write_flush == WriteFlush::Before {
                // nobody stores through an entry any more: try_to_unmap_flush_dirty
                self.try_to_unmap_flush();
            }
            if frame.count.read() != 2 {
                return Shrunk::Kept; // somebody else may be writing to it: is_page_cache_freeable
            }
            if !self.swap_writepage(page) {
                // It may be over by now: then reclaim goes on, if nobody else has the lock.
                if self.is_written(page) || frame.dirty.read() || !frame.lock.trylock() {
                    return Shrunk::Written;
                }
                if frame.dirty.read() || self.is_written(page) || !frame.swap_cache.read() {
                    return Shrunk::Kept;
                }
            }
        }
        // shrink_page_list.8: If it is clean it is taken out of the swap cache (remove_mapping).
        self.remove_mapping(page)
    }

    /// Reclaim takes a page that its process needs no more. Called with the page locked, and the
    /// caller's reference. Kernel: a part of `shrink_page_list`.
    pub(super) fn shrink_lazyfree_page(&self, page: PageRef) -> Shrunk {
        let frame = self.page(page);
        if frame.mapped() {
            self.try_to_unmap(page, Ttu::Unmap);
        }
        if frame.mapped() || frame.dirty.read() {
            return Shrunk::Kept;
        }
        // As for a page that leaves the swap cache: the count first, then the dirty bit.
        if !self.page_freeze_refs(page, 1) {
            sync::mark(Mark::LAZYFREE_KEEPS);
            return Shrunk::Kept;
        }
        if frame.dirty.read() {
            self.page_unfreeze_refs(page, 1);
            return Shrunk::Kept;
        }
        self.clear_page_locked(page);
        Shrunk::Unreferenced
    }

    /// Does nobody refer to the page but its cache and reclaim? Then nobody can any more, if the
    /// count is frozen. The dirty bit is not looked at before, which the barrier is for (2.6.22
    /// read; 2.6.12 has none, and whoever makes a page in a cache dirty has the tree lock there).
    pub(super) fn is_unused(&self, page: PageRef) -> bool {
        match self.rules().remove_mapping {
            RemoveMapping::Freeze => self.page_freeze_refs(page, 2),
            RemoveMapping::Count => {
                let count = self.page(page).count.read();
                sync::fence(Acquire); // smp_rmb
                count == 2
            }
        }
    }

    /// Takes an unmapped, clean page out of the swap cache and unlocks it, if nobody else refers to
    /// it. Called with the page locked. Kernel: `__remove_mapping`; until 2.6.26 `remove_mapping`.
    /// Takes the tree lock.
    fn remove_mapping(&self, page: PageRef) -> Shrunk {
        let frame = self.page(page);
        // remove_mapping.1: The tree lock is taken.
        let entry = self.page_swap_entry(page);
        self.swap_cache.tree_lock.lock();
        // remove_mapping.2: If the count is two, the swap cache's and reclaim's, it becomes zero in
        // the same step: no look-up can take a reference any more. [COUNT-4, S3.13]
        let freeze = self.rules().remove_mapping == RemoveMapping::Freeze;
        // Count and dirty bit in this order: whoever drops a reference has set the bit before.
        if !self.is_unused(page) {
            self.swap_cache.tree_lock.unlock();
            return Shrunk::Kept;
        }
        // remove_mapping.3: Only then the dirty bit is read: whoever stored through a reference has
        // set it before he dropped that. [SWAP-4, DATA-1]
        if frame.dirty.read() {
            if freeze {
                self.page_unfreeze_refs(page, 2);
            }
            self.swap_cache.tree_lock.unlock();
            return Shrunk::Kept;
        }
        // remove_mapping.4: The page leaves the swap cache; the tree lock is let go of, and the
        // claim on the slot given up. Then the page is unlocked, and shrink_page_list frees it: its
        // count is zero, so that no reference is dropped. [COUNT-3]
        self.assert_clean(page, entry);
        self.delete_from_swap_cache_locked(page, entry);
        self.swap_cache.tree_lock.unlock();
        self.swapcache_free(entry);
        if freeze {
            self.clear_page_locked(page);
            return Shrunk::Unreferenced;
        }
        self.put_page(page); // the cache's
        self.unlock_page(page);
        self.put_page(page);
        Shrunk::Gone
    }
}
