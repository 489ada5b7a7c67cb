//! The model's side of a script: what a protocol comes to, in the lines in which a recorder writes
//! what a kernel shows.
//!
//! ```
//! use lockwalk::{Era, conform};
//!
//! let script = ["store 0 0 5", "fork 0 1", "store 1 0 6"];
//! let script = script.map(|op| op.parse().expect("an operation"));
//! let lines = conform::run(&Era::V5_19, &script).lines;
//! assert_eq!(
//!     lines,
//!     [
//!         "store 0 0 5 => p0[a1x - -]",
//!         "fork 0 1 => p0[a2 - -] p1[a2 - -]",
//!         "store 1 0 6 => p0[a1 - -] p1[b1x - -]",
//!     ]
//! );
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

pub use lockwalk_conformance as kernel;
use lockwalk_conformance::{
    Observer, Op, Outcome, PAGES, Pair, Place, Recording, SLOTS, Seen, Sequence,
};
use witness::Count;

use crate::mm::{At, AtRest, Errno, MmRef, PageRef, World};
use crate::spec::{Reuse, SwapinOwn};
use crate::sync::Violation;
use crate::{Clause, Halt, Machine, Method, Options, Protocol, Race};

/// What is asked: a protocol, and whether its swap device is memory. A protocol alone has a device
/// that takes its time.
#[derive(Clone, Copy, Debug)]
pub struct Model<'p> {
    /// The protocol.
    pub protocol: &'p Protocol,
    /// The swap device is memory (`SWP_SYNCHRONOUS_IO`).
    pub swap_to_memory: bool,
}

impl<'p> From<&'p Protocol> for Model<'p> {
    fn from(protocol: &'p Protocol) -> Self {
        Self { protocol, swap_to_memory: false }
    }
}

impl<'p> Model<'p> {
    /// The protocol, with a device as a trace's kernel had it.
    pub fn of(protocol: &'p Protocol, trace: &Recording) -> Self {
        Self { protocol, swap_to_memory: trace.says("swap") == Some("memory") }
    }
}

/// A process of the script.
struct Process {
    mm: MmRef,
    /// What its pipe holds.
    pipe: VecDeque<PageRef>,
    /// What its device holds: which of the world's pins.
    pin: Option<usize>,
}

impl Process {
    fn new(mm: MmRef) -> Self {
        Self { mm, pipe: VecDeque::new(), pin: None }
    }
}

/// A script under way.
struct Run {
    machine: Machine,
    processes: BTreeMap<usize, Process>,
    /// Pins that were ever taken.
    pins: usize,
    observer: Observer,
}

/// What the model makes of a script.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ran {
    /// A line for each operation; if the model stops, because it goes round for ever say, the last
    /// one says so.
    pub lines: Vec<String>,
    /// What was violated on the way, and at the end, when everything is given back.
    pub violations: Vec<Violation>,
}

/// Runs a script, which must make sense.
pub fn run<'p>(model: impl Into<Model<'p>>, script: &[Op]) -> Ran {
    let mut lines = Vec::new();
    let mut violations = Vec::new();
    let halted = Run::new(model.into()).and_then(|mut run| {
        for op in script {
            let line = run.step(op).map_err(|halt| said(&op.to_string(), &halt));
            violations = run.machine.violations();
            lines.push(line?);
        }
        let ended = run.end();
        violations = run.machine.violations();
        ended.map_err(|halt| said("the end", &halt))
    });
    lines.extend(halted.err());
    Ran { lines, violations }
}

fn said(at: &str, halt: &Halt) -> String {
    format!("{at} => the model {halt}")
}

/// A sequence beside the model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Compared {
    /// The first line in which they differ: its number, and what the model says there.
    pub difference: Option<(usize, String)>,
    /// What the model violates, and the kernel with it: only what [is known](known).
    pub both_violate: Vec<Clause>,
}

/// Is it known that kernels of this protocol violate the clause in such a script? Races say so too:
/// what a device has stored into a clean page is lost (S0.1/clean, S0.1/clean-protected); and where
/// references decide, so is what it stores into a page that mprotect has been to (S0.1/protected).
pub fn known(protocol: &Protocol, script: &[Op], clause: Clause) -> bool {
    let clean = protocol.rules.swapin_own == SwapinOwn::Writable
        && matches!(clause, Clause::SWAP_4 | Clause::DATA_1);
    let protects = || script.iter().any(|op| matches!(op, Op::Mprotect { .. }));
    clean
        || (protocol.rules.reuse == Reuse::Refcount
            && matches!(clause, Clause::PIN_1 | Clause::DATA_1)
            && protects())
}

/// Compares a sequence with the model. A violation that is not known is a difference.
pub fn compare<'p>(model: impl Into<Model<'p>>, sequence: &Sequence) -> Compared {
    let model = model.into();
    let differs = |at, model| Compared { difference: Some((at, model)), both_violate: Vec::new() };
    let script = match sequence.script() {
        Ok(script) => script,
        Err(error) => return differs(0, error.to_string()),
    };
    let Ran { lines, violations } = run(model, &script);
    if let Some(at) = (0..lines.len().max(sequence.lines.len()))
        .find(|&at| lines.get(at) != sequence.lines.get(at))
    {
        return differs(at, lines.get(at).cloned().unwrap_or_default());
    }
    if let Some(violation) =
        violations.iter().find(|violation| !known(model.protocol, &script, violation.clause))
    {
        return differs(lines.len(), said("all agrees, but", &Halt::Violation(violation.clone())));
    }
    Compared {
        difference: None,
        both_violate: violations.iter().map(|violation| violation.clause).collect(),
    }
}

/// The first line in which `sequence` and the model differ.
pub fn difference<'p>(model: impl Into<Model<'p>>, sequence: &Sequence) -> Option<(usize, String)> {
    compare(model, sequence).difference
}

impl Run {
    fn new(model: Model<'_>) -> Result<Self, String> {
        let machine = Machine::new(model.protocol, SLOTS, |w| {
            if model.swap_to_memory {
                w.swap_to_memory();
            }
            w.new_process().mmap(0..PAGES);
        });
        let started = machine
            .and_then(|machine| machine.step(|w| w.process(0).mm()).map(|first| (machine, first)));
        let (machine, first) = started.map_err(|halt| said("the beginning", &halt))?;
        Ok(Self {
            machine,
            processes: BTreeMap::from([(0, Process::new(first))]),
            pins: 0,
            observer: Observer::default(),
        })
    }

    fn step(&mut self, op: &Op) -> Result<String, Halt> {
        let outcome = self.act(op)?;
        let seen = self.machine.step(|w| {
            seen(w, self.processes.iter().map(|(&number, process)| (number, process.mm)))
        })?;
        Ok(self.observer.line(op, &outcome, &seen))
    }

    fn act(&mut self, op: &Op) -> Result<Outcome, Halt> {
        Ok(match *op {
            Op::Fork { q, .. } => {
                let outcome = self.machine.step(|w| plain(w, op))?;
                let child = self.machine.step(|w| w.process(q).mm())?;
                self.processes.insert(q, Process::new(child));
                outcome
            }
            Op::Exit { p } => {
                self.exit(p)?;
                Outcome::Done
            }
            Op::Splice { p, k } => match self.machine.step(|w| w.process(p).vmsplice(k))? {
                Ok(page) => {
                    self.process(p)?.pipe.push_back(page);
                    Outcome::Done
                }
                Err(errno) => failed(errno),
            },
            Op::Drain { p } => match self.process(p)?.pipe.pop_front() {
                Some(page) => Outcome::Value(self.machine.step(|w| w.read_pipe(page))?),
                None => failed(Errno::Einval),
            },
            Op::Pin { p, k } => {
                match self.machine.step(|w| w.process(p).pin_for_writing(k).map(drop))? {
                    Ok(()) => {
                        let pin = self.next_pin();
                        self.process(p)?.pin = Some(pin);
                        Outcome::Done
                    }
                    Err(errno) => failed(errno),
                }
            }
            Op::Unpin { p } => {
                self.unpin(p)?;
                Outcome::Done
            }
            Op::DmaWrite { p, v } => match self.process(p)?.pin {
                Some(pin) => {
                    self.machine.step(|w| w.pin(pin).dma_write(v))?;
                    Outcome::Done
                }
                None => failed(Errno::Einval),
            },
            Op::DmaRead { p } => match self.process(p)?.pin {
                Some(pin) => Outcome::Value(self.machine.step(|w| w.pin(pin).read())?),
                None => failed(Errno::Einval),
            },
            _ => {
                let outcome = self.machine.step(|w| plain(w, op))?;
                if matches!(op, Op::Poke { .. } | Op::VmRead { .. } | Op::VmWrite { .. })
                    && !matches!(outcome, Outcome::Failed(_))
                {
                    self.next_pin();
                }
                outcome
            }
        })
    }

    fn process(&mut self, p: usize) -> Result<&mut Process, Halt> {
        self.processes.get_mut(&p).ok_or_else(|| Halt::Stuck(format!("there is no process {p}")))
    }

    fn next_pin(&mut self) -> usize {
        self.pins += 1;
        self.pins - 1
    }

    fn unpin(&mut self, p: usize) -> Result<(), Halt> {
        match self.process(p)?.pin.take() {
            Some(pin) => self.machine.step(|w| w.pin(pin).put_clean()),
            None => Ok(()),
        }
    }

    /// The device lets go, the memory goes, and then the pipe.
    fn exit(&mut self, p: usize) -> Result<(), Halt> {
        self.unpin(p)?;
        let Some(Process { mm, pipe, .. }) = self.processes.remove(&p) else { return Ok(()) };
        self.machine.step(|w| w.process_of(mm).exit())?;
        self.machine.step(|w| pipe.iter().for_each(|&page| w.put_page(page)))
    }

    /// All processes exit: nothing may be left.
    fn end(&mut self) -> Result<(), Halt> {
        for p in self.processes.keys().copied().collect::<Vec<_>>() {
            self.exit(p)?;
        }
        self.machine.audit()
    }
}

/// Does what leaves nothing behind that only the script knows of. The script's processes are the
/// world's, by number.
fn plain(w: &World, op: &Op) -> Outcome {
    let value = |result: Result<u64, Errno>| result.map_or_else(failed, Outcome::Value);
    let done = |result: Result<(), Errno>| result.map_or_else(failed, |()| Outcome::Done);
    match *op {
        Op::Store { p, k, v } => return done(w.process(p).store(k, v)),
        Op::Poke { p, k, v } => return done(poke(w, p, k, v)),
        Op::Load { p, k } | Op::Peek { p, k } => return value(w.process(p).load(k)),
        Op::VmRead { q, k, .. } => return value(w.process(q).process_vm_readv(k)),
        Op::VmWrite { q, k, v, .. } => return done(w.process(q).direct_io(k, v)),
        Op::Mmap { p, k } => w.process(p).mmap(k..k + 1),
        Op::Munmap { p, k } => w.process(p).munmap(k..k + 1),
        Op::Dontneed { p, k } => w.process(p).dontneed(k),
        Op::Pageout { p, k } => w.process(p).pageout(k),
        Op::Split { p, k } => {
            [k, k + 1].iter().filter(|&&at| at > 0).for_each(|&at| w.process(p).split_vma(at))
        }
        Op::Mprotect { p, k, w: writable } => w.process(p).mprotect(k..k + 1, writable == 1),
        Op::Mremap { p, k, t } => return done(w.process(p).mremap(k..k + 1, t)),
        Op::Fork { p, .. } => _ = w.process(p).fork(),
        Op::Migrate { p, k } => {
            if let Some(page) = w.process(p).page_mapped(k) {
                w.migrate(page);
            }
        }
        Op::Swapoff {} => {
            if let Err(errno) = w.try_swapoff() {
                return failed(errno);
            }
            w.swapon();
        }
        // These are the script's.
        Op::Exit { .. } | Op::Splice { .. } | Op::Drain { .. } => return failed(Errno::Einval),
        Op::Pin { .. } | Op::Unpin { .. } | Op::DmaWrite { .. } | Op::DmaRead { .. } => {
            return failed(Errno::Einval);
        }
    }
    Outcome::Done
}

/// A store by force: whether the process may store there is not asked.
fn poke(w: &World, p: usize, k: u64, v: u64) -> Result<(), Errno> {
    let pin = w.process(p).pin_for_writing_by_force(k)?;
    pin.dma_write(v);
    pin.put();
    Ok(())
}

/// What is where in these processes.
fn seen(w: &AtRest<'_>, processes: impl Iterator<Item = (usize, MmRef)>) -> Seen {
    let places = |mm: MmRef| (0..PAGES).map(|k| place(w, mm, k)).collect();
    Seen {
        processes: processes.map(|(number, mm)| (number, places(mm))).collect(),
        used: w.slots_in_use() as u64,
    }
}

/// What can be left when two operations are done at once.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reachable {
    /// What they come to and the state that is left, as a recorder writes it.
    pub endings: BTreeSet<String>,
    /// The explorations, one for each way of the swap device, which say whether they were exhausted
    /// and what was violated.
    pub outcomes: Vec<crate::Outcome>,
}

impl Reachable {
    /// So many executions in all.
    pub fn executions(&self) -> u64 {
        self.outcomes.iter().map(|outcome| outcome.executions).sum()
    }

    /// What was violated, in any of them.
    pub fn violations(&self) -> impl Iterator<Item = &Count> {
        self.outcomes.iter().flat_map(|outcome| &outcome.violations)
    }
}

/// Runs a pair in every interleaving, or in so many.
///
/// What the swap device does is not seen from outside, so more than one way of it is run. A page
/// that the script has put on swap may still be in the swap cache, if its writing took longer than
/// `MADV_PAGEOUT` (FINDING-73); and where one of the two puts a page on swap, its writing may be
/// over at once, or at any time, or after the other is (of the page that was there first; another
/// is not written before both are over). Beside a migration or swapoff, which wait for it, it is
/// over at once: a device that has come by too early would be waited for for ever.
pub fn reachable(protocol: &Protocol, pair: &Pair, executions: Option<u64>) -> Reachable {
    let endings: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let pages_out = |ops: &[Op]| ops.iter().any(|op| matches!(op, Op::Pageout { .. }));
    let mut devices = vec![Device::AtOnce];
    devices.extend(pages_out(&pair.setup()).then_some(Device::LeavesCached));
    let waits = pair.both().iter().any(|op| matches!(op, Op::Migrate { .. } | Op::Swapoff {}));
    devices.extend((pages_out(&pair.both()) && !waits).then_some(Device::Slow));
    let outcomes = devices
        .into_iter()
        .map(|device| explore(protocol, pair, executions, device, &endings))
        .collect();
    let endings = endings.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Reachable { endings, outcomes }
}

/// What the swap device does in a pair.
#[derive(Clone, Copy, PartialEq)]
enum Device {
    /// It has written a page as soon as it is asked.
    AtOnce,
    /// The same; and what the script has put on swap is in the swap cache, too.
    LeavesCached,
    /// It writes what one of the two puts on swap as a CPU of its own.
    Slow,
}

/// Runs a pair with one way of the swap device.
fn explore(
    protocol: &Protocol,
    pair: &Pair,
    executions: Option<u64>,
    device: Device,
    endings: &Arc<Mutex<BTreeSet<String>>>,
) -> crate::Outcome {
    let (setup, both) = (pair.setup(), pair.both());
    let came_to: Arc<Mutex<[Outcome; 2]>> = Arc::new(Mutex::new([Outcome::Done, Outcome::Done]));
    let processes = 1 + setup.iter().filter(|op| matches!(op, Op::Fork { .. })).count();
    let all = move |w: &AtRest<'_>| seen(w, (0..processes).map(|p| (p, w.process(p).mm())));
    let observer: Arc<Mutex<Observer>> = Arc::default();
    let begun = observer.clone();
    let mut race = Race::new("pair", pair.name).world(move |w| {
        let mut observer = Observer::default();
        w.new_process().mmap(0..PAGES);
        for op in &setup {
            plain(w, op);
            if let (Device::LeavesCached, &Op::Pageout { p, k }) = (device, op)
                && w.process(p).is_on_swap(k)
            {
                w.process(p).read_ahead(k);
            }
            // One after the other, as the recorder names them.
            observer.begins_with(&seen(
                w,
                (0..).map_while(|p| (p < w.processes()).then(|| (p, w.process(p).mm()))),
            ));
        }
        *begun.lock().unwrap_or_else(PoisonError::into_inner) = observer;
        if device == Device::Slow {
            w.swap_slowly();
        }
    });
    let paged_out =
        both.iter().find_map(|op| if let &Op::Pageout { p, k } = op { Some((p, k)) } else { None });
    if let (Device::Slow, Some((p, k))) = (device, paged_out) {
        race = race.cpu("swap device", move |w| w.end_swap_write(w.process(p).page_at(k)));
    }
    for (at, op) in both.into_iter().enumerate() {
        let came_to = came_to.clone();
        race = race.cpu(op.to_string(), move |w| {
            let outcome = plain(w, &op);
            came_to.lock().unwrap_or_else(PoisonError::into_inner)[at] = outcome;
        });
    }
    let ended = endings.clone();
    let race = race.finally(move |w| {
        let outcomes = came_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let observer =
            std::mem::take(&mut *observer.lock().unwrap_or_else(PoisonError::into_inner));
        ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(observer.ending(&outcomes, &all(w)));
    });
    // One thread: the outcomes of one execution must not get among another's.
    race.check_with(
        protocol,
        &Method::Exhaustive,
        &Options { jobs: 1, executions, ..Options::default() },
    )
}

fn failed(errno: Errno) -> Outcome {
    Outcome::Failed(format!("{errno:?}").to_uppercase())
}

fn place(w: &AtRest<'_>, mm: MmRef, addr: u64) -> Place {
    match w.process_of(mm).at(addr) {
        At::Nothing => Place::Empty,
        At::Slot(entry) => Place::Slot(entry.slot().into()),
        At::Page(seen) => Place::Page {
            frame: seen.page.frame().into(),
            mapcount: seen.mapcount.cast_unsigned(),
            exclusive: seen.exclusive,
            cached: seen.swap_cache,
        },
        // None is left when an operation is over; if one is, it is to be seen that no kernel shows
        // that.
        At::Migrating(page) => Place::Page {
            frame: page.frame().into(),
            mapcount: u64::MAX,
            exclusive: false,
            cached: false,
        },
    }
}
