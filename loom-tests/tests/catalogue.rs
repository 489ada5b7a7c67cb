//! Every case of the catalogue under loom: without a bound where that takes few executions, else
//! within the largest bound that does. Limits are executions, not seconds, so that it comes out the
//! same everywhere, as in the snapshot; `INSTA_UPDATE=always` writes that anew.

#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use lockwalk::witness::{Coverage, Expected, Verdict};
use lockwalk::{Method, Options, Outcome};

/// A quarter of them with no bound, and then with each of three.
const EXECUTIONS: u64 = 200;
/// By hand: `cargo test --release -p lockwalk-loom-tests --test catalogue -- --ignored
/// --nocapture`.
const MORE: u64 = 4_000;

/// Executions decide, never this.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// Where loom has nothing left, and has left nothing out around a yield.
const UNBOUNDED: &str = "what loom explores";

fn line(outcome: &Outcome) -> String {
    let said = match &outcome.documented {
        Expected::Violates(clause) | Expected::StillViolates(clause)
            if outcome.verdict().clause() != Some(clause) =>
        {
            format!(" · documented to violate {clause}")
        }
        _ => String::new(),
    };
    format!(
        "{} · {} · {} · {} executions{said}\n",
        outcome.race,
        outcome.protocol,
        outcome.verdict(),
        outcome.executions
    )
}

/// Does the outcome say how far loom came?
fn says_how_far(outcome: &Outcome, limit: u64) -> bool {
    match &outcome.coverage {
        Coverage::Bounded { bound } => {
            outcome.executions <= limit / 4
                && (bound == UNBOUNDED || bound.contains("preemption") || bound.contains("yield"))
        }
        // It may stop where another clause is violated, or the same in another way than the one
        // that is to be shown.
        Coverage::Unfinished { why } => {
            why == "loom stops at the first violation"
                || *why
                    == format!(
                        "stopped after {limit} executions, {} of them within 1 preemption",
                        limit / 4
                    )
                || why.contains("cannot tell a livelock")
                || why.contains("that loom counts")
        }
        Coverage::Settled => outcome.as_documented(),
        Coverage::Exhaustive | Coverage::Sampled { .. } | Coverage::Inapplicable { .. } => false,
    }
}

#[test]
fn loom_agrees_as_far_as_it_gets() {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(explored(EXECUTIONS))
    });
}

#[test]
#[ignore = "takes minutes"]
fn loom_agrees_further_on() {
    print!("{}", explored(MORE));
}

/// A line for every case, each with so many executions.
fn explored(limit: u64) -> String {
    let options = Options::default().executions(limit).time(FOR_EVER);
    let outcomes = common::each(&common::cases(), |(race, protocol, _)| {
        race.check_with(protocol, &Method::Loom, &options)
    });
    let table: String = outcomes.iter().map(line).collect();
    for outcome in &outcomes {
        let of = format!("{} under {}: {}", outcome.race, outcome.protocol, outcome.verdict());
        assert!(says_how_far(outcome, limit), "{of}, {:?}", outcome.coverage);
        // It stops at the first violation, which may be another one. Where it comes to none, that
        // is in the snapshot.
        let finished = outcome.verdict() == Verdict::NeverWithin(UNBOUNDED.into());
        match &outcome.documented {
            Expected::Holds => assert_eq!(outcome.verdict().clause(), None, "{of}"),
            _ => assert!(!finished, "{of}"),
        }
    }
    let unbounded = Coverage::Bounded { bound: UNBOUNDED.into() };
    assert!(
        outcomes.iter().any(|outcome| outcome.coverage == unbounded),
        "loom finishes nothing without a bound"
    );
    table
}
