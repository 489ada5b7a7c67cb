//! The model's side of a script: what a protocol comes to, in the lines in which a recorder writes what a kernel shows.
//!
//! ```
//! use lockwalk::{Era, conform};
//!
//! let script = ["store 0 0 5", "fork 0 1", "store 1 0 6"].map(|op| op.parse().expect("an operation"));
//! let lines = conform::run(&Era::V5_19, &script);
//! assert_eq!(lines, ["store 0 0 5 => p0[a1x - -]", "fork 0 1 => p0[a2 - -] p1[a2 - -]", "store 1 0 6 => p0[a1 - -] p1[b1x - -]"]);
//! ```

use std::collections::{BTreeMap, VecDeque};

pub use lockwalk_conformance as kernel;
use lockwalk_conformance::{Observer, Op, Outcome, PAGES, Place, SLOTS, Seen, Sequence};

use crate::mm::{At, Errno, MmRef, PageRef, World};
use crate::{Halt, Machine, Protocol};

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

/// Runs a script, which must make sense. The line at which the machine stops, because a clause is violated or it goes round for ever, says so
/// and is the last; at the end everything is given back, and what is left then is a line more.
pub fn run(protocol: &Protocol, script: &[Op]) -> Vec<String> {
    let mut lines = Vec::new();
    let halted = Run::new(protocol).and_then(|mut run| {
        for op in script {
            let line = run.step(op).map_err(|halt| said(&op.to_string(), &halt))?;
            lines.push(line);
        }
        run.end().map_err(|halt| said("the end", &halt))
    });
    lines.extend(halted.err());
    lines
}

fn said(at: &str, halt: &Halt) -> String {
    format!("{at} => the model {halt}")
}

/// The first line in which `sequence` and the model differ: its number, and what the model says there; `None` if they agree.
pub fn difference(protocol: &Protocol, sequence: &Sequence) -> Option<(usize, String)> {
    let script = match sequence.script() {
        Ok(script) => script,
        Err(error) => return Some((0, error.to_string())),
    };
    let lines = run(protocol, &script);
    let at = (0..lines.len().max(sequence.lines.len())).find(|&at| lines.get(at) != sequence.lines.get(at))?;
    Some((at, lines.get(at).cloned().unwrap_or_default()))
}

impl Run {
    fn new(protocol: &Protocol) -> Result<Self, String> {
        let machine = Machine::new(protocol, SLOTS, |w| w.new_process().mmap(0..PAGES));
        let started = machine.and_then(|machine| machine.step(|w| w.process(0).mm()).map(|first| (machine, first)));
        let (machine, first) = started.map_err(|halt| said("the beginning", &halt))?;
        Ok(Self { machine, processes: BTreeMap::from([(0, Process::new(first))]), pins: 0, observer: Observer::default() })
    }

    fn step(&mut self, op: &Op) -> Result<String, Halt> {
        let outcome = self.act(op)?;
        let seen = self.machine.step(|w| Seen {
            processes: self
                .processes
                .iter()
                .map(|(&number, process)| (number, (0..PAGES).map(|k| place(w, process.mm, k)).collect()))
                .collect(),
            used: w.slots_in_use() as u64,
        })?;
        Ok(self.observer.line(op, &outcome, &seen))
    }

    fn act(&mut self, op: &Op) -> Result<Outcome, Halt> {
        let mm = |p: usize| self.processes.get(&p).map(|process| process.mm).ok_or_else(|| Halt::Stuck(format!("there is no process {p}")));
        let done = |result: Result<(), Errno>| result.map_or_else(failed, |()| Outcome::Done);
        let value = |result: Result<u64, Errno>| result.map_or_else(failed, Outcome::Value);
        let nothing = |()| Outcome::Done;
        Ok(match *op {
            Op::Store { p, k, v } | Op::Poke { p, k, v } => done(self.on(mm(p)?, |process| process.store(k, v))?),
            Op::Load { p, k } | Op::Peek { p, k } => value(self.on(mm(p)?, |process| process.load(k))?),
            Op::Mmap { p, k } => nothing(self.on(mm(p)?, |process| process.mmap(k..k + 1))?),
            Op::Munmap { p, k } => nothing(self.on(mm(p)?, |process| process.munmap(k..k + 1))?),
            Op::Dontneed { p, k } => nothing(self.on(mm(p)?, |process| process.dontneed(k))?),
            Op::Pageout { p, k } => nothing(self.on(mm(p)?, |process| process.pageout(k))?),
            Op::Split { p, k } => {
                nothing(self.on(mm(p)?, |process| [k, k + 1].iter().filter(|&&at| at > 0).for_each(|&at| process.split_vma(at)))?)
            }
            Op::Fork { p, q } => {
                let child = self.on(mm(p)?, |process| process.fork().mm())?;
                self.processes.insert(q, Process::new(child));
                Outcome::Done
            }
            Op::Exit { p } => {
                self.exit(p)?;
                Outcome::Done
            }
            Op::Splice { p, k } => match self.on(mm(p)?, |process| process.vmsplice(k))? {
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
            Op::Pin { p, k } => match self.on(mm(p)?, |process| process.pin_for_writing(k).map(drop))? {
                Ok(()) => {
                    let pin = self.next_pin();
                    self.process(p)?.pin = Some(pin);
                    Outcome::Done
                }
                Err(errno) => failed(errno),
            },
            Op::Unpin { p } => {
                self.unpin(p)?;
                Outcome::Done
            }
            Op::DmaWrite { p, v } => match self.process(p)?.pin {
                Some(pin) => nothing(self.machine.step(|w| w.pin(pin).dma_write(v))?),
                None => failed(Errno::Einval),
            },
            Op::DmaRead { p } => match self.process(p)?.pin {
                Some(pin) => Outcome::Value(self.machine.step(|w| w.pin(pin).read())?),
                None => failed(Errno::Einval),
            },
            Op::VmRead { q, k, .. } => {
                let read = self.on(mm(q)?, |process| {
                    process.pin_for_reading(k).map(|pin| {
                        let value = pin.read();
                        pin.put();
                        value
                    })
                })?;
                read.map_or_else(failed, |found| {
                    self.next_pin();
                    Outcome::Value(found)
                })
            }
            Op::VmWrite { q, k, v, .. } => {
                let written = self.on(mm(q)?, |process| process.direct_io(k, v))?;
                written.map_or_else(failed, |()| {
                    self.next_pin();
                    Outcome::Done
                })
            }
            Op::Migrate { p, k } => {
                let mm = mm(p)?;
                self.machine.step(|w| {
                    if let At::Page(seen) = w.look_at(mm, k) {
                        w.migrate(seen.page);
                    }
                })?;
                Outcome::Done
            }
            Op::Swapoff {} => nothing(self.machine.step(|w| {
                w.swapoff();
                w.swapon();
            })?),
        })
    }

    /// Has a process do something.
    fn on<R>(&self, mm: MmRef, act: impl FnOnce(&crate::mm::Process<'_>) -> R) -> Result<R, Halt> {
        self.machine.step(|w| act(&w.process_of(mm)))
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
            Some(pin) => self.machine.step(|w| w.pin(pin).put()),
            None => Ok(()),
        }
    }

    /// The device lets go, the memory goes, and then the pipe.
    fn exit(&mut self, p: usize) -> Result<(), Halt> {
        self.unpin(p)?;
        let Some(Process { mm, pipe, .. }) = self.processes.remove(&p) else { return Ok(()) };
        self.on(mm, |process| process.exit())?;
        self.machine.step(|w| pipe.iter().for_each(|&page| w.put_page(page)))
    }

    /// All processes exit: nothing may be left.
    fn end(mut self) -> Result<(), Halt> {
        for p in self.processes.keys().copied().collect::<Vec<_>>() {
            self.exit(p)?;
        }
        self.machine.audit()
    }
}

fn failed(errno: Errno) -> Outcome {
    Outcome::Failed(format!("{errno:?}").to_uppercase())
}

fn place(w: &World, mm: MmRef, addr: u64) -> Place {
    match w.look_at(mm, addr) {
        At::Nothing => Place::Empty,
        At::Slot(entry) => Place::Slot(entry.slot().into()),
        At::Page(seen) => Place::Page {
            frame: seen.page.frame().into(),
            mapcount: seen.mapcount.cast_unsigned(),
            exclusive: seen.exclusive,
            cached: seen.swap_cache,
        },
        // None is left when an operation is over; if one is, it is to be seen that no kernel shows that.
        At::Migrating(page) => Place::Page { frame: page.frame().into(), mapcount: u64::MAX, exclusive: false, cached: false },
    }
}
