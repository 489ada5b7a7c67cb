//! What an operation does to its object, and which operations depend on each other.

use std::fmt;

/// A shared object of the current execution; ids are handed out in creation order, from 0, per
/// execution.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectId(pub u32);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How an operation accesses its object. Decides dependence; see [`algorithm`](crate::algorithm)
/// for why the table is sound.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Takes an exclusive lock; blocks while anybody holds it, shared or not.
    Acquire,
    /// Tries to take an exclusive lock; how it went is said with [`tried`](crate::tried).
    TryAcquire,
    /// Gives back an exclusive lock. Another task than the one that took it may do so.
    Release,
    /// Takes a shared lock (rwsem reader, RCU read section); blocks at least while it is held
    /// exclusively.
    AcquireShared,
    /// Tries to take a shared lock; how it went is said with [`tried`](crate::tried).
    TryAcquireShared,
    /// Gives back a shared lock.
    ReleaseShared,
    /// Reads an atomic word.
    Read,
    /// Writes an atomic word.
    Write,
    /// Reads and writes an atomic word in one step, and its result matters.
    Rmw,
    /// Reads and writes in one step, its result is ignored, and it commutes with every other
    /// `Update` of that object.
    Update,
    /// Blocks until a condition on the object holds; changes nothing.
    Wait,
}

/// What an access that has happened counts as. Two accesses of one object are independent exactly
/// when both are of one class and that class commutes with itself, which all do but `Exclusive`.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Class {
    /// Changes nothing: reads, waits, failed tries.
    Reader,
    /// Takes or gives back a shared lock.
    Shared,
    /// A commuting update.
    Update,
    /// Everything else.
    Exclusive,
}

impl Class {
    pub(crate) const ALL: [Class; 4] =
        [Class::Reader, Class::Shared, Class::Update, Class::Exclusive];
}

impl Access {
    /// Whether this is one of the two whose outcome has to be said.
    pub(crate) fn is_try(self) -> bool {
        matches!(self, Access::TryAcquire | Access::TryAcquireShared)
    }

    /// Takes a lock only while nobody has it in a way that excludes us.
    pub(crate) fn is_blocking_acquire(self) -> bool {
        matches!(self, Access::Acquire | Access::AcquireShared)
    }

    /// The class of the access, given whether it was a try that failed.
    pub(crate) fn class(self, failed: bool) -> Class {
        match self {
            Access::TryAcquire | Access::TryAcquireShared if failed => Class::Reader,
            Access::Read | Access::Wait => Class::Reader,
            Access::AcquireShared | Access::ReleaseShared | Access::TryAcquireShared => {
                Class::Shared
            }
            Access::Update => Class::Update,
            Access::Acquire
            | Access::TryAcquire
            | Access::Release
            | Access::Write
            | Access::Rmw => Class::Exclusive,
        }
    }

    /// All of them, for tables and tests.
    pub const ALL: [Access; 11] = [
        Access::Acquire,
        Access::TryAcquire,
        Access::Release,
        Access::AcquireShared,
        Access::TryAcquireShared,
        Access::ReleaseShared,
        Access::Read,
        Access::Write,
        Access::Rmw,
        Access::Update,
        Access::Wait,
    ];
}

/// One announced operation.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Op {
    /// What is accessed.
    pub object: ObjectId,
    /// How.
    pub access: Access,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.access, self.object)
    }
}

/// Who created an object, and as which of its objects.
pub(crate) type Creator = (u64, u32);

/// A task by its origin, or all stores of that task to one object, which go to memory one after the
/// other.
pub(crate) type ThreadName = (u64, Option<Creator>);
