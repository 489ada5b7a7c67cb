//! S4.5, S4.11 and S4.12: what document 4 builds on. The bundle of address spaces by which a page
//! is found, who keeps it, and in which order its locks are taken; and swapoff, which takes two in
//! the wrong one.

use super::worlds::{cached, family, family_cached, one_page};
use crate::mm::{Setup, World};
use crate::spec::{
    AnonmmCount, AnonmmExit, AnonmmPut, AnonmmWalkLock, Clause, Era, TryToUnuse, UnuseSem,
};
use crate::{Mark, Race, Seen};

/// An ancestor without a page, and two that descend from it.
fn siblings(w: &Setup<'_>) {
    let ancestor = w.new_process();
    ancestor.fork();
    ancestor.fork();
    ancestor.exit();
}

/// An ancestor, a parent that touched the page, and its child: what finds the page is neither the
/// oldest nor the only one.
fn three(w: &Setup<'_>) {
    w.new_process().mmap(1..2);
    let parent = w.process(0).fork();
    parent.touch(1);
    parent.fork();
}

/// As [`three`], and the parent has exited: the page's anonmm has no address space any more.
fn extinct(w: &Setup<'_>) {
    three(w);
    w.process(1).exit();
}

fn passes(e: &Seen<'_>) -> bool {
    e.saw(Mark::WALK_PASSES_LOCKED_TABLE)
}

fn head_freed(e: &Seen<'_>) -> bool {
    e.saw(Mark::ANONMM_HEAD_FREED)
}

fn found(e: &Seen<'_>) -> bool {
    e.saw(Mark::PAGE_REFERENCED)
}

fn freed(e: &Seen<'_>) -> bool {
    e.saw(Mark::SHRINK_FREED)
}

/// Reclaim, and something that takes the page-table lock and then the page's map lock.
fn inverted(race: Race) -> Race {
    race.violates(Era::RMAP_10.with(AnonmmWalkLock::Lock), Clause::DEADLOCK)
        .violates(Era::V2_6_7.with(AnonmmWalkLock::Lock), Clause::DEADLOCK)
        .holds(Era::RMAP_10)
        .holds(Era::DOCUMENT_4)
        .holds(Era::V2_6_7)
        .sometimes("the walk passes by", passes)
}

/// The page of an anonmm whose last user goes while reclaim has unmapped the page, and not yet
/// taken its anonmm away.
fn leak(race: Race) -> Race {
    race.violates(Era::RMAP_10, Clause::LEAK_1)
        .violates(Era::DOCUMENT_4, Clause::LEAK_1)
        .holds(Era::RMAP_10.with(AnonmmPut::Head))
        .sometimes("reclaim frees the page", freed)
        .sometimes("the last one that exits frees the head", |e| {
            head_freed(e) && !e.saw(Mark::ANONMM_HEAD_FREED_BY_PAGE)
        })
        .sometimes("the page frees the head", |e| e.saw(Mark::ANONMM_HEAD_FREED_BY_PAGE))
}

fn lock_order() -> Vec<Race> {
    let zap = Race::new(
        "S4.11",
        "a walk waits for the page-table lock of one who waits for the page's map lock",
    )
    .world(one_page)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("munmap", |w| w.process(0).munmap(1..2))
    .sometimes("the page is freed", freed);
    let fork = Race::new(
        "S4.11/fork",
        "a walk waits for the page-table lock of one who waits for the page's map lock, and fork \
         shares the page meanwhile",
    )
    .world(one_page)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("fork, then a load in the child", |w| {
        w.process(0).fork().load(1).expect("it is mapped");
    })
    .sometimes("the page is freed", freed);
    let aged = Race::new(
        "S4.11/aged",
        "a walk that only looks waits for the page-table lock of one who waits for the page's map \
         lock",
    )
    .world(one_page)
    .cpu("kswapd (refill_inactive_zone)", |w| w.age_page(w.process(0).page_at(1)))
    .cpu("madvise(DONTNEED)", |w| w.process(0).dontneed(1))
    .sometimes("the walk finds the page", found);
    vec![inverted(zap), inverted(fork), inverted(aged)]
}

fn lifetime() -> Vec<Race> {
    let used = Race::new(
        "S4.12",
        "a process exits while reclaim looks for one of its pages, which its child has too",
    )
    .world(three)
    .cpu("kswapd (refill_inactive_zone)", |w| w.age_page(w.process(1).page_at(1)))
    .cpu("exit_mmap", |w| w.process(1).exit())
    .violates(Era::RMAP_10.with(AnonmmCount::AddressSpaces), Clause::LIFE_4)
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::RMAP_10.with(AnonmmPut::Head))
    .sometimes("the walk finds the page", found)
    .sometimes("the page goes to the child's anonmm", |e| e.saw(Mark::PAGE_LEAVES_EXTINCT_ANONMM));
    let moved = Race::new(
        "S4.12/extinct",
        "a page leaves the anonmm of a process that has exited, and is unmapped at the same time",
    )
    .world(extinct)
    .cpu("kswapd (refill_inactive_zone)", |w| w.age_page(w.process(2).page_at(1)))
    .cpu("exit_mmap (the child's)", |w| w.process(2).exit())
    .violates(Era::RMAP_10.with(AnonmmCount::AddressSpaces), Clause::LIFE_4)
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::RMAP_10.with(AnonmmPut::Head))
    .sometimes("the page goes to the child's anonmm", |e| e.saw(Mark::PAGE_LEAVES_EXTINCT_ANONMM))
    .sometimes("the page takes its anonmm along", |e| {
        !e.saw(Mark::PAGE_LEAVES_EXTINCT_ANONMM) && e.saw(Mark::ANONMM_FREED_BY_PAGE)
    });
    let twice = Race::new(
        "S4.12/twice",
        "the last two of a bundle exit, and both see that the head is alone",
    )
    .world(siblings)
    .cpu("exit_mmap (one child's)", |w| w.process(1).exit())
    .cpu("exit_mmap (the other's)", |w| w.process(2).exit())
    .violates(Era::RMAP_10.with(AnonmmExit::AfterLock), Clause::LIFE_4)
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::RMAP_10.with(AnonmmPut::Head))
    .sometimes("the head is freed", head_freed);
    // Nobody has reported these. Who exits looks at the head's count once; a page that reclaim is
    // about to clear still counts then, and who takes it off later frees members, never a head.
    let alone = Race::new(
        "S4.12/leak",
        "a process exits between the last unmapping of its page and the moment at which the page \
         forgets it",
    )
    .world(one_page)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("exit_mmap", |w| w.process(0).exit());
    let last = Race::new(
        "S4.12/leak-family",
        "a child exits between the last unmapping of its exited parent's page and the moment at \
         which the page forgets it",
    )
    .world(|w| {
        family(w);
        w.process(0).exit();
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(1)))
    .cpu("exit_mmap (the child's)", |w| w.process(1).exit());
    let member = Race::new(
        "S4.12/leak-member",
        "a descendant exits between the last unmapping of its page and the moment at which the \
         page forgets it, and takes the head's last member along",
    )
    .world(|w| {
        extinct(w);
        w.process(0).exit();
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(2).page_at(1)))
    .cpu("exit_mmap (the child's)", |w| w.process(2).exit());
    vec![used, moved, twice, leak(alone), leak(last), leak(member)]
}

fn walks() -> Vec<Race> {
    let ways = |race: Race| race.holds(Era::RMAP_10).holds(Era::DOCUMENT_4).holds(Era::V2_6_7);
    let forks = Race::new("S4.12/fork", "two threads fork while reclaim goes round the bundle")
        .world(one_page)
        .cpu("kswapd (refill_inactive_zone)", |w| w.age_page(w.process(0).page_at(1)))
        .cpu("fork", |w| {
            w.process(0).fork();
        })
        .cpu("fork (another thread)", |w| {
            w.process(0).fork();
        })
        .sometimes("the walk finds the page", found)
        .sometimes("the walk passes by", passes);
    let fork = Race::new("S4.12/fork-shrink", "the page is unmapped while fork shares it")
        .world(family)
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("fork of the child, and a store in what comes of it", |w| {
            w.process(1).fork().store(1, 7).expect("it is mapped");
        })
        .sometimes("the page is freed", freed)
        .sometimes("the walk passes by", passes)
        .sometimes("the store copies the page", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let zap = Race::new(
        "S4.12/zap",
        "the page is unmapped for reclaim while one of the two that have it exits, and then the \
         other stores to it",
    )
    .world(family)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("exit_mmap (the parent's), then a store of the child's", |w| {
        w.process(0).exit();
        w.process(1).store(1, 7).expect("it is mapped");
    })
    .sometimes("the page is freed", freed)
    .sometimes("the walk passes by", passes);
    let swapin = Race::new(
        "S4.12/swap-in",
        "parent and child bring a page back at once: it belongs to who comes first, and both find \
         it",
    )
    .world(family_cached)
    .cpu("load (the parent's)", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("store (the child's)", |w| w.process(1).store(1, 7).expect("it is mapped"))
    .sometimes("a fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("the store copies the page", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let swapoff = Race::new(
        "S4.12/swapoff",
        "swapoff brings a page back that a parent has on swap, which exits",
    )
    .world(family_cached)
    .cpu("swapoff", World::swapoff)
    .cpu("exit_mmap (the parent's)", |w| w.process(0).exit())
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER))
    .sometimes("swapoff leaves no entry behind", |e| !e.saw(Mark::SWAPOFF_LEAVES_ENTRIES));
    vec![ways(forks), ways(fork), ways(zap), ways(swapin), ways(swapoff)]
}

/// The page lock, and then `mmap_sem`: document 4 brought it into swapoff, and 2.6.7 had it.
fn wrong_order() -> Race {
    Race::new(
        "S4.5",
        "swapoff has the page and waits for mmap_sem behind a writer, who waits for a fault, \
         which waits for the page",
    )
    .world(cached)
    .cpu("swapoff, one round", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("mmap", |w| w.process(0).mmap(4..5))
    .violates(Era::DOCUMENT_4, Clause::DEADLOCK)
    .violates(Era::V2_6_7, Clause::DEADLOCK)
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4.with(UnuseSem::Trylock))
    .holds(Era::V2_6_7.with(UnuseSem::Trylock))
    .holds(Era::V2_6_7.with(TryToUnuse::ByMm)) // it has no page locked when it waits
    .sometimes("the fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("swapoff has mapped it", |e| !e.saw(Mark::DO_SWAP_PAGE_MAPS))
}

pub(super) fn races() -> Vec<Race> {
    [vec![wrong_order()], lock_order(), lifetime(), walks()].concat()
}
