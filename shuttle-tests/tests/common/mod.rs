//! What the tests of the catalogue share.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lockwalk::{Clause, Documented, Protocol, Race, races};

/// A race under a protocol, and what is said of it.
pub type Case = (Race, Protocol, Documented);

/// Every case of the catalogue.
pub fn cases() -> Vec<Case> {
    let of = |race: Race| {
        race.cases()
            .to_vec()
            .into_iter()
            .map(move |(protocol, documented)| (race.clone(), protocol, documented))
    };
    races::all().into_iter().flat_map(of).collect()
}

/// Those that violate something.
pub fn violating() -> Vec<(Race, Protocol, Clause)> {
    let violates = |(race, protocol, documented)| match documented {
        Documented::Violates(clause) | Documented::StillViolates(clause) => {
            Some((race, protocol, clause))
        }
        Documented::Holds => None,
    };
    cases().into_iter().filter_map(violates).collect()
}

/// Does `f` with every item, on all cores; the results are in the items' order.
pub fn each<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, R)>> = Mutex::default();
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(at) else { return };
            let result = f(item);
            results.lock().expect("a panic ends the test").push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().expect("a panic ends the test");
    results.sort_by_key(|&(at, _)| at);
    results.into_iter().map(|(_, result)| result).collect()
}
