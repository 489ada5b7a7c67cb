//! Explorations in parts: stopped and continued, or split over machines.

use std::io::{self, Read};
use std::str::FromStr;
use std::sync::OnceLock;
use std::{env, fmt, fs, process};

use serde::{Deserialize, Serialize};
use witness::{Coverage, Outcome, Witness};

use dpor::{Explorer, Memory, Strategy};

use super::tally::{Beside, LockOrder, add_counts, conclude};
use super::{Exploration, Explored, Method, Options, memory_model};
use crate::race::Race;
use crate::spec::{Clause, Protocol};
use crate::sync;

/// An exploration, exhaustive or by states, that need not be over, or one shard of one: what it has
/// found, and what is left. Another process or another machine can go on with it:
/// [`write`](Part::write) makes a text of it, [`read`](Part::read) reads that.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Which lockwalk began it: another one might explore something else.
    build: String,
    shard: Option<Shard>,
    /// It goes by states.
    states: bool,
    stand: Stand,
    /// The executions that it took, redundant ones too.
    spent: u64,
    /// What it has found; what concerns all executions together is not in it yet.
    found: Outcome,
    /// What was reached in executions that are not counted.
    beside: Beside,
    /// Which lock was taken while which was held, and where.
    lock_order: LockOrder,
    /// An interleaving in which something was violated.
    sample: Option<String>,
}

/// How far it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stand {
    NotBegun,
    /// What the scheduler has to know to go on.
    At(#[serde(with = "on_paper")] Box<dpor::Saved>),
    /// The documented violation was found: nothing else is sought.
    Found,
    /// Nothing is left.
    Done,
    /// The race makes no sense under the protocol: nothing is sought.
    Inapplicable,
}

/// What the scheduler has to know, as a text.
mod on_paper {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(saved: &dpor::Saved, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(saved)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<dpor::Saved>, D::Error> {
        let saved = String::deserialize(from)?.parse();
        saved.map(Box::new).map_err(|error| {
            D::Error::custom(format!("where the scheduler stands cannot be read: {error}"))
        })
    }
}

/// One of several shards of an exploration: `2/3` is the second of three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

impl Shard {
    /// The `number`-th of `of` shards, if there is one. They count from 1.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            None => Err(PartError("expected I/N: 2/3 is the second of three shards".into())),
            Some((_, 0)) => Err(PartError("there must be a shard".into())),
            Some((number, of)) => Self::new(number, of)
                .ok_or_else(|| PartError(format!("they count from 1/{of} to {of}/{of}"))),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = PartError;

    fn try_from(text: String) -> Result<Self, PartError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

/// Why parts do not go together, or cannot be gone on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartError(String);

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PartError {}

/// What is read of a text.
#[derive(Deserialize)]
struct Kept {
    parts: Vec<Part>,
}

/// All that is read of it as long as it may be another build's.
#[derive(Deserialize)]
struct Builds {
    parts: Vec<Build>,
}

#[derive(Deserialize)]
struct Build {
    build: String,
}

/// Its last line, of what is above it.
#[derive(Serialize, Deserialize)]
struct Checksum {
    crc32: String,
}

impl Checksum {
    fn line(of: &str) -> String {
        let sum = Checksum { crc32: format!("{:08x}", crc32fast::hash(of.as_bytes())) };
        serde_json::to_string(&sum).expect("plain data") + "\n"
    }
}

/// How every text begins, whatever the format's number.
const BEGINNING: &str = "{\"lockwalk\":\"exploration ";

/// The format's number.
const FORMAT: &str = "4";

/// What comes between that and the parts has fewer bytes, and so has what comes after them.
const FRAME: u64 = 64;

impl Part {
    /// This lockwalk: its version, and what it was built from.
    pub const BUILD: &str = env!("LOCKWALK_BUILD");

    /// The exploration of `race` under `protocol`, or a shard of it, before it begins.
    pub fn new(race: &Race, protocol: &Protocol, shard: Option<Shard>) -> Self {
        Self::of(race, protocol, shard, &Method::Exhaustive)
    }

    /// The exploration of `race` under `protocol` by states, or a shard of it, before it begins.
    /// What several shards come to is gone through in each of them.
    pub fn by_states(race: &Race, protocol: &Protocol, shard: Option<Shard>) -> Self {
        Self::of(race, protocol, shard, &Method::States)
    }

    fn of(race: &Race, protocol: &Protocol, shard: Option<Shard>, method: &Method) -> Self {
        let options = Options::default();
        let exploration = Exploration::new(race, protocol, method, &options);
        let found = exploration.outcome(Coverage::Unfinished { why: "it has not begun".into() });
        let (beside, lock_order) = (Beside::default(), LockOrder::new());
        Self {
            build: build_of(race),
            shard,
            states: *method == Method::States,
            stand: Stand::NotBegun,
            spent: 0,
            found,
            beside,
            lock_order,
            sample: None,
        }
    }

    /// The parts as a text: a line of JSON, and a line with its checksum.
    pub fn write(parts: &[Part]) -> String {
        let parts = serde_json::to_string(parts).expect("plain data");
        let bytes = parts.len();
        let text = format!("{BEGINNING}{FORMAT}\",\"bytes\":{bytes},\"parts\":{parts}}}\n");
        let checksum = Checksum::line(&text);
        text + &checksum
    }

    /// The parts that [`write`](Part::write) made a text of.
    ///
    /// # Errors
    /// When it cannot be read, is something else, is damaged, or is another build's.
    pub fn read(mut from: impl Read) -> Result<Vec<Part>, PartError> {
        Self::read_from(&mut from)
    }

    fn read_from(from: &mut dyn Read) -> Result<Vec<Part>, PartError> {
        let refuse = |why: &str| Err(PartError(why.to_owned()));
        let unreadable = |error: io::Error| PartError(error.to_string());
        let not_one = "it is not an exploration that `lockwalk check --save` wrote, or its \
                       beginning is damaged";
        let mut bytes = Vec::new();
        // What something else goes on with may have no end.
        let beginning = BEGINNING.len() as u64 + FRAME;
        from.take(beginning).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.is_empty() {
            return refuse("it is empty");
        }
        let beginning = String::from_utf8_lossy(&bytes);
        let Some((format, rest)) =
            beginning.strip_prefix(BEGINNING).and_then(|rest| rest.split_once('"'))
        else {
            return refuse(not_one);
        };
        if format != FORMAT {
            return refuse(&format!(
                "it is of format {}, and this lockwalk reads format {FORMAT}, or its beginning is \
                 damaged",
                format.escape_default()
            ));
        }
        let size = rest.strip_prefix(",\"bytes\":").and_then(|rest| rest.split_once(','));
        let Some(size) = size.and_then(|(size, _)| size.parse::<u64>().ok()) else {
            return refuse(not_one);
        };
        from.take(size.saturating_add(FRAME)).read_to_end(&mut bytes).map_err(unreadable)?;
        let Ok(text) = String::from_utf8(bytes) else {
            return refuse("it is damaged: not all of it is text");
        };
        let Some(end_of_first) = text.find('\n').filter(|&at| at + 1 < text.len()) else {
            return refuse("it is damaged: its end is missing");
        };
        let (text, checksum) = text.split_at(end_of_first + 1);
        if checksum != Checksum::line(text) {
            return refuse("it is damaged: its checksum does not fit");
        }
        let damaged = |error: serde_json::Error| PartError(format!("it is damaged: {error}"));
        // Another build's parts may not even look like ours.
        let Builds { parts } = serde_json::from_str(text).map_err(damaged)?;
        parts.iter().try_for_each(|Build { build }| is_this_build(build))?;
        let Kept { parts } = serde_json::from_str(text).map_err(damaged)?;
        if parts.is_empty() { refuse("it is damaged: nothing is in it") } else { Ok(parts) }
    }

    /// The race's id.
    pub fn race(&self) -> &str {
        &self.found.race
    }

    /// The protocol.
    pub fn protocol(&self) -> &str {
        &self.found.protocol
    }

    /// Which shard it is, if it is one.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// How it goes on: [`Method::Exhaustive`], or [`Method::States`].
    pub fn method(&self) -> Method {
        if self.states { Method::States } else { Method::Exhaustive }
    }

    /// Is there nothing more to do about it? Then it is exhausted, or shows what is documented to
    /// be violated, or makes no sense.
    pub fn is_settled(&self) -> bool {
        matches!(self.stand, Stand::Found | Stand::Done | Stand::Inapplicable)
    }

    /// The part of a race that makes no sense under the protocol, and why: it is settled.
    fn inapplicable(mut self, why: String) -> Self {
        self.stand = Stand::Inapplicable;
        self.found.coverage = Coverage::Inapplicable { why };
        self
    }

    /// The executions that it took so far, redundant ones too: those that a limit counts.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// What it has found so far. Of a shard, or an exploration that is not over, "never" is not
    /// part of that.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = self.found.clone();
        conclude(&mut outcome, &self.beside, &self.lock_order);
        outcome
    }

    /// Is it a part of an exploration of this race, which this lockwalk can go on with?
    ///
    /// # Errors
    /// When it is of another race, another lockwalk began it, or it is damaged.
    pub fn fits(&self, race: &Race) -> Result<(), PartError> {
        if self.race() != race.id() {
            return Err(PartError(format!(
                "this part is of {} under {}, not of {}",
                self.race(),
                self.protocol(),
                race.id()
            )));
        }
        let memory = memory_model(race.memory_model());
        if self.found.memory_model != memory {
            return Err(PartError(format!(
                "this part is {}, and the race {memory}",
                self.found.memory_model
            )));
        }
        is_build(&self.build, &build_of(race))?;
        is_this_build(&self.build)
    }

    /// What the scheduler has to know to go on; nothing if it starts from the beginning.
    fn saved(&self) -> Option<&dpor::Saved> {
        if let Stand::At(saved) = &self.stand { Some(saved) } else { None }
    }

    /// Puts the shards of one exploration together.
    ///
    /// # Errors
    /// When they are not all shards of one exploration, each of them once and settled.
    pub fn merge(parts: &[Part]) -> Result<Part, PartError> {
        let [first, others @ ..] = parts else {
            return Err(PartError("there is nothing to put together".into()));
        };
        let name = |part: &Part| {
            let model = &part.found.memory_model;
            let model = Some(model).filter(|model| *model != memory_model(Memory::Sc));
            let model = model.map_or_else(String::new, |model| format!(" and {model}"));
            format!("{} under {}{model}", part.race(), part.protocol())
        };
        let refuse = |why: String| Err(PartError(why));
        let mut of = None;
        let mut there = Vec::new();
        for part in parts {
            is_this_build(&part.build)?;
            let what = name(part);
            let exploration = |part: &Part| {
                let protocol = part.protocol().parse::<Protocol>().ok();
                (part.race().to_owned(), protocol, part.found.memory_model.clone())
            };
            if exploration(part) != exploration(first) {
                return refuse(format!("{} and {what} are different explorations", name(first)));
            }
            if part.build != first.build {
                return refuse(format!(
                    "{what}: one part was begun by lockwalk {}, and another by {}",
                    first.build, part.build
                ));
            }
            if part.states != first.states {
                return refuse(format!(
                    "{what}: one part goes by states, and another by executions"
                ));
            }
            let Some(shard) = part.shard else { return refuse(format!("{what} is not a shard")) };
            if *of.get_or_insert(shard.of) != shard.of {
                return refuse(format!(
                    "{what}: {shard} is not of the {} shards that others are of",
                    of.unwrap_or(0)
                ));
            }
            if there.contains(&shard.number) {
                return refuse(format!("{what}: shard {shard} is there twice"));
            }
            if !part.is_settled() {
                return refuse(format!("{what}: shard {shard} is not done"));
            }
            there.push(shard.number);
        }
        let of = of.unwrap_or(0);
        if let Some(missing) = (1..=of).find(|number| !there.contains(number)) {
            return refuse(format!("{}: shard {missing}/{of} is missing", name(first)));
        }
        let mut whole = others.iter().fold(first.clone(), |mut whole, part| {
            whole.add(part);
            whole
        });
        whole.shard = None;
        whole.found.states = parts.iter().map(|part| part.found.states).sum();
        // A shard without executions does not come to say that.
        if let Some(part) = parts.iter().find(|part| part.stand == Stand::Inapplicable) {
            return Ok(Part { shard: None, ..part.clone() });
        }
        let exhausted = parts.iter().all(|part| part.stand == Stand::Done);
        (whole.stand, whole.found.coverage) = if exhausted {
            (Stand::Done, Coverage::Exhaustive)
        } else {
            (Stand::Found, Coverage::Settled)
        };
        Ok(whole)
    }

    /// Adds what another part, or an earlier one, has found.
    fn add(&mut self, other: &Part) {
        self.spent += other.spent;
        self.found.executions += other.found.executions;
        self.found.violating += other.found.violating;
        self.found.seconds += other.found.seconds;
        add_counts(&mut self.found.violations, &other.found.violations);
        add_counts(&mut self.found.clauses, &other.found.clauses);
        add_counts(&mut self.found.endings, &other.found.endings);
        add_counts(&mut self.found.operations, &other.found.operations);
        add_counts(&mut self.found.showing, &other.found.showing);
        self.beside.add(&other.beside);
        for (earlier, later) in &other.lock_order {
            self.lock_order.entry(earlier.clone()).or_default().extend(later.clone());
        }
        if self.stand != Stand::Found || self.sample.is_none() {
            self.sample = other.sample.clone().or(self.sample.take());
        }
    }
}

/// The build that a part of this race belongs to. Of one that is not the catalogue's, it is that of
/// the program, too, in which the race stands.
fn build_of(race: &Race) -> String {
    if race.is_of_the_catalogue() { Part::BUILD.to_owned() } else { with_this_program() }
}

fn with_this_program() -> String {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let program = || match env::current_exe().and_then(fs::read) {
        Ok(program) => format!("{}+{:08x}", Part::BUILD, crc32fast::hash(&program)),
        // No other process can tell that it is the same.
        Err(_) => format!("{}+?{}", Part::BUILD, process::id()),
    };
    PROGRAM.get_or_init(program).clone()
}

/// Whatever the race is.
fn is_this_build(build: &str) -> Result<(), PartError> {
    // To read the whole program takes longer than many a race.
    if build != Part::BUILD && build == with_this_program() {
        return Ok(());
    }
    is_build(build, Part::BUILD)
}

fn is_build(build: &str, ours: &str) -> Result<(), PartError> {
    if build == ours {
        return Ok(());
    }
    let build = build.escape_default();
    Err(PartError(format!(
        "it was begun by lockwalk {build}, and this is {ours}, which may explore something else"
    )))
}

impl Race {
    /// Goes on with a part of an exploration of this race, as far as the options' limits allow.
    ///
    /// ```
    /// use lockwalk::{Options, Part, races};
    ///
    /// let race = races::all().into_iter().find(|race| race.id() == "S3.7");
    /// let race = race.expect("it is in the catalogue");
    /// let limits = Options::default().executions(500);
    /// let mut part = Part::new(&race, &lockwalk::Era::V2_6_36, None);
    /// while !part.is_settled() {
    ///     assert!(!part.outcome().as_documented(), "nothing is known before the end");
    ///     part = race.check_part(part, &limits).expect("it is this race's");
    /// }
    /// assert!(part.outcome().as_documented());
    /// ```
    ///
    /// # Errors
    /// When the part belongs to another race, or to another build.
    pub fn check_part(&self, part: Part, options: &Options) -> Result<Part, PartError> {
        let protocol = self.protocol_of(&part)?;
        if part.is_settled() {
            return Ok(part);
        }
        if part.shard.is_some() && part.spent == 0 {
            // Whether the race makes sense under the protocol shows in an execution, and there may
            // be none in this shard.
            let once = options.clone().executions(1).witness(false);
            let once = self.check_with(&protocol, &Method::Exhaustive, &once);
            if let Coverage::Inapplicable { why } = once.coverage {
                return Ok(part.inapplicable(why));
            }
        }
        let begun = part.saved();
        let start = |explorer: Explorer| match (begun, part.shard) {
            (Some(saved), _) => explorer.resume(saved.clone()),
            (None, Some(Shard { number, of })) => explorer.shard(number - 1, of),
            (None, None) => explorer,
        };
        let jobs = if part.found.violations.is_empty() { options.jobs } else { 1 };
        let options = options.clone().jobs(jobs);
        let method = part.method();
        let strategy = if part.states { Strategy::States } else { Strategy::Dpor };
        let exploration = Exploration::new(self, &protocol, &method, &options);
        let explored = sync::applied(|| exploration.explore(&start, strategy, None));
        let Explored { coverage, sample, saved, .. } = match explored {
            Ok(explored) => explored,
            Err(why) => return Ok(part.inapplicable(why)),
        };
        // Stopped in the middle of a very long execution: of this run, only that is known.
        let Some(saved) = saved else {
            let mut part = part;
            part.found.coverage = coverage;
            return Ok(part);
        };
        let spent = saved.executions;
        let stand = match (exploration.shown(), saved.is_done()) {
            (_, true) => Stand::Done,
            (true, false) => Stand::Found,
            (false, false) => Stand::At(Box::new(saved)),
        };
        let coverage = match (&stand, part.shard) {
            (Stand::Done, Some(shard)) => {
                Coverage::Unfinished { why: format!("only shard {shard} was explored") }
            }
            _ => coverage,
        };
        let beside = exploration.tally().beside();
        let lock_order = exploration.tally().lock_order();
        let sample = sample.map(|schedule| schedule.to_string());
        let mut now = Part {
            stand,
            found: exploration.outcome(coverage),
            beside,
            lock_order,
            sample,
            ..part.clone()
        };
        now.add(&part);
        // That of the scheduler's account, which goes on with the one before.
        now.spent = spent;
        Ok(now)
    }

    /// The interleaving with the fewest preemptive switches that shows what the part found
    /// violated. When the options' limits are too narrow for that: the one that was found.
    ///
    /// # Errors
    /// When the part belongs to another race, or to another build.
    pub fn witness(&self, part: &Part, options: &Options) -> Result<Option<Witness>, PartError> {
        let protocol = self.protocol_of(part)?;
        let outcome = part.outcome();
        let verdict = outcome.verdict();
        let Some(Ok(clause)) = verdict.clause().map(str::parse::<Clause>) else { return Ok(None) };
        let sample = part.sample.as_ref().and_then(|schedule| schedule.parse().ok());
        Ok(Exploration::new(self, &protocol, &part.method(), options)
            .witness(clause, sample, &outcome))
    }

    fn protocol_of(&self, part: &Part) -> Result<Protocol, PartError> {
        part.fits(self)?;
        part.protocol()
            .parse()
            .map_err(|error: crate::spec::ProtocolError| PartError(error.to_string()))
    }
}
