//! Tables of cells, and the whole benchmark.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::time::Duration;

use crate::cell::{Cell, Limit, Outcome, SEEDS};
use crate::cost::{Memory, Overhead, memory, overhead};
use crate::engines::{exhaust, exhaust_relaxed, find};
use crate::program::{Size, Variant};
use crate::relaxed::Relaxed;

/// How tables are written.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Plain,
    /// Markdown, aligned as well.
    Markdown,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The variants, each a table.
    pub families: Vec<Variant>,
    /// The columns.
    pub sizes: Vec<Size>,
    /// When to give a cell up.
    pub limit: Limit,
    /// How to write it.
    pub format: Format,
    /// Whether to measure the cost of an execution, too.
    pub overhead: bool,
    /// Whether to measure the memory of a long exploration, too.
    pub memory: bool,
    /// Whether to compare memory models, too.
    pub weak: bool,
}

/// All tables, ten seconds a cell.
impl Default for Options {
    fn default() -> Self {
        let sizes = [(1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 3, 1), (2, 3, 2)]
            .map(|(n, t, k)| Size::new(n, t, k));
        let (families, limit) = (Variant::ALL.to_vec(), Duration::from_secs(10).into());
        Options {
            families,
            sizes: sizes.to_vec(),
            limit,
            format: Format::Plain,
            overhead: false,
            memory: false,
            weak: false,
        }
    }
}

/// What was measured.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Measured {
    /// The memory of a long exploration, if that was asked for.
    pub memory: Option<Memory>,
    /// The cost of an execution, if that was asked for.
    pub overhead: Vec<Overhead>,
    /// The table of memory models, if that was asked for.
    pub weak: Columns<Relaxed>,
    /// A table for each family.
    pub tables: Vec<(Variant, Columns<Size>)>,
}

/// The columns of a table: a program, or how much of one, and a cell for each engine.
pub type Columns<T> = Vec<(T, Vec<Cell>)>;

/// How far a benchmark is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Progress<'a> {
    /// What runs now.
    pub now: &'a str,
    /// Parts that are done.
    pub done: usize,
    /// All parts.
    pub total: usize,
}

/// Rounds of the measurement of what an execution costs.
const ROUNDS: usize = 9;

/// Run all of it, write each table when it is complete, and say before each part what it is. When
/// the limit's flag says stop, what is complete has been written, and is returned.
///
/// # Errors
/// If `out` cannot be written.
pub fn run(
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress<'_>),
) -> io::Result<Measured> {
    let mut measured = Measured::default();
    let Options { families, sizes, limit, format, .. } = options;
    let relaxed = if options.weak { &Relaxed::ALL[..] } else { &[] };
    let total = usize::from(options.memory)
        + usize::from(options.overhead)
        + relaxed.len()
        + families.len() * sizes.len();
    let mut done = 0;
    let mut next = |now: &str| {
        progress(Progress { now, done, total });
        done += 1;
        !limit.stopped()
    };
    // First, while nothing else has taken memory.
    if options.memory && next("memory") {
        let memory = memory(limit.clone());
        if !limit.stopped() {
            writeln!(out, "{}", memory_text(&memory))?;
            measured.memory = Some(memory);
        }
    }
    if options.overhead && next("the cost of an execution") {
        measured.overhead = overhead(ROUNDS);
        write!(out, "{}", overhead_text(&measured.overhead))?;
    }
    let mut blank = if options.memory || options.overhead { "\n" } else { "" };
    let mut finished = |title: String, table: String| {
        write!(out, "{blank}{title}\n\n{table}")?;
        blank = "\n";
        out.flush()
    };
    measured.weak =
        columns(relaxed, "relaxed", &mut next, |&program| exhaust_relaxed(program, limit.clone()));
    if !measured.weak.is_empty() {
        finished(title("weak", WEAK, *format), table(&measured.weak, *format))?;
    }
    for &family in families {
        let columns = columns(sizes, family.name(), &mut next, |&Size { n, t, k }| {
            let limit = limit.clone();
            if family == Variant::Buggy {
                find(n, t, k, limit)
            } else {
                exhaust(family, n, t, k, limit)
            }
        });
        if !columns.is_empty() {
            finished(title(family.name(), &what(family), *format), table(&columns, *format))?;
            measured.tables.push((family, columns));
        }
    }
    progress(Progress { now: "", done: total, total });
    out.flush().map(|()| measured)
}

/// The columns of a table, as many as `next` lets begin.
fn columns<T: Copy + Display>(
    of: &[T],
    what: &str,
    next: &mut dyn FnMut(&str) -> bool,
    measure: impl Fn(&T) -> Vec<Cell>,
) -> Columns<T> {
    let begun = of.iter().take_while(|program| next(&format!("{what} {program}")));
    begun.map(|program| (*program, measure(program))).collect()
}

/// What the table of memory models is.
const WEAK: &str = "relaxed accesses under memory models: executions and time to exhaust, the \
                    median of those within 50 ms";

/// What the table of a family is.
fn what(family: Variant) -> String {
    match family {
        Variant::FixedPlain => "the lock, plain data: executions and time to exhaust".to_owned(),
        Variant::FixedAtomic => {
            "the lock, visible atomics inside: executions and time to exhaust".to_owned()
        }
        Variant::NoAssert => "no lock, nothing asserted: executions and time to exhaust".to_owned(),
        Variant::Buggy => format!(
            "no lock: executions and time to find the bug; samplers: median of {SEEDS} seeds"
        ),
    }
}

fn title(name: &str, what: &str, format: Format) -> String {
    match format {
        Format::Plain => format!("{name}: {what}"),
        Format::Markdown => format!("**{name}**: {what}"),
    }
}

/// A table with a row for each engine and a column for each program.
pub fn table<T: Display>(columns: &[(T, Vec<Cell>)], format: Format) -> String {
    let mut rows = vec![vec!["engine".to_owned()]];
    rows[0].extend(columns.iter().map(|(program, _)| program.to_string()));
    let engines = columns.first().map_or(&[][..], |(_, cells)| cells);
    for (index, Cell { engine, .. }) in engines.iter().enumerate() {
        let mut row = vec![(*engine).to_owned()];
        row.extend(
            columns.iter().map(|(_, cells)| cells.get(index).map(figures).unwrap_or_default()),
        );
        rows.push(row);
    }
    let widths: Vec<usize> = (0..=columns.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let padded: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        match format {
            Format::Plain => text.push_str(padded.join("   ").trim_end()),
            Format::Markdown => _ = write!(text, "| {} |", padded.join(" | ")),
        }
        text.push('\n');
        if index == 0 {
            let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            match format {
                Format::Plain => _ = writeln!(text, "{}", rule.join("   ")),
                Format::Markdown => _ = writeln!(text, "| {} |", rule.join(" | ")),
            }
        }
    }
    text
}

/// A cell in words: a figure stands alone only if it is a result.
fn figures(cell: &Cell) -> String {
    let executions = grouped(cell.executions);
    match &cell.outcome {
        Outcome::Done if cell.cut > 0 => {
            format!("{executions} ({} cut), {}", grouped(cell.cut), time(cell.seconds))
        }
        Outcome::Done => format!("{executions}, {}", time(cell.seconds)),
        Outcome::OverLimit(limit) => {
            format!("> {} ({executions} so far)", time(limit.as_secs_f64()))
        }
        Outcome::Stopped => format!("stopped ({executions} so far)"),
        Outcome::Missed => format!("not found ({executions} are all)"),
        Outcome::Broken(why) => why.clone(),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.01 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn overhead_text(overheads: &[Overhead]) -> String {
    let mut text = String::from(
        "an execution under dpor and under shuttle's random scheduler, alternating:\n",
    );
    for Overhead { variant, size, same_primitives, dpor, random, ratio, ratios, rounds, .. } in
        overheads
    {
        let primitives =
            if *same_primitives { "the same primitives" } else { "shuttle's own primitives" };
        let (least, most) = ratios;
        let (dpor, random) = (grouped(*dpor as u64), grouped(*random as u64));
        _ = writeln!(
            text,
            "- {variant} {size}, {primitives}: {dpor} and {random} per second, {ratio:.2} times \
             the cost (median of {rounds}, {least:.2} to {most:.2})"
        );
    }
    text
}

fn memory_text(memory: &Memory) -> String {
    let Memory { size, executions, exhausted, seconds, peak, alone } = memory;
    let (executions, seconds) = (grouped(*executions), time(*seconds));
    let all = if *exhausted { "all" } else { "unfinished" };
    let peak = peak.map_or("the peak is not known here".to_owned(), |peak| {
        format!("the process peaked at {} kB", grouped(peak))
    });
    let since = if *alone { "" } else { " since it started" };
    format!(
        "memory, {} {size}: {executions} executions ({all}) in {seconds}, {peak}{since}",
        Variant::FixedPlain
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_result_is_a_bare_figure() {
        let cell =
            |outcome| Cell { engine: "e", executions: 1_234_567, cut: 0, seconds: 0.25, outcome };
        assert_eq!(figures(&cell(Outcome::Done)), "1,234,567, 250 ms");
        assert_eq!(figures(&Cell { cut: 3, ..cell(Outcome::Done) }), "1,234,567 (3 cut), 250 ms");
        assert_eq!(
            figures(&cell(Outcome::OverLimit(Duration::from_secs(10)))),
            "> 10 s (1,234,567 so far)"
        );
        assert_eq!(figures(&cell(Outcome::Missed)), "not found (1,234,567 are all)");
        assert_eq!(figures(&cell(Outcome::Broken("why".to_owned()))), "why");
    }

    #[test]
    fn tables_are_aligned() {
        let cell = |engine, executions| Cell {
            engine,
            executions,
            cut: 0,
            seconds: 2.0,
            outcome: Outcome::Done,
        };
        let columns = [(Size::new(1, 1, 1), vec![cell("a", 1), cell("longer", 23)])];
        assert_eq!(
            table(&columns, Format::Markdown),
            "| engine | N1 T1 K1  |\n| ------ | --------- |\n| a      | 1, 2.0 s  |\n| longer | \
             23, 2.0 s |\n"
        );
        assert_eq!(
            table(&columns, Format::Plain),
            "engine   N1 T1 K1\n------   ---------\na        1, 2.0 s\nlonger   23, 2.0 s\n"
        );
    }
}
