//! What the executions of one exploration add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use serde::{Deserialize, Serialize};
use witness::{Count, Coverage, Outcome};

use super::run::Ended;
use crate::race::{Race, Seen};
use crate::spec::Clause;
use crate::sync::{self, Engine, Exec, LockEdge, Name, Operation};

/// Counts over all executions.
#[derive(Default)]
pub(super) struct Tally {
    /// Executions that ran to their end, or to a violation that ended them.
    pub executions: u64,
    /// Different states, where they are told apart.
    pub states: Option<u64>,
    /// Those that violated a clause.
    pub violating: u64,
    /// The same, by clause: one execution may violate several.
    violations: BTreeMap<Clause, u64>,
    /// Those that violate the clause that is looked for, in the way that the race wants it shown.
    pub shown: u64,
    clauses: Vec<u64>,
    endings: Vec<u64>,
    operations: BTreeMap<Operation, u64>,
    beside: Beside,
    /// Of executions that were cut: the most steps of a CPU, which CPU, and where it was.
    busiest: (u64, usize, Option<&'static Location<'static>>),
    edges: BTreeSet<LockEdge>,
}

/// What was seen in detours ([`Ended::detour`]), by name. It is not counted there, but was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beside {
    clauses: BTreeSet<String>,
    endings: BTreeSet<String>,
    operations: BTreeSet<String>,
}

impl Beside {
    /// That of another part of the same exploration, too.
    pub fn add(&mut self, other: &Self) {
        self.clauses.extend(other.clauses.iter().cloned());
        self.endings.extend(other.endings.iter().cloned());
        self.operations.extend(other.operations.iter().cloned());
    }
}

impl Tally {
    pub fn new(race: &Race) -> Self {
        Self {
            clauses: vec![0; Clause::ALL.len()],
            endings: vec![0; race.endings().len()],
            ..Self::default()
        }
    }

    /// An execution has ended. One that the scheduler cut short as redundant counts for nothing:
    /// how many of these there are depends on how the exploration is divided. But where states are
    /// told apart (`by_states`), what leads to a state that is known may have been seen in
    /// executions that are cut there only.
    pub fn record(&mut self, race: &Race, exec: &Exec, ended: Ended, by_states: bool) {
        let mut violations = exec.violations();
        violations.extend(ended.found);
        if !exec.completed() && violations.is_empty() {
            if by_states {
                self.evaluated(exec);
            }
            let (steps, cpu) = exec.progress().busiest();
            if steps > self.busiest.0 {
                self.busiest = (steps, cpu, exec.progress().line_of(cpu));
            }
            return;
        }
        if ended.detour && violations.is_empty() {
            return self.passes_by(race, exec);
        }
        self.executions += 1;
        self.evaluated(exec);
        // Of the schedule as a whole, by the scheduler.
        self.clauses[Clause::LIVELOCK as usize] += u64::from(exec.engine() == Engine::Shuttle);
        for (ending, count) in race.endings().iter().zip(&mut self.endings) {
            *count += u64::from(ending.holds(&Seen(exec)));
        }
        for (operation, done) in exec.operations() {
            *self.operations.entry(operation).or_default() += u64::from(done);
        }
        self.shown += u64::from(violations.iter().any(|v| v.counts && exec.looks_for(v.clause)));
        let violated: BTreeSet<_> = violations.iter().map(|v| v.clause).collect();
        self.violating += u64::from(!violated.is_empty());
        for clause in violated {
            *self.violations.entry(clause).or_default() += 1;
        }
    }

    fn passes_by(&mut self, race: &Race, exec: &Exec) {
        exec.extend_lock_edges(&mut self.edges);
        let endings = race.endings().iter().filter(|ending| ending.holds(&Seen(exec)));
        self.beside.endings.extend(endings.map(|ending| ending.label.clone()));
        self.beside.clauses.extend(
            exec.clause_counts()
                .filter(|&(_, count)| count > 0)
                .map(|(clause, _)| clause.id().to_owned()),
        );
        let operations = exec.operations().into_iter().filter(|(_, done)| *done);
        self.beside.operations.extend(operations.map(|(operation, _)| described(&operation, race)));
    }

    fn evaluated(&mut self, exec: &Exec) {
        for (clause, count) in exec.clause_counts() {
            self.clauses[clause as usize] += count;
        }
        exec.extend_lock_edges(&mut self.edges);
    }

    /// The lock order that all executions together show.
    pub fn lock_order(&self) -> LockOrder {
        lock_order(&self.edges)
    }

    /// What was reached, and not counted.
    pub fn beside(&self) -> Beside {
        self.beside.clone()
    }

    pub fn violations(&self) -> Vec<Count> {
        self.violations.iter().map(|(clause, &count)| Count::new(clause.id(), count)).collect()
    }

    pub fn violated(&self, clause: Clause) -> bool {
        self.violations.contains_key(&clause)
    }

    pub fn any_violated(&self) -> Option<Clause> {
        self.violations.keys().next().copied()
    }

    /// Times evaluated, of the clauses that were, and of those that must be.
    pub fn clauses(&self, must: &[Clause]) -> Vec<Count> {
        let count =
            |clause: &Clause| (self.clauses[*clause as usize], must.contains(clause), clause.id());
        let told = |(count, must, id)| (must || count > 0).then(|| Count::new(id, count));
        Clause::ALL.iter().map(count).filter_map(told).collect()
    }

    /// Which CPU went on and on when an execution was cut, and where.
    pub fn busiest(&self, race: &Race) -> String {
        let (steps, cpu, line) = self.busiest;
        let Some(name) = race.cpu_names().nth(cpu).filter(|_| steps > 0) else {
            return String::new();
        };
        let line = line.map_or_else(String::new, |at| format!(", and is at {}", sync::line(at)));
        format!(
            "; CPU '{name}' has taken {steps} steps{line} (what waits for others in a loop is \
             World::repeat_until)"
        )
    }

    /// Times that each operation did something.
    pub fn operations(&self, race: &Race) -> Vec<Count> {
        self.operations
            .iter()
            .map(|(operation, &count)| Count::new(described(operation, race), count))
            .collect()
    }

    pub fn endings(&self, race: &Race) -> Vec<Count> {
        race.endings()
            .iter()
            .zip(&self.endings)
            .map(|(ending, &count)| Count::new(&ending.label, count))
            .collect()
    }
}

fn described(operation: &Operation, race: &Race) -> String {
    operation.describe(race.cpu_names().zip(race.cpu_lines().iter().copied()))
}

/// Which lock was taken while which was held, and where. Locks of different classes are ordered by
/// class; locks of one class among themselves.
pub(super) type LockOrder = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn lock_order(edges: &BTreeSet<LockEdge>) -> LockOrder {
    let mut graph = LockOrder::new();
    for edge in edges {
        let same_class = edge.earlier.class() == edge.later.class();
        let node = |name: Name| if same_class { name.to_string() } else { name.class() };
        graph.entry(node(edge.earlier)).or_default().insert(node(edge.later), sync::line(edge.at));
    }
    graph
}

/// Evaluates what concerns all executions together: what was reached in detours only, the lock
/// order ([ORDER-1](Clause::ORDER_1)), and whether the documented violation accounts for the
/// others. Many a protocol violates several clauses on the way; but a race's own assertions are
/// there to hold.
pub(super) fn conclude(outcome: &mut Outcome, beside: &Beside, order: &LockOrder) {
    // Only now: of several parts, each would count it once.
    at_least_once(&mut outcome.endings, &beside.endings);
    at_least_once(&mut outcome.operations, &beside.operations);
    add_counts(
        &mut outcome.clauses,
        &beside.clauses.iter().map(|clause| Count::new(clause, 0)).collect::<Vec<_>>(),
    );
    at_least_once(&mut outcome.clauses, &beside.clauses);
    outcome.clauses.sort_by_key(|count| count.name.parse::<Clause>().ok());
    if outcome.coverage == Coverage::Exhaustive {
        let classes = order.iter().flat_map(|(earlier, later)| {
            later.keys().map(move |later| (earlier.clone(), later.clone()))
        });
        outcome.lock_order = classes.collect();
    }
    let evaluated = order.values().map(|later| later.len() as u64).sum();
    let id = Clause::ORDER_1.id();
    if evaluated > 0 {
        add_counts(&mut outcome.clauses, &[Count::new(id, evaluated)]);
    }
    if lock_order_circle(order).is_some() {
        add_counts(&mut outcome.violations, &[Count::new(id, 1)]);
    }
    let asserted = Clause::ASSERT_1.id();
    let beside = outcome.documented.clause().is_some_and(|clause| clause != asserted);
    let failed = beside && outcome.violations.iter().any(|count| count.name == asserted);
    outcome.unexplained = failed.then(|| asserted.to_owned()).into_iter().collect();
    let place = |count: &Count| Clause::ALL.iter().position(|clause| clause.id() == count.name);
    outcome.clauses.sort_by_key(place);
    outcome.violations.sort_by_key(|count| (count.name == id, place(count)));
}

/// What was reached was reached once at least, even if all that did so is not counted.
fn at_least_once(counts: &mut [Count], beside: &BTreeSet<String>) {
    for count in counts.iter_mut().filter(|count| beside.contains(&count.name)) {
        count.count = count.count.max(1);
    }
}

/// Adds counts of the same names.
pub(super) fn add_counts(counts: &mut Vec<Count>, more: &[Count]) {
    for other in more {
        match counts.iter_mut().find(|count| count.name == other.name) {
            Some(count) => count.count += other.count,
            None => counts.push(other.clone()),
        }
    }
}

/// A circle in the lock order, in words.
pub(super) fn lock_order_circle(graph: &LockOrder) -> Option<String> {
    graph.keys().find_map(|start| {
        let mut path = vec![start.as_str()];
        circle_from(graph, start, &mut path).then(|| {
            let hops = path
                .windows(2)
                .map(|hop| format!("{} → {} ({})", hop[0], hop[1], graph[hop[0]][hop[1]]));
            hops.collect::<Vec<_>>().join(", ")
        })
    })
}

fn circle_from<'g>(graph: &'g LockOrder, start: &str, path: &mut Vec<&'g str>) -> bool {
    let Some(next) = graph.get(*path.last().expect("never empty")) else { return false };
    for later in next.keys() {
        if later == start {
            path.push(later);
            return true;
        }
        if !path.contains(&later.as_str()) {
            path.push(later);
            if circle_from(graph, start, path) {
                return true;
            }
            path.pop();
        }
    }
    false
}
