//! Worlds that several races begin in: one page, at address 1.

use crate::mm::Setup;

/// One process, which has the page for itself.
pub(super) fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..2);
    p.touch(1);
}

/// A parent and a child that share the page.
pub(super) fn family(w: &Setup<'_>) {
    one_page(w);
    w.process(0).fork();
}

/// One process; the page is on swap, and in the swap cache.
pub(super) fn cached(w: &Setup<'_>) {
    one_page(w);
    let p = w.process(0);
    p.swap_out(1);
    p.read_ahead(1);
}

/// A parent and a child that share a page that is on swap for both, and in the swap cache.
pub(super) fn family_cached(w: &Setup<'_>) {
    family(w);
    let parent = w.process(0);
    parent.swap_out(1);
    parent.read_ahead(1);
}

/// The parent maps the page, the child has it on swap, and it is in the swap cache.
pub(super) fn half_mapped(w: &Setup<'_>) {
    family(w);
    w.process(1).swap_out(1);
    w.process(0).load(1).expect("it is mapped");
}

/// Somebody else's page is on swap, in the first slot; `n` page-table entries stand for it. A page
/// that is not in the swap cache has no slot, and whoever asks for it all the same gets this one.
pub(super) fn strangers_slot(w: &Setup<'_>, n: usize) {
    let stranger = w.new_process();
    stranger.mmap(1..2);
    stranger.touch(1);
    for _ in 1..n {
        stranger.fork();
    }
    stranger.swap_out(1);
}
