//! Faults on entries that are not present: swap-in.

use super::fault::VmFault;
use super::swap_map::Prepared;
use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, SwapEntry, Vma, World};
use crate::call;
use crate::spec::{
    Clause, ReadaheadLook, Reuse, SwapBypass, SwapFreeOrder, SwapWrite, SwapinClash, SwapinFree,
    SwapinLookup, SwapinMapcount, SwapinOwn, SwapinRecheck,
};
use crate::sync::{self, Mark};

#[sync::forgets]
impl World {
    /// Brings a page back from swap. Called with `mmap_sem` held for reading; `orig` is the entry
    /// that faulted. Kernel: `do_swap_page`. Takes the page lock, then the page-table lock.
    ///
    /// Between the look-up and the page lock the page may have been migrated or dropped from the
    /// swap cache; until 2.6.35 only the entry was compared again (rule [`SwapinRecheck`], claim
    /// S3.13).
    pub(super) fn do_swap_page(
        &self,
        mm: &Mm,
        vma: &Vma,
        addr: Addr,
        orig: Pte,
        write: bool,
    ) -> VmFault {
        call!("do_swap_page({}:{addr}, {orig}{})", mm.id(), if write { ", write" } else { "" });
        // do_swap_page.1: A reference on the swap device keeps swapoff from being over meanwhile;
        // if it is over already, the CPU repeats the access. [SWAP-6]
        if !self.get_swap_device() {
            return VmFault::Minor; // swapoff has been here
        }
        // do_swap_page.2: The page is brought back and mapped (steps 3 to 16).
        let result = self.swap_in(mm, vma, addr, orig, write);
        // do_swap_page.17: The reference on the device is dropped.
        self.put_swap_device();
        result
    }

    /// The same, while the caller sees to the device.
    fn swap_in(&self, mm: &Mm, vma: &Vma, addr: Addr, orig: Pte, write: bool) -> VmFault {
        let entry = orig.swap_entry().expect("a swap entry");
        // do_swap_page.3: The page is looked up in the swap cache (find_get_page), without a lock:
        // what is found is a reference, and nothing more. [S3.13]
        let cached = self.lookup_swap_cache(entry);
        let stable = cached.is_none() || self.rules().swapin_lookup == SwapinLookup::Checking;
        // do_swap_page.4: If it is not there, the device is a synchronous one, and no other entry
        // holds the slot, it is to be read beside the swap cache, where nobody else finds it.
        // [S3.13]
        let beside = cached.is_none() && self.bypasses_swap_cache(entry);
        let claimed = beside && self.rules().swap_bypass == SwapBypass::Claimed;
        if claimed {
            match self.swapcache_prepare(entry) {
                Prepared::Claimed => {}
                Prepared::Free => return VmFault::Minor,
                Prepared::Taken => {
                    sync::mark(Mark::SWAP_BYPASS_WAITS);
                    self.wait_for_swapcache(entry);
                    return VmFault::Minor; // and fault again
                }
            }
        }
        // do_swap_page.5: If it is not there, it is read into the swap cache
        // (read_swap_cache_async).
        let read = || {
            if beside { self.swapin_beside(entry).map(Some) } else { self.swapin_readahead(entry) }
        };
        let result = match cached.map_or_else(read, |page| Ok(Some(page))) {
            // do_swap_page.6: There is a page, with a reference: it is mapped (steps 8 to 16).
            Ok(Some(page)) => {
                self.map_what_came_back(mm, vma, addr, orig, page, write, beside, stable)
            }
            Ok(None) | Err(_) => self.swapin_fails(mm, addr, orig),
        };
        if claimed {
            self.swapcache_free(entry);
        }
        result
    }

    /// There is no page, for want of memory or because somebody else has brought it back and let
    /// the slot go: only the entry tells which, and it may have gone and come back (FINDING-66).
    /// Takes the page-table lock.
    fn swapin_fails(&self, mm: &Mm, addr: Addr, orig: Pte) -> VmFault {
        // do_swap_page.7: There is no page, for want of memory or because another thread has
        // brought it back and let the slot go: only the entry, read under the page-table lock,
        // tells which. [FINDING-66]
        mm.page_table_lock.lock();
        let same = mm.pte(addr).read() == orig;
        mm.page_table_lock.unlock();
        if same {
            sync::mark(Mark::DO_SWAP_PAGE_OOM);
        }
        if same { VmFault::Oom } else { VmFault::Minor }
    }

    /// The second half of `do_swap_page`. Called with a reference on the page, which came through
    /// the swap cache or `beside` it, and may have been made `stable`.
    #[expect(clippy::too_many_arguments, reason = "they are struct vm_fault")]
    fn map_what_came_back(
        &self,
        mm: &Mm,
        vma: &Vma,
        addr: Addr,
        orig: Pte,
        page: PageRef,
        write: bool,
        beside: bool,
        stable: bool,
    ) -> VmFault {
        let entry = orig.swap_entry().expect("a swap entry");
        let frame = self.page(page);
        // do_swap_page.8: The page is locked. That may sleep, and anything may have become of the
        // page since it was looked up.
        frame.lock.lock();
        if stable && !beside {
            self.lets_go(page); // as long as it is locked, nobody makes it volatile
        }
        // do_swap_page.9: Unless the page was read beside the swap cache: is it still this slot's
        // page there? Reclaim and migration change that under the page lock only, so from here on
        // the answer stays; if it is no, the CPU repeats the access. [S3.13]
        if !beside && !self.is_what_was_found(page, entry) {
            sync::mark(Mark::DO_SWAP_PAGE_LEFT_CACHE);
            self.unlock_page(page);
            self.page_cache_release(page);
            return VmFault::Minor;
        }
        // do_swap_page.10: A store will ask whether the faulting process has the only reference:
        // this CPU's pagevec gives up its own, unless the page was read beside the swap cache.
        // [S0.3]
        if write && !beside && self.rules().reuse == Reuse::AnonExclusive {
            self.lru_add_drain_for(page); // this CPU's own reference, since 5.18
        }
        // do_swap_page.11: Under the page-table lock the entry is read: if it is not the one
        // that faulted, somebody else has been here.
        mm.page_table_lock.lock();
        let changed = mm.pte(addr).read() != orig || !frame.uptodate.read();
        if changed || self.swapin_meets_discarded(page) {
            sync::mark(if changed {
                Mark::DO_SWAP_PAGE_ENTRY_CHANGED
            } else {
                Mark::DO_SWAP_PAGE_MEETS_DISCARDED
            });
            mm.page_table_lock.unlock();
            self.unlock_page(page);
            self.page_cache_release(page);
            return VmFault::Minor;
        }
        sync::mark(Mark::DO_SWAP_PAGE_MAPS);
        // do_swap_page.12: The page is mapped (steps 13 to 15).
        let pte = self.map_swapped_page(mm, vma, addr, orig, page, write, beside);
        // do_swap_page.16: A store that may not go into the page goes on to do_wp_page, under the
        // same page-table lock; otherwise that lock is let go of. [S4.3, S4.8]
        let clash = self.rules().swapin_clash == SwapinClash::Copy
            && self.mremap_moved_anon_rmap(page, addr);
        if clash {
            sync::mark(Mark::SWAPIN_CLASH);
        }
        if clash
            || (write
                && pte == Pte::clean(page, false)
                && self.rules().swap_write == SwapWrite::Finish)
        {
            self.do_wp_page(mm, vma, addr, pte)
        } else {
            mm.page_table_lock.unlock();
            VmFault::Minor
        }
    }

    /// The middle of `do_swap_page`: gives up the swap entry, maps the page, unlocks it, in the
    /// order of the rule [`SwapFreeOrder`] (claims S0.5, S0.6); whether the mapping counts from the
    /// beginning is the rule [`SwapinMapcount`]. Called with the page and the page table locked.
    /// Returns the new entry.
    #[expect(clippy::too_many_arguments, reason = "they are struct vm_fault")]
    fn map_swapped_page(
        &self,
        mm: &Mm,
        vma: &Vma,
        addr: Addr,
        orig: Pte,
        page: PageRef,
        write: bool,
        beside: bool,
    ) -> Pte {
        let entry = orig.swap_entry().expect("a swap entry");
        let own = matches!(orig, Pte::Swap { exclusive: true, .. });
        // do_swap_page.13: The entry's claim on the slot is dropped (swap_free). The page then
        // leaves the swap cache if swap is full, or for a store if only the swap cache and the
        // fault have a reference; not as long as another entry holds the slot (try_to_free_swap).
        // [S0.5, S0.6, SWAP-2]
        let counted = self.rules().swapin_mapcount == SwapinMapcount::BeforeDecision;
        let free = || {
            self.swap_free(entry);
            if self.should_free_swap(page, write, own) {
                self.free_swap(page);
            }
        };
        // do_swap_page.14: Has the process the page for itself? So it is if the entry said so, if
        // the page was read beside the swap cache, or if nobody else has a reference; then a store
        // may go into it at once. [S0.3, S0.4, COW-1]
        let decide = || {
            let exclusive = self.swapin_is_exclusive(page, own || beside, write);
            if exclusive && self.rules().reuse == Reuse::AnonExclusive {
                self.page(page).anon_exclusive.write(true);
            }
            if write {
                sync::mark(if exclusive {
                    Mark::DO_SWAP_PAGE_EXCLUSIVE
                } else {
                    Mark::DO_SWAP_PAGE_SHARED
                });
            }
            match exclusive && write {
                true => Pte::Present { page, write: vma.maybe_mkwrite(true), dirty: true },
                false => Pte::clean(
                    page,
                    vma.maybe_mkwrite(exclusive && self.rules().swapin_own == SwapinOwn::Writable),
                ),
            }
        };
        let map = |pte: Pte| {
            if let Pte::Present { write: true, .. } = pte {
                self.assert_sole_entry(mm, addr, page);
            }
            self.set_pte_checked(pte, 2, || {
                if counted {
                    self.set_pte(mm, addr, pte);
                } else {
                    self.map_again(mm, vma, addr, pte);
                }
            });
        };
        if counted {
            self.page_add_anon_rmap(page, vma, addr);
        }
        // do_swap_page.15: Steps 13 and 14 are done in this order; then the page gets its reverse
        // map back, the entry is set (map_again), and the process goes to the page without a fault.
        // The page is unlocked last: until then nobody else takes it for his own. Other kernels
        // have another order. [S0.4, S0.5, COW-2]
        match self.rules().swap_free_order {
            SwapFreeOrder::First => {
                free();
                let pte = decide();
                self.unlock_page(page);
                map(pte);
                pte
            }
            SwapFreeOrder::BeforeUnlock => {
                let pte = decide();
                free();
                self.unlock_page(page);
                map(pte);
                pte
            }
            SwapFreeOrder::AfterRmap => {
                let pte = decide();
                map(pte);
                free();
                self.unlock_page(page);
                pte
            }
            SwapFreeOrder::FirstLocked => {
                free();
                let pte = decide();
                map(pte);
                self.unlock_page(page);
                pte
            }
        }
    }

    /// Nobody else has the page that comes back from swap; `own` is what the entry said, or that it
    /// came beside the swap cache, where nobody could find it (5.19, 6.18.35 read). Called with the
    /// page locked.
    fn swapin_is_exclusive(&self, page: PageRef, own: bool, write: bool) -> bool {
        match self.rules().reuse {
            Reuse::AnonExclusive => {
                own || (self.rules().swapin_free != SwapinFree::Exclusive
                    && self.page(page).count.read() == 1)
            }
            _ => write && self.can_share_swap_page(page),
        }
    }

    /// Kernel: `vm_swap_full`, and since 5.18 `should_try_to_free_swap` (rule [`SwapinFree`]);
    /// `own` is what the entry said.
    fn should_free_swap(&self, page: PageRef, write: bool, own: bool) -> bool {
        self.vm_swap_full()
            || match self.rules().swapin_free {
                SwapinFree::Full => false,
                SwapinFree::Count => write && self.page(page).count.read() == 2,
                SwapinFree::Exclusive => (write && own) || self.swap_is_synchronous(),
            }
    }

    /// Is it still what the look-up has found, as far as `do_swap_page` asks? (rule
    /// [`SwapinRecheck`]) Called with the page locked.
    fn is_what_was_found(&self, page: PageRef, entry: SwapEntry) -> bool {
        match self.rules().swapin_recheck {
            SwapinRecheck::Entry => true,
            SwapinRecheck::EntryAndFlag => self.page(page).swap_cache.read(),
            SwapinRecheck::EntryAndCache => self.is_cached_as(page, entry),
        }
    }

    /// Is it still the slot's page in the swap cache? Called with the page locked.
    pub(super) fn is_cached_as(&self, page: PageRef, entry: SwapEntry) -> bool {
        self.page(page).swap_cache.read() && self.page_swap_entry(page) == entry
    }

    /// [`read_swap_cache_async`](Self::read_swap_cache_async) for a fault. Nothing is read ahead
    /// here, so that what drains the pagevec behind that comes before the page (2.6.11, 2.6.33, 5.9
    /// read); but it is looked which slots there are ([SWAP-6]; `valid_swaphandles`, 2.6.11,
    /// 2.6.22, 2.6.29 and 2.6.38 read, `swap_cluster_readahead`, 5.9, 5.10.13 and 5.19 read).
    /// Kernel: the same name.
    fn swapin_readahead(&self, entry: SwapEntry) -> Result<Option<PageRef>, Errno> {
        if self.swap_is_read_ahead() && self.rules().readahead_look == ReadaheadLook::Device {
            sync::mark(Mark::READAHEAD_LOOKS);
            sync::clause(Clause::SWAP_6, self.swap.life.used(), || {
                format!("a fault looks beside {entry} on the device, and swapoff is over")
            });
        }
        self.lru_add_drain();
        self.read_swap_cache_async(entry)
    }

    /// Is the slot read beside the swap cache? One that other entries hold too is not (rule
    /// [`SwapBypass`]). Takes `swap_lock`.
    fn bypasses_swap_cache(&self, entry: SwapEntry) -> bool {
        self.rules().swap_bypass != SwapBypass::No
            && self.swap_is_synchronous()
            && self.page_swapcount(entry) == 1
    }

    /// A page that is in no cache, with what is in the slot. Kernel: the middle of `do_swap_page`,
    /// for `SWP_SYNCHRONOUS_IO`.
    fn swapin_beside(&self, entry: SwapEntry) -> Result<PageRef, Errno> {
        call!("swap_readpage({entry}), beside the swap cache");
        let page = self.alloc_page().ok_or(Errno::Enomem)?;
        self.set_page_locked(page);
        self.lru_cache_add(page);
        sync::mark(Mark::SWAP_READ);
        self.set_content(self.page(page), self.swap_read(entry));
        self.page(page).uptodate.write(true);
        self.unlock_page(page);
        Ok(page)
    }

    /// Brings what is at `addr` into the swap cache; false if nothing is on swap there.
    pub(super) fn read_ahead(&self, mm: MmRef, addr: Addr) -> bool {
        let entry =
            self.shmem_slot_at(addr).or_else(|| self.mm_struct(mm).pte(addr).read().swap_entry());
        let page = entry.and_then(|entry| self.swapin_readahead(entry).ok().flatten());
        if let Some(page) = page {
            self.lets_go(page);
            self.page_cache_release(page);
        }
        page.is_some()
    }
}
