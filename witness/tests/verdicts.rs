//! What an outcome amounts to, and what keeps it from being as documented.

mod samples;

use witness::render::{self, Style};
use witness::{Count, Coverage, Expected, Judgement, Outcome, Verdict};

use samples::with;

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
    let covers = |coverage| with(holds(), |outcome| outcome.coverage = coverage);
    let bounded = covers(Coverage::Bounded { bound: "2 preemptions".into() });
    assert_eq!(bounded.verdict(), Verdict::NeverWithin("2 preemptions".into()));
    assert!(bounded.as_documented());
    let sampled = covers(Coverage::Sampled { how: "random".into() });
    assert_eq!((sampled.verdict(), sampled.judgement()), (Verdict::NotSeen, Judgement::Undecided));
    let unfinished = covers(Coverage::Unfinished { why: "10 s are over".into() });
    assert_eq!(unfinished.verdict(), Verdict::Undecided("10 s are over".into()));
    assert_eq!(
        (objections(&unfinished), unfinished.judgement()),
        ("unfinished: 10 s are over".into(), Judgement::Undecided)
    );
    let senseless = covers(Coverage::Inapplicable { why: "there is no map".into() });
    assert_eq!(
        (objections(&senseless), senseless.judgement()),
        ("not applicable: there is no map".into(), Judgement::Undecided)
    );
    assert_eq!(senseless.coverage.unfinished(), None, "nothing was to be explored");
}

/// That a violation is not there is known only where everything was explored.
#[test]
fn a_documented_violation_that_was_not_found_may_be_where_nobody_looked() {
    let documented = Expected::Violates("MIG-1".into());
    let (bound, how, why) =
        ("1 preemption".to_owned(), "random".to_owned(), "10 s are over".to_owned());
    for violations in [vec![], vec![Count::new("RMAP-2", 3)]] {
        let covers = |coverage| {
            with(holds(), |outcome| {
                outcome.coverage = coverage;
                outcome.violations = violations.clone();
                outcome.documented = documented.clone();
            })
        };
        assert_eq!(covers(Coverage::Exhaustive).judgement(), Judgement::Differs);
        for coverage in [
            Coverage::Bounded { bound: bound.clone() },
            Coverage::Sampled { how: how.clone() },
            Coverage::Unfinished { why: why.clone() },
        ] {
            assert_eq!(
                covers(coverage.clone()).judgement(),
                Judgement::Undecided,
                "{coverage:?}, {violations:?}"
            );
        }
    }
}

/// Wherever it turns up.
#[test]
fn a_violation_that_nothing_documents_differs() {
    for documented in [Expected::Unstated, Expected::Holds] {
        for coverage in [
            Coverage::Exhaustive,
            Coverage::Sampled { how: "random".into() },
            Coverage::Unfinished { why: "10 s are over".into() },
        ] {
            let found = with(holds(), |outcome| {
                outcome.coverage = coverage;
                outcome.violating = 1;
                outcome.violations = vec![Count::new("RMAP-2", 1)];
                outcome.documented = documented.clone();
            });
            assert_eq!(found.judgement(), Judgement::Differs, "{found:?}");
        }
        let unseen = with(holds(), |outcome| outcome.documented = documented);
        assert_eq!(unseen.judgement(), Judgement::AsDocumented);
    }
}

/// What was found and what was covered are two things, in the table and in the line, too.
#[test]
fn what_was_not_finished_says_so_whatever_was_found() {
    let found = with(holds(), |outcome| {
        outcome.coverage = Coverage::Unfinished { why: "10 s are over".into() };
        outcome.violating = 9;
        outcome.violations = vec![Count::new("MIG-1", 7), Count::new("RMAP-2", 9)];
        outcome.documented = Expected::Unstated;
    });
    assert_eq!(found.verdict().to_string(), "violates MIG-1, not all explored: 10 s are over");
    assert_eq!(
        found.objections(),
        ["violates MIG-1, RMAP-2, which nothing documents", "unfinished: 10 s are over"]
    );
    let table = render::table(std::slice::from_ref(&found), 0.0, 140, Style::default());
    assert!(table.contains("✗ MIG-1  9 of 64 executions, not all explored\n"), "{table}");
    assert!(table.contains("1 violation documented nowhere (S3.1)"), "{table}");
    assert!(
        render::line(&found).contains("Sometimes, not all explored (10 s are over) 9/64"),
        "{}",
        render::line(&found)
    );
    let all = with(found.clone(), |outcome| outcome.violating = 64);
    assert!(
        render::line(&all).contains("Sometimes or always, not all explored (10 s are over) 64/64"),
        "{}",
        render::line(&all)
    );
    let whole = with(found, |outcome| outcome.coverage = Coverage::Exhaustive);
    assert!(
        !render::table(std::slice::from_ref(&whole), 0.0, 140, Style::default())
            .contains("not all explored")
    );
}

#[test]
fn the_summary_tells_what_differs_from_what_is_open() {
    let outcomes = [
        with(holds(), |outcome| {
            outcome.coverage = Coverage::Unfinished { why: "stopped by the caller".into() };
        }),
        with(holds(), |outcome| {
            outcome.coverage = Coverage::Sampled { how: "real threads".into() };
            outcome.documented = Expected::Violates("MIG-1".into());
        }),
        with(holds(), |outcome| outcome.documented = Expected::Violates("MIG-1".into())),
    ];
    assert_eq!(
        render::summary(&outcomes, 1.0),
        "1 not seen · 1 undecided (S3.1) · 1 not as documented (S3.1) · 1.0 s"
    );
}

#[test]
fn a_vacuous_verdict_is_not_as_documented() {
    let idle = with(holds(), |outcome| outcome.clauses = vec![Count::new("MIG-1", 0)]);
    assert_eq!(objections(&idle), "MIG-1 was never evaluated");
    let endings = vec![Count::new("walk first", 0), Count::new("walk last", 9)];
    let one_way = with(holds(), |outcome| outcome.endings = endings);
    assert_eq!(objections(&one_way), "never reached: walk first");
    let operations = vec![
        Count::new("src/mine.rs:7: split_vma(9) on CPU 'split'", 0),
        Count::new("src/mine.rs:8: munmap(1..2) at the end", 1),
    ];
    let asked = with(holds(), |outcome| outcome.operations = operations);
    assert_eq!(objections(&asked), "src/mine.rs:7: split_vma(9) on CPU 'split' never did anything");
    let coverage = Coverage::Unfinished { why: "10 s are over".into() };
    let unfinished = with(asked, |outcome| outcome.coverage = coverage);
    assert_eq!(objections(&unfinished), "unfinished: 10 s are over", "it may do something yet");
}

/// An exploration in which nothing ran decides nothing, however it was to be covered.
#[test]
fn where_nothing_ran_nothing_is_decided() {
    let bounded = Coverage::Bounded { bound: "2 preemptions".into() };
    for coverage in [Coverage::Exhaustive, bounded, Coverage::Sampled { how: "random".into() }] {
        let nothing = with(Outcome::new("", "", "", coverage), |outcome| {
            outcome.documented = Expected::Holds;
        });
        assert_eq!(objections(&nothing), "unfinished: no execution ran to its end");
        let violates =
            with(nothing, |outcome| outcome.documented = Expected::Violates("MIG-1".into()));
        assert!(matches!(violates.verdict(), Verdict::Undecided(_)));
    }
}

#[test]
fn a_documented_violation_does_not_account_for_everything() {
    let violated = with(holds(), |outcome| {
        outcome.violating = 9;
        outcome.violations = vec![Count::new("MIG-1", 9), Count::new("ASSERT-1", 1)];
        outcome.unexplained = vec!["ASSERT-1".into()];
        outcome.documented = Expected::Violates("MIG-1".into());
    });
    assert_eq!(objections(&violated), "violates ASSERT-1 too, which is documented nowhere");
    let coverage = Coverage::Sampled { how: "random".into() };
    let sampled = with(violated.clone(), |outcome| outcome.coverage = coverage);
    assert_eq!(objections(&sampled), objections(&violated), "what a sample has seen, it has seen");
    assert_eq!(violated.judgement(), Judgement::Differs);
}

/// What executions violate together, the order of locks, none of them violates.
#[test]
fn a_violation_may_need_several_executions() {
    let together = with(holds(), |outcome| outcome.violations = vec![Count::new("ORDER-1", 1)]);
    assert_eq!(together.verdict().clause(), Some("ORDER-1"));
    assert!(render::line(&together).contains("Together 0/64"), "{}", render::line(&together));
}

#[test]
fn a_violation_has_to_be_of_the_documented_clause() {
    let violations = vec![Count::new("RMAP-2", 9), Count::new("MIG-1", 1)];
    let violated = with(holds(), |outcome| outcome.violations = violations);
    assert_eq!(violated.verdict().clause(), Some("RMAP-2"), "the first");
    assert_eq!(objections(&violated), "documented to hold: violates RMAP-2, MIG-1");

    let documented = Expected::Violates("MIG-1".into());
    let expected = with(violated.clone(), |outcome| outcome.documented = documented);
    assert_eq!(expected.verdict().clause(), Some("MIG-1"), "the documented one");
    assert!(expected.as_documented());

    let documented = Expected::StillViolates("ISO-1".into());
    let other = with(violated.clone(), |outcome| outcome.documented = documented);
    assert_eq!(objections(&other), "documented to violate ISO-1: violates RMAP-2");

    let violations = vec![Count::new("MIG-1", 0), Count::new("RMAP-2", 1)];
    let unseen = with(violated, |outcome| outcome.violations = violations);
    assert_eq!(unseen.verdict().clause(), Some("RMAP-2"));
}

#[test]
fn a_documented_violation_that_is_not_seen_is_an_objection() {
    let documented = Expected::Violates("MIG-1".into());
    let missed = with(holds(), |outcome| outcome.documented = documented);
    assert_eq!(objections(&missed), "documented to violate MIG-1: never");
}
