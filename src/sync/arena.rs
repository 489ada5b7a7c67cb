//! A place for objects that stay until the execution ends.

use std::sync::OnceLock;

use append_only_vec::AppendOnlyVec;

use super::Name;
use crate::exec;

type Lane<T> = AppendOnlyVec<OnceLock<T>>;

/// Objects that know their number from the start and never move: what the kernel's `mem_map` is to
/// page frames. CPUs may add and look up at the same time, and neither is a step of the protocol:
/// so which number an object gets must not depend on who comes first. Those made while the world is
/// built are numbered from 0; after them every CPU has numbers of its own, as has the audit: CPU 1
/// of two, behind an object 0, makes 2, 5, 8.
pub struct Arena<T> {
    boot: Lane<T>,
    /// One for each CPU, and the audit's.
    lanes: OnceLock<Box<[Lane<T>]>>,
}

impl<T> Arena<T> {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it says what it makes")]
    pub fn new() -> Self {
        Self { boot: Lane::new(), lanes: OnceLock::new() }
    }

    /// Makes an object that is told its number.
    ///
    /// # Panics
    /// After 2^32 objects.
    pub fn push_with(&self, make: impl FnOnce(u32) -> T) -> &T {
        let (cpus, started) = exec::with(|exec| (exec.cpus(), exec.started()));
        if !started {
            return push(&self.boot, |at| make(number(at)));
        }
        let lanes = self.lanes.get_or_init(|| (0..=cpus).map(|_| Lane::new()).collect());
        let lane = exec::cpu().min(cpus);
        push(&lanes[lane], |at| make(number(self.boot.len() + lane + at * lanes.len())))
    }

    /// Those that this CPU has made.
    pub fn mine(&self) -> impl Iterator<Item = &T> {
        let lanes = self.lanes.get().map_or(&[][..], |lanes| lanes);
        let lane = lanes.get(exec::cpu().min(lanes.len().saturating_sub(1)));
        lane.into_iter().flat_map(Lane::iter).filter_map(OnceLock::get)
    }

    /// The object of that number.
    pub fn get(&self, number: u32) -> Option<&T> {
        let (number, boot) = (number as usize, self.boot.len());
        let Some(behind) = number.checked_sub(boot) else { return self.boot[number].get() };
        let lanes = self.lanes.get()?;
        let (lane, at) = (&lanes[behind % lanes.len()], behind / lanes.len());
        if at < lane.len() { lane[at].get() } else { None }
    }

    /// All objects, in the order of their numbers while the world is built; then CPU by CPU. For
    /// audits and pictures only: no step says to a CPU what others have made.
    #[track_caller]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        exec::assert_unseen(Name::new("what there is", 0, 0));
        let lanes = self.lanes.get().into_iter().flatten();
        std::iter::once(&self.boot).chain(lanes).flat_map(Lane::iter).filter_map(OnceLock::get)
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("fewer objects than 2^32")
}

fn push<T>(lane: &Lane<T>, make: impl FnOnce(usize) -> T) -> &T {
    let at = lane.push(OnceLock::new());
    lane[at].get_or_init(|| make(at))
}

impl<T> std::ops::Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        self.get(at).unwrap_or_else(|| panic!("there is no object {at}"))
    }
}
