//! Pairs: two operations at once, on two CPUs.

use crate::op::Op;

/// A script that is run alone, and two operations that are then done at once. What is left is one of several states.
pub struct Pair {
    /// What meets what.
    pub name: &'static str,
    setup: &'static [&'static str],
    both: [&'static str; 2],
}

impl Pair {
    /// All of them.
    pub const ALL: &[Pair] = &[
        Pair { name: "store and store to a shared page", setup: &["store 0 0 1", "fork 0 1"], both: ["store 0 0 2", "store 1 0 3"] },
        Pair {
            name: "store and store to a page that three share",
            setup: &["store 0 0 1", "fork 0 1", "fork 0 2"],
            both: ["store 0 0 2", "store 1 0 3"],
        },
        Pair { name: "store and store by two threads, where nothing is yet", setup: &[], both: ["store 0 0 2", "store 0 0 3"] },
        Pair { name: "store and MADV_DONTNEED by two threads", setup: &["store 0 0 1"], both: ["store 0 0 2", "dontneed 0 0"] },
        Pair {
            name: "store to a shared page and MADV_DONTNEED by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["store 0 0 2", "dontneed 1 0"],
        },
        Pair {
            name: "store to a shared page and a store by the same process's other thread",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["store 0 0 2", "store 0 0 3"],
        },
        Pair {
            name: "store to a shared page and process_vm_readv of it",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["store 0 0 2", "pvread 1 0 0"],
        },
        Pair {
            name: "store to a shared page and process_vm_readv of the other process's",
            setup: &["store 0 0 1", "fork 0 1", "fork 0 2"],
            both: ["store 0 0 2", "pvread 2 1 0"],
        },
        Pair {
            name: "load and store on a shared swap entry",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["load 0 0", "store 1 0 2"],
        },
        Pair {
            name: "store and store on a shared swap entry",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["store 0 0 2", "store 1 0 3"],
        },
        Pair {
            name: "load and load on a shared swap entry",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["load 0 0", "load 1 0"],
        },
        Pair {
            name: "load from swap and MADV_DONTNEED by the other process",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["load 0 0", "dontneed 1 0"],
        },
        Pair {
            name: "store to what is on swap and MADV_DONTNEED by two threads",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["store 0 0 2", "dontneed 0 0"],
        },
        Pair { name: "store and MADV_PAGEOUT by two threads", setup: &["store 0 0 1"], both: ["store 0 0 2", "pageout 0 0"] },
        Pair {
            name: "MADV_PAGEOUT of a page in the swap cache, and a store to it by another thread",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["pageout 0 0", "store 0 0 2"],
        },
        Pair {
            name: "munmap and process_vm_writev",
            setup: &["store 0 0 1", "store 0 1 2", "fork 0 1"],
            both: ["munmap 0 0", "pvwrite 1 0 0 3"],
        },
    ];

    /// What is run alone.
    pub fn setup(&self) -> Vec<Op> {
        self.setup.iter().map(|op| parsed(op)).collect()
    }

    /// What is done at once.
    pub fn both(&self) -> [Op; 2] {
        self.both.map(parsed)
    }
}

fn parsed(op: &str) -> Op {
    op.parse().expect("the pairs are operations")
}

#[cfg(test)]
mod tests {
    use super::Pair;
    use crate::State;

    #[test]
    fn either_of_them_makes_sense_after_the_script() {
        for pair in Pair::ALL {
            for op in pair.both() {
                let mut script = pair.setup();
                script.push(op);
                assert!(State::allows_all(&script), "{}: {op}", pair.name);
            }
        }
    }
}
