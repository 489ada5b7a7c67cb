//! A clause that an execution has found violated.

use super::lockdep::WaitFor;
use crate::spec::Clause;

/// What was violated, and how it showed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Violation {
    /// The clause.
    pub clause: Clause,
    /// The concrete finding.
    pub what: String,
    /// For a deadlock: who waits for whom.
    pub cycle: Vec<WaitFor>,
    /// All CPUs had ended: it is violated by what they leave behind.
    pub afterwards: bool,
    /// Has the execution shown what a violation must show to count? See
    /// [`Race::showing`](crate::Race::showing).
    pub counts: bool,
}

impl Violation {
    pub(crate) fn new(clause: Clause, what: String) -> Self {
        Self { clause, what, cycle: Vec::new(), afterwards: false, counts: true }
    }
}
