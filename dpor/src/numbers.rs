//! Numbers for what is called the same in every execution. The workers of a search give them
//! together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::state::Keys;

/// All that has a number.
#[derive(Debug)]
pub(crate) struct SharedNumbers<T> {
    all: Mutex<(Vec<T>, HashMap<T, u32, Keys>)>,
    count: AtomicUsize,
}

impl<T> Default for SharedNumbers<T> {
    fn default() -> Self {
        SharedNumbers { all: Mutex::default(), count: AtomicUsize::new(0) }
    }
}

impl<T: Clone + Eq + Hash> SharedNumbers<T> {
    /// All that has a number, in order.
    pub(crate) fn new(all: Vec<T>) -> Self {
        let count = AtomicUsize::new(all.len());
        let numbers = all.iter().cloned().zip(0..).collect();
        SharedNumbers { all: Mutex::new((all, numbers)), count }
    }

    /// The same.
    pub(crate) fn all(&self) -> Vec<T> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

/// As far as a worker knows it.
#[derive(Debug)]
pub(crate) struct Numbers<T> {
    all: Arc<SharedNumbers<T>>,
    here: Vec<T>,
    numbers: HashMap<T, u32, Keys>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Numbers { all: Arc::default(), here: Vec::new(), numbers: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    pub(crate) fn new(all: &Arc<SharedNumbers<T>>) -> Self {
        Numbers { all: Arc::clone(all), ..Numbers::default() }
    }

    /// The number of this, which may be new.
    pub(crate) fn of(&mut self, this: &T) -> u32 {
        if let Some(&number) = self.numbers.get(this) {
            return number;
        }
        let mut all = self.all.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (things, numbers) = &mut *all;
        let next = things.len() as u32;
        let number = *numbers.entry(this.clone()).or_insert(next);
        if number == next {
            things.push(this.clone());
            self.all.count.store(things.len(), Ordering::Release);
        }
        drop(all);
        self.learn();
        number
    }

    /// The number of this, if the worker knows it.
    pub(crate) fn find(&self, this: &T) -> Option<u32> {
        self.numbers.get(this).copied()
    }

    /// What others have given numbers to, too. Returns how many were known before.
    pub(crate) fn learn(&mut self) -> usize {
        let known = self.here.len();
        if self.all.count.load(Ordering::Acquire) > known {
            let all = self.all.all.lock().unwrap_or_else(PoisonError::into_inner);
            self.here.extend_from_slice(&all.0[known..]);
            self.numbers.extend(self.here[known..].iter().cloned().zip(known as u32..));
        }
        known
    }

    /// What has this number, which the worker has given or [learned](Self::learn).
    pub(crate) fn get(&self, number: u32) -> &T {
        &self.here[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.here.len()
    }
}
