//! Which object each step accesses, and how.

use dpor::Access;

use super::program::{Act, Announced};

/// Objects of a node.
pub const WORD: u8 = 0;
pub const LOCK: u8 = 1;
pub const RW: u8 = 2;
pub const EPOCH: u8 = 3;
pub const SEM: u8 = 4;
pub const MAIL: u8 = 5;
pub const FIELDS: usize = 6;

/// A name for an object that does not depend on the interleaving.
pub fn object_name(node: u8, field: u8) -> u16 {
    u16::from(node) * 8 + u16::from(field)
}

/// Which object of its node a step accesses, and how.
pub fn access(act: Act) -> (u8, Access) {
    use Access::{
        Acquire, AcquireShared, Read, Release, ReleaseShared, Rmw, TryAcquire, TryAcquireShared,
        Update, Wait, Write,
    };
    match act {
        Act::Read(_) => (WORD, Read),
        Act::Write(_) => (WORD, Write),
        Act::Swap(..) | Act::FetchAdd(..) | Act::Cas { as_: Announced::Rmw, .. } => (WORD, Rmw),
        Act::Add(_) => (WORD, Update),
        Act::Cas { .. } => (WORD, TryAcquire),
        Act::WaitWord(..) => (WORD, Wait),
        Act::Lock => (LOCK, Acquire),
        Act::TryLock(..) => (LOCK, TryAcquire),
        Act::Unlock | Act::Break => (LOCK, Release),
        Act::IsLocked(_) => (LOCK, Read),
        Act::WaitUnlocked => (LOCK, Wait),
        Act::ReadLock => (RW, AcquireShared),
        Act::TryRead(_) => (RW, TryAcquireShared),
        Act::WriteLock | Act::Upgrade | Act::Enter(true) => (RW, Acquire),
        Act::TryWrite(_) | Act::TryUpgrade(_) => (RW, TryAcquire),
        // A reader's; a writer gives it back exclusively.
        Act::RwUnlock => (RW, ReleaseShared),
        Act::Downgrade => (RW, Release),
        // A reader leaves the line, perhaps while others read.
        Act::Intend | Act::Queue(_) | Act::Enter(false) => (RW, Write),
        Act::Pin(_) | Act::PinFrom(_) => (EPOCH, AcquireShared),
        Act::Unpin => (EPOCH, ReleaseShared),
        Act::Advance => (EPOCH, Update),
        Act::WaitUnpinned => (EPOCH, Wait),
        Act::ReadEpoch(_) => (EPOCH, Read),
        Act::Down => (SEM, Rmw),
        Act::TryDown(_) => (SEM, TryAcquire),
        Act::Up(commutes) => (SEM, if commutes { Update } else { Rmw }),
        Act::Post => (MAIL, Write),
        Act::Take(_) => (MAIL, Rmw),
        Act::WaitMail => (MAIL, Wait),
    }
}

/// In a mailbox: a lock to be given back, or the handle of a task.
pub fn mailed_lock(node: u8) -> u8 {
    1 + node
}
pub fn mailed_handle(task: usize) -> u8 {
    32 + task as u8
}

/// In a line: who it is, and whether to write.
pub fn in_line(task: usize, writes: bool) -> u8 {
    2 + 2 * task as u8 + u8::from(writes)
}
