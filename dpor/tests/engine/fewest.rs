//! The search by preemptions finds what brute force finds.

use crate::common::check::explore;
use crate::common::program::{Flavour, Program, env};
use crate::common::{Variant, Word, family};
use dpor::{Explorer, Strategy};

const MOST: u64 = 6_000;

fn fault(program: &Program) -> Result<Option<bool>, String> {
    let (plain, seen) = explore(program, Explorer::new(Strategy::Dfs), Some(MOST));
    if !plain.exhausted {
        return Ok(None);
    }
    let (report, _) =
        explore(program, Explorer::new(Strategy::FewestPreemptions { max: None }), Some(100_000));
    let found =
        report.failures.first().map(|best| (best.preemptions, best.switches, best.schedule.len()));
    if found != seen.fewest {
        return Err(format!(
            "{report}: found {found:?}, fewest {:?}: {:?}",
            seen.fewest, report.failures
        ));
    }
    if report.exhausted != found.is_none() || report.minimal != found.is_some() {
        return Err(format!("claims: {report:?}"));
    }
    for (wanted, &fewest) in &seen.fewest_of {
        let class = format!("panic: {wanted}");
        let explorer = Explorer::new(Strategy::FewestPreemptions { max: None })
            .wanted(move |failure| failure.kind.class() == class);
        let (report, _) = explore(program, explorer, Some(100_000));
        let best = &report.failures[0];
        let found = (best.preemptions, best.switches, best.schedule.len());
        if found != fewest || !report.minimal || best.kind.class() != format!("panic: {wanted}") {
            return Err(format!(
                "{wanted}: {report}: found {found:?}, fewest {fewest:?}: {:?}",
                report.failures
            ));
        }
    }
    Ok(Some(found.is_some()))
}

fn compare(flavour: Flavour, default: u64) {
    let wanted = env("DPOR_PROGRAMS", default);
    let (mut compared, mut failing) = (0, 0);
    for seed in env("DPOR_SEED", 1).. {
        if compared == wanted {
            break;
        }
        let program = Program::random(seed, flavour);
        match fault(&program) {
            Ok(Some(fails)) => {
                compared += 1;
                failing += u64::from(fails);
            }
            Ok(None) => {}
            Err(_) => {
                let smallest = program.shrink(|program| fault(program).is_err());
                panic!("seed {seed}, shrunk: {smallest:?}\n{}", fault(&smallest).unwrap_err());
            }
        }
    }
    eprintln!("{flavour:?}: {compared} programs agree, {failing} of them fail");
}

#[test]
fn failing_programs() {
    compare(Flavour::Failing, 800);
}

#[test]
fn locks_and_atomics() {
    compare(Flavour::Locks, 300);
}

#[test]
fn everything() {
    compare(Flavour::All, 300);
}

/// Programs that an earlier version got wrong.
#[test]
fn found_before() {
    use crate::common::program::Instr::{Add, AssertEven, Lock, Read, SkipIfOdd, Swap};
    for tasks in [
        // A task that stays blocked touches its object too.
        vec![vec![Swap(0, 1), SkipIfOdd, Lock(0)], vec![Add(0, 1), Lock(0), Add(0, 1)], vec![]],
        // A preemption in front of a step that fails cannot come after it.
        vec![vec![Read(0), Swap(0, 1), AssertEven(2)], vec![Add(0, 1), Swap(1, 1), AssertEven(0)]],
    ] {
        assert_eq!(fault(&Program { tasks }), Ok(Some(true)));
    }
}

/// Two tasks start one each, so that which of those is which number depends on the interleaving.
/// One sees how far main is only if it is preempted, the other waits for it: what is known of the
/// one says nothing of the other.
#[test]
fn tasks_are_told_apart_by_who_started_them() {
    let program = || {
        let (parents, seen, there) = (Word::new(0), Word::new(0), Word::new(0));
        for waits in [false, true] {
            let (parents, seen, there) = (parents.clone(), seen.clone(), there.clone());
            let _not_joined = dpor::spawn("parent", move || {
                parents.add(1);
                let _not_joined = dpor::spawn("child", move || {
                    let first = seen.swap(1) == 0;
                    let value = there.read_when(&|value| !waits || value == 1);
                    assert!(waits || !first || value == 0, "main was there in between");
                });
            });
        }
        parents.wait_for(2);
        seen.wait_for(1);
        there.write(1);
    };
    let plain = Explorer::new(Strategy::Dfs).run(program);
    let report = Explorer::new(Strategy::FewestPreemptions { max: None }).run(program);
    assert!(plain.failing > 0 && report.failing > 0 && report.minimal, "{plain}; {report}");
    assert_eq!(report.failures[0].preemptions, 1, "{}", report.failures[0]);
}

#[test]
fn the_family() {
    for (n, t, k) in [(2, 2, 1), (2, 3, 2), (4, 3, 2)] {
        let report = Explorer::new(Strategy::FewestPreemptions { max: None }).run(family(
            Variant::Buggy,
            n,
            t,
            k,
        ));
        eprintln!("N{n} T{t} K{k}: {report} {:?} {}", report.elapsed, report.failures[0]);
        assert!(report.minimal && report.failures[0].preemptions <= 1, "{report}");
    }
    let report = Explorer::new(Strategy::FewestPreemptions { max: None }).run(family(
        Variant::FixedAtomic,
        2,
        3,
        1,
    ));
    assert!(report.exhausted && report.failing == 0, "{report}");
    let report = Explorer::new(Strategy::FewestPreemptions { max: Some(2) }).run(family(
        Variant::FixedAtomic,
        2,
        3,
        2,
    ));
    assert!(!report.exhausted && report.covered_preemptions == Some(2), "{report:?}");
}
