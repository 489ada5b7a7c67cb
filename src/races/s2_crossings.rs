//! S2/…: pages that the host discards, against what document 2 does not speak of: migration,
//! vma_adjust, swapoff, mremap, exit, and frames that are used again.

use super::s2_4_discard::{discarded, shared_discarded};
use super::worlds::{cached, family_cached, half_mapped, one_page};
use crate::spec::{
    CheckBits, Clause, CountOrder, DiscardFree, DiscardedBit, Era, MigrateStable, MremapLock,
    PteLook, SlotStable, VmaAdjustLock,
};
use crate::{Mark, Race, Seen};

fn removes(e: &Seen<'_>) -> bool {
    e.saw(Mark::PAGE_DISCARD_REMOVES)
}

fn migration() -> Vec<Race> {
    let moves = |id: &str, title: &str| {
        Race::new(id, title)
            .cpu("move_pages", |w| w.process(0).move_pages(1))
            .violates(Era::DOCUMENT_2, Clause::HINT_3)
            .violates(Era::DOCUMENT_2_2009, Clause::HINT_3)
            .holds(Era::DOCUMENT_2.with(MigrateStable::Yes))
            .holds(Era::DOCUMENT_2_2009.with(MigrateStable::Yes))
            .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"))
    };
    // FINDING-58
    let copied = moves("S2/migrate", "migration copies a page that the host discards")
        .world(|w| {
            cached(w);
            w.process(0).load(1).expect("it is mapped");
        })
        .cpu("host", |w| w.host_discards(w.process(0).page_at(1)))
        .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED))
        .sometimes("the page is found discarded", |e| e.saw(Mark::MAKE_STABLE_FAILS));
    let removed = moves(
        "S2/migrate-removed",
        "a discard fault takes a page away that migration has off the LRU list",
    )
    .world(discarded)
    .cpu("load (once)", |w| _ = w.process(0).load_once(1))
    .sometimes("the page is discarded", removes)
    .sometimes("migration gives up", |e| e.saw(Mark::MIGRATE_FAILED));
    vec![copied, removed]
}

fn reverse_map() -> Vec<Race> {
    let adjusted = Race::new(
        "S2/vma-adjust",
        "vma_adjust moves the range under the discarding walk, which must miss nothing",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..5);
        p.touch(4);
        p.swap_out(4);
        p.load(4).expect("it is mapped");
        w.host_discards(p.page_at(4));
    })
    .cpu("load (once)", |w| _ = w.process(0).load_once(4))
    .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
    .violates(Era::DOCUMENT_2.with(VmaAdjustLock::Nothing), Clause::HINT_4)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the page is discarded", removes);
    // FINDING-59
    let merged = Race::new(
        "S2/mremap-merged",
        "an entry moves into a VMA that has grown, which the discarding walk has passed already",
    )
    .world(|w| {
        let p = w.new_process();
        p.mmap(1..5);
        p.touch(3);
        p.swap_out(3);
        p.load(3).expect("it is mapped");
        p.mremap(3..5, 11).expect("it moves away");
        w.host_discards(p.page_at(11));
    })
    .cpu("load (another thread's, once)", |w| _ = w.process(0).load_once(11))
    .cpu("mremap back", |w| w.process(0).mremap(11..13, 3).expect("it is mapped"))
    .violates(Era::DOCUMENT_2_2009, Clause::HINT_4)
    .violates(Era::DOCUMENT_2.with(PteLook::Locked), Clause::HINT_4)
    .holds(Era::DOCUMENT_2_2009.with(MremapLock::RmapLock))
    .sometimes("the page is discarded", removes)
    .sometimes("a VMA grows", |e| e.saw(Mark::MREMAP_MERGES));
    // FINDING-60
    let exit = Race::new(
        "S2/exit",
        "an exit has cleared an entry that the discarding walk looks at without a lock, and not \
         yet counted it down",
    )
    .world(|w| {
        half_mapped(w);
        w.process(1).load(1).expect("it is mapped");
        w.host_discards(w.process(0).page_at(1));
    })
    .cpu("load (the parent's, once)", |w| _ = w.process(0).load_once(1))
    .cpu("exit (the child's)", |w| w.process(1).exit())
    .violates(Era::DOCUMENT_2, Clause::HINT_4)
    .holds(Era::DOCUMENT_2.with(PteLook::Locked))
    .still_violates(Era::DOCUMENT_2.with(PteLook::UnlessLocked), Clause::HINT_4)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the page is discarded", removes);
    vec![adjusted, merged, exit]
}

fn swapoff() -> Vec<Race> {
    // FINDING-61
    let over = Race::new(
        "S2/swapoff",
        "swapoff takes a page out of the swap cache that somebody else makes volatile",
    )
    .world(cached)
    .cpu("load (once)", |w| _ = w.process(0).load_once(1))
    .cpu("swapoff (one round)", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .violates(Era::DOCUMENT_2, Clause::HINT_1)
    .violates(Era::DOCUMENT_2_2009, Clause::HINT_1)
    .holds(Era::DOCUMENT_2.with(SlotStable::Everywhere))
    .sometimes("do_swap_page maps the page", |e| e.saw(Mark::DO_SWAP_PAGE_MAPS))
    .finally(|w| assert_eq!(w.process(0).load(1), Ok(101), "what was there"));
    // FINDING-53
    let forked = Race::new(
        "S2/swapoff-fork",
        "fork takes the entry of a page that swapoff takes out of the swap cache",
    )
    .world(|w| {
        one_page(w);
        w.process(0).swap_out(1);
    })
    .cpu("swapoff", |w| w.swapoff())
    .cpu("fork", |w| _ = w.process(0).fork())
    .violates(Era::DOCUMENT_2, Clause::SWAP_1)
    .violates(Era::DOCUMENT_2_2009, Clause::SWAP_1)
    .holds(Era::DOCUMENT_2.with(DiscardedBit::AfterRemoval))
    .sometimes("swapoff is over", |e| e.saw(Mark::SWAPOFF_OVER));
    // FINDING-54
    let torn = Race::new(
        "S2/swapoff-torn",
        "swapoff unlocks a page, and takes an unmap for its own reference",
    )
    .world(|w| {
        family_cached(w);
        w.process(0).load(1).expect("it is mapped");
        w.contend_mmap_sem();
    })
    .cpu("swapoff (one round)", |w| {
        w.swapoff_begins();
        w.unuse_next();
    })
    .cpu("munmap (the parent's)", |w| w.process(0).munmap(1..2))
    .violates(Era::DOCUMENT_2, Clause::HINT_1)
    .violates(Era::DOCUMENT_2_2009, Clause::HINT_1)
    .holds(Era::DOCUMENT_2.with(CountOrder::CountFirst))
    .sometimes("swapoff lets go of the page", |e| e.saw(Mark::SWAPOFF_LETS_GO));
    // FINDING-71
    let exits = Race::new(
        "S2/exit-swapoff",
        "an exit gives a slot up, and swapoff, which has just read it, makes the page volatile",
    )
    .world(family_cached)
    .cpu("exit (the parent's)", |w| w.process(0).exit())
    .cpu("swapoff", |w| w.swapoff())
    .violates(Era::DOCUMENT_2.with(SlotStable::Nothing), Clause::HINT_1)
    .violates(Era::DOCUMENT_2.with(CheckBits::CacheFirst), Clause::HINT_1)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the slot is given up", |e| e.saw(Mark::FREE_SWAP_AND_CACHE_FREES))
    .sometimes("swapoff is over", |e| e.saw(Mark::SWAPOFF_OVER))
    .finally(|w| assert_eq!(w.process(1).load(1), Ok(101), "what was there"));
    vec![over, forked, torn, exits]
}

fn frames() -> Vec<Race> {
    let reused = Race::new(
        "S2/frame-reused",
        "the frame of a discarded page has another one, when a discard fault comes that was meant \
         for the first",
    )
    .world(|w| {
        shared_discarded(w);
        w.process(1).mmap(4..5);
    })
    .cpu("load (the parent's, once)", |w| _ = w.process(0).load_once(1))
    .cpu("load (the child's, once), then a fault elsewhere", |w| {
        _ = w.process(1).load_once(1);
        w.process(1).touch(4);
    })
    .violates(Era::DOCUMENT_2.with(DiscardFree::AtOnce), Clause::LIFE_3)
    .holds(Era::DOCUMENT_2)
    .holds(Era::DOCUMENT_2_2009)
    .sometimes("the discard fault finds the page free", |e| e.saw(Mark::DISCARD_FAULT_LATE))
    .sometimes("the page is discarded", removes);
    vec![reused]
}

pub(super) fn races() -> Vec<Race> {
    [migration(), reverse_map(), swapoff(), frames()].concat()
}
