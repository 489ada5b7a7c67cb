//! `lockwalk check`, and `lockwalk` alone: the verdicts.

use std::collections::BTreeSet;
use std::time::Duration;

use lockwalk::witness::{Documented, Verdict, render};
use lockwalk::{Method, Options, Outcome, Protocol, Race};

use super::args::{CheckArgs, CheckFormat};
use super::output::{Terminal, complain, print};
use super::progress::Runner;
use super::{Refusal, Status, select};

/// Runs the races that are asked for, and prints the verdicts.
pub fn run(args: &CheckArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let method = args.method()?;
    let races = select::races(&args.races)?;
    let protocol = args.protocol.as_deref().map(select::protocol).transpose()?;
    let cases: Vec<_> = races.iter().flat_map(|race| protocols(race, protocol.as_ref()).into_iter().map(move |p| (race, p))).collect();
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let options = Options {
        executions: args.executions,
        time: args.time,
        jobs: args.jobs.unwrap_or(cores) as usize,
        // The shortest interleaving is sought exhaustively: of what another engine found it would say nothing.
        witness: method == Method::Exhaustive,
        ..Options::default()
    };
    if args.format == CheckFormat::Table {
        let dot = if terminal.style().ascii { "-" } else { "·" };
        print(&format!("lockwalk {dot} {} {dot} {}\n\n", catalogue(&races), coverage(&method, &options)))?;
    }
    let mut runner = Runner::new(method, options, cases.len());
    let mut outcomes = Vec::new();
    for (race, protocol) in &cases {
        if runner.stopped() {
            break;
        }
        let outcome = runner.run(race, protocol)?;
        if args.format == CheckFormat::Lines {
            runner.aside(|| print(&(line(&outcome) + "\n")))?;
        }
        outcomes.push(outcome);
    }
    runner.finish();
    match args.format {
        CheckFormat::Table => print(&render::table(&outcomes, terminal.width, terminal.style()))?,
        CheckFormat::Json => print(&(render::json(&outcomes) + "\n"))?,
        CheckFormat::Lines => {}
    }
    if runner.stopped() {
        let known = outcomes.iter().filter(|outcome| !matches!(outcome.verdict(), Verdict::Undecided(_))).count();
        complain(&format!("stopped: {known} of {} known", counted(cases.len(), "verdict")));
        return Ok(Status::Interrupted);
    }
    Ok(Status::of(outcomes.iter().all(as_documented)))
}

/// Is nothing known that contradicts the outcome? Where nothing is documented, nothing is.
pub fn as_documented(outcome: &Outcome) -> bool {
    outcome.documented == Documented::Unstated || outcome.as_documented()
}

/// The protocols to run a race under: the one that is asked for, or all that something is documented about.
fn protocols(race: &Race, asked: Option<&Protocol>) -> Vec<Protocol> {
    match asked {
        Some(protocol) => vec![protocol.clone()],
        None => race.cases().iter().map(|(protocol, _)| protocol.clone()).collect(),
    }
}

fn line(outcome: &Outcome) -> String {
    let objections: String = outcome.objections().iter().map(|objection| format!("  ! {objection}")).collect();
    render::line(outcome) + &objections
}

/// `23 races of 5 documents`. A document is the first part of a claim's id.
fn catalogue(races: &[Race]) -> String {
    let documents: BTreeSet<_> = races.iter().filter_map(|race| race.id().split(['.', '/']).next()).collect();
    format!("{} of {}", counted(races.len(), "race"), counted(documents.len(), "document"))
}

/// What the interleavings are, and how many of them.
fn coverage(method: &Method, options: &Options) -> String {
    let limits = [
        options.executions.map(|n| format!("at most {} each", counted(n as usize, "execution"))),
        options.time.map(|time| format!("at most {} each", seconds(time))),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    let limit = |none: &str| if limits.is_empty() { none.to_owned() } else { limits.join(", ") };
    match method {
        Method::Exhaustive => format!("sequentially consistent, every interleaving, {}", limit("no bound")),
        Method::Enumerate => format!("sequentially consistent, every interleaving and its equivalents, {}", limit("no bound")),
        Method::Random { seed, iterations } => format!("sequentially consistent, {iterations} random walks each, seed {seed}"),
        Method::Pct { seed, depth, iterations } => {
            format!("sequentially consistent, {iterations} PCT runs of depth {depth} each, seed {seed}")
        }
        Method::Loom => format!("loom, C11 without load buffering, {}", limit("unbounded for a while, then bounded")),
        Method::Native { iterations } => format!("real threads, {iterations} executions each"),
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// `1 race`, `23 races`.
pub fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
