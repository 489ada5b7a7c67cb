//! A state machine whose transitions are steps.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpor::memory::{self, Side};
use dpor::{Memory, ObjectId};
use parking_lot::Mutex;

use super::{announce, arrives, fence, is_consistent, taking, tried};
use crate::engine::order::Waits;
use crate::engine::{Access, Order, Step};
use crate::exec::{self, progress, told};

pub enum Monitor<S> {
    Here(Mutex<S>),
    /// Something is given back later, when its CPU has gone on.
    Away(Arc<Mutex<S>>, Option<Seen<S>>),
}

/// What loads may see of a state, where they may be stale: all that it has been.
pub struct Seen<S> {
    word: memory::Word,
    of: fn(&S) -> u64,
}

impl<S: Hash> Monitor<S> {
    pub fn new(state: S) -> Self {
        if is_consistent() {
            Self::Here(Mutex::new(state))
        } else {
            Self::Away(Arc::new(Mutex::new(state)), None)
        }
    }

    pub fn seen(object: u32, state: S, of: fn(&S) -> u64) -> Self {
        if memory::model() != Memory::Weak {
            return Self::new(state);
        }
        let word = memory::Word::of(ObjectId(object), of(&state));
        Self::Away(Arc::new(Mutex::new(state)), Some(Seen { word, of }))
    }

    fn state(&self) -> &Mutex<S> {
        match self {
            Self::Here(state) => state,
            Self::Away(state, _) => state,
        }
    }

    /// The step, as the scheduler has to know it: what others may look at has been one thing after
    /// another, so that what changes it is in an order, and shared locks are no exception. Nor is a
    /// shootdown, which changes what others may see: looks come before or after it.
    fn announced(&self, mut step: Step) -> Step {
        if let Self::Away(_, Some(_)) = self {
            step.access = match step.access {
                Access::TryAcquireShared => Access::TryAcquire,
                Access::AcquireShared | Access::ReleaseShared => Access::Write,
                _ if step.order.interrupts => Access::Write,
                access => access,
            };
        }
        step
    }

    /// The step that was taken has left the state as it is.
    fn left(&self, step: Step) {
        let Self::Away(state, seen) = self else { return };
        let value = seen.as_ref().map_or(0, |seen| (seen.of)(&state.lock()));
        if exec::is_on_cpu() {
            taken(step, value);
        } else if let Some(seen) = seen {
            seen.word.set(value);
        }
    }

    #[track_caller]
    pub fn glance(&self, step: Step, order: Ordering, of: fn(&S) -> u64) -> u64 {
        match self {
            Self::Away(_, Some(seen)) if exec::is_on_cpu() => taking(|| seen.word.load(order)),
            _ => self.enter(step, |state| of(state)),
        }
    }

    #[track_caller]
    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        let step = self.announced(step);
        match self {
            Self::Here(_) => announce(step),
            Self::Away(..) => take(step, None),
        }
        let result = told::changing(step.object, &mut *self.state().lock(), act);
        self.left(step);
        result
    }

    #[track_caller]
    pub fn enter_when<R>(
        &self,
        step: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        let step = self.announced(step);
        match self {
            Self::Here(state) => {
                if exec::is_on_cpu() {
                    let switching = exec::Switching::begin();
                    dpor::step_when(ObjectId(step.object), step.access, &|| ready(&state.lock()));
                    drop(switching);
                    progress::step();
                }
            }
            Self::Away(state, _) => take(step, Some(&|| ready(&state.lock()))),
        }
        let result = told::changing(step.object, &mut *self.state().lock(), act);
        self.left(step);
        if step.order.interrupts && exec::is_on_cpu() {
            memory::seen_by_all(ObjectId(step.object));
        }
        result
    }

    #[track_caller]
    pub fn leave<R>(
        &self,
        step: Step,
        look: impl FnOnce(&S) -> R,
        act: impl FnOnce(&mut S) + 'static,
    ) -> R
    where
        S: 'static,
    {
        if let Self::Away(state, _) = self
            && exec::is_on_cpu()
            && memory::model() != Memory::Weak
        {
            let seen = look(&state.lock());
            let (state, cpu) = (state.clone(), exec::cpu());
            let later = move || {
                arrives(cpu, || told::changing(step.object, &mut *state.lock(), act));
            };
            exec::switching(|| {
                memory::release(ObjectId(step.object), step.access, side(step), later)
            });
            return seen;
        }
        let step = step.ordered(Order { to: Some(side(step)), ..Order::LOOK });
        self.enter(step, |state| {
            let seen = look(state);
            act(state);
            seen
        })
    }

    #[track_caller]
    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        let step = self.announced(step);
        match self {
            Self::Here(_) => announce(step),
            Self::Away(..) => take(step, None),
        }
        let success = told::changing(step.object, &mut *self.state().lock(), act);
        tried(success);
        // One that fails is a look.
        self.left(if success { step } else { Step::new(step.object, Access::Read) });
        success
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state().lock())
    }
}

/// On which side a release is one.
fn side(step: Step) -> Side {
    if step.access == Access::ReleaseShared { Side::Shared } else { Side::Exclusive }
}

/// Takes a monitor's step where memory is not consistent.
#[track_caller]
fn take(Step { object, access, order }: Step, ready: Option<&dyn Fn() -> bool>) {
    if !exec::is_on_cpu() {
        return;
    }
    let object = ObjectId(object);
    taking(|| {
        match order.waits {
            Waits::No => {}
            Waits::Locked => memory::locked(object),
            Waits::Stores if memory::model() == Memory::Weak => {}
            Waits::Stores | Waits::Barrier => memory::fence(Ordering::SeqCst),
        }
        match ready {
            None => memory::unordered(object, access),
            Some(ready) => memory::unordered_when(object, access, ready),
        }
    });
}

/// What the step that was taken orders, which has left such a state behind.
fn taken(Step { object, access, order }: Step, value: u64) {
    let alone = matches!(
        access,
        Access::Acquire | Access::TryAcquire | Access::Release | Access::Write | Access::Rmw
    );
    memory::accessed(ObjectId(object), alone.then_some(value));
    order.from.iter().for_each(|&side| memory::acquired(ObjectId(object), side));
    if order.waits == Waits::Barrier {
        fence(Ordering::SeqCst);
    }
    if let Some(side) = order.to {
        memory::released(ObjectId(object), side);
    }
}
