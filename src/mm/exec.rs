//! exec: the arguments are put on a stack at the top, which moves to where it is to be when that is
//! known.

use std::ops::Range;

use super::{Addr, Errno, Mm, MmRef, Vma, World};
use crate::call;
use crate::spec::TemporaryStack;
use crate::sync::{self, Mark};

#[sync::forgets]
impl World {
    /// Until 2.6.22 exec mapped the pages of the arguments where they are to be, and moved nothing.
    #[track_caller]
    pub(super) fn refuse_without_temporary_stack(&self, what: &str) {
        if self.rules().temporary_stack == TemporaryStack::None {
            sync::inapplicable(&format!(
                "{what} needs a stack that moves, and this protocol has temporary_stack=none, as \
                 kernels until 2.6.22"
            ));
        }
    }

    /// See [`Process::bprm_mm_init`](super::Process::bprm_mm_init). Kernel: the same name, and the
    /// growing of the stack in `copy_strings`. Takes `mmap_sem` for writing. True if anything was
    /// done.
    pub(super) fn bprm_mm_init(&self, mm: MmRef, range: Range<Addr>) -> bool {
        call!("bprm_mm_init({mm}, {range:?})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let made = mm.mmap.read().is_empty() && self.memory_is_left();
        if made {
            let vma = self.vma_alloc_stack(mm.id(), range);
            self.vma_link(mm, vma);
        }
        mm.mmap_sem.up_write();
        made
    }

    /// See [`Process::setup_arg_pages`](super::Process::setup_arg_pages). Takes `mmap_sem` for
    /// writing. Kernel: the same name; that the stack grows afterwards, is
    /// [`Process::expand_downwards`](super::Process::expand_downwards).
    pub(super) fn setup_arg_pages(
        &self,
        mm: MmRef,
        range: Range<Addr>,
        to: Addr,
    ) -> Result<(), Errno> {
        call!("setup_arg_pages({mm}, {range:?} → {to})");
        let mm = self.mm_struct(mm);
        mm.mmap_sem.down_write();
        let vma = self
            .find_vma(mm, range.start)
            .filter(|vma| vma.vm_start.read() == range.start && vma.vm_end.read() == range.end);
        let stack = vma.and_then(|vma| {
            Some((vma, vma.exec_stack.as_ref().filter(|stack| !stack.moved.read())?))
        });
        let moved = stack.ok_or(Errno::Efault).and_then(|(vma, stack)| {
            self.shift_arg_pages(mm, vma, range.start - to)?;
            *stack.moved.write() = true;
            if let Some(incomplete) = &stack.incomplete {
                incomplete.write(false); // no lock but mmap_sem: everything has moved
            }
            Ok(())
        });
        mm.mmap_sem.up_write();
        moved
    }

    /// Moves the stack down, and the entries with it. Where memory runs out for a page table, some
    /// have moved and some have not: exec fails, and the end of the process removes both. Called
    /// with `mmap_sem` held for writing. Kernel: the same name, `relocate_vma_down` since 6.12.
    ///
    /// The offset stays: an index that was true of the old place is true of the new one from the
    /// moment when `vm_start` is written.
    fn shift_arg_pages(&self, mm: &Mm, vma: &Vma, shift: Addr) -> Result<(), Errno> {
        let (old_start, old_end, pgoff) =
            (vma.vm_start.read(), vma.vm_end.read(), vma.vm_pgoff.read());
        let (new_start, new_end, length) =
            (old_start - shift, old_end - shift, old_end - old_start);
        if !self.is_free_below(mm, vma, new_start) {
            return Err(Errno::Efault);
        }
        let rule = self.rules().temporary_stack;
        // vma_adjust would take it again.
        let locked = if rule == TemporaryStack::Locked {
            vma.anon_vma.read().map(|anon_vma| self.anon_vma_lock(anon_vma))
        } else {
            None
        };
        if locked.is_some() {
            vma.anon_vma.write(None);
        }
        let two = matches!(rule, TemporaryStack::TwoVmas | TemporaryStack::TwoVmasInOrder);
        let tmp_vma = if two { Some(self.copy_stack_vma(vma, new_start)?) } else { None };
        vma.shifts(shift);
        match rule {
            TemporaryStack::TwoVmasInOrder => {}
            TemporaryStack::TwoVmas => {
                self.under_anon_vma_lock(vma, || vma.vm_start.write(new_start))
            }
            _ => self.vma_adjust(mm, vma, new_start, old_end, pgoff, None),
        }
        let locks = rule == TemporaryStack::LockedMoves;
        let len =
            self.move_page_tables(mm, (vma, old_start), (vma, new_start), length, locks, true);
        let moved = len == length;
        if let Some(tmp_vma) = tmp_vma {
            if rule == TemporaryStack::TwoVmasInOrder {
                vma.vm_start.write(new_start);
            }
            self.unlink_anon_vmas(tmp_vma);
            self.vma_free(tmp_vma);
        }
        if moved {
            sync::mark(Mark::EXEC_MOVED_STACK);
            let left = new_end.max(old_start);
            self.shadow_move_left(mm, left..old_end, left - shift);
            if two {
                vma.vm_end.write(new_end);
            } else {
                self.vma_adjust(mm, vma, new_start, new_end, pgoff, None);
            }
        } else if len > 0 {
            sync::mark(Mark::EXEC_FAILED);
        }
        if let Some(anon_vma) = locked {
            vma.anon_vma.write(Some(anon_vma));
            self.anon_vma_unlock(anon_vma);
        }
        if moved { Ok(()) } else { Err(Errno::Enomem) }
    }

    /// The second VMA that exec has while entries move (rule [`TemporaryStack`]), on the lists that
    /// the first is on, and not in the address space.
    fn copy_stack_vma(&self, vma: &Vma, new_start: Addr) -> Result<&Vma, Errno> {
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let in_order = self.rules().temporary_stack == TemporaryStack::TwoVmasInOrder;
        let start = if in_order { new_start } else { vma.vm_start.read() };
        let tmp_vma = self.vma_alloc(vma.mm, start, vma.vm_end.read(), vma.vm_pgoff.read());
        self.anon_vma_clone(tmp_vma, vma);
        tmp_vma.anon_vma.write(vma.anon_vma.read());
        Ok(tmp_vma)
    }

    fn under_anon_vma_lock(&self, vma: &Vma, write: impl FnOnce()) {
        let locked = vma.anon_vma.read().map(|anon_vma| self.anon_vma_lock(anon_vma));
        write();
        if let Some(locked) = locked {
            self.anon_vma_unlock(locked);
        }
    }
}
