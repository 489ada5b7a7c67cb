//! Worlds of realistic size: three processes related by fork, two VMAs each, two pages; a migrator,
//! a reclaimer and a forker at once.

use crate::mm::Setup;
use crate::spec::{Era, GupFast};
use crate::{Mark, Race};

/// A process, its child and its grandchild, which share a page at 1 and one at 3, each in a VMA of
/// its own.
pub(super) fn three_generations(w: &Setup<'_>) {
    let parent = w.new_process();
    parent.mmap(1..3);
    parent.mmap(3..5);
    parent.touch(1);
    parent.touch(3);
    parent.fork().fork();
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S3/family",
            "one page of three processes is migrated, reclaimed and forked at once",
        )
        .world(three_generations)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
        .cpu("fork (the child's)", |w| {
            w.process(1).fork();
        })
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_38)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
        .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
        .sometimes("fork copies a migration entry", |e| e.saw(Mark::FORK_COPIES_MIGRATION_ENTRY)),
        Race::new(
            "S3/family-pages",
            "two pages of three processes: one is migrated, the other reclaimed, while one of \
             them forks",
        )
        .world(three_generations)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(3)))
        .cpu("fork (the child's)", |w| {
            w.process(1).fork();
        })
        // fork flushes what it has write-protected otherwise, which is four times as much
        .holds(Era::V2_6_33.with(GupFast::No))
        .sometimes("both are done", |e| e.saw(Mark::MIGRATE_MOVED) && e.saw(Mark::SHRINK_FREED))
        .sometimes("fork copies a migration entry", |e| e.saw(Mark::FORK_COPIES_MIGRATION_ENTRY)),
    ]
}
