//! Protocols: one choice per rule, most of them named after the kernel that made them.

use std::fmt;

use super::rules::*;

/// A complete set of choices, with a name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Protocol {
    base: &'static str,
    changes: Vec<(&'static str, &'static str)>,
    /// The choices.
    pub rules: Rules,
}

impl Protocol {
    const fn named(base: &'static str, rules: Rules) -> Self {
        Self { base, changes: Vec::new(), rules }
    }

    /// This protocol with one choice made differently.
    #[must_use]
    pub fn with(mut self, choice: impl Rule) -> Self {
        choice.apply(&mut self);
        self.note_change(choice.describe());
        self
    }

    fn note_change(&mut self, change: (&'static str, &'static str)) {
        self.changes.retain(|&(rule, _)| rule != change.0);
        self.changes.push(change);
    }
}

/// `2.6.34`, or `2.6.34+vma_adjust_lock=vma`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base)?;
        self.changes.iter().try_for_each(|(rule, arm)| write!(f, "+{rule}={arm}"))
    }
}

/// No protocol is called that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownProtocol {
    /// The part that is unknown.
    pub part: String,
    /// What it may be.
    pub candidates: Vec<String>,
}

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no protocol or rule is called '{}'", self.part)
    }
}

impl std::error::Error for UnknownProtocol {}

impl std::str::FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let mut parts = text.split('+');
        let base = parts.next().unwrap_or_default();
        let all = Era::all();
        let unknown = |part: &str, candidates: Vec<String>| UnknownProtocol { part: part.into(), candidates };
        let mut protocol =
            all.iter().find(|p| p.base == base).cloned().ok_or_else(|| unknown(base, all.iter().map(|p| p.base.into()).collect()))?;
        for part in parts {
            let catalogue = Rules::catalogue();
            let known = part.split_once('=').and_then(|(rule, arm)| {
                let (rule, arms) = catalogue.iter().find(|(name, _)| *name == rule)?;
                let arm = arms.iter().find(|name| **name == arm)?;
                Some((*rule, *arm))
            });
            let Some((rule, arm)) = known else {
                let all = catalogue.iter().flat_map(|(rule, arms)| arms.iter().map(move |arm| format!("{rule}={arm}")));
                return Err(unknown(part, all.collect()));
            };
            protocol.rules.choose(rule, arm);
            protocol.note_change((rule, arm));
        }
        Ok(protocol)
    }
}

/// The protocols that history made, by kernel version or by the document that proposed them.
pub struct Era;

impl Era {
    /// 2.6.7: a page that somebody holds is not unmapped (claim S0.1).
    pub const V2_6_7: Protocol = Protocol::named("2.6.7", V2_6_11);

    /// 2.6.11: what document 0 changes. In all that is modelled here, the same as 2.6.7.
    pub const V2_6_11: Protocol = Protocol::named("2.6.11", V2_6_11);

    /// Document 0: reuse is decided by mapcounts, and a held page may be unmapped (claims S0.3 to S0.8).
    pub const DOCUMENT_0: Protocol = Protocol::named("document-0", DOCUMENT_0);

    /// 2.6.13: the sum of mapcount and swap count, and an order of steps under which it never dips (claim S0.5).
    pub const V2_6_13: Protocol = Protocol::named("2.6.13", V2_6_13);

    /// 2.6.22: pages migrate, but only for system calls, which hold `mmap_sem`; nothing else keeps the anon_vma (claims S1.0, S1.2).
    pub const V2_6_22: Protocol = Protocol::named("2.6.22", V2_6_22);

    /// Document 1: 2.6.22 with an RCU read section around every migration, and unmapped swap-cache pages left alone.
    pub const DOCUMENT_1: Protocol = Protocol::named("document-1", DOCUMENT_1);

    /// 2.6.29: a write fault waits for the page lock (claim S0.11).
    pub const V2_6_29: Protocol = Protocol::named("2.6.29", V2_6_29);

    /// 2.6.33: document 1's RCU section is in; the last kernel with one anon_vma a family.
    pub const V2_6_33: Protocol = Protocol::named("2.6.33", V2_6_33);

    /// 2.6.34: chains of anon_vmas, and no lock in `vma_adjust` (claim S3.1).
    pub const V2_6_34: Protocol = Protocol::named("2.6.34", V2_6_34);

    /// 2.6.36: the root's lock stands for the whole family (claim S3.7), and only a mapped page is migrated through its anon_vma.
    pub const V2_6_36: Protocol = Protocol::named("2.6.36", V2_6_36);

    /// 2.6.38: a reference on the anon_vma, taken under its lock, instead of the RCU read section.
    pub const V2_6_38: Protocol = Protocol::named("2.6.38", V2_6_38);

    /// 3.7: the fallback to the next VMA's anon_vma is back (claim S3.8).
    pub const V3_7: Protocol = Protocol::named("3.7", V3_7);

    /// 5.9: references decide about reuse again, a device's can be told from others, and fork copies what it holds.
    pub const V5_9: Protocol = Protocol::named("5.9", V5_9);

    /// 5.19: a bit says whether a page belongs to one process alone, and what a device holds keeps it.
    pub const V5_19: Protocol = Protocol::named("5.19", V5_19);

    /// All of them, oldest first.
    pub fn all() -> Vec<Protocol> {
        vec![
            Self::V2_6_7,
            Self::V2_6_11,
            Self::DOCUMENT_0,
            Self::V2_6_13,
            Self::V2_6_22,
            Self::DOCUMENT_1,
            Self::V2_6_29,
            Self::V2_6_33,
            Self::V2_6_34,
            Self::V2_6_36,
            Self::V2_6_38,
            Self::V3_7,
            Self::V5_9,
            Self::V5_19,
        ]
    }
}

const V2_6_11: Rules = Rules {
    reuse: Reuse::PageCount,
    unmap_check: UnmapCheck::Count,
    swap_free_order: SwapFreeOrder::First,
    exclusive_lock: ExclusiveLock::TreeLock,
    unuse_activate: UnuseActivate::No,
    ..V2_6_13
};
const DOCUMENT_0: Rules =
    Rules { reuse: Reuse::Mapcount, unmap_check: UnmapCheck::Residual, swap_free_order: SwapFreeOrder::BeforeUnlock, ..V2_6_11 };
/// Nothing that documents 0 and 1 discuss changed between 2.6.13 and 2.6.22 but that pages can be migrated.
const V2_6_13: Rules = V2_6_22;
const V2_6_22: Rules = Rules {
    anon_vma_link: AnonVmaLink::Shared,
    anon_vma_lock: AnonVmaLock::Own,
    vma_adjust_lock: VmaAdjustLock::VmaOrNext,
    vm_end_lock: VmEndLock::Always,
    rmap_walk_lock: RmapWalkLock::Page,
    shared_mapping: SharedMapping::Vma,
    lock_recheck: LockRecheck::Nothing,
    anon_vma_life: AnonVmaLife::Nothing,
    rcu_scope: RcuScope::Anon,
    unmapped_page: UnmappedPage::Unmap,
    move_mapping: MoveMapping::Count,
    find_get_page: FindGetPage::Locked,
    migration_wait: MigrationWait::GetPage,
    swap_cache_entry: SwapCacheEntry::Swap,
    zap_migration: ZapMigration::Discard,
    fork_link: ForkLink::Append,
    fork_migration: ForkMigration::Copy,
    stale_entry: StaleEntry::Bug,
    recount: Recount::No,
    expand_lock: ExpandLock::AnonVma,
    reuse: Reuse::MapPlusSwap,
    unmap_check: UnmapCheck::Nothing,
    swap_free_order: SwapFreeOrder::AfterRmap,
    wp_lock: WpLock::Trylock,
    cow_rmap: CowRmap::BeforeEntry,
    swap_write: SwapWrite::Finish,
    free_swap: FreeSwap::RemoveExclusive,
    exclusive_lock: ExclusiveLock::PageLock,
    swapin_recheck: SwapinRecheck::Entry,
    gup: Gup::Get,
    fork_pinned: ForkPinned::Share,
    read_pin: ReadPin::AsMapped,
    unuse_activate: UnuseActivate::Yes,
};
const DOCUMENT_1: Rules = Rules { anon_vma_life: AnonVmaLife::Rcu, rcu_scope: RcuScope::All, unmapped_page: UnmappedPage::Skip, ..V2_6_22 };
const V2_6_29: Rules = Rules {
    reuse: Reuse::ReuseSwapPage,
    wp_lock: WpLock::Lock,
    cow_rmap: CowRmap::AfterEntry,
    free_swap: FreeSwap::TryToFree,
    anon_vma_life: AnonVmaLife::Rcu,
    unmapped_page: UnmappedPage::Skip,
    move_mapping: MoveMapping::Freeze,
    find_get_page: FindGetPage::Lockless,
    migration_wait: MigrationWait::GetUnlessZero,
    ..V2_6_22
};
const V2_6_33: Rules = Rules { unmapped_page: UnmappedPage::Move, vm_end_lock: VmEndLock::Exempt, ..V2_6_29 };
const V2_6_34: Rules = Rules {
    anon_vma_link: AnonVmaLink::Chained,
    shared_mapping: SharedMapping::Oldest,
    vma_adjust_lock: VmaAdjustLock::Nothing,
    ..V2_6_33
};
const V2_6_36: Rules = Rules {
    anon_vma_lock: AnonVmaLock::Root,
    lock_recheck: LockRecheck::Mapped,
    vma_adjust_lock: VmaAdjustLock::Vma,
    anon_vma_life: AnonVmaLife::Refcount,
    unmapped_page: UnmappedPage::MoveWithoutRmap,
    swapin_recheck: SwapinRecheck::EntryAndCache,
    ..V2_6_34
};
const V2_6_38: Rules = Rules { anon_vma_life: AnonVmaLife::LockThenGet, ..V2_6_36 };
const V3_7: Rules =
    Rules { vma_adjust_lock: VmaAdjustLock::VmaOrNext, vm_end_lock: VmEndLock::Always, anon_vma_life: AnonVmaLife::IncNotZero, ..V2_6_38 };
const V5_9: Rules = Rules {
    reuse: Reuse::Refcount,
    wp_lock: WpLock::Trylock,
    gup: Gup::Pin,
    fork_pinned: ForkPinned::Copy,
    swap_cache_entry: SwapCacheEntry::Migration,
    ..V3_7
};
const V5_19: Rules = Rules {
    reuse: Reuse::AnonExclusive,
    unmap_check: UnmapCheck::Unpinned,
    swap_free_order: SwapFreeOrder::FirstLocked,
    read_pin: ReadPin::Unshare,
    migration_wait: MigrationWait::NoReference,
    ..V5_9
};
