//! What an outcome amounts to, and what keeps it from being as documented.

mod samples;

use witness::{Count, Coverage, Documented, Outcome, Verdict, render};

fn holds() -> Outcome {
    let mut outcomes = samples::outcomes();
    outcomes.swap_remove(1)
}

fn objections(outcome: &Outcome) -> String {
    outcome.objections().join("; ")
}

#[test]
fn an_exhausted_protocol_holds() {
    assert_eq!(holds().verdict(), Verdict::Never);
    assert!(holds().as_documented());
}

#[test]
fn coverage_limits_what_a_verdict_claims() {
    let with = |coverage| Outcome { coverage, ..holds() };
    let bounded = with(Coverage::Bounded { bound: "2 preemptions".into() });
    assert_eq!(bounded.verdict(), Verdict::NeverWithin("2 preemptions".into()));
    assert!(bounded.as_documented());
    let sampled = with(Coverage::Sampled { how: "random".into() });
    assert_eq!(sampled.verdict(), Verdict::NotSeen);
    assert!(sampled.as_documented());
    let unfinished = with(Coverage::Unfinished { why: "10 s are over".into() });
    assert_eq!(unfinished.verdict(), Verdict::Undecided("10 s are over".into()));
    assert_eq!(objections(&unfinished), "unfinished: 10 s are over");
}

#[test]
fn a_vacuous_verdict_is_not_as_documented() {
    let idle = Outcome { clauses: vec![Count::new("MIG-1", 0)], ..holds() };
    assert_eq!(objections(&idle), "MIG-1 was never evaluated");
    let one_way = Outcome { endings: vec![Count::new("walk first", 0), Count::new("walk last", 9)], ..holds() };
    assert_eq!(objections(&one_way), "never reached: walk first");
    let operations =
        vec![Count::new("src/mine.rs:7: split_vma(9) on CPU 'split'", 0), Count::new("src/mine.rs:8: munmap(1..2) at the end", 1)];
    let asked = Outcome { operations, ..holds() };
    assert_eq!(objections(&asked), "src/mine.rs:7: split_vma(9) on CPU 'split' never did anything");
    let unfinished = Outcome { coverage: Coverage::Unfinished { why: "10 s are over".into() }, ..asked };
    assert_eq!(objections(&unfinished), "unfinished: 10 s are over", "it may do something yet");
}

/// An exploration in which nothing ran decides nothing, however it was to be covered.
#[test]
fn where_nothing_ran_nothing_is_decided() {
    let bounded = Coverage::Bounded { bound: "2 preemptions".into() };
    for coverage in [Coverage::Exhaustive, bounded, Coverage::Sampled { how: "random".into() }] {
        let nothing = Outcome { executions: 0, coverage, clauses: vec![], endings: vec![], ..holds() };
        assert_eq!(objections(&nothing), "unfinished: no execution ran to its end");
        let documented = Documented::Violates("MIG-1".into());
        assert!(matches!(Outcome { documented, ..nothing }.verdict(), Verdict::Undecided(_)));
    }
}

#[test]
fn a_documented_violation_does_not_account_for_everything() {
    let violations = vec![Count::new("MIG-1", 9), Count::new("ASSERT-1", 1)];
    let documented = Documented::Violates("MIG-1".into());
    let violated = Outcome { violating: 9, violations, unexplained: vec!["ASSERT-1".into()], documented, ..holds() };
    assert_eq!(objections(&violated), "violates ASSERT-1 too, which is documented nowhere");
    let sampled = Outcome { coverage: Coverage::Sampled { how: "random".into() }, ..violated.clone() };
    assert_eq!(objections(&sampled), objections(&violated), "what a sample has seen, it has seen");
    let missed = Outcome { violations: vec![], violating: 0, unexplained: vec![], ..sampled };
    assert!(missed.as_documented());
}

/// What executions violate together, the order of locks, none of them violates.
#[test]
fn a_violation_may_need_several_executions() {
    let together = Outcome { violations: vec![Count::new("ORDER-1", 1)], ..holds() };
    assert_eq!(together.verdict(), Verdict::Violated("ORDER-1".into()));
    assert!(render::line(&together).contains("Together 0/64"), "{}", render::line(&together));
}

#[test]
fn a_violation_has_to_be_of_the_documented_clause() {
    let violations = vec![Count::new("RMAP-2", 9), Count::new("MIG-1", 1)];
    let violated = Outcome { violations, ..holds() };
    assert_eq!(violated.verdict(), Verdict::Violated("RMAP-2".into()), "the most frequent");
    assert_eq!(objections(&violated), "documented to hold: violates RMAP-2");

    let documented = Documented::Violates("MIG-1".into());
    let expected = Outcome { documented, ..violated.clone() };
    assert_eq!(expected.verdict(), Verdict::Violated("MIG-1".into()), "the documented one");
    assert!(expected.as_documented());

    let documented = Documented::StillViolates("ISO-1".into());
    let other = Outcome { documented, ..violated.clone() };
    assert_eq!(objections(&other), "documented to violate ISO-1: violates RMAP-2");

    let witness = Some(samples::violation());
    let shown = Outcome { documented: Documented::Unstated, witness, ..violated };
    assert_eq!(shown.verdict(), Verdict::Violated("MIG-1".into()), "the witness's");
    assert!(shown.as_documented());
}

#[test]
fn a_documented_violation_that_is_not_seen_is_an_objection() {
    let documented = Documented::Violates("MIG-1".into());
    let missed = Outcome { documented, ..holds() };
    assert_eq!(objections(&missed), "documented to violate MIG-1: never");
}
