//! The engine against oracles that share nothing with it: enumeration, an independent machine,
//! Nidhugg's counts; and against itself without one of its rules, in parts, and in the other order.
//! One program, so that its tests keep all cores busy.

#[path = "../common/mod.rs"]
mod common;
mod structured;

mod calls;
mod choices;
mod commute;
mod differential;
mod failures;
mod fewest;
mod kept;
mod leads_on;
mod livelock;
mod mutations;
mod nidhugg;
mod parallel;
mod racing;
mod states;
mod structured_programs;
