//! What a memory model needs to know of an execution, and decides in it.

use super::Core;
use crate::data::{DataId, DataRace};
use crate::log::Did;
use crate::memory::Memory;
use crate::report::Unfinished;
use crate::strategy::Explore;
use crate::trace::Frame;

impl Core {
    /// The task that was just spawned is a store of the current one.
    pub(crate) fn is_store(&mut self, id: usize) {
        self.tasks[id].owner = self.current as u32;
    }

    /// Which of `of` outcomes the last event has, which is the current task's: in the end each of
    /// them, unless the strategy only samples. `None` if that ends the execution.
    pub(crate) fn pick(&mut self, strategy: &mut dyn Explore, of: u32) -> Option<u32> {
        let event = self.trace.depth - 1;
        debug_assert_eq!(self.trace.frame(event).task as usize, self.current);
        let known = self.trace.depth <= self.trace.repeated;
        let picked = match of {
            1 => Some(0),
            _ if known => Some(self.trace.frame(event).choice),
            _ => strategy.pick(self, of),
        };
        let Some(picked) = picked else {
            if self.misfit.is_none() {
                let why = "this strategy does not go through the outcomes of a step: Memory::Weak \
                           needs that";
                self.give_up_for(Unfinished::Unavailable(why.to_owned()));
            }
            self.aborting = true;
            return None;
        };
        self.did(self.current, || Did::Outcome { number: picked, of });
        if picked >= of {
            self.differs(format!(
                "a step of task {} had an outcome {picked} here before, and now has {of}",
                self.current
            ));
            return None;
        }
        let frame = self.trace.frame_mut(event);
        (frame.choice, frame.choices) = (picked, of);
        Some(picked)
    }

    /// What is known to happen before the next step of a task.
    pub(crate) fn knows(&self, task: usize) -> &[u32] {
        self.trace.task_clock(task)
    }

    /// The number of the last event among its task's.
    pub(crate) fn last_tick(&self) -> u32 {
        self.trace.task_clock(self.current)[self.current] + u32::from(self.trace.unsettled())
    }

    /// Check an access to plain data.
    pub(crate) fn data_access(&mut self, cell: DataId, write: bool) -> Result<(), DataRace> {
        if self.memory == Memory::Weak {
            let clock = self.graph.clock(self.current);
            return self.data.access(clock, clock[self.current], self.current, cell, write);
        }
        let access = (self.current, self.data.name(cell), write);
        if self.by_states && !self.accessed.contains(&access) {
            self.accessed.push(access);
        }
        let clock = self.trace.task_clock(self.current);
        let checked = self.data.access(clock, clock[self.current] + 1, self.current, cell, write);
        self.raced |= checked.is_err();
        checked
    }

    /// The last event is ordered after those that it depends on, under [`Memory::Weak`]. Words are
    /// ordered by what they are announced with, and a try that failed, as the kernel's and C's,
    /// orders nothing.
    #[cold]
    pub(super) fn order_last_event(&mut self) {
        let Frame { task, op, class, failed, .. } = *self.trace.frame(self.trace.depth - 1);
        if !failed && !self.graph.is_word(op.object) {
            self.graph.step(task as usize, op.object, class, self.trace.rules);
        }
    }
}
