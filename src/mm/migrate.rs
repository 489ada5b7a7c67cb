//! Page migration: unmap everywhere, copy, map the copy everywhere.

use super::page::Mapping;
use super::vma::DUMMY_VMA;
use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Ttu, Vma, World};
use crate::spec::{
    AnonVmaLife, Clause, MigrateStable, Migration, MigrationWait, MoveMapping, NewpageLru, PteLook,
    RcuScope, Recount, StaleEntry, StillMapped, SwapCacheMove, SwapCacheRemap, UnmappedPage,
};
use crate::sync::{self, Mark, Name, RetryLoop, SlabRef};
use crate::{call, note};

/// What `unmap_and_move` holds on to while the page is unmapped, and must let go of.
#[derive(Hash)]
enum Kept {
    /// Nothing.
    Nothing,
    /// An RCU read section.
    Rcu,
    /// An RCU read section, and a reference on the anon_vma.
    RcuAndReference(SlabRef),
    /// A reference on the anon_vma.
    Reference(SlabRef),
    /// A dummy VMA on the anon_vma's list.
    Dummy(SlabRef),
}

/// What may be done with the page.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Plan {
    /// Unmap it, move it, map the copy.
    UnmapAndRemap,
    /// It is a file's: unmap it by its mapping, move it.
    File,
    /// It is mapped nowhere: move it, and leave the reverse map alone.
    MoveOnly,
    /// Leave it.
    Skip,
}

impl Plan {
    fn said(self) -> Self {
        match self {
            Plan::Skip => sync::mark(Mark::UNMAPPED_PAGE_SKIPPED),
            Plan::MoveOnly => sync::mark(Mark::UNMAPPED_PAGE_MOVED),
            Plan::UnmapAndRemap | Plan::File => {}
        }
        self
    }
}

#[sync::forgets]
impl World {
    /// Pages are found by anon_vma where `what` is done: with anonmm there is nothing that it could
    /// mean, and no kernel to ask.
    #[track_caller]
    pub(super) fn refuse_under_anonmm(&self, what: &str) {
        if self.has_anonmm() {
            sync::inapplicable(&format!(
                "{what} needs anon_vmas, and this protocol has rmap=anonmm: no kernel had both"
            ));
        }
    }

    /// The same, and pages move since 2.6.16.
    #[track_caller]
    pub(super) fn refuse_unless_pages_move(&self, what: &str) {
        self.refuse_under_anonmm(what);
        if self.rules().migration == Migration::No {
            sync::inapplicable(&format!(
                "{what} moves pages, and under this protocol nothing does (migration=no)"
            ));
        }
    }

    /// Moves what `page` holds to a new page. Kernel: `migrate_pages` for one page, as memory
    /// hot-remove and compaction call it: holding no `mmap_sem` (claim S1.0).
    #[track_caller]
    pub fn migrate(&self, page: PageRef) {
        sync::here();
        self.refuse_unless_pages_move("migrate_pages");
        let done = self.migrate_once(page) != Ok(false);
        self.asked(Name::new("migrate()", 0, 0), done);
    }

    /// Moves what the page holds that came onto the LRU list last, whatever it is: memory
    /// hot-remove takes what it finds there.
    #[track_caller]
    pub fn migrate_newest(&self) {
        sync::here();
        self.refuse_unless_pages_move("migrate_pages");
        let newest = self.isolate_newest();
        if let Some(page) = newest {
            let _ = self.migrate_isolated(page);
        }
        self.asked(Name::new("migrate_newest()", 0, 0), newest.is_some());
    }

    /// Moves what `page` holds to a new page, however often it has to try. Kernel: `offline_pages`,
    /// which repeats `do_migrate_range` until nothing is left there (claim S1.6). No limit of time
    /// in 7.3 and in a mainline of 2018 (read); older ones gave up after two minutes (not read).
    #[track_caller]
    pub fn offline_page(&self, page: PageRef) {
        sync::here();
        self.refuse_unless_pages_move("offline_pages");
        let retries = RetryLoop::new();
        let mut done = false;
        loop {
            retries.round_carrying(&done, || self.fingerprint());
            let migrated = self.migrate_once(page);
            done |= migrated != Ok(false);
            if migrated.is_ok() {
                break;
            }
        }
        self.asked(Name::new("offline_page()", 0, 0), done);
    }

    /// False if the page is not on the LRU list, so that there is nothing to move.
    pub(super) fn migrate_once(&self, page: PageRef) -> Result<bool, Errno> {
        if !self.isolate_lru_page(page) {
            sync::mark(Mark::MIGRATE_NOT_ON_LRU);
            return Ok(false);
        }
        self.migrate_isolated(page).map(|()| true)
    }

    /// Takes what is mapped at `addr` off the LRU list while the page-table lock keeps the entry,
    /// and with it the page; then moves it. False if nothing is there to move. Takes `mmap_sem` for
    /// reading. Kernel: `check_pte_range` and `migrate_pages`, as `do_migrate_pages` and `do_mbind`
    /// call them (read in 2.6.22).
    pub(super) fn move_pages(&self, mm: MmRef, addr: Addr) -> bool {
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        mm.page_table_lock.lock();
        let isolated = mm.pte(addr).read().page().filter(|&page| self.isolate_lru_page(page));
        mm.page_table_lock.unlock();
        if isolated.is_none() {
            sync::mark(Mark::MIGRATE_NOT_ON_LRU);
        }
        let moved = isolated.map(|page| self.migrate_isolated(page));
        mm.mmap_sem.up_read();
        moved.is_some()
    }

    /// Called with the reference of the isolation, which it gives up.
    fn migrate_isolated(&self, page: PageRef) -> Result<(), Errno> {
        if self.rules().swap_cache_move == SwapCacheMove::Free
            && let Some(result) = self.free_instead(page)
        {
            return result;
        }
        let Some(newpage) = self.alloc_page() else {
            sync::mark(Mark::MIGRATE_FAILED);
            self.putback_lru_page(page);
            return Err(Errno::Enomem);
        };
        let result = self.unmap_and_move(newpage, page);
        if result.is_ok() {
            sync::mark(Mark::MIGRATE_MOVED);
            match self.rules().newpage_lru {
                NewpageLru::Last => self.putback_lru_page(newpage),
                NewpageLru::BeforeRemap => self.put_page(newpage),
            }
        } else {
            sync::mark(Mark::MIGRATE_FAILED);
            self.put_page(newpage);
        }
        self.putback_lru_page(page); // a page that was moved has no other references, and is freed
        result
    }

    /// Frees a page that is in the swap cache, in whose place migration would put a copy (rule
    /// [`SwapCacheMove`]); `None` if it is not there. Called with the reference of the isolation,
    /// which it gives up unless it does nothing.
    fn free_instead(&self, page: PageRef) -> Option<Result<(), Errno>> {
        let frame = self.page(page);
        frame.lock.lock();
        if !frame.swap_cache.read() {
            self.unlock_page(page);
            return None;
        }
        let shrunk = self.shrink_locked_page(page);
        if !self.unlock_kept(page, shrunk) {
            self.free_shrunk(page, shrunk);
            return Some(Ok(()));
        }
        sync::mark(Mark::MIGRATE_FAILED);
        self.putback_lru_page(page);
        Some(Err(Errno::Eagain))
    }

    /// Kernel: `unmap_and_move`, mm/migrate.c. Called with a reference on `page` (its isolation),
    /// and one on `newpage`.
    fn unmap_and_move(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        call!("unmap_and_move({page} → {newpage})");
        let frame = self.page(page);
        // unmap_and_move.1: The page is isolated, by a reference; mmap_sem is held only where a
        // system call asks. If that is the only reference, the page was freed meanwhile. [S1.0]
        if frame.count.read() == 1 {
            note!("{page} was freed from under us");
            return Err(Errno::Eagain);
        }
        // unmap_and_move.2: The page is locked, and whoever writes it to its slot is waited for.
        frame.lock.lock();
        self.wait_on_page_writeback(page);
        if self.rules().migrate_stable == MigrateStable::Yes && !self.page_make_stable(page) {
            self.unlock_page(page);
            return Err(Errno::Eagain);
        }
        // unmap_and_move.3: A reference is taken on its anon_vma (page_get_anon_vma): from the last
        // unmapping on nothing else keeps that. A page that has no anon_vma or is mapped nowhere is
        // moved without its reverse map. [S1.1, S1.2, S1.3, S3.14]
        let (mut kept, plan) = self.keep_anon_vma(page);
        let result = match plan {
            Plan::Skip => Err(Errno::Eagain),
            Plan::File => {
                self.try_to_unmap_file(page);
                self.move_to_new_page(newpage, page, 0, false)
            }
            Plan::MoveOnly => self.move_to_new_page(
                newpage,
                page,
                0,
                self.rules().unmapped_page != UnmappedPage::MoveWithoutRmap,
            ),
            Plan::UnmapAndRemap => {
                // unmap_and_move.4: Every mapping becomes a migration entry (try_to_unmap): who
                // faults there waits until the page is unlocked. [S3.13]
                let remap = self.rules().swap_cache_remap == SwapCacheRemap::Walk
                    || !frame.swap_cache.read();
                let entries = self.try_to_unmap(page, Ttu::Migration);
                if self.rules().anon_vma_life == AnonVmaLife::RcuLate {
                    self.rcu.read_lock();
                    kept = Kept::Rcu;
                }
                // unmap_and_move.5: If nothing maps it any more, it is moved, and mapped again at
                // its new place (move_to_new_page).
                let stays = self.rules().still_mapped == StillMapped::Leave && frame.mapped();
                let result = if stays {
                    Err(Errno::Eagain)
                } else {
                    self.move_to_new_page(newpage, page, entries, remap)
                };
                // unmap_and_move.6: If that could not be done, the migration entries become
                // mappings of the old page again (remove_migration_ptes).
                if result.is_err() && remap {
                    self.remove_migration_ptes(page, page, entries);
                }
                result
            }
        };
        // unmap_and_move.7: The reference on the anon_vma is dropped, and the page is unlocked: no
        // migration entry may name it any more. [MIG-1]
        self.let_go_of_anon_vma(kept);
        self.unlock_page(page);
        result
    }

    /// Kernel: `move_to_new_page`. Called with `page` locked and unmapped; `entries` migration
    /// entries, if they are counted, name it. Its reverse map is not touched unless `remap`:
    /// nothing maps it then, and its anon_vma may be gone (claim S3.14).
    ///
    /// Who took the new page for the one that was in its frame before may have locked it (rule
    /// [`FindGetPage`](crate::spec::FindGetPage)). Until 4.3 that would be a `BUG()` (2.6.33 read);
    /// later kernels give up, before they unmap the page (5.9, 5.19, 6.18.35 read).
    fn move_to_new_page(
        &self,
        newpage: PageRef,
        page: PageRef,
        entries: i64,
        remap: bool,
    ) -> Result<(), Errno> {
        call!("move_to_new_page({newpage}, {page})");
        // move_to_new_page.1: The new page is locked. It is tried for: that is the one place where
        // somebody holds two page locks. [ORDER-1]
        let (new, old) = (self.page(newpage), self.page(page));
        if !new.lock.trylock() {
            sync::mark(Mark::MIGRATE_NEW_PAGE_LOCKED);
            return Err(Errno::Eagain);
        }
        // move_to_new_page.2: It gets the old one's index and mapping: a walk finds it where it
        // found the old one.
        new.index.write(old.index.read());
        let mapping = self.page_rmapping(page);
        new.mapping.write(mapping);
        if matches!(self.rules().stale_entry, StaleEntry::MapNew | StaleEntry::MapNewReferenced) {
            old.moved_to.write(Some(newpage));
        }
        // move_to_new_page.3: It takes the old one's place in the swap cache, if that has one
        // (migrate_page_move_mapping), and what it holds is copied. [S3.13]
        let result = if mapping == Mapping::File {
            self.fallback_migrate_page(page)
        } else {
            self.migrate_page(newpage, page)
        };
        if result.is_err() {
            new.mapping.write(Mapping::None);
            old.moved_to.reset(None);
        } else {
            // move_to_new_page.4: It goes onto the LRU list, before anything maps it.
            if self.rules().newpage_lru == NewpageLru::BeforeRemap {
                self.lru_cache_add(newpage);
            }
            // move_to_new_page.5: Every migration entry becomes a mapping of it
            // (remove_migration_ptes).
            if remap {
                self.remove_migration_ptes(page, newpage, entries);
            }
        }
        // move_to_new_page.6: It is unlocked.
        self.unlock_page(newpage);
        result
    }

    /// A file's page that must be written out before it can be moved: sleeps. Kernel:
    /// `fallback_migrate_page`, `writeout` (claim S1.4).
    fn fallback_migrate_page(&self, page: PageRef) -> Result<(), Errno> {
        note!("{page} is written out");
        sync::might_sleep("writepage");
        Err(Errno::Eagain)
    }

    /// Kernel: `migrate_page`: `migrate_page_move_mapping`, then `migrate_page_copy`.
    fn migrate_page(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        self.migrate_page_move_mapping(newpage, page)?;
        let (new, old) = (self.page(newpage), self.page(page));
        self.set_content(new, self.content(old));
        new.uptodate.write(old.uptodate.read());
        if old.dirty.read() {
            new.dirty.write(true);
        }
        if self.is_lazyfree(page) {
            new.swap_backed.write(false);
        }
        old.swap_cache.write(false);
        old.private.write(0);
        old.mapping.write(Mapping::None);
        Ok(())
    }

    /// Puts `newpage` in `page`'s place in the swap cache, if nobody but the cache and the
    /// migration refers to it. Called with both locked. Kernel: `migrate_page_move_mapping`. Takes
    /// the tree lock (rule [`MoveMapping`], claim S3.13).
    fn migrate_page_move_mapping(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        // migrate_page_move_mapping.1: A page that is not in the swap cache must have no reference
        // but that of its isolation. [S1.6]
        let old = self.page(page);
        if !old.swap_cache.read() {
            if old.count.read() == 1 {
                return Ok(());
            }
            sync::mark(Mark::MOVE_MAPPING_REFERENCED);
            return Err(Errno::Eagain);
        }
        // migrate_page_move_mapping.2: The tree lock is taken.
        let rule = self.rules().move_mapping;
        let locked = rule != MoveMapping::NoTreeLock;
        if locked {
            self.swap_cache.tree_lock.lock();
        }
        let entry = self.page_swap_entry(page);
        // migrate_page_move_mapping.3: If the slot holds the page, and nobody but the swap cache
        // and the migration has a reference, the count becomes zero in the same step: no look-up
        // can take one meanwhile. [S3.13, COUNT-4]
        let unused = match rule {
            MoveMapping::Unchecked => true,
            MoveMapping::NoTreeLock | MoveMapping::Count => {
                old.count.read() == 2 && self.swap_cache.slot(entry).read() == Some(page)
            }
            MoveMapping::Freeze => {
                self.swap_cache.slot(entry).read() == Some(page) && self.page_freeze_refs(page, 2)
            }
        };
        if unused {
            // migrate_page_move_mapping.4: The new page gets the reference of the swap cache, and
            // takes the slot; then the old one's count is what it is without.
            let new = self.page(newpage);
            self.get_page(newpage);
            old.cached.change(|slot| *slot = None);
            new.swap_cache.write(true);
            new.private.write(old.private.read());
            self.swap_cache.publish(entry, newpage);
            new.cached.change(|slot| *slot = Some(entry));
            if rule == MoveMapping::Freeze {
                self.page_unfreeze_refs(page, 1);
            } else {
                self.put_page(page);
            }
        }
        // migrate_page_move_mapping.5: The tree lock is let go of.
        if locked {
            self.swap_cache.tree_lock.unlock();
        }
        if unused {
            Ok(())
        } else {
            sync::mark(Mark::MOVE_MAPPING_REFERENCED);
            Err(Errno::Eagain)
        }
    }

    /// Turns every migration entry of `old` back into a mapping, of `new`. Kernel:
    /// `remove_migration_ptes`.
    ///
    /// Called with both locked. Must find them all, or [MIG-1] breaks when `old` is unlocked. Where
    /// the entries are counted, it walks until it has found `entries` of them (claim S3.11).
    fn remove_migration_ptes(&self, old: PageRef, new: PageRef, entries: i64) {
        // remove_migration_ptes.1: A walk for the new page (rmap_walk) comes by every place where
        // the old one was mapped. It must find every migration entry, or one is left that names an
        // unlocked page. [MIG-1, S3.1, S3.11]
        let mut restored = 0;
        let retries = RetryLoop::new();
        loop {
            if self.rules().recount == Recount::WalkAgain {
                retries.round_carrying(&restored, || self.fingerprint());
            }
            self.rmap_walk(new, |vma, addr| {
                restored += i64::from(self.remove_migration_pte(new, vma, addr, old));
            });
            if self.rules().recount == Recount::No || restored >= entries {
                break;
            }
            sync::mark(Mark::REMOVE_MIGRATION_PTES_AGAIN);
        }
        if self.rules().stale_entry == StaleEntry::MapNewReferenced {
            for _ in restored..entries {
                self.get_page(new);
                if old != new {
                    self.get_page(old); // so that its frame still says where it was moved to
                }
            }
        }
    }

    /// Kernel: `remove_migration_pte`. Looks without the page-table lock first (rule [`PteLook`]).
    /// True if it restored the entry.
    fn remove_migration_pte(&self, new: PageRef, vma: &Vma, addr: Addr, old: PageRef) -> bool {
        // remove_migration_pte.1: Under the page-table lock the entry is read: is it a migration
        // entry of the old page? [MIG-1]
        let mm = self.mm_struct(vma.mm);
        if !matches!(self.rules().pte_look, PteLook::Locked | PteLook::LocklessUnmap)
            && !matches!(mm.pte(addr).read(), Pte::Migration { .. })
        {
            return false;
        }
        mm.page_table_lock.lock();
        let mut restored = false;
        if let Pte::Migration { page, write, exclusive } = mm.pte(addr).read()
            && page == old
        {
            // remove_migration_pte.2: The new page gets a reference, the mark that it is the
            // process's alone if the entry said so, its reverse map, and then the entry. [COUNT-1,
            // COW-2]
            self.get_page(new);
            if exclusive {
                self.page(new).anon_exclusive.write(true);
            }
            if !self.map_again(mm, vma, addr, Pte::clean(new, write)) {
                sync::mark(Mark::REMOVE_MIGRATION_PTE_WRONG_INDEX);
            }
            restored = true;
        }
        // remove_migration_pte.3: The page-table lock is let go of.
        mm.page_table_lock.unlock();
        restored
    }

    /// Makes sure that the page's anon_vma stays, as far as the rule [`AnonVmaLife`] does that, and
    /// says what to do with the page (claims S1.2, S1.3, S3.14). Called with `page` locked.
    fn keep_anon_vma(&self, page: PageRef) -> (Kept, Plan) {
        let frame = self.page(page);
        if !self.page_rmapping(page).is_anon() {
            let kept = if self.rules().rcu_scope == RcuScope::All
                && self.rules().anon_vma_life == AnonVmaLife::Rcu
            {
                self.rcu.read_lock();
                Kept::Rcu
            } else {
                Kept::Nothing
            };
            return (kept, self.plan_without_anon_vma(page));
        }
        let (kept, safe) = match self.rules().anon_vma_life {
            AnonVmaLife::Nothing | AnonVmaLife::RcuLate => (Kept::Nothing, true),
            AnonVmaLife::Rcu => {
                self.rcu.read_lock();
                (Kept::Rcu, true)
            }
            AnonVmaLife::RcuMapped => {
                self.rcu.read_lock();
                (Kept::Rcu, frame.mapped())
            }
            AnonVmaLife::Refcount => {
                self.rcu.read_lock();
                match self.page_rmapping(page) {
                    Mapping::AnonVma(anon_vma) if frame.mapped() => {
                        self.get_anon_vma(anon_vma);
                        (Kept::RcuAndReference(anon_vma), true)
                    }
                    _ => (Kept::Rcu, false),
                }
            }
            AnonVmaLife::LockThenGet => match self.page_lock_anon_vma(page) {
                Some(anon_vma) => {
                    self.get_anon_vma(anon_vma);
                    self.page_unlock_anon_vma(anon_vma);
                    (Kept::Reference(anon_vma), true)
                }
                None => (Kept::Nothing, false),
            },
            AnonVmaLife::IncNotZero => match self.page_get_anon_vma(page) {
                Some(anon_vma) => (Kept::Reference(anon_vma), true),
                None => (Kept::Nothing, false),
            },
            AnonVmaLife::DummyVma => match self.page_lock_anon_vma(page) {
                Some(anon_vma) => {
                    self.anon_vma_list_push(anon_vma, DUMMY_VMA);
                    self.page_unlock_anon_vma(anon_vma);
                    (Kept::Dummy(anon_vma), true)
                }
                None => (Kept::Nothing, false),
            },
        };
        let plan = match self.rules().unmapped_page {
            _ if safe => Plan::UnmapAndRemap,
            UnmappedPage::MoveWithoutRmap if frame.swap_cache.read() => Plan::MoveOnly,
            _ => Plan::Skip,
        };
        (kept, plan.said())
    }

    /// What to do with a file's page, or one that has no mapping: in the swap cache, since nobody
    /// has mapped it yet, or cut off from its file (claims S1.1, S1.4, S3.14).
    fn plan_without_anon_vma(&self, page: PageRef) -> Plan {
        if self.page_rmapping(page) == Mapping::File {
            return Plan::File;
        }
        let plan = match self.rules().unmapped_page {
            UnmappedPage::Unmap => Plan::UnmapAndRemap,
            UnmappedPage::Skip => Plan::Skip,
            UnmappedPage::Move | UnmappedPage::MoveWithoutRmap => Plan::MoveOnly,
        };
        plan.said()
    }

    fn let_go_of_anon_vma(&self, kept: Kept) {
        match kept {
            Kept::Nothing => {}
            Kept::Rcu => self.rcu.read_unlock(),
            Kept::RcuAndReference(anon_vma) => {
                self.put_anon_vma(anon_vma);
                self.rcu.read_unlock();
            }
            Kept::Reference(anon_vma) => self.put_anon_vma(anon_vma),
            Kept::Dummy(anon_vma) => self.anon_vma_list_remove(anon_vma, DUMMY_VMA),
        }
    }

    /// Sleeps until the migration that left an entry at `addr` is over. Kernel:
    /// `migration_entry_wait`.
    ///
    /// Called with no page lock and no spin lock held, and `mmap_sem` held by all but exit. Takes
    /// the page-table lock. The entry names a page only as long as that page is locked ([MIG-1]).
    pub(super) fn migration_entry_wait(&self, mm: MmRef, addr: Addr) {
        call!("migration_entry_wait({mm}:{addr})");
        // migration_entry_wait.1: Under the page-table lock the entry is read again; if the
        // migration is over, the CPU repeats the access.
        let mm = self.mm_struct(mm);
        mm.page_table_lock.lock();
        let Pte::Migration { page, .. } = mm.pte(addr).read() else {
            mm.page_table_lock.unlock();
            return;
        };
        // migration_entry_wait.2: The entry names a page that is locked, so that it cannot go. No
        // reference is taken: it would make the migration fail. [MIG-1, S1.6]
        self.assert_migration_entry(page);
        let referenced = match self.rules().migration_wait {
            MigrationWait::GetPage => {
                self.assert_not_frozen(page);
                self.get_page(page);
                true
            }
            MigrationWait::GetUnlessZero | MigrationWait::PutAndWait
                if !self.get_page_unless_zero(page) =>
            {
                mm.page_table_lock.unlock();
                return;
            }
            MigrationWait::GetUnlessZero | MigrationWait::PutAndWait => true,
            MigrationWait::NoReference => false,
        };
        mm.page_table_lock.unlock();
        // migration_entry_wait.3: With the page-table lock let go of, the fault sleeps until the
        // page is unlocked, and uses nothing of it but the queue. [S1.6]
        let sleeps_without = self.rules().migration_wait == MigrationWait::PutAndWait;
        if sleeps_without {
            self.put_page(page); // put_and_wait_on_page_locked
        }
        // Without a reference only the queue is used, which is found by the frame's address.
        self.frame(page).lock.wait();
        if referenced && !sleeps_without {
            self.put_page(page);
        }
    }

    /// A migration entry is zapped; if it is a stale one, the references go that were left for it
    /// (rule [`StaleEntry`], claim S3.10). Called with the page-table lock held.
    pub(super) fn zap_stale_entry(&self, page: PageRef) {
        if self.rules().stale_entry == StaleEntry::MapNewReferenced
            && !self.frame(page).lock.is_locked()
        {
            if let Some(to) = self.page(page).moved_to.read() {
                self.put_page(to);
            }
            self.put_page(page);
        }
    }

    /// Kernel: `migration_entry_to_page`, which has `BUG_ON(!PageLocked(page))` ([MIG-1]).
    fn assert_migration_entry(&self, page: PageRef) {
        let locked = self.page(page).lock.is_locked()
            || self.rules().stale_entry == StaleEntry::MapNewReferenced;
        sync::clause(Clause::MIG_1, locked, || {
            format!("a migration entry of {page} is met, and {page} is unlocked")
        });
    }

    /// A fault cleans up a migration entry whose page is no longer locked, on the assumption that a
    /// walk missed it (rule [`StaleEntry`], claim S3.10). True if it did.
    pub(super) fn clean_up_stale_entry(&self, mm: &Mm, vma: &Vma, addr: Addr) -> bool {
        mm.page_table_lock.lock();
        let stale = match mm.pte(addr).read() {
            Pte::Migration { page, write, .. } if !self.frame(page).lock.is_locked() => {
                Some((page, write))
            }
            _ => None,
        };
        if let Some((page, write)) = stale {
            sync::mark(Mark::FAULT_CLEANS_UP_STALE_ENTRY);
            let to = match self.rules().stale_entry {
                StaleEntry::Bug | StaleEntry::MapOld => page,
                StaleEntry::MapNew | StaleEntry::MapNewReferenced => {
                    self.page(page).moved_to.read().unwrap_or(page)
                }
            };
            let referenced = self.rules().stale_entry == StaleEntry::MapNewReferenced;
            if !referenced {
                self.get_page(to);
            }
            self.set_pte(mm, addr, Pte::clean(to, write));
            self.page_add_anon_rmap(to, vma, addr);
            if referenced && to != page {
                self.put_page(page);
            }
        }
        mm.page_table_lock.unlock();
        stale.is_some()
    }
}
