//! Happens-before check of plain shared data, after FastTrack (Flanagan and Freund, PLDI 2009).

use std::fmt;

use std::collections::HashMap;

use crate::access::{Class, Creator, ObjectId};
use crate::state::{Digest, Keys, Sum};
use crate::task::{Task, TaskState};
use crate::trace::{NONE, Trace};

/// An access to data: by which task, to what, and whether that was written.
pub(crate) type Accessed = (usize, Creator, bool);

/// A plain shared cell of the current execution; ids are handed out in creation order.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DataId(pub u32);

/// Two accesses to a plain cell that nothing orders, at least one of them a write.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct DataRace {
    /// The cell.
    pub cell: DataId,
    /// The task of the earlier access, and whether it was a write.
    pub first: (usize, bool),
    /// The task of the later access, and whether it was a write.
    pub second: (usize, bool),
}

impl fmt::Display for DataRace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |write| if write { "write" } else { "read" };
        let ((first, first_write), (second, second_write)) = (self.first, self.second);
        write!(
            f,
            "data race on cell {}: nothing orders the {} by task {first} and the {} by task \
             {second}",
            self.cell.0,
            verb(first_write),
            verb(second_write)
        )
    }
}

impl std::error::Error for DataRace {}

/// An access: the task, and its clock then.
#[derive(Copy, Clone, Debug)]
struct Epoch {
    task: u32,
    tick: u32,
}

impl Epoch {
    /// Who knows of it, and through what others will; `None` if everybody does.
    fn known(self, knowers: Knowers<'_>) -> Option<Digest> {
        let Knowers { trace, creators, tasks, names } = knowers;
        let after = |clock: &[u32]| clock[self.task as usize] >= self.tick;
        // Its own task is always after it, in what it does next.
        let knows = |task: usize| task == self.task as usize || after(trace.task_clock(task));
        let alive = |task: usize| tasks[task].state != TaskState::Finished;
        if (0..tasks.len()).all(|task| !alive(task) || knows(task)) {
            return None;
        }
        let mut known = Digest::default();
        // One that has ended may still be joined.
        let mut by = Sum::default();
        for task in (0..tasks.len()).filter(|&task| knows(task)) {
            let Some((thread, which)) = names[task] else { continue };
            let mut name = Digest::default();
            name.put(thread.into());
            name.put(u64::from(which) << 1 | u64::from(task == self.task as usize));
            by.add(name);
        }
        known.put_digest(by.0);
        let mut through = Sum::default();
        for (object, &creator) in creators.iter().enumerate() {
            let mut event = trace.last_on(ObjectId(object as u32));
            let mut classes = 0u64;
            while event != NONE {
                let frame = trace.frame(event as usize);
                classes |= u64::from(after(trace.clock(event as usize))) << frame.class as u64;
                // It comes after everything before it on this object.
                if frame.class == Class::Exclusive {
                    break;
                }
                event = frame.prev;
            }
            if classes != 0 {
                let mut object = Digest::of(creator);
                object.put(classes);
                through.add(object);
            }
        }
        known.put_digest(through.0);
        Some(known)
    }
}

/// Who may come to know of an access.
#[derive(Copy, Clone)]
pub(crate) struct Knowers<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) creators: &'a [Creator],
    pub(crate) tasks: &'a [Task],
    /// What each task is called, whatever the interleaving, if what it knows will matter.
    pub(crate) names: &'a [Option<(u32, u32)>],
}

impl Knowers<'_> {
    /// Who knows of an access that the task has made before its event `tick`, and through what
    /// others will; `None` if everybody does.
    pub(crate) fn of(self, task: usize, tick: u32) -> Option<Digest> {
        Epoch { task: task as u32, tick }.known(self)
    }
}

#[derive(Debug, Default)]
struct Cell {
    /// The same in every execution, as its number is not.
    name: Creator,
    write: Option<Epoch>,
    /// Reads since that write; at most one per task.
    reads: Vec<Epoch>,
}

#[derive(Debug, Default)]
pub(crate) struct DataCells {
    cells: Vec<Cell>,
    used: usize,
    /// The cells by name, as far as somebody has asked.
    numbers: HashMap<Creator, usize, Keys>,
}

impl DataCells {
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        self.numbers.clear();
    }

    pub(crate) fn name(&self, cell: DataId) -> Creator {
        self.cells[cell.0 as usize].name
    }

    /// Might an access to what has this name race, by a task that then knows at least this?
    pub(crate) fn might_race(
        &mut self,
        name: Creator,
        write: bool,
        task: usize,
        clock: &[u32],
    ) -> bool {
        let named = self.numbers.len();
        self.numbers.extend(
            self.cells[named..self.used]
                .iter()
                .zip(named..)
                .map(|(cell, number)| (cell.name, number)),
        );
        let Some(&number) = self.numbers.get(&name) else { return false };
        let Cell { write: written, reads, .. } = &self.cells[number];
        let unordered = |epoch: &Epoch| {
            epoch.task as usize != task
                && clock.get(epoch.task as usize).is_none_or(|&tick| tick < epoch.tick)
        };
        written.as_ref().is_some_and(unordered) || write && reads.iter().any(unordered)
    }

    /// Does the program have any?
    pub(crate) fn any(&self) -> bool {
        self.used > 0
    }

    pub(crate) fn make(&mut self, name: Creator) -> DataId {
        if self.cells.len() == self.used {
            self.cells.push(Cell::default());
        }
        let cell = &mut self.cells[self.used];
        cell.name = name;
        cell.write = None;
        cell.reads.clear();
        self.used += 1;
        DataId(self.used as u32 - 1)
    }

    /// Which accesses race with which depends on what happened before what, and not on the state
    /// alone: whom every access so far is ordered before, and through which object others will be
    /// ordered after it. Cells and objects come in the order in which they were made, which depends
    /// on the interleaving: so what they say is added up.
    pub(crate) fn feed(&self, knowers: Knowers<'_>, key: &mut Digest) {
        let mut known: HashMap<(u32, u32), Option<Digest>, Keys> = HashMap::default();
        let mut sum = Sum::default();
        for cell in &self.cells[..self.used] {
            let epochs = cell
                .write
                .iter()
                .map(|epoch| (epoch, true))
                .chain(cell.reads.iter().map(|epoch| (epoch, false)));
            for (epoch, write) in epochs {
                let known =
                    known.entry((epoch.task, epoch.tick)).or_insert_with(|| epoch.known(knowers));
                if let Some(known) = known {
                    let mut said = Digest::of(cell.name);
                    said.put(write.into());
                    said.put_digest(*known);
                    sum.add(said);
                }
            }
        }
        key.put_digest(sum.0);
    }

    /// By `task`, with this clock before its next event, which has the number `tick`.
    pub(crate) fn access(
        &mut self,
        clock: &[u32],
        tick: u32,
        task: usize,
        id: DataId,
        write: bool,
    ) -> Result<(), DataRace> {
        let cell = &mut self.cells[id.0 as usize];
        // What a task does after its event n is ordered before whatever has seen its event n + 1.
        let unordered = |epoch: &Epoch| {
            epoch.task as usize != task
                && clock.get(epoch.task as usize).is_none_or(|&tick| tick < epoch.tick)
        };
        let race = |epoch: Epoch, first_write| DataRace {
            cell: id,
            first: (epoch.task as usize, first_write),
            second: (task, write),
        };
        if let Some(epoch) = cell.write.filter(&unordered) {
            return Err(race(epoch, true));
        }
        let now = Epoch { task: task as u32, tick };
        if write {
            if let Some(&epoch) = cell.reads.iter().find(|epoch| unordered(epoch)) {
                return Err(race(epoch, false));
            }
            cell.reads.clear();
            cell.write = Some(now);
        } else if let Some(read) = cell.reads.iter_mut().find(|read| read.task == now.task) {
            *read = now;
        } else {
            cell.reads.push(now);
        }
        Ok(())
    }
}
