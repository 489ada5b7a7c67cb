//! Page frames: reference counts, flags, and the page lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::{Addr, World};
use crate::spec::Clause;
use crate::sync::{self, Ghost, Name, PageLock, Scalar, SlabRef, Word};

/// A page: a frame, and which of the pages that live in the frame one after the other. The kernel's `struct page *` is the frame alone;
/// the generation is what the checker knows beside it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct PageRef {
    frame: u32,
    generation: u32,
}

impl fmt::Display for PageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.frame)?;
        (1..self.generation).try_for_each(|_| f.write_str("′"))
    }
}

/// 28 bits of frame, 28 of generation: it shares a word with a page-table entry's bits.
impl Scalar for PageRef {
    fn pack(self) -> u64 {
        u64::from(self.frame) << 28 | u64::from(self.generation)
    }
    fn unpack(word: u64) -> Self {
        Self { frame: (word >> 28) as u32, generation: (word & 0xfff_ffff) as u32 }
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// `page->mapping` of an anonymous page: the anon_vma it was first mapped through, or nothing yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping(pub Option<SlabRef>);

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(anon_vma) => write!(f, "anon_vma#{}", anon_vma.slot()),
            None => f.write_str("NULL"),
        }
    }
}

impl Scalar for Mapping {
    fn pack(self) -> u64 {
        self.0.pack()
    }
    fn unpack(word: u64) -> Self {
        Self(Scalar::unpack(word))
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// A page frame. Kernel: `struct page`.
pub struct Page {
    frame: u32,
    /// Bumped when the frame is given to a new page. The checker's, not the kernel's.
    generation: AtomicU32,
    /// Freed and not given to a new page yet. The checker's too.
    freed: AtomicBool,
    /// The checker's: which page is in the frame ([LIFE-3]).
    life: Ghost,
    /// The checker's: which migration entries name the page ([MIG-1]).
    pub(super) migration_entries: Ghost,
    /// `PG_locked`.
    pub lock: PageLock,
    /// Kernel: `page->_count`. References of every kind.
    pub(super) count: Word<i64>,
    /// Kernel: `page->_mapcount`, plus one: present page-table entries that map it.
    pub(super) mapcount: Word<i64>,
    /// Kernel: `page->mapping`. Stays when the last entry goes; read by `rmap_walk` under the page lock only.
    pub(super) mapping: Word<Mapping>,
    /// Kernel: `page->index`. The linear page offset, the same in every VMA that maps the page.
    pub(super) index: Word<u64>,
    /// `PG_lru`: on the LRU list, so it may be isolated. Cleared by whoever isolates it.
    pub(super) lru: Word<bool>,
    /// What the page holds: the last value stored into it.
    pub(super) content: Word<u64>,
}

impl Page {
    fn new(frame: u32) -> Self {
        let name = |pattern| Name::new(pattern, frame, 0);
        Self {
            frame,
            generation: AtomicU32::new(0),
            freed: AtomicBool::new(true),
            life: Ghost::new(),
            migration_entries: Ghost::new(),
            lock: PageLock::new(name("page(P%a)")),
            count: Word::new(name("P%a.count"), 0),
            mapcount: Word::new(name("P%a.mapcount"), 0),
            mapping: Word::new(name("P%a.mapping"), Mapping(None)),
            index: Word::new(name("P%a.index"), 0),
            lru: Word::new(name("P%a.lru"), false),
            content: Word::new(name("P%a.content"), 0),
        }
    }

    /// Is there a page in the frame? For audits and pictures only.
    pub fn in_use(&self) -> bool {
        !self.freed.load(Relaxed)
    }

    /// The page that is in the frame now: for audits and pictures only.
    pub fn present(&self) -> PageRef {
        PageRef { frame: self.frame, generation: self.generation.load(Relaxed) }
    }

    /// Kernel: `page_mapped`.
    pub fn mapped(&self) -> bool {
        self.mapcount.read() > 0
    }

    /// The number of references: for audits and pictures only.
    pub fn peek_count(&self) -> i64 {
        self.count.peek()
    }

    /// The number of mappings: for audits and pictures only.
    pub fn peek_mapcount(&self) -> i64 {
        self.mapcount.peek()
    }
}

impl World {
    /// Follows a page pointer ([LIFE-3]): the frame must still hold that page.
    pub fn page(&self, page: PageRef) -> &Page {
        let frame = &self.pages[page.frame as usize];
        frame.life.relied_on();
        let now = frame.present();
        sync::clause(Clause::LIFE_3, now == page && !frame.freed.load(Relaxed), || {
            let is = if now == page { "has been freed".into() } else { format!("has been freed, its frame holds {now}") };
            format!("{page} is used, but it {is}")
        });
        frame
    }

    /// The frame, whatever page is in it: for audits and pictures only.
    pub(super) fn frame(&self, page: PageRef) -> &Page {
        &self.pages[page.frame as usize]
    }

    /// A page with one reference, the caller's, and all zeroes. Kernel: `alloc_page`.
    ///
    /// Frames that this CPU freed are taken first, the hottest one first, as from its per-cpu list; so no lock and no step is needed.
    pub fn alloc_page(&self) -> PageRef {
        let recycled = self.pcp_pop();
        let frame = recycled.unwrap_or_else(|| {
            u32::try_from(self.pages.push_with(|frame| Page::new(u32::try_from(frame).expect("fewer frames than 2^28"))))
                .expect("fewer frames than 2^28")
        });
        let page = &self.pages[frame as usize];
        page.life.changed();
        page.generation.fetch_add(1, Relaxed);
        page.freed.store(false, Relaxed);
        page.count.write(1);
        page.mapping.write(Mapping(None));
        page.content.write(0);
        crate::note!("alloc_page() = {}", page.present());
        page.present()
    }

    /// Takes a reference; the caller must have one already, or hold a lock that keeps one. Kernel: `get_page`.
    pub fn get_page(&self, page: PageRef) {
        self.page(page).count.add(1);
    }

    /// Takes a reference unless the page is free. Kernel: `get_page_unless_zero`.
    pub fn get_page_unless_zero(&self, page: PageRef) -> bool {
        self.frame(page).count.inc_not_zero()
    }

    /// Drops a reference; the last one frees the page ([COUNT-3]). Kernel: `put_page`.
    pub fn put_page(&self, page: PageRef) {
        let frame = self.page(page);
        let left = frame.count.add_return(-1);
        if left == 0 {
            self.free_page(page);
        }
    }

    /// Kernel: `__page_cache_release` and `free_hot_cold_page`. Takes `lru_lock` if the page is on the LRU list.
    fn free_page(&self, page: PageRef) {
        let frame = self.frame(page);
        if frame.lru.read() {
            self.lru_lock.lock();
            frame.lru.write(false);
            self.lru_lock.unlock();
        }
        let trouble = self.free_page_trouble(page);
        sync::clause(Clause::COUNT_3, trouble.is_none(), || format!("{page} is freed, but {}", trouble.unwrap_or_default()));
        frame.life.changed();
        frame.freed.store(true, Relaxed);
        crate::note!("free {page}");
        self.pcp_push(page.frame);
    }

    /// What speaks against freeing `page` now.
    fn free_page_trouble(&self, page: PageRef) -> Option<String> {
        let frame = self.frame(page);
        let named_by = self.every_pte().find(|(_, pte)| match *pte {
            super::Pte::None => false,
            super::Pte::Present { page: mapped, .. } | super::Pte::Migration { page: mapped, .. } => mapped == page,
        });
        if let Some((at, pte)) = named_by {
            Some(format!("{at} = {pte}"))
        } else if frame.mapcount.peek() != 0 {
            Some(format!("its mapcount is {}", frame.mapcount.peek()))
        } else {
            frame.lock.owner().map(|cpu| format!("CPU{cpu} holds its lock"))
        }
    }

    /// Takes the page off the LRU list, with a reference; false if it is not there. Kernel: `isolate_lru_page`. Takes `lru_lock`.
    pub fn isolate_lru_page(&self, page: PageRef) -> bool {
        self.lru_lock.lock();
        let frame = self.frame(page);
        // A frame that has been freed and reused since is another page: the kernel's scan would not find this one on the list.
        let isolated = frame.present() == page && frame.lru.read() && frame.count.inc_not_zero();
        if isolated {
            frame.lru.write(false);
        }
        self.lru_lock.unlock();
        isolated
    }

    /// Puts an isolated page back and drops the reference. Kernel: `putback_lru_page`. Takes `lru_lock`.
    pub fn putback_lru_page(&self, page: PageRef) {
        self.lru_cache_add(page);
        self.put_page(page);
    }

    /// Puts a page on the LRU list. Kernel: `lru_cache_add`. Takes `lru_lock`.
    pub fn lru_cache_add(&self, page: PageRef) {
        self.lru_lock.lock();
        self.page(page).lru.write(true);
        self.lru_lock.unlock();
    }

    /// Unlocks the page. Kernel: `unlock_page`. Called with `page` locked. No migration entry may name it any more ([MIG-1]).
    pub fn unlock_page(&self, page: PageRef) {
        self.assert_no_migration_entry(page);
        self.page(page).lock.unlock();
    }

    fn assert_no_migration_entry(&self, page: PageRef) {
        self.frame(page).migration_entries.relied_on();
        let left = self.every_pte().find(|(_, pte)| matches!(*pte, super::Pte::Migration { page: old, .. } if old == page));
        sync::clause(Clause::MIG_1, left.is_none(), || {
            let (at, pte) = left.expect("it is violated");
            format!("{at} = {pte}, and {page} is unlocked")
        });
    }
}

/// Where the page was first mapped, for the names of things.
pub(super) fn linear_page_index(vm_start: Addr, vm_pgoff: u64, addr: Addr) -> u64 {
    addr - vm_start + vm_pgoff
}
