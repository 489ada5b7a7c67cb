//! Names of modelled objects.

use std::fmt::Write as _;

use super::exec;

/// The name of a modelled object: a pattern whose `%a` and `%b` stand for two numbers, formatted only when somebody reads it. `%l` is a
/// prime for every object that has lived in the `%a`-th place before the one that is there now: see [`new_life`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pattern: &'static str,
    a: u32,
    b: u32,
}

impl Name {
    /// A name with up to two numbers in it.
    pub const fn new(pattern: &'static str, a: u32, b: u32) -> Self {
        Self { pattern, a, b }
    }

    /// The lock class: the name without its numbers, as lockdep has it.
    pub fn class(&self) -> String {
        ["%a", "%b", "%l"].iter().fold(self.pattern.to_owned(), |class, number| class.replace(number, ""))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.pattern;
        while let Some(at) = rest.find('%') {
            f.write_str(&rest[..at])?;
            match &rest[at..at + 2] {
                "%a" => write!(f, "{}", self.a)?,
                "%b" => write!(f, "{}", self.b)?,
                _ => primes(f, exec::life(self.a))?,
            }
            rest = &rest[at + 2..];
        }
        f.write_str(rest)
    }
}

/// What [`primes`] writes.
pub const PRIME: char = '′';

/// Tells an object from those that lived in the same place before: `life` counts from one.
pub fn primes(f: &mut std::fmt::Formatter<'_>, life: u32) -> std::fmt::Result {
    (1..life).try_for_each(|_| f.write_char(PRIME))
}

/// The place is given to another object: from here on names with `%l` say so.
pub fn new_life(place: u32, life: u32) {
    exec::with(|exec| exec.new_life(place, life));
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
