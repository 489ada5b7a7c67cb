//! S3.5: a sequence count tells a walker that a VMA was moved while it looked at it; not that a
//! page went from one VMA to another that it has passed already.

use crate::mm::Setup;
use crate::spec::{Clause, Era, Protocol, RmapWalkLock, VmaAdjustLock};
use crate::{Mark, Race, Seen};

fn seqcount() -> Protocol {
    Era::V2_6_34.with(VmaAdjustLock::Vma).with(RmapWalkLock::SeqCount)
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

/// A parent with a page at 2, and a child that shares it and has it in the lower of two VMAs: the
/// later one on the list, since the child has cut it off, and of the same anon_vma as the other, or
/// no kernel would move their boundary.
fn two_vmas(w: &Setup<'_>) {
    let parent = w.new_process();
    parent.mmap(1..6);
    parent.touch(2);
    parent.fork().split_vma(3);
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.5/split", "a sequence count beside the child's own lock, against its split")
            .world(super::s3_2_per_anon_vma_lock::family)
            .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("vma_adjust (the child's, split at 2)", |w| w.process(1).split_vma(2))
            .holds(seqcount())
            .sometimes("the page is moved", moved),
        Race::new(
            "S3.5",
            "the boundary moves over the page, from a VMA not yet visited to one that was",
        )
        .world(two_vmas)
        .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(2)))
        .cpu("vma_adjust (the child's boundary, 3 to 2)", |w| w.process(1).move_boundary(3, 2))
        .violates(seqcount(), Clause::MIG_1)
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
        .sometimes("the page is moved", moved),
    ]
}
