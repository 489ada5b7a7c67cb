//! What the documents object to the verdict on a case of the catalogue, for the mutation sweep (`tests/mutants`): race, protocol,
//! objections, executions, separated by tabs.
//!
//! - `--cases` prints race and protocol of every case.
//! - `--case RACE PROTOCOL` prints the line of one.
//! - `--against`, given such lines on its input, goes through their cases from the cheapest to the dearest, and prints only the first line
//!   that has other objections; one that was not finished only if there is no other.

use std::io;

use lockwalk::{Method, Options, Protocol, Race, races};

/// Before a mutant is given up: so many times the executions that the case needs, and so many more.
const FACTOR: u64 = 10;
const MORE: u64 = 100_000;

/// A line of the output, read back.
struct Known {
    case: String,
    objections: String,
    executions: u64,
}

impl Known {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.rsplitn(3, '\t');
        let (executions, objections, case) = (parts.next()?.parse().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { case, objections, executions })
    }
}

fn cases() -> impl Iterator<Item = (String, Race, Protocol)> {
    let of = |race: Race| race.cases().to_vec().into_iter().map(move |(protocol, _)| (race.clone(), protocol));
    races::all().into_iter().flat_map(of).map(|(race, protocol)| (format!("{}\t{protocol}", race.id()), race, protocol))
}

fn verdict(case: &str, executions: Option<u64>) -> Known {
    let (case, race, protocol) = cases().find(|(name, ..)| name == case).expect("a case of the catalogue");
    let outcome = race.check_with(&protocol, &Method::Exhaustive, &Options { executions, ..Options::default() });
    Known { case, objections: outcome.objections().join("; "), executions: outcome.executions }
}

fn print(Known { case, objections, executions }: &Known) {
    println!("{case}\t{objections}\t{executions}");
}

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--cases"] => cases().for_each(|(case, ..)| println!("{case}")),
        ["--case", race, protocol] => print(&verdict(&format!("{race}\t{protocol}"), None)),
        ["--against"] => {
            let mut known: Vec<_> = io::read_to_string(io::stdin())?.lines().filter_map(Known::read).collect();
            known.sort_by_key(|known| known.executions);
            let mut unfinished = None;
            for before in &known {
                eprintln!("{}", before.case); // whoever waits for it knows that it is not stuck
                let now = verdict(&before.case, Some(FACTOR * before.executions + MORE));
                if now.objections.contains("unfinished") {
                    unfinished = unfinished.or(Some(now));
                } else if now.objections != before.objections {
                    print(&now);
                    return Ok(());
                }
            }
            unfinished.iter().for_each(print);
        }
        _ => return Err(io::Error::other("one of --cases, --case RACE PROTOCOL, --against")),
    }
    Ok(())
}
