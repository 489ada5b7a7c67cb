//! The rules by what they are about, and whose choice each arm is.

use super::protocol::{Era, Protocol};
use super::rules::{Hinting, Migration, Rmap};

/// Rules that are about the same thing.
pub struct Topic {
    /// What that is.
    pub title: &'static str,
    /// Their names.
    pub rules: &'static [&'static str],
    /// Does a protocol ask them at all? Others have a choice for each of them, too, and it says
    /// nothing.
    asked: fn(&Protocol) -> bool,
}

impl Topic {
    /// All of them. Each rule is in one.
    pub const ALL: &[Topic] = TOPICS;

    /// The kernels and documents that make a choice, where they come to the question: the kernels
    /// as ranges of those that are known here, and a document if it chooses otherwise than the
    /// kernel that it changes.
    ///
    /// ```
    /// use lockwalk::spec::Topic;
    ///
    /// assert_eq!(Topic::whose("unmapped_page", "skip"), ["2.6.29", "document-1"]);
    /// assert_eq!(Topic::whose("rmap_walk_lock", "nested"), [""; 0]);
    /// ```
    pub fn whose(rule: &str, arm: &str) -> Vec<String> {
        let topic = Self::ALL.iter().find(|topic| topic.rules.contains(&rule));
        // What a topic depends on is a rule, too, and everybody answers that.
        let always = ["rmap", "hinting"].contains(&rule);
        let chosen = |protocol: &Protocol| {
            (always || topic.is_some_and(|topic| (topic.asked)(protocol)))
                && protocol.rules.choices().contains(&(rule, arm))
        };
        let (documents, kernels): (Vec<_>, Vec<_>) =
            Era::all().into_iter().partition(Protocol::is_document);
        let runs = kernels.chunk_by(|one, next| chosen(one) == chosen(next));
        let of_kernels = runs.filter(|run| chosen(&run[0])).map(|run| match run {
            all if all.len() == kernels.len() => "all".to_owned(),
            [from, .., to] if Some(to) == kernels.last() => format!("since {from}"),
            [from, .., to] => format!("{from} to {to}"),
            one => one[0].to_string(),
        });
        let of_documents = documents.iter().filter(|document| {
            chosen(document) && !Era::before(document).as_ref().is_some_and(chosen)
        });
        of_kernels.chain(of_documents.map(Protocol::to_string)).collect()
    }
}

const TOPICS: &[Topic] = &[
    Topic {
        title: "The reverse map and the locks of its lists",
        asked: |_| true,
        rules: &[
            "rmap",
            "anon_vma_link",
            "anon_vma_lock",
            "anon_vma_lock_kind",
            "chain_lock",
            "fresh_anon_vma",
            "fork_link",
            "anon_vma_reuse",
            "shared_mapping",
            "page_map_lock",
            "rmap_order",
            "rmap_again",
            "new_rmap",
        ],
    },
    Topic {
        title: "Looking an anon_vma up, and letting go of it",
        asked: |_| true,
        rules: &["lookup_rcu", "lock_recheck", "anon_vma_put", "unmapped_put", "gather_put"],
    },
    Topic {
        title: "anonmm",
        asked: |protocol| protocol.rules.rmap == Rmap::Anonmm,
        rules: &[
            "anonmm_walk_lock",
            "anonmm_exit",
            "anonmm_put",
            "anonmm_count",
            "unuse_copy",
            "unuse_found",
        ],
    },
    Topic {
        title: "Walks, and VMAs that change",
        asked: |_| true,
        rules: &[
            "migration",
            "vma_adjust_lock",
            "vm_end_lock",
            "rmap_walk_lock",
            "expand_lock",
            "pte_look",
        ],
    },
    Topic {
        title: "mremap and exec",
        asked: |_| true,
        rules: &[
            "mremap_merge",
            "mremap_lock",
            "mremap_flush",
            "mremap_page",
            "move_ptes",
            "temporary_stack",
        ],
    },
    Topic {
        title: "Migration",
        asked: |protocol| protocol.rules.migration == Migration::Yes,
        rules: &[
            "anon_vma_life",
            "rcu_scope",
            "isolation",
            "truncate_lock",
            "unmapped_page",
            "move_mapping",
            "newpage_lru",
            "migration_wait",
            "swap_cache_entry",
            "swap_cache_remap",
            "still_mapped",
            "swap_cache_move",
            "zap_migration",
            "fork_migration",
            "stale_entry",
            "recount",
        ],
    },
    Topic {
        title: "The LRU list, and flushing the TLB",
        asked: |_| true,
        rules: &[
            "activate_page",
            "zap_drain",
            "zap_flush",
            "zap_dirty",
            "unmap_flush",
            "write_flush",
            "gather_nested",
        ],
    },
    Topic {
        title: "Copy-on-write: whose is the page?",
        asked: |_| true,
        rules: &[
            "reuse",
            "unmap_check",
            "wp_lock",
            "cow_rmap",
            "swap_write",
            "copied_swap",
            "exclusive_lock",
            "mprotect_write",
        ],
    },
    Topic {
        title: "Swapping in, and swap slots",
        asked: |_| true,
        rules: &[
            "find_get_page",
            "swapin_recheck",
            "swap_free_order",
            "swapin_mapcount",
            "swapin_free",
            "swapin_own",
            "swapin_clash",
            "swap_bypass",
            "swapin_notify",
            "add_to_swap",
            "write_error",
            "free_swap",
            "zap_swap",
            "swap_has_cache",
            "write_under_way",
        ],
    },
    Topic {
        title: "Devices: get_user_pages",
        asked: |_| true,
        rules: &[
            "gup",
            "gup_force",
            "gup_fast",
            "swap_pinned",
            "fork_pinned",
            "read_pin",
            "madv_free",
        ],
    },
    Topic {
        title: "swapoff",
        asked: |_| true,
        rules: &[
            "try_to_unuse",
            "unuse_sem",
            "unuse_vmas",
            "unuse_table_lock",
            "fork_child_sem",
            "unuse_address",
            "fork_mmlist",
            "fork_failed",
            "unuse_activate",
            "unuse_recheck",
            "unused_slot",
            "swapoff_wait",
            "readahead_look",
        ],
    },
    Topic {
        title: "A host that discards",
        asked: |protocol| protocol.rules.hinting == Hinting::Volatile,
        rules: &[
            "hinting",
            "free_swap_lookup",
            "slot_stable",
            "swapin_lookup",
            "discarded_bit",
            "fork_discarded",
            "state_change",
            "count_order",
            "content_stable",
            "discard_under",
            "unlock_offset",
            "volatile_try",
            "shrink_discarded",
            "putback_discarded",
            "remove_mapping",
            "discard_mlocked",
            "discard_free",
            "migrate_stable",
            "volatile_shmem",
            "volatile_writeback",
            "dirty_transfer",
            "writable",
            "reset_writable",
            "check_bits",
            "file_fault",
        ],
    },
];
