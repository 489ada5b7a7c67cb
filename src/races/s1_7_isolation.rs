//! S1.7: a page that is taken off the LRU list while its last reference goes.

use super::worlds::one_page;
use crate::spec::{AnonVmaLife, Clause, Era, Isolation, LockRecheck};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    // Whatever keeps the anon_vma: the strongest of document 1's versions.
    let kept = || Era::V2_6_22.with(AnonVmaLife::DummyVma).with(LockRecheck::Mapped);
    vec![
        Race::new(
            "S1.7",
            "memory hot-remove takes a page off the LRU list that is being freed, and refers to \
             it from then on",
        )
        .world(one_page)
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .cpu("munmap", |w| w.process(0).munmap(1..2))
        .violates(Era::V2_6_22, Clause::COUNT_3)
        .violates(Era::DOCUMENT_1, Clause::COUNT_3)
        .still_violates(kept(), Clause::COUNT_3)
        .holds(kept().with(Isolation::GetUnlessZero))
        .holds(Era::V2_6_38)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
        .sometimes("the page is free before it can be taken", |e| e.saw(Mark::MIGRATE_NOT_ON_LRU)),
    ]
}
