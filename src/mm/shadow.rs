//! Shadow memory: what every process must find at every address, and what devices hold. The checker's, never the protocol's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Addr, Mm, MmRef, PageRef, Pte, PteLocation, World};
use crate::spec::Clause;
use crate::sync::{self, Arena, Ghost, Name, Plain, State};

/// What the checker knows of one address of a process.
pub(super) struct ShadowCell {
    /// The page-table entry, but for its dirty bit. Under the page-table lock.
    pub entry: Plain<Pte>,
    /// What was last stored there. Accessed while the entry is in use, or cannot be.
    memory: Plain<u64>,
    /// What devices were given of it, by number. Changed under the page-table lock and while the entry is in use; looked at under either.
    pins: Plain<Vec<u32>>,
}

impl ShadowCell {
    pub fn new(at: PteLocation) -> Self {
        let name = |pattern| Name::new(pattern, at.mm.id(), at.addr as u32);
        Self {
            entry: Plain::new(name("pte[mm%a:%b] without its dirty bit"), Pte::None),
            memory: Plain::new(name("mm%a:%b"), 0),
            pins: Plain::new(name("mm%a:%b pins"), Vec::new()),
        }
    }

    pub fn see(&self, state: &mut State) {
        self.entry.see(state);
        self.memory.see(state);
        self.pins.see(state);
    }

    /// Tells two states apart: for fingerprints only.
    pub fn describe(&self) -> u64 {
        self.memory.peek(|value| *value)
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
    at: PteLocation,
    page: PageRef,
    write: bool,
    /// The process has not unmapped that memory since. Under the page-table lock, or while the entry is in use.
    mapped: Plain<bool>,
    /// The device has not let go.
    held: Ghost<bool>,
    /// What was there since the device was given the page. Accessed while the entry is in use.
    values: Plain<BTreeSet<u64>>,
}

impl Shadow {
    pub(super) fn new() -> Self {
        Self {
            pins: Arena::new(),
            order: Ghost::new(Name::new("pins", 0, 0), Vec::new()),
            has: Ghost::new(Name::new("values", 0, 0), BTreeMap::new()),
        }
    }

    pub(super) fn see(&self, state: &mut State) {
        self.order.see(state);
        self.has.see(state);
        for pin in self.pins.iter() {
            pin.mapped.see(state);
            pin.held.see(state);
            pin.values.see(state);
        }
    }

    /// Tells two different states of the devices apart: for fingerprints only.
    pub(super) fn describe(&self) -> String {
        let held = self.pins.iter().filter(|pin| pin.held.peek(|held| *held));
        let describe = |pin: &PinRecord| {
            let (mapped, values) = (pin.mapped.peek(|mapped| *mapped), pin.values.peek(Clone::clone));
            format!(" {} {} {} {mapped} {values:?}", pin.at, pin.page, pin.write)
        };
        held.map(describe).collect()
    }
}

impl World {
    /// A store goes through; nobody else accesses this address meanwhile, because the page-table entry is in use.
    pub(super) fn shadow_store(&self, mm: &Mm, addr: Addr, value: u64) {
        self.shadow_set(mm, addr, value);
        for pin in mm.shadow(addr).pins.read() {
            self.shadow.pins[pin].values.write().insert(value);
        }
    }

    fn shadow_set(&self, mm: &Mm, addr: Addr, value: u64) {
        let before = std::mem::replace(&mut *mm.shadow(addr).memory.write(), value);
        if before == value {
            return;
        }
        self.shadow.has.count(|has| {
            let left = has.get_mut(&(before, mm.id())).map(|addresses| {
                *addresses -= 1;
                *addresses
            });
            if left == Some(0) {
                has.remove(&(before, mm.id()));
            }
            if value != 0 {
                *has.entry((value, mm.id())).or_default() += 1;
            }
        });
    }

    /// A load goes through: it must find what was last stored by this process ([DATA-1]), and nobody else's store ([COW-1]).
    pub(super) fn shadow_check(&self, mm: &Mm, addr: Addr, found: u64) {
        let expected = mm.shadow(addr).memory.read();
        let another = |has: &BTreeMap<(u64, MmRef), u32>| has.keys().any(|&(value, other)| value == found && other != mm.id());
        let foreign = found != expected && self.shadow.has.with(another);
        let seen = || format!("{} loads {found} from {addr}, where it should find {expected}", mm.id());
        sync::clause(Clause::COW_1, !foreign, || format!("{}: another process's store", seen()));
        sync::clause(Clause::DATA_1, found == expected || foreign, seen);
    }

    /// The child begins with what the parent has now. Called when no store can go through the parent's entry.
    pub(super) fn shadow_fork(&self, parent: &Mm, child: &Mm, addr: Addr) {
        let value = parent.shadow(addr).memory.read();
        self.shadow_set(child, addr, value);
    }

    /// The process has given the memory at `addr` up; what is there next begins with zeroes, and is not what a device was given. Called with
    /// the page-table lock held, when no access can go through the entry.
    pub(super) fn shadow_unmap(&self, mm: &Mm, addr: Addr) {
        self.shadow_set(mm, addr, 0);
        for pin in mm.shadow(addr).pins.read() {
            *self.shadow.pins[pin].mapped.write() = false;
        }
    }

    /// `addr` is about to map `page`. While a device stores into the page that was there, it must be the same one ([PIN-1]). Called with the
    /// page-table lock held.
    pub(super) fn shadow_remap(&self, mm: &Mm, addr: Addr, page: PageRef) {
        for pin in mm.shadow(addr).pins.read() {
            let pin = &self.shadow.pins[pin];
            let lost = pin.write && pin.page != page && pin.mapped.read() && pin.held.get();
            sync::clause(Clause::PIN_1, !lost, || {
                format!("{}:{addr} maps {page} now, and a device stores into {}, which was there", mm.id(), pin.page)
            });
        }
    }

    /// A device is given `page`, which is at `addr`. Called with the page-table lock held. Returns the number of its record.
    pub(super) fn shadow_pin(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> u32 {
        mm.pte(addr).settle(); // a store went through before this, or will after
        let cell = mm.shadow(addr);
        let at = PteLocation { mm: mm.id(), addr };
        let values = BTreeSet::from([cell.memory.read()]);
        let record = self.shadow.pins.push_with(|number| {
            let name = |pattern| Name::new(pattern, number, 0);
            PinRecord {
                number,
                at,
                page,
                write,
                mapped: Plain::new(name("pin#%a.mapped"), true),
                held: Ghost::new(name("pin#%a.held"), true),
                values: Plain::new(name("pin#%a.values"), values),
            }
        });
        cell.pins.write().push(record.number);
        self.shadow.order.change(|order| order.push(record.number));
        record.number
    }

    /// What a device was given by the `n`-th call: the number of its record, where, which page, and whether to store into it.
    pub(super) fn shadow_pinned(&self, n: usize) -> Option<(u32, PteLocation, PageRef, bool)> {
        let pin = &self.shadow.pins[self.shadow.order.with(|order| order.get(n).copied())?];
        Some((pin.number, pin.at, pin.page, pin.write))
    }

    /// The device stores: the process stores, as far as it has the memory still. Called while the entry is in use.
    pub(super) fn shadow_dma(&self, record: u32, value: u64) {
        let pin = &self.shadow.pins[record];
        pin.values.write().insert(value);
        if pin.mapped.read() {
            self.shadow_store(self.mm_struct(pin.at.mm), pin.at.addr, value);
        }
    }

    /// The device reads `value`: has the process never had that there? Called while the entry is in use.
    pub(super) fn shadow_pin_read(&self, record: u32, value: u64) -> bool {
        !self.shadow.pins[record].values.read().contains(&value)
    }

    /// The device lets go.
    pub(super) fn shadow_unpin(&self, record: u32) {
        self.shadow.pins[record].held.change(|held| *held = false);
    }
}
