//! What a search by states knows, on paper.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::str::{FromStr, Split};
use std::sync::Arc;

use super::discipline::Used;
use super::summary::{BEFORE, Bits, Held, Later};
use super::{
    Discipline, How, Known, Next, Node, OnPath, PARTS, Passage, Path, Route, SavedGraph, States,
    Step, part_of,
};
use crate::access::{Access, Class, Creator, ThreadName};
use crate::state::{Keys, Sum};
use crate::taskset::TaskSet;
use crate::trace::NONE;

/// What the workers of a search by states have come to. A search that begins with it goes through
/// nothing again that one of them was done with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SavedStates {
    /// These are the table's.
    pub(crate) states: u64,
    pub(crate) workers: u64,
    pub(crate) circle: bool,
    pub(crate) threads: Vec<ThreadName>,
    pub(crate) laters: Vec<Later>,
    pub(crate) helds: Vec<Held>,
    pub(crate) known: [States; PARTS],
    pub(crate) graph: SavedGraph,
    pub(crate) paths: Vec<Path>,
    /// Summaries, while it is read.
    pub(crate) summaries: Vec<Arc<Bits>>,
}

/// Far more than there ever are, and each of so many has numbers of its own.
const MOST_WORKERS: u64 = 1 << 23;

impl SavedStates {
    /// The lines of a saved search.
    pub(crate) fn write(&self, f: &mut String) -> fmt::Result {
        writeln!(f, "states {} {}", self.states, self.workers)?;
        for &(origin, object) in &self.threads {
            writeln!(f, "thread {origin:x} {}", or_none(object.map(creator)))?;
        }
        for held in &self.helds {
            write!(f, "held")?;
            for &(lock, alone) in held {
                write!(f, " {}{}", creator(lock), if alone { "!" } else { "" })?;
            }
            writeln!(f)?;
        }
        for later in &self.laters {
            let Later { thread, object, data, access, class, blocks, first, held } = *later;
            let flags = [data, blocks, first].map(|flag| if flag { '+' } else { '-' });
            let (object, flags) = (creator(object), flags.iter().collect::<String>());
            writeln!(f, "later {thread} {object} {access:?} {class:?} {flags} {held}")?;
        }
        let mut summaries = Numbered::default();
        for (key, Known { sleep, summary, check, next }) in self.known.iter().flatten() {
            let number = summaries.write(summary, f)?;
            writeln!(f, "known {key:x} {check:x} {number} {}{}", sleep.text(), way(*next))?;
        }
        for Path { hits, unit, states } in &self.paths {
            writeln!(f, "path {hits} {unit}")?;
            for OnPath { how, check, task, backtrack, sleep, sleep_failed, after, next } in states {
                let number = summaries.write(after, f)?;
                let sets = [backtrack, sleep, sleep_failed].map(TaskSet::text).join(" ");
                writeln!(f, "on {how:?} {check:x} {task} {sets} {number}{}", way(*next))?;
            }
        }
        if self.circle {
            writeln!(f, "goes-round {}", self.graph.shown)?;
        }
        let Discipline { objects, cells, loose, failed } = &self.graph.discipline;
        for (what, all) in [("object", objects), ("cell", cells)] {
            for (&name, Used { by, accesses, guards }) in &all.0 {
                let by = or_none(by.map(|thread| thread.to_string()));
                write!(f, "{what} {} {by} {accesses:x}", creator(name))?;
                guards.iter().try_for_each(|&lock| write!(f, " {}", creator(lock)))?;
                writeln!(f)?;
            }
        }
        loose.iter().try_for_each(|&lock| writeln!(f, "loose {}", creator(lock)))?;
        let alone = self.graph.alone.iter().map(|step| ("alone", step));
        for (what, step) in alone.chain(failed.iter().map(|step| ("failed", step))) {
            let Step { thread, object, access, cells } = step;
            write!(f, "{what} {thread} {} {access:?}", creator(*object))?;
            cells.iter().try_for_each(|&cell| write!(f, " {}", creator(cell)))?;
            writeln!(f)?;
        }
        for Passage { route, does, alone, raced } in &self.graph.passages {
            let what = if *raced { "race" } else { "passage" };
            write!(f, "{what} {} {}", listed(route), listed(alone))?;
            for &(object, class) in does {
                write!(f, " {} {class:?}", creator(object))?;
            }
            writeln!(f)?;
        }
        for node in &self.graph.nodes {
            let Node { key, check, shared, came, depth, steps, .. } = node;
            let [low, high] = shared.words();
            write!(f, "node {key:x} {check:x} {low:x} {high:x} {}", or_none(came.map(step)))?;
            let sets = [&node.ready, &node.left, &node.unended, &node.tasks].map(TaskSet::text);
            write!(f, " {depth} {}", sets.join(" "))?;
            for &(passage, to) in steps {
                let to = or_none((to != NONE).then(|| to.to_string()));
                write!(f, " {passage}:{to}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    /// Read one of them. `None` if it makes no sense after those before it.
    pub(crate) fn read(&mut self, what: &str, rest: &str) -> Option<()> {
        let mut words = rest.split(' ');
        let words = &mut words;
        match what {
            "states" => {
                (self.states, self.workers) = (number(words)?, number(words)?);
                (self.workers <= MOST_WORKERS).then_some(())?;
            }
            "thread" => {
                self.threads.push((hex(words)?, read_or_none(words, read_creator)?));
            }
            "held" => {
                let lock = |word: &str| {
                    let lock = word.strip_suffix('!');
                    Some((read_creator(lock.unwrap_or(word))?, lock.is_some()))
                };
                let locks = words.filter(|word| !word.is_empty()).map(lock);
                self.helds.push(locks.collect::<Option<_>>()?);
            }
            "later" => self.laters.push(self.read_later(words)?),
            "after" => {
                let bits = words.filter(|word| !word.is_empty());
                let bits = bits.map(|word| u64::from_str_radix(word, 16).ok());
                let bits = Bits::of(bits.collect::<Option<_>>()?);
                let most = self.laters.len() as u32 + BEFORE;
                bits.iter().all(|bit| bit < most).then_some(())?;
                self.summaries.push(Arc::new(bits));
            }
            "known" => {
                let (key, check) = (read_key(words)?, hex(words)?);
                let summary = self.read_summary(words)?;
                let sleep = self.read_set(words)?;
                let known = Known { sleep, summary, check, next: self.read_way(words)? };
                self.known[part_of(key)].insert(key, known);
            }
            "path" => {
                let (hits, unit) = (number(words)?, number(words)?);
                self.paths.push(Path { hits, unit, ..Path::default() });
            }
            "on" => {
                let how = words.next()?;
                let all = [How::Passed, How::New, How::Woken];
                let state = OnPath {
                    how: all.into_iter().find(|other| format!("{other:?}") == how)?,
                    check: hex(words)?,
                    task: number(words)?,
                    backtrack: TaskSet::read(words.next()?)?,
                    sleep: TaskSet::read(words.next()?)?,
                    sleep_failed: TaskSet::read(words.next()?)?,
                    after: (*self.read_summary(words)?).clone(),
                    next: self.read_way(words)?,
                };
                self.paths.last_mut()?.states.push(state);
            }
            "goes-round" => (self.circle, self.graph.shown) = (true, number(words)?),
            "object" | "cell" => {
                let name = read_creator(words.next()?)?;
                let by = read_or_none(words, |word| word.parse().ok())?;
                by.is_none_or(|thread| self.is_thread(thread)).then_some(())?;
                let accesses = u16::from_str_radix(words.next()?, 16).ok()?;
                let guards = words.map(read_creator).collect::<Option<_>>()?;
                let Discipline { objects, cells, .. } = &mut self.graph.discipline;
                let all = if what == "object" { objects } else { cells };
                all.0.insert(name, Used { by, accesses, guards });
            }
            "loose" => {
                self.graph.discipline.loose.insert(read_creator(words.next()?)?);
            }
            "alone" | "failed" => {
                let (thread, object) = (number(words)?, read_creator(words.next()?)?);
                self.is_thread(thread).then_some(())?;
                let access = read_access(words.next()?)?;
                let cells = words.map(read_creator).collect::<Option<_>>()?;
                let step = Step { thread, object, access, cells };
                match what {
                    "alone" => self.graph.alone.push(step),
                    _ => _ = self.graph.discipline.failed.insert(step),
                }
            }
            "passage" | "race" => {
                let (route, alone) = (read_list(words)?, read_list(words)?);
                let does = route
                    .iter()
                    .map(|_| Some((read_creator(words.next()?)?, read_class(words.next()?)?)));
                let does = does.collect::<Option<_>>()?;
                let there = route.iter().all(|&thread| self.is_thread(thread))
                    && !route.is_empty()
                    && alone.iter().all(|&step| step < self.graph.alone.len());
                there.then_some(())?;
                self.graph.passages.push(Passage { route, does, alone, raced: what == "race" });
            }
            "node" => {
                let node = self.read_node(words)?;
                self.graph.nodes.push(node);
            }
            _ => return None,
        }
        words.next().is_none().then_some(())
    }

    fn read_later(&self, words: &mut Split<'_, char>) -> Option<Later> {
        let (thread, object) = (number(words)?, read_creator(words.next()?)?);
        let (access, class) = (words.next()?, words.next()?);
        let access = read_access(access)?;
        let class = read_class(class)?;
        let flags: Vec<_> = words.next()?.chars().map(|flag| flag == '+').collect();
        let [data, blocks, first] = flags.try_into().ok()?;
        let held: u32 = number(words)?;
        let there = self.is_thread(thread as usize) && (held as usize) < self.helds.len();
        there.then_some(Later { thread, object, data, access, class, blocks, first, held })
    }

    fn read_summary(&self, words: &mut Split<'_, char>) -> Option<Arc<Bits>> {
        self.summaries.get(number::<usize>(words)?).cloned()
    }

    /// Where the first execution went on to, if that is told.
    fn read_way(&self, words: &mut Split<'_, char>) -> Option<Option<(Route, Next)>> {
        let Some(route) = words.next() else { return Some(None) };
        let route = Route(u64::from_str_radix(route, 16).ok()?);
        route.steps().all(|thread| self.is_thread(thread)).then_some(())?;
        let key = read_or_none(words, |word| u64::from_str_radix(word, 16).ok())?;
        Some(Some((route, key.map_or(Next::End, Next::State))))
    }

    fn read_node(&self, words: &mut Split<'_, char>) -> Option<Node> {
        Some(Node {
            key: read_key(words)?,
            check: hex(words)?,
            shared: Sum::of_words([hex(words)?, hex(words)?]),
            came: read_or_none(words, read_step)?,
            depth: number(words)?,
            ready: self.read_set(words)?,
            left: self.read_set(words)?,
            unended: self.read_set(words)?,
            tasks: self.read_set(words)?,
            steps: words.map(read_passage).collect::<Option<_>>()?,
        })
    }

    fn is_thread(&self, thread: usize) -> bool {
        thread < self.threads.len()
    }

    fn read_set(&self, words: &mut Split<'_, char>) -> Option<TaskSet> {
        let set = TaskSet::read(words.next()?)?;
        let known = set.iter().all(|thread| self.is_thread(thread));
        known.then_some(set)
    }

    /// All is read. Whether states that lead to others lead to such as are there.
    pub(crate) fn is_whole(&mut self) -> bool {
        self.summaries = Vec::new();
        let depth = |state: u32| self.graph.nodes.get(state as usize).map(|node| node.depth);
        let is_passage = |number: u32| (number as usize) < self.graph.passages.len();
        self.graph.nodes.iter().enumerate().all(|(state, node)| {
            let came = match node.came {
                None => state == 0,
                Some((from, passage)) => {
                    is_passage(passage) && depth(from).is_some_and(|depth| depth < node.depth)
                }
            };
            let leads = |&(passage, to): &(u32, u32)| {
                is_passage(passage) && (to == NONE || depth(to).is_some())
            };
            came && node.steps.iter().all(leads)
        })
    }
}

/// Summaries by numbers: each has a line before the first that tells its number.
#[derive(Default)]
struct Numbered<'a>(HashMap<&'a Bits, usize, Keys>);

impl<'a> Numbered<'a> {
    fn write(&mut self, summary: &'a Bits, f: &mut String) -> Result<usize, fmt::Error> {
        let new = self.0.len();
        let number = *self.0.entry(summary).or_insert(new);
        if number == new {
            write!(f, "after")?;
            summary.words().iter().try_for_each(|word| write!(f, " {word:x}"))?;
            writeln!(f)?;
        }
        Ok(number)
    }
}

fn way(next: Option<(Route, Next)>) -> String {
    match next {
        None => String::new(),
        Some((Route(route), Next::State(key))) => format!(" {route:x} {key:x}"),
        Some((Route(route), Next::End)) => format!(" {route:x} -"),
    }
}

fn creator((maker, nth): Creator) -> String {
    format!("{maker:x}:{nth}")
}

fn read_creator(word: &str) -> Option<Creator> {
    let (maker, nth) = word.split_once(':')?;
    Some((u64::from_str_radix(maker, 16).ok()?, nth.parse().ok()?))
}

fn read_access(word: &str) -> Option<Access> {
    Access::ALL.into_iter().find(|other| format!("{other:?}") == word)
}

fn listed(numbers: &[usize]) -> String {
    let numbers: Vec<_> = numbers.iter().map(usize::to_string).collect();
    if numbers.is_empty() { "-".to_owned() } else { numbers.join(",") }
}

fn read_list(words: &mut Split<'_, char>) -> Option<Vec<usize>> {
    let read = |word: &str| word.split(',').map(|number| number.parse().ok()).collect();
    Some(read_or_none(words, read)?.unwrap_or_default())
}

fn read_class(word: &str) -> Option<Class> {
    Class::ALL.into_iter().find(|other| format!("{other:?}") == word)
}

/// A passage, and the state that it leads to, if it does not end.
fn read_passage(word: &str) -> Option<(u32, u32)> {
    let (passage, to) = word.split_once(':')?;
    let to = if to == "-" { NONE } else { to.parse().ok().filter(|&to| to != NONE)? };
    Some((passage.parse().ok()?, to))
}

/// A state, and a passage from it.
fn step((one, other): (u32, u32)) -> String {
    format!("{one}:{other}")
}

fn read_step(word: &str) -> Option<(u32, u32)> {
    let (one, other) = word.split_once(':')?;
    Some((one.parse().ok()?, other.parse().ok()?))
}

fn or_none(word: Option<String>) -> String {
    word.unwrap_or_else(|| "-".to_owned())
}

fn read_or_none<T>(
    words: &mut Split<'_, char>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<Option<T>> {
    let word = words.next()?;
    if word == "-" { Some(None) } else { read(word).map(Some) }
}

fn number<T: FromStr>(words: &mut Split<'_, char>) -> Option<T> {
    words.next()?.parse().ok()
}

fn hex(words: &mut Split<'_, char>) -> Option<u64> {
    u64::from_str_radix(words.next()?, 16).ok()
}

fn read_key(words: &mut Split<'_, char>) -> Option<u128> {
    u128::from_str_radix(words.next()?, 16).ok()
}
