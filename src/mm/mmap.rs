//! What a process does to its VMAs.

use std::ops::Range;

use super::{Addr, Mm, MmRef, World};
use crate::call;
use crate::spec::ExpandLock;
use crate::sync::SlabRef;

impl World {
    /// Maps anonymous memory. Kernel: `do_mmap_pgoff`, `MAP_PRIVATE | MAP_ANONYMOUS`. Takes `mmap_sem` for writing.
    pub fn mmap(&self, mm: MmRef, range: Range<Addr>) {
        call!("do_mmap({mm}, {range:?})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self.vma_alloc(mm.id(), range.start, range.end, range.start);
        self.insert_vm_struct(mm, vma);
        mm.mmap_sem.up_write();
    }

    /// Cuts the VMA around `addr` in two there; the upper half keeps the old VMA, so its `vm_start` moves. What mprotect, munmap and
    /// madvise on the lower half do first. Kernel: `split_vma(mm, vma, addr, 1)`. Takes `mmap_sem` for writing.
    pub fn split_vma(&self, mm: MmRef, addr: Addr) {
        call!("split_vma({mm}, {addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        if let Some(vma) = self.find_vma(mm, addr)
            && vma.vm_start.read() != addr
        {
            self.__split_vma(mm, vma, addr, true);
        }
        mm.mmap_sem.up_write();
    }

    /// Moves the boundary at `from` between two adjacent VMAs to `to`, as `mprotect` does when what lies between takes on the neighbour's
    /// protection (`vma_merge`, cases 4 and 5). Takes `mmap_sem` for writing.
    pub fn move_boundary(&self, mm: MmRef, from: Addr, to: Addr) {
        call!("mprotect({mm}): boundary {from} → {to}");
        self.move_end_of(mm, from, to);
    }

    fn move_end_of(&self, mm: MmRef, from: Addr, to: Addr) {
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        if let Some(vma) = self.find_vma(mm, from - 1) {
            self.vma_adjust(mm, vma, vma.vm_start.read(), to, vma.vm_pgoff.read(), None);
        }
        mm.mmap_sem.up_write();
    }

    /// Moves only the end of the VMA that ends at `from`; nothing lies behind it, or beyond the new end. Kernel: `vma_merge` when `brk` or
    /// `mmap` adds to the VMA (claim S3.9). Takes `mmap_sem` for writing.
    pub fn move_end(&self, mm: MmRef, from: Addr, to: Addr) {
        call!("vma_merge({mm}): end {from} → {to}");
        self.move_end_of(mm, from, to);
    }

    /// Lets the VMA that begins at `start` begin at `to`, below it. Called by a page fault below a stack. Takes `mmap_sem` for reading only:
    /// what keeps the words together is the anon_vma lock (rule [`ExpandLock`](crate::spec::ExpandLock), claim S3.16). Kernel:
    /// `expand_downwards`.
    pub fn expand_downwards(&self, mm: MmRef, start: Addr, to: Addr) {
        call!("expand_downwards({mm}, {start} → {to})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_read();
        if let Some(vma) = self.find_vma(mm, start) {
            self.anon_vma_prepare(vma);
            let locked = match self.rules().expand_lock {
                ExpandLock::Nothing => None,
                ExpandLock::AnonVma => vma.anon_vma.read().map(|anon_vma| self.anon_vma_lock(anon_vma)),
            };
            // Somebody else may have let it grow that far meanwhile.
            if to < vma.vm_start.read() {
                let grow = vma.vm_start.read() - to;
                vma.vm_start.write(to);
                vma.vm_pgoff.write(vma.vm_pgoff.read() - grow);
            }
            if let Some(locked) = locked {
                self.anon_vma_unlock(locked);
            }
        }
        mm.mmap_sem.up_read();
    }

    /// Begins to listen to an address space: what interests here is that it locks every anon_vma of it at once. Kernel:
    /// `mmu_notifier_register` (claim S3.3). Takes `mmap_sem` for writing.
    pub fn mmu_notifier_register(&self, mm: MmRef) {
        call!("mmu_notifier_register({mm})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        self.mm_take_all_locks(mm);
        mm.mmap_sem.up_write();
    }

    /// Locks every anon_vma, newest first, and unlocks them again. Called with `mmap_sem` held for writing. Kernel: `mm_take_all_locks`,
    /// 2.6.34, and `mm_drop_all_locks`.
    fn mm_take_all_locks(&self, mm: &Mm) {
        call!("mm_take_all_locks({})", mm.id());
        mm.mmap_sem.assert_write_held();
        let mut taken: Vec<SlabRef> = Vec::new();
        for &vma in mm.mmap.read().iter() {
            for anon_vma in self.vma(vma).anon_vma_chain.read() {
                let locker = self.anon_vma_locker(anon_vma);
                if !taken.contains(&locker) {
                    self.anon_vma(locker).lock.lock();
                    taken.push(locker);
                }
            }
        }
        for locker in taken {
            self.anon_vma(locker).lock.unlock();
        }
    }
}
