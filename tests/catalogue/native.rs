//! Real threads, as a smoke test: what holds in every interleaving holds here, and what is violated
//! can be run at all.

use std::collections::BTreeSet;

use lockwalk::sync::{Name, RetryLoop, Word};
use lockwalk::witness::{Count, Coverage};
use lockwalk::{Clause, Documented, Era, Litmus, Method, Options, Race};

use super::common;

/// Of each case.
const ITERATIONS: u64 = 6;

/// Where something is violated, real threads show that the code runs, and once does.
const ONCE: u64 = 1;

#[test]
fn real_threads_violate_nothing_that_holds() {
    real_threads(false);
}

#[test]
#[ignore = "takes a minute or two"]
fn real_threads_violate_nothing_that_holds_and_give_up_all_livelocks() {
    real_threads(true);
}

/// To give up a livelock takes seconds: one protocol of each race has to do, or `all`.
fn real_threads(all: bool) {
    let mut endless = BTreeSet::new();
    for (race, protocol, documented) in common::cases() {
        let livelock = matches!(
            documented,
            Documented::Violates(Clause::LIVELOCK) | Documented::StillViolates(Clause::LIVELOCK)
        );
        if livelock && !endless.insert(race.id().to_owned()) && !all {
            continue;
        }
        let iterations = if documented == Documented::Holds { ITERATIONS } else { ONCE };
        let outcome =
            race.check_with(&protocol, &Method::Native { iterations }, &Options::default());
        let of = format!("{} under {protocol}: {outcome:?}", race.id());
        match &outcome.coverage {
            Coverage::Sampled { .. } => assert_eq!(outcome.executions, iterations, "{of}"),
            Coverage::Unfinished { why } => {
                assert!(livelock && why.contains("without end"), "{of}")
            }
            _ => panic!("{of}"),
        }
        if documented == Documented::Holds {
            assert!(outcome.violations.is_empty(), "{of}");
        }
        // An execution that was given up has not told what it evaluated.
        assert!(
            outcome.executions == 0 || outcome.clauses.iter().any(|clause| clause.count > 0),
            "{of}"
        );
    }
}

/// The audit runs after the threads have ended, on none of them: what it finds is a result like any
/// other.
#[test]
fn what_the_audit_finds_is_counted() {
    let race = Race::new("leak", "a reference that nobody drops")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..3);
            p.touch(1);
        })
        .cpu("get_page", |w| w.get_page(w.process(0).page_at(1)));
    let outcome =
        race.check_with(&Era::V2_6_36, &Method::Native { iterations: 10 }, &Options::default());
    assert_eq!(
        (outcome.executions, outcome.violations),
        (10, vec![Count::new(Clause::COUNT_2.id(), 10)])
    );
}

/// Real threads cannot know that nothing will ever change; they can only give up.
#[test]
fn a_loop_without_an_end_is_given_up() {
    let endless = |word: &Word<u64>| {
        let retries = RetryLoop::new();
        loop {
            retries.round(|| 0);
            word.read();
        }
    };
    let word = || Word::new(Name::new("word", 0, 0), 0);
    let seen =
        Litmus::new(word).cpu::<()>(endless).cpu(|_| ()).explore(&Method::Native { iterations: 1 });
    assert_eq!(seen.violated(), [Clause::LIVELOCK]);
}
