//! `lockwalk selfcheck`: are interleavings equivalent that the exhaustive engine holds to be?

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::Options;

use super::args::{CheckArgs, CountedFormat, SelfcheckArgs};
use super::output::{Terminal, complain, json, print};
use super::progress::{Bar, stop_on_ctrl_c};
use super::runner::Case;
use super::{Refusal, Status, check};

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
pub fn run(args: &SelfcheckArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let asked = CheckArgs {
        races: args.races.clone(),
        protocol: args.protocol.clone(),
        ..CheckArgs::default()
    };
    let cases = check::cases(&asked)?;
    let stop = stop_on_ctrl_c();
    let options = Options {
        executions: Some(args.executions),
        stop: Some(stop.clone()),
        ..Options::default()
    };
    let bar = Bar::new();
    let compared = Mutex::new(Compared::default());
    let next = Mutex::new(cases.iter());
    let jobs = args.jobs.map_or_else(check::all_cores, |jobs| jobs as usize);
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let case = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(case) = case.filter(|_| !stop.load(Ordering::Relaxed)) else { break };
                    bar.say(&format!("{} under {}", case.0.id(), case.1));
                    both_orders(case, &options, &compared);
                }
            });
        }
    });
    bar.finish();
    let mut found = compared.into_inner().unwrap_or_else(PoisonError::into_inner);
    let stopped = stop.load(Ordering::Relaxed);
    found.stopped = stopped;
    found.asked = cases.len();
    if args.format == CountedFormat::Json {
        print(&json(&found))?;
    } else {
        found.disagreements.iter().try_for_each(|found| print(&found.text()))?;
        let dot = if terminal.style().ascii { "-" } else { "·" };
        print(&format!(
            "{} of {} cases {dot} {} executions {dot} {} of their replays in another order {dot} \
             {} values compared {dot} {} disagreements\n",
            found.cases,
            found.asked,
            found.executions,
            found.reordered,
            found.values,
            found.disagreements.len()
        ))?;
    }
    if stopped {
        complain(&format!("stopped: {} of {} cases compared", found.cases, cases.len()));
    }
    Ok(if !found.disagreements.is_empty() {
        Status::Differs
    } else if stopped {
        Status::Undecided
    } else {
        Status::AsDocumented
    })
}

fn both_orders(case: &Case, options: &Options, compared: &Mutex<Compared>) {
    let (race, protocol) = case;
    for (race, reversed) in [(race.clone(), false), (race.clone().reversed(), true)] {
        let came_to = race.selfcheck(protocol, options);
        let mut compared = compared.lock().unwrap_or_else(PoisonError::into_inner);
        match came_to {
            Ok(same) => {
                compared.executions += same.replayed;
                compared.reordered += same.reordered;
                compared.values += same.values;
            }
            Err(disagreement) => compared.disagreements.push(Found {
                race: race.id().to_owned(),
                protocol: protocol.to_string(),
                reversed,
                what: disagreement.to_string(),
            }),
        }
    }
    compared.lock().unwrap_or_else(PoisonError::into_inner).cases += 1;
}
