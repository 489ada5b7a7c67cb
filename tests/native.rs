//! The catalogue on real threads, as a smoke test: what holds in every interleaving holds here, and what is violated can be run at all.

#[path = "../shuttle-tests/tests/common/mod.rs"]
mod common;

use lockwalk::{Documented, Method, Options};

const ITERATIONS: u64 = 200;

#[test]
fn real_threads_violate_nothing_that_holds() {
    for (race, protocol, documented) in common::cases() {
        let outcome = race.check_with(&protocol, &Method::Native { iterations: ITERATIONS }, &Options::default());
        let of = format!("{} under {protocol}: {outcome:?}", race.id());
        assert_eq!(outcome.executions, ITERATIONS, "{of}");
        if documented == Documented::Holds {
            assert!(outcome.violations.is_empty(), "{of}");
        }
        assert!(outcome.clauses.iter().any(|clause| clause.count > 0), "{of}");
    }
}
