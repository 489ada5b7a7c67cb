//! The execution so far: its events, their vector clocks, and the operations waiting to happen.

use std::iter::successors;
use std::panic::Location;

use crate::access::{Access, Class, ObjectId, Op};
use crate::dependence::DependenceRules;
use crate::taskset::TaskSet;

/// No event.
pub(crate) const NONE: u32 = u32::MAX;

/// One event and the state it was chosen in.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) task: u32,
    pub(crate) op: Op,
    /// Where the operation was announced.
    pub(crate) at: Option<&'static Location<'static>>,
    pub(crate) class: Class,
    /// A try that failed.
    pub(crate) failed: bool,
    /// The task whose store this is, which was on its way to memory until now; [`NONE`] if it is
    /// none.
    pub(crate) owner: u32,
    /// Which of its outcomes the event has, of how many, for one that has several. The number of an
    /// outcome is the same in every order of independent steps: the newest comes first, and what
    /// such steps can take away is the oldest (see `Graph::places`).
    pub(crate) choice: u32,
    pub(crate) choices: u32,
    /// The same by a number that does not depend on how many there are: how many values of the word
    /// are newer than the one that the event has seen, or written; or what was [chosen].
    ///
    /// [chosen]: crate::choose
    pub(crate) outcome: u32,
    /// It has seen, or written, an old value.
    pub(crate) old: bool,
    /// And what is newest is another, or was to be.
    pub(crate) behind: bool,
    /// It is a try that has succeeded with an outcome before this one.
    pub(crate) succeeded: bool,
    /// The event's own component of its clock.
    pub(crate) tick: u32,
    /// The event before this one on the same object.
    pub(crate) prev: u32,
    /// The last event on the object before the run of independent ones of one class to which this
    /// one belongs.
    pub(crate) before_run: u32,
    /// Preemptive and all switches, up to and including this event.
    pub(crate) preemptions: u32,
    pub(crate) switches: u32,
    /// The task's local state after this event, as far as it can be told (see `livelock`).
    pub(crate) local: u64,
    /// The tasks whose operation could run in the state before this event.
    pub(crate) ready: TaskSet,
    /// Those of `ready` that may run: not held back after a useless round (see `livelock`).
    pub(crate) enabled: TaskSet,
    /// What a depth-first strategy wants to run from here, and what it need not run (any more).
    pub(crate) backtrack: TaskSet,
    pub(crate) sleep: TaskSet,
    /// Those of `sleep` whose operation is a try that fails here.
    pub(crate) sleep_failed: TaskSet,
    /// Whatever else could be run from here is or was run elsewhere: nothing is to be added to
    /// `backtrack`.
    pub(crate) closed: bool,
}

impl Frame {
    /// The task whose step or store it is.
    pub(crate) fn whose(&self) -> usize {
        (if self.owner == NONE { self.task } else { self.owner }) as usize
    }

    /// Leave nothing out that could run from here.
    pub(crate) fn run_all_enabled(&mut self) {
        if !self.closed {
            self.backtrack.union_with(&self.enabled);
        }
    }

    /// The task whose event left the state need not run from it again.
    pub(crate) fn done_with_event(&mut self) {
        // A state that was not left has no event.
        if self.tick != 0 {
            let task = self.task as usize;
            self.sleep.insert(task);
            if self.failed && !self.succeeded && self.next_choice().is_none() {
                self.sleep_failed.insert(task);
            }
        }
    }

    /// The next outcome of the event that left the state, if it has not had all.
    pub(crate) fn next_choice(&self) -> Option<u32> {
        (self.tick != 0 && self.choice + 1 < self.choices).then_some(self.choice + 1)
    }

    /// Whether the event that left the state is a try that has succeeded with an outcome before
    /// this one.
    pub(crate) fn succeeded_before(&self, choice: u32) -> bool {
        choice > 0
            && (self.succeeded || choice > self.choice && self.op.access.is_try() && !self.failed)
    }

    /// What is run next from the state has this outcome.
    pub(crate) fn choose(&mut self, choice: u32) {
        self.succeeded = self.succeeded_before(choice);
        (self.choice, self.choices) = (choice, 1);
    }

    /// Whether one of the two is a read of a task, and the other a store of the same task that goes
    /// to memory: the task reads what it has stored last, wherever that is.
    pub(crate) fn forwards(&self, task: usize, class: Class, owner: u32) -> bool {
        self.owner != owner
            && (self.owner == task as u32 && class == Class::Reader
                || owner == self.task && self.class == Class::Reader)
    }

    fn empty() -> Self {
        Frame {
            task: 0,
            op: Op { object: ObjectId(0), access: Access::Read },
            at: None,
            class: Class::Reader,
            failed: false,
            owner: NONE,
            choice: 0,
            choices: 1,
            outcome: 0,
            old: false,
            behind: false,
            succeeded: false,
            tick: 0,
            prev: NONE,
            before_run: NONE,
            preemptions: 0,
            switches: 0,
            local: 0,
            ready: TaskSet::default(),
            enabled: TaskSet::default(),
            backtrack: TaskSet::default(),
            sleep: TaskSet::default(),
            sleep_failed: TaskSet::default(),
            closed: false,
        }
    }
}

/// The events of an execution and their happens-before order. Events that the next execution
/// repeats stay where they are, and allocations are kept, so that nothing is allocated per step
/// once executions have reached their length.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    frames: Vec<Frame>,
    /// Frames in use: events executed, plus the states that a repeated prefix still has to go
    /// through.
    len: usize,
    /// Events executed in the current execution.
    pub(crate) depth: usize,
    /// Events that the current execution repeats from the last one.
    pub(crate) repeated: usize,
    /// Clock of each event, `stride` words each.
    clocks: Vec<u32>,
    /// Clock of each task, `stride` words each.
    task_clocks: Vec<u32>,
    stride: usize,
    /// The clock that the task of the last settled event had before it.
    before: Vec<u32>,
    /// Last event on each object.
    last: Vec<u32>,
}

impl Trace {
    pub(crate) fn frames(&self) -> &[Frame] {
        &self.frames[..self.len]
    }

    pub(crate) fn frame(&self, index: usize) -> &Frame {
        &self.frames[index]
    }

    pub(crate) fn frame_mut(&mut self, index: usize) -> &mut Frame {
        &mut self.frames[index]
    }

    /// The events executed so far.
    pub(crate) fn events(&self) -> &[Frame] {
        &self.frames[..self.depth]
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether the next event is one that the last execution had too.
    pub(crate) fn repeating(&self) -> bool {
        self.depth < self.repeated
    }

    /// Start an execution that repeats the first `repeated` events; the state after them is kept if
    /// it is known.
    pub(crate) fn restart(&mut self, repeated: usize) {
        debug_assert!(repeated <= self.len);
        let known = self.len > repeated;
        while self.len > repeated {
            self.len -= 1;
            let frame = &self.frames[self.len];
            // A state that was not left has no event.
            if frame.tick != 0 {
                self.last[frame.op.object.0 as usize] = frame.prev;
            }
            self.frames[self.len].tick = 0;
        }
        if known {
            self.len = repeated + 1;
        }
        self.repeated = repeated;
        self.depth = 0;
        self.task_clocks.fill(0);
    }

    /// Start an execution of which nothing is known.
    pub(crate) fn start_afresh(&mut self) {
        self.restart(0);
        self.len = 0;
    }

    /// The state that the next event leaves, made if it is new. True if it is.
    pub(crate) fn open_state(&mut self) -> bool {
        if self.depth < self.len {
            return false;
        }
        if self.frames.len() == self.len {
            self.frames.push(Frame::empty());
        }
        let frame = &mut self.frames[self.len];
        frame.tick = 0;
        frame.ready.clear();
        frame.enabled.clear();
        frame.backtrack.clear();
        frame.sleep.clear();
        frame.sleep_failed.clear();
        frame.closed = false;
        frame.choose(0);
        self.len += 1;
        true
    }

    /// Forget a state that nothing was run from.
    pub(crate) fn close_state(&mut self) {
        debug_assert!(self.len == self.depth + 1);
        self.len = self.depth;
    }

    /// Make room for the clock of `task`.
    pub(crate) fn add_task(&mut self, task: usize) {
        if task >= self.stride {
            let stride = (task + 1).next_power_of_two().max(4);
            for clocks in [&mut self.clocks, &mut self.task_clocks] {
                let mut wider = vec![0; clocks.len() / self.stride.max(1) * stride];
                if self.stride > 0 {
                    for (old, new) in
                        clocks.chunks_exact(self.stride).zip(wider.chunks_exact_mut(stride))
                    {
                        new[..self.stride].copy_from_slice(old);
                    }
                }
                *clocks = wider;
            }
            self.stride = stride;
        }
        let end = (task + 1) * self.stride;
        if self.task_clocks.len() < end {
            self.task_clocks.resize(end, 0);
        }
        self.task_clocks[task * self.stride..end].fill(0);
    }

    pub(crate) fn add_object(&mut self, object: ObjectId) {
        if self.last.len() <= object.0 as usize {
            self.last.resize(object.0 as usize + 1, NONE);
        }
    }

    pub(crate) fn task_clock(&self, task: usize) -> &[u32] {
        &self.task_clocks[task * self.stride..][..self.stride]
    }

    fn task_clock_mut(&mut self, task: usize) -> &mut [u32] {
        &mut self.task_clocks[task * self.stride..][..self.stride]
    }

    /// The clock of the last event's task before it.
    pub(crate) fn clock_before(&self) -> &[u32] {
        &self.before
    }

    pub(crate) fn clock(&self, event: usize) -> &[u32] {
        &self.clocks[event * self.stride..][..self.stride]
    }

    /// Whether the event happens before what has this clock.
    pub(crate) fn before(&self, event: usize, clock: &[u32]) -> bool {
        let frame = &self.frames[event];
        clock[frame.task as usize] >= frame.tick
    }

    /// Whether somebody has the lock when this event gives it back. A release may also be of a lock
    /// that is free: a fault of the program, but one that lets it go on.
    pub(crate) fn gives_back(&self, event: usize) -> bool {
        match self.frames[event].op.access {
            Access::ReleaseShared => true,
            Access::Release => {
                let before = successors(self.frames.get(event), |frame| {
                    self.frames.get(frame.prev as usize)
                })
                .skip(1);
                let decisive = |frame: &&Frame| {
                    matches!(
                        frame.op.access,
                        Access::Acquire | Access::TryAcquire | Access::Release
                    )
                };
                let last = before.filter(|frame| !frame.failed).find(decisive);
                last.is_some_and(|frame| frame.op.access != Access::Release)
            }
            _ => false,
        }
    }

    pub(crate) fn last_on(&self, object: ObjectId) -> u32 {
        self.last[object.0 as usize]
    }

    /// `child` starts after all that `parent` has done.
    pub(crate) fn fork(&mut self, parent: usize, child: usize) {
        self.add_task(child);
        self.task_clock_mut(parent)[parent] += 1;
        let (from, to) = (parent * self.stride, child * self.stride);
        self.task_clocks.copy_within(from..from + self.stride, to);
    }

    /// `task` ends: what joins it comes after all that it has done.
    pub(crate) fn finish(&mut self, task: usize) {
        self.task_clock_mut(task)[task] += 1;
    }

    /// `task` goes on after the end of `other`.
    pub(crate) fn join(&mut self, task: usize, other: usize) {
        for word in 0..self.stride {
            let theirs = self.task_clocks[other * self.stride + word];
            let ours = &mut self.task_clocks[task * self.stride + word];
            *ours = (*ours).max(theirs);
        }
    }

    /// Execute the event that this execution repeats.
    pub(crate) fn repeat_event(&mut self) {
        let task = self.frames[self.depth].task as usize;
        let (from, to) = (self.depth * self.stride, task * self.stride);
        self.task_clocks[to..to + self.stride]
            .copy_from_slice(&self.clocks[from..from + self.stride]);
        self.depth += 1;
    }

    /// Execute `op` of `task`, which was announced `at`, as the event that leaves the current
    /// state. Its clock comes with [`Trace::settle`].
    pub(crate) fn push_event(
        &mut self,
        (task, owner): (usize, u32),
        op: Op,
        at: Option<&'static Location<'static>>,
        local: u64,
    ) {
        let prev = self.last_on(op.object);
        let index = self.depth;
        let frame = &mut self.frames[index];
        frame.task = task as u32;
        frame.owner = owner;
        frame.op = op;
        frame.at = at;
        frame.choices = 1;
        (frame.outcome, frame.old, frame.behind) = (0, false, false);
        frame.failed = false;
        frame.class = op.access.class(false);
        frame.tick = 0;
        frame.prev = prev;
        frame.local = local;
        let end = (index + 1) * self.stride;
        if self.clocks.len() < end {
            self.clocks.resize(end, 0);
        }
        self.depth += 1;
    }

    /// The last event's outcome is known: compute its clock and make it part of the order.
    pub(crate) fn settle(&mut self, failed: bool, rules: DependenceRules) {
        let index = self.depth - 1;
        let frame = &mut self.frames[index];
        frame.failed = failed;
        frame.class = frame.op.access.class(failed);
        let (task, class, object, owner) =
            (frame.task as usize, frame.class, frame.op.object, frame.owner);
        self.before.clear();
        self.before.extend_from_slice(&self.task_clocks[task * self.stride..][..self.stride]);
        let tick = self.before[task] + 1;
        self.task_clocks[task * self.stride + task] = tick;
        self.frames[index].tick = tick;
        let mut event = self.last_on(object);
        self.frames[index].before_run = event;
        if event != NONE && class != Class::Exclusive && self.frames[event as usize].class == class
        {
            event = self.frames[event as usize].before_run;
            self.frames[index].before_run = event;
        }
        let mut forwarded = NONE;
        while event != NONE {
            let other = &self.frames[event as usize];
            // Of what comes before another's store, only what its task read from the store itself
            // is not ordered before it.
            if forwarded != NONE && (other.class == Class::Exclusive || other.task != forwarded) {
                if other.class == Class::Exclusive && other.owner != forwarded {
                    break;
                }
            } else if rules.dependent(other.class, class) && !other.forwards(task, class, owner) {
                let theirs = &self.clocks[event as usize * self.stride..][..self.stride];
                let ours = &mut self.task_clocks[task * self.stride..][..self.stride];
                if ours[other.task as usize] < other.tick {
                    for (mine, &their) in ours.iter_mut().zip(theirs) {
                        *mine = (*mine).max(their);
                    }
                }
                // It comes after everything that came before it on this object.
                if other.class == Class::Exclusive {
                    forwarded = other.owner;
                    if forwarded == NONE {
                        break;
                    }
                }
            }
            event = other.prev;
        }
        self.last[object.0 as usize] = index as u32;
        let (from, to) = (task * self.stride, index * self.stride);
        self.clocks[to..to + self.stride]
            .copy_from_slice(&self.task_clocks[from..from + self.stride]);
    }

    /// Whether the last event is a try whose outcome is still to be said.
    pub(crate) fn unsettled_try(&self) -> bool {
        self.unsettled() && self.frames[self.depth - 1].op.access.is_try()
    }

    /// Whether the last event still waits for its outcome.
    pub(crate) fn unsettled(&self) -> bool {
        self.depth > self.repeated && self.frames[self.depth - 1].tick == 0
    }
}
