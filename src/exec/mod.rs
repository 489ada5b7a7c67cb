//! One execution: which CPU runs, what it holds, what it waits for, what it has said.
//!
//! Everything here is bookkeeping beside the protocol (lockdep's and KASAN's place): none of it is
//! a step of the protocol, so none of it is announced, and no decision of the protocol may read it.

mod clock;
pub(crate) mod lockdep;
pub(crate) mod mark;
pub(crate) mod met;
pub(crate) mod name;
pub(crate) mod operation;
pub(crate) mod panics;
pub(crate) mod progress;
pub(crate) mod state;
pub(crate) mod told;
pub(crate) mod trace;
pub(crate) mod violation;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::spec::Clause;
use lockdep::{LockEdge, Tables};
use name::Name;
use panics::{CONDITION, Mishap, misuse, not_asserting};
use progress::Progress;
use trace::Trace;
use violation::Violation;

/// The CPU that builds the world and audits it: it is not one of the race's CPUs.
pub const BOOT: usize = usize::MAX;

thread_local! {
    /// Not dropped by the thread's end, which would have to be seen to at every access.
    static EXEC: RefCell<Option<ManuallyDrop<Arc<Exec>>>> = const { RefCell::new(None) };
    static CPU: Cell<usize> = const { Cell::new(BOOT) };
    /// Names for the objects that are made now, when it does not matter who makes them.
    static NAMING: Cell<Option<u64>> = const { Cell::new(None) };
    /// Does what runs look at the state without being noticed?
    static UNSEEN: Cell<bool> = const { Cell::new(false) };
    /// Is the CPU that runs inside a call of its engine?
    static IN_ENGINE: Cell<bool> = const { Cell::new(false) };
}

/// What runs the CPUs of a race, and decides who goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// Real threads: parking_lot and arc-swap. Finds little, and shows that the code really runs.
    Native,
    /// Coroutines; who goes next is decided by one of shuttle's schedulers, or exhaustively by
    /// `dpor`. Under the memory model of the race.
    Shuttle,
    /// loom: explores (most of) the C11 memory model.
    Loom,
}

/// Says whether an execution has shown what a violation must show to count.
pub type Shows = Arc<dyn Fn(&Exec) -> bool + Send + Sync>;

/// One execution of a race.
pub struct Exec {
    engine: Engine,
    focus: Option<Clause>,
    shows: Shows,
    next_object: AtomicU32,
    clock: AtomicU64,
    started: AtomicBool,
    running: AtomicBool,
    stopped: AtomicBool,
    delays: AtomicBool,
    completed: AtomicBool,
    mishap: Mutex<Option<Mishap>>,
    /// Of each CPU.
    progress: Arc<Progress>,
    clauses: [AtomicU64; Clause::COUNT],
    tables: Mutex<Tables>,
    trace: Option<Mutex<Trace>>,
    /// What its engine keeps with it.
    engines: Mutex<Option<Box<dyn Any + Send>>>,
    /// Which object lives in a place, counted from one, and which one did when the CPUs started:
    /// for names, and only while there is a trace.
    lives: Mutex<Vec<u32>>,
    first_lives: Mutex<Vec<u32>>,
    /// States are told apart.
    by_states: bool,
    /// By CPU.
    met: Mutex<BTreeMap<usize, met::Met>>,
}

impl Exec {
    /// A new execution on `engine`. A violation of `focus` (of any clause when `None`) ends it;
    /// with a focus, other violations that leave the state meaningful are noted and the execution
    /// goes on, so that a race is judged by the clause its claim names.
    pub fn new(
        engine: Engine,
        cpus: usize,
        focus: Option<Clause>,
        tracing: bool,
        shows: Shows,
    ) -> Arc<Self> {
        let tables = Tables::new(cpus);
        Arc::new(Self {
            engine,
            focus,
            shows,
            next_object: AtomicU32::new(0),
            clock: AtomicU64::new(1),
            started: AtomicBool::new(false),
            running: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            delays: AtomicBool::new(true),
            completed: AtomicBool::new(false),
            mishap: Mutex::default(),
            progress: Arc::new(Progress::new(cpus)),
            clauses: [const { AtomicU64::new(0) }; Clause::COUNT],
            tables: Mutex::new(tables),
            trace: tracing.then(|| Mutex::new(Trace::new(cpus))),
            engines: Mutex::default(),
            lives: Mutex::default(),
            first_lives: Mutex::default(),
            by_states: engine == Engine::Shuttle && dpor::by_states(),
            met: Mutex::default(),
        })
    }

    /// Makes this the execution of the calling OS thread while `f` runs, as CPU `cpu`.
    ///
    /// Under loom it stays so afterwards: loom's main thread is a CPU like the others, on the same
    /// OS thread, and may end before them.
    pub fn enter<R>(self: &Arc<Self>, cpu: usize, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<ManuallyDrop<Arc<Exec>>>, usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                let mine = EXEC.replace(self.0.take());
                drop(mine.map(ManuallyDrop::into_inner));
                CPU.set(self.1);
            }
        }
        let before = EXEC.replace(Some(ManuallyDrop::new(self.clone())));
        IN_ENGINE.set(false);
        let mut restore = Restore(before, CPU.replace(cpu));
        if self.engine == Engine::Loom {
            let Restore(before, _) = &mut restore;
            drop(before.take().map(ManuallyDrop::into_inner));
            std::mem::forget(restore);
        }
        f()
    }

    /// The CPUs start: from here on every step is announced.
    pub fn start(&self) {
        self.started.store(true, Relaxed);
        self.running.store(true, Relaxed);
    }

    /// All CPUs have ended: from here on steps are the audit's, and are not announced.
    pub fn finish(&self) {
        self.running.store(false, Relaxed);
    }

    /// The audit is over.
    pub fn complete(&self) {
        self.completed.store(true, Relaxed);
    }

    /// Did all CPUs run to their ends, and the audit too?
    pub fn completed(&self) -> bool {
        self.completed.load(Relaxed)
    }

    /// Something panicked that is no finding.
    pub(crate) fn fail(&self, mishap: Mishap) {
        self.mishap.lock().get_or_insert(mishap);
        self.stop();
    }

    /// What panicked that is no finding.
    pub fn mishap(&self) -> Option<Mishap> {
        self.mishap.lock().clone()
    }

    /// The engine that runs this execution.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// What the engine keeps with this execution: always the same type of one engine.
    pub(crate) fn of_engine<T: Any + Send + Default, R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        let mut kept = self.engines.lock();
        let kept = kept.get_or_insert_with(|| Box::new(T::default()));
        act(kept.downcast_mut().expect("an engine keeps one type"))
    }

    /// Data goes by the name of whoever makes it, or by the next object's.
    pub(crate) fn new_data(&self) -> Option<dpor::DataId> {
        (self.engine == Engine::Shuttle)
            .then(|| NAMING.get().map_or_else(dpor::data, dpor::data_named))
    }

    pub(crate) fn new_object(&self) -> u32 {
        match self.engine {
            Engine::Shuttle => match NAMING.get() {
                Some(name) => {
                    NAMING.set(Some(name + 1));
                    dpor::object_named(name).0
                }
                None => dpor::object().0,
            },
            Engine::Native | Engine::Loom => self.next_object.fetch_add(1, Relaxed),
        }
    }

    /// Does the search tell states apart?
    pub(crate) fn by_states(&self) -> bool {
        self.by_states
    }

    /// See [`new_life`](name::new_life).
    pub(crate) fn new_life(&self, place: u32, life: u32) {
        if self.trace.is_some() {
            let mut lives = self.lives.lock();
            let places = lives.len().max(place as usize + 1);
            lives.resize(places, 1);
            lives[place as usize] = life;
        }
    }

    /// The CPUs are about to start: what lives now is what a reader of the trace meets first.
    pub(crate) fn name_from_here(&self) {
        self.first_lives.lock().clone_from(&self.lives.lock());
    }

    /// How far its CPUs are.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Steps announced so far: where a line of the trace stands in the schedule.
    pub(crate) fn announced(&self) -> usize {
        self.progress.steps() as usize
    }

    /// CPUs of the race.
    pub(crate) fn cpus(&self) -> usize {
        self.tables.lock().cpus()
    }

    /// Have the CPUs started?
    pub(crate) fn started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// True between [`Exec::start`] and [`Exec::finish`].
    pub(crate) fn running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// A violation, or a loop without an end, has ended this execution; CPUs that are still under
    /// way must stop.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Real threads are not delayed at random: for who measures.
    #[cfg(feature = "cli")]
    pub fn without_delays(&self) {
        self.delays.store(false, Relaxed);
    }

    /// Are real threads delayed at random?
    pub(super) fn delays(&self) -> bool {
        self.delays.load(Relaxed)
    }

    /// Ends this execution without a violation; see [`stopped`](Self::stopped).
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// How often each clause was evaluated.
    pub fn clause_counts(&self) -> impl Iterator<Item = (Clause, u64)> + '_ {
        Clause::ALL.iter().map(|&clause| (clause, self.clauses[clause as usize].load(Relaxed)))
    }

    /// What it has come to so far, for who tells states apart: what was marked, violated and done,
    /// what its CPUs hold, and who reads under RCU since before somebody freed something last.
    pub(crate) fn came_to_so_far(&self, digest: &mut dpor::Digest) {
        self.tables.lock().feed(digest);
    }

    /// What was violated, in order; the last one ended the execution if it did not end by itself.
    pub fn violations(&self) -> Vec<Violation> {
        self.tables.lock().violations.clone()
    }

    /// What it has come to, as far as that may not depend on the order of independent steps:
    /// clauses evaluated, and marks set.
    pub fn came_to(&self) -> Vec<(String, String)> {
        let evaluated = self
            .clause_counts()
            .map(|(clause, count)| (format!("{clause} evaluated"), count.to_string()));
        let mut marks: Vec<_> = self.tables.lock().marks.iter().map(|mark| mark.name()).collect();
        marks.sort_unstable();
        evaluated.chain([("marks".into(), marks.join(", "))]).collect()
    }

    /// The violation that ended the execution.
    pub fn fatal(&self) -> Option<Violation> {
        self.tables.lock().fatal.clone().map(|(violation, ..)| violation)
    }

    /// The CPU that found it, and where.
    #[cfg(feature = "cli")]
    pub fn fatal_at(&self) -> Option<(usize, String)> {
        self.tables.lock().fatal.as_ref().map(|(_, cpu, at)| (*cpu, at.clone()))
    }

    /// Adds the lock-order edges of this execution to `all`.
    pub fn extend_lock_edges(&self, all: &mut BTreeSet<LockEdge>) {
        for edge in &self.tables.lock().edges {
            if !all.contains(edge) {
                all.insert(*edge);
            }
        }
    }

    fn lives_in(&self, place: u32) -> (u32, u32) {
        if self.trace.is_none() {
            return (1, 1);
        }
        let life = |lives: &Mutex<Vec<u32>>| lives.lock().get(place as usize).copied().unwrap_or(1);
        (life(&self.lives), life(&self.first_lives))
    }

    /// What each CPU holds now: (cpu, lock).
    pub fn held(&self) -> Vec<(usize, String)> {
        let held = self.tables.lock().held();
        held.into_iter()
            .map(|(cpu, lock)| (cpu, lock.told(&|place| self.lives_in(place))))
            .collect()
    }

    /// Takes what was recorded, if this execution was traced.
    pub fn take_trace(&self) -> Option<Trace> {
        self.trace.as_ref().map(|trace| std::mem::take(&mut *trace.lock()))
    }

    /// Is it the clause that the exploration is about?
    pub fn looks_for(&self, clause: Clause) -> bool {
        self.focus == Some(clause)
    }

    /// Records the violation; ends the execution when it is the one looked for, or when going on
    /// would mean nothing.
    pub(crate) fn violated(&self, mut violation: Violation, at: String) {
        violation.counts =
            self.focus != Some(violation.clause) || not_asserting(CONDITION, || (self.shows)(self));
        violation.afterwards = self.started() && !self.running();
        let ends =
            self.focus.is_none_or(|focus| focus == violation.clause) || violation.clause.is_fatal();
        if let Some(trace) = &self.trace {
            trace.lock().violation(self.announced(), cpu(), &violation, &at);
        }
        told::note(self, || [(violation.clause.id().to_owned(), violation.what.clone())]);
        let mut tables = self.tables.lock();
        tables.violated(violation.clone());
        if ends {
            tables.fatal.get_or_insert((violation.clone(), cpu(), at));
            drop(tables);
            self.stop();
            std::panic::panic_any(violation);
        }
    }
}

/// Runs `f` with the current execution.
///
/// # Panics
/// Outside an execution: modelled objects exist only inside one.
pub(crate) fn with<R>(f: impl FnOnce(&Exec) -> R) -> R {
    EXEC.with(|exec| {
        f(exec
            .borrow()
            .as_ref()
            .expect("modelled objects live inside an execution: see Race::check"))
    })
}

/// Which object lives in a place now, and which one did when the CPUs started; the first, where
/// nobody keeps count.
pub(crate) fn lives(place: u32) -> (u32, u32) {
    EXEC.with(|exec| exec.borrow().as_ref().map_or((1, 1), |exec| exec.lives_in(place)))
}

/// Leaves the execution that loom's last one has left behind.
pub(crate) fn leave() {
    set_cpu(BOOT);
    drop(EXEC.take().map(ManuallyDrop::into_inner));
}

/// The CPU that runs; `usize::MAX` while the world is built and audited.
pub fn cpu() -> usize {
    CPU.get()
}

/// Does one of the race's CPUs run, and is not on its way out? Steps of the world's construction
/// and of the audit are nobody's, and no engine need know of them.
pub(crate) fn is_on_cpu() -> bool {
    cpu() != BOOT && !std::thread::panicking()
}

pub(crate) fn set_cpu(cpu: usize) {
    CPU.set(cpu);
    IN_ENGINE.set(false);
}

/// What `cpu` has begun goes on without it: on its behalf.
pub(crate) fn as_cpu(cpu: usize, act: impl FnOnce()) {
    let before = (CPU.replace(cpu), IN_ENGINE.replace(false));
    act();
    CPU.set(before.0);
    IN_ENGINE.set(before.1);
}

/// Is the CPU that runs inside a call of its engine? A panic comes from there then.
pub(crate) fn is_in_engine() -> bool {
    IN_ENGINE.get()
}

/// While this lives, a step is made that may let other CPUs run on this very OS thread; then the
/// CPU that left is back.
pub(crate) struct Switching(usize, bool);

impl Switching {
    pub fn begin() -> Self {
        Self(CPU.get(), IN_ENGINE.replace(true))
    }
}

impl Drop for Switching {
    fn drop(&mut self) {
        // A panic from inside the engine must still be known for one.
        if !std::thread::panicking() {
            CPU.set(self.0);
            IN_ENGINE.set(self.1);
        }
    }
}

/// Runs what lets other CPUs run on this very OS thread, and comes back as the CPU that left.
pub(crate) fn switching<R>(f: impl FnOnce() -> R) -> R {
    let _switching = Switching::begin();
    f()
}

/// Makes what whoever comes first makes: its objects are the same ones, whoever that is. There are
/// at most 16, and `key` is theirs alone.
pub(crate) fn made_by_whoever_comes_first<R>(key: u64, make: impl FnOnce() -> R) -> R {
    let before = NAMING.replace(Some(key << 4));
    let made = make();
    NAMING.set(before);
    made
}

/// Is something made so?
pub(crate) fn is_made_by_whoever_comes_first() -> bool {
    NAMING.get().is_some()
}

/// Runs a look at the whole state that nobody in the execution can notice: a fingerprint, a
/// picture.
pub(crate) fn unseen<R>(look: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNSEEN.set(self.0);
        }
    }
    let _restore = Restore(UNSEEN.replace(true));
    look()
}

/// Is the world being built, and no CPU runs yet?
pub(crate) fn is_setup() -> bool {
    !with(Exec::started)
}

/// Does such a look go on?
pub(crate) fn is_unseen() -> bool {
    UNSEEN.get()
}

/// A look at `name` without a step must be the audit's or a picture's: what a CPU does with it
/// would depend on an order that nobody explores.
#[track_caller]
pub(crate) fn assert_unseen(name: Name) {
    if cpu() != BOOT && !UNSEEN.get() {
        misuse(format!("{name}, which others change, is looked at without a step"));
    }
}

/// Evaluates a clause: `holds` must be true, else it is violated with `what` as the concrete
/// finding.
#[track_caller]
pub fn clause(clause: Clause, holds: bool, what: impl FnOnce() -> String) {
    if !evaluated(clause, holds) {
        let at = trace::line(Location::caller());
        with(|exec| exec.violated(Violation::new(clause, what()), at));
    }
}

/// Evaluates [ASSERT-1](Clause::ASSERT_1): has an assertion `failed`? Then what it said, and where.
pub(super) fn asserted(failed: Option<(String, Option<String>)>) {
    if !evaluated(Clause::ASSERT_1, failed.is_none())
        && let Some((what, at)) = failed
    {
        let violation = Violation::new(Clause::ASSERT_1, what);
        with(|exec| exec.violated(violation, at.unwrap_or_default()));
    }
}

/// Counts it; true if that was all.
fn evaluated(clause: Clause, holds: bool) -> bool {
    if std::thread::panicking() {
        return true; // a violation is already on its way out
    }
    with(|exec| exec.clauses[clause as usize].fetch_add(1, Relaxed));
    holds
}

/// A moment of this execution, later than all before.
pub(crate) fn now() -> u64 {
    with(|exec| exec.clock.fetch_add(1, Relaxed))
}
