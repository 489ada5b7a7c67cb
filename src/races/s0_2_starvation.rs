//! S0.2 and S0.8: overlapping requests always hold the page, and who wants to unmap it never can.

use super::worlds::{cached, family};
use crate::mm::{Setup, Ttu, World};
use crate::spec::{Clause, Era, UnmapCheck};
use crate::{Mark, Race, Seen};

/// Each request is issued before the one before it is complete.
fn overlapping(w: &World, write: bool) {
    let p = w.process(0);
    let issue =
        || if write { p.pin_for_writing(1) } else { p.pin_for_reading(1) }.expect("it is mapped");
    let mut held = issue();
    w.repeat_carrying(&mut held, |held| {
        std::mem::replace(held, issue()).put();
        w.signalled()
    });
    held.put();
}

/// Reads from a file, as document 0's program issues them: the device stores.
fn overlapping_reads(w: &World) {
    overlapping(w, true);
}

/// Writes to a file: the device only reads.
fn overlapping_writes(w: &World) {
    overlapping(w, false);
}

/// The same, until the process is suspended: then it issues none any more, and what it has issued
/// is completed.
fn requests_until_suspended(w: &World) {
    let p = w.process(0);
    let mut held = w.pin(0);
    w.repeat_carrying(&mut held, |held| {
        let over = p.suspended() || w.signalled();
        if !over {
            let next = p.pin_for_reading(1).expect("it is mapped");
            std::mem::replace(held, next).put();
        }
        over
    });
    held.put();
}

fn memory_removal(w: &World) {
    let page = w.process(0).page_at(1);
    w.repeat_until(|| w.unmap_for_removal(page));
    w.signal();
}

/// What memory hot-removal relies on: from when on nothing maps the page until it unlocks it, the
/// page does not change.
fn unmap_and_look(w: &World) {
    let page = w.process(0).page_at(1);
    if !w.isolate_lru_page(page) {
        return;
    }
    w.lock_page(page);
    w.try_to_unmap(page, Ttu::Unmap);
    if !w.page(page).mapped() {
        let before = w.copy_out(page);
        assert_eq!(w.copy_out(page), before, "the page changes although nothing maps it");
        assert!(!w.page(page).mapped(), "the page is mapped again while it is locked");
    }
    w.unlock_page(page);
    w.putback_lru_page(page);
}

/// A page that is in the swap cache, and mapped.
fn cached_and_mapped(w: &Setup<'_>) {
    cached(w);
    w.process(0).touch(1);
}

fn back_from_swap(e: &Seen<'_>) -> bool {
    e.saw(Mark::DO_SWAP_PAGE_MAPS)
}

fn held(e: &Seen<'_>) -> bool {
    e.saw(Mark::TRY_TO_UNMAP_PAGE_HELD)
}

fn store(w: &World) {
    w.process(1).store(1, 8).expect("it is mapped");
}

pub(super) fn races() -> Vec<Race> {
    let starving = |race: Race| {
        race.cpu("memory hot-removal", memory_removal)
            .violates(Era::V2_6_11, Clause::LIVELOCK)
            .holds(Era::DOCUMENT_0)
            .holds(Era::V2_6_13)
            .showing("the request keeps the page mapped", held)
            .sometimes("the page is unmapped", back_from_swap)
    };
    let starved =
        Race::new("S0.2", "a page that is always held by one request or another is never unmapped")
            .world(cached_and_mapped)
            .cpu("direct I/O reads, overlapping", overlapping_reads);
    let written = Race::new(
        "S0.2/writes",
        "a page that a device only reads, by one request or another, is never unmapped",
    )
    .world(cached_and_mapped)
    .cpu("direct I/O writes, overlapping", overlapping_writes);
    let (starved, written) = (starving(starved), starving(written));
    let residual = Race::new(
        "S0.8",
        "unmapping a page that is being copied is harmless, with document 0's residual check and \
         without it",
    )
    .world(family)
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("store (the child's)", store)
    .holds(Era::V2_6_13.with(UnmapCheck::Residual))
    .holds(Era::V2_6_13)
    .holds(Era::V2_6_29)
    .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    .sometimes("the page is unmapped", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let suspended = Race::new(
        "S0.2/suspended",
        "memory hot-removal finds the process that keeps the page, and suspends it",
    )
    .world(|w| {
        cached_and_mapped(w);
        let _held = w.process(0).pin_for_reading(1).expect("it is mapped");
    })
    .cpu("direct I/O, overlapping", requests_until_suspended)
    .cpu("memory hot-removal", memory_removal)
    .violates(Era::V2_6_11, Clause::LIVELOCK)
    .holds(Era::V2_6_11.with(UnmapCheck::CountAndSuspend))
    .showing("the request keeps the page mapped", held)
    .sometimes("the request keeps the page mapped", held)
    .sometimes("the page is unmapped", |e| e.saw(Mark::UNMAP_FOR_REMOVAL_UNMAPS));
    let blocked = Race::new(
        "S0.2/blocked",
        "once a page is unmapped, its process is kept from it until memory hot-removal has \
         unlocked it",
    )
    .world(cached_and_mapped)
    .cpu("memory hot-removal", unmap_and_look)
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .holds(Era::V2_6_11)
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_13)
    .sometimes("the store gets the page back afterwards", back_from_swap);
    let device = Race::new(
        "S0.2/device",
        "once a page is unmapped, a device that was given it stores there all the same",
    )
    .world(|w| {
        cached_and_mapped(w);
        let _held = w.process(0).pin_for_writing(1).expect("it is mapped");
    })
    .cpu("memory hot-removal", unmap_and_look)
    .cpu("direct I/O completes", |w| {
        let pin = w.pin(0);
        pin.dma_write(7);
        pin.put();
    })
    .violates(Era::DOCUMENT_0, Clause::ASSERT_1)
    .violates(Era::V2_6_13, Clause::ASSERT_1)
    .holds(Era::V2_6_11)
    .sometimes("the request keeps the page mapped", held);
    // Who stores gets a page of its own before the device does: what is shared is not what the
    // device holds.
    let shared = Race::new(
        "S0.8/shared",
        "a shared page that a device is always given to store into is another page from then on",
    )
    .world(family)
    .cpu("direct I/O reads, overlapping", overlapping_reads)
    .cpu("memory hot-removal", memory_removal)
    .holds(Era::V2_6_13.with(UnmapCheck::Residual))
    .holds(Era::DOCUMENT_0)
    .holds(Era::V2_6_13)
    .sometimes("the page is copied for the device", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    let shared_writes = Race::new(
        "S0.8/writes",
        "with document 0's check, a shared page that a device always reads is still never unmapped",
    )
    .world(family)
    .cpu("direct I/O writes, overlapping", overlapping_writes)
    .cpu("memory hot-removal", memory_removal)
    .violates(Era::V2_6_13.with(UnmapCheck::Residual), Clause::LIVELOCK)
    .still_violates(Era::DOCUMENT_0, Clause::LIVELOCK)
    .holds(Era::V2_6_13)
    .showing("the request keeps the page mapped", held);
    vec![starved, written, suspended, blocked, device, residual, shared, shared_writes]
}
