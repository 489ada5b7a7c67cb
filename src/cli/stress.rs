//! `lockwalk stress`: random operations of real threads.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::{CountedFormat, StressArgs};
use super::output::{complain, json, print};
use super::progress::{Bar, stop_on_ctrl_c};
use super::runner::inapplicable;
use super::{Refusal, Status, select};
use crate::explore::stress::{Stress, Stressed, Under, operations};
use crate::sync;

/// How often it is said how far it is where that is no terminal.
const SELDOM: Duration = Duration::from_secs(60);

/// Where `--scaling` looks.
const THREADS: [usize; 3] = [1, 2, 4];

/// Runs the threads that are asked for.
pub fn run(args: &StressArgs) -> Result<Status, Refusal> {
    let protocol = select::protocol(&args.protocol)?;
    for name in &args.without {
        if !operations().any(|operation| operation == name) {
            let all: Vec<_> = operations().collect();
            return Err(Refusal(format!(
                "no operation is called '{name}'; they are {}",
                all.join(", ")
            )));
        }
    }
    let one = Stress {
        protocol,
        threads: args.threads.map_or_else(super::check::all_cores, |threads| threads as usize),
        seed: args.seed,
        operations: args.operations,
        time: if args.operations.is_some() { None } else { Some(args.time) },
        audit_every: args.audit_every,
        without: args.without.clone(),
        global_lock: args.global_lock,
        delays: !(args.no_delays || args.scaling),
        steps: args.steps as usize,
    };
    let runs: Vec<_> = if args.scaling {
        let with = |threads| {
            [false, true].map(|global_lock| Stress { threads, global_lock, ..one.clone() })
        };
        THREADS.into_iter().flat_map(with).collect()
    } else {
        vec![one]
    };
    let stop = stop_on_ctrl_c();
    let as_json = args.format == CountedFormat::Json;
    let say = |text: &str| if as_json { Ok(()) } else { print(text) };
    say(&head(&runs[0], args.scaling))?;
    let mut entries = Vec::new();
    for stress in &runs {
        let done = sync::applied(|| one_run(stress, &stop))
            .map_err(|why| Refusal(inapplicable("stress", &stress.protocol.to_string(), &why)))?;
        let entry = Entry::new(stress, &done);
        say(&if args.scaling { entry.row() } else { entry.text() })?;
        let ended = entry.verdict != "not-seen";
        entries.push(entry);
        if ended || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let stopped = stop.load(Ordering::Relaxed);
    if let Some(finding) =
        entries.iter().find_map(|entry| entry.finding.as_ref()).filter(|_| args.scaling)
    {
        say(&format!("\n{}", finding.text()))?;
    }
    if as_json {
        print(&json(&Listing { protocol: runs[0].protocol.to_string(), stopped, runs: &entries }))?;
    }
    if stopped {
        complain("stopped: only what is printed was done");
    }
    Ok(if entries.iter().any(|entry| entry.verdict == "violated") {
        Status::Differs
    } else if stopped || entries.iter().any(|entry| entry.verdict == "undecided") {
        Status::Undecided
    } else {
        Status::AsDocumented
    })
}

fn one_run(stress: &Stress, stop: &std::sync::atomic::AtomicBool) -> Stressed {
    let bar = Bar::new();
    let terminal = std::io::stderr().is_terminal();
    let mut said = Instant::now();
    let done = stress.run(stop, |so_far| {
        if terminal {
            bar.say(&in_short(so_far));
        } else if said.elapsed() >= SELDOM {
            said = Instant::now();
            complain(&in_short(so_far));
        }
    });
    bar.finish();
    done
}

fn head(first: &Stress, scaling: bool) -> String {
    let Stress { protocol, threads, seed, audit_every, .. } = first;
    let how = if scaling {
        String::new()
    } else {
        format!(" · {threads} thread{}", if *threads == 1 { "" } else { "s" })
    };
    let lock = if first.global_lock && !scaling { " · one global lock" } else { "" };
    let without = match first.without.as_slice() {
        [] => String::new(),
        names => format!(" · without {}", names.join(", ")),
    };
    let head = format!(
        "lockwalk stress · {protocol}{how}{lock}{without} · seed {seed} · real threads, audited \
         every {} operations\n\n",
        grouped(*audit_every)
    );
    if scaling { head + "  threads  global lock  operations/s  faults/s\n" } else { head }
}

/// A number that somebody can read.
fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    (count as f64 / elapsed.as_secs_f64().max(1e-9)).round() as u64
}

fn in_short(so_far: &Stressed) -> String {
    let Stressed { operations, worlds, faults, elapsed, .. } = so_far;
    format!(
        "{} operations in {} world{} · {:.0} s · {} operations/s · {} faults/s",
        grouped(*operations),
        grouped(*worlds),
        if *worlds == 1 { "" } else { "s" },
        elapsed.as_secs_f64(),
        grouped(per_second(*operations, *elapsed)),
        grouped(per_second(*faults, *elapsed))
    )
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Listing<'e> {
    protocol: String,
    stopped: bool,
    runs: &'e [Entry],
}

#[derive(Serialize)]
struct Entry {
    threads: usize,
    global_lock: bool,
    delays: bool,
    seed: u64,
    verdict: &'static str,
    worlds: u64,
    operations: u64,
    operations_per_second: u64,
    faults: u64,
    faults_per_second: u64,
    seconds: f64,
    /// Of the process, in kB, if the system tells.
    peak: Option<u64>,
    kinds: Vec<KindEntry>,
    clauses: Vec<ClauseEntry>,
    finding: Option<FindingEntry>,
    /// Of what was given up, why.
    why: Option<String>,
    #[serde(skip)]
    short: String,
}

#[derive(Serialize)]
struct KindEntry {
    name: &'static str,
    asked: u64,
    /// Of these, so many found nothing to be done to.
    idle: u64,
}

#[derive(Serialize)]
struct ClauseEntry {
    name: &'static str,
    evaluated: u64,
}

#[derive(Serialize)]
struct FindingEntry {
    clause: &'static str,
    what: String,
    /// Where the clause is asked; of a circle of locks, nowhere.
    at: Option<String>,
    /// Which thread found it violated; none is the audit.
    cpu: Option<usize>,
    seed: u64,
    last: Vec<UnderEntry>,
    /// The last steps before it, if they were asked for.
    steps: Vec<StepEntry>,
}

#[derive(Serialize)]
struct StepEntry {
    cpu: usize,
    /// How deep in calls.
    depth: u8,
    text: String,
    at: String,
}

#[derive(Serialize)]
struct UnderEntry {
    cpu: usize,
    operation: String,
    /// Beginnings and ends of all operations of a world are numbered together.
    began: u64,
    ended: Option<u64>,
}

impl Entry {
    fn new(stress: &Stress, done: &Stressed) -> Self {
        let finding = done.finding.as_ref().map(|finding| FindingEntry {
            clause: finding.clause.id(),
            what: finding.what.clone(),
            at: finding.at.as_ref().map(|(at, _)| at.clone()),
            cpu: finding.at.as_ref().and_then(|&(_, cpu)| cpu),
            seed: finding.seed,
            last: finding.last.iter().map(UnderEntry::from).collect(),
            steps: finding.steps.iter().map(StepEntry::from).collect(),
        });
        Self {
            threads: stress.threads,
            global_lock: stress.global_lock,
            delays: stress.delays,
            seed: stress.seed,
            verdict: match (&done.finding, &done.endless) {
                (Some(_), _) => "violated",
                (None, Some(_)) => "undecided",
                (None, None) => "not-seen",
            },
            worlds: done.worlds,
            operations: done.operations,
            operations_per_second: per_second(done.operations, done.elapsed),
            faults: done.faults,
            faults_per_second: per_second(done.faults, done.elapsed),
            seconds: done.elapsed.as_secs_f64(),
            peak: lockwalk_bench::peak_of_this_process(),
            kinds: done
                .kinds
                .iter()
                .map(|(&name, &(asked, idle))| KindEntry { name, asked, idle })
                .collect(),
            clauses: done
                .clauses
                .iter()
                .map(|(clause, &evaluated)| ClauseEntry { name: clause.id(), evaluated })
                .collect(),
            finding,
            why: done.endless.clone(),
            short: in_short(done),
        }
    }

    /// A row of the table that `--scaling` prints.
    fn row(&self) -> String {
        let lock = if self.global_lock { "yes" } else { "no" };
        format!(
            "  {:>7}  {lock:>11}  {:>12}  {:>8}\n",
            self.threads,
            grouped(self.operations_per_second),
            grouped(self.faults_per_second)
        )
    }

    fn text(&self) -> String {
        let mut text = format!("  {}\n", self.short);
        let evaluated = self.clauses.iter().map(|clause| clause.evaluated).sum();
        let memory = self
            .peak
            .map_or_else(String::new, |peak| format!(" · {:.0} MB at most", peak as f64 / 1024.0));
        text += &format!(
            "  {} evaluations of {} clauses{memory}\n",
            grouped(evaluated),
            self.clauses.len()
        );
        let kinds: Vec<_> = self
            .kinds
            .iter()
            .map(|kind| format!("{} {}", kind.name, grouped(kind.asked - kind.idle)))
            .collect();
        text += &format!("  did something: {}\n\n", kinds.join(", "));
        match (&self.finding, &self.why) {
            (Some(finding), _) => text + &finding.text(),
            (None, Some(why)) => {
                text + &format!(
                    "  ? given up: a world goes on without end, and real threads cannot tell a \
                     livelock ({why})\n"
                )
            }
            (None, None) => {
                text + "  nothing violated: no proof, but a sample of what this machine does\n"
            }
        }
    }
}

impl FindingEntry {
    fn text(&self) -> String {
        let who = self.cpu.map_or_else(|| "the audit".to_owned(), |cpu| format!("CPU{cpu}"));
        let seen =
            self.at.as_ref().map_or_else(String::new, |at| format!("seen by {who} at {at}, "));
        let mut text = format!(
            "  ✗ {}: {}\n  {seen}in the world of seed {}",
            self.clause, self.what, self.seed
        );
        if self.last.is_empty() {
            return text + ", or an earlier one\n";
        }
        text += "; what its threads did last, in the order in which they began:\n\n";
        // What was under way at the same time overlaps.
        for UnderEntry { cpu, operation, began, ended } in &self.last {
            let ended = ended.map_or_else(|| "not over".to_owned(), |ended| ended.to_string());
            text += &format!("    {began:>6} to {ended:<8}  CPU{cpu}  {operation}\n");
        }
        if !self.steps.is_empty() {
            text += "\n  its last steps:\n\n";
        }
        for StepEntry { cpu, depth, text: step, at } in &self.steps {
            let step = "  ".repeat((*depth).into()) + step;
            text += &format!("    CPU{cpu}  {step:<60}  {at}\n");
        }
        text
    }
}

impl From<&witness::Step> for StepEntry {
    fn from(step: &witness::Step) -> Self {
        let witness::Step { cpu, depth, text, at, .. } = step;
        Self { cpu: *cpu, depth: *depth, text: text.clone(), at: at.clone() }
    }
}

impl From<&Under> for UnderEntry {
    fn from(Under { cpu, what, began, ended }: &Under) -> Self {
        Self { cpu: *cpu, operation: what.clone(), began: *began, ended: *ended }
    }
}
