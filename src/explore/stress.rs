//! Random operations of real threads, for as long as one likes.
//!
//! A world lives for some thousand operations; then its threads end, it is audited, everything in
//! it exits, it is audited again, and the next one begins. So no arena grows for ever, and what is
//! found is at most so many operations old.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::{Mutex, RwLock};
use witness::Step;

use super::Options;
use super::run::{self, OnShared, Program};
use super::stall::{Patience, Watch};
use super::tally::{self, LockOrder};
use crate::mm::{Addr, MmRef, PageRef, Pin, Process, Setup, World};
use crate::spec::{Clause, MapLock, Protocol, Rmap};
use crate::sync::{self, BOOT, Engine, Exec, LockEdge, Violation};

/// Addresses that processes use: few, so that threads meet.
const ADDRESSES: std::ops::Range<Addr> = 1..17;

/// Processes that there are at the same time, at most.
const PROCESSES: usize = 4;

/// Slots of the swap device: fewer than pages.
const SLOTS: u32 = 16;

/// Pages that a thread has in devices at the same time, at most.
const PINS: usize = 2;

/// The last operations of each thread that a finding shows.
const SHOWN: usize = 8;

macro_rules! kinds {
    ($($kind:ident $name:literal $weight:literal)+) => {
        /// What a thread asks for.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        enum Kind { $($kind),+ }

        /// With its name, and how often it is drawn.
        const KINDS: &[(Kind, &str, u32)] = &[$((Kind::$kind, $name, $weight)),+];
    };
}

kinds! {
    Store "store" 24
    Load "load" 18
    Fork "fork" 4
    Exit "exit" 4
    Mmap "mmap" 14
    Munmap "munmap" 3
    Mprotect "mprotect" 4
    Mremap "mremap" 6
    Expand "expand" 4
    Split "split" 4
    Boundary "boundary" 2
    Dontneed "dontneed" 2
    Pageout "pageout" 4
    ReadAhead "readahead" 2
    Reclaim "reclaim" 8
    Age "age" 2
    Migrate "migrate" 6
    Compact "compact" 2
    Swapoff "swapoff" 1
    Pin "pin" 4
    Dma "dma" 3
    Unpin "unpin" 4
}

impl Kind {
    fn name(self) -> &'static str {
        KINDS[self as usize].1
    }
}

/// The names of all kinds of operations.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|&(_, name, _)| name)
}

/// One thing that a thread asks for. What it asks depends on the seed alone; what comes of it, on
/// what the others do.
#[derive(Clone, Copy, Debug)]
struct Op {
    kind: Kind,
    process: usize,
    /// Which other process, or a number.
    other: usize,
    addr: Addr,
    length: u64,
    to: Addr,
    value: u64,
}

impl Op {
    fn draw(rng: &mut Rng, kinds: &[(Kind, &str, u32)], value: u64) -> Self {
        let mut at = rng.u32(..kinds.iter().map(|&(_, _, weight)| weight).sum::<u32>());
        let kind = kinds.iter().find_map(|&(kind, _, weight)| {
            let here = at < weight;
            at = at.saturating_sub(weight);
            here.then_some(kind)
        });
        let length = 1 + rng.u64(..4);
        let last = ADDRESSES.end - length;
        Self {
            kind: kind.expect("less than the sum"),
            process: rng.usize(..PROCESSES),
            other: rng.usize(..PROCESSES),
            addr: rng.u64(ADDRESSES.start..=last),
            length,
            to: rng.u64(ADDRESSES.start..=last),
            value,
        }
    }

    fn range(&self) -> std::ops::Range<Addr> {
        self.addr..self.addr + self.length
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { kind, process, other, addr, to, value, .. } = self;
        let range = self.range();
        write!(f, "{}", kind.name())?;
        match kind {
            Kind::Compact | Kind::Swapoff | Kind::Dma | Kind::Unpin => Ok(()),
            Kind::Store => write!(f, " p{process}:{addr} {value}"),
            Kind::Fork => write!(f, " p{process} as p{other}"),
            Kind::Exit => write!(f, " p{process}"),
            Kind::Mmap | Kind::Munmap => write!(f, " p{process}:{range:?}"),
            Kind::Mprotect => {
                write!(f, " p{process}:{range:?} {}", if self.writable() { "rw" } else { "r" })
            }
            Kind::Mremap => write!(f, " p{process}:{range:?} to {to}"),
            Kind::Expand | Kind::Boundary => write!(f, " p{process}:{addr} to {to}"),
            Kind::Pin => write!(
                f,
                " p{process}:{addr} to {}",
                if self.writable() { "write" } else { "read" }
            ),
            _ => write!(f, " p{process}:{addr}"),
        }
    }
}

impl Op {
    fn writable(&self) -> bool {
        self.other > 0
    }
}

/// What a thread did last.
struct Done {
    began: u64,
    ended: Option<u64>,
    op: Op,
}

/// What the threads of one world share.
struct Shared {
    world: Arc<World>,
    /// Who uses a process reads, and who ends or begins one writes; both only try. Such a thing
    /// keeps a process from exiting under its own threads.
    processes: [RwLock<Option<MmRef>>; PROCESSES],
    /// One swapoff at a time; the kernel refuses a second one.
    swapoff: Mutex<()>,
    /// Held around each operation, where it is asked for.
    global: Option<Mutex<()>>,
    ticket: AtomicU64,
    last: Vec<Mutex<VecDeque<Done>>>,
    counts: Vec<Mutex<Counts>>,
}

/// Of each kind: asked for, and of those the ones that found nothing to be done to.
type Counts = BTreeMap<&'static str, (u64, u64)>;

impl Shared {
    /// Does it; false if there was nothing to do it to.
    fn perform<'w>(&'w self, op: &Op, pins: &mut Vec<Pin<'w>>) -> bool {
        let world = &*self.world;
        match op.kind {
            Kind::Exit => {
                // The first process stays.
                let mut slot = self.processes.get(op.process.max(1)).and_then(RwLock::try_write);
                let gone = slot.as_mut().and_then(|slot| slot.take());
                gone.map(|mm| world.process_of(mm).exit()).is_some()
            }
            Kind::Swapoff => {
                let alone = self.swapoff.try_lock();
                if alone.is_some() {
                    world.swapoff();
                    world.swapon();
                }
                alone.is_some()
            }
            Kind::Compact => {
                world.migrate_newest();
                true
            }
            Kind::Dma => match pins.last() {
                Some(pin) if op.writable() && pin.writes() => {
                    pin.dma_write(op.value);
                    true
                }
                Some(pin) => {
                    pin.read();
                    true
                }
                None => false,
            },
            Kind::Unpin => pins.pop().map(Pin::put).is_some(),
            _ => {
                // Where there is no such process, the first one is asked.
                let mut slots =
                    [op.process, 0].into_iter().filter_map(|n| self.processes[n].try_read());
                let Some(slot) = slots.find(|slot| slot.is_some()) else { return false };
                slot.is_some_and(|mm| self.ask(world.process_of(mm), op, pins))
            }
        }
    }

    /// The same, of a process that nobody ends meanwhile.
    fn ask<'w>(&'w self, p: Process<'w>, op: &Op, pins: &mut Vec<Pin<'w>>) -> bool {
        let page = || p.page_now(op.addr);
        let with_page = |act: &dyn Fn(PageRef)| page().map(act).is_some();
        match op.kind {
            Kind::Store => return p.store(op.addr, op.value).is_ok(),
            Kind::Load => return p.load(op.addr).is_ok(),
            Kind::Fork => {
                let Some(mut child) =
                    self.processes[op.other].try_write().filter(|child| child.is_none())
                else {
                    return false;
                };
                *child = Some(p.fork().mm());
            }
            Kind::Mmap => p.mmap(op.range()),
            Kind::Munmap => p.munmap(op.range()),
            Kind::Mprotect => p.mprotect(op.range(), op.writable()),
            Kind::Mremap if op.to < op.range().end && op.addr < op.to + op.length => return false,
            Kind::Mremap => return p.mremap(op.range(), op.to).is_ok(),
            Kind::Expand if op.to < op.range().end => return false,
            Kind::Expand => return p.expand(op.range(), op.to + 1).is_ok(),
            Kind::Split => p.split_vma(op.addr),
            Kind::Boundary if op.addr == op.to => return false,
            Kind::Boundary => p.move_boundary(op.addr, op.to),
            Kind::Dontneed => p.dontneed(op.addr),
            Kind::Pageout => p.pageout(op.addr),
            Kind::ReadAhead => p.read_around(op.addr),
            Kind::Reclaim => return with_page(&|page| self.world.shrink_page(page)),
            Kind::Age => return with_page(&|page| self.world.age_page(page)),
            Kind::Migrate => return with_page(&|page| self.world.migrate(page)),
            Kind::Pin if pins.len() == PINS => return false,
            Kind::Pin => {
                let pin = if op.writable() {
                    p.pin_for_writing(op.addr)
                } else {
                    p.pin_for_reading(op.addr)
                };
                return pin.map(|pin| pins.push(pin)).is_ok();
            }
            Kind::Exit | Kind::Swapoff | Kind::Compact | Kind::Dma | Kind::Unpin => {
                unreachable!("that is of no process")
            }
        }
        true
    }

    /// Everything exits.
    fn end(&self) {
        for slot in &self.processes {
            if let Some(mm) = slot.write().take() {
                self.world.process_of(mm).exit();
            }
        }
    }
}

/// What is to be run.
#[derive(Clone)]
pub(crate) struct Stress {
    pub protocol: Protocol,
    pub threads: usize,
    /// Of the first world; each has the next one.
    pub seed: u64,
    /// At least so many operations, if there is no limit of time: worlds are finished.
    pub operations: Option<u64>,
    pub time: Option<Duration>,
    /// A world has so many operations, in all its threads together.
    pub audit_every: u64,
    /// Kinds of operations that are not asked for.
    pub without: Vec<String>,
    /// One lock around each operation.
    pub global_lock: bool,
    /// Threads wait now and then, for no reason but that others get ahead.
    pub delays: bool,
    /// How many steps before a violation are kept.
    pub steps: usize,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stressed {
    pub worlds: u64,
    pub operations: u64,
    pub faults: u64,
    pub elapsed: Duration,
    /// Of each kind: asked for, and of those the ones that found nothing to be done to.
    pub kinds: Counts,
    /// How often each clause was evaluated that was.
    pub clauses: BTreeMap<Clause, u64>,
    pub finding: Option<Finding>,
    /// A world was given up: real threads cannot tell a livelock.
    pub endless: Option<String>,
}

/// A violation, and what is known of how it came to be.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub clause: Clause,
    pub what: String,
    /// Where the clause is asked, and which CPU found it violated, if not the audit.
    pub at: Option<(String, Option<usize>)>,
    /// The world's seed.
    pub seed: u64,
    /// What each thread did last, in the order in which they began: which CPU, what, and whether it
    /// was over.
    pub last: Vec<Under>,
    /// The last steps before it, if they were asked for.
    pub steps: Vec<Step>,
}

/// An operation that a finding shows.
#[derive(Clone, Debug)]
pub(crate) struct Under {
    pub cpu: usize,
    pub what: String,
    pub began: u64,
    pub ended: Option<u64>,
}

/// What one world has left behind.
#[derive(Default)]
struct Left {
    violation: Option<(Violation, (usize, String))>,
    steps: Vec<Step>,
    clauses: BTreeMap<Clause, u64>,
    faults: u64,
    busiest: String,
}

impl Stress {
    /// What it asks for: migration needs anon_vmas.
    fn kinds(&self) -> Vec<(Kind, &'static str, u32)> {
        // Nothing leads from a page that is under way to where it belongs.
        let migrates = self.protocol.rules.rmap != Rmap::Anonmm
            && self.protocol.rules.page_map_lock == MapLock::Nothing;
        let makes_sense = |kind: Kind| migrates || !matches!(kind, Kind::Migrate | Kind::Compact);
        KINDS
            .iter()
            .copied()
            .filter(|&(kind, name, _)| {
                makes_sense(kind) && !self.without.iter().any(|other| other == name)
            })
            .collect()
    }

    /// Runs world after world, until there were enough, something is found, or `stop` is set.
    /// `seen` hears after each world.
    pub fn run(&self, stop: &AtomicBool, mut seen: impl FnMut(&Stressed)) -> Stressed {
        let started = Instant::now();
        let whose = format!("stress under {}", self.protocol);
        let names: Vec<_> = (0..self.threads).map(|cpu| format!("CPU{cpu}")).collect();
        let _watch = Watch::new(whose.clone(), names, &Patience::of(&Options::default()));
        let (mut all, mut order) = (Stressed::default(), LockOrder::new());
        while all.finding.is_none()
            && all.endless.is_none()
            && !stop.load(Relaxed)
            && self.operations.is_none_or(|operations| all.operations < operations)
            && self.time.is_none_or(|time| started.elapsed() < time)
        {
            self.world(&whose, &mut all, &mut order);
            all.elapsed = started.elapsed();
            seen(&all);
        }
        all
    }

    fn world(&self, whose: &str, all: &mut Stressed, order: &mut LockOrder) {
        let seed = self.seed.wrapping_add(all.worlds);
        let kept: Arc<Mutex<Option<Arc<Shared>>>> = Arc::default();
        let program = Program {
            whose: whose.to_owned(),
            run: self.program(seed, kept.clone()),
            patience: Patience::of(&Options::default()),
        };
        let heard: Arc<Mutex<(Left, BTreeSet<LockEdge>)>> = Arc::default();
        let hears = {
            let (heard, kept_steps) = (heard.clone(), self.steps);
            move |exec: &Exec, _: run::Ended| {
                let mut heard = heard.lock();
                exec.extend_lock_edges(&mut heard.1);
                let (steps, cpu) = exec.progress().busiest();
                let violation = exec.fatal().zip(exec.fatal_at());
                let trace = exec.take_trace().filter(|_| violation.is_some());
                let mut before = trace.map(|trace| trace.into_parts().1).unwrap_or_default();
                heard.0 = Left {
                    steps: before.split_off(before.len().saturating_sub(kept_steps)),
                    violation,
                    clauses: exec.clause_counts().filter(|&(_, count)| count > 0).collect(),
                    faults: exec.progress().faults(),
                    busiest: format!("CPU{cpu} has taken {steps} steps"),
                };
            }
        };
        let ran = run::on_threads(&program, &hears);
        let (world, mut edges) = std::mem::take(&mut *heard.lock());
        // Of the locks of one class, each world has its own; classes are the same in all.
        let circle_here = tally::lock_order_circle(&tally::lock_order(&edges));
        edges.retain(|edge| edge.earlier.class() != edge.later.class());
        for (earlier, later) in tally::lock_order(&edges) {
            order.entry(earlier).or_default().extend(later);
        }
        let circle = circle_here.or_else(|| tally::lock_order_circle(order));
        all.worlds += 1;
        all.faults += world.faults;
        for (clause, count) in world.clauses {
            *all.clauses.entry(clause).or_default() += count;
        }
        let shared = kept.lock().take();
        for counts in shared.iter().flat_map(|shared| &shared.counts) {
            for (&kind, &(asked, idle)) in &*counts.lock() {
                let sum = all.kinds.entry(kind).or_default();
                *sum = (sum.0 + asked, sum.1 + idle);
                all.operations += asked;
            }
        }
        let last = || shared.as_deref().map(last).unwrap_or_default();
        match (world.violation, ran) {
            (Some((Violation { clause, what, .. }, (cpu, at))), _) => {
                let at = Some((at, Some(cpu).filter(|&cpu| cpu != BOOT)));
                let steps = world.steps;
                all.finding = Some(Finding { clause, what, at, seed, last: last(), steps })
            }
            (None, Err(sync::Endless)) => {
                all.endless = Some(format!("seed {seed}: {}", world.busiest))
            }
            (None, Ok(())) => {
                all.finding = circle.map(|what| Finding {
                    clause: Clause::ORDER_1,
                    what,
                    at: None,
                    seed,
                    last: Vec::new(),
                    steps: Vec::new(),
                })
            }
        }
    }

    /// One world, from its beginning to its end.
    fn program(
        &self,
        seed: u64,
        kept: Arc<Mutex<Option<Arc<Shared>>>>,
    ) -> Box<dyn Fn() + Send + Sync> {
        let (this, kinds) = (self.clone(), Arc::new(self.kinds()));
        Box::new(move || {
            let records = this.steps > 0;
            let exec = Exec::new(Engine::Native, this.threads, None, records, Arc::new(|_| true));
            if !this.delays {
                exec.without_delays();
            }
            let mut rng = Rng::with_seed(seed);
            let each = this.audit_every.div_ceil(this.threads as u64);
            let cpus: Vec<_> = (0..this.threads)
                .map(|cpu| {
                    let (rng, kinds) = (rng.fork(), kinds.clone());
                    let body: OnShared<Shared> =
                        Arc::new(move |shared| thread(shared, cpu, each, rng.clone(), &kinds));
                    (format!("CPU{cpu}"), body)
                })
                .collect();
            let build = || {
                let shared = Arc::new(this.shared(&mut rng));
                *kept.lock() = Some(shared.clone());
                shared
            };
            let audit = |shared: &Shared| {
                shared.world.audit();
                shared.end();
                shared.world.audit();
            };
            run::execute(&exec, build, &cpus, audit);
        })
    }

    /// Two processes with some memory. What else there is, is drawn too.
    fn shared(&self, rng: &mut Rng) -> Shared {
        let world = World::with_slots(self.protocol.rules, SLOTS);
        let mut first = Vec::new();
        Setup::build(&world, |w| {
            for (what, drawn) in
                [(Setup::fill_swap as fn(&_), rng.bool()), (Setup::swap_to_memory, rng.bool())]
            {
                if drawn {
                    what(w);
                }
            }
            if rng.bool() {
                w.batch_lru_add(self.threads);
            }
            for _ in 0..2 {
                let p = w.new_process();
                p.mmap(1..5);
                p.mmap(5..9);
                (1..9).for_each(|addr| p.touch(addr));
                first.push(p.mm());
            }
        });
        let processes: [_; PROCESSES] = std::array::from_fn(|n| RwLock::new(first.get(n).copied()));
        Shared {
            world,
            processes,
            swapoff: Mutex::default(),
            global: self.global_lock.then(Mutex::default),
            ticket: AtomicU64::new(0),
            last: (0..self.threads).map(|_| Mutex::default()).collect(),
            counts: (0..self.threads).map(|_| Mutex::default()).collect(),
        }
    }
}

/// What one thread does in one world.
fn thread(shared: &Shared, cpu: usize, operations: u64, mut rng: Rng, kinds: &[(Kind, &str, u32)]) {
    let mut pins = Vec::new();
    for n in 1..=operations {
        let op = Op::draw(&mut rng, kinds, (cpu as u64 + 1) * 1_000_000 + n);
        let began = shared.ticket.fetch_add(1, Relaxed);
        {
            let mut last = shared.last[cpu].lock();
            if last.len() == SHOWN {
                last.pop_front();
            }
            last.push_back(Done { began, ended: None, op });
        }
        let done = {
            let _global = shared.global.as_ref().map(|global| global.lock());
            shared.perform(&op, &mut pins)
        };
        let ended = shared.ticket.fetch_add(1, Relaxed);
        if let Some(last) = shared.last[cpu].lock().back_mut() {
            last.ended = Some(ended);
        }
        let mut counts = shared.counts[cpu].lock();
        let (asked, idle) = counts.entry(op.kind.name()).or_default();
        *asked += 1;
        *idle += u64::from(!done);
    }
    pins.into_iter().for_each(Pin::put);
}

/// What each thread did last.
fn last(shared: &Shared) -> Vec<Under> {
    let mut all = Vec::new();
    for (cpu, last) in shared.last.iter().enumerate() {
        let told = |Done { began, ended, op }: &Done| Under {
            cpu,
            what: op.to_string(),
            began: *began,
            ended: *ended,
        };
        all.extend(last.lock().iter().map(told));
    }
    all.sort_unstable_by_key(|step| step.began);
    all
}
