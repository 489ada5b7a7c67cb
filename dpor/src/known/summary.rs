//! What can follow a state: which thread accesses what, and how, some time after it.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::access::{Access, Class, Creator, Op};
use crate::numbers::{Numbers, SharedNumbers};
use crate::state::Keys;

/// Something that happens, or would like to, some time after a state.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
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

impl Hash for Later {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Later { thread, object: (creator, nth), data, access, class, blocks, first, held } =
            *self;
        let flags = u64::from(data) | u64::from(blocks) << 1 | u64::from(first) << 2;
        state.write_u64(creator);
        state.write_u64(u64::from(nth) << 32 | u64::from(thread));
        state
            .write_u64(u64::from(held) << 32 | (access as u64) << 16 | (class as u64) << 8 | flags);
    }
}

/// A set of small numbers.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Bits(Vec<u64>);

impl Hash for Bits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|&word| state.write_u64(word));
    }
}

impl Bits {
    pub(super) fn of(words: Vec<u64>) -> Self {
        Bits(words)
    }

    pub(super) fn words(&self) -> &[u64] {
        &self.0
    }

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

/// The locks that a task holds, by names, and whether for itself.
pub(crate) type Held = Vec<(Creator, bool)>;

/// All that was ever seen to follow some state, and the sets of locks that were held then.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    laters: Arc<SharedNumbers<Later>>,
    helds: Arc<SharedNumbers<Held>>,
}

impl Seen {
    pub(crate) fn new(laters: Vec<Later>, helds: Vec<Held>) -> Self {
        let (laters, helds) = (SharedNumbers::new(laters), SharedNumbers::new(helds));
        Seen { laters: Arc::new(laters), helds: Arc::new(helds) }
    }

    /// All of it, by numbers.
    pub(crate) fn all(&self) -> (Vec<Later>, Vec<Held>) {
        (self.laters.all(), self.helds.all())
    }
}

/// What a worker knows of that, and the sets of it that are in use.
#[derive(Debug)]
pub(crate) struct Summaries {
    laters: Numbers<Later>,
    helds: Numbers<Held>,
    /// For each thread those that are its next step.
    firsts: Vec<Bits>,
    /// The number of the same some time later, for each of them.
    some_time: Vec<u32>,
    /// Most states have a summary that another has too.
    shared: HashSet<Arc<Bits>, Keys>,
}

/// The number of a failure because of which other tasks that could have gone on before it did not.
const OVERTAKEN: u32 = 0;
/// That of a race on data with something on the path.
pub(crate) const RACED: u32 = 1;

/// What has a number besides.
pub(super) const BEFORE: u32 = RACED + 1;

impl Summaries {
    pub(crate) fn new(seen: &Seen) -> Self {
        Summaries {
            laters: Numbers::new(&seen.laters),
            helds: Numbers::new(&seen.helds),
            firsts: Vec::new(),
            some_time: Vec::new(),
            shared: HashSet::default(),
        }
    }

    /// What has this number; `None` if that is a failure which may ask for anything in every state
    /// before it.
    pub(crate) fn later(&self, number: u32) -> Option<Later> {
        Some(*self.laters.get(number.checked_sub(BEFORE)?))
    }

    /// The number of a set of locks.
    pub(crate) fn held(&mut self, held: &Held) -> u32 {
        self.helds.of(held)
    }

    /// The locks that are held when this happens.
    pub(crate) fn locks(&self, later: Later) -> &[(Creator, bool)] {
        self.helds.get(later.held)
    }

    pub(crate) fn overtaken(bits: &mut Bits) {
        bits.insert(OVERTAKEN);
    }

    pub(crate) fn raced(bits: &mut Bits) {
        bits.insert(RACED);
    }

    pub(crate) fn number(&mut self, later: Later) -> u32 {
        if let Some(number) = self.laters.find(&later) {
            return number + BEFORE;
        }
        let number = self.laters.of(&later);
        self.learn();
        number + BEFORE
    }

    /// What other workers have seen, too.
    pub(crate) fn learn(&mut self) {
        self.laters.learn();
        while self.some_time.len() < self.laters.len() {
            let number = self.some_time.len() as u32;
            let later = *self.laters.get(number);
            self.some_time.push(number);
            if later.first {
                let thread = later.thread as usize;
                if self.firsts.len() <= thread {
                    self.firsts.resize_with(thread + 1, Bits::default);
                }
                self.firsts[thread].insert(number + BEFORE);
                self.some_time[number as usize] = self.laters.of(&Later { first: false, ..later });
            }
        }
        // Others have numbered these before what was seen with them, so all that is needed is there
        // now.
        self.helds.learn();
    }

    /// Add what follows a state, seen from the one that `thread` has left: what it did next is not
    /// its next step any more.
    pub(crate) fn before(&self, before: &mut Bits, after: &Bits, thread: usize) {
        let Some(firsts) = self.firsts.get(thread) else { return before.union_with(after) };
        if before.0.len() < after.0.len() {
            before.0.resize(after.0.len(), 0);
        }
        let mut moved = Bits::default();
        for (word, &bits) in after.0.iter().enumerate() {
            let first = bits & firsts.0.get(word).copied().unwrap_or_default();
            before.0[word] |= bits & !first;
            if first != 0 {
                moved.0.resize(word, 0);
                moved.0.push(first);
            }
        }
        moved.iter().for_each(|number| {
            before.insert(self.some_time[(number - BEFORE) as usize] + BEFORE);
        });
    }

    /// The set, in one copy.
    pub(crate) fn share(&mut self, mut bits: Bits) -> Arc<Bits> {
        while bits.0.last() == Some(&0) {
            bits.0.pop();
        }
        if let Some(shared) = self.shared.get(&bits) {
            return Arc::clone(shared);
        }
        bits.0.shrink_to_fit();
        let shared = Arc::new(bits);
        self.shared.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::{Later, Seen, Summaries};

    /// What a worker learns of is whole, also while another sees more.
    #[test]
    fn what_is_learned_is_whole() {
        const LATERS: u32 = 20_000;
        let (seen, over) = (Seen::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut sees = Summaries::new(&seen);
                for nth in 0..LATERS {
                    let held = sees.held(&vec![((0, nth), true)]);
                    sees.number(Later { first: true, ..Later::data(0, (1, nth), false, held) });
                }
                over.store(true, Ordering::Relaxed);
            });
            let (mut learns, mut known) = (Summaries::new(&seen), 0);
            while known < 2 * LATERS {
                let last = over.load(Ordering::Relaxed);
                learns.learn();
                for number in known..learns.laters.len() as u32 {
                    let later = *learns.laters.get(number);
                    assert_eq!(learns.locks(later), [((0, later.object.1), true)]);
                }
                known = learns.laters.len() as u32;
                assert_eq!(learns.some_time.len() as u32, known);
                assert!(!last || known == 2 * LATERS, "{known} were learned in the end");
            }
        });
    }
}
