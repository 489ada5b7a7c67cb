//! The swap cache: pages that are on their way to the swap device, or from it.

use std::sync::atomic::Ordering::{Acquire, Release};

use super::swap_map::{CACHED, ON_ITS_WAY, Prepared};
use super::{Errno, PageRef, SwapEntry, World};
use crate::spec::{AddToSwap, DiscardedBit, FindGetPage, SwapinLookup, UnusedSlot};
use crate::sync::{self, Mark, Name, RetryLoop, SpinLock, State, Word};
use crate::{call, note};

/// The swap cache. Kernel: `swapper_space`.
pub struct SwapCache {
    /// Changing a slot takes this. Kernel: `swapper_space.tree_lock`.
    pub tree_lock: SpinLock<()>,
    slots: Vec<Word<Option<PageRef>>>,
}

impl SwapCache {
    pub(super) fn new(slots: u32) -> Self {
        let slot = |entry| Word::new(Name::new("swapcache[%a]", entry, 0), None);
        Self {
            tree_lock: SpinLock::new(Name::new("tree_lock", 0, 0), ()),
            slots: (0..slots).map(slot).collect(),
        }
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        self.tree_lock.see(state);
        self.slots.iter().for_each(|slot| slot.see(state));
    }

    /// The tree's slot for `entry`. Kernel: `radix_tree_lookup_slot`.
    pub(super) fn slot(&self, entry: SwapEntry) -> &Word<Option<PageRef>> {
        &self.slots[entry.0 as usize]
    }

    /// Puts `page` there: who finds it without the tree lock finds it as it was left. Called with
    /// the tree lock held. Kernel: `rcu_assign_pointer`, in `radix_tree_insert` and
    /// `radix_tree_replace_slot`.
    pub(super) fn publish(&self, entry: SwapEntry, page: PageRef) {
        self.slot(entry).store(Some(page), Release);
    }
}

#[sync::forgets]
impl World {
    /// The page in the swap cache, for audits and pictures only.
    pub(super) fn peek_swap_cache(&self, entry: SwapEntry) -> Option<PageRef> {
        self.swap_cache.slots[entry.0 as usize].peek()
    }

    /// Does any slot hold `page`? For audits only.
    pub(super) fn swap_cache_holds(&self, page: PageRef) -> bool {
        self.swap_cache.slots.iter().any(|slot| slot.peek() == Some(page))
    }

    /// The swap slot of a page in the swap cache. Called with the page locked.
    pub(super) fn page_swap_entry(&self, page: PageRef) -> SwapEntry {
        SwapEntry(self.page(page).private.read().saturating_sub(1) as u32)
    }

    /// Puts a page into the swap cache, which takes a reference and has the slot's first claim
    /// already. Called with the page locked; false if the slot is taken. Kernel:
    /// `add_to_swap_cache`. Takes the tree lock.
    pub(super) fn add_to_swap_cache(&self, page: PageRef, entry: SwapEntry) -> bool {
        self.page(page).lock.assert_held();
        self.swap_cache.tree_lock.lock();
        let free = self.swap_cache.slot(entry).read().is_none();
        if free {
            self.get_page(page);
            self.page(page).swap_cache.write(true);
            self.page(page).private.write(u64::from(entry.0) + 1);
            self.swap_cache.publish(entry, page);
            self.set_has_cache(entry, CACHED);
            self.page(page).cached.change(|slot| *slot = Some(entry));
        }
        self.swap_cache.tree_lock.unlock();
        free
    }

    /// Gives an anonymous page a place on swap. Called with the page locked. Kernel: `add_to_swap`.
    pub(super) fn add_to_swap(&self, page: PageRef) -> bool {
        call!("add_to_swap({page})");
        let Some(entry) = self.get_swap_page() else { return false };
        let added = self.add_to_swap_cache(page, entry);
        if !added {
            self.swapcache_free(entry);
        } else if self.rules().add_to_swap == AddToSwap::Dirty {
            self.page(page).dirty.write(true); // nothing is on the device yet
        }
        added
    }

    /// Takes a page out of the swap cache. Called with the page locked. Kernel:
    /// `delete_from_swap_cache`. Takes the tree lock, and when it has let go of it, `swap_lock`.
    pub(super) fn delete_from_swap_cache(&self, page: PageRef) {
        self.page(page).lock.assert_held();
        // delete_from_swap_cache.1: Under the page lock and the tree lock the slot of the swap
        // cache is emptied, and the page knows of no slot any more.
        let entry = self.page_swap_entry(page);
        self.swap_cache.tree_lock.lock();
        self.delete_from_swap_cache_locked(page, entry);
        self.swap_cache.tree_lock.unlock();
        // delete_from_swap_cache.2: With the tree lock let go of, the claim of the swap cache on
        // the slot is given up, under swap_lock, and the reference of the swap cache is dropped.
        // [SWAP-1]
        self.swapcache_free(entry);
        self.put_page(page);
    }

    /// Kernel: `__delete_from_swap_cache`. Called with the tree lock held. Who takes a page away
    /// that the host may discard sets a bit meanwhile, whether the host has or not (rule
    /// [`DiscardedBit`]); if it is set, somebody else is at it.
    pub(super) fn delete_from_swap_cache_locked(&self, page: PageRef, entry: SwapEntry) {
        self.with_discarded_bit(page, || self.delete_from_swap_cache_nocheck(page, entry));
    }

    /// Removes a page from the swap cache, or from the page cache.
    pub(super) fn with_discarded_bit(&self, page: PageRef, remove: impl FnOnce()) {
        let bit = if self.hints() { self.rules().discarded_bit } else { DiscardedBit::No };
        if bit == DiscardedBit::Set && self.page(page).discarded.test_and_set() {
            return;
        }
        remove();
        if bit != DiscardedBit::No && self.page_discarded(page) != (bit == DiscardedBit::Set) {
            self.page(page).discarded.write(bit == DiscardedBit::AfterRemoval);
        }
    }

    /// Kernel: `__delete_from_swap_cache_nocheck` in document 2. Called with the tree lock held.
    pub(super) fn delete_from_swap_cache_nocheck(&self, page: PageRef, entry: SwapEntry) {
        self.swap_cache.tree_lock.assert_held();
        self.page(page).cached.change(|slot| *slot = None);
        // before the page is gone: who does not find it waits
        self.set_has_cache(entry, ON_ITS_WAY);
        self.swap_cache.slot(entry).write(None);
        self.page(page).private.write(0);
        self.page(page).swap_cache.write(false);
        note!("{page} leaves the swap cache");
    }

    /// The page in the swap cache, with a reference. Kernel: `find_get_page(&swapper_space)`. Takes
    /// the tree lock until 2.6.26; since 2.6.27 it looks without, and looks again once it has the
    /// reference.
    pub(super) fn find_get_page(&self, entry: SwapEntry) -> Option<PageRef> {
        // find_get_page.1: The slot of the swap cache is read without the tree lock. [S3.13]
        if self.rules().find_get_page == FindGetPage::Locked {
            self.swap_cache.tree_lock.lock();
            let page = self.swap_cache.slot(entry).read();
            if let Some(page) = page {
                self.assert_not_frozen(page);
                self.get_page(page);
            }
            self.swap_cache.tree_lock.unlock();
            return page;
        }
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            let page = self.swap_cache.slot(entry).load(Acquire)?;
            // find_get_page.2: A reference is taken, unless the count is zero: then the page is
            // being freed, or frozen by who moves or removes it, and the look-up starts again.
            // [COUNT-4, S3.13]
            if self.get_page_unless_zero(page) {
                // find_get_page.3: The slot is read again: between look and reference the frame may
                // have been freed and be another page's. If it is, the reference is dropped and the
                // look-up starts again. [S3.13]
                let page = self.frame(page).resident(); // it may be the frame's next page
                if self.rules().find_get_page == FindGetPage::LocklessOnce
                    || self.swap_cache.slot(entry).read() == Some(page)
                {
                    return Some(page);
                }
                self.put_page(page);
            }
        }
    }

    /// Has the look-up found the slot's page? Where it looks only once, that is known when the page
    /// is locked. Called with the page locked. Kernel: `folio_matches_swap_entry`, 6.18.
    pub(super) fn page_matches_swap_entry(&self, page: PageRef, entry: SwapEntry) -> bool {
        self.rules().find_get_page != FindGetPage::LocklessOnce || self.is_cached_as(page, entry)
    }

    /// The same, and the page is stable then; one that the host has discarded is taken away, and
    /// not found. Called with no spin lock held. Kernel: `find_get_page` in document 2, where that
    /// above is `find_get_page_nodiscard`.
    pub(super) fn find_get_page_stable(&self, entry: SwapEntry) -> Option<PageRef> {
        let page = self.find_get_page(entry)?;
        if !self.page_make_stable(page) {
            self.page_discard(page);
            return None;
        }
        self.needs(page);
        Some(page)
    }

    /// Kernel: `lookup_swap_cache` (rule [`SwapinLookup`]).
    pub(super) fn lookup_swap_cache(&self, entry: SwapEntry) -> Option<PageRef> {
        match self.rules().swapin_lookup {
            SwapinLookup::Checking => self.find_get_page_stable(entry),
            SwapinLookup::NoDiscard | SwapinLookup::Unchecked => self.find_get_page(entry),
        }
    }

    /// The page of a swap slot, read from the device if it is not in the swap cache; with a
    /// reference. `None` if the slot is free by now; an error if no memory is left.
    /// Kernel: `read_swap_cache_async`. The new page is on the LRU list, and has no mapping, before
    /// anybody maps it (claim S1.1).
    pub(super) fn read_swap_cache_async(&self, entry: SwapEntry) -> Result<Option<PageRef>, Errno> {
        call!("read_swap_cache_async({entry})");
        let (retries, mut taken) = (RetryLoop::new(), false);
        loop {
            retries.round_carrying(&taken, || self.fingerprint());
            // read_swap_cache_async.1: Who goes round again waits until the page that somebody else
            // is reading is in the swap cache, or out of it.
            if taken {
                self.wait_for_swapcache(entry);
            }
            // read_swap_cache_async.2: The page may be there by now (find_get_page).
            if let Some(page) = self.find_get_page_stable(entry) {
                return Ok(Some(page));
            }
            if self.rules().unused_slot == UnusedSlot::Skip && self.page_swapcount(entry) == 0 {
                return Ok(None);
            }
            // read_swap_cache_async.3: The swap cache claims the slot, under swap_lock: of two who
            // read the same slot, one gets the claim and the other goes round. A slot that is free
            // by now is the end of it. [SWAP-1]
            match self.swapcache_prepare(entry) {
                Prepared::Claimed => {}
                Prepared::Free => return Ok(None),
                Prepared::Taken => {
                    taken = true;
                    continue;
                }
            }
            // read_swap_cache_async.4: A page is allocated, and locked before anybody can find it.
            let Some(page) = self.alloc_page() else {
                self.swapcache_free(entry);
                return Err(Errno::Enomem);
            };
            self.set_page_locked(page);
            // read_swap_cache_async.5: It goes into the swap cache under the tree lock, and then
            // onto the LRU list: it is not read yet, and has no reverse map, and migration may come
            // by. [S1.1]
            if self.add_to_swap_cache(page, entry) {
                self.lru_cache_add(page);
                // read_swap_cache_async.6: The slot is read, the page is uptodate then, and is
                // unlocked, which wakes those who wait for it.
                sync::mark(Mark::SWAP_READ);
                self.set_content(self.page(page), self.swap_read(entry));
                self.page(page).uptodate.write(true);
                self.swap_slot_free_notify(page, entry);
                self.needs(page); // a new page is stable
                self.unlock_page(page);
                return Ok(Some(page));
            }
            self.unlock_page(page);
            self.put_page(page);
            self.swapcache_free(entry);
        }
    }
}
