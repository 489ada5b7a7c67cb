//! The clauses: what every execution of every protocol must satisfy.

use std::fmt;

use crate::sync::WaitFor;

/// When a clause is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// At every step it speaks of.
    Always,
    /// When all CPUs have ended.
    Quiescence,
    /// Of the schedule as a whole.
    Liveness,
    /// Of all executions taken together.
    Exploration,
}

/// What was violated, and how it showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The clause.
    pub clause: Clause,
    /// The concrete finding.
    pub what: String,
    /// For a deadlock: who waits for whom.
    pub cycle: Vec<WaitFor>,
    /// Has the execution shown what a violation must show to count? See [`Race::showing`](crate::Race::showing).
    pub counts: bool,
}

impl Violation {
    pub(crate) fn new(clause: Clause, what: String) -> Self {
        Self { clause, what, cycle: Vec::new(), counts: true }
    }
}

macro_rules! clauses {
    ($($id:ident $name:literal $kind:ident $fatal:literal $text:literal;)+) => {
        /// One sentence that must hold. SPEC.md §4 has the same ids and the same words; `tests/catalogue/spec_ties.rs` compares them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(non_camel_case_types, reason = "the ids are written as in SPEC.md")]
        pub enum Clause {
            $(#[doc = $text] $id,)+
        }

        impl Clause {
            /// All of them, in SPEC.md's order.
            pub const ALL: &[Clause] = &[$(Clause::$id),+];

            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The id, as `MIG-1`.
            pub fn id(self) -> &'static str {
                match self { $(Clause::$id => $name),+ }
            }

            /// The sentence.
            pub fn text(self) -> &'static str {
                match self { $(Clause::$id => $text),+ }
            }

            /// When it is evaluated.
            pub fn kind(self) -> Kind {
                match self { $(Clause::$id => Kind::$kind),+ }
            }

            /// Is the state meaningless once it is violated, so that the execution cannot go on?
            pub(crate) fn is_fatal(self) -> bool {
                match self { $(Clause::$id => $fatal),+ }
            }
        }
    };
}

clauses! {
    COUNT_1 "COUNT-1" Quiescence false "A page's mapcount is the number of present page-table entries that map it.";
    COUNT_2 "COUNT-2" Quiescence false "A page's count is the number of references to it: present entries, the swap cache, isolation, and pins.";
    COUNT_3 "COUNT-3" Always true "A page is freed exactly when its last reference goes, and then nothing maps it, locks it or finds it.";
    COUNT_4 "COUNT-4" Always true "No reference is taken to a page whose count is frozen.";
    LEAK_1 "LEAK-1" Quiescence false "Nothing leaks: every page that is not free is reachable, every anon_vma that is allocated has a VMA, and every anonmm an address space or a page.";
    LRU_1 "LRU-1" Always false "A page is on the LRU list once, from its first mapping or reading until it is freed, but while it is isolated.";
    SWAP_1 "SWAP-1" Quiescence false "A swap slot's count is the number of page-table entries that hold it, plus one if it is in the swap cache.";
    SWAP_2 "SWAP-2" Always true "Nothing gives up a claim on a swap slot that is free.";
    SWAP_3 "SWAP-3" Quiescence false "A page is marked as in the swap cache if and only if a slot of the swap cache holds it.";
    SWAP_4 "SWAP-4" Always false "A page is dropped without being written out only if the swap device holds what it holds.";
    SWAP_5 "SWAP-5" Always false "A page leaves the swap cache as its owner's alone only while nobody else refers to it.";
    SWAP_6 "SWAP-6" Always false "When swapoff is over, nothing refers to the device.";
    SWAP_7 "SWAP-7" Always false "What the device writes to a slot is the page that the swap cache has there.";
    MIG_1 "MIG-1" Always false "A migration entry never outlives the lock on its page.";
    MIG_2 "MIG-2" Quiescence false "No migration entry is left when all is quiet.";
    RMAP_1 "RMAP-1" Quiescence false "Every present page-table entry of an anonymous page can be found through the page's reverse map.";
    RMAP_2 "RMAP-2" Always false "A reverse-map walker sees vm_start, vm_end and vm_pgoff of a VMA as they were published together.";
    RMAP_3 "RMAP-3" Quiescence false "A VMA is on the lists of exactly the anon_vmas that it is linked to, once each, and its own is one of them; an anonmm is in its bundle once.";
    VMA_1 "VMA-1" Quiescence false "The VMAs of an address space are sorted, none is empty, and no two overlap.";
    NULL_1 "NULL-1" Always true "No NULL pointer is followed.";
    LIFE_1 "LIFE-1" Always true "An anon_vma is used only while it is allocated, or under an RCU read section that began before it was freed.";
    LIFE_2 "LIFE-2" Always true "An anon_vma is unlocked through the same lock through which it was locked.";
    LIFE_3 "LIFE-3" Always true "A page frame is used only by those who still mean the page that is in it.";
    LIFE_4 "LIFE-4" Always true "An anonmm is used only while somebody refers to it, and freed once.";
    COW_1 "COW-1" Always false "A store is seen by no other process.";
    COW_2 "COW-2" Always false "A page-table entry through which a process may store is the only entry, present or on swap, that stands for its page.";
    DATA_1 "DATA-1" Always false "A load returns what was last stored there.";
    PIN_1 "PIN-1" Always false "While a device stores into a page, its process finds no other page there.";
    PIN_2 "PIN-2" Always false "A device that reads a page sees no store of another process that came after it was given the page.";
    HINT_1 "HINT-1" Always false "Whoever has made a page stable finds it stable until he lets go of it.";
    HINT_2 "HINT-2" Always false "What the host has discarded is on the swap device for as long as anybody needs it.";
    HINT_3 "HINT-3" Always false "What the host has discarded is read and written by nobody.";
    HINT_4 "HINT-4" Always true "A page that the host has discarded is taken away once, and nothing maps it then or afterwards.";
    ORDER_1 "ORDER-1" Exploration false "Locks that may be waited for are always taken in the same order.";
    ATOMIC_1 "ATOMIC-1" Always false "Nothing sleeps while it holds a spin lock or is inside an RCU read section.";
    GUARD_1 "GUARD-1" Always false "What a lock protects is touched only by the holder of the lock.";
    DEADLOCK "DEADLOCK" Always true "No circle of CPUs waits for each other.";
    LIVELOCK "LIVELOCK" Liveness true "No fair schedule goes round for ever without progress.";
    UNLOCK_1 "UNLOCK-1" Always false "A lock is released by its owner, once, and before its CPU ends.";
    RACE_1 "RACE-1" Quiescence false "No execution ends as its race says that none may.";
    ASSERT_1 "ASSERT-1" Always true "What a race itself asserts, on a CPU or at the end, holds.";
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
