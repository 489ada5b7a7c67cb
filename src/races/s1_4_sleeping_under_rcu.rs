//! S1.4: document 1 puts every migration into an RCU read section, also that of a file's page, which sleeps.

use crate::spec::{Clause, Era, RcuScope};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S1.4", "a file's page is written out inside an RCU read section")
            .world(|w| {
                w.new_file_page();
            })
            .cpu("migrate_pages", |w| w.migrate(w.file_page()))
            .violates(Era::DOCUMENT_1, Clause::ATOMIC_1)
            .holds(Era::DOCUMENT_1.with(RcuScope::Anon))
            .holds(Era::V2_6_33)
            .sometimes("the page stays", |e| e.saw(Mark::MIGRATE_FAILED)),
    ]
}
