//! What the engine and the oracle have to agree on.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use dpor::{Budget, DependenceRule, End, Explorer, Failure, FailureKind, Report, Saved, Strategy};

use super::machine::Machine;
use super::order::History;
use super::program::Program;
use super::run::{WORLD, World, run};
use super::search::{Classes, Cost, DEADLOCK, Ends, by_classes, by_states, follow};
use crate::common::check::in_slices;

/// How far the oracle goes before a program is passed over.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    pub states: usize,
    pub classes: usize,
    /// Executions of plain enumeration.
    pub plain: u64,
}

/// What was compared.
#[derive(Copy, Clone, Default, Debug)]
pub struct Compared {
    pub programs: u64,
    pub classes: u64,
    pub cut: u64,
    pub failing: u64,
    pub deadlocking: u64,
    /// Plain enumeration was short enough to take part.
    pub plain: u64,
    /// The search by preemptions took part.
    pub fewest: u64,
    /// Divided among threads, over machines, or stopped and continued.
    pub divided: u64,
}

impl Compared {
    pub fn add(&mut self, other: Compared) {
        self.programs += other.programs;
        self.classes += other.classes;
        self.cut += other.cut;
        self.failing += other.failing;
        self.deadlocking += other.deadlocking;
        self.plain += other.plain;
        self.fewest += other.fewest;
        self.divided += other.divided;
    }
}

/// What an exploration saw.
#[derive(Default, Debug)]
struct Seen {
    ends: Ends,
    classes: Classes,
    complete: u64,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        let Ends { complete, deadlocked, failures } = other.ends;
        self.ends.complete.extend(complete);
        self.ends.deadlocked.extend(deadlocked);
        self.ends.failures.extend(failures);
        self.classes.complete.extend(other.classes.complete);
        self.classes.deadlocked.extend(other.classes.deadlocked);
        self.complete += other.complete;
    }

    fn note(&mut self, execution: &dpor::Execution<'_>, world: &World) {
        let failure = execution.failure.map(|failure| &failure.kind);
        if let Some(FailureKind::Panic { message, .. }) = failure {
            self.ends.failures.insert(message.clone());
            return;
        }
        let deadlock = matches!(failure, Some(FailureKind::Deadlock { .. }));
        if let Some(other) = failure.filter(|_| !deadlock) {
            self.ends.failures.insert(other.to_string());
            return;
        }
        if execution.end == End::Cut {
            return;
        }
        let (objects, tasks) = (world.objects.borrow(), world.tasks.borrow());
        let mut history = History::default();
        for (task, op, success) in execution.events() {
            history.push(
                tasks[task],
                objects[op.object.0 as usize],
                op.access,
                success == Some(false),
            );
        }
        if deadlock {
            self.ends.deadlocked.insert(world.ending());
            self.classes.deadlocked.insert(history.name);
        } else {
            self.complete += 1;
            self.ends.complete.insert(world.ending());
            self.classes.complete.insert(history.name);
        }
    }
}

fn explore(program: &Program, explorer: Explorer) -> (Report, Seen) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let sink = Arc::clone(&seen);
    let explorer = explorer.on_execution(move |execution| {
        WORLD.with(|world| {
            sink.lock().unwrap().note(execution, world.borrow().as_ref().expect("it has run"))
        });
        ControlFlow::Continue(())
    });
    let program = program.clone();
    let report = explorer.run(move || run(&program));
    WORLD.with(|world| *world.borrow_mut() = None);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (report, seen)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, but the oracle has {expected:?}"))
    }
}

/// The names of classes say nothing, so only their number is shown.
fn same_classes(what: &str, found: &Classes, expected: &Classes) -> Result<(), String> {
    let count = |classes: &Classes| (classes.complete.len(), classes.deadlocked.len());
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {:?} classes, but the oracle has {:?}", count(found), count(expected)))
    }
}

fn bounded(strategy: Strategy, executions: u64) -> Explorer {
    Explorer::new(strategy).budget(Budget { executions: Some(executions), time: None })
}

/// More executions than any of these programs should take.
const MOST: u64 = 200_000;

struct Oracle {
    machine: Machine,
    ends: Ends,
    classes: Classes,
    cheapest: std::collections::BTreeMap<String, Cost>,
}

impl Oracle {
    /// None if there is too much of it.
    fn ask(program: &Program, limits: Limits) -> Result<Option<Oracle>, String> {
        let machine = Machine::new(program);
        let Some((classes, ends)) = by_classes(&machine, limits.classes) else { return Ok(None) };
        let Some(reached) = by_states(&machine, limits.states) else { return Ok(None) };
        same("the oracle's classes", &ends, &reached.ends)?;
        Ok(Some(Oracle { machine, ends, classes, cheapest: reached.cheapest }))
    }

    /// Whether plain cells race. Then which of two independent steps comes first makes a
    /// difference, and it only matters that one of the failures is found.
    fn races(&self) -> bool {
        self.ends.failures.iter().any(|failure| failure.starts_with("race"))
    }

    fn agrees(&self, what: &str, report: &Report, seen: &Seen) -> Result<(), String> {
        if !report.exhausted {
            return Err(format!("{what} is not exhausted: {report}"));
        }
        same(&format!("{what}: endings"), &seen.ends, &self.ends)?;
        same_classes(what, &seen.classes, &self.classes)
    }

    fn agrees_reduced(&self, what: &str, report: &Report, seen: &Seen) -> Result<(), String> {
        if self.races() {
            let Ends { complete, deadlocked, failures } = &seen.ends;
            let possible = complete.is_subset(&self.ends.complete)
                && deadlocked.is_subset(&self.ends.deadlocked);
            let found = failures.is_subset(&self.ends.failures) && !failures.is_empty();
            return if possible && found { Ok(()) } else { same(what, &seen.ends, &self.ends) };
        }
        self.agrees(what, report, seen)?;
        same(
            &format!("{what}: complete executions"),
            &(seen.complete as usize),
            &self.classes.complete.len(),
        )?;
        if self.ends.failures.is_empty() {
            let count = self.classes.complete.len() + self.classes.deadlocked.len();
            same(&format!("{what}: the report's count"), &(report.complete as usize), &count)?;
            same(
                &format!("{what}: deadlocks"),
                &(report.failing as usize),
                &self.classes.deadlocked.len(),
            )?;
        }
        Ok(())
    }

    /// What the schedule of the engine's tasks comes to.
    fn follow(
        &self,
        program: &Program,
        failure: &Failure,
    ) -> Result<(Cost, Option<String>), String> {
        let (report, replayed) = {
            let names = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&names);
            let explorer =
                Explorer::new(Strategy::Replay(failure.schedule.clone())).on_execution(move |_| {
                    WORLD.with(|world| {
                        *sink.lock().unwrap() =
                            world.borrow().as_ref().expect("it has run").tasks.borrow().clone()
                    });
                    ControlFlow::Continue(())
                });
            let program = program.clone();
            let report = explorer.run(move || run(&program));
            (report, names.lock().unwrap().clone())
        };
        same(
            "the replay",
            &report.failures.first().map(|failure| failure.kind.class()),
            &Some(failure.kind.class()),
        )?;
        let schedule: Vec<usize> =
            failure.schedule.tasks().iter().map(|&task| replayed[task as usize]).collect();
        follow(&self.machine, &schedule)
    }
}

fn name(failure: &Failure) -> String {
    match &failure.kind {
        FailureKind::Panic { message, .. } => message.clone(),
        FailureKind::Deadlock { .. } => DEADLOCK.to_owned(),
        other => other.to_string(),
    }
}

fn cost(failure: &Failure) -> Cost {
    (failure.preemptions, failure.switches, failure.schedule.len())
}

/// The search by preemptions finds each failure at its lowest cost, and says no more than it knows.
fn fewest(program: &Program, oracle: &Oracle) -> Result<(), String> {
    let lowest = oracle.cheapest.values().min().copied();
    let (report, _) = explore(program, bounded(Strategy::FewestPreemptions { max: None }, MOST));
    if oracle.races() {
        return if report.failing > 0 && report.minimal {
            Ok(())
        } else {
            Err(format!("fewest finds nothing: {report}"))
        };
    }
    same("fewest preemptions", &report.failures.first().map(cost), &lowest)?;
    same(
        "fewest: claims",
        &(report.exhausted, report.minimal),
        &(lowest.is_none(), lowest.is_some()),
    )?;
    for (wanted, &lowest) in &oracle.cheapest {
        let this = wanted.clone();
        let explorer = bounded(Strategy::FewestPreemptions { max: None }, MOST)
            .wanted(move |failure| name(failure) == this);
        let (report, _) = explore(program, explorer);
        let best =
            report.failures.first().ok_or_else(|| format!("{wanted} is not found: {report}"))?;
        same(
            &format!("fewest for {wanted}"),
            &(name(best), cost(best)),
            &(wanted.clone(), lowest),
        )?;
        same("the schedule", &oracle.follow(program, best)?, &(lowest, Some(wanted.clone())))?;
    }
    if let Some((bound, ..)) = lowest.filter(|lowest| lowest.0 > 0) {
        let (report, _) =
            explore(program, bounded(Strategy::FewestPreemptions { max: Some(bound - 1) }, MOST));
        same(
            "below the fewest",
            &(report.failing, report.exhausted, report.covered_preemptions),
            &(0, false, Some(bound - 1)),
        )?;
    }
    Ok(())
}

/// Threads, shards and pauses change nothing.
fn divided(program: &Program, oracle: &Oracle, number: u64) -> Result<(), String> {
    let dpor = || Explorer::new(Strategy::Dpor);
    match number % 3 {
        0 => {
            let jobs = 2 + number as usize / 3 % 3;
            let (report, seen) = explore(program, dpor().jobs(jobs));
            oracle.agrees_reduced(&format!("{jobs} jobs"), &report, &seen)
        }
        1 => {
            let shards = 1 + number as u32 / 3 % 5;
            let mut all = Seen::default();
            let mut saved: Vec<Saved> = Vec::new();
            for shard in 0..shards {
                let (report, seen) = explore(program, dpor().shard(shard, shards));
                all.add(seen);
                saved.push(
                    report
                        .saved
                        .ok_or("a shard cannot be saved")?
                        .to_string()
                        .parse()
                        .map_err(|error| format!("{error}"))?,
                );
            }
            let merged = Saved::merge(&saved).map_err(|error| error.to_string())?;
            let mut report = Report::default();
            report.exhausted = merged.is_done();
            report.complete = merged.complete;
            report.failing = merged.failing;
            oracle.agrees_reduced(&format!("{shards} shards"), &report, &all)
        }
        _ => {
            let slice = 1 + number / 3 % 7;
            let mut all = Seen::default();
            let report = in_slices(bounded(Strategy::Dpor, slice), MOST, |explorer| {
                let (report, seen) = explore(program, explorer);
                all.add(seen);
                report
            });
            oracle.agrees_reduced(&format!("slices of {slice}"), &report?, &all)
        }
    }
}

/// What is wrong with the engine's explorations of this program: `Ok(None)` if the oracle passes it
/// over. The number chooses among the more expensive comparisons.
pub fn fault(program: &Program, number: u64, limits: Limits) -> Result<Option<Compared>, String> {
    let Some(oracle) = Oracle::ask(program, limits)? else { return Ok(None) };
    let mut compared = Compared { programs: 1, ..Compared::default() };
    let (report, seen) = explore(program, bounded(Strategy::Dpor, MOST));
    oracle.agrees_reduced("reduced", &report, &seen)?;
    if let Some(failure) = report.failures.first() {
        same(
            "the schedule",
            &oracle.follow(program, failure)?,
            &(cost(failure), Some(name(failure))),
        )?;
    }
    compared.classes = seen.complete;
    compared.cut = report.blocked;
    compared.failing = u64::from(!oracle.ends.failures.is_empty());
    compared.deadlocking = u64::from(!oracle.ends.deadlocked.is_empty());
    let (plain, seen) = explore(program, bounded(Strategy::Dfs, limits.plain));
    if plain.exhausted {
        oracle.agrees("plain", &plain, &seen)?;
        compared.plain = 1;
    }
    if number.is_multiple_of(2) {
        fewest(program, &oracle)?;
        compared.fewest = 1;
    }
    if number % 4 == 1 {
        divided(program, &oracle, number / 4)?;
        compared.divided = 1;
    }
    if number % 16 == 3 {
        let strategies = [
            Strategy::Random { seed: number, iterations: 20 },
            Strategy::Urw { seed: number, iterations: 20 },
        ];
        for strategy in
            strategies.into_iter().chain([Strategy::Pct { seed: number, depth: 3, iterations: 20 }])
        {
            let (_, seen) = explore(program, Explorer::new(strategy));
            let within = |a: &BTreeSet<Vec<u8>>, b: &BTreeSet<Vec<u8>>| a.is_subset(b);
            let ends = &oracle.ends;
            if !within(&seen.ends.complete, &ends.complete)
                || !within(&seen.ends.deadlocked, &ends.deadlocked)
            {
                return Err(format!("a sampler sees {:?}, but the oracle has {ends:?}", seen.ends));
            }
        }
    }
    Ok(Some(compared))
}

/// The same for an algorithm that lacks a rule: only what it finds, without the comparisons among
/// strategies.
pub fn fault_without(
    program: &Program,
    rule: DependenceRule,
    limits: Limits,
) -> Result<(), String> {
    let Some(oracle) = Oracle::ask(program, limits)? else { return Ok(()) };
    let (report, seen) = explore(program, bounded(Strategy::Dpor, MOST).without_rule(rule));
    oracle.agrees_reduced("reduced", &report, &seen)
}

/// What is wrong with the exploration by states of this program: `Ok(None)` if the oracle passes it
/// over, else the executions of source-DPOR, states and executions, and whether it fails.
pub fn fault_by_states(
    program: &Program,
    rule: Option<DependenceRule>,
    limits: Limits,
) -> Result<Option<(u64, u64, u64, bool)>, String> {
    let Some(oracle) = Oracle::ask(program, limits)? else { return Ok(None) };
    let mut explorer = bounded(Strategy::States, MOST);
    if let Some(rule) = rule {
        explorer = explorer.without_rule(rule);
    }
    let judge = |what: &str, (report, seen): (Report, Seen)| {
        if !report.saved.as_ref().is_some_and(Saved::is_done) {
            return Err(format!("{what} not exhausted: {report} {:?}", report.failures));
        }
        if oracle.races() {
            oracle.agrees_reduced(what, &report, &seen)?;
        } else {
            same(what, &seen.ends, &oracle.ends)?;
        }
        Ok(report)
    };
    let report = judge("by states", explore(program, explorer.clone()))?;
    judge("by states, as if in circles", explore(program, explorer.clone().in_circles()))?;
    let turns = report.states + report.executions;
    match turns % 4 {
        _ if rule.is_some() => {}
        0 => {
            let divided = explorer.jobs(2 + turns as usize % 2).in_turns(turns);
            let what = format!("by states, divided, turns by {turns}");
            judge(&what, explore(program, divided))?;
        }
        1 => {
            let (slice, jobs) = (1 + turns % 11, 1 + turns as usize / 4 % 3);
            let explorer = bounded(Strategy::States, slice).jobs(jobs).in_turns(turns);
            // Several come to the same states.
            let most = if jobs == 1 { report.executions } else { MOST };
            let mut all = Seen::default();
            let report = in_slices(explorer, most, |explorer| {
                let (report, seen) = explore(program, explorer);
                all.add(seen);
                report
            });
            judge(&format!("by states, {jobs} jobs, in slices of {slice}"), (report?, all))?;
        }
        2 => {
            let shards = 2 + (turns / 4 % 2) as u32;
            let (mut all, mut last) = (Seen::default(), None);
            for shard in 0..shards {
                let explorer = explorer.clone().shard(shard, shards).jobs(1 + shard as usize % 2);
                let (report, seen) = explore(program, explorer.in_turns(turns));
                all.add(seen);
                last = Some(report).filter(|report| !report.exhausted);
            }
            let last = last.ok_or("a shard passes for everything")?;
            judge(&format!("by states, {shards} shards"), (last, all))?;
        }
        _ => {}
    }
    let (dpor, _) = explore(program, bounded(Strategy::Dpor, MOST));
    Ok(Some((dpor.executions, report.states, report.executions, !oracle.ends.failures.is_empty())))
}
