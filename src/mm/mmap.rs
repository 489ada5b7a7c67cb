//! What a process does to its VMAs.

use std::ops::Range;

use super::page::linear_page_index;
use super::{Addr, Errno, Mm, MmRef, Vma, World};
use crate::call;
use crate::spec::ExpandLock;
use crate::sync::{self, SlabRef};

#[sync::forgets]
impl World {
    /// Maps anonymous memory, unless something is mapped there. Kernel: `do_mmap_pgoff`,
    /// `MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE`. Takes `mmap_sem` for writing. Here and
    /// below: true if anything was done.
    pub(super) fn mmap(&self, mm: MmRef, range: Range<Addr>) -> bool {
        call!("do_mmap({mm}, {range:?})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let overlaps =
            |vma: &Vma| vma.vm_start.read() < range.end && range.start < vma.vm_end.read();
        let free =
            self.memory_is_left() && !mm.mmap.read().iter().any(|&vma| overlaps(self.vma(vma)));
        if free {
            let vma = self.vma_alloc(mm.id(), range.start, range.end, range.start);
            self.vma_link(mm, vma);
        }
        mm.mmap_sem.up_write();
        free
    }

    /// See [`Process::split_vma`](super::Process::split_vma). Kernel:
    /// `split_vma(mm, vma, addr, 1)`. Takes `mmap_sem` for writing.
    pub(super) fn split_vma(&self, mm: MmRef, addr: Addr) -> bool {
        call!("split_vma({mm}, {addr})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self.find_vma(mm, addr).filter(|vma| vma.vm_start.read() != addr);
        let split = vma.is_some_and(|vma| self.__split_vma(mm, vma, addr, true).is_ok());
        mm.mmap_sem.up_write();
        split
    }

    /// See [`Process::move_boundary`](super::Process::move_boundary). Takes `mmap_sem` for writing.
    pub(super) fn move_boundary(&self, mm: MmRef, from: Addr, to: Addr) -> bool {
        call!("mprotect({mm}): boundary {from} → {to}");
        self.move_end_of(mm, from, to, |vma, next| {
            next.is_some_and(|next| {
                next.vm_start.read() == from
                    && to < next.vm_end.read()
                    && vma.vm_write.read() == next.vm_write.read()
                    && vma.may_share_anon_vma(next)
                    && linear_page_index(vma.vm_start.read(), vma.vm_pgoff.read(), from)
                        == next.vm_pgoff.read()
            })
        })
    }

    /// Moves the end of the VMA that ends at `from`, if that is right for the next one.
    fn move_end_of(
        &self,
        mm: MmRef,
        from: Addr,
        to: Addr,
        fits: impl FnOnce(&Vma, Option<&Vma>) -> bool,
    ) -> bool {
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self
            .find_vma(mm, from - 1)
            .filter(|vma| vma.vm_end.read() == from && vma.vm_start.read() < to);
        let vma = vma.filter(|vma| fits(vma, self.next_vma(mm, vma)));
        if let Some(vma) = vma {
            self.vma_adjust(mm, vma, vma.vm_start.read(), to, vma.vm_pgoff.read(), None);
        }
        mm.mmap_sem.up_write();
        vma.is_some()
    }

    /// See [`Process::move_end`](super::Process::move_end). Takes `mmap_sem` for writing.
    pub(super) fn move_end(&self, mm: MmRef, from: Addr, to: Addr) -> bool {
        call!("vma_adjust({mm}): end {from} → {to}");
        let clear = |next: &Vma| next.vm_start.read() > from && next.vm_start.read() >= to;
        self.move_end_of(mm, from, to, |_, next| next.is_none_or(clear))
    }

    /// Lets the VMA that begins at `start` begin at `to`, below it. Called by a page fault below a
    /// stack. Until 6.4 it takes `mmap_sem` for reading only: what keeps the words together is the
    /// anon_vma lock, and the page-table lock (rule [`ExpandLock`], claim S3.16). Kernel:
    /// `expand_downwards`.
    pub(super) fn expand_downwards(&self, mm: MmRef, start: Addr, to: Addr) -> bool {
        call!("expand_downwards({mm}, {start} → {to})");
        // expand_downwards.1: mmap_sem is taken for reading only: this is a page fault below a
        // stack, and the one change of a VMA that comes beside other faults. [S3.16]
        let mm = self.mm_struct(mm);
        let alone = self.rules().expand_lock == ExpandLock::MmapSem;
        if alone {
            mm.mmap_sem.down_write();
        } else {
            mm.mmap_sem.down_read();
        }
        // expand_downwards.2: The VMA is looked up, and whether there is room below it.
        let below = self.find_vma(mm, start).filter(|vma| self.is_free_below(mm, vma, to));
        let done = below.is_some_and(|vma| self.grow_down(mm, vma, to).unwrap_or(false));
        // expand_downwards.8: mmap_sem is let go of.
        if alone {
            mm.mmap_sem.up_write();
        } else {
            mm.mmap_sem.up_read();
        }
        done
    }

    /// The middle of `expand_downwards`. Called with `mmap_sem` held.
    fn grow_down(&self, mm: &Mm, vma: &Vma, to: Addr) -> Result<bool, Errno> {
        // expand_downwards.3: The VMA gets an anon_vma if it has none: without one there would be
        // no lock to take. [S3.16]
        self.anon_vma_prepare(vma)?;
        // expand_downwards.4: The root's lock keeps out walks, and other threads below the same
        // stack. [S3.16]
        let locked = match self.rules().expand_lock {
            ExpandLock::Nothing => None,
            ExpandLock::AnonVma | ExpandLock::PageTable | ExpandLock::MmapSem => {
                vma.anon_vma.read().map(|anon_vma| self.anon_vma_lock(anon_vma))
            }
        };
        // expand_downwards.5: The page-table lock keeps out who lets another VMA of the process
        // grow.
        let faults = self.rules().expand_lock == ExpandLock::PageTable;
        if faults {
            mm.page_table_lock.lock();
        }
        // Somebody else may have let it grow that far meanwhile.
        // expand_downwards.6: If nobody else has let it grow that far meanwhile, vm_start and
        // vm_pgoff go down, one after the other. [S3.16, RMAP-2]
        let grows = to < vma.vm_start.read();
        if grows {
            // Another thread may be half-way through the same (rule [`ExpandLock`]): the kernel's
            // words wrap around.
            let grow = vma.vm_start.read().wrapping_sub(to);
            vma.vm_start.write(to);
            vma.vm_pgoff.write(vma.vm_pgoff.read().wrapping_sub(grow));
        }
        // expand_downwards.7: Both locks are let go of.
        if faults {
            mm.page_table_lock.unlock();
        }
        if let Some(locked) = locked {
            self.anon_vma_unlock(locked);
        }
        Ok(grows)
    }

    /// Does no other VMA end above `to` and below `vma`? Called with `mmap_sem` held.
    pub(super) fn is_free_below(&self, mm: &Mm, vma: &Vma, to: Addr) -> bool {
        let list = mm.mmap.read();
        let below = list.iter().take_while(|&&other| other != vma.id()).last();
        below.is_none_or(|&below| self.vma(below).vm_end.read() <= to)
    }

    /// See [`Process::mmu_notifier_register`](super::Process::mmu_notifier_register). Takes
    /// `mmap_sem` for writing.
    pub(super) fn mmu_notifier_register(&self, mm: MmRef) -> bool {
        call!("mmu_notifier_register({mm})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let locked = self.mm_take_all_locks(mm);
        mm.mmap_sem.up_write();
        locked > 0
    }

    /// Locks every anon_vma, newest first, and unlocks them again. Called with `mmap_sem` held for
    /// writing. Kernel: `mm_take_all_locks`, 2.6.34, and `mm_drop_all_locks`. Returns how many
    /// there are.
    fn mm_take_all_locks(&self, mm: &Mm) -> usize {
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
        for &locker in &taken {
            self.anon_vma(locker).lock.unlock();
        }
        taken.len()
    }
}
