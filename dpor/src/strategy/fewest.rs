//! Iterative context bounding: every execution without preemptions, then with one, and so on.
//!
//! Musuvathi and Qadeer (PLDI 2007) order executions by preemptions; caching happens-before states
//! is theirs too (MSR-TR-2007-12): two sequences that differ only in the order of independent steps
//! reach the same state, so what follows is explored once per class of sequences and running task,
//! at the lowest cost at which it was reached. A preemption in front of an operation on an object
//! that only the preempted task ever touches is put off: right after the operation it is worth as
//! much. Should another task touch the object after all, what was put off is taken up again.
//!
//! Under [`Memory::Weak`] a step that does not see what is newest, or writes before it, costs as much
//! as a preemption. All outcomes of a step are gone through, also those that some other order of
//! dependent steps comes to: that order may take more preemptions.
//!
//! [`Memory::Weak`]: crate::Memory::Weak

use std::collections::HashMap;

use crate::access::{Class, Op};
use crate::execution::{Core, Explore, Outcomes};
use crate::model::Memory;
use crate::report::{End, Failure, Report, Unfinished};
use crate::state::Keys;
use crate::task::{Task, TaskState};
use crate::trace::{Frame, NONE, Trace};

/// Preemptions, then switches.
type Cost = (u32, u32);

/// A step of a schedule, with the one before it: schedules that begin alike share their beginnings.
struct Node {
    parent: u32,
    step: Step,
}

/// The task, and the outcome that its step has.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Step {
    task: u32,
    outcome: u32,
}

/// A sequence of steps to go on from.
struct Item {
    /// Its last step, NONE for the empty sequence.
    node: u32,
    cost: Cost,
    /// The class it leads to, if that could be told.
    key: Option<u128>,
}

/// Who touches an object.
struct Sharing {
    /// The origin of the first that did.
    task: u64,
    shared: bool,
    /// Preemptions put off because it is not shared.
    put_off: Vec<Item>,
}

impl Step {
    fn of(event: &Frame) -> Self {
        Step { task: event.task, outcome: event.outcome }
    }
}

type Visited = HashMap<u128, Cost, Keys>;

fn mix(a: u128, b: u128) -> u128 {
    let mut x = (a.rotate_left(29) ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    x ^= x >> 67;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93_a5a3_56b7_0f8d_2b19);
    x ^ (x >> 61)
}

pub(crate) struct Fewest {
    max: Option<u32>,
    nodes: Vec<Node>,
    /// What is left to do, by preemptions.
    levels: Vec<Vec<Item>>,
    beyond_max: bool,
    visited: Visited,
    objects: HashMap<(u64, u32), Sharing>,
    /// The sequence this execution starts with.
    path: Vec<Step>,
    /// The nodes of the sequence that is being executed.
    trail: Vec<u32>,
    /// For each event its hash, and that of all events up to it.
    hashes: Vec<(u128, u128)>,
    best: Option<Failure>,
    /// Shorter variants of the best schedule that are still to be tried.
    shorter: Option<Vec<Vec<Step>>>,
    polishing: bool,
}

impl Fewest {
    pub(crate) fn new(max: Option<u32>) -> Self {
        Fewest {
            max,
            nodes: Vec::new(),
            levels: vec![vec![Item { node: NONE, cost: (0, 0), key: None }]],
            beyond_max: false,
            visited: Visited::default(),
            objects: HashMap::new(),
            path: Vec::new(),
            trail: Vec::new(),
            hashes: Vec::new(),
            best: None,
            shorter: None,
            polishing: false,
        }
    }

    fn worse_than_best(&self, cost: Cost) -> bool {
        self.best.as_ref().is_some_and(|best| cost > (best.preemptions, best.switches))
    }

    fn push(&mut self, item: Item) {
        let level = item.cost.0 as usize;
        if self.max.is_some_and(|max| item.cost.0 > max) {
            self.beyond_max = true;
            return;
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(item);
    }

    fn node(&mut self, parent: u32, task: usize) -> u32 {
        self.outcome(parent, task, 0)
    }

    /// The same, and the step has this outcome.
    fn outcome(&mut self, parent: u32, task: usize, outcome: u32) -> u32 {
        self.nodes.push(Node { parent, step: Step { task: task as u32, outcome } });
        self.nodes.len() as u32 - 1
    }

    /// The next sequence that is worth executing.
    fn next_item(&mut self) -> Option<Item> {
        for level in 0..self.levels.len() {
            while let Some(item) = self.levels[level].pop() {
                let seen = item.key.and_then(|key| self.visited.get(&key));
                if !self.worse_than_best(item.cost) && seen.is_none_or(|&seen| seen > item.cost) {
                    return Some(item);
                }
            }
        }
        None
    }

    /// Execute `path`, of which the last execution may have done a part.
    fn start(&mut self, core: &mut Core) {
        let events = core.trace.events();
        let common = events
            .iter()
            .zip(&self.path)
            .take_while(|(event, step)| **step == Step::of(event) && event.tick != 0)
            .count();
        self.hashes.truncate(common);
        let common = common.min(self.hashes.len());
        core.rewind(common);
    }

    /// Hash of an event that would come next: determined by its class of sequences.
    fn hash_event(
        &self,
        core: &Core,
        end: usize,
        Step { task, outcome }: Step,
        op: Op,
        class: Class,
        last: u32,
    ) -> u128 {
        let task = task as usize;
        let trace = &core.trace;
        let (creator, nth) = core.creators[op.object.0 as usize];
        let who = u128::from(core.tasks()[task].origin) << 64 | u128::from(creator);
        let what = mix(who, u128::from(outcome) << 64 | u128::from(nth) << 8 | op.access as u128);
        let mine = trace.frames()[..end].iter().rposition(|frame| frame.task as usize == task);
        let mut hash = mix(what, mine.map_or(1, |event| self.hashes[event].0));
        let mut before = 0u128;
        let mut event = last;
        while event != NONE {
            let frame = trace.frame(event as usize);
            if core.rules.dependent(frame.class, class) {
                before = before.wrapping_add(self.hashes[event as usize].0);
                if frame.class == Class::Exclusive {
                    break;
                }
                event = frame.prev;
            } else {
                event = frame.before_run;
            }
        }
        hash = mix(hash, before);
        hash
    }

    fn hash_last_event(&mut self, core: &Core, outcome: u32) {
        let event = core.trace.depth - 1;
        let Frame { task, op, class, prev, .. } = *core.trace.frame(event);
        let hash = self.hash_event(core, event, Step { task, outcome }, op, class, prev);
        self.hashes.truncate(event);
        let sum = self.hashes.last().map_or(0, |last| last.1).wrapping_add(hash);
        self.hashes.push((hash, sum));
    }

    /// Names the state at hand, or that after a step of `next`, and the task that runs.
    fn key(&self, core: &Core, sum: u128, running: usize, next: Option<usize>) -> u128 {
        let origin = |task: &Task| u128::from(task.origin);
        let rounds = core.tasks().iter().fold(0u128, |all, task| {
            let round = u128::from(task.round.held_back) | u128::from(task.round.newest) << 1;
            if round == 0 { all } else { all.wrapping_add(mix(round << 1, origin(task))) }
        });
        let depth = core.trace.depth;
        let overtaken = |store: &usize| {
            next != Some(*store)
                && (core.is_overtaken(*store, depth)
                    || next.is_some_and(|next| core.overtakes(next, *store)))
        };
        let stores = core
            .stores_under_way()
            .filter(overtaken)
            .fold(rounds, |all, store| all.wrapping_add(mix(1, origin(&core.tasks()[store]))));
        mix(mix(sum, origin(&core.tasks()[running])), stores)
    }

    /// The class that running `task` next leads to, unless its step may have several outcomes.
    fn key_after(&self, core: &Core, task: usize) -> Option<u128> {
        let op = core.tasks()[task].op;
        let outcomes =
            op.access.is_try() || core.memory == Memory::Weak && core.graph.is_word(op.object);
        if outcomes || core.tasks().iter().any(|task| task.round.held_back) {
            return None;
        }
        let depth = core.trace.depth;
        let hash = self.hash_event(
            core,
            depth,
            Step { task: task as u32, outcome: 0 },
            op,
            op.access.class(false),
            core.trace.last_on(op.object),
        );
        let sum = self.hashes.last().map_or(0, |last| last.1).wrapping_add(hash);
        Some(self.key(core, sum, core.owner(task), Some(task)))
    }

    /// Note who touched what, and take up what was put off for want of sharing.
    fn touched(&mut self, core: &Core, task: usize, op: Op) {
        let task = core.tasks()[core.owner(task)].origin;
        let name = core.creators[op.object.0 as usize];
        let sharing = self.objects.entry(name).or_insert_with(|| Sharing {
            task,
            shared: false,
            put_off: Vec::new(),
        });
        if sharing.task != task {
            self.take_up(name);
        }
    }

    /// Treat the object as shared.
    fn take_up(&mut self, name: (u64, u32)) {
        let Some(sharing) = self.objects.get_mut(&name) else { return };
        sharing.shared = true;
        for item in std::mem::take(&mut sharing.put_off) {
            self.push(item);
        }
    }

    /// The same for all that is about to be touched: a task that stays blocked touches its object
    /// too.
    fn touched_by_waiting(&mut self, core: &Core) {
        for (index, task) in core.tasks().iter().enumerate() {
            if task.state == TaskState::Pending {
                self.touched(core, index, task.op);
            }
        }
    }

    /// The state is new: go on with the running task if possible, and leave the alternatives for
    /// later.
    fn expand(&mut self, core: &Core) -> Option<usize> {
        self.touched_by_waiting(core);
        let depth = core.trace.depth;
        let state = core.trace.frame(depth);
        let parent = self.trail.last().copied().unwrap_or(NONE);
        let Some(last) = core.trace.events().last() else {
            let overtaken = |&task: &usize| core.overtaken_by(task, depth);
            let first = state.enabled.iter().min_by_key(overtaken)?;
            for task in state.enabled.iter().filter(|&task| task != first) {
                let (node, key) = (self.node(parent, task), self.key_after(core, task));
                self.push(Item { node, cost: (overtaken(&task), 0), key });
            }
            return Some(first);
        };
        let (running, cost) = (core.owner(last.task as usize), (last.preemptions, last.switches));
        let sum = self.hashes[depth - 1].1;
        let key = self.key(core, sum, running, None);
        match self.visited.get(&key) {
            Some(&seen) if seen <= cost => return None,
            _ => drop(self.visited.insert(key, cost)),
        }
        // What need not stay on its way goes to memory at once.
        let own: Vec<_> =
            state.enabled.iter().filter(|&task| core.owner(task) == running).collect();
        let waits = |task: &&usize| **task != running && !core.is_overtaken(**task, depth);
        if let Some(&next) = own.iter().find(waits).or(own.first()) {
            for &task in own.iter().filter(|&&task| task != next) {
                let cost = (cost.0 + core.overtaken_by(task, depth), cost.1);
                let (node, key) = (self.node(parent, task), self.key_after(core, task));
                self.push(Item { node, cost, key });
            }
            let goes_on = core.goes_on(running, depth);
            let cost = (cost.0 + u32::from(goes_on), cost.1 + 1);
            if !self.worse_than_best(cost) {
                let name = core.creators[core.tasks()[next].op.object.0 as usize];
                let shared = !goes_on
                    || own.len() > 1
                    || self.objects.get(&name).is_some_and(|object| object.shared);
                for task in state.enabled.iter().filter(|&task| core.owner(task) != running) {
                    let (node, key) = (self.node(parent, task), self.key_after(core, task));
                    let item = Item { node, cost, key };
                    if shared {
                        self.push(item);
                    } else {
                        let task = core.tasks()[running].origin;
                        let fresh = || Sharing { task, shared: false, put_off: Vec::new() };
                        self.objects.entry(name).or_insert_with(fresh).put_off.push(item);
                    }
                }
            }
            return Some(next);
        }
        let cost = (cost.0, cost.1 + 1);
        if self.worse_than_best(cost) {
            return None;
        }
        let mut chosen = None;
        for task in state.enabled.iter() {
            let key = self.key_after(core, task);
            if key.and_then(|key| self.visited.get(&key)).is_some_and(|&seen| seen <= cost) {
                continue;
            }
            if chosen.is_none() {
                chosen = Some(task);
            } else {
                let node = self.node(parent, task);
                self.push(Item { node, cost, key });
            }
        }
        chosen
    }

    /// Variants of the best schedule without one step: a step may be there only because a
    /// preemption was put off past it.
    fn shorten(&mut self) {
        let Some(best) = &self.best else { return };
        let step = |(at, &task)| Step { task, outcome: best.schedule.outcome(at) };
        let steps: Vec<_> = best.schedule.tasks().iter().enumerate().map(step).collect();
        let variants =
            (0..steps.len()).filter(|&at| steps.get(at + 1) != Some(&steps[at])).map(|at| {
                let mut shorter = steps.clone();
                shorter.remove(at);
                shorter
            });
        self.shorter = Some(variants.collect());
    }
}

/// Whether everything up to the end of the sequence is as the sequence says.
fn along(path: &[Step], trace: &Trace) -> Option<usize> {
    path.get(trace.depth)
        .map(|step| step.task as usize)
        .filter(|&task| trace.frame(trace.depth).enabled.contains(task))
}

impl Explore for Fewest {
    fn begin(&mut self, core: &mut Core) -> bool {
        if !self.polishing {
            if let Some(item) = self.next_item() {
                self.path.clear();
                self.trail.clear();
                let mut node = item.node;
                while node != NONE {
                    self.path.push(self.nodes[node as usize].step);
                    self.trail.push(node);
                    node = self.nodes[node as usize].parent;
                }
                self.path.reverse();
                self.trail.reverse();
                self.start(core);
                return true;
            }
            self.polishing = true;
            self.shorten();
        }
        match self.shorter.as_mut().and_then(Vec::pop) {
            None => false,
            Some(path) => {
                self.path = path;
                self.start(core);
                true
            }
        }
    }

    fn choose(&mut self, core: &mut Core) -> Option<usize> {
        let depth = core.trace.depth;
        if self.polishing || depth < self.path.len() {
            let task = along(&self.path, &core.trace);
            if task.is_none() && !self.polishing {
                core.differs(format!(
                    "task {} could run here before, and now cannot",
                    self.path[depth].task
                ));
            }
            return task;
        }
        let task = self.expand(core)?;
        let parent = self.trail.last().copied().unwrap_or(NONE);
        let node = self.node(parent, task);
        self.trail.push(node);
        Some(task)
    }

    fn pick(&mut self, core: &mut Core, outcomes: Outcomes<'_>) -> Option<u32> {
        let event = core.trace.depth - 1;
        let outcome = self.path.get(event).map_or(0, |step| step.outcome);
        let chosen = outcomes.position(outcome);
        if self.polishing {
            return chosen.or(Some(0));
        }
        // The others are for later, if they are not known yet.
        let Frame { task, preemptions, switches, .. } = *core.trace.frame(event);
        let cost = (preemptions + u32::from(outcomes.old), switches);
        if outcome == 0 && event + 1 >= self.path.len() && !self.worse_than_best(cost) {
            let parent = event.checked_sub(1).map_or(NONE, |before| self.trail[before]);
            for &other in &outcomes.numbers[1..] {
                let node = self.outcome(parent, task as usize, other);
                self.push(Item { node, cost, key: None });
            }
        }
        if outcome > 0 && !core.trace.unsettled() {
            self.hash_last_event(core, outcome);
        }
        chosen
    }

    fn executed(&mut self, core: &mut Core) {
        self.hash_last_event(core, core.trace.frame(core.trace.depth - 1).outcome);
    }

    fn end(&mut self, core: &mut Core, end: End) {
        self.touched_by_waiting(core);
        // After the step that failed there is no preemption any more: what was put off past it is
        // to be done before it.
        if let (End::Failed, Some(last)) = (end, core.trace.events().last()) {
            self.take_up(core.creators[last.op.object.0 as usize]);
        }
    }

    fn found(&mut self, _core: &Core, failure: &mut Option<Failure>) -> bool {
        let cost =
            |failure: &Failure| (failure.preemptions, failure.switches, failure.schedule.len());
        if let Some(found) = failure.as_ref()
            && self.best.as_ref().is_none_or(|best| cost(found) < cost(best))
        {
            self.best = failure.take();
            if self.polishing {
                self.shorten();
            }
        }
        true
    }

    fn conclude(&mut self, _core: &mut Core, finished: bool, report: &mut Report) {
        let lowest = self.levels.iter().position(|level| !level.is_empty());
        report.frontier = self.levels.iter().map(|level| level.len() as u64).sum();
        let nothing_left = lowest.is_none();
        if let Some(best) = self.best.take() {
            report.minimal = finished || self.polishing;
            report.covered_preemptions =
                if report.minimal { Some(best.preemptions) } else { covered(lowest) };
            report.failures.insert(0, best);
            report.why_unfinished.get_or_insert(Unfinished::Found);
        } else if finished && self.beyond_max {
            report.covered_preemptions = self.max;
            report.why_unfinished = self.max.map(Unfinished::Bound);
        } else if finished {
            report.exhausted = nothing_left;
        } else {
            report.covered_preemptions = covered(lowest);
        }
    }
}

/// The preemptions up to which nothing is left, if the lowest level with something left is this.
fn covered(lowest: Option<usize>) -> Option<u32> {
    lowest.and_then(|level| (level as u32).checked_sub(1))
}
