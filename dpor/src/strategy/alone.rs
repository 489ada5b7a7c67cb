//! Steps that nobody can get in the way of: a state from which one of them can be taken needs no
//! other. Whether somebody could is told by how all that is shared is used, as far as it was seen;
//! where it turns out to be used in another way, more is run. See `algorithm.md`.

use crate::access::Access;
use crate::execution::Core;
use crate::known::{Discipline, Step};
use crate::model::Memory;
use crate::task::{Task, TaskState};

impl Discipline {
    /// What was done to come to the state at hand, which is new, and what is to be done next.
    pub(super) fn see(&mut self, core: &Core) {
        let pending = |task: &Task| task.state == TaskState::Pending;
        for (index, task) in core.tasks().iter().enumerate() {
            let new = pending(task) && task.announced == core.trace.depth;
            if !new || core.comes_after_all(index) {
                continue;
            }
            let (object, access) = (core.creator(task.op.object), task.op.access);
            let held = core.held(index);
            let has = |alone: bool| held.contains(&(object, alone));
            if access == Access::Release && !has(true)
                || access == Access::ReleaseShared && !has(false)
            {
                self.loose.insert(object);
            }
            for &(lock, _) in task.held.iter().filter(|(_, alone)| *alone) {
                let mut others = core.tasks().iter().enumerate();
                let holds = |task: &Task| task.held.iter().any(|&(other, _)| other == lock);
                if others.any(|(other, task)| other != index && holds(task)) {
                    self.loose.insert(core.creator(lock));
                }
            }
            self.objects.add(object, core.thread(index), access, &held);
        }
        for (task, cell, write) in core.last_accesses() {
            let access = if write { Access::Write } else { Access::Read };
            self.cells.add(cell, core.thread(task), access, &core.held(task));
        }
    }

    /// A step that can be taken from the state at hand, and that is enough, as far as it is known:
    /// the running task's, if it may be.
    pub(super) fn enough(&self, core: &Core, running: Option<usize>) -> Option<(usize, Step)> {
        let ready = &core.trace.frame(core.trace.depth).ready;
        if core.memory != Memory::Sc {
            return None;
        }
        let running = running.filter(|&task| ready.contains(task));
        running.into_iter().chain(ready.iter()).find_map(|task| {
            let op = core.tasks()[task].op;
            let accesses = core.last_accesses().filter(|&(by, ..)| by == task);
            let mut cells: Vec<_> = accesses.map(|(_, cell, _)| cell).collect();
            cells.sort_unstable();
            cells.dedup();
            let (thread, object) = (core.thread(task), core.creator(op.object));
            let step = Step { thread, object, access: op.access, cells };
            self.is_alone(&step).then_some((task, step))
        })
    }
}
