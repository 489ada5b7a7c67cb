//! S4 under anon_vma: mremap moves entries while the reverse map is walked, and a VMA may grow over
//! the place that it moves to.

use super::worlds::one_page;
use crate::mm::{Setup, World};
use crate::spec::{
    Clause, Era, ForkChildSem, MremapFlush, MremapLock, MremapMerge, MremapPage, PteLook,
    SwapinClash,
};
use crate::{Mark, Protocol, Race, Seen};

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MREMAP_MOVED)
}

pub(super) fn migrated(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

/// A parent and its child share the page at 1.
fn shared(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..2);
    p.touch(1);
    p.fork();
}

/// What was touched at 1 is at 3 now, and a VMA in which nothing was touched ends where it was.
fn moved_away(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..2);
    p.touch(1);
    p.mremap(1..2, 3).expect("it is mapped");
    p.mmap(0..1);
}

fn back(w: &World) {
    w.process(0).mremap(3..4, 1).expect("it is mapped");
}

/// Of a VMA of two pages the upper one is at 3 now.
fn half_away(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(0..2);
    p.touch(0);
    p.touch(1);
    p.mremap(1..2, 3).expect("it is mapped");
}

/// A parent and its child have two pages on swap, and swapoff comes to the parent first: to a
/// second child behind it, and to the first one last.
fn between_relatives(w: &Setup<'_>) {
    let p = w.new_process();
    for addr in [1, 3] {
        p.mmap(addr..addr + 1);
        p.touch(addr);
    }
    let child = p.fork();
    child.mmap(7..8);
    child.touch(7);
    child.swap_out(7);
    child.munmap(7..8);
    p.mmap(5..6);
    [1, 3].into_iter().for_each(|addr| p.swap_out(addr));
}

/// No walk misses an entry because it looks without the page-table lock.
pub(super) fn locked_look(lock: MremapLock) -> Protocol {
    Era::V2_6_38.with(PteLook::LocklessUnmap).with(lock)
}

pub(super) fn races() -> Vec<Race> {
    let shared_page = Race::new(
        "S4.1",
        "a page that two processes share moves in one of them, and reclaim must find both places",
    )
    .world(shared)
    .cpu("mremap, then a load (the child's)", |w| {
        w.process(1).mremap(1..2, 3).expect("it is mapped");
        w.process(1).load(3).expect("it is mapped");
    })
    .cpu("kswapd, twice", |w| {
        w.shrink_page(w.process(0).page_at(1));
        w.shrink_page(w.process(0).page_at(1));
    })
    .violates(Era::RMAP_10, Clause::RMAP_1)
    .holds(Era::DOCUMENT_4)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_34)
    .holds(Era::V3_7)
    .sometimes("it is moved", moved)
    .sometimes("the page goes to swap", |e| e.saw(Mark::SHRINK_FREED));
    let merge = |id: &str,
                 title: &str,
                 world: fn(&Setup<'_>),
                 clause: Clause,
                 before: &[Protocol],
                 then: fn(&World)| {
        let race = Race::new(id, title).world(world).cpu("mremap back, and then", move |w| {
            back(w);
            then(w);
        });
        let again = Era::V6_18.with(MremapMerge::EitherNull); // 6.16 to 6.18.7
        let race = before
            .iter()
            .cloned()
            .chain([again])
            .fold(race, |race, era| race.violates(era, clause));
        let after = [Era::V3_7, Era::V5_19, Era::V6_18];
        after.into_iter().fold(race, Race::holds).sometimes("it is moved", moved)
    };
    let before =
        [Era::V2_6_11, Era::V2_6_13, Era::V2_6_22, Era::V2_6_29, Era::V2_6_34, Era::V2_6_38];
    [
        document(),
        vec![
            shared_page,
            merge(
                "S4/merge",
                "an untouched VMA grows over the place that a page moves to, and the page's \
                 anon_vma is freed",
                moved_away,
                Clause::LIFE_1,
                &before,
                |w| w.shrink_page(w.process(0).page_at(3)),
            ),
            merge(
                "S4/merge-swapped",
                "an untouched VMA grows over the place that a swap entry moves to, and the page \
                 comes back to a VMA without an anon_vma",
                |w| {
                    moved_away(w);
                    w.process(0).swap_out(3);
                },
                Clause::NULL_1,
                &before,
                |w| _ = w.process(0).load(1),
            ),
            {
                let race = Race::new(
                    "S4/merge-swapoff",
                    "an untouched VMA grows over the place that a swap entry moves to, and \
                     swapoff passes it by",
                )
                .world(|w| {
                    moved_away(w);
                    w.process(0).swap_out(3);
                })
                .cpu("mremap back, swapoff, and a load", |w| {
                    back(w);
                    w.swapoff();
                    w.process(0).load(1).expect("it is mapped");
                })
                .violates(Era::V2_6_7, Clause::NULL_1) // which looks there, and maps the page
                .violates(Era::V6_18.with(MremapMerge::EitherNull), Clause::LIVELOCK);
                let race = before
                    .iter()
                    .cloned()
                    .fold(race, |race, era| race.violates(era, Clause::LIVELOCK));
                [Era::V3_7, Era::V5_19, Era::V6_18]
                    .into_iter()
                    .fold(race, Race::holds)
                    .sometimes("it is moved", moved)
            },
            merge(
                "S4/merge-fork",
                "an untouched VMA grows over the place that a page moves to, and a child that is \
                 forked then does not get it",
                moved_away,
                Clause::ASSERT_1,
                &before[2..], // until 2.6.13, fork copies what is in a VMA without an anon_vma too
                |w| {
                    assert_eq!(
                        w.process(0).fork().load(1),
                        Ok(101),
                        "the child has what its parent has"
                    )
                },
            ),
            Race::new(
                "S4/peek",
                "a walk that looks without the page-table lock misses an entry that mremap moves",
            )
            .world(shared)
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("mremap (the child's)", |w| w.process(1).mremap(1..2, 3).expect("it is mapped"))
            .violates(Era::V2_6_34, Clause::MIG_1)
            .violates(Era::V2_6_38, Clause::MIG_1)
            .holds(locked_look(MremapLock::Nothing))
            .holds(Era::V3_7)
            .holds(Era::V5_19)
            .sometimes("it is moved", moved)
            .sometimes("the page is migrated", migrated),
            Race::new("S4/half-made", "swapoff meets a child that fork is still making")
                .world(between_relatives)
                .cpu("fork", |w| _ = w.process(0).fork())
                .cpu("swapoff, one round", |w| {
                    w.swapoff_begins();
                    w.unuse_next();
                })
                .holds(Era::V2_6_11)
                .holds(Era::V2_6_13)
                .violates(Era::V2_6_22.with(ForkChildSem::Nothing), Clause::GUARD_1)
                .holds(Era::V2_6_22)
                .holds(Era::V3_7)
                .sometimes("swapoff waits for it", |e| e.saw(Mark::SWAPOFF_LETS_GO)),
            Race::new(
                "S4/half-undone",
                "fork fails for want of memory, and swapoff meets what there is of the child",
            )
            .world(|w| {
                let p = w.new_process();
                for addr in [1, 3] {
                    p.mmap(addr..addr + 1);
                    p.touch(addr);
                }
                p.swap_out(1);
                p.read_ahead(1);
                w.limit_memory();
            })
            .cpu("fork", |w| _ = w.process(0).try_fork())
            .cpu("swapoff, one round", |w| {
                w.swapoff_begins();
                w.unuse_next();
            })
            .cpu("memory runs out", |w| w.exhaust_memory())
            .violates(Era::V6_12, Clause::NULL_1)
            .holds(Era::V5_19)
            .holds(Era::V6_1)
            .holds(Era::V6_18)
            .holds(Era::V7_3)
            .sometimes("fork fails", |e| e.saw(Mark::FORK_FAILS)),
            Race::new(
                "S4/late-flush",
                "mremap has let go of the page-table lock, and not yet flushed, when reclaim \
                 frees the page at the new place",
            )
            .world(one_page)
            .cpu("load (another thread's)", |w| _ = w.process(0).load_once(1))
            .cpu("mremap", |w| w.process(0).mremap(1..2, 3).expect("it is mapped"))
            .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
            .violates(Era::V3_7, Clause::LIFE_3)
            .holds(Era::V3_7.with(MremapFlush::UnderLock))
            .holds(Era::V3_7.with(MremapFlush::AtOnce))
            .holds(Era::V2_6_38)
            .holds(Era::V5_9)
            .holds(Era::V5_19)
            .sometimes("it is moved", moved)
            .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED)),
            Race::new(
                "S4/merged-before",
                "an entry moves into a VMA that has grown, which the walk has passed already",
            )
            .world(half_away)
            .cpu("migrate_pages (the page at 3)", |w| w.migrate(w.process(0).page_at(3)))
            .cpu("mremap back", back)
            .violates(locked_look(MremapLock::Nothing), Clause::MIG_1)
            .holds(locked_look(MremapLock::MoveToTail))
            .holds(locked_look(MremapLock::RmapLock))
            .holds(Era::V3_7)
            .holds(Era::V5_19)
            .holds(Era::V6_18)
            .sometimes("it is moved", moved)
            .sometimes("a VMA grows", |e| e.saw(Mark::MREMAP_MERGES))
            .sometimes("the page is migrated", migrated),
            Race::new(
                "S4/moves-back",
                "memory runs out half-way, and an entry moves back behind the walk's back",
            )
            .world(|w| {
                let p = w.new_process();
                p.mmap(3..5);
                p.touch(3);
                p.touch(4);
                w.limit_memory();
            })
            .cpu("migrate_pages (the page at 3)", |w| w.migrate(w.process(0).page_at(3)))
            .cpu("mremap", |w| _ = w.process(0).mremap(3..5, 11))
            .cpu("memory runs out", |w| w.exhaust_memory())
            .violates(locked_look(MremapLock::Nothing), Clause::MIG_1)
            .holds(locked_look(MremapLock::MoveToTail))
            .holds(locked_look(MremapLock::RmapLock))
            .holds(Era::V3_7)
            .holds(Era::V5_19)
            .sometimes("what has moved moves back", |e| e.saw(Mark::MREMAP_MOVES_BACK))
            .sometimes("the page is migrated", migrated),
        ],
    ]
    .concat()
}

/// What document 4 says of mremap under anonmm.
fn document() -> Vec<Race> {
    let copies = |e: &Seen<'_>| e.saw(Mark::MREMAP_COPIES);
    // The parent has brought the page back, the child has it on swap still.
    let half_back = |w: &Setup<'_>| {
        shared(w);
        w.process(0).swap_out(1);
        w.process(0).load(1).expect("it is mapped");
    };
    // Both have it on swap, the child at 3.
    let swapped_away = |w: &Setup<'_>| {
        shared(w);
        w.process(0).swap_out(1);
        w.process(1).mremap(1..2, 3).expect("it is mapped");
    };
    let noted = Race::new(
        "S4.2",
        "a page's address is noted anew while another process brings it back at the old one",
    )
    .world(half_back)
    .cpu("mremap (the parent's)", |w| w.process(0).mremap(1..2, 3).expect("it is mapped"))
    .cpu("load (the child's)", |w| {
        w.process(1).load(1).expect("it is mapped");
    })
    .violates(Era::DOCUMENT_4.with(MremapPage::EarlyCowUnlocked), Clause::RMAP_1)
    .violates(Era::RMAP_10, Clause::RMAP_1)
    .holds(Era::DOCUMENT_4)
    .holds(Era::V2_6_7)
    .sometimes("it is moved", moved);
    let on_swap =
        Race::new("S4.3", "a page that was moved while on swap comes back at two addresses")
            .world(swapped_away)
            .cpu("load (the parent's)", |w| {
                w.process(0).load(1).expect("it is mapped");
            })
            .cpu("load (the child's)", |w| {
                w.process(1).load(3).expect("it is mapped");
            })
            .violates(Era::RMAP_10, Clause::RMAP_1)
            .violates(Era::DOCUMENT_4.with(SwapinClash::Map), Clause::RMAP_1)
            .holds(Era::DOCUMENT_4)
            .holds(Era::V2_6_7)
            .sometimes("a fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let unused =
        Race::new("S4.3/swapoff", "a page that was moved while on swap is brought back by swapoff")
            .world(swapped_away)
            .cpu("swapoff", World::swapoff)
            .violates(Era::RMAP_10, Clause::RMAP_1)
            .holds(Era::DOCUMENT_4)
            .holds(Era::V2_6_7)
            .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let reused = Race::new(
        "S4.4/reused",
        "between the clash and its cure the other mapping goes, and the page is kept where it is \
         not found",
    )
    .world(|w: &Setup<'_>| {
        shared(w);
        w.process(0).swap_out(1);
        w.process(1).mremap(1..2, 3).expect("it is mapped");
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("load (the child's)", |w| {
        w.process(1).load(3).expect("it is mapped");
    })
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .violates(Era::DOCUMENT_4, Clause::RMAP_1)
    .holds(Era::V2_6_7);
    let short = |id: &str, title: &str, world: fn(&Setup<'_>), range: std::ops::Range<u64>| {
        Race::new(id, title)
            .world(world)
            .cpu("mremap (the child's), then loads", move |w| {
                let p = w.process(1);
                let at = if p.mremap(range.clone(), 11).is_ok() { 11 } else { range.start };
                w.release_memory();
                (0..range.end - range.start).for_each(|page| _ = p.load(at + page));
            })
            .cpu("memory runs out", |w| w.exhaust_memory())
            .violates(Era::DOCUMENT_4, Clause::DATA_1)
            .holds(Era::V2_6_7)
            .holds(Era::V2_6_11)
            .sometimes("it is moved", moved)
    };
    let first = short(
        "S4.6",
        "memory runs out for the copy of the first page, and mremap takes that for success",
        |w| {
            shared(w);
            w.limit_memory();
        },
        1..2,
    );
    let second = short(
        "S4.6/second",
        "memory runs out for the copy of the second page, and the first one is left behind",
        |w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
            p.touch(2);
            p.fork().store(1, 7).expect("it is mapped");
            w.limit_memory();
        },
        1..3,
    );
    let tables = Race::new(
        "S4.6/tables",
        "memory runs out for the page table of the second page, and the first one moves back",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(3..5);
        p.touch(3);
        p.touch(4);
        w.limit_memory();
    })
    .cpu("mremap, then loads", |w| {
        let p = w.process(0);
        let at = if p.mremap(3..5, 11).is_ok() { 11 } else { 3 };
        w.release_memory();
        (0..2).for_each(|page| _ = p.load(at + page));
    })
    .cpu("memory runs out", |w| w.exhaust_memory())
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_34)
    .sometimes("it is moved", moved)
    .sometimes("what has moved moves back", |e| e.saw(Mark::MREMAP_MOVES_BACK));
    let again = Race::new(
        "S4.7",
        "mremap copies and tries again, while reclaim takes the page away and the other process \
         brings it back",
    )
    .world(shared)
    .cpu("mremap (the child's)", |w| w.process(1).mremap(1..2, 3).expect("it is mapped"))
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("load (the parent's)", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .holds(Era::DOCUMENT_4)
    .sometimes("it is copied", copies)
    .sometimes("it is moved while on swap", move |e| !copies(e) && moved(e));
    vec![noted, on_swap, unused, reused, first, second, tables, again]
}
