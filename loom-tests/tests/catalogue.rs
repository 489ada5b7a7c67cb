//! Every case of the catalogue under loom: without a bound where that takes few executions, else within the largest bound that does. Limits
//! are executions, not seconds, so that it comes out the same everywhere.

#[path = "../../shuttle-tests/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use lockwalk::witness::{Documented, Verdict};
use lockwalk::{Method, Options, Outcome};

/// With no bound, and then with each.
const EXECUTIONS: u64 = 400;

/// Executions decide, never this.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

fn line(outcome: &Outcome) -> String {
    let said = match &outcome.documented {
        Documented::Unstated => " (loom cannot tell)",
        _ => "",
    };
    format!("{} · {} · {}{said} · {} executions\n", outcome.race, outcome.protocol, outcome.verdict(), outcome.executions)
}

#[test]
fn loom_agrees_as_far_as_it_gets() {
    let options = Options { executions: Some(EXECUTIONS), time: Some(FOR_EVER), ..Options::default() };
    let outcomes = common::each(&common::cases(), |(race, protocol, _)| race.check_with(protocol, &Method::Loom, &options));
    let table: String = outcomes.iter().map(line).collect();
    println!("{table}");
    for outcome in &outcomes {
        let of = format!("{} under {}: {}", outcome.race, outcome.protocol, outcome.verdict());
        match (&outcome.documented, outcome.verdict()) {
            // Within a bound, or within the executions allowed, loom may not get as far as the violation; it must not say never, nor see
            // another one.
            (Documented::Violates(clause) | Documented::StillViolates(clause), verdict) => {
                let other = matches!(&verdict, Verdict::Violated(other) if other != clause);
                assert!(!other && verdict != Verdict::Never, "{of}");
            }
            (Documented::Holds, _) if outcome.race.ends_with("/reuse") && outcome.protocol == "3.7" => {} // FINDING-12, open
            (Documented::Holds, _) if outcome.race == "S1.6/frozen" => {}                                 // FINDING-15, open
            (Documented::Holds, verdict) => assert!(!matches!(verdict, Verdict::Violated(_)), "{of}"),
            (Documented::Unstated, _) => {}
        }
    }
}
