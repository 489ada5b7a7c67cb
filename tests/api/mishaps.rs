//! What goes wrong while a race is explored never passes for a verdict: on every engine it comes
//! out of `check`, with what it says.

use std::panic::{self, AssertUnwindSafe};

use lockwalk::mm::{Setup, World};
use lockwalk::witness::{Coverage, Verdict};
use lockwalk::{Clause, Era, Litmus, Method, Options, Outcome, Protocol, Race};

const ENGINES: [Method; 6] = [
    Method::Exhaustive,
    Method::Enumerate,
    Method::Random { seed: 1, iterations: 20 },
    Method::Pct { seed: 1, depth: 2, iterations: 20 },
    Method::Loom,
    Method::Native { iterations: 20 },
];

const PROTOCOL: Protocol = Era::V2_6_36;

fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
}

fn race() -> Race {
    let load = |w: &World| {
        w.process(0).load(1).expect("it is mapped");
    };
    Race::new("mine", "a race that is written wrong")
        .world(one_page)
        .cpu("load", load)
        .cpu("load (another thread)", load)
}

fn check(race: &Race, method: &Method) -> Outcome {
    race.check_with(&PROTOCOL, method, &Options::default())
}

/// `check` panics, and says this.
#[track_caller]
fn panics(race: &Race, says: &str) {
    for method in &ENGINES {
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| check(race, method)));
        let payload = panicked.expect_err(method.name());
        let said = payload
            .downcast_ref::<String>()
            .unwrap_or_else(|| panic!("{}: no text", method.name()));
        assert!(said.contains(says), "{}: {said}", method.name());
    }
}

#[test]
fn a_world_that_cannot_be_built_is_no_verdict() {
    panics(
        &race().world(|_| panic!("no {}", "memory")),
        "mine under 2.6.36, in its world: no memory (",
    );
    panics(
        &race().world(|_| panic::panic_any(7)),
        "mine under 2.6.36, in its world: a panic without a text (",
    );
}

/// Whoever reads it wants to know where it was.
#[test]
fn a_mishap_says_where() {
    panics(&race().world(|_| panic!("no memory")), "no memory (tests/api/mishaps.rs:");
}

#[test]
fn a_condition_that_panics_is_no_verdict() {
    panics(
        &race().sometimes("it is odd", |_| panic!("odd")),
        "mine under 2.6.36, in a condition: odd (",
    );
    panics(&race().never("it is odd", |_| panic!("odd")), "mine under 2.6.36, at the end: odd (");
}

/// It is asked in the middle of what a CPU does; and yet it is no assertion of the CPU's.
#[test]
fn a_condition_that_panics_on_a_cpu_is_no_verdict() {
    let shared = race().cpu("unlock", |w| w.unlock_page(w.process(0).page_at(1)));
    assert_eq!(check(&shared, &Method::Exhaustive).verdict().clause(), Some(Clause::UNLOCK_1.id()));
    panics(
        &shared.violates(PROTOCOL, Clause::UNLOCK_1).showing("it is odd", |_| panic!("odd")),
        "mine under 2.6.36, in a condition: odd (",
    );
}

/// Threads that share the exploration end with the one that meets it.
#[test]
fn a_mishap_ends_all_threads() {
    let race = race()
        .cpu("store", |w| w.process(0).store(1, 1).expect("it is mapped"))
        .sometimes("it is odd", |_| panic!("odd"));
    let options = Options::default().jobs(4);
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        race.check_with(&PROTOCOL, &Method::Exhaustive, &options)
    }));
    let payload = panicked.expect_err("it panics");
    assert!(payload.downcast_ref::<String>().expect("a text").contains(": odd ("));
}

/// An assertion is a finding, whatever it says and wherever it runs: loom's own panics are others.
#[test]
fn what_panics_on_a_cpu_violates_assert_1() {
    let text = race().cpu("assert", |_| assert_eq!(1, 2, "a deadlock; threads = none"));
    let no_text = race().cpu("panic_any", |_| panic::panic_any(7));
    let says = |race: &Race, says: &str| {
        for method in &ENGINES {
            let outcome = check(race, method);
            let of = format!("{}: {outcome:?}", method.name());
            assert_eq!(outcome.verdict().clause(), Some(Clause::ASSERT_1.id()), "{of}");
            assert!(
                outcome.violating > 0 && outcome.violating == outcome.violations[0].count,
                "{of}"
            );
        }
        let options = Options::default().witness(true);
        let shown =
            race.check_with(&PROTOCOL, &Method::Exhaustive, &options).witness.expect("a witness");
        assert!(shown.what.contains(says), "{}", shown.what);
    };
    says(&text, "a deadlock; threads = none");
    says(&no_text, "a panic without a text");
}

#[test]
fn a_litmus_that_cannot_be_built_is_none() {
    for method in &ENGINES {
        let litmus = Litmus::new(|| -> u8 { panic!("no state") }).cpu(|_| ());
        let payload = panic::catch_unwind(AssertUnwindSafe(|| litmus.explore(method)))
            .expect_err(method.name());
        let said = payload.downcast_ref::<String>().expect("a text");
        assert!(
            said.starts_with("a litmus test, in its world: no state (tests/api/mishaps.rs:"),
            "{}: {said}",
            method.name()
        );
        let asserts = Litmus::new(|| ()).cpu(|()| ()).cpu::<()>(|()| panic!("{}", "it is odd"));
        assert_eq!(asserts.explore(method).violated(), [Clause::ASSERT_1], "{}", method.name());
    }
}

/// loom's threads are few, and one of them is there from the start.
#[test]
fn loom_says_how_many_cpus_it_runs() {
    let cpus = |n: usize| {
        (0..n).fold(Race::new("many", "many CPUs"), |race, n| race.cpu(format!("CPU{n}"), |_| ()))
    };
    for n in [0, 6] {
        let outcome = check(&cpus(n), &Method::Loom);
        assert_eq!(
            outcome.coverage,
            Coverage::Unfinished { why: format!("loom runs 1 to 5 CPUs, not {n}") }
        );
        assert_eq!(outcome.objections(), [format!("unfinished: loom runs 1 to 5 CPUs, not {n}")]);
    }
    assert_eq!(
        check(&cpus(5), &Method::Loom).verdict(),
        Verdict::NeverWithin("what loom explores".into())
    );
}
