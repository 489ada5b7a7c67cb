//! What is known of the catalogue. It is explored once, but for what is dear, and every test in here reads that.

mod claims;
#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;
mod generated;
mod house;
mod native;
mod spec_ties;
mod verdicts;

use std::sync::LazyLock;

use common::Case;
use lockwalk::{Method, Options, Outcome, Protocol, Race};

/// More than any case has: one that has no end is an undecided one.
const LIMIT: u64 = 1_000_000;

/// Cases with more executions take most of the time. They are left to `cargo run`, which decides them too: `.ci/run` runs that, and then compares its
/// numbers with what is written down of them. By hand: `cargo test --release --test catalogue -- --ignored`.
const DEAR: u64 = 3_000;

/// What `golden/verdicts.snap` says of a case that is dear.
struct Written {
    race: &'static str,
    protocol: &'static str,
    verdict: &'static str,
    executions: u64,
    line: &'static str,
}

/// The dear cases.
static WRITTEN: LazyLock<Vec<Written>> = LazyLock::new(|| {
    let read = |line: &'static str| {
        let [race, protocol, verdict, how] = line.splitn(4, " · ").collect::<Vec<_>>()[..] else { return None };
        let executions = how.split_once(" executions: ")?.0.parse().ok()?;
        (executions > DEAR).then_some(Written { race, protocol, verdict, executions, line })
    };
    include_str!("golden/verdicts.snap").lines().filter_map(read).collect()
});

/// What is written down of a case, if it is dear.
fn written(race: &Race, protocol: &Protocol) -> Option<&'static Written> {
    let protocol = protocol.to_string();
    WRITTEN.iter().find(|written| written.race == race.id() && written.protocol == protocol)
}

/// Every case that is not dear, in every interleaving; of each violation the shortest witness.
static EXPLORED: LazyLock<Vec<(Case, Outcome)>> =
    LazyLock::new(|| explored(common::cases().into_iter().filter(|(race, protocol, _)| written(race, protocol).is_none()).collect()));

fn explored(cases: Vec<Case>) -> Vec<(Case, Outcome)> {
    let options = Options { executions: Some(LIMIT), witness: true, ..Options::default() };
    let outcomes = common::each(&cases, |(race, protocol, _)| race.check_with(protocol, &Method::Exhaustive, &options));
    cases.into_iter().zip(outcomes).collect()
}
