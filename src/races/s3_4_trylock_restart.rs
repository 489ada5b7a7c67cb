//! S3.4: trying each visited VMA's lock, and starting again when it is taken: two walkers can do that to each other for ever.

use super::s3_3_nested_locks::crossed;
use crate::spec::{Clause, Era, RmapWalkLock, VmaAdjustLock};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S3.4", "two walkers try each other's lock, fail, and start again")
            .world(crossed)
            .cpu("migrate_pages (X's page)", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("migrate_pages (Y's page)", |w| w.migrate(w.process(1).page_at(1)))
            .violates(Era::V2_6_34.with(VmaAdjustLock::Vma).with(RmapWalkLock::TrylockRestart), Clause::LIVELOCK)
            .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
