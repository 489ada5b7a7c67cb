//! Shadow memory: what every process must find at every address, and what devices hold. The checker's, never the protocol's.

use std::collections::BTreeMap;

use super::{Addr, Mm, MmRef, PageRef, World};
use crate::spec::Clause;
use crate::sync;

/// See the module.
#[derive(Default)]
pub(super) struct Shadow {
    memory: BTreeMap<(MmRef, Addr), u64>,
    pins: Vec<PinRecord>,
}

/// What the checker knows of a page that a device was given.
struct PinRecord {
    at: (MmRef, Addr),
    page: PageRef,
    write: bool,
    /// The process has not unmapped that memory since.
    mapped: bool,
    /// The device has not let go.
    held: bool,
    /// What the process had there since the device was given the page.
    values: Vec<u64>,
}

impl Shadow {
    /// Tells two different states apart.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{:?}", self.memory);
        for pin in self.pins.iter().filter(|pin| pin.held) {
            text += &format!(" {:?} {} {} {} {:?}", pin.at, pin.page, pin.write, pin.mapped, pin.values);
        }
        text
    }

    fn store(&mut self, at: (MmRef, Addr), value: u64) {
        self.memory.insert(at, value);
        self.pins.iter_mut().filter(|pin| pin.at == at).for_each(|pin| pin.values.push(value));
    }
}

impl World {
    /// A store goes through; nobody else accesses this address meanwhile, because the page-table entry is in use.
    pub(super) fn shadow_store(&self, mm: MmRef, addr: Addr, value: u64) {
        self.shadow().store((mm, addr), value);
    }

    /// A load goes through: it must find what was last stored by this process ([DATA-1]), and nobody else's store ([COW-1]).
    pub(super) fn shadow_check(&self, mm: MmRef, addr: Addr, found: u64) {
        let shadow = self.shadow();
        let expected = shadow.memory.get(&(mm, addr)).copied().unwrap_or(0);
        let foreign = found != expected && shadow.memory.iter().any(|(&(other, _), &value)| other != mm && value == found);
        drop(shadow);
        let seen = || format!("{mm} loads {found} from {addr}, where it should find {expected}");
        sync::clause(Clause::COW_1, !foreign, || format!("{}: another process's store", seen()));
        sync::clause(Clause::DATA_1, found == expected || foreign, seen);
    }

    /// The child begins with what the parent has now. Called when no store can go through the parent's entry.
    pub(super) fn shadow_fork(&self, parent: MmRef, child: MmRef, addr: Addr) {
        let mut shadow = self.shadow();
        if let Some(&value) = shadow.memory.get(&(parent, addr)) {
            shadow.memory.insert((child, addr), value);
        }
    }

    /// The process has given the memory at `addr` up; what is there next begins with zeroes, and is not what a device was given.
    pub(super) fn shadow_unmap(&self, mm: &Mm, addr: Addr) {
        let mut shadow = self.shadow();
        shadow.memory.remove(&(mm.id(), addr));
        shadow.pins.iter_mut().filter(|pin| pin.at == (mm.id(), addr)).for_each(|pin| pin.mapped = false);
    }

    /// `addr` is about to map `page`. While a device stores into the page that was there, it must be the same one ([PIN-1]).
    pub(super) fn shadow_remap(&self, mm: &Mm, addr: Addr, page: PageRef) {
        if !mm.was_pinned() {
            return;
        }
        mm.pins.relied_on();
        let lost = self.shadow().pins.iter().find_map(|pin| {
            let lost = pin.held && pin.write && pin.mapped && pin.at == (mm.id(), addr) && pin.page != page;
            lost.then_some(pin.page)
        });
        sync::clause(Clause::PIN_1, lost.is_none(), || {
            format!("{}:{addr} maps {page} now, and a device stores into {}, which was there", mm.id(), lost.expect("it is violated"))
        });
    }

    /// A device is given `page`, which is at `addr`. Called with the page-table lock held. Returns the number of its record.
    pub(super) fn shadow_pin(&self, mm: &Mm, addr: Addr, page: PageRef, write: bool) -> usize {
        mm.note_pin();
        mm.pins.changed();
        let mut shadow = self.shadow();
        let at = (mm.id(), addr);
        let values = vec![shadow.memory.get(&at).copied().unwrap_or(0)];
        shadow.pins.push(PinRecord { at, page, write, mapped: true, held: true, values });
        shadow.pins.len() - 1
    }

    /// What the device was given by the `n`-th call: where, which page, and whether to store into it.
    pub(super) fn shadow_pinned(&self, n: usize) -> Option<(MmRef, Addr, PageRef, bool)> {
        self.shadow().pins.get(n).map(|pin| (pin.at.0, pin.at.1, pin.page, pin.write))
    }

    /// The device stores: the process stores, as far as it has the memory still.
    pub(super) fn shadow_dma(&self, record: usize, value: u64) {
        let mut shadow = self.shadow();
        let PinRecord { at, mapped, .. } = shadow.pins[record];
        if mapped {
            shadow.store(at, value);
        }
    }

    /// The device reads `value`: has the process never had that there?
    pub(super) fn shadow_pin_read(&self, record: usize, value: u64) -> bool {
        !self.shadow().pins[record].values.contains(&value)
    }

    /// The device lets go.
    pub(super) fn shadow_unpin(&self, record: usize) {
        let mm = self.shadow().pins[record].at.0;
        self.mm_struct(mm).pins.changed();
        self.shadow().pins[record].held = false;
    }
}
