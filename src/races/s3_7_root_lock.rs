//! S3.7: one lock for the whole family, the root's, which must then outlive every child.

use crate::spec::{AnonVmaLife, Clause, Era, LockRecheck};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.7", "the root's lock, while the parent exits and the child adjusts its VMA")
            .world(super::s3_2_per_anon_vma_lock::family)
            .cpu("migrate_pages (the shared page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("exit_mmap (the parent's)", |w| w.process(0).exit())
            .cpu("vma_adjust (the child's, split at 2)", |w| w.process(1).split_vma(2))
            .holds(Era::V2_6_36)
            .holds(Era::V3_7)
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
            .sometimes("exit throws a migration entry away", |e| e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY)),
        Race::new("S3.7/reuse", "the anon_vma is reused while it is locked, and its root, through which it will be unlocked, rewritten")
            .world(|w| {
                for _ in 0..2 {
                    let p = w.new_process();
                    p.mmap(1..2);
                    p.touch(1);
                }
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("exit_mmap, then fork elsewhere", |w| {
                w.process(0).exit();
                w.process(1).fork();
            })
            .violates(Era::V2_6_36.with(AnonVmaLife::RcuMapped).with(LockRecheck::Nothing), Clause::LIFE_2)
            .still_violates(Era::V2_6_36.with(AnonVmaLife::RcuMapped), Clause::LIFE_2)
            .holds(Era::V2_6_38)
            .holds(Era::V3_7)
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
