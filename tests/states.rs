//! The search that goes on from each state once, against the one that runs every inequivalent
//! interleaving.

#[path = "../shuttle-tests/tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;

use common::Case;
use lockwalk::spec::MigrationWait;
use lockwalk::{Era, Memory, Method, Options, Outcome, Race};
use witness::{Count, Coverage};

/// The memory models under which states have names.
const NAMED: [Memory; 3] = [Memory::Sc, Memory::Tso, Memory::Pso];

fn there(counts: &[Count]) -> BTreeSet<String> {
    counts.iter().filter(|count| count.count > 0).map(|count| count.name.clone()).collect()
}

fn is_decided(outcome: &Outcome) -> bool {
    matches!(outcome.coverage, Coverage::Exhaustive | Coverage::Settled)
}

/// A loop in which a device is given a page, and another lets go of it, comes back to where it was:
/// what is known of a device that has let go is forgotten.
#[test]
fn loops_that_give_devices_pages_are_decided() {
    for (id, protocol) in [("S0.2/suspended", Era::V2_6_11), ("S0.2/writes", Era::V2_6_13)] {
        let race = lockwalk::races::all().into_iter().find(|race| race.id() == id);
        let race = race.expect("it is in the catalogue");
        let outcome = race.check_with(&protocol, &Method::States, &Options::default());
        assert!(is_decided(&outcome), "{id}: {:?}", outcome.coverage);
        assert!(outcome.as_documented(), "{id}: {:?}", outcome.objections());
    }
}

/// A page is not taken for another that was in its frame before, as long as a CPU may know of that
/// one: these cases are violated where CPUs are not asked.
#[test]
fn pages_that_somebody_knows_of_keep_their_numbers() {
    let protocol = "2.6.22+lock_recheck=mapped+anon_vma_life=dummy-vma+isolation=get-unless-zero";
    let protocol = protocol.parse().expect("it is one");
    for id in ["S1.2/reuse", "S1.2/fresh"] {
        let race = lockwalk::races::all().into_iter().find(|race| race.id() == id);
        let race = race.expect("it is in the catalogue");
        let outcome = race.check_with(&protocol, &Method::States, &Options::default());
        assert!(outcome.coverage == Coverage::Exhaustive, "{id}: {:?}", outcome.coverage);
        assert!(outcome.violations.is_empty(), "{id}: {:?}", outcome.violations);
    }
}

/// Who copies a page holds a reference to it, which makes each move of it fail, also where who waits
/// for the move holds none (claim S1.6, since 5.17). Too large for the catalogue, which executions
/// have to exhaust.
#[test]
fn a_copy_keeps_a_page_from_being_moved() {
    let race = Race::new("copied", "a store to a shared page, and memory hot-remove")
        .world(|w| {
            let p = w.new_process();
            p.mmap(1..2);
            p.touch(1);
            p.fork();
        })
        .cpu("store", |w| w.process(1).store(1, 8).expect("it is mapped"))
        .cpu("offline_pages", |w| w.offline_page(w.process(0).page_at(1)));
    let no_reference = Era::V2_6_38.with(MigrationWait::NoReference);
    for protocol in [Era::V2_6_38, no_reference, Era::V5_19] {
        let outcome = race.check_with(&protocol, &Method::States, &Options::default());
        let violated = there(&outcome.violations);
        assert_eq!(violated, BTreeSet::from(["LIVELOCK".to_owned()]), "{protocol}");
    }
}

/// A CPU knows the number of the page that it has chosen before its next step tells others: who does
/// not say so has states that are told apart by nothing, and the search notices.
#[test]
fn what_was_chosen_is_known() {
    let race = lockwalk::races::all().into_iter().find(|race| race.id() == "S0.10/gives-up");
    let race = race.expect("it is in the catalogue");
    let outcome = race.check_with(&Era::V2_6_13, &Method::States, &Options::default());
    assert!(outcome.coverage == Coverage::Exhaustive, "{:?}", outcome.coverage);
    assert_eq!(there(&outcome.violations), BTreeSet::from(["LIVELOCK".to_owned()]));
}

/// Cases that stay the same when others come or go: about every eighth.
fn sample() -> Vec<Case> {
    let sum = |text: &str| {
        text.bytes().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
    };
    common::cases()
        .into_iter()
        .filter(|(race, protocol, _)| sum(&format!("{}{protocol}", race.id())).is_multiple_of(8))
        .collect()
}

/// What is different, if anything. Two explorations to the end must agree on which clauses are
/// violated and evaluated, which endings are reached, and what came of which operation. Where one
/// violation has settled the claim, what else was seen before it depends on the order.
fn difference(dpor: &Outcome, by_states: &Outcome) -> Option<String> {
    let what = |outcome: &Outcome| match outcome.coverage {
        Coverage::Exhaustive => {
            let all = [
                &outcome.violations,
                &outcome.clauses,
                &outcome.endings,
                &outcome.operations,
                &outcome.showing,
            ];
            all.into_iter().map(|counts| there(counts)).collect()
        }
        _ => Vec::new(),
    };
    let claimed = |outcome: &Outcome| {
        outcome.documented.clause().map(|clause| there(&outcome.violations).contains(clause))
    };
    let both_end = [dpor, by_states].iter().all(|outcome| outcome.coverage == Coverage::Exhaustive);
    let same = claimed(dpor) == claimed(by_states) && (!both_end || what(dpor) == what(by_states));
    let says = |outcome: &Outcome| {
        format!("{:?} {:?} {:?}", outcome.coverage, there(&outcome.violations), what(outcome))
    };
    (!same).then(|| {
        format!(
            "{} under {}: {}\n   by states {}",
            dpor.race,
            dpor.protocol,
            says(dpor),
            says(by_states)
        )
    })
}

#[derive(Default)]
struct Compared {
    plain: u64,
    states: u64,
    /// What source-DPOR decides, and the search by states does not.
    open: Vec<String>,
    differ: Vec<String>,
}

/// Both searches of cases that source-DPOR decides within so many executions; by states, `limits`
/// are for each.
fn compare(cases: &[Case], memory: Memory, most: u64, limits: &Options) -> Compared {
    let run = |(race, protocol, _): &Case, method: Method, options: &Options| {
        let race = race.clone().memory(memory);
        race.check_with(protocol, &method, options)
    };
    let results = common::each(cases, |case| {
        let dpor = run(case, Method::Exhaustive, &Options::default().executions(most));
        is_decided(&dpor).then(|| (dpor, run(case, Method::States, limits)))
    });
    let mut compared = Compared::default();
    for (dpor, by_states) in results.into_iter().flatten() {
        compared.plain += dpor.executions;
        compared.states += by_states.executions;
        if is_decided(&by_states) {
            compared.differ.extend(difference(&dpor, &by_states));
        } else {
            compared.open.push(format!("{} under {}", dpor.race, dpor.protocol));
        }
        if std::env::var_os("STATES_ALL").is_some() {
            eprintln!(
                "{} {} {} {} {:.2} {:.2}",
                dpor.race,
                dpor.protocol,
                dpor.executions,
                by_states.executions,
                dpor.seconds,
                by_states.seconds
            );
        }
    }
    let Compared { plain, states, open, differ } = &compared;
    eprintln!(
        "{memory:?}: {plain} executions of source-DPOR, {states} by states; {} open",
        open.len()
    );
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    compared
}

/// Every eighth case or so; those of `STATES_OF` where that says which.
fn chosen() -> Vec<Case> {
    match std::env::var("STATES_OF") {
        Ok(some) => {
            common::cases().into_iter().filter(|(race, ..)| race.id().starts_with(&some)).collect()
        }
        Err(_) => sample(),
    }
}

#[test]
fn cheap_cases() {
    let cases = chosen();
    for memory in NAMED {
        let Compared { open, .. } =
            compare(&cases, memory, 40, &Options::default().executions(20_000));
        assert!(open.is_empty(), "{} are open:\n{}", open.len(), open.join("\n"));
    }
}

/// Three threads that share what they know come to what one comes to, and differ in counts only.
#[test]
fn on_several_threads() {
    let results = common::each(&chosen(), |(race, protocol, _)| {
        let by_states = |options: Options| race.check_with(protocol, &Method::States, &options);
        let alone = by_states(Options::default().executions(2_000));
        // What shows a documented violation is sought on one.
        (alone.coverage == Coverage::Exhaustive)
            .then(|| (alone, by_states(Options::default().jobs(3))))
    });
    let compared: Vec<_> = results.into_iter().flatten().collect();
    let differ: Vec<_> = compared
        .iter()
        .filter_map(|(alone, three)| match three.coverage {
            Coverage::Exhaustive => difference(alone, three),
            _ => Some(format!("{} under {}: {:?}", three.race, three.protocol, three.coverage)),
        })
        .collect();
    eprintln!("{} compared", compared.len());
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(compared.len() > 30 || std::env::var_os("STATES_OF").is_some());
}

/// CPU seconds of this process.
fn computed() -> f64 {
    let clock = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID;
    std::time::Duration::from(nix::time::clock_gettime(clock).expect("it is there")).as_secs_f64()
}

/// What both searches cost, case by case, one at a time: executions and CPU seconds. Those of
/// `STATES_OF`, separated by commas, which say how `race protocol` begins; with at most
/// `STATES_MOST` executions.
#[test]
#[ignore = "takes minutes, and is there to be read"]
fn what_both_cost() {
    let some = std::env::var("STATES_OF").unwrap_or_default();
    let most =
        std::env::var("STATES_MOST").map_or(1_000_000, |most| most.parse().expect("a number"));
    for (race, protocol, _) in common::cases() {
        let case = format!("{} {protocol} ", race.id());
        if !some.split(',').any(|one| case.starts_with(one)) {
            continue;
        }
        let run = |method: Method| {
            let before = computed();
            let outcome = race.check_with(&protocol, &method, &Options::default().executions(most));
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

/// All of them: minutes. Where memory is sequentially consistent all are decided, the largest in 20
/// seconds.
#[test]
#[ignore = "takes minutes"]
fn the_whole_catalogue() {
    for memory in NAMED {
        let seconds = if memory == Memory::Sc { 300 } else { 10 };
        let limits = Options::default().time(std::time::Duration::from_secs(seconds));
        let Compared { open, .. } = compare(&common::cases(), memory, 1_000_000, &limits);
        eprintln!("{}", open.join("\n"));
        assert!(open.is_empty() || memory != Memory::Sc);
    }
}
