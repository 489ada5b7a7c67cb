//! S0.5: between the swap entry that is given up and the mapping that is counted, nobody seems to
//! have the page.

use super::worlds::{cached, half_mapped};
use crate::mm::World;
use crate::spec::{Clause, Era, FreeSwap, Reuse, SwapFreeOrder, SwapinMapcount};
use crate::{Mark, Race, Seen};

fn childs_load(w: &World) {
    w.process(1).load(1).expect("it is mapped");
}

fn store(w: &World) {
    w.process(0).store(1, 8).expect("it is mapped");
}

fn cases(race: Race) -> Race {
    race.violates(Era::DOCUMENT_0, Clause::COW_1)
        .violates(Era::V2_6_11.with(Reuse::Mapcount), Clause::COW_1)
        .violates(Era::V2_6_13.with(SwapFreeOrder::BeforeUnlock), Clause::COW_1)
        .violates(Era::V2_6_13.with(SwapFreeOrder::First), Clause::COW_1)
        .holds(Era::V2_6_11)
        .holds(Era::DOCUMENT_0.with(SwapFreeOrder::AfterRmap))
        .holds(Era::DOCUMENT_0.with(SwapinMapcount::BeforeDecision))
        .holds(Era::V2_6_13)
        .holds(Era::V2_6_29)
        .holds(Era::V5_9)
        .holds(Era::V5_19)
}

fn reused(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_WP_PAGE_REUSES)
}

pub(super) fn races() -> Vec<Race> {
    let dip = cases(Race::new(
        "S0.5",
        "a swap entry is given up before the mapping is counted, and another process takes the \
         page for its own",
    ))
    .world(half_mapped)
    .cpu("load (the child's)", childs_load)
    .cpu("store (the parent's)", store)
    .showing("do_wp_page takes the page for its own", reused)
    .sometimes("the child gets its page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("the parent gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let full = cases(Race::new(
        "S0.5/full",
        "a swap entry is given up before the mapping is counted, while swap is full and slots are \
         given back at once",
    ))
    .world(|w| {
        half_mapped(w);
        w.fill_swap();
    })
    .cpu("load (the child's)", childs_load)
    .cpu("store (the parent's)", store)
    .showing("do_wp_page takes the page for its own", reused)
    .sometimes("the child gets its page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    // Not in the mails: what else may happen once the page is unlocked too early.
    let unset = Race::new(
        "S0.5/reclaim",
        "the page is unlocked before its mapping is set, and reclaim follows the mapping",
    )
    .world(cached)
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .violates(Era::V2_6_11, Clause::NULL_1)
    .violates(Era::DOCUMENT_0, Clause::NULL_1)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_11.with(SwapFreeOrder::AfterRmap))
    .holds(Era::DOCUMENT_0.with(SwapinMapcount::BeforeDecision))
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .sometimes("the page is mapped", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let left = Race::new(
        "S0.5/reclaim-full",
        "where swap is full the page has left the swap cache by then, and reclaim passes it by",
    )
    .world(|w| {
        cached(w);
        w.fill_swap();
    })
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .holds(Era::V2_6_11.with(FreeSwap::TryToFree))
    .holds(Era::V2_6_13)
    .sometimes("the page is mapped, and its slot given back", |e| {
        e.saw(Mark::DO_SWAP_PAGE_MAPS) && e.saw(Mark::DO_SWAP_PAGE_FREES_SLOT)
    });
    vec![dip, full, unset, left]
}
