//! The search that goes on from each state once, against the one that runs every inequivalent interleaving.

#[path = "../shuttle-tests/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;

use common::Case;
use lockwalk::{Method, Options, Outcome};
use witness::{Count, Coverage};

fn there(counts: &[Count]) -> BTreeSet<String> {
    counts.iter().filter(|count| count.count > 0).map(|count| count.name.clone()).collect()
}

/// Races with livelocks that the search by states does not find under some protocols: no two rounds look alike to it, until an execution has too many steps
/// (SPEC.md §7). It says so.
const OPEN: [&str; 7] = ["S0.2", "S0.2/suspended", "S0.2/writes", "S0.8/writes", "S1.6/starve", "S4/merge-swapoff", "S4/exec-waits"];

/// Cases that stay the same when others come or go: about every eighth.
fn sample() -> Vec<Case> {
    let sum = |text: &str| text.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    common::cases().into_iter().filter(|(race, protocol, _)| sum(&format!("{}{protocol}", race.id())).is_multiple_of(8)).collect()
}

/// What is different, if anything. Two explorations to the end must agree on which clauses are violated and evaluated, which endings are reached,
/// and what came of which operation. Where one violation has settled the claim, what else was seen before it depends on the order.
fn difference(dpor: &Outcome, by_states: &Outcome) -> Option<String> {
    let what = |outcome: &Outcome| match outcome.coverage {
        Coverage::Exhaustive => {
            let all = [&outcome.violations, &outcome.clauses, &outcome.endings, &outcome.operations, &outcome.showing];
            all.into_iter().map(|counts| there(counts)).collect()
        }
        _ => Vec::new(),
    };
    let claimed = |outcome: &Outcome| outcome.documented.clause().map(|clause| there(&outcome.violations).contains(clause));
    let both_end = [dpor, by_states].iter().all(|outcome| outcome.coverage == Coverage::Exhaustive);
    let decided = matches!(by_states.coverage, Coverage::Exhaustive | Coverage::Settled);
    if !decided && OPEN.contains(&&*dpor.race) {
        return None;
    }
    let same = decided && claimed(dpor) == claimed(by_states) && (!both_end || what(dpor) == what(by_states));
    let says = |outcome: &Outcome| format!("{:?} {:?} {:?}", outcome.coverage, there(&outcome.violations), what(outcome));
    (!same).then(|| format!("{} under {}: {}\n   by states {}", dpor.race, dpor.protocol, says(dpor), says(by_states)))
}

/// The executions of both, and those that disagree.
fn compare(cases: &[Case], most: u64) -> (u64, u64, Vec<String>) {
    let run = |(race, protocol, _): &Case, method: Method, most: u64| {
        race.check_with(protocol, &method, &Options { executions: Some(most), ..Options::default() })
    };
    let results = common::each(cases, |case| {
        let dpor = run(case, Method::Exhaustive, most);
        let decided = matches!(dpor.coverage, Coverage::Exhaustive | Coverage::Settled);
        decided.then(|| (dpor, run(case, Method::States, 500 * most)))
    });
    let (mut plain, mut states, mut differ) = (0, 0, Vec::new());
    for (dpor, by_states) in results.into_iter().flatten() {
        plain += dpor.executions;
        states += by_states.executions;
        differ.extend(difference(&dpor, &by_states));
        if std::env::var_os("STATES_ALL").is_some() {
            eprintln!(
                "{} {} {} {} {:.2} {:.2}",
                dpor.race, dpor.protocol, dpor.executions, by_states.executions, dpor.seconds, by_states.seconds
            );
        }
    }
    (plain, states, differ)
}

/// Every eighth case or so, if it is small; those of `STATES_OF` where that says which.
#[test]
fn cheap_cases() {
    let cases: Vec<_> = match std::env::var("STATES_OF") {
        Ok(some) => common::cases().into_iter().filter(|(race, ..)| race.id().starts_with(&some)).collect(),
        Err(_) => sample().into_iter().filter(|(race, ..)| !OPEN.contains(&race.id())).collect(),
    };
    let (plain, states, differ) = compare(&cases, 40);
    eprintln!("{plain} executions of source-DPOR, {states} by states");
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}

/// CPU seconds of this process.
fn computed() -> f64 {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    std::time::Duration::from(nix::time::clock_gettime(clock).expect("it is there")).as_secs_f64()
}

/// What both searches cost, case by case, one at a time: executions and CPU seconds. Those of `STATES_OF`, separated by commas, which say how `race
/// protocol` begins; with at most `STATES_MOST` executions.
#[test]
#[ignore = "takes minutes, and is there to be read"]
fn what_both_cost() {
    let some = std::env::var("STATES_OF").unwrap_or_default();
    let most = std::env::var("STATES_MOST").map_or(1_000_000, |most| most.parse().expect("a number"));
    for (race, protocol, _) in common::cases() {
        let case = format!("{} {protocol} ", race.id());
        if !some.split(',').any(|one| case.starts_with(one)) {
            continue;
        }
        let run = |method: Method| {
            let before = computed();
            let outcome = race.check_with(&protocol, &method, &Options { executions: Some(most), ..Options::default() });
            (outcome, computed() - before)
        };
        let (dpor, plain) = run(Method::Exhaustive);
        let (by_states, apart) = run(Method::States);
        let why = by_states.coverage.unfinished().unwrap_or_default();
        println!(
            "{case}\t{}\t{}\t{:?}\t{plain:.3}\t{apart:.3}\t{} {why}",
            dpor.executions,
            by_states.executions,
            by_states.states,
            difference(&dpor, &by_states).map_or("", |_| "DIFFERS"),
        );
    }
}

/// All of them: minutes.
#[test]
#[ignore = "takes minutes"]
fn the_whole_catalogue() {
    let (plain, states, differ) = compare(&common::cases(), 1_000_000);
    eprintln!("{plain} executions of source-DPOR, {states} by states");
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}
