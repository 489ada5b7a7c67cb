//! The swap map: how many refer to each slot of the swap device; and the device.

use std::collections::BTreeMap;
use std::fmt;

use super::page::Entries;
use super::{PageRef, World};
use crate::spec::{
    Clause, FreeSwap, FreeSwapLookup, SlotStable, SwapHasCache, SwapinNotify, SwapoffWait,
    WriteError, WriteUnderWay, ZapSwap,
};
use crate::sync::{self, Ghost, Lifetime, Mark, MmuWord, Name, Rcu, SpinLock, State, Word};
use crate::{call, note};

/// A slot on the swap device. Kernel: `swp_entry_t`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SwapEntry(pub(super) u32);

impl fmt::Display for SwapEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "swap({})", self.0)
    }
}

/// Slots on the device of a race: more than any uses, and few, since all of them are state.
pub(super) const SLOTS: u32 = 8;

/// Kernel: `swap_info_struct.swap_map`, and its flags.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SwapMap {
    /// By slot: page-table entries that hold it, plus one if it is in the swap cache, or on its
    /// way.
    pub(super) count: Vec<u32>,
    /// Slots may be handed out. Kernel: `SWP_WRITEOK`.
    pub(super) writeok: bool,
    /// The device is in use, and swapoff is not over. Kernel: `SWP_USED`.
    pub(super) used: bool,
}

/// The swap cache has no claim on the slot.
const NO_CACHE: u64 = 0;
/// It has, and the page is on its way into the tree, or out of it.
pub(super) const ON_ITS_WAY: u64 = 1;
/// It has, and the page is there.
pub(super) const CACHED: u64 = 2;

/// What became of the swap cache's claim on a slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Prepared {
    /// It has it.
    Claimed,
    /// The slot is free. Kernel: `-ENOENT`.
    Free,
    /// A page of the slot is on its way into the swap cache, or out of it. Kernel: `-EEXIST`.
    Taken,
}

/// The swap device and its map. Kernel: `struct swap_info_struct`.
pub struct Swap {
    /// Protects the map: for each slot, page-table entries that hold it, plus one if it is in the
    /// swap cache. Kernel: `swap_lock`, `swap_map`, until 2.6.30.
    pub lock: SpinLock<SwapMap>,
    /// By slot: has the swap cache a claim on it, and is its page there? The claim is changed under
    /// `swap_lock`, and whether the page is there under the tree lock. Kernel: `SWAP_HAS_CACHE`,
    /// since 2.6.31 (rule [`SwapHasCache`]), and the tree's slot.
    has_cache: Vec<MmuWord<u64>>,
    /// What is written in each slot.
    data: Vec<Word<u64>>,
    /// Who is inside [`get_swap_device`](World::get_swap_device). They may sleep there. Kernel:
    /// `users`, a `percpu_ref`.
    users: Rcu,
    /// Nobody gets in any more. Kernel: `percpu_ref_kill`.
    killed: Word<bool>,
    /// swapoff is at work: the slots that are in use are more than all there are. Kernel:
    /// `nr_swap_pages` is negative, where there is one device.
    pub(super) going_off: Word<bool>,
    /// Until when its files and its map are there. Kernel: `swap_file` and `swap_map`, which
    /// `sys_swapoff` gives up last.
    pub(super) life: Lifetime,
    /// The checker's: which entries hold each slot ([COW-2]).
    pub(super) entries: Vec<Entries>,
}

impl Swap {
    pub(super) fn new(slots: u32) -> Self {
        let slot = |at| Word::new(Name::new("swap(%a).data", at, 0), 0);
        Self {
            lock: SpinLock::new(
                Name::new("swap_lock", 0, 0),
                SwapMap { count: vec![0; slots as usize], writeok: true, used: true },
            ),
            has_cache: (0..slots)
                .map(|at| MmuWord::new(Name::new("swap(%a).has_cache", at, 0), NO_CACHE))
                .collect(),
            data: (0..slots).map(slot).collect(),
            users: Rcu::sleepable(Name::new("swap users", 0, 0)),
            killed: Word::new(Name::new("swap users killed", 0, 0), false),
            going_off: Word::new(Name::new("swapoff at work", 0, 0), false),
            life: Lifetime::new(),
            entries: (0..slots)
                .map(|at| Ghost::new(Name::new("entries of swap(%a)", at, 0), BTreeMap::new()))
                .collect(),
        }
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        self.lock.see(state);
        self.has_cache.iter().for_each(|slot| slot.see(state));
        self.data.iter().for_each(|slot| slot.see(state));
        self.users.see(state);
        self.killed.see(state);
        self.going_off.see(state);
        self.entries.iter().for_each(|entries| entries.see(state));
    }

    /// Slots in use, with their counts: for audits and pictures only.
    pub(super) fn peek(&self) -> Vec<(SwapEntry, u32)> {
        self.lock.peek(|map| {
            (0u32..)
                .map(SwapEntry)
                .zip(map.count.iter().copied())
                .filter(|&(_, count)| count > 0)
                .collect()
        })
    }
}

#[sync::forgets]
impl World {
    /// Takes a free slot, for the swap cache. Kernel: `get_swap_page`. Takes `swap_lock`.
    pub(super) fn get_swap_page(&self) -> Option<SwapEntry> {
        self.swap.lock.lock();
        let free = {
            let mut map = self.swap.lock.data();
            let free = map.count.iter().position(|&count| count == 0).filter(|_| map.writeok);
            if let Some(slot) = free {
                map.count[slot] = 1;
            }
            free
        };
        if let Some(slot) = free {
            self.set_has_cache(SwapEntry(slot as u32), ON_ITS_WAY);
        }
        self.swap.lock.unlock();
        free.map(|slot| SwapEntry(slot as u32))
    }

    /// One more refers to the slot; false if it is free. Kernel: `swap_duplicate`. Takes
    /// `swap_lock`.
    pub(super) fn swap_duplicate(&self, entry: SwapEntry) -> bool {
        self.swap.lock.lock();
        let used = {
            let count = &mut self.swap.lock.data().count[entry.0 as usize];
            let used = *count > 0;
            *count += u32::from(used);
            used
        };
        self.swap.lock.unlock();
        used
    }

    /// Keeps swapoff from being over (rule [`SwapoffWait`]); false if it is. Never waits. Kernel:
    /// `get_swap_device`, which `do_swap_page` calls (5.19, 6.12, 6.18.35 read).
    pub(super) fn get_swap_device(&self) -> bool {
        if self.rules().swapoff_wait == SwapoffWait::No {
            return true;
        }
        self.swap.users.read_lock();
        let killed = self.swap.killed.read();
        if killed {
            self.swap.users.read_unlock();
        }
        !killed
    }

    /// Kernel: `put_swap_device`.
    pub(super) fn put_swap_device(&self) {
        if self.rules().swapoff_wait != SwapoffWait::No {
            self.swap.users.read_unlock();
        }
    }

    /// Sleeps until nobody is inside [`get_swap_device`](Self::get_swap_device), and lets nobody
    /// in. Kernel: `percpu_ref_kill`, `wait_for_completion`, in `sys_swapoff`.
    pub(super) fn wait_for_swap_users(&self) {
        if self.rules().swapoff_wait != SwapoffWait::No {
            self.swap.killed.write(true);
            self.swap.users.synchronize();
        }
    }

    /// Kernel: `percpu_ref_resurrect`, in `sys_swapon`.
    pub(super) fn revive_swap_users(&self) {
        if self.rules().swapoff_wait != SwapoffWait::No {
            self.swap.killed.write(false);
        }
    }

    /// The swap cache claims the slot. Kernel: `swapcache_prepare`, since 2.6.31 (2.6.33 read);
    /// before, `swap_duplicate`. Takes `swap_lock`.
    pub(super) fn swapcache_prepare(&self, entry: SwapEntry) -> Prepared {
        self.swap.lock.lock();
        let prepared = if self.swap_count(entry) == 0 {
            Prepared::Free
        } else if self.has_cache(entry) == Some(true) {
            Prepared::Taken
        } else {
            self.swap.lock.data().count[entry.0 as usize] += 1;
            self.set_has_cache(entry, ON_ITS_WAY);
            Prepared::Claimed
        };
        self.swap.lock.unlock();
        prepared
    }

    /// Waits until the slot's page is in the swap cache, or the claim has been given up. The kernel
    /// goes round: it looks the page up and tries again.
    pub(super) fn wait_for_swapcache(&self, entry: SwapEntry) {
        self.swap.has_cache[entry.0 as usize].read_when(|has_cache| has_cache != ON_ITS_WAY);
    }

    /// Has the swap cache a claim on the slot? Nobody can tell where that counts as one more (rule
    /// [`SwapHasCache`]). Called with `swap_lock` held.
    fn has_cache(&self, entry: SwapEntry) -> Option<bool> {
        (self.rules().swap_has_cache == SwapHasCache::Bit)
            .then(|| self.swap.has_cache[entry.0 as usize].read() != NO_CACHE)
    }

    pub(super) fn set_has_cache(&self, entry: SwapEntry, has_cache: u64) {
        if self.rules().swap_has_cache == SwapHasCache::Bit {
            self.swap.has_cache[entry.0 as usize].write(has_cache);
        }
    }

    /// The swap cache gives its claim up. Kernel: `swapcache_free`, since 2.6.31 (2.6.33 read);
    /// before, `swap_free`. Takes `swap_lock`.
    pub(super) fn swapcache_free(&self, entry: SwapEntry) {
        self.swap.lock.lock();
        self.set_has_cache(entry, NO_CACHE);
        self.swap_entry_free(entry);
        self.swap.lock.unlock();
    }

    /// One less refers to the slot; returns how many are left. Kernel: `swap_entry_free`. Called
    /// with `swap_lock` held.
    fn swap_entry_free(&self, entry: SwapEntry) -> u32 {
        let left = {
            let count = &mut self.swap.lock.data().count[entry.0 as usize];
            let used = *count > 0;
            *count = count.saturating_sub(1);
            used.then_some(*count)
        };
        sync::clause(Clause::SWAP_2, left.is_some(), || {
            format!("{entry} is freed, but it is free")
        });
        note!("{entry} has {} left", left.unwrap_or(0));
        left.unwrap_or(0)
    }

    /// Kernel: `swap_free`. Takes `swap_lock`.
    pub(super) fn swap_free(&self, entry: SwapEntry) {
        self.swap.lock.lock();
        self.swap_entry_free(entry);
        self.swap.lock.unlock();
    }

    /// How many page-table entries hold the slot of a page in the swap cache. Kernel:
    /// `page_swapcount`. Takes `swap_lock`.
    pub(super) fn page_swapcount(&self, entry: SwapEntry) -> u32 {
        self.swap.lock.lock();
        let count = self.swapcount(entry);
        self.swap.lock.unlock();
        count
    }

    /// The count without the swap cache's claim: where that counts as one more, the caller knows
    /// that it is there. Called with `swap_lock` held. Kernel: `swap_count`, since 2.6.31; before,
    /// one less than `swap_map` says.
    fn swapcount(&self, entry: SwapEntry) -> u32 {
        let cache = self.has_cache(entry).unwrap_or(true);
        self.swap_count(entry).saturating_sub(u32::from(cache))
    }

    /// How many refer to the slot, the swap cache among them. Called with `swap_lock` held.
    pub(super) fn swap_count(&self, entry: SwapEntry) -> u32 {
        self.swap.lock.with(|map| map.count[entry.0 as usize])
    }

    /// Gives up a page-table entry's claim on a slot, and the page in the swap cache if nobody else
    /// needs it. Called with the page-table lock held. Kernel: `free_swap_and_cache`, and since
    /// 4.11 `__try_to_reclaim_swap` (rule [`ZapSwap`]). Takes `swap_lock`, the tree lock, and tries
    /// the page lock. Until 2.6.28 any reference keeps the page in the cache, since 2.6.29 only a
    /// mapping does (rule [`FreeSwap`]); nothing does when swap is full.
    pub(super) fn free_swap_and_cache(&self, entry: SwapEntry) {
        call!("free_swap_and_cache({entry})");
        // free_swap_and_cache.1: The claim on the slot is given up, under swap_lock, which nests in
        // the page-table lock. [SWAP-2]
        self.swap.lock.lock();
        let last = self.swap_entry_free(entry) == 1 && self.swapcount(entry) == 0;
        let under_lock = self.rules().zap_swap == ZapSwap::UnderLock;
        let locked = if last && under_lock { self.find_and_trylock(entry) } else { None };
        // free_swap_and_cache.2: If nothing but the swap cache holds the slot now, its page is
        // looked up, with swap_lock let go of, and its lock is tried for: a page-table lock is
        // held, so nobody may wait for it. [S2.1, ATOMIC-1]
        self.swap.lock.unlock();
        let locked = if last && !under_lock { self.find_and_trylock(entry) } else { locked };
        let Some(page) = locked else { return };
        // free_swap_and_cache.3: Under the page lock, if the page is in the swap cache, nobody
        // writes it, no entry holds its slot, and nothing maps it or swap is full, it leaves the
        // swap cache, and is dirty. [S2.2]
        let frame = self.page(page);
        let unused = match self.rules().free_swap {
            FreeSwap::TryToFree => !frame.mapped(),
            FreeSwap::RemoveExclusive | FreeSwap::RemoveExclusiveUnlocked => {
                frame.count.read() == 2
            }
        };
        let counted = || {
            self.rules().zap_swap != ZapSwap::Recount
                || self.page_swapcount(self.page_swap_entry(page)) == 0
        };
        if frame.swap_cache.read()
            && !self.keeps_slot_of(page)
            && (unused || self.vm_swap_full())
            && self.page_matches_swap_entry(page, entry)
            && counted()
        {
            if matches!(self.rules().slot_stable, SlotStable::Nothing | SlotStable::Fault)
                || self.page_make_stable(page)
            {
                sync::mark(Mark::FREE_SWAP_AND_CACHE_FREES);
                self.delete_from_swap_cache(page);
                self.slot_goes(page);
                frame.dirty.write(true);
            } else {
                sync::mark(Mark::FREE_SWAP_KEEPS_DISCARDED);
            }
        }
        // free_swap_and_cache.4: The page is unlocked, and the reference of the look-up is dropped.
        self.unlock_page(page);
        self.page_cache_release(page);
    }

    /// Called with the page-table lock and `swap_lock` held (rule [`FreeSwapLookup`], claim S2.1).
    fn find_page_to_free(&self, entry: SwapEntry) -> Option<PageRef> {
        match self.rules().free_swap_lookup {
            FreeSwapLookup::NoDiscard => self.find_get_page(entry),
            FreeSwapLookup::Checking => {
                self.find_get_page_stable(entry).inspect(|&page| self.lets_go(page))
            }
        }
    }

    /// The slot's page in the swap cache, locked and with a reference, if nobody else has it
    /// locked.
    fn find_and_trylock(&self, entry: SwapEntry) -> Option<PageRef> {
        let page = self.find_page_to_free(entry)?;
        if self.page(page).lock.trylock() {
            return Some(page);
        }
        self.page_cache_release(page);
        None
    }

    /// Writes a page to its slot. Called with the page locked, and in the swap cache. True if that
    /// is over at once, and the page is locked still; else the device is at it until
    /// [`end_swap_write`](Self::end_swap_write), and the page is unlocked. Kernel:
    /// `clear_page_dirty_for_io`, then `swap_writepage`, which unlocks the page in any case, and
    /// its callers lock it again.
    pub(super) fn swap_writepage(&self, page: PageRef) -> bool {
        let frame = self.page(page);
        frame.dirty.test_and_clear();
        let entry = self.page_swap_entry(page);
        if !self.swap_is_slow() {
            self.swap.data[entry.0 as usize].write(self.content(frame));
            return true;
        }
        sync::mark(Mark::WRITE_BEGINS);
        frame.writeback.write(u64::from(entry.0) + 1);
        self.unlock_page(page);
        false
    }

    /// The device has written the page that is on its way to swap, at any time since that began: a
    /// CPU of its own, where the device is slow ([`swap_slowly`](super::Setup::swap_slowly)).
    /// Nothing if none is, for then the write takes longer than the race. Takes the tree lock.
    #[track_caller]
    pub fn end_swap_write(&self, page: PageRef) {
        sync::here();
        let done = self.end_swap_bio_write(page, true);
        self.asked(Name::new("end_swap_write()", 0, 0), done);
    }

    /// The same, but the device could not write the page (rule
    /// [`WriteError`](crate::spec::WriteError)).
    #[track_caller]
    pub fn fail_swap_write(&self, page: PageRef) {
        sync::here();
        let done = self.end_swap_bio_write(page, false);
        self.asked(Name::new("fail_swap_write()", 0, 0), done);
    }

    /// What the slot's bio knows is the page's frame and the slot ([SWAP-7]). The page has no
    /// reference for this: that of the swap cache keeps it, which nobody takes away meanwhile (rule
    /// [`WriteUnderWay`](crate::spec::WriteUnderWay)). Kernel: the same name.
    fn end_swap_bio_write(&self, page: PageRef, uptodate: bool) -> bool {
        let frame = self.frame(page);
        let Some(entry) = frame.writeback.read().checked_sub(1).map(|slot| SwapEntry(slot as u32))
        else {
            return false;
        };
        call!("end_swap_bio_write({page}, {entry})");
        let cached = frame.cached.get();
        sync::clause(Clause::SWAP_7, cached == Some(entry), || {
            format!("{page} is written to {entry}, which is not its slot any more")
        });
        if uptodate {
            self.swap.data[entry.0 as usize].write(self.content(frame));
        } else {
            sync::mark(Mark::WRITE_FAILS);
            if self.rules().write_error == WriteError::Redirty {
                self.frame(page).dirty.write(true);
            }
        }
        self.end_page_writeback(page);
        true
    }

    /// Kernel: `test_clear_page_writeback`; in document 2 the page may be volatile from here on.
    /// Nobody is rotated to the end of the LRU list. Takes the tree lock.
    fn end_page_writeback(&self, page: PageRef) {
        self.swap_cache.tree_lock.lock();
        self.frame(page).writeback.write(0);
        if self.hints() && self.page_make_volatile(page, 1) {
            sync::mark(Mark::VOLATILE_BY_WRITEBACK);
        }
        self.swap_cache.tree_lock.unlock();
        sync::mark(Mark::WRITE_ENDS);
    }

    /// Is the device at it? Never where it is done at once. Who has the page locked keeps writing
    /// from beginning; it may be over in the next moment, and then nothing is wrong. Kernel:
    /// `PageWriteback`.
    pub(super) fn is_written(&self, page: PageRef) -> bool {
        self.swap_is_slow() && self.frame(page).writeback.read() != 0
    }

    /// The same, for who would take the page out of the swap cache (rule
    /// [`WriteUnderWay`](crate::spec::WriteUnderWay)).
    pub(super) fn keeps_slot_of(&self, page: PageRef) -> bool {
        let keeps =
            self.rules().write_under_way == WriteUnderWay::Respected && self.is_written(page);
        if keeps {
            sync::mark(Mark::WRITE_KEEPS_SLOT);
        }
        keeps
    }

    /// Sleeps until the device is done with the page (rule
    /// [`WriteUnderWay`](crate::spec::WriteUnderWay)). Called with a reference on it. Kernel: the
    /// same name.
    pub(super) fn wait_on_page_writeback(&self, page: PageRef) {
        if self.keeps_slot_of(page) {
            sync::might_sleep("wait_on_page_writeback");
            self.page(page).writeback.read_when(|slot| slot == 0);
        }
    }

    /// Reads a slot. IO that is over at once. Called with the page locked. Kernel: `swap_readpage`.
    pub(super) fn swap_read(&self, entry: SwapEntry) -> u64 {
        sync::clause(Clause::SWAP_6, self.swap.life.used(), || {
            format!("{entry} is read, and swapoff is over")
        });
        self.swap.data[entry.0 as usize].read()
    }

    /// What has been read into the swap cache need not be kept on the device, too: the page is dirty
    /// instead. Called with the page locked. Kernel: the same name, in `end_swap_bio_read` and
    /// `swap_readpage` (rule [`SwapinNotify`]); the count is read without `swap_lock` there.
    pub(super) fn swap_slot_free_notify(&self, page: PageRef, entry: SwapEntry) {
        if self.rules().swapin_notify == SwapinNotify::FreesSlot
            && self.swap_is_compressed()
            && self.page_swapcount(entry) == 1
        {
            sync::mark(Mark::SWAP_SLOT_FREE_NOTIFY);
            self.page(page).dirty.write(true);
            self.swap.data[entry.0 as usize].write(0); // zram reads zeroes where it has nothing
        }
    }

    /// What is in a slot: for audits and pictures only.
    pub(super) fn peek_swap(&self, entry: SwapEntry) -> u64 {
        self.swap.data[entry.0 as usize].peek()
    }

    /// [SWAP-1]: each slot's count is what refers to it. [SWAP-6], still, once swapoff has been
    /// here.
    pub(super) fn audit_swap(&self) {
        let used = self.swap.lock.peek(|&SwapMap { used, .. }| used);
        for entry in (0u32..).map(SwapEntry).take(self.swap.data.len()) {
            let held = self.every_pte().filter(|(_, pte)| pte.swap_entry() == Some(entry)).count();
            let cached = usize::from(self.peek_swap_cache(entry).is_some());
            let count = self.swap.lock.peek(|map| map.count[entry.0 as usize]) as usize;
            let file = usize::from(self.shmem_slot.get() == Some(entry)) + self.shmem_claims(entry);
            sync::clause(Clause::SWAP_1, count == held + cached + file, || {
                format!(
                    "{entry} has {count} left, and should have {}: page-table entries {held}, \
                     swap cache {cached}, file {file}",
                    held + cached + file
                )
            });
            sync::clause(Clause::SWAP_6, used || count == 0, || {
                format!("swapoff is over, and {entry} is in use")
            });
        }
    }
}
