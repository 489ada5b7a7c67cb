//! `lockwalk report`: a static site of verdicts and interleavings.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::spec::Claim;
use crate::witness::report::{Design, Entry, Site};
use crate::witness::{Coverage, Verdict, report};
use crate::{Era, Method, Options, Outcome, Protocol, Race, Schedule, Witness, matrix};

use super::args::ReportArgs;
use super::check::{all_cores, cases, counted, coverage};
use super::output::{complain, print, shown};
use super::runner::{Case, Runner};
use super::sink::Sink;
use super::{Refusal, Status, select};

/// The file that lists what was written: only that is written over.
const LIST: &str = "files.txt";

/// A protocol that holds is shown beside one that does not, if no more executions than this have to
/// be looked through.
const TWIN: u64 = 2000;

/// A cell of the design space is given up after so many executions, or fewer if fewer are asked
/// for.
const DESIGN: u64 = 2000;

/// Explores first, and writes when all is known.
pub fn run(args: &ReportArgs) -> Result<Status, Refusal> {
    let (cases, races) = (cases(&args.chosen())?, select::races(&args.races)?);
    let jobs = args.jobs.map_or_else(all_cores, |jobs| jobs as usize);
    let options = Options { executions: args.executions, witness: true, ..Options::default() };
    let made = coverage(&Method::Auto, crate::Memory::Sc, &options);
    let runner = Runner::new(&Method::Auto, options, jobs);
    let folder = Folder::open(&args.output, &names(&races, &cases)?)?;
    let (n, mut told) = (cases.len(), 0);
    let every = (n / 10).max(5);
    let tell = |_: &Outcome| {
        told += 1;
        if told % every == 0 || told == n {
            runner.aside(|| complain(&format!("{told} of {} explored", counted(n, "case"))));
        }
        Ok(())
    };
    let outcomes = runner.check(&cases, &Method::Auto, tell)?;
    if runner.stopped() {
        complain("stopped: nothing is written");
        return Ok(Status::Undecided);
    }
    let twins = twins(&runner, &cases, &outcomes)?;
    let designs = if args.protocol.is_none() {
        design(&runner, &races, args.executions)?
    } else {
        Vec::new()
    };
    runner.finish();
    if runner.stopped() {
        complain("stopped: nothing is written");
        return Ok(Status::Undecided);
    }
    let kernels: Vec<String> = Era::all().iter().map(ToString::to_string).collect();
    let order = |kernel: &String| {
        let holds =
            |outcome: &&Outcome| outcome.protocol == *kernel && outcome.verdict() == Verdict::Never;
        let edges: BTreeSet<_> =
            outcomes.iter().filter(holds).flat_map(|outcome| outcome.lock_order.clone()).collect();
        (kernel.clone(), edges.into_iter().collect())
    };
    let lock_orders = kernels.iter().map(order).collect();
    let entries = races.iter().map(|race| entry(race, &outcomes, &twins)).collect();
    let claim = |claim: &Claim| report::Claim {
        id: claim.id.into(),
        says: claim.says.into(),
        source: claim.source.into(),
    };
    let claims = Claim::ALL.iter().map(claim).collect();
    let made = format!("Computed by lockwalk {}: {made}.", env!("CARGO_PKG_VERSION"));
    let site = Site { kernels, claims, races: entries, made, lock_orders, designs };
    let pages = folder.write(&site)?;
    print(&format!(
        "{} in {}\n",
        counted(pages, "page"),
        args.output.join("index.html").display()
    ))?;
    Ok(Status::of(&outcomes))
}

/// What may be written: which cases have an interleaving to show is not known before.
fn names(races: &[Race], cases: &[Case]) -> Result<Vec<String>, Refusal> {
    let protocols: Vec<Vec<String>> = races
        .iter()
        .map(|race| {
            cases
                .iter()
                .filter(|(of, _)| of.id() == race.id())
                .map(|(_, protocol)| protocol.to_string())
                .collect()
        })
        .collect();
    let named = races
        .iter()
        .zip(&protocols)
        .map(|(race, its)| (race.id(), its.iter().map(String::as_str).collect()));
    Site::names(named).map_err(Refusal)
}

fn entry(race: &Race, outcomes: &[Outcome], twins: &[Option<Witness>]) -> Entry {
    let (outcomes, twins) = outcomes
        .iter()
        .zip(twins)
        .filter(|(outcome, _)| outcome.race == race.id())
        .map(|(o, t)| (o.clone(), t.clone()))
        .unzip();
    let claim = Claim::of(race.id())
        .filter(|_| race.is_of_the_catalogue())
        .map(|claim| claim.id.to_owned());
    Entry { id: race.id().into(), title: race.title().into(), claim, outcomes, twins }
}

/// For each outcome with a witness, how the race goes under the nearest protocol that holds.
fn twins(
    runner: &Runner,
    cases: &[Case],
    outcomes: &[Outcome],
) -> Result<Vec<Option<Witness>>, Refusal> {
    // Each with the place of its outcome.
    let wanted: Vec<(usize, Case, Schedule)> = cases
        .iter()
        .zip(outcomes)
        .enumerate()
        .filter_map(|(n, ((race, protocol), outcome))| {
            let schedule = outcome.witness.as_ref()?.schedule.parse().ok()?;
            let holding = cases.iter().zip(outcomes).filter(|((other, _), outcome)| {
                other.id() == race.id()
                    && outcome.coverage == Coverage::Exhaustive
                    && outcome.verdict() == Verdict::Never
                    && outcome.executions <= TWIN
            });
            let (_, nearest) = holding.map(|(case, _)| case).min_by_key(|(_, other)| {
                (era(other) < era(protocol), differences(protocol, other))
            })?;
            Some((n, (race.clone(), nearest.clone()), schedule))
        })
        .collect();
    let holders: Vec<Case> = wanted.iter().map(|(_, case, _)| case.clone()).collect();
    let twin = |n: usize, _: &Options| {
        let (_, (race, protocol), schedule) = &wanted[n];
        race.twin(protocol, schedule, 4 * TWIN)
    };
    let found = runner.run(&holders, false, twin, |_| false, |_| Ok(()))?;
    let mut twins = vec![None; cases.len()];
    for ((n, _, _), twin) in wanted.iter().zip(found) {
        twins[*n] = twin;
    }
    Ok(twins)
}

/// When the kernel came whose protocol this is, or is changed from: a fix comes later.
fn era(protocol: &Protocol) -> Option<usize> {
    let name = protocol.to_string();
    let kernel = name.split('+').next()?;
    Era::all().iter().position(|era| era.to_string() == kernel)
}

/// How many choices two protocols make differently.
fn differences(one: &Protocol, other: &Protocol) -> usize {
    one.rules
        .choices()
        .iter()
        .zip(other.rules.choices())
        .filter(|(one, other)| **one != *other)
        .count()
}

/// What each way to decide whether a store may keep its page does to document 0's races, if these
/// are asked for.
fn design(
    runner: &Runner,
    races: &[Race],
    executions: Option<u64>,
) -> Result<Vec<Design>, Refusal> {
    let (rule, base) = ("reuse", Era::V2_6_29);
    let races: Vec<_> = races.iter().filter(|race| select::names("S0", race.id())).collect();
    let columns = matrix::arms(rule, &base).expect("it is a rule");
    if races.len() < 2 {
        return Ok(Vec::new());
    }
    let cell = |race: &&Race| {
        columns
            .iter()
            .map(|(_, protocol)| (matrix::undocumented(race), protocol.clone()))
            .collect::<Vec<_>>()
    };
    let cases: Vec<Case> = races.iter().flat_map(cell).collect();
    let most = executions.unwrap_or(DESIGN).min(DESIGN);
    let check = |n: usize, options: &Options| {
        let (race, protocol) = &cases[n];
        let options = options.clone().executions(most).witness(false);
        race.check_with(protocol, &Method::Auto, &options)
    };
    let outcomes = runner.run(&cases, false, check, |_| false, |_| Ok(()))?;
    let rows: Vec<_> = races
        .iter()
        .zip(outcomes.chunks(columns.len()))
        .map(|(race, cells)| (race.id().to_owned(), cells.to_vec()))
        .collect();
    let legend = format!(
        "At most {} each. {}",
        counted(most as usize, "execution"),
        matrix::legend(&rows).unwrap_or_default()
    );
    Ok(vec![Design {
        title: format!("The design space of {rule}, in {base} otherwise"),
        arms: columns.into_iter().map(|(arm, _)| arm).collect(),
        rows: rows
            .into_iter()
            .map(|(race, cells)| (race, cells.iter().map(matrix::cell).collect()))
            .collect(),
        legend,
    }])
}

/// Can it be what a report has left, of which only the name is known? Nothing outside the directory
/// can.
fn is_a_page_or_picture(name: &str) -> bool {
    let ending = [".html", ".svg"].into_iter().any(|ending| name.ends_with(ending));
    ending && Path::new(name).file_name() == Some(OsStr::new(name))
}

fn exists(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || fs::symlink_metadata(folder).is_ok()
}

fn make(folder: &Path) -> Result<(), Refusal> {
    fs::create_dir_all(folder)
        .map_err(|error| Refusal(format!("cannot make {}: {error}", shown(folder))))
}

/// Where the report goes: a directory in which nothing is written over but what a report has
/// written.
struct Folder {
    path: PathBuf,
    ours: BTreeSet<String>,
}

impl Folder {
    /// Finds out whether these files can be written.
    fn open(path: &Path, names: &[String]) -> Result<Self, Refusal> {
        if path == Path::new("-") {
            return Err(Refusal(
                "cannot make -: it is standard output, and a report needs a directory".into(),
            ));
        }
        let made: Vec<_> = path.ancestors().take_while(|folder| !exists(folder)).collect();
        make(path)?;
        let ours = fs::read_to_string(path.join(LIST))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        let folder = Self { path: path.to_owned(), ours };
        let writable = folder.can_write(names);
        // It is there when there is something to write: perhaps that does not come.
        made.into_iter().for_each(|folder| _ = fs::remove_dir(folder));
        writable.map(|()| folder)
    }

    fn can_write(&self, names: &[String]) -> Result<(), Refusal> {
        for name in names.iter().map(String::as_str).chain([LIST]) {
            let file = self.path.join(name);
            if fs::symlink_metadata(&file).is_ok() {
                if !self.ours.contains(name) {
                    return Err(Refusal(format!(
                        "cannot write {}: no report has written what is there",
                        shown(&file)
                    )));
                }
                Sink::open(&file)?;
            }
        }
        Sink::open(&self.path.join(LIST)).map(drop)
    }

    /// Writes the list first, so that whatever is there is known to be a report's; what an earlier
    /// report has left and this one has not goes. Returns how many pages there are.
    fn write(&self, site: &Site) -> Result<usize, Refusal> {
        make(&self.path)?;
        let files = site.files();
        let new: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        let old: BTreeSet<&str> = self.ours.iter().map(String::as_str).collect();
        self.list(new.union(&old))?;
        for file in &files {
            Sink::open(&self.path.join(&file.name))?.write(&file.text)?;
        }
        for name in old.difference(&new).filter(|name| is_a_page_or_picture(name)) {
            match fs::remove_file(self.path.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let file = shown(&self.path.join(name));
                    return Err(Refusal(format!("cannot remove {file}: {error}")));
                }
                _ => {}
            }
        }
        self.list(new.iter())?;
        Ok(files.iter().filter(|file| file.name.ends_with(".html")).count())
    }

    fn list<'n>(&self, names: impl Iterator<Item = &'n &'n str>) -> Result<(), Refusal> {
        let names: BTreeSet<&str> = names.copied().chain([LIST]).collect();
        Sink::open(&self.path.join(LIST))?
            .write(&names.iter().map(|name| format!("{name}\n")).collect::<String>())
    }
}
