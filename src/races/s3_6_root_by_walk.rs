//! S3.6: the root found through a VMA on the list; between letting go of the one lock and taking
//! the other, nothing is held.

use super::s3_2_per_anon_vma_lock::family;
use crate::spec::{AnonVmaLife, Clause, Era, LockRecheck, Protocol, RmapWalkLock, VmaAdjustLock};
use crate::{Mark, Race};

fn by_walk() -> Protocol {
    Era::V2_6_34.with(VmaAdjustLock::Vma).with(RmapWalkLock::RootByWalk)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.6/adjust", "the root found by walking, against the child's vma_adjust")
            .world(family)
            .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("vma_adjust (the child's, split at 2)", |w| w.process(1).split_vma(2))
            .holds(by_walk())
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new("S3.6", "the root goes away in the window between the two locks")
            .world(|w| {
                family(w);
                // the child's own page now, in its own anon_vma
                w.process(1).store(4, 7).expect("it is mapped");
            })
            .cpu("migrate_pages (the child's page)", |w| w.migrate(w.process(1).page_at(4)))
            .cpu("exit_mmap (both)", |w| {
                w.process(0).exit();
                w.process(1).exit();
            })
            .violates(
                by_walk().with(AnonVmaLife::LockThenGet).with(LockRecheck::Mapped),
                Clause::LIFE_1,
            )
            .holds(by_walk().with(AnonVmaLife::RcuMapped).with(LockRecheck::Mapped))
            .holds(
                Era::V2_6_34
                    .with(VmaAdjustLock::Vma)
                    .with(AnonVmaLife::LockThenGet)
                    .with(LockRecheck::Mapped),
            )
            .holds(Era::V2_6_38)
            .showing("the walk has let go of the one lock, and goes for the other", |e| {
                e.saw(Mark::LOCK_ROOT_BETWEEN_TWO_LOCKS)
            })
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
