//! Every case of the catalogue, sampled at random and by PCT with a fixed seed: never a
//! contradiction; what is found is in the snapshot (`INSTA_UPDATE=always` writes it anew), and runs
//! again from its schedule.

mod common;

use common::Case;
use lockwalk::witness::{Coverage, Judgement, Verdict};
use lockwalk::{Documented, Method, Options, Outcome, Schedule};

/// Where something is to be found.
const ITERATIONS: u64 = 300;

/// Where nothing is.
const FEWER: u64 = 40;

#[test]
fn a_sample_contradicts_nothing_and_runs_again() {
    let cases = common::cases();
    let outcomes = common::each(&cases, |case| {
        let iterations = iterations(case);
        let random = Method::Random { seed: 7, iterations };
        let pct = Method::Pct { seed: 7, depth: 3, iterations };
        [random, pct].map(|method| sample(case, &method))
    });
    let mut table = String::new();
    for (case, both) in cases.iter().zip(&outcomes) {
        if case.2 != Documented::Holds {
            let [random, pct] = both.each_ref().map(|outcome| found(case, outcome));
            table += &format!("{} · {} · {random} · {pct}\n", case.0.id(), case.1);
        }
    }
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(table) });
}

fn iterations((_, _, documented): &Case) -> u64 {
    if *documented == Documented::Holds { FEWER } else { ITERATIONS }
}

fn sample(case @ (race, protocol, documented): &Case, method: &Method) -> Outcome {
    let options = Options::default().witness(true).as_found(true);
    let outcome = race.check_with(protocol, method, &options);
    let of = format!("{} under {protocol}, {}: {:?}", race.id(), method.name(), outcome.violations);
    assert_ne!(outcome.judgement(), Judgement::Differs, "{of}: {:?}", outcome.objections());
    let to_the_end = matches!(outcome.coverage, Coverage::Sampled { .. });
    assert!(to_the_end || outcome.coverage == Coverage::Settled && outcome.as_documented(), "{of}");
    if *documented == Documented::Holds {
        let sampled = (outcome.verdict(), outcome.executions);
        assert_eq!(sampled, (Verdict::NotSeen, iterations(case)), "{of}");
    }
    if let Some(witness) = &outcome.witness {
        let schedule: Schedule = witness.schedule.parse().expect("a schedule");
        let again =
            race.replay(protocol, &schedule).unwrap_or_else(|error| panic!("{of}: {error}"));
        assert_eq!((&again.clause, &again.steps), (&witness.clause, &witness.steps), "{of}");
        assert!(!witness.found.minimal, "{of}: a sample says nothing of shorter ones");
    }
    outcome
}

/// What was seen of the documented violation.
fn found((_, _, documented): &Case, outcome: &Outcome) -> String {
    let (Documented::Violates(clause) | Documented::StillViolates(clause)) = documented else {
        return String::new();
    };
    match outcome.verdict() {
        Verdict::Violated { clause: seen, .. } if seen == clause.id() => {
            let witness = outcome.witness.as_ref().expect("what is found is shown");
            assert_eq!(witness.clause, seen);
            format!("{seen} after {}", outcome.executions)
        }
        Verdict::Violated { clause: other, .. } => format!("{other} instead"),
        verdict => verdict.to_string(),
    }
}
