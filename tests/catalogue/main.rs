//! What is known of the catalogue. It is explored once, but for what is dear, and every test in
//! here reads that. In `.ci/run` not even once: there `lockwalk check --engine dpor --format json`
//! has explored it before, and has said what came out into the file `LOCKWALK_SAID`.

mod claims;
#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;
mod generated;
mod house;
mod native;
mod spec_ties;
mod verdicts;

use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs};

use common::Case;
use lockwalk::witness::Coverage;
use lockwalk::{Method, Options, Outcome, Protocol, Race};

/// More than any case has: one that has no end is an undecided one.
const LIMIT: u64 = 1_000_000;

/// Cases with more executions take most of the time. They are left to `cargo run`, which decides
/// all: `.ci/run` compares its numbers with what is written down. By hand: `cargo test --release
/// --test catalogue -- --ignored`.
const DEAR: u64 = 1_000;

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
        let [race, protocol, verdict, how] = line.splitn(4, " · ").collect::<Vec<_>>()[..] else {
            return None;
        };
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
static EXPLORED: LazyLock<Vec<(Case, Outcome)>> = LazyLock::new(|| {
    explored(
        common::cases()
            .into_iter()
            .filter(|(race, protocol, _)| written(race, protocol).is_none())
            .collect(),
    )
});

fn explored(cases: Vec<Case>) -> Vec<(Case, Outcome)> {
    if let Some(file) = env::var_os("LOCKWALK_SAID") {
        return said(Path::new(&file), cases);
    }
    let options = Options::default().executions(LIMIT).witness(true);
    let outcomes = common::each(&cases, |(race, protocol, _)| {
        race.check_with(protocol, &Method::Exhaustive, &options)
    });
    cases.into_iter().zip(outcomes).collect()
}

/// What `lockwalk check --engine dpor --format json` has said of these cases. It has explored all,
/// each of them in every interleaving.
fn said(file: &Path, cases: Vec<Case>) -> Vec<(Case, Outcome)> {
    let json = fs::read_to_string(file).expect("LOCKWALK_SAID names a file");
    let mut all: serde_json::Value = serde_json::from_str(&json).expect("what lockwalk prints");
    let mut outcomes: Vec<Outcome> =
        serde_json::from_value(all["outcomes"].take()).expect("outcomes");
    assert_eq!(outcomes.len(), common::cases().len(), "another catalogue's");
    let ended = |outcome: &Outcome| {
        outcome.engine == "dpor"
            && matches!(outcome.coverage, Coverage::Exhaustive | Coverage::Settled)
    };
    assert!(outcomes.iter().all(ended), "not all of it is explored");
    let of = |(race, protocol, documented): Case| {
        let it = |outcome: &Outcome| {
            outcome.race == race.id() && outcome.protocol == protocol.to_string()
        };
        let at = outcomes
            .iter()
            .position(it)
            .unwrap_or_else(|| panic!("{} under {protocol} is not there", race.id()));
        ((race, protocol, documented), outcomes.swap_remove(at))
    };
    cases.into_iter().map(of).collect()
}
