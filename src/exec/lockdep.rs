//! Who holds what, and who waits for whom: lockdep's place. Bookkeeping beside the protocol, as all
//! of [`exec`](super::exec) is.

use std::hash::Hash;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::Ordering::Relaxed;

use dpor::Digest;

use super::mark::Mark;
use super::name::Name;
use super::operation::Operation;
use super::state::digest_of;
use super::told::by_states;
use super::violation::Violation;
use super::{BOOT, clause, cpu, now, with};
use crate::spec::Clause;

/// What kind of lock is held: decides what may be done meanwhile.
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
}

/// A lock that a CPU is about to take, and may have to wait for.
#[derive(Clone, Copy)]
struct Wanted {
    lock: u32,
    name: Name,
    mode: Mode,
    call: &'static str,
    at: &'static Location<'static>,
}

#[derive(Default)]
struct CpuState {
    held: Vec<HeldLock>,
    /// The same added up, where states are told apart.
    holds: u128,
    waits_for: Option<Wanted>,
    rcu_depth: u32,
    rcu_since: u64,
    /// The moment in which it freed something last.
    freed: u64,
    /// The number of the retry loop that it entered last.
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
    /// By which call, and where.
    call: &'static str,
    pub(super) at: &'static Location<'static>,
}

impl WaitFor {
    /// The call that waits.
    pub(crate) fn call(&self) -> String {
        format!("{}({})", self.call, self.wants)
    }

    /// What the one before it wants of it, in words.
    pub fn holding(&self) -> String {
        if self.queued { format!("{} (queued)", self.holds) } else { self.holds.to_string() }
    }
}

/// Whether a lock is held, or wanted, together with others or alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Blocker {
    cpu: usize,
    /// How it holds the lock; `None` while it is in the queue, where it blocks only those behind
    /// it.
    holds: Option<Mode>,
}

/// What lockdep keeps of one execution; with it what the execution has said of itself.
#[derive(Default)]
pub(super) struct Tables {
    cpus: Vec<CpuState>,
    /// Who blocks a waiter, by lock id: the holders, and the queue of a fair semaphore.
    blockers: Vec<Vec<Blocker>>,
    pub(super) edges: Vec<LockEdge>,
    pub(super) marks: Vec<&'static Mark>,
    pub(super) operations: Vec<(Operation, bool)>,
    pub(super) violations: Vec<Violation>,
    /// What ended it, on which CPU, and where that is asked.
    pub(super) fatal: Option<(Violation, usize, String)>,
    /// Marks, operations and violations, added up.
    came_to: u128,
}

impl Tables {
    fn readers_before(&self, moment: u64) -> u64 {
        let readers = self
            .cpus
            .iter()
            .enumerate()
            .filter(|(_, state)| state.rcu_depth > 0 && state.rcu_since < moment);
        readers.fold(0, |all, (cpu, _)| all | 1 << cpu)
    }

    pub(crate) fn marked(&mut self, mark: &'static Mark) {
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
            self.has_come_to(mark.name());
        }
    }

    pub(crate) fn violated(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.has_come_to(&format!("{violation:?}"));
        }
        self.violations.push(violation);
    }

    pub(super) fn operated(&mut self, operation: (Operation, bool)) {
        if !self.operations.contains(&operation) {
            self.has_come_to(&operation);
        }
        self.operations.push(operation);
    }

    /// In whatever order.
    fn has_come_to(&mut self, what: &(impl Hash + ?Sized)) {
        self.came_to = self.came_to.wrapping_add(digest_of(what).key());
    }

    /// What tells states apart: what the execution has come to, what each CPU holds, how deep it is
    /// in read sections, and who has been in one since before it freed something.
    pub(crate) fn feed(&self, digest: &mut Digest) {
        self.came_to.hash(digest);
        for state in &self.cpus {
            state.holds.hash(digest);
            state.rcu_depth.hash(digest);
            self.readers_before(state.freed).hash(digest);
        }
    }
}

/// `cpu()` is about to take a lock that it would wait for, be it free now or not: what it holds
/// comes before ([ORDER-1](Clause::ORDER_1)).
#[track_caller]
pub(crate) fn ordered(name: Name) {
    let at = Location::caller();
    if cpu() == BOOT || std::thread::panicking() {
        return;
    }
    with(|exec| {
        let mut tables = exec.tables.lock();
        let Tables { cpus, edges, .. } = &mut *tables;
        for held in &cpus[cpu()].held {
            let earlier = held.name;
            // A place goes by its address here: where a compiler has it twice, so do we.
            let known = |edge: &LockEdge| {
                ptr::eq(edge.at, at) && edge.earlier == earlier && edge.later == name
            };
            if !edges.iter().any(known) {
                edges.push(LockEdge { earlier, later: name, at });
            }
        }
    });
}

/// A lock is about to be taken by `cpu()`, and may have to wait: checks that it may sleep, and that
/// no wait-for cycle closes ([ATOMIC-1](Clause::ATOMIC_1), [DEADLOCK](Clause::DEADLOCK)).
#[track_caller]
pub(crate) fn about_to_lock(lock: u32, name: Name, kind: LockKind, mode: Mode, call: &'static str) {
    let at = Location::caller();
    if kind == LockKind::Sleeping {
        might_sleep(name);
    }
    let me = cpu();
    if me == BOOT || std::thread::panicking() {
        return;
    }
    ordered(name);
    with(|exec| {
        let mut tables = exec.tables.lock();
        tables.cpus[me].waits_for = Some(Wanted { lock, name, mode, call, at });
        let cycle = tables.cycle_from(me);
        drop(tables);
        exec.clauses[Clause::DEADLOCK as usize].fetch_add(1, Relaxed);
        if let Some(cycle) = cycle {
            let hops: Vec<_> = cycle
                .iter()
                .map(|hop| {
                    format!("CPU{} holds {} and waits for {}", hop.cpu, hop.holding(), hop.wants)
                })
                .collect();
            exec.violated(
                Violation { cycle, ..Violation::new(Clause::DEADLOCK, hops.join(", ")) },
                super::trace::line(at),
            );
        }
    });
}

impl Tables {
    pub(crate) fn new(cpus: usize) -> Self {
        Self { cpus: (0..cpus).map(|_| CpuState::default()).collect(), ..Self::default() }
    }

    /// How many CPUs there are.
    pub(crate) fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// What each CPU holds: (cpu, lock).
    pub(crate) fn held(&self) -> Vec<(usize, Name)> {
        let held = |(cpu, state): (usize, &CpuState)| {
            state.held.iter().map(move |l| (cpu, l.name)).collect::<Vec<_>>()
        };
        self.cpus.iter().enumerate().flat_map(held).collect()
    }

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
            let waits =
                |cpu: usize| self.cpus[cpu].waits_for.expect("on the path because it waits");
            let wants = |cpu: usize| waits(cpu).name;
            (0..path.len())
                .map(|at| {
                    let (cpu, holds) = (path[at], wants(path[(at + path.len() - 1) % path.len()]));
                    // Who is on the path holds what the one before it wants, or else is ahead of it
                    // in the queue for the very same.
                    let Wanted { name, call, at, .. } = waits(cpu);
                    WaitFor {
                        cpu,
                        holds,
                        queued: path.len() > 1 && name == holds,
                        wants: name,
                        call,
                        at,
                    }
                })
                .collect()
        })
    }

    fn search(&self, at: usize, path: &mut Vec<usize>) -> bool {
        let Some(Wanted { lock, mode, .. }) = self.cpus[at].waits_for else { return false };
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
pub(crate) fn queued(lock: u32) {
    with(|exec| exec.tables.lock().blockers(lock).push(Blocker { cpu: cpu(), holds: None }));
}

/// `cpu()` has taken `lock`.
pub(crate) fn acquired(lock: u32, name: Name, kind: LockKind, mode: Mode) {
    let me = cpu();
    with(|exec| {
        let mut tables = exec.tables.lock();
        let blockers = tables.blockers(lock);
        blockers.retain(|b| *b != Blocker { cpu: me, holds: None });
        blockers.insert(0, Blocker { cpu: me, holds: Some(mode) });
        if me != BOOT {
            tables.cpus[me].waits_for = None;
            tables.cpus[me].held.push(HeldLock { lock, name, kind });
            if by_states() {
                tables.cpus[me].holds = tables.cpus[me].holds.wrapping_add(digest_of(&name).key());
            }
        }
    });
}

/// `cpu()` waited for a condition, not for ownership, and waits no longer.
pub(crate) fn stop_waiting() {
    let me = cpu();
    if me != BOOT {
        with(|exec| exec.tables.lock().cpus[me].waits_for = None);
    }
}

/// `lock`, which `owner` took, is released (not always by `owner`: IO completion unlocks pages).
pub(crate) fn released(lock: u32, owner: usize) {
    with(|exec| {
        let mut tables = exec.tables.lock();
        tables.blockers(lock).retain(|b| b.cpu != owner || b.holds.is_none());
        if owner != BOOT {
            let CpuState { held, holds, .. } = &mut tables.cpus[owner];
            if let Some(at) = held.iter().rposition(|l| l.lock == lock) {
                let HeldLock { name, .. } = held.remove(at);
                if by_states() {
                    *holds = holds.wrapping_sub(digest_of(&name).key());
                }
            }
        }
    });
}

/// The locks that `cpu()` holds, in the order in which it took them, each with whether others may
/// hold it too; and is it in an RCU read section?
pub(crate) fn held_by_me() -> (Vec<(Name, bool)>, bool) {
    let me = cpu();
    with(|exec| {
        let tables = exec.tables.lock();
        let shared = Blocker { cpu: me, holds: Some(Mode::Shared) };
        let is_shared = |held: &HeldLock| {
            tables
                .blockers
                .get(held.lock as usize)
                .is_some_and(|blockers| blockers.contains(&shared))
        };
        let state = &tables.cpus[me];
        (state.held.iter().map(|held| (held.name, is_shared(held))).collect(), state.rcu_depth > 0)
    })
}

/// Does `cpu()` hold `lock`? (lockdep_is_held; never a protocol decision.)
pub(crate) fn holds(lock: u32) -> bool {
    let me = cpu();
    with(|exec| {
        exec.tables
            .lock()
            .blockers
            .get(lock as usize)
            .is_some_and(|b| b.iter().any(|b| b.cpu == me && b.holds.is_some()))
    })
}

/// Does `cpu()` hold `lock` alone?
pub(crate) fn writes(lock: u32) -> bool {
    let mine = Blocker { cpu: cpu(), holds: Some(Mode::Exclusive) };
    with(|exec| {
        exec.tables
            .lock()
            .blockers
            .get(lock as usize)
            .is_some_and(|blockers| blockers.contains(&mine))
    })
}

/// Blocking is about to be possible: nothing that forbids sleeping may be held
/// ([ATOMIC-1](Clause::ATOMIC_1), claim S1.4).
#[track_caller]
pub(crate) fn might_sleep(name: Name) {
    let me = cpu();
    if me == BOOT || std::thread::panicking() {
        return;
    }
    let (spin, rcu) = with(|exec| {
        let state = &exec.tables.lock().cpus[me];
        (state.held.iter().find(|l| l.kind == LockKind::Spin).map(|l| l.name), state.rcu_depth > 0)
    });
    // Where it was taken, the step that took it says.
    clause(Clause::ATOMIC_1, spin.is_none() && !rcu, || match spin {
        Some(held) => format!("{name} may sleep, but {held} is held"),
        None => format!("{name} may sleep inside an RCU read section"),
    });
}

/// A CPU ends: it must hold nothing ([UNLOCK-1](Clause::UNLOCK_1)).
pub fn cpu_ends() {
    let (held, rcu) = with(|exec| {
        let state = &exec.tables.lock().cpus[cpu()];
        (state.held.last().map(|l| l.name), state.rcu_depth)
    });
    clause(Clause::UNLOCK_1, held.is_none() && rcu == 0, || match held {
        Some(name) => format!("CPU{} ends with {name} held", cpu()),
        None => format!("CPU{} ends inside an RCU read section", cpu()),
    });
    super::told::cpu_ends();
}

/// A number for the retry loop that `cpu()` enters: no loop has it that it has been in since the round
/// began that it is in. Whoever goes round in a loop goes round in loops of the same numbers there.
pub(crate) fn enter_loop() -> u64 {
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

/// `cpu()` begins a round of its retry loop `which`.
pub(crate) fn begin_round(which: u64) {
    let me = cpu();
    if me != BOOT {
        with(|exec| exec.tables.lock().cpus[me].loops = which);
    }
}

pub(crate) fn rcu_enter() {
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
pub(crate) fn rcu_leave() -> bool {
    let me = cpu();
    me == BOOT
        || with(|exec| {
            let state = &mut exec.tables.lock().cpus[me];
            let inside = state.rcu_depth > 0;
            state.rcu_depth = state.rcu_depth.saturating_sub(1);
            inside
        })
}

/// `cpu()` frees something in this moment.
pub(crate) fn frees(moment: u64) {
    if cpu() != BOOT {
        with(|exec| exec.tables.lock().cpus[cpu()].freed = moment);
    }
}

/// Which CPUs are in read sections that began before this moment, as bits.
pub(crate) fn readers_before(moment: u64) -> u64 {
    with(|exec| exec.tables.lock().readers_before(moment))
}

/// When the read section that `cpu()` is in began.
pub(crate) fn rcu_since() -> Option<u64> {
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
