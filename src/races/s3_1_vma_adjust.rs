//! S3.1: vma_adjust moves a VMA's range word by word under a reverse-map walk, which then misses a
//! migration entry.

use crate::mm::Setup;
use crate::spec::{Clause, Era, VmaAdjustLock};
use crate::{Mark, Race, Seen};

/// One process with one VMA `[1, 5)`, and a page at `addr`.
fn one_vma(addr: u64) -> impl Fn(&Setup<'_>) + Send + Sync {
    move |w| {
        let p = w.new_process();
        p.mmap(1..5);
        p.touch(addr);
    }
}

fn misses(e: &Seen<'_>) -> bool {
    e.saw(Mark::VMA_ADDRESS_EFAULT)
}

fn looks_elsewhere(e: &Seen<'_>) -> bool {
    e.saw(Mark::VMA_ADDRESS_WRONG)
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

/// Every era's verdict on a race of this family: only 2.6.34 has no lock here.
fn eras(race: Race) -> Race {
    race.violates(Era::V2_6_34, Clause::MIG_1)
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
}

pub(super) fn races() -> Vec<Race> {
    let split = Race::new("S3.1", "vma_adjust moves the range under rmap_walk")
        .world(one_vma(4))
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
        .showing("the walk takes the page to lie outside the VMA", misses)
        .sometimes("the page is moved", moved);
    let wrong = Race::new(
        "S3.1/wrong-address",
        "the half-moved range sends rmap_walk to another page's entry",
    )
    .world(one_vma(3))
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(3)))
    .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
    .showing("the walk looks at a wrong address inside the VMA", looks_elsewhere)
    .sometimes("the page is moved", moved);
    let boundary = Race::new(
        "S3.1/boundary",
        "vma_adjust moves the boundary between two VMAs, and for a while no VMA covers the page",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..5);
        p.touch(3);
        p.split_vma(4);
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(3)))
    .cpu("vma_adjust (boundary 4 to 2)", |w| w.process(0).move_boundary(4, 2))
    .showing("the walk takes the page to lie outside the VMA", misses)
    .sometimes("the page is moved", moved);
    let faulting = Race::new(
        "S3.1/fault",
        "vma_adjust moves the range under rmap_walk, and a fault meets a migration entry of an \
         unlocked page",
    )
    .world(one_vma(4))
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
    .cpu("split, then a load", |w| {
        let p = w.process(0);
        p.split_vma(2);
        let _ = p.load(4);
    })
    .showing("the walk takes the page to lie outside the VMA", misses)
    .sometimes("the page is moved", moved)
    .sometimes("the load waits for the migration", |e| e.saw(Mark::FAULT_MEETS_MIGRATION_ENTRY));
    // The mail: before the chains there was no lock either, and taking the one there was would have
    // been the fix.
    let unlocked =
        |race: Race| race.violates(Era::V2_6_33.with(VmaAdjustLock::Nothing), Clause::MIG_1);
    [split, wrong, unlocked(boundary), unlocked(faulting)].map(eras).into()
}
