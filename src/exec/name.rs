//! Names of modelled objects.

use std::fmt::Write;

use crate::exec;

/// The name of a modelled object: a pattern whose `%a` and `%b` stand for two numbers, formatted
/// only when somebody reads it. `%l` is a prime for every object that has lived in the `%a`-th
/// place before the one that is there now, since the CPUs started: see `new_life`.
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
        ["%a", "%b", "%l"]
            .iter()
            .fold(self.pattern.to_owned(), |class, number| class.replace(number, ""))
    }
}

impl Name {
    /// Writes it; `lives` says of a place which object lives there now, and which one did when the
    /// CPUs started.
    fn write(&self, out: &mut dyn Write, lives: &dyn Fn(u32) -> (u32, u32)) -> std::fmt::Result {
        let mut rest = self.pattern;
        while let Some(at) = rest.find('%') {
            out.write_str(&rest[..at])?;
            match &rest[at..at + 2] {
                "%a" => write!(out, "{}", self.a)?,
                "%b" => write!(out, "{}", self.b)?,
                _ => {
                    let (now, first) = lives(self.a);
                    primes_since(out, now, first)?;
                }
            }
            rest = &rest[at + 2..];
        }
        out.write_str(rest)
    }

    /// As it is called in an execution that is over.
    pub(crate) fn told(&self, lives: &dyn Fn(u32) -> (u32, u32)) -> String {
        let mut text = String::new();
        self.write(&mut text, lives).expect("a string");
        text
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write(f, &exec::lives)
    }
}

/// What [`primes`] writes.
pub const PRIME: char = '′';

/// Marks what was gone when the CPUs started, and is remembered by somebody.
pub(super) const GONE: char = '°';

/// Tells an object from those that lived in the same place before: `life` counts from one.
pub fn primes(out: &mut dyn Write, life: u32) -> std::fmt::Result {
    (1..life).try_for_each(|_| out.write_char(PRIME))
}

/// The same for an object in a place whose lives are [counted](new_life): the one that was there
/// when the CPUs started has no prime.
pub fn primes_from_here(out: &mut dyn Write, place: u32, life: u32) -> std::fmt::Result {
    primes_since(out, life, exec::lives(place).1)
}

fn primes_since(out: &mut dyn Write, life: u32, first: u32) -> std::fmt::Result {
    match life.checked_sub(first) {
        Some(later) => primes(out, later + 1),
        None => out.write_char(GONE),
    }
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
