//! One execution: which CPU runs, what it holds, what it waits for, what it has said.
//!
//! Everything here is bookkeeping beside the protocol (lockdep's and KASAN's place): none of it is a step of the protocol, so none of it
//! is announced, and no decision of the protocol may read it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::engine::Engine;
use super::trace::Trace;
use crate::spec::{Clause, Violation};

/// The CPU that builds the world and audits it: it is not one of the race's CPUs.
pub const BOOT: usize = usize::MAX;

thread_local! {
    static EXEC: RefCell<Option<Arc<Exec>>> = const { RefCell::new(None) };
    static CPU: Cell<usize> = const { Cell::new(BOOT) };
}

/// The name of a modelled object: a pattern whose `%a` and `%b` stand for two numbers, formatted only when somebody reads it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pattern: &'static str,
    a: u32,
    b: u32,
}

impl Name {
    /// A name with up to two numbers in it.
    pub const fn new(pattern: &'static str, a: u32, b: u32) -> Self {
        Self { pattern, a, b }
    }

    /// The lock class: the name without its numbers, as lockdep has it.
    pub fn class(&self) -> &'static str {
        self.pattern
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.pattern;
        while let Some(at) = rest.find('%') {
            f.write_str(&rest[..at])?;
            let number = if rest[at..].starts_with("%a") { self.a } else { self.b };
            write!(f, "{number}")?;
            rest = &rest[at + 2..];
        }
        f.write_str(rest)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What kind of lock is held: decides what may be done meanwhile (E21).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockKind {
    /// Its holder must not sleep.
    Spin,
    /// Its holder may sleep.
    Sleeping,
}

#[derive(Clone, Copy)]
struct HeldLock {
    lock: u32,
    name: Name,
    kind: LockKind,
    at: &'static Location<'static>,
}

#[derive(Default)]
struct CpuState {
    held: Vec<HeldLock>,
    waits_for: Option<(u32, Name, Mode)>,
    rcu_depth: u32,
    rcu_since: u64,
    loops: u64,
}

/// An edge of the lock-order graph: `later` was taken, blocking, while `earlier` was held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LockEdge {
    /// Held.
    pub earlier: Name,
    /// Taken meanwhile.
    pub later: Name,
    /// Where `later` was taken.
    pub at: &'static Location<'static>,
}

/// One hop of a wait-for cycle.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitFor {
    /// Who waits.
    pub cpu: usize,
    /// What it holds that the one before it in the cycle wants.
    pub holds: Name,
    /// It does not hold that yet, but the one before it has to wait behind it in the queue.
    pub queued: bool,
    /// What it wants.
    pub wants: Name,
}

impl WaitFor {
    /// What the one before it wants of it, in words.
    pub fn holding(&self) -> String {
        if self.queued { format!("{} (queued)", self.holds) } else { self.holds.to_string() }
    }
}

/// Whether a lock is held, or wanted, together with others or alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Shared,
    Exclusive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Blocker {
    cpu: usize,
    /// How it holds the lock; `None` while it is in the queue, where it blocks only those behind it.
    holds: Option<Mode>,
}

#[derive(Default)]
struct Tables {
    cpus: Vec<CpuState>,
    /// Who blocks a waiter, by lock id: the holders, and the queue of a fair semaphore.
    blockers: Vec<Vec<Blocker>>,
    edges: Vec<LockEdge>,
    marks: Vec<(&'static str, &'static str)>,
    violations: Vec<Violation>,
    fatal: Option<Violation>,
}

/// Says whether an execution has shown what a violation must show to count.
pub type Shows = Arc<dyn Fn(&Exec) -> bool + Send + Sync>;

/// One execution of a race.
pub struct Exec {
    engine: Engine,
    focus: Option<Clause>,
    shows: Shows,
    next_object: AtomicU32,
    /// Steps announced so far.
    announced: AtomicU64,
    clock: AtomicU64,
    running: AtomicBool,
    stopped: AtomicBool,
    completed: AtomicBool,
    clauses: [AtomicU64; Clause::COUNT],
    tables: Mutex<Tables>,
    pub(super) trace: Option<Mutex<Trace>>,
    loom_words: Mutex<Vec<Arc<super::loom::Shared>>>,
}

impl Exec {
    /// A new execution on `engine`. A violation of `focus` (of any clause when `None`) ends it; with a focus, other violations that leave
    /// the state meaningful are noted and the execution goes on, so that a race is judged by the clause its claim names.
    pub fn new(engine: Engine, cpus: usize, focus: Option<Clause>, tracing: bool, shows: Shows) -> Arc<Self> {
        let tables = Tables { cpus: (0..cpus).map(|_| CpuState::default()).collect(), ..Tables::default() };
        Arc::new(Self {
            engine,
            focus,
            shows,
            next_object: AtomicU32::new(0),
            announced: AtomicU64::new(0),
            clock: AtomicU64::new(1),
            running: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            completed: AtomicBool::new(false),
            clauses: [const { AtomicU64::new(0) }; Clause::COUNT],
            tables: Mutex::new(tables),
            trace: tracing.then(|| Mutex::new(Trace::new(cpus))),
            loom_words: Mutex::default(),
        })
    }

    /// Makes this the execution of the calling OS thread while `f` runs, as CPU `cpu`.
    ///
    /// Under loom it stays so afterwards: loom's main thread is a CPU like the others, on the same OS thread, and may end before them.
    pub fn enter<R>(self: &Arc<Self>, cpu: usize, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Arc<Exec>>, usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                EXEC.with(|exec| *exec.borrow_mut() = self.0.take());
                CPU.set(self.1);
            }
        }
        let before = EXEC.with(|exec| exec.borrow_mut().replace(self.clone()));
        let mut restore = Restore(before, CPU.replace(cpu));
        if self.engine == Engine::Loom {
            let Restore(before, _) = &mut restore;
            drop(before.take());
            std::mem::forget(restore);
        }
        f()
    }

    /// The CPUs start: from here on every step is announced.
    pub fn start(&self) {
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

    /// The engine that runs this execution.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The words that loom is told of when the CPUs start.
    pub(super) fn loom_words(&self) -> parking_lot::MutexGuard<'_, Vec<Arc<super::loom::Shared>>> {
        self.loom_words.lock()
    }

    pub(super) fn new_object(&self) -> u32 {
        match self.engine {
            Engine::Shuttle => dpor::object().0,
            Engine::Native | Engine::Loom => self.next_object.fetch_add(1, Relaxed),
        }
    }

    pub(super) fn count_step(&self) {
        self.announced.fetch_add(1, Relaxed);
    }

    /// Steps announced so far: where a line of the trace stands in the schedule.
    pub(super) fn announced(&self) -> usize {
        self.announced.load(Relaxed) as usize
    }

    /// True between [`Exec::start`] and [`Exec::finish`].
    pub(super) fn running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// A violation has ended this execution; CPUs that are still under way must stop.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// How often each clause was evaluated.
    pub fn clause_counts(&self) -> impl Iterator<Item = (Clause, u64)> + '_ {
        Clause::ALL.iter().map(|&clause| (clause, self.clauses[clause as usize].load(Relaxed)))
    }

    /// The marks set by [`mark`].
    pub fn saw(&self, what: &str, value: &str) -> bool {
        self.tables.lock().marks.iter().any(|&(w, v)| w == what && v == value)
    }

    /// What was violated, in order; the last one ended the execution if it did not end by itself.
    pub fn violations(&self) -> Vec<Violation> {
        self.tables.lock().violations.clone()
    }

    /// The violation that ended the execution.
    pub fn fatal(&self) -> Option<Violation> {
        self.tables.lock().fatal.clone()
    }

    /// Adds the lock-order edges of this execution to `all`.
    pub fn extend_lock_edges(&self, all: &mut BTreeSet<LockEdge>) {
        for edge in &self.tables.lock().edges {
            if !all.contains(edge) {
                all.insert(*edge);
            }
        }
    }

    /// What each CPU holds now: (cpu, lock).
    pub fn held(&self) -> Vec<(usize, String)> {
        let tables = self.tables.lock();
        let held = |(cpu, state): (usize, &CpuState)| state.held.iter().map(move |l| (cpu, l.name.to_string())).collect::<Vec<_>>();
        tables.cpus.iter().enumerate().flat_map(held).collect()
    }

    /// Takes what was recorded, if this execution was traced.
    pub fn take_trace(&self) -> Option<Trace> {
        self.trace.as_ref().map(|trace| std::mem::take(&mut *trace.lock()))
    }

    /// Records the violation; ends the execution when it is the one looked for, or when going on would mean nothing.
    fn violated(&self, mut violation: Violation, at: &'static Location<'static>) {
        violation.counts = self.focus != Some(violation.clause) || (self.shows)(self);
        let ends = self.focus.is_none_or(|focus| focus == violation.clause) || violation.clause.is_fatal();
        if let Some(trace) = &self.trace {
            trace.lock().violation(self.announced(), cpu(), &violation, at);
        }
        let mut tables = self.tables.lock();
        tables.violations.push(violation.clone());
        if ends {
            tables.fatal.get_or_insert(violation.clone());
            drop(tables);
            self.stopped.store(true, Relaxed);
            std::panic::panic_any(violation);
        }
    }
}

/// Runs `f` with the current execution.
///
/// # Panics
/// Outside an execution: modelled objects exist only inside one.
pub(crate) fn with<R>(f: impl FnOnce(&Exec) -> R) -> R {
    EXEC.with(|exec| f(exec.borrow().as_deref().expect("modelled objects live inside an execution: see Race::check")))
}

/// Leaves the execution that loom's last one has left behind.
pub(super) fn leave() -> Option<Arc<Exec>> {
    CPU.set(BOOT);
    EXEC.with(|exec| exec.borrow_mut().take())
}

/// The CPU that runs; [`BOOT`] while the world is built and audited.
pub fn cpu() -> usize {
    CPU.get()
}

pub(super) fn set_cpu(cpu: usize) {
    CPU.set(cpu);
}

/// Runs a step that may let other CPUs run on this very OS thread, and comes back as the CPU that left.
pub(super) fn switching<R>(f: impl FnOnce() -> R) -> R {
    let me = CPU.get();
    let result = f();
    CPU.set(me);
    result
}

/// Evaluates a clause: `holds` must be true, else it is violated with `what` as the concrete finding.
#[track_caller]
pub fn clause(clause: Clause, holds: bool, what: impl FnOnce() -> String) {
    let at = Location::caller();
    if std::thread::panicking() {
        return; // a violation is already on its way out
    }
    with(|exec| {
        exec.clauses[clause as usize].fetch_add(1, Relaxed);
        if !holds {
            exec.violated(Violation::new(clause, what()), at);
        }
    });
}

/// Records that the execution passed here, for the race's `sometimes` and `showing` conditions, and as a line of the witness.
#[track_caller]
pub fn mark(what: &'static str, value: &'static str) {
    with(|exec| {
        let mut tables = exec.tables.lock();
        if !tables.marks.contains(&(what, value)) {
            tables.marks.push((what, value));
        }
    });
}

// ---- lockdep -----------------------------------------------------------------------------------------------------------------------

/// A lock is about to be taken by `cpu()`, and may have to wait: checks that it may sleep, and that no wait-for cycle closes (E21, E23).
#[track_caller]
pub(super) fn about_to_lock(lock: u32, name: Name, kind: LockKind, mode: Mode) {
    let at = Location::caller();
    if kind == LockKind::Sleeping {
        might_sleep(name);
    }
    let me = cpu();
    if me == BOOT || std::thread::panicking() {
        return;
    }
    with(|exec| {
        let mut tables = exec.tables.lock();
        let Tables { cpus, edges, .. } = &mut *tables;
        cpus[me].waits_for = Some((lock, name, mode));
        for held in &cpus[me].held {
            let edge = LockEdge { earlier: held.name, later: name, at };
            if !edges.contains(&edge) {
                edges.push(edge);
            }
        }
        let cycle = tables.cycle_from(me);
        drop(tables);
        exec.clauses[Clause::DEADLOCK as usize].fetch_add(1, Relaxed);
        if let Some(cycle) = cycle {
            let hops: Vec<_> =
                cycle.iter().map(|hop| format!("CPU{} holds {} and waits for {}", hop.cpu, hop.holding(), hop.wants)).collect();
            exec.violated(Violation { cycle, ..Violation::new(Clause::DEADLOCK, hops.join(", ")) }, at);
        }
    });
}

impl Tables {
    fn blockers(&mut self, lock: u32) -> &mut Vec<Blocker> {
        let lock = lock as usize;
        if self.blockers.len() <= lock {
            self.blockers.resize_with(lock + 1, Vec::new);
        }
        &mut self.blockers[lock]
    }

    /// The wait-for cycle through `me`, if waiting now closes one.
    fn cycle_from(&self, me: usize) -> Option<Vec<WaitFor>> {
        let mut path = vec![me];
        self.search(me, &mut path).then(|| {
            let wants = |cpu: usize| self.cpus[cpu].waits_for.expect("on the path because it waits").1;
            (0..path.len())
                .map(|at| {
                    let (cpu, holds) = (path[at], wants(path[(at + path.len() - 1) % path.len()]));
                    // Who is on the path holds what the one before it wants, or else is ahead of it in the queue for the very same.
                    WaitFor { cpu, holds, queued: path.len() > 1 && wants(cpu) == holds, wants: wants(cpu) }
                })
                .collect()
        })
    }

    fn search(&self, at: usize, path: &mut Vec<usize>) -> bool {
        let Some((lock, _, mode)) = self.cpus[at].waits_for else { return false };
        let Some(blockers) = self.blockers.get(lock as usize) else { return false };
        for &Blocker { cpu: next, holds } in blockers {
            if holds.is_none() && next == at {
                break; // those behind it in the queue do not block it
            }
            if mode == Mode::Shared && holds == Some(Mode::Shared) {
                continue; // a reader is kept out by a writer, be it one in the queue
            }
            if next == path[0] {
                return true;
            }
            if next != BOOT && !path.contains(&next) {
                path.push(next);
                if self.search(next, path) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }
}

/// `cpu()` joins the queue of `lock`: it blocks whoever comes later, without holding it yet.
pub(super) fn queued(lock: u32) {
    with(|exec| exec.tables.lock().blockers(lock).push(Blocker { cpu: cpu(), holds: None }));
}

/// `cpu()` has taken `lock`.
pub(super) fn acquired(lock: u32, name: Name, kind: LockKind, mode: Mode, at: &'static Location<'static>) {
    let me = cpu();
    with(|exec| {
        let mut tables = exec.tables.lock();
        let blockers = tables.blockers(lock);
        blockers.retain(|b| *b != Blocker { cpu: me, holds: None });
        blockers.insert(0, Blocker { cpu: me, holds: Some(mode) });
        if me != BOOT {
            tables.cpus[me].waits_for = None;
            tables.cpus[me].held.push(HeldLock { lock, name, kind, at });
        }
    });
}

/// `cpu()` waited for a condition, not for ownership, and waits no longer.
pub(super) fn stop_waiting() {
    let me = cpu();
    if me != BOOT {
        with(|exec| exec.tables.lock().cpus[me].waits_for = None);
    }
}

/// `lock`, which `owner` took, is released (not always by `owner`: IO completion unlocks pages).
pub(super) fn released(lock: u32, owner: usize) {
    with(|exec| {
        let mut tables = exec.tables.lock();
        tables.blockers(lock).retain(|b| b.cpu != owner || b.holds.is_none());
        if owner != BOOT {
            let held = &mut tables.cpus[owner].held;
            if let Some(at) = held.iter().rposition(|l| l.lock == lock) {
                held.remove(at);
            }
        }
    });
}

/// Does `cpu()` hold `lock`? (lockdep_is_held; never a protocol decision.)
pub(super) fn holds(lock: u32) -> bool {
    let me = cpu();
    with(|exec| exec.tables.lock().blockers.get(lock as usize).is_some_and(|b| b.iter().any(|b| b.cpu == me && b.holds.is_some())))
}

/// Blocking is about to be possible: nothing that forbids sleeping may be held (E21, S1.4).
#[track_caller]
pub(super) fn might_sleep(name: Name) {
    let me = cpu();
    if me == BOOT || std::thread::panicking() {
        return;
    }
    let (spin, rcu) = with(|exec| {
        let state = &exec.tables.lock().cpus[me];
        (state.held.iter().find(|l| l.kind == LockKind::Spin).map(|l| (l.name, l.at)), state.rcu_depth > 0)
    });
    clause(Clause::ATOMIC_1, spin.is_none() && !rcu, || match spin {
        Some((held, at)) => format!("{name} may sleep, but {held} is held since {}:{}", at.file(), at.line()),
        None => format!("{name} may sleep inside an RCU read section"),
    });
}

/// A CPU ends: it must hold nothing (E25).
pub fn cpu_ends() {
    let (held, rcu) = with(|exec| {
        let state = &exec.tables.lock().cpus[cpu()];
        (state.held.last().map(|l| l.name), state.rcu_depth)
    });
    clause(Clause::UNLOCK_1, held.is_none() && rcu == 0, || match held {
        Some(name) => format!("CPU{} ends with {name} held", cpu()),
        None => format!("CPU{} ends inside an RCU read section", cpu()),
    });
}

/// A number for the retry loop that `cpu()` enters: none of its loops has had it.
pub(super) fn enter_loop() -> u64 {
    let me = cpu();
    if me == BOOT {
        return 0;
    }
    with(|exec| {
        let loops = &mut exec.tables.lock().cpus[me].loops;
        *loops += 1;
        *loops
    })
}

// ---- RCU's bookkeeping, for the lifetime clause ---------------------------------------------------------------------------------------

/// A moment of this execution, later than all before.
pub(super) fn now() -> u64 {
    with(|exec| exec.clock.fetch_add(1, Relaxed))
}

pub(super) fn rcu_enter() {
    let (me, now) = (cpu(), now());
    if me != BOOT {
        with(|exec| {
            let state = &mut exec.tables.lock().cpus[me];
            state.rcu_depth += 1;
            if state.rcu_depth == 1 {
                state.rcu_since = now;
            }
        });
    }
}

/// Leaves a read section; false when there was none.
pub(super) fn rcu_leave() -> bool {
    let me = cpu();
    me == BOOT
        || with(|exec| {
            let state = &mut exec.tables.lock().cpus[me];
            let inside = state.rcu_depth > 0;
            state.rcu_depth = state.rcu_depth.saturating_sub(1);
            inside
        })
}

/// When the read section that `cpu()` is in began.
pub(super) fn rcu_since() -> Option<u64> {
    let me = cpu();
    if me == BOOT {
        return None;
    }
    with(|exec| {
        let tables = exec.tables.lock();
        let state = &tables.cpus[me];
        (state.rcu_depth > 0).then_some(state.rcu_since)
    })
}
