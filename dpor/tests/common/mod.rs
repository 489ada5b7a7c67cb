//! Primitives built on announced steps, and the benchmark family, for the tests.
#![allow(dead_code, missing_docs)]

pub mod check;
pub mod fair;
pub mod program;
pub mod sem;
pub mod shrink;

use std::cell::Cell;
use std::rc::Rc;

use dpor::{Access, ObjectId, object, observed, step, step_when, tried};

/// An exclusive lock.
#[derive(Clone)]
pub struct Lock(Rc<(ObjectId, Cell<bool>)>);

impl Lock {
    pub fn new() -> Self {
        Lock(Rc::new((object(), Cell::new(false))))
    }

    pub fn lock(&self) {
        step_when(self.0.0, Access::Acquire, &|| !self.0.1.get());
        self.0.1.set(true);
    }

    pub fn try_lock(&self) -> bool {
        step(self.0.0, Access::TryAcquire);
        let free = !self.0.1.get();
        tried(free);
        if free {
            self.0.1.set(true);
        }
        free
    }

    pub fn unlock(&self) {
        step(self.0.0, Access::Release);
        self.0.1.set(false);
    }

    pub fn wait_unlocked(&self) {
        step_when(self.0.0, Access::Wait, &|| !self.0.1.get());
    }

    pub fn is_locked(&self) -> bool {
        step(self.0.0, Access::Read);
        observed(self.0.1.get().into());
        self.0.1.get()
    }

    /// Without a step, for fingerprints.
    pub fn peek(&self) -> bool {
        self.0.1.get()
    }
}

/// An atomic word.
#[derive(Clone)]
pub struct Word(Rc<(ObjectId, Cell<i64>)>);

impl Word {
    pub fn new(value: i64) -> Self {
        Word(Rc::new((object(), Cell::new(value))))
    }

    pub fn read(&self) -> i64 {
        step(self.0.0, Access::Read);
        self.saw(self.0.1.get())
    }

    fn saw(&self, value: i64) -> i64 {
        observed(value.cast_unsigned());
        value
    }

    pub fn write(&self, value: i64) {
        step(self.0.0, Access::Write);
        self.0.1.set(value);
    }

    pub fn swap(&self, value: i64) -> i64 {
        step(self.0.0, Access::Rmw);
        self.saw(self.0.1.replace(value))
    }

    pub fn add(&self, value: i64) {
        step(self.0.0, Access::Update);
        self.0.1.set(self.0.1.get() + value);
    }

    /// The same with the result: not an update.
    pub fn fetch_add(&self, value: i64) -> i64 {
        step(self.0.0, Access::Rmw);
        self.saw(self.0.1.replace(self.0.1.get() + value))
    }

    /// Compare-and-swap, with the value seen if it fails.
    pub fn cas(&self, expect: i64, new: i64) -> Result<(), i64> {
        step(self.0.0, Access::TryAcquire);
        let seen = self.0.1.get();
        tried(seen == expect);
        self.saw(seen);
        if seen != expect {
            return Err(seen);
        }
        self.0.1.set(new);
        Ok(())
    }

    pub fn wait_for(&self, value: i64) {
        step_when(self.0.0, Access::Wait, &|| self.0.1.get() == value);
    }

    /// Reads the value when it is such.
    pub fn read_when(&self, ready: &dyn Fn(i64) -> bool) -> i64 {
        step_when(self.0.0, Access::Wait, &|| ready(self.0.1.get()));
        self.saw(self.0.1.get())
    }

    pub fn peek(&self) -> i64 {
        self.0.1.get()
    }
}

/// Which variant of the walker and adjuster family.
#[derive(Copy, Clone, PartialEq, Eq)]
pub enum Variant {
    /// No lock, and the assertion is on.
    Buggy,
    /// No lock, and the assertion is off: the racy space.
    NoAssert,
    /// Locked, with visible atomics inside.
    FixedAtomic,
    /// Locked, with plain data inside.
    FixedPlain,
}

/// `n` vmas, one walker, `t` adjusters of `k` rounds each.
pub fn family(variant: Variant, n: usize, t: usize, k: usize) -> impl Fn() + Send + Sync + 'static {
    move || {
        let (page, anon) = (Lock::new(), Lock::new());
        let locked = matches!(variant, Variant::FixedAtomic | Variant::FixedPlain);
        let plain = variant == Variant::FixedPlain;
        let vmas: Rc<Vec<(Word, Word)>> =
            Rc::new((0..n).map(|_| (Word::new(0), Word::new(2))).collect());
        let ptes = Rc::new(Cell::new(0usize));
        let read = move |word: &Word| if plain { word.peek() } else { word.read() };
        let write =
            move |word: &Word, value| if plain { word.0.1.set(value) } else { word.write(value) };
        let mut tasks = Vec::new();
        {
            let (page, anon, vmas, ptes) = (page.clone(), anon.clone(), vmas.clone(), ptes.clone());
            tasks.push(dpor::spawn("walker", move || {
                page.lock();
                anon.lock();
                for (start, end) in vmas.iter() {
                    let (start, end) = (read(start), read(end));
                    if start + 1 < end {
                        ptes.set(ptes.get() + 1);
                    }
                }
                anon.unlock();
                page.unlock();
            }));
        }
        for adjuster in 0..t {
            let (anon, vmas) = (anon.clone(), vmas.clone());
            tasks.push(dpor::spawn("adjuster", move || {
                for round in 0..k as i64 {
                    if locked {
                        anon.lock();
                    }
                    let (start, end) = &vmas[adjuster % n];
                    write(start, round + 1);
                    write(end, round + 3);
                    if locked {
                        anon.unlock();
                    }
                }
            }));
        }
        for task in tasks {
            task.join();
        }
        if variant != Variant::NoAssert {
            assert_eq!(ptes.get(), n, "every pte is present");
        }
    }
}
