//! What an exploration found.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::time::Duration;

use crate::access::Op;
use crate::left_out::LeftOut;
use crate::saved::Saved;
use crate::schedule::Schedule;

/// A task that waits, in a deadlock or a livelock.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// Index of the task.
    pub task: usize,
    /// Its name.
    pub name: String,
    /// What it is about to do; `None` if it waits for another task's end.
    pub op: Option<Op>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Some(op) => write!(f, "{} (task {}) at {op}", self.name, self.task),
            None => write!(f, "{} (task {}) at join", self.name, self.task),
        }
    }
}

/// How an execution failed.
pub enum FailureKind {
    /// A task panicked.
    #[non_exhaustive]
    Panic {
        /// The task.
        task: usize,
        /// The panic's payload, of any type.
        payload: Box<dyn Any + Send>,
        /// The payload as text, if it is a string.
        message: String,
    },
    /// No task can run, and some have not ended.
    #[non_exhaustive]
    Deadlock {
        /// Those tasks.
        waiting: Vec<Waiting>,
    },
    /// Tasks go round for ever although every task that could run does.
    #[non_exhaustive]
    Livelock {
        /// The steps that repeat, as indices into the schedule.
        cycle: Range<usize>,
        /// The tasks that have not ended.
        waiting: Vec<Waiting>,
    },
    /// The program did something else than in the same situation before, so nothing can be
    /// concluded about it.
    #[non_exhaustive]
    Nondeterminism {
        /// The step at which it differed.
        step: usize,
        /// What it did before, and what it did now.
        detail: String,
    },
}

impl FailureKind {
    /// A short text by which failures are told apart: the first of each is kept in the [`Report`].
    pub fn class(&self) -> String {
        match self {
            FailureKind::Panic { message, .. } => format!("panic: {message}"),
            FailureKind::Deadlock { waiting } => {
                let mut class = "deadlock:".to_owned();
                for task in waiting {
                    class.push_str(&format!(" {task};"));
                }
                class
            }
            FailureKind::Livelock { waiting, .. } => {
                let mut class = "livelock:".to_owned();
                for task in waiting {
                    class.push_str(&format!(" {}", task.name));
                }
                class
            }
            FailureKind::Nondeterminism { .. } => "nondeterminism".to_owned(),
        }
    }
}

/// The failure of a task that panicked.
pub(crate) fn panic_failure(task: usize, payload: Box<dyn Any + Send>) -> FailureKind {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(a payload that is no text)".to_owned()
    };
    FailureKind::Panic { task, payload, message }
}

impl fmt::Debug for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Panic { task, message, .. } => {
                write!(f, "task {task} panicked: {message}")
            }
            FailureKind::Deadlock { waiting } => {
                f.write_str("deadlock:")?;
                waiting.iter().try_for_each(|task| write!(f, " {task};"))
            }
            FailureKind::Livelock { cycle, waiting } => {
                write!(f, "livelock, steps {} to {} repeat:", cycle.start, cycle.end)?;
                waiting.iter().try_for_each(|task| write!(f, " {task};"))
            }
            FailureKind::Nondeterminism { step, detail } => {
                write!(f, "the program is not deterministic at step {step}: {detail}")
            }
        }
    }
}

/// An execution that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// How.
    pub kind: FailureKind,
    /// The interleaving up to the failure; [`Strategy::Replay`](crate::Strategy::Replay) repeats
    /// it.
    pub schedule: Schedule,
    /// Switches away from a task that could have gone on. And stores that were on their way to
    /// memory, and could have gone there, when their task, or a later store of its, went on
    /// instead; and steps that have not seen, or not written, what is newest
    /// ([`memory`](crate::memory)).
    pub preemptions: u32,
    /// All switches.
    pub switches: u32,
    /// The number of the execution, from 0.
    pub execution: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, schedule) = (&self.kind, &self.schedule);
        write!(
            f,
            "{kind} [{} preemptions, {} switches, schedule {schedule}]",
            self.preemptions, self.switches
        )
    }
}

/// How an execution ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Every task ended.
    Complete,
    /// It failed.
    Failed,
    /// It was cut, because all that could follow has been or will be seen in other executions.
    Cut,
}

/// A step that is taken again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Repeated {
    /// Index of the task.
    pub task: usize,
    /// Its name.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// Where it is announced.
    pub at: Option<&'static Location<'static>>,
    /// How many of the last steps it is.
    pub times: usize,
    /// The number of these.
    pub of: usize,
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repeated { task, name, op, at, times, of } = self;
        write!(f, "{times} of the last {of} are {op} of task {task} ({name})")?;
        at.map_or(Ok(()), |at| write!(f, " at {at}"))
    }
}

/// Why an exploration ended before everything was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unfinished {
    /// As many executions as the budget allows.
    Executions,
    /// The time of the budget is over.
    Time,
    /// The caller's flag or callback said stop.
    Stopped,
    /// A failure was found, and that is where the search ends.
    Found,
    /// The strategy samples, and does not claim to see everything.
    Sampled,
    /// The preemption bound that was asked for is reached.
    Bound(u32),
    /// An execution has more steps than [`Explorer::max_steps`](crate::Explorer::max_steps) allows:
    /// maybe it never ends.
    #[non_exhaustive]
    TooLong {
        /// How many it has.
        steps: usize,
        /// What it does most often at its end.
        repeats: Option<Box<Repeated>>,
    },
    /// All was explored but this, under [`Memory::Weak`](crate::Memory::Weak): a retry loop went
    /// round and led back to where it began. What others see of such a round was explored; what they
    /// see of several was not, and somebody might be able to tell the difference (see
    /// [`algorithm`](crate::algorithm)).
    Rounds,
    /// As many states were met as may be remembered, and all have to be, since the program's
    /// executions need not end; or as many as there may be at all
    /// ([`Explorer::few_states`](crate::Explorer::few_states)).
    States(usize),
    /// The strategy cannot explore the program, or not in the way that was asked for.
    Unavailable(String),
    /// Only a shard was explored.
    Shard,
    /// The program is not deterministic.
    Nondeterminism,
    /// The schedule to replay does not fit the program.
    #[non_exhaustive]
    Misfit {
        /// The step at which it does not.
        step: usize,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::Executions => f.write_str("the budget of executions is used up"),
            Unfinished::Time => f.write_str("the time is over"),
            Unfinished::Stopped => f.write_str("stopped by the caller"),
            Unfinished::Found => f.write_str("a failure was found"),
            Unfinished::Sampled => f.write_str("this strategy samples"),
            Unfinished::Bound(bound) => {
                write!(f, "only executions with up to {bound} preemptions were asked for")
            }
            Unfinished::TooLong { steps, repeats } => {
                write!(f, "an execution has more than {steps} steps")?;
                repeats.as_ref().map_or(Ok(()), |repeats| write!(f, "; {repeats}"))
            }
            Unfinished::Rounds => f.write_str(
                "a loop went round in vain once, and what is seen of several such rounds was left out",
            ),
            Unfinished::States(most) => {
                write!(f, "more than {most} states would have to be remembered")
            }
            Unfinished::Unavailable(why) => write!(f, "unavailable: {why}"),
            Unfinished::Shard => f.write_str("only one shard was explored"),
            Unfinished::Nondeterminism => f.write_str("the program is not deterministic"),
            Unfinished::Misfit { step, why } => {
                write!(f, "the schedule does not fit the program at step {step}: {why}")
            }
        }
    }
}

/// What an exploration found, and whether it saw everything.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// All executions, also those that were cut.
    pub executions: u64,
    /// Executions that ran to their end or to a failure: under
    /// [`Strategy::Dpor`](crate::Strategy::Dpor) one per inequivalent interleaving, and one per
    /// failure.
    pub complete: u64,
    /// Executions that were cut as redundant, or by a sampler because they had grown too long;
    /// under [`Strategy::Dpor`](crate::Strategy::Dpor) also those in which a retry loop went round
    /// without a trace, and those that show a failure once more.
    pub blocked: u64,
    /// Executions that failed; under [`Strategy::Dpor`](crate::Strategy::Dpor) in different ways:
    /// if a task panics, what it says or what happens before that differs.
    pub failing: u64,
    /// Under [`Strategy::States`](crate::Strategy::States): different states in which something
    /// could run, as far as they were met and told apart. The other counts say how much work that
    /// was: an execution is complete if it was not cut at a state that was gone on from before. On
    /// several threads, how many there are depends on who comes to what first.
    pub states: u64,
    /// The first failure of each class, in the order they were found.
    pub failures: Vec<Failure>,
    /// Whether every interleaving was covered.
    pub exhausted: bool,
    /// Why not.
    pub why_unfinished: Option<Unfinished>,
    /// Whether the one failure is minimal: every execution with fewer preemptions was covered, and
    /// no failing execution with as few preemptions has fewer switches.
    pub minimal: bool,
    /// All executions with up to this many preemptions were covered.
    pub covered_preemptions: Option<u32>,
    /// States in which something is left to explore, if the exploration is unfinished.
    pub frontier: u64,
    /// The most steps of an execution.
    pub max_depth: usize,
    /// The most tasks of an execution.
    pub max_tasks: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// See [`Unfinished::Rounds`].
    pub(crate) left_out: LeftOut,
    /// Under [`Strategy::Dpor`](crate::Strategy::Dpor), [`Strategy::Dfs`](crate::Strategy::Dfs) and
    /// [`Strategy::States`](crate::Strategy::States): what it takes to go on, and to put shards
    /// together. Counts and failures include those of the
    /// exploration that was resumed.
    pub saved: Option<Saved>,
}

impl Report {
    /// Add what another worker found.
    pub(crate) fn add(&mut self, other: Report) {
        self.executions += other.executions;
        self.complete += other.complete;
        self.blocked += other.blocked;
        self.failing += other.failing;
        self.failures.extend(other.failures);
        self.exhausted &= other.exhausted;
        self.left_out.add(&other.left_out);
        // That another worker made it stop is no reason.
        if self.why_unfinished.is_none() || self.why_unfinished == Some(Unfinished::Stopped) {
            self.why_unfinished = other.why_unfinished.or(self.why_unfinished.take());
        }
        self.frontier += other.frontier;
        self.states = self.states.max(other.states);
        self.max_depth = self.max_depth.max(other.max_depth);
        self.max_tasks = self.max_tasks.max(other.max_tasks);
        self.elapsed = self.elapsed.max(other.elapsed);
    }

    /// As far as anybody has seen.
    pub(crate) fn is_deterministic(&self) -> bool {
        let not = |failure: &Failure| matches!(failure.kind, FailureKind::Nondeterminism { .. });
        !self.failures.iter().any(not)
    }

    /// By states: would a search that goes on with what is known come further?
    pub(crate) fn may_go_on(&self) -> bool {
        use Unfinished::{Executions, Found, States, Stopped, Time};
        let may = |why: &_| matches!(why, Executions | Time | Stopped | Found | States(_));
        self.why_unfinished.as_ref().is_none_or(may)
    }

    /// Keep one failure of each class: the first in the order of schedules, which does not depend
    /// on who found it when.
    pub(crate) fn keep_first_failures(&mut self) {
        self.failures.sort_by(|a, b| a.schedule.tasks().cmp(b.schedule.tasks()));
        let mut classes = HashSet::new();
        self.failures.retain(|failure| classes.insert(failure.kind.class()));
    }

    /// The first failure that was found.
    pub fn failure(&self) -> Option<&Failure> {
        self.failures.first()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} executions ({} complete, {} cut)",
            self.executions, self.complete, self.blocked
        )?;
        match &self.why_unfinished {
            None => write!(f, ", exhaustive")?,
            Some(why) => write!(f, ", unfinished: {why}")?,
        }
        match self.failing {
            0 => write!(f, ", no failure"),
            count => write!(f, ", {count} fail"),
        }
    }
}

impl Saved {
    /// Count an execution.
    pub(crate) fn count_execution(&mut self, counted: bool, failure: Option<&Failure>) {
        let failures = failure.map(|failure| (failure.kind.class(), failure.schedule.clone()));
        self.add(&Saved {
            executions: 1,
            complete: u64::from(counted),
            blocked: u64::from(!counted),
            failing: u64::from(counted && failure.is_some()),
            failures: failures.into_iter().collect(),
            ..Saved::default()
        });
    }

    /// Take over the counts and failures of a report.
    pub(crate) fn count(&mut self, report: &Report) {
        let failures =
            report.failures.iter().map(|failure| (failure.kind.class(), failure.schedule.clone()));
        self.add(&Saved {
            executions: report.executions,
            complete: report.complete,
            blocked: report.blocked,
            failing: report.failing,
            failures: failures.collect(),
            left_out: report.left_out.clone(),
            ..Saved::default()
        });
    }
}
