//! S3.10 to S3.12: what else document 3, and the answer to it, could have done about a migration
//! entry that the walk missed.

use crate::mm::{Setup, World};
use crate::spec::{AnonVmaLife, Clause, Era, Recount, RmapAgain, StaleEntry, ZapMigration};
use crate::{Mark, Race, Seen};

fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..5);
    p.touch(4);
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

fn split_then_load(w: &World) {
    let p = w.process(0);
    p.split_vma(2);
    let _ = p.load(4);
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S3.10",
            "whoever meets the stale entry cleans it up, but its page has been freed, and cannot \
             even say where it went",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("split, then a load", split_then_load)
        .violates(Era::V2_6_34.with(StaleEntry::MapOld), Clause::COUNT_3)
        .violates(Era::V2_6_34.with(StaleEntry::MapNew), Clause::LIFE_3)
        .holds(Era::V2_6_36.with(StaleEntry::MapOld).with(AnonVmaLife::RcuMapped))
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.10/referenced",
            "references on both pages keep them for whoever cleans up, but not the walk from a \
             wrong index",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("split, then a load", split_then_load)
        .still_violates(Era::V2_6_34.with(StaleEntry::MapNewReferenced), Clause::RMAP_1),
        Race::new(
            "S3.10/boundary",
            "where half-moved words hide the page and give no wrong index, the references are \
             enough",
        )
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..5);
            p.touch(3);
            p.split_vma(4);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(3)))
        .cpu("vma_adjust (boundary 4 to 2), then a load", |w| {
            w.process(0).move_boundary(4, 2);
            let _ = w.process(0).load(3);
        })
        .violates(Era::V2_6_34.with(StaleEntry::MapNew), Clause::LIFE_3)
        .holds(Era::V2_6_34.with(StaleEntry::MapNewReferenced))
        .sometimes("the fault cleans up a stale entry", |e| {
            e.saw(Mark::FAULT_CLEANS_UP_STALE_ENTRY)
        })
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.10/zap",
            "who zaps an entry while the migration is under way makes it leave references for \
             nobody",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("munmap", |w| w.process(0).munmap(1..5))
        .still_violates(
            Era::V2_6_34.with(AnonVmaLife::RcuMapped).with(StaleEntry::MapNewReferenced),
            Clause::COUNT_2,
        )
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.11",
            "the entries are counted, and the walk repeated until as many are restored",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
        .still_violates(Era::V2_6_34.with(Recount::WalkAgain), Clause::RMAP_1)
        .holds(Era::V2_6_34.with(Recount::WalkAgain).with(RmapAgain::Keep))
        .holds(Era::V2_6_36.with(Recount::WalkAgain))
        .showing("a walk restores an entry through a half-moved VMA", |e| {
            e.saw(Mark::REMOVE_MIGRATION_PTE_WRONG_INDEX)
        })
        .sometimes("the page is moved", moved),
        Race::new("S3.11/keep", "where a page keeps its index, walking again is enough")
            .world(one_page)
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
            .violates(Era::V2_6_34.with(RmapAgain::Keep), Clause::MIG_1)
            .holds(Era::V2_6_34.with(Recount::WalkAgain).with(RmapAgain::Keep))
            .sometimes("the walk is repeated", |e| e.saw(Mark::REMOVE_MIGRATION_PTES_AGAIN))
            .sometimes("the page is moved", moved),
        Race::new(
            "S3.11/zap",
            "the entries are counted, one is zapped meanwhile and never restored, and the walk \
             never ends",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("munmap", |w| w.process(0).munmap(1..5))
        .violates(Era::V2_6_38.with(Recount::WalkAgain), Clause::LIVELOCK)
        .holds(Era::V2_6_38.with(Recount::WalkAgain).with(ZapMigration::Wait))
        .sometimes("munmap meets the migration entry", |e| e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY))
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.12",
            "zap waits for the migration entry, and nothing has to keep the anon_vma",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("munmap", |w| w.process(0).munmap(1..5))
        .violates(Era::V2_6_36.with(AnonVmaLife::Nothing), Clause::LIFE_1)
        .still_violates(
            Era::V2_6_36.with(AnonVmaLife::Nothing).with(ZapMigration::Wait),
            Clause::LIFE_1,
        )
        .holds(Era::V2_6_36.with(AnonVmaLife::RcuMapped).with(ZapMigration::Wait))
        .sometimes("munmap meets the migration entry", |e| e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY))
        .sometimes("the page is moved", moved),
    ]
}
