//! The search by preemptions finds every outcome with as few as it can be had with, under every
//! model: random programs against plain enumeration, in which each step has all of its outcomes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use dpor::{Budget, Explorer, Memory, Strategy};

use crate::program::{Outcome, Program, explorable, seeds};

/// Preemptions, switches, steps.
type Cost = (u32, u32, usize);

/// Each outcome, and the least that it costs; nothing if there are too many executions.
fn enumerated(program: &Program, memory: Memory) -> Option<BTreeMap<Outcome, Cost>> {
    let last: Arc<Mutex<Option<Outcome>>> = Arc::default();
    let least: Arc<Mutex<BTreeMap<Outcome, Cost>>> = Arc::default();
    let (said, heard, sink) = (Arc::clone(&last), last, Arc::clone(&least));
    let report = Explorer::new(Strategy::Dfs)
        .memory(memory)
        .every_outcome()
        .budget(Budget { executions: Some(20_000), time: None })
        .on_execution(move |execution| {
            let outcome = heard.lock().unwrap().take().expect("no execution is cut");
            let cost = (execution.preemptions, execution.switches, execution.steps);
            let mut least = sink.lock().unwrap();
            let best = least.entry(outcome).or_insert(cost);
            *best = cost.min(*best);
            ControlFlow::Continue(())
        })
        .run(explorable(program, move |outcome| *said.lock().unwrap() = Some(outcome)));
    let least = std::mem::take(&mut *least.lock().unwrap());
    report.exhausted.then_some(least)
}

/// The least that one outcome costs, as the search by preemptions says.
fn searched(program: &Program, memory: Memory, wanted: &Outcome) -> Result<Cost, String> {
    let unwanted = wanted.clone();
    let report = Explorer::new(Strategy::FewestPreemptions { max: None })
        .memory(memory)
        .run(explorable(program, move |outcome| assert_ne!(outcome, unwanted)));
    let best = report.failures.first().filter(|_| report.minimal);
    let best = best.ok_or_else(|| format!("{report}"))?;
    // What it has found can be shown.
    let (unwanted, schedule) = (wanted.clone(), best.schedule.clone());
    let shown = Explorer::new(Strategy::Replay(schedule))
        .memory(memory)
        .run(explorable(program, move |outcome| assert_ne!(outcome, unwanted)));
    let cost =
        |failure: &dpor::Failure| (failure.preemptions, failure.switches, failure.schedule.len());
    match shown.failures.first().map(cost) {
        again if again == Some(cost(best)) => Ok(cost(best)),
        again => Err(format!("{} is replayed as {again:?}", best.schedule)),
    }
}

fn compare(memory: Memory, seeds: std::ops::Range<u64>, most: usize) {
    let (mut programs, mut outcomes, mut preempted) = (0, 0, 0);
    for seed in seeds.clone() {
        let program = Program::random(seed, most);
        let Some(least) = enumerated(&program, memory) else { continue };
        programs += 1;
        for (outcome, cost) in &least {
            let found = searched(&program, memory, outcome);
            assert_eq!(
                found.as_ref(),
                Ok(cost),
                "{memory:?}, seed {seed}: {program:?}\n{outcome:?}"
            );
            outcomes += 1;
            preempted += u64::from(cost.0 > 0);
        }
    }
    eprintln!("{memory:?}: {programs} programs, {outcomes} outcomes, {preempted} not for nothing");
    assert!(programs * 10 > (seeds.end - seeds.start) * 8, "{memory:?}: {programs}");
}

#[test]
fn every_outcome_with_the_fewest() {
    for memory in Memory::ALL {
        compare(memory, seeds(60), 5);
    }
}

/// More, and larger ones.
#[test]
#[ignore = "takes minutes"]
fn many() {
    for memory in Memory::ALL {
        compare(memory, 10_000..12_000, 6);
    }
}
