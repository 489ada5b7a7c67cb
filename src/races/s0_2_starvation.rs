//! S0.2 and S0.8: overlapping requests always hold the page, and who wants to unmap it never can.

use super::worlds::{cached, family};
use crate::mm::World;
use crate::spec::{Clause, Era, UnmapCheck};
use crate::{Mark, Race, Seen};

/// Each request is issued before the one before it is complete.
fn overlapping_requests(w: &World) {
    let p = w.process(0);
    let mut held = p.pin_for_reading(1).expect("it is mapped");
    w.repeat_until(|| {
        let next = p.pin_for_reading(1).expect("it is mapped");
        std::mem::replace(&mut held, next).put();
        w.signalled()
    });
    held.put();
}

fn memory_removal(w: &World) {
    let page = w.process(0).page_at(1);
    w.repeat_until(|| w.unmap_for_removal(page));
    w.signal();
}

fn held(e: &Seen<'_>) -> bool {
    e.saw(Mark::TRY_TO_UNMAP_PAGE_HELD)
}

fn store(w: &World) {
    w.process(1).store(1, 8).expect("it is mapped");
}

pub(super) fn races() -> Vec<Race> {
    let starved = Race::new("S0.2", "a page that is always held by one request or another is never unmapped")
        .world(|w| {
            cached(w);
            w.process(0).touch(1);
        })
        .cpu("direct I/O, overlapping", overlapping_requests)
        .cpu("memory hot-removal", memory_removal)
        .violates(Era::V2_6_11, Clause::LIVELOCK)
        .holds(Era::DOCUMENT_0)
        .holds(Era::V2_6_13)
        .showing("the request keeps the page mapped", held)
        .sometimes("the page is unmapped", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let residual = Race::new("S0.8", "unmapping a page that is being copied is harmless, with document 0's residual check and without it")
        .world(family)
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("store (the child's)", store)
        .holds(Era::V2_6_13.with(UnmapCheck::Residual))
        .holds(Era::V2_6_13)
        .holds(Era::V2_6_29)
        .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
        .sometimes("the page is unmapped", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let shared = Race::new("S0.8/shared", "but with it, a shared page that is always held is still never unmapped")
        .world(family)
        .cpu("direct I/O, overlapping", overlapping_requests)
        .cpu("memory hot-removal", memory_removal)
        .violates(Era::V2_6_13.with(UnmapCheck::Residual), Clause::LIVELOCK)
        .still_violates(Era::DOCUMENT_0, Clause::LIVELOCK)
        .holds(Era::V2_6_13)
        .showing("the request keeps the page mapped", held);
    vec![starved, residual, shared]
}
