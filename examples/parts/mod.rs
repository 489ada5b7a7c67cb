//! What the examples that set operations against each other share: the operations, the worlds and
//! the protocols.

#![allow(dead_code, reason = "not every one of them needs all of it")]

pub mod causes;

use lockwalk::mm::{Setup, World};
use lockwalk::{Era, Protocol};

/// What a CPU does to one page; `A` is the parent, `B` the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Mremap(usize),
    Fork(usize),
    /// The child stores there, too, and exits.
    ForkStore(usize),
    Exit(usize),
    Migrate,
    /// The same by a system call about a process, whose `mmap_sem` it holds.
    MovePages(usize),
    Reclaim,
    Swapoff,
    Load(usize),
    Store(usize),
    /// A device is given the page to read, its process stores there, and then the device reads.
    Reads(usize),
    Mmap(usize),
}

impl Op {
    /// Those that are crossed, every two of them.
    pub const ALL: [Op; 11] = [
        Op::Mremap(0),
        Op::Mremap(1),
        Op::Fork(0),
        Op::Fork(1),
        Op::Exit(0),
        Op::Exit(1),
        Op::Migrate,
        Op::MovePages(0),
        Op::MovePages(1),
        Op::Reclaim,
        Op::Swapoff,
    ];

    pub fn name(self) -> String {
        let of = |process: usize| ["A", "B"][process];
        match self {
            Op::Mremap(n) => format!("mremap {}", of(n)),
            Op::Fork(n) => format!("fork {}", of(n)),
            Op::ForkStore(n) => format!("fork {}, whose child stores and exits", of(n)),
            Op::Exit(n) => format!("exit {}", of(n)),
            Op::Migrate => "migrate".into(),
            Op::MovePages(n) => format!("move_pages {}", of(n)),
            Op::Reclaim => "reclaim".into(),
            Op::Swapoff => "swapoff".into(),
            Op::Load(n) => format!("load {}", of(n)),
            Op::Store(n) => format!("store {}", of(n)),
            Op::Reads(n) => format!("a device reads what {} stores", of(n)),
            Op::Mmap(n) => format!("mmap {}", of(n)),
        }
    }

    fn process(self) -> Option<usize> {
        match self {
            Op::Mremap(n)
            | Op::Fork(n)
            | Op::ForkStore(n)
            | Op::Exit(n)
            | Op::MovePages(n)
            | Op::Load(n)
            | Op::Store(n)
            | Op::Reads(n)
            | Op::Mmap(n) => Some(n),
            Op::Migrate | Op::Reclaim | Op::Swapoff => None,
        }
    }

    /// A process that exits has no other thread; there is one device; and who moves pages moves
    /// them by one of the two ways.
    pub fn meets(self, other: Op) -> bool {
        let exits = matches!(self, Op::Exit(_)) || matches!(other, Op::Exit(_));
        let same = self.process().is_some() && self.process() == other.process();
        let moves = |op: Op| matches!(op, Op::Migrate | Op::MovePages(_));
        !(exits && same
            || self == Op::Swapoff && other == Op::Swapoff
            || moves(self) && moves(other) && self != other)
    }

    pub fn run(self, w: &World) {
        match self {
            Op::Mremap(n) => w.process(n).mremap(1..2, 3).unwrap_or(()),
            Op::Fork(n) => _ = w.process(n).fork(),
            Op::ForkStore(n) => {
                let child = w.process(n).fork();
                _ = child.store(1, 99);
                child.exit();
            }
            Op::Exit(n) => w.process(n).exit(),
            Op::Migrate => w.migrate(w.process(0).page_at(1)),
            Op::MovePages(n) => w.process(n).move_pages(1),
            Op::Reclaim => w.shrink_page(w.process(0).page_at(1)),
            Op::Swapoff => w.swapoff(),
            Op::Load(n) => _ = w.process(n).load(1), // which may be moved away
            Op::Store(n) => _ = w.process(n).store(1, 77 + n as u64),
            Op::Reads(n) => {
                let Ok(pin) = w.process(n).pin_for_reading(1) else { return };
                _ = w.process(n).store(1, 50);
                pin.read();
                pin.put();
            }
            Op::Mmap(n) => w.process(n).mmap(5..6),
        }
    }
}

pub type Prepare = fn(&Setup<'_>);

/// Parent and child share a page; it may be on swap for both, and in the swap cache; or only for
/// the child.
pub const WORLDS: [(&str, Prepare); 3] = [("shared", shared), ("swapped", swapped), ("half", half)];

fn shared(w: &Setup<'_>) {
    let p = w.new_process();
    p.mmap(1..2);
    p.touch(1);
    p.fork();
}

fn swapped(w: &Setup<'_>) {
    shared(w);
    w.process(0).swap_out(1);
    w.process(0).read_ahead(1);
}

fn half(w: &Setup<'_>) {
    shared(w);
    w.process(0).swap_out(1);
    w.process(0).load(1).expect("it is mapped");
}

/// All but documents 0 and 1.
pub fn eras() -> Vec<Protocol> {
    let left_out = ["document-0", "document-1"];
    Era::all().into_iter().filter(|era| !left_out.contains(&&*era.to_string())).collect()
}

/// Does the page move under `era`, if `op` moves it, and is it there for that? Pages move since
/// 2.6.16, and without a system call that holds mmap_sem since 2.6.29: document 2 is on 2.6.22.
pub fn moves(op: Op, world: &str, era: &Protocol) -> bool {
    let never =
        [Era::RMAP_10, Era::DOCUMENT_4, Era::V2_6_7, Era::V2_6_11, Era::V2_6_13].contains(era);
    let by_system_calls = [Era::V2_6_22, Era::DOCUMENT_2].contains(era);
    match op {
        Op::Migrate => !never && !by_system_calls,
        // It moves only what is mapped there.
        Op::MovePages(n) => by_system_calls && (world == "shared" || (world == "half" && n == 0)),
        _ => true,
    }
}
