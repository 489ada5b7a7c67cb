//! A deadlock the way lockdep prints it.

use std::collections::BTreeSet;

use super::cells::{Cell, shares, side_by_side};
use super::paint::{Page, Paint};
use crate::story::{self, Hold};
use crate::{Step, StepKind, Wait, Witness};

/// The chain of locks of a wait-for cycle: `A → B → A`.
pub(super) fn chain(cycle: &[Wait]) -> String {
    let mut locks: Vec<&str> = cycle.iter().map(|w| w.holds.as_str()).collect();
    locks.extend(cycle.last().map(|w| w.wants.as_str()));
    locks.join(" → ")
}

/// What a CPU of the cycle does that the others wait for, or at which it waits, in the words of the
/// step.
struct Call {
    cpu: usize,
    step: usize,
    text: String,
    paint: Paint,
}

/// Who takes what, and waits for what, in the order of the steps. A CPU that holds others off
/// because it is before them in a queue takes nothing: that it waits is all that it does.
fn calls(witness: &Witness, cycle: &[Wait]) -> Vec<Call> {
    let (steps, holds) = (&witness.steps, story::holds(witness));
    let take = |wait: &Wait| {
        let own = |hold: &&Hold| {
            let held = hold.steps.end == steps.len() && hold.lock.as_ref() == Some(&wait.holds);
            held && steps[hold.steps.start].cpu == wait.cpu
        };
        let step = holds.iter().rev().find(own).map(|hold| hold.steps.start);
        // What no step takes was there before all of them.
        let text = step.map_or_else(
            || format!("lock({})", wait.holds),
            |step| steps[step].text.trim_end_matches(" got it").to_owned(),
        );
        Call { cpu: wait.cpu, step: step.unwrap_or_default(), text, paint: Paint::Lock }
    };
    let wait = |wait: &Wait| {
        let own = |step: &Step| step.cpu == wait.cpu && step.object == wait.wants;
        let blocked = steps.iter().rposition(|step| own(step) && step.kind == StepKind::Blocked);
        let text = blocked
            .and_then(|step| steps[step].text.split_once(" waits"))
            .map_or_else(|| format!("lock({})", wait.wants), |(text, _)| text.to_owned());
        Call { cpu: wait.cpu, step: blocked.unwrap_or(steps.len()), text, paint: Paint::Doubt }
    };
    let takes = cycle.iter().filter(|wait| !wait.holds.ends_with(" (queued)")).map(take);
    let mut calls: Vec<_> = takes.chain(cycle.iter().rev().map(wait)).collect();
    calls.sort_by_key(|call| call.step);
    calls
}

/// A column for each CPU: who takes what, and then waits for what.
pub(super) fn scenario(witness: &Witness, cycle: &[Wait], width: usize, page: &mut Page) {
    const INDENT: usize = 2;
    const NARROWEST: usize = 12;
    let cpus: Vec<usize> =
        cycle.iter().map(|w| w.cpu).collect::<BTreeSet<_>>().into_iter().collect();
    if cpus.len() * NARROWEST > width {
        return page.wrapped("  too many CPUs for columns", 2, width, Paint::Dim);
    }
    let row = |call: Call| {
        let mut cells = vec![Cell::default(); cpus.len()];
        if let Some(column) = cpus.iter().position(|cpu| *cpu == call.cpu) {
            cells[column] = Cell::new(format!("{};", call.text), call.paint);
        }
        cells
    };
    let heads = |text: &dyn Fn(usize) -> String| {
        cpus.iter().map(|c| Cell::new(text(*c), Paint::Head)).collect()
    };
    let mut rows: Vec<Vec<Cell>> =
        vec![heads(&|cpu| format!("  CPU{cpu}")), heads(&|_| "  ----".to_owned())];
    rows.extend(calls(witness, cycle).into_iter().map(row));

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
