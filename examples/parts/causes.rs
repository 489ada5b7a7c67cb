//! What is known to be violated, and with which choices of rules it is not.

use lockwalk::Protocol;

/// What is known already, by a race of the catalogue or a finding of SPEC.md: clauses, and choices
/// with which they are violated no more.
pub const CAUSES: &[(&str, &[&str], &str)] = &[
    ("S0.4/both", &["COW-1", "COW-2"], "cow_rmap=after-entry"),
    ("S0.4/both", &["DATA-1"], "cow_rmap=after-entry"),
    ("S0.5", &["COW-1", "COW-2"], "swap_free_order=after-rmap"),
    ("S0.4/both, S0.5", &["COW-1", "COW-2"], "cow_rmap=after-entry+swap_free_order=after-rmap"),
    ("S0.10/users", &["SWAP-6"], "swap_free_order=after-rmap"),
    ("S0.5/reclaim", &["NULL-1"], "swap_free_order=after-rmap"),
    ("S0.5/reclaim", &["NULL-1"], "swapin_mapcount=before-decision"),
    ("S0.9", &["PIN-1", "DATA-1"], "gup=pin+gup_fast=no+fork_pinned=copy"),
    ("S0.11", &["PIN-1", "DATA-1"], "wp_lock=lock"),
    ("S0.9, S0.11", &["PIN-1", "DATA-1"], "gup=pin+gup_fast=no+fork_pinned=copy+wp_lock=lock"),
    (
        "S0.4/both, S0.5, S0.9",
        &["COW-2", "DATA-1", "PIN-1"],
        "cow_rmap=after-entry+swap_free_order=after-rmap+gup=pin+gup_fast=no+fork_pinned=copy",
    ),
    (
        "S0.9/unmap, S0.11",
        &["DATA-1", "PIN-1"],
        "gup=pin+gup_fast=no+fork_pinned=copy+unmap_check=count+wp_lock=lock+cow_rmap=after-entry",
    ),
    (
        "S0.5, S0.9/unmap, S0.11",
        &["DATA-1", "PIN-1"],
        "gup=pin+gup_fast=no+fork_pinned=copy+unmap_check=count+wp_lock=lock\
         +cow_rmap=after-entry+swap_free_order=after-rmap",
    ),
    ("S1.1", &["NULL-1"], "unmapped_page=skip"),
    ("S1.1/first-touch", &["NULL-1"], "new_rmap=first"),
    ("S1.2", &["LIFE-1"], "anon_vma_life=rcu-mapped"),
    ("S1.2", &["LIFE-1"], "anon_vma_life=rcu-mapped+lock_recheck=mapped"),
    ("S1.2/fresh", &["GUARD-1"], "fresh_anon_vma=locked"),
    ("S1.7", &["COUNT-3", "LIFE-3", "LRU-1", "NULL-1"], "isolation=get-unless-zero"),
    ("S1.1, S1.7", &["NULL-1"], "isolation=get-unless-zero+unmapped_page=skip"),
    ("S1.1, S1.7", &["NULL-1"], "isolation=get-unless-zero+unmapped_page=skip+new_rmap=first"),
    ("S2/exit", &["HINT-4"], "pte_look=locked"),
    ("S2/migrate", &["HINT-1", "HINT-3", "HINT-4"], "migrate_stable=yes"),
    ("S2/swapoff", &["HINT-1", "HINT-2"], "slot_stable=everywhere"),
    ("S2/swapoff-fork", &["COW-1", "SWAP-1", "SWAP-2", "SWAP-6"], "discarded_bit=after-removal"),
    (
        "S2/swapoff-fork, S2.12/torn",
        &["HINT-1"],
        "discarded_bit=after-removal+count_order=count-first",
    ),
    ("S2.9", &["COUNT-3"], "shrink_discarded=release"),
    ("S2.9/spurious", &["LRU-1"], "putback_discarded=list"),
    ("S2.9/spurious", &["LRU-1"], "discarded_bit=after-removal"),
    ("S2.12/torn", &["ATOMIC-1", "HINT-1", "HINT-2", "HINT-3"], "count_order=count-first"),
    ("S2.12/torn, S2/migrate", &["HINT-1"], "count_order=count-first+migrate_stable=yes"),
    ("S2.12/torn-fork", &["HINT-1"], "count_order=map-first"),
    ("S3.1", &["COUNT-3", "MIG-1", "MIG-2", "RMAP-1"], "vma_adjust_lock=vma-or-next"),
    ("S3.1", &["COUNT-2", "DATA-1", "LIFE-3"], "vma_adjust_lock=vma-or-next"),
    ("S3.3/exit", &["LIFE-1"], "rmap_walk_lock=page"),
    ("S3.7/put-under-rcu", &["ATOMIC-1"], "unmapped_put=after-rcu"),
    ("S3.7/root-first", &["LIFE-1"], "anon_vma_put=child-first"),
    ("S3.13/exit, S3.13/swapoff", &["COW-1", "COW-2", "DATA-1"], "swapin_recheck=entry-and-cache"),
    ("S3.13/frame-read", &["GUARD-1"], "find_get_page=lockless"),
    ("S3.15", &["MIG-1"], "fork_link=append"),
    ("S4.5", &["DEADLOCK", "LIVELOCK", "ORDER-1"], "unuse_sem=trylock"),
    ("FINDING-43", &["LIVELOCK"], "swap_has_cache=bit"),
    ("S4.5, FINDING-43", &["LIVELOCK"], "unuse_sem=trylock+swap_has_cache=bit"),
    ("S4/exec", &["COUNT-3", "LIFE-3", "MIG-1", "MIG-2", "RMAP-1"], "temporary_stack=marked"),
    ("S4/peek", &["COUNT-3", "LIFE-3", "MIG-1", "MIG-2"], "pte_look=lockless-unmap"),
    (
        "S4/peek, S4/moves-back",
        &["COUNT-3", "LIFE-3", "MIG-1", "MIG-2"],
        "pte_look=lockless-unmap+mremap_lock=rmap-lock",
    ),
    ("S4/unuse-exit", &["LIFE-1"], "unuse_address=any"),
];

/// `protocol` with other choices.
pub fn mended(protocol: &Protocol, choices: &str) -> Protocol {
    let rules: Vec<_> = choices.split('+').filter_map(|choice| choice.split('=').next()).collect();
    let text = protocol.to_string();
    let kept = text
        .split('+')
        .filter(|part| !rules.iter().any(|rule| part.split('=').next() == Some(rule)));
    let all: Vec<_> = kept.chain(choices.split('+')).collect();
    all.join("+").parse().expect("a protocol")
}
