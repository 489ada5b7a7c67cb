//! What an engine found out about a race, as plain data, and how to show it.
//!
//! An engine explores the interleavings of a race and reports an [`Outcome`]: how far it looked and what it saw. Where it saw
//! a violation it adds a [`Witness`]: one interleaving, step by step, that leads to it. Both are plain serializable values
//! that know no engine and no protocol, so that a file written by one engine can be read, compared and drawn without it.
//!
//! [`render`] draws them: kernel columns for a terminal or a mail, a verdict table, SVG, Mermaid and JSON.

mod story;
mod trace;
mod verdict;

pub mod render;

pub use trace::{Ending, Found, Held, Step, StepKind, Wait, Witness};
pub use verdict::{Count, Coverage, Documented, Outcome, Verdict};
