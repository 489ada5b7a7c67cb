//! S0.3, S0.4 and S0.6: whose page is it? What a count may depend on, and what it may not.

use super::worlds::{cached, family, family_cached, half_mapped, one_page, strangers_slot};
use crate::mm::{Setup, World};
use crate::spec::{
    ActivatePage, Clause, CowRmap, Era, GatherNested, Protocol, ReadPin, Reuse, SwapHasCache,
    SwapWrite, SwapinMapcount, UnmapFlush, ZapDrain, ZapFlush,
};
use crate::{Mark, Race, Seen};

/// A page of one process, write-protected because a child had it too and is gone.
fn write_protected(w: &Setup<'_>) {
    one_page(w);
    w.process(0).fork().exit();
    strangers_slot(w, 2);
}

/// The same; the process ran on the first CPU when it touched the page, and its child ended on
/// another. The page still waits for its place on the LRU list.
fn waiting(w: &Setup<'_>, cpu: usize) {
    w.batch_lru_add(cpu);
    family(w);
    w.batch_lru_add(1 + cpu);
    w.process(1).exit();
}

fn store(w: &World) {
    w.process(0).store(1, 8).expect("it is mapped");
}

fn childs_store(w: &World) {
    w.process(1).store(1, 8).expect("it is mapped");
}

fn copied(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_WP_PAGE_COPIES)
}

fn reused(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_WP_PAGE_REUSES)
}

fn exclusive(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_EXCLUSIVE)
}

fn glance(w: &World) {
    let page = w.process(0).page_at(1);
    if w.isolate_lru_page(page) {
        w.putback_lru_page(page);
    }
}

fn sums(race: Race) -> Race {
    [Era::V2_6_13, Era::V2_6_29, Era::V5_9, Era::V5_19].into_iter().fold(race, Race::holds)
}

fn second_fault(protocol: Protocol) -> Protocol {
    protocol.with(SwapWrite::SecondFault)
}

pub(super) fn races() -> Vec<Race> {
    let seen = Race::new(
        "S0.3",
        "somebody takes a reference and looks, and that alone makes a store copy a page that \
         nobody shares",
    )
    .world(write_protected)
    .cpu("isolate_lru_page, putback_lru_page", glance)
    .cpu("store", store)
    .violates(Era::V2_6_11, Clause::RACE_1)
    .violates(Era::V5_9, Clause::RACE_1)
    .holds(Era::V2_6_11.with(Reuse::Mapcount))
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("the page is reused", reused);
    let remembered = Race::new(
        "S0.3/remembered",
        "a page that was never shared is write-protected since a load swapped it in, and \
         somebody's look at it makes a store copy it",
    )
    .world(|w| {
        cached(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("isolate_lru_page, putback_lru_page", glance)
    .cpu("store", store)
    .violates(Era::V2_6_11, Clause::RACE_1)
    .violates(Era::V5_9, Clause::RACE_1)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("the page is reused", reused);
    let reader = Race::new(
        "S0.3/reader",
        "a device reads a page for a child that then unmaps it, and the parent stores",
    )
    .world(family)
    .cpu("the child: pin, munmap, read", |w| {
        let child = w.process(1);
        let pin = child.pin_for_reading(1).expect("it is mapped");
        child.munmap(1..2);
        pin.read();
        pin.put();
    })
    .cpu("store (the parent's)", store)
    .violates(Era::V2_6_13, Clause::PIN_2)
    .violates(Era::V2_6_29, Clause::PIN_2)
    .holds(Era::V2_6_11)
    .holds(Era::V5_9)
    .holds(Era::V5_19);
    let own = Race::new(
        "S0.3/own-store",
        "a device reads a page for a child, and the child stores there itself: the device must \
         see that",
    )
    .world(family)
    .cpu("the child: pin, store, read", |w| {
        let child = w.process(1);
        let pin = child.pin_for_reading(1).expect("it is mapped");
        child.store(1, 8).expect("it is mapped");
        pin.read();
        pin.put();
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .violates(Era::V2_6_13, Clause::PIN_3)
    .violates(Era::V5_9, Clause::PIN_3)
    .violates(Era::V5_19.with(ReadPin::AsMapped), Clause::PIN_3)
    .holds(Era::V5_19)
    .sometimes("the device gets a copy", copied);
    let fork = sums(Race::new(
        "S0.4",
        "the counts are read under the page lock, and another process forks, which takes no page \
         lock",
    ))
    .world(half_mapped)
    .cpu("store (the child's)", childs_store)
    .cpu("fork (the parent's)", |w| {
        w.process(0).fork();
    })
    .sometimes("the child gets a copy", copied);
    let exit = sums(Race::new(
        "S0.4/exit",
        "the counts are read under the page lock, and another process exits, which takes no page \
         lock",
    ))
    .world(half_mapped)
    .cpu("store (the child's)", childs_store)
    .cpu("exit_mmap (the parent's)", |w| w.process(0).exit())
    .sometimes("the child gets a copy", copied);
    // Not in the mails: until 2.6.25 the mapping went before the entry (FINDING-22).
    let copies = |id: &str, title: &str, clause: Clause| {
        Race::new(id, title)
            .world(|w| {
                family(w);
                strangers_slot(w, 1);
            })
            .cpu("store (the parent's)", store)
            .cpu("store (the child's)", childs_store)
            .violates(Era::V2_6_13, clause)
            .violates(Era::DOCUMENT_0, clause)
            .holds(Era::V2_6_11)
            .holds(Era::DOCUMENT_0.with(CowRmap::AfterEntry))
            .holds(Era::V2_6_13.with(CowRmap::AfterEntry))
            .holds(Era::V2_6_29)
            .holds(Era::V5_9)
            .holds(Era::V5_19)
            .sometimes("one gets a copy", copied)
            .sometimes("one reuses the page", reused)
    };
    let both =
        copies("S0.4/both", "two processes store at once, and one of them copies", Clause::COW_2);
    let thread = copies(
        "S0.4/thread",
        "two processes store at once, one of them copies, and another thread of it loads what is \
         there",
        Clause::COW_1,
    )
    .cpu("load (another thread of the parent)", |w| {
        w.process(0).load(1).expect("it is mapped");
    });
    let unmap = sums(Race::new(
        "S0.4/unmap",
        "the counts are read under the page lock, and the parent's mapping becomes a swap entry, \
         which takes that lock",
    ))
    .world(half_mapped)
    .cpu("store (the child's)", childs_store)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .sometimes("somebody gets a copy", copied);
    // Not in the mails: an unmap gives its mapping up first, and flushes the TLB behind that.
    let stale = |race: Race| {
        race.cpu("munmap (a thread of the parent)", |w| w.process(0).munmap(1..2))
            .cpu("load (another thread of the parent)", |w| {
                let _ = w.process(0).load(1);
            })
            .cpu("store (the child's)", childs_store)
            .violates(Era::V2_6_13, Clause::COW_1)
            .violates(Era::V2_6_29, Clause::COW_1)
            .violates(Era::V3_7, Clause::COW_1)
            .holds(Era::V2_6_11)
            .holds(Era::V2_6_13.with(ZapFlush::AtOnce))
            .holds(Era::V3_7.with(ZapFlush::AtOnce))
            .holds(Era::V5_9.with(ZapFlush::AtOnce))
            .holds(Era::V5_19)
            .sometimes("the load finds nothing mapped", |e| e.saw(Mark::PAGE_FAULT_EFAULT))
    };
    let unmapped = Race::new(
        "S0.4/stale",
        "one thread unmaps a shared page, another loads it through its TLB, and the child has it \
         alone",
    );
    let unmapped = stale(unmapped.world(family))
        .violates(Era::DOCUMENT_0, Clause::COW_1)
        .holds(Era::V5_9)
        .showing("the child stores in place", reused);
    let unmapped_swapped = Race::new(
        "S0.4/stale-swapped",
        "one thread unmaps a shared page, another loads it through its TLB, and the child, which \
         has it on swap, stores to it",
    );
    let unmapped_swapped = stale(unmapped_swapped.world(half_mapped))
        .violates(Era::V5_9, Clause::COW_1)
        .violates(Era::V5_10, Clause::COW_1)
        .showing("the child stores in place", exclusive);
    let batched = Race::new(
        "S0.4/batched",
        "reclaim has not flushed yet what it has unmapped, and the swap entry that it left is \
         given up",
    )
    .world(|w| {
        family_cached(w);
        w.process(0).load(1).expect("it is mapped");
        // reclaim cannot free it, and lets go of it
        w.process(0).vmsplice(1).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("dontneed (the parent's), then store (the child's)", |w| {
        w.process(0).dontneed(1);
        childs_store(w);
        w.read_pipe(w.process(0).page_at(1));
    })
    .cpu("load (another thread of the parent)", |w| {
        let _ = w.process(0).load(1);
    })
    .violates(Era::V3_7.with(ZapFlush::AtOnce).with(UnmapFlush::BatchedAlone), Clause::COW_1)
    .holds(Era::V3_7.with(ZapFlush::AtOnce))
    .holds(Era::V3_7.with(ZapFlush::AtOnce).with(UnmapFlush::Batched))
    .showing("the child stores in place", exclusive);
    // FINDING-98
    let dontneed = Race::new(
        "S0.4/dontneed",
        "two threads give the same page up at once, and the second is told before the first has \
         flushed: a third finds in its TLB what both have given up",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..3);
        p.touch(1);
        p.touch(2);
    })
    .cpu("dontneed", |w| w.process(0).dontneed(1))
    .cpu("dontneed, then store elsewhere", |w| {
        w.process(0).dontneed(1);
        w.process(0).store(2, 7).expect("it is mapped");
    })
    .cpu("load elsewhere, then load by its TLB", |w| {
        w.process(0).load_behind(1, 2, 7);
    })
    .violates(Era::V2_6_22, Clause::DATA_1)
    .violates(Era::V2_6_29, Clause::DATA_1)
    .violates(Era::V3_7, Clause::DATA_1)
    .holds(Era::V3_7.with(GatherNested::Flushed))
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V7_3)
    .showing("the third thread knows", |e| e.saw(Mark::LOAD_BEHIND))
    .sometimes("one flushes for the other", |e| e.saw(Mark::GATHER_FLUSHES_FOR_OTHER));
    let bit = sums(Race::new(
        "S0.4/bit",
        "a page of one process is unmapped while it forks: it is no longer the parent's alone",
    ))
    .world(one_page)
    .cpu("memory hot-removal", |w| {
        w.unmap_for_removal(w.process(0).page_at(1));
    })
    .cpu("fork", |w| {
        w.process(0).fork();
    })
    .finally(|w| store(w))
    .sometimes("the page is unmapped", |e| e.saw(Mark::UNMAP_FOR_REMOVAL_UNMAPS));
    let shared = Race::new(
        "S0.6",
        "do_swap_page takes every page for shared in document 0, and do_wp_page puts that right",
    )
    .world(cached)
    .cpu("store", store)
    .holds(Era::DOCUMENT_0)
    .holds(second_fault(Era::DOCUMENT_0))
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("do_swap_page takes the page for shared", |e| e.saw(Mark::DO_SWAP_PAGE_SHARED))
    .sometimes("do_wp_page reuses it", reused);
    // Document 0's remark is right of the order that it replaces, where the swap entry has gone
    // when the question is asked.
    let counted = |protocol: Protocol| protocol.with(SwapinMapcount::BeforeDecision);
    let remark = Race::new(
        "S0.6/counted",
        "the mapping is counted before do_swap_page asks: that makes it take the page for its own",
    )
    .world(cached)
    .cpu("store", store)
    .violates(counted(Era::V2_6_11.with(Reuse::Mapcount)), Clause::RACE_1)
    .holds(Era::V2_6_11.with(Reuse::Mapcount))
    .holds(counted(Era::DOCUMENT_0))
    .never("do_swap_page takes the page for exclusive", exclusive)
    .sometimes("do_swap_page takes the page for shared", |e| e.saw(Mark::DO_SWAP_PAGE_SHARED));
    let always = Race::new(
        "S0.6/always",
        "can_share_swap_page() says no in document 0's do_swap_page, even when the last other \
         process exits",
    )
    .world(family_cached)
    .cpu("store", store)
    .cpu("exit_mmap (the child's)", |w| w.process(1).exit())
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_11.with(Reuse::Mapcount))
    .violates(Era::V2_6_11, Clause::RACE_1)
    .violates(Era::V2_6_13, Clause::RACE_1)
    .never("do_swap_page takes the page for exclusive", exclusive)
    .sometimes("do_wp_page copies the page", copied)
    .sometimes("do_wp_page reuses it", reused);
    let left = Race::new(
        "S0.6/left",
        "a page in the swap cache was shared, and is no longer: who stores there has it alone",
    )
    .world(|w| {
        family(w);
        w.process(0).swap_out(1);
        w.process(0).read_ahead(1);
        w.process(1).exit();
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("store", store)
    .violates(Era::V5_9, Clause::RACE_1)
    .holds(Era::V2_6_11)
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("do_wp_page reuses it", reused);
    let contended = Race::new(
        "S0.6/contended",
        "somebody has locked the page that a write fault would take for its own, and document 0 \
         copies it",
    )
    .world(cached)
    .cpu("store", store)
    .cpu("lock_page, unlock_page", |w| {
        let page = w.process(0).page_at(1);
        w.lock_page(page);
        w.unlock_page(page);
    })
    .violates(Era::DOCUMENT_0, Clause::RACE_1)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_19)
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("do_swap_page takes the page for exclusive", exclusive);
    // Not in the mails: the cache's claim on the slot outlives the page's place in the cache, and
    // counts as another process's.
    let late_claim = Race::new(
        "S0.6/late-claim",
        "reclaim has taken the page out of the swap cache, and its claim on the slot is not given \
         up yet",
    )
    .world(cached)
    .cpu("store", store)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .violates(Era::V2_6_13, Clause::RACE_1)
    .violates(Era::V2_6_29, Clause::RACE_1)
    .violates(Era::V2_6_33.with(SwapHasCache::Counted), Clause::RACE_1)
    .holds(Era::V2_6_33)
    .holds(Era::V5_19)
    .holds(Era::V5_19.with(SwapHasCache::Counted))
    .never("the page is copied, and nobody shares it", copied);
    // Not in the mail: the most common of the references that "somebody takes", and nobody lets go
    // of it for a long time.
    let waits = |race: Race| {
        race.cpu("store", store)
            .violates(Era::V2_6_11, Clause::RACE_1)
            .violates(Era::V5_9, Clause::RACE_1)
            .holds(Era::V2_6_11.with(Reuse::Mapcount))
            .holds(Era::V2_6_13)
            .holds(Era::V2_6_29)
            .never("the page is copied, and nobody shares it", copied)
            .sometimes("do_wp_page reuses it", reused)
    };
    let pagevec = Race::new(
        "S0.3/pagevec",
        "a new page waits in this CPU's pagevec, which has a reference to it",
    );
    let pagevec = waits(pagevec.world(|w| waiting(w, 0))).holds(Era::V5_19);
    let elsewhere =
        Race::new("S0.3/pagevec-elsewhere", "the process has gone to another CPU meanwhile");
    let elsewhere = waits(elsewhere.world(|w| waiting(w, 1))).violates(Era::V5_19, Clause::RACE_1);
    // Not in the mail: until 6.12 an unmap drains its CPU's pagevec before it begins.
    let unmapped_waiting = Race::new(
        "S0.3/pagevec-exit",
        "the child has ended where the page waits, and the process has gone to another CPU",
    )
    .world(|w| {
        w.batch_lru_add(1);
        family(w);
        w.process(1).exit();
    })
    .cpu("store", store)
    .violates(Era::V6_18, Clause::RACE_1)
    .violates(Era::V7_3, Clause::RACE_1)
    .violates(Era::V6_12.with(ZapDrain::No), Clause::RACE_1)
    .holds(Era::V2_6_11)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_12)
    .holds(Era::V6_18.with(ZapDrain::Yes))
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("do_wp_page reuses it", reused);
    let activated = Race::new(
        "S0.3/activated",
        "a page that is used a second time waits for its place on the active list",
    )
    .world(|w| {
        write_protected(w);
        w.batch_lru_add(0); // what came before is on the list
    })
    .cpu("mark_page_accessed, then store", |w| {
        w.mark_page_accessed(w.process(0).page_at(1));
        store(w);
    })
    .violates(Era::V5_9, Clause::RACE_1)
    .violates(Era::V5_19, Clause::RACE_1)
    .violates(Era::V6_12.with(ActivatePage::Pagevec), Clause::RACE_1)
    .violates(Era::V6_18, Clause::RACE_1)
    .holds(Era::V2_6_11)
    .holds(Era::V3_7)
    .holds(Era::V5_9.with(ActivatePage::AtOnce))
    .holds(Era::V6_12)
    .never("the page is copied, and nobody shares it", copied)
    .sometimes("do_wp_page reuses it", reused);
    let pagevec_swapped = Race::new(
        "S0.6/pagevec",
        "a page has just been read from swap, and waits in this CPU's pagevec",
    )
    .world(|w| {
        w.batch_lru_add(0);
        one_page(w);
        w.process(0).swap_out(1);
    })
    .cpu("store", store)
    .violates(Era::V2_6_11, Clause::RACE_1)
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .never("the page is copied, and nobody shares it", copied);
    vec![
        activated,
        pagevec_swapped,
        seen,
        pagevec,
        elsewhere,
        unmapped_waiting,
        remembered,
        late_claim,
        reader,
        own,
        fork,
        exit,
        both,
        thread,
        unmap,
        unmapped,
        unmapped_swapped,
        batched,
        dontneed,
        bit,
        shared,
        remark,
        always,
        left,
        contended,
    ]
}
