//! A file in memory that processes map shared: its pages are in the page cache, or on their way to
//! swap and back.
//!
//! One file is enough, and page `n` of it is mapped at address `n`, wherever it is mapped.

use std::collections::BTreeMap;
use std::ops::Range;

use super::fault::VmFault;
use super::page::Mapping;
use super::reclaim::Shrunk;
use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, SwapEntry, Ttu, Vma, VmaRef, World};
use crate::spec::{Clause, DiscardedBit, FileFault, RemoveMapping, SwapinLookup, VolatileTry};
use crate::sync::{self, Ghost, Mark, Name, RetryLoop, SpinLock, State};
use crate::{call, note};

/// The file: its inode, and what it is mapped by.
pub(super) struct Shmem {
    /// Which pages it has.
    pages: Range<u64>,
    /// By page: in which slot it is. Kernel: `info->lock`, and `i_direct`.
    lock: SpinLock<BTreeMap<u64, SwapEntry>>,
    /// The page cache. Kernel: `mapping->tree_lock`, and `page_tree`.
    tree_lock: SpinLock<BTreeMap<u64, PageRef>>,
    /// The VMAs that map the file. Kernel: `mapping->i_mmap_lock`, and `i_mmap`.
    i_mmap_lock: SpinLock<Vec<VmaRef>>,
    /// The checker's: by page, what it may hold ([DATA-1]).
    memory: Ghost<BTreeMap<u64, SharedMemory>>,
}

/// What may be in a page that several processes store to.
#[derive(Clone, Default, Debug, Hash)]
struct SharedMemory {
    /// Any of these.
    may_hold: Vec<u64>,
    /// Stores that are under way at the same time: which of them comes last is not known.
    together: Vec<u64>,
    storing: u32,
    loading: u32,
}

impl Shmem {
    fn new(pages: Range<u64>) -> Self {
        let name = |pattern| Name::new(pattern, 0, 0);
        Self {
            memory: Ghost::new(
                name("shared memory"),
                pages
                    .clone()
                    .map(|page| (page, SharedMemory { may_hold: vec![0], ..Default::default() }))
                    .collect(),
            ),
            pages,
            lock: SpinLock::new(name("info->lock"), BTreeMap::new()),
            tree_lock: SpinLock::new(name("tree_lock of the file"), BTreeMap::new()),
            i_mmap_lock: SpinLock::new(name("i_mmap_lock"), Vec::new()),
        }
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        self.lock.see(state);
        self.tree_lock.see(state);
        self.i_mmap_lock.see(state);
        self.memory.see(state);
    }
}

#[sync::forgets]
impl World {
    /// The file, if the world has one. No step: it is made while the world is built.
    pub(super) fn shmem(&self) -> Option<&Shmem> {
        self.shmem.get().map(|file| &**file)
    }

    /// The file, if `addr` is one of its addresses.
    pub(super) fn shmem_at(&self, addr: Addr) -> Option<&Shmem> {
        self.shmem().filter(|file| file.pages.contains(&addr))
    }

    /// `what` is for private memory, here.
    #[track_caller]
    pub(super) fn refuse_shared(&self, addr: Addr, what: &str) {
        if self.shmem_at(addr).is_some() {
            sync::misuse(format!("{addr} is shared memory, which {what} does not know here"));
        }
    }

    /// Maps the file; no CPU does. Kernel: `do_mmap_pgoff`,
    /// `MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED`, and `shmem_zero_setup`.
    #[track_caller]
    pub(super) fn mmap_shared(&self, mm: MmRef, range: Range<Addr>) {
        if self.is_not_of_2004_to_2009().is_some() {
            sync::inapplicable("shared memory is here as 2.6.8 to 2.6.29 have it");
        }
        let file = self.shmem.get_or_init(|| Box::new(Shmem::new(range.clone())));
        if file.pages != range {
            sync::misuse(format!("the file has the addresses {:?}, and no others", file.pages));
        }
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self.vma_alloc(mm.id(), range.start, range.end, range.start);
        self.vma_link(mm, vma);
        self.vma_link_file(vma);
        mm.mmap_sem.up_write();
    }

    /// The VMA maps the file from here on. Called with `mmap_sem` held for writing. Kernel:
    /// `__vma_link_file`, or in `dup_mmap`.
    pub(super) fn vma_link_file(&self, vma: &Vma) {
        let Some(file) = self.shmem_at(vma.vm_start.read()) else { return };
        file.i_mmap_lock.lock();
        file.i_mmap_lock.data().push(vma.id());
        file.i_mmap_lock.unlock();
    }

    /// It does so no more. Kernel: `unlink_file_vma`.
    pub(super) fn unlink_file_vma(&self, vma: &Vma) {
        if self.shmem().is_none() {
            return;
        }
        let Some(file) = self.shmem_at(vma.vm_start.read()) else { return };
        file.i_mmap_lock.lock();
        file.i_mmap_lock.data().retain(|&other| other != vma.id());
        file.i_mmap_lock.unlock();
    }

    /// Is the page in the file's page cache? A step where there is a file.
    pub(super) fn is_in_page_cache(&self, page: PageRef) -> bool {
        self.shmem().is_some() && self.page_rmapping(page) == Mapping::File
    }

    /// The page in the page cache, locked and with a reference. Called with no spin lock held.
    /// Kernel: `find_lock_page`, in document 2 as it is there.
    fn find_lock_page(&self, file: &Shmem, index: u64) -> Option<PageRef> {
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            file.tree_lock.lock();
            let page = file.tree_lock.with(|tree| tree.get(&index).copied());
            if let Some(page) = page {
                self.get_page(page);
            }
            file.tree_lock.unlock();
            let page = page?;
            if !self.page_make_stable(page) {
                self.page_discard(page);
                return None;
            }
            self.lock_page(page);
            if self.page_rmapping(page) == Mapping::File {
                return Some(page);
            }
            sync::mark(Mark::FIND_LOCK_PAGE_TOO_LATE);
            self.unlock_page(page);
            self.page_cache_release(page);
        }
    }

    /// Puts a locked page into the page cache, which takes a reference; false if there is one.
    /// Kernel: `add_to_page_cache`. Takes the tree lock.
    fn add_to_page_cache(&self, file: &Shmem, page: PageRef, index: u64) -> bool {
        self.page(page).lock.assert_held();
        file.tree_lock.lock();
        let free = !file.tree_lock.with(|tree| tree.contains_key(&index));
        if free {
            file.tree_lock.data().insert(index, page);
            self.get_page(page);
            self.page(page).mapping.write(Mapping::File);
            self.page(page).index.write(index);
        }
        file.tree_lock.unlock();
        free
    }

    /// Called with the tree lock held, and the page locked. Kernel:
    /// `__remove_from_page_cache_nocheck` in document 2.
    fn remove_from_page_cache_nocheck(&self, file: &Shmem, page: PageRef) {
        let index = self.page(page).index.read();
        file.tree_lock.data().remove(&index);
        self.page(page).mapping.write(Mapping::None);
        note!("{page} leaves the page cache");
    }

    /// The same, with the discard bit as for the swap cache. Kernel: `__remove_from_page_cache`.
    fn remove_from_page_cache_locked(&self, file: &Shmem, page: PageRef) {
        self.with_discarded_bit(page, || self.remove_from_page_cache_nocheck(file, page));
    }

    /// The file's page, locked and with a reference: from the page cache, or from swap, or a new
    /// one with zeroes. Called with no spin lock held. Kernel: the same name (read in 2.6.22 and
    /// 2.6.29).
    ///
    /// The page in the swap cache is looked up under `info->lock`. With patches 1 to 4 of document
    /// 2 that is a look-up that may have to discard the page, and sleeps; patch 5 makes it stable
    /// here, and lets go of the lock first (rule [`SwapinLookup`], claim S2.14).
    fn shmem_getpage(&self, file: &Shmem, index: u64) -> Result<PageRef, Errno> {
        call!("shmem_getpage({index})");
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            if let Some(page) = self.find_lock_page(file, index) {
                sync::mark(Mark::SHMEM_IN_PAGE_CACHE);
                return Ok(page);
            }
            file.lock.lock();
            let swap = file.lock.with(|slots| slots.get(&index).copied());
            let Some(swap) = swap else {
                file.lock.unlock();
                if let Some(page) = self.shmem_alloc(file, index)? {
                    return Ok(page);
                }
                continue;
            };
            let Some(page) = self.lookup_swap_cache(swap) else {
                file.lock.unlock();
                if let Some(page) = self.read_swap_cache_async(swap)? {
                    self.page(page).lock.wait();
                    self.lets_go(page);
                    self.page_cache_release(page);
                }
                continue;
            };
            match self.rules().swapin_lookup {
                SwapinLookup::Checking => self.lets_go(page),
                SwapinLookup::NoDiscard if !self.page_make_stable(page) => {
                    file.lock.unlock();
                    self.page_discard(page);
                    continue;
                }
                SwapinLookup::NoDiscard | SwapinLookup::Unchecked => {}
            }
            if !self.page(page).lock.trylock() {
                file.lock.unlock();
                self.page(page).lock.wait();
                self.page_cache_release(page);
                continue;
            }
            if self.keeps_slot_of(page) {
                file.lock.unlock();
                self.wait_on_page_writeback(page);
                self.unlock_page(page);
                self.page_cache_release(page);
                continue;
            }
            self.move_from_swap_cache(file, page, index);
            file.lock.data().remove(&index);
            file.lock.unlock();
            self.swap_free(swap);
            return Ok(page);
        }
    }

    /// A page where the file has none yet; `None` if somebody else has been quicker. Kernel: the
    /// end of `shmem_getpage`.
    fn shmem_alloc(&self, file: &Shmem, index: u64) -> Result<Option<PageRef>, Errno> {
        let page = self.alloc_page().ok_or(Errno::Enomem)?;
        self.set_page_locked(page);
        file.lock.lock();
        let added = !file.lock.with(|slots| slots.contains_key(&index))
            && self.add_to_page_cache(file, page, index);
        file.lock.unlock();
        if !added {
            sync::mark(Mark::SHMEM_ALLOC_TOO_LATE);
            self.clear_page_locked(page);
            self.put_page(page);
            return Ok(None);
        }
        self.lru_cache_add(page);
        self.page(page).uptodate.write(true);
        Ok(Some(page))
    }

    /// What it holds is nowhere else from here on. Called with `info->lock` held, and the page
    /// locked. Kernel: `move_from_swap_cache`; in 2.6.29 the same steps in `shmem_getpage`. Takes
    /// both tree locks, and `swap_lock`.
    fn move_from_swap_cache(&self, file: &Shmem, page: PageRef, index: u64) {
        let added = self.add_to_page_cache(file, page, index);
        sync::clause(Clause::ASSERT_1, added, || {
            format!("page {index} of the file is on swap and in the page cache")
        });
        self.delete_from_swap_cache(page);
        if self.hints() {
            let lost = self.page_discarded(page);
            sync::clause(Clause::HINT_2, !lost, || {
                format!("the slot of {page} is given up, and the host has discarded the page")
            });
        }
        self.page(page).dirty.write(true);
        sync::mark(Mark::SHMEM_FROM_SWAP_CACHE);
    }

    /// A fault where nothing is mapped yet. Called with `mmap_sem` held for reading. Kernel:
    /// `do_no_page` and `shmem_nopage`, which returns the page unlocked, until 2.6.22; `__do_fault`
    /// and `shmem_fault` since (rule [`FileFault`], claim S2.10).
    pub(super) fn do_no_page(&self, mm: &Mm, vma: &Vma, addr: Addr, write: bool) -> VmFault {
        call!("do_no_page({}:{addr}{})", mm.id(), if write { ", write" } else { "" });
        let file = self.shmem().expect("its address is the file's");
        let Ok(page) = self.shmem_getpage(file, addr) else { return VmFault::Oom };
        let unlocked = self.rules().file_fault == FileFault::Unlocked;
        if unlocked {
            self.unlock_page(page);
        }
        let frame = self.page(page);
        mm.page_table_lock.lock();
        let used = mm.pte(addr).read() == Pte::None && !self.swapin_meets_discarded(page);
        if used {
            let pte = Pte::Present { page, write: vma.maybe_mkwrite(true), dirty: write };
            let map = || self.set_pte_checked(pte, 2, || _ = self.set_pte(mm, addr, pte));
            if unlocked {
                map();
                self.page_add_file_rmap(page);
            } else {
                self.page_add_file_rmap(page);
                map();
            }
            if frame.swap_cache.read() {
                sync::mark(Mark::SHMEM_MAPPED_IN_SWAP_CACHE);
            }
            if write {
                self.get_page(page); // dirty_page
            }
        }
        mm.page_table_lock.unlock();
        if !unlocked {
            self.unlock_page(page);
        }
        if !used {
            sync::mark(Mark::SHMEM_MAPPED_ALREADY);
            self.page_cache_release(page);
        } else if write {
            frame.dirty.write(true); // set_page_dirty_balance
            self.put_page(page);
        }
        VmFault::Minor
    }

    /// One more mapping of the file's page. Called with the page-table lock held. Kernel: the same
    /// name (rule [`VolatileTry`]).
    fn page_add_file_rmap(&self, page: PageRef) {
        self.page(page).mapcount.add(1);
        if self.hints() && self.rules().volatile_try != VolatileTry::Neither {
            self.page_make_volatile(page, 1);
        }
    }

    /// Comes by every place where the file's page may be mapped, until `unmap` fails or says that
    /// it is enough. Called with the page locked. Kernel: `try_to_unmap_file`, and
    /// `page_unmap_file` in document 2. Takes `i_mmap_lock`.
    fn walk_file(&self, page: PageRef, unmap: impl Fn(&Mm, Addr) -> bool) {
        let Some(file) = self.shmem() else { return };
        file.i_mmap_lock.lock();
        let vmas = file.i_mmap_lock.with(Clone::clone);
        for vma in vmas {
            let vma = self.listed_vma(vma);
            if let Ok(addr) = vma.vma_address(self, page)
                && !unmap(self.mm_struct(vma.mm), addr)
            {
                break;
            }
        }
        file.i_mmap_lock.unlock();
    }

    /// Takes every mapping of the file's page away, that reclaim may. Called with the page locked.
    pub(super) fn try_to_unmap_shared(&self, page: PageRef, ttu: Ttu) {
        self.walk_file(page, |mm, addr| match self.unmap_file_one(page, mm, addr, ttu) {
            Ok(()) => self.page(page).mapped(),
            Err(_) => false,
        });
    }

    /// Takes every mapping of a discarded page away. Called with the page locked. Kernel: the same
    /// name, in document 2.
    pub(super) fn page_unmap_file(&self, page: PageRef) {
        self.walk_file(page, |mm, addr| {
            let unmapped = self.unmap_file_one(page, mm, addr, Ttu::Discard);
            sync::clause(Clause::HINT_4, unmapped.is_ok(), || {
                format!("{page} is discarded, and {}:{addr} cannot be unmapped", mm.id())
            });
            true
        });
    }

    /// Unmaps the file's page in one place: nothing is left there, since who faults asks the file.
    /// Called with `i_mmap_lock` held. Takes the page-table lock. Kernel: `try_to_unmap_one`, for a
    /// page that is not anonymous.
    fn unmap_file_one(&self, page: PageRef, mm: &Mm, addr: Addr, ttu: Ttu) -> Result<(), Errno> {
        if self.page_check_address(page, mm, addr).is_none() {
            return Ok(());
        }
        if let Some(kept) = self.mlock_keeps(mm, ttu) {
            mm.page_table_lock.unlock();
            return kept;
        }
        if let Pte::Present { dirty: true, .. } = self.set_pte(mm, addr, Pte::None) {
            self.page(page).dirty.write(true);
        }
        self.page_remove_rmap(page);
        self.put_page(page);
        mm.page_table_lock.unlock();
        Ok(())
    }

    /// Takes an entry of the file's page away: what was stored through it, the page says from here
    /// on. Called with the page-table lock held. Kernel: in `zap_pte_range`.
    pub(super) fn zap_shared(&self, mm: &Mm, addr: Addr, page: PageRef) {
        if let Pte::Present { dirty: true, .. } = self.set_pte(mm, addr, Pte::None) {
            self.page(page).dirty.write(true);
        }
        self.page_remove_rmap(page);
    }

    /// Reclaim has the file's page locked, and it is in the page cache. Kernel: what
    /// `shrink_page_list` does with it.
    pub(super) fn shrink_file_page(&self, page: PageRef) -> Shrunk {
        let frame = self.page(page);
        if frame.mapped() {
            self.try_to_unmap_shared(page, Ttu::Unmap);
            if frame.mapped() {
                return Shrunk::Kept;
            }
        }
        if frame.dirty.read() {
            if frame.count.read() != 2 {
                return Shrunk::Kept; // is_page_cache_freeable
            }
            frame.dirty.test_and_clear(); // clear_page_dirty_for_io
            if self.shmem_writepage(page) {
                return Shrunk::Written;
            }
            frame.dirty.write(true);
            return Shrunk::Kept;
        }
        self.remove_file_mapping(page)
    }

    /// The page goes from the page cache to the swap cache, and is dirty still: reclaim writes it
    /// when it comes by again. Called with the page locked; unlocks it, unless no slot is free.
    /// Kernel: `shmem_writepage`, with `move_to_swap_cache` (2.6.22), or `add_to_swap_cache`
    /// (2.6.29). Takes `info->lock`, and under it both tree locks.
    fn shmem_writepage(&self, page: PageRef) -> bool {
        call!("shmem_writepage({page})");
        let file = self.shmem().expect("its page is in the page cache");
        let frame = self.page(page);
        let Some(swap) = self.get_swap_page() else { return false };
        file.lock.lock();
        let added = self.add_to_swap_cache(page, swap);
        if added {
            let index = frame.index.read();
            file.tree_lock.lock();
            self.remove_from_page_cache_locked(file, page);
            file.tree_lock.unlock();
            file.lock.data().insert(index, swap);
        }
        file.lock.unlock();
        if !added {
            self.swapcache_free(swap);
            return false;
        }
        self.swap_duplicate(swap);
        let mapcount = frame.mapcount.read();
        sync::clause(Clause::ASSERT_1, mapcount == 0, || {
            format!("shmem_writepage: {page} is mapped")
        });
        self.put_page(page); // the page cache's
        frame.dirty.write(true);
        self.unlock_page(page);
        sync::mark(Mark::SHMEM_TO_SWAP_CACHE);
        true
    }

    /// Drops a page in which nobody has stored anything: it is zeroes, and on no device. Called
    /// with the page locked. Kernel: `remove_mapping`.
    fn remove_file_mapping(&self, page: PageRef) -> Shrunk {
        let file = self.shmem().expect("its page is in the page cache");
        let frame = self.page(page);
        file.tree_lock.lock();
        let freeze = self.rules().remove_mapping == RemoveMapping::Freeze;
        let unused = self.is_unused(page);
        let dirty = unused && frame.dirty.read();
        if dirty && freeze {
            self.page_unfreeze_refs(page, 2);
        }
        if !unused || dirty {
            file.tree_lock.unlock();
            sync::mark(if dirty { Mark::SHMEM_DIRTIED } else { Mark::SHMEM_KEPT });
            return Shrunk::Kept;
        }
        self.remove_from_page_cache_locked(file, page);
        file.tree_lock.unlock();
        sync::mark(Mark::SHMEM_DROPPED);
        if freeze {
            self.clear_page_locked(page);
            return Shrunk::Unreferenced;
        }
        self.put_page(page); // the page cache's
        self.unlock_page(page);
        self.put_page(page);
        Shrunk::Gone
    }

    /// The host has discarded a page of the page cache, which nothing maps any more. Called with
    /// the page locked. Kernel: the end of `__page_discard`.
    pub(super) fn discard_from_page_cache(&self, page: PageRef) {
        let file = self.shmem().expect("its page is in the page cache");
        let frame = self.page(page);
        // What is clean and in the page cache was never stored to. VM_BUG_ON(PageDirty(page))
        let lost = frame.dirty.read();
        sync::clause(Clause::HINT_2, !lost, || format!("{page} is discarded, and it is dirty"));
        file.tree_lock.lock();
        self.remove_from_page_cache_nocheck(file, page);
        file.tree_lock.unlock();
        if self.rules().discarded_bit == DiscardedBit::AfterRemoval {
            frame.discarded.write(true);
        }
        sync::mark(Mark::PAGE_DISCARD_REMOVES);
        self.put_page(page); // the page cache's
    }

    /// swapoff asks the file for its claim on the slot, once it has been through the address
    /// spaces, or before. Called with the page locked. Kernel: the same name, and
    /// `shmem_unuse_inode` (2.6.22 and 2.6.29 read). Takes `info->lock`, and under it both tree
    /// locks.
    pub(super) fn shmem_unuse(&self, entry: SwapEntry, page: PageRef) {
        let Some(file) = self.shmem() else { return };
        if self.page_swapcount(entry) == 0 {
            return;
        }
        file.lock.lock();
        let index = file
            .lock
            .with(|slots| slots.iter().find(|&(_, &slot)| slot == entry).map(|(&index, _)| index));
        if let Some(index) = index {
            self.move_from_swap_cache(file, page, index);
            file.lock.data().remove(&index);
        }
        file.lock.unlock();
        if index.is_some() {
            self.swap_free(entry);
        }
    }

    /// Where the file's page is on swap. For the building of worlds.
    pub(super) fn shmem_slot_at(&self, addr: Addr) -> Option<SwapEntry> {
        self.shmem_at(addr)?.lock.peek(|slots| slots.get(&addr).copied())
    }

    /// Every address of the file with its page, if it is in the page cache or the swap cache: for
    /// audits and pictures only.
    pub(super) fn every_shared_page(&self) -> impl Iterator<Item = (Addr, PageRef)> {
        let pages = self.shmem().map_or(0..0, |file| file.pages.clone());
        pages.filter_map(|addr| {
            let cached = self.shmem()?.tree_lock.peek(|tree| tree.get(&addr).copied());
            Some((addr, cached.or_else(|| self.peek_swap_cache(self.shmem_slot_at(addr)?))?))
        })
    }

    /// So many pages of the file are in the slot: one or none. For audits only.
    pub(super) fn shmem_claims(&self, entry: SwapEntry) -> usize {
        self.shmem().map_or(0, |file| {
            file.lock.peek(|slots| slots.values().filter(|&&slot| slot == entry).count())
        })
    }

    /// The file's VMAs that a walk finds: for audits only.
    pub(super) fn is_file_vma_listed(&self, vma: VmaRef) -> bool {
        self.shmem().is_some_and(|file| file.i_mmap_lock.peek(|list| list.contains(&vma)))
    }

    /// [DATA-1] of the file: what it holds, wherever it is, is what was stored last.
    pub(super) fn audit_shmem(&self) {
        let Some(file) = self.shmem() else { return };
        for addr in file.pages.clone() {
            let page = self.every_shared_page().find_map(|(at, page)| (at == addr).then_some(page));
            let on_device = || self.shmem_slot_at(addr).map_or(0, |slot| self.peek_swap(slot));
            let value = page.map_or_else(on_device, |page| self.frame(page).peek_content());
            let right = file.memory.peek(|memory| memory[&addr].may_hold.contains(&value));
            sync::clause(Clause::DATA_1, right, || {
                format!("page {addr} of the file holds {value}, which was not stored there last")
            });
        }
    }

    /// A load of shared memory begins.
    pub(super) fn shared_load_begins(&self, addr: Addr) {
        if let Some(file) = self.shmem_at(addr) {
            file.memory.change(|memory| memory.entry(addr).or_default().loading += 1);
        }
    }

    /// It has `found` something, or has faulted ([DATA-1]).
    pub(super) fn shared_load_ends(&self, addr: Addr, found: Option<u64>) {
        let Some(file) = self.shmem_at(addr) else { return };
        let right = file.memory.change(|memory| {
            let memory = memory.entry(addr).or_default();
            memory.loading -= 1;
            found.is_none_or(|found| memory.may_hold.contains(&found))
        });
        sync::clause(Clause::DATA_1, right, || {
            format!(
                "{} is loaded from {addr}, which was not stored there last",
                found.unwrap_or_default()
            )
        });
    }

    /// A store to shared memory begins: from here on others may load what it stores.
    pub(super) fn shared_store_begins(&self, addr: Addr, value: u64) {
        if let Some(file) = self.shmem_at(addr) {
            file.memory.change(|memory| {
                let memory = memory.entry(addr).or_default();
                if memory.storing == 0 {
                    memory.together.clear();
                }
                memory.storing += 1;
                memory.together.push(value);
                memory.may_hold.push(value);
            });
        }
    }

    /// It is over, or has met a page that the host has discarded.
    pub(super) fn shared_store_ends(&self, addr: Addr, value: u64, stored: bool) {
        if let Some(file) = self.shmem_at(addr) {
            file.memory.change(|memory| {
                let memory = memory.entry(addr).or_default();
                memory.storing -= 1;
                if !stored {
                    for values in [&mut memory.together, &mut memory.may_hold] {
                        let at = values.iter().rposition(|&other| other == value);
                        at.map(|at| values.remove(at));
                    }
                }
                if memory.storing == 0 && memory.loading == 0 && !memory.together.is_empty() {
                    memory.may_hold = std::mem::take(&mut memory.together);
                }
            });
        }
    }
}
