//! swapoff: brings everything back from the device.

use std::ops::Range;

use super::page::Mapping;
use super::{Addr, Errno, Mm, PageRef, Pte, SwapEntry, Vma, VmaRef, World};
use crate::spec::{
    Clause, ForkFailed, SwapinClash, TryToUnuse, UnuseActivate, UnuseAddress, UnuseCopy,
    UnuseFound, UnuseRecheck, UnuseSem, UnuseTableLock, UnuseVmas, UnusedSlot,
};
use crate::sync::{self, Mark, RetryLoop};
use crate::{call, note};

/// Addresses are page numbers here, but for one (claim S4.10).
const PAGE_SIZE: u64 = 4096;

#[sync::forgets]
impl World {
    /// Takes the swap device out of use: no new slots, then everything that is on it is mapped
    /// again. Kernel: `sys_swapoff` and `try_to_unuse`. If memory runs out, the device stays in
    /// use.
    pub fn swapoff(&self) {
        let _ = self.try_swapoff();
    }

    /// The same; an error if it fails for want of memory, or for what it takes for that (rule
    /// [`UnusedSlot`]).
    pub(crate) fn try_swapoff(&self) -> Result<(), Errno> {
        call!("sys_swapoff");
        // swapoff.1: From here on no slot is handed out.
        self.swapoff_begins();
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            // swapoff.2: Round by round (try_to_unuse), until no slot is in use.
            match self.try_to_unuse_next() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    sync::mark(Mark::SWAPOFF_FAILS);
                    self.swap_flags(true, true);
                    return Err(error);
                }
            }
        }
        // swapoff.3: Nobody gets a reference on the device any more, and who has one is waited for.
        // [SWAP-6]
        self.wait_for_swap_users();
        let left = self.swap.entries.iter().find_map(|slot| {
            slot.with(|entries| entries.iter().next().map(|(&at, &pte)| (at, pte)))
        });
        sync::clause(Clause::SWAP_6, left.is_none(), || {
            let (at, pte) = left.expect("it is violated");
            format!("swapoff is over, and {at} = {pte}")
        });
        // swapoff.4: The device is out of use.
        self.swap_flags(false, false);
        sync::clause(Clause::SWAP_6, self.swap.life.end(), || {
            "swapoff is over, and nothing keeps a CPU from reading from the device still".to_owned()
        });
        sync::mark(Mark::SWAPOFF_OVER);
        Ok(())
    }

    /// From here on no slot is handed out. Kernel: the beginning of `sys_swapoff`. Takes
    /// `swap_lock`.
    pub fn swapoff_begins(&self) {
        self.swap_flags(false, true);
    }

    fn swap_flags(&self, writeok: bool, used: bool) {
        self.swap.going_off.write(used && !writeok);
        self.swap.lock.lock();
        {
            let mut map = self.swap.lock.data();
            (map.writeok, map.used) = (writeok, used);
        }
        self.swap.lock.unlock();
    }

    /// Takes the swap device into use again, empty as swapoff has left it. Kernel: `sys_swapon`.
    pub fn swapon(&self) {
        self.revive_swap_users();
        self.swap.life.begins();
        self.swap_flags(true, true);
    }

    /// One round of `try_to_unuse` (rule [`TryToUnuse`]): the first slot in use, or every address
    /// space once. False if no slot is in use, or memory has run out.
    pub fn unuse_next(&self) -> bool {
        self.try_to_unuse_next().unwrap_or(false)
    }

    fn try_to_unuse_next(&self) -> Result<bool, Errno> {
        // try_to_unuse.1: A slot is found that is in use (here under swap_lock).
        let Some(entry) = self.find_next_to_unuse(0) else { return Ok(false) };
        // try_to_unuse.2: The address spaces are gone through, and then the swap cache (steps 3 to
        // 5).
        if self.rules().try_to_unuse == TryToUnuse::ByMm {
            self.unuse_mms()?;
        } else if let Some(page) = self.read_swap_cache_async(entry)? {
            self.unuse_entry(entry, page)?;
        }
        Ok(true)
    }

    /// Does anything refer to the slot, the swap cache among them? Takes `swap_lock`.
    fn is_slot_in_use(&self, entry: SwapEntry) -> bool {
        self.swap.lock.lock();
        let used = self.swap_count(entry) > 0;
        self.swap.lock.unlock();
        used
    }

    /// The first slot in use, at or behind `from`. Takes `swap_lock`.
    fn find_next_to_unuse(&self, from: usize) -> Option<SwapEntry> {
        self.swap.lock.lock();
        let used =
            self.swap.lock.with(|map| map.count.iter().skip(from).position(|&count| count > 0));
        self.swap.lock.unlock();
        used.map(|slot| SwapEntry((from + slot) as u32))
    }

    /// One slot, whose page the caller has a reference on, which it gives up: maps it wherever a
    /// page-table entry stands for it, then takes it out of the swap cache. The loop body of
    /// `try_to_unuse`, until 5.0 (2.6.11, 2.6.22 read). Takes the page lock.
    fn unuse_entry(&self, entry: SwapEntry, page: PageRef) -> Result<(), Errno> {
        let frame = self.page(page);
        frame.lock.lock();
        self.wait_on_page_writeback(page);
        self.shmem_unuse(entry, page);
        let mut prev_mm = None;
        while self.page_swapcount(entry) > 0
            && let Some(mm) = self.next_mm(prev_mm)
        {
            // While it was its only user, the process may have exited: that is done here then, with
            // the page locked.
            prev_mm.replace(mm).into_iter().for_each(|prev| self.mmput(prev));
            if let Err(error) = self.unuse_process(mm, entry, page) {
                prev_mm.into_iter().for_each(|prev| self.mmput(prev));
                self.lets_go(page);
                self.unlock_page(page);
                self.page_cache_release(page);
                return Err(error);
            }
        }
        prev_mm.into_iter().for_each(|prev| self.mmput(prev));
        if self.page_swapcount(entry) > 0 && self.is_cached_as(page, entry) {
            sync::mark(Mark::SWAPOFF_LEAVES_ENTRIES);
            if self.rules().try_to_unuse == TryToUnuse::Keep {
                self.lets_go(page);
                self.unlock_page(page);
                self.page_cache_release(page);
                return Ok(());
            }
            if frame.dirty.read() {
                if self.swap_writepage(page) {
                    self.unlock_page(page);
                }
                frame.lock.lock();
                self.wait_on_page_writeback(page);
            }
        }
        if self.is_cached_as(page, entry) && self.makes_stable_everywhere(page) {
            self.delete_from_swap_cache(page);
            self.slot_goes(page);
        }
        frame.dirty.write(true);
        self.lets_go(page);
        self.unlock_page(page);
        self.page_cache_release(page);
        Ok(())
    }

    /// Every address space once, then every page that nobody needs in the swap cache any more. The
    /// loop body of `try_to_unuse` since 5.1 (5.19 read). Holds no lock when it goes from one
    /// address space to the next.
    fn unuse_mms(&self) -> Result<(), Errno> {
        let mut prev_mm = None;
        // try_to_unuse.3: Each address space of the list is kept by a reference, and what it has on
        // swap is brought back (unuse_mm). No lock is held from one to the next.
        while let Some(mm) = self.next_mm(prev_mm) {
            prev_mm.replace(mm).into_iter().for_each(|prev| self.mmput(prev));
            if let Err(error) = self.unuse_mm(mm) {
                self.mmput(mm);
                return Err(error);
            }
        }
        prev_mm.into_iter().for_each(|prev| self.mmput(prev));
        let mut from = 0;
        // try_to_unuse.4: What is left in the swap cache is looked up (find_get_page).
        while let Some(entry) = self.find_next_to_unuse(from) {
            from = entry.0 as usize + 1;
            let Some(page) = self.find_get_page(entry) else { continue };
            // try_to_unuse.5: It is locked, who writes it is waited for, and it leaves the swap
            // cache if no entry needs it (try_to_free_swap).
            self.page(page).lock.lock();
            self.wait_on_page_writeback(page);
            self.try_to_free_swap(page);
            self.unlock_page(page);
            self.put_page(page);
        }
        Ok(())
    }

    /// Brings back what an address space has on swap. Takes `mmap_sem`, and for each entry the page
    /// lock, then the page-table lock. Kernel: `unuse_mm`, since 5.1 (5.19 read).
    fn unuse_mm(&self, mm: &Mm) -> Result<(), Errno> {
        call!("unuse_mm({})", mm.id());
        // unuse_mm.1: mmap_sem is taken for reading: the VMAs stay.
        mm.mmap_sem.down_read();
        // check_stable_address_space
        if self.rules().fork_failed == ForkFailed::Unstable && mm.half_made.read() {
            mm.mmap_sem.up_read();
            return Ok(());
        }
        let vmas = mm.mmap.read();
        let result = vmas.iter().map(|&vma| self.vma(vma)).try_for_each(|vma| {
            // unuse_mm.2: A VMA without an anon_vma has nothing on swap.
            if self.rules().unuse_vmas == UnuseVmas::Linked && vma.anon_vma.read().is_none() {
                return Ok(());
            }
            for addr in vma.vm_start.read()..vma.vm_end.read() {
                // unuse_mm.3: An entry is read without the page-table lock; if it is no swap entry,
                // the next.
                let Some(entry) = mm.pte(addr).read().swap_entry() else { continue };
                // unuse_mm.4: Its page is looked up or read (read_swap_cache_async). If there is
                // none, and nobody needs the slot any more, the next entry; if the slot is in use,
                // swapoff fails for want of memory. [FINDING-52]
                let Some(page) = self.read_swap_cache_async(entry)? else {
                    if self.rules().unused_slot == UnusedSlot::Skip && self.is_slot_in_use(entry) {
                        return Err(Errno::Enomem); // so it thinks
                    }
                    continue;
                };
                // unuse_mm.5: The page is locked, and who writes it is waited for.
                self.page(page).lock.lock();
                self.wait_on_page_writeback(page);
                if self.rules().unuse_recheck == UnuseRecheck::Entry
                    || self.is_cached_as(page, entry)
                {
                    // unuse_mm.6: Under the page-table lock the entry is read again: a fault may
                    // have been quicker.
                    mm.page_table_lock.lock();
                    if mm.pte(addr).read().swap_entry() == Some(entry) {
                        // unuse_mm.7: The page is mapped there, read-only, exclusive if the entry
                        // said so, and the claim on the slot is given up. [COUNT-1, SWAP-1]
                        self.unuse_pte(mm, vma, addr, entry, page);
                    }
                    // unuse_mm.8: The page-table lock is let go of; the page leaves the swap cache
                    // if no other entry needs it (try_to_free_swap), is unlocked, and its reference
                    // dropped.
                    mm.page_table_lock.unlock();
                }
                self.try_to_free_swap(page);
                self.unlock_page(page);
                self.put_page(page);
            }
            Ok(())
        });
        if result.is_ok() {
            self.assert_no_vma_is_missing(mm);
        }
        // unuse_mm.9: mmap_sem is let go of.
        self.assert_vmas_unchanged(mm, &vmas);
        mm.mmap_sem.up_read();
        result
    }

    /// Whoever goes along the VMAs to the end follows what is there if fork could not make one
    /// ([NULL-1]). Called with `mmap_sem` held.
    fn assert_no_vma_is_missing(&self, mm: &Mm) {
        let marked = [ForkFailed::Marked, ForkFailed::Unstable].contains(&self.rules().fork_failed);
        sync::clause(Clause::NULL_1, !(marked && mm.half_made.read()), || {
            format!("unuse_mm follows what a failed fork left in the list of {}", mm.id())
        });
    }

    /// Whoever goes along the VMAs holds what keeps others from the list ([GUARD-1]).
    fn assert_vmas_unchanged(&self, mm: &Mm, seen: &[VmaRef]) {
        let unchanged = mm.mmap.read().as_slice() == seen;
        sync::clause(Clause::GUARD_1, unchanged, || {
            format!("the VMAs of {} change while swapoff goes along them", mm.id())
        });
    }

    /// Maps the page in one process. Called with the page locked. Takes the page-table lock.
    /// Kernel: `unuse_process`; later `unuse_mm`, until 5.0 (2.6.11, 2.6.22 read).
    ///
    /// `mmap_sem` comes before the page lock, so it is tried; when that fails, the page is unlocked
    /// meanwhile (claim S0.10). That was not always so: rule [`UnuseSem`] (claim S4.5).
    ///
    /// Where the page is known by another address than that at which it is mapped now, it is copied
    /// there (rule [`SwapinClash`], claim S4.3): an error if no memory is left for that.
    fn unuse_process(&self, mm: &Mm, entry: SwapEntry, page: PageRef) -> Result<(), Errno> {
        call!("unuse_process({}, {entry})", mm.id());
        let sem = self.rules().unuse_sem;
        if sem == UnuseSem::Held {
            mm.mmap_sem.down_read();
        }
        if sem == UnuseSem::Trylock
            && (self.mmap_sem_contended() || !mm.mmap_sem.down_read_trylock())
        {
            sync::mark(Mark::SWAPOFF_LETS_GO);
            if matches!(
                self.rules().unuse_activate,
                UnuseActivate::BeforeUnlock | UnuseActivate::Both
            ) {
                self.activate_page(page);
            }
            self.unlock_page(page);
            mm.mmap_sem.down_read();
            self.page(page).lock.lock();
        }
        // where: in bytes, and one more, by which the kernel tells it from nothing (claim S4.10)
        let mut found = None;
        let whole = self.rules().unuse_table_lock == UnuseTableLock::Whole;
        if whole {
            mm.page_table_lock.lock();
        }
        let vmas = mm.mmap.read();
        for &vma in vmas.iter() {
            let vma = self.vma(vma);
            if self.rules().unuse_vmas == UnuseVmas::Linked && vma.anon_vma.read().is_none() {
                continue;
            }
            if !whole {
                mm.page_table_lock.lock();
            }
            for addr in self.unuse_addresses(vma, page) {
                if mm.pte(addr).read().swap_entry() == Some(entry) {
                    self.unuse_pte(mm, vma, addr, entry, page);
                    found = Some((vma, 1 + addr * PAGE_SIZE));
                }
            }
            if !whole {
                mm.page_table_lock.unlock();
            }
        }
        self.assert_vmas_unchanged(mm, &vmas);
        if whole {
            mm.page_table_lock.unlock();
        }
        let clashes = |&(_, addr): &(&Vma, u64)| {
            self.rules().swapin_clash == SwapinClash::Copy && self.is_found_elsewhere(page, addr)
        };
        let copied = found
            .filter(clashes)
            .map_or(Ok(()), |(vma, foundaddr)| self.unuse_copies(mm, vma, page, foundaddr));
        if sem != UnuseSem::Nothing {
            mm.mmap_sem.up_read();
        }
        copied
    }

    /// Where in the VMA the page's entry may be (rule [`UnuseAddress`]). Called with the page
    /// locked, and `mmap_sem` held; no lock keeps the anon_vma of a page that nobody maps. Kernel:
    /// the beginning of `unuse_vma`, and `page_address_in_vma`, 2.6.9 to 5.0.
    fn unuse_addresses(&self, vma: &Vma, page: PageRef) -> Range<Addr> {
        let whole = || vma.vm_start.read()..vma.vm_end.read();
        let rule = self.rules().unuse_address;
        if rule == UnuseAddress::Everywhere {
            return whole();
        }
        let Mapping::AnonVma(anon_vma) = self.page_rmapping(page) else { return whole() };
        let of_vma = vma.anon_vma.read();
        let may_be_here = match rule {
            UnuseAddress::Everywhere | UnuseAddress::Any => true,
            UnuseAddress::Own => of_vma.is_some_and(|own| own.same_object(anon_vma)),
            UnuseAddress::Root => of_vma.is_some_and(|own| {
                self.anon_vma_locker(own).same_object(self.anon_vma_locker(anon_vma))
            }),
        };
        match vma.vma_address(self, page) {
            Ok(addr) if may_be_here => addr..addr + 1,
            _ => 0..0,
        }
    }

    /// Is the page known by another address (rule [`UnuseFound`])? Called with the page locked.
    /// Kernel: `mremap_moved_anon_rmap`.
    fn is_found_elsewhere(&self, page: PageRef, foundaddr: u64) -> bool {
        note!("{page} was found at byte {foundaddr}");
        match self.rules().unuse_found {
            UnuseFound::Masked => self.mremap_moved_anon_rmap(page, foundaddr / PAGE_SIZE),
            UnuseFound::Unmasked => self.page(page).index.read() * PAGE_SIZE != foundaddr,
        }
    }

    /// Gives the process a page of its own where it was found: a fault, with the page locked (rule
    /// [`UnuseCopy`], claim S4.9), at an address that is one too high, which nobody notices, since
    /// all use the page's number. Called with `mmap_sem` held, and the page locked; returns so.
    fn unuse_copies(&self, mm: &Mm, vma: &Vma, page: PageRef, foundaddr: u64) -> Result<(), Errno> {
        sync::mark(Mark::SWAPIN_CLASH);
        let unlocks = self.rules().unuse_copy == UnuseCopy::Unlocked;
        if unlocks {
            self.unlock_page(page);
        }
        let copied = self.make_page_exclusive(mm, vma, foundaddr / PAGE_SIZE);
        if unlocks {
            self.page(page).lock.lock();
        }
        copied
    }

    /// Called with the page and the page table locked, and `mmap_sem` held (but see the rule
    /// [`UnuseSem`]). Kernel: `unuse_pte`.
    fn unuse_pte(&self, mm: &Mm, vma: &Vma, addr: Addr, entry: SwapEntry, page: PageRef) {
        self.get_page(page);
        if let Pte::Swap { exclusive: true, .. } = mm.pte(addr).read() {
            self.page(page).anon_exclusive.write(true);
        }
        self.map_again(mm, vma, addr, Pte::clean(page, false));
        self.swap_free(entry);
        if matches!(self.rules().unuse_activate, UnuseActivate::Mapped | UnuseActivate::Both) {
            self.activate_page(page);
        }
        note!("{}:{addr} is back from swap", mm.id());
    }
}
