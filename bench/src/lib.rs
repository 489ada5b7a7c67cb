//! dpor, loom and shuttle side by side, on one family of programs, in one run.
//!
//! A walker locks a page and the list of `N` vmas and counts the vmas whose bounds make sense; `T`
//! adjusters move the bounds `K` times each. How they share the bounds is the [`Variant`]. The
//! family's classes of interleavings are known: with the lock, (1 + TK)! / (K!)^T, since all that
//! matters is in which order the tasks lock the list.
//!
//! Every engine has its own primitives and the same program, without joins, which is how loom and
//! shuttle's DFS need the fewest executions. loom also explores less than there is: its bounds
//! bound, and try-locks (of which there are none here) it gets wrong.
//!
//! The programs of [`Relaxed`] have relaxed accesses, which dpor explores under each of its memory
//! models, and loom under its own, a part of C11.
//!
//! ```
//! use std::time::Duration;
//!
//! let second = Duration::from_secs(1);
//! let cells = lockwalk_bench::exhaust(lockwalk_bench::Variant::FixedPlain, 2, 2, 1, second);
//! assert!(cells[0].engine == "dpor" && cells[0].finished());
//! assert_eq!(cells[0].executions, 6);
//! ```

mod cell;
mod cost;
mod engines;
mod host;
mod on_dpor;
mod on_loom;
mod on_shuttle;
mod program;
mod relaxed;
mod table;

pub use cell::{Cell, Limit, Outcome, SEEDS};
pub use cost::{Memory, Overhead, memory, overhead, peak_of_this_process};
pub use engines::{engine_names, exhaust, exhaust_relaxed, exhaust_with, find};
pub use host::host;
pub use program::{Size, Variant};
pub use relaxed::Relaxed;
pub use table::{Columns, Format, Measured, Options, Progress, run, table};
