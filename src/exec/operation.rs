//! What a race asks for, and whether anything comes of it.

use std::panic::Location;

use super::name::Name;
use super::trace::line;
use crate::exec::{self, Exec};

/// Something that a line of a race asks for, and that may come to nothing: where there is no VMA,
/// none is split. In some interleavings that may be what the race is about; what comes to nothing
/// in all of them was never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    cpu: usize,
    at: &'static Location<'static>,
    what: Name,
}

impl Operation {
    /// In words; `cpus` are the CPUs' names, and the lines that add them.
    pub(crate) fn describe<'c>(
        &self,
        cpus: impl IntoIterator<Item = (&'c str, &'static Location<'static>)>,
    ) -> String {
        let cpu = cpus.into_iter().nth(self.cpu);
        let place = cpu.map_or_else(|| "at the end".into(), |(name, _)| format!("on CPU '{name}'"));
        // A CPU that is the operation itself, as `World::swapoff`, is called by the standard
        // library.
        let at = if self.at.file() == in_std().file() {
            cpu.map(|(_, line)| line)
        } else {
            Some(self.at)
        };
        let line = at.map_or_else(String::new, |at| line(at) + ": ");
        format!("{line}{} {place}", self.what)
    }
}

/// Where the standard library calls a function that it is given.
fn in_std() -> &'static Location<'static> {
    fn call<R>(given: impl Fn() -> R) -> R {
        given()
    }
    call(Location::caller)
}

/// The caller asks for `what`; has it `done` anything?
#[track_caller]
pub(crate) fn operation(what: Name, done: bool) {
    let operation = Operation { cpu: exec::cpu(), at: Location::caller(), what };
    exec::with(|exec| exec.tables.lock().operated((operation, done)));
}

impl Exec {
    /// What was asked for, each time with whether it did anything.
    pub(crate) fn operations(&self) -> Vec<(Operation, bool)> {
        self.tables.lock().operations.clone()
    }
}
