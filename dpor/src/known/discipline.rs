//! How all that is shared is used, as far as it was seen, and whether somebody could get in the way
//! of a step, by that. See `algorithm.md`.

use std::collections::{HashMap, HashSet};

use crate::access::{Access, Class, Creator};
use crate::state::Keys;

/// How an object was used, or data, wherever several tasks could go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Used {
    /// The thread that has, if it is one.
    pub(crate) by: Option<usize>,
    /// All accesses, as bits.
    pub(crate) accesses: u16,
    /// Locks that were held each time: for oneself, unless nothing is changed.
    pub(crate) guards: Vec<Creator>,
}

impl Used {
    fn only(&self, accesses: &[Access]) -> bool {
        self.accesses & !accesses.iter().fold(0, |bits, &access| bits | bit(access)) == 0
    }
}

fn bit(access: Access) -> u16 {
    1 << access as u16
}

/// The step of a thread, and the data that it has used since the one before.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Step {
    pub(crate) thread: usize,
    pub(crate) object: Creator,
    pub(crate) access: Access,
    pub(crate) cells: Vec<Creator>,
}

/// How everything is used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Discipline {
    pub(crate) objects: Uses,
    pub(crate) cells: Uses,
    /// Locks that somebody gives back who does not hold them, or that several hold at once: to hold
    /// one means nothing.
    pub(crate) loose: HashSet<Creator, Keys>,
    /// Steps that ended an execution by failing: others might have failed before.
    pub(crate) failed: HashSet<Step, Keys>,
}

impl Discipline {
    /// Whether nothing that anybody else may do before the step depends on it, and no access to data
    /// races with one of its thread's since the step before.
    pub(crate) fn is_alone(&self, step: &Step) -> bool {
        let Step { thread, object, access, ref cells } = *step;
        if self.failed.contains(step) {
            return false;
        }
        let guarded = |used: &Used| used.guards.iter().any(|lock| !self.loose.contains(lock));
        let own = |used: &Used| used.by == Some(thread) || guarded(used);
        let reads = [Access::Read, Access::Wait];
        let harmless =
            |cell| self.cells.0.get(cell).is_some_and(|used| own(used) || used.only(&reads));
        if !cells.iter().all(harmless) {
            return false;
        }
        let Some(used) = self.objects.0.get(&object) else { return false };
        // Who waits for a lock cannot have it before its holder gives it back; who tries, or looks,
        // can tell when that is.
        let locks =
            [Access::Acquire, Access::Release, Access::AcquireShared, Access::ReleaseShared];
        own(used)
            || used.only(&reads)
            || used.only(&[Access::Update])
            || used.only(&[Access::AcquireShared, Access::ReleaseShared])
            || access == Access::Release && used.only(&locks) && !self.loose.contains(&object)
    }
}

/// By what has been used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Uses(pub(crate) HashMap<Creator, Used, Keys>);

impl Uses {
    /// The thread does this, while it holds these locks, each for itself or not.
    pub(crate) fn add(
        &mut self,
        what: Creator,
        thread: usize,
        access: Access,
        held: &[(Creator, bool)],
    ) {
        let reads = access.class(false) == Class::Reader;
        let guards = held.iter().filter(|&&(_, alone)| alone || reads).map(|&(lock, _)| lock);
        let used = self.0.entry(what).or_insert_with(|| Used {
            by: Some(thread),
            accesses: 0,
            guards: guards.clone().collect(),
        });
        used.by = used.by.filter(|&by| by == thread);
        used.accesses |= bit(access);
        used.guards.retain(|lock| guards.clone().any(|guard| guard == *lock));
    }
}
