//! Every case of the catalogue under loom: without a bound where that takes few executions, else within the largest bound that does. Limits
//! are executions, not seconds, so that it comes out the same everywhere, as in the snapshot; `INSTA_UPDATE=always` writes that anew.

#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use lockwalk::witness::{Coverage, Documented, Verdict};
use lockwalk::{Method, Options, Outcome};

/// With no bound, and then with each.
const EXECUTIONS: u64 = 1_000;

/// Executions decide, never this.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

fn line(outcome: &Outcome) -> String {
    let said = match &outcome.documented {
        Documented::Unstated => " · loom cannot tell".to_owned(),
        Documented::Violates(clause) | Documented::StillViolates(clause) if outcome.verdict() != Verdict::Violated(clause.clone()) => {
            format!(" · documented to violate {clause}")
        }
        _ => String::new(),
    };
    format!("{} · {} · {} · {} executions{said}\n", outcome.race, outcome.protocol, outcome.verdict(), outcome.executions)
}

/// Does the outcome say how far loom came?
fn says_how_far(outcome: &Outcome) -> bool {
    match &outcome.coverage {
        Coverage::Exhaustive => outcome.executions <= EXECUTIONS,
        Coverage::Bounded { bound } => bound.ends_with("preemptions") || bound.contains("yield"),
        Coverage::Unfinished { why } => match outcome.verdict() {
            Verdict::Violated(_) => why == "loom stops at the first violation",
            // It may stop where the clause is violated in another way than the one that is to be shown.
            _ => {
                why == "loom stops at the first violation"
                    || *why == format!("stopped after {EXECUTIONS} executions")
                    || why.contains("retries without end")
                    || why.contains("that loom counts")
            }
        },
        Coverage::Sampled { .. } => false,
    }
}

#[test]
fn loom_agrees_as_far_as_it_gets() {
    let options = Options { executions: Some(EXECUTIONS), time: Some(FOR_EVER), ..Options::default() };
    let outcomes = common::each(&common::cases(), |(race, protocol, _)| race.check_with(protocol, &Method::Loom, &options));
    let table: String = outcomes.iter().map(line).collect();
    for outcome in &outcomes {
        let of = format!("{} under {}: {}", outcome.race, outcome.protocol, outcome.verdict());
        assert!(says_how_far(outcome), "{of}, {:?}", outcome.coverage);
        match (&outcome.documented, outcome.verdict()) {
            // It stops at the first violation, which may be another one. Where it comes to none, that is in the snapshot.
            (Documented::Violates(_) | Documented::StillViolates(_), verdict) => assert_ne!(verdict, Verdict::Never, "{of}"),
            (Documented::Holds, verdict) => assert!(!matches!(verdict, Verdict::Violated(_)), "{of}"),
            (Documented::Unstated, verdict) => assert_ne!(verdict, Verdict::Never, "{of}"),
        }
    }
    assert!(outcomes.iter().any(|outcome| outcome.coverage == Coverage::Exhaustive), "loom finishes nothing without a bound");
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(table) });
}
