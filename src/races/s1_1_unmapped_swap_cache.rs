//! S1.1 and S3.14: a page in the swap cache that nobody maps is a target of migration too.

use super::worlds::family;
use crate::mm::{Setup, World};
use crate::spec::{AnonVmaLife, Clause, Era, NewRmap, NewpageLru, UnmappedPage};
use crate::{Mark, Race, Seen};

/// A page that was swapped out, and is in the swap cache again; nobody has mapped it since.
fn read_ahead(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
    p.swap_out(1);
    p.read_ahead(1);
}

fn moved_alone(e: &Seen<'_>) -> bool {
    e.saw(Mark::UNMAPPED_PAGE_MOVED) && e.saw(Mark::MIGRATE_MOVED)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S1.1",
            "a page that was just read from swap has no mapping yet, and is migrated",
        )
        .world(read_ahead)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("load", |w| {
            w.process(0).load(1).expect("it is mapped");
        })
        .violates(Era::V2_6_22, Clause::NULL_1)
        .still_violates(Era::V2_6_22.with(AnonVmaLife::LockThenGet), Clause::NULL_1)
        .violates(Era::V2_6_29.with(UnmappedPage::Unmap), Clause::NULL_1)
        .holds(Era::DOCUMENT_1)
        .holds(Era::V2_6_29)
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
        .sometimes("the fault maps a page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS)),
        // Not in the mail: a page that no swap cache ever saw has no mapping yet, either.
        Race::new(
            "S1.1/first-touch",
            "a page that is just touched for the first time is on the LRU list before it has a \
             mapping",
        )
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(2);
        })
        .cpu("page fault", |w| w.process(0).touch(1))
        .cpu("migrate_pages (the newest page)", World::migrate_newest)
        .violates(Era::V2_6_22, Clause::NULL_1)
        .holds(Era::DOCUMENT_1)
        .holds(Era::DOCUMENT_1.with(NewRmap::BeforeEntry))
        .holds(Era::V2_6_22.with(NewRmap::First))
        .holds(Era::V2_6_33)
        .holds(Era::V3_7)
        .sometimes("a page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S1.1/copy",
            "a page that do_wp_page has just copied has no mapping yet, and is migrated",
        )
        .world(family)
        .cpu("store", |w| w.process(0).store(1, 7).expect("it is mapped"))
        .cpu("migrate_pages (the newest page)", World::migrate_newest)
        .violates(Era::V2_6_22, Clause::NULL_1)
        .violates(Era::V2_6_22.with(NewRmap::BeforeEntry), Clause::NULL_1)
        .holds(Era::DOCUMENT_1)
        .holds(Era::V2_6_22.with(NewRmap::First))
        .holds(Era::V2_6_33)
        .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
        .sometimes("a page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S1.1/copied-again",
            "the copy that a migration makes is on the LRU list before anybody maps it, and is \
             migrated in its turn",
        )
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("migrate_pages (the newest page)", World::migrate_newest)
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .holds(Era::V2_6_38.with(NewpageLru::BeforeRemap))
        .sometimes("a page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S1.1/moved",
            "a page without a mapping is moved by later kernels, without a reverse map to walk",
        )
        .world(read_ahead)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("store", |w| w.process(0).store(1, 7).expect("it is mapped"))
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_33.with(UnmappedPage::MoveWithoutRmap))
        .holds(Era::V2_6_36)
        .holds(Era::V2_6_38)
        .sometimes("the unmapped page is moved", moved_alone)
        .sometimes("the fault maps a page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS)),
    ]
}
