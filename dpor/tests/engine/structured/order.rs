//! Happens-before, written down a second time: classes of equivalent interleavings have names.

use dpor::Access;

/// Kinds of steps that commute among themselves, but for the last.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    Looks,
    Shares,
    Updates,
    Excludes,
}

pub fn kind(access: Access, failed: bool) -> Kind {
    match access {
        Access::Read | Access::Wait => Kind::Looks,
        Access::TryAcquire | Access::TryAcquireShared if failed => Kind::Looks,
        Access::AcquireShared | Access::TryAcquireShared | Access::ReleaseShared => Kind::Shares,
        Access::Update => Kind::Updates,
        Access::Acquire | Access::Release | Access::TryAcquire | Access::Write | Access::Rmw => {
            Kind::Excludes
        }
    }
}

pub fn dependent(a: Kind, b: Kind) -> bool {
    a == Kind::Excludes || a != b
}

fn mix(hash: u64, value: u64) -> u64 {
    let x = (hash ^ value.wrapping_mul(0xff51_afd7_ed55_8ccd)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What has happened, up to reordering of independent steps.
#[derive(Clone, Default, Debug)]
pub struct History {
    /// Object, kind and hash of each step.
    steps: Vec<(u16, Kind, u64)>,
    /// Hash of each task's last step.
    last: [u64; super::program::TASKS],
    /// Names the class: no matter in which order its steps come, they add up to the same.
    pub name: u64,
}

impl History {
    pub fn push(&mut self, task: usize, object: u16, access: Access, failed: bool) {
        let kind = kind(access, failed);
        let mut before = 0u64;
        for &(other, what, hash) in &self.steps {
            if other == object && dependent(what, kind) {
                before = before.wrapping_add(mix(1, hash));
            }
        }
        let label = (task as u64) << 40
            | u64::from(object) << 16
            | (access as u64) << 1
            | u64::from(failed);
        let hash = mix(mix(mix(2, label), self.last[task]), before);
        self.steps.push((object, kind, hash));
        self.last[task] = hash;
        self.name = self.name.wrapping_add(mix(3, hash));
    }
}
