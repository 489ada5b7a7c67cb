//! A race: a world, what each CPU does in it, what must never be, and what must be reachable.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use dpor::Memory;

use crate::mm::{AtRest, Setup, World};
use crate::spec::{Clause, Protocol};
use crate::sync::{Exec, Mark};

type OnWorld = Arc<dyn Fn(&World) + Send + Sync>;
type Build = Arc<dyn Fn(&Setup<'_>) + Send + Sync>;

/// What a document says of a race under a protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Documented {
    /// The protocol violates this clause.
    Violates(Clause),
    /// The protocol was offered as the fix, and violates this clause still.
    StillViolates(Clause),
    /// The protocol violates nothing.
    Holds,
}

impl Documented {
    /// The clause that is said to be violated.
    pub fn clause(self) -> Option<Clause> {
        match self {
            Self::Violates(clause) | Self::StillViolates(clause) => Some(clause),
            Self::Holds => None,
        }
    }
}

/// A race, and what is said of it. Build one with [`Race::new`]; run it with
/// [`check`](Race::check).
#[derive(Clone)]
pub struct Race {
    id: String,
    title: String,
    world: Build,
    cpus: Vec<(String, OnWorld)>,
    /// The line that adds each of them.
    lines: Vec<&'static Location<'static>>,
    /// Are they in the opposite order?
    reversed: bool,
    memory: Memory,
    /// Is it the catalogue's, as it is there?
    ours: bool,
    ends: Vec<OnWorld>,
    cases: Vec<(Protocol, Documented)>,
    omitted: Vec<(Protocol, Clause)>,
    showing: Vec<Condition>,
    sometimes: Vec<Condition>,
    never: Vec<Condition>,
}

/// Something that an execution can have shown.
#[derive(Clone)]
pub struct Condition {
    /// In words.
    pub label: String,
    holds: Arc<dyn Fn(&Seen<'_>) -> bool + Send + Sync>,
}

impl Condition {
    /// Did this execution show it?
    pub fn holds(&self, seen: &Seen<'_>) -> bool {
        (self.holds)(seen)
    }
}

/// An execution, for conditions.
pub struct Seen<'e>(pub(crate) &'e Exec);

impl Seen<'_> {
    /// Has it shown this? `lockwalk list marks` names them; a race may [have its own](Mark).
    pub fn saw(&self, mark: &'static Mark) -> bool {
        self.0.saw(mark)
    }
}

impl Race {
    /// A race with a claim's id (`S3.1`) and one line that says what collides.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            world: Arc::new(|_| ()),
            cpus: Vec::new(),
            lines: Vec::new(),
            reversed: false,
            memory: Memory::Sc,
            ours: false,
            ends: Vec::new(),
            cases: Vec::new(),
            omitted: Vec::new(),
            showing: Vec::new(),
            sometimes: Vec::new(),
            never: Vec::new(),
        }
    }

    /// Builds the world before the CPUs start. Runs alone; nothing in it is explored.
    #[must_use]
    pub fn world(mut self, build: impl Fn(&Setup<'_>) + Send + Sync + 'static) -> Self {
        self.world = Arc::new(build);
        self.ours = false;
        self
    }

    /// Adds a CPU, and what runs on it. An assertion that fails there violates
    /// [ASSERT-1](Clause::ASSERT_1).
    #[must_use]
    #[track_caller]
    pub fn cpu(
        self,
        name: impl Into<String>,
        body: impl Fn(&World) + Send + Sync + 'static,
    ) -> Self {
        self.with_cpu(name.into(), Arc::new(body), Location::caller())
    }

    fn with_cpu(mut self, name: String, body: OnWorld, line: &'static Location<'static>) -> Self {
        self.cpus.push((name, body));
        self.lines.push(line);
        self.ours = false;
        self
    }

    /// Looks at the world when all CPUs have ended and it is in order: what is asserted here must
    /// hold in every interleaving ([ASSERT-1](Clause::ASSERT_1), as for assertions on a CPU).
    ///
    /// ```
    /// # use lockwalk::{Clause, Era, Race};
    /// let race = Race::new("mine", "two stores to the same place")
    ///     .world(|w| w.new_process().mmap(1..2))
    ///     .cpu("store 1", |w| w.process(0).store(1, 1).expect("it is mapped"))
    ///     .cpu("store 2", |w| w.process(0).store(1, 2).expect("it is mapped"))
    ///     .finally(|w| assert_eq!(w.process(0).load(1), Ok(2), "the second store is the last"))
    ///     .violates(Era::V2_6_36, Clause::ASSERT_1);
    /// let outcome = race.check(&Era::V2_6_36);
    /// assert!(outcome.as_documented(), "{:?}", outcome.objections());
    /// ```
    ///
    /// Where things are by then, it can be asked without a step ([`AtRest`]): whether a page is
    /// mapped at an address, or what was there is on swap, how often a page is mapped, and what it
    /// holds.
    ///
    /// ```
    /// # use lockwalk::{Era, Race};
    /// let race = Race::new("mine", "fork while the parent stores")
    ///     .world(|w| {
    ///         let p = w.new_process();
    ///         p.mmap(1..2);
    ///         p.touch(1);
    ///     })
    ///     .cpu("fork", |w| _ = w.process(0).fork())
    ///     .cpu("store", |w| w.process(0).store(1, 1).expect("it is mapped"))
    ///     .finally(|w| {
    ///         let (parent, child) = (w.process(0), w.process(1));
    ///         assert!(parent.is_mapped(1) && child.is_mapped(1), "nothing has been swapped out");
    ///         assert!((1..3).contains(&parent.mapcount(1)), "the child has the page too, or not");
    ///         assert_eq!(parent.load(1), Ok(1), "what was stored");
    ///     })
    ///     .holds(Era::V2_6_36);
    /// let outcome = race.check(&Era::V2_6_36);
    /// assert!(outcome.as_documented(), "{:?}", outcome.objections());
    /// ```
    #[must_use]
    pub fn finally(mut self, look: impl Fn(&AtRest<'_>) + Send + Sync + 'static) -> Self {
        self.ends.push(Arc::new(move |world| look(&AtRest::new(world))));
        self.ours = false;
        self
    }

    /// Under `protocol`, some interleaving violates `clause`. That settles it: other clauses that
    /// the same protocol violates on the way are reported, and are no objection, unless it is an
    /// assertion of the race itself that fails ([ASSERT-1](Clause::ASSERT_1)).
    ///
    /// # Panics
    /// When something is said of the protocol already; so do the others.
    #[must_use]
    #[track_caller]
    pub fn violates(self, protocol: Protocol, clause: Clause) -> Self {
        self.case(protocol, Documented::Violates(clause))
    }

    /// `protocol` was offered as a fix, but some interleaving violates `clause` still.
    #[must_use]
    #[track_caller]
    pub fn still_violates(self, protocol: Protocol, clause: Clause) -> Self {
        self.case(protocol, Documented::StillViolates(clause))
    }

    /// Under `protocol`, no interleaving violates anything; and every clause that this race
    /// violates under another protocol is evaluated, or that would say nothing.
    #[must_use]
    #[track_caller]
    pub fn holds(self, protocol: Protocol) -> Self {
        self.case(protocol, Documented::Holds)
    }

    /// Under `protocol`, no interleaving violates anything, and nothing is done that `clause`
    /// speaks of: it need not be evaluated.
    #[must_use]
    #[track_caller]
    pub fn holds_without(mut self, protocol: Protocol, clause: Clause) -> Self {
        self.omitted.push((protocol.clone(), clause));
        self.case(protocol, Documented::Holds)
    }

    #[track_caller]
    fn case(mut self, protocol: Protocol, documented: Documented) -> Self {
        if let Some((same, before)) = self.cases.iter().find(|(case, _)| *case == protocol) {
            let called = if same.to_string() == protocol.to_string() {
                String::new()
            } else {
                format!(" (as {same})")
            };
            panic!(
                "{} under {protocol} is said to be {documented:?}, and before that{called} \
                 {before:?}",
                self.id
            );
        }
        self.cases.push((protocol, documented));
        self
    }

    /// A violation of the documented clause counts only if its execution has shown this before: the
    /// document's interleaving, not some other. It is asked at the instant of the violation, not at
    /// the end of the execution.
    #[must_use]
    pub fn showing(
        mut self,
        label: impl Into<String>,
        holds: impl Fn(&Seen<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.ours = false;
        self.showing.push(Condition { label: label.into(), holds: Arc::new(holds) });
        self
    }

    /// An ending that must be reachable where the protocol holds: else the race was never run, and
    /// "never" says nothing.
    #[must_use]
    pub fn sometimes(
        mut self,
        label: impl Into<String>,
        holds: impl Fn(&Seen<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.ours = false;
        self.sometimes.push(Condition { label: label.into(), holds: Arc::new(holds) });
        self
    }

    /// An ending that must not be reachable ([RACE-1](Clause::RACE_1)): a property of this race
    /// alone, beside the clauses.
    #[must_use]
    pub fn never(
        mut self,
        label: impl Into<String>,
        holds: impl Fn(&Seen<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.ours = false;
        self.never.push(Condition { label: label.into(), holds: Arc::new(holds) });
        self
    }

    /// The same race with its CPUs in the opposite order, in which they are tried. No verdict may
    /// depend on that, nor how many classes of equivalent interleavings there are.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.cpus.reverse();
        self.lines.reverse();
        self.reversed = !self.reversed;
        // Its schedules number the CPUs in another way.
        self.ours = false;
        self
    }

    /// The same race under this memory model: what a CPU sees of the stores of others, and when. Of
    /// all engines, those that run under shuttle have a choice;
    /// [`Method::States`](crate::Method::States) has all but RC11. What each
    /// word of the vocabulary orders under which model, [`order`](crate::sync::order) says.
    ///
    /// ```
    /// use lockwalk::{Era, Memory, Method, Options, races};
    ///
    /// let race = races::all().into_iter().find(|race| race.id() == "S3.1");
    /// let race = race.expect("it is in the catalogue");
    /// let (method, options) = (Method::Exhaustive, Options::default());
    /// let outcome = race.memory(Memory::Tso).check_with(&Era::V2_6_36, &method, &options);
    /// assert!(outcome.as_documented(), "{:?}", outcome.objections());
    /// assert_eq!(outcome.memory_model, "TSO");
    /// ```
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// The memory model that it is explored under.
    pub fn memory_model(&self) -> Memory {
        self.memory
    }

    /// How many CPUs are in the opposite order of the one in which they were written.
    pub(crate) fn reversed_cpus(&self) -> usize {
        if self.reversed { self.cpus.len() } else { 0 }
    }

    /// The same race, of which nothing is documented: no cases, and any violation counts.
    pub(crate) fn without_cases(mut self) -> Self {
        self.cases.clear();
        self.showing.clear();
        self
    }

    /// The same race, of the catalogue: until something is added to it, it is known by what
    /// lockwalk was built from.
    pub(crate) fn of_the_catalogue(mut self) -> Self {
        self.ours = true;
        self
    }

    /// Is it the catalogue's, as it is there?
    pub(crate) fn is_of_the_catalogue(&self) -> bool {
        self.ours
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What collides.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The names of its CPUs.
    pub fn cpu_names(&self) -> impl Iterator<Item = &str> {
        self.cpus.iter().map(|(name, _)| name.as_str())
    }

    /// The lines that add its CPUs.
    pub(crate) fn cpu_lines(&self) -> &[&'static Location<'static>] {
        &self.lines
    }

    /// What is said of it, protocol by protocol.
    pub fn cases(&self) -> &[(Protocol, Documented)] {
        &self.cases
    }

    /// What is said of it under `protocol`.
    pub fn documented(&self, protocol: &Protocol) -> Option<Documented> {
        self.cases.iter().find(|(p, _)| p == protocol).map(|&(_, documented)| documented)
    }

    /// Does it say what holds under some protocols, and this is none of them?
    pub(crate) fn says_nothing_of(&self, protocol: &Protocol) -> bool {
        !self.cases.is_empty() && self.documented(protocol).is_none()
    }

    /// The protocol as the race calls it. A kernel keeps its own name, even where another one makes
    /// the same choices.
    pub(crate) fn called(&self, protocol: &Protocol) -> Protocol {
        let case = self.cases.iter().find(|(case, _)| case == protocol && protocol.is_changed());
        case.map_or(protocol, |(case, _)| case).clone()
    }

    /// Is nothing done under `protocol` that `clause` speaks of?
    pub(crate) fn omits(&self, protocol: &Protocol, clause: Clause) -> bool {
        self.omitted.iter().any(|(p, c)| p == protocol && *c == clause)
    }

    /// The endings that must be reachable.
    pub fn endings(&self) -> &[Condition] {
        &self.sometimes
    }

    /// The endings that must not be reachable.
    pub fn nevers(&self) -> &[Condition] {
        &self.never
    }

    /// What a violation must show besides.
    pub fn shows(&self) -> &[Condition] {
        &self.showing
    }

    pub(crate) fn at_the_end(&self) -> Vec<OnWorld> {
        self.ends.clone()
    }

    pub(crate) fn parts(&self) -> (&Build, &[(String, OnWorld)]) {
        (&self.world, &self.cpus)
    }
}

impl fmt::Debug for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.id, self.title)
    }
}
