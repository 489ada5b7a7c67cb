//! lockwalk
mod explore;
pub mod mm;
mod race;
pub mod races;
pub mod spec;
pub mod sync;

pub use explore::{Method, Options};
pub use race::{Condition, Documented, Race, Seen};
pub use dpor::{ParseScheduleError, Schedule};
pub use spec::{Clause, Era, Protocol};
