//! What the documents object to the verdict on every case of the catalogue, one line each, for the mutation sweep (`tests/mutants`): race,
//! protocol, objections, executions, separated by tabs. Given such lines on its input and `--against`, it goes through the cases from the
//! cheapest to the dearest, and prints only the first at which there is another objection than there.

use std::collections::BTreeMap;
use std::io;

use lockwalk::{Method, Options, Protocol, Race, races};

/// Before a mutant is given up: so many times the executions that the case needs, and so many more.
const FACTOR: u64 = 3;
const MORE: u64 = 20_000;

fn verdict(race: &Race, protocol: &Protocol, executions: Option<u64>) -> (String, u64) {
    let outcome = race.check_with(protocol, &Method::Exhaustive, &Options { executions, ..Options::default() });
    (outcome.objections().join("; "), outcome.executions)
}

fn main() -> io::Result<()> {
    let against = std::env::args().any(|arg| arg == "--against");
    let known: BTreeMap<String, (String, u64)> = if against { baseline()? } else { BTreeMap::new() };
    let of = |race: Race| race.cases().to_vec().into_iter().map(move |(protocol, _)| (race.clone(), protocol));
    let mut cases: Vec<_> = races::all().into_iter().flat_map(of).collect();
    let before = |(race, protocol): &(Race, Protocol)| known.get(&format!("{}\t{protocol}", race.id()));
    cases.sort_by_key(|case| before(case).map(|&(_, executions)| executions));
    for (race, protocol) in &cases {
        let before = known.get(&format!("{}\t{protocol}", race.id()));
        let (objections, executions) = verdict(race, protocol, before.map(|&(_, executions)| FACTOR * executions + MORE));
        if before.is_none_or(|(known, _)| *known != objections) {
            println!("{}\t{protocol}\t{objections}\t{executions}", race.id());
            if against {
                break;
            }
        }
    }
    Ok(())
}

fn baseline() -> io::Result<BTreeMap<String, (String, u64)>> {
    let mut known = BTreeMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        let mut parts = line.rsplitn(3, '\t');
        if let (Some(executions), Some(objections), Some(case)) = (parts.next(), parts.next(), parts.next()) {
            known.insert(case.to_owned(), (objections.to_owned(), executions.parse().unwrap_or(u64::MAX / (2 * FACTOR))));
        }
    }
    Ok(known)
}
