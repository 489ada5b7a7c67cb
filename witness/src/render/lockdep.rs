//! A deadlock the way lockdep prints it.

use std::collections::BTreeSet;

use super::cells::{Cell, shares, side_by_side};
use super::paint::{Page, Paint};
use crate::Wait;

/// The chain of locks of a wait-for cycle: `A → B → A`.
pub(super) fn chain(cycle: &[Wait]) -> String {
    let mut locks: Vec<&str> = cycle.iter().map(|w| w.holds.as_str()).collect();
    locks.extend(cycle.last().map(|w| w.wants.as_str()));
    locks.join(" → ")
}

/// The two-column form: who takes what, and then waits for what.
pub(super) fn scenario(cycle: &[Wait], width: usize, page: &mut Page) {
    const INDENT: usize = 2;
    const NARROWEST: usize = 12;
    let cpus: Vec<usize> =
        cycle.iter().map(|w| w.cpu).collect::<BTreeSet<_>>().into_iter().collect();
    if cpus.len() * NARROWEST > width {
        return page.wrapped("  too many CPUs for columns", 2, width, Paint::Dim);
    }
    let column = |cpu: usize| cpus.iter().position(|c| *c == cpu);
    let row = |cpu: usize, text: String, paint| {
        let mut cells = vec![Cell::default(); cpus.len()];
        if let Some(column) = column(cpu) {
            cells[column] = Cell::new(text, paint);
        }
        cells
    };
    let heads = |text: &dyn Fn(usize) -> String| {
        cpus.iter().map(|c| Cell::new(text(*c), Paint::Head)).collect()
    };
    let mut rows: Vec<Vec<Cell>> =
        vec![heads(&|cpu| format!("  CPU{cpu}")), heads(&|_| "  ----".to_owned())];
    rows.extend(cycle.iter().map(|w| row(w.cpu, format!("lock({});", w.holds), Paint::Lock)));
    rows.extend(
        cycle.iter().rev().map(|w| row(w.cpu, format!("lock({});", w.wants), Paint::Doubt)),
    );

    let natural =
        |column: usize| rows.iter().map(|cells| cells[column].natural()).max().unwrap_or(0).max(20);
    let natural: Vec<_> = (0..cpus.len()).map(natural).collect();
    let gaps = INDENT + super::cells::GAP * cpus.len();
    let widths = shares(&natural, width.saturating_sub(gaps));
    for cells in &rows {
        for mut line in side_by_side(cells, &widths) {
            line.insert(0, (" ".repeat(INDENT), Paint::Plain));
            page.line(&line);
        }
    }
    page.blank();
    page.write(" *** DEADLOCK ***", Paint::Bad);
}
