//! Raw primitives on loom.
//!
//! loom's own `try_lock` is unsound (it never explores "the holder is between lock and unlock"), so
//! no loom lock is ever held across protocol code: a [`Monitor`] takes its mutex only for the one
//! transition, and both outcomes of an attempt are therefore explored. CPU 0 runs on loom's main
//! thread and nobody joins: both multiply loom's executions for nothing. Whoever ends last runs the
//! audit.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use loom::sync::{Condvar as LoomCondvar, Mutex as LoomMutex, atomic::AtomicU64 as LoomAtomic};
use parking_lot::Mutex;

use super::{CpuBody, Step};
use crate::exec::{self, Exec, panics, progress};

/// The CPU goes into its engine, where others run, and comes back.
fn switching<R>(f: impl FnOnce() -> R) -> R {
    progress::computes(false);
    let result = exec::switching(f);
    progress::computes(true);
    result
}

/// loom's atomic is made from `newest` when the CPUs start, so that building the world costs loom
/// nothing.
pub struct Word(Arc<Shared>);

struct Shared {
    newest: AtomicU64,
    atomic: OnceLock<Atomic>,
}

/// The words of one execution.
#[derive(Default)]
struct Words {
    /// Made while the world was built.
    built: Vec<Arc<Shared>>,
    /// Zeroes, for those that are made later.
    spare: Vec<Atomic>,
    /// Notified before each fence.
    fences: Option<Arc<LoomCondvar>>,
}

fn of_this_execution<R>(act: impl FnOnce(&mut Words) -> R) -> R {
    exec::with(|exec| exec.of_engine(act))
}

/// As many as CPUs make in an execution; more than these loom may refuse to explore.
const SPARE: usize = 128;

struct Atomic {
    value: LoomAtomic,
    accessed: LoomCondvar,
}

impl Atomic {
    fn new(value: u64) -> Self {
        Self { value: LoomAtomic::new(value), accessed: LoomCondvar::new() }
    }

    /// Makes the access that follows race with every access before it.
    ///
    /// loom 0.7.2 remembers one last access of an atomic, and any load hides the loads before it
    /// from a store (SPEC.md, FINDING-9). Notifications of a condition variable beside the word all
    /// depend on each other; nobody waits there, so they order nothing, not even for fences.
    fn touch(&self) {
        self.accessed.notify_all();
    }
}

impl Word {
    /// A word of a new object is one of the spare ones: its memory has been there from the start,
    /// and whoever finds the object without a lock may read what was there before. (To loom, an
    /// atomic that is made races with every access that nothing orders behind.)
    pub fn new(value: u64) -> Self {
        let word =
            Self(Arc::new(Shared { newest: AtomicU64::new(value), atomic: OnceLock::new() }));
        let spare = of_this_execution(|words| {
            if exec::is_on_cpu() {
                return words.spare.pop();
            }
            words.built.push(word.0.clone());
            None
        });
        if exec::is_on_cpu() {
            word.0.atomic.get_or_init(|| spare.unwrap_or_else(|| switching(|| Atomic::new(0))));
            if value != 0 {
                word.reset(0, value);
            }
        }
        word
    }

    fn access<R>(&self, access: impl FnOnce(&LoomAtomic) -> R) -> R {
        let atomic = self.0.atomic.get().expect("made when the CPUs start");
        progress::step();
        switching(|| {
            atomic.touch();
            access(&atomic.value)
        })
    }

    pub fn load(&self, _: Step, order: Ordering) -> u64 {
        if exec::is_on_cpu() { self.access(|atomic| atomic.load(order)) } else { self.peek() }
    }

    pub fn store(&self, _: Step, value: u64, order: Ordering) {
        if exec::is_on_cpu() {
            self.access(|atomic| atomic.store(value, order));
        }
        self.0.newest.store(value, Ordering::Relaxed);
    }

    pub fn add(&self, _: Step, n: u64) -> u64 {
        let before = if exec::is_on_cpu() {
            self.access(|atomic| atomic.fetch_add(n, Ordering::Relaxed))
        } else {
            self.peek()
        };
        self.0.newest.store(before.wrapping_add(n), Ordering::Relaxed);
        before
    }

    pub fn swap(&self, _: Step, value: u64) -> u64 {
        let before = if exec::is_on_cpu() {
            self.access(|atomic| atomic.swap(value, Ordering::Relaxed))
        } else {
            self.peek()
        };
        self.0.newest.store(value, Ordering::Relaxed);
        before
    }

    pub fn update_if(
        &self,
        _: Step,
        order: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let barrier = || {
            if order == Ordering::SeqCst {
                fence(order);
            }
        };
        let replace = |atomic: &LoomAtomic| {
            let mut before = atomic.load(Ordering::Relaxed);
            while let Some(value) = change(before) {
                barrier();
                match atomic.compare_exchange(before, value, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => {
                        self.0.newest.store(value, Ordering::Relaxed);
                        barrier();
                        return Ok(before);
                    }
                    Err(other) => before = other,
                }
            }
            Err(before)
        };
        if exec::is_on_cpu() {
            return self.access(replace);
        }
        let before = self.peek();
        self.0.newest.store(change(before).ok_or(before)?, Ordering::Relaxed);
        Ok(before)
    }

    pub fn reset(&self, _: u32, value: u64) {
        if exec::is_on_cpu() {
            let atomic = self.0.atomic.get().expect("made when the CPUs start");
            switching(|| atomic.value.store(value, Ordering::Relaxed));
        }
        self.0.newest.store(value, Ordering::Relaxed);
    }

    pub fn peek(&self) -> u64 {
        self.0.newest.load(Ordering::Relaxed)
    }
}

pub struct Monitor<S> {
    gate: LoomMutex<()>,
    changed: LoomCondvar,
    state: Mutex<S>,
    waiters: AtomicUsize,
}

impl<S> Monitor<S> {
    pub fn new(state: S) -> Self {
        Self {
            gate: LoomMutex::new(()),
            changed: LoomCondvar::new(),
            state: Mutex::new(state),
            waiters: AtomicUsize::new(0),
        }
    }

    pub fn enter<R>(&self, step: Step, act: impl FnOnce(&mut S) -> R) -> R {
        self.enter_when(step, |_| true, act)
    }

    pub fn enter_when<R>(
        &self,
        _: Step,
        ready: impl Fn(&S) -> bool,
        act: impl FnOnce(&mut S) -> R,
    ) -> R {
        if !exec::is_on_cpu() {
            return act(&mut self.state.lock());
        }
        progress::step();
        let mut gate = switching(|| self.gate.lock().expect("a loom mutex is never poisoned"));
        while !ready(&self.state.lock()) {
            self.waiters.fetch_add(1, Ordering::Relaxed);
            gate = switching(|| self.changed.wait(gate).expect("a loom mutex is never poisoned"));
            self.waiters.fetch_sub(1, Ordering::Relaxed);
        }
        let result = act(&mut self.state.lock());
        if self.waiters.load(Ordering::Relaxed) > 0 {
            switching(|| self.changed.notify_all());
        }
        switching(|| drop(gate));
        result
    }

    pub fn attempt(&self, step: Step, act: impl FnOnce(&mut S) -> bool) -> bool {
        self.enter(step, act)
    }

    pub fn peek<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.state.lock())
    }
}

pub struct Published<T> {
    version: Word,
    value: Mutex<Vec<Arc<T>>>,
}

impl<T> Published<T> {
    pub fn new(value: T) -> Self {
        Self { version: Word::new(0), value: Mutex::new(vec![Arc::new(value)]) }
    }

    /// An acquire load finds which version this reader sees; loom decides.
    pub fn load(&self, step: Step) -> Arc<T> {
        let version = self.version.load(step, Ordering::Acquire);
        self.value.lock()[version as usize].clone()
    }

    pub fn store(&self, step: Step, value: T, order: Ordering) {
        let version = {
            let mut values = self.value.lock();
            values.push(Arc::new(value));
            values.len() - 1
        };
        self.version.store(step, version as u64, order);
    }

    pub fn peek(&self) -> Arc<T> {
        self.value.lock().last().expect("never empty").clone()
    }
}

/// A fence sees what every fence before it has seen. To loom it is no step, of which it would try
/// both orders; so it is made one.
pub fn fence(order: Ordering) {
    if exec::is_on_cpu() {
        if let Some(fences) = of_this_execution(|words| words.fences.clone()) {
            switching(|| fences.notify_all());
        }
        switching(|| loom::sync::atomic::fence(order));
    }
}

/// loom cannot tell a cycle; it lets the others run, and gives up the execution when it grows too
/// long.
pub fn round() {
    YIELDED.set(true);
    switching(loom::thread::yield_now);
}

pub fn run_cpus(exec: &Arc<Exec>, cpus: Vec<(String, CpuBody)>, at_end: CpuBody) {
    exec.of_engine(|words: &mut Words| {
        for word in words.built.drain(..) {
            word.atomic.get_or_init(|| Atomic::new(word.newest.load(Ordering::Relaxed)));
        }
        words.fences = Some(Arc::new(LoomCondvar::new()));
        words.spare = (0..SPARE).map(|_| Atomic::new(0)).collect();
    });
    let left = Arc::new(AtomicUsize::new(cpus.len()));
    let at_end = Arc::new(Mutex::new(Some(at_end)));
    let mut bodies = cpus.into_iter().enumerate().map(|(cpu, (_, body))| {
        let (left, at_end) = (left.clone(), at_end.clone());
        move || {
            exec::set_cpu(cpu);
            progress::on_this_thread();
            body();
            if left.fetch_sub(1, Ordering::Relaxed) == 1 {
                exec::set_cpu(exec::BOOT);
                let at_end = at_end.lock().take().expect("only the last CPU gets here");
                at_end();
            }
        }
    });
    let cpu0 = bodies.next();
    for body in bodies {
        drop(switching(|| loom::thread::spawn(body)));
    }
    if let Some(cpu0) = cpu0 {
        cpu0();
    }
}

/// How an exploration under loom ended.
pub struct LoomReport {
    /// Did some execution yield? Loom leaves out interleavings around a yield.
    pub yielded: bool,
    /// What ended it; nothing if loom reported that nothing is left.
    pub stopped: Option<LoomStop>,
}

/// Why loom stopped.
pub enum LoomStop {
    /// It was told not to go on.
    Limit,
    /// A violation or a mishap; it is in the execution.
    Ended,
    /// loom found that nobody can run, in its words.
    Deadlock(String),
    /// An execution grew beyond all measure: a loop that retries.
    TooLong,
    /// loom met something that it cannot explore, in its words: an atomic made by one CPU and read
    /// by another that nothing orders.
    CannotExplore(String),
}

/// The payload that ends loom's search from inside.
struct LimitReached;

/// Steps after which an execution is given up.
const MAX_BRANCHES: usize = 20_000;

thread_local! {
    /// Some execution has yielded.
    static YIELDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Why loom cannot run so many CPUs, if it cannot.
pub fn refuses(cpus: usize) -> Option<String> {
    (!(1..=loom::MAX_THREADS).contains(&cpus))
        .then(|| format!("loom runs 1 to {} CPUs, not {cpus}", loom::MAX_THREADS))
}

/// Runs `program` under loom until nothing is left, or `go_on`, which is asked before each
/// execution, says stop. With a `bound`, only executions with that many preemptions.
pub fn explore(
    bound: Option<usize>,
    go_on: impl Fn() -> bool + Send + Sync + 'static,
    program: impl Fn() + Send + Sync + 'static,
) -> LoomReport {
    let mut builder = loom::model::Builder::new();
    // The environment must not turn "exhaustive" into something else: every limit is set here.
    builder.max_threads = loom::MAX_THREADS;
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = bound;
    builder.checkpoint_file = None;
    builder.checkpoint_interval = usize::MAX;
    builder.location = false;
    builder.log = false;
    let quiet = panics::Quiet::begin();
    YIELDED.set(false);
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            if !go_on() {
                panic::panic_any(LimitReached);
            }
            program();
        });
    }));
    drop(quiet);
    exec::leave();
    let stopped = result.err().map(|payload| stop_reason(&*payload));
    LoomReport { yielded: YIELDED.get(), stopped }
}

fn stop_reason(payload: &(dyn Any + Send)) -> LoomStop {
    match panics::text(payload) {
        _ if payload.is::<LimitReached>() => LoomStop::Limit,
        _ if panics::is_kept(payload) => LoomStop::Ended,
        Some(text) if text.starts_with("deadlock; ") => LoomStop::Deadlock(text.into()),
        Some(text) if text.contains("maximum number of branches") => LoomStop::TooLong,
        Some(text) if text.contains("Causality violation") => {
            LoomStop::CannotExplore(text.trim().into())
        }
        // loom 0.7.2 counts the preemptive switches of an execution in a byte (its src/rt/path.rs).
        Some("attempt to add with overflow") => LoomStop::CannotExplore(
            "an execution has more than the 255 preemptions that loom counts".into(),
        ),
        // Neither a result nor a limit: a bug of ours or of loom's, which must not pass for one.
        text => {
            panic!("loom stopped for no known reason: {}", text.unwrap_or("a panic without a text"))
        }
    }
}
