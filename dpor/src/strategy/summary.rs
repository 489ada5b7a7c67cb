//! What can follow a state: which thread accesses what, and how, some time after it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::access::{Access, Class, Creator, Op};
use crate::state::Keys;

/// Something that happens, or would like to, some time after a state.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Later {
    pub(crate) thread: u32,
    /// The object's name, which is the same in every execution.
    pub(crate) object: Creator,
    /// It is plain data, and no object.
    pub(crate) data: bool,
    pub(crate) access: Access,
    pub(crate) class: Class,
    /// It can be blocked.
    pub(crate) blocks: bool,
    /// It is the next step of its task.
    pub(crate) first: bool,
    /// What its task holds then, as the number of a set.
    pub(crate) held: u32,
}

impl Later {
    pub(crate) fn new(
        thread: usize,
        op: Op,
        object: Creator,
        class: Class,
        blocks: bool,
        held: u32,
    ) -> Self {
        Later {
            thread: thread as u32,
            object,
            data: false,
            access: op.access,
            class,
            blocks,
            first: true,
            held,
        }
    }

    /// An access to plain data.
    pub(crate) fn data(thread: usize, object: Creator, write: bool, held: u32) -> Self {
        let access = if write { Access::Write } else { Access::Read };
        Later {
            thread: thread as u32,
            object,
            data: true,
            access,
            class: access.class(false),
            blocks: false,
            first: false,
            held,
        }
    }
}

/// A set of small numbers.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn insert(&mut self, bit: u32) {
        let word = bit as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (bit % 64);
    }

    /// Does it tell of a race on data?
    pub(crate) fn has_raced(&self) -> bool {
        self.0.first().is_some_and(|word| word & 1 << RACED != 0)
    }

    /// Whether it was there.
    fn remove(&mut self, bit: u32) -> bool {
        let mask = 1 << (bit % 64);
        self.0.get_mut(bit as usize / 64).is_some_and(|word| {
            let there = *word & mask != 0;
            *word &= !mask;
            there
        })
    }

    pub(crate) fn union_with(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            let mut bits = bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word as u32 * 64 + bit
                })
            })
        })
    }
}

/// All that was ever seen to follow some state, numbered, and the sets of it that are in use.
#[derive(Debug, Default)]
pub(crate) struct Summaries {
    laters: Vec<Later>,
    numbers: HashMap<Later, u32, Keys>,
    /// Sets of locks that a task holds, numbered.
    helds: Vec<Vec<(Creator, bool)>>,
    held_numbers: HashMap<Vec<(Creator, bool)>, u32>,
    /// For each thread those that are its next step.
    firsts: Vec<Vec<u32>>,
    /// Most states have a summary that another has too.
    shared: HashSet<Arc<Bits>>,
}

/// The number of a failure because of which other tasks that could have gone on before it did not.
const OVERTAKEN: u32 = 0;
/// That of a race on data with something on the path.
pub(crate) const RACED: u32 = 1;

impl Summaries {
    /// What has this number; `None` if that is a failure which may ask for anything in every state
    /// before it.
    pub(crate) fn later(&self, number: u32) -> Option<Later> {
        Some(self.laters[number.checked_sub(2)? as usize])
    }

    /// The number of a set of locks.
    pub(crate) fn held(&mut self, held: Vec<(Creator, bool)>) -> u32 {
        let next = self.helds.len() as u32;
        *self.held_numbers.entry(held).or_insert_with_key(|held| {
            self.helds.push(held.clone());
            next
        })
    }

    /// The locks that are held when this happens.
    pub(crate) fn locks(&self, later: Later) -> &[(Creator, bool)] {
        &self.helds[later.held as usize]
    }

    pub(crate) fn overtaken(bits: &mut Bits) {
        bits.insert(OVERTAKEN);
    }

    pub(crate) fn raced(bits: &mut Bits) {
        bits.insert(RACED);
    }

    pub(crate) fn number(&mut self, later: Later) -> u32 {
        if let Some(&number) = self.numbers.get(&later) {
            return number;
        }
        self.laters.push(later);
        let number = self.laters.len() as u32 + RACED;
        self.numbers.insert(later, number);
        if later.first {
            let thread = later.thread as usize;
            if self.firsts.len() <= thread {
                self.firsts.resize_with(thread + 1, Vec::new);
            }
            self.firsts[thread].push(number);
        }
        number
    }

    /// The same, seen from the state that `thread` has left: what it did next is not its next step
    /// any more.
    pub(crate) fn before(&mut self, bits: &mut Bits, thread: usize) {
        for at in 0..self.firsts.get(thread).map_or(0, Vec::len) {
            let number = self.firsts[thread][at];
            if bits.remove(number) {
                let later = self.later(number).expect("it is the next step of a thread");
                bits.insert(self.number(Later { first: false, ..later }));
            }
        }
    }

    /// The set, in one copy.
    pub(crate) fn share(&mut self, mut bits: Bits) -> Arc<Bits> {
        while bits.0.last() == Some(&0) {
            bits.0.pop();
        }
        if let Some(shared) = self.shared.get(&bits) {
            return Arc::clone(shared);
        }
        let shared = Arc::new(bits);
        self.shared.insert(Arc::clone(&shared));
        shared
    }
}
