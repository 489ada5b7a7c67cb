//! `lockwalk check --save`, `--resume` and `--shard`, and `lockwalk merge`: explorations that outlive the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lockwalk::witness::Judgement;
use lockwalk::{Method, Options, Outcome, Part, Race, Shard, races};
use serde::{Deserialize, Serialize};

use super::args::{CheckArgs, CheckFormat, MergeArgs};
use super::check::{Report, all_cores, cases, counted, coverage, jobs, known, options};
use super::output::{Terminal, check_writable, complain, print, write};
use super::runner::{Case, Runner};
use super::{Refusal, Status, select};

/// What a file keeps.
#[derive(Serialize, Deserialize)]
struct Saved {
    lockwalk: String,
    parts: Vec<Part>,
}

/// What the file says it is.
const KIND: &str = "exploration 1";

/// Explores until the end, a limit or Ctrl-C, and keeps all of it.
pub fn check(args: &CheckArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let parts = match &args.resume {
        Some(file) => resumed(file, args)?,
        None => cases(args)?.iter().map(|(race, protocol)| Part::new(race, protocol, args.shard)).collect(),
    };
    let shard = parts.first().and_then(Part::shard);
    let cases = cases_of(&parts)?;
    let file = args.save.as_ref().or(args.resume.as_ref()).expect("one of them is why this is called");
    check_writable(file)?;
    let limits = options(args, false);
    let report = Report { terminal, format: args.format };
    report.head(&cases, &head(&limits, shard))?;
    let started = Instant::now();
    let runner = Runner::new(&Method::Exhaustive, limits, jobs(args, &Method::Exhaustive));
    let explore = |n: usize, options: &Options| cases[n].0.check_part(parts[n].clone(), options);
    let undecided = |part: &Result<Part, _>| part.as_ref().is_ok_and(|part| !part.is_settled());
    let explored = runner.run(&cases, true, explore, undecided, |_| Ok(()))?;
    let mut explored = explored.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| Refusal(error.to_string()))?;
    // Those whose turn did not come.
    explored.extend(parts.into_iter().skip(explored.len()));
    let kept = keep(file, &explored);
    let outcomes =
        if shard.is_none() { witnessed(&runner, &cases, &explored, args)? } else { explored.iter().map(Part::outcome).collect() };
    runner.finish();
    outcomes.iter().try_for_each(|outcome| report.line(outcome).map(|_| ()))?;
    match shard {
        Some(shard) if args.format == CheckFormat::Table => print(&summary(shard, &explored, terminal))?,
        _ => report.all(&outcomes, started.elapsed())?,
    }
    kept?;
    let settled = explored.iter().filter(|part| part.is_settled()).count();
    if settled < explored.len() {
        let known = if shard.is_some() { format!("{settled} of {} explored", explored.len()) } else { known(&outcomes, cases.len()) };
        complain(&format!(
            "{}: {known}; `lockwalk check --resume {}` goes on",
            if runner.stopped() { "stopped" } else { "unfinished" },
            file.display()
        ));
    }
    let status = match shard {
        None => Status::of(&outcomes),
        Some(_) => explored.iter().zip(&outcomes).map(|(part, outcome)| of_shard(part, outcome)).max().unwrap_or(Status::AsDocumented),
    };
    Ok(if runner.stopped() { status.max(Status::Undecided) } else { status })
}

/// Puts shards together, and prints the verdicts.
pub fn merge(args: &MergeArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let mut shards: Vec<(Case, Vec<Part>)> = Vec::new();
    for file in &args.files {
        let parts = read(file)?;
        for (part, case) in parts.iter().zip(cases_of(&parts)?) {
            match shards.iter_mut().find(|((race, protocol), _)| (race.id(), protocol) == (case.0.id(), &case.1)) {
                Some((_, shards)) => shards.push(part.clone()),
                None => shards.push((case, vec![part.clone()])),
            }
        }
    }
    let (cases, shards): (Vec<_>, Vec<_>) = shards.into_iter().unzip();
    let merged = shards.iter().map(|shards| Part::merge(shards)).collect::<Result<Vec<_>, _>>();
    let merged = merged.map_err(|error| Refusal(error.to_string()))?;
    let report = Report { terminal, format: args.format };
    let started = Instant::now();
    report.head(&cases, &coverage(&Method::Exhaustive, &Options::default()))?;
    let runner = Runner::new(&Method::Exhaustive, Options::default(), all_cores());
    let outcomes = witnessed(&runner, &cases, &merged, &CheckArgs::default())?;
    runner.finish();
    outcomes.iter().try_for_each(|outcome| report.line(outcome).map(|_| ()))?;
    report.all(&outcomes, started.elapsed())?;
    let status = Status::of(&outcomes);
    Ok(if runner.stopped() { status.max(Status::Undecided) } else { status })
}

/// The outcomes, with the shortest interleavings of what is violated.
fn witnessed(runner: &Runner, cases: &[Case], parts: &[Part], args: &CheckArgs) -> Result<Vec<Outcome>, Refusal> {
    let mut outcomes: Vec<_> = parts.iter().map(Part::outcome).collect();
    let violated = |n: &usize| outcomes[*n].verdict().clause().is_some();
    let violated: Vec<_> = (0..parts.len()).filter(violated).collect();
    let of: Vec<_> = violated.iter().map(|&n| cases[n].clone()).collect();
    let limits = options(args, true);
    let find = |n: usize, options: &Options| {
        let options = Options { executions: limits.executions, time: limits.time, witness: true, ..options.clone() };
        cases[violated[n]].0.witness(&parts[violated[n]], &options)
    };
    let witnesses = runner.run(&of, false, find, |_| false, |_| Ok(()))?;
    for (n, witness) in violated.into_iter().zip(witnesses) {
        outcomes[n].witness = witness.map_err(|error| Refusal(error.to_string()))?;
    }
    Ok(outcomes)
}

/// What the file keeps, if that is what is asked for.
fn resumed(file: &Path, args: &CheckArgs) -> Result<Vec<Part>, Refusal> {
    let parts = read(file)?;
    if args.races.is_empty() && args.protocol.is_none() {
        return Ok(parts);
    }
    let (asked, kept) = (cases(args)?, cases_of(&parts)?);
    let missing = |of: &[Case], (race, protocol): &Case| !of.iter().any(|(r, p)| (r.id(), p) == (race.id(), protocol));
    let name = |(race, protocol): &Case| format!("{} under {protocol}", race.id());
    let shown = file.display();
    if let Some(other) = kept.iter().find(|case| missing(&asked, case)) {
        return Err(Refusal(format!("{shown} keeps {}, which is not asked for", name(other))));
    }
    match asked.iter().find(|case| missing(&kept, case)) {
        Some(case) => Err(Refusal(format!("{shown} does not keep {}", name(case)))),
        None => Ok(parts),
    }
}

fn read(file: &Path) -> Result<Vec<Part>, Refusal> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| Refusal(format!("cannot read {shown}: {error}{}", beside(file))))?;
    let not_ours = |why: String| Refusal(format!("{shown} is not what `lockwalk check --save` writes: {why}"));
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| not_ours(error.to_string()))?;
    match value.get("lockwalk").and_then(serde_json::Value::as_str) {
        Some(KIND) => {}
        Some(other) => return Err(not_ours(format!("it is called '{other}', not '{KIND}'"))),
        None => return Err(not_ours("it does not say what it is".into())),
    }
    // Another build's parts may not even look like ours.
    let builds = value.get("parts").and_then(serde_json::Value::as_array).into_iter().flatten();
    let foreign = builds.filter_map(|part| part.get("build")?.as_str()).find(|build| *build != Part::BUILD);
    if let Some(build) = foreign {
        let build = build.escape_default();
        return Err(Refusal(format!(
            "{shown} was begun by lockwalk {build}, and this is {}, which may explore something else",
            Part::BUILD
        )));
    }
    let Saved { parts, .. } = serde_json::from_value(value).map_err(|error| not_ours(error.to_string()))?;
    if parts.is_empty() {
        return Err(not_ours("nothing is in it".into()));
    }
    match parts.iter().find_map(|part| part.fits().err()) {
        Some(error) => Err(not_ours(error.to_string())),
        None => Ok(parts),
    }
}

/// A file beside it that may have been meant.
fn beside(file: &Path) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let names = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (names, wanted) = (names.collect::<Vec<_>>(), file.file_name().unwrap_or_default().to_string_lossy());
    if file.exists() { String::new() } else { select::nearest(&wanted, names.iter().map(String::as_str)) }
}

fn keep(file: &Path, parts: &[Part]) -> Result<(), Refusal> {
    let saved = Saved { lockwalk: KIND.into(), parts: parts.to_vec() };
    let text = serde_json::to_string(&saved).map_err(|error| Refusal(format!("cannot write {}: {error}", file.display())))?;
    write(file, &(text + "\n"))
}

/// The races and protocols that the parts are of.
fn cases_of(parts: &[Part]) -> Result<Vec<Case>, Refusal> {
    let all = races::all();
    let race = |part: &Part| -> Result<Race, Refusal> {
        let found = all.iter().find(|race| race.id() == part.race());
        found.cloned().ok_or_else(|| Refusal(format!("no race is called '{}' any more", part.race().escape_default())))
    };
    parts.iter().map(|part| Ok((race(part)?, select::protocol(part.protocol())?))).collect()
}

fn head(limits: &Options, shard: Option<Shard>) -> String {
    let whole = coverage(&Method::Exhaustive, limits);
    shard.map_or(whole.clone(), |shard| format!("{whole}, shard {shard}"))
}

/// A shard alone is no verdict: how much of it is there.
fn summary(shard: Shard, parts: &[Part], terminal: &Terminal) -> String {
    let outcomes: Vec<_> = parts.iter().map(Part::outcome).collect();
    let executions: u64 = outcomes.iter().map(|outcome| outcome.executions).sum();
    let violated = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let mut text = format!(
        "  shard {shard} of {}: {}, {}\n",
        counted(parts.len(), "exploration"),
        counted(executions as usize, "execution"),
        if violated == 0 { "nothing is violated".into() } else { format!("violations in {violated}") }
    );
    for (part, outcome) in parts.iter().zip(&outcomes).filter(|(part, outcome)| of_shard(part, outcome) == Status::Differs) {
        text += &format!("  ! {} under {}: {}\n", part.race(), part.protocol(), outcome.verdict());
    }
    if terminal.style().ascii { text.replace('·', "-") } else { text }
}

/// Does anything in the shard contradict the documents, and is it done? Whether all of it is as documented says the merging.
fn of_shard(part: &Part, outcome: &Outcome) -> Status {
    match outcome.judgement() {
        Judgement::Differs => Status::Differs,
        _ if part.is_settled() => Status::AsDocumented,
        _ => Status::Undecided,
    }
}
