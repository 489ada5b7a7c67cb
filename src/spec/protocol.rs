//! Protocols: one choice per rule, most of them named after the kernel that made them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::rules::*;

/// A complete set of choices. It is what it chooses: two of the same choices are equal, however
/// they came about.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// The kernel or document that it was made from: it says nothing about the protocol, only how
    /// to call it.
    base: &'static str,
    /// The choices.
    pub rules: Rules,
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl Eq for Protocol {}

impl Hash for Protocol {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rules.hash(state);
    }
}

impl PartialOrd for Protocol {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Protocol {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rules.cmp(&other.rules)
    }
}

impl Protocol {
    const fn named(base: &'static str, rules: Rules) -> Self {
        Self { base, rules }
    }

    /// This protocol with one choice made differently.
    #[must_use]
    pub fn with(mut self, choice: impl Rule) -> Self {
        choice.apply(&mut self);
        self
    }

    /// Is it no kernel's?
    pub(crate) fn is_changed(&self) -> bool {
        !Era::ALL.contains(self)
    }

    /// Is it a document's?
    pub(super) fn is_document(&self) -> bool {
        self.base.starts_with("document")
    }
}

/// `2.6.34`, or `2.6.34+vma_adjust_lock=vma`: the kernel that makes the same choices, or the most
/// of them, and those that differ. Of several that are as near: the one it was made from, else the
/// oldest.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = Era::ALL
            .iter()
            .min_by_key(|named| (self.rules.distance(&named.rules), named.base != self.base))
            .expect("there are kernels");
        f.write_str(near.base)?;
        let changes = self.rules.changes(&near.rules);
        changes.iter().try_for_each(|(rule, arm)| write!(f, "+{rule}={arm}"))
    }
}

/// Why a text is no protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Nothing is called that.
    #[non_exhaustive]
    Unknown {
        /// The part that is unknown.
        part: String,
        /// What it may be.
        candidates: Vec<String>,
    },
    /// The choice for one rule is made twice.
    Twice {
        /// The rule.
        rule: &'static str,
    },
}

impl ProtocolError {
    fn unknown(part: &str, candidates: impl IntoIterator<Item = String>) -> Self {
        Self::Unknown { part: part.into(), candidates: candidates.into_iter().collect() }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { part, .. } => write!(f, "no protocol or rule is called '{part}'"),
            Self::Twice { rule } => write!(f, "a protocol makes one choice for {rule}, not two"),
        }
    }
}

impl std::error::Error for ProtocolError {}

impl FromStr for Protocol {
    type Err = ProtocolError;

    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        let mut parts = text.split('+');
        let base = parts.next().unwrap_or_default();
        let names = || Era::ALL.map(|named| named.base.to_owned());
        let mut protocol =
            Era::called(base).ok_or_else(|| ProtocolError::unknown(base, names()))?;
        let (catalogue, mut chosen) = (Rules::catalogue(), Vec::new());
        for part in parts {
            let known = part.split_once('=').and_then(|(rule, arm)| {
                let (rule, arms) = catalogue.iter().find(|(name, _)| *name == rule)?;
                arms.iter().find(|name| **name == arm).map(|arm| (*rule, *arm))
            });
            let Some((rule, arm)) = known else {
                let all = catalogue
                    .iter()
                    .flat_map(|(rule, arms)| arms.iter().map(move |arm| format!("{rule}={arm}")));
                return Err(ProtocolError::unknown(part, all));
            };
            if chosen.contains(&rule) {
                return Err(ProtocolError::Twice { rule });
            }
            chosen.push(rule);
            protocol.rules.choose(rule, arm);
        }
        Ok(protocol)
    }
}

macro_rules! eras {
    ($($(#[doc = $text:literal])+ $name:ident = $base:literal;)+) => {
        impl Era {
            $($(#[doc = $text])+ pub const $name: Protocol = Protocol::named($base, $name);)+

            const ALL: [Protocol; [$($base),+].len()] = [$(Self::$name),+];

            /// What is documented of each, in the order of `ALL`.
            const TEXTS: [&str; Self::ALL.len()] = [$(concat!($($text, "\n"),+)),+];
        }
    };
}

/// The protocols that history made, by kernel version or by the document that proposed them.
pub struct Era;

impl Era {
    /// All of them, oldest first.
    pub fn all() -> Vec<Protocol> {
        Self::ALL.to_vec()
    }

    /// All of them, each with a sentence or more on what changed and why.
    pub fn texts() -> Vec<(Protocol, String)> {
        let first = |text: &str| {
            let paragraph = text.split("\n\n").next().unwrap_or_default();
            paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ")
        };
        Self::ALL.into_iter().zip(Self::TEXTS.map(first)).collect()
    }

    /// What one of them changed something of: for a kernel the one before it, for a document the
    /// kernel that it is a patch to. None for the oldest, and for what is none of them.
    pub fn before(protocol: &Protocol) -> Option<Protocol> {
        let at = Self::ALL.iter().position(|named| named == protocol)?;
        Self::ALL[..at].iter().rev().find(|named| !named.is_document()).cloned()
    }

    fn called(name: &str) -> Option<Protocol> {
        Self::ALL.into_iter().find(|protocol| protocol.base == name)
    }
}

eras! {
    /// rmap 10: a page is found by an anonmm, which stands for all address spaces that descend from
    /// one exec, and by one user address. Fork gives a child every page at its parent's address, so
    /// that nothing need be linked; but mremap changes the address. What 2.6.6-mm was like in April
    /// 2004, and mainline between two of 57 patches of 22 May.
    ///
    /// Read: `mm/rmap.c` as it was after rmap 37 (`exec_rmap`, `dup_rmap`, `exit_rmap`,
    /// `free_anonmm`, `clear_page_anon`, `page_referenced_anon`, `page_add_anon_rmap`,
    /// `try_to_unmap_one`: `rmap`, `anonmm_walk_lock`, `anonmm_exit`, `anonmm_put`, `anonmm_count`,
    /// `unmap_check`), and the mails of rmap 9 and 10, of 15 April and 22 May (`do_swap_page`:
    /// `swap_write`; `unuse_process`: `unuse_sem`). The rest is that of 2.6.7.
    RMAP_10 = "rmap-10";

    /// Document 4, rmap 11: a page that others map, too, is copied before mremap moves it, and one
    /// that comes back from swap at another address than is known of it is copied at once, since
    /// what is mapped elsewhere is not found and so never leaves memory (claim S4.1). A store to
    /// what is on swap ends with a copy, because get_user_pages by force asks for one fault and no
    /// more (claim S4.8).
    ///
    /// Read: the mails of rmap 11, of 15 April and 22 May (`move_page_tables` and
    /// `mremap_move_anon_rmap`: `mremap_page`; `do_swap_page`: `swap_write`, `swapin_clash`;
    /// `unuse_process`: `unuse_sem`, `swapin_clash`).
    DOCUMENT_4 = "document-4";

    /// 2.6.7: an anon_vma has a list of VMAs, and a page is known by its offset in them, which
    /// mremap does not change: nothing need be copied. A page that somebody holds is not unmapped,
    /// or the next store would go into a copy of which a device knows nothing (claim S0.1). swapoff
    /// waits for `mmap_sem` with the page locked (claim S4.5): no 2.6.7 was at hand, and the mail
    /// that cures it in 2.6.8 says so (`unuse_sem`).
    ///
    /// Read in 2.6.8, since no 2.6.7 was at hand: `page_add_anon_rmap` and `page_remove_rmap`
    /// (`page_map_lock`), `try_to_unmap_one` (`unmap_check`, `anonmm_walk_lock`, `pte_look`),
    /// `can_share_swap_page` (`reuse`), `__anon_vma_link` (`fork_link`). The rest is that of
    /// 2.6.11, from memory.
    V2_6_7 = "2.6.7";

    /// 2.6.11: what document 0 changes. The lock in the page has gone (2.6.9): its mapping stays
    /// when its last entry goes, and RCU keeps the anon_vma for who looks it up. swapoff lets go of
    /// the page before it waits for `mmap_sem`, since faults wait for the page with `mmap_sem` held
    /// (2.6.8, claim S4.5), and looks only where the page can be.
    ///
    /// Read in 2.6.11: `do_wp_page` (`wp_lock`, `cow_rmap`), `can_share_swap_page` (`reuse`),
    /// `exclusive_swap_page` (`exclusive_lock`), `do_swap_page` (`swap_free_order`,
    /// `swapin_recheck`, `swap_write`), `remove_exclusive_swap_page` (`free_swap`),
    /// `lookup_swap_cache` (`find_get_page`), `try_to_unmap_one` (`unmap_check`, `pte_look`),
    /// `page_add_anon_rmap` (`page_map_lock`, `rmap_again`), `__anon_vma_link` (`fork_link`),
    /// `do_anonymous_page` (`new_rmap`), `zap_pte_range` and `unmap_region` (`zap_flush`,
    /// `zap_dirty`, `gather_put`), `expand_stack` (`expand_lock`), `vma_adjust` (`vma_adjust_lock`,
    /// `vm_end_lock`), `unuse_process` and `try_to_unuse` (`unuse_sem`, `try_to_unuse`), `unuse_pmd`
    /// (`unuse_activate`). Its `page_lock_anon_vma` is written as the arm `until-locked` of
    /// `lookup_rcu` says, whose text says why that is the same there. Nothing is migrated yet: what
    /// is said of that is 2.6.22's, and no case of this era asks.
    V2_6_11 = "2.6.11";

    /// Document 0: mapcounts, and not references, say whether a write fault may keep a page, so
    /// that a page which somebody holds may be unmapped (claims S0.3 to S0.8): for one that is
    /// always held, memory hot-removal waits for ever in 2.6.11 (claim S0.2).
    DOCUMENT_0 = "document-0";

    /// 2.6.13: what came of document 0. A write fault adds up mapcount and swap count, and
    /// `do_swap_page` takes its steps in an order in which the sum never dips (claim S0.5); so a
    /// page that is held may be unmapped whoever maps it, since its process gets the same one back.
    /// swapoff, whose reference keeps nothing mapped any more, makes a page active before it lets go
    /// of it, too, lest reclaim undo its work (claim S0.10), and get_user_pages by force asks the
    /// fault whether it copied (claim S4.8).
    ///
    /// Read in 2.6.12.1, in a tree called 2.6.14 whose `rmap.c` is 2.6.15's, and in 2.6.18, since
    /// no 2.6.13 was at hand: `can_share_swap_page` (`reuse`, `exclusive_lock`), `do_swap_page`
    /// (`swap_free_order`, `swapin_recheck`), `unuse_pte` (`unuse_activate`), `unmap_region`
    /// (`gather_put`), `__anon_vma_link` (`fork_link`), `page_check_address` (`pte_look`, which
    /// 2.6.12 does not have and 2.6.15 does). That all of it came with 2.6.13 is said by the mail
    /// of c475a8ab625d for `reuse`, `swap_free_order`, `unmap_check` and `unuse_activate`; for the
    /// rest it is from memory. Nothing is migrated yet.
    V2_6_13 = "2.6.13";

    /// 2.6.22: pages migrate, but only for system calls, which hold `mmap_sem`; nothing else keeps
    /// the anon_vma (claims S1.0, S1.2). fork puts the child's VMA behind its parent's, without
    /// which a walk can miss what is copied meanwhile (claim S3.15). The page-table lock no longer
    /// keeps the list of VMAs from swapoff (2.6.15), so that fork holds the child's `mmap_sem`,
    /// too.
    ///
    /// Read in 2.6.22.19 (and 2.6.18, where nothing differs but `lookup_rcu`): `page_lock_anon_vma`
    /// (`lookup_rcu`, `lock_recheck`), `unmap_and_move` (`anon_vma_life`, `rcu_scope`,
    /// `unmapped_page`, `still_mapped`, `newpage_lru`), `migrate_page_move_mapping`
    /// (`move_mapping`), `migration_entry_wait` (`migration_wait`), `isolate_lru_page`
    /// (`isolation`), `anon_vma_prepare` (`fresh_anon_vma`), `do_anonymous_page` and `do_wp_page`
    /// (`new_rmap`, `cow_rmap`, `wp_lock`), `page_add_anon_rmap` (`rmap_again`), `vma_adjust`
    /// (`vma_adjust_lock`, `vm_end_lock`), `try_to_unmap_one` (`unmap_check`, `unmap_flush`,
    /// `swap_cache_entry`), `page_check_address` (`pte_look`), `move_ptes` (`move_ptes`),
    /// `try_to_unuse`, `unuse_pte`, `unuse_vma` and `unuse_mm` (`unuse_address`,
    /// `unuse_table_lock`), `dup_mmap` (`fork_child_sem`), `install_arg_page` (`temporary_stack`).
    /// 2.6.24 has document 1's look at the mapping and RCU section, and 2.6.29's `isolation`.
    V2_6_22 = "2.6.22";

    /// Document 1: 2.6.22 with an RCU read section around every migration, which keeps the anon_vma
    /// where no `mmap_sem` does (claim S1.2), and with unmapped pages of the swap cache left alone,
    /// since they have no reverse map to follow (claim S1.1).
    DOCUMENT_1 = "document-1";

    /// Document 2: 2.6.22 whose pages in the swap cache may be discarded by the host that it runs
    /// on: what such a page holds is on the swap device, too, so that the host need not write it
    /// anywhere to have its memory.
    ///
    /// Read: patches 1, 2, 3 and 6 of 28 June 2007, on 2.6.22. Patch 5, look-ups that do not make a
    /// page stable, is `+swapin_lookup=nodiscard+volatile_try=neither`. Patch 4, for pages that are
    /// mapped writable, is not here.
    DOCUMENT_2 = "document-2";

    /// 2.6.29: nothing is locked to look a page up in the swap cache or to give it to a device
    /// (2.6.27); so who moves or removes a page takes its count to zero first, and nobody takes a
    /// reference then (claim S3.13). A write fault waits for the page lock, for one that copied
    /// instead lost what a device stored (claim S0.11). What document 1 and its series ask for is
    /// in, of anonymous pages (claims S1.1, S1.2, S1.4, S1.7).
    ///
    /// Read in 2.6.29: `do_wp_page` (`wp_lock`, `cow_rmap`), `reuse_swap_page` (`reuse`),
    /// `try_to_free_swap` (`free_swap`), `do_swap_page` (`swap_free_order`, `swapin_recheck`),
    /// `unmap_and_move` (`anon_vma_life`, `rcu_scope`, `unmapped_page`),
    /// `migrate_page_move_mapping` (`move_mapping`), `migration_entry_wait` (`migration_wait`),
    /// `find_get_page` (`find_get_page`), `page_lock_anon_vma` (`lookup_rcu`, `lock_recheck`),
    /// `page_add_anon_rmap` (`rmap_again`), `do_anonymous_page` (`new_rmap`), `vma_adjust`
    /// (`vma_adjust_lock`, `vm_end_lock`), `zap_pte_range` (`zap_flush`), x86's `gup_pte_range`
    /// (`gup_fast`), `try_to_unuse`, `shift_arg_pages` (`temporary_stack`; 2.6.24 has it, too).
    /// `isolation` is that of 2.6.24, and `fresh_anon_vma` that of 2.6.28, both read there.
    V2_6_29 = "2.6.29";

    /// Document 2 as it was posted again in March 2009, on 2.6.29. Pages of shared memory that are
    /// in the swap cache are not volatile any more, since a discard does not find their entries
    /// (claim S2.10), and the walk that unmaps a discarded page looks at each entry under its lock
    /// (claim S2.6).
    DOCUMENT_2_2009 = "document-2-2009";

    /// 2.6.33: a bit says that the swap cache has a claim on a slot, so that nobody reads the slot
    /// again while its page is on its way out (2.6.31, claim S0.6). Migration moves a page of the
    /// swap cache that nothing maps (2.6.32), and follows its stale mapping afterwards (claim
    /// S3.14). The last kernel with one anon_vma a family.
    ///
    /// Read in 2.6.33.3: `unmap_and_move` (`unmapped_page`, `anon_vma_life`, `rcu_scope`),
    /// `vma_adjust` (`vm_end_lock`, `vma_adjust_lock`), `swapcache_prepare` (`swap_has_cache`;
    /// 2.6.31.3 has it, too), `page_lock_anon_vma` (`lookup_rcu`, `lock_recheck`),
    /// `page_add_anon_rmap` (`rmap_again`), `do_swap_page` (`swap_free_order`, `swapin_recheck`),
    /// `reuse_swap_page`, `do_wp_page`, `try_to_unmap_one`, x86's `gup_pte_range` (`gup_fast`). The
    /// rest is that of 2.6.29.
    V2_6_33 = "2.6.33";

    /// 2.6.34: chains of anon_vmas: each process has one of its own, so that what a child touches
    /// first is looked for in its own VMAs alone. `vma_adjust` takes no lock of them, and a walk
    /// beside it misses pages (claim S3.1).
    ///
    /// Read in 2.6.34: `anon_vma_clone`, `anon_vma_fork` and `unlink_anon_vmas` (`anon_vma_link`,
    /// `chain_lock`, `anon_vma_lock`), `vma_adjust` (`vma_adjust_lock`, which locks nothing),
    /// `__page_set_anon_rmap` (`shared_mapping`), `page_add_anon_rmap` (`rmap_again`),
    /// `unmap_and_move` (`unmapped_page`, `anon_vma_life`), `page_lock_anon_vma` (`lock_recheck`).
    /// The rest is that of 2.6.33. 2.6.35.3 is between this and 2.6.36: it has the latter's
    /// `anon_vma_life` and `unmapped_page`, and locks nothing in `vma_adjust` either.
    V2_6_34 = "2.6.34";

    /// 2.6.36: the root's lock stands for the whole family (claim S3.7), and `vma_adjust` takes it,
    /// so that no walk sees half of what it does (claims S3.1, S3.2). A reference keeps the
    /// anon_vma during a migration, and only a mapped page is migrated through it, since that of
    /// another may have gone (2.6.35, claims S1.3, S3.14). A fault looks again whether it has the
    /// slot's page (claim S3.13).
    ///
    /// Read in 2.6.36: `page_lock_anon_vma` (`anon_vma_lock`, `lock_recheck`), `unmap_and_move`
    /// (`anon_vma_life`, `unmapped_page`), `vma_adjust` (`vma_adjust_lock`, `vm_end_lock`),
    /// `__page_set_anon_rmap` (`rmap_again`, `shared_mapping`), `do_swap_page` (`swapin_recheck`),
    /// `unlink_anon_vmas` (`chain_lock`, `anon_vma_put`), `try_to_unmap_anon` and `setup_arg_pages`
    /// (`temporary_stack`; 2.6.35.3 has them, too), `zap_pte_range`, `do_wp_page`, x86's
    /// `gup_pte_range`. The rest is that of 2.6.33.
    V2_6_36 = "2.6.36";

    /// 2.6.38: a reference on the anon_vma, taken under its lock, instead of the RCU read section:
    /// under the lock, of a page that is mapped, it is certain which one that is (claim S1.3).
    ///
    /// Read in 2.6.37 and 2.6.39.4, since of 2.6.38 no `mm` was at hand: `__page_lock_anon_vma`
    /// (`anon_vma_lock`, `lock_recheck`), `unmap_and_move` (`anon_vma_life`: 2.6.39 has it, 2.6.37
    /// has that of 2.6.36; that it came with 2.6.38 is from memory, and 1ce82b69e96c of January
    /// 2011), `unlink_anon_vmas` (`chain_lock`, `anon_vma_put`), `copy_vma` (`mremap_merge`).
    V2_6_38 = "2.6.38";

    /// 3.7: the fallback to the next VMA's anon_vma is back (claim S3.8). The lock of an anon_vma
    /// sleeps (3.0), and RCU read sections must not: who has to wait for it takes a reference, and
    /// who frees an anon_vma waits until nobody has that lock (claim S3.7). mremap keeps walks out
    /// where they could pass by an entry that moves (FINDING-47), and no neighbour without an
    /// anon_vma grows over what it moves any more (3.0, FINDING-44).
    ///
    /// Read in 3.8 and 3.0.8, since no 3.7 was at hand: `__put_anon_vma` (`anon_vma_put`),
    /// `page_get_anon_vma` (`unmapped_put`, `anon_vma_life`), `lock_anon_vma_root` (`chain_lock`),
    /// `vma_adjust` (`vma_adjust_lock`, `vm_end_lock`), `page_check_address` (`pte_look`),
    /// `do_swap_page` (`swapin_recheck`), `do_wp_page` (`wp_lock`, `reuse`, `cow_rmap`),
    /// `__unmap_and_move` (`unmapped_page`), `migration_entry_wait` (`migration_wait`), `unuse_pte`
    /// (`unuse_activate`). The lock is a mutex until 3.7 and an rwsem in 3.8; `expand_downwards`
    /// takes the page-table lock in 3.8.
    V3_7 = "3.7";

    /// 5.9: references decide about reuse again, for who was given a page to read would see, by
    /// mapcounts, what another process stores there later (PIN-2). A device's can be told from
    /// others (5.6), and fork copies what it holds, so that the parent keeps that page (claim
    /// S0.9). Reclaim flushes once for many pages, here once a page, and not once an entry
    /// (4.3), and swapoff goes address space by address space, with no page locked (5.1).
    ///
    /// Read in 5.9.1, each choice of this era and those that it has in common with 3.7:
    /// `__put_anon_vma`, `page_get_anon_vma`, `__migration_entry_wait`, `do_wp_page`,
    /// `wp_page_copy`, `reuse_swap_page`, `do_swap_page`, `internal_get_user_pages_fast`,
    /// `gup_pte_range`, `copy_present_page`, `try_to_unmap_one`, `try_to_unuse`, `unuse_pte`,
    /// `migrate_page_move_mapping`, `__unmap_and_move`, `map_pte`, `expand_downwards`. Fork takes
    /// the reference and counts the mapping before it write-protects, here after. `anon_vma_clone`
    /// (`anon_vma_reuse`).
    V5_9 = "5.9";

    /// 5.10, as its stable releases have it: reclaim leaves alone what a device holds, and while
    /// fork write-protects entries, no page is given away without a lock, or the parent would lose
    /// what is pinned in between (claim S0.9). 5.10 itself does neither. An anon_vma that a VMA has
    /// is not given to another process's any more: 2555283eb40d went to the stable releases in
    /// September 2022, which was read in a mail about 4.9, and not in 5.10.
    ///
    /// Read in 5.10.262: `shrink_page_list` (`swap_pinned`, `madv_free`), `try_to_unmap_one`
    /// (`madv_free`), mm/page_io.c (`swapin_notify`), `free_swap_cache` (`free_swap`),
    /// `wp_page_copy` (`cow_rmap`, `copied_swap`), `do_wp_page` (`reuse`, `wp_lock`),
    /// `do_swap_page` (`swap_free_order`, `swapin_free`, `swapin_recheck`, `swap_write`),
    /// `copy_present_page` (`fork_pinned`), `__migration_entry_wait` (`migration_wait`),
    /// `migrate_page_move_mapping` (`move_mapping`), `page_get_anon_vma` (`anon_vma_life`),
    /// `__vma_adjust` (`vma_adjust_lock`, `vm_end_lock`), `expand_downwards` (`expand_lock`).
    /// Measured on 5.10.223, as far as SPEC.md §9 says that it can be. The rest is that of 5.9.
    V5_10 = "5.10";

    /// 5.19: a bit says whether a page belongs to one process alone, and what a device holds keeps
    /// it: whoever else looks at the page takes a reference, and by references alone the process
    /// would get a copy (claims S0.1, S0.3). Who waits for a migration takes none, since that made
    /// it fail (claim S1.6); swapoff waits for faults that are under way (claim S0.10).
    ///
    /// Read in 5.19.0, each choice of this era: `do_wp_page`, `try_to_unmap_one` and
    /// `try_to_migrate_one`, `do_swap_page` and `should_try_to_free_swap`, `free_swap_cache`,
    /// `gup_must_unshare`, `migration_entry_wait_on_locked`, `unuse_pte`, `remove_migration_pte`,
    /// `move_to_new_folio`, `shrink_page_list`, `lockless_pages_from_mm`, `copy_present_page`,
    /// `folio_migrate_mapping`; in 5.19.6 `anon_vma_clone` (`anon_vma_reuse`, which 6.0 mends).
    V5_19 = "5.19";

    /// 6.1, as its stable releases have it: a stack grows under `mmap_sem` held for writing, so
    /// that no VMA changes beside a fault any more (claim S3.16), and what comes back beside the
    /// swap cache claims its slot, so that two faults do not both read it (claim S3.13).
    ///
    /// Read in 6.1.192: `shrink_folio_list` (`swap_pinned`), `free_swap_cache` (`free_swap`),
    /// `wp_page_copy` (`cow_rmap`, `copied_swap`), `do_wp_page` (`reuse`, `wp_lock`),
    /// `do_swap_page` and `should_try_to_free_swap` (`swap_free_order`, `swapin_free`,
    /// `swapin_recheck`, `swap_write`), `page_try_dup_anon_rmap` (`fork_pinned`),
    /// `page_try_share_anon_rmap` (`unmap_check`), `gup_must_unshare` (`read_pin`), `unuse_pte`,
    /// `migration_entry_wait_on_locked` (`migration_wait`), `folio_migrate_mapping`
    /// (`move_mapping`), `folio_get_anon_vma` (`anon_vma_life`), `__vma_adjust` (`vma_adjust_lock`,
    /// `vm_end_lock`), `expand_downwards` (`expand_lock`). Measured on 6.1.192, as far as SPEC.md
    /// §9 says that it can be. The rest is that of 5.19.
    V6_1 = "6.1";

    /// 6.12: what comes back from swap for a load is mapped writable and clean, if it belongs to
    /// the process alone, and so is what mprotect makes writable (6.2): its first store faults no
    /// more. That lets a device store into what no entry says is dirty (claim S0.1). A fork that
    /// fails leaves an entry in the child's list that is no VMA (6.8, FINDING-104).
    ///
    /// Read in 6.12: `dup_mmap`, `exit_mmap`, `unuse_mm` (`fork_failed`); in 6.12.118: `do_swap_page` (`swapin_own`), `can_change_pte_writable`
    /// (`mprotect_write`; in 6.12.117), `free_swap_cache` and `folio_free_swap` (`free_swap`),
    /// `should_try_to_free_swap` (`swapin_free`), where `folio_maybe_dma_pinned` is asked
    /// (`swap_pinned`), `wp_page_copy` (`copied_swap`), `folio_try_dup_anon_rmap_pte`
    /// (`fork_pinned`), `folio_try_share_anon_rmap_pte` (`unmap_check`), `gup_must_unshare`
    /// (`read_pin`), `migration_entry_wait_on_locked` (`migration_wait`), `__folio_migrate_mapping`
    /// (`move_mapping`), `folio_get_anon_vma` (`anon_vma_life`), `init_multi_vma_prep`
    /// (`vma_adjust_lock`), `expand_downwards` (`expand_lock`). Measured on 6.12.117, as far as
    /// SPEC.md §9 says that it can be. The rest is that of 5.19.
    V6_12 = "6.12";

    /// 6.18: who looks a page up in the swap cache does not look again; he compares when he has it
    /// locked, and so swapoff has to (claim S0.10). An unmap drains no pagevec (claim S0.3), and a
    /// VMA that grows at the place to which mremap moves is linked to the old one's anon_vmas
    /// (6.18.8, FINDING-44). swapoff passes by what a fork that has failed leaves.
    ///
    /// Read in 6.18.2: `dup_mmap`, `unuse_mm` (`fork_failed`); in 6.18.35, each choice of 6.12: `do_swap_page`, `should_try_to_free_swap`,
    /// `folio_matches_swap_entry`, `do_wp_page`, `wp_can_reuse_anon_folio`, `wp_page_copy`,
    /// `folio_free_swap`, `free_swap_cache`, `shrink_folio_list`, `__folio_try_dup_anon_rmap`,
    /// `copy_present_page`, `try_to_unmap_one`, `gup_must_unshare`, `gup_fast_pte_range`,
    /// `migration_entry_wait_on_locked`, `__folio_migrate_mapping`, `migrate_folio_unmap`,
    /// `migrate_folio_move`, `folio_get_anon_vma`, `__put_anon_vma`, `anon_vma_clone`,
    /// `__folio_set_anon`, `init_multi_vma_prep`, `expand_downwards`, `try_to_unuse`, `unuse_pte`,
    /// `__swap_duplicate`, `swap_cache_get_folio`, `exit_mmap`, `unmap_region` and
    /// `zap_page_range_single_batched` (`zap_drain`). Measured on 6.18.44 and 6.18.15, as far as
    /// SPEC.md §9 says that it can be, and on 6.18.44 with two operations at once.
    V6_18 = "6.18";

    /// 7.3: only the swap entry, and no count, says that a page which comes back belongs to one
    /// process alone, and the slot is given back once the page is mapped. Every page comes back
    /// through the swap cache, and who looks it up there looks again.
    ///
    /// Read in 7.1.5: `dup_mmap`, `unuse_mm` (`fork_failed`); in 7.3.4: `do_swap_page` and `should_try_to_free_swap` (`swap_free_order`,
    /// `swapin_free`, `swapin_recheck`), `wp_can_reuse_anon_folio` (`reuse`, `wp_lock`),
    /// `folio_free_swap` (`free_swap`), `shrink_folio_list` (`swap_pinned`),
    /// `folio_try_dup_anon_rmap_pte` (`fork_pinned`), `folio_try_share_anon_rmap_pte`
    /// (`unmap_check`), `gup_must_unshare` (`read_pin`), `softleaf_entry_wait_on_locked`
    /// (`migration_wait`), `__folio_migrate_mapping` (`move_mapping`), `folio_get_anon_vma`
    /// (`anon_vma_life`), `init_multi_vma_prep` (`vma_adjust_lock`), `expand_downwards`
    /// (`expand_lock`), `unuse_pte`, `unuse_pte_range` and `try_to_unuse` (`unused_slot`,
    /// `unuse_activate`, `try_to_unuse`), `swap_cache_get_folio` (`find_get_page`),
    /// `folio_activate` and `lru_activate` (`activate_page`), `swapin_sync` (`swap_bypass`),
    /// `zap_nonpresent_ptes` and `swap_put_entries_direct` (`zap_swap`), and where pagevecs are
    /// drained (`zap_drain`).
    /// Measured on 7.3.4, as far as SPEC.md §9 says that it can be. The rest is that of 5.19.
    V7_3 = "7.3";
}

const RMAP_10: Rules = Rules {
    rmap: Rmap::Anonmm,
    unmap_check: UnmapCheck::Nothing,
    swap_write: SwapWrite::SecondFault,
    unuse_sem: UnuseSem::Nothing,
    unuse_activate: UnuseActivate::No,
    mremap_page: MremapPage::RemoveAdd,
    ..V2_6_7
};
const DOCUMENT_4: Rules = Rules {
    mremap_page: MremapPage::EarlyCow,
    swapin_clash: SwapinClash::Copy,
    swap_write: SwapWrite::Finish,
    unuse_sem: UnuseSem::Held,
    ..RMAP_10
};
const V2_6_7: Rules = Rules {
    page_map_lock: MapLock::Page,
    unuse_sem: UnuseSem::Held,
    unuse_vmas: UnuseVmas::All,
    unuse_address: UnuseAddress::Everywhere,
    ..V2_6_11
};
const V2_6_11: Rules = Rules {
    reuse: Reuse::PageCount,
    unmap_check: UnmapCheck::Count,
    swap_free_order: SwapFreeOrder::First,
    exclusive_lock: ExclusiveLock::TreeLock,
    unuse_activate: UnuseActivate::Mapped,
    gup_force: GupForce::Once,
    gather_put: GatherPut::BeforeUnlink,
    ..V2_6_13
};
const DOCUMENT_0: Rules = Rules {
    reuse: Reuse::Mapcount,
    unmap_check: UnmapCheck::Residual,
    swap_free_order: SwapFreeOrder::BeforeUnlock,
    ..V2_6_11
};
/// Nothing that documents 0 and 1 discuss changed between 2.6.13 and 2.6.22 but that pages can be
/// migrated, and what that asked for.
const V2_6_13: Rules = Rules {
    write_error: WriteError::Forget,
    migration: Migration::No,
    fork_mmlist: ForkMmlist::SwapEntry,
    fork_failed: ForkFailed::Copied,
    fork_link: ForkLink::Prepend,
    pte_look: PteLook::Locked,
    zap_dirty: ZapDirty::Page,
    move_ptes: MovePtes::Page,
    fork_child_sem: ForkChildSem::Nothing,
    unuse_table_lock: UnuseTableLock::Whole,
    ..V2_6_22
};
const V2_6_22: Rules = Rules {
    rmap: Rmap::AnonVma,
    anonmm_walk_lock: AnonmmWalkLock::Trylock,
    anonmm_exit: AnonmmExit::UnderLock,
    anonmm_put: AnonmmPut::Member,
    anonmm_count: AnonmmCount::Pages,
    anon_vma_link: AnonVmaLink::Shared,
    anon_vma_lock: AnonVmaLock::Own,
    anon_vma_lock_kind: AnonVmaLockKind::Spin,
    lookup_rcu: LookupRcu::UntilUnlocked,
    anon_vma_put: AnonVmaPut::AtOnce,
    unmapped_put: UnmappedPut::InRcu,
    chain_lock: ChainLock::Each,
    vma_adjust_lock: VmaAdjustLock::VmaOrNext,
    vm_end_lock: VmEndLock::Always,
    rmap_walk_lock: RmapWalkLock::Page,
    shared_mapping: SharedMapping::Vma,
    page_map_lock: MapLock::Nothing,
    rmap_order: RmapOrder::EntryFirst,
    rmap_again: RmapAgain::Anew,
    lock_recheck: LockRecheck::Nothing,
    migration: Migration::Yes,
    anon_vma_life: AnonVmaLife::Nothing,
    fresh_anon_vma: FreshAnonVma::Unlocked,
    isolation: Isolation::Get,
    rcu_scope: RcuScope::Anon,
    truncate_lock: TruncateLock::PageLock,
    new_rmap: NewRmap::Last,
    unmapped_page: UnmappedPage::Unmap,
    move_mapping: MoveMapping::Count,
    find_get_page: FindGetPage::Locked,
    activate_page: ActivatePage::AtOnce,
    newpage_lru: NewpageLru::Last,
    migration_wait: MigrationWait::GetPage,
    swap_cache_entry: SwapCacheEntry::Swap,
    swap_cache_remap: SwapCacheRemap::Walk,
    still_mapped: StillMapped::Leave,
    swap_cache_move: SwapCacheMove::Replace,
    zap_migration: ZapMigration::Discard,
    zap_flush: ZapFlush::Behind,
    zap_dirty: ZapDirty::Nothing,
    unmap_flush: UnmapFlush::AtOnce,
    write_flush: WriteFlush::Before,
    zap_drain: ZapDrain::Yes,
    gather_put: GatherPut::AfterUnlink,
    pte_look: PteLook::Lockless,
    fork_link: ForkLink::Append,
    anon_vma_reuse: AnonVmaReuse::No,
    mremap_merge: MremapMerge::EitherNull,
    mremap_lock: MremapLock::Nothing,
    mremap_flush: MremapFlush::AtOnce,
    temporary_stack: TemporaryStack::None,
    mremap_page: MremapPage::AsItIs,
    swapin_clash: SwapinClash::Map,
    move_ptes: MovePtes::Extent,
    fork_child_sem: ForkChildSem::Write,
    fork_migration: ForkMigration::Copy,
    fork_mmlist: ForkMmlist::AnyEntry,
    fork_failed: ForkFailed::Copied,
    stale_entry: StaleEntry::Bug,
    recount: Recount::No,
    expand_lock: ExpandLock::AnonVma,
    reuse: Reuse::MapPlusSwap,
    unmap_check: UnmapCheck::Nothing,
    swap_free_order: SwapFreeOrder::AfterRmap,
    swapin_mapcount: SwapinMapcount::WithEntry,
    wp_lock: WpLock::Trylock,
    cow_rmap: CowRmap::BeforeEntry,
    swapin_free: SwapinFree::Full,
    swapin_own: SwapinOwn::ReadOnly,
    mprotect_write: MprotectWrite::Fault,
    swap_write: SwapWrite::Finish,
    free_swap: FreeSwap::RemoveExclusive,
    zap_swap: ZapSwap::UnderLock,
    copied_swap: CopiedSwap::Keep,
    exclusive_lock: ExclusiveLock::PageLock,
    swapin_recheck: SwapinRecheck::Entry,
    swap_has_cache: SwapHasCache::Counted,
    swap_bypass: SwapBypass::No,
    swapin_notify: SwapinNotify::No,
    add_to_swap: AddToSwap::Dirty,
    write_error: WriteError::Redirty,
    readahead_look: ReadaheadLook::Nothing,
    gather_nested: GatherNested::Alone,
    madv_free: MadvFree::No,
    gup: Gup::Get,
    gup_fast: GupFast::No,
    swap_pinned: SwapPinned::Add,
    fork_pinned: ForkPinned::Share,
    read_pin: ReadPin::AsMapped,
    gup_force: GupForce::FaultWrite,
    unuse_sem: UnuseSem::Trylock,
    unuse_vmas: UnuseVmas::Linked,
    unuse_table_lock: UnuseTableLock::Each,
    unuse_address: UnuseAddress::Own,
    unuse_copy: UnuseCopy::PageLocked,
    unuse_found: UnuseFound::Masked,
    unuse_activate: UnuseActivate::Both,
    try_to_unuse: TryToUnuse::WriteAndDelete,
    swapoff_wait: SwapoffWait::No,
    unuse_recheck: UnuseRecheck::Entry,
    unused_slot: UnusedSlot::Wait,
    hinting: Hinting::No,
    free_swap_lookup: FreeSwapLookup::NoDiscard,
    slot_stable: SlotStable::Both,
    swapin_lookup: SwapinLookup::Checking,
    discarded_bit: DiscardedBit::Set,
    fork_discarded: ForkDiscarded::SwapEntry,
    state_change: StateChange::Waited,
    count_order: CountOrder::MapFirst,
    content_stable: ContentStable::Both,
    discard_under: DiscardUnder::Nothing,
    unlock_offset: UnlockOffset::One,
    volatile_try: VolatileTry::AddRmap,
    shrink_discarded: ShrinkDiscarded::Release,
    putback_discarded: PutbackDiscarded::LeaveOff,
    remove_mapping: RemoveMapping::Freeze,
    discard_mlocked: DiscardMlocked::UnlessDiscarded,
    discard_free: DiscardFree::Delayed,
    migrate_stable: MigrateStable::No,
    volatile_shmem: VolatileShmem::Allowed,
    write_under_way: WriteUnderWay::Respected,
    volatile_writeback: VolatileWriteback::Excluded,
    dirty_transfer: DirtyTransfer::Stable,
    writable: Writable::ChangeBit,
    reset_writable: ResetWritable::LastMapping,
    check_bits: CheckBits::Posted,
    file_fault: FileFault::Unlocked,
};
const DOCUMENT_1: Rules = Rules {
    anon_vma_life: AnonVmaLife::Rcu,
    rcu_scope: RcuScope::All,
    unmapped_page: UnmappedPage::Skip,
    ..V2_6_22
};
const DOCUMENT_2: Rules =
    Rules { hinting: Hinting::Volatile, remove_mapping: RemoveMapping::Count, ..V2_6_22 };
const V2_6_29: Rules = Rules {
    reuse: Reuse::ReuseSwapPage,
    wp_lock: WpLock::Lock,
    cow_rmap: CowRmap::AfterEntry,
    free_swap: FreeSwap::TryToFree,
    anon_vma_life: AnonVmaLife::Rcu,
    fresh_anon_vma: FreshAnonVma::Locked,
    isolation: Isolation::GetUnlessZero,
    new_rmap: NewRmap::First,
    unmapped_page: UnmappedPage::Skip,
    move_mapping: MoveMapping::Freeze,
    find_get_page: FindGetPage::Lockless,
    migration_wait: MigrationWait::GetUnlessZero,
    gup_fast: GupFast::InterruptsOff,
    temporary_stack: TemporaryStack::Unmarked,
    file_fault: FileFault::Locked,
    readahead_look: ReadaheadLook::Device,
    ..V2_6_22
};
const DOCUMENT_2_2009: Rules = Rules {
    hinting: Hinting::Volatile,
    gup_fast: GupFast::No, // s390 had none then: no arch/s390/mm/gup.c in 2.6.29
    pte_look: PteLook::LocklessRemap,
    volatile_try: VolatileTry::RemoveRmap,
    shrink_discarded: ShrinkDiscarded::Free,
    discard_mlocked: DiscardMlocked::Leave,
    volatile_shmem: VolatileShmem::Excluded,
    ..V2_6_29
};
const V2_6_33: Rules = Rules {
    unmapped_page: UnmappedPage::Move,
    vm_end_lock: VmEndLock::Exempt,
    swap_has_cache: SwapHasCache::Bit,
    ..V2_6_29
};
const V2_6_34: Rules = Rules {
    anon_vma_link: AnonVmaLink::Chained,
    shared_mapping: SharedMapping::Oldest,
    vma_adjust_lock: VmaAdjustLock::Nothing,
    unuse_address: UnuseAddress::Any,
    ..V2_6_33
};
const V2_6_36: Rules = Rules {
    anon_vma_lock: AnonVmaLock::Root,
    rmap_again: RmapAgain::Keep,
    lock_recheck: LockRecheck::Mapped,
    vma_adjust_lock: VmaAdjustLock::Vma,
    anon_vma_life: AnonVmaLife::Refcount,
    unmapped_page: UnmappedPage::MoveWithoutRmap,
    swapin_recheck: SwapinRecheck::EntryAndCache,
    unuse_address: UnuseAddress::Root,
    temporary_stack: TemporaryStack::Marked,
    ..V2_6_34
};
const V2_6_38: Rules = Rules { anon_vma_life: AnonVmaLife::LockThenGet, ..V2_6_36 };
const V3_7: Rules = Rules {
    mremap_merge: MremapMerge::Refused,
    mremap_lock: MremapLock::RmapLock,
    mremap_flush: MremapFlush::Late,
    pte_look: PteLook::LocklessUnmap,
    anon_vma_lock_kind: AnonVmaLockKind::Mutex,
    anon_vma_put: AnonVmaPut::RootFirst,
    activate_page: ActivatePage::Pagevec,
    chain_lock: ChainLock::Root,
    readahead_look: ReadaheadLook::Nothing,
    vma_adjust_lock: VmaAdjustLock::VmaOrNext,
    vm_end_lock: VmEndLock::Always,
    anon_vma_life: AnonVmaLife::IncNotZero,
    ..V2_6_38
};
const V5_9: Rules = Rules {
    fork_mmlist: ForkMmlist::SwapEntry,
    anon_vma_reuse: AnonVmaReuse::Degree,
    anon_vma_lock_kind: AnonVmaLockKind::Rwsem,
    anon_vma_put: AnonVmaPut::ChildFirst,
    unmapped_put: UnmappedPut::AfterRcu,
    migration_wait: MigrationWait::PutAndWait,
    reuse: Reuse::Refcount,
    wp_lock: WpLock::Trylock,
    gup: Gup::Pin,
    gup_force: GupForce::CowDirty,
    gup_fast: GupFast::LookAgain,
    unmap_flush: UnmapFlush::Batched,
    zap_swap: ZapSwap::Recount,
    fork_pinned: ForkPinned::Copy,
    swap_cache_entry: SwapCacheEntry::Migration,
    try_to_unuse: TryToUnuse::ByMm,
    expand_lock: ExpandLock::PageTable,
    swap_bypass: SwapBypass::Unclaimed,
    swapin_notify: SwapinNotify::FreesSlot,
    readahead_look: ReadaheadLook::Device,
    gather_nested: GatherNested::Flushed,
    madv_free: MadvFree::Dirty,
    mremap_flush: MremapFlush::UnderLock,
    unuse_address: UnuseAddress::Everywhere,
    ..V3_7
};
const V5_10: Rules = Rules {
    anon_vma_reuse: AnonVmaReuse::NoVmas,
    gup_fast: GupFast::WriteProtectSeq,
    swap_pinned: SwapPinned::Keep,
    swapin_notify: SwapinNotify::No,
    madv_free: MadvFree::References,
    ..V5_9
};
const V5_19: Rules = Rules {
    anon_vma_reuse: AnonVmaReuse::Degree,
    reuse: Reuse::AnonExclusive,
    unmap_check: UnmapCheck::Unpinned,
    swap_free_order: SwapFreeOrder::FirstLocked,
    swapin_free: SwapinFree::Count,
    copied_swap: CopiedSwap::Free,
    read_pin: ReadPin::Unshare,
    migration_wait: MigrationWait::NoReference,
    unuse_activate: UnuseActivate::No,
    rmap_order: RmapOrder::RmapFirst,
    newpage_lru: NewpageLru::BeforeRemap,
    swapoff_wait: SwapoffWait::Users,
    readahead_look: ReadaheadLook::Nothing,
    ..V5_10
};
const V6_1: Rules = Rules {
    anon_vma_reuse: AnonVmaReuse::NoVmas,
    expand_lock: ExpandLock::MmapSem,
    gup_force: GupForce::Exclusive,
    swap_bypass: SwapBypass::Claimed,
    ..V5_19
};
const V6_12: Rules = Rules {
    activate_page: ActivatePage::PagevecIsolated,
    swapin_own: SwapinOwn::Writable,
    mprotect_write: MprotectWrite::Exclusive,
    fork_failed: ForkFailed::Marked,
    ..V6_1
};
const V6_18: Rules = Rules {
    activate_page: ActivatePage::Pagevec,
    zap_drain: ZapDrain::No,
    find_get_page: FindGetPage::LocklessOnce,
    unuse_recheck: UnuseRecheck::EntryAndPage,
    unused_slot: UnusedSlot::Skip,
    mremap_merge: MremapMerge::CopiedFrom,
    fork_failed: ForkFailed::Unstable,
    ..V6_12
};
const V7_3: Rules = Rules {
    activate_page: ActivatePage::Pagevec,
    zap_drain: ZapDrain::No,
    unuse_recheck: UnuseRecheck::EntryAndPage,
    mremap_merge: MremapMerge::CopiedFrom,
    swap_free_order: SwapFreeOrder::AfterRmap,
    swapin_free: SwapinFree::Exclusive,
    swap_bypass: SwapBypass::No,
    fork_failed: ForkFailed::Nothing,
    ..V6_12
};
