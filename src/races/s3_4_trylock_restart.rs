//! S3.4: trying each visited VMA's lock, and starting again when it is taken: two walkers can do
//! that to each other for ever.

use super::s3_3_nested_locks::crossed;
use crate::spec::{Clause, Era, Protocol, RmapWalkLock, VmaAdjustLock};
use crate::{Mark, Race};

fn trylock_restart() -> Protocol {
    Era::V2_6_34.with(VmaAdjustLock::Vma).with(RmapWalkLock::TrylockRestart)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        // What document 3 fears of a patch that waits; but what the walks begin with is one lock,
        // and who has it tries the others alone.
        Race::new(
            "S3.4/same-list",
            "two walkers of one anon_vma's list try the locks of its other VMAs",
        )
        .world(|w| {
            let parent = w.new_process();
            parent.mmap(1..3);
            parent.touch(1);
            parent.touch(2);
            parent.fork();
        })
        .cpu("migrate_pages (the page at 1)", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("migrate_pages (the page at 2)", |w| w.migrate(w.process(0).page_at(2)))
        .holds(trylock_restart())
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new("S3.4", "two walkers try each other's lock, fail, and start again")
            .world(crossed)
            .cpu("migrate_pages (X's page)", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("migrate_pages (Y's page)", |w| w.migrate(w.process(1).page_at(1)))
            .violates(trylock_restart(), Clause::LIVELOCK)
            .holds(Era::V2_6_34.with(VmaAdjustLock::Vma))
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
