//! What a program can do, found without the engine: by states, and by classes of equivalent
//! interleavings.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use super::machine::{Machine, State};
use super::order::History;
use super::program::TASKS;

/// Preemptions, switches, steps.
pub type Cost = (u32, u32, usize);

/// How an execution ends. A failure is known by its message.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Ends {
    pub complete: BTreeSet<Vec<u8>>,
    pub deadlocked: BTreeSet<Vec<u8>>,
    pub failures: BTreeSet<String>,
}

/// What a search by states finds, with the lowest cost of each failure.
#[derive(Default, Debug)]
pub struct Reached {
    pub ends: Ends,
    pub cheapest: BTreeMap<String, Cost>,
}

/// The name of a deadlock among the failures with a cost.
pub const DEADLOCK: &str = "deadlock";

/// Names of classes.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Classes {
    pub complete: HashSet<u64>,
    pub deadlocked: HashSet<u64>,
}

fn enabled(machine: &Machine, state: &State) -> impl Iterator<Item = usize> {
    let ready = |task: &usize| {
        machine.pending(state, *task).is_some_and(|pending| machine.ready(state, *task, pending))
    };
    (0..machine.tasks()).filter(ready).collect::<Vec<_>>().into_iter()
}

/// All states and all ends, by cost; none if there are more than `most` pairs of a state and the
/// task that has run last.
pub fn by_states(machine: &Machine, most: usize) -> Option<Reached> {
    let mut reached = Reached::default();
    let start = match machine.start() {
        Ok(start) => start,
        Err(failure) => {
            reached.cheapest.insert(failure.clone(), (0, 0, 0));
            reached.ends.failures.insert(failure);
            return Some(reached);
        }
    };
    let mut states: Vec<(State, Option<usize>)> = vec![(start, None)];
    let mut numbers: HashMap<(State, Option<usize>), usize> =
        HashMap::from([(states[0].clone(), 0)]);
    let mut done: Vec<bool> = vec![false];
    let mut queue = BinaryHeap::from([Reverse(((0, 0, 0), 0))]);
    while let Some(Reverse((cost, number))) = queue.pop() {
        if std::mem::replace(&mut done[number], true) {
            continue;
        }
        let (state, last) = states[number].clone();
        let tasks: Vec<usize> = enabled(machine, &state).collect();
        if tasks.is_empty() {
            if machine.done(&state) {
                reached.ends.complete.insert(machine.ending(&state));
            } else {
                reached.ends.deadlocked.insert(machine.ending(&state));
                reached.cheapest.entry(DEADLOCK.to_owned()).or_insert(cost);
            }
        }
        for &task in &tasks {
            let (mut preemptions, mut switches, steps) = (cost.0, cost.1, cost.2 + 1);
            if let Some(last) = last.filter(|&last| last != task) {
                switches += 1;
                preemptions += u32::from(tasks.contains(&last));
            }
            let cost = (preemptions, switches, steps);
            let mut next = state.clone();
            let (_, result) = machine.step(&mut next, task);
            if let Err(failure) = result {
                let cheapest = reached.cheapest.entry(failure.clone()).or_insert(cost);
                *cheapest = cost.min(*cheapest);
                reached.ends.failures.insert(failure);
                continue;
            }
            let next = (next, Some(task));
            let number = match numbers.entry(next) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    states.push(new.key().clone());
                    done.push(false);
                    *new.insert(states.len() - 1)
                }
            };
            if states.len() > most {
                return None;
            }
            if !done[number] {
                queue.push(Reverse((cost, number)));
            }
        }
    }
    Some(reached)
}

/// All classes of interleavings that do not fail, by going through all classes of their beginnings;
/// none if there are more than `most` of those.
///
/// # Panics
/// If two equivalent beginnings lead to different states: then the announced steps are not what
/// they say they are.
pub fn by_classes(machine: &Machine, most: usize) -> Option<(Classes, Ends)> {
    let (mut classes, mut ends) = (Classes::default(), Ends::default());
    let start = match machine.start() {
        Ok(start) => start,
        Err(failure) => {
            ends.failures.insert(failure);
            return Some((classes, ends));
        }
    };
    let mut known: HashMap<u64, State> = HashMap::from([(0, start.clone())]);
    let mut left = vec![(start, History::default())];
    while let Some((state, history)) = left.pop() {
        let mut stuck = true;
        for task in enabled(machine, &state) {
            stuck = false;
            let (mut next, mut history) = (state.clone(), history.clone());
            let ((object, access, failed), result) = machine.step(&mut next, task);
            history.push(task, object, access, failed);
            if let Err(failure) = result {
                ends.failures.insert(failure);
                continue;
            }
            match known.entry(history.name) {
                Entry::Occupied(other) => {
                    assert_eq!(*other.get(), next, "equivalent beginnings lead to the same state")
                }
                Entry::Vacant(new) => {
                    new.insert(next.clone());
                    left.push((next, history));
                }
            }
            if known.len() > most {
                return None;
            }
        }
        if stuck && machine.done(&state) {
            classes.complete.insert(history.name);
            ends.complete.insert(machine.ending(&state));
        } else if stuck {
            classes.deadlocked.insert(history.name);
            ends.deadlocked.insert(machine.ending(&state));
        }
    }
    Some((classes, ends))
}

/// What a schedule of the machine's tasks costs and leads to: how it fails, if it does.
pub fn follow(machine: &Machine, schedule: &[usize]) -> Result<(Cost, Option<String>), String> {
    let mut state = match machine.start() {
        Ok(state) => state,
        Err(failure) => return Ok(((0, 0, 0), Some(failure))),
    };
    let (mut cost, mut last) = ((0, 0, 0), None);
    for (at, &task) in schedule.iter().enumerate() {
        let tasks: Vec<usize> = enabled(machine, &state).collect();
        if task >= TASKS || !tasks.contains(&task) {
            return Err(format!("task {task} cannot take step {at}"));
        }
        if let Some(last) = last.filter(|&last| last != task) {
            cost.1 += 1;
            cost.0 += u32::from(tasks.contains(&last));
        }
        (cost.2, last) = (at + 1, Some(task));
        if let (_, Err(failure)) = machine.step(&mut state, task) {
            return if at + 1 == schedule.len() {
                Ok((cost, Some(failure)))
            } else {
                Err(format!("it fails before its end: {failure}"))
            };
        }
    }
    let stuck = enabled(machine, &state).next().is_none();
    Ok((cost, (stuck && !machine.done(&state)).then(|| DEADLOCK.to_owned())))
}
