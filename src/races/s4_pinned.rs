//! mremap, and a device that holds what it moves.

use super::worlds::one_page;
use crate::mm::{Setup, World};
use crate::spec::{Clause, Era, GupFast};
use crate::{Mark, Protocol, Race, Seen};

fn pinned(w: &Setup<'_>) {
    one_page(w);
    let _held = w.process(0).pin_for_writing(1).expect("it is mapped");
}

fn pinned_and_shared(w: &Setup<'_>) {
    pinned(w);
    w.process(0).fork();
}

fn device(w: &World) {
    let pin = w.pin(0);
    pin.dma_write(7);
    pin.put();
}

fn moved_and_loaded(w: &World) {
    w.process(0).mremap(1..2, 3).expect("it is mapped");
    w.process(0).load(3).expect("it is mapped");
}

fn moved(e: &Seen<'_>) -> bool {
    e.saw(Mark::MREMAP_MOVED)
}

fn holds(race: Race, protocols: &[Protocol]) -> Race {
    protocols.iter().cloned().fold(race, Race::holds)
}

pub(super) fn races() -> Vec<Race> {
    let every = [
        Era::V2_6_7,
        Era::V2_6_11,
        Era::V2_6_13,
        Era::V2_6_29,
        Era::V2_6_34,
        Era::V2_6_38,
        Era::V3_7,
        Era::V5_9,
        Era::V5_19,
        Era::V6_18,
    ];
    let alone = Race::new(
        "S4/pinned",
        "a page moves while a device stores into it, and the process finds what is stored at the \
         new place",
    )
    .world(pinned)
    .cpu("mremap, then a load", moved_and_loaded)
    .cpu("direct I/O completes", device)
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .sometimes("it is moved", moved);
    // Nobody has reported this. Who forks while a device stores into its memory shares that with
    // the child until 5.9 (claim S0.9), and loses it when it stores there itself; that it may not
    // even move it, is document 4's.
    let shared = Race::new(
        "S4/pinned-shared",
        "a page that is shared moves while a device stores into it: mremap copies it, and the \
         device stores into the old one",
    )
    .world(pinned_and_shared)
    .cpu("mremap, then a load", moved_and_loaded)
    .cpu("direct I/O completes", device)
    .violates(Era::DOCUMENT_4, Clause::PIN_1)
    .violates(Era::RMAP_10, Clause::COW_1)
    .violates(Era::V2_6_7, Clause::COW_1)
    .violates(Era::V3_7, Clause::COW_1)
    .sometimes("it is moved", moved);
    let reclaim = Race::new(
        "S4/pinned-reclaim",
        "a page moves while a device stores into it, and reclaim takes it away before it moves, \
         or behind that",
    )
    .world(pinned)
    .cpu("mremap, then a load", moved_and_loaded)
    .cpu("direct I/O completes", device)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_13)
    .holds(Era::V5_19)
    .sometimes("it is moved", moved);
    let fast =
        Race::new("S4/pinned-fast", "a device is given the page without a lock while it moves")
            .world(one_page)
            .cpu("mremap, then a load", moved_and_loaded)
            .cpu("get_user_pages_fast, and the device stores", |w| {
                if let Ok(pin) = w.process(0).pin_for_writing(1) {
                    pin.dma_write(7);
                    pin.put();
                }
            })
            .sometimes("it is moved", moved)
            .sometimes("the device gets the page", |e| e.saw(Mark::GUP_FAST_PINS));
    let fast = holds(
        fast,
        &[Era::V5_9, Era::V5_10, Era::V5_19, Era::V6_18, Era::V5_19.with(GupFast::LookAgain)],
    );
    vec![holds(alone, &every), holds(shared, &[Era::V5_9, Era::V5_19, Era::V6_18]), reclaim, fast]
}
