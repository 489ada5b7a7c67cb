//! What the claims take for granted: page faults, munmap, exit and fork against each other, and against a migration.

use crate::mm::World;
use crate::spec::Era;
use crate::{Mark, Race, Seen};

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

/// Three pages of one VMA, at 1, 3 and 5.
fn three_pages(w: &World) {
    let p = w.new_process();
    p.mmap(1..7);
    for addr in [1, 3, 5] {
        p.touch(addr);
    }
}

/// In every way that a family's VMAs were ever linked and locked.
fn ways(race: Race) -> Race {
    race.holds(Era::V2_6_33).holds(Era::V2_6_36).holds(Era::V3_7)
}

pub(super) fn races() -> Vec<Race> {
    let first = Race::new("S3/first-touch", "two threads touch a page of a VMA that has no anon_vma yet")
        .world(|w| w.new_process().mmap(1..3))
        .cpu("page fault", |w| w.process(0).touch(1))
        .cpu("page fault (another thread)", |w| w.process(0).touch(1))
        .sometimes("both make an anon_vma, and one of them lets go of it", |e| e.saw(Mark::ANON_VMA_PREPARE_LOST))
        .sometimes("both make a page, and one of them lets go of it", |e| e.saw(Mark::DO_ANONYMOUS_PAGE_LOST));
    let middle = Race::new("S3/munmap", "a VMA is unmapped in two pieces, while a page in the second one is migrated")
        .world(three_pages)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(5)))
        .cpu("munmap, then loads", |w| {
            let p = w.process(0);
            p.munmap(2..4);
            for _ in 0..2 {
                p.split_vma(6); // where one begins already, the second time
            }
            p.munmap(4..6);
            p.mmap(2..5);
            for addr in 1..7 {
                let _ = p.load(addr);
            }
        })
        .sometimes("munmap meets the migration entry", |e| e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY))
        .sometimes("the page is moved", moved);
    let beside = Race::new("S3/munmap-beside", "what is unmapped lies in one of two VMAs that touch, and a page of the other is migrated")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..4);
            p.mmap(4..7);
            for addr in [1, 3, 5] {
                p.touch(addr);
            }
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(5)))
        .cpu("munmap", |w| w.process(0).munmap(2..4))
        .sometimes("the page is moved", moved);
    let fork = Race::new("S3/fork", "fork copies a page that another thread stores to, and one that it touches for the first time")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.mmap(2..3); // nothing was ever touched here
            p.touch(1);
        })
        .cpu("fork, then loads in the child", |w| {
            let child = w.process(0).fork();
            child.load(1).expect("it is mapped");
            child.load(2).expect("it is mapped");
        })
        .cpu("stores", |w| {
            let p = w.process(0);
            p.store(1, 7).expect("it is mapped");
            p.store(2, 8).expect("it is mapped");
        })
        .sometimes("the store copies the page", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let siblings = Race::new("S3/siblings", "parent and child have a page each at the same address, and the two are migrated at once")
        .world(|w| {
            super::s3_2_per_anon_vma_lock::family(w);
            w.process(0).store(4, 7).expect("it is mapped");
        })
        .cpu("migrate_pages (the parent's)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("migrate_pages (the child's)", |w| w.migrate(w.process(1).page_at(4)))
        .sometimes("the page is moved", moved);
    [first, middle, beside, fork, siblings].map(ways).into()
}
