//! S1.6: who waits for a migration refers to the page, and that is what makes the migration fail.

use crate::Race;
use crate::spec::{Era, MigrationWait};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S1.6", "a fault waits for the migration with a reference on the page that is migrated")
            .world(|w| {
                let p = w.new_process();
                p.mmap(1..3);
                p.touch(1);
            })
            .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
            .cpu("load", |w| {
                w.process(0).load(1).expect("it is mapped");
            })
            .holds(Era::V2_6_33)
            .holds(Era::V2_6_33.with(MigrationWait::GetPage))
            .holds(Era::V2_6_38)
            .sometimes("the waiter's reference makes the migration fail", |e| {
                e.saw("fault", "meets a migration entry") && e.saw("migrate", "failed")
            })
            .sometimes("the load waits, and the page is moved all the same", |e| {
                e.saw("fault", "meets a migration entry") && e.saw("migrate", "moved")
            }),
    ]
}
