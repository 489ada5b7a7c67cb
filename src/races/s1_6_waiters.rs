//! S1.6: who waits for a migration refers to the page, and that is what makes the migration fail.

use crate::mm::Setup;
use crate::spec::{Clause, Era, MigrationWait, Protocol, SwapCacheEntry};
use crate::{Mark, Race, Seen};

fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
}

fn waits_and(e: &Seen<'_>, end: &'static Mark) -> bool {
    e.saw(Mark::FAULT_MEETS_MIGRATION_ENTRY) && e.saw(end)
}

/// 2.6.38, where a page in the swap cache leaves migration entries behind.
fn migration_entries() -> Protocol {
    Era::V2_6_38.with(SwapCacheEntry::Migration)
}

pub(super) fn races() -> Vec<Race> {
    let once = Race::new(
        "S1.6",
        "a fault waits for the migration with a reference on the page that is migrated",
    )
    .world(one_page)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .holds(Era::V2_6_33)
    .holds(Era::V2_6_33.with(MigrationWait::GetPage))
    .holds(Era::V2_6_38)
    .holds(Era::V5_9)
    .sometimes("the waiter's reference makes the migration fail", |e| {
        waits_and(e, Mark::MIGRATE_FAILED)
    })
    .sometimes("the load waits, and the page is moved all the same", |e| {
        waits_and(e, Mark::MIGRATE_MOVED)
    });
    let starve = Race::new(
        "S1.6/starve",
        "faults that wait one after the other keep memory hot-remove from ever moving the page",
    )
    .world(one_page)
    .cpu("loads", |w| {
        w.process(0).load_while_unmoved(1).expect("it is mapped");
    })
    .cpu("offline_pages", |w| w.offline_page(w.process(0).page_at(1)))
    .violates(Era::V2_6_22, Clause::LIVELOCK)
    .violates(Era::V2_6_38, Clause::LIVELOCK)
    .violates(Era::V5_9, Clause::LIVELOCK)
    .holds(Era::V2_6_38.with(MigrationWait::NoReference))
    .holds(Era::V5_19)
    .sometimes("the load waits, and the page is moved all the same", |e| {
        waits_and(e, Mark::MIGRATE_MOVED)
    });
    let frozen = Race::new(
        "S1.6/frozen",
        "a fault meets the migration entry of a page whose count is frozen",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .violates(migration_entries().with(MigrationWait::GetPage), Clause::COUNT_4)
    .holds_without(migration_entries(), Clause::COUNT_4)
    .holds_without(migration_entries().with(MigrationWait::NoReference), Clause::COUNT_4)
    .sometimes("the load waits, and the page is moved", |e| waits_and(e, Mark::MIGRATE_MOVED));
    let swapped = Race::new(
        "S1.6/swap-entry",
        "where such a page leaves swap entries behind, nobody waits for it by its count",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("load", |w| {
        w.process(0).load(1).expect("it is mapped");
    })
    .holds(Era::V2_6_38.with(MigrationWait::GetPage))
    .holds(Era::V2_6_38)
    .sometimes("the fault finds the page in the swap cache", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED));
    vec![once, starve, frozen, swapped]
}
