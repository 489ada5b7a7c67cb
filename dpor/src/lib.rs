//! Exhaustive model checking for [shuttle](https://docs.rs/shuttle): every interleaving of a
//! program, one of each class of equivalent ones, and "nothing is left" only if nothing is.
//!
//! A program under test consists of tasks ([`spawn`]) that announce every visible step before they
//! take it ([`step`], [`step_when`]): which object it accesses, and how ([`Access`]). An
//! [`Explorer`] runs the program again and again, each time in an interleaving that is not
//! equivalent to any before, until there is none left.
//!
//! ```
//! use dpor::{Access, Explorer, Strategy};
//! use std::{cell::Cell, rc::Rc};
//!
//! fn two_increments() {
//!     let (object, counter) = (dpor::object(), Rc::new(Cell::new(0)));
//!     let tasks = ["a", "b"].map(|name| {
//!         let counter = Rc::clone(&counter);
//!         dpor::spawn(name, move || {
//!             dpor::step(object, Access::Read);
//!             let value = counter.get();
//!             dpor::step(object, Access::Write);
//!             counter.set(value + 1);
//!         })
//!     });
//!     tasks.into_iter().for_each(dpor::JoinHandle::join);
//!     assert_eq!(counter.get(), 2, "lost update");
//! }
//!
//! let report = Explorer::new(Strategy::Dpor).run(two_increments);
//! assert!(report.exhausted && report.failing > 0);
//! let failure = &report.failures[0];
//! println!("{failure}, on the schedule {}", failure.schedule);
//!
//! // A schedule is a short text, and runs the same interleaving again.
//! let schedule = failure.schedule.to_string().parse()?;
//! let again = Explorer::new(Strategy::Replay(schedule)).run(two_increments);
//! assert_eq!(again.failing, 1);
//! # Ok::<(), dpor::ParseScheduleError>(())
//! ```
//!
//! # Strategies
//!
//! | strategy | what it covers |
//! | --- | --- |
//! | [`Dpor`](Strategy::Dpor) | every interleaving, one of each class of equivalent ones |
//! | [`States`](Strategy::States) | every state, gone on from once, where the program names its states |
//! | [`FewestPreemptions`](Strategy::FewestPreemptions) | the failing execution with the fewest preemptions, with proof that none has fewer |
//! | [`Dfs`](Strategy::Dfs) | every interleaving, without reduction: what the others are compared with |
//! | [`Random`](Strategy::Random), [`Pct`](Strategy::Pct), [`Urw`](Strategy::Urw) | samples |
//! | [`Replay`](Strategy::Replay) | one schedule |
//!
//! # Your first program
//!
//! 1. Give each thing that tasks share an [`object`].
//! 2. Before a task touches it, it says so: [`step`] for what never blocks, [`step_when`] for what
//!    waits for a condition. A lock is a `step_when` that [acquires](Access::Acquire) and a `step`
//!    that [releases](Access::Release); what a try came to, [`tried`] says.
//! 3. [`spawn`] the tasks, join them, and assert what must hold.
//! 4. Words and fences need no steps of one's own: [`memory`] has them, under sequential
//!    consistency, TSO, PSO and RC11 ([`Explorer::memory`]).
//! 5. What tasks do between two steps is local; shared data that they touch there is checked with
//!    [`data_access`].
//!
//! A search can be divided over threads ([`Explorer::jobs`]) and machines ([`Explorer::shard`]),
//! and stopped and gone on with ([`Explorer::resume`]).
//!
//! # What only some programs need
//!
//! * Loops that try again: [`round`], [`round_carrying`], [`retry`] and [`rounds_end`], without which a livelock is an
//!   execution that is too long.
//! * [`Strategy::States`]: [`observed`], [`learned`], [`has_learned_since`], [`learned_since`], [`name_state`],
//!   [`changed`], [`tells`] and [`by_states`].
//! * [`Explorer::commute`], which looks for what a program shares and does not announce: [`note`],
//!   and [`observed`] again.
//! * Objects that are made while tasks run, where their order must not matter: [`object_named`],
//!   [`data_named`].
//!
//! How it works, and why that is sound, says [`algorithm`]; what each verdict rests on, what it was
//! compared with, and which gaps are known, says `SOUNDNESS.md` beside this crate's `README.md`.
//!
//! # Limits
//!
//! The program must be
//! deterministic but for its interleaving; where the exploration sees that it is not, that is
//! reported, and nothing else claimed. A loop that goes round without end must say so with
//! [`round`] or [`retry`]; otherwise the exploration ends when an execution has too many steps, and
//! says where they are announced ([`Explorer::max_steps`]). A task that computes without end and
//! without a step cannot be unwound; a watchdog notices after a second, and says where it is
//! ([`Explorer::on_stall`]). Shuttle's own primitives are not announced: they do not work as
//! choices here; what else may be one thing or another is a [`choose`]. The number of tasks, objects
//! and steps is not limited.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// How the strategies work, and why nothing is missed; there is nothing in it to call.
#[doc = include_str!("algorithm.md")]
pub mod algorithm {}

mod access;
mod attempt;
mod commute;
mod data;
mod dependence;
mod execution;
mod explorer;
mod hook;
mod known;
mod left_out;
mod livelock;
mod log;
mod model;
mod numbers;
mod pool;
mod rc11;
mod report;
mod resident;
mod round;
mod runtime;
mod saved;
mod schedule;
mod session;
mod state;
mod strategy;
mod task;
mod taskset;
mod trace;
mod units;
mod watchdog;

pub use access::{Access, ObjectId, Op};
pub use commute::{Blame, Commutation, Commute, Disagreement};
pub use data::{DataId, DataRace};
#[doc(hidden)]
pub use dependence::DependenceRule;
pub use explorer::Explorer;
pub use log::{Difference, Step};
pub use model::Memory;
pub use report::{End, Failure, FailureKind, Repeated, Report, Unfinished, Waiting};
pub use round::Fairness;
pub use runtime::memory;
pub use runtime::{
    JoinHandle, aborting, by_states, changed, choose, data, data_access, data_named,
    has_learned_since, learned, learned_since, me, name_state, note, object, object_named,
    observed, retry, round, round_carrying, rounds_end, spawn, step, step_when, tells, tried,
};
pub use saved::{Saved, SavedError};
pub use schedule::{ParseScheduleError, Schedule};
pub use session::{Budget, Execution, Progress};
pub use state::Digest;
pub use strategy::Strategy;
pub use watchdog::{Call, STALLED, Stall};
