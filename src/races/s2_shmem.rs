//! S2.10 and S2/shmem-…: a file in memory that processes map shared, whose pages are discarded from
//! the page cache or on their way to swap.

use crate::mm::Setup;
use crate::spec::{
    Clause, DiscardedBit, Era, FileFault, PteLook, PutbackDiscarded, RemoveMapping, SwapinLookup,
    VolatileTry,
};
use crate::{Mark, Race};

/// Two processes that map the file; nothing has been stored into it, and one of them maps the page.
fn hole(w: &Setup<'_>) {
    for _ in 0..2 {
        w.new_process().mmap_shared(1..2);
    }
    w.process(1).load(1).expect("it is mapped");
}

/// The same, and the host has discarded the page.
fn discarded(w: &Setup<'_>) {
    hole(w);
    w.host_discards(w.process(1).page_at(1));
}

/// Two processes that map the file; one of them has stored into the page, and maps it.
fn stored(w: &Setup<'_>) {
    for _ in 0..2 {
        w.new_process().mmap_shared(1..2);
    }
    w.process(0).touch(1);
}

/// One process; the file's page is on swap, and in the swap cache.
fn cached(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap_shared(1..2);
    p.touch(1);
    p.swap_out(1);
    p.read_ahead(1);
}

/// What reclaim and faults do with the file's pages where nobody discards any (2.6.22 and 2.6.29
/// read).
fn without_a_host() -> Vec<Race> {
    let clean = Race::new(
        "S2/shmem-clean",
        "reclaim drops a page of a file in memory in which nobody has stored yet, and a store's \
         fault maps it",
    )
    .world(hole)
    .cpu("store (the other's)", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(1)))
    .finally(|w| assert_eq!(w.process(1).load(1), Ok(8), "what was stored"))
    .sometimes("it is dropped before anybody asks", |e| {
        e.saw(Mark::SHMEM_DROPPED) && !e.saw(Mark::FIND_LOCK_PAGE_TOO_LATE)
    })
    .sometimes("the fault has it, and it stays", |e| e.saw(Mark::SHMEM_KEPT))
    .sometimes("what was stored goes to the swap cache", |e| e.saw(Mark::SHMEM_TO_SWAP_CACHE));
    let dirtied = Race::new(
        "S2/shmem-unmapped",
        "what is stored into a page of a file in memory is unmapped before reclaim would drop it",
    )
    .world(hole)
    .cpu("store, then munmap (the other's)", |w| {
        w.process(0).store(1, 8).expect("it is mapped");
        w.process(0).munmap(1..2);
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(1)))
    .finally(|w| assert_eq!(w.process(1).load(1), Ok(8), "what was stored"))
    .sometimes("nobody refers to it, and it is dirty", |e| e.saw(Mark::SHMEM_DIRTIED))
    .sometimes("it is dropped", |e| e.saw(Mark::SHMEM_DROPPED));
    let faults = Race::new(
        "S2/shmem-faults",
        "two threads fault at once where a file in memory has no page yet",
    )
    .world(|w| w.new_process().mmap_shared(1..2))
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .cpu("load", |w| _ = w.process(0).load(1))
    .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "what was stored"))
    .sometimes("one finds the other's page", |e| e.saw(Mark::SHMEM_IN_PAGE_CACHE))
    .sometimes("one has made a page in vain", |e| e.saw(Mark::SHMEM_ALLOC_TOO_LATE))
    .sometimes("one finds it mapped", |e| e.saw(Mark::SHMEM_MAPPED_ALREADY));
    let locked = Race::new(
        "S2/shmem-mlock",
        "reclaim meets a page of a file in memory that one of two processes has locked",
    )
    .world(|w| {
        stored(w);
        let locker = w.process(1);
        locker.load(1).expect("it is mapped");
        locker.mlockall();
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("store (the other's)", |w| _ = w.process(0).store(1, 8))
    .finally(|w| {
        assert!(w.process(1).page_now(1).is_some(), "it is there still");
        assert_eq!(w.process(1).load(1), Ok(8), "what was stored");
    })
    .sometimes("reclaim leaves the page", |e| e.saw(Mark::TRY_TO_UNMAP_MLOCKED))
    .sometimes("the other's store faults", |e| e.saw(Mark::SHMEM_IN_PAGE_CACHE));
    let locked = locked.holds(Era::DOCUMENT_2).holds(Era::DOCUMENT_2_2009);
    // 2.6.22 counts here, which its protocol says otherwise (rule `RemoveMapping`).
    let both_2_6_22 =
        |race: Race| race.holds(Era::V2_6_22.with(RemoveMapping::Count)).holds(Era::V2_6_22);
    let [clean, faults, locked] =
        [both_2_6_22(clean), faults.holds(Era::V2_6_22), locked.holds(Era::V2_6_22)]
            .map(|race| race.holds(Era::V2_6_29));
    // Where a fault keeps the page locked until it is mapped, reclaim comes before it or after.
    vec![clean, both_2_6_22(dirtied), faults, locked]
}

pub(super) fn races() -> Vec<Race> {
    // FINDING-63
    let reclaimed = |id: &str, title: &str| {
        Race::new(id, title)
            .world(stored)
            .cpu("load (the other's)", |w| {
                assert_eq!(w.process(1).load(1), Ok(101), "what was stored")
            })
            .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    };
    let fault = reclaimed(
        "S2.10/fault",
        "a fault maps a page of a file in memory that reclaim takes to the swap cache",
    )
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .holds(Era::DOCUMENT_2_2009.with(DiscardedBit::AfterRemoval))
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .never("it is mapped, and in the swap cache", |e| e.saw(Mark::SHMEM_MAPPED_IN_SWAP_CACHE))
    .sometimes("it goes to the swap cache", |e| e.saw(Mark::SHMEM_TO_SWAP_CACHE))
    .sometimes("it comes back from there", |e| e.saw(Mark::SHMEM_FROM_SWAP_CACHE))
    .sometimes("the fault has waited for what is gone", |e| e.saw(Mark::FIND_LOCK_PAGE_TOO_LATE));
    // FINDING-90
    let unlocked = Race::new(
        "S2/shmem-unlocked",
        "a fault has unlocked a page, whose unlock_page goes on to make it volatile, and reclaim \
         frees it meanwhile",
    )
    .world(hole)
    .cpu("load (the other's)", |w| {
        assert_eq!(w.process(0).load(1), Ok(0), "nothing was stored");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(1)))
    .violates(Era::DOCUMENT_2_2009, Clause::LIFE_3)
    .violates(Era::DOCUMENT_2_2009.with(DiscardedBit::AfterRemoval), Clause::LIFE_3)
    .holds(Era::DOCUMENT_2)
    .holds(Era::V2_6_29)
    .sometimes("it is freed", |e| e.saw(Mark::SHRINK_FREED));
    // FINDING-53
    let left_off = reclaimed(
        "S2.9/shmem",
        "reclaim takes a page of a file in memory that leaves the swap cache for one that the \
         host has discarded",
    )
    .violates(Era::DOCUMENT_2, Clause::LRU_1)
    .violates(Era::DOCUMENT_2_2009, Clause::LRU_1)
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .holds(Era::DOCUMENT_2.with(PutbackDiscarded::List))
    .showing("it is left off the list", |e| e.saw(Mark::PUTBACK_LEAVES_DISCARDED));
    // FINDING-70
    let looked_up = Race::new(
        "S2.14/shmem",
        "a fault looks a page up under a spin lock that the host has discarded",
    )
    .world(cached)
    .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "what was stored"))
    .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
    .violates(Era::DOCUMENT_2, Clause::ATOMIC_1)
    .violates(Era::DOCUMENT_2.with(SwapinLookup::Unchecked), Clause::HINT_2)
    .holds(Era::DOCUMENT_2.with(SwapinLookup::NoDiscard).with(VolatileTry::Neither))
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("it comes back from the swap cache", |e| e.saw(Mark::SHMEM_FROM_SWAP_CACHE));
    // FINDING-72
    let dirtied =
        Race::new("S2/shmem-dirty", "a store's fault makes a page dirty that it has made volatile")
            .world(hole)
            .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
            .cpu("host", |w| w.host_comes_by(w.process(1).page_at(1)))
            .violates(Era::DOCUMENT_2, Clause::HINT_2)
            .holds(Era::DOCUMENT_2.with(FileFault::Locked))
            .holds(Era::DOCUMENT_2_2009)
            .finally(|w| assert_eq!(w.process(1).load(1), Ok(8), "what was stored"))
            .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    let faults = Race::new(
        "S2.4/shmem",
        "a discard fault and a page fault take the same page out of the page cache",
    )
    .world(discarded)
    .cpu("load (another's)", |w| _ = w.process(0).load_once(1))
    .cpu("load (once)", |w| _ = w.process(1).load_once(1))
    .violates(Era::DOCUMENT_2.with(DiscardedBit::No), Clause::HINT_4)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .sometimes("the second finds the bit set", |e| e.saw(Mark::PAGE_DISCARD_TWICE))
    .finally(|w| assert_eq!(w.process(1).load(1), Ok(0), "nothing was stored"));
    // FINDING-60
    let exits = Race::new(
        "S2/shmem-exit",
        "an exit has cleared an entry of shared memory that the discarding walk looks at without \
         a lock",
    )
    .world(discarded)
    .cpu("load (another's, once)", |w| _ = w.process(0).load_once(1))
    .cpu("exit", |w| w.process(1).exit())
    .violates(Era::DOCUMENT_2, Clause::HINT_4)
    .holds(Era::DOCUMENT_2.with(PteLook::Locked))
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    let swapoff = Race::new(
        "S2/shmem-swapoff",
        "swapoff and a fault take a page of a file in memory out of the swap cache",
    )
    .world(cached)
    .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "what was stored"))
    .cpu("swapoff", |w| w.swapoff())
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .sometimes("swapoff is quicker", |e| e.saw(Mark::SHMEM_IN_PAGE_CACHE))
    .sometimes("the fault is quicker", |e| !e.saw(Mark::SHMEM_IN_PAGE_CACHE))
    .sometimes("swapoff is over", |e| e.saw(Mark::SWAPOFF_OVER));
    let mut races = vec![fault, unlocked, left_off, looked_up, dirtied, faults, exits, swapoff];
    races.extend(without_a_host());
    races
}
