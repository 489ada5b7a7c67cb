//! What can be seen of a machine from outside, as `/proc` shows it: where pages are, how often they
//! are mapped, which slots are in use. For machines without CPUs, and for what is asked when all of
//! them have ended: no look is a step.

use std::ops::Deref;

use super::{Addr, MmRef, PageRef, Process, Pte, SwapEntry, World};

/// What is at an address of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum At {
    /// Nothing.
    Nothing,
    /// A page.
    Page(PageSeen),
    /// Something on swap, in this slot.
    Slot(SwapEntry),
    /// A page that is being migrated.
    Migrating(PageRef),
}

/// A page, and what is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct PageSeen {
    /// Which.
    pub page: PageRef,
    /// How many entries map it.
    pub mapcount: i64,
    /// It belongs to one process alone, and that is written in it.
    pub exclusive: bool,
    /// It is in the swap cache.
    pub swap_cache: bool,
    /// What it holds.
    pub content: u64,
}

/// A world in which no CPU is under way: before they start, when all have ended, or in a
/// [`Machine`](crate::Machine), which has none. All that a [`World`] can do, and looks at where
/// things are, which are no steps. A CPU, which others would change that under, cannot look:
///
/// ```compile_fail,E0599
/// # use lockwalk::Race;
/// Race::new("mine", "a CPU looks").cpu("odd", |w| assert!(w.process(0).is_mapped(1)));
/// ```
#[derive(Clone, Copy)]
pub struct AtRest<'w>(&'w World);

impl Deref for AtRest<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        self.0
    }
}

impl<'w> AtRest<'w> {
    /// Nobody else is on it.
    pub(crate) fn new(world: &'w World) -> Self {
        Self(world)
    }

    /// The `n`-th process.
    ///
    /// # Panics
    /// When there is none: the race is written wrong.
    #[track_caller]
    pub fn process(&self, n: usize) -> ProcessAtRest<'w> {
        ProcessAtRest(self.0.process(n))
    }

    /// The process that `mm` belongs to.
    pub fn process_of(&self, mm: MmRef) -> ProcessAtRest<'w> {
        ProcessAtRest(self.0.process_of(mm))
    }

    /// How many processes there ever were.
    #[track_caller]
    pub fn processes(&self) -> usize {
        self.0.processes.peek(Vec::len)
    }

    /// What is known of a page.
    #[track_caller]
    pub fn look_at_page(&self, page: PageRef) -> PageSeen {
        let frame = self.frame(page);
        PageSeen {
            page,
            mapcount: frame.mapcount.peek(),
            exclusive: frame.anon_exclusive.peek(),
            swap_cache: frame.swap_cache.peek(),
            content: frame.peek_content(),
        }
    }

    /// How many slots of the swap device are in use.
    #[track_caller]
    pub fn slots_in_use(&self) -> usize {
        self.swap.peek().len()
    }
}

/// A process of a world that is [at rest](AtRest).
#[derive(Clone, Copy)]
pub struct ProcessAtRest<'w>(pub(super) Process<'w>);

impl<'w> Deref for ProcessAtRest<'w> {
    type Target = Process<'w>;

    fn deref(&self) -> &Process<'w> {
        &self.0
    }
}

impl ProcessAtRest<'_> {
    /// What is at `addr`.
    #[track_caller]
    pub fn at(&self, addr: Addr) -> At {
        let entry = self.mm_struct().peek_ptes().find(|(at, _)| at.addr == addr);
        let Some((_, cell)) = entry else { return At::Nothing };
        match cell.pte.peek() {
            Pte::None => At::Nothing,
            Pte::Present { page, .. } => At::Page(AtRest(self.world).look_at_page(page)),
            Pte::Swap { entry, .. } => At::Slot(entry),
            Pte::Migration { page, .. } => At::Migrating(page),
        }
    }

    /// Is a page mapped at `addr`?
    #[track_caller]
    pub fn is_mapped(&self, addr: Addr) -> bool {
        matches!(self.at(addr), At::Page(_))
    }

    /// Is what was at `addr` on swap?
    #[track_caller]
    pub fn is_on_swap(&self, addr: Addr) -> bool {
        matches!(self.at(addr), At::Slot(_))
    }

    /// How many entries, of all processes, map the page at `addr`; 0 if none is mapped there.
    #[track_caller]
    pub fn mapcount(&self, addr: Addr) -> i64 {
        match self.at(addr) {
            At::Page(seen) => seen.mapcount,
            At::Nothing | At::Slot(_) | At::Migrating(_) => 0,
        }
    }
}

impl World {
    /// The process that `mm` belongs to.
    pub fn process_of(&self, mm: MmRef) -> Process<'_> {
        Process { world: self, mm }
    }
}

impl PageRef {
    /// The frame that it is in: a number to tell frames apart by. Which frame a page is given
    /// depends on who asks, and not on what is free first.
    pub fn frame(self) -> u32 {
        self.frame
    }
}

impl SwapEntry {
    /// Which slot of the device.
    pub fn slot(self) -> u32 {
        self.0
    }
}
