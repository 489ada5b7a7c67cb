//! Under RC11: rounds of retry loops that were not gone round once more, and whether anybody could
//! have told. `algorithm.md` has the argument.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::access::Creator;
use crate::round::mix;

/// What a step does with a word, or an access with plain data.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// The word is updated: nothing comes in between.
    Updates,
    /// It is stored to.
    Stores,
    /// The data is read.
    Reads,
    /// It is written.
    Writes,
}

/// By names that do not depend on the interleaving: what a task has, and whether for itself.
pub(crate) type Locks = Vec<(Creator, bool)>;

/// What a task has used in this execution, with what it had then.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) task: u32,
    pub(crate) name: Creator,
    pub(crate) how: Use,
    pub(crate) locks: Locks,
}

/// What is used, as a number, and what whoever used it has always had.
type Uses = BTreeMap<u64, Locks>;

/// What an exploration has left out, and where somebody might have told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct LeftOut {
    /// What tasks use in rounds that lead back to where they began.
    rounds: Uses,
    /// What others access, after something that such a task did in a round, and without being
    /// ordered after that round, so that it matters how a round before has used it.
    looks: Uses,
    /// A circle that several tasks go round: who could tell is not looked at.
    circle: bool,
}

/// What a task of that origin uses.
fn key((maker, number): Creator, origin: u64, how: Use) -> u64 {
    mix(mix(mix(origin, maker), number.into()), how as u64)
}

/// What a task makes in a round it makes again in every one: that has no number of its own.
fn made_in_a_round(origin: u64) -> Creator {
    (origin, u32::MAX)
}

fn add(uses: &mut Uses, key: u64, locks: &Locks) {
    match uses.entry(key) {
        Entry::Vacant(new) => _ = new.insert(locks.clone()),
        Entry::Occupied(mut known) => known.get_mut().retain(|lock| locks.contains(lock)),
    }
}

/// Whether two who have this are one after the other, and the second knows all that the first has
/// done.
fn ordered(one: &Locks, other: &Locks) -> bool {
    one.iter().any(|&(lock, alone)| {
        other.iter().any(|&(second, second_alone)| lock == second && (alone || second_alone))
    })
}

impl LeftOut {
    /// A round, or a circle of several tasks, is not gone round once more. Before it, the task had
    /// made so many objects.
    pub(crate) fn round<'a>(
        &mut self,
        origin: u64,
        made: u32,
        uses: impl Iterator<Item = &'a Used>,
        circle: bool,
    ) {
        self.circle |= circle;
        for &Used { name, how, ref locks, .. } in uses {
            let in_round = name.0 == origin && name.1 >= made;
            let name = if in_round { made_in_a_round(origin) } else { name };
            add(&mut self.rounds, key(name, origin, how), locks);
        }
    }

    /// Somebody who has these accesses something, and how a task of that origin has used it might
    /// matter.
    pub(crate) fn look(&mut self, name: Creator, origin: u64, matters: &[Use], locks: &Locks) {
        for &how in matters {
            add(&mut self.looks, key(name, origin, how), locks);
            if name.0 == origin {
                add(&mut self.looks, key(made_in_a_round(origin), origin, how), locks);
            }
        }
    }

    /// Could anybody have told?
    pub(crate) fn shows(&self) -> bool {
        let told = |(key, locks): (&u64, &Locks)| {
            self.looks.get(key).is_some_and(|looker| !ordered(locks, looker))
        };
        self.circle || self.rounds.iter().any(told)
    }

    pub(crate) fn add(&mut self, other: &LeftOut) {
        self.circle |= other.circle;
        other.rounds.iter().for_each(|(key, locks)| add(&mut self.rounds, *key, locks));
        other.looks.iter().for_each(|(key, locks)| add(&mut self.looks, *key, locks));
    }

    /// The lines of a saved search.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let lines = |what: &'static str, uses: &Uses| {
            let line = move |(key, locks): (&u64, &Locks)| {
                let locks = locks.iter().map(|((maker, number), alone)| {
                    format!(" {maker:x}:{number}{}", if *alone { "!" } else { "" })
                });
                format!("{what} {key:x}{}", locks.collect::<String>())
            };
            uses.iter().map(line).collect::<Vec<_>>()
        };
        let both = [lines("round", &self.rounds), lines("look", &self.looks)];
        both.into_iter().flatten().chain(self.circle.then(|| "circle".to_owned()))
    }

    /// Read one of them.
    pub(crate) fn read(&mut self, what: &str, rest: &str) -> Option<()> {
        let uses = match what {
            "round" => &mut self.rounds,
            "look" => &mut self.looks,
            "circle" if rest.is_empty() => {
                self.circle = true;
                return Some(());
            }
            _ => return None,
        };
        let mut words = rest.split(' ');
        let key = u64::from_str_radix(words.next()?, 16).ok()?;
        let lock = |word: &str| {
            let (name, alone) = word.strip_suffix('!').map_or((word, false), |name| (name, true));
            let (maker, number) = name.split_once(':')?;
            Some(((u64::from_str_radix(maker, 16).ok()?, number.parse().ok()?), alone))
        };
        uses.insert(key, words.map(lock).collect::<Option<_>>()?);
        Some(())
    }
}
