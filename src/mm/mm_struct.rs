//! Address spaces.

use std::fmt;
use std::sync::OnceLock;

use super::shadow::ShadowCell;
use super::{Addr, AnonmmRef, Pte, PteLocation, TASK_SIZE, VmaRef, World};
use crate::sync::{
    self, Fixed, Lifetime, Mark, MmuWord, Name, Plain, Published, RwSem, SpinLock, State, Word,
    made_by_whoever_comes_first,
};

/// An address space, by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MmRef(u32);

impl MmRef {
    /// Its number.
    pub fn id(self) -> u32 {
        self.0
    }
}

impl fmt::Display for MmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mm{}", self.0)
    }
}

/// An address space. Kernel: `struct mm_struct`.
pub struct Mm {
    id: MmRef,
    /// Write: the list of VMAs changes. Read: it does not, and pages may be faulted in.
    pub mmap_sem: RwSem,
    /// Protects every page-table entry of this address space.
    pub page_table_lock: SpinLock<()>,
    /// Kernel: `mm->mm_users`: its process, and whoever looks at it from outside for a while. The
    /// last one ends it.
    pub(super) mm_users: Word<i64>,
    /// Kernel: `!list_empty(&mm->mmlist)`: it is on the list of those that may have something on
    /// swap. Changed under `mmlist_lock`; looked at without.
    pub(super) on_mmlist: Word<bool>,
    /// Odd while fork write-protects (rule [`GupFast`](crate::spec::GupFast)). Kernel: the same
    /// name, since 5.11, and in 5.10 as its stable releases have it.
    pub(super) write_protect_seq: Word<u64>,
    /// A device was given a page by it, once: else fork copies none (rule
    /// [`Gup`](crate::spec::Gup)). Kernel: `mm->has_pinned`, since 5.9; `MMF_HAS_PINNED` since
    /// 5.14.
    pub(super) has_pinned: Word<bool>,
    /// Reclaim has cleared entries of it, and may not have waited yet for who goes through them
    /// (rule [`UnmapFlush`](crate::spec::UnmapFlush)). Kernel: the same name, since 4.13. Under the
    /// page-table lock.
    pub(super) tlb_flush_batched: Word<bool>,
    /// So many are clearing entries of it with `mmap_sem` held for reading, and have not flushed
    /// yet (rule [`GatherNested`](crate::spec::GatherNested)). Kernel: the same name, since 4.13.
    pub(super) tlb_flush_pending: Word<i64>,
    /// A fork has failed to make it, and what comes behind its VMAs is no VMA (rule
    /// [`ForkFailed`](crate::spec::ForkFailed)). Kernel: `XA_ZERO_ENTRY`, since 6.8, and
    /// `MMF_UNSTABLE`. Under `mmap_sem`.
    pub(super) half_made: Word<bool>,
    /// Its process may not run: memory hot-removal has suspended it (rule
    /// [`UnmapCheck`](crate::spec::UnmapCheck)). No kernel has it.
    pub(super) suspended: Word<bool>,
    /// What is in it is locked into memory: reclaim leaves it there. Kernel: `VM_LOCKED`, in every
    /// VMA.
    pub(super) mlocked: Fixed<bool>,
    /// What its pages belong to, until it exits (rule [`Rmap`](crate::spec::Rmap)). Kernel:
    /// `mm->anonmm`.
    pub(super) anonmm: Plain<Option<AnonmmRef>>,
    /// The checker's, of its process: once that has exited, it calls no system any more.
    pub(super) process: Lifetime,
    /// The VMAs, by address. Kernel: `mm->mmap`. Replaced under `mmap_sem` held for writing; here,
    /// as in old kernels, under nothing when the address space ends: nobody else has it any more.
    pub(super) mmap: Published<Vec<VmaRef>>,
    /// Not in here: loom's coroutines have small stacks.
    ptes: Box<[OnceLock<PteCell>]>,
}

/// A page-table entry, and what the checker knows of the memory there.
pub(super) struct PteCell {
    pub(super) pte: MmuWord<Pte>,
    pub(super) shadow: ShadowCell,
}

impl Mm {
    fn new(id: u32) -> Self {
        let name = |pattern| Name::new(pattern, id, 0);
        Self {
            id: MmRef(id),
            mmap_sem: RwSem::new(name("mmap_sem(mm%a)")),
            page_table_lock: SpinLock::new(name("ptl(mm%a)"), ()),
            mm_users: Word::new(name("mm%a.mm_users"), 1),
            on_mmlist: Word::new(name("mm%a.on_mmlist"), false),
            write_protect_seq: Word::new(name("mm%a.write_protect_seq"), 0),
            has_pinned: Word::new(name("mm%a.has_pinned"), false),
            tlb_flush_batched: Word::new(name("mm%a.tlb_flush_batched"), false),
            tlb_flush_pending: Word::new(name("mm%a.tlb_flush_pending"), 0),
            half_made: Word::new(name("mm%a.half_made"), false),
            suspended: Word::new(name("mm%a.suspended"), false),
            mlocked: Fixed::new(false),
            anonmm: Plain::new(name("mm%a.anonmm"), None),
            process: Lifetime::new(),
            mmap: Published::new(name("mm%a.mmap"), Vec::new()),
            ptes: (0..TASK_SIZE).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> MmRef {
        self.id
    }

    fn cell(&self, addr: Addr) -> &PteCell {
        let at = PteLocation { mm: self.id, addr };
        let make = || PteCell { pte: at.word(), shadow: ShadowCell::new(at) };
        self.ptes[addr as usize]
            .get_or_init(|| made_by_whoever_comes_first(u64::from(self.id.0) << 32 | addr, make))
    }

    /// The entry for `addr`, to look at. Kernel: `pte_offset_map`.
    pub(super) fn pte(&self, addr: Addr) -> &MmuWord<Pte> {
        &self.cell(addr).pte
    }

    /// What the checker knows of the memory at `addr`.
    pub(super) fn shadow(&self, addr: Addr) -> &ShadowCell {
        &self.cell(addr).shadow
    }

    /// The entries that exist: for audits and pictures only.
    pub(super) fn peek_ptes(&self) -> impl Iterator<Item = (PteLocation, &PteCell)> {
        let at = |addr: usize| PteLocation { mm: self.id, addr: addr as Addr };
        self.ptes.iter().enumerate().filter_map(move |(addr, cell)| Some((at(addr), cell.get()?)))
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        self.mmap_sem.see(state);
        self.page_table_lock.see(state);
        self.mm_users.see(state);
        self.on_mmlist.see(state);
        self.write_protect_seq.see(state);
        self.has_pinned.see(state);
        self.half_made.see(state);
        self.tlb_flush_batched.see(state);
        self.tlb_flush_pending.see(state);
        self.suspended.see(state);
        self.anonmm.see(state);
        self.mmap.see(state);
        for (_, cell) in self.peek_ptes() {
            cell.pte.see(state);
            cell.shadow.see(state);
        }
    }
}

#[sync::forgets]
impl World {
    /// A new, empty address space. Kernel: `allocate_mm` and `mm_init`.
    pub(super) fn mm_alloc(&self) -> MmRef {
        self.mms.push_with(Mm::new).id()
    }

    /// The address space.
    pub fn mm_struct(&self, mm: MmRef) -> &Mm {
        &self.mms[mm.0]
    }

    /// One user less; the last one ends the address space. Kernel: `mmput`. Takes `mmlist_lock` if
    /// it was on that list, when it is empty; and lets go of the anonmm before.
    pub(super) fn mmput(&self, mm: &Mm) {
        if mm.mm_users.add_return(-1) > 0 {
            return;
        }
        self.exit_mmap(mm);
        self.exit_rmap(mm);
        // Without its lock: no entry is left on whose account it could go there.
        if mm.on_mmlist.read() {
            self.mmlist_lock.lock();
            self.mmlist_del(mm).for_each(|mm| mm.on_mmlist.write(false));
            self.mmlist_lock.unlock();
        }
    }

    /// Kernel: `list_del(&mm->mmlist)`. Called with `mmlist_lock` held. Returns who is on no list
    /// now: whoever is left alone on one that `init_mm` is not on is among them.
    fn mmlist_del<'a>(&'a self, mm: &'a Mm) -> impl Iterator<Item = &'a Mm> {
        let mut lists = self.mmlist_lock.data();
        lists.iter_mut().for_each(|list| list.retain(|&other| other != mm.id));
        let alone = lists.iter().skip(1).position(|list| list.len() == 1).map(|at| at + 1);
        let alone = alone.and_then(|at| lists.remove(at).pop());
        [mm].into_iter().chain(alone.map(|alone| self.mm_struct(alone)))
    }

    /// Something of `mm` is on swap from here on, so swapoff must look at it: puts it on the list
    /// of `after`, behind that, or first on that of `init_mm`. Called with the page-table lock held.
    /// Kernel: in `try_to_unmap_one` and `copy_one_pte` (2.6.11, 2.6.24). Takes `mmlist_lock` if it
    /// is on no list yet.
    pub(super) fn mmlist_add(&self, mm: &Mm, after: Option<&Mm>) {
        // Without its lock: on the list it stays as long as it has entries, and the caller keeps
        // this one there.
        if mm.on_mmlist.read() {
            return;
        }
        self.mmlist_lock.lock();
        if !mm.on_mmlist.read() {
            let place = |lists: &[Vec<MmRef>], after: &Mm| {
                let on = |list: &Vec<MmRef>| list.iter().position(|&other| other == after.id);
                lists.iter().enumerate().find_map(|(list, mms)| Some((list, on(mms)? + 1)))
            };
            let mut lists = self.mmlist_lock.data();
            let behind = after.map(|after| (after, place(&lists, after)));
            let joins = match behind {
                None => {
                    lists[0].insert(0, mm.id);
                    [Some(mm), None]
                }
                Some((_, Some((list, at)))) => {
                    lists[list].insert(at, mm.id);
                    [Some(mm), None]
                }
                // Both are on a list now, which nobody begins to go along.
                Some((after, None)) => {
                    sync::mark(Mark::MMLIST_STRAYS);
                    lists.push(vec![after.id, mm.id]);
                    [Some(mm), Some(after)]
                }
            };
            drop(lists);
            joins.into_iter().flatten().for_each(|mm| mm.on_mmlist.write(true));
        }
        self.mmlist_lock.unlock();
    }

    /// The first address space on the list behind `after` that has users, with one user more.
    /// Kernel: the step through `mmlist` in `try_to_unuse`. Takes `mmlist_lock`.
    pub(super) fn next_mm(&self, after: Option<&Mm>) -> Option<&Mm> {
        self.mmlist_lock.lock();
        let lists = self.mmlist_lock.with(Clone::clone);
        let list = &lists[0];
        // Whoever is looked at is on the list: it has a user.
        let at = after
            .and_then(|after| list.iter().position(|&other| other == after.id))
            .map_or(0, |at| at + 1);
        let next =
            list[at..].iter().map(|&mm| self.mm_struct(mm)).find(|mm| mm.mm_users.inc_not_zero());
        self.mmlist_lock.unlock();
        next
    }

    /// Changes a page-table entry; returns the one before. Kernel: `set_pte_at`,
    /// `ptep_clear_flush`. Called with the page-table lock held.
    ///
    /// What clauses know of the entries that name a page never runs ahead of the entries: one is
    /// taken off before, and put on after.
    #[track_caller]
    pub(super) fn set_pte(&self, mm: &Mm, addr: Addr, pte: Pte) -> Pte {
        let at = self.own_pte_before(mm, addr, pte);
        let before = mm.pte(addr).write(pte);
        self.own_pte(at, pte);
        before
    }

    /// The same, and loads go on through the entry as it was until
    /// [`flush_tlb_page`](Self::flush_tlb_page) has waited for them. Kernel: `ptep_get_and_clear`,
    /// `ptep_set_wrprotect`.
    #[track_caller]
    pub(super) fn set_pte_unflushed(&self, mm: &Mm, addr: Addr, pte: Pte) -> Pte {
        let at = self.own_pte_before(mm, addr, pte);
        let before = mm.pte(addr).write_unflushed(pte);
        self.own_pte(at, pte);
        before
    }

    /// The same, and so do stores, where the entry says already that it was stored to: hardware
    /// comes back to it for its dirty bit alone. Kernel: `ptep_get_and_clear` and
    /// `set_tlb_ubc_flush_pending`, in `try_to_unmap_one`.
    #[track_caller]
    pub(super) fn set_pte_unwaited(&self, mm: &Mm, addr: Addr, pte: Pte) -> Pte {
        let at = self.own_pte_before(mm, addr, pte);
        let before = mm.pte(addr).write_unwaited(pte);
        self.own_pte(at, pte);
        before
    }

    /// Nothing goes through the entry as it was before any more. Waits; nobody who is waited for
    /// takes a lock meanwhile. Kernel: the same name, or what flushes many at once.
    pub(super) fn flush_tlb_page(&self, mm: &Mm, addr: Addr) {
        mm.pte(addr).flush();
    }

    /// As far as clauses know, the entry is about to hold `pte`, and names nothing meanwhile.
    #[track_caller]
    fn own_pte_before(&self, mm: &Mm, addr: Addr, pte: Pte) -> PteLocation {
        let at = self.disown_pte(mm, addr);
        *mm.shadow(addr).entry.write() = pte;
        if let Some(page) = pte.page() {
            self.shadow_remap(mm, addr, page);
        }
        at
    }

    /// And now it does.
    #[track_caller]
    fn own_pte(&self, at: PteLocation, pte: Pte) {
        self.ghost_entries(pte, |entries| {
            entries.insert(at, pte);
        });
    }

    /// From here on, as far as clauses know, the entry holds nothing. Called with the page-table
    /// lock held.
    #[track_caller]
    pub(super) fn disown_pte(&self, mm: &Mm, addr: Addr) -> PteLocation {
        mm.page_table_lock.assert_held();
        let at = PteLocation { mm: mm.id, addr };
        let old = std::mem::replace(&mut *mm.shadow(addr).entry.write(), Pte::None);
        self.ghost_entries(old, |entries| {
            entries.remove(&at);
        });
        at
    }

    /// Every page-table entry: for audits and pictures only.
    pub(super) fn every_pte(&self) -> impl Iterator<Item = (PteLocation, Pte)> {
        self.mms.iter().flat_map(|mm| mm.peek_ptes().map(|(at, cell)| (at, cell.pte.peek())))
    }
}
