//! What each task did in an execution, and where another execution differs from it.

use std::any::TypeId;
use std::fmt;
use std::panic::Location;

use crate::access::{Access, ObjectId, Op};
use crate::report::{FailureKind, Waiting};
use crate::schedule::Schedule;

/// An object's name in every interleaving: the origin of the task that made it, and as which of its
/// objects.
type ObjectName = (u64, u32);

/// Something that a task did.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Did {
    Announced {
        object: ObjectId,
        name: ObjectName,
        access: Access,
        at: &'static Location<'static>,
    },
    Tried(bool),
    /// Which outcome a step had, of how many.
    Outcome {
        number: u32,
        of: u32,
    },
    Observed(u64),
    Round {
        local: Option<u64>,
        fingerprint: u64,
    },
    Noted {
        key: String,
        value: String,
    },
    Spawned(String),
    Joining {
        task: usize,
        origin: u64,
    },
    Ended,
    Panicked {
        message: String,
        payload: TypeId,
    },
}

impl Did {
    /// The same, but for the numbers that objects and tasks happen to have, and the state that
    /// others are responsible for as well.
    fn same(&self, other: &Did) -> bool {
        match (self, other) {
            (
                Did::Announced { name, access, .. },
                Did::Announced { name: other, access: theirs, .. },
            ) => (name, access) == (other, theirs),
            (Did::Round { local, .. }, Did::Round { local: other, .. }) => local == other,
            // The oldest ones may be gone.
            (Did::Outcome { number, .. }, Did::Outcome { number: other, .. }) => number == other,
            (Did::Joining { origin, .. }, Did::Joining { origin: other, .. }) => origin == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Did::Announced { object, access, at, .. } => {
                write!(f, "announced {access:?}({object}) at {at}")
            }
            Did::Tried(success) => {
                f.write_str(if *success { "its try succeeded" } else { "its try failed" })
            }
            Did::Outcome { number, of } => write!(f, "had outcome {number} of {of}, from 0"),
            Did::Observed(value) => write!(f, "observed {value}"),
            Did::Round { local: Some(local), .. } => {
                write!(f, "began a round with the local state {local:#x}")
            }
            Did::Round { local: None, .. } => f.write_str("went round"),
            Did::Noted { key, value } => write!(f, "{key} = {value}"),
            Did::Spawned(name) => write!(f, "spawned {name}"),
            Did::Joining { task, .. } => write!(f, "joined task {task}"),
            Did::Ended => f.write_str("ended"),
            Did::Panicked { message, .. } => write!(f, "panicked: {message}"),
        }
    }
}

/// What the tasks of the current execution did, with the order in which it happened.
#[derive(Default, Debug)]
pub(crate) struct Log {
    pub(crate) tasks: Vec<Vec<(u32, Did)>>,
    count: u32,
}

impl Log {
    pub(crate) fn clear(&mut self) {
        self.tasks.iter_mut().for_each(Vec::clear);
        self.count = 0;
    }

    pub(crate) fn push(&mut self, task: usize, did: Did) {
        if self.tasks.len() <= task {
            self.tasks.resize_with(task + 1, Vec::new);
        }
        self.tasks[task].push((self.count, did));
        self.count += 1;
    }
}

/// How an execution ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    Complete,
    /// A task panicked.
    Panic,
    Deadlock,
    /// A livelock: a task is back where it was.
    Livelock,
    /// A livelock: all who could go on would only go round.
    Stuck,
    /// It could have gone on.
    Open,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ending::Complete => "every task ended",
            Ending::Panic => "a task panicked",
            Ending::Deadlock => "a deadlock",
            Ending::Livelock | Ending::Stuck => "a livelock",
            Ending::Open => "somebody goes on",
        })
    }
}

/// An execution that is over.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// Origin and name of each task.
    pub(crate) tasks: Vec<(u64, String)>,
    pub(crate) did: Vec<Vec<(u32, Did)>>,
    /// Who made the objects, in the order of their numbers.
    pub(crate) creators: Vec<ObjectName>,
    pub(crate) schedule: Schedule,
    pub(crate) ending: Ending,
    /// What the tasks that have not ended wait for.
    pub(crate) waiting: Vec<Waiting>,
}

/// A step, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Index of the task in the original execution.
    pub task: usize,
    /// Its name.
    pub name: String,
    /// The operation, with the object's number in the original execution.
    pub op: Op,
    /// Where it is announced.
    pub at: &'static Location<'static>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of task {} ({}) at {}", self.op, self.task, self.name, self.at)
    }
}

/// Where two executions first differ.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Difference {
    /// Index in the original execution, and name, of the task that does something else; none if
    /// only the endings differ.
    pub task: Option<(usize, String)>,
    /// How many steps it had announced.
    pub steps: usize,
    /// The last of them.
    pub after: Option<Step>,
    /// What happened in the original order.
    pub original: String,
    /// What happened in the other.
    pub reordered: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.task, &self.after) {
            (Some((task, name)), None) => write!(f, "task {task} ({name}): ")?,
            (Some(_), Some(after)) => write!(f, "after {after}, its step {}: ", self.steps)?,
            (None, _) => f.write_str("at the end: ")?,
        }
        write!(f, "{} in the original order, {} in the other", self.original, self.reordered)
    }
}

impl Recorded {
    pub(crate) fn ending_of(
        failure: Option<&FailureKind>,
        stuck: bool,
        cut: bool,
    ) -> Option<Ending> {
        Some(match failure {
            None if cut => Ending::Open,
            None => Ending::Complete,
            Some(FailureKind::Panic { .. }) => Ending::Panic,
            Some(FailureKind::Deadlock { .. }) => Ending::Deadlock,
            Some(FailureKind::Livelock { .. }) if stuck => Ending::Stuck,
            Some(FailureKind::Livelock { .. }) => Ending::Livelock,
            Some(FailureKind::Nondeterminism { .. }) => return None,
        })
    }

    /// Whether the last event has to stay the last: it is what ended the execution.
    pub(crate) fn last_stays(&self) -> bool {
        matches!(self.ending, Ending::Panic | Ending::Livelock)
    }

    pub(crate) fn origin_of(&self, event: usize) -> u64 {
        self.tasks[self.schedule.tasks()[event] as usize].0
    }

    /// An event, for people.
    pub(crate) fn step(&self, event: usize) -> Option<Step> {
        let tasks = self.schedule.tasks();
        let task = tasks[event] as usize;
        let nth = tasks[..event].iter().filter(|&&other| other as usize == task).count();
        self.announced(task).nth(nth)
    }

    fn announced(&self, task: usize) -> impl Iterator<Item = Step> + '_ {
        self.did[task].iter().filter_map(move |(_, did)| match *did {
            Did::Announced { object, access, at, .. } => {
                Some(Step { task, name: self.tasks[task].1.clone(), op: Op { object, access }, at })
            }
            _ => None,
        })
    }

    /// Values that were compared: observations and notes.
    pub(crate) fn values(&self) -> u64 {
        let values = |did: &&(u32, Did)| {
            matches!(did.1, Did::Observed(_) | Did::Tried(_) | Did::Noted { .. })
        };
        self.did.iter().flatten().filter(values).count() as u64
    }

    /// The first thing that is different in `other`, in which this execution's events were to
    /// happen in the `order`.
    pub(crate) fn difference(&self, other: &Recorded, order: &[u32]) -> Option<Difference> {
        let theirs = |origin: u64| other.tasks.iter().position(|task| task.0 == origin);
        let difference = |task: usize, index: usize, original: String, reordered: String| {
            let steps = self.did[task][..index]
                .iter()
                .filter(|(_, did)| matches!(did, Did::Announced { .. }))
                .count();
            let after = steps.checked_sub(1).and_then(|last| self.announced(task).nth(last));
            Difference {
                task: Some((task, self.tasks[task].1.clone())),
                steps,
                after,
                original,
                reordered,
            }
        };
        let nothing = || "nothing more".to_owned();
        // A livelock is known by its fingerprints; without looking at them, its last task goes on.
        let open_end = self.ending == Ending::Livelock;
        let differing = self.tasks.iter().enumerate().filter_map(|(task, &(origin, _))| {
            let (ours, theirs) = (&self.did[task], &other.did[theirs(origin)?]);
            let index = ours.iter().zip(theirs).position(|((_, our), (_, their))| !our.same(their));
            let index = index.or((theirs.len() > ours.len() && !open_end).then_some(ours.len()))?;
            let (when, their) = &theirs[index];
            Some((
                *when,
                difference(
                    task,
                    index,
                    ours.get(index).map_or_else(nothing, |(_, did)| did.to_string()),
                    their.to_string(),
                ),
            ))
        });
        if let Some((_, difference)) = differing.min_by_key(|(when, _)| *when) {
            return Some(difference);
        }
        // Nobody did anything else, but not everything need have happened.
        if let Some(&event) = order.get(other.schedule.len()) {
            let step = self.step(event as usize).expect("an event was announced");
            let steps = self.schedule.tasks()[..=event as usize]
                .iter()
                .filter(|&&task| task as usize == step.task)
                .count();
            let task = Some((step.task, step.name.clone()));
            let (original, reordered) =
                (format!("{} could happen", step.op), "it cannot".to_owned());
            return Some(Difference { task, steps, after: Some(step), original, reordered });
        }
        let open = matches!(self.ending, Ending::Livelock | Ending::Stuck);
        if if open { other.ending != Ending::Open } else { other.ending != self.ending } {
            let waiting = |recorded: &Recorded| {
                let waiting: Vec<_> = recorded.waiting.iter().map(Waiting::to_string).collect();
                if waiting.is_empty() {
                    recorded.ending.to_string()
                } else {
                    format!("{} ({})", recorded.ending, waiting.join("; "))
                }
            };
            let (original, reordered) = (waiting(self), waiting(other));
            return Some(Difference { task: None, steps: 0, after: None, original, reordered });
        }
        for (task, &(origin, _)) in self.tasks.iter().enumerate() {
            let (ours, done) =
                (&self.did[task], theirs(origin).map_or(0, |theirs| other.did[theirs].len()));
            if let Some((_, did)) = ours.get(done) {
                return Some(difference(task, done, did.to_string(), nothing()));
            }
        }
        self.state_difference(other)
    }

    /// The fingerprint of the state in which a livelock ended is the same if all objects have the
    /// same numbers.
    fn state_difference(&self, other: &Recorded) -> Option<Difference> {
        if self.ending != Ending::Livelock || self.creators != other.creators {
            return None;
        }
        let (_, task, index, ours) = self.did.iter().enumerate().flat_map(rounds).max()?;
        let origin = self.tasks[task].0;
        let theirs = other.tasks.iter().position(|task| task.0 == origin)?;
        let &(_, Did::Round { fingerprint, .. }) = other.did[theirs].get(index)? else {
            return None;
        };
        let text = |fingerprint: u64| format!("state {fingerprint:#x}");
        let (original, reordered) = (text(ours), text(fingerprint));
        (ours != fingerprint).then_some(Difference {
            task: None,
            steps: 0,
            after: None,
            original,
            reordered,
        })
    }
}

/// When a task began its rounds, as which of its doings, and with which fingerprint.
fn rounds(
    (task, did): (usize, &Vec<(u32, Did)>),
) -> impl Iterator<Item = (u32, usize, usize, u64)> + '_ {
    did.iter().enumerate().filter_map(move |(index, (when, did))| match did {
        Did::Round { fingerprint, .. } => Some((*when, task, index, *fingerprint)),
        _ => None,
    })
}
