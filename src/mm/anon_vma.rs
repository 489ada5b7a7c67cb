//! anon_vmas: which VMAs may map a page that was first touched here or in an ancestor.

use super::{Addr, MmRef, Vma, VmaRef, World};
use crate::note;
use crate::spec::AnonVmaLock;
use crate::sync::{Name, SlabRef, SpinLock, Word};

/// The head of a list of VMAs. Kernel: `struct anon_vma`.
///
/// Lives in type-stable memory: under RCU, the lock and the list can be used even after it was freed, though they may be another's by then.
pub struct AnonVma {
    /// Protects the list inside it: the VMAs linked here, in the order in which they were linked. Kernel: `anon_vma->lock`, `->head`.
    pub lock: SpinLock<Vec<VmaRef>>,
    /// The oldest of the family, whose lock stands for all of them. Rewritten whenever the object is reused. Kernel: `anon_vma->root`.
    pub root: Word<Option<SlabRef>>,
    /// What keeps it besides its list: the children of a root, and migrations. Kernel: `anon_vma->external_refcount`.
    pub(super) refcount: Word<i64>,
}

impl AnonVma {
    /// Kernel: `anon_vma_ctor`.
    pub(super) fn construct(slot: u32) -> Self {
        Self {
            lock: SpinLock::new(Name::new("anon_vma#%a", slot, 0), Vec::new()),
            root: Word::new(Name::new("anon_vma#%a.root", slot, 0), None),
            refcount: Word::new(Name::new("anon_vma#%a.refcount", slot, 0), 0),
        }
    }
}

impl World {
    /// Follows a pointer to an anon_vma ([LIFE-1]).
    pub fn anon_vma(&self, anon_vma: SlabRef) -> &AnonVma {
        self.anon_vmas.get(anon_vma)
    }

    /// Kernel: `anon_vma_alloc`. The new one is its own root.
    pub(super) fn anon_vma_alloc(&self) -> SlabRef {
        let new = self.anon_vmas.alloc();
        if self.rooted() {
            let anon_vma = self.anon_vma(new);
            anon_vma.root.write(Some(new));
            anon_vma.refcount.write(0);
        }
        new
    }

    /// Kernel: `anon_vma_free`. Nothing may be on its list.
    fn anon_vma_free(&self, anon_vma: SlabRef) {
        self.anon_vmas.free(anon_vma, &self.rcu);
    }

    fn rooted(&self) -> bool {
        self.rules().anon_vma_lock == AnonVmaLock::Root
    }

    /// The anon_vma whose lock stands for `anon_vma`. Kernel: `anon_vma->root`, or itself before 2.6.36.
    pub(super) fn anon_vma_locker(&self, anon_vma: SlabRef) -> SlabRef {
        if self.rooted() { self.anon_vma(anon_vma).root.read().unwrap_or(anon_vma) } else { anon_vma }
    }

    /// Kernel: `anon_vma_lock`.
    pub fn anon_vma_lock(&self, anon_vma: SlabRef) -> SlabRef {
        self.anon_vma(self.anon_vma_locker(anon_vma)).lock.lock();
        anon_vma
    }

    /// Kernel: `anon_vma_unlock`. Looks the root up again, as the kernel does.
    pub fn anon_vma_unlock(&self, anon_vma: SlabRef) {
        self.anon_vma(self.anon_vma_locker(anon_vma)).lock.unlock();
    }

    /// The list; the caller holds [`anon_vma_lock`](Self::anon_vma_lock) ([GUARD-1]). The `at`-th VMA on it.
    pub(super) fn anon_vma_list_at(&self, anon_vma: SlabRef, at: usize) -> Option<VmaRef> {
        self.assert_anon_vma_held(anon_vma);
        self.anon_vmas.peek(anon_vma).lock.peek(|list| list.get(at).copied())
    }

    fn assert_anon_vma_held(&self, anon_vma: SlabRef) {
        let locker = if self.rooted() { self.anon_vmas.peek(anon_vma).root.peek().unwrap_or(anon_vma) } else { anon_vma };
        self.anon_vmas.peek(locker).lock.assert_held();
    }

    fn change_list<R>(&self, anon_vma: SlabRef, change: impl FnOnce(&mut Vec<VmaRef>) -> R) -> R {
        self.assert_anon_vma_held(anon_vma);
        self.anon_vmas.peek(anon_vma).lock.change(change)
    }

    /// Gives `vma` an anon_vma before its first page. Called with `mmap_sem` held, for reading at least. Kernel: `anon_vma_prepare`.
    ///
    /// Two threads may get here for the same VMA at once: the page-table lock decides.
    pub fn anon_vma_prepare(&self, vma: &Vma) {
        if vma.anon_vma.read().is_some() {
            return;
        }
        let mm = self.mm_struct(vma.mm);
        mm.mmap_sem.assert_held();
        let new = self.anon_vma_alloc();
        self.anon_vma_lock(new);
        mm.page_table_lock.lock();
        let used = vma.anon_vma.read().is_none();
        if used {
            vma.anon_vma.write(Some(new));
            vma.anon_vma_chain.write().insert(0, new);
            self.change_list(new, |list| list.push(vma.id()));
        }
        mm.page_table_lock.unlock();
        self.anon_vma_unlock(new);
        if !used {
            self.anon_vma_free(new);
        }
    }

    /// Puts `vma` at the tail of `anon_vma`'s list. Kernel: `anon_vma_chain_link`.
    fn anon_vma_chain_link(&self, vma: &Vma, anon_vma: SlabRef) {
        vma.anon_vma_chain.write().insert(0, anon_vma);
        self.anon_vma_lock(anon_vma);
        self.change_list(anon_vma, |list| list.push(vma.id()));
        note!("{vma} joins the list of anon_vma#{}", anon_vma.slot());
        self.anon_vma_unlock(anon_vma);
    }

    /// See [`Process::cross_link`](super::Process::cross_link).
    pub(super) fn cross_link(&self, from: (MmRef, Addr), to: (MmRef, Addr)) {
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
        }
    }

    /// Links `dst` to every anon_vma that `src` is linked to, oldest first. Called with `mmap_sem` held for writing. Kernel: `anon_vma_clone`.
    pub(super) fn anon_vma_clone(&self, dst: &Vma, src: &Vma) {
        for anon_vma in src.anon_vma_chain.read().into_iter().rev() {
            self.anon_vma_chain_link(dst, anon_vma);
        }
    }

    /// Links the child's `vma` to the anon_vmas of the parent's `pvma`, and then to a new one of its own. Called with the parent's
    /// `mmap_sem` held for writing. Kernel: `anon_vma_fork`; `anon_vma_link` before 2.6.34.
    pub(super) fn anon_vma_fork(&self, vma: &Vma, pvma: &Vma) {
        let Some(parent) = pvma.anon_vma.read() else { return };
        self.anon_vma_clone(vma, pvma);
        if !self.chained() {
            vma.anon_vma.write(Some(parent));
            return;
        }
        let own = self.anon_vma_alloc();
        if self.rooted() {
            let root = self.anon_vma(parent).root.read().unwrap_or(parent);
            self.anon_vma(own).root.write(Some(root));
            self.anon_vma(root).refcount.add(1);
        }
        vma.anon_vma.write(Some(own));
        self.anon_vma_chain_link(vma, own);
    }

    /// Takes `vma` off every list; an anon_vma whose list becomes empty is freed. Called when nothing in `vma` is mapped any more.
    /// Kernel: `unlink_anon_vmas`; `anon_vma_unlink` before 2.6.34.
    pub(super) fn unlink_anon_vmas(&self, vma: &Vma) {
        for anon_vma in vma.anon_vma_chain.read() {
            self.anon_vma_lock(anon_vma);
            self.change_list(anon_vma, |list| list.retain(|&v| v != vma.id()));
            let empty = self.anon_vma_list_at(anon_vma, 0).is_none() && !self.externally_held(anon_vma);
            note!("{vma} leaves the list of anon_vma#{}{}", anon_vma.slot(), if empty { ", the last one" } else { "" });
            self.anon_vma_unlock(anon_vma);
            if empty {
                self.anon_vma_release(anon_vma);
            }
        }
        vma.anon_vma_chain.write().clear();
    }

    fn externally_held(&self, anon_vma: SlabRef) -> bool {
        self.rooted() && self.anon_vma(anon_vma).refcount.read() > 0
    }

    /// Frees an anon_vma that nothing needs any more, and its root with it if this was the last child.
    fn anon_vma_release(&self, anon_vma: SlabRef) {
        if self.rooted()
            && let Some(root) = self.anon_vma(anon_vma).root.read()
            && !root.same_object(anon_vma)
        {
            self.drop_anon_vma(root);
        }
        self.anon_vma_free(anon_vma);
    }

    /// Drops a reference that is not the list's. Kernel: `drop_anon_vma`.
    pub(super) fn drop_anon_vma(&self, anon_vma: SlabRef) {
        self.anon_vma_lock(anon_vma);
        let left = self.anon_vma(anon_vma).refcount.add_return(-1);
        let empty = left == 0 && self.anon_vma_list_at(anon_vma, 0).is_none();
        self.anon_vma_unlock(anon_vma);
        if empty {
            self.anon_vma_release(anon_vma);
        }
    }
}
