//! S0.1, S0.7 and S0.11: a device stores into a page that is unmapped meanwhile. Does the process
//! get that page back, or a copy?

use super::worlds::{cached, one_page};
use crate::mm::{Setup, World};
use crate::spec::{
    AddToSwap, Clause, Era, GupFast, MadvFree, MprotectWrite, Reuse, SwapHasCache, SwapinOwn,
    UnmapCheck, UnmapFlush, WpLock, WriteFlush,
};
use crate::{Mark, Race, Seen};

/// One page, into which a device will store.
fn given_away(w: &Setup<'_>) {
    one_page(w);
    let _held = w.process(0).pin_for_writing(1).expect("it is mapped");
}

fn kswapd(w: &World) {
    w.shrink_page(w.process(0).page_at(1));
}

fn device(w: &World) {
    let pin = w.pin(0);
    pin.dma_write(7);
    pin.put();
}

fn kswapd_if_there(w: &World) {
    if let Some(page) = w.process(0).page_now(1) {
        w.shrink_page(page);
    }
}

/// One page, of which the process says that it needs it no more.
fn needed_no_more(w: &Setup<'_>) {
    one_page(w);
    w.process(0).lazyfree(1);
}

fn discarded(e: &Seen<'_>) -> bool {
    e.saw(Mark::LAZYFREE_DISCARDS) && e.saw(Mark::SHRINK_FREED)
}

fn needed_again(e: &Seen<'_>) -> bool {
    e.saw(Mark::LAZYFREE_PUTS_BACK)
}

fn store(w: &World) {
    w.process(0).store(1, 8).expect("it is mapped");
}

fn load_then_store(w: &World) {
    w.process(0).load(1).expect("it is mapped");
    store(w);
}

fn back_from_swap(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_MAPS)
}

/// While reclaim comes by, a device stores into the page that it was given, and nobody marks the
/// page dirty.
fn with_unmarked_store(race: Race) -> Race {
    race.cpu("kswapd", kswapd).cpu("the device stores, and nobody marks the page", |w| {
        let pin = w.pin(0);
        pin.dma_write(7);
        pin.put_clean();
    })
}

pub(super) fn races() -> Vec<Race> {
    let lost = Race::new(
        "S0.1",
        "a page that a device stores into is unmapped, and the next store gets a copy",
    )
    .world(given_away)
    .cpu("kswapd", kswapd)
    .cpu("direct I/O completes", device)
    .cpu("store (another thread)", store)
    .violates(Era::V2_6_7.with(UnmapCheck::Nothing), Clause::DATA_1)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .showing("the store gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let read_first = Race::new(
        "S0.1/read",
        "a page that a device stores into is unmapped, comes back write-protected for a load, and \
         the next store gets a copy",
    )
    .world(given_away)
    .cpu("kswapd", kswapd)
    .cpu("direct I/O completes", device)
    .cpu("load, then store (another thread)", load_then_store)
    .violates(Era::V2_6_7.with(UnmapCheck::Nothing), Clause::DATA_1)
    .violates(Era::V5_9, Clause::DATA_1)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .showing("the store gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let migrated = Race::new(
        "S0.1/migrated",
        "a page that was migrated is given to a device, unmapped, and stored to",
    )
    .world(|w| {
        one_page(w);
        let p = w.process(0);
        p.move_pages(1);
        let _held = p.pin_for_writing(1).expect("it is mapped");
    })
    .cpu("kswapd", kswapd)
    .cpu("direct I/O completes", device)
    .cpu("store (another thread)", store)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .sometimes("the page comes back from swap", back_from_swap);
    // Not in the mails: a page may be given to a device without a lock.
    let fast = Race::new(
        "S0.1/fast",
        "a device is given a page without a lock, while reclaim unmaps the page and frees it",
    )
    .world(|w| {
        cached(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", kswapd)
    .cpu("direct I/O (a write)", |w| {
        let pin = w.process(0).pin_for_reading(1).expect("it is mapped");
        pin.read();
        pin.put();
    })
    .violates(Era::V3_7.with(UnmapFlush::BatchedAlone), Clause::COUNT_4)
    .violates(Era::V3_7.with(UnmapFlush::Batched), Clause::COUNT_4)
    .violates(Era::V5_9.with(GupFast::InterruptsOff), Clause::COUNT_4)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .holds(Era::V3_7)
    .holds_without(Era::V5_9, Clause::COUNT_4)
    .holds_without(Era::V5_19, Clause::COUNT_4)
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED));
    let reads = Race::new(
        "S0.1/read-pin",
        "a device is given a page to read beside reclaim, and its process's next store gets a \
         copy: the device reads what was there before",
    )
    .world(one_page)
    .cpu("kswapd", kswapd)
    .cpu("pin, store, read", |w| {
        let p = w.process(0);
        let pin = p.pin_for_reading(1).expect("it is mapped");
        p.store(1, 8).expect("it is mapped");
        pin.read();
        pin.put();
    })
    .violates(Era::V2_6_11, Clause::PIN_3)
    .violates(Era::V2_6_29, Clause::PIN_3)
    .violates(Era::V2_6_33.with(SwapHasCache::Counted), Clause::PIN_3)
    .violates(Era::V5_9, Clause::PIN_3)
    .violates(Era::V5_10, Clause::PIN_3)
    .holds(Era::V2_6_33)
    .holds(Era::V3_7)
    .holds(Era::V5_19)
    .showing("the store gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    .sometimes("the page comes back from swap", back_from_swap);
    let clean = with_unmarked_store(Race::new(
        "S0.1/clean",
        "a page that came back from swap for a load is given to a device, and what it stores is \
         dropped with the page",
    ))
    .world(|w| {
        cached(w);
        let p = w.process(0);
        p.load(1).expect("it is mapped");
        let _held = p.pin_for_writing(1).expect("it is mapped");
    })
    .violates(Era::V6_12, Clause::SWAP_4)
    .violates(Era::V6_18, Clause::SWAP_4)
    .violates(Era::V7_3, Clause::SWAP_4)
    .holds(Era::V5_19)
    .holds(Era::V6_12.with(SwapinOwn::ReadOnly))
    .holds(Era::V6_12.with(GupFast::No)) // the slow way marks the page
    .holds(Era::V5_19.with(UnmapCheck::UnpinnedBefore)) // the device had the page before
    .sometimes("reclaim keeps the page, which is held", |e| e.saw(Mark::TRY_TO_UNMAP_PAGE_HELD));
    // Not in the mails: what mprotect does to entries, and what the next store makes of it.
    let protected = Race::new(
        "S0.1/protected",
        "a page that a device stores into is made read-only and writable again, then stored to",
    )
    .world(given_away)
    .cpu("direct I/O completes", device)
    .cpu("mprotect, mprotect, store", |w| {
        let p = w.process(0);
        p.mprotect(1..2, false);
        p.mprotect(1..2, true);
        store(w);
    })
    .violates(Era::V2_6_11, Clause::PIN_1)
    .violates(Era::V5_9, Clause::PIN_1)
    .violates(Era::V5_10, Clause::PIN_1)
    .holds(Era::V2_6_11.with(Reuse::Mapcount))
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .holds(Era::V6_12)
    .showing("the store gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let clean_protected = with_unmarked_store(Race::new(
        "S0.1/clean-protected",
        "a page came back from swap while it was read-only, is made writable and given to a \
         device, and what it stores is dropped with it",
    ))
    .world(|w| {
        one_page(w);
        let p = w.process(0);
        p.mprotect(1..2, false);
        p.swap_out(1);
        p.load(1).expect("it is mapped");
        p.mprotect(1..2, true);
        let _held = p.pin_for_writing(1).expect("it is mapped");
    })
    .violates(Era::V6_12, Clause::SWAP_4)
    .violates(Era::V6_18, Clause::SWAP_4)
    .violates(Era::V5_19.with(MprotectWrite::Exclusive), Clause::SWAP_4)
    .holds(Era::V6_1)
    .holds(Era::V6_12.with(MprotectWrite::Fault))
    .sometimes("reclaim keeps the page, which is held", |e| e.saw(Mark::TRY_TO_UNMAP_PAGE_HELD));
    let untested = Race::new(
        "S0.7",
        "the situation that could not be tested: pinned, unmapped, and a write fault before the \
         pin is dropped",
    )
    .world(given_away)
    .cpu("kswapd", kswapd)
    .cpu("direct I/O completes", device)
    .cpu("store (another thread)", store)
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .sometimes("the page comes back from swap", back_from_swap);
    let trylock = Race::new(
        "S0.11",
        "the page is locked by somebody who only looks at it, and that alone makes the store get \
         a copy",
    )
    .world(|w| {
        given_away(w);
        let p = w.process(0);
        p.swap_out(1); // it is unmapped, and the device keeps it from being freed
        p.load(1).expect("it is mapped");
    })
    .cpu("lock_page, unlock_page", |w| {
        let page = w.process(0).page_at(1);
        w.lock_page(page);
        w.unlock_page(page);
    })
    .cpu("direct I/O completes", device)
    .cpu("store (another thread)", store)
    .violates(Era::V2_6_13, Clause::DATA_1)
    .violates(Era::V2_6_29.with(WpLock::Trylock), Clause::PIN_1)
    .holds(Era::V2_6_29)
    .showing("do_wp_page finds the page locked", |e| e.saw(Mark::DO_WP_PAGE_LOCKED))
    .sometimes("do_wp_page finds the page locked", |e| e.saw(Mark::DO_WP_PAGE_LOCKED));
    let unmapped = Race::new(
        "S0.11/unmapped",
        "who locks the page unmaps it, while the store waits for the lock",
    )
    .world(|w| {
        cached(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", kswapd)
    .cpu("store", store)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .sometimes("do_wp_page finds the page locked", |e| e.saw(Mark::DO_WP_PAGE_LOCKED));
    // Not in the document: no device, but a CPU that still has the entry.
    let stored_late = Race::new(
        "S0.1/stored",
        "a page is written to swap while another CPU stores through the entry that reclaim has \
         cleared",
    )
    .world(one_page)
    .cpu("kswapd", kswapd)
    .cpu("store, then load", |w| {
        store(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .violates(Era::V5_9.with(WriteFlush::Late), Clause::DATA_1)
    .violates(Era::V6_18.with(WriteFlush::Late), Clause::DATA_1)
    .holds(Era::V2_6_29)
    .holds(Era::V3_7)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .holds(Era::V7_3)
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("it comes back from swap", back_from_swap);
    // Not in the document: 6c8e2a256915, of 2022. The process does not need what is in its buffer,
    // and says so, before a device stores there.
    let lazyfree = Race::new(
        "S0.1/lazyfree",
        "a device stores into a page after MADV_FREE, and reclaim discards it, since no CPU has \
         stored there",
    )
    .world(needed_no_more)
    .cpu("kswapd", kswapd)
    .cpu("direct I/O (a read), then load", |w| {
        let p = w.process(0);
        p.direct_io(1, 7).expect("it is mapped");
        p.load(1).expect("it is mapped");
    })
    .violates(Era::V5_9, Clause::DATA_1)
    .violates(Era::V6_12.with(MadvFree::Dirty), Clause::DATA_1)
    .holds(Era::V5_9.with(MadvFree::References))
    .holds(Era::V5_9.with(GupFast::No)) // who takes the page-table lock marks the page dirty
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V6_1)
    .holds(Era::V6_12)
    .holds(Era::V7_3)
    .sometimes("the page is discarded before the device is given one", discarded)
    .sometimes("reclaim finds that it is needed again", needed_again);
    let lazyfree_store = Race::new(
        "S0.1/lazyfree-store",
        "the process stores into a page after MADV_FREE, while reclaim discards it",
    )
    .world(needed_no_more)
    .cpu("kswapd", kswapd)
    .cpu("store, then load", |w| {
        store(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .holds(Era::V5_9)
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V7_3)
    .sometimes("the page is discarded", discarded)
    .sometimes("reclaim finds that it is needed again", needed_again);
    let lazyfree_cached = Race::new(
        "S0.1/lazyfree-cached",
        "MADV_FREE takes a page out of the swap cache that reclaim unmaps, and the process stores \
         there again",
    )
    .world(|w| {
        cached(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", kswapd_if_there)
    .cpu("madvise(MADV_FREE), store, load", |w| {
        let p = w.process(0);
        p.lazyfree(1);
        store(w);
        p.load(1).expect("it is mapped");
    })
    .holds(Era::V5_9)
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V7_3)
    .sometimes("reclaim has the page, and MADV_FREE leaves it", |e| {
        e.saw(Mark::MADVISE_FREE_LEAVES)
    })
    .sometimes("the page is discarded", discarded)
    .sometimes("reclaim finds that it is needed again", needed_again);
    // FINDING-100
    let lazyfree_isolated = Race::new(
        "S0.1/lazyfree-isolated",
        "MADV_FREE comes by a page that reclaim has isolated: it is clean, and not marked",
    )
    .world(super::worlds::one_page)
    .cpu("kswapd", kswapd_if_there)
    .cpu("madvise(MADV_FREE), load", |w| {
        let p = w.process(0);
        p.lazyfree(1);
        p.load(1).expect("it is mapped");
    })
    .violates(Era::V5_9.with(AddToSwap::Clean), Clause::SWAP_4)
    .holds(Era::V5_9)
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V7_3)
    .sometimes("the page is discarded", discarded)
    .sometimes("reclaim frees the page", |e| e.saw(Mark::SHRINK_FREED));
    let lazyfree_family = Race::new(
        "S0.1/lazyfree-family",
        "a page after MADV_FREE is shared with a child, which stores there, and reclaim takes one \
         entry after the other",
    )
    .world(|w| {
        needed_no_more(w);
        w.process(0).fork();
    })
    .cpu("kswapd", kswapd_if_there)
    .cpu("store (the child's)", |w| w.process(1).store(1, 8).expect("it is mapped"))
    .finally(|w| {
        for process in [0, 1] {
            w.process(process).load(1).expect("it is mapped");
        }
    })
    .holds(Era::V5_9)
    .holds(Era::V5_10)
    .holds(Era::V5_19)
    .holds(Era::V7_3)
    .sometimes("the page is discarded", discarded);
    // The same of a buffer that a device holds for long, as io_uring's registered ones: who lets go
    // of it does not say that it was stored to.
    let lazyfree_held = Race::new(
        "S0.1/lazyfree-held",
        "a device stores after MADV_FREE into a page that it was given before, and nobody marks the \
         page dirty",
    )
    .world(given_away)
    .cpu("kswapd", kswapd_if_there)
    .cpu("madvise(MADV_FREE), the device stores and lets go, load", |w| {
        let (p, pin) = (w.process(0), w.pin(0));
        p.lazyfree(1);
        pin.dma_write(7);
        pin.put_clean();
        p.load(1).expect("it is mapped");
    })
    .violates(Era::V5_9, Clause::DATA_1)
    .violates(Era::V5_19, Clause::DATA_1)
    .violates(Era::V6_12, Clause::DATA_1)
    .violates(Era::V7_3, Clause::DATA_1);
    vec![
        lazyfree,
        lazyfree_held,
        lazyfree_store,
        lazyfree_cached,
        lazyfree_isolated,
        lazyfree_family,
        lost,
        read_first,
        migrated,
        fast,
        reads,
        clean,
        protected,
        clean_protected,
        untested,
        trylock,
        unmapped,
        stored_late,
    ]
}
