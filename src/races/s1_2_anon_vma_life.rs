//! S1.2 and S1.3: the last mapper exits while its page is migrated, and the anon_vma is freed under
//! the migrator; every remedy that was tried, against every moment at which that can happen.

use crate::mm::Setup;
use crate::spec::{
    AnonVmaLife, Clause, Era, FreshAnonVma, Isolation, LockRecheck, LookupRcu, Protocol,
    ZapMigration,
};
use crate::{Mark, Race, Seen};

fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MIGRATE_MOVED)
}

fn zap_meets_entry(e: &Seen<'_>) -> bool {
    e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY)
}

/// 2.6.22 with another way to keep the anon_vma.
fn life(life: AnonVmaLife) -> Protocol {
    Era::V2_6_22.with(life)
}

/// 2.6.22 with an RCU read section around the migration of a mapped page.
fn kept() -> Protocol {
    life(AnonVmaLife::RcuMapped).with(Isolation::GetUnlessZero)
}

/// What each remedy but the document's is worth in a world where the last mapper goes away. The
/// plain reference of 2.6.35 is not enough: the anon_vma can be freed between the look at the
/// mapcount and the increment.
fn remedies(race: Race) -> Race {
    race.still_violates(life(AnonVmaLife::RcuLate), Clause::LIFE_1)
        .still_violates(Era::V2_6_33, Clause::LIFE_1)
        .still_violates(Era::V2_6_36, Clause::LIFE_1)
        .still_violates(life(AnonVmaLife::DummyVma), Clause::LIFE_1)
        .still_violates(Era::V2_6_38.with(LockRecheck::Nothing), Clause::LIFE_1)
        .holds(Era::V2_6_36.with(AnonVmaLife::RcuMapped))
        // claim S1.7
        .still_violates(life(AnonVmaLife::DummyVma).with(LockRecheck::Mapped), Clause::COUNT_3)
        .holds(life(AnonVmaLife::DummyVma).with(LockRecheck::Mapped).with(Isolation::GetUnlessZero))
        .still_violates(
            Era::V2_6_36.with(AnonVmaLife::Nothing).with(ZapMigration::Wait),
            Clause::LIFE_1,
        )
        .holds(Era::V2_6_38)
        .holds(Era::V3_7)
}

pub(super) fn races() -> Vec<Race> {
    let exit = Race::new("S1.2", "the anon_vma is freed while its page has no mapping")
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("exit_mmap", |w| w.process(0).exit())
        .violates(Era::V2_6_22, Clause::LIFE_1)
        .sometimes("exit meets the migration entry", zap_meets_entry)
        .sometimes("the page is moved", moved);
    let unmapped = Race::new(
        "S1.2/unmapped",
        "the migration has unmapped the page, and the anon_vma is freed before it maps the copy",
    )
    .world(one_page)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("exit_mmap", |w| w.process(0).exit())
    .violates(Era::V2_6_22, Clause::LIFE_1)
    .holds(Era::V2_6_36.with(AnonVmaLife::RcuMapped))
    .holds(Era::V2_6_38)
    .showing("exit meets the migration entry", zap_meets_entry)
    .sometimes("exit meets the migration entry", zap_meets_entry);
    let taken_again = |race: Race| {
        race.world(|w| {
            one_page(w);
            w.new_process().mmap(1..3);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("exit_mmap, then a page fault elsewhere", |w| {
            w.process(0).exit();
            w.process(1).touch(1);
        })
    };
    let reuse =
        taken_again(Race::new("S1.2/reuse", "the freed anon_vma is another process's at once"))
            .violates(Era::V2_6_22, Clause::LIFE_1)
            .sometimes("exit meets the migration entry", zap_meets_entry)
            .sometimes("the page is moved", moved);
    // Not in the mail: what is under RCU only keeps its lock and its list, and its next owner
    // changes the list (d9d332e0874f).
    let fresh = taken_again(Race::new(
        "S1.2/fresh",
        "the next owner of a freed anon_vma links a VMA to it, while a lookup that came too late \
         has its lock",
    ))
    .violates(kept(), Clause::GUARD_1)
    .holds(kept().with(FreshAnonVma::Locked))
    // rmap_walk does not look again
    .still_violates(kept().with(LockRecheck::Mapped), Clause::GUARD_1)
    .holds(life(AnonVmaLife::DummyVma).with(LockRecheck::Mapped).with(Isolation::GetUnlessZero))
    .sometimes("the page is moved", moved);
    // The walk that RCU is for: of a page that is not locked, on behalf of nobody who maps it.
    let referenced = |id: &str, title: &str| {
        Race::new(id, title)
            .world(|w| {
                one_page(w);
                w.new_process().mmap(1..3);
            })
            .cpu("kswapd (shrink_active_list)", |w| w.age_page(w.process(0).page_at(1)))
            .violates(Era::V2_6_22.with(LookupRcu::Without), Clause::LIFE_1)
            .violates(Era::V2_6_22.with(LookupRcu::UntilLocked), Clause::LIFE_1)
            .sometimes("the walk finds the page", |e| e.saw(Mark::PAGE_REFERENCED))
    };
    let aged = referenced(
        "S1.2/referenced",
        "reclaim looks up a page that it has not locked, and the last mapper exits",
    )
    .cpu("exit_mmap", |w| w.process(0).exit())
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_34)
    .holds(Era::V2_6_36)
    .holds(Era::V3_7)
    .holds(Era::V5_19);
    let recycled = referenced(
        "S1.2/recycled",
        "a lookup comes too late, and the freed anon_vma is another process's at once",
    )
    .cpu("exit_mmap, then a page fault elsewhere", |w| {
        w.process(0).exit();
        w.process(1).touch(1);
    })
    .violates(Era::V2_6_22, Clause::GUARD_1)
    .holds(Era::V2_6_22.with(FreshAnonVma::Locked))
    .holds(Era::V2_6_29)
    .holds(Era::V2_6_34)
    .holds(Era::V2_6_36)
    .holds(Era::V3_7)
    .holds(Era::V5_19);
    let syscall = Race::new(
        "S1.0",
        "move_pages(2) holds mmap_sem of a process that maps the page, and needs nothing else",
    )
    .world(one_page)
    .cpu("move_pages", |w| w.process(0).move_pages(1))
    .cpu("munmap", |w| w.process(0).munmap(1..3))
    .holds(Era::V2_6_22)
    .holds(life(AnonVmaLife::RcuLate))
    .sometimes("the page is moved", moved);
    let passed = Race::new("S1.2/dummy", "a walk passes the dummy VMA of another migration")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..5);
            p.touch(1);
            p.touch(4);
        })
        .cpu("migrate_pages (the page at 4)", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("split, then migrate_pages (the page at 1)", |w| {
            w.process(0).split_vma(2);
            w.migrate(w.process(0).page_at(1));
        })
        .holds(life(AnonVmaLife::DummyVma).with(LockRecheck::Mapped))
        .sometimes("the walk meets the dummy", |e| e.saw(Mark::RMAP_PASSES_DUMMY))
        .sometimes("the page is moved", moved);
    let kernel = Race::new(
        "S1.0/kernel",
        "memory hot-remove migrates without mmap_sem, while the process unmaps",
    )
    .world(one_page)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("munmap", |w| w.process(0).munmap(1..3))
    .violates(Era::V2_6_22, Clause::LIFE_1)
    .holds(Era::V2_6_38)
    .sometimes("munmap meets the migration entry", zap_meets_entry)
    .sometimes("the page is moved", moved);
    // The RCU read section is not enough: the isolated page can be unmapped, and its anon_vma
    // freed, before it begins (claim S1.3).
    let documents = |race: Race| {
        race.still_violates(Era::DOCUMENT_1, Clause::LIFE_1)
            .still_violates(Era::V2_6_34, Clause::LIFE_1)
    };
    let late = Race::new(
        "S1.3",
        "the isolated page is unmapped, and its anon_vma freed, before the RCU read section begins",
    )
    .world(one_page)
    .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
    .cpu("exit_mmap", |w| w.process(0).exit())
    .violates(Era::DOCUMENT_1, Clause::LIFE_1)
    .violates(Era::V2_6_34, Clause::LIFE_1)
    .holds(Era::V2_6_34.with(AnonVmaLife::RcuMapped))
    .showing("exit finds the page still mapped", |e| !zap_meets_entry(e))
    .sometimes("exit meets the migration entry", zap_meets_entry)
    .sometimes("the page is moved", moved);
    vec![
        syscall,
        kernel,
        remedies(documents(exit)),
        unmapped,
        remedies(documents(reuse)),
        fresh,
        aged,
        recycled,
        passed,
        remedies(late),
    ]
}
