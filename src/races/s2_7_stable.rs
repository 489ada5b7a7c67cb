//! S2.7, S2.8, S2.12 and S2.14: a page is made stable while another CPU makes it volatile, or the
//! host discards it.

use super::s2_4_discard::shared;
use super::worlds::{cached, family_cached, half_mapped};
use crate::mm::{Setup, World};
use crate::spec::{
    Clause, ContentStable, CountOrder, DiscardUnder, Era, StateChange, UnlockOffset, VolatileTry,
};
use crate::{Mark, Race};

/// One process maps the page, which is in the swap cache, and volatile.
fn mapped(w: &Setup<'_>) {
    cached(w);
    w.process(0).load(1).expect("it is mapped");
}

/// A device is given the page, reads it, and lets go of it.
fn read_by_device(w: &World) {
    let pin = w.process(0).pin_for_reading(1).expect("it is mapped");
    assert_eq!(pin.read(), 101, "what was there");
    pin.put();
}

pub(super) fn races() -> Vec<Race> {
    let overtaken = Race::new(
        "S2.7",
        "a page is made volatile by who has looked at its count before somebody else made it \
         stable",
    )
    .world(half_mapped)
    .cpu("load (the child's: unlock_page)", |w| _ = w.process(1).load_once(1))
    .cpu("get_user_pages", read_by_device)
    .violates(Era::DOCUMENT_2.with(StateChange::Nothing), Clause::HINT_1)
    .violates(Era::DOCUMENT_2.with(StateChange::NotWaited), Clause::HINT_1)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("make_stable waits", |e| e.saw(Mark::MAKE_STABLE_WAITS));
    let given = |id: &str, title: &str| {
        Race::new(id, title)
            .world(mapped)
            .cpu("get_user_pages", read_by_device)
            .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
            .holds(Era::DOCUMENT_2)
            .holds(Era::DOCUMENT_2_2009)
            .sometimes("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS))
    };
    let device = given("S2.8", "a device is given a page that the host discards")
        .violates(Era::DOCUMENT_2.with(ContentStable::Copy), Clause::HINT_3)
        .violates(Era::DOCUMENT_2_2009.with(ContentStable::Copy), Clause::HINT_3);
    let copied = Race::new("S2.8/copy", "do_wp_page copies a page that the host discards")
        .world(shared)
        .cpu("store (the child's)", |w| w.process(1).store(1, 8).expect("it is mapped"))
        .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
        .violates(Era::DOCUMENT_2.with(ContentStable::FollowPage), Clause::HINT_3)
        .violates(Era::DOCUMENT_2_2009.with(ContentStable::FollowPage), Clause::HINT_3)
        .holds(Era::DOCUMENT_2)
        .holds(Era::DOCUMENT_2_2009)
        .sometimes("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS))
        .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let locked = given(
        "S2.14",
        "follow_page discards a page under the page-table lock, which the discarding walk needs",
    )
    .violates(Era::DOCUMENT_2.with(DiscardUnder::PageTableLock), Clause::DEADLOCK)
    .violates(Era::DOCUMENT_2_2009.with(DiscardUnder::PageTableLock), Clause::DEADLOCK)
    .showing("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS));
    let useless = Race::new(
        "S2.12",
        "the reverse map tries to make a page volatile whenever a mapping comes or goes",
    )
    .world(half_mapped)
    .cpu("load (the child's)", |w| _ = w.process(1).load_once(1))
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2.with(VolatileTry::RemoveRmap))
    .holds(Era::DOCUMENT_2_2009)
    .never("the reverse map's own try succeeds", |e| e.saw(Mark::VOLATILE_BY_RMAP))
    .sometimes("the page is made volatile", |e| e.saw(Mark::PAGE_MADE_VOLATILE));
    let offset = Race::new(
        "S2.12/offset",
        "swapoff unlocks a page to which it refers, and unlock_page takes that for the caller's \
         own",
    )
    .world(|w| {
        family_cached(w);
        w.contend_mmap_sem();
    })
    .cpu("swapoff (one round)", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    // Under `document-2` the world itself would violate it already, when it unlocks the page.
    .violates(Era::DOCUMENT_2_2009.with(UnlockOffset::Two), Clause::HINT_1)
    .holds_without(Era::DOCUMENT_2, Clause::HINT_1)
    .holds_without(Era::DOCUMENT_2_2009, Clause::HINT_1)
    .sometimes("swapoff lets go of the page", |e| e.saw(Mark::SWAPOFF_LETS_GO));
    // FINDING-54
    let torn = |id: &str, title: &str| {
        Race::new(id, title)
            .world(|w| {
                family_cached(w);
                w.process(0).load(1).expect("it is mapped");
                let _ = w.process(0).pin_for_reading(1).expect("it is mapped");
            })
            .cpu("munmap (the child's)", |w| w.process(1).munmap(1..2))
            .sometimes("the device is done", |e| e.saw(&DONE))
    };
    let torn_unmap = torn(
        "S2.12/torn",
        "an unmap comes between the two looks at the counts, and a page that a device holds is \
         made volatile",
    )
    .cpu("munmap (the parent's), then the device is done", |w| {
        w.process(0).munmap(1..2);
        w.pin(0).put();
        crate::sync::mark(&DONE);
    })
    .violates(Era::DOCUMENT_2, Clause::HINT_1)
    .holds(Era::DOCUMENT_2_2009.with(VolatileTry::Neither))
    .holds(Era::DOCUMENT_2.with(CountOrder::CountFirst));
    let torn_fork = torn(
        "S2.12/torn-fork",
        "a fork comes between the two looks at the counts, and a page that a device holds is made \
         volatile",
    )
    .cpu("fork (the parent), then the device is done", |w| {
        w.process(0).fork();
        w.pin(0).put();
        crate::sync::mark(&DONE);
    })
    .violates(Era::DOCUMENT_2.with(CountOrder::CountFirst), Clause::HINT_1)
    .holds(Era::DOCUMENT_2);
    let torn_readahead = Race::new(
        "S2.12/torn-readahead",
        "a fault elsewhere lets go of a page whose slot is in use, between the two looks at the \
         counts, and a page that a device holds is made volatile",
    )
    .world(|w| {
        family_cached(w);
        w.process(0).load(1).expect("it is mapped");
        let _ = w.process(0).pin_for_reading(1).expect("it is mapped");
    })
    .cpu("swapin_readahead (a fault elsewhere)", |w| w.process(1).read_around(1))
    .cpu("munmap (the parent's), then the device is done", |w| {
        w.process(0).munmap(1..2);
        w.pin(0).put();
        crate::sync::mark(&DONE);
    })
    .violates(Era::DOCUMENT_2, Clause::HINT_1)
    .violates(Era::DOCUMENT_2_2009.with(VolatileTry::Neither), Clause::HINT_1)
    .holds(Era::DOCUMENT_2.with(CountOrder::CountFirst))
    .sometimes("the device is done", |e| e.saw(&DONE));
    vec![overtaken, device, copied, useless, offset, torn_unmap, torn_readahead, torn_fork, locked]
}

static DONE: Mark = Mark::new("DONE", "The device is done.");
