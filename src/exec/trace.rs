//! The trace of a violating execution: recorded only when it is run again to be shown.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::panic::Location;
use std::path::Path;
use std::sync::OnceLock;

use witness::{Fact, Step, StepKind};

use super::lockdep;
use super::name::Name;
use super::violation::Violation;
use crate::exec;

/// A look at the whole state, as (name, value) pairs; taken after each event, and only while
/// tracing.
pub type Observer = Box<dyn Fn() -> BTreeMap<String, String> + Send>;

/// The steps of one execution.
#[derive(Default)]
pub struct Trace {
    steps: Vec<Step>,
    /// For each of them, how many steps of the schedule had been taken then.
    taken: Vec<usize>,
    depth: Vec<u8>,
    /// Calls that have not done anything yet, by CPU: a function shows in the order of its first
    /// step, not of its call.
    calls: Vec<Vec<Step>>,
    /// Where each CPU stands in a queue: before which step it joined that, and when.
    joined: Vec<Option<(usize, usize)>>,
    /// The state when the CPUs start, and now.
    start: BTreeMap<String, String>,
    state: BTreeMap<String, String>,
    observer: Option<Observer>,
}

impl Trace {
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            depth: vec![0; cpus],
            calls: vec![Vec::new(); cpus],
            joined: vec![None; cpus],
            ..Self::default()
        }
    }

    /// The state when the CPUs start, and the recorded steps.
    pub fn into_parts(self) -> (Vec<Fact>, Vec<Step>) {
        (self.start.into_iter().map(|(name, value)| Fact { name, value }).collect(), self.steps)
    }

    /// Which of the recorded steps are those of the schedule from `first` up to `end`: (first,
    /// last).
    pub fn lines_of(&self, schedule: &std::ops::Range<usize>) -> (usize, usize) {
        let first = self.taken.partition_point(|&taken| taken <= schedule.start);
        let end = self.taken.partition_point(|&taken| taken <= schedule.end);
        (first, end.saturating_sub(1).max(first))
    }

    /// From now on, state changes are told beside the events.
    fn observe(&mut self, observer: Observer) {
        self.start = observer();
        self.state = self.start.clone();
        self.observer = Some(observer);
    }

    /// What has changed since the last look.
    fn changes(&mut self) -> Vec<String> {
        let Some(observer) = &self.observer else { return Vec::new() };
        let state = exec::unseen(observer);
        let mut now = Vec::new();
        for (name, value) in &state {
            match self.state.get(name) {
                Some(before) if before == value => {}
                Some(before) => now.push(format!("{name} {before}→{value}")),
                None if value == "0" || value == "NULL" => {} // a new object's blank field
                None => now.push(format!("{name} = {value}")),
            }
        }
        for name in self.state.keys().filter(|name| !state.contains_key(*name)) {
            let gone = format!(
                "{} is gone",
                name.split_once('.').map_or(name.as_str(), |(object, _)| object)
            );
            if !now.contains(&gone) {
                now.push(gone);
            }
        }
        self.state = state;
        now
    }

    fn push(
        &mut self,
        taken: usize,
        cpu: usize,
        kind: StepKind,
        object: String,
        text: String,
        at: String,
    ) {
        if cpu == exec::BOOT {
            return;
        }
        let mut step = Step::new(cpu, kind, text);
        (step.depth, step.object, step.at) = (self.depth[cpu], object, at);
        if kind == StepKind::Call {
            self.calls[cpu].push(step);
            return;
        }
        step.now = self.changes();
        if matches!(kind, StepKind::Lock | StepKind::LockShared) {
            self.joined[cpu] = None;
        }
        self.steps.append(&mut self.calls[cpu]);
        self.steps.push(step);
        self.taken.resize(self.steps.len(), taken);
    }

    /// The CPU's store is in memory now. If nobody has taken a step since the CPU stored it, the
    /// two are one.
    fn arrived(&mut self, taken: usize, cpu: usize, name: Name, what: &str, at: &Location<'_>) {
        let says_only = |step: &&mut Step| {
            step.kind == StepKind::Return
                || step.kind == StepKind::Note && step.object.is_empty() && step.now.is_empty()
        };
        let now = self.changes();
        let last = self.steps.iter_mut().rev().find(|step| !says_only(step));
        if let Some(step) = last.filter(|step| step.cpu == cpu && step.text == buffered(what)) {
            step.text = what.to_owned();
            step.now.extend(now);
            return;
        }
        let text = format!("{what} reaches memory");
        self.push(taken, cpu, StepKind::Store, name.to_string(), text, line(at));
        if let Some(step) = self.steps.last_mut() {
            step.now.splice(0..0, now);
        }
    }

    /// Of a deadlock, what each CPU of the circle waits for: where it joined a queue, else at the
    /// end. There the one that closes the circle comes first, since it is the one that runs.
    pub(crate) fn violation(&mut self, taken: usize, cpu: usize, violation: &Violation, at: &str) {
        let mut waits: Vec<_> = violation.cycle.iter().enumerate().collect();
        // What is put in before other rows moves those: the latest first.
        waits.sort_by_key(|(_, wait)| Reverse(self.joined[wait.cpu].unwrap_or((usize::MAX, 0))));
        for (n, wait) in waits {
            let next = &violation.cycle[(n + 1) % violation.cycle.len()];
            let whose = match (next.cpu == wait.cpu, next.queued) {
                (true, _) => "itself".to_owned(),
                (false, true) => format!("CPU{}, which is before it in the queue", next.cpu),
                (false, false) => format!("CPU{}", next.cpu),
            };
            let (joined, end) = (self.joined[wait.cpu], self.steps.len());
            self.push(
                taken,
                wait.cpu,
                StepKind::Blocked,
                wait.wants.to_string(),
                format!("{} waits for {whose}", wait.call()),
                line(wait.at),
            );
            if let Some((place, then)) = joined {
                let rows = self.steps.len() - end;
                self.steps[place..].rotate_right(rows);
                self.taken[end..].fill(then);
                self.taken[place..].rotate_right(rows);
            }
        }
        if !violation.cycle.is_empty() {
            return;
        }
        self.push(
            taken,
            cpu,
            StepKind::Violation,
            String::new(),
            format!("{}: {}", violation.clause, violation.what),
            at.to_owned(),
        );
    }
}

/// A line of the sources as it is shown: from where cargo was run, or, in a crate from elsewhere,
/// from its `src` on. Where that lies on this machine is nobody's business.
pub(crate) fn line(at: &Location<'_>) -> String {
    format!("{}:{}", shown(at.file()), at.line())
}

fn shown(file: &str) -> &str {
    let path = Path::new(file);
    match file.rfind("/src/") {
        _ if !path.is_absolute() => file,
        Some(before) => &file[before + 1..],
        None => path.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
    }
}

/// What [`watch`] is told of a step that a CPU has taken.
#[derive(Debug)]
#[non_exhaustive]
pub struct Taken<'t> {
    /// Which CPU.
    pub cpu: usize,
    /// How many steps this execution had been through then.
    pub step: usize,
    /// What kind of step.
    pub kind: StepKind,
    /// On what.
    pub object: Option<Name>,
    /// In words.
    pub text: &'t str,
    /// The locks that it holds now, in the order in which it took them, each with whether others
    /// may hold it too.
    pub held: Vec<(Name, bool)>,
    /// It is in an RCU read section now.
    pub rcu: bool,
}

static WATCH: OnceLock<fn(&Taken<'_>)> = OnceLock::new();

/// From now on, every step that a CPU takes in this process is told to `watch`, on the stack on
/// which it was taken, and so is every [`note!`](crate::note), which is none and is on no object.
/// Once and for all: for a test that looks at the stack.
pub fn watch(watch: fn(&Taken<'_>)) {
    WATCH.set(watch).unwrap_or_else(|_| super::misuse("the steps are watched already"));
}

fn tell(watch: fn(&Taken<'_>), kind: StepKind, object: Option<Name>, text: &str) {
    let cpu = exec::cpu();
    let says_only = matches!(kind, StepKind::Call | StepKind::Return | StepKind::Violation);
    if cpu != exec::BOOT && !says_only && !std::thread::panicking() {
        let (held, rcu) = lockdep::held_by_me();
        watch(&Taken {
            cpu,
            step: exec::with(exec::Exec::announced),
            kind,
            object,
            text,
            held,
            rcu,
        });
    }
}

/// A store that has not reached memory yet.
fn buffered(what: &str) -> String {
    format!("{what}, in its store buffer")
}

/// Adds a step that stores; `later` is true if that is for later, when it [arrives](arrives).
#[track_caller]
pub(crate) fn stores(name: Name, later: bool, what: impl FnOnce() -> String) {
    event(StepKind::Store, Some(name), || if later { buffered(&what()) } else { what() });
}

/// What the current CPU has stored before, in that line, is in memory now.
pub(crate) fn arrives(at: &'static Location<'static>, name: Name, what: impl FnOnce() -> String) {
    exec::with(|exec| {
        if let Some(trace) = &exec.trace
            && exec.running()
        {
            trace.lock().arrived(exec.announced(), exec::cpu(), name, &what(), at);
        }
    });
}

/// The current CPU has joined a queue: if nothing lets it out again, it waits from here on.
pub(crate) fn queues() {
    exec::with(|exec| {
        if let Some(trace) = &exec.trace
            && exec.running()
        {
            let mut trace = trace.lock();
            let here = (trace.steps.len(), exec.announced());
            if let Some(joined) = trace.joined.get_mut(exec::cpu()) {
                *joined = Some(here);
            }
        }
    });
}

/// Adds a step to the trace, if there is one; `text` is not evaluated otherwise.
#[track_caller]
pub(crate) fn event(kind: StepKind, object: Option<Name>, text: impl FnOnce() -> String) {
    if is_heard() {
        add(kind, object, text(), Location::caller());
    }
}

fn is_heard() -> bool {
    WATCH.get().is_some() || exec::with(|exec| exec.trace.is_some() && exec.running())
}

fn add(kind: StepKind, object: Option<Name>, text: String, at: &'static Location<'static>) {
    if let Some(&watch) = WATCH.get() {
        tell(watch, kind, object, &text);
    }
    exec::with(|exec| {
        if let Some(trace) = &exec.trace
            && exec.running()
        {
            let object = object.map_or_else(String::new, |name| name.to_string());
            trace.lock().push(exec.announced(), exec::cpu(), kind, object, text, line(at));
        }
    });
}

/// Gives the trace a way to look at the state.
pub(crate) fn observe(observer: impl FnOnce() -> Observer) {
    exec::with(|exec| {
        if let Some(trace) = &exec.trace {
            exec.name_from_here();
            let observer = observer();
            trace.lock().observe(observer);
        }
    });
}

/// A kernel function is running while this lives: lines inside are indented under its own.
pub struct Call(());

/// Enters a kernel function. See [`call!`](crate::call).
#[track_caller]
pub fn enter(text: impl FnOnce() -> String) -> Call {
    event(StepKind::Call, None, text);
    shift(1);
    Call(())
}

fn shift(by: i8) {
    exec::with(|exec| {
        if let Some(trace) = &exec.trace
            && exec::cpu() != exec::BOOT
        {
            let depth = &mut trace.lock().depth[exec::cpu()];
            *depth = depth.saturating_add_signed(by);
        }
    });
}

impl Drop for Call {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            shift(-1);
        }
    }
}

/// See [`note!`](crate::note).
#[track_caller]
pub fn remark(text: impl FnOnce() -> String) {
    event(StepKind::Note, None, text);
}

/// Here a try for a lock fails because somebody is assumed to hold it.
#[track_caller]
pub(crate) fn fails(text: impl FnOnce() -> String) {
    event(StepKind::TryLockFailed, None, text);
}

#[cfg(test)]
mod tests {
    #[test]
    fn nobody_reads_where_a_crate_lies() {
        for (file, shown) in [
            ("src/mm/rmap.rs", "src/mm/rmap.rs"),
            ("tests/src/rmap.rs", "tests/src/rmap.rs"),
            ("/anywhere/src/lockwalk/src/mm/rmap.rs", "src/mm/rmap.rs"),
            ("/anywhere/race.rs", "race.rs"),
        ] {
            assert_eq!(super::shown(file), shown);
        }
    }
}
