//! S3.7: one lock for the whole family, the root's, which must then outlive every child.

use super::s3_2_per_anon_vma_lock::family;
use crate::mm::Setup;
use crate::spec::{
    AnonVmaLife, AnonVmaLockKind, AnonVmaPut, ChainLock, Clause, Era, LockRecheck, UnmappedPut,
};
use crate::{Mark, Race};

/// A parent and a child that has stored, so that its page is in its own anon_vma.
fn childs_page(w: &Setup<'_>) {
    family(w);
    w.process(1).store(4, 7).expect("it is mapped");
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.7", "the root's lock, while the parent exits and the child adjusts its VMA")
            .world(family)
            .cpu("migrate_pages (the shared page)", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("exit_mmap (the parent's)", |w| w.process(0).exit())
            .cpu("vma_adjust (the child's, split at 2)", |w| w.process(1).split_vma(2))
            .holds(Era::V2_6_36)
            .holds(Era::V3_7)
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
            .sometimes("exit throws a migration entry away", |e| {
                e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY)
            }),
        Race::new(
            "S3.7/reuse",
            "the anon_vma is reused while it is locked, and its root, through which it will be \
             unlocked, rewritten",
        )
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
        .violates(
            Era::V2_6_36.with(AnonVmaLife::RcuMapped).with(LockRecheck::Nothing),
            Clause::LIFE_2,
        )
        .still_violates(Era::V2_6_36.with(AnonVmaLife::RcuMapped), Clause::LIFE_2)
        .holds(Era::V2_6_38)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S3.7/root-first",
            "the last reference to a child is a migration's, which lets go of the root before it \
             asks for its lock",
        )
        .world(childs_page)
        .cpu("migrate_pages (the child's page)", |w| w.migrate(w.process(1).page_at(4)))
        .cpu("exit_mmap (both)", |w| {
            w.process(0).exit();
            w.process(1).exit();
        })
        .violates(Era::V3_7, Clause::LIFE_1)
        .holds(Era::V3_7.with(AnonVmaPut::ChildFirst))
        // where nobody asks, either order will do
        .holds(Era::V2_6_38.with(AnonVmaLife::IncNotZero))
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S3.7/put-under-rcu",
            "a lookup drops the last reference inside its RCU read section, and waits for the \
             root's lock there",
        )
        .world(childs_page)
        .cpu("migrate_pages (the child's page)", |w| w.migrate(w.process(1).page_at(4)))
        .cpu("exit_mmap (the child's), then vma_adjust (the parent's)", |w| {
            w.process(1).exit();
            w.process(0).split_vma(2);
        })
        .violates(Era::V3_7, Clause::ATOMIC_1)
        .holds(Era::V3_7.with(AnonVmaLockKind::Spin))
        .holds(Era::V3_7.with(UnmappedPut::AfterRcu))
        .holds(Era::V2_6_38.with(AnonVmaLife::IncNotZero)) // a lock that spins
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
        Race::new(
            "S3.7/sleeps",
            "a lookup finds the root's lock taken, and sleeps with a reference instead of RCU, \
             which may be the last",
        )
        .world(childs_page)
        .cpu("kswapd (shrink_active_list)", |w| w.age_page(w.process(1).page_at(4)))
        .cpu("vma_adjust (the parent's), then exit_mmap (the child's)", |w| {
            w.process(0).split_vma(2);
            w.process(1).exit();
        })
        .violates(Era::V2_6_36.with(AnonVmaLockKind::Mutex), Clause::LIFE_1)
        .violates(Era::V3_7.with(ChainLock::Each), Clause::ATOMIC_1)
        .holds(Era::V3_7)
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .sometimes("it sleeps", |e| e.saw(Mark::PAGE_LOCK_ANON_VMA_SLEEPS))
        .sometimes("its reference is the last", |e| e.saw(Mark::PAGE_LOCK_ANON_VMA_LAST))
        .sometimes("the walk finds the page", |e| e.saw(Mark::PAGE_REFERENCED)),
    ]
}
