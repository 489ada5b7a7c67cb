//! S3.3: locking each visited VMA's anon_vma too, nested: the order is not the same for everybody.

use super::s3_2_per_anon_vma_lock::family;
use crate::mm::Setup;
use crate::spec::{Clause, Era, Protocol, RmapWalkLock, VmaAdjustLock};
use crate::{Mark, Race};

/// 2.6.34 with the nested locks that were tried in document 3's thread, on the day before.
fn nested() -> Protocol {
    Era::V2_6_34.with(VmaAdjustLock::Vma).with(RmapWalkLock::Nested)
}

/// Two processes, each with a page of its own, whose VMAs are on each other's lists as well.
pub(super) fn crossed(w: &Setup<'_>) {
    let (x, y) = (w.new_process(), w.new_process());
    for p in [x, y] {
        p.mmap(1..2);
        p.touch(1);
    }
    x.cross_link(1, y, 1);
    y.cross_link(1, x, 1);
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S3.3",
            "nested anon_vma locks against mm_take_all_locks, which goes newest first",
        )
        .world(family)
        .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("mmu_notifier_register (the child's)", |w| w.process(1).mmu_notifier_register())
        .violates(nested(), Clause::DEADLOCK)
        .holds(Era::V2_6_34.with(VmaAdjustLock::Vma))
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S3.3/walkers",
            "two walkers whose VMAs are on each other's lists nest both ways",
        )
        .world(crossed)
        .cpu("migrate_pages (X's page)", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("migrate_pages (Y's page)", |w| w.migrate(w.process(1).page_at(1)))
        .violates(nested(), Clause::DEADLOCK)
        .holds(Era::V2_6_34.with(VmaAdjustLock::Vma))
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new("S3.3/ordered", "two walkers nest on lists as fork makes them, oldest first")
            .world(|w| {
                family(w);
                w.process(1).store(4, 7).expect("it is mapped");
            })
            .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("migrate_pages (the child's own)", |w| w.migrate(w.process(1).page_at(4)))
            .holds(nested())
            .holds(nested().with(RmapWalkLock::TrylockRestart))
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        // FINDING-89
        Race::new(
            "S3.3/exit",
            "an exit has freed the child's anon_vma, and its VMA is still on the parent's list, \
             where a walker asks for that lock",
        )
        .world(family)
        .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("exit (the child's)", |w| w.process(1).exit())
        .violates(nested(), Clause::LIFE_1)
        .violates(nested().with(RmapWalkLock::TrylockRestart), Clause::LIFE_1)
        .holds(Era::V2_6_34.with(VmaAdjustLock::Vma))
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
