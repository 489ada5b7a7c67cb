//! The host of a virtual machine: what it knows of a page frame, and that it may discard what a
//! volatile one holds.

use std::fmt;

use super::{PageRef, World};
use crate::spec::{
    AnonVmaLink, Clause, DirtyTransfer, DiscardFree, FindGetPage, ForkPinned, Gup, GupFast,
    Hinting, MapLock, Reuse, Rmap, SwapBypass, SwapCacheEntry, SwapHasCache, TryToUnuse, Writable,
};
use crate::sync::{self, Mark, Name, Scalar};

/// What the guest has told the host about a frame. Kernel: the block usage state of `ESSA` (s390).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) enum Usage {
    /// What it holds is needed.
    Stable,
    /// What it holds is to be had elsewhere: the host may discard it.
    Volatile,
    /// The same, unless something was stored into it: the host asks before.
    PotentiallyVolatile,
    /// It is free.
    Unused,
}

/// A frame as the host keeps it. Kernel: what `ESSA` returns, and the storage key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub(super) struct Host {
    pub(super) usage: Usage,
    /// The host has no contents any more: an access ends in a discard fault.
    pub(super) discarded: bool,
    /// Something was stored since the page was mapped first, or read from swap. Kernel: the storage
    /// key's change bit.
    pub(super) changed: bool,
}

impl Host {
    /// What the allocator hands out.
    pub(super) const NEW: Self = Self { usage: Usage::Stable, discarded: false, changed: false };
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.usage {
            Usage::Stable => "stable",
            Usage::Volatile => "volatile",
            Usage::PotentiallyVolatile => "potentially volatile",
            Usage::Unused => "unused",
        })?;
        f.write_str(if self.changed { ", changed" } else { "" })?;
        f.write_str(if self.discarded { ", discarded" } else { "" })
    }
}

impl Scalar for Host {
    fn pack(self) -> u64 {
        self.usage as u64 | u64::from(self.discarded) << 2 | u64::from(self.changed) << 3
    }
    fn unpack(word: u64) -> Self {
        let usage = match word & 3 {
            0 => Usage::Stable,
            1 => Usage::Volatile,
            2 => Usage::PotentiallyVolatile,
            _ => Usage::Unused,
        };
        Self { usage, discarded: word & 4 != 0, changed: word & 8 != 0 }
    }
    fn show(self) -> String {
        self.to_string()
    }
}

#[sync::forgets]
impl World {
    /// Does the guest tell its host which pages it can do without? Else nothing here is a step
    /// (rule [`Hinting`]).
    pub(super) fn hints(&self) -> bool {
        self.rules().hinting == Hinting::Volatile
    }

    /// What this protocol chooses that came before or after the kernels that document 2 was written
    /// for, and that would have to make pages stable too.
    pub(super) fn too_late_for_hinting(&self) -> Option<&'static str> {
        let rules = self.rules();
        let pins = rules.gup != Gup::Get || rules.gup_fast != GupFast::No;
        self.is_not_of_2004_to_2009().or(pins.then_some("pins without a lock on s390"))
    }

    /// What 2.6.8 to 2.6.29 do not have, if the protocol has any of it.
    pub(super) fn is_not_of_2004_to_2009(&self) -> Option<&'static str> {
        let rules = self.rules();
        [
            (rules.rmap != Rmap::AnonVma, "anonmm"),
            (rules.page_map_lock != MapLock::Nothing, "map lock"),
            (rules.anon_vma_link != AnonVmaLink::Shared, "chains of anon_vmas"),
            (matches!(rules.reuse, Reuse::Refcount | Reuse::AnonExclusive), "reuse by references"),
            (rules.fork_pinned != ForkPinned::Share, "copies of pinned pages"),
            (rules.swap_bypass != SwapBypass::No, "swap-in beside the swap cache"),
            (rules.swap_has_cache != SwapHasCache::Counted, "bit for the swap cache's claim"),
            (
                rules.swap_cache_entry != SwapCacheEntry::Swap,
                "migration entries for the swap cache",
            ),
            (rules.find_get_page == FindGetPage::LocklessOnce, "look-up that looks once"),
            (rules.try_to_unuse == TryToUnuse::ByMm, "swapoff by address space"),
        ]
        .into_iter()
        .find_map(|(chosen, what)| chosen.then_some(what))
    }

    /// The host discards what the page holds, if it is volatile, and, where the host has to ask,
    /// was not stored to: one step, at any time. A CPU of its own, in a race.
    #[track_caller]
    pub fn host_discards(&self, page: PageRef) {
        sync::here();
        let done = self.host_takes(page);
        self.asked(Name::new("host_discards()", 0, 0), done);
    }

    /// The same where it need not find anything to discard.
    pub fn host_comes_by(&self, page: PageRef) {
        self.host_takes(page);
    }

    fn host_takes(&self, page: PageRef) -> bool {
        let frame = self.frame(page);
        let takes = |host: Host| {
            let may = match host.usage {
                Usage::Volatile => true,
                Usage::PotentiallyVolatile => !host.changed,
                Usage::Stable | Usage::Unused => false,
            };
            (may && !host.discarded).then_some(Host { discarded: true, ..host })
        };
        if !self.hints() || frame.resident() != page {
            return false;
        }
        let Ok(before) = frame.host.update_if(takes) else { return false };
        sync::mark(Mark::HOST_DISCARDS);
        let lost = before.changed && frame.entries.with(|entries| !entries.is_empty());
        sync::clause(Clause::HINT_2, !lost, || {
            format!(
                "the host discards {page}, which was stored to, and nobody has written that out"
            )
        });
        true
    }

    /// The page has left the swap cache: if anybody maps it, what it holds is nowhere else
    /// ([HINT-2]).
    pub(super) fn slot_goes(&self, page: PageRef) {
        if self.hints() {
            let lost = self.page_discarded(page) && self.frame(page).mapped();
            sync::clause(Clause::HINT_2, !lost, || {
                format!("the slot of {page} is given up, and the host has discarded the page")
            });
        }
    }

    /// The last mapping is gone: that something was stored through one of them, the page's own bit
    /// says from here on. The page must be stable before the host's bit is cleared, or it may be
    /// discarded in between (rule [`DirtyTransfer`], patch 6). Kernel: `page_test_dirty` and
    /// `page_clear_dirty` in `page_remove_rmap` (s390).
    pub(super) fn page_transfer_dirty(&self, page: PageRef) {
        let frame = self.page(page);
        if !self.hints() || !frame.host.read().changed {
            return;
        }
        if self.rules().dirty_transfer == DirtyTransfer::Stable {
            let stable = self.page_make_stable(page);
            sync::clause(Clause::HINT_2, stable, || {
                format!("{page} was stored to, and the host has discarded it")
            });
        }
        frame.host.update(|host| Host { changed: false, ..host });
        frame.dirty.write(true);
    }

    /// Something is stored into it; false if the host has discarded it.
    pub(super) fn host_sees_store(&self, page: PageRef) -> bool {
        !self.hints()
            || self
                .page(page)
                .host
                .update_if(|host| (!host.discarded).then_some(Host { changed: true, ..host }))
                .is_ok()
    }

    /// May a load go on? Not if the host has discarded the page.
    pub(super) fn host_sees_load(&self, page: PageRef) -> bool {
        !self.hints() || !self.page_discarded(page)
    }

    /// Has the host discarded it? Kernel: the same name.
    pub(super) fn page_discarded(&self, page: PageRef) -> bool {
        self.frame(page).host.read().discarded
    }

    /// The page is freed: the host need not keep the frame. True if nothing may be put into it,
    /// since a discard fault of it may be pending still (rule [`DiscardFree`]). Kernel:
    /// `page_set_unused`, `page_free_discarded`.
    pub(super) fn frees_late(&self, page: PageRef) -> bool {
        let frame = self.frame(page);
        frame.host.update(|host| Host { usage: Usage::Unused, ..host });
        frame.discarded.read() && self.rules().discard_free == DiscardFree::Delayed
    }

    /// From here on the host may discard the page ([HINT-1]); where some entry has permitted
    /// stores, only if it was not stored to (rule [`Writable`]). Kernel: `page_set_volatile`.
    pub(super) fn page_set_volatile(&self, page: PageRef) {
        let frame = self.page(page);
        let usage = match self.rules().writable {
            Writable::ChangeBit => Usage::PotentiallyVolatile,
            _ if !frame.writable.read() => Usage::Volatile,
            Writable::PageWritable | Writable::AfterEntry => Usage::PotentiallyVolatile,
            Writable::Stable => Usage::Stable,
        };
        if usage != Usage::Stable {
            let needed = frame.needed.get();
            sync::clause(Clause::HINT_1, needed == 0, || {
                let who = if needed == 1 { "1 relies".into() } else { format!("{needed} rely") };
                format!("{page} is made volatile, and {who} on its being stable")
            });
            sync::mark(Mark::PAGE_MADE_VOLATILE);
        }
        frame.host.update(|host| Host { usage, ..host });
    }

    /// From here on it may not; false if it has already. Kernel: `page_set_stable_if_present`.
    pub(super) fn page_set_stable_if_present(&self, page: PageRef) -> bool {
        self.page(page)
            .host
            .update_if(|host| (!host.discarded).then_some(Host { usage: Usage::Stable, ..host }))
            .is_ok()
    }

    /// Somebody has made the page stable, and relies on it from here on ([HINT-1]).
    pub(super) fn needs(&self, page: PageRef) {
        if self.hints() {
            self.page(page).needed.count(|needed| *needed += 1);
            let host = self.page(page).host.read();
            sync::clause(Clause::HINT_1, host.usage == Usage::Stable, || {
                format!("{page} was made stable, and is {host}")
            });
        }
    }

    /// He does so no more.
    pub(super) fn lets_go(&self, page: PageRef) {
        if self.hints() {
            self.page(page).needed.count(|needed| *needed -= 1);
        }
    }
}
