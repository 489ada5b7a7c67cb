//! What a script can do next: which processes live, what they have mapped and touched, and what
//! they hold.

use std::collections::BTreeMap;

use crate::op::Op;
use crate::{PAGES, PROCESSES};

/// How far a script is. It knows what the operations of the script say, and nothing of how memory
/// works.
#[derive(Clone, Debug)]
pub struct State {
    processes: BTreeMap<usize, Process>,
    next: usize,
}

#[derive(Clone, Default, Debug)]
struct Process {
    mapped: [bool; PAGES as usize],
    /// mprotect has not made it read-only.
    writable: [bool; PAGES as usize],
    /// Something was stored there, so that a load would not find the zero page, which the model
    /// does not have.
    touched: [bool; PAGES as usize],
    pinned: bool,
    spliced: usize,
}

impl Process {
    /// Somebody stores there, or takes the page to store: if that fails, nothing is touched.
    fn store(&mut self, k: u64) {
        self.touched[k as usize] |= self.mapped[k as usize] && self.writable[k as usize];
    }
}

/// Pages that the pipe of a process holds at most.
const SPLICED: usize = 2;

impl Default for State {
    /// One process, with all its pages mapped and nothing in them.
    fn default() -> Self {
        let first = Process {
            mapped: [true; PAGES as usize],
            writable: [true; PAGES as usize],
            ..Process::default()
        };
        Self { processes: BTreeMap::from([(0, first)]), next: 1 }
    }
}

impl State {
    /// Processes that live.
    pub fn processes(&self) -> impl Iterator<Item = usize> + '_ {
        self.processes.keys().copied()
    }

    /// The number that the next process gets, if there may be one.
    pub fn next_process(&self) -> Option<usize> {
        (self.processes.len() < PROCESSES).then_some(self.next)
    }

    /// The pages of a process that are mapped, and that it may not store to.
    pub fn read_only(&self, p: usize) -> impl Iterator<Item = u64> + '_ {
        let process = &self.processes[&p];
        (0..PAGES).filter(|&k| process.mapped[k as usize] && !process.writable[k as usize])
    }

    /// Does it make sense now? A user access must not end in a signal, unless it stores to what is
    /// read-only, nor a read find the zero page.
    pub fn allows(&self, op: &Op) -> bool {
        let at = |p: usize, k: u64| {
            self.processes.get(&p).filter(|_| k < PAGES).map(|process| (process, k as usize))
        };
        let mapped = |p, k| at(p, k).is_some_and(|(process, k)| process.mapped[k]);
        let touched = |p, k| at(p, k).is_some_and(|(process, k)| process.touched[k]);
        let lives = |p| self.processes.contains_key(&p);
        // What the kernel itself looks up may be unmapped: that is an error. Mapped and untouched
        // would be the zero page.
        let looks = |p, k| at(p, k).is_some() && (touched(p, k) || !mapped(p, k));
        match *op {
            Op::Store { p, k, .. }
            | Op::Split { p, k }
            | Op::Dontneed { p, k }
            | Op::Munmap { p, k } => mapped(p, k),
            Op::Load { p, k } | Op::Pageout { p, k } | Op::Migrate { p, k } => touched(p, k),
            Op::Mmap { p, k } => at(p, k).is_some() && !mapped(p, k),
            Op::Peek { p, k } => touched(p, k),
            // Who writes there is not asked whether the process may (`FOLL_FORCE`).
            Op::Poke { p, k, .. } => mapped(p, k),
            Op::Mprotect { p, k, w } => mapped(p, k) && w <= 1,
            Op::Mremap { p, k, t } => mapped(p, k) && t < PAGES && t != k,
            Op::Fork { p, q } => lives(p) && self.next_process() == Some(q),
            Op::Exit { p } => lives(p) && self.processes.len() > 1,
            Op::Splice { p, k } => looks(p, k) && self.processes[&p].spliced < SPLICED,
            Op::Drain { p } => lives(p) && self.processes[&p].spliced > 0,
            Op::Pin { p, k } => mapped(p, k) && !self.processes[&p].pinned,
            Op::Unpin { p } | Op::DmaRead { p } | Op::DmaWrite { p, .. } => {
                lives(p) && self.processes[&p].pinned
            }
            Op::VmRead { p, q, k } => lives(p) && p != q && looks(q, k),
            Op::VmWrite { p, q, k, .. } => lives(p) && p != q && at(q, k).is_some(),
            Op::Swapoff {} => true,
        }
    }

    /// The operation is done.
    pub fn apply(&mut self, op: &Op) {
        let mut change = |p: usize, change: &dyn Fn(&mut Process)| {
            if let Some(process) = self.processes.get_mut(&p) {
                change(process);
            }
        };
        match *op {
            Op::Store { p, k, .. } => change(p, &|process| process.store(k)),
            Op::Poke { p, k, .. } => {
                change(p, &|process| process.touched[k as usize] |= process.mapped[k as usize])
            }
            Op::VmWrite { q, k, .. } => change(q, &|process| process.store(k)),
            Op::Dontneed { p, k } => change(p, &|process| process.touched[k as usize] = false),
            Op::Munmap { p, k } => change(p, &|process| {
                (process.mapped[k as usize], process.touched[k as usize]) = (false, false)
            }),
            Op::Mmap { p, k } => change(p, &|process| {
                (process.mapped[k as usize], process.writable[k as usize]) = (true, true)
            }),
            Op::Mprotect { p, k, w } => change(p, &|process| process.writable[k as usize] = w == 1),
            Op::Mremap { p, k, t } => change(p, &|process| {
                let (from, to) = (k as usize, t as usize);
                (process.mapped[to], process.touched[to], process.writable[to]) =
                    (true, process.touched[from], process.writable[from]);
                (process.mapped[from], process.touched[from]) = (false, false);
            }),
            Op::Splice { p, k } => {
                change(p, &|process| process.spliced += usize::from(process.mapped[k as usize]))
            }
            Op::Drain { p } => change(p, &|process| process.spliced -= 1),
            Op::Pin { p, k } => change(p, &|process| {
                process.store(k);
                process.pinned = process.writable[k as usize];
            }),
            Op::Unpin { p } => change(p, &|process| process.pinned = false),
            Op::Fork { p, q } => {
                let child = Process { pinned: false, spliced: 0, ..self.processes[&p].clone() };
                self.processes.insert(q, child);
                self.next = q + 1;
            }
            Op::Exit { p } => _ = self.processes.remove(&p),
            _ => {}
        }
    }

    /// Does a whole script make sense?
    pub fn allows_all(script: &[Op]) -> bool {
        let mut state = Self::default();
        script.iter().all(|op| {
            let allowed = state.allows(op);
            if allowed {
                state.apply(op);
            }
            allowed
        })
    }
}
