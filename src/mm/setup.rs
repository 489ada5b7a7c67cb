//! A world while it is built: what races ask for before their CPUs start, and no CPU can.

use std::ops::{Deref, Range};

use super::page::Mapping;
use super::{Addr, AtRest, PageRef, ProcessAtRest, Pte, World};
use crate::sync::misuse;

/// A world while it is built: all that a world [at rest](AtRest) can do, and what no CPU may.
///
/// ```
/// # use lockwalk::Race;
/// Race::new("mine", "a page that is on swap").world(|w| {
///     w.fill_swap();
///     let p = w.new_process();
///     p.mmap(1..2);
///     p.touch(1);
///     p.swap_out(1);
/// });
/// ```
///
/// A CPU is given a [`World`], which it cannot prepare:
///
/// ```compile_fail,E0599
/// # use lockwalk::Race;
/// Race::new("mine", "a page that is on swap").cpu("odd", |w| w.fill_swap());
/// ```
#[derive(Clone, Copy)]
pub struct Setup<'w>(AtRest<'w>);

impl<'w> Deref for Setup<'w> {
    type Target = AtRest<'w>;

    fn deref(&self) -> &AtRest<'w> {
        &self.0
    }
}

impl<'w> Setup<'w> {
    /// The world is built by `build`, alone, and sealed.
    pub(crate) fn build(world: &'w World, build: impl FnOnce(&Setup<'w>)) {
        build(&Self(AtRest::new(world)));
        world.seal();
    }

    /// A new process, with an empty address space. Processes are numbered in the order in which the
    /// world makes them, from 0.
    pub fn new_process(&self) -> SetupProcess<'w> {
        let mm = self.mm_alloc();
        self.exec_rmap(self.mm_struct(mm));
        self.add_process(mm);
        SetupProcess(self.process_of(mm))
    }

    /// The `n`-th process.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn process(&self, n: usize) -> SetupProcess<'w> {
        SetupProcess(self.0.process(n))
    }

    /// A file's page, on the LRU list, that nobody maps: all that anonymous memory has to know of
    /// files (claim S1.4).
    pub fn new_file_page(&self) -> PageRef {
        let page = self.alloc_page().expect("memory does not run out while a world is built");
        self.page(page).mapping.reset(Mapping::File);
        self.file_page.set(Some(page));
        self.lru_cache_add(page);
        page
    }

    /// What 2.6.22's `shmem_nopage` can leave behind: a page of a file in memory, which reclaim has
    /// put into the swap cache before `do_no_page` maps it, is mapped read-only at `addr` (claim
    /// S2.10). It is all zeroes, as is its slot, on which the file has a claim. Nothing may have
    /// been touched there.
    pub fn new_shmem_page(&self, process: SetupProcess<'_>, addr: Addr) -> PageRef {
        let page = self.alloc_page().expect("memory does not run out while a world is built");
        let frame = self.page(page);
        frame.mapping.reset(Mapping::File);
        self.lru_cache_add(page);
        self.lock_page(page);
        assert!(self.add_to_swap(page), "a slot is free");
        self.swap_duplicate(self.page_swap_entry(page));
        self.shmem_slot.set(Some(self.page_swap_entry(page)));
        self.swap_writepage(page);
        frame.uptodate.write(true);
        frame.mapcount.write(1); // the reference of who made it is the entry's
        let mm = process.mm_struct();
        mm.page_table_lock.lock();
        self.set_pte(mm, addr, Pte::clean(page, false));
        mm.page_table_lock.unlock();
        self.unlock_page(page);
        page
    }

    /// From here on a new page waits in the pagevec of its CPU until something drains that, and
    /// what builds the world runs on CPU `cpu`. Without it every pagevec is full with each page,
    /// which goes to the LRU list at once. CPUs are counted as the race lists them, from 0; a
    /// number that it does not have is a CPU on which nothing runs.
    pub fn batch_lru_add(&self, cpu: usize) {
        let reversed = self.reversed_cpus.get();
        self.builders_cpu.set(Some(if cpu < reversed { reversed - 1 - cpu } else { cpu }));
    }
}

/// A process while the world is built: all that one [at rest](ProcessAtRest) can do, and what
/// makes no sense later.
///
/// ```compile_fail,E0599
/// # use lockwalk::Race;
/// Race::new("mine", "a page that is on swap").cpu("odd", |w| w.process(0).swap_out(1));
/// ```
#[derive(Clone, Copy)]
pub struct SetupProcess<'w>(ProcessAtRest<'w>);

impl<'w> Deref for SetupProcess<'w> {
    type Target = ProcessAtRest<'w>;

    fn deref(&self) -> &ProcessAtRest<'w> {
        &self.0
    }
}

impl SetupProcess<'_> {
    /// See [`Process::fork`](super::Process::fork).
    #[track_caller]
    pub fn fork(&self) -> Self {
        Self(ProcessAtRest(self.0.fork()))
    }

    /// Maps a file in memory there, shared: the same one, and all of it, whoever maps it. Page `n`
    /// of it is at address `n`.
    #[track_caller]
    pub fn mmap_shared(&self, range: Range<Addr>) {
        self.check_range(&range);
        self.world.mmap_shared(self.mm, range);
    }

    /// Swaps out the page at `addr`: what maps it becomes a swap entry, and it leaves memory. One
    /// that a device was given stays where the protocol keeps such pages (rule
    /// [`UnmapCheck`](crate::spec::UnmapCheck)).
    #[track_caller]
    pub fn swap_out(&self, addr: Addr) {
        self.world.shrink(self.page_at(addr));
        if self.world.shmem_slot_at(addr).is_some() {
            self.world.shrink(self.page_at(addr)); // what has come to the swap cache is written now
            return;
        }
        let gone = self.mm_struct().pte(addr).peek().swap_entry().is_some();
        if !gone && !self.mm_struct().shadow(addr).was_pinned() {
            misuse(format!("the page at {}:{addr} cannot be swapped out", self.mm));
        }
    }

    /// Locks all that it has into memory: what is there is left there. Kernel: `mlockall`; that it
    /// faults in what is not there, and that fork does not pass it on, is not here.
    pub fn mlockall(&self) {
        self.mm_struct().mlocked.set(true);
    }

    /// Swaps in what is at `addr`, up to the swap cache: nobody maps it yet (claim S1.1).
    #[track_caller]
    pub fn read_ahead(&self, addr: Addr) {
        self.check(addr);
        if !self.world.read_ahead(self.mm, addr) {
            misuse(format!("nothing is on swap at {}:{addr}", self.mm));
        }
    }

    /// Puts the VMA at `addr` on the list of the anon_vma of `other`'s VMA at `at` too: a list that
    /// fork alone never makes, but that the mails suppose ("the order of anon_vmas cannot be
    /// guaranteed", claims S3.3, S3.4).
    #[track_caller]
    pub fn cross_link(&self, addr: Addr, other: Self, at: Addr) {
        self.check(addr);
        self.check(at);
        self.world.refuse_under_anonmm("cross_link");
        if !self.world.cross_link((self.mm, addr), (other.mm, at)) {
            misuse(format!(
                "{}:{addr} or {}:{at} is in no VMA, or nothing was touched there",
                self.mm, other.mm
            ));
        }
    }
}
