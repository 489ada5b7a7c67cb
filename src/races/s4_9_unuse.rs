//! S4.9 and S4.10: swapoff copies a page that is known by another address, by a fault, with the page locked.

use super::worlds::{family, family_cached};
use crate::mm::World;
use crate::spec::{Clause, Era, UnuseCopy, UnuseFound, UnuseSem, WpLock};
use crate::{Mark, Race};

/// Parent and child have the page on swap and in the swap cache, the child at 3.
fn moved_on_swap(w: &World) {
    family(w);
    w.process(0).swap_out(1);
    w.process(1).mremap(1..2, 3).expect("it is mapped");
    w.process(0).read_ahead(1);
}

pub(super) fn races() -> Vec<Race> {
    // With the cure of S4.5, or these would show that once more.
    let document = Era::DOCUMENT_4.with(UnuseSem::Trylock);
    let waits = document.clone().with(WpLock::Lock);
    let locked = |id: &str, title: &str| {
        Race::new(id, title)
            .world(moved_on_swap)
            .cpu("swapoff, one round", |w| {
                w.swapoff_begins();
                w.unuse_next();
            })
            .violates(waits.clone(), Clause::DEADLOCK)
            .holds(document.clone())
            .holds(document.clone().with(UnuseCopy::Unlocked))
            .holds(waits.clone().with(UnuseCopy::Unlocked))
            .sometimes("a page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    };
    let reclaim = locked("S4.9", "swapoff, which has the page locked, copies it where it was moved to, and reclaim comes by")
        .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(3)))
        .sometimes("reclaim finds the page locked", |e| e.saw(Mark::SHRINK_PAGE_LOCKED));
    let fault = locked("S4.9/fault", "the same, and a thread wants the page")
        .cpu("load (the child's)", |w| {
            w.process(1).load(3).expect("it is mapped");
        })
        .sometimes("a fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let masked =
        Race::new("S4.10", "swapoff notes where it has found a page as its address and one more, and compares that with the page's")
            .world(family_cached)
            .cpu("swapoff", World::swapoff)
            .never("a page that was not moved is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
            .violates(Era::DOCUMENT_4.with(UnuseFound::Unmasked), Clause::RACE_1)
            .holds(Era::DOCUMENT_4)
            .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let moved =
        Race::new("S4.10/moved", "the same with a page that was moved: the fault is given the address and one more, and finds the entry")
            .world(moved_on_swap)
            .cpu("swapoff, then a load (the child's)", |w| {
                w.swapoff();
                w.process(1).load(3).expect("it is mapped");
            })
            .holds(Era::DOCUMENT_4)
            .holds(Era::DOCUMENT_4.with(UnuseFound::Unmasked))
            .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    vec![reclaim, fault, masked, moved]
}
