//! The violating interleaving.

use serde::{Deserialize, Serialize};

/// One interleaving that violates a clause; or one that violates nothing, to be shown beside such
/// ([`Ending::Complete`]): then what is said of a clause is empty.
///
/// The indices in it ([`Step::cpu`], [`Ending::Livelock`]) come from outside and are not trusted:
/// renderers show a step of a CPU that has no name in [`cpus`](Self::cpus) in a column of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Witness {
    /// The race's id: `S3.1`.
    pub race: String,
    /// The race in one sentence: `vma_adjust moves the range under rmap_walk`.
    pub title: String,
    /// The protocol it ran under: `2.6.34`.
    pub protocol: String,
    /// The violated clause: `MIG-1`.
    pub clause: String,
    /// What the clause demands.
    pub clause_text: String,
    /// Where the clause stands: `SPEC.md#mig-1`.
    pub spec: String,
    /// What was violated here, concretely: `pte[mm0:4] = mig(P0), P0 unlocked`.
    pub what: String,
    /// Who found it, and what that finding is worth.
    pub found: Found,
    /// Switches away from a CPU that could have run on; under TSO and PSO also the stores that
    /// their own CPU overtakes, and under RC11 the steps that do not see, or write, what is newest.
    pub preemptions: u32,
    /// All switches, those from a blocked or finished CPU included.
    pub switches: u32,
    /// What each CPU does, one column head a CPU: `migrate_pages`, `vma_adjust (split at 2)`.
    pub cpus: Vec<String>,
    /// The memory when the CPUs start, by name.
    #[serde(default)]
    pub start: Vec<Fact>,
    /// The interleaving, in the order in which the steps took effect.
    pub steps: Vec<Step>,
    /// How it ends.
    pub ending: Ending,
    /// The locks held at the end.
    #[serde(default)]
    pub held: Vec<Held>,
    /// The interleaving as who found it runs it again: `0*13.1*3.0*8`.
    pub schedule: String,
    /// The command that does so; empty where there is none.
    pub replay: String,
}

impl Witness {
    /// An interleaving without CPUs and steps that violates nothing ([`Ending::Complete`]). Assign
    /// the fields that are to say something else.
    pub fn new(
        race: impl Into<String>,
        title: impl Into<String>,
        protocol: impl Into<String>,
        found: Found,
    ) -> Self {
        Self {
            race: race.into(),
            title: title.into(),
            protocol: protocol.into(),
            clause: String::new(),
            clause_text: String::new(),
            spec: String::new(),
            what: String::new(),
            found,
            preemptions: 0,
            switches: 0,
            cpus: Vec::new(),
            start: Vec::new(),
            steps: Vec::new(),
            ending: Ending::Complete,
            held: Vec::new(),
            schedule: String::new(),
            replay: String::new(),
        }
    }
}

/// Something in memory, and what is in it: `pte[mm0:4]` and `P0 rw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What is in it.
    pub value: String,
}

/// How a witness was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Found {
    /// The engine: `dpor`, `loom`, `shuttle random`; two where another one has found the shortest.
    pub engine: String,
    /// The memory model the engine explores: `sequentially consistent`.
    pub memory_model: String,
    /// Executions run until it was found.
    pub executions: u64,
    /// Established that no execution with fewer [`preemptions`](Witness::preemptions) violates the
    /// clause, and none with as many and fewer switches.
    pub minimal: bool,
}

impl Found {
    /// Found after so many executions, and not known to be [`minimal`](Self::minimal).
    pub fn new(
        engine: impl Into<String>,
        memory_model: impl Into<String>,
        executions: u64,
    ) -> Self {
        Self {
            engine: engine.into(),
            memory_model: memory_model.into(),
            executions,
            minimal: false,
        }
    }
}

/// One visible step of one CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The CPU that takes it, an index into [`Witness::cpus`].
    pub cpu: usize,
    /// Depth of the call it happens in; renderers indent by it.
    pub depth: u8,
    /// What kind of step it is.
    pub kind: StepKind,
    /// The step in words: `lock(anon_vma#1)`, `vma0.vm_start := 2`,
    /// `vma_address(P1, vma0) = -EFAULT`.
    pub text: String,
    /// The object it is about: the lock taken or dropped (`anon_vma#1`), the word read or written
    /// (`vma0.vm_start`). Empty where there is none. Two steps on the same object carry the same
    /// string: lock bars and the choice of the loads that matter rest on it.
    #[serde(default)]
    pub object: String,
    /// What is true from this step on: `P0.mapcount 1→0`.
    #[serde(default)]
    pub now: Vec<String>,
    /// The source line: `src/mm/rmap.rs:41`.
    #[serde(default)]
    pub at: String,
}

impl Step {
    /// A step of depth 0 that is about no object, makes nothing true, and has no source line. Assign
    /// the fields that are to say something else.
    pub fn new(cpu: usize, kind: StepKind, text: impl Into<String>) -> Self {
        Self {
            cpu,
            depth: 0,
            kind,
            text: text.into(),
            object: String::new(),
            now: Vec::new(),
            at: String::new(),
        }
    }
}

/// What kind of step a [`Step`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StepKind {
    /// A function is entered; the steps in it have a greater depth.
    Call,
    /// A function returns.
    Return,
    /// A lock is taken exclusively.
    Lock,
    /// A lock is taken shared: the read side of a reader/writer semaphore.
    LockShared,
    /// A lock is taken by a try-lock.
    TryLock,
    /// A try-lock finds the lock taken.
    TryLockFailed,
    /// A lock is dropped; not necessarily by the CPU that took it (the page lock).
    Unlock,
    /// The CPU waits, for a lock or for something else that has not happened: it takes no step.
    Blocked,
    /// A visible load.
    Load,
    /// A visible store, or a read-modify-write.
    Store,
    /// A memory fence.
    Fence,
    /// An RCU read section begins.
    RcuLock,
    /// An RCU read section ends.
    RcuUnlock,
    /// A grace period is waited for, begins, or ends.
    Rcu,
    /// A remark of the protocol: a decision, a value that matters.
    Note,
    /// The violation.
    Violation,
}

/// How a witness ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// A clause is found violated by the last step (or by the last one of kind
    /// [`StepKind::Violation`]).
    Violation,
    /// All CPUs have ended, and what they leave behind violates a clause. Who looks at all of it
    /// finds that; no step does.
    Audit,
    /// Everybody in the cycle waits for the next one.
    Deadlock {
        /// The wait-for cycle: each waits for what the next one holds, and the last for what the
        /// first one holds.
        cycle: Vec<Wait>,
    },
    /// Some steps repeat for ever.
    Livelock {
        /// Index into [`Witness::steps`] of the first step that repeats.
        first: usize,
        /// Index of the last step that repeats.
        last: usize,
    },
    /// It runs to its end, and violates nothing: what is shown beside a violation.
    Complete,
}

/// One CPU in a wait-for cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The CPU that waits.
    pub cpu: usize,
    /// What it holds.
    pub holds: String,
    /// What it waits for.
    pub wants: String,
}

/// A lock held at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The CPU that holds it.
    pub cpu: usize,
    /// The lock.
    pub lock: String,
}
