//! What must hold (clauses), what may differ (rules), which choices history made (protocols), and
//! what the documents say of it (claims).

mod claims;
mod clause;
mod protocol;
mod rules;
mod topic;

pub use claims::Claim;
pub use clause::{Clause, ClauseError, Kind};
pub use protocol::{Era, Protocol, ProtocolError};
pub use rules::*;
pub use topic::Topic;
