//! S1.2: the last mapper exits while its page is unmapped for migration; the anon_vma is freed under the migrator.

use crate::spec::{Clause, Era};
use crate::{Race, Seen};

fn moved(e: &Seen<'_>) -> bool {
    e.saw("migrate", "moved")
}

fn zap_meets_entry(e: &Seen<'_>) -> bool {
    e.saw("zap_pte_range", "meets a migration entry")
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S1.2", "the anon_vma is freed while its page has no mapping")
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..3);
                p.touch(1);
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("exit_mmap", |w| w.process(0).exit())
            .violates(Era::V2_6_22, Clause::LIFE_1)
            .holds(Era::V2_6_36)
            .showing("exit throws the migration entry away", zap_meets_entry)
            .sometimes("exit throws the migration entry away", zap_meets_entry)
            .sometimes("the page is moved", moved),
        Race::new("S1.2/reuse", "the freed anon_vma is another process's at once")
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..3);
                p.touch(1);
                w.new_process().mmap(1..3);
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("exit_mmap, then a page fault elsewhere", |w| {
                w.process(0).exit();
                w.process(1).touch(1);
            })
            .violates(Era::V2_6_22, Clause::LIFE_1)
            .holds(Era::V2_6_36)
            .showing("exit throws the migration entry away", zap_meets_entry)
            .sometimes("exit throws the migration entry away", zap_meets_entry)
            .sometimes("the page is moved", moved),
    ]
}
