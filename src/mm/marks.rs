//! The marks: what an execution can have shown, for the conditions of a race.

use crate::sync::Mark;

macro_rules! marks {
    ($($(#[doc = $text:literal])+ $name:ident,)+) => {
        impl Mark {
            $(
                $(#[doc = $text])+
                pub const $name: &Mark =
                    &Mark::new(stringify!($name), concat!($($text),+).trim_ascii_start());
            )+

            /// All that the protocol can set.
            pub const ALL: &[&Mark] = &[$(Mark::$name),+];
        }
    };
}

marks! {
    /// `vma_address` computes an address outside the VMA.
    VMA_ADDRESS_EFAULT,
    /// `vma_address` computes an address inside the VMA, from words that belong together.
    VMA_ADDRESS_RIGHT,
    /// `vma_address` computes an address inside the VMA, from words of which only some have moved.
    VMA_ADDRESS_WRONG,
    /// `page_add_anon_rmap` computes the page's index from words of which only some have moved.
    RMAP_INDEX_WRONG,
    /// A walk has let go of the page's anon_vma, and goes for the lock of its root.
    LOCK_ROOT_BETWEEN_TWO_LOCKS,
    /// `page_lock_anon_vma` has the lock, and the page is mapped no more.
    PAGE_LOCK_ANON_VMA_UNMAPPED,
    /// `page_lock_anon_vma` finds the lock taken, and has to sleep.
    PAGE_LOCK_ANON_VMA_SLEEPS,
    /// `page_lock_anon_vma` has slept, and its reference is the last one.
    PAGE_LOCK_ANON_VMA_LAST,
    /// `anon_vma_free` finds the root's lock taken, and waits.
    ANON_VMA_FREE_WAITS,
    /// `page_referenced` finds an entry.
    PAGE_REFERENCED,
    /// A walk that holds the page's map lock finds a page-table lock taken, and passes by.
    WALK_PASSES_LOCKED_TABLE,
    /// `page_referenced` gives a page whose anonmm has no address space any more to another one.
    PAGE_LEAVES_EXTINCT_ANONMM,
    /// The last reference to an anonmm goes with a page: its address space has gone before.
    ANONMM_FREED_BY_PAGE,
    /// The head of a bundle is freed.
    ANONMM_HEAD_FREED,
    /// A page that is unmapped leaves the head of a bundle alone, and frees it.
    ANONMM_HEAD_FREED_BY_PAGE,
    /// `anon_vma_prepare` comes second: another thread has given the VMA its anon_vma.
    ANON_VMA_PREPARE_LOST,
    /// fork gives the child's VMA the anon_vma of an ancestor.
    ANON_VMA_REUSED,
    /// A fault finds that another one reads the slot beside the swap cache, and waits.
    SWAP_BYPASS_WAITS,
    /// A fault looks at the device before it reads ahead.
    READAHEAD_LOOKS,
    /// `swap_slot_free_notify` has the device give up what it holds of a page in the swap cache.
    SWAP_SLOT_FREE_NOTIFY,
    /// `madvise_free` leaves a page alone that somebody else maps, has locked, or has on swap.
    MADVISE_FREE_LEAVES,
    /// Reclaim takes the last entry of a page away that its process needs no more.
    LAZYFREE_DISCARDS,
    /// Reclaim finds that a page is needed after all, and puts its entry back.
    LAZYFREE_PUTS_BACK,
    /// Reclaim has taken the entry of such a page away, and cannot free it.
    LAZYFREE_KEEPS,
    /// A load finds what was there before another thread gave the memory up.
    LOAD_FINDS_WHAT_WAS_GIVEN_UP,
    /// A load finds that something has been told, and what was given up before by way of its TLB.
    LOAD_BEHIND,
    /// Who gives memory up flushes for somebody else who does so.
    GATHER_FLUSHES_FOR_OTHER,
    /// `zap_pte_range` waits for who goes through entries that reclaim has cleared.
    ZAP_FLUSHES_FOR_RECLAIM,
    /// A page fault finds no VMA.
    PAGE_FAULT_EFAULT,
    /// A page fault for a store finds a VMA that is read-only.
    PAGE_FAULT_READ_ONLY,
    /// A page fault meets a migration entry.
    FAULT_MEETS_MIGRATION_ENTRY,
    /// A page fault takes away a migration entry whose page is not locked.
    FAULT_CLEANS_UP_STALE_ENTRY,
    /// `do_anonymous_page` comes second: another thread has mapped a page there.
    DO_ANONYMOUS_PAGE_LOST,
    /// `do_wp_page` keeps the page.
    DO_WP_PAGE_REUSES,
    /// `do_wp_page` copies the page.
    DO_WP_PAGE_COPIES,
    /// `do_wp_page` finds references that rule out reuse before it takes the page lock.
    DO_WP_PAGE_REFERENCED,
    /// `do_wp_page` finds that somebody else has locked the page.
    DO_WP_PAGE_LOCKED,
    /// `do_swap_page` has locked the page, which is not the slot's any more.
    DO_SWAP_PAGE_LEFT_CACHE,
    /// `do_swap_page` has locked the page, and the page-table entry is another.
    DO_SWAP_PAGE_ENTRY_CHANGED,
    /// `do_swap_page` gets no page, finds the entry as it was, and takes that for want of memory.
    DO_SWAP_PAGE_OOM,
    /// `do_swap_page` maps the page.
    DO_SWAP_PAGE_MAPS,
    /// `do_swap_page` takes the page that is stored to for its process's own.
    DO_SWAP_PAGE_EXCLUSIVE,
    /// `do_swap_page` takes the page that is stored to for shared.
    DO_SWAP_PAGE_SHARED,
    /// `do_swap_page` finds swap full, and gives the slot back.
    DO_SWAP_PAGE_FREES_SLOT,
    /// `do_swap_page` finds swap full, and has to keep the slot.
    DO_SWAP_PAGE_KEEPS_SLOT,
    /// A page is read from the swap device.
    SWAP_READ,
    /// `free_swap_and_cache` takes the page out of the swap cache.
    FREE_SWAP_AND_CACHE_FREES,
    /// `zap_pte_range` meets a migration entry.
    ZAP_MEETS_MIGRATION_ENTRY,
    /// mprotect meets a migration entry that is to be writable again.
    MPROTECT_MEETS_MIGRATION_ENTRY,
    /// mremap has moved a range.
    MREMAP_MOVED,
    /// mremap lets a neighbour grow over the new place.
    MREMAP_MERGES,
    /// Both neighbours of the new place become one with it.
    MREMAP_MERGES_BOTH,
    /// mremap copies a page before it moves it.
    MREMAP_COPIES,
    /// A page that comes back from swap is known by another address.
    SWAPIN_CLASH,
    /// mremap finds no memory left, and moves back what has moved.
    MREMAP_MOVES_BACK,
    /// exec has moved its stack, and what is in it.
    EXEC_MOVED_STACK,
    /// exec fails while its stack is partly moved.
    EXEC_FAILED,
    /// A walk that migrates passes by the stack that exec has yet to move.
    WALK_PASSES_TEMPORARY_STACK,
    /// fork finds no memory left, and there is no child.
    FORK_FAILS,
    /// A page fault finds no memory left.
    PAGE_FAULT_OOM,
    /// fork copies a migration entry.
    FORK_COPIES_MIGRATION_ENTRY,
    /// fork copies a page that a device holds.
    FORK_COPIES_PINNED_PAGE,
    /// `get_user_pages_fast` gives a device a page.
    GUP_FAST_PINS,
    /// `get_user_pages_fast` finds the entry changed, or the page shared, and gives the page back.
    GUP_FAST_LOOKS_AGAIN,
    /// `get_user_pages_fast` meets a fork, and leaves it to who takes locks.
    GUP_FAST_MEETS_FORK,
    /// A walk of the reverse map meets the dummy VMA that keeps the anon_vma.
    RMAP_PASSES_DUMMY,
    /// `try_to_unmap_one` leaves the page mapped, because somebody holds it.
    TRY_TO_UNMAP_PAGE_HELD,
    /// `try_to_unmap_one` leaves the page mapped, because the memory is locked.
    TRY_TO_UNMAP_MLOCKED,
    /// `unmap_for_removal` finds that nothing maps the page any more.
    UNMAP_FOR_REMOVAL_UNMAPS,
    /// `migrate_pages` does not find the page on the LRU list.
    MIGRATE_NOT_ON_LRU,
    /// `migrate_pages` has moved the page.
    MIGRATE_MOVED,
    /// `migrate_pages` leaves the page where it was.
    MIGRATE_FAILED,
    /// `migrate_pages` finds the new page locked, by who takes it for the page that was in its
    /// frame before.
    MIGRATE_NEW_PAGE_LOCKED,
    /// `migrate_pages` leaves a page of the swap cache that nobody maps.
    UNMAPPED_PAGE_SKIPPED,
    /// `migrate_pages` goes to move a page of the swap cache that nobody maps, without its reverse
    /// map.
    UNMAPPED_PAGE_MOVED,
    /// `migrate_page_move_mapping` finds that others refer to the page.
    MOVE_MAPPING_REFERENCED,
    /// `remove_migration_pte` maps the page, whose index is computed from words of which only some
    /// have moved.
    REMOVE_MIGRATION_PTE_WRONG_INDEX,
    /// `remove_migration_ptes` has found fewer entries than there must be, and walks again.
    REMOVE_MIGRATION_PTES_AGAIN,
    /// `shrink_page_list` does not take the page: somebody has made it active just now.
    SHRINK_PAGE_ACTIVE,
    /// `shrink_page_list` finds the page locked.
    SHRINK_PAGE_LOCKED,
    /// `shrink_page_list` leaves a page out of the swap cache because a device holds it.
    SHRINK_PAGE_PINNED,
    /// `shrink_page_list` frees the page.
    SHRINK_FREED,
    /// `shrink_page_list` cannot free the page.
    SHRINK_KEPT,
    /// A page is on its way to the swap device.
    WRITE_BEGINS,
    /// The swap device could not write the page.
    WRITE_FAILS,
    /// The swap device has written the page, or could not.
    WRITE_ENDS,
    /// Somebody would take the page out of the swap cache, and does not, or waits, since the device
    /// is writing it.
    WRITE_KEEPS_SLOT,
    /// swapoff has found no slot in use, and is over.
    SWAPOFF_OVER,
    /// swapoff finds no memory left, and gives up.
    SWAPOFF_FAILS,
    /// swapoff is through with a page, and the slot still has entries.
    SWAPOFF_LEAVES_ENTRIES,
    /// A parent and its child are on a list of address spaces that swapoff does not go along.
    MMLIST_STRAYS,
    /// swapoff unlocks the page to wait for `mmap_sem`.
    SWAPOFF_LETS_GO,
    /// `page_make_volatile` tells the host that it may discard the page.
    PAGE_MADE_VOLATILE,
    /// The last mapping of a page is gone, and `PG_writable` is cleared.
    WRITABLE_RESET,
    /// The end of its writing makes the page volatile.
    VOLATILE_BY_WRITEBACK,
    /// The reverse map's own try makes the page volatile.
    VOLATILE_BY_RMAP,
    /// The host discards what the page holds.
    HOST_DISCARDS,
    /// An access meets a page that the host has discarded.
    DISCARD_FAULT,
    /// A discard fault finds that the page is free by now.
    DISCARD_FAULT_LATE,
    /// `page_discard` takes the page out of the swap cache.
    PAGE_DISCARD_REMOVES,
    /// `page_discard` finds that somebody else takes the page away.
    PAGE_DISCARD_TWICE,
    /// `page_make_stable` finds that the host has discarded the page.
    MAKE_STABLE_FAILS,
    /// `page_make_stable` waits for one that changes the page's state.
    MAKE_STABLE_WAITS,
    /// fork meets a page with the discard bit, and gives the child a swap entry.
    FORK_MEETS_DISCARDED,
    /// `free_swap_and_cache` leaves a page in the swap cache because the host has discarded it.
    FREE_SWAP_KEEPS_DISCARDED,
    /// `do_swap_page` has locked the page, which has the discard bit.
    DO_SWAP_PAGE_MEETS_DISCARDED,
    /// `shrink_page_list` meets a page with the discard bit.
    SHRINK_MEETS_DISCARDED,
    /// Reclaim does not put a page back on the LRU list because it has the discard bit.
    PUTBACK_LEAVES_DISCARDED,
    /// A fault in shared memory finds the page in the page cache.
    SHMEM_IN_PAGE_CACHE,
    /// A fault in shared memory, or swapoff, takes the page from the swap cache to the page cache.
    SHMEM_FROM_SWAP_CACHE,
    /// `shmem_writepage` takes a page from the page cache to the swap cache.
    SHMEM_TO_SWAP_CACHE,
    /// Reclaim drops a page of a file in memory in which nobody has stored.
    SHMEM_DROPPED,
    /// Reclaim would drop one, and somebody has a reference.
    SHMEM_KEPT,
    /// Reclaim would drop one that nobody refers to any more, and somebody has stored there.
    SHMEM_DIRTIED,
    /// A fault has made a page for shared memory, and somebody else has been quicker.
    SHMEM_ALLOC_TOO_LATE,
    /// A fault in shared memory finds its entry there already.
    SHMEM_MAPPED_ALREADY,
    /// `find_lock_page` has slept, and the page has left the page cache meanwhile.
    FIND_LOCK_PAGE_TOO_LATE,
    /// A page of a file in memory is mapped while it is in the swap cache.
    SHMEM_MAPPED_IN_SWAP_CACHE,
}
