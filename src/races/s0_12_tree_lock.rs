//! S0.12 and S0.13: where the swap cache's lock is needed to count references, and where the page
//! lock is enough.

use super::worlds::{cached, family, family_cached, one_page};
use crate::mm::World;
use crate::spec::{
    Clause, CowRmap, Era, ExclusiveLock, FreeSwap, Protocol, Reuse, SwapFreeOrder, WriteError,
    ZapSwap,
};
use crate::{Mark, Race, Seen};

fn store(w: &World) {
    w.process(0).store(1, 8).expect("it is mapped");
}

fn load(w: &World) {
    w.process(0).load(1).expect("it is mapped");
}

fn exclusive(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_EXCLUSIVE) || e.saw(Mark::DO_WP_PAGE_REUSES)
}

/// With the order of steps of 2.6.13: that of 2.6.11 has races of its own (S0.5), and they would
/// hide what is asked here.
fn in_order(protocol: Protocol) -> Protocol {
    protocol.with(SwapFreeOrder::AfterRmap)
}

pub(super) fn races() -> Vec<Race> {
    let redundant = Race::new(
        "S0.12",
        "exclusive_swap_page counts under the page lock, with the tree lock and without it",
    )
    .world(cached)
    .cpu("store", store)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .holds(in_order(Era::V2_6_11))
    .holds(in_order(Era::V2_6_11).with(ExclusiveLock::PageLock))
    .holds(in_order(Era::DOCUMENT_0))
    .holds(in_order(Era::DOCUMENT_0).with(ExclusiveLock::PageLock))
    .sometimes("the page is taken for exclusive", exclusive);
    let necessary = Race::new(
        "S0.13",
        "remove_exclusive_swap_page counts while somebody looks the page up in the swap cache",
    )
    .world(|w| {
        cached(w);
        w.fill_swap();
    })
    .cpu("load", load)
    .cpu("load (another thread)", load)
    .violates(Era::V2_6_13.with(FreeSwap::RemoveExclusiveUnlocked), Clause::SWAP_5)
    .violates(
        Era::V2_6_11.with(Reuse::Mapcount).with(FreeSwap::RemoveExclusiveUnlocked),
        Clause::SWAP_5,
    )
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_13)
    .holds_without(Era::V2_6_29, Clause::SWAP_5)
    .sometimes("a load comes too late", |e| e.saw(Mark::DO_SWAP_PAGE_ENTRY_CHANGED))
    .sometimes("the slot is given back", |e| e.saw(Mark::DO_SWAP_PAGE_FREES_SLOT));
    let unwritten = Race::new(
        "S0.13/unwritten",
        "the page was never written out, and another process's entry still stands for it",
    )
    .world(|w| {
        family(w);
        let parent = w.process(0);
        let held = parent.pin_for_reading(1).expect("it is mapped");
        parent.swap_out(1); // it is unmapped, and the device keeps it from being written
        held.put();
        w.fill_swap();
    })
    .cpu("store (the parent's)", store)
    .cpu("load, then store (the child's)", |w| {
        let child = w.process(1);
        child.load(1).expect("it is mapped");
        child.store(1, 9).expect("it is mapped");
    })
    .holds(Era::V2_6_13.with(CowRmap::AfterEntry))
    .holds(Era::V2_6_29)
    .sometimes("the slot is kept for the other process", |e| e.saw(Mark::DO_SWAP_PAGE_KEEPS_SLOT))
    .sometimes("the page is taken for exclusive", exclusive);
    // FINDING-99
    let write_fails = Race::new(
        "S0.13/write-fails",
        "the device could not write the page: it must not leave the swap cache as if it had",
    )
    .world(|w| {
        one_page(w);
        w.swap_slowly();
    })
    .cpu("kswapd, three times", |w| {
        let page = w.process(0).page_at(1);
        for _ in 0..3 {
            w.shrink_page(page);
        }
    })
    .cpu("swap device: it fails once", |w| {
        let page = w.process(0).page_at(1);
        w.fail_swap_write(page);
        w.end_swap_write(page);
    })
    .violates(Era::V2_6_7, Clause::SWAP_4)
    .violates(Era::V2_6_11, Clause::SWAP_4)
    .violates(Era::V2_6_13, Clause::SWAP_4)
    .holds(Era::V2_6_11.with(WriteError::Redirty))
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .holds(Era::V3_7)
    .holds(Era::V7_3)
    .showing("the write has failed", |e| e.saw(Mark::WRITE_FAILS))
    .sometimes("the page is written again, and freed", |e| {
        e.saw(Mark::WRITE_FAILS) && e.saw(Mark::SHRINK_FREED)
    });
    let zap = Race::new(
        "S0.13/zap",
        "one process unmaps what both have on swap: whose entry is the last, takes the page out \
         of the swap cache",
    )
    .world(family_cached)
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .cpu("store (the child's)", |w| w.process(1).store(1, 9).expect("it is mapped"))
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .sometimes("munmap takes the page out of the swap cache", |e| {
        e.saw(Mark::FREE_SWAP_AND_CACHE_FREES)
    })
    .sometimes("the store has the page alone", exclusive);
    let recount = Race::new(
        "S0.13/recount",
        "the last swap entry is given up, and before the page is looked for, another one comes to \
         be",
    )
    .world(|w| {
        family(w);
        let parent = w.process(0);
        let held = parent.pin_for_reading(1).expect("it is mapped");
        parent.swap_out(1); // it is unmapped, and the device keeps it from being written
        held.put();
        w.process(1).load(1).expect("it is mapped");
    })
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(1)))
    .finally(|w| {
        w.process(1).load(1).expect("it is mapped");
    })
    .violates(Era::V3_7.with(ZapSwap::Unchecked), Clause::DATA_1)
    .violates(Era::V5_9.with(ZapSwap::Unchecked), Clause::DATA_1)
    .holds(Era::V2_6_29)
    .holds(Era::V3_7)
    .holds(Era::V5_9)
    .sometimes("kswapd keeps the page", |e| e.saw(Mark::SHRINK_KEPT));
    vec![redundant, necessary, unwritten, write_fails, zap, recount]
}
