//! S3.8: the VMA has no anon_vma, but the next one, whose start moves along, has.

use crate::mm::Setup;
use crate::spec::{Clause, Era, VmaAdjustLock};
use crate::{Mark, Race};

/// Three VMAs in a row, of which only the one with a page at `addr` has an anon_vma.
fn neighbours(addr: u64) -> impl Fn(&Setup<'_>) + Send + Sync {
    move |w| {
        let p = w.new_process();
        p.mmap(1..2);
        p.mmap(2..4);
        p.mmap(4..7);
        p.touch(addr);
    }
}

/// The boundary at 4 moves over a page, into a VMA that has no anon_vma yet: it must be linked
/// before it covers the page.
fn imports(id: &str, title: &str, addr: u64, to: u64, clause: Clause) -> Race {
    Race::new(id, title)
        .world(neighbours(addr))
        .cpu("migrate_pages", move |w| w.migrate(w.process(0).page_at(addr)))
        .cpu("vma_adjust (the boundary at 4)", move |w| w.process(0).move_boundary(4, to))
        .violates(Era::V2_6_34, clause)
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_36)
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
}

pub(super) fn races() -> Vec<Race> {
    vec![
        imports(
            "S3.8/up",
            "the boundary moves up over a page, into a VMA that must be linked first",
            5,
            6,
            Clause::RMAP_1,
        ),
        imports(
            "S3.8/down",
            "the boundary moves down over a page, into a VMA that must be linked first",
            3,
            3,
            Clause::MIG_1,
        ),
        Race::new(
            "S3.8",
            "the boundary moves down into a VMA without an anon_vma, and its neighbour's is not \
             locked",
        )
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..4);
            p.mmap(4..7);
            p.touch(6);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(6)))
        .cpu("vma_adjust (boundary 4 to 2)", |w| w.process(0).move_boundary(4, 2))
        .violates(Era::V2_6_34, Clause::MIG_1)
        .still_violates(Era::V2_6_36, Clause::MIG_1)
        .holds(Era::V2_6_33)
        .holds(Era::V2_6_36.with(VmaAdjustLock::VmaOrNext))
        .holds(Era::V3_7)
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED)),
    ]
}
