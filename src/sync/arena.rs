//! A place for objects that stay until the execution ends.

use std::sync::OnceLock;

use append_only_vec::AppendOnlyVec;

/// Objects that are numbered from 0 in the order of their making, know their number from the start, and never move: what the kernel's
/// `mem_map` is to page frames. CPUs may add and look up at the same time; neither is a step of the protocol.
pub struct Arena<T>(AppendOnlyVec<OnceLock<T>>);

impl<T> Arena<T> {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it says what it makes")]
    pub fn new() -> Self {
        Self(AppendOnlyVec::new())
    }

    /// Makes an object that is told its number.
    ///
    /// # Panics
    /// After 2^32 objects.
    pub fn push_with(&self, make: impl FnOnce(u32) -> T) -> &T {
        let at = self.0.push(OnceLock::new());
        self.0[at].get_or_init(|| make(u32::try_from(at).expect("fewer objects than 2^32")))
    }

    /// The object of that number.
    pub fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        if at < self.0.len() { self.0[at].get() } else { None }
    }

    /// All objects, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get)
    }
}

impl<T> std::ops::Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        self.get(at).unwrap_or_else(|| panic!("there is no object {at}"))
    }
}
