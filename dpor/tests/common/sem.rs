//! A fair reader-writer semaphore with the steps of lockwalk's `RwSem`: readers queue as well as
//! writers.

use std::cell::{Cell, RefCell};

use dpor::{Access, ObjectId, object, step, step_when, tried};

pub struct Sem {
    id: ObjectId,
    readers: Cell<u32>,
    writer: Cell<bool>,
    /// Who waits, and whether to write.
    queue: RefCell<Vec<(usize, bool)>>,
}

impl Sem {
    pub fn new() -> Self {
        Sem {
            id: object(),
            readers: Cell::new(0),
            writer: Cell::new(false),
            queue: RefCell::default(),
        }
    }

    fn queue(&self, writes: bool) {
        step(self.id, Access::Write);
        self.queue.borrow_mut().push((dpor::me(), writes));
    }

    /// Readers go in together, as far as the next writer in the queue.
    fn turn_of(&self, task: usize) -> bool {
        let queue = self.queue.borrow();
        let at = queue.iter().position(|&(other, _)| other == task).expect("it is queued");
        let alone = |&(_, writes): &(usize, bool)| !writes;
        !self.writer.get()
            && if queue[at].1 {
                at == 0 && self.readers.get() == 0
            } else {
                queue[..at].iter().all(alone)
            }
    }

    fn go_in(&self, task: usize, writes: bool) {
        self.queue.borrow_mut().retain(|&(other, _)| other != task);
        self.writer.set(writes);
        self.readers.set(self.readers.get() + u32::from(!writes));
    }

    pub fn down_read(&self) {
        if !self.try_read() {
            let me = dpor::me();
            self.queue(false);
            // Other readers may be inside: so it is not the acquisition of an exclusive lock.
            step_when(self.id, Access::Write, &|| self.turn_of(me));
            self.go_in(me, false);
        }
    }

    pub fn down_write(&self) {
        let me = dpor::me();
        self.queue(true);
        step_when(self.id, Access::Acquire, &|| self.turn_of(me));
        self.go_in(me, true);
    }

    fn attempt(&self, access: Access, writes: bool) -> bool {
        step(self.id, access);
        let free = !self.writer.get()
            && self.queue.borrow().is_empty()
            && !(writes && self.readers.get() > 0);
        tried(free);
        if free {
            self.go_in(dpor::me(), writes);
        }
        free
    }

    pub fn try_read(&self) -> bool {
        self.attempt(Access::TryAcquireShared, false)
    }

    pub fn try_write(&self) -> bool {
        self.attempt(Access::TryAcquire, true)
    }

    pub fn up_read(&self) {
        step(self.id, Access::ReleaseShared);
        self.readers.set(self.readers.get() - 1);
    }

    pub fn up_write(&self) {
        step(self.id, Access::Release);
        self.writer.set(false);
    }

    /// Readers and writer, without a step.
    pub fn peek(&self) -> (u32, bool) {
        (self.readers.get(), self.writer.get())
    }

    /// Who waits, without a step.
    pub fn peek_queue(&self) -> Vec<(usize, bool)> {
        self.queue.borrow().clone()
    }
}
