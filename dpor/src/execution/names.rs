//! What objects, failures and states are called, whatever the interleaving: it is the same in every
//! execution that comes to them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Core, LastAccess};
use crate::access::{Access, Creator, ObjectId, Op};
use crate::data::{Accessed, DataId, Knowers};
use crate::hook::with_quiet;
use crate::log::{Did, Ending, Recorded};
use crate::model::{Memory, Pending, Store};
use crate::report::{FailureKind, Unfinished, panic_failure};
use crate::round::mix;
use crate::state::{Digest, Sum};
use crate::task::{Task, TaskState};
use crate::trace::{Frame, NONE};

impl Core {
    /// The execution that is ending.
    pub(crate) fn recorded(&mut self, ending: Ending) -> Recorded {
        let log = self.log.as_mut().expect("it was recorded");
        let mut did = std::mem::take(&mut log.tasks);
        did.resize_with(self.tasks.len(), Vec::new);
        Recorded {
            tasks: self.tasks.iter().map(|task| (task.origin, task.name.clone())).collect(),
            did,
            creators: self.creators.clone(),
            schedule: self.schedule(),
            ending,
            waiting: self.waiting(),
        }
    }

    /// What the last task has read is part of its local state.
    pub(crate) fn observed(&mut self, value: u64) {
        self.did(self.current, || Did::Observed(value));
        let task = &mut self.tasks[self.current];
        task.round.observed(value);
        task.learned.value(value);
    }

    /// The current task's stores have arrived, and it goes on without a step: it may make others
    /// like them, and would seem to be where it was.
    pub(crate) fn passes_full_barrier(&mut self) {
        self.tasks[self.current].learned.full_barrier();
    }

    /// What the current task has learned so far.
    pub(crate) fn learned(&mut self) -> Digest {
        let fresh = &mut self.fresh;
        self.tasks[self.current].learned.mark(fresh)
    }

    /// The current task leaves the loop that carries `own` along.
    pub(crate) fn leave(&mut self, own: u64) {
        self.tasks[self.current].learned.leave(own);
    }

    /// Whether the current task has learned anything since then.
    pub(crate) fn has_learned_since(&self, mark: Digest) -> bool {
        self.tasks[self.current].learned.has_since(mark)
    }

    /// What the current task has learned since then comes to no more than `value`.
    pub(crate) fn learned_since(&mut self, mark: Digest, value: u128) {
        self.tasks[self.current].learned.since(mark, value);
    }

    /// Is what tasks share to be told apart, from here on? While an execution repeats another one,
    /// what it comes to is known.
    pub(crate) fn tells(&self) -> bool {
        self.by_states && self.telling
    }

    /// What the current task shares was `before`, and is `after`.
    pub(crate) fn changed(&mut self, object: ObjectId, before: Digest, after: Digest) {
        self.shared.change(self.creators[object.0 as usize], before, after);
    }

    pub(crate) fn data(&mut self) -> DataId {
        let Task { origin, round, .. } = &mut self.tasks[self.current];
        let name = (*origin, round.cells);
        round.cells += 1;
        self.data.make(name)
    }

    /// Accesses to data since this was asked last.
    pub(crate) fn accesses(&mut self) -> impl Iterator<Item = Accessed> + use<> {
        std::mem::take(&mut self.accessed).into_iter().map(|last| last.what)
    }

    pub(crate) fn object(&mut self) -> ObjectId {
        let object = ObjectId(self.objects);
        self.objects += 1;
        self.trace.add_object(object);
        let Task { origin, round, .. } = &mut self.tasks[self.current];
        let creator = (*origin, round.objects);
        round.objects += 1;
        self.creators.push(creator);
        object
    }

    /// What the current task's choices are announced on: nobody else has anything to do with it.
    pub(crate) fn choices(&mut self) -> ObjectId {
        self.tasks[self.current].choices.unwrap_or_else(|| {
            let object = self.object();
            self.tasks[self.current].choices = Some(object);
            object
        })
    }

    pub(crate) fn object_named(&mut self, name: u64) -> ObjectId {
        let object = ObjectId(self.objects);
        self.objects += 1;
        self.trace.add_object(object);
        // No task makes that many.
        self.creators.push((name, u32::MAX));
        object
    }

    /// The object that this one has created, as that of its objects, if it has.
    pub(crate) fn object_of(&mut self, creator: Creator) -> Option<ObjectId> {
        let named = self.numbers.len();
        self.numbers.extend(self.creators[named..].iter().copied().zip(named as u32..));
        self.numbers.get(&creator).map(|&number| ObjectId(number))
    }

    pub(crate) fn creator(&self, object: ObjectId) -> Creator {
        self.creators[object.0 as usize]
    }

    /// The event has happened: its task may have taken something, or given it back.
    pub(crate) fn hold(&mut self, event: usize) {
        if !self.by_states && self.memory != Memory::Weak {
            return;
        }
        let frame = self.trace.frame(event);
        let (Op { object, access }, failed) = (frame.op, frame.failed);
        // What a store gives back is its owner's.
        let held = &mut self.tasks[frame.whose()].held;
        if access == Access::Acquire || access == Access::TryAcquire && !failed {
            // Whoever gets it for itself a second time has not got it any more: another has given
            // it back.
            held.retain(|&(other, _)| other != object);
        }
        match access {
            Access::Acquire | Access::AcquireShared => {
                held.push((object, access == Access::Acquire))
            }
            Access::TryAcquire | Access::TryAcquireShared if !failed => {
                held.push((object, access == Access::TryAcquire))
            }
            Access::Release | Access::ReleaseShared => {
                if let Some(at) = held.iter().rposition(|&(other, _)| other == object) {
                    held.remove(at);
                }
            }
            _ => {}
        }
    }

    /// What the task holds, by names, and whether for itself.
    pub(crate) fn held(&self, task: usize) -> Vec<(Creator, bool)> {
        let mut held: Vec<_> = self.tasks[task]
            .held
            .iter()
            .map(|&(object, alone)| (self.creator(object), alone))
            .collect();
        held.sort_unstable();
        held.dedup();
        held
    }

    /// What tells the failure of a task that panicked from others, whatever the interleaving: what
    /// it says, and all that happened before it. What else has happened does not matter.
    pub(crate) fn failure_key(&self, kind: &FailureKind) -> Option<u64> {
        let FailureKind::Panic { task, .. } = kind else { return None };
        let mut clock = self.trace.task_clock(*task).to_vec();
        if let Some(last) = self.trace.depth.checked_sub(1) {
            clock
                .iter_mut()
                .zip(self.trace.clock(last))
                .for_each(|(mine, &theirs)| *mine = theirs.max(*mine));
        }
        let before = |index: &usize| self.trace.before(*index, &clock);
        let events = (0..self.trace.depth).filter(before).map(|index| {
            let Frame { task, op, failed, choice, .. } = *self.trace.frame(index);
            let (creator, nth) = self.creators[op.object.0 as usize];
            let clock =
                self.trace.clock(index).iter().zip(&self.tasks).filter(|(tick, _)| **tick > 0);
            let seen = clock
                .fold(0u64, |sum, (&tick, task)| sum.wrapping_add(mix(task.origin, tick.into())));
            let what = [
                creator,
                nth.into(),
                op.access as u64,
                u64::from(failed) | u64::from(choice) << 1,
                seen,
            ];
            what.into_iter().fold(self.tasks[task as usize].origin, mix)
        });
        let class = kind.class().bytes().fold(0, |sum, byte| mix(sum, byte.into()));
        Some(events.fold(mix(class, self.tasks[*task].origin), u64::wrapping_add))
    }

    /// The name of the state at hand, and what has to be the same whenever it is reached: who is
    /// about to do what, and who can. `None`, and that ends the execution, if the program does not
    /// name its state, or panics.
    pub(crate) fn state(&mut self) -> Option<(u128, u64)> {
        let Some(naming) = self.naming.take() else {
            let why = "the program does not name its state".to_owned();
            self.give_up_for(Unfinished::Unavailable(why));
            return None;
        };
        let mut key = Digest::default();
        let named = catch_unwind(AssertUnwindSafe(|| with_quiet(true, || naming(&mut key))));
        self.naming = Some(naming);
        if let Err(payload) = named {
            self.fail(panic_failure(self.current, payload));
            return None;
        }
        key.put_digest(self.shared.0);
        let (mut tasks, mut check, mut fresh) = (Sum::default(), Sum::default(), self.fresh);
        let ready = &self.trace.frame(self.trace.depth).ready;
        for (index, task) in self.tasks[..self.count].iter().enumerate() {
            if task.state == TaskState::Pending {
                let mut next = Digest::of(self.creator(task.op.object));
                next.put(task.op.access as u64);
                next.put((self.thread(index) as u64) << 1 | u64::from(ready.contains(index)));
                check.add(next);
            }
            // Where a store under way is depends on whose it is.
            if task.owner == NONE {
                let mut told = Digest::default();
                told.put(task.origin);
                self.tell(index, &mut told, &mut fresh);
                tasks.add(told);
            }
        }
        self.fresh = fresh;
        key.put_digest(tasks.0);
        Some((key.key(), check.0.key() as u64))
    }

    /// What tells the states of a task apart, and of its stores.
    fn tell(&self, index: usize, key: &mut Digest, fresh: &mut u64) {
        let task = &self.tasks[index];
        self.tell_stores(index, key, fresh);
        let state = match task.state {
            TaskState::New => 1,
            TaskState::Local => 2,
            TaskState::Pending => 3,
            // For whom it waits is told by what it knows, by which stores are under way, and by who
            // has ended.
            TaskState::Joining(_) => 4,
            // What it knew is gone.
            TaskState::Finished => return key.put(5 + u64::from(task.failed)),
        };
        key.put(state);
        key.put(task.children << 32 | u64::from(task.round.objects));
        key.put(task.round.cells.into());
        task.learned.feed(key, fresh, self.holds_back);
        key.put(task.round.held_back.into());
        // Others may have given it back.
        let mut held = Sum::default();
        task.held
            .iter()
            .for_each(|&(object, _)| held.add(Digest::of(self.creators[object.0 as usize])));
        key.put_digest(held.0);
    }

    fn is_under_way(&self, store: &Store) -> bool {
        self.tasks[store.task].state != TaskState::Finished
    }

    /// The stores of a task that are under way, and what others have to wait for. What they do when
    /// they arrive was known to the task when they went their way.
    fn tell_stores(&self, task: usize, key: &mut Digest, fresh: &mut u64) {
        let Some(Pending { stores, barrier }) = self.pending.get(task) else { return };
        // Who has made a store since its last full barrier may look before it changes something.
        if stores.is_empty() {
            return;
        }
        let under_way = |first: usize| {
            stores[..first].iter().filter(|store| self.is_under_way(store)).count() as u64
        };
        key.put(under_way(stores.len()) + 1);
        key.put(under_way(*barrier));
        for store in stores.iter().filter(|store| self.is_under_way(store)) {
            let mut told = Digest::of(self.creator(store.object));
            told.put(store.value);
            told.put(under_way(store.behind));
            // Whether it is held back is told by whether its task is.
            self.tasks[store.task].learned.feed(&mut told, fresh, self.holds_back);
            key.put_digest(told);
        }
    }

    /// The name of the state if it also depends on how accesses to data so far are ordered.
    pub(crate) fn state_with_data(&self, key: u128) -> u128 {
        let mut digest = digest_of(key);
        self.data.feed(self.who_knows(&self.knowers()), &mut digest);
        digest.key()
    }

    /// The name of the state if it also depends on what each task has done with data since its last
    /// step. Others know of that only if they were spawned after it, or have joined the task.
    pub(crate) fn state_with_last_data(&self, key: u128) -> u128 {
        let others_know = |task: usize, tick: u32| {
            let mut others = (0..self.count).filter(|&other| other != task);
            others.any(|other| self.trace.task_clock(other)[task] >= tick)
        };
        let mut names = None;
        let mut sum = Sum::default();
        for &LastAccess { what: (task, cell, write), tick, .. } in &self.accessed {
            let mut said = Digest::of(cell);
            said.put((self.thread(task) as u64) << 1 | u64::from(write));
            if others_know(task, tick) {
                let names = names.get_or_insert_with(|| self.knowers());
                let Some(known) = self.who_knows(names).of(task, tick) else { continue };
                said.put_digest(known);
            }
            sum.add(said);
        }
        let mut digest = digest_of(key);
        digest.put_digest(sum.0);
        digest.key()
    }

    /// What tasks have done with data since their last steps, while others might do something.
    pub(crate) fn last_accesses(&self) -> impl Iterator<Item = Accessed> {
        self.accessed.iter().filter(|last| !last.ordered).map(|last| last.what)
    }

    fn who_knows<'a>(&'a self, names: &'a [Option<(u32, u32)>]) -> Knowers<'a> {
        let (trace, creators) = (&self.trace, &self.creators);
        Knowers { trace, creators, tasks: &self.tasks[..self.count], names }
    }
}

fn digest_of(key: u128) -> Digest {
    let mut digest = Digest::default();
    digest.put(key as u64);
    digest.put((key >> 64) as u64);
    digest
}
