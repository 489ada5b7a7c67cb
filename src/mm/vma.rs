//! Virtual memory areas, and how they are adjusted.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::Ordering::Acquire;

use super::page::linear_page_index;
use super::{Addr, Errno, Mm, MmRef, PageRef, World};
use crate::spec::{
    AnonVmaLink, Clause, Recount, RmapWalkLock, StaleEntry, TemporaryStack, UnuseSem, VmEndLock,
    VmaAdjustLock,
};
use crate::sync::{self, Ghost, Mark, Name, Plain, RetryLoop, SlabRef, State, Word};
use crate::{call, note};

/// A VMA, by number. Never reused within an execution.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VmaRef(pub(super) u32);

/// The VMA that document 1's fifth version put on the list of an anon_vma so that the list would
/// not become empty.
pub(super) const DUMMY_VMA: VmaRef = VmaRef(u32::MAX);

impl fmt::Display for VmaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == DUMMY_VMA { f.write_str("dummy") } else { write!(f, "vma{}", self.0) }
    }
}

/// A virtual memory area. Kernel: `struct vm_area_struct`.
///
/// `vm_start`, `vm_end` and `vm_pgoff` are three separate words, written one by one: that they can
/// be read half-moved is claim S3.1. Written under `mmap_sem` held for writing, and the anon_vma
/// lock where the rule [`VmaAdjustLock`] says so; by `expand_downwards` under `mmap_sem` held for
/// reading and the anon_vma lock. Read under either.
pub struct Vma {
    id: VmaRef,
    /// Whose.
    pub mm: MmRef,
    /// First address.
    pub vm_start: Word<u64>,
    /// First address after it.
    pub vm_end: Word<u64>,
    /// Linear page offset of `vm_start`. `vm_start - vm_pgoff` never changes, whatever is split or
    /// moved, but when exec moves its stack down.
    pub vm_pgoff: Word<u64>,
    /// May user code store there? Kernel: `VM_WRITE` in `vma->vm_flags`. Under `mmap_sem`.
    pub(super) vm_write: Plain<bool>,
    /// The anon_vma of pages first touched here. Set once: by a fault under the page-table lock,
    /// since those of two threads run side by side, else under `mmap_sem` held for writing.
    pub anon_vma: Word<Option<SlabRef>>,
    /// Every anon_vma whose list this VMA is on, newest first. Kernel: `vma->anon_vma_chain`. Under
    /// `mmap_sem` for writing, or the page-table lock.
    pub(super) anon_vma_chain: Plain<Vec<SlabRef>>,
    /// What there is besides, if exec has made it.
    pub(super) exec_stack: Option<ExecStack>,
    /// `vm_start - vm_pgoff`, which no adjustment changes but exec's. The checker's, as what
    /// follows.
    linear: u64,
    freed: Ghost<bool>,
}

/// What is peculiar to the stack of an exec.
pub(super) struct ExecStack {
    /// Has exec yet to move it to where it is to be? Written under `mmap_sem`, read by walks;
    /// `None` where nobody asks (rule [`TemporaryStack`]). Kernel: `VM_STACK_INCOMPLETE_SETUP`, in
    /// `vma->vm_flags`.
    pub(super) incomplete: Option<Word<bool>>,
    /// exec moves it once. Under `mmap_sem`.
    pub(super) moved: Plain<bool>,
    /// So far down it moves, with its pages, whose index stays. The checker's.
    shifted: Ghost<Addr>,
}

impl fmt::Display for Vma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[sync::forgets]
impl Vma {
    /// Which one it is.
    pub fn id(&self) -> VmaRef {
        self.id
    }

    /// Is it still somebody's? For audits and pictures only.
    pub fn in_use(&self) -> bool {
        self.freed.peek(|freed| !freed)
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        if state.forgets() && !self.in_use() {
            return;
        }
        self.vm_start.see(state);
        self.vm_end.see(state);
        self.vm_pgoff.see(state);
        self.vm_write.see(state);
        self.anon_vma.see(state);
        self.anon_vma_chain.see(state);
        if let Some(stack) = &self.exec_stack {
            stack.moved.see(state);
            stack.shifted.see(state);
            stack.incomplete.iter().for_each(|incomplete| incomplete.see(state));
        }
        self.freed.see(state);
    }

    /// May an entry that is to be writable be so here? Called with `mmap_sem` held. Kernel:
    /// `maybe_mkwrite`.
    pub(super) fn maybe_mkwrite(&self, write: bool) -> bool {
        write && self.vm_write.read()
    }

    /// Has this VMA the same anon_vma as the other, or one of them none? Called with `mmap_sem`
    /// held for writing. Kernel: what `is_mergeable_anon_vma` asks about the two neighbours of a
    /// new area, and until 2.6.39 about a VMA and its neighbour.
    pub(super) fn may_share_anon_vma(&self, other: &Vma) -> bool {
        match (self.anon_vma.read(), other.anon_vma.read()) {
            (Some(one), Some(another)) => one.same_object(another),
            _ => true,
        }
    }

    /// The address at which this VMA would map `page`; `Efault` when the page lies outside. Kernel:
    /// `vma_address`.
    ///
    /// Called with the anon_vma lock held, and nothing else that keeps the three words together
    /// ([RMAP-2]).
    pub fn vma_address(&self, world: &World, page: PageRef) -> Result<Addr, Errno> {
        let counted = world.rules().rmap_walk_lock == RmapWalkLock::SeqCount;
        let anon_vma = if counted { self.anon_vma.read() } else { None };
        let Some(seq) = anon_vma.map(|anon_vma| &world.anon_vma(anon_vma).seq) else {
            return self.vma_address_now(world, page);
        };
        let retries = RetryLoop::new();
        loop {
            retries.round(|| world.fingerprint());
            // smp_rmb in read_seqcount_begin and read_seqcount_retry
            let before = seq.load(Acquire);
            if before % 2 == 0 {
                let address = self.vma_address_now(world, page);
                sync::fence(Acquire);
                if seq.read() == before {
                    return address;
                }
            }
        }
    }

    /// Are these a start and an offset that were ever this VMA's at the same time?
    pub(super) fn fit_together(&self, start: Addr, pgoff: u64) -> bool {
        let linear = start.wrapping_sub(pgoff);
        linear == self.linear
            || self
                .exec_stack
                .as_ref()
                .is_some_and(|stack| linear == self.linear.wrapping_sub(stack.shifted.get()))
    }

    /// exec is about to move it down, and its offset stays. The checker's.
    pub(super) fn shifts(&self, by: Addr) {
        if let Some(stack) = &self.exec_stack {
            stack.shifted.change(|shifted| *shifted = by);
        }
    }

    /// Must migration leave alone what is in it? Called with the anon_vma locked. Kernel:
    /// `is_vma_temporary_stack`, since 2.6.35.
    pub(super) fn is_temporary_stack(&self) -> bool {
        let marked = self.exec_stack.as_ref().and_then(|stack| stack.incomplete.as_ref());
        // Not `Word::read` itself: it would not know who calls it.
        marked.is_some_and(|marked| marked.read())
    }

    fn vma_address_now(&self, world: &World, page: PageRef) -> Result<Addr, Errno> {
        // vma_address.1: page->index, vm_start and vm_pgoff are read one after the other, and the
        // address is their sum: what keeps them together is the anon_vma lock alone. [S3.1, RMAP-2]
        let index = world.page(page).index.read();
        let (start, pgoff) = (self.vm_start.read(), self.vm_pgoff.read());
        let addr = start.wrapping_add(index).wrapping_sub(pgoff);
        // vma_address.2: vm_end is read: an address outside the VMA is none, and the walk goes on
        // to the next. [S3.9]
        let end = self.vm_end.read();
        let whole = self.fit_together(start, pgoff);
        let rules = world.rules();
        // These notice afterwards that a walk was wrong.
        let put_right = rules.rmap_walk_lock == RmapWalkLock::SeqCount
            || rules.stale_entry == StaleEntry::MapNewReferenced
            || rules.recount == Recount::WalkAgain;
        if !put_right {
            sync::clause(Clause::RMAP_2, whole, || {
                format!(
                    "{self} is seen as vm_start {start}, vm_end {end}, vm_pgoff {pgoff}: \
                     half-moved"
                )
            });
        }
        if addr < start || addr >= end {
            sync::mark(Mark::VMA_ADDRESS_EFAULT);
            note!("vma_address({page}, {self}) = {addr}, outside [{start}, {end}) → -EFAULT");
            return Err(Errno::Efault);
        }
        sync::mark(if whole { Mark::VMA_ADDRESS_RIGHT } else { Mark::VMA_ADDRESS_WRONG });
        note!("vma_address({page}, {self}) = {addr}");
        Ok(addr)
    }
}

#[sync::forgets]
impl World {
    /// A VMA of `mm` that is in no list yet. Kernel: `kmem_cache_alloc(vm_area_cachep)`.
    pub(super) fn vma_alloc(&self, mm: MmRef, start: Addr, end: Addr, pgoff: u64) -> &Vma {
        self.vma_alloc_as(mm, start, end, pgoff, |_| None)
    }

    /// The same for the stack of an exec, at an offset that is its address.
    pub(super) fn vma_alloc_stack(&self, mm: MmRef, range: Range<Addr>) -> &Vma {
        let marked = self.rules().temporary_stack == TemporaryStack::Marked;
        self.vma_alloc_as(mm, range.start, range.end, range.start, |id| {
            let incomplete =
                marked.then(|| Word::new(Name::new("vma%a.stack_incomplete", id, 0), true));
            let moved = Plain::new(Name::new("vma%a.stack_moved", id, 0), false);
            Some(ExecStack {
                incomplete,
                moved,
                shifted: Ghost::new(Name::new("vma%a.shifted", id, 0), 0),
            })
        })
    }

    fn vma_alloc_as(
        &self,
        mm: MmRef,
        start: Addr,
        end: Addr,
        pgoff: u64,
        stack: impl FnOnce(u32) -> Option<ExecStack>,
    ) -> &Vma {
        self.vmas.push_with(|id| {
            let name = |pattern| Name::new(pattern, id, 0);
            Vma {
                id: VmaRef(id),
                mm,
                vm_start: Word::new(name("vma%a.vm_start"), start),
                vm_end: Word::new(name("vma%a.vm_end"), end),
                vm_pgoff: Word::new(name("vma%a.vm_pgoff"), pgoff),
                vm_write: Plain::new(name("vma%a.vm_write"), true),
                anon_vma: Word::new(name("vma%a.anon_vma"), None),
                anon_vma_chain: Plain::new(Name::new("vma%a.anon_vma_chain", id, 0), Vec::new()),
                exec_stack: stack(id),
                linear: start.wrapping_sub(pgoff),
                freed: Ghost::new(name("vma%a.freed"), false),
            }
        })
    }

    /// Kernel: `kmem_cache_free(vm_area_cachep)`.
    pub(super) fn vma_free(&self, vma: &Vma) {
        vma.freed.change(|freed| *freed = true);
        note!("free {vma}");
    }

    /// Follows a pointer to a VMA that only a list keeps ([LIFE-3]).
    pub(super) fn listed_vma(&self, vma: VmaRef) -> &Vma {
        let vma = self.vma(vma);
        let freed = vma.freed.get();
        sync::clause(Clause::LIFE_3, !freed, || format!("{vma} is used, but it has been freed"));
        vma
    }

    /// The VMA.
    pub fn vma(&self, vma: VmaRef) -> &Vma {
        &self.vmas[vma.0]
    }

    /// The VMA that contains `addr`. Called with `mmap_sem` held. Kernel: `find_vma`, which also
    /// returns a later one.
    pub fn find_vma(&self, mm: &Mm, addr: Addr) -> Option<&Vma> {
        mm.mmap_sem.assert_held();
        let covers = |vma: &Vma| vma.vm_start.read() <= addr && addr < vma.vm_end.read();
        let found =
            sync::learns_only(|| mm.mmap.read().iter().copied().find(|&vma| covers(self.vma(vma))));
        found.map(|vma| self.vma(vma))
    }

    /// Puts `vma` into the list. Called with `mmap_sem` held for writing. Kernel:
    /// `__insert_vm_struct`.
    pub(super) fn insert_vm_struct(&self, mm: &Mm, vma: &Vma) {
        mm.mmap_sem.assert_write_held();
        self.link_vma(mm, vma);
    }

    /// The same, and takes what keeps swapoff from the list besides. Kernel: the same name.
    pub(super) fn vma_link(&self, mm: &Mm, vma: &Vma) {
        self.changing_vmas(mm, || self.insert_vm_struct(mm, vma));
    }

    /// Changes the list of VMAs: until swapoff took `mmap_sem`, under the page-table lock too (rule
    /// [`UnuseSem`]). Called with `mmap_sem` held for writing.
    pub(super) fn changing_vmas(&self, mm: &Mm, change: impl FnOnce()) {
        let page_table = self.rules().unuse_sem == UnuseSem::Nothing;
        if page_table {
            mm.page_table_lock.lock();
        }
        change();
        if page_table {
            mm.page_table_lock.unlock();
        }
    }

    /// Puts `vma` into the list. Called with whatever keeps others from it.
    pub(super) fn link_vma(&self, mm: &Mm, vma: &Vma) {
        let mut list = mm.mmap.read().to_vec();
        list.push(vma.id);
        list.sort_by_key(|&vma| self.vma(vma).vm_start.read());
        mm.mmap.publish(list);
    }

    /// Moves the boundaries of `vma` to `start`, `end` and `pgoff`, and inserts `insert` beside it
    /// or moves the next VMA's start along; if nothing is left of the next VMA, that goes. Called
    /// with `mmap_sem` held for writing. Kernel: `vma_adjust`, mm/mmap.c.
    ///
    /// The words are written one by one, in the order vm_start, vm_end, vm_pgoff, next's vm_start,
    /// next's vm_pgoff. What keeps a walker out meanwhile is the rule [`VmaAdjustLock`] (claims
    /// S3.1-S3.9).
    pub fn vma_adjust(
        &self,
        mm: &Mm,
        vma: &Vma,
        start: Addr,
        end: Addr,
        pgoff: u64,
        insert: Option<&Vma>,
    ) {
        call!("vma_adjust({vma}, start {start}, end {end})");
        mm.mmap_sem.assert_write_held();
        self.refuse_shared(start, "vma_adjust");
        // vma_adjust.1: If the boundary moves into the next VMA, or away from it, that VMA moves
        // along.
        let next = if insert.is_none() { self.next_vma(mm, vma) } else { None };
        // The boundary between the two moves: up into the next VMA, or down into this one.
        let adjust_next = next.filter(|next| {
            end > next.vm_start.read()
                || (end < vma.vm_end.read() && next.vm_start.read() == vma.vm_end.read())
        });
        // vma_adjust.2: The VMA that gains the range, if it has no anon_vma, is linked to those of
        // the one that loses it, before a word moves: every walk finds the pages in one of the two.
        // [S3.5, S3.8]
        if let Some(next) = adjust_next {
            let (importer, exporter) =
                if end > next.vm_start.read() { (vma, next) } else { (next, vma) };
            if exporter.anon_vma.read().is_some() && importer.anon_vma.read().is_none() {
                self.anon_vma_clone(importer, exporter);
                importer.anon_vma.write(exporter.anon_vma.read());
            }
        }

        let remove_next = adjust_next.filter(|next| end == next.vm_end.read());

        // vma_adjust.3: The root's lock is taken, of the VMA's anon_vma or the next one's: a walk
        // that holds it sees the words as they were or as they will be. [S3.1, S3.2, S3.7, S3.9]
        let moves_start = insert.is_some() || adjust_next.is_some() || start != vma.vm_start.read();
        let lock = moves_start || self.rules().vm_end_lock == VmEndLock::Always;
        let anon_vma = match self.rules().vma_adjust_lock {
            _ if !lock => None,
            VmaAdjustLock::Nothing => None,
            VmaAdjustLock::Vma => vma.anon_vma.read(),
            VmaAdjustLock::VmaOrNext => {
                vma.anon_vma.read().or_else(|| adjust_next.and_then(|next| next.anon_vma.read()))
            }
        };
        let locked = anon_vma.map(|anon_vma| match self.rules().rmap_walk_lock {
            RmapWalkLock::RootByWalk => self.anon_vma_lock_root(anon_vma),
            _ => self.anon_vma_lock(anon_vma),
        });
        let seq = anon_vma
            .filter(|_| self.rules().rmap_walk_lock == RmapWalkLock::SeqCount)
            .map(|anon_vma| &self.anon_vma(anon_vma).seq);
        if let Some(seq) = seq {
            seq.update(|seq| seq + 1);
        }
        // Until swapoff took mmap_sem, what it walks changed under the page-table lock.
        let page_table = self.rules().unuse_sem == UnuseSem::Nothing;
        if page_table {
            mm.page_table_lock.lock();
        }
        // vma_adjust.4: vm_start, vm_end and vm_pgoff are written one by one, and then those of the
        // next VMA. [RMAP-2, S3.1]
        self.move_vma_words(vma, start, end, pgoff, adjust_next.filter(|_| remove_next.is_none()));
        // vma_adjust.5: A new VMA goes into the list of VMAs before any lock is let go of: nobody
        // who holds one of them sees the range without it.
        if let Some(insert) = insert {
            self.insert_vm_struct(mm, insert);
        }
        // vma_adjust.6: A next VMA of which nothing is left leaves the list of VMAs.
        if let Some(next) = remove_next {
            mm.mmap.publish(mm.mmap.read().iter().copied().filter(|&vma| vma != next.id).collect());
            if !self.chained() && locked.is_some() {
                self.unlink_anon_vma_locked(next);
            }
        }
        if page_table {
            mm.page_table_lock.unlock();
        }
        if let Some(seq) = seq {
            seq.update(|seq| seq + 1);
        }
        // vma_adjust.7: The root's lock is let go of.
        if let Some(locked) = locked {
            self.anon_vma_unlock(locked);
        }
        // vma_adjust.8: A next VMA of which nothing is left leaves the lists of its anon_vmas, and
        // is freed. [LIFE-3]
        if let Some(next) = remove_next {
            self.unlink_anon_vmas(next);
            self.vma_free(next);
        }
    }

    /// The words, one by one.
    fn move_vma_words(
        &self,
        vma: &Vma,
        start: Addr,
        end: Addr,
        pgoff: u64,
        adjust_next: Option<&Vma>,
    ) {
        if start != vma.vm_start.read() {
            vma.vm_start.write(start);
        }
        if end != vma.vm_end.read() {
            vma.vm_end.write(end);
        }
        if pgoff != vma.vm_pgoff.read() {
            vma.vm_pgoff.write(pgoff);
        }
        if let Some(next) = adjust_next {
            let by = end.wrapping_sub(next.vm_start.read());
            next.vm_start.write(next.vm_start.read().wrapping_add(by));
            next.vm_pgoff.write(next.vm_pgoff.read().wrapping_add(by));
        }
    }

    pub(super) fn next_vma(&self, mm: &Mm, vma: &Vma) -> Option<&Vma> {
        let list = mm.mmap.read();
        let at = list.iter().position(|&v| v == vma.id)?;
        list.get(at + 1).map(|&next| self.vma(next))
    }

    /// Cuts `vma` in two at `addr`; an error if no memory is left. Called with `mmap_sem` held for
    /// writing. Kernel: `__split_vma`.
    ///
    /// With `new_below`, the new VMA is the lower half, and `vma` keeps the upper one: its
    /// `vm_start` and `vm_pgoff` move.
    pub(super) fn __split_vma(
        &self,
        mm: &Mm,
        vma: &Vma,
        addr: Addr,
        new_below: bool,
    ) -> Result<(), Errno> {
        // __split_vma.1: The new VMA is a copy of the old one's half; it is in no list yet.
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let (start, end, pgoff) = (vma.vm_start.read(), vma.vm_end.read(), vma.vm_pgoff.read());
        let offset = linear_page_index(start, pgoff, addr);
        let new = if new_below {
            self.vma_alloc(mm.id(), start, addr, pgoff)
        } else {
            self.vma_alloc(mm.id(), addr, end, offset)
        };
        *new.vm_write.write() = vma.vm_write.read();
        // __split_vma.2: It is linked to every anon_vma of the old one, before that one gives the
        // half up: every walk finds the pages in one of the two. Then the boundaries move, and the
        // new VMA goes into the list (vma_adjust); where it is the lower half, the old one's start
        // moves, and its offset with it. [S3.1]
        self.anon_vma_clone(new, vma);
        new.anon_vma.write(vma.anon_vma.read());
        if new_below {
            self.vma_adjust(mm, vma, addr, end, offset, Some(new));
        } else {
            self.vma_adjust(mm, vma, start, addr, pgoff, Some(new));
        }
        Ok(())
    }

    /// Is the family's link a chain of anon_vmas?
    pub(super) fn chained(&self) -> bool {
        self.rules().anon_vma_link == AnonVmaLink::Chained
    }
}
