//! The design space: every arm of a rule, or several protocols, against several races. What comes
//! out is computed, never documented.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use witness::Outcome;

use crate::race::Race;
use crate::spec::{Era, Protocol, Rules};

/// A column: its head, and the protocol it stands for.
pub type Column = (String, Protocol);

/// One column for each arm of the rule, in a protocol that is otherwise `base`; `None` if there is
/// no such rule.
pub fn arms(rule: &str, base: &Protocol) -> Option<Vec<Column>> {
    let (rule, arms) = Rules::catalogue().into_iter().find(|(name, _)| *name == rule)?;
    let column = |arm: &str| {
        let mut protocol = base.clone();
        protocol.rules.choose(rule, arm).then(|| (arm.to_owned(), protocol))
    };
    arms.into_iter().map(column).collect()
}

/// One column for each protocol that document 0's family of claims is about.
pub fn eras() -> Vec<Column> {
    let all = [
        Era::V2_6_7,
        Era::V2_6_11,
        Era::DOCUMENT_0,
        Era::V2_6_13,
        Era::V2_6_29,
        Era::V5_9,
        Era::V5_19,
    ];
    all.into_iter().map(|protocol| (protocol.to_string(), protocol)).collect()
}

/// The race without what is documented of it: to be run until nothing is left, under any protocol.
pub fn undocumented(race: &Race) -> Race {
    race.clone().without_cases()
}

/// What one cell says: the clauses that executions violate, each execution counted by its first
/// one; or that none does. `…` after them, or `?` instead, where not everything was explored; `–`
/// where the race makes no sense under the protocol.
pub fn cell(outcome: &Outcome) -> String {
    let clauses: Vec<_> =
        outcome.violations.iter().map(|violation| violation.name.as_str()).collect();
    match (clauses.as_slice(), outcome.coverage.unfinished()) {
        ([], None) if outcome.coverage.inapplicable().is_some() => "–".into(),
        ([], None) => outcome.verdict().to_string(),
        ([], Some(_)) => "?".into(),
        (clauses, None) => clauses.join(" "),
        (clauses, Some(_)) => format!("{} …", clauses.join(" ")),
    }
}

/// What the marks of the cells mean that are there.
pub fn legend(rows: &[(String, Vec<Outcome>)]) -> Option<String> {
    let all = || rows.iter().flat_map(|(_, outcomes)| outcomes);
    let cells = || all().filter(|outcome| outcome.coverage.unfinished().is_some());
    let marks = [
        (true, "…: not all of it was explored, so that more may be violated"),
        (false, "?: not all of it was explored, and nothing was found"),
    ];
    let there = marks
        .iter()
        .filter(|(found, _)| cells().any(|outcome| outcome.violations.is_empty() != *found));
    let mut lines: Vec<_> = there.map(|(_, mark)| (*mark).to_owned()).collect();
    let whys: BTreeSet<_> = all().filter_map(|outcome| outcome.coverage.inapplicable()).collect();
    lines.extend(whys.into_iter().map(|why| format!("–: not applicable: {why}")));
    (!lines.is_empty()).then(|| lines.join("; ") + ".")
}

/// The table in Markdown; `rows` are races' ids with one outcome a column.
pub fn markdown(columns: &[Column], rows: &[(String, Vec<Outcome>)]) -> String {
    let mut out = String::from("| race |");
    columns.iter().for_each(|(head, _)| write!(out, " {head} |").expect("a string"));
    out += "\n| --- |";
    columns.iter().for_each(|_| out += " --- |");
    for (race, outcomes) in rows {
        write!(out, "\n| {race} |").expect("a string");
        outcomes.iter().for_each(|outcome| write!(out, " {} |", cell(outcome)).expect("a string"));
    }
    out + "\n"
}

/// The same with columns that line up, for a terminal.
pub fn plain(columns: &[Column], rows: &[(String, Vec<Outcome>)]) -> String {
    let mut lines = vec![
        std::iter::once("race".to_owned())
            .chain(columns.iter().map(|(head, _)| head.clone()))
            .collect::<Vec<_>>(),
    ];
    lines.extend(rows.iter().map(|(race, outcomes)| {
        std::iter::once(race.clone()).chain(outcomes.iter().map(cell)).collect()
    }));
    let widths: Vec<_> = (0..=columns.len())
        .map(|at| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<_> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out += cells.join("  ").trim_end();
        out.push('\n');
    }
    out
}
