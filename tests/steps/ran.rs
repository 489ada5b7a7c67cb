//! What is held when a step begins: the catalogue's races run, and at every step that a CPU takes
//! somebody looks at its stack.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, Once};

use lockwalk::mm::Setup;
use lockwalk::spec::Rmap;
use lockwalk::sync::{Taken, watch};
use lockwalk::witness::StepKind;
use lockwalk::{Era, Method, Options, Protocol, Race, races};

use super::lives::{self, Change, Lives};
use super::marked::{Marked, Step};

/// So many of each race.
const EXECUTIONS: u64 = 28;

/// A line of `src/mm`.
type Place = (String, u32);

/// The locks that somebody holds.
type Held = BTreeSet<String>;

/// Addresses of a stack, from the outside in.
type Stack = Vec<usize>;

/// What is read or written, and which of the two.
type Access = (String, bool);

/// What one thread has seen.
#[derive(Default)]
struct Watcher {
    /// Of an address.
    places: HashMap<usize, Vec<Symbol>>,
    /// Of each CPU: how far its execution was, the addresses above it, and what it held.
    before: HashMap<usize, (usize, Stack, Held)>,
    /// The stacks of what the CPU did before and of what it does now, with what it held between the
    /// two, and what it does.
    seen: BTreeSet<(Stack, Stack, Held, Option<Access>)>,
    /// How far the execution is, and what is known of those whose lives are followed.
    last: usize,
    lives: Lives,
    changes: BTreeSet<(&'static str, Change, Stack)>,
}

thread_local! {
    static WATCHER: RefCell<Watcher> = RefCell::default();
}

fn looks(taken: &Taken<'_>) {
    let change = WATCHER.with_borrow_mut(|watcher| {
        if taken.step < watcher.last {
            // A new execution.
            watcher.lives = Lives::default();
            watcher.before.clear();
        }
        watcher.last = taken.step;
        watcher.lives.follow(taken)
    });
    let is_step = taken.kind != StepKind::Note || taken.object.is_some();
    if !is_step && change.is_none() {
        return;
    }
    let mut stack = Vec::new();
    backtrace::trace(|frame| {
        stack.push(frame.ip() as usize);
        true
    });
    stack.reverse();
    if let Some((life, change)) = change {
        WATCHER.with_borrow_mut(|watcher| watcher.changes.insert((life, change, stack.clone())));
    }
    if !is_step {
        return;
    }
    let mut held = Held::new();
    for (name, shared) in &taken.held {
        let lock = lock(&name.class(), *shared);
        let another = format!("another {}", lock.split(" (").next().unwrap_or_default());
        if held.contains(&lock) {
            held.insert(another);
        } else {
            held.insert(lock);
        }
    }
    if taken.rcu {
        held.insert("RCU".into());
    }
    WATCHER.with_borrow_mut(|watcher| {
        let before = watcher.before.insert(taken.cpu, (taken.step, stack.clone(), held));
        let (stack_before, held_before) = match before {
            Some((step, stack, held)) if step < taken.step => (stack, held),
            _ => Default::default(), // a new execution
        };
        let access = match taken.kind {
            StepKind::Load if !taken.text.ends_with(" is flushed") => {
                taken.object.map(|object| (object.class(), false))
            }
            StepKind::Store => taken.object.map(|object| (object.class(), true)),
            _ => None,
        };
        watcher.seen.insert((stack_before, stack, held_before, access));
    });
}

/// A lock as the kernel calls it.
fn lock(class: &str, shared: bool) -> String {
    let known = [
        ("mmap_sem(", if shared { "mmap_sem (read)" } else { "mmap_sem (write)" }),
        ("ptl(", "page_table_lock"),
        ("page(", "page lock"),
        ("anon_vma#", "anon_vma lock"),
    ];
    known
        .iter()
        .find(|(begins, _)| class.starts_with(begins))
        .map_or(class, |(_, name)| name)
        .to_owned()
}

/// How a variable is used.
#[derive(Default)]
pub struct Used {
    /// Which function has stored to it, and what it held then.
    stores: BTreeSet<(String, Held)>,
    /// Which function has read it, and what it held then.
    loads: BTreeSet<(String, Held)>,
}

impl Used {
    /// What was held at every store, as far as anything was.
    pub fn written_under(&self) -> String {
        let every = self.every_store();
        if every == BTreeSet::from(["mmap_sem".to_owned()])
            && let Some(lock) = self.hits("mmap_sem (write)")
        {
            return format!("mmap_sem (write), or mmap_sem and {lock}");
        }
        if !every.is_empty() {
            return in_order(every);
        }
        if let Some((outer, inner)) = self.either() {
            return format!("{outer} or {inner}");
        }
        match self.alone() {
            Some((alone, others)) => {
                format!("{}, but nothing in `{alone}`", in_order(others.every_store()))
            }
            None => String::new(),
        }
    }

    fn every_store(&self) -> Held {
        let mut sets = self.stores.iter().map(|(_, held)| any_mode(held));
        let first = sets.next().unwrap_or_default();
        let mut all = sets.fold(first, |all, held| all.intersection(&held).cloned().collect());
        if all.iter().any(|lock| lock.starts_with("mmap_sem (")) {
            all.remove("mmap_sem");
        }
        all
    }

    /// Two locks of which each store was under one; of several such pairs, the innermost.
    fn either(&self) -> Option<(&'static str, &'static str)> {
        let locks = ORDER.iter().rev().filter(|lock| **lock != "RCU");
        locks.clone().find_map(|inner| self.hits(inner).map(|outer| (outer, *inner)))
    }

    /// The innermost lock that was held at every store at which `lock` was not.
    fn hits(&self, lock: &str) -> Option<&'static str> {
        let is_other = |other: &&&str| !lock.starts_with(**other) && **other != "RCU";
        let locks = ORDER.iter().rev().filter(is_other);
        let others = || self.stores.iter().filter(|(_, held)| !any_mode(held).contains(lock));
        let (any, all) = (others().next().is_some(), others().count() == self.stores.len());
        locks
            .copied()
            .find(|other| any && !all && others().all(|(_, held)| any_mode(held).contains(*other)))
    }

    /// The one function that stores and holds nothing, and how the others do it, if there are some.
    fn alone(&self) -> Option<(&str, Used)> {
        let (function, _) = self.stores.iter().find(|(_, held)| held.is_empty())?;
        let stores: BTreeSet<_> =
            self.stores.iter().filter(|(other, _)| other != function).cloned().collect();
        let functions: BTreeSet<_> = stores.iter().map(|(function, _)| function).collect();
        let several = functions.len() > 1;
        let others = Used { stores, loads: BTreeSet::new() };
        (several && !others.every_store().is_empty()).then_some((function, others))
    }

    /// Is it written at all?
    pub fn is_written(&self) -> bool {
        !self.stores.is_empty()
    }

    /// Who reads it, and holds none of what is held at stores.
    pub fn read_without(&self) -> BTreeSet<&str> {
        let mut locks = self.every_store();
        if let (true, Some((outer, inner))) = (locks.is_empty(), self.either()) {
            locks = [outer, inner].map(str::to_owned).into();
        }
        if let (true, Some((_, others))) = (locks.is_empty(), self.alone()) {
            locks = others.every_store();
        }
        // Whoever reads under mmap_sem keeps those out who have it for writing.
        if locks.remove("mmap_sem (write)") {
            locks.insert("mmap_sem".to_owned());
        }
        self.loads
            .iter()
            .filter(|(_, held)| any_mode(held).is_disjoint(&locks))
            .map(|(function, _)| &**function)
            .collect()
    }
}

/// `mmap_sem` is held, too, however it is.
fn any_mode(held: &Held) -> Held {
    let sem = held.iter().any(|lock| lock.starts_with("mmap_sem")).then(|| "mmap_sem".to_owned());
    held.iter().cloned().chain(sem).collect()
}

fn in_order(locks: impl IntoIterator<Item = String>) -> String {
    let mut locks: Vec<_> = locks.into_iter().collect();
    let place = |lock: &str| {
        ORDER.iter().position(|known| lock.trim_start_matches("another ").starts_with(known))
    };
    locks.sort_by_key(|lock| (place(lock), lock.starts_with("another")));
    locks.join(", ")
}

/// Of each step, what was held when it began.
pub struct Ran {
    held: BTreeMap<usize, BTreeSet<Held>>,
    /// Variables, by the class of their names.
    pub used: BTreeMap<String, Used>,
    /// Of each life that is followed, the changes, and the steps that make them; functions, where
    /// they have no steps.
    pub lives: BTreeMap<&'static str, BTreeMap<Change, BTreeSet<String>>>,
    names: Vec<String>,
    /// Steps of functions that have names of steps, and not there.
    pub nameless: BTreeSet<String>,
}

/// From the outside in.
const ORDER: [&str; 11] = [
    "mmap_sem",
    "page lock",
    "RCU",
    "anon_vma lock",
    "page_table_lock",
    "swap_lock",
    "tree_lock",
    "lru_lock",
    "mmlist_lock",
    "maplock(P)",
    "anonmm#",
];

impl Ran {
    fn index(&self, step: &Step) -> usize {
        self.names.iter().position(|name| *name == step.name()).expect("it is one of them")
    }

    /// Was it taken at all?
    pub fn has(&self, step: &Step) -> bool {
        self.held.contains_key(&self.index(step))
    }

    /// What was held whenever it began; and in parentheses, what was at times.
    pub fn held(&self, step: &Step) -> String {
        let mut all: Vec<Held> =
            self.held.get(&self.index(step)).into_iter().flatten().cloned().collect();
        let ways: BTreeSet<_> =
            all.iter().flatten().filter(|lock| lock.starts_with("mmap_sem")).cloned().collect();
        if ways.len() > 1 {
            for held in &mut all {
                *held = held
                    .iter()
                    .map(
                        |lock| {
                            if ways.contains(lock) { "mmap_sem".to_owned() } else { lock.clone() }
                        },
                    )
                    .collect();
            }
        }
        let ever: BTreeSet<_> = all.iter().flatten().cloned().collect();
        let sorted = |always: bool| {
            in_order(
                ever.iter()
                    .filter(|lock| all.iter().all(|held| held.contains(*lock)) == always)
                    .cloned(),
            )
        };
        let (always, at_times) = (sorted(true), sorted(false));
        match (always.is_empty(), at_times.is_empty()) {
            (_, true) => always,
            (true, _) => format!("({at_times})"),
            _ => format!("{always} ({at_times})"),
        }
    }
}

/// What no race of the catalogue does, or not in the few executions that are looked at.
fn stories() -> Vec<Race> {
    let swapped = |w: &Setup<'_>| {
        let p = w.new_process();
        p.mmap(1..2);
        p.touch(1);
        p.swap_out(1);
        w.limit_memory();
    };
    let no_memory = Race::new("memory has run out, and the page is on swap", "")
        .world(swapped)
        .cpu("load", |w| {
            w.exhaust_memory();
            _ = w.process(0).load(1);
        });
    let discarded =
        Race::new("a device lets go of a page, the host discards it, and its process loads", "")
            .world(move |w| {
                swapped(w);
                _ = w.process(0).load(1);
            })
            .cpu("all of them", |w| {
                let page = w.process(0).page_at(1);
                if let Ok(pin) = w.process(0).pin_for_reading(1) {
                    pin.put();
                }
                w.host_comes_by(page);
                _ = w.process(0).load(1);
            });
    let pinned = |w: &Setup<'_>| {
        let p = w.new_process();
        p.mmap(1..2);
        p.touch(1);
    };
    let forks = Race::new("a process forks that has given a page to a device", "")
        .world(pinned)
        .cpu("fork", |w| {
            if let Ok(pin) = w.process(0).pin_for_writing(1) {
                _ = w.process(0).fork();
                pin.put();
            }
        });
    vec![no_memory.holds(Era::V5_19), forks.holds(Era::V5_19), discarded.holds(Era::DOCUMENT_2)]
}

/// Runs the catalogue under a protocol, whether it is documented there or not, and looks.
pub fn under(protocol: &Protocol, marked: &Marked) -> Ran {
    static WATCHES: Once = Once::new();
    WATCHES.call_once(|| watch(looks));
    // Where nothing is said to the host, a race whose world begins with that makes no sense; and
    // where pages are found by anonmm, one whose world has anon_vmas.
    let speaks = |race: &Race| {
        race.cases().iter().any(|(case, _)| {
            case.rules.hinting == protocol.rules.hinting
                && [case.rules.rmap, Rmap::AnonVma].contains(&protocol.rules.rmap)
        })
    };
    let races: Vec<_> = races::all().into_iter().chain(stories()).filter(speaks).collect();
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Watcher::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(race) = races.get(next.fetch_add(1, Relaxed)) {
                    looked_at(race, protocol);
                }
                let (mine, mut all) = (WATCHER.take(), all.lock().expect("no panic"));
                all.seen.extend(mine.seen);
                all.changes.extend(mine.changes);
            });
        }
    });
    let names = marked.steps.iter().map(Step::name).collect();
    let mut ran = Ran {
        held: BTreeMap::new(),
        used: BTreeMap::new(),
        lives: BTreeMap::new(),
        names,
        nameless: BTreeSet::new(),
    };
    ran.digest(all.into_inner().expect("no panic"), marked);
    ran
}

/// Runs a race. One that makes no sense under the protocol says so, and nothing is to be seen.
fn looked_at(race: &Race, protocol: &Protocol) {
    // Nothing is known of its executions, whatever was before.
    WATCHER.with_borrow_mut(|watcher| watcher.last = usize::MAX);
    let method = Method::Random { seed: 1, iterations: EXECUTIONS };
    race.check_with(protocol, &method, &Options::default());
}

impl Ran {
    /// Which steps began, each time.
    fn digest(&mut self, mut watcher: Watcher, marked: &Marked) {
        let seen: Vec<_> = std::mem::take(&mut watcher.seen)
            .into_iter()
            .map(|(before, now, held, access)| {
                (watcher.steps(&before, marked), watcher.steps(&now, marked), held, access)
            })
            .collect();
        for (before, now, held, access) in seen {
            for (at, frame) in now.iter().enumerate() {
                self.nameless.extend(frame.nameless.clone());
                let Some(step) = frame.begins else { continue };
                let goes_on = before.len() > at
                    && before[..at].iter().zip(&now).all(|(a, b)| a.place == b.place)
                    && before[at].step == Some(step);
                if !goes_on {
                    self.held.entry(step).or_default().insert(held.clone());
                }
            }
            if let Some((variable, store)) = access {
                let used = self.used.entry(variable).or_default();
                let function = now.last().and_then(|frame| frame.function.clone());
                match function {
                    Some(function) if store => _ = used.stores.insert((function, held)),
                    Some(function) => _ = used.loads.insert((function, held)),
                    None => {}
                }
            }
        }
        for (life, change, stack) in std::mem::take(&mut watcher.changes) {
            let stack = watcher.steps(&stack, marked);
            let step = stack
                .iter()
                .rev()
                .find_map(|frame| frame.begins)
                .filter(|_| life != "anonmm") // the steps are those of kernels that have none
                .map(|step| self.names[step].clone());
            let functions = || stack.iter().rev().filter_map(|frame| frame.function.as_deref());
            let Some(change) = lives::meant(change, functions().next()) else { continue };
            let by = step.or_else(|| {
                functions().find(|name| !lives::MEANS.contains(name)).map(str::to_owned)
            });
            self.lives.entry(life).or_default().entry(change).or_default().extend(by);
        }
    }
}

/// A line of `src/mm` in a stack.
struct Frame {
    place: Place,
    function: Option<String>,
    step: Option<usize>,
    /// The step, unless it is a closure that belongs to the step further out that has called it.
    begins: Option<usize>,
    /// It has no step, and should.
    nameless: Option<String>,
}

impl Watcher {
    fn steps(&mut self, stack: &[usize], marked: &Marked) -> Vec<Frame> {
        let mut frames: Vec<Frame> = Vec::new();
        for (place, closure) in self.resolve(stack) {
            let (file, line) = (&place.0, place.1);
            let function = marked.function(file, line).map(str::to_owned);
            let inner =
                frames.iter().any(|outer| outer.function == function && outer.place.0 == *file);
            // Of two closures that do the same the compiler makes one, and who calls one last is
            // not on the stack: it must be one that can be meant.
            let calls = |outer: &Frame, name: &str| {
                marked.calls(&outer.place.0, outer.place.1, outer.step, name)
            };
            let called = || {
                function.as_ref().is_some_and(|name| frames.iter().any(|outer| calls(outer, name)))
            };
            if closure && !inner && !called() {
                continue;
            }
            let (step, nameless) = match marked.at(file, line) {
                Ok(step) => (step, None),
                Err(place) => (None, Some(place)),
            };
            let same = frames.iter().any(|outer| outer.step == step && outer.function == function);
            let begins = step.filter(|&step| !same && (!inner || !marked.steps[step].lends));
            frames.push(Frame { place, function, step, begins, nameless });
        }
        frames
    }

    /// The lines of `src/mm`, from the outside in, each with whether it is in a closure. The body of a
    /// function that `#[forgets]` has made a closure is the function.
    fn resolve(&mut self, stack: &[usize]) -> Vec<(Place, bool)> {
        let (mut lines, mut is_body) = (Vec::<(Place, bool, String)>::new(), false);
        for &ip in stack {
            let symbols = self.places.entry(ip).or_insert_with(|| {
                let mut symbols = Vec::new();
                backtrace::resolve(ip as *mut _, |symbol| {
                    let file = symbol
                        .filename()
                        .and_then(Path::to_str)
                        .and_then(|file| file.find("src/mm/").map(|at| file[at..].to_owned()));
                    let name = symbol.name().map(|name| name.to_string()).unwrap_or_default();
                    let name = name.split("::h").next().unwrap_or_default().to_owned();
                    if let (Some(file), Some(line)) = (file, symbol.lineno()) {
                        symbols.push(Symbol::At((file, line), name));
                    } else if name.contains("learns_only") {
                        symbols.push(Symbol::LearnsOnly);
                    }
                });
                symbols.reverse();
                symbols
            });
            for symbol in symbols.iter() {
                let Symbol::At(place, name) = symbol else {
                    is_body = true;
                    continue;
                };
                let body = std::mem::take(&mut is_body);
                // Who calls it last may not be on the stack.
                let outside = name.rsplit_once("::").map_or("", |(outside, _)| outside);
                if body && lines.last().is_some_and(|(.., last)| last == outside) {
                    lines.pop();
                }
                lines.push((place.clone(), !body && name.ends_with('}'), name.clone()));
            }
        }
        lines.into_iter().map(|(place, closure, _)| (place, closure)).collect()
    }
}

/// What is on a stack.
enum Symbol {
    /// A line of `src/mm`, and whose.
    At(Place, String),
    /// The next one is what a function does that is on the stack as well, and calls that.
    LearnsOnly,
}
