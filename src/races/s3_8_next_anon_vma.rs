//! S3.8: the VMA has no anon_vma, but the next one, whose start moves along, has.

use crate::Race;
use crate::spec::{Clause, Era, VmaAdjustLock};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.8", "the boundary moves down into a VMA without an anon_vma, and its neighbour's is not locked")
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..4);
                p.mmap(4..7);
                p.touch(6);
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(6)))
            .cpu("vma_adjust (boundary 4 to 2)", |w| w.process(0).move_boundary(4, 2))
            .violates(Era::V2_6_34, Clause::MIG_1)
            .still_violates(Era::V2_6_36, Clause::MIG_1)
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_36.with(VmaAdjustLock::VmaOrNext))
            .holds(Era::V3_7)
            .sometimes("the page is moved", |e| e.saw("migrate", "moved")),
    ]
}
