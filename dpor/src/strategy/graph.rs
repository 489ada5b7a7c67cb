//! All states and steps of a program that goes round in circles, and which of the circles are
//! livelocks.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::execution::Core;
use crate::known::Node;
use crate::round::Fairness;
use crate::state::{Keys, Sum};
use crate::task::{Task, TaskState};
use crate::taskset::TaskSet;
use crate::trace::NONE;

/// What a step leads to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    State(usize),
    End,
}

/// The first state is the one in which the program begins.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    numbers: HashMap<u128, usize, Keys>,
    nodes: Vec<Node>,
    /// States from which something may be left to run, by how far they are from the first.
    open: BTreeMap<usize, Vec<usize>>,
    /// There were so many states when the ways to them were found.
    measured: usize,
}

impl Graph {
    /// What was found before.
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let numbers = nodes.iter().enumerate().map(|(state, node)| (node.key, state)).collect();
        Graph { numbers, nodes, ..Graph::default() }
    }

    /// All of it, where this step was perhaps not taken.
    pub(crate) fn nodes(&self, taken: Option<(usize, usize)>) -> Vec<Node> {
        let mut nodes = self.nodes.clone();
        taken.iter().for_each(|&(state, thread)| nodes[state].left.insert(thread));
        nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Steps that were not taken.
    pub(crate) fn left(&self) -> u64 {
        self.nodes.iter().map(|node| node.left.len() as u64).sum()
    }

    pub(crate) fn find(&self, key: u128) -> Option<usize> {
        self.numbers.get(&key).copied()
    }

    pub(crate) fn check(&self, state: usize) -> u64 {
        self.nodes[state].check
    }

    pub(crate) fn shared(&self, state: usize) -> Sum {
        self.nodes[state].shared
    }

    pub(crate) fn has_left(&self, state: usize) -> bool {
        !self.nodes[state].left.is_empty()
    }

    /// The state at hand, which is new.
    pub(crate) fn add(&mut self, key: u128, check: u64, core: &Core) -> usize {
        let ready = core.trace.frame(core.trace.depth).ready.iter();
        let ready: TaskSet = ready.map(|task| core.thread(task)).collect();
        let unended = |task: &Task| task.state != TaskState::Finished;
        let those = |which: &dyn Fn(&Task) -> bool| {
            let tasks = core.tasks().iter().enumerate();
            tasks.filter(|(_, task)| which(task)).map(|(index, _)| core.thread(index)).collect()
        };
        let state = self.nodes.len();
        self.numbers.insert(key, state);
        self.open.entry(core.trace.depth).or_default().push(state);
        self.nodes.push(Node {
            key,
            check,
            shared: core.shared,
            came: None,
            depth: core.trace.depth,
            left: ready.clone(),
            ready,
            unended: those(&unended),
            tasks: those(&|task| unended(task) && task.owner == NONE),
            steps: Vec::new(),
            ends: None,
        });
        state
    }

    /// A state from which something is left to run: of those, the nearest to the first.
    pub(crate) fn next(&mut self) -> Option<usize> {
        if self.nodes.len() > 2 * self.measured {
            self.measure();
        }
        while let Some(mut nearest) = self.open.first_entry() {
            while let Some(&state) = nearest.get().last() {
                if !self.nodes[state].left.is_empty() {
                    return Some(state);
                }
                nearest.get_mut().pop();
            }
            nearest.remove();
        }
        None
    }

    /// Find the shortest ways anew.
    fn measure(&mut self) {
        self.measured = self.nodes.len();
        self.open.clear();
        let mut met = vec![false; self.nodes.len()];
        met[0] = true;
        let mut next = VecDeque::from([0]);
        while let Some(state) = next.pop_front() {
            let depth = self.nodes[state].depth;
            if !self.nodes[state].left.is_empty() {
                self.open.entry(depth).or_default().push(state);
            }
            for at in 0..self.nodes[state].steps.len() {
                let (thread, to) = self.nodes[state].steps[at];
                if !std::mem::replace(&mut met[to], true) {
                    (self.nodes[to].came, self.nodes[to].depth) =
                        (Some((state, thread)), depth + 1);
                    next.push_back(to);
                }
            }
        }
    }

    /// Who has to run to come to the state.
    pub(crate) fn way_to(&self, mut state: usize) -> Vec<usize> {
        let mut way = Vec::with_capacity(self.nodes[state].depth + 1);
        while let Some((before, thread)) = self.nodes[state].came {
            way.push(thread);
            state = before;
        }
        way.reverse();
        way
    }

    /// One of those that are left to run from the state, this one if it is among them, is run.
    pub(crate) fn take(&mut self, state: usize, wanted: Option<usize>) -> usize {
        let left = &mut self.nodes[state].left;
        let wanted = wanted.filter(|&thread| left.contains(thread));
        let thread = wanted.or_else(|| left.iter().next()).expect("something is left");
        left.remove(thread);
        thread
    }

    /// The thread's step leads from one to the other.
    pub(crate) fn step(&mut self, from: usize, thread: usize, to: Next) {
        let Next::State(to) = to else {
            self.nodes[from].ends.get_or_insert(thread);
            return;
        };
        let depth = self.nodes[from].depth + 1;
        if to != 0 && (self.nodes[to].came.is_none() || self.nodes[to].depth > depth) {
            (self.nodes[to].came, self.nodes[to].depth) = (Some((from, thread)), depth);
            if !self.nodes[to].left.is_empty() {
                self.open.entry(depth).or_default().push(to);
            }
        }
        self.nodes[from].steps.push((thread, to));
    }

    /// A step that was taken from the state.
    pub(crate) fn known_step(&self, state: usize) -> Option<(usize, Next)> {
        let Node { steps, ends, .. } = &self.nodes[state];
        let step = steps.first().map(|&(thread, to)| (thread, Next::State(to)));
        step.or(ends.map(|thread| (thread, Next::End)))
    }

    /// Schedules that lead into a circle that is fair, and round in it often enough for everyone
    /// who watches rounds to see it: one for each set of tasks that never end.
    pub(crate) fn livelocks(&self, fairness: Fairness) -> Vec<Vec<usize>> {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        let mut found = BTreeMap::new();
        for component in self.components(&all) {
            if let Some(circle) = self.fair(component, fairness) {
                let tasks = self.nodes[circle[0]].tasks.iter().collect::<Vec<_>>();
                found.entry(tasks).or_insert(circle);
            }
        }
        found.values().map(|circle| self.show(circle)).collect()
    }

    /// Tasks that move within these states, which are strongly connected.
    fn movers(&self, states: &[usize]) -> TaskSet {
        let inside: HashSet<usize> = states.iter().copied().collect();
        let steps = states.iter().flat_map(|&state| &self.nodes[state].steps);
        steps.filter(|(_, to)| inside.contains(to)).map(|&(task, _)| task).collect()
    }

    /// The states of a fair circle among these, which are strongly connected.
    fn fair(&self, states: Vec<usize>, fairness: Fairness) -> Option<Vec<usize>> {
        let movers = self.movers(&states);
        let first = &self.nodes[states[0]];
        let starved = |task: &usize| {
            let mut ready = states.iter().map(|&state| self.nodes[state].ready.contains(*task));
            !movers.contains(*task)
                && match fairness {
                    Fairness::Weak => ready.all(|ready| ready),
                    Fairness::Strong => ready.any(|ready| ready),
                }
        };
        let starved: TaskSet = first.unended.iter().filter(starved).collect();
        if starved.is_empty() {
            return Some(states);
        }
        if fairness == Fairness::Weak {
            // Where fewer states are gone through, no task moves more, or cannot run more often.
            return None;
        }
        let rest: Vec<usize> = states
            .into_iter()
            .filter(|&state| !self.nodes[state].ready.intersects(&starved))
            .collect();
        self.components(&rest).into_iter().find_map(|smaller| self.fair(smaller, fairness))
    }

    /// Into the circle, and three times round in it: everyone who moves in it does, and who cannot
    /// run now and then cannot.
    fn show(&self, states: &[usize]) -> Vec<usize> {
        let inside: HashSet<usize> = states.iter().copied().collect();
        let (mut schedule, start) = self.way(0, |state| inside.contains(&state), None);
        let (mut round, mut at) = (Vec::new(), start);
        let go = |round: &mut Vec<usize>, at: usize, wanted: &dyn Fn(usize) -> bool| {
            let (way, end) = self.way(at, wanted, Some(&inside));
            round.extend(way);
            end
        };
        for task in self.movers(states).iter() {
            let own = |state: usize| {
                self.nodes[state]
                    .steps
                    .iter()
                    .find(|(other, to)| *other == task && inside.contains(to))
            };
            at = go(&mut round, at, &|state| own(state).is_some());
            round.push(task);
            at = own(at).expect("it was looked for").1;
        }
        for task in self.nodes[start].unended.iter() {
            if states.iter().any(|&state| !self.nodes[state].ready.contains(task)) {
                at = go(&mut round, at, &|state| !self.nodes[state].ready.contains(task));
            }
        }
        go(&mut round, at, &|state| state == start);
        for _ in 0..3 {
            schedule.extend(&round);
        }
        schedule
    }

    /// Who has to run to come from one state to the first that is wanted, by the shortest way, if
    /// it may lead inside only; and that one.
    fn way(
        &self,
        from: usize,
        wanted: impl Fn(usize) -> bool,
        inside: Option<&HashSet<usize>>,
    ) -> (Vec<usize>, usize) {
        let mut came: HashMap<usize, Option<(usize, usize)>> = HashMap::from([(from, None)]);
        let mut next = VecDeque::from([from]);
        while let Some(state) = next.pop_front() {
            if wanted(state) {
                let (mut way, mut at) = (Vec::new(), state);
                while let Some((before, task)) = came[&at] {
                    way.push(task);
                    at = before;
                }
                way.reverse();
                return (way, state);
            }
            for &(task, to) in &self.nodes[state].steps {
                if inside.is_none_or(|inside| inside.contains(&to)) && !came.contains_key(&to) {
                    came.insert(to, Some((state, task)));
                    next.push_back(to);
                }
            }
        }
        unreachable!(
            "every state was reached from the first, and those of a circle are strongly connected"
        )
    }

    /// The strongly connected sets among these, as far as there is a circle in them (Tarjan).
    fn components(&self, states: &[usize]) -> Vec<Vec<usize>> {
        let inside: HashMap<usize, usize> =
            states.iter().enumerate().map(|(at, &state)| (state, at)).collect();
        let (mut index, mut low, mut on) =
            (vec![usize::MAX; states.len()], vec![0; states.len()], vec![false; states.len()]);
        let (mut stack, mut found, mut next) = (Vec::new(), Vec::new(), 0);
        for root in 0..states.len() {
            if index[root] != usize::MAX {
                continue;
            }
            let mut path = vec![(root, 0)];
            while let Some(&mut (at, ref mut edge)) = path.last_mut() {
                if index[at] == usize::MAX {
                    (index[at], low[at], on[at]) = (next, next, true);
                    next += 1;
                    stack.push(at);
                }
                if let Some(&(_, to)) = self.nodes[states[at]].steps.get(*edge) {
                    *edge += 1;
                    if let Some(&to) = inside.get(&to) {
                        if index[to] == usize::MAX {
                            path.push((to, 0));
                        } else if on[to] {
                            low[at] = low[at].min(index[to]);
                        }
                    }
                    continue;
                }
                path.pop();
                if let Some(&(before, _)) = path.last() {
                    low[before] = low[before].min(low[at]);
                }
                if low[at] == index[at] {
                    let begin =
                        stack.iter().rposition(|&other| other == at).expect("it is on the stack");
                    let members: Vec<usize> = stack.drain(begin..).collect();
                    members.iter().for_each(|&member| on[member] = false);
                    let component: Vec<usize> =
                        members.iter().map(|&member| states[member]).collect();
                    if component.len() > 1
                        || self.nodes[component[0]].steps.iter().any(|step| step.1 == component[0])
                    {
                        found.push(component);
                    }
                }
            }
        }
        found
    }
}
