//! `lockwalk selfcheck`: are interleavings equivalent that the exhaustive engine holds to be?

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::{Disagreement, Options};

use super::args::{CheckArgs, SelfcheckArgs};
use super::output::{Terminal, complain, print};
use super::progress::{Bar, stop_on_ctrl_c};
use super::runner::Case;
use super::{Refusal, Status, check};

/// What has been compared.
#[derive(Default)]
struct Compared {
    cases: usize,
    executions: u64,
    reordered: u64,
    values: u64,
    disagreements: Vec<(String, Box<Disagreement>)>,
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
                    bar.say(&name(case));
                    both_orders(case, &options, &compared);
                }
            });
        }
    });
    bar.finish();
    let found = compared.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (name, disagreement) in &found.disagreements {
        print(&format!("{name}\n  {}\n\n", disagreement.to_string().replace('\n', "\n  ")))?;
    }
    let dot = if terminal.style().ascii { "-" } else { "·" };
    print(&format!(
        "{} of {} cases {dot} {} executions {dot} {} of their replays in another order {dot} {} \
         values compared {dot} {} disagreements\n",
        found.cases,
        cases.len(),
        found.executions,
        found.reordered,
        found.values,
        found.disagreements.len()
    ))?;
    let stopped = stop.load(Ordering::Relaxed);
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

fn name((race, protocol): &Case) -> String {
    format!("{} under {protocol}", race.id())
}

fn both_orders(case: &Case, options: &Options, compared: &Mutex<Compared>) {
    let (race, protocol) = case;
    for (race, order) in
        [(race.clone(), ""), (race.clone().reversed(), ", the CPUs in the opposite order")]
    {
        let came_to = race.selfcheck(protocol, options);
        let mut compared = compared.lock().unwrap_or_else(PoisonError::into_inner);
        match came_to {
            Ok(same) => {
                compared.executions += same.replayed;
                compared.reordered += same.reordered;
                compared.values += same.values;
            }
            Err(disagreement) => compared.disagreements.push((name(case) + order, disagreement)),
        }
    }
    compared.lock().unwrap_or_else(PoisonError::into_inner).cases += 1;
}
