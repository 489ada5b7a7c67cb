//! Processes, as the writer of a race sees them: what they can ask of the kernel.

use std::ops::Range;

use super::{Addr, Errno, Mm, MmRef, PageRef, Pte, TASK_SIZE, World};
use crate::sync::{self, Name, here, misuse};

/// A process. Every method is a system call, or an access of its user code.
#[derive(Clone, Copy)]
pub struct Process<'w> {
    pub(super) world: &'w World,
    pub(super) mm: MmRef,
}

#[sync::forgets]
impl<'w> Process<'w> {
    /// The world that it lives in.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// Its address space.
    pub fn mm(&self) -> MmRef {
        self.mm
    }

    /// Its address space, with the locks in it.
    pub fn mm_struct(&self) -> &'w Mm {
        self.world.mm_struct(self.mm)
    }

    /// Maps anonymous memory there, one VMA; nothing, if something is mapped there (`-EEXIST`).
    #[track_caller]
    pub fn mmap(&self, range: Range<Addr>) {
        self.check_alive();
        self.check_range(&range);
        self.check_private(range.clone(), "mmap");
        let done = self.world.mmap(self.mm, range.clone());
        self.asked("mmap(%a..%b)", range.start, range.end, done);
    }

    /// Stores something at `addr` that no other process stores there, so that a page is there.
    ///
    /// # Panics
    /// When nothing is mapped there: the race is written wrong.
    #[track_caller]
    pub fn touch(&self, addr: Addr) {
        let value = 100 * (u64::from(self.mm.id()) + 1) + addr;
        if self.store(addr, value).is_err() {
            misuse(format!("nothing is mapped at {}:{addr}", self.mm));
        }
    }

    /// Loads from `other`, and if `value` is there, from `addr`, through the translation that its
    /// CPU has had since before. To be asked where `value` is stored only by who has given up what
    /// was at `addr`; `other` is mapped. False if something else is there.
    #[track_caller]
    pub fn load_behind(&self, addr: Addr, other: Addr, value: u64) -> bool {
        self.check_alive();
        self.check(addr);
        self.check(other);
        self.world.load_behind(self.mm, addr, other, value)
    }

    /// Stores `value` at `addr`; `Efault` is the signal it would get.
    #[track_caller]
    pub fn store(&self, addr: Addr, value: u64) -> Result<(), Errno> {
        self.check_alive();
        self.check(addr);
        self.world.store(self.mm, addr, value)
    }

    /// Loads from `addr`, and checks that it finds what it last stored there; `Efault` is the
    /// signal it would get.
    #[track_caller]
    pub fn load(&self, addr: Addr) -> Result<u64, Errno> {
        self.check_alive();
        self.check(addr);
        self.world.load(self.mm, addr)
    }

    /// The same by a thread that is killed when it has faulted once: it does not come to load
    /// again, and `None` is what it got.
    #[track_caller]
    pub fn load_once(&self, addr: Addr) -> Result<Option<u64>, Errno> {
        self.check_alive();
        self.check(addr);
        self.world.load_once(self.mm, addr)
    }

    /// Loads from `addr` again and again, for as long as the page is there that was there when the
    /// CPUs started.
    #[track_caller]
    pub fn load_while_unmoved(&self, addr: Addr) -> Result<u64, Errno> {
        self.check_alive();
        self.world.load_while(self.mm, addr, self.page_at(addr))
    }

    /// Has memory hot-removal suspended it? Then it runs no code of its own, and what devices do
    /// for it goes on. A step.
    pub fn suspended(&self) -> bool {
        self.mm_struct().suspended.read()
    }

    /// Forks it; the child is the next process.
    ///
    /// # Panics
    /// When memory runs out: where it may, [`try_fork`](Self::try_fork) is to be used.
    #[track_caller]
    pub fn fork(&self) -> Self {
        self.try_fork()
            .unwrap_or_else(|_| misuse("memory may run out in fork(): try_fork() says so"))
    }

    /// Forks it; `Enomem` if memory runs out, and then there is no child.
    #[track_caller]
    pub fn try_fork(&self) -> Result<Self, Errno> {
        self.check_alive();
        Ok(Self { world: self.world, mm: self.world.fork(self.mm)? })
    }

    /// Ends it. None of its threads may be under way still, on whatever CPU.
    #[track_caller]
    pub fn exit(&self) {
        self.check_alive();
        if !self.mm_struct().process.end() {
            misuse(format!(
                "the process of {} exits, and nothing keeps another CPU from using it meanwhile",
                self.mm
            ));
        }
        self.world.exit(self.mm);
    }

    /// Unmaps what is mapped in a range.
    #[track_caller]
    pub fn munmap(&self, range: Range<Addr>) {
        self.check_alive();
        self.check_range(&range);
        let done = self.world.munmap(self.mm, range.clone());
        self.asked("munmap(%a..%b)", range.start, range.end, done);
    }

    /// Takes the permission to store away from a range, or gives it back; what it cuts VMAs for
    /// stays cut. Nothing behind the first address where nothing is mapped (`-ENOMEM`).
    #[track_caller]
    pub fn mprotect(&self, range: Range<Addr>, writable: bool) {
        self.check_alive();
        self.check_range(&range);
        self.check_private(range.clone(), "mprotect");
        let done = self.world.mprotect(self.mm, range.clone(), writable);
        self.asked("mprotect(%a..%b)", range.start, range.end, done);
    }

    /// Moves what is mapped in a range, all of it in one VMA, to where `to` is the first address;
    /// what is mapped there goes. `Efault` where it is not one VMA, `Enomem` where memory runs out:
    /// then nothing has moved.
    #[track_caller]
    pub fn mremap(&self, range: Range<Addr>, to: Addr) -> Result<(), Errno> {
        self.check_alive();
        self.check_range(&range);
        let end = to + (range.end - range.start);
        self.check_range(&(to..end));
        if range.start < end && to < range.end {
            misuse(format!("mremap({range:?}, {to}): the two overlap (-EINVAL)"));
        }
        self.check_private(range.clone(), "mremap");
        let done = self.world.mremap(self.mm, range.clone(), to);
        self.asked("mremap(%a, %b)", range.start, to, done.is_ok());
        done
    }

    /// Lets what is mapped in a range, all of it in one VMA, end at `end`, behind it, and stay
    /// where it is. `Efault` where it is not one VMA, `Enomem` where that does not end there, or
    /// something is in the way. What `mremap` does without `MREMAP_MAYMOVE`.
    #[track_caller]
    pub fn expand(&self, range: Range<Addr>, end: Addr) -> Result<(), Errno> {
        self.check_alive();
        self.check_range(&range);
        self.check(end - 1);
        if end <= range.end {
            misuse(format!("expand({range:?}, {end}) does not grow"));
        }
        self.check_private(range.clone(), "mremap");
        let done = self.world.expand(self.mm, range.clone(), end);
        self.asked("expand(%a, %b)", range.start, end, done.is_ok());
        done
    }

    /// Begins exec, as a process that has nothing mapped yet: makes the stack on which the
    /// arguments are put, at the top, where it is not to stay. What is [touched](Self::touch) there
    /// are the arguments. Nothing, if something is mapped already.
    #[track_caller]
    pub fn bprm_mm_init(&self, range: Range<Addr>) {
        self.check_alive();
        self.check_range(&range);
        self.world.refuse_without_temporary_stack("bprm_mm_init");
        let done = self.world.bprm_mm_init(self.mm, range.clone());
        self.asked("bprm_mm_init(%a..%b)", range.start, range.end, done);
    }

    /// Moves the stack of an exec down to where it is to be: `to` is the first address then.
    /// `Efault` where the range is no such stack, or another VMA is in the way; `Enomem` where
    /// memory runs out: then exec has failed, and the process can only exit.
    #[track_caller]
    pub fn setup_arg_pages(&self, range: Range<Addr>, to: Addr) -> Result<(), Errno> {
        self.check_alive();
        self.check_range(&range);
        self.world.refuse_without_temporary_stack("setup_arg_pages");
        if to >= range.start {
            misuse(format!("setup_arg_pages({range:?}, {to}) does not go down"));
        }
        let done = self.world.setup_arg_pages(self.mm, range.clone(), to);
        self.asked("setup_arg_pages(%a, %b)", range.start, to, done.is_ok());
        done
    }

    /// Cuts the VMA around `addr` in two there; the upper half keeps the old VMA, so its `vm_start`
    /// moves. What mprotect, munmap and madvise on the lower half do first; nothing, if no VMA has
    /// `addr` inside (`-ENOMEM`).
    #[track_caller]
    pub fn split_vma(&self, addr: Addr) {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "vma_adjust");
        let done = self.world.split_vma(self.mm, addr);
        self.asked("split_vma(%a)", addr, 0, done);
    }

    /// Moves the boundary at `from` between two adjacent VMAs to `to`, which is inside one of them,
    /// as `mprotect` does when what lies between takes on the neighbour's protection (`vma_merge`,
    /// cases 4 and 5); nothing, if there is no such boundary, or the two differ in permission, or
    /// each has an anon_vma and it is not the same one, or the offset does not go on from one to
    /// the other.
    #[track_caller]
    pub fn move_boundary(&self, from: Addr, to: Addr) {
        self.check_alive();
        self.check_move(from, to);
        self.check_private(from.min(to)..from.max(to) + 1, "vma_adjust");
        let done = self.world.move_boundary(self.mm, from, to);
        self.asked("move_boundary(%a, %b)", from, to, done);
    }

    /// Moves only the end of the VMA that ends at `from`: nothing lies behind it up to `to`. What
    /// `vma_merge` does when `brk` or `mmap` adds to the VMA (claim S3.9); nothing, if there is no
    /// such end.
    #[track_caller]
    pub fn move_end(&self, from: Addr, to: Addr) {
        self.check_alive();
        self.check_move(from, to);
        self.check_private(from.min(to)..from.max(to) + 1, "vma_adjust");
        let done = self.world.move_end(self.mm, from, to);
        self.asked("move_end(%a, %b)", from, to, done);
    }

    /// Lets the VMA that begins at `start` begin at `to`, below it, as a page fault below a stack
    /// does; nothing, if it begins there already or another VMA is in the way.
    #[track_caller]
    pub fn expand_downwards(&self, start: Addr, to: Addr) {
        self.check_alive();
        self.check(start);
        if to >= start {
            misuse(format!("expand_downwards({start}, {to}) goes upwards"));
        }
        self.check_private(to..start + 1, "expand_downwards");
        let done = self.world.expand_downwards(self.mm, start, to);
        self.asked("expand_downwards(%a, %b)", start, to, done);
    }

    /// Migrates what is mapped at `addr`, where a page must have been when the CPUs started, as
    /// `migrate_pages(2)` and `mbind(2)` do: holding `mmap_sem` for reading (claim S1.0).
    #[track_caller]
    pub fn move_pages(&self, addr: Addr) {
        here();
        self.world.refuse_unless_pages_move("move_pages");
        self.page_at(addr);
        let done = self.world.move_pages(self.mm, addr);
        self.asked("move_pages(%a)", addr, 0, done);
    }

    /// Brings what is on swap at `addr` into the swap cache, as a fault on a slot beside it does,
    /// whoever faults there. Kernel: `swapin_readahead`.
    #[track_caller]
    pub fn read_around(&self, addr: Addr) {
        self.check_alive();
        self.check(addr);
        self.check_private(addr..addr + 1, "swapin_readahead");
        let done = self.world.read_ahead(self.mm, addr);
        self.asked("read_around(%a)", addr, 0, done);
    }

    /// Begins to listen to the address space: what interests here is that it locks every anon_vma
    /// of it at once (claim S3.3).
    #[track_caller]
    pub fn mmu_notifier_register(&self) {
        self.check_alive();
        let done = self.world.mmu_notifier_register(self.mm);
        self.asked("mmu_notifier_register()", 0, 0, done);
    }

    /// The page that was at `addr` when the CPUs started; while the world is built, the page that
    /// is there.
    ///
    /// # Panics
    /// When there was none: the race is written wrong.
    #[track_caller]
    pub fn page_at(&self, addr: Addr) -> PageRef {
        self.check(addr);
        let Some(page) = self.world.page_at_start(self.mm, addr) else {
            misuse(format!("no page is at {}:{addr} when the CPUs start", self.mm));
        };
        page
    }

    /// The page that is at `addr` now: what the entry maps, or what the swap cache has for it. The
    /// looks are steps.
    #[track_caller]
    pub fn page_now(&self, addr: Addr) -> Option<PageRef> {
        self.check(addr);
        match self.mm_struct().pte(addr).read() {
            Pte::Swap { entry, .. } => self.world.swap_cache.slot(entry).read(),
            pte => pte.page(),
        }
    }

    /// The page that the entry at `addr` maps now. A step.
    pub fn page_mapped(&self, addr: Addr) -> Option<PageRef> {
        self.check(addr);
        self.mm_struct().pte(addr).read().page()
    }

    /// What it asks for has done something, or there was nothing to do.
    #[track_caller]
    fn asked(&self, what: &'static str, a: Addr, b: Addr, done: bool) {
        self.world.asked(Name::new(what, a as u32, b as u32), done);
    }

    /// It calls the kernel: it has not exited.
    #[track_caller]
    pub(super) fn check_alive(&self) {
        here();
        if !self.mm_struct().process.used() {
            misuse(format!("the process of {} has exited", self.mm));
        }
    }

    /// A process can have something at `addr`.
    #[track_caller]
    pub(super) fn check(&self, addr: Addr) {
        if addr >= TASK_SIZE {
            misuse(format!(
                "{}:{addr} is outside of every process, which has the addresses 0..{TASK_SIZE}",
                self.mm
            ));
        }
    }

    /// `what` is for private memory, here.
    #[track_caller]
    pub(super) fn check_private(&self, range: Range<Addr>, what: &str) {
        for addr in range {
            self.world.refuse_shared(addr, what);
        }
    }

    #[track_caller]
    pub(super) fn check_range(&self, range: &Range<Addr>) {
        if range.is_empty() {
            misuse(format!("{range:?} is an empty range"));
        }
        self.check(range.end - 1);
    }

    #[track_caller]
    fn check_move(&self, from: Addr, to: Addr) {
        if from == to {
            misuse(format!("from {from} to {to} is no move"));
        }
        if from.min(to) == 0 {
            misuse("nothing ends at 0");
        }
        self.check(from.max(to) - 1);
    }
}
