//! The catalogue: one file per claim or family of claims. A new race is a new file, and two lines
//! here.

use crate::Race;

mod s0_10_swapoff;
mod s0_12_tree_lock;
mod s0_1_direct_io;
mod s0_2_starvation;
mod s0_3_exclusive;
mod s0_5_dip;
mod s0_9_fork;
mod s1_1_unmapped_swap_cache;
mod s1_2_anon_vma_life;
mod s1_4_sleeping_under_rcu;
mod s1_5_zapped_migration_entry;
mod s1_6_waiters;
mod s1_7_isolation;
mod s2_1_swap_slot;
mod s2_4_discard;
mod s2_7_stable;
mod s2_9_lru;
mod s2_crossings;
mod s2_shmem;
mod s2_writeback;
mod s3_10_stale_entry;
mod s3_13_swap_cache;
mod s3_15_fork;
mod s3_1_vma_adjust;
mod s3_2_per_anon_vma_lock;
mod s3_3_nested_locks;
mod s3_4_trylock_restart;
mod s3_5_seqcount;
mod s3_6_root_by_walk;
mod s3_7_root_lock;
mod s3_8_next_anon_vma;
mod s3_9_vm_end_only;
mod s3_family;
mod s3_ordinary;
mod s3_pageout;
mod s4_8_force;
mod s4_9_unuse;
mod s4_anonmm;
mod s4_exec;
mod s4_merge;
mod s4_mremap;
mod s4_pinned;
mod worlds;

/// Pointers: each file is compiled for itself, and not into one function.
const FILES: &[fn() -> Vec<Race>] = &[
    s0_1_direct_io::races,
    s0_2_starvation::races,
    s0_3_exclusive::races,
    s0_5_dip::races,
    s0_9_fork::races,
    s0_10_swapoff::races,
    s0_12_tree_lock::races,
    s1_1_unmapped_swap_cache::races,
    s1_2_anon_vma_life::races,
    s1_4_sleeping_under_rcu::races,
    s1_5_zapped_migration_entry::races,
    s1_6_waiters::races,
    s1_7_isolation::races,
    s2_1_swap_slot::races,
    s2_4_discard::races,
    s2_7_stable::races,
    s2_9_lru::races,
    s2_crossings::races,
    s2_shmem::races,
    s2_writeback::races,
    s3_1_vma_adjust::races,
    s3_2_per_anon_vma_lock::races,
    s3_3_nested_locks::races,
    s3_4_trylock_restart::races,
    s3_5_seqcount::races,
    s3_6_root_by_walk::races,
    s3_7_root_lock::races,
    s3_8_next_anon_vma::races,
    s3_9_vm_end_only::races,
    s3_10_stale_entry::races,
    s3_13_swap_cache::races,
    s3_15_fork::races,
    s3_ordinary::races,
    s3_pageout::races,
    s3_family::races,
    s4_anonmm::races,
    s4_mremap::races,
    s4_merge::races,
    s4_exec::races,
    s4_pinned::races,
    s4_8_force::races,
    s4_9_unuse::races,
];

/// Every race, by claim.
pub fn all() -> Vec<Race> {
    FILES.iter().flat_map(|races| races()).map(Race::of_the_catalogue).collect()
}
