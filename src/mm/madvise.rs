//! What a process asks of single pages: madvise, and pipes that hold pages.

use super::exit::MmuGather;
use super::fault::{FaultAgain, VmFault};
use super::{Addr, Errno, MmRef, PageRef, Process, Pte, World};
use crate::call;
use crate::sync::{self, Name};

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
            self.zap_pte_range(mm, addr..addr + 1, &mut gather);
            self.tlb_finish_mmu(mm, gather);
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
