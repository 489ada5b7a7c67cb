//! What an engine found out about a race, as plain data, and how to show it.
//!
//! An engine explores the interleavings of a race and reports an [`Outcome`]: how far it looked and
//! what it saw. Where it saw a violation it adds a [`Witness`]: one interleaving, step by step,
//! that leads to it. Both are plain serializable values that know no engine and no protocol, so
//! that a file written by one engine can be read, compared and drawn without it.
//!
//! ```
//! use witness::{Count, Coverage, Expected, Outcome, Verdict, render};
//!
//! let title = "vma_adjust moves the range under rmap_walk";
//! let mut outcome = Outcome::new("S3.1", title, "2.6.36", Coverage::Exhaustive);
//! outcome.engine = "dpor".into();
//! outcome.memory_model = "sequentially consistent".into();
//! outcome.executions = 64;
//! outcome.clauses = vec![Count::new("MIG-1", 128)];
//! outcome.endings = vec![Count::new("walk first", 31), Count::new("walk last", 33)];
//! outcome.operations = vec![Count::new("src/mine.rs:7: split_vma(2) on CPU 'split'", 64)];
//! outcome.documented = Expected::Holds;
//! outcome.seconds = 0.3;
//! assert_eq!(outcome.verdict(), Verdict::Never);
//! assert!(outcome.as_documented());
//! assert_eq!(
//!     render::line(&outcome),
//!     "S3.1 2.6.36  Never 0/64  dpor  walk first 31 · walk last 33  0.3 s"
//! );
//! ```
//!
//! [`render`] draws them: kernel columns for a terminal or a mail, a verdict table, SVG, Mermaid
//! and JSON.

mod brief;
mod shown;
mod story;
mod trace;
mod verdict;

pub mod render;
pub mod report;

pub use trace::{Ending, Fact, Found, Held, Step, StepKind, Wait, Witness};
pub use verdict::{Count, Coverage, Expected, Judged, Judgement, Outcome, Verdict};
