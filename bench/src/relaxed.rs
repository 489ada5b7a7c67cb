//! Programs whose accesses are relaxed, for engines that know memory models.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::program::{Primitives, Size, Variant, execute};

/// An access of a litmus shape: to which word, and the value that is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Do {
    R(usize),
    W(usize, i64),
    /// A swap.
    U(usize, i64),
}
use Do::{R, U, W};

const X: usize = 0;
const Y: usize = 1;

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Kind {
    /// A name, and what each task does, to words that are zero before.
    Shape(&'static str, &'static [&'static [Do]]),
    /// [`Variant::NoAssert`].
    Racy(Size),
}

/// A program whose accesses are all relaxed: a litmus shape, or the racy family.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Relaxed(Kind);

impl Relaxed {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self(Kind::Shape("SB", &[&[W(X, 1), R(Y)], &[W(Y, 1), R(X)]])),
        Self(Kind::Shape("MP", &[&[W(X, 1), W(Y, 1)], &[R(Y), R(X)]])),
        Self(Kind::Shape("2+2W", &[&[W(X, 1), W(Y, 2)], &[W(Y, 1), W(X, 2)]])),
        Self(Kind::Shape("IRIW", &[&[W(X, 1)], &[W(Y, 1)], &[R(X), R(Y)], &[R(Y), R(X)]])),
        Self(Kind::Shape("SB+swap", &[&[U(X, 1), R(Y)], &[U(Y, 1), R(X)]])),
        Self(Kind::Shape("3.SB", &[&[W(0, 1), R(1)], &[W(1, 1), R(2)], &[W(2, 1), R(0)]])),
        Self(Kind::Shape(
            "5.SB",
            &[
                &[W(0, 1), R(1)],
                &[W(1, 1), R(2)],
                &[W(2, 1), R(3)],
                &[W(3, 1), R(4)],
                &[W(4, 1), R(0)],
            ],
        )),
        Self(Kind::Racy(Size::new(2, 2, 1))),
        Self(Kind::Racy(Size::new(2, 3, 1))),
    ];

    /// One execution of it.
    pub(crate) fn execute<P: Swaps>(self, found: &Arc<AtomicBool>) {
        match self.0 {
            Kind::Shape(_, tasks) => shape::<P>(tasks),
            Kind::Racy(size) => execute::<P>(Variant::NoAssert, size, found),
        }
    }

    /// Tasks apart from the main one.
    pub(crate) fn spawned(self) -> usize {
        match self.0 {
            Kind::Shape(_, tasks) => tasks.len() - 1,
            Kind::Racy(size) => size.t,
        }
    }
}

impl fmt::Display for Relaxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Shape(name, _) => f.pad(name),
            Kind::Racy(size) => f.pad(&format!("{} {size}", Variant::NoAssert)),
        }
    }
}

/// Primitives whose words can be swapped, too.
pub(crate) trait Swaps: Primitives {
    fn swap(word: &Self::Word, value: i64) -> i64;
}

/// The main task is the last of them, as in the family.
fn shape<P: Swaps>(tasks: &'static [&'static [Do]]) {
    // As many words as tasks are enough.
    let words: Arc<[P::Word]> = tasks.iter().map(|_| P::word(0)).collect();
    let act = |words: &[P::Word], task: &[Do]| {
        for access in task {
            match *access {
                R(word) => _ = P::read(&words[word]),
                W(word, value) => P::write(&words[word], value),
                U(word, value) => _ = P::swap(&words[word], value),
            }
        }
    };
    if let Some((last, others)) = tasks.split_last() {
        for task in others {
            let words = Arc::clone(&words);
            P::spawn(move || act(&words, task));
        }
        act(&words, last);
    }
}
