//! The machine: every object there is, and the rules by which the protocol plays.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use super::shadow::Shadow;
use super::shmem::Shmem;
use super::swap_map::SLOTS;
use super::{
    Addr, AnonVma, Anonmm, Mm, MmRef, Page, PageRef, Process, Pte, PteLocation, Setup, Swap,
    SwapCache, SwapEntry, Vma,
};
use crate::spec::Rules;
use crate::sync::{
    self, Arena, Digest, Fixed, Ghost, Name, PerCpu, Rcu, RetryLoop, Slab, SpinLock, State, Word,
    here, inapplicable, misuse, operation, unseen,
};

/// One machine, in one execution. What the kernel keeps in globals is here; the kernel's functions
/// are methods, one file per concept.
pub struct World {
    rules: Rules,
    pub(super) pages: Arena<Page>,
    pub(super) mms: Arena<Mm>,
    pub(super) vmas: Arena<Vma>,
    pub(super) anon_vmas: Slab<AnonVma>,
    pub(super) anonmms: Arena<Anonmm>,
    /// Kernel: `rcu_read_lock` and friends.
    pub rcu: Rcu,
    /// Protects the LRU list inside it, and `PG_lru`. Kernel: `zone->lru_lock`.
    pub lru_lock: SpinLock<Vec<PageRef>>,
    /// The swap device and its map.
    pub swap: Swap,
    /// Pages on their way to swap or from it.
    pub swap_cache: SwapCache,
    /// Protects the list inside it: the address spaces that may have something on swap. Kernel:
    /// `mmlist_lock`, and the lists of address spaces: `init_mm.mmlist` first, which swapoff goes
    /// along, and those that it is not on.
    pub mmlist_lock: SpinLock<Vec<Vec<MmRef>>>,
    /// The processes, in the order in which they came to be: what a race calls the first one.
    pub(super) processes: Ghost<Vec<MmRef>>,
    signalled: Word<bool>,
    /// Frames that this CPU freed. Kernel: its `per_cpu_pages`.
    pub(super) pcp: PerCpu<Vec<u32>>,
    /// Pages that wait for a place on the LRU list, each with a reference. Kernel: the same name.
    pub(super) lru_add_pvecs: PerCpu<Vec<PageRef>>,
    /// Pages that wait for a place on the active list, each with a reference (rule
    /// [`ActivatePage`](crate::spec::ActivatePage)). Kernel: the same name, since 3.0.
    pub(super) activate_page_pvecs: PerCpu<Vec<PageRef>>,
    /// Entries that this CPU's reclaim has cleared, and through which loads may go still. Kernel:
    /// `current->tlb_ubc`.
    pub(super) tlb_ubc: PerCpu<Vec<PteLocation>>,
    /// Do they wait? Then this is the CPU that builds the world.
    pub(super) builders_cpu: Fixed<Option<usize>>,
    /// So many of the first CPUs are in the opposite order.
    pub(super) reversed_cpus: Fixed<usize>,
    /// Is swap so full that slots are given back as soon as they can?
    swap_full: Fixed<bool>,
    /// Is the swap device read at once?
    swap_synchronous: Fixed<bool>,
    /// Does it give up what a slot holds as soon as it may?
    swap_compressed: Fixed<bool>,
    /// Does a fault read the slots beside its own, too?
    swap_read_ahead: Fixed<bool>,
    /// Does the swap device take its time to write?
    swap_slow: Fixed<bool>,
    /// May allocations fail?
    memory_limited: Fixed<bool>,
    /// Do they? Nobody looks unless they may.
    memory_exhausted: Word<bool>,
    /// Does every try for `mmap_sem` fail?
    mmap_sem_contended: Fixed<bool>,
    pub(super) file_page: Fixed<Option<PageRef>>,
    /// The slot that a file in memory has a claim on, where a page of it was built by hand.
    pub(super) shmem_slot: Fixed<Option<SwapEntry>>,
    /// The file that processes map shared, once one does: that is settled while the world is built.
    pub(super) shmem: OnceLock<Box<Shmem>>,
    pub(super) shadow: Shadow,
    /// What there was when the CPUs started: processes, and pages by address.
    setup: OnceLock<(usize, BTreeMap<PteLocation, PageRef>)>,
}

impl World {
    /// An empty machine that plays by `rules`.
    pub(crate) fn new(rules: Rules) -> Arc<Self> {
        Self::with_slots(rules, SLOTS)
    }

    /// The same, with so many slots on its swap device.
    pub(crate) fn with_slots(rules: Rules, slots: u32) -> Arc<Self> {
        let kind = rules.anon_vma_lock_kind;
        Arc::new(Self {
            rules,
            pages: Arena::new(),
            mms: Arena::new(),
            vmas: Arena::new(),
            anon_vmas: Slab::new("anon_vma#%a", move |slot| AnonVma::new(kind, slot)),
            anonmms: Arena::new(),
            rcu: Rcu::new(),
            lru_lock: SpinLock::new(Name::new("lru_lock", 0, 0), Vec::new()),
            swap: Swap::new(slots),
            swap_cache: SwapCache::new(slots),
            mmlist_lock: SpinLock::new(Name::new("mmlist_lock", 0, 0), vec![Vec::new()]),
            processes: Ghost::new(Name::new("processes", 0, 0), Vec::new()),
            signalled: Word::new(Name::new("signal", 0, 0), false),
            pcp: PerCpu::new(),
            lru_add_pvecs: PerCpu::new(),
            activate_page_pvecs: PerCpu::new(),
            tlb_ubc: PerCpu::new(),
            builders_cpu: Fixed::new(None),
            reversed_cpus: Fixed::new(0),
            swap_full: Fixed::new(false),
            swap_synchronous: Fixed::new(false),
            swap_compressed: Fixed::new(false),
            swap_read_ahead: Fixed::new(false),
            swap_slow: Fixed::new(false),
            memory_limited: Fixed::new(false),
            memory_exhausted: Word::new(Name::new("memory exhausted", 0, 0), false),
            mmap_sem_contended: Fixed::new(false),
            file_page: Fixed::new(None),
            shmem_slot: Fixed::new(None),
            shmem: OnceLock::new(),
            shadow: Shadow::new(),
            setup: OnceLock::new(),
        })
    }

    /// The choices this machine plays by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A process is there now. Which number it gets is a matter of who comes first, so that this is
    /// a step.
    pub(super) fn add_process(&self, mm: MmRef) {
        self.processes.change(|processes| processes.push(mm));
    }

    /// The `n`-th process. A step, unless it was there when the CPUs started.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn process(&self, n: usize) -> Process<'_> {
        here();
        let from_the_start = self.setup.get().is_some_and(|&(processes, _)| n < processes);
        let nth = |processes: &Vec<MmRef>| processes.get(n).copied();
        // The first ones never change.
        let mm = if from_the_start {
            unseen(|| self.processes.peek(nth))
        } else {
            self.processes.with(nth)
        };
        let Some(mm) = mm else {
            misuse(format!("the world has no process {n}"));
        };
        Process { world: self, mm }
    }

    /// Kernel: `SWP_SYNCHRONOUS_IO`.
    pub(super) fn swap_is_synchronous(&self) -> bool {
        self.swap_synchronous.get()
    }

    /// Kernel: the device has `swap_slot_free_notify`.
    pub(super) fn swap_is_compressed(&self) -> bool {
        self.swap_compressed.get()
    }

    /// Kernel: `page_cluster` is not 0.
    pub(super) fn swap_is_read_ahead(&self) -> bool {
        self.swap_read_ahead.get()
    }

    pub(super) fn swap_is_slow(&self) -> bool {
        self.swap_slow.get()
    }

    /// From here on no page is handed out, and no VMA, anon_vma or page table: whoever needs one
    /// must cope. With a CPU that does nothing else, every allocation of every other CPU fails in
    /// some interleaving. A step.
    #[track_caller]
    pub fn exhaust_memory(&self) {
        here();
        self.set_memory_exhausted(true);
    }

    /// Memory is there again. A step.
    #[track_caller]
    pub fn release_memory(&self) {
        here();
        self.set_memory_exhausted(false);
    }

    #[track_caller]
    fn set_memory_exhausted(&self, exhausted: bool) {
        if !self.memory_limited.get() {
            misuse("memory runs out only in a world that was built with limit_memory()");
        }
        self.memory_exhausted.write(exhausted);
    }

    /// Is there something to allocate? A step where memory may run out.
    pub(super) fn memory_is_left(&self) -> bool {
        !self.memory_limited.get() || !self.memory_exhausted.read()
    }

    /// Does who tries for an `mmap_sem` find a writer there?
    pub(super) fn mmap_sem_contended(&self) -> bool {
        let contended = self.mmap_sem_contended.get();
        if contended {
            sync::fails(|| "down_read_trylock fails: a writer is assumed (ASSUME-7)".to_owned());
        }
        contended
    }

    /// Kernel: `vm_swap_full`. It is full while swapoff is at work, too, which has taken the
    /// device's slots out of the number of all, and not those that are in use (2.6.11, 6.18.35
    /// read).
    pub(super) fn vm_swap_full(&self) -> bool {
        self.swap_full.get() || self.swap.going_off.read()
    }

    /// Does `round` again and again until it says that it is done. What others may do meanwhile is
    /// their business; if all of them go round for ever, that is a livelock
    /// ([LIVELOCK](crate::Clause::LIVELOCK)). Nothing may be carried over from one round to the
    /// next but what the world holds: see [`repeat_carrying`](Self::repeat_carrying).
    #[track_caller]
    pub fn repeat_until(&self, round: impl Fn() -> bool) {
        self.repeat_carrying(&mut (), |()| round());
    }

    /// The same where each round leaves something to the next one. Rounds are told apart by all
    /// that `carried` hashes.
    #[track_caller]
    pub fn repeat_carrying<T: Hash>(&self, carried: &mut T, round: impl Fn(&mut T) -> bool) {
        here();
        let retries = RetryLoop::new();
        loop {
            retries.round_carrying(carried, || self.fingerprint());
            if round(carried) {
                return;
            }
        }
    }

    /// Tells other CPUs of the race that something has happened: a step.
    #[track_caller]
    pub fn signal(&self) {
        here();
        self.signalled.write(true);
    }

    /// Has any CPU [told](Self::signal)? A step.
    #[track_caller]
    pub fn signalled(&self) -> bool {
        here();
        self.signalled.read()
    }

    /// See [`Process::page_at`](super::Process::page_at).
    pub(super) fn page_at_start(&self, mm: MmRef, addr: Addr) -> Option<PageRef> {
        let at = PteLocation { mm, addr };
        match self.setup.get() {
            Some((_, pages)) => pages.get(&at).copied(),
            None => self.every_page().find_map(|(there, page)| (there == at).then_some(page)),
        }
    }

    /// What the page tables name: a page, or through a swap entry the page in the swap cache; and
    /// what the file has at its addresses.
    fn every_page(&self) -> impl Iterator<Item = (PteLocation, PageRef)> {
        let private = self.every_pte().filter_map(|(at, pte)| match pte {
            Pte::Swap { entry, .. } => Some((at, self.peek_swap_cache(entry)?)),
            pte => Some((at, pte.page()?)),
        });
        let shared = |mm: MmRef| {
            self.every_shared_page().map(move |(addr, page)| (PteLocation { mm, addr }, page))
        };
        private.chain(self.mms.iter().flat_map(move |mm| shared(mm.id())))
    }

    /// The world is built: from here on [`page_at`](super::Process::page_at) tells what it was like
    /// now.
    ///
    /// # Panics
    /// When its protocol combines what cannot be combined.
    #[track_caller]
    pub(crate) fn seal(&self) {
        if self.has_anonmm() && !self.has_map_lock() {
            inapplicable("rmap=anonmm needs page_map_lock=page: only that keeps a page's anonmm");
        }
        if let Some(what) = self.hints().then(|| self.too_late_for_hinting()).flatten() {
            misuse(format!(
                "hinting=volatile was written for 2.6.22 and 2.6.29, which had no {what}"
            ));
        }
        let _ = self.setup.set((self.processes.peek(Vec::len), self.every_page().collect()));
    }

    /// A race asks for `what`; has it `done` anything? While the world is built it must, later in
    /// some interleaving.
    #[track_caller]
    pub(super) fn asked(&self, what: Name, done: bool) {
        if self.setup.get().is_some() {
            operation(what, done);
        } else if !done {
            misuse(format!("{what} does nothing"));
        }
    }

    /// All state there is.
    pub(crate) fn state(&self) -> State {
        let mut state = State::default();
        self.see(&mut state);
        state
    }

    /// Tells two different states of the machine apart, so far as what happens next can tell them.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut state = State::to_know_again();
        self.see(&mut state);
        state.fingerprint()
    }

    /// What tells states apart, for a search that goes on from each once, beside what is in the
    /// objects that CPUs share.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        self.mms.iter().for_each(|mm| mm.process.feed(digest));
        self.swap.life.feed(digest);
        digest.put(u64::MAX);
        self.anon_vmas.feed(digest);
        digest.put(u64::MAX);
        [&self.lru_add_pvecs, &self.activate_page_pvecs]
            .into_iter()
            .for_each(|pvecs| pvecs.feed(digest));
        self.pcp.feed(digest);
        self.tlb_ubc.feed(digest);
    }

    /// So that whatever is there is noticed.
    pub(super) fn look_at_all(&self) {
        self.see(&mut State::only_to_look());
    }

    /// Every object, once: what executions are compared by, and retry loops.
    pub(super) fn see(&self, state: &mut State) {
        self.pages.iter().for_each(|page| page.see(state));
        self.mms.iter().for_each(|mm| mm.see(state));
        self.vmas.iter().for_each(|vma| vma.see(state));
        self.anon_vmas.see(state, AnonVma::see);
        self.anonmms.iter().for_each(|anonmm| anonmm.see(state));
        self.rcu.see(state);
        self.lru_lock.see(state);
        self.swap.see(state);
        self.swap_cache.see(state);
        self.mmlist_lock.see(state);
        self.processes.see(state);
        self.signalled.see(state);
        self.memory_exhausted.see(state);
        self.pcp.see("pcp", state);
        self.lru_add_pvecs.see("lru_add_pvecs", state);
        self.activate_page_pvecs.see("activate_page_pvecs", state);
        self.tlb_ubc.see("tlb_ubc", state);
        self.shadow.see(state, |at| self.mm_struct(at.mm).shadow(at.addr));
        self.shmem().into_iter().for_each(|file| file.see(state));
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
            say(format!("{name}.content"), page.peek_content().to_string());
            say(format!("{name}.dirty"), u8::from(page.dirty.peek()).to_string());
            if self.hints() {
                say(format!("{name}.host"), page.host.peek().to_string());
            }
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
        for (addr, page) in self.every_shared_page() {
            say(format!("file[{addr}]"), page.to_string());
        }
        for vma in self.vmas.iter().filter(|vma| vma.in_use()) {
            let (start, end, pgoff) = (vma.vm_start.peek(), vma.vm_end.peek(), vma.vm_pgoff.peek());
            say(vma.to_string(), format!("[{start},{end})@{pgoff}"));
        }
        for (anon_vma, object) in self.anon_vmas.live() {
            let list: Vec<_> =
                object.list.peek(|list| list.iter().map(ToString::to_string).collect());
            say(format!("anon_vma#{} list", anon_vma.slot()), format!("({})", list.join(" ")));
        }
        for anonmm in self.live_anonmms() {
            let (name, count) = (anonmm.id(), anonmm.count.peek());
            let members: Vec<_> =
                anonmm.lock.peek(|members| members.iter().map(ToString::to_string).collect());
            let mm = anonmm.mm.peek(|mm| mm.map_or_else(|| "gone".into(), |mm| mm.to_string()));
            say(name.to_string(), format!("{mm}, count {count}"));
            if !members.is_empty() {
                say(format!("{name} bundle"), format!("({})", members.join(" ")));
            }
        }
        state
    }
}

/// What kind of machine it is.
impl Setup<'_> {
    /// Swap is more than half full: a slot is given back as soon as its page has been read.
    pub fn fill_swap(&self) {
        self.swap_full.set(true);
    }

    /// The swap device is memory, as brd: what is read is there at once (rule
    /// [`SwapBypass`](crate::spec::SwapBypass)).
    pub fn swap_to_memory(&self) {
        self.swap_synchronous.set(true);
    }

    /// The same, and the device is told of pages that need no slot, so that memory does not hold
    /// them twice, as zram (rule [`SwapinNotify`](crate::spec::SwapinNotify)).
    pub fn swap_to_zram(&self) {
        self.swap_to_memory();
        self.swap_compressed.set(true);
    }

    /// A fault reads the slots beside its own, too, if they are in use, as where
    /// `/proc/sys/vm/page-cluster` is not 0. Here none is: what matters is where it looks to find
    /// that out (rule [`ReadaheadLook`](crate::spec::ReadaheadLook)).
    pub fn swap_reads_ahead(&self) {
        self.swap_read_ahead.set(true);
    }

    /// From here on a page that is written to swap is on its way until a CPU ends that
    /// ([`end_swap_write`](World::end_swap_write)): the device is a CPU of its own. Without it a
    /// write is over inside the step that starts it (ASSUME-3), and nobody pays for steps that its
    /// claim does not need.
    pub fn swap_slowly(&self) {
        self.swap_slow.set(true);
    }

    /// Memory may run out: a CPU says when ([`exhaust_memory`](World::exhaust_memory)).
    pub fn limit_memory(&self) {
        self.memory_limited.set(true);
    }

    /// Whoever tries for an `mmap_sem` finds a writer there, every time; who waits for it gets it.
    /// The worst that writers that come and go can do, without the CPUs it would take to show them
    /// (ASSUME-7).
    pub fn contend_mmap_sem(&self) {
        self.mmap_sem_contended.set(true);
    }
}
