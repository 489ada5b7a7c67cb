//! One atomic cell, and one pointer.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dpor::memory;
use dpor::{Memory, ObjectId};
use parking_lot::Mutex;

use super::{announce, arrives, is_consistent, taking, tried};
use crate::engine::{Access, Step};
use crate::exec;
use crate::exec::state::digest_of;
use crate::exec::told;

pub enum Word {
    /// Every step sees what all before it have left.
    Consistent(AtomicU64),
    /// Somebody else knows what a load may see.
    Modelled(memory::Word),
}

use Word::{Consistent, Modelled};

impl Word {
    pub fn new(object: u32, value: u64) -> Self {
        if is_consistent() {
            return Consistent(AtomicU64::new(value));
        }
        // A new object is memory that was there before, and whoever finds it may see that.
        let set = exec::is_on_cpu() && !exec::is_made_by_whoever_comes_first();
        let word = memory::Word::of(ObjectId(object), if set { 0 } else { value });
        if set && value != 0 {
            word.set(value);
        }
        Modelled(word)
    }

    #[track_caller]
    pub fn load(&self, step: Step, order: Ordering) -> u64 {
        match self {
            Consistent(word) => {
                announce(step);
                let value = word.load(Ordering::Relaxed);
                told::known(value);
                value
            }
            Modelled(word) if exec::is_on_cpu() => taking(|| word.load(order)),
            Modelled(word) => word.peek(),
        }
    }

    #[track_caller]
    pub fn store(
        &self,
        step: Step,
        value: u64,
        order: Ordering,
        then: impl FnOnce() + 'static,
    ) -> bool {
        match self {
            Consistent(word) => {
                announce(step);
                set(word, step.object, value);
                false
            }
            Modelled(word) => store(word, value, order, then),
        }
    }

    pub fn instead_of(&self, loaded: u64) -> Option<u64> {
        match self {
            Consistent(_) => None,
            Modelled(word) => Some(word.peek()).filter(|&newest| newest != loaded),
        }
    }

    #[track_caller]
    pub fn add(&self, step: Step, n: u64) -> u64 {
        match self {
            Modelled(word) if exec::is_on_cpu() && step.access == Access::Update => {
                taking(|| word.add(n, Ordering::Relaxed));
                0
            }
            _ => self.replace(step, |before| before.wrapping_add(n)),
        }
    }

    #[track_caller]
    pub fn swap(&self, step: Step, value: u64) -> u64 {
        self.replace(step, |_| value)
    }

    #[track_caller]
    pub fn update_if(
        &self,
        step: Step,
        order: Ordering,
        change: impl Fn(u64) -> Option<u64>,
    ) -> Result<u64, u64> {
        let word = match self {
            Consistent(word) => word,
            Modelled(word) if exec::is_on_cpu() => {
                return taking(|| match order {
                    Ordering::SeqCst => word.update_if(change),
                    _ => word.fetch_update(order, Ordering::Relaxed, change),
                });
            }
            Modelled(word) => {
                let before = word.peek();
                word.set(change(before).ok_or(before)?);
                return Ok(before);
            }
        };
        // One that declines has only looked: to the scheduler it is a try that failed.
        announce(Step { access: Access::TryAcquire, ..step });
        let before = word.load(Ordering::Relaxed);
        let new = change(before);
        tried(new.is_some());
        told::known(before);
        match new {
            Some(new) => {
                set(word, step.object, new);
                Ok(before)
            }
            None => Err(before),
        }
    }

    #[track_caller]
    fn replace(&self, step: Step, change: impl Fn(u64) -> u64) -> u64 {
        let word = match self {
            Consistent(word) => word,
            Modelled(word) if exec::is_on_cpu() => {
                return taking(|| word.update(Ordering::Relaxed, change));
            }
            Modelled(word) => {
                let before = word.peek();
                word.set(change(before));
                return before;
            }
        };
        announce(step);
        let before = word.load(Ordering::Relaxed);
        set(word, step.object, change(before));
        // Nobody looks at what an update found, and it depends on the order of updates, which
        // commute.
        if step.access != Access::Update {
            told::known(before);
        }
        before
    }

    pub fn reset(&self, object: u32, value: u64) {
        match self {
            Consistent(word) => set(word, object, value),
            Modelled(word) => word.set(value),
        }
    }

    pub fn peek(&self) -> u64 {
        match self {
            Consistent(word) => word.load(Ordering::Relaxed),
            Modelled(word) => word.peek(),
        }
    }
}

fn set(word: &AtomicU64, object: u32, value: u64) {
    changed(object, word.swap(value, Ordering::Relaxed), value);
}

/// The word that the last step is about was one, and is the other.
fn changed(object: u32, before: u64, after: u64) {
    if before != after && told::tells() {
        told::changed(object, digest_of(&before), digest_of(&after));
    }
}

/// Stores it. If that is for later, it is true, and `then` is called when the value is in memory.
#[track_caller]
fn store(word: &memory::Word, value: u64, order: Ordering, then: impl FnOnce() + 'static) -> bool {
    if !exec::is_on_cpu() {
        word.set(value);
        return false;
    }
    if memory::model() == Memory::Weak || order == Ordering::SeqCst {
        taking(|| word.store(value, order));
        return false;
    }
    let cpu = exec::cpu();
    exec::switching(|| word.store_then(value, order, move || arrives(cpu, then)));
    true
}

pub enum Published<T> {
    /// With how often it was replaced: an address may come back with another value.
    Consistent(Mutex<(u64, Arc<T>)>),
    /// All that it has pointed to, each with a number, and the number of what it points to.
    Modelled(Mutex<Vec<(u64, Arc<T>)>>, memory::Word),
}

impl<T: Hash> Published<T> {
    pub fn new(object: u32, value: T) -> Self {
        let value = Arc::new(value);
        if is_consistent() {
            Self::Consistent(Mutex::new((0, value)))
        } else {
            let number = number(0, &value);
            let values = Mutex::new(vec![(number, value)]);
            Self::Modelled(values, memory::Word::of(ObjectId(object), number))
        }
    }

    #[track_caller]
    pub fn load(&self, step: Step) -> Arc<T> {
        let current = match self {
            Self::Consistent(current) => current,
            Self::Modelled(values, which) if exec::is_on_cpu() => {
                return numbered(values, taking(|| which.load(Ordering::Acquire)));
            }
            Self::Modelled(..) => return self.peek(),
        };
        announce(step);
        let (version, value) = current.lock().clone();
        // Where states are told apart, what it is has to be said, and not the how manyth.
        told::known(if exec::is_on_cpu() && dpor::by_states() { 0 } else { version });
        value
    }

    #[track_caller]
    pub fn store(
        &self,
        step: Step,
        value: T,
        order: Ordering,
        then: impl FnOnce() + 'static,
    ) -> bool {
        let current = match self {
            Self::Consistent(current) => current,
            Self::Modelled(values, which) => {
                let mut values = values.lock();
                let number = number(values.len(), &value);
                values.push((number, Arc::new(value)));
                drop(values);
                return store(which, number, order, then);
            }
        };
        announce(step);
        let mut current = current.lock();
        if told::tells() {
            told::changed(step.object, told::there(&current.1), told::there(&value));
        }
        *current = (current.0 + 1, Arc::new(value));
        false
    }

    pub fn peek(&self) -> Arc<T> {
        match self {
            Self::Consistent(current) => current.lock().1.clone(),
            Self::Modelled(values, which) => numbered(values, which.peek()),
        }
    }
}

/// The number of the `nth` value: where states are told apart, what it is has to be said, and not
/// the how manyth.
fn number(nth: usize, value: &impl Hash) -> u64 {
    if dpor::by_states() { digest_of(value).key() as u64 } else { nth as u64 }
}

fn numbered<T>(values: &Mutex<Vec<(u64, Arc<T>)>>, number: u64) -> Arc<T> {
    let values = values.lock();
    let (_, value) = values.iter().rfind(|value| value.0 == number).expect("it was stored");
    Arc::clone(value)
}
