//! Shadow memory: what every process must find at every address, and what devices hold. The
//! checker's, never the protocol's.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Addr, Mm, MmRef, PageRef, Pte, PteLocation, World};
use crate::spec::Clause;
use crate::sync::{self, Arena, Ghost, Mark, Name, Plain, State};

/// What the checker knows of one address of a process.
pub(super) struct ShadowCell {
    /// The page-table entry, but for its dirty bit. Under the page-table lock.
    pub entry: Plain<Pte>,
    memory: Ghost<Memory>,
}

/// What a process has at an address.
#[derive(Clone, Default, Debug, Hash)]
struct Memory {
    /// What was last stored there.
    value: u64,
    /// What was there when the process last gave the memory up.
    given_up: u64,
    /// What devices were given of it, by number, since the process last gave it up.
    pins: Vec<u32>,
}

impl ShadowCell {
    pub fn new(at: PteLocation) -> Self {
        let name = |pattern| Name::new(pattern, at.mm.id(), at.addr as u32);
        Self {
            entry: Plain::new(name("pte[mm%a:%b] without its dirty bit"), Pte::None),
            memory: Ghost::new(name("mm%a:%b"), Memory::default()),
        }
    }

    /// Was a device given what is here? While the world is built.
    pub fn was_pinned(&self) -> bool {
        self.memory.peek(|memory| !memory.pins.is_empty())
    }

    fn has_pin(&self, record: u32) -> bool {
        self.memory.peek(|memory| memory.pins.contains(&record))
    }

    pub fn see(&self, state: &mut State) {
        if state.forgets() {
            // The entry is seen already; pins are numbered, and old ones matter to nobody: those
            // that are held are seen for themselves.
            state.number(Name::new("memory", 0, 0), self.memory.peek(|memory| memory.value));
        } else {
            self.entry.see(state);
            self.memory.see(state);
        }
    }
}

/// See the module.
pub(super) struct Shadow {
    pins: Arena<PinRecord>,
    /// The pins by age: what a race calls the first one.
    order: Ghost<Vec<u32>>,
    /// At how many addresses each process has a value now.
    has: Ghost<BTreeMap<(u64, MmRef), u32>>,
}

/// What the checker knows of a page that a device was given.
struct PinRecord {
    number: u32,
    /// Where the process has it: mremap moves it.
    at: Ghost<PteLocation>,
    page: PageRef,
    write: bool,
    state: Ghost<PinState>,
}

#[derive(Clone, Debug, Hash)]
struct PinState {
    /// The device has not let go.
    held: bool,
    /// What was there since the device was given the page.
    values: BTreeSet<u64>,
}

impl Shadow {
    pub(super) fn new() -> Self {
        Self {
            pins: Arena::new(),
            order: Ghost::new(Name::new("pins", 0, 0), Vec::new()),
            has: Ghost::new(Name::new("values", 0, 0), BTreeMap::new()),
        }
    }

    /// `cell` says what is known of an address.
    pub(super) fn see<'a>(&self, state: &mut State, cell: impl Fn(PteLocation) -> &'a ShadowCell) {
        self.has.see(state);
        if !state.forgets() {
            self.order.see(state);
            self.pins.iter().for_each(|pin| {
                pin.at.see(state);
                state.value(Name::new("page of pin#%a", pin.number, 0), pin.page.to_string());
                pin.state.see(state);
            });
            return;
        }
        for pin in self.pins.iter().filter(|pin| pin.state.peek(|state| state.held)) {
            let at = pin.at.peek(|&at| at);
            let mapped = cell(at).has_pin(pin.number);
            let what = pin
                .state
                .peek(|state| format!("{at} {} {} {mapped} {state:?}", pin.page, pin.write));
            state.value(Name::new("a pin", 0, 0), what);
        }
    }
}

impl World {
    /// A store goes through; nobody else accesses this address meanwhile, because the page-table
    /// entry is in use.
    pub(super) fn shadow_store(&self, mm: &Mm, addr: Addr, value: u64) {
        let before = self.shadow_set(mm, addr, value);
        self.shadow_pins_find(&before.pins, value);
    }

    /// What devices were given may have this in it from here on.
    fn shadow_pins_find(&self, pins: &[u32], value: u64) {
        for &pin in pins {
            self.shadow.pins[pin].state.change(|pin| pin.values.insert(value));
        }
    }

    /// Returns what was known before.
    fn shadow_set(&self, mm: &Mm, addr: Addr, value: u64) -> Memory {
        self.shadow_change(mm, addr, |memory| memory.value = value)
    }

    /// All that changes at once changes in one step. Returns what was known before.
    fn shadow_change(&self, mm: &Mm, addr: Addr, change: impl FnOnce(&mut Memory)) -> Memory {
        let (before, value) = mm.shadow(addr).memory.change(|memory| {
            let before = memory.clone();
            change(memory);
            (before, memory.value)
        });
        if before.value == value {
            return before;
        }
        self.shadow.has.count(|has| {
            let left = has.get_mut(&(before.value, mm.id())).map(|addresses| {
                *addresses -= 1;
                *addresses
            });
            if left == Some(0) {
                has.remove(&(before.value, mm.id()));
            }
            if value != 0 {
                *has.entry((value, mm.id())).or_default() += 1;
            }
        });
        before
    }

    /// A load goes through `entry`: it must find what was last stored by this process ([DATA-1]),
    /// and nobody else's store ([COW-1]). While it is under way, the process may have given the
    /// memory up.
    pub(super) fn shadow_check(&self, mm: &Mm, addr: Addr, entry: Pte, found: u64) {
        sync::learns_only(|| {
            let (expected, given_up) =
                mm.shadow(addr).memory.with(|memory| (memory.value, memory.given_up));
            if found != expected && found == given_up && mm.pte(addr).read_newest() != entry {
                sync::mark(Mark::LOAD_FINDS_WHAT_WAS_GIVEN_UP);
                return;
            }
            let another = |has: &BTreeMap<(u64, MmRef), u32>| {
                has.keys().any(|&(value, other)| value == found && other != mm.id())
            };
            let foreign = found != expected && self.shadow.has.with(another);
            let seen = || {
                format!("{} loads {found} from {addr}, where it should find {expected}", mm.id())
            };
            sync::clause(Clause::COW_1, !foreign, || {
                format!("{}: another process's store", seen())
            });
            sync::clause(Clause::DATA_1, found == expected || foreign, seen);
        });
    }

    /// The child begins with what the parent has now. Called when no store can go through the
    /// parent's entry.
    pub(super) fn shadow_fork(&self, parent: &Mm, child: &Mm, addr: Addr) {
        let value = parent.shadow(addr).memory.with(|memory| memory.value);
        self.shadow_set(child, addr, value);
    }

    /// The process has given the memory at `addr` up; what is there next begins with zeroes, and is
    /// not what a device was given. Called with the page-table lock held, when no access can go
    /// through the entry.
    pub(super) fn shadow_unmap(&self, mm: &Mm, addr: Addr) {
        self.shadow_change(mm, addr, |memory| {
            *memory = Memory { given_up: memory.value, ..Memory::default() };
        });
    }

    /// What the process has at `addr` is at `to` from here on, and so is what devices were given of
    /// it. Called with the page-table lock held, when no access can go through the entry.
    pub(super) fn shadow_move(&self, mm: &Mm, addr: Addr, to: Addr) {
        let Memory { mut value, pins, .. } = mm.shadow(addr).memory.get();
        let pinned = !pins.is_empty();
        if pinned {
            let _ = mm.pte(addr).begin_access(); // a device that stores right now is done first
            value = mm.shadow(addr).memory.with(|memory| memory.value);
        }
        let gone = self.shadow_change(mm, addr, |memory| {
            *memory = Memory { given_up: memory.value, ..Memory::default() };
        });
        // Who is about to be given a page there without a lock, is given it with what is in it by
        // then.
        let there = self.shadow_change(mm, to, |memory| {
            memory.value = value;
            memory.pins.extend(&gone.pins);
        });
        self.shadow_pins_find(&there.pins, value);
        // Once a device knows of the new place, it may store there.
        for &pin in &gone.pins {
            self.shadow.pins[pin].at.change(|at| at.addr = to);
        }
        if pinned {
            mm.pte(addr).end_access(None);
        }
    }

    /// mremap is over: the process finds at the new place what it has not found there yet, whatever
    /// became of it. Called with `mmap_sem` held for writing.
    pub(super) fn shadow_move_left(&self, mm: &Mm, range: Range<Addr>, to: Addr) {
        for addr in range.clone() {
            if mm.shadow(addr).memory.with(|memory| memory.value) != 0 {
                self.shadow_move(mm, addr, to + (addr - range.start));
            }
        }
    }

    /// `addr` is about to map `page`. While a device stores into the page that was there, it must
    /// be the same one ([PIN-1]). Called with the page-table lock held.
    pub(super) fn shadow_remap(&self, mm: &Mm, addr: Addr, page: PageRef) {
        for pin in mm.shadow(addr).memory.with(|memory| memory.pins.clone()) {
            let pin = &self.shadow.pins[pin];
            let lost = pin.write && pin.page != page && pin.state.with(|state| state.held);
            sync::clause(Clause::PIN_1, !lost, || {
                format!(
                    "{}:{addr} maps {page} now, and a device stores into {}, which was there",
                    mm.id(),
                    pin.page
                )
            });
        }
    }

    /// A device is given `page`, which is at `addr`. Called with the page-table lock held. Returns
    /// the number of its record.
    pub(super) fn shadow_pin(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> u32 {
        let record = self.shadow_pin_record(mm, addr, page, write, true);
        self.shadow.order.change(|order| order.push(record));
        record
    }

    /// A device may be given `page`, which is at `addr`, without a lock: from here on what is
    /// stored there may be in it. Returns the number of the record.
    pub(super) fn shadow_pin_fast(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> u32 {
        self.shadow_pin_record(mm, addr, page, write, false)
    }

    /// It is given the page after all.
    pub(super) fn shadow_pin_given(&self, record: u32) {
        self.shadow.pins[record].state.change(|state| state.held = true);
        self.shadow.order.change(|order| order.push(record));
    }

    /// It is not.
    pub(super) fn shadow_pin_refused(&self, record: u32) {
        let at = self.shadow.pins[record].at.get();
        self.mm_struct(at.mm)
            .shadow(at.addr)
            .memory
            .change(|memory| memory.pins.retain(|&pin| pin != record));
    }

    fn shadow_pin_record(
        &self,
        mm: &Mm,
        addr: Addr,
        page: PageRef,
        write: bool,
        held: bool,
    ) -> u32 {
        let at = PteLocation { mm: mm.id(), addr };
        let record = self.shadow.pins.push_with(|number| {
            let state = PinState { held, values: BTreeSet::new() };
            let name = |pattern| Name::new(pattern, number, 0);
            PinRecord {
                number,
                at: Ghost::new(name("where pin#%a is"), at),
                page,
                write,
                state: Ghost::new(name("pin#%a"), state),
            }
        });
        mm.shadow(addr).memory.change(|memory| {
            record.state.reset(PinState { held, values: BTreeSet::from([memory.value]) });
            memory.pins.push(record.number);
        });
        record.number
    }

    /// What a device was given by the `n`-th call: the number of its record, which page, and
    /// whether to store into it.
    pub(super) fn shadow_pinned(&self, n: usize) -> Option<(u32, PageRef, bool)> {
        let pin = &self.shadow.pins[self.shadow.order.with(|order| order.get(n).copied())?];
        Some((pin.number, pin.page, pin.write))
    }

    /// The device begins to use what it holds: the entry is in use where the process has the page,
    /// so that no access of user code sees half of it, and mremap does not move it meanwhile.
    /// Returns where that is.
    pub(super) fn shadow_begin_dma(&self, record: u32) -> PteLocation {
        loop {
            let at = self.shadow.pins[record].at.get();
            let pte = self.mm_struct(at.mm).pte(at.addr);
            let _ = pte.begin_access(); // not through the entry
            if self.shadow.pins[record].at.get() == at {
                return at;
            }
            pte.end_access(None);
        }
    }

    /// Ends that.
    pub(super) fn shadow_end_dma(&self, at: PteLocation) {
        self.mm_struct(at.mm).pte(at.addr).end_access(None);
    }

    /// The device stores: the process stores, if it has not given that memory up. Called while the
    /// entry is in use, which is another one's by then if it has.
    pub(super) fn shadow_dma(&self, record: u32, value: u64) {
        let pin = &self.shadow.pins[record];
        let at = pin.at.get();
        let before = self.shadow_change(self.mm_struct(at.mm), at.addr, |memory| {
            if memory.pins.contains(&record) {
                memory.value = value;
            }
        });
        if before.pins.contains(&record) {
            self.shadow_pins_find(&before.pins, value);
            return;
        }
        // The page is the devices' alone: what one stores, the others that its process gave it
        // to may read.
        let given = self.shadow.order.get().into_iter().map(|number| &self.shadow.pins[number]);
        for other in given.filter(|other| other.page == pin.page && other.at.get().mm == at.mm) {
            other.state.change(|state| state.values.insert(value));
        }
    }

    /// The device reads `value`: has the process never had that there? Called while the entry is in
    /// use.
    pub(super) fn shadow_pin_read(&self, record: u32, value: u64) -> bool {
        self.shadow.pins[record].state.with(|state| !state.values.contains(&value))
    }

    /// The device lets go.
    pub(super) fn shadow_unpin(&self, record: u32) {
        self.shadow.pins[record].state.change(|state| state.held = false);
    }
}
