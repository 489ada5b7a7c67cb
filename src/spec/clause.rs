//! The clauses: what every execution of every protocol must satisfy.

use std::fmt;
use std::str::FromStr;

/// When a clause is evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
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

macro_rules! clauses {
    ($($id:ident $name:literal $kind:ident $fatal:literal $text:literal;)+) => {
        /// One sentence that must hold. SPEC.md §4 has the same ids and the same words;
        /// `tests/catalogue/spec_ties.rs` compares them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(non_camel_case_types, reason = "the ids are written as in SPEC.md")]
        #[non_exhaustive]
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
    COUNT_1 "COUNT-1" Quiescence false
        "A page's mapcount is the number of present page-table entries that map it.";
    COUNT_2 "COUNT-2" Quiescence false
        "When all is quiet, a page's count is the number of present entries that map it, plus one \
         if it is in the swap cache or the page cache, plus one for each pagevec that it waits \
         in.";
    COUNT_3 "COUNT-3" Always true
        "A page is freed when its last reference goes, and not otherwise; at that moment no entry \
         names it, nobody has it locked, and the swap cache does not hold it.";
    COUNT_4 "COUNT-4" Always true "No reference is taken to a page whose count is frozen.";
    LEAK_1 "LEAK-1" Quiescence false
        "Nothing leaks: every page that is not free is referred to by an entry, the swap cache, \
         the page cache or a pagevec; every anon_vma has a VMA on its list or a reference; every \
         anonmm an address space, a page or a member.";
    LRU_1 "LRU-1" Always false
        "A page is never put on the LRU list twice, nor taken off it when it is not there; when \
         all is quiet, every page that is not free is on the list or waits in a pagevec, and its \
         PG_lru says which.";
    SWAP_1 "SWAP-1" Quiescence false
        "A swap slot is claimed once by each page-table entry that holds it, once by the swap \
         cache if a page is there for it, once by a file in memory whose page it is, and by \
         nobody else.";
    SWAP_2 "SWAP-2" Always true "Nobody gives up a claim on a swap slot that has no claim left.";
    SWAP_3 "SWAP-3" Quiescence false
        "A page is marked as in the swap cache if and only if a slot of the swap cache holds it.";
    SWAP_4 "SWAP-4" Always false
        "A page that reclaim drops without writing it out has the same contents as its swap slot.";
    SWAP_5 "SWAP-5" Always false
        "When remove_exclusive_swap_page takes a page out of the swap cache, only the caller and \
         the swap cache have a reference to it.";
    SWAP_6 "SWAP-6" Always false "When swapoff is over, nothing refers to the device.";
    SWAP_7 "SWAP-7" Always false
        "What the device writes to a slot is the page that the swap cache has there.";
    MIG_1 "MIG-1" Always false
        "As long as a migration entry names a page, the page is locked: nobody unlocks it before, \
         and nobody meets such an entry of an unlocked page.";
    MIG_2 "MIG-2" Quiescence false "No migration entry is left when all is quiet.";
    RMAP_1 "RMAP-1" Quiescence false
        "Every present page-table entry of an anonymous page can be found through the page's \
         reverse map, and that of a file's page in a VMA that the file knows of.";
    RMAP_2 "RMAP-2" Always false
        "The vm_start and vm_pgoff from which a walk computes a page's address belong together: \
         their difference is the VMA's, unless the protocol notices afterwards that a walk was \
         wrong.";
    RMAP_3 "RMAP-3" Quiescence false
        "A VMA is once on the list of each anon_vma that it is linked to, and on no other; if it \
         is linked to any, its own is one of them; an anonmm is in its bundle once.";
    VMA_1 "VMA-1" Quiescence false
        "The VMAs of an address space are sorted, none is empty, and no two overlap.";
    NULL_1 "NULL-1" Always true "No NULL pointer is followed.";
    LIFE_1 "LIFE-1" Always true
        "An anon_vma is used only while it is allocated, or under an RCU read section that began \
         before it was freed.";
    LIFE_2 "LIFE-2" Always true
        "Whoever unlocks an anon_vma holds the lock that he unlocks: the root that he finds then \
         is the one through which he locked it.";
    LIFE_3 "LIFE-3" Always true
        "A pointer to a page is followed only while that page is in its frame, and a pointer to a \
         VMA only until the VMA is freed.";
    LIFE_4 "LIFE-4" Always true
        "An anonmm is freed once, and nobody uses it afterwards; its count is never below the \
         number of those that refer to it.";
    COW_1 "COW-1" Always false
        "A load never returns what another process has stored at that address and the loading \
         process has not inherited.";
    COW_2 "COW-2" Always false
        "If an entry lets its process store into a page, no other page-table entry maps that page \
         or holds its swap slot.";
    DATA_1 "DATA-1" Always false
        "A load returns what was last stored there, in shared memory by whomever.";
    PIN_1 "PIN-1" Always false
        "As long as a device may store into a page, no other page is mapped at the address from \
         which the device's process gave it.";
    PIN_2 "PIN-2" Always false
        "What a device reads from a page is something that the process which gave the page away \
         had there at that moment, or has stored since.";
    HINT_1 "HINT-1" Always false
        "A page that somebody has made stable is not made volatile until he has dropped his \
         reference.";
    HINT_2 "HINT-2" Always false
        "As long as a discarded page is mapped or dirty, its swap slot holds its contents and is \
         not given up, or it is a file's, clean and all zeroes.";
    HINT_3 "HINT-3" Always false "What the host has discarded is read and written by nobody.";
    HINT_4 "HINT-4" Always true
        "A discarded page is taken out of the swap cache or the page cache once, every mapping \
         can be removed first, and none comes afterwards.";
    ORDER_1 "ORDER-1" Exploration false
        "Locks that may be waited for are always taken in the same order.";
    ATOMIC_1 "ATOMIC-1" Always false
        "Nothing sleeps while it holds a spin lock or is inside an RCU read section.";
    GUARD_1 "GUARD-1" Always false
        "What a lock protects is touched only with the lock held; and of two CPUs that touch the \
         same plain data, one of them to change it, a lock or a step orders the two.";
    DEADLOCK "DEADLOCK" Always true "No CPU waits, directly or through others, for itself.";
    LIVELOCK "LIVELOCK" Liveness true
        "No strongly fair schedule goes round for ever without progress: who waits for a lock \
         that is free again and again gets it.";
    UNLOCK_1 "UNLOCK-1" Always false
        "A spin lock, a semaphore or an RCU read section is left only by the CPU that has entered \
         it; a page is unlocked only if it is locked; and a CPU that ends holds nothing.";
    RACE_1 "RACE-1" Quiescence false "No execution comes to an ending that its race excludes.";
    ASSERT_1 "ASSERT-1" Always true "What a race itself asserts, on a CPU or at the end, holds.";
}

/// A text that is no clause's id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClauseError(String);

impl fmt::Display for ClauseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no clause is called '{}'", self.0)
    }
}

impl std::error::Error for ClauseError {}

/// What an [`Outcome`](crate::Outcome) or a [`Witness`](crate::Witness) names by its id.
///
/// ```
/// use lockwalk::Clause;
///
/// assert_eq!("MIG-1".parse(), Ok(Clause::MIG_1));
/// assert_eq!("MIG-9".parse::<Clause>().unwrap_err().to_string(), "no clause is called 'MIG-9'");
/// ```
impl FromStr for Clause {
    type Err = ClauseError;

    fn from_str(id: &str) -> Result<Self, ClauseError> {
        Self::ALL
            .iter()
            .copied()
            .find(|clause| clause.id() == id)
            .ok_or_else(|| ClauseError(id.into()))
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
