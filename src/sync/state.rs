//! The whole state by name: to compare two executions that should have come to the same.

use std::collections::{BTreeMap, BTreeSet};

use super::exec;
use super::name::Name;

/// Everything that is shared, object by object. What [`Race::selfcheck`](crate::Race::selfcheck) compares, so nothing may be missing in it:
/// every object that was ever made has a number, and [`unseen`](Self::unseen) says which were passed over.
#[derive(Default)]
pub(crate) struct State {
    values: BTreeMap<String, String>,
    seen: BTreeSet<u32>,
}

impl State {
    /// An object that is announced under this number.
    pub(super) fn object(&mut self, id: u32, name: Name, value: impl FnOnce() -> String) {
        self.seen.insert(id);
        self.value(name, value());
    }

    /// Something that needs no announcement.
    pub(super) fn value(&mut self, name: Name, value: String) {
        self.values.insert(name.to_string(), value);
    }

    /// Objects of this execution that were not seen.
    pub fn unseen(&self) -> Vec<u32> {
        let next = exec::with(exec::Exec::new_object);
        (0..next).filter(|id| !self.seen.contains(id)).collect()
    }

    /// By name.
    pub fn into_values(self) -> BTreeMap<String, String> {
        self.values
    }
}
