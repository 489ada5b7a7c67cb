//! Shadow memory: what every process must find at every address, and what devices hold. The
//! checker's, never the protocol's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use super::{Addr, Mm, MmRef, PageRef, Pte, PteLocation, World};
use crate::spec::Clause;
use crate::sync::{self, Arena, Ghost, Mark, Name, Plain, State};

/// Where records of pins live, beside the frames, in which pages do.
const RECORDS: u32 = u32::MAX;

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
    /// The process needs it no more, and nothing has been stored there since: it may be discarded.
    lazyfree: bool,
    /// What devices were given of it since the process last gave it up. Who lets go while CPUs run
    /// is missing only once another device is given something.
    pins: BTreeSet<Given>,
}

/// What a device is given: a page, and whether it may store into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Given {
    /// Which of the checker's records.
    record: u32,
    pub page: PageRef,
    pub write: bool,
}

/// As with pages, that is where it is noticed that somebody may know of the record. Only where its
/// number may come again does it count: else no two rounds in which something is given are alike.
impl Hash for Given {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { record, page, write } = *self;
        sync::met(RECORDS, record);
        if sync::numbers_come_again() {
            record.hash(state);
        }
        (page, write).hash(state);
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, page, write } = self;
        sync::is_there(RECORDS, *record);
        write!(f, "pin#{record}: {page}{}", if *write { " to store" } else { "" })
    }
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

    fn has_pin(&self, given: Given) -> bool {
        self.memory.peek(|memory| memory.pins.contains(&given))
    }

    pub fn see(&self, state: &mut State) {
        if state.forgets() {
            // The entry is seen already; pins are numbered, and old ones matter to nobody: those
            // that are held are seen for themselves.
            let what = |memory: &Memory| memory.value << 1 | u64::from(memory.lazyfree);
            state.number(Name::new("memory", 0, 0), self.memory.peek(what));
        } else {
            self.entry.see(state);
            self.memory.see(state);
        }
    }
}

/// See the module.
pub(super) struct Shadow {
    pins: Arena<PinRecord>,
    /// What devices were given while the world was built, in that order.
    at_start: Ghost<Vec<Given>>,
    /// What devices hold.
    held: Ghost<BTreeSet<Given>>,
    /// At how many addresses each process has a value now.
    has: Ghost<BTreeMap<(u64, MmRef), i32>>,
}

/// What the checker knows of a page that a device was given.
struct PinRecord {
    number: u32,
    /// Where the process has it: mremap moves it.
    at: Ghost<PteLocation>,
    state: Ghost<PinState>,
}

#[derive(Clone, Debug, Hash)]
struct PinState {
    device: Device,
    /// What was there since the device was given the page.
    values: BTreeSet<u64>,
    /// What is there now, or was when the process gave that memory up.
    value: u64,
}

impl PinState {
    fn new(device: Device, value: u64) -> Self {
        Self { device, values: BTreeSet::from([value]), value }
    }

    fn finds(&mut self, value: u64) {
        if self.device != Device::HasLetGo {
            self.values.insert(value);
            self.value = value;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
enum Device {
    /// It may be given the page.
    Waits,
    Holds,
    HasLetGo,
}

impl Shadow {
    pub(super) fn new() -> Self {
        Self {
            pins: Arena::new(),
            at_start: Ghost::new(Name::new("pins at start", 0, 0), Vec::new()),
            held: Ghost::new(Name::new("pins", 0, 0), BTreeSet::new()),
            has: Ghost::new(Name::new("values", 0, 0), BTreeMap::new()),
        }
    }

    /// `cell` says what is known of an address.
    pub(super) fn see<'a>(&self, state: &mut State, cell: impl Fn(PteLocation) -> &'a ShadowCell) {
        self.has.see(state);
        if !state.forgets() {
            self.at_start.see(state);
            self.held.see(state);
            self.pins.iter().for_each(|pin| {
                pin.at.see(state);
                pin.state.see(state);
            });
            return;
        }
        // By age; how they are numbered matters to nobody.
        for given in self.held.peek(BTreeSet::clone) {
            let Given { record, page, write } = given;
            let pin = &self.pins[record];
            let at = pin.at.peek(|&at| at);
            let mapped = cell(at).has_pin(given);
            let what = pin.state.peek(|state| format!("{at} {page} {write} {mapped} {state:?}"));
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
    fn shadow_pins_find(&self, pins: &BTreeSet<Given>, value: u64) {
        for pin in pins {
            self.shadow.pins[pin.record].state.change(|pin| pin.finds(value));
        }
    }

    /// Returns what was known before.
    fn shadow_set(&self, mm: &Mm, addr: Addr, value: u64) -> Memory {
        self.shadow_change(mm, addr, |memory| {
            (memory.value, memory.lazyfree) = (value, false);
        })
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
        // Who takes one away may come before who adds it, and then it is less than none.
        self.shadow.has.count(|has| {
            for (value, change) in [(before.value, -1), (value, 1)] {
                if value != 0 {
                    let addresses = has.entry((value, mm.id())).or_default();
                    *addresses += change;
                    if *addresses == 0 {
                        has.remove(&(value, mm.id()));
                    }
                }
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
            let another = |has: &BTreeMap<(u64, MmRef), i32>| {
                has.iter().any(|(at, &many)| many > 0 && at.0 == found && at.1 != mm.id())
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
        let (value, lazyfree) =
            parent.shadow(addr).memory.with(|memory| (memory.value, memory.lazyfree));
        self.shadow_change(child, addr, |memory| {
            (memory.value, memory.lazyfree) = (value, lazyfree);
        });
    }

    /// The process has given the memory at `addr` up; what is there next begins with zeroes, and is
    /// not what a device was given. Called with the page-table lock held, when no access can go
    /// through the entry.
    pub(super) fn shadow_unmap(&self, mm: &Mm, addr: Addr) {
        self.shadow_change(mm, addr, |memory| {
            *memory = Memory { given_up: memory.value, ..Memory::default() };
        });
    }

    /// The process says that it needs what is at `addr` no more, until it stores there again. Called
    /// with the page-table lock held, when no access can go through the entry.
    pub(super) fn shadow_lazyfree(&self, mm: &Mm, addr: Addr) {
        self.shadow_change(mm, addr, |memory| memory.lazyfree = true);
    }

    /// Reclaim has taken what is at `addr` away, which is right only if the process needs it no
    /// more: else it must be there still ([DATA-1]). Called with the page-table lock held, when no
    /// access can go through the entry.
    pub(super) fn shadow_discard(&self, mm: &Mm, addr: Addr) {
        if mm.shadow(addr).memory.with(|memory| memory.lazyfree) {
            self.shadow_change(mm, addr, |memory| {
                (memory.given_up, memory.value, memory.lazyfree) = (memory.value, 0, false);
            });
        }
    }

    /// What the process has at `addr` is at `to` from here on, and so is what devices were given of
    /// it. Called with the page-table lock held, when no access can go through the entry.
    pub(super) fn shadow_move(&self, mm: &Mm, addr: Addr, to: Addr) {
        let Memory { mut value, mut lazyfree, pins, .. } = mm.shadow(addr).memory.get();
        let pinned = !pins.is_empty();
        if pinned {
            let _ = mm.pte(addr).begin_access(); // a device that stores right now is done first
            (value, lazyfree) =
                mm.shadow(addr).memory.with(|memory| (memory.value, memory.lazyfree));
        }
        let gone = self.shadow_change(mm, addr, |memory| {
            *memory = Memory { given_up: memory.value, ..Memory::default() };
        });
        // Who is about to be given a page there without a lock, is given it with what is in it by
        // then.
        let there = self.shadow_change(mm, to, |memory| {
            (memory.value, memory.lazyfree) = (value, lazyfree);
            memory.pins.extend(&gone.pins);
        });
        self.shadow_pins_find(&there.pins, value);
        // Once a device knows of the new place, it may store there.
        for pin in &gone.pins {
            self.shadow.pins[pin.record].at.change(|at| at.addr = to);
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
            let holds = || self.shadow_is(pin, Device::Holds);
            let lost = pin.write && pin.page != page && holds();
            sync::clause(Clause::PIN_1, !lost, || {
                format!(
                    "{}:{addr} maps {page} now, and a device stores into {}, which was there",
                    mm.id(),
                    pin.page
                )
            });
        }
    }

    fn shadow_is(&self, given: Given, device: Device) -> bool {
        self.shadow.pins[given.record].state.with(|state| state.device == device)
    }

    /// A device is given `page`, which is at `addr`. Called with the page-table lock held.
    pub(super) fn shadow_pin(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> Given {
        let given = self.shadow_pin_record(mm, addr, page, write, Device::Holds);
        self.shadow_holds(given);
        given
    }

    /// A device may be given `page`, which is at `addr`, without a lock: from here on what is
    /// stored there may be in it.
    pub(super) fn shadow_pin_fast(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> Given {
        self.shadow_pin_record(mm, addr, page, write, Device::Waits)
    }

    /// It is given the page after all.
    pub(super) fn shadow_pin_given(&self, given: Given) {
        self.shadow.pins[given.record].state.change(|state| state.device = Device::Holds);
        self.shadow_holds(given);
    }

    /// It is not.
    pub(super) fn shadow_pin_refused(&self, given: Given) {
        let at = self.shadow.pins[given.record].at.get();
        self.mm_struct(at.mm).shadow(at.addr).memory.change(|memory| memory.pins.remove(&given));
    }

    fn shadow_holds(&self, given: Given) {
        self.shadow.held.count(|held| _ = held.insert(given));
        if sync::is_setup() {
            self.shadow.at_start.change(|pins| pins.push(given));
        }
    }

    fn shadow_pin_record(
        &self,
        mm: &Mm,
        addr: Addr,
        page: PageRef,
        write: bool,
        device: Device,
    ) -> Given {
        let at = PteLocation { mm: mm.id(), addr };
        let pin = self.shadow_next_record(at);
        let given = Given { record: pin.number, page, write };
        let memory = &mm.shadow(addr).memory;
        let others = memory.change(|memory| {
            pin.state.reset(PinState::new(device, memory.value));
            let others = memory.pins.clone();
            memory.pins.insert(given);
            others
        });
        for other in others {
            if self.shadow_is(other, Device::HasLetGo) {
                memory.change(|memory| memory.pins.remove(&other));
            }
        }
        given
    }

    /// A record that nobody knows of: a new one, or one of this CPU's of which nobody knows any
    /// more.
    fn shadow_next_record(&self, at: PteLocation) -> &PinRecord {
        let mine = self.shadow.pins.mine().map(|pin| pin.number);
        if let Some(again) = sync::unknown(RECORDS, mine, || self.look_at_all()) {
            let pin = &self.shadow.pins[again];
            pin.at.reset(at);
            return pin;
        }
        self.shadow.pins.push_with(|number| {
            let state = PinState::new(Device::Waits, 0);
            let name = |pattern| Name::new(pattern, number, 0);
            PinRecord {
                number,
                at: Ghost::new(name("where pin#%a is"), at),
                state: Ghost::new(name("pin#%a"), state),
            }
        })
    }

    /// What a device was given by the `n`-th call while the world was built.
    pub(super) fn shadow_pinned(&self, n: usize) -> Option<Given> {
        self.shadow.at_start.with(|pins| pins.get(n).copied())
    }

    /// The device begins to use what it holds: the entry is in use where the process has the page,
    /// so that no access of user code sees half of it, and mremap does not move it meanwhile.
    /// Returns where that is.
    pub(super) fn shadow_begin_dma(&self, given: Given) -> PteLocation {
        let pin = &self.shadow.pins[given.record];
        loop {
            let at = pin.at.get();
            let pte = self.mm_struct(at.mm).pte(at.addr);
            let _ = pte.begin_access(); // not through the entry
            if pin.at.get() == at {
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
    pub(super) fn shadow_dma(&self, given: Given, value: u64) {
        let at = self.shadow.pins[given.record].at.get();
        let before = self.shadow_change(self.mm_struct(at.mm), at.addr, |memory| {
            if memory.pins.contains(&given) {
                (memory.value, memory.lazyfree) = (value, false);
            }
        });
        if before.pins.contains(&given) {
            self.shadow_pins_find(&before.pins, value);
            return;
        }
        // The page is the devices' alone: what one stores, the others that its process gave it
        // to may read.
        for other in self.shadow.held.get().into_iter().filter(|other| other.page == given.page) {
            let other = &self.shadow.pins[other.record];
            if other.at.get().mm == at.mm {
                other.state.change(|state| state.finds(value));
            }
        }
    }

    /// The device reads what it was given, and finds `found`: something that its process has had
    /// there ([PIN-2]), and has there now ([PIN-3]). Called while the entry at `at` is in use.
    pub(super) fn shadow_pin_read(&self, given: Given, at: PteLocation, found: u64) {
        let value = self.shadow_pin_read_once(given, at, found);
        sync::clause(Clause::PIN_3, value.is_none_or(|value| value == found), || {
            let (PteLocation { mm, addr }, value) = (at, value.unwrap_or_default());
            format!("a device reads {found} from {}, and {mm} has {value} at {addr}", given.page)
        });
    }

    /// The same of who may find what was there before ([PIN-2]). Returns what is there now, unless
    /// `found` never was.
    pub(super) fn shadow_pin_read_once(
        &self,
        given: Given,
        at: PteLocation,
        found: u64,
    ) -> Option<u64> {
        let state = &self.shadow.pins[given.record].state;
        let value = state.with(|state| state.values.contains(&found).then_some(state.value));
        sync::clause(Clause::PIN_2, value.is_some(), || {
            let PteLocation { mm, addr } = at;
            format!("a device reads {found} from {}, which {mm} never stored at {addr}", given.page)
        });
        value
    }

    /// The device lets go.
    pub(super) fn shadow_unpin(&self, given: Given) {
        self.shadow.pins[given.record].state.change(|state| {
            *state = PinState::new(Device::HasLetGo, 0);
        });
        self.shadow.held.count(|held| _ = held.remove(&given));
        if sync::is_setup() {
            let at = self.shadow.pins[given.record].at.get();
            let memory = &self.mm_struct(at.mm).shadow(at.addr).memory;
            memory.change(|memory| memory.pins.remove(&given));
        }
    }
}
