//! **lockwalk** is the executable, model-checked specification of Linux's anonymous-memory lock
//! protocol.
//!
//! The kernel's page faults, reclaim, migration, fork and VMA changes are here as concurrent Rust,
//! under their kernel names ([`mm`]). Every decision that the documents argue about is a rule; a
//! kernel version, or a document's patch, is one choice per rule ([`spec`]). A [`Race`] is a small
//! world and a few CPUs; an engine runs it in every interleaving, and says which clause breaks,
//! with the shortest interleaving that shows it, or that none does.
//!
//! ```
//! use lockwalk::{Clause, Era, Mark, Race};
//!
//! let race = Race::new("S3.1", "vma_adjust moves the range under rmap_walk")
//!     .world(|w| {
//!         let p = w.new_process();
//!         p.mmap(1..5);
//!         p.touch(4);
//!     })
//!     .cpu("migrate_pages", |w| w.migrate(w.process(0).page_at(4)))
//!     .cpu("vma_adjust (split at 2)", |w| w.process(0).split_vma(2))
//!     .violates(Era::V2_6_34, Clause::MIG_1)
//!     .holds(Era::V2_6_36)
//!     .showing("the walk takes the page to lie outside the VMA", |e| {
//!         e.saw(Mark::VMA_ADDRESS_EFAULT)
//!     })
//!     .sometimes("the page is moved", |e| e.saw(Mark::MIGRATE_MOVED));
//! for (protocol, _) in race.cases() {
//!     let outcome = race.check(protocol);
//!     assert!(outcome.as_documented(), "{protocol}: {:?}", outcome.objections());
//! }
//! ```
//!
//! Where to go on:
//!
//! * [`Race::check_with`] takes a [`Method`] (engine) and [`Options`] (limits, a witness);
//!   [`Race::memory`] another memory model; [`Race::replay`] a schedule.
//! * What a CPU may call are the methods of [`mm::World`] and [`mm::Process`]; what builds a world,
//!   those of [`mm::Setup`]; where things are when all CPUs have ended, [`mm::AtRest`] and
//!   [`mm::ProcessAtRest`] tell. `examples/own_race.rs` has all of it in one file.
//! * [`Part`] is an exploration that is stopped and gone on with, or divided over machines.
//! * [`Machine`] is a kernel without CPUs, one operation after the other; [`Litmus`] a test of the
//!   primitives in [`sync`] without a kernel.
//! * [`matrix`] asks races under every arm of a rule, or under several kernels.
//!
//! The command line is the feature `cli`, which is on unless default features are off:
//! [`cli::main`] gives races of one's own `check`, `explain`, `replay` and the rest, and
//! [`conform`] compares the model with a kernel.
//!
//! SPEC.md is the text beside this code; a test holds the two together.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod conform;
mod engine;
mod exec;
mod explore;
pub mod matrix;
pub mod mm;
mod race;
pub mod races;
pub mod spec;
pub mod sync;

pub use dpor::{Commutation, Disagreement, Memory, ParseScheduleError, Schedule};
pub use explore::{
    Halt, Litmus, LitmusOutcome, Machine, Method, OnStall, Options, Part, PartError, ReplayError,
    Shard,
};
pub use race::{Condition, Documented, Race, Seen};
pub use spec::{Clause, Era, Protocol};
pub use sync::Mark;
pub use witness::{self, Outcome, Witness};
