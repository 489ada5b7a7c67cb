//! S3.13 and S3.14: a page in the swap cache needs no migration entries, but nobody may refer to it
//! when its copy takes its place.

use super::worlds::{self, family_cached};
use crate::mm::{Errno, Process, Setup, World};
use crate::spec::{
    AnonVmaLife, Clause, Era, FindGetPage, MoveMapping, Protocol, StillMapped, SwapBypass,
    SwapCacheEntry, SwapCacheMove, SwapCacheRemap, SwapinNotify, SwapinRecheck, UnmapCheck,
    UnmappedPage,
};
use crate::{Mark, Race, Seen};

/// A page in the swap cache, on the LRU list, with a swap entry for it.
fn cached(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
    p.swap_out(1);
    p.read_ahead(1);
}

/// The same, and it is mapped, too.
fn cached_and_mapped(w: &Setup<'_>) {
    cached(w);
    w.process(0).load(1).expect("it is mapped");
}

/// A load that may be told that there is no memory, which S3.13/no-memory is about (FINDING-66).
fn load_if_told_so(w: &World) {
    let loaded = w.process(0).load(1);
    assert!(loaded.is_ok() || loaded == Err(Errno::Enomem), "{loaded:?}");
}

/// A store, and reclaim comes by the page that it was into.
fn store_then_kswapd(w: &World) {
    let p = w.process(0);
    p.store(1, 8).expect("it is mapped");
    if let Some(page) = p.page_now(1) {
        w.shrink_page(page);
    }
}

/// One page, which is on swap.
fn one_swapped(w: &Setup<'_>) {
    worlds::one_page(w);
    w.process(0).swap_out(1);
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

fn mapped(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_MAPS)
}

fn has_references(e: &Seen<'_>) -> bool {
    e.saw(Mark::MOVE_MAPPING_REFERENCED)
}

/// A parent and a child that share a page which is still mapped in the parent, and in the swap
/// cache.
fn half_mapped(w: &Setup<'_>) {
    let parent = w.new_process();
    parent.mmap(1..3);
    parent.touch(1);
    let child = parent.fork();
    child.swap_out(1);
    parent.load(1).expect("it is mapped");
}

/// A page in the swap cache that was to be written out, but was pinned.
fn unwritten(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(2);
    p.swap_out(2); // the first slot is taken
    p.touch(1);
    let pinned = p.pin_for_writing(1).expect("it is mapped");
    p.swap_out(1);
    pinned.put();
}

/// The same as [`half_mapped`] once the parent has gone: nobody maps the page, and its anon_vma is
/// there because the child is on the list.
fn abandoned(w: &Setup<'_>) {
    half_mapped(w);
    w.process(0).exit();
}

/// The parent gets a copy, the child the page that was on swap; then the copy goes to swap, where
/// it gets the same slot.
fn swap_places(w: &World) {
    w.process(0).store(1, 8).expect("it is mapped");
    w.process(1).store(1, 9).expect("it is mapped");
    unmap(w.process(0));
}

/// Memory hot-removal comes by the page that is there now.
fn unmap(process: Process<'_>) {
    if let Some(page) = process.page_now(1) {
        process.world().unmap_for_removal(page);
    }
}

pub(super) fn races() -> Vec<Race> {
    let stored_into = |race: Race| {
        race.world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
        })
        .cpu("kswapd, then migrate_pages", |w| {
            let page = w.process(0).page_at(1);
            w.shrink_page(page);
            w.migrate(page);
        })
        .cpu("direct I/O", |w| w.process(0).direct_io(1, 7).expect("it is mapped"))
    };
    let pinned = stored_into(Race::new(
        "S3.13",
        "a device stores into the page whose copy takes its place in the swap cache",
    ))
    .violates(Era::V2_6_36.with(MoveMapping::Unchecked), Clause::DATA_1)
    .holds(Era::V2_6_36.with(MoveMapping::Count))
    .holds(Era::V2_6_36)
    .holds(Era::V2_6_38)
    .sometimes("the device's reference keeps the page where it is", has_references)
    .sometimes("the page is moved", moved);
    // Without the check, a fault maps the old page; but that alone is harmless: it is a private
    // copy, and nobody else has its content.
    let fault = Race::new(
        "S3.13/fault",
        "a fault looks the page up in the swap cache, and its copy takes its place there",
    )
    .world(cached)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("store, then load", |w| {
        w.process(0).store(1, 7).expect("it is mapped");
        w.process(0).load(1).expect("it is mapped");
    })
    .holds(Era::V2_6_36.with(MoveMapping::Unchecked))
    .holds(Era::V2_6_36.with(MoveMapping::NoTreeLock))
    .holds(Era::V2_6_36.with(MoveMapping::Count))
    .holds(Era::V2_6_36)
    .sometimes("the page is moved", moved)
    .sometimes("the fault maps a page", mapped);
    // Two faults that looked it up before share the old page, and neither count nor lock tells the
    // one that stores of the other. That the other rules hold takes minutes:
    // shuttle-tests/tests/deep.rs.
    // Since 2.6.36 a fault looks whether the page is in the swap cache still, and that alone would
    // be enough.
    let entry_only = |rule: MoveMapping| Era::V2_6_36.with(SwapinRecheck::Entry).with(rule);
    let two = Race::new(
        "S3.13/two",
        "two processes' faults look the page up, and its copy takes its place there",
    )
    .world(family_cached)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("store (the parent's)", |w| w.process(0).store(1, 7).expect("it is mapped"))
    .cpu("load (the child's)", |w| {
        w.process(1).load(1).expect("it is mapped");
    })
    .violates(entry_only(MoveMapping::Unchecked), Clause::COW_1)
    .violates(entry_only(MoveMapping::NoTreeLock), Clause::COW_1)
    .violates(entry_only(MoveMapping::Count), Clause::COW_1)
    .violates(entry_only(MoveMapping::NoTreeLock).with(FindGetPage::Locked), Clause::COW_1);
    // 2.6.29 leaves an unmapped page alone, so one of the two must have had it mapped.
    let mapped_two = Race::new(
        "S3.13/two-mapped",
        "parent and child bring a page back while it is migrated, which the parent had mapped \
         until the migration unmaps it",
    )
    .world(half_mapped)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("load (the parent's)", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("store (the child's)", |w| w.process(1).store(1, 7).expect("it is mapped"))
    .showing("the page is moved", moved)
    .violates(Era::V2_6_29.with(MoveMapping::Count), Clause::COW_1)
    .violates(Era::V2_6_29.with(MoveMapping::NoTreeLock).with(FindGetPage::Locked), Clause::COW_1);
    let family = Race::new(
        "S3.13/family",
        "a page in the swap cache, mapped by the parent and on swap for the child, is migrated",
    )
    .world(half_mapped)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("load (the child's)", |w| {
        w.process(1).load(1).expect("it is mapped");
    })
    .holds(Era::V2_6_36)
    .holds(Era::V2_6_38)
    .sometimes("the page is moved", moved)
    .sometimes("the fault maps a page", mapped);
    let dirty =
        Race::new("S3.13/dirty", "the copy of a page that was never written out is reclaimed")
            .world(unwritten)
            .cpu("migrate_pages, then kswapd", |w| {
                w.migrate(w.process(0).page_at(1));
                if let Some(copy) = w.process(0).page_now(1) {
                    w.shrink_page(copy);
                }
            })
            .cpu("load", |w| {
                w.process(0).load(1).expect("it is mapped");
            })
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_38)
            .sometimes("the page is moved, and the copy freed", |e| {
                moved(e) && e.saw(Mark::SHRINK_FREED)
            });
    let stale = Race::new(
        "S3.14",
        "the mapping of an unmapped page in the swap cache is stale: its anon_vma may be gone",
    )
    .world(abandoned)
    .cpu("migrate_pages", |w| w.migrate(w.process(1).page_at(1)))
    .cpu("exit_mmap (the child's)", |w| w.process(1).exit())
    .violates(Era::V2_6_34, Clause::LIFE_1)
    // as 2.6.35 came out
    .holds(Era::V2_6_34.with(AnonVmaLife::Refcount).with(UnmappedPage::MoveWithoutRmap))
    .holds(Era::V2_6_36)
    .holds(Era::V2_6_38)
    .holds(Era::V3_7)
    .sometimes("the page is moved", moved);
    let skipped = Race::new(
        "S3.14/skipped",
        "67b9509b2c68 looked whether the page is mapped, and left it where it was",
    )
    .world(abandoned)
    .cpu("migrate_pages", |w| w.migrate(w.process(1).page_at(1)))
    .cpu("exit_mmap (the child's)", |w| w.process(1).exit())
    .holds(Era::V2_6_34.with(AnonVmaLife::RcuMapped))
    .sometimes("the page is skipped", |e| e.saw(Mark::UNMAPPED_PAGE_SKIPPED));
    let lookup = Race::new(
        "S3.13/lookup",
        "a fault looks the page up while it is dropped, and its frame becomes another page's",
    )
    .world(cached)
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd, then a store elsewhere", |w| {
        w.shrink_page(w.process(0).page_at(1));
        w.process(0).store(2, 8).expect("it is mapped");
    })
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V2_6_36)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .sometimes("the page is dropped", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("the fault maps a page", mapped);
    // Not in the mails: of the look-ups without a lock, the one that looks once locks what it has
    // taken by mistake.
    let mistaken = |id: &str, title: &str| {
        Race::new(id, title).cpu("load", |w| {
            w.process(0).load(2).expect("it is mapped");
        })
    };
    let taken_by_migration = mistaken(
        "S3.13/frame-migrated",
        "the frame of the page that a fault has looked up becomes that of a page's copy",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..3);
        p.touch(1);
        p.touch(2);
        p.swap_out(2);
        p.read_ahead(2);
    })
    .cpu("kswapd, then migrate_pages of another page", |w| {
        w.shrink_page(w.process(0).page_at(2));
        w.migrate(w.process(0).page_at(1));
    })
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .holds(Era::V6_12)
    .holds(Era::V6_18)
    .sometimes("the page is moved", moved)
    .sometimes("the fault maps a page", mapped);
    let taken_by_reading = mistaken(
        "S3.13/frame-read",
        "the frame of the page that a fault has looked up becomes that of a page that is being \
         read",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..3);
        p.touch(1);
        p.touch(2);
        p.swap_out(1);
        p.swap_out(2);
        p.read_ahead(2);
    })
    .cpu("kswapd, then a load elsewhere", |w| {
        w.shrink_page(w.process(0).page_at(2));
        w.process(0).load(1).expect("it is mapped");
    })
    .violates(Era::V6_18, Clause::GUARD_1)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .holds(Era::V6_12)
    .holds(Era::V6_18.with(FindGetPage::Lockless))
    .holds(Era::V7_3)
    .sometimes("the page is dropped", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("the fault maps a page", mapped);
    // Not in the mails: the slot's claim, and the tree, let one of them in.
    let both = Race::new(
        "S3.13/both",
        "two processes fault on the same slot at once, and neither finds its page in the swap \
         cache",
    )
    .world(|w| {
        worlds::family(w);
        w.process(0).swap_out(1);
    })
    .cpu("load (the parent's)", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("load (the child's)", |w| {
        w.process(1).load(1).expect("it is mapped");
    })
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V2_6_33)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .sometimes("the fault maps a page", mapped);
    // Not in the mail: what 2.6.36 looks at the swap cache again for.
    let again = |id: &str, title: &str| {
        Race::new(id, title)
            .world(family_cached)
            .cpu("load (the parent's)", load_if_told_so)
            .sometimes("the fault maps a page", mapped)
    };
    let slot_again = again(
        "S3.13/again",
        "while a fault waits for the page it found, the page leaves the swap cache, and another \
         gets its slot",
    )
    .cpu("stores of another thread, then of the child; memory hot-removal", swap_places)
    .violates(Era::V2_6_29, Clause::COW_1)
    .violates(Era::V2_6_34, Clause::COW_1)
    .violates(Era::V2_6_36.with(SwapinRecheck::Entry), Clause::COW_1)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_36);
    let back_again = again(
        "S3.13/back",
        "while a fault waits for the page it found, the page leaves the swap cache, and comes \
         back to it in another slot",
    )
    .cpu("stores of another thread, then of the child; memory hot-removal of both pages", |w| {
        swap_places(w);
        unmap(w.process(1));
    })
    // 2.6.36 holds, after 268,375 executions: shuttle-tests/tests/deep.rs
    .violates(Era::V2_6_29, Clause::COW_1)
    // FINDING-96
    .violates(Era::V2_6_36.with(SwapinRecheck::EntryAndFlag), Clause::COW_1);
    let slot_by_exit = again(
        "S3.13/exit",
        "an exit takes the page out of the swap cache while a fault waits for it, and another \
         page gets its slot",
    )
    .cpu("store of another thread, exit of the child, memory hot-removal", |w| {
        w.process(0).store(1, 8).expect("it is mapped");
        w.process(1).exit();
        unmap(w.process(0));
    })
    .violates(Era::V2_6_13, Clause::DATA_1)
    .violates(Era::V2_6_29, Clause::DATA_1)
    .holds(Era::V2_6_36);
    // Each time that swapoff wants an mmap_sem it lets go of the page, and somebody may unmap again
    // what it has brought back: reclaim, too, if it has isolated the page by then.
    let slot_by_swapoff = Race::new(
        "S3.13/swapoff",
        "swapoff takes the page out of the swap cache while a fault waits for it, and another \
         process maps it",
    )
    .world(|w| {
        worlds::family(w);
        let child = w.process(1);
        // It has been on swap before, so that swapoff comes to it last.
        child.mmap(2..3);
        child.touch(2);
        child.swap_out(2);
        child.munmap(2..3);
        w.process(0).swap_out(1);
        w.process(0).read_ahead(1);
        w.contend_mmap_sem();
    })
    .cpu("swapoff (one round)", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .cpu("memory hot-removal", |w| unmap(w.process(0)))
    .cpu("store (the parent's)", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .violates(Era::V2_6_13, Clause::COW_2)
    .violates(Era::V2_6_34, Clause::COW_2)
    .violates(Era::V2_6_36.with(SwapinRecheck::Entry), Clause::COW_2)
    // 2.6.36 and later kernels hold: 180,925 states, and too many executions for the catalogue.
    .sometimes("swapoff leaves entries behind", |e| e.saw(Mark::SWAPOFF_LEAVES_ENTRIES))
    .sometimes("the fault maps a page", mapped);
    // What the mail quotes of a page in the swap cache, sentence by sentence.
    let migrate = |w: &World| w.migrate(w.process(0).page_at(1));
    let load = |w: &World| {
        w.process(0).load(1).expect("it is mapped");
    };
    let skip = |protocol: Protocol| protocol.with(SwapCacheRemap::Skip);
    let entries = || Era::V2_6_36.with(SwapCacheEntry::Migration);
    let remap = Race::new(
        "S3.13/skip",
        "a page in the swap cache is mapped, unmapped and moved, and remove_migration_ptes is \
         skipped",
    )
    .world(cached_and_mapped)
    .cpu("migrate_pages", migrate)
    .cpu("load", load)
    .violates(skip(entries()), Clause::MIG_1)
    .holds(skip(Era::V2_6_36))
    .holds(skip(Era::V2_6_38))
    .holds(entries())
    .sometimes("the page is moved", moved);
    let goes_on = |protocol: Protocol| protocol.with(StillMapped::Move);
    let held = |protocol: Protocol| protocol.with(UnmapCheck::Count);
    let unchecked = || held(Era::V2_6_36.with(MoveMapping::Unchecked));
    let still = Race::new(
        "S3.13/still-mapped",
        "a device keeps the page mapped, and migration does not look whether it is",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..2);
        p.touch(1);
        let _held = p.pin_for_writing(1).expect("it is mapped");
        p.swap_out(1); // it gets as far as the swap cache
    })
    .cpu("migrate_pages", migrate)
    .cpu("direct I/O completes", |w| {
        let pin = w.pin(0);
        pin.dma_write(7);
        pin.put();
    })
    .violates(goes_on(unchecked()), Clause::RMAP_1)
    .holds(unchecked())
    .holds(held(Era::V2_6_36))
    .holds(goes_on(held(Era::V2_6_36)))
    .sometimes("the request keeps the page mapped", |e| e.saw(Mark::TRY_TO_UNMAP_PAGE_HELD))
    .sometimes("the page is moved", moved);
    let free = |protocol: Protocol| protocol.with(SwapCacheMove::Free);
    let freed = stored_into(Race::new(
        "S3.13/freed",
        "a device stores into a page in the swap cache, which migration frees instead of moving it",
    ))
    .violates(Era::V2_6_36.with(MoveMapping::Unchecked), Clause::DATA_1)
    .holds(free(Era::V2_6_36.with(MoveMapping::Unchecked)))
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED));
    let io = Race::new("S3.13/io", "the page is needed again at once: is it read from the device?")
        .world(|w| {
            unwritten(w);
            w.process(0).load(1).expect("it is mapped");
        })
        .cpu("migrate_pages", migrate)
        .cpu("load", load)
        .violates(free(Era::V2_6_36), Clause::RACE_1)
        .holds(Era::V2_6_36)
        .holds(Era::V2_6_38)
        .never("the page is read from the device", |e| e.saw(Mark::SWAP_READ))
        .sometimes("the page is moved", moved);
    // Not in the mails: 13ddaf26be32, of 2024.
    let bypass = Race::new(
        "S3.13/bypass",
        "two threads read a slot of a device that is memory; the one stores, and is swapped out \
         to the same slot before the other maps",
    )
    .world(|w| {
        w.swap_to_memory();
        one_swapped(w);
    })
    .cpu("load", load_if_told_so)
    .cpu("store, then kswapd", store_then_kswapd)
    .violates(Era::V5_9, Clause::DATA_1)
    .violates(Era::V5_19, Clause::DATA_1)
    .holds(Era::V5_19.with(SwapBypass::Claimed))
    .holds(Era::V6_1)
    .holds(Era::V6_18)
    .sometimes("one waits for the other's claim", |e| e.saw(Mark::SWAP_BYPASS_WAITS))
    .sometimes("the page is swapped out again", |e| e.saw(Mark::SHRINK_FREED));
    // Not in the mails: e914d8f00391, of 2022.
    let zram = Race::new(
        "S3.13/zram",
        "a fault reads a slot beside the swap cache, and somebody else has read it into the swap \
         cache: the device has given up what it held",
    )
    .world(|w| {
        w.swap_to_zram();
        one_swapped(w);
    })
    .cpu("load", load)
    .cpu("swapin_readahead (a fault elsewhere)", |w| w.process(0).read_around(1))
    .violates(Era::V5_9, Clause::DATA_1)
    .holds(Era::V5_9.with(SwapinNotify::No))
    .holds(Era::V5_9.with(SwapBypass::No))
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V6_1)
    .holds(Era::V6_18)
    .sometimes("the fault finds the page in the swap cache", |e| {
        e.saw(Mark::DO_SWAP_PAGE_MAPS) && !e.saw(Mark::SWAP_BYPASS_WAITS)
    });
    // Not in the mails: the entry is all that is asked, and it is as it was.
    let no_memory = Race::new(
        "S3.13/no-memory",
        "a fault finds its slot gone; the page is stored to, and swapped out to the same slot",
    )
    .world(one_swapped)
    .cpu("load", load_if_told_so)
    .cpu("store, then kswapd", store_then_kswapd)
    .violates(Era::V2_6_29, Clause::RACE_1)
    .violates(Era::V2_6_36, Clause::RACE_1)
    .violates(Era::V5_19, Clause::RACE_1)
    .violates(Era::V6_18, Clause::RACE_1)
    .never("the fault says that there is no memory", |e| e.saw(Mark::DO_SWAP_PAGE_OOM));
    // Its entry does not say so: it was another process's too when it went to swap.
    let bypass_own = Race::new(
        "S3.13/bypass-own",
        "a page came beside the swap cache, and somebody takes it off the LRU list: it is the \
         process's own all the same",
    )
    .world(|w| {
        w.swap_to_memory();
        worlds::family(w);
        w.process(0).swap_out(1);
        w.process(1).exit();
    })
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .cpu("migrate_pages", |w| w.migrate_newest())
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_1)
    .holds(Era::V6_18)
    .never("the page is copied, and nobody shares it", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    .sometimes("migration finds the page, and that it is referred to", has_references);
    vec![
        taken_by_migration,
        taken_by_reading,
        bypass_own,
        bypass,
        zram,
        no_memory,
        both,
        remap,
        still,
        freed,
        io,
        pinned,
        fault,
        two,
        mapped_two,
        lookup,
        slot_again,
        back_again,
        slot_by_exit,
        slot_by_swapoff,
        family,
        dirty,
        stale,
        skipped,
    ]
}
