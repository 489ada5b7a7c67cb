//! The machine: every object there is, and the rules by which the protocol plays.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::shadow::Shadow;
use super::{Addr, AnonVma, Mm, MmRef, Page, PageRef, Process, Pte, PteLocation, Swap, SwapCache, Vma};
use crate::spec::Rules;
use crate::sync::{self, Arena, Name, Rcu, RetryLoop, Slab, SpinLock, Word};

/// One machine, in one execution. What the kernel keeps in globals is here; the kernel's functions are methods, one file per concept.
pub struct World {
    rules: Rules,
    pub(super) pages: Arena<Page>,
    pub(super) mms: Arena<Mm>,
    pub(super) vmas: Arena<Vma>,
    pub(super) anon_vmas: Slab<AnonVma>,
    /// Kernel: `rcu_read_lock` and friends.
    pub rcu: Rcu,
    /// Protects the LRU list inside it, and `PG_lru`. Kernel: `zone->lru_lock`.
    pub lru_lock: SpinLock<Vec<PageRef>>,
    /// The swap device and its map.
    pub swap: Swap,
    /// Pages on their way to swap or from it.
    pub swap_cache: SwapCache,
    signalled: Word<bool>,
    /// Frames that a CPU freed, by CPU: its per-cpu list, which no other CPU touches.
    pcp: Mutex<HashMap<usize, Vec<u32>>>,
    /// Is swap so full that slots are given back as soon as they can? Set while the world is built.
    swap_full: AtomicBool,
    /// Does every try for `mmap_sem` fail? Set while the world is built.
    mmap_sem_contended: AtomicBool,
    shadow: Mutex<Shadow>,
    setup: OnceLock<BTreeMap<PteLocation, PageRef>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// An empty machine that plays by `rules`.
    pub(crate) fn new(rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            rules,
            pages: Arena::new(),
            mms: Arena::new(),
            vmas: Arena::new(),
            anon_vmas: Slab::new("anon_vma#%a", AnonVma::construct),
            rcu: Rcu::new(),
            lru_lock: SpinLock::new(Name::new("lru_lock", 0, 0), Vec::new()),
            swap: Swap::new(),
            swap_cache: SwapCache::new(),
            signalled: Word::new(Name::new("signal", 0, 0), false),
            pcp: Mutex::default(),
            swap_full: AtomicBool::new(false),
            mmap_sem_contended: AtomicBool::new(false),
            shadow: Mutex::default(),
            setup: OnceLock::new(),
        })
    }

    /// The choices this machine plays by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A new process, with an empty address space. Processes are numbered in the order in which the world makes them, from 0.
    #[track_caller]
    pub fn new_process(&self) -> Process<'_> {
        self.assert_being_built("new_process");
        Process { world: self, mm: self.mm_alloc() }
    }

    /// The `n`-th process.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn process(&self, n: usize) -> Process<'_> {
        let Some(mm) = self.mms.get(u32::try_from(n).unwrap_or(u32::MAX)) else {
            sync::misuse(format!("the world has no process {n}"));
        };
        Process { world: self, mm: mm.id() }
    }

    /// Swap is more than half full: a slot is given back as soon as its page has been read. For the building of worlds.
    #[track_caller]
    pub fn fill_swap(&self) {
        self.assert_being_built("fill_swap");
        self.swap_full.store(true, Relaxed);
    }

    /// Whoever tries for an `mmap_sem` finds a writer there, every time; who waits for it gets it. The worst that writers that come and go
    /// can do, without the CPUs it would take to show them. For the building of worlds.
    #[track_caller]
    pub fn contend_mmap_sem(&self) {
        self.assert_being_built("contend_mmap_sem");
        self.mmap_sem_contended.store(true, Relaxed);
    }

    pub(super) fn mmap_sem_contended(&self) -> bool {
        self.mmap_sem_contended.load(Relaxed)
    }

    /// Kernel: `vm_swap_full`.
    pub(super) fn vm_swap_full(&self) -> bool {
        self.swap_full.load(Relaxed)
    }

    /// Does `round` again and again until it says that it is done. What others may do meanwhile is their business; if all of them go round
    /// for ever, that is a livelock ([LIVELOCK](crate::Clause::LIVELOCK)). Nothing may be carried over from one round to the next
    /// but what the world holds.
    pub fn repeat_until(&self, mut round: impl FnMut() -> bool) {
        let retries = RetryLoop::new();
        loop {
            retries.round(|| self.fingerprint());
            if round() {
                return;
            }
        }
    }

    /// Tells other CPUs of the race that something has happened: a step.
    pub fn signal(&self) {
        self.signalled.write(true);
    }

    /// Has any CPU [told](Self::signal)? A step.
    pub fn signalled(&self) -> bool {
        self.signalled.read()
    }

    /// See [`Process::page_at`](super::Process::page_at).
    pub(super) fn page_at_start(&self, mm: MmRef, addr: Addr) -> Option<PageRef> {
        let at = PteLocation { mm, addr };
        match self.setup.get() {
            Some(setup) => setup.get(&at).copied(),
            None => self.every_page().find_map(|(there, page)| (there == at).then_some(page)),
        }
    }

    /// What the page tables name: a page, or through a swap entry the page in the swap cache.
    fn every_page(&self) -> impl Iterator<Item = (PteLocation, PageRef)> {
        self.every_pte().filter_map(|(at, pte)| match pte {
            Pte::Swap { entry, .. } => Some((at, self.peek_swap_cache(entry)?)),
            pte => Some((at, pte.page()?)),
        })
    }

    /// The world is built: from here on [`page_at`](super::Process::page_at) tells what it was like now.
    pub(crate) fn seal(&self) {
        let _ = self.setup.set(self.every_page().collect());
    }

    /// What the caller is for makes sense only while the world is built.
    #[track_caller]
    pub(super) fn assert_being_built(&self, what: &str) {
        if self.setup.get().is_some() {
            sync::misuse(format!("{what}() is for the building of worlds"));
        }
    }

    /// A race asks for `what`; has it `done` anything? While the world is built it must, later in some interleaving.
    #[track_caller]
    pub(super) fn asked(&self, what: Name, done: bool) {
        if self.setup.get().is_some() {
            sync::operation(what, done);
        } else if !done {
            sync::misuse(format!("{what} does nothing"));
        }
    }

    pub(super) fn shadow(&self) -> MutexGuard<'_, Shadow> {
        locked(&self.shadow)
    }

    pub(super) fn pcp_push(&self, frame: u32) {
        locked(&self.pcp).entry(sync::cpu()).or_default().push(frame);
    }

    pub(super) fn pcp_pop(&self) -> Option<u32> {
        locked(&self.pcp).get_mut(&sync::cpu())?.pop()
    }

    /// The memory's state by name, for the witness's "now true" column.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        let mut say = |name: String, value: String| {
            state.insert(name, value);
        };
        for page in self.pages.iter().filter(|page| page.in_use()) {
            let name = page.present();
            say(format!("{name}.count"), page.count.peek().to_string());
            say(format!("{name}.mapcount"), page.mapcount.peek().to_string());
            say(format!("{name}.mapping"), page.mapping.peek().to_string());
            say(format!("{name}.content"), page.content.peek().to_string());
            say(format!("{name}.dirty"), u8::from(page.dirty.peek()).to_string());
        }
        for (at, pte) in self.every_pte().filter(|(_, pte)| *pte != Pte::None) {
            say(at.to_string(), pte.to_string());
        }
        for (entry, count) in self.swap.peek() {
            say(format!("{entry}.count"), count.to_string());
            say(format!("{entry}.data"), self.peek_swap(entry).to_string());
            if let Some(page) = self.peek_swap_cache(entry) {
                say(format!("swapcache[{entry}]"), page.to_string());
            }
        }
        for vma in self.vmas.iter().filter(|vma| vma.in_use()) {
            let (start, end, pgoff) = (vma.vm_start.peek(), vma.vm_end.peek(), vma.vm_pgoff.peek());
            say(vma.to_string(), format!("[{start},{end})@{pgoff}"));
        }
        for (anon_vma, object) in self.anon_vmas.live() {
            let list: Vec<_> = object.lock.peek(|list| list.iter().map(ToString::to_string).collect());
            say(format!("anon_vma#{} list", anon_vma.slot()), format!("({})", list.join(" ")));
        }
        state
    }

    /// Who holds what, by lock.
    fn locks(&self) -> Vec<(Name, Option<usize>)> {
        let pages = self.pages.iter().map(|page| (page.lock.name(), page.lock.owner()));
        let anon_vmas = self.anon_vmas.live().map(|(_, object)| (object.lock.name(), object.lock.owner()));
        let mms = self
            .mms
            .iter()
            .flat_map(|mm| [(mm.mmap_sem.name(), mm.mmap_sem.writer()), (mm.page_table_lock.name(), mm.page_table_lock.owner())]);
        let others = [(self.lru_lock.name(), self.lru_lock.owner()), (self.swap.lock.name(), self.swap.lock.owner())];
        let tree = (self.swap_cache.tree_lock.name(), self.swap_cache.tree_lock.owner());
        pages.chain(anon_vmas).chain(mms).chain(others).chain([tree]).collect()
    }

    /// Tells two different states of the machine apart.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.snapshot(), self.locks()).hash(&mut hasher);
        for page in self.pages.iter() {
            let flags = [&page.lru, &page.active, &page.anon_exclusive, &page.swap_cache, &page.uptodate].map(|flag| flag.peek());
            (flags, page.private.peek(), page.index.peek(), page.in_use()).hash(&mut hasher);
        }
        (self.signalled.peek(), self.swap.lock.peek(|map| map.enabled), self.shadow().describe()).hash(&mut hasher);
        hasher.finish()
    }
}
