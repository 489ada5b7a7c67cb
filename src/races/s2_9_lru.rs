//! S2.9 to S2.11: pages that are off the LRU list, that are a file's, or in memory that is locked,
//! while they are discarded.

use super::s2_4_discard::discarded;
use super::worlds::{cached, half_mapped};
use crate::mm::Setup;
use crate::spec::{
    Clause, DiscardMlocked, DiscardedBit, Era, PutbackDiscarded, ShrinkDiscarded, VolatileShmem,
};
use crate::{Mark, Race};

/// The parent maps the page, the child has it on swap, and swap is full.
fn crowded(w: &Setup<'_>) {
    half_mapped(w);
    w.fill_swap();
}

pub(super) fn races() -> Vec<Race> {
    let isolated =
        Race::new("S2.9", "reclaim has a page off the LRU list that a discard fault takes away")
            .world(discarded)
            .cpu("load (once)", |w| _ = w.process(0).load_once(1))
            .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
            .violates(Era::DOCUMENT_2.with(ShrinkDiscarded::Nothing), Clause::HINT_3)
            .still_violates(Era::DOCUMENT_2_2009, Clause::COUNT_3) // FINDING-56
            .holds(Era::DOCUMENT_2)
            .holds(Era::DOCUMENT_2_2009.with(ShrinkDiscarded::Release))
            .sometimes("shrink_page_list meets the discard bit", |e| {
                e.saw(Mark::SHRINK_MEETS_DISCARDED)
            });
    let scanned =
        Race::new("S2.9/putback", "reclaim puts a page back that a discard fault takes away")
            .world(discarded)
            .cpu("load (once)", |w| _ = w.process(0).load_once(1))
            .cpu("kswapd (shrink_active_list)", |w| w.age_page(w.process(0).page_at(1)))
            .holds(Era::DOCUMENT_2)
            .holds(Era::DOCUMENT_2_2009)
            .holds(Era::DOCUMENT_2.with(PutbackDiscarded::List))
            .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    // FINDING-53
    let spurious = Race::new(
        "S2.9/spurious",
        "reclaim takes a page that leaves the swap cache for one that the host has discarded",
    )
    .world(crowded)
    .cpu("munmap (the child's)", |w| w.process(1).munmap(1..2))
    .cpu("kswapd (shrink_active_list)", |w| w.age_page(w.process(0).page_at(1)))
    .violates(Era::DOCUMENT_2, Clause::LRU_1)
    .violates(Era::DOCUMENT_2_2009, Clause::LRU_1)
    .holds(Era::DOCUMENT_2.with(PutbackDiscarded::List))
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .holds(Era::DOCUMENT_2_2009.with(PutbackDiscarded::List))
    .showing("it is left off the list", |e| e.saw(Mark::PUTBACK_LEAVES_DISCARDED))
    .sometimes("the slot is given up", |e| e.saw(Mark::FREE_SWAP_AND_CACHE_FREES));
    let waiting = Race::new("S2.9/pagevec", "a page that waits in a pagevec is not made volatile")
        .world(|w| {
            w.batch_lru_add(0);
            cached(w);
        })
        .cpu("load", |w| _ = w.process(0).load(1))
        .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009)
        .never("the host discards it", |e| e.saw(Mark::HOST_DISCARDS))
        .sometimes("do_swap_page maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let shmem = Race::new(
        "S2.10",
        "a page of a file in memory is in the swap cache, and mapped: no walk finds it",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..2);
        w.new_shmem_page(p, 1);
    })
    .cpu("load (once)", |w| _ = w.process(0).load_once(1))
    .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
    .violates(Era::DOCUMENT_2, Clause::HINT_4)
    .holds_without(Era::DOCUMENT_2.with(VolatileShmem::Excluded), Clause::HINT_4)
    .holds_without(Era::DOCUMENT_2_2009, Clause::HINT_4);
    // FINDING-57
    let locked = Race::new("S2.11", "the discarding walk meets memory that is locked")
        .world(|w| {
            discarded(w);
            w.process(0).mlockall();
        })
        .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "it comes back from the device"))
        .violates(Era::DOCUMENT_2.with(DiscardMlocked::Fail), Clause::HINT_4)
        .still_violates(Era::DOCUMENT_2_2009, Clause::HINT_4)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009.with(DiscardMlocked::UnlessDiscarded))
        .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    let kept = Race::new("S2.11/reclaim", "reclaim meets memory that is locked")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.mlockall();
        })
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("store", |w| _ = w.process(0).store(1, 7))
        .finally(|w| assert!(w.process(0).page_now(1).is_some(), "it is there still"))
        .holds(Era::V2_6_7)
        .holds(Era::V2_6_34)
        .holds(Era::V6_18)
        .holds(Era::DOCUMENT_2)
        .sometimes("reclaim leaves the page", |e| e.saw(Mark::TRY_TO_UNMAP_MLOCKED));
    vec![isolated, scanned, spurious, waiting, shmem, locked, kept]
}
