//! A second family of random programs, with an oracle that shares nothing with the engine.

pub mod check;
pub mod clocks;
pub mod code;
pub mod generate;
pub mod machine;
pub mod order;
pub mod program;
pub mod run;
pub mod search;
pub mod steps;
