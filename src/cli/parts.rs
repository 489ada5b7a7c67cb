//! `lockwalk check --save`, `--resume` and `--shard`, and `lockwalk merge`: explorations that
//! outlive the process.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::explore::program::program;
use crate::witness::Judgement;
use crate::{Method, Options, Outcome, Part, PartError, Race, Shard};

use super::args::{CheckArgs, CheckFormat, MergeArgs};
use super::check::{Report, all_cores, cases, counted, covers, jobs, known, options};
use super::keeper::Keeper;
use super::output::{Terminal, complain, shown};
use super::runner::{Case, Runner, something_is_left};
use super::{Refusal, Status, select};

/// The longest that is explored without keeping it, and the longest that passes before what is
/// explored is in the file.
const PACE: Duration = Duration::from_secs(15);

/// Explores until the end, a limit or Ctrl-C, and keeps all of it.
pub fn check(args: &CheckArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let file =
        args.save.as_deref().or(args.resume.as_deref()).expect("one of them is why this is called");
    let no_file = || {
        let (file, why) = (shown(file), "is no file that an exploration can be kept in");
        Err(Refusal(format!("{file} {why}: --save names one")))
    };
    // To open a pipe may take for ever.
    if args.save.is_none()
        && !fs::metadata(file).is_ok_and(|found| found.is_file())
        && (file == Path::new("-") || file.exists())
    {
        return no_file();
    }
    let limits = options(args, false);
    let method = args.method()?;
    // Before anything is written: whoever interrupts it then leaves nothing half-written.
    let runner = Runner::new(&method, limits.clone(), jobs(args, &method));
    let mut keeper = Keeper::take(file)?;
    let can_go_on = keeper.is_a_file();
    // What somebody has opened for us is not ours to replace, and to add to it would damage it.
    if args.save.is_none() && !can_go_on {
        return no_file();
    }
    let parts = match &args.resume {
        Some(file) => resumed(file, args)?,
        None => cases(args)?
            .iter()
            .map(|(race, protocol)| match method {
                Method::States => Part::by_states(race, protocol, args.shard),
                _ => Part::new(race, protocol, args.shard),
            })
            .collect(),
    };
    if !args.force && !args.resume.as_deref().is_some_and(|resumed| keeper.is(resumed)) {
        keeper.may_replace()?;
    }
    let shard = parts.first().and_then(Part::shard);
    let runner = runner.goes_by(&parts.first().map_or(method, Part::method));
    let cases = cases_of(&parts)?;
    keeper.keep_for_now(&parts)?;
    let report = Report { terminal, format: args.format, saved: Some(file) };
    report.head(
        &cases,
        &head(&parts, &limits, if args.resume.is_some() { "more each" } else { "each" }),
    )?;
    let started = Instant::now();
    let kept = Kept { parts: Mutex::new(parts.clone()), keeper: Mutex::new((keeper, Pace::new())) };
    // A part knows itself how long it took so far.
    let explore = |n: usize, options: &Options| {
        let options = Options { time: limits.time, ..options.clone() };
        kept.explore(&cases[n].0, n, &parts[n], &options)
    };
    let undecided = |settled: &Result<bool, PartError>| settled == &Ok(false);
    let ran = runner.run(&cases, true, explore, undecided, |_| Ok(()));
    // Also if one of them went wrong.
    let (explored, kept) = kept.at_the_end();
    ran?.into_iter().collect::<Result<Vec<_>, _>>().map_err(|error| Refusal(error.to_string()))?;
    let outcomes = if shard.is_none() {
        witnessed(&runner, &cases, &explored, args)?
    } else {
        explored.iter().map(Part::outcome).collect()
    };
    runner.finish();
    something_is_left(&outcomes)?;
    outcomes.iter().try_for_each(|outcome| report.line(outcome))?;
    match shard {
        Some(shard) if args.format == CheckFormat::Table => {
            report.print(&summary(shard, &explored))?
        }
        _ => report.all(&outcomes, started.elapsed())?,
    }
    kept?;
    let settled = explored.iter().filter(|part| part.is_settled()).count();
    if settled < explored.len() {
        let known = if shard.is_some() {
            format!("{settled} of {} explored", explored.len())
        } else {
            known(&outcomes, cases.len())
        };
        let ended = if runner.stopped() { "stopped" } else { "unfinished" };
        let how = if can_go_on {
            format!("; `{} check --resume {}` goes on", program(), shown(file))
        } else {
            String::new()
        };
        complain(&format!("{ended}: {known}{how}"));
    }
    let status = match shard {
        None => Status::of(&outcomes),
        Some(_) => explored
            .iter()
            .zip(&outcomes)
            .map(|(part, outcome)| of_shard(part, outcome))
            .max()
            .unwrap_or(Status::AsDocumented),
    };
    Ok(if runner.stopped() { status.max(Status::Undecided) } else { status })
}

/// What is explored, and the file that it goes into now and then.
struct Kept {
    parts: Mutex<Vec<Part>>,
    keeper: Mutex<(Keeper, Pace)>,
}

/// How long to wait until the next time: a little longer each time, since most explorations are
/// short.
struct Pace {
    since: Instant,
    wait: Duration,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), wait: Duration::from_secs(1) }
    }

    /// Is it time?
    fn is_over(&mut self) -> bool {
        let over = self.since.elapsed() >= self.wait;
        if over {
            *self = Self { since: Instant::now(), wait: (self.wait * 2).min(PACE) };
        }
        over
    }

    /// It took so long: that is to be a small part of all time.
    fn took(&mut self, time: Duration) {
        *self = Self { since: Instant::now(), wait: self.wait.max(time * 20) };
    }
}

impl Kept {
    /// Explores one of them within the limits, which count from how it was when this process began,
    /// and keeps it again and again. Is it settled then?
    fn explore(
        &self,
        race: &Race,
        n: usize,
        begun: &Part,
        limits: &Options,
    ) -> Result<bool, PartError> {
        let seconds =
            |part: &Part| Duration::try_from_secs_f64(part.outcome().seconds).unwrap_or_default();
        let mut slice = Duration::from_secs(1);
        loop {
            let before = self.parts()[n].clone();
            let spent = before.spent() - begun.spent();
            let executions = limits.executions.map(|all| all.saturating_sub(spent));
            let time = limits
                .time
                .map(|all| all.saturating_sub(seconds(&before).saturating_sub(seconds(begun))));
            let stopped = limits.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed));
            let last = stopped || executions == Some(0) || time == Some(Duration::ZERO);
            let progress = limits
                .progress
                .clone()
                .map(|tell| Arc::new(move |so_far| tell(spent + so_far)) as Arc<_>);
            let options = Options {
                executions,
                time: Some(time.unwrap_or(slice).min(slice)),
                progress,
                ..limits.clone()
            };
            let part = race.check_part(before.clone(), &options)?;
            let settled = part.is_settled();
            self.parts()[n] = part;
            self.now_and_then();
            if settled || last {
                return Ok(settled);
            }
            // One execution may take longer than a slice: then it must have a longer one.
            slice = if self.parts()[n].spent() > begun.spent() + spent {
                (slice * 2).min(PACE)
            } else {
                slice * 2
            };
        }
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What cannot be kept now may well be kept later, and in the end that is said.
    fn now_and_then(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.1.is_over() {
            let parts = self.parts().clone();
            let started = Instant::now();
            let _ = keeper.0.keep_for_now(&parts);
            keeper.1.took(started.elapsed());
        }
    }

    /// All of it, and whether it could be kept.
    fn at_the_end(self) -> (Vec<Part>, Result<(), Refusal>) {
        let parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut keeper, _) = self.keeper.into_inner().unwrap_or_else(PoisonError::into_inner);
        let kept = keeper.keep(&parts);
        (parts, kept)
    }
}

/// Puts shards together, and prints the verdicts.
pub fn merge(args: &MergeArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let mut shards: Vec<(Case, Vec<Part>)> = Vec::new();
    for file in &args.files {
        let parts = read(file)?;
        for (part, case) in parts.iter().zip(cases_of(&parts)?) {
            match shards
                .iter_mut()
                .find(|((race, protocol), _)| (race.id(), protocol) == (case.0.id(), &case.1))
            {
                Some((_, shards)) => shards.push(part.clone()),
                None => shards.push((case, vec![part.clone()])),
            }
        }
    }
    let (cases, shards): (Vec<_>, Vec<_>) = shards.into_iter().unzip();
    let merged = shards.iter().map(|shards| Part::merge(shards)).collect::<Result<Vec<_>, _>>();
    let merged = merged.map_err(|error| Refusal(error.to_string()))?;
    let report = Report { terminal, format: args.format, saved: None };
    let started = Instant::now();
    report.head(&cases, &head(&merged, &Options::default(), "each"))?;
    let runner = Runner::new(&Method::Exhaustive, Options::default(), all_cores());
    let outcomes = witnessed(&runner, &cases, &merged, &CheckArgs::default())?;
    runner.finish();
    something_is_left(&outcomes)?;
    outcomes.iter().try_for_each(|outcome| report.line(outcome))?;
    report.all(&outcomes, started.elapsed())?;
    let status = Status::of(&outcomes);
    Ok(if runner.stopped() { status.max(Status::Undecided) } else { status })
}

/// The outcomes, with the shortest interleavings of what is violated.
fn witnessed(
    runner: &Runner,
    cases: &[Case],
    parts: &[Part],
    args: &CheckArgs,
) -> Result<Vec<Outcome>, Refusal> {
    let mut outcomes: Vec<_> = parts.iter().map(Part::outcome).collect();
    let violated = |n: &usize| outcomes[*n].verdict().clause().is_some();
    let violated: Vec<_> = (0..parts.len()).filter(violated).collect();
    let of: Vec<_> = violated.iter().map(|&n| cases[n].clone()).collect();
    let limits = options(args, true);
    let find = |n: usize, options: &Options| {
        let options = Options {
            executions: limits.executions,
            time: limits.time,
            witness: true,
            ..options.clone()
        };
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
    let states = args.method()? == Method::States;
    let other = |part: &Part| (part.method() == Method::States) != states;
    if (args.states || args.engine.is_some()) && parts.iter().any(other) {
        return Err(Refusal(format!(
            "{} keeps an exploration {}, which goes on without --states and --engine",
            shown(file),
            if states { "that is not by states" } else { "by states" }
        )));
    }
    if args.races.is_empty() && args.protocol.is_none() {
        return Ok(parts);
    }
    let (asked, kept) = (cases(args)?, cases_of(&parts)?);
    let missing = |of: &[Case], (race, protocol): &Case| {
        !of.iter().any(|(r, p)| (r.id(), p) == (race.id(), protocol))
    };
    let name = |(race, protocol): &Case| format!("{} under {protocol}", race.id());
    let shown = shown(file);
    if let Some(other) = kept.iter().find(|case| missing(&asked, case)) {
        return Err(Refusal(format!("{shown} keeps {}, which is not asked for", name(other))));
    }
    match asked.iter().find(|case| missing(&kept, case)) {
        Some(case) => Err(Refusal(format!("{shown} does not keep {}", name(case)))),
        None => Ok(parts),
    }
}

fn read(file: &Path) -> Result<Vec<Part>, Refusal> {
    let parts = if file == Path::new("-") {
        Part::read(io::stdin())
    } else {
        File::open(file)
            .map_err(|error| Refusal(format!("cannot read {}: {error}{}", shown(file), near(file))))
            .map(Part::read)?
    };
    parts.map_err(|error| Refusal(format!("cannot read {}: {error}", shown(file))))
}

/// A file beside it that may have been meant.
fn near(file: &Path) -> String {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    let names = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let (names, wanted) =
        (names.collect::<Vec<_>>(), file.file_name().unwrap_or_default().to_string_lossy());
    let near = select::near(&wanted, names.iter().map(String::as_str));
    let near: Vec<_> = near.into_iter().map(|name| shown(&file.with_file_name(name))).collect();
    if file.exists() { String::new() } else { select::question(near.iter().map(String::as_str)) }
}

/// The races and protocols that the parts are of.
fn cases_of(parts: &[Part]) -> Result<Vec<Case>, Refusal> {
    let all = select::catalogue();
    let race = |part: &Part| -> Result<Race, Refusal> {
        let found = all.iter().find(|race| race.id() == part.race());
        found.cloned().ok_or_else(|| {
            Refusal(format!("no race is called '{}' any more", part.race().escape_default()))
        })
    };
    let case = |part: &Part| {
        let race = race(part)?;
        part.fits(&race).map_err(|error| {
            Refusal(format!("{} under {}: {error}", part.race(), part.protocol()))
        })?;
        Ok((race, select::protocol(part.protocol())?))
    };
    parts.iter().map(case).collect()
}

fn head(parts: &[Part], limits: &Options, each: &str) -> String {
    let method = parts.first().map_or(Method::Exhaustive, Part::method);
    let whole = covers(&method, crate::Memory::Sc, limits, each);
    match parts.first().and_then(Part::shard) {
        Some(shard) => format!("{whole}, shard {shard}"),
        None => whole,
    }
}

/// A shard alone is no verdict: how much of it is there.
fn summary(shard: Shard, parts: &[Part]) -> String {
    let outcomes: Vec<_> = parts.iter().map(Part::outcome).collect();
    let executions: u64 = outcomes.iter().map(|outcome| outcome.executions).sum();
    let violated = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).count();
    let mut text = format!(
        "  shard {shard} of {}: {}, {}\n",
        counted(parts.len(), "exploration"),
        counted(executions as usize, "execution"),
        if violated == 0 {
            "nothing is violated".into()
        } else {
            format!("violations in {violated}")
        }
    );
    for (part, outcome) in parts
        .iter()
        .zip(&outcomes)
        .filter(|(part, outcome)| of_shard(part, outcome) == Status::Differs)
    {
        text += &format!("  ! {} under {}: {}\n", part.race(), part.protocol(), outcome.verdict());
    }
    text
}

/// Does anything in the shard contradict the documents, and is it done? Whether all of it is as
/// documented says the merging.
fn of_shard(part: &Part, outcome: &Outcome) -> Status {
    match outcome.judgement() {
        Judgement::Differs => Status::Differs,
        _ if part.is_settled() => Status::AsDocumented,
        _ => Status::Undecided,
    }
}
