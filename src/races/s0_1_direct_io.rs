//! S0.1, S0.7 and S0.11: a device stores into a page that is unmapped meanwhile. Does the process
//! get that page back, or a copy?

use super::worlds::{cached, one_page};
use crate::mm::{Setup, World};
use crate::spec::{
    Clause, Era, GupFast, MprotectWrite, Reuse, SwapinOwn, UnmapCheck, UnmapFlush, WpLock,
    WriteFlush,
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
    vec![
        lost,
        read_first,
        migrated,
        fast,
        clean,
        protected,
        clean_protected,
        untested,
        trylock,
        unmapped,
        stored_late,
    ]
}
