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
    ($(family $title:literal $rationale:literal {
        $($id:ident $name:literal $kind:ident $fatal:literal $text:literal $why:literal;)+
    })+) => {
        /// One sentence that must hold. SPEC.md §4 has the same ids and the same words;
        /// `tests/catalogue/spec_ties.rs` compares them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(non_camel_case_types, reason = "the ids are written as in SPEC.md")]
        #[non_exhaustive]
        pub enum Clause {
            $($(#[doc = $text] #[doc = ""] #[doc = $why] $id,)+)+
        }

        impl Clause {
            /// All of them, in SPEC.md's order.
            pub const ALL: &[Clause] = &[$($(Clause::$id),+),+];

            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The id, as `MIG-1`.
            pub fn id(self) -> &'static str {
                match self { $($(Clause::$id => $name),+),+ }
            }

            /// The sentence.
            pub fn text(self) -> &'static str {
                match self { $($(Clause::$id => $text),+),+ }
            }

            /// Why it must hold: what becomes of a kernel in which it does not.
            pub fn why(self) -> &'static str {
                match self { $($(Clause::$id => $why),+),+ }
            }

            /// Those that are about the same thing: what that is, why it matters, and which they
            /// are; in the order of [`ALL`](Self::ALL).
            pub const FAMILIES: &[(&str, &str, &[Clause])] =
                &[$(($title, $rationale, &[$(Clause::$id),+])),+];

            /// When it is evaluated.
            pub fn kind(self) -> Kind {
                match self { $($(Clause::$id => Kind::$kind),+),+ }
            }

            /// Is the state meaningless once it is violated, so that the execution cannot go on?
            pub(crate) fn is_fatal(self) -> bool {
                match self { $($(Clause::$id => $fatal),+),+ }
            }
        }
    };
}

clauses! {
    family "Counts and lists"
        "Whoever drops the last reference to a page frees it, and asks nobody. So the counts \
         alone keep a page that is in use, and the lists alone find one that is not." {
        COUNT_1 "COUNT-1" Quiescence false
            "A page's mapcount is the number of present page-table entries that map it."
            "At zero, reclaim and migration take the page for unmapped. Too low, and it goes \
             while a process still reads it; too high, and it never leaves memory.";
        COUNT_2 "COUNT-2" Quiescence false
            "When all is quiet, a page's count is the number of present entries that map it, plus \
             one if it is in the swap cache or the page cache, plus one for each pagevec that it \
             waits in."
            "With a reference too many the page is never free again; with one too few it is freed \
             under somebody who uses it.";
        COUNT_3 "COUNT-3" Always true
            "A page is freed when its last reference goes, and not otherwise; at that moment no \
             entry names it, nobody has it locked, and the swap cache does not hold it."
            "A page that is freed while an entry maps it is another process's in a moment, and \
             the two read and overwrite each other's memory.";
        COUNT_4 "COUNT-4" Always true
            "No reference is taken to a page whose count is frozen."
            "Who has frozen the count frees or replaces the page, since nobody else has it. \
             Whoever has got a reference all the same goes on with a frame that is somebody \
             else's.";
        LEAK_1 "LEAK-1" Quiescence false
            "Nothing leaks: every page that is not free is referred to by an entry, the swap \
             cache, the page cache or a pagevec; every anon_vma has a VMA on its list or a \
             reference; every anonmm an address space, a page or a member."
            "What leaks is gone until the machine is started again, and one day there is no \
             memory left, with nobody to blame.";
        LRU_1 "LRU-1" Always false
            "A page is never put on the LRU list twice, nor taken off it when it is not there; \
             when all is quiet, every page that is not free is on the list or waits in a pagevec, \
             and its PG_lru says which."
            "The list is linked through the pages: one that is on it twice, or taken off it \
             twice, tears the links of others. One that is not on it is never reclaimed.";
    }
    family "Swap"
        "What a page holds is in the page, or in its slot, or in both. Page tables, swap map and \
         swap cache must agree on that, for a slot without a claim is handed out again at once." {
        SWAP_1 "SWAP-1" Quiescence false
            "A swap slot is claimed once by each page-table entry that holds it, once by the swap \
             cache if a page is there for it, once by a file in memory whose page it is, and by \
             nobody else."
            "With a claim too few the slot goes to another page, and a process reads back what is \
             not its own; with one too many it is never free again, and swapoff does not end.";
        SWAP_2 "SWAP-2" Always true
            "Nobody gives up a claim on a swap slot that has no claim left."
            "Somebody has given up one claim twice. Had the slot been handed out in between, the \
             second time its new page would have lost it.";
        SWAP_3 "SWAP-3" Quiescence false
            "A page is marked as in the swap cache if and only if a slot of the swap cache holds \
             it."
            "A page that is marked and not there is taken for one whose contents are on swap, \
             too. One that is there and not marked is taken for one that has left: a fault that \
             finds it by its slot looks again for ever, and who frees it leaves a slot that names \
             it.";
        SWAP_4 "SWAP-4" Always false
            "A page that reclaim drops without writing it out has the same contents as its swap \
             slot, if an entry holds that."
            "The page is read back from the slot some day: what was stored last is lost, and \
             nobody is told.";
        SWAP_5 "SWAP-5" Always false
            "When remove_exclusive_swap_page takes a page out of the swap cache, only the caller \
             and the swap cache have a reference to it."
            "Who has another reference may have found the page in the swap cache a moment ago; he \
             maps it as the slot's, and by then the slot may be another page's.";
        SWAP_6 "SWAP-6" Always false
            "When swapoff is over, nothing refers to the device."
            "The device may be taken out then. An entry that names it still leads nowhere, and a \
             CPU that is still in its swap map touches memory that is freed.";
        SWAP_7 "SWAP-7" Always false
            "What the device writes to a slot is the page that the swap cache has there."
            "If the slot is given up while the device writes, what arrives there overwrites what \
             the next owner has put there.";
    }
    family "Migration entries"
        "A migration entry is a promise: somebody moves the page, and will put the entry right \
         before he unlocks it. Who meets one believes that, and knows nothing else of the page." {
        MIG_1 "MIG-1" Always false
            "As long as a migration entry names a page, the page is locked: nobody unlocks it \
             before, and nobody meets such an entry of an unlocked page."
            "Who meets such an entry has no way to the page's new place. The kernel stops at once \
             (`BUG_ON` in `migration_entry_to_page`); if it did not, it would follow the entry \
             into a frame that is another's by then.";
        MIG_2 "MIG-2" Quiescence false
            "No migration entry is left when all is quiet."
            "The page is lost to its process: nobody puts the entry right any more, and whoever \
             comes there stops, or goes round for ever.";
    }
    family "Finding every entry"
        "Reclaim may miss an entry, and come again. Migration and a discard may not: what they \
         leave behind is wrong from then on." {
        RMAP_1 "RMAP-1" Quiescence false
            "Every present page-table entry of an anonymous page can be found through the page's \
             reverse map, and that of a file's page in a VMA that the file knows of."
            "An entry that is not found is never unmapped: the page stays in memory for good, and \
             a migration of it fails or leaves something behind.";
        RMAP_2 "RMAP-2" Always false
            "The vm_start and vm_pgoff from which a walk computes a page's address belong \
             together: their difference is the VMA's, unless the protocol notices afterwards that \
             a walk was wrong."
            "Half old and half new, the two say an address at which the page is not: the walk \
             looks at another's entry, or at none, and passes by the one that it had to find.";
        RMAP_3 "RMAP-3" Quiescence false
            "A VMA is once on the list of each anon_vma that it is linked to, and on no other; if \
             it is linked to any, its own is one of them; where an anon_vma counts those that have \
             it for their own, and its children, it has so many; an anonmm is in its bundle once."
            "What is mapped in a VMA that is on no list is not found; a VMA that is freed and on \
             a list is followed; an anon_vma that counts too few is used by others, too.";
        VMA_1 "VMA-1" Quiescence false
            "The VMAs of an address space are sorted, none is empty, and no two overlap."
            "`find_vma` takes the first that ends behind an address: of two that overlap, which \
             one a fault gets is chance, and so is what it may do there.";
        NULL_1 "NULL-1" Always true
            "No NULL pointer is followed, nor anything else that stands where a pointer may and is \
             none."
            "The kernel dies there, an oops, with the locks held that it held.";
    }
    family "Lives"
        "A pointer does not keep what it points to. A reference does, or a lock without which the \
         thing is not freed, or RCU; and RCU keeps the memory, not what is in it." {
        LIFE_1 "LIFE-1" Always true
            "An anon_vma is used only while it is allocated, or under an RCU read section that \
             began before it was freed."
            "The lock that is taken then is a word of somebody else's object: that is \
             overwritten, and the list behind it is anything.";
        LIFE_2 "LIFE-2" Always true
            "Whoever unlocks an anon_vma holds the lock that he unlocks: the root that he finds \
             then is the one through which he locked it."
            "The lock that was taken is never given back, and one that another holds is taken \
             from him.";
        LIFE_3 "LIFE-3" Always true
            "A pointer to a page is followed only while that page is in its frame, and a pointer \
             to a VMA only until the VMA is freed."
            "The frame holds another page by then, and data of another process is read or \
             overwritten; of a VMA, anything at all.";
        LIFE_4 "LIFE-4" Always true
            "An anonmm is freed once, and nobody uses it afterwards; its count is never below the \
             number of those that refer to it."
            "It lives in ordinary memory: used after it is freed, it is anything, and freed \
             twice, it is handed out twice.";
    }
    family "What a process sees"
        "This is what all the rest is for. The clauses before this say how it comes about; these \
         say what a program, or the device that works for it, can tell." {
        COW_1 "COW-1" Always false
            "A load never returns what another process has stored at that address and the loading \
             process has not inherited."
            "What one process keeps to itself stands in the memory of another.";
        COW_2 "COW-2" Always false
            "If an entry lets its process store into a page, no other page-table entry maps that \
             page or holds its swap slot."
            "The next store goes to all who have the page: COW-1 says who has seen that already, \
             this one that it can happen.";
        DATA_1 "DATA-1" Always false
            "A load returns what was last stored there, in shared memory by whomever."
            "A store is lost. The program computes with what was there before, and nobody is told.";
        PIN_1 "PIN-1" Always false
            "As long as a device may store into a page, no other page is mapped at the address \
             from which the device's process gave it."
            "What the device stores arrives in a page that its process does not see any more: \
             what was read with `O_DIRECT` is lost.";
        PIN_2 "PIN-2" Always false
            "What a device reads from a page is something that the process which gave the page \
             away had there at that moment, or has stored since."
            "The device sends or writes what another process has stored there since: its data \
             leave the machine in somebody else's name.";
        PIN_3 "PIN-3" Always false
            "What a device reads from a page is what the process which gave the page away has \
             there, or had when it gave that memory up."
            "The process has got another page, and what it stores is never sent: the device goes \
             on with what was there before.";
    }
    family "A host that discards"
        "Document 2 only. The host takes away what a volatile page holds, at any time and without \
         asking; what it takes must be on swap, and nobody may be using it." {
        HINT_1 "HINT-1" Always false
            "A page that somebody has made stable is not made volatile until he has dropped his \
             reference."
            "The contents vanish under somebody who has made sure of them and does not look again.";
        HINT_2 "HINT-2" Always false
            "As long as a discarded page is mapped or dirty, its swap slot holds its contents and \
             is not given up, or it is a file's, clean and all zeroes."
            "Otherwise nothing holds the contents any more, and the process reads another page's, \
             or none.";
        HINT_3 "HINT-3" Always false
            "What the host has discarded is read and written by nobody."
            "There is nothing to read, and what is written goes nowhere.";
        HINT_4 "HINT-4" Always true
            "A discarded page is taken out of the swap cache or the page cache once, every \
             mapping can be removed first, and none comes afterwards."
            "Taken out twice, it loses a reference twice and is freed under somebody; an entry \
             that is left leads to a frame that is another's.";
    }
    family "Locks and progress"
        "These hold of any code that takes locks, whatever it is for. Without them nothing above \
         is worth anything, since it is argued from who holds what." {
        ORDER_1 "ORDER-1" Exploration false
            "Locks that may be waited for are always taken in the same order."
            "Two CPUs that take the same two locks in different orders will wait for each other \
             some day, though no execution here has to show it.";
        ATOMIC_1 "ATOMIC-1" Always false
            "Nothing sleeps while it holds a spin lock or is inside an RCU read section."
            "Everybody who spins for the lock spins for as long as that one sleeps, and he may \
             sleep until one of them goes on; a grace period waits for such a read section, or, \
             where sleeping ends it, ends too early.";
        GUARD_1 "GUARD-1" Always false
            "What a lock protects is touched only with the lock held; and of two CPUs that touch \
             the same plain data, one of them to change it, a lock or a step orders the two."
            "Somebody sees half of a change: a list with a link that is not set yet, a sum of an \
             old and a new part.";
        DEADLOCK "DEADLOCK" Always true
            "No CPU waits, directly or through others, for itself."
            "The tasks hang until the machine is started again, and by and by all who want what \
             they hold.";
        LIVELOCK "LIVELOCK" Liveness true
            "No strongly fair schedule goes round for ever without progress: who waits for a lock \
             that is free again and again gets it."
            "The CPU is busy and nothing comes of it: swapoff or the removal of memory never \
             ends, and nothing says why.";
        UNLOCK_1 "UNLOCK-1" Always false
            "A spin lock, a semaphore or an RCU read section is left only by the CPU that has \
             entered it; a page is unlocked only if it is locked; and a CPU that ends holds \
             nothing."
            "A lock that somebody else gives back lets two in at once; one that nobody gives back \
             stops the next for ever.";
    }
    family "What a race says itself"
        "Not of the kernel, but of one race: what a document promises there, in the words of that \
         race." {
        RACE_1 "RACE-1" Quiescence false
            "No execution comes to an ending that its race excludes."
            "Such an ending breaks no memory. It costs what the document says it does not: a copy \
             that was not needed, a migration in vain, a swapoff that gives up.";
        ASSERT_1 "ASSERT-1" Always true
            "What a race itself asserts, on a CPU or at the end, holds."
            "It is the race's own statement, and means what it says there.";
    }
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
