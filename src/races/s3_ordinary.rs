//! What the claims take for granted: page faults, munmap, mprotect, exit and fork against each
//! other, and against a migration.

use super::worlds::{cached, family, one_page};
use crate::mm::{Errno, Setup};
use crate::spec::{Clause, Era, PteLook};
use crate::{Mark, Race, Seen};

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

/// Three pages of one VMA, at 1, 3 and 5.
fn three_pages(w: &Setup<'_>) {
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
    let first =
        Race::new("S3/first-touch", "two threads touch a page of a VMA that has no anon_vma yet")
            .world(|w| w.new_process().mmap(1..3))
            .cpu("page fault", |w| w.process(0).touch(1))
            .cpu("page fault (another thread)", |w| w.process(0).touch(1))
            .sometimes("both make an anon_vma, and one of them lets go of it", |e| {
                e.saw(Mark::ANON_VMA_PREPARE_LOST)
            })
            .sometimes("both make a page, and one of them lets go of it", |e| {
                e.saw(Mark::DO_ANONYMOUS_PAGE_LOST)
            });
    let middle = Race::new(
        "S3/munmap",
        "a VMA is unmapped in two pieces, while a page in the second one is migrated",
    )
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
    let beside = Race::new(
        "S3/munmap-beside",
        "what is unmapped lies in one of two VMAs that touch, and a page of the other is migrated",
    )
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
    let fork = Race::new(
        "S3/fork",
        "fork copies a page that another thread stores to, and one that it touches for the first \
         time",
    )
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
    let siblings = Race::new(
        "S3/siblings",
        "parent and child have a page each at the same address, and the two are migrated at once",
    )
    .world(|w| {
        super::s3_2_per_anon_vma_lock::family(w);
        w.process(0).store(4, 7).expect("it is mapped");
    })
    .cpu("migrate_pages (the parent's)", |w| w.migrate(w.process(0).page_at(4)))
    .cpu("migrate_pages (the child's)", |w| w.migrate(w.process(1).page_at(4)))
    .sometimes("the page is moved", moved);
    let races = [first, middle, beside, fork, siblings, protected_split()].map(ways);
    races
        .into_iter()
        .chain([
            reused(),
            protected_look(),
            protected_unshare(),
            protected_store(
                "S3/mprotect-store",
                "a page that is on swap is made read-only while another thread stores there",
                cached,
            ),
            protected_store(
                "S3/mprotect-shared",
                "a page that parent and child share is made read-only while another thread stores \
                 there",
                family,
            ),
        ])
        .collect()
}

/// Of four generations the two in the middle are dead, and the elder's anon_vma is used again.
fn reused() -> Race {
    Race::new(
        "S3/fork-reuses",
        "a fork uses the anon_vma of a dead ancestor's again, and what the child stores is \
         reclaimed",
    )
    .world(|w| {
        let first = w.new_process();
        first.mmap(1..2);
        first.touch(1);
        let second = first.fork();
        let third = second.fork();
        third.fork();
        second.exit();
        third.exit();
    })
    .cpu("fork, store (the child's)", |w| {
        let child = w.process(3).fork();
        child.store(1, 7).expect("it is mapped");
        w.shrink_page(child.page_mapped(1).expect("it has just been stored to"));
    })
    .cpu("exit", |w| w.process(0).exit())
    .finally(|w| {
        assert_eq!(w.process(4).load(1), Ok(7), "what the child has stored");
        assert_eq!(w.process(3).load(1), Ok(101), "what was there");
    })
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_1)
    .holds(Era::V6_18)
    .sometimes("an anon_vma is used again", |e| e.saw(Mark::ANON_VMA_REUSED))
    .sometimes("the page goes to swap", |e| e.saw(Mark::SHRINK_FREED))
}

fn read_only(e: &Seen<'_>) -> bool {
    e.saw(Mark::PAGE_FAULT_READ_ONLY)
}

/// What claim S3.1 is about, by the call that does it: a VMA is cut in three for its protection's
/// sake. The page must come out of the migration as read-only as it went in.
fn protected_split() -> Race {
    Race::new(
        "S3/mprotect",
        "what lies in the middle of a VMA is made read-only while it is migrated",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..7);
        p.touch(2);
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(2)))
    .cpu("mprotect", |w| w.process(0).mprotect(2..3, false))
    .finally(|w| {
        let p = w.process(0);
        assert_eq!(p.store(2, 7), Err(Errno::Efault), "an entry is writable, and its VMA is not");
        p.store(1, 8).expect("it is mapped, and writable");
        p.store(3, 9).expect("it is mapped, and writable");
        let held = p.pin_for_writing(3).expect("it is mapped, and writable");
        p.mprotect(2..7, false);
        p.mprotect(5..6, true);
        let child = p.fork();
        held.put();
        p.load(4).expect("it is mapped");
        for addr in [2, 3, 4, 6] {
            assert_eq!(p.store(addr, 7), Err(Errno::Efault), "{addr} is read-only");
            assert_eq!(
                child.store(addr, 7),
                Err(Errno::Efault),
                "{addr} is read-only in the child"
            );
        }
        p.mprotect(1..7, true);
        for addr in 1..7 {
            p.store(addr, 10 + addr).expect("it is mapped, and writable");
        }
        child.store(5, 8).expect("it is mapped, and writable");
    })
    .violates(Era::V2_6_34, Clause::MIG_1)
    .holds(Era::V5_19)
    .holds(Era::V6_12)
    .sometimes("mprotect meets the migration entry", |e| {
        e.saw(Mark::MPROTECT_MEETS_MIGRATION_ENTRY)
    })
    .sometimes("the page is moved", moved)
}

fn protected_look() -> Race {
    Race::new(
        "S3/mprotect-look",
        "mprotect clears an entry before it sets it again, and who looks without the lock takes \
         the page for unmapped",
    )
    .world(one_page)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("mprotect", |w| w.process(0).mprotect(1..2, false))
    .violates(Era::V2_6_33, Clause::RACE_1)
    .violates(Era::V3_7, Clause::RACE_1)
    .violates(Era::V6_12, Clause::RACE_1)
    .holds(Era::V2_6_33.with(PteLook::Locked))
    .holds(Era::V6_12.with(PteLook::Locked))
    .never("the page stays where it is", |e| e.saw(Mark::MIGRATE_FAILED))
    .sometimes("the page is moved", moved)
}

/// A device that will only read is given a page of the process's own, which must stay as read-only
/// as its VMA.
fn protected_unshare() -> Race {
    Race::new(
        "S3/mprotect-unshare",
        "a device reads a page of a read-only VMA that parent and child shared, while the child \
         exits",
    )
    .world(|w| {
        family(w);
        w.process(0).mprotect(1..2, false);
    })
    .cpu("direct I/O reads, then a store", |w| {
        let p = w.process(0);
        p.pin_for_reading(1).expect("it is mapped").put();
        assert_eq!(p.store(1, 7), Err(Errno::Efault), "a store has gone through a read-only VMA");
    })
    .cpu("exit_mmap (the child's)", |w| w.process(1).exit())
    .holds(Era::V5_9)
    .holds(Era::V5_19)
    .holds(Era::V6_18)
    .sometimes("the store comes too late", read_only)
}

/// Once mprotect has returned, no store goes through any more, whatever the fault is about that it
/// takes.
fn protected_store(id: &str, title: &str, world: fn(&Setup<'_>)) -> Race {
    Race::new(id, title)
        .world(world)
        .cpu("mprotect, then loads", |w| {
            let p = w.process(0);
            p.mprotect(1..2, false);
            let found = p.load(1).expect("it is mapped");
            assert_eq!(p.load(1), Ok(found), "a store has gone through a read-only VMA");
        })
        .cpu("store (another thread)", |w| {
            let _ = w.process(0).store(1, 7);
        })
        .finally(|w| {
            let p = w.process(0);
            w.shrink_page(p.page_now(1).expect("a page is there"));
            p.load(1).expect("it is mapped");
            p.mprotect(1..2, true);
            p.store(1, 8).expect("it is mapped, and writable");
        })
        .holds(Era::V2_6_11)
        .holds(Era::V2_6_13)
        .holds(Era::V2_6_29)
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .holds(Era::V6_12)
        .sometimes("the store comes too late", read_only)
        .sometimes("the store comes in time", |e| !e.saw(Mark::PAGE_FAULT_READ_ONLY))
}
