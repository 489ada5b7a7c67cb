//! What names a state: a hash of all that is shared, and of what each task has learned.
//!
//! The local state of a task cannot be hashed, it is a Rust stack; but the task is deterministic,
//! so its local state is a function of what it has observed since it began, or since the round of
//! its retry loop began.

use std::hash::{BuildHasherDefault, Hasher};

use crate::access::{Access, Creator};
use crate::attempt::Attempt;

/// A hash of 128 bits, to name states with: what is written to it makes the name. The same on every
/// machine and in every execution, but not from one version of this crate to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(u64, u64);

impl Default for Digest {
    fn default() -> Self {
        Digest(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344)
    }
}

impl Digest {
    /// Add a number.
    #[inline]
    pub fn put(&mut self, value: u64) {
        let mut low = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        low ^= low >> 32;
        self.0 = low.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut high = (self.1.rotate_left(31) ^ value ^ 0x5851_f42d_4c95_7f2d)
            .wrapping_mul(0xff51_afd7_ed55_8ccd);
        high ^= high >> 29;
        self.1 = high.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    }

    pub(crate) fn put_digest(&mut self, other: Digest) {
        self.put(other.0);
        self.put(other.1);
    }

    /// Of a name that is the same in every execution.
    pub(crate) fn of((creator, nth): Creator) -> Self {
        let mut digest = Digest::default();
        digest.put(creator);
        digest.put(nth.into());
        digest
    }

    /// The hash of all that was added.
    pub fn key(self) -> u128 {
        let mut end = self;
        end.put(0x6a09_e667);
        u128::from(end.0 ^ end.0 >> 31) << 64 | u128::from(end.1 ^ end.1 >> 33)
    }
}

/// So that values that are `Hash` can be added.
impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.key() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.put(u64::from_le_bytes(word));
        }
        self.put(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.put(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.put(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.put(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.put(value as u64);
    }
}

/// Of many things, whatever their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sum(pub(crate) Digest);

impl Default for Sum {
    fn default() -> Self {
        Sum(Digest(0, 0))
    }
}

impl Sum {
    pub(crate) fn add(&mut self, Digest(low, high): Digest) {
        self.0 = Digest(self.0.0.wrapping_add(low), self.0.1.wrapping_add(high));
    }

    fn take(&mut self, Digest(low, high): Digest) {
        self.0 = Digest(self.0.0.wrapping_sub(low), self.0.1.wrapping_sub(high));
    }

    /// On paper.
    pub(crate) fn words(self) -> [u64; 2] {
        [self.0.0, self.0.1]
    }

    pub(crate) fn of_words([low, high]: [u64; 2]) -> Self {
        Sum(Digest(low, high))
    }

    /// What has this name was `before`, and is `after`.
    pub(crate) fn change(&mut self, name: Creator, before: Digest, after: Digest) {
        let of = |value| {
            let mut both = Digest::of(name);
            both.put_digest(value);
            both
        };
        self.take(of(before));
        self.add(of(after));
    }
}

/// For maps by keys, which are hashes already.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64 ^ (key >> 64) as u64;
    }

    fn write_u32(&mut self, part: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = (self.0.rotate_left(32) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub(crate) type Keys = BuildHasherDefault<KeyHasher>;

/// How the program names what its tasks share.
pub(crate) type Naming = Box<dyn Fn(&mut Digest)>;

/// All that a task has learned since it began, or since the round that it is in began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    digest: Digest,
    /// Its last step has read something that was not said yet.
    open: bool,
    /// The retry loops that it is in.
    loops: Vec<Loop>,
}

/// A retry loop that a task is in.
#[derive(Clone, Debug)]
struct Loop {
    /// What tells it from others.
    which: u64,
    /// What the task had learned when it began.
    digest: Digest,
    /// The round that the task is in.
    attempt: Attempt,
}

/// Nothing was learned since this mark.
fn within(mut mark: Digest) -> Digest {
    mark.put(0x500);
    mark
}

impl Learned {
    pub(crate) fn restart(&mut self) {
        (self.digest, self.open) = (Digest::default(), false);
        self.loops.clear();
    }

    /// The task takes a step. `fresh` gives numbers that were never there before.
    pub(crate) fn event(&mut self, access: Access, fresh: &mut u64) {
        if std::mem::take(&mut self.open) {
            *fresh += 1;
            self.digest.put(1 << 63 | *fresh);
        }
        self.digest.put(0x100 + access as u64);
        self.open = matches!(
            access,
            Access::Read | Access::Rmw | Access::TryAcquire | Access::TryAcquireShared
        );
    }

    /// It has waited for all of its stores, which is no step.
    pub(crate) fn full_barrier(&mut self) {
        self.digest.put(0x400);
    }

    pub(crate) fn value(&mut self, value: u64) {
        self.open = false;
        self.digest.put(value);
    }

    /// A round of a loop begins. What the task has learned since the loop began is forgotten, but for
    /// what it carries along. Returns the round that this ends, if there is one.
    pub(crate) fn round(&mut self, which: u64, attempt: Attempt) -> Option<Attempt> {
        self.open = false;
        let (carried, _) = attempt.own;
        let ended = if let Some(at) = self.loops.iter().rposition(|other| other.which == which) {
            self.loops.truncate(at + 1);
            self.digest = self.loops[at].digest;
            Some(std::mem::replace(&mut self.loops[at].attempt, attempt))
        } else {
            self.loops.push(Loop { which, digest: self.digest, attempt });
            None
        };
        self.digest.put((carried >> 64) as u64);
        self.digest.put(carried as u64);
        ended
    }

    /// The rounds that the task is in, one of each loop.
    pub(crate) fn attempts(&mut self) -> impl Iterator<Item = &mut Attempt> {
        self.loops.iter_mut().map(|of| &mut of.attempt)
    }

    /// The loop is over: there is no coming back to where it began.
    pub(crate) fn leave(&mut self, which: u64) {
        if let Some(at) = self.loops.iter().rposition(|other| other.which == which) {
            self.loops.truncate(at);
        }
    }

    /// A task begins with what the one that has spawned it knew.
    pub(crate) fn inherit(&mut self, parent: &Learned) {
        self.restart();
        self.digest = parent.digest;
        self.open = parent.open;
        self.digest.put(0x300);
    }

    /// What it has learned so far; what its last step has read and did not say is part of it from
    /// now on. What it learns then is within something that comes to one value: else that would look
    /// like the first such thing within it.
    pub(crate) fn mark(&mut self, fresh: &mut u64) -> Digest {
        if std::mem::take(&mut self.open) {
            *fresh += 1;
            self.digest.put(1 << 63 | *fresh);
        }
        let mark = self.digest;
        self.digest = within(mark);
        mark
    }

    pub(crate) fn has_since(&self, mark: Digest) -> bool {
        self.open || self.digest != within(mark)
    }

    /// What was learned since `mark` comes to no more than `value`.
    pub(crate) fn since(&mut self, mark: Digest, value: u128) {
        let learned = self.has_since(mark);
        (self.digest, self.open) = (mark, false);
        if learned {
            self.digest.put(0x200);
            self.digest.put((value >> 64) as u64);
            self.digest.put(value as u64);
        }
    }

    /// Tell it apart from others, and if rounds in vain are known, what could become of those.
    pub(crate) fn feed(&self, key: &mut Digest, fresh: &mut u64, attempts: bool) {
        key.put(self.digest.0);
        key.put(self.digest.1);
        if self.open {
            *fresh += 1;
            key.put(1 << 63 | *fresh);
        }
        // Where it can come back to is part of what it knows.
        key.put(self.loops.len() as u64);
        for Loop { which, digest, attempt } in &self.loops {
            key.put(*which);
            key.put_digest(*digest);
            if attempts {
                attempt.tells().into_iter().for_each(|part| key.put(part));
            }
        }
    }
}
