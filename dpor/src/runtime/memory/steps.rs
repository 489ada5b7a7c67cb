//! Steps that are no accesses to words, of programs that say themselves what they order: locks,
//! read sections, and what only a checker looks at.

use super::{After, before, buffers, is_weak, store_later, with_pending};
use crate::access::{Access, ObjectId, Op};
use crate::left_out::Use;
use crate::runtime::{announce_alone, join, me, over, with_engine};
use crate::task::Condition;

/// Which releases of an object an acquisition comes after.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// Those of who had it for himself: a writer.
    Exclusive,
    /// Those of who had it together with others: readers.
    Shared,
}

/// Wait for the current task's own steps on the object that are still [to come](release).
fn join_own(object: ObjectId) {
    if buffers() {
        let own = with_pending(me(), |pending| {
            pending
                .stores
                .iter()
                .filter(|store| store.object == object)
                .map(|store| store.task)
                .collect()
        });
        Vec::into_iter(own).for_each(join);
    }
}

#[track_caller]
fn announce(object: ObjectId, access: Access, condition: Option<Condition>) {
    join_own(object);
    if is_weak() {
        with_engine(|engine| engine.core.graph.unordered(object));
    }
    announce_alone(Op { object, access }, condition);
}

/// A step as [`step`](crate::step), which orders nothing in memory: both orders of two that depend
/// on each other are explored, and neither says what their tasks see of others' stores. Stores that
/// are under way stay so.
#[track_caller]
pub fn unordered(object: ObjectId, access: Access) {
    announce(object, access, None);
}

/// The same as [`step_when`](crate::step_when).
#[track_caller]
pub fn unordered_when(object: ObjectId, access: Access, ready: &dyn Fn() -> bool) {
    let ready: *const (dyn Fn() -> bool + '_) = ready;
    // SAFETY: as in `step_when`: only the lifetime changes, and the pointer is used while this task
    // is suspended in this call.
    let ready = unsafe { std::mem::transmute::<*const (dyn Fn() -> bool + '_), Condition>(ready) };
    announce(object, access, Some(ready));
}

/// The task has acquired the object by its last step, which was [`unordered`]: it sees all that
/// those had seen who have released it on this side. Under the other models there is nothing to do:
/// who has released it has waited for its stores.
pub fn acquired(object: ObjectId, side: Side) {
    if is_weak() {
        with_engine(|engine| {
            let core = &mut engine.core;
            core.settle_worst_case(&mut *engine.strategy);
            core.graph.acquire(core.current, object, side as usize);
        });
    }
}

/// The task's last step, which was [`unordered`], was an access to memory, and has seen what is
/// newest there; or it has changed that, to a value that loads of a [word](super::Word::of) of the
/// same object may see. It orders nothing by itself, but together with fences, as an access to a
/// word does.
pub fn accessed(object: ObjectId, writes: Option<u64>) {
    if is_weak() {
        with_engine(|engine| {
            let core = &mut engine.core;
            core.settle_worst_case(&mut *engine.strategy);
            let step = core.last_tick();
            core.graph.touch(core.current, object, writes, step);
            if writes.is_some() {
                core.uses(core.creators[object.0 as usize], Use::Updates);
            }
        });
    }
}

/// The task's last step has made all others see what is newest in the object, by an interrupt, say:
/// no load of a word of it sees anything older from now on. Loads have to depend on that step, as on
/// a write, or those that come before it are not all explored.
pub fn seen_by_all(object: ObjectId) {
    if is_weak() {
        with_engine(|engine| engine.core.graph.seen_by_all(object));
    }
}

/// These objects, and the words of them, are parts of one word that is changed by atomic operations
/// only: bits, say, which are set and cleared. Under [`Weak`](super::Memory::Weak) who has seen one
/// of them as it was changed sees no other as it was before an earlier change, if that comes before
/// by program order and by reading. Two changes that neither of these puts in order are taken to be
/// of two words, which allows more than there is.
pub fn parts(objects: &[ObjectId]) {
    if is_weak() {
        with_engine(|engine| engine.core.graph.are_parts(objects));
    }
}

/// The task has released the object by its last step, which was [`unordered`]: who
/// [acquires](acquired) it sees all that the task has seen so far. Under the other models there is
/// nothing to do.
pub fn released(object: ObjectId, side: Side) {
    if is_weak() {
        with_engine(|engine| {
            let core = &mut engine.core;
            core.settle_worst_case(&mut *engine.strategy);
            core.graph.release(core.current, object, side as usize);
        });
    }
}

/// Take a step that releases the object, and `act` with it, which may take no step. Under
/// [`Tso`](super::Memory::Tso) and [`Pso`](super::Memory::Pso) it is a store, which goes to memory
/// later, after all of the task's stores before it; else it is taken at once.
#[track_caller]
pub fn release(object: ObjectId, access: Access, side: Side, act: impl FnOnce() + 'static) {
    if over() {
        return;
    }
    if buffers() {
        store_later(object, access, 0, After::All, act);
    } else {
        unordered(object, access);
        released(object, side);
        act();
    }
}

/// Wait for the stores that an atomic on the object comes after: on [`Tso`](super::Memory::Tso)
/// all, on [`Pso`](super::Memory::Pso) those to the object, and those before the last store
/// barrier. To be called before a step that is one.
pub fn locked(object: ObjectId) {
    if buffers() {
        before(object, After::Barrier).into_iter().for_each(join);
    }
}
