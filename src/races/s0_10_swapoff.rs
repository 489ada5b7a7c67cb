//! S0.10: swapoff maps what reclaim unmaps again.

use super::worlds::{cached, family, family_cached};
use crate::mm::{PageRef, World};
use crate::spec::{Clause, Era, TryToUnuse, UnmapCheck, UnuseActivate};
use crate::{Mark, Race, Seen};

fn swapoff(w: &World) {
    w.swapoff();
    w.signal();
}

fn lets_go(e: &Seen<'_>) -> bool {
    e.saw(Mark::SWAPOFF_LETS_GO)
}

/// As [`family_cached`], and a third process, which swapoff comes to last.
fn with_bystander(w: &World) {
    family(w);
    let bystander = w.new_process();
    bystander.mmap(1..2);
    bystander.touch(1);
    bystander.swap_out(1);
    bystander.munmap(1..2);
    w.process(0).swap_out(1);
    w.process(0).read_ahead(1);
}

/// Reclaim comes by again and again, where `which` says, and `mmap_sem` is never free at once.
fn progress(id: &'static str, title: &'static str, world: fn(&World), which: fn(&World) -> Option<PageRef>) -> Race {
    Race::new(id, title)
        .world(move |w| {
            world(w);
            w.contend_mmap_sem();
        })
        .cpu("swapoff", swapoff)
        .cpu("kswapd, as long as swapoff runs", move |w| {
            w.repeat_until(|| {
                which(w).into_iter().for_each(|page| w.shrink_page(page));
                w.signalled()
            });
        })
        .showing("swapoff lets go of the page", lets_go)
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
    let original = |w: &World| Some(w.process(0).page_at(1));
    let forever = progress("S0.10/progress", "if both happen in every round, swapoff never ends", family_cached, original)
        .violates(Era::V2_6_11.with(UnmapCheck::Nothing).with(TryToUnuse::Keep), Clause::LIVELOCK)
        .still_violates(Era::V2_6_13.with(TryToUnuse::Keep).with(UnuseActivate::BeforeUnlock), Clause::LIVELOCK);
    let title = "swapoff never ends if it lets go of the page once more, for a process that does not need it";
    let bystander = progress("S0.10/bystander", title, with_bystander, |w| w.process(0).page_now(1))
        .violates(Era::V2_6_11.with(UnmapCheck::Nothing).with(TryToUnuse::Keep), Clause::LIVELOCK);
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
        .sometimes("the fault comes too late", |e| e.saw(Mark::DO_SWAP_PAGE_ENTRY_CHANGED) || e.saw(Mark::DO_SWAP_PAGE_LEFT_CACHE));
    vec![once, fault, forever, bystander]
}
