//! Tasks as coroutines of this thread, without shuttle: what an exploration that runs a million
//! executions can do without would be most of what they cost.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::{run_task, with_engine};
use crate::runtime;

thread_local! {
    /// How the task that runs gets back to [`run`]; null if none does, or if it is one of
    /// shuttle's.
    static YIELDER: Cell<*const Yielder<(), ()>> = const { Cell::new(ptr::null()) };
    /// Who goes on when it does.
    static NEXT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The tasks of this execution, and what is left of others for the next ones.
pub(crate) struct Coroutines {
    stack_size: usize,
    /// By task; empty while the task runs, and when it has ended.
    suspended: Vec<Option<Coroutine<(), (), ()>>>,
    /// Tasks that have not ended, in order.
    pub(crate) live: Vec<usize>,
    stacks: Vec<DefaultStack>,
}

impl Coroutines {
    pub(crate) fn new(stack_size: usize) -> Self {
        Coroutines { stack_size, suspended: Vec::new(), live: Vec::new(), stacks: Vec::new() }
    }

    /// A new task.
    fn add(&mut self, body: impl FnOnce() + 'static) -> usize {
        let stack = self.stacks.pop().unwrap_or_else(|| {
            DefaultStack::new(self.stack_size).expect("there is memory for the task's stack")
        });
        let task = self.suspended.len();
        let coroutine = Coroutine::with_stack(stack, |yielder, ()| {
            YIELDER.set(yielder);
            body();
        });
        self.suspended.push(Some(coroutine));
        self.live.push(task);
        task
    }

    fn ended(&mut self, task: usize, coroutine: Coroutine<(), (), ()>) {
        self.live.retain(|&other| other != task);
        self.stacks.push(coroutine.into_stack());
    }
}

/// There are tasks left only if the exploration itself has panicked: nothing more of the program is
/// to run then.
impl Drop for Coroutines {
    fn drop(&mut self) {
        YIELDER.set(ptr::null());
        for coroutine in self.suspended.iter_mut().flatten() {
            // SAFETY: what is on the stack is leaked, and nothing runs that could refer to it.
            unsafe { coroutine.force_reset() };
        }
    }
}

/// Whether the task that runs is one of these.
pub(crate) fn runs() -> bool {
    !YIELDER.get().is_null()
}

/// Start a task, and return its index.
pub(crate) fn spawn(body: impl FnOnce() + 'static) -> usize {
    with_engine(|engine| engine.coroutines.add(body))
}

/// Let the scheduler choose who goes on, and return when it is the current task's turn.
#[inline(never)]
pub(crate) fn switch() {
    let current = Some(runtime::me());
    let next = runtime::next_task(current);
    if next == current {
        return;
    }
    NEXT.set(next);
    let yielder = YIELDER.get();
    // SAFETY: it is the current task's, which is in the middle of its coroutine.
    unsafe { &*yielder }.suspend(());
    YIELDER.set(yielder);
}

/// Run one execution after the other, as long as there are any.
pub(crate) fn run(program: &Arc<dyn Fn() + Send + Sync>) {
    while runtime::new_execution() {
        with_engine(|engine| engine.coroutines.suspended.clear());
        let program = Arc::clone(program);
        spawn(move || run_task(|| program()));
        let mut next = runtime::next_task(None);
        while let Some(task) = next {
            let coroutine = with_engine(|engine| engine.coroutines.suspended[task].take());
            let mut coroutine = coroutine.expect("a task that has not ended was chosen");
            let result = coroutine.resume(());
            YIELDER.set(ptr::null());
            next = match result {
                CoroutineResult::Yield(()) => {
                    with_engine(|engine| engine.coroutines.suspended[task] = Some(coroutine));
                    NEXT.take()
                }
                CoroutineResult::Return(()) => {
                    with_engine(|engine| engine.coroutines.ended(task, coroutine));
                    runtime::next_task(None)
                }
            };
        }
    }
}
