//! `lockwalk bench`: the exhaustive scheduler beside loom and shuttle.

use std::io::{self, Write};
use std::sync::atomic::Ordering;

use lockwalk_bench::{
    Cell, Format, Limit, Measured, Memory, Options, Outcome, Overhead, Progress, Relaxed, Size,
    Variant, host,
};
use serde::Serialize;

use super::args::{BenchArgs, BenchFormat};
use super::output::{complain, fit, json, print, reader_left};
use super::progress::{Bar, stop_on_ctrl_c};
use super::{Refusal, Status};

/// Runs the benchmark; each table is printed when it is complete, JSON when all of it is.
pub fn run(args: &BenchArgs) -> Result<Status, Refusal> {
    let other = args.overhead || args.memory || args.weak;
    if args.family.is_empty() && !args.size.is_empty() && other {
        return Err(Refusal(
            "--size is for tables: with --overhead, --memory or --weak, --family asks for one"
                .into(),
        ));
    }
    let stop = stop_on_ctrl_c();
    let bar = Bar::new();
    let all = Options::default();
    let tables = !args.family.is_empty() || !args.size.is_empty() || !other;
    let or_all = |asked: &[_], all| if asked.is_empty() { all } else { asked.to_vec() };
    let options = Options {
        families: if tables { or_all(&args.family, all.families) } else { Vec::new() },
        sizes: if args.size.is_empty() { all.sizes } else { args.size.clone() },
        limit: Limit { time: args.time, stop: Some(stop.clone()) },
        format: if args.format == BenchFormat::Markdown { Format::Markdown } else { Format::Plain },
        overhead: args.overhead,
        memory: args.memory,
        weak: args.weak,
    };
    let as_json = args.format == BenchFormat::Json;
    let host = host();
    let mut out = Stdout { bar: &bar };
    let out: &mut dyn Write = if as_json { &mut io::sink() } else { &mut out };
    write!(out, "lockwalk bench · {host}\n\n").map_err(cannot_write)?;
    let say = &mut |Progress { now, done, total }: Progress<'_>| {
        bar.say(&format!("{done} of {total} · {now}"))
    };
    let measured = lockwalk_bench::run(&options, out, say).map_err(cannot_write)?;
    bar.finish();
    if as_json {
        print(&json(&Listing::new(host, &measured)))?;
    }
    if stop.load(Ordering::Relaxed) {
        complain("stopped: only what is printed was measured");
        return Ok(Status::Undecided);
    }
    Ok(Status::AsDocumented)
}

fn cannot_write(error: io::Error) -> Refusal {
    Refusal(format!("cannot write: {error}"))
}

/// Standard output, with the line of progress out of the way.
struct Stdout<'b> {
    bar: &'b Bar,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = fit(&String::from_utf8_lossy(bytes));
        match self.bar.aside(|| io::stdout().lock().write_all(text.as_bytes())) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => reader_left(),
            written => written.map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Listing {
    host: String,
    memory: Option<MemoryEntry>,
    overhead: Vec<OverheadEntry>,
    weak: Vec<WeakEntry>,
    tables: Vec<TableEntry>,
}

#[derive(Serialize)]
struct MemoryEntry {
    family: &'static str,
    size: SizeEntry,
    executions: u64,
    exhausted: bool,
    seconds: f64,
    /// Of the process, in kB, if the system tells; and whether it is of this exploration alone.
    peak: Option<u64>,
    alone: bool,
}

#[derive(Serialize)]
struct OverheadEntry {
    family: &'static str,
    size: SizeEntry,
    same_primitives: bool,
    executions: u64,
    dpor_per_second: f64,
    random_per_second: f64,
    ratio: f64,
    least_ratio: f64,
    most_ratio: f64,
    rounds: usize,
}

#[derive(Serialize)]
struct WeakEntry {
    program: String,
    cells: Vec<CellEntry>,
}

#[derive(Serialize)]
struct TableEntry {
    family: &'static str,
    columns: Vec<ColumnEntry>,
}

#[derive(Serialize)]
struct ColumnEntry {
    size: SizeEntry,
    cells: Vec<CellEntry>,
}

#[derive(Serialize)]
struct SizeEntry {
    vmas: usize,
    adjusters: usize,
    rounds: usize,
}

#[derive(Serialize)]
struct CellEntry {
    engine: &'static str,
    executions: u64,
    cut: u64,
    seconds: f64,
    outcome: &'static str,
    /// Of what is broken, what is wrong.
    why: Option<String>,
}

impl Listing {
    fn new(host: String, measured: &Measured) -> Self {
        let column = |(size, cells): &(Size, Vec<Cell>)| ColumnEntry {
            size: size.into(),
            cells: cells.iter().map(CellEntry::from).collect(),
        };
        let weak = |(program, cells): &(Relaxed, Vec<Cell>)| WeakEntry {
            program: program.to_string(),
            cells: cells.iter().map(CellEntry::from).collect(),
        };
        let tables = measured.tables.iter();
        Self {
            host,
            memory: measured.memory.as_ref().map(MemoryEntry::from),
            overhead: measured.overhead.iter().map(OverheadEntry::from).collect(),
            weak: measured.weak.iter().map(weak).collect(),
            tables: tables
                .map(|(family, columns)| TableEntry {
                    family: family.name(),
                    columns: columns.iter().map(column).collect(),
                })
                .collect(),
        }
    }
}

impl From<&Size> for SizeEntry {
    fn from(&Size { n, t, k }: &Size) -> Self {
        Self { vmas: n, adjusters: t, rounds: k }
    }
}

impl From<&Memory> for MemoryEntry {
    fn from(memory: &Memory) -> Self {
        let Memory { size, executions, exhausted, seconds, peak, alone } = *memory;
        Self {
            family: Variant::FixedPlain.name(),
            size: (&size).into(),
            executions,
            exhausted,
            seconds,
            peak,
            alone,
        }
    }
}

impl From<&Overhead> for OverheadEntry {
    fn from(overhead: &Overhead) -> Self {
        let Overhead {
            variant,
            size,
            same_primitives,
            executions,
            dpor,
            random,
            ratio,
            ratios,
            rounds,
        } = *overhead;
        Self {
            family: variant.name(),
            size: (&size).into(),
            same_primitives,
            executions,
            dpor_per_second: dpor,
            random_per_second: random,
            ratio,
            least_ratio: ratios.0,
            most_ratio: ratios.1,
            rounds,
        }
    }
}

impl From<&Cell> for CellEntry {
    fn from(cell: &Cell) -> Self {
        let (outcome, why) = match &cell.outcome {
            Outcome::Done => ("done", None),
            Outcome::OverLimit(_) => ("over-limit", None),
            Outcome::Stopped => ("stopped", None),
            Outcome::Missed => ("missed", None),
            Outcome::Broken(why) => ("broken", Some(why.clone())),
        };
        Self {
            engine: cell.engine,
            executions: cell.executions,
            cut: cell.cut,
            seconds: cell.seconds,
            outcome,
            why,
        }
    }
}
