//! get_user_pages, and the device that uses what it got.

use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering::Acquire;

use super::fault::{FaultAgain, VmFault};
use super::page::GUP_PIN_COUNTING_BIAS;
use super::shadow::Given;
use super::{Addr, Errno, Mm, MmRef, PageRef, Process, Pte, PteLocation, Vma, World};
use crate::call;
use crate::spec::{ContentStable, Gup, GupFast, GupForce, ReadPin};
use crate::sync::{self, Mark};

/// What the page is wanted for. Kernel: `write` and `force`, `FOLL_WRITE` and `FOLL_FORCE` since
/// 3.4.
#[derive(Clone, Copy)]
struct Foll {
    write: bool,
    force: bool,
}

impl Foll {
    const READ: Self = Self { write: false, force: false };
    const WRITE: Self = Self { write: true, force: false };
    const FORCED_WRITE: Self = Self { write: true, force: true };
}

/// A page that a device holds. Dropping the value does not let go of the page: see
/// [`put`](Self::put).
#[must_use]
pub struct Pin<'w> {
    world: &'w World,
    given: Given,
}

/// What a loop carries along: see [`World::repeat_carrying`].
impl Hash for Pin<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.given.hash(state);
    }
}

#[sync::forgets]
impl<'w> Process<'w> {
    /// Gives a device the page at `addr`, to store into. Takes `mmap_sem` for reading. Kernel:
    /// `get_user_pages(write)`, as a read from a file opened with `O_DIRECT` calls it.
    #[track_caller]
    pub fn pin_for_writing(&self, addr: Addr) -> Result<Pin<'w>, Errno> {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "get_user_pages");
        self.world.get_user_pages(self.mm, addr, Foll::WRITE)
    }

    /// Gives a device, or a debugger, the page at `addr` to store into, whether the process may
    /// store there or not. Takes `mmap_sem` for reading. Kernel: `get_user_pages(write, force)`,
    /// `FOLL_WRITE | FOLL_FORCE` later, as `access_process_vm` calls it for ptrace, which keeps
    /// `mmap_sem` until it has stored, and as drivers did until 6.2 (claim S4.8).
    #[track_caller]
    pub fn pin_for_writing_by_force(&self, addr: Addr) -> Result<Pin<'w>, Errno> {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "get_user_pages");
        self.world.get_user_pages(self.mm, addr, Foll::FORCED_WRITE)
    }

    /// Gives a device the page at `addr`, to read. Takes `mmap_sem` for reading. Kernel:
    /// `get_user_pages`.
    #[track_caller]
    pub fn pin_for_reading(&self, addr: Addr) -> Result<Pin<'w>, Errno> {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "get_user_pages");
        self.world.get_user_pages(self.mm, addr, Foll::READ)
    }

    /// Reads what is at `addr` through the page, as another process may: what it finds was there at
    /// some time of the call ([PIN-2]). Takes `mmap_sem` for reading. Kernel: `process_vm_readv`.
    #[track_caller]
    pub fn process_vm_readv(&self, addr: Addr) -> Result<u64, Errno> {
        let pin = self.pin_for_reading(addr)?;
        let (value, at) = pin.content();
        self.world.shadow_pin_read_once(pin.given, at, value);
        self.world.shadow_end_dma(at);
        pin.put();
        Ok(value)
    }

    /// Reads a disk block straight into the memory at `addr`: the device stores `value` there some
    /// time after the page was looked up.
    #[track_caller]
    pub fn direct_io(&self, addr: Addr, value: u64) -> Result<(), Errno> {
        let pin = self.pin_for_writing(addr)?;
        pin.dma_write(value);
        pin.put();
        Ok(())
    }
}

impl Pin<'_> {
    /// The device stores into the page. From then on the process must find it there ([DATA-1]).
    pub fn dma_write(&self, value: u64) {
        let at = self.world.shadow_begin_dma(self.given);
        self.world.set_content(self.world.page(self.page()), value);
        self.world.host_sees_store(self.page());
        self.world.shadow_dma(self.given, value);
        self.world.shadow_end_dma(at);
    }

    /// The device reads the page: what its process has there ([PIN-2], [PIN-3]).
    pub fn read(&self) -> u64 {
        let (value, at) = self.content();
        self.world.shadow_pin_read(self.given, at, value);
        self.world.shadow_end_dma(at);
        value
    }

    /// What is in the page, and where its process has it: the entry there is in use from here on.
    fn content(&self) -> (u64, PteLocation) {
        let at = self.world.shadow_begin_dma(self.given);
        (self.world.content(self.world.page(self.page())), at)
    }

    /// The device is done. Takes the page lock if the device stored. Kernel: `set_page_dirty_lock`,
    /// then `put_page`, or `unpin_user_page`.
    pub fn put(self) {
        let Self { world, given } = self;
        // from here on it stores no more, and what it holds is but a reference
        world.shadow_unpin(given);
        let Given { page, write, .. } = given;
        if write {
            world.page(page).lock.lock();
            world.page(page).dirty.write(true);
            world.unlock_page(page);
        }
        world.release_pinned(page);
    }

    /// The device is done, and nobody says that it may have stored: what the entry says must be
    /// enough. Kernel: `unpin_user_page`, as io_uring calls it for a registered buffer.
    pub fn put_clean(self) {
        let Self { world, given } = self;
        world.shadow_unpin(given);
        world.release_pinned(given.page);
    }

    /// May the device store into it?
    pub fn writes(&self) -> bool {
        self.given.write
    }

    /// Which page.
    pub fn page(&self) -> PageRef {
        self.given.page
    }
}

#[sync::forgets]
impl World {
    /// The `n`-th page that a device was given while the world was built: for races in which it has
    /// the page before the CPUs start.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn pin(&self, n: usize) -> Pin<'_> {
        let Some(given) = self.shadow_pinned(n) else {
            sync::misuse(format!(
                "no device was given {}",
                if n == 0 { "a page".into() } else { format!("{} pages", n + 1) }
            ));
        };
        Pin { world: self, given }
    }

    /// Kernel: `get_user_pages`; `pin_user_pages` since 5.6. Takes `mmap_sem` for reading.
    fn get_user_pages(&self, mm: MmRef, addr: Addr, foll: Foll) -> Result<Pin<'_>, Errno> {
        let Foll { write, force } = foll;
        call!(
            "get_user_pages({mm}:{addr}{}{})",
            if write { ", write" } else { "" },
            if force { ", force" } else { "" }
        );
        let mm = self.mm_struct(mm);
        // get_user_pages.1: mm->has_pinned is set before a page is looked for: fork looks at it
        // after it has made write_protect_seq odd. [S0.9]
        if self.rules().gup == Gup::Pin && !mm.has_pinned.read() {
            mm.has_pinned.write(true); // before it looks for a page
        }
        // get_user_pages.2: First what needs no lock is tried (get_user_pages_fast).
        if self.rules().gup_fast != GupFast::No
            && let Some(pin) = self.get_user_pages_fast(mm, addr, write)
        {
            return Ok(pin);
        }
        // get_user_pages.3: What was not found without a lock is looked for under the page-table
        // lock, with mmap_sem held for reading (follow_page).
        mm.mmap_sem.down_read();
        let pinned = self.follow_page(mm, addr, foll);
        mm.mmap_sem.up_read();
        pinned
    }

    /// Takes no lock: tries what needs none (rule [`GupFast`], claim S0.9). Kernel:
    /// `lockless_pages_from_mm`, and until 5.9 `internal_get_user_pages_fast`.
    fn get_user_pages_fast(&self, mm: &Mm, addr: Addr, write: bool) -> Option<Pin<'_>> {
        call!("get_user_pages_fast({}:{addr}{})", mm.id(), if write { ", write" } else { "" });
        // get_user_pages_fast.1: write_protect_seq is read: while it is odd, a fork is at work, and
        // nothing is given away. [S0.9]
        let counted =
            self.rules().gup_fast == GupFast::WriteProtectSeq && self.rules().gup == Gup::Pin;
        // smp_rmb in raw_read_seqcount, and in read_seqcount_retry
        let seq = counted.then(|| mm.write_protect_seq.load(Acquire));
        if seq.is_some_and(|seq| seq % 2 == 1) {
            sync::mark(Mark::GUP_FAST_MEETS_FORK);
            return None;
        }
        // get_user_pages_fast.2: The page is looked for without a lock (gup_pte_range).
        let pin = match self.rules().gup_fast {
            GupFast::InterruptsOff => self.gup_pte_range_without_interrupts(mm, addr, write)?,
            _ => self.gup_pte_range(mm, addr, write)?,
        };
        // get_user_pages_fast.3: write_protect_seq is read again: if a fork has begun meanwhile,
        // the page is given back. [S0.9]
        if seq.is_some() {
            sync::fence(Acquire);
        }
        if seq.is_some_and(|seq| mm.write_protect_seq.read() != seq) {
            sync::mark(Mark::GUP_FAST_MEETS_FORK);
            self.gup_refuse(&pin);
            return None;
        }
        self.shadow_pin_given(pin.given);
        sync::mark(Mark::GUP_FAST_PINS);
        Some(pin)
    }

    /// Takes no lock, and does not look again: who has cleared the entry or write-protected it
    /// waits in its TLB flush until interrupts are on again, and until then the entry's reference
    /// keeps the page. Kernel: `gup_pte_range` of x86, 2.6.27 to 4.12.
    fn gup_pte_range_without_interrupts(
        &self,
        mm: &Mm,
        addr: Addr,
        write: bool,
    ) -> Option<Pin<'_>> {
        let pte = mm.pte(addr);
        let pin = match pte.begin_load() {
            Pte::Present { page, write: writable, .. } if writable || !write => {
                let references = self.gup_references();
                self.assert_not_frozen(page);
                self.page(page).count.add(references);
                let given = self.shadow_pin_fast(mm, addr, page, write);
                Some(Pin { world: self, given })
            }
            _ => None,
        };
        pte.end_access(None);
        pin
    }

    /// Takes no lock. Kernel: `gup_pte_range`, 5.9 to 5.19.
    fn gup_pte_range(&self, mm: &Mm, addr: Addr, write: bool) -> Option<Pin<'_>> {
        // gup_pte_range.1: The entry is read without a lock; to store, it must be writable.
        let Pte::Present { page, write: writable, dirty } = Self::gup_get_pte(mm, addr) else {
            return None;
        };
        if write && !writable {
            return None;
        }
        // gup_pte_range.2: References are taken, so many that the page is known as pinned, unless
        // the count is zero. [COUNT-4]
        let (frame, references) = (self.frame(page), self.gup_references());
        frame.count.update_if(|count| (count != 0).then_some(count + references)).ok()?;
        let page = frame.resident(); // by now, the frame may have another page
        let given = self.shadow_pin_fast(mm, addr, page, write);
        let pin = Pin { world: self, given };
        // gup_pte_range.3: The entry is read again: whoever has unmapped the page meanwhile, or
        // write-protected it, has changed it, and then the references are dropped. A page to read
        // that others may have, too, is not given away. [S0.1, PIN-1, PIN-3]
        if Self::gup_get_pte(mm, addr) != (Pte::Present { page, write: writable, dirty })
            || (!writable && self.must_unshare(page))
        {
            sync::mark(Mark::GUP_FAST_LOOKS_AGAIN);
            self.gup_refuse(&pin);
            return None;
        }
        Some(pin)
    }

    /// An entry, with interrupts off, so that a shootdown waits. Kernel: the same name in 5.9,
    /// `ptep_get_lockless` since 5.10. It is the newest: an older one would be one from before the
    /// page moved, and what clauses know of the device would have moved without it.
    #[track_caller]
    fn gup_get_pte(mm: &Mm, addr: Addr) -> Pte {
        mm.pte(addr).read_newest()
    }

    /// Lets go of a page that nobody was told of. Kernel: `gup_put_folio`; until 5.17
    /// `put_compound_head`.
    fn gup_refuse(&self, pin: &Pin<'_>) {
        self.shadow_pin_refused(pin.given);
        self.put_page_refs(pin.page(), self.gup_references());
    }

    /// Kernel: `follow_page(FOLL_GET)`, and a fault as often as it finds nothing. Called with
    /// `mmap_sem` held. Takes the page-table lock.
    fn follow_page(&self, mm: &Mm, addr: Addr, foll: Foll) -> Result<Pin<'_>, Errno> {
        let Foll { write, force } = foll;
        // follow_page.1: The VMA must be there, and permit stores if there are to be any.
        let vma = self
            .find_vma(mm, addr)
            .filter(|vma| !write || force || vma.vm_write.read())
            .ok_or(Errno::Efault)?;
        let mut again = FaultAgain::default();
        // has a fault given the process the page for itself, as far as that is asked?
        let mut broken = false;
        loop {
            // follow_page.2: Under the page-table lock the entry is read.
            mm.page_table_lock.lock();
            match mm.pte(addr).read() {
                // follow_page.3: A page to read that others may have, too, is not given away: the
                // process gets one for itself first (do_wp_page). [PIN-2, PIN-3]
                pte @ Pte::Present { page, write: false, .. }
                    if !write && self.must_unshare(page) =>
                {
                    again.round(self, &(pte, broken));
                    match self.unshare(mm, vma, addr, pte) {
                        VmFault::Minor | VmFault::Write => continue,
                        VmFault::Oom => return Err(Errno::Enomem),
                    }
                }
                // follow_page.4: If the entry permits what is asked for, references are taken, and
                // the lock is let go of: whoever unmaps the page later sees them. [S0.1, S0.7]
                Pte::Present { page, write: writable, dirty }
                    if writable
                        || !write
                        || (force && self.can_follow_write_pte(vma, page, dirty, broken)) =>
                {
                    self.page(page).count.add(self.gup_references());
                    // What a device stores leaves no mark in a clean entry (FOLL_TOUCH; 2.6.11,
                    // 2.6.29, 5.9, 6.18 read).
                    if write && !dirty {
                        self.page(page).dirty.write(true);
                    }
                    if self.pins_stable() {
                        if !self.page_make_stable(page) {
                            let locked = self.discards_under_lock();
                            if !locked {
                                mm.page_table_lock.unlock();
                            }
                            self.page_discard(page);
                            if locked {
                                mm.page_table_lock.unlock();
                            }
                            // it looks again, which is not where a fault comes next
                            again.round(self, &("looks", broken));
                            continue;
                        }
                        self.needs(page);
                    }
                    let given = self.shadow_pin(mm, addr, page, write);
                    mm.page_table_lock.unlock();
                    return Ok(Pin { world: self, given });
                }
                // follow_page.5: Otherwise the lock is let go of, and the entry is faulted in as by
                // an access (handle_mm_fault); then it is looked at again. [S4.8]
                _ => mm.page_table_lock.unlock(),
            }
            again.round(self, &broken);
            let reads = broken && self.rules().gup_force == GupForce::FaultWrite;
            match self.handle_mm_fault(mm, vma, addr, write && !reads) {
                VmFault::Oom => return Err(Errno::Enomem),
                VmFault::Write => {
                    broken |= !vma.vm_write.read() || self.rules().gup_force == GupForce::Once
                }
                VmFault::Minor => broken |= self.rules().gup_force == GupForce::Once,
            }
        }
    }

    /// May a store by force go into a page whose entry is not writable (rule [`GupForce`], claim
    /// S4.8)? Called with the page-table lock held. Kernel: the same name since 4.9; part of
    /// `follow_page` before.
    fn can_follow_write_pte(&self, vma: &Vma, page: PageRef, dirty: bool, broken: bool) -> bool {
        match self.rules().gup_force {
            GupForce::Once | GupForce::FaultWrite => broken,
            GupForce::CowDirty => broken && dirty,
            GupForce::Exclusive => !vma.vm_write.read() && self.page(page).anon_exclusive.read(),
        }
    }

    /// Is what a device is given made stable? (rule [`ContentStable`], claim S2.8)
    fn pins_stable(&self) -> bool {
        self.hints() && self.rules().content_stable != ContentStable::Copy
    }

    /// Drops a device's reference. Kernel: `page_cache_release`, `put_page`, `unpin_user_page`.
    fn release_pinned(&self, page: PageRef) {
        if self.pins_stable() {
            self.lets_go(page);
        }
        if self.hints() {
            self.page_cache_release(page);
        } else {
            self.put_page_refs(page, self.gup_references());
        }
    }

    /// Must a device not be given this page to read, because others may have it? `gup_pte_range`
    /// asks without a lock: it has its reference by then, and who takes the mark away looks for
    /// that first. Kernel: `gup_must_unshare`, since 5.19.
    fn must_unshare(&self, page: PageRef) -> bool {
        self.rules().read_pin == ReadPin::Unshare && !self.page(page).anon_exclusive.read()
    }

    fn gup_references(&self) -> i64 {
        match self.rules().gup {
            Gup::Get => 1,
            Gup::Pin => GUP_PIN_COUNTING_BIAS,
        }
    }
}
