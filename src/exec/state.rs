//! The whole state: by name, to compare two executions that should have come to the same; or as a
//! number, to know a state of one execution again.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use dpor::Digest;

use super::name::{GONE, Name, PRIME};
use crate::exec;

/// Everything that is shared, object by object. What [`Race::selfcheck`](crate::Race::selfcheck)
/// compares, so nothing may be missing in it: every object that was ever made has a number, and
/// [`unseen`](Self::unseen) says which were passed over. Retry loops are told by the same
/// (`World::fingerprint`), so that a livelock is one of all there is.
#[derive(Default)]
pub(crate) struct State {
    values: BTreeMap<String, String>,
    seen: BTreeSet<u32>,
    hash: Option<u64>,
    only_looks: bool,
}

impl State {
    /// One that keeps nothing: whoever is looked at notices that it is there.
    pub fn only_to_look() -> Self {
        Self { only_looks: true, ..Self::default() }
    }

    /// One of which only a number is wanted ([`fingerprint`](Self::fingerprint)).
    pub fn to_know_again() -> Self {
        Self { hash: Some(0), ..Self::default() }
    }

    /// Is it one by which a state is to be known again? Then what is past, and no step can depend
    /// on, is left out: how many pages a frame has had before, or what has been freed for good.
    /// Else no loop that allocates would ever come back to where it was.
    pub fn forgets(&self) -> bool {
        self.hash.is_some()
    }

    /// An object that is announced under this number.
    pub(crate) fn object(&mut self, id: u32, name: Name, value: impl FnOnce() -> String) {
        match &mut self.hash {
            Some(hash) => text(mix(hash, id.into()), &value()),
            None if self.only_looks => drop(value()),
            None => {
                self.seen.insert(id);
                self.values.insert(name.to_string(), value());
            }
        }
    }

    /// The same of one that has a short form, without what is past.
    pub(crate) fn word(
        &mut self,
        id: u32,
        name: Name,
        word: impl FnOnce() -> u64,
        value: impl FnOnce() -> String,
    ) {
        match &mut self.hash {
            Some(hash) => _ = mix(mix(hash, id.into()), word()),
            None => self.object(id, name, value),
        }
    }

    /// Something that needs no announcement.
    pub fn value(&mut self, name: Name, value: String) {
        match &mut self.hash {
            Some(hash) => text(hash, &value),
            None if self.only_looks => {}
            None => _ = self.values.insert(name.to_string(), value),
        }
    }

    /// The same of a number.
    pub fn number(&mut self, name: Name, number: u64) {
        match &mut self.hash {
            Some(hash) => _ = mix(hash, number),
            None => self.value(name, number.to_string()),
        }
    }

    /// The number of a state that is [to be known again](Self::to_know_again).
    pub fn fingerprint(&self) -> u64 {
        self.hash.unwrap_or_default()
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

fn mix(hash: &mut u64, value: u64) -> &mut u64 {
    let mixed = (hash.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    *hash = mixed ^ mixed >> 32;
    hash
}

/// What is primed is known by its name without the primes.
fn text(hash: &mut u64, text: &str) {
    let plain = if text.contains([PRIME, GONE]) {
        text.replace([PRIME, GONE], "").into()
    } else {
        Cow::Borrowed(text)
    };
    for part in plain.as_bytes().chunks(8) {
        let mut eight = [0; 8];
        eight[..part.len()].copy_from_slice(part);
        mix(hash, u64::from_le_bytes(eight));
    }
    mix(hash, plain.len() as u64);
}

/// What a value is, as a number.
pub(crate) fn digest_of(value: &(impl Hash + ?Sized)) -> Digest {
    let mut digest = Digest::default();
    value.hash(&mut digest);
    digest
}
