//! Exhaustive model checking for [shuttle](https://docs.rs/shuttle): source-DPOR with sleep sets over announced operations.

mod access;
mod core;
mod data;
mod dependence;
mod explorer;
mod hook;
mod livelock;
mod report;
mod runtime;
mod saved;
mod schedule;
mod session;
mod strategy;
mod taskset;
mod trace;
mod units;

pub use access::{Access, ObjectId, Op};
pub use data::{DataId, DataRace};
#[doc(hidden)]
pub use dependence::Rule;
pub use explorer::Explorer;
pub use report::{End, Failure, FailureKind, Report, Unfinished, Waiting};
pub use runtime::{JoinHandle, aborting, data, data_access, me, object, observed, retry, round, spawn, step, step_when, tried};
pub use saved::{Saved, SavedError};
pub use schedule::{ParseScheduleError, Schedule};
pub use session::{Budget, Execution, Progress};
pub use strategy::Strategy;
