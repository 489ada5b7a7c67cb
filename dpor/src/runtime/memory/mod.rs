//! Words and fences under weak memory.
//!
//! A program that shares [`Word`]s, and orders its accesses to them as with [`std::sync::atomic`],
//! is explored under the memory model that [`Explorer::memory`](crate::Explorer::memory) names.
//! Under [`Memory::Sc`] a word is what a program would make of [`step`](crate::step) itself.
//!
//! ```
//! use dpor::memory::{Word, fence};
//! use dpor::{Explorer, JoinHandle, Memory, Strategy};
//! use std::cell::Cell;
//! use std::rc::Rc;
//! use std::sync::atomic::Ordering::{Relaxed, SeqCst};
//!
//! // Store buffering: each task stores to a word, and loads the other's. May both read what was there before?
//! let program = |fences: bool| move || {
//!     let (words, both) = ([Word::new(0), Word::new(0)], Rc::new(Cell::new(0)));
//!     let tasks = [0, 1].map(|task| {
//!         let (words, both) = (words.clone(), Rc::clone(&both));
//!         dpor::spawn("task", move || {
//!             words[task].store(1, Relaxed);
//!             if fences {
//!                 fence(SeqCst);
//!             }
//!             both.set(both.get() + words[1 - task].load(Relaxed));
//!         })
//!     });
//!     tasks.map(JoinHandle::join);
//!     assert_ne!(both.get(), 0, "neither has seen the other");
//! };
//! for (memory, fences, fails) in [(Memory::Sc, false, false), (Memory::Tso, false, true), (Memory::Tso, true, false), (Memory::Weak, true, false)] {
//!     let report = Explorer::new(Strategy::Dpor).memory(memory).run(program(fences));
//!     assert!(report.exhausted && (report.failing > 0) == fails, "{memory:?}: {report}");
//! }
//! ```
//!
//! # The rules of each model
//!
//! | | [`Sc`](Memory::Sc) | [`Tso`](Memory::Tso) | [`Pso`](Memory::Pso) | [`Weak`](Memory::Weak) |
//! | --- | --- | --- | --- | --- |
//! | load | the newest value | the task's own newest store that is still under way, else the newest value | the same | any value that the task has not seen overwritten; `Acquire` orders it before what follows |
//! | store, relaxed | at once | goes to memory later, after the task's stores before it | later, after those to the same word, and those before the last store barrier | at once or in the past: anywhere after what the task has seen of the word |
//! | store, `Release` | at once | the same | later, after all of the task's stores before it | and who acquires it has seen all that is before it |
//! | store, `SeqCst` | at once | after all stores, at once | the same | RC11's axiom |
//! | read-modify-write | at once | after all stores, at once, whatever the ordering, and if it fails as well | relaxed or `Acquire`: after the stores that a store would come after; else as on TSO | reads what is right before it; a failed one is a load |
//! | `fence(Acquire)` | nothing | nothing | nothing | what was loaded before acquires |
//! | `fence(Release)`, `fence(AcqRel)` | nothing | nothing | a store barrier | what is stored later releases (and the one before) |
//! | `fence(SeqCst)` | nothing | waits for all stores | the same | both, and RC11's axiom |
//! | [`spawn`](crate::spawn), [`join`](crate::JoinHandle::join) | order | the child begins, and the joining task goes on, when the other's stores are in memory | the same | order |
//! | [`step`](crate::step) and its like | at once | waits for all stores, then at once | the same | comes after the steps that it depends on, with all that was before them; a try that failed orders nothing |
//!
//! *TSO* is the x86's (Owens, Sarkar and Sewell, TPHOLs 2009; Intel SDM vol. 3A, "Memory Ordering":
//! reads may pass older writes to other locations, and neither passes a locked instruction), with
//! the mapping that compilers use: a `SeqCst` store is an exchange, every read-modify-write is
//! locked. *PSO* is SPARC V9's (manual, chapter 8): a load or an atomic comes before all that
//! follows it, and only `MEMBAR #StoreStore` keeps stores and atomics of different words in order,
//! which is what the kernel's `smp_wmb` is made of there. A `Release` store waits for all that is
//! before it, as the kernel's memory-barriers.txt has it of RELEASE operations.
//!
//! *Weak* is RC11 (Lahav, Vafeiadis, Kang, Hur and Dreyer, PLDI 2017): C11 (5.1.2.4, 7.17.3) with
//! `SeqCst` repaired, and in which nothing is read before it is written, so that there is *no load
//! buffering*: `acyclic(sb | rf)`. Release sequences are those of C11: a task's own later stores to
//! the word are part of them, as they are not since C++20. It is neither ARMv8 nor the kernel's own
//! model, and neither above nor below them. They allow load buffering where no dependency or
//! barrier is in the way; dependencies order nothing here, and do there; ARMv8 lets all others see
//! a store at the same time; the kernel's model keeps what is before an unlock and after a later lock
//! of the same CPU, or of the same lock, in order for everybody (but for a store and a load after
//! it), which neither RC11 nor PSO does; and it does not promise what a release sequence through a
//! task's own later store does. So a "never" is one of RC11.
//!
//! # How it is done
//!
//! *Store buffers.* A store under way is a task of its own, which joins the stores that it may not
//! overtake and then takes its step: spawning and joining order them, and the reduction applies as
//! ever. A load of a task and its own store going to memory are independent, because it reads the
//! same before and after.
//!
//! *Weak.* No store is under way. Tasks take their steps one at a time, in an order in which
//! nothing is read before it is written; RC11's axioms say what a load may read, and where in the
//! word's order a store may come, given all that has happened. Each of these is an outcome of the
//! step, and the strategy goes through all of them. Every consistent execution (what is read from
//! where, and each word's order of writes) can be built like that, since a beginning of a
//! consistent one is consistent. Many orders of steps build the same one, so one more thing is
//! asked for. Let *w* be the last write of the word that has happened, and let the exploration not
//! know it to come before the step at hand. Then, unless the step reads *w*, or writes after *w* in
//! the word's order, it could have been taken before *w* as well and come to the same; that is
//! another order of two dependent steps, which is explored anyway. So a load reads *w*, and a store
//! comes after it. Only where the exploration has ordered the step after *w*, older values are
//! offered. (To move a step before *w* like that makes fewer stores happen after one that they
//! precede in their word's order; or as many, and fewer loads after a store that they do not need.
//! So it comes to an end, and what is asked for is met in the end.) Nothing can get stuck: a load
//! of the newest value, and a store after it, is always consistent.
//!
//! A class of equivalent executions is an order of dependent steps, up to swapping independent
//! ones, together with the outcome of each step; two classes may come to the same in the sense of
//! RC11, which is what is too much in the table below.
//!
//! # What it costs
//!
//! Executions, and in brackets how many there are that differ in what is read from where, or in the
//! order of the stores to a word (`tests/memory/litmus.rs`; the random programs have two to four
//! tasks and up to nine instructions):
//!
//! | | `Sc` | `Tso` | `Pso` | `Weak` |
//! | --- | --- | --- | --- | --- |
//! | store buffering | 3 (3) | 4 (4) | 4 (4) | 5 (4) |
//! | message passing | 3 (3) | 3 (3) | 4 (4) | 4 (4) |
//! | two writers of two words | 3 (3) | 3 (3) | 4 (4) | 5 (4) |
//! | independent reads of independent writes | 15 (15) | 15 (15) | 15 (15) | 17 (16) |
//! | store buffering with three tasks | 7 (7) | 8 (8) | 8 (8) | 10 (8) |
//! | 10,000 random programs | 230,988 (230,988) | 311,009 (235,191) | 319,168 (241,433) | 105,099 (103,038) |
//!
//! (Under `Weak` those are smaller programs, of up to seven instructions, because RC11's axioms are
//! slow to enumerate.) What is too much under `Tso` and `Pso` comes from loads of a task's own
//! store that is under way: they are explored before and after others' stores to the word, although
//! that makes no difference to them; up to six times too much in the worst of those programs. A
//! store under way costs a task: an execution of these programs takes about twice as long under
//! `Tso` and `Pso` as under `Sc`, and so it does under `Weak`; and longer if `SeqCst` accesses are
//! used a lot, since their axiom is decided by looking at all pairs of steps. What fences add to it is
//! kept up to date, and costs little.
//!
//! Execution graphs, which GenMC explores (TruSt: Kokologiannakis, Marmanis, Gladstein and Vafeiadis,
//! POPL 2022), would have nothing too much under `Weak`. What they could save was measured before it
//! was decided against them: of 46 litmus programs and five of the family of `lockwalk bench`, GenMC
//! needs 695 executions under RC11, and this 706 (`tests/memory/peers.rs`); of the random programs a
//! fiftieth is too much. And a graph knows loads, stores and fences, where steps here are anything that
//! the program says of them: locks that wait, grace periods, conditions, changes of a checker's own
//! state.
//!
//! In time, three tasks that each store, load, exchange and load (`cargo bench -p dpor -- words`):
//! 287 executions take 0.58 ms if the program announces its steps itself, and 0.62 ms with words
//! under `Sc`, which is 2 % more instructions (callgrind); under `Tso` 480 take 1.6 ms, under `Pso` 888 take 2.9 ms, under `Weak` 2,299 take
//! 10 ms.
//!
//! # Limits
//!
//! [`Strategy::States`](crate::Strategy::States) is not under [`Memory::Weak`], where what a task may
//! still see of old values has no name. Words say by themselves what they hold, so
//! [`name_state`](crate::name_state) has to name only what else there is. Under [`Memory::Weak`] a
//! retry loop that changes something,
//! and leads back, goes round once; whether that leaves anything out is found out, and said
//! ([`Unfinished::Rounds`](crate::Unfinished::Rounds), [`algorithm`](crate::algorithm)).
//!
//! Where preemptions are counted, a store that goes to memory is no switch, and one that is overtaken
//! counts as a preemption; so does, under [`Memory::Weak`], a load that does not see the newest
//! value, and a store that does not become the newest. Under all models a store is seen some day; a
//! loop that waits for that says when it goes [round](crate::round), or its executions have no end.
//!
//! [`data_access`](crate::data_access) finds two accesses that nothing orders in the sense of the
//! model. Under [`Memory::Tso`] and [`Memory::Pso`] it takes plain data to be in memory at once.
//! That is as good as a buffer where stores keep their order. On PSO, data that is written before a
//! store to a word may still be on its way when others see that store: what lacks there is a store
//! barrier or a `Release`, and nobody notices. [`Memory::Weak`] does; so does [`Memory::Pso`]
//! itself if the data is a [`Word`] as well.

mod steps;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    announce_alone, changed, join, me, object, observed, over, pick, spawn_alone, tells,
    with_engine,
};
use crate::access::{Access, ObjectId, Op};
use crate::execution::Outcomes;
use crate::left_out::Use;
pub use crate::model::Memory;
use crate::model::{Pending, Store};
use crate::rc11::{self, Kind};
use crate::state::Digest;
use crate::task::TaskState;
pub use steps::{
    Side, accessed, acquired, locked, parts, release, released, seen_by_all, unordered,
    unordered_when,
};

/// Which of its earlier stores something has to wait for.
#[derive(Copy, Clone, PartialEq, Eq)]
enum After {
    /// Those to the same object, and those before the last store barrier.
    Barrier,
    All,
}

/// The memory model of this exploration.
pub fn model() -> Memory {
    super::memory_model()
}

fn is_over() -> bool {
    std::thread::panicking() || super::aborting()
}

fn buffers() -> bool {
    matches!(model(), Memory::Tso | Memory::Pso) && !is_over()
}

fn is_weak() -> bool {
    model() == Memory::Weak && !is_over()
}

fn with_pending<T>(task: usize, f: impl FnOnce(&mut Pending) -> T) -> T {
    with_engine(|engine| {
        let pending = &mut engine.core.pending;
        if pending.len() <= task {
            pending.resize_with(task + 1, Pending::default);
        }
        f(&mut pending[task])
    })
}

/// The tasks that take the stores of a task to memory.
pub(crate) fn stores_of(task: usize) -> Vec<usize> {
    if !buffers() {
        return Vec::new();
    }
    with_pending(task, |pending| pending.stores.iter().map(|store| store.task).collect())
}

pub(crate) fn join_stores_of(task: usize) {
    stores_of(task).into_iter().for_each(join);
}

/// Wait until all stores of the current task are in memory.
pub(crate) fn full_barrier() {
    if buffers() {
        join_stores_of(me());
        with_pending(me(), |pending| *pending = Pending::default());
        with_engine(|engine| engine.core.passes_full_barrier());
    }
}

/// The stores that a store, or an atomic, on the object has to come after.
fn before(object: ObjectId, after: After) -> Vec<usize> {
    let tso = model() == Memory::Tso;
    with_pending(me(), |pending| {
        let of = |(index, store): &(usize, &Store)| {
            after == After::All || *index < pending.barrier || store.object == object
        };
        let mut stores = pending.stores.iter().enumerate();
        if tso {
            stores.next_back().map(|(_, store)| store.task).into_iter().collect()
        } else {
            stores.filter(of).map(|(_, store)| store.task).collect()
        }
    })
}

/// Store to the object, some time later.
#[track_caller]
fn store_later(
    object: ObjectId,
    access: Access,
    value: u64,
    after: After,
    store: impl FnOnce() + 'static,
) {
    let before = before(object, after);
    let taken = move || {
        before.into_iter().for_each(join);
        if announce_alone(Op { object, access }, None) {
            store();
        }
    };
    let task = spawn_alone("store", Box::new(taken), Some(object));
    let all = after == After::All || model() == Memory::Tso;
    with_pending(me(), |pending| {
        let behind = if all { pending.stores.len() } else { pending.barrier };
        pending.stores.push(Store { object, value, task, behind });
    });
}

/// An ordering that includes a release.
fn releases(order: Ordering) -> bool {
    matches!(order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst)
}

/// A fence, as [`std::sync::atomic::fence`].
///
/// # Panics
/// If the ordering is relaxed, which is none.
pub fn fence(order: Ordering) {
    assert_ne!(order, Ordering::Relaxed, "there is no relaxed fence");
    if over() {
        return;
    }
    match model() {
        Memory::Tso | Memory::Pso if order == Ordering::SeqCst => full_barrier(),
        Memory::Pso if releases(order) => {
            with_pending(me(), |pending| pending.barrier = pending.stores.len())
        }
        Memory::Sc | Memory::Tso | Memory::Pso => {}
        Memory::Weak => with_engine(|engine| {
            let core = &mut engine.core;
            core.settle_worst_case(&mut *engine.strategy);
            core.graph.fence(core.current, order);
        }),
    }
}

/// What a word holds, where states are told apart.
fn digest(value: u64) -> Digest {
    let mut digest = Digest::default();
    digest.put(value);
    digest
}

#[derive(Debug)]
struct Inner {
    object: ObjectId,
    value: AtomicU64,
}

impl Inner {
    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        let before = self.value.swap(value, Ordering::Relaxed);
        if before != value && tells() {
            changed(self.object, digest(before), digest(value));
        }
    }
}

/// An atomic word. Clones are the same word.
#[derive(Clone, Debug)]
pub struct Word(Arc<Inner>);

impl Word {
    /// A word with this value, that whoever gets to know the word sees.
    pub fn new(value: u64) -> Self {
        Self::of(object(), value)
    }

    /// The same of an object that is there already, and that no other word is.
    pub fn of(object: ObjectId, value: u64) -> Self {
        if is_weak() {
            with_engine(|engine| engine.core.graph.add_word(object, value));
        } else if tells() {
            changed(object, Digest::default(), digest(value));
        }
        Word(Arc::new(Inner { object, value: AtomicU64::new(value) }))
    }

    /// The object that its steps are announced on.
    pub fn object(&self) -> ObjectId {
        self.0.object
    }

    /// The newest value, without a step: for who looks when all is over.
    pub fn peek(&self) -> u64 {
        if is_weak() {
            with_engine(|engine| engine.core.graph.newest(self.0.object))
        } else {
            self.0.get()
        }
    }

    /// Give it a value without a step: only while nobody else has got to know the word, or what it
    /// is part of. Who gets to know it without an acquisition may still see what was there before,
    /// under [`Memory::Weak`]; under the others the value is in memory at once.
    pub fn set(&self, value: u64) {
        if is_weak() {
            with_engine(|engine| engine.core.graph.set(engine.core.current, self.0.object, value));
        } else {
            self.0.set(value);
        }
    }

    /// Load.
    ///
    /// # Panics
    /// If the ordering is one of a store.
    #[track_caller]
    pub fn load(&self, order: Ordering) -> u64 {
        assert!(!matches!(order, Ordering::Release | Ordering::AcqRel), "a load does not release");
        let object = self.0.object;
        let value = match model() {
            Memory::Weak if !is_over() => {
                self.weak(Access::Read, &|_| rc11::Access::new(Kind::Read, order), &|_| None)
            }
            Memory::Tso | Memory::Pso => {
                announce_alone(Op { object, access: Access::Read }, None);
                self.forwarded().unwrap_or(self.0.get())
            }
            Memory::Sc | Memory::Weak => {
                announce_alone(Op { object, access: Access::Read }, None);
                self.0.get()
            }
        };
        observed(value);
        value
    }

    /// The value of the current task's last store to the word, if it is on its way.
    fn forwarded(&self) -> Option<u64> {
        if !buffers() {
            return None;
        }
        let last = with_pending(me(), |pending| {
            pending.stores.iter().rfind(|store| store.object == self.0.object).copied()
        })?;
        let under_way =
            with_engine(|engine| engine.core.tasks()[last.task].state != TaskState::Finished);
        under_way.then_some(last.value)
    }

    /// Store.
    ///
    /// # Panics
    /// If the ordering is one of a load.
    #[track_caller]
    pub fn store(&self, value: u64, order: Ordering) {
        self.store_then(value, order, || ());
    }

    /// The same, and `then` when it is in memory: it may take no step.
    ///
    /// # Panics
    /// If the ordering is one of a load.
    #[track_caller]
    pub fn store_then(&self, value: u64, order: Ordering, then: impl FnOnce() + 'static) {
        assert!(!matches!(order, Ordering::Acquire | Ordering::AcqRel), "a store does not acquire");
        let object = self.0.object;
        match model() {
            Memory::Sc => self.store_at_once(value, then),
            _ if over() => {}
            Memory::Tso | Memory::Pso if order == Ordering::SeqCst => {
                full_barrier();
                self.store_at_once(value, then);
            }
            Memory::Tso | Memory::Pso => {
                let word = Arc::clone(&self.0);
                let after = if releases(order) { After::All } else { After::Barrier };
                store_later(object, Access::Write, value, after, move || {
                    word.set(value);
                    then();
                });
            }
            Memory::Weak => {
                self.weak(Access::Write, &|_| rc11::Access::new(Kind::Write, order), &|_| {
                    Some(value)
                });
                then();
            }
        }
    }

    #[track_caller]
    fn store_at_once(&self, value: u64, then: impl FnOnce()) {
        if announce_alone(Op { object: self.0.object, access: Access::Write }, None) {
            self.0.set(value);
            then();
        }
    }

    /// Replace the value by `change` of it in one step; returns the one before.
    #[track_caller]
    pub fn update(&self, order: Ordering, change: impl Fn(u64) -> u64) -> u64 {
        self.change(order, change)
    }

    #[track_caller]
    #[inline]
    fn change(&self, order: Ordering, change: impl Fn(u64) -> u64) -> u64 {
        let before = if is_weak() {
            self.weak(Access::Rmw, &|_| rc11::Access::new(Kind::Update, order), &|value| {
                Some(change(value))
            })
        } else {
            self.wait_for_stores(order);
            let taken = announce_alone(Op { object: self.0.object, access: Access::Rmw }, None);
            let before = self.0.get();
            if taken {
                self.0.set(change(before));
            }
            before
        };
        observed(before);
        before
    }

    /// Before an atomic with this ordering, under store buffers.
    fn wait_for_stores(&self, order: Ordering) {
        if !buffers() {
            return;
        }
        match model() {
            Memory::Pso if order != Ordering::SeqCst => {
                let after = if releases(order) { After::All } else { After::Barrier };
                before(self.0.object, after).into_iter().for_each(join);
            }
            _ => full_barrier(),
        }
    }

    /// Replace the value; returns the one before.
    #[track_caller]
    pub fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.change(order, |_| value)
    }

    /// Add, wrapping; returns the value before.
    #[track_caller]
    pub fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        self.change(order, |before| before.wrapping_add(value))
    }

    /// Add, wrapping, and do not look at what was there: additions commute.
    #[track_caller]
    pub fn add(&self, value: u64, order: Ordering) {
        if is_weak() {
            // Of two additions, others may see the one and not the other: which of them comes first
            // is worth exploring.
            self.change(order, |before| before.wrapping_add(value));
            return;
        }
        self.wait_for_stores(order);
        if announce_alone(Op { object: self.0.object, access: Access::Update }, None) {
            self.0.set(self.0.get().wrapping_add(value));
        }
    }

    /// Replace the value by `change` of it, in one step, with a `SeqCst` fence before and after; if
    /// there is no change, it is a relaxed load, and nothing is ordered. That is what the kernel's
    /// conditional atomics come to, `atomic_inc_not_zero` say.
    ///
    /// # Errors
    /// With the value, if there is no change.
    #[track_caller]
    pub fn update_if(&self, change: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        if is_weak() {
            let access = |value| match change(value) {
                Some(_) => rc11::Access {
                    full: true,
                    ..rc11::Access::new(Kind::Update, Ordering::Relaxed)
                },
                None => rc11::Access::new(Kind::Read, Ordering::Relaxed),
            };
            let before = self.weak(Access::TryAcquire, &access, &change);
            observed(before);
            return change(before).map_or(Err(before), |_| Ok(before));
        }
        // It looks first, and waits for its stores only if there is something to change.
        if !stores_of(me()).is_empty() {
            let seen = self.load(Ordering::Relaxed);
            if change(seen).is_none() {
                return Err(seen);
            }
            full_barrier();
        }
        if !announce_alone(Op { object: self.0.object, access: Access::TryAcquire }, None) {
            return Err(self.0.get());
        }
        let before = self.0.get();
        let new = change(before);
        super::tried(new.is_some());
        observed(before);
        let Some(new) = new else { return Err(before) };
        self.0.set(new);
        Ok(before)
    }

    /// Replace `current` by `new`, in one step, if that is what it is.
    ///
    /// # Errors
    /// With the value, if it is another.
    ///
    /// # Panics
    /// If the ordering of failure is one of a store.
    #[track_caller]
    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.fetch_update(success, failure, |value| (value == current).then_some(new))
    }

    /// Replace the value by `change` of it, in one step; if there is no change, it is a load.
    /// `change` may be called several times.
    ///
    /// # Errors
    /// With the value, if there is no change.
    ///
    /// # Panics
    /// If the ordering of failure is one of a store.
    #[track_caller]
    pub fn fetch_update(
        &self,
        success: Ordering,
        failure: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        assert!(
            !matches!(failure, Ordering::Release | Ordering::AcqRel),
            "an atomic that fails does not release"
        );
        let before = if is_weak() {
            let access = |value| match change(value) {
                Some(_) => rc11::Access::new(Kind::Update, success),
                None => rc11::Access::new(Kind::Read, failure),
            };
            self.weak(Access::TryAcquire, &access, &change)
        } else {
            self.wait_for_stores(success);
            if !announce_alone(Op { object: self.0.object, access: Access::TryAcquire }, None) {
                return Err(self.0.get());
            }
            let before = self.0.get();
            let new = change(before);
            super::tried(new.is_some());
            if let Some(new) = new {
                self.0.set(new);
            }
            before
        };
        observed(before);
        change(before).map_or(Err(before), |_| Ok(before))
    }

    /// Take the step, and have one of the outcomes that it may have. What it comes to, and what it
    /// writes, depends on what it reads.
    #[track_caller]
    fn weak(
        &self,
        access: Access,
        outcome: &dyn Fn(u64) -> rc11::Access,
        writes: &dyn Fn(u64) -> Option<u64>,
    ) -> u64 {
        let object = self.0.object;
        // What is known before the step, whatever it accesses.
        let knows = with_engine(|engine| {
            let core = &mut engine.core;
            core.settle_worst_case(&mut *engine.strategy);
            let matters: &[Use] = match access {
                // Nothing comes in between updates.
                Access::Write | Access::Rmw => &[Use::Stores],
                _ => &[Use::Updates, Use::Stores],
            };
            core.looks(core.creators[object.0 as usize], matters);
            core.knows(me())
        });
        if !announce_alone(Op { object, access }, None) {
            return self.peek();
        }
        let (places, backs) = with_engine(|engine| {
            let graph = &mut engine.core.graph;
            let places = graph.places(engine.core.current, object, &knows, outcome);
            let backs: Vec<u32> = places.iter().map(|&place| graph.back(object, place)).collect();
            (places, backs)
        });
        let place = places[pick(Outcomes { numbers: &backs, old: true }) as usize];
        let before = with_engine(|engine| {
            let core = &mut engine.core;
            let before = core.graph.value(object, place);
            let tick = core.last_tick();
            let outcome = outcome(before);
            let behind = core.graph.back(object, place) > 0
                && (writes(before).is_some() || before != core.graph.newest(object));
            core.is_behind(behind);
            if outcome.full {
                core.graph.fence(core.current, Ordering::SeqCst);
            }
            core.graph.access(
                core.current,
                object,
                place,
                outcome,
                writes(before).unwrap_or(0),
                tick,
            );
            if outcome.full {
                core.graph.fence(core.current, Ordering::SeqCst);
            }
            if outcome.kind != Kind::Read {
                let how = if outcome.kind == Kind::Write { Use::Stores } else { Use::Updates };
                core.uses(core.creators[object.0 as usize], how);
            }
            before
        });
        if access.is_try() {
            super::tried(writes(before).is_some());
        }
        before
    }
}
