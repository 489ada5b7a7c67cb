//! S2.4 to S2.6 and S2.13: a page is taken away that the host has discarded, while others take it
//! away too, fork it, move it, or map it.

use super::worlds::{cached, family_cached, strangers_slot};
use crate::mm::{Setup, World};
use crate::spec::{
    Clause, DiscardedBit, Era, ForkDiscarded, ForkLink, PteLook, RemoveMapping, ShrinkDiscarded,
    SwapinLookup,
};
use crate::{Mark, Race};

/// One process maps the page, which is in the swap cache, and the host has discarded it.
pub(super) fn discarded(w: &Setup<'_>) {
    cached(w);
    w.process(0).load(1).expect("it is mapped"); // the end of that makes it volatile
    w.host_discards(w.process(0).page_at(1));
}

/// Parent and child map the page, which is volatile.
pub(super) fn shared(w: &Setup<'_>) {
    family_cached(w);
    for p in [0, 1] {
        w.process(p).load(1).expect("it is mapped");
    }
}

/// The same, and the host has discarded it.
pub(super) fn shared_discarded(w: &Setup<'_>) {
    shared(w);
    w.host_discards(w.process(0).page_at(1));
}

fn load(w: &World) {
    assert_eq!(w.process(0).load(1), Ok(101), "it comes back from the device");
}

pub(super) fn races() -> Vec<Race> {
    let without_bit = Era::DOCUMENT_2.with(DiscardedBit::No);
    let faults = Race::new("S2.4", "two discard faults take the same page away")
        .world(shared_discarded)
        .cpu("load (the parent's, once)", |w| _ = w.process(0).load_once(1))
        .cpu("load (the child's, once)", |w| _ = w.process(1).load_once(1))
        .finally(|w| {
            [0, 1].into_iter().for_each(|p| {
                assert_eq!(w.process(p).load(1), Ok(101), "it comes back from the device")
            })
        })
        .violates(without_bit.clone(), Clause::HINT_4)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009)
        .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
        .sometimes("the second finds the bit set", |e| e.saw(Mark::PAGE_DISCARD_TWICE))
        .sometimes("the second finds the page free", |e| e.saw(Mark::DISCARD_FAULT_LATE));
    let repaired = || Era::DOCUMENT_2_2009.with(ShrinkDiscarded::Release);
    let reclaim = Race::new("S2.4/reclaim", "a discard fault and reclaim take the same page away")
        .world(discarded)
        .cpu("load", load)
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .violates(without_bit.clone(), Clause::HINT_4)
        // nothing is taken away twice
        .violates(without_bit.with(RemoveMapping::Freeze), Clause::HINT_3)
        .violates(repaired().with(DiscardedBit::No), Clause::HINT_3)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2.with(RemoveMapping::Freeze))
        .holds(repaired())
        .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES))
        .sometimes("the page is reclaimed", |e| e.saw(Mark::SHRINK_FREED));
    let prepend = || Era::DOCUMENT_2.with(ForkLink::Prepend);
    let forks = |id: &str, title: &str| {
        Race::new(id, title)
            .world(discarded)
            .cpu("load", load)
            .cpu("fork", |w| _ = w.process(0).fork())
            .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES))
    };
    let forked = forks("S2.5", "a page is discarded while fork copies the entries that map it")
        .violates(prepend().with(ForkDiscarded::Share).with(PteLook::Locked), Clause::HINT_4)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009)
        .holds(Era::DOCUMENT_2.with(ForkDiscarded::Share))
        .holds(prepend().with(PteLook::Locked));
    let looks =
        forks("S2.6", "the walk looks without a lock at the child's entry, which fork sets later")
            .violates(prepend(), Clause::HINT_4)
            .holds(prepend().with(PteLook::Locked))
            .holds(prepend().with(PteLook::UnlessLocked))
            .holds(Era::DOCUMENT_2)
            .sometimes("fork meets the discard bit", |e| e.saw(Mark::FORK_MEETS_DISCARDED));
    let moves =
        Race::new("S2.6/mremap", "the walk looks without a lock at an entry that mremap moves")
            .world(shared_discarded)
            .cpu("load (the parent's)", load)
            .cpu("mremap (the child's)", |w| w.process(1).mremap(1..2, 3).expect("it is mapped"))
            .violates(Era::DOCUMENT_2, Clause::HINT_4)
            .holds(Era::DOCUMENT_2.with(PteLook::Locked))
            .holds(Era::DOCUMENT_2.with(PteLook::UnlessLocked))
            .holds(Era::DOCUMENT_2_2009)
            .sometimes("mremap moves it", |e| e.saw(Mark::MREMAP_MOVED))
            .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    // FINDING-53
    let spurious = Race::new(
        "S2.5/spurious",
        "fork takes a page that leaves the swap cache for one that the host has discarded",
    )
    .world(|w| {
        strangers_slot(w, 1);
        let parent = w.new_process();
        parent.mmap(1..2);
        parent.touch(1);
        let child = parent.fork();
        parent.swap_out(1);
        parent.load(1).expect("it is mapped");
        assert_eq!(child.mm().id(), 2, "the parent maps the page, the child has it on swap");
        w.fill_swap();
    })
    .cpu("munmap (the child's)", |w| w.process(2).munmap(1..2))
    .cpu("fork (the parent's)", |w| _ = w.process(1).fork())
    .violates(Era::DOCUMENT_2, Clause::COW_1)
    .violates(Era::DOCUMENT_2_2009, Clause::COW_1)
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .holds(Era::DOCUMENT_2.with(ForkDiscarded::Share))
    .holds(Era::DOCUMENT_2_2009.with(DiscardedBit::AfterRemoval))
    .showing("fork meets the discard bit", |e| e.saw(Mark::FORK_MEETS_DISCARDED))
    .sometimes("the slot is given up", |e| e.saw(Mark::FREE_SWAP_AND_CACHE_FREES));
    let unmapped = Race::new(
        "S2.13",
        "a discarded page that nobody maps is taken away, while a fault goes to map it",
    )
    .world(|w| {
        cached(w);
        w.host_discards(w.process(0).page_at(1));
    })
    .cpu("load (once)", |w| _ = w.process(0).load_once(1))
    .cpu("swapin_readahead (a fault elsewhere)", |w| w.process(0).read_around(1))
    .violates(Era::DOCUMENT_2.with(SwapinLookup::Unchecked), Clause::HINT_4)
    .holds(Era::DOCUMENT_2.with(SwapinLookup::NoDiscard))
    .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES))
    .sometimes("do_swap_page meets the discard bit", |e| e.saw(Mark::DO_SWAP_PAGE_MEETS_DISCARDED));
    let child =
        Race::new("S2.13/child", "the child's page is discarded, while the parent goes to map it")
            .world(|w| {
                family_cached(w);
                w.process(1).load(1).expect("it is mapped");
                w.host_discards(w.process(1).page_at(1));
            })
            .cpu("load (the parent's, once)", |w| _ = w.process(0).load_once(1))
            .cpu("load (the child's, once)", |w| _ = w.process(1).load_once(1))
            .violates(Era::DOCUMENT_2.with(SwapinLookup::Unchecked), Clause::HINT_4)
            .holds(Era::DOCUMENT_2.with(SwapinLookup::NoDiscard))
            .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    vec![faults, reclaim, forked, spurious, looks, moves, unmapped, child]
}
