//! What a memory model needs to know of an execution, and decides in it.

use super::{Core, Explore, LastAccess, Outcomes};
use crate::access::Creator;
use crate::data::{DataId, DataRace};
use crate::left_out::{Locks, Use, Used};
use crate::log::Did;
use crate::model::Memory;
use crate::report::Unfinished;
use crate::round::Round;
use crate::trace::{Frame, NONE};

impl Core {
    /// The task that was just spawned is a store of the current one: if that is held back, the
    /// store would be part of the round that is not begun.
    pub(super) fn is_store(&mut self, id: usize) {
        self.tasks[id].owner = self.current as u32;
        let Round { held_back, cycle, alone, .. } = self.tasks[self.current].round;
        if held_back {
            self.tasks[id].round.hold_back(&(cycle.0..cycle.1), alone);
        }
    }

    /// The task whose steps and stores a step of this one is among: what goes to memory is no
    /// switch of its task.
    pub(crate) fn owner(&self, task: usize) -> usize {
        self.tasks[task].whose(task)
    }

    /// The stores that could go to memory now.
    pub(crate) fn stores_under_way(&self) -> impl Iterator<Item = usize> + '_ {
        let enabled = self.trace.frame(self.trace.depth).enabled.iter();
        let none = self.memory == Memory::Sc;
        enabled.filter(move |&task| !none && self.tasks[task].owner != NONE)
    }

    /// Does a step of the task leave this store behind, which came before it?
    pub(crate) fn overtakes(&self, task: usize, store: usize) -> bool {
        let owner = self.owner(task);
        self.tasks[store].owner == owner as u32 && (task == owner || task > store)
    }

    /// Has something overtaken the store before this event, when it could have gone to memory?
    pub(crate) fn is_overtaken(&self, store: usize, event: usize) -> bool {
        let mut before = self.trace.frames()[..event].iter().rev();
        let last = before.find(|frame| self.overtakes(frame.task as usize, store));
        last.is_some_and(|frame| frame.enabled.contains(store))
    }

    /// How many stores the task's step, as this event, is the first to overtake.
    pub(crate) fn overtaken_by(&self, task: usize, event: usize) -> u32 {
        if self.memory == Memory::Sc {
            return 0;
        }
        let enabled = self.trace.frame(event).enabled.iter();
        let first =
            |&store: &usize| self.overtakes(task, store) && !self.is_overtaken(store, event);
        enabled.filter(first).count() as u32
    }

    /// Could the owner go on in the state before this event, or a store of its that nothing has
    /// overtaken yet?
    pub(crate) fn goes_on(&self, owner: usize, event: usize) -> bool {
        let enabled = &self.trace.frame(event).enabled;
        let store = |store: usize| {
            self.tasks[store].owner == owner as u32 && !self.is_overtaken(store, event)
        };
        enabled.contains(owner) || self.memory != Memory::Sc && enabled.iter().any(store)
    }

    /// Which of these outcomes the last event has, which is the current task's: in the end each of
    /// them, unless the strategy only samples. `None` if that ends the execution.
    pub(crate) fn pick(
        &mut self,
        strategy: &mut dyn Explore,
        mut outcomes: Outcomes<'_>,
    ) -> Option<u32> {
        let event = self.trace.depth - 1;
        debug_assert_eq!(self.trace.frame(event).task as usize, self.current);
        if outcomes.old && self.tasks[self.current].round.newest {
            outcomes.numbers = &outcomes.numbers[..1];
        }
        let of = outcomes.numbers.len() as u32;
        let known = self.trace.depth <= self.trace.repeated;
        let picked = match of {
            1 => Some(0),
            _ if known => Some(self.trace.frame(event).choice),
            _ => strategy.pick(self, outcomes),
        };
        let Some(picked) = picked else {
            if self.misfit.is_none() {
                let why = "this strategy does not go through the outcomes of a step: Memory::Weak \
                           and choose need that";
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
        let outcome = outcomes.numbers[picked as usize];
        let frame = self.trace.frame_mut(event);
        (frame.choice, frame.choices, frame.outcome) = (picked, of, outcome);
        frame.old = outcomes.old && outcome > 0;
        if !known {
            frame.preemptions += u32::from(frame.old);
        }
        Some(picked)
    }

    /// Whether the last event is one that has seen another value than the newest, or not written the
    /// newest.
    pub(crate) fn is_behind(&mut self, behind: bool) {
        let last = self.trace.depth - 1;
        self.trace.frame_mut(last).behind = behind;
    }

    /// The current task does not go round once more: what it has done since so much was used, or
    /// what several tasks have done in a circle, can be taken out, unless somebody could tell.
    pub(crate) fn leave_out(&mut self, made: u32, since: usize, circle: bool) {
        let own = self.uses[since..].iter().filter(|used| used.task == self.current as u32);
        self.left_out.round(self.tasks[self.current].origin, made, own, circle);
    }

    /// The current task has used what has this name.
    pub(crate) fn uses(&mut self, name: Creator, how: Use) {
        if self.graph.goes_round(self.current) {
            let (task, locks) = (self.current as u32, self.ordering_locks());
            self.uses.push(Used { task, name, how, locks });
        }
    }

    /// The current task accesses what has this name. To whom comes after something that another did
    /// in a round, and not after all of that round, it matters that a round before has used it in
    /// one of these ways.
    pub(crate) fn looks(&mut self, name: Creator, matters: &[Use]) {
        let steps = self.trace.task_clock(self.current);
        let within = |task: &usize| {
            *task != self.current && self.graph.is_within_round(self.current, *task, steps[*task])
        };
        for task in (0..self.count).filter(within).collect::<Vec<_>>() {
            let (origin, locks) = (self.tasks[task].origin, self.ordering_locks());
            self.left_out.look(name, origin, matters, &locks);
        }
    }

    /// What the current task has acquired, and who acquires it later comes after what it has done.
    fn ordering_locks(&self) -> Locks {
        let acquired = self.graph.acquired(self.current);
        let held = self.tasks[self.current].held.iter();
        let ordering = held.filter(|(object, _)| acquired.contains(object));
        ordering.map(|&(object, alone)| (self.creators[object.0 as usize], alone)).collect()
    }

    /// What is taken to happen before the next step of a task.
    pub(crate) fn knows(&self, task: usize) -> Vec<u32> {
        if self.every_outcome {
            return vec![u32::MAX; self.count];
        }
        self.trace.task_clock(task).to_vec()
    }

    /// The number of the last event among its task's.
    pub(crate) fn last_tick(&self) -> u32 {
        self.trace.task_clock(self.current)[self.current] + u32::from(self.trace.unsettled())
    }

    /// Check an access to plain data.
    pub(crate) fn data_access(&mut self, cell: DataId, write: bool) -> Result<(), DataRace> {
        if self.memory == Memory::Weak {
            let name = self.data.name(cell);
            let (how, matters): (_, &[Use]) = if write {
                (Use::Writes, &[Use::Reads, Use::Writes])
            } else {
                (Use::Reads, &[Use::Writes])
            };
            self.looks(name, matters);
            self.uses(name, how);
            let clock = self.graph.clock(self.current);
            return self.data.access(clock, clock[self.current], self.current, cell, write);
        }
        let clock = self.trace.task_clock(self.current);
        let tick = clock[self.current] + 1;
        if self.by_states {
            let what = (self.current, self.data.name(cell), write);
            let ordered = self.comes_after_all(self.current);
            match self.accessed.iter_mut().find(|last| last.what == what) {
                Some(last) => (last.tick, last.ordered) = (tick, last.ordered && ordered),
                None => self.accessed.push(LastAccess { what, tick, ordered }),
            }
        }
        let checked = self.data.access(clock, tick, self.current, cell, write);
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
            self.graph.step(task as usize, op.object, class, self.rules);
        }
    }
}
