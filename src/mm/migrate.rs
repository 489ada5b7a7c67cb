//! Page migration: unmap everywhere, copy, map the copy everywhere.

use super::page::Mapping;
use super::{Addr, Errno, MmRef, PageRef, Pte, Vma, Walk, World};
use crate::spec::{AnonVmaLife, Clause};
use crate::sync;
use crate::{call, note};

impl World {
    /// Moves what `page` holds to a new page. Kernel: `migrate_pages` for one page, as memory hot-remove and compaction call it: holding no
    /// `mmap_sem` (claim S1.0).
    pub fn migrate(&self, page: PageRef) {
        if !self.isolate_lru_page(page) {
            sync::mark("migrate", "not on the list");
            return;
        }
        let newpage = self.alloc_page();
        let moved = self.unmap_and_move(newpage, page);
        sync::mark(
            "migrate",
            match moved {
                Ok(()) => "moved",
                Err(_) => "failed",
            },
        );
        if moved.is_ok() {
            self.putback_lru_page(newpage);
            self.put_page(page);
        } else {
            self.put_page(newpage);
            self.putback_lru_page(page);
        }
    }

    /// Kernel: `unmap_and_move`, mm/migrate.c. Called with a reference on `page` (its isolation), and one on `newpage`.
    fn unmap_and_move(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        call!("unmap_and_move({page} → {newpage})");
        let frame = self.page(page);
        if frame.count.read() == 1 {
            note!("{page} was freed from under us");
            return Err(Errno::Eagain);
        }
        frame.lock.lock();
        let rcu = self.rules().anon_vma_life != AnonVmaLife::Nothing;
        if rcu {
            self.rcu.read_lock();
        }
        let result = self.unmap_and_move_locked(newpage, page);
        if rcu {
            self.rcu.read_unlock();
        }
        self.unlock_page(page);
        result
    }

    /// What `unmap_and_move` does with `page` locked and, if the rule says so, inside an RCU read section.
    fn unmap_and_move_locked(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        let frame = self.page(page);
        if self.rules().anon_vma_life == AnonVmaLife::RcuMapped && !frame.mapped() {
            return Err(Errno::Eagain); // its anon_vma may have been freed before the read section began (claim S1.3)
        }
        if frame.mapping.read() == Mapping(None) {
            return Err(Errno::Eagain); // no reverse map yet (claim S1.1)
        }
        self.try_to_unmap(page);
        let result = if frame.mapped() { Err(Errno::Eagain) } else { self.move_to_new_page(newpage, page) };
        if result.is_err() {
            self.remove_migration_ptes(page, page);
        }
        result
    }

    /// Kernel: `move_to_new_page`. Called with `page` locked and unmapped.
    fn move_to_new_page(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        call!("move_to_new_page({newpage}, {page})");
        let (new, old) = (self.page(newpage), self.page(page));
        let locked = new.lock.trylock();
        debug_assert!(locked, "nobody else knows the new page");
        new.index.write(old.index.read());
        new.mapping.write(old.mapping.read());
        let result = self.migrate_page(newpage, page);
        if result.is_ok() {
            self.remove_migration_ptes(page, newpage);
        } else {
            new.mapping.write(Mapping(None));
        }
        self.unlock_page(newpage);
        result
    }

    /// Kernel: `migrate_page`: `migrate_page_move_mapping`, then `migrate_page_copy`.
    fn migrate_page(&self, newpage: PageRef, page: PageRef) -> Result<(), Errno> {
        let (new, old) = (self.page(newpage), self.page(page));
        if old.count.read() != 1 {
            note!("{page} has references besides ours");
            return Err(Errno::Eagain);
        }
        new.content.write(old.content.read());
        old.mapping.write(Mapping(None));
        Ok(())
    }

    /// Turns every migration entry of `old` back into a mapping, of `new`. Kernel: `remove_migration_ptes`.
    ///
    /// Called with both locked. Must find them all, or [MIG-1] breaks when `old` is unlocked.
    fn remove_migration_ptes(&self, old: PageRef, new: PageRef) {
        self.rmap_walk(new, |vma, addr| {
            self.remove_migration_pte(new, vma, addr, old);
            Walk::Continue
        });
    }

    /// Kernel: `remove_migration_pte`, 2.6.22 to 2.6.39. Looks without the page-table lock first.
    fn remove_migration_pte(&self, new: PageRef, vma: &Vma, addr: Addr, old: PageRef) {
        let mm = self.mm_struct(vma.mm);
        if !matches!(mm.pte(addr).read(), Pte::Migration { .. }) {
            return;
        }
        mm.page_table_lock.lock();
        if let Pte::Migration { page, write } = mm.pte(addr).read()
            && page == old
        {
            self.get_page(new);
            self.set_pte(mm, addr, Pte::Present { page: new, write });
            self.page_add_anon_rmap(new, vma, addr);
        }
        mm.page_table_lock.unlock();
    }

    /// Sleeps until the migration that left an entry at `addr` is over. Kernel: `migration_entry_wait`, 2.6.22 to 2.6.26.
    ///
    /// Called with `mmap_sem` held and nothing else. The entry names a page only as long as that page is locked ([MIG-1]).
    pub(super) fn migration_entry_wait(&self, mm: MmRef, addr: Addr) {
        call!("migration_entry_wait({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.page_table_lock.lock();
        let Pte::Migration { page, .. } = mm.pte(addr).read() else {
            mm.page_table_lock.unlock();
            return;
        };
        self.assert_migration_entry(page);
        self.get_page(page);
        mm.page_table_lock.unlock();
        self.page(page).lock.wait();
        self.put_page(page);
    }

    /// Kernel: `migration_entry_to_page`, which has `BUG_ON(!PageLocked(page))` ([MIG-1]).
    fn assert_migration_entry(&self, page: PageRef) {
        let locked = self.page(page).lock.is_locked();
        sync::clause(Clause::MIG_1, locked, || format!("a migration entry of {page} is met, and {page} is unlocked"));
    }
}
