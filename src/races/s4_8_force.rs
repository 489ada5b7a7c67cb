//! S4.8: get_user_pages with write and force takes it that one write fault has given the process a
//! page of its own.

use super::worlds::{family, family_cached, one_page};
use crate::mm::{Errno, Setup, World};
use crate::spec::{Clause, Era, GupForce, SwapWrite};
use crate::{Mark, Protocol, Race, Seen};

/// A debugger stores into the parent's memory; then the child loads, which must find what it was
/// forked with.
fn poke(w: &World) {
    let pin = w.process(0).pin_for_writing_by_force(1).expect("it is mapped");
    pin.dma_write(7);
    pin.put();
    w.process(1).load(1).expect("it is mapped");
}

/// The same, where the parent may not store: it may not afterwards, either.
fn poke_read_only(w: &World) {
    poke(w);
    assert_eq!(w.process(0).store(1, 9), Err(Errno::Efault), "the VMA is read-only");
}

/// The page is the process's alone, and it may not store there.
fn own_read_only(w: &Setup<'_>) {
    one_page(w);
    w.process(0).mprotect(1..2, false);
}

fn read_only(w: &Setup<'_>) {
    family(w);
    w.process(0).mprotect(1..2, false);
    w.process(0).swap_out(1);
    w.process(0).read_ahead(1);
}

fn copied(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_WP_PAGE_COPIES)
}

fn swapped_in(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_MAPS)
}

fn holds(race: Race, protocols: &[Protocol]) -> Race {
    protocols.iter().cloned().fold(race, Race::holds)
}

/// Every arm of the rule, but for the first.
fn later() -> Vec<Protocol> {
    vec![Era::V2_6_13, Era::V2_6_29, Era::V3_7, Era::V5_9, Era::V5_19, Era::V6_1]
}

pub(super) fn races() -> Vec<Race> {
    let alone = |id: &str, title: &str, world: fn(&Setup<'_>), poke: fn(&World)| {
        let race = Race::new(id, title)
            .world(world)
            .cpu("ptrace (write, force), then a load (the child's)", poke)
            .violates(Era::RMAP_10, Clause::COW_1)
            .violates(Era::DOCUMENT_4.with(SwapWrite::SecondFault), Clause::COW_1)
            .violates(Era::V2_6_11.with(SwapWrite::SecondFault), Clause::COW_1)
            .holds(Era::RMAP_10.with(GupForce::FaultWrite))
            .holds(Era::DOCUMENT_4)
            .holds(Era::V2_6_7)
            .holds(Era::V2_6_11)
            .showing("the fault maps the page that both have", |e| swapped_in(e) && !copied(e))
            .sometimes("the debugger gets a copy", copied);
        holds(race, &later())
    };
    let two = |id: &str, title: &str, world: fn(&Setup<'_>), poke: fn(&World)| {
        let race = Race::new(id, title)
            .world(world)
            .cpu("ptrace (write, force), then a load (the child's)", poke)
            .cpu("load (another thread)", |w| {
                w.process(0).load(1).expect("it is mapped");
            })
            .violates(Era::RMAP_10, Clause::COW_1)
            .violates(Era::DOCUMENT_4, Clause::COW_1)
            .violates(Era::V2_6_7, Clause::COW_1)
            .violates(Era::V2_6_11, Clause::COW_1)
            .holds(Era::DOCUMENT_4.with(GupForce::FaultWrite))
            .sometimes("the debugger gets a copy", copied)
            .sometimes("the thread brings the page back", swapped_in);
        holds(race, &later())
    };
    let reclaimed = Race::new(
        "S4.8/reclaim",
        "reclaim takes the page away between the fault that gives it to a debugger and his look \
         at it",
    )
    .world(|w| {
        family(w);
        w.process(0).mprotect(1..2, false);
    })
    .cpu("ptrace (write, force), then a load (the child's)", poke_read_only)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .sometimes("the debugger gets a copy", copied)
    .sometimes("the page comes back from swap", swapped_in);
    let reclaimed = reclaimed
        .violates(Era::RMAP_10, Clause::COW_1)
        .holds(Era::DOCUMENT_4)
        .holds(Era::V2_6_7)
        .holds(Era::V2_6_11);
    let own = Race::new(
        "S4.8/own",
        "what is stored by force where the process may not store is there, and the process may \
         not store still",
    )
    .world(own_read_only)
    .cpu("ptrace (write, force), a load, a store", |w| {
        let p = w.process(0);
        let pin = p.pin_for_writing_by_force(1).expect("it is mapped");
        pin.dma_write(7);
        pin.put();
        assert_eq!(p.load(1), Ok(7));
        assert_eq!(p.store(1, 9), Err(Errno::Efault), "the VMA is read-only");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .holds(Era::RMAP_10)
    .holds(Era::DOCUMENT_4)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_11)
    .sometimes("the page comes back from swap", swapped_in);
    vec![
        holds(own, &later()),
        alone(
            "S4.8",
            "a page that parent and child have on swap is stored into by force",
            family_cached,
            poke,
        ),
        alone(
            "S4.8/read-only",
            "a page that parent and child have on swap is stored into by force, where the parent \
             may not store itself",
            read_only,
            poke_read_only,
        ),
        two(
            "S4.8/quicker",
            "a page is stored into by force, and another thread brings it back meanwhile",
            family_cached,
            poke,
        ),
        two(
            "S4.8/quicker-read-only",
            "a page is stored into by force, and another thread brings it back meanwhile, where \
             the parent may not store itself",
            read_only,
            poke_read_only,
        ),
        // 5.19 does as 5.9 does here, and takes four times as long.
        later().into_iter().filter(|protocol| *protocol != Era::V5_19).fold(reclaimed, Race::holds),
    ]
}
