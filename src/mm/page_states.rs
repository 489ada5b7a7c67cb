//! Page states: which pages the guest makes volatile for its host and which stable, and how a page
//! goes that the host has discarded (document 2).

use super::page::Mapping;
use super::{Addr, Errno, Mm, PageRef, Pte, Ttu, World};
use crate::spec::{
    CheckBits, Clause, CountOrder, DiscardMlocked, DiscardUnder, DiscardedBit, ResetWritable,
    StateChange, SwapinLookup, VolatileShmem, VolatileWriteback, Writable,
};
use crate::sync::{self, Mark};
use crate::{call, note};

#[sync::forgets]
impl World {
    /// The page is needed from here on; false if the host has discarded it. Whoever makes it
    /// volatile meanwhile is waited for (rule [`StateChange`], claim S2.7). Kernel:
    /// `page_make_stable`.
    pub(super) fn page_make_stable(&self, page: PageRef) -> bool {
        if !self.hints() {
            return true;
        }
        // page_make_stable.1: Who is making the page volatile is waited for: he may have read the
        // counts before the caller's reference was there. [S2.7]
        let frame = self.page(page);
        // Between the caller's reference and this look stands a full barrier: atomic_inc is one on
        // s390, and on no other machine need it be.
        sync::fence(std::sync::atomic::Ordering::SeqCst);
        if self.rules().state_change == StateChange::Waited && frame.state_change.read() {
            sync::mark(Mark::MAKE_STABLE_WAITS);
            frame.state_change.read_when(|changing| !changing);
        }
        // page_make_stable.2: The host is told that the page is needed; if it has been discarded
        // already, the host says so, and the caller must not use it. [S2.2, S2.8, HINT-1]
        let stable = self.page_set_stable_if_present(page);
        if !stable {
            sync::mark(Mark::MAKE_STABLE_FAILS);
        }
        stable
    }

    /// The page may go, if nobody refers to it but its mappings and `offset` others, and it holds
    /// nothing that is nowhere else. Gives up, and does not wait, if somebody else is at it. True
    /// if it is volatile now. Kernel: the same name.
    pub(super) fn page_make_volatile(&self, page: PageRef, offset: i64) -> bool {
        call!("page_make_volatile({page})");
        // page_make_volatile.1: The state-change bit is set; who finds it set gives up. It is the
        // last lock of all: nobody takes one before he clears it. [S2.7]
        let frame = self.page(page);
        let exclusive = self.rules().state_change != StateChange::Nothing;
        if exclusive && frame.state_change.write(true) {
            note!("it was set already");
            return false;
        }
        // page_make_volatile.2: Only a page of the swap cache or of the page cache that is clean,
        // not being written, unlocked, not discarded, uptodate and on the LRU list may be volatile,
        // and only if nobody refers to it but its mappings and those whom the caller knows. [S2.12]
        let volatile = self.check_bits(page) && self.check_counts(page, offset);
        // page_make_volatile.3: The host is told that it may discard the page from here on.
        // [HINT-1]
        if volatile {
            self.page_set_volatile(page);
        }
        // page_make_volatile.4: The bit is cleared.
        if exclusive {
            frame.state_change.write(false);
        }
        volatile
    }

    /// Kernel: the same name, and the looks in its order: one by one, while others change what is
    /// looked at. Whoever takes a page out of the swap cache makes it stable under the page lock,
    /// and it is dirty before he lets go of that: so who has found it unlocked must ask for the
    /// swap cache behind that, not before (FINDING-71).
    fn check_bits(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        if self.rules().check_bits == CheckBits::CacheFirst && !frame.swap_cache.read() {
            return false;
        }
        let clean = !frame.dirty.read()
            && (self.rules().volatile_writeback == VolatileWriteback::Allowed
                || !self.is_written(page))
            && !frame.lock.is_locked()
            && !frame.discarded.read()
            && frame.uptodate.read()
            && frame.lru.read();
        if !clean {
            return false;
        }
        if self.rules().check_bits == CheckBits::CacheFirst || frame.swap_cache.read() {
            return self.rules().volatile_shmem == VolatileShmem::Allowed
                || self.page_rmapping(page).is_anon();
        }
        self.is_in_page_cache(page)
    }

    /// Kernel: the same name. Two looks at what others change meanwhile (rule [`CountOrder`]).
    fn check_counts(&self, page: PageRef, offset: i64) -> bool {
        let frame = self.page(page);
        match self.rules().count_order {
            CountOrder::MapFirst => {
                let mapped = frame.mapcount.read();
                mapped + offset == frame.count.read()
            }
            CountOrder::CountFirst => {
                let count = frame.count.read();
                frame.mapcount.read() + offset == count
            }
        }
    }

    /// Sets an entry of the page, by `set`. One that permits stores is the first such, or the page
    /// has [`PG_writable`](super::Page) already: the host must know before anybody stores (rule
    /// [`Writable`], patch 4). `offset` references are neither mappings nor unknown. Called with
    /// the page-table lock held. Kernel: `page_check_writable`, and the `set_pte_at` behind it.
    pub(super) fn set_pte_checked(&self, pte: Pte, offset: i64, set: impl FnOnce()) {
        let writable = match pte {
            Pte::Present { page, write: true, .. } if self.tracks_writable() => Some(page),
            _ => None,
        };
        let late = self.rules().writable == Writable::AfterEntry;
        if !late {
            writable.into_iter().for_each(|page| self.page_check_writable(page, offset));
        }
        set();
        if late {
            writable.into_iter().for_each(|page| self.page_check_writable(page, offset));
        }
    }

    fn tracks_writable(&self) -> bool {
        self.hints() && self.rules().writable != Writable::ChangeBit
    }

    /// A page that may be volatile must not stay so when the counts or bits do not fit: who can
    /// tell whether the host asks. Kernel: the same name.
    fn page_check_writable(&self, page: PageRef, offset: i64) {
        let frame = self.page(page);
        if frame.writable.read() {
            return;
        }
        let exclusive = self.rules().state_change != StateChange::Nothing;
        while exclusive && frame.state_change.write(true) {
            note!("it was set already");
            frame.state_change.read_when(|changing| !changing);
        }
        let first = !frame.writable.test_and_set();
        let counted = first && self.check_counts(page, offset);
        if first {
            if self.check_bits(page) && counted {
                self.page_set_volatile(page);
            } else {
                self.page_set_stable_if_present(page);
            }
        }
        if exclusive {
            frame.state_change.write(false);
        }
        if !counted {
            self.page_make_volatile(page, 1);
        }
    }

    /// Nothing maps the page any more: from here on it counts as one that nobody may store to (rule
    /// [`ResetWritable`]). Gives up if somebody changes the page's state. Kernel: the same name.
    pub(super) fn page_reset_writable(&self, page: PageRef) {
        let frame = self.page(page);
        if !self.tracks_writable()
            || self.rules().reset_writable == ResetWritable::Never
            || !frame.writable.read()
        {
            return;
        }
        let exclusive = self.rules().state_change != StateChange::Nothing;
        if exclusive && frame.state_change.write(true) {
            note!("it was set already");
            return;
        }
        frame.writable.write(false);
        sync::mark(Mark::WRITABLE_RESET);
        if exclusive {
            frame.state_change.write(false);
        }
    }

    /// Drops a reference that is not the last; without it the page may be volatile. Kernel:
    /// `page_cache_release`, `put_page_check` in document 2. Where pages are released in batches,
    /// nobody tries.
    pub(super) fn page_cache_release(&self, page: PageRef) {
        if self.hints() && self.page(page).count.read() > 1 {
            self.page_make_volatile(page, 2);
        }
        self.put_page(page);
    }

    /// An access has met a page that the host has discarded: what the CPU says is the frame. Takes
    /// no `mmap_sem`. Kernel: `do_discard_fault` (s390).
    pub(super) fn do_discard_fault(&self, page: PageRef) {
        call!("do_discard_fault({page})");
        sync::mark(Mark::DISCARD_FAULT);
        // do_discard_fault.1: An access has met a page that the host has discarded. A reference is
        // taken, unless the page is being freed. No mmap_sem is held.
        if !self.get_page_unless_zero(page) {
            sync::mark(Mark::DISCARD_FAULT_LATE);
            return;
        }
        let now = self.frame(page).resident();
        sync::clause(Clause::LIFE_3, now == page, || {
            format!("the discard fault of {page} takes away {now}, which is in its frame")
        });
        // do_discard_fault.2: The page is taken away (page_discard), and the CPU repeats the
        // access, which faults on what is there then: a swap entry, or of a file nothing.
        self.page_discard(now);
    }

    /// Takes a page away that the host has discarded, and drops the caller's reference. Called with
    /// no spin lock held (claim S2.14). Takes the page lock, and under it, one after the other, the
    /// reverse map's with the page-table locks, `lru_lock`, the tree lock, and `swap_lock`. Kernel:
    /// the same name.
    pub(super) fn page_discard(&self, page: PageRef) {
        call!("page_discard({page})");
        // page_discard.1: The page is locked, so that nobody maps it any more. [S2.13, S2.14]
        self.lock_page(page);
        // page_discard.2: It is taken away (steps 3 to 7).
        self.__page_discard(page);
        // Both try to make it volatile, and cannot: it is not on the LRU list.
        // page_discard.8: It is unlocked, and the caller's reference dropped: the last one frees
        // it.
        self.clear_page_locked(page);
        self.put_page(page);
    }

    /// Called with the page locked ([HINT-4]). Kernel: the same name.
    fn __page_discard(&self, page: PageRef) {
        let frame = self.page(page);
        // page_discard.3: PG_discarded decides who takes the page out of the swap cache or the page
        // cache: who finds it set leaves that to whoever set it. [S2.4]
        let taken = match self.rules().discarded_bit {
            DiscardedBit::No => false,
            DiscardedBit::Set => frame.discarded.test_and_set(),
            DiscardedBit::AfterRemoval => frame.discarded.read(),
        };
        if taken {
            sync::mark(Mark::PAGE_DISCARD_TWICE);
            self.assert_unmapped(page);
            return;
        }
        let filed = self.is_in_page_cache(page);
        let lost = (!filed && !frame.swap_cache.read() && frame.mapped()) || self.is_written(page);
        sync::clause(Clause::HINT_2, !lost, || {
            format!("{page} is discarded and mapped, and what it held is not on the device")
        });
        // page_discard.4: Every mapping of it becomes a swap entry, or of a file's page nothing, in
        // a walk that does not stop when nothing maps it any more, and that looks under the
        // page-table lock. [S2.6, S2.11, HINT-4]
        self.page_unmap_all(page);
        self.assert_unmapped(page);
        // page_discard.5: It leaves the LRU list, if it is there. [S2.9]
        self.lru_lock.lock();
        if frame.lru.read() {
            self.del_page_from_lru(page);
        }
        self.lru_lock.unlock();
        if filed {
            self.discard_from_page_cache(page);
            return;
        }
        // Else its mapping would be followed as a file's, and the cache's reference dropped again.
        // page_discard.6: It leaves the swap cache, under the tree lock. [S2.4, HINT-4]
        let cached = frame.swap_cache.read();
        sync::clause(Clause::HINT_4, cached, || {
            format!("{page} is taken away, and has left its cache before")
        });
        let entry = self.page_swap_entry(page);
        self.swap_cache.tree_lock.lock();
        self.delete_from_swap_cache_nocheck(page, entry);
        self.swap_cache.tree_lock.unlock();
        if self.rules().discarded_bit == DiscardedBit::AfterRemoval {
            frame.discarded.write(true);
        }
        sync::mark(Mark::PAGE_DISCARD_REMOVES);
        // page_discard.7: With the tree lock let go of, the claim on the slot is given up, and the
        // reference of the swap cache is dropped.
        self.swapcache_free(entry);
        self.put_page(page); // the cache's
    }

    fn assert_unmapped(&self, page: PageRef) {
        let mapcount = self.page(page).mapcount.read();
        sync::clause(Clause::HINT_4, mapcount == 0, || {
            format!("{page} is discarded, and its mapcount is still {mapcount}")
        });
    }

    /// Takes every mapping of a discarded page away, wherever a walk finds one. Called with the
    /// page locked. Kernel: the same name. A page of the swap cache that is not anonymous has
    /// `swapper_space` for its mapping, and nothing is found there (claim S2.10).
    fn page_unmap_all(&self, page: PageRef) {
        self.page(page).lock.assert_held();
        let mapping = self.page_rmapping(page);
        if mapping == Mapping::File && self.shmem().is_some() {
            return self.page_unmap_file(page);
        }
        if !mapping.is_anon() {
            return;
        }
        call!("page_unmap_all({page})");
        self.unmap_every_place(page, |mm, addr| self.page_discard_one(page, mm, addr));
    }

    /// Unmaps it in one place. Memory that is locked is no exception, or the page cannot go (rule
    /// [`DiscardMlocked`], claim S2.11).
    fn page_discard_one(&self, page: PageRef, mm: &Mm, addr: Addr) {
        let unmapped = self.try_to_unmap_one(page, mm, addr, Ttu::Discard);
        sync::clause(Clause::HINT_4, unmapped.is_ok(), || {
            format!("{page} is discarded, and {}:{addr} cannot be unmapped", mm.id())
        });
    }

    /// Does memory that is locked keep the page where it is, and does the walk end there? Kernel:
    /// the look at `VM_LOCKED` in `try_to_unmap_one`.
    pub(super) fn mlock_keeps(&self, mm: &Mm, ttu: Ttu) -> Option<Result<(), Errno>> {
        let kept = match (ttu, self.rules().discard_mlocked) {
            _ if !mm.mlocked.get() => None,
            (Ttu::Migration, _) | (Ttu::Discard, DiscardMlocked::UnlessDiscarded) => None,
            (Ttu::Discard, DiscardMlocked::Leave) => Some(Ok(())),
            (Ttu::Unmap, _) | (Ttu::Discard, DiscardMlocked::Fail) => Some(Err(Errno::Ebusy)),
        };
        if kept.is_some() {
            sync::mark(Mark::TRY_TO_UNMAP_MLOCKED);
        }
        kept
    }

    /// Is `follow_page` to discard a page without letting go of the page-table lock? (rule
    /// [`DiscardUnder`])
    pub(super) fn discards_under_lock(&self) -> bool {
        self.rules().discard_under == DiscardUnder::PageTableLock
    }

    /// Does `do_swap_page` see under the page lock that the page is discarded? (rule
    /// [`SwapinLookup`], patch 5)
    pub(super) fn swapin_meets_discarded(&self, page: PageRef) -> bool {
        self.hints()
            && self.rules().swapin_lookup == SwapinLookup::NoDiscard
            && self.page(page).discarded.read()
    }
}
