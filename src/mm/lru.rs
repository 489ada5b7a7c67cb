//! The LRU list: how a page comes there, who takes it off, and the pagevecs in which new pages wait
//! for it.

use std::hash::Hash;

use super::page::Page;
use super::{PageRef, World};
use crate::spec::{ActivatePage, Clause, Isolation, PutbackDiscarded};
use crate::sync::{self, Mark};

#[sync::forgets]
impl World {
    /// Takes the page off the LRU list, with a reference; false if it is not there. Kernel:
    /// `isolate_lru_page`, which only migration calls (rule [`Isolation`], claim S1.7; read in
    /// 2.6.18, 2.6.22, 2.6.24, 2.6.28 and 2.6.36). Takes `lru_lock`.
    pub fn isolate_lru_page(&self, page: PageRef) -> bool {
        if self.shmem().is_some() {
            sync::misuse("pages are not migrated where memory is shared");
        }
        self.isolate(page, self.rules().isolation)
    }

    /// The same as reclaim does it, which never took a page of which nobody has a reference.
    /// Kernel: `isolate_lru_pages` for one page; `shrink_cache` in 2.6.11, which undoes it then.
    pub(super) fn isolate_for_reclaim(&self, page: PageRef) -> bool {
        self.isolate(page, Isolation::GetUnlessZero)
    }

    /// The same from the inactive list: false if the page is active by now.
    pub(super) fn isolate_inactive_page(&self, page: PageRef) -> bool {
        self.lru_lock.lock();
        let active = self.frame(page).active.read();
        let isolated = if active {
            sync::mark(Mark::SHRINK_PAGE_ACTIVE);
            false
        } else {
            self.isolate_locked(page, Isolation::GetUnlessZero)
        };
        self.lru_lock.unlock();
        isolated
    }

    fn isolate(&self, page: PageRef, how: Isolation) -> bool {
        self.lru_lock.lock();
        let isolated = self.isolate_locked(page, how);
        self.lru_lock.unlock();
        isolated
    }

    /// Takes the page off the LRU list that came there last. Takes `lru_lock`.
    pub(super) fn isolate_newest(&self) -> Option<PageRef> {
        self.lru_lock.lock();
        let newest = self.lru_lock.with(|list| list.last().copied());
        let isolated = newest.filter(|&page| self.isolate_locked(page, self.rules().isolation));
        self.lru_lock.unlock();
        isolated
    }

    /// Called with `lru_lock` held.
    fn isolate_locked(&self, page: PageRef, how: Isolation) -> bool {
        let frame = self.frame(page);
        // A frame that has been freed and reused since is another page: the kernel's scan would not
        // find this one on the list.
        let isolated = frame.resident() == page
            && frame.lru.read()
            && match how {
                Isolation::Get => {
                    frame.count.add(1);
                    true
                }
                Isolation::GetUnlessZero => frame.count.inc_not_zero(),
            };
        if isolated {
            self.del_page_from_lru(page);
        }
        isolated
    }

    /// Puts an isolated page back and drops the reference. Kernel: `putback_lru_page`. Takes
    /// `lru_lock`.
    pub fn putback_lru_page(&self, page: PageRef) {
        self.add_page_to_lru_list(page);
        self.put_page(page);
    }

    /// The same, as reclaim does it with what it has scanned: a page that somebody takes away
    /// meanwhile is not listed again (rule [`PutbackDiscarded`], claim S2.9). Kernel: the end of
    /// `shrink_inactive_list` and `shrink_active_list`.
    pub(super) fn putback_scanned_page(&self, page: PageRef) {
        if self.hints() && self.rules().putback_discarded == PutbackDiscarded::LeaveOff {
            self.lru_lock.lock();
            let discarded = self.page(page).discarded.read();
            if discarded {
                sync::mark(Mark::PUTBACK_LEAVES_DISCARDED);
            } else {
                self.list(page);
            }
            self.lru_lock.unlock();
            self.put_page(page);
        } else {
            self.putback_lru_page(page);
        }
    }

    /// The first `cpus` of them are in the opposite order of the one in which the race lists them.
    pub(crate) fn reverse_cpus(&self, cpus: usize) {
        self.reversed_cpus.set(cpus);
    }

    /// This CPU's pagevec of new pages, if pages wait there.
    fn lru_add_pvec<R: Hash>(&self, act: impl FnOnce(&mut Vec<PageRef>) -> R) -> Option<R> {
        self.builders_cpu.get().map(|builder| self.lru_add_pvecs.mine_or(builder, act))
    }

    /// The same of those that are to be active.
    fn activate_page_pvec<R: Hash>(&self, act: impl FnOnce(&mut Vec<PageRef>) -> R) -> Option<R> {
        self.builders_cpu.get().map(|builder| self.activate_page_pvecs.mine_or(builder, act))
    }

    /// Puts a new page on the LRU list, or into this CPU's pagevec, which takes a reference (claim
    /// S0.3). Kernel: `lru_cache_add`. Takes `lru_lock`.
    pub(super) fn lru_cache_add(&self, page: PageRef) {
        if self.lru_add_pvec(|pages| pages.push(page)).is_some() {
            self.get_page(page);
        } else {
            self.add_page_to_lru_list(page);
        }
    }

    /// What waits in this CPU's pagevec goes to the LRU list. Kernel: the same name. Takes
    /// `lru_lock`.
    pub(super) fn lru_add_drain(&self) {
        for page in self.lru_add_pvec(std::mem::take).unwrap_or_default() {
            self.putback_lru_page(page);
        }
        for page in self.activate_page_pvec(std::mem::take).unwrap_or_default() {
            let isolated = self.rules().activate_page == ActivatePage::PagevecIsolated;
            self.activate_page_now(page, isolated);
            if isolated {
                self.putback_lru_page(page);
            } else {
                self.put_page(page);
            }
        }
    }

    /// The same for who is about to copy the page because somebody has a reference to it, unless no
    /// pagevec can be that. One that keeps the page on the LRU list is overlooked (rule
    /// [`ActivatePage`]). It looks without `lru_lock`: at worst the page is copied. Kernel: in
    /// `do_wp_page` and `do_swap_page`, since 5.18 (5.19, 6.12 read).
    pub(super) fn lru_add_drain_for(&self, page: PageRef) {
        if self.builders_cpu.get().is_some() && !self.page(page).lru.read() {
            self.lru_add_drain();
        }
    }

    /// Kernel: `add_page_to_inactive_list`, and later names. Takes `lru_lock`.
    fn add_page_to_lru_list(&self, page: PageRef) {
        self.lru_lock.lock();
        self.list(page);
        self.lru_lock.unlock();
    }

    /// Called with `lru_lock` held.
    fn list(&self, page: PageRef) {
        let listed = self.is_on_lru(page);
        sync::clause(Clause::LRU_1, !listed, || {
            format!("{page} is put on the LRU list, and is there already")
        });
        self.page(page).lru.write(true);
        self.lru_lock.data().push(page);
    }

    /// Kernel: `del_page_from_lru`. Called with `lru_lock` held.
    pub(super) fn del_page_from_lru(&self, page: PageRef) {
        let listed = self.is_on_lru(page);
        sync::clause(Clause::LRU_1, listed, || {
            format!("{page} is taken off the LRU list, and is not there")
        });
        self.page(page).lru.write(false);
        self.lru_lock.data().retain(|&on_list| on_list != page);
    }

    /// Is it on the list? Called with `lru_lock` held.
    fn is_on_lru(&self, page: PageRef) -> bool {
        self.lru_lock.with(|list| list.contains(&page))
    }

    /// The page is used a second time. Kernel: `mark_page_accessed`, as `get_user_pages` calls it,
    /// and until 2.6.29 `do_swap_page`.
    pub fn mark_page_accessed(&self, page: PageRef) {
        self.activate_page(page);
    }

    /// Makes reclaim pass by once, at the latest when this CPU's pagevecs are drained (rule
    /// [`ActivatePage`]). Called with a reference on the page. Kernel: the same name. Takes
    /// `lru_lock`.
    pub(super) fn activate_page(&self, page: PageRef) {
        let waits =
            self.builders_cpu.get().is_some() && self.rules().activate_page != ActivatePage::AtOnce;
        if !waits {
            self.activate_page_now(page, false);
        } else if self.rules().activate_page == ActivatePage::PagevecIsolated {
            if self.isolate_for_reclaim(page) {
                self.activate_page_pvec(|pages| pages.push(page));
            }
        } else if self.page(page).lru.read() {
            // without lru_lock: one that is isolated meanwhile is made active in vain
            self.get_page(page);
            self.activate_page_pvec(|pages| pages.push(page));
        }
    }

    /// Does nothing to a page that is not on the LRU list, unless the caller has `isolated` it:
    /// whoever else has puts it back where it was. Kernel: `activate_page` until 2.6.39 (2.6.11,
    /// 2.6.24 read); later what drains the pagevec.
    fn activate_page_now(&self, page: PageRef, isolated: bool) {
        self.lru_lock.lock();
        let frame = self.page(page);
        if isolated || frame.lru.read() {
            self.set_active(frame, true);
        }
        self.lru_lock.unlock();
    }

    /// Takes what [`activate_page`](Self::activate_page) gave; false if the page was not active.
    /// Takes `lru_lock`. Kernel: `refill_inactive_zone` for one page.
    pub(super) fn deactivate_page(&self, page: PageRef) -> bool {
        // Without lru_lock: it only says whether reclaim passes by once more.
        if !self.frame(page).active.read() {
            return false;
        }
        self.lru_lock.lock();
        self.set_active(self.frame(page), false);
        self.lru_lock.unlock();
        true
    }

    /// The flag says on which list the page is ([GUARD-1]). Called with `lru_lock` held.
    fn set_active(&self, frame: &Page, active: bool) {
        self.lru_lock.assert_held();
        frame.active.write(active);
    }
}
