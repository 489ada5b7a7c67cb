//! `lockwalk check`, and `lockwalk` alone: the verdicts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::explore::memory_model;
use crate::spec::Claim;
use crate::witness::{Expected, Judged, Verdict, render};
use crate::{Memory, Method, Options, Outcome, Race};
use serde::Serialize;

use super::args::{self, CheckArgs, CheckFormat};
use super::output::{Terminal, complain, json, print_beside};
use super::runner::{Case, Runner};
use super::{Refusal, Status, parts, select};

/// Runs the races that are asked for, and prints the verdicts.
pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let method = args.method()?;
    if args.save.is_some() || args.resume.is_some() {
        return parts::check(args, terminal);
    }
    let cases = cases(args)?;
    let options = options(args, matches!(method, Method::Auto | Method::Exhaustive));
    let report = Report { terminal, format: args.format, saved: None };
    report.head(&cases, &coverage(&method, args::memory(args.memory), &options))?;
    let started = Instant::now();
    let runner = Runner::new(&method, options, jobs(args, &method));
    let outcomes =
        runner.check(&cases, &method, |outcome| runner.aside(|| report.line(outcome)))?;
    runner.finish();
    report.all(&outcomes, started.elapsed())?;
    let status = Status::of(&outcomes);
    if runner.stopped() {
        complain(&format!("stopped: {}", known(&outcomes, cases.len())));
        return Ok(status.max(Status::Undecided));
    }
    Ok(status)
}

/// The races that are asked for, under the protocol that is asked for, or under all that something
/// is documented about.
pub fn cases(args: &CheckArgs) -> Result<Vec<Case>, Refusal> {
    let races = select::races(&args.races)?;
    let memory = args::memory(args.memory);
    let races: Vec<_> = races.into_iter().map(|race| race.memory(memory)).collect();
    let protocol = args.protocol.as_deref().map(select::protocol).transpose()?;
    let of = |race: &Race| match &protocol {
        Some(protocol) => vec![(race.clone(), protocol.clone())],
        None => race.cases().iter().map(|(protocol, _)| (race.clone(), protocol.clone())).collect(),
    };
    Ok(races.iter().flat_map(of).collect())
}

/// The limits of each case.
pub fn options(args: &CheckArgs, witness: bool) -> Options {
    // The shortest interleaving is sought exhaustively: of what another engine found it would say
    // nothing.
    Options {
        executions: args.executions,
        time: args.time,
        memory_limit: args.memory_limit,
        witness,
        ..Options::default()
    }
}

/// How many threads there are to be.
pub fn jobs(args: &CheckArgs, method: &Method) -> usize {
    match method {
        // Each of its executions has threads of its own.
        Method::Native { .. } => 1,
        _ => args.jobs.map_or_else(all_cores, |jobs| jobs as usize),
    }
}

/// As many threads as there are cores.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What `--format json` prints; docs/schema/check.json describes it.
#[derive(Serialize)]
struct Verdicts<'o> {
    outcomes: Vec<Judged<'o>>,
}

/// What is printed, in the format that is asked for.
pub struct Report<'t> {
    pub terminal: &'t Terminal,
    pub format: CheckFormat,
    /// Where the exploration is saved.
    pub saved: Option<&'t Path>,
}

impl Report<'_> {
    /// Before the first verdict.
    pub fn head(&self, cases: &[Case], coverage: &str) -> Result<(), Refusal> {
        if self.format != CheckFormat::Table {
            return Ok(());
        }
        self.print(&format!("lockwalk · {} · {coverage}\n\n", catalogue(cases)))
    }

    /// To standard output, unless an exploration goes there.
    pub fn print(&self, text: &str) -> Result<(), Refusal> {
        print_beside(self.saved, text)
    }

    /// As soon as a verdict is known.
    pub fn line(&self, outcome: &Outcome) -> Result<(), Refusal> {
        if self.format == CheckFormat::Lines {
            self.print(&(one_line(outcome) + "\n"))
        } else {
            Ok(())
        }
    }

    /// When all verdicts are known.
    pub fn all(&self, outcomes: &[Outcome], time: Duration) -> Result<(), Refusal> {
        match self.format {
            CheckFormat::Table => {
                let (width, style) = (self.terminal.width, self.terminal.style());
                self.print(&render::table(outcomes, time.as_secs_f64(), width, style))?;
                self.print(&render::paragraphs(&of_other_protocols(outcomes), width, style))
            }
            CheckFormat::Json => self.print(&json(&Verdicts {
                outcomes: outcomes.iter().map(Outcome::judged).collect(),
            })),
            CheckFormat::Lines => Ok(()),
        }
    }
}

/// Of what nothing documents under the protocol that was asked for: under which ones it is what the
/// race is about.
fn of_other_protocols(outcomes: &[Outcome]) -> String {
    let known = |outcome: &Outcome| {
        let violated = Some(outcome.verdict().clause()?.to_owned());
        let race = select::catalogue().iter().find(|race| race.id() == outcome.race)?;
        let cases = race.cases().iter().filter(|(_, documented)| {
            documented.clause().map(|clause| clause.id().to_owned()) == violated
        });
        let protocols: Vec<_> = cases.map(|(protocol, _)| protocol.to_string()).collect();
        let (race, protocol) = (&outcome.race, &outcome.protocol);
        let violated = violated.filter(|_| !protocols.is_empty())?;
        Some(format!(
            "  {race} is documented to violate {violated} under {}; nothing is documented of {protocol}\n",
            protocols.join(", ")
        ))
    };
    outcomes
        .iter()
        .filter(|outcome| outcome.documented == Expected::Unstated)
        .filter_map(known)
        .collect()
}

/// `3 of 7 verdicts known`.
pub fn known(outcomes: &[Outcome], cases: usize) -> String {
    let known = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome.verdict(), Verdict::Undecided(_) | Verdict::NotSeen))
        .count();
    format!("{known} of {} known", counted(cases, "verdict"))
}

fn one_line(outcome: &Outcome) -> String {
    let objections: String =
        outcome.objections().iter().map(|objection| format!("  ! {objection}")).collect();
    render::line(outcome) + &objections
}

/// `23 races about 7 claims of 5 documents`, or `about all 63 claims`; the document is the first
/// part of a race's id. Somebody else's races are about none.
fn catalogue(cases: &[Case]) -> String {
    let (ours, others): (Vec<_>, Vec<_>) =
        cases.iter().map(|(race, _)| race).partition(|race| race.is_of_the_catalogue());
    let ids =
        |races: &[&Race]| races.iter().map(|race| race.id().to_owned()).collect::<BTreeSet<_>>();
    let (ours, others) = (ids(&ours), ids(&others));
    let claims: BTreeSet<_> =
        ours.iter().filter_map(|id| Claim::of(id)).map(|claim| claim.id).collect();
    let documents: BTreeSet<_> = ours.iter().filter_map(|id| id.split(['.', '/']).next()).collect();
    let all = if claims.len() == Claim::ALL.len() { "all " } else { "" };
    let about = if claims.is_empty() {
        String::new()
    } else {
        format!(" about {all}{}", counted(claims.len(), "claim"))
    };
    let ours = (!ours.is_empty()).then(|| {
        format!(
            "{}{about} of {}",
            counted(ours.len(), "race"),
            counted(documents.len(), "document")
        )
    });
    let others = (!others.is_empty()).then(|| counted(others.len(), "race"));
    ours.into_iter().chain(others).collect::<Vec<_>>().join(", and ")
}

/// What the interleavings are, and how many of them.
pub fn coverage(method: &Method, memory: Memory, options: &Options) -> String {
    covers(method, memory, options, "each")
}

/// The same, where the limits are those of `each` case: or of what is explored from here on.
pub fn covers(method: &Method, memory: Memory, options: &Options, each: &str) -> String {
    let limits = [
        options.executions.map(|n| format!("at most {} {each}", counted(n as usize, "execution"))),
        options.time.map(|time| format!("at most {} {each}", seconds(time))),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let limit = |none: &str| if limits.is_empty() { none.to_owned() } else { limits.join(", ") };
    let sample = |of: String| limits.iter().fold(of, |of, limit| of + ", " + limit);
    let model = memory_model(memory);
    match method {
        Method::Auto | Method::Exhaustive => {
            format!("{model}, every interleaving, {}", limit("no bound"))
        }
        Method::States => format!("{model}, every state, {}", limit("no bound")),
        Method::Enumerate => {
            format!("{model}, every interleaving and its equivalents, {}", limit("no bound"))
        }
        Method::Random { seed, iterations } => {
            sample(format!("{model}, {iterations} random walks each, seed {seed}"))
        }
        Method::Pct { seed, depth, iterations } => {
            sample(format!("{model}, {iterations} PCT runs of depth {depth} each, seed {seed}"))
        }
        Method::Loom => format!(
            "loom, C11 without load buffering, {}",
            limit("unbounded for a while, then bounded")
        ),
        Method::Native { iterations } => {
            sample(format!("real threads, {iterations} executions each"))
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// `1 race`, `23 races`.
pub fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
