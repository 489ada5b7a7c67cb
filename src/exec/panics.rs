//! Panics while a race is explored: findings, unwinding that only passes through, mishaps and
//! misuse.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::sync::Once;

use super::Engine;
use super::trace::line;
use super::violation::Violation;
use crate::exec::{self, Exec, asserted};

/// Something went wrong that is no finding: a panic while the world was built or audited, or in a
/// condition; or a race that asks for what makes no sense. Nothing is known then.
#[derive(Clone, Debug)]
pub struct Mishap {
    /// Where in the race.
    place: String,
    said: String,
    at: Option<String>,
    /// Nothing is wrong with the race: it makes no sense under this protocol.
    inapplicable: bool,
}

impl Mishap {
    fn new(place: String, payload: &(dyn Any + Send)) -> Self {
        if let Some(Misuse { said, at, inapplicable }) = payload.downcast_ref::<Misuse>() {
            let (said, at, inapplicable) = (said.clone(), Some(line(at)), *inapplicable);
            return Self { place, said, at, inapplicable };
        }
        let said = text(payload)
            .unwrap_or("a panic without a text")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        Self { place, said, at: AT.take(), inapplicable: false }
    }

    /// A panic that nobody was there to catch.
    pub(crate) fn unexpected(payload: &(dyn Any + Send)) -> Self {
        Self::new("outside of its CPUs".into(), payload)
    }

    /// Panics with what it says; `whose` names the race. Where that makes no sense under its
    /// protocol, [`applied`] hears of it, and nobody else.
    pub fn raise(self, whose: &str) -> ! {
        if self.inapplicable {
            panic::resume_unwind(Box::new(Inapplicable(self.said)))
        }
        panic!("{whose}, {self}")
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inapplicable = if self.inapplicable { "not applicable: " } else { "" };
        write!(f, "{}: {inapplicable}{}", self.place, self.said)?;
        self.at.as_ref().map_or(Ok(()), |at| write!(f, " ({at})"))
    }
}

/// The payload of a [`misuse`].
struct Misuse {
    said: String,
    at: &'static Location<'static>,
    inapplicable: bool,
}

/// The payload that unwinds to [`applied`], with the reason.
struct Inapplicable(String);

/// What exploring a race comes to, or why the race says that it makes no sense under the protocol.
pub(crate) fn applied<R>(explore: impl FnOnce() -> R) -> Result<R, String> {
    panic::catch_unwind(AssertUnwindSafe(explore)).map_err(|payload| {
        let Inapplicable(why) =
            *payload.downcast().unwrap_or_else(|payload| panic::resume_unwind(payload));
        why
    })
}

/// The race asks for what makes no sense, here: in the caller's line, which is no finding about the
/// protocol.
#[track_caller]
pub(crate) fn misuse(said: impl Into<String>) -> ! {
    let (said, at) = (said.into(), Location::caller());
    panic::resume_unwind(Box::new(Misuse { said, at, inapplicable: false }))
}

/// The race asks for what its protocol has no meaning for: as [`misuse`], but nobody has written
/// anything wrong.
#[track_caller]
pub(crate) fn inapplicable(said: &str) -> ! {
    let (said, at) = (said.to_owned(), Location::caller());
    panic::resume_unwind(Box::new(Misuse { said, at, inapplicable: true }))
}

/// Builds a world under a protocol of which its race says nothing: if that asks for what makes no
/// sense, nobody has written anything wrong.
pub(crate) fn if_applicable<R>(build: impl FnOnce() -> R) -> R {
    panic::catch_unwind(AssertUnwindSafe(build)).unwrap_or_else(|mut payload| {
        if let Some(misuse) = payload.downcast_mut::<Misuse>().filter(|it| !it.inapplicable) {
            misuse.said = format!("its world cannot be built: {}", misuse.said);
            misuse.inapplicable = true;
        }
        panic::resume_unwind(payload)
    })
}

/// What a panic says.
pub(crate) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
}

/// Runs what a race is written of, and what stands in that `place` of it: an assertion that fails
/// there violates [ASSERT-1](crate::Clause::ASSERT_1).
pub(crate) fn asserting(place: impl FnOnce() -> String, body: impl FnOnce()) {
    let failed = caught(body).map_err(|payload| match payload.is::<Misuse>() {
        true => end_with(Mishap::new(place(), &*payload)),
        false => Mishap::new(String::new(), &*payload),
    });
    asserted(failed.err().map(|mishap| (mishap.said, mishap.at)));
}

/// Runs what must not panic: if it does, that is kept in the execution, and ends it.
pub(crate) fn not_asserting<R>(place: &str, body: impl FnOnce() -> R) -> R {
    caught(body).unwrap_or_else(|payload| end_with(Mishap::new(place.to_owned(), &*payload)))
}

/// Runs what looks at an execution when it is over.
pub(crate) fn looking<R>(look: impl FnOnce() -> R) -> Result<R, Mishap> {
    let _quiet = Quiet::begin();
    panic::catch_unwind(AssertUnwindSafe(look))
        .map_err(|payload| Mishap::new(CONDITION.into(), &*payload))
}

/// Where something panicked that stands in a condition.
pub(super) const CONDITION: &str = "in a condition";

fn end_with(mishap: Mishap) -> ! {
    exec::with(|exec| exec.fail(mishap.clone()));
    panic::resume_unwind(Box::new(mishap))
}

/// What it panicked with, if that does not end the execution for a reason that is known elsewhere.
fn caught<R>(body: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let _quiet = Quiet::begin();
    panic::catch_unwind(AssertUnwindSafe(body)).map_err(|payload| match passes_through(&*payload) {
        true => panic::resume_unwind(payload),
        false => payload,
    })
}

/// Does it end an execution for a reason that is known elsewhere?
fn passes_through(payload: &(dyn Any + Send)) -> bool {
    is_kept(payload)
        || match exec::with(Exec::engine) {
            Engine::Native => payload.is::<Stopped>() || payload.is::<Endless>(),
            Engine::Shuttle => dpor::aborting(),
            // loom's own panics begin in loom: its deadlocks and limits, and the end of a CPU that
            // is not gone on with.
            Engine::Loom => exec::is_in_engine(),
        }
}

/// The payload that unwinds a thread's CPU after a violation on another one.
pub(crate) struct Stopped;

/// An execution had a loop without an end, as far as one can wait for it. Real threads cannot tell
/// that from a livelock.
pub struct Endless;

/// Is it a violation or a mishap, which the execution keeps?
pub(crate) fn is_kept(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Violation>() || payload.is::<Mishap>()
}

thread_local! {
    /// How many bodies are under way on this OS thread whose panics are caught.
    static QUIET: Cell<usize> = const { Cell::new(0) };
    /// Where the last of them panicked.
    static AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// While this lives, what panics on this OS thread is a result, and is not printed.
pub(crate) struct Quiet(());

impl Quiet {
    pub fn begin() -> Self {
        QUIET.set(QUIET.get() + 1);
        Self(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

/// From now on, panics that are results of an exploration are not printed.
pub fn silence_results() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // dpor installs a hook of its own when it first runs; above ours, that one would keep from
        // us where it was.
        dpor::Explorer::new(dpor::Strategy::Dfs).run(|| ());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if info.payload().is::<Violation>() {
                return;
            }
            if QUIET.get() > 0 {
                AT.set(info.location().map(line));
            } else {
                before(info);
            }
        }));
    });
}
