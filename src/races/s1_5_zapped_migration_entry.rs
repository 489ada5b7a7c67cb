//! S1.5: free_swap_and_cache must know a migration entry when it sees one.

use crate::spec::{Clause, Era, ZapMigration};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S1.5",
            "zap takes a migration entry for a swap entry, and gives up somebody else's slot",
        )
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
            let other = w.new_process();
            other.mmap(1..2);
            other.touch(1);
            other.swap_out(1);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("munmap", |w| w.process(0).munmap(1..3))
        .violates(Era::V2_6_38.with(ZapMigration::Mistake), Clause::SWAP_1)
        .holds(Era::V2_6_38)
        .sometimes("munmap meets the migration entry", |e| e.saw(Mark::ZAP_MEETS_MIGRATION_ENTRY)),
    ]
}
