//! S1.4: document 1 puts every migration into an RCU read section, also that of a file's page,
//! which sleeps.

use crate::spec::{Clause, Era, Isolation, Protocol, RcuScope, TruncateLock};
use crate::{Mark, Race};

/// Document 1, where only anonymous pages are migrated in an RCU read section.
fn document_1() -> Protocol {
    Era::DOCUMENT_1.with(RcuScope::Anon)
}

/// The same, and it takes no page that is being freed.
fn isolating() -> Protocol {
    document_1().with(Isolation::GetUnlessZero)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S1.4", "a file's page is written out inside an RCU read section")
            .world(|w| {
                w.new_file_page();
            })
            .cpu("migrate_pages", |w| w.migrate(w.file_page()))
            .violates(Era::DOCUMENT_1, Clause::ATOMIC_1)
            .holds(document_1())
            .holds(Era::V2_6_33)
            .sometimes("the page stays", |e| e.saw(Mark::MIGRATE_FAILED)),
        // "File cache pages are no problem because of page_lock()": and because document 1 looks
        // whether there is a mapping.
        Race::new(
            "S1.4/truncate",
            "a file's page is cut off while it is migrated: its mapping goes as an anonymous \
             page's anon_vma does",
        )
        .world(|w| {
            w.new_file_page();
        })
        .cpu("migrate_pages", |w| w.migrate(w.file_page()))
        .cpu("truncate", |w| w.truncate())
        .violates(Era::V2_6_22, Clause::NULL_1)
        .violates(isolating().with(TruncateLock::Nothing), Clause::NULL_1)
        .still_violates(document_1(), Clause::COUNT_3) // claim S1.7
        .holds(isolating())
        .holds(Era::V2_6_33)
        .sometimes("the page is migrated first", |e| e.saw(Mark::MIGRATE_FAILED))
        .sometimes("the page has gone", |e| e.saw(Mark::MIGRATE_NOT_ON_LRU)),
    ]
}
