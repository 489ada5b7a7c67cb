//! S0.10: swapoff maps what reclaim unmaps again.

use super::worlds::{cached, family_cached};
use crate::mm::World;
use crate::spec::{Clause, Era, UnmapCheck};
use crate::{Mark, Race, Seen};

fn swapoff(w: &World) {
    w.swapoff();
    w.signal();
}

fn lets_go(e: &Seen<'_>) -> bool {
    e.saw(Mark::SWAPOFF_LETS_GO)
}

pub(super) fn races() -> Vec<Race> {
    let once = Race::new("S0.10", "swapoff lets go of the page to get mmap_sem, and reclaim comes by")
        .world(family_cached)
        .cpu("swapoff", swapoff)
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("mmap (the child's)", |w| w.process(1).mmap(4..5))
        .holds(Era::V2_6_11)
        .holds(Era::V2_6_13)
        .holds(Era::V2_6_29)
        .sometimes("swapoff lets go of the page", lets_go)
        .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let forever = Race::new("S0.10/progress", "if both happen in every round, swapoff never ends")
        .world(|w| {
            family_cached(w);
            w.contend_mmap_sem();
        })
        .cpu("swapoff", swapoff)
        .cpu("kswapd, as long as swapoff runs", |w| {
            let page = w.process(0).page_at(1);
            w.repeat_until(|| {
                w.shrink_page(page);
                w.signalled()
            });
        })
        .violates(Era::V2_6_11.with(UnmapCheck::Nothing), Clause::LIVELOCK)
        .still_violates(Era::V2_6_13, Clause::LIVELOCK)
        .showing("swapoff lets go of the page", lets_go);
    let fault = Race::new("S0.10/fault", "swapoff and a store bring the same page back, and one of them takes it out of the swap cache")
        .world(cached)
        .cpu("one round of try_to_unuse", |w| {
            w.unuse_next();
        })
        .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
        .holds(Era::V2_6_11)
        .holds(Era::V2_6_13)
        .holds(Era::V2_6_29)
        .holds(Era::V5_19)
        .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
        .sometimes("the fault comes too late", |e| e.saw(Mark::DO_SWAP_PAGE_ENTRY_CHANGED));
    vec![once, fault, forever]
}
