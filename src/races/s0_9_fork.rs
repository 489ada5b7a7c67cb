//! S0.9: fork while a device stores into a page of the parent.

use super::worlds::one_page;
use crate::spec::{Clause, Era, ForkPinned, Gup};
use crate::{Mark, Race};

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new("S0.9", "the parent forks while a device stores into its page, then stores itself, and gets the copy")
            .world(one_page)
            .cpu("direct I/O", |w| w.process(0).direct_io(1, 7).expect("it is mapped"))
            .cpu("fork, then store", |w| {
                w.process(0).fork();
                w.process(0).store(1, 8).expect("it is mapped");
            })
            .violates(Era::V2_6_13, Clause::PIN_1)
            .violates(Era::V2_6_29, Clause::PIN_1)
            .violates(Era::V5_9.with(ForkPinned::Share), Clause::PIN_1)
            .still_violates(Era::V2_6_29.with(ForkPinned::Copy), Clause::PIN_1)
            .holds(Era::V2_6_29.with(Gup::Pin).with(ForkPinned::Copy))
            .holds(Era::V5_9)
            .holds(Era::V5_19)
            .sometimes("fork copies the pinned page", |e| e.saw(Mark::FORK_COPIES_PINNED_PAGE)),
    ]
}
