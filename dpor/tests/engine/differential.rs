//! Random programs: the reduced exploration against plain enumeration.
//!
//! `DPOR_SEED` chooses other programs, `DPOR_PROGRAMS` how many.

use crate::common::check::fault;
use crate::common::program::{Flavour, Program, env};

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
