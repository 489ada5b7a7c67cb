//! S4.9 and S4.10: swapoff copies a page that is known by another address, by a fault, with the
//! page locked.

use super::worlds::{family, family_cached, half_mapped};
use crate::mm::{Setup, World};
use crate::spec::{Clause, Era, UnuseAddress, UnuseCopy, UnuseFound, UnuseSem, WpLock};
use crate::{Mark, Race};

/// Parent and child have the page on swap and in the swap cache, the child at 3.
fn moved_on_swap(w: &Setup<'_>) {
    family(w);
    w.process(0).swap_out(1);
    w.process(1).mremap(1..2, 3).expect("it is mapped");
    w.process(0).read_ahead(1);
}

pub(super) fn races() -> Vec<Race> {
    // With the cure of S4.5, or these would show that once more.
    let document = Era::DOCUMENT_4.with(UnuseSem::Trylock);
    let waits = document.clone().with(WpLock::Lock);
    let locked = |id: &str, title: &str| {
        Race::new(id, title)
            .world(moved_on_swap)
            .cpu("swapoff, one round", |w| {
                w.swapoff_begins();
                w.unuse_next();
            })
            .violates(waits.clone(), Clause::DEADLOCK)
            .holds(document.clone())
            .holds(document.clone().with(UnuseCopy::Unlocked))
            .holds(waits.clone().with(UnuseCopy::Unlocked))
            .sometimes("a page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    };
    let reclaim = locked(
        "S4.9",
        "swapoff, which has the page locked, copies it where it was moved to, and reclaim comes by",
    )
    .cpu("kswapd", |w| w.shrink_page(w.process(1).page_at(3)))
    .sometimes("reclaim finds the page locked", |e| e.saw(Mark::SHRINK_PAGE_LOCKED));
    let fault = locked(
        "S4.9/fault",
        "swapoff, which has the page locked, copies it where it was moved to, and a thread wants \
         the page",
    )
    .cpu("load (the child's)", |w| {
        w.process(1).load(3).expect("it is mapped");
    })
    .sometimes("a fault maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS));
    let masked = Race::new(
        "S4.10",
        "swapoff notes where it has found a page as its address and one more, and compares that \
         with the page's",
    )
    .world(family_cached)
    .cpu("swapoff", World::swapoff)
    .never("a page that was not moved is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES))
    .violates(Era::DOCUMENT_4.with(UnuseFound::Unmasked), Clause::RACE_1)
    .holds(Era::DOCUMENT_4)
    .sometimes("swapoff ends", |e| e.saw(Mark::SWAPOFF_OVER));
    let moved = Race::new(
        "S4.10/moved",
        "swapoff notes an address and one more, and the fault on a page that was moved is given \
         that, and finds the entry",
    )
    .world(moved_on_swap)
    .cpu("swapoff, then a load (the child's)", |w| {
        w.swapoff();
        w.process(1).load(3).expect("it is mapped");
    })
    .holds(Era::DOCUMENT_4)
    .holds(Era::DOCUMENT_4.with(UnuseFound::Unmasked))
    .sometimes("the page is copied", |e| e.saw(Mark::DO_WP_PAGE_COPIES));
    vec![reclaim, fault, masked, moved, looked_for(), asked_of_the_freed()]
}

/// swapoff looks for the entries of a page that has a mapping only where its index says.
fn looked_for() -> Race {
    Race::new(
        "S4/unuse-address",
        "swapoff looks for a child's entry where the index of its parent's page says, and mremap \
         moves that",
    )
    .world(half_mapped)
    .cpu("swapoff, one round", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .cpu("mremap (the child's)", |w| w.process(1).mremap(1..2, 3).expect("it is mapped"))
    .never("an entry is not found", |e| e.saw(Mark::SWAPOFF_LEAVES_ENTRIES))
    // The pages of a child may be its parent's: ab941e0fff39, before 2.6.34 was out.
    .violates(Era::V2_6_34.with(UnuseAddress::Own), Clause::RACE_1)
    .holds(Era::V2_6_7)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_33)
    .holds(Era::V2_6_34)
    .holds(Era::V2_6_36)
    .holds(Era::V3_7)
    .sometimes("it is moved", |e| e.saw(Mark::MREMAP_MOVED))
}

/// A parent has a page, and its child has it on swap. Swapoff comes first to a stranger, which has
/// had something on swap.
fn behind_a_stranger(w: &Setup<'_>) {
    half_mapped(w);
    let stranger = w.new_process();
    for addr in [1, 3] {
        stranger.mmap(addr..addr + 1);
        stranger.touch(addr);
    }
    stranger.swap_out(1);
    stranger.munmap(1..2);
}

fn asked_of_the_freed() -> Race {
    Race::new(
        "S4/unuse-exit",
        "swapoff asks whether a stranger's VMA is of the family that a page is of, and the whole \
         family exits",
    )
    .world(behind_a_stranger)
    .cpu("swapoff, one round", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .cpu("exit (parent and child)", |w| {
        w.process(0).exit();
        w.process(1).exit();
    })
    .violates(Era::V2_6_36, Clause::LIFE_1)
    .violates(Era::V2_6_38, Clause::LIFE_1)
    .violates(Era::V3_7, Clause::LIFE_1)
    .holds(Era::V2_6_11)
    .holds(Era::V2_6_22)
    .holds(Era::V2_6_34)
    .holds(Era::V3_7.with(UnuseAddress::Any))
    .holds(Era::V5_9)
}
