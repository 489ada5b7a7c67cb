//! A search on paper: to go on later, or elsewhere, and to put the shards' results together.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};
use std::str::FromStr;
use std::sync::Arc;

use crate::known::SavedStates;
use crate::left_out::LeftOut;
use crate::model::Memory;
use crate::schedule::Schedule;
use crate::taskset::TaskSet;
use crate::trace::Frame;

/// One state of the path at which a search stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SavedState {
    /// What runs next from it.
    pub(crate) next: usize,
    /// With which of its outcomes, and whether it is a try that has succeeded with one before that.
    choice: u32,
    succeeded: bool,
    backtrack: TaskSet,
    sleep: TaskSet,
    sleep_failed: TaskSet,
}

impl SavedState {
    pub(crate) fn new(frame: &Frame, (next, choice): (usize, u32)) -> Self {
        let Frame { backtrack, sleep, sleep_failed, .. } = frame.clone();
        SavedState {
            next,
            choice,
            succeeded: frame.succeeded_before(choice),
            backtrack,
            sleep,
            sleep_failed,
        }
    }

    /// A state from which nothing is left to run but what leads to the next one.
    fn closed(frame: &Frame) -> Self {
        let Frame { task, choice, succeeded, .. } = *frame;
        SavedState {
            next: task as usize,
            choice,
            succeeded,
            sleep: frame.enabled.clone(),
            ..SavedState::default()
        }
    }

    pub(crate) fn restore(&self, frame: &mut Frame) {
        frame.backtrack.copy_from(&self.backtrack);
        frame.sleep.copy_from(&self.sleep);
        frame.sleep_failed.copy_from(&self.sleep_failed);
        (frame.choice, frame.succeeded) = (self.choice, self.succeeded);
    }
}

/// Where a worker stands, or what it gave away. Without states it is the whole search, unless it is
/// done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SavedStack {
    pub(crate) done: bool,
    pub(crate) unit: u64,
    pub(crate) states: Vec<SavedState>,
}

impl SavedStack {
    /// What is left to run from the last of these states, of which `next` is the first to run.
    pub(crate) fn rest(path: &[Frame], next: usize) -> Self {
        let (last, above) = path.split_last().expect("there is a state");
        let states = above.iter().map(SavedState::closed).chain([SavedState::new(last, (next, 0))]);
        SavedStack { states: states.collect(), ..SavedStack::default() }
    }

    /// The number of choices that are left in it.
    pub(crate) fn open(&self) -> u64 {
        let open = |state: &SavedState| {
            state.backtrack.iter().filter(|&task| !state.sleep.contains(task)).count() as u64
        };
        self.states.iter().map(open).sum()
    }
}

/// A search that was stopped, or one shard of it: what is known, and what is left. A text file's
/// worth: [`Display`](fmt::Display) writes it, [`FromStr`] reads it.
///
/// It belongs to the program, the strategy and the memory model it was made from; resuming it for
/// another program is noticed as nondeterminism, as far as what is kept shows it, and under another
/// memory model it is refused, and so it is by states if the search was not, or the other way
/// round.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    /// All executions so far.
    pub executions: u64,
    /// Those that ran to their end or failed: see [`Report::complete`](crate::Report::complete).
    pub complete: u64,
    /// Those that were cut: see [`Report::blocked`](crate::Report::blocked).
    pub blocked: u64,
    /// Those that failed.
    pub failing: u64,
    /// Class and schedule of the first failure of each class.
    pub failures: Vec<(String, Schedule)>,
    /// The failures that were counted: see `Core::failure_key`.
    pub(crate) counted: BTreeSet<u64>,
    /// See [`Unfinished::Rounds`](crate::Unfinished::Rounds).
    pub(crate) left_out: LeftOut,
    pub(crate) memory: Memory,
    pub(crate) shard: Option<(u32, u32)>,
    pub(crate) depth: usize,
    /// What is left: the whole search is one that has no state.
    pub(crate) stacks: Vec<SavedStack>,
    /// By states the whole is left, but for what follows those that are known.
    pub(crate) states: Option<Arc<SavedStates>>,
}

/// Why saved searches cannot be read or put together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedError(String);

impl Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "saved exploration: {}", self.0)
    }
}

impl std::error::Error for SavedError {}

impl Saved {
    /// A search that has not begun.
    pub(crate) fn whole() -> Self {
        Saved { stacks: vec![SavedStack::default()], ..Saved::default() }
    }

    /// Whether nothing is left of it.
    pub fn is_done(&self) -> bool {
        self.stacks.is_empty()
    }

    /// Whether it has left out what [`Unfinished::Rounds`](crate::Unfinished::Rounds) says.
    pub fn leaves_rounds_out(&self) -> bool {
        self.left_out.shows()
    }

    /// Whether it is one by [states](crate::Strategy::States).
    pub fn by_states(&self) -> bool {
        self.states.is_some()
    }

    /// The memory model under which it is explored.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The shard, if it is one: which, of how many.
    pub fn shard(&self) -> Option<(u32, u32)> {
        self.shard
    }

    /// Put the results of all shards together.
    ///
    /// # Errors
    /// If they are not all shards of one search under one memory model, each of them once and done.
    pub fn merge(shards: &[Saved]) -> Result<Saved, SavedError> {
        let count = shards.len();
        let mut seen = vec![false; count];
        let mut merged = Saved::default();
        for saved in shards {
            let Some((shard, shards)) = saved.shard else {
                return Err(SavedError("not a shard".to_owned()));
            };
            if shards as usize != count || saved.depth != merged.depth && seen.contains(&true) {
                return Err(SavedError(format!(
                    "shard {shard}/{shards} does not belong to these {count}"
                )));
            }
            if seen.contains(&true) && saved.memory != merged.memory {
                let (theirs, ours) = (saved.memory, merged.memory);
                return Err(SavedError(format!(
                    "shard {shard}/{shards} is of Memory::{theirs:?}, and another of \
                     Memory::{ours:?}"
                )));
            }
            if seen.contains(&true) && saved.by_states() != merged.by_states() {
                return Err(SavedError(format!(
                    "shard {shard}/{shards} goes by states, and another does not, or the other \
                     way round"
                )));
            }
            if !saved.is_done() {
                return Err(SavedError(format!("shard {shard}/{shards} is not done")));
            }
            if std::mem::replace(&mut seen[shard as usize % count], true) {
                return Err(SavedError(format!("shard {shard}/{shards} is there twice")));
            }
            (merged.depth, merged.memory) = (saved.depth, saved.memory);
            merged.add(saved);
            if let Some(states) = &saved.states {
                Arc::make_mut(merged.states.get_or_insert_default()).states += states.states;
            }
            // A failure that was counted in several shards is one.
            let twice = saved.counted.intersection(&merged.counted).count() as u64;
            (merged.complete, merged.failing, merged.blocked) =
                (merged.complete - twice, merged.failing - twice, merged.blocked + twice);
            merged.counted.extend(&saved.counted);
        }
        Ok(merged)
    }

    /// The search by states has come to this, and may be over.
    pub(crate) fn keep_states(&mut self, states: SavedStates, done: bool) {
        self.stacks = if done { Vec::new() } else { Saved::whole().stacks };
        // Nothing that is known is asked for any more.
        let SavedStates { states: count, .. } = states;
        let over = || SavedStates { states: count, ..SavedStates::default() };
        self.states = Some(Arc::new(if done { over() } else { states }));
    }

    /// Add what another part of the search found.
    pub(crate) fn add(&mut self, other: &Saved) {
        self.executions += other.executions;
        self.complete += other.complete;
        self.blocked += other.blocked;
        self.failing += other.failing;
        self.left_out.add(&other.left_out);
        for failure in &other.failures {
            if !self.failures.iter().any(|(class, _)| *class == failure.0) {
                self.failures.push(failure.clone());
            }
        }
    }
}

/// The first line, before the version of the format.
const HEADER: &str = "dpor exploration ";
const VERSION: &str = "7";

/// FNV-1a of lines: a line that differs in one byte, or is missing, makes another sum.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Checksum(u64);

impl Checksum {
    fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let bytes = lines.into_iter().flat_map(|line| line.bytes().chain([b'\n']));
        Checksum(bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        }))
    }
}

impl Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "end {:016x}", self.0)
    }
}

impl Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text)?;
        writeln!(f, "{text}{}", Checksum::of(text.lines()))
    }
}

impl Saved {
    /// All but the last line.
    fn write(&self, f: &mut String) -> fmt::Result {
        writeln!(f, "{HEADER}{VERSION}")?;
        writeln!(f, "memory {:?}", self.memory)?;
        if let Some((shard, shards)) = self.shard {
            writeln!(f, "shard {shard} {shards}")?;
        }
        writeln!(f, "depth {}", self.depth)?;
        writeln!(
            f,
            "counts {} {} {} {}",
            self.executions, self.complete, self.blocked, self.failing
        )?;
        for (class, schedule) in &self.failures {
            writeln!(f, "failure {schedule} {}", class.escape_default())?;
        }
        for key in &self.counted {
            writeln!(f, "counted {key:x}")?;
        }
        for line in self.left_out.lines() {
            writeln!(f, "{line}")?;
        }
        self.states.iter().try_for_each(|states| states.write(f))?;
        writeln!(f, "left {}", self.stacks.len())?;
        for stack in &self.stacks {
            writeln!(f, "stack {}", stack.unit)?;
            for state in &stack.states {
                let sets = [&state.backtrack, &state.sleep, &state.sleep_failed].map(TaskSet::text);
                let choice =
                    if state.choice > 0 { format!(":{}", state.choice) } else { String::new() };
                let succeeded = if state.succeeded { "+" } else { "" };
                writeln!(f, "state {}{choice}{succeeded} {}", state.next, sets.join(" "))?;
            }
        }
        Ok(())
    }
}

/// Undoes `escape_default`.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        plain.push(match rest.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'u' => {
                let digits: String =
                    rest.by_ref().skip(1).take_while(|&digit| digit != '}').collect();
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            other => other,
        });
    }
    Some(plain)
}

impl FromStr for Saved {
    type Err = SavedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, refuse) = (text.trim_end(), |why: &str| Err(SavedError(why.to_owned())));
        let mut lines = text.lines();
        match lines.next().and_then(|first| first.strip_prefix(HEADER)) {
            Some(VERSION) => {}
            Some(version) if version.parse::<u32>().is_ok() => {
                return refuse(&format!(
                    "it has format {version}, and only format {VERSION} is known here"
                ));
            }
            _ => return refuse("that is something else, or damaged: the first line is another"),
        }
        let Some(end) = lines.next_back().filter(|end| end.starts_with("end ")) else {
            return refuse("damaged: its end is missing");
        };
        if Checksum::of(text.lines().take_while(|line| *line != end)).to_string() != end {
            return refuse("damaged: its checksum is another");
        }
        let mut saved = Saved::default();
        let mut left = None;
        for line in lines {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let known = if key == "left" {
                rest.parse().ok().map(|count| left = Some(count))
            } else {
                saved.read(key, rest)
            };
            if known.is_none() {
                return refuse("damaged: it has a line that makes no sense");
            }
        }
        let whole = saved.states.as_mut().is_none_or(|states| Arc::make_mut(states).is_whole());
        // Parts that are missing would pass for work that is done.
        if whole && left == Some(saved.stacks.len()) {
            Ok(saved)
        } else {
            refuse("damaged: not everything that is left is in it")
        }
    }
}

impl Saved {
    fn read(&mut self, key: &str, rest: &str) -> Option<()> {
        let mut words = rest.split(' ');
        match key {
            "memory" => {
                self.memory =
                    Memory::ALL.into_iter().find(|memory| format!("{memory:?}") == rest)?
            }
            "shard" => {
                let (shard, shards) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                self.shard = Some((shard, shards)).filter(|(shard, shards)| shard < shards);
                self.shard?;
            }
            "depth" => self.depth = rest.parse().ok()?,
            "counts" => {
                for count in
                    [&mut self.executions, &mut self.complete, &mut self.blocked, &mut self.failing]
                {
                    *count = words.next()?.parse().ok()?;
                }
            }
            "failure" => {
                let (schedule, class) = rest.split_once(' ')?;
                self.failures.push((unescape(class)?, schedule.parse().ok()?));
            }
            "counted" => drop(self.counted.insert(u64::from_str_radix(rest, 16).ok()?)),
            "stack" => {
                self.stacks.push(SavedStack { unit: rest.parse().ok()?, ..SavedStack::default() })
            }
            "state" => {
                let next = words.next()?;
                let (next, succeeded) =
                    next.strip_suffix('+').map_or((next, false), |next| (next, true));
                let (next, choice) = next.split_once(':').unwrap_or((next, "0"));
                let (next, choice) = (next.parse().ok()?, choice.parse().ok()?);
                let (backtrack, sleep) =
                    (TaskSet::read(words.next()?)?, TaskSet::read(words.next()?)?);
                let sleep_failed = TaskSet::read(words.next()?)?;
                self.stacks.last_mut()?.states.push(SavedState {
                    next,
                    choice,
                    succeeded,
                    backtrack,
                    sleep,
                    sleep_failed,
                });
            }
            "round" | "look" | "circle" => self.left_out.read(key, rest)?,
            _ => Arc::make_mut(self.states.get_or_insert_default()).read(key, rest)?,
        }
        Some(())
    }
}
