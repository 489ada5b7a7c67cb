//! anonmm: which address spaces may map a page that was first touched in one of them. Fork gives
//! the child every page at the same address, so an address and a bundle of address spaces are a
//! reverse map. No released kernel had it: it came before anon_vma (document 4, 2004).

use std::fmt;

use super::page::Mapping;
use super::{Addr, Errno, Mm, MmRef, PageRef, World};
use crate::note;
use crate::spec::{AnonmmCount, AnonmmExit, AnonmmPut, Clause, Rmap};
use crate::sync::{self, Ghost, Mark, Name, Plain, Scalar, SpinLock, State, Word};

/// An anonmm, by number. Never reused within an execution: whoever uses one that is freed is caught
/// at that ([LIFE-4]), not at what it became.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnonmmRef(u32);

impl fmt::Display for AnonmmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "anonmm#{}", self.0)
    }
}

impl Scalar for AnonmmRef {
    fn pack(self) -> u64 {
        u64::from(self.0)
    }
    fn unpack(word: u64) -> Self {
        Self(word as u32)
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// Stands for an address space, for as long as that or a page refers to it; all that descend from
/// one exec make a bundle. Kernel: `struct anonmm` (read in rmap 10 and in the state after rmap 37,
/// 2004).
///
/// Lives in ordinary memory: nothing but its count keeps it.
pub struct Anonmm {
    id: AnonmmRef,
    /// One for its address space until that exits, one for each page whose `mapping` it is. A head
    /// has one for itself, and one for each other member that there still is.
    pub(super) count: Word<i64>,
    /// The head's, and unused in the others: protects the bundle, and every member's `mm`. Inside
    /// it are the members, the head first. Kernel: `anonmm->lock`, and the ring of their `list`s.
    pub(super) lock: SpinLock<Vec<AnonmmRef>>,
    /// The address space, until that exits. Under the head's lock.
    pub(super) mm: Plain<Option<MmRef>>,
    /// The oldest of the bundle: that of the address space that exec made. Never changes.
    head: AnonmmRef,
    /// The checker's ([LIFE-4]).
    freed: Ghost<bool>,
}

impl Anonmm {
    /// With the references that it begins with; its own head, unless it joins another's bundle.
    fn new(id: u32, mm: MmRef, head: Option<AnonmmRef>) -> Self {
        let name = |pattern| Name::new(pattern, id, 0);
        let id = AnonmmRef(id);
        Self {
            id,
            count: Word::new(name("anonmm#%a.count"), if head.is_none() { 2 } else { 1 }),
            lock: SpinLock::new(
                name("anonmm#%a"),
                if head.is_none() { vec![id] } else { Vec::new() },
            ),
            mm: Plain::new(name("anonmm#%a.mm"), Some(mm)),
            head: head.unwrap_or(id),
            freed: Ghost::new(name("anonmm#%a.freed"), false),
        }
    }

    /// Which one it is.
    pub fn id(&self) -> AnonmmRef {
        self.id
    }

    /// Is it its bundle's head?
    fn is_head(&self) -> bool {
        self.head == self.id
    }

    /// Is it allocated? For audits and pictures only.
    pub fn in_use(&self) -> bool {
        self.freed.peek(|freed| !freed)
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        if state.forgets() && !self.in_use() {
            return;
        }
        self.count.see(state);
        self.lock.see(state);
        self.mm.see(state);
        self.freed.see(state);
    }
}

#[sync::forgets]
impl World {
    /// Is a page found by an address and a bundle of address spaces? (rule [`Rmap`])
    pub(super) fn has_anonmm(&self) -> bool {
        self.rules().rmap == Rmap::Anonmm
    }

    /// Follows a pointer to an anonmm ([LIFE-4]).
    pub fn anonmm(&self, anonmm: AnonmmRef) -> &Anonmm {
        let object = &self.anonmms[anonmm.0];
        let freed = object.freed.get();
        sync::clause(Clause::LIFE_4, !freed, || format!("{anonmm} is used, but it has been freed"));
        object
    }

    /// Kernel: `kmem_cache_free(anonmm_cachep)`. It must be allocated ([LIFE-4]).
    fn anonmm_free(&self, anonmm: AnonmmRef) {
        let freed = self.anonmms[anonmm.0].freed.change(|freed| std::mem::replace(freed, true));
        sync::clause(Clause::LIFE_4, !freed, || {
            format!("{anonmm} is freed, but it is not allocated")
        });
        note!("free {anonmm}");
    }

    /// Gives a new address space an anonmm, the head of a bundle of its own. Nobody else knows
    /// either yet. Kernel: `exec_rmap`, in `mm_alloc`.
    pub(super) fn exec_rmap(&self, mm: &Mm) {
        if self.has_anonmm() {
            let anonmm = self.anonmms.push_with(|id| Anonmm::new(id, mm.id(), None));
            *mm.anonmm.write() = Some(anonmm.id);
        }
    }

    /// Lets the address space of a child join its parent's bundle; an error if no memory is left.
    /// Holds no `mmap_sem`, so that another fork of the same parent may do the same; takes the
    /// head's lock. Kernel: `dup_rmap`, in `copy_mm`, before `dup_mmap`.
    ///
    /// The kernel also sets the child's `rss` to 0, since walks pass by an address space without
    /// pages; here they look, and find nothing.
    pub(super) fn dup_rmap(&self, mm: &Mm, oldmm: &Mm) -> Result<(), Errno> {
        if !self.has_anonmm() {
            return Ok(());
        }
        if !self.memory_is_left() {
            return Err(Errno::Enomem);
        }
        let old = oldmm.anonmm.read().expect("its process has not exited");
        let head = self.anonmm(old).head;
        let anonmm = self.anonmms.push_with(|id| Anonmm::new(id, mm.id(), Some(head)));
        let object = self.anonmm(head);
        object.lock.lock();
        object.count.add(1);
        object.lock.data().push(anonmm.id);
        object.lock.unlock();
        *mm.anonmm.write() = Some(anonmm.id);
        Ok(())
    }

    /// An address space has ended, and lets go of its anonmm. Takes the head's lock. Kernel:
    /// `exit_rmap`, in `mmput`, after `exit_mmap`.
    ///
    /// Who leaves the head alone frees it: how he knows is the rule [`AnonmmExit`] (claim S4.12).
    pub(super) fn exit_rmap(&self, mm: &Mm) {
        if !self.has_anonmm() {
            return;
        }
        let own = mm.anonmm.write().take().expect("it exits once");
        let object = self.anonmm(own);
        let head = object.head;
        self.anonmm(head).lock.lock();
        *object.mm.write() = None;
        if object.count.add_return(-1) == 0 {
            self.leave_bundle(own);
            self.anonmm_free(own);
        }
        let left = || self.anonmm(head).count.read();
        let seen = (self.rules().anonmm_exit == AnonmmExit::UnderLock).then(left);
        self.anonmm(head).lock.unlock();
        if seen.unwrap_or_else(left) == 1 {
            self.free_head(head);
        }
    }

    /// Nobody but the head itself refers to the head any more.
    fn free_head(&self, head: AnonmmRef) {
        sync::mark(Mark::ANONMM_HEAD_FREED);
        self.anonmm_free(head);
    }

    /// Takes a member out of its bundle, whose head it refers to no more. Called with the head's
    /// lock held, when the member's last reference is gone.
    fn leave_bundle(&self, anonmm: AnonmmRef) {
        let head = self.anonmm(self.anonmm(anonmm).head);
        head.lock.data().retain(|&member| member != anonmm);
        let left = head.count.add_return(-1);
        // Kernel: BUG_ON(anonmm == anonhd), and BUG() if the head's last one goes here.
        sync::clause(Clause::LIFE_4, left > 0 && anonmm != head.id, || {
            format!("the last reference to {} goes with {anonmm}", head.id)
        });
    }

    /// The last reference to a member goes with a page. Takes the head's lock; called with the
    /// page's map lock held. Kernel: `free_anonmm`.
    fn free_anonmm(&self, anonmm: AnonmmRef) {
        let head = self.anonmm(anonmm).head;
        self.anonmm(head).lock.lock();
        self.leave_bundle(anonmm);
        self.anonmm(head).lock.unlock();
        sync::mark(Mark::ANONMM_FREED_BY_PAGE);
        self.anonmm_free(anonmm);
    }

    /// A page lets go of its anonmm (rules [`AnonmmPut`], [`AnonmmCount`]). Called with its map
    /// lock held.
    fn anonmm_put(&self, anonmm: AnonmmRef) {
        if self.rules().anonmm_count == AnonmmCount::AddressSpaces {
            return;
        }
        let count = &self.anonmm(anonmm).count;
        if self.rules().anonmm_put == AnonmmPut::Member {
            if count.add_return(-1) == 0 {
                self.free_anonmm(anonmm);
            }
            return;
        }
        let head = self.anonmm(anonmm).head;
        self.anonmm(head).lock.lock();
        let last = count.add_return(-1) == 0;
        if last {
            self.leave_bundle(anonmm);
        }
        let left = self.anonmm(head).count.read();
        self.anonmm(head).lock.unlock();
        if last {
            sync::mark(Mark::ANONMM_FREED_BY_PAGE);
            self.anonmm_free(anonmm);
        }
        if left == 1 {
            sync::mark(Mark::ANONMM_HEAD_FREED_BY_PAGE);
            self.free_head(head);
        }
    }

    /// A page gets an anonmm. Called with the map lock of the page held, and something that keeps
    /// the anonmm.
    fn anonmm_get(&self, anonmm: AnonmmRef) {
        if self.rules().anonmm_count == AnonmmCount::AddressSpaces {
            return;
        }
        self.anonmm(anonmm).count.add(1);
    }

    /// A page is mapped for the first time, or again: it belongs to who maps it, at that address.
    /// Called with its map lock and the page-table lock held. Kernel: the middle of
    /// `page_add_anon_rmap`.
    pub(super) fn set_page_anon(&self, page: PageRef, mm: MmRef, addr: Addr) {
        let anonmm = self.mm_struct(mm).anonmm.read().expect("who maps something has not exited");
        let frame = self.page(page);
        frame.index.write(addr);
        frame.mapping.write(Mapping::Anonmm(anonmm));
        self.anonmm_get(anonmm);
    }

    /// Nothing maps the page any more. Called with its map lock held. Kernel: `clear_page_anon`.
    pub(super) fn clear_page_anon(&self, page: PageRef) {
        let mapping = self.page_rmapping(page);
        self.page(page).mapping.write(Mapping::None);
        if let Mapping::Anonmm(anonmm) = mapping {
            self.anonmm_put(anonmm);
        }
    }

    /// Locks the bundle of a page's anonmm. Called with the page's map lock held, by which the page
    /// keeps it. Kernel: the beginning of `try_to_unmap_anon` and `page_referenced_anon`.
    pub(super) fn bundle_lock(&self, anonmm: AnonmmRef) {
        self.anonmm(self.anonmm(anonmm).head).lock.lock();
    }

    /// Ends that.
    pub(super) fn bundle_unlock(&self, anonmm: AnonmmRef) {
        self.anonmm(self.anonmm(anonmm).head).lock.unlock();
    }

    /// The `at`-th member of the bundle, from `anonmm` once round. Called with the bundle locked.
    pub(super) fn bundle_at(&self, anonmm: AnonmmRef, at: usize) -> Option<AnonmmRef> {
        self.anonmm(self.anonmm(anonmm).head).lock.with(|ring| {
            let start = ring.iter().position(|&member| member == anonmm)?;
            (at < ring.len()).then(|| ring[(start + at) % ring.len()])
        })
    }

    /// The address space of a member, unless it has exited. Called with the bundle locked.
    pub(super) fn member_mm(&self, anonmm: AnonmmRef) -> Option<&Mm> {
        self.anonmm(anonmm).mm.read().map(|mm| self.mm_struct(mm))
    }

    /// A walk has found every entry of a page, whose anonmm has no address space any more: the page
    /// goes to another one, in which it was found. Called with the page's map lock held, which
    /// keeps that from unmapping it. Kernel: the end of `page_referenced_anon`.
    pub(super) fn leave_extinct(&self, page: PageRef, heir: AnonmmRef) {
        let mapping = self.page_rmapping(page);
        self.page(page).mapping.write(Mapping::Anonmm(heir));
        self.anonmm_get(heir);
        if let Mapping::Anonmm(extinct) = mapping {
            note!("{page} goes from {extinct} to {heir}");
            sync::mark(Mark::PAGE_LEAVES_EXTINCT_ANONMM);
            self.anonmm_put(extinct);
        }
    }

    /// All that are allocated, with what they hold: for audits and pictures only.
    pub(super) fn live_anonmms(&self) -> impl Iterator<Item = &Anonmm> {
        self.anonmms.iter().filter(|anonmm| anonmm.in_use())
    }

    /// Why a walk from `anonmm` would miss an address space.
    pub(super) fn bundle_gap(&self, anonmm: AnonmmRef, mm: MmRef) -> Option<String> {
        let object = &self.anonmms[anonmm.0];
        if !object.in_use() {
            return Some(format!("its {anonmm} has been freed"));
        }
        let ring = self.anonmms[object.head.0].lock.peek(Clone::clone);
        let found = ring.contains(&anonmm)
            && ring.iter().any(|member| self.anonmms[member.0].mm.peek(|&of| of == Some(mm)));
        (!found).then(|| format!("{mm} is not in the bundle of {anonmm}"))
    }

    /// Every bundle: who is in it, once ([RMAP-3]), and whether its members are counted right
    /// ([LIFE-4], [LEAK-1]).
    pub(super) fn audit_anonmms(&self) {
        for anonmm in self.live_anonmms() {
            let ring = self.anonmms[anonmm.head.0].lock.peek(Clone::clone);
            let times = ring.iter().filter(|&&member| member == anonmm.id).count();
            sync::clause(Clause::RMAP_3, times == 1, || {
                format!("{} is {times} times in its bundle", anonmm.id)
            });
            let pages = self
                .pages
                .iter()
                .filter(|page| page.in_use() && page.mapping.peek() == Mapping::Anonmm(anonmm.id))
                .count();
            let members = if anonmm.is_head() { ring.len() - 1 } else { 0 };
            let others = pages + members + usize::from(anonmm.mm.peek(Option::is_some));
            let (count, counted) =
                (anonmm.count.peek(), others as i64 + i64::from(anonmm.is_head()));
            sync::clause(Clause::LIFE_4, count >= counted, || {
                format!("{}.count is {count}, and {counted} refer to it", anonmm.id)
            });
            sync::clause(Clause::LEAK_1, others > 0 && count == counted, || {
                format!(
                    "{} is not free, its count is {count}, and {others} address spaces, pages and \
                     members refer to it",
                    anonmm.id
                )
            });
        }
    }
}
