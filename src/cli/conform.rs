//! `lockwalk conform`: does the model do what the running Linux does?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use lockwalk::conform::kernel::{Mix, Op, Pair, Sequence, State, Trace, generate, shrink};
use lockwalk::conform::{self, difference};
use lockwalk::{Era, Protocol};

use super::args::ConformArgs;
use super::output::{Terminal, complain, print, shown};
use super::progress::{Bar, stop_in_order_on_ctrl_c};
use super::{Refusal, Status, select};

/// So many scripts of each mix, where nobody says how many.
const SCRIPTS: u64 = 200;

/// So often is a script run again that differs otherwise each time.
const AGAIN: u32 = 5;

/// So many scripts that differ are shrunk and shown.
const SHOWN: usize = 3;

pub fn run(args: &ConformArgs, terminal: &Terminal) -> Result<Status, Refusal> {
    let mixes: Vec<Mix> = match args.mixes.as_slice() {
        [] => Mix::ALL.to_vec(),
        names => names.iter().map(|name| mix(name)).collect::<Result<_, _>>()?,
    };
    let protocol = args.protocol.as_deref().map(select::protocol).transpose()?;
    match &args.trace {
        Some(file) => recorded(file, protocol, terminal),
        None => running(args, mixes, protocol, terminal),
    }
}

fn mix(name: &str) -> Result<Mix, Refusal> {
    let names = || Mix::ALL.iter().map(|mix| mix.name).collect::<Vec<_>>().join(", ");
    Mix::called(name).ok_or_else(|| Refusal(format!("no mix is called '{name}': there are {}", names())))
}

/// The newest of the protocols that is not newer than a kernel.
fn newest_for(kernel: &str) -> Option<Protocol> {
    let version = |text: &str| -> Option<Vec<u32>> { text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).map(Some).collect() };
    let kernel = version(kernel)?;
    let named =
        Era::all().into_iter().filter_map(|protocol| Some((version(&protocol.to_string()).filter(|version| version.len() > 1)?, protocol)));
    named.filter(|(version, _)| *version <= kernel).max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, protocol)| protocol)
}

/// What was compared.
#[derive(Default)]
struct Compared {
    sequences: u64,
    steps: u64,
    differing: Vec<Sequence>,
}

impl Compared {
    fn with(&mut self, protocol: &Protocol, sequence: Sequence) {
        self.sequences += 1;
        self.steps += sequence.lines.len() as u64;
        if difference(protocol, &sequence).is_some() {
            self.differing.push(sequence);
        }
    }

    fn row(&self, name: &str, ascii: bool) -> String {
        let differing = self.differing.len();
        let verdict = match (differing, ascii) {
            (0, false) => "✓ no difference".to_owned(),
            (0, true) => "no difference".to_owned(),
            (_, false) => format!("✗ {differing} differ"),
            (_, true) => format!("{differing} differ"),
        };
        format!("  {name:<10} {:>7} scripts {:>9} steps   {verdict}\n", self.sequences, self.steps)
    }
}

/// Compares with a trace.
fn recorded(file: &Path, protocol: Option<Protocol>, terminal: &Terminal) -> Result<Status, Refusal> {
    let cannot = |why: &dyn std::fmt::Display| Refusal(format!("cannot read {}: {why}", shown(file)));
    let text = fs::read_to_string(file).map_err(|error| cannot(&error))?;
    let mut trace: Trace = text.parse().map_err(|error| cannot(&error))?;
    if let Some(other) = trace.says("like").map(|name| file.with_file_name(name)) {
        let text = fs::read_to_string(&other).map_err(|error| cannot(&error))?;
        let other = text.parse().map_err(|error| cannot(&error))?;
        trace = trace.completed_by(&other);
    }
    for sequence in &trace.sequences {
        let script = sequence.script().map_err(|error| cannot(&error))?;
        if !State::allows_all(&script) {
            return Err(cannot(&format!("{} makes no sense", sequence.title)));
        }
    }
    let kernel = trace.says("kernel").unwrap_or("a kernel that is not named").to_owned();
    let Some(protocol) = protocol.or_else(|| newest_for(&kernel)) else {
        return Err(Refusal(format!("{} does not say which kernel it is of: --protocol is needed", shown(file))));
    };
    print(&head(&kernel, &protocol, terminal))?;
    let mut compared = Compared::default();
    trace.sequences.into_iter().for_each(|sequence| compared.with(&protocol, sequence));
    print(&compared.row("trace", terminal.style().ascii))?;
    for sequence in compared.differing.iter().take(SHOWN) {
        print(&both(&protocol, sequence))?;
    }
    Ok(if compared.differing.is_empty() { Status::AsDocumented } else { Status::Differs })
}

fn head(kernel: &str, protocol: &Protocol, terminal: &Terminal) -> String {
    let dot = if terminal.style().ascii { "-" } else { "·" };
    format!("lockwalk {dot} Linux {kernel} {dot} the model's protocol is {protocol}\n\n")
}

/// A sequence up to where the two differ, and what the model says there.
fn both(protocol: &Protocol, sequence: &Sequence) -> String {
    let Some((at, model)) = difference(protocol, sequence) else { return String::new() };
    let mut text = format!("\n  {}\n", sequence.title);
    for line in &sequence.lines[..at.min(sequence.lines.len())] {
        _ = writeln!(text, "    {line}");
    }
    let seen = |line: &str| line.split_once(" =>").map_or(line.to_owned(), |(op, seen)| format!("{op} =>{seen}"));
    _ = writeln!(text, "    kernel: {}\n    model:  {}", sequence.lines.get(at).map_or("(ends)".into(), |line| seen(line)), seen(&model));
    text
}

#[cfg(not(target_os = "linux"))]
fn running(_: &ConformArgs, _: Vec<Mix>, _: Option<Protocol>, _: &Terminal) -> Result<Status, Refusal> {
    complain("cannot compare: this is not Linux (--trace compares with what was recorded)");
    Ok(Status::Undecided)
}

/// Records and compares.
#[cfg(target_os = "linux")]
fn running(args: &ConformArgs, mixes: Vec<Mix>, protocol: Option<Protocol>, terminal: &Terminal) -> Result<Status, Refusal> {
    use lockwalk::conform::kernel::{Recorder, running_kernel};

    let header = running_kernel();
    let kernel = header["kernel"].clone();
    let Some(protocol) = protocol.or_else(|| newest_for(&kernel)) else {
        return Err(Refusal(format!("no protocol is as old as Linux {kernel}: --protocol is needed")));
    };
    let stop = stop_in_order_on_ctrl_c();
    let mut recorder = match Recorder::start() {
        Ok(recorder) => recorder,
        Err(lacks) => {
            complain(&format!("cannot compare: {lacks}"));
            return Ok(Status::Undecided);
        }
    };
    let (bar, begun) = (Bar::new(), Instant::now());
    let over = |stop: &AtomicBool| stop.load(Ordering::Relaxed) || args.time.is_some_and(|time| begun.elapsed() >= time);
    let mixes: Vec<_> = mixes.into_iter().filter(|mix| !mix.migrates() || Recorder::has_two_nodes()).collect();
    let scripts = args.scripts.unwrap_or(if args.time.is_some() { u64::MAX } else { SCRIPTS });
    let mut disturbed = 0;
    let mut compared: Vec<Compared> = mixes.iter().map(|_| Compared::default()).collect();
    let broken = |lacks: &dyn std::fmt::Display| Refusal(format!("the kernel's side has failed: {lacks}"));
    bar.aside(|| print(&head(&kernel, &protocol, terminal)))?;
    if let Some(times) = args.pairs {
        let done = pairs(&protocol, header, times, args, &mut recorder, &stop, &bar, terminal);
        drop(recorder);
        bar.finish();
        return done;
    }
    let mut trace = Trace { header, sequences: Vec::new() };
    'all: for nth in 0..scripts {
        for (mix, compared) in mixes.iter().zip(&mut compared) {
            if over(&stop) {
                break 'all;
            }
            let seed = args.seed.wrapping_add(nth);
            bar.say(&format!("{} {seed}", mix.name));
            let script = generate(mix, seed, args.length as usize);
            let mut sequence =
                Sequence { title: format!("{} {seed}", mix.name), lines: recorder.run(&script).map_err(|lacks| broken(&lacks))? };
            // Others may have swapped meanwhile. What differs must be seen twice to count.
            for _ in 0..AGAIN {
                if difference(&protocol, &sequence).is_none() {
                    break;
                }
                let before = std::mem::replace(&mut sequence.lines, recorder.run(&script).map_err(|lacks| broken(&lacks))?);
                if before == sequence.lines {
                    break;
                }
                disturbed += 1;
            }
            if args.record.is_some() {
                trace.sequences.push(sequence.clone());
            }
            compared.with(&protocol, sequence);
        }
    }
    let mut text = String::new();
    for (mix, compared) in mixes.iter().zip(&compared) {
        text += &compared.row(mix.name, terminal.style().ascii);
    }
    for sequence in compared.iter().flat_map(|compared| &compared.differing).take(SHOWN) {
        bar.say(&format!("{}: shrinking", sequence.title));
        text += &both(&protocol, &shortest(&protocol, sequence, &mut recorder, &stop));
    }
    let all = |count: fn(&Compared) -> u64| compared.iter().map(count).sum::<u64>();
    let differing = all(|compared| compared.differing.len() as u64);
    _ = writeln!(text, "\n  {} scripts, {} steps, {differing} differ", all(|compared| compared.sequences), all(|compared| compared.steps));
    if disturbed > 0 {
        _ = writeln!(text, "  {disturbed} times another program swapped meanwhile, and a script was run again");
    }
    drop(recorder);
    bar.finish();
    print(&text)?;
    record(args, &trace)?;
    let stopped = stop.load(Ordering::Relaxed);
    if stopped {
        complain("stopped");
    }
    Ok(if differing > 0 {
        Status::Differs
    } else if stopped || all(|compared| compared.sequences) == 0 {
        Status::Undecided
    } else {
        Status::AsDocumented
    })
}

#[cfg(target_os = "linux")]
fn record(args: &ConformArgs, trace: &Trace) -> Result<(), Refusal> {
    let Some(file) = &args.record else { return Ok(()) };
    fs::write(file, trace.to_string()).map_err(|error| Refusal(format!("cannot write {}: {error}", shown(file))))
}

/// Each pair many times; what is left is compared with what the model reaches.
#[cfg(target_os = "linux")]
fn pairs(
    protocol: &Protocol,
    header: conform::kernel::Header,
    times: u64,
    args: &ConformArgs,
    recorder: &mut conform::kernel::Recorder,
    stop: &AtomicBool,
    bar: &Bar,
    terminal: &Terminal,
) -> Result<Status, Refusal> {
    let begun = Instant::now();
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let (mut foreign, mut stopped, mut trace) = (0, false, Trace { header, sequences: Vec::new() });
    for pair in Pair::ALL {
        bar.say(pair.name);
        let model = conform::reachable(protocol, pair, None);
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..times {
            stopped = stop.load(Ordering::Relaxed) || args.time.is_some_and(|time| begun.elapsed() >= time);
            if stopped {
                break;
            }
            // Sometimes the one begins earlier, sometimes the other.
            let late = 1 << rng.u32(..15);
            let spins = if rng.bool() { [rng.u32(..late), 0] } else { [0, rng.u32(..late)] };
            let ending = recorder.at_once(pair, spins).map_err(|lacks| Refusal(format!("the kernel's side has failed: {lacks}")))?;
            *seen.entry(ending).or_default() += 1;
        }
        let outside = seen.keys().filter(|ending| !model.endings.contains(*ending)).count();
        foreign += outside;
        if args.record.is_some() {
            trace.sequences.push(Sequence { title: pair.name.to_owned(), lines: seen.keys().cloned().collect() });
        }
        let mark = match (outside, terminal.style().ascii) {
            (0, false) => "✓",
            (_, false) => "✗",
            (0, true) => "ok",
            (_, true) => "!!",
        };
        let [first, second] = pair.both();
        let known = model.endings.len() - model.endings.iter().filter(|ending| !seen.contains_key(*ending)).count();
        let mut text = format!("  {mark} {}: {first} | {second}\n", pair.name);
        _ = writeln!(
            text,
            "      {known} of the {} states that the model reaches in {} executions were seen",
            model.endings.len(),
            model.outcome.executions
        );
        for violated in &model.outcome.violations {
            _ = writeln!(text, "      the model violates {}", violated.name);
        }
        for ending in &model.endings {
            _ = writeln!(text, "      {:>9}  {ending}", seen.get(ending).map_or("never".into(), ToString::to_string));
        }
        for (ending, count) in seen.iter().filter(|(ending, _)| !model.endings.contains(*ending)) {
            _ = writeln!(text, "      {count:>9}  {ending}   which the model does not reach");
        }
        bar.aside(|| print(&(text + "\n")))?;
        if stopped {
            break;
        }
    }
    if stopped {
        complain("stopped");
    }
    record(args, &trace)?;
    Ok(match (foreign, stopped) {
        (0, false) => Status::AsDocumented,
        (0, true) => Status::Undecided,
        _ => Status::Differs,
    })
}

/// The shortest script left of one that differs, as the kernel shows it now.
#[cfg(target_os = "linux")]
fn shortest(protocol: &Protocol, sequence: &Sequence, recorder: &mut conform::kernel::Recorder, stop: &AtomicBool) -> Sequence {
    let script = sequence.script().unwrap_or_default();
    let mut best = sequence.clone();
    let mut differs = |part: &[Op]| {
        if !State::allows_all(part) || stop.load(Ordering::Relaxed) {
            return false;
        }
        let Ok(lines) = recorder.run(part) else { return false };
        let shown = Sequence { title: format!("{}, shortest part", sequence.title), lines };
        let differs = difference(protocol, &shown).is_some();
        if differs {
            best = shown;
        }
        differs
    };
    shrink(&script, &mut differs);
    best
}
