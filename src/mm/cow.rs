//! Copy-on-write: which page may a write fault store to in place, and how it is copied when it may
//! not.

use super::fault::VmFault;
use super::{Addr, Errno, Mm, PageRef, Pte, Vma, World};
use crate::spec::{
    Clause, ContentStable, CopiedSwap, CowRmap, ExclusiveLock, FreeSwap, Reuse, SlotStable, WpLock,
};
use crate::sync::{self, Mark};
use crate::{call, note};

#[sync::forgets]
impl World {
    /// A store met a write-protected entry. Kernel: `do_wp_page`.
    ///
    /// Called with `mmap_sem` held for reading, and the page-table lock, under which the entry is
    /// `pte`; lets go of the latter.
    pub(super) fn do_wp_page(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte) -> VmFault {
        self.break_cow(mm, vma, addr, pte, true)
    }

    /// A device that will only read met an entry whose page others may have too: gives the process
    /// a page of its own there, still write-protected. Called like
    /// [`do_wp_page`](Self::do_wp_page). Kernel: `do_wp_page` with `FAULT_FLAG_UNSHARE`, since
    /// 5.19.
    pub(super) fn unshare(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte) -> VmFault {
        self.break_cow(mm, vma, addr, pte, false)
    }

    fn break_cow(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte, write: bool) -> VmFault {
        call!("do_wp_page({}:{addr}{})", mm.id(), if write { "" } else { ", unshare" });
        mm.page_table_lock.assert_held();
        let old = pte.page().expect("a present entry");
        // do_wp_page.1: May the process have the page for itself (wp_can_reuse)? If that had to
        // wait (from 2.6.29 until before 5.9) and the entry has changed meanwhile, the CPU repeats
        // the access.
        let Some(reuse) = self.wp_can_reuse(mm, vma, addr, pte) else {
            mm.page_table_lock.unlock();
            return VmFault::Minor;
        };
        // do_wp_page.2: It may: the entry becomes writable and dirty, and the page-table lock is
        // let go of. [COW-2]
        if reuse {
            sync::mark(Mark::DO_WP_PAGE_REUSES);
            if write {
                // Who stores by force, or is here for a clash (rule SwapinClash), need not be
                // allowed to store.
                let write = vma.maybe_mkwrite(true);
                if write {
                    self.assert_sole_entry(mm, addr, old);
                }
                let pte = Pte::Present { page: old, write, dirty: true };
                self.set_pte_checked(pte, 1, || _ = self.set_pte(mm, addr, pte));
            }
            mm.page_table_lock.unlock();
            return if write { VmFault::Write } else { VmFault::Minor };
        }
        // do_wp_page.3: It may not: a reference keeps the old page, since it is to be copied
        // without the page-table lock. [S2.8]
        self.get_page(old);
        if self.rules().content_stable != ContentStable::FollowPage {
            if !self.page_make_stable(old) {
                mm.page_table_lock.unlock();
                self.page_discard(old);
                return VmFault::Minor;
            }
            self.needs(old);
        }
        mm.page_table_lock.unlock();
        // do_wp_page.4: The page is copied (wp_page_copy), and the reference dropped.
        let copied = self.wp_page_copy(mm, vma, addr, pte, vma.maybe_mkwrite(write));
        self.page_cache_release(old);
        match copied {
            Ok(true) if write => VmFault::Write,
            Ok(_) => VmFault::Minor,
            Err(_) => VmFault::Oom,
        }
    }

    /// May the process have the page of its write-protected entry for itself? `None` if the entry
    /// changed while it slept. Called with the page-table lock held; returns with it held. Takes
    /// the page lock, or tries to (rule [`WpLock`], claim S0.11).
    fn wp_can_reuse(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte) -> Option<bool> {
        let page = pte.page().expect("a present entry");
        let frame = self.page(page);
        // wp_can_reuse.1: A page that is marked exclusive is the process's, and no count need be
        // asked. fork takes the mark away, and so does who unmaps the page. [S0.3, S0.1]
        if self.rules().reuse == Reuse::AnonExclusive {
            if frame.anon_exclusive.read() {
                return Some(true);
            }
            // wp_can_reuse.2: This CPU's pagevec gives up its reference; if there are more then
            // than the entry's and the swap cache's, the page is copied, and that needs no page
            // lock. [S0.3]
            self.lru_add_drain_for(page); // since 5.18
        }
        // Where references decide, a look at them saves the lock.
        let too_many = match self.rules().reuse {
            Reuse::Refcount => frame.count.read() != 1,
            Reuse::AnonExclusive => frame.count.read() > 1 + i64::from(frame.swap_cache.read()),
            _ => false,
        };
        if too_many {
            sync::mark(Mark::DO_WP_PAGE_REFERENCED);
            return Some(false);
        }
        // wp_can_reuse.3: The page lock is tried for, since a spin lock is held. If somebody has
        // it, the page is copied; from 2.6.29 until before 5.9 the fault lets go of the page-table
        // lock, waits, and looks at the entry again. [S0.11, ATOMIC-1]
        if !frame.lock.trylock() {
            sync::mark(Mark::DO_WP_PAGE_LOCKED);
            if self.rules().wp_lock == WpLock::Trylock {
                return Some(false);
            }
            self.get_page(page);
            mm.page_table_lock.unlock();
            frame.lock.lock();
            mm.page_table_lock.lock();
            if mm.pte(addr).read() != pte {
                note!("the entry has changed meanwhile");
                self.unlock_page(page);
                self.put_page(page);
                return None;
            }
            self.put_page(page);
        }
        // wp_can_reuse.4: Under the page lock the page leaves the swap cache if no entry needs the
        // slot (try_to_free_swap); if one reference is left then, the page is the process's, and is
        // marked so. [S0.1, S0.3]
        let reuse = match self.rules().reuse {
            Reuse::Refcount => frame.mapcount.read() == 1 && frame.count.read() == 1,
            Reuse::AnonExclusive => {
                if frame.swap_cache.read() {
                    self.try_to_free_swap(page);
                }
                let alone = frame.count.read() == 1;
                if alone {
                    frame.anon_exclusive.write(true);
                }
                alone
            }
            _ => self.can_share_swap_page(page),
        };
        // wp_can_reuse.5: Then walks find it through the VMA's own anon_vma from now on; and the
        // page is unlocked.
        if reuse {
            self.page_move_anon_rmap(page, vma);
        }
        self.unlock_page(page);
        Some(reuse)
    }

    /// The copying half of `do_wp_page`. Called with a reference on the old page, and no lock but
    /// `mmap_sem`. False if the entry has changed meanwhile. Kernel: `wp_page_copy`.
    ///
    /// As long as the entry is there, a thread may load through it: the mapping must count till
    /// then (rule [`CowRmap`]).
    fn wp_page_copy(
        &self,
        mm: &Mm,
        vma: &Vma,
        addr: Addr,
        pte: Pte,
        write: bool,
    ) -> Result<bool, Errno> {
        let old = pte.page().expect("a present entry");
        sync::mark(Mark::DO_WP_PAGE_COPIES);
        // wp_page_copy.1: With no lock but mmap_sem the VMA gets an anon_vma, and a new page is
        // allocated and filled. If the old page is unmapped meanwhile, step 2 notices. [S0.8]
        self.anon_vma_prepare(vma)?;
        let new = self.alloc_page().ok_or(Errno::Enomem)?;
        self.set_content(self.page(new), self.content(self.page(old)));
        if self.rules().content_stable != ContentStable::FollowPage {
            self.lets_go(old);
        }
        // wp_page_copy.2: Under the page-table lock the entry is read again: only if it is the same
        // is the copy used. [COW-1]
        mm.page_table_lock.lock();
        let used = mm.pte(addr).read() == pte;
        if used {
            // wp_page_copy.3: The old entry is cleared and flushed, and the new page mapped in its
            // place (map_new_page).
            let early = self.rules().cow_rmap == CowRmap::BeforeEntry;
            if early {
                self.page_remove_rmap(old);
            }
            self.map_new_page(mm, vma, addr, Pte::Present { page: new, write, dirty: true }, true);
            // wp_page_copy.4: Only now does the old page's mapping count no more: as long as its
            // entry was there, another thread could load through it. [COW-2]
            if !early {
                self.page_remove_rmap(old);
            }
        } else {
            note!("the entry has changed meanwhile");
        }
        // wp_page_copy.5: The lock is let go of; the old page loses the reference of its mapping,
        // and its slot if nobody needs that (free_swap_cache).
        mm.page_table_lock.unlock();
        if used {
            self.page_cache_release(old);
        } else {
            self.put_page(new);
        }
        if used && self.rules().copied_swap == CopiedSwap::Free {
            self.free_swap_cache(old);
        }
        Ok(used)
    }

    /// May the faulting process have the page for itself? Called with the page and the page table
    /// locked (claims S0.3, S0.4). Kernel: `can_share_swap_page`; `reuse_swap_page` since 2.6.29.
    pub(super) fn can_share_swap_page(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        frame.lock.assert_held();
        match self.rules().reuse {
            Reuse::PageCount => match frame.count.read() {
                1 => !frame.swap_cache.read(),
                2 => frame.swap_cache.read() && self.exclusive_swap_page(page),
                _ => false,
            },
            Reuse::Mapcount => match frame.mapcount.read() {
                mapped if frame.swap_cache.read() => mapped <= 1 && self.exclusive_swap_page(page),
                mapped => mapped == 1,
            },
            Reuse::MapPlusSwap => {
                // The mapcount first: once it is read, an entry can only move from the one count to
                // the other under the page lock.
                let mut count = frame.mapcount.read();
                if count <= 1 && frame.swap_cache.read() {
                    count += i64::from(self.page_swapcount(self.page_swap_entry(page)));
                }
                count == 1
            }
            Reuse::ReuseSwapPage | Reuse::Refcount | Reuse::AnonExclusive => {
                self.reuse_swap_page(page)
            }
        }
    }

    /// Is the swap cache all that refers to the slot, and the caller all that refers to the page?
    /// Called with the page locked. Takes `swap_lock`, and the tree lock where the rule
    /// [`ExclusiveLock`] says so (claim S0.12). Kernel: `exclusive_swap_page`, until 2.6.12.
    fn exclusive_swap_page(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        self.swap.lock.lock();
        let mut exclusive = self.swap_count(self.page_swap_entry(page)) == 1;
        if exclusive {
            let locked = self.rules().exclusive_lock == ExclusiveLock::TreeLock;
            if locked {
                self.swap_cache.tree_lock.lock();
            }
            exclusive = if self.rules().reuse == Reuse::PageCount {
                frame.count.read() == 2
            } else {
                frame.mapcount.read() == 1
            };
            if locked {
                self.swap_cache.tree_lock.unlock();
            }
        }
        self.swap.lock.unlock();
        exclusive
    }

    /// The sum of 2.6.13, and if nobody else has the page, it leaves the swap cache at once. Called
    /// with the page locked, and the page-table lock. Kernel: `reuse_swap_page`, since 2.6.29.
    pub(super) fn reuse_swap_page(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        frame.lock.assert_held();
        let mut count = frame.mapcount.read();
        if count <= 1 && frame.swap_cache.read() {
            count += i64::from(self.page_swapcount(self.page_swap_entry(page)));
            if count == 1 && !self.keeps_slot_of(page) {
                if !self.makes_stable_everywhere(page) {
                    return false;
                }
                self.delete_from_swap_cache(page);
                self.slot_goes(page);
                frame.dirty.write(true);
            }
        }
        count <= 1
    }

    /// A page has been mapped, or will be, and swap is full: gives its slot up if it can. Called
    /// with the page locked (rule [`FreeSwap`]).
    pub(super) fn free_swap(&self, page: PageRef) {
        let freed = self.try_to_free(page);
        sync::mark(if freed {
            Mark::DO_SWAP_PAGE_FREES_SLOT
        } else {
            Mark::DO_SWAP_PAGE_KEEPS_SLOT
        });
    }

    /// The page leaves the swap cache, if the rule [`FreeSwap`] allows it. Called with the page
    /// locked.
    fn try_to_free(&self, page: PageRef) -> bool {
        match self.rules().free_swap {
            FreeSwap::TryToFree => self.try_to_free_swap(page),
            FreeSwap::RemoveExclusive => self.remove_exclusive_swap_page(page, true),
            FreeSwap::RemoveExclusiveUnlocked => self.remove_exclusive_swap_page(page, false),
        }
    }

    /// Takes the page out of the swap cache if the caller is the only one who has it. Called with
    /// the page locked. Kernel: `remove_exclusive_swap_page`, until 2.6.28. Takes `swap_lock` and
    /// the tree lock.
    ///
    /// Only under the tree lock nobody can find the page there and take a reference (claim S0.13).
    fn remove_exclusive_swap_page(&self, page: PageRef, tree_lock: bool) -> bool {
        let frame = self.page(page);
        frame.lock.assert_held();
        if !frame.swap_cache.read() || self.keeps_slot_of(page) || frame.count.read() != 2 {
            return false;
        }
        let entry = self.page_swap_entry(page);
        self.swap.lock.lock();
        let mut exclusive = self.swap_count(entry) == 1;
        if exclusive && !tree_lock {
            exclusive = frame.count.read() == 2;
        }
        if exclusive {
            self.swap_cache.tree_lock.lock();
            let count = frame.count.read();
            exclusive = (!tree_lock || count == 2)
                && !self.keeps_slot_of(page)
                && self.makes_stable_to_free(page);
            if exclusive {
                sync::clause(Clause::SWAP_5, count == 2, || {
                    format!("{page} leaves the swap cache, and {count} references to it are out")
                });
                self.delete_from_swap_cache_locked(page, entry);
                self.slot_goes(page);
                frame.dirty.write(true);
            }
            self.swap_cache.tree_lock.unlock();
        }
        self.swap.lock.unlock();
        if exclusive {
            self.swapcache_free(entry);
            self.put_page(page);
        }
        exclusive
    }

    /// The page's slot is to be given up: what it holds is nowhere else then. False if the host has
    /// discarded it (rule [`SlotStable`], claim S2.3).
    fn makes_stable_to_free(&self, page: PageRef) -> bool {
        matches!(self.rules().slot_stable, SlotStable::Nothing | SlotStable::Zap)
            || self.page_make_stable(page)
    }

    /// The same where no posting thought of it.
    pub(super) fn makes_stable_everywhere(&self, page: PageRef) -> bool {
        self.rules().slot_stable != SlotStable::Everywhere || self.page_make_stable(page)
    }

    /// Drops the reference of a mapping that is gone, and with the last mapping the page's place on
    /// swap, if nobody needs that. Kernel: the same name, as `tlb_remove_page` or the end of its
    /// batch calls it.
    pub(super) fn free_page_and_swap_cache(&self, page: PageRef) {
        self.free_swap_cache(page);
        self.put_page(page);
    }

    /// Called with a reference on the page; a spin lock may be held, so the page lock is only
    /// tried. Kernel: `free_swap_cache`. Until 2.6.28 the caller's reference must be the only one
    /// besides the cache's (2.6.11, 2.6.24), since 2.6.29 nothing may map the page (5.10, 6.1,
    /// 6.12).
    fn free_swap_cache(&self, page: PageRef) {
        let frame = self.page(page);
        let by_mapping = self.rules().free_swap == FreeSwap::TryToFree;
        // Without the page lock, to save it: what must be so is asked again under it.
        if frame.swap_cache.read() && !(by_mapping && frame.mapped()) && frame.lock.trylock() {
            self.try_to_free(page);
            self.unlock_page(page);
        }
    }

    /// Drops the page from the swap cache if no page-table entry needs its slot. Called with the
    /// page locked. Kernel: `try_to_free_swap`, since 2.6.29.
    pub fn try_to_free_swap(&self, page: PageRef) -> bool {
        self.page(page).lock.assert_held();
        // try_to_free_swap.1: Nothing is done unless the page is in the swap cache, is not being
        // written, and no entry holds its slot. [S2.3]
        if !self.page(page).swap_cache.read()
            || self.keeps_slot_of(page)
            || self.page_swapcount(self.page_swap_entry(page)) > 0
            || !self.makes_stable_to_free(page)
        {
            return false;
        }
        // try_to_free_swap.2: It leaves the swap cache (delete_from_swap_cache), and is dirty: what
        // it holds is nowhere else from here on. [DATA-1]
        self.delete_from_swap_cache(page);
        self.slot_goes(page);
        self.page(page).dirty.write(true);
        true
    }
}
