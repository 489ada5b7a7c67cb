//! Random programs: the reduced exploration against plain enumeration.
//!
//! `DPOR_SEED` chooses other programs, `DPOR_PROGRAMS` how many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::check::{explore, fault};
use crate::common::program::{Flavour, Program, env};
use crate::common::{Variant, family};
use dpor::{Explorer, Strategy};

fn compare(flavour: Flavour, default: u64) {
    let first = env("DPOR_SEED", 1);
    let (mut compared, mut skipped, mut complete, mut blocked) = (0, 0, 0, 0);
    let wanted = env("DPOR_PROGRAMS", default);
    for seed in first.. {
        if compared == wanted {
            break;
        }
        let program = Program::random(seed, flavour);
        match fault(&program, None) {
            Ok(Some(counts)) => {
                compared += 1;
                complete += counts.0;
                blocked += counts.1;
            }
            Ok(None) => skipped += 1,
            Err(_) => {
                let smallest = program.shrink(|program| fault(program, None).is_err());
                panic!(
                    "seed {seed}, shrunk: {smallest:#?}\n{}",
                    fault(&smallest, None).unwrap_err()
                );
            }
        }
    }
    eprintln!(
        "{flavour:?}: {compared} programs agree, {skipped} too long; {complete} complete, \
         {blocked} cut"
    );
}

#[test]
fn locks_and_atomics() {
    compare(Flavour::Locks, 500);
}

#[test]
fn everything() {
    compare(Flavour::All, 500);
}

#[test]
fn shared_locks_and_waits() {
    compare(Flavour::Shared, 400);
}

#[test]
fn fair_semaphores() {
    compare(Flavour::Semaphore, 300);
}

#[test]
fn failing_programs() {
    compare(Flavour::Failing, 300);
}

/// Who runs the tasks makes no difference to what is found, nor to how much is run.
#[test]
fn on_shuttle_and_on_coroutines() {
    for flavour in [Flavour::All, Flavour::Failing] {
        for seed in 1..=100 {
            let program = Program::random(seed, flavour);
            for strategy in [Strategy::Dpor, Strategy::FewestPreemptions { max: None }] {
                let (ours, seen) = explore(&program, Explorer::new(strategy.clone()), Some(2_000));
                let (theirs, too) =
                    explore(&program, Explorer::new(strategy.clone()).on_shuttle(), Some(2_000));
                let said = |report: &dpor::Report| {
                    let failures =
                        report.failures.iter().map(ToString::to_string).collect::<Vec<_>>();
                    (
                        report.executions,
                        report.complete,
                        report.blocked,
                        report.failing,
                        report.max_depth,
                        failures,
                    )
                };
                assert_eq!(said(&ours), said(&theirs), "{flavour:?} {seed} {strategy:?}");
                assert_eq!(
                    format!("{seen:?}"),
                    format!("{too:?}"),
                    "{flavour:?} {seed} {strategy:?}"
                );
            }
        }
    }
}

/// A callback that panics ends the exploration, and no other one on this thread, whoever runs the
/// tasks.
#[test]
fn after_a_panic_of_the_exploration_all_is_as_before() {
    let calls = AtomicU64::new(0);
    let explorer = Explorer::new(Strategy::Dpor).on_execution(move |_| {
        assert!(calls.fetch_add(1, Ordering::Relaxed) < 1, "the second execution");
        std::ops::ControlFlow::Continue(())
    });
    assert!(
        catch_unwind(AssertUnwindSafe(|| explorer.run(family(Variant::FixedPlain, 2, 2, 1))))
            .is_err()
    );
    for explorer in [Explorer::new(Strategy::Dpor), Explorer::new(Strategy::Dpor).on_shuttle()] {
        assert_eq!(explorer.run(family(Variant::FixedPlain, 2, 2, 1)).complete, 6);
    }
}

/// What else shuttle has is there if it runs the tasks.
#[test]
fn thread_locals_of_shuttle() {
    shuttle::thread_local! {
        static NUMBER: std::cell::Cell<usize> = const { std::cell::Cell::new(7) };
    }
    let report = Explorer::new(Strategy::Dpor).on_shuttle().run(|| {
        NUMBER.with(|number| number.set(8));
        dpor::spawn("other", || NUMBER.with(|number| assert_eq!(number.get(), 7))).join();
    });
    assert!(report.exhausted && report.failing == 0, "{report}");
}
