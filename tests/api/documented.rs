//! What is documented of a race, and what keeps an outcome from being that.

use std::panic;

use lockwalk::mm::World;
use lockwalk::witness::{Coverage, Judgement, Verdict};
use lockwalk::{Clause, Era, Mark, Method, Options, Race, ReplayError, races};

fn migration() -> Race {
    Race::new("mine", "a VMA is split while its page is migrated")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..5);
            p.touch(4);
        })
        .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
        .cpu("split_vma", |w| w.process(0).split_vma(2))
}

fn load(w: &World) {
    w.process(0).load(4).expect("it is mapped");
}

/// Nothing in it migrates anything: that no migration entry outlives its lock says nothing of the
/// protocol.
fn no_migration() -> Race {
    Race::new("mine", "a load during a load")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..5);
            p.touch(4);
        })
        .cpu("load", load)
        .cpu("load (another thread)", load)
        .violates(Era::V2_6_34, Clause::MIG_1)
}

#[test]
fn what_holds_must_meet_what_is_violated_elsewhere() {
    let vacuous = no_migration().holds(Era::V2_6_36);
    let outcome = vacuous.check_with(&Era::V2_6_36, &Method::Exhaustive, &Options::default());
    assert_eq!(
        (outcome.verdict(), outcome.objections()),
        (Verdict::Never, vec!["MIG-1 was never evaluated".to_owned()])
    );
    let sampled = vacuous.check_with(
        &Era::V2_6_36,
        &Method::Random { seed: 1, iterations: 10 },
        &Options::default(),
    );
    assert_eq!(
        (sampled.verdict(), sampled.judgement()),
        (Verdict::NotSeen, Judgement::Undecided),
        "a sample proves nothing"
    );
    let said = no_migration().holds_without(Era::V2_6_36, Clause::MIG_1);
    assert!(
        said.check_with(&Era::V2_6_36, &Method::Exhaustive, &Options::default()).as_documented()
    );
    let real = migration().violates(Era::V2_6_34, Clause::MIG_1).holds(Era::V2_6_36);
    assert!(
        real.check_with(&Era::V2_6_36, &Method::Exhaustive, &Options::default()).as_documented()
    );
}

/// A documented violation accounts for other clauses on the way, but not for an assertion of the
/// race itself.
#[test]
fn a_failed_assertion_beside_a_documented_violation_is_an_objection() {
    let race = migration().violates(Era::V2_6_34, Clause::MIG_1);
    assert!(
        race.check_with(&Era::V2_6_34, &Method::Exhaustive, &Options::default()).as_documented()
    );
    let race = race.cpu("assert", |w| {
        assert!(!w.page(w.process(0).page_at(4)).lock.is_locked(), "somebody has locked the page")
    });
    for as_found in [true, false] {
        let options = Options::default().witness(true).as_found(as_found);
        let outcome = race.check_with(&Era::V2_6_34, &Method::Exhaustive, &options);
        assert_eq!(outcome.verdict().clause(), Some("MIG-1"));
        assert_eq!(outcome.objections(), ["violates ASSERT-1 too, which is documented nowhere"]);
        assert_eq!(
            outcome.witness.expect("a witness").clause,
            "MIG-1",
            "not of the violation that came first"
        );
    }
}

/// Where it is violated is where it is asserted.
#[test]
fn an_assertion_has_its_own_line() {
    let line = line!() + 2;
    let race = migration().violates(Era::V2_6_36, Clause::ASSERT_1).cpu("assert", |w| {
        assert!(!w.page(w.process(0).page_at(4)).lock.is_locked(), "somebody has locked the page")
    });
    let options = Options::default().witness(true);
    for method in [Method::Exhaustive, Method::Random { seed: 1, iterations: 1_000 }] {
        let outcome = race.check_with(&Era::V2_6_36, &method, &options);
        let witness = outcome.witness.expect("a witness");
        let violation = witness.steps.last().expect("a step");
        assert_eq!(violation.at, format!("{}:{line}", file!()), "{}", method.name());
    }
}

#[test]
fn a_protocol_has_one_case() {
    let race = || migration().violates(Era::V2_6_34, Clause::MIG_1);
    let again: [fn(Race) -> Race; 4] = [
        |race| race.holds(Era::V2_6_34),
        |race| race.violates(Era::V2_6_34, Clause::RMAP_1),
        |race| race.still_violates(Era::V2_6_34, Clause::MIG_1),
        |race| race.holds_without(Era::V2_6_34, Clause::MIG_1),
    ];
    for again in again {
        let payload = panic::catch_unwind(|| again(race())).expect_err("it is refused");
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(
            said.starts_with("mine under 2.6.34 is said to be ")
                && said.ends_with(", and before that Violates(MIG_1)"),
            "{said}"
        );
    }
    assert_eq!(race().holds(Era::V2_6_36).cases().len(), 2);
}

/// It is asked when the violation happens: what the execution shows later comes too late.
#[test]
fn showing_is_asked_at_the_instant_of_the_violation() {
    let documented = |mark: &'static Mark| {
        let race = migration()
            .violates(Era::V2_6_34, Clause::MIG_1)
            .showing("it was said before", move |e| e.saw(mark));
        race.check_with(&Era::V2_6_34, &Method::Exhaustive, &Options::default()).as_documented()
    };
    assert!(documented(Mark::VMA_ADDRESS_EFAULT));
    assert!(!documented(Mark::MIGRATE_MOVED));
}

/// A violation that nothing documents is a finding, not what the documents say:
/// `assert!(outcome.as_documented())` would prove nothing.
#[test]
fn a_violation_that_nothing_documents_is_not_as_documented() {
    let race = migration();
    let found = race.check_with(&Era::V2_6_34, &Method::Exhaustive, &Options::default());
    assert_eq!((found.verdict().clause(), found.judgement()), (Some("RMAP-1"), Judgement::Differs));
    assert_eq!(found.objections(), ["violates RMAP-1, RMAP-2, which nothing documents"]);
    let held = race.check_with(&Era::V2_6_36, &Method::Exhaustive, &Options::default());
    assert!(held.as_documented(), "nothing is said, nothing is violated: {:?}", held.objections());
    let cut =
        race.check_with(&Era::V2_6_36, &Method::Exhaustive, &Options::default().executions(1));
    assert_eq!(cut.judgement(), Judgement::Undecided);
}

/// What was found and what was covered are two things.
#[test]
fn a_violation_in_an_exploration_that_was_cut_says_so() {
    let whole = migration().check_with(&Era::V2_6_34, &Method::Exhaustive, &Options::default());
    assert_eq!(
        (whole.coverage.clone(), whole.verdict().to_string()),
        (Coverage::Exhaustive, "violates RMAP-1".to_owned())
    );
    assert!(
        whole.violating > 0 && whole.violating < whole.executions,
        "it goes on after the first violation: {whole:?}"
    );
    let limit = |executions| Options::default().executions(executions);
    let cut =
        migration().check_with(&Era::V2_6_34, &Method::Exhaustive, &limit(whole.executions - 1));
    assert_eq!(
        cut.verdict().to_string(),
        "violates RMAP-1, not all explored: the budget of executions is used up"
    );
    // What is documented is settled by one execution that shows it; of the rest nobody asks.
    let race = migration().violates(Era::V2_6_34, Clause::MIG_1);
    for options in [Options::default(), limit(whole.executions)] {
        let settled = race.check_with(&Era::V2_6_34, &Method::Exhaustive, &options);
        assert_eq!(
            (&settled.coverage, settled.verdict().to_string()),
            (&Coverage::Settled, "violates MIG-1".to_owned())
        );
        assert!(settled.as_documented(), "{:?}", settled.objections());
    }
}

/// The clause is violated, but not in the way that is documented: that is no "never".
#[test]
fn a_violation_that_shows_something_else_is_one() {
    let race = migration().violates(Era::V2_6_34, Clause::MIG_1).showing("pigs fly", |_| false);
    let outcome = race.check(&Era::V2_6_34);
    assert_eq!(outcome.verdict().clause(), Some("MIG-1"), "{}", outcome.verdict());
    assert!(!outcome.as_documented());
    assert_eq!(outcome.objections(), ["violates MIG-1, but never as documented: pigs fly"]);
}

/// How a race wants its violation shown says nothing of what else is violated.
#[test]
fn a_witness_is_of_the_clause_that_the_verdict_names() {
    let options = Options::default().witness(true);
    let unmapped = races::all().into_iter().find(|race| race.id() == "S1.2/unmapped");
    let race = unmapped.expect("a race of the catalogue that says how it is to be shown");
    assert_eq!(race.documented(&Era::DOCUMENT_1), None);
    let outcome = race.check_with(&Era::DOCUMENT_1, &Method::Exhaustive, &options);
    let witness = outcome.witness.as_ref().expect("something is violated");
    assert_eq!(Some(&*witness.clause), outcome.verdict().clause());
    assert!(witness.found.minimal);
}

/// Why a schedule shows nothing is told apart without reading a text.
#[test]
fn a_replay_that_shows_nothing_says_why() {
    let stores = Race::new("mine", "two stores to the same place")
        .world(|w| w.new_process().mmap(1..2))
        .cpu("store 1", |w| w.process(0).store(1, 1).expect("it is mapped"))
        .cpu("store 2", |w| w.process(0).store(1, 2).expect("it is mapped"));
    let fails = stores
        .clone()
        .finally(|w| assert_eq!(w.process(0).load(1), Ok(2), "the second store is the last"))
        .violates(Era::V2_6_36, Clause::ASSERT_1);
    let witness = fails.check(&Era::V2_6_36).witness.expect("the first store may be the last");
    let schedule = &witness.schedule;
    let replay = |race: &Race, schedule: &str| {
        race.replay(&Era::V2_6_36, &schedule.parse().expect("a schedule"))
    };
    assert_eq!(replay(&fails, schedule).map(|again| again.steps), Ok(witness.steps.clone()));
    let error = replay(&stores, schedule).expect_err("nothing is asserted");
    assert!(matches!(error, ReplayError::NothingViolated { .. }), "{error}");
    let error = replay(&fails, &format!("{schedule}.0*9")).expect_err("it is over before");
    assert!(matches!(error, ReplayError::TooLong { .. }), "{error}");
    let error = replay(&fails, "7*3").expect_err("there is no such CPU");
    assert!(matches!(error, ReplayError::Misfit { step: 0, .. }), "{error}");
}
