//! What a process asks of single pages: madvise, and pipes that hold pages.

use super::exit::MmuGather;
use super::fault::{FaultAgain, VmFault};
use super::{Addr, Errno, Mm, MmRef, PageRef, Process, Pte, World};
use crate::call;
use crate::spec::MadvFree;
use crate::sync::{self, Mark, Name};

#[sync::forgets]
impl Process<'_> {
    /// Gives up what is at `addr`; it reads as zeroes then. Nothing, if nothing is mapped there.
    /// Kernel: `madvise(MADV_DONTNEED)`.
    #[track_caller]
    pub fn dontneed(&self, addr: Addr) {
        self.check_alive();
        self.check(addr);
        let done = self.world.madvise_dontneed(self.mm, addr);
        self.world.asked(Name::new("dontneed(%a)", addr as u32, 0), done);
    }

    /// Has the page at `addr` reclaimed, unless other entries map it too. Kernel:
    /// `madvise(MADV_PAGEOUT)`, since 5.4.
    #[track_caller]
    pub fn pageout(&self, addr: Addr) {
        self.check_alive();
        self.check(addr);
        let done = self.world.madvise_pageout(self.mm, addr);
        self.world.asked(Name::new("pageout(%a)", addr as u32, 0), done);
    }

    /// Says that what is at `addr` is needed no more, unless something is stored there: until then
    /// reclaim may discard it, and then it reads as zeroes. What is on swap is given up at once.
    /// Kernel: `madvise(MADV_FREE)`, since 4.5 (rule [`MadvFree`]).
    #[track_caller]
    pub fn lazyfree(&self, addr: Addr) {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "madvise(MADV_FREE)");
        if self.world.rules().madv_free == MadvFree::No {
            sync::inapplicable("under this protocol there is no MADV_FREE (madv_free=no)");
        }
        let done = self.world.madvise_free(self.mm, addr);
        self.world.asked(Name::new("lazyfree(%a)", addr as u32, 0), done);
    }

    /// Puts the page at `addr` into a pipe, which holds it by a reference like any other, to be
    /// [read](World::read_pipe) some time. Kernel: `vmsplice`: `get_user_pages` without a pin.
    #[track_caller]
    pub fn vmsplice(&self, addr: Addr) -> Result<PageRef, Errno> {
        self.check_alive();
        self.check(addr);
        self.world.get_user_page(self.mm, addr)
    }
}

#[sync::forgets]
impl World {
    /// Kernel: `madvise_dontneed_single_vma`. Takes `mmap_sem` for reading.
    fn madvise_dontneed(&self, mm: MmRef, addr: Addr) -> bool {
        call!("madvise_dontneed({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        let mapped = self.find_vma(mm, addr).is_some();
        if mapped {
            self.drains_for_zap();
            let mut gather = MmuGather::default();
            self.inc_tlb_flush_pending(mm);
            self.zap_pte_range(mm, addr..addr + 1, &mut gather);
            if self.mm_tlb_flush_nested(mm) {
                self.flush_tlb_page(mm, addr);
            }
            self.tlb_finish_mmu(mm, gather);
            self.dec_tlb_flush_pending(mm);
        }
        mm.mmap_sem.up_read();
        mapped
    }

    /// Kernel: `madvise_cold_or_pageout_pte_range`, for one page: whether it was used lately does
    /// not matter (5.9, 6.18.35 read). Takes `mmap_sem` for reading, and the page-table lock, under
    /// which the page is isolated: only then the entry's reference keeps it.
    fn madvise_pageout(&self, mm: MmRef, addr: Addr) -> bool {
        call!("madvise_pageout({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        self.lru_add_drain();
        mm.page_table_lock.lock();
        let page = match mm.pte(addr).read() {
            Pte::Present { page, .. } if self.page(page).mapcount.read() == 1 => Some(page),
            _ => None,
        };
        // Without lru_lock: who isolates it asks again under that.
        let isolated =
            page.filter(|&page| self.page(page).lru.read() && self.isolate_for_reclaim(page));
        mm.page_table_lock.unlock();
        if let Some(page) = isolated {
            self.deactivate_page(page);
            self.shrink_isolated(page);
        }
        mm.mmap_sem.up_read();
        isolated.is_some()
    }

    /// Kernel: `madvise_free_single_vma` (5.9, 5.10.262, 6.12 read). Takes `mmap_sem` for reading.
    fn madvise_free(&self, mm: MmRef, addr: Addr) -> bool {
        call!("madvise_free({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        let mapped = self.find_vma(mm, addr).is_some();
        if mapped {
            self.lru_add_drain();
            self.madvise_free_pte_range(mm, addr);
        }
        mm.mmap_sem.up_read();
        mapped
    }

    /// Kernel: the same name, for one entry. Called with `mmap_sem` held. Takes the page-table lock,
    /// and tries for the page lock.
    fn madvise_free_pte_range(&self, mm: &Mm, addr: Addr) {
        mm.page_table_lock.lock();
        self.flush_tlb_batched_pending(mm, addr..addr + 1);
        match mm.pte(addr).read() {
            Pte::Present { page, .. } if self.madvise_cleans(page) => {
                // None meanwhile, so that no store is taken for an earlier one.
                let cleared = self.set_pte(mm, addr, Pte::None);
                self.shadow_lazyfree(mm, addr);
                if let Pte::Present { write, .. } = cleared {
                    self.set_pte(mm, addr, Pte::Present { page, write, dirty: false });
                }
                self.mark_page_lazyfree(page);
            }
            pte @ Pte::Swap { .. } => self.zap_pte(mm, addr, pte, &mut MmuGather::default()),
            _ => {}
        }
        mm.page_table_lock.unlock();
    }

    /// Neither swap nor `PG_dirty` keeps what is in the page any more; false if somebody else has
    /// the page, too. Called with the page-table lock held. Kernel: the middle of
    /// `madvise_free_pte_range`.
    fn madvise_cleans(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        if !frame.swap_cache.read() && !frame.dirty.read() {
            return true;
        }
        if !frame.lock.trylock() {
            sync::mark(Mark::MADVISE_FREE_LEAVES);
            return false;
        }
        let cleans =
            frame.mapcount.read() == 1 && (!frame.swap_cache.read() || self.try_to_free_swap(page));
        if cleans {
            frame.dirty.write(false);
        } else {
            sync::mark(Mark::MADVISE_FREE_LEAVES);
        }
        self.unlock_page(page);
        cleans
    }

    /// Has reclaim discard the page without writing it, unless somebody stores into it before. Here
    /// there is no pagevec for that. Takes `lru_lock`. Kernel: the same name, and
    /// `lru_lazyfree_fn`.
    fn mark_page_lazyfree(&self, page: PageRef) {
        let frame = self.page(page);
        self.lru_lock.lock();
        if frame.lru.read() && !frame.swap_cache.read() {
            frame.active.write(false);
            frame.swap_backed.write(false);
        }
        self.lru_lock.unlock();
    }

    /// Does its process need it no more, as far as is known? Nobody looks where nobody can say so.
    pub(super) fn is_lazyfree(&self, page: PageRef) -> bool {
        self.rules().madv_free != MadvFree::No && !self.page(page).swap_backed.read()
    }

    /// A reference on the page at `addr`, which is faulted in for reading if it must. Kernel:
    /// `get_user_pages(FOLL_GET)`. Takes `mmap_sem` for reading, and the page-table lock.
    fn get_user_page(&self, mm: MmRef, addr: Addr) -> Result<PageRef, Errno> {
        call!("get_user_pages({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        let found = self.find_vma(mm, addr).ok_or(Errno::Efault).and_then(|vma| {
            let mut again = FaultAgain::default();
            loop {
                mm.page_table_lock.lock();
                let page = match mm.pte(addr).read() {
                    Pte::Present { page, .. } => Some(page),
                    _ => None,
                };
                if let Some(page) = page {
                    self.get_page(page);
                }
                let stable = page.is_none_or(|page| self.page_make_stable(page));
                mm.page_table_lock.unlock();
                if let Some(page) = page.filter(|_| stable) {
                    self.needs(page);
                    break Ok(page);
                }
                again.round(self, &page);
                if let Some(page) = page {
                    self.page_discard(page);
                    continue;
                }
                if self.handle_mm_fault(mm, vma, addr, false) == VmFault::Oom {
                    break Err(Errno::Enomem);
                }
            }
        });
        mm.mmap_sem.up_read();
        found
    }

    /// What a page in a pipe holds; it leaves the pipe.
    pub fn read_pipe(&self, page: PageRef) -> u64 {
        let content = self.content(self.page(page));
        self.lets_go(page);
        self.put_page(page);
        content
    }
}
