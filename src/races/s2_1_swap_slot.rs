//! S2.1 to S2.3: a page's slot is given up while the host has discarded the page, or may.

use super::worlds::{cached, family_cached};
use crate::mm::Setup;
use crate::spec::{Clause, Era, FreeSwapLookup, SlotStable, SwapinLookup, VolatileTry};
use crate::{Mark, Race};

/// The child maps the page, the parent has it on swap, and swap is full.
fn childs(w: &Setup<'_>) {
    family_cached(w);
    w.process(1).load(1).expect("it is mapped");
    w.fill_swap();
}

pub(super) fn races() -> Vec<Race> {
    let zap = |id, title| {
        Race::new(id, title)
            .world(childs)
            .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
            .cpu("host", |w| w.host_discards(w.process(1).page_at(1)))
            .sometimes("the slot is kept", |e| e.saw(Mark::FREE_SWAP_KEEPS_DISCARDED))
            .sometimes("the slot is given up", |e| e.saw(Mark::FREE_SWAP_AND_CACHE_FREES))
    };
    let found = zap(
        "S2.1",
        "an unmap that gives a slot up finds its page discarded, and discards it under the locks \
         that it holds",
    )
    .violates(Era::DOCUMENT_2.with(FreeSwapLookup::Checking), Clause::DEADLOCK)
    .violates(Era::DOCUMENT_2_2009.with(FreeSwapLookup::Checking), Clause::DEADLOCK)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .showing("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS));
    let unmapped = zap("S2.2", "an unmap gives the slot of a page up that the host discards")
        .violates(Era::DOCUMENT_2.with(SlotStable::Nothing), Clause::HINT_2)
        .violates(Era::DOCUMENT_2.with(SlotStable::Fault), Clause::HINT_2)
        .violates(Era::DOCUMENT_2_2009.with(SlotStable::Fault), Clause::HINT_2)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009)
        .finally(|w| assert_eq!(w.process(1).load(1), Ok(101), "what the child had"));
    let faulted = Race::new("S2.3", "a fault gives the slot of a page up that the host discards")
        .world(|w| {
            cached(w);
            w.fill_swap();
        })
        .cpu("load", |w| _ = w.process(0).load(1))
        .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
        .violates(
            Era::DOCUMENT_2.with(SwapinLookup::NoDiscard).with(SlotStable::Zap),
            Clause::HINT_2,
        )
        .holds(Era::DOCUMENT_2.with(SlotStable::Zap))
        .holds(Era::DOCUMENT_2.with(SwapinLookup::NoDiscard))
        .holds(Era::DOCUMENT_2.with(SwapinLookup::NoDiscard).with(VolatileTry::Neither))
        .sometimes("the slot is given up", |e| e.saw(Mark::DO_SWAP_PAGE_FREES_SLOT))
        .sometimes("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS));
    // FINDING-55
    let reused = Race::new("S2.3/reuse", "a store takes a page for its own that the host discards")
        .world(|w| {
            cached(w);
            w.process(0).load(1).expect("it is mapped");
        })
        .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
        .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
        .still_violates(Era::DOCUMENT_2_2009, Clause::HINT_2)
        .holds(Era::DOCUMENT_2_2009.with(SlotStable::Everywhere))
        .holds(Era::DOCUMENT_2)
        .sometimes("do_wp_page keeps the page", |e| e.saw(Mark::DO_WP_PAGE_REUSES));
    vec![found, unmapped, faulted, reused]
}
