//! mprotect: what user code may do with a range changes, in its VMAs and in its page-table entries.

use std::ops::Range;

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, Vma, World};
use crate::call;
use crate::spec::MprotectWrite;
use crate::sync::{self, Mark};

#[sync::forgets]
impl World {
    /// See [`Process::mprotect`](super::Process::mprotect). Kernel: `sys_mprotect`;
    /// `do_mprotect_pkey` since 4.9 (read in 2.6.11, 2.6.18, 5.9, 5.19 and 6.18.35, as what
    /// follows). Takes `mmap_sem` for writing. True if something is mapped everywhere in the range.
    pub(super) fn mprotect(&self, mm: MmRef, range: Range<Addr>, writable: bool) -> bool {
        call!("sys_mprotect({mm}, {range:?}, {})", if writable { "writable" } else { "read-only" });
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let mut nstart = range.start;
        while nstart < range.end
            && let Some(vma) = self.find_vma(mm, nstart)
        {
            let end = vma.vm_end.read().min(range.end);
            if self.mprotect_fixup(mm, vma, nstart..end, writable).is_err() {
                break;
            }
            nstart = end;
        }
        mm.mmap_sem.up_write();
        nstart == range.end
    }

    /// Changes what lies in one VMA. Called with `mmap_sem` held for writing. Kernel:
    /// `mprotect_fixup`, which joins VMAs where it can: here they stay apart.
    fn mprotect_fixup(
        &self,
        mm: &Mm,
        vma: &Vma,
        range: Range<Addr>,
        writable: bool,
    ) -> Result<(), Errno> {
        mm.mmap_sem.assert_write_held();
        if vma.vm_write.read() == writable {
            return Ok(());
        }
        if range.start != vma.vm_start.read() {
            self.__split_vma(mm, vma, range.start, true)?;
        }
        if range.end != vma.vm_end.read() {
            self.__split_vma(mm, vma, range.end, false)?;
        }
        *vma.vm_write.write() = writable;
        self.change_protection(mm, vma, range);
        Ok(())
    }

    /// Brings the entries in line with the VMA. No access goes through the old ones when it
    /// returns. Called with `mmap_sem` held for writing. Takes the page-table lock. Kernel:
    /// `change_protection`, down to `change_pte_range`.
    ///
    /// A migration entry says no longer that it was writable, whatever the VMA permits now: who
    /// restores it need not ask the VMA.
    fn change_protection(&self, mm: &Mm, vma: &Vma, range: Range<Addr>) {
        call!("change_protection({vma}, {range:?})");
        mm.page_table_lock.lock();
        for addr in range {
            match mm.pte(addr).read() {
                Pte::Present { .. } => self.change_pte(mm, vma, addr),
                Pte::Migration { page, write: true, exclusive } => {
                    sync::mark(Mark::MPROTECT_MEETS_MIGRATION_ENTRY);
                    self.set_pte(mm, addr, Pte::Migration { page, write: false, exclusive });
                }
                Pte::None | Pte::Swap { .. } | Pte::Migration { .. } => {}
            }
        }
        mm.page_table_lock.unlock();
    }

    /// A present entry. It is cleared first, or a dirty bit that hardware sets meanwhile would be
    /// lost; who looks without the lock finds nothing there then. Called with the page-table lock
    /// held. Kernel: `ptep_get_and_clear` and `set_pte_at`; `ptep_modify_prot_start` and
    /// `ptep_modify_prot_commit` in 2.6.28 and later.
    fn change_pte(&self, mm: &Mm, vma: &Vma, addr: Addr) {
        let Pte::Present { page, dirty, .. } = self.set_pte(mm, addr, Pte::None) else { return };
        let write = self.can_change_pte_writable(vma, page);
        if write {
            self.assert_sole_entry(mm, addr, page);
        }
        self.set_pte(mm, addr, Pte::Present { page, write, dirty });
    }

    /// May the entry be writable, and no store has faulted (rule [`MprotectWrite`])? Called with
    /// the page-table lock held. Kernel: the same name, since 6.0;
    /// `can_change_private_pte_writable` since 6.17.
    fn can_change_pte_writable(&self, vma: &Vma, page: PageRef) -> bool {
        vma.maybe_mkwrite(self.rules().mprotect_write == MprotectWrite::Exclusive)
            && self.page(page).anon_exclusive.read()
    }
}
