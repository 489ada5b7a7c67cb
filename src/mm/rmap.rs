//! The reverse map: from a page to every page-table entry that maps it.

use std::sync::atomic::Ordering::{Acquire, SeqCst};

use super::page::Mapping;
use super::vma::DUMMY_VMA;
use super::{Addr, AnonmmRef, Errno, Mm, PageRef, Pte, Vma, World};
use crate::spec::{
    AnonmmWalkLock, Clause, LockRecheck, LookupRcu, MadvFree, PteLook, Reuse, RmapAgain, RmapOrder,
    RmapWalkLock, SharedMapping, SwapCacheEntry, UnmapCheck, VolatileTry,
};
use crate::sync::{self, Mark, RetryLoop, SlabRef};
use crate::{call, note};

/// Why a page is unmapped. Kernel: `enum ttu_flags`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttu {
    /// To free it: swap entries are left behind. `TTU_UNMAP`.
    Unmap,
    /// To move it: migration entries are left behind. `TTU_MIGRATION`.
    Migration,
    /// Because the host has discarded it: swap entries are left behind (document 2).
    Discard,
}

/// A reverse map that is locked: who may map a page does not change meanwhile.
#[derive(Clone, Copy, Hash)]
enum LockedRmap {
    /// An anon_vma, with its list of VMAs.
    AnonVma(SlabRef),
    /// An anonmm, with its bundle of address spaces.
    Anonmm(AnonmmRef),
}

#[sync::forgets]
impl World {
    /// Finds and locks the reverse map of a mapped page; `None` if nothing maps it. Called with
    /// `page` locked, or at least referenced.
    fn rmap_lock(&self, page: PageRef) -> Option<LockedRmap> {
        if self.has_anonmm() {
            let Mapping::Anonmm(anonmm) = self.page_rmapping(page) else { return None };
            self.bundle_lock(anonmm);
            return Some(LockedRmap::Anonmm(anonmm));
        }
        self.page_lock_anon_vma(page).map(LockedRmap::AnonVma)
    }

    /// Ends [`rmap_lock`](Self::rmap_lock).
    fn rmap_unlock(&self, rmap: LockedRmap) {
        match rmap {
            LockedRmap::AnonVma(anon_vma) => self.page_unlock_anon_vma(anon_vma),
            LockedRmap::Anonmm(anonmm) => self.bundle_unlock(anonmm),
        }
    }

    /// Where a walk for `page` looks at its `at`-th step: in an address space, at an address; or
    /// nowhere, which is what one that `migrates` sees of a stack that exec has yet to move (rule
    /// [`TemporaryStack`](crate::spec::TemporaryStack)). `None` when it is over. Called with the
    /// reverse map locked.
    fn rmap_at(
        &self,
        rmap: LockedRmap,
        page: PageRef,
        at: usize,
        migrates: bool,
    ) -> Option<Option<(&Mm, Addr)>> {
        match rmap {
            LockedRmap::AnonVma(anon_vma) => {
                let vma = self.anon_vma_list_at(anon_vma, at)?;
                if vma == DUMMY_VMA {
                    sync::mark(Mark::RMAP_PASSES_DUMMY);
                    return Some(None);
                }
                let vma = self.listed_vma(vma);
                if migrates && vma.is_temporary_stack() {
                    sync::mark(Mark::WALK_PASSES_TEMPORARY_STACK);
                    return Some(None);
                }
                Some(vma.vma_address(self, page).ok().map(|addr| (self.mm_struct(vma.mm), addr)))
            }
            LockedRmap::Anonmm(anonmm) => {
                let member = self.bundle_at(anonmm, at)?;
                Some(self.member_mm(member).map(|mm| (mm, self.page(page).index.read())))
            }
        }
    }

    /// A walk has found every entry of a page, the first of them at its `at`-th step: through what
    /// is the page to be found from now on, if not as before? Called with the reverse map locked.
    fn rmap_heir(&self, rmap: LockedRmap, at: usize) -> Option<AnonmmRef> {
        match rmap {
            LockedRmap::AnonVma(_) => None,
            LockedRmap::Anonmm(anonmm) => {
                self.bundle_at(anonmm, at).filter(|_| self.member_mm(anonmm).is_none())
            }
        }
    }

    /// Finds and locks the anon_vma of a mapped page; `None` if the page is not anonymous or not
    /// mapped. Kernel: `page_lock_anon_vma`.
    ///
    /// Called with `page` locked, or at least referenced. Returns with the anon_vma locked, and
    /// where the lock spins inside an RCU read section (rule [`LookupRcu`]). Before 2.6.36 the page
    /// may have been unmapped meanwhile, and the object be another's, though it is an anon_vma
    /// (rule [`LockRecheck`]).
    pub fn page_lock_anon_vma(&self, page: PageRef) -> Option<SlabRef> {
        if self.has_map_lock() {
            return self.page_lock_anon_vma_by_map_lock(page);
        }
        // page_lock_anon_vma.1: An RCU read section begins: what page->mapping names stays an
        // anon_vma, though it may become another one. [S1.2]
        let rcu = self.rules().lookup_rcu != LookupRcu::Without || self.anon_vma_lock_sleeps();
        if rcu {
            self.rcu.read_lock();
        }
        // page_lock_anon_vma.2: page->mapping is read, and then whether the page is mapped: if so,
        // the anon_vma has not been freed before the section began. [S1.3]
        let anon_vma = self.page_rmapping(page).anon_vma();
        let mut locked = None;
        if let Some(anon_vma) = anon_vma
            && self.page(page).mapped()
        {
            // page_lock_anon_vma.3: The root's lock is tried for. If somebody has it, steps 4 and 5
            // are left out: a reference is taken on the anon_vma, unless its count is zero; the
            // page must be mapped still; the read section ends, since it must not sleep; the lock
            // is waited for, and the reference dropped. If that was the last one, the lock is let
            // go of, the anon_vma freed, and nothing found. [S3.7, S1.4, ATOMIC-1]
            let root = self.anon_vma_locker(anon_vma);
            let lock = &self.anon_vma(root).lock;
            if !self.anon_vma_lock_sleeps() {
                lock.lock_read();
            } else if !lock.trylock_read() {
                return self.page_wait_for_anon_vma(page, anon_vma);
            }
            // page_lock_anon_vma.4: The lock was free: is the page mapped still? Otherwise the
            // anon_vma may have been freed and used again before it was locked. [S3.7, LIFE-1]
            if self.rules().lock_recheck == LockRecheck::Nothing || self.page(page).mapped() {
                locked = Some(anon_vma);
            } else {
                sync::mark(Mark::PAGE_LOCK_ANON_VMA_UNMAPPED);
                // not through anon_vma->root, which its next owner may have rewritten
                lock.unlock();
            }
        }
        // page_lock_anon_vma.5: The read section ends: from here on the lock keeps the anon_vma.
        if rcu && !(locked.is_some() && self.stays_in_rcu()) {
            self.rcu.read_unlock();
        }
        locked
    }

    /// As long as the page's map lock is held, what maps it stays, and so does its anon_vma.
    /// Kernel: the beginning of `try_to_unmap_anon` and `page_referenced_anon`, until 2.6.8.
    fn page_lock_anon_vma_by_map_lock(&self, page: PageRef) -> Option<SlabRef> {
        self.page_rmapping(page).anon_vma().map(|anon_vma| self.anon_vma_lock_read(anon_vma))
    }

    /// Does the lookup stay in its RCU read section as long as it has the lock?
    fn stays_in_rcu(&self) -> bool {
        self.rules().lookup_rcu == LookupRcu::UntilUnlocked
            && !self.anon_vma_lock_sleeps()
            && !self.has_map_lock()
    }

    /// The lock is taken, and sleeps: what keeps the anon_vma is a reference, until the lock does.
    /// Called inside an RCU read section, which it ends. Kernel: the second half of
    /// `page_lock_anon_vma`, since 3.0.
    fn page_wait_for_anon_vma(&self, page: PageRef, anon_vma: SlabRef) -> Option<SlabRef> {
        sync::mark(Mark::PAGE_LOCK_ANON_VMA_SLEEPS);
        let anon_vma = self.get_mapped_anon_vma(page, anon_vma)?;
        self.anon_vma_lock_read(anon_vma);
        if self.anon_vma(anon_vma).refcount.add_return(-1) > 0 {
            return Some(anon_vma);
        }
        sync::mark(Mark::PAGE_LOCK_ANON_VMA_LAST);
        self.anon_vma_unlock(anon_vma); // to free it takes the lock
        self.__put_anon_vma(anon_vma);
        None
    }

    /// Kernel: `page_unlock_anon_vma`.
    pub fn page_unlock_anon_vma(&self, anon_vma: SlabRef) {
        self.anon_vma_unlock(anon_vma);
        if self.stays_in_rcu() {
            self.rcu.read_unlock();
        }
    }

    /// How many entries of `page` a walk finds. Called with a reference on it, and not with its
    /// lock: the only walk that has neither that nor `mmap_sem`. Young bits are not here. Kernel:
    /// `page_referenced` for the active list, `page_referenced_anon` (read in 2.6.9 to 5.19).
    pub(super) fn page_referenced(&self, page: PageRef) -> i64 {
        call!("page_referenced({page})");
        let Some(rmap) = self.rmap_lock(page) else { return 0 };
        // Without a lock: it only says when the walk may end early.
        let mapcount = self.page(page).mapcount.read();
        let (mut at, mut found, mut first) = (0, 0, None);
        while let Some(place) = self.rmap_at(rmap, page, at, false) {
            if let Some((mm, addr)) = place
                && self.page_check_address(page, mm, addr).is_some()
            {
                mm.page_table_lock.unlock();
                found += 1;
                first = first.or(Some(at));
            }
            if found >= mapcount {
                break;
            }
            at += 1;
        }
        let heir =
            first.filter(|_| found >= mapcount).and_then(|first| self.rmap_heir(rmap, first));
        self.rmap_unlock(rmap);
        if let Some(heir) = heir {
            self.leave_extinct(page, heir);
        }
        found
    }

    /// Takes every mapping of `page` away. Called with `page` locked. Kernel: `try_to_unmap`.
    ///
    /// A page in the swap cache leaves swap entries behind, whatever the reason is (rule
    /// [`SwapCacheEntry`]); another one migration entries. What the walk misses stays mapped, and
    /// the caller sees that in the mapcount. Returns how many migration entries it has made.
    pub fn try_to_unmap(&self, page: PageRef, ttu: Ttu) -> i64 {
        call!("try_to_unmap({page})");
        self.page(page).lock.assert_held();
        // try_to_unmap.1: page->mapping says how the page is found: one that has none must not come
        // here. [S1.1, NULL-1]
        let mapping = self.page_rmapping(page);
        // A page without an anon_vma is taken for a file's, and its mapping followed (claim S1.1).
        sync::clause(Clause::NULL_1, mapping != Mapping::None, || {
            format!("{page}.mapping is NULL, and try_to_unmap follows it")
        });
        if mapping == Mapping::File && self.shmem().is_some() {
            self.try_to_unmap_shared(page, ttu);
            return 0;
        }
        // try_to_unmap.2: Its anon_vma is found and locked (page_lock_anon_vma).
        let Some(rmap) = self.rmap_lock(page) else { return 0 };
        // try_to_unmap.3: VMA by VMA on the list: where the page would be in it (vma_address), the
        // entry is taken away if it maps the page (try_to_unmap_one); the walk ends when an entry
        // must stay (try_to_unmap_one.5), or when nothing maps the page any more. [RMAP-1, S3.1,
        // S0.1]
        let (mut at, mut made) = (0, 0);
        while let Some(place) = self.rmap_at(rmap, page, at, ttu == Ttu::Migration) {
            match place.map_or(Ok(false), |(mm, addr)| self.try_to_unmap_one(page, mm, addr, ttu)) {
                Ok(migrated) => made += i64::from(migrated),
                Err(_) => break,
            }
            if !self.page(page).mapped() {
                break;
            }
            at += 1;
        }
        // try_to_unmap.4: The anon_vma is unlocked. What the walk has missed is still mapped, and
        // the caller sees that in the mapcount.
        self.rmap_unlock(rmap);
        if self.has_anonmm() && !self.page(page).mapped() {
            self.clear_page_anon(page);
        }
        made
    }

    /// Comes by every place where the page may be mapped, and does not end when nothing maps it any
    /// more. Called with the page locked.
    pub(super) fn unmap_every_place(&self, page: PageRef, unmap: impl Fn(&Mm, Addr)) {
        let Some(rmap) = self.rmap_lock(page) else { return };
        let mut at = 0;
        while let Some(place) = self.rmap_at(rmap, page, at, false) {
            if let Some((mm, addr)) = place {
                unmap(mm, addr);
            }
            at += 1;
        }
        self.rmap_unlock(rmap);
    }

    /// The same for a file's page that nobody maps: all that is left of it is that its mapping is
    /// followed. Kernel: `try_to_unmap_file`.
    pub(super) fn try_to_unmap_file(&self, page: PageRef) {
        let frame = self.page(page);
        frame.lock.assert_held();
        let attached = self.page_rmapping(page) != Mapping::None;
        sync::clause(Clause::NULL_1, attached, || {
            format!("{page}.mapping is NULL, and try_to_unmap follows it")
        });
    }

    /// Kernel: `try_to_unmap_one`. Called with the reverse map locked. Takes the page-table lock,
    /// and under it `swap_lock`. True if it left a migration entry there; an error ends the walk
    /// (`SWAP_FAIL`: read in 2.6.8 to 3.0; in 5.9 and 5.19 it returns false). No race can tell that
    /// it ends: who holds the page holds it against every entry.
    pub(super) fn try_to_unmap_one(
        &self,
        page: PageRef,
        mm: &Mm,
        addr: Addr,
        ttu: Ttu,
    ) -> Result<bool, Errno> {
        // try_to_unmap_one.1: Does the entry map the page (page_check_address)? Then its page-table
        // lock is held now.
        let Some(Pte::Present { write, .. }) = self.page_check_address(page, mm, addr) else {
            return Ok(false);
        };
        let frame = self.page(page);
        // try_to_unmap_one.2: A page that is to go to swap must be in the swap cache. Some kernels
        // leave a page alone here that somebody holds. [S0.1, S0.2]
        let swapped = frame.swap_cache.read();
        if let Some(kept) = self.mlock_keeps(mm, ttu) {
            mm.page_table_lock.unlock();
            return kept.map(|()| false);
        }
        let lazyfree = ttu == Ttu::Unmap && !swapped && self.is_lazyfree(page);
        let has_place = swapped || lazyfree || ttu == Ttu::Migration;
        if self.is_held_against_unmap(page, swapped) || !has_place {
            mm.page_table_lock.unlock();
            return Err(Errno::Ebusy);
        }
        // try_to_unmap_one.3: The entry is cleared, and flushed now or, by reclaim, later; only
        // then is it known whether the page was stored to, and the page becomes dirty if it was.
        // [DATA-1]
        let batched = ttu == Ttu::Unmap && self.should_defer_flush();
        let set = |pte| {
            if batched { self.set_pte_unwaited(mm, addr, pte) } else { self.set_pte(mm, addr, pte) }
        };
        let cleared = set(Pte::None);
        if batched {
            self.set_tlb_ubc_flush_pending(mm, addr);
        }
        if let Pte::Present { dirty: true, .. } = cleared {
            frame.dirty.write(true);
        }
        if lazyfree {
            return self.unmap_lazyfree(page, mm, addr, || _ = set(cleared));
        }
        // try_to_unmap_one.4: What is left there names the slot, on which it has one claim more
        // (swap_duplicate), or, if the page is to be moved, the page itself. [S3.13, SWAP-1]
        let migrated = ttu == Ttu::Migration
            && (!swapped || self.rules().swap_cache_entry == SwapCacheEntry::Migration);
        let entry = if migrated { None } else { Some(self.page_swap_entry(page)) };
        if let Some(entry) = entry {
            self.swap_duplicate(entry);
        }
        // try_to_unmap_one.5: If the page is the process's alone, a device may have been given it
        // (page_maybe_dma_pinned): if so, the entry is put back as it was; if not, the mark goes
        // from the page to the entry. [S0.1, PIN-1]
        let exclusive = self.rules().reuse == Reuse::AnonExclusive && frame.anon_exclusive.read();
        if exclusive && self.rules().unmap_check == UnmapCheck::Unpinned && frame.maybe_dma_pinned()
        {
            self.is_held(page);
            if let Some(entry) = entry {
                self.swap_free(entry);
            }
            set(cleared);
            mm.page_table_lock.unlock();
            return Err(Errno::Ebusy);
        }
        if exclusive {
            // page_try_share_anon_rmap: from here on, the entry says it
            frame.anon_exclusive.write(false);
        }
        // try_to_unmap_one.6: If it is a swap entry, the address space goes on the list that
        // swapoff goes along.
        if entry.is_some() {
            self.mmlist_add(mm, None);
        }
        // try_to_unmap_one.7: The swap entry or migration entry is set.
        let left = entry.map_or(Pte::Migration { page, write, exclusive }, |entry| Pte::Swap {
            entry,
            exclusive,
        });
        set(left);
        // Under anonmm, who walks does the rest when the walk is over.
        // try_to_unmap_one.8: The mapping counts no more, its reference is dropped, and the
        // page-table lock is let go of. [COUNT-1]
        if self.mapcount_down(page) && !self.has_anonmm() {
            self.rmap_clear(page);
        }
        self.put_page(page);
        mm.page_table_lock.unlock();
        Ok(migrated)
    }

    /// Takes an entry away that has been cleared, and leaves nothing there, unless the page is needed
    /// after all: then `put_back` is called, and it is to go to swap like any other. Called with the
    /// page locked, and the page-table lock, which it lets go of. Kernel: a part of
    /// `try_to_unmap_one`.
    pub(super) fn unmap_lazyfree(
        &self,
        page: PageRef,
        mm: &Mm,
        addr: Addr,
        put_back: impl FnOnce(),
    ) -> Result<bool, Errno> {
        let frame = self.page(page);
        let referenced = self.rules().madv_free == MadvFree::References && {
            // Who takes a reference without a lock looks at the entry afterwards.
            sync::fence(SeqCst);
            let count = frame.count.read();
            let references = count - frame.mapcount.read() - 1; // but reclaim's
            sync::fence(Acquire); // who drops one has set the dirty bit before
            references != 0
        };
        if referenced || frame.dirty.read() {
            sync::mark(Mark::LAZYFREE_PUTS_BACK);
            put_back();
            frame.swap_backed.write(true);
            mm.page_table_lock.unlock();
            return Err(Errno::Ebusy);
        }
        sync::mark(Mark::LAZYFREE_DISCARDS);
        self.shadow_discard(mm, addr);
        self.page_remove_rmap(page);
        self.put_page(page);
        mm.page_table_lock.unlock();
        Ok(false)
    }

    /// Does somebody hold the page who would lose it? Asked before the entry is cleared (rule
    /// [`UnmapCheck`], claims S0.1, S0.2, S0.8).
    fn is_held_against_unmap(&self, page: PageRef, swapped: bool) -> bool {
        let frame = self.page(page);
        // Besides the mappings, the cache and the caller have a reference each.
        let referenced = || swapped && frame.count.read() != frame.mapcount.read() + 2;
        let held = match self.rules().unmap_check {
            UnmapCheck::Nothing | UnmapCheck::Unpinned => false,
            UnmapCheck::Count | UnmapCheck::CountAndSuspend => referenced(),
            UnmapCheck::Residual => referenced() && frame.mapcount.read() > 1,
            UnmapCheck::UnpinnedBefore => frame.anon_exclusive.read() && frame.maybe_dma_pinned(),
        };
        if held {
            self.is_held(page);
        }
        held
    }

    fn is_held(&self, page: PageRef) {
        sync::mark(Mark::TRY_TO_UNMAP_PAGE_HELD);
        note!("{page} is held: it stays mapped");
    }

    /// The entry at `addr` if it maps `page`, with the page-table lock held then. Kernel:
    /// `page_check_address`.
    ///
    /// Looks without the lock first (rule [`PteLook`]): an entry that is not present then is not
    /// looked at again.
    pub(super) fn page_check_address(&self, page: PageRef, mm: &Mm, addr: Addr) -> Option<Pte> {
        // page_check_address.1: The entry is read without its lock, and left alone if nothing is
        // present there. Who moves an entry meanwhile must keep walks out. [S2.6]
        let lockless = match self.rules().pte_look {
            PteLook::Lockless | PteLook::LocklessUnmap => true,
            PteLook::UnlessLocked => !mm.page_table_lock.is_locked(),
            PteLook::Locked | PteLook::LocklessRemap => false,
        };
        if lockless && !mm.pte(addr).read().is_present() {
            return None;
        }
        // page_check_address.2: The page-table lock is taken, and the entry read under it: does it
        // map this page? If not, the lock is let go of.
        if !self.has_map_lock() || self.rules().anonmm_walk_lock == AnonmmWalkLock::Lock {
            mm.page_table_lock.lock();
        } else if !mm.page_table_lock.trylock() {
            sync::mark(Mark::WALK_PASSES_LOCKED_TABLE);
            return None; // the map lock comes after it
        }
        let pte = mm.pte(addr).read();
        if pte.page() == Some(page) {
            return Some(pte);
        }
        mm.page_table_lock.unlock();
        None
    }

    /// Visits every VMA in which `page` may be mapped, with the address. Kernel: `rmap_walk_anon`,
    /// mm/rmap.c.
    ///
    /// Called with `page` locked; that its anon_vma is still there is the caller's care (rule
    /// [`AnonVmaLife`](crate::spec::AnonVmaLife)). Takes the anon_vma lock; the visit takes the
    /// page-table lock. Completeness, which [MIG-1] needs, rests on
    /// [`vma_adjust`](World::vma_adjust) holding the same lock.
    pub fn rmap_walk(&self, page: PageRef, mut visit: impl FnMut(&Vma, Addr)) {
        self.refuse_under_anonmm("rmap_walk");
        call!("rmap_walk({page})");
        self.page(page).lock.assert_held();
        // rmap_walk.1: page->mapping names the anon_vma; the page lock keeps it from changing, and
        // that the anon_vma is still there is the caller's care.
        let Mapping::AnonVma(anon_vma) = self.page_rmapping(page) else { return };
        let retries = RetryLoop::new();
        'again: loop {
            // rmap_walk.2: The lock of its root is taken. It keeps out vma_adjust, and that fork
            // links a VMA to the list; that fork copies the entries of VMAs which are on it, it
            // does not. [S3.1, S3.2, S3.6, S3.15]
            if self.rules().rmap_walk_lock == RmapWalkLock::TrylockRestart {
                retries.round(|| self.fingerprint());
            }
            let locked = match self.rules().rmap_walk_lock {
                RmapWalkLock::RootByWalk => self.anon_vma_lock_root(anon_vma),
                _ => self.anon_vma_lock_read(anon_vma),
            };
            // rmap_walk.3: VMA by VMA on the list: where would the page be in it (vma_address)?
            // [S3.3, S3.4, RMAP-2]
            let mut at = 0;
            while let Some(vma) = self.anon_vma_list_at(locked, at) {
                at += 1;
                if vma == DUMMY_VMA {
                    continue;
                }
                let vma = self.listed_vma(vma);
                let Some(nested) = self.rmap_walk_lock_vma(locked, vma) else {
                    self.anon_vma_unlock(locked);
                    continue 'again;
                };
                if let Ok(addr) = vma.vma_address(self, page) {
                    // rmap_walk.4: The entry at each such address is visited: by
                    // remove_migration_pte. [MIG-1]
                    visit(vma, addr);
                }
                if let Some(nested) = nested {
                    self.anon_vma_unlock(nested);
                }
            }
            // rmap_walk.5: The root's lock is let go of.
            self.anon_vma_unlock(locked);
            return;
        }
    }

    /// Locks the visited VMA's own anon_vma too, where the rule [`RmapWalkLock`] says so; `None`
    /// when that failed and the walk must start again (claims S3.3, S3.4).
    fn rmap_walk_lock_vma(&self, held: SlabRef, vma: &Vma) -> Option<Option<SlabRef>> {
        if !matches!(
            self.rules().rmap_walk_lock,
            RmapWalkLock::Nested | RmapWalkLock::TrylockRestart
        ) {
            return Some(None);
        }
        let Some(own) = vma.anon_vma.read().filter(|own| !own.same_object(held)) else {
            return Some(None);
        };
        match self.rules().rmap_walk_lock {
            RmapWalkLock::TrylockRestart => {
                self.anon_vma(own).lock.trylock_read().then_some(Some(own))
            }
            _ => Some(Some(self.anon_vma_lock_read(own))),
        }
    }

    /// A first mapping of a page that nobody else can find yet: it belongs to this process alone.
    /// Called with the page-table lock held. Kernel: `page_add_new_anon_rmap`.
    pub(super) fn page_add_new_anon_rmap(&self, page: PageRef, vma: &Vma, addr: Addr) {
        if self.has_anonmm() {
            self.page_add_anon_rmap(page, vma, addr); // which is all there is yet
            return;
        }
        let frame = self.page(page);
        frame.mapcount.write(1);
        if self.rules().reuse == Reuse::AnonExclusive {
            frame.anon_exclusive.reset(true);
        }
        self.page_set_anon_rmap(page, vma, addr, vma.anon_vma.read());
    }

    /// Maps a page that was mapped before (rule [`RmapOrder`]); false if its index is now a wrong
    /// one. Called with the page and the page table locked.
    pub(super) fn map_again(&self, mm: &Mm, vma: &Vma, addr: Addr, pte: Pte) -> bool {
        let page = pte.page().expect("a present entry");
        match self.rules().rmap_order {
            RmapOrder::EntryFirst => {
                self.set_pte(mm, addr, pte);
                self.page_add_anon_rmap(page, vma, addr)
            }
            RmapOrder::RmapFirst => {
                let right = self.page_add_anon_rmap(page, vma, addr);
                self.set_pte(mm, addr, pte);
                right
            }
        }
    }

    /// One more mapping. Called with the page-table lock held, and, if it may be the first one,
    /// `page` locked. Kernel: `page_add_anon_rmap`. A page that is mapped again may keep what a
    /// walk finds it by (rule [`RmapAgain`]). False if it is given a wrong index.
    pub(super) fn page_add_anon_rmap(&self, page: PageRef, vma: &Vma, addr: Addr) -> bool {
        let frame = self.page(page);
        if self.has_map_lock() {
            self.page_map_lock(page);
            let right = frame.mapped()
                || self.page_set_anon_rmap(page, vma, addr, self.oldest_anon_vma(vma));
            frame.mapcount.add(1);
            self.page_map_unlock(page);
            return right;
        }
        let first = frame.mapcount.add_return(1) == 1;
        self.try_volatile_by_rmap(page, VolatileTry::AddRmap);
        let keep = !first
            || (self.rules().rmap_again == RmapAgain::Keep && self.page_rmapping(page).is_anon());
        keep || self.page_set_anon_rmap(page, vma, addr, self.oldest_anon_vma(vma))
    }

    /// The anon_vma through which a page that others may map too is found: the oldest that `vma` is
    /// linked to (since 2.6.34-rc4; before, and until 2.6.33 for another reason, the VMA's own:
    /// rule [`SharedMapping`]).
    fn oldest_anon_vma(&self, vma: &Vma) -> Option<SlabRef> {
        match self.rules().shared_mapping {
            SharedMapping::Vma => vma.anon_vma.read(),
            SharedMapping::Oldest => vma.anon_vma_chain.read().last().copied(),
        }
    }

    /// False if the index is a wrong one. Kernel: `__page_set_anon_rmap`.
    fn page_set_anon_rmap(
        &self,
        page: PageRef,
        vma: &Vma,
        addr: Addr,
        anon_vma: Option<SlabRef>,
    ) -> bool {
        if self.has_anonmm() {
            self.set_page_anon(page, vma.mm, addr);
            return true;
        }
        let frame = self.page(page);
        // BUG_ON(!anon_vma)
        sync::clause(Clause::NULL_1, anon_vma.is_some(), || {
            format!("{vma} has no anon_vma, and {page} is mapped there")
        });
        frame.mapping.write(Mapping::through(anon_vma));
        let (start, pgoff) = (vma.vm_start.read(), vma.vm_pgoff.read());
        let right = vma.fit_together(start, pgoff);
        if !right {
            sync::mark(Mark::RMAP_INDEX_WRONG);
        }
        frame.index.write(super::page::linear_page_index(start, pgoff, addr));
        right
    }

    /// The page is its process's alone from now on, and found through that. Called with the page
    /// and the page table locked. Kernel: the same name; under anonmm there is no such thing.
    pub(super) fn page_move_anon_rmap(&self, page: PageRef, vma: &Vma) {
        if !self.has_anonmm() {
            self.page(page).mapping.write(Mapping::through(vma.anon_vma.read()));
        }
    }

    /// Kernel: `page_dup_rmap`. Called with the page-table lock of a mapping held.
    pub(super) fn page_dup_rmap(&self, page: PageRef) {
        self.page_map_lock(page);
        self.page(page).mapcount.add(1);
        self.page_map_unlock(page);
    }

    /// One mapping less. `page->mapping` stays as it was, since 2.6.9 (rule
    /// [`MapLock`](crate::spec::MapLock)). Called with the page-table lock held. Kernel:
    /// `page_remove_rmap`.
    pub(super) fn page_remove_rmap(&self, page: PageRef) {
        self.page_map_lock(page);
        if self.mapcount_down(page) {
            self.rmap_clear(page);
        }
        self.page_map_unlock(page);
        self.try_volatile_by_rmap(page, VolatileTry::RemoveRmap);
    }

    /// A mapping has come or gone: may the page be volatile now? (rule [`VolatileTry`], claim
    /// S2.12)
    fn try_volatile_by_rmap(&self, page: PageRef, place: VolatileTry) {
        if self.hints() && self.rules().volatile_try == place && self.page_make_volatile(page, 1) {
            sync::mark(Mark::VOLATILE_BY_RMAP);
        }
    }

    /// True if it was the last mapping.
    fn mapcount_down(&self, page: PageRef) -> bool {
        let last = self.page(page).mapcount.add_return(-1) == 0;
        if last {
            note!("{page} is no longer mapped");
            self.page_transfer_dirty(page);
            self.page_reset_writable(page);
        }
        last
    }

    /// The last mapping is gone, and with it, where the page has a map lock, what it is found by.
    /// Called with that held.
    fn rmap_clear(&self, page: PageRef) {
        if self.has_anonmm() {
            self.clear_page_anon(page);
        } else if self.has_map_lock() {
            self.page(page).mapping.write(Mapping::None);
        }
    }
}
