//! `lockwalk conform`: does the model do what the running Linux does?

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;

use crate::conform::kernel::{Mix, Recording, Sequence, State};
use crate::conform::{Model, compare, difference};
use crate::{Era, Protocol};

use super::args::{ConformArgs, CountedFormat};
#[cfg(not(target_os = "linux"))]
use super::output::complain;
use super::output::{json, print, shown};
use super::{Refusal, Status, select};

/// So many scripts that differ are shrunk and shown.
const SHOWN: usize = 3;

pub fn run(args: &ConformArgs) -> Result<Status, Refusal> {
    let mixes: Vec<Mix> = match args.mixes.as_slice() {
        [] => Mix::ALL.to_vec(),
        names => names.iter().map(|name| mix(name)).collect::<Result<_, _>>()?,
    };
    let protocol = args.protocol.as_deref().map(select::protocol).transpose()?;
    match &args.trace {
        Some(file) => recorded(args, file, protocol),
        None => running(args, mixes, protocol),
    }
}

fn mix(name: &str) -> Result<Mix, Refusal> {
    let names = || Mix::ALL.iter().map(|mix| mix.name).collect::<Vec<_>>().join(", ");
    Mix::called(name)
        .ok_or_else(|| Refusal(format!("no mix is called '{name}': there are {}", names())))
}

/// The newest of the protocols that is not newer than a kernel.
fn newest_for(kernel: &str) -> Option<Protocol> {
    let version = |text: &str| -> Option<Vec<u32>> {
        text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).map(Some).collect()
    };
    let kernel = version(kernel)?;
    let named = Era::all().into_iter().filter_map(|protocol| {
        Some((version(&protocol.to_string()).filter(|version| version.len() > 1)?, protocol))
    });
    named
        .filter(|(version, _)| *version <= kernel)
        .max_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(_, protocol)| protocol)
}

/// What was compared.
#[derive(Default)]
struct Compared {
    sequences: u64,
    steps: u64,
    differing: Vec<Sequence>,
    /// Those in which the kernel violates a clause, as the model does and a race says.
    violating: u64,
}

impl Compared {
    fn with<'p>(&mut self, model: impl Into<Model<'p>>, sequence: Sequence) {
        self.sequences += 1;
        self.steps += sequence.lines.len() as u64;
        let beside = compare(model, &sequence);
        self.violating += u64::from(!beside.both_violate.is_empty());
        if beside.difference.is_some() {
            self.differing.push(sequence);
        }
    }

    fn entry(&self, name: &str) -> MixEntry {
        MixEntry {
            name: name.to_owned(),
            scripts: self.sequences,
            steps: self.steps,
            differing: self.differing.len(),
            violating: self.violating,
        }
    }

    fn row(&self, name: &str) -> String {
        let differing = self.differing.len();
        let verdict = match differing {
            0 => "✓ no difference".to_owned(),
            _ => format!("✗ {differing} differ"),
        };
        let violating = match self.violating {
            0 => String::new(),
            scripts => format!(", {scripts} lose what a device stored, as races of S0.1 say"),
        };
        format!(
            "  {name:<10} {:>7} scripts {:>9} steps   {verdict}{violating}\n",
            self.sequences, self.steps
        )
    }
}

/// Compares with a trace.
fn recorded(
    args: &ConformArgs,
    file: &Path,
    protocol: Option<Protocol>,
) -> Result<Status, Refusal> {
    let cannot =
        |why: &dyn std::fmt::Display| Refusal(format!("cannot read {}: {why}", shown(file)));
    let read = |file: &Path| -> Result<Recording, Refusal> {
        text(file).map_err(|error| cannot(&error))?.parse().map_err(|error| cannot(&error))
    };
    let mut trace = read(file)?;
    if let Some(other) = trace.says("like").map(|name| file.with_file_name(name)) {
        trace = trace.completed_by(&read(&other)?);
    }
    if trace.sequences.is_empty() {
        return Err(cannot(&"it is no trace"));
    }
    for sequence in &trace.sequences {
        let script = sequence.script().map_err(|error| cannot(&error))?;
        if !State::allows_all(&script) {
            return Err(cannot(&format!("{} makes no sense", sequence.title)));
        }
    }
    let kernel = trace.says("kernel").unwrap_or("a kernel that is not named").to_owned();
    let Some(protocol) = protocol.or_else(|| newest_for(&kernel)) else {
        return Err(Refusal(format!(
            "{} does not say which kernel it is of: --protocol is needed",
            shown(file)
        )));
    };
    let mut compared = Compared::default();
    let model = Model::of(&protocol, &trace);
    trace.sequences.into_iter().for_each(|sequence| compared.with(model, sequence));
    let mut listing = Listing::new(&kernel, &protocol);
    listing.mixes.push(compared.entry("trace"));
    let shown = compared.differing.iter().take(SHOWN);
    listing.differing = shown.filter_map(|sequence| Differing::of(model, sequence)).collect();
    if args.format == CountedFormat::Json {
        print(&json(&listing))?;
    } else {
        print(&head(&kernel, &protocol))?;
        print(&compared.row("trace"))?;
        listing.differing.iter().try_for_each(|differing| print(&differing.text()))?;
    }
    Ok(if compared.differing.is_empty() { Status::AsDocumented } else { Status::Differs })
}

/// A text that is not larger than any trace.
fn text(file: &Path) -> io::Result<String> {
    const LARGEST: u64 = 64 << 20;
    let mut text = String::new();
    if File::open(file)?.take(LARGEST).read_to_string(&mut text)? as u64 == LARGEST {
        return Err(io::Error::other("it is too large for a trace"));
    }
    Ok(text)
}

fn head(kernel: &str, protocol: &Protocol) -> String {
    format!("lockwalk · Linux {kernel} · the model's protocol is {protocol}\n\n")
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Listing {
    kernel: String,
    protocol: String,
    stopped: bool,
    mixes: Vec<MixEntry>,
    /// The first ones.
    differing: Vec<Differing>,
    pairs: Vec<PairEntry>,
}

impl Listing {
    fn new(kernel: &str, protocol: &Protocol) -> Self {
        Self {
            kernel: kernel.to_owned(),
            protocol: protocol.to_string(),
            stopped: false,
            mixes: Vec::new(),
            differing: Vec::new(),
            pairs: Vec::new(),
        }
    }
}

#[derive(Serialize)]
struct MixEntry {
    name: String,
    scripts: u64,
    steps: u64,
    differing: usize,
    /// Those in which the kernel violates a clause, as the model does and a race says.
    violating: u64,
}

/// A sequence up to where the two differ, and what each says there.
#[derive(Serialize)]
struct Differing {
    title: String,
    lines: Vec<String>,
    kernel: Option<String>,
    model: String,
}

impl Differing {
    fn of<'p>(model: impl Into<Model<'p>>, sequence: &Sequence) -> Option<Self> {
        let (at, model) = difference(model, sequence)?;
        let lines = &sequence.lines;
        Some(Self {
            title: sequence.title.clone(),
            lines: lines[..at.min(lines.len())].to_vec(),
            kernel: lines.get(at).cloned(),
            model,
        })
    }

    fn text(&self) -> String {
        let mut text = format!("\n  {}\n", self.title);
        for line in &self.lines {
            _ = writeln!(text, "    {line}");
        }
        let seen = |line: &str| {
            line.split_once(" =>").map_or(line.to_owned(), |(op, seen)| format!("{op} =>{seen}"))
        };
        _ = writeln!(
            text,
            "    kernel: {}\n    model:  {}",
            self.kernel.as_deref().map_or("(ends)".into(), seen),
            seen(&self.model)
        );
        text
    }
}

/// Two operations at once.
#[derive(Serialize)]
struct PairEntry {
    name: String,
    both: [String; 2],
    /// How many executions the model needs to reach what it reaches.
    executions: u64,
    /// What the model violates.
    violates: Vec<String>,
    endings: Vec<Ending>,
}

#[derive(Serialize)]
struct Ending {
    ending: String,
    /// How often the kernel came to it.
    seen: u64,
    /// Does the model?
    model: bool,
}

#[cfg(not(target_os = "linux"))]
fn running(_: &ConformArgs, _: Vec<Mix>, _: Option<Protocol>) -> Result<Status, Refusal> {
    complain("cannot compare: this is not Linux (--trace compares with what was recorded)");
    Ok(Status::Undecided)
}

#[cfg(target_os = "linux")]
use linux::running;

#[cfg(target_os = "linux")]
mod linux {
    //! Recording on the running kernel.

    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use crate::Protocol;
    use crate::conform::kernel::{
        Lacks, Mix, Op, Pair, Recorder, Recording, Sequence, State, generate, running_kernel,
        shrink,
    };
    use crate::conform::{difference, reachable};
    use fastrand::Rng;

    use super::super::args::{ConformArgs, CountedFormat};
    use super::super::output::{complain, json, print};
    use super::super::progress::{Bar, stop_in_order_on_ctrl_c};
    use super::super::sink::Sink;
    use super::super::{Refusal, Status};
    use super::{Compared, Differing, Ending, Listing, PairEntry, SHOWN, head, newest_for};

    /// So many scripts of each mix, where nobody says how many.
    const SCRIPTS: u64 = 200;

    /// So often is a script run again that differs otherwise each time.
    const AGAIN: u32 = 5;

    /// A session with the running kernel.
    struct Session<'s> {
        args: &'s ConformArgs,
        protocol: Protocol,
        recorder: Recorder,
        stop: Arc<AtomicBool>,
        bar: Bar,
        begun: Instant,
        /// What it has shown, if that is to be written.
        trace: Recording,
        listing: Listing,
    }

    /// Records and compares.
    pub(super) fn running(
        args: &ConformArgs,
        mixes: Vec<Mix>,
        protocol: Option<Protocol>,
    ) -> Result<Status, Refusal> {
        let trace = Recording { header: running_kernel(), sequences: Vec::new() };
        let kernel = trace.header["kernel"].clone();
        let Some(protocol) = protocol.or_else(|| newest_for(&kernel)) else {
            return Err(Refusal(format!(
                "no protocol is as old as Linux {kernel}: --protocol is needed"
            )));
        };
        let sink = args.record.as_deref().map(Sink::open).transpose()?;
        let stop = stop_in_order_on_ctrl_c();
        let one_cpu = args.pairs.is_some()
            && std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2);
        let recorder = match if one_cpu {
            Err(Lacks("two CPUs are needed".into()))
        } else {
            Recorder::start()
        } {
            Ok(recorder) => recorder,
            Err(lacks) => {
                complain(&format!("cannot compare: {lacks}"));
                return Ok(Status::Undecided);
            }
        };
        let as_json = args.format == CountedFormat::Json;
        if !as_json {
            print(&head(&kernel, &protocol))?;
        }
        let listing = Listing::new(&kernel, &protocol);
        let mut session = Session {
            args,
            protocol,
            recorder,
            stop,
            bar: Bar::new(),
            begun: Instant::now(),
            trace,
            listing,
        };
        let (differing, compared) = match args.pairs {
            Some(times) => session.pairs(times)?,
            None => session.scripts(&mixes)?,
        };
        let Session { recorder, stop, bar, trace, mut listing, .. } = session;
        drop(recorder);
        bar.finish();
        if let Some(sink) = sink {
            sink.write(&trace.to_string())?;
        }
        let stopped = stop.load(Ordering::Relaxed);
        listing.stopped = stopped;
        if as_json {
            print(&json(&listing))?;
        }
        if stopped {
            complain("stopped");
        }
        Ok(match (differing, compared) {
            (1.., _) => Status::Differs,
            (0, 1..) if !stopped => Status::AsDocumented,
            _ => Status::Undecided,
        })
    }

    impl Session<'_> {
        fn over(&self) -> bool {
            self.stop.load(Ordering::Relaxed)
                || self.args.time.is_some_and(|time| self.begun.elapsed() >= time)
        }

        /// Prints it, unless all is to be printed at the end.
        fn say(&self, text: &str) -> Result<(), Refusal> {
            if self.args.format == CountedFormat::Json {
                return Ok(());
            }
            self.bar.aside(|| print(text))
        }

        fn broken(lacks: Lacks) -> Refusal {
            Refusal(format!("the kernel's side has failed: {lacks}"))
        }

        /// Scripts of all mixes in turn. Returns how many differ, and how many there were.
        fn scripts(&mut self, mixes: &[Mix]) -> Result<(u64, u64), Refusal> {
            let mixes: Vec<_> =
                mixes.iter().filter(|mix| !mix.migrates() || Recorder::has_two_nodes()).collect();
            let scripts = self.args.scripts.unwrap_or(if self.args.time.is_some() {
                u64::MAX
            } else {
                SCRIPTS
            });
            let mut compared: Vec<Compared> = mixes.iter().map(|_| Compared::default()).collect();
            'all: for nth in 0..scripts {
                for (mix, compared) in mixes.iter().zip(&mut compared) {
                    if self.over() {
                        break 'all;
                    }
                    let seed = self.args.seed.wrapping_add(nth);
                    let title = format!("{} {seed}", mix.name);
                    self.bar.say(&title);
                    let sequence = Sequence {
                        title,
                        lines: self.twice(&generate(mix, seed, self.args.length as usize))?,
                    };
                    if self.args.record.is_some() {
                        self.trace.sequences.push(sequence.clone());
                    }
                    compared.with(&self.protocol, sequence);
                }
            }
            let mut text: String =
                mixes.iter().zip(&compared).map(|(mix, compared)| compared.row(mix.name)).collect();
            self.listing.mixes = mixes
                .iter()
                .zip(&compared)
                .map(|(mix, compared)| compared.entry(mix.name))
                .collect();
            for sequence in compared.iter().flat_map(|compared| &compared.differing).take(SHOWN) {
                self.bar.say(&format!("{}: shrinking", sequence.title));
                let shortest = self.shortest(sequence);
                if let Some(differing) = Differing::of(&self.protocol, &shortest) {
                    text += &differing.text();
                    self.listing.differing.push(differing);
                }
            }
            let all = |count: fn(&Compared) -> u64| compared.iter().map(count).sum::<u64>();
            let (differing, sequences) = (
                all(|compared| compared.differing.len() as u64),
                all(|compared| compared.sequences),
            );
            _ = writeln!(
                text,
                "\n  {sequences} scripts, {} steps, {differing} differ",
                all(|compared| compared.steps)
            );
            self.say(&text)?;
            Ok((differing, sequences))
        }

        /// What the kernel shows of a script. What differs from the model must be seen twice to
        /// count: others may have swapped meanwhile.
        fn twice(&mut self, script: &[Op]) -> Result<Vec<String>, Refusal> {
            let mut lines = self.recorder.run(script).map_err(Self::broken)?;
            for _ in 0..AGAIN {
                if difference(
                    &self.protocol,
                    &Sequence { title: String::new(), lines: lines.clone() },
                )
                .is_none()
                {
                    break;
                }
                let before =
                    std::mem::replace(&mut lines, self.recorder.run(script).map_err(Self::broken)?);
                if before == lines {
                    break;
                }
            }
            Ok(lines)
        }

        /// The shortest script left of one that differs, as the kernel shows it now.
        fn shortest(&mut self, sequence: &Sequence) -> Sequence {
            let mut best = sequence.clone();
            let script = sequence.script().unwrap_or_default();
            shrink(&script, |part| {
                if !State::allows_all(part) || self.stop.load(Ordering::Relaxed) {
                    return false;
                }
                let Ok(lines) = self.twice(part) else { return false };
                let shown = Sequence { title: format!("{}, shortest part", sequence.title), lines };
                let differs = difference(&self.protocol, &shown).is_some();
                if differs {
                    best = shown;
                }
                differs
            });
            best
        }

        /// Each pair many times; what is left is compared with what the model reaches. Returns how
        /// many states it does not reach, and how many were seen.
        fn pairs(&mut self, times: u64) -> Result<(u64, u64), Refusal> {
            let mut rng = Rng::with_seed(self.args.seed);
            self.trace.header.insert("runs".into(), format!("{times} of each pair"));
            let (mut foreign, mut all) = (0, 0);
            for pair in Recorder::pairs() {
                self.bar.say(pair.name);
                let mut seen: BTreeMap<String, u64> = BTreeMap::new();
                for _ in 0..times {
                    if self.over() {
                        return Ok((foreign, 0)); // not all were compared
                    }
                    *seen
                        .entry(self.recorder.at_once(pair, &mut rng).map_err(Self::broken)?)
                        .or_default() += 1;
                }
                if self.args.record.is_some() {
                    self.trace.sequences.push(Sequence {
                        title: pair.name.to_owned(),
                        lines: seen.keys().cloned().collect(),
                    });
                }
                let entry = self.beside_the_model(pair, &seen);
                self.say(&self.text_of(&entry))?;
                foreign += entry.endings.iter().filter(|ending| !ending.model).count() as u64;
                self.listing.pairs.push(entry);
                all += seen.len() as u64;
            }
            Ok((foreign, all))
        }

        fn beside_the_model(&self, pair: &Pair, seen: &BTreeMap<String, u64>) -> PairEntry {
            let model = reachable(&self.protocol, pair, None);
            let all: BTreeSet<_> = model.endings.iter().chain(seen.keys()).collect();
            PairEntry {
                name: pair.name.to_owned(),
                both: pair.both().map(|op| op.to_string()),
                executions: model.executions(),
                violates: model.violations().map(|violated| violated.name.to_string()).collect(),
                endings: all
                    .into_iter()
                    .map(|ending| Ending {
                        ending: ending.clone(),
                        seen: seen.get(ending).copied().unwrap_or_default(),
                        model: model.endings.contains(ending),
                    })
                    .collect(),
            }
        }

        fn text_of(&self, pair: &PairEntry) -> String {
            let (known, outside): (Vec<_>, Vec<_>) =
                pair.endings.iter().partition(|ending| ending.model);
            let mark = if outside.is_empty() { "✓" } else { "✗" };
            let PairEntry { name, both: [first, second], executions, .. } = pair;
            let mut text = format!("  {mark} {name}: {first} | {second}\n");
            _ = writeln!(
                text,
                "      {} of the {} states that the model reaches in {executions} executions were \
                 seen",
                known.iter().filter(|ending| ending.seen > 0).count(),
                known.len(),
            );
            for violated in &pair.violates {
                _ = writeln!(text, "      the model violates {violated}");
            }
            for Ending { ending, seen, .. } in known {
                let seen = if *seen == 0 { "never".to_owned() } else { seen.to_string() };
                _ = writeln!(text, "      {seen:>9}  {ending}");
            }
            for Ending { ending, seen, .. } in outside {
                _ = writeln!(text, "      {seen:>9}  {ending}   which the model does not reach");
            }
            text + "\n"
        }
    }
}
