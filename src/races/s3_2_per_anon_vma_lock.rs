//! S3.2: with a lock in every anon_vma, locking one's own excludes nobody who walks an ancestor's.

use crate::spec::{AnonVmaLock, Clause, Era, VmaAdjustLock};
use crate::{Mark, Race};

/// A parent with a page, and a child that shares it.
pub(super) fn family(w: &crate::mm::Setup<'_>) {
    let parent = w.new_process();
    parent.mmap(1..5);
    parent.touch(4);
    parent.fork();
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.2", "the child's vma_adjust locks its own anon_vma, the walk its parent's")
            .world(family)
            .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("vma_adjust (the child's, split at 2)", |w| w.process(1).split_vma(2))
            .violates(Era::V2_6_34, Clause::MIG_1)
            .still_violates(Era::V2_6_34.with(VmaAdjustLock::Vma), Clause::MIG_1)
            .violates(Era::V2_6_36.with(AnonVmaLock::Own), Clause::MIG_1)
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_36)
            .holds(Era::V3_7)
            .showing("the walk misses the child's entry", |e| e.saw(Mark::VMA_ADDRESS_EFAULT))
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
