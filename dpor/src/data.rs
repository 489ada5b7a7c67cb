//! Happens-before check of plain shared data, after FastTrack (Flanagan and Freund, PLDI 2009).

use std::fmt;

use crate::access::{Class, ObjectId};
use crate::execution::Creator;
use crate::livelock::mix;
use crate::state::Digest;
use crate::task::{Task, TaskState};
use crate::trace::{NONE, Trace};

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
            "data race on cell {}: nothing orders the {} by task {first} and the {} by task {second}",
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

#[derive(Debug, Default)]
struct Cell {
    write: Option<Epoch>,
    /// Reads since that write; at most one per task.
    reads: Vec<Epoch>,
}

#[derive(Debug, Default)]
pub(crate) struct DataCells {
    cells: Vec<Cell>,
    used: usize,
}

impl DataCells {
    pub(crate) fn clear(&mut self) {
        self.used = 0;
    }

    /// Does the program have any?
    pub(crate) fn any(&self) -> bool {
        self.used > 0
    }

    pub(crate) fn make(&mut self) -> DataId {
        if self.cells.len() == self.used {
            self.cells.push(Cell::default());
        }
        let cell = &mut self.cells[self.used];
        cell.write = None;
        cell.reads.clear();
        self.used += 1;
        DataId(self.used as u32 - 1)
    }

    /// Which accesses race with which depends on what happened before what, and not on the state alone: whom every access so far is ordered
    /// before, and through which object others will be ordered after it.
    pub(crate) fn feed(&self, trace: &Trace, creators: &[Creator], tasks: &[Task], key: &mut Digest) {
        for (number, cell) in self.cells[..self.used].iter().enumerate() {
            let epochs = cell.write.iter().map(|epoch| (epoch, true)).chain(cell.reads.iter().map(|epoch| (epoch, false)));
            for (epoch, write) in epochs {
                let after = |clock: &[u32]| clock[epoch.task as usize] >= epoch.tick;
                let alive = |task: usize| tasks[task].state != TaskState::Finished;
                // Its own task is always after it, in what it does next.
                let knows = |task: usize| task == epoch.task as usize || after(trace.task_clock(task));
                if (0..tasks.len()).all(|task| !alive(task) || knows(task)) {
                    continue;
                }
                key.put((number as u64) << 8 | u64::from(write));
                key.put(tasks[epoch.task as usize].origin);
                // One that has ended may still be joined.
                (0..tasks.len()).for_each(|task| key.put(u64::from(knows(task))));
                let mut through = 0u64;
                for (object, &(creator, nth)) in creators.iter().enumerate() {
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
                        through = through.wrapping_add(mix(mix(creator, nth.into()), classes));
                    }
                }
                key.put(through);
            }
        }
    }

    /// By `task`, with this clock before its next event, which has the number `tick`.
    pub(crate) fn access(&mut self, clock: &[u32], tick: u32, task: usize, id: DataId, write: bool) -> Result<(), DataRace> {
        let cell = &mut self.cells[id.0 as usize];
        // What a task does after its event n is ordered before whatever has seen its event n + 1.
        let unordered = |epoch: &Epoch| epoch.task as usize != task && clock.get(epoch.task as usize).is_none_or(|&tick| tick < epoch.tick);
        let race = |epoch: Epoch, first_write| DataRace { cell: id, first: (epoch.task as usize, first_write), second: (task, write) };
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
