//! Pairs: two operations at once, on two CPUs.

use crate::op::Op;

/// A script that is run alone, and two operations that are then done at once. What is left is one
/// of several states.
pub struct Pair {
    /// What meets what.
    pub name: &'static str,
    setup: &'static [&'static str],
    both: [&'static str; 2],
}

impl Pair {
    /// All of them.
    pub const ALL: &[Pair] = &[
        Pair {
            name: "store and store to a shared page",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["store 0 0 2", "store 1 0 3"],
        },
        Pair {
            name: "store and store to a page that three share",
            setup: &["store 0 0 1", "fork 0 1", "fork 0 2"],
            both: ["store 0 0 2", "store 1 0 3"],
        },
        Pair {
            name: "store and store by two threads, where nothing is yet",
            setup: &[],
            both: ["store 0 0 2", "store 0 0 3"],
        },
        Pair {
            name: "store and MADV_DONTNEED by two threads",
            setup: &["store 0 0 1"],
            both: ["store 0 0 2", "dontneed 0 0"],
        },
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
        Pair {
            name: "store and MADV_PAGEOUT by two threads",
            setup: &["store 0 0 1"],
            both: ["store 0 0 2", "pageout 0 0"],
        },
        Pair {
            name: "MADV_PAGEOUT of a page in the swap cache, and a store to it by another thread",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["pageout 0 0", "store 0 0 2"],
        },
        Pair {
            name: "MADV_PAGEOUT and MADV_PAGEOUT by two threads",
            setup: &["store 0 0 1"],
            both: ["pageout 0 0", "pageout 0 0"],
        },
        Pair {
            name: "MADV_PAGEOUT and MADV_PAGEOUT of a page in the swap cache",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["pageout 0 0", "pageout 0 0"],
        },
        Pair {
            name: "MADV_PAGEOUT and MADV_PAGEOUT of two pages that are neighbours",
            setup: &["store 0 0 1", "store 0 1 2"],
            both: ["pageout 0 0", "pageout 0 1"],
        },
        Pair {
            name: "store and mprotect to read-only by two threads",
            setup: &["store 0 0 1"],
            both: ["store 0 0 2", "mprotect 0 0 0"],
        },
        Pair {
            name: "store and mprotect to writable by two threads",
            setup: &["store 0 0 1", "mprotect 0 0 0"],
            both: ["store 0 0 2", "mprotect 0 0 1"],
        },
        Pair {
            name: "mprotect to writable of a shared page, and a store by the other process",
            setup: &["store 0 0 1", "fork 0 1", "mprotect 0 0 0"],
            both: ["mprotect 0 0 1", "store 1 0 2"],
        },
        Pair {
            name: "mprotect to read-only and MADV_PAGEOUT by two threads",
            setup: &["store 0 0 1"],
            both: ["mprotect 0 0 0", "pageout 0 0"],
        },
        Pair {
            name: "mprotect to writable and MADV_PAGEOUT of a page in the swap cache",
            setup: &["store 0 0 1", "mprotect 0 0 0", "pageout 0 0", "load 0 0"],
            both: ["mprotect 0 0 1", "pageout 0 0"],
        },
        Pair {
            name: "mprotect to read-only and a load from swap by two threads",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["mprotect 0 0 0", "load 0 0"],
        },
        Pair {
            name: "mprotect to read-only and process_vm_writev",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["mprotect 0 0 0", "pvwrite 1 0 0 3"],
        },
        Pair {
            name: "swapoff and a load from swap",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["swapoff", "load 0 0"],
        },
        Pair {
            name: "swapoff and a store to what is on swap",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["swapoff", "store 0 0 2"],
        },
        Pair {
            name: "swapoff and a store on a shared swap entry",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["swapoff", "store 0 0 2"],
        },
        Pair {
            name: "swapoff and munmap of what is on swap, and shared",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1"],
            both: ["swapoff", "munmap 0 0"],
        },
        Pair {
            name: "swapoff and MADV_DONTNEED of what is on swap",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["swapoff", "dontneed 0 0"],
        },
        Pair {
            name: "swapoff and MADV_DONTNEED of a page in the swap cache",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1", "load 1 0", "munmap 1 0"],
            both: ["swapoff", "dontneed 0 0"],
        },
        Pair {
            name: "swapoff and a store to a page in the swap cache",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["swapoff", "store 0 0 2"],
        },
        Pair {
            name: "swapoff and mprotect of what is on swap",
            setup: &["store 0 0 1", "pageout 0 0"],
            both: ["swapoff", "mprotect 0 0 0"],
        },
        Pair {
            name: "migration and a load",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "load 0 0"],
        },
        Pair {
            name: "migration and a store",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "store 0 0 2"],
        },
        Pair {
            name: "migration of a shared page and a load by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "load 1 0"],
        },
        Pair {
            name: "migration of a shared page and a store by the same process's other thread",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "store 0 0 2"],
        },
        Pair {
            name: "migration of a shared page and a store by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "store 1 0 2"],
        },
        Pair {
            name: "migration and migration by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "migrate 0 0"],
        },
        Pair {
            name: "migration and migration of a shared page by two processes",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "migrate 1 0"],
        },
        Pair {
            name: "migration and MADV_DONTNEED by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "dontneed 0 0"],
        },
        Pair {
            name: "migration of a shared page and MADV_DONTNEED by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "dontneed 1 0"],
        },
        Pair {
            name: "migration and munmap by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "munmap 0 0"],
        },
        Pair {
            name: "migration of a shared page and munmap by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "munmap 1 0"],
        },
        Pair {
            name: "migration and MADV_PAGEOUT by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "pageout 0 0"],
        },
        Pair {
            name: "migration and mprotect to read-only by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "mprotect 0 0 0"],
        },
        Pair {
            name: "migration of a shared page and mprotect to writable by the other process",
            setup: &["store 0 0 1", "mprotect 0 0 0", "fork 0 1"],
            both: ["migrate 0 0", "mprotect 1 0 1"],
        },
        Pair {
            name: "migration and mremap by two threads",
            setup: &["store 0 0 1"],
            both: ["migrate 0 0", "mremap 0 0 1"],
        },
        Pair {
            name: "migration of a shared page and mremap by the other process",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "mremap 1 0 1"],
        },
        Pair {
            name: "migration and process_vm_readv of the page",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "pvread 1 0 0"],
        },
        Pair {
            name: "migration and process_vm_writev to the page",
            setup: &["store 0 0 1", "fork 0 1"],
            both: ["migrate 0 0", "pvwrite 1 0 0 3"],
        },
        Pair {
            name: "migration of a page in the swap cache and a load from its slot by the other \
                   process",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1", "load 0 0"],
            both: ["migrate 0 0", "load 1 0"],
        },
        Pair {
            name: "migration of a page in the swap cache and a store to it by another thread",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["migrate 0 0", "store 0 0 2"],
        },
        Pair {
            name: "migration and MADV_PAGEOUT of a page in the swap cache",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["migrate 0 0", "pageout 0 0"],
        },
        Pair {
            name: "swapoff and migration of a page in the swap cache",
            setup: &["store 0 0 1", "pageout 0 0", "load 0 0"],
            both: ["swapoff", "migrate 0 0"],
        },
        Pair {
            name: "swapoff and migration of what is on swap for the other process",
            setup: &["store 0 0 1", "pageout 0 0", "fork 0 1", "load 1 0"],
            both: ["swapoff", "migrate 1 0"],
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

    /// Only where there are two nodes can it be run.
    pub fn migrates(&self) -> bool {
        self.both().iter().any(|op| matches!(op, Op::Migrate { .. }))
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
