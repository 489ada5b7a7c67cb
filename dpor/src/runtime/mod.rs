//! What the program under test calls, and the scheduler that is asked who goes on.

pub(crate) mod coroutines;
pub mod memory;

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::thread::panicking;

use shuttle_engine::runtime::execution::ExecutionState;
use shuttle_engine::runtime::thread;
use shuttle_engine::scheduler::{Schedule, Scheduler, Task, TaskId};

use coroutines::Coroutines;

use crate::access::{Access, ObjectId, Op};
use crate::data::{DataId, DataRace};
use crate::execution::{Core, Explore, Next, Outcomes};
use crate::hook::with_quiet;
use crate::log::Did;
use crate::model::Memory;
use crate::report::panic_failure;
use crate::round::mix;
use crate::session::Session;
use crate::state::Digest;
use crate::task::Condition;

/// An exploration, while it runs on this thread.
pub(crate) struct Engine {
    pub(crate) core: Core,
    pub(crate) strategy: Box<dyn Explore>,
    pub(crate) session: Session,
    pub(crate) stack_size: usize,
    pub(crate) coroutines: Coroutines,
}

/// What a task does.
pub(crate) type Body = Box<dyn FnOnce()>;

struct Here {
    current: Cell<usize>,
    aborting: Cell<bool>,
    memory: Cell<Memory>,
    /// Not dropped by the thread's end, which would have to be seen to at every access.
    engine: RefCell<Option<ManuallyDrop<Box<Engine>>>>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            current: Cell::new(0),
            aborting: Cell::new(false),
            memory: Cell::new(Memory::Sc),
            engine: RefCell::new(None),
        }
    };
}

/// What unwinds a task of an execution that is over.
struct Abort;

pub(crate) fn with_engine<T>(f: impl FnOnce(&mut Engine) -> T) -> T {
    HERE.with(|here| {
        let mut engine = here.engine.borrow_mut();
        f(engine.as_mut().expect("this is for programs that run under dpor::Explorer"))
    })
}

/// Start exploring on this thread.
pub(crate) fn enter(engine: Engine) {
    HERE.with(|here| {
        let mut slot = here.engine.borrow_mut();
        assert!(slot.is_none(), "an Explorer cannot run inside another's program");
        here.aborting.set(false);
        here.memory.set(engine.core.memory);
        *slot = Some(ManuallyDrop::new(Box::new(engine)));
    });
}

/// End exploring on this thread.
pub(crate) fn leave() -> Option<Box<Engine>> {
    HERE.with(|here| {
        here.aborting.set(false);
        here.memory.set(Memory::Sc);
        let engine = here.engine.try_borrow_mut().ok().and_then(|mut engine| engine.take());
        engine.map(ManuallyDrop::into_inner)
    })
}

/// The memory model of the exploration on this thread.
pub(crate) fn memory_model() -> Memory {
    HERE.with(|here| here.memory.get())
}

/// True while the current execution is being torn down, because a task panicked or because it was
/// cut: [`step`] and its like do nothing then, so that guards may announce their release from
/// `Drop` at any time.
pub fn aborting() -> bool {
    HERE.with(|here| here.aborting.get())
}

/// Let the scheduler choose who goes on.
fn switch() {
    if coroutines::runs() { coroutines::switch() } else { thread::switch() }
}

/// True if the execution is over, for a caller that is unwinding already; unwinds any other.
pub(crate) fn over() -> bool {
    if panicking() {
        return true;
    }
    if aborting() {
        resume_unwind(Box::new(Abort));
    }
    false
}

/// A new shared object.
pub fn object() -> ObjectId {
    with_engine(|engine| engine.core.object())
}

/// A new shared object that any task may be the first to need and make, like the entry of a table
/// that grows. Objects are told apart by who made them and when; this one by its name, which no
/// other has, so that it is the same one whoever comes first.
pub fn object_named(name: u64) -> ObjectId {
    with_engine(|engine| engine.core.object_named(name))
}

/// A new plain shared cell, for [`data_access`].
pub fn data() -> DataId {
    with_engine(|engine| engine.core.data())
}

/// The same for data in an object [by this name](object_named), made together with it.
pub fn data_named(name: u64) -> DataId {
    with_engine(|engine| engine.core.data.make((name, u32::MAX)))
}

/// Check an access to plain shared data, which no step announces because something else protects
/// it, a lock say. A program that says this of any of its data says it of all that a retry loop may
/// change: whether a round led nowhere is told by it. Under [`Memory::Pso`] the data is taken to be
/// in memory at once, which hides a store barrier that is missing after it: see
/// [`memory`](crate::memory#limits).
///
/// # Errors
/// If this access and an earlier one of another task are not ordered by what was announced, and one
/// of them is a write: then an interleaving exists that the exploration does not know of, and
/// whatever it says is void.
pub fn data_access(cell: DataId, write: bool) -> Result<(), DataRace> {
    if panicking() || aborting() {
        return Ok(());
    }
    with_engine(|engine| {
        let core = &mut engine.core;
        core.settle_worst_case(&mut *engine.strategy);
        if write {
            core.changes_data();
        }
        core.data_access(cell, write)
    })
}

/// Index of the current task: 0 is the program's main task, spawned tasks have 1, 2, … in the order
/// in which they were spawned.
pub fn me() -> usize {
    HERE.with(|here| here.current.get())
}

/// Announce an access to an object, let the scheduler choose, and return when this task was chosen.
/// Never blocks.
#[track_caller]
pub fn step(object: ObjectId, access: Access) {
    announce(Op { object, access }, None);
}

/// The same for an operation that blocks until `ready()`.
///
/// The scheduler evaluates `ready` while the task is suspended, and runs the task only when it is
/// true; on return it is true and nothing ran in between. It must be a pure function of what has
/// been announced on `object`: only accesses that depend on `access` may change it. Tearing down an
/// execution returns early, see [`aborting`].
#[track_caller]
pub fn step_when(object: ObjectId, access: Access, ready: &dyn Fn() -> bool) {
    let ready: *const (dyn Fn() -> bool + '_) = ready;
    // SAFETY: only the lifetime changes. The pointer is used while this task is pending, that is,
    // suspended in this call.
    let ready = unsafe { std::mem::transmute::<*const (dyn Fn() -> bool + '_), Condition>(ready) };
    announce(Op { object, access }, Some(ready));
}

#[track_caller]
fn announce(op: Op, condition: Option<Condition>) {
    if memory_model() != Memory::Sc {
        memory::full_barrier();
    }
    announce_alone(op, condition);
}

/// The same for what knows itself how it is ordered. False if the execution is over.
#[track_caller]
pub(crate) fn announce_alone(op: Op, condition: Option<Condition>) -> bool {
    if over() {
        return false;
    }
    let at = Location::caller();
    with_engine(|engine| engine.core.announce(&mut *engine.strategy, op, condition, at));
    switch();
    !over()
}

/// Which of these outcomes the step has that the current task has just taken: each of them in some
/// execution.
pub(crate) fn pick(outcomes: Outcomes<'_>) -> u32 {
    if over() {
        return 0;
    }
    let picked = with_engine(|engine| engine.core.pick(&mut *engine.strategy, outcomes));
    picked.unwrap_or_else(|| abort())
}

/// A step of the current task whose outcome is one of the numbers from 0, of which there are `of`:
/// each of them in some execution. That is how a program that is not deterministic says so: a device
/// that fails or does not, a value that comes from outside. The step depends on no other task's. Who
/// asks in every round of a loop may be told the same for ever: that is a livelock. A search by
/// [`Strategy::States`](crate::Strategy::States) has no choices.
///
/// ```
/// use dpor::{Explorer, Strategy};
///
/// let report = Explorer::new(Strategy::Dpor).run(|| {
///     let coins = [0, 1].map(|_| dpor::spawn("coin", || _ = dpor::choose(2)));
///     coins.into_iter().for_each(dpor::JoinHandle::join);
///     assert!(dpor::choose(3) < 2, "two");
/// });
/// assert_eq!((report.complete, report.failing), (12, 4), "{report}");
/// assert!(report.failures[0].schedule.to_string().ends_with("0:2"));
/// ```
///
/// # Panics
/// If there is nothing to choose from.
#[track_caller]
pub fn choose(of: u32) -> u32 {
    assert!(of > 0, "there is nothing to choose from");
    if over() {
        return 0;
    }
    let object = with_engine(|engine| engine.core.choices());
    if !announce_alone(Op { object, access: Access::Write }, None) {
        return 0;
    }
    let numbers: Vec<u32> = (0..of).collect();
    let chosen = pick(Outcomes { numbers: &numbers, old: false });
    observed(chosen.into());
    chosen
}

/// State how the last step, a [`TryAcquire`](Access::TryAcquire) or
/// [`TryAcquireShared`](Access::TryAcquireShared), went: a failed try is only a read of the lock.
/// To be called before the task does anything else that this crate sees. A try of which nothing is
/// said counts as one that succeeded.
///
/// # Panics
/// If there is no such step, or something came in between.
pub fn tried(success: bool) {
    if over() {
        return;
    }
    if !with_engine(|engine| engine.core.tried(&mut *engine.strategy, success)) {
        abort();
    }
}

/// A retry loop states that it goes round again.
///
/// `fingerprint` is a hash of *all* modelled shared state, and of whatever local state the task
/// carries round the loop. If the same state was there before in this execution, what lies between
/// is a cycle. It is reported as a livelock if it is fair, that is, if every task that could run
/// throughout took part in it. If it is not, those that took part have to wait until someone else
/// takes a step that concerns them, since another round would only lead back again. See the crate's
/// documentation.
///
/// [`round`] says more and makes for far fewer executions.
pub fn retry(fingerprint: impl FnOnce() -> u64) {
    end_round(None, 0, fingerprint);
}

/// A retry loop begins a round: to be called at the top of the loop, before the first round too.
///
/// `local` is a hash of the local state that the task carries round the loop, `shared` of all
/// modelled shared state. This is [`retry`] with the two told apart, and with the first round
/// marked. So a round that left nothing behind (it looked, and took locks and gave them back, and
/// nobody noticed) is known to be worth nothing although others have done something else meanwhile.
pub fn round(local: u64, shared: impl FnOnce() -> u64) {
    round_carrying(local, 0, shared);
}

/// The same in a loop that `which` tells from others, and whose task carries `carried` round: a hash
/// of all that differs from one round to the next. A loop in a round of another should have the same
/// name in each of those rounds: else no circle in the middle of which somebody is in it is seen.
/// Under
/// [`Strategy::States`](crate::Strategy::States) a round begins with what the task knew when the loop
/// began, and with that.
pub fn round_carrying(which: u64, carried: u128, shared: impl FnOnce() -> u64) {
    let local = mix(which, carried as u64);
    end_round(Some(which), carried, || {
        shared().rotate_left(17) ^ local.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
}

fn end_round(local: Option<u64>, carried: u128, fingerprint: impl FnOnce() -> u64) {
    if over() {
        return;
    }
    // Where states are told apart, what the task carries along is enough. The caller's code may
    // call `me`, but nothing that announces.
    let known =
        with_engine(
            |engine| if engine.core.by_states { local } else { engine.core.known_fingerprint() },
        );
    let fingerprint = known.unwrap_or_else(fingerprint);
    if !with_engine(|engine| engine.core.retry(&mut *engine.strategy, fingerprint, local, carried))
    {
        abort();
    }
}

/// The retry loop that `local` tells from others is over, and no round of it will begin. Said
/// or not: but the state of a task that can come back to where a loop began is another one.
pub fn rounds_end(local: u64) {
    if !panicking() && !aborting() {
        with_engine(|engine| engine.core.leave(local));
    }
}

/// State a value that the task has read, as part of its local state. Needed for livelocks that
/// repeat while some task is in the middle of a round, after a [`Read`](Access::Read) or
/// [`Rmw`](Access::Rmw); and under [`Strategy::States`](crate::Strategy::States) for all that a
/// task gets to know, by whatever step, and by looking at plain data.
pub fn observed(value: u64) {
    if !over() {
        with_engine(|engine| engine.core.observed(value));
    }
}

/// Say how to name all that tasks share, for [`Strategy::States`](crate::Strategy::States): called
/// in every execution before its first step, and once. `name` adds to the [`Digest`] whatever a
/// step of any task, the condition of one that waits, or a panic can depend on, and that is not
/// part of what a task knows by itself. It is called between steps, and may call nothing of this
/// crate.
pub fn name_state(name: impl Fn(&mut Digest) + 'static) {
    if !over() {
        let before = with_engine(|engine| engine.core.naming.replace(Box::new(name)));
        drop(before);
    }
}

/// Whether states are told apart in this exploration: only then what is learned beside the steps
/// need be [said](observed).
pub fn by_states() -> bool {
    !panicking() && !aborting() && with_engine(|engine| engine.core.by_states)
}

/// Whether what tasks share is to be [said](changed) now.
pub fn tells() -> bool {
    !panicking() && !aborting() && with_engine(|engine| engine.core.tells())
}

/// What tasks share in this object was `before` and is `after`, as far as a step can tell; or the
/// object is new, and `before` is an empty [`Digest`]. For
/// [`Strategy::States`](crate::Strategy::States): what is said so from the first step on need not
/// be [named](name_state) in every state. Not needed unless the engine [asks for it](tells).
pub fn changed(object: ObjectId, before: Digest, after: Digest) {
    if !over() {
        with_engine(|engine| engine.core.changed(object, before, after));
    }
}

/// What the current task has learned so far, for [`learned_since`].
pub fn learned() -> Digest {
    if over() { Digest::default() } else { with_engine(|engine| engine.core.learned()) }
}

/// What the current task has learned since `mark` comes to no more than `value`, say because a
/// function returns it and nothing else: two states that differ only in what the task knew
/// meanwhile are the same then. Marks are nested, as calls are. If it has learned nothing since then,
/// `value` does not count.
pub fn learned_since(mark: Digest, value: u128) {
    if !over() {
        with_engine(|engine| engine.core.learned_since(mark, value));
    }
}

/// Whether the current task has learned anything since `mark`, or has taken a step.
pub fn has_learned_since(mark: Digest) -> bool {
    !over() && with_engine(|engine| engine.core.has_learned_since(mark))
}

/// Note values that must be the same in every interleaving that is taken to be equivalent, for
/// [`Explorer::commute`]: what a task has come to, or, where all others have been joined, the state
/// at the end. They are asked for only if somebody compares them.
///
/// [`Explorer::commute`]: crate::Explorer::commute
pub fn note<K: Display, V: Display, I: IntoIterator<Item = (K, V)>>(values: impl FnOnce() -> I) {
    if over() || !with_engine(|engine| engine.core.log.is_some()) {
        return;
    }
    let values: Vec<_> =
        values().into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    with_engine(|engine| {
        for (key, value) in values {
            engine.core.did(engine.core.current, || Did::Noted { key, value });
        }
    });
}

fn abort() -> ! {
    HERE.with(|here| here.aborting.set(true));
    resume_unwind(Box::new(Abort));
}

/// The right to wait for a task's end.
#[derive(Debug)]
#[must_use = "a task that is not joined still runs to its end"]
pub struct JoinHandle {
    task: usize,
}

impl JoinHandle {
    /// Wait until the task has ended.
    pub fn join(self) {
        join(self.task);
        memory::join_stores_of(self.task);
    }

    /// The task's index.
    pub fn task(&self) -> usize {
        self.task
    }
}

pub(crate) fn join(task: usize) {
    if over() {
        return;
    }
    if !with_engine(|engine| engine.core.join(&mut *engine.strategy, task)) {
        switch();
        over();
    }
}

/// Spawn a task. Spawning, joining and ending order tasks; they are no steps, and never race.
#[track_caller]
pub fn spawn<F: FnOnce() + 'static>(name: impl Into<String>, f: F) -> JoinHandle {
    spawn_behind_stores(&name.into(), Box::new(f))
}

#[track_caller]
fn spawn_behind_stores(name: &str, body: Body) -> JoinHandle {
    let stores = memory::stores_of(me());
    if stores.is_empty() {
        return JoinHandle { task: spawn_alone(name, body, None) };
    }
    let behind = move || {
        stores.into_iter().for_each(join);
        body();
    };
    JoinHandle { task: spawn_alone(name, Box::new(behind), None) }
}

/// The same for what does not begin with all of the task's stores in memory, or is one of them.
#[track_caller]
pub(crate) fn spawn_alone(name: &str, f: Body, store: Option<ObjectId>) -> usize {
    if over() {
        return 0;
    }
    let task = if coroutines::runs() {
        coroutines::spawn(|| run_task(f))
    } else {
        let body = || {
            run_task(|| {
                f();
                ExecutionState::drop_task_locals();
            });
        };
        let stack_size = with_engine(|engine| engine.stack_size);
        usize::from(ExecutionState::spawn_thread(
            Box::new(body),
            stack_size,
            None,
            None,
            Location::caller(),
        ))
    };
    with_engine(|engine| engine.core.spawned(&mut *engine.strategy, task, name, store));
    task
}

/// The body of every task: keep panics in, and note the end.
pub(crate) fn run_task(f: impl FnOnce()) {
    // A task that starts when the execution is over only drops what it owns.
    let result = catch_unwind(AssertUnwindSafe(|| if aborting() { drop(f) } else { f() }));
    let task = me();
    with_engine(|engine| {
        let failed = result.is_err();
        if let Err(payload) = result
            && !payload.is::<Abort>()
        {
            engine.core.fail(panic_failure(task, payload));
        }
        engine.core.finish(&mut *engine.strategy, task, failed);
        HERE.with(|here| here.aborting.set(engine.core.ended));
    });
}

/// Finish the last execution and prepare the next; false if there is none.
pub(crate) fn new_execution() -> bool {
    with_quiet(false, || {
        // What the last execution's tasks shared ends here, outside of the engine.
        let named = with_engine(|engine| engine.core.naming.take());
        drop(named);
        let more = with_engine(|engine| {
            engine.core.pulse.exploration();
            let more = engine.session.next_execution(&mut engine.core, &mut *engine.strategy);
            engine.core.pulse.program();
            more
        });
        HERE.with(|here| here.aborting.set(false));
        more
    })
}

/// Who of the coroutines goes on, when this one runs; nobody if there are none.
pub(crate) fn next_task(current: Option<usize>) -> Option<usize> {
    with_engine(|Engine { core, strategy, coroutines, .. }| {
        next_of(core, &mut **strategy, coroutines.live.iter().copied(), current)
    })
}

/// Who of these tasks goes on, when this one runs; nobody if there are none.
fn next_of(
    core: &mut Core,
    strategy: &mut dyn Explore,
    tasks: impl Iterator<Item = usize> + Clone,
    current: Option<usize>,
) -> Option<usize> {
    // All have ended.
    tasks.clone().next()?;
    with_quiet(false, || {
        core.pulse.exploration();
        let task = match core.next(strategy, tasks.clone()) {
            Next::Run(task) => task,
            Next::Abort => {
                HERE.with(|here| here.aborting.set(true));
                // Let each task unwind in one go.
                tasks
                    .clone()
                    .find(|&task| Some(task) == current)
                    .or_else(|| tasks.clone().next())?
            }
        };
        core.current = task;
        core.pulse.task(task, core.tasks()[task].at);
        core.pulse.program();
        HERE.with(|here| here.current.set(task));
        Some(task)
    })
}

/// The scheduler that shuttle sees; what it knows is in `HERE`.
pub(crate) struct Driver;

impl Scheduler for Driver {
    fn new_execution(&mut self) -> Option<Schedule> {
        new_execution().then(|| Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        _yielding: bool,
    ) -> Option<TaskId> {
        let tasks = runnable.iter().map(|task| usize::from(task.id()));
        let current = current.map(usize::from);
        with_engine(|Engine { core, strategy, .. }| next_of(core, &mut **strategy, tasks, current))
            .map(TaskId::from)
    }

    fn next_u64(&mut self) -> u64 {
        // The program's randomness would be a choice that is not explored: make it none.
        0
    }
}
