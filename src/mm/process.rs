//! Processes, as the writer of a race sees them: what they can ask of the kernel.

use std::ops::Range;

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, World};

/// A process. Every method is a system call, or an access of its user code.
#[derive(Clone, Copy)]
pub struct Process<'w> {
    pub(super) world: &'w World,
    pub(super) mm: MmRef,
}

impl<'w> Process<'w> {
    /// The world that it lives in.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// Its address space.
    pub fn mm(&self) -> MmRef {
        self.mm
    }

    /// Its address space, with the locks in it.
    pub fn mm_struct(&self) -> &'w Mm {
        self.world.mm_struct(self.mm)
    }

    /// Maps anonymous memory there, one VMA.
    #[track_caller]
    pub fn mmap(&self, range: Range<Addr>) {
        self.world.mmap(self.mm, range);
    }

    /// Stores something at `addr` that no other process stores there, so that a page is there.
    ///
    /// # Panics
    /// When nothing is mapped there: the race is written wrong.
    #[track_caller]
    pub fn touch(&self, addr: Addr) {
        let value = 100 * (u64::from(self.mm.id()) + 1) + addr;
        self.store(addr, value).unwrap_or_else(|_| panic!("nothing is mapped at {}:{addr}", self.mm));
    }

    /// Stores `value` at `addr`; `Efault` is the signal it would get.
    #[track_caller]
    pub fn store(&self, addr: Addr, value: u64) -> Result<(), Errno> {
        self.world.store(self.mm, addr, value)
    }

    /// Loads from `addr`, and checks that it finds what it last stored there; `Efault` is the signal it would get.
    #[track_caller]
    pub fn load(&self, addr: Addr) -> Result<u64, Errno> {
        self.world.load(self.mm, addr)
    }

    /// Loads from `addr` again and again, for as long as the page is there that was there when the CPUs started.
    #[track_caller]
    pub fn load_while_unmoved(&self, addr: Addr) -> Result<u64, Errno> {
        self.world.load_while(self.mm, addr, self.page_at(addr))
    }

    /// Forks it; the child is the next process.
    #[track_caller]
    pub fn fork(&self) -> Self {
        Self { world: self.world, mm: self.world.fork(self.mm) }
    }

    /// Ends it.
    #[track_caller]
    pub fn exit(&self) {
        self.world.exit(self.mm);
    }

    /// Unmaps a range.
    #[track_caller]
    pub fn munmap(&self, range: Range<Addr>) {
        self.world.munmap(self.mm, range);
    }

    /// See [`World::split_vma`].
    #[track_caller]
    pub fn split_vma(&self, addr: Addr) {
        self.world.split_vma(self.mm, addr);
    }

    /// See [`World::move_boundary`].
    #[track_caller]
    pub fn move_boundary(&self, from: Addr, to: Addr) {
        self.world.move_boundary(self.mm, from, to);
    }

    /// See [`World::move_end`].
    #[track_caller]
    pub fn move_end(&self, from: Addr, to: Addr) {
        self.world.move_end(self.mm, from, to);
    }

    /// See [`World::expand_downwards`].
    #[track_caller]
    pub fn expand_downwards(&self, start: Addr, to: Addr) {
        self.world.expand_downwards(self.mm, start, to);
    }

    /// Migrates the page that was at `addr` when the CPUs started, as `move_pages(2)` does: holding `mmap_sem` for reading (claim S1.0).
    #[track_caller]
    pub fn move_pages(&self, addr: Addr) {
        let mm = self.world.mm_struct(self.mm);
        mm.mmap_sem.down_read();
        self.world.migrate(self.page_at(addr));
        mm.mmap_sem.up_read();
    }

    /// Swaps out the page at `addr`, while the world is built: what maps it becomes a swap entry, and it leaves memory.
    #[track_caller]
    pub fn swap_out(&self, addr: Addr) {
        self.world.shrink_page(self.page_at(addr));
    }

    /// Swaps in what is at `addr`, while the world is built, up to the swap cache: nobody maps it yet (claim S1.1).
    #[track_caller]
    pub fn read_ahead(&self, addr: Addr) {
        self.world.read_ahead(self.mm, addr);
    }

    /// See [`World::mmu_notifier_register`].
    #[track_caller]
    pub fn mmu_notifier_register(&self) {
        self.world.mmu_notifier_register(self.mm);
    }

    /// The page that was at `addr` when the CPUs started; while the world is built, the page that is there.
    ///
    /// # Panics
    /// When there was none: the race is written wrong.
    #[track_caller]
    pub fn page_at(&self, addr: Addr) -> PageRef {
        self.world.page_at_start(self.mm, addr).unwrap_or_else(|| panic!("the world has no page at {}:{addr} when the CPUs start", self.mm))
    }

    /// The page that is at `addr` now: what the entry maps, or what the swap cache has for it. The looks are steps.
    pub fn page_now(&self, addr: Addr) -> Option<PageRef> {
        match self.mm_struct().pte(addr).read() {
            Pte::Swap { entry, .. } => self.world.swap_cache.slot(entry).read(),
            pte => pte.page(),
        }
    }

    /// Puts the VMA at `addr` on the list of the anon_vma of `other`'s VMA at `at` too: a list that fork alone never makes, but that the
    /// mails suppose ("the order of anon_vmas cannot be guaranteed", claims S3.3, S3.4).
    pub fn cross_link(&self, addr: Addr, other: Self, at: Addr) {
        self.world.cross_link((self.mm, addr), (other.mm, at));
    }
}
