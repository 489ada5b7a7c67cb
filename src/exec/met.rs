//! What CPUs may still know of what lives in a place no more. Where states are told apart, an object
//! may have the number of one that nobody can know of any more: a loop that takes a new page in each
//! of its rounds comes back to the states that it has been in.
//!
//! Numbers are only compared with each other, so two states in which they are others, and the same
//! ones are equal, go on alike. Whoever knows a number has read it, which [`met`] hears of, or finds
//! it in what is shared, which is looked at as a whole. What was met before a loop, or in the round
//! that goes on, stays known, whether it is used again or not.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use dpor::Digest;

use super::{BOOT, Exec, cpu, is_unseen, told, with};

/// What lived in a place: that, and its number.
type Lived = (u32, u32);

/// What a CPU has met, by the retry loops that it is in: of the rounds that are over nothing is
/// left, as the scheduler has it of what is learned in them.
#[derive(Default, Hash)]
pub(crate) struct Met(Vec<(u64, Part)>);

/// What was met in one of them.
#[derive(Default)]
struct Part {
    all: BTreeSet<Lived>,
    /// The same, in the order in which it was met.
    in_order: Vec<Lived>,
}

impl Part {
    fn add(&mut self, lived: Lived) {
        if self.all.insert(lived) {
            self.in_order.push(lived);
        }
    }
}

impl Hash for Part {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.all.hash(state);
    }
}

/// How much a CPU had met.
#[derive(Clone, Copy, Default)]
pub(crate) struct SoFar {
    parts: usize,
    in_last: usize,
}

impl Met {
    fn last(&mut self) -> &mut Part {
        if self.0.is_empty() {
            self.0.push((0, Part::default()));
        }
        &mut self.0.last_mut().expect("there is one").1
    }

    fn so_far(&self) -> SoFar {
        let in_last = self.0.last().map_or(0, |part| part.1.in_order.len());
        SoFar { parts: self.0.len(), in_last }
    }

    /// What was met since then is forgotten. The loops of that time go on.
    fn only(&mut self, SoFar { parts, in_last }: SoFar) {
        self.0.truncate(parts);
        if let Some((_, Part { all, in_order })) = self.0.last_mut() {
            for lived in in_order.drain(in_last.min(in_order.len())..) {
                all.remove(&lived);
            }
        }
    }

    fn round(&mut self, which: u64) {
        self.last();
        if let Some(at) = self.0.iter().skip(1).position(|part| part.0 == which) {
            self.0.truncate(at + 1);
        }
        self.0.push((which, Part::default()));
    }

    fn leave(&mut self, which: u64) {
        if let Some(at) = self.0.iter().skip(1).position(|part| part.0 == which) {
            let left = self.0.split_off(at + 1);
            let last = self.last();
            left.into_iter().flat_map(|part| part.1.in_order).for_each(|lived| last.add(lived));
        }
    }
}

thread_local! {
    /// Somebody wants to know everything that is there: what is there.
    static ALL: RefCell<Option<BTreeSet<Lived>>> = const { RefCell::new(None) };
}

/// Here is something that lives in this place under this number, or has lived there: to be said
/// wherever it is looked at as a part of all there is. False if nobody looks at that.
pub(crate) fn is_there(place: u32, number: u32) -> bool {
    ALL.with_borrow_mut(|all| all.as_mut().map(|all| all.insert((place, number)))).is_some()
}

/// The same, and to be said wherever a CPU could get to know it.
pub(crate) fn met(place: u32, number: u32) {
    if !is_there(place, number) && !is_unseen() {
        with(|exec| {
            // While the world is built, that is whoever builds it.
            if exec.by_states() && (cpu() != BOOT || !exec.started()) {
                exec.meets(|met| met.last().add((place, number)));
            }
        });
    }
}

/// A round of the retry loop begins.
pub(super) fn round(which: u64) {
    with(|exec| exec.meets(|met| met.round(which)));
}

/// The retry loop is over.
pub(super) fn leave(which: u64) {
    with(|exec| exec.meets(|met| met.leave(which)));
}

/// What the CPU has met so far.
pub(super) fn so_far() -> SoFar {
    with(|exec| exec.met.lock().get(&cpu()).map_or_else(SoFar::default, Met::so_far))
}

/// It has met no more than this.
pub(super) fn only(before: SoFar) {
    with(|exec| exec.meets(|met| met.only(before)));
}

/// The CPU has ended.
pub(super) fn forget() {
    with(|exec| _ = exec.met.lock().remove(&cpu()));
}

/// A number for what is to live in the place, after `last`: where states are told apart, the first,
/// from 1, of which nobody can know. `see` looks at all that is shared.
pub(crate) fn unknown_number(place: u32, last: u32, see: impl FnOnce()) -> u32 {
    unknown(place, 1.., see).unwrap_or(last + 1)
}

/// Where states are told apart: the first of these numbers under which nobody can know of anything
/// that lives or has lived in the place. `see` looks at all that is shared.
pub(crate) fn unknown(
    place: u32,
    numbers: impl IntoIterator<Item = u32>,
    see: impl FnOnce(),
) -> Option<u32> {
    let mut numbers = numbers.into_iter().peekable();
    if !numbers_come_again() || numbers.peek().is_none() {
        return None;
    }
    let before = ALL.replace(Some(BTreeSet::new()));
    super::unseen(see);
    let mut known = ALL.replace(before).unwrap_or_default();
    with(|exec| {
        let met = exec.met.lock();
        known.extend(met.values().flat_map(|met| &met.0).flat_map(|part| &part.1.all));
    });
    let unknown = numbers.find(|&number| !known.contains(&(place, number)));
    // The CPU knows it before its next step tells others.
    told::learned(|| unknown.map_or(0, u64::from));
    unknown
}

/// Are states told apart, so that numbers of which nobody knows any more come again?
pub(crate) fn numbers_come_again() -> bool {
    with(Exec::by_states)
}

impl Exec {
    /// What tells states apart: what CPUs may know of decides under which numbers things will live.
    pub(super) fn feed_met(&self, digest: &mut Digest) {
        self.met.lock().hash(digest);
    }

    /// What the CPU that runs has met.
    fn meets(&self, act: impl FnOnce(&mut Met)) {
        act(self.met.lock().entry(cpu()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::Met;

    #[test]
    fn rounds_that_are_over_are_forgotten() {
        let all =
            |met: &Met| met.0.iter().flat_map(|part| &part.1.all).map(|lived| lived.1).collect();
        let all = |met: &Met| -> Vec<u32> { all(met) };
        let mut met = Met::default();
        met.last().add((0, 1));
        met.round(7);
        met.last().add((0, 2));
        met.round(8);
        met.last().add((0, 3));
        met.round(8);
        met.last().add((0, 4));
        assert_eq!(all(&met), [1, 2, 4]);
        met.leave(8);
        assert_eq!(all(&met), [1, 2, 4]);
        met.round(7);
        assert_eq!(all(&met), [1]);
        met.last().add((0, 5));
        met.leave(9);
        met.leave(7);
        assert_eq!(all(&met), [1, 5]);
        let before = met.so_far();
        met.last().add((0, 5));
        met.last().add((0, 6));
        met.round(7);
        met.last().add((0, 7));
        met.only(before);
        assert_eq!(all(&met), [1, 5]);
        met.round(7);
        assert_eq!(all(&met), [1, 5]);
    }
}
