//! The program that every engine runs, written once over their primitives.
//!
//! It is written so that each engine does as well as it can: no join, the main task is the walker,
//! state lives in a plain `Arc` whose drop checks how it ended. With joins, loom needs 414
//! executions where it needs 26 without.

use std::fmt;
use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How walker and adjusters share the bounds of the vmas.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Variant {
    /// Without the lock: the walk can meet a vma half adjusted, and the assertion fails.
    Buggy,
    /// The same without the assertion: the whole racy space.
    NoAssert,
    /// With the lock around bounds that are visible atomics.
    FixedAtomic,
    /// With the lock around bounds that are plain data.
    FixedPlain,
}

impl Variant {
    /// Every variant, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::FixedPlain, Self::FixedAtomic, Self::NoAssert, Self::Buggy];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buggy => "bug",
            Self::NoAssert => "racy",
            Self::FixedAtomic => "locked-atomics",
            Self::FixedPlain => "locked",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|variant| variant.name() == name)
            .ok_or(format!("no family is called {name}; there are {names}"))
    }
}

/// How much of it: `n` vmas, one walker, `t` adjusters of `k` rounds each.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Size {
    /// Vmas.
    pub n: usize,
    /// Adjusters.
    pub t: usize,
    /// Rounds of each adjuster.
    pub k: usize,
}

impl Size {
    /// `n` vmas, `t` adjusters, `k` rounds.
    pub const fn new(n: usize, t: usize, k: usize) -> Self {
        Size { n, t, k }
    }
}

/// The most of each: more takes minutes for one execution.
const MOST: usize = 100;

/// `2,3,1`: N, T and K.
impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<_> = text.split(',').map(str::trim).collect();
        let digits = |number: &&str| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        };
        if numbers.len() != 3 || !numbers.iter().all(digits) {
            return Err("expected N,T,K: vmas, adjusters, rounds of each".to_owned());
        }
        // What does not fit into a number is too large as well.
        let numbers: Vec<_> = numbers
            .iter()
            .filter_map(|number| number.parse().ok())
            .filter(|n| (1..=MOST).contains(n))
            .collect();
        let [n, t, k] = numbers[..] else {
            return Err(format!("N, T and K are from 1 to {MOST} each"));
        };
        Ok(Size { n, t, k })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("N{} T{} K{}", self.n, self.t, self.k))
    }
}

/// What a lock protects.
pub(crate) trait Data: Hash + Send + 'static {}

impl<T: Hash + Send + 'static> Data for T {}

/// An engine's primitives.
pub(crate) trait Primitives: 'static {
    /// A lock and what it protects.
    type Lock<T: Data>: Send + Sync;
    /// A sequentially consistent atomic.
    type Word: Send + Sync;

    /// An execution begins.
    fn begin() {}

    fn lock<T: Data>(value: T) -> Self::Lock<T>;
    fn locked<T: Data, R>(lock: &Self::Lock<T>, f: impl FnOnce(&mut T) -> R) -> R;
    /// The task has looked at what a lock protects.
    fn learned(_: &impl Hash) {}

    fn word(value: i64) -> Self::Word;
    fn read(word: &Self::Word) -> i64;
    fn write(word: &Self::Word, value: i64);
    fn spawn(f: impl FnOnce() + Send + 'static);

    /// The assertion failed: let the engine know.
    fn fail() {
        panic!("the walk missed a vma");
    }

    /// Whether the execution is being torn down, so that its end says nothing.
    fn torn_down() -> bool {
        false
    }
}

struct State<P: Primitives> {
    page: P::Lock<()>,
    /// The bounds, if they are plain.
    anon: P::Lock<Vec<(i64, i64)>>,
    /// The bounds, if they are atomics.
    bounds: Vec<(P::Word, P::Word)>,
    /// Entries that the walker found; no other task touches this before the drop.
    present: AtomicUsize,
    expected: Option<usize>,
    /// Told that the assertion failed, so that no other panic passes for it.
    found: Arc<AtomicBool>,
}

impl<P: Primitives> Drop for State<P> {
    fn drop(&mut self) {
        let missing = self.expected.is_some_and(|expected| expected != *self.present.get_mut());
        if missing && !std::thread::panicking() && !P::torn_down() {
            self.found.store(true, Ordering::Relaxed);
            P::fail();
        }
    }
}

/// One execution of it.
pub(crate) fn execute<P: Primitives>(variant: Variant, size: Size, found: &Arc<AtomicBool>) {
    P::begin();
    let Size { n, t, k } = size;
    let plain = variant == Variant::FixedPlain;
    let count = |wanted: bool| if wanted { n } else { 0 };
    let state = Arc::new(State::<P> {
        page: P::lock(()),
        anon: P::lock(vec![(0, 2); count(plain)]),
        bounds: (0..count(!plain)).map(|_| (P::word(0), P::word(2))).collect(),
        present: AtomicUsize::new(0),
        expected: (variant != Variant::NoAssert).then_some(n),
        found: Arc::clone(found),
    });
    for adjuster in 0..t {
        let state = Arc::clone(&state);
        P::spawn(move || {
            for round in 0..k as i64 {
                adjust(&*state, variant, adjuster % n, (round + 1, round + 3));
            }
        });
    }
    P::locked(&state.page, |()| {
        P::locked(&state.anon, |vmas| {
            let check = |start: i64, end: i64| {
                if start + 1 < end {
                    state.present.fetch_add(1, Ordering::Relaxed);
                }
            };
            P::learned(vmas);
            // One of the two is empty.
            vmas.iter().for_each(|&(start, end)| check(start, end));
            state.bounds.iter().for_each(|(start, end)| check(P::read(start), P::read(end)));
        });
    });
}

fn adjust<P: Primitives>(state: &State<P>, variant: Variant, vma: usize, (start, end): (i64, i64)) {
    let write = || {
        P::write(&state.bounds[vma].0, start);
        P::write(&state.bounds[vma].1, end);
    };
    match variant {
        Variant::Buggy | Variant::NoAssert => write(),
        Variant::FixedAtomic => P::locked(&state.anon, |_| write()),
        Variant::FixedPlain => P::locked(&state.anon, |vmas| vmas[vma] = (start, end)),
    }
}
