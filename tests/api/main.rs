//! The library as a program of one's own uses it. One program, so that its tests keep all cores
//! busy.

mod documented;
mod machine;
mod mishaps;
mod parts;
mod protocols;
