//! Not in the mails: a process asks that its own page be reclaimed, and the page may go meanwhile.

use super::worlds::one_page;
use crate::mm::World;
use crate::spec::Era;
use crate::{Mark, Race};

fn pageout(w: &World) {
    w.process(0).pageout(1);
}

fn against(id: &str, title: &str, what: &str, other: fn(&World)) -> Race {
    Race::new(id, title)
        .world(one_page)
        .cpu("pageout", pageout)
        .cpu(what, other)
        .holds(Era::V5_9)
        .holds(Era::V5_19)
        .holds(Era::V6_18)
        .holds(Era::V7_3)
        .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
}

pub(super) fn races() -> Vec<Race> {
    vec![
        against(
            "S3/pageout",
            "a page is asked to be reclaimed, and reclaim comes by itself",
            "kswapd",
            |w| {
                w.shrink_page(w.process(0).page_at(1));
            },
        ),
        against(
            "S3/pageout-twice",
            "two threads ask that the same page be reclaimed",
            "pageout (another thread)",
            pageout,
        ),
        // What takes a page off the LRU list and asks nobody keeps it by the page-table lock alone,
        // as in S1.7.
        against(
            "S3/pageout-dontneed",
            "one thread asks that a page be reclaimed, another gives it up",
            "dontneed",
            |w| {
                w.process(0).dontneed(1);
            },
        ),
    ]
}
