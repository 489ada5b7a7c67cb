//! Vector clocks, to tell races on plain cells.

use super::program::{NODES, TASKS};
use super::steps::FIELDS;

type Clock = [u8; TASKS];

fn merge(a: &mut Clock, b: &Clock) {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = (*a).max(b));
}

/// Vector clocks, for programs with plain cells.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Clocks {
    pub tasks: [Clock; TASKS],
    /// For each object and kind of step, what all such steps come after.
    objects: [[Clock; 4]; NODES * FIELDS],
    /// Each task's last read and write of each cell.
    cells: [[Clock; 2]; NODES],
}

impl Default for Clocks {
    fn default() -> Self {
        let zero = [0; TASKS];
        Clocks {
            tasks: [zero; TASKS],
            objects: [[zero; 4]; NODES * FIELDS],
            cells: [[zero; 2]; NODES],
        }
    }
}

impl Clocks {
    pub fn step(&mut self, task: usize, object: usize, kind: usize) {
        let Clocks { tasks, objects, .. } = self;
        let (clock, object) = (&mut tasks[task], &mut objects[object]);
        for (other, theirs) in object.iter().enumerate() {
            // The last kind does not commute with itself.
            if other != kind || kind == 3 {
                merge(clock, theirs);
            }
        }
        clock[task] += 1;
        let clock = *clock;
        merge(&mut object[kind], &clock);
    }

    pub fn join(&mut self, task: usize, other: usize) {
        let theirs = self.tasks[other];
        merge(&mut self.tasks[task], &theirs);
    }

    /// Note the access, and whether an earlier one is unordered with it.
    pub fn races(&mut self, task: usize, cell: usize, write: bool) -> bool {
        let clock = &self.tasks[task];
        let [reads, writes] = &mut self.cells[cell];
        let unordered =
            |last: &Clock| (0..TASKS).any(|other| other != task && last[other] > clock[other]);
        let races = unordered(writes) || write && unordered(reads);
        let mine = if write { writes } else { reads };
        mine[task] = clock[task] + 1;
        races
    }
}
