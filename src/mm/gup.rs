//! get_user_pages, and the device that uses what it got.

use super::{Addr, Errno, MmRef, PageRef, Pte, World};
use crate::call;

impl World {
    /// Takes a reference on the page at `addr`, for writing: a device will store into it. Takes `mmap_sem` for reading. Kernel:
    /// `get_user_pages(write)`, as direct I/O calls it.
    pub fn get_user_page(&self, mm: MmRef, addr: Addr) -> Result<PageRef, Errno> {
        call!("get_user_pages({mm}:{addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        let pinned = self.follow_page(mm.id(), addr);
        mm.mmap_sem.up_read();
        pinned
    }

    /// Kernel: `follow_page(FOLL_GET | FOLL_WRITE)`, and a fault as often as it finds nothing. Called with `mmap_sem` held.
    fn follow_page(&self, mm: MmRef, addr: Addr) -> Result<PageRef, Errno> {
        let mm = self.mm_struct(mm);
        let vma = self.find_vma(mm, addr).ok_or(Errno::Efault)?;
        loop {
            mm.page_table_lock.lock();
            let found = match mm.pte(addr).read() {
                Pte::Present { page, write: true, .. } => Some(page),
                _ => None,
            };
            if let Some(page) = found {
                self.get_page(page);
            }
            mm.page_table_lock.unlock();
            if let Some(page) = found {
                return Ok(page);
            }
            self.handle_mm_fault(mm, vma, addr, true);
        }
    }

    /// The device stores into the page that it was given for `addr`. From then on the process must find it there ([DATA-1]).
    pub fn dma_write(&self, mm: MmRef, addr: Addr, page: PageRef, value: u64) {
        let pte = self.mm_struct(mm).pte(addr);
        let _ = pte.begin_access(); // not through the entry; but no user access sees half of it
        self.page(page).content.write(value);
        self.shadow_store(mm, addr, value);
        pte.end_access(None);
    }

    /// The device is done. Kernel: `set_page_dirty_lock`, `put_page`. Takes the page lock.
    pub fn put_user_page(&self, page: PageRef) {
        self.page(page).lock.lock();
        self.page(page).dirty.write(true);
        self.unlock_page(page);
        self.put_page(page);
    }
}
