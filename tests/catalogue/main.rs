//! What is known of the whole catalogue. It is explored once, and every test in here reads that.

mod claims;
#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;
mod generated;
mod native;
mod spec_ties;
mod verdicts;

use std::sync::LazyLock;

use common::Case;
use lockwalk::{Method, Options, Outcome};

/// More than any case has: one that has no end is an undecided one.
const LIMIT: u64 = 1_000_000;

/// Every case in every interleaving; of each violation the shortest witness.
static EXPLORED: LazyLock<Vec<(Case, Outcome)>> = LazyLock::new(|| {
    let cases = common::cases();
    let options = Options { executions: Some(LIMIT), witness: true, ..Options::default() };
    let outcomes = common::each(&cases, |(race, protocol, _)| race.check_with(protocol, &Method::Exhaustive, &options));
    cases.into_iter().zip(outcomes).collect()
});
