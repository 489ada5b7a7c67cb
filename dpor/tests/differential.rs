//! Random programs: the reduced exploration against plain enumeration.
//!
//! `DPOR_SEED` chooses other programs, `DPOR_PROGRAMS` how many.

mod common;

use common::program::{Flavour, Program, env, explore};
use dpor::{Explorer, Strategy};

const MOST: u64 = 6_000;

/// What is wrong with the reduced exploration of this program: `Ok(None)` if plain enumeration is too long to tell.
fn fault(program: &Program) -> Result<Option<(u64, u64)>, String> {
    let (plain_report, plain) = explore(program, Explorer::new(Strategy::Dfs), Some(MOST));
    if !plain_report.exhausted {
        return Ok(None);
    }
    let (report, reduced) = explore(program, Explorer::new(Strategy::Dpor), Some(100_000));
    if !report.exhausted {
        return Err(format!("not exhausted: {report}"));
    }
    if reduced.failures != plain.failures {
        return Err(format!("failures {:?}, plainly {:?}", reduced.failures, plain.failures));
    }
    if plain.failures.is_empty() {
        if reduced.endings != plain.endings {
            return Err(format!("endings {:#?}, plainly {:#?}", reduced.endings, plain.endings));
        }
        if reduced.classes.len() != plain.classes.len() || report.complete != plain.classes.len() as u64 {
            let (classes, complete) = (plain.classes.len(), report.complete);
            return Err(format!("{classes} classes, but {complete} complete executions"));
        }
    }
    Ok(Some((report.complete, report.blocked)))
}

fn compare(flavour: Flavour, default: u64) {
    let first = env("DPOR_SEED", 1);
    let (mut compared, mut skipped, mut complete, mut blocked) = (0, 0, 0, 0);
    let wanted = env("DPOR_PROGRAMS", default);
    for seed in first.. {
        if compared == wanted {
            break;
        }
        let program = Program::random(seed, flavour);
        match fault(&program) {
            Ok(Some(counts)) => {
                compared += 1;
                complete += counts.0;
                blocked += counts.1;
            }
            Ok(None) => skipped += 1,
            Err(_) => {
                let smallest = program.shrink(|program| fault(program).is_err());
                panic!("seed {seed}, shrunk: {smallest:#?}\n{}", fault(&smallest).unwrap_err());
            }
        }
    }
    eprintln!("{flavour:?}: {compared} programs agree, {skipped} too long; {complete} complete, {blocked} cut");
}

#[test]
fn locks_and_atomics() {
    compare(Flavour::Locks, 800);
}

#[test]
fn everything() {
    compare(Flavour::All, 800);
}

#[test]
fn shared_locks_and_waits() {
    compare(Flavour::Shared, 700);
}

#[test]
fn failing_programs() {
    compare(Flavour::Failing, 300);
}
