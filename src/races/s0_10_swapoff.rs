//! S0.10: swapoff maps what reclaim unmaps again.

use super::worlds::{cached, family, family_cached, one_page};
use crate::mm::{PageRef, Setup, World};
use crate::spec::{
    ActivatePage, Clause, Era, ReadaheadLook, SwapBypass, SwapoffWait, TryToUnuse, UnmapCheck,
    UnuseActivate, UnuseRecheck, UnusedSlot,
};
use crate::{Mark, Race, Seen};

fn swapoff(w: &World) {
    w.swapoff();
    w.signal();
}

fn lets_go(e: &Seen<'_>) -> bool {
    e.saw(Mark::SWAPOFF_LETS_GO)
}

/// As [`family_cached`], and a third process, which swapoff comes to last.
fn with_bystander(w: &Setup<'_>) {
    family(w);
    let bystander = w.new_process();
    bystander.mmap(1..2);
    bystander.touch(1);
    bystander.swap_out(1);
    bystander.munmap(1..2);
    w.process(0).swap_out(1);
    w.process(0).read_ahead(1);
}

/// One round of `try_to_unuse`, while reclaim comes by four times: to make a page inactive again,
/// and to unmap it, twice.
fn round(id: &'static str, title: &'static str, world: fn(&Setup<'_>)) -> Race {
    Race::new(id, title)
        .world(move |w| {
            world(w);
            w.contend_mmap_sem();
        })
        .cpu("swapoff, one round", |w| {
            w.swapoff_begins();
            w.unuse_next();
        })
        .cpu("kswapd, four times", |w| {
            for _ in 0..4 {
                w.process(0).page_now(1).into_iter().for_each(|page| w.shrink_page(page));
            }
        })
        .finally(|w| {
            let back = w.process(0).is_mapped(1) || w.process(1).is_mapped(1);
            assert!(back, "all that the round has brought back is on swap again");
        })
        .sometimes("swapoff lets go of the page", lets_go)
        .sometimes("swapoff leaves entries behind", |e| e.saw(Mark::SWAPOFF_LEAVES_ENTRIES))
}

/// Reclaim comes by again and again, where `which` says, and `mmap_sem` is never free at once.
fn progress(
    id: &'static str,
    title: &'static str,
    world: fn(&Setup<'_>),
    which: fn(&World) -> Option<PageRef>,
) -> Race {
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
    let once =
        Race::new("S0.10", "swapoff lets go of the page to get mmap_sem, and reclaim comes by")
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
    let forever = progress(
        "S0.10/progress",
        "reclaim undoes what swapoff has mapped in every round, and swapoff never ends",
        family_cached,
        original,
    )
    .violates(Era::V2_6_11.with(UnmapCheck::Nothing).with(TryToUnuse::Keep), Clause::LIVELOCK)
    .still_violates(
        Era::V2_6_13.with(TryToUnuse::Keep).with(UnuseActivate::BeforeUnlock),
        Clause::LIVELOCK,
    );
    // Under 2.6.13 as it is, too, but that takes minutes: shuttle-tests/tests/deep.rs.
    let alone = round(
        "S0.10/round",
        "whatever reclaim does meanwhile, a round of try_to_unuse brings something back",
        family_cached,
    )
    .violates(Era::V2_6_13.with(TryToUnuse::Keep), Clause::ASSERT_1)
    .violates(Era::V2_6_13.with(UnuseActivate::No).with(TryToUnuse::Keep), Clause::ASSERT_1)
    .holds(Era::V2_6_13.with(UnuseActivate::No));
    let title = "a round of try_to_unuse brings nothing back, since swapoff lets go of the page \
                 once more, for a process that does not need it";
    let bystander = round("S0.10/bystander", title, with_bystander)
        .still_violates(Era::V2_6_13, Clause::ASSERT_1);
    let fault = Race::new(
        "S0.10/fault",
        "swapoff and a store bring the same page back, and one of them takes it out of the swap \
         cache",
    )
    .world(cached)
    .cpu("one round of try_to_unuse", |w| {
        w.unuse_next();
    })
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("the fault comes too late", |e| {
        e.saw(Mark::DO_SWAP_PAGE_ENTRY_CHANGED) || e.saw(Mark::DO_SWAP_PAGE_LEFT_CACHE)
    });
    // Not in the mails: a fault that has given its slot up, and has not changed its entry yet.
    // Until 2.6.30 the two can keep each other going (FINDING-43), but that takes minutes to
    // settle: tests/worlds.rs.
    let users = Race::new(
        "S0.10/users",
        "swapoff finds no slot in use, and the fault that used the last one is still under way",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
    })
    .cpu("swapoff", |w| w.swapoff())
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .violates(Era::V5_19.with(SwapoffWait::No), Clause::SWAP_6)
    .violates(Era::V6_18.with(SwapoffWait::No), Clause::SWAP_6)
    .holds(Era::V2_6_33)
    .holds(Era::V3_7)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .holds(Era::V7_3)
    .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    // FINDING-97
    let reads_ahead = Race::new(
        "S0.10/readahead",
        "swapoff is over, and a fault looks at the device to read ahead",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
        w.swap_reads_ahead();
    })
    .cpu("swapoff", |w| w.swapoff())
    .cpu("load", |w| _ = w.process(0).load(1))
    // Before 2.6.33 swapoff may never end (FINDING-43), readahead or not.
    .violates(Era::V2_6_33, Clause::SWAP_6)
    .violates(Era::V2_6_38, Clause::SWAP_6)
    .violates(Era::V5_9, Clause::SWAP_6)
    .violates(Era::V5_10, Clause::SWAP_6)
    .holds(Era::V2_6_38.with(ReadaheadLook::Nothing))
    .holds(Era::V3_7)
    .holds(Era::V5_9.with(SwapoffWait::Users))
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .holds(Era::V7_3)
    .showing("the fault looks at the device", |e| e.saw(Mark::READAHEAD_LOOKS))
    .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    // FINDING-92
    let beside = Race::new(
        "S0.10/beside",
        "swapoff is over, and a fault reads from the device beside the swap cache",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
        w.swap_to_memory();
    })
    .cpu("swapoff", |w| w.swapoff())
    .cpu("load", |w| _ = w.process(0).load(1))
    .violates(Era::V5_9, Clause::SWAP_6)
    .violates(Era::V5_10, Clause::SWAP_6)
    .holds(Era::V5_9.with(SwapBypass::No))
    .holds(Era::V5_19)
    .holds(Era::V6_1)
    .holds(Era::V7_3)
    .sometimes("the slot is read", |e| e.saw(Mark::SWAP_READ))
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let activated = Race::new(
        "S0.10/activated",
        "swapoff makes a page active that it maps, and the store that follows gets a copy",
    )
    .world(|w| {
        cached(w);
        w.batch_lru_add(0); // what came before is on the list
    })
    .cpu("swapoff, then store", |w| {
        w.swapoff();
        w.process(0).store(1, 8).expect("it is mapped");
    })
    .violates(Era::V5_9, Clause::RACE_1)
    .violates(Era::V5_10, Clause::RACE_1)
    .holds(Era::V2_6_13)
    .holds(Era::V3_7)
    .holds(Era::V5_9.with(UnuseActivate::No))
    // it goes by address space, and never lets go
    .holds(Era::V5_9.with(UnuseActivate::BeforeUnlock))
    .holds(Era::V5_9.with(ActivatePage::AtOnce))
    .holds(Era::V5_19)
    .never("the page is copied, and nobody shares it", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    .sometimes("do_wp_page reuses it", |e| e.saw(Mark::DO_WP_PAGE_REUSES));
    let gives_up = Race::new(
        "S0.10/gives-up",
        "swapoff meets a slot that a store has just given up, and takes that for want of memory",
    )
    .world(cached)
    .cpu("swapoff", |w| w.swapoff())
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .violates(Era::V6_18, Clause::RACE_1)
    .violates(Era::V5_19.with(UnusedSlot::Skip), Clause::RACE_1)
    .holds(Era::V3_7)
    .holds(Era::V5_9)
    .holds(Era::V5_9.with(UnusedSlot::Skip)) // its store has changed its entry by then
    .holds(Era::V6_18.with(UnusedSlot::Wait))
    .holds(Era::V5_19)
    .holds(Era::V6_12)
    .never("swapoff fails", |e| e.saw(Mark::SWAPOFF_FAILS))
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let zapped = Race::new(
        "S0.10/zapped",
        "swapoff meets a slot that an unmap has just given up, and takes that for want of memory",
    )
    .world(cached)
    .cpu("swapoff", |w| w.swapoff())
    .cpu("madvise(DONTNEED)", |w| w.process(0).dontneed(1))
    .violates(Era::V6_18, Clause::RACE_1)
    .violates(Era::V5_9.with(UnusedSlot::Skip), Clause::RACE_1)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_33)
    .holds(Era::V3_7)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_12)
    .holds(Era::V6_18.with(UnusedSlot::Wait))
    .holds(Era::V7_3)
    .never("swapoff fails", |e| e.saw(Mark::SWAPOFF_FAILS))
    .sometimes("the page leaves the swap cache with its last entry", |e| {
        e.saw(Mark::FREE_SWAP_AND_CACHE_FREES)
    })
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let frame = Race::new(
        "S0.10/frame",
        "swapoff has looked a page up that reclaim drops, and its frame becomes another page's",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..3);
        p.touch(1);
        p.swap_out(1);
        p.read_ahead(1);
    })
    .cpu("swapoff", |w| w.swapoff())
    .cpu("kswapd, then a store elsewhere", |w| {
        w.shrink_page(w.process(0).page_at(1));
        w.process(0).store(2, 8).expect("it is mapped");
    })
    .violates(Era::V6_18.with(UnuseRecheck::Entry), Clause::COW_2)
    .holds(Era::V2_6_29)
    .holds(Era::V5_9)
    .holds(Era::V6_12)
    .holds(Era::V6_18)
    .holds(Era::V7_3)
    .sometimes("the page is dropped", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let reading =
        Race::new("S0.10/reading", "swapoff and a load bring the same page back from the device")
            .world(|w| {
                one_page(w);
                w.process(0).swap_out(1);
            })
            .cpu("swapoff, then load", |w| {
                w.swapoff();
                w.process(0).load(1).expect("it is mapped");
            })
            .cpu("load (another thread)", |w| {
                w.process(0).load(1).expect("it is mapped");
            })
            .holds(Era::V2_6_33)
            .holds(Era::V3_7)
            // until 2.6.30 it takes minutes, and 5.19 and 6.18 are in the deep run
            .holds(Era::V5_9)
            .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
            .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    vec![
        once,
        fault,
        activated,
        gives_up,
        zapped,
        users,
        reads_ahead,
        beside,
        frame,
        reading,
        alone,
        bystander,
        forever,
    ]
}
