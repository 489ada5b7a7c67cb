//! S3.15 and S3.16: fork copies a migration entry, and a stack grows, while a walk is under way.

use crate::mm::Setup;
use crate::spec::{
    AnonVmaLink, Clause, Era, ExpandLock, ForkLink, ForkMigration, ForkMmlist, SharedMapping,
};
use crate::{Mark, Race, Seen};

fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(3..6);
    p.touch(4);
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.15", "fork copies a migration entry to a child that the walk has passed")
            .world(one_page)
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
            .cpu("fork", |w| {
                w.process(0).fork();
            })
            .violates(Era::V2_6_38.with(ForkLink::Prepend), Clause::MIG_1)
            .holds(Era::V2_6_38)
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_38.with(ForkLink::Prepend).with(ForkMigration::Wait))
            .sometimes("the page is moved", moved),
        Race::new(
            "S3.15/oldest",
            "a page that a walk maps in the child first must still be found by the parent's name",
        )
        .world(|w| {
            one_page(w);
            w.process(0).fork();
        })
        .cpu("migrate_pages (the shared page)", |w| w.migrate(w.process(0).page_at(4)))
        .violates(Era::V2_6_34.with(ForkLink::Prepend).with(SharedMapping::Vma), Clause::RMAP_1)
        .holds(Era::V2_6_34.with(ForkLink::Prepend))
        .holds(Era::V2_6_34)
        // the copy keeps the mapping it was given
        .holds(Era::V2_6_38.with(ForkLink::Prepend).with(SharedMapping::Vma))
        .holds(Era::V2_6_38.with(ForkLink::Prepend))
        .holds(Era::V2_6_38)
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.15/grandchild",
            "a grandchild swaps a page in that its grandparent maps afterwards, by the same name",
        )
        .world(|w| {
            let parent = w.new_process();
            parent.mmap(1..2);
            parent.touch(1);
            parent.fork().fork();
            parent.swap_out(1);
        })
        .cpu("load (the grandchild's)", |w| {
            w.process(2).load(1).expect("it is mapped");
        })
        .cpu("load (the parent's)", |w| {
            w.process(0).load(1).expect("it is mapped");
        })
        .violates(Era::V2_6_38.with(SharedMapping::Vma), Clause::RMAP_1)
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_34)
        .holds(Era::V2_6_38)
        .sometimes("a fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS)),
        Race::new(
            "S3.15/copy",
            "with the child at the end of the list, a copied entry is found there",
        )
        .world(one_page)
        .cpu("migrate_pages, then a store", |w| {
            w.migrate(w.process(0).page_at(4));
            w.process(0).store(4, 7).expect("it is mapped");
        })
        .cpu("fork", |w| {
            w.process(0).fork();
        })
        .holds(Era::V2_6_38)
        .holds(Era::V5_19)
        .sometimes("fork copies the migration entry", |e| e.saw(Mark::FORK_COPIES_MIGRATION_ENTRY))
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.15/failed",
            "somebody holds the page, so that the copied entries get the old page back, which \
             both share",
        )
        .world(|w| {
            one_page(w);
            w.get_page(w.process(0).page_at(4));
        })
        .cpu("migrate_pages, then put_page", |w| {
            let page = w.process(0).page_at(4);
            w.migrate(page);
            w.put_page(page);
        })
        .cpu("fork", |w| {
            w.process(0).fork();
        })
        .finally(|w| w.process(0).store(4, 7).expect("it is mapped"))
        .holds(Era::V2_6_38)
        .holds(Era::V5_19)
        .sometimes("fork copies the migration entry", |e| e.saw(Mark::FORK_COPIES_MIGRATION_ENTRY))
        .sometimes("the migration fails", |e| e.saw(Mark::MIGRATE_FAILED)),
        // FINDING-91
        Race::new(
            "S3.15/mmlist",
            "fork copies a migration entry, and swapoff never finds what parent and child have on \
             swap later",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| {
            w.migrate(w.process(0).page_at(4));
            w.signal();
        })
        .cpu("fork; later reclaim, then swapoff", |w| {
            w.process(0).fork();
            w.repeat_until(|| w.signalled());
            w.process(0).page_mapped(4).into_iter().for_each(|page| w.shrink_page(page));
            w.swapoff();
        })
        .violates(Era::V2_6_29, Clause::LIVELOCK)
        .violates(Era::V2_6_38, Clause::LIVELOCK)
        .violates(Era::V3_7, Clause::LIVELOCK)
        .holds(Era::V3_7.with(ForkMmlist::SwapEntry))
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .sometimes("fork copies the migration entry", |e| e.saw(Mark::FORK_COPIES_MIGRATION_ENTRY))
        .sometimes("it goes to swap", |e| e.saw(Mark::SHRINK_FREED)),
        Race::new(
            "S3.16",
            "expand_downwards moves vm_start and vm_pgoff under mmap_sem held for reading",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("expand_downwards", |w| w.process(0).expand_downwards(3, 1))
        .violates(Era::V2_6_38.with(ExpandLock::Nothing), Clause::MIG_1)
        .holds(Era::V2_6_34)
        .holds(Era::V2_6_38)
        .sometimes("the page is moved", moved),
        Race::new(
            "S3.16/twice",
            "two threads fault below the same stack, one further down than the other",
        )
        .world(one_page)
        .cpu("expand_downwards to 1, then a store", |w| {
            w.process(0).expand_downwards(3, 1);
            let _ = w.process(0).store(1, 7);
        })
        .cpu("expand_downwards to 2", |w| w.process(0).expand_downwards(3, 2))
        .violates(Era::V2_6_38.with(ExpandLock::Nothing), Clause::RMAP_1)
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_38)
        .holds(Era::V3_7)
        .holds(Era::V5_9)
        .holds(Era::V6_1),
        // Not in the mails: the anon_vma lock keeps walks out, and no fault.
        Race::new(
            "S3.16/fault",
            "a thread touches a page of the stack for the first time, and reads vm_start and \
             vm_pgoff one by one meanwhile",
        )
        .world(one_page)
        .cpu("expand_downwards", |w| w.process(0).expand_downwards(3, 1))
        .cpu("store", |w| w.process(0).store(5, 7).expect("it is mapped"))
        .violates(Era::V2_6_13, Clause::RMAP_1)
        .violates(Era::V2_6_38, Clause::RMAP_1)
        .violates(Era::V3_7, Clause::RMAP_1)
        .holds(Era::V3_7.with(ExpandLock::PageTable))
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .holds(Era::V6_1)
        .sometimes("the page is there", |e| !e.saw(Mark::RMAP_INDEX_WRONG)),
        Race::new(
            "S3.16/family",
            "the child's stack grows under its own anon_vma's lock, while the parent's is walked",
        )
        .world(|w| {
            one_page(w);
            w.process(0).fork();
        })
        .cpu("migrate_pages (the parent's page)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("expand_downwards (the child's)", |w| w.process(1).expand_downwards(3, 1))
        .violates(Era::V2_6_34, Clause::MIG_1)
        .holds(Era::V2_6_34.with(AnonVmaLink::Shared))
        .holds(Era::V2_6_38)
        .sometimes("the page is moved", moved),
    ]
}
