//! A page on its way to swap, while others fault it in, unmap it, move it, make it volatile; and
//! pages that may be stored to while they are volatile (document 2's patches 4 and 6).

use super::worlds::{cached, family, half_mapped, one_page};
use crate::mm::{Setup, World};
use crate::spec::{
    Clause, DirtyTransfer, Era, ResetWritable, ShrinkDiscarded, SlotStable, VolatileWriteback,
    Writable, WriteUnderWay,
};
use crate::{Mark, Race, Seen};

/// One process has the page on swap, and the device is writing it.
fn on_its_way(w: &Setup<'_>) {
    one_page(w);
    w.swap_slowly();
    w.process(0).swap_out(1);
}

/// The same of a parent and a child; swap is full.
fn family_on_its_way(w: &Setup<'_>) {
    family(w);
    w.swap_slowly();
    w.process(0).swap_out(1);
    w.fill_swap();
}

fn device(w: &World) {
    w.end_swap_write(w.process(0).page_at(1));
}

fn keeps(e: &Seen<'_>) -> bool {
    e.saw(Mark::WRITE_KEEPS_SLOT)
}

fn ends(e: &Seen<'_>) -> bool {
    e.saw(Mark::WRITE_ENDS)
}

/// What every kernel does about pages under writeback, in kernels that have no hints, too.
fn slots() -> Vec<Race> {
    let race = |id: &str, title: &str| {
        Race::new(id, title)
            .cpu("swap device", device)
            .violates(Era::V2_6_29.with(WriteUnderWay::Ignored), Clause::SWAP_7)
            .holds(Era::V2_6_22)
            .holds(Era::V2_6_29)
            .sometimes("the device is waited for, or the slot kept", keeps)
            .sometimes("the device is done", ends)
    };
    let unmapped =
        race("S2/writeback-zap", "an unmap gives the slot up to which the device writes the page")
            .world(|w| {
                family_on_its_way(w);
                w.process(0).load(1).expect("it is mapped");
            })
            .cpu("munmap (the child's)", |w| w.process(1).munmap(1..2))
            .violates(Era::DOCUMENT_2.with(WriteUnderWay::Ignored), Clause::SWAP_7)
            .holds(Era::DOCUMENT_2)
            .holds(Era::DOCUMENT_2_2009)
            .holds(Era::V5_19);
    let faulted =
        race("S2/writeback-fault", "a store gives the slot up to which the device writes the page")
            .world(|w| {
                on_its_way(w);
                w.fill_swap();
            })
            .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
            .violates(Era::V2_6_11.with(WriteUnderWay::Ignored), Clause::SWAP_7)
            .violates(Era::DOCUMENT_2.with(WriteUnderWay::Ignored), Clause::SWAP_7)
            .holds(Era::V2_6_11)
            .holds(Era::DOCUMENT_2)
            .holds(Era::DOCUMENT_2_2009)
            .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "what was stored"));
    let swapoff = race(
        "S2/writeback-swapoff",
        "swapoff takes a page out of the swap cache that the device is writing",
    )
    .world(on_its_way)
    .cpu("swapoff", |w| w.swapoff())
    .holds(Era::DOCUMENT_2.with(SlotStable::Everywhere))
    .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    let moved = race("S2/writeback-migrate", "migration moves a page that the device is writing")
        .world(|w| {
            on_its_way(w);
            w.process(0).load(1).expect("it is mapped");
        })
        .cpu("move_pages", |w| w.process(0).move_pages(1))
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    let reclaim = Race::new(
        "S2/writeback-reclaim",
        "reclaim writes a page, and frees it when it comes by again",
    )
    .world(|w| {
        one_page(w);
        w.swap_slowly();
    })
    .cpu("kswapd (twice)", |w| {
        let page = w.process(0).page_at(1);
        w.shrink_page(page);
        w.shrink_page(page);
    })
    .cpu("swap device", device)
    .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"))
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_29)
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("the device is done", ends);
    vec![unmapped, faulted, swapoff, moved, reclaim]
}

fn hints() -> Vec<Race> {
    let written = Race::new(
        "S2.12/writeback",
        "a page is made volatile while the device writes it, or when it has",
    )
    .world(|w| {
        on_its_way(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("swap device", device)
    .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
    .cpu("load", |w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"))
    .violates(Era::DOCUMENT_2.with(VolatileWriteback::Allowed), Clause::HINT_3)
    .violates(Era::DOCUMENT_2_2009.with(VolatileWriteback::Allowed), Clause::HINT_3)
    .holds_without(Era::DOCUMENT_2, Clause::HINT_3)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the end of the writing makes it volatile", |e| e.saw(Mark::VOLATILE_BY_WRITEBACK))
    .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES));
    let reclaimed = Race::new(
        "S2/writeback-discard",
        "reclaim comes by a page that the device is writing, and the host when it may",
    )
    .world(|w| {
        on_its_way(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("swap device", device)
    .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
    .cpu("load (once)", |w| _ = w.process(0).load_once(1))
    .violates(Era::DOCUMENT_2.with(VolatileWriteback::Allowed), Clause::HINT_3)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009.with(ShrinkDiscarded::Release))
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
    .sometimes("the page is discarded", |e| e.saw(Mark::PAGE_DISCARD_REMOVES))
    .sometimes("shrink_page_list meets the discard bit", |e| e.saw(Mark::SHRINK_MEETS_DISCARDED))
    .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    let cleared = Race::new(
        "S2/change-bit",
        "reclaim clears the change bit of a page that the host may discard",
    )
    .world(|w| {
        cached(w);
        w.process(0).store(1, 8).expect("it is mapped");
    })
    .cpu("kswapd", |w| w.shrink_page(w.process(0).page_at(1)))
    .cpu("host", |w| w.host_comes_by(w.process(0).page_at(1)))
    .violates(Era::DOCUMENT_2.with(DirtyTransfer::Unguarded), Clause::HINT_3)
    .holds(Era::DOCUMENT_2)
    .sometimes("the page is freed", |e| e.saw(Mark::SHRINK_FREED))
    .finally(|w| assert_eq!(w.process(0).load(1), Ok(8), "what was stored"));
    let first = Race::new(
        "S2/writable",
        "a store comes between the first entry that permits it and the look whether the page is \
         volatile",
    )
    .world(|w| {
        cached(w);
        w.process(0).load(1).expect("it is mapped");
    })
    .cpu("store", |w| w.process(0).store(1, 8).expect("it is mapped"))
    .cpu("store (another thread's), then the host", |w| {
        let page = w.process(0).page_at(1);
        w.process(0).store(1, 9).expect("it is mapped");
        w.host_comes_by(page);
    })
    .violates(Era::DOCUMENT_2.with(Writable::AfterEntry), Clause::HINT_2)
    .holds(Era::DOCUMENT_2.with(Writable::PageWritable))
    .holds(Era::DOCUMENT_2.with(Writable::Stable))
    .holds(Era::DOCUMENT_2)
    .sometimes("do_wp_page keeps the page", |e| e.saw(Mark::DO_WP_PAGE_REUSES));
    // FINDING-62
    let reset = Race::new(
        "S2/writable-reset",
        "PG_writable is cleared for a mapping that is gone, while another is made that permits \
         stores",
    )
    .world(half_mapped)
    .cpu("store (the child's), then the host", |w| {
        w.process(1).store(1, 8).expect("it is mapped");
        w.host_comes_by(w.process(0).page_at(1));
    })
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .violates(Era::DOCUMENT_2.with(Writable::PageWritable), Clause::HINT_2)
    .holds(Era::DOCUMENT_2.with(Writable::PageWritable).with(ResetWritable::Never))
    .holds(Era::DOCUMENT_2)
    .sometimes("the store keeps the page", |e| e.saw(Mark::DO_SWAP_PAGE_EXCLUSIVE))
    .finally(|w| assert_eq!(w.process(1).load(1), Ok(8), "what was stored"));
    vec![written, reclaimed, cleared, first, reset]
}

pub(super) fn races() -> Vec<Race> {
    [slots(), hints()].concat()
}
