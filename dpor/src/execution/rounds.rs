//! Retry loops of an execution: a round ends, and the next one begins.

use super::Core;
use crate::attempt::Attempt;
use crate::dependence::DependenceRule;
use crate::execution::Explore;
use crate::livelock::{Closed, Ending, Judged, gave_all_back, with_stores};
use crate::log::Did;
use crate::model::Memory;
use crate::report::FailureKind;
use crate::round::mix;
use crate::task::{Task, TaskState};

impl Core {
    /// The current task changes plain data.
    pub(crate) fn changes_data(&mut self) {
        let Task { round, learned, .. } = &mut self.tasks[self.current];
        round.changes_data();
        learned.attempts().for_each(Attempt::changes_data);
    }

    /// What the next `retry` said in the last execution, if it is repeated.
    pub(crate) fn known_fingerprint(&self) -> Option<u64> {
        self.retries.known()
    }

    /// A task's round ends: see `livelock`. False if that ends the execution.
    pub(crate) fn retry(
        &mut self,
        strategy: &mut dyn Explore,
        fingerprint: u64,
        local: Option<u64>,
        carried: u128,
    ) -> bool {
        self.did(self.current, || Did::Round { local, fingerprint });
        if self.aborting {
            return true;
        }
        self.settle_worst_case(strategy);
        if self.following {
            return true;
        }
        if self.by_states {
            self.attempt(local.unwrap_or(fingerprint), carried);
            return true;
        }
        if self.memory == Memory::Weak {
            let steps = self.trace.task_clock(self.current)[self.current];
            self.graph.round(self.current, steps);
        }
        let entered = local.map(|which| self.tasks[self.current].round.enter(which));
        let own = mix(mix(local.unwrap_or(fingerprint), carried as u64), entered.unwrap_or(0));
        let paused = self.pulse.pause();
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        for task in 0..self.count {
            if self.tasks[task].state == TaskState::Pending && self.is_ready(task) == Some(true) {
                ready.insert(task);
            }
        }
        let says = self.data.any();
        let weak = self.memory == Memory::Weak;
        let (task, uses, every_round) = (self.current, self.uses.len(), self.every_round);
        let ending =
            Ending { task, fingerprint, own, says, weak, every_round, uses, ready: &ready };
        let judged = Judged { trace: &self.trace, rules: self.rules, fairness: self.fairness };
        let tasks = &mut self.tasks[..self.count];
        let closed = self.retries.retry(judged, tasks, &self.pending, ending);
        if self.insists {
            tasks.iter_mut().for_each(|task| task.round.held_back = false);
        }
        self.ready = ready;
        self.pulse.resume(paused);
        match closed {
            Closed::Livelock(cycle) => {
                let waiting = self.waiting();
                self.fail(FailureKind::Livelock { cycle, waiting });
            }
            Closed::InVain { made, since, circle } if weak => self.leave_out(made, since, circle),
            Closed::InVain { .. } | Closed::Nothing => {}
        }
        !self.aborting
    }

    /// A round begins where states are told apart. If the one before led nowhere, the task does not
    /// go on before something happens on which that depends.
    fn attempt(&mut self, which: u64, carried: u128) {
        self.round_begins = true;
        let (current, depth) = (self.current, self.trace.depth);
        let stores = with_stores(0, self.tasks(), &self.pending, current);
        let attempt = Attempt::new(depth, carried, stores);
        let own = attempt.own;
        let ended = self.tasks[current].learned.round(which, attempt);
        // Unless the program says who changes its plain data, somebody may have.
        let Some(ended) = ended.filter(|_| self.holds_back && self.data.any()) else { return };
        let events = ended.start..depth;
        if ended.is_in_vain(own)
            && gave_all_back(&self.trace.frames()[events.clone()], current, true)
        {
            self.tasks[current].round.hold_back(&events, true);
        }
    }

    /// The last event is part of its task's rounds, and others may know by it of theirs.
    pub(super) fn watch_attempts(&mut self) {
        if !self.holds_back {
            return;
        }
        let frame = self.trace.frame(self.trace.depth - 1);
        let (object, class, whose) = (frame.op.object, frame.class, frame.whose());
        let noticed = self.rules.has(DependenceRule::NoticedRounds);
        for (index, task) in self.tasks[..self.count].iter_mut().enumerate() {
            for attempt in task.learned.attempts() {
                if index == whose {
                    attempt.takes(object, frame.op.access, class);
                } else if noticed {
                    attempt.meets(object, |own| self.rules.dependent(own, class));
                }
            }
        }
    }
}
