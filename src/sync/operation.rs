//! What a race asks for, and whether anything comes of it.

use std::panic::Location;

use super::exec::{self, Exec};
use super::name::Name;

/// Something that a line of a race asks for, and that may come to nothing: where there is no VMA, none is split. In some interleavings
/// that may be what the race is about; what comes to nothing in all of them was never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    cpu: usize,
    at: &'static Location<'static>,
    what: Name,
}

impl Operation {
    /// In words; `cpus` are the CPUs' names.
    pub(crate) fn describe<'c>(&self, cpus: impl IntoIterator<Item = &'c str>) -> String {
        let place = cpus.into_iter().nth(self.cpu).map_or_else(|| "at the end".into(), |cpu| format!("on CPU '{cpu}'"));
        // A CPU that is the operation itself, as `World::swapoff`, has no line of its own: it is called from the standard library.
        let line = if self.at.file().starts_with("/rustc/") { String::new() } else { format!("{}:{}: ", self.at.file(), self.at.line()) };
        format!("{line}{} {place}", self.what)
    }
}

/// The caller asks for `what`; has it `done` anything?
#[track_caller]
pub(crate) fn operation(what: Name, done: bool) {
    let operation = Operation { cpu: exec::cpu(), at: Location::caller(), what };
    exec::with(|exec| exec.tables.lock().operations.push((operation, done)));
}

impl Exec {
    /// What was asked for, each time with whether it did anything.
    pub(crate) fn operations(&self) -> Vec<(Operation, bool)> {
        self.tables.lock().operations.clone()
    }
}
