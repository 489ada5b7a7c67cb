//! Exhaustive model checking for [shuttle](https://docs.rs/shuttle): source-DPOR with sleep sets
//! over announced operations.
//!
//! A program under test consists of tasks ([`spawn`]) that announce every visible step before they
//! take it ([`step`], [`step_when`]): which object it accesses, and how ([`Access`]). An
//! [`Explorer`] runs the program again and again, each time in an interleaving that is not
//! equivalent to any before, until there is none left. What tasks do between two steps is local;
//! shared data that they touch there is checked with [`data_access`].
//!
//! # The algorithm
//!
//! Two interleavings are equivalent if one becomes the other by swapping neighbouring independent
//! steps (Mazurkiewicz). They end alike, so one of each class is enough. [`Strategy::Dpor`] is the
//! *source-DPOR* of Abdulla, Aronsson, Jonsson and Sagonas (POPL 2014; JACM 64:4, 2017): a
//! depth-first search in which each state runs one enabled task, and others only if a *race* asks
//! for it. Vector clocks say which steps are ordered. When a step *e'* depends on an earlier step
//! *e* that does not happen before it otherwise, the two race, and in the state before *e*
//! something must run that leads to *e'* first: one of the *initials* of `notdep(e).e'`, unless one
//! is there already. *Sleep sets* (Godefroid 1996) carry along what has been explored from earlier
//! siblings, until something dependent runs; an execution in which everything enabled sleeps is
//! cut. Sleep sets alone guarantee that no class is completed twice, whatever else is asked for, so
//! [`Report::complete`] is the number of classes; races that are asked for too generously show in
//! [`Report::blocked`] only.
//!
//! Two things go beyond the paper.
//!
//! *Blocking.* A step may wait for a condition. A race of a blocking step *e'* with *e* matters if
//! *e'* was ready before *e*. If it was announced already, that is known, since conditions are
//! evaluated in every new state. If it was not ready there, then what makes it ready depends on *e*
//! as well (both access the same object) and races with *e* itself, so the search for the race goes
//! on past *e*. The exception is an *e* that takes a shared lock, or an update: what makes *e'*
//! ready may be of the same kind, independent of *e*; then, if such steps are there, everything
//! enabled before *e* is run. If *e'* had not been announced, both cases are assumed. A lock cannot
//! be taken while somebody has it, so the release that ends that never races with an acquisition;
//! one of a lock that was free does. Steps that are still blocked when an execution ends, by a
//! deadlock or because it is cut, are checked in the same way.
//!
//! *Failures.* A failing execution is torn down, so its last step keeps all other tasks from going
//! on. Therefore what else could have run in its place is run, and waiting steps are checked as if
//! they were blocked; tasks that are between steps announce theirs first. If a task fails because
//! of another's step (it joins that task, say), and others can go on, or fail, only because of the
//! same step, they would have done so before the failure if something on which only the failure
//! depends had come later; whatever else could have run in place of that is run. Every failure that
//! some interleaving shows first is found; an interleaving that differs from a failing one only in
//! what others did meanwhile need not be run.
//!
//! There are two exceptions, in which another failure may be found than the one that was asked for,
//! but never none. Whether a task that is joined has ended depends on steps that are independent of
//! the joining task's; so if, in one stretch between steps, a task starts one that fails at once
//! and joins another, one failure may stand for both. And with races on plain data
//! ([`data_access`]) it depends on the order of independent steps which of the two accesses comes
//! second, and fails.
//!
//! # Why the dependence relation is sound
//!
//! Steps on different objects are independent, and so are spawning, joining and ending, which only
//! order tasks. On one object, a step that has happened is of one of four classes, and two steps
//! are independent exactly if both are of the same class and that is not *exclusive*:
//!
//! * **Readers**: `Read`, `Wait`, and tries that *failed*. They change nothing, so two of them in
//!   either order see and leave the same. A failed try reads the lock's state: a release before it
//!   would have let it succeed, an acquisition makes it fail, so it depends on both. A `Wait` only
//!   looks, too; whether it is ready is decided by the others it depends on.
//! * **Shared**: `AcquireShared`, `TryAcquireShared` that succeeded, `ReleaseShared`. Readers of a
//!   lock, or of RCU, do not exclude each other, taking and giving back are counting up and down,
//!   and neither tells a reader anything about other readers. So acquire and acquire commute,
//!   acquire and release of different readers commute, and release and release do. They depend on
//!   `Acquire`, `Release` and `TryAcquire` (a writer excludes readers and is excluded by them), and
//!   on readers in the above sense (a failed try for writing, a `Wait` for readers to leave: the
//!   end of a grace period). The start of a grace period is a `Write`: which readers it has to wait
//!   for depends on the order. A failed shared try depends on shared steps, although they should
//!   not be able to change how it goes; that costs little, and is right for locks that count their
//!   readers.
//! * **Updates**: `Update` commutes with `Update` by the caller's word: a counter is incremented, a
//!   bit is set, and the result is not looked at. Any other step on the object may see the
//!   difference.
//! * **Exclusive**: `Acquire`, `Release`, `TryAcquire` that succeeded, `Write`, `Rmw`. They depend
//!   on everything.
//!
//! What a try comes to is known once it has run, before it is compared with anything; a task in a
//! sleep set has run from an earlier state, and as long as nothing dependent happens its try ends
//! the same way. A try that never says how it went counts as exclusive, and so does one that is
//! waiting.
//!
//! The caller's part of the contract: a condition may depend only on accesses, of the same object,
//! that its own access depends on (a counting semaphore is `Rmw`, not `AcquireShared`); neither
//! `Acquire` nor `AcquireShared` is ready while somebody has the object by `Acquire` or
//! `TryAcquire`, nor is `Acquire` while a `ReleaseShared` is still to come (a reader that leaves a
//! queue, perhaps while others read, does more than an `AcquireShared`, but is no `Acquire`: it is
//! a `Write` that waits); and everything shared is announced or checked with [`data_access`].
//!
//! # Livelock
//!
//! A retry loop says when it begins a round ([`round`], or [`retry`]), with a fingerprint of all
//! modelled shared state and of its local state. Every task has a fingerprint of its own, so that
//! the state of the program is known at these points. If it was there before in the execution, what
//! lies between is a cycle. It is a livelock ([`FailureKind::Livelock`]) if it is fair: each task
//! took part, or is itself going round in vain, or could not run: at some point of it under
//! [`Fairness::Weak`], at no point of it under [`Fairness::Strong`].
//!
//! An unfair cycle is an execution that nobody has to fear, and going round again leads nowhere
//! new: a shortest execution to any ending contains no cycle. Those that took part are held back
//! until a task outside does something that depends on the cycle's steps, or until nobody is left
//! to whom the cycle is unfair. The same holds for a round of one task that left no trace: it only
//! looked, and took locks and gave them back, and nobody noticed; that round can be taken out of
//! the execution. What it changed under those locks it says with [`data_access`]; a round of a
//! program that has no such data is held back only when all is as it was. So executions are finite.
//! That nothing is lost is not proved here but checked: endings, deadlocks and the existence of
//! livelocks of random retry loops agree with an enumeration of all states
//! (`tests/engine/livelock.rs`).
//!
//! Where stores go to memory later ([`Memory::Tso`], [`Memory::Pso`]), a task's state has those in
//! it that are under way, in their order, and one of them goes to memory some day: a cycle in which
//! a store could and does not is unfair to it. A store that is made in a cycle belongs to it, and
//! is held back with those that took part; so is the store of a round that is not to begin. This is
//! compared with an enumeration of all states of a machine that has store buffers
//! (`tests/memory/livelock.rs`).
//!
//! Under [`Memory::Weak`] the state would have in it what each task may still read, and states are
//! not compared. What is told is a round of one task that left no trace, which is every loop that
//! only waits: the task is held back. Whatever the round could read, one that reads the same or
//! something newer may take its place, so nothing is lost. If nobody is left to run, who has read
//! in his last round what had been written over by then goes round once more and reads the newest:
//! some day everybody does (Lahav, Namakonov, Oberhauser, Podkopaev and Vafeiadis, OOPSLA 2021). If
//! that leads nowhere either, it is a livelock. Endings and livelocks of random programs with such
//! loops agree with RC11's axioms (`tests/memory/awaits.rs`). A loop that changes something in
//! every round, and never ends, makes an execution with too many steps.
//!
//! # Fewest preemptions
//!
//! [`Strategy::FewestPreemptions`] is iterative context bounding (Musuvathi and Qadeer, PLDI 2007):
//! all executions without a switch away from a task that could go on, then with one, and so on;
//! switching because a task blocks or ends is free. States reached by equivalent sequences are gone
//! on from once, at the lowest cost. [`Report::minimal`] says that everything cheaper than the
//! failure was covered. It is not reduced to races, because sleep and source sets do not keep
//! preemptions down.
//!
//! # Each state once
//!
//! States are often far fewer than classes of interleavings. [`Strategy::States`] is source-DPOR
//! that does not go on from a state that it has gone on from before. The program says how to name
//! what its tasks share ([`name_state`]), or what becomes of it ([`changed`]), and each task says
//! what it learns ([`observed`]); since tasks are deterministic, that names their local states too.
//! A state's *key* is a hash of both, of who has ended, who waits for whose end, and who holds
//! what. Objects and tasks go by who
//! made them, which does not depend on the interleaving. A key has 128 bits: of *n* states two have
//! the same with a probability of about *n*² / 2¹²⁹, less than 10⁻²² for 10⁸ states; then some of
//! what follows one of them would be missed. A step that reads and does not say what makes its task
//! unlike any other until the next round, which costs, and loses nothing.
//!
//! *Summaries.* What was cut is asked for its races all the same (Yang, Chen, Gopalakrishnan and
//! Kirby, SPIN 2008): with each state is kept which task accesses which object, and how, in
//! whatever was seen to follow it, and what waited when that ended. When the state is reached
//! again, these are checked against the steps that have led to it this time. What the task itself
//! knows now is taken to be ordered before them, and what everybody knew who has had a lock for
//! himself that it will hold then and does not hold now: it has to take that first. That is less
//! than what will be, so no race is missed. What comes between the state and such an access *e'* is
//! not known. Let *e* be the step
//! that it races with. Something that does not depend on *e* may have come after it on the path:
//! then one of the initials of that is also an initial of the whole sequence that leads to *e'*
//! without *e*, or independent of all of it, and it is enough to run one of those. If there is
//! none, everything enabled before *e* is run. (To run the task of *e'*, as the original does, is
//! not enough beside source sets. The proof of those looks at the task of the set that can be put
//! off longest in an execution that was missed, and shows that a race asks for one that can be put
//! off longer, or that begins it; the task of *e'* may be one that can be put off less long.) So
//! the set of tasks run from a state is a source set again. That is shown from the deepest states
//! up, since no state comes before itself: an execution that begins in a state is followed along
//! the steps taken from there, through states that were gone on from earlier as well.
//!
//! *Data.* Which accesses to plain data race ([`data_access`]) depends on what happened before
//! what, and not on the state alone. So the accesses that can follow a state are in its summary
//! too. If one of them might race with one on the path, as far as is known, how the accesses so far
//! are ordered becomes part of the key, and the state is another one.
//!
//! *Sleep sets.* When a state is reached in which fewer tasks sleep than when it was gone on from,
//! those that woke are run from it, and no others: an execution that begins with none of them was
//! covered then. It is remembered with what slept both times (Godefroid 1996).
//!
//! *Circles.* All this is about programs whose executions end. If they end in every execution that
//! was explored, they end in all: each other one is the beginning of one of those, but for the
//! order of independent steps. If not, a state is reached again while it is on the path. Then the
//! search begins again and runs everything from each state, without sleep sets, and keeps all
//! steps. Livelocks are exactly the strongly connected sets of states that contain a fair circle,
//! under either [`Fairness`]; for every set of tasks that never end one is shown by an execution
//! that goes round in it until the fingerprints of [`round`]s tell, so that two ways of knowing a
//! livelock have to agree. A round begins with what the task knew when it last began one with the
//! same `local`: nothing else may be carried round.
//!
//! *It checks itself.* Whenever a state is reached again, the same tasks have to be about to do the
//! same, and be able to. Some of these executions are not cut but go on as one did before; each
//! step has to lead to the same state again, and an end to an end. What differs ends the
//! exploration as [`FailureKind::Nondeterminism`]: there is something shared that the key lacks, or
//! something learned that was not said.
//!
//! Failures, deadlocks and livelocks are found if there are any, and the same kinds of them as with
//! [`Strategy::Dpor`]; how many executions end in each depends on the order in which states are
//! met. [`Report::states`] counts states in which something can run, without those that the
//! reduction passes over. [`Explorer::max_states`] limits memory. This search runs on one thread;
//! it is not divided, saved, resumed or [checked by reordering](Explorer::commute).
//! [`Strategy::Dpor`] stays what it is compared with (`tests/engine/states.rs`).
//!
//! # Threads and machines
//!
//! A search is divided at a state of the path at which a worker stands: it keeps what it is in the
//! middle of, and gives away all else that is enabled there and does not sleep
//! ([`Explorer::jobs`]). Every enabled task is run from that state then, so no race inside either
//! part can ask for more, and the parts need not talk to each other. Sleep sets go along, so each
//! class still has one complete execution, whoever runs it; only the number of cut ones depends on
//! how the work was divided. Machines cannot ask each other for work, so shards
//! ([`Explorer::shard`]) are divided beforehand in the same way, at all states of one depth.
//!
//! A failure ends its execution early, so what others have done by then depends on how the work was
//! divided. Executions in which a task panics are therefore counted once for each failure: for what
//! it says together with all that happened before it, in the sense of the happens-before order. So
//! the number of complete executions and of failing ones is the same for every division. There are
//! three exceptions: the two above, in which one failure may stand for another, and livelocks;
//! where there are some, the number of failing executions depends on the division, and only the
//! difference, the number of those that do not fail, is always the same. This too is checked, not
//! proved.
//!
//! Which rounds of a retry loop are cut off depends on the order of independent steps, and so on
//! how the work was divided. An execution in which a task went round and left no trace, as above,
//! or that has an equivalent one in which it did, is therefore counted with the cut ones: it is
//! another one with a detour. What is left is the same for every division, if the program says who
//! changes its plain data; this is checked, not proved (`tests/engine/parallel.rs`,
//! `tests/engine/livelock.rs`). A
//! compare-and-exchange that may fail is best announced as a try: as an `Rmw`, one that fails
//! counts as a write, and leaves a trace.
//!
//! # Checking what is announced
//!
//! All of this rests on the program's word: two interleavings with the same happens-before order
//! are equivalent only if everything that tasks share is announced, as what it is.
//! [`Explorer::commute`] looks for a counterexample in any program, with any strategy: it replays
//! executions in random linearizations of their happens-before order and demands that every task
//! does the same in them, [observes](observed()) the same, [notes](note) the same, and that the
//! execution ends alike. Tasks that were spawned or have joined another also go on later than they
//! otherwise would, since what comes before a task's first step has to be local too. What differs
//! is traced to one swap of two neighbouring steps, or to one such task ([`Disagreement`]). It sees
//! only what is observed, noted, or shows in the steps that follow, so let the main task note the
//! whole state at the end.
//!
//! # Weak memory
//!
//! Steps are sequentially consistent: each sees all steps before it. Words and fences of the module
//! [`memory`] are explored under the memory model that [`Explorer::memory`] names: TSO and PSO,
//! where stores go to memory some time later, and RC11, which is C11 without load buffering. What
//! each of them allows, how it is done, and what it costs is said there. It is compared with herd7,
//! with a machine that has store buffers, and with RC11's axioms (`tests/memory`).
//!
//! # Limits
//!
//! The program must be
//! deterministic but for its interleaving; where the exploration sees that it is not, that is
//! reported, and nothing else claimed. A loop that goes round without end must say so with
//! [`round`] or [`retry`]; otherwise the exploration ends when an execution has too many steps, and
//! says where they are announced ([`Explorer::max_steps`]). A task that computes without end and
//! without a step cannot be unwound; a watchdog notices after a second, and says where it is
//! ([`Explorer::on_stall`]). Shuttle's own primitives are not announced: they do not work as
//! choices here. The number of tasks, objects and steps is not limited.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod access;
mod commute;
mod data;
mod dependence;
mod execution;
mod explorer;
mod hook;
mod livelock;
mod log;
mod model;
mod pool;
mod rc11;
mod report;
mod round;
mod runtime;
mod saved;
mod schedule;
mod session;
mod state;
mod strategy;
mod task;
mod taskset;
mod trace;
mod units;
mod watchdog;

pub use access::{Access, ObjectId, Op};
pub use commute::{Blame, Commutation, Commute, Disagreement};
pub use data::{DataId, DataRace};
#[doc(hidden)]
pub use dependence::DependenceRule;
pub use explorer::Explorer;
pub use log::{Difference, Step};
pub use model::Memory;
pub use report::{End, Failure, FailureKind, Repeated, Report, Unfinished, Waiting};
pub use round::Fairness;
pub use runtime::memory;
pub use runtime::{
    JoinHandle, aborting, by_states, changed, data, data_access, data_named, learned,
    learned_since, me, name_state, note, object, object_named, observed, retry, round, rounds_end,
    spawn, step, step_when, tells, tried,
};
pub use saved::{Saved, SavedError};
pub use schedule::{ParseScheduleError, Schedule};
pub use session::{Budget, Execution, Progress};
pub use state::Digest;
pub use strategy::Strategy;
pub use watchdog::{Call, STALLED, Stall};
