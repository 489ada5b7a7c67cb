//! S0.9: fork while a device stores into a page of the parent.

use super::worlds::{family, one_page};
use crate::mm::World;
use crate::spec::{Clause, Era, ForkPinned, Gup, GupFast};
use crate::{Mark, Race, Seen};

/// What the device does with the page does not matter: it is the one that must stay.
fn given_and_taken_back(w: &World) {
    w.process(0).pin_for_writing(1).expect("it is mapped").put_clean();
}

fn copies(e: &Seen<'_>) -> bool {
    e.saw(Mark::FORK_COPIES_PINNED_PAGE)
}

fn given_without_lock(e: &Seen<'_>) -> bool {
    e.saw(Mark::GUP_FAST_PINS)
}

pub(super) fn races() -> Vec<Race> {
    vec![
        Race::new(
            "S0.9",
            "the parent forks while a device stores into its page, then stores itself, and gets \
             the copy",
        )
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
        .still_violates(Era::V2_6_29.with(Gup::Pin).with(ForkPinned::Copy), Clause::PIN_1)
        .holds(Era::V2_6_29.with(Gup::Pin).with(ForkPinned::Copy).with(GupFast::No))
        .still_violates(Era::V5_9, Clause::PIN_1)
        .violates(Era::V5_9.with(GupFast::No).with(ForkPinned::Share), Clause::PIN_1)
        .holds(Era::V5_9.with(GupFast::No))
        .holds(Era::V5_19.with(GupFast::No))
        .sometimes("fork copies the pinned page", copies),
        Race::new(
            "S0.9/fast",
            "a device is given the page without a lock while the parent forks, which then stores, \
             and gets the copy",
        )
        .world(|w| {
            one_page(w);
            given_and_taken_back(w); // not the first page that it gives away
        })
        .cpu("direct I/O", given_and_taken_back)
        .cpu("fork, then store", |w| {
            w.process(0).fork();
            w.process(0).store(1, 8).expect("it is mapped");
        })
        .still_violates(Era::V5_9, Clause::PIN_1)
        .still_violates(Era::V5_10.with(GupFast::InterruptsOff), Clause::PIN_1)
        .holds(Era::V5_10)
        .sometimes("the device is given the page without a lock", given_without_lock)
        .sometimes("it is refused, because of the fork", |e| e.saw(Mark::GUP_FAST_MEETS_FORK)),
        Race::new(
            "S0.9/read-pin",
            "the parent forks while a device reads its page, then stores, and gets the copy: the \
             device reads what was there before",
        )
        .world(|w| {
            one_page(w);
            let _held = w.process(0).pin_for_reading(1).expect("it is mapped");
        })
        .cpu("store; the device reads", |w| {
            w.process(0).store(1, 8).expect("it is mapped");
            w.pin(0).read();
            w.pin(0).put();
        })
        .cpu("fork (another thread of the parent's)", |w| {
            w.process(0).fork();
        })
        .violates(Era::V2_6_13, Clause::PIN_3)
        .violates(Era::V2_6_29, Clause::PIN_3)
        .violates(Era::V5_9.with(ForkPinned::Share), Clause::PIN_3)
        .holds(Era::V5_9)
        .holds(Era::V5_10)
        .holds(Era::V5_19)
        .showing("the store gets a copy", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
        .sometimes("fork copies the pinned page", copies),
        Race::new(
            "S0.9/others",
            "a device holds the page for the child alone, and fork copies nothing for the parent, \
             which gave none away",
        )
        .world(|w| {
            family(w);
            let _held = w.process(1).pin_for_reading(1).expect("it is mapped");
        })
        .cpu("direct I/O completes (the child's)", |w| w.pin(0).put())
        .cpu("fork (the parent's)", |w| {
            w.process(0).fork();
        })
        .holds(Era::V5_9)
        .holds(Era::V5_10)
        .holds(Era::V5_19)
        .never("fork copies the pinned page", copies)
        .sometimes("fork shares it", |e| !copies(e)),
        Race::new(
            "S0.9/own",
            "once the parent has given any page to a device, fork takes the child's for the \
             parent's, and copies it",
        )
        .world(|w| {
            family(w);
            let parent = w.process(0);
            parent.mmap(3..4);
            parent.touch(3);
            let _held = w.process(1).pin_for_reading(1).expect("it is mapped");
            parent.pin_for_reading(3).expect("it is mapped").put();
        })
        .cpu("direct I/O completes (the child's)", |w| w.pin(0).put())
        .cpu("fork (the parent's)", |w| {
            w.process(0).fork();
        })
        .violates(Era::V5_9, Clause::RACE_1)
        .violates(Era::V5_10, Clause::RACE_1)
        .holds(Era::V5_19)
        .never("fork copies the pinned page", copies)
        .sometimes("fork shares it", |e| !copies(e)),
        // Not in the mails: who takes the page away for a moment need not get anywhere with it.
        Race::new(
            "S0.9/migrated",
            "a device holds the page, and while migration tries in vain to move it, the parent \
             forks, then stores, and gets the copy",
        )
        .world(|w| {
            one_page(w);
            let _held = w.process(0).pin_for_writing(1).expect("it is mapped");
        })
        .cpu("fork, then store; the device is done", |w| {
            w.process(0).fork();
            w.process(0).store(1, 8).expect("it is mapped");
            w.pin(0).put_clean();
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(1)))
        .still_violates(Era::V5_10, Clause::PIN_1)
        .holds(Era::V5_19)
        .holds(Era::V6_1)
        .holds(Era::V6_18)
        .sometimes("fork copies the pinned page", copies)
        .sometimes("migration fails", |e| e.saw(Mark::MIGRATE_FAILED)),
        // With what takes no lock it is too large for the catalogue: shuttle-tests/tests/deep.rs
        // has it.
        Race::new(
            "S0.9/unmap",
            "a device is given the page without a lock while reclaim unmaps it; then the parent \
             forks, stores, and gets the copy",
        )
        .world(one_page)
        .cpu("direct I/O", given_and_taken_back)
        .cpu("kswapd, then fork and store", |w| {
            w.shrink_page(w.process(0).page_at(1));
            w.process(0).fork();
            w.process(0).store(1, 8).expect("it is mapped");
        })
        .violates(Era::V2_6_29, Clause::PIN_1),
    ]
}
