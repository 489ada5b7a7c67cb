//! The protocol: anonymous memory as the kernel keeps it, one file per concept, functions under
//! their kernel names.
//!
//! Lock order, outermost first (SPEC.md §3): `mmap_sem` > page lock > `anon_vma->lock` >
//! `page_table_lock` > `lru_lock`. Under anonmm: `mmap_sem` > page lock > `page_table_lock` > the
//! page's map lock > the lock of the bundle's head.
//!
//! `#[sync::forgets]` before an `impl` is for the search by states, and changes nothing of what the
//! functions do: what a CPU has seen in one of them matters afterwards only by what that returns.

mod anon_vma;
mod anon_vma_lock;
mod anonmm;
mod audit;
mod cow;
mod exec;
mod exit;
mod fault;
mod fork;
mod gup;
mod host;
mod lru;
mod madvise;
mod marks;
mod migrate;
mod mm_struct;
mod mmap;
mod mprotect;
mod mremap;
mod observe;
mod page;
mod page_states;
mod process;
mod pte;
mod reclaim;
mod rmap;
mod setup;
mod shadow;
mod shmem;
mod swap;
mod swap_cache;
mod swap_map;
mod swapoff;
mod vma;
mod world;

pub use anon_vma::AnonVma;
pub use anon_vma_lock::ListLock;
pub use anonmm::{Anonmm, AnonmmRef};
pub use gup::Pin;
pub use mm_struct::{Mm, MmRef};
pub use observe::{At, AtRest, PageSeen, ProcessAtRest};
pub use page::{Page, PageRef};
pub use process::Process;
pub use pte::{Pte, PteLocation};
pub use rmap::Ttu;
pub use setup::{Setup, SetupProcess};
pub use swap_cache::SwapCache;
pub use swap_map::{Swap, SwapEntry, SwapMap};
pub use vma::{Vma, VmaRef};
pub use world::World;

/// A page-aligned user address, in pages.
pub type Addr = u64;

/// Pages an address space has. Enough for any race: what matters is how many of them are touched.
pub const TASK_SIZE: Addr = 64;

/// A kernel function failed: the names are the kernel's errno names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Errno {
    /// Try again.
    Eagain,
    /// No VMA there, or one that does not permit it.
    Efault,
    /// Bad argument.
    Einval,
    /// The page is pinned or otherwise in use.
    Ebusy,
    /// No memory is left.
    Enomem,
}
