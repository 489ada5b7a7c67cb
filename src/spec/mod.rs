//! What must hold (clauses), what may differ (rules), and which choices history made (protocols).

mod clause;
mod protocol;
mod rules;

pub use clause::{Clause, Kind, Violation};
pub use protocol::{Era, Protocol, ProtocolError};
pub use rules::*;
