//! Panics while a race is explored: findings, unwinding that only passes through, and mishaps.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use super::engine::Engine;
use super::exec::{self, Exec, clause};
use super::{loom, native};
use crate::spec::{Clause, Violation};

/// Something panicked that is no assertion: while the world was built or audited, or in a condition. Nothing is known then.
#[derive(Clone, Debug)]
pub struct Mishap {
    said: String,
    at: Option<String>,
}

impl Mishap {
    /// Panics with what it says.
    pub fn raise(self) -> ! {
        panic!("{self}")
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{} ({at})", self.said),
            None => f.write_str(&self.said),
        }
    }
}

/// What a panic says.
pub(super) fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied())
}

impl From<&(dyn Any + Send)> for Mishap {
    fn from(payload: &(dyn Any + Send)) -> Self {
        let said = text(payload).unwrap_or("a panic without a text").split_whitespace().collect::<Vec<_>>().join(" ");
        Self { said, at: AT.take() }
    }
}

/// Runs what a race is written of: an assertion that fails in it violates [ASSERT-1](Clause::ASSERT_1).
pub(crate) fn asserting(body: impl FnOnce()) {
    let failed = caught(body).err();
    clause(Clause::ASSERT_1, failed.is_none(), || failed.map(|mishap| mishap.said).unwrap_or_default());
}

/// Runs what must not panic: if it does, that is kept in the execution, and ends it.
pub(crate) fn not_asserting<R>(body: impl FnOnce() -> R) -> R {
    caught(body).unwrap_or_else(|mishap| {
        exec::with(|exec| exec.fail(mishap.clone()));
        panic::resume_unwind(Box::new(mishap))
    })
}

/// Runs what looks at an execution when it is over.
pub(crate) fn looking<R>(look: impl FnOnce() -> R) -> Result<R, Mishap> {
    let _quiet = Quiet::begin();
    panic::catch_unwind(AssertUnwindSafe(look)).map_err(|payload| Mishap::from(&*payload))
}

fn caught<R>(body: impl FnOnce() -> R) -> Result<R, Mishap> {
    let _quiet = Quiet::begin();
    panic::catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        if passes_through(&*payload) {
            panic::resume_unwind(payload);
        }
        Mishap::from(&*payload)
    })
}

/// Does it end an execution for a reason that is known elsewhere?
fn passes_through(payload: &(dyn Any + Send)) -> bool {
    is_kept(payload)
        || match exec::with(Exec::engine) {
            Engine::Native => native::unwinds(payload),
            Engine::Shuttle => dpor::aborting(),
            // loom's own panics begin in loom: its deadlocks and limits, and the end of a CPU that is not gone on with.
            Engine::Loom => exec::is_in_engine(),
        }
}

/// Is it a violation or a mishap, which the execution keeps?
pub(super) fn is_kept(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Violation>() || payload.is::<Mishap>()
}

thread_local! {
    /// How many bodies are under way on this OS thread whose panics are caught.
    static QUIET: Cell<usize> = const { Cell::new(0) };
    /// Where the last of them panicked.
    static AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Quiet;

impl Quiet {
    fn begin() -> Self {
        QUIET.set(QUIET.get() + 1);
        Self
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
        // dpor installs a hook of its own when it first runs; above ours, that one would keep from us where it was.
        dpor::Explorer::new(dpor::Strategy::Dfs).run(|| ());
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if info.payload().is::<Violation>() {
                return;
            }
            if QUIET.get() > 0 || loom::exploring() {
                AT.set(info.location().map(|at| format!("{}:{}", at.file(), at.line())));
            } else {
                before(info);
            }
        }));
    });
}
