//! anon_vmas: which VMAs may map a page that was first touched here or in an ancestor.

use super::anon_vma_lock::ListLock;
use super::page::Mapping;
use super::{Addr, Errno, MmRef, PageRef, Vma, VmaRef, World};
use crate::note;
use crate::spec::{
    AnonVmaLife, AnonVmaLock, AnonVmaLockKind, AnonVmaPut, AnonVmaReuse, ChainLock, Clause,
    ForkLink, FreshAnonVma, UnmappedPut,
};
use crate::sync::{self, Mark, Name, Plain, SlabRef, State, Word};

/// The head of a list of VMAs. Kernel: `struct anon_vma`.
///
/// Lives in type-stable memory: under RCU, the lock and the list can be used even after it was
/// freed, though they may be another's by then.
pub struct AnonVma {
    /// Protects the list.
    pub lock: ListLock,
    /// The VMAs linked here. Kernel: `anon_vma->head`.
    pub(super) list: Plain<Vec<VmaRef>>,
    /// The oldest of the family, whose lock stands for all of them. Rewritten whenever the object
    /// is reused. Kernel: `anon_vma->root`.
    pub root: Word<Option<SlabRef>>,
    /// What keeps it: one for its list, one for each child of a root, one for each migration.
    /// Kernel: `anon_vma->refcount`; until 2.6.38 `external_refcount`, without the list's.
    pub(super) refcount: Word<i64>,
    /// The one of the VMA that this one's first VMA was forked from; a root's is itself. Under the
    /// root's lock, like the two counts, which are there since 4.0 (rule [`AnonVmaReuse`]).
    pub(super) parent: Plain<Option<SlabRef>>,
    /// How many have this one for a parent; a root counts itself.
    pub(super) num_children: Plain<i64>,
    /// How many VMAs have this one for their `anon_vma`: their new pages are found through it.
    /// Kernel: the same two since 6.0; their sum, `degree`, before.
    pub(super) num_active_vmas: Plain<i64>,
    /// Odd while `vma_adjust` moves a VMA whose anon_vma this is (rule
    /// [`RmapWalkLock::SeqCount`](crate::spec::RmapWalkLock), claim S3.5).
    pub(super) seq: Word<u64>,
}

impl AnonVma {
    /// Kernel: `anon_vma_ctor`.
    pub(super) fn new(kind: AnonVmaLockKind, slot: u32) -> Self {
        Self {
            lock: ListLock::new(kind, Name::new("anon_vma#%a", slot, 0)),
            list: Plain::new(Name::new("anon_vma#%a.head", slot, 0), Vec::new()),
            root: Word::new(Name::new("anon_vma#%a.root", slot, 0), None),
            refcount: Word::new(Name::new("anon_vma#%a.refcount", slot, 0), 0),
            parent: Plain::new(Name::new("anon_vma#%a.parent", slot, 0), None),
            num_children: Plain::new(Name::new("anon_vma#%a.num_children", slot, 0), 0),
            num_active_vmas: Plain::new(Name::new("anon_vma#%a.num_active_vmas", slot, 0), 0),
            seq: Word::new(Name::new("anon_vma#%a.seq", slot, 0), 0),
        }
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        self.lock.see(state);
        self.list.see(state);
        self.root.see(state);
        self.refcount.see(state);
        self.parent.see(state);
        self.num_children.see(state);
        self.num_active_vmas.see(state);
        self.seq.see(state);
    }
}

#[sync::forgets]
impl World {
    /// Follows a pointer to an anon_vma ([LIFE-1]).
    pub fn anon_vma(&self, anon_vma: SlabRef) -> &AnonVma {
        self.anon_vmas.get(anon_vma)
    }

    /// Kernel: `anon_vma_alloc`. The new one is its own root.
    pub(super) fn anon_vma_alloc(&self) -> SlabRef {
        let new = self.anon_vmas.alloc();
        let anon_vma = self.anon_vma(new);
        if self.rooted() {
            anon_vma.root.write(Some(new));
        }
        if self.counted() {
            anon_vma.refcount.write(1);
        }
        new
    }

    /// Kernel: `anon_vma_free`. Nothing may be on its list. Who holds the root's lock because of it
    /// is waited for since 3.0 (rule [`AnonVmaPut`]).
    fn anon_vma_free(&self, anon_vma: SlabRef) {
        if self.rules().anon_vma_put != AnonVmaPut::AtOnce
            && self.anon_vma(self.anon_vma_locker(anon_vma)).lock.is_locked()
        {
            sync::mark(Mark::ANON_VMA_FREE_WAITS);
            self.anon_vma_lock(anon_vma);
            self.anon_vma_unlock(anon_vma);
        }
        self.anon_vmas.free(anon_vma, &self.rcu);
    }

    /// Does the lock of an anon_vma sleep?
    pub(super) fn anon_vma_lock_sleeps(&self) -> bool {
        self.rules().anon_vma_lock_kind != AnonVmaLockKind::Spin
    }

    fn rooted(&self) -> bool {
        self.rules().anon_vma_lock == AnonVmaLock::Root
    }

    /// Does anything besides its list keep an anon_vma?
    fn counted(&self) -> bool {
        use AnonVmaLife::{IncNotZero, LockThenGet, Refcount};
        self.rooted()
            || self.anon_vma_lock_sleeps()
            || matches!(self.rules().anon_vma_life, Refcount | LockThenGet | IncNotZero)
    }

    /// The anon_vma whose lock stands for `anon_vma`. Read without a lock, since it says which lock
    /// that is: it stays as long as `anon_vma` is allocated, and who has it by RCU alone looks
    /// again (rule [`LockRecheck`](crate::spec::LockRecheck)). Kernel: `anon_vma->root`, or itself
    /// before 2.6.36.
    pub(super) fn anon_vma_locker(&self, anon_vma: SlabRef) -> SlabRef {
        if self.rooted() {
            self.anon_vma(anon_vma).root.read().unwrap_or(anon_vma)
        } else {
            anon_vma
        }
    }

    /// Kernel: `anon_vma_lock`; since 3.8 `anon_vma_lock_write`.
    pub fn anon_vma_lock(&self, anon_vma: SlabRef) -> SlabRef {
        self.anon_vma(self.anon_vma_locker(anon_vma)).lock.lock();
        anon_vma
    }

    /// The same for who only walks. Kernel: `anon_vma_lock`; since 3.8 `anon_vma_lock_read`.
    pub fn anon_vma_lock_read(&self, anon_vma: SlabRef) -> SlabRef {
        self.anon_vma(self.anon_vma_locker(anon_vma)).lock.lock_read();
        anon_vma
    }

    /// Ends either. Kernel: `anon_vma_unlock`; since 3.8 `anon_vma_unlock_read` and
    /// `anon_vma_unlock_write`. Looks the root up again, as the kernel does.
    pub fn anon_vma_unlock(&self, anon_vma: SlabRef) {
        let lock = &self.anon_vma(self.anon_vma_locker(anon_vma)).lock;
        sync::clause(Clause::LIFE_2, lock.is_held(), || {
            format!(
                "anon_vma#{} was locked through another lock than {}, its root's now",
                anon_vma.slot(),
                lock.name()
            )
        });
        lock.unlock();
    }

    /// Locks the root of `anon_vma`, found through the first VMA on its list, and returns it.
    /// Between letting go of the one and locking the other, nothing is held (rule
    /// [`RmapWalkLock::RootByWalk`](crate::spec::RmapWalkLock), claim S3.6).
    pub(super) fn anon_vma_lock_root(&self, anon_vma: SlabRef) -> SlabRef {
        self.anon_vma_lock(anon_vma);
        let first = self.anon_vma_list_at(anon_vma, 0).map(|vma| self.listed_vma(vma));
        let Some(root) = first.and_then(|vma| vma.anon_vma_chain.read().last().copied()) else {
            return anon_vma;
        };
        self.anon_vma_unlock(anon_vma);
        sync::mark(Mark::LOCK_ROOT_BETWEEN_TWO_LOCKS);
        self.anon_vma_lock(root)
    }

    /// The `at`-th VMA on the list, `None` at its end. Called with the anon_vma locked ([GUARD-1]).
    pub(super) fn anon_vma_list_at(&self, anon_vma: SlabRef, at: usize) -> Option<VmaRef> {
        self.list_lock(anon_vma).assert_held();
        self.anon_vmas.object(anon_vma).list.with(|list| list.get(at).copied())
    }

    /// The lock that stands for the list. Who asks should have it, and then the root stays.
    fn list_lock(&self, anon_vma: SlabRef) -> &ListLock {
        let locker = if self.rooted() {
            self.anon_vmas.object(anon_vma).root.read().unwrap_or(anon_vma)
        } else {
            anon_vma
        };
        &self.anon_vmas.object(locker).lock
    }

    fn change_list<R>(&self, anon_vma: SlabRef, change: impl FnOnce(&mut Vec<VmaRef>) -> R) -> R {
        self.list_lock(anon_vma).assert_write_held();
        change(&mut self.anon_vmas.object(anon_vma).list.write())
    }

    /// Gives `vma` an anon_vma before its first page. Called with `mmap_sem` held, for reading at
    /// least. Kernel: `anon_vma_prepare`.
    ///
    /// Two threads may get here for the same VMA at once: the page-table lock decides. Who looks up
    /// the anon_vma that the object was before may have its lock (rule [`FreshAnonVma`]). An error
    /// if no memory is left. Nothing is done where pages are found by anonmm.
    pub fn anon_vma_prepare(&self, vma: &Vma) -> Result<(), Errno> {
        // anon_vma_prepare.1: vma->anon_vma is read without a lock: once it is set, it stays as
        // long as mmap_sem is held.
        if self.has_anonmm() || vma.anon_vma.read().is_some() {
            return Ok(());
        }
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let mm = self.mm_struct(vma.mm);
        mm.mmap_sem.assert_held();
        // anon_vma_prepare.2: An anon_vma is allocated and locked, for whoever found its memory by
        // RCU may take it for the one that was there before; then the page-table lock is taken.
        // [LIFE-1, LIFE-2]
        let new = self.anon_vma_alloc();
        let locked = self.rules().fresh_anon_vma == FreshAnonVma::Locked;
        if locked {
            self.anon_vma_lock(new);
        }
        mm.page_table_lock.lock();
        // anon_vma_prepare.3: Two threads of the process may get here at once: who finds
        // vma->anon_vma unset under the page-table lock sets it, and puts the VMA on the list.
        // [RMAP-3]
        let used = vma.anon_vma.read().is_none();
        if used {
            vma.anon_vma.write(Some(new));
            vma.anon_vma_chain.write().insert(0, new);
            self.anon_vmas.object(new).list.write().push(vma.id());
            if self.reuses() {
                let root = self.anon_vma(new);
                *root.parent.write() = Some(new);
                (*root.num_children.write(), *root.num_active_vmas.write()) = (1, 1);
            }
        }
        // anon_vma_prepare.4: Both locks are let go of; who came too late frees his anon_vma.
        mm.page_table_lock.unlock();
        if locked {
            self.anon_vma_unlock(new);
        }
        if !used {
            sync::mark(Mark::ANON_VMA_PREPARE_LOST);
            self.put_anon_vma(new);
        }
        Ok(())
    }

    /// Puts `vma` on `anon_vma`'s list, at its tail (rule [`ForkLink`], claim S3.15). Kernel:
    /// `anon_vma_chain_link`.
    fn anon_vma_chain_link(&self, vma: &Vma, anon_vma: SlabRef) {
        self.anon_vma_lock(anon_vma);
        self.anon_vma_chain_link_locked(vma, anon_vma);
        self.anon_vma_unlock(anon_vma);
    }

    /// Called with the anon_vma locked.
    fn anon_vma_chain_link_locked(&self, vma: &Vma, anon_vma: SlabRef) {
        vma.anon_vma_chain.write().insert(0, anon_vma);
        let prepend = self.rules().fork_link == ForkLink::Prepend;
        self.change_list(anon_vma, |list| {
            list.insert(if prepend { 0 } else { list.len() }, vma.id())
        });
        note!("{vma} joins the list of anon_vma#{}", anon_vma.slot());
    }

    /// Does something to each of the anon_vmas under the lock of the root that they have in common
    /// (rule [`ChainLock`]). Kernel: `lock_anon_vma_root`, since 3.0, which changes from one root
    /// to another if it must.
    fn under_root_lock(&self, chain: impl Iterator<Item = SlabRef>, mut act: impl FnMut(SlabRef)) {
        let mut held: Option<SlabRef> = None;
        for anon_vma in chain {
            let root = self.anon_vma_locker(anon_vma);
            if held != Some(root) {
                held.into_iter().for_each(|held| self.anon_vma(held).lock.unlock());
                self.anon_vma(root).lock.lock();
                held = Some(root);
            }
            act(anon_vma);
        }
        held.into_iter().for_each(|held| self.anon_vma(held).lock.unlock());
    }

    /// See [`SetupProcess::cross_link`](super::SetupProcess::cross_link).
    pub(super) fn cross_link(&self, from: (MmRef, Addr), to: (MmRef, Addr)) -> bool {
        let vma_at = |(mm, addr): (MmRef, Addr)| {
            let mm = self.mm_struct(mm);
            mm.mmap_sem.down_read();
            let vma = self.find_vma(mm, addr);
            mm.mmap_sem.up_read();
            vma
        };
        if let (Some(vma), Some(other)) = (vma_at(from), vma_at(to))
            && let Some(anon_vma) = other.anon_vma.read()
        {
            self.anon_vma_chain_link(vma, anon_vma);
            return true;
        }
        false
    }

    /// Are anon_vmas used again (rule [`AnonVmaReuse`])?
    pub(super) fn reuses(&self) -> bool {
        self.rules().anon_vma_reuse != AnonVmaReuse::No
    }

    /// May a child's VMA have this one, which is its parent's VMA's `own` or an ancestor's, for its
    /// own? Called with the root's lock held. Kernel: the condition in `anon_vma_clone`, since 4.0.
    fn may_be_reused(&self, anon_vma: SlabRef, own: SlabRef) -> bool {
        let AnonVma { num_children, num_active_vmas, .. } = self.anon_vma(anon_vma);
        match self.rules().anon_vma_reuse {
            AnonVmaReuse::No => false,
            AnonVmaReuse::Degree => {
                !anon_vma.same_object(own) && num_children.read() + num_active_vmas.read() < 2
            }
            AnonVmaReuse::NoVmas => num_children.read() < 2 && num_active_vmas.read() == 0,
        }
    }

    /// Links `dst` to every anon_vma that `src` is linked to, oldest first; it gets the same
    /// `anon_vma`, too. Called with `mmap_sem` held for writing. Kernel: `anon_vma_clone`, of a VMA
    /// that has its anon_vma already.
    pub(super) fn anon_vma_clone(&self, dst: &Vma, src: &Vma) {
        // A kernel that has no counts does not look.
        let own = if self.reuses() { src.anon_vma.read() } else { None };
        self.anon_vma_clone_for(dst, src, |anon_vma| own == Some(anon_vma));
    }

    /// The same for a child's VMA, which is not given an `anon_vma`. Returns the one that it may use
    /// again, if there is one; `own` is the parent's VMA's.
    fn anon_vma_clone_for_child(&self, dst: &Vma, src: &Vma, own: SlabRef) -> Option<SlabRef> {
        let mut reused = None;
        self.anon_vma_clone_for(dst, src, |anon_vma| {
            let reuses = reused.is_none() && self.may_be_reused(anon_vma, own);
            if reuses {
                sync::mark(Mark::ANON_VMA_REUSED);
                reused = Some(anon_vma);
            }
            reuses
        });
        reused
    }

    /// The same, where `has` says of each whether it becomes the `anon_vma` of `dst`.
    fn anon_vma_clone_for(&self, dst: &Vma, src: &Vma, mut has: impl FnMut(SlabRef) -> bool) {
        let chain = src.anon_vma_chain.read().into_iter().rev();
        match self.rules().chain_lock {
            ChainLock::Each => chain.for_each(|anon_vma| self.anon_vma_chain_link(dst, anon_vma)),
            ChainLock::Root => self.under_root_lock(chain, |anon_vma| {
                self.anon_vma_chain_link_locked(dst, anon_vma);
                if self.reuses() && has(anon_vma) {
                    *self.anon_vma(anon_vma).num_active_vmas.write() += 1;
                }
            }),
        }
    }

    /// Links the child's `vma` to the anon_vmas of the parent's `pvma`, and then to a new one of
    /// its own. Called with the parent's `mmap_sem` held for writing. Kernel: `anon_vma_fork`;
    /// `anon_vma_link` before 2.6.34.
    pub(super) fn anon_vma_fork(&self, vma: &Vma, pvma: &Vma) {
        // anon_vma_fork.1: Where the parent's VMA has no anon_vma, the child's needs none.
        let Some(parent) = pvma.anon_vma.read() else { return };
        // anon_vma_fork.2: The child's VMA is linked to every anon_vma of the parent's, the oldest
        // first, at the end of its list, under the root's lock (anon_vma_clone): a walk comes to
        // the parent first. [S3.15]
        let reused = self.anon_vma_clone_for_child(vma, pvma, parent);
        // anon_vma_fork.3: If a process in between has none of its VMAs left, the child's VMA gets
        // that one's anon_vma, lest those of the dead become ever more.
        let others = if self.chained() { reused } else { Some(parent) };
        if others.is_some() {
            vma.anon_vma.write(others);
            return;
        }
        // anon_vma_fork.4: It gets an anon_vma of its own, whose root is the parent's, and which
        // keeps the root by a reference. [S3.7]
        let own = self.anon_vma_alloc();
        if self.rooted() {
            let root = self.anon_vma(parent).root.read().unwrap_or(parent);
            self.anon_vma(own).root.write(Some(root));
            self.anon_vma(root).refcount.add(1);
        }
        // anon_vma_fork.5: New pages of the child are found through that one only; it is linked
        // under the root's lock, too.
        vma.anon_vma.write(Some(own));
        self.anon_vma_lock(own);
        self.anon_vma_chain_link_locked(vma, own);
        if self.reuses() {
            let new = self.anon_vma(own);
            *new.parent.write() = Some(parent);
            (*new.num_children.write(), *new.num_active_vmas.write()) = (0, 1);
            *self.anon_vma(parent).num_children.write() += 1;
        }
        self.anon_vma_unlock(own);
    }

    /// Takes `vma` off every list; an anon_vma whose list becomes empty is freed. Called when
    /// nothing in `vma` is mapped any more, with `mmap_sem` held for writing or by the last user.
    /// Kernel: `unlink_anon_vmas`; `anon_vma_unlink` before 2.6.34.
    pub(super) fn unlink_anon_vmas(&self, vma: &Vma) {
        // unlink_anon_vmas.1: Under the root's lock, taken once for all of a family, the VMA leaves
        // the lists of its anon_vmas; one whose list is empty then loses the reference of the list
        // when the lock is let go of, since who frees it may take that lock. [S3.7, LIFE-1]
        let chain = vma.anon_vma_chain.read().into_iter();
        match self.rules().chain_lock {
            ChainLock::Each => chain.for_each(|anon_vma| {
                self.anon_vma_lock(anon_vma);
                let empty = self.unlink_locked(vma, anon_vma);
                self.anon_vma_unlock(anon_vma);
                if empty {
                    self.put_anon_vma(anon_vma);
                }
            }),
            ChainLock::Root => {
                let mut empty = Vec::new();
                let own = if self.reuses() { vma.anon_vma.read() } else { None };
                self.under_root_lock(chain, |anon_vma| {
                    if own == Some(anon_vma) {
                        *self.anon_vma(anon_vma).num_active_vmas.write() -= 1;
                    }
                    if self.unlink_locked(vma, anon_vma) {
                        empty.push(anon_vma);
                        if self.reuses()
                            && let Some(parent) = self.anon_vma(anon_vma).parent.read()
                        {
                            *self.anon_vma(parent).num_children.write() -= 1;
                        }
                    }
                });
                empty.into_iter().for_each(|anon_vma| self.put_anon_vma(anon_vma));
            }
        }
        vma.anon_vma_chain.write().clear();
    }

    /// Takes `vma`, which another one of the same anon_vma has grown over, off its list. Called
    /// with the anon_vma locked. Kernel: `__anon_vma_merge`, until 2.6.33.
    pub(super) fn unlink_anon_vma_locked(&self, vma: &Vma) {
        for anon_vma in vma.anon_vma_chain.write().drain(..) {
            self.unlink_locked(vma, anon_vma);
        }
    }

    /// True if nobody is left on the list. Called with the anon_vma locked. Kernel: the middle of
    /// `anon_vma_unlink`.
    fn unlink_locked(&self, vma: &Vma, anon_vma: SlabRef) -> bool {
        self.change_list(anon_vma, |list| list.retain(|&v| v != vma.id()));
        let empty = self.anon_vma_list_at(anon_vma, 0).is_none();
        note!(
            "{vma} leaves the list of anon_vma#{}{}",
            anon_vma.slot(),
            if empty { ", the last one" } else { "" }
        );
        empty
    }

    /// Kernel: `get_anon_vma`. The caller knows that it is allocated.
    pub(super) fn get_anon_vma(&self, anon_vma: SlabRef) {
        self.anon_vma(anon_vma).refcount.add(1);
    }

    /// Drops a reference, the list's or another; the last one frees the anon_vma, and a child lets
    /// go of its root then. Kernel: `put_anon_vma`; before 2.6.39 `drop_anon_vma`. Where nothing is
    /// counted, the list is all there is.
    pub(super) fn put_anon_vma(&self, anon_vma: SlabRef) {
        if !self.counted() || self.anon_vma(anon_vma).refcount.add_return(-1) == 0 {
            self.__put_anon_vma(anon_vma);
        }
    }

    /// The last reference is gone, and so nobody changes the root. Kernel: the same name, since
    /// 2.6.39.
    pub(super) fn __put_anon_vma(&self, anon_vma: SlabRef) {
        let root = if self.rooted() { self.anon_vma(anon_vma).root.read() } else { None };
        let root = root.filter(|root| !root.same_object(anon_vma));
        let put_root = || {
            if let Some(root) = root
                && self.anon_vma(root).refcount.add_return(-1) == 0
            {
                self.anon_vma_free(root);
            }
        };
        match self.rules().anon_vma_put {
            AnonVmaPut::AtOnce | AnonVmaPut::RootFirst => {
                put_root();
                self.anon_vma_free(anon_vma);
            }
            AnonVmaPut::ChildFirst => {
                self.anon_vma_free(anon_vma);
                put_root();
            }
        }
    }

    /// The anon_vma of a mapped page, with a reference and no lock. Kernel: `page_get_anon_vma`,
    /// since 3.0.
    pub(super) fn page_get_anon_vma(&self, page: PageRef) -> Option<SlabRef> {
        self.rcu.read_lock();
        match self.page_rmapping(page) {
            Mapping::AnonVma(anon_vma) if self.page(page).mapped() => {
                self.get_mapped_anon_vma(page, anon_vma)
            }
            _ => {
                self.rcu.read_unlock();
                None
            }
        }
    }

    /// A reference, if the page is mapped still. Called inside an RCU read section, which it ends.
    /// Kernel: the middle of `page_get_anon_vma`, and of `page_lock_anon_vma` where that has to
    /// wait.
    ///
    /// Between the look and the reference the object may have become another page's; but if the
    /// page is mapped still, it is this one's.
    pub(super) fn get_mapped_anon_vma(&self, page: PageRef, anon_vma: SlabRef) -> Option<SlabRef> {
        if !self.anon_vma(anon_vma).refcount.inc_not_zero() {
            self.rcu.read_unlock();
            return None;
        }
        if self.page(page).mapped() {
            self.rcu.read_unlock();
            return Some(anon_vma);
        }
        // by now, the reference may be on the object's next life
        let anon_vma = self.anon_vmas.resident(anon_vma);
        match self.rules().unmapped_put {
            UnmappedPut::InRcu => {
                self.put_anon_vma(anon_vma);
                self.rcu.read_unlock();
            }
            UnmappedPut::AfterRcu => {
                self.rcu.read_unlock();
                self.put_anon_vma(anon_vma);
            }
        }
        None
    }

    /// Puts a VMA that is on the list at its end. Called with the anon_vma locked.
    pub(super) fn anon_vma_list_to_tail(&self, anon_vma: SlabRef, vma: VmaRef) {
        self.change_list(anon_vma, |list| {
            list.retain(|&v| v != vma);
            list.push(vma);
        });
    }

    /// Puts a VMA on the list. Called with the anon_vma locked.
    pub(super) fn anon_vma_list_push(&self, anon_vma: SlabRef, vma: VmaRef) {
        self.change_list(anon_vma, |list| list.push(vma));
    }

    /// Takes a VMA off the list; frees the anon_vma if it was the last.
    pub(super) fn anon_vma_list_remove(&self, anon_vma: SlabRef, vma: VmaRef) {
        self.anon_vma_lock(anon_vma);
        self.change_list(anon_vma, |list| list.retain(|&v| v != vma));
        let empty = self.anon_vma_list_at(anon_vma, 0).is_none();
        self.anon_vma_unlock(anon_vma);
        if empty {
            self.put_anon_vma(anon_vma);
        }
    }
}
