//! What objects, failures and states are called, whatever the interleaving: it is the same in every execution that comes to them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Core, Creator};
use crate::access::ObjectId;
use crate::hook::with_quiet;
use crate::livelock::mix;
use crate::log::Did;
use crate::report::{FailureKind, panic_failure};
use crate::state::Digest;
use crate::task::{Task, TaskState};
use crate::trace::Frame;

impl Core {
    /// What the last task has read is part of its local state.
    pub(crate) fn observed(&mut self, value: u64) {
        self.did(self.current, || Did::Observed(value));
        let task = &mut self.tasks[self.current];
        task.round.observed(value);
        task.learned.value(value);
    }

    /// What the current task has learned so far.
    pub(crate) fn learned(&self) -> Digest {
        self.tasks[self.current].learned.mark()
    }

    /// What the current task has learned since then comes to no more than `value`.
    pub(crate) fn learned_since(&mut self, mark: Digest, value: u64) {
        self.tasks[self.current].learned.since(mark, value);
    }

    pub(crate) fn object(&mut self) -> ObjectId {
        let object = ObjectId(self.objects);
        self.objects += 1;
        self.trace.add_object(object);
        let Task { origin, round, .. } = &mut self.tasks[self.current];
        let creator = (*origin, round.objects);
        round.objects += 1;
        self.named(object, creator);
        object
    }

    pub(crate) fn object_named(&mut self, name: u64) -> ObjectId {
        let object = ObjectId(self.objects);
        self.objects += 1;
        self.trace.add_object(object);
        // No task makes that many.
        self.named(object, (name, u32::MAX));
        object
    }

    fn named(&mut self, object: ObjectId, creator: Creator) {
        self.creators.push(creator);
        if self.by_states {
            self.numbers.insert(creator, object.0);
        }
    }

    /// The object that this one has created, as that of its objects, if it has.
    pub(crate) fn object_of(&self, creator: Creator) -> Option<ObjectId> {
        self.numbers.get(&creator).map(|&number| ObjectId(number))
    }

    pub(crate) fn creator(&self, object: ObjectId) -> Creator {
        self.creators[object.0 as usize]
    }

    /// What tells the failure of a task that panicked from others, whatever the interleaving: what it says, and all that happened before
    /// it. What else has happened does not matter.
    pub(crate) fn failure_key(&self, kind: &FailureKind) -> Option<u64> {
        let FailureKind::Panic { task, .. } = kind else { return None };
        let mut clock = self.trace.task_clock(*task).to_vec();
        if let Some(last) = self.trace.depth.checked_sub(1) {
            clock.iter_mut().zip(self.trace.clock(last)).for_each(|(mine, &theirs)| *mine = theirs.max(*mine));
        }
        let before = |index: &usize| self.trace.before(*index, &clock);
        let events = (0..self.trace.depth).filter(before).map(|index| {
            let Frame { task, op, failed, choice, .. } = *self.trace.frame(index);
            let (creator, nth) = self.creators[op.object.0 as usize];
            let clock = self.trace.clock(index).iter().zip(&self.tasks).filter(|(tick, _)| **tick > 0);
            let seen = clock.fold(0u64, |sum, (&tick, task)| sum.wrapping_add(mix(task.origin, tick.into())));
            let what = [creator, nth.into(), op.access as u64, u64::from(failed) | u64::from(choice) << 1, seen];
            what.into_iter().fold(self.tasks[task as usize].origin, mix)
        });
        let class = kind.class().bytes().fold(0, |sum, byte| mix(sum, byte.into()));
        Some(events.fold(mix(class, self.tasks[*task].origin), u64::wrapping_add))
    }

    /// The name of the state at hand, and what has to be the same whenever it is reached: who is about to do what, and who can. `None` if the
    /// program does not name its state, or a panic has ended the execution.
    pub(crate) fn state(&mut self) -> Option<(u128, u64)> {
        let naming = self.naming.take()?;
        let mut key = Digest::default();
        let named = catch_unwind(AssertUnwindSafe(|| with_quiet(true, || naming(&mut key))));
        self.naming = Some(naming);
        if let Err(payload) = named {
            self.fail(panic_failure(self.current, payload));
            return None;
        }
        let (mut check, mut fresh) = (Digest::default(), self.fresh);
        for task in &self.tasks[..self.count] {
            key.put(task.origin);
            let state = match task.state {
                TaskState::New => 1,
                TaskState::Local => 2,
                TaskState::Pending => 3,
                TaskState::Joining(other) => mix(4, self.tasks[other].origin),
                // What it knew is gone.
                TaskState::Finished => {
                    key.put(5 + u64::from(task.failed));
                    continue;
                }
            };
            key.put(state);
            key.put(task.children << 32 | u64::from(task.round.objects));
            task.learned.feed(&mut key, &mut fresh);
            if task.state == TaskState::Pending {
                let (creator, nth) = self.creator(task.op.object);
                [creator, nth.into(), task.op.access as u64].into_iter().for_each(|part| check.put(part));
            }
        }
        self.fresh = fresh;
        self.data.feed(&self.trace, &self.creators, &self.tasks[..self.count], &mut key);
        let ready = &self.trace.frame(self.trace.depth).ready;
        ready.iter().for_each(|task| check.put(task as u64));
        Some((key.key(), check.key() as u64))
    }
}
