//! Page frames: reference counts, flags, and the page lock.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::host::Host;
use super::{Addr, AnonmmRef, Pte, PteLocation, SwapEntry, World};
use crate::spec::{Clause, MapLock, StaleEntry, TruncateLock, UnlockOffset};
use crate::sync::{
    self, Ghost, MmuWord, Name, PageLock, Scalar, SlabRef, SpinLock, State, Word, one_word,
};

/// A page: a frame, and which of the pages that live in the frame one after the other. The kernel's
/// `struct page *` is the frame alone; the generation is what the checker knows beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageRef {
    pub(super) frame: u32,
    generation: u32,
}

/// Whatever a CPU gets to know, and whatever there is, is hashed, packed or shown; so that is where
/// it is noticed that somebody may know of the page.
impl PageRef {
    fn met(self) -> Self {
        sync::met(self.frame, self.generation);
        self
    }
}

impl Hash for PageRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { frame, generation } = self.met();
        (frame, generation).hash(state);
    }
}

impl fmt::Debug for PageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PageRef {
    /// What a migration entry of this page says to somebody who takes it for a swap entry: the
    /// frame's number is the slot's.
    pub(super) fn as_swap_entry(self) -> SwapEntry {
        SwapEntry(self.frame)
    }
}

impl fmt::Display for PageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        sync::is_there(self.frame, self.generation);
        write!(f, "P{}", self.frame)?;
        sync::primes_from_here(f, self.frame, self.generation)
    }
}

/// 28 bits of frame, 28 of generation: it shares a word with a page-table entry's bits.
impl Scalar for PageRef {
    fn pack(self) -> u64 {
        let Self { frame, generation } = self.met();
        u64::from(frame) << 28 | u64::from(generation)
    }
    fn unpack(word: u64) -> Self {
        Self { frame: (word >> 28) as u32, generation: (word & 0xfff_ffff) as u32 }.met()
    }
    fn show(self) -> String {
        self.to_string()
    }
    fn timeless(self) -> u64 {
        self.frame.into()
    }
}

/// A slot of the swap cache's tree; zero is an empty one, since generations begin at one.
impl Scalar for Option<PageRef> {
    fn pack(self) -> u64 {
        self.map_or(0, Scalar::pack)
    }
    fn unpack(word: u64) -> Self {
        (word != 0).then(|| PageRef::unpack(word))
    }
    fn show(self) -> String {
        self.map_or_else(|| "empty".into(), |page| page.to_string())
    }
    fn timeless(self) -> u64 {
        self.map_or(0, |page| 1 + page.timeless())
    }
}

/// `page->mapping`: what the page belongs to. Kernel: one pointer, whose low bit says what it
/// points to (`PAGE_MAPPING_ANON`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Mapping {
    /// Nothing: it has not been mapped yet, or truncation has taken it out of its file.
    None,
    /// The anon_vma that it was first mapped through.
    AnonVma(SlabRef),
    /// The anonmm that it was first mapped through (rule [`Rmap`](crate::spec::Rmap)).
    Anonmm(AnonmmRef),
    /// A file.
    File,
}

impl Mapping {
    /// Through an anon_vma, if there is one.
    pub(super) fn through(anon_vma: Option<SlabRef>) -> Self {
        anon_vma.map_or(Mapping::None, Mapping::AnonVma)
    }

    /// The anon_vma, if it is one.
    pub(super) fn anon_vma(self) -> Option<SlabRef> {
        match self {
            Mapping::AnonVma(anon_vma) => Some(anon_vma),
            Mapping::None | Mapping::Anonmm(_) | Mapping::File => None,
        }
    }

    /// Kernel: `PageAnon`.
    pub(super) fn is_anon(self) -> bool {
        matches!(self, Mapping::AnonVma(_) | Mapping::Anonmm(_))
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mapping::AnonVma(anon_vma) => write!(f, "anon_vma#{}", anon_vma.slot()),
            Mapping::Anonmm(anonmm) => anonmm.fmt(f),
            Mapping::File => f.write_str("file"),
            Mapping::None => f.write_str("NULL"),
        }
    }
}

/// A word with the kind in its two low bits.
impl Scalar for Mapping {
    fn pack(self) -> u64 {
        match self {
            Mapping::None => 0,
            Mapping::AnonVma(anon_vma) => 1 | Some(anon_vma).pack() << 2,
            Mapping::File => 2,
            Mapping::Anonmm(anonmm) => 3 | anonmm.pack() << 2,
        }
    }
    fn unpack(word: u64) -> Self {
        match word & 3 {
            0 => Mapping::None,
            1 => Mapping::through(Scalar::unpack(word >> 2)),
            2 => Mapping::File,
            _ => Mapping::Anonmm(AnonmmRef::unpack(word >> 2)),
        }
    }
    fn show(self) -> String {
        self.to_string()
    }
    fn timeless(self) -> u64 {
        match self {
            Mapping::AnonVma(anon_vma) => 1 | Some(anon_vma).timeless() << 2,
            Mapping::None | Mapping::Anonmm(_) | Mapping::File => self.pack(),
        }
    }
}

/// What a pin adds to the count, so that it can be told from references. Kernel: the same name.
pub(super) const GUP_PIN_COUNTING_BIAS: i64 = 1024;

/// The page-table entries of one kind that name the same thing, but for their dirty bits.
pub(super) type Entries = Ghost<BTreeMap<PteLocation, Pte>>;

/// Which page is in a frame.
#[derive(Clone, Copy, Debug, Hash)]
struct Life {
    /// Bumped when the frame is given to a new page.
    generation: u32,
    /// That page has been freed, or there was none yet.
    freed: bool,
}

/// A page frame. Kernel: `struct page`.
pub struct Page {
    frame: u32,
    /// The checker's: which page is in the frame ([LIFE-3]).
    life: Ghost<Life>,
    /// The checker's: which migration entries name the page ([MIG-1]).
    pub(super) migration_entries: Entries,
    /// The checker's: which present entries map the page ([COW-2]).
    pub(super) entries: Entries,
    /// The checker's: its count is frozen ([COUNT-4]).
    frozen: Ghost<bool>,
    /// The checker's: by which slot it is in the swap cache ([COW-2]).
    pub(super) cached: Ghost<Option<SwapEntry>>,
    /// `PG_locked`.
    pub lock: PageLock,
    /// `PG_maplock`, until 2.6.8 (rule [`MapLock`]).
    pub(super) map_lock: SpinLock<()>,
    /// References of every kind. Kernel: `page->_refcount`; until 4.6 `_count`.
    pub(super) count: Word<i64>,
    /// Present page-table entries that map it. Kernel: `page->_mapcount`, which is one less.
    pub(super) mapcount: Word<i64>,
    /// Kernel: `page->mapping`, to be read through [`page_rmapping`](World::page_rmapping). An
    /// anonymous page's stays when its last entry goes (since 2.6.9; before, both are changed under
    /// the map lock); a file's goes when the page is truncated, under the page lock.
    pub(super) mapping: Word<Mapping>,
    /// Kernel: `page->index`. The linear page offset, the same in every VMA that maps the page;
    /// under the rule `rmap=anonmm` the user address, the same in every address space.
    pub(super) index: Word<u64>,
    /// `PG_lru`: on the LRU list, so it may be isolated. Cleared by whoever isolates it.
    pub(super) lru: Word<bool>,
    /// `PG_active`: reclaim passes by, and clears it. Under `lru_lock`.
    pub(super) active: Word<bool>,
    /// `PG_anon_exclusive`: it belongs to the one process that maps it. Under the page-table lock
    /// of its entry. Since 5.19.
    pub(super) anon_exclusive: Word<bool>,
    /// `PG_swapcache`: it is in the swap cache, in the slot that `private` says. Changed under the
    /// page lock, and together with the slot that holds the page, if one does.
    pub(super) swap_cache: Word<bool>,
    /// The swap slot of a page in the swap cache; here plus one, so that 0 is none. Kernel:
    /// `page->private`.
    pub(super) private: Word<u64>,
    /// The page that it was moved to, for those who clean up stale entries (rule
    /// [`StaleEntry`](crate::spec::StaleEntry)). No kernel has it.
    pub(super) moved_to: Word<Option<PageRef>>,
    /// `PG_dirty`: what it holds is nowhere else. Set by whoever finds that it is so, cleared under
    /// the page lock by who writes it to its slot.
    pub(super) dirty: Word<bool>,
    /// `PG_swapbacked`: reclaim has to write it to swap. Not so once its process has said that it
    /// needs it no more, until reclaim finds that it does (rule [`MadvFree`](crate::spec::MadvFree)).
    pub(super) swap_backed: Word<bool>,
    /// `PG_uptodate`: it holds what it should.
    pub(super) uptodate: Word<bool>,
    /// `PG_writeback`, and the slot that the device writes it to, plus one; nothing else says which
    /// that is. Set under the page lock, and cleared under the tree lock when the device is done.
    pub(super) writeback: MmuWord<u64>,
    /// What the page holds: the last value stored into it. To be reached through what asks the
    /// host, and is here.
    content: Word<u64>,
    /// What the host knows of the frame (rule [`Hinting`](crate::spec::Hinting)).
    pub(super) host: Word<Host>,
    /// Somebody changes that. Kernel: `PG_arch_1` in document 2 (rule
    /// [`StateChange`](crate::spec::StateChange)).
    pub(super) state_change: MmuWord<bool>,
    /// `PG_discarded`: somebody takes the page away, because the host has discarded what it held
    /// (rule [`DiscardedBit`](crate::spec::DiscardedBit)).
    pub(super) discarded: Word<bool>,
    /// `PG_writable`: some entry has permitted stores since the page was mapped first (rule
    /// [`Writable`](crate::spec::Writable)).
    pub(super) writable: Word<bool>,
    /// The checker's: so many have made it stable, and rely on it ([HINT-1]).
    pub(super) needed: Ghost<i64>,
}

#[sync::forgets]
impl Page {
    fn new(frame: u32) -> Self {
        let name = |pattern| Name::new(pattern, frame, 0);
        let page = Self {
            frame,
            life: Ghost::new(name("P%a%l in its frame"), Life { generation: 0, freed: true }),
            migration_entries: Ghost::new(name("migration entries of P%a%l"), BTreeMap::new()),
            entries: Ghost::new(name("entries of P%a%l"), BTreeMap::new()),
            frozen: Ghost::new(name("P%a%l frozen"), false),
            cached: Ghost::new(name("P%a%l in the swap cache"), None),
            lock: PageLock::new(name("page(P%a%l)")),
            map_lock: SpinLock::new(name("maplock(P%a%l)"), ()),
            count: Word::new(name("P%a%l.count"), 0),
            mapcount: Word::new(name("P%a%l.mapcount"), 0),
            mapping: Word::new(name("P%a%l.mapping"), Mapping::None),
            index: Word::new(name("P%a%l.index"), 0),
            lru: Word::new(name("P%a%l.lru"), false),
            active: Word::new(name("P%a%l.active"), false),
            anon_exclusive: Word::new(name("P%a%l.anon_exclusive"), false),
            swap_cache: Word::new(name("P%a%l.swapcache"), false),
            private: Word::new(name("P%a%l.private"), 0),
            moved_to: Word::new(name("P%a%l.moved_to"), None),
            dirty: Word::new(name("P%a%l.dirty"), false),
            swap_backed: Word::new(name("P%a%l.swapbacked"), true),
            uptodate: Word::new(name("P%a%l.uptodate"), false),
            writeback: MmuWord::new(name("P%a%l.writeback"), 0),
            content: Word::new(name("P%a%l.content"), 0),
            host: Word::new(name("P%a%l.host"), Host::NEW),
            state_change: MmuWord::new(name("P%a%l.state_change"), false),
            discarded: Word::new(name("P%a%l.discarded"), false),
            writable: Word::new(name("P%a%l.writable"), false),
            needed: Ghost::new(name("P%a%l is needed"), 0),
        };
        // Kernel: `page->flags`.
        one_word(&[
            &page.lock,
            &page.map_lock,
            &page.lru,
            &page.active,
            &page.anon_exclusive,
            &page.swap_cache,
            &page.dirty,
            &page.swap_backed,
            &page.uptodate,
            &page.writeback,
            &page.state_change,
            &page.discarded,
            &page.writable,
        ]);
        page
    }

    /// Is there a page in the frame? For audits and pictures only.
    pub fn in_use(&self) -> bool {
        self.life.peek(|life| !life.freed)
    }

    fn named(&self, life: Life) -> PageRef {
        PageRef { frame: self.frame, generation: life.generation }.met()
    }

    /// The page that is in the frame now: for audits and pictures only.
    pub fn present(&self) -> PageRef {
        self.life.peek(|&life| self.named(life))
    }

    /// The page that is in the frame now: what the checker knows of a page that the kernel knows by
    /// its frame.
    pub(super) fn resident(&self) -> PageRef {
        self.named(self.life.get())
    }

    /// Kernel: `page_mapped`. Without a lock, this was so a moment ago.
    pub fn mapped(&self) -> bool {
        self.mapcount.read() > 0
    }

    /// May a device hold it? Kernel: `page_maybe_dma_pinned`, since 5.6. Only pins that can be told
    /// from references count (rule [`Gup`](crate::spec::Gup)).
    pub fn maybe_dma_pinned(&self) -> bool {
        self.count.read() >= GUP_PIN_COUNTING_BIAS
    }

    /// A new page's fields, in a frame that nobody else can find: none of it is a step.
    fn blank(&self) {
        self.frozen.reset(false);
        self.mapping.reset(Mapping::None);
        self.content.reset(0);
        self.active.reset(false);
        self.anon_exclusive.reset(false);
        self.swap_cache.reset(false);
        self.private.reset(0);
        self.moved_to.reset(None);
        self.dirty.reset(false);
        self.swap_backed.reset(true);
        self.uptodate.reset(false);
        self.host.reset(Host::NEW);
        self.discarded.reset(false);
        self.writable.reset(false);
    }

    /// What it holds, for audits and pictures only.
    pub(super) fn peek_content(&self) -> u64 {
        self.content.peek()
    }

    /// See [`State`].
    pub(super) fn see(&self, state: &mut State) {
        if state.forgets() {
            self.see_what_matters(state);
            return;
        }
        self.life.see(state);
        self.migration_entries.see(state);
        self.entries.see(state);
        self.see_contents(state);
        self.lock.see(state);
        self.count.see(state);
    }

    /// Of a free frame, nobody can find more than its count and its lock. Which entries name the
    /// page, they say themselves.
    fn see_what_matters(&self, state: &mut State) {
        state.number(
            Name::new("P%a in use", self.frame, 0),
            u64::from(self.frame) << 1 | u64::from(self.in_use()),
        );
        self.lock.see(state);
        self.count.see(state);
        if self.in_use() {
            self.see_contents(state);
        }
    }

    fn see_contents(&self, state: &mut State) {
        self.frozen.see(state);
        self.cached.see(state);
        self.map_lock.see(state);
        self.mapcount.see(state);
        self.mapping.see(state);
        self.index.see(state);
        self.lru.see(state);
        self.active.see(state);
        self.anon_exclusive.see(state);
        self.swap_cache.see(state);
        self.private.see(state);
        self.moved_to.see(state);
        self.dirty.see(state);
        self.swap_backed.see(state);
        self.uptodate.see(state);
        self.writeback.see(state);
        self.content.see(state);
        self.host.see(state);
        self.state_change.see(state);
        self.discarded.see(state);
        self.writable.see(state);
        self.needed.see(state);
    }
}

#[sync::forgets]
impl World {
    /// Follows a page pointer ([LIFE-3]): the frame must still hold that page.
    pub fn page(&self, page: PageRef) -> &Page {
        let frame = &self.pages[page.frame];
        let life = frame.life.get();
        let now = frame.named(life);
        sync::clause(Clause::LIFE_3, now == page && !life.freed, || {
            let is = if now == page {
                "has been freed".into()
            } else {
                format!("has been freed, its frame holds {now}")
            };
            format!("{page} is used, but it {is}")
        });
        frame
    }

    /// What a page holds, for the kernel and for devices. This, [`set_content`](Self::set_content)
    /// and the two accesses of hardware are the only ways to it, for it is private to this file;
    /// each asks the host ([HINT-3]).
    pub(super) fn content(&self, frame: &Page) -> u64 {
        self.assert_not_discarded(frame);
        frame.content.read()
    }

    /// The kernel, or a device, stores into a page.
    pub(super) fn set_content(&self, frame: &Page, content: u64) {
        self.assert_not_discarded(frame);
        frame.content.write(content);
    }

    fn assert_not_discarded(&self, frame: &Page) {
        if self.hints() {
            let discarded = frame.host.read().discarded;
            sync::clause(Clause::HINT_3, !discarded, || {
                format!("what P{} holds is used, and the host has discarded it", frame.frame)
            });
        }
    }

    /// Hardware loads through an entry that permits it; `None` is a discard fault.
    pub(super) fn hardware_load(&self, page: PageRef) -> Option<u64> {
        let frame = self.page(page);
        self.host_sees_load(page).then(|| frame.content.read())
    }

    /// Hardware stores through an entry that permits it; false is a discard fault.
    pub(super) fn hardware_store(&self, page: PageRef, value: u64) -> bool {
        let frame = self.page(page);
        let stored = self.host_sees_store(page);
        if stored {
            frame.content.write(value);
        }
        stored
    }

    /// A page is about to be dropped because what it holds is on the device: is it, or has nobody
    /// an entry that reads it back? ([SWAP-4])
    pub(super) fn assert_clean(&self, page: PageRef, entry: SwapEntry) {
        let (kept, content) = (self.swap_read(entry), self.frame(page).content.read());
        let holds = content == kept || !self.is_read_back(entry);
        sync::clause(Clause::SWAP_4, holds, || {
            format!("{page} holds {content} and is dropped, but {entry} holds {kept}")
        });
    }

    /// As far as clauses know, will anybody read the slot? Whose entry it is in does; of a file it
    /// is not known which slots are its, so that each may be. An entry that `mremap` has in its
    /// hand is in none.
    fn is_read_back(&self, entry: SwapEntry) -> bool {
        self.shmem().is_some()
            || self.swap.entries[entry.0 as usize].with(|entries| !entries.is_empty())
    }

    /// What the page belongs to: the only way to ask. A step. Without a lock it is what the page
    /// belonged to, and whether that is still there is the caller's care. Kernel: `page->mapping`,
    /// `page_rmapping` since 2.6.34.
    pub(super) fn page_rmapping(&self, page: PageRef) -> Mapping {
        self.page(page).mapping.read()
    }

    /// The frame, whatever page is in it by now: for those who must not rely on its being theirs.
    pub(super) fn frame(&self, page: PageRef) -> &Page {
        &self.pages[page.frame]
    }

    /// A page with one reference, the caller's, and all zeroes; `None` if no memory is left.
    /// Kernel: `alloc_page`.
    ///
    /// Frames that this CPU freed are taken first, the hottest one first, as from its per-cpu list;
    /// so no lock and no step is needed.
    pub fn alloc_page(&self) -> Option<PageRef> {
        if !self.memory_is_left() {
            crate::note!("alloc_page() = NULL");
            return None;
        }
        let recycled = self.pcp.mine(Vec::pop);
        let page =
            recycled.map_or_else(|| self.pages.push_with(Page::new), |frame| &self.pages[frame]);
        let generation = self.next_generation(page);
        let life = page.life.change(|life| {
            *life = Life { generation, freed: false };
            *life
        });
        sync::new_life(page.frame, life.generation);
        page.blank();
        page.count.write(1);
        let page = page.named(life);
        crate::note!("alloc_page() = {page}");
        Some(page)
    }

    /// What tells the page that is to be in the frame from all others that were there. Where states
    /// are told apart: from those that somebody may still know of.
    fn next_generation(&self, frame: &Page) -> u32 {
        match sync::unseen(|| frame.life.peek(|life| life.generation)) {
            0 => 1,
            last => sync::unknown_number(frame.frame, last, || self.look_at_all()),
        }
    }

    /// The file's page is cut off, and freed when nobody refers to it any more. Kernel:
    /// `truncate_inode_pages` and `truncate_complete_page` for one page that nobody maps. Takes the
    /// page lock (rule [`TruncateLock`](crate::spec::TruncateLock)).
    #[track_caller]
    pub fn truncate(&self) {
        let page = self.file_page();
        crate::call!("truncate_inode_pages({page})");
        let locked = self.rules().truncate_lock == TruncateLock::PageLock;
        self.get_page(page); // as it is looked up in the page cache
        if locked {
            self.page(page).lock.lock();
        }
        self.page(page).mapping.write(Mapping::None);
        self.put_page(page); // the page cache's
        if locked {
            self.unlock_page(page);
        }
        self.put_page(page);
    }

    /// The file's page that the world has.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn file_page(&self) -> PageRef {
        let Some(page) = self.file_page.get() else {
            sync::misuse("the world has no file's page");
        };
        page
    }

    /// Takes a reference; the caller must have one already, or hold a lock that keeps one. Kernel:
    /// `get_page`.
    pub fn get_page(&self, page: PageRef) {
        self.page(page).count.add(1);
    }

    /// A reference is about to be taken by somebody who relies on there being one already
    /// ([COUNT-4]).
    pub(super) fn assert_not_frozen(&self, page: PageRef) {
        let frozen = self.frame(page).frozen.get();
        sync::clause(Clause::COUNT_4, !frozen, || {
            format!("a reference to {page} is taken while its count is frozen at 0")
        });
    }

    /// Takes a reference unless the page is free. Kernel: `get_page_unless_zero`.
    pub fn get_page_unless_zero(&self, page: PageRef) -> bool {
        self.frame(page).count.inc_not_zero()
    }

    /// Takes the count from `expected` to 0, so that nobody can take a reference; false if it is
    /// something else. Kernel: `page_freeze_refs`, since 2.6.27.
    pub(super) fn page_freeze_refs(&self, page: PageRef, expected: i64) -> bool {
        let frozen = self.page(page).count.cmpxchg(expected, 0);
        if frozen {
            self.page(page).frozen.change(|frozen| *frozen = true);
        }
        frozen
    }

    /// Ends what [`page_freeze_refs`](Self::page_freeze_refs) began. Kernel: `page_unfreeze_refs`.
    pub(super) fn page_unfreeze_refs(&self, page: PageRef, count: i64) {
        self.page(page).frozen.change(|frozen| *frozen = false);
        self.page(page).count.write(count);
    }

    /// Drops a reference; the last one frees the page ([COUNT-3]). Kernel: `put_page`.
    pub fn put_page(&self, page: PageRef) {
        self.put_page_refs(page, 1);
    }

    /// The same for several references at once. Kernel: `put_page_refs`, as `unpin_user_page` calls
    /// it.
    pub(super) fn put_page_refs(&self, page: PageRef, references: i64) {
        let frame = self.page(page);
        let left = frame.count.add_return(-references);
        if left == 0 {
            self.free_page(page);
        }
    }

    /// Kernel: `__page_cache_release` and `free_hot_cold_page`. Takes `lru_lock` if the page is on
    /// the LRU list.
    pub(super) fn free_page(&self, page: PageRef) {
        let frame = self.frame(page);
        // Without the lock: who would change it needs a reference, and there is none (but for the
        // rule Isolation).
        if frame.lru.read() {
            self.lru_lock.lock();
            self.del_page_from_lru(page);
            self.lru_lock.unlock();
        }
        let trouble = self.free_page_trouble(page);
        sync::clause(Clause::COUNT_3, trouble.is_none(), || {
            format!("{page} is freed, but {}", trouble.unwrap_or_default())
        });
        let delayed = self.hints() && self.frees_late(page);
        frame.life.change(|life| life.freed = true);
        crate::note!("free {page}");
        if !delayed {
            self.pcp.mine(|frames| frames.push(page.frame));
        }
    }

    /// What speaks against freeing `page` now. Nobody has it any more, and so it takes no lock.
    fn free_page_trouble(&self, page: PageRef) -> Option<String> {
        let frame = self.frame(page);
        let (count, mapcount) = (frame.count.read(), frame.mapcount.read());
        if let Some((at, pte)) = self
            .named_by(&frame.entries, page)
            .or_else(|| self.named_by(&frame.migration_entries, page))
        {
            Some(format!("{at} = {pte}"))
        } else if mapcount != 0 {
            Some(format!("its mapcount is {mapcount}"))
        } else if count != 0 {
            Some(format!("its count is {count}"))
        } else if frame.cached.get().is_some() {
            Some("the swap cache holds it".into())
        } else if self.is_written(page) {
            Some("the swap device writes it".into())
        } else {
            frame.lock.is_locked().then(|| "it is locked".into())
        }
    }

    /// An entry of these that names `page`, and not another that was in its frame before.
    fn named_by(&self, entries: &Entries, page: PageRef) -> Option<(PteLocation, Pte)> {
        let names = |pte: Pte| match pte {
            Pte::Present { page: named, .. } | Pte::Migration { page: named, .. } => named == page,
            Pte::None | Pte::Swap { .. } => false,
        };
        entries.with(|entries| {
            entries.iter().map(|(&at, &pte)| (at, pte)).find(|&(_, pte)| names(pte))
        })
    }

    /// The entries of whatever `pte` names change: one comes, or goes.
    pub(super) fn ghost_entries(
        &self,
        pte: Pte,
        change: impl FnOnce(&mut BTreeMap<PteLocation, Pte>),
    ) {
        match pte {
            Pte::None => {}
            Pte::Present { page, .. } => self.frame(page).entries.count(change),
            Pte::Swap { entry, .. } => self.swap.entries[entry.0 as usize].count(change),
            Pte::Migration { page, .. } => self.frame(page).migration_entries.count(change),
        }
    }

    /// Is there a lock in the page for its reverse map? (rule [`MapLock`])
    pub(super) fn has_map_lock(&self) -> bool {
        self.rules().page_map_lock == MapLock::Page
    }

    /// Kernel: `page_map_lock`, until 2.6.8.
    pub(super) fn page_map_lock(&self, page: PageRef) {
        if self.has_map_lock() {
            self.page(page).map_lock.lock();
        }
    }

    /// Kernel: `page_map_unlock`, until 2.6.8.
    pub(super) fn page_map_unlock(&self, page: PageRef) {
        if self.has_map_lock() {
            self.page(page).map_lock.unlock();
        }
    }

    /// What the page holds, as who moves it away by hand finds it.
    pub fn copy_out(&self, page: PageRef) -> u64 {
        self.content(self.page(page))
    }

    /// Locks the page. Kernel: `lock_page`. Called with a reference on it. Sleeps.
    pub fn lock_page(&self, page: PageRef) {
        self.page(page).lock.lock();
    }

    /// Locks a new page, and does not ask whether it is locked: who took it for the page that was
    /// in its frame before may have done so, and then both go on as if they had the lock (rule
    /// [`FindGetPage`](crate::spec::FindGetPage)). Kernel: `__SetPageLocked` (5.9, 5.19 read),
    /// `__folio_set_locked` (6.12, 6.18.35 read).
    pub(super) fn set_page_locked(&self, page: PageRef) {
        let _ = self.page(page).lock.trylock(); // GUARD-1 and UNLOCK-1 say what comes of it
    }

    /// Unlocks the page. Kernel: `unlock_page`. Called with `page` locked. No migration entry may
    /// name it any more ([MIG-1]).
    pub fn unlock_page(&self, page: PageRef) {
        self.assert_no_migration_entry(page);
        self.page(page).lock.unlock();
        if self.hints() {
            self.page_make_volatile(
                page,
                if self.rules().unlock_offset == UnlockOffset::One { 1 } else { 2 },
            );
        }
    }

    /// The same where nobody can find the page any more. Kernel: `__clear_page_locked`.
    pub(super) fn clear_page_locked(&self, page: PageRef) {
        self.assert_no_migration_entry(page);
        self.page(page).lock.unlock();
    }

    fn assert_no_migration_entry(&self, page: PageRef) {
        if self.rules().stale_entry == StaleEntry::MapNewReferenced {
            return; // it gives that up, and keeps the page instead
        }
        let left = self.named_by(&self.frame(page).migration_entries, page);
        sync::clause(Clause::MIG_1, left.is_none(), || {
            let (at, pte) = left.expect("it is violated");
            format!("{page} is about to be unlocked, and {at} = {pte} names it")
        });
    }
}

/// The linear page offset of `addr` in a VMA: what `page->index` holds. Kernel: the same name.
pub(super) fn linear_page_index(vm_start: Addr, vm_pgoff: u64, addr: Addr) -> u64 {
    // They are read one by one, and need not fit together (RMAP-2): the kernel, too, wraps around.
    addr.wrapping_sub(vm_start).wrapping_add(vm_pgoff)
}
