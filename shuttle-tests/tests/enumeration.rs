//! The exhaustive search against plain enumeration of every interleaving, on worlds so small that
//! the latter ends: each pair of a few short paths through the protocol must end in the same ways,
//! and violate the same, in both.

mod common;

use lockwalk::mm::{Setup, World};
use lockwalk::witness::Coverage;
use lockwalk::{Era, Mark, Method, Options, Outcome, Race, sync};

/// More interleavings than any pair has.
const LIMIT: u64 = 2_000_000;

/// One process, and in it a page at 1.
fn one_page(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..3);
    p.touch(1);
}

type Path = (&'static str, fn(&World));

/// Short paths through the protocol. Each marks what it found, so that the ending tells.
const PATHS: [Path; 8] = [
    ("load", |w| {
        let value = w.process(0).load(1).expect("it is mapped");
        sync::mark(if value == 7 { LOADS_NEW } else { LOADS_OLD });
    }),
    ("store", |w| w.process(0).store(1, 7).expect("it is mapped")),
    ("isolate", |w| {
        let page = w.process(0).page_at(1);
        if w.isolate_lru_page(page) {
            sync::mark(ISOLATES);
            w.put_page(page);
        } else {
            sync::mark(ISOLATES_NOTHING);
        }
    }),
    ("trylock", |w| {
        let lock = &w.page(w.process(0).page_at(1)).lock;
        let locked = lock.trylock();
        sync::mark(if locked { TRYLOCK_GOT_IT } else { TRYLOCK_FAILED });
        if locked {
            lock.unlock();
        }
    }),
    ("lock", |w| {
        let lock = &w.page(w.process(0).page_at(1)).lock;
        lock.lock();
        sync::mark(if lock.is_locked() { LOCK_LOCKED } else { LOCK_NOT_LOCKED });
        lock.unlock();
    }),
    ("wait", |w| {
        let lock = &w.page(w.process(0).page_at(1)).lock;
        lock.wait();
        sync::mark(if lock.is_locked() { WAIT_LOCKED_AGAIN } else { WAIT_UNLOCKED });
    }),
    ("reference", |w| {
        let page = w.process(0).page_at(1);
        let got = w.get_page_unless_zero(page);
        sync::mark(if got { REFERENCE_GOT_IT } else { REFERENCE_FREE });
        if got {
            w.put_page(page);
        }
    }),
    ("drop", |w| w.put_page(w.process(0).page_at(1))),
];

const LOADS_NEW: &Mark = &Mark::new("load", "new");
const LOADS_OLD: &Mark = &Mark::new("load", "old");
const ISOLATES: &Mark = &Mark::new("isolate", "isolated");
const ISOLATES_NOTHING: &Mark = &Mark::new("isolate", "not on the list");
const TRYLOCK_GOT_IT: &Mark = &Mark::new("trylock", "got it");
const TRYLOCK_FAILED: &Mark = &Mark::new("trylock", "failed");
const LOCK_LOCKED: &Mark = &Mark::new("lock", "locked");
const LOCK_NOT_LOCKED: &Mark = &Mark::new("lock", "not locked");
const WAIT_LOCKED_AGAIN: &Mark = &Mark::new("wait", "locked again");
const WAIT_UNLOCKED: &Mark = &Mark::new("wait", "unlocked");
const REFERENCE_GOT_IT: &Mark = &Mark::new("reference", "got it");
const REFERENCE_FREE: &Mark = &Mark::new("reference", "free");

const MARKS: [&Mark; 12] = [
    LOADS_NEW,
    LOADS_OLD,
    ISOLATES,
    ISOLATES_NOTHING,
    TRYLOCK_GOT_IT,
    TRYLOCK_FAILED,
    LOCK_LOCKED,
    LOCK_NOT_LOCKED,
    WAIT_LOCKED_AGAIN,
    WAIT_UNLOCKED,
    REFERENCE_GOT_IT,
    REFERENCE_FREE,
];

/// Two paths as a race, whose endings are all marks and pairs of marks.
fn race((first, one): Path, (second, other): Path) -> Race {
    let mut race = Race::new(format!("{first} | {second}"), "enumerated")
        .world(one_page)
        .cpu(first, one)
        .cpu(second, other);
    for (at, &mark) in MARKS.iter().enumerate() {
        for &also in &MARKS[at..] {
            let label = format!("{} {}, {} {}", mark.name(), mark.text(), also.name(), also.text());
            race = race.sometimes(label, move |e| e.saw(mark) && e.saw(also));
        }
    }
    race
}

/// Which endings were reached, and which clauses were violated.
fn shown(outcome: &Outcome) -> [Vec<&str>; 2] {
    [&outcome.endings, &outcome.violations]
        .map(|counts| counts.iter().filter(|c| c.count > 0).map(|c| c.name.as_str()).collect())
}

#[test]
fn exhaustive_is_what_enumeration_finds() {
    let pairs: Vec<_> = PATHS
        .iter()
        .enumerate()
        .flat_map(|(at, &one)| PATHS[at..].iter().map(move |&other| (one, other)))
        .collect();
    let executions = common::each(&pairs, |&(one, other)| {
        let race = race(one, other);
        let [all, classes] = [Method::Enumerate, Method::Exhaustive].map(|method| {
            race.check_with(&Era::V2_6_36, &method, &Options::default().executions(LIMIT))
        });
        for outcome in [&all, &classes] {
            assert_eq!(
                outcome.coverage,
                Coverage::Exhaustive,
                "{race:?}, {}: {} executions",
                outcome.engine,
                outcome.executions
            );
        }
        let ([endings, violations], [all_endings, all_violations]) = (shown(&classes), shown(&all));
        assert_eq!(violations, all_violations, "{race:?}");
        // What others did before a violation, and it does not depend on, the exhaustive search need
        // not try in every order.
        assert!(
            endings == all_endings || !violations.is_empty(),
            "{race:?}: {endings:?}, {all_endings:?}"
        );
        assert!(classes.executions <= all.executions, "{race:?}");
        (classes.executions, all.executions)
    });
    let (classes, all) = executions.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{} pairs: {classes} executions for {all}", pairs.len());
}
