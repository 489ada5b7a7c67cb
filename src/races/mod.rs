//! The catalogue: one file per claim or family of claims. A new race is a new file, and a line here.

use crate::Race;

mod s1_2_anon_vma_life;
mod s3_1_vma_adjust;
mod s3_2_per_anon_vma_lock;
mod s3_3_nested_locks;
mod s3_4_trylock_restart;
mod s3_7_root_lock;
mod s3_8_next_anon_vma;
mod s3_9_vm_end_only;

/// Every race, by claim.
pub fn all() -> Vec<Race> {
    [
        s1_2_anon_vma_life::races(),
        s3_1_vma_adjust::races(),
        s3_2_per_anon_vma_lock::races(),
        s3_3_nested_locks::races(),
        s3_4_trylock_restart::races(),
        s3_7_root_lock::races(),
        s3_8_next_anon_vma::races(),
        s3_9_vm_end_only::races(),
    ]
    .concat()
}
