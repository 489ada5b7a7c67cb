//! Structured random programs against an oracle that shares nothing with the engine: endings,
//! deadlocks, failures, and every class of equivalent interleavings by name.
//!
//! `DPOR_SEED` chooses other programs, `DPOR_PROGRAMS` how many of each theme.

use crate::structured::check::{Compared, Limits, fault, fault_without};
use crate::structured::generate::{THEMES, Theme, program};
use dpor::DependenceRule;

const LIMITS: Limits = Limits { states: 20_000, classes: 6_000, plain: 600 };

/// A number from the environment.
fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn compare(theme: Theme) {
    let wanted = env("DPOR_PROGRAMS", 200);
    let (mut all, mut skipped) = (Compared::default(), 0);
    for seed in env("DPOR_SEED", 1).. {
        if all.programs == wanted {
            break;
        }
        let program = program(seed, theme);
        match fault(&program, seed, LIMITS) {
            Ok(Some(compared)) => all.add(compared),
            Ok(None) => skipped += 1,
            Err(first) => {
                let smallest = program.shrink(|program| fault(program, seed, LIMITS).is_err());
                panic!(
                    "seed {seed}, shrunk: {smallest:#?}\n{}\nat first: {first}",
                    fault(&smallest, seed, LIMITS).unwrap_err()
                );
            }
        }
    }
    eprintln!("{theme:?}: {all:?}, {skipped} too large");
}

#[test]
fn words() {
    compare(Theme::Words);
}

#[test]
fn locks() {
    compare(Theme::Locks);
}

#[test]
fn shared_locks() {
    compare(Theme::Shared);
}

#[test]
fn everything() {
    compare(Theme::All);
}

#[test]
fn trees_of_tasks() {
    compare(Theme::Trees);
}

/// Programs of each theme to try.
const KILLING: u64 = 8_000;

/// Every rule of the algorithm is missed by some of these programs too.
#[test]
fn every_rule_is_needed() {
    use DependenceRule::*;
    let dependence = [
        ReaderExclusive,
        ExclusiveExclusive,
        SharedExclusive,
        ReaderShared,
        UpdateExclusive,
        UpdateReader,
        UpdateShared,
    ];
    let at_end =
        [BlockedAtDeadlock, BlockedAtCut, WaitingAtFailure, UnannouncedAtFailure, InsteadOfFailure];
    for rule in dependence.into_iter().chain(at_end).chain([
        PastUnready,
        SharedBeforeBlocking,
        WakeSleepers,
    ]) {
        // The one that is missed least; it takes a tree. Nearer seeds do not tell.
        let (from, themes) =
            if rule == UnannouncedAtFailure { (3_500, &THEMES[4..]) } else { (1, &THEMES[..]) };
        let mut tries =
            (from..from + KILLING).flat_map(|seed| themes.iter().map(move |&theme| (seed, theme)));
        let killed = tries
            .find(|&(seed, theme)| fault_without(&program(seed, theme), rule, LIMITS).is_err());
        eprintln!("{rule:?}: {killed:?}");
        assert!(killed.is_some(), "{rule:?} is not missed");
    }
}
