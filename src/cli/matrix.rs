//! `lockwalk matrix`: every arm of a rule against every race of a family.

use crate::spec::Rules;
use crate::witness::Judged;
use crate::{Memory, Method, Options, Outcome, Part, matrix};
use serde::Serialize;

use super::args::{MatrixArgs, MatrixFormat, memory};
use super::check::{all_cores, counted, coverage};
use super::output::{complain, json, print};
use super::runner::{Case, Runner};
use super::{Refusal, Status, select};

/// So many executions a cell has, if nothing else is asked for.
const EXECUTIONS: u64 = 100_000;

/// Computes it, and prints it when all cells are known.
pub fn run(args: &MatrixArgs) -> Result<Status, Refusal> {
    let family = if args.races.is_empty() { vec!["S0".to_owned()] } else { args.races.clone() };
    let races = select::races(&family)?;
    let races: Vec<_> = races.into_iter().map(|race| race.memory(memory(args.memory))).collect();
    let columns = if args.eras {
        matrix::eras()
    } else {
        let base = select::protocol(&args.base)?;
        matrix::arms(&args.rule, &base).ok_or_else(|| {
            let names: Vec<_> = Rules::catalogue().into_iter().map(|(name, _)| name).collect();
            Refusal(format!(
                "no rule is called '{}'{}",
                args.rule,
                select::did_you_mean(&args.rule, names.iter().copied())
            ))
        })?
    };
    let method = if args.states { Method::States } else { Method::Auto };
    if args.states && memory(args.memory) == Memory::Weak {
        return Err(Refusal("--states: states have no names under --memory weak".into()));
    }
    let executions = args.executions.or((!args.states).then_some(EXECUTIONS));
    let options = Options { executions, time: args.time, ..Options::default() };
    if args.format == MatrixFormat::Table {
        let over = if args.eras {
            "protocols".to_owned()
        } else {
            format!("{} in {}", args.rule, args.base)
        };
        let (races, columns) = (counted(races.len(), "race"), counted(columns.len(), "column"));
        let covered = coverage(&method, memory(args.memory), &options);
        // At once: all of it may take minutes.
        print(&format!(
            "lockwalk matrix · {races}, {columns} · {covered}\n\n{over}: the clauses that \
             executions violate first, or never\n\n"
        ))?;
    }
    let cell = |race| {
        columns.iter().map(move |(_, protocol)| (matrix::undocumented(race), protocol.clone()))
    };
    let cases: Vec<_> = races.iter().flat_map(cell).collect();
    let jobs = args.jobs.map_or_else(all_cores, |jobs| jobs as usize);
    let runner = Runner::new(&method, options, jobs);
    let outcomes = runner.check(&cases, &method, |_| Ok(()))?;
    runner.finish();
    // Those whose turn did not come are as they were before they began.
    let of = |(race, protocol): &Case| {
        let of_it = |outcome: &&Outcome| {
            outcome.race == race.id() && outcome.protocol == protocol.to_string()
        };
        outcomes
            .iter()
            .find(of_it)
            .cloned()
            .unwrap_or_else(|| Part::new(race, protocol, None).outcome())
    };
    let cells: Vec<_> = cases.iter().map(of).collect();
    let rows: Vec<(String, Vec<Outcome>)> = races
        .iter()
        .zip(cells.chunks(columns.len()))
        .map(|(race, cells)| (race.id().to_owned(), cells.to_vec()))
        .collect();
    match args.format {
        MatrixFormat::Table => print(&matrix::plain(&columns, &rows))?,
        MatrixFormat::Markdown => print(&matrix::markdown(&columns, &rows))?,
        MatrixFormat::Json => print(&json(&Matrix::new(args, &columns, &rows)))?,
    }
    if let Some(legend) = matrix::legend(&rows).filter(|_| args.format != MatrixFormat::Json) {
        print(&format!("\n{legend}\n"))?;
    }
    let known = cells.iter().filter(|cell| cell.coverage.unfinished().is_none()).count();
    if runner.stopped() {
        complain(&format!("stopped: {known} of {} cells known", cases.len()));
    }
    Ok(if known == cells.len() { Status::AsDocumented } else { Status::Undecided })
}

/// What `--format json` prints; docs/schema/matrix.json describes it.
#[derive(Serialize)]
struct Matrix<'m> {
    rule: Option<&'m str>,
    base: Option<&'m str>,
    columns: Vec<Column<'m>>,
    rows: Vec<Row<'m>>,
}

#[derive(Serialize)]
struct Column<'m> {
    name: &'m str,
    protocol: String,
}

#[derive(Serialize)]
struct Row<'m> {
    race: &'m str,
    cells: Vec<Judged<'m>>,
}

impl<'m> Matrix<'m> {
    fn new(
        args: &'m MatrixArgs,
        columns: &'m [matrix::Column],
        rows: &'m [(String, Vec<Outcome>)],
    ) -> Self {
        let of_rule = |text: &'m str| (!args.eras).then_some(text);
        Self {
            rule: of_rule(&args.rule),
            base: of_rule(&args.base),
            columns: columns
                .iter()
                .map(|(name, protocol)| Column { name, protocol: protocol.to_string() })
                .collect(),
            rows: rows
                .iter()
                .map(|(race, cells)| Row {
                    race,
                    cells: cells.iter().map(Outcome::judged).collect(),
                })
                .collect(),
        }
    }
}
