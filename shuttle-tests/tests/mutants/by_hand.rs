//! Mistakes that no operator of [`sites`](super::sites) makes: what stood there, and what somebody
//! might have written instead.

/// What it is, the file, and the texts that are replaced.
pub type Mistake = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

pub const MISTAKES: &[Mistake] = &[
    (
        "the end of a VMA belongs to it, for a walk",
        "vma.rs",
        &[("addr < start || addr >= end", "addr < start || addr > end")],
    ),
    (
        "the start of a VMA does not belong to it, for a walk",
        "vma.rs",
        &[("addr < start || addr >= end", "addr <= start || addr >= end")],
    ),
    (
        "the end of a VMA belongs to it, for a fault",
        "vma.rs",
        &[("addr < vma.vm_end.read()", "addr <= vma.vm_end.read()")],
    ),
    (
        "the start of a VMA does not belong to it, for a fault",
        "vma.rs",
        &[("vma.vm_start.read() <= addr", "vma.vm_start.read() < addr")],
    ),
    (
        "the new half has the old one's offset",
        "vma.rs",
        &[(
            "self.vma_alloc(mm.id(), addr, end, offset)",
            "self.vma_alloc(mm.id(), addr, end, pgoff)",
        )],
    ),
    ("the new half is not linked", "vma.rs", &[("self.anon_vma_clone(new, vma);", "")]),
    (
        "the new half may be stored to, whatever the old one may",
        "vma.rs",
        &[("*new.vm_write.write() = vma.vm_write.read();", "")],
    ),
    ("the new half has no anon_vma", "vma.rs", &[("new.anon_vma.write(vma.anon_vma.read());", "")]),
    (
        "vma_adjust lets go of the lock too early",
        "vma.rs",
        &[
            (
                "self.move_vma_words(vma, start, end, pgoff, adjust_next.filter(|_| remove_next.is_none()));",
                "",
            ),
            (
                "if let Some(locked) = locked {\n            self.anon_vma_unlock(locked);\n        }",
                "if let Some(locked) = locked {\n            self.anon_vma_unlock(locked);\n        }\n        self.move_vma_words(vma, start, end, pgoff, adjust_next.filter(|_| remove_next.is_none()));",
            ),
        ],
    ),
    (
        "the next VMA's offset does not move along",
        "vma.rs",
        &[("next.vm_pgoff.write(next.vm_pgoff.read().wrapping_add(by));", "")],
    ),
    (
        "the VMAs are not sorted",
        "vma.rs",
        &[("list.sort_by_key(|&vma| self.vma(vma).vm_start.read());", "")],
    ),
    ("what was cut keeps its end", "vma.rs", &[("vma.vm_end.write(end);", "")]),
    (
        "the new half is not inserted",
        "vma.rs",
        &[(
            "if let Some(insert) = insert {\n            self.insert_vm_struct(mm, insert);\n        }",
            "",
        )],
    ),
    (
        "the importing VMA is given an anon_vma, and not linked",
        "vma.rs",
        &[("self.anon_vma_clone(importer, exporter);", "")],
    ),
    (
        "the child's VMA may be stored to, whatever the parent's may",
        "fork.rs",
        &[("*tmp.vm_write.write() = mpnt.vm_write.read();", "")],
    ),
    (
        "what is stored by force makes an entry writable that has its page for itself",
        "cow.rs",
        &[("vma.maybe_mkwrite(true)", "true")],
    ),
    (
        "what is stored by force makes the copy writable",
        "cow.rs",
        &[("vma.maybe_mkwrite(write)", "write")],
    ),
    (
        "what comes back from swap for a store by force is mapped writable",
        "swap.rs",
        &[("vma.maybe_mkwrite(true)", "true")],
    ),
    (
        "what is touched in a read-only VMA is mapped writable",
        "fault.rs",
        &[("vma.maybe_mkwrite(true)", "true")],
    ),
    (
        "what is copied for a child in a read-only VMA is mapped writable",
        "fork.rs",
        &[("dst_vma.maybe_mkwrite(true)", "true")],
    ),
    (
        "what comes back from swap in a read-only VMA is mapped writable",
        "swap.rs",
        &[(
            "vma.maybe_mkwrite(exclusive && self.rules().swapin_own == SwapinOwn::Writable)",
            "exclusive && self.rules().swapin_own == SwapinOwn::Writable",
        )],
    ),
    (
        "mprotect changes no entries",
        "mprotect.rs",
        &[("self.change_protection(mm, vma, range);", "")],
    ),
    (
        "mprotect forgets that an entry is dirty",
        "mprotect.rs",
        &[("Pte::Present { page, write, dirty }", "Pte::clean(page, write)")],
    ),
    (
        "mprotect leaves a migration entry writable",
        "mprotect.rs",
        &[(
            "Pte::Migration { page, write: false, exclusive }",
            "Pte::Migration { page, write: true, exclusive }",
        )],
    ),
    (
        "mprotect makes every entry writable",
        "mprotect.rs",
        &[("self.page(page).anon_exclusive.read()", "self.page(page).mapped()")],
    ),
    (
        "a page-table lock inside which the anon_vma's is taken",
        "anon_vma.rs",
        &[(
            "if locked {\n            self.anon_vma_lock(new);\n        }\n        mm.page_table_lock.lock();",
            "mm.page_table_lock.lock();\n        if locked {\n            self.anon_vma_lock(new);\n        }",
        )],
    ),
    (
        "anon_vma_prepare does not put the VMA on the list",
        "anon_vma.rs",
        &[("self.anon_vmas.object(new).list.write().push(vma.id());", "")],
    ),
    (
        "the chain is copied newest first",
        "anon_vma.rs",
        &[(
            "src.anon_vma_chain.read().into_iter().rev()",
            "{\n            let mut chain = src.anon_vma_chain.read();\n            chain.reverse();\n            chain.into_iter().rev()\n        }",
        )],
    ),
    (
        "the child's anon_vma is its own root",
        "anon_vma.rs",
        &[("self.anon_vma(own).root.write(Some(root));", "")],
    ),
    (
        "the child does not keep the root",
        "anon_vma.rs",
        &[("self.anon_vma(root).refcount.add(1);", "")],
    ),
    (
        "the child is not linked to its ancestors",
        "anon_vma.rs",
        &[("self.anon_vma_clone_for_child(vma, pvma, parent)", "None")],
    ),
    (
        "the child is not linked to its own anon_vma",
        "anon_vma.rs",
        &[("self.anon_vma_chain_link_locked(vma, own);", "")],
    ),
    (
        "a VMA leaves the list while the lock is let go of",
        "anon_vma.rs",
        &[(
            "self.change_list(anon_vma, |list| list.retain(|&v| v != vma));",
            "{\n            self.anon_vma_unlock(anon_vma);\n            self.change_list(anon_vma, |list| list.retain(|&v| v != vma));\n            self.anon_vma_lock(anon_vma);\n        }",
        )],
    ),
    (
        "what keeps the anon_vma is let go of at once",
        "migrate.rs",
        &[(
            "self.keep_anon_vma(page)",
            "{\n            let (kept, plan) = self.keep_anon_vma(page);\n            self.let_go_of_anon_vma(kept);\n            (Kept::Nothing, plan)\n        }",
        )],
    ),
    (
        "the copy is mapped before it is made",
        "migrate.rs",
        &[(
            "if mapping == Mapping::File { self.fallback_migrate_page(page) } else { self.migrate_page(newpage, page) }",
            "{\n            self.remove_migration_ptes(page, newpage, entries);\n            self.migrate_page(newpage, page)\n        }",
        )],
    ),
    (
        "the contents are not copied",
        "migrate.rs",
        &[("self.set_content(new, self.content(old));", "")],
    ),
    (
        "the copy is not up to date",
        "migrate.rs",
        &[("new.uptodate.write(old.uptodate.read());", "")],
    ),
    (
        "the old page stays marked as in the swap cache",
        "migrate.rs",
        &[("old.swap_cache.write(false);", "")],
    ),
    ("the copy gets no index", "migrate.rs", &[("new.index.write(old.index.read());", "")]),
    ("the copy gets no mapping", "migrate.rs", &[("new.mapping.write(mapping);", "")]),
    (
        "one reference too many is expected",
        "migrate.rs",
        &[("old.count.read() == 1", "old.count.read() == 2")],
    ),
    (
        "any number of references will do",
        "migrate.rs",
        &[("old.count.read() == 1", "old.count.read() >= 1")],
    ),
    (
        "the count is frozen at one too many",
        "migrate.rs",
        &[("self.page_freeze_refs(page, 2)", "self.page_freeze_refs(page, 3)")],
    ),
    (
        "the count is compared with one too many",
        "migrate.rs",
        &[("old.count.read() == 2", "old.count.read() == 3")],
    ),
    (
        "the freeze ends with one too many",
        "migrate.rs",
        &[("self.page_unfreeze_refs(page, 1);", "self.page_unfreeze_refs(page, 2);")],
    ),
    (
        "the copy does not know its slot",
        "migrate.rs",
        &[("new.private.write(old.private.read());", "")],
    ),
    (
        "the slot keeps the old page",
        "migrate.rs",
        &[("self.swap_cache.publish(entry, newpage);", "")],
    ),
    (
        "the entries are restored for the old page",
        "migrate.rs",
        &[(
            "self.remove_migration_ptes(page, newpage, entries);",
            "self.remove_migration_ptes(page, page, entries);",
        )],
    ),
    (
        "what failed is left as it is",
        "migrate.rs",
        &[("self.remove_migration_ptes(page, page, entries);", "")],
    ),
    (
        "the entries are restored writable",
        "migrate.rs",
        &[(
            "self.map_again(mm, vma, addr, Pte::clean(new, write))",
            "self.map_again(mm, vma, addr, Pte::clean(new, true))",
        )],
    ),
    (
        "the page is unlocked while its entries are there",
        "migrate.rs",
        &[(
            "self.migrate_page_move_mapping(newpage, page)?;",
            "self.unlock_page(page);\n        self.page(page).lock.lock();\n        self.migrate_page_move_mapping(newpage, page)?;",
        )],
    ),
    (
        "who waits holds the page-table lock",
        "migrate.rs",
        &[(
            "self.frame(page).lock.wait();",
            "mm.page_table_lock.lock();\n        self.frame(page).lock.wait();\n        mm.page_table_lock.unlock();",
        )],
    ),
    (
        "the copy is not put back",
        "migrate.rs",
        &[("self.putback_lru_page(newpage)", "self.put_page(newpage)")],
    ),
    (
        "all entries are taken to have been writable",
        "rmap.rs",
        &[(
            "Pte::Migration { page, write, exclusive }",
            "Pte::Migration { page, write: true, exclusive }",
        )],
    ),
    (
        "the mapping goes before the entry",
        "rmap.rs",
        &[(
            "if self.mapcount_down(page) && !self.has_anonmm() {\n            self.rmap_clear(page);\n        }\n        self.put_page(page);",
            "self.put_page(page);\n        if self.mapcount_down(page) && !self.has_anonmm() {\n            self.rmap_clear(page);\n        }",
        )],
    ),
    (
        "the entry changes once the lock was let go of",
        "rmap.rs",
        &[(
            "set(left);",
            "mm.page_table_lock.unlock();\n        set(left);\n        mm.page_table_lock.lock();",
        )],
    ),
    (
        "only the second mapping sets the anon_vma",
        "rmap.rs",
        &[("frame.mapcount.add_return(1) == 1", "frame.mapcount.add_return(1) == 2")],
    ),
    (
        "the mapping is a VMA's, not the oldest",
        "rmap.rs",
        &[(
            "vma.anon_vma_chain.read().last().copied()",
            "vma.anon_vma_chain.read().first().copied()",
        )],
    ),
    (
        "fork copies the entries before it links the VMA",
        "fork.rs",
        &[
            (
                "self.anon_vma_fork(tmp, mpnt);",
                "self.copy_page_range((mm, tmp), (oldmm, mpnt), unflushed)?;\n        self.anon_vma_fork(tmp, mpnt);",
            ),
            ("self.copy_page_range((mm, tmp), (oldmm, mpnt), unflushed)", "Ok(())"),
        ],
    ),
    ("fork does not count the mapping", "fork.rs", &[("self.page_dup_rmap(page);", "")]),
    (
        "fork copies a migration entry as it is",
        "fork.rs",
        &[("Pte::Migration { page, write: false, exclusive: false }", "pte")],
    ),
    (
        "fork lets go of the locks before it copies a migration entry",
        "fork.rs",
        &[(
            "Pte::Migration { page, write: false, exclusive: false }",
            "{\n            src.page_table_lock.unlock();\n            dst.page_table_lock.unlock();\n            dst.page_table_lock.lock();\n            src.page_table_lock.lock();\n            Pte::Migration { page, write: false, exclusive: false }\n        }",
        )],
    ),
    ("munmap splits on the wrong side", "exit.rs", &[("edge == range.end", "edge != range.end")]),
    (
        "munmap takes the VMAs off the lists, and then zaps",
        "exit.rs",
        &[(
            "for vma in &vmas {\n            self.zap_pte_range(mm, vma.vm_start.read()..vma.vm_end.read(), &mut gather);\n        }",
            "for vma in &vmas {\n            self.unlink_anon_vmas(vma);\n        }\n        for vma in &vmas {\n            self.zap_pte_range(mm, vma.vm_start.read()..vma.vm_end.read(), &mut gather);\n        }",
        )],
    ),
    (
        "zap gives the page up before its mapping",
        "exit.rs",
        &[(
            "self.page_remove_rmap(page);\n                gather.pages.push(page);",
            "self.put_page(page);\n                self.page_remove_rmap(page);",
        )],
    ),
    (
        "the stack's offset grows",
        "mmap.rs",
        &[("vma.vm_pgoff.read().wrapping_sub(grow)", "vma.vm_pgoff.read().wrapping_add(grow)")],
    ),
    (
        "a page is taken from the list without a reference",
        "lru.rs",
        &[("frame.count.inc_not_zero()", "frame.count.read() > 0")],
    ),
    ("slots are handed out once swapoff has begun", "swap_map.rs", &[("map.writeok", "true")]),
    (
        "a page that joins the swap cache is not marked",
        "swap_cache.rs",
        &[("self.page(page).swap_cache.write(true);", "")],
    ),
    (
        "a page that leaves the swap cache stays marked",
        "swap_cache.rs",
        &[("self.page(page).swap_cache.write(false);", "")],
    ),
    (
        "the page is there for all before it was read",
        "swap_cache.rs",
        &[(
            "self.set_content(self.page(page), self.swap_read(entry));\n                self.page(page).uptodate.write(true);\n                self.swap_slot_free_notify(page, entry);\n                self.needs(page); // a new page is stable\n                self.unlock_page(page);",
            "self.page(page).uptodate.write(true);\n                self.swap_slot_free_notify(page, entry);\n                self.needs(page); // a new page is stable\n                self.unlock_page(page);\n                self.set_content(self.page(page), self.swap_read(entry));",
        )],
    ),
    (
        "the old page is given up before it was copied",
        "cow.rs",
        &[(
            "self.wp_page_copy(mm, vma, addr, pte, vma.maybe_mkwrite(write))",
            "{\n            self.put_page(old);\n            let copied = self.wp_page_copy(mm, vma, addr, pte, vma.maybe_mkwrite(write));\n            self.get_page(old);\n            copied\n        }",
        )],
    ),
    (
        "the device's reference is taken without the lock",
        "gup.rs",
        &[
            (
                "self.page(page).count.add(self.gup_references());",
                "mm.page_table_lock.unlock();\n                    self.page(page).count.add(self.gup_references());",
            ),
            (
                "mm.page_table_lock.unlock();\n                    return Ok(Pin { world: self, given });",
                "return Ok(Pin { world: self, given });",
            ),
        ],
    ),
    (
        "reclaim unmaps what has no page_mapping",
        "reclaim.rs",
        &[(
            "if !frame.swap_cache.read() {\n            return Shrunk::Kept;\n        }\n        self.page_map_lock(page);",
            "if !frame.swap_cache.read() && !frame.mapped() {\n            return Shrunk::Kept;\n        }\n        self.page_map_lock(page);",
        )],
    ),
    (
        "what is dropped was not written",
        "reclaim.rs",
        &[(
            "self.swap_writepage(page)",
            "{\n                frame.dirty.write(false);\n                true\n            }",
        )],
    ),
    ("the entry's dirty bit is lost", "rmap.rs", &[("frame.dirty.write(true);", "")]),
    (
        "an unmap clears a swap entry before it gives the slot up",
        "exit.rs",
        &[(
            "self.free_swap_and_cache(entry);\n                self.pte_clear_not_present(mm, addr);",
            "self.pte_clear_not_present(mm, addr);\n                self.free_swap_and_cache(entry);",
        )],
    ),
    (
        "the pages of an unmap go before the flush",
        "exit.rs",
        &[(
            "gather.unflushed.into_iter().for_each(|addr| self.flush_tlb_page(mm, addr));\n        gather.pages.into_iter().for_each(|page| self.free_page_and_swap_cache(page));",
            "gather.pages.into_iter().for_each(|page| self.free_page_and_swap_cache(page));\n        gather.unflushed.into_iter().for_each(|addr| self.flush_tlb_page(mm, addr));",
        )],
    ),
    (
        "the swap cache's reference goes before its claim on the slot",
        "swap_cache.rs",
        &[(
            "self.swapcache_free(entry);\n        self.put_page(page);",
            "self.put_page(page);\n        self.swapcache_free(entry);",
        )],
    ),
    (
        "a page is gone from the tree before its slot says that it is on its way",
        "swap_cache.rs",
        &[(
            "self.set_has_cache(entry, ON_ITS_WAY);\n        self.swap_cache.slot(entry).write(None);",
            "self.swap_cache.slot(entry).write(None);\n        self.set_has_cache(entry, ON_ITS_WAY);",
        )],
    ),
    (
        "a page is in the tree before it says so",
        "swap_cache.rs",
        &[(
            "self.page(page).swap_cache.write(true);\n            self.page(page).private.write(u64::from(entry.0) + 1);\n            self.swap_cache.publish(entry, page);",
            "self.swap_cache.publish(entry, page);\n            self.page(page).swap_cache.write(true);\n            self.page(page).private.write(u64::from(entry.0) + 1);",
        )],
    ),
    (
        "what is read from swap is unlocked before it is there",
        "swap_cache.rs",
        &[
            (
                "sync::mark(Mark::SWAP_READ);",
                "sync::mark(Mark::SWAP_READ);\n                self.unlock_page(page);",
            ),
            (
                "self.needs(page); // a new page is stable\n                self.unlock_page(page);",
                "self.needs(page);",
            ),
        ],
    ),
    (
        "what has left the swap cache with its last entry is not dirty",
        "swap_map.rs",
        &[("frame.dirty.write(true);", "")],
    ),
    (
        "swapoff gives the slot up before it maps the page",
        "swapoff.rs",
        &[(
            "self.map_again(mm, vma, addr, Pte::clean(page, false));\n        self.swap_free(entry);",
            "self.swap_free(entry);\n        self.map_again(mm, vma, addr, Pte::clean(page, false));",
        )],
    ),
    (
        "swapoff takes an address space that nobody uses any more",
        "mm_struct.rs",
        &[(
            "list[at..].iter().map(|&mm| self.mm_struct(mm)).find(|mm| mm.mm_users.inc_not_zero())",
            "list[at..].iter().map(|&mm| self.mm_struct(mm)).find(|mm| mm.mm_users.add_return(1) > 0)",
        )],
    ),
    (
        "MADV_PAGEOUT isolates behind the page-table lock",
        "madvise.rs",
        &[
            (
                "page.filter(|&page| self.page(page).lru.read() && self.isolate_for_reclaim(page))",
                "{\n            mm.page_table_lock.unlock();\n            page.filter(|&page| self.page(page).lru.read() && self.isolate_for_reclaim(page))\n        }",
            ),
            (
                "mm.page_table_lock.unlock();\n        if let Some(page) = isolated {\n            self.deactivate_page(page);\n            self.shrink_isolated(page);\n        }",
                "if let Some(page) = isolated {\n            self.deactivate_page(page);\n            self.shrink_isolated(page);\n        }",
            ),
        ],
    ),
];
