//! What the tests of the catalogue share.

#![allow(dead_code, reason = "not every test needs all of it")]

mod each;

pub use each::each;
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
