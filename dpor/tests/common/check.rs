//! What the explorations of a random program have to agree on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dpor::{
    Access, Budget, DependenceRule, End, Explorer, FailureKind, Op, Report, Saved, Strategy,
    Unfinished,
};

use super::program::{LEFT_OUT, Program, WORLD, World};

/// What an exploration saw.
#[derive(Default, Debug)]
pub struct Seen {
    /// How complete executions and deadlocks end.
    pub endings: BTreeSet<String>,
    /// The messages of panics.
    pub failures: BTreeSet<String>,
    /// Inequivalent executions in which nothing panics.
    pub classes: BTreeSet<Vec<String>>,
    /// Panics, told apart by what happens before them.
    pub panics: BTreeSet<u64>,
    /// Fewest preemptions of a failing execution, and fewest switches and steps among those.
    pub fewest: Option<(u32, u32, usize)>,
    /// The same for each panic message.
    pub fewest_of: BTreeMap<String, (u32, u32, usize)>,
}

/// Whether two accesses depend on each other, written down a second time.
fn dependent(a: (Op, Option<bool>), b: (Op, Option<bool>)) -> bool {
    use Access::*;
    let reads = |(op, success): (Op, Option<bool>)| {
        matches!(op.access, Read | Wait) || success == Some(false)
    };
    let shared = |(op, success): (Op, Option<bool>)| {
        matches!(op.access, AcquireShared | ReleaseShared)
            || (op.access == TryAcquireShared && success == Some(true))
    };
    a.0.object == b.0.object
        && !(reads(a) && reads(b))
        && !(shared(a) && shared(b))
        && !(a.0.access == Update && b.0.access == Update)
}

/// The execution up to reordering of independent steps: each step with the dependent steps right
/// before it.
fn class(events: &[(usize, Op, Option<bool>)]) -> Vec<String> {
    let mut counts = [0; 16];
    let mut names = Vec::new();
    for &(task, ..) in events {
        names.push((task, counts[task]));
        counts[task] += 1;
    }
    let mut class: Vec<String> = (0..events.len())
        .map(|i| {
            let (_, op, success) = events[i];
            let before: BTreeSet<(usize, i32)> = (0..i)
                .filter(|&j| dependent((events[j].1, events[j].2), (op, success)))
                .map(|j| names[j])
                .collect();
            format!("{:?} {op} {success:?} after {before:?}", names[i])
        })
        .collect();
    class.sort();
    class
}

/// The inequivalent executions of a program that does not fail.
pub fn classes(
    explorer: Explorer,
    program: impl Fn() + Send + Sync + 'static,
) -> (Report, BTreeSet<Vec<String>>) {
    let classes = Arc::new(Mutex::new(BTreeSet::new()));
    let sink = Arc::clone(&classes);
    let explorer = explorer.on_execution(move |execution| {
        assert!(execution.failure.is_none(), "{execution:?}");
        if execution.end == End::Complete {
            sink.lock().unwrap().insert(class(&execution.events().collect::<Vec<_>>()));
        }
        ControlFlow::Continue(())
    });
    let report = explorer.run(program);
    let classes = std::mem::take(&mut *classes.lock().unwrap());
    (report, classes)
}

/// The program, ready to be explored.
pub fn run(program: &Program) -> impl Fn() + Send + Sync + 'static {
    let program = program.clone();
    move || {
        let world = Rc::new(World::new(&program));
        WORLD.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&world)));
        let (named, left_out) = (Rc::clone(&world), LEFT_OUT.get());
        dpor::name_state(move |digest| named.name(digest, left_out));
        let mine: Vec<usize> =
            (0..program.tasks.len()).filter(|&task| program.started_by_main(task)).collect();
        for &task in &mine {
            world.start(task);
        }
        for &task in &mine {
            let handle = world.handles.borrow_mut()[task].take();
            if let Some(handle) = handle {
                handle.join();
            }
        }
        // The others may still be running.
        if mine.len() == program.tasks.len() {
            dpor::note(|| [("ending", world.ending())]);
        }
    }
}

/// Explore the program.
pub fn explore(program: &Program, explorer: Explorer, most: Option<u64>) -> (Report, Seen) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let sink = Arc::clone(&seen);
    let explorer =
        explorer.budget(Budget { executions: most, time: None }).on_execution(move |execution| {
            let ending = WORLD
                .with(|world| world.borrow().as_ref().map(|world| world.ending()))
                .unwrap_or_default();
            let mut seen = sink.lock().unwrap();
            match execution.failure.map(|failure| &failure.kind) {
                None if execution.end == End::Cut => return ControlFlow::Continue(()),
                None => drop(seen.endings.insert(ending)),
                Some(FailureKind::Panic { message, .. }) => {
                    seen.failures.insert(message.clone());
                }
                Some(FailureKind::Deadlock { .. }) => {
                    seen.endings.insert(format!("deadlock {ending}"));
                }
                Some(other) => drop(seen.failures.insert(other.class())),
            }
            if execution.failure.is_some() {
                let now = (execution.preemptions, execution.switches, execution.steps);
                if let Some(FailureKind::Panic { message, .. }) =
                    execution.failure.map(|failure| &failure.kind)
                {
                    let fewest = seen.fewest_of.entry(message.clone()).or_insert(now);
                    *fewest = now.min(*fewest);
                }
                seen.fewest = Some(seen.fewest.map_or(now, |fewest| fewest.min(now)));
            }
            match execution.failure_key() {
                Some(key) => drop(seen.panics.insert(key)),
                None => drop(seen.classes.insert(class(&execution.events().collect::<Vec<_>>()))),
            }
            ControlFlow::Continue(())
        });
    let report = explorer.run(run(program));
    WORLD.with(|slot| *slot.borrow_mut() = None);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (report, seen)
}

/// Executions after which plain enumeration gives up.
const MOST: u64 = 6_000;

/// What is wrong with the exploration by states of this program: `Ok(None)` if plain enumeration is
/// too long to tell, else the executions of source-DPOR, and states and executions.
pub fn fault_by_states(
    program: &Program,
    dropped: Option<DependenceRule>,
) -> Result<Option<(u64, u64, u64)>, String> {
    let (plain_report, plain) = explore(program, Explorer::new(Strategy::Dfs), Some(MOST));
    if !plain_report.exhausted {
        return Ok(None);
    }
    let mut explorer = Explorer::new(Strategy::States);
    if let Some(rule) = dropped {
        explorer = explorer.without_rule(rule);
    }
    let (report, seen) = explore(program, explorer, Some(100_000));
    if !report.exhausted {
        return Err(format!("not exhausted: {report} {:?}", report.failures));
    }
    if seen.failures != plain.failures {
        return Err(format!("failures {:?}, plainly {:?}", seen.failures, plain.failures));
    }
    if seen.endings != plain.endings {
        return Err(format!("endings {:#?}, plainly {:#?}", seen.endings, plain.endings));
    }
    let mut circles = Explorer::new(Strategy::States).in_circles();
    if let Some(rule) = dropped {
        circles = circles.without_rule(rule);
    }
    let (as_circle, all) = explore(program, circles, Some(100_000));
    if !as_circle.exhausted || (&all.failures, &all.endings) != (&seen.failures, &seen.endings) {
        return Err(format!(
            "as if in circles: {as_circle} {:?}, {:?} {:#?}, else {:?} {:#?}",
            as_circle.failures, all.failures, all.endings, seen.failures, seen.endings
        ));
    }
    let turns = report.states + report.executions;
    match turns % 4 {
        _ if dropped.is_some() => {}
        0 => divided_by_states(program, turns, &seen)?,
        1 => in_slices_by_states(program, turns, &report, &seen)?,
        2 => in_shards_by_states(program, turns, &seen)?,
        _ => {}
    }
    let (dpor, _) = explore(program, Explorer::new(Strategy::Dpor), None);
    Ok(Some((dpor.executions, report.states, report.executions)))
}

/// Do two workers, or three, come to what one does, which is this? They take turns.
fn divided_by_states(program: &Program, turns: u64, alone: &Seen) -> Result<(), String> {
    let jobs = 2 + turns as usize % 2;
    let explorer = Explorer::new(Strategy::States).jobs(jobs).in_turns(turns);
    let (report, seen) = explore(program, explorer, Some(100_000));
    let what = format!("{jobs} workers, turns by {turns}");
    if !report.exhausted {
        return Err(format!("{what}: not exhausted: {report} {:?}", report.failures));
    }
    if (&seen.failures, &seen.endings) != (&alone.failures, &alone.endings) {
        return Err(format!(
            "{what}: {:?} {:#?}, alone {:?} {:#?}",
            seen.failures, seen.endings, alone.failures, alone.endings
        ));
    }
    Ok(())
}

/// Goes on with a search, from what it has put on paper, until nothing is left, and returns its last
/// report. Of all executions together there are to be at most so many.
pub fn in_slices(
    explorer: Explorer,
    most: u64,
    mut slice: impl FnMut(Explorer) -> Report,
) -> Result<Report, String> {
    let mut next = explorer.clone();
    loop {
        let report = slice(next);
        let Some(saved) = report.saved.clone() else {
            return Err(format!("cannot go on: {report} {:?}", report.failures));
        };
        let text = saved.to_string();
        let read: Saved = text.parse().map_err(|error| format!("{error}\n{text}"))?;
        if read != saved {
            return Err(format!("what is read is not what was written: {text}"));
        }
        if report.executions > most {
            return Err(format!("more than {most} executions in slices: {report}"));
        }
        if read.is_done() {
            return Ok(report);
        }
        next = explorer.clone().resume(read);
    }
}

/// Does a search that is stopped and gone on with, again and again, come to what one does that is
/// not, which is this?
fn in_slices_by_states(
    program: &Program,
    turns: u64,
    whole: &Report,
    alone: &Seen,
) -> Result<(), String> {
    let slice = 1 + turns % 7;
    let what = format!("in slices of {slice}");
    let mut all = Seen::default();
    let explorer = Explorer::new(Strategy::States);
    let report = in_slices(explorer, whole.executions, |explorer| {
        let (report, seen) = explore(program, explorer, Some(slice));
        all.failures.extend(seen.failures);
        all.endings.extend(seen.endings);
        report
    })?;
    let counts = |report: &Report| (report.states, report.complete, report.executions);
    if counts(&report) != counts(whole) {
        return Err(format!(
            "{what}: {report}, {} states; at once {whole}, {} states",
            report.states, whole.states
        ));
    }
    if (&all.failures, &all.endings) != (&alone.failures, &alone.endings) {
        return Err(format!(
            "{what}: {:?} {:#?}, at once {:?} {:#?}",
            all.failures, all.endings, alone.failures, alone.endings
        ));
    }
    Ok(())
}

/// Do two shards, or three, of which one is stopped again and again, come to what one search does,
/// which is this?
fn in_shards_by_states(program: &Program, turns: u64, alone: &Seen) -> Result<(), String> {
    let shards = 2 + (turns / 4 % 2) as u32;
    let mut all = Seen::default();
    let mut done = Vec::new();
    for shard in 0..shards {
        let explorer = Explorer::new(Strategy::States).shard(shard, shards);
        let slice = if shard == 1 { 1 + turns % 7 } else { 100_000 };
        let report = in_slices(explorer, 100_000, |explorer| {
            let (report, seen) = explore(program, explorer, Some(slice));
            all.failures.extend(seen.failures);
            all.endings.extend(seen.endings);
            report
        });
        let what = || format!("shard {shard} of {shards}, slices of {slice}");
        let report = report.map_err(|why| format!("{}: {why}", what()))?;
        if report.exhausted || report.why_unfinished != Some(Unfinished::Shard) {
            return Err(format!("{}: {report}", what()));
        }
        done.extend(report.saved);
    }
    let merged = Saved::merge(&done).map_err(|error| error.to_string())?;
    if !merged.is_done() || !merged.by_states() {
        return Err(format!("{shards} shards: {merged}"));
    }
    if (&all.failures, &all.endings) != (&alone.failures, &alone.endings) {
        return Err(format!(
            "{shards} shards: {:?} {:#?}, alone {:?} {:#?}",
            all.failures, all.endings, alone.failures, alone.endings
        ));
    }
    Ok(())
}

/// What is wrong with the reduced exploration of this program: `Ok(None)` if plain enumeration is
/// too long to tell.
pub fn fault(
    program: &Program,
    dropped: Option<DependenceRule>,
) -> Result<Option<(u64, u64)>, String> {
    let (plain_report, plain) = explore(program, Explorer::new(Strategy::Dfs), Some(MOST));
    if !plain_report.exhausted {
        return Ok(None);
    }
    let mut explorer = Explorer::new(Strategy::Dpor);
    if let Some(rule) = dropped {
        explorer = explorer.without_rule(rule);
    }
    let (report, reduced) = explore(program, explorer, Some(100_000));
    if !report.exhausted {
        return Err(format!("not exhausted: {report}"));
    }
    if reduced.failures != plain.failures {
        return Err(format!("failures {:?}, plainly {:?}", reduced.failures, plain.failures));
    }
    if reduced.endings != plain.endings {
        return Err(format!("endings {:#?}, plainly {:#?}", reduced.endings, plain.endings));
    }
    if reduced.panics != plain.panics {
        return Err(format!(
            "{} ways to panic, plainly {}",
            reduced.panics.len(),
            plain.panics.len()
        ));
    }
    let (classes, complete) = (plain.classes.len() + plain.panics.len(), report.complete);
    if reduced.classes.len() != plain.classes.len() || complete != classes as u64 {
        return Err(format!("{classes} classes, but {complete} complete executions"));
    }
    Ok(Some((report.complete, report.blocked)))
}
