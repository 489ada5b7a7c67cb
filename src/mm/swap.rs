//! Faults on entries that are not present: swap-in.

use super::{Addr, Mm, MmRef, Pte, SwapEntry, Vma, World};
use crate::call;
use crate::sync;

impl World {
    /// Brings a page back from swap. Called with `mmap_sem` held for reading. Kernel: `do_swap_page`, 2.6.34. Takes the page lock, then the
    /// page-table lock.
    ///
    /// Between the look-up and the page lock the page may have been migrated or dropped from the swap cache; in 2.6.34 only the entry is
    /// compared again (claim S3.13).
    pub(super) fn do_swap_page(&self, mm: &Mm, vma: &Vma, addr: Addr, entry: SwapEntry, write: bool) {
        call!("do_swap_page({}:{addr}, {entry})", mm.id());
        let Some(page) = self.lookup_swap_cache(entry).or_else(|| self.read_swap_cache_async(entry)) else {
            return; // somebody else has faulted it in and let the slot go
        };
        let frame = self.page(page);
        frame.lock.lock();
        mm.page_table_lock.lock();
        if mm.pte(addr).read() != (Pte::Swap { entry }) || !frame.uptodate.read() {
            sync::mark("do_swap_page", "entry has changed");
            mm.page_table_lock.unlock();
            self.unlock_page(page);
            self.put_page(page);
            return;
        }
        sync::mark("do_swap_page", "maps the page");
        let exclusive = write && self.reuse_swap_page(page);
        let pte = Pte::Present { page, write: exclusive, dirty: exclusive };
        self.set_pte(mm, addr, pte);
        self.page_add_anon_rmap(page, vma, addr);
        self.swap_free(entry);
        self.unlock_page(page);
        if write && !exclusive {
            self.do_wp_page(mm, vma, addr, pte);
        } else {
            mm.page_table_lock.unlock();
        }
    }

    /// Brings what is at `addr` into the swap cache. Kernel: `swapin_readahead`.
    pub fn read_ahead(&self, mm: MmRef, addr: Addr) {
        if let Pte::Swap { entry } = self.mm_struct(mm).pte(addr).read()
            && let Some(page) = self.read_swap_cache_async(entry)
        {
            self.put_page(page);
        }
    }
}
