//! What a task does in a round of a retry loop, where states are told apart: whether the round led
//! nowhere.

use crate::access::{Access, Class, ObjectId};

/// A round of a loop, so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Attempt {
    /// Events before it.
    pub(crate) start: usize,
    /// What the task carries along, and which of its stores were under way.
    pub(crate) own: (u128, u64),
    /// What it did.
    did: Vec<(ObjectId, Class)>,
    /// Another's step came after one of it, and depends on that.
    noticed: bool,
    /// It has changed plain data, or something else that it cannot give back.
    changed: bool,
}

impl Attempt {
    pub(crate) fn new(start: usize, carried: u128, stores: u64) -> Self {
        Attempt { start, own: (carried, stores), ..Attempt::default() }
    }

    /// The task takes a step on the object.
    pub(crate) fn takes(&mut self, object: ObjectId, access: Access, class: Class) {
        let changes = matches!(access, Access::Write | Access::Rmw | Access::Update);
        self.changed |= changes && class != Class::Reader;
        if !self.did.contains(&(object, class)) {
            self.did.push((object, class));
        }
    }

    /// Another takes a step on the object, on which steps of these classes depend.
    pub(crate) fn meets(&mut self, object: ObjectId, depends: impl Fn(Class) -> bool) {
        self.noticed |= self.did.iter().any(|&(own, class)| own == object && depends(class));
    }

    pub(crate) fn changes_data(&mut self) {
        self.changed = true;
    }

    /// Does the next round, which begins with `own`, begin where this one did, and nobody knows of
    /// this one? Whether the task gave back what it took is not known here.
    pub(crate) fn is_in_vain(&self, own: (u128, u64)) -> bool {
        !self.noticed && !self.changed && self.own == own
    }

    /// Two that differ in this may end differently. As long as nobody knows of it, and it has changed
    /// nothing, what it did follows from the rest of the state: in that the task would do the same
    /// again.
    pub(crate) fn tells(&self) -> [u64; 4] {
        let (carried, stores) = self.own;
        let leads_on = u64::from(self.noticed || self.changed);
        [leads_on, (carried >> 64) as u64, carried as u64, stores]
    }
}
