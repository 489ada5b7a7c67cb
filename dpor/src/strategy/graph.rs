//! All states and steps of a program that goes round in circles, and which of the circles are
//! livelocks.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::Hash;

use crate::access::{Class, Creator};
use crate::dependence::DependenceRules;
use crate::execution::Core;
use crate::known::{Node, Passage, SavedGraph, Step};
use crate::round::Fairness;
use crate::state::{Keys, Sum};
use crate::task::{Task, TaskState};
use crate::taskset::TaskSet;
use crate::trace::NONE;

/// What a passage leads to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    State(usize),
    End,
}

/// The first state is the one in which the program begins.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    numbers: HashMap<u128, u32, Keys>,
    nodes: Vec<Node>,
    /// From which states passages lead to each.
    from: Vec<Vec<(u32, u32)>>,
    passages: Vec<Passage>,
    passage_numbers: HashMap<Passage, u32, Keys>,
    /// Steps that were enough in some state, and their numbers.
    alone: Vec<Step>,
    alone_numbers: HashMap<Step, u32, Keys>,
    /// Whether these passages depend on each other, as far as it was asked.
    dependent: HashMap<(u32, u32), bool, Keys>,
    /// States from which something may be left to run, by how far they are from the first.
    open: BTreeMap<u32, Vec<usize>>,
    /// There were so many states when the ways to them were found.
    measured: usize,
}

/// The number of what is perhaps new.
fn number<T: Hash + Eq + Clone>(of: &mut HashMap<T, u32, Keys>, all: &mut Vec<T>, what: T) -> u32 {
    *of.entry(what).or_insert_with_key(|what| {
        all.push(what.clone());
        all.len() as u32 - 1
    })
}

impl Graph {
    /// What was found before.
    pub(crate) fn new(nodes: Vec<Node>, passages: Vec<Passage>, alone: Vec<Step>) -> Self {
        let mut from = vec![Vec::new(); nodes.len()];
        for (state, node) in (0..).zip(&nodes) {
            for &(passage, to) in node.steps.iter().filter(|(_, to)| *to != NONE) {
                from[to as usize].push((state, passage));
            }
        }
        Graph {
            from,
            numbers: nodes.iter().map(|node| node.key).zip(0..).collect(),
            passage_numbers: passages.iter().cloned().zip(0..).collect(),
            alone_numbers: alone.iter().cloned().zip(0..).collect(),
            nodes,
            passages,
            alone,
            ..Graph::default()
        }
    }

    /// All of it, where this step was perhaps not taken.
    pub(crate) fn saved(&self, taken: Option<(usize, usize)>) -> SavedGraph {
        let mut nodes = self.nodes.clone();
        taken.iter().for_each(|&(state, thread)| nodes[state].left.insert(thread));
        let (passages, alone) = (self.passages.clone(), self.alone.clone());
        SavedGraph { nodes, passages, alone, ..SavedGraph::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Steps that were not taken.
    pub(crate) fn left(&self) -> u64 {
        self.nodes.iter().map(|node| node.left.len() as u64).sum()
    }

    pub(crate) fn find(&self, key: u128) -> Option<usize> {
        self.numbers.get(&key).map(|&state| state as usize)
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
        self.from.push(Vec::new());
        let state = self.nodes.len();
        let depth = core.trace.depth as u32;
        self.numbers.insert(key, state as u32);
        self.open.entry(depth).or_default().push(state);
        self.nodes.push(Node {
            key,
            check,
            shared: core.shared,
            came: None,
            depth,
            left: ready.clone(),
            ready,
            unended: those(&unended),
            tasks: those(&|task| unended(task) && task.owner == NONE),
            steps: Vec::new(),
        });
        state
    }

    /// The number of a step that is enough.
    pub(crate) fn alone(&mut self, step: Step) -> usize {
        number(&mut self.alone_numbers, &mut self.alone, step) as usize
    }

    pub(crate) fn step(&self, number: usize) -> &Step {
        &self.alone[number]
    }

    /// All that was left is run. What led past states in which a step was enough that is not
    /// `still`, is run again.
    pub(crate) fn reconsider(&mut self, still: impl Fn(&Step) -> bool) {
        let still: Vec<bool> = self.alone.iter().map(still).collect();
        let fine = |passage: &Passage| passage.alone.iter().all(|&step| still[step]);
        let fine: Vec<bool> = self.passages.iter().map(fine).collect();
        self.from.iter_mut().for_each(|from| from.retain(|step| fine[step.1 as usize]));
        for (state, node) in self.nodes.iter_mut().enumerate() {
            let Node { left, steps, .. } = node;
            steps.retain(|&(passage, _)| {
                if !fine[passage as usize] {
                    left.insert(self.passages[passage as usize].route[0]);
                }
                fine[passage as usize]
            });
            if !left.is_empty() {
                self.open.entry(node.depth).or_default().push(state);
            }
        }
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

    /// Find shorter ways. Those that are known stay ways, though a passage of theirs was forgotten.
    fn measure(&mut self) {
        self.measured = self.nodes.len();
        let known = self.nodes.iter().enumerate();
        let mut next: BinaryHeap<_> =
            known.map(|(state, node)| Reverse((node.depth, state))).collect();
        while let Some(Reverse((depth, state))) = next.pop() {
            if self.nodes[state].depth < depth {
                continue;
            }
            for at in 0..self.nodes[state].steps.len() {
                let (passage, to) = self.nodes[state].steps[at];
                let depth = depth + self.passages[passage as usize].route.len() as u32;
                if to != NONE && depth < self.nodes[to as usize].depth {
                    let node = &mut self.nodes[to as usize];
                    (node.came, node.depth) = (Some((state as u32, passage)), depth);
                    next.push(Reverse((depth, to as usize)));
                }
            }
        }
        self.open.clear();
        for (state, node) in self.nodes.iter().enumerate() {
            if !node.left.is_empty() {
                self.open.entry(node.depth).or_default().push(state);
            }
        }
    }

    /// Who has to run to come to the state.
    pub(crate) fn way_to(&self, mut state: usize) -> Vec<usize> {
        let mut way = Vec::with_capacity(self.nodes[state].depth as usize + 1);
        while let Some((before, passage)) = self.nodes[state].came {
            way.extend(self.route(passage).iter().rev());
            state = before as usize;
        }
        way.reverse();
        way
    }

    /// The steps that were enough on the way to the state.
    pub(crate) fn alone_before(&self, state: usize) -> impl Iterator<Item = usize> {
        let came = |&state: &usize| self.nodes[state].came.map(|(before, _)| before as usize);
        let states = std::iter::successors(Some(state), came);
        let passages = states.filter_map(|state| self.nodes[state].came);
        passages.flat_map(|(_, passage)| self.passages[passage as usize].alone.iter().copied())
    }

    /// Whose steps a passage is.
    pub(crate) fn route(&self, passage: u32) -> &[usize] {
        &self.passages[passage as usize].route
    }

    /// One of those that are left to run from the state, this one if it is among them, is run.
    pub(crate) fn take(&mut self, state: usize, wanted: Option<usize>) -> usize {
        let left = &mut self.nodes[state].left;
        let wanted = wanted.filter(|&thread| left.contains(thread));
        let thread = wanted.or_else(|| left.iter().next()).expect("something is left");
        left.remove(thread);
        thread
    }

    /// The passage leads from one to the other. So do others, then: where two that do not depend on
    /// each other lead from a state, and to where it comes to take one and then the other is known,
    /// the other way round comes to the same. That is asked of passages of at most so many steps.
    pub(crate) fn leads(&mut self, from: usize, passage: Passage, to: Next, longest: usize) {
        let passage = number(&mut self.passage_numbers, &mut self.passages, passage);
        let Next::State(to) = to else {
            self.nodes[from].steps.push((passage, NONE));
            return;
        };
        let mut all = vec![(from as u32, passage, to as u32)];
        while let Some((from, passage, to)) = all.pop() {
            self.add_step(from, passage, to);
            for at in 0..self.nodes[from as usize].steps.len() {
                let (other, beside) = self.nodes[from as usize].steps[at];
                if beside == NONE || !self.commute(passage, other, longest) {
                    continue;
                }
                let there = self.target(beside, passage);
                all.extend(there.and_then(|there| self.found(to, other, there)));
                let there = self.target(to, other);
                all.extend(there.and_then(|there| self.found(beside, passage, there)));
            }
            for at in 0..self.from[from as usize].len() {
                let (before, other) = self.from[from as usize][at];
                if !self.commute(passage, other, longest) {
                    continue;
                }
                let beside = self.target(before, passage);
                all.extend(beside.and_then(|beside| self.found(beside, other, to)));
            }
        }
    }

    /// This leads there as well, if it was left to be run.
    fn found(&mut self, from: u32, passage: u32, to: u32) -> Option<(u32, u32, u32)> {
        let thread = self.route(passage)[0];
        let left = &mut self.nodes[from as usize].left;
        let new = left.contains(thread);
        left.remove(thread);
        new.then_some((from, passage, to))
    }

    /// To which state the passage leads from this one, as far as it is known.
    fn target(&self, state: u32, passage: u32) -> Option<u32> {
        let mut steps = self.nodes[state as usize].steps.iter();
        steps.find(|step| step.0 == passage).map(|step| step.1).filter(|&to| to != NONE)
    }

    fn add_step(&mut self, from: u32, passage: u32, to: u32) {
        let length = self.route(passage).len() as u32;
        let depth = self.nodes[from as usize].depth + length;
        let node = &mut self.nodes[to as usize];
        if to != 0 && (node.came.is_none() || node.depth > depth) {
            (node.came, node.depth) = (Some((from, passage)), depth);
            if !node.left.is_empty() {
                self.open.entry(depth).or_default().push(to as usize);
            }
        }
        self.from[to as usize].push((from, passage));
        self.nodes[from as usize].steps.push((passage, to));
    }

    /// Whether both can be taken in any order, whatever the other threads are about to do.
    fn commute(&mut self, one: u32, other: u32, longest: usize) -> bool {
        let [first, second] = [one, other].map(|number| &self.passages[number as usize]);
        !*self.dependent.entry((one.min(other), one.max(other))).or_insert_with(|| {
            // Where nobody else could go on, others can after the other passage.
            let enough = |Passage { route, alone, .. }: &Passage| {
                alone.len() + 1 == route.len() && route.len() <= longest
            };
            let rules = DependenceRules::default();
            let depends = |&(object, class): &(Creator, Class)| {
                let mut theirs = second.does.iter().filter(|(other, _)| *other == object);
                theirs.any(|&(_, theirs)| rules.dependent(class, theirs))
            };
            !enough(first)
                || !enough(second)
                || first.route.iter().any(|thread| second.route.contains(thread))
                || first.does.iter().any(depends)
        })
    }

    /// A passage that was taken from the state, and leads to the same each time: to another state, if
    /// one does.
    pub(crate) fn known_step(&self, state: usize) -> Option<(u32, Next)> {
        let steps = self.nodes[state].steps.iter();
        let mut steps = steps.filter(|step| !self.passages[step.0 as usize].raced);
        let first = steps.clone().next();
        let step = steps.find(|(_, to)| *to != NONE).or(first);
        step.map(|&(passage, to)| {
            (passage, if to == NONE { Next::End } else { Next::State(to as usize) })
        })
    }

    /// The passages from a state to others of these.
    fn inside(
        &self,
        state: usize,
        inside: impl Fn(usize) -> bool,
    ) -> impl Iterator<Item = (&Passage, usize)> {
        let steps = self.nodes[state].steps.iter();
        let steps = steps.filter(move |&&(_, to)| to != NONE && inside(to as usize));
        steps.map(|&(passage, to)| (&self.passages[passage as usize], to as usize))
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
        let these: HashSet<usize> = states.iter().copied().collect();
        let inside = |state: usize| these.contains(&state);
        let passages = states.iter().flat_map(|&state| self.inside(state, inside));
        passages.flat_map(|(passage, _)| &passage.route).copied().collect()
    }

    /// The states of a fair circle among these, which are strongly connected. Who does not move can
    /// run between two of them only if he can in one of both.
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
        let these: HashSet<usize> = states.iter().copied().collect();
        let inside = |state: usize| these.contains(&state);
        let nearest = states.iter().min_by_key(|&&state| self.nodes[state].depth);
        let start = *nearest.expect("a circle has states");
        let mut schedule = self.way_to(start);
        let (mut round, mut at) = (Vec::new(), start);
        let go = |round: &mut Vec<usize>, at: usize, wanted: &dyn Fn(usize) -> bool| {
            let (way, end) = self.way(at, wanted, inside);
            round.extend(way);
            end
        };
        for task in self.movers(states).iter() {
            let own = |state: usize| {
                let mut passages = self.inside(state, inside);
                passages.find(|(passage, _)| passage.route.contains(&task))
            };
            at = go(&mut round, at, &|state| own(state).is_some());
            let (passage, to) = own(at).expect("it was looked for");
            round.extend(&passage.route);
            at = to;
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

    /// Who has to run to come from one state to the first that is wanted, through such states
    /// alone; and that one.
    fn way(
        &self,
        from: usize,
        wanted: impl Fn(usize) -> bool,
        inside: impl Fn(usize) -> bool,
    ) -> (Vec<usize>, usize) {
        let mut came: HashMap<usize, Option<(usize, &Passage)>> = HashMap::from([(from, None)]);
        let mut next = VecDeque::from([from]);
        while let Some(state) = next.pop_front() {
            if wanted(state) {
                let (mut way, mut at) = (Vec::new(), state);
                while let Some((before, passage)) = came[&at] {
                    way.extend(passage.route.iter().rev());
                    at = before;
                }
                way.reverse();
                return (way, state);
            }
            for (passage, to) in self.inside(state, &inside) {
                came.entry(to).or_insert_with(|| {
                    next.push_back(to);
                    Some((state, passage))
                });
            }
        }
        unreachable!("the states of a circle are strongly connected")
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
                    if let Some(&to) = inside.get(&(to as usize)) {
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
                    let first = component[0];
                    if component.len() > 1 || self.inside(first, |to| to == first).next().is_some()
                    {
                        found.push(component);
                    }
                }
            }
        }
        found
    }
}
