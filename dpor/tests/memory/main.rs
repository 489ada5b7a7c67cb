//! The memory models against what shares nothing with the engine: a machine with store buffers, the
//! axioms of RC11 as relations, and what herd7, GenMC and Nidhugg say of the same programs.

mod awaits;
mod axioms;
mod buffers;
mod divided;
#[path = "../common/fair.rs"]
mod fair;
mod fewest;
mod litmus;
mod livelock;
mod peers;
mod program;
mod random;
mod rounds;
#[path = "../common/shrink.rs"]
mod shrink;
mod strategies;
