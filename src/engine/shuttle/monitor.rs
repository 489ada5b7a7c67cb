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
    Away(Arc<Mutex<S>>),
}

impl<S: Hash> Monitor<S> {
    pub fn new(state: S) -> Self {
        if is_consistent() {
            Self::Here(Mutex::new(state))
        } else {
            Self::Away(Arc::new(Mutex::new(state)))
        }
    }

    fn state(&self) -> &Mutex<S> {
        match self {
            Self::Here(state) => state,
            Self::Away(state) => state,
        }
    }

    #[track_caller]
    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        match self {
            Self::Here(_) => announce(step),
            Self::Away(_) => {
                take(step, None);
                taken(step);
            }
        }
        told::changing(step.object, &mut *self.state().lock(), act)
    }

    #[track_caller]
    pub fn enter_when<R>(
        &self,
        step: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        match self {
            Self::Here(state) => {
                if exec::is_on_cpu() {
                    let switching = exec::Switching::begin();
                    dpor::step_when(ObjectId(step.object), step.access, &|| ready(&state.lock()));
                    drop(switching);
                    progress::step();
                }
            }
            Self::Away(state) => {
                take(step, Some(&|| ready(&state.lock())));
                taken(step);
            }
        }
        told::changing(step.object, &mut *self.state().lock(), act)
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
        if let Self::Away(state) = self
            && exec::is_on_cpu()
            && memory::model() != Memory::Weak
        {
            let seen = look(&state.lock());
            let (state, cpu) = (state.clone(), exec::cpu());
            let later = move || arrives(cpu, || act(&mut state.lock()));
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
        match self {
            Self::Here(_) => announce(step),
            Self::Away(_) => take(step, None),
        }
        let success = told::changing(step.object, &mut *self.state().lock(), act);
        tried(success);
        if matches!(self, Self::Away(_)) {
            // One that fails is a look.
            taken(if success { step } else { Step::new(step.object, Access::Read) });
        }
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

/// What the step that was taken orders.
fn taken(Step { object, access, order }: Step) {
    if exec::is_on_cpu() {
        let alone = matches!(
            access,
            Access::Acquire | Access::TryAcquire | Access::Release | Access::Write | Access::Rmw
        );
        memory::accessed(ObjectId(object), alone);
        order.from.iter().for_each(|&side| memory::acquired(ObjectId(object), side));
        if order.waits == Waits::Barrier {
            fence(Ordering::SeqCst);
        }
        if let Some(side) = order.to {
            memory::released(ObjectId(object), side);
        }
    }
}
