//! All states and steps of a program that goes round in circles, and which of the circles are
//! livelocks.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::execution::Core;
use crate::round::Fairness;
use crate::state::Keys;
use crate::task::{Task, TaskState};
use crate::taskset::TaskSet;
use crate::trace::NONE;

/// All that it says of tasks it says of their threads.
#[derive(Debug, Default)]
struct Node {
    /// Who can run.
    ready: TaskSet,
    /// Who has not ended, stores under way among them, and who of these is none.
    unended: TaskSet,
    tasks: TaskSet,
    steps: Vec<(usize, usize)>,
}

/// The first state is the one in which the program begins.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    numbers: HashMap<u128, usize, Keys>,
    nodes: Vec<Node>,
}

impl Graph {
    fn number(&mut self, key: u128) -> usize {
        let next = self.nodes.len();
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.nodes.push(Node::default());
        }
        number
    }

    /// The state at hand has this key.
    pub(crate) fn reach(&mut self, key: u128, core: &Core) {
        let number = self.number(key);
        let node = &mut self.nodes[number];
        let ready = core.trace.frame(core.trace.depth).ready.iter();
        node.ready = ready.map(|task| core.thread(task)).collect();
        let unended = |task: &Task| task.state != TaskState::Finished;
        let those = |which: &dyn Fn(&Task) -> bool| {
            let tasks = core.tasks().iter().enumerate();
            tasks.filter(|(_, task)| which(task)).map(|(index, _)| core.thread(index)).collect()
        };
        node.unended = those(&unended);
        node.tasks = those(&|task| unended(task) && task.owner == NONE);
    }

    /// The thread's step leads from one to the other.
    pub(crate) fn step(&mut self, from: u128, thread: usize, to: u128) {
        let (from, to) = (self.number(from), self.number(to));
        if !self.nodes[from].steps.contains(&(thread, to)) {
            self.nodes[from].steps.push((thread, to));
        }
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
