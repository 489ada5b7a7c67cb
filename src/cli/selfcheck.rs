//! `lockwalk selfcheck`: are interleavings equivalent that the exhaustive engine holds to be?

use serde::Serialize;

use crate::{Method, Options};

use super::args::{CheckArgs, CountedFormat, SelfcheckArgs};
use super::check::{self, counted};
use super::output::{complain, json, print};
use super::runner::{Case, Runner, inapplicable};
use super::{Refusal, Status};

/// What has been compared; what `--format json` prints.
#[derive(Default, Serialize)]
struct Compared {
    /// Ctrl-C came before all was done.
    stopped: bool,
    /// So many cases there are to compare.
    asked: usize,
    cases: usize,
    executions: u64,
    reordered: u64,
    values: u64,
    disagreements: Vec<Found>,
    /// What makes no sense is passed by.
    inapplicable: Vec<Inapplicable>,
}

impl Compared {
    fn add(&mut self, case: Result<Compared, Inapplicable>) {
        match case {
            Ok(case) => {
                self.cases += case.cases;
                self.executions += case.executions;
                self.reordered += case.reordered;
                self.values += case.values;
                self.disagreements.extend(case.disagreements);
            }
            Err(case) => self.inapplicable.push(case),
        }
    }
}

#[derive(Serialize)]
struct Inapplicable {
    race: String,
    protocol: String,
    why: String,
}

impl Inapplicable {
    fn text(&self) -> String {
        inapplicable(&self.race, &self.protocol, &self.why)
    }
}

#[derive(Serialize)]
struct Found {
    race: String,
    protocol: String,
    /// With its CPUs in the opposite order.
    reversed: bool,
    /// The two interleavings, and the steps that do not commute.
    what: String,
}

impl Found {
    fn text(&self) -> String {
        let order = if self.reversed { ", the CPUs in the opposite order" } else { "" };
        let Self { race, protocol, what, .. } = self;
        format!("{race} under {protocol}{order}\n  {}\n\n", what.replace('\n', "\n  "))
    }
}

/// Checks the races that are asked for, under the protocols that something is documented about,
/// with their CPUs in both orders.
pub fn run(args: &SelfcheckArgs) -> Result<Status, Refusal> {
    let asked = CheckArgs {
        races: args.races.clone(),
        protocol: args.protocol.clone(),
        ..CheckArgs::default()
    };
    let cases = check::cases(&asked)?;
    let options = Options::default().executions(args.executions);
    let jobs = args.jobs.map_or_else(check::all_cores, |jobs| jobs as usize);
    let runner = Runner::new(&Method::Exhaustive, options, jobs);
    let compare = |n: usize, options: &Options| both_orders(&cases[n], options);
    let compared = runner.run(&cases, false, compare, |_| false, |_| Ok(()))?;
    runner.finish();
    let stopped = runner.stopped();
    let mut found = Compared { stopped, asked: cases.len(), ..Compared::default() };
    compared.into_iter().for_each(|case| found.add(case));
    if let (0, [first, ..]) = (found.cases, &found.inapplicable[..]) {
        return Err(Refusal(first.text()));
    }
    if args.format == CountedFormat::Json {
        print(&json(&found))?;
    } else {
        found.disagreements.iter().try_for_each(|found| print(&found.text()))?;
        found.inapplicable.iter().try_for_each(|case| print(&(case.text() + "\n")))?;
        print(&format!(
            "{} of {} · {} · {} of their replays in another order · {} compared · {}\n",
            found.cases,
            counted(found.asked, "case"),
            counted(found.executions as usize, "execution"),
            found.reordered,
            counted(found.values as usize, "value"),
            counted(found.disagreements.len(), "disagreement")
        ))?;
    }
    if stopped {
        complain(&format!("stopped: {} of {} compared", found.cases, counted(cases.len(), "case")));
    }
    Ok(if !found.disagreements.is_empty() {
        Status::Differs
    } else if stopped {
        Status::Undecided
    } else {
        Status::AsDocumented
    })
}

/// What comparing a case came to; or why the race says that it makes no sense under the protocol.
fn both_orders((race, protocol): &Case, options: &Options) -> Result<Compared, Inapplicable> {
    let mut compared = Compared { cases: 1, ..Compared::default() };
    for (race, reversed) in [(race.clone(), false), (race.clone().reversed(), true)] {
        match race.selfchecked(protocol, options) {
            Ok(Ok(same)) => {
                compared.executions += same.replayed;
                compared.reordered += same.reordered;
                compared.values += same.values;
            }
            Ok(Err(disagreement)) => compared.disagreements.push(Found {
                race: race.id().into(),
                protocol: protocol.to_string(),
                reversed,
                what: disagreement.to_string(),
            }),
            Err(why) => {
                let (race, protocol) = (race.id().into(), protocol.to_string());
                return Err(Inapplicable { race, protocol, why });
            }
        }
    }
    Ok(compared)
}
