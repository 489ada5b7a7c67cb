//! Who takes steps, by numbers that are the same in every execution. Indices of tasks are not, where
//! several tasks spawn others, or have stores under way.

use std::collections::HashMap;
use std::sync::Arc;

use super::Core;
use crate::access::{ObjectId, ThreadName};
use crate::numbers::{Numbers, SharedNumbers};
use crate::state::Keys;
use crate::task::TaskState;
use crate::trace::NONE;

#[derive(Default)]
pub(crate) struct Threads {
    names: Numbers<ThreadName>,
    /// The number of each task of this execution.
    of: Vec<u32>,
    /// The task of this execution that has each number, if it is no store; else [`NONE`].
    tasks: Vec<u32>,
}

/// A thread, as far as it is there in this execution.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Who {
    /// The task that takes its next step.
    pub(crate) task: Option<usize>,
    /// A task that knows no more than the thread will when it takes its next step.
    pub(crate) knows: Option<usize>,
    /// The task whose stores they are; [`NONE`] if it is no store.
    pub(crate) owner: u32,
}

impl Threads {
    /// The numbers are given together with others.
    pub(crate) fn new(all: &Arc<SharedNumbers<ThreadName>>) -> Self {
        Threads { names: Numbers::new(all), ..Threads::default() }
    }

    pub(super) fn clear(&mut self) {
        self.of.clear();
        self.tasks.fill(NONE);
    }

    fn number(&mut self, name: ThreadName) -> u32 {
        let number = self.names.of(&name);
        if self.tasks.len() < self.names.len() {
            self.tasks.resize(self.names.len(), NONE);
        }
        number
    }

    /// The task of this execution that has this number.
    fn task(&self, number: u32) -> Option<usize> {
        self.tasks.get(number as usize).filter(|&&task| task != NONE).map(|&task| task as usize)
    }
}

impl Core {
    /// A task is new: the next one.
    pub(super) fn name_thread(&mut self, task: usize, store: Option<ObjectId>) {
        if !self.by_states && !self.insists {
            return;
        }
        debug_assert_eq!(task, self.threads.of.len());
        let origin = match store {
            Some(_) => self.tasks[self.tasks[task].owner as usize].origin,
            None => self.tasks[task].origin,
        };
        let object = store.map(|object| self.creators[object.0 as usize]);
        let number = self.threads.number((origin, object));
        self.threads.of.push(number);
        if store.is_none() {
            self.threads.tasks[number as usize] = task as u32;
        }
    }

    /// The number of the thread whose next step the task takes.
    pub(crate) fn thread(&self, task: usize) -> usize {
        self.threads.of[task] as usize
    }

    /// Who that is in this execution.
    pub(crate) fn who(&mut self, thread: usize) -> Who {
        if thread >= self.threads.names.len() {
            self.threads.names.learn();
        }
        let (origin, object) = *self.threads.names.get(thread as u32);
        let Some(object) = object else {
            let task = self.threads.task(thread as u32);
            return Who { task, knows: task, owner: NONE };
        };
        let owner = self.threads.names.find(&(origin, None));
        let Some(owner) = owner.and_then(|number| self.threads.task(number)) else {
            return Who { task: None, knows: None, owner: NONE };
        };
        let first = self.object_of(object).and_then(|object| {
            let stores = self.pending.get(owner).map_or(&[][..], |pending| &pending.stores);
            let under_way = |task: usize| self.tasks[task].state != TaskState::Finished;
            stores.iter().find(|store| store.object == object && under_way(store.task))
        });
        let task = first.map(|store| store.task);
        Who { task, knows: task.or(Some(owner)), owner: owner as u32 }
    }

    /// By task, a name for what it knows that does not depend on the interleaving; `None` if nobody
    /// will ever come to know it through the task.
    pub(super) fn knowers(&self) -> Vec<Option<(u32, u32)>> {
        let mut names: Vec<_> = (self.threads.of.iter().zip(&self.tasks))
            .map(|(&thread, task)| (task.owner == NONE).then_some((thread, 0)))
            .collect();
        for pending in &self.pending {
            let mut under_way: HashMap<u32, u32, Keys> = HashMap::default();
            // What one store knows, those of the same thread after it know as well.
            let mut arrived: HashMap<u32, usize, Keys> = HashMap::default();
            for store in &pending.stores {
                let thread = self.threads.of[store.task];
                if self.tasks[store.task].state == TaskState::Finished {
                    arrived.insert(thread, store.task);
                } else {
                    let nth = under_way.entry(thread).or_insert(1);
                    *nth += 1;
                    names[store.task] = Some((thread, *nth));
                }
            }
            for (thread, store) in arrived {
                names[store] = Some((thread, 1));
            }
        }
        names
    }
}
