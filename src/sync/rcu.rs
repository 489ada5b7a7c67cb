//! RCU: read sections and grace periods.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use dpor::Digest;

use crate::engine::{Access, Monitor, Order, Step};
use crate::exec;
use crate::exec::lockdep;
use crate::exec::name::Name;
use crate::exec::told;
use crate::exec::trace::event;
use crate::spec::Clause;
use witness::StepKind;

#[derive(Default)]
struct State {
    next: u64,
    /// Read sections under way: (CPU, number).
    sections: Vec<(usize, u64)>,
    /// Who waits for the end of a grace period, and for which sections: those up to this one.
    waiting: Vec<(usize, u64)>,
}

/// Which section is which does not matter, only who waits for it; nor in which order they began.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let waits = |section| {
            self.waiting
                .iter()
                .filter(move |&&(_, last)| section <= last)
                .map(|&(cpu, _)| cpu)
                .collect::<BTreeSet<_>>()
        };
        let mut waited: Vec<_> =
            self.sections.iter().map(|&(cpu, section)| (cpu, waits(section))).collect();
        waited.sort_unstable();
        waited.hash(hasher);
    }
}

/// The RCU domain. An epoch scheme: each outermost read section has a number, and a grace period
/// ends when every section that was under way at its start has ended.
pub struct Rcu {
    id: u32,
    name: Name,
    /// May its readers sleep?
    sleepable: bool,
    state: Monitor<State>,
}

impl Rcu {
    /// No reader yet.
    #[expect(
        clippy::new_without_default,
        reason = "a modelled object exists only inside an execution"
    )]
    pub fn new() -> Self {
        Self::named(Name::new("rcu", 0, 0), false)
    }

    /// One of its own, whose readers may sleep: who waits for them waits for nobody else. Kernel:
    /// `srcu_struct`, or a `percpu_ref` that is killed.
    pub fn sleepable(name: Name) -> Self {
        Self::named(name, true)
    }

    fn named(name: Name, sleepable: bool) -> Self {
        Self {
            id: told::made(name, Digest::default),
            name,
            sleepable,
            state: Monitor::new(State::default()),
        }
    }

    /// See [`State`](super::State).
    pub(crate) fn see(&self, state: &mut super::State) {
        let readers =
            |state: &State| state.sections.iter().map(|&(cpu, _)| cpu).collect::<BTreeSet<_>>();
        state.object(self.id, self.name, || format!("{:?}", self.state.peek(readers)));
    }

    fn says(&self, what: &str) -> String {
        if self.sleepable { format!("{what} of {}", self.name) } else { what.into() }
    }

    fn step(&self, access: Access) -> Step {
        Step::new(self.id, access)
    }

    /// Begins a read section. Never waits; nests.
    #[track_caller]
    pub fn read_lock(&self) {
        let me = exec::cpu();
        self.state.enter(self.step(Access::AcquireShared).ordered(Order::READ_SECTION), |state| {
            state.next += 1;
            state.sections.push((me, state.next));
            if !self.sleepable {
                lockdep::rcu_enter();
            }
        });
        event(StepKind::RcuLock, None, || self.says("rcu_read_lock()"));
    }

    /// Ends the read section ([UNLOCK-1]).
    #[track_caller]
    pub fn read_unlock(&self) {
        let me = exec::cpu();
        let mine = move |state: &State| state.sections.iter().rposition(|&(cpu, _)| cpu == me);
        let leaves = |state: &State| {
            if self.sleepable { mine(state).is_some() } else { lockdep::rcu_leave() }
        };
        let inside = self.state.leave(self.step(Access::ReleaseShared), leaves, move |state| {
            mine(state).map(|at| state.sections.remove(at));
        });
        event(StepKind::RcuUnlock, None, || self.says("rcu_read_unlock()"));
        exec::clause(Clause::UNLOCK_1, inside, || {
            "rcu_read_unlock() outside a read section".into()
        });
    }

    /// Something is freed from here on: the grace period before its memory goes waits for the read
    /// sections that are under way, and those that begin later see that it was freed. Never waits.
    /// Kernel: `call_rcu`.
    /// Returns the moment.
    pub(super) fn call(&self) -> u64 {
        self.state.enter(self.step(Access::Write).ordered(Order::HAND_OUT), |_| {
            let now = exec::now();
            lockdep::frees(now);
            now
        })
    }

    /// Sleeps until every read section that is under way now has ended.
    #[track_caller]
    pub fn synchronize(&self) {
        lockdep::might_sleep(self.name);
        let me = exec::cpu();
        let before =
            self.state.enter(self.step(Access::Write).ordered(Order::GRACE_PERIOD), |state| {
                state.waiting.push((me, state.next));
                state.next
            });
        // Whom it waits for is part of the state; its number is not.
        told::observed(if told::by_states() { 0 } else { before });
        let over = |state: &State| state.sections.iter().all(|&(_, section)| section > before);
        let end = self.step(Access::Wait).ordered(Order::GRACE_PERIOD_OVER);
        self.state.enter_when(end, over, |state| state.waiting.retain(|&(cpu, _)| cpu != me));
        event(StepKind::Rcu, None, || self.says("synchronize_rcu() is over"));
    }
}
